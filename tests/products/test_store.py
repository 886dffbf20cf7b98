"""Writing in tiles, stopping anywhere, going on, reading back."""

from __future__ import annotations

import errno
import fcntl
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dask
import netCDF4
import numpy as np
import pytest
import xarray as xr

from xnee import unfinished
from xnee.products import ledger, writing
from xnee.products.budget import budget
from xnee.products.cf import FILL
from xnee.products.store import open_product, to_product

from .conftest import Counting, assert_same_values, make_predicted, values

ATTRS = {"institution": "Institute of Tests"}

MAPS = ["NEE", "NEE_std", "pft_fraction", "forest_fraction"]


def write(predicted, path, **options):
    return to_product(predicted, path, progress=False, **options)


@pytest.mark.parametrize("name", ["nee.nc", "nee.zarr"])
def test_a_product_holds_what_was_predicted(predicted, tmp_path, name):
    target = write(predicted, str(tmp_path / name))
    assert os.listdir(tmp_path) == [name]
    opened = open_product(target)
    assert opened["NEE"].chunksizes["time"] == (24,)
    for variable in MAPS:
        np.testing.assert_array_equal(opened[variable], predicted[variable].astype("f4"))
    assert opened["pft"].values.tolist() == predicted["pft"].values.tolist()
    assert opened["fallback"].values.tolist() == [0, 1, 0, 0, 0]
    assert json.loads(opened.attrs["model"])["provenance"]["names"][0] == "鼎湖山"
    xr.testing.assert_allclose(budget(opened), budget(predicted), rtol=1e-12)


def test_both_formats_hold_the_same(product, tmp_path):
    other = write(make_predicted(), tmp_path / "nee.zarr", attrs=ATTRS)
    with xr.open_dataset(product) as one, xr.open_dataset(other) as two:
        xr.testing.assert_equal(one.load(), two.load())
        assert {k: v for k, v in one.attrs.items() if k not in ("history", "date_created")} == {
            k: v for k, v in two.attrs.items() if k not in ("history", "date_created")
        }
        assert one["NEE"].attrs == two["NEE"].attrs


def test_the_file_is_laid_out_for_other_tools(product):
    with netCDF4.Dataset(product) as file:
        nee = file["NEE"]
        assert nee.dimensions == ("time", "lat", "lon")
        assert nee.dtype == "f4"
        assert nee._FillValue == FILL
        assert nee.filters()["zlib"]
        assert nee.chunking() == [1, 6, 8]
        assert file["time"].units == "days since 1970-01-01"
        assert file["time"].dtype == file["time_bnds"].dtype == "i4"
        assert file["time_bnds"].ncattrs() == []
        assert file["fallback"].flag_values.dtype == "i1"
        assert file["NEE_total"].dimensions == ("year", "pft", "member")
        assert "xnee.predict" in file.history
        assert "xnee.to_product" in file.history


@pytest.mark.parametrize("tile", [3, 6])
def test_tiles_do_not_matter(product, tmp_path, tile):
    other = write(make_predicted(), tmp_path / "nee.nc", tile=tile)
    with xr.open_dataset(product) as one, xr.open_dataset(other) as two:
        xr.testing.assert_equal(one[MAPS], two[MAPS])
        xr.testing.assert_allclose(one["NEE_total"], two["NEE_total"], rtol=1e-12)


def test_a_map_in_memory_is_written_too(product, tmp_path):
    other = write(make_predicted().compute(), tmp_path / "nee.nc", tile=5)
    with xr.open_dataset(product) as one, xr.open_dataset(other) as two:
        xr.testing.assert_equal(one[MAPS], two[MAPS])


def test_small_variables_that_are_lazy_are_written_too(predicted, tmp_path):
    cut = predicted.chunk(pft=2, lon=3, lat=3)
    assert cut["fallback"].chunks is not None
    assert open_product(write(cut, tmp_path / "nee.zarr"))["fallback"].values.tolist() == [0, 1, 0, 0, 0]


def test_each_block_with_forest_is_computed_once_and_no_other(tmp_path):
    watch = Counting()
    write(make_predicted(watch=watch), tmp_path / "nee.zarr")
    assert watch.calls == 4  # 2 x 3 blocks, 2 of them without forest


