"""The sums of one tile: flux times ground of its cells, from maps of members or from the tiles of a prediction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import dask.array as da
import numpy as np
import xarray as xr
from numpy.typing import NDArray

__all__ = ["add_up", "lazily", "tiles_behind"]

TERAGRAM = 1e-12  # Tg for one g

States = dict[str, NDArray[Any]]
Series = Callable[[int, NDArray[np.intp]], NDArray[np.floating]]
"""Gives ``(member, time, cell)`` of a type and of cells, by their places in the tile."""


class Cells(Protocol):
    """What is asked of a tile of a prediction, see `xnee.prediction.tiles.Tile`: it has fluxes of its forest only.

    ``flux`` holds for each type, by its place, the cells that it covers, by their places among those with forest, and
    ``(member, cell, time)``.
    """

    forest: NDArray[np.bool_]
    months: int
    members: int
    flux: Mapping[int, tuple[NDArray[np.intp], NDArray[np.float32]]]


def add_up(
    flux: NDArray[Any],
    nee: NDArray[np.floating],
    fraction: NDArray[np.floating],
    area: NDArray[np.floating],
    *,
    share: NDArray[np.float64],
    first: NDArray[np.intp],
    whole: NDArray[np.bool_],
) -> States:
    """Add up carbon and area over the cells of a tile.

    Parameters
    ----------
    flux
        ``(member, pft, time, y, x)``, or objects like `Cells`, ``(row, column)``, which lie side by side.
    nee, fraction, area
        ``(time, y, x)``, ``(pft, y, x)`` and ``(y, x)``.
    share
        ``(region, y, x)``.
    first
        ``(year,)``, place of its first month.
    whole
        ``(year,)``, whether it has twelve.

    Returns
    -------
    dict
        ``total (region, member, pft, time)`` and the rest of `xnee.products.totals.carbon_states`.
    """
    series, members = _series_of_tiles(flux) if flux.dtype == object else _series_of_maps(flux)
    pfts, time = len(fraction), len(nee)
    ground = (fraction.astype("f8") * area).reshape(pfts, -1)
    weights = share.reshape(len(share), -1)
    year = np.repeat(np.arange(first.size), np.diff(first, append=time))
    total = np.zeros((len(share), members, pfts, time))
    counted = np.zeros((len(share), pfts, first.size))
    pft_area = np.zeros((len(share), pfts))
    for p in range(pfts):
        # A type without ground is not computed and is NaN there; where there is ground, one missing month leaves the
        # cell out of the year, for all members alike, and area_predicted says so.
        cells = np.flatnonzero(ground[p] > 0)
        own = weights[:, cells] * ground[p, cells]  # (region, cell)
        grams = series(p, cells)  # (member, time, cell)
        there = np.logical_and.reduceat(np.isfinite(grams).all(axis=0), first, axis=0) & whole[:, None]
        for r, ground_of in enumerate(own):
            # Row by row, never by a matrix product: a sum must not depend on how many months or regions are beside it.
            pft_area[r, p] = ground_of.sum()
            counted[r, p] = (there * ground_of).sum(axis=1)
            for m in range(members):
                # in rows of cells, however they came: the order in memory is the order of the sum
                known = np.where(there[year], grams[m], np.float32(0))
                total[r, m, p] = np.multiply(known, ground_of, order="C").sum(axis=1) * TERAGRAM
    return {"total": total, "area_predicted": counted, "pft_area": pft_area, "cells": (~np.isnan(nee)).sum(axis=(1, 2))}


def _series_of_maps(flux: NDArray[np.floating]) -> tuple[Series, int]:
    members, _, time = flux.shape[:3]
    return lambda p, cells: flux[:, p].reshape(members, time, -1)[..., cells], members


def _series_of_tiles(tiles: NDArray[np.object_]) -> tuple[Series, int]:
    rows = np.cumsum([0, *(tile.forest.shape[0] for tile in tiles[:, 0])])
    columns = np.cumsum([0, *(tile.forest.shape[1] for tile in tiles[0])])
    a_tile: Cells = tiles[0, 0]

    def series(p: int, cells: NDArray[np.intp]) -> NDArray[np.floating]:
        result = np.full((a_tile.members, cells.size, a_tile.months), np.nan, dtype="f4")
        for (i, j), tile in np.ndenumerate(tiles):
            if p in tile.flux:
                covered, flux = tile.flux[p]
                y, x = (axis[covered] for axis in np.nonzero(tile.forest))
                at = (rows[i] + y) * columns[-1] + columns[j] + x
                known = np.isin(at, cells)  # all, unless the cover was changed after the prediction
                result[:, np.searchsorted(cells, at[known])] = flux[:, known]
        return result.swapaxes(1, 2)

    return series, a_tile.members


def tiles_behind(flux: xr.DataArray, place: Mapping[str, slice]) -> da.Array | None:
    """Find the tiles that members' fluxes were laid out from, if nothing was done to them since: the name says so.

    ``xnee-members-TOKEN`` of `xnee.predict` are laid out from ``xnee-tiles-TOKEN``, one object for each chunk. To take
    what is wanted out of these saves a map of each member and type, which is mostly empty.

    Parameters
    ----------
    flux
        ``NEE_member (member, pft, time, lat, lon)`` of the whole map, of dask.
    place
        The part that is wanted.

    Returns
    -------
    dask.array.Array or None
        Objects like `Cells`, ``(row, column)``; None if there are none, or the part does not end where they do.
    """
    array = flux.data
    name = array.name.replace("xnee-members-", "xnee-tiles-")
    if name == array.name or name not in getattr(array.dask, "layers", {}):
        return None
    chunks, corner = [], []
    for dim, sizes in zip(flux.dims[3:], array.chunks[3:], strict=True):
        ends = [0, *np.cumsum(sizes).tolist()]
        start, stop, _ = place.get(str(dim), slice(None)).indices(ends[-1])
        if start not in ends or stop not in ends:
            return None
        chunks.append((1,) * len(sizes))
        corner.append(slice(ends.index(start), ends.index(stop)))
    objects: da.Array = da.Array(array.dask, name, tuple(chunks), dtype=object)  # type: ignore[no-untyped-call]
    tiles: da.Array = objects[tuple(corner)]
    return tiles


def lazily(
    add: Callable[..., States], arrays: Sequence[Any], shapes: Mapping[str, tuple[Sequence[int], str]]
) -> dict[str, da.Array]:
    """Add up in one task, and take each state out of what it gives.

    Parameters
    ----------
    add
        `add_up` without its first four.
    arrays
        Its first four.
    shapes
        Shape and dtype of each state.

    Returns
    -------
    dict
        The states.
    """
    pairs: list[Any] = []
    for number, array in enumerate(arrays):
        lazy = da.asarray(array)  # type: ignore[no-untyped-call]
        lazy = lazy if lazy.dtype == object else lazy.rechunk(-1)
        pairs += [lazy, tuple(f"{number}-{axis}" for axis in range(lazy.ndim))]
    made = da.blockwise(  # type: ignore[no-untyped-call]
        _in_one, (), *pairs, add=add, dtype=object, meta=np.empty((), dtype=object), align_arrays=False
    )
    return {
        name: da.blockwise(  # type: ignore[no-untyped-call]
            _take, range(len(shape)), made, (), which=name, new_axes=dict(enumerate(shape)), dtype=dtype
        )
        for name, (shape, dtype) in shapes.items()
    }


def _in_one(*blocks: Any, add: Callable[..., States]) -> NDArray[np.object_]:
    """Add up blocks, which come as lists of lists."""
    result = np.empty((), dtype=object)
    result[()] = add(*map(_bare, blocks))
    return result


def _bare(block: Any) -> Any:
    """Take an array out of its lists, and put several together."""
    while isinstance(block, list) and len(block) == 1:
        block = block[0]
    return np.block(block) if isinstance(block, list) else block


def _take(made: NDArray[np.object_], *, which: str) -> NDArray[Any]:
    values: NDArray[Any] = made.item()[which]
    return values
