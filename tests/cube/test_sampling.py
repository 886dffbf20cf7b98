"""Pixels at towers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from xnee.cube.sampling import representativeness, representativeness_table, sample_at_sites
from xnee.grid import Grid, aggregate
from xnee.models.fitting import fit
from xnee.models.training import FitSpec
from xnee.pft import PFTS
from xnee.variables import VARIABLES


def make_cube(step=0.5, months=24, seed=0):
    rng = np.random.default_rng(seed)
    grid = Grid(west=100, east=103, south=30, north=32, step=step)
    shape = (months, grid.lat.size, grid.lon.size)
    dims = ("time", "lat", "lon")
    data = {
        "TEMP": (dims, rng.normal(10, 5, shape).astype("f4"), {"units": "degC"}),
        "WD": (dims, (rng.uniform(-30, 30, shape) % 360).astype("f4"), {"units": "degree"}),
        "AGE": (dims[1:], rng.uniform(1, 90, shape[1:]).astype("f4"), {"units": "year"}),
        "pft_fraction": (("pft", *dims[1:]), rng.dirichlet(np.ones(6), shape[1:]).T[:5].transpose(0, 2, 1)),
    }
    time = pd.date_range("2001-01-01", periods=months, freq="MS")
    return xr.Dataset(data, coords={"time": time, **grid.coords, "pft": list(PFTS)})


def make_sites(places=((30.6, 100.3), (31.1, 102.2), (31.9, 101.4)), start="2001-07", months=12):
    rng = np.random.default_rng(3)
    shape = (len(places), months)
    dims = ("site", "time")
    data = {
        "NEE": (dims, rng.normal(-30, 20, shape), {"units": "g C m-2 month-1"}),
        "NEE_QC": (dims, np.ones(shape)),
        "TEMP": (dims, rng.normal(12, 5, shape), {"units": "degC"}),
        "WD": (dims, rng.uniform(0, 20, shape), {"units": "degree"}),
        "PRE": (dims, rng.uniform(0, 200, shape), {"units": "mm month-1"}),
    }
    coords = {
        "site": [f"T{i}" for i in range(len(places))],
        "time": pd.date_range(start, periods=months, freq="MS"),
        "lat": ("site", [lat for lat, _ in places]),
        "lon": ("site", [lon for _, lon in places]),
        "pft": ("site", [PFTS[i % 5] for i in range(len(places))]),
        "name": ("site", [f"tower {i}" for i in range(len(places))]),
    }
    return xr.Dataset(data, coords=coords, attrs={"qc_min": 0.5})


@pytest.mark.parametrize("chunks", [None, {"lat": 2, "lon": 3}, {"lat": 1, "lon": 1, "time": 5}])
def test_nearest_is_the_cell_that_holds_the_tower(chunks):
    cube, sites = make_cube(), make_sites()
    sampled = sample_at_sites(cube.chunk(chunks) if chunks else cube, sites)
    for i, site in enumerate(sites["site"].values):
        cell = cube.sel(lat=sites["lat"].values[i], lon=sites["lon"].values[i], method="nearest")
        np.testing.assert_array_equal(sampled["TEMP"].sel(site=site), cell["TEMP"])
        np.testing.assert_array_equal(sampled["AGE"].sel(site=site), np.full(24, cell["AGE"]))
        np.testing.assert_allclose(sampled["WD"].sel(site=site), cell["WD"], atol=1e-4)
    assert sampled["TEMP"].dims == ("site", "time")
    assert sampled["TEMP"].attrs["units"] == VARIABLES["TEMP"].units
    assert sampled["TEMP"].dtype == "f8"


def test_towers_keep_nee_quality_and_names_and_lose_other_drivers():
    sites = make_sites()
    sampled = sample_at_sites(make_cube(), sites)
    assert set(sampled.data_vars) == {"TEMP", "WD", "AGE", "NEE", "NEE_QC"}
    common = sampled.sel(time=sites["time"])
    np.testing.assert_array_equal(common["NEE"], sites["NEE"])
    assert sampled["NEE"].sel(time="2001-01").isnull().all()
    assert sampled["name"].values.tolist() == sites["name"].values.tolist()
    assert sampled.attrs["qc_min"] == 0.5
    assert sampled.attrs["months_outside_cube"] == 0


def test_months_that_the_cube_does_not_reach_are_counted():
    sampled = sample_at_sites(make_cube(months=9), make_sites())
    assert sampled.attrs["months_outside_cube"] == 3 * 9
    assert sampled.sizes["time"] == 9


def test_towers_may_keep_their_own_weather():
    sites = make_sites()
    sites = sites.assign(TEMP_derived=sites["TEMP"] > 0, PRE_derived=sites["PRE"] > 0)
    assert "TEMP_derived" not in sample_at_sites(make_cube(), sites)
    sampled = sample_at_sites(make_cube(), sites, prefer="tower").sel(time=sites["time"])
    assert "TEMP_derived" in sampled
    assert "PRE_derived" not in sampled
    np.testing.assert_array_equal(sampled["TEMP"], sites["TEMP"])
    assert "PRE" not in sampled
    assert sampled["AGE"].attrs["source"] == "cube"


def test_bilinear_is_exact_for_a_plane_and_missing_next_to_gaps():
    cube, sites = make_cube(), make_sites()
    plane = cube["lat"] * 0.3 + cube["lon"] * 0.2 - 25 + 0 * cube["TEMP"]
    cube["TEMP"] = plane.transpose("time", "lat", "lon").assign_attrs(units="degC")
    sampled = sample_at_sites(cube, sites, method="bilinear")
    inner = sites["lat"] < 31.75  # beyond the last centre it is that of the edge
    expected = (sites["lat"] * 0.3 + sites["lon"] * 0.2 - 25).where(inner, 31.75 * 0.3 + sites["lon"] * 0.2 - 25)
    np.testing.assert_allclose(sampled["TEMP"].isel(time=0), expected, atol=1e-6)
    cube["TEMP"][:, 1, 0] = np.nan
    gaps = sample_at_sites(cube, sites, method="bilinear")["TEMP"].isel(time=0).isnull()
    assert gaps.values.tolist() == [True, False, False]


def test_bilinear_direction_goes_the_short_way():
    cube = make_cube()
    cube["WD"] = xr.where(cube["lon"] < 101, 350.0, 10.0).broadcast_like(cube["TEMP"]).assign_attrs(units="degree")
    sampled = sample_at_sites(cube, make_sites([(31.0, 101.0)]), method="bilinear")["WD"]
    np.testing.assert_allclose((sampled + 180) % 360, 180, atol=1e-3)


@pytest.mark.parametrize("width", [0.3, 0.5, 1.3])
def test_area_is_the_conservative_mean_of_a_square(width):
    cube, sites = make_cube(step=0.1), make_sites([(31.03, 101.52)])
    cube["TEMP"] = cube["TEMP"].where(np.random.default_rng(1).random(cube["TEMP"].shape) > 0.2)
    sampled = sample_at_sites(cube, sites, method="area", width=width)
    lat, lon = 31.03, 101.52
    square = Grid(west=lon - width / 2, east=lon + width / 2, south=lat - width / 2, north=lat + width / 2, step=width)
    expected = aggregate(cube["TEMP"], square, coverage=0).isel(lat=0, lon=0)
    np.testing.assert_allclose(sampled["TEMP"].isel(site=0), expected, rtol=1e-5)


def test_the_square_is_three_cells_wide_by_default():
    cube = make_cube()
    at_centre = make_sites([(30.75, 101.25)])
    sampled = sample_at_sites(cube, at_centre, method="area")["TEMP"].isel(site=0)
    nine = cube["TEMP"].isel(lat=slice(0, 3), lon=slice(1, 4)).mean(["lat", "lon"])
    np.testing.assert_allclose(sampled, nine, atol=0.05)


def test_a_model_can_be_fitted_on_pixels():
    places = [(30.1 + 0.15 * i, 100.2 + 0.2 * i) for i in range(10)]
    cube = make_cube()
    sites = sample_at_sites(cube.drop_vars(["WD", "AGE"]), make_sites(places, start="2001-01", months=24))
    assert fit(sites, lags=2, members=1, training=FitSpec(epochs=1)).window.drivers == ("TEMP",)


# how well pixels stand for towers


def test_representativeness_is_what_it_says():
    cube, sites = make_cube(), make_sites()
    table = representativeness(cube, sites)
    cell = cube["pft_fraction"].sel(lat=30.75, lon=100.25)
    assert float(table["share_of_own_pft"][0]) == pytest.approx(float(cell.sel(pft="DBF")))
    assert float(table["forest_fraction"][0]) == pytest.approx(float(cell.sum()))
    assert str(table["largest_pft"].values[0]) == PFTS[int(np.argmax(cell.values))]
    north = np.deg2rad(0.15) * 6371.0088
    east = np.deg2rad(0.05) * 6371.0088 * np.cos(np.deg2rad(30.675))
    assert float(table["distance"][0]) == pytest.approx(np.hypot(north, east), rel=1e-3)
    pixel = cube["TEMP"].sel(lat=30.75, lon=100.25, time=sites["time"])
    expected = (sites["TEMP"].isel(site=0) - pixel).mean()
    assert float(table["difference"].sel(driver="TEMP")[0]) == pytest.approx(float(expected))
    assert table["months"].sel(driver="TEMP").values.tolist() == [12, 12, 12]
    assert table["driver"].values.tolist() == ["TEMP", "WD"]


def test_directions_differ_the_short_way():
    cube, sites = make_cube(), make_sites([(30.75, 100.25)])
    cube["WD"] = xr.full_like(cube["WD"], 350.0)
    sites["WD"] = xr.full_like(sites["WD"], 20.0)
    assert float(representativeness(cube, sites)["difference"].sel(driver="WD")[0]) == pytest.approx(30, abs=1e-3)


def test_what_cannot_be_compared_is_missing():
    cube, sites = make_cube(), make_sites()
    sites["TEMP"][1] = np.nan
    table = representativeness(cube.drop_vars("pft_fraction"), sites)
    assert np.isnan(table["difference"].sel(driver="TEMP")[1])
    assert int(table["months"].sel(driver="TEMP")[1]) == 0
    text = representativeness_table(table)
    assert "share_of_own_pft" not in table
    assert text.splitlines()[2].split()[3:7] == ["-", "-", "-", "-"]


def test_the_table_has_a_line_for_each_tower():
    text = representativeness_table(representativeness(make_cube(), make_sites()))
    assert [line.split()[0] for line in text.splitlines()] == ["site", "T0", "T1", "T2"]
    assert text.splitlines()[0].split()[-2:] == ["TEMP", "WD"]


def test_towers_without_any_driver_are_compared_by_cover_alone():
    table = representativeness(make_cube(), make_sites().drop_vars(["TEMP", "WD", "PRE"]))
    assert table.sizes["driver"] == 0
    assert "T0" in representativeness_table(table)


# what is refused


def test_towers_outside_are_named_or_dropped():
    sites = make_sites([(30.6, 100.3), (45.0, 101.0), (31.0, 99.9), (32.001, 101.0)])
    with pytest.raises(
        ValueError, match=r"3 of 4 towers lie outside the cube \(30.25..31.75 north.*\): T1, T2, T3. .*drop"
    ):
        sample_at_sites(make_cube(), sites)
    kept = sample_at_sites(make_cube(), sites, outside="drop")
    assert kept["site"].values.tolist() == ["T0"]
    assert kept.attrs["dropped_sites"] == ["T1", "T2", "T3"]
    with pytest.raises(ValueError, match="2 of 2 towers lie outside"):
        sample_at_sites(make_cube(), sites.isel(site=[1, 2]), outside="drop")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "cubic"}, "method must be one of nearest, bilinear, area; got 'cubic'"),
        ({"prefer": "both"}, "prefer must be one of cube, tower; got 'both'"),
        ({"outside": "nan"}, "outside must be one of raise, drop; got 'nan'"),
        ({"width": 1.0}, "width is the side of the square for method='area'.*got 1.0 with 'nearest'"),
        ({"method": "area", "width": -1.0}, "above 0; got -1.0"),
    ],
)
def test_wrong_words_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        sample_at_sites(make_cube(), make_sites(), **options)


@pytest.mark.parametrize(
    ("cube", "sites", "message"),
    [
        (
            lambda ds: ds.rename(lat="latitude"),
            None,
            r"coordinates time, lat and lon; \['lat'\] are not there",
        ),
        (lambda ds: ds.sortby("lat", ascending=False), None, r"two or more cell centres, ascending; .*sortby\('lat'\)"),
        (lambda ds: ds.isel(lon=[0]), None, "lon of a cube must be two or more"),
        (None, lambda ds: ds.drop_vars("pft"), r"\(site, time\) with coordinates lat, lon and pft; \['pft'\] are not"),
        (None, lambda ds: ds.isel(site=0), r"towers are a Dataset \(site, time\)"),
        (None, lambda ds: ds.assign_coords(lat=("site", [np.nan, 31, 31])), r"\['T0'\] have none. Give the reader"),
        (None, lambda ds: ds.assign_coords(time=ds["time"] + np.timedelta64(3653, "D")), "no month in common"),
    ],
)
def test_wrong_datasets_are_refused(cube, sites, message):
    with pytest.raises(ValueError, match=message):
        sample_at_sites((cube or (lambda ds: ds))(make_cube()), (sites or (lambda ds: ds))(make_sites()))
