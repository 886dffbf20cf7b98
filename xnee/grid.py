"""Cells on the ground: a regular grid as a value, its bounds and ellipsoidal areas, and tiles of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

__all__ = ["Grid", "aggregate", "bounds", "cell_area", "coordinates", "integrate", "tiles"]

_A = 6_378_137.0  # WGS84 equatorial radius, m
_E2 = 0.006_694_379_990_141_3  # WGS84 eccentricity squared
_AREA_ATTRS = {"units": "m2", "standard_name": "cell_area", "long_name": "area of the cell on the WGS84 ellipsoid"}

_SNAP = 1e-3
"""Edges closer than this share of a cell are one edge. Coordinates stored as float32 or added up from a step carry
such noise; without it a cell would get a phantom share of what lies beyond its border."""


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
        return self.south + self.step * (np.arange(self.lat_edges.size - 1, dtype="f8") + 0.5)

    @property
    def lon(self) -> NDArray[np.float64]:
        """Cell centres, degrees east, ascending."""
        return self.west + self.step * (np.arange(self.lon_edges.size - 1, dtype="f8") + 0.5)

    @property
    def lat_edges(self) -> NDArray[np.float64]:
        """Edges between the rows, degrees north, ascending, one more than there are rows."""
        return np.linspace(self.south, self.north, round((self.north - self.south) / self.step) + 1)

    @property
    def lon_edges(self) -> NDArray[np.float64]:
        """Edges between the columns, degrees east, ascending, one more than there are columns."""
        return np.linspace(self.west, self.east, round((self.east - self.west) / self.step) + 1)

    @property
    def area(self) -> xr.DataArray:
        """Area of each cell on the WGS84 ellipsoid, ``(lat, lon)``, m2."""
        height, width = np.diff(_area_to_equator(self.lat_edges)), np.diff(np.deg2rad(self.lon_edges))
        return xr.DataArray(height[:, None] * width, coords=self.coords, dims=("lat", "lon"), attrs=_AREA_ATTRS)

    @property
    def coords(self) -> dict[str, xr.Variable]:
        """Cell centres with CF attributes, to build a Dataset with."""
        return coordinates(self.lat, self.lon)


def coordinates(lat: ArrayLike, lon: ArrayLike) -> dict[str, xr.Variable]:
    """Give cell centres the attributes that CF asks for.

    Parameters
    ----------
    lat, lon
        Cell centres in degrees, one dimension each.

    Returns
    -------
    dict
        ``lat`` and ``lon``, float64, to build a Dataset with.

    Examples
    --------
    >>> coordinates([10.5, 11.5], [100.5, 101.5])["lat"].attrs["units"]
    'degrees_north'
    """
    return {
        "lat": xr.Variable("lat", np.asarray(lat, "f8"), {"units": "degrees_north", "standard_name": "latitude"}),
        "lon": xr.Variable("lon", np.asarray(lon, "f8"), {"units": "degrees_east", "standard_name": "longitude"}),
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
    area: NDArray[np.float64] = _A**2 * (1 - _E2) / 2 * (s / (1 - _E2 * s**2) + np.arctanh(e * s) / e)
    return area


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
        attrs=_AREA_ATTRS,
    )


@dataclass(frozen=True)
class _Pieces:
    """Cells of a target axis, cut at every edge of the source axis: each piece lies in one cell of both."""

    index: NDArray[np.intp]  # (piece,) source cell of each piece
    weight: NDArray[np.float64]  # (piece,) its size; 0 where the source does not reach
    start: NDArray[np.intp]  # (target,) first piece of each target cell

    def sum(self, values: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
        """Add up the pieces of each target cell; `axis` is -2 or -1."""
        pieces = np.take(values, self.index, axis)
        pieces *= self.weight[:, None] if axis == -2 else self.weight
        total: NDArray[np.float64] = np.add.reduceat(pieces, self.start, axis)
        return total


def _separate(edges: NDArray[np.float64], others: NDArray[np.float64], gap: float) -> NDArray[np.float64]:
    """Keep the sorted edges that are further than `gap` from the edge before them and from all of `others`."""
    edges = edges[np.diff(edges, prepend=-np.inf) > gap]
    after = np.searchsorted(others, edges)
    below, above = others[np.maximum(after - 1, 0)], others[np.minimum(after, others.size - 1)]
    return edges[np.minimum(np.abs(edges - below), np.abs(edges - above)) > gap]


def _pieces(
    centres: ArrayLike,
    target: NDArray[np.float64],
    measure: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    *,
    limit: float | None = None,
    period: float = np.inf,
) -> _Pieces:
    """Cut the cells between the edges `target` at the edges of the source; sizes are differences of `measure`."""
    cells = np.sort(bounds(centres, limit=limit), axis=1)  # (cell, 2)
    descending = cells[0, 0] > cells[-1, 0]
    cells = cells[::-1] if descending else cells
    source = np.append(cells[:, 0], cells[-1, 1])
    turns = [0.0] if np.isinf(period) else [-period, 0.0, period]
    repeated = np.sort(np.concatenate([source + turn for turn in turns]))
    cuts = np.union1d(target, _separate(repeated, target, _SNAP * np.diff(source).min()))
    cuts = cuts[(cuts >= target[0]) & (cuts <= target[-1])]
    middle = (cuts[1:] + cuts[:-1]) / 2
    # Bring the middles onto the turn of the source: 0..360 files meet -180..180 grids here.
    middle = middle if np.isinf(period) else source[0] + (middle - source[0]) % period
    index = np.searchsorted(source, middle, side="right") - 1
    reached = (index >= 0) & (index < source.size - 1)
    index = np.clip(index, 0, source.size - 2)
    return _Pieces(
        index=source.size - 2 - index if descending else index,
        weight=np.diff(measure(cuts)) * reached,
        start=np.searchsorted(cuts, target[:-1]),
    )


def integrate(field: xr.DataArray, grid: Grid) -> xr.DataArray:
    """Integrate a field over the cells of another grid: value times area, conservative and exact.

    Every cell of the target is cut at the edges of the source cells, and the pieces are added up with their area on
    the ellipsoid. As cells are bounded by meridians and parallels, latitude and longitude separate. A piece that no
    source cell covers, and a missing value, add nothing.

    Parameters
    ----------
    field
        ``(..., lat, lon)`` on cell centres in degrees, regular or not. Latitudes may run either way, longitudes may
        be counted from -180 or from 0. Numbers or booleans.
    grid
        The target, coarser or finer, aligned or not. Edges closer than a thousandth of a source cell count as one.

    Returns
    -------
    xarray.DataArray
        ``(..., lat, lon)``, float64, the unit of the field times m2. Lazy when the field is; blocks are whole in
        latitude and longitude.

    Raises
    ------
    ValueError
        If the field has no ``lat`` or ``lon``, or its centres are not monotonic.

    Examples
    --------
    >>> centres = {"lat": [10.5, 11.5], "lon": [100.5, 101.5]}
    >>> forest = xr.DataArray([[True, False], [False, False]], coords=centres, dims=("lat", "lon"))
    >>> area = integrate(forest, Grid(west=100, east=102, south=10, north=12, step=2))
    >>> round(float(area.sum()) / 1e6)   # km2 of a 1 degree cell at 10.5 degrees north
    12108
    """
    lost = {"lat", "lon"} - set(field.dims) | {"lat", "lon"} - set(field.coords)
    if lost:
        msg = (
            f"a field needs dimensions and coordinates 'lat' and 'lon', but {sorted(lost)} are not there. Rename them."
        )
        raise ValueError(msg)
    rows = _pieces(field["lat"].values, grid.lat_edges, _area_to_equator, limit=90)
    columns = _pieces(field["lon"].values, grid.lon_edges, np.deg2rad, period=360)

    def on_block(values: NDArray[Any]) -> NDArray[np.float64]:
        known = values.astype("f8")
        known[np.isnan(known)] = 0
        return columns.sum(rows.sum(known, -2), -1)

    result: xr.DataArray = xr.apply_ufunc(
        on_block,
        field.chunk(lat=-1, lon=-1) if field.chunks else field,
        input_core_dims=[["lat", "lon"]],
        output_core_dims=[["lat", "lon"]],
        exclude_dims={"lat", "lon"},
        dask="parallelized",
        output_dtypes=["f8"],
        dask_gufunc_kwargs={"output_sizes": {"lat": grid.lat.size, "lon": grid.lon.size}},
    )
    return result.assign_coords(grid.coords)


def aggregate(field: xr.DataArray, grid: Grid, *, coverage: float = 0.5) -> xr.DataArray:
    """Average a field over the cells of another grid by area, conservatively.

    Parameters
    ----------
    field
        ``(..., lat, lon)`` as for `integrate`. Never class codes, and never an angle: average its components.
    grid
        The target.
    coverage
        Share of a target cell's area that must have a value, 0 to 1; the mean is over that part. A cell with less
        becomes missing, and so does a cell with none.

    Returns
    -------
    xarray.DataArray
        ``(..., lat, lon)``, unit, attributes and floating type of the field. Lazy when the field is.

    Raises
    ------
    ValueError
        If `coverage` is not between 0 and 1, or the field does not fit `integrate`.

    Examples
    --------
    >>> centres = {"lat": [10.5, 11.5], "lon": [100.5, 101.5]}
    >>> warm = xr.DataArray([[1.0, 3.0], [1.0, np.nan]], coords=centres, dims=("lat", "lon"))
    >>> aggregate(warm, Grid(west=100, east=102, south=10, north=12, step=2)).round(2).values.tolist()
    [[1.67]]
    """
    if not 0 <= coverage <= 1:
        msg = f"coverage is the share of a cell that must have values, 0 to 1; got {coverage}."
        raise ValueError(msg)
    known = integrate(field.notnull(), grid)
    # The area is compared with room for rounding, or coverage=1 would lose whole cells.
    enough = (known > 0) & (known >= coverage * (1 - 1e-9) * grid.area)
    mean = (integrate(field, grid) / known.where(enough)).astype(np.result_type(field.dtype, "f4"))
    return mean.assign_attrs(field.attrs).rename(field.name)


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
