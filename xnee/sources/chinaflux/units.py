"""Units as the sheets spell them, and what brings a column to the unit of the vocabulary."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

from xnee.variables import GRAM_CARBON_PER_DAY, MOLAR_MASS_CARBON

__all__ = ["MILLIGRAM_CO2_PER_SECOND", "SCALINGS", "Scaling", "Unit", "fold", "parse_unit", "scaling"]

Unit: TypeAlias = tuple[tuple[str, int], ...]

MOLAR_MASS_CO2 = MOLAR_MASS_CARBON + 2 * 15.999
"""Grams of carbon dioxide in one mole, 44.009 (IUPAC standard atomic weights)."""

MILLIGRAM_CO2_PER_SECOND = 1e-3 * 86_400 * MOLAR_MASS_CARBON / MOLAR_MASS_CO2
"""g C m-2 d-1 carried by one mg CO2 m-2 s-1, 23.58."""

_SECONDS_PER_DAY = 86_400.0


@dataclass(frozen=True, kw_only=True)
class Scaling:
    """How a number in one unit becomes one in ours.

    Parameters
    ----------
    factor, offset
        ours = number * `factor` + `offset`.
    per
        What an amount is for: ``"rate"`` (a state, or an amount in a fixed time), ``"row"`` (the time that a row of
        the sheet stands for), ``"month"`` or ``"year"``.
    """

    factor: float = 1.0
    offset: float = 0.0
    per: str = "rate"


def fold(text: str) -> str:
    """Give the plain form of a text: no full-width letters, one kind of minus, one space between words.

    Parameters
    ----------
    text
        A heading, a unit, a file name.

    Returns
    -------
    str
        The text, in the case in which it came.

    Examples
    --------
    >>> fold("ＮＥＥ（ｍｇ．ＣＯ２．ｍ－２）"), fold("m⁻² s⁻¹")
    ('NEE(mg.CO2.m-2)', 'm-2 s-1')
    """
    plain = unicodedata.normalize("NFKC", text)
    return re.sub(r"\s+", " ", re.sub(r"[‐‑‒–—―−﹣]", "-", plain)).strip()


# Longest first where one begins with another; the second word is the one we use.
_BASES: Mapping[str, str] = MappingProxyType(
    {
        "co2": "co2",
        "h2o": "h2o",
        "photons": "",
        "photon": "",
        "halfhour": "halfhour",
        "μmol": "umol",
        "umol": "umol",
        "微摩尔": "umol",
        "mmol": "mmol",
        "mol": "mol",
        "month": "month",
        "mon": "month",
        "月": "month",
        "min": "min",
        "mbar": "hpa",
        "毫巴": "hpa",
        "hpa": "hpa",
        "百帕": "hpa",
        "kpa": "kpa",
        "千帕": "kpa",
        "pa": "pa",
        "celsius": "degc",
        "摄氏度": "degc",
        "°c": "degc",
        "degc": "degc",
        "degrees": "deg",
        "degree": "deg",
        "deg": "deg",
        "°": "deg",
        "度": "deg",
        "year": "year",
        "yr": "year",
        "年": "year",
        "day": "d",
        "日": "d",
        "天": "d",
        "sec": "s",
        "秒": "s",
        "hr": "h",
        "小时": "h",
        "毫米": "mm",
        "vol": "",
        "mm": "mm",
        "cm": "cm",
        "mj": "mj",
        "mg": "mg",
        "kg": "kg",
        "%": "%",
        "米": "m",
        "g": "g",
        "c": "c",
        "w": "w",
        "v": "v",
        "k": "k",
        "m": "m",
        "s": "s",
        "h": "h",
        "d": "d",
        "a": "year",
    }
)
_BASE = re.compile(rf" ?(?:(?P<slash>/)|(?P<base>{'|'.join(map(re.escape, _BASES))})(?: ?(?P<power>-?\d)(?!\d))?)")
_NO_UNIT = ("", "/", "-", "--", "1", "无", "无量纲", "none", "nan", "na", "unitless", "dimensionless", "fraction")
_HALF_HOUR = re.compile(r"30 ?min(utes?)?|30 ?分钟?|半小时|0\.5 ?hr?(?![a-z])|half-?hour", flags=re.IGNORECASE)


def parse_unit(text: str) -> Unit | None:
    """Read a unit.

    Parameters
    ----------
    text
        A unit in one of its many spellings: ``mg.CO2.m-2.s-1``, ``mgCO2/m2/s``, ``mg CO₂ m⁻² s⁻¹``.

    Returns
    -------
    tuple or None
        Bases and their powers in a fixed order, empty for "no unit" (``/``); None if the text is no unit.

    Examples
    --------
    >>> parse_unit("mgCO2/m2/s") == parse_unit("mg·CO2·m-2·s-1"), parse_unit("/"), parse_unit("furlong")
    (True, (), None)
    """
    plain = fold(text)
    if plain.lower() in _NO_UNIT:
        return ()
    plain = _HALF_HOUR.sub("halfhour", plain)
    plain = re.sub(r"(?i)co2", " co2 ", re.sub(r"(?<!de)g[ .·]?C(?![Oo])", "g c ", plain)).lower()
    plain = re.sub(r"[\s.·•⋅∙・×,_]+", " ", re.sub(r"[\^(){}\[\]*]", "", plain)).strip()
    found: list[tuple[str, int]] = []
    place, sign = 0, 1
    while place < len(plain):
        match = _BASE.match(plain, place)
        if match is None:
            return None
        place, base = match.end(), _BASES.get(match["base"] or "", "")
        if match["slash"]:
            sign = -1
        elif base in {"co2", "c", "h2o"}:
            found.append((base, 1))
        elif base:
            power = int(match["power"] or 1)
            found.append((base, sign * power if power > 0 else power))
    return tuple(sorted(found)) or None


_PRESSURE = {"hPa": Scaling(), "kPa": Scaling(factor=10.0), "Pa": Scaling(factor=0.01)}
_TEMPERATURE = {"degC": Scaling(), "C": Scaling(), "deg C": Scaling(), "K": Scaling(offset=-273.15)}
_CARBON = {
    "mg CO2 m-2 s-1": Scaling(factor=MILLIGRAM_CO2_PER_SECOND),
    "mg m-2 s-1": Scaling(factor=MILLIGRAM_CO2_PER_SECOND),  # ChinaFLUX writes mg of CO2, with or without saying so
    "mg C m-2 s-1": Scaling(factor=1e-3 * _SECONDS_PER_DAY),
    "umol CO2 m-2 s-1": Scaling(factor=GRAM_CARBON_PER_DAY),
    "umol m-2 s-1": Scaling(factor=GRAM_CARBON_PER_DAY),
    "umol C m-2 s-1": Scaling(factor=GRAM_CARBON_PER_DAY),
    "g C m-2 d-1": Scaling(),
    "g m-2 d-1": Scaling(),  # and grams of carbon
    "g CO2 m-2 d-1": Scaling(factor=MOLAR_MASS_CARBON / MOLAR_MASS_CO2),
    "g C m-2 month-1": Scaling(per="month"),
    "g m-2 month-1": Scaling(per="month"),
    "g CO2 m-2 month-1": Scaling(factor=MOLAR_MASS_CARBON / MOLAR_MASS_CO2, per="month"),
    "g C m-2 year-1": Scaling(per="year"),
    "g m-2 year-1": Scaling(per="year"),
}
_WATER = {
    "m3 m-3": Scaling(),
    "cm3 cm-3": Scaling(),
    "v/v": Scaling(),
    "m3/m3": Scaling(),
    "%": Scaling(factor=0.01),
}
_SPELLED: Mapping[str, Mapping[str, Scaling]] = {
    "NEE": _CARBON,
    "RE": _CARBON,
    "GEE": _CARBON,
    "GPP": _CARBON,
    "TEMP": _TEMPERATURE,
    "TS": _TEMPERATURE,
    "RH": {"%": Scaling()},
    "E": _PRESSURE,
    "VPD": _PRESSURE,
    "PA": _PRESSURE,
    "WS": {"m s-1": Scaling()},
    "WD": {"deg": Scaling()},
    "PAR": {
        "umol m-2 s-1": Scaling(),
        "mmol m-2 s-1": Scaling(factor=1e3),
        "mol m-2 d-1": Scaling(factor=1e6 / _SECONDS_PER_DAY),
        "mol m-2 month-1": Scaling(factor=1e6 / _SECONDS_PER_DAY, per="month"),
    },
    "SW": {
        "W m-2": Scaling(),
        "MJ m-2 d-1": Scaling(factor=1e6 / _SECONDS_PER_DAY),
        "MJ m-2 month-1": Scaling(factor=1e6 / _SECONDS_PER_DAY, per="month"),
    },
    "VWC": _WATER,
    "PRE": {
        "mm": Scaling(per="row"),
        "kg m-2": Scaling(per="row"),
        "mm halfhour-1": Scaling(factor=48.0),
        "mm h-1": Scaling(factor=24.0),
        "mm d-1": Scaling(),
        "mm month-1": Scaling(per="month"),
        "mm year-1": Scaling(per="year"),
    },
}
SCALINGS: Mapping[str, Mapping[Unit, Scaling]] = MappingProxyType(
    {
        name: MappingProxyType({unit: how for text, how in rows.items() if (unit := parse_unit(text))})
        for name, rows in _SPELLED.items()
    }
)
"""What is known of units, by quantity. Ours are those of the vocabulary, but NEE in g C m-2 d-1 and PRE in mm d-1: a
month total is made of either at the end. RE, GEE and GPP as NEE; RH in %, E (vapour pressure) in hPa, SW in W m-2."""


def scaling(quantity: str, text: str, *, label: str) -> Scaling:
    """Look up what a unit needs to become ours.

    Parameters
    ----------
    quantity
        One of `SCALINGS`.
    text
        The unit as it is spelled.
    label
        File and heading, for the message.

    Returns
    -------
    Scaling
        How to convert.

    Raises
    ------
    ValueError
        If the unit is not known for the quantity.

    Examples
    --------
    >>> round(scaling("NEE", "mg.CO2.m-2.s-1", label="NEE").factor, 2)
    23.58
    """
    unit = parse_unit(text)
    if unit is None or unit not in SCALINGS[quantity]:
        known = ", ".join(_SPELLED[quantity])
        msg = (
            f"{label}: {text!r} is no known unit of {quantity}; known are {known}. Correct the heading, or say what it "
            f"is: units={{{quantity!r}: {next(iter(_SPELLED[quantity]))!r}}}."
        )
        raise ValueError(msg)
    return SCALINGS[quantity][unit]
