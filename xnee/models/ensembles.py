"""Training the ensembles of one or many training sets, stacks of networks side by side on the cores of the machine."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xnee.models.lstm import LSTMSpec
from xnee.models.model import POOLED, Ensemble
from xnee.models.scaling import Scaler, encode
from xnee.models.training import FitSpec, Job, check_device, threads, train
from xnee.pft import PFTS
from xnee.variables import TARGET

__all__ = ["cores", "fit_ensembles", "window_weight"]

_Set = tuple[int, str, NDArray[np.int64]]
"""Number of the mask, name of the ensemble, rows of its training windows."""
_MODEL_ERROR = 20.0
"""g C m-2 month-1: about the error of such models at known towers; only its ratio to NEE_SE matters."""
_STACK = 20
"""Networks that train as one stack at most."""


def fit_ensembles(
    samples: xr.Dataset,
    masks: Sequence[NDArray[np.bool_]],
    *,
    members: int,
    seed: int,
    strategy: str,
    min_windows: int,
    network: LSTMSpec,
    training: FitSpec,
    device: str = "cpu",
    needed: Sequence[Iterable[str]] | None = None,
) -> list[dict[str, Ensemble]]:
    """Train the ensembles of several training sets (one, or the folds of a cross-validation) side by side.

    Parameters
    ----------
    samples
        Windows of all sites.
    masks
        One a training set: ``(sample,)``, True for training.
    members, seed, strategy, min_windows, network, training, device
        As of `fit`.
    needed
        For each mask, the types that will be predicted; by default all five. What no type needs is not trained.

    Returns
    -------
    list of dict
        For each mask, ensembles by PFT name or ``"pooled"``.

    Raises
    ------
    ValueError
        If `members`, `strategy` or `device` is wrong or a mask keeps nothing.
    FloatingPointError
        If a network's weights are no longer finite.
    """
    if members < 1 or strategy not in ("per-pft", POOLED):
        msg = f"members must be at least 1 and strategy 'per-pft' or 'pooled', got {members} and {strategy!r}."
        raise ValueError(msg)
    check_device(device)
    seed = int(seed)  # torch takes no numpy integer
    x = encode(samples["x"].to_numpy(), samples["driver"].to_numpy().tolist())
    y, site = samples[TARGET].to_numpy(), samples["site"].to_numpy()
    sets = [
        (number, name, rows)
        for number, mask in enumerate(masks)
        for name, rows in _training_sets(
            samples["pft"].to_numpy(), mask, strategy, min_windows, PFTS if needed is None else needed[number]
        ).items()
    ]
    weight = window_weight(samples)

    def train_stack(stack: list[_Set]) -> list[tuple[int, str, Ensemble]]:
        scalers = [Scaler.of(x[rows], y[rows]) for _, _, rows in stack]
        seeds = [seed * 1000 + member for member in range(members)]
        jobs = [
            Job(one[2], scaler, k, network, training) for one, scaler in zip(stack, scalers, strict=True) for k in seeds
        ]
        with threads(1):
            trained = train(x, y, jobs, weight=weight, device=device)
        _check_finite(trained, jobs)
        parts = [{key: w[k : k + members] for key, w in trained.items()} for k in range(0, len(jobs), members)]
        return [
            (number, name, Ensemble(weights, scaler, rows.size, tuple(np.unique(site[rows]).tolist())))
            for (number, name, rows), weights, scaler in zip(stack, parts, scalers, strict=True)
        ]

    # One thread a stack, one stack a core: the tensors are small, and threads that wait for each other inside each
    # operation are slower than one alone as soon as anything else runs on the machine.
    result: list[dict[str, Ensemble]] = [{} for _ in masks]
    with ThreadPoolExecutor(1 if device != "cpu" else cores()) as pool:
        for number, name, ensemble in chain.from_iterable(pool.map(train_stack, _stacks(sets, members))):
            result[number][name] = ensemble
    return result


def _check_finite(weights: Mapping[str, NDArray[np.float32]], jobs: Sequence[Job]) -> None:
    for number, job in enumerate(jobs):
        if not all(np.isfinite(value[number]).all() for value in weights.values()):
            msg = (
                f"a network (seed {job.seed}, {len(job.samples)} windows) diverged: its weights are not finite. "
                "Lower the learning rate or the clip norm."
            )
            raise FloatingPointError(msg)


def cores() -> int:
    """Count the cores that this process may use; a cluster's scheduler may grant fewer than the node has.

    Returns
    -------
    int
        At least 1.
    """
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _training_sets(
    pft: NDArray[np.str_], mask: NDArray[np.bool_], strategy: str, min_windows: int, needed: Iterable[str]
) -> dict[str, NDArray[np.int64]]:
    """Rows to train on by ensemble name; the pooled one is there only if some type will need it."""
    if not mask.any():
        msg = "a training set is empty: every window is held out. Lower test_fraction or use fewer folds."
        raise ValueError(msg)
    sets = {}
    if strategy == "per-pft":
        sets = {name: np.flatnonzero(mask & (pft == name)) for name in needed}
        sets = {name: rows for name, rows in sets.items() if rows.size >= min_windows}
    if set(needed) - set(sets):
        sets[POOLED] = np.flatnonzero(mask)
    return sets


def _stacks(sets: list[_Set], members: int) -> list[list[_Set]]:
    """Put training sets of like size into stacks, the largest first.

    In one stack the small sets idle while the large ones finish an epoch; a stack too tall falls out of the cache.
    """
    stacks: list[list[_Set]] = []
    for one in sorted(sets, key=lambda item: -item[2].size):
        alike = stacks and one[2].size > 0.75 * stacks[-1][0][2].size
        if alike and (len(stacks[-1]) + 1) * members <= _STACK:
            stacks[-1].append(one)
        else:
            stacks.append([one])
    return stacks


def window_weight(samples: xr.Dataset) -> NDArray[np.float64]:
    """Weigh windows for the loss.

    One over the root of its site's number of windows, so that long records do not rule; times the share of the
    model's own error in the total error variance, so that a month that is badly known counts less. A month without
    a standard error takes the median of those that have one.

    Parameters
    ----------
    samples
        Windows with coordinate ``site`` and, where known, ``NEE_SE (sample)`` in g C m-2 month-1.

    Returns
    -------
    numpy.ndarray
        ``(sample,)``, above 0; only ratios matter.
    """
    _, inverse, count = np.unique(samples["site"].to_numpy(), return_inverse=True, return_counts=True)
    weight = 1 / np.sqrt(count[inverse])
    if f"{TARGET}_SE" in samples:
        error = samples[f"{TARGET}_SE"].to_numpy()
        if np.isfinite(error).any():
            error = np.where(np.isfinite(error), error, np.nanmedian(error))
            weight = weight / (1 + (error / _MODEL_ERROR) ** 2)
    return np.asarray(weight)
