"""The networks of a forest type, seen from their inputs: whose each feature is, and what they answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from xnee.models.model import NEEModel
from xnee.models.scaling import Inputs, Scaler, feature_drivers, place_features

__all__ = ["Networks", "State", "advance", "halved", "networks_of", "smooth"]

_ROWS = 2048 * 32
"""Windows times hidden units of one step: its gates (a megabyte) stay in a core's cache."""
# as in xnee.models.inference: oneDNN multiplies twice as fast as MKL on processors that are not Intel's
_ONEDNN = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")  # type: ignore[no-untyped-call]


@dataclass(frozen=True)
class Networks:
    """The members that predict one forest type.

    Parameters
    ----------
    weights
        As of `xnee.models.lstm.initial_weights`; the first axis counts members.
    scaler, inputs
        Of the ensemble.
    pft
        Name of the type.
    player
        ``(feature,)``, number of the driver behind each feature; -1 for what is no driver (the forest type).
    """

    weights: Mapping[str, Tensor]
    scaler: Scaler
    inputs: Inputs
    pft: str
    player: NDArray[np.int64]

    @property
    def members(self) -> int:
        """Networks in the ensemble."""
        return len(self.weights["offset"])

    @property
    def hidden(self) -> int:
        """Units of each network."""
        return int(self.weights["head"].shape[1])

    def only(self, member: int) -> Networks:
        """Give one member alone."""
        return replace(self, weights={name: w[member : member + 1] for name, w in self.weights.items()})

    def features(self, x: NDArray[np.floating], context: NDArray[np.floating]) -> Tensor:
        """Scale windows as the networks read them.

        Parameters
        ----------
        x
            ``(sample, lag, driver)``, canonical units, without gaps.
        context
            ``(sample, statistic, driver)``, see `xnee.site_context`.

        Returns
        -------
        torch.Tensor
            ``(sample, lag, feature)``, single precision.
        """
        still = place_features(self.inputs, self.scaler, context, self.pft)
        return torch.from_numpy(np.nan_to_num(self.scaler.features(self.inputs.months(x, still))))

    def predict(self, x: Tensor) -> NDArray[np.float64]:
        """Average the members' answers to windows of features.

        Parameters
        ----------
        x
            ``(sample, lag, feature)``, as of `features`.

        Returns
        -------
        numpy.ndarray
            ``(sample,)``, g C m-2 month-1.
        """
        total = torch.zeros(len(x), dtype=torch.float64)
        block = max(1, _ROWS // self.hidden)
        with torch.inference_mode():
            for member in range(self.members):
                into, recurrent, bias, head = halved(self.weights, member)
                for start in range(0, len(x), block):
                    part = x[start : start + block]
                    state = State.empty(len(part), self.hidden)
                    for month in range(x.shape[1]):
                        torch.addmm(bias, part[:, month], into, out=state.gates)
                        advance(state, recurrent, first=month == 0)
                    total[start : start + block] += torch.mv(state.last, head)
        return self.in_units(total.numpy() / self.members)

    def in_units(self, mean: NDArray[np.float64]) -> NDArray[np.float64]:
        """Turn the mean over members of ``head . last`` into NEE, g C m-2 month-1."""
        offset = float(self.weights["offset"].mean(dtype=torch.float64))
        return np.asarray(self.scaler.to_target(mean + offset), dtype="f8")


def networks_of(model: NEEModel, pft: str) -> Networks:
    """Give the networks that predict a forest type.

    Parameters
    ----------
    model
        From `xnee.fit`.
    pft
        Name of the type.

    Returns
    -------
    Networks
        On the CPU, single precision.
    """
    ensemble = model.ensembles[pft]
    names, inputs = list(model.window.drivers), ensemble.inputs
    owner = [*feature_drivers(inputs.drivers), *(name for name, _ in inputs.statistics)]
    player = np.full(inputs.size, -1)
    player[: len(owner)] = [names.index(name) for name in owner]
    weights = {name: torch.from_numpy(np.array(w, dtype="f4")) for name, w in ensemble.weights.items()}
    return Networks(weights, ensemble.scaler, inputs, pft, player)


@dataclass
class State:
    """Memory of a step: ``gates (window, 4 hidden)``, ``cell``, ``last`` and ``spare (window, hidden)``."""

    gates: Tensor
    cell: Tensor
    last: Tensor
    spare: Tensor

    @classmethod
    def empty(cls, windows: int, hidden: int) -> State:
        """Take memory for a number of windows."""
        cell, last, spare = (torch.empty(windows, hidden) for _ in range(3))
        return cls(torch.empty(windows, 4 * hidden), cell, last, spare)


def halved(weights: Mapping[str, Tensor], member: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Give the weights of a member for the state that `advance` keeps.

    With ``sigmoid(x) = (1 + tanh(x / 2)) / 2`` all gates are one call of numpy's tanh, the fastest there is; the state
    holds twice the output. The halves are in these weights.

    Parameters
    ----------
    weights
        As of `xnee.models.lstm.initial_weights`.
    member
        Which network.

    Returns
    -------
    tuple
        Input ``(feature, 4 hidden)``, recurrent ``(4 hidden, hidden)``, bias ``(4 hidden)`` and head ``(hidden)``.
    """
    head = weights["head"][member]
    hidden = len(head)
    factor = torch.full((4 * hidden,), 0.5)
    factor[2 * hidden : 3 * hidden] = 1
    into, recurrent, bias = (weights[name][member] * factor for name in ("input", "recurrent", "bias"))
    return into, (recurrent / 2).T.contiguous(), bias, head / 2


def advance(state: State, recurrent: Tensor, *, first: bool) -> None:
    """Move a state on by a month; everything happens in place.

    Parameters
    ----------
    state
        With the projected inputs of the month in its gates.
    recurrent
        As of `halved`.
    first
        Whether this is the first month of the window, before which there is no state.
    """
    gates, cell, last, spare = state.gates, state.cell, state.last, state.spare
    if not first:
        gates.add_(_product(last, recurrent))
    np.tanh(gates.numpy(), out=gates.numpy())
    i, forget, g, o = gates.chunk(4, -1)
    torch.addcmul(g, i, g, out=spare)
    if first:
        torch.mul(spare, 0.5, out=cell)
    else:
        cell.addcmul_(forget, cell).lerp_(spare, 0.5)  # ((1 + f) c + (1 + i) g) / 2
    np.tanh(cell.numpy(), out=spare.numpy())
    torch.addcmul(spare, o, spare, out=last)


def _product(left: Tensor, right: Tensor) -> Tensor:
    """Multiply ``(row, k)`` by the transpose of ``(column, k)``."""
    if _ONEDNN:
        result: Tensor = torch.ops.mkldnn._linear_pointwise.default(left, right, None, "none", [], "")
        return result
    return left @ right.T


def smooth(weights: Mapping[str, Tensor], member: int, x: Tensor) -> Tensor:
    """Run one member over windows by operations that autograd can follow.

    Parameters
    ----------
    weights
        As of `xnee.models.lstm.initial_weights`.
    member
        Which network.
    x
        ``(sample, lag, feature)``, scaled.

    Returns
    -------
    torch.Tensor
        ``(sample,)``, scaled NEE.
    """
    into, recurrent, bias, head = (weights[name][member] for name in ("input", "recurrent", "bias", "head"))
    last = cell = x.new_zeros(len(x), len(head))
    for month in range(x.shape[1]):
        gates = x[:, month] @ into + bias + last @ recurrent
        i, forget, g, o = gates.chunk(4, -1)
        cell = torch.sigmoid(forget) * cell + torch.sigmoid(i) * torch.tanh(g)
        last = torch.sigmoid(o) * torch.tanh(cell)
    return last @ head + weights["offset"][member]
