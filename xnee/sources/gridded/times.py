"""Time axes of files: whatever way they are written, they become periods with a beginning and an end."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import cftime
import numpy as np
from numpy.typing import NDArray

from xnee.sources.gridded.layers import Stamps

__all__ = ["Moments", "climatology", "join", "moments", "month_edges", "month_start", "years_and_months"]

_EPOCH = "days since 1600-01-01"
_REFERENCE = re.compile(r"^\s*(?P<unit>[A-Za-z]+)\s+since\s+(?P<date>.*\S)\s*$")
_YEAR = re.compile(r"^(-?\d{1,4})(?:-(\d{1,2}))?(?:-(\d{1,2}))?(?:\D|$)")
_SKIPPED = re.compile(r"1582-10-(0[5-9]|1[0-4])(?!\d)")
_FIRST, _LAST = 1601, 2261  # years of datetime64[ns] beyond doubt, and of the epoch
_SLACK = 1e-6  # days: rounding of stamps
_CALENDARS = {
    "gregorian": "standard",
    "proleptic_gregorian": "standard",  # the same since 1582
    "noleap": "365_day",
    "all_leap": "366_day",
}


@dataclass(frozen=True, kw_only=True)
class Moments:
    """The stamps of one or more files, before it is known what they stand for.

    Parameters
    ----------
    days
        Since 1600-01-01 in `calendar`.
    calendar
        Of the file.
    every
        What a step is, where the file or its name says so.
    bounds
        ``(step, 2)``, the days that each step covers, where the file has them.
    """

    days: NDArray[np.float64]
    calendar: str = "standard"
    every: str | None = None
    bounds: NDArray[np.float64] | None = None


def month_start(year: int, month: int, calendar: str) -> float:
    """Give the beginning of a month.

    Parameters
    ----------
    year, month
        The month, which may be counted past December.
    calendar
        Of the file.

    Returns
    -------
    float
        Days since 1600-01-01.
    """
    date = cftime.datetime(year + (month - 1) // 12, (month - 1) % 12 + 1, 1, calendar=calendar)
    return float(cftime.date2num(date, _EPOCH, calendar=calendar))


def month_edges(first: int, count: int, calendar: str) -> NDArray[np.float64]:
    """Give the edges of months in row.

    Parameters
    ----------
    first
        Number of the first month: 12 times the year plus the month, less one.
    count
        How many months.
    calendar
        Of the file.

    Returns
    -------
    numpy.ndarray
        ``count + 1`` days since 1600-01-01.

    Examples
    --------
    >>> np.diff(month_edges(12 * 2004, 3, "standard")).tolist(), np.diff(month_edges(12 * 2004, 3, "360_day")).tolist()
    ([31.0, 29.0, 31.0], [30.0, 30.0, 30.0])
    """
    return np.array(
        [month_start(number // 12, number % 12 + 1, calendar) for number in range(first, first + count + 1)]
    )


def years_and_months(days: NDArray[np.float64], calendar: str) -> NDArray[np.int64]:
    """Count the months in which days lie: 12 times the year plus the month, less one.

    Parameters
    ----------
    days
        Since 1600-01-01.
    calendar
        Of the file.

    Returns
    -------
    numpy.ndarray
        One whole number each.
    """
    dates = np.atleast_1d(cftime.num2date(days, _EPOCH, calendar=calendar))
    return np.array([12 * date.year + date.month - 1 for date in dates], dtype="i8")


def climatology(stamps: Stamps, label: str) -> tuple[int, ...] | None:
    """Give the calendar months of a climatology.

    Parameters
    ----------
    stamps
        A time axis.
    label
        What to call the file in messages.

    Returns
    -------
    tuple of int or None
        Months, ``None`` where the axis has real dates: it is a climatology if it counts months 1..12, begins in a
        year 0 or 1, or says so by its ``climatology`` attribute.
    """
    values = stamps.values.astype("f8")
    units = (stamps.units or "").strip().lower()
    if units in ("", "1", "month", "months", "month_number", "month of year"):
        whole = values.size and np.array_equal(values, values.round()) and values.min() >= 1 and values.max() <= 12
        return tuple(int(v) for v in values) if whole else None
    found = _REFERENCE.match(units)
    year = _YEAR.match(found["date"]) if found else None
    if found is None or year is None or not (stamps.climatology or int(year[1]) in (0, 1)):
        return None
    if int(year[1]) in (0, 1):
        return _months_of_no_year(values, found["unit"], stamps)
    return tuple(int(n) % 12 + 1 for n in years_and_months(_tomonth_start(stamps, label), stamps.calendar))


def _months_of_no_year(values: NDArray[np.float64], unit: str, stamps: Stamps) -> tuple[int, ...] | None:
    """Give the months of an axis that counts from a year 0 or 1, unless it goes on for more than a year."""
    if unit.startswith("month"):
        months = values + 1
        return tuple(int(v) for v in months) if months.min() >= 1 and months.max() < 13 else None
    per_day = {"d": 1, "h": 24, "m": 1440, "s": 86_400}.get(unit[0], 1)
    days = values / per_day
    if days.min() < 0 or days.max() >= 366:
        return None
    edges = np.cumsum([0, 31, 29 if days.size and _is_leap(stamps) else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
    return tuple(int(np.searchsorted(edges, day, side="right")) for day in np.minimum(days, edges[-1] - 1e-6))


def _is_leap(stamps: Stamps) -> bool:
    """Tell whether the year of a climatology ends after 366 days."""
    return stamps.bounds is not None and bool(np.max(stamps.bounds) > 365.5)


def _refuse(label: str, why: str) -> ValueError:
    """Say that a time axis cannot be read."""
    return ValueError(f"the time of {label} {why}. Say its first month with time='YYYY-MM' if its steps are months.")


def _tomonth_start(stamps: Stamps, label: str, values: NDArray[Any] | None = None) -> NDArray[np.float64]:
    """Turn a time axis with real dates into days since 1600-01-01, in the calendar of the file."""
    numbers = (stamps.values if values is None else values).astype("f8")
    if not np.isfinite(numbers).all() or np.abs(numbers).max(initial=0) > 1e15:
        raise _refuse(label, "has missing or senseless stamps")
    units = (stamps.units or "").strip()
    try:
        days = _dates_in_digits(numbers, units, stamps.calendar)
        if days is None:
            days = _since(numbers, units, stamps.calendar)
        years = [date.year for date in np.atleast_1d(cftime.num2date(days, _EPOCH, calendar=stamps.calendar))]
    except (ValueError, TypeError, OverflowError, AttributeError) as error:
        raise _refuse(
            label, f"cannot be read: units {stamps.units!r}, calendar {stamps.calendar!r} ({error})"
        ) from error
    if min(years) < _FIRST or max(years) > _LAST:
        raise _refuse(label, f"goes from the year {min(years)} to {max(years)}, beyond {_FIRST}..{_LAST}")
    return days


def _since(numbers: NDArray[np.float64], units: str, calendar: str) -> NDArray[np.float64]:
    """Read CF units; months and years since a date are calendar months, not 30.44 days."""
    found = _REFERENCE.match(units)
    if found is None:
        msg = "no unit that tells dates"
        raise ValueError(msg)
    unit = found["unit"].lower()
    if unit.startswith(("month", "year", "common_year")):
        date = _YEAR.match(found["date"])
        if date is None:
            msg = "no reference date"
            raise ValueError(msg)
        step = numbers if unit.startswith("month") else 12 * numbers
        # the day of the reference is dropped: a step stands for its month
        months = 12 * int(date[1]) + int(date[2] or 1) - 1 + np.floor(step + 1e-6).astype("i8")
        return np.array([month_start(int(n) // 12, int(n) % 12 + 1, calendar) for n in months])
    if _SKIPPED.match(found["date"]) and calendar.lower() in ("standard", "gregorian"):
        calendar = "proleptic_gregorian"  # FLUXCOM counts from a day that the calendar it names left out
    dates = cftime.num2date(numbers, units, calendar=calendar)
    return np.atleast_1d(np.asarray(cftime.date2num(dates, _EPOCH, calendar=calendar), dtype="f8"))


def _dates_in_digits(numbers: NDArray[np.float64], units: str, calendar: str) -> NDArray[np.float64] | None:
    """Read dates written as digits, 197901 or 19790131; ``None`` where they are not."""
    lower = units.lower()
    if lower.startswith(("yyyymm", "%y%m", "day as %y%m%d")) or lower in ("", "1", "none"):
        whole = np.floor(numbers)
        if lower in ("", "1", "none") and not np.array_equal(whole, numbers):
            return None
        if np.all((whole > 160_000) & (whole < 226_200)):
            return np.array([month_start(int(n) // 100, _checked_month(int(n) % 100), calendar) for n in whole])
        if np.all((whole > 16_000_000) & (whole < 22_620_000)):
            dates = [
                cftime.datetime(int(n) // 10_000, int(n) // 100 % 100, int(n) % 100, calendar=calendar) for n in whole
            ]
            days = np.asarray(cftime.date2num(dates, _EPOCH, calendar=calendar), dtype="f8")
            return days + (numbers - whole)
        msg = "dates in digits must be like 197901 or 19790131"
        raise ValueError(msg)
    return None


def _checked_month(month: int) -> int:
    """Refuse a month beyond 1..12, which counting would turn into one of the next year."""
    if not 1 <= month <= 12:
        msg = f"there is no month {month}"
        raise ValueError(msg)
    return month


def moments(stamps: Stamps, label: str) -> Moments:
    """Read a time axis with real dates.

    Parameters
    ----------
    stamps
        The time axis.
    label
        What to call the file in messages.

    Returns
    -------
    Moments
        In the order of the file. Bounds that do not hold their stamps are left out.

    Raises
    ------
    ValueError
        If the axis cannot be read.

    Examples
    --------
    >>> axis = Stamps(name="time", values=np.array([197901, 197902]), units="yyyymm")
    >>> read = moments(axis, "a file")
    >>> read.every, np.diff(read.days).tolist()
    ('month', [31.0])
    """
    calendar = _CALENDARS.get(stamps.calendar.lower(), stamps.calendar.lower())
    days = _tomonth_start(stamps, label)
    edges = None
    if stamps.bounds is not None:
        edges = _tomonth_start(stamps, label, stamps.bounds.ravel()).reshape(-1, 2)
        inside = (edges[:, 0] <= days + _SLACK) & (days - _SLACK <= edges[:, 1]) & (edges[:, 1] > edges[:, 0])
        edges = edges if inside.all() else None
    by_unit = re.match(r"yyyymm$|%y%m$|months? since", (stamps.units or "").strip().lower()) is not None
    return Moments(days=days, calendar=calendar, every="month" if stamps.monthly or by_unit else None, bounds=edges)


def join(parts: list[Moments], label: str) -> Moments:
    """Put the stamps of several files one after the other.

    Parameters
    ----------
    parts
        One of each file.
    label
        What to call the series in messages.

    Returns
    -------
    Moments
        Of all steps.

    Raises
    ------
    ValueError
        If the files have different calendars.
    """
    calendars = sorted({part.calendar for part in parts})
    if len(calendars) > 1:
        msg = f"the files of {label} have different calendars, {calendars}. Give those of one series only."
        raise ValueError(msg)
    every = {part.every for part in parts}
    bounds = [part.bounds for part in parts if part.bounds is not None]
    return Moments(
        days=np.concatenate([part.days for part in parts]),
        calendar=calendars[0],
        every=every.pop() if len(every) == 1 else None,
        bounds=np.concatenate(bounds) if len(bounds) == len(parts) else None,
    )
