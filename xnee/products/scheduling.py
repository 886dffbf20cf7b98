"""Tiles in work side by side, on the threads of this machine or on a cluster: whichever scheduler of dask is active."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager
from contextvars import copy_context
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import xarray as xr
from dask.base import compute, get_scheduler
from dask.config import get as dask_setting
from dask.local import get_sync
from dask.multiprocessing import get as get_processes
from dask.system import CPU_COUNT
from dask.threaded import get as get_threads

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["Parts", "Region", "Steps", "make_each", "threads"]

Region = dict[str, slice]
Parts = tuple[xr.Dataset, xr.Dataset | None]
"""Of a tile: its maps, and its carbon states if there are any."""

_EACH = 4
"""Tiles that a cluster is given at a time for each of its threads: only the last of them may find the others idle."""


@dataclass(frozen=True)
class Steps:
    """How a tile is made.

    Parameters
    ----------
    work
        Gives the lazy parts of tiles; called with these and with options for ``dask.compute``.
    keep
        Takes a tile and its parts in memory. On this machine several threads call it at once, each for its own tile.
    told
        What work on tiles is done within: it says of a failure where it was.
    """

    work: Callable[[Sequence[Region], Mapping[str, int]], list[Parts]]
    keep: Callable[[Region, Parts], None]
    told: Callable[[Sequence[Region]], AbstractContextManager[None]]


def threads() -> int:
    """Count what the active scheduler computes at once.

    Returns
    -------
    int
        Threads of a cluster as it is now, else of this machine as dask is set; 1 where it is synchronous.

    Examples
    --------
    >>> import dask
    >>> with dask.config.set(scheduler="threads", num_workers=3):
    ...     threads()
    3
    """
    client = _cluster()
    if client is not None:
        return sum(client.ncores().values()) or 1  # type: ignore[no-untyped-call]
    if get_scheduler() is get_sync:  # type: ignore[no-untyped-call]
        return 1
    return int(dask_setting("num_workers", None) or CPU_COUNT)


def _cluster() -> Client | None:
    """Give the client of the cluster that dask computes on, if it is one."""
    owner = getattr(get_scheduler(), "__self__", None)  # type: ignore[no-untyped-call]
    return owner if hasattr(owner, "ncores") else None


def make_each(places: Sequence[Region], steps: Steps) -> Iterator[None]:
    """Make tiles, as many at once as the active scheduler computes.

    Each is kept as soon as it is there, and the next is begun. Should one fail, no other is begun; on this machine
    those in work are finished and kept.

    Parameters
    ----------
    places
        The tiles.
    steps
        What is done with each.

    Yields
    ------
    None
        Whenever one is finished.
    """
    client = _cluster()
    yield from _on_threads(places, steps) if client is None else _on_cluster(client, places, steps)


def _on_threads(places: Sequence[Region], steps: Steps) -> Iterator[None]:
    """Let each thread compute a tile, keep it, and go on to the next."""
    few = min(threads(), len(places))
    # these threads are the workers: dask gets more of its own only where there are fewer tiles
    own = few and get_scheduler() in (None, get_threads, get_processes)  # type: ignore[no-untyped-call]
    options = {"num_workers": threads() // few} if own else {}

    def make(place: Region) -> None:
        with steps.told([place]):
            (work,) = steps.work([place], options)
            tile, states = compute(*work, **options)  # type: ignore[no-untyped-call]
        steps.keep(place, (tile, states))

    if few < 2:
        for place in places:
            make(place)
            yield
        return
    with ThreadPoolExecutor(few, "xnee-tile") as pool:
        # in the context of the caller, where xarray keeps what is set
        ends = [pool.submit(copy_context().run, make, place) for place in places]
        try:
            for end in as_completed(ends):
                end.result()
                yield
        finally:
            pool.shutdown(cancel_futures=True)


def _on_cluster(client: Client, places: Sequence[Region], steps: Steps) -> Iterator[None]:
    """Give a cluster some tiles for each of its threads, and keep each as soon as it is there; then the next.

    Those are one graph. Graphs of single tiles beside each other would share names of tasks that dask has fused in
    another way in each, and its scheduler fails or waits for ever (dask#9888).
    """
    waiting = deque(places)
    while waiting:
        # asked each time: workers come and go
        some = [waiting.popleft() for _ in range(min(len(waiting), _EACH * threads()))]
        with steps.told(some):
            work = steps.work(some, {})
        flat = client.compute([part for pair in work for part in pair])  # type: ignore[no-untyped-call]
        pairs = list(zip(flat[::2], flat[1::2], strict=True))
        try:
            for number in _as_they_come([tile for tile, _ in pairs]):
                with steps.told([some[number]]):
                    parts = client.gather(pairs[number])  # type: ignore[no-untyped-call]
                _release(pairs[number])
                steps.keep(some[number], parts)
                yield
        finally:
            # nothing may stay on the cluster: what it has under a name it takes for whatever has that name next
            _release(flat)


def _as_they_come(tiles: Sequence[Any]) -> Iterator[int]:
    """Give the numbers of tiles: first of those that were in memory and are no futures, then of each that is there."""
    from distributed import Future, as_completed

    futures = {tile: number for number, tile in enumerate(tiles) if isinstance(tile, Future)}
    yield from (number for number, tile in enumerate(tiles) if not isinstance(tile, Future))
    for future in as_completed(list(futures)):  # type: ignore[no-untyped-call]
        yield futures[future]


def _release(parts: Sequence[Any]) -> None:
    """Let a cluster forget futures, once or again."""
    from distributed import Future

    for part in parts:
        if isinstance(part, Future):
            part.release()  # type: ignore[no-untyped-call]
