"""Drivers made from drivers, one kernel each, used for towers and for maps alike."""

from __future__ import annotations

import numpy as np
import xarray as xr

from xnee.variables import VARIABLES

__all__ = [
    "PAR_PER_SHORTWAVE",
    "par_from_shortwave",
    "saturation_vapour_pressure",
    "vpd_from_dew_point",
    "vpd_from_humidity",
    "vpd_from_specific_humidity",
    "vpd_from_vapour_pressure",
    "wind_direction",
    "wind_speed",
]

PAR_PER_SHORTWAVE = 1.94
"""Photons of 400-700 nm in one joule of global shortwave radiation, umol J-1.

Measured: the median of PPFD_IN / SW_IN_F over the 4,249 months with both at 67 FLUXNET2015 forest towers is 1.93
(5-95 %: 1.66-2.25). In one month of eight ONEFlux had made SW_IN itself from PPFD_IN, with 0.52 J umol-1, so that the
ratio is 1 / 0.52 by construction; without those months the median is 1.95 (1.65-2.26). 1.94 lies between.

Against calibrated radiometers this is low: a photosynthetic share of 0.454 of the energy over an oak forest (Proutsos
et al. 2019, doi:10.1007/s00704-019-02786-z) times 4.57 umol J-1 of daylight (McCree 1972,
doi:10.1016/0002-1571(72)90045-3) gives 2.07. The towers' own factor is taken so that derived months join measured ones.
"""

_SHORTWAVE_UNITS = ("W m-2", "W/m2", "W m**-2", "J m-2 s-1")


def par_from_shortwave(shortwave: xr.DataArray) -> xr.DataArray:
    """Make photosynthetically active radiation from shortwave radiation.

    Parameters
    ----------
    shortwave
        Downward global shortwave radiation, month mean, W m-2, any dimensions. A ``units`` attribute is checked
        where there is one.

    Returns
    -------
    xarray.DataArray
        Photon flux density, month mean, umol m-2 s-1: `PAR_PER_SHORTWAVE` times the input. The ratio of a single
        tower-month lies within -15 and +17 % of that factor in nine cases of ten. Lazy when the input is.

    Raises
    ------
    ValueError
        If the ``units`` attribute names another unit than W m-2.

    Examples
    --------
    >>> par = par_from_shortwave(xr.DataArray([0.0, 200.0], dims="time", attrs={"units": "W m-2"}))
    >>> par.values.tolist(), par.attrs["units"]
    ([0.0, 388.0], 'umol m-2 s-1')
    """
    units = shortwave.attrs.get("units")
    if units is not None and units not in _SHORTWAVE_UNITS:
        msg = (
            f"PAR is made from shortwave radiation in W m-2, but it came with units {units!r}. Divide a total in "
            "J m-2 by the seconds it was summed over first."
        )
        raise ValueError(msg)
    row = VARIABLES["PAR"]
    par = (shortwave * PAR_PER_SHORTWAVE).rename(row.name)
    par.attrs = {
        "units": row.units,
        "long_name": row.long_name,
        "method": f"shortwave radiation times {PAR_PER_SHORTWAVE} umol J-1",
    }
    return par


# Magnus form over water with the coefficients of Alduchov and Eskridge 1996, eq. 21,
# doi:10.1175/1520-0450(1996)035<0601:IMFAOS>2.0.CO;2: within 0.4 % from -40 to 50 degC. Over water below zero too: that
# is what humidity sensors state, as the WMO asks (Guide to Instruments, WMO-No. 8, annex 4.B).
_MAGNUS_HPA, _MAGNUS_SLOPE, _MAGNUS_DEGC = 6.1094, 17.625, 243.04
_DEGREES_C = (VARIABLES["TEMP"].units, *VARIABLES["TEMP"].spellings)


def saturation_vapour_pressure(temperature: xr.DataArray) -> xr.DataArray:
    """Make the saturation vapour pressure over water from temperature.

    Parameters
    ----------
    temperature
        Of air, or the dew point (then it gives the actual vapour pressure), degC, any dimensions. A ``units`` attribute
        is checked where there is one.

    Returns
    -------
    xarray.DataArray
        hPa, 6.1094 exp(17.625 t / (t + 243.04)) (Alduchov and Eskridge 1996). Lazy when the input is.

    Raises
    ------
    ValueError
        If the ``units`` attribute names another unit than degC.

    Examples
    --------
    >>> saturation_vapour_pressure(xr.DataArray([0.0, 20.0], dims="time")).round(2).values.tolist()
    [6.11, 23.33]
    """
    _check_unit("temperature", temperature, _DEGREES_C, "Subtract 273.15 from kelvins first.")
    slope = _MAGNUS_SLOPE * temperature / (temperature + _MAGNUS_DEGC)
    pressure: xr.DataArray = _MAGNUS_HPA * xr.apply_ufunc(np.exp, slope, dask="allowed")
    return pressure.assign_attrs(units="hPa", long_name="saturation vapour pressure over water")


