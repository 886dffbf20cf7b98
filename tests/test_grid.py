"""Grids, ellipsoidal areas and conservative averages."""

from __future__ import annotations

import shutil
import subprocess

import dask
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from xnee.grid import Grid, aggregate, bounds, cell_area, integrate, tiles

A, E2 = 6378137.0, 0.0066943799901413


def band_area(south, north):
    """Area of a latitude band of one radian of longitude, by numerical integration of the radii of curvature."""
    phi = np.deg2rad(np.linspace(south, north, 501))
    w = 1 - E2 * np.sin(phi) ** 2
    return np.trapezoid(A * (1 - E2) / w**1.5 * A / w**0.5 * np.cos(phi), phi)


def refuse(*_, **__):
    raise AssertionError("computed too early")


def overlap(low, high, other_low, other_high):
    return max(0.0, min(high, other_high) - max(low, other_low))


def integrate_slowly(field, grid):
    """Every target cell against every source cell."""
    lat, lon = bounds(field.lat), bounds(field.lon)
    result = np.zeros((grid.lat.size, grid.lon.size))
    for (i, j), _ in np.ndenumerate(result):
        for (k, m), value in np.ndenumerate(field.values):
            south = max(min(lat[k]), grid.lat[i] - grid.step / 2)
            north = min(max(lat[k]), grid.lat[i] + grid.step / 2)
            width = sum(
                overlap(lon[m, 0] + turn, lon[m, 1] + turn, grid.lon[j] - grid.step / 2, grid.lon[j] + grid.step / 2)
                for turn in (-360, 0, 360)
            )
            if north > south and width and not np.isnan(value):
                result[i, j] += value * band_area(south, north) * np.deg2rad(width)
    return result


def random_field(lat, lon, *, seed=0, dims=("lat", "lon"), **extra):
    sizes = {"lat": len(lat), "lon": len(lon), **extra}
    values = np.random.default_rng(seed).random([sizes[dim] for dim in dims])
    return xr.DataArray(values, coords={"lat": lat, "lon": lon}, dims=dims)


def test_grid_has_centres_edges_and_area():
    grid = Grid(west=70, east=140, south=15, north=55, step=0.5)
    assert (grid.lat[0], grid.lat[-1], grid.lat.size) == (15.25, 54.75, 80)
    assert (grid.lon[0], grid.lon[-1], grid.lon.size) == (70.25, 139.75, 140)
    assert (grid.lat_edges[0], grid.lat_edges[-1], grid.lon_edges[0], grid.lon_edges[-1]) == (15, 55, 70, 140)
    xr.testing.assert_allclose(grid.area.drop_attrs(), cell_area(grid.lat, grid.lon).drop_attrs())


@pytest.mark.parametrize(
    "wrong",
    [
        {"west": 140, "east": 70},
        {"east": 250},
        {"north": 91},
        {"step": 0.3},
        {"step": -0.5},
        {"step": 0},
    ],
)
def test_grid_refuses_a_box_that_is_none(wrong):
    with pytest.raises(ValueError, match="a step that divides both extents"):
        Grid(**({"west": 70, "east": 140, "south": 15, "north": 55, "step": 0.5} | wrong))


def test_bounds_lie_half_way_and_stop_at_the_pole():
    assert bounds([90.0, 89.0, 88.0], limit=90).tolist() == [[90.0, 89.5], [89.5, 88.5], [88.5, 87.5]]


@pytest.mark.parametrize("centres", [[1.0], [1.0, 1.0], [1.0, 3.0, 2.0]])
def test_bounds_need_an_order(centres):
    with pytest.raises(ValueError, match="strictly ascending or descending"):
        bounds(centres)


def test_area_of_the_earth_and_of_a_degree():
    whole = cell_area(np.arange(-89.5, 90), np.arange(-179.5, 180))
    assert float(whole.sum()) == pytest.approx(510_065_621.724e6, rel=1e-9)  # WGS84
    assert float(whole.sel(lat=35.5, lon=100.5)) == pytest.approx(band_area(35, 36) * np.deg2rad(1), rel=1e-8)


