"""When the steps of a series are: said by the user, by the product, in the files or in their names."""

from __future__ import annotations

import re

import numpy as np

from xnee.sources.gridded.choosing import Chosen
from xnee.sources.gridded.file_names import from_name
from xnee.sources.gridded.periods import Periods, periods
from xnee.sources.gridded.reading import Reading
from xnee.sources.gridded.times import Moments, climatology, join, moments, month_start, years_and_months
from xnee.sources.gridded.units import Quantity, spell

__all__ = ["is_settled", "months_without_years", "periods_of"]

_SETTLED = ("AGE", "land_fraction")
"""What may come without time, as ``(lat, lon)``."""

_YEAR = re.compile(r"(?<!\d)(?:1[89]|20)\d\d(?!\d)")
_MONTHLY = re.compile(r"(^|[._-])(mon|monthly|[ale]mon|moda|avgua|avgad)([._-]|$)", re.IGNORECASE)


def months_without_years(chosen: list[Chosen], reading: Reading) -> tuple[int, ...] | None:
    """Give the months of a series without years.

    Parameters
    ----------
    chosen
        Its layers.
    reading
        What the user says.

    Returns
    -------
    tuple of int or None
        Months 1..12 in the order of the steps, ``None`` where the series has dates.

    Raises
    ------
    ValueError
        If it is a climatology without each month once.
    """
    steps = sum(one.layer.steps for one in chosen)
    if reading.time == "climatology":
        found: tuple[int, ...] = tuple(range(1, steps + 1))
    elif reading.time is not None:
        return None
    else:
        each = [climatology(one.layer.stamps, one.layer.label) if one.layer.stamps else None for one in chosen]
        if any(months is None for months in each):
            return None
        found = tuple(month for months in each for month in months or ())
        if len(chosen) == 1:
            _refuse_year_in_name(chosen[0])
    if sorted(found) != list(range(1, 13)):
        msg = (
            f"a climatology must have each of the months 1..12 once, but {chosen[0].layer.label} has "
            f"{list(found)[:14]}. If "
            "its steps are months of real years, say the first one with time='YYYY-MM'."
        )
        raise ValueError(msg)
    return found


def is_settled(chosen: list[Chosen], quantity: Quantity, reading: Reading) -> bool:
    """Tell whether a field has no time.

    Parameters
    ----------
    chosen
        Its layers.
    quantity
        What it is: forest age and the share of land may come as a single map.
    reading
        What the user says.

    Returns
    -------
    bool
        True for a map ``(lat, lon)``.

    Raises
    ------
    ValueError
        If the user says so of more than one step.
    """
    one = chosen[0].layer
    single = len(chosen) == 1 and one.steps == 1
    if reading.time == "static":
        if not single:
            msg = (
                f"time='static' is for one map, but {one.label} is one of {len(chosen)} file(s) with {one.steps} "
                "step(s)."
            )
            raise ValueError(msg)
        return True
    return reading.time is None and single and quantity.name in _SETTLED


def periods_of(chosen: list[Chosen], quantity: Quantity, reading: Reading, label: str) -> Periods:
    """Find out what the steps of a series stand for.

    Parameters
    ----------
    chosen
        Its layers.
    quantity
        What it is.
    reading
        What the user says.
    label
        What to call it in messages.

    Returns
    -------
    Periods
        In the order of the layers and their steps.

    Raises
    ------
    ValueError
        If nobody says when a step is or what it stands for, no month can be made of the steps, or they are hours of an
        amount that is counted from the beginning of the day.
    """
    stamps = join([_stamps_of(one, reading, len(chosen)) for one in chosen], label)
    _refuse_either_end(chosen, stamps, reading, label)
    by_product = {one.row.every for one in chosen}
    every = reading.every or (None if stamps.every else next(iter(by_product)) if len(by_product) == 1 else None)
    if reading.time is not None:
        every = reading.every or ("month" if "-" in reading.time else "year")
    found = periods(stamps, every=every, label=label)
    length = float(np.median(found.end - found.start))
    if length > 32 and quantity.name not in _SETTLED:
        msg = (
            f"{label} has steps of {length:g} days, and no month of {quantity.name} can be made of those. Take monthly "
            "files, "
            "or say every='month' if its steps are months."
        )
        raise ValueError(msg)
    _refuse_hours(chosen, quantity, reading, length, label)
    return found


