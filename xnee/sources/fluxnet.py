"""Monthly tower files of FLUXNET2015 and of ONEFlux after it (AmeriFlux, ICOS)."""

from __future__ import annotations

import glob
import io
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from xnee.features import PAR_PER_SHORTWAVE, par_from_shortwave
from xnee.sources.site_series import implausible
from xnee.sources.site_table import Table, month_starts, numbers, site_coords
from xnee.variables import VARIABLES

__all__ = ["read_fluxnet"]

Paths: TypeAlias = str | PathLike[str] | Iterable[str | PathLike[str]]

# Variable -> its column, and the factor to the canonical unit. What is a month total in the vocabulary stands in the
# file as a mean per day, and is multiplied by the days of its month besides.
_COLUMNS: Mapping[str, tuple[str, float]] = MappingProxyType(
    {
        "NEE": ("NEE_VUT_REF", 1.0),  # g C m-2 d-1
        "TEMP": ("TA_F", 1.0),
        "PRE": ("P_F", 1.0),  # mm d-1
        "VPD": ("VPD_F", 1.0),
        "WD": ("WD", 1.0),  # only at the half-hour in files known so far
        "WS": ("WS_F", 1.0),
        "PA": ("PA_F", 10.0),  # kPa
        "PAR": ("PPFD_IN", 1.0),
        "VWC": ("SWC_F_MDS_1", 0.01),  # %; layer 1 is the uppermost
        "TS": ("TS_F_MDS_1", 1.0),
    }
)
_TIME, _NEE_QC, _SHORTWAVE = "TIMESTAMP", "NEE_VUT_REF_QC", "SW_IN_F"
_NEEDED = (_TIME, _COLUMNS["NEE"][0], _NEE_QC)
_WANTED = frozenset({column for column, _ in _COLUMNS.values()} | {*_NEEDED, _SHORTWAVE})

_RESOLUTIONS: Mapping[str, str] = MappingProxyType(
    {"HH": "half-hourly", "HR": "hourly", "DD": "daily", "WW": "weekly", "MM": "monthly", "YY": "yearly"}
)
# Files that come in the same archive and hold no tower data.
_BESIDE = ("ERAI", "ERA5", "AUXMETEO", "AUXNEE", "BIF", "BIFVARINFO")
# <network>_<site>_<words>.csv: FLX_DE-Hai_FLUXNET2015_SUBSET_MM_2000-2012_1-4.csv, AMF_US-Ha1_FLUXNET_FLUXMET_MM_...
_FILE_NAME = re.compile(r"[A-Za-z0-9]+_(?P<site>[A-Z]{2}-[A-Za-z0-9]+)_(?P<words>.+)\.csv", flags=re.IGNORECASE)
_YEARS = re.compile(r"(\d{4})-(\d{4})")

# A year of soil that never holds 1 % of water is a fraction under the heading of a percentage.
_DRIEST_PERCENT, _YEAR = 1.0, 12


@dataclass(frozen=True, kw_only=True)
class _Record:
    """One file, in our words: months down, variables across, and what was left out of it by reason."""

    site: str
    file: str
    months: pd.DatetimeIndex
    frame: pd.DataFrame
    counts: Counter[str]


