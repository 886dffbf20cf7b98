"""Training the ensembles of one or many training sets, stacks of networks side by side on the cores of the machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import xarray as xr
from dask.system import CPU_COUNT
from numpy.typing import NDArray
from torch import Tensor

from xnee.models.approach import Approach
from xnee.models.bars import Bar
from xnee.models.model import Ensemble
from xnee.models.scaling import Inputs, Scaler, window_features
from xnee.models.stopping import BestWeights
from xnee.models.training import Job, check_device, threads, train
from xnee.models.training_set import temporal_split
from xnee.pft import PFTS
from xnee.variables import TARGET, labels

__all__ = ["cores", "fit_ensembles", "window_weight"]

_MODEL_ERROR = 20.0
"""g C m-2 month-1: about the error of such models at known towers; only its ratio to NEE_SE matters."""
_SET_ASIDE = 0.2
"""Share of each site's training windows, the last ones, that early stopping watches."""
_STACK = 20
"""Networks that train as one stack at most."""


_Key = tuple[int, Approach, str | None]


@dataclass(frozen=True)
class _Set:
    """Windows that one ensemble learns from."""

    mask: int
    approach: Approach
    pft: str | None
    """None: all types."""
    rows: NDArray[np.int64]
    start: Ensemble | None = None

    def work(self) -> int:
        """Count the windows that one network sees."""
        way = self.approach.settled(self.rows.size)
        training = way.tuning if way.strategy == "fine-tuned" else way.training
        assert training is not None
        return training.epochs * self.rows.size

    @property
    def settled(self) -> Approach:
        """The approach with all settings; fine-tuned networks keep those of the pooled ones that they start from."""
        if self.start:
            way = replace(self.approach, training=self.start.approach.training)
            return way.settled(self.rows.size)
        return self.approach.settled(self.rows.size)


def fit_ensembles(
    samples: xr.Dataset,
    masks: Sequence[NDArray[np.bool_]],
    approaches: Sequence[Mapping[str, Approach]],
    *,
    members: int,
    seed: int,
    min_windows: int,
    bootstrap: bool = True,
    device: str = "cpu",
    progress: str = "",
) -> list[dict[str, Ensemble]]:
    """Train the ensembles of several training sets (one, or the folds of a cross-validation) side by side.

    Parameters
    ----------
    samples
        Windows of all sites, as of `xnee.windows`.
    masks
        One a training set: ``(sample,)``, True for training.
    approaches
        For each mask, the types that will be predicted, and how. What no type needs is not trained.
    members, seed, min_windows, bootstrap, device
        As of `fit`.
    progress
        Name of a bar on standard error; none without.

    Returns
    -------
    list of dict
        For each mask, ensembles by PFT; types that share networks hold the same object.

    Raises
    ------
    ValueError
        If `members` or `device` is wrong or a mask keeps nothing.
    FloatingPointError
        If a network's weights are no longer finite.
    """
    if isinstance(members, bool) or not isinstance(members, int | np.integer) or members < 1:
        msg = f"members must be at least 1, a whole number; got {members!r}."
        raise ValueError(msg)
    check_device(device)
    if not all(mask.any() for mask in masks):
        msg = "a training set is empty: every window is held out. Lower test_fraction or use fewer folds."
        raise ValueError(msg)
    settings: dict[str, Any] = {"seed": int(seed), "min_windows": min_windows, "bootstrap": bootstrap}
    trainer = _Trainer(samples, members=int(members), device=device, **settings)
    plans = [
        {pft: _feasible(trainer, mask, pft, way) for pft, way in wanted.items()}
        for mask, wanted in zip(masks, approaches, strict=True)
    ]
    # candidates for one training set come with the same mask: what they share is trained once
    numbers = [next(k for k, other in enumerate(masks) if other is mask) for mask in masks]
    first: dict[_Key, _Set] = {}
    second: dict[_Key, _Set] = {}
    for number, mask, plan in zip(numbers, masks, plans, strict=True):
        for pft, way in plan.items():
            own = np.flatnonzero(mask & (trainer.pft == pft))
            pooled = way.pooled() if way.strategy == "fine-tuned" else way
            if pooled.strategy == "pooled":
                first[number, pooled, None] = _Set(number, pooled, None, np.flatnonzero(mask))
            if way.strategy != "pooled":
                (first if way.strategy == "per-pft" else second)[number, way, pft] = _Set(number, way, pft, own)
    with Bar(progress, total=members * sum(one.work() for one in (*first.values(), *second.values()))) as bar:
        found = trainer.run(list(first.values()), bar)
        tuned = [replace(one, start=found[one.mask, one.approach.pooled(), None]) for one in second.values()]
        found |= trainer.run(tuned, bar)
    return [
        {pft: found[number, way, None if way.strategy == "pooled" else pft] for pft, way in plan.items()}
        for number, plan in zip(numbers, plans, strict=True)
    ]


