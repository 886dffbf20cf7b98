"""Climatologies: the BIOME4 input file, and twelve months repeated into a cube with a real time axis."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from xnee.features import par_from_shortwave
from xnee.grid import coordinates
from xnee.variables import VARIABLES

__all__ = ["read_biome4", "repeat_climatology", "shortwave_from_sunshine"]

SOLAR_CONSTANT = 0.0820e6 / 60
"""W m-2; FAO-56 gives 0.0820 MJ m-2 min-1."""

ANGSTROM_OVERCAST, ANGSTROM_SUNSHINE = 0.25, 0.50
"""Share of extraterrestrial radiation that reaches the ground without sunshine, and what full sunshine adds.

The values that FAO-56 (Allen et al. 1998, eq. 35) advises where none were calibrated.
"""

_STEP = 0.5  # of the BIOME4 grid, degrees


@dataclass(frozen=True, kw_only=True)
class _Field:
    """One variable of the BIOME4 file: the label it carries, and what its integers are."""

    label: str
    scale: float
    low: float
    high: float


# temp is in 0.1 degC although its label says degC: January in Hainan is 18 degC, and the file says 180.
# sun is in 0.1 % of the possible hours under a label that says percent: it reaches 909.
_FIELDS = {
    "temp": _Field(label="degC", scale=0.1, low=VARIABLES["TEMP"].low, high=VARIABLES["TEMP"].high),
    "prec": _Field(label="mm", scale=1.0, low=VARIABLES["PRE"].low, high=VARIABLES["PRE"].high),
    "sun": _Field(label="percent", scale=0.001, low=0, high=1),
}


def read_biome4(path: str | PathLike[str]) -> xr.Dataset:
    """Read the climatology that comes with the BIOME4 vegetation model.

    The file (Kaplan et al. 2003, doi:10.1029/2002JD002559) labels 0.5 degree cells by their south-west corner and
    holds integers of 0.1 degC and 0.1 %; both are put right here. Sunshine becomes shortwave radiation
    (`shortwave_from_sunshine`) and that becomes PAR (`xnee.features.par_from_shortwave`). Soil water capacity and the
    absolute minimum temperature have no name in the vocabulary and are left out.

    Precipitation seems to lie one cell further east than temperature and sunshine: over East Asia their coasts differ
    in 178 cells as labelled, in 32 when it is moved back by one. It is left where the file has it.

    Parameters
    ----------
    path
        ``BIOME4_inputdata.nc``, whole or cut out, with its integers as they came.

    Returns
    -------
    xarray.Dataset
        ``TEMP`` (degC), ``PRE`` (mm month-1) and ``PAR`` (umol m-2 s-1), each ``(month, lat, lon)``, float32, NaN
        over the sea, in memory; months 1..12, cell centres, both ascending.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file cannot be read, lacks a variable, carries another unit label, holds something else than
        integers, is not labelled by corners of half degrees, has other months than 1..12, or values out of range.

    Examples
    --------
    >>> import tempfile
    >>> labels = {"time": np.arange(1, 13), "lat": [30.5, 30.0], "lon": [110.0, 110.5]}
    >>> def whole(value, units):
    ...     return tuple(labels), np.full((12, 2, 2), value, "i2"), {"units": units, "missing_value": np.int16(-9999)}
    >>> file = xr.Dataset({"temp": whole(185, "degC"), "prec": whole(60, "mm"), "sun": whole(400, "percent")}, labels)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file.to_netcdf(f"{folder}/small.nc")
    ...     ds = read_biome4(f"{folder}/small.nc")
    >>> ds["lat"].values.tolist(), ds["TEMP"].sel(month=7).values.round(1).tolist()
    ([30.25, 30.75], [[18.5, 18.5], [18.5, 18.5]])
    """
    place = Path(fspath(path)).expanduser()
    raw = _open(place)
    decoded = {name: _decode(raw[name], field, place.name) for name, field in _FIELDS.items()}
    # Over the sea the file has -9999 as sunshine in January and 0, a number, in the other months.
    sun = decoded["sun"].where(np.isfinite(decoded["temp"]))
    par = par_from_shortwave(shortwave_from_sunshine(sun, lat=sun["lat"], month=sun["month"]))
    par.attrs["method"] = f"sunshine hours by Angstrom-Prescott (FAO-56 eq. 35); {par.attrs['method']}"
    fields = {"TEMP": decoded["temp"], "PRE": decoded["prec"], "PAR": par}
    ds = xr.Dataset({name: _described(field, name) for name, field in fields.items()})
    return ds.assign_attrs(source=place.name, title="BIOME4 input climatology (Kaplan et al. 2003)")


def _open(path: Path) -> xr.Dataset:
    """Read the integers of the file, on cell centres, ascending, by month."""
    if not path.is_file():
        msg = f"no such file: {path}. Give the path of BIOME4_inputdata.nc."
        raise FileNotFoundError(msg)
    try:
        with xr.open_dataset(path, engine="netcdf4", decode_times=False, mask_and_scale=False) as file:
            lost = [name for name in (*_FIELDS, "time", "lat", "lon") if name not in file.variables]
            if lost:
                msg = f"{path.name} must hold {list(_FIELDS)} on time, lat and lon, but {lost} are not there."
                raise ValueError(msg)
            ds = file[list(_FIELDS)].load()
    except (OSError, RuntimeError) as error:
        msg = f"{path.name} cannot be read as NetCDF ({error}). Is it whole?"
        raise ValueError(msg) from error
    months = ds["time"].to_numpy()
    if not np.array_equal(months, np.arange(1, 13)):
        msg = f"{path.name} must have the months 1..12 as its time; got {months[:13]}."
        raise ValueError(msg)
    centres = coordinates(*(_centres(ds[axis].values, path.name) for axis in ("lat", "lon")))
    month = xr.Variable("month", np.arange(1, 13), {"long_name": "calendar month"})
    ds = ds.rename(time="month").assign_coords({"month": month, **centres})
    return ds.sortby(["lat", "lon"])


def _centres(labels: NDArray[np.floating], name: str) -> NDArray[np.float64]:
    """Move labels from the south-west corner of each cell to its centre."""
    corners = labels.astype("f8")
    if not np.allclose(corners % _STEP, 0) or not np.allclose(np.abs(np.diff(corners)), _STEP):
        msg = (
            f"{name} must label its cells by their south-west corners, multiples of {_STEP} degrees; got "
            f"{corners[:4]}. Read the file as it was published, or a cut of it that is not resampled."
        )
        raise ValueError(msg)
    return corners + _STEP / 2


def _decode(raw: xr.DataArray, field: _Field, name: str) -> xr.DataArray:
    """Turn the integers of one variable into values; the missing value becomes NaN."""
    units = raw.attrs.get("units")
    if units != field.label or raw.dtype.kind != "i":
        msg = (
            f"{raw.name} of {name} must hold integers labelled {field.label!r}, which count {field.scale:g} of "
            f"the true unit as published; got {raw.dtype} labelled {units!r}. Was it converted? Read the original."
        )
        raise ValueError(msg)
    values = raw.where(raw != raw.attrs.get("missing_value", -9999)).astype("f8") * field.scale
    low, high = float(values.min()), float(values.max())
    if low < field.low or high > field.high:
        msg = (
            f"{raw.name} of {name} reaches from {low:g} to {high:g} after counting its integers as {field.scale:g}, "
            f"beyond {field.low:g}..{field.high:g}. Is it the published file?"
        )
        raise ValueError(msg)
    return values.transpose("month", "lat", "lon")


def _described(field: xr.DataArray, name: str) -> xr.DataArray:
    """Give a field the attributes of the vocabulary."""
    row = VARIABLES[name]
    method = {key: field.attrs[key] for key in ("method",) if key in field.attrs}
    return field.astype("f4").drop_attrs(deep=False).assign_attrs(units=row.units, long_name=row.long_name, **method)


def shortwave_from_sunshine(sunshine: xr.DataArray, *, lat: xr.DataArray, month: xr.DataArray) -> xr.DataArray:
    """Make shortwave radiation from the share of possible sunshine hours.

    The Angstrom-Prescott formula with the coefficients of FAO-56 (Allen et al. 1998, FAO Irrigation and Drainage Paper
    56, eq. 35): ``(0.25 + 0.50 n/N) Ra``, with extraterrestrial radiation Ra (eq. 21) as the mean over the days of
    the month. Without calibration its error for one month at one place is some 10 %.

    Parameters
    ----------
    sunshine
        n/N, actual hours of sunshine by possible hours, month mean, 0 to 1.
    lat
        Latitude, degrees north, any dimensions that broadcast with `sunshine`.
    month
        Calendar month, 1 to 12, likewise.

    Returns
    -------
    xarray.DataArray
        Downward global shortwave radiation at the surface, month mean, W m-2, on the dimensions of `sunshine`. Lazy
        when the input is.

    Examples
    --------
    >>> rio = shortwave_from_sunshine(xr.DataArray(7.1 / 10.9), lat=xr.DataArray(-22.9), month=xr.DataArray(5))
    >>> round(float(rio) * 0.0864, 1)      # MJ m-2 d-1; FAO-56 example 10 has 14.5 for 15 May
    14.4
    """
    radiation = _extraterrestrial(lat).sel(month=month, drop=True)
    shortwave = (ANGSTROM_OVERCAST + ANGSTROM_SUNSHINE * sunshine) * radiation
    attrs = {"units": "W m-2", "long_name": "downward global shortwave radiation, month mean"}
    return shortwave.transpose(*sunshine.dims).rename("shortwave").assign_attrs(attrs)


def _extraterrestrial(lat: xr.DataArray) -> xr.DataArray:
    """Average daily extraterrestrial radiation over each month of a common year: ``(..., month)``, W m-2."""
    months = xr.DataArray(np.arange(1, 13), coords={"month": np.arange(1, 13)}, dims="month")
    within = months == xr.DataArray(pd.date_range("2001-01-01", "2001-12-31").month.to_numpy(), dims="day")
    daily = _daily_extraterrestrial(lat, xr.DataArray(np.arange(1, 366), dims="day"))
    return daily.dot(within.astype("f8"), dim="day") / within.sum("day")


def _daily_extraterrestrial(lat: xr.DataArray, day: xr.DataArray) -> xr.DataArray:
    """Extraterrestrial radiation of a day of the year, W m-2 (FAO-56 eq. 21, 23-25)."""
    angle = 2 * np.pi * day / 365
    distance = 1 + 0.033 * np.cos(angle)  # inverse relative distance of the sun
    declination = 0.409 * np.sin(angle - 1.39)
    phi = np.deg2rad(lat)
    sunset = np.arccos((-np.tan(phi) * np.tan(declination)).clip(-1, 1))  # clipped: polar night and polar day
    height = sunset * np.sin(phi) * np.sin(declination) + np.cos(phi) * np.cos(declination) * np.sin(sunset)
    result: xr.DataArray = SOLAR_CONSTANT / np.pi * distance * height
    return result


def repeat_climatology(ds: xr.Dataset, years: Iterable[int]) -> xr.Dataset:
    """Repeat twelve months over some years, as a cube with a real time axis.

    Parameters
    ----------
    ds
        Variables with a dimension ``month``, 1..12 in any order, and others without it, which stay as they are.
    years
        First and last year, both inside, as ``(2001, 2005)``; or every year, as ``range(2001, 2006)``.

    Returns
    -------
    xarray.Dataset
        The same variables, ``month`` replaced by ``time``: month starts from January of the first year to December of
        the last. Every year is the same, NaN included. Month totals are repeated unchanged, so February's is the
        same in leap years: a climatological total is that of a mean February. Lazy when the input is, with time whole.

    Raises
    ------
    TypeError
        If a year is not an int.
    ValueError
        If there is no dimension ``month``, its months are not 1..12, each once, or the years are none, or not one
        after the other.

    Examples
    --------
    >>> ds = xr.Dataset({"PRE": ("month", np.arange(12.0))}, coords={"month": np.arange(1, 13)})
    >>> cube = repeat_climatology(ds, (2001, 2003))
    >>> dict(cube.sizes), float(cube["PRE"].sel(time="2002-03-01"))
    ({'time': 36}, 2.0)
    """
    first, last = _check_years(years)
    order = np.argsort(_check_months(ds))
    time = pd.date_range(f"{first}-01-01", f"{last}-12-01", freq="MS", unit="ns")
    repeated = xr.DataArray(np.tile(order, last - first + 1), coords={"time": time}, dims="time")
    cube = ds.isel(month=repeated).drop_vars("month", errors="ignore").transpose("time", ...)
    cube = cube.chunk(time=-1) if cube.chunks else cube
    return cube.assign_attrs(climatology=f"the same 12 months in each year from {first} to {last}")


def _check_years(years: Iterable[int]) -> tuple[int, int]:
    """Find the first and the last year."""
    chosen = list(years)
    if not all(isinstance(year, int | np.integer) for year in chosen):
        msg = f"years must be whole numbers, first and last or each one; got {chosen}."
        raise TypeError(msg)
    pair = len(chosen) == 2 and chosen[0] <= chosen[1]
    if not chosen or not (pair or np.array_equal(chosen, np.arange(chosen[0], chosen[0] + len(chosen)))):
        msg = f"years must be the first and the last year, or one year after the other; got {chosen}."
        raise ValueError(msg)
    return int(chosen[0]), int(chosen[-1])


def _check_months(ds: xr.Dataset) -> NDArray[np.int_]:
    """Give the months of a climatology, if they are twelve."""
    if "month" not in ds.dims or "month" not in ds.coords:
        msg = f"a climatology needs the dimension 'month' with its coordinate, 1..12; found {list(ds.dims)}. Rename it."
        raise ValueError(msg)
    months: NDArray[np.int_] = ds["month"].to_numpy()
    if sorted(months.tolist()) != list(range(1, 13)):
        msg = f"a climatology needs each of the months 1..12 once; got {months.tolist()}."
        raise ValueError(msg)
    return months
