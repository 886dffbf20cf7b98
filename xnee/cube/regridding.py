"""A lazy field onto the target grid, block by block, within a stated memory."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import dask
import dask.array as da
import numpy as np
import xarray as xr
from dask.base import compute
from dask.system import CPU_COUNT
from numpy.typing import NDArray

from xnee.grid import Grid, aggregate, bounds

__all__ = ["Plan", "matching", "plan", "slabs", "window"]

_log = logging.getLogger(__name__)

SAME = 0.01
"""Share of a cell by which centres may differ for two grids to be one. Further apart, values are averaged anew."""

MEMORY = 2**30
"""Bytes for all blocks in work. With Python, its libraries and the store, a build stays below 2 GiB."""

_TASK = 64 * 2**20  # bytes of a block while it is averaged
_SLAB = 64 * 2**20  # bytes of the months that are handed on at once
_LOADED = 64  # bytes in work for a value of a chunk of the source: a month of 8-day maps is made of five, decoded
_STEPS = 6  # steps of the source that one month may be made of
_COPIES = 6  # float64 copies of a block that averaging holds at most


def window(field: xr.DataArray, grid: Grid) -> xr.DataArray:
    """Cut a field to the cells that meet a grid, and one or two more on each side.

    Parameters
    ----------
    field
        ``(..., lat, lon)``, cell centres in degrees; latitudes either way, longitudes from -180 or from 0.
    grid
        The target.

    Returns
    -------
    xarray.DataArray
        The same values, with longitudes that ascend from the west edge of the grid on. Lazy when the field is.

    Raises
    ------
    ValueError
        If none of its cells meets the grid, or its centres are out of order.

    Examples
    --------
    >>> centres = {"lat": np.arange(-89.5, 90), "lon": np.arange(0.5, 360)}
    >>> field = xr.DataArray(np.ones((180, 360)), centres, ("lat", "lon"))
    >>> window(field, Grid(west=-10, east=10, south=0, north=5, step=1))["lon"].values[[0, -1]].tolist()
    [-11.5, 10.5]
    """
    cut = _cut(field, grid)
    if cut is None:
        north, east = (f"{field[axis].min():g}..{field[axis].max():g}" for axis in ("lat", "lon"))
        msg = (
            f"it lies outside the grid: its cells are centred on {north} north, {east} east, the grid reaches "
            f"{grid.south:g}..{grid.north:g} north, {grid.west:g}..{grid.east:g} east."
        )
        raise ValueError(msg)
    return cut


def _cut(field: xr.DataArray, grid: Grid) -> xr.DataArray | None:
    """Cut a field to a grid; None if none of its cells meets it."""
    lat, lon = (field[axis].to_numpy().astype("f8") for axis in ("lat", "lon"))
    height, width = (float(np.abs(np.diff(bounds(axis), axis=1)).max()) for axis in (lat, lon))
    start = grid.west - 1.5 * width
    turned = start + (lon - start) % 360
    meets = (lat > grid.south - height / 2) & (lat < grid.north + height / 2)
    if not meets.any() or not ((turned > grid.west - width / 2) & (turned < grid.east + width / 2)).any():
        return None
    # 1.5 cells from the edge: where one cell meets the grid, its neighbour comes too and tells its size.
    rows = np.flatnonzero((lat > grid.south - 1.5 * height) & (lat < grid.north + 1.5 * height))
    columns = np.argsort(turned, kind="stable")
    columns = columns[turned[columns] < grid.east + 1.5 * width]
    return field.isel(lat=_run(rows), lon=_run(columns)).assign_coords(lon=turned[columns])


def _run(index: NDArray[np.intp]) -> NDArray[np.intp] | slice:
    """Give an index as a slice where it is one: dask then reads no more than that."""
    return slice(int(index[0]), int(index[-1]) + 1) if (np.diff(index) == 1).all() else index


def matching(field: xr.DataArray, grid: Grid) -> dict[str, NDArray[np.intp]] | None:
    """Find the cells of a field that are those of a grid.

    Parameters
    ----------
    field
        ``(..., lat, lon)``, ascending longitudes (see `window`).
    grid
        The target.

    Returns
    -------
    dict or None
        Index of each cell along ``lat`` and ``lon``. None unless all centres of the grid are centres of the field,
        side by side, to within `SAME` of a cell.

    Examples
    --------
    >>> grid = Grid(west=10, east=12, south=0, north=2, step=1)
    >>> field = xr.DataArray(np.ones((3, 3)), {"lat": [2.5, 1.5, 0.5], "lon": [9.5, 10.5, 11.5]}, ("lat", "lon"))
    >>> matching(field, grid)["lat"].tolist(), matching(field.assign_coords(lat=[2.48, 1.48, 0.48]), grid)
    ([2, 1], None)
    """
    found = {}
    for axis, centres in (("lat", grid.lat), ("lon", grid.lon)):
        own = field[axis].to_numpy()
        order = np.argsort(own)
        after = np.clip(np.searchsorted(own[order], centres - SAME * grid.step), 0, own.size - 1)
        found[axis] = order[after]
        if np.abs(own[found[axis]] - centres).max() > SAME * grid.step or (np.abs(np.diff(found[axis])) != 1).any():
            return None
    return found


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How a field is cut so that it fits into memory.

    Parameters
    ----------
    workers
        Blocks at once.
    slabs
        Months that are computed and handed on together.
    months
        Months in a block.
    rows
        Rows of the target in a block.
    """

    workers: int
    slabs: tuple[slice, ...]
    months: int
    rows: int


