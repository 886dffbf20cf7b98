"""A look at a few values when a series is opened, whether it is what it is said to be."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from xnee.sources.gridded.layers import read_part
from xnee.sources.gridded.pieces import Piece
from xnee.sources.gridded.reading import Reading
from xnee.sources.gridded.units import Quantity
from xnee.sources.gridded.values import out_of_range

__all__ = ["check_sample"]

_BANDS, _ROWS = 8, 16
_FINE, _WHOLE = 10, ("land_fraction",)
"""Quantities with a range up to this are never stored as plain whole numbers, but for masks."""

_BAD = 0.1
"""Share of a sample beyond the plausible range that is a wrong unit, not a few odd cells or the plateau of "
"Antarctica."""


def check_sample(pieces: list[Piece], quantity: Quantity, reading: Reading, label: str) -> str:
    """Look at a few rows of the first, middle and last step: a wrong unit or scale shows everywhere.

    Parameters
    ----------
    pieces
        A series.
    quantity
        What it holds.
    reading
        What the user says.
    label
        What to call the series in messages.

    Returns
    -------
    str
        What was found, in words.

    Raises
    ------
    ValueError
        If more than a tenth of the sample is beyond the plausible range, or all of it is next to nothing.
    """
    places = [(piece, step) for piece in pieces for step in range(piece.layer.steps)]
    known, wrong, least, most, whole = 0, 0, np.inf, -np.inf, True
    for piece, step in (places[k] for k in sorted({0, len(places) // 2, len(places) - 1})):
        stored = _sample(piece, step)
        values = piece.decode.values(stored)
        whole &= bool(np.all(stored[np.isfinite(values)] % 1 == 0))
        some, odd = out_of_range(values, quantity, (piece.decode.low, piece.decode.high))
        known, wrong = known + some, wrong + odd
        if some:
            least, most = min(least, float(np.nanmin(values))), max(most, float(np.nanmax(values)))
    if not known:
        return "no value in the sample that was checked"
    low, high = pieces[0].decode.low, pieces[0].decode.high
    found = f"{wrong} of {known} sampled values beyond {low:g}..{high:g}"
    if wrong > _BAD * known:
        msg = (
            f"{label} is not {quantity.name}: after conversion its values go from {least:g} to {most:g}, {found}. Is "
            "it "
            "the right variable (variable=), unit (units=) or scale (scale=), is a code for missing left (missing=)?"
        )
        raise ValueError(msg)
    _check_packing(pieces[0], quantity, reading, label, whole=whole)
    _check_not_nothing(most, quantity, reading, label, daily=high < quantity.high)
    return f"{found}; such values are missing"


def _check_packing(piece: Piece, quantity: Quantity, reading: Reading, label: str, *, whole: bool) -> None:
    """Refuse a packing that may have been applied already, and none where there must be one."""
    told = reading.scale is not None or reading.offset is not None
    packed = (piece.decode.scale, piece.decode.offset) != (1.0, 0.0)
    if piece.layer.dtype.kind == "f" and packed and not whole and not told:
        msg = (
            f"{label} has the scale {piece.decode.scale:g} and the offset {piece.decode.offset:g}, but holds fractions "
            "already, as if both had been applied. Say scale=1 if the numbers are values, or what they count."
        )
        raise ValueError(msg)
    fine = quantity.name not in _WHOLE and quantity.high - quantity.low <= _FINE and piece.unit.factor == 1
    if piece.layer.dtype.kind in "iu" and fine and not packed and not told:
        msg = f"{label} holds whole numbers of {quantity.name}, and nobody says what one of them counts. Say scale=."
        raise ValueError(msg)


def _check_not_nothing(most: float, quantity: Quantity, reading: Reading, label: str, *, daily: bool) -> None:
    """Refuse a field that was scaled twice: it lies in the plausible range, at next to nothing."""
    floor = quantity.least / 31 if quantity.amount and daily else quantity.least
    told = reading.scale is not None or reading.units is not None
    if floor > 0 and most < floor and not told:
        msg = (
            f"{label} looks as if it were scaled twice, or a rate were taken for an amount: the largest "
            f"{quantity.name} of "
            f"a sample is {most:g}. Say what a stored number counts with scale=, or units=, even if it is right."
        )
        raise ValueError(msg)


def _sample(piece: Piece, step: int) -> NDArray[Any]:
    """Read some rows of a step: all where the file can only be read whole, else a few bands."""
    layer, rows, columns = piece.layer, piece.axes.lat.runs, piece.axes.lon.runs
    count = rows[0][1]
    if count <= _BANDS * _ROWS or layer.chunk[1] > count / 2:
        whole = read_part(layer, step, slice(0, count), rows, columns)
        return whole[:, :: max(1, count // (_BANDS * _ROWS))]
    starts = np.linspace(0, count - _ROWS, _BANDS).astype(int)
    bands = [read_part(layer, step, slice(int(k), int(k) + _ROWS), rows, columns) for k in starts]
    return np.concatenate(bands, axis=1)
