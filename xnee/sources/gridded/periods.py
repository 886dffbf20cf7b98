"""What the steps of a series stand for: months, composites of days, hours."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xnee.sources.gridded.times import Moments, month_start, years_and_months

__all__ = ["Periods", "periods"]

_SLACK = 1e-6  # days: rounding of stamps
_EVERY = re.compile(r"^(?P<count>\d+(\.\d+)?)?[- ]?(?P<unit>hour|day|month|year)s?$")


@dataclass(frozen=True, kw_only=True)
class Periods:
    """What the steps of a series stand for.

    Parameters
    ----------
    start, end
        Days since 1600-01-01 in `calendar`.
    calendar
        Of the file.
    every
        What the steps are, in words: ``"month"``, ``"8-day"``, ...
    """

    start: NDArray[np.float64]
    end: NDArray[np.float64]
    calendar: str
    every: str


def periods(stamps: Moments, *, every: str | None, label: str) -> Periods:
    """Find out what the steps of a series stand for.

    What is said goes first, then the bounds in the file, then the distances between the stamps.

    Parameters
    ----------
    stamps
        All steps.
    every
        What the user or the product says: ``"month"``, ``"year"``, ``"day"``, ``"8-day"``, ``"3-hour"``.
    label
        What to call the series in messages.

    Returns
    -------
    Periods
        In the order of the stamps. Composites of several days begin anew each January, so the last of a year is short.

    Raises
    ------
    ValueError
        If `every` is none of these, or there is a single step of which nobody says what it is.

    Examples
    --------
    >>> found = periods(Moments(days=np.array([0.0, 8.0, 16.0])), every=None, label="a series")
    >>> found.every, found.end.tolist()
    ('8-day', [8.0, 16.0, 24.0])
    """
    if every is None and stamps.bounds is not None:
        start, end = stamps.bounds.T
        return Periods(start=start, end=end, calendar=stamps.calendar, every=_name(float(np.median(end - start))))
    said = every or stamps.every or _found_out(stamps.days, stamps.calendar, label)
    return _periods(stamps.days, stamps.calendar, said, label)


def _name(length: float) -> str:
    """Name a period by its length in days."""
    if 27.9 <= length <= 31.1:
        return "month"
    if 359 <= length <= 367:
        return "year"
    return f"{length:g}-day" if length >= 1 else f"{24 * length:g}-hour"


def _found_out(days: NDArray[np.float64], calendar: str, label: str) -> str:
    """Find out what steps stand for from their distances."""
    each = np.unique(days)  # the same stamp twice is refused later, when it is known what it stands for
    if each.size < 2 and days.size < 2:
        msg = (
            f"{label} has a single step, and nothing tells whether it is a month, 8 days or a day. Say it with every=, "
            "e.g. every='month'."
        )
        raise ValueError(msg)
    apart = np.diff(years_and_months(each, calendar))
    if apart.size == 0:
        return "day"
    if np.all(apart == 12):
        return "year"
    if np.median(apart) >= 1:
        return "month"
    return _name(float(np.median(np.diff(each))))


def _periods(days: NDArray[np.float64], calendar: str, every: str, label: str) -> Periods:
    """Make periods of stamps that are `every` so long."""
    found = _EVERY.match(every)
    count = float(found["count"] or 1) if found else 0.0
    if found is None or count <= 0 or (found["unit"] in ("month", "year") and count != 1):
        msg = f"every must be 'month', 'year', 'day', 'N-day' or 'N-hour', e.g. '8-day'; got {every!r} for {label}."
        raise ValueError(msg)
    if found["unit"] in ("month", "year"):
        start, end = _calendar_periods(days, calendar, 12 if found["unit"] == "year" else 1)
    elif found["unit"] == "hour" or count < 1:
        start, end = days, days + count / (24 if found["unit"] == "hour" else 1)
    else:
        start = np.floor(days + _SLACK)
        end = start + count
        if count > 1:  # composites begin anew each January: the last one of a year is short
            years = years_and_months(start, calendar) // 12
            end = np.minimum(end, [month_start(int(year) + 1, 1, calendar) for year in years])
    return Periods(start=start, end=end, calendar=calendar, every=every)


def _calendar_periods(
    days: NDArray[np.float64], calendar: str, months: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give the month or the year in which each stamp lies."""
    first = years_and_months(days, calendar) // months * months
    edges = [[month_start(int(n) // 12, int(n) % 12 + 1, calendar) for n in first + later] for later in (0, months)]
    return np.array(edges[0]), np.array(edges[1])
