"""Drivers of the synthetic world on a grid, with its forest."""

from __future__ import annotations

from functools import partial

import dask.array
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xnee.grid import Grid
from xnee.pft import PFTS
from xnee.sources.synthetic.drivers import drivers
from xnee.sources.synthetic.landscape import cover, forest_age, is_land
from xnee.sources.synthetic.weather import Array, check_years, month_numbers, month_starts
from xnee.variables import DRIVERS, VARIABLES

__all__ = ["synthetic_cube"]

_MOVING = tuple(name for name in DRIVERS if name != "AGE")


def _block(lat: Array, lon: Array, *, months: NDArray[np.int64], seed: int) -> NDArray[np.float32]:
    """Drivers of a tile, ``(driver, time, lat, lon)``; missing off land."""
    values = drivers(lat, lon, months, seed=seed)
    stack = np.stack([values[name].astype("f4") for name in _MOVING])
    return np.where(is_land(lat, lon), stack, np.float32(np.nan))


def _stack(lat: Array, lon: Array, *, months: NDArray[np.int64], seed: int, tile: int) -> dask.array.Array:
    """Lazy `_block` over tiles of the grid."""
    lats = dask.array.from_array(lat, chunks=(tile, 1))  # type: ignore[no-untyped-call]
    lons = dask.array.from_array(lon, chunks=(1, tile))  # type: ignore[no-untyped-call]
    stack: dask.array.Array = dask.array.map_blocks(  # type: ignore[no-untyped-call]
        _block,
        lats,
        lons,
        months=months,
        seed=seed,
        dtype="f4",
        new_axis=[0, 1],
        chunks=((len(_MOVING),), (len(months),), lats.chunks[0], lons.chunks[1]),
        meta=np.empty((0, 0, 0, 0), dtype="f4"),
    )
    return stack


def synthetic_cube(
    grid: Grid | None = None,
    *,
    years: tuple[int, int] = (2003, 2005),
    seed: int = 0,
    tile: int | None = None,
) -> xr.Dataset:
    """Make a driver cube of a China-like world whose true NEE is known. Nothing in it was measured.

    Each cell has the drivers that a tower at its centre would have: `synthetic_towers` with the same seed sees the
    same weather. `true_nee` gives the map of the flux.

    Parameters
    ----------
    grid
        Cells; by default 73-136 E, 18-54 N in steps of 1.5 degrees.
    years
        First and last calendar year, both included.
    seed
        Which weather.
    tile
        Cells along one side of a tile. Given, the drivers are lazy dask arrays, ``time`` whole, one tile needing
        about 200 bytes per cell and month while it is made; by default they are in memory.

    Returns
    -------
    xarray.Dataset
        Thirteen drivers ``(time, lat, lon)`` and ``AGE (lat, lon)``, float32 in canonical units, missing off land;
        ``pft_fraction (pft, lat, lon)``, share of the cell, 0 in the sea and where no forest grows. ``lat`` ascends.

    Raises
    ------
    ValueError
        If the years are out of order or beyond the synthetic world's, or `tile` is less than 1.

    Examples
    --------
    >>> cube = synthetic_cube()
    >>> dict(cube.sizes)
    {'time': 36, 'lat': 24, 'lon': 42, 'pft': 5}
    """
    if tile is not None and tile < 1:
        msg = f"tile must be 1 cell or more along a side, or None for a cube in memory; got {tile}."
        raise ValueError(msg)
    check_years(*years)
    grid = grid or Grid(west=73, east=136, south=18, north=54, step=1.5)
    months = month_numbers(*years)
    lat, lon = grid.lat[:, None], grid.lon[None, :]
    make = _block if tile is None else partial(_stack, tile=tile)
    stack = make(lat, lon, months=months, seed=seed)
    space = ("lat", "lon")
    ds = xr.Dataset(
        {name: (("time", *space), stack[i]) for i, name in enumerate(_MOVING)},
        coords={"time": month_starts(months), **grid.coords, "pft": list(PFTS)},
    )
    ds["AGE"] = (space, np.where(is_land(lat, lon), forest_age(lat, lon), np.nan).astype("f4"))
    ds["pft_fraction"] = (("pft", *space), cover(lat, lon).astype("f4"))
    return _describe(ds, seed)


def _describe(ds: xr.Dataset, seed: int) -> xr.Dataset:
    for name in DRIVERS:
        ds[name].attrs = {"units": VARIABLES[name].units, "long_name": VARIABLES[name].long_name}
    ds["pft_fraction"].attrs = {"units": "1", "long_name": "share of the cell under each forest type"}
    title = "synthetic driver cube of a China-like world, nothing measured"
    return ds.assign_attrs(title=title, synthetic="true", seed=seed)
