"""Forest cover into the store: one map, or several by year."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from xnee.cube.inputs import checksums, find_files
from xnee.cube.recipe import LandCoverRecipe, Recipe
from xnee.cube.writing import create
from xnee.grid import Grid
from xnee.pft import PFTS
from xnee.regions import read_region, share_inside
from xnee.sources.land_cover import read_land_cover

__all__ = ["cover_made_of", "find_maps", "write_cover"]

_CELLS = 4_000_000
"""Cells of the target that are averaged at once: 0.3 GB."""


def find_maps(cover: LandCoverRecipe) -> dict[int | None, Path]:
    """Find the files of land cover.

    Parameters
    ----------
    cover
        Which maps.

    Returns
    -------
    dict
        Path by year; by None where there is one map.

    Raises
    ------
    FileNotFoundError
        If one is missing.
    """
    named: Mapping[int | None, str] = cover.files if isinstance(cover.files, Mapping) else {None: cover.files}  # type: ignore[assignment]
    return {year: find_files([path], label="land_cover")[0] for year, path in named.items()}


def cover_made_of(recipe: Recipe) -> dict[str, Any]:
    """Describe what the forest cover is made of.

    Parameters
    ----------
    recipe
        With land cover.

    Returns
    -------
    dict
        JSON: checksums of the maps, legend, rule, region. Two that are equal give equal covers.
    """
    cover = recipe.land_cover
    if cover is None:
        return {}
    return {
        "files": checksums(list(find_maps(cover).values())),
        "years": [year for year in find_maps(cover) if year is not None],
        "year": cover.nearest_year(recipe.period),
        "legend": [str(cover.legend_of(year)) for year in find_maps(cover)],
        "rule": {pft: list(classes) for pft, classes in cover.rule.items()},
        "region": None if recipe.region is None else sha256(read_region(recipe.region).wkb).hexdigest()[:16],
    }


def write_cover(group: zarr.Group, recipe: Recipe) -> dict[str, dict[str, Any]]:
    """Write ``pft_fraction (pft, lat, lon)``, and ``pft_fraction_by_year (year, ...)`` where there are several maps.

    Parameters
    ----------
    group
        The store.
    recipe
        With land cover.

    Returns
    -------
    dict
        Attributes of each variable. Those of `xnee.read_land_cover`: what was read, and the forest area under each
        type, in each class that the rule leaves out, and without a class.

    Raises
    ------
    ValueError
        If `xnee.read_land_cover` refuses a map.
    """
    cover = recipe.land_cover
    if cover is None:
        return {}
    maps = find_maps(cover)
    chosen = cover.nearest_year(recipe.period)
    shape = (len(PFTS), recipe.grid.lat.size, recipe.grid.lon.size)
    static = create(group, "pft_fraction", dims=("pft", "lat", "lon"), shape=shape, tile=recipe.tile, dtype="f4")
    attrs = {"pft_fraction": _write_map(static, chosen, maps[chosen], recipe, ())}
    if len(maps) > 1:
        dims = ("year", "pft", "lat", "lon")
        yearly = create(
            group, "pft_fraction_by_year", dims=dims, shape=(len(maps), *shape), tile=recipe.tile, dtype="f4"
        )
        by_year = {year: _write_map(yearly, year, path, recipe, (i,)) for i, (year, path) in enumerate(maps.items())}
        areas = {year: json.loads(said["area_km2"]) for year, said in by_year.items()}
        attrs["pft_fraction_by_year"] = attrs["pft_fraction"] | {"area_km2": json.dumps(areas)}
        attrs["pft_fraction_by_year"]["source"] = ", ".join(path.name for path in maps.values())
        years = group.create_array(
            "year", shape=(len(maps),), dtype="i4", fill_value=0, dimension_names=["year"], overwrite=True
        )
        years[:] = np.array(list(maps), dtype="i4")
        attrs["year"] = {"long_name": "year of the land-cover map"}
        attrs["pft_fraction"]["year"] = chosen
        attrs["pft_fraction"]["comment"] = f"the map of {chosen} for all months; all maps are in pft_fraction_by_year"
    return attrs


def _write_map(array: Any, year: int | None, path: Path, recipe: Recipe, place: tuple[int, ...]) -> dict[str, Any]:
    """Write one map into its place, band by band, and add up its areas."""
    cover = recipe.land_cover
    if cover is None:
        return {}
    total: dict[str, Any] = {}
    for rows, band in _bands(recipe.grid, recipe.tile):
        if band != recipe.grid and recipe.region is not None and share_inside(recipe.region, band) == 0:
            array[(*place, slice(None), rows, slice(None))] = 0
            continue
        legend = cover.legend_of(year)
        ds = read_land_cover(path, legend=legend, grid=band, rule=cover.rule, region=recipe.region)
        fraction, attrs = ds["pft_fraction"].to_numpy(), dict(ds["pft_fraction"].attrs)
        array[(*place, slice(None), rows, slice(None))] = fraction
        total = _add(total, attrs)
    return total


def _bands(grid: Grid, tile: int) -> Iterator[tuple[slice, Grid]]:
    """Cut a grid into bands of whole tiles that fit into memory."""
    height = max(tile, _CELLS // grid.lon.size // tile * tile)
    if height >= grid.lat.size:
        yield slice(0, grid.lat.size), grid
        return
    for first in range(0, grid.lat.size, height):
        rows = slice(first, min(first + height, grid.lat.size))
        south, north = (float(grid.lat_edges[i]) for i in (rows.start, rows.stop))
        yield rows, Grid(west=grid.west, east=grid.east, south=south, north=north, step=grid.step)


def _add(total: dict[str, Any], attrs: dict[str, Any]) -> dict[str, Any]:
    """Add the areas of a band to those before; the other attributes are the same for all."""
    added = {**total, **attrs}
    for key in ("area_km2", "area_left_out_km2"):
        if key in total and key in attrs:
            before, more = json.loads(total[key]), json.loads(attrs[key])
            sums = {name: round(before.get(name, 0) + more.get(name, 0), 1) for name in {**before, **more}}
            added[key] = json.dumps(sums)
    if "area_without_class_km2" in total and attrs:
        added["area_without_class_km2"] = total["area_without_class_km2"] + attrs["area_without_class_km2"]
    return added
