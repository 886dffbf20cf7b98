"""Input files: found by pattern, and known by the checksum of their content."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path

__all__ = ["checksum", "checksums", "find_files"]

WHOLE = 256 * 2**20
"""Bytes up to which a file is read as a whole for its checksum. Of a larger one the size, the time of its last change
and three parts are taken: reading it all would take as long as building from it."""

_PART = 16 * 2**20
_BLOCK = 2**20


def find_files(patterns: Iterable[str], *, label: str) -> list[Path]:
    """Find the files that patterns name.

    Parameters
    ----------
    patterns
        Paths or glob patterns; ``**`` goes into folders.
    label
        What the files are for, for messages.

    Returns
    -------
    list of pathlib.Path
        Sorted by name within each pattern, each file once. A zarr store counts as a file.

    Raises
    ------
    FileNotFoundError
        If a pattern names none.

    Examples
    --------
    >>> find_files(["no/such/*.nc"], label="drivers.TEMP")
    Traceback (most recent call last):
        ...
    FileNotFoundError: drivers.TEMP: no file fits 'no/such/*.nc'. Check the folder and the pattern.
    """
    found: dict[Path, None] = {}
    for pattern in patterns:
        name = str(Path(pattern).expanduser())
        paths = [Path(name)] if Path(name).exists() else [Path(path) for path in glob.glob(name, recursive=True)]
        files = sorted(path for path in paths if path.is_file() or path.suffix == ".zarr")
        if not files:
            msg = f"{label}: no file fits {pattern!r}. Check the folder and the pattern."
            if Path(name).is_dir():
                msg = f"{label}: {pattern!r} is a folder. Give the files in it by a pattern, as '{pattern}/*.nc'."
            raise FileNotFoundError(msg)
        found |= dict.fromkeys(files)
    return list(found)


def checksum(path: Path) -> str:
    """Give a text that changes when the content of a file does.

    Parameters
    ----------
    path
        A file, or a folder: then of all files in it with their names.

    Returns
    -------
    str
        ``sha256:`` and 16 digits for a file up to `WHOLE` bytes. For a larger one ``parts:`` and 16 digits, of its
        size, the time of its last change and its first, middle and last 16 MiB.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "a.nc").write_bytes(b"abc")
    ...     checksum(Path(folder, "a.nc"))
    'sha256:ba7816bf8f01cfea'
    """
    if path.is_dir():
        children = sorted(child for child in path.rglob("*") if child.is_file())
        text = "\n".join(f"{child.relative_to(path)} {checksum(child)}" for child in children)
        return f"sha256:{sha256(text.encode()).hexdigest()[:16]}"
    status = path.stat()
    digest = sha256()
    with path.open("rb") as file:
        if status.st_size <= WHOLE:
            while block := file.read(_BLOCK):
                digest.update(block)
            return f"sha256:{digest.hexdigest()[:16]}"
        digest.update(f"{status.st_size} {status.st_mtime_ns}".encode())
        for start in (0, (status.st_size - _PART) // 2, status.st_size - _PART):
            file.seek(start)
            digest.update(file.read(_PART))
    return f"parts:{digest.hexdigest()[:16]}"


def checksums(paths: Sequence[Path]) -> dict[str, str]:
    """Give the checksums of some files, by their names.

    Parameters
    ----------
    paths
        The files.

    Returns
    -------
    dict
        In the same order. A name goes from the folder that holds all of them: they may be moved together.
    """
    if not paths:
        return {}
    folder = os.path.commonpath([path.absolute().parent for path in paths])
    return {path.absolute().relative_to(folder).as_posix(): checksum(path) for path in paths}
