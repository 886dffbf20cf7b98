"""Polygons on a grid: which cells lie in a country, and what share of each cell."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from xnee.grid import Grid

if TYPE_CHECKING:
    from shapely import MultiPolygon

__all__ = ["Region", "read_region", "read_regions", "region_mask", "share_inside", "shares_of_cells"]

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
    parts = _polygons(geometry)
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


def _polygons(geometry: Any) -> Any:
    """Take geometries apart into polygons; points and lines are left out."""
    import shapely

    parts = shapely.get_parts(np.atleast_1d(geometry))
    while np.any(np.isin(shapely.get_type_id(parts), (6, 7))):  # MultiPolygon, GeometryCollection
        parts = shapely.get_parts(parts)
    return parts[(shapely.get_type_id(parts) == 3) & ~shapely.is_empty(parts)]


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


def read_regions(regions: Region | Mapping[str, Region], *, name: str = "name") -> dict[str, MultiPolygon]:
    """Read the polygons of several regions, each with its name.

    Parameters
    ----------
    regions
        A table of regions: the path of a GeoJSON file, GeoJSON as a dict, or a GeoDataFrame, in degrees, as for
        `read_region`. Or a dict of names to anything that `read_region` takes.
    name
        The property, or column, that names a region. Rows of one name are one region.

    Returns
    -------
    dict
        One `shapely.MultiPolygon` for each name, in the order of the table.

    Raises
    ------
    FileNotFoundError, TypeError
        As `read_region`.
    ValueError
        As `read_region`; if a region has no such property, or none is there.

    Examples
    --------
    >>> square = {"type": "Polygon", "coordinates": [[[100, 20], [110, 20], [110, 30], [100, 20]]]}
    >>> table = {"type": "Feature", "properties": {"name": "Yunnan"}, "geometry": square}
    >>> list(read_regions(table)), list(read_regions({"here": square}))
    (['Yunnan'], ['here'])
    """
    named: dict[str, list[Any]] = {}
    if isinstance(regions, dict) and not _is_geojson(regions):
        named = {str(key): [read_region(value)] for key, value in regions.items()}
    else:
        for label, properties, geometry in _rows(regions):
            if not isinstance(properties.get(name), str | int | np.integer) or properties[name] == "":
                msg = (
                    f"each region needs a property {name!r} that names it; {label} has one with "
                    f"{sorted(map(str, properties)) or 'no properties'}. Choose another with read_regions(regions, "
                    "name=...), or give a dict of names to outlines, {'here': outline}."
                )
                raise ValueError(msg)
            named.setdefault(str(properties[name]), []).append(geometry)
    if not named:
        msg = "at least one region is needed, but the table is empty."
        raise ValueError(msg)
    return {key: read_region(_collection(shapes)) for key, shapes in named.items()}


def _is_geojson(content: dict[str, Any]) -> bool:
    return isinstance(content.get("type"), str)


def _rows(regions: Any) -> Iterator[tuple[str, Mapping[str, Any], Any]]:
    """Give label, properties and geometry of each row of a table; a bare outline is a row without properties."""
    if hasattr(regions, "to_crs"):  # GeoDataFrame, GeoSeries
        frame = regions if regions.crs is None else regions.to_crs("EPSG:4326")
        frame = frame.to_frame() if not hasattr(frame, "iterrows") else frame
        for _, row in frame.iterrows():
            properties = {str(key): value for key, value in row.items() if key != frame.geometry.name}
            yield "the table", properties, row[frame.geometry.name]
        return
    label, content = "the table", regions
    if isinstance(regions, str | PathLike):
        path = Path(fspath(regions)).expanduser()
        _read_geojson(path)  # the message of a file that is not GeoJSON is there
        label, content = path.name, json.loads(path.read_bytes().decode("utf-8-sig"))
    elif not isinstance(regions, dict):
        content = getattr(regions, "__geo_interface__", None)
    features: list[Any] = [content]
    if isinstance(content, dict):
        features = content.get("features", features)
    for feature in features:
        bare = not isinstance(feature, dict) or "properties" not in feature
        geometry = feature if bare else feature.get("geometry")
        if geometry is not None or bare:  # GeoJSON allows a feature that is nowhere
            yield label, {} if bare else feature["properties"] or {}, read_region(regions if bare else geometry)


def _collection(shapes: list[Any]) -> Any:
    import shapely

    return shapely.geometrycollections([shape for shape in shapes if shape is not None])


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


def shares_of_cells(shape: MultiPolygon, x: ArrayLike, y: ArrayLike) -> NDArray[np.float64]:
    """Give the share of each cell of a grid that lies inside a shape.

    The plane in which the edges are straight is the caller's choice: in one of equal areas the shares are those of
    the ground. Cells are not tested one by one: a block of cells is cut in halves until it lies inside, outside, or
    is one cell, so that the work goes with the length of the outline.

    Parameters
    ----------
    shape
        A valid shapely geometry, in the unit of the edges.
    x, y
        Edges of the columns and rows, one more than there are cells, ascending or descending.

    Returns
    -------
    numpy.ndarray
        ``(row, column)``, 0 to 1. Exact: the shares of two shapes that share an edge add up to that of both.

    Examples
    --------
    >>> import shapely
    >>> shares_of_cells(shapely.box(0.5, 0, 2, 1), x=[0, 1, 2, 3], y=[0, 1]).tolist()
    [[0.5, 1.0, 0.0]]
    """
    columns, rows = np.asarray(x, dtype="f8"), np.asarray(y, dtype="f8")
    share = np.zeros((rows.size - 1, columns.size - 1))
    _fill(share, shape, columns, rows)
    return share


_WHOLE = 1 - 1e-12  # of a block of cells: rounding in the areas of many corners


def _fill(share: NDArray[np.float64], shape: Any, x: NDArray[np.float64], y: NDArray[np.float64]) -> None:
    """Put shares into a block of cells, halving it until it is one cell, or all of it inside or outside."""
    import shapely

    box = shapely.box(min(x[0], x[-1]), min(y[0], y[-1]), max(x[0], x[-1]), max(y[0], y[-1]))
    part = shapely.intersection(shape, box)
    inside = part.area / box.area
    if inside <= 0:
        return
    if inside >= _WHOLE or share.size == 1:
        share[...] = min(inside, 1.0)
        return
    if part.geom_type == "GeometryCollection":  # an edge that only touches the box comes back as a line
        part = shapely.MultiPolygon(list(_polygons(part)))
    if share.shape[1] >= share.shape[0]:
        half = share.shape[1] // 2
        _fill(share[:, :half], part, x[: half + 1], y)
        _fill(share[:, half:], part, x[half:], y)
    else:
        half = share.shape[0] // 2
        _fill(share[:half], part, x, y[: half + 1])
        _fill(share[half:], part, x, y[half:])
