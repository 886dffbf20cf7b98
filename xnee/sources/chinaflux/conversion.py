"""The columns of one sheet become variables of the vocabulary, row by row, and what is odd is said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from types import MappingProxyType

import numpy as np
import pandas as pd
import xarray as xr

from xnee.features import vpd_from_humidity, vpd_from_vapour_pressure
from xnee.sources.chinaflux import detection
from xnee.sources.chinaflux.headings import FLUXES, NEAR_GROUND, Heading
from xnee.sources.chinaflux.stamps import Floats, Stamps
from xnee.sources.chinaflux.tables import Column, Table, column_numbers
from xnee.sources.chinaflux.units import SCALINGS, Scaling, parse_unit, scaling

__all__ = ["Conversion", "convert"]

_DEFAULT_UNITS: Mapping[str, str] = MappingProxyType(
    {
        "TEMP": "degC",
        "TS": "degC",
        "RH": "%",
        "WS": "m s-1",
        "WD": "deg",
        "PAR": "umol m-2 s-1",
        "SW": "W m-2",
        "PRE": "mm",
    }
)
# What a row may hold, in our units (fluxes in g C m-2 d-1, PRE in mm d-1); wider than the range of a month, which is
# looked at in the end. By night a radiometer may read a little less than nothing.
_LIMITS: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "NEE": (-110, 110),
        "TEMP": (-60, 60),
        "TS": (-50, 70),
        "RH": (0, 110),
        "E": (0, 80),
        "VPD": (-1, 120),
        "WS": (0, 60),
        "WD": (0, 360),
        "PA": (450, 1080),
        "PAR": (-50, 3500),
        "SW": (-50, 1600),
        "VWC": (0, 1),
        "PRE": (0, 4800),
    }
)
_SOIL = ("TS", "VWC")
_MAKES = {"RH": "VPD", "E": "VPD", "SW": "PAR"}  # what is only read to make a driver of it
_STATES = ("filled", "plain", "screened")


@dataclass(kw_only=True)
class Conversion:
    """One sheet on its way into the vocabulary.

    Parameters
    ----------
    table
        Its columns.
    stamps
        When its rows begin.
    units
        Units that the user states, by quantity: they go before headings and ranges.
    rows
        ``(row,)`` by name: ``NEE`` (g C m-2 d-1), ``measured`` (1 where NEE is no filling), ``PRE`` (mm d-1), ``VPD``,
        ``VPD_RH`` and ``VPD_E`` (given, and made in two ways), ``SW``, and the other drivers.
    sources
        Heading that each of them comes from.
    notes
        Variable, or empty text, and what is odd about it.
    counts
        Rows by variable and by what happened to them.
    read
        Columns that are read already, in our units, by their place.
    """

    table: Table
    stamps: Stamps
    units: Mapping[str, str]
    rows: dict[str, Floats] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    notes: list[tuple[str, str]] = field(default_factory=list)
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    read: dict[int, Floats] = field(default_factory=dict, repr=False)

    def say(self, name: str, text: str) -> None:
        """Note what is odd; empty text is nothing."""
        if text:
            self.notes.append((name, text))

    def columns(self, quantity: str) -> list[Column]:
        """List the columns of a quantity, the best first, refusing two that cannot be told apart."""
        found = [column for column in self.table.columns if column.heading.quantity == quantity]
        found.sort(key=lambda column: _rank(column.heading))
        for one, two in pairwise(found):
            if _rank(one.heading) == _rank(two.heading):
                msg = (
                    f"{self.table.label}: {one.heading.text!r} and {two.heading.text!r} both hold {quantity}, and "
                    "nothing tells which is meant (a sum and a mean, two units, a copy). Leave one out."
                )
                raise ValueError(msg)
        return found

    def numbers(self, column: Column) -> Floats:
        """Read the cells of a column as they stand."""
        return column_numbers(self.table.cells(column.place), label=f"{column.heading.text} of {self.table.label}")

    def written(self, column: Column) -> str | None:
        """Give the unit that is written, or None."""
        return None if column.unit is None or parse_unit(column.unit) == () else column.unit

    def scale(self, column: Column, values: Floats, how: Scaling) -> Floats:
        """Bring numbers to our unit, amounts to those of a day."""
        label = f"{column.heading.text} of {self.table.label}"
        if how.per == "year" or (how.per == "month" and self.stamps.scale != "month"):
            msg = (
                f"{label} is an amount of a {how.per} in rows of a {self.stamps.scale}. Correct the unit, or say it: "
                f"units={{{column.heading.quantity!r}: ...}}."
            )
            raise ValueError(msg)
        scaled: Floats = values * how.factor + how.offset
        if how.per == "rate":
            return scaled
        if self.stamps.scale == "month":
            scaled = scaled / pd.DatetimeIndex(self.stamps.times).days_in_month.to_numpy()
            return scaled
        return scaled * (86_400 / self.stamps.seconds)

    def keep_possible(self, name: str, values: Floats, label: str) -> Floats:
        """Make impossible rows NaN and count them; refuse a column that is mostly so."""
        low, high = _LIMITS[name]
        outside = ~np.isnan(values) & ~((values >= low) & (values <= high))
        if name == "PRE":
            negative = values < 0
            self.counts[name, "values_negative"] += int(negative.sum())
            values, outside = np.where(negative, np.nan, values), outside & ~negative
        if 2 * outside.sum() > np.isfinite(values).sum():
            msg = (
                f"{label} of {self.table.label}: {outside.sum()} of {np.isfinite(values).sum()} values, made {name}, "
                f"lie outside {low:g}..{high:g} (the first is {values[outside][0]:g}): the column is in another unit "
                f"or under another heading. Correct it, or say its unit: units={{{name!r}: ...}}."
            )
            raise ValueError(msg)
        self.counts[name, "values_out_of_range"] += int(outside.sum())
        return np.where(outside, np.nan, values)


def _rank(heading: Heading) -> tuple[float, int]:
    """Order the columns of a quantity: filled NEE first, the top of the tower first, the top of the soil first."""
    level = heading.level if heading.quantity in _SOIL else -heading.level
    return level, _STATES.index(heading.state)


def convert(table: Table, stamps: Stamps, units: Mapping[str, str]) -> Conversion:
    """Convert the columns of a sheet.

    Parameters
    ----------
    table
        The sheet.
    stamps
        Its stamps.
    units
        Units that the user states, by quantity.

    Returns
    -------
    Conversion
        With its rows, their sources, notes and counts.

    Raises
    ------
    ValueError
        If a unit is unknown or contradicts the values, a cell is no number, or two columns cannot be told apart.
    """
    sheet = Conversion(table=table, stamps=stamps, units=units)
    for text in (*table.notes, *stamps.notes):
        sheet.say("", text)
    _convert_fluxes(sheet)
    _take(sheet, "TEMP")
    _convert_humidity(sheet)
    _convert_wind(sheet)
    for name in ("PA", "PAR", "SW", "VWC", "TS", "PRE"):
        _take(sheet, name)
    return sheet


def _read(sheet: Conversion, column: Column) -> Floats:
    """Read one column of meteorology in our unit, once; one without any value stays so."""
    if column.place not in sheet.read:
        values = sheet.numbers(column)
        sheet.read[column.place] = _in_our_unit(sheet, column, values) if np.isfinite(values).any() else values
    return sheet.read[column.place]


def _in_our_unit(sheet: Conversion, column: Column, values: Floats) -> Floats:
    """Bring a column to our unit: the one that the user states, or that of the range, or the written, or the usual."""
    name = column.heading.quantity
    said, written = "", sheet.units.get(name) or sheet.written(column)
    if name not in sheet.units:
        if name == "PA":
            written, said = detection.pressure_unit(values, written)
        elif name == "VWC":
            written, said = detection.soil_water_unit(values, written)
        elif name in {"VPD", "E"}:
            written, said = detection.humid_air_unit(name, values, sheet.rows.get("TEMP"), written)
        elif name == "RH":
            factor, said = detection.humidity_unit(values)
            values, written = values * factor, None if said else written
        if written is None:
            written = _DEFAULT_UNITS[name]
            said = said or f"no unit is written: taken as {written}"
    of_another = f"{column.heading.text}: " if name in _MAKES else ""
    sheet.say(_MAKES.get(name, name), f"{of_another}{said}" if said else "")
    how = scaling(name, written or "", label=f"{column.heading.text} of {sheet.table.label}")
    return sheet.keep_possible(name, sheet.scale(column, values, how), column.heading.text)


def _take(sheet: Conversion, name: str) -> None:
    """Take the best column of a quantity that has values, and say which others there are."""
    columns = sheet.columns(name)
    chosen = next((column for column in columns if np.isfinite(_read(sheet, column)).any()), None)
    if chosen is None:
        sheet.say(_MAKES.get(name, name), f"{columns[0].heading.text} has no value" if columns else "")
        return
    sheet.rows[name], sheet.sources[name] = _read(sheet, chosen), chosen.heading.text
    others = [column.heading.text for column in columns if column is not chosen]
    where = "uppermost" if name in _SOIL else "highest"
    if others:
        sheet.say(name, f"{chosen.heading.text} is taken, the {where} with values; not {', '.join(others)}")
    elif chosen.heading.level == NEAR_GROUND:
        sheet.say(name, f"{chosen.heading.text} is near the ground: the sheet has none of the tower top")


def _convert_humidity(sheet: Conversion) -> None:
    """Take vapour pressure deficit as given, and make it from humidity and from vapour pressure."""
    _take(sheet, "VPD")
    if "VPD" in sheet.rows:
        wet = sheet.rows["VPD"] < 0
        sheet.rows["VPD"] = np.where(wet, 0.0, sheet.rows["VPD"])
        sheet.say("VPD", f"{int(wet.sum())} values a little below 0 count as 0" if wet.any() else "")
    for quantity, name, make in (("RH", "VPD_RH", vpd_from_humidity), ("E", "VPD_E", vpd_from_vapour_pressure)):
        pair = _same_height(sheet, quantity)
        if pair:
            warm, humid = pair
            made = make(xr.DataArray(_read(sheet, warm), dims="row"), xr.DataArray(_read(sheet, humid), dims="row"))
            sheet.rows[name], sheet.sources[name] = made.to_numpy(), f"{warm.heading.text} and {humid.heading.text}"


def _same_height(sheet: Conversion, quantity: str) -> tuple[Column, Column] | None:
    """Find temperature and humidity of one height, the highest; else the highest of each."""
    pairs = [(warm, humid) for warm in sheet.columns("TEMP") for humid in sheet.columns(quantity)]
    pairs.sort(key=lambda pair: pair[0].heading.level != pair[1].heading.level)
    for warm, humid in pairs:
        if np.isfinite(_read(sheet, warm) + _read(sheet, humid)).any():
            if warm.heading.level != humid.heading.level:
                sheet.say("VPD", f"{warm.heading.text} and {humid.heading.text} may be of different heights")
            return warm, humid
    return None


def _convert_wind(sheet: Conversion) -> None:
    """Take wind speed and direction, the other way round where their headings are."""
    speeds, directions = sheet.columns("WS")[:1], sheet.columns("WD")[:1]
    if not (speeds and directions and _swapped(sheet, speeds[0], directions[0])):
        _take(sheet, "WS")
        _take(sheet, "WD")
        return
    for name, column in (("WS", directions[0]), ("WD", speeds[0])):
        sheet.rows[name] = sheet.keep_possible(name, sheet.numbers(column), column.heading.text)
        sheet.sources[name] = column.heading.text
        sheet.say(name, "headings of wind speed and direction stand the wrong way round by their ranges: swapped")


def _swapped(sheet: Conversion, speed: Column, direction: Column) -> bool:
    """Tell whether speed and direction are swapped, by their ranges or by their units."""
    units = [parse_unit(sheet.written(column) or "") for column in (speed, direction)]
    if units == [parse_unit("deg"), parse_unit("m s-1")]:
        return True
    return detection.swapped_wind(sheet.numbers(speed), sheet.numbers(direction))


def _convert_fluxes(sheet: Conversion) -> None:
    """Take NEE, say which of its columns, and check it against respiration and gross uptake."""
    fluxes = {name: sheet.columns(name) for name in FLUXES}
    if not fluxes["NEE"]:
        return
    values = {column.place: sheet.numbers(column) for columns in fluxes.values() for column in columns}
    finite = [np.abs(numbers[np.isfinite(numbers)]) for numbers in values.values()]
    sizes = [float(np.quantile(numbers, 0.98)) for numbers in finite if numbers.size]
    if not sizes:
        sheet.say("NEE", "the columns of fluxes have no value")
        sizes = [np.inf]
    found = [column for column in fluxes["NEE"] if np.isfinite(values[column.place]).any()]
    chosen, *others = found or fluxes["NEE"]
    how = _flux_scaling(sheet, chosen, max(sizes))
    nee = sheet.scale(chosen, values[chosen.place], how)
    sheet.rows["NEE"] = sheet.keep_possible("NEE", nee, chosen.heading.text)
    sheet.sources["NEE"] = chosen.heading.text
    measured = next((other for other in others if chosen.heading.state == "filled"), chosen)
    sheet.rows["measured"] = np.where(np.isfinite(values[measured.place]), 1.0, 0.0)
    if measured is not chosen:
        sheet.say("NEE", f"{chosen.heading.text} is taken, gap-filled; {measured.heading.text} tells what is measured")
    elif chosen.heading.state == "screened":
        sheet.say("NEE", f"{chosen.heading.text} has gaps, which are not filled: the sheet has no filled column")
    _check_balance(sheet, fluxes, values, values[chosen.place] * how.factor, how)


def _flux_scaling(sheet: Conversion, column: Column, largest: float) -> Scaling:
    """Find the unit of a flux: stated by the user, written, or clear by its size."""
    label = f"{column.heading.text} of {sheet.table.label}"
    written = sheet.units.get("NEE") or sheet.written(column)
    if written is None:
        written, said = detection.flux_unit(largest, sheet.stamps.scale, label=label)
        sheet.say("NEE", said)
    how = scaling("NEE", written, label=label)
    if how.per == "rate" and sheet.stamps.scale == "month" and np.isfinite(largest):
        detection.check_day_mean(largest * how.factor, label=label, unit=written)
    return how


def _check_balance(
    sheet: Conversion, fluxes: Mapping[str, list[Column]], values: Mapping[int, Floats], nee: Floats, how: Scaling
) -> None:
    """Compare NEE with RE + GEE or RE - GPP, refuse one that has the sign of uptake, and report the rest."""
    if not fluxes["RE"]:
        return
    respiration = _as_nee(sheet, fluxes["RE"][0], values, how)
    for name in ("GEE", "GPP"):
        for column in fluxes[name][:1]:
            reversed_sign, said = detection.balance(nee, respiration, _as_nee(sheet, column, values, how), name)
            sheet.say("NEE", said)
            if reversed_sign:
                msg = (
                    f"{sheet.sources['NEE']} of {sheet.table.label} is {name} less RE: positive for uptake, the sign "
                    "of NEP. NEE is positive into the atmosphere: multiply the column by -1 in the file."
                )
                raise ValueError(msg)


def _as_nee(sheet: Conversion, column: Column, values: Mapping[int, Floats], how: Scaling) -> Floats:
    """Bring a companion of NEE to the same amount; without a unit of its own it has that of NEE."""
    written = sheet.written(column)
    unit = parse_unit(written) if written else None
    own = SCALINGS["NEE"].get(unit, how) if unit else how
    return values[column.place] * own.factor
