"""Training many small networks at once; each one as if it were alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from xnee.models.lstm import LSTMSpec, forward, initial_weights
from xnee.models.scaling import Scaler

__all__ = ["FitSpec", "Job", "threads", "train"]

_LOSSES = ("huber", "squared")


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
        Step size of Adam at the start; it falls to zero along half a cosine over all steps.
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
        If a value is out of range or the loss is unknown.
    """

    epochs: int = 60
    batch: int = 32
    learning_rate: float = 5e-3
    weight_decay: float = 1e-2
    loss: str = "huber"
    delta: float = 1.0
    clip: float = 1.0

    def __post_init__(self) -> None:
        """Check ranges."""
        positive = min(self.epochs, self.batch, self.learning_rate, self.delta, self.clip) > 0
        if not positive or self.weight_decay < 0 or self.loss not in _LOSSES:
            msg = f"training needs positive settings, weight_decay >= 0 and a loss of {_LOSSES}; got {self}."
            raise ValueError(msg)


@dataclass(frozen=True)
class Job:
    """One network to train: on which samples, on which scale, from which seed.

    Parameters
    ----------
    samples
        Row numbers of the training windows.
    scaler
        Scales learned from these rows.
    seed
        Decides first weights, batch order and dropout.
    """

    samples: NDArray[np.int64]
    scaler: Scaler
    seed: int


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
    network: LSTMSpec,
    training: FitSpec,
    device: str = "cpu",
    on_epoch: Callable[[int], object] | None = None,
) -> dict[str, NDArray[np.float32]]:
    """Train one network a job, all of them side by side.

    The networks differ in nothing but their own samples, scales and seeds: training one alone gives the same
    weights, to rounding.

    Parameters
    ----------
    x
        Features of all windows, ``(sample, lag, feature)``, not scaled.
    y
        NEE, ``(sample,)``, g C m-2 month-1.
    jobs
        One a network.
    weight
        ``(sample,)``, weight of a window in the loss.
    network, training
        Shape and settings, shared by all jobs.
    device
        Where tensors live, ``"cpu"`` or ``"cuda"``.
    on_epoch
        Called with the number of the epoch that ended.

    Returns
    -------
    dict
        Trained weights as of `xnee.models.lstm.initial_weights`, on the CPU, networks in the order of `jobs`.

    Raises
    ------
    FloatingPointError
        If a network's weights are no longer finite; the message says which job.
    """
    data = [_scaled(x, y, weight, job, device) for job in jobs]
    weights = initial_weights(network, x.shape[-1], seeds=[job.seed for job in jobs])
    weights = {name: value.to(device).requires_grad_() for name, value in weights.items()}
    optimiser = _Adam(weights, training)
    steps = [-(-len(job.samples) // training.batch) for job in jobs]
    rngs = [torch.Generator().manual_seed(job.seed + 1) for job in jobs]
    for epoch in range(training.epochs):
        for xb, yb, wb, keep in _batches(data, rngs, steps, training.batch, network):
            predicted = forward(weights, xb, x.shape[1], keep=keep)[..., 0]
            loss = (_loss(predicted - yb, training) * wb).sum(1) / wb.sum(1).clamp_min(1e-12)
            gradients = torch.autograd.grad(loss.sum(), list(weights.values()))
            optimiser.step(gradients, active=wb.sum(1) > 0, total=[training.epochs * n for n in steps])
        if on_epoch is not None:
            on_epoch(epoch + 1)
    result = {name: value.detach().cpu().numpy() for name, value in weights.items()}
    _check_finite(result, jobs)
    return result


def _scaled(
    x: NDArray[np.floating], y: NDArray[np.floating], weight: NDArray[np.floating], job: Job, device: str
) -> tuple[Tensor, Tensor, Tensor]:
    """Features, target and weight of a job's windows on its own scale, with one empty row for padding at the end."""
    features = job.scaler.features(x[job.samples])
    target = ((y[job.samples] - job.scaler.target_mean) / job.scaler.target_std).astype("f4")
    padded = (np.concatenate([part, np.zeros_like(part[:1])]) for part in (features, target))
    share = np.append(weight[job.samples] / weight[job.samples].mean(), 0.0).astype("f4")
    return (*(torch.from_numpy(part).to(device) for part in padded), torch.from_numpy(share).to(device))  # type: ignore[return-value]


def _batches(
    data: Sequence[tuple[Tensor, Tensor, Tensor]],
    rngs: Sequence[torch.Generator],
    steps: Sequence[int],
    size: int,
    network: LSTMSpec,
) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor | None]]:
    """Yield one batch of every network at a time; a network with fewer windows idles on empty rows at the end."""
    orders, masks = [], []
    for (_, y, _), rng, n in zip(data, rngs, steps, strict=True):
        order = torch.full((max(steps) * size,), len(y) - 1)
        order[: len(y) - 1] = torch.randperm(len(y) - 1, generator=rng)
        orders.append(order.view(-1, size))
        if network.dropout:
            kept = torch.rand(n, size, network.hidden, generator=rng) >= network.dropout
            kept = torch.cat([kept, kept.new_ones(max(steps) - n, size, network.hidden)])
            masks.append(kept / (1 - network.dropout))
    for step in range(max(steps)):
        rows = [order[step].to(data[0][0].device) for order in orders]
        x, y, w = (torch.stack([part[k][r] for part, r in zip(data, rows, strict=True)]) for k in range(3))
        keep = torch.stack([mask[step] for mask in masks]).to(x.device) if masks else None
        yield x, y, w, keep


