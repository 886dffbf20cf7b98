"""What a user says about files that do not say it themselves."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, TypeAlias

from xnee.grid import Grid
from xnee.sources.gridded.axes import LABELS, Labels
from xnee.sources.gridded.months import Gaps

__all__ = ["Box", "Reading"]

Box: TypeAlias = Grid | tuple[float, float, float, float]

_TIME = re.compile(r"climatology|static|\d{4}(-(0[1-9]|1[0-2]))?")


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Options of `open_driver`; every one of them may be left out.

    Parameters
    ----------
    variable, units, scale, offset, missing, level, labels, time, every, product, box, coverage, gaps
        See `open_driver`.

    Raises
    ------
    TypeError
        If an option is of the wrong kind.
    ValueError
        If it has a value that there is not.

    Examples
    --------
    >>> Reading(units="K").units
    'K'
    """

    variable: str | None = None
    units: str | None = None
    scale: float | None = None
    offset: float | None = None
    missing: tuple[float, ...] = ()
    level: float | None = None
    labels: Labels | None = None
    time: str | None = None
    every: str | None = None
    product: str | None = None
    box: Box | None = None
    coverage: float = 0.8
    gaps: Gaps = "refuse"

    def __post_init__(self) -> None:
        """Check what can be checked without a file."""
        for name in ("variable", "units", "time", "every", "product"):
            _check_kind(name, getattr(self, name), str, "text")
        for name in ("scale", "offset", "level", "coverage"):
            _check_kind(name, getattr(self, name), (int, float), "a number")
        many = isinstance(self.missing, tuple | list) and all(isinstance(code, int | float) for code in self.missing)
        if not many:
            msg = (
                "missing must be a tuple of stored numbers that are no values, e.g. (32766, 32767); got "
                f"{self.missing!r}."
            )
            raise TypeError(msg)
        if self.scale == 0:
            msg = "scale is what one stored number counts, so it cannot be 0."
            raise ValueError(msg)
        if not 0 <= self.coverage <= 1:
            msg = f"coverage is the share of a month's days that must have values, 0 to 1; got {self.coverage}."
            raise ValueError(msg)
        if self.gaps not in ("refuse", "nan"):
            msg = f"gaps must be 'refuse' or 'nan'; got {self.gaps!r}."
            raise ValueError(msg)
        if self.labels is not None and self.labels not in LABELS:
            msg = f"labels must be one of {', '.join(map(repr, LABELS))}; got {self.labels!r}."
            raise ValueError(msg)
        if self.time is not None and not _TIME.fullmatch(self.time):
            msg = (
                "time must be the first month or year, '2001-01' or '2001', 'climatology' or 'static'; got "
                f"{self.time!r}."
            )
            raise ValueError(msg)
        self.edges()

    def edges(self) -> tuple[float, float, float, float] | None:
        """Give the box as west, south, east, north.

        Returns
        -------
        tuple of float or None
            Degrees; ``None`` for everything.

        Raises
        ------
        TypeError
            If `box` is neither a `Grid` nor four numbers.
        ValueError
            If it is no box.
        """
        if self.box is None:
            return None
        if isinstance(self.box, Grid):
            return self.box.west, self.box.south, self.box.east, self.box.north
        four: Any = self.box
        if not isinstance(four, tuple | list) or len(four) != 4 or not all(isinstance(x, int | float) for x in four):
            msg = f"box must be a Grid or (west, south, east, north) in degrees; got {self.box!r}."
            raise TypeError(msg)
        west, south, east, north = map(float, four)
        if not (-180 <= west < east <= 180 and -90 <= south < north <= 90):
            msg = f"box must have -180 <= west < east <= 180 and -90 <= south < north <= 90; got {self.box!r}."
            raise ValueError(msg)
        return west, south, east, north


def _check_kind(name: str, value: object, kind: Any, words: str) -> None:
    """Refuse an option of the wrong kind."""
    if value is not None and (not isinstance(value, kind) or isinstance(value, bool)):
        msg = f"{name} must be {words}; got {value!r}."
        raise TypeError(msg)
