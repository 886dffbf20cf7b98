"""The vocabulary: names, units, sign and plausible ranges of everything that flows through xnee.

This is the only table of units in the package. Sources convert into it; nobody else converts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np
import xarray as xr
from numpy.typing import NDArray

__all__ = ["DRIVERS", "TARGET", "VARIABLES", "Variable", "check_names", "check_units", "labels", "same_unit"]

MOLAR_MASS_CARBON = 12.011
"""Grams of carbon in one mole (IUPAC standard atomic weight)."""

GRAM_CARBON_PER_DAY = MOLAR_MASS_CARBON * 1e-6 * 86_400
"""g C m-2 d-1 carried by one umol CO2 m-2 s-1, 1.0377."""


@dataclass(frozen=True, kw_only=True)
class Variable:
    """One row of the vocabulary.

    Parameters
    ----------
    name
        The name used for the variable in every Dataset.
    long_name
        What a reader of the file sees.
    units
        The canonical unit; `spellings` are accepted as the same unit.
    low, high
        Plausible range in the canonical unit. A value outside is a unit error or a broken sensor.
    cell_method
        How a month is made of its days: ``"sum"`` or ``"mean"``.
    spellings
        Other ways in which the canonical unit is written.
    circular
        Whether the variable is an angle, to be averaged and learned as sine and cosine.
    """

    name: str
    long_name: str
    units: str
    low: float
    high: float
    cell_method: str = "mean"
    spellings: tuple[str, ...] = ()
    circular: bool = False


_FRACTION = ("", "1.0", "-", "fraction", "unitless", "dimensionless")
_DEGREES_C = ("°C", "℃", "deg C", "deg_C", "celsius", "Celsius", "degree_Celsius", "degrees_Celsius", "C")
_CARBON = ("gC m-2 month-1", "g C m-2 mon-1", "gC m-2 mon-1", "g C m**-2 month**-1", "gC/m2/month", "g m-2 month-1")

_TABLE = (
    Variable(
        name="NEE",
        long_name="net ecosystem exchange of carbon, calendar-month total, positive into the atmosphere",
        units="g C m-2 month-1",
        low=-700,
        high=500,
        cell_method="sum",
        spellings=_CARBON,
    ),
    Variable(name="TEMP", long_name="air temperature", units="degC", low=-60, high=50, spellings=_DEGREES_C),
    Variable(
        name="PRE",
        long_name="precipitation, calendar-month total",
        units="mm month-1",
        low=0,
        high=3000,
        cell_method="sum",
        spellings=("mm/month", "mm mon-1", "kg m-2 month-1", "mm per month"),
    ),
    Variable(
        name="VPD", long_name="vapour pressure deficit", units="hPa", low=0, high=80, spellings=("mbar", "millibars")
    ),
    Variable(
        name="WD",
        long_name="wind direction, clockwise from north, from which the wind blows",
        units="degree",
        low=0,
        high=360,
        spellings=("degrees", "deg", "°"),
        circular=True,
    ),
    Variable(name="WS", long_name="wind speed", units="m s-1", low=0, high=40, spellings=("m/s", "m s**-1")),
    Variable(
        name="PA", long_name="atmospheric pressure", units="hPa", low=450, high=1080, spellings=("mbar", "millibars")
    ),
    Variable(
        name="PAR",
        long_name="photosynthetically active radiation, month mean photon flux",
        units="umol m-2 s-1",
        low=0,
        high=1200,
        spellings=("µmol m-2 s-1", "umol/m2/s", "umolPhot m-2 s-1"),
    ),
    Variable(
        name="FAPAR",
        long_name="absorbed fraction of photosynthetically active radiation",
        units="1",
        low=0,
        high=1,
        spellings=_FRACTION,
    ),
    Variable(
        name="VWC",
        long_name="volumetric soil water, top layer",
        units="m3 m-3",
        low=0,
        high=0.9,
        spellings=("m**3 m**-3", "m3/m3", "1"),
    ),
    Variable(name="TS", long_name="soil temperature, top layer", units="degC", low=-50, high=60, spellings=_DEGREES_C),
    Variable(name="AGE", long_name="forest age", units="year", low=0, high=1500, spellings=("years", "yr", "a")),
    Variable(
        name="SIF",
        long_name="solar-induced chlorophyll fluorescence",
        units="W m-2 um-1 sr-1",
        low=-1,
        high=3,
        spellings=("mW m-2 nm-1 sr-1", "W/m2/um/sr", "mW/m2/nm/sr"),
    ),
    Variable(name="LAI", long_name="leaf area index", units="m2 m-2", low=0, high=10, spellings=("1", "m2/m2", "")),
    Variable(
        name="NDVI",
        long_name="normalised difference vegetation index",
        units="1",
        low=-0.2,
        high=1,
        spellings=_FRACTION,
    ),
)

_CONVERSIONS: Mapping[tuple[str, str], str] = {
    ("degC", "K"): "- 273.15",
    ("degC", "kelvin"): "- 273.15",
    ("hPa", "kPa"): "* 10",
    ("hPa", "Pa"): "/ 100",
    ("1", "%"): "/ 100",
    ("m3 m-3", "%"): "/ 100",
}
"""What turns values of a unit often met into the canonical one; for messages, nothing in the package converts by it."""

VARIABLES: Mapping[str, Variable] = {row.name: row for row in _TABLE}
TARGET = "NEE"
DRIVERS: tuple[str, ...] = tuple(name for name in VARIABLES if name != TARGET)


def check_names(names: Iterable[str]) -> tuple[str, ...]:
    """Return driver names, or refuse those that the vocabulary does not hold.

    Parameters
    ----------
    names
        Names asked for as drivers.

    Returns
    -------
    tuple of str
        The same names, in the same order.

    Raises
    ------
    ValueError
        If a name is ``P`` (two readings), is not a driver of the vocabulary, comes twice, or if there is none.

    Examples
    --------
    >>> check_names(["TEMP", "PRE"])
    ('TEMP', 'PRE')
    """
    chosen = (names,) if isinstance(names, str) else tuple(names)
    if "P" in chosen:
        msg = (
            "'P' is refused: it means atmospheric pressure in the reference study and precipitation in FLUXNET. "
            "Write 'PA' for pressure (hPa) or 'PRE' for precipitation (mm month-1)."
        )
        raise ValueError(msg)
    unknown = [name for name in chosen if name not in DRIVERS]
    if unknown:
        near = get_close_matches(unknown[0].upper(), DRIVERS, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        msg = f"drivers must be names of the vocabulary, {', '.join(DRIVERS)}; got {unknown}.{hint}"
        raise ValueError(msg)
    if not chosen or len(set(chosen)) != len(chosen):
        msg = f"drivers must name at least one variable, each once; got {list(chosen)}."
        raise ValueError(msg)
    return chosen


def same_unit(name: str, units: str) -> bool:
    """Tell whether a unit, as spelled in a file, is the canonical unit of a variable.

    Parameters
    ----------
    name
        A name of the vocabulary.
    units
        Text of a ``units`` attribute.

    Returns
    -------
    bool
        True for the canonical unit in any accepted spelling.

    Examples
    --------
    >>> same_unit("TEMP", "celsius"), same_unit("TEMP", "K")
    (True, False)
    """
    row = VARIABLES[name]
    return units.strip() == row.units or units.strip() in row.spellings


def check_units(name: str, units: object) -> None:
    """Refuse a variable whose ``units`` attribute is not canonical.

    Parameters
    ----------
    name
        A name of the vocabulary.
    units
        Its ``units`` attribute, ``None`` where the file has none.

    Raises
    ------
    ValueError
        If the unit is missing or is another one.

    Examples
    --------
    >>> check_units("PRE", "mm month-1")
    """
    if isinstance(units, str) and same_unit(name, units):
        return
    canonical = VARIABLES[name].units
    if units is None:
        way_out = f'If its values are in that unit, say so: ds["{name}"].attrs["units"] = "{canonical}".'
    elif (change := _CONVERSIONS.get((canonical, str(units).strip()))) is not None:
        way_out = f'Convert it: ds["{name}"] = (ds["{name}"] {change}).assign_attrs(units="{canonical}").'
    else:
        way_out = "Convert its values where they are read, and only then change the attribute."
    came = "no units attribute" if units is None else f"units {units!r}"
    msg = f"{name} must be in {canonical!r}, but it came with {came}. {way_out}"
    raise ValueError(msg)


def labels(coordinate: xr.DataArray) -> NDArray[np.str_]:
    """Read the text labels of a coordinate, in whatever way its file stored text.

    Parameters
    ----------
    coordinate
        Labels as numpy text of fixed or free length, or as Python str.

    Returns
    -------
    numpy.ndarray
        The same shape, numpy text of fixed length.

    Examples
    --------
    >>> labels(xr.DataArray(np.array(["ENF", "MF"], dtype=object))).tolist()
    ['ENF', 'MF']
    """
    # by way of str objects: numpy does not cast its text of free length (what zarr 3 gives) to fixed length
    return np.asarray(coordinate.to_numpy().astype(object), dtype=str)
