import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.stats import t as student

from xnee.evaluation.crossval import crossvalidate
from xnee.evaluation.intervals import calibrate
from xnee.evaluation.total_error import total_interval
from xnee.models.fitting import fit
from xnee.models.training import FitSpec
from xnee.pft import PFTS
from xnee.prediction import predict
from xnee.products.budget import budget, budget_table

AREA = {"DBF": 0.37e6, "DNF": 0.01e6, "ENF": 0.07e6, "EBF": 0.30e6, "MF": 0.24e6}  # km2


def left_out(errors, *, years=1, scheme="leave-site-out"):
    """A cross-validation of towers with whole years: errors (g C m-2 yr-1) by type, ``(site,)`` or ``(site, year)``."""
    table = [
        (pft, f"{pft}{k:02d}", e) for pft, own in errors.items() for k, e in enumerate(np.atleast_1d(np.asarray(own)))
    ]
    time = pd.date_range("2001-01", periods=12 * years, freq="MS")
    error = np.concatenate([np.repeat(np.broadcast_to(e, years), 12) / 12 for _, _, e in table])
    truth = np.tile(np.linspace(-200, 60, time.size), len(table))
    return xr.Dataset(
        {"NEE": ("sample", truth), "predicted": (("predictor", "sample"), [truth + error, truth * np.nan])},
        {
            "predictor": ["xnee", "other"],
            "sample_site": ("sample", np.repeat([site for _, site, _ in table], time.size)),
            "sample_pft": ("sample", np.repeat([pft for pft, _, _ in table], time.size)),
            "time": ("sample", np.tile(time, len(table))),
        },
        {"scheme": scheme},
    )


def totals(by_type=None, *, spread=0.0, forest_spread=0.0, members=5, years=1, area=AREA):
    """A budget made by hand: Tg C yr-1 by type, with the members' spread."""
    values = by_type or dict.fromkeys(PFTS, -100.0)
    total = xr.DataArray([values[name] for name in PFTS], {"pft": list(PFTS)}, "pft")
    ds = xr.Dataset(
        {
            "NEE_total": total,
            "NEE_total_std": xr.full_like(total, spread),
            "NEE_forest": total.sum(min_count=1),
            "NEE_forest_std": xr.DataArray(forest_spread),
            "area_km2": total.copy(data=[area[name] for name in PFTS]),
            "area_predicted_km2": total.copy(data=[area[name] for name in PFTS]),
            "fallback": total.copy(data=[0] * 5),
            "years": years,
        },
        attrs={"members": members},
    )
    for name in ds.data_vars:
        ds[name].attrs["units"] = "km2" if name.startswith("area") else "Tg C yr-1"
    return ds


BUDGET = totals()


def bounds(found, name, pft=None):
    own = found.sel(pft=pft) if pft else found
    return float(own[f"{name}_low"]), float(own[f"{name}_high"])


# --- against the definition


def test_one_type_is_the_interval_of_a_mean():
    errors = np.array([100.0, -50, 300, 20, -120, 80])
    found = total_interval(totals(), left_out({"DBF": errors}, years=3))
    half = student.ppf(0.95, 5) * errors.std(ddof=1) / np.sqrt(6)  # years do not differ here
    expected = [-100 - 0.37 * (errors.mean() + sign * half) for sign in (1, -1)]
    assert bounds(found, "NEE_total", "DBF") == pytest.approx(expected)
    assert found["sites"].values.tolist() == [6, 0, 0, 0, 0]
    assert found["own"].values.tolist() == [1, 0, 0, 0, 0]
    assert found["error_mean"].attrs["units"] == "g C m-2 yr-1"
    assert found["NEE_total_low"].attrs["units"] == "Tg C yr-1"
    assert "90 % interval of the total" in found["NEE_total_high"].attrs["long_name"]
    assert found.attrs["level"] == 0.9
    assert found.attrs["scheme"] == "leave-site-out"


