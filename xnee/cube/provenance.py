"""Where each driver of a cube came from, and how much of it is missing where there is forest."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
import zarr
from dask.base import tokenize

from xnee.cube.inputs import checksums
from xnee.cube.opening import Opened
from xnee.cube.recipe import DriverRecipe
from xnee.cube.staging import Region
from xnee.grid import Grid, cell_area
from xnee.variables import DRIVERS, VARIABLES

__all__ = ["driver_attrs", "driver_made_of", "provenance_table", "share_missing"]

_TOLD = ("conversions", "conversion", "method", "history")
"""Attributes in which a source may say how it made the values, most telling first."""


def driver_made_of(driver: DriverRecipe, opened: Opened) -> dict[str, Any]:
    """Describe what a driver is made of.

    Parameters
    ----------
    driver
        Its part of the recipe.
    opened
        What that opened.

    Returns
    -------
    dict
        JSON: names and checksums of the files, and what the recipe says. Two that are equal, on the same grid and
        period, give equal values. Folders are not in it: files may be moved.
    """
    files = checksums(opened.files)
    if not files:
        # of data in memory the content, of lazy ones the graph: when in doubt it differs and the driver is made anew
        files = {"source": tokenize([plane.variable for plane in opened.planes])}
    said = {
        "product": driver.product,
        "options": dict(driver.options),
        "coverage": driver.coverage,
        "fill": driver.fill,
    }
    return {"files": files, "recipe": json.loads(json.dumps(said | {"method": opened.method}, default=str))}


def driver_attrs(opened: Opened, made_of: dict[str, Any], done: dict[str, Any]) -> dict[str, Any]:
    """Give a driver its attributes.

    Parameters
    ----------
    opened
        The driver.
    made_of
        See `driver_made_of`.
    done
        What was done to it (see `xnee.cube.writing.write_driver`).

    Returns
    -------
    dict
        Texts and numbers: those of the source, those of the vocabulary, and ``provenance``, JSON.
    """
    told = {key: value for key, value in opened.attrs.items() if isinstance(value, str | int | float)}
    row = VARIABLES[opened.name]
    provenance = json.dumps(made_of | done, ensure_ascii=False)
    return told | {"units": row.units, "long_name": row.long_name, "provenance": provenance}


def share_missing(group: zarr.Group, name: str, *, grid: Grid, regions: Sequence[Region]) -> float | None:
    """Find how much of a driver is missing where there is forest.

    Parameters
    ----------
    group
        The store, with the driver and, for maps, ``pft_fraction``.
    name
        A driver.
    grid
        Its grid.
    regions
        Its tiles.

    Returns
    -------
    float or None
        Share of months times forest area, 0 to 1; of all area where there is no land cover. None without forest.
    """
    height = cell_area(grid.lat, grid.lon[:2]).to_numpy()[:, :1]  # all cells of a row are alike
    missing = total = 0.0
    for tile in regions:
        weight = np.broadcast_to(height[tile["lat"]], [tile[axis].stop - tile[axis].start for axis in ("lat", "lon")])
        if "pft_fraction" in group:
            weight = weight * np.asarray(group["pft_fraction"][:, tile["lat"], tile["lon"]]).sum(axis=0, dtype="f8")  # type: ignore[index]
        if weight.max() > 0:
            values = np.asarray(group[name][..., tile["lat"], tile["lon"]])  # type: ignore[index]
            gaps = np.isnan(values).reshape(-1, *weight.shape)
            missing += float((gaps * weight).sum())
            total += float(weight.sum()) * gaps.shape[0]
    return round(missing / total, 6) if total else None


def provenance_table(cube: xr.Dataset) -> str:
    """Write out where a cube came from.

    Parameters
    ----------
    cube
        What `build_cube` gives.

    Returns
    -------
    str
        A block for each driver: files with checksum, what was converted, how it came onto the grid, and the share of
        months times forest area that is missing; and for the forest its area by type, and in the classes that the
        rule leaves out. Lines end without a newline.

    Raises
    ------
    ValueError
        If the cube does not say.

    Examples
    --------
    >>> provenance_table(xr.Dataset({"TEMP": ("time", [1.0])}))
    Traceback (most recent call last):
        ...
    ValueError: only cubes made by build_cube say where they came from; this one has no attribute provenance.
    """
    names = [name for name in DRIVERS if name in cube and "provenance" in cube[name].attrs]
    if not names:
        msg = "only cubes made by build_cube say where they came from; this one has no attribute provenance."
        raise ValueError(msg)
    lines = [line for name in names for line in _driver_lines(cube[name])]
    if "pft_fraction" in cube:
        lines += _cover_lines(cube["pft_fraction"].attrs)
    return "\n".join(lines)


def _driver_lines(driver: xr.DataArray) -> list[str]:
    """Write out one driver."""
    said = json.loads(driver.attrs["provenance"])
    files = list(said["files"].items())
    shown = [f"{name} {check}" for name, check in (files if len(files) < 4 else [files[0], files[-1]])]
    missing = driver.attrs.get("share_missing_in_forest")
    told = next((str(driver.attrs[key]) for key in _TOLD if driver.attrs.get(key)), "none said")
    counts = [
        f"{said[key]} {what}"
        for key, what in (
            ("months_without_data", "months without data"),
            ("values_out_of_range", "values out of range, now missing"),
            ("values_filled", f"values filled by {said['recipe']['fill']}"),
        )
        if said[key]
    ]
    lines = [
        f"{driver.name}, {driver.attrs['units']}: missing in the forest: "
        + ("no forest" if missing is None else f"{missing:.1%}"),
        f"    files: {len(files)}: {' ... '.join(shown)}",
        f"    conversions: {told}",
        f"    regridding: {said['regridding']}",
    ]
    counts += [str(driver.attrs["climatology"])] if "climatology" in driver.attrs else []
    return [*lines, f"    {'; '.join(counts)}"] if counts else lines


def _cover_lines(attrs: dict[str, Any]) -> list[str]:
    """Write out the forest."""
    area, left_out = (json.loads(attrs.get(key, "{}")) for key in ("area_km2", "area_left_out_km2"))
    largest = sorted(left_out.items(), key=lambda item: -item[1])[:6]
    year = f" of {attrs['year']}" if "year" in attrs else ""
    lines = [
        f"forest{year}, {attrs.get('source')}, legend {attrs.get('legend')}, rule {attrs.get('rule')}",
        f"    area, km2: {_areas(area)}; together {sum(area.values()):,.0f}",
    ]
    if left_out:
        lines.append(f"    not forest by the rule, km2, largest classes: {_areas(dict(largest))}")
    return lines


def _areas(area: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:,.0f}" for name, value in area.items())
