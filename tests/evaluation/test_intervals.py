import json
from statistics import NormalDist

import numpy as np
import pytest
import xarray as xr

from xnee.evaluation.crossval import crossvalidate
from xnee.evaluation.intervals import calibrate, intervals
from xnee.models.fitting import fit
from xnee.models.training import FitSpec
from xnee.pft import PFTS
from xnee.prediction import predict

TYPES = [*PFTS, "all"]


def left_out(pfts, *, months=60, spread=10.0, sigma=10.0, seed=0, scheme="leave-site-out"):
    """A cross-validation with Gaussian errors of standard deviation sigma, by site."""
    rng = np.random.default_rng(seed)
    n = len(pfts) * months
    site = np.repeat([f"S{k:02d}" for k in range(len(pfts))], months)
    error = rng.normal(0, 1, n) * np.broadcast_to(np.repeat(np.broadcast_to(sigma, len(pfts)), months), n)
    truth = rng.normal(-50, 60, n)
    return xr.Dataset(
        {
            "NEE": ("sample", truth),
            "predicted": (("predictor", "sample"), [truth + error, truth * np.nan]),
            "spread": ("sample", np.broadcast_to(spread, n).astype("f8")),
        },
        {
            "predictor": ["xnee", "other"],
            "sample_site": ("sample", site),
            "sample_pft": ("sample", np.repeat(pfts, months)),
        },
        attrs={"scheme": scheme, "members": 5, "folds": 8},
    )


def test_a_spread_that_tells_the_truth_is_left_as_it_is():
    cv = left_out(["ENF"] * 40, months=100)
    found = calibrate(cv).sel(pft="ENF")
    bound = 3 * np.sqrt(0.9 * 0.1 / 4000)
    assert abs(float(found["coverage_raw"]) - 0.9) < bound
    assert float(found["residual"]) < 3
    # 0.9 of 41 sites is 0.9225 of 40
    assert float(found["factor"]) * np.hypot(10, float(found["residual"])) == pytest.approx(
        10 * NormalDist().inv_cdf(0.5 + 0.9 * 41 / 40 / 2), rel=0.05
    )
    assert abs(float(found["coverage"]) - 0.9 * 41 / 40) < bound


@pytest.mark.parametrize("level", [0.5, 0.9])
def test_a_spread_that_is_too_small_is_put_right(level):
    pfts = ["ENF"] * 30 + ["DBF"] * 30
    found = calibrate(left_out(pfts, spread=4.0, sigma=np.repeat([20.0, 40.0], 30)), level=level)
    z = NormalDist().inv_cdf((1 + level) / 2)
    raw = [2 * NormalDist().cdf(z * 4 / sigma) - 1 for sigma in (20, 40)]
    np.testing.assert_allclose(found["coverage_raw"].sel(pft=["ENF", "DBF"]), raw, atol=3 * np.sqrt(0.25 / 1800))
    np.testing.assert_allclose(found["residual"].sel(pft=["ENF", "DBF"]), np.sqrt([20**2 - 16, 40**2 - 16]), rtol=0.05)
    sure = level * 31 / 30
    bound = 4 * np.sqrt(sure * (1 - sure) / 1800)
    np.testing.assert_allclose(found["coverage"].sel(pft=["ENF", "DBF", "all"]), sure, atol=bound)
    np.testing.assert_allclose(found["ratio"].sel(pft=["ENF", "DBF"]), [5, 10], rtol=0.05)
    assert float(found["width"].sel(pft="DBF") / found["width"].sel(pft="ENF")) == pytest.approx(2, rel=0.1)


def slow(cv, level):
    """Loops over the definition, sites as lists of months."""
    rows = list(
        zip(
            cv.sample_site.values,
            cv.sample_pft.values,
            (cv.predicted[0] - cv.NEE).values,
            cv.spread.values,
            strict=True,
        )
    )
    sites = sorted({row[0] for row in rows})
    pft = {row[0]: row[1] for row in rows}
    need = next(n for n in range(1, 1000) if n / (n + 1) > level - 1e-9) + 1

    def enough(name):
        return sum(pft[site] == name for site in sites) >= need

    def months(site):
        return [(abs(e), s) for name, _, e, s in rows if name == site]

    def square(site):
        return np.mean([e**2 - s**2 for e, s in months(site)])

    def residual(name, known):
        own = [square(site) for site in known if pft[site] == name]
        everyone = np.mean([square(site) for site in known])
        if not own:
            return max(everyone, 0) ** 0.5
        return max(np.mean(own), 0, -np.inf if enough(name) else everyone) ** 0.5

    def factor(name, known):
        own = [site for site in known if not enough(name) or pft[site] == name]
        scores = []
        for site in own:
            expected = residual(pft[site], [other for other in known if other != site])
            scores += [(e / np.hypot(s, expected), 1 / (len(own) + 1) / len(months(site))) for e, s in months(site)]
        total = 0
        for score, weight in sorted(scores):
            total += weight
            if total >= level - 1e-9:
                return score
        return np.inf

    inside = {}
    for site in sites:
        known = [other for other in sites if other != site]
        q, r = factor(pft[site], known), residual(pft[site], known)
        inside[site] = np.mean([e <= q * np.hypot(s, r) for e, s in months(site)])
    return [inside[site] for site in sites], {name: factor(name, sites) for name in set(pft.values())}


