"""What cannot be tested is refused in one line before any training; what can, has an answer."""

import numpy as np
import pytest
import xarray as xr

from xnee.evaluation import crossval, skill
from xnee.evaluation.crossval import crossvalidate
from xnee.evaluation.intervals import calibrate
from xnee.evaluation.matching import forest_places
from xnee.evaluation.schemes import nearest_scheme
from xnee.evaluation.skill import evaluate, skill_table
from xnee.models.fitting import fit
from xnee.models.training import FitSpec

QUICK = FitSpec(epochs=1)
FAST = {"lags": 1, "members": 1, "strategy": "per-pft", "training": QUICK, "baselines": []}
NAMES = ["PFT seasonal cycle", "random forest, context", "gradient boosting, context", "pooled LSTM"]


@pytest.fixture
def no_training(monkeypatch):
    """Whatever is refused, is refused before this would be called."""
    monkeypatch.setattr(crossval, "predict_held_out", None)
    monkeypatch.setattr(skill, "baseline_predictions", None)


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize("folds", [0, -1, 1, 2.5, "3", None, True, float("nan")], ids=str)
@pytest.mark.parametrize("scheme", ["leave-site-out", "group-k-fold", "spatial-block", "knndm", "leave-year-out"])
def test_folds_are_a_whole_number_from_two_on(towers, cube, scheme, folds):
    with pytest.raises(ValueError, match="folds must be a whole number, at least 2 folds; got"):
        crossvalidate(towers(), scheme=scheme, folds=folds, groups="pft", target=cube(), **FAST)


@pytest.mark.parametrize("scheme", ["leave-site-out", "group-k-fold", "spatial-block", "knndm", "leave-year-out"])
def test_more_folds_than_there_is_to_leave_out_leave_out_one_at_a_time(towers, cube, scheme):
    cv = crossvalidate(towers(sites=4, years=2), scheme=scheme, folds=99, groups="pft", target=cube(), **FAST)
    assert cv.attrs["folds"] == (2 if scheme == "leave-year-out" else 4)
    assert np.isfinite(cv["predicted"]).all()


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize(
    ("scheme", "message"),
    [
        ("leave-site-out", "at least 2 folds and 2 sites, got 10 folds and 1 sites"),
        ("group-k-fold", r"got 10 folds and 1 groups of 'pft' \(DBF\). Take more sites, finer groups"),
        ("spatial-block", r"1 blocks of 500 km \(row 24 column 16\). Take more sites, finer groups or smaller blocks"),
        ("knndm", "needs at least 3 sites and 2 folds, got 1 sites and 10 folds. Take more sites, or another scheme"),
    ],
)
def test_one_site_cannot_be_left_out(towers, cube, scheme, message):
    with pytest.raises(ValueError, match=message):
        crossvalidate(towers(sites=1), scheme=scheme, groups="pft", target=cube(), **FAST)


def test_one_site_can_leave_months_out_and_two_sites_each_other(towers):
    for scheme, count in (("temporal", 1), ("leave-year-out", 1), ("leave-site-out", 2)):
        cv = crossvalidate(towers(sites=count), scheme=scheme, **FAST)
        assert int(cv["n"].sel(predictor="xnee", pft="all")) > 0
        assert np.isnan(cv["R2_se"]).all()  # draws of one or two sites tell no spread


@pytest.mark.usefixtures("no_training")
def test_two_sites_are_too_few_to_match_distances(towers, cube):
    with pytest.raises(ValueError, match="at least 3 sites and 2 folds, got 2 sites"):
        crossvalidate(towers(sites=2), scheme="knndm", target=cube(), **FAST)


@pytest.mark.usefixtures("no_training")
def test_years_and_months_to_leave_out_must_be_there(towers):
    ds = towers()
    with pytest.raises(ValueError, match=r"the years \[2001\] with windows. Take longer records"):
        crossvalidate(ds.isel(time=slice(12)), scheme="leave-year-out", **FAST)
    gone = ds.assign(NEE=ds["NEE"].where(ds["time"].dt.year == 2002))
    with pytest.raises(ValueError, match=r"got 10 folds and the years \[2002\] with windows"):
        crossvalidate(gone, scheme="leave-year-out", **FAST)
    short = ds.isel(time=slice(5))
    with pytest.raises(
        ValueError, match=r"test_fraction is 0.2, which of the 4 windows that the longest of 5 sites has"
    ):
        crossvalidate(short, scheme="temporal", **FAST)
    model = fit(short, **{name: value for name, value in FAST.items() if name != "baselines"})
    with pytest.raises(ValueError, match="no window is left to test on"):
        evaluate(short, model)


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize("block", [0, -5, float("nan"), float("inf"), "500", None, True], ids=str)
def test_a_block_has_a_side(towers, block):
    with pytest.raises(ValueError, match="block is the side of a block in km, above 0; got"):
        crossvalidate(towers(), scheme="spatial-block", block=block, **FAST)


