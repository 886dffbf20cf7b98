"""Where towers stand among the cells of a cube, and values there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xnee.grid import bounds
from xnee.variables import VARIABLES

__all__ = ["PixelMethod", "Place", "at_places", "check_axes", "places"]

PixelMethod = Literal["nearest", "bilinear", "area"]


@dataclass(frozen=True, kw_only=True)
class Place:
    """The cells that a tower looks at, and the weight of each.

    Parameters
    ----------
    method
        ``"nearest"``, ``"bilinear"`` or ``"area"``.
    index
        Rows under ``lat`` and columns under ``lon``.
    weight
        Weight of each of these rows and columns; a cell weighs the product.
    """

    method: PixelMethod
    index: Mapping[str, NDArray[np.intp]]
    weight: Mapping[str, NDArray[np.float64]]

    def mean(self, values: NDArray[np.floating]) -> NDArray[np.float64]:
        """Average the cells.

        Parameters
        ----------
        values
            ``(..., row, column)`` of these cells.

        Returns
        -------
        numpy.ndarray
            ``(...)``. By area over what has values; else missing where a cell with weight is.
        """
        weight = np.outer(self.weight["lat"], self.weight["lon"])
        known = np.isfinite(values) & (weight > 0)
        total = np.where(known, values, 0).astype("f8") * weight
        share = (known * weight).sum(axis=(-2, -1))
        whole = share > 0 if self.method == "area" else share > weight.sum() * (1 - 1e-9)
        mean: NDArray[np.float64] = total.sum(axis=(-2, -1)) / np.where(whole, share, np.nan)
        return mean


def check_axes(cube: xr.Dataset) -> None:
    """Refuse what cannot be sampled.

    Parameters
    ----------
    cube
        Anything.

    Raises
    ------
    ValueError
        If it has not the coordinates time, lat and lon with two cells each at least, ascending.

    Examples
    --------
    >>> check_axes(xr.Dataset(coords={"lat": [1.0]}))
    Traceback (most recent call last):
        ...
    ValueError: a cube needs the coordinates time, lat and lon; ['time', 'lon'] are not there. Rename them first.
    """
    lacking = [name for name in ("time", "lat", "lon") if name not in cube.indexes]
    if lacking:
        msg = f"a cube needs the coordinates time, lat and lon; {lacking} are not there. Rename them first."
        raise ValueError(msg)
    for axis in ("lat", "lon"):
        centres = cube[axis].to_numpy()
        if centres.size < 2 or not (np.diff(centres) > 0).all():
            msg = f"{axis} of a cube must be two or more cell centres, ascending; sort it with ds.sortby('{axis}')."
            raise ValueError(msg)


def places(cube: xr.Dataset, sites: xr.Dataset, *, method: PixelMethod, width: float | None) -> list[Place]:
    """Find the cells of each tower.

    Parameters
    ----------
    cube
        With ascending ``lat`` and ``lon``.
    sites
        With coordinates ``lat`` and ``lon``, inside the cube.
    method
        See `xnee.sample_at_sites`.
    width
        Side of the square for ``"area"``, degrees.

    Returns
    -------
    list of Place
        In the order of the towers.

    Raises
    ------
    ValueError
        If `width` is not positive, or is given for another method.
    """
    if width is not None and (method != "area" or not width > 0):
        msg = f"width is the side of the square for method='area', degrees, above 0; got {width} with {method!r}."
        raise ValueError(msg)
    found = []
    lats, lons = (cube[axis].to_numpy() for axis in ("lat", "lon"))
    for lat, lon in zip(sites["lat"].to_numpy(), sites["lon"].to_numpy(), strict=True):
        rows, heights = _cells(lats, float(lat), method, width, lambda edge: np.sin(np.deg2rad(edge)))
        columns, widths = _cells(lons, float(lon), method, width, np.deg2rad)
        found.append(Place(method=method, index={"lat": rows, "lon": columns}, weight={"lat": heights, "lon": widths}))
    return found


def _cells(
    centres: NDArray[np.float64],
    own: float,
    method: PixelMethod,
    width: float | None,
    measure: Callable[[NDArray[np.float64]], NDArray[np.float64]],
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Find the cells along one axis and their weights."""
    nearest = int(np.argmin(np.abs(centres - own)))
    if method == "nearest":
        return np.array([nearest]), np.ones(1)
    if method == "bilinear":
        below = int(np.clip(np.searchsorted(centres, own) - 1, 0, centres.size - 2))
        # clipped: between the last centre and the edge there is no other side
        share = float(np.clip((own - centres[below]) / (centres[below + 1] - centres[below]), 0, 1))
        return np.array([below, below + 1]), np.array([1 - share, share])
    edges = bounds(centres)
    half = (width if width is not None else 3 * float(np.diff(edges[nearest])[0])) / 2
    low, high = np.maximum(edges[:, 0], own - half), np.minimum(edges[:, 1], own + half)
    index = np.flatnonzero(low < high)
    return index, measure(high[index]) - measure(low[index])


def at_places(field: xr.DataArray, where: Sequence[Place]) -> NDArray[np.float64]:
    """Take a field at towers.

    Parameters
    ----------
    field
        ``(..., lat, lon)``, lazy or not. An angle is averaged as sine and cosine.
    where
        The cells of each tower.

    Returns
    -------
    numpy.ndarray
        ``(site, ...)``, float64, in memory. Of a lazy field each chunk is read once.
    """
    field = field.transpose(..., "lat", "lon")
    parts = [field.isel(lat=place.index["lat"], lon=place.index["lon"]).variable for place in where]
    values = [part.to_numpy() for part in xr.Dataset(_numbered(parts)).load().variables.values()]
    row = VARIABLES.get(str(field.name))
    if row is None or not row.circular:
        return np.stack([place.mean(part) for place, part in zip(where, values, strict=True)])
    sine, cosine = (
        np.stack([place.mean(turn(np.deg2rad(part))) for place, part in zip(where, values, strict=True)])
        for turn in (np.sin, np.cos)
    )
    angle: NDArray[np.float64] = np.rad2deg(np.arctan2(sine, cosine)) % 360
    return angle


def _numbered(parts: Sequence[xr.Variable]) -> dict[str, xr.Variable]:
    """Put parts of different size into one Dataset, so that they are computed together."""
    named = {}
    for i, part in enumerate(parts):
        dims = [f"{dim}{i}" for dim in part.dims]
        named[f"part{i}"] = xr.Variable(dims, part.data)
    return named
