"""Parts of a product, one after the other in time, as one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import xarray as xr

__all__ = ["ALONG", "join", "open_raw", "year_files"]

ALONG = ("time", "month", "year")
"""Dimensions along which parts follow one another; no variable has two."""


def year_files(folder: Path) -> list[Path]:
    """List the files of a product that was split by year.

    Parameters
    ----------
    folder
        The product.

    Returns
    -------
    list
        In the order of time.
    """
    return sorted(folder.glob("*_[0-9][0-9][0-9][0-9].nc"))


def open_raw(path: Path, *, chunks: dict[str, int] | None = None) -> xr.Dataset:
    """Open a product as it stands on disk: numbers are not decoded.

    Parameters
    ----------
    path
        A ``.nc`` file, a zarr store, or a folder of yearly files.
    chunks
        Of lazy arrays; left out, what is not yet read is read where it is used.

    Returns
    -------
    xarray.Dataset
        With the encoded values and attributes.

    Raises
    ------
    ValueError
        If it is none of these.
    """
    options: dict[str, Any] = {"decode_cf": False, "chunks": chunks}
    try:
        if path.is_file():
            return xr.open_dataset(path, engine="netcdf4", **options)
        if (path / "zarr.json").is_file():
            return xr.open_dataset(path, engine="zarr", consolidated=False, **options)
        files = year_files(path)
        return join([xr.open_dataset(file, engine="netcdf4", **(options | {"chunks": chunks or {}})) for file in files])
    except Exception as error:  # what a damaged file raises is the library's choice
        msg = f"{path} cannot be read as a product: {error}. Write it again with to_product."
        raise ValueError(msg) from error


def join(parts: Sequence[xr.Dataset]) -> xr.Dataset:
    """Put parts together that follow one another in time.

    Parameters
    ----------
    parts
        With the same variables. What has none of these dimensions is taken from the first.

    Returns
    -------
    xarray.Dataset
        With the attributes of the last part. Lazy where the parts are dask arrays.

    Raises
    ------
    ValueError
        If there is no part.

    Examples
    --------
    >>> one, two = (xr.Dataset({"NEE": ("time", [value]), "area": ((), 4.0)}) for value in (1.0, 2.0))
    >>> join([one, two])["NEE"].values.tolist()
    [1.0, 2.0]
    """
    if not parts:
        msg = "it holds no yearly files, NAME_YYYY.nc"
        raise ValueError(msg)
    variables: dict[Any, xr.Variable] = {}
    for name, first in parts[-1].variables.items():
        dim = next((dim for dim in ALONG if dim in first.dims), None)
        if dim is None:
            variables[name] = parts[0].variables[name]
        else:
            pieces = [part.variables[name].to_base_variable() for part in parts]
            variables[name] = xr.Variable.concat(pieces, dim, combine_attrs="override")  # type: ignore[no-untyped-call]
            variables[name].encoding = dict(first.encoding)
    coords = {name: variables.pop(name) for name in parts[-1].coords}
    return xr.Dataset(variables, coords, parts[-1].attrs)