@pytest.mark.usefixtures("no_training")
def test_groups_must_be_whole(towers):
    ds = towers(sites=6)
    for gap in (None, "", float("nan")):
        values = ["a", "b", gap, "a", "b", gap] if not isinstance(gap, float) else [1.0, 2.0, gap, 1.0, 2.0, gap]
        with pytest.raises(ValueError, match=r"2 sites have no 'country', e.g. \['T02', 'T05'\]. Give each a group"):
            crossvalidate(ds.assign_coords(country=("site", values)), scheme="group-k-fold", groups="country", **FAST)
    for wrong, hint in (("Pft", "Did you mean 'pft'"), (None, "Or add one"), (["a"] * 6, "Or add one")):
        with pytest.raises(ValueError, match=rf"needs groups=, the name of a coordinate \(site\).*{hint}"):
            crossvalidate(ds, scheme="group-k-fold", groups=wrong, **FAST)
    with pytest.raises(ValueError, match=r"Make it one: sites.set_coords\('country'\)"):
        crossvalidate(ds.assign(country=("site", list("ababab"))), scheme="group-k-fold", groups="country", **FAST)


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("leave_site_out", "leave-site-out"),
        ("Temporal", "temporal"),
        ("kNNDM", "knndm"),
        ("group kfold", "group-k-fold"),
    ],
)
def test_another_name_of_a_scheme_is_guessed(towers, wrong, meant):
    ds = towers()
    with pytest.raises(ValueError, match=rf"scheme must be one of .* got '{wrong}'. Did you mean '{meant}'\?"):
        crossvalidate(ds, scheme=wrong, **FAST)
    model = fit(ds, lags=1, members=1, strategy="per-pft", training=QUICK)
    with pytest.raises(ValueError, match=rf"schemes must name some of .* Did you mean '{meant}'\?"):
        evaluate(ds, model, schemes=["temporal", wrong])
    assert nearest_scheme(None) == ""


@pytest.mark.usefixtures("no_training")
def test_another_name_of_a_baseline_is_guessed(towers):
    for wrong, meant in (("random forrest", "random forest"), (["pooled lstm"], "pooled LSTM"), ("xnee", None)):
        hint = rf"Did you mean '{meant}'\?" if meant else r"got \['xnee'\]\.$"
        with pytest.raises(ValueError, match=rf"baselines of scheme 'leave-site-out'.*{hint}"):
            crossvalidate(towers(), **FAST | {"baselines": wrong})
    for wrong in (5, ["random forest", "random forest"]):
        with pytest.raises(ValueError, match="each once; got"):
            crossvalidate(towers(), **FAST | {"baselines": wrong})


def test_a_target_says_where_its_forest_is(cube):
    ds = cube()
    with pytest.raises(TypeError, match="needs target=, the cube that will be mapped, as a Dataset; got DataArray"):
        forest_places(ds["pft_fraction"])
    with pytest.raises(ValueError, match="adds up to 0 in every cell"):
        forest_places(ds.assign(pft_fraction=ds["pft_fraction"] * np.nan))
    bare = ds.rename(lat="y", lon="x")
    with pytest.raises(ValueError, match="or in a projection that it names"):
        forest_places(bare)


def test_forest_of_several_years_is_their_mean(cube):
    ds = cube()
    maps = xr.concat([ds["pft_fraction"], ds["pft_fraction"] * 0.5], dim=xr.Variable("year", [2001, 2002]))
    place, weight = forest_places(ds.drop_vars("pft_fraction").assign(pft_fraction_by_year=maps))
    same, whole = forest_places(ds)
    np.testing.assert_array_equal(place, same)
    np.testing.assert_allclose(weight, 0.75 * whole, rtol=1e-6)