def slow(cv, area, level, years):
    """Loops over the definition: bounds of the error of each type and of all forest, Tg C yr-1."""
    months = {}
    error = (cv["predicted"].sel(predictor="xnee") - cv["NEE"]).values
    for site, pft, time, e in zip(cv.sample_site.values, cv.sample_pft.values, cv.time.values, error, strict=True):
        stamp = pd.Timestamp(time)
        months.setdefault((site, pft), {}).setdefault(stamp.month, {})[stamp.year] = e
    mean_year, squares, degrees = {}, 0.0, 0
    for (site, pft), own in months.items():
        if len(own) < 12:
            continue
        mean_year[site] = (pft, sum(np.mean(list(years.values())) for years in own.values()))
        by_year = {}
        for values in own.values():
            if len(values) > 1:
                for year, e in values.items():
                    by_year.setdefault(year, []).append(e - np.mean(list(values.values())))
        anomalies = [12 * np.mean(found) for found in by_year.values() if len(found) >= 6]
        if len(anomalies) > 1:
            squares, degrees = squares + np.sum(np.square(anomalies)), degrees + len(anomalies) - 1
    everyone = np.std([e for _, e in mean_year.values()], ddof=1)
    parts, shift, result = [], 0.0, {}
    for name in PFTS:
        own = [e for pft, e in mean_year.values() if pft == name]
        s, df = (np.std(own, ddof=1), len(own) - 1) if len(own) > 1 else (0, 0)
        if len(own) < 5 and s <= everyone:
            s, df = everyone, len(mean_year) - 1
        every = [e for _, e in mean_year.values()]
        size = s / np.sqrt(len(own)) if own else s * np.sqrt(1 + 1 / len(every))
        mine = [(area[name] * 1e-6 * size, df)]
        mine += [(area[name] * 1e-6 * np.sqrt(squares / degrees / years), degrees)]
        bias = area[name] * 1e-6 * np.mean(own or every)
        parts, shift = parts + mine, shift + bias
        result[name] = (bias, half(mine, level))
    result["forest"] = (shift, half(parts, level))
    return result


def half(parts, level):
    variance = sum(se**2 for se, _ in parts)
    return student.ppf(0.5 + level / 2, variance**2 / sum(se**4 / df for se, df in parts)) * np.sqrt(variance)


@pytest.mark.parametrize(("level", "years"), [(0.9, 1), (0.5, 4)])
def test_the_same_as_loops_over_the_definition(level, years):
    rng = np.random.default_rng(5)
    errors = {name: rng.normal(30, 200, (n, 4)) for name, n in (("DBF", 7), ("ENF", 9), ("EBF", 5), ("MF", 2))}
    cv = left_out(errors, years=4)
    cv = cv.assign(NEE=cv["NEE"] + rng.normal(0, 20, cv.sizes["sample"]))
    cv = cv.isel(sample=np.flatnonzero(rng.random(cv.sizes["sample"]) < 0.75))
    found = total_interval(totals(years=years), cv, level=level)
    expected = slow(cv, AREA, level, years)
    for name in (*PFTS, "forest"):
        total, (off, width) = (-500 if name == "forest" else -100), expected[name]
        wanted = (min(total - off - width, total), max(total - off + width, total))
        got = bounds(found, "NEE_forest") if name == "forest" else bounds(found, "NEE_total", name)
        assert got == pytest.approx(wanted), name


def test_each_year_of_a_budget_has_its_interval():
    rng = np.random.default_rng(1)
    cv = left_out({"DBF": rng.normal(0, 300, (8, 3)), "ENF": rng.normal(0, 100, (8, 3))}, years=3)
    one = totals().drop_vars("years")
    both = xr.concat([one, one], xr.DataArray([2001, 2002], dims="year", name="year"), data_vars="all")
    found = total_interval(both, cv)
    assert found["NEE_total_low"].dims == both["NEE_total"].dims
    assert found["NEE_forest_high"].dims == ("year",)
    alone = total_interval(one, cv)
    for name in ("NEE_total_low", "NEE_forest_high"):
        np.testing.assert_allclose(found[name].isel(year=0), alone[name])
    width = {n: float(np.diff(bounds(total_interval(totals(years=n), cv), "NEE_forest"))[0]) for n in (1, 20)}
    assert width[20] < width[1] == pytest.approx(float(alone["NEE_forest_high"] - alone["NEE_forest_low"]))


