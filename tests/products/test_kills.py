"""Whatever ends a run, the same command finishes it, and the product is that of an unbroken run, byte for byte."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import dask
import numpy as np
import pytest

from xnee.products import writing
from xnee.products.store import open_product, to_product

from .conftest import Counting, assert_same_values, make_predicted

HERE = Path(__file__).parent


def run(script, *words, timeout):
    """Run a script beside this file as a process of its own."""
    command = [sys.executable, "-W", "ignore", str(HERE / script), *map(str, words)]
    path = os.pathsep.join([str(HERE.parent), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=timeout)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    ("mode", "kills"),
    [
        ("nc", 4),
        ("zarr", 4),
        ("append-zarr", 4),
        pytest.param("year", 12, marks=pytest.mark.slow),
        pytest.param("append-nc", 12, marks=pytest.mark.slow),
        pytest.param("append-year", 12, marks=pytest.mark.slow),
        pytest.param("overwrite-zarr", 12, marks=pytest.mark.slow),
        pytest.param("beside-append-zarr", 12, marks=pytest.mark.slow),
    ],
)
def test_a_kill_at_any_step_loses_nothing(tmp_path, mode, kills):
    told = run("victim.py", tmp_path, mode, 1, kills, timeout=300)
    assert told["whole"]
    assert told["steps"] > 500  # file operations, at any of which a run may die
    assert len(told["runs"]) >= kills + 2  # the last step of all, and calls of ours
    for one in told["runs"]:
        assert one["killed"], one
        assert one["finished"], one
        assert one["same"], one


def test_a_cluster_may_lose_a_worker_or_its_scheduler(tmp_path):
    told = run("on_cluster.py", tmp_path, timeout=180)
    assert told["workers left"] == 1
    assert told["scheduler"].endswith("CancelledError")
    assert not (tmp_path / "scheduler.nc").exists()
    to_product(make_predicted(chunk=2), tmp_path / "scheduler.nc", progress=False)  # without a cluster this time
    whole = to_product(make_predicted(chunk=2), tmp_path / "whole.nc", progress=False)
    assert_same_values(tmp_path / "worker.nc", whole)
    assert_same_values(tmp_path / "scheduler.nc", whole)


@pytest.fixture
def small_disk(tmp_path):
    """A disk of its own, which only root can make."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = ["mount", "-t", "tmpfs", "-o", "size=320k", "xnee-test", str(folder)]
    if os.geteuid() or subprocess.run(made, capture_output=True, check=False).returncode:
        pytest.skip("a small disk can only be made by root, where mounting is allowed")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("name", ["nee.nc", "nee.zarr"])
def test_a_full_disk_loses_nothing(tmp_path, small_disk, name):
    wide = {"lat": 24, "lon": 24, "chunk": 6}
    with (
        dask.config.set(num_workers=1),
        pytest.raises((OSError, RuntimeError), match=r"No space left|HDF error") as failure,
    ):
        to_product(make_predicted(**wide), small_disk / name, progress=False)
    assert any("The disk of" in note and "Make room" in note for note in failure.value.__notes__)
    assert not (small_disk / name).exists()
    subprocess.run(["mount", "-o", "remount,size=16m", str(small_disk)], check=True)
    watch = Counting()
    to_product(make_predicted(**wide, watch=watch), small_disk / name, progress=False)
    assert watch.calls < 14  # of 14 blocks with forest, some were finished before
    assert_same_values(small_disk / name, to_product(make_predicted(**wide), tmp_path / name, progress=False))


@pytest.mark.parametrize("after", [1, 2, 3, 4])
def test_a_disk_that_fills_at_any_tile_loses_nothing(tmp_path, monkeypatch, after):
    real, calls = writing._write_tile, []

    def fill(*arguments):
        calls.append(1)
        if len(calls) == after:
            raise OSError(28, "No space left on device")
        real(*arguments)

    monkeypatch.setattr(writing, "_write_tile", fill)
    with pytest.raises(OSError, match="No space left"):
        to_product(make_predicted(), tmp_path / "nee.zarr", progress=False)
    monkeypatch.undo()
    to_product(make_predicted(), tmp_path / "nee.zarr", progress=False)
    np.testing.assert_array_equal(open_product(tmp_path / "nee.zarr")["NEE"], make_predicted()["NEE"].astype("f4"))


def test_a_read_error_in_a_block_loses_nothing(tmp_path):
    class Unreadable(Counting):
        def __call__(self, block):
            with self.lock:
                self.calls += 1
                if self.calls == 3:
                    raise OSError(5, "Input/output error", "drivers.zarr/TEMP/c/0/1/1")
            return block

    with dask.config.set(num_workers=1), pytest.raises(OSError, match="Input/output error") as failure:
        to_product(make_predicted(watch=Unreadable()), tmp_path / "nee.nc", progress=False)
    assert "the same command goes on from here" in failure.value.__notes__[0]
    to_product(make_predicted(), tmp_path / "nee.nc", progress=False)
    assert_same_values(tmp_path / "nee.nc", to_product(make_predicted(), tmp_path / "whole.nc", progress=False))


def test_files_that_a_power_failure_took_are_made_again(tmp_path):
    with dask.config.set(num_workers=1), pytest.raises(RuntimeError):
        to_product(make_predicted(watch=Counting(fail_at=3)), tmp_path / "nee.zarr", progress=False)
    written = sorted((tmp_path / "nee.zarr.partial" / "store.zarr" / "NEE" / "c").rglob("*"))
    chunks = [path for path in written if path.is_file()]
    assert len(chunks) == 4  # two tiles, two years
    chunks[0].write_bytes(b"")
    watch = Counting()
    to_product(make_predicted(watch=watch), tmp_path / "nee.zarr", progress=False)
    assert watch.calls == 4 - 2 + 1
    assert_same_values(tmp_path / "nee.zarr", to_product(make_predicted(), tmp_path / "whole.zarr", progress=False))