def test_forest_in_a_projection_lies_where_pyproj_says(cube):
    """Mercator: one square of the drawing is less ground the farther north it is."""
    pyproj = pytest.importorskip("pyproj")
    ds = cube().rename(lat="y", lon="x").assign_coords(y=[5e6, 5.1e6, 5.2e6], x=1e7 + 1e5 * np.arange(4.0))
    ds = ds.assign_attrs(crs="EPSG:3395").assign(pft_fraction=ds["pft_fraction"] * 0 + 0.1)
    place, weight = forest_places(ds)
    turn = pyproj.Transformer.from_crs("EPSG:3395", "EPSG:4326")
    expected = [turn.transform(x, y) for y in ds["y"].to_numpy() for x in ds["x"].to_numpy()]
    np.testing.assert_allclose(place, expected, atol=1e-6)
    ground = np.cos(np.deg2rad(place[:, 0])) ** 2  # of a sphere
    np.testing.assert_allclose(weight / weight[0], ground / ground[0], rtol=0.01)


def test_one_site_a_type_and_constant_drivers_are_predicted_all_the_same(towers):
    single = crossvalidate(towers(sites=5, years=2), folds=5, **FAST | {"baselines": NAMES[::3]})
    assert np.isfinite(single["predicted"]).all()
    ds = towers(sites=6, years=2)
    still = ds.assign(PRE=xr.full_like(ds["PRE"], 7.0))
    # constant in what the first fold trains on, not in what it predicts
    moved = ds.assign(PRE=ds["PRE"].where(ds["site"] == "T00", 7.0))
    for one in (still, moved):
        cv = crossvalidate(one, folds=6, **FAST | {"baselines": NAMES[::3]})
        assert np.isfinite(cv["predicted"]).all()


def test_a_site_that_lacks_a_driver_is_left_aside(towers):
    ds = towers(sites=6, years=2)
    gap = ds.assign(PRE=ds["PRE"].where(ds["site"] != "T03"))
    cv = crossvalidate(gap, folds=3, **FAST | {"baselines": NAMES})
    assert "T03" not in cv["sample_site"]
    assert np.isfinite(cv["predicted"]).all()
    with pytest.raises(ValueError, match=r"no complete window of 2 months.*gaps by driver: \{'TEMP': 0, 'PRE':"):
        crossvalidate(ds.assign(PRE=ds["PRE"] * np.nan), **FAST)


@pytest.mark.filterwarnings("error")
def test_flux_that_never_changes_has_errors_but_no_share_explained(towers):
    ds = towers(sites=4, years=2)
    cv = crossvalidate(ds.assign(NEE=xr.full_like(ds["NEE"], 3.0)), folds=2, **FAST | {"baselines": NAMES[:1]})
    assert float(cv["RMSE"].sel(predictor="PFT seasonal cycle", pft="all")) == pytest.approx(0, abs=1e-5)


@pytest.mark.usefixtures("no_training")
def test_swapped_and_other_arguments_of_evaluate_are_named(towers, cube, driver_model):
    ds = towers()
    model = fit(ds, lags=1, members=1, strategy="per-pft", training=QUICK)
    for sites, given in ((model, ds), (ds, None), (ds, driver_model()), ("towers.nc", model)):
        with pytest.raises(TypeError, match=r"evaluate\(sites, model\); got"):
            evaluate(sites, given)
    with pytest.raises(ValueError, match=r"training needs towers: \(site, time\)"):
        evaluate(cube(), model)
    for schemes in (None, 3, ["temporal", 3]):
        with pytest.raises(ValueError, match="schemes must name some of"):
            evaluate(ds, model, schemes=schemes)


@pytest.mark.usefixtures("no_training")
def test_evaluate_looks_at_all_schemes_before_it_trains_for_one(towers, cube):
    ds = towers()
    model = fit(ds, lags=1, members=1, strategy="per-pft", training=QUICK)
    for schemes, change, message in (
        (["temporal", "leave-site-out"], {"folds": 0}, "folds must be a whole number"),
        (["temporal", "knndm"], {}, "give target=, the cube"),
        (["temporal", "knndm"], {"target": cube() * 0}, "adds up to 0 in every cell"),
        (["temporal", "group-k-fold"], {"groups": "country"}, "got 'country'"),
        (["temporal", "spatial-block"], {"block": 1e6}, "1 blocks of 1e.06 km"),
    ):
        with pytest.raises(ValueError, match=message):
            evaluate(ds, model, schemes=schemes, **change)


def test_what_is_no_table_of_skill_is_refused(towers):
    for wrong in ("scores.nc", towers()):
        with pytest.raises(ValueError, match="skill_table lays out what evaluate, or crossvalidate, gives; got"):
            skill_table(wrong)


def test_a_single_member_has_no_intervals(towers):
    with pytest.raises(ValueError, match=r"no spread of members .* Run crossvalidate with members=2 or more"):
        calibrate(crossvalidate(towers(sites=10, years=2), folds=5, **FAST))
