"""Tiles in work side by side: none waits for another, and sums do not depend on which is first or how fluxes come."""

from __future__ import annotations

import threading

import dask
import numpy as np
import pytest
import xarray as xr

from xnee.grid import cell_area
from xnee.prediction import predict
from xnee.prediction.tiles import Tile
from xnee.products import netcdf, scheduling, writing
from xnee.products.store import to_product
from xnee.products.totals import carbon_states

from .conftest import Counting, assert_same_values, make_predicted

PATIENCE = 30  # seconds after which a test that waits has failed


class Meeting(Counting):
    """Counts how many blocks are in work at once; `wait` tells which of them wait, and for which number of calls."""

    def __init__(self, wait=None, fail_at=None):
        super().__init__(fail_at)
        self.wait, self.now, self.most, self.came = wait or {}, 0, 0, threading.Condition()

    def __call__(self, block):
        with self.came:
            self.now, self.most = self.now + 1, max(self.most, self.now + 1)
            self.calls += 1
            own = self.calls
            self.came.notify_all()
            if own in self.wait:
                assert self.came.wait_for(lambda: self.calls >= self.wait[own], PATIENCE), "the others did not go on"
            self.now -= 1
        if own == self.fail_at:
            msg = "no such driver here"
            raise RuntimeError(msg)
        return block


class FailOnce:
    """Fails at the first block that comes, in whatever process."""

    def __init__(self, file):
        self.file = file

    def __call__(self, block):
        if not self.file.exists():
            self.file.touch()
            msg = "no such driver here"
            raise RuntimeError(msg)
        return block


def write(predicted, path, **options):
    return to_product(predicted, path, progress=False, **options)


@pytest.mark.parametrize("name", ["nee.nc", "nee.zarr"])
def test_a_slow_tile_holds_up_no_other(tmp_path, name):
    watch = Meeting(wait={1: 4})  # the first block ends when all others were begun: with batches of two it never would
    with dask.config.set(num_workers=2):
        write(make_predicted(watch=watch), tmp_path / name)
    assert watch.calls == 4
    assert watch.most == 2
    assert_same_values(tmp_path / name, write(make_predicted(), tmp_path / f"whole{name}"))


@pytest.mark.parametrize("order", [{1: 4}, {2: 4}, {1: 3, 2: 4}, {3: 4}])
def test_sums_do_not_depend_on_which_tile_is_first(tmp_path, order):
    with dask.config.set(num_workers=3):
        many = write(make_predicted(watch=Meeting(wait=order)), tmp_path / "many.zarr")
    with dask.config.set(scheduler="synchronous"):
        assert_same_values(many, write(make_predicted(), tmp_path / "one.zarr"))


def test_tiles_in_work_are_kept_when_another_fails(tmp_path):
    watch = Meeting(wait={1: 2}, fail_at=2)
    with dask.config.set(num_workers=2), pytest.raises(RuntimeError, match="no such driver here") as failure:
        write(make_predicted(watch=watch), tmp_path / "nee.nc")
    assert "It happened in the tile of lat " in failure.value.__notes__[0]
    again = Counting()
    write(make_predicted(watch=again), tmp_path / "nee.nc")
    assert again.calls == 4 - watch.calls + 1


@pytest.mark.slow  # a client that closes late on a busy machine would be taken by the tests after it
@pytest.mark.parametrize("processes", [False, True])
def test_tiles_on_a_cluster(tmp_path, processes):
    from distributed import Client

    whole = write(make_predicted(chunk=2), tmp_path / "whole.nc")
    ilamb = write(make_predicted(chunk=2), tmp_path / "ilamb.nc", profile="ilamb")
    with Client(processes=processes, n_workers=2, threads_per_worker=1, dashboard_address=None):
        assert scheduling.threads() == 2
        for name in "abc":
            assert_same_values(write(make_predicted(chunk=2), tmp_path / f"{name}.nc"), whole)
        assert_same_values(write(make_predicted().compute(), tmp_path / "memory.nc", tile=2), whole)
        assert_same_values(write(make_predicted(chunk=2), tmp_path / "nee.nc", profile="ilamb"), ilamb)
        with pytest.raises(RuntimeError, match="no such driver here") as failure:
            write(make_predicted(chunk=2, watch=FailOnce(tmp_path / "failed")), tmp_path / "last.nc")
        assert failure.value.__notes__[0].startswith("It happened in the tile of lat ")
        assert failure.value.__notes__[0].count("lat ") == 1
        assert_same_values(write(make_predicted(chunk=2), tmp_path / "last.nc"), whole)