def read_fluxnet(paths: Paths, sites: Table | None = None, *, qc_min: float = 0.5) -> xr.Dataset:
    r"""Read monthly tower files of FLUXNET2015, AmeriFlux-FLUXNET and ICOS.

    Parameters
    ----------
    paths
        Monthly files (``_MM_`` in their names), SUBSET, FULLSET or FLUXMET: a path, a pattern such as
        ``"towers/*_MM_*.csv"``, or several of either. The id of the site is read from the file name.
    sites
        Table of the sites, a CSV file or a DataFrame: ``site_id``, ``lat``, ``lon``, ``igbp`` or ``pft``, and if it
        likes ``name`` and ``licence``. Without it ``lat`` and ``lon`` are NaN and ``pft`` is empty: the data can be
        looked at, but no model can be fitted to them.
    qc_min
        Least share of a month that is measured or filled with good quality, 0 to 1. NEE below it becomes NaN.

    Returns
    -------
    xarray.Dataset
        ``(site, time)``, float64, sites in order of their ids, every month from the first to the last of any site.
        ``NEE`` (``NEE_VUT_REF`` times the days of the month, g C m-2 month-1, positive into the atmosphere),
        ``NEE_QC`` (0 to 1, as it came) and the drivers that at least one file holds. ``PAR`` is ``PPFD_IN`` and,
        where that is missing, made from ``SW_IN_F``; ``PAR_derived`` is 1 in those months. Coordinates ``lat``,
        ``lon``, ``pft``, ``name``, ``licence``. What was left out is counted: in ``attrs`` the months of NEE by
        reason (``months_in_files`` = ``months_with_nee`` + ``months_without_nee`` + ``months_nee_out_of_range`` +
        ``months_without_qc`` + ``months_under_qc_min``), and in the ``attrs`` of each variable
        ``months_out_of_range``.

    Raises
    ------
    FileNotFoundError
        If no file matches.
    ValueError
        If `qc_min` is not within 0..1; a file is not monthly, not whole, or not as FLUXNET writes it; a column is in
        another unit; two files of a site overlap; or the table does not know a site or says that it is no forest.

    Examples
    --------
    >>> import tempfile
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
    if not 0 <= qc_min <= 1:
        msg = f"qc_min is a share of the month, 0 to 1; got {qc_min}. FLUXNET users take 0.5 or 0.75."
        raise ValueError(msg)
    files = {path: _site_of(path) for path in _find(paths)}
    coords = site_coords(sites, sorted(set(files.values())))
    records = [_read_record(path, site, qc_min) for path, site in files.items()]
    _refuse_overlap(records)
    return _assemble(records, qc_min).assign_coords(coords)


def _find(paths: Paths) -> list[Path]:
    """List the files that are meant, each once."""
    patterns = [paths] if isinstance(paths, str | PathLike) else list(paths)
    found: dict[Path, Path] = {}  # by the file behind a link; the name is that of the link
    for pattern in patterns:
        path = Path(fspath(pattern)).expanduser()
        matches = [path] if path.exists() else [Path(name) for name in sorted(glob.glob(str(path), recursive=True))]
        if not matches:
            msg = f"no file matches {fspath(pattern)!r}. Look at the folder and the pattern, e.g. 'towers/*_MM_*.csv'."
            raise FileNotFoundError(msg)
        if matches == [path] and path.is_dir():
            msg = f"{fspath(pattern)!r} is a folder. Name the files in it, e.g. '{path}/*_MM_*.csv'."
            raise IsADirectoryError(msg)
        found.update({match.resolve(): match for match in matches if match.is_file()})
    if not found:
        msg = f"no file is named by {patterns}. Give the paths of monthly files or a pattern, 'towers/*_MM_*.csv'."
        raise FileNotFoundError(msg)
    return list(found.values())


def _site_of(path: Path) -> str:
    """Take the site out of a file name, and refuse files that are not monthly tower data by their names."""
    named = _FILE_NAME.fullmatch(path.name)
    words = named["words"].upper().split("_") if named else []
    beside = next((word for word in words if word in _BESIDE), None)
    if beside:
        msg = f"{path.name} is the {beside} file beside the tower data. Leave it out: '*SUBSET_MM*', '*FLUXMET_MM*'."
        raise ValueError(msg)
    resolution = next((word for word in words if word in _RESOLUTIONS), None)
    if named is None or resolution is None:
        msg = (
            f"{path.name} is not named as FLUXNET names its files, <network>_<site>_..._MM_....csv; site and "
            "resolution are read from there. Keep the original name, or leave the file out with '*_MM_*.csv'."
        )
        raise ValueError(msg)
    if resolution != "MM":
        msg = (
            f"{path.name} is {_RESOLUTIONS[resolution]} ({resolution}); only monthly files (MM) are read. Take those "
            "of the same download, with a pattern such as '*_MM_*.csv'."
        )
        raise ValueError(msg)
    return named["site"]


def _read_record(path: Path, site: str, qc_min: float) -> _Record:
    """Read one file and convert it."""
    text = _read_text(path)
    columns = _read_columns(text, path.name)
    months = _months(columns.pop(_TIME), path.name)
    values = {name: numbers(cells, label=f"{name} of {path.name}") for name, cells in columns.items()}
    counts = Counter(months_in_files=len(months), months_not_in_files=_absent(months, text, path.name))
    frame = _convert(values, months, path.name, counts)
    _apply_qc(frame, qc_min, counts)
    return _Record(site=site, file=path.name, months=months, frame=frame, counts=counts)


def _read_text(path: Path) -> str:
    """Read a file as text, or say that it is none."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        msg = f"{path.name} is not a text file in UTF-8: an archive, a spreadsheet, or damaged. Unpack or convert it."
        raise ValueError(msg)
    return text


