"""The files of one quantity, each with its cells and the way its numbers become values."""

from __future__ import annotations

from dataclasses import dataclass

import dask.array as da
import numpy as np

from xnee.sources.gridded.axes import Axes, cell_labels, latitudes, longitudes, same_cells
from xnee.sources.gridded.choosing import Chosen
from xnee.sources.gridded.layers import Layer, as_dask
from xnee.sources.gridded.reading import Reading
from xnee.sources.gridded.units import Conversion, Quantity, conversion
from xnee.sources.gridded.values import Decoder, decoder

__all__ = ["Piece", "make_pieces"]


@dataclass(frozen=True, kw_only=True)
class Piece:
    """One file of a series.

    Parameters
    ----------
    layer
        What is read.
    axes
        Where its cells lie, and where these stand in the file.
    unit
        What its numbers are in.
    decode
        Turns stored numbers into values.
    """

    layer: Layer
    axes: Axes
    unit: Conversion
    decode: Decoder

    def values(self) -> da.Array:
        """Give its values, lazily.

        Returns
        -------
        dask.array.Array
            ``(step, lat, lon)``, both axes ascending; NaN where there is no plausible value.
        """
        stored = as_dask(self.layer, self.axes.lat.runs, self.axes.lon.runs)
        meta = np.empty((0, 0, 0), self.decode.dtype)
        values: da.Array = stored.map_blocks(self.decode, dtype=self.decode.dtype, meta=meta)  # type: ignore
        return values


def make_pieces(chosen: list[Chosen], quantity: Quantity, reading: Reading, length: float) -> list[Piece]:
    """Find out where the cells of each file lie and what its numbers are.

    Parameters
    ----------
    chosen
        Layers.
    quantity
        What they hold.
    reading
        What the user says.
    length
        Days in a step.

    Returns
    -------
    list of Piece
        In the order of the layers, on the same cells.

    Raises
    ------
    ValueError
        If a unit is not known, or the files are on different grids.
    """
    pieces = []
    for one in chosen:
        unit = conversion(quantity, one.units(reading), source=one.layer.label)
        scale, offset = one.packing(reading)
        decode = decoder(
            one.layer,
            quantity,
            unit,
            scale=scale,
            offset=offset,
            missing=(*one.row.missing, *reading.missing),
            span=_span(quantity, unit, length),
        )
        pieces.append(Piece(layer=one.layer, axes=_axes(one, reading), unit=unit, decode=decode))
    for piece in pieces[1:]:
        _check_grid(pieces[0], piece)
    return pieces


def _axes(one: Chosen, reading: Reading) -> Axes:
    """Give the cells of one file, those in the box if there is one."""
    layer = one.layer
    at = cell_labels(layer.lat, reading.labels or one.row.labels, layer.file)
    lat, lon = latitudes(layer.lat, at, layer.file), longitudes(layer.lon, at, layer.file)
    edges = reading.edges()
    if edges is None:
        return Axes(lat=lat, lon=lon)
    west, south, east, north = edges
    lat = lat.within(south, north, f"the latitude of {layer.file}")
    return Axes(lat=lat, lon=lon.within(west, east, f"the longitude of {layer.file}"))


def _check_grid(first: Piece, other: Piece) -> None:
    """Refuse to stack files on different cells."""
    one, two = first.axes, other.axes
    if not (same_cells(one.lat.centres, two.lat.centres) and same_cells(one.lon.centres, two.lon.centres)):
        msg = (
            f"{other.layer.file} is on another grid than {first.layer.file}: {_extent(two)} instead of {_extent(one)}. "
            "Grids are regridded, never stacked: open each by itself."
        )
        raise ValueError(msg)


def _extent(axes: Axes) -> str:
    """Describe a grid in a message."""
    lat, lon = axes.lat.centres, axes.lon.centres
    return f"{lat.size} x {lon.size} cells from {lat[0]:g} north, {lon[0]:g} east"


def _span(quantity: Quantity, unit: Conversion, length: float) -> tuple[float, float]:
    """Give the plausible range of one step: hours and days go further than months, amounts are per something."""
    low, high = quantity.low, quantity.high
    if quantity.amount:
        return (low / 28, high / 28) if unit.per == "day" and length > 7 else (low, high)
    if length < 7:
        low, high = low - (high - low) / 2, high + 1.5 * (high - low)
    days = length if unit.per == "period" else 1.0
    return low * days, high * days