def test_one_at_a_time_is_in_the_thread_that_asks(tmp_path, monkeypatch):
    real, seen = writing._write_tile, []

    def spy(*arguments):
        seen.append(threading.current_thread())
        real(*arguments)

    monkeypatch.setattr(writing, "_write_tile", spy)
    with dask.config.set(scheduler="synchronous"):
        write(make_predicted(), tmp_path / "nee.zarr")
    assert set(seen) == {threading.current_thread()}


def test_fewer_tiles_than_threads_get_the_threads(tmp_path):
    watch = Meeting(wait={1: 2})  # two chunks of a tile at once
    with dask.config.set(num_workers=2):
        write(make_predicted(lat=3, lon=9, watch=watch), tmp_path / "nee.zarr", tile=9)
    assert watch.most == 2


# sums from tiles


@pytest.fixture
def source(cube, fitted):
    """A prediction in tiles of two, with a gap and a cell that has no forest."""
    ds = cube(lat=6, lon=8)
    ds["TEMP"][10, 4, 4] = np.nan
    predicted = predict(ds.chunk(lat=2, lon=2), fitted, tile=2)
    return predicted.assign(area=cell_area(predicted["lat"], predicted["lon"]))


def sums(source, place):
    here = source["area"].isel(place)
    part = np.random.default_rng(0).random((2, *here.shape))
    part[0] = 1
    share = xr.DataArray(part, {"region": ["all", "some"]}, ("region", *here.dims))
    return carbon_states(source, share, place=place).compute(scheduler="synchronous")


@pytest.mark.parametrize(
    "place",
    [
        {"lat": slice(0, 2), "lon": slice(0, 2)},
        {"lat": slice(2, 6), "lon": slice(4, 8)},
        {"lat": slice(1, 4), "lon": slice(0, 2)},
        {},
    ],
)
def test_sums_from_tiles_are_those_of_maps_to_the_last_bit(source, place):
    member = source["NEE_member"]
    maps = source.assign(NEE_member=member.copy(data=member.data.map_blocks(np.copy)))
    from_tiles, from_maps, read = sums(source, place), sums(maps, place), sums(source.compute(), place)
    assert float(abs(from_tiles["total"]).sum()) > 0
    for name in ("total", "area_predicted", "pft_area", "cells"):
        assert from_tiles[name].to_numpy().tobytes() == from_maps[name].to_numpy().tobytes(), name
        assert from_tiles[name].to_numpy().tobytes() == read[name].to_numpy().tobytes(), name
        assert from_tiles[name].dtype == from_maps[name].dtype == read[name].dtype


def test_a_cover_that_was_changed_after_the_prediction_counts(source):
    cover = source["pft_fraction"].compute()
    cover[2, 1] = 0.1  # where ENF was not predicted
    cover[0, 3] = 0.0
    changed = source.assign(pft_fraction=cover)
    place = {"lat": slice(0, 4), "lon": slice(0, 8)}
    expected = sums(changed.compute(), place)
    xr.testing.assert_identical(sums(changed, place)["total"], expected["total"])
    xr.testing.assert_identical(sums(changed, place)["area_predicted"], expected["area_predicted"])


@pytest.mark.parametrize("side", [2, 4])
def test_a_product_lays_out_no_map_of_members(cube, driver_model, tmp_path, monkeypatch, side):
    def refuse(_):
        msg = "members were laid out"
        raise AssertionError(msg)

    predicted = predict(cube(lat=6, lon=8, months=24), driver_model(), tile=2)
    expected = write(predicted.compute(), tmp_path / "whole.nc", tile=side)
    monkeypatch.setattr(Tile, "members_by_type", refuse)
    assert_same_values(write(predicted, tmp_path / "nee.nc", tile=side), expected)


# from the store to the file


def test_places_without_forest_are_not_written_and_read_as_missing(tmp_path, monkeypatch):
    class Counted(type(netcdf.NETCDF4_PYTHON_LOCK)):
        def __enter__(self):
            entered.append(1)
            super().__enter__()

    entered, whole = [], write(make_predicted(), tmp_path / "whole.nc")
    monkeypatch.setattr(netcdf, "BLOCK", 3)
    monkeypatch.setattr(netcdf, "SLAB", 1)  # a year at once
    monkeypatch.setattr(netcdf, "NETCDF4_PYTHON_LOCK", Counted([]))
    assert_same_values(whole, write(make_predicted(), tmp_path / "cut.nc"))
    # six blocks of three maps in space, and of two in two years; of these the first is written, missing or not, and
    # the other without forest is not
    assert len(entered) == 6 * 3 + 2 * 2 * (6 - 1)
