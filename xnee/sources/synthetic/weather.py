"""Weather of the synthetic world: smooth in space, red in time, and the same for a tower as for the cell over it."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["FIRST_YEAR", "LAST_YEAR", "Array", "anomaly", "check_years", "month_numbers", "month_starts"]

Array = NDArray[np.float64]

FIRST_YEAR, LAST_YEAR = 1950, 2100
_MODES = 6
_SPIN_UP = 24  # months thrown away, so that the first year is as variable as the rest

# Correlation of a month's anomaly with the next month's.
_PERSISTENCE = {
    "heat": 0.2,
    "rain": 0.25,
    "light": 0.1,
    "air": 0.1,
    "leaf": 0.3,
    "soil": 0.2,
    "glow": 0.1,
    "green": 0.3,
    "wind": 0.2,
    "turn": 0.2,
    "press": 0.2,
}


def check_years(first: int, last: int) -> None:
    """Refuse years for which the synthetic world has no weather.

    Parameters
    ----------
    first, last
        First and last calendar year.

    Raises
    ------
    ValueError
        If they are out of order or outside ``FIRST_YEAR`` to ``LAST_YEAR``.
    """
    if not FIRST_YEAR < first <= last <= LAST_YEAR:
        msg = (
            f"the synthetic world has whole years from {FIRST_YEAR + 1} to {LAST_YEAR}, first before last; "
            f"got {first} to {last}."
        )
        raise ValueError(msg)


def month_numbers(first: int, last: int) -> NDArray[np.int64]:
    """Count the months of whole years.

    Parameters
    ----------
    first, last
        First and last calendar year, both included.

    Returns
    -------
    numpy.ndarray
        ``(time)``, months since January of ``FIRST_YEAR``.
    """
    return np.arange((first - FIRST_YEAR) * 12, (last + 1 - FIRST_YEAR) * 12)


def month_starts(months: NDArray[np.int64]) -> NDArray[np.datetime64]:
    """Give the first day of each month.

    Parameters
    ----------
    months
        Months since January of ``FIRST_YEAR``.

    Returns
    -------
    numpy.ndarray
        Same shape, ``datetime64[ns]``.
    """
    return (np.datetime64(f"{FIRST_YEAR}-01", "M") + months).astype("datetime64[ns]")


@lru_cache(maxsize=64)
def _modes(name: str, seed: int) -> tuple[Array, Array]:
    """Series ``(month, mode)`` of unit variance and wave vectors ``(mode, 3)``: lat, lon in radian/degree, phase."""
    rng = np.random.default_rng([seed, list(_PERSISTENCE).index(name)])
    length, direction, phase = rng.uniform(18, 45, _MODES), rng.uniform(0, np.pi, _MODES), rng.uniform(0, 6.3, _MODES)
    waves = np.stack([2 * np.pi / length * np.sin(direction), 2 * np.pi / length * np.cos(direction), phase], axis=1)
    r = _PERSISTENCE[name]
    shocks = rng.standard_normal(((LAST_YEAR - FIRST_YEAR + 1) * 12 + _SPIN_UP, _MODES)) * np.sqrt(1 - r**2)
    series = np.empty_like(shocks)
    state = np.zeros(_MODES)
    for month, shock in enumerate(shocks):
        state = r * state + shock
        series[month] = state
    return series[_SPIN_UP:], waves


def anomaly(name: str, lat: Array, lon: Array, months: NDArray[np.int64], *, seed: int) -> Array:
    """Draw one anomaly field of the weather.

    A sum of six plane waves, 18 to 45 degrees long, each with an amplitude that wanders from month to month. It is
    a function of place and month only: any set of places and months sees the same weather.

    Parameters
    ----------
    name
        Which field, a key of the table of persistences.
    lat, lon
        Places, degrees, any shape that broadcasts.
    months
        ``(time)``, months since January of ``FIRST_YEAR``.
    seed
        Which weather.

    Returns
    -------
    numpy.ndarray
        ``(time, ...)``, mean 0 and variance about 1.
    """
    series, waves = _modes(name, seed)
    shape = (-1,) + (1,) * np.ndim(lat + lon)
    south_north, west_east, phase = (waves[:, i].reshape(shape) for i in range(3))
    pattern = np.cos(south_north * lat + west_east * lon + phase)  # (mode, ...)
    return np.asarray(np.sqrt(2 / _MODES) * np.tensordot(series[months], pattern, axes=1))