def _feasible(trainer: _Trainer, mask: NDArray[np.bool_], pft: str, way: Approach) -> Approach:
    """Give the pooled approach where a type has too few windows for networks of its own."""
    enough = int((mask & (trainer.pft == pft)).sum()) >= trainer.min_windows
    return way if enough or way.strategy == "pooled" else way.pooled()


class _Trainer:
    """Windows as arrays, and how to train on them."""

    def __init__(
        self, samples: xr.Dataset, *, members: int, seed: int, min_windows: int, bootstrap: bool, device: str
    ) -> None:
        self.samples, self.min_windows, self.device = samples, min_windows, device
        self.drivers = tuple(labels(samples["driver"]).tolist())
        self.y, self.site, self.pft = samples[TARGET].to_numpy(), labels(samples["site"]), labels(samples["pft"])
        self.seeds = [seed * 1000 + member for member in range(members)]
        self.bootstrap = bootstrap and members > 1
        self._features: dict[Inputs, NDArray[np.floating]] = {}

    def inputs(self, way: Approach) -> Inputs:
        """Tell what networks of an approach read."""
        return Inputs(drivers=self.drivers, context=way.context, pft=way.reads_pft)

    def features(self, inputs: Inputs) -> NDArray[np.floating]:
        """All windows as these inputs see them, made once."""
        if inputs not in self._features:
            self._features[inputs] = window_features(self.samples, inputs)
        return self._features[inputs]

    def run(self, sets: Sequence[_Set], bar: Bar) -> dict[_Key, Ensemble]:
        """Train the ensemble of each set, and move the bar.

        One thread a stack, one stack a core: the tensors are small, and threads that wait for each other inside each
        operation are slower than one alone as soon as anything else runs on the machine.
        """
        for one in sets:
            self.features(self.inputs(one.approach))  # before threads ask for them
        result: dict[_Key, Ensemble] = {}
        with ThreadPoolExecutor(1 if self.device != "cpu" else cores()) as pool:
            stacks = _stacks(sets, len(self.seeds))
            for stack, ensembles in zip(stacks, pool.map(partial(self._train, bar=bar), stacks), strict=True):
                result |= {(s.mask, s.approach, s.pft): e for s, e in zip(stack, ensembles, strict=True)}
        return result

    def _train(self, stack: list[_Set], *, bar: Bar) -> list[Ensemble]:
        inputs, members = self.inputs(stack[0].approach), len(self.seeds)
        x = self.features(inputs)
        scalers = [one.start.scaler if one.start else self._scaler(inputs, one.rows) for one in stack]
        jobs = [job for one, scaler in zip(stack, scalers, strict=True) for job in self._jobs(one, scaler)]
        with threads(1):
            trained = self._trained(x, jobs, bar)
        _check_finite(trained, jobs)
        parts = [{key: w[k : k + members] for key, w in trained.items()} for k in range(0, len(jobs), members)]
        return [
            Ensemble(
                weights, scaler, inputs, one.settled, one.rows.size, tuple(np.unique(self.site[one.rows]).tolist())
            )
            for one, weights, scaler in zip(stack, parts, scalers, strict=True)
        ]

    def _scaler(self, inputs: Inputs, rows: NDArray[np.int64]) -> Scaler:
        """Learn scales; a type of few windows is no input, as one that training never saw."""
        scaler = Scaler.of(self.features(inputs)[rows], self.y[rows])
        if inputs.pft:
            few = [int((self.pft[rows] == name).sum()) < self.min_windows for name in PFTS]
            scaler.std[-len(PFTS) :][few] = np.inf
        return scaler

    def _trained(self, x: NDArray[np.floating], jobs: list[Job], bar: Bar) -> dict[str, NDArray[np.float32]]:
        """Train to the end, or until nothing gets better on windows set aside."""
        patience, an_epoch = jobs[0].training.patience, sum(job.samples.size for job in jobs)

        def done(_epoch: int, _weights: Mapping[str, Tensor]) -> None:
            bar.move(an_epoch)

        if patience is None:
            return train(x, self.y, jobs, weight=np.ones(self.y.size), device=self.device, on_epoch=done)
        learned = [temporal_split(self.samples.isel(sample=job.samples), _SET_ASIDE) for job in jobs]
        watched = [
            job.samples[~keep] if (~keep).any() else job.samples for job, keep in zip(jobs, learned, strict=True)
        ]
        jobs = [
            replace(job, samples=job.samples[keep], share=np.asarray(job.share)[keep])
            for job, keep in zip(jobs, learned, strict=True)
        ]
        best = BestWeights(x, self.y, jobs, watched, patience=patience)
        train(x, self.y, jobs, weight=np.ones(self.y.size), device=self.device, on_epoch=best)
        bar.move(an_epoch * jobs[0].training.epochs)  # at once: when it stops is not known before
        return best.weights

    def _jobs(self, one: _Set, scaler: Scaler) -> list[Job]:
        way = one.settled
        training = way.tuning if one.start else way.training
        assert training is not None
        weight = window_weight(self.samples.isel(sample=one.rows))  # of these windows alone, none that is held out
        return [
            Job(
                one.rows,
                scaler,
                seed,
                way.network,
                training,
                start={key: value[k] for key, value in one.start.weights.items()} if one.start else None,
                share=weight * self._draw(one.rows, seed) if self.bootstrap else weight,
            )
            for k, seed in enumerate(self.seeds)
        ]

    def _draw(self, rows: NDArray[np.int64], seed: int) -> NDArray[np.float64]:
        """Draw a weight for each site, the same for a site in every set (Bayesian bootstrap, Rubin 1981).

        Drawing sites with replacement would leave every third one out of a member: where a type has two that is no
        spread but another model, and known towers were predicted worse (R2 0.80 instead of 0.84 on 67 of them).
        """
        names, inverse = np.unique(self.site[rows], return_inverse=True)
        drawn = [np.random.default_rng([seed, *name.encode()]).exponential() for name in names]
        return np.array(drawn)[inverse]


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
    return int(CPU_COUNT)


