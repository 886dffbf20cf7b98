"""The work of one tile: gather the cells with forest, run the model, mix its fluxes by cover."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xnee.checking import check_range
from xnee.prediction.contract import Model
from xnee.prediction.cover import check_shares
from xnee.prediction.parcel import Parcel
from xnee.prediction.reading import Reader
from xnee.windowing import complete

__all__ = ["REASONS", "Tile", "Work", "counts_of", "lay_out", "run_tile"]

REASONS = ("predicted", "start of record", "driver gap", "no flux")
"""What becomes of the months of forest cells: the first that holds counts. Gaps by driver come after these."""
_CONTEXT = "context"


@dataclass(frozen=True)
class Work:
    """What all tiles of a map share.

    Parameters
    ----------
    model
        Predicts series.
    pfts
        Forest types, in the order of the cover.
    space
        Dimensions of the ground.
    month
        ``(time,)``, which map of cover a month has.
    weights
        ``(year,)``, share of the months that each map is of.
    reader
        Where tiles read their drivers; None where they are handed them.
    names
        What is read or handed: drivers, and perhaps ``context``.
    """

    model: Parcel[Model]
    pfts: tuple[str, ...]
    space: tuple[str, ...]
    month: NDArray[np.intp]
    weights: NDArray[np.float32]
    reader: Parcel[Reader] | None
    names: tuple[str, ...]


@dataclass(frozen=True)
class Tile:
    """What came out of a tile, of its cells with forest only.

    Parameters
    ----------
    forest
        Mask over the cells of the tile.
    months, members, pfts
        Of the map; networks in an ensemble; types.
    nee, std
        ``(cell, time)``, g C m-2 month-1 per square metre of forest, and its spread over members; None without forest.
    flux
        For each type, by its place: the cells that it covers, and ``(member, cell, time)``, the same per square metre
        of the type.
    counts
        Months of cells, by `REASONS` and then by drivers with a gap.
    """

    forest: NDArray[np.bool_]
    months: int
    members: int
    pfts: int
    nee: NDArray[np.float32] | None = None
    std: NDArray[np.float32] | None = None
    flux: Mapping[int, tuple[NDArray[np.intp], NDArray[np.float32]]] = field(default_factory=dict)
    counts: NDArray[np.int64] | None = None

    def map_of(self, values: NDArray[np.float32] | None) -> NDArray[np.float32]:
        """Lay values of cells out as a map.

        Parameters
        ----------
        values
            ``(cell, time)``; None where no cell has forest.

        Returns
        -------
        numpy.ndarray
            ``(time, lat, lon)``, NaN without forest.
        """
        result = np.full((self.months, *self.forest.shape), np.nan, dtype="f4")
        if values is not None:
            result[:, self.forest] = values.T
        return result

    def members_by_type(self) -> NDArray[np.float32]:
        """Lay the fluxes of members out as maps.

        Returns
        -------
        numpy.ndarray
            ``(member, pft, time, lat, lon)``, NaN where the type covers nothing.
        """
        result = np.full((self.members, self.pfts, self.months, self.forest.size), np.nan, dtype="f4")
        cell = np.flatnonzero(self.forest)
        for k, (covered, flux) in self.flux.items():
            result[:, k][..., cell[covered]] = flux.swapaxes(1, 2)
        return result.reshape(*result.shape[:3], *self.forest.shape)


def run_tile(maps: NDArray[np.float32], *places_and_drivers: NDArray[Any], work: Work) -> NDArray[np.object_]:
    """Predict one tile.

    Parameters
    ----------
    maps
        ``(year, pft, lat, lon)``, cover.
    *places_and_drivers
        Numbers of the rows, and of the columns, of the tile in the cube; then arrays by ``work.names`` unless the
        tile reads them itself.
    work
        What all tiles share.

    Returns
    -------
    numpy.ndarray
        One `Tile`, in an array of one element along each dimension of the ground.
    """
    rank = len(work.space)
    places, handed = places_and_drivers[:rank], places_and_drivers[rank:]
    check_shares(maps)
    forest: NDArray[np.bool_] = np.any(maps > 0, axis=(0, 1))
    tile = Tile(forest, work.month.size, work.model.content.members, len(work.pfts))
    if forest.any():
        place = {dim: slice(int(at[0]), int(at[-1]) + 1) for dim, at in zip(work.space, places, strict=True)}
        x, context = _gather(work, forest, place, dict(zip(work.names, handed, strict=bool(handed))))
        tile = _predict(work, tile, maps[:, :, forest], x, context)
    result = np.empty((1,) * rank, dtype=object)
    result[(0,) * rank] = tile
    return result


def _gather(
    work: Work, forest: NDArray[np.bool_], place: Mapping[str, slice], handed: Mapping[str, NDArray[np.floating]]
) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    """Take the cells with forest, driver by driver: ``(cell, time, driver)``, and their context if there is one."""
    drivers = [name for name in work.names if name != _CONTEXT]
    x = np.empty((int(forest.sum()), work.month.size, len(drivers)), dtype="f4")
    context = None
    for name in work.names:
        values = handed[name] if work.reader is None else work.reader.content.read(name, place)
        cells = values[..., forest]  # (..., cell)
        if name == _CONTEXT:
            context = np.moveaxis(cells, -1, 0).astype("f4")
            continue
        # in its own precision: a value too large for float32 would be refused as infinite
        check_range(name, cells)
        x[:, :, drivers.index(name)] = cells.T if cells.ndim == 2 else cells[:, None]
    return x, context


def _predict(
    work: Work,
    tile: Tile,
    maps: NDArray[np.float32],
    x: NDArray[np.float32],
    context: NDArray[np.float32] | None,
) -> Tile:
    """Run the model for each type on the cells that it covers; mix by ``maps (year, pft, cell)``."""
    model = work.model.content
    mean = _mean_cover(maps, work.weights)
    mixed = np.zeros((model.members, *x.shape[:2]), dtype="f4")
    flux = {}
    for k, pft in enumerate(work.pfts):
        covered = np.flatnonzero(mean[k] > 0)
        if not covered.size:
            continue
        own = () if context is None else (context[covered],)
        y = model.predict_series(pft, x[covered], *own)
        if len(maps) > 1:  # carbon of a month's own cover, on the mean ground
            y = y * (maps[:, k][work.month][:, covered].T / mean[k, covered, None])
        flux[k] = (covered, y)
        mixed[:, covered] += y * mean[k, covered, None]
    mixed /= mean.sum(axis=0)[:, None]
    nee = mixed.mean(axis=0)
    # one member has no spread
    std = mixed.std(axis=0, ddof=1) if model.members > 1 else np.full_like(nee, np.nan)
    return replace(tile, nee=nee, std=std, flux=flux, counts=_count(x, nee, model.window.length))


def _mean_cover(maps: NDArray[np.float32], weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Average ``(year, pft, cell)`` over the months."""
    mean: NDArray[np.float32] = maps[0] if len(maps) == 1 else (maps * weights[:, None, None]).sum(axis=0)
    return mean


