"""Carbon fluxes of other products, to compare with: the sign is that of NEE whatever the product's is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import xarray as xr

from xnee.sources.gridded.choosing import Chosen, choose, held_by, names_held
from xnee.sources.gridded.files import Paths, find_files
from xnee.sources.gridded.raster import simple
from xnee.sources.gridded.reading import Reading
from xnee.sources.gridded.series import make_field
from xnee.sources.gridded.units import QUANTITIES, spell

__all__ = ["FLUXES", "open_flux"]

FLUXES: Mapping[str, tuple[int, str]] = MappingProxyType(
    {
        "nee": (1, "net ecosystem exchange, positive into the atmosphere"),
        "nbe": (1, "net biosphere exchange, positive into the atmosphere"),
        "nbp": (-1, "net biome production, positive into land"),
        "nep": (-1, "net ecosystem production, positive into land"),
        "netatmoslandco2flux": (-1, "net carbon flux between atmosphere and land, positive into land"),
        "biofluxopt": (1, "optimised flux of the land biosphere without fires, positive into the atmosphere"),
        "fluxaposbio": (1, "posterior flux of the land, positive into the atmosphere"),
        "fco2nat": (1, "surface carbon flux due to natural sources, positive into the atmosphere"),
    }
)
"""Net fluxes by their names in files, without underscores: the sign by which they become NEE, and what they are."""

# What files say of the direction of a flux, beside its name.
_INTO_LAND = re.compile(
    r"downward|positive:? (values )?(is |are |= ?|means )?(down|(in)?to(ward)?s? (the )?(land|surface))|"
    r"positive (for|=|is|means) (a )?(sink|uptake)"
)
_INTO_AIR = re.compile(
    r"upward|into (the )?atmosphere|positive:? (values )?(is |are |= ?|means )?(up\b|to(ward)?s? (the )?atm)|"
    r"positive (for|=|is|means) (a )?(source|release)"
)

_GROSS = ("gpp", "npp", "ra", "rh", "reco", "ter", "ffire")


def open_flux(path: Paths, *, variable: str | None = None, **options: Any) -> xr.DataArray:
    """Open a net carbon flux of another product as NEE, positive into the atmosphere, to compare with.

    Parameters
    ----------
    path
        As for `open_driver`.
    variable
        Name of the net flux in the files, one of `FLUXES`; found out where they hold one of these only.
    **options
        As for `open_driver`.

    Returns
    -------
    xarray.DataArray
        ``NEE (time, lat, lon)``, g C m-2 month-1 of the whole cell, lazy. Net biome production and the flux of
        inversions hold fire and land-use change too, which towers do not see: ``attrs["long_name"]`` says what it was.

    Raises
    ------
    FileNotFoundError, TypeError, ValueError
        As for `open_driver`; and if the variable is a gross flux, or its sign is not known.

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> axes = {"time": [0, 1], "lat": [41, 40], "lon": [127, 128]}
    >>> uptake = np.full((2, 2, 2), 1e-8)
    >>> file = xr.Dataset({"nbp": (tuple(axes), uptake, {"units": "kg m-2 s-1"})}, axes)
    >>> file["time"].attrs["units"] = "months since 2001-01-01"
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file.to_netcdf(f"{folder}/nbp.nc")
    ...     nee = open_flux(f"{folder}/nbp.nc").compute()
    >>> nee[:, 0, 0].astype("f8").round(2).values.tolist()  # January and February
    [-26.78, -24.19]
    """
    sources = find_files(path)
    there = names_held(sources)
    asked = [variable] if variable is not None else [name for name in there if _key(name) in FLUXES]
    if len(asked) != 1 or _key(asked[0]) not in FLUXES:
        gross = any(_key(name) in _GROSS for name in (asked or there))
        raise _no_net_flux(f"{variable!r} of {held_by(sources)}" if variable else held_by(sources), gross=gross)
    sign, words = FLUXES[_key(asked[0])]
    reading = Reading(variable=asked[0], **options)
    row = QUANTITIES["NEE"]
    span = (row.low, row.high) if sign > 0 else (-row.high, -row.low)
    row = replace(row, low=span[0], high=span[1])
    chosen = choose(sources, row, reading)
    for one in chosen:
        _check_words(one, sign, reading)
    flux = make_field(chosen, row, reading)
    attrs = flux.attrs | {"long_name": f"NEE from {words}", "conversion": f"{flux.attrs['conversion']}; times {sign}"}
    return (flux * sign).assign_attrs(attrs)


def _check_words(one: Chosen, sign: int, reading: Reading) -> None:
    """Refuse a flux whose attributes say another direction than its name, or mass of carbon dioxide for carbon."""
    attrs = one.layer.attrs
    keys = ("long_name", "standard_name")  # comments tell of much else: fires, the sign of the other direction
    said = " ".join(str(attrs[key]) for key in keys if key in attrs).replace("_", " ").lower()
    way = str(attrs.get("positive", "")).lower()
    said = re.sub(r"negative[^,;.)]*", "", said)  # says the same from the other side
    down, up = way == "down" or bool(_INTO_LAND.search(said)), way == "up" or bool(_INTO_AIR.search(said))
    if down != up and down == (sign > 0):
        msg = (
            f"{one.layer.label} is positive into {'land' if down else 'the atmosphere'} by its attributes, but a flux "
            f"of that name is not. Rename it to what it is: {'nep' if down else 'nee'}."
        )
        raise ValueError(msg)
    units = spell(str(attrs.get("units", "")))
    dioxide = re.search(r"carbon dioxide|\bco2\b", said) and not re.search(
        r"as carbon|carbon mass|of carbon\b(?! diox)", said
    )
    if sign > 0 and reading.units is None and units.split()[0] in ("g", "kg") and dioxide:
        msg = (
            f"{one.layer.label} is in {attrs['units']!r} and calls itself a flux of carbon dioxide: is it mass of "
            f"carbon or of CO2, which is 3.66 times as much? Say units='{units.replace('g', 'gC', 1)}' or "
            f"'{units.replace('g', 'gCO2', 1)}'."
        )
        raise ValueError(msg)


def _key(name: str) -> str:
    """Bring the name of a variable to the one in the table."""
    return simple(name).replace("_", "")


def _no_net_flux(what: str, *, gross: bool) -> ValueError:
    """Say that there is no net flux, or more than one."""
    why = "A gross flux is no NEE. " if gross else ""
    known = ", ".join(f"{name} ({words})" for name, (_, words) in FLUXES.items())
    msg = f"one net carbon flux was expected in {what}. {why}Known are {known}. Say which one with variable=."
    return ValueError(msg)
