"""Separate columns of year, month, day, hour become stamps, and stamps tell the scale of a sheet."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from xnee.sources.chinaflux.sheets import Cell
from xnee.sources.chinaflux.tables import Table, column_numbers
from xnee.sources.chinaflux.units import fold

__all__ = ["Floats", "Scale", "Stamps", "read_stamps"]

Floats: TypeAlias = NDArray[np.float64]
Scale: TypeAlias = Literal["half-hour", "day", "month", "year"]

_DAY, _HALF_HOUR = 86_400, 1800
_FIRST_YEAR, _LAST_YEAR = 1950, 2100
_DATE = re.compile(r"(\d{4})(?:\D+(\d{1,2}))?(?:\D+(\d{1,2}))?(?:\D+(\d{1,2}):?(\d{2})?)?(?::\d{1,2}(?:\.\d*)?)?\D*")
_DIGITS = re.compile(r"(\d{4})(\d{2})(\d{2})?(?:(\d{2})(\d{2})(?:\d{2})?)?(?:\.0*)?")


@dataclass(frozen=True, kw_only=True)
class Stamps:
    """When the rows of a sheet begin.

    Parameters
    ----------
    times
        Start of each row, datetime64[s]; for a monthly sheet the month's start.
    scale
        What a row stands for. Hours count as ``"half-hour"``.
    seconds
        Length of a row below a day; else that of a day.
    notes
        What is odd.
    """

    times: NDArray[np.datetime64]
    scale: Scale
    seconds: int
    notes: tuple[str, ...] = ()


def read_stamps(table: Table, *, year: int | None = None) -> Stamps:
    """Read the stamps of a table, and the scale from the distance between them.

    Parameters
    ----------
    table
        With its columns of dates.
    year
        Year in the file name, for a sheet that has none.

    Returns
    -------
    Stamps
        One for each row, in the order of the rows.

    Raises
    ------
    ValueError
        If a part of a date is missing, not a number or not in its range, or if the rows are neither half-hours, hours,
        days, months nor years.

    Examples
    --------
    >>> table = Table(
    ...     label="a sheet", parts={"year": 0, "month": 1}, columns=[], unused=[],
    ...     rows=[[2003.0, 1.0], [2003.0, 2.0]], first=2, notes=(),
    ... )
    >>> read_stamps(table).scale
    'month'
    """
    if "date" in table.parts:
        parts, notes = _written_dates(table)
    else:
        parts, notes = _separate_parts(table, year)
    times = _join(parts, table)
    steps = np.diff(np.unique(times)).astype("i8")
    if not steps.size:
        return _alone(times, parts, notes)
    step = int(np.median(steps))
    if step >= 27 * _DAY:
        finer = parts.get("month", parts.get("doy", np.zeros(1)))
        # One row a year, always of the same month, is a year; a few months of several years are months.
        yearly = len(np.unique(finer)) == 1 and step > 300 * _DAY
        scale: Scale = "year" if yearly else "month"
        starts = times.astype(f"datetime64[{'M' if scale == 'month' else 'Y'}]")
        return Stamps(times=starts.astype("datetime64[s]"), scale=scale, seconds=_DAY, notes=notes)
    if step == _DAY:
        return Stamps(
            times=times.astype("datetime64[D]").astype("datetime64[s]"), scale="day", seconds=_DAY, notes=notes
        )
    if step > 7200 or _DAY % step:
        msg = (
            f"{table.label}: rows must be half-hours, hours, days or months; most are {step / 3600:g} hours apart. "
            "Average them to one of these first."
        )
        raise ValueError(msg)
    times, said = _starts(times, step, parts)
    return Stamps(times=times, scale="half-hour", seconds=step, notes=notes + said)


def _alone(times: NDArray[np.datetime64], parts: Mapping[str, Floats], notes: tuple[str, ...]) -> Stamps:
    """Tell the scale of a single stamp by the finest part of the date that the sheet has."""
    if "hour" in parts:
        return Stamps(times=times, scale="half-hour", seconds=_HALF_HOUR, notes=notes)
    scale: Scale = "day" if {"day", "doy"} & parts.keys() else "month" if "month" in parts else "year"
    return Stamps(times=times, scale=scale, seconds=_DAY, notes=notes)


def _separate_parts(table: Table, year: int | None) -> tuple[dict[str, Floats], tuple[str, ...]]:
    """Read the columns of the date as numbers."""
    parts = {
        part: column_numbers([_without_word(cell) for cell in table.cells(place)], label=f"{part} of {table.label}")
        for part, place in table.parts.items()
    }
    notes: tuple[str, ...] = ()
    if "year" not in parts:
        if year is None:
            msg = f"{table.label} has no column of the year (年, year, YYYY), nor has its name. Add the column."
            raise ValueError(msg)
        parts["year"] = np.full(len(table.rows), float(year))
        notes += (f"no column of the year: {year} of the file name is taken",)
    elif np.isnan(parts["year"][1:]).any() and np.isfinite(parts["year"][0]):
        # Merged cells of a spreadsheet: the first row of each year has it.
        parts["year"] = np.asarray(pd.Series(parts["year"]).ffill())
        notes += ("rows without a year take that of the row above",)
    if np.nanmax(parts["year"], initial=0) < 100:
        parts["year"] = parts["year"] + 2000
        notes += ("years of two digits are of this century",)
    hour = parts.get("hour")
    if hour is not None and np.nanmax(hour, initial=0) > 24:
        parts["hour"] = np.floor(hour / 100) + np.mod(hour, 100) / 60
        notes += ("hours are written HHMM",)
    return {part: values for part, values in parts.items() if np.isfinite(values).any()}, notes


def _without_word(cell: Cell) -> Cell:
    """Take the word off a number: 2003年, 1月."""
    return re.sub(r"[年月日时分秒]$", "", fold(cell)) if isinstance(cell, str) else cell


def _written_dates(table: Table) -> tuple[dict[str, Floats], tuple[str, ...]]:
    """Read a column of whole dates."""
    names = ("year", "month", "day", "hour", "minute")
    found = np.full((len(table.rows), len(names)), np.nan)
    for number, cell in enumerate(table.cells(table.parts["date"])):
        if isinstance(cell, datetime):
            found[number] = [cell.year, cell.month, cell.day, cell.hour, cell.minute]
            continue
        text = f"{cell:.0f}" if isinstance(cell, float) and np.isfinite(cell) else fold(str(cell))
        match = _DIGITS.fullmatch(text) or _DATE.fullmatch(text)
        if match is None:
            msg = (
                f"{table.label}, row {table.first + number}: {str(cell)!r} is no date. Write 2003-01-31, or columns of "
                "year, month and day."
            )
            raise ValueError(msg)
        found[number] = [np.nan if part is None else float(part) for part in match.groups()]
    return {name: values for name, values in zip(names, found.T, strict=True) if np.isfinite(values).any()}, ()


_RANGES = {
    "year": (_FIRST_YEAR, _LAST_YEAR),
    "month": (1, 12),
    "day": (1, 31),
    "doy": (1, 367),
    "hour": (0, 24),
    "minute": (0, 60),
    "second": (0, 60),
}


def _join(parts: Mapping[str, Floats], table: Table) -> NDArray[np.datetime64]:
    """Put the parts of the dates together."""
    for part, values in parts.items():
        low, high = _RANGES[part]
        whole = part in {"doy", "hour", "minute", "second"}
        wrong = ~((values >= low) & (values <= high) & (whole | (values % 1 == 0)))
        if wrong.any():
            place = int(np.argmax(wrong))
            came = "nothing" if np.isnan(values[place]) else f"{values[place]:g}"
            msg = (
                f"{table.label}, row {table.first + place}: {part} must be a number from {low} to {high}; got {came}. "
                "Correct the row."
            )
            raise ValueError(msg)
    zero = np.zeros(len(table.rows))
    year = parts["year"].astype("i8") - 1970
    month = np.zeros(year.shape, "i8") if "doy" in parts else (parts.get("month", zero + 1) - 1).astype("i8")
    start = (year * 12 + month).astype("datetime64[M]")
    days = parts["doy"] - 1 if "doy" in parts else parts.get("day", zero + 1) - 1
    end = (start + (12 if "doy" in parts else 1)).astype("datetime64[D]") - start.astype("datetime64[D]")
    # Days with decimals, stamped at the ends of intervals, close a year on the first of the next at 0:00.
    decimal = bool("doy" in parts and "hour" not in parts and np.any(days % 1 > 0))
    late = days >= end.astype("i8") + np.where(decimal & (days % 1 == 0), 1, 0)
    if late.any():
        place = int(np.argmax(late))
        msg = (
            f"{table.label}, row {table.first + place}: {start[place]} has no day {days[place] + 1:g}. Correct the row."
        )
        raise ValueError(msg)
    minutes = 1440 * days + 60 * parts.get("hour", zero) + parts.get("minute", zero) + parts.get("second", zero) / 60
    times: NDArray[np.datetime64] = start.astype("datetime64[s]") + 60 * np.rint(minutes).astype("i8")
    return times


def _starts(
    times: NDArray[np.datetime64], step: int, parts: Mapping[str, Floats]
) -> tuple[NDArray[np.datetime64], tuple[str, ...]]:
    """Shift stamps that mark the ends of intervals to their starts, so that no month takes from the next."""
    clock = (times - times.astype("datetime64[D]")).astype("i8")
    begins, ends = clock[np.argmin(times)], clock[np.argmax(times)]
    named_24 = bool(np.any(np.floor(parts.get("hour", np.zeros(1))) == 24))
    if named_24 or (begins == step and ends == 0):
        return times - step, ("stamps mark the ends of intervals (the record runs from the first step to midnight)",)
    return times, ()