def vpd_from_humidity(temperature: xr.DataArray, humidity: xr.DataArray) -> xr.DataArray:
    """Make vapour pressure deficit from air temperature and relative humidity, measured at the same height.

    Parameters
    ----------
    temperature
        Air temperature, degC, any dimensions.
    humidity
        Relative humidity, %, the same dimensions. Above 100 (a wet sensor) it counts as 100. ``units`` attributes are
        checked where there are any.

    Returns
    -------
    xarray.DataArray
        hPa, 0 or more: (1 - humidity / 100) times `saturation_vapour_pressure`. Made of means it is lower than the
        mean of what is made of half-hours, because saturation pressure bends upwards with temperature and because
        warm hours are the dry ones. Lazy when the inputs are.

    Raises
    ------
    ValueError
        If a ``units`` attribute names another unit.

    Examples
    --------
    >>> temperature, humidity = xr.DataArray([20.0, 20.0], dims="time"), xr.DataArray([50.0, 101.0], dims="time")
    >>> vpd_from_humidity(temperature, humidity).round(2).values.tolist()
    [11.67, 0.0]
    """
    _check_unit("humidity", humidity, ("%", "percent"), "Multiply a fraction by 100 first.")
    dryness = (1 - humidity / 100).clip(min=0)
    return _describe_vpd(saturation_vapour_pressure(temperature) * dryness, "air temperature and relative humidity")


def vpd_from_vapour_pressure(temperature: xr.DataArray, vapour_pressure: xr.DataArray) -> xr.DataArray:
    """Make vapour pressure deficit from air temperature and the vapour pressure of the air, at the same height.

    Parameters
    ----------
    temperature
        Air temperature, degC, any dimensions.
    vapour_pressure
        Actual vapour pressure, hPa, the same dimensions. ``units`` attributes are checked where there are any.

    Returns
    -------
    xarray.DataArray
        hPa, 0 or more: `saturation_vapour_pressure` less the vapour pressure. Made of means it is too low, as in
        `vpd_from_humidity`. Lazy when the inputs are.

    Raises
    ------
    ValueError
        If a ``units`` attribute names another unit.

    Examples
    --------
    >>> temperature, pressure = xr.DataArray([20.0], dims="time"), xr.DataArray([13.33], dims="time")
    >>> vpd_from_vapour_pressure(temperature, pressure).round(2).values.tolist()
    [10.0]
    """
    _check_unit("vapour pressure", vapour_pressure, ("hPa", "mbar", "millibars"), "Multiply kPa by 10 first.")
    deficit = (saturation_vapour_pressure(temperature) - vapour_pressure).clip(min=0)
    return _describe_vpd(deficit, "air temperature and vapour pressure")


def _describe_vpd(deficit: xr.DataArray, origin: str) -> xr.DataArray:
    """Name a vapour pressure deficit, and say what it is made of."""
    row = VARIABLES["VPD"]
    method = f"{origin}, saturation over water by Alduchov and Eskridge 1996"
    named = deficit.rename(row.name)
    named.attrs = {"units": row.units, "long_name": row.long_name, "method": method}
    return named


def _check_unit(what: str, values: xr.DataArray, known: tuple[str, ...], way_out: str) -> None:
    """Refuse values whose ``units`` attribute names another unit; without one they are taken at their word."""
    units = values.attrs.get("units")
    if units is not None and units not in known:
        msg = f"{what} must be in {known[0]}, but it came with units {units!r}. {way_out}"
        raise ValueError(msg)


def vpd_from_dew_point(temperature: xr.DataArray, dew_point: xr.DataArray) -> xr.DataArray:
    """Make vapour pressure deficit from air temperature and dew point.

    Parameters
    ----------
    temperature
        Air temperature, degC, any dimensions.
    dew_point
        Dew point over water at the same height, degC, the same dimensions.

    Returns
    -------
    xarray.DataArray
        hPa, 0 or more. Made of means it is too low, as in `vpd_from_humidity`. Lazy when the inputs are.

    Raises
    ------
    ValueError
        If a ``units`` attribute names another unit.

    Examples
    --------
    >>> temperature, dew_point = xr.DataArray([20.0], dims="time"), xr.DataArray([10.0], dims="time")
    >>> vpd_from_dew_point(temperature, dew_point).round(2).values.tolist()
    [11.07]
    """
    deficit = vpd_from_vapour_pressure(temperature, saturation_vapour_pressure(dew_point))
    return _describe_vpd(deficit, "air temperature and dew point")


