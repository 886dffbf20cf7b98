"""Training many small networks at once; each one as if it were alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from xnee.models.lstm import LSTMSpec, initial_weights
from xnee.models.scaling import Scaler
from xnee.models.stack import Adam, Stack

__all__ = ["FitSpec", "Job", "check_device", "threads", "train"]

_LOSSES = ("huber", "squared")
_SCHEDULES = ("cosine", "constant")


@dataclass(frozen=True, kw_only=True)
class FitSpec:
    """How networks are trained.

    Parameters
    ----------
    epochs
        Passes over the training windows.
    batch
        Windows in a step.
    learning_rate
        Step size of Adam at the start.
    schedule
        ``"cosine"``: the step size falls to zero along half a cosine over all steps; ``"constant"``: it stays, so
        that one training can be read at several numbers of epochs.
    weight_decay
        Decoupled weight decay (AdamW: Loshchilov and Hutter 2019) by step, times the learning rate.
    loss
        ``"huber"``: squared up to `delta` and linear beyond, so that a few odd months do not steer the network;
        or ``"squared"``.
    delta
        Where the Huber loss turns linear, in standard deviations of the training NEE.
    clip
        Largest norm of a network's gradient.
    patience
        Early stopping, off by default: the last fifth of each site's training windows is set aside, and of every
        network the weights are kept that did best there; training ends when none has for so many epochs.

    Raises
    ------
    ValueError
        If a value is out of range, or the loss or the schedule is unknown.
    """

    epochs: int = 60
    batch: int = 32
    learning_rate: float = 5e-3
    weight_decay: float = 1e-2
    loss: str = "huber"
    delta: float = 1.0
    clip: float = 1.0
    schedule: str = "cosine"
    patience: int | None = None

    def __post_init__(self) -> None:
        """Check ranges."""
        numbers = (self.epochs, self.batch, self.learning_rate, self.delta, self.clip, self.weight_decay)
        plain = all(isinstance(value, int | float) and np.isfinite(value) for value in numbers)
        positive = plain and min(numbers[:-1]) > 0 and self.weight_decay >= 0
        known = self.loss in _LOSSES and self.schedule in _SCHEDULES
        whole = isinstance(self.epochs, int) and isinstance(self.batch, int)
        patient = self.patience is None or (isinstance(self.patience, int) and self.patience > 0)
        if not (positive and whole and known and patient):
            msg = (
                "training needs positive, finite settings, whole epochs, batch and patience, weight_decay >= 0, a loss "
                f"of {_LOSSES} and a schedule of {_SCHEDULES}; got {self}."
            )
            raise ValueError(msg)


@dataclass(frozen=True)
class Job:
    """One network to train.

    Parameters
    ----------
    samples
        Row numbers of the training windows.
    scaler
        Scales learned from these rows.
    seed
        Decides first weights, batch order and dropout.
    network, training
        Its shape and settings.
    start
        Weights to start from, one network's as of `xnee.models.lstm.initial_weights` without the network axis; by
        default they are drawn.
    share
        Factor on the weight of each of its windows; by default 1.
    """

    samples: NDArray[np.int64]
    scaler: Scaler
    seed: int
    network: LSTMSpec
    training: FitSpec
    start: Mapping[str, NDArray[np.float32]] | None = None
    share: NDArray[np.floating] | None = None


def check_device(device: str) -> None:
    """Refuse a device that is not there.

    Parameters
    ----------
    device
        ``"cpu"``, ``"cuda"`` or ``"cuda:1"``.

    Raises
    ------
    ValueError
        If the name is another, or torch sees no such device.
    """
    kind, _, number = device.partition(":")
    count = torch.cuda.device_count()
    if not (device == "cpu" or (kind == "cuda" and (number or "0").isdigit() and int(number or 0) < count)):
        msg = f"device must be 'cpu', or 'cuda' where torch sees a GPU (it sees {count}); got {device!r}."
        raise ValueError(msg)


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Use a number of threads for tensors inside the block, then restore what was set before.

    Parameters
    ----------
    count
        Threads for one tensor operation, in the calling thread.

    Yields
    ------
    None
        Nothing; the setting holds inside the block.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def train(
    x: NDArray[np.floating],
    y: NDArray[np.floating],
    jobs: Sequence[Job],
    *,
    weight: NDArray[np.floating],
    device: str = "cpu",
    on_epoch: Callable[[int, Mapping[str, Tensor]], object] | None = None,
) -> dict[str, NDArray[np.float32]]:
    """Train one network a job, all of them side by side.

    The networks differ in nothing but what their jobs say: training one alone gives the same weights, to the last bit.
    One that diverges does not disturb its neighbours.

    Parameters
    ----------
    x
        Features of all windows, ``(sample, lag, feature)``, not scaled.
    y
        NEE, ``(sample,)``, g C m-2 month-1.
    jobs
        One a network. They share hidden units, epochs, batch, loss, schedule and clip; the rest may differ.
    weight
        ``(sample,)``, weight of a window in the loss.
    device
        Where tensors live, ``"cpu"`` or ``"cuda"``.
    on_epoch
        Called with the number of epochs done and the weights as they are (do not keep them: they move on). If it
        returns True, training ends.

    Returns
    -------
    dict
        Trained weights as of `xnee.models.lstm.initial_weights`, on the CPU, networks in the order of `jobs`. Those
        of a network that diverged are not finite.

    Raises
    ------
    ValueError
        If the jobs do not share what a stack must share.
    """
    _check_alike(jobs)
    # the longest first, so that networks that still have windows are always the first ones
    chosen = sorted(range(len(jobs)), key=lambda k: -len(jobs[k].samples))
    back = None if chosen == list(range(len(jobs))) else torch.tensor(np.argsort(chosen))
    spare = _spare(jobs)
    jobs = [jobs[k] for k in (*chosen, *chosen[-1:] * spare)]
    training, batch = jobs[0].training, jobs[0].training.batch
    steps = [-(-len(job.samples) // batch) for job in jobs]
    active = [sum(n > step for n in steps[: len(steps) - spare]) for step in range(steps[0])]
    with torch.inference_mode():
        data = [_scaled(x, y, weight, job, device) for job in jobs]
        weights = initial_weights(jobs[0].network, x.shape[-1], seeds=[job.seed for job in jobs])
        for number, job in enumerate(jobs):
            for name, value in (job.start or {}).items():
                weights[name][number] = torch.as_tensor(value)
        stack = Stack({name: value.to(device) for name, value in weights.items()}, months=x.shape[1], batch=batch)
        adam = _adam(stack, jobs, steps)
        rngs = [torch.Generator().manual_seed(job.seed + 1) for job in jobs]
        for epoch in range(training.epochs):
            xs, ys, ws, masks = _shuffled(data, rngs, jobs)
            for step, count in enumerate(active):
                rows = slice(max(count + spare, 2)), step
                share = ws[rows] / ws[rows].sum(1, keepdim=True).clamp_min(1e-12)
                keep = None if masks is None else masks[rows]
                slope = _slope(stack.run(xs[rows], keep=keep) - ys[rows], training)
                stack.differentiate(slope * share, keep=keep)
                adam.step(count)
            if on_epoch is not None and on_epoch(epoch + 1, _in_order(stack, len(chosen), back)) is True:
                break
        return {name: value.cpu().numpy() for name, value in _in_order(stack, len(chosen), back).items()}


def _spare(jobs: Sequence[Job]) -> int:
    """Count the idle networks at a stack's end that keep rounding the same whatever the stack.

    torch treats one matrix alone, and the last up to 31 numbers of a tensor, by other code than the rest.
    """
    size = jobs[0].training.batch * jobs[0].network.hidden
    return -(-32 // size) if size % 32 else int(len(jobs) == 1)


def _in_order(stack: Stack, count: int, back: Tensor | None) -> dict[str, Tensor]:
    weights = stack.weights()
    chosen = slice(count) if back is None else back
    return {name: value[chosen] for name, value in weights.items()}


def _adam(stack: Stack, jobs: Sequence[Job], steps: Sequence[int]) -> Adam:
    def row(values: list[float]) -> Tensor:
        return torch.tensor(values, device=stack.top.device, dtype=torch.float64)

    training = jobs[0].training
    return Adam(
        stack,
        rate=row([job.training.learning_rate for job in jobs]),
        decay=row([job.training.weight_decay for job in jobs]),
        total=row([float(training.epochs * n) for n in steps]) if training.schedule == "cosine" else None,
        clip=training.clip,
    )


def _check_alike(jobs: Sequence[Job]) -> None:
    shared = ("epochs", "batch", "loss", "delta", "schedule", "clip")
    kinds = {(job.network.hidden, *(getattr(job.training, name) for name in shared)) for job in jobs}
    if len(kinds) != 1:
        msg = f"networks of one stack must share hidden, {', '.join(shared)}; got {sorted(kinds)}. Train them apart."
        raise ValueError(msg)


_Rows = tuple[Tensor, Tensor, Tensor]


def _scaled(
    x: NDArray[np.floating], y: NDArray[np.floating], weight: NDArray[np.floating], job: Job, device: str
) -> _Rows:
    """Features, target and weight of a job's windows on its own scale, with one empty row for padding at the end."""
    features = job.scaler.features(x[job.samples])
    target = ((y[job.samples] - job.scaler.target_mean) / job.scaler.target_std).astype("f4")
    own = weight[job.samples] * (1.0 if job.share is None else job.share)
    share = (own / own.mean()).astype("f4")
    parts = (np.concatenate([part, np.zeros_like(part[:1])]) for part in (features, target, share))
    first, second, third = (torch.from_numpy(part).to(device) for part in parts)
    return first, second, third


