"""What is tried: values of each hyper-parameter, and their combinations."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xnee.models.lstm import LSTMSpec
from xnee.models.training import FitSpec

__all__ = ["AXES", "Space", "Trajectory", "reference_space"]

AXES = ("hidden", "batch", "learning_rate", "weight_decay", "dropout", "epochs")
"""Hyper-parameters in the order in which trials are numbered, the last one fastest."""
_WHOLE = ("hidden", "batch", "epochs")
_REFERENCE: dict[str, Any] = {
    "hidden": (8, 16, 32, 64),
    "batch": (8, 16, 32),
    "learning_rate": (1e-3, 3e-3, 1e-2, 3e-2, 1e-1),
    "weight_decay": (0.0, 1e-4, 1e-3, 1e-2),
    "dropout": (0.0, 0.2, 0.4),
    "epochs": (20, 40, 60, 80, 100),
}


class Trajectory(NamedTuple):
    """One training; read at several numbers of epochs it gives several trials."""

    hidden: int
    batch: int
    learning_rate: float
    weight_decay: float
    dropout: float


@dataclass(frozen=True, kw_only=True)
class Space:
    """Values to try of each hyper-parameter; a trial is one combination.

    Change some values with `dataclasses.replace`.

    Parameters
    ----------
    hidden
        Units of the LSTM layer.
    batch
        Windows in a step.
    learning_rate
        Step size of AdamW; it stays constant, so that one training can be read at several numbers of epochs.
    weight_decay
        Decoupled weight decay by step, times the learning rate.
    dropout
        Share of the last hidden state that is dropped in training.
    epochs
        Passes over the training windows.
    loss
        What is minimised and what trials are ranked by, ``"huber"`` or ``"squared"``; the same for all trials.

    Raises
    ------
    ValueError
        If a hyper-parameter has no value or one twice, or a value is out of range.

    Examples
    --------
    >>> from dataclasses import replace
    >>> small = replace(reference_space(), hidden=(8, 16), learning_rate=(1e-2,))
    >>> len(small)
    360
    """

    hidden: tuple[int, ...]
    batch: tuple[int, ...]
    learning_rate: tuple[float, ...]
    weight_decay: tuple[float, ...]
    dropout: tuple[float, ...]
    epochs: tuple[int, ...]
    loss: str = "huber"

    def __post_init__(self) -> None:
        """Sort values, and check each of them by the specs that will hold it."""
        for name in AXES:
            object.__setattr__(self, name, _values(name, getattr(self, name)))
        first = {name: getattr(self, name)[0] for name in AXES}
        for name in AXES:  # the range of one does not depend on the others
            for value in getattr(self, name):
                *trajectory, epochs = {**first, name: value}.values()
                trajectory_specs(Trajectory(*trajectory), epochs=epochs, loss=self.loss)

    def __len__(self) -> int:
        """Count the trials."""
        return int(np.prod([len(getattr(self, name)) for name in AXES]))

    @cached_property
    def trajectories(self) -> tuple[Trajectory, ...]:
        """All trainings; trial ``n`` is read from training ``n // len(epochs)``."""
        return tuple(Trajectory(*values) for values in product(*(getattr(self, name) for name in AXES[:-1])))

    def specs(self, trial: int) -> tuple[LSTMSpec, FitSpec]:
        """Give the settings of one trial.

        Parameters
        ----------
        trial
            Its number, from 0.

        Returns
        -------
        tuple of LSTMSpec and FitSpec
            Ready for `xnee.fit`.
        """
        trajectory, epoch = divmod(trial, len(self.epochs))
        return trajectory_specs(self.trajectories[trajectory], epochs=self.epochs[epoch], loss=self.loss)

    def sample(self, count: int, *, seed: int) -> NDArray[np.int64]:
        """Draw trials at random, without replacement.

        Parameters
        ----------
        count
            How many.
        seed
            Same seed, same trials.

        Returns
        -------
        numpy.ndarray
            Sorted numbers of trials.

        Raises
        ------
        ValueError
            If there are not so many, or fewer than 2 are asked for.
        """
        if isinstance(count, bool) or not isinstance(count, int) or not 2 <= count <= len(self):
            msg = f"sample must be a whole number of trials from 2 to the {len(self)} of the space, got {count!r}."
            raise ValueError(msg)
        return np.sort(np.random.default_rng(seed).choice(len(self), count, replace=False))


def trajectory_specs(trajectory: Trajectory, *, epochs: int, loss: str) -> tuple[LSTMSpec, FitSpec]:
    """Give the settings of a training of so many epochs.

    Parameters
    ----------
    trajectory
        Its hyper-parameters.
    epochs
        Passes over the training windows.
    loss
        As of `FitSpec`.

    Returns
    -------
    tuple of LSTMSpec and FitSpec
        With a constant step size.
    """
    hidden, batch, rate, decay, dropout = trajectory
    training = FitSpec(
        epochs=epochs, batch=batch, learning_rate=rate, weight_decay=decay, loss=loss, schedule="constant"
    )
    return LSTMSpec(hidden=hidden, dropout=dropout), training


def _values(name: str, given: Iterable[float]) -> tuple[float, ...]:
    """Put values in order, and refuse none at all, doubles and halves."""
    values = tuple(sorted(given)) if isinstance(given, Iterable) else ()
    kind = int if name in _WHOLE else (int, float)
    plain = all(isinstance(value, kind) and not isinstance(value, bool) for value in values)
    if not values or len(set(values)) < len(values) or not plain:
        msg = (
            f"a space needs at least one value of {name}, each once"
            f"{', whole numbers' if name in _WHOLE else ''}; got {given!r}. "
            f"Give a tuple, e.g. {name}={_REFERENCE[name]}."
        )
        raise ValueError(msg)
    return values if name in _WHOLE else tuple(float(value) for value in values)


def reference_space() -> Space:
    """Give a space of the size and the axes of the reference study: 3,600 trials.

    The study names the six hyper-parameters and the number of combinations, not their values.

    Returns
    -------
    Space
        4 hidden sizes, 3 batch sizes, 5 learning rates, 4 weight decays, 3 dropouts, 5 numbers of epochs.

    Examples
    --------
    >>> len(reference_space()), len(reference_space().trajectories)
    (3600, 720)
    """
    return Space(**_REFERENCE)