@pytest.mark.slow  # a client that closes late on a busy machine would be taken by the tests after it
def test_a_cluster_writes_the_same(product, tmp_path):
    from distributed import Client

    with Client(processes=False, n_workers=1, threads_per_worker=2, dashboard_address=None):
        other = write(make_predicted(), tmp_path / "nee.nc", attrs=ATTRS)
    assert_same_values(product, other)


def test_a_bar_goes_to_stderr(predicted, tmp_path, capsys):
    to_product(predicted, tmp_path / "nee.nc")
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "6/6" in shown.err
    write(predicted, tmp_path / "quiet.nc")
    assert capsys.readouterr().err == ""


# stopping and going on


def test_a_failing_tile_says_where_and_keeps_the_others(tmp_path):
    watch = Counting(fail_at=3)
    with dask.config.set(num_workers=1), pytest.raises(RuntimeError, match="no such driver here") as failure:
        write(make_predicted(watch=watch), tmp_path / "nee.nc")
    assert "tile of lat 31.75 to 32.75, lon 101.75 to 102.75" in failure.value.__notes__[0]
    assert not (tmp_path / "nee.nc").exists()
    again = Counting()
    write(make_predicted(watch=again), tmp_path / "nee.nc")
    assert again.calls == 4 - 2


def test_a_store_made_from_something_else_is_refused(tmp_path):
    target = tmp_path / "nee.nc"
    with pytest.raises(RuntimeError):
        write(make_predicted(watch=Counting(fail_at=3)), target)
    other = make_predicted().assign_attrs(model_fingerprint="bad", cube_fingerprint="decade")
    with pytest.raises(ValueError, match=r"nee.nc.partial is an unfinished .* model was 'c0ffee', is 'bad'\. .*delete"):
        write(other, target)
    with pytest.raises(ValueError, match=r"time was '24 from 2001-01-01 to 2002-12-01, .*', is '12 from"):
        write(make_predicted(months=12), target)
    with pytest.raises(ValueError, match="tile was '3', is '6'"):
        write(make_predicted(), target, tile=6)
    with pytest.raises(ValueError, match=r"attrs was '{}', is '{.*CC-BY-4.0"):
        write(make_predicted(), target, attrs={"license": "CC-BY-4.0"})
    write(make_predicted(), target)


def test_a_clock_in_the_history_is_no_difference(tmp_path):
    with pytest.raises(RuntimeError):
        write(make_predicted(watch=Counting(fail_at=3)), tmp_path / "nee.nc")
    write(make_predicted().assign_attrs(history="2031-01-01T00:00:00Z xnee.predict"), tmp_path / "nee.nc")


def test_a_tile_that_does_not_fit_is_not_written(predicted, tmp_path):
    with pytest.raises(RuntimeError):
        write(make_predicted(watch=Counting(fail_at=3)), tmp_path / "nee.nc")  # with none finished the folder would go
    place = tmp_path / "nee.nc.partial" / "store.zarr"
    template = xr.open_zarr(place, consolidated=False, chunks=None)
    region = {"lat": slice(0, 3), "lon": slice(0, 3)}
    tile = xr.Dataset({"NEE": predicted["NEE"].isel(lat=slice(3, 6), lon=slice(0, 3)).compute()})
    with pytest.raises(ValueError, match="came back with another lat than the store has"):
        writing._write_tile(place, template, tile, region)
    with pytest.raises(ValueError, match="came back with another NEE"):
        writing._write_tile(place, template, tile.drop_vars("lat").isel(lat=[0]), region)


# years in files of their own


def test_years_are_files_and_open_as_one(predicted, product, tmp_path):
    folder = write(predicted, tmp_path / "nee", split="year", attrs=ATTRS)
    assert sorted(os.listdir(folder)) == ["nee_2001.nc", "nee_2002.nc"]
    opened, whole = open_product(folder), open_product(product)
    assert opened["NEE"].chunksizes["time"] == (24,)
    xr.testing.assert_identical(opened.drop_attrs().load(), whole.drop_attrs().load())
    xr.testing.assert_allclose(budget(opened), budget(predicted), rtol=1e-12)
    with xr.open_dataset(folder / "nee_2002.nc") as year:
        assert year.attrs["time_coverage_start"] == "2002-01-01T00:00:00Z"
        assert year.attrs["time_coverage_duration"] == "P12M"
        assert year["NEE_total"].sizes["year"] == 1
        np.testing.assert_array_equal(year["NEE_month"]["month"], 200201 + np.arange(12))
        xr.testing.assert_allclose(budget(year)["NEE_forest"], budget(predicted)["NEE_forest"].sel(year=[2002]))


