"""Weights, folds, models and towers that do not fit: one clear error each, before the work."""

import numpy as np
import pytest
import xarray as xr

import xnee.applicability.area as area_module
from xnee.applicability import applicability_skill, area_of_applicability, outside_share, outside_table
from xnee.evaluation.crossval import crossvalidate
from xnee.models.fitting import fit
from xnee.models.training import FitSpec
from xnee.prediction import predict

QUICK = {"lags": 1, "members": 1, "strategy": "per-pft", "training": FitSpec(epochs=1)}
EVEN = xr.DataArray([1.0, 1.0], dims="driver", coords={"driver": ["TEMP", "PRE"]})


@pytest.fixture(scope="module")
def made(towers):
    ds = towers(sites=15, years=2)
    return ds, fit(ds, **QUICK)


@pytest.fixture(scope="module")
def scores(made):
    return crossvalidate(made[0], folds=5, baselines=[], **QUICK)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (EVEN * np.nan, "weights must be finite, 0 or more for each of .* all are missing"),
        (EVEN.where(EVEN["driver"] == "TEMP"), "not all 0; found nan"),
        (EVEN * np.inf, "found inf"),
        (-EVEN, "found -1"),
        (EVEN * 0, "all are 0"),
        (EVEN.isel(driver=[0]), r"each driver of \['TEMP', 'PRE'\] once; lacking: \['PRE'\]"),
        (xr.concat([EVEN, EVEN], "driver"), r"once; lacking: \[\], there: \['TEMP', 'PRE', 'TEMP', 'PRE'\]"),
        (EVEN.expand_dims(lag=[0]), r"each lag of \[0, 1\] once; lacking: \[1\]"),
        (EVEN.expand_dims(pft=["larch"]), r"a PFT must be one of .* got \['larch'\]"),
        (EVEN.expand_dims(pft=5), "weights must be what explain or explain_lags gave"),
        (EVEN.drop_vars("driver"), "weights must be what explain or explain_lags gave"),
        (xr.Dataset({"contribution": 1.0}), "weights must be what explain or explain_lags gave"),
        ({"TEMP": 1.0, "PRE": 1.0}, "got dict"),
        ([1.0, 1.0], "got list"),
        ("even", "got str"),
    ],
)
def test_weights_that_mean_nothing_are_refused(made, cube, weights, message):
    sites, model = made
    with pytest.raises(ValueError, match=message):
        area_of_applicability(cube(months=4), model, sites=sites, weights=weights)


def test_a_type_may_have_no_weights_but_not_half(made, cube):
    sites, model = made
    by_type = EVEN.expand_dims(pft=["DBF", "MF"]).copy()
    by_type[1] = np.nan
    where = area_of_applicability(cube(months=4), model, sites=sites, weights=by_type).compute()
    xr.testing.assert_allclose(where, area_of_applicability(cube(months=4), model, sites=sites, weights=EVEN).compute())
    by_type[1, 0] = 1
    with pytest.raises(ValueError, match="found nan"):
        area_of_applicability(cube(months=4), model, sites=sites, weights=by_type)


def by_site(sites, values):
    return xr.DataArray(values, dims="site", coords={"site": sites["site"].to_numpy()})


def test_folds_that_do_not_fit_are_refused_before_anything_is_explained(made, cube, monkeypatch):
    sites, model = made
    monkeypatch.setattr(area_module, "explain", None)
    some = by_site(sites, np.where(np.arange(15) % 2, 1.0, np.nan))
    two = xr.concat([by_site(sites, np.zeros(15)), by_site(sites, np.ones(15))], "site")
    for folds, message in (
        (some, r"folds must give every tower its fold.* without just one for \['T00', 'T02', 'T04'\]"),
        (two, r"got \(site\) without just one for \['T00', 'T01', 'T02'\]"),
        (some.drop_vars("site"), "without coordinate site"),
        (np.arange(15), "got ndarray"),
        (5, "got int"),
        (by_site(sites, np.zeros(15)), "needs towers in 2 folds or more, got 15 towers in 1"),
    ):
        with pytest.raises(ValueError, match=message):
            area_of_applicability(cube(months=4), model, sites=sites, folds=folds)


def test_one_tower_is_no_neighbourhood_and_two_are(towers, cube, monkeypatch):
    pair = towers(sites=2)
    where = area_of_applicability(cube(months=4), fit(pair, **QUICK), sites=pair, weights=EVEN)
    assert (where["own"] == 0).all()  # a type with one tower is compared with all
    monkeypatch.setattr(area_module, "explain", None)
    one = towers(sites=1)
    with pytest.raises(ValueError, match=r"needs towers in 2 folds or more, got 1 towers in 1.*Take more towers"):
        area_of_applicability(cube(months=4), fit(one, **QUICK), sites=one)


