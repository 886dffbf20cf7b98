"""Which networks train together: trials become stacks of one shape."""

from __future__ import annotations

import hashlib
import logging
from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from xnee.models.search.folds import Fold, Material
from xnee.models.search.space import Space, Trajectory

__all__ = ["Stack", "job_seed", "plan", "stack_bytes", "work"]

_log = logging.getLogger(__name__)
_CACHE = 8_000_000
"""Bytes that a stack works on. Measured: below it the calls weigh, above it the cache is left; flat around 8 MB."""
_MOST = 240
_ALIKE_EPOCHS, _ALIKE_WINDOWS = 0.75, 0.4
"""Share of the largest number of epochs, and of windows, that a network of the same stack must have: all train for
as many epochs as the longest, while those with fewer windows rest when they have seen theirs."""


@dataclass(frozen=True)
class Stack:
    """Networks that train side by side.

    Parameters
    ----------
    name
        Under which its result is kept.
    epochs
        Passes over the training windows.
    jobs
        For each network the number of its fold and of its trajectory, networks of a fold next to each other.
    """

    name: str
    epochs: int
    jobs: tuple[tuple[int, int], ...]


def job_seed(seed: int, fold: Fold, trajectory: Trajectory) -> int:
    """Give the seed of one training: it depends on what is trained, not on where it stands.

    Parameters
    ----------
    seed
        Seed of the search.
    fold
        Its forest type and number count.
    trajectory
        All its hyper-parameters count.

    Returns
    -------
    int
        Below 2 to the 62.

    Examples
    --------
    >>> fold = Fold("MF", 0, np.arange(2), np.arange(2))
    >>> job_seed(0, fold, Trajectory(8, 16, 1e-2, 0.0, 0.2)) == job_seed(0, fold, Trajectory(8, 16, 1e-2, 0.0, 0.2))
    True
    """
    words = repr((seed, fold.pft, fold.number, *trajectory))
    return int.from_bytes(hashlib.sha256(words.encode()).digest()[:8]) >> 2


def stack_bytes(device: str) -> int:
    """Tell how much memory a stack may work on.

    Parameters
    ----------
    device
        ``"cpu"`` or ``"cuda"``.

    Returns
    -------
    int
        Bytes: on a CPU what fits its cache, on a GPU an eighth of what is free.
    """
    if device == "cpu":
        return _CACHE
    import torch

    return int(torch.cuda.mem_get_info(device)[0]) // 8


def plan(space: Space, material: Material, needed: NDArray[np.int64], *, cache: int, prefix: str) -> list[Stack]:
    """Put trainings into stacks: same hidden and batch, like numbers of windows and of epochs.

    The stacks depend on the space, the folds and `cache` only, never on how many workers there are, so that a search
    that is continued elsewhere finds its results.

    Parameters
    ----------
    space
        What is tried.
    material
        Inner folds.
    needed
        ``(fold, trajectory)``, epochs to train; 0 for not at all.
    cache
        Bytes that a stack may work on.
    prefix
        Beginning of the stacks' names.

    Returns
    -------
    list of Stack
        The longest work first, so that workers end at about the same time.
    """
    groups = defaultdict(list)
    for fold, number in np.argwhere(needed > 0).tolist():
        hidden, batch = space.trajectories[number][:2]
        epochs, windows = int(needed[fold, number]), material.folds[fold].training.size
        groups[hidden, batch].append((-epochs, -windows, fold, number))
    parts: list[list[_Item]] = []
    for (hidden, batch), items in groups.items():
        most = _tallest(material, hidden, batch, cache)
        _log.info("stacks of up to %d networks of %d units, batch %d", most, hidden, batch)
        parts += _cut(sorted(items), most)
    stacks = [Stack("", -part[0][0], tuple((fold, number) for _, _, fold, number in part)) for part in parts]
    stacks.sort(key=lambda stack: -work(space, material, stack))
    stacks = [Stack(f"{prefix}-{n:05d}", stack.epochs, tuple(sorted(stack.jobs))) for n, stack in enumerate(stacks)]
    return stacks


def _tallest(material: Material, hidden: int, batch: int, cache: int) -> int:
    """Networks of a shape whose weights, gradients, moments and activations fit the cache."""
    _, lag, feature = material.x.shape
    weights = (feature + hidden + 1) * 4 * hidden
    activations = lag * batch * (feature + 12 * hidden)
    return int(np.clip(cache // (4 * (5 * weights + activations)), 4, max(_MOST, cache // _CACHE * _MOST)))


_Item = tuple[int, int, int, int]
"""Minus epochs, minus training windows, fold, trajectory."""


def _cut(items: list[_Item], most: int) -> list[list[_Item]]:
    """Cut sorted items where they grow unlike, then each run into even parts."""
    runs: list[list[_Item]] = []
    for item in items:
        first = runs[-1][0] if runs else item
        if runs and item[0] <= _ALIKE_EPOCHS * first[0] and item[1] <= _ALIKE_WINDOWS * first[1]:
            runs[-1].append(item)
        else:
            runs.append([item])
    return [run[start:stop] for run in runs for start, stop in _even(len(run), -(-len(run) // most))]


def _even(count: int, parts: int) -> list[tuple[int, int]]:
    ends = [count * part // parts for part in range(parts + 1)]
    return list(pairwise(ends))


def work(space: Space, material: Material, stack: Stack) -> float:
    """Estimate what a stack costs.

    Parameters
    ----------
    space, material
        What its numbers stand for.
    stack
        Networks.

    Returns
    -------
    float
        Seconds of one core of the machine that the numbers were measured on (an EPYC of 2024); elsewhere ratios.
    """
    hidden, batch = space.trajectories[stack.jobs[0][1]][:2]
    _, lag, feature = material.x.shape
    steps = sum(-(-material.folds[fold].training.size // batch) for fold, _ in stack.jobs)
    weights = (feature + hidden + 1) * 4 * hidden
    products = 6 * batch * lag * weights / 8e10
    elementwise = batch * lag * (1.2e-7 + 3e-9 * hidden)
    update = 3e-6 + 3.5e-9 * weights
    return float(stack.epochs * steps * (products + elementwise + update))
