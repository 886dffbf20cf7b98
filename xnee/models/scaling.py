"""What a network reads: drivers as features, on a common scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xnee.variables import VARIABLES

__all__ = ["Moments", "Scaler", "encode", "feature_drivers"]


@dataclass(frozen=True)
class Moments:
    """Count, mean and summed squared deviation of columns; moments of parts add up to those of the whole.

    Parameters
    ----------
    count
        Rows.
    mean
        ``(column,)``.
    squares
        ``(column,)``, sum of squared deviations from the mean.
    """

    count: int
    mean: NDArray[np.float64]
    squares: NDArray[np.float64]

    @classmethod
    def of(cls, x: NDArray[np.floating]) -> Moments:
        """Take the moments of rows.

        Parameters
        ----------
        x
            ``(..., column)``, no gaps.

        Returns
        -------
        Moments
            Over all axes but the last.

        Examples
        --------
        >>> Moments.of(np.array([[1.0], [3.0]])).std.tolist()
        [1.0]
        """
        rows = np.asarray(x, dtype="f8").reshape(-1, x.shape[-1])
        mean = rows.mean(axis=0) if len(rows) else np.zeros(x.shape[-1])
        return cls(len(rows), mean, ((rows - mean) ** 2).sum(axis=0))

    def __add__(self, other: Moments) -> Moments:
        """Combine two disjoint sets of rows (Chan, Golub and LeVeque 1983, eq. 2.1)."""
        count = self.count + other.count
        if count == 0:
            return self
        delta = other.mean - self.mean
        mean = self.mean + delta * other.count / count
        return Moments(count, mean, self.squares + other.squares + delta**2 * self.count * other.count / count)

    @property
    def std(self) -> NDArray[np.float64]:
        """Population standard deviation by column."""
        return np.sqrt(self.squares / max(self.count, 1))


def feature_drivers(drivers: Sequence[str]) -> tuple[str, ...]:
    """Name the driver behind each feature of a network.

    Parameters
    ----------
    drivers
        Names of the vocabulary.

    Returns
    -------
    tuple of str
        One name a feature; a circular driver has two features.

    Examples
    --------
    >>> feature_drivers(["TEMP", "WD"])
    ('TEMP', 'WD', 'WD')
    """
    return tuple(name for name in drivers for _ in range(2 if VARIABLES[name].circular else 1))


def encode(x: NDArray[np.floating], drivers: Sequence[str]) -> NDArray[np.floating]:
    """Turn drivers into features: an angle becomes its sine and cosine.

    Parameters
    ----------
    x
        ``(..., driver)``, canonical units.
    drivers
        Names along the last axis.

    Returns
    -------
    numpy.ndarray
        ``(..., feature)``, in the order of `feature_drivers`.

    Examples
    --------
    >>> encode(np.array([[20.0, 90.0]]), ["TEMP", "WD"]).round(6).tolist()
    [[20.0, 1.0, 0.0]]
    """
    if not any(VARIABLES[name].circular for name in drivers):
        return x
    columns = []
    for k, name in enumerate(drivers):
        if VARIABLES[name].circular:
            angle = np.deg2rad(x[..., k])
            columns += [np.sin(angle), np.cos(angle)]
        else:
            columns.append(x[..., k])
    return np.stack(columns, axis=-1)


@dataclass(frozen=True)
class Scaler:
    """The affine map between our units and a network's.

    Parameters
    ----------
    mean, std
        ``(feature,)``, of the training windows only. A feature that is constant there has an infinite scale: it is 0
        everywhere, because what a network would make of another value was never learned.
    target_mean, target_std
        The same for NEE, g C m-2 month-1.
    """

    mean: NDArray[np.float64]
    std: NDArray[np.float64]
    target_mean: float
    target_std: float

    @classmethod
    def of(cls, features: NDArray[np.floating], target: NDArray[np.floating]) -> Scaler:
        """Learn the scales of training windows.

        Parameters
        ----------
        features
            ``(sample, lag, feature)``.
        target
            ``(sample,)``.

        Returns
        -------
        Scaler
            Scales over samples and lags.
        """
        x, y = Moments.of(features), Moments.of(target[:, None])
        # 1e-6 of the mean: a driver constant but for rounding must not be blown up into noise
        flat = x.std <= 1e-6 * np.maximum(1.0, np.abs(x.mean))
        return cls(x.mean, np.where(flat, np.inf, x.std), float(y.mean[0]), float(y.std[0]) or 1.0)

    def features(self, x: NDArray[np.floating]) -> NDArray[np.float32]:
        """Scale features ``(..., feature)`` to mean 0 and deviation 1, single precision."""
        return ((x - self.mean) / self.std).astype("f4")

    def to_target(self, y: NDArray[np.floating]) -> NDArray[np.floating]:
        """Turn network outputs into NEE, g C m-2 month-1."""
        return y * self.target_std + self.target_mean
