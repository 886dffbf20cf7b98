"""Whose ground a cell is: regions on the grid of a map, asked tile by tile."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from pyproj import CRS, Transformer

from xnee.grid import bounds
from xnee.products.axes import crs_of, space_of
from xnee.regions import read_regions, shares_of_cells
from xnee.variables import labels

if TYPE_CHECKING:
    from shapely import MultiPolygon

__all__ = ["ALL", "ELSEWHERE", "Regions", "regions_on"]

ALL = "all"
ELSEWHERE = "elsewhere"
"""Rows beside those of the regions: the whole map, and what of it lies in none of them."""

Tile = Mapping[str, slice]


@dataclass(frozen=True, kw_only=True)
class Regions:
    """Regions on a grid.

    Parameters
    ----------
    names
        Their names; none: only the whole map is asked for.
    fingerprint
        Text that changes when a name or an outline does.
    shares
        What gives ``(row, column)`` shares of a tile, 0 to 1, for each region that reaches into it, by name.
    """

    names: tuple[str, ...] = ()
    fingerprint: str = ""
    shares: Callable[[Tile], dict[str, NDArray[np.float64]]] = lambda _: {}

    def of(self, ds: xr.Dataset, tile: Tile) -> xr.DataArray:
        """Give the shares of the cells of a tile.

        Parameters
        ----------
        ds
            Maps with the axes that the regions were made for.
        tile
            Part of it.

        Returns
        -------
        xarray.DataArray
            ``(region, lat, lon)``, or ``(region, y, x)``: ``all``, which is 1 in each cell, and where there are
            regions ``elsewhere`` and those that reach into the tile. In memory.
        """
        space = space_of(ds)
        size = tuple(len(range(*tile[dim].indices(ds.sizes[dim]))) for dim in space)
        rows = {ALL: np.ones(size)}
        if self.names:
            found = self.shares(tile)
            inside = np.sum(list(found.values()), axis=0) if found else np.zeros(size)
            rows |= {ELSEWHERE: np.maximum(1 - inside, 0), **found}
        return xr.DataArray(np.stack(list(rows.values())), {"region": list(rows)}, ("region", *space))


def regions_on(ds: xr.Dataset, regions: object) -> Regions:
    """Put regions on the grid of a map.

    Parameters
    ----------
    ds
        Maps with their axes.
    regions
        None; what `xnee.read_regions` takes or gives; or a mask on the same cells: ``(lat, lon)`` of bool (one region,
        named as the array is) or of whole numbers (one region each, but not 0), or ``(region, lat, lon)`` of shares
        from 0 to 1.

    Returns
    -------
    Regions
        The rows ``elsewhere`` and ``all`` come with them.

    Raises
    ------
    FileNotFoundError, TypeError, ValueError
        As `xnee.read_regions`; if a mask has other cells, or a region is called ``all`` or ``elsewhere``.
    """
    if regions is None:
        return Regions()
    made = _of_mask(ds, regions) if isinstance(regions, xr.DataArray) else _of_polygons(ds, read_regions(regions))
    taken = sorted({ALL, ELSEWHERE} & set(made.names))
    if taken:
        msg = f"{ALL!r} and {ELSEWHERE!r} are rows of every budget and cannot be names of regions; got {made.names}."
        raise ValueError(msg)
    return made


def _of_polygons(ds: xr.Dataset, shapes: Mapping[str, MultiPolygon]) -> Regions:
    """Ask outlines, in a plane in which areas within a cell are true ones."""
    crs, (down, across) = crs_of(ds), space_of(ds)
    flat = {name: _flatten(shape, crs) for name, shape in shapes.items()}
    y, x = _edges(ds[down].to_numpy()), _edges(ds[across].to_numpy())
    y = np.sin(np.deg2rad(np.clip(y, -90, 90))) if down == "lat" else y

    def shares(tile: Tile) -> dict[str, NDArray[np.float64]]:
        rows, columns = (
            edges[tile[dim].start : tile[dim].stop + 1] for edges, dim in zip((y, x), (down, across), strict=True)
        )
        found = {}
        for name, shape in flat.items():
            west, south, east, north = shape.bounds
            if max(west, columns.min()) < min(east, columns.max()) and max(south, rows.min()) < min(north, rows.max()):
                share = shares_of_cells(shape, columns, rows)
                if share.any():
                    found[name] = share
        return found

    text = sha256()
    for name, shape in shapes.items():
        text.update(name.encode() + shape.wkb)
    return Regions(names=tuple(shapes), fingerprint=text.hexdigest()[:16], shares=shares)


def _edges(centres: NDArray[np.float64]) -> NDArray[np.float64]:
    pairs = bounds(centres)
    return np.append(pairs[:, 0], pairs[-1, 1])


def _flatten(shape: MultiPolygon, crs: CRS) -> Any:
    """Bring an outline in degrees into the plane of the cells: the cylinder of equal areas, or the projection."""
    import shapely

    if crs.is_projected:
        project = Transformer.from_crs(4326, crs, always_xy=True).transform
        return shapely.make_valid(shapely.transform(shape, lambda xy: np.stack(project(*xy.T), axis=1)))
    cylinder = shapely.transform(shape, lambda xy: np.stack([xy[:, 0], np.sin(np.deg2rad(xy[:, 1]))], axis=1))
    return shapely.make_valid(cylinder)


def _of_mask(ds: xr.Dataset, mask: xr.DataArray) -> Regions:
    """Ask a mask on the same cells."""
    space = space_of(ds)
    _check_mask(ds, mask, space)
    named = _named(mask, space)
    text = sha256(repr(list(named)).encode())
    for values in named.values():
        text.update(np.packbits(values).tobytes() if values.dtype == bool else values.astype("f8").tobytes())

    def shares(tile: Tile) -> dict[str, NDArray[np.float64]]:
        here = tuple(tile[dim] for dim in space)
        return {name: values[here].astype("f8") for name, values in named.items() if values[here].any()}

    return Regions(names=tuple(named), fingerprint=text.hexdigest()[:16], shares=shares)


def _named(mask: xr.DataArray, space: tuple[str, str]) -> dict[str, NDArray[Any]]:
    """Give each region of a mask its name."""
    if "region" in mask.dims:
        values = mask.transpose("region", *space).to_numpy()
        if values.dtype != bool and not bool(((values >= 0) & (values <= 1)).all()):
            msg = "a mask (region, lat, lon) holds the share of each cell, 0 to 1 without gaps; use fillna(0)."
            raise ValueError(msg)
        names = labels(mask["region"]).tolist()
        if len(set(names)) < len(names):
            msg = f"names of regions must differ; the mask has {names}."
            raise ValueError(msg)
        return dict(zip(names, values, strict=True))
    values = mask.transpose(*space).to_numpy()
    if values.dtype == bool:
        return {str(mask.name or "inside"): values}
    if values.dtype.kind not in "iu":
        msg = (
            f"a mask (lat, lon) holds bool, or one whole number for each region; got {values.dtype}. Turn it into "
            "whole numbers, mask.fillna(0).astype(int), or give shares as (region, lat, lon)."
        )
        raise ValueError(msg)
    return {str(code): values == code for code in np.unique(values) if code != 0}


def _check_mask(ds: xr.Dataset, mask: xr.DataArray, space: tuple[str, str]) -> None:
    if set(mask.dims) - {"region"} != set(space) or ("region" in mask.dims and "region" not in mask.coords):
        msg = (
            f"a mask has the dimensions {space}, or (region, {', '.join(space)}) with a coordinate region; this one "
            f"has {mask.dims}."
        )
        raise ValueError(msg)
    for dim in space:
        same = dim in mask.coords and mask.sizes[dim] == ds.sizes[dim]
        if not same or not np.allclose(mask[dim], ds[dim], rtol=0, atol=1e-6 * abs(float(ds[dim][1] - ds[dim][0]))):
            msg = (
                f"a mask must be on the cells of the map, but its {dim} differs. Bring it there first, or give the "
                "outlines of the regions."
            )
            raise ValueError(msg)
