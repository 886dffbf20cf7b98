"""Which sites are left out together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["site_folds"]


def site_folds(site: NDArray[np.str_], pft: NDArray[np.str_], *, folds: int, seed: int = 0) -> list[list[str]]:
    """Deal sites into folds, each type spread as evenly as it can be.

    Parameters
    ----------
    site, pft
        ``(sample,)``, ids and types of the windows.
    folds
        Number of folds; as many as sites, or more, leaves out one site at a time.
    seed
        Decides the order of dealing.

    Returns
    -------
    list of list of str
        Site ids by fold; every site stands in exactly one.

    Raises
    ------
    ValueError
        If `folds` is below 2 or there are fewer than 2 sites.

    Examples
    --------
    >>> site_folds(np.array(["a", "b", "c"]), np.array(["ENF"] * 3), folds=9)
    [['c'], ['a'], ['b']]
    """
    names, first = np.unique(site, return_index=True)
    if folds < 2 or names.size < 2:
        msg = f"leaving sites out needs at least 2 folds and 2 sites, got {folds} folds and {names.size} sites."
        raise ValueError(msg)
    order = np.random.default_rng(seed).permutation(names.size)
    order = order[np.argsort(pft[first][order], kind="stable")]
    count = min(folds, names.size)
    return [names[order[start::count]].tolist() for start in range(count)]
