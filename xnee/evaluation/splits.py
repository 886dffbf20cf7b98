"""What is left out together: masks over windows, one a fold, True where a window is held out."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xnee.models.training_set import deal_sites
from xnee.variables import labels

__all__ = ["block_of", "check_folds", "deal_groups", "group_masks", "site_masks", "year_masks"]

_KM_PER_DEGREE = 111.195
"""Length of a degree of latitude on a sphere of 6371 km."""


def check_folds(folds: object) -> None:
    """Refuse a number of folds that is not whole, or leaves nothing to train on.

    Parameters
    ----------
    folds
        Candidate.

    Raises
    ------
    ValueError
        If it is no whole number from 2 on.

    Examples
    --------
    >>> check_folds(2.5)
    Traceback (most recent call last):
    ValueError: folds must be a whole number, at least 2 folds; got 2.5.
    """
    if isinstance(folds, bool) or not isinstance(folds, int | np.integer) or folds < 2:
        msg = f"folds must be a whole number, at least 2 folds; got {folds!r}."
        raise ValueError(msg)


def site_masks(samples: xr.Dataset, *, folds: int, seed: int = 0) -> list[NDArray[np.bool_]]:
    """Leave whole sites out, in folds over which each type is spread evenly.

    Parameters
    ----------
    samples
        Windows with ``site`` and ``pft``.
    folds, seed
        As of `xnee.models.training_set.deal_sites`.

    Returns
    -------
    list of numpy.ndarray
        ``(sample,)`` each, True where held out; every window is held out once.

    Raises
    ------
    ValueError
        As of `xnee.models.training_set.deal_sites`.
    """
    site = labels(samples["site"])
    return [np.isin(site, group) for group in deal_sites(site, labels(samples["pft"]), folds=folds, seed=seed)]


def group_masks(group: NDArray[np.str_], *, folds: int, what: str) -> list[NDArray[np.bool_]]:
    """Leave whole groups out, in folds of about as many windows each.

    Parameters
    ----------
    group
        ``(sample,)``, name of the group of each window.
    folds
        Number of folds; as many as groups, or more, leaves out one group at a time.
    what
        What a group is, in the plural, for messages.

    Returns
    -------
    list of numpy.ndarray
        ``(sample,)`` each, True where held out; every window is held out once.

    Raises
    ------
    ValueError
        If `folds` is below 2 or there are fewer than 2 groups.

    Examples
    --------
    >>> [mask.tolist() for mask in group_masks(np.array(["b", "a", "b"]), folds=5, what="countries")]
    [[True, False, True], [False, True, False]]
    """
    names, number, windows = np.unique(group, return_inverse=True, return_counts=True)
    if folds < 2 or names.size < 2:
        msg = (
            f"leaving {what} out needs at least 2 folds and 2 {what}, got {folds} folds and {names.size} {what} "
            f"({', '.join(names[:3].tolist())}). Take more sites, finer groups or smaller blocks, or another scheme."
        )
        raise ValueError(msg)
    fold = deal_groups(windows, folds=min(folds, names.size))[number]
    return [fold == k for k in range(min(folds, names.size))]


def deal_groups(sizes: NDArray[np.int64], *, folds: int) -> NDArray[np.int64]:
    """Put groups into folds of like size: the largest first, each into the fold that holds least.

    Parameters
    ----------
    sizes
        ``(group,)``, size of each.
    folds
        Number of folds, at most that of groups.

    Returns
    -------
    numpy.ndarray
        ``(group,)``, number of the fold of each.

    Examples
    --------
    >>> deal_groups(np.array([5, 1, 4, 3]), folds=2).tolist()
    [0, 0, 1, 1]
    """
    fold = np.zeros(len(sizes), dtype="i8")
    held = np.zeros(folds, dtype="i8")
    for group in np.argsort(-np.asarray(sizes), kind="stable"):
        fold[group] = int(np.argmin(held))
        held[fold[group]] += sizes[group]
    return fold


def block_of(lat: NDArray[np.floating], lon: NDArray[np.floating], *, block: float) -> NDArray[np.str_]:
    """Name the block of the Earth's surface in which each point lies.

    Parameters
    ----------
    lat, lon
        ``(point,)``, degrees; longitudes from -180 or from 0.
    block
        Length of a side in km. Rows of that height from the South Pole; in each row as many columns as make a block at
        its middle about as wide.

    Returns
    -------
    numpy.ndarray
        ``(point,)``, such as ``"row 26 column 19"``.

    Raises
    ------
    ValueError
        If `block` is not above 0 or a place is missing.

    Examples
    --------
    >>> block_of(np.array([30.1, 30.2, 60.0]), np.array([100.0, 100.4, 100.0]), block=500).tolist()
    ['row 26 column 19', 'row 26 column 19', 'row 33 column 10']
    """
    number = isinstance(block, int | float | np.number) and not isinstance(block, bool)
    if not number or not block > 0 or not np.isfinite(block):
        msg = f"block is the side of a block in km, above 0; got {block!r}."
        raise ValueError(msg)
    if not (np.isfinite(lat).all() and np.isfinite(lon).all()):
        msg = "each site needs lat and lon to lie in a block; some are missing. Complete the site table, or drop them."
        raise ValueError(msg)
    height = block / _KM_PER_DEGREE
    row = np.floor((np.asarray(lat, dtype="f8") + 90) / height).astype("i8")
    middle = np.clip((row + 0.5) * height - 90, -90, 90)
    columns = np.maximum(np.round(360 * np.cos(np.deg2rad(middle)) / height), 1)
    column = np.floor((np.asarray(lon, dtype="f8") % 360) / 360 * columns).astype("i8")
    return np.array([f"row {i} column {j}" for i, j in zip(row, column, strict=True)], dtype=np.str_)


def year_masks(samples: xr.Dataset, *, folds: int) -> list[NDArray[np.bool_]]:
    """Leave whole calendar years out, of all sites at once.

    Parameters
    ----------
    samples
        Windows with ``time``.
    folds
        Number of folds; as many as years, or more, leaves out one year at a time. Else a fold holds every
        `folds`-th year.

    Returns
    -------
    list of numpy.ndarray
        ``(sample,)`` each, True where held out. The drivers of a held-out year are still seen as the past of the
        months that follow; its NEE is not.

    Raises
    ------
    ValueError
        If `folds` is below 2 or there are fewer than 2 years.
    """
    year = samples["time"].dt.year.to_numpy()
    names = np.unique(year)
    if folds < 2 or names.size < 2:
        msg = (
            f"leaving years out needs at least 2 folds and 2 years, got {folds} folds and the years "
            f"{names.tolist()} with windows. Take longer records, or another scheme."
        )
        raise ValueError(msg)
    count = min(folds, names.size)
    return [np.isin(year, names[start::count]) for start in range(count)]
