"""Polygons on a grid: which cells lie in a country."""

from __future__ import annotations

import json
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from xnee.grid import Grid

if TYPE_CHECKING:
    from shapely import MultiPolygon

__all__ = ["Region", "read_region", "region_mask", "share_inside"]

# A path, GeoJSON as a dict, a shapely geometry, a GeoDataFrame or a GeoSeries: what has __geo_interface__ will do.
Region: TypeAlias = str | PathLike[str] | Any

_ROWS = 256
"""Rows tested at once: a global 0.05 degree grid then needs tens of MB, not a GB of coordinates."""


def read_region(region: Region) -> MultiPolygon:
    """Read the polygons of a region.

    Parameters
    ----------
    region
        Path of a GeoJSON file, GeoJSON as a dict (a bare geometry, a Feature or a FeatureCollection), a shapely
        geometry, or a GeoDataFrame. Degrees, longitudes from -180 to 180; a GeoDataFrame in another coordinate
        system is brought to them. Points and lines are left out.

    Returns
    -------
    shapely.MultiPolygon
        All polygons as one valid geometry: overlaps count once.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    TypeError
        If `region` is none of these kinds.
    ValueError
        If the file is not GeoJSON, holds no polygon, or is not in degrees.

    Examples
    --------
    >>> triangle = {"type": "Polygon", "coordinates": [[[100, 20], [110, 20], [110, 30], [100, 20]]]}
    >>> read_region(triangle).bounds
    (100.0, 20.0, 110.0, 30.0)
    """
    import shapely  # here, as importing it takes longer than the rest of xnee

    label, geometry = _geometry(region)
    parts = shapely.get_parts(np.atleast_1d(geometry))
    while np.any(np.isin(shapely.get_type_id(parts), (6, 7))):  # MultiPolygon, GeometryCollection
        parts = shapely.get_parts(parts)
    parts = parts[(shapely.get_type_id(parts) == 3) & ~shapely.is_empty(parts)]
    if parts.size == 0:
        msg = f"a region needs at least one polygon, but {label} holds none. Give the outline of an area."
        raise ValueError(msg)
    whole = shapely.MultiPolygon(list(parts))
    if not whole.is_valid:  # parts that overlap or cross themselves
        whole = read_region(shapely.union_all(shapely.make_valid(parts)))
    west, south, east, north = whole.bounds
    if not (-180 <= west <= east <= 180 and -90 <= south <= north <= 90):
        msg = (
            f"a region must be in degrees, longitudes from -180 to 180, but {label} reaches from {west:g} to {east:g} "
            f"and from {south:g} to {north:g}. Bring it to EPSG:4326 first, or cut it at 180 degrees."
        )
        raise ValueError(msg)
    return whole


def _geometry(region: Region) -> tuple[str, Any]:
    """Find the geometry or geometries of a region, and what to call it in messages."""
    import shapely

    if isinstance(region, str | PathLike):
        path = Path(fspath(region)).expanduser()
        return path.name, _read_geojson(path)
    if hasattr(region, "to_crs"):  # GeoDataFrame, GeoSeries
        frame = region if region.crs is None else region.to_crs("EPSG:4326")
        return "the table", np.asarray(frame.geometry)
    if isinstance(region, shapely.Geometry):
        return f"the {region.geom_type}", region
    content = region if isinstance(region, dict) else getattr(region, "__geo_interface__", None)
    if content is None:
        msg = (
            "a region is the path of a GeoJSON file, GeoJSON as a dict, a shapely geometry or a GeoDataFrame; got "
            f"{type(region).__name__}."
        )
        raise TypeError(msg)
    return "the dict", _parse(json.dumps(content), "the dict")


def _read_geojson(path: Path) -> Any:
    """Read a GeoJSON file."""
    if not path.is_file():
        msg = f"no such file: {path}. Give the path of a GeoJSON file."
        raise FileNotFoundError(msg)
    return _parse(path.read_bytes(), path.name)


def _parse(text: str | bytes, label: str) -> Any:
    """Turn GeoJSON into a shapely geometry."""
    import shapely

    try:
        return shapely.from_geojson(text.decode("utf-8-sig") if isinstance(text, bytes) else text)
    except (shapely.errors.GEOSException, ValueError) as error:
        msg = (
            f"{label} is not GeoJSON ({error}). Other formats can be read with geopandas.read_file: the GeoDataFrame "
            "it gives is a region too."
        )
        raise ValueError(msg) from error


def region_mask(region: Region, lat: ArrayLike, lon: ArrayLike) -> xr.DataArray:
    """Tell which cells have their centre inside a region.

    Parameters
    ----------
    region
        Anything that `read_region` takes.
    lat, lon
        Cell centres in degrees, one dimension each, in any order, regular or not. Longitudes may be counted from
        -180 or from 0.

    Returns
    -------
    xarray.DataArray
        ``(lat, lon)``, bool, in memory, on the centres as given. A centre on the outline is outside. All False
        where no centre is inside: it is for the caller to say whether that is an error.

    Raises
    ------
    FileNotFoundError, TypeError, ValueError
        If the region cannot be read (see `read_region`).

    Examples
    --------
    >>> triangle = {"type": "Polygon", "coordinates": [[[100, 20], [110, 20], [110, 30], [100, 20]]]}
    >>> region_mask(triangle, lat=[22, 28], lon=[101, 109]).values.astype(int).tolist()
    [[0, 1], [0, 1]]
    """
    import shapely

    shape = read_region(region)
    shapely.prepare(shape)  # an index over the edges: 1,911 islands on 800 x 1400 cells take 0.2 s
    y, x = np.asarray(lat, dtype="f8"), np.asarray(lon, dtype="f8")
    turned = (x + 180) % 360 - 180
    west, south, east, north = shape.bounds
    rows, columns = np.flatnonzero((y >= south) & (y <= north)), np.flatnonzero((turned >= west) & (turned <= east))
    inside = np.zeros((y.size, x.size), dtype=bool)
    for some in np.array_split(rows, range(_ROWS, rows.size, _ROWS)):
        inside[np.ix_(some, columns)] = shapely.contains_xy(shape, turned[columns][None, :], y[some][:, None])
    return xr.DataArray(inside, coords={"lat": y, "lon": x}, dims=("lat", "lon"), name="inside")


def share_inside(region: Region, box: Grid | tuple[float, float, float, float]) -> float:
    """Give the share of a region's area that lies inside a box.

    Parameters
    ----------
    region
        Anything that `read_region` takes.
    box
        Its outer edges, west, south, east, north in degrees, or a grid.

    Returns
    -------
    float
        0 to 1, by area on a sphere.

    Raises
    ------
    FileNotFoundError, TypeError, ValueError
        If the region cannot be read (see `read_region`).

    Examples
    --------
    >>> square = {"type": "Polygon", "coordinates": [[[0, 0], [10, 0], [10, 10], [0, 10], [0, 0]]]}
    >>> share_inside(square, (0, -5, 5, 20))
    0.5
    """
    import shapely

    west, south, east, north = (box.west, box.south, box.east, box.north) if isinstance(box, Grid) else box
    # On the cylinder of equal areas (longitude, sine of latitude) a box stays a box and planar areas are true ones.
    flat = shapely.transform(read_region(region), lambda xy: np.stack([xy[:, 0], np.sin(np.deg2rad(xy[:, 1]))], axis=1))
    low, high = np.sin(np.deg2rad([south, north]))
    return float(shapely.intersection(flat, shapely.box(west, low, east, high)).area / flat.area)
