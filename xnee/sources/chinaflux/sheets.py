"""Files into sheets of cells: workbooks old and new, and text in the encodings that Chinese spreadsheets write."""

from __future__ import annotations

import csv
import io
import warnings
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

__all__ = ["SUFFIXES", "Cell", "Sheet", "read_sheets"]

Cell: TypeAlias = str | float | datetime | None

SUFFIXES = (".xlsx", ".xls", ".csv")
"""Endings of the files that are read."""

_MOST_ROWS = 1_048_576
"""Rows of a sheet in Excel; a damaged file may promise a thousand times as many."""

_ZIP, _OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_SEPARATORS = (",", "\t", ";", "，")


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """One sheet of a file.

    Parameters
    ----------
    file
        Name of the file.
    name
        Name of the sheet; empty for text.
    rows
        Cells as they stand. Rows at the end without any cell are left out.
    text
        Whether the file is text, where every row has as many cells as the heading.
    notes
        What is odd about the file.
    """

    file: str
    name: str
    rows: list[list[Cell]]
    text: bool = False
    notes: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """What messages call the sheet."""
        return f"{self.file}, sheet {self.name!r}" if self.name else self.file


def read_sheets(path: Path) -> list[Sheet]:
    """Read all sheets of a workbook, or the one of a text file.

    What a file is, is told by its first bytes: a workbook under the ending of another is read, and said in the notes.

    Parameters
    ----------
    path
        A file that ends in one of `SUFFIXES`.

    Returns
    -------
    list of Sheet
        Those that hold a cell, at least one.

    Raises
    ------
    OSError
        If the file cannot be read.
    ImportError
        If it is a workbook and the package that reads it is not installed.
    ValueError
        If the file has another ending, is empty, damaged, protected by a password, or neither a workbook nor text.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        msg = f"{path.name} must end in {', '.join(SUFFIXES)}. Unpack an archive, or save a table as .xlsx or .csv."
        raise ValueError(msg)
    data = path.read_bytes()
    if data.startswith(_ZIP):
        kind, sheets = ".xlsx", _read_xlsx(data, path.name)
    elif data.startswith(_OLE):
        kind, sheets = ".xls", _read_xls(data, path.name)
    else:
        kind, sheets = ".csv", _read_text(data, path.name)
    note = () if kind == suffix else (f"the file is {kind} inside, whatever its ending",)
    filled = [
        Sheet(file=path.name, name=name, rows=rows, text=kind == ".csv", notes=note + said)
        for name, rows, said in sheets
        if rows
    ]
    if not filled:
        msg = f"{path.name} is empty: it holds no cell. Download it again, or leave it out."
        raise ValueError(msg)
    return filled


_Cells: TypeAlias = list[tuple[str, list[list[Cell]], tuple[str, ...]]]


def _library(name: str, kind: str, file: str) -> Any:
    """Import the package that reads a kind of workbook."""
    try:
        return import_module(name)
    except ImportError as error:
        msg = f'{file}: {kind} workbooks are read by {name}; pip install "xnee[excel]", or save the sheets as .csv.'
        raise ImportError(msg) from error


def _read_xlsx(data: bytes, file: str) -> _Cells:
    """Read a workbook of Excel 2007 and later."""
    openpyxl = _library("openpyxl", ".xlsx", file)
    _refuse_other_archives(data, file)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # openpyxl warns of styles and validation rules that it leaves out
            book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
            sheets: _Cells = []
            for sheet in book.worksheets:
                sheet.reset_dimensions()  # some writers state one cell, and read_only believes them
                sheets.append((str(sheet.title), _trim(sheet.iter_rows(values_only=True), file), ()))
            book.close()
    except Exception as error:  # a damaged part may raise anything, KeyError to RecursionError
        raise ValueError(_damaged(file, error)) from error
    return sheets


def _refuse_other_archives(data: bytes, file: str) -> None:
    """Refuse an archive that is no workbook."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names, locked = archive.namelist(), any(member.flag_bits & 1 for member in archive.infolist())
    except Exception as error:  # zipfile raises BadZipFile, NotImplementedError, struct.error, UnicodeDecodeError, ...
        raise ValueError(_damaged(file, error)) from error
    if locked:
        msg = f"{file} is protected by a password. Open it, save it without one, and read that."
        raise ValueError(msg)
    if not any(name.startswith("xl/") for name in names):
        msg = f"{file} is an archive of {len(names)} files and no workbook. Unpack it and give the files inside."
        raise ValueError(msg)


