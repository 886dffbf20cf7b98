"""Fields onto the grid, in blocks."""

from __future__ import annotations

import logging

import dask
import numpy as np
import pytest
import xarray as xr

from xnee.cube.regridding import matching, plan, slabs, window
from xnee.grid import Grid, aggregate

from .conftest import GRID, make_field


def onto(field, grid, **options):
    """All slabs, put together."""
    options = {"coverage": 0.1, "chunk": 1000} | options
    return np.concatenate([values for _, values in slabs(window(field, grid), grid, **options)])


def test_blocks_give_what_the_kernel_gives_at_once(monkeypatch):
    field = make_field(step=0.2)
    field = field.where(field > -50)
    expected = aggregate(field.compute(), GRID, coverage=0.1)
    np.testing.assert_allclose(onto(field, GRID), expected, rtol=1e-6)
    monkeypatch.setattr("xnee.cube.regridding._TASK", 1)  # a month and a row at a time
    monkeypatch.setattr("xnee.cube.regridding._SLAB", 1)
    np.testing.assert_allclose(onto(field, GRID), expected, rtol=1e-6)


@pytest.mark.parametrize("offset", [0, 1e-3, -4e-3])
def test_a_grid_within_one_percent_is_the_same(offset):
    field = make_field(step=0.5)
    moved = field.assign_coords(lon=field["lon"] + offset)
    inner = field.sel(lat=GRID.lat, lon=GRID.lon)
    np.testing.assert_array_equal(onto(moved, GRID), inner)


@pytest.mark.parametrize("offset", [6e-3, 0.25, -0.49])
def test_a_grid_further_away_is_averaged_anew(offset):
    field = make_field(step=0.5)
    moved = field.assign_coords(lon=field["lon"] + offset)
    assert matching(window(moved, GRID), GRID) is None
    expected = aggregate(moved.compute(), GRID, coverage=0.1)
    np.testing.assert_allclose(onto(moved, GRID), expected, rtol=1e-6)
    assert np.abs(onto(moved, GRID) - field.sel(lat=GRID.lat, lon=GRID.lon).to_numpy()).max() > 0.1


def test_a_finer_grid_with_the_same_centres_is_not_the_same():
    assert (
        matching(make_field(step=0.1).isel(time=0), Grid(west=100, east=101.2, south=30, north=31.2, step=0.3)) is None
    )


@pytest.mark.parametrize("turn", [0, 360])
@pytest.mark.parametrize("up", [True, False])
def test_longitudes_from_0_and_latitudes_down_are_the_same_field(turn, up):
    globe = make_field(step=2, lat=(-90, 90), lon=(-180, 180), months=2)
    grid = Grid(west=-10, east=10, south=-5, north=5, step=2.5)
    expected = onto(globe, grid)
    turned = (
        globe.assign_coords(lon=globe["lon"] % 360 if turn else globe["lon"]).sortby("lon").sortby("lat", ascending=up)
    )
    np.testing.assert_allclose(onto(turned, grid), expected, rtol=1e-6)


@pytest.mark.parametrize("start", [-180, 0])
def test_a_globe_onto_a_globe_closes_at_the_seam(start):
    lon = np.arange(start, start + 360, 2.0)  # cells straddle the edge of the target
    lat = np.arange(-89.0, 90, 2)
    values = np.cos(np.deg2rad(lon))[None, None] * np.ones((1, lat.size, 1))
    field = xr.DataArray(values, {"lat": lat, "lon": lon}, ("time", "lat", "lon")).chunk()
    grid = Grid(west=-180, east=180, south=-90, north=90, step=4)
    np.testing.assert_allclose(onto(field, grid)[0, 0], onto(field, grid)[0, 0, ::-1], atol=1e-6)
    assert not np.isnan(onto(field, grid)).any()


def test_where_the_source_ends_values_are_missing(monkeypatch):
    monkeypatch.setattr("xnee.cube.regridding._TASK", 1)
    values = onto(make_field(step=0.3, lat=(29, 31.1)), GRID)
    assert not np.isnan(values[:, :2]).any()
    assert np.isnan(values[:, 3]).all()


@pytest.mark.parametrize("away", [{"lat": (40, 44)}, {"lon": (110, 114)}, {"lon": (-104, -99)}])
def test_a_field_elsewhere_is_refused(away):
    with pytest.raises(
        ValueError, match=r"it lies outside the grid: its cells are centred on .* the grid reaches 30..32"
    ):
        window(make_field(**away), GRID)


def test_the_window_keeps_a_single_cell_with_a_neighbour():
    cut = window(
        make_field(step=1, lat=(20, 40), lon=(90, 110)), Grid(west=100.4, east=100.5, south=30.4, north=30.5, step=0.1)
    )
    assert 100.5 in cut["lon"]
    assert min(cut.sizes["lat"], cut.sizes["lon"]) >= 2


@pytest.mark.usefixtures("no_compute")
def test_window_stays_lazy():
    assert window(make_field(), GRID).chunks


def test_large_chunks_are_read_one_at_a_time(lazy_field, caplog):
    with dask.config.set(num_workers=8):
        few = plan(lazy_field, GRID, chunk=8 * 10**6)
        many = plan(lazy_field, GRID, chunk=10)
    assert few.workers == 1
    assert many.workers == 8
    assert [slab.start for slab in few.slabs] == [0]
    field = make_field()
    with caplog.at_level(logging.WARNING):
        next(slabs(window(field, GRID), GRID, coverage=0.1, chunk=10**9))
    assert "memory may go beyond 2 GiB" in caplog.text


def test_slabs_end_where_chunks_end(monkeypatch):
    monkeypatch.setattr("xnee.cube.regridding._SLAB", 4 * 24 * 6)  # six months of the grid
    field = window(make_field(months=18), GRID)  # in chunks of four months
    assert [(slab.start, slab.stop) for slab in plan(field, GRID, chunk=10).slabs] == [
        (0, 4),
        (4, 8),
        (8, 12),
        (12, 18),
    ]
