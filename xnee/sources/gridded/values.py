"""From stored numbers to values: packing once, every kind of missing, the unit, and what is plausible."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xnee.sources.gridded.layers import Layer
from xnee.sources.gridded.units import Conversion, Quantity

__all__ = ["Decoder", "decoder", "out_of_range"]

_HUGE = 1e30
"""No driver comes near: an undeclared fill value, e.g. 9.97e36, the default of NetCDF."""

_EDGE = 1e-3
"""Share of the plausible range by which packing and interpolation may overshoot it: put on the limit, not missing."""


@dataclass(frozen=True, kw_only=True)
class Decoder:
    """Turns stored numbers into values of a quantity; what is missing, or no plausible value, becomes NaN.

    Parameters
    ----------
    scale, offset
        Of the packing, applied once.
    factor, shift
        Of the unit.
    missing
        Stored numbers that mean: no value.
    valid
        Least and largest stored number that is a value.
    low, high
        Plausible range.
    dtype
        Type of the result.
    """

    scale: float = 1.0
    offset: float = 0.0
    factor: float = 1.0
    shift: float = 0.0
    missing: tuple[float, ...] = ()
    valid: tuple[float, float] = (-np.inf, np.inf)
    low: float = -np.inf
    high: float = np.inf
    dtype: str = "f4"

    def values(self, stored: NDArray[Any]) -> NDArray[np.float64]:
        """Decode without looking at the plausible range.

        Parameters
        ----------
        stored
            Numbers as they stand in the file.

        Returns
        -------
        numpy.ndarray
            The same shape, NaN where there is no value.
        """
        with np.errstate(invalid="ignore", over="ignore"):
            gap = (stored < self.valid[0]) | (stored > self.valid[1])
            for code in self.missing:
                gap |= stored == code  # compared in the type of the file: 1e20 is another number as float32
            if stored.dtype.kind == "f":
                gap |= ~(np.abs(stored) < _HUGE)
            values = (stored.astype("f8") * self.scale + self.offset) * self.factor + self.shift
        values[gap] = np.nan
        return values

    def __call__(self, stored: NDArray[Any]) -> NDArray[Any]:
        """Decode; values beyond the plausible range are missing, those at its edge are put on it."""
        values = self.values(stored)
        edge = _EDGE * (self.high - self.low) if np.isfinite(self.high - self.low) else 0.0
        with np.errstate(invalid="ignore"):
            values[(values < self.low - edge) | (values > self.high + edge)] = np.nan
        decoded: NDArray[Any] = np.clip(values, self.low, self.high).astype(self.dtype)
        return decoded


def decoder(
    layer: Layer,
    quantity: Quantity,
    unit: Conversion,
    *,
    scale: float | None = None,
    offset: float | None = None,
    missing: tuple[float, ...] = (),
    span: tuple[float, float],
) -> Decoder:
    """Make the decoder of one layer.

    Parameters
    ----------
    layer
        What is decoded.
    quantity
        What it is.
    unit
        What its numbers are in.
    scale, offset
        Packing to use in place of that of the file.
    missing
        Stored numbers without value, beside those that the file declares.
    span
        Plausible range of a step: wider than that of a month for hours and days.

    Returns
    -------
    Decoder
        For stored values.

    Raises
    ------
    ValueError
        If the packing of the file is no number.
    """
    attrs = layer.attrs
    packing = (_number(attrs, "scale_factor", 1.0, layer.label), _number(attrs, "add_offset", 0.0, layer.label))
    declared = [float(v) for key in ("_FillValue", "missing_value") for v in _numbers(attrs.get(key))]
    return Decoder(
        scale=packing[0] if scale is None else scale,
        offset=packing[1] if offset is None else offset,
        factor=unit.factor,
        shift=unit.offset,
        missing=tuple(dict.fromkeys([*declared, *map(float, missing)])),
        valid=_valid(layer),
        low=span[0],
        high=span[1],
        dtype="f8" if layer.dtype.itemsize == 8 and layer.dtype.kind == "f" and not quantity.amount else "f4",
    )


def _numbers(value: Any) -> list[float]:
    """Give the numbers of an attribute, none where it holds none; tags of rasters are text."""
    value = value.replace(",", " ").split() if isinstance(value, str) else value
    try:
        found = [] if value is None else np.asarray(value, dtype="f8").ravel().tolist()
    except (TypeError, ValueError):
        return []
    return [number for number in found if np.isfinite(number)]


def _number(attrs: Any, key: str, default: float, label: str) -> float:
    """Give a packing attribute."""
    found = _numbers(attrs.get(key, default))
    if len(found) != 1 or (key == "scale_factor" and found[0] == 0):
        msg = f"the {key} of {label} must be one number, but is {attrs.get(key)!r}. Say it with scale= and offset=."
        raise ValueError(msg)
    return found[0]


def _valid(layer: Layer) -> tuple[float, float]:
    """Give the valid range of stored integers; of floats it is not known whether it is before or after packing.

    Nor is it of integers with a range in floats: by the rules of NetCDF it is after packing, by MODIS before.
    """
    ranges = [np.asarray(layer.attrs.get(key)) for key in ("valid_min", "valid_max", "valid_range")]
    if layer.dtype.kind == "f" or any(one.dtype.kind == "f" for one in ranges):
        return -np.inf, np.inf
    low, high = _numbers(layer.attrs.get("valid_min")), _numbers(layer.attrs.get("valid_max"))
    both = _numbers(layer.attrs.get("valid_range"))
    ends = (both[0], both[1]) if len(both) == 2 else (low[0] if low else -np.inf, high[0] if high else np.inf)
    return ends if ends[0] < ends[1] else (-np.inf, np.inf)


def out_of_range(values: NDArray[np.float64], quantity: Quantity, span: tuple[float, float]) -> tuple[int, int]:
    """Count values of a sample, and those that are not plausible.

    Parameters
    ----------
    values
        Decoded, before anything is made missing for being implausible.
    quantity
        What they are.
    span
        Plausible range of a step.

    Returns
    -------
    tuple of int
        How many are known, and how many of these lie beyond the range by more than rounding.
    """
    known = values[np.isfinite(values)]
    edge = _EDGE * (quantity.high - quantity.low)
    return known.size, int(np.count_nonzero((known < span[0] - edge) | (known > span[1] + edge)))