def test_tiles_cover_each_cell_once():
    count = np.zeros((5, 7), dtype=int)
    for tile in tiles(5, 7, 3):
        count[tile["lat"], tile["lon"]] += 1
    assert (count == 1).all()


@pytest.mark.parametrize(
    ("lat", "lon"),
    [
        (np.arange(20.05, 22, 0.1), np.arange(100.05, 102, 0.1)),  # aligned
        (np.arange(22.03, 19.9, -0.1), np.arange(99.98, 102.1, 0.1)),  # not aligned, north first
        (np.arange(20.2, 21, 0.1), np.arange(100.7, 102.5, 0.13)),  # covers a part
        (np.arange(10.5, 30, 3), np.arange(95, 110, 3.5)),  # coarser than the target
        (np.array([19.9, 20.4, 20.6, 21.5, 22.3]), np.array([100.0, 100.9, 101.1, 102.0])),  # irregular
    ],
)
def test_integral_equals_a_loop_over_all_cells(lat, lon):
    grid = Grid(west=100, east=102, south=20, north=22, step=0.5)
    field = random_field(lat, lon)
    np.testing.assert_allclose(integrate(field, grid), integrate_slowly(field, grid), rtol=1e-6, atol=1)


def test_longitudes_may_be_counted_from_0():
    grid = Grid(west=-20, east=20, south=0, north=10, step=5)
    around = np.arange(0.5, 360, 1)
    field = random_field(np.arange(0.5, 10), around)
    turned = field.assign_coords(lon=(around + 180) % 360 - 180).sortby("lon")
    np.testing.assert_allclose(integrate(field, grid), integrate(turned, grid), rtol=1e-12)


def test_a_cell_across_the_seam_is_found_from_both_sides():
    lon = np.arange(0.0, 360, 10)  # a cell from 175 to 185 degrees, and one from -5 to 5
    field = xr.ones_like(random_field(np.arange(-85.0, 90, 10), lon))
    mean = aggregate(field, Grid(west=-180, east=180, south=-90, north=90, step=2.5), coverage=1)
    np.testing.assert_allclose(mean, 1, rtol=1e-12)


@settings(max_examples=40, deadline=None)
@given(
    south=st.floats(-40, 40),
    west=st.floats(-150, 150),
    step=st.floats(0.04, 1.9),
    seed=st.integers(0, 100),
    down=st.booleans(),
)
def test_nothing_is_lost_or_made(south, west, step, seed, down):
    lat, lon = south + step * np.arange(9), west + step * np.arange(11)
    field = random_field(lat[::-1] if down else lat, lon, seed=seed)
    grid = Grid(west=-180, east=180, south=-90, north=90, step=2)
    before = float((field * cell_area(field.lat, field.lon)).sum())
    # Snapped edges move up to a thousandth of a cell between neighbours.
    assert float(integrate(field, grid).sum()) == pytest.approx(before, rel=2e-3)
    mean = aggregate(field, grid, coverage=0)
    assert mean.min() >= field.min() * (1 - 1e-12)
    assert mean.max() <= field.max() * (1 + 1e-12)


def test_totals_stay_on_grids_that_do_not_align():
    field = random_field(15 + 0.05000023 * np.arange(200), 73.45 + 0.05000023 * np.arange(300))
    before = float((field * cell_area(field.lat, field.lon)).sum())
    for step in (0.05, 0.25, 0.5, 2.5):
        grid = Grid(west=70, east=100, south=10, north=30, step=step)
        assert float(integrate(field, grid).sum()) == pytest.approx(before, rel=1e-6)


def test_noise_in_coordinates_makes_no_phantom_ground():
    lon = np.arange(100.025, 102, 0.05).astype("f4")  # 7e-6 degrees off
    lat = np.arange(20.025, 22, 0.05).astype("f4")
    forest = random_field(lat, lon) < 2
    forest = forest & (forest.lon < 101) & (forest.lat < 21)
    grid = Grid(west=100, east=102, south=20, north=22, step=1)
    assert integrate(forest, grid).values[1:].max() == 0
    assert integrate(forest, grid).values[0].tolist() == [pytest.approx(grid.area.values[0, 0], rel=1e-12), 0]


