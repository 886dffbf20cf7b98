"""The columns of a comma-separated file that are of use, read in blocks of lines.

A record of twenty years by half-hours is 350,000 rows of 240 columns, most of a gigabyte of text; sixteen columns of it
are of use. Blocks keep the memory at that of the columns, and each row is counted, which pandas would not do: it fills
a row that was cut with gaps, and drops what is too much.
"""

from __future__ import annotations

import io
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from typing import BinaryIO

__all__ = ["breaks_off", "nee_columns", "read_columns"]

_BLOCK = 1 << 24  # bytes
_NEWLINE, _COMMA = b"\n"[0], b","[0]


def read_columns(path: Path, *, needed: Collection[str], wanted: Collection[str]) -> dict[str, pd.Series[str]]:
    """Read some columns of a file, after counting the cells of every row.

    Parameters
    ----------
    path
        Comma-separated text in UTF-8, names of columns in its first line.
    needed
        Columns that must be there.
    wanted
        Columns that are read where they are there.

    Returns
    -------
    dict
        Column by name, cells as pandas understands them: numbers, or text where one of them is no number.

    Raises
    ------
    ValueError
        If the file is no text, has no rows, lacks a column, is no table of numbers, or a row is too short or too long.
    """
    with path.open("rb") as stream:
        names, line = _header(stream, path.name)
        use = _choose(names, needed, wanted, path.name)
        parts = []
        for block in _blocks(stream):
            _refuse_binary(block, path.name)
            _refuse_ragged(block, len(names), line, path.name)
            line += block.count(b"\n")
            if block.strip():
                parts.append(_parse(block, use, path.name))
    if not parts:
        _refuse_empty(path.name)
    frame = pd.concat(parts, ignore_index=True) if len(parts) > 1 else parts[0]
    return {names[place]: frame[place] for place in use}


def breaks_off(path: Path) -> bool:
    """Tell whether the last line of a file lacks its end.

    Parameters
    ----------
    path
        A file of text.

    Returns
    -------
    bool
        True where the last byte is no line end: the file may have been cut, even inside its last number.
    """
    with path.open("rb") as stream:
        stream.seek(0, io.SEEK_END)
        stream.seek(max(stream.tell() - 1, 0))
        return stream.read(1) not in (b"\n", b"\r")


def nee_columns(names: Collection[str]) -> list[str]:
    """List the columns that hold NEE and have a quality of their own.

    Parameters
    ----------
    names
        All columns of a file.

    Returns
    -------
    list of str
        NEE_VUT_REF and its like, not those of the day or the night alone.

    Examples
    --------
    >>> nee_columns(["NEE_VUT_REF", "NEE_VUT_REF_QC", "NEE_VUT_REF_DAY", "NEE_VUT_REF_DAY_QC", "NEE_VUT_REF_RANDUNC"])
    ['NEE_VUT_REF']
    """
    half = ("_DAY", "_NIGHT")
    return [name for name in names if name.startswith("NEE") and f"{name}_QC" in names and not name.endswith(half)]


def _header(stream: BinaryIO, file: str) -> tuple[list[str], int]:
    """Read the names of the columns, and the number of their line, from the first line that is not blank."""
    for number, line in enumerate(iter(stream.readline, b""), start=1):
        _refuse_binary(line, file)
        if text := line.decode("utf-8-sig").strip():
            return [name.strip().strip('"') for name in text.split(",")], number
    _refuse_empty(file)
    raise AssertionError  # what is above does not return


def _choose(names: list[str], needed: Collection[str], wanted: Collection[str], file: str) -> list[int]:
    """Find the places of the columns that are of use."""
    missing = [name for name in needed if name not in names]
    if missing:
        stamps = [name for name in names if name.startswith("TIMESTAMP")]
        fluxes = nee_columns(names) or [name for name in names if name.startswith("NEE")]
        seen = ", ".join([*stamps, *fluxes[:20]] or names[:8])
        msg = (
            f"{file} lacks {missing}; it has {seen}. Is it a comma-separated file of ONEFlux, of the resolution in its "
            "name? Another NEE than NEE_VUT_REF is chosen with nee=..."
        )
        raise ValueError(msg)
    return [place for place, name in enumerate(names) if name in wanted and name not in names[:place]]


def _blocks(stream: BinaryIO) -> Iterator[bytes]:
    """Read on in blocks of whole lines."""
    while block := stream.read(_BLOCK):
        yield block + stream.readline()


def _refuse_binary(block: bytes, file: str) -> None:
    """Refuse what is no text."""
    try:
        text = b"\0" not in block and (block.isascii() or bool(block.decode("utf-8")))
    except UnicodeDecodeError:
        text = False
    if not text:
        msg = f"{file} is not a text file in UTF-8: an archive, a spreadsheet, or damaged. Unpack or convert it."
        raise ValueError(msg)


def _refuse_ragged(block: bytes, width: int, line: int, file: str) -> None:
    """Refuse a row with fewer or more cells than the heading; `line` lines are before the block."""
    cells = np.frombuffer(block, dtype=np.uint8)
    ends = np.flatnonzero(cells == _NEWLINE)
    if not block.endswith(b"\n"):
        ends = np.append(ends, cells.size)
    counts = np.diff(np.searchsorted(np.flatnonzero(cells == _COMMA), ends), prepend=0) + 1
    for row in np.flatnonzero(counts != width):
        if block[ends[row - 1] + 1 if row else 0 : ends[row]].strip():  # a blank line is none
            msg = (
                f"{file}, line {line + row + 1}: {counts[row]} columns where the first line has {width}. The file is "
                "cut short or damaged: download it again."
            )
            raise ValueError(msg)


def _refuse_empty(file: str) -> None:
    msg = f"{file} has no rows of data. Download it again, or leave it out."
    raise ValueError(msg)


def _parse(block: bytes, use: list[int], file: str) -> pd.DataFrame:
    """Cut whole lines into the columns of use."""
    try:
        return pd.read_csv(io.BytesIO(block), header=None, usecols=use, skipinitialspace=True, low_memory=False)
    except ValueError as error:  # pandas' ParserError is one
        msg = f"{file} cannot be read as comma-separated numbers ({error}). Download it again."
        raise ValueError(msg) from error
