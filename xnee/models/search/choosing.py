"""Which trial to take: the one-standard-error rule, and how far its choice can be trusted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from xnee.models.lstm import LSTMSpec
from xnee.models.search.progress import Scores
from xnee.models.search.space import AXES, Space, Trajectory, trajectory_specs
from xnee.models.training import FitSpec

__all__ = ["Choice", "choose", "fold_columns", "trial_table"]


_POOLED = 20
"""Trials over which the standard error is averaged: that of the best alone is as lucky as its loss."""


@dataclass(frozen=True)
class Choice:
    """What a search recommends for one forest type.

    Parameters
    ----------
    pft
        Forest type.
    rule
        ``"one-se"``: the smallest network, then the fewest epochs, then the strongest decay, among the trials whose
        mean loss is within one standard error of the lowest; ``"argmax"``: the trial with the best score.
    trial
        Its number in the space.
    network, training
        Its settings, for `xnee.fit`.
    loss, r2
        Means over inner folds of the validation loss and of R2.
    se
        Standard error that the rule took: root mean square of those of the 20 trials of lowest loss.
    trials, diverged, within_one_se
        Trials that were scored, those of them whose weights or loss went to infinity, and those within one standard
        error of the lowest loss: as good as the best one for all that these data can tell.
    rank_agreement
        Mean Spearman correlation between the folds' rankings of all trials: 1 if they agree, 0 if a ranking is luck.
    folds, folds_within
        Inner folds, and in how many of them this trial is within that same standard error of the fold's own best.
    folds_unchanged
        How often the rule chooses the same trial when one fold is left away; -1 with two folds, where nothing would be
        left to take an error from.
    """

    pft: str
    rule: str
    trial: int
    network: LSTMSpec
    training: FitSpec
    loss: float
    se: float
    r2: float
    trials: int
    diverged: int
    within_one_se: int
    rank_agreement: float
    folds: int
    folds_within: int
    folds_unchanged: int

    def __str__(self) -> str:
        """Say it in one line."""
        t = self.training
        return (
            f"{self.pft:<5}hidden {self.network.hidden:<3d} epochs {t.epochs:<4d} batch {t.batch:<3d} "
            f"learning rate {t.learning_rate:<6g} decay {t.weight_decay:<6g} dropout {self.network.dropout:<4g} "
            f"loss {self.loss:.3f} ± {self.se:.3f}  R2 {self.r2:.2f}  "
            f"{self.within_one_se:,} of {self.trials:,} within one SE"
        )


def fold_columns(table: pd.DataFrame, what: str = "loss") -> list[str]:
    """Name the columns of inner folds that a table has.

    Parameters
    ----------
    table
        As of `trial_table`.
    what
        ``"loss"`` or ``"R2"``.

    Returns
    -------
    list of str
        E.g. ``loss_1``, ``loss_2``.
    """
    return [name for name in table.columns if name.startswith(f"{what}_")]


def trial_table(scores: Scores, space: Space) -> pd.DataFrame:
    """Lay all trials out, one a row.

    Parameters
    ----------
    scores
        Of a finished search.
    space
        What was tried.

    Returns
    -------
    pandas.DataFrame
        Columns ``pft``, ``trial``, one for each hyper-parameter, ``loss_1 ...`` and ``R2_1 ...`` for the inner folds,
        their means ``loss`` and ``R2``, the standard error ``se`` of ``loss``, ``seconds`` (time of one core, all
        folds) and ``within_one_se`` (see `Choice`). NaN where successive halving stopped before; infinite where a
        network diverged.
    """
    trials = np.flatnonzero(scores.wanted.ravel())
    trajectory, epoch = np.divmod(trials, len(space.epochs))
    values = np.array(space.trajectories, dtype="f8")[trajectory]
    most = max(len(scores.of(pft)) for pft in scores.material.pfts)
    parts = []
    for pft in scores.material.pfts:
        own = scores.of(pft)
        loss, r2 = (np.full((most, trials.size), np.nan) for _ in range(2))
        loss[: own.size], r2[: own.size] = scores.loss[own][:, trajectory, epoch], scores.r2[own][:, trajectory, epoch]
        columns: dict[str, object] = {"pft": pft, "trial": trials}
        for k, name in enumerate(AXES[:-1]):
            columns[name] = values[:, k].astype(int) if name in ("hidden", "batch") else values[:, k]
        columns["epochs"] = np.array(space.epochs)[epoch]
        columns |= {f"loss_{k + 1}": row for k, row in enumerate(loss)}
        columns |= {f"R2_{k + 1}": row for k, row in enumerate(r2)}
        columns["loss"], columns["se"] = _mean_and_error(loss[: own.size])
        columns["R2"] = r2[: own.size].mean(axis=0)
        columns["seconds"] = scores.seconds[own][:, trajectory, epoch].sum(axis=0)
        columns["within_one_se"] = _within(np.asarray(columns["loss"]), np.asarray(columns["se"]))
        parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True)


def _mean_and_error(loss: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard error over folds, ``(fold, trial)``; infinite and NaN once a fold has diverged."""
    with np.errstate(invalid="ignore"):
        return loss.mean(axis=0), loss.std(axis=0, ddof=1) / np.sqrt(len(loss))


