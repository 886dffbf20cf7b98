"""Exact Shapley values: every coalition of drivers is played, against every background window.

The inputs enter an LSTM by a sum over features, so that the projected inputs of a coalition are the sum of those of its
two halves. With k drivers, the projections of 2**(k/2) coalitions of either half are kept; each of the 2**k coalitions
costs one addition and the recurrent part. A window takes about a microsecond a member (32 units, 7 months, one core).
"""

from __future__ import annotations

from itertools import product
from math import prod

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from xnee.explanation.networks import Networks, State, advance, halved

__all__ = ["coalition_values", "exact", "shapley"]

_ROWS = 2048 * 32
"""Windows times hidden units of one step: its gates (a megabyte) stay in a core's cache."""


def exact(networks: Networks, x: Tensor, others: Tensor, drivers: int) -> tuple[NDArray[np.float64], float]:
    """Give the Shapley values of one window by playing all coalitions.

    Parameters
    ----------
    networks
        That predict it.
    x
        ``(lag, feature)``, scaled.
    others
        ``(background, lag, feature)``.
    drivers
        Number of players.

    Returns
    -------
    tuple
        ``(driver,)`` values and the base, both g C m-2 month-1. A driver that is the same in all windows, or whose
        scale is infinite (constant in training), has the value 0 and costs nothing.
    """
    differs = (x != others).flatten(0, 1).any(0).numpy()
    playing = [k for k in range(drivers) if differs[networks.player == k].any()]
    value = coalition_values(networks, x, others, playing)
    phi = np.zeros(drivers)
    phi[playing] = shapley(value)
    return phi, float(value[0])


def coalition_values(networks: Networks, x: Tensor, others: Tensor, playing: list[int]) -> NDArray[np.float64]:
    """Play every coalition: mean prediction when the drivers outside are those of the background windows.

    Parameters
    ----------
    networks
        That predict the window.
    x
        ``(lag, feature)``, scaled.
    others
        ``(background, lag, feature)``; features of no player are those of `x`.
    playing
        Drivers that are players; the others count as inside.

    Returns
    -------
    numpy.ndarray
        ``(2**players,)``, g C m-2 month-1; bit j of the index says whether the j-th player is inside.
    """
    split = (len(playing) + 1) // 2
    total = torch.zeros(2 ** (len(playing) - split), 2**split, dtype=torch.float64)
    rest = ~np.isin(networks.player, playing)
    base = others.clone()
    base[..., rest] = x[:, rest]
    owner = torch.from_numpy(networks.player)
    with torch.inference_mode():
        for member in range(networks.members):
            into, recurrent, bias, head = halved(networks.weights, member)
            low, high = (
                _half_sums((x - base), into, [torch.nonzero(owner == k)[:, 0] for k in half])
                for half in (playing[:split], playing[split:])
            )
            low += torch.matmul(base, into)[:, :, None] + bias
            _play(low, high, recurrent, head, total)
    return networks.in_units(total.flatten().numpy() / (networks.members * len(others)))


def _half_sums(step: Tensor, into: Tensor, features: list[Tensor]) -> Tensor:
    """Project what the coalitions of some players add to the background: ``(background, lag, coalition, 4 hidden)``.

    ``step (background, lag, feature)`` is what a feature gains when its player comes in.
    """
    each = [torch.matmul(step[..., own], into[own]) for own in features]  # (background, lag, 4 hidden) a player
    sums = step.new_zeros(*step.shape[:2], 1, into.shape[1])
    for gain in each:
        sums = torch.cat([sums, sums + gain[:, :, None]], dim=2)
    return sums


def _play(low: Tensor, high: Tensor, recurrent: Tensor, head: Tensor, total: Tensor) -> None:
    """Add up ``head . last`` over the background for all pairs of half coalitions, into ``total (high, low)``."""
    background, months, wide, four = low.shape
    rows = max(1, _ROWS // (four // 4 * wide))
    tall = min(rows, high.shape[2])  # half coalitions of the upper half, and
    deep = min(max(1, rows // tall), background)  # background windows, that run side by side
    for first, start in product(range(0, background, deep), range(0, high.shape[2], tall)):
        others, some = slice(first, min(first + deep, background)), slice(start, min(start + tall, high.shape[2]))
        shape = (others.stop - others.start, some.stop - some.start, wide)
        state = State.empty(prod(shape), four // 4)
        gates = state.gates.view(*shape, four)
        for month in range(months):
            torch.add(low[others, month, None], high[others, month, some, None], out=gates)
            advance(state, recurrent, first=month == 0)
        total[some] += torch.mv(state.last, head).view(shape).sum(0)


def shapley(value: NDArray[np.float64]) -> NDArray[np.float64]:
    """Divide the value of all players together among them, by Shapley's formula.

    Parameters
    ----------
    value
        ``(2**players,)``; bit j of the index says whether the j-th player is inside.

    Returns
    -------
    numpy.ndarray
        ``(player,)``; they add up to the last value less the first.

    Examples
    --------
    >>> shapley(np.array([0.0, 1.0, 2.0, 6.0])).tolist()
    [2.5, 3.5]
    """
    players = int(np.log2(value.size))
    size = np.zeros(value.size // 2, dtype=int)  # of the coalitions of the others
    for bit in range(players - 1):
        size += (np.arange(size.size) >> bit) & 1
    ways = np.ones(max(players, 1))
    for k in range(1, players):
        ways[k] = ways[k - 1] * (players - k) / k  # coalitions of k among the others
    weight = 1 / (max(players, 1) * ways[size]) if players else size
    phi = np.empty(players)
    for player in range(players):
        cube = value.reshape(-1, 2, 2**player)
        phi[player] = np.dot(weight, (cube[:, 1] - cube[:, 0]).ravel())
    return phi