def test_an_open_year_of_a_split_product_has_its_own_months(tmp_path):
    folder = write(make_predicted(months=30, start="2000-07"), tmp_path / "nee", split="year")
    assert [file.name for file in sorted(folder.iterdir())] == ["nee_2000.nc", "nee_2001.nc", "nee_2002.nc"]
    with xr.open_dataset(folder / "nee_2000.nc") as year:
        assert year.attrs["time_coverage_start"] == "2000-07-01T00:00:00Z"
        assert year.sizes["time"] == 6


# two runs at once


def test_two_runs_on_one_target_are_refused(predicted, tmp_path):
    partial = ledger.Partial(target=tmp_path / "nee.nc")
    with (
        partial.locked(),
        pytest.raises(RuntimeError, match=r"another run is writing the product .*nee.nc: process \d+ on"),
    ):
        write(predicted, tmp_path / "nee.nc")
    assert os.listdir(tmp_path) == []
    write(predicted, tmp_path / "nee.nc")


def test_two_runs_at_the_same_moment_make_one_product(tmp_path):
    def run():
        try:
            return write(make_predicted(), tmp_path / "nee.zarr")
        except (RuntimeError, FileExistsError) as error:
            return error

    with ThreadPoolExecutor(4) as pool:
        ends = list(pool.map(lambda _: run(), range(4)))
    assert sum(isinstance(end, Path) for end in ends) >= 1
    refused = [str(end) for end in ends if not isinstance(end, Path)]
    assert all("another run is writing" in text or "is there already" in text for text in refused)
    np.testing.assert_array_equal(open_product(tmp_path / "nee.zarr")["NEE"], make_predicted()["NEE"].astype("f4"))
    assert os.listdir(tmp_path) == ["nee.zarr"]


def test_a_lock_of_a_run_that_was_killed_is_free(tmp_path):
    folder = tmp_path / "nee.nc.partial"
    folder.mkdir()
    (folder / "lock").write_text("process 1 on another machine, since long ago")
    write(make_predicted(), tmp_path / "nee.nc")
    assert os.listdir(tmp_path) == ["nee.nc"]


