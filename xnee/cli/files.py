"""Files that commands read and write: told apart, refused early, and under their final name only when complete."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from inspect import Parameter, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_type_hints

import xarray as xr

from xnee.cli.words import flag
from xnee.unfinished import consolidate, sync

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "CalibrationFile",
    "CubeFile",
    "ModelFolder",
    "ProductFile",
    "SearchFolder",
    "SitesFile",
    "beside",
    "check_folder_free",
    "check_free",
    "check_inputs",
    "open_file",
    "write_figure",
    "write_file",
]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of file, by which the parameters of commands are marked.

    Parameters
    ----------
    words
        What it holds.
    command
        Who makes it.
    names
        Variables and dimensions by which a Dataset of this kind is known.
    file
        Of a folder, the file by which it is known.
    """

    words: str
    command: str
    names: frozenset[str] = frozenset()
    file: str = ""


_SITES = Kind(words="towers (site, time)", command="towers", names=frozenset({"site", "time"}))
_CUBE = Kind(words="a cube (time, lat, lon)", command="cube", names=frozenset({"time", "pft_fraction"}))
_MODEL = Kind(words="a model", command="fit", file="model.json")
_SEARCH = Kind(words="a search", command="search", file="settings.json")
_PRODUCT = Kind(words="a product", command="predict", names=frozenset({"NEE_total"}))
_CALIBRATION = Kind(words="a calibration", command="calibrate", names=frozenset({"factor", "residual"}))
_KINDS = (
    _PRODUCT,
    _CALIBRATION,
    Kind(words="an area of applicability", command="applicability", names=frozenset({"DI", "AOA"})),
    Kind(words="an explanation", command="explain", names=frozenset({"phi"})),
    Kind(words="an explanation", command="explain", names=frozenset({"heat"})),
    Kind(words="scores", command="evaluate", names=frozenset({"R2", "predictor"})),
    Kind(words="a comparison", command="compare", names=frozenset({"bias", "other"})),
    _SITES,
    _CUBE,
)
"""Those that are Datasets; the first that fits."""

SitesFile = Annotated[Path, _SITES]
CubeFile = Annotated[Path, _CUBE]
ModelFolder = Annotated[Path, _MODEL]
SearchFolder = Annotated[Path, _SEARCH]
ProductFile = Annotated[Path, _PRODUCT]
CalibrationFile = Annotated[Path, _CALIBRATION]


def check_inputs(command: Callable[..., Any], given: Mapping[str, Any]) -> None:
    """Refuse a file of the wrong kind before any work, and one that would be read and written at once.

    What is not there, or is of no kind that is known here, is left to the functions, which say more.

    Parameters
    ----------
    command
        Its annotations say of what kind each file is to be.
    given
        Arguments by name.

    Raises
    ------
    ValueError
        With what the file holds, what is needed, and the order of the arguments where they were swapped.
    """
    hints = get_type_hints(command, include_extras=True)
    marks = {name: _mark(hint) for name, hint in hints.items()}
    wanted = {name: kind for name, kind in marks.items() if kind and given.get(name) is not None}
    found = {name: _kind_of(given[name]) for name in wanted}
    order = [name for name in wanted if signature(command).parameters[name].kind is not Parameter.KEYWORD_ONLY]
    for name, kind in wanted.items():
        path, there = given[name], found[name]
        if there and there is not kind:
            held = "is the folder of" if path.is_dir() and path.suffix != ".zarr" else "holds"
            what = f"{path} {held} {there.words}"
        elif kind.names and path.is_file() and path.suffix not in (".nc", ".zarr"):
            what = f"{path} is no .nc or .zarr"
        else:
            continue
        swapped = name in order and there in [wanted[other] for other in order if other != name]
        where = f": the order is {' '.join(order).upper()}" if swapped else ""
        place = f" for {flag(name)}" if name not in order else ""
        who = command.__name__.replace("_", "-")
        msg = f"{what}; {who} needs {kind.words}{place}, made by xnee {kind.command}{where}."
        raise ValueError(msg)
    out = given.get("out")
    for name in wanted:
        if isinstance(out, Path) and given[name].resolve() == out.resolve():
            msg = f"{given[name]} would be read and written at once. Write to another name."
            raise ValueError(msg)


def _mark(hint: Any) -> Kind | None:
    """Find the kind in an annotation, or in one that may be left out."""
    parts = [mark for part in (hint, *get_args(hint)) for mark in getattr(part, "__metadata__", ())]
    return next((part for part in parts if isinstance(part, Kind)), None)


