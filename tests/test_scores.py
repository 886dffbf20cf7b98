import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis.extra.numpy import arrays
from hypothesis.strategies import floats, integers
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from xnee.scores import FIELDS, Tally, measures, score_dataset, spread_over_types, sums_by


def test_scores_equal_scikit_learn():
    rng = np.random.default_rng(0)
    y, p = rng.normal(size=(2, 50))
    t = Tally.of(y, p)
    assert t.r2 == pytest.approx(r2_score(y, p))
    assert t.mae == pytest.approx(mean_absolute_error(y, p))
    assert t.rmse == pytest.approx(root_mean_squared_error(y, p))
    assert t.bias == pytest.approx((p - y).mean())


def test_correlation_and_kge_equal_their_formulas():
    rng = np.random.default_rng(3)
    y = rng.normal(-20, 30, 80)
    p = 0.7 * y + rng.normal(5, 10, 80)
    r = np.corrcoef(y, p)[0, 1]
    kge = 1 - np.sqrt((r - 1) ** 2 + (p.std() / y.std() - 1) ** 2 + ((p - y).mean() / y.std()) ** 2)
    found = measures(dict(zip(FIELDS, sums_by(y, p, np.zeros(80, dtype=int), count=1)[0], strict=True)))
    assert float(found["r"]) == pytest.approx(r)
    assert float(found["KGE"]) == pytest.approx(kge)
    assert Tally.of(y, p).kge == pytest.approx(kge)
    assert float(found["NSE"]) == float(found["R2"])


def test_perfect_predictions_score_one():
    y = np.array([1.0, 5.0, -3.0])
    found = measures(dict(zip(FIELDS, sums_by(y, y, np.zeros(3, dtype=int), count=1)[0], strict=True)))
    assert {name: round(float(value), 9) for name, value in found.items()} == {
        "R2": 1, "NSE": 1, "MAE": 0, "RMSE": 0, "bias": 0, "r": 1, "KGE": 1, "n": 3
    }  # fmt: skip


@given(y=arrays("f8", integers(1, 40), elements=floats(-1e3, 1e3)), cut=integers(0, 40), shift=floats(-1e2, 1e2))
def test_tallies_add_up(y, cut, shift):
    p = y[::-1] + shift
    whole, parts = Tally.of(y, p), Tally.of(y[:cut], p[:cut]) + Tally.of(y[cut:], p[cut:])
    assert parts.count == whole.count
    assert parts.rmse == pytest.approx(whole.rmse)
    assert parts.mae == pytest.approx(whole.mae)
    assert parts.bias == pytest.approx(whole.bias, abs=1e-9)


def test_sums_by_group_equal_tallies_of_the_groups():
    rng = np.random.default_rng(1)
    y, p = rng.normal(size=(2, 60))
    p[::7] = np.nan
    group = rng.integers(0, 4, 60)
    sums = sums_by(y, p, group, count=5)
    for k in range(5):
        one = Tally.of(y[group == k], p[group == k])
        np.testing.assert_allclose(sums[k], [getattr(one, name) for name in FIELDS])


def test_sums_spread_over_types_equal_a_grouped_table():
    rng = np.random.default_rng(2)
    sums, pft = rng.random((6, len(FIELDS))), np.array(["MF", "ENF", "MF", "DBF", "ENF", "MF"])
    table = pd.DataFrame(sums).groupby(pft).sum()
    found = spread_over_types(sums, pft)
    np.testing.assert_allclose(found[[0, 2, 4]], table.loc[["DBF", "ENF", "MF"]])
    np.testing.assert_allclose(found[5], sums.sum(axis=0))
    assert not found[[1, 3]].any()


def test_nothing_to_score_is_missing():
    assert np.isnan(Tally.of([], []).r2)
    assert np.isnan(Tally.of([1.0], [np.nan]).rmse)
    assert np.isnan(Tally.of([1.0, 1.0], [1.0, 2.0]).r2)
    assert np.isnan(Tally.of([0.1] * 3, [1.0, 2.0, 3.0]).kge)


def test_a_dataset_of_scores_says_its_units():
    scores = score_dataset(sums_by([1.0, 2.0], [1.0, 3.0], np.array([0, 0]), count=1), ["pft"], suffix="_x")
    assert scores["RMSE_x"].attrs["units"] == "g C m-2 month-1"
    assert scores["R2_x"].attrs["units"] == "1"
    assert scores["n_x"].dtype.kind == "i"