def _loss(error: Tensor, training: FitSpec) -> Tensor:
    if training.loss == "squared":
        return error**2
    return torch.nn.functional.huber_loss(error, torch.zeros_like(error), reduction="none", delta=training.delta)


class _Adam:
    """AdamW with clipping for a stack: every network has its own norm, its own step count and its own schedule."""

    def __init__(self, weights: dict[str, Tensor], spec: FitSpec) -> None:
        self.weights, self.spec = list(weights.values()), spec
        self.first = [torch.zeros_like(value) for value in self.weights]
        self.second = [torch.zeros_like(value) for value in self.weights]
        self.count = torch.zeros(len(self.weights[0]), device=self.weights[0].device)

    @torch.no_grad()
    def step(self, gradients: Sequence[Tensor], *, active: Tensor, total: Sequence[int]) -> None:
        """Move the networks that are active; the others stay exactly as they are."""
        spec, on = self.spec, active.float()
        self.count += on
        norm = torch.stack([(g**2).flatten(1).sum(1) if g.dim() > 1 else g**2 for g in gradients]).sum(0).sqrt()
        clip = (spec.clip / norm.clamp_min(1e-12)).clamp_max(1.0)
        progress = (self.count - 1).clamp_min(0) / torch.tensor(total, device=on.device)
        rate = on * spec.learning_rate * 0.5 * (1 + torch.cos(torch.pi * progress))
        unbias1, unbias2 = 1 - 0.9 ** self.count.clamp_min(1), 1 - 0.999 ** self.count.clamp_min(1)
        for w, g, m, v in zip(self.weights, gradients, self.first, self.second, strict=True):
            column = (-1,) + (1,) * (w.dim() - 1)  # one value a network
            g = g * clip.view(column)
            m.lerp_(g, (0.1 * on).view(column).expand_as(m))
            v.lerp_(g**2, (0.001 * on).view(column).expand_as(v))
            update = (m / unbias1.view(column)) / ((v / unbias2.view(column)).sqrt() + 1e-8)
            w -= rate.view(column) * (update + spec.weight_decay * w)


def _check_finite(weights: dict[str, NDArray[np.float32]], jobs: Sequence[Job]) -> None:
    for number, job in enumerate(jobs):
        if not all(np.isfinite(value[number]).all() for value in weights.values()):
            msg = (
                f"network {number} (seed {job.seed}, {len(job.samples)} windows) diverged: its weights are not "
                "finite. Lower the learning rate or the clip norm."
            )
            raise FloatingPointError(msg)