def _shuffled(
    data: Sequence[_Rows], rngs: Sequence[torch.Generator], jobs: Sequence[Job]
) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """Shuffle an epoch: features, target, weight and dropout mask of all its steps.

    Axes are network, step and window of the step (features: network, step, lag, window, feature); rows that a last
    step lacks are empty. All of an epoch is gathered at once: picking rows step by step would cost more than the
    arithmetic of small networks.
    """
    size, hidden = jobs[0].training.batch, jobs[0].network.hidden
    most = max(-(-len(job.samples) // size) for job in jobs)
    x, y, _ = data[0]
    xs = x.new_empty(len(jobs), most * size, *x.shape[1:])
    ys, ws = (y.new_empty(len(jobs), most * size) for _ in range(2))
    keep = y.new_ones(len(jobs), most, size, hidden) if any(job.network.dropout for job in jobs) else None
    for number, (rows, rng, job) in enumerate(zip(data, rngs, jobs, strict=True)):
        count = len(job.samples)
        order = torch.full((most * size,), count)
        order[:count] = torch.randperm(count, generator=rng)
        order = order.to(y.device)
        for part, into in zip(rows, (xs, ys, ws), strict=True):
            torch.index_select(part, 0, order, out=into[number])
        if keep is not None and job.network.dropout:
            kept = torch.rand(-(-count // size), size, hidden, generator=rng) >= job.network.dropout
            keep[number, : len(kept)] = kept / (1 - job.network.dropout)
    xs = xs.view(len(jobs), most, size, *x.shape[1:]).transpose(2, 3)
    return xs, ys.view(len(jobs), most, size), ws.view(len(jobs), most, size), keep


def _slope(error: Tensor, training: FitSpec) -> Tensor:
    """Differentiate the loss of each window in its output."""
    return 2 * error if training.loss == "squared" else error.clamp(-training.delta, training.delta)