@pytest.mark.parametrize("level", [0.6, 0.8])
def test_the_same_as_loops_over_the_definition(level):
    pfts = ["ENF"] * 7 + ["DBF"] * 2 + ["MF"]
    rng = np.random.default_rng(3)
    cv = left_out(pfts, months=8, sigma=rng.uniform(5, 40, 10), spread=rng.uniform(1, 20, 80))
    cv = cv.isel(sample=np.flatnonzero(rng.random(80) < 0.7))
    found = calibrate(cv, level=level)
    inside, factor = slow(cv, level)
    np.testing.assert_allclose(found["coverage_site"], inside)
    for name, value in factor.items():
        assert float(found["factor"].sel(pft=name)) == pytest.approx(value)
    assert found["own"].sel(pft=["ENF", "DBF", "MF", "DNF"]).values.tolist() == [1, 0, 0, 0]
    assert float(found["coverage"].sel(pft="all")) == pytest.approx(np.mean(inside))
    assert int(found["n"].sel(pft="all")) == cv.sizes["sample"]


def test_one_wild_site_is_outside_and_takes_few_others_with_it():
    calm = left_out(["ENF"] * 30, sigma=20.0)
    wild = left_out(["ENF"] * 30, sigma=np.where(np.arange(30) == 4, 400.0, 20.0))
    before, after = calibrate(calm), calibrate(wild)
    assert float(after["coverage_site"].sel(site="S04")) < 0.35
    others = after["coverage_site"].drop_sel(site="S04")
    assert float(others.mean()) > 0.9
    assert float(after["width"].sel(pft="ENF")) < 2 * float(before["width"].sel(pft="ENF"))


def test_the_coverage_of_a_site_never_used_that_site():
    cv = left_out(["ENF"] * 12, sigma=20.0)
    own = cv["sample_site"].values == "S05"
    huge = cv.assign(predicted=cv["predicted"].where(~own, 1e6))
    assert float(calibrate(huge)["coverage_site"].sel(site="S05")) == 0
    third = float(calibrate(cv)["width"].sel(pft="ENF")) / 3
    near = cv.assign(predicted=cv["predicted"].where(~own, cv["NEE"] + third))
    assert float(calibrate(near)["coverage_site"].sel(site="S05")) == 1


def test_the_order_of_months_and_sites_says_nothing():
    cv = left_out(["ENF"] * 12 + ["MF"] * 3, sigma=np.linspace(5, 60, 15))
    order = np.random.default_rng(0).permutation(cv.sizes["sample"])
    one, other = (calibrate(given).drop_dims("sample") for given in (cv, cv.isel(sample=order)))
    xr.testing.assert_allclose(one, other)


def test_types_without_a_tower_take_what_all_types_say():
    found = calibrate(left_out(["ENF"] * 12 + ["MF"], sigma=20.0))
    for name in ("factor", "residual"):
        assert float(found[name].sel(pft="DNF")) == float(found[name].sel(pft="all"))
    assert np.isnan(found["coverage"].sel(pft="DNF"))
    assert found["sites"].values.tolist() == [0, 0, 12, 0, 1, 13]
    assert found["coverage_raw"].attrs["units"] == "1"


def test_a_quiet_single_site_does_not_blow_up_the_factor_of_all():
    cv = left_out(["ENF"] * 12 + ["MF"] * 2, sigma=np.array([20.0] * 12 + [0.1, 30.0]), spread=0.1)
    found = calibrate(cv)
    assert float(found["factor"].sel(pft="MF")) < 3
    assert float(found["residual"].sel(pft="MF")) >= float(found["residual"].sel(pft="all"))


def test_errors_of_nothing_need_no_interval():
    cv = left_out(["ENF"] * 12, sigma=0.0, spread=0.0)
    found = calibrate(cv)
    assert float(found["width"].sel(pft="all")) == 0
    assert float(found["coverage"].sel(pft="all")) == 1