def _read_columns(text: str, file: str) -> dict[str, pd.Series[str]]:
    """Cut a file into the columns that are of use, after counting the cells of every row."""
    lines = [(number, line) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
    if len(lines) < 2:
        msg = f"{file} has no rows of data. Download it again, or leave it out."
        raise ValueError(msg)
    width = lines[0][1].count(",")
    for number, line in lines:
        # pandas would fill a row that was cut with gaps, and take one that is too long for an index.
        if line.count(",") != width:
            msg = (
                f"{file}, line {number}: {line.count(',') + 1} columns where the first line has {width + 1}. The file "
                "is cut short or damaged: download it again."
            )
            raise ValueError(msg)
    names = [name.strip().strip('"') for name in lines[0][1].split(",")]
    missing = [name for name in _NEEDED if name not in names]
    if missing:
        seen = [name for name in names if name.startswith(("TIMESTAMP", "NEE"))] or names
        msg = f"{file} lacks {missing}; it has {', '.join(seen[:8])}. Is it a comma-separated monthly file of ONEFlux?"
        raise ValueError(msg)
    body = "\n".join(line for _, line in lines[1:])
    use = [place for place, name in enumerate(names) if name in _WANTED and name not in names[:place]]
    try:
        frame = pd.read_csv(io.StringIO(body), header=None, usecols=use, skipinitialspace=True, low_memory=False)
    except ValueError as error:  # pandas' ParserError is one
        msg = f"{file} cannot be read as comma-separated numbers ({error}). Download it again."
        raise ValueError(msg) from error
    return {names[place]: frame[place] for place in use}


def _months(cells: pd.Series[str], file: str) -> pd.DatetimeIndex:
    """Read the months of a file, each once and in order."""
    months = month_starts(cells, label=f"{_TIME} of {file}")
    back = np.flatnonzero(np.diff(months.asi8) <= 0)
    if back.size:
        first, second = months[back[0]], months[back[0] + 1]
        msg = f"months must ascend, each once; in {file} {second:%Y-%m} follows {first:%Y-%m}. Download it again."
        raise ValueError(msg)
    return months


def _absent(months: pd.DatetimeIndex, text: str, file: str) -> int:
    """Count the months that the file name promises, as whole years, and the file lacks; refuse one that breaks off."""
    named = _YEARS.search(file)
    first, last = (int(named[1]), int(named[2])) if named else (months[0].year, months[-1].year)
    if named and months[-1] < pd.Timestamp(last, 12, 1) and not text.endswith(("\n", "\r")):
        # Cut in its last cell, a row still has all its columns, and a number with fewer digits.
        msg = f"{file} breaks off in the row of {months[-1]:%Y-%m}, before the end of {last}. Download it again."
        raise ValueError(msg)
    return 12 * (last - first + 1) - int(((months.year >= first) & (months.year <= last)).sum())


def _convert(
    columns: Mapping[str, NDArray[np.float64]], months: pd.DatetimeIndex, file: str, counts: Counter[str]
) -> pd.DataFrame:
    """Turn the columns of a file into variables, and count what is left out of each."""
    _refuse_fractions(columns, file)
    days = months.days_in_month.to_numpy()
    frame = pd.DataFrame(index=months)
    for name, (column, factor) in _COLUMNS.items():
        if column in columns:
            total = VARIABLES[name].cell_method == "sum"
            values = columns[column] * factor * (days if total else 1)
            frame[name] = _keep_plausible(values, name, f"{column} of {file}", counts)
    shortwave = columns.get(_SHORTWAVE, np.full(len(months), np.nan))
    _fill_par(frame, shortwave, f"{_SHORTWAVE} of {file}", counts)
    frame["NEE_QC"] = columns[_NEE_QC]
    counts["months_without_nee"] = int(np.isnan(columns[_COLUMNS["NEE"][0]]).sum())
    return frame


def _refuse_fractions(columns: Mapping[str, NDArray[np.float64]], file: str) -> None:
    """Refuse a quality that is no fraction, and a soil moisture that is one: neither leaves its plausible range."""
    quality = columns[_NEE_QC]
    if np.any((quality < 0) | (quality > 1)):
        msg = (
            f"{_NEE_QC} of {file} is the share of the month, 0 to 1, in monthly files; got "
            f"{quality[(quality < 0) | (quality > 1)][0]:g}. Flags 0 to 3 are those of half-hourly files."
        )
        raise ValueError(msg)
    column, _ = _COLUMNS["VWC"]
    water = columns.get(column, np.array([]))
    if np.isfinite(water).sum() >= _YEAR and np.nanmax(water) <= _DRIEST_PERCENT:
        msg = f"{column} of {file} must be in % of volume; it never passes {np.nanmax(water):g}. Is it a fraction?"
        raise ValueError(msg)


def _keep_plausible(values: NDArray[np.float64], name: str, label: str, counts: Counter[str]) -> NDArray[np.float64]:
    """Make implausible values NaN and count them under the name of the variable."""
    outside = implausible(values, name=name, label=label)
    counts[name] += int(outside.sum())
    return np.where(outside, np.nan, values)


def _fill_par(frame: pd.DataFrame, shortwave: NDArray[np.float64], label: str, counts: Counter[str]) -> None:
    """Fill the months without measured PAR from shortwave radiation, in place, and flag them."""
    measured = frame["PAR"].to_numpy() if "PAR" in frame else np.full(len(frame), np.nan)
    made = par_from_shortwave(xr.DataArray(shortwave, dims="time")).to_numpy()
    # The whole column is looked at, so that the one month that is needed cannot pass for another unit.
    outside, gap = implausible(made, name="PAR", label=label), np.isnan(measured)
    counts["PAR"] += int((gap & outside).sum())
    derived = np.where(gap & ~outside, made, np.nan)
    frame["PAR"] = np.where(gap, derived, measured)
    frame["PAR_derived"] = np.isfinite(derived).astype("f8")
    counts["months_par_derived"] = int(np.isfinite(derived).sum())


def _apply_qc(frame: pd.DataFrame, qc_min: float, counts: Counter[str]) -> None:
    """Make NEE of poor or unknown quality NaN, in place, and count why."""
    there, unknown = frame["NEE"].notna(), frame["NEE_QC"].isna()
    poor = frame["NEE_QC"] < qc_min
    counts["months_without_qc"] = int((there & unknown).sum())
    counts["months_under_qc_min"] = int((there & poor).sum())
    frame["NEE"] = frame["NEE"].mask(poor | unknown)
    counts["months_with_nee"] = int(frame["NEE"].notna().sum())


def _refuse_overlap(records: Sequence[_Record]) -> None:
    """Refuse two files that give the same months of a site."""
    seen: dict[str, list[_Record]] = {}
    for record in records:
        for other in seen.setdefault(record.site, []):
            common = record.months.intersection(other.months)
            if len(common):
                msg = (
                    f"site {record.site} comes twice: {other.file} and {record.file} both hold {common[0]:%Y-%m} and "
                    f"{len(common) - 1} more months. Give one of them, for example SUBSET or FULLSET."
                )
                raise ValueError(msg)
        seen[record.site].append(record)


def _assemble(records: Sequence[_Record], qc_min: float) -> xr.Dataset:
    """Lay the records side by side on one axis of months."""
    rows = pd.concat(
        [record.frame.rename_axis("time").assign(site=record.site).set_index("site", append=True) for record in records]
    )
    first, last = min(record.months[0] for record in records), max(record.months[-1] for record in records)
    axis = pd.date_range(first, last, freq="MS", name="time").as_unit("ns")
    table = rows.dropna(axis="columns", how="all").assign(NEE=rows["NEE"], NEE_QC=rows["NEE_QC"])
    ds = table.to_xarray().sortby("site").reindex(time=axis).transpose("site", "time")
    counts: Counter[str] = Counter()
    for record in records:
        counts.update(record.counts)  # the sum of Counters would drop the zeros
    ds["PAR_derived"] = ds["PAR_derived"].fillna(0).astype("i1")
    order = dict.fromkeys(["NEE", "NEE_QC", *_COLUMNS, *(["PAR_derived"] if "PAR" in ds else [])])
    ds = ds[[name for name in order if name in ds]]
    return _describe(ds, counts).assign_attrs(
        title="tower data of FLUXNET",
        source="FLUXNET2015 and ONEFlux monthly files: " + ", ".join(sorted(record.file for record in records)),
        qc_min=float(qc_min),
        months_nee_out_of_range=counts["NEE"],
        **{name: count for name, count in sorted(counts.items()) if name not in _COLUMNS},
    )


def _describe(ds: xr.Dataset, counts: Counter[str]) -> xr.Dataset:
    """Give each variable its unit, its meaning and where it comes from."""
    for name, (column, _) in _COLUMNS.items():
        if name in ds:
            row = VARIABLES[name]
            ds[name].attrs = {
                "units": row.units,
                "long_name": row.long_name,
                "source": f"{column}, else {_SHORTWAVE}" if name == "PAR" else column,
                "months_out_of_range": counts[name],
            }
    ds["NEE_QC"].attrs = {
        "units": "1",
        "long_name": "share of the month that is measured or filled with good quality",
        "source": _NEE_QC,
    }
    if "PAR_derived" in ds:
        ds["PAR_derived"].attrs = {
            "units": "1",
            "long_name": "1 where PAR is made from shortwave radiation, 0 where it is measured or missing",
            "method": f"{_SHORTWAVE} times {PAR_PER_SHORTWAVE} umol J-1",
        }
    return ds
