"""The stated formula of the synthetic world: NEE from this month's drivers and those of the five months before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import xarray as xr

from xnee.pft import check_pfts, mix
from xnee.variables import VARIABLES

__all__ = ["MEMORY", "PARAMETERS", "Parameters", "formula_nee", "true_nee"]

MEMORY = 5
"""Months before the target month on which its NEE still depends."""

# Weights of the months before, from one month ago on. Each set sums to 1.
_WATER = (0.15, 0.4, 0.3, 0.1, 0.05)
_WARMTH = (0.5, 0.3, 0.2)
_SUBSTRATE = (0.4, 0.35, 0.25)

_NEEDED = ("TEMP", "TS", "PRE", "VPD", "PAR", "FAPAR")
_SECONDS_PER_DAY = 86_400
_MEAN_MONTH = 30.4  # days


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """What makes one forest type differ from another.

    Parameters
    ----------
    light_use
        Carbon fixed per absorbed light without any limitation, g C mol-1.
    optimum
        Temperature of the fastest photosynthesis, degC.
    waking
        Mean temperature of the past three months at which half of the photosynthetic capacity is there, degC.
    dry_air
        VPD that halves photosynthesis, hPa.
    dry_soil
        Remembered rain that halves photosynthesis, mm month-1.
    respiration
        Respiration at a soil of 10 degC without fresh substrate, g C m-2 in a month of 30.4 days.
    q10
        Factor by which 10 degC more multiply respiration.
    substrate
        Share by which 500 mol m-2 month-1 of absorbed light in the months before raise respiration.
    """

    light_use: float
    optimum: float
    waking: float
    dry_air: float
    dry_soil: float
    respiration: float
    q10: float
    substrate: float


PARAMETERS: Mapping[str, Parameters] = MappingProxyType(
    {
        "DBF": Parameters(
            light_use=0.9, optimum=23.5, waking=4, dry_air=25, dry_soil=50,
            respiration=46, q10=2.2, substrate=0.5,
        ),
        "DNF": Parameters(
            light_use=1.15, optimum=17.5, waking=4, dry_air=19, dry_soil=45,
            respiration=54, q10=2.0, substrate=0.4,
        ),
        "ENF": Parameters(
            light_use=0.72, optimum=25, waking=4, dry_air=18, dry_soil=65,
            respiration=40, q10=2.15, substrate=0.35,
        ),
        "EBF": Parameters(
            light_use=0.62, optimum=22, waking=4, dry_air=15, dry_soil=100,
            respiration=33, q10=2.05, substrate=0.3,
        ),
        "MF": Parameters(
            light_use=0.72, optimum=23.5, waking=3.5, dry_air=17, dry_soil=50,
            respiration=40, q10=2.3, substrate=0.35,
        ),
    }
)  # fmt: skip


def _remember(series: xr.DataArray, weights: tuple[float, ...]) -> xr.DataArray:
    """Weighted sum over the months before; missing where the past is not there."""
    past = [weight * series.shift(time=lag) for lag, weight in enumerate(weights, start=1)]
    return sum(past[1:], start=past[0])


def formula_nee(drivers: xr.Dataset, *, pft: str) -> xr.DataArray:
    r"""Compute the noise-free NEE of one forest type of the synthetic world.

    With lags :math:`k` in months, :math:`d` the days of the month and weights that sum to 1,

    .. math::

        NEE &= d/30.4 \; R \; Q^{(TS - 10)/10} (1 + s \sum u_k A_{t-k} / 500)
               - \epsilon \; A \; f_T \; f_W \; C \; D

        A &= FAPAR \times PAR \quad (mol\;m^{-2}\;month^{-1}), \qquad
        f_T = \exp(-((TEMP - T_{opt}) / 15)^2)

        f_W &= W / (W + W_{1/2}), \; W = \sum w_k PRE_{t-k}, \; k = 1 \dots 5

        C &= 1 / (1 + \exp(-(\bar T - T_{wake}) / 4)), \; \bar T = \sum a_k TEMP_{t-k}, \; k = 1 \dots 3

        D &= 1 / (1 + VPD / VPD_{1/2})

    Parameters
    ----------
    drivers
        Anything with a ``time`` axis without holes and TEMP, TS, PRE, VPD, PAR and FAPAR in canonical units.
    pft
        One of the five forest types; its parameters are in ``PARAMETERS``.

    Returns
    -------
    xarray.DataArray
        Same dimensions, g C m-2 month-1, calendar-month total, positive into the atmosphere. Missing in the first
        five months, and where a driver is missing in the month or in the past that counts. Lazy when the drivers
        are.

    Raises
    ------
    ValueError
        If `pft` is not one of the five types, or a driver of the formula is not there.

    Examples
    --------
    >>> from xnee.sources.synthetic import synthetic_towers
    >>> towers = synthetic_towers(noise=0, gaps=0)
    >>> tower = towers.sel(site="CBF", time=slice("2003", "2010"))
    >>> nee = formula_nee(tower, pft="MF")
    >>> int(nee.isnull().sum()), bool(abs(nee - tower["NEE"]).max() < 1e-9)
    (5, True)
    """
    check_pfts([pft])
    if missing := [name for name in _NEEDED if name not in drivers]:
        msg = f"the formula needs the drivers {', '.join(_NEEDED)}; {missing} are not there."
        raise ValueError(msg)
    p = PARAMETERS[pft]
    days = drivers["time"].dt.days_in_month
    absorbed = drivers["PAR"] * drivers["FAPAR"] * (days * _SECONDS_PER_DAY * 1e-6)  # mol m-2 month-1
    warm = np.exp(-(((drivers["TEMP"] - p.optimum) / 15) ** 2))
    rain = _remember(drivers["PRE"], _WATER)
    capacity = 1 / (1 + np.exp(-(_remember(drivers["TEMP"], _WARMTH) - p.waking) / 4))
    uptake = p.light_use * absorbed * warm * capacity * rain / (rain + p.dry_soil) / (1 + drivers["VPD"] / p.dry_air)
    fresh = 1 + p.substrate * _remember(absorbed, _SUBSTRATE) / 500
    loss = days / _MEAN_MONTH * p.respiration * p.q10 ** ((drivers["TS"] - 10) / 10) * fresh
    nee = (loss - uptake).transpose(*drivers["TEMP"].dims).rename("NEE")
    row = VARIABLES["NEE"]
    return nee.assign_attrs(units=row.units, long_name=row.long_name)


def true_nee(cube: xr.Dataset) -> xr.DataArray:
    """Compute the noise-free NEE map that a prediction over a synthetic cube is to be compared with.

    Parameters
    ----------
    cube
        As `synthetic_cube` makes it, or any part of it with whole ``time``.

    Returns
    -------
    xarray.DataArray
        ``(time, lat, lon)``, g C m-2 month-1 per square metre of forest, positive into the atmosphere: the flux of
        each type by `formula_nee`, averaged by cover. Missing where no forest is and in the first five months.
        Lazy when the cube is.

    Raises
    ------
    ValueError
        If the cube has no ``pft_fraction``.

    Examples
    --------
    >>> from xnee.sources.synthetic import synthetic_cube
    >>> true_nee(synthetic_cube()).dims
    ('time', 'lat', 'lon')
    """
    if "pft_fraction" not in cube:
        msg = f"a synthetic cube has the variable pft_fraction (pft, lat, lon); found {sorted(map(str, cube))}."
        raise ValueError(msg)
    fluxes = [formula_nee(cube, pft=str(pft)) for pft in cube["pft"].to_numpy()]
    nee = mix(xr.concat(fluxes, cube["pft"]), cube["pft_fraction"]).transpose("time", "lat", "lon")
    return nee.rename("NEE").assign_attrs(fluxes[0].attrs)
