"""Calendar months from periods of any length, by the days they share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import dask.array as da
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from xnee.sources.gridded.periods import Periods
from xnee.sources.gridded.times import month_edges, years_and_months

__all__ = ["Gaps", "Month", "Plan", "average", "plan"]

Gaps: TypeAlias = Literal["refuse", "nan"]

_SLACK = 1e-6  # days: rounding of stamps


@dataclass(frozen=True, kw_only=True)
class Month:
    """One month of the result.

    Parameters
    ----------
    steps
        The steps of the series that touch it, one after the other.
    days
        How many days of the month each of them covers.
    length
        Days of the month in the calendar of the file.
    """

    steps: slice
    days: tuple[float, ...]
    length: float


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How a series becomes months.

    Parameters
    ----------
    order
        Order of the steps in time.
    time
        Month starts of the result, no month left out.
    months
        One each; ``None`` for a month that the series does not cover.
    monthly
        Whether each step is a month already.
    note
        What was left out at the ends, in words.
    """

    order: NDArray[np.intp]
    time: pd.DatetimeIndex
    months: tuple[Month | None, ...]
    monthly: bool
    note: str = ""


def _stamp(number: int) -> str:
    """Write a month."""
    return f"{number // 12}-{number % 12 + 1:02d}"


def _some(texts: list[str]) -> str:
    """List the first few."""
    return ", ".join(texts[:6]) + (f", ... ({len(texts)} in all)" if len(texts) > 6 else "")


def plan(periods: Periods, *, names: list[str], coverage: float, gaps: Gaps, label: str) -> Plan:
    """Work out which steps make which months, and refuse series with duplicates or holes.

    Parameters
    ----------
    periods
        What the steps stand for.
    names
        File of each step, for messages.
    coverage
        Share of a month's days that the steps must cover, 0 to 1.
    gaps
        What to do about months inside the series that are not covered: refuse, or leave them missing.
    label
        What to call the series in messages.

    Returns
    -------
    Plan
        Months at either end that are not covered are left out.

    Raises
    ------
    ValueError
        If two steps cover the same days, months are missing inside, or no month is covered.
    """
    order = np.argsort(periods.start, kind="stable")
    start, end = periods.start[order], periods.end[order]
    _check_duplicates(periods, order, names, label)
    first = int(years_and_months(start[:1] + _SLACK, periods.calendar)[0])
    last = int(years_and_months(end.max(keepdims=True) - _SLACK, periods.calendar)[0])
    edges = month_edges(first, last - first + 1, periods.calendar)
    months = [_month(start, end, edges[i : i + 2], coverage) for i in range(last - first + 1)]
    held = [i for i, month in enumerate(months) if month is not None]
    if not held:
        days = float((end - start).sum())
        msg = (
            f"{label} covers no month: it holds {order.size} step(s), {days:g} day(s) in "
            f"{_stamp(first)}..{_stamp(last)}, and a "
            f"month needs {coverage:.0%} of its days. Give more files, or ask for less with coverage=."
        )
        raise ValueError(msg)
    lost = [_stamp(first + i) for i in range(held[0], held[-1]) if months[i] is None]
    if lost and gaps == "refuse":
        msg = (
            f"{label} has holes: {_some(lost)} are covered by less than {coverage:.0%}. Add the files of these months, "
            "or "
            "leave them missing with gaps='nan'."
        )
        raise ValueError(msg)
    cut = [_stamp(first + i) for i in range(len(months)) if i < held[0] or i > held[-1]]
    kept = months[held[0] : held[-1] + 1]
    return Plan(
        order=order,
        time=pd.date_range(_stamp(first + held[0]) + "-01", periods=len(kept), freq="MS", unit="ns"),
        months=tuple(kept),
        monthly=all(m is None or m.days == (m.length,) for m in kept) and periods.every == "month",
        note=f"left out at the ends, covered in part: {', '.join(cut)}" if cut else "",
    )


def _check_duplicates(periods: Periods, order: NDArray[np.intp], names: list[str], label: str) -> None:
    """Refuse steps that cover the same days."""
    start, end = periods.start[order], periods.end[order]
    length = np.minimum(end[1:] - start[1:], end[:-1] - start[:-1])
    twice = np.flatnonzero(end[:-1] - start[1:] > np.maximum(0.01 * length, _SLACK))
    if twice.size:
        i = int(twice[0])
        month = _stamp(int(years_and_months(start[i + 1 : i + 2] + _SLACK, periods.calendar)[0]))
        files = sorted({names[order[i]], names[order[i + 1]]})
        msg = (
            f"{label} has the same time twice, {twice.size} time(s), first in {month}: {' and '.join(files)}. Give "
            "each "
            "period once."
        )
        raise ValueError(msg)


def _month(
    start: NDArray[np.float64], end: NDArray[np.float64], edges: NDArray[np.float64], coverage: float
) -> Month | None:
    """Find the steps that make one month, if they cover enough of it."""
    low, high = edges
    a = int(np.searchsorted(end, low + _SLACK, side="right"))
    b = int(np.searchsorted(start, high - _SLACK, side="left"))
    days = np.minimum(end[a:b], high) - np.maximum(start[a:b], low)
    if b <= a or days.sum() < coverage * (high - low) - 1e-3 or days.sum() <= 0:
        return None
    return Month(steps=slice(a, b), days=tuple(float(d) for d in days), length=float(high - low))


def average(series: da.Array, plan: Plan, coverage: float) -> da.Array:
    """Average the steps of each month, weighted by the days they cover.

    Parameters
    ----------
    series
        ``(step, lat, lon)`` in the order of the plan.
    plan
        From `plan`.
    coverage
        Share of a month's days that must have a value, 0 to 1, cell by cell.

    Returns
    -------
    dask.array.Array
        ``(month, lat, lon)``, NaN for a month with too few values.
    """
    if plan.monthly and all(month is not None for month in plan.months):
        return series
    shape, chunks = (1, *series.shape[1:]), (1, *series.chunks[1:])
    missing = da.full(shape, np.nan, dtype=series.dtype, chunks=chunks)  # type: ignore[no-untyped-call]
    months = [missing if month is None else _average(series, month, coverage) for month in plan.months]
    joined: da.Array = da.concatenate(months, axis=0)  # type: ignore[no-untyped-call]
    return joined


def _average(series: da.Array, month: Month, coverage: float) -> da.Array:
    """Average one month, ``(1, lat, lon)``."""
    some: da.Array = series[month.steps]
    if month.days == (month.length,) and some.shape[0] == 1:
        return some
    weight = np.array(month.days)[:, None, None]
    known = da.isfinite(some)
    days = (known * weight).sum(axis=0, keepdims=True)
    total = (da.where(known, some, 0.0) * weight).sum(axis=0, keepdims=True)
    enough = (days >= coverage * month.length - 1e-3) & (days > 0)
    mean: da.Array = da.where(enough, total / da.where(enough, days, 1.0), np.nan).astype(series.dtype)
    return mean
