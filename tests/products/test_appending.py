"""Later months for a finished product: the earlier ones keep every byte, and what does not fit is refused."""

from __future__ import annotations

import hashlib
import os
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from xnee.products import appending, writing
from xnee.products.budget import budget
from xnee.products.joining import open_raw
from xnee.products.store import open_product, to_product

from .conftest import SQUARES, Counting, assert_same_values, make_predicted

TARGETS = [("nee.nc", None), ("nee.zarr", None), ("nee", "year")]


def write(predicted, path, **options):
    return to_product(predicted, path, progress=False, **options)


def chunk_files(store):
    return {str(path.relative_to(store)): path for path in store.rglob("*") if path.is_file() and "/c/" in str(path)}


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(("name", "split"), TARGETS)
def test_a_year_that_is_added_gives_the_product_of_all_years(tmp_path, name, split):
    target = write(make_predicted(), tmp_path / name, split=split)
    watch = Counting()
    assert write(make_predicted(months=36, watch=watch), target, split=split, append=True) == target
    (tmp_path / "whole").mkdir()
    whole = write(make_predicted(months=36), tmp_path / "whole" / name, split=split)
    assert_same_values(target, whole)
    assert sorted(os.listdir(tmp_path)) == sorted([name, "whole"])
    assert watch.calls == 4  # blocks are whole in time
    ours, theirs = open_product(target), open_product(whole)
    xr.testing.assert_equal(ours.load(), theirs.load())
    assert ours.attrs["time_coverage_start"] == theirs.attrs["time_coverage_start"]
    assert ours.attrs["time_coverage_duration"] == ("P12M" if split else "P36M")
    if not split:
        assert "(appended from 2003-01)" in ours.attrs["history"]
        assert ours.attrs["date_modified"] >= ours.attrs["date_created"]
        assert ours.attrs["cube_fingerprint"] == "decade, decade"


def test_chunks_of_earlier_years_keep_their_bytes(tmp_path):
    target = write(make_predicted(), tmp_path / "nee.zarr")
    before = {name: (digest(file), file.stat().st_ino) for name, file in chunk_files(target).items()}
    write(make_predicted(months=36), target, append=True)
    after = chunk_files(target)
    maps = [name for name in before if name.startswith(("NEE/", "NEE_std/", "pft_fraction/", "area/"))]
    assert len(maps) > 20
    for name in maps:
        assert (digest(after[name]), after[name].stat().st_ino) == before[name], name  # not even copied
    assert {name.split("/")[2] for name in after if name.startswith("NEE/")} == {"0", "1", "2"}


def test_files_of_earlier_years_keep_their_bytes(tmp_path):
    target = write(make_predicted(), tmp_path / "nee", split="year")
    before = {path.name: digest(path) for path in target.iterdir()}
    assert sorted(before) == ["nee_2001.nc", "nee_2002.nc"]
    write(make_predicted(months=36), target, split="year", append=True)
    after = {path.name: digest(path) for path in target.iterdir()}
    assert sorted(after) == ["nee_2001.nc", "nee_2002.nc", "nee_2003.nc"]
    assert before.items() <= after.items()