def _refuse_hours(chosen: list[Chosen], quantity: Quantity, reading: Reading, length: float, label: str) -> None:
    """Refuse amounts of ECMWF of which nobody says whether they are of an hour, of some hours, or of the day."""
    if length < 0.99 and any(one.row.accumulates for one in chosen) and reading.units is None:
        msg = (
            f"{label} holds hours of an amount that ECMWF counts from the beginning of each day, so they cannot be "
            "averaged. "
            "Take the monthly means or daily sums of the same product."
        )
        raise ValueError(msg)
    relabelled = any(spell(str(one.layer.attrs.get("units", ""))) in one.row.replaces for one in chosen)
    if length < 7 and relabelled and any(one.row.accumulates for one in chosen) and reading.units is None:
        unit = "m d-1" if quantity.amount else "J m-2 d-1"
        msg = (
            f"{label} has a step a day of an amount of ECMWF: the sum of the day, or one hour of it? Say "
            f"units='{unit}' if each is the sum of its day; else take the monthly means."
        )
        raise ValueError(msg)


def _stamps_of(one: Chosen, reading: Reading, files: int) -> Moments:
    """Read when the steps of one layer are: said by the user, in the file, or in its name."""
    layer = one.layer
    if reading.time is not None:
        if files > 1:
            msg = (
                f"time={reading.time!r} is for a single file; {files} were given. Leave it out, or open each by itself."
            )
            raise ValueError(msg)
        return _counted(reading.time, layer.steps, reading.every)
    if layer.stamps is not None:
        found = moments(layer.stamps, layer.label)
        monthly = found.every is None and found.bounds is None and _MONTHLY.search(layer.file) is not None
        return Moments(days=found.days, calendar=found.calendar, every="month", bounds=None) if monthly else found
    named = from_name(layer.file)
    if named is None or layer.steps != 1:
        why = "neither a time axis nor a date in its name" if named is None else f"{layer.steps} bands but no time axis"
        msg = (
            f"{layer.label} has {why}. Say its first month with time='YYYY-MM', or time='climatology' for 12 months of "
            "no "
            "year."
        )
        raise ValueError(msg)
    if named.every == "year" and reading.every == "month":
        msg = f"{layer.label} is to be a month, but its name tells the year only. Say its month with time='YYYY-MM'."
        raise ValueError(msg)
    return named


def _refuse_either_end(chosen: list[Chosen], found: Moments, reading: Reading, label: str) -> None:
    """Refuse the first of a month, 00:00, as a stamp if its bounds are lost: it may be the end of the month before."""
    lost = any(one.layer.stamps is not None and one.layer.stamps.lost_bounds for one in chosen)
    if not lost or found.every is not None or reading.every is not None:
        return
    numbers = years_and_months(found.days, found.calendar)
    starts = np.array([month_start(int(n) // 12, int(n) % 12 + 1, found.calendar) for n in numbers])
    # ends of whole years go from February to January
    begins = found.days.size % 12 == 0 and int(numbers.min()) % 12 == 0
    if np.abs(starts - found.days).max() < 1e-3 and not begins:
        msg = (
            f"{label} is stamped with the first of months, and the bounds that its time axis names are not in "
            "the file, so nobody knows whether a stamp begins a month or ends the one before. Take the file as it was "
            "published, or say every='month' if each stamp begins its month."
        )
        raise ValueError(msg)


def _refuse_year_in_name(one: Chosen) -> None:
    """Refuse months 1..12 without a year in a file that is named by one: it need not be a climatology."""
    years = set(_YEAR.findall(one.layer.file))
    if len(years) == 1 and one.layer.stamps is not None and "since" not in (one.layer.stamps.units or ""):
        year = years.pop()
        msg = (
            f"{one.layer.label} counts its months 1..12 without a year, but is named by the year {year}. Say "
            f"time='{year}-01' if they are of that year, or time='climatology' if of none."
        )
        raise ValueError(msg)


def _counted(first: str, steps: int, every: str | None) -> Moments:
    """Count months, or years, from the first."""
    start = from_name(first)
    if start is None:  # the form was checked with the option
        raise AssertionError(first)
    number = int(years_and_months(start.days, "standard")[0])
    step = 12 if every == "year" or (every is None and "-" not in first) else 1
    numbers = range(number, number + step * steps, step)
    named = [from_name(f"{n // 12:04d}-{n % 12 + 1:02d}") for n in numbers]
    return Moments(days=np.concatenate([one.days for one in named if one is not None]))
