"""How yearly totals change: trends and anomalies, each member for itself before the spread is taken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xnee.products.budget import check_by, mean_and_spread, region_rows, totals_by, totals_of

__all__ = ["TrendMethod", "anomaly", "trend"]

TrendMethod = Literal["theil-sen", "ols"]

_LEAST = 3  # years that a trend needs


def trend(
    predicted: xr.Dataset,
    *,
    by: Sequence[str] = ("pft",),
    regions: object = None,
    method: TrendMethod = "theil-sen",
    period: tuple[int, int] | None = None,
) -> xr.Dataset:
    """Fit a line through the yearly totals.

    Parameters
    ----------
    predicted
        As for `budget`: a predicted map or a product.
    by
        Any of ``"pft"``, ``"season"`` or ``"month"``, and ``"region"``, as for `budget`; without ``"pft"`` all forest.
    regions
        As for `budget`.
    method
        ``"theil-sen"``: the median of the slopes between all pairs of years, which one odd year does not move, with
        Sen's interval. ``"ols"``: least squares, with the interval of Student's t; residuals are taken as independent.
    period
        First and last year; left out, all whole years.

    Returns
    -------
    xarray.Dataset
        ``trend``, Tg C yr-1 per year (or season-1, month-1 per year), of the mean over members; ``trend_low`` and
        ``trend_high``, ends of its 95 % interval, which is that of years about a line; ``trend_std``, the standard
        deviation of the members' own trends; ``years``, how many there were. ``attrs["method"]`` names the method.
        Missing where a year has no total. In memory.

    Raises
    ------
    ValueError
        As `budget`; if the method is another, or there are fewer than three whole years.

    Examples
    --------
    >>> trend(xr.Dataset(), method="loess")
    Traceback (most recent call last):
        ...
    ValueError: method must be one of ('theil-sen', 'ols'); got 'loess'.
    """
    if method not in get_args(TrendMethod):
        msg = f"method must be one of {get_args(TrendMethod)}; got {method!r}."
        raise ValueError(msg)
    total, years, unit = _yearly(predicted, by=by, regions=regions, period=period)
    if years.size < _LEAST:
        msg = f"a trend needs {_LEAST} whole years or more, there are {years.tolist()}. Give a longer period."
        raise ValueError(msg)
    members = _along_years(total, years, _SLOPES[method])[0]
    slope, low, high = _along_years(total.mean("member", skipna=False), years, _SLOPES[method])
    own = mean_and_spread(members)[1]
    result = xr.Dataset({"trend": slope, "trend_low": low, "trend_high": high, "trend_std": own})
    names = ("trend of the total", "lower end of its 95 % interval", "upper end of its 95 % interval")
    for name, text in zip(result.data_vars, (*names, "standard deviation of the trends of the members"), strict=True):
        result[name].attrs = {"units": f"{unit} yr-1", "long_name": text}
    result["years"] = xr.Variable((), years.size, {"units": "1", "long_name": "whole years"})
    return result.assign_attrs(method=_NAMES[method], period=f"{years[0]} to {years[-1]}")


def anomaly(
    predicted: xr.Dataset,
    *,
    by: Sequence[str] = ("pft", "year"),
    regions: object = None,
    period: tuple[int, int] | None = None,
) -> xr.Dataset:
    """Subtract the mean of a period from the totals of each year.

    Parameters
    ----------
    predicted
        As for `budget`: a predicted map or a product.
    by
        As for `budget`. Each year is shown, whatever `by` says.
    regions
        As for `budget`.
    period
        First and last year of the mean; left out, all whole years.

    Returns
    -------
    xarray.Dataset
        ``anomaly`` in Tg C yr-1 (or season-1, month-1), negative where forest took up more than on average: mean over
        members. ``anomaly_std``: the standard deviation of each member's anomaly. It is smaller than that of the
        totals, as what a member errs by in all years cancels. In memory.

    Raises
    ------
    ValueError
        As `budget`; if no whole year lies in the period.

    Examples
    --------
    >>> anomaly(xr.Dataset(), by=("decade",))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    ValueError: by must hold 'pft', ...
    """
    total, years, unit = _yearly(predicted, by=by, regions=regions, period=None)
    within = years if period is None else years[(years >= period[0]) & (years <= period[1])]
    if within.size == 0:
        msg = f"no whole year lies in {period}; whole years are {years.tolist()}."
        raise ValueError(msg)
    own = total - total.sel(year=within).mean("year", skipna=False)
    mean, std = mean_and_spread(own)
    result = xr.Dataset({"anomaly": mean, "anomaly_std": std})
    result["anomaly"].attrs = {"units": unit, "long_name": "total less the mean of the period"}
    result["anomaly_std"].attrs = {"units": unit, "long_name": "standard deviation over members of each one's anomaly"}
    return result.assign_attrs(period=f"{within[0]} to {within[-1]}", sign="negative: more uptake than on average")


def _yearly(
    predicted: xr.Dataset, *, by: Sequence[str], regions: object, period: tuple[int, int] | None
) -> tuple[xr.DataArray, NDArray[np.int64], str]:
    """Give totals ``(..., year, member)`` of whole years, these years and the unit of a total."""
    words, what, unit = check_by(by, regions)
    totals, _ = totals_of(predicted, regions=regions, words=words)
    whole = totals["year"].to_numpy()[totals["months_predicted"].to_numpy() == 12]
    if period is not None:
        whole = whole[(whole >= period[0]) & (whole <= period[1])]
    total = totals_by(totals, period=what, years=True)["total"].sel(year=whole)
    total = region_rows(total, shown="region" in words)
    return total if "pft" in words else total.sum("pft", min_count=1), whole, unit


def _along_years(total: xr.DataArray, years: NDArray[np.int64], function: Any) -> tuple[xr.DataArray, ...]:
    """Call a function of ``(years, values)`` on each series."""
    return tuple(
        xr.apply_ufunc(
            lambda values: function(years.astype("f8"), values),
            total,
            input_core_dims=[["year"]],
            output_core_dims=[[], [], []],
            vectorize=True,
        )
    )


def _theil_sen(years: NDArray[np.float64], values: NDArray[np.float64]) -> tuple[float, float, float]:
    from scipy.stats import theilslopes

    if not np.isfinite(values).all():
        return (np.nan,) * 3
    slope, _, low, high = theilslopes(values, years, 0.95)
    return float(slope), float(low), float(high)


def _ols(years: NDArray[np.float64], values: NDArray[np.float64]) -> tuple[float, float, float]:
    from scipy.stats import linregress, t

    if not np.isfinite(values).all():
        return (np.nan,) * 3
    fit = linregress(years, values)
    half = float(t.ppf(0.975, years.size - 2) * fit.stderr)
    return float(fit.slope), float(fit.slope) - half, float(fit.slope) + half


_SLOPES = {"theil-sen": _theil_sen, "ols": _ols}
_NAMES = {"theil-sen": "Theil-Sen median slope, Sen's 95 % interval", "ols": "least squares, 95 % interval of t"}