def _kind_of(path: Path) -> Kind | None:
    """Tell what a file or folder is by what is in it; nothing if it is not there or not known."""
    if path.is_dir() and not (path / "zarr.json").is_file() and path.suffix != ".zarr":
        inside = next((kind for kind in (_MODEL, _SEARCH) if (path / kind.file).is_file()), None)
        years = sorted(path.glob(f"{path.name}_[0-9][0-9][0-9][0-9].nc"))
        return inside or (_kind_of(years[0]) if years else None)
    try:
        with open_file(path) as ds:
            names = {*map(str, ds.variables), *map(str, ds.dims)}
    except (ValueError, OSError):
        return None
    return next((kind for kind in _KINDS if kind.names <= names), None)


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


def check_free(out: Path, *, suffixes: tuple[str, ...] = (), overwrite: bool = False) -> None:
    """Refuse a target before any work.

    Parameters
    ----------
    out
        File, zarr store or folder of a model that is to be made.
    suffixes
        Endings that it may have; any by default.
    overwrite
        Whether one of the same kind that is there will be replaced.

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
    sign = _MODEL.file if not suffixes else "zarr.json" if out.suffix == ".zarr" else ""
    if out.exists() and not (out / sign).is_file():
        msg = f"{out} exists already and is something else than what would be written. Choose another name."
        raise FileExistsError(msg)
    if out.exists() and not overwrite:
        msg = f"{out} exists already. Choose another name, or give --overwrite."
        raise FileExistsError(msg)
    if not out.absolute().parent.is_dir() or not os.access(out.absolute().parent, os.W_OK):
        msg = f"{out.absolute().parent} is not an existing, writable folder. Make it first."
        raise FileNotFoundError(msg)


def check_folder_free(out: Path, names: Iterable[str], *, overwrite: bool = False) -> None:
    """Refuse a folder of results before any work.

    Parameters
    ----------
    out
        It is made, with those that it is in, when the results are there.
    names
        Of what is to be written into it.
    overwrite
        Whether files of these names are replaced.

    Raises
    ------
    FileExistsError, PermissionError
        If one is there, `out` is a file, or it cannot be written or made.
    """
    there = next(path for path in (out.absolute(), *out.absolute().parents) if path.exists())
    if not there.is_dir():
        msg = f"{there} is a file, and {out} is to be a folder. Choose another name."
        raise FileExistsError(msg)
    if not os.access(there, os.W_OK | os.X_OK):
        msg = f"the folder {there} cannot be written to. Choose another one or change its permissions."
        raise PermissionError(msg)
    for name in names if out.is_dir() else ():
        check_free(out / name, suffixes=(Path(name).suffix,), overwrite=overwrite)


@contextmanager
def beside(out: Path) -> Iterator[Path]:
    """Give a name beside a target; what is made under it takes the target's place when the block ends well.

    Parameters
    ----------
    out
        Target; what is there stays until the new one is complete.

    Yields
    ------
    pathlib.Path
        Where to write.
    """
    unfinished, replaced = (out.with_name(f".{out.name}.{os.getpid()}.{word}") for word in ("part", "replaced"))
    try:
        yield unfinished
        # after a power failure, too, nothing is under its name but all of it
        sync(unfinished) if unfinished.is_file() else os.sync()
        if out.is_dir():  # a folder cannot be renamed over another one
            out.rename(replaced)
        unfinished.replace(out)
    except BaseException:
        if replaced.exists() and not out.exists():
            replaced.rename(out)
        raise
    finally:
        for left in (unfinished, replaced):
            shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink(missing_ok=True)


def write_file(ds: xr.Dataset, out: Path) -> None:
    """Write a Dataset; it takes its name, and the place of one that is there, only when all of it is written.

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
    with beside(out) as unfinished:
        if out.suffix == ".nc":
            ds.to_netcdf(unfinished, engine="netcdf4")
        else:
            # zarr 3 has a settled form for text of any length, not yet for numpy's text of fixed length
            fixed = [name for name in ds.variables if ds[name].dtype.kind == "U"]
            free = ds.assign({name: ds[name].astype(object) for name in fixed})
            free.to_zarr(unfinished, zarr_format=3, consolidated=False)
            consolidate(unfinished)


def write_figure(figure: Figure, out: Path) -> None:
    """Write a figure; it takes its name only when all of it is written.

    Parameters
    ----------
    figure
        What to write.
    out
        Target; its suffix tells the format.
    """
    with beside(out) as unfinished:
        figure.savefig(unfinished, format=out.suffix[1:])
