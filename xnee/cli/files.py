"""Files that commands read and write: refused early, and under their final name only when complete."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import xarray as xr

from xnee.unfinished import consolidate

__all__ = ["check_free", "open_file", "write_file"]


def open_file(path: Path, chunks: dict[str, int] | None = None) -> xr.Dataset:
    """Open a Dataset by its suffix.

    Parameters
    ----------
    path
        A .nc or .zarr that is there.
    chunks
        As of `xarray.open_dataset`; lazy when given.

    Returns
    -------
    xarray.Dataset
        As stored.

    Raises
    ------
    FileNotFoundError, ValueError
        If it is not there, has another suffix or cannot be read.
    """
    if not path.exists():
        msg = f"{path} does not exist."
        raise FileNotFoundError(msg)
    if path.suffix not in (".nc", ".zarr"):
        msg = f"{path} must end in .nc or .zarr."
        raise ValueError(msg)
    try:
        if path.suffix == ".zarr":
            return xr.open_dataset(path, engine="zarr", chunks=chunks, consolidated=False)
        return xr.open_dataset(path, engine="netcdf4", chunks=chunks)
    except Exception as error:  # what a damaged file raises is the library's choice
        msg = f"{path} cannot be read as {path.suffix[1:]}: {error}."
        raise ValueError(msg) from error


def check_free(out: Path, *, suffixes: tuple[str, ...] = ()) -> None:
    """Refuse a target before any work.

    Parameters
    ----------
    out
        File or folder that is to be made.
    suffixes
        Endings that it may have; any by default.

    Raises
    ------
    ValueError
        If it has another ending.
    FileExistsError, FileNotFoundError
        If it is there, or its folder is not or cannot be written.
    """
    if suffixes and out.suffix not in suffixes:
        msg = f"{out} must end in {' or '.join(suffixes)}."
        raise ValueError(msg)
    if out.exists():
        msg = f"{out} exists already. Choose another name or remove it."
        raise FileExistsError(msg)
    if not out.absolute().parent.is_dir() or not os.access(out.absolute().parent, os.W_OK):
        msg = f"{out.absolute().parent} is not an existing, writable folder. Make it first."
        raise FileNotFoundError(msg)


def write_file(ds: xr.Dataset, out: Path) -> None:
    """Write a Dataset; its name appears only when all of it is there.

    Parameters
    ----------
    ds
        What to write.
    out
        Target, .nc or .zarr.

    Raises
    ------
    ValueError
        If the suffix is another.
    """
    if out.suffix not in (".nc", ".zarr"):
        msg = f"{out} must end in .nc or .zarr."
        raise ValueError(msg)
    unfinished = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        if out.suffix == ".nc":
            ds.to_netcdf(unfinished, engine="netcdf4")
        else:
            # zarr 3 has a settled form for text of any length, not yet for numpy's text of fixed length
            fixed = [name for name in ds.variables if ds[name].dtype.kind == "U"]
            free = ds.assign({name: ds[name].astype(object) for name in fixed})
            free.to_zarr(unfinished, zarr_format=3, consolidated=False)
            consolidate(unfinished)
        unfinished.replace(out)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True) if unfinished.is_dir() else unfinished.unlink(missing_ok=True)
        raise
