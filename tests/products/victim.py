"""A run of `to_product` that dies at a stated point, as a process of its own: victim.py TARGET POINT [TILE]."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import dask

from products.conftest import make_predicted
from xnee.products import ledger, netcdf, store

ATTRS = {"institution": "Institute of Tests"}


def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)


class DieAt:
    """Stands in for the model: dies when the flux of the given block is asked for."""

    def __init__(self, number: int) -> None:
        self.left = number

    def __call__(self, block):
        self.left -= 1
        if self.left <= 0:
            die()
        return block


def main(target: str, point: str, number: str = "0") -> None:
    watch = None
    if point == "tile":
        watch = DieAt(int(number))
    elif point == "template":
        ledger.Partial.begin = die
    elif point == "before-note":
        ledger.Partial.note_tile = die
    elif point == "netcdf":
        netcdf._copy = die
    elif point == "before-name":
        os.replace = lambda a, b, rename=os.replace: die() if Path(b) == Path(target) else rename(a, b)
    elif point == "after-name":
        ledger.Partial.clear = die
    with dask.config.set(scheduler="synchronous", num_workers=1):
        store.to_product(make_predicted(chunk=2, watch=watch), target, attrs=ATTRS, progress=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
