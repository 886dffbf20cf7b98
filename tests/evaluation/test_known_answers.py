"""What is known of the synthetic world must come out: skill, the map, its total and the interval; and a leak."""

import numpy as np
import pytest
import xarray as xr

from xnee.evaluation.crossval import crossvalidate
from xnee.evaluation.intervals import calibrate
from xnee.evaluation.total_error import total_interval
from xnee.grid import cell_area
from xnee.models.fitting import fit
from xnee.models.training import FitSpec
from xnee.pft import PFTS
from xnee.prediction import predict
from xnee.products.budget import budget
from xnee.sources.synthetic import MEMORY, formula_nee, synthetic_cube, synthetic_towers, true_nee

DRIVERS = ["TEMP", "TS", "PRE", "VPD", "PAR", "FAPAR"]
LEAKS = ["WS", "PA", "AGE"]


def world(seed):
    """Towers left out, a map, and the truth: totals in Tg C yr-1 by type."""
    towers = synthetic_towers(seed=seed, sites_per_pft=6, years=4)
    quick = {"lags": MEMORY, "members": 2, "strategy": "pooled", "seed": seed, "training": FitSpec(epochs=15)}
    cube = synthetic_cube(seed=seed)
    predicted = predict(cube, fit(towers, DRIVERS, **quick)).compute()
    cv = crossvalidate(towers, DRIVERS, folds=5, baselines=[], **quick)
    known = predicted["NEE"].notnull() & (cube["time"].dt.year > 2003)
    area = cell_area(cube["lat"], cube["lon"]) * cube["pft_fraction"] * 1e-12
    by_type = xr.concat([formula_nee(cube, pft=pft) for pft in PFTS], cube["pft"])
    total = (by_type.where(known, 0) * area).sum(("time", "lat", "lon")) / 2
    return {"cube": cube, "predicted": predicted, "cv": cv, "total": total, "known": known}


@pytest.fixture(scope="module")
def one():
    return world(0)


def test_skill_at_towers_never_seen(one):
    r2 = one["cv"]["R2"].sel(predictor="xnee")
    assert float(r2.sel(pft="all")) > 0.88
    assert float(r2.sel(pft=list(PFTS)).min()) > 0.6


def test_the_map_is_the_formula(one):
    true, found = (values.where(one["known"]).values for values in (true_nee(one["cube"]), one["predicted"]["NEE"]))
    assert np.nanmean((found - true) ** 2) < 0.15 * np.nanvar(true)


def test_intervals_of_months_hold_as_often_as_promised(one):
    calibration = calibrate(one["cv"]).sel(pft="all")
    assert 0.87 < float(calibration["coverage"]) < 0.97
    assert float(calibration["coverage_raw"]) < 0.7


def test_the_true_total_is_found(one):
    found = budget(one["predicted"], by=("pft",))
    assert float(found["NEE_forest"]) == pytest.approx(float(one["total"].sum()), rel=0.1)
    large = ["DBF", "EBF", "MF"]
    np.testing.assert_allclose(found["NEE_total"].sel(pft=large), one["total"].sel(pft=large), rtol=0.2)


def test_the_interval_of_the_total_holds_the_true_one_and_is_no_wider_than_need_be(one):
    sure = total_interval(budget(one["predicted"], by=("pft",)), one["cv"])
    true = float(one["total"].sum())
    low, high = float(sure["NEE_forest_low"]), float(sure["NEE_forest_high"])
    assert low < true < high
    assert high - low < 0.25 * abs(true)
    assert int(((sure["NEE_total_low"] < one["total"]) & (one["total"] < sure["NEE_total_high"])).sum()) >= 4


@pytest.mark.slow
def test_totals_of_other_worlds_are_inside_as_well():
    """Six worlds, six totals each: at 90 % fewer than 28 of 36 inside would be less than one chance in a hundred."""
    inside = 0
    for seed in range(1, 7):
        other = world(seed)
        sure = total_interval(budget(other["predicted"], by=("pft",)), other["cv"])
        inside += int(((sure["NEE_total_low"] < other["total"]) & (other["total"] < sure["NEE_total_high"])).sum())
        inside += bool(sure["NEE_forest_low"] < other["total"].sum() < sure["NEE_forest_high"])
    assert inside >= 28


def test_networks_that_learned_a_leak_are_caught_on_sites_left_out():
    """Three drivers are made the site's own numbers: they tell its mean NEE once it was seen, and nothing of others."""
    rng = np.random.default_rng(3)
    ds = synthetic_towers(sites_per_pft=4, years=4, noise=4, gaps=0)
    draw = {name: xr.DataArray(rng.normal(0, 1, ds.sizes["site"]), dims="site") for name in ("NEE", *LEAKS)}
    ds["NEE"] = (ds["NEE"] + 60 * draw["NEE"]).assign_attrs(ds["NEE"].attrs)
    for name in LEAKS:
        own = 0 * ds[name].fillna(0) + float(ds[name].mean()) + 0.5 * float(ds[name].std()) * draw[name]
        ds[name] = own.assign_attrs(ds[name].attrs)
    quick = {"lags": 0, "members": 1, "strategy": "pooled", "context": False, "training": FitSpec(epochs=20)}
    r2 = {}
    for scheme in ("temporal", "leave-site-out"):
        for drivers in (["TEMP", "PAR", "VPD"], ["TEMP", "PAR", "VPD", *LEAKS]):
            cv = crossvalidate(ds, drivers, scheme=scheme, folds=4, baselines=[], **quick)
            r2[scheme, len(drivers)] = float(cv["R2"].sel(predictor="xnee", pft="all"))
    assert r2["temporal", 6] > r2["temporal", 3] + 0.3
    assert r2["leave-site-out", 6] < 0.2 < 0.7 < r2["temporal", 6]
    assert r2["leave-site-out", 6] < r2["leave-site-out", 3] + 0.05
