"""The synthetic world: what it promises to every demo and test that stands on it."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from sklearn.metrics import r2_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR

from xnee.grid import Grid, cell_area
from xnee.pft import PFTS
from xnee.sources.synthetic import (
    MEMORY,
    PARAMETERS,
    RECORDS,
    formula_nee,
    synthetic_cube,
    synthetic_towers,
    true_nee,
)
from xnee.variables import DRIVERS, VARIABLES, check_units

DECOYS = ("WS", "WD", "PA", "AGE", "VWC", "SIF", "LAI", "NDVI")


@pytest.fixture(scope="module")
def towers() -> xr.Dataset:
    return synthetic_towers()


@pytest.fixture(scope="module")
def cube() -> xr.Dataset:
    return synthetic_cube()


@pytest.fixture(scope="module")
def exact() -> xr.Dataset:
    return synthetic_towers(noise=0, gaps=0)


def assert_plausible(values: xr.DataArray) -> None:
    row = VARIABLES[str(values.name)]
    check_units(row.name, values.attrs.get("units"))
    assert row.low <= float(values.min())
    assert float(values.max()) <= row.high


# --- towers


def test_towers_have_588_site_months_and_five_types(exact):
    assert int(exact["NEE"].count()) == 588
    assert set(exact["pft"].values.tolist()) == set(PFTS)
    assert exact["site"].values.tolist() == list(RECORDS)
    assert sum(last - first + 1 for first, last in RECORDS.values()) == 49
    for name in DRIVERS:
        assert int(exact[name].count()) == 588


def test_towers_have_the_shape_of_the_road(towers):
    assert dict(towers.sizes) == {"site": 11, "time": 19 * 12}
    assert set(towers.data_vars) == {*DRIVERS, "NEE", "NEE_QC"}
    assert {"site", "time", "lat", "lon", "pft", "name", "licence"} == set(towers.coords)
    assert towers["time"].dtype == "datetime64[ns]"
    assert all(towers[name].dims == ("site", "time") and towers[name].dtype == "f8" for name in (*DRIVERS, "NEE"))


@pytest.mark.parametrize("name", [*DRIVERS, "NEE"])
def test_towers_are_plausible_and_in_canonical_units(towers, name):
    assert_plausible(towers[name])


def test_the_label_says_that_nothing_was_measured(towers, cube):
    assert "synthetic" in towers.attrs["title"]
    assert "synthetic" in cube.attrs["title"]
    assert all("synthetic" in licence for licence in towers["licence"].values)


def test_same_seed_same_towers():
    xr.testing.assert_identical(synthetic_towers(seed=3), synthetic_towers(seed=3))
    assert not synthetic_towers(seed=3)["TEMP"].equals(synthetic_towers(seed=4)["TEMP"])


def test_without_noise_and_gaps_nee_is_the_formula(exact):
    for site in exact["site"].values:
        tower = exact.sel(site=site).dropna("time", subset=["NEE"])
        again = formula_nee(tower, pft=str(tower["pft"].item()))
        np.testing.assert_allclose(again[MEMORY:], tower["NEE"][MEMORY:], atol=1e-9)


def test_noise_has_the_asked_size_and_changes_nothing_else(exact):
    noisy = synthetic_towers(noise=9, gaps=0)
    assert float((noisy["NEE"] - exact["NEE"]).std()) == pytest.approx(9, rel=0.1)
    xr.testing.assert_equal(noisy["TEMP"], exact["TEMP"])


def test_gaps_are_months_of_low_quality_and_lost_drivers(exact):
    gappy = synthetic_towers(noise=0, gaps=0.2)
    poor = gappy["NEE_QC"] < gappy.attrs["qc_min"]
    assert int(poor.sum()) == pytest.approx(0.2 * 588, rel=0.25)
    assert bool(gappy["NEE"].where(poor).isnull().all())
    xr.testing.assert_equal(gappy["NEE"], exact["NEE"].where(~poor))
    lost = sum(588 - int(gappy[name].count()) for name in DRIVERS)
    assert 3 <= lost <= 25


def test_summer_takes_up_carbon_and_the_year_is_a_sink_of_the_size_of_the_field(exact):
    year = exact["NEE"].groupby("time.year").sum(min_count=12).mean("year")
    assert -700 < float(year.min()) < float(year.max()) < -50
    north = exact["NEE"].where(exact["lat"] > 30, drop=True).groupby("time.month").mean()
    assert bool((north.sel(month=7) < -30).all())
    assert bool((north.sel(month=1) > 0).all())


def test_more_towers_keep_the_stations_and_are_where_their_type_grows():
    many = synthetic_towers(sites_per_pft=6, years=3)
    assert dict(many.sizes) == {"site": 30, "time": 36}
    assert {str(pft): int((many["pft"] == pft).sum()) for pft in PFTS} == dict.fromkeys(PFTS, 6)
    assert set(RECORDS) <= set(many["site"].values)
    assert len(set(many["site"].values)) == 30
    assert int(synthetic_towers(sites_per_pft=1)["site"].size) == 5


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"noise": -1}, "noise must be 0 or more"),
        ({"noise": float("nan")}, "noise must be 0 or more"),
        ({"gaps": 1.0}, "gaps a share from 0 to below 1"),
        ({"sites_per_pft": 0}, "must be 1 or more"),
        ({"years": 0}, "must be 1 or more"),
        ({"years": 500}, "whole years from 1951 to 2100"),
    ],
)
def test_towers_refuse(wrong, message):
    with pytest.raises(ValueError, match=message):
        synthetic_towers(**wrong)


# --- cube


def test_cube_has_the_shape_of_the_road(cube):
    assert set(cube.data_vars) == {*DRIVERS, "pft_fraction"}
    assert cube["pft"].values.tolist() == list(PFTS)
    assert cube["AGE"].dims == ("lat", "lon")
    assert all(cube[name].dims == ("time", "lat", "lon") for name in DRIVERS if name != "AGE")
    assert bool((np.diff(cube["lat"]) > 0).all())
    assert bool((np.diff(cube["lon"]) > 0).all())
    assert {str(cube[name].dtype) for name in cube.data_vars} == {"float32"}


@pytest.mark.parametrize("name", DRIVERS)
def test_cube_is_plausible_and_complete_where_forest_is(cube, name):
    assert_plausible(cube[name])
    forest = cube["pft_fraction"].sum("pft") > 0
    assert not bool(cube[name].isnull().where(forest, other=False).any())


def test_every_forest_type_grows_where_it_should(cube):
    fraction = cube["pft_fraction"]
    north, south = fraction.sel(lat=slice(43, None)), fraction.sel(lat=slice(None, 32))
    assert float(south.sel(pft="DNF").sum()) == 0 < float(north.sel(pft="DNF").sum())
    assert float(north.sel(pft="EBF").sum()) == 0 < float(south.sel(pft="EBF").sum())
    assert float(fraction.sel(lon=slice(None, 92)).sum()) == 0  # plateau and desert
    kinds = (fraction > 0).sum("pft")
    assert int((kinds == 1).sum()) > 20
    assert int((kinds > 1).sum()) > 20
    assert float(fraction.min()) == 0
    assert float(fraction.sum("pft").max()) <= 0.95 + 1e-6


def test_forest_areas_are_of_the_size_that_the_reference_study_prints():
    cube = synthetic_cube(Grid(west=73, east=136, south=18, north=54, step=0.5), years=(2003, 2003))
    area = (cell_area(cube["lat"], cube["lon"]) * cube["pft_fraction"]).sum(("lat", "lon")) / 1e10
    printed = {"DBF": 36.5, "DNF": 0.736, "ENF": 6.5, "EBF": 31.0, "MF": 24.4}
    for pft, expected in printed.items():
        assert float(area.sel(pft=pft)) == pytest.approx(expected, rel=0.3)


@pytest.mark.parametrize("site", RECORDS)
def test_the_cell_over_a_tower_agrees_with_it(exact, site):
    tower = exact.sel(site=site).dropna("time", subset=["NEE"])
    lat, lon = float(tower["lat"]), float(tower["lon"])
    first, last = RECORDS[site]
    over = Grid(west=lon - 0.5, east=lon + 0.5, south=lat - 0.5, north=lat + 0.5, step=1)
    cell = synthetic_cube(over, years=(first, last)).isel(lat=0, lon=0)
    for name in DRIVERS:
        np.testing.assert_allclose(cell[name] * xr.ones_like(tower["TEMP"]), tower[name], rtol=1e-5, atol=1e-4)
    assert float(cell["pft_fraction"].sel(pft=str(tower["pft"].item()))) > 0


@pytest.mark.usefixtures("no_compute")
def test_a_tiled_cube_is_lazy_and_so_is_its_true_nee():
    lazy = synthetic_cube(tile=10)
    assert lazy["TEMP"].chunks == ((36,), (10, 10, 4), (10, 10, 10, 10, 2))
    assert true_nee(lazy).chunks is not None


def test_tiled_cube_equals_the_one_in_memory(cube):
    xr.testing.assert_identical(synthetic_cube(tile=10).compute(), cube)


def test_same_seed_same_cube_and_any_years_the_same_weather(cube):
    xr.testing.assert_identical(synthetic_cube(), cube)
    longer = synthetic_cube(years=(2001, 2005)).sel(time=cube["time"])
    xr.testing.assert_identical(longer, cube)
    assert not synthetic_cube(seed=1)["PRE"].equals(cube["PRE"])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"years": (2005, 2003)}, "first before last"),
        ({"years": (1949, 1952)}, "whole years from 1951"),
        ({"tile": 0}, "tile must be 1 cell or more"),
    ],
)
def test_cube_refuses(wrong, message):
    with pytest.raises(ValueError, match=message):
        synthetic_cube(**wrong)


# --- formula


def formula_slowly(cell: xr.Dataset, month: int, pft: str) -> float:
    """The formula as the documentation writes it, one month of one place at a time."""
    p, v = PARAMETERS[pft], {name: cell[name].values.astype("f8") for name in DRIVERS if name != "AGE"}
    days = cell["time"].dt.days_in_month.values

    def light(m: int) -> float:
        return v["FAPAR"][m] * v["PAR"][m] * days[m] * 86_400 * 1e-6

    water = sum(w * v["PRE"][month - k] for k, w in enumerate((0.15, 0.4, 0.3, 0.1, 0.05), start=1))
    warmth = sum(w * v["TEMP"][month - k] for k, w in enumerate((0.5, 0.3, 0.2), start=1))
    past_light = sum(w * light(month - k) for k, w in enumerate((0.4, 0.35, 0.25), start=1))
    uptake = p.light_use * light(month) * np.exp(-(((v["TEMP"][month] - p.optimum) / 15) ** 2))
    uptake *= water / (water + p.dry_soil) / (1 + np.exp(-(warmth - p.waking) / 4)) / (1 + v["VPD"][month] / p.dry_air)
    loss = days[month] / 30.4 * p.respiration * p.q10 ** ((v["TS"][month] - 10) / 10)
    return loss * (1 + p.substrate * past_light / 500) - uptake


def test_true_nee_equals_a_slow_loop(cube):
    nee, kinds = true_nee(cube), (cube["pft_fraction"] > 0).sum("pft").values
    for row, column in [*np.argwhere(kinds == 1)[::40], *np.argwhere(kinds == 2)[::20]]:
        cell = cube.isel(lat=row, lon=column)
        share = cell["pft_fraction"].to_series()
        for month in (MEMORY, 17, 35):
            slow = sum(share[pft] * formula_slowly(cell, month, pft) for pft in PFTS) / share.sum()
            assert float(nee[month, row, column]) == pytest.approx(slow, abs=1e-2)


def test_true_nee_is_there_where_forest_and_past_are(cube):
    nee = true_nee(cube)
    forest = cube["pft_fraction"].sum("pft") > 0
    assert nee.dims == ("time", "lat", "lon")
    assert bool(nee[:MEMORY].isnull().all())
    assert bool((nee[MEMORY:].notnull() == forest).all())
    assert_plausible(nee)


def test_decoys_do_not_move_the_flux_and_the_others_do(exact):
    tower = exact.sel(site="CBF", time=slice("2003", "2010"))
    before = formula_nee(tower, pft="MF")
    for name in DRIVERS:
        after = formula_nee(tower.assign({name: tower[name].roll(time=7)}), pft="MF")
        assert bool((after == before)[MEMORY:].all()) == (name in DECOYS)


def test_rain_matters_after_months_only(exact):
    tower = exact.sel(site="CBF", time=slice("2003", "2004"))
    wet = tower.copy(deep=True)
    wet["PRE"][10] += 100
    change = formula_nee(wet, pft="MF") - formula_nee(tower, pft="MF")
    assert np.flatnonzero(np.abs(change.values) > 1e-9).tolist() == [11, 12, 13, 14, 15]
    assert bool((change[MEMORY:] <= 1e-9).all())  # rain never makes a forest of this world lose carbon


def test_formula_refuses(exact):
    tower = exact.sel(site="CBF")
    with pytest.raises(ValueError, match="a PFT must be one of"):
        formula_nee(tower, pft="GRA")
    with pytest.raises(ValueError, match=r"the formula needs .* \['PRE'\] are not there"):
        formula_nee(tower.drop_vars("PRE"), pft="MF")
    with pytest.raises(ValueError, match="has the variable pft_fraction"):
        true_nee(tower)


# --- what there is to learn


def skill(towers: xr.Dataset, lags: int) -> float:
    """Mean over the types of the R2 on the last fifth of each site's months, of a support vector machine."""
    scores = []
    for pft in PFTS:
        parts: dict[str, list[np.ndarray]] = {"x": [], "y": [], "x_test": [], "y_test": []}
        for site in np.flatnonzero(towers["pft"] == pft):
            tower = towers.isel(site=site)
            series = tower[list(DRIVERS)].to_array("driver").transpose("time", "driver").values
            x = np.lib.stride_tricks.sliding_window_view(series, lags + 1, axis=0).reshape(
                -1, len(DRIVERS) * (lags + 1)
            )
            y = tower["NEE"].values[lags:]
            whole = np.isfinite(x).all(axis=1) & np.isfinite(y)
            x, y = x[whole], y[whole]
            cut = round(0.8 * len(y))
            for name, part in zip(parts, (x[:cut], y[:cut], x[cut:], y[cut:]), strict=True):
                parts[name].append(part)
        x, y, x_test, y_test = (np.concatenate(part) for part in parts.values())
        machine = make_pipeline(StandardScaler(), SVR(C=10, gamma=0.2 / x.shape[1], epsilon=0.05))
        scores.append(r2_score(y_test, machine.fit(x, y / y.std()).predict(x_test) * y.std()))
    return float(np.mean(scores))


def test_a_model_without_memory_does_worse():
    towers = synthetic_towers(sites_per_pft=6, years=8)
    with_memory, without = skill(towers, lags=6), skill(towers, lags=0)
    assert with_memory > 0.8
    assert with_memory - without > 0.05


def test_the_page_prints_the_parameters_of_the_formula():
    page = (Path(__file__).resolve().parents[2] / "docs" / "synthetic-world.md").read_text(encoding="utf-8")
    for pft, parameters in PARAMETERS.items():
        row = next(line for line in page.splitlines() if line.startswith(f"| {pft} |"))
        assert [float(cell) for cell in row.strip("| ").split("|")[1:]] == list(vars(parameters).values())
