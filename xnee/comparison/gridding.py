"""Sources of a comparison: read, on common months, on one grid."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xnee.checking import check_time
from xnee.grid import Grid, aggregate, bounds, integrate
from xnee.products.cf import undecorate
from xnee.variables import TARGET, check_units

__all__ = ["OWN", "coarsest_grid", "common_months", "read_source", "regrid"]

OWN = "xnee"
"""Name of the product that others are compared with."""

_STEPS = (0.05, 0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 7.5, 9.0, 10.0, 15.0, 18.0, 30.0)
"""Cells in degrees to choose from where the coarsest source has none that are square."""
_MONTHS_AT_ONCE = 12


def read_source(source: object, name: str, period: tuple[str, str] | None) -> xr.Dataset:
    """Check one source and give its NEE, in the words used inside.

    Parameters
    ----------
    source
        A Dataset or a DataArray, as of `xnee.compare`.
    name
        What messages call it.
    period
        First and last month, or None for all.

    Returns
    -------
    xarray.Dataset
        ``NEE (time, lat, lon)`` in g C m-2 month-1 and, where it is per square metre of forest, ``forest_fraction``.

    Raises
    ------
    TypeError
        If it is no xarray object.
    ValueError
        If it lacks NEE, or that is in another unit, on other dimensions or not on whole months, or the period is none.
    """
    if isinstance(source, xr.DataArray):
        source = source.rename(TARGET).to_dataset()
    if not isinstance(source, xr.Dataset):
        msg = f"{name!r} must be a Dataset or a DataArray of NEE; got {type(source).__name__}. Open it: xnee.open_flux."
        raise TypeError(msg)
    if TARGET not in source or set(source[TARGET].dims) != {"time", "lat", "lon"}:
        dims = dict(source[TARGET].sizes) if TARGET in source else f"no NEE but {list(source.data_vars)}"
        msg = f"{name!r} must hold NEE (time, lat, lon); it has {dims}. Projected maps: bring them to degrees first."
        raise ValueError(msg)
    if source[TARGET].attrs.get("units") == "g m-2" and "pft" in source.coords:  # a product file, opened by xarray
        source = undecorate(source)
    try:
        check_units(TARGET, source[TARGET].attrs.get("units"))
        check_time(source)
    except ValueError as error:
        msg = f"{name!r}: {error} xnee.open_flux reads products of other units and calendars."
        raise ValueError(msg) from error
    kept = source[[TARGET, *(["forest_fraction"] if "forest_fraction" in source else [])]]
    kept = kept.transpose("time", "lat", "lon").reset_coords(drop=True)
    return kept if period is None else _within(kept, period)


def _within(source: xr.Dataset, period: tuple[str, str]) -> xr.Dataset:
    ends = list(period) if isinstance(period, tuple | list) else []
    # pandas would take 200101 for a day of 2020
    if len(ends) != 2 or not all(re.match(r"\d{4}($|-)", str(end)) for end in ends):
        msg = f"period must be two months, the first and the last, as ('2001-01', '2010-12'); got {period!r}."
        raise ValueError(msg)
    return source.sel(time=slice(*map(str, ends)))


def common_months(sources: Mapping[str, xr.Dataset]) -> NDArray[np.datetime64]:
    """Give the months of the years that every source has whole.

    Parameters
    ----------
    sources
        By name, as of `read_source`.

    Returns
    -------
    numpy.ndarray
        Month starts; a month counts where some cell has a value.

    Raises
    ------
    ValueError
        If there is no such year.
    """
    whole = []
    for source in sources.values():
        some = source[TARGET].notnull().any(("lat", "lon"))
        stamps = source["time"].to_numpy()[some.to_numpy()].astype("datetime64[M]")
        year, count = np.unique(stamps.astype("datetime64[Y]"), return_counts=True)
        whole.append(set(year[count == 12].astype(int) + 1970))
    common = sorted(set.intersection(*whole))
    if not common:
        years = "; ".join(f"{name}: {_span(own)}" for name, own in zip(sources, whole, strict=True))
        msg = f"no year is whole, January to December, in all products. Whole years: {years}."
        raise ValueError(msg)
    first = next(iter(sources.values()))["time"]
    return np.asarray(first.to_numpy()[np.isin(first.dt.year.to_numpy(), common)])


def _span(years: set[int]) -> str:
    return f"{min(years)}-{max(years)}" if years else "none"


def coarsest_grid(sources: Mapping[str, xr.Dataset]) -> Grid:
    """Make a grid of the cells of the coarsest source, or of the next even size, that covers the product.

    Parameters
    ----------
    sources
        By name, ``"xnee"`` for the product, as of `read_source`.

    Returns
    -------
    Grid
        Its cells are those of the coarsest source where these are square, so that they are not cut.
    """
    steps = {}
    for name, source in sources.items():
        axes = (bounds(source["lat"], limit=90), bounds(source["lon"]))
        steps[name] = [_even(float(np.median(np.abs(np.diff(edges, axis=1))))) for edges in axes]
    coarsest = max(steps, key=lambda name: max(steps[name]))
    step, edges = max(steps[coarsest]), {"lon": -180.0, "lat": -90.0}
    if min(steps[coarsest]) == step:
        edges = {name: _even_edge(float(bounds(sources[coarsest][name])[0, 0]), step) for name in ("lon", "lat")}
    else:
        step = next((size for size in _STEPS if size >= step), _STEPS[-1])
    west, east = _whole_cells(sources[OWN]["lon"], edges["lon"], step, limit=180)
    south, north = _whole_cells(sources[OWN]["lat"], edges["lat"], step, limit=90)
    return Grid(west=west, east=east, south=south, north=north, step=step)


def _even(step: float) -> float:
    """Clean the size of a cell of the noise of its coordinates."""
    even = 1 / round(1 / step) if step < 1 else round(step, 4)
    return even if abs(even - step) < 2e-3 * step else round(step, 5)


def _even_edge(edge: float, step: float) -> float:
    """Clean an edge of the noise of single precision: most edges are whole multiples of half a cell, but not all."""
    even = round(2 * edge / step) * step / 2
    return even if abs(even - edge) < 1e-2 * step else edge


def _whole_cells(centres: xr.DataArray, edge: float, step: float, *, limit: float) -> tuple[float, float]:
    """Give the outer edges of the cells, on a lattice through `edge`, that cover an axis."""
    own = bounds(centres)
    first, last = np.floor((own.min() - edge) / step + 1e-3), np.ceil((own.max() - edge) / step - 1e-3)
    lowest, highest = np.ceil((-limit - edge) / step - 1e-6), np.floor((limit - edge) / step + 1e-6)
    return float(edge + max(first, lowest) * step), float(edge + min(last, highest) * step)


def regrid(source: xr.Dataset, grid: Grid) -> xr.DataArray:
    """Bring one source to a grid, conservatively.

    Parameters
    ----------
    source
        As of `read_source`.
    grid
        The target.

    Returns
    -------
    xarray.DataArray
        ``(time, lat, lon)``: the mean by area of forest where the source is per square metre of forest, else by area;
        missing where less than half of that is known. Lazy, a year in a block.
    """
    nee = source[TARGET].chunk(time=_MONTHS_AT_ONCE, lat=-1, lon=-1)
    if "forest_fraction" not in source:
        return aggregate(nee, grid)
    forest = source["forest_fraction"].fillna(0)
    known = nee.notnull() & (forest > 0)
    ground = integrate(forest.where(known, 0), grid)
    # as for other maps: the mean over what is known, if that is half of it
    enough = (ground > 0) & (ground >= 0.5 * (1 - 1e-9) * integrate(forest, grid))
    return integrate((nee * forest).where(known, 0), grid) / ground.where(enough)
