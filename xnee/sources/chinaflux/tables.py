"""Sheets into tables: the row of headings, the rows of units under it, and the rows of data."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from xnee.sources.chinaflux.headings import Heading, date_parts, recognise
from xnee.sources.chinaflux.sheets import Cell, Sheet
from xnee.sources.chinaflux.units import fold, parse_unit
from xnee.sources.site_table import numbers

__all__ = ["Column", "Table", "column_numbers", "find_table"]

_MOST_TITLES, _MOST_UNIT_ROWS = 20, 5
_MISSING = (-9999.0, -99999.0)
"""No value, in flux sheets of Changbaishan and Huzhong and beside each other."""

# What Excel, Matlab and Visual C++ print for no number.
_NO_NUMBER = re.compile(
    r"[+-]?1\.#(IND|INF|QNAN|SNAN|J)\d*|#[A-Z/0!?]+|[+-]?inf(inity)?|-+|/|—+|缺测?|无", re.IGNORECASE
)


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of use.

    Parameters
    ----------
    heading
        What its heading tells.
    place
        Which column of the sheet it is.
    unit
        As spelled in the heading or under it; None where neither tells one.
    """

    heading: Heading
    place: int
    unit: str | None


@dataclass(frozen=True, kw_only=True)
class Table:
    """A sheet with the meaning of its columns.

    Parameters
    ----------
    label
        File and sheet, for messages.
    parts
        Column of each part of the date.
    columns
        Columns of use.
    unused
        Headings that are none.
    rows
        Rows of data.
    first
        Number of the first of them in the sheet.
    notes
        What is odd.
    """

    label: str
    parts: dict[str, int]
    columns: list[Column]
    unused: list[str]
    rows: list[list[Cell]]
    first: int
    notes: tuple[str, ...]

    def cells(self, place: int) -> list[Cell]:
        """List the cells of one column, gaps where a row is shorter."""
        return [row[place] if place < len(row) else None for row in self.rows]


def find_table(sheet: Sheet) -> Table | None:
    """Find the headings, units and data of a sheet.

    Parameters
    ----------
    sheet
        All its rows.

    Returns
    -------
    Table or None
        None if no row is a heading with a year, a month or a date.

    Raises
    ------
    ValueError
        If there is no row of data, one in their midst has no date, or one of a text file has another number of cells
        than the heading.
    """
    head = next((place for place, row in enumerate(sheet.rows[:_MOST_TITLES]) if _is_head(row)), None)
    if head is None:
        return None
    headings, parts = sheet.rows[head], date_parts(sheet.rows[head])
    dates = list(parts.values())
    dated = [place for place in range(head + 1, len(sheet.rows)) if _has_date(sheet.rows[place], dates)]
    if not dated or dated[0] > head + 1 + _MOST_UNIT_ROWS:
        msg = f"{sheet.label} has no rows of data under its headings {_show(headings)}. Is the sheet whole?"
        raise ValueError(msg)
    rows, notes = _data(sheet, dated, len(headings))
    columns, unused = _columns(headings, sheet.rows[head + 1 : dated[0]], set(dates))
    return Table(
        label=sheet.label,
        parts=parts,
        columns=columns,
        unused=unused,
        rows=rows,
        first=dated[0] + 1,
        notes=sheet.notes + notes,
    )


def _is_head(row: Sequence[Cell]) -> bool:
    """Tell whether a row names dates and something beside them."""
    parts = date_parts(row)
    return bool(parts) and sum(cell is not None for cell in row) > len(parts)


def _show(cells: Sequence[Cell]) -> str:
    """Show the first headings of a row."""
    return ", ".join(str(cell) for cell in cells[:8] if cell is not None)


def _has_date(row: Sequence[Cell], dates: Sequence[int]) -> bool:
    """Tell whether a row has a number, or a date, under one of the headings of the date."""
    return any(_dated(row[place]) for place in dates if place < len(row))


def _dated(cell: Cell) -> bool:
    """Tell whether a cell may be a part of a date."""
    if isinstance(cell, str):
        return bool(re.match(r"[+-]?\d", fold(cell)))
    return cell is not None


def _data(sheet: Sheet, dated: list[int], width: int) -> tuple[list[list[Cell]], tuple[str, ...]]:
    """Take the rows from the first to the last with a date."""
    rows = []
    with_date = set(dated)
    for place in range(dated[0], dated[-1] + 1):
        row = sheet.rows[place]
        if place in with_date:
            rows.append(row)
        elif any(cell is not None for cell in row):
            msg = f"{sheet.label}, row {place + 1} has no date, but rows before and after it do. Complete or delete it."
            raise ValueError(msg)
        if sheet.text and place in with_date and (len(row) < width or any(cell is not None for cell in row[width:])):
            msg = (
                f"{sheet.label}, row {place + 1}: {len(row)} cells where the heading has {width}. The file is cut "
                "short or damaged: save it again."
            )
            raise ValueError(msg)
    under = sum(any(cell is not None for cell in row) for row in sheet.rows[dated[-1] + 1 :])
    return rows, (f"{under} rows of text under the data, left out",) if under else ()


def _columns(
    headings: Sequence[Cell], under: Sequence[Sequence[Cell]], dates: set[int]
) -> tuple[list[Column], list[str]]:
    """Read the headings, and the units under them where they have none."""
    columns, unused = [], []
    for place, cell in enumerate(headings):
        if cell is None or place in dates:
            continue
        heading = recognise(cell)
        if heading is None:
            unused.append(str(cell))
        else:
            columns.append(Column(heading=heading, place=place, unit=heading.unit or _unit_under(under, place)))
    return columns, unused


def _unit_under(under: Sequence[Sequence[Cell]], place: int) -> str | None:
    """Find the unit in the rows under a heading; other rows there are headings in another language."""
    texts = [row[place] for row in under if place < len(row)]
    spelled = [text for text in texts if isinstance(text, str) and recognise(text) is None and parse_unit(text) != ()]
    known = [text for text in spelled if parse_unit(text)]
    # A text that is no known unit is kept: that it is not known must be said if the column is used.
    return next(iter(known or spelled), None)


def column_numbers(cells: Sequence[Cell], *, label: str) -> NDArray[np.float64]:
    """Turn the cells of a column into numbers.

    Parameters
    ----------
    cells
        As they stand.
    label
        File and heading, for the message.

    Returns
    -------
    numpy.ndarray
        float64, NaN for no value in any spelling: blank, NAN, 1.#IND, 1.#INF, 1.#QNAN, -9999, -99999, #N/A.

    Raises
    ------
    ValueError
        If a cell holds other text.

    Examples
    --------
    >>> column_numbers(["-0.2", "-1.#IND", -99999.0, None], label="NEE of a sheet").tolist()
    [-0.2, nan, nan, nan]
    """
    dates = [cell for cell in cells if isinstance(cell, datetime)]
    if dates:
        msg = f"{label} must hold numbers; got the date {dates[0]}. Format these cells as numbers."
        raise ValueError(msg)
    plain = [_plain(cell) for cell in cells]
    if any(isinstance(cell, str) for cell in plain):
        values = numbers(pd.Series(["" if cell is None else str(cell) for cell in plain]), label=label)
    else:
        values = np.array(plain, dtype="f8")
    return np.where(np.isfinite(values) & ~np.isin(values, _MISSING), values, np.nan)


def _plain(cell: Cell) -> str | float | None:
    """Give a number, its text, or None for no value."""
    if isinstance(cell, str):
        text = fold(cell)
        return None if _NO_NUMBER.fullmatch(text) else text
    return None if isinstance(cell, datetime) else cell
