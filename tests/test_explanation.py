from itertools import combinations
from math import factorial

import numpy as np
import pytest
import xarray as xr

from xnee.explanation import _exact, _game, _permuted, contribution, explain


def brute_force(game, drivers):
    """Shapley's definition, one coalition at a time."""
    phi = np.zeros(drivers)
    for k in range(drivers):
        others = [j for j in range(drivers) if j != k]
        for size in range(drivers):
            weight = factorial(size) * factorial(drivers - size - 1) / factorial(drivers)
            for members in combinations(others, size):
                z = np.zeros((2, drivers))
                z[:, list(members)] = 1
                z[1, k] = 1
                without, with_k = game(z)
                phi[k] += weight * (with_k - without)
    return phi


class Interacting:
    """NEE = TEMP now x PRE before + VPD; WS is not used."""

    def predict_series(self, _pft, x):
        y = np.full((2, *x.shape[:2]), np.nan)
        y[:, :, 1:] = x[:, 1:, 0] * x[:, :-1, 1] + x[:, 1:, 2]
        return y


@pytest.fixture
def game():
    rng = np.random.default_rng(0)
    return _game(Interacting(), "MF", rng.normal(size=(2, 4)), rng.normal(size=(30, 2, 4)))


def test_exact_values_equal_brute_force(game):
    phi, error = _exact(game, 4, 0, 0)
    np.testing.assert_allclose(phi, brute_force(game, 4), atol=1e-9)
    assert phi[3] == pytest.approx(0, abs=1e-12)
    assert (error == 0).all()


def test_permutations_agree_within_their_error(game):
    phi, error = _permuted(game, 4, 200, 1)
    assert (np.abs(phi - brute_force(game, 4)) <= 5 * error + 1e-9).all()


@pytest.mark.parametrize("method", ["exact", "permutation"])
def test_base_and_values_add_up_to_the_prediction(towers, fitted, method):
    why = explain(towers(sites=10), fitted, samples=2, background=8, method=method)
    total = why["base"] + why["phi"].sum("driver")
    np.testing.assert_allclose(total, why["prediction"], atol=1e-3)
    assert float(np.abs(why["residual"]).max()) < 1e-4 * float(towers(sites=10)["NEE"].std()) + 1e-3
    np.testing.assert_allclose(why["contribution"].sum("driver"), 100)
    by_model = fitted.predict_windows
    assert by_model is not None
    assert why.attrs["method"] == method


def test_explained_predictions_are_the_models_own(towers, fitted):
    from xnee.windowing import windows

    ds = towers(sites=10)
    why = explain(ds, fitted, samples=1, background=4)
    samples = windows(ds, fitted.window.drivers, lags=3)
    own = fitted.predict_windows(samples).mean("member")
    for k in range(why.sizes["sample"]):
        same = (samples.site.values == why.site.values[k]) & (samples.time.values == why.time.values[k])
        assert float(why["prediction"][k]) == pytest.approx(float(own[same][0]), abs=1e-3)


def test_contributions_are_shares_by_type():
    phi = xr.DataArray([[3.0, -1.0], [-3.0, 1.0], [0.0, 2.0]], dims=("sample", "driver"))
    share = contribution(phi, np.array(["ENF", "ENF", "MF"]))
    assert share.sel(pft=2).values.tolist() == [75, 25]
    assert share.sel(pft=4).values.tolist() == [0, 100]
    assert share.sel(pft=0).isnull().all()


def test_bad_requests_are_refused(towers, fitted):
    with pytest.raises(ValueError, match="explain needs method 'auto', 'exact' or 'permutation'"):
        explain(towers(sites=10), fitted, method="deep")
    with pytest.raises(ValueError, match="at least 1"):
        explain(towers(sites=10), fitted, samples=0)


def test_a_missing_shap_says_what_to_install(towers, fitted, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "shap", None)
    with pytest.raises(ImportError, match=r'pip install "xnee\[explain\]"'):
        explain(towers(sites=10), fitted, samples=1)


def test_numpys_own_random_state_is_left_alone(towers, fitted):
    np.random.seed(3)  # noqa: NPY002
    first = np.random.random()  # noqa: NPY002
    np.random.seed(3)  # noqa: NPY002
    explain(towers(sites=10), fitted, samples=1, background=3, method="permutation", permutations=10)
    assert np.random.random() == first  # noqa: NPY002