def test_a_disk_without_second_names_gets_copies(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(appending, "os", SimpleNamespace(link=refuse))
    target = write(make_predicted(), tmp_path / "nee.zarr")
    write(make_predicted(months=36), target, append=True)
    assert_same_values(target, write(make_predicted(months=36), tmp_path / "whole.zarr"))


@pytest.mark.parametrize(("name", "split"), TARGETS)
def test_years_may_be_added_one_by_one_and_part_of_a_year_at_the_end(tmp_path, name, split):
    target = write(make_predicted(months=12), tmp_path / name, split=split)
    for months in (24, 30):
        write(make_predicted(months=months), target, split=split, append=True)
    (tmp_path / "whole").mkdir()
    assert_same_values(target, write(make_predicted(months=30), tmp_path / "whole" / name, split=split))
    with pytest.raises(ValueError, match="if it is of whole calendar years; this one goes from 2001-01 to 2003-06"):
        write(make_predicted(months=36), target, split=split, append=True)


def test_regions_are_appended_too(tmp_path):
    target = write(make_predicted(), tmp_path / "nee.nc", regions=SQUARES)
    write(make_predicted(months=36), target, regions=SQUARES, append=True)
    expected = budget(make_predicted(months=36), by=("year", "pft"), regions=SQUARES)
    xr.testing.assert_allclose(budget(open_product(target), by=("region", "year", "pft")), expected, rtol=1e-12)


def test_the_same_command_after_it_was_finished_changes_nothing(tmp_path):
    target = write(make_predicted(), tmp_path / "nee.nc")
    write(make_predicted(months=36), target, append=True)
    before = digest(target)
    watch = Counting()
    assert write(make_predicted(months=36, watch=watch), target, append=True) == target
    assert digest(target) == before
    assert watch.calls == 0


@pytest.mark.parametrize(("name", "split"), TARGETS)
def test_an_appending_run_that_stopped_goes_on(tmp_path, name, split):
    target = write(make_predicted(), tmp_path / name, split=split)
    before = open_raw(target).load()
    with pytest.raises(RuntimeError, match="no such driver"):
        write(make_predicted(months=36, watch=Counting(fail_at=3)), target, split=split, append=True)
    xr.testing.assert_identical(open_raw(target).load(), before)  # untouched until all is there
    watch = Counting()
    write(make_predicted(months=36, watch=watch), target, split=split, append=True)
    assert 0 < watch.calls < 4  # what was in work beside the one that failed is finished
    (tmp_path / "whole").mkdir()
    assert_same_values(target, write(make_predicted(months=36), tmp_path / "whole" / name, split=split))


# refused, before any work and without touching what is there


def later_start(ds):
    return ds.isel(time=slice(30, None))


def short_past(ds):
    ds = ds.isel(time=slice(20, None))
    return ds.assign_attrs(model='{"lags": 6}')


def other_forest(ds):
    return ds.assign(pft_fraction=ds["pft_fraction"] * 0.9)


REFUSED = [
    (lambda ds: ds.assign_attrs(model_fingerprint="bad"), {}, "model_fingerprint was 'c0ffee', is 'bad'"),
    (lambda ds: ds.assign_attrs(context_period="2001 to 2003"), {}, "context_period was None, is '2001 to 2003'"),
    (lambda ds: ds.assign_attrs(land_cover="another"), {}, "land_cover was None, is 'another'"),
    (
        lambda ds: ds.assign_coords(lat=ds["lat"] + 0.25),
        {},
        "lat was '6 cells from 30.25 to 32.75', is '6 cells from 30.5",
    ),
    (lambda ds: ds.isel(lon=slice(6)), {}, "lon was '8 cells from 100.25 to 103.75', is '6 cells"),
    (lambda ds: ds.isel(pft=slice(3)), {}, "forest types was 'DBF DNF ENF EBF MF', is 'DBF DNF ENF'"),
    (lambda ds: ds.isel(member=slice(2)), {}, "members was 3, is 2"),
    (lambda ds: ds, {"tile": 6}, "chunks was '3 x 3', is '6 x 6'"),
    (lambda ds: ds, {"regions": SQUARES}, "regions was '', is '"),
    (later_start, {}, "ends in 2002-12 and the prediction begins in 2003-07: months between them would be missing"),
    (short_past, {}, "the first 6 months of a prediction lack their past, so that 2003-01 cannot"),
    (lambda ds: ds, {"overwrite": True}, "append=True keeps what is there and overwrite=True replaces it"),
    (lambda ds: ds, {"profile": "ilamb"}, "without append and regions"),
]


@pytest.fixture(scope="module")
def two_years(tmp_path_factory):
    return write(make_predicted(), tmp_path_factory.mktemp("before") / "nee.zarr")


@pytest.mark.parametrize(("change", "options", "message"), REFUSED)
@pytest.mark.usefixtures("no_compute")
def test_what_does_not_fit_is_refused_before_any_work(two_years, change, options, message):
    with pytest.raises(ValueError, match=message):
        write(change(make_predicted(months=36)), two_years, append=True, **options)
    assert os.listdir(two_years.parent) == ["nee.zarr"]


def test_another_forest_is_refused_at_its_first_tile(two_years, tmp_path):
    target = shutil.copytree(two_years, tmp_path / "nee.zarr")
    before = {name: digest(file) for name, file in chunk_files(target).items()}
    with pytest.raises(ValueError, match=r"pft_fraction differs from that of .*nee.zarr in the tile of lat"):
        write(other_forest(make_predicted(months=36)), target, append=True)
    assert {name: digest(file) for name, file in chunk_files(target).items()} == before
    assert os.listdir(tmp_path) == ["nee.zarr"]


def test_nothing_to_append_to_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no product .*nee.nc to append to\. Leave append out to begin it"):
        write(make_predicted(), tmp_path / "nee.nc", append=True)


def test_what_is_no_product_is_not_appended_to(tmp_path):
    xr.Dataset({"NEE": ("time", np.zeros(3))}).to_netcdf(tmp_path / "nee.nc")
    with pytest.raises(ValueError, match=r"nee.nc is no product that can be appended to: it holds \['NEE'\]"):
        write(make_predicted(), tmp_path / "nee.nc", append=True)
    (tmp_path / "other").mkdir()
    with pytest.raises(ValueError, match="cannot be read as a product: it holds no yearly files"):
        write(make_predicted(), tmp_path / "other", append=True, split="year")


def test_a_full_disk_says_so(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writing, "_write_tile", full)
    with pytest.raises(OSError, match="No space left") as failure:
        write(make_predicted(), tmp_path / "nee.nc")
    assert any("The disk of" in note and "is full" in note for note in failure.value.__notes__)
    assert os.listdir(tmp_path) == []
