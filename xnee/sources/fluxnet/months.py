"""Months made of half-hours, hours or days, in the dialect of monthly files.

What comes out reads like a monthly file of ONEFlux: fluxes and precipitation as means per day, quality as the share of
the month, uncertainties as those of the mean. One conversion then serves all resolutions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from xnee.sources.fluxnet.names import Resolution
from xnee.variables import GRAM_CARBON_PER_DAY, VARIABLES

__all__ = ["Floats", "Months", "Wind", "to_months"]

Floats: TypeAlias = NDArray[np.float64]
Wind: TypeAlias = Literal["unit", "speed"]

# A mean of directions that cancel is noise of the last digits; below this length it has no direction.
_SHORTEST_MEAN_WIND = 1e-6
_MEASURED_OR_GOOD = 1  # flags: 0 measured, 1 filled well, 2 filled, 3 filled poorly


@dataclass(frozen=True, kw_only=True)
class Months:
    """Columns of a file by month.

    Parameters
    ----------
    months
        Month starts, as many as the file has.
    columns
        ``(month,)`` each, as in a monthly file of ONEFlux.
    short
        For columns made of shorter steps: True in months that have values, but too few of them for a mean.
    """

    months: pd.DatetimeIndex
    columns: dict[str, Floats]
    short: dict[str, NDArray[np.bool_]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class _Steps:
    """Rows laid over months: the month of each row, and how many rows a whole month has."""

    place: NDArray[np.intp]
    whole: Floats

    def sum(self, values: Floats) -> Floats:
        """Sum the rows of each month, gaps left out: how many there are is asked of `count`."""
        known = np.nan_to_num(values, nan=0.0)
        return np.bincount(self.place, weights=known, minlength=self.whole.size).astype("f8")

    def count(self, values: Floats) -> Floats:
        """Count the rows of each month with a value."""
        return np.bincount(self.place[np.isfinite(values)], minlength=self.whole.size).astype("f8")

    def mean(self, values: Floats) -> Floats:
        """Average the rows of each month that have a value; NaN where there is none."""
        return _divide(self.sum(values), self.count(values))


def _divide(total: Floats, count: Floats) -> Floats:
    """Divide, NaN where there is nothing to divide by."""
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def to_months(
    columns: Mapping[str, Floats],
    stamps: pd.DatetimeIndex,
    *,
    resolution: Resolution,
    nee: str,
    coverage_min: float,
    wind: Wind,
    file: str,
) -> Months:
    """Make months of the rows of a daily, hourly or half-hourly file.

    Parameters
    ----------
    columns
        ``(row,)`` each, as in the file.
    stamps
        Start of each row, ascending.
    resolution
        Of the file.
    nee
        Column of NEE.
    coverage_min
        Least share of the steps of a month that must have a value, 0 to 1.
    wind
        ``"unit"``: each direction counts the same; ``"speed"``: as much as the wind speed of its step.
    file
        Name of the file, for messages.

    Returns
    -------
    Months
        A mean over the steps that have a value; fluxes and precipitation per day. ``<nee>_QC`` is the share of all
        steps of the month that are measured or filled well. ``<nee>_RANDUNC`` and ``<nee>_JOINTUNC`` are those of
        the mean: random errors as independent from step to step, those of the u* threshold as common to all steps.

    Raises
    ------
    ValueError
        If rows do not follow each other in the steps of the resolution, the quality is not that of it, or winds are
        to be weighted by a speed that the file does not have.
    """
    _check_step(stamps, resolution, file)
    _check_quality(columns[f"{nee}_QC"], resolution, f"{nee}_QC of {file}")
    of_row = stamps.to_numpy().astype("datetime64[M]")
    months, place = np.unique(of_row, return_inverse=True)
    index = pd.DatetimeIndex(months.astype("datetime64[ns]"))
    steps = _Steps(place=place, whole=index.days_in_month.to_numpy("f8") * resolution.per_day)
    per_day = _per_day(nee, resolution)
    made = {name: steps.mean(values) * per_day.get(name, 1.0) for name, values in columns.items()}
    counts = {name: steps.count(values) for name, values in columns.items()}
    if "WD" in columns:
        made["WD"], counts["WD"] = _mean_direction(columns, steps, wind, file)
    companions = _companions(columns, nee, resolution, steps)
    # Counts are whole: a share that is short by a rounding error is not short by a step.
    least = coverage_min * steps.whole - 1e-6
    short = {name: (counts[name] > 0) & (counts[name] < least) for name in made.keys() - companions.keys()}
    made |= {name: np.where(mask, np.nan, made[name]) for name, mask in short.items()}
    return Months(months=index, columns=made | companions, short=short)


def _check_step(stamps: pd.DatetimeIndex, resolution: Resolution, file: str) -> None:
    """Refuse rows of another length than the file name says: their totals would be off by a factor."""
    if len(stamps) < 2:
        return
    step = np.diff(stamps.to_numpy()).min()
    if step != resolution.step:
        came = f"{step.astype('timedelta64[m]').astype(int)} minutes"
        msg = (
            f"{file} is {resolution.word} by its name, but its rows are {came} apart, not "
            f"{resolution.step.astype(int)}. Give it the name of what it holds (DD, HR or HH)."
        )
        raise ValueError(msg)


def _check_quality(quality: Floats, resolution: Resolution, label: str) -> None:
    """Refuse a share where there must be a flag, and a flag where there must be a share."""
    known = quality[np.isfinite(quality)]
    wrong = (known < 0) | (known > 1) if resolution.per_day == 1 else ~np.isin(known, (0, 1, 2, 3))
    if wrong.any():
        rule = "the share of the day, 0 to 1," if resolution.per_day == 1 else "a flag, 0, 1, 2 or 3,"
        msg = f"{label} is {rule} in {resolution.word} files; got {known[wrong][0]:g}. Is the file what its name says?"
        raise ValueError(msg)


def _per_day(nee: str, resolution: Resolution) -> dict[str, float]:
    """Give the factors from the mean of a step to the mean of a day, of what is stated per time."""
    if resolution.per_day == 1:  # g C m-2 d-1 and mm d-1 already
        return {}
    # umol CO2 m-2 s-1; mm in a step
    return {nee: GRAM_CARBON_PER_DAY, "P_F": float(resolution.per_day)}


def _mean_direction(columns: Mapping[str, Floats], steps: _Steps, wind: Wind, file: str) -> tuple[Floats, Floats]:
    """Average angles as vectors, of length 1 or of the wind speed: 350 and 10 degrees make 0, not 180.

    Beside it goes the number of steps that have a part in it.
    """
    if wind == "speed" and "WS_F" not in columns:
        msg = f'{file} has WD but no WS_F, by which wind="speed" weighs directions. Take wind="unit".'
        raise ValueError(msg)
    row, degrees = VARIABLES["WD"], columns["WD"]
    length = columns["WS_F"] if wind == "speed" else np.ones_like(degrees)
    angle = np.deg2rad(np.where((degrees >= row.low) & (degrees <= row.high), degrees, np.nan))
    east, north = steps.mean(length * np.sin(angle)), steps.mean(length * np.cos(angle))
    mean = np.rad2deg(np.arctan2(east, north)) % 360
    return np.where(np.hypot(east, north) > _SHORTEST_MEAN_WIND, mean, np.nan), steps.count(length * angle)


def _companions(columns: Mapping[str, Floats], nee: str, resolution: Resolution, steps: _Steps) -> dict[str, Floats]:
    """Make the quality and the uncertainties of NEE of a month."""
    flux, quality = columns[nee], columns[f"{nee}_QC"]
    good = quality if resolution.per_day == 1 else np.where(quality <= _MEASURED_OR_GOOD, 1.0, 0.0)
    known = np.isfinite(quality) & np.isfinite(flux)
    # Over the whole month: a step without a row is not measured. No quality at all stays unknown.
    share = steps.sum(np.where(known, good, 0.0)) / steps.whole
    unknown = (steps.count(quality) == 0) | (steps.count(flux) == 0)
    made = {f"{nee}_QC": np.where(unknown, np.nan, np.minimum(share, 1.0))}
    factor = _per_day(nee, resolution).get(nee, 1.0)
    random, joint = columns.get(f"{nee}_RANDUNC"), columns.get(f"{nee}_JOINTUNC")
    if random is not None:
        # Only measured steps have a random uncertainty: filled ones do not make a mean more certain.
        of_mean = _divide(np.sqrt(steps.sum(random**2)), steps.count(random))
        made[f"{nee}_RANDUNC"] = factor * of_mean
        if joint is not None:
            # ONEFlux makes JOINTUNC^2 of RANDUNC^2 and of the half distance of the 16th and 84th percentile of
            # NEE over u* thresholds, squared. The threshold is the same in all steps, and its errors do not cancel.
            threshold = steps.mean(np.sqrt(np.maximum(joint**2 - random**2, 0.0)))
            made[f"{nee}_JOINTUNC"] = factor * np.hypot(of_mean, threshold)
    return made