def _error(loss: NDArray[np.float64], se: NDArray[np.float64]) -> float:
    """Take the standard error of the lowest loss from the trials that come close to it."""
    best = np.argsort(np.where(np.isfinite(loss), loss, np.inf), kind="stable")[:_POOLED]
    best = best[np.isfinite(loss[best])]
    return float(np.sqrt((se[best] ** 2).mean())) if best.size else float("nan")


def _within(loss: NDArray[np.float64], se: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Trials whose loss is at most the lowest one plus its standard error."""
    if not np.isfinite(loss).any():
        return np.zeros(loss.shape, dtype=bool)
    within: NDArray[np.bool_] = loss <= np.nanmin(loss) + _error(loss, se)
    return within


def choose(table: pd.DataFrame, pft: str, *, loss: str, rule: str = "one-se") -> Choice:
    """Choose the trial of a forest type.

    Parameters
    ----------
    table
        As of `trial_table`.
    pft
        Forest type.
    loss
        Loss that the trials were trained on.
    rule
        ``"one-se"`` or ``"argmax"``.

    Returns
    -------
    Choice
        With what is known of its stability.

    Raises
    ------
    ValueError
        If the type was not searched, the rule is unknown, or every trial diverged.
    """
    known = list(dict.fromkeys(table["pft"]))
    if pft not in known or rule not in ("one-se", "argmax"):
        msg = f"this search knows {', '.join(known)} and the rules 'one-se' and 'argmax'; got {pft!r} and {rule!r}."
        raise ValueError(msg)
    rows = table[table["pft"] == pft].reset_index(drop=True)
    folds = rows[fold_columns(rows)].dropna(axis=1, how="all").to_numpy().T
    if not np.isfinite(rows["loss"]).any():
        msg = f"no trial of {pft} has a finite loss: all diverged. Try smaller learning rates."
        raise ValueError(msg)
    chosen = _pick(rows, folds, rule)
    row = rows.iloc[chosen]
    network, training = trajectory_specs(_trajectory(row), epochs=int(row["epochs"]), loss=loss)
    scored = rows["loss"].notna().to_numpy()
    se = _error(rows["loss"].to_numpy(), rows["se"].to_numpy())
    left_away = [_pick(rows, np.delete(folds, k, axis=0), rule) for k in range(len(folds))] if len(folds) > 2 else []
    return Choice(
        pft=pft,
        rule=rule,
        trial=int(row["trial"]),
        network=network,
        training=training,
        loss=float(row["loss"]),
        se=se,
        r2=float(row["R2"]),
        trials=int(scored.sum()),
        diverged=int(np.isinf(rows["loss"]).sum()),
        within_one_se=int(rows["within_one_se"].sum()),
        rank_agreement=_agreement(folds[:, np.isfinite(folds).all(axis=0)]),
        folds=len(folds),
        folds_within=int((folds[:, chosen] <= np.nanmin(folds, axis=1) + se).sum()),
        folds_unchanged=left_away.count(chosen) if left_away else -1,
    )


def _trajectory(row: pd.Series) -> Trajectory:
    return Trajectory(
        int(row["hidden"]),
        int(row["batch"]),
        float(row["learning_rate"]),
        float(row["weight_decay"]),
        float(row["dropout"]),
    )


def _pick(rows: pd.DataFrame, folds: NDArray[np.float64], rule: str) -> int:
    """Position of the trial that a rule takes, from the losses ``(fold, trial)`` of some folds."""
    loss, se = _mean_and_error(folds)
    if rule == "argmax" or not np.isfinite(loss).any():
        return int(np.nanargmin(loss))
    within = np.flatnonzero(_within(loss, se))
    near = rows.iloc[within]
    # the last key counts first; equal settings but for batch, learning rate and dropout: the lower loss
    order = np.lexsort((loss[within], -near["weight_decay"], near["epochs"], near["hidden"]))
    return int(within[order[0]])


def _agreement(folds: NDArray[np.float64]) -> float:
    """Mean Spearman correlation between the rankings of folds, ``(fold, trial)``."""
    if folds.shape[1] < 3:
        return float("nan")
    ranks = folds.argsort(axis=1).argsort(axis=1)
    pairs = np.atleast_2d(np.corrcoef(ranks))[np.triu_indices(len(folds), 1)]
    return float(pairs.mean())
