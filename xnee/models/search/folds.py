"""Inner folds: what selection may see, dealt into training and validation windows for each forest type."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xnee.models.ensembles import window_weight
from xnee.models.scaling import Inputs, window_features
from xnee.pft import PFTS, check_pfts
from xnee.variables import TARGET, labels

__all__ = ["Fold", "Inner", "Material", "inner_material"]

Inner = Literal["temporal", "leave-site-out"]
_LEAST_TRAINING, _LEAST_VALIDATION = 12, 6
"""Windows of a fold below which a score says nothing."""


@dataclass(frozen=True)
class Fold:
    """One inner fold of one forest type.

    Parameters
    ----------
    pft
        Forest type.
    number
        From 0 within the type.
    training, validation
        Row numbers of windows; both lie in the outer training part.
    """

    pft: str
    number: int
    training: NDArray[np.int64]
    validation: NDArray[np.int64]


@dataclass(frozen=True)
class Material:
    """All that networks are trained and scored on: plain arrays, ready to be sent to a worker.

    Parameters
    ----------
    x
        ``(sample, lag, feature)``, not scaled; windows of the outer test are not among them.
    y
        NEE, ``(sample,)``, g C m-2 month-1.
    weight
        ``(sample,)``, weight in the loss.
    folds
        Inner folds, all types one after the other.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    weight: NDArray[np.float64]
    folds: tuple[Fold, ...]

    @property
    def pfts(self) -> tuple[str, ...]:
        """Forest types that have folds."""
        return tuple(dict.fromkeys(fold.pft for fold in self.folds))


def inner_material(
    samples: xr.Dataset,
    keep: NDArray[np.bool_],
    *,
    inner: str,
    folds: int,
    seed: int,
    pfts: Sequence[str] | None,
    context: bool = True,
) -> tuple[Material, dict[str, str]]:
    """Deal the training windows into inner folds.

    Parameters
    ----------
    samples
        Windows as of `xnee.models.training_set.training_windows`.
    keep
        ``(sample,)``, False for the outer test: those windows are cut off before anything else happens.
    inner
        ``"temporal"``: each site's windows in `folds` blocks of time; ``"leave-site-out"``: whole sites.
    folds
        Blocks or groups of sites.
    seed
        Decides which sites are left out together.
    pfts
        Forest types to search for; by default all that there are.
    context
        Whether networks read what a site is like in the long run.

    Returns
    -------
    tuple of Material and dict
        The folds, and why a type has none (only where `pfts` is None).

    Raises
    ------
    ValueError
        If a name is unknown, a type asked for has too few windows or sites, or no type has enough.
    """
    if inner not in ("temporal", "leave-site-out"):
        msg = f"inner must be 'temporal' or 'leave-site-out', got {inner!r}."
        raise ValueError(msg)
    if isinstance(folds, bool) or not isinstance(folds, int) or folds < 2:
        msg = f"a search needs at least 2 inner folds, a whole number; got {folds!r}."
        raise ValueError(msg)
    training = samples.isel(sample=keep)
    check_pfts(PFTS if pfts is None else [pfts] if isinstance(pfts, str) else pfts)
    found: list[Fold] = []
    left_out = {}
    asked = (pfts,) if isinstance(pfts, str) else pfts
    for pft in PFTS if asked is None else dict.fromkeys(map(str, asked)):
        own = list(_pft_folds(training, pft, inner=inner, folds=folds, seed=seed))
        problem = _problem(training, own, pft, inner=inner, folds=folds)
        if problem and pfts is not None:
            raise ValueError(problem)
        if problem:
            left_out[pft] = problem
        else:
            found += own
    if not found:
        msg = "no forest type has enough windows to search for: " + " ".join(left_out.values())
        raise ValueError(msg)
    inputs = Inputs(drivers=tuple(labels(samples["driver"]).tolist()), context=context)
    x = window_features(training, inputs).astype("f8")
    return Material(x, training[TARGET].to_numpy().astype("f8"), window_weight(training), tuple(found)), left_out


def _pft_folds(training: xr.Dataset, pft: str, *, inner: str, folds: int, seed: int) -> Iterator[Fold]:
    site, time = labels(training["site"]), training["time"].to_numpy()
    rows = np.flatnonzero(labels(training["pft"]) == pft)
    names = np.unique(site[rows])
    if inner == "temporal":
        parts = [np.array_split(own[np.argsort(time[own])], folds) for own in (rows[site[rows] == n] for n in names)]
        blocks = [np.concatenate(block) for block in zip(*parts, strict=True)]
    else:
        dealt = np.random.default_rng([seed, PFTS.index(pft)]).permutation(names)
        count = min(folds, names.size)
        blocks = [rows[np.isin(site[rows], dealt[start::count])] for start in range(count)]
    for number, block in enumerate(blocks):
        validation = np.sort(block)
        yield Fold(pft, number, np.setdiff1d(rows, validation), validation)


def _problem(training: xr.Dataset, found: Sequence[Fold], pft: str, *, inner: str, folds: int) -> str:
    """Say why these folds are too small, or nothing."""
    windows = int((labels(training["pft"]) == pft).sum())
    if not windows:
        return f"{pft} has no training window."
    if len(found) < 2:
        return f"{pft} has one site, so that none can be left out. Use inner='temporal'."
    small = min((fold.training.size, fold.validation.size) for fold in found)
    if small[0] < _LEAST_TRAINING or min(fold.validation.size for fold in found) < _LEAST_VALIDATION:
        return (
            f"{pft} has {windows} training windows, too few for {folds} inner folds ({inner}): each needs at least "
            f"{_LEAST_TRAINING} to train on and {_LEAST_VALIDATION} to score. Use fewer folds or lags, or leave {pft} "
            "out with pfts=[...]."
        )
    return ""