def _read_xls(data: bytes, file: str) -> _Cells:
    """Read a workbook of Excel 97 to 2003."""
    if _ENCRYPTED in data:
        msg = f"{file} is protected by a password. Open it, save it without one, and read that."
        raise ValueError(msg)
    xlrd = _library("xlrd", ".xls", file)
    try:
        book = xlrd.open_workbook(file_contents=data, logfile=io.StringIO())
        return [(str(sheet.name), _trim(_xls_rows(xlrd, book, sheet), file), ()) for sheet in book.sheets()]
    except Exception as error:  # damage raises anything, AssertionError and struct.error included
        if "encrypted" in str(error).lower():
            msg = f"{file} is protected by a password. Open it, save it without one, and read that."
            raise ValueError(msg) from error
        raise ValueError(_damaged(file, error)) from error


def _xls_rows(xlrd: Any, book: Any, sheet: Any) -> Iterator[list[object]]:
    """Give the rows of an old sheet, dates as dates and errors as gaps."""
    for number in range(sheet.nrows):
        row: list[object] = []
        for cell in sheet.row(number):
            if cell.ctype == xlrd.XL_CELL_DATE:
                row.append(xlrd.xldate_as_datetime(cell.value, book.datemode))
            else:
                row.append(cell.value if cell.ctype in {xlrd.XL_CELL_TEXT, xlrd.XL_CELL_NUMBER} else None)
        yield row


def _trim(rows: Iterable[Iterable[object]], file: str) -> list[list[Cell]]:
    """Turn cells into text, numbers, dates and gaps, without the empty rows at the end."""
    kept: list[list[Cell]] = []
    filled = 0
    for row in islice(rows, _MOST_ROWS + 1):
        cells = [_cell(value) for value in row]
        while cells and cells[-1] is None:
            cells.pop()
        kept.append(cells)
        filled = len(kept) if cells else filled
    if len(kept) > _MOST_ROWS:
        msg = f"{file} promises more than {_MOST_ROWS} rows"
        raise ValueError(msg)
    return kept[:filled]


def _cell(value: object) -> Cell:
    """Turn what a library gives for a cell into one of four kinds."""
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value)
    if isinstance(value, datetime):
        return value
    return str(value).strip() or None


def _damaged(file: str, error: Exception) -> str:
    """Say that a workbook cannot be opened."""
    reason = f"{type(error).__name__}: {error}"[:120]
    return f"{file} is damaged: it begins as a workbook and cannot be read as one ({reason}). Download it again."


def _read_text(data: bytes, file: str) -> _Cells:
    """Read separated text."""
    text, encoding = _decode(data, file)
    start = text.lstrip()[:300].lower()
    if start.startswith("<"):
        msg = f"{file} is a web page or XML under the name of a table. Open it in a spreadsheet and save it as .xlsx."
        raise ValueError(msg)
    if "\0" in text:
        msg = f"{file} is neither a workbook nor text. Download it again, or save it as .xlsx or .csv."
        raise ValueError(msg)
    head = [line for line in text.splitlines() if line.strip()][:5]
    separator = max(_SEPARATORS, key=lambda mark: sum(line.count(mark) for line in head))
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator))
    except csv.Error as error:
        msg = f"{file} cannot be read as separated text ({error}). Save it again as .csv."
        raise ValueError(msg) from error
    cells: list[list[Cell]] = [[cell.strip() or None for cell in row] for row in rows]
    while cells and not any(cells[-1]):
        cells.pop()
    said = () if encoding == "UTF-8" else (f"text in {encoding}",)
    return [("", cells, said)]


def _decode(data: bytes, file: str) -> tuple[str, str]:
    """Read bytes as text, and say in which encoding."""
    try:
        if data.startswith((b"\xff\xfe", b"\xfe\xff")):
            return data.decode("utf-16"), "UTF-16"
        return data.decode("utf-8-sig"), "UTF-8"
    except UnicodeDecodeError as error:
        if "end of data" in error.reason:
            msg = f"{file} breaks off within a character. Download it again, or save it once more as .csv."
            raise ValueError(msg) from error
    try:
        return data.decode("gb18030"), "GB18030"
    except UnicodeDecodeError as error:
        msg = f"{file} is text in neither UTF-8 nor GB18030, nor a workbook. Save it as .xlsx, or as .csv in UTF-8."
        raise ValueError(msg) from error
