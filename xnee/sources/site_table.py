"""Tables about sites: where they stand, and their months. Every source of towers reads them with these functions."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from os import PathLike, fspath
from pathlib import Path
from types import MappingProxyType
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from xnee.pft import PFTS

__all__ = ["MISSING", "Stamp", "Table", "month_starts", "numbers", "read_table", "site_coords", "time_starts"]

Table: TypeAlias = pd.DataFrame | str | PathLike[str]
Stamp: TypeAlias = Literal["YYYYMM", "YYYYMMDD", "YYYYMMDDHHMM"]

MISSING = -9999.0
"""No value, in FLUXNET files and in tables that follow them. Any spelling, -9999 or -9999.00, is this number."""

# Headings of the site lists that FLUXNET, AmeriFlux and ICOS offer, in lower case, and ours.
_HEADINGS: Mapping[str, str] = MappingProxyType(
    {
        "site id": "site_id",
        "siteid": "site_id",
        "site": "site_id",
        "id": "site_id",  # often the number of a row: after the others
        "site name": "name",
        "site_name": "name",
        "location_lat": "lat",
        "latitude": "lat",
        "location_long": "lon",
        "longitude": "lon",
        "latitude (degrees)": "lat",
        "longitude (degrees)": "lon",
        "vegetation abbreviation (igbp)": "igbp",
        "igbp_class": "igbp",
        "license": "licence",
    }
)
_NO_VALUE = ("", "nan", "na", "n/a", "none", "null")


def read_table(table: Table, *, needs: Iterable[str]) -> tuple[pd.DataFrame, str]:
    """Read a table of sites from a CSV file, or take it as it is.

    Parameters
    ----------
    table
        Path of a comma-separated file in UTF-8, or a DataFrame.
    needs
        Columns that must be there.

    Returns
    -------
    tuple
        The table, every cell as it stands in the file, and what to call it in messages.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file cannot be read as a table, has no rows, or lacks a column.

    Examples
    --------
    >>> table, label = read_table(pd.DataFrame({"site_id": ["CN-Din"]}), needs=["site_id"])
    >>> label
    'the table'
    """
    if isinstance(table, pd.DataFrame):
        frame, label = table.copy(), "the table"
    else:
        path = Path(fspath(table)).expanduser()
        frame, label = _read_csv(path), path.name
    frame.columns = pd.Index([str(name).strip() for name in frame.columns])
    missing = [name for name in needs if name not in frame.columns]
    if missing:
        msg = f"{label} needs the columns {missing}; it has {list(frame.columns)}. Rename them first."
        raise ValueError(msg)
    if frame.empty:
        msg = f"{label} has no rows. Give one row for each site, or each site and month."
        raise ValueError(msg)
    return frame, label


def _read_csv(path: Path) -> pd.DataFrame:
    """Read all cells as text: a site id such as NA is not a gap, and 01 is not 1."""
    if not path.is_file():
        msg = f"no such file: {path}. Give the path of a CSV table, or a DataFrame."
        raise FileNotFoundError(msg)
    try:
        return pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig", index_col=False)
    except ValueError as error:  # pandas' own errors and those of decoding are kinds of ValueError
        msg = f"{path.name} cannot be read as a comma-separated table in UTF-8 ({error}). Save it as such."
        raise ValueError(msg) from error


def numbers(cells: pd.Series[str], *, label: str) -> NDArray[np.float64]:
    """Turn the cells of one column into numbers.

    Parameters
    ----------
    cells
        Numbers, or text as it stands in a file.
    label
        File and column, for the message.

    Returns
    -------
    numpy.ndarray
        float64, NaN where the cell is empty, ``NaN`` or `MISSING` in any spelling.

    Raises
    ------
    ValueError
        If a cell holds other text.

    Examples
    --------
    >>> numbers(pd.Series(["1.5", "-9999.00", ""]), label="lai of lai.csv").tolist()
    [1.5, nan, nan]
    """
    text = None if pd.api.types.is_numeric_dtype(cells) else cells.astype(str).str.strip()
    values = pd.to_numeric(cells if text is None else text, errors="coerce").to_numpy(dtype="f8", na_value=np.nan)
    wrong = np.isnan(values) & (False if text is None else ~text.str.lower().isin(_NO_VALUE).to_numpy())
    if text is not None and wrong.any():
        msg = f"{label} must hold numbers; got {text[wrong].iloc[0]!r} in row {int(np.argmax(wrong)) + 1}."
        raise ValueError(msg)
    return np.where(values == MISSING, np.nan, values)


def month_starts(cells: pd.Series[str], *, label: str) -> pd.DatetimeIndex:
    """Turn months written YYYYMM into their first days.

    Parameters
    ----------
    cells
        Months as integers or text, 200307 for July 2003.
    label
        File and column, for the message.

    Returns
    -------
    pandas.DatetimeIndex
        Month starts at 00:00, datetime64[ns], in the order of the cells.

    Raises
    ------
    ValueError
        If a cell is not a month of the years 1800 to 2199 written so.

    Examples
    --------
    >>> month_starts(pd.Series([200307]), label="TIMESTAMP").strftime("%Y-%m-%d").tolist()
    ['2003-07-01']
    """
    return time_starts(cells, stamp="YYYYMM", label=label)


# What each way of writing a time means, and an example of it for messages.
_STAMPS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "YYYYMM": ("months", "200307 for July 2003"),
        "YYYYMMDD": ("days", "20030715 for 15 July 2003"),
        "YYYYMMDDHHMM": ("times", "200307151230 for 15 July 2003, 12:30"),
    }
)


def time_starts(cells: pd.Series[str], *, stamp: Stamp, label: str) -> pd.DatetimeIndex:
    """Turn times written as digits without separators into times.

    Parameters
    ----------
    cells
        Times as integers or text.
    stamp
        How they are written. All cells are written alike: a day among months is an error.
    label
        File and column, for the message.

    Returns
    -------
    pandas.DatetimeIndex
        datetime64[ns] in the order of the cells; a month is its first day, a day begins at 00:00.

    Raises
    ------
    ValueError
        If a cell is not a time of the years 1800 to 2199 written so.

    Examples
    --------
    >>> time_starts(pd.Series([200307151230]), stamp="YYYYMMDDHHMM", label="TIMESTAMP_START")[0].isoformat()
    '2003-07-15T12:30:00'
    """
    values = numbers(cells, label=label)
    values = np.where(np.isfinite(values), values, 0)
    # A stamp that is longer or shorter has a year outside 1800..2199.
    year = values // 10 ** (len(stamp) - 4)
    good = (values % 1 == 0) & (year >= 1800) & (year < 2200)
    digits = np.where(good, values, 0).astype("i8") * 10 ** (12 - len(stamp))
    month, day, hour, minute = (digits // 10**place % 100 for place in (6, 4, 2, 0))
    day = np.maximum(day, 1) if stamp == "YYYYMM" else day
    good &= (month >= 1) & (month <= 12) & (hour < 24) & (minute < 60)
    months = ((digits // 10**8 - 1970) * 12 + np.clip(month, 1, 12) - 1).astype("datetime64[M]")
    days = months.astype("datetime64[D]") + (day - 1)
    good &= days.astype("datetime64[M]") == months  # 30 February lies in March, and day 00 in the month before
    if not good.all():
        kind, example = _STAMPS[stamp]
        msg = f"{label} must hold {kind} written {stamp}, {example}; got {str(cells[~good].iloc[0])!r}."
        raise ValueError(msg)
    starts = days.astype("datetime64[m]") + (60 * hour + minute)
    return pd.DatetimeIndex(starts.astype("datetime64[ns]"))


def site_coords(sites: Table | None, ids: Iterable[Hashable]) -> dict[str, xr.Variable]:
    """Look up where sites stand and what grows there.

    Parameters
    ----------
    sites
        Table with ``site_id``, ``lat``, ``lon`` (degrees north and east), ``pft`` or else ``igbp``, and if it likes
        ``name`` and ``licence``; other columns and other sites are of no concern. The headings of the site lists of
        FLUXNET (``SITE_ID``, ``LOCATION_LAT``, ``LOCATION_LONG``, ``IGBP``, ``SITE_NAME``) do as well. ``None``
        where nothing is known.
    ids
        Sites to look up.

    Returns
    -------
    dict
        ``site``, ``lat``, ``lon``, ``pft``, ``name`` and ``licence``, each ``(site,)``, in the order of `ids`. What
        is not known is NaN in ``lat`` and ``lon`` and empty text in the others.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the table lacks a column or one of the sites, names it twice, gives it no place on Earth, or says that no
        forest grows there.

    Examples
    --------
    >>> table = pd.DataFrame({"site_id": ["CN-Din"], "lat": [23.17], "lon": [112.54], "igbp": ["EBF"]})
    >>> site_coords(table, ["CN-Din"])["pft"].values.tolist()
    ['EBF']
    """
    wanted = [str(name) for name in ids]
    texts = {"pft": [""] * len(wanted), "name": [""] * len(wanted), "licence": [""] * len(wanted)}
    lat = lon = np.full(len(wanted), np.nan)
    if sites is not None:
        rows, label = _rows(sites, wanted)
        lat, lon = _degrees(rows, "lat", label), _degrees(rows, "lon", label)
        texts = {name: _texts(rows, name) for name in texts} | {"pft": _forest(rows, label)}
    about = {
        "lat": {"units": "degrees_north", "standard_name": "latitude"},
        "lon": {"units": "degrees_east", "standard_name": "longitude"},
        "pft": {"long_name": "plant functional type at the tower"},
        "name": {"long_name": "name of the site"},
        "licence": {"long_name": "licence of the data of the site"},
    }
    # Text as objects: zarr has no specification yet for arrays of fixed-length text, and warns of them.
    values = {"lat": lat, "lon": lon} | {name: np.array(text, dtype=object) for name, text in texts.items()}
    site = xr.Variable("site", np.array(wanted, dtype=object), {"long_name": "identifier of the site"})
    return {"site": site} | {name: xr.Variable("site", values[name], attrs) for name, attrs in about.items()}


def _rows(sites: Table, wanted: list[str]) -> tuple[pd.DataFrame, str]:
    """Give the row of each wanted site, in that order."""
    table, label = read_table(sites, needs=())
    lower = [name.lower() for name in table.columns]
    table.columns = pd.Index([_HEADINGS.get(name, name) for name in lower])
    # Our own headings go first and win: a table may hold both name and SITE_NAME.
    ranks = {name: rank for rank, name in enumerate(_HEADINGS, start=1)}
    own_first = np.argsort([ranks.get(name, 0) for name in lower], kind="stable")
    table = table.iloc[:, own_first].loc[:, lambda frame: ~frame.columns.duplicated()]
    missing = [name for name in ("site_id", "lat", "lon") if name not in table.columns]
    missing += [] if {"pft", "igbp"} & set(table.columns) else ["pft or igbp"]
    if missing:
        msg = f"{label} must tell where sites stand and what grows there; it lacks {missing}, it has {lower}. Add them."
        raise ValueError(msg)
    table = table.set_index(table["site_id"].astype(str).str.strip())
    absent = [name for name in wanted if name not in table.index]
    if absent:
        msg = f"each site that is read needs a row in {label}; none for {absent}. Add it, or leave its files out."
        raise ValueError(msg)
    rows = table.loc[wanted]
    if len(rows) > len(wanted):
        twice = sorted(set(rows.index[rows.index.duplicated()]))
        msg = f"{label} must name each site once; {twice} come more than once. Keep one row of each."
        raise ValueError(msg)
    return rows, label


def _degrees(rows: pd.DataFrame, name: str, label: str) -> NDArray[np.float64]:
    """Read latitudes or longitudes and refuse what is not on Earth."""
    limit = 90 if name == "lat" else 180
    values = numbers(rows[name], label=f"{name} of {label}")
    off = ~(np.abs(values) <= limit)
    if off.any():
        site, value = rows.index[off][0], values[off][0]
        msg = f"{name} must lie between -{limit} and {limit} degrees; {label} has {value:g} for {site}. Correct it."
        raise ValueError(msg)
    return values


def _texts(rows: pd.DataFrame, name: str) -> list[str]:
    """Read a column of text; empty where there is none."""
    if name not in rows.columns:
        return [""] * len(rows)
    return ["" if pd.isna(cell) else str(cell).strip() for cell in rows[name]]


def _forest(rows: pd.DataFrame, label: str) -> list[str]:
    """Read the forest type of each site, from ``pft`` where the table has it and from ``igbp`` otherwise."""
    column = "pft" if "pft" in rows.columns else "igbp"
    types = [text.upper() for text in _texts(rows, column)]
    other = [f"{site} ({kind or 'empty'})" for site, kind in zip(rows.index, types, strict=True) if kind not in PFTS]
    if other:
        msg = (
            f"xnee learns forests only, {', '.join(PFTS)}; column {column!r} of {label} says otherwise of "
            f"{', '.join(other)}. Leave the files of these sites out, or correct the table."
        )
        raise ValueError(msg)
    return types
