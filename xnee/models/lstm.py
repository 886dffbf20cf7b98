"""A stack of equal LSTMs that run side by side: weights carry a leading network axis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["LSTMSpec", "forward_series", "initial_weights"]

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
        whole = isinstance(self.hidden, int) and not isinstance(self.hidden, bool)
        number = isinstance(self.dropout, int | float)
        if not whole or not number or self.hidden < 1 or not 0 <= self.dropout < 1:
            msg = f"an LSTM needs a whole number of hidden units >= 1 and 0 <= dropout < 1, got {self}."
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


def _doubled(weights: Weights) -> tuple[Tensor, Tensor, Tensor]:
    """Input, recurrent and bias weights with those of the cell gate doubled, for ``tanh(x) = 2 sigmoid(2x) - 1``."""
    hidden = weights["head"].shape[1]
    factor = torch.ones(4 * hidden, dtype=weights["head"].dtype, device=weights["head"].device)
    factor[2 * hidden : 3 * hidden] = 2
    return weights["input"] * factor, weights["recurrent"] * factor, weights["bias"] * factor


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
