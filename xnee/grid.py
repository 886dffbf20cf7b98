"""Cells on the ground: a regular grid as a value, its bounds and ellipsoidal areas, and tiles of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

__all__ = ["Grid", "bounds", "cell_area", "tiles"]

_A = 6_378_137.0  # WGS84 equatorial radius, m
_E2 = 0.006_694_379_990_141_3  # WGS84 eccentricity squared


@dataclass(frozen=True, kw_only=True)
class Grid:
    """A regular latitude-longitude grid, by its outer edges and its step.

    Parameters
    ----------
    west, east
        Outer edges, degrees east, -180 to 180.
    south, north
        Outer edges, degrees north.
    step
        Size of a cell, degrees. The extent must hold a whole number of cells.

    Raises
    ------
    ValueError
        If an edge is out of range or in the wrong order, or the step does not divide the extent.

    Examples
    --------
    >>> Grid(west=70, east=140, south=15, north=55, step=0.5)
    Grid(west=70, east=140, south=15, north=55, step=0.5)
    """

    west: float
    east: float
    south: float
    north: float
    step: float

    def __post_init__(self) -> None:
        """Check that the extent is a box of whole cells."""
        box = -180 <= self.west < self.east <= 180 and -90 <= self.south < self.north <= 90 and self.step > 0
        counts = np.array([self.east - self.west, self.north - self.south]) / self.step if box else np.array([0.5])
        if not box or np.abs(counts - counts.round()).max() > 1e-6:
            msg = (
                "a grid needs -180 <= west < east <= 180, -90 <= south < north <= 90 and a step that divides both "
                f"extents; got {self}."
            )
            raise ValueError(msg)

    @property
    def lat(self) -> NDArray[np.float64]:
        """Cell centres, degrees north, ascending."""
        return self.south + self.step * (np.arange(round((self.north - self.south) / self.step)) + 0.5)

    @property
    def lon(self) -> NDArray[np.float64]:
        """Cell centres, degrees east, ascending."""
        return self.west + self.step * (np.arange(round((self.east - self.west) / self.step)) + 0.5)

    @property
    def coords(self) -> dict[str, xr.Variable]:
        """Cell centres with CF attributes, to build a Dataset with."""
        return {
            "lat": xr.Variable("lat", self.lat, {"units": "degrees_north", "standard_name": "latitude"}),
            "lon": xr.Variable("lon", self.lon, {"units": "degrees_east", "standard_name": "longitude"}),
        }


def bounds(centres: ArrayLike, *, limit: float | None = None) -> NDArray[np.float64]:
    """Find the edges of cells from their centres.

    Parameters
    ----------
    centres
        At least two centres, ascending or descending, regular or not.
    limit
        Edges are clipped to plus and minus this value, 90 for latitudes.

    Returns
    -------
    numpy.ndarray
        ``(cell, 2)``, half way between neighbours, in the order of the centres.

    Raises
    ------
    ValueError
        If there are fewer than two centres or they are not strictly monotonic.

    Examples
    --------
    >>> bounds([0.5, 1.5]).tolist()
    [[0.0, 1.0], [1.0, 2.0]]
    """
    x = np.asarray(centres, dtype="f8")
    step = np.diff(x)
    if x.size < 2 or not (np.all(step > 0) or np.all(step < 0)):
        msg = f"cell centres must be two or more, strictly ascending or descending; got {x.size} from {x[:3]}..."
        raise ValueError(msg)
    edges = np.concatenate([[x[0] - step[0] / 2], (x[:-1] + x[1:]) / 2, [x[-1] + step[-1] / 2]])
    if limit is not None:
        edges = np.clip(edges, -limit, limit)
    return np.stack([edges[:-1], edges[1:]], axis=1)


def _area_to_equator(lat: NDArray[np.float64]) -> NDArray[np.float64]:
    """Area between the equator and a latitude, m2 per radian of longitude (Snyder 1987, eq. 3-12, times b2/2)."""
    e, s = np.sqrt(_E2), np.sin(np.deg2rad(lat))
    return _A**2 * (1 - _E2) / 2 * (s / (1 - _E2 * s**2) + np.arctanh(e * s) / e)


def cell_area(lat: ArrayLike, lon: ArrayLike) -> xr.DataArray:
    """Give the area of each cell of a latitude-longitude grid on the WGS84 ellipsoid.

    Cells are bounded by meridians and parallels; the area is exact, not the cosine of the centre. (A sphere is up
    to 0.7 % off in a latitude band.)

    Parameters
    ----------
    lat, lon
        Cell centres in degrees, one dimension each.

    Returns
    -------
    xarray.DataArray
        ``(lat, lon)``, m2, in memory.

    Raises
    ------
    ValueError
        If the centres are not monotonic (see `bounds`).

    Examples
    --------
    >>> area = cell_area([-45.0, 45.0], [-90.0, 90.0])   # the whole Earth in four cells
    >>> round(float(area.sum()) / 1e12, 2)               # 1e6 km2
    510.07
    """
    edges = bounds(lat, limit=90)
    height = np.abs(np.diff(_area_to_equator(edges), axis=1)[:, 0])
    width = np.abs(np.diff(np.deg2rad(bounds(lon)), axis=1)[:, 0])
    return xr.DataArray(
        height[:, None] * width,
        coords={"lat": np.asarray(lat, dtype="f8"), "lon": np.asarray(lon, dtype="f8")},
        dims=("lat", "lon"),
        name="area",
        attrs={"units": "m2", "standard_name": "cell_area", "long_name": "area of the cell on the WGS84 ellipsoid"},
    )


def tiles(lat: int, lon: int, size: int) -> Iterator[dict[str, slice]]:
    """Cut a grid into square tiles.

    Parameters
    ----------
    lat, lon
        Number of cells along each dimension.
    size
        Cells along one side of a tile; tiles at the far edges may be smaller.

    Yields
    ------
    dict
        ``{"lat": slice, "lon": slice}``, row by row, covering each cell once.

    Examples
    --------
    >>> len(list(tiles(3, 4, 2)))
    4
    """
    for i, j in product(range(0, lat, size), range(0, lon, size)):
        yield {"lat": slice(i, min(i + size, lat)), "lon": slice(j, min(j + size, lon))}
