"""A statistic of a map as a Cloud-Optimized GeoTIFF, for a GIS."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xnee.bars import bar
from xnee.grid import bounds
from xnee.products.attributes import lags_of
from xnee.products.axes import crs_of, months, space_of, tiles_of
from xnee.products.cf import check_map
from xnee.products.words import CAVEAT, SIGN
from xnee.unfinished import check_folder

__all__ = ["GROUNDS", "Ground", "Statistic", "to_geotiff"]

Statistic = Literal["annual", "years", "months", "trend"]
Ground = Literal["forest", "cell"]

NODATA = -9999.0
GROUNDS: Mapping[str, str] = {"forest": "per square metre of forest", "cell": "per square metre of cell"}
_TILE = 256  # cells, for a map in memory
_REGULAR = 1e-3  # of a cell: coordinates that were added up from a step carry such noise


@dataclass(frozen=True, kw_only=True)
class _Bands:
    """What the bands of a file are: the name of each, their unit, and in words."""

    names: list[str]
    unit: str
    text: str


def to_geotiff(
    product: xr.Dataset,
    path: str | Path,
    *,
    statistic: Statistic = "annual",
    per: Ground = "forest",
    overwrite: bool = False,
    progress: bool = True,
) -> Path:
    """Write a statistic of NEE as a Cloud-Optimized GeoTIFF.

    Parameters
    ----------
    product
        What `open_product` or ``cube.nee.predict(model)`` gives: ``NEE (time, lat, lon)``, or ``(time, y, x)`` in a
        projection, on a regular grid, and ``forest_fraction``.
    path
        Target, ending in ``.tif``. The folder that it is in must exist.
    statistic
        ``"annual"``: mean of the totals of whole calendar years, g C m-2 yr-1. ``"years"``: one band for each of
        them. ``"months"``: mean of each calendar month over whole years, 12 bands, g C m-2 month-1. ``"trend"``:
        slope of the annual totals by least squares, g C m-2 yr-2.
    per
        Square metre of ``"forest"``, as in a product, or of ``"cell"``.
    overwrite
        Whether a file that has this name is replaced, once the new one is complete.
    progress
        Whether to show a bar on stderr.

    Returns
    -------
    pathlib.Path
        The target: float32, north up, -9999 where there is no forest or a month is missing, with overviews. Positive
        into the atmosphere. Memory: one tile of `product` with all its months.

    Raises
    ------
    TypeError, ValueError
        If `product` holds no maps of NEE, has no whole calendar year (for a trend three), its grid is not regular, or
        a word is not known.
    FileExistsError, FileNotFoundError, PermissionError
        If the target is there and `overwrite` is not given; if its folder is not there or cannot be written to.

    Examples
    --------
    >>> to_geotiff(xr.Dataset(), "nee.jpg")
    Traceback (most recent call last):
        ...
    ValueError: a GeoTIFF ends in .tif or .tiff; got 'nee.jpg'.
    """
    target = Path(path)
    _check(target, statistic=statistic, per=per, overwrite=overwrite)
    check_map(product, ("NEE", "forest_fraction"))
    bands = _bands(product, statistic)
    placed = _place(product)
    folder = target.with_name(f"{target.name}.partial")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        _write(product, folder / "whole.tif", statistic, per, bands, placed, progress=progress)
        _optimize(folder / "whole.tif", folder / target.name)
        os.replace(folder / target.name, target)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return target


def _check(target: Path, *, statistic: str, per: str, overwrite: bool) -> None:
    if target.suffix not in (".tif", ".tiff"):
        msg = f"a GeoTIFF ends in .tif or .tiff; got {target.name!r}."
        raise ValueError(msg)
    if statistic not in get_args(Statistic) or per not in GROUNDS:
        msg = (
            f"statistic must be one of {get_args(Statistic)} and per one of {tuple(GROUNDS)}; got {statistic!r} and "
            f"{per!r}."
        )
        raise ValueError(msg)
    check_folder(target, noun="map")
    if target.exists() and not overwrite:
        msg = f"{target} is there already. Choose another name, move it away, or give overwrite=True."
        raise FileExistsError(msg)


def _bands(product: xr.Dataset, statistic: Statistic) -> _Bands:
    """Name the bands, after checking that there are years enough."""
    years = _whole_years(product)
    least = 3 if statistic == "trend" else 1
    if years.size < least:
        time = months(product)
        msg = (
            f"{statistic!r} needs {least} whole calendar year{'s' * (least > 1)} or more; the map goes from "
            f"{time[0]:%Y-%m} to {time[-1]:%Y-%m}."
        )
        raise ValueError(msg)
    span = f"{years[0]} to {years[-1]}"
    if statistic == "annual":
        return _Bands(names=[f"mean {span}"], unit="g C m-2 yr-1", text="mean annual total")
    if statistic == "years":
        return _Bands(names=[str(year) for year in years], unit="g C m-2 yr-1", text="annual total")
    if statistic == "months":
        names = [f"month {month}, mean {span}" for month in range(1, 13)]
        return _Bands(names=names, unit="g C m-2 month-1", text="mean total of a calendar month")
    return _Bands(names=[f"trend {span}"], unit="g C m-2 yr-2", text="least-squares slope of the annual total")


def _whole_years(product: xr.Dataset) -> NDArray[np.int64]:
    """List the calendar years that are there from January to December, but for the months that lack their past."""
    if "months_predicted" in product:
        found = product["months_predicted"]
        return np.asarray(found["year"].to_numpy()[found.to_numpy() == 12], dtype="i8")
    years, count = np.unique(months(product)[lags_of(product) :].year.to_numpy(), return_counts=True)
    return np.asarray(years[count == 12], dtype="i8")


def _place(product: xr.Dataset) -> dict[str, Any]:
    """Give place and size of a map, north up, after checking that its grid is regular."""
    from rasterio import Affine
    from rasterio.crs import CRS

    down, across = space_of(product["NEE"])
    edges = {dim: bounds(product[dim].to_numpy()) for dim in (down, across)}
    for dim, pairs in edges.items():
        sizes = np.abs(np.diff(pairs, axis=1))
        if sizes.max() - sizes.min() > _REGULAR * sizes.mean():
            msg = f"a GeoTIFF needs cells of one size; along {dim} they go from {sizes.min():.6g} to {sizes.max():.6g}."
            raise ValueError(msg)
    step = {dim: float(np.abs(np.diff(pairs, axis=1)).mean()) for dim, pairs in edges.items()}
    return {
        "crs": CRS.from_wkt(crs_of(product).to_wkt()),
        "transform": Affine(step[across], 0.0, float(edges[across].min()), 0.0, -step[down], float(edges[down].max())),
        "width": product.sizes[across],
        "height": product.sizes[down],
    }


def _write(
    product: xr.Dataset,
    path: Path,
    statistic: Statistic,
    per: Ground,
    bands: _Bands,
    placed: dict[str, Any],
    *,
    progress: bool,
) -> None:
    """Compute the bands tile by tile into a plain GeoTIFF."""
    import rasterio
    from rasterio.windows import Window

    down, across = space_of(product["NEE"])
    chunks = product["NEE"].chunksizes
    side = max((chunks[dim][0] for dim in (down, across)), default=_TILE) if chunks else _TILE
    options = {"driver": "GTiff", "dtype": "float32", "count": len(bands.names), "nodata": NODATA, **placed}
    options |= {"tiled": True, "blockxsize": 256, "blockysize": 256, "bigtiff": "if_safer"}
    with rasterio.open(path, "w", **options) as file:
        for i, name in enumerate(bands.names, 1):
            file.set_band_description(i, name)
            file.set_band_unit(i, bands.unit)
        file.update_tags(**_tags(product, bands, per))
        for tile in bar(tiles_of(product, side), desc="GeoTIFF", unit="tile", disable=not progress):
            values = _values(product, tile, statistic, per, len(bands.names))
            turned = values[:, :: -1 if _ascends(product[down]) else 1, :: 1 if _ascends(product[across]) else -1]
            file.write(np.nan_to_num(turned, nan=NODATA).astype("f4"), window=Window(*_window(product, tile)))


def _ascends(axis: xr.DataArray) -> bool:
    return bool(axis[0] < axis[-1])


def _values(
    product: xr.Dataset, tile: Mapping[str, slice], statistic: Statistic, per: Ground, count: int
) -> NDArray[np.float64]:
    """Compute the bands ``(band, row, column)`` of a tile; one without forest is not computed."""
    part = product[["NEE", "forest_fraction"]].isel(tile).transpose("time", *tile)
    forest = part["forest_fraction"].to_numpy()
    if not (forest > 0).any():
        return np.full((count, *forest.shape), np.nan)
    return _reduce(part["NEE"].to_numpy() * (forest if per == "cell" else 1), product, statistic)


def _window(product: xr.Dataset, tile: Mapping[str, slice]) -> tuple[int, int, int, int]:
    """Give column, row, width and height of a tile in a map that is north up and begins in the west."""
    (down, rows), (across, columns) = tile.items()
    row = product.sizes[down] - rows.stop if _ascends(product[down]) else rows.start
    column = columns.start if _ascends(product[across]) else product.sizes[across] - columns.stop
    return column, row, columns.stop - columns.start, rows.stop - rows.start


def _reduce(flux: NDArray[np.floating], product: xr.Dataset, statistic: Statistic) -> NDArray[np.float64]:
    """Turn months ``(time, row, column)`` into bands; a missing month makes a missing year, and that all but years."""
    years = _whole_years(product)
    whole = np.isin(months(product).year.to_numpy(), years)
    by_year = flux[whole].reshape(years.size, 12, *flux.shape[1:]).astype("f8")  # (year, month, row, column)
    if statistic == "months":
        return np.asarray(by_year.mean(axis=0))
    annual: NDArray[np.float64] = by_year.sum(axis=1)
    if statistic == "years":
        return annual
    if statistic == "annual":
        return np.asarray(annual.mean(axis=0, keepdims=True))
    centred = years - years.mean()
    return np.asarray(np.tensordot(centred / (centred**2).sum(), annual, axes=1)[None])


def _tags(product: xr.Dataset, bands: _Bands, per: Ground) -> dict[str, str]:
    """Say what is in the file."""
    kept = ("model_fingerprint", "cube_fingerprint", "license", "institution", "creator_name", "sites", "references")
    what = f"net ecosystem exchange of carbon of forest, {bands.text}, {bands.unit}, {GROUNDS[per]}"
    return {
        "TIFFTAG_IMAGEDESCRIPTION": what,
        "comment": f"{SIGN} {CAVEAT}",
        **{name: str(product.attrs[name]) for name in kept if name in product.attrs},
    }


def _optimize(plain: Path, target: Path) -> None:
    """Give a GeoTIFF overviews and the order of a Cloud-Optimized one."""
    from rasterio.shutil import copy

    copy(
        plain,
        target,
        driver="COG",
        compress="deflate",
        predictor="yes",
        blocksize=256,
        overview_resampling="average",
        bigtiff="if_safer",
    )
