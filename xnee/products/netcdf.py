"""From a finished store to NetCDF files, block by block."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from math import prod
from pathlib import Path
from typing import Any

import dask
import netCDF4
import numpy as np
import xarray as xr
from numpy.typing import NDArray
from xarray.backends.netCDF4_ import NETCDF4_PYTHON_LOCK

from xnee.bars import bar
from xnee.products.axes import space_of, tiles_of
from xnee.products.ledger import MONTHS

__all__ = ["months_at_once", "write_netcdf"]

BLOCK = 128
"""Cells along one side of a chunk in the file, about. With one month in a chunk that is 64 kB: quick for a map and
bearable for the series of a cell."""
SLAB = 16_000_000
"""Bytes that are held of one variable, about: a longer map is copied in more pieces, not in larger ones."""

CACHE = 1_000_000
"""Bytes that HDF5 keeps of a variable. Whole chunks are written, each once: there is nothing to keep."""

Index = tuple[slice, ...]

_OF_DTYPE = ("flag_values", "valid_range", "_FillValue")  # CF: these have the type of their variable


def months_at_once(sizes: Mapping[Any, int], tile: int) -> int:
    """Tell how many months of a variable are copied at once.

    Parameters
    ----------
    sizes
        Of the variable, by dimension.
    tile
        Cells along one side of a chunk of the store.

    Returns
    -------
    int
        Whole years, of about 16 MB.

    Examples
    --------
    >>> sizes = {"time": 360, "lat": 800, "lon": 1400}
    >>> months_at_once(sizes, 64), months_at_once(sizes | {"pft": 5}, 64)
    (240, 48)
    """
    other = prod(size for dim, size in sizes.items() if dim not in ("time", "lat", "lon", "y", "x"))
    return MONTHS * max(1, SLAB // (MONTHS * other * _block(tile) ** 2 * 4))


def _block(tile: int) -> int:
    """Give the side of a chunk in the file: whole tiles."""
    return tile * max(1, BLOCK // tile)


def write_netcdf(raw: xr.Dataset, path: Path, *, tile: int, progress: bool = True) -> None:
    """Copy a product that is stored otherwise into a NetCDF-4 file.

    What is written are the numbers of the store, not decoded and encoded again. Memory: one block of one variable,
    about 16 MB, however long or wide the map is.

    Parameters
    ----------
    raw
        A product, encoded by CF, as `xnee.products.joining.open_raw` gives it.
    path
        File to write. What stands there is overwritten.
    tile
        Cells along one side of a chunk of the store.
    progress
        Whether to show a bar on stderr.
    """
    space, block = space_of(raw), _block(tile)
    with netCDF4.Dataset(path, "w", format="NETCDF4") as file, dask.config.set(scheduler="synchronous"):
        file.setncatts(_attrs(raw.attrs, np.dtype("f8")))
        for dim, size in raw.sizes.items():
            file.createDimension(str(dim), None if dim == "time" else size)  # a record dimension, for ncra and ncrcat
        for name in [*sorted(raw.coords, key=str), *sorted(raw.data_vars, key=str)]:  # zarr keeps no order
            _define(file, str(name), raw[name].variable, space, block)
        _copy(raw, file, space, block, progress=progress)


def _define(file: netCDF4.Dataset, name: str, variable: xr.Variable, space: tuple[str, str], block: int) -> None:
    """Create a variable with its attributes, without values."""
    attrs = _attrs(variable.attrs, variable.dtype)
    fill = attrs.pop("_FillValue", False)
    options: dict[str, Any] = {"fill_value": fill}
    if "time" in variable.dims:
        options["chunksizes"] = variable.shape
    if set(space) <= set(variable.dims):
        side = dict.fromkeys(space, block)
        chunks = [min(side.get(str(dim), 1), size) for dim, size in variable.sizes.items()]
        options |= {"zlib": True, "complevel": 4, "shuffle": True, "chunksizes": chunks}
    made = file.createVariable(
        name, variable.dtype.newbyteorder("="), tuple(str(dim) for dim in variable.dims), **options
    )
    made.setncatts(attrs)
    made.set_auto_maskandscale(False)
    if "zlib" in options:
        made.set_var_chunk_cache(size=CACHE)


def _copy(raw: xr.Dataset, file: netCDF4.Dataset, space: tuple[str, str], block: int, *, progress: bool) -> None:
    """Write the values: small variables at once, maps by blocks of whole chunks."""
    maps = [str(name) for name, variable in raw.variables.items() if set(space) <= set(variable.dims)]
    for name in set(raw.variables) - set(maps):
        whole = tuple(slice(0, size) for size in raw[name].shape) or ...
        file[str(name)][whole] = raw[name].to_numpy()
    fills = {name: raw[name].attrs.get("_FillValue") for name in maps}
    begun = set()
    for name, index, values in _read_ahead(_pieces(raw, maps, block, progress=progress)):
        # What is not written is missing, and packing it would take as long as packing what is there: most of a country
        # is no forest. The first place is written in any case, so that those who read HDF5 itself find all months.
        months = (name, *(part.start for dim, part in zip(raw[name].dims, index, strict=True) if dim == "time"))
        if months in begun and fills[name] is not None and bool((values == values.dtype.type(fills[name])).all()):
            continue
        begun.add(months)
        with NETCDF4_PYTHON_LOCK:  # HDF5 knows no threads, and what is read ahead may come from such a file
            file[name][index] = values


def _pieces(
    raw: xr.Dataset, maps: Sequence[str], block: int, *, progress: bool
) -> Iterator[tuple[str, Index, xr.Variable]]:
    """Cut maps into blocks, and these into pieces of so many months as are copied at once."""
    for region in bar(tiles_of(raw, block), desc="NetCDF", unit="block", disable=not progress):
        for name in maps:
            variable = raw.variables[name]
            step = months_at_once(raw[name].sizes, block)
            for start in range(0, variable.sizes.get("time", 1), step):
                part = {**region, "time": slice(start, min(start + step, raw.sizes.get("time", 1)))}
                index = tuple(part.get(str(dim), slice(None)) for dim in variable.dims)
                yield name, index, variable[index]


def _read_ahead(pieces: Iterable[tuple[str, Index, xr.Variable]]) -> Iterator[tuple[str, Index, NDArray[Any]]]:
    """Read the next piece while one is packed and written."""
    with ThreadPoolExecutor(1) as pool:
        ahead: list[tuple[str, Index, Future[NDArray[Any]]]] = []
        for name, index, values in pieces:
            ahead.append((name, index, pool.submit(values.to_numpy)))
            if len(ahead) > 1:
                name, index, read = ahead.pop(0)
                yield name, index, read.result()
        for name, index, read in ahead:
            yield name, index, read.result()


def _attrs(attrs: Mapping[Any, Any], dtype: np.dtype[Any]) -> dict[str, Any]:
    """Give attributes the types that NetCDF and CF ask for; zarr keeps them as JSON, which has one kind of integer."""
    typed = {str(name): np.asarray(value, dtype=dtype) if name in _OF_DTYPE else value for name, value in attrs.items()}
    return {name: np.int32(value) if isinstance(value, int) else value for name, value in typed.items()}
