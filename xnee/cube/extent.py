"""The least and the largest value of variables, lazy or not."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Literal

import numpy as np
import xarray as xr

__all__ = ["Extent", "Values", "extents", "tiles_to_see"]

Values = Literal["sample", "all", "none"]

_TILES = 4


@dataclass(frozen=True, kw_only=True)
class Extent:
    """How far the values of a variable reach.

    Parameters
    ----------
    low, high
        Least and largest value; low is above high where there is none.
    gaps
        Whether one is missing.
    numbers
        Whether it holds numbers at all.
    part
        What was looked at, in words: empty for all of it.
    """

    low: float = np.inf
    high: float = -np.inf
    gaps: bool = False
    numbers: bool = True
    part: str = ""


def extents(ds: xr.Dataset, *, values: Values) -> dict[str, Extent]:
    """Find how far variables reach.

    Parameters
    ----------
    ds
        Any variables.
    values
        What is computed of those that are lazy: ``"all"``, ``"none"``, or ``"sample"``, at most four tiles with all
        months.

    Returns
    -------
    dict
        By name. Variables that are lazy are left out for ``"none"``.

    Examples
    --------
    >>> extent = extents(xr.Dataset({"TEMP": ("time", [1.0, np.nan, 3.0])}), values="all")["TEMP"]
    >>> extent.low, extent.high, extent.gaps
    (1.0, 3.0, True)
    """
    found: dict[str, Extent] = {}
    states: dict[str, xr.DataArray] = {}
    parts: dict[str, str] = {}
    for name, variable in ds.data_vars.items():
        if variable.dtype.kind not in "fiub":
            found[str(name)] = Extent(numbers=False)
        elif variable.size and not (variable.chunks and values == "none"):
            pieces = tiles_to_see(variable) if variable.chunks and values == "sample" else [variable]
            for i, piece in enumerate(pieces):
                states[f"{name} {i}"] = _state(piece)
            parts[str(name)] = f" in the {len(pieces)} tiles looked at" if len(pieces) < _count(variable) else ""
    computed = xr.Dataset(states).compute()  # all at once: variables may share their chunks
    for name, part in parts.items():
        state = np.stack([values.to_numpy() for key, values in computed.items() if str(key).rpartition(" ")[0] == name])
        found[name] = Extent(
            low=float(state[:, 0].min()), high=float(state[:, 1].max()), gaps=bool(state[:, 2].max()), part=part
        )
    return {str(name): found[str(name)] for name in ds.data_vars if str(name) in found}


def _state(piece: xr.DataArray) -> xr.DataArray:
    """Give least value, largest value and whether one is missing: ``(state)``."""
    plain = piece.drop_vars(list(piece.coords)).astype("f8")
    low, high, gaps = plain.fillna(np.inf).min(), plain.fillna(-np.inf).max(), plain.isnull().any()
    return xr.concat([low, high, gaps.astype("f8")], dim="state")


def _count(variable: xr.DataArray) -> int:
    """Count the tiles of a lazy variable."""
    sizes = [len(chunks) for dim, chunks in variable.chunksizes.items() if dim in ("lat", "lon")]
    return int(np.prod(sizes, dtype="i8")) if variable.chunks else 1


def tiles_to_see(variable: xr.DataArray) -> list[xr.DataArray]:
    """Take a few tiles, spread over the map.

    Parameters
    ----------
    variable
        Lazy, with the dimensions ``lat`` and ``lon``.

    Returns
    -------
    list of xarray.DataArray
        At most four, with all other dimensions whole.
    """
    spans: dict[Hashable, list[slice]] = {}
    for dim, sizes in variable.chunksizes.items():
        if dim in ("lat", "lon"):
            ends = np.cumsum([0, *sizes]).tolist()
            spans[dim] = [slice(first, last) for first, last in pairwise(ends)]
    every = list(product(*spans.values()))
    chosen = np.unique(np.linspace(0, len(every) - 1, _TILES).round().astype("i8"))
    return [variable.isel(dict(zip(spans, every[i], strict=True))) for i in chosen.tolist()]
