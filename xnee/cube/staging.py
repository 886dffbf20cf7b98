"""A file between months and tiles: fields come month by month, stores hold tile by tile with all months of each."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

__all__ = ["Staging"]

Region = dict[str, slice]
_BYTES = 4  # float32


@dataclass(frozen=True, kw_only=True)
class Staging:
    """Months of one plane, laid out tile after tile in a file that takes as many bytes as the plane has.

    Parameters
    ----------
    path
        The file.
    months
        How many there will be.
    tiles
        Regions of the grid (see `xnee.grid.tiles`).
    """

    path: Path
    months: int
    tiles: Sequence[Region]

    def write(self, months: slice, values: NDArray[np.float32]) -> None:
        """Put some months into their places.

        Parameters
        ----------
        months
            Which, by number.
        values
            ``(time, lat, lon)`` on the whole grid.
        """
        handle = os.open(self.path, os.O_WRONLY | os.O_CREAT)
        try:
            for tile, start, cells in zip(self.tiles, self._starts, self._cells, strict=True):
                block = values[:, tile["lat"], tile["lon"]].astype("f4")
                os.pwrite(handle, block.tobytes(), (start * self.months + months.start * cells) * _BYTES)
        finally:
            os.close(handle)

    def read(self, number: int) -> NDArray[np.float32]:
        """Give all months of one tile.

        Parameters
        ----------
        number
            Which tile, in the order of `tiles`.

        Returns
        -------
        numpy.ndarray
            ``(time, lat, lon)``.
        """
        tile = self.tiles[number]
        shape = (self.months, *(tile[axis].stop - tile[axis].start for axis in ("lat", "lon")))
        start = self._starts[number] * self.months * _BYTES
        return np.fromfile(self.path, "f4", int(np.prod(shape)), offset=start).reshape(shape)

    @cached_property
    def _cells(self) -> list[int]:
        """Cells of each tile."""
        return [int(np.prod([tile[axis].stop - tile[axis].start for axis in ("lat", "lon")])) for tile in self.tiles]

    @cached_property
    def _starts(self) -> list[int]:
        """Cells before each tile."""
        return [0, *accumulate(self._cells)][:-1]