def test_missing_values_are_left_out_of_the_mean():
    grid = Grid(west=100, east=102, south=-1, north=1, step=2)
    field = xr.DataArray(
        [[1.0, np.nan], [3.0, np.nan]], coords={"lat": [-0.5, 0.5], "lon": [100.5, 101.5]}, dims=("lat", "lon")
    )
    assert aggregate(field, grid).item() == pytest.approx(2)
    assert np.isnan(aggregate(field, grid, coverage=0.6).item())
    assert np.isnan(aggregate(field * np.nan, grid, coverage=0).item())


def test_full_coverage_survives_rounding():
    field = xr.ones_like(random_field(np.arange(15.05, 55, 0.1), np.arange(70.05, 80, 0.1)))
    assert (aggregate(field, Grid(west=70, east=80, south=15, north=55, step=0.5), coverage=1) == 1).all()


def test_other_dimensions_attributes_and_type_stay():
    grid = Grid(west=100, east=102, south=20, north=22, step=1)
    field = random_field(np.arange(20.1, 22, 0.2), np.arange(100.1, 102, 0.2), dims=("lat", "time", "lon"), time=3)
    field = field.astype("f4").rename("TEMP").assign_attrs(units="degC")
    expected = aggregate(field, grid)
    assert (expected.dims, expected.dtype, expected.name) == (("time", "lat", "lon"), np.float32, "TEMP")
    assert expected.attrs == {"units": "degC"}
    for chunks in ({}, {"time": 1}, {"lat": 3, "lon": 4}):
        with dask.config.set(scheduler=refuse):
            lazy = aggregate(field.chunk(chunks), grid)
        xr.testing.assert_identical(lazy.compute(), expected)


def test_field_without_latitudes_is_refused():
    with pytest.raises(ValueError, match=r"dimensions and coordinates 'lat' and 'lon', but \['lat'\] are not there"):
        integrate(
            xr.DataArray(np.ones((2, 2)), coords={"lon": [1, 2]}, dims=("y", "lon")),
            Grid(west=0, east=2, south=0, north=2, step=1),
        )


@pytest.mark.parametrize("coverage", [-0.1, 1.1])
def test_coverage_is_a_share(coverage):
    with pytest.raises(ValueError, match="coverage is the share of a cell that must have values, 0 to 1"):
        aggregate(random_field([1, 2], [1, 2]), Grid(west=0, east=2, south=0, north=2, step=1), coverage=coverage)


@pytest.mark.skipif(shutil.which("cdo") is None, reason="needs CDO (Debian package cdo)")
def test_mean_agrees_with_cdo(tmp_path):
    field = random_field(29.97 + 0.05 * np.arange(70), 99.98 + 0.05 * np.arange(90)).rename("field")
    field["lat"].attrs, field["lon"].attrs = {"units": "degrees_north"}, {"units": "degrees_east"}
    field.to_netcdf(tmp_path / "fine.nc")
    grid = Grid(west=100, east=104, south=30, north=33, step=0.5)
    text = "gridtype=lonlat\nxsize=8\nysize=6\nxfirst=100.25\nxinc=0.5\nyfirst=30.25\nyinc=0.5\n"
    (tmp_path / "grid.txt").write_text(text)
    command = ["cdo", "-s", f"remapcon,{tmp_path}/grid.txt", f"{tmp_path}/fine.nc", f"{tmp_path}/coarse.nc"]
    subprocess.run(command, check=True, capture_output=True)
    with xr.open_dataset(tmp_path / "coarse.nc") as coarse:
        # CDO's Earth is a sphere, and its cells end on great circles.
        np.testing.assert_allclose(aggregate(field, grid), coarse["field"], atol=2e-5)