@pytest.mark.parametrize(
    ("change", "level", "message"),
    [
        (lambda cv: cv, 1.0, "level must be a number between 0 and 1, such as 0.9, got 1.0"),
        (lambda cv: cv, 90, "level must be a number between 0 and 1"),
        (lambda cv: cv.assign_attrs(scheme="temporal"), 0.9, "sites never seen; this is of the scheme 'temporal'"),
        (lambda cv: cv.drop_attrs(), 0.9, "of the scheme None"),
        (lambda cv: cv.drop_vars("spread"), 0.9, "no spread of members"),
        (lambda cv: cv.assign(spread=cv["spread"] * np.nan), 0.9, "members=2 or more"),
        (lambda cv: cv.isel(sample=slice(4 * 60)), 0.5, "needs at least 5 sites that were left out, got 4"),
        (lambda cv: cv.isel(sample=slice(9 * 60)), 0.9, "needs at least 10 sites that were left out, got 9"),
    ],
)
def test_what_cannot_be_calibrated_is_refused(change, level, message):
    with pytest.raises(ValueError, match=message):
        calibrate(change(left_out(["ENF"] * 12)), level=level)


def test_a_crossvalidation_holds_the_spread_of_its_members(towers):
    quick = {"folds": 4, "lags": 1, "strategy": "pooled", "training": FitSpec(epochs=1), "baselines": []}
    cv = crossvalidate(towers(sites=6, years=2), members=3, **quick)
    assert (cv["spread"] > 0).all()
    assert cv["spread"].attrs["units"] == "g C m-2 month-1"
    found = calibrate(cv, level=0.7)
    assert found.attrs == {"level": 0.7, "z": pytest.approx(1.0364, abs=1e-4)} | {
        name: cv.attrs[name]
        for name in ("scheme", "folds", "members", "drivers", "lags", "strategy", "context", "towers")
    }
    assert (found.attrs["drivers"], found.attrs["lags"], found.attrs["strategy"]) == ("TEMP, PRE", 1, "pooled")
    with pytest.raises(ValueError, match="no spread of members"):
        calibrate(crossvalidate(towers(sites=6, years=2), members=1, **quick), level=0.7)


def test_the_spread_is_that_of_a_map(towers):
    ds, quick = towers(sites=5, years=3), {"lags": 1, "members": 3, "strategy": "pooled", "training": FitSpec(epochs=2)}
    cv = crossvalidate(ds, scheme="temporal", baselines=[], **quick)
    predicted = predict(ds, fit(ds, **quick))
    tested = cv["sample_site"][cv["spread"].notnull()], cv["time"][cv["spread"].notnull()]
    for name, found in (("NEE", cv["predicted"].sel(predictor="xnee")), ("NEE_std", cv["spread"])):
        own = predicted[name].compute().sel(site=tested[0], time=tested[1])
        np.testing.assert_allclose(found.dropna("sample"), own, rtol=1e-3, atol=1e-3)


def calibration(**by_type):
    values = [[by_type.get(name, (1.0, 0.0))[k] for name in TYPES] for k in (0, 1)]
    return xr.Dataset({"factor": ("pft", values[0]), "residual": ("pft", values[1])}, {"pft": TYPES}, {"level": 0.9})


@pytest.mark.usefixtures("no_compute")
def test_intervals_stay_lazy(cube, driver_model):
    predicted = predict(cube(), driver_model())
    sure = intervals(predicted, calibration())
    assert sure["NEE_low"].chunks is not None
    assert sure["NEE_low"].dims == predicted["NEE"].dims


def test_bounds_are_where_the_definition_says(cube, driver_model):
    predicted = predict(cube(), driver_model()).compute()
    factors = {name: (1.5 + k, 10.0 * k) for k, name in enumerate(TYPES)}
    sure = intervals(predicted, calibration(**factors))
    for lat, lon in ((0, 0), (1, 2), (2, 3)):
        own = predicted.isel(lat=lat, lon=lon)
        share = own["pft_fraction"].values / own["pft_fraction"].values.sum()
        factor, residual = (sum(share[k] * factors[p][j] for k, p in enumerate(PFTS)) for j in (0, 1))
        half = factor * np.hypot(own["NEE_std"], residual)
        np.testing.assert_allclose(sure["NEE_low"].isel(lat=lat, lon=lon), own["NEE"] - half, rtol=1e-4)
        np.testing.assert_allclose(sure["NEE_high"].isel(lat=lat, lon=lon), own["NEE"] + half, rtol=1e-4)
    np.testing.assert_array_equal(sure["NEE_low"].isnull(), predicted["NEE"].isnull())
    assert sure["NEE_low"].dtype == predicted["NEE"].dtype
    assert "Not to be added up" in sure["NEE_high"].attrs["comment"]


def test_towers_may_have_intervals_too(towers, driver_model):
    predicted = predict(towers(), driver_model())
    assert intervals(predicted, calibration())["NEE_high"].dims == predicted["NEE"].dims


