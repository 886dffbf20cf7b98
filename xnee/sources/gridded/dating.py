"""When the steps of a series are: said by the user, by the product, in the files or in their names."""

from __future__ import annotations

import re

import numpy as np

from xnee.sources.gridded.choosing import Chosen
from xnee.sources.gridded.file_names import from_name
from xnee.sources.gridded.periods import Periods, periods
from xnee.sources.gridded.reading import Reading
from xnee.sources.gridded.times import Moments, climatology, join, moments, years_and_months
from xnee.sources.gridded.units import Quantity

__all__ = ["is_settled", "months_without_years", "periods_of"]

_SETTLED = ("AGE", "land_fraction")
"""What may come without time, as ``(lat, lon)``."""

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
    if length < 0.99 and any(one.row.accumulates for one in chosen) and reading.units is None:
        msg = (
            f"{label} holds hours of an amount that ECMWF counts from the beginning of each day, so they cannot be "
            "averaged. "
            "Take the monthly means or daily sums of the same product."
        )
        raise ValueError(msg)
    return found


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
    return named


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