def test_kinds_and_numbers_are_checked_first(made, cube, driver_model, towers):
    sites, model = made
    ds = cube(months=4)
    with pytest.raises(TypeError, match=r"got Dataset. Call it as area_of_applicability\(cube, model, sites=sites\)"):
        area_of_applicability(model, ds, sites=sites)
    for wrong in (None, driver_model()):
        with pytest.raises(TypeError, match=r"area_of_applicability needs a model that xnee\.fit"):
            area_of_applicability(ds, wrong, sites=sites)
    for cells, those in ((ds["TEMP"], sites), (ds, None), (ds, model)):
        with pytest.raises(TypeError, match=r"area_of_applicability.* needs Datasets of xarray; got"):
            area_of_applicability(cells, model, sites=those)
    with pytest.raises(ValueError, match=r"training needs towers: \(site, time\)"):
        area_of_applicability(sites, model, sites=ds)
    for name, value in (("tile", 0), ("tile", "64"), ("tile", 1.5), ("seed", -1), ("seed", None)):
        with pytest.raises(ValueError, match=f"area_of_applicability needs {name} to be a whole number"):
            area_of_applicability(ds, model, sites=sites, **{name: value})
    with pytest.raises(ValueError, match="needs the towers that the model was fitted on"):
        area_of_applicability(ds, model, sites=towers(sites=5))


def test_an_area_tells_what_it_was_made_with(made, cube):
    sites, model = made
    ds = cube(months=4)
    given = area_of_applicability(ds, model, sites=sites, weights=EVEN, folds=by_site(sites, np.arange(15) % 3))
    found = area_of_applicability(ds, model, sites=sites, seed=3)
    assert given.attrs["weights"].startswith("given")
    assert (given.attrs["folds"], found.attrs["folds"]) == ("given", "each tower")
    assert (found.attrs["weights"], found.attrs["seed"]) == ("contributions, by explain", 3)
    assert given.attrs["model_fingerprint"] == model.fingerprint


def test_a_tower_without_a_driver_is_left_aside(towers, cube):
    ds = towers(sites=10, years=2)
    gap = ds.assign(PRE=ds["PRE"].where(ds["site"] != "T03"))
    where = area_of_applicability(cube(months=4), fit(gap, **QUICK), sites=gap, weights=EVEN).compute()
    assert where["own"].to_numpy().tolist() == [1, 1, 1, 0, 1]  # T03 is one of two EBF
    assert where["AOA"].notnull().any()


def test_scores_of_another_model_or_of_other_drivers_are_refused(made, scores, towers):
    sites, model = made
    other = towers(sites=15, years=2, seed=4)
    with pytest.raises(ValueError, match="needs the towers that the model was fitted on"):
        applicability_skill(scores, sites, model=fit(other, **QUICK), weights=EVEN)
    fewer = crossvalidate(sites, ["TEMP"], folds=5, baselines=[], **QUICK)
    with pytest.raises(ValueError, match=r"drivers TEMP, lags 1\) for towers with 345 and a model of TEMP, PRE"):
        applicability_skill(fewer, sites, model=model, weights=EVEN)
    with pytest.raises(ValueError, match=r"Call it as applicability_skill\(scores, sites, model=model\)"):
        applicability_skill(sites, scores, model=model)
    with pytest.raises(TypeError, match="applicability_skill needs a model"):
        applicability_skill(scores, sites, model=None)
    with pytest.raises(ValueError, match="weights must be finite"):
        applicability_skill(scores, sites, model=model, weights=EVEN * np.nan)


def test_months_left_out_of_known_towers_do_not_count_as_towers_left_out(towers):
    """Each site has one year of its own: its fold is whole, but the scheme is not about sites."""
    ds = towers(sites=3, years=3)
    ds = ds.assign(NEE=ds["NEE"].where(ds["time"].dt.year == 2001 + xr.DataArray(np.arange(3), dims="site")))
    model, cv = fit(ds, **QUICK), crossvalidate(ds, scheme="leave-year-out", folds=3, baselines=[], **QUICK)
    with pytest.raises(ValueError, match=r"leaves whole sites out; got .*scheme leave-year-out"):
        applicability_skill(cv, ds, model=model, weights=EVEN)


def test_two_towers_of_a_type_have_no_neighbourhood_when_one_is_left_out(towers):
    ds = towers(sites=10, years=2)
    cv = crossvalidate(ds, folds=10, baselines=[], **QUICK)
    with pytest.raises(ValueError, match="no type has towers in three: 10 towers in 10 folds"):
        applicability_skill(cv, ds, model=fit(ds, **QUICK), weights=EVEN)


def test_what_is_no_share_is_refused(made, cube):
    sites, model = made
    ds = cube(months=4)
    where, predicted = area_of_applicability(ds, model, sites=sites, weights=EVEN), predict(ds, model)
    with pytest.raises(ValueError, match="first of area_of_applicability, then of predict"):
        outside_share(predicted, where)
    for wrong in (model, None):
        with pytest.raises(TypeError, match=r"outside_share\(where, predicted\) needs Datasets of xarray"):
            outside_share(where, wrong)
    with pytest.raises(ValueError, match=r"outside_table lays out what outside_share\(where, predicted\) gives"):
        outside_table(where)
