"""Series at sites: the plausible range at the door, and drivers that come from another table than the tower's."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from xnee.sources.site_table import Table, month_starts, numbers, read_table
from xnee.variables import VARIABLES, check_names

__all__ = ["add_site_series", "implausible"]


def implausible(values: NDArray[np.float64], *, name: str, label: str) -> NDArray[np.bool_]:
    """Find the values of one column that lie outside the plausible range of their variable.

    A few of them are a broken sensor: the caller makes them NaN and counts them. If they are more than half of the
    column it is in another unit, and nothing of it can be used.

    Parameters
    ----------
    values
        One column of one file, in the canonical unit, NaN where it has no value.
    name
        A name of the vocabulary.
    label
        File and column, for the message.

    Returns
    -------
    numpy.ndarray
        True where the value is implausible.

    Raises
    ------
    ValueError
        If more than half of the values are.

    Examples
    --------
    >>> implausible(np.array([0.3, 0.97, np.nan, 0.4]), name="VWC", label="SWC_F_MDS_1").tolist()
    [False, True, False, False]
    """
    row, valid = VARIABLES[name], ~np.isnan(values)
    outside = valid & ~((values >= row.low) & (values <= row.high))
    if 2 * outside.sum() > valid.sum():
        msg = (
            f"{label}: {outside.sum()} of {valid.sum()} values, made {name} in {row.units}, lie outside "
            f"{row.low:g}..{row.high:g} (the first is {values[outside][0]:g}): the column is in another unit. "
            "Convert it in the file, or leave it out."
        )
        raise ValueError(msg)
    return outside


def add_site_series(sites: xr.Dataset, table: Table, *, columns: Mapping[str, str]) -> xr.Dataset:
    """Add drivers that come from another table, such as satellite series, to tower data.

    Parameters
    ----------
    sites
        Tower data, ``(site, time)``.
    table
        Path of a CSV file, or a DataFrame: one row for each site and month, with the columns ``site_id``,
        ``timestamp`` (month as YYYYMM) and the values, in canonical units. Empty and -9999 are no value.
    columns
        Which column becomes which driver, for example ``{"ndvi": "NDVI", "lai": "LAI"}``.

    Returns
    -------
    xarray.Dataset
        A new Dataset: `sites` and the new drivers, ``(site, time)``, float64, NaN where the table has no value. The
        attributes of each say how many rows of the table were used (``rows_used``) and how many were not, by reason:
        ``rows_unknown_site``, ``rows_outside_record`` (months before or after the Dataset), ``rows_without_value``,
        ``rows_out_of_range``.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If a name is not a driver or is in `sites` already, the table lacks a column, has a site and month twice or
        lies wholly outside the record, a month is not YYYYMM, or a column is in another unit.

    Examples
    --------
    >>> time = pd.date_range("2003-01-01", periods=3, freq="MS")
    >>> sites = xr.Dataset(coords={"site": ["CN-Din"], "time": time})
    >>> table = pd.DataFrame({"site_id": ["CN-Din"], "timestamp": [200302], "ndvi": [0.71]})
    >>> add_site_series(sites, table, columns={"ndvi": "NDVI"})["NDVI"].values.tolist()
    [[nan, 0.71, nan]]
    """
    _check_request(sites, columns)
    frame, label = read_table(table, needs=["site_id", "timestamp", *columns])
    ids = frame["site_id"].astype(str).str.strip()
    months = month_starts(frame["timestamp"], label=f"timestamp of {label}")
    _refuse_twice(ids, months, label)
    place = sites.indexes["site"].get_indexer(pd.Index(ids)), sites.indexes["time"].get_indexer(months)
    if not ((place[0] >= 0) & (place[1] >= 0)).any():
        _refuse_outside(sites, ids, months, label)
    added = {}
    for column, name in columns.items():
        values = numbers(frame[column], label=f"{column} of {label}")
        added[name] = _series(sites, values, place, name, f"{column} of {label}")
    return sites.assign(added)


def _check_request(sites: xr.Dataset, columns: Mapping[str, str]) -> None:
    """Refuse what cannot be added, whatever the table holds."""
    if not {"site", "time"} <= set(sites.indexes):
        msg = f"series are added to tower data, with coordinates site and time; got {list(sites.indexes)}."
        raise ValueError(msg)
    check_names(columns.values())
    there = sorted(name for name in columns.values() if name in sites.variables)
    if there:
        msg = f"a driver is added once, but the Dataset has {there} already. Drop them first: sites.drop_vars({there})."
        raise ValueError(msg)


def _refuse_twice(ids: pd.Series[str], months: pd.DatetimeIndex, label: str) -> None:
    """Refuse a table that has two rows for a site and month."""
    pairs = pd.MultiIndex.from_arrays([ids, months])
    if pairs.has_duplicates:
        site, month = pairs[pairs.duplicated()][0]
        msg = f"{label} must have one row for a site and month; {site} {month:%Y-%m} comes more than once. Keep one."
        raise ValueError(msg)


def _refuse_outside(sites: xr.Dataset, ids: pd.Series[str], months: pd.DatetimeIndex, label: str) -> None:
    """Refuse a table no row of which falls on a site and month of the Dataset."""
    time = sites.indexes["time"]
    common = sorted(set(ids) & {str(name) for name in sites.indexes["site"]})
    msg = (
        f"{label} lies outside the record: none of its rows is at a site and in a month of the Dataset. It has "
        f"{ids.nunique()} sites ({len(common)} of them in the Dataset) in {months.min():%Y-%m}..{months.max():%Y-%m}, "
        f"the Dataset {time[0]:%Y-%m}..{time[-1]:%Y-%m}. Check the ids and the period."
    )
    raise ValueError(msg)


def _series(
    sites: xr.Dataset,
    values: NDArray[np.float64],
    place: tuple[NDArray[np.intp], NDArray[np.intp]],
    name: str,
    label: str,
) -> xr.Variable:
    """Lay one column of a table over sites and months, and count what becomes of its rows."""
    known, inside = place[0] >= 0, place[1] >= 0
    outside = implausible(values, name=name, label=label)
    here, empty = known & inside, np.isnan(values)
    used = here & ~empty & ~outside
    grid = np.full((sites.sizes["site"], sites.sizes["time"]), np.nan)
    grid[place[0][used], place[1][used]] = values[used]
    attrs = {
        "units": VARIABLES[name].units,
        "long_name": VARIABLES[name].long_name,
        "source": label,
        "rows_used": int(used.sum()),
        "rows_unknown_site": int((~known).sum()),
        "rows_outside_record": int((known & ~inside).sum()),
        "rows_without_value": int((here & empty).sum()),
        "rows_out_of_range": int((here & outside).sum()),
    }
    return xr.Variable(("site", "time"), grid, attrs)