def _count(x: NDArray[np.float32], nee: NDArray[np.float32], length: int) -> NDArray[np.int64]:
    """Count what became of months of cells: `REASONS`, each once, then windows that each driver broke."""
    cells, months, drivers = x.shape
    there, whole = np.isfinite(nee), complete(x, length)
    start = cells * min(length - 1, months)
    gap = int((~whole[:, length - 1 :]).sum())
    counts = [int(there.sum()), start, gap, int((whole & ~there).sum())]
    if gap:
        counts += [int((~complete(x[..., [k]], length)[:, length - 1 :]).sum()) for k in range(drivers)]
    else:
        counts += [0] * drivers
    return np.array(counts, dtype="i8")


def lay_out(tiles: NDArray[np.object_], *, what: str) -> NDArray[np.float32]:
    """Lay one result of a tile out as a map.

    Parameters
    ----------
    tiles
        As of `run_tile`.
    what
        ``"nee"``, ``"std"`` or ``"flux"``.

    Returns
    -------
    numpy.ndarray
        ``(time, lat, lon)``, or ``(member, pft, time, lat, lon)``.
    """
    tile: Tile = tiles.item()
    return tile.members_by_type() if what == "flux" else tile.map_of(getattr(tile, what))


def counts_of(tiles: NDArray[np.object_], *, size: int) -> NDArray[np.int64]:
    """Give the counts of a tile.

    Parameters
    ----------
    tiles
        As of `run_tile`.
    size
        How many there are.

    Returns
    -------
    numpy.ndarray
        ``(reason, 1, 1)``, to be added up over tiles.
    """
    tile: Tile = tiles.item()
    counts = np.zeros(size, dtype="i8") if tile.counts is None else tile.counts
    return counts.reshape(size, *tiles.shape)
