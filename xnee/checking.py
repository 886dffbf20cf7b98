"""What a Dataset must be before work starts: one clear error at the door instead of a traceback from deep inside."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xnee.variables import DRIVERS, VARIABLES, check_units, labels

__all__ = ["check_drivers", "check_range", "check_sites", "check_time", "present_drivers"]


def present_drivers(ds: xr.Dataset) -> tuple[str, ...]:
    """List the drivers that a Dataset holds, in the order of the vocabulary.

    Parameters
    ----------
    ds
        Sites or a cube.

    Returns
    -------
    tuple of str
        Possibly empty.

    Examples
    --------
    >>> present_drivers(xr.Dataset({"PRE": 1.0, "TEMP": 2.0, "other": 3.0}))
    ('TEMP', 'PRE')
    """
    return tuple(name for name in DRIVERS if name in ds)


def check_time(ds: xr.Dataset) -> None:
    """Refuse a time axis that is not month starts in order without holes.

    Parameters
    ----------
    ds
        Any Dataset with a ``time`` coordinate.

    Raises
    ------
    ValueError
        If ``time`` is missing, not a datetime, duplicated, unsorted, has a hole, or is not at the month's start.
    """
    if "month" in ds.dims and "time" not in ds.dims:
        msg = "a mean year of 12 months has no dates yet; give it some: xnee.repeat_climatology(ds, years)."
        raise ValueError(msg)
    if "time" not in ds.coords or not np.issubdtype(ds["time"].dtype, np.datetime64):
        msg = (
            "a time coordinate of standard-calendar dates is needed; "
            f"got {'none' if 'time' not in ds.coords else ds['time'].dtype}. For another calendar convert first, "
            'e.g. ds.convert_calendar("standard", use_cftime=False).'
        )
        raise ValueError(msg)
    stamps = ds["time"].to_numpy()
    months = stamps.astype("datetime64[M]")
    step = np.diff(months).astype(int)
    if (step <= 0).any():
        first = months[1:][step <= 0][0]
        msg = (
            f"months must come once each and in order; {first} is duplicated or out of order. "
            'Use ds.sortby("time") and ds.drop_duplicates("time") once you know which row is right.'
        )
        raise ValueError(msg)
    if (step > 1).any():
        gap = months[:-1][step > 1][0]
        msg = (
            f"the time axis must have no holes, but the month after {gap} is missing. Fill the axis with missing "
            'values: ds.resample(time="MS").asfreq().'
        )
        raise ValueError(msg)
    if (stamps != months.astype(stamps.dtype)).any():
        msg = (
            f"time must be the start of the month; got {stamps[stamps != months.astype(stamps.dtype)][0]}. "
            'Shift it: ds.assign_coords(time=ds.time.to_numpy().astype("datetime64[M]").astype("datetime64[ns]")).'
        )
        raise ValueError(msg)


def check_drivers(ds: xr.Dataset, names: Iterable[str]) -> None:
    """Refuse a Dataset that lacks a driver or has it in another unit.

    Parameters
    ----------
    ds
        Sites or a cube. Values that are in memory are also checked against their plausible range.
    names
        Drivers, and the target where it is needed.

    Raises
    ------
    ValueError
        If a variable is missing, its unit is not canonical, or a value in memory is out of range.
    """
    missing = [name for name in names if name not in ds.data_vars]
    if missing:
        msg = (
            f"these variables are needed but not in the Dataset: {missing}; it has {list(ds.data_vars)}. "
            "Add them, or choose other drivers with drivers=[...]."
        )
        raise ValueError(msg)
    for name in names:
        check_units(name, ds[name].attrs.get("units"))
        # the private attribute is the only way to ask without reading a file that was opened and not yet loaded
        if isinstance(ds[name].variable._data, np.ndarray):
            check_range(name, ds[name].to_numpy())


def check_range(name: str, values: NDArray[np.floating]) -> None:
    """Refuse values that cannot be right in the canonical unit.

    Parameters
    ----------
    name
        A name of the vocabulary.
    values
        Any shape; gaps are NaN.

    Raises
    ------
    ValueError
        If a value is outside the plausible range.
    """
    row = VARIABLES[name]
    outside = values[(values < row.low) | (values > row.high)]
    if outside.size:
        msg = (
            f"{name} must lie between {row.low} and {row.high} {row.units}; {outside.size} values do not, "
            f"e.g. {outside.flat[0]:.4g}. Check the unit, or set broken values to NaN."
        )
        raise ValueError(msg)


def check_sites(ds: xr.Dataset) -> None:
    """Refuse sites without labels of their own.

    Parameters
    ----------
    ds
        Sites ``(site, time)``.

    Raises
    ------
    ValueError
        If there is no site, no coordinate ``site``, or a label comes twice.
    """
    if ds.sizes["site"] == 0:
        msg = "at least one site is needed; the Dataset has 0. Check the paths given to the reader."
        raise ValueError(msg)
    if "site" not in ds.coords or len(set(names := labels(ds["site"]).tolist())) != len(names):
        came = sorted({name for name in names if names.count(name) > 1}) if "site" in ds.coords else "no labels"
        msg = f"each site needs a label of its own in the coordinate site; got {came}. Rename or drop the doubles."
        raise ValueError(msg)
