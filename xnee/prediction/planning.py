"""What a prediction will cost, before it is begun."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter

import numpy as np
import xarray as xr
from dask.config import get as dask_setting
from dask.system import CPU_COUNT

from xnee.prediction.checks import check_cube, check_ground, check_model, check_tile
from xnee.prediction.contract import Model
from xnee.prediction.cover import Cover, CoverRule, choose_cover, with_fraction
from xnee.prediction.reading import amplification, chunk_sizes, in_memory, reads_itself

__all__ = ["Plan", "choose_tile", "plan"]

TILE = 64
"""Cells along one side of a tile, for a cube that is not stored in tiles."""
_LARGEST = 256
_TILE_BYTES = 2**29
"""A tile takes no more, if it may choose its size and all its cells are forest of two types."""
_BASE_BYTES = 450_000_000
"""Interpreter, libraries and the files that they keep open, and what is copied from the store to the file."""
_SAMPLE = 32
"""Series that are run to learn how fast this machine is."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How a map will be computed, and what that takes.

    Parameters
    ----------
    tile
        Cells along one side of a tile.
    tiles, forest_tiles
        How many there are, and how many of them have forest: the others read no driver.
    cells, forest_cells
        The same of cells.
    series
        Forest cells, each once for every type that covers it.
    months, members
        Of a series; networks in an ensemble.
    read_bytes
        Drivers of a tile, as numbers in memory.
    reads
        How often a stored value is read: above 1 where chunks and tiles do not fit each other.
    memory
        Bytes at most, with `threads` tiles in work.
    threads
        Tiles side by side.
    seconds
        Time of the model alone on these threads, from a short run here.
    """

    tile: int
    tiles: int
    forest_tiles: int
    cells: int
    forest_cells: int
    series: int
    months: int
    members: int
    read_bytes: int
    reads: float
    memory: int
    threads: int
    seconds: float

    def __str__(self) -> str:
        """Lay the plan out in lines."""
        lines = [
            f"{_count(self.tiles, 'tile')} of {self.tile} x {self.tile} cells, {self.forest_tiles:,} with forest; "
            f"time whole, {self.months} months",
            f"{self.forest_cells:,} of {self.cells:,} cells have forest: {self.series:,} series of a type, "
            f"{_count(self.members, 'network')} each",
            f"a tile reads {_size(self.read_bytes)} of drivers, each value {self.reads:.3g} times in all",
            f"with {_count(self.threads, 'tile')} in work at once: at most {_size(self.memory)} of memory; the "
            f"networks alone take {_duration(self.seconds)}, reading and writing come on top",
        ]
        if self.reads > 2:
            lines.append(
                f"The chunks of this cube do not fit: cut it into tiles first, time whole, e.g. "
                f"cube.chunk(lat={self.tile}, lon={self.tile}, time=-1).to_zarr(...)"
            )
        return "\n".join(lines)


def plan(
    cube: xr.Dataset,
    model: Model,
    *,
    tile: int | None = None,
    cover: CoverRule = "static",
    threads: int | None = None,
) -> Plan:
    """Tell what predicting a cube will take.

    The cover is read; of the drivers nothing. A few series of zeros are run to learn how fast the model is here.

    Parameters
    ----------
    cube, model, tile, cover
        As of `predict`.
    threads
        Tiles side by side; by default those of dask, else of this machine.

    Returns
    -------
    Plan
        Print it, or read its numbers.

    Raises
    ------
    TypeError, ValueError
        If `predict` would refuse it.

    Examples
    --------
    >>> from xnee.models.fitting import fit
    >>> from xnee.models.training import FitSpec
    >>> from xnee.sources.synthetic import synthetic_cube, synthetic_towers
    >>> model = fit(synthetic_towers(), ["TEMP"], lags=2, members=1, training=FitSpec(epochs=1))
    >>> planned = plan(synthetic_cube(), model, tile=16)
    >>> planned.forest_tiles <= planned.tiles
    True
    """
    check_model(model)
    check_tile(tile)
    cube = with_fraction(cube)
    check_cube(cube, model)
    chosen = choose_cover(cube, cover)
    check_ground(cube, model, chosen)
    drivers = {name: cube[name] for name in model.window.drivers}
    side = choose_tile(drivers, chosen, tile, members=model.members)
    by_type = (chosen.maps > 0).any("year")
    covered = by_type.sum("pft")
    trimmed = {dim: slice(None) for dim in chosen.space}
    forest = (covered > 0).isel(trimmed).compute().transpose(*chosen.space).to_numpy()
    blocks = _count_in_tiles(forest, side)
    return _estimate(drivers, model, chosen, side, blocks, int(covered.sum()), threads or _dask_threads())


def _count_in_tiles(forest: np.ndarray, side: int) -> np.ndarray:
    """Count forest cells tile by tile."""
    counts = forest.astype("i8")
    for axis in range(forest.ndim):
        counts = np.add.reduceat(counts, np.arange(0, forest.shape[axis], side), axis=axis)
    return counts


def _estimate(
    drivers: Mapping[str, xr.DataArray],
    model: Model,
    cover: Cover,
    side: int,
    blocks: np.ndarray,
    series: int,
    threads: int,
) -> Plan:
    months, members = cover.month.size, model.members
    cells = int(np.prod([cover.maps.sizes[dim] for dim in cover.space]))
    tile = int(np.prod([min(side, cover.maps.sizes[dim]) for dim in cover.space]))
    most = int(blocks.max(initial=0))
    share = series / max(int(blocks.sum()), 1)  # types of a cell
    lazy = [array for array in drivers.values() if not in_memory(array)]
    space = cover.space
    return Plan(
        tile=side,
        tiles=blocks.size,
        forest_tiles=int((blocks > 0).sum()),
        cells=cells,
        forest_cells=int(blocks.sum()),
        series=series,
        months=months,
        members=members,
        read_bytes=tile * sum(a.dtype.itemsize * (months if "time" in a.dims else 1) for a in drivers.values()),
        reads=max((amplification(array, side, space) for array in lazy), default=1.0),
        memory=_BASE_BYTES + threads * _tile_bytes(tile, most, len(drivers), members, cover, share),
        threads=threads,
        seconds=_seconds_a_series(model, cover.pfts[0], months) * series / threads,
    )


def _seconds_a_series(model: Model, pft: str, months: int) -> float:
    """Run a few series of zeros, the second time with everything warm."""
    x = np.zeros((_SAMPLE, months, len(model.window.drivers)), dtype="f4")
    for _ in range(2):
        start = perf_counter()
        model.predict_series(pft, x)
        seconds = perf_counter() - start
    return seconds / _SAMPLE


def choose_tile(drivers: Mapping[str, xr.DataArray], cover: Cover, tile: int | None, *, members: int) -> int:
    """Choose the side of a tile: that which is asked for, else whole chunks of the drivers, or parts of one.

    Parameters
    ----------
    drivers
        Of the model, by name.
    cover
        Of the same cells.
    tile
        What was asked for, or None.
    members
        Networks in an ensemble.

    Returns
    -------
    int
        Cells: 64 or a little more, less where the months are so many that a tile would take more than half a GiB.
    """
    if tile is not None:
        return tile
    lazy = {name: array for name, array in drivers.items() if not in_memory(array)}
    largest = max((chunk_sizes(array)[dim][0] for array in lazy.values() for dim in cover.space), default=TILE)
    whole = largest * max(1, TILE // largest)
    side = whole if whole <= _LARGEST and lazy and reads_itself(lazy, whole, cover.space) else TILE
    while side > 1 and side % 2 == 0 and _tile_bytes(side**2, side**2, len(drivers), members, cover) > _TILE_BYTES:
        side //= 2
    return side


def _tile_bytes(cells: int, forest: int, drivers: int, members: int, cover: Cover, types: float = 2) -> int:
    """Memory of a tile: its forest cells' drivers, as read and handed on; members by type and mixed; maps, twice."""
    gathered = forest * 4 * (2 * drivers + members * (types + 3))
    dense = cells * (8 + 2 * 4 * (2 + members * len(cover.pfts)))
    return int(cover.month.size * (gathered + dense))


def _dask_threads() -> int:
    """Count the tiles that dask computes at once: threads of a cluster, else of this machine."""
    from distributed import get_client

    try:
        return sum(get_client().ncores().values()) or 1  # type: ignore[no-untyped-call]
    except ValueError:  # no cluster
        return int(dask_setting("num_workers", None) or CPU_COUNT)


def _size(count: float) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _duration(seconds: float) -> str:
    if seconds < 1:
        return "less than a second"
    if seconds < 120:
        return f"about {seconds:.0f} s"
    return f"about {seconds / 60:.0f} min" if seconds < 7200 else f"about {seconds / 3600:.1f} h"