def test_what_has_no_spread_has_no_interval(cube, driver_model):
    predicted = predict(cube(), driver_model())
    with pytest.raises(ValueError, match="predicted lacks NEE_std"):
        intervals(predicted.drop_vars("NEE_std"), calibration())
    with pytest.raises(ValueError, match="calibration lacks factor, residual"):
        intervals(predicted, xr.Dataset())


# the calibration and the map are of the same networks


def told(**attrs):
    """A calibration that tells what it is of."""
    own = {"drivers": "TEMP, PRE", "lags": 2, "members": 2, "strategy": "pooled", "scheme": "knndm", "folds": 5}
    return calibration().assign_attrs(own | attrs)


def of_model(predicted, **card):
    own = json.loads(predicted.attrs["model"])
    return predicted.assign_attrs(model=json.dumps(own | card))


def test_a_map_says_with_what_its_intervals_were_made(cube, driver_model):
    predicted = predict(cube(), driver_model())
    factors = {name: (1.5 + k, 10.0 * k) for k, name in enumerate(TYPES)}
    made = calibration(**factors).assign_attrs(told().attrs | {"level": np.float64(0.9), "members": np.int64(2)})
    used = json.loads(intervals(predicted, made).attrs["calibration"])
    assert used == {
        "level": 0.9,
        "scheme": "knndm",
        "folds": 5,
        "drivers": "TEMP, PRE",
        "lags": 2,
        "members": 2,
        "strategy": "pooled",
        "factor": {name: factors[name][0] for name in PFTS},
        "residual": {name: factors[name][1] for name in PFTS},
    }
    assert "calibration" not in predicted.attrs
    assert json.loads(intervals(predicted, calibration()).attrs["calibration"])["level"] == 0.9


@pytest.mark.parametrize(
    ("card", "attrs", "message"),
    [
        ({}, {"drivers": "TEMP"}, "drivers: TEMP there, PRE, TEMP in the map"),
        ({}, {"lags": 6}, "lags: 6 there, 2 in the map"),
        ({}, {"members": 5}, "members: 5 there, 2 in the map"),
        ({}, {"members": 5, "lags": 6}, "lags: 6 there, 2 in the map; members: 5 there, 2 in the map"),
        ({"strategy": "fine-tuned"}, {}, "strategy: pooled there, fine-tuned in the map"),
        ({"provenance": {"strategy": "per-pft"}}, {}, "strategy: pooled there, per-pft in the map"),
        ({"provenance": {"selection": [{"pft": "MF"}]}}, {}, "strategy: pooled there, auto in the map"),
        ({"provenance": {"search": {"trials": 3}}}, {}, "strategy: pooled there, by type in the map"),
    ],
)
def test_a_calibration_of_other_networks_is_refused(cube, driver_model, card, attrs, message):
    predicted = of_model(predict(cube(), driver_model()), **card)
    with pytest.raises(ValueError, match=f"the calibration is of other networks than the map. {message}. Run cross"):
        intervals(predicted, told(**attrs))


@pytest.mark.parametrize(
    ("card", "attrs"),
    [
        ({}, {}),
        ({}, {"drivers": "PRE, TEMP", "members": np.int64(2)}),
        ({"strategy": "pooled"}, {}),
        ({"strategy": "searched"}, {"strategy": "by type"}),
        ({"provenance": {"selection": []}}, {"strategy": "auto"}),  # too few towers to choose
    ],
)
def test_a_calibration_of_the_same_networks_is_taken(cube, driver_model, card, attrs):
    assert "NEE_low" in intervals(of_model(predict(cube(), driver_model()), **card), told(**attrs))


def test_what_is_not_told_is_not_compared(cube, driver_model):
    predicted = predict(cube(), driver_model())
    assert "NEE_low" in intervals(predicted, calibration())
    for text in ("{}", "no card", "[1]"):
        assert "NEE_low" in intervals(predicted.assign_attrs(model=text), told(members=9))
    assert "NEE_low" in intervals(predicted.drop_attrs(deep=False), told(members=9))


def test_networks_of_a_cross_validation_are_those_of_the_map(towers, cube):
    ds, quick = towers(sites=8, years=2), {"lags": 1, "members": 2, "strategy": "pooled", "training": FitSpec(epochs=1)}
    made = calibrate(crossvalidate(ds, folds=4, baselines=[], **quick), level=0.7)
    assert "NEE_low" in intervals(predict(cube(), fit(ds, **quick)), made)
    with pytest.raises(ValueError, match="drivers: PRE, TEMP there, TEMP in the map; lags: 1 there, 2 in the map"):
        intervals(predict(cube(), fit(ds, ["TEMP"], **(quick | {"lags": 2}))), made)
