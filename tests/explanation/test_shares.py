import numpy as np
import pytest
import xarray as xr

from xnee.explanation.shares import contribution, contribution_interval


def test_contributions_are_shares_by_type():
    phi = xr.DataArray([[3.0, -1.0], [-3.0, 1.0], [0.0, 2.0]], dims=("sample", "driver"))
    share = contribution(phi, np.array(["ENF", "ENF", "MF"]))
    assert share.sel(pft=2).values.tolist() == [75, 25]
    assert share.sel(pft=4).values.tolist() == [0, 100]
    assert share.sel(pft=0).isnull().all()


def test_nothing_that_moves_the_prediction_has_no_shares():
    phi = xr.DataArray(np.zeros((2, 2)), dims=("sample", "driver"))
    assert contribution(phi, np.array(["MF", "MF"])).isnull().all()


def test_intervals_are_those_of_a_bootstrap_over_sites():
    rng = np.random.default_rng(0)
    phi = xr.DataArray(rng.normal(size=(40, 3)) * [3, 2, 1], dims=("sample", "driver"))
    site, pft = np.repeat(list("abcdefgh"), 5), np.full(40, "DBF")
    bounds = contribution_interval(phi, pft, site, draws=4000).sel(pft=0)
    slow = []
    for _ in range(4000):
        rows = np.concatenate([np.flatnonzero(site == name) for name in rng.choice(list("abcdefgh"), 8)])
        slow.append(contribution(phi.isel(sample=rows), pft[rows]).sel(pft=0).to_numpy())
    np.testing.assert_allclose(bounds, np.quantile(slow, [0.05, 0.95], axis=0), atol=0.7)
    point = contribution(phi, pft).sel(pft=0)
    assert (bounds.sel(bound="low") < point).all()
    assert (point < bounds.sel(bound="high")).all()


def test_one_site_has_no_interval():
    phi = xr.DataArray([[3.0, -1.0], [-3.0, 1.0]], dims=("sample", "driver"))
    assert contribution_interval(phi, np.array(["MF", "MF"]), np.array(["a", "a"])).isnull().all()


@pytest.mark.parametrize("wrong", [{"level": 1.0}, {"level": 0.0}, {"draws": 0}], ids=str)
def test_bad_bootstraps_are_refused(wrong):
    phi = xr.DataArray([[3.0, -1.0]], dims=("sample", "driver"))
    with pytest.raises(ValueError, match="a bootstrap needs a level between 0 and 1 and at least 1 draw"):
        contribution_interval(phi, np.array(["MF"]), np.array(["a"]), **wrong)