def plan(field: xr.DataArray, grid: Grid, *, chunk: int, memory: int = MEMORY) -> Plan:
    """Choose blocks from the chunks that a field is read in.

    Parameters
    ----------
    field
        ``(time, lat, lon)``, lazy, cut to the grid.
    grid
        The target.
    chunk
        Values in the largest chunk that is read.
    memory
        Bytes for all blocks in work.

    Returns
    -------
    Plan
        As many workers as the scheduler has and as fit; one at least.

    Examples
    --------
    >>> maps = da.zeros((24, 3600, 7200), chunks=(1, 3600, 7200), dtype="f4")
    >>> globe = xr.DataArray(maps, dims=("time", "lat", "lon"))
    >>> coarse = Grid(west=-180, east=180, south=-90, north=90, step=0.5)
    >>> cut = plan(globe, coarse, chunk=3600 * 7200)
    >>> cut.workers, cut.months, cut.rows, len(cut.slabs)
    (1, 1, 19, 24)
    """
    sizes = field.chunksizes["time"]
    month = _COPIES * 8 * field.sizes["lat"] * field.sizes["lon"]
    months = int(np.clip(_TASK // month, 1, max(sizes)))
    rows = int(np.clip(grid.lat.size * _TASK // (month * months), 1, grid.lat.size))
    workers = int(np.clip(memory // (_LOADED * chunk + _TASK), 1, _threads()))
    held = 4 * _STEPS * field.sizes["lat"] * field.sizes["lon"]  # dask reads ahead: all that a slab needs may be there
    limit = max(1, min(_SLAB // (4 * grid.lat.size * grid.lon.size), memory // 2 // held))
    ends, length = [0], 0
    for size in sizes:  # whole chunks, so that none is read twice
        if length and length + size > limit:
            ends.append(ends[-1] + length)
            length = 0
        length += size
    ends.append(ends[-1] + length)
    slabs = tuple(slice(first, last) for first, last in pairwise(ends))
    return Plan(workers=workers, slabs=slabs, months=months, rows=rows)


def _threads() -> int:
    return int(dask.config.get("num_workers", None) or CPU_COUNT)  # of the job, not of the node


def slabs(
    field: xr.DataArray, grid: Grid, *, coverage: float, chunk: int, memory: int = MEMORY
) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """Bring a field onto a grid, some months at a time.

    On the grid already, to within `SAME` of a cell, values are taken as they are; else each cell is the mean by area
    (see `xnee.grid.aggregate`). Runs on the active dask scheduler.

    Parameters
    ----------
    field
        ``(time, lat, lon)``, lazy, cut to the grid.
    grid
        The target.
    coverage
        Share of a cell that must have values.
    chunk
        Values in the largest chunk that is read.
    memory
        Bytes for all blocks in work. With a distributed client its workers have limits of their own.

    Yields
    ------
    tuple
        The months, as a slice, and their values ``(time, lat, lon)``, float32, in memory.
    """
    cut = plan(field, grid, chunk=chunk, memory=memory)
    if _LOADED * chunk > 2 * memory:
        _log.warning("chunks of %.2g values are read at once; memory may go beyond 2 GiB", chunk)
    for months in cut.slabs:
        lazy = _onto(field.isel(time=months), grid, coverage=coverage, cut=cut)
        with dask.config.set(num_workers=cut.workers):
            (values,) = compute(lazy)  # type: ignore[no-untyped-call]
        yield months, values


def _onto(field: xr.DataArray, grid: Grid, *, coverage: float, cut: Plan) -> da.Array:
    """Bring some months onto the grid, lazily: ``(time, lat, lon)``."""
    same = matching(field, grid)
    if same is not None:
        index: dict[Any, Any] = {axis: _run(place) for axis, place in same.items()}
        values: da.Array = field.isel(index).data.astype("f4")
        return values
    bands = [_averaged(field, band, coverage=coverage, months=cut.months) for band in _bands(grid, cut.rows)]
    result: da.Array = da.concatenate(bands, axis=1)  # type: ignore[no-untyped-call]
    return result


def _bands(grid: Grid, rows: int) -> Iterator[Grid]:
    """Cut a grid into bands of rows."""
    edges = grid.lat_edges
    for first in range(0, grid.lat.size, rows):
        south, north = (float(edges[i]) for i in (first, min(first + rows, grid.lat.size)))
        yield Grid(west=grid.west, east=grid.east, south=south, north=north, step=grid.step)


def _averaged(field: xr.DataArray, grid: Grid, *, coverage: float, months: int) -> da.Array:
    """Average by area, lazily, one block for some months; missing where the field does not reach."""
    part = _cut(field, grid)
    if part is None:
        shape = (field.sizes["time"], grid.lat.size, grid.lon.size)
        nothing: da.Array = da.full(shape, np.nan, dtype="f4")  # type: ignore[no-untyped-call]
        return nothing
    data = part.data.rechunk({0: months, 1: -1, 2: -1})
    centres = {axis: part[axis].to_numpy() for axis in ("lat", "lon")}

    def on_block(values: NDArray[Any]) -> NDArray[np.float32]:
        block = xr.DataArray(values, coords=centres, dims=("time", "lat", "lon"))
        return aggregate(block, grid, coverage=coverage).to_numpy().astype("f4")

    chunks = (data.chunks[0], (grid.lat.size,), (grid.lon.size,))
    meta = np.empty((0, 0, 0), "f4")
    averaged: da.Array = da.map_blocks(on_block, data, dtype="f4", chunks=chunks, meta=meta)  # type: ignore[no-untyped-call]
    return averaged