def test_a_calibration_holds_what_the_total_needs():
    rng = np.random.default_rng(9)
    cv = left_out({"DBF": rng.normal(0, 100, 12), "EBF": rng.normal(50, 200, 6)}, years=2)
    cv = cv.assign(spread=("sample", np.full(cv.sizes["sample"], 10.0)))
    xr.testing.assert_identical(total_interval(totals(), calibrate(cv)), total_interval(totals(), cv))


def test_an_error_that_all_towers_share_is_that_of_a_type_without_towers_too():
    cv = left_out({"DBF": 400 + np.arange(10.0), "ENF": 400 - np.arange(10.0)}, years=2)
    found = total_interval(totals(), cv)
    assert float(found["error_mean"].sel(pft="EBF")) == pytest.approx(400)


# --- rules


def test_the_interval_is_of_the_corrected_total_but_holds_the_given_one():
    errors = 400 + np.array([-10.0, 0, 10, 5, -5])  # too little uptake, everywhere
    low, high = bounds(total_interval(totals(), left_out({"DBF": errors})), "NEE_total", "DBF")
    assert high == -100
    assert low == pytest.approx(-100 - 0.37 * 400, abs=15)
    low, high = bounds(total_interval(totals(), left_out({"DBF": -errors})), "NEE_total", "DBF")
    assert low == -100
    assert high == pytest.approx(-100 + 0.37 * 400, abs=15)


def test_few_towers_take_the_deviation_of_all_unless_their_own_is_larger():
    rng = np.random.default_rng(2)
    cv = left_out({"ENF": rng.normal(0, 100, 20), "MF": [3.0, 3.1], "EBF": [-900.0, 900.0]}, years=1)
    found = total_interval(totals(), cv)
    # no tower: one more of the 24
    everyone = float(found["error_se"].sel(pft="DNF")) / np.sqrt(1 + 1 / 24)
    mean = found["error_mean"].sel(pft=["ENF", "MF", "EBF"]) * found["sites"].sel(pft=["ENF", "MF", "EBF"])
    assert float(found["error_mean"].sel(pft="DNF")) == pytest.approx(float(mean.sum()) / 24)
    assert float(found["error_se"].sel(pft="MF")) == pytest.approx(everyone / np.sqrt(2))
    assert float(found["error_se"].sel(pft="EBF")) == pytest.approx(900)
    assert found["own"].values.tolist() == [0, 0, 1, 1, 0]


def test_years_that_no_tower_tells_apart_are_as_unlike_as_towers():
    errors = np.array([100.0, -50, 300, 20, -120, 80])
    found = total_interval(totals(), left_out({"DBF": errors}))
    s = errors.std(ddof=1)
    assert float(found["error_year"]) == pytest.approx(s)
    expected = 0.37 * half([(s / np.sqrt(6), 5), (s, 5)], 0.9)
    assert np.diff(bounds(found, "NEE_total", "DBF"))[0] / 2 == pytest.approx(expected)


def test_a_larger_spread_of_members_takes_the_place_of_the_doubt():
    cv = left_out({"DBF": np.linspace(-1, 1, 6)}, years=2)
    found = total_interval(totals(spread=30.0, forest_spread=80.0), cv)
    assert bounds(found, "NEE_total", "MF") == pytest.approx(-100 + 30 * student.ppf([0.05, 0.95], 4))
    assert bounds(found, "NEE_forest") == pytest.approx(-500 + 80 * student.ppf([0.05, 0.95], 4))
    alone = totals(members=1, spread=np.nan, forest_spread=np.nan)
    assert total_interval(alone, cv)["NEE_forest_low"].notnull()


def test_summers_are_no_year():
    errors = {"DBF": np.linspace(-100, 100, 8)}
    cv = left_out(errors, years=4)
    months = cv["time"].dt.month
    summer = (cv["time"].dt.year == 2001) | months.isin([6, 7, 8])
    summers = cv.isel(sample=np.flatnonzero(summer)).copy(deep=True)
    warm = summers["time"].dt.month.isin([6, 7, 8])
    summers["predicted"] = summers["predicted"] + xr.where(warm, 60.0, 0.0)
    found = total_interval(totals(), summers)
    assert float(found["error_mean"].sel(pft="DBF")) == pytest.approx(3 * 60)
    lost = cv.isel(sample=np.flatnonzero(~((months == 1) & (cv["sample_site"] == "DBF00"))))
    assert int(total_interval(totals(), lost)["sites"].sel(pft="DBF")) == 7


