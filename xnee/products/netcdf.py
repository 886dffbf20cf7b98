"""From a finished zarr store to one NetCDF file, block by block."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import xarray as xr
from tqdm import tqdm

from xnee.grid import tiles

__all__ = ["write_netcdf"]

BLOCK = 128
"""Cells along one side of a chunk in the file, about. With one month in a chunk that is 64 kB: quick for a map and
bearable for the series of a cell."""

_OF_DTYPE = ("flag_values", "valid_range", "_FillValue")  # CF: these have the type of their variable


def write_netcdf(store: Path, path: Path, *, tile: int, progress: bool = True) -> None:
    """Copy a finished store into a NetCDF-4 file.

    What is written are the numbers of the store, not decoded and encoded again. Memory: one block of one variable,
    ``time * max(tile, 128)**2 * 4`` bytes.

    Parameters
    ----------
    store
        A zarr group as `to_product` makes it, encoded by CF.
    path
        File to write. What stands there is overwritten.
    tile
        Cells along one side of a chunk of the store.
    progress
        Whether to show a bar on stderr.
    """
    raw = xr.open_dataset(store, engine="zarr", consolidated=False, decode_cf=False, chunks=None)
    block = tile * max(1, BLOCK // tile)
    with raw, netCDF4.Dataset(path, "w", format="NETCDF4") as file:
        file.setncatts(_attrs(raw.attrs, np.dtype("f8")))
        for dim, size in raw.sizes.items():
            file.createDimension(str(dim), size)
        for name in [*sorted(raw.coords, key=str), *sorted(raw.data_vars, key=str)]:  # zarr keeps no order
            _define(file, str(name), raw[name].variable, block)
        _copy(raw, file, block, progress=progress)


def _define(file: netCDF4.Dataset, name: str, variable: xr.Variable, block: int) -> None:
    """Create a variable with its attributes, without values."""
    attrs = _attrs(variable.attrs, variable.dtype)
    fill = attrs.pop("_FillValue", False)
    options: dict[str, Any] = {"fill_value": fill}
    if {"lat", "lon"} <= set(variable.dims):
        side = {"lat": block, "lon": block}
        chunks = [min(side.get(str(dim), 1), size) for dim, size in variable.sizes.items()]
        options |= {"zlib": True, "complevel": 4, "shuffle": True, "chunksizes": chunks}
    made = file.createVariable(
        name, variable.dtype.newbyteorder("="), tuple(str(dim) for dim in variable.dims), **options
    )
    made.setncatts(attrs)
    made.set_auto_maskandscale(False)


def _copy(raw: xr.Dataset, file: netCDF4.Dataset, block: int, *, progress: bool) -> None:
    """Write the values: small variables at once, maps by blocks of whole chunks."""
    maps = [name for name, variable in raw.variables.items() if {"lat", "lon"} <= set(variable.dims)]
    for name in set(raw.variables) - set(maps):
        file[str(name)][...] = raw[name].to_numpy()
    where = list(tiles(raw.sizes["lat"], raw.sizes["lon"], block))
    for region in tqdm(where, desc="NetCDF", unit="block", disable=not progress):
        for name in maps:
            index = tuple(region.get(str(dim), slice(None)) for dim in raw[name].dims)
            file[str(name)][index] = raw[name].isel(region).to_numpy()


def _attrs(attrs: Mapping[Any, Any], dtype: np.dtype[Any]) -> dict[str, Any]:
    """Give attributes the types that NetCDF and CF ask for; zarr keeps them as JSON, which has one kind of integer."""
    typed = {str(name): np.asarray(value, dtype=dtype) if name in _OF_DTYPE else value for name, value in attrs.items()}
    return {name: np.int32(value) if isinstance(value, int) else value for name, value in typed.items()}
