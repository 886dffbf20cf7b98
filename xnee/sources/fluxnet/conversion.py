"""Columns of a month become variables of the vocabulary, and what is left out of them is counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from xnee.features import par_from_shortwave
from xnee.sources.fluxnet.months import Floats, Months
from xnee.sources.site_series import implausible
from xnee.variables import VARIABLES

__all__ = ["COLUMNS", "SHORTWAVE", "UNCERTAINTY", "Counts", "Uncertainty", "column_of", "convert"]

Uncertainty: TypeAlias = Literal["random", "joint"]
# Months by what they are of (a variable, or "" for the record) and by what happened to them.
Counts: TypeAlias = Counter[tuple[str, str]]

# Driver -> its column, and the factor to the canonical unit. What is a month total in the vocabulary stands in monthly
# files as a mean per day, and is multiplied by the days of its month besides.
COLUMNS: Mapping[str, tuple[str, float]] = MappingProxyType(
    {
        "TEMP": ("TA_F", 1.0),
        "PRE": ("P_F", 1.0),  # mm d-1
        "VPD": ("VPD_F", 1.0),
        "WD": ("WD", 1.0),  # only in half-hourly and hourly files
        "WS": ("WS_F", 1.0),
        "PA": ("PA_F", 10.0),  # kPa
        "PAR": ("PPFD_IN", 1.0),
        "VWC": ("SWC_F_MDS_1", 0.01),  # %; layer 1 is the uppermost
        "TS": ("TS_F_MDS_1", 1.0),
    }
)
SHORTWAVE = "SW_IN_F"
UNCERTAINTY: Mapping[Uncertainty, str] = MappingProxyType({"random": "RANDUNC", "joint": "JOINTUNC"})

# A year of soil that never holds 1 % of water is a fraction under the heading of a percentage.
_DRIEST_PERCENT, _YEAR = 1.0, 12
# Nor has any of 67 towers a year without a month of 4.3 hPa, 20 mm d-1 as its mean, or a month of 17 g C m-2 d-1.
_DAMPEST, _WETTEST, _STRONGEST, _SOME = 1.5, 20.0, 17.0, 0.1


def column_of(name: str, nee: str) -> str:
    """Name the column of a file that a variable is made of.

    Parameters
    ----------
    name
        ``"NEE"`` or a driver.
    nee
        Column of NEE that was chosen.

    Returns
    -------
    str
        Its heading.

    Examples
    --------
    >>> column_of("NEE", "NEE_CUT_REF"), column_of("PRE", "NEE_CUT_REF")
    ('NEE_CUT_REF', 'P_F')
    """
    return nee if name == "NEE" else COLUMNS[name][0]


def convert(
    data: Months, *, nee: str, uncertainty: Uncertainty, qc_min: float, file: str
) -> tuple[pd.DataFrame, Counts]:
    """Turn the columns of a file into variables.

    Parameters
    ----------
    data
        Columns by month, in the dialect of monthly files.
    nee
        Column of NEE.
    uncertainty
        Which uncertainty becomes ``NEE_SE``.
    qc_min
        Least share of a month that is measured or filled well.
    file
        Name of the file, for messages.

    Returns
    -------
    tuple
        Months down and variables across, in canonical units; and how many months of what were left out, by reason.

    Raises
    ------
    ValueError
        If a column is in another unit.
    """
    counts: Counts = Counter({("", "months_in_files"): len(data.months)})
    _refuse_fractions(data, nee, file)
    days = data.months.days_in_month.to_numpy()
    frame = pd.DataFrame(index=data.months)
    for name, (column, factor) in {"NEE": (nee, 1.0), **COLUMNS}.items():
        if column in data.columns:
            total = VARIABLES[name].cell_method == "sum"
            values = data.columns[column] * factor * (days if total else 1)
            frame[name] = _keep_plausible(values, name, f"{column} of {file}", counts)
            counts[name, "months_under_coverage"] = int(data.short.get(column, np.array([False])).sum())
    _fill_par(frame, data.columns, f"{SHORTWAVE} of {file}", counts)
    spread = data.columns.get(f"{nee}_{UNCERTAINTY[uncertainty]}")
    if spread is not None:
        frame["NEE_SE"] = _standard_error(spread * days, counts)
    frame["NEE_QC"] = data.columns[f"{nee}_QC"]
    _count_nee(frame, data, nee, qc_min, counts)
    return frame, counts


def _refuse_fractions(data: Months, nee: str, file: str) -> None:
    """Refuse a quality that is no fraction, and a soil moisture that is one: neither leaves its plausible range."""
    quality = data.columns[f"{nee}_QC"]
    if np.any((quality < 0) | (quality > 1)):
        msg = (
            f"{nee}_QC of {file} is the share of the month, 0 to 1, in monthly files; got "
            f"{quality[(quality < 0) | (quality > 1)][0]:g}. Flags 0 to 3 are those of half-hourly files."
        )
        raise ValueError(msg)
    _refuse_other_units(data, nee, file)


def _refuse_other_units(data: Months, nee: str, file: str) -> None:
    """Refuse a year and more in units that no plausible range tells from those of FLUXNET."""

    def known(column: str) -> Floats:
        values = data.columns.get(column, np.full(len(data.months), np.nan))
        there = np.isfinite(values)
        return values[there] if data.months[there].month.nunique() == _YEAR else np.array([])  # not of winters only

    water, deficit, rain, flux = (known(column_of(name, nee)) for name in ("VWC", "VPD", "PRE", "NEE"))
    why = {}
    if water.size and water.max() <= _DRIEST_PERCENT:
        why["VWC"] = f"in % of volume; it never passes {water.max():g}. Is it a fraction?"
    if deficit.size and 0 < deficit.max() <= _DAMPEST:
        why["VPD"] = f"in hPa; it never passes {deficit.max():g}. Is it in kPa?"
    if rain.size and rain.mean() > _WETTEST:
        why["PRE"] = f"in mm per day, mean of the month; its mean is {rain.mean():g}. Is it the total of the month?"
    if flux.size and np.mean(np.abs(flux) > _STRONGEST) > _SOME:
        why["NEE"] = (
            f"in g C m-2 per day, mean of the month; it goes to {flux[np.abs(flux).argmax()]:g}. Is it a total?"
        )
    for name, words in why.items():
        msg = f"{column_of(name, nee)} of {file} must be {words} Convert it in the file."
        raise ValueError(msg)


def _keep_plausible(values: Floats, name: str, label: str, counts: Counts) -> Floats:
    """Make implausible values NaN and count them under the name of the variable."""
    outside = implausible(values, name=name, label=label)
    counts[name, "months_out_of_range"] += int(outside.sum())
    return np.where(outside, np.nan, values)


def _fill_par(frame: pd.DataFrame, columns: Mapping[str, Floats], label: str, counts: Counts) -> None:
    """Fill the months without measured PAR from shortwave radiation, in place, and flag them."""
    missing = np.full(len(frame), np.nan)
    measured = frame["PAR"].to_numpy() if "PAR" in frame else missing
    made = par_from_shortwave(xr.DataArray(columns.get(SHORTWAVE, missing), dims="time")).to_numpy()
    # The whole column is looked at, so that the one month that is needed cannot pass for another unit.
    outside, gap = implausible(made, name="PAR", label=label), np.isnan(measured)
    counts["PAR", "months_out_of_range"] += int((gap & outside).sum())
    derived = np.where(gap & ~outside, made, np.nan)
    frame["PAR"] = np.where(gap, derived, measured)
    frame["PAR_derived"] = np.isfinite(derived).astype("f8")
    counts["", "months_par_derived"] = int(np.isfinite(derived).sum())


def _standard_error(values: Floats, counts: Counts) -> Floats:
    """Make uncertainties that are none NaN: a weight of one over zero would outweigh all other months."""
    none: NDArray[np.bool_] = values <= 0
    counts["NEE_SE", "months_not_positive"] = int(none.sum())
    return np.where(none, np.nan, values)


def _count_nee(frame: pd.DataFrame, data: Months, nee: str, qc_min: float, counts: Counts) -> None:
    """Make NEE of poor or unknown quality NaN, in place, and count each month of the file once."""
    there, unknown, poor = frame["NEE"].notna(), frame["NEE_QC"].isna(), frame["NEE_QC"] < qc_min
    frame["NEE"] = frame["NEE"].mask(poor | unknown)
    short = counts["NEE", "months_under_coverage"]
    counts["", "months_without_nee"] = int(np.isnan(data.columns[nee]).sum()) - short
    counts["", "months_under_coverage"] = short
    counts["", "months_nee_out_of_range"] = counts["NEE", "months_out_of_range"]
    counts["", "months_without_qc"] = int((there & unknown).sum())
    counts["", "months_under_qc_min"] = int((there & poor).sum())
    counts["", "months_with_nee"] = int(frame["NEE"].notna().sum())
