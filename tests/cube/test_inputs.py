"""Input files and their checksums."""

from __future__ import annotations

import os

import pytest

from xnee.cube import inputs
from xnee.cube.inputs import checksum, checksums, find_files


def test_files_are_found_once_and_in_order(tmp_path):
    for name in ("b.nc", "a.nc", "sub/c.nc"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    found = find_files([str(tmp_path / "b.nc"), str(tmp_path / "**/*.nc")], label="drivers.TEMP")
    assert [path.name for path in found] == ["b.nc", "a.nc", "c.nc"]


def test_a_name_with_brackets_is_a_name(tmp_path):
    (tmp_path / "t[1].nc").write_text("x")
    assert find_files([str(tmp_path / "t[1].nc")], label="TEMP")


def test_an_empty_pattern_and_a_folder_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"drivers.TEMP: no file fits '.*\*.nc'. Check the folder"):
        find_files([str(tmp_path / "*.nc")], label="drivers.TEMP")
    with pytest.raises(FileNotFoundError, match=r"is a folder. Give the files in it by a pattern"):
        find_files([str(tmp_path)], label="drivers.TEMP")


def test_a_checksum_follows_the_content_not_the_name(tmp_path):
    (tmp_path / "a").write_text("one")
    (tmp_path / "b").write_text("one")
    (tmp_path / "c").write_text("two")
    assert checksum(tmp_path / "a") == checksum(tmp_path / "b") != checksum(tmp_path / "c")


def test_names_go_from_the_common_folder(tmp_path):
    for year in ("2001", "2002"):
        (tmp_path / year).mkdir()
        (tmp_path / year / "t.nc").write_text(year)
    both = checksums([tmp_path / "2001/t.nc", tmp_path / "2002/t.nc"])
    assert list(both) == ["2001/t.nc", "2002/t.nc"]
    assert list(checksums([tmp_path / "2001/t.nc"])) == ["t.nc"]
    assert checksums([]) == {}


def test_large_files_are_known_by_size_time_and_parts(tmp_path, monkeypatch):
    monkeypatch.setattr(inputs, "WHOLE", 100)
    monkeypatch.setattr(inputs, "_PART", 10)
    large = tmp_path / "large"
    large.write_bytes(b"a" * 200)
    os.utime(large, ns=(0, 10**9))
    first = checksum(large)
    assert first.startswith("parts:")
    assert checksum(large) == first
    os.utime(large, ns=(0, 2 * 10**9))
    assert checksum(large) != first
    large.write_bytes(b"a" * 100 + b"b" + b"a" * 99)
    os.utime(large, ns=(0, 10**9))
    assert checksum(large) != first


def test_a_folder_is_known_by_what_is_in_it(tmp_path):
    store = tmp_path / "x.zarr"
    store.mkdir()
    (store / "0").write_text("one")
    first = checksum(store)
    (store / "0").write_text("two")
    assert checksum(store) != first
    assert find_files([str(tmp_path / "*.zarr")], label="TEMP") == [store]
