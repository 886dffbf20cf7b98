"""Land cover: from class codes in a file to the share of each cell under each forest type."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xnee.grid import Grid, cell_area, integrate
from xnee.pft import IGBP_FOREST, LEGENDS, PFTS, Legend, check_pfts
from xnee.regions import Region, read_region, region_mask, share_inside
from xnee.sources.class_codes import NO_CLASS, ROWS, Box, ClassFile, open_classes, read_classes

if TYPE_CHECKING:
    from shapely import MultiPolygon

__all__ = ["read_land_cover"]

_OUTSIDE = -2
"""Code in memory of a cell outside the region, beside `NO_CLASS`."""

_OTHER_SCHEMES = re.compile(r"(LC|Land_Cover)_Type_?[2-5](?![\dA-Za-z])|LC_Prop\d", re.IGNORECASE)

_ENOUGH = 0.999
"""Share of the area asked for that a file must hold. Not all: a coast may reach a cell past the edge of a crop."""


def read_land_cover(
    path: str | PathLike[str],
    *,
    legend: str | Legend,
    grid: Grid | None = None,
    rule: Mapping[str, tuple[int, ...]] = IGBP_FOREST,
    region: Region | None = None,
) -> xr.Dataset:
    """Read a land-cover map as the share of each cell under each forest type.

    Parameters
    ----------
    path
        GeoTIFF or NetCDF of class codes on geographic coordinates (any datum), one band or one variable.
    legend
        What the codes mean: ``"MCD12C1"`` (water 0), ``"MCD12Q1"`` (water 17), or a `Legend`. Never guessed.
    grid
        Target, as coarse as the file or coarser, aligned with it or not: the share is by area. Without one, the
        cells of the file, each 0 or 1.
    rule
        The classes that make each type. A class in none of them is left out, and its area is reported.
    region
        Only cells of the file with their centre inside count as ground under a type: path of a GeoJSON file, shapely
        geometry or GeoDataFrame (see `xnee.regions.read_region`). Cells are masked before they are averaged, so
        that totals are the same on any grid.

    Returns
    -------
    xarray.Dataset
        ``pft_fraction (pft, lat, lon)``, float32, share of the area of the whole cell, 0 to 1; all five types in the
        order of `PFTS`, both coordinates ascending. In memory on a `grid`, else lazy. The attributes, of the Dataset
        and of the variable, say what was read, and how much ground inside the region and the grid is under each type
        (``area_km2``, JSON), in each class left out (``area_left_out_km2``, JSON) and without a class
        (``area_without_class_km2``).

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file cannot be read, is not geographic, holds codes that are not in the legend, or lacks part of the
        area asked for; if the grid is finer than the file; if the legend or a type is unknown; if a class makes two
        types; if no cell lies inside the region.

    Examples
    --------
    >>> import tempfile
    >>> codes = xr.DataArray(np.array([[4, 4], [8, 0]], "u1"), coords={"lat": [11, 10], "lon": [99, 100]}, name="igbp")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     codes.to_netcdf(f"{folder}/cover.nc")
    ...     cover = read_land_cover(f"{folder}/cover.nc", legend="MCD12C1")
    >>> cover["pft_fraction"].sel(pft="DBF").values.tolist()    # south first
    [[0.0, 0.0], [1.0, 1.0]]
    >>> cover.attrs["area_left_out_km2"]
    '{"8": 12126.8}'
    """
    chosen = _check_legend(legend)
    _check_rule(rule, chosen)
    shape = None if region is None else read_region(region)
    with open_classes(Path(fspath(path)).expanduser()) as file:
        _check_scheme(file, legend)
        _check_step(file, grid)
        codes = read_classes(file, box=_wanted_box(file, grid, shape), legend=chosen)
    if shape is not None:
        codes = codes.where(region_mask(shape, codes["lat"], codes["lon"]), _OUTSIDE)
        _check_not_empty(codes)
    fraction = _indicate(codes.chunk(lat=ROWS), rule) if grid is None else _share(codes, rule, grid)
    attrs = {
        "source": Path(path).name,
        "legend": legend if isinstance(legend, str) else repr(legend),
        "rule": json.dumps({pft: list(classes) for pft, classes in rule.items()}),
        "region": _region_name(region),
        **_areas(codes, rule, chosen, grid),
    }
    named = {"units": "1", "standard_name": "area_fraction", "long_name": "share of the cell under each type"}
    # On the variable too: a Dataset loses its attributes when it is merged into a cube.
    return xr.Dataset({"pft_fraction": fraction.assign_attrs(named | attrs)}, attrs=attrs)


def _region_name(region: Region | None) -> str:
    """Name a region in an attribute."""
    if region is None:
        return "none"
    return Path(region).name if isinstance(region, str | PathLike) else type(region).__name__


def _check_legend(legend: str | Legend) -> Legend:
    """Find a legend by its name."""
    if isinstance(legend, str):
        if legend not in LEGENDS:
            msg = (
                f"unknown legend {legend!r}; known are {', '.join(LEGENDS)}. Describe another product with "
                "xnee.pft.Legend(codes=..., water=..., fill=...)."
            )
            raise ValueError(msg)
        return LEGENDS[legend]
    if not all(0 <= code < 2**15 for code in legend.codes):
        msg = f"the codes of a legend must be whole numbers from 0 to 32767; got {legend.codes}."
        raise ValueError(msg)
    return legend


def _check_rule(rule: Mapping[str, tuple[int, ...]], legend: Legend) -> None:
    """Refuse a rule that the legend cannot fill or that counts ground twice."""
    check_pfts(rule)
    used = [code for classes in rule.values() for code in classes]
    unknown = sorted(set(used) - (set(legend.codes) - {legend.water, legend.fill}))
    if unknown or len(set(used)) != len(used):
        msg = "a rule must make each type of land classes of the legend, each class once; " + (
            f"{unknown} are no land classes of it." if unknown else f"got {dict(rule)}."
        )
        raise ValueError(msg)


def _check_scheme(file: ClassFile, legend: str | Legend) -> None:
    """Refuse the other classifications of MODIS, whose codes mean other classes: class 5 of type 5 is shrubs."""
    other = _OTHER_SCHEMES.search(f"{file.layer} {file.name}")
    if other and isinstance(legend, str):
        msg = (
            f"{file.name} holds {other[0]}, and legend={legend!r} is that of type 1, IGBP. Take LC_Type1, or describe "
            "its codes with xnee.pft.Legend(codes=..., water=..., fill=...) and say the rule."
        )
        raise ValueError(msg)


def _check_step(file: ClassFile, grid: Grid | None) -> None:
    """Refuse a target with smaller cells than the file: shares would be made up."""
    if grid is not None and grid.step < 0.99 * file.step:
        msg = (
            f"the grid must be as coarse as the land cover or coarser: its step is {grid.step:g} degrees, but "
            f"{file.name} has cells of {file.step:g}. Take a larger step, or a finer land-cover file."
        )
        raise ValueError(msg)


def _wanted_box(file: ClassFile, grid: Grid | None, shape: MultiPolygon | None) -> Box:
    """Give the box that must be read, if the file holds it."""
    import shapely

    if grid is None and shape is None:
        return file.box
    edges = (
        shapely.box(-180, -90, 180, 90) if grid is None else shapely.box(grid.west, grid.south, grid.east, grid.north)
    )
    wanted = edges if shape is None else shapely.intersection(shape, edges)
    if wanted.area == 0:
        msg = f"the region lies outside the grid, which reaches {_extent(edges.bounds)}. Take a grid that holds it."
        raise ValueError(msg)
    share = share_inside(wanted, file.box)
    if share < _ENOUGH:
        msg = (
            f"{file.name} holds {share:.1%} of the area asked for: it reaches {_extent(file.box)}, asked for is "
            f"{_extent(wanted.bounds)}. Take a grid or region inside the file, or a file that reaches further."
        )
        raise ValueError(msg)
    box: Box = wanted.bounds
    return box


def _extent(box: Box) -> str:
    """Write out a box."""
    west, south, east, north = box
    return f"{west:g}..{east:g} east, {south:g}..{north:g} north"


def _check_not_empty(codes: xr.DataArray) -> None:
    """Refuse a region without cells."""
    if bool((codes == _OUTSIDE).all()):
        msg = "no cell of the land-cover file has its centre inside the region. Is the region smaller than a cell?"
        raise ValueError(msg)


def _indicate(codes: xr.DataArray, rule: Mapping[str, tuple[int, ...]]) -> xr.DataArray:
    """Give 1 where a cell is under a type, else 0: ``(pft, lat, lon)``."""
    layers = [codes.isin(list(rule.get(pft, ()))).astype("f4").expand_dims(pft=[pft]) for pft in PFTS]
    return xr.concat(layers, dim="pft", join="override", coords="minimal", compat="override")


def _share(codes: xr.DataArray, rule: Mapping[str, tuple[int, ...]], grid: Grid) -> xr.DataArray:
    """Give the share of each target cell's area under each type: ``(pft, lat, lon)``."""
    area = np.zeros((len(PFTS), grid.lat.size, grid.lon.size))
    for rows in np.array_split(np.arange(codes["lat"].size), max(1, codes["lat"].size // ROWS)):
        for i, layer in enumerate(_indicate(codes[rows], rule)):
            area[i] += integrate(layer, grid).values  # pieces of the ground add up
    share = np.minimum(area / grid.area.values, 1).astype("f4")
    return xr.DataArray(share, coords={"pft": list(PFTS), **grid.coords}, dims=("pft", "lat", "lon"))


def _areas(
    codes: xr.DataArray, rule: Mapping[str, tuple[int, ...]], legend: Legend, grid: Grid | None
) -> dict[str, str | float]:
    """Sum up the ground under each type and each class left out, km2."""
    by_code = dict(enumerate(_areas_by_code(codes, grid), start=_OUTSIDE))
    used = {code for classes in rule.values() for code in classes}
    left_out = set(legend.codes) - used - {legend.water, legend.fill}

    def rounded(areas: Mapping[str, float]) -> str:
        return json.dumps({name: round(float(area), 1) for name, area in areas.items()})

    return {
        "area_km2": rounded({pft: sum(by_code.get(code, 0.0) for code in rule.get(pft, ())) for pft in PFTS}),
        "area_left_out_km2": rounded({str(code): by_code[code] for code in sorted(left_out) if by_code.get(code)}),
        "area_without_class_km2": round(float(by_code[NO_CLASS]), 1),
    }


def _areas_by_code(codes: xr.DataArray, grid: Grid | None) -> NDArray[np.float64]:
    """Sum up the ground of each code, from `_OUTSIDE` upwards, km2; inside the grid where there is one."""
    lat, lon = codes["lat"].values, codes["lon"].values
    height, width = cell_area(lat, lon[:2]).values[:, 0] / 1e6, np.ones(lon.size)  # all cells of a row are alike
    if grid is not None:
        height, width = height * _part(lat, grid.south, grid.north), _part(lon, grid.west, grid.east)
    total = np.zeros(int(codes.max()) + 1 - _OUTSIDE)
    for rows in np.array_split(np.arange(lat.size), range(ROWS, lat.size, ROWS)):
        weights = np.outer(height[rows], width).ravel()
        total += np.bincount(codes.values[rows].ravel() - _OUTSIDE, weights, minlength=total.size)
    return total


def _part(centres: NDArray[np.float64], low: float, high: float) -> NDArray[np.float64]:
    """Give the part of each cell that lies between two edges, 0 to 1."""
    half = (centres[1] - centres[0]) / 2
    length = np.minimum(centres + half, high) - np.maximum(centres - half, low)
    part: NDArray[np.float64] = np.clip(length / (2 * half), 0, 1)
    return part
