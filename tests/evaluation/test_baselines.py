import numpy as np
import pytest
import xarray as xr

from xnee.evaluation.baselines import (
    BASELINES,
    choose_baselines,
    gradient_boosting,
    pft_seasonal_cycle,
    random_forest,
    site_seasonal_cycle,
)
from xnee.evaluation.schemes import located
from xnee.windowing import windows


def with_context(samples):
    """Windows with what each site is like: the mean and the spread of each driver."""
    by_site = samples["x"].isel(lag=-1).groupby("site")
    context = xr.concat([by_site.mean(), by_site.std()], dim="statistic").sel(site=samples["site"].values)
    return samples.assign(context=(("sample", "statistic", "driver"), context.transpose("site", ...).values))


def test_seasonal_cycles_equal_a_slow_loop(towers):
    ds = towers(sites=6, years=3)
    ds = ds.assign_coords(lat=("site", [10.0, -10.0] * 3))
    samples = located(windows(ds, lags=0), ds)
    training = np.arange(samples.sizes["sample"]) % 5 > 0
    month = samples.time.dt.month.values
    for baseline, key in ((site_seasonal_cycle, "site"), (pft_seasonal_cycle, "pft")):
        season = np.where(samples.lat.values < 0, (month + 5) % 12 + 1, month)
        predicted, group = baseline(samples, training), samples[key].values
        for k in range(0, samples.sizes["sample"], 7):
            same = training & (group == group[k]) & (season == season[k])
            assert predicted[k] == pytest.approx(samples.NEE.values[same].mean())


def test_a_type_that_training_never_saw_has_the_cycle_of_all(towers):
    samples = windows(towers(sites=5, years=3), lags=0)
    training = samples.pft.values != "MF"
    predicted, month = pft_seasonal_cycle(samples, training), samples.time.dt.month.values
    july = ~training & (month == 7)
    assert predicted[july] == pytest.approx(samples.NEE.values[training & (month == 7)].mean())


@pytest.mark.parametrize("trees", [random_forest, gradient_boosting])
def test_trees_learn_the_formula_and_are_the_same_each_time(towers, trees):
    samples = windows(towers(sites=10, years=6), lags=3)
    training = np.arange(samples.sizes["sample"]) % 5 > 0
    predicted = trees(samples, training)
    assert np.corrcoef(predicted[~training], samples.NEE.values[~training])[0, 1] > 0.9
    np.testing.assert_allclose(predicted, trees(samples, training))  # trees may add up in another order


@pytest.mark.parametrize("trees", [random_forest, gradient_boosting])
def test_trees_use_context_only_when_asked(towers, trees):
    samples = windows(towers(sites=10, years=3), lags=1)
    # what a site is like tells its mean NEE, and nothing else does
    code = np.unique(samples.site, return_inverse=True)[1]
    samples = with_context(samples.assign(NEE=samples.NEE + 200.0 * (code % 2)))
    samples["context"][:, 0, 0] = code % 2
    training = code < 8
    blind, seeing = (trees(samples, training, context=context)[~training] for context in (False, True))
    error = [np.abs(p - samples.NEE.values[~training]).mean() for p in (blind, seeing)]
    assert error[1] < 0.7 * error[0]
    np.testing.assert_allclose(blind, trees(samples.drop_vars("context"), training)[~training])


def test_held_out_targets_are_never_seen(towers):
    samples = with_context(windows(towers(sites=6, years=2), lags=1))
    training = np.arange(samples.sizes["sample"]) % 4 > 0
    spoiled = samples.assign(NEE=samples.NEE.where(xr.DataArray(training, dims="sample"), 9e3))
    for name in ("PFT seasonal cycle", "site seasonal cycle", "gradient boosting, context"):
        np.testing.assert_array_equal(BASELINES[name](samples, training), BASELINES[name](spoiled, training))


def test_what_applies_depends_on_scheme_strategy_and_context():
    bare, full = xr.Dataset(), xr.Dataset({"context": 0.0})
    assert "site seasonal cycle" not in choose_baselines(None, scheme="knndm", strategy="per-pft", samples=bare)
    assert "site seasonal cycle" in choose_baselines(None, scheme="leave-year-out", strategy="per-pft", samples=bare)
    assert "random forest, context" in choose_baselines(None, scheme="temporal", strategy="pooled", samples=full)
    assert "pooled LSTM" not in choose_baselines(None, scheme="temporal", strategy="pooled", samples=full)
    assert choose_baselines([], scheme="temporal", strategy="pooled", samples=full) == ()
    for name, scheme in (("site seasonal cycle", "leave-site-out"), ("pooled LSTM", "temporal"), ("magic", "temporal")):
        with pytest.raises(ValueError, match=rf"are among \['PFT seasonal cycle', .*; got \['{name}'\]"):
            choose_baselines([name], scheme=scheme, strategy="pooled", samples=bare)
