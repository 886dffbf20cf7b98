"""The axes of a map in a file: months, and cells in degrees or in a projection, with their bounds and areas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dask.array as da
import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from pyproj import CRS, Transformer

from xnee.grid import bounds, cell_area, tiles

__all__ = ["crs_of", "describe_axes", "extent", "months", "space_of", "tiles_of", "with_area"]

_SPACES = (("lat", "lon"), ("y", "x"))
_AREA = {"units": "m2", "standard_name": "cell_area", "coverage_content_type": "auxiliaryInformation"}
_DEGREES = {"lat": ("Y", "latitude", "degrees_north"), "lon": ("X", "longitude", "degrees_east")}


def space_of(ds: xr.Dataset | xr.DataArray) -> tuple[str, str]:
    """Name the two dimensions of the ground.

    Parameters
    ----------
    ds
        A map, or a Dataset of maps.

    Returns
    -------
    tuple
        ``("lat", "lon")``, or ``("y", "x")`` for a map in a projection.

    Raises
    ------
    ValueError
        If it has neither pair.

    Examples
    --------
    >>> space_of(xr.DataArray([[0.0]], dims=("y", "x")))
    ('y', 'x')
    """
    for space in _SPACES:
        if set(space) <= set(ds.dims):
            return space
    msg = (
        f"a map has the dimensions (time, lat, lon), or (time, y, x) in a projection; this one has {list(ds.dims)}. "
        "Predict from a cube, and rename its dimensions first where they differ."
    )
    raise ValueError(msg)


def tiles_of(ds: xr.Dataset, side: int) -> list[dict[str, slice]]:
    """Cut a map into square tiles.

    Parameters
    ----------
    ds
        Maps with their axes.
    side
        Cells along one side of a tile.

    Returns
    -------
    list
        A slice of each dimension of the ground, row by row, covering each cell once.
    """
    down, across = space_of(ds)
    return [{down: part["lat"], across: part["lon"]} for part in tiles(ds.sizes[down], ds.sizes[across], side)]


def crs_of(ds: xr.Dataset) -> CRS:
    """Find the coordinate system of a map.

    Parameters
    ----------
    ds
        Dataset of maps. One in a projection says which in a variable ``spatial_ref`` or ``crs``, as rioxarray writes
        it, or in the attribute ``crs``: anything that pyproj understands.

    Returns
    -------
    pyproj.CRS
        WGS84 for ``(lat, lon)``.

    Raises
    ------
    ValueError
        If a map in a projection does not say in which, or its unit is not the metre.

    Examples
    --------
    >>> maps = xr.Dataset({"NEE": (("y", "x"), [[0.0]])}, attrs={"crs": "EPSG:6933"})
    >>> crs_of(maps).to_epsg()
    6933
    """
    if space_of(ds) == ("lat", "lon"):
        return CRS.from_epsg(4326)
    said = next((_said(ds[name].attrs) for name in ("spatial_ref", "crs") if name in ds.variables), ds.attrs.get("crs"))
    if said is None:
        msg = (
            "a map (time, y, x) must say in which projection it is: in a variable spatial_ref, as "
            'ds.rio.write_crs("EPSG:...") makes it, or in the attribute crs.'
        )
        raise ValueError(msg)
    crs = CRS.from_cf(dict(said)) if isinstance(said, Mapping) else CRS.from_user_input(said)
    if not crs.is_projected or {axis.unit_conversion_factor for axis in crs.axis_info} != {1.0}:
        msg = (
            f"a map (time, y, x) must be in a projection in metres; it is in {crs.name!r}. Use lat and lon for degrees."
        )
        raise ValueError(msg)
    return crs


def _said(attrs: Mapping[str, Any]) -> Any:
    return attrs.get("crs_wkt") or attrs.get("spatial_ref") or dict(attrs)


def months(ds: xr.Dataset) -> pd.DatetimeIndex:
    """Give the time axis, after checking that it holds every month.

    Parameters
    ----------
    ds
        Any Dataset with a coordinate ``time``.

    Returns
    -------
    pandas.DatetimeIndex
        Month starts.

    Raises
    ------
    ValueError
        If time is empty, no datetime64, or not month starts in a row.
    """
    time = ds.indexes["time"]
    if isinstance(time, pd.DatetimeIndex) and time.size:
        whole = pd.date_range(time[0].to_period("M").to_timestamp(), periods=time.size, freq="MS")
        if bool((time == whole).all()):
            return time
    msg = f"time must be month starts in a row, each month once, as datetime64; got {time.size}: {list(time[:3])}..."
    raise ValueError(msg)


def with_area(product: xr.Dataset, crs: CRS, *, chunks: Mapping[Any, tuple[int, ...]]) -> xr.Dataset:
    """Add the area of each cell, and its latitude and longitude where the axes are not these.

    Parameters
    ----------
    product
        Maps with their axes.
    crs
        What `crs_of` gave.
    chunks
        Of the maps; empty for maps in memory.

    Returns
    -------
    xarray.Dataset
        With ``area`` (m2, on the WGS84 ellipsoid, whatever the projection makes of it) and, in a projection, ``lat``
        and ``lon (y, x)``. Lazy where `chunks` are given.
    """
    space = space_of(product)
    down, across = (_lazy(product[dim].to_numpy(), chunks.get(dim)) for dim in space)
    text = {"long_name": "area of the cell on the WGS84 ellipsoid"}
    if space == ("lat", "lon"):
        per_degree = cell_area(product["lat"], [-0.5, 0.5])[:, 0].to_numpy()  # of longitude
        width = np.abs(np.diff(bounds(product["lon"]), axis=1)[:, 0])
        area = _map(np.multiply, _lazy(per_degree, chunks.get("lat")), _lazy(width, chunks.get("lon")))
        return product.assign(area=(space, area, _AREA | text))
    ends = {dim: bounds(product[dim]) for dim in space}
    edges = [_lazy(ends[dim][:, side], chunks.get(dim)) for dim in space for side in (0, 1)]
    lat, lon = (_map(_place, down, across, crs=crs.to_wkt(), which=which) for which in (0, 1))
    area = _map(_ground, *edges, crs=crs.to_wkt())
    place = {name: (space, values, _degrees(name)) for name, values in (("lat", lat), ("lon", lon))}
    return product.assign(area=(space, area, _AREA | text)).assign_coords(place)


def _lazy(values: NDArray[np.float64], chunks: tuple[int, ...] | None) -> Any:
    if chunks is None:
        return values
    return da.from_array(values, chunks=(chunks,))  # type: ignore[no-untyped-call]


def _map(function: Any, *axes: Any, **options: Any) -> Any:
    """Call a function on each block of a grid: of the arrays along its two axes, the first half are along the rows."""
    half = len(axes) // 2

    def of_block(*parts: NDArray[np.float64]) -> NDArray[np.float64]:
        grid = [part[:, None] if i < half else part[None, :] for i, part in enumerate(parts)]
        result: NDArray[np.float64] = function(*np.broadcast_arrays(*grid), **options)
        return result

    if isinstance(axes[0], np.ndarray):
        return of_block(*axes)
    pairs = [item for i, axis in enumerate(axes) for item in (axis, "i" if i < half else "j")]
    # rows and columns are cut alike already; that a grid has more blocks than its edges is no reason for a warning
    return da.blockwise(  # type: ignore[no-untyped-call]
        of_block, "ij", *pairs, dtype="f8", meta=np.empty((0, 0)), align_arrays=False
    )


def _place(y: NDArray[np.float64], x: NDArray[np.float64], *, crs: str, which: int) -> NDArray[np.float64]:
    """Give latitude (0) or longitude (1) of cells."""
    lon, lat = Transformer.from_crs(crs, 4326, always_xy=True).transform(x, y)
    return np.asarray((lat, lon)[which])


def _ground(
    south: NDArray[np.float64],
    north: NDArray[np.float64],
    west: NDArray[np.float64],
    east: NDArray[np.float64],
    *,
    crs: str,
) -> NDArray[np.float64]:
    """Give areas of cells: their outlines of eight points are brought onto the cylinder of equal areas, EPSG:6933."""
    turn = Transformer.from_crs(crs, 6933, always_xy=True).transform
    x, y = (west + east) / 2, (south + north) / 2
    ring = [(west, south), (x, south), (east, south), (east, y), (east, north), (x, north), (west, north), (west, y)]
    corners = [turn(*corner) for corner in ring]
    crosses = [one[0] * two[1] - two[0] * one[1] for one, two in zip(corners, [*corners[1:], corners[0]], strict=True)]
    return np.asarray(np.abs(np.sum(crosses, axis=0)) / 2)


def _degrees(name: str) -> dict[str, str]:
    _, word, unit = _DEGREES[name]
    return {"standard_name": word, "long_name": f"{word} of the centre of the cell", "units": unit}


def describe_axes(product: xr.Dataset, crs: CRS) -> xr.Dataset:
    """Set the attributes and the bounds of time and space, and the variable of the coordinate system.

    Parameters
    ----------
    product
        Maps with their axes.
    crs
        What `crs_of` gave.

    Returns
    -------
    xarray.Dataset
        With ``time_bnds``, bounds of the two axes of the ground, and ``crs``.
    """
    edges = pd.date_range(months(product)[0], periods=product.sizes["time"] + 1, freq="MS").to_numpy()
    product["time_bnds"] = (("time", "bnds"), np.stack([edges[:-1], edges[1:]], axis=1))
    for dim in space_of(product):
        product[f"{dim}_bnds"] = ((dim, "bnds"), bounds(product[dim], limit=90 if dim == "lat" else None))
        text = (
            {**_degrees(dim), "axis": _DEGREES[dim][0]}
            if dim in _DEGREES
            else {
                "standard_name": f"projection_{dim}_coordinate",
                "long_name": f"{dim} of the centre of the cell",
                "units": "m",
                "axis": dim.upper(),
            }
        )
        product[dim].attrs = {**text, "bounds": f"{dim}_bnds"}
    product["time"].attrs = {"standard_name": "time", "long_name": "first day of the month", "axis": "T"}
    # CF 1.11 asks for units_metadata: whole calendar days, no leap second is counted.
    product["time"].attrs |= {"bounds": "time_bnds", "units_metadata": "leap_seconds: none"}
    product["crs"] = xr.Variable((), np.int32(0), crs.to_cf())
    if crs.to_epsg() == 4326:
        product["crs"].attrs["horizontal_datum_name"] = "World Geodetic System 1984"
    product["crs"].attrs["long_name"] = f"coordinate reference system, {crs.name.replace('WGS 84', 'WGS84')}"
    return product


def extent(ds: xr.Dataset, crs: CRS) -> dict[str, float]:
    """Give the outer edges of a map in degrees.

    Parameters
    ----------
    ds
        Maps with their axes.
    crs
        What `crs_of` gave.

    Returns
    -------
    dict
        ``south``, ``north``, ``west`` and ``east``.
    """
    down, across = (bounds(ds[dim].to_numpy(), limit=90 if dim == "lat" else None) for dim in space_of(ds))
    box = (across.min(), down.min(), across.max(), down.max())
    if space_of(ds) == ("y", "x"):
        box = Transformer.from_crs(crs, 4326, always_xy=True).transform_bounds(*box)
    return dict(zip(("west", "south", "east", "north"), map(float, box), strict=True))
