"""Shapley values by sampling, where every coalition is too dear: pairs of orders, each with one background window."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from xnee.explanation.networks import Networks

__all__ = ["close_sum", "gains", "sampled"]

_BLOCK = 4_000_000
"""Values of mixed windows that are held at a time."""


def sampled(
    networks: Networks, x: Tensor, others: Tensor, *, drivers: int, permutations: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Estimate the Shapley values of one window.

    Players come in one by one, in a random order and in its reverse (antithetic: what one order overstates the other
    understates; Mitchell et al. 2022), starting from a background window; these take turns, so that each is used
    equally often. A pair costs ``2 * drivers`` evaluations.

    Parameters
    ----------
    networks
        That predict the window.
    x
        ``(lag, feature)``, scaled.
    others
        ``(background, lag, feature)``.
    drivers
        Number of players.
    permutations
        Pairs of orders, 2 or more.
    rng
        Draws orders and turns.

    Returns
    -------
    tuple
        Estimates and their standard errors, both ``(driver,)``, g C m-2 month-1. A driver that is the same in the
        window and its backgrounds has the value 0, whatever is drawn.
    """
    order = rng.permuted(np.tile(np.arange(drivers), (permutations, 1)), axis=1)
    turn = np.resize(rng.permutation(len(others)), permutations)
    each = gains(networks, x.expand(permutations, -1, -1), others[turn], order)
    return _by_background(each, turn, len(others))


def _by_background(
    each: NDArray[np.float64], turn: NDArray[np.int64], background: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Average pairs by background first, so that which backgrounds had a turn more does not matter."""
    if len(each) < 2 * background:  # not all had two turns: as if both orders and backgrounds were drawn freely
        return each.mean(axis=0), each.std(axis=0, ddof=1) / np.sqrt(len(each))
    turns = np.bincount(turn, minlength=background)
    mean = np.zeros((background, each.shape[1]))
    np.add.at(mean, turn, each)
    mean /= turns[:, None]
    variance = ((each - mean[turn]) ** 2).sum(axis=0) / (len(each) - background)
    return mean.mean(axis=0), np.sqrt(variance * (1 / turns).sum()) / background


def gains(networks: Networks, x: Tensor, others: Tensor, order: NDArray[np.int64]) -> NDArray[np.float64]:
    """Let drivers come in one by one, in each order and in its reverse.

    Parameters
    ----------
    networks
        That predict the windows.
    x, others
        ``(pair, lag, feature)``, where each pair of orders ends and begins.
    order
        ``(pair, place)``, drivers in the order in which they come in.

    Returns
    -------
    numpy.ndarray
        ``(pair, driver)``, the mean of what a driver adds on both ways, g C m-2 month-1. A pair adds up to the
        prediction of its `x` less that of its `others`.
    """
    pairs, drivers = order.shape
    owner = torch.from_numpy(np.where(networks.player < 0, drivers, networks.player))
    result = np.empty((pairs, drivers))
    block = max(1, _BLOCK // (2 * drivers * x[0].numel()))
    for start in range(0, pairs, block):
        part = slice(start, start + block)
        inside = _coalitions(order[part])  # (pair, coalition, driver + what is no driver)
        mixed = torch.where(inside[:, :, None, owner], x[part, None], others[part, None])
        value = networks.predict(mixed.flatten(0, 1)).reshape(-1, 2 * drivers)
        result[part] = _gains(order[part], value)
    return result


def _coalitions(order: NDArray[np.int64]) -> Tensor:
    """Give the coalitions of orders and of their reverse, ``(pair, 2 drivers, drivers + 1)``.

    No driver, then one more each time, to all; then the same from the other end, without none and all.
    """
    pairs, drivers = order.shape
    place = np.empty_like(order)
    np.put_along_axis(place, order, np.arange(drivers)[None], axis=1)
    steps = np.arange(drivers + 1)[None, :, None]
    forth = place[:, None] < steps  # (pair, coalition, driver)
    back = place[:, None] >= steps[:, 1:-1]
    both = np.concatenate([forth, back], axis=1)
    return torch.from_numpy(np.concatenate([both, np.ones((pairs, 2 * drivers, 1), dtype=bool)], axis=2))


def _gains(order: NDArray[np.int64], value: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give each driver the mean of what it adds on the way forth and on the way back, ``(pair, driver)``."""
    drivers = order.shape[1]
    forth = np.diff(value[:, : drivers + 1], axis=1)  # gain of the driver at each place
    # the way back, from all drivers outside the first k places to none of them: k = 0 is all, k = drivers is none
    ends = [value[:, drivers : drivers + 1], value[:, drivers + 1 :], value[:, :1]]
    back = -np.diff(np.concatenate(ends, axis=1), axis=1)
    gains = np.empty_like(forth)
    np.put_along_axis(gains, order, (forth + back) / 2, axis=1)
    return gains


def close_sum(phi: NDArray[np.float64], error: NDArray[np.float64], total: NDArray[np.float64]) -> NDArray[np.float64]:
    """Move estimates by the least, measured in their standard errors, so that they add up to what is known exactly.

    Parameters
    ----------
    phi, error
        ``(..., driver)``.
    total
        ``(...)``, prediction less base.

    Returns
    -------
    numpy.ndarray
        ``(..., driver)``. An estimate with no error stays as it is.

    Examples
    --------
    >>> close_sum(np.array([1.0, 2.0, 0.0]), np.array([0.1, 0.1, 0.0]), np.array(4.0)).tolist()
    [1.5, 2.5, 0.0]
    """
    variance = error**2
    whole = variance.sum(axis=-1, keepdims=True)
    share = np.divide(variance, whole, out=np.zeros_like(variance), where=whole > 0)
    closed: NDArray[np.float64] = phi + share * (total - phi.sum(axis=-1))[..., None]
    return closed
