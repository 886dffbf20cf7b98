"""Training one stack and scoring it at every epoch count asked for: a pure function of plain arrays."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from xnee.models.lstm import forward_series
from xnee.models.scaling import Scaler
from xnee.models.search.folds import Fold, Material
from xnee.models.search.plan import Stack, job_seed
from xnee.models.search.space import Space, trajectory_specs
from xnee.models.training import FitSpec, Job, threads, train

__all__ = ["Result", "jobs_of", "run_stack", "validation_scores"]


@dataclass(frozen=True)
class Result:
    """Scores of the networks of a stack.

    Parameters
    ----------
    loss
        ``(network, epochs)``, weighted loss of the validation windows, in units of the training windows' deviation;
        infinite once a network has diverged, NaN where the stack was not trained so far.
    r2
        The same shape, R2 of the validation windows; minus infinity once diverged.
    seconds
        ``(epochs,)``, time of this thread from the start until then, by network.
    """

    loss: NDArray[np.float64]
    r2: NDArray[np.float64]
    seconds: NDArray[np.float64]


def jobs_of(material: Material, space: Space, stack: Stack, *, seed: int) -> list[Job]:
    """Write out the jobs of a stack.

    Parameters
    ----------
    material, space
        What the stack's numbers stand for.
    stack
        Networks.
    seed
        Seed of the search.

    Returns
    -------
    list of Job
        In the order of the stack, as `xnee.models.training.train` takes them.
    """
    scalers = {fold: _scaler(material, material.folds[fold]) for fold, _ in stack.jobs}
    jobs = []
    for number, trajectory in stack.jobs:
        fold, values = material.folds[number], space.trajectories[trajectory]
        network, training = trajectory_specs(values, epochs=stack.epochs, loss=space.loss)
        jobs.append(Job(fold.training, scalers[number], job_seed(seed, fold, values), network, training))
    return jobs


def _scaler(material: Material, fold: Fold) -> Scaler:
    return Scaler.of(material.x[fold.training], material.y[fold.training])


def run_stack(material: Material, space: Space, stack: Stack, *, seed: int, device: str = "cpu") -> Result:
    """Train a stack and score it after each number of epochs of the space.

    Parameters
    ----------
    material, space
        What the stack's numbers stand for.
    stack
        Networks.
    seed
        Seed of the search.
    device
        ``"cpu"`` or ``"cuda"``.

    Returns
    -------
    Result
        Small arrays. The same for the same arguments, wherever it runs on machines of a kind.
    """
    jobs = jobs_of(material, space, stack, seed=seed)
    shape = (len(jobs), len(space.epochs))
    loss, r2, seconds = np.full(shape, np.nan), np.full(shape, np.nan), np.full(shape[1], np.nan)
    clock = time.thread_time if device == "cpu" else time.perf_counter
    start = clock()
    parts = [(fold, len(list(group))) for fold, group in groupby(stack.jobs, key=lambda job: job[0])]

    def score(epoch: int, weights: Mapping[str, Tensor]) -> None:
        if epoch not in space.epochs:
            return
        column, first = space.epochs.index(epoch), 0
        for fold, count in parts:
            rows = slice(first, first + count)
            own = {name: value.detach()[rows] for name, value in weights.items()}
            scores = validation_scores(own, jobs[first], material, material.folds[fold].validation)
            loss[rows, column], r2[rows, column] = scores
            first += count
        seconds[column] = (clock() - start) / len(jobs)

    with threads(1):
        train(material.x, material.y, jobs, weight=material.weight, device=device, on_epoch=score)
    return Result(loss, r2, seconds)


def validation_scores(
    weights: Mapping[str, Tensor], job: Job, material: Material, rows: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Score networks of one fold on windows that they were not trained on.

    Parameters
    ----------
    weights
        As of `xnee.models.lstm.initial_weights`.
    job
        One of their jobs, for scales and loss.
    material
        All windows.
    rows
        Windows to score.

    Returns
    -------
    tuple of numpy.ndarray
        Loss and R2, ``(network,)``; infinite and minus infinite for a network that has diverged.
    """
    # torch treats one matrix alone, and the last up to 31 numbers of a tensor, by other code with other rounding: a
    # second network and empty windows see to it that a score does not depend on what is scored beside it
    count, windows = len(weights["offset"]), len(rows)
    if count == 1:
        weights = {name: torch.cat([value, value]) for name, value in weights.items()}
    features = np.pad(job.scaler.features(material.x[rows]), ((0, -windows % 32), (0, 0), (0, 0)))
    x = torch.from_numpy(features).to(weights["offset"].device)
    with torch.inference_mode():
        scaled = forward_series(weights, x[None], x.shape[1])[:count, :windows, 0].cpu().numpy().astype("f8")
    observed, share = material.y[rows], material.weight[rows] / material.weight[rows].sum()
    error = scaled - (observed - job.scaler.target_mean) / job.scaler.target_std
    with np.errstate(over="ignore", invalid="ignore"):
        loss = (_loss(error, job.training) * share).sum(1)
        squares = ((error * job.scaler.target_std) ** 2).sum(1)
    total = ((observed - observed.mean()) ** 2).sum()
    r2 = 1 - squares / total if total > 0 else np.full(len(loss), np.nan)
    diverged = ~np.isfinite(loss)
    return np.where(diverged, np.inf, loss), np.where(diverged, -np.inf, r2)


def _loss(error: NDArray[np.float64], training: FitSpec) -> NDArray[np.float64]:
    """Loss of each window, as training takes it; here in double precision."""
    if training.loss == "squared":
        return error**2
    size = np.abs(error)
    return np.where(size <= training.delta, 0.5 * error**2, training.delta * (size - 0.5 * training.delta))
