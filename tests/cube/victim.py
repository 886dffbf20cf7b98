"""A run of `build_cube` that dies at a stated point, as a process of its own: victim.py RECIPE TARGET POINT."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from xnee.cube import build, ledger, staging, writing


def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)


def die_at_call(function, number):
    """Let a function die when it is called for the stated time."""
    left = [number]

    def watched(*arguments, **options):
        left[0] -= 1
        return die() if left[0] < 0 else function(*arguments, **options)

    return watched


def main(recipe: str, target: str, point: str) -> None:
    if point == "coordinates":
        ledger.Partial.begin = die
    elif point == "land-cover":
        build.write_cover = die_at_call(build.write_cover, 0)
    elif point == "months":  # of the second driver
        staging.Staging.write = die_at_call(staging.Staging.write, 1)
    elif point == "tiles":  # of the second driver
        staging.Staging.read = die_at_call(staging.Staging.read, 6)
    elif point == "before-note":
        ledger.Partial.note = die_at_call(ledger.Partial.note, 2)
    elif point == "share":
        build.share_missing = die_at_call(build.share_missing, 1)
    elif point == "attributes":
        build._finish = die
    elif point == "before-name":
        os.replace = lambda a, b, rename=os.replace: die() if Path(b) == Path(target) else rename(a, b)
    elif point == "after-name":
        ledger.Partial.clear = die
    assert writing
    build.build_cube(recipe, target, progress=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