def _stacks(sets: Sequence[_Set], members: int) -> list[list[_Set]]:
    """Put training sets of like size that train alike into stacks, the largest first.

    In one stack the small sets idle while the large ones finish an epoch; a stack too tall falls out of the cache.
    """
    stacks: list[list[_Set]] = []
    for one in sorted(sets, key=lambda item: (repr(item.settled), -item.rows.size)):
        last = stacks[-1] if stacks else None
        alike = last and one.settled == last[0].settled and one.rows.size > 0.75 * last[0].rows.size
        if last and alike and (len(last) + 1) * members <= _STACK:
            last.append(one)
        else:
            stacks.append([one])
    return sorted(stacks, key=lambda stack: -stack[0].rows.size)


def window_weight(samples: xr.Dataset) -> NDArray[np.float64]:
    """Weigh windows for the loss.

    One over the root of its site's number of windows, so that long records do not rule; times the share of the
    model's own error in the total error variance, so that a month that is badly known counts less. A month without
    a standard error takes the median of those that have one. Where no month has one, the share of the month that was
    measured (``NEE_QC``) is the weight, at least a tenth.

    Parameters
    ----------
    samples
        Windows with coordinate ``site`` and, where known, ``NEE_SE (sample)`` in g C m-2 month-1 or ``NEE_QC
        (sample)``, 0 to 1.

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
            return np.asarray(weight / (1 + (error / _MODEL_ERROR) ** 2))
    if f"{TARGET}_QC" in samples:
        share = samples[f"{TARGET}_QC"].to_numpy()
        weight = weight * np.clip(np.where(np.isfinite(share), share, 1), 0.1, 1)
    return np.asarray(weight)
