"""Latitudes and longitudes of files: which way they run, where they begin, what they label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from xnee.sources.gridded.layers import Run

__all__ = ["LABELS", "Axes", "Axis", "Labels", "cell_labels", "latitudes", "longitudes", "same_cells"]

Labels: TypeAlias = Literal["centre", "south-west", "north-west"]
LABELS: tuple[Labels, ...] = ("centre", "south-west", "north-west")
"""Where in its cell the label of a file stands."""

_NOISE = 0.01
"""Share of a cell by which the labels of two files may differ and still be the same cells."""

_ROUNDING, _FLOAT32 = 1e-4, 2.5e-7
"""Share of a cell, or of the label, by which even labels are off by rounding; Gaussian latitudes are off by more."""


@dataclass(frozen=True, kw_only=True)
class Axis:
    """Cell centres and where they stand in the file.

    Parameters
    ----------
    centres
        Degrees, ascending; longitudes from -180 to 180.
    runs
        The same labels in the file.
    """

    centres: NDArray[np.float64]
    runs: tuple[Run, ...]

    def within(self, low: float, high: float, name: str) -> Axis:
        """Keep the cells between two edges, and one more on each side.

        Parameters
        ----------
        low, high
            Edges, degrees.
        name
            What to call the axis in messages.

        Returns
        -------
        Axis
            At least two cells.

        Raises
        ------
        ValueError
            If no cell lies between the edges.
        """
        step = float(np.diff(self.centres).max())
        keep = np.flatnonzero((self.centres > low - 1.5 * step) & (self.centres < high + 1.5 * step))
        reached = self.centres[-1] + step / 2 > low and self.centres[0] - step / 2 < high
        if keep.size < 2 or not reached:
            msg = (
                f"{name} reaches from {self.centres[0]:g} to {self.centres[-1]:g} degrees, outside of the box asked "
                "for, "
                f"{low:g}..{high:g}. Take a file that covers it, or leave box= out."
            )
            raise ValueError(msg)
        index = np.concatenate([first + direction * np.arange(count) for first, count, direction in self.runs])
        return Axis(centres=self.centres[keep], runs=_runs(index[keep]))


@dataclass(frozen=True, kw_only=True)
class Axes:
    """Where the cells of a series lie.

    Parameters
    ----------
    lat, lon
        Rows and columns.
    """

    lat: Axis
    lon: Axis


def _runs(index: NDArray[np.intp]) -> tuple[Run, ...]:
    """Cut indices into runs that go up or down by one."""
    cuts = np.flatnonzero(np.abs(np.diff(index)) != 1) + 1
    parts = []
    for part in np.split(index, cuts):
        parts.append((int(part[0]), part.size, 1 if part.size < 2 or part[1] > part[0] else -1))
    return tuple(parts)


def _even(labels: NDArray[np.float64], noise: float | None = None) -> NDArray[np.float64] | None:
    """Take the noise out of labels that are meant to be even; ``None`` where they are not."""
    step = abs(labels[-1] - labels[0]) / (labels.size - 1)
    even = np.linspace(_as_written(float(labels[0]), step), _as_written(float(labels[-1]), step), labels.size)
    limit = max(_ROUNDING * step, _FLOAT32 * np.abs(labels).max()) if noise is None else noise * step
    return even if np.abs(even - labels).max() < limit else None


def _as_written(label: float, step: float) -> float:
    """Undo what float32 did to a label of few digits: 359.899994 was 359.9."""
    short = round(label, 4)
    return short if abs(short - label) < min(_FLOAT32 / 2 * abs(label), 1e-3 * step) else label


def _check(labels: NDArray[np.float64], name: str) -> None:
    """Refuse labels that are none."""
    step = np.diff(labels)
    if labels.size < 2 or not np.isfinite(labels).all() or not (np.all(step > 0) or np.all(step < 0)):
        shown = ", ".join(f"{label:g}" for label in labels[:4])
        msg = (
            f"{name} must have two or more labels in degrees that only rise or only fall; it has {labels.size}: "
            f"{shown}... Is the file whole, and is it a grid along latitude and longitude?"
        )
        raise ValueError(msg)


def cell_labels(lat: NDArray[np.float64], said: Labels | None, name: str) -> Labels:
    """Find out where in its cell a label stands.

    It is known for certain only of global files: rows that begin at one pole and end a cell before the other label
    the edges of cells.

    Parameters
    ----------
    lat
        Labels of the rows of the file, any order.
    said
        What the user or the product says; it goes first.
    name
        What to call the file in messages.

    Returns
    -------
    str
        One of `LABELS`.

    Raises
    ------
    ValueError
        If `said` is none of `LABELS`.

    Examples
    --------
    >>> cell_labels(np.arange(-90.0, 90), None, "a file")
    'south-west'
    """
    if said is not None:
        if said not in LABELS:
            msg = f"labels must be one of {', '.join(map(repr, LABELS))}; got {said!r}."
            raise ValueError(msg)
        return said
    _check(lat, f"the latitude of {name}")
    rows, step = np.sort(lat), float(np.abs(np.diff(lat)).mean())
    if abs(rows.size * step - 180) < _NOISE * step:
        if abs(rows[0] + 90) < _NOISE * step:
            return "south-west"
        if abs(rows[-1] - 90) < _NOISE * step:
            return "north-west"
    return "centre"


def latitudes(labels: NDArray[np.float64], at: Labels, name: str) -> Axis:
    """Bring the latitudes of a file to ascending cell centres.

    Parameters
    ----------
    labels
        In the order of the file, even or not (Gaussian).
    at
        Where in its cell a label stands.
    name
        What to call the file in messages.

    Returns
    -------
    Axis
        Ascending.

    Raises
    ------
    ValueError
        If they are not monotonic, or beyond a pole.
    """
    what = f"the latitude of {name}"
    _check(labels, what)
    even = _even(labels)
    centres = _moved(labels if even is None else even, {"south-west": 0.5, "north-west": -0.5}.get(at, 0), what)
    if np.abs(centres).max() > 90 + 1e-6:
        msg = (
            f"{what} reaches from {centres.min():g} to {centres.max():g} degrees, beyond a pole. Are its labels in "
            "degrees, "
            "and is labels= right?"
        )
        raise ValueError(msg)
    return _sorted(np.clip(centres, -90, 90))


def longitudes(labels: NDArray[np.float64], at: Labels, name: str) -> Axis:
    """Bring the longitudes of a file to ascending cell centres from -180 to 180.

    Parameters
    ----------
    labels
        In the order of the file, even.
    at
        Where in its cell a label stands.
    name
        What to call the file in messages.

    Returns
    -------
    Axis
        Ascending. A last column that repeats the first one, a turn later, is left out.

    Raises
    ------
    ValueError
        If they are not monotonic, not even, beyond -180..360, or go around more than once.
    """
    what = f"the longitude of {name}"
    _check(labels, what)
    even = _even(labels, _NOISE)
    if even is None or labels.min() < -180 - 1e-3 or labels.max() > 360 + abs(even[1] - even[0]):
        msg = (
            f"{what} must be even and within -180..360 degrees; it goes from {labels[0]:g} to {labels[-1]:g} with "
            "steps of "
            f"{np.diff(labels).min():g} to {np.diff(labels).max():g}. Bring the file to an even grid first, e.g. by "
            "CDO."
        )
        raise ValueError(msg)
    step = abs(even[1] - even[0])
    centres = _moved(even, 0.0 if at == "centre" else 0.5, what)
    if abs(abs(centres[-1] - centres[0]) - 360) < _NOISE * step:
        centres = centres[:-1]
    if abs(centres[-1] - centres[0]) > 360 - (1 - _NOISE) * step:
        msg = (
            f"{what} goes around the Earth more than once, from {labels[0]:g} to {labels[-1]:g} degrees. Cut it first."
        )
        raise ValueError(msg)
    turned = (centres + 180) % 360 - 180
    turned[turned > 180 - _NOISE * step] = -180.0  # the cell around the 180th meridian, by rounding on either side
    gaps = np.diff(np.sort(turned))
    if gaps.max(initial=0) > (1 + _NOISE) * step:
        msg = (
            f"{what} crosses the 180th meridian, so that its cells would not lie side by side from -180 to 180. Cut "
            "the "
            "file there, or take a global one."
        )
        raise ValueError(msg)
    return _sorted(turned)


def _moved(labels: NDArray[np.float64], cells: float, what: str) -> NDArray[np.float64]:
    """Move labels of even cells by a share of a cell."""
    if cells and _even(labels) is None:
        msg = f"{what} is uneven, so its labels must be centres. Leave labels= out."
        raise ValueError(msg)
    moved: NDArray[np.float64] = labels + cells * abs(labels[1] - labels[0])
    return moved


def _sorted(centres: NDArray[np.float64]) -> Axis:
    """Sort centres, and remember where they came from."""
    order = np.argsort(centres)
    return Axis(centres=centres[order], runs=_runs(order))


def same_cells(one: NDArray[np.float64], other: NDArray[np.float64]) -> bool:
    """Tell whether two axes have the same cells, to 1 % of one.

    Parameters
    ----------
    one, other
        Centres, ascending.

    Returns
    -------
    bool
        True if they can be stacked.

    Examples
    --------
    >>> one = np.array([0.0, 1.0])
    >>> same_cells(one, one + 0.001), same_cells(one, one + 0.5)
    (True, False)
    """
    return one.size == other.size and bool(np.abs(one - other).max() < _NOISE * np.diff(one).min())
