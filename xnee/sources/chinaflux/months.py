"""Rows of all sheets of a station become its months."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from xnee.features import par_from_shortwave
from xnee.sources.chinaflux.stamps import Floats, Scale
from xnee.sources.site_series import implausible
from xnee.variables import VARIABLES

__all__ = ["Group", "Months", "Rows", "join_months", "to_months"]

Places: TypeAlias = NDArray[np.intp]

# A mean of directions that cancel is noise of the last digits; below this length it has no direction.
_SHORTEST_MEAN_WIND = 1e-6
_MADE_OF = {"VPD_RH": "VPD", "VPD_E": "VPD", "SW": "PAR"}


@dataclass(frozen=True, kw_only=True)
class Group:
    """What the rows that are averaged together have in common.

    Parameters
    ----------
    station
        Code of the station.
    kind
        ``"flux"`` or ``"meteorology"``.
    scale
        What a row stands for.
    seconds
        Length of a row up to a day.
    """

    station: str
    kind: str
    scale: Scale
    seconds: int


@dataclass(frozen=True, kw_only=True)
class Rows:
    """The rows of one sheet.

    Parameters
    ----------
    label
        File and sheet, for messages.
    frame
        Stamps down, variables across.
    """

    label: str
    frame: pd.DataFrame


@dataclass(frozen=True, kw_only=True)
class Months:
    """The months of one group.

    Parameters
    ----------
    group
        What it is made of.
    labels
        Its sheets.
    frame
        Month starts down, variables across, canonical units; ``VPD_RH``, ``VPD_E`` and ``SW`` beside them.
    counts
        Months by variable and by what happened to them.
    """

    group: Group
    labels: list[str]
    frame: pd.DataFrame
    counts: Counter[tuple[str, str]]


def to_months(group: Group, parts: Sequence[Rows], *, coverage_min: float, qc_min: float) -> Months:
    """Make months of the rows of a group.

    Parameters
    ----------
    group
        What the rows are.
    parts
        Its sheets.
    coverage_min
        Least share of the rows of a month that must have a value, 0 to 1. Monthly rows are whole.
    qc_min
        Least share of the rows of a month in which NEE is measured, 0 to 1; of no concern to monthly rows.

    Returns
    -------
    Months
        A state is the mean of the rows that have a value, a direction their mean as vectors of length 1; NEE and
        precipitation are that mean times the length of the month.

    Raises
    ------
    ValueError
        If two rows tell the same, or a column is in another unit.
    """
    rows = _one_frame(group, parts)
    months = rows.index.to_numpy().astype("datetime64[M]")
    index = pd.DatetimeIndex(np.unique(months).astype("datetime64[ns]"))
    of_row = index.get_indexer(pd.DatetimeIndex(months.astype("datetime64[ns]")))
    whole = np.ones(len(index))
    if group.scale != "month":
        whole = index.days_in_month.to_numpy() * (86_400 / group.seconds)
    made, counts = {}, Counter[tuple[str, str]]()
    for name in map(str, rows.columns.drop("measured", errors="ignore")):
        values = rows[name].to_numpy()
        there = np.bincount(of_row, weights=np.isfinite(values), minlength=len(index)).astype("f8")
        # Counts are whole: a share that is short by a rounding error is not short by a row.
        short = (there > 0) & (there < coverage_min * whole - 1e-6)
        mean = np.where(short | (there == 0), np.nan, _mean(name, values, of_row, there))
        counts[name, "months_without_value"] = int((there == 0).sum())
        counts[name, "months_under_coverage"] = int(short.sum())
        made[name] = _plausible(name, mean * _days(name, index), group, counts)
    frame = pd.DataFrame(made, index=index)
    if "NEE" in frame:
        _apply_quality(frame, rows, of_row, whole, group, qc_min, counts)
    return Months(group=group, labels=[part.label for part in parts], frame=frame, counts=counts)


def _one_frame(group: Group, parts: Sequence[Rows]) -> pd.DataFrame:
    """Lay the sheets of a group under each other, refusing two values of the same for one row."""
    for part in parts:
        twice = part.frame.index[part.frame.index.duplicated()]
        if len(twice):
            form = "%Y-%m" if group.scale == "month" else "%Y-%m-%d %H:%M"
            msg = f"{part.label} has {twice[0]:{form}} more than once. Each {group.scale} must stand in one row."
            raise ValueError(msg)
    rows = pd.concat([part.frame for part in parts])
    if rows.index.has_duplicates:
        given = rows.drop(columns="measured", errors="ignore").notna().groupby(level=0).sum()
        twice = given.index[(given > 1).any(axis="columns")]
        if len(twice):
            labels = [part.label for part in parts if twice[0] in part.frame.index]
            name = str(given.columns[(given.loc[twice[0]] > 1)][0])
            msg = (
                f"{group.station} comes twice: {' and '.join(labels)} both hold {_MADE_OF.get(name, name)} of "
                f"{twice[0]:%Y-%m-%d}, and {len(twice) - 1} more rows. Give one of them: a workbook or its CSV."
            )
            raise ValueError(msg)
        rows = rows.groupby(level=0).first()
    return rows


def _mean(name: str, values: Floats, of_row: Places, there: Floats) -> Floats:
    """Average the rows of each month that have a value."""
    if name == "WD":
        angle = np.deg2rad(values)
        east, north = (_mean("", part(angle), of_row, there) for part in (np.sin, np.cos))
        direction = np.rad2deg(np.arctan2(east, north)) % 360
        return np.where(np.hypot(east, north) > _SHORTEST_MEAN_WIND, direction, np.nan)
    total = np.bincount(of_row, weights=np.nan_to_num(values), minlength=there.size)
    mean: Floats = np.divide(total, there, out=np.full(there.size, np.nan), where=there > 0)
    return mean


def _days(name: str, index: pd.DatetimeIndex) -> Floats:
    """Give the days of each month for totals, and 1 for states."""
    total = name in VARIABLES and VARIABLES[name].cell_method == "sum"
    days: Floats = index.days_in_month.to_numpy("f8")
    return days if total else np.ones(len(index))


def _plausible(name: str, values: Floats, group: Group, counts: Counter[tuple[str, str]]) -> Floats:
    """Make implausible months NaN and count them."""
    if name == "SW":  # looked at when it is made PAR
        return values
    row = _MADE_OF.get(name, name)
    outside = implausible(values, name=row, label=f"{row} of {group.station} ({group.scale})")
    counts[name, "months_out_of_range"] = int(outside.sum())
    return np.where(outside, np.nan, values)


def _apply_quality(
    frame: pd.DataFrame,
    rows: pd.DataFrame,
    of_row: Places,
    whole: Floats,
    group: Group,
    qc_min: float,
    counts: Counter[tuple[str, str]],
) -> None:
    """Tell the measured share of the rows of each month, in place, and leave out NEE below the least."""
    counts["NEE", "months_in_files"] = len(frame)
    share = np.full(len(frame), np.nan)
    if group.scale != "month":
        measured = np.bincount(of_row, weights=rows["measured"].fillna(0), minlength=len(frame))
        share = np.minimum(measured / whole, 1.0)
    frame["NEE_QC"] = share
    poor = (share < qc_min) & frame["NEE"].notna().to_numpy()  # unknown is not poor
    counts["NEE", "months_under_qc_min"] = int(poor.sum())
    frame["NEE"] = frame["NEE"].mask(poor)
    counts["NEE", "months_with_nee"] = int(frame["NEE"].notna().sum())


def join_months(station: str, groups: Sequence[Months]) -> tuple[pd.DataFrame, list[tuple[str, str]]]:
    """Join the flux and the meteorology of one station by month.

    Parameters
    ----------
    station
        Its code.
    groups
        Its groups.

    Returns
    -------
    tuple
        Months down and variables across, VPD and PAR whole and ``PAR_derived`` beside them; and what is to be said, by
        variable.

    Raises
    ------
    ValueError
        If no sheet has fluxes, or two scales tell the same months.
    """
    by_kind: dict[str, list[Months]] = {"meteorology": [], "flux": []}
    for group in groups:
        by_kind[group.group.kind].append(group)
    if not by_kind["flux"]:
        msg = f"{station} has no flux file: none of {groups[0].labels[0]}, ... has a column of NEE. Add the 通量 files."
        raise ValueError(msg)
    kinds = {kind: _one_scale(station, members) for kind, members in by_kind.items() if members}
    notes: list[tuple[str, str]] = []
    frame = kinds["flux"]
    if "meteorology" in kinds:
        both = [str(name) for name in frame if name in kinds["meteorology"]]
        frame = kinds["meteorology"].combine_first(frame)
        notes += [(_MADE_OF.get(name, name), "in both files: the meteorology goes first") for name in both]
    else:
        notes.append(("", "no meteorology file"))
    return _complete(frame, station, notes), notes


def _one_scale(station: str, members: Sequence[Months]) -> pd.DataFrame:
    """Lay groups of one kind under each other; the same month at two scales must be decided by the user."""
    first, *others = members
    frame = first.frame
    for other in others:
        common = [name for name in other.frame if name in frame]
        both = frame.index.intersection(other.frame.index)
        if common and len(both):
            scales = sorted({first.group.scale, other.group.scale})
            msg = (
                f"{station} comes at several scales: {first.labels[0]} ({first.group.scale}) and {other.labels[0]} "
                f"({other.group.scale}) both tell {common[0]} of {both[0]:%Y-%m}. Say which: scale={scales[-1]!r}."
            )
            raise ValueError(msg)
        frame = frame.combine_first(other.frame)
    return frame


def _complete(frame: pd.DataFrame, station: str, notes: list[tuple[str, str]]) -> pd.DataFrame:
    """Make VPD and PAR of what stands in for them, in the months without."""
    parts = [name for name in ("VPD", "VPD_RH", "VPD_E") if name in frame]
    if parts:
        vpd = pd.Series(np.nan, index=frame.index)
        words = {"VPD": "given", "VPD_RH": "from relative humidity", "VPD_E": "from vapour pressure"}
        for name in parts:
            used = int((vpd.isna() & frame[name].notna()).sum())
            vpd = vpd.fillna(frame[name])
            notes += [("VPD", f"{used} months {words[name]}")] if used else []
        frame = frame.drop(columns=parts).assign(VPD=vpd)
    if "SW" in frame:
        shortwave = par_from_shortwave(xr.DataArray(frame["SW"].to_numpy(), dims="time")).to_numpy()
        outside = implausible(shortwave, name="PAR", label=f"shortwave radiation of {station}")
        made = pd.Series(np.where(outside, np.nan, shortwave), index=frame.index)
        measured = frame["PAR"] if "PAR" in frame else pd.Series(np.nan, index=frame.index)
        derived = measured.isna() & made.notna()
        if derived.any():
            notes.append(("PAR", f"{int(derived.sum())} months from shortwave radiation"))
        frame = frame.drop(columns="SW").assign(PAR=measured.fillna(made), PAR_derived=derived.astype("f8"))
    return frame
