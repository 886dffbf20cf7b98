"""Coasts and borders, from nothing but what the user gives."""

from __future__ import annotations

import json
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xnee.products.axes import crs_of, space_of

__all__ = ["draw_outline", "lines_of"]


def lines_of(outline: object) -> list[NDArray[np.float64]]:
    """Read the lines of a coast or border.

    Parameters
    ----------
    outline
        Path of a GeoJSON file; GeoJSON as a dict; a shapely geometry or a GeoDataFrame. Degrees. Of polygons the
        rings, inner ones too; lines as they are; points are left out.

    Returns
    -------
    list of numpy.ndarray
        Each ``(point, 2)``, longitude and latitude.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    TypeError
        If it is none of these kinds.
    ValueError
        If it is not GeoJSON, or holds no line and no polygon.

    Examples
    --------
    >>> [line.shape for line in lines_of({"type": "LineString", "coordinates": [[100, 20], [110, 30]]})]
    [(2, 2)]
    """
    import shapely

    label, text = _geojson(outline)
    try:
        parts = shapely.get_parts(np.atleast_1d(shapely.from_geojson(text)))
    except (shapely.errors.GEOSException, ValueError) as error:
        msg = f"{label} is not GeoJSON ({error}). geopandas.read_file reads other formats; give what it returns."
        raise ValueError(msg) from error
    while np.any(collections := np.isin(shapely.get_type_id(parts), (4, 5, 6, 7))):  # Multi... and collections
        parts = np.concatenate([parts[~collections], shapely.get_parts(parts[collections])])
    kind = shapely.get_type_id(parts)
    lines = [*parts[np.isin(kind, (1, 2))], *shapely.get_rings(parts[kind == 3])]
    found = [shapely.get_coordinates(line) for line in lines if not line.is_empty]
    if not found:
        msg = f"{label} holds no line and no polygon, so there is no outline to draw."
        raise ValueError(msg)
    return found


def _geojson(outline: Any) -> tuple[str, str]:
    """Give what to call an outline in messages, and its text."""
    if isinstance(outline, str | PathLike):
        path = Path(fspath(outline)).expanduser()
        if not path.is_file():
            msg = f"no such file: {path}. outline is the path of a GeoJSON file with coasts or borders."
            raise FileNotFoundError(msg)
        return path.name, path.read_text(encoding="utf-8-sig", errors="replace")
    if hasattr(outline, "to_crs") and outline.crs is not None:
        outline = outline.to_crs("EPSG:4326")
    content = outline if isinstance(outline, dict) else getattr(outline, "__geo_interface__", None)
    if content is None:
        msg = (
            "an outline is the path of a GeoJSON file, GeoJSON as a dict, a shapely geometry or a GeoDataFrame; got "
            f"{type(outline).__name__}."
        )
        raise TypeError(msg)
    return "the outline", json.dumps(content)


def draw_outline(axis: Any, outline: object, ds: xr.Dataset) -> None:
    """Draw coasts or borders over a map.

    Parameters
    ----------
    axis
        Of matplotlib.
    outline
        As of `lines_of`; None draws nothing.
    ds
        The map: one in a projection says in which, and the lines are brought to it.

    Raises
    ------
    FileNotFoundError, TypeError, ValueError
        As `lines_of`; ValueError too if a map in a projection does not say in which.
    """
    if outline is None:
        return
    from matplotlib.collections import LineCollection

    lines = lines_of(outline)
    if space_of(ds) != ("lat", "lon"):
        from pyproj import Transformer

        turn = Transformer.from_crs("EPSG:4326", crs_of(ds), always_xy=True)
        lines = [np.stack(turn.transform(*line.T), axis=1) for line in lines]
        lines = [line[np.isfinite(line).all(axis=1)] for line in lines]  # what the projection cannot show
    axis.add_collection(LineCollection(lines, colors="0.25", linewidths=0.6), autolim=False)