_VAPOUR_TO_DRY_AIR = 0.622
"""Molar mass of water by that of dry air."""


def vpd_from_specific_humidity(
    temperature: xr.DataArray, humidity: xr.DataArray, pressure: xr.DataArray
) -> xr.DataArray:
    """Make vapour pressure deficit from air temperature, specific humidity and air pressure at the same height.

    Parameters
    ----------
    temperature
        Air temperature, degC, any dimensions.
    humidity
        Specific humidity, kg of vapour in a kg of moist air, the same dimensions.
    pressure
        Air pressure, hPa, the same dimensions. ``units`` attributes are checked where there are any.

    Returns
    -------
    xarray.DataArray
        hPa, 0 or more; the vapour pressure is q p / (0.622 + 0.378 q). Made of means it is too low, as in
        `vpd_from_humidity`. Lazy when the inputs are.

    Raises
    ------
    ValueError
        If a ``units`` attribute names another unit.

    Examples
    --------
    >>> air = [xr.DataArray([value], dims="time") for value in (20.0, 0.01, 1000.0)]
    >>> vpd_from_specific_humidity(*air).round(2).values.tolist()
    [7.35]
    """
    _check_unit("specific humidity", humidity, ("kg kg-1", "kg/kg", "kg kg**-1", "1"), "Divide g kg-1 by 1000 first.")
    _check_unit("pressure", pressure, ("hPa", "mbar", "millibars"), "Divide Pa by 100 first.")
    vapour = humidity * pressure / (_VAPOUR_TO_DRY_AIR + (1 - _VAPOUR_TO_DRY_AIR) * humidity)
    deficit = vpd_from_vapour_pressure(temperature, vapour.drop_attrs())
    return _describe_vpd(deficit, "air temperature, specific humidity and pressure")


_SPEED_UNITS = (VARIABLES["WS"].units, *VARIABLES["WS"].spellings)


def _check_components(eastward: xr.DataArray, northward: xr.DataArray) -> None:
    """Refuse components that are not in m s-1."""
    for what, values in (("eastward wind", eastward), ("northward wind", northward)):
        _check_unit(what, values, _SPEED_UNITS, "Divide km h-1 by 3.6 first.")


def wind_speed(eastward: xr.DataArray, northward: xr.DataArray) -> xr.DataArray:
    """Make wind speed from its components.

    Parameters
    ----------
    eastward, northward
        Components, m s-1, any dimensions, the same of both. ``units`` attributes are checked where there are any.

    Returns
    -------
    xarray.DataArray
        m s-1. Of monthly mean components it is the speed of the mean vector, lower than the mean speed wherever the
        wind turns. Lazy when the inputs are.

    Raises
    ------
    ValueError
        If a ``units`` attribute names another unit.

    Examples
    --------
    >>> wind_speed(xr.DataArray([3.0], dims="time"), xr.DataArray([-4.0], dims="time")).values.tolist()
    [5.0]
    """
    _check_components(eastward, northward)
    row = VARIABLES["WS"]
    speed = ((eastward**2 + northward**2) ** 0.5).rename(row.name)
    speed.attrs = {"units": row.units, "long_name": row.long_name, "method": "length of the vector of both components"}
    return speed


def wind_direction(eastward: xr.DataArray, northward: xr.DataArray) -> xr.DataArray:
    """Make the direction from which the wind blows from its components.

    Components are averaged and regridded, directions never: 350 and 10 degrees do not make 180.

    Parameters
    ----------
    eastward, northward
        Components, m s-1, any dimensions, the same of both. ``units`` attributes are checked where there are any.

    Returns
    -------
    xarray.DataArray
        Degrees clockwise from north, 0 to 360; NaN where there is no wind at all. Of monthly means it is the direction
        of the mean vector. Lazy when the inputs are.

    Raises
    ------
    ValueError
        If a ``units`` attribute names another unit.

    Examples
    --------
    >>> east, north = xr.DataArray([0.0, 1.0, 0.0, -1.0], dims="time"), xr.DataArray([-1.0, 0.0, 1.0, 0.0], dims="time")
    >>> wind_direction(east, north).values.tolist()   # from the north, west, south, east
    [0.0, 270.0, 180.0, 90.0]
    """
    _check_components(eastward, northward)
    row = VARIABLES["WD"]
    still = (eastward == 0) & (northward == 0)
    towards: xr.DataArray = np.arctan2(-eastward, -northward)  # type: ignore[assignment]  # a DataArray gives one
    # zero is added last: the arc tangent of a negative zero would make 0 degrees -0.0
    angle = (towards * (180 / np.pi) % 360 + 0.0).where(~still).rename(row.name)
    angle.attrs = {
        "units": row.units,
        "long_name": row.long_name,
        "method": "direction of the vector of both components",
    }
    return angle
