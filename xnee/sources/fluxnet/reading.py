"""From FLUXNET files to one Dataset of sites."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np
import pandas as pd
import xarray as xr

from xnee.features import PAR_PER_SHORTWAVE
from xnee.sources.fluxnet.columns import breaks_off, read_columns
from xnee.sources.fluxnet.conversion import COLUMNS, SHORTWAVE, UNCERTAINTY, Counts, Uncertainty, column_of, convert
from xnee.sources.fluxnet.months import Months, Wind, to_months
from xnee.sources.fluxnet.names import RESOLUTIONS, Paths, TowerFile, find_files
from xnee.sources.site_table import Table, numbers, site_coords, time_starts
from xnee.variables import VARIABLES

__all__ = ["read_fluxnet"]

_YEARS = re.compile(r"(\d{4})-(\d{4})")
_NEE_COLUMN = re.compile(r"NEE_(VUT|CUT)_(REF|MEAN|USTAR50|\d\d)")


@dataclass(frozen=True, kw_only=True)
class _Choice:
    """What the caller asked for."""

    qc_min: float
    coverage_min: float
    nee: str
    uncertainty: Uncertainty
    wind: Wind

    def __post_init__(self) -> None:
        """Check each."""
        if not 0 <= self.qc_min <= 1:
            msg = f"qc_min is a share of the month, 0 to 1; got {self.qc_min}. FLUXNET users take 0.5 or 0.75."
            raise ValueError(msg)
        if not 0 < self.coverage_min <= 1:
            msg = (
                f"coverage_min is the share of a month's steps that have a value, above 0 and up to 1; got "
                f"{self.coverage_min}. 0.8 leaves six days of a month missing."
            )
            raise ValueError(msg)
        if not _NEE_COLUMN.fullmatch(self.nee):
            msg = (
                f"nee names a column of NEE, NEE_VUT_REF, NEE_CUT_REF, NEE_VUT_USTAR50, NEE_VUT_50 and the like; got "
                f"{self.nee!r}. VUT is a threshold of turbulence for each year, CUT one for all years."
            )
            raise ValueError(msg)
        for name, kinds in (("uncertainty", Uncertainty), ("wind", Wind)):
            if getattr(self, name) not in get_args(kinds):
                msg = f"{name} is one of {', '.join(map(repr, get_args(kinds)))}; got {getattr(self, name)!r}."
                raise ValueError(msg)


@dataclass(frozen=True, kw_only=True)
class _Record:
    """One file, in our words: months down, variables across, and what was left out of it by reason."""

    file: TowerFile
    frame: pd.DataFrame
    counts: Counts


def read_fluxnet(
    paths: Paths,
    sites: Table | None = None,
    *,
    qc_min: float = 0.5,
    coverage_min: float = 0.8,
    nee: str = "NEE_VUT_REF",
    uncertainty: Uncertainty = "random",
    wind: Wind = "unit",
) -> xr.Dataset:
    r"""Read tower files of FLUXNET2015, AmeriFlux-FLUXNET and ICOS as months.

    Parameters
    ----------
    paths
        Files of months, days, hours or half-hours (``_MM_``, ``_DD_``, ``_HR_``, ``_HH_`` in their names), SUBSET,
        FULLSET or FLUXMET: a path, a pattern such as ``"towers/*_MM_*.csv"``, or several of either. Site and
        resolution are read from the file name; one resolution for each site.
    sites
        Table of the sites, a CSV file or a DataFrame: ``site_id``, ``lat``, ``lon``, ``igbp`` or ``pft``, and if it
        likes ``name`` and ``licence``. Without it ``lat`` and ``lon`` are NaN and ``pft`` is empty: the data can be
        looked at, but no model can be fitted to them.
    qc_min
        Least share of a month that is measured or filled with good quality, 0 to 1. NEE below it becomes NaN.
    coverage_min
        Least share of the steps of a month that must have a value, measured or filled, for a month to be made of
        days, hours or half-hours; above 0 and up to 1. It holds for each variable alone, and for monthly files not.
    nee
        Which NEE: a column name of the files, with a quality column of its own, ``<nee>_QC``.
    uncertainty
        What becomes ``NEE_SE``: ``"random"`` (``<nee>_RANDUNC``) or ``"joint"`` (``<nee>_JOINTUNC``, random and that
        of the u* threshold; FULLSET files only).
    wind
        How wind directions are averaged: all alike (``"unit"``), or weighted by wind speed (``"speed"``), as the mean
        of the components on a grid is.

    Returns
    -------
    xarray.Dataset
        ``(site, time)``, float64, sites in order of their ids, every month from the first to the last of any site.
        ``NEE`` (g C m-2 month-1, positive into the atmosphere), ``NEE_QC`` (share of the month that is measured or
        filled well, 0 to 1), ``NEE_SE`` (standard error of NEE, same unit) and the drivers that at least one file
        holds. ``PAR`` is ``PPFD_IN`` and, where that is missing, made from ``SW_IN_F``; ``PAR_derived`` is 1 in
        those months. Coordinates ``lat``, ``lon``, ``pft``, ``name``, ``licence``. What was left out is counted: in
        ``attrs`` the months of NEE by reason (``months_in_files`` = ``months_with_nee`` + ``months_without_nee`` +
        ``months_under_coverage`` + ``months_nee_out_of_range`` + ``months_without_qc`` + ``months_under_qc_min``),
        and in the ``attrs`` of each variable ``months_out_of_range`` and ``months_under_coverage``.

    Raises
    ------
    FileNotFoundError
        If no file matches.
    ValueError
        If an argument is out of range; a file is weekly, yearly, not whole, or not as FLUXNET writes it; it lacks
        the NEE or the uncertainty asked for; a column is in another unit; two files of a site overlap or are of
        different resolutions; or the table does not know a site or says that it is no forest.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> text = "TIMESTAMP,TA_F,NEE_VUT_REF,NEE_VUT_REF_QC\n200306,20.5,-2,0.9\n200307,21.5,-3,0.2\n"
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "FLX_CN-Din_FLUXNET2015_SUBSET_MM_2003-2003_1-4.csv")
    ...     _ = path.write_text(text)
    ...     sites = read_fluxnet(path)
    >>> sites["NEE"].values.tolist()      # per day -> per month; July is below qc_min
    [[-60.0, nan]]
    >>> sites.attrs["months_under_qc_min"]
    1
    """
    choice = _Choice(qc_min=qc_min, coverage_min=coverage_min, nee=nee, uncertainty=uncertainty, wind=wind)
    files = find_files(paths)
    coords = site_coords(sites, sorted({file.site for file in files}))
    records = [_read_record(file, choice) for file in files]
    _refuse_overlap(records)
    return _assemble(records, choice).assign_coords(coords)


def _read_record(file: TowerFile, choice: _Choice) -> _Record:
    """Read one file, make months of it, and convert them."""
    resolution, name = RESOLUTIONS[file.resolution], file.path.name
    extra = (f"{choice.nee}_RANDUNC", f"{choice.nee}_JOINTUNC")
    needed = [resolution.time, choice.nee, f"{choice.nee}_QC", *(extra[1:] if choice.uncertainty == "joint" else ())]
    wanted = {*needed, *extra, SHORTWAVE, *(column for column, _ in COLUMNS.values())}
    cells = read_columns(file.path, needed=needed, wanted=wanted)
    stamps = time_starts(cells.pop(resolution.time), stamp=resolution.stamp, label=f"{resolution.time} of {name}")
    _refuse_disorder(stamps, file)
    first, last = _check_years(stamps, file)
    columns = {column: numbers(values, label=f"{column} of {name}") for column, values in cells.items()}
    data = Months(months=stamps, columns=columns)
    if resolution.per_day:
        data = to_months(
            columns,
            stamps,
            resolution=resolution,
            nee=choice.nee,
            coverage_min=choice.coverage_min,
            wind=choice.wind,
            file=name,
        )
    frame, counts = convert(data, nee=choice.nee, uncertainty=choice.uncertainty, qc_min=choice.qc_min, file=name)
    counts["", "months_not_in_files"] = 12 * (last - first + 1) - len(data.months)
    return _Record(file=file, frame=frame, counts=counts)


def _refuse_disorder(stamps: pd.DatetimeIndex, file: TowerFile) -> None:
    """Refuse rows that do not come each once and in order."""
    back = np.flatnonzero(np.diff(stamps.asi8) <= 0)
    if back.size:
        resolution, name = RESOLUTIONS[file.resolution], file.path.name
        first, second = (stamps[place].strftime(resolution.shown) for place in (back[0], back[0] + 1))
        msg = f"{resolution.rows} must ascend, each once; in {name} {second} follows {first}. Download it again."
        raise ValueError(msg)


def _check_years(stamps: pd.DatetimeIndex, file: TowerFile) -> tuple[int, int]:
    """Give the years that the file name promises; refuse rows outside them, and a file that breaks off in them."""
    name, resolution = file.path.name, RESOLUTIONS[file.resolution]
    named = _YEARS.search(name)
    if named is None:
        return stamps[0].year, stamps[-1].year
    first, last = int(named[1]), int(named[2])
    outside = stamps[(stamps.year < first) | (stamps.year > last)]
    if len(outside):
        msg = (
            f"{name} has a row of {outside[0].strftime(resolution.shown)}, which lies outside the years of its name. "
            "It is damaged, or not named as it was: download it again."
        )
        raise ValueError(msg)
    end = pd.Timestamp(last + 1, 1, 1) - resolution.step if resolution.per_day else pd.Timestamp(last, 12, 1)
    if stamps[-1] < end and breaks_off(file.path):
        # Cut in its last cell, a row still has all its columns, and a number with fewer digits.
        broken = stamps[-1].strftime(resolution.shown)
        msg = f"{name} breaks off in the row of {broken}, before the end of {last}. Download it again."
        raise ValueError(msg)
    return first, last


def _refuse_overlap(records: Sequence[_Record]) -> None:
    """Refuse two files that give the same months of a site."""
    seen: dict[str, list[_Record]] = {}
    for record in records:
        for other in seen.setdefault(record.file.site, []):
            common = record.frame.index.intersection(other.frame.index)
            if len(common):
                msg = (
                    f"site {record.file.site} comes twice: {other.file.path.name} and {record.file.path.name} both "
                    f"hold {common[0]:%Y-%m} and {len(common) - 1} more months. Give one, SUBSET or FULLSET."
                )
                raise ValueError(msg)
        seen[record.file.site].append(record)


def _assemble(records: Sequence[_Record], choice: _Choice) -> xr.Dataset:
    """Lay the records side by side on one axis of months."""
    rows = pd.concat(
        [
            record.frame.rename_axis("time").assign(site=record.file.site).set_index("site", append=True)
            for record in records
        ]
    )
    first, last = min(record.frame.index[0] for record in records), max(record.frame.index[-1] for record in records)
    axis = pd.date_range(first, last, freq="MS", name="time").as_unit("ns")
    table = rows.dropna(axis="columns", how="all").assign(NEE=rows["NEE"], NEE_QC=rows["NEE_QC"])
    ds = table.to_xarray().sortby("site").reindex(time=axis).transpose("site", "time")
    counts: Counts = Counter()
    for record in records:
        counts.update(record.counts)  # the sum of Counters would drop the zeros
    ds["PAR_derived"] = ds["PAR_derived"].fillna(0).astype("i1")
    order = dict.fromkeys(["NEE", "NEE_QC", "NEE_SE", *COLUMNS, *(["PAR_derived"] if "PAR" in ds else [])])
    ds = ds[[name for name in order if name in ds]]
    kinds = {record.file.resolution for record in records}
    words = ", ".join(resolution.word for name, resolution in RESOLUTIONS.items() if name in kinds)
    return _describe(ds, counts, choice).assign_attrs(
        title="tower data of FLUXNET",
        source=f"FLUXNET2015 and ONEFlux {words} files: " + ", ".join(sorted(r.file.path.name for r in records)),
        qc_min=float(choice.qc_min),
        coverage_min=float(choice.coverage_min),
        **{reason: count for (name, reason), count in sorted(counts.items()) if not name},
    )


def _describe(ds: xr.Dataset, counts: Counts, choice: _Choice) -> xr.Dataset:
    """Give each variable its unit, its meaning and where it comes from."""
    for name in ("NEE", *COLUMNS):
        if name in ds:
            row, column = VARIABLES[name], column_of(name, choice.nee)
            ds[name].attrs = {
                "units": row.units,
                "long_name": row.long_name,
                "source": f"{column}, else {SHORTWAVE}" if name == "PAR" else column,
                "months_out_of_range": counts[name, "months_out_of_range"],
                "months_under_coverage": counts[name, "months_under_coverage"],
            }
    if "WD" in ds:
        weight = "wind speed" if choice.wind == "speed" else "one"
        ds["WD"].attrs["method"] = f"mean of vectors of length {weight}"
    ds["NEE_QC"].attrs = {
        "units": "1",
        "long_name": "share of the month that is measured or filled with good quality",
        "source": f"{choice.nee}_QC",
    }
    if "NEE_SE" in ds:
        ds["NEE_SE"].attrs = {
            "units": VARIABLES["NEE"].units,
            "long_name": f"standard error of NEE, {choice.uncertainty}",
            "source": f"{choice.nee}_{UNCERTAINTY[choice.uncertainty]}",
            "method": "errors taken as independent from step to step: a lower bound",
            "months_not_positive": counts["NEE_SE", "months_not_positive"],
        }
    if "PAR_derived" in ds:
        ds["PAR_derived"].attrs = {
            "units": "1",
            "long_name": "1 where PAR is made from shortwave radiation, 0 where it is measured or missing",
            "method": f"{SHORTWAVE} times {PAR_PER_SHORTWAVE} umol J-1",
        }
    return ds
