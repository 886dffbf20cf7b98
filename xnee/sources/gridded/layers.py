"""One variable of one file: its labels are read, its values stay in the file until a tile is wanted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import dask.array as da
import numpy as np
from dask.base import tokenize
from numpy.typing import NDArray

__all__ = ["Layer", "Reader", "Run", "Stamps", "as_dask", "read_part"]

Reader: TypeAlias = Callable[[slice, slice, slice], NDArray[Any]]
"""Gives the stored values ``(time, lat, lon)`` of three slices with step 1, in the order of the file."""

Run: TypeAlias = tuple[int, int, int]
"""First index, number and direction (1 or -1) of labels that lie side by side in the file."""

_CELLS = 2**23
"""Values in one block of dask: 32 MB as float32, some 150 MB while it is decoded."""


@dataclass(frozen=True, kw_only=True)
class Stamps:
    """A time axis as it stands in a file.

    Parameters
    ----------
    name, units, calendar
        The coordinate and its attributes.
    values
        One number a step.
    bounds
        ``(step, 2)`` in the same units, where the file has them.
    climatology
        Whether the file says that its steps are means over years.
    monthly
        Whether the file says that its steps are months.
    lost_bounds
        Whether the file names the bounds of its steps but does not hold them.
    """

    name: str
    values: NDArray[Any]
    units: str | None = None
    calendar: str = "standard"
    bounds: NDArray[Any] | None = None
    climatology: bool = False
    monthly: bool = False
    lost_bounds: bool = False


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One variable of one file.

    Parameters
    ----------
    label
        What to call it in messages: file and variable.
    file
        Name of the file, without its folders: dates and products are read from it.
    variable
        Its name, empty for a band of a raster.
    attrs
        Its attributes, as they came.
    lat, lon
        Labels of rows and columns in the order of the file, degrees.
    stamps
        Its time axis, ``None`` where it has none.
    steps
        Number of steps: times of a variable, bands of a raster.
    dtype
        Stored type.
    chunk
        Steps, rows and columns that the file stores together.
    read
        Gives stored values.
    identity
        What distinguishes it from any other: path, size and time of change of the file among others.
    """

    label: str
    file: str
    variable: str
    lat: NDArray[np.float64]
    lon: NDArray[np.float64]
    steps: int
    dtype: np.dtype[Any]
    chunk: tuple[int, int, int]
    read: Reader
    identity: tuple[Any, ...]
    attrs: Mapping[str, Any] = field(default_factory=dict)
    stamps: Stamps | None = None


@dataclass(frozen=True)
class _Part:
    """A rectangle of a layer, as dask slices it: rows and columns ascend, whichever way the file has them."""

    read: Reader
    dtype: np.dtype[Any]
    steps: int
    rows: Run
    columns: Run
    ndim: int = 3

    @property
    def shape(self) -> tuple[int, int, int]:
        """Steps, rows and columns."""
        return self.steps, self.rows[1], self.columns[1]

    def __getitem__(self, key: tuple[slice, slice, slice]) -> NDArray[Any]:
        """Read the stored values of three slices with step 1."""
        time, y, x = (slice(*k.indices(n)) for k, n in zip(key, self.shape, strict=True))
        values = self.read(time, _in_file(y, self.rows), _in_file(x, self.columns))
        return values[:, :: self.rows[2], :: self.columns[2]]


def _in_file(wanted: slice, run: Run) -> slice:
    """Turn a slice of a run into the slice of the file that holds it, ascending in the file."""
    first, _, direction = run
    if direction == 1:
        return slice(first + wanted.start, first + wanted.stop)
    return slice(first - wanted.stop + 1, first - wanted.start + 1)


def _blocks(layer: Layer, rows: int, columns: int) -> tuple[int, int, int]:
    """Choose how much of a layer is read at once: whole chunks of the file, columns whole, rows only if they must."""
    steps, height, _ = layer.chunk
    if rows * columns * steps <= _CELLS:
        many = max(1, _CELLS // max(1, rows * columns * steps))
        return min(layer.steps, steps * many), rows, columns
    high = max(1, _CELLS // max(1, steps * columns * height)) * height
    return min(layer.steps, steps), min(rows, high), columns


def as_dask(layer: Layer, rows: tuple[Run, ...], columns: tuple[Run, ...]) -> da.Array:
    """Make a lazy array of the stored values of a layer.

    Parameters
    ----------
    layer
        What is read.
    rows, columns
        The runs of labels that make the axes, both ascending.

    Returns
    -------
    dask.array.Array
        ``(time, lat, lon)`` of the stored type. A block reads only what is asked of it.
    """
    grid = []
    for across in columns:
        strips = []
        for along in rows:
            part = _Part(layer.read, layer.dtype, layer.steps, along, across)
            name = "grid-" + tokenize(layer.identity, along, across)
            meta = np.empty((0, 0, 0), layer.dtype)
            chunks = _blocks(layer, along[1], across[1])
            lazy = da.from_array(part, chunks=chunks, name=name, asarray=False, meta=meta)  # type: ignore[no-untyped-call]
            strips.append(lazy)
        grid.append(_joined(strips, axis=1))
    return _joined(grid, axis=2)


def _joined(parts: list[da.Array], axis: int) -> da.Array:
    """Put arrays side by side."""
    if len(parts) == 1:
        return parts[0]
    whole: da.Array = da.concatenate(parts, axis=axis)  # type: ignore[no-untyped-call]
    return whole


def read_part(layer: Layer, step: int, row: slice, rows: tuple[Run, ...], columns: tuple[Run, ...]) -> NDArray[Any]:
    """Read some rows of one step at once, without dask.

    Parameters
    ----------
    layer
        What is read.
    step
        Which step.
    row
        Rows of the first run of `rows`.
    rows, columns
        As for `as_dask`.

    Returns
    -------
    numpy.ndarray
        ``(1, row, lon)`` of the stored type.
    """
    every = (_Part(layer.read, layer.dtype, layer.steps, rows[0], across) for across in columns)
    return np.concatenate([part[slice(step, step + 1), row, slice(None)] for part in every], axis=2)
