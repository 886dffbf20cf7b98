"""Dates in the names of files."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date
from typing import TypeAlias

import numpy as np

from xnee.sources.gridded.times import Moments

__all__ = ["from_name"]

_Pattern: TypeAlias = tuple[re.Pattern[str], str | None, Callable[[re.Match[str]], tuple[int, int, int]]]

# Dates in file names, most telling first. A name is read by the first pattern that it holds exactly once.
_NAMES: tuple[_Pattern, ...] = (
    (re.compile(r"\.A(\d{4})(\d{3})(?=\.)"), None, lambda m: (int(m[1]), 0, int(m[2]))),
    (
        re.compile(r"(?<!\d)((?:1[6-9]|20|21)\d\d)\.?[_-]?[Mm](\d\d)(?!\d)"),
        "month",
        lambda m: (int(m[1]), int(m[2]), 1),
    ),
    (
        re.compile(r"(?<!\d)((?:1[6-9]|20|21)\d\d)[-_.](\d\d)[-_.](\d\d)(?!\d)"),
        None,
        lambda m: (int(m[1]), int(m[2]), int(m[3])),
    ),
    (re.compile(r"(?<!\d)((?:1[6-9]|20|21)\d\d)(\d\d)(\d\d)(?!\d)"), None, lambda m: (int(m[1]), int(m[2]), int(m[3]))),
    (re.compile(r"(?<!\d)((?:1[6-9]|20|21)\d\d)(\d{3})(?!\d)"), None, lambda m: (int(m[1]), 0, int(m[2]))),
    (re.compile(r"(?<!\d)((?:1[6-9]|20|21)\d\d)[-_.]?(\d\d)(?!\d)"), "month", lambda m: (int(m[1]), int(m[2]), 1)),
    (re.compile(r"CHELSA_[A-Za-z_]+_(\d\d)_(\d{4})(?![\d-])"), "month", lambda m: (int(m[2]), int(m[1]), 1)),
    (re.compile(r"(?<!\d)((?:1[6-9]|20|21)\d\d)(?!\d)"), "year", lambda m: (int(m[1]), 1, 1)),
)


def from_name(file: str) -> Moments | None:
    """Read the date in the name of a file.

    Parameters
    ----------
    file
        Name without folders: with ``A2001001`` or ``2001001`` (year and day of the year), ``2001.M01``, ``20010131``,
        ``2001-01-31``, ``200101``, ``2001-01`` or ``2001``; those of CHELSA with ``01_2001``.

    Returns
    -------
    Moments or None
        One step, with what it is where the name says that; ``None`` where there is no date.

    Raises
    ------
    ValueError
        If there are two dates of one kind, or the date is none.

    Examples
    --------
    >>> from_name("GOSIF_2001.M02.tif").every, from_name("forest_age.tif")
    ('month', None)
    """
    for i, (pattern, every, read) in enumerate(_NAMES):
        found = {read(match) for match in pattern.finditer(file)}
        if not found:
            continue
        # The day on which a file was made may stand beside the month that it holds; after an A is what it holds.
        other = _months(file, _NAMES[i + 1 :]) - {date[:2] for date in found} if i else set()
        if len(found) > 1 or other:
            msg = f"the name of {file} holds more than one date. Say which month it is with time='YYYY-MM'."
            raise ValueError(msg)
        year, month, day = found.pop()
        try:
            first = date(year, month or 1, day if month else 1)
        except ValueError as error:
            msg = f"the name of {file} holds a date that there is not ({error}). Say its month with time='YYYY-MM'."
            raise ValueError(msg) from error
        later = 0 if month else day - 1  # a day of the year
        if not 0 <= later < 366:
            msg = (
                f"the name of {file} holds the day {day} of a year, which there is not. Say its month with "
                "time='YYYY-MM'."
            )
            raise ValueError(msg)
        return Moments(days=np.array([(first - date(1600, 1, 1)).days + later], dtype="f8"), every=every)
    return None


def _months(file: str, patterns: Sequence[_Pattern]) -> set[tuple[int, int]]:
    """List the months, by year and month, that a name holds in other ways of writing."""
    several = [
        {read(match)[:2] for match in pattern.finditer(file)} for pattern, what, read in patterns if what == "month"
    ]
    return set().union(*several)
