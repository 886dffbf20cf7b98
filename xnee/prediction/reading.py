"""Reading the drivers of a tile: one after the other, and only when the tile has forest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
import xarray as xr
from numpy.typing import NDArray

__all__ = ["Reader", "amplification", "chunk_sizes", "in_memory", "reads_itself"]

_ONCE, _AGAIN = 1.5, 16.0
"""How often a chunk may be read, on the mean, for tiles to read by themselves; the second where it has all months."""


@dataclass(frozen=True)
class Reader:
    """Lazy drivers of a cube, read tile by tile from inside the task of the tile.

    Not a dask input of that task: dask would read all drivers of all tiles first, forest or not.

    Parameters
    ----------
    arrays
        ``(time, lat, lon)`` or ``(lat, lon)`` by name; not in memory.
    """

    arrays: Mapping[str, xr.DataArray]

    def read(self, name: str, place: Mapping[str, slice]) -> NDArray[np.floating]:
        """Read a driver of a tile.

        Parameters
        ----------
        name
            Which.
        place
            The tile.

        Returns
        -------
        numpy.ndarray
            ``(time, lat, lon)`` or ``(lat, lon)`` of the tile.
        """
        part = self.arrays[name].isel(dict(place))
        if part.chunks is None:
            return part.to_numpy()
        # inside a task already: another scheduler would start threads of threads
        values: NDArray[np.floating] = part.data.compute(scheduler="synchronous")
        return values


def in_memory(array: xr.DataArray) -> bool:
    """Tell whether an array is in memory.

    Parameters
    ----------
    array
        Any; nothing is read.

    Returns
    -------
    bool
        False for dask arrays and for files that were opened and not read.
    """
    return isinstance(array.variable._data, np.ndarray)


def chunk_sizes(array: xr.DataArray) -> dict[str, tuple[int, ...]]:
    """Give the pieces in which an array can be read.

    Parameters
    ----------
    array
        A dask array or a file that was opened.

    Returns
    -------
    dict
        Sizes by dimension; a dimension that is stored in one piece, or of which nothing is known, is one.
    """
    if array.chunks is not None:
        return {str(dim): sizes for dim, sizes in array.chunksizes.items()}
    stored = array.encoding.get("preferred_chunks", {})
    result = {}
    for dim, size in array.sizes.items():
        step = int(stored.get(dim, size))
        result[str(dim)] = (*(step,) * (size // step), *((size % step,) if size % step else ()))
    return result


def amplification(array: xr.DataArray, tile: int, space: Sequence[str]) -> float:
    """Tell how often each stored value is read when tiles are read one by one.

    Parameters
    ----------
    array
        Dask array or opened file.
    tile
        Cells along one side of a tile.
    space
        Dimensions that are cut into tiles.

    Returns
    -------
    float
        1 where no chunk lies in two tiles.

    Examples
    --------
    >>> cube = xr.DataArray(np.zeros((4, 4)), dims=("lat", "lon")).chunk(lat=4, lon=1)
    >>> amplification(cube, 2, ("lat", "lon"))
    2.0
    """
    sizes = chunk_sizes(array)
    return prod(_along(sizes[dim], tile) for dim in space)


def _along(chunks: Sequence[int], tile: int) -> float:
    """How often the cells of one axis are read: a chunk is read by each tile that it reaches into."""
    ends = np.cumsum(chunks)
    starts = ends - np.array(chunks)
    touched = (ends - 1) // tile - starts // tile + 1
    return float((touched * chunks).sum() / ends[-1])


def reads_itself(arrays: Mapping[str, xr.DataArray], tile: int, space: Sequence[str]) -> bool:
    """Tell whether tiles should read their drivers themselves.

    Parameters
    ----------
    arrays
        Drivers.
    tile
        Cells along one side of a tile.
    space
        Dimensions that are cut.

    Returns
    -------
    bool
        False where drivers are in memory already, here or on a cluster, and where chunks fit tiles so badly (a map of
        each month) that dask should read each once and hand its parts out.
    """
    if any(in_memory(array) or _is_on_cluster(array) for array in arrays.values()):
        return False
    return all(
        amplification(array, tile, space) <= (_AGAIN if len(chunk_sizes(array).get("time", (0,))) == 1 else _ONCE)
        for array in arrays.values()
    )


def _is_on_cluster(array: xr.DataArray) -> bool:
    """Tell whether the chunks of an array are futures of a cluster, which no task can compute."""
    layers = getattr(array.__dask_graph__(), "layers", {})  # type: ignore[no-untyped-call]
    firsts = (next(iter(layer.mapping.values()), None) for layer in layers.values() if hasattr(layer, "mapping"))
    return any("Future" in (type(first).__name__, type(getattr(first, "value", None)).__name__) for first in firsts)
