"""Runs of `to_product` that are killed, as processes of their own: victim.py FOLDER MODE SEED KILLS.

Everything is imported once; each run is a fork. A run dies at a stated step: at one of the file operations on its
folder, which are counted in an unbroken run first, or at a call of ours. After each kill the same command is given
again, and what it leaves is compared, by a digest of all numbers, with what the unbroken run left.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import sys
import traceback
from contextlib import suppress
from pathlib import Path

import dask
import zarr

from products.conftest import make_predicted, values, with_companions
from xnee.products import netcdf, writing
from xnee.products.store import to_product

SMALL = {"lat": 2, "lon": 6, "chunk": 2, "members": 2}
MODES = {
    "nc": {"name": "nee.nc"},
    "zarr": {"name": "nee.zarr"},
    "year": {"name": "nee", "split": "year"},
    "append-nc": {"name": "nee.nc", "append": True},
    "append-zarr": {"name": "nee.zarr", "append": True},
    "append-year": {"name": "nee", "split": "year", "append": True},
    "overwrite-zarr": {"name": "nee.zarr", "overwrite": True},
    "beside-append-zarr": {"name": "nee.zarr", "append": True, "beside": True},
}
OPERATIONS = ("open", "os.rename", "os.link", "os.remove", "os.mkdir", "os.rmdir", "os.truncate")


def die():
    os.kill(os.getpid(), signal.SIGKILL)


class Count:
    """Counts file operations below a folder; dies at one of them if told to."""

    def __init__(self, folder, at=None):
        self.folder, self.at, self.number = str(folder), at, 0

    def __call__(self, event, arguments):
        if event in OPERATIONS and arguments and str(arguments[0]).startswith(self.folder):
            self.number += 1
            if self.number == self.at:
                die()


def die_at(module, name):
    """Let a function of ours do half of its work, or none, and die."""
    real = getattr(module, name)

    def half(*arguments, **options):
        if name == "_copy":
            real(arguments[0].drop_vars("NEE"), *arguments[1:], **options)
        die()

    setattr(module, name, half)


POINTS = {"half a NetCDF file": (netcdf, "_copy"), "before the totals": (writing, "write_totals")}


def write(folder, mode, *, longer=True):
    options = dict(MODES[mode])
    target = folder / options.pop("name")
    if not longer:
        options.pop("append", None)
    months = 36 if longer and options.get("append") else 24
    seed = 1 if options.get("overwrite") and not longer else 0
    predicted = make_predicted(**SMALL, months=months, seed=seed)
    if options.pop("beside", False):
        predicted = with_companions(predicted)
    # One thread in zarr too: threads that make the same folder at once try once more, and the count of steps would
    # differ between runs.
    one_thread = zarr.config.set({"async.concurrency": 1, "threading.max_workers": 1})
    with one_thread, dask.config.set(scheduler="synchronous", num_workers=1):
        return to_product(predicted, target, progress=False, **options)


def write_again(folder, mode):
    with suppress(FileExistsError):  # killed at the last step of all: the product is there, and is looked at
        write(folder, mode)


def fork(action):
    """Run something in a process of its own; give how that ended."""
    child = os.fork()
    if child == 0:
        try:
            action()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def begin(folder, before):
    """Make a fresh folder with what is there before the run that is killed."""
    folder.mkdir()
    if before is not None:
        (shutil.copytree if before.is_dir() else shutil.copy2)(before, folder / before.name)


def count(folder, mode, told):
    counter = Count(folder)
    sys.addaudithook(counter)
    write(folder, mode)
    told.write_text(str(counter.number))


def killed(folder, mode, at):
    if at in POINTS:
        module, name = POINTS[at]
        die_at(module, name)
        if name == "write_totals":
            from xnee.products import store

            store.write_totals = getattr(module, name)
    else:
        sys.addaudithook(Count(folder, at))
    write(folder, mode)


def digest(target):
    numbers = hashlib.sha256()
    for name, x in sorted(values(target).items()):
        numbers.update(name.encode() + str(x.dtype).encode() + x.tobytes())
    return numbers.hexdigest()


def left(folder, mode, told):
    target = folder / MODES[mode]["name"]
    told.write_text(json.dumps([sorted(os.listdir(folder)) == [target.name], digest(target)]))


def main(folder, mode, seed, kills):
    folder, told = Path(folder), Path(folder) / "told"
    before = None
    if mode.startswith(("append", "overwrite", "beside-append")):
        (folder / "before").mkdir()
        assert fork(lambda: write(folder / "before", mode, longer=False)) == 0
        before = folder / "before" / MODES[mode]["name"]
    begin(folder / "whole", before)
    assert fork(lambda: count(folder / "whole", mode, told)) == 0
    steps = int(told.read_text())
    assert fork(lambda: left(folder / "whole", mode, told)) == 0
    expected = json.loads(told.read_text())
    points = [*random.Random(int(seed)).sample(range(1, steps + 1), int(kills)), steps]
    points += [name for name in POINTS if name != "half a NetCDF file" or "zarr" not in mode]
    results = []
    for i, at in enumerate(points):
        place = folder / f"run{i}"
        begin(place, before)
        ended = fork(lambda place=place, at=at: killed(place, mode, at))
        again = fork(lambda place=place: write_again(place, mode))
        found = None
        if again == 0 and fork(lambda place=place: left(place, mode, told)) == 0:
            found = json.loads(told.read_text())
        results.append(
            {"at": at, "killed": ended == -signal.SIGKILL, "finished": again == 0, "same": found == expected}
        )
    print(json.dumps({"steps": steps, "whole": expected[0], "runs": results}))  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
