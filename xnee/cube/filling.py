"""Filling gaps, when it is asked for."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xnee.cube.recipe import FILLS

__all__ = ["LONGEST", "fill_gaps"]

LONGEST = 3
"""Months of the longest gap that is filled along a line."""


def fill_gaps(values: NDArray[np.float32], months: NDArray[np.datetime64], *, method: str) -> NDArray[np.float32]:
    """Fill the gaps of series by a named method.

    Parameters
    ----------
    values
        ``(time, ...)``, NaN where there is a gap. Of wind its components, never its direction.
    months
        ``(time)``, without holes.
    method
        ``"climatology"``: the mean of the same calendar month in the other years. ``"linear"``: a straight line in
        time between the months before and after, over at most `LONGEST` months.

    Returns
    -------
    numpy.ndarray
        A new array. What neither method reaches is still NaN.

    Raises
    ------
    ValueError
        If the method is unknown.

    Examples
    --------
    >>> months = np.arange("2001-01", "2001-05", dtype="M8[M]")
    >>> fill_gaps(np.array([1, np.nan, np.nan, 4], "f4"), months, method="linear").tolist()
    [1.0, 2.0, 3.0, 4.0]
    """
    if method not in FILLS:
        msg = f"gaps are filled by one of {', '.join(FILLS)}; got {method!r}."
        raise ValueError(msg)
    return _climatology(values, months) if method == "climatology" else _linear(values)


def _climatology(values: NDArray[np.float32], months: NDArray[np.datetime64]) -> NDArray[np.float32]:
    """Fill with the mean of the calendar month."""
    filled = values.copy()
    calendar = months.astype("M8[M]").astype("i8") % 12
    for month in range(12):
        same = calendar == month
        known = np.isfinite(values[same])
        count = known.sum(axis=0)
        total = np.where(known, values[same], 0).sum(axis=0, dtype="f8")
        mean = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
        filled[same] = np.where(known, values[same], mean)
    return filled


def _linear(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Fill along a line in time."""
    length = values.shape[0]
    number = np.arange(length).reshape((-1,) + (1,) * (values.ndim - 1))
    known = np.isfinite(values)
    before = np.maximum.accumulate(np.where(known, number, -1), axis=0)
    after = np.minimum.accumulate(np.where(known, number, length)[::-1], axis=0)[::-1]
    gap = ~known & (before >= 0) & (after < length) & (after - before - 1 <= LONGEST)
    first = np.take_along_axis(values, np.clip(before, 0, None), axis=0)
    last = np.take_along_axis(values, np.clip(after, None, length - 1), axis=0)
    share = (number - before) / np.maximum(after - before, 1)
    return np.where(gap, first + (last - first) * share.astype("f4"), values)
