"""Training many small networks at once; each one as if it were alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from xnee.models.lstm import LSTMSpec, forward, initial_weights
from xnee.models.scaling import Scaler

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

    def __post_init__(self) -> None:
        """Check ranges."""
        positive = min(self.epochs, self.batch, self.learning_rate, self.delta, self.clip) > 0
        known = self.loss in _LOSSES and self.schedule in _SCHEDULES
        whole = isinstance(self.epochs, int) and isinstance(self.batch, int)
        if not (positive and whole and known) or self.weight_decay < 0:
            msg = (
                "training needs positive settings, whole epochs and batch, weight_decay >= 0, a loss of "
                f"{_LOSSES} and a schedule of {_SCHEDULES}; got {self}."
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
    """

    samples: NDArray[np.int64]
    scaler: Scaler
    seed: int
    network: LSTMSpec
    training: FitSpec


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

    The networks differ in nothing but what their jobs say: training one alone gives the same weights, to rounding.
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
        Called with the number of epochs done and the weights as they are (do not keep them: they move on).

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
    network, training = jobs[0].network, jobs[0].training
    data = [_scaled(x, y, weight, job, device) for job in jobs]
    weights = initial_weights(network, x.shape[-1], seeds=[job.seed for job in jobs])
    weights = {name: value.to(device).requires_grad_() for name, value in weights.items()}
    steps = [-(-len(job.samples) // training.batch) for job in jobs]
    optimiser = _Adam(weights, jobs, steps)
    rngs = [torch.Generator().manual_seed(job.seed + 1) for job in jobs]
    for epoch in range(training.epochs):
        for xb, yb, wb, keep in _batches(data, rngs, steps, jobs):
            error = forward(weights, xb, keep=keep) - yb
            loss = (_loss(error, training) * wb).sum(1) / wb.sum(1).clamp_min(1e-12)
            optimiser.step(torch.autograd.grad(loss.sum(), list(weights.values())), active=wb.sum(1) > 0)
        if on_epoch is not None:
            on_epoch(epoch + 1, weights)
    return {name: value.detach().cpu().numpy() for name, value in weights.items()}


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
    share = (weight[job.samples] / weight[job.samples].mean()).astype("f4")
    parts = (np.concatenate([part, np.zeros_like(part[:1])]) for part in (features, target, share))
    first, second, third = (torch.from_numpy(part).to(device) for part in parts)
    return first, second, third


def _batches(
    data: Sequence[_Rows], rngs: Sequence[torch.Generator], steps: Sequence[int], jobs: Sequence[Job]
) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor | None]]:
    """Shuffle an epoch, and yield one batch of every network at a time.

    A network with fewer windows than others idles on empty rows at the end. All of an epoch is gathered at once:
    picking rows step by step would cost more than the arithmetic of small networks.
    """
    size, hidden = jobs[0].training.batch, jobs[0].network.hidden
    orders, masks = [], []
    drop = any(job.network.dropout for job in jobs)
    for (_, y, _), rng, n, job in zip(data, rngs, steps, jobs, strict=True):
        order = torch.full((max(steps) * size,), len(y) - 1)
        order[: len(y) - 1] = torch.randperm(len(y) - 1, generator=rng)
        orders.append(order.to(y.device))
        if drop:
            mask = torch.ones(max(steps), size, hidden)
            if job.network.dropout:
                kept = torch.rand(n, size, hidden, generator=rng) >= job.network.dropout
                mask[:n] = kept / (1 - job.network.dropout)
            masks.append(mask.to(y.device))
    x, y, w = (torch.stack([part[k][o] for part, o in zip(data, orders, strict=True)]) for k in range(3))
    keep = torch.stack(masks) if drop else None
    for step in range(max(steps)):
        rows = slice(step * size, (step + 1) * size)
        yield x[:, rows], y[:, rows], w[:, rows], None if keep is None else keep[:, step]


def _loss(error: Tensor, training: FitSpec) -> Tensor:
    if training.loss == "squared":
        return error**2
    return torch.nn.functional.huber_loss(error, torch.zeros_like(error), reduction="none", delta=training.delta)


class _Adam:
    """AdamW with clipping for a stack: every network has its own norm, step count, step size and decay."""

    def __init__(self, weights: Mapping[str, Tensor], jobs: Sequence[Job], steps: Sequence[int]) -> None:
        self.weights, self.spec = list(weights.values()), jobs[0].training
        device = self.weights[0].device
        self.first = [torch.zeros_like(value) for value in self.weights]
        self.second = [torch.zeros_like(value) for value in self.weights]
        self.count = torch.zeros(len(jobs), device=device)
        self.total = torch.tensor([self.spec.epochs * n for n in steps], device=device)
        self.rate = torch.tensor([job.training.learning_rate for job in jobs], device=device)
        self.decay = torch.tensor([job.training.weight_decay for job in jobs], device=device)

    @torch.no_grad()
    def step(self, gradients: Sequence[Tensor], *, active: Tensor) -> None:
        """Move the networks that are active; the others stay exactly as they are."""
        on = active.float()
        self.count += on
        norm = torch.stack([(g**2).flatten(1).sum(1) if g.dim() > 1 else g**2 for g in gradients]).sum(0).sqrt()
        clip = (self.spec.clip / norm.clamp_min(1e-12)).clamp_max(1.0)
        rate = on * self.rate
        if self.spec.schedule == "cosine":
            rate = rate * 0.5 * (1 + torch.cos(torch.pi * (self.count - 1).clamp_min(0) / self.total))
        done = self.count.clamp_min(1)
        unbias1, unbias2 = 1 - 0.9**done, (1 - 0.999**done).sqrt()
        for w, g, m, v in zip(self.weights, gradients, self.first, self.second, strict=True):
            column = (-1,) + (1,) * (w.dim() - 1)  # one value a network
            g = g * clip.view(column)
            m.lerp_(g, (0.1 * on).view(column).expand_as(m))
            v.lerp_(g.square(), (0.001 * on).view(column).expand_as(v))
            w.mul_(1 - (rate * self.decay).view(column))
            w.addcdiv_(m * (-rate * unbias2 / unbias1).view(column), v.sqrt().add_((1e-8 * unbias2).view(column)))
