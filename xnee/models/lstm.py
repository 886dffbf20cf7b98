"""A stack of equal LSTMs that run side by side: weights carry a leading network axis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

__all__ = ["LSTMSpec", "forward", "forward_series", "initial_weights"]

Weights = Mapping[str, Tensor]


@dataclass(frozen=True, kw_only=True)
class LSTMSpec:
    """The shape of one network.

    Parameters
    ----------
    hidden
        Units of the one LSTM layer.
    dropout
        Share of the last hidden state that is dropped in training, 0 to below 1.

    Raises
    ------
    ValueError
        If a value is out of range.
    """

    hidden: int = 32
    dropout: float = 0.1

    def __post_init__(self) -> None:
        """Check ranges."""
        if self.hidden < 1 or not 0 <= self.dropout < 1:
            msg = f"an LSTM needs hidden >= 1 and 0 <= dropout < 1, got {self}."
            raise ValueError(msg)


def initial_weights(spec: LSTMSpec, features: int, *, seeds: Sequence[int]) -> dict[str, Tensor]:
    """Draw the first weights of networks, each from its own seed.

    Uniform in plus and minus 1/sqrt(hidden), as `torch.nn.LSTM` and `torch.nn.Linear` draw them.

    Parameters
    ----------
    spec
        Shape of a network.
    features
        Columns that a network reads.
    seeds
        One a network; the same seed gives the same weights whatever stands beside it.

    Returns
    -------
    dict
        ``input (network, feature, 4 hidden)``, ``recurrent (network, hidden, 4 hidden)``,
        ``bias (network, 4 hidden)``, ``head (network, hidden)``, ``offset (network)``; gates in the order
        input, forget, cell, output.
    """
    h = spec.hidden
    shapes = {"input": (features, 4 * h), "recurrent": (h, 4 * h), "bias": (4 * h,), "head": (h,), "offset": ()}
    drawn = []
    for seed in seeds:
        generator = torch.Generator().manual_seed(seed)
        drawn.append({k: (torch.rand(s, generator=generator) * 2 - 1) / h**0.5 for k, s in shapes.items()})
    return {name: torch.stack([one[name] for one in drawn]) for name in shapes}


class _LastState(torch.autograd.Function):
    """Last hidden state of windows, with the backward pass written out.

    Automatic differentiation of the same loop pads every gate to full width and multiplies the recurrent gradient
    month by month. Here the gradients of all gates go into one buffer, so that each weight takes one batched product
    for all months. Equations as in torch.nn.LSTM. ``tanh(x)`` is taken as ``2 sigmoid(2x) - 1``: torch's sigmoid is
    several times as fast as its tanh on a CPU, and the factor 2 of the cell gate is in the weights already.
    """

    @staticmethod
    def forward(ctx: Any, projected: Tensor, recurrent: Tensor) -> Tensor:
        """Take ``(month, network, sample, 4 hidden)``, which it overwrites, and ``(network, hidden, 4 hidden)``."""
        hidden = recurrent.shape[1]
        gates = projected
        cells = gates.new_empty(*gates.shape[:3], hidden)
        squashed, states = torch.empty_like(cells), torch.empty_like(cells)
        for month, z in enumerate(gates):
            if month:
                torch.baddbmm(z, states[month - 1], recurrent, out=z)
            i, f, g, o = z.sigmoid_().chunk(4, -1)
            torch.mul(i, g.mul_(2).sub_(1), out=cells[month])
            if month:
                cells[month].addcmul_(f, cells[month - 1])
            torch.mul(cells[month], 2, out=squashed[month]).sigmoid_().mul_(2).sub_(1)
            torch.mul(o, squashed[month], out=states[month])
        ctx.save_for_backward(gates, cells, squashed, states, recurrent)
        return states[-1].clone()

    @staticmethod
    def backward(ctx: Any, *outputs: Tensor) -> tuple[Tensor, Tensor]:
        """Give the gradients of the projection and of the recurrent weights."""
        gates, cells, squashed, states, recurrent = ctx.saved_tensors
        network, hidden, _ = recurrent.shape
        (dh,), dc = outputs, torch.zeros_like(cells[0])
        raw = torch.empty_like(gates)  # gradient of what goes into the sigmoids
        for month in range(len(gates) - 1, -1, -1):
            i, f, g, o = gates[month].chunk(4, -1)
            di, df, dg, do = raw[month].chunk(4, -1)
            torch.mul(dh, squashed[month], out=do)
            dc = dc.addcmul(dh * o, 1 - squashed[month].square())
            torch.mul(dc, g, out=di)
            torch.mul(dc, i, out=dg).mul_(1 - g.square()).mul_(0.5)  # half: the weights of g are doubled
            torch.mul(dc, cells[month - 1], out=df) if month else df.zero_()
            for slope, gate in ((di, i), (df, f), (do, o)):
                slope.mul_(gate - gate.square())
            dc = dc * f
            dh = torch.bmm(raw[month], recurrent.transpose(1, 2))
        before = states[:-1].movedim(0, 1).reshape(network, -1, hidden)
        after = raw[1:].movedim(0, 1).reshape(network, -1, 4 * hidden)
        return raw, torch.bmm(before.transpose(1, 2), after)


def _doubled(weights: Weights) -> tuple[Tensor, Tensor, Tensor]:
    """Input, recurrent and bias weights with those of the cell gate doubled, for ``tanh(x) = 2 sigmoid(2x) - 1``."""
    hidden = weights["head"].shape[1]
    factor = torch.ones(4 * hidden, dtype=weights["head"].dtype, device=weights["head"].device)
    factor[2 * hidden : 3 * hidden] = 2
    return weights["input"] * factor, weights["recurrent"] * factor, weights["bias"] * factor


def forward(weights: Weights, x: Tensor, *, keep: Tensor | None = None) -> Tensor:
    """Run every network over windows of its own, for training.

    Parameters
    ----------
    weights
        As `initial_weights` gives them.
    x
        ``(network, sample, lag, feature)``, scaled, oldest month first.
    keep
        Dropout mask on the last hidden state, ``(network, sample, hidden)``, already divided by the share kept.

    Returns
    -------
    torch.Tensor
        ``(network, sample)``, scaled NEE of the last month; differentiable in the weights.
    """
    into, recurrent, bias = _doubled(weights)
    projected = torch.matmul(x.permute(2, 0, 1, 3), into) + bias[:, None]  # (lag, network, sample, 4 hidden)
    h: Tensor = _LastState.apply(projected, recurrent)  # type: ignore[no-untyped-call]
    if keep is not None:
        h = h * keep
    return torch.matmul(h, weights["head"][:, :, None])[..., 0] + weights["offset"][:, None]


def forward_series(weights: Weights, x: Tensor, length: int) -> Tensor:
    """Run every network over every window of its series, for prediction.

    A window of `length` months starts from a zero state. The input projection of a month is computed once and
    shared by all windows that hold the month, and windows are never copied out.

    Parameters
    ----------
    weights
        As `initial_weights` gives them.
    x
        ``(network, series, time, feature)``, scaled; a first axis of 1 is shared by all networks.
    length
        Months in a window.

    Returns
    -------
    torch.Tensor
        ``(network, series, time - length + 1)``, scaled NEE of the last month of each window.
    """
    network, hidden = weights["head"].shape
    series, count = x.shape[1], x.shape[2] - length + 1
    into, recurrent, bias = _doubled(weights)
    projected = torch.matmul(x.flatten(1, 2), into) + bias[:, None]
    projected = projected.view(network, series, x.shape[2], 4 * hidden)
    h = c = None
    for month in range(length):
        gates = projected[:, :, month : month + count].reshape(network, series * count, 4 * hidden)
        if h is not None:
            gates = torch.baddbmm(gates, h, recurrent)
        i, f, g, o = torch.sigmoid(gates).chunk(4, -1)
        new = i * (2 * g - 1)
        c = new if c is None else torch.addcmul(new, f, c)
        h = o * (2 * torch.sigmoid(2 * c) - 1)
    assert h is not None
    y = torch.matmul(h, weights["head"][:, :, None])[..., 0] + weights["offset"][:, None]
    return y.view(network, series, count)
