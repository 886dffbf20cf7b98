"""What is known so far: scores of all trainings, and the line that tells of them."""

from __future__ import annotations

import sys
from types import TracebackType

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from xnee.bars import bar
from xnee.models.search.folds import Material
from xnee.models.search.plan import Stack
from xnee.models.search.space import Space
from xnee.models.search.stacks import Result

__all__ = ["Progress", "Scores"]

_BAR = "{desc}: {percentage:3.0f}%|{bar:20}| {elapsed}<{remaining}{postfix}"


class Scores:
    """Scores of every training of every fold, filled in as stacks finish.

    Parameters
    ----------
    space, material
        What is tried, on which folds.
    wanted
        ``(trial,)``, False for trials that were not asked for.
    """

    def __init__(self, space: Space, material: Material, wanted: NDArray[np.bool_]) -> None:
        self.material = material
        self.wanted = wanted.reshape(-1, len(space.epochs))
        shape = (len(material.folds), *self.wanted.shape)
        self.loss, self.r2, self.seconds = (np.full(shape, np.nan) for _ in range(3))

    def put(self, stack: Stack, result: Result) -> None:
        """Fill in a stack. What is known stays: a training that is taken up again in a later rung starts the same.

        Parameters
        ----------
        stack
            Which networks.
        result
            Their scores.
        """
        fold, trajectory = np.array(stack.jobs).T
        seconds = np.broadcast_to(result.seconds, result.loss.shape)
        for known, new in ((self.loss, result.loss), (self.r2, result.r2), (self.seconds, seconds)):
            known[fold, trajectory] = np.where(np.isnan(known[fold, trajectory]), new, known[fold, trajectory])

    def of(self, pft: str) -> NDArray[np.int64]:
        """Give the numbers of the folds of a forest type."""
        return np.array([k for k, fold in enumerate(self.material.folds) if fold.pft == pft])

    def mean_loss(self, pft: str) -> NDArray[np.float64]:
        """Average the loss over folds.

        Parameters
        ----------
        pft
            Forest type.

        Returns
        -------
        numpy.ndarray
            ``(trajectory, epochs)``, NaN where a fold is missing, infinite where one has diverged.
        """
        mean: NDArray[np.float64] = self.loss[self.of(pft)].mean(axis=0)
        return mean

    def done(self) -> int:
        """Count the trials, over all types, whose folds are all scored."""
        return sum(int((~np.isnan(self.mean_loss(pft)) & self.wanted).sum()) for pft in self.material.pfts)

    def best(self, pft: str) -> float:
        """Give the lowest mean loss of a type's trials so far, NaN where there is none."""
        loss = self.mean_loss(pft)[self.wanted]
        loss = loss[np.isfinite(loss)]
        return float(loss.min()) if loss.size else float("nan")


class Progress:
    """A line on standard error: share of the work, time left and the best loss of each type.

    Of the work, not of the trials: a trial is done when its last fold is, so that for long none would be. Where results
    of an earlier run are there, a line before it says so, and the bar begins at them.

    Parameters
    ----------
    scores
        Filled in by the caller.
    total
        Seconds of work of all stacks (see `plan.work`).
    done
        Seconds of it whose results are there already, filled in.
    show
        Whether to write it.
    """

    def __init__(self, scores: Scores, *, total: float, done: float, show: bool) -> None:
        self._scores = scores
        if done and show:
            count, trials = scores.done(), scores.wanted.sum() * len(scores.material.pfts)
            words = f"going on: {done / total:.0%} of the work, {count:,} of {trials:,} trials, are there"
            tqdm.write(words, file=sys.stderr)
        self._bar = bar(total=total, initial=min(done, total), desc="search", bar_format=_BAR, disable=not show)

    def __enter__(self) -> Progress:
        """Begin the line."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End the line."""
        self._bar.close()

    def step(self, amount: float) -> None:
        """Tell that some work is done.

        Parameters
        ----------
        amount
            How much of the total.
        """
        if self._bar.disable:
            return
        scores = self._scores
        best = ", ".join(f"{pft} {scores.best(pft):.3f}" for pft in scores.material.pfts).replace("nan", "-")
        self._bar.set_postfix_str(f"best loss {best}", refresh=False)
        self._bar.update(min(amount, self._bar.total - self._bar.n))
