"""What the range of a column tells where its heading does not, or says otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
import xarray as xr

from xnee.features import saturation_vapour_pressure
from xnee.sources.chinaflux.stamps import Floats, Scale
from xnee.sources.chinaflux.units import SCALINGS, parse_unit

__all__ = [
    "balance",
    "check_day_mean",
    "flux_unit",
    "humid_air_unit",
    "humidity_unit",
    "pressure_unit",
    "soil_water_unit",
    "swapped_wind",
]

Found: TypeAlias = tuple[str, str]
"""A unit, and what is to be said about it: empty where the heading and the range agree."""

# Pressure where people and forests are: 450 to 1080 hPa. In its three units the ranges do not meet.
_PRESSURES: Mapping[str, tuple[float, float]] = {"kPa": (45, 108), "hPa": (450, 1080), "Pa": (45_000, 108_000)}
_WETTEST_FRACTION, _WETTEST_AIR = 1.0, 1.05
_FASTEST_WIND, _CALMEST_DIRECTION = 40.0, 40.0

# The 98th percentile of the fluxes of a forest. In mg CO2 m-2 s-1 a strong one is 1.5, in umol m-2 s-1 the same is 34.
_MOST_MILLIGRAMS, _LEAST_MICROMOLES = 2.0, 4.0
_LEAST_GRAMS_A_DAY, _LEAST_GRAMS_A_MONTH, _MOST_GRAMS_A_DAY = 0.5, 25.0, 25.0


def _said(quantity: str, found: str, written: str | None, *, why: str) -> Found:
    """Say what was found, if the heading does not."""
    if written is None:
        return found, f"no unit is written: {found} {why}"
    # A unit that is not known is refused where it is looked up: the range does not overrule a typing error.
    unit = parse_unit(written)
    if unit not in SCALINGS[quantity] or unit == parse_unit(found):
        return written, ""
    return found, f"{written!r} is written, but it is {found} {why}"


def pressure_unit(values: Floats, written: str | None) -> Found:
    """Tell the unit of air pressure by its range.

    Parameters
    ----------
    values
        ``(row,)``, as they stand, at least one finite.
    written
        Unit in the heading, None where there is none.

    Returns
    -------
    tuple
        Unit, and what is to be said.

    Examples
    --------
    >>> pressure_unit(np.array([92.1, 93.0]), None)
    ('kPa', 'no unit is written: kPa by the range')
    """
    median = float(np.nanmedian(values))
    found = next((unit for unit, (low, high) in _PRESSURES.items() if low <= median <= high), None)
    if found is None:
        return written or "hPa", ""
    return _said("PA", found, written, why="by the range")


def soil_water_unit(values: Floats, written: str | None) -> Found:
    """Tell % from m3 m-3 by the range of soil water.

    Parameters
    ----------
    values
        ``(row,)``, as they stand, at least one finite.
    written
        Unit in the heading, None where there is none.

    Returns
    -------
    tuple
        Unit, and what is to be said.

    Examples
    --------
    >>> soil_water_unit(np.array([0.21, 0.3]), "%")[0]
    'm3 m-3'
    """
    wettest = float(np.nanquantile(values, 0.95))
    found = "m3 m-3" if wettest <= _WETTEST_FRACTION else "%"
    if found != "%" and written is not None and parse_unit(written) != parse_unit("%"):
        return written, ""  # any spelling of a fraction, or one that is not known
    return _said("VWC", found, written, why="by the range")


def humidity_unit(values: Floats) -> tuple[float, str]:
    """Tell relative humidity in % from a fraction.

    Parameters
    ----------
    values
        ``(row,)``, as they stand, at least one finite.

    Returns
    -------
    tuple
        Factor to %, and what is to be said.

    Examples
    --------
    >>> humidity_unit(np.array([0.4, 0.9]))
    (100.0, 'a fraction by its range, whatever is written: times 100')
    """
    if np.nanquantile(values, 0.95) <= _WETTEST_AIR:
        return 100.0, "a fraction by its range, whatever is written: times 100"
    return 1.0, ""


def humid_air_unit(quantity: str, values: Floats, temperature: Floats | None, written: str | None) -> Found:
    """Tell kPa from hPa: neither vapour pressure nor its deficit can pass saturation.

    Parameters
    ----------
    quantity
        ``"VPD"`` or ``"E"``.
    values
        ``(row,)``, as they stand, at least one finite.
    temperature
        ``(row,)``, degC; None where there is none.
    written
        Unit in the heading, None where there is none.

    Returns
    -------
    tuple
        Unit, and what is to be said.

    Examples
    --------
    >>> humid_air_unit("VPD", np.array([8.0, 6.0]), np.array([20.0, 18.0]), None)[0]
    'hPa'
    """
    if written is not None and parse_unit(written) == parse_unit("Pa"):
        return written, ""
    if temperature is None or not np.isfinite(values + temperature).any():
        if written is not None:
            return written, ""
        high = np.nanquantile(values, 0.95) > 3.0  # kPa: drier or wetter than any month, and than most half-hours
        return _said(quantity, "hPa" if high else "kPa", None, why="by its size, as there is no temperature beside it")
    most = 1.05 * saturation_vapour_pressure(xr.DataArray(temperature)).to_numpy()
    there = np.isfinite(values + most)
    fits = np.mean(10 * values[there] <= most[there]) > 0.95
    if fits:  # in kPa, and all the more in hPa: then the heading decides, or the custom of ChinaFLUX
        return (written, "") if written else (_said(quantity, "kPa", None, why="as ChinaFLUX writes it"))
    return _said(quantity, "hPa", written, why="as it would pass saturation in kPa")


def swapped_wind(speed: Floats, direction: Floats) -> bool:
    """Tell whether the headings of wind speed and wind direction stand the wrong way round.

    Parameters
    ----------
    speed, direction
        ``(row,)`` each, as the headings have it.

    Returns
    -------
    bool
        True if what is called speed is too fast for wind, and what is called direction never turns.

    Examples
    --------
    >>> swapped_wind(np.array([180.0, 200.0]), np.array([1.2, 3.4]))
    True
    """
    if not (np.isfinite(speed).any() and np.isfinite(direction).any()):
        return False
    return bool(np.nanmedian(speed) > _FASTEST_WIND and np.nanquantile(direction, 0.98) < _CALMEST_DIRECTION)


def flux_unit(largest: float, scale: Scale, *, label: str) -> Found:
    """Take the unit of a flux that has none written, if its size leaves no doubt.

    Parameters
    ----------
    largest
        98th percentile of the sizes of NEE, RE, GEE and GPP of the sheet, as they stand.
    scale
        Of the sheet.
    label
        File and sheet, for the message.

    Returns
    -------
    tuple
        Unit, and what is to be said.

    Raises
    ------
    ValueError
        If the size fits two units: mg and umol, a day and a second, the sum of a month and its mean.

    Examples
    --------
    >>> flux_unit(1.2, "half-hour", label="a sheet")[0], flux_unit(180.0, "month", label="a sheet")[0]
    ('mg CO2 m-2 s-1', 'g C m-2 month-1')
    """
    unit, other = "g C m-2 d-1", "mg CO2 m-2 s-1"
    if scale == "half-hour":
        unit, other = "mg CO2 m-2 s-1", "umol m-2 s-1"
        if largest >= _LEAST_MICROMOLES:
            unit, other = other, unit
        clear = largest <= _MOST_MILLIGRAMS or largest >= _LEAST_MICROMOLES
    elif scale == "day":
        clear = largest >= _LEAST_GRAMS_A_DAY
    else:
        unit, other = "g C m-2 month-1", unit
        clear = largest >= _LEAST_GRAMS_A_MONTH
    if not clear:
        what = "the sum of a month or its mean per day" if scale == "month" else f"{unit} or {other}"
        msg = (
            f"{label}: no unit of NEE is written, and fluxes up to {largest:.3g} may be {what}. Write it into the "
            f"heading, or say it: units={{'NEE': {unit!r}}}."
        )
        raise ValueError(msg)
    return unit, f"no unit is written: {unit} by the scale and the size"


def check_day_mean(largest: float, *, label: str, unit: str) -> None:
    """Refuse month sums under the unit of a mean.

    Parameters
    ----------
    largest
        98th percentile of the sizes of the fluxes, in g C m-2 d-1 if the unit is right.
    label
        File and sheet, for the message.
    unit
        As it is written.

    Raises
    ------
    ValueError
        If no forest reaches that in a day.
    """
    if largest > _MOST_GRAMS_A_DAY:
        msg = (
            f"{label}: {unit!r} is given, but then fluxes reach {largest:.3g} g C m-2 d-1: these are sums of months. "
            "Correct the heading, or say it: units={'NEE': 'g C m-2 month-1'}."
        )
        raise ValueError(msg)


def balance(nee: Floats, respiration: Floats, gross: Floats, name: str) -> tuple[bool, str]:
    """Check NEE against respiration less gross uptake, and the sign of both.

    Parameters
    ----------
    nee, respiration, gross
        ``(row,)`` each, in one unit; `gross` is GEE or GPP as it stands.
    name
        Heading of `gross`.

    Returns
    -------
    tuple
        Whether NEE has the sign of uptake (it is gross uptake less respiration), and what is to be said.

    Examples
    --------
    >>> balance(np.array([-0.033]), np.array([0.496]), np.array([-0.530]), "GEE")[1]
    'GEE is negative: NEE = RE + GEE in 100 % of rows'
    """
    there = np.isfinite(nee + respiration + gross)
    if not there.any():
        return False, f"no row has NEE, RE and {name}: their balance is not checked"
    nee, respiration, gross = nee[there], respiration[there], gross[there]
    negative = bool(np.median(gross) < 0)
    expected = respiration + gross if negative else respiration - gross
    allowed = 0.05 * np.median(np.abs(respiration) + np.abs(gross)) + 1e-12
    forward, backward = np.abs(nee - expected) <= allowed, np.abs(nee + expected) <= allowed
    said = f"{name} is {'negative' if negative else 'positive'}: NEE = RE {'+' if negative else '-'} {name}"
    if forward.mean() < 0.5 and backward.mean() > 0.9:
        return True, ""
    if forward.mean() < 0.5:
        return False, f"{said} in {100 * forward.mean():.0f} % of rows only: the columns do not balance"
    return False, f"{said} in {100 * forward.mean():.0f} % of rows"
