"""The search of hyper-parameters: how low the loss gets with how many trials."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xnee.plotting.canvas import BLUE, VERMILLION, panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from xnee.models.search.outcome import Search

__all__ = ["best_so_far", "draw_search", "trials_until"]


def draw_search(search: Search) -> Figure:
    """Draw the best loss so far against the number of trials, over all orders in which they could have been run.

    Parameters
    ----------
    search
        From `xnee.search`.

    Returns
    -------
    matplotlib.figure.Figure
        One panel a type: the median and 10 to 90 % of orders; the band from the lowest loss to one standard error
        above it; what the one-standard-error rule takes; how many trials get into the band in half of all orders.
    """
    pfts = search.pfts
    figure, (axes,) = panels(1, len(pfts), width=max(4.5, 2.6 * len(pfts)), height=3.8)
    for axis, pft in zip(axes, pfts, strict=True):
        loss = search.table.loc[search.table["pft"] == pft, "loss"].to_numpy(dtype="f8")
        loss = np.sort(loss[~np.isnan(loss)])  # a trial that diverged is one too; one never scored is none
        finite = loss[np.isfinite(loss)]
        axis.set(title=pft, xlabel="trials", xscale="log")
        if finite.size == 0:
            axis.text(0.5, 0.5, "every trial diverged", transform=axis.transAxes, ha="center")
            continue
        choice = search.best(pft)
        count = np.unique(np.geomspace(1, loss.size, 200).round().astype("i8"))
        low, middle, high = best_so_far(loss, count, (0.1, 0.5, 0.9))
        top, limit = float(np.quantile(finite, 0.75)), finite[0] + choice.se
        axis.axhspan(finite[0], limit, color="#009E73", alpha=0.3, lw=0, label="within one SE of the best")
        axis.fill_between(
            count, low, np.fmin(high, 10 * top), color=BLUE, alpha=0.3, lw=0, label="10 to 90 % of orders"
        )
        axis.plot(count, np.where(np.isfinite(middle), middle, np.nan), color=BLUE, label="best so far, median")
        axis.axhline(choice.loss, color=VERMILLION, ls="--", label="what the rule takes")
        margin = 0.1 * max(top - finite[0], choice.loss - finite[0], 1e-9)
        axis.set_ylim(finite[0] - margin, max(top, choice.loss) + margin)
        if np.isfinite(limit):
            first = trials_until(loss.size, int((loss <= limit).sum()))
            axis.annotate(
                f"{first} trials", (first, limit), xytext=(0, 10), textcoords="offset points", fontsize="small"
            )
    axes[0].set_ylabel("mean inner validation loss")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
    return figure


def best_so_far(
    loss: NDArray[np.floating], count: NDArray[np.integer], quantiles: tuple[float, ...]
) -> NDArray[np.float64]:
    """Give quantiles, over all orders of the trials, of the lowest loss among the first so many.

    Exact, without drawing orders: that the best of k trials is none of the j best of all n has the chance
    C(n - j, k) / C(n, k).

    Parameters
    ----------
    loss
        ``(trial,)``, ascending; infinite ones last.
    count
        ``(count,)``, how many trials, 1 to all.
    quantiles
        Above 0 and below 1.

    Returns
    -------
    numpy.ndarray
        ``(quantile, count)``.

    Examples
    --------
    >>> best_so_far(np.array([1.0, 2.0, 3.0]), np.array([1, 2, 3]), (0.5,)).tolist()
    [[2.0, 1.0, 1.0]]
    """
    n = loss.size
    factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n + 1)))])  # its logarithm
    result = np.empty((len(quantiles), count.size))
    j = np.arange(1, n + 1)
    for column, k in enumerate(count):
        missed = np.zeros(n)
        some = j <= n - k
        missed[some] = np.exp(factorial[n - j[some]] - factorial[n - j[some] - k] - factorial[n] + factorial[n - k])
        for row, q in enumerate(quantiles):
            result[row, column] = loss[np.argmax(missed <= 1 - q + 1e-12)]
    return result


def trials_until(trials: int, good: int) -> int:
    """Count the trials after which half of all orders have met a good one.

    Parameters
    ----------
    trials
        How many there are.
    good
        How many of them are good, 1 or more.

    Returns
    -------
    int
        1 to `trials`.

    Examples
    --------
    >>> trials_until(4, 1), trials_until(4, 2)
    (2, 1)
    """
    i = np.arange(trials)
    missed = np.cumprod(np.clip(trials - good - i, 0, None) / (trials - i))  # chance to have met none
    return int(np.argmax(missed <= 0.5 + 1e-12)) + 1
