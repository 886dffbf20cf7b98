import numpy as np
import pytest
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from xnee.scores import Tally


def test_scores_equal_scikit_learn():
    rng = np.random.default_rng(0)
    y, p = rng.normal(size=(2, 50))
    t = Tally.of(y, p)
    assert t.r2 == pytest.approx(r2_score(y, p))
    assert t.mae == pytest.approx(mean_absolute_error(y, p))
    assert t.rmse == pytest.approx(root_mean_squared_error(y, p))
    assert t.bias == pytest.approx((p - y).mean())


def test_tallies_add_up():
    rng = np.random.default_rng(1)
    y, p = rng.normal(size=(2, 50))
    whole, parts = Tally.of(y, p), Tally.of(y[:20], p[:20]) + Tally.of(y[20:], p[20:])
    assert parts.r2 == pytest.approx(whole.r2)
    assert parts.count == whole.count


def test_nothing_to_score_is_missing():
    assert np.isnan(Tally.of([], []).r2)
    assert np.isnan(Tally.of([1.0], [np.nan]).rmse)
    assert np.isnan(Tally.of([1.0, 1.0], [1.0, 2.0]).r2)
