"""What stands behind a path: files, patterns, folders and archives, told apart by their first bytes."""

from __future__ import annotations

import atexit
import gzip
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from glob import glob, has_magic
from os import PathLike, fspath
from pathlib import Path, PurePosixPath
from typing import Literal, TypeAlias

__all__ = ["Kind", "Paths", "Source", "find_files"]

Paths: TypeAlias = str | PathLike[str] | Iterable[str | PathLike[str]]
Kind: TypeAlias = Literal["netcdf", "raster", "hdf4"]

_FIRST_BYTES: dict[bytes, str] = {
    b"CDF\x01": "netcdf",
    b"CDF\x02": "netcdf",
    b"CDF\x05": "netcdf",
    b"\x89HDF\r\n\x1a\n": "netcdf",
    b"II*\x00": "raster",
    b"MM\x00*": "raster",
    b"II+\x00": "raster",
    b"MM\x00+": "raster",
    b"\x0e\x03\x13\x01": "hdf4",
    b"PK\x03\x04": "zip",
    b"\x1f\x8b": "gzip",
    b"GRIB": "grib",
}
_SUFFIXES = (".nc", ".nc4", ".cdf", ".tif", ".tiff", ".hdf", ".h5", ".zip", ".gz", ".grib", ".grb", ".he5")
_INNER = {".nc": "netcdf", ".nc4": "netcdf", ".tif": "raster", ".tiff": "raster"}


@dataclass(frozen=True, kw_only=True)
class Source:
    """A file that can be opened.

    Parameters
    ----------
    name
        Its name without folders, of the inner file for an archive.
    where
        What to give to the library that opens it.
    kind
        Which library that is.
    state
        Path, size and time of change: another state is another file.
    compressed
        Whether it can only be read from its beginning.
    """

    name: str
    where: str
    kind: Kind
    state: tuple[str, int, int]
    compressed: bool = False


def find_files(path: Paths) -> list[Source]:
    """List the files behind a path.

    Parameters
    ----------
    path
        A file, a pattern, a folder (with all below it), or a list of these. Zip and gzip archives are opened: NetCDF
        files in them are unpacked into a temporary folder that goes with the process, rasters are read in place.

    Returns
    -------
    list of Source
        In the order of their names, each file once.

    Raises
    ------
    FileNotFoundError
        If there is no such file, or a folder or pattern holds none.
    TypeError
        If `path` is no path.
    ValueError
        If a file is neither NetCDF, GeoTIFF, HDF4 nor an archive of these.
    """
    sources = [source for file in _expand(path) for source in _look_into(file)]
    if not sources:
        msg = f"there is no NetCDF or GeoTIFF file in {path}. Give a file, a folder or a pattern of files."
        raise FileNotFoundError(msg)
    return sources


def _expand(path: Paths) -> list[Path]:
    """Give every file behind a path, sorted, each once."""
    if isinstance(path, str | PathLike):
        return _expand_one(fspath(path))
    try:
        entries = [fspath(entry) for entry in path]
    except TypeError as error:
        msg = f"path must be a file, a folder, a pattern or a list of these; got {type(path).__name__}."
        raise TypeError(msg) from error
    return sorted({file for entry in entries for file in _expand_one(entry)})


def _expand_one(text: str) -> list[Path]:
    """Give every file behind one path, or say that there is none."""
    place = Path(text).expanduser()
    if place.is_dir():
        found = [file for file in sorted(place.rglob("*")) if file.suffix.lower() in _SUFFIXES and file.is_file()]
        if not found:
            msg = f"the folder {place} holds no file that ends in {', '.join(_SUFFIXES)}. Is it the right folder?"
            raise FileNotFoundError(msg)
        return found
    if place.is_file():
        return [place]
    found = [Path(match) for match in sorted(glob(str(place), recursive=True))] if has_magic(str(place)) else []
    found = [file for file in found if file.is_file()]
    if not found:
        what = "no file fits the pattern" if has_magic(str(place)) else "no such file:"
        msg = f"{what} {place}. Give a file, a folder or a pattern of files."
        raise FileNotFoundError(msg)
    return found


def _kind(head: bytes) -> str | None:
    """Tell a format by its first bytes."""
    return next((kind for mark, kind in _FIRST_BYTES.items() if head.startswith(mark)), None)