def test_what_is_missing_stays_missing_and_no_ground_has_no_doubt():
    rng = np.random.default_rng(3)
    cv = left_out({name: rng.normal(0, 200, (6, 2)) for name in PFTS}, years=2)
    values = dict.fromkeys(PFTS, -100.0) | {"EBF": np.nan, "DNF": 0.0}
    found = total_interval(totals(values, area=AREA | {"DNF": 0.0}), cv)
    assert np.isnan(bounds(found, "NEE_total", "EBF")).all()
    assert bounds(found, "NEE_total", "DNF") == (0, 0)
    without = total_interval(totals(values, area=AREA | {"DNF": 0.0, "EBF": 0.0}), cv)
    assert bounds(found, "NEE_forest") == pytest.approx(bounds(without, "NEE_forest"))
    nothing = totals(dict.fromkeys(PFTS, np.nan))
    assert np.isnan(bounds(total_interval(nothing, cv), "NEE_forest")).all()


def test_a_wider_level_is_wider_and_the_order_of_months_says_nothing():
    rng = np.random.default_rng(4)
    cv = left_out({name: rng.normal(50, 200, (6, 2)) for name in PFTS}, years=2)
    narrow, wide = (total_interval(totals(), cv, level=level) for level in (0.5, 0.95))
    assert (wide["NEE_total_low"] < narrow["NEE_total_low"]).all()
    assert (wide["NEE_forest_high"] > narrow["NEE_forest_high"]).all()
    shuffled = cv.isel(sample=rng.permutation(cv.sizes["sample"]))
    xr.testing.assert_allclose(total_interval(totals(), shuffled), total_interval(totals(), cv))


def without_units(ds, name):
    return ds.assign({name: ds[name].drop_attrs()})


@pytest.mark.parametrize(
    ("change", "level", "message"),
    [
        (lambda ds, cv: (ds, cv), 1.0, r"level must be a number between 0 and 1, such as 0\.9, got 1\.0"),
        (lambda ds, cv: (ds, cv), 90, "level must be a number between 0 and 1"),
        (lambda ds, cv: (ds, cv.assign_attrs(scheme="temporal")), 0.9, "sites never seen; .* scheme 'temporal'"),
        (lambda ds, cv: (ds, cv.assign_attrs(scheme="leave-year-out")), 0.9, "with one of leave-site-out"),
        (lambda ds, cv: (ds, cv.drop_attrs()), 0.9, "of the scheme None"),
        (lambda ds, cv: (ds.drop_vars("area_predicted_km2"), cv), 0.9, "by type; area_predicted_km2 is not there"),
        (lambda ds, cv: (ds.isel(pft=0), cv), 0.9, "the dimension pft is not there"),
        (lambda ds, cv: (ds.drop_vars("NEE_forest"), cv), 0.9, r"NEE_forest is not there.*by=\('pft',\)"),
        (lambda ds, cv: (without_units(ds, "NEE_total"), cv), 0.9, "NEE_total must be in Tg C yr-1.*got None"),
        (lambda ds, cv: (without_units(ds, "area_predicted_km2"), cv), 0.9, "area_predicted_km2 must be in km2"),
        (lambda ds, cv: (ds.expand_dims(region=["A"]), cv), 0.9, "not of one region: give a budget by"),
        (lambda ds, cv: (ds.expand_dims(season=["DJF"]), cv), 0.9, "not of one season"),
        (lambda ds, cv: (ds, cv.isel(sample=slice(4 * 12))), 0.9, "at least 5 left-out sites .* got 4 of 4"),
        (
            lambda ds, cv: (ds, cv.isel(sample=np.flatnonzero(cv["time"].dt.month < 12))),
            0.9,
            "every calendar month, got 0 of 6",
        ),
        (lambda ds, cv: (ds, cv.assign(predicted=cv["predicted"] * np.nan)), 0.9, "got 0 of 0"),
    ],
)
def test_what_has_no_interval_is_refused(change, level, message):
    ds, cv = change(totals(), left_out({"DBF": np.arange(6.0)}))
    with pytest.raises(ValueError, match=message):
        total_interval(ds, cv, level=level)


