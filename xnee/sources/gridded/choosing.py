"""Which variable of which files holds a quantity, and what its numbers are."""

from __future__ import annotations

import re
from dataclasses import dataclass

from xnee.sources.gridded.files import Source
from xnee.sources.gridded.layers import Layer
from xnee.sources.gridded.netcdf import fields, open_field_of_netcdf
from xnee.sources.gridded.products import NAMES, Row, rows_of
from xnee.sources.gridded.raster import open_raster, simple, sublayers
from xnee.sources.gridded.reading import Reading
from xnee.sources.gridded.units import Quantity, spell

__all__ = ["Chosen", "choose", "held_by", "names_held"]


_STATISTICS = re.compile(r"time: (maximum|minimum|standard_deviation|variance|range)\b(?! within)")


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """A layer, and what is known about its product.

    Parameters
    ----------
    layer
        What is read.
    row
        What the table of products says about it, an empty row where that is nothing.
    """

    layer: Layer
    row: Row

    def units(self, reading: Reading) -> str | None:
        """Tell what the numbers are in: what the user says goes first, then the product, then the file.

        Parameters
        ----------
        reading
            What the user says.

        Returns
        -------
        str or None
            ``None`` if nobody says.
        """
        if reading.units is not None:
            return reading.units
        if self.row.units is not None:
            return self.row.units
        said = self.layer.attrs.get("units")
        said = said if isinstance(said, str) and spell(said) != "1" else None
        if said is not None:
            return self.row.replaces.get(spell(said), said)
        own = self.layer.attrs.get("units")
        return self.row.fallback_units or (own if isinstance(own, str) else None)

    def packing(self, reading: Reading) -> tuple[float | None, float | None]:
        """Tell which packing goes before that of the file.

        Parameters
        ----------
        reading
            What the user says.

        Returns
        -------
        tuple
            Scale and offset, ``None`` where the file's own holds.
        """
        if reading.scale is not None or reading.offset is not None:
            return reading.scale or 1.0, reading.offset or 0.0
        if self.layer.dtype.kind == "f":
            return None, None
        if self.row.scale is not None:
            return self.row.scale, 0.0
        # "0.1 mm" says already what an integer counts
        in_units = self.row.units is None and str(self.layer.attrs.get("units", "")).strip()[:2] == "0."
        if self.row.fallback_scale is not None and self.layer.attrs.get("scale_factor", 1.0) == 1.0 and not in_units:
            return self.row.fallback_scale, 0.0
        return None, None


def choose(sources: list[Source], quantity: Quantity, reading: Reading) -> list[Chosen]:
    """Find the layers that hold a quantity.

    Parameters
    ----------
    sources
        Files; those that do not hold it are left out.
    quantity
        What is wanted.
    reading
        What the user says.

    Returns
    -------
    list of Chosen
        One a file, none where no file holds it.

    Raises
    ------
    ValueError
        If the user names a variable that is not there, a file holds several that fit, or it cannot be read.
    """
    found = [chosen for source in sources if (chosen := _choose_one(source, quantity, reading)) is not None]
    if reading.variable is not None and not found:
        msg = f"no variable {reading.variable!r} on latitude and longitude in {held_by(sources)}."
        raise ValueError(msg)
    known = [chosen for chosen in found if chosen.row.files]
    # In a folder with several products' files, those known by their name go before those of any name.
    return known or found


def _choose_one(source: Source, quantity: Quantity, reading: Reading) -> Chosen | None:
    """Find the layer of one file that holds a quantity."""
    rows = rows_of(source.name, product=reading.product)
    mine = [row for row in rows if row.quantity == quantity.name]
    if source.kind == "netcdf":
        there = fields(source)
        name = _pick(list(there), mine, quantity, reading, source.name)
        if name is None:
            return None
        layer = open_field_of_netcdf(source, there[name], level=reading.level)
        _refuse_statistics(layer, quantity, reading)
        return Chosen(layer=layer, row=_row(mine, layer))
    if source.kind == "hdf4":
        layers = sublayers(source)
        if not layers:  # a file with one data set
            layer = open_raster(source)
            return Chosen(layer=layer, row=_row(mine, layer))
        name = _pick(list(layers), mine, quantity, reading, source.name)
        if name is None:
            return None
        layer = open_raster(source, where=layers[name], variable=name)
        return Chosen(layer=layer, row=_row(mine, layer))
    if not mine and any(row.files for row in rows):
        return None  # a raster has no variable: its name says that it is another quantity
    layer = open_raster(source)
    return Chosen(layer=layer, row=_row(mine, layer))


def _refuse_statistics(layer: Layer, quantity: Quantity, reading: Reading) -> None:
    """Refuse what the file says to be an extreme or a spread over time, unless it is asked for by its name."""
    said = layer.attrs.get("cell_methods")
    found = _STATISTICS.search(said) if isinstance(said, str) else None
    # composites of NDVI take the highest against clouds
    meant = quantity.name in ("highest_temperature", "lowest_temperature") or (
        quantity.name == "NDVI" and found is not None and found[1] == "maximum"
    )
    if found and reading.variable is None and not meant:
        msg = (
            f"{layer.label} is the {found[1].replace('_', ' ')} over time by its cell_methods, not the mean "
            f"{quantity.name}. Take the means; if you want it nevertheless, say variable={layer.variable!r}."
        )
        raise ValueError(msg)


def _pick(names: list[str], rows: list[Row], quantity: Quantity, reading: Reading, file: str) -> str | None:
    """Pick the variable that holds a quantity, by what the user, the product or custom calls it."""
    if reading.variable is not None:
        same = [name for name in names if simple(name) == simple(reading.variable)]
        return reading.variable if reading.variable in names else (same[0] if len(same) == 1 else None)
    if quantity.name in names:
        return quantity.name
    by_product = [name for name in names if any(simple(name) in row.variables for row in rows)]
    fitting = by_product or [name for name in names if simple(name) in NAMES.get(quantity.name, ())]
    if len(fitting) > 1:
        msg = (
            f"{file} has several variables that may be {quantity.name}: {', '.join(fitting)}. Say which with variable=."
        )
        raise ValueError(msg)
    return fitting[0] if fitting else None


def _row(rows: list[Row], layer: Layer) -> Row:
    """Find what is known about a layer."""
    for row in rows:
        named = not layer.variable or not row.variables or simple(layer.variable) in row.variables
        if named and row.bits in (None, 8 * layer.dtype.itemsize):
            return row
    return Row(product="", quantity="")


def names_held(sources: list[Source]) -> list[str]:
    """List the variables of files, each once.

    Parameters
    ----------
    sources
        Files; rasters have none.

    Returns
    -------
    list of str
        In the order of the files.
    """
    return list(dict.fromkeys(name for source in sources if source.kind == "netcdf" for name in fields(source)))


def held_by(sources: list[Source]) -> str:
    """Say what files hold, for a message.

    Parameters
    ----------
    sources
        Files.

    Returns
    -------
    str
        The first few, with their variables.
    """
    parts = []
    for source in sources[:3]:
        there = list(fields(source) if source.kind == "netcdf" else sublayers(source) if source.kind == "hdf4" else ())
        rows = [f"{row.quantity} of {row.product}" for row in rows_of(source.name, product=None) if row.files]
        parts.append(
            f"{source.name} ({', '.join(there) or ', '.join(rows) or 'no variable on latitude and longitude'})"
        )
    return ", ".join(parts) + (", ..." if len(sources) > 3 else "")
