"""Units as files spell them: brought to one spelling, then looked up in a table for each quantity."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, TypeAlias

from xnee.variables import MOLAR_MASS_CARBON, VARIABLES

__all__ = ["QUANTITIES", "Conversion", "Quantity", "conversion", "spell"]

Per: TypeAlias = Literal["", "day", "month", "period"]
"""What an amount is per: nothing (a mean), a day, a calendar month, or the period that each step stands for."""


@dataclass(frozen=True, kw_only=True)
class Conversion:
    """How the numbers of a file become the canonical unit: times `factor`, plus `offset`.

    Parameters
    ----------
    factor, offset
        To the canonical unit, or to the canonical amount per day, month or period.
    per
        What an amount is per; months and periods have different lengths and are put right where those are known.
    """

    factor: float = 1.0
    offset: float = 0.0
    per: Per = ""


@dataclass(frozen=True, kw_only=True)
class Quantity:
    """What can be read from a grid: a driver of the vocabulary, or what a driver is made of.

    Parameters
    ----------
    name, long_name, units
        As in the vocabulary.
    low, high
        Plausible range of a month, canonical unit.
    least
        The largest value of any field is at least this. A field that stays below was scaled twice.
    amount
        Whether a month is the sum of its days.
    spellings
        Accepted units, in the spelling of `spell`.
    unsaid
        Whether a file may leave its unit out, as there is only one.
    """

    name: str
    long_name: str
    units: str
    low: float
    high: float
    least: float
    amount: bool
    spellings: Mapping[str, Conversion]
    unsaid: bool = False


_CELSIUS = {
    "degC": Conversion(),
    "0.1 degC": Conversion(factor=0.1),
    "0.01 degC": Conversion(factor=0.01),
    "K": Conversion(offset=-273.15),
    "degF": Conversion(factor=5 / 9, offset=-160 / 9),
}
_PRESSURE = {"hPa": Conversion(), "Pa": Conversion(factor=0.01), "kPa": Conversion(factor=10.0)}
_SHARE = {"1": Conversion(), "%": Conversion(factor=0.01)}
_SPEED = {"m s-1": Conversion(), "km h-1": Conversion(factor=1 / 3.6), "0.1 m s-1": Conversion(factor=0.1)}
# Millimetres of water are kilograms per square metre. Plain m and J m-2 are not here: they are what ECMWF writes, be
# it per hour, per day or per month. See the rows of ERA5-Land in `products`.
_WATER = {
    "mm month-1": Conversion(per="month"),
    "kg m-2 month-1": Conversion(per="month"),
    "0.1 mm month-1": Conversion(factor=0.1, per="month"),
    "m month-1": Conversion(factor=1e3, per="month"),
    "mm": Conversion(per="period"),
    "kg m-2": Conversion(per="period"),
    "0.1 mm": Conversion(factor=0.1, per="period"),
    "cm": Conversion(factor=10.0, per="period"),
    "mm d-1": Conversion(per="day"),
    "kg m-2 d-1": Conversion(per="day"),
    "m d-1": Conversion(factor=1e3, per="day"),
    "mm h-1": Conversion(factor=24.0, per="day"),
    "kg m-2 h-1": Conversion(factor=24.0, per="day"),
    "m s-1": Conversion(factor=86_400e3, per="day"),
    "mm s-1": Conversion(factor=86_400.0, per="day"),
    "kg m-2 s-1": Conversion(factor=86_400.0, per="day"),
}
# Energy per square metre is an amount, but the month of a flux is a mean: an amount per day becomes one at once.
_ENERGY = {
    "W m-2": Conversion(),
    "J m-2 s-1": Conversion(),
    "J m-2 d-1": Conversion(factor=1 / 86_400),
    "kJ m-2 d-1": Conversion(factor=1e3 / 86_400),
    "MJ m-2 d-1": Conversion(factor=1e6 / 86_400),
    "MJ m-2": Conversion(factor=1e6 / 86_400, per="period"),
}
_SIF = {"W m-2 um-1 sr-1": Conversion(), "mW m-2 nm-1 sr-1": Conversion()}
_CARBON_OF_CO2 = MOLAR_MASS_CARBON / (MOLAR_MASS_CARBON + 2 * 15.999)
_CARBON = {
    "gC m-2 month-1": Conversion(per="month"),
    "g m-2 month-1": Conversion(per="month"),
    "gC m-2 d-1": Conversion(per="day"),
    "g m-2 d-1": Conversion(per="day"),
    "kgC m-2 s-1": Conversion(factor=86_400e3, per="day"),
    "kg m-2 s-1": Conversion(factor=86_400e3, per="day"),
    "kgC m-2 month-1": Conversion(factor=1e3, per="month"),
    "gC m-2 s-1": Conversion(factor=86_400.0, per="day"),
    "kgC m-2 d-1": Conversion(factor=1e3, per="day"),
    "kgC m-2 h-1": Conversion(factor=24e3, per="day"),
    "umol m-2 s-1": Conversion(factor=MOLAR_MASS_CARBON * 86_400e-6, per="day"),
    "mol m-2 s-1": Conversion(factor=MOLAR_MASS_CARBON * 86_400, per="day"),
    "gCO2 m-2 d-1": Conversion(factor=_CARBON_OF_CO2, per="day"),
    "gCO2 m-2 s-1": Conversion(factor=86_400.0 * _CARBON_OF_CO2, per="day"),
    "kgCO2 m-2 s-1": Conversion(factor=86_400e3 * _CARBON_OF_CO2, per="day"),
}


def _driver(
    name: str, least: float, spellings: Mapping[str, Conversion], *, amount: bool = False, unsaid: bool = False
) -> Quantity:
    """Take a row of the vocabulary."""
    row = VARIABLES[name]
    return Quantity(
        name=name,
        long_name=row.long_name,
        units=row.units,
        low=row.low,
        high=row.high,
        least=least,
        amount=amount,
        spellings=spellings,
        unsaid=unsaid,
    )


def _part(name: str, units: str, span: tuple[float, float], spellings: Mapping[str, Conversion]) -> Quantity:
    """Describe what a driver is made of; without `least`, as none of them comes as scaled integers of 0..1."""
    long_name = name.replace("_", " ")
    low, high = span
    return Quantity(
        name=name, long_name=long_name, units=units, low=low, high=high, least=low, amount=False, spellings=spellings
    )


_ROWS = (
    _driver("NEE", -700, _CARBON, amount=True),
    _driver("TEMP", -60, _CELSIUS),
    _driver("PRE", 0.5, _WATER, amount=True),
    _driver("VPD", 0.05, _PRESSURE),
    _driver("WD", 0, {"degree": Conversion(), "rad": Conversion(factor=57.295_779_513_082_32)}),
    _driver("WS", 0.1, _SPEED),
    _driver("PA", 450, _PRESSURE),
    _driver("PAR", 0, {"umol m-2 s-1": Conversion(), "mol m-2 d-1": Conversion(factor=1e6 / 86_400)}),
    _driver("FAPAR", 0.01, _SHARE, unsaid=True),
    _driver(
        "VWC", 0.01, {"m3 m-3": Conversion(), "cm3 cm-3": Conversion(), "1": Conversion(), "%": Conversion(factor=0.01)}
    ),
    _driver("TS", -50, _CELSIUS),
    _driver("AGE", 1, {"a": Conversion()}),
    _driver("SIF", 0.002, _SIF),
    _driver(
        "LAI", 0.02, {"m2 m-2": Conversion(), "1": Conversion(), "0.1 m2 m-2": Conversion(factor=0.1)}, unsaid=True
    ),
    _driver("NDVI", 0.02, _SHARE, unsaid=True),
    _part("dew_point", "degC", (-90, 40), _CELSIUS),
    _part("highest_temperature", "degC", (-60, 60), _CELSIUS),
    _part("lowest_temperature", "degC", (-70, 50), _CELSIUS),
    _part("specific_humidity", "kg kg-1", (0, 0.05), {"kg kg-1": Conversion(), "g kg-1": Conversion(factor=1e-3)}),
    _part("relative_humidity", "%", (0, 110), {"%": Conversion(), "1": Conversion(factor=100.0)}),
    _part("eastward_wind", "m s-1", (-100, 100), _SPEED),
    _part("northward_wind", "m s-1", (-100, 100), _SPEED),
    _part("shortwave", "W m-2", (0, 600), _ENERGY),
    _part("land_fraction", "1", (0, 1), _SHARE),
)

QUANTITIES: Mapping[str, Quantity] = MappingProxyType({row.name: row for row in _ROWS})
"""All that can be read from a grid, by name; capitals are the vocabulary, the others are what drivers are made of."""

# One spelling for each unit symbol. What is not here stands for itself.
_SYMBOLS = {
    "kelvin": "K",
    "Kelvin": "K",
    "degK": "K",
    "deg_K": "K",
    "degree_kelvin": "K",
    "degree_Kelvin": "K",
    "celsius": "degC",
    "Celsius": "degC",
    "degree_Celsius": "degC",
    "degrees_Celsius": "degC",
    "degree_C": "degC",
    "degrees_C": "degC",
    "deg_C": "degC",
    "C": "degC",
    "°C": "degC",
    "℃": "degC",
    "meter": "m",
    "meters": "m",
    "metre": "m",
    "metres": "m",
    "millimeters": "mm",
    "millimetres": "mm",
    "sec": "s",
    "second": "s",
    "seconds": "s",
    "hr": "h",
    "hour": "h",
    "hours": "h",
    "day": "d",
    "days": "d",
    "mon": "month",
    "mo": "month",
    "months": "month",
    "year": "a",
    "years": "a",
    "yr": "a",
    "yrs": "a",
    "gram": "g",
    "grams": "g",
    "Kg": "kg",
    "mbar": "hPa",
    "mb": "hPa",
    "millibar": "hPa",
    "millibars": "hPa",
    "pascal": "Pa",
    "Pascal": "Pa",
    "percent": "%",
    "Percent": "%",
    "degrees": "degree",
    "deg": "degree",
    "°": "degree",
    "radian": "rad",
    "radians": "rad",
    "watt": "W",
    "Watt": "W",
}
_NO_UNIT = (
    "",
    "1",
    "1.0",
    "-",
    "--",
    "none",
    "None",
    "unitless",
    "dimensionless",
    "fraction",
    "ratio",
    "index",
    "(0,1)",
)
_SIGNS = {
    "**": "",
    "^": "",
    "µ": "u",  # the micro sign and the Greek letter
    "μ": "u",
    "·": " ",
    "*": " ",
    "²": "2",
    " per ": "/",
    "egrees": "egree",  # of any initial
    "Degree": "degree",
    "degree Celsius": "degC",
    "degree C": "degC",
    "degCelsius": "degC",
    "deg C": "degC",
    "micromol": "umol",
    "mumol": "umol",
    "molCO2": "mol",
    "mol CO2": "mol",
    "molC ": "mol ",
    "mol C ": "mol ",
    "g CO2 ": "gCO2 ",
    "g C ": "gC ",
    "g C/": "gC/",
}
_FACTOR = re.compile(r"(?P<number>\d+(\.\d+)?(?:[eE][-+]?\d+)?)\s*[*x]?\s*(?=[^\d\s.*-])")
_TERM = re.compile(r"\s*(?P<symbol>[^\d\s/+-]+)(?P<power>[-+]?\d+)?\s*")


def spell(text: str) -> str:
    """Bring a unit to the one spelling of the tables.

    Parameters
    ----------
    text
        A ``units`` attribute.

    Returns
    -------
    str
        Symbols with their powers, e.g. ``"kg m-2 s-1"``; ``"1"`` for all ways of saying that there is no unit.

    Examples
    --------
    >>> [spell(units) for units in ("kg/m^2/s", "mm per day", "m**3 m**-3", "degrees_Celsius", "unitless")]
    ['kg m-2 s-1', 'mm d-1', 'm3 m-3', 'degC', '1']
    """
    plain = text.strip()
    if plain in _NO_UNIT:
        return "1"
    for old, new in _SIGNS.items():
        plain = plain.replace(old, new)
    scaled = _FACTOR.match(plain)
    terms = [scaled["number"]] if scaled else []
    for i, part in enumerate(plain[scaled.end() if scaled else 0 :].split("/")):
        rest = part.strip()
        while rest:
            found = _TERM.match(rest)
            if found is None:
                return text.strip()  # no unit: it is shown as it came
            power = int(found["power"] or 1) * (-1 if i else 1)
            symbol = _SYMBOLS.get(found["symbol"], found["symbol"])
            terms.append(symbol if power == 1 else f"{symbol}{power}")
            rest = rest[found.end() :]
    return " ".join(terms)


def conversion(quantity: Quantity, units: str | None, *, source: str) -> Conversion:
    """Find how the numbers of a file become the canonical unit.

    Parameters
    ----------
    quantity
        What is read.
    units
        What the file, its product or the user says; ``None`` if nobody does.
    source
        What to call the file in messages.

    Returns
    -------
    Conversion
        To the canonical unit.

    Raises
    ------
    ValueError
        If nobody says the unit although there are several, or it is not a unit of this quantity.

    Examples
    --------
    >>> conversion(QUANTITIES["TEMP"], "kelvin", source="t2m.nc").offset
    -273.15
    """
    known = ", ".join(repr(key) for key in quantity.spellings)
    if units is None and quantity.unsaid:
        units = "1"
    key = None if units is None else spell(units)
    for spelling, row in quantity.spellings.items():
        if key is not None and sorted(spelling.split()) == sorted(key.split()):  # files order the terms as they like
            return row
    if key is None or key == "1":
        came = "does not say its unit" if units is None else f"says the unit {units!r}, which is none"
        msg = f"{source} {came}, so {quantity.name} cannot be known from it. Say it with units=, one of {known}."
    else:
        msg = (
            f"{source} has the unit {units!r}, which is not one of {quantity.name}: those are {known}. Is it the right "
            "variable (variable=)? If its label is wrong, say what the numbers are with units=."
        )
    raise ValueError(msg)