# --- coverage, where the truth is drawn

TOWERS = {"DBF": 11, "ENF": 12, "EBF": 5, "MF": 3}  # as many as the open towers with whole years
DEVIATION = {"DBF": 360.0, "DNF": 200.0, "ENF": 400.0, "EBF": 900.0, "MF": 280.0}  # g C m-2 yr-1


def coverage(draws, *, bias=0.0, learned=False, years_differ=0.0, level=0.9):
    """How often true totals are inside, of all forest and of a type with many towers, in a year that no tower saw.

    learned: the map has taken in the mean of its towers, so that their left-out errors have none; its own error is
    then their luck. Otherwise the map's error is what the towers are drawn about.
    """
    rng = np.random.default_rng(11)
    inside = np.zeros(2)
    for _ in range(draws):
        error = {name: rng.normal(0, bias) for name in PFTS}
        towers = {name: error[name] + rng.normal(0, DEVIATION[name], n) for name, n in TOWERS.items()}
        if learned:
            error = {name: towers[name].mean() if name in towers else 0.0 for name in PFTS}
            # a mean of the others, less the tower: what leaving out one by one gives
            towers = {name: (own.mean() - own) * own.size / (own.size - 1) for name, own in towers.items()}
        towers = {name: own[:, None] + rng.normal(0, years_differ, (own.size, 2)) for name, own in towers.items()}
        found = total_interval(BUDGET, left_out(towers, years=2), level=level)
        true = {name: -100 - AREA[name] * 1e-6 * (error[name] + rng.normal(0, years_differ)) for name in PFTS}
        for k, (name, value) in enumerate({"NEE_forest": sum(true.values()), "NEE_total": true["DBF"]}.items()):
            low, high = bounds(found, name, None if k == 0 else "DBF")
            inside[k] += low <= value <= high
    return inside / draws


def slack(level, draws):
    """Three standard errors of a share."""
    return 3 * np.sqrt(level * (1 - level) / draws)


def test_a_map_that_learned_from_its_towers_is_covered_as_often_as_promised():
    draws, n = 120, TOWERS["DBF"]
    forest, one = coverage(draws, learned=True)
    assert forest > 0.9 - slack(0.9, draws)
    # left-out errors are n / (n - 1) times those from the mean of all
    expected = 1 - 2 * student.sf(n / (n - 1) * student.ppf(0.95, n - 1), n - 1)
    assert abs(one - expected) < slack(expected, draws)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "level"),
    [
        ({"learned": True}, 0.7),
        ({"learned": True, "years_differ": 300.0}, 0.9),
        ({"bias": 0.0}, 0.9),
        ({"bias": 200.0}, 0.9),
        ({"bias": 1000.0}, 0.9),
        ({"bias": 1000.0}, 0.7),
    ],
)
def test_the_true_total_is_inside_at_least_as_often_as_promised(kind, level):
    assert min(coverage(400, level=level, **kind)) > level - slack(level, 400)


# --- on the road


def test_from_towers_to_a_printed_total(towers, cube):
    quick = {"lags": 1, "members": 2, "strategy": "pooled", "training": FitSpec(epochs=1)}
    sites = towers(sites=10, years=3)
    cv = crossvalidate(sites, ["TEMP", "PRE"], folds=2, baselines=[], **quick)
    predicted = predict(cube(), fit(sites, ["TEMP", "PRE"], **quick))
    by_year = budget(predicted, by=("pft", "year"))
    sure = total_interval(by_year, cv)
    np.testing.assert_array_equal(sure["NEE_total_low"].isnull(), by_year["NEE_total"].isnull())
    assert (sure["NEE_forest_low"] <= sure["NEE_forest"]).where(sure["NEE_forest"].notnull(), True).all()
    assert set(by_year.data_vars) < set(sure.data_vars)
    assert budget_table(by_year).splitlines()[0] == budget_table(sure).splitlines()[0]
