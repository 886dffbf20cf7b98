"""What all figures share: a sheet, colours that all readers tell apart, words for units."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xnee.pft import PFTS
from xnee.variables import labels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "BLUE",
    "GREY",
    "MONTHLY",
    "PFT_COLOURS",
    "PFT_HATCHES",
    "VERMILLION",
    "grid_of_panels",
    "panels",
    "types_of",
]

BLUE, VERMILLION, GREY = "#0072B2", "#D55E00", "0.35"

PFT_COLOURS = MappingProxyType(dict(zip(PFTS, ("#E69F00", "#56B4E9", "#0072B2", "#009E73", "#CC79A7"), strict=True)))
"""Okabe and Ito's colours, told apart by all readers."""
PFT_HATCHES = MappingProxyType(dict(zip(PFTS, ("", "//", "", "..", "xx"), strict=True)))
"""What tells the types apart in grey print where colours of like lightness stand side by side."""

MONTHLY = "NEE, g C m$^{-2}$ month$^{-1}$"


def panels(
    rows: int, columns: int, *, width: float, height: float, **shared: Any
) -> tuple[Figure, NDArray[np.object_]]:
    """Make a figure with panels, without pyplot: no global state, no window.

    Parameters
    ----------
    rows, columns
        How many panels.
    width, height
        Of the figure, inches.
    **shared
        As of ``Figure.subplots``.

    Returns
    -------
    tuple
        The figure, and its axes ``(row, column)``.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        msg = 'figures need matplotlib: pip install "xnee[plot]".'
        raise ImportError(msg) from error
    figure = Figure(figsize=(width, height), layout="constrained", dpi=150)
    return figure, figure.subplots(rows, columns, squeeze=False, **shared)


def grid_of_panels(count: int, columns: int, *, width: float, height: float, **shared: Any) -> tuple[Figure, list[Any]]:
    """Make panels in rows of equal length; places without a panel stay empty.

    Parameters
    ----------
    count
        Panels.
    columns
        Panels side by side, at most.
    width, height
        Of one panel, inches.
    **shared
        As of ``Figure.subplots``.

    Returns
    -------
    tuple
        The figure, and `count` axes.
    """
    columns = min(count, columns)
    rows = -(-count // columns)
    figure, axes = panels(rows, columns, width=width * columns, height=height * rows, **shared)
    for axis in axes.ravel()[count:]:
        axis.set_axis_off()
    return figure, axes.ravel()[:count].tolist()


def types_of(values: xr.DataArray) -> list[str]:
    """Name the entries of ``pft`` for which there is a value.

    Parameters
    ----------
    values
        With a dimension ``pft``.

    Returns
    -------
    list of str
        In the order of `values`.

    Raises
    ------
    ValueError
        If there is no value at all.
    """
    known = values.notnull().any([dim for dim in values.dims if dim != "pft"])
    found = labels(values["pft"])[known.to_numpy()].tolist()
    if not found:
        msg = f"nothing to draw: {values.name} is missing for every forest type."
        raise ValueError(msg)
    return list(map(str, found))