def _look_into(file: Path) -> list[Source]:
    """Give what can be opened in a file, mostly itself."""
    with file.open("rb") as stream:
        head = stream.read(512)
    kind = _kind(head)
    status = file.stat()
    state = (str(file.resolve()), status.st_size, status.st_mtime_ns)
    if kind == "zip":
        return _look_into_zip(file, state)
    if kind == "gzip":
        return [_look_into_gzip(file, state)]
    if kind in ("netcdf", "raster", "hdf4"):
        return [Source(name=file.name, where=str(file.resolve()), kind=kind, state=state)]  # type: ignore[arg-type]
    msg = f"{file.name} {_what_it_is(head, kind)}"
    raise ValueError(msg)


def _what_it_is(head: bytes, kind: str | None) -> str:
    """Say what a file is that cannot be read, and what to do."""
    if not head:
        return "is empty. Download it again."
    if kind == "grib":
        return "is a GRIB file. Bring it to NetCDF first, e.g. with grib_to_netcdf or cdo -f nc4 copy in.grib out.nc."
    if head.lstrip()[:1] in (b"<", b"{"):
        return "is a web page or a message, not data: the download failed. Log in and download it again."
    return "is neither NetCDF, GeoTIFF, HDF4 nor an archive of these. Is it whole, and is it the data file?"


def _look_into_zip(file: Path, state: tuple[str, int, int]) -> list[Source]:
    """Give the NetCDF files and rasters in a zip archive."""
    try:
        with zipfile.ZipFile(file) as archive:
            members = [(m, _INNER.get(PurePosixPath(m.filename).suffix.lower())) for m in archive.infolist()]
    except (zipfile.BadZipFile, OSError, NotImplementedError, UnicodeError) as error:
        msg = f"{file.name} cannot be read as a zip archive ({error}). Download it again."
        raise ValueError(msg) from error
    sources = []
    for member, kind in members:
        name, inside = PurePosixPath(member.filename).name, (f"{state[0]}/{member.filename}", *state[1:])
        if kind == "netcdf":
            where = _unpack(state[0], member.filename, state[1:], member.file_size)
            sources.append(Source(name=name, where=where, kind="netcdf", state=inside))
        elif kind == "raster":
            where = f"/vsizip/{{{state[0]}}}/{member.filename}"
            sources.append(Source(name=name, where=where, kind="raster", state=inside, compressed=True))
    if not sources:
        msg = (
            f"{file.name} is a zip archive without a .nc or .tif file in it. Unpack it and give the file that is meant."
        )
        raise ValueError(msg)
    return sources


def _look_into_gzip(file: Path, state: tuple[str, int, int]) -> Source:
    """Give the raster or NetCDF file in a gzip file."""
    try:
        with gzip.open(file) as stream:
            kind = _kind(stream.read(512))
    except (OSError, EOFError, zlib.error) as error:
        msg = f"{file.name} cannot be unpacked ({error}). Download it again."
        raise ValueError(msg) from error
    if kind == "raster":
        return Source(name=file.stem, where=f"/vsigzip/{state[0]}", kind="raster", state=state, compressed=True)
    if kind == "netcdf":
        where = _unpack(state[0], "", state[1:], 8 * state[1])
        return Source(name=file.stem, where=where, kind="netcdf", state=state)
    msg = f"{file.name} holds neither a NetCDF file nor a GeoTIFF. Unpack it and look."
    raise ValueError(msg)


@cache
def _folder() -> Path:
    """Make the temporary folder of this process; it goes when the process ends."""
    folder = tempfile.mkdtemp(prefix="xnee-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


@cache
def _unpack(path: str, member: str, _state: tuple[int, int], size: int) -> str:
    """Unpack a NetCDF file, which cannot be read inside an archive, once for each state of the archive."""
    folder = Path(tempfile.mkdtemp(dir=_folder()))
    if size > shutil.disk_usage(folder).free:
        msg = (
            f"{Path(path).name} takes {size / 2**30:.1f} GiB unpacked, more than is free in {folder.parent.parent}. "
            "Set "
            "TMPDIR to a larger folder, or unpack it and give the files."
        )
        raise ValueError(msg)
    target = folder / (PurePosixPath(member).name or Path(path).stem)
    try:
        with zipfile.ZipFile(path) if member else gzip.open(path) as archive:
            stream = archive.open(member) if isinstance(archive, zipfile.ZipFile) else archive
            with stream, target.open("wb") as out:
                shutil.copyfileobj(stream, out)
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, RuntimeError, NotImplementedError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        msg = f"{Path(path).name} cannot be unpacked ({error}). Download it again, or unpack it and give the files."
        raise ValueError(msg) from error
    return str(target)