def test_a_disk_without_locks_is_written_all_the_same(predicted, tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOTSUP, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", refuse)
    write(predicted, tmp_path / "nee.nc")


def test_a_finished_run_of_something_else_does_not_count(predicted, tmp_path, monkeypatch):
    monkeypatch.setattr(ledger.Partial, "clear", refuse_access)
    write(predicted, tmp_path / "nee.nc")  # stops after the product got its name
    monkeypatch.undo()
    with pytest.raises(FileExistsError, match="is there already"):
        write(predicted.assign_attrs(model_fingerprint="other"), tmp_path / "nee.nc")
    assert os.listdir(tmp_path) == ["nee.nc"]


# targets


@pytest.mark.parametrize("name", ["nee.nc", "nee.zarr"])
def test_a_target_that_is_there_is_kept_unless_told_otherwise(predicted, tmp_path, name):
    target = write(predicted, tmp_path / name)
    before = values(target)["NEE"]
    other = make_predicted(seed=1)
    with pytest.raises(
        FileExistsError,
        match=r"is there already\. Choose another name, move it away, give overwrite=True to .*, or append=True",
    ):
        write(other, target)
    np.testing.assert_array_equal(values(target)["NEE"], before)
    write(other, target, overwrite=True)
    np.testing.assert_array_equal(open_product(target)["NEE"], other["NEE"].astype("f4"))
    assert os.listdir(tmp_path) == [name]


def refuse_access(*_):
    return False


@pytest.mark.parametrize(
    ("name", "options", "error", "message"),
    [
        ("nee.csv", {}, ValueError, "a product ends in .nc or .zarr, or is a folder .*; got 'nee.csv'"),
        ("there/nee.nc", {}, FileNotFoundError, "the folder .*there of the product nee.nc does not exist"),
        ("nee.nc", {"tile": 4}, ValueError, "a whole number of the chunks of NEE, which are 3 x 3 cells; got 4"),
        ("nee.nc", {"tile": 0}, ValueError, "a whole number of the chunks"),
        ("nee.nc", {"tile": 3.0}, ValueError, "a whole number of the chunks"),
        ("nee.nc", {"split": "month"}, ValueError, "split must be None, for one file, or 'year'; got 'month'"),
        ("nee.nc", {"split": "year"}, ValueError, "the target is a folder of NetCDF files, a name without ending"),
        ("nee", {}, ValueError, "or is a folder with split='year'; got 'nee'"),
        ("nee.nc", {"regions": "nowhere.geojson"}, FileNotFoundError, "no such file: nowhere.geojson"),
        ("nee.nc", {"attrs": {"contact": ["a", "b"]}}, TypeError, r"text or numbers; got 'contact': \['a', 'b'\]"),
        ("nee.nc", {"attrs": {1: "a"}}, TypeError, "attributes of a file have names"),
    ],
)
@pytest.mark.usefixtures("no_compute")
def test_a_target_that_cannot_be_is_refused_before_any_work(predicted, tmp_path, name, options, error, message):
    with pytest.raises(error, match=message):
        write(predicted, tmp_path / name, **options)
    assert os.listdir(tmp_path) == []


@pytest.mark.usefixtures("no_compute")
def test_a_folder_that_cannot_be_written_to_is_refused(predicted, tmp_path, monkeypatch):
    monkeypatch.setattr(unfinished.os, "access", refuse_access)  # root may write everywhere
    with pytest.raises(PermissionError, match="cannot be written to"):
        write(predicted, tmp_path / "nee.nc")


@pytest.mark.usefixtures("no_compute")
def test_a_product_is_not_predicted_again(product, tmp_path):
    with pytest.raises(ValueError, match=r"this is a product already: its members were added up .*profile=\"ilamb\""):
        write(open_product(product), tmp_path / "nee.nc")


@pytest.mark.usefixtures("no_compute")
def test_a_folder_of_other_things_is_not_replaced(predicted, tmp_path):
    for name, options in (("nee.zarr", {}), ("nee", {"split": "year"})):
        (tmp_path / name).mkdir()
        (tmp_path / name / "thesis.docx").write_text("ten years")
        with pytest.raises(FileExistsError, match="is a folder and no product"):
            write(predicted, tmp_path / name, overwrite=True, **options)
        assert os.listdir(tmp_path / name) == ["thesis.docx"]


@pytest.mark.usefixtures("no_compute")
def test_a_folder_of_the_name_is_no_product(predicted, tmp_path):
    (tmp_path / "nee.nc").mkdir()
    with pytest.raises(FileExistsError, match="is a folder and no product"):
        write(predicted, tmp_path / "nee.nc", overwrite=True)


@pytest.mark.usefixtures("no_compute")
def test_chunks_that_are_not_equal_are_refused(predicted, tmp_path):
    uneven = predicted.chunk(lon=(1, 3, 4))
    with pytest.raises(ValueError, match=r"chunks of NEE along lon must be equal.*\(1, 3, 4\)"):
        write(uneven, tmp_path / "nee.nc")


@pytest.mark.parametrize("name", ["nee.nc", "nee.zarr"])
def test_opening_what_is_damaged_says_so(tmp_path, name):
    (tmp_path / "nee.zarr").mkdir()
    (tmp_path / "nee.nc").write_bytes(b"no file of any kind")
    with pytest.raises(ValueError, match=r"cannot be read as a product: .*Write it again with to_product"):
        open_product(tmp_path / name)


def test_opening_what_is_not_there_says_so(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no product .*nee\.nc\.$"):
        open_product(tmp_path / "nee.nc")
    (tmp_path / "nee.nc.partial").mkdir()
    with pytest.raises(FileNotFoundError, match="It was begun and not finished: give the command that began it again"):
        open_product(tmp_path / "nee.nc")
