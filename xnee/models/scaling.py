"""What a network reads: drivers as features, on a common scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xnee.context import STATISTICS
from xnee.pft import PFTS
from xnee.variables import VARIABLES, labels

__all__ = [
    "CONTEXT",
    "ENCODING",
    "Inputs",
    "Moments",
    "Scaler",
    "encode",
    "feature_drivers",
    "place_features",
    "window_features",
]

CONTEXT: tuple[tuple[str, str], ...] = (
    ("TEMP", "mean"),
    ("TEMP", "amplitude"),
    ("PRE", "mean"),
    ("NDVI", "mean"),
    ("LAI", "mean"),
    ("FAPAR", "mean"),
    ("SIF", "mean"),
)
"""Statistics of a site that networks read as its context, where the driver is there: climate and greenness.

All statistics of all drivers would tell sites apart instead of describing them: on 67 towers that cost a fifth of the
explained variance at towers left out.
"""


ENCODING = "WD as sine and cosine, PRE as log(1 + PRE / 10 mm)"
"""How drivers become features: results of another way are not mixed with those of this one."""
_LOGARITHM: Mapping[str, float] = {"PRE": 10.0}
"""Drivers that are read as log(1 + value / scale): amounts of rain differ by factors, and a wet tower would stand many
deviations from all others. On 67 towers that gained a twentieth of what was left to explain at towers left out.
"""


def _read(name: str, values: NDArray[np.floating]) -> NDArray[np.floating]:
    """Put a driver on the scale that networks read it on."""
    scale = _LOGARITHM.get(name)
    if scale is None:
        return values
    kind = np.result_type(values.dtype, np.float32)  # whole numbers of rain have no whole logarithm
    return np.asarray(np.log1p(np.maximum(values, 0) / scale), dtype=kind)


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
    """Turn drivers into features: an angle becomes its sine and cosine, rain its logarithm, log(1 + PRE / 10 mm).

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
    >>> encode(np.array([[0.0], [90.0]]), ["PRE"]).round(3).ravel().tolist()
    [0.0, 2.303]
    """
    if not any(VARIABLES[name].circular or name in _LOGARITHM for name in drivers):
        return x
    columns = []
    for k, name in enumerate(drivers):
        if VARIABLES[name].circular:
            angle = np.deg2rad(x[..., k])
            columns += [np.sin(angle), np.cos(angle)]
        else:
            columns.append(_read(name, x[..., k]))
    return np.stack(columns, axis=-1)


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What a network reads: drivers month by month, and what stays the same through a window.

    Parameters
    ----------
    drivers
        Names of the vocabulary.
    context
        Whether the `CONTEXT` of the site is read.
    pft
        Whether the forest type is read, one column a type.
    """

    drivers: tuple[str, ...]
    context: bool = False
    pft: bool = False

    @property
    def statistics(self) -> tuple[tuple[str, str], ...]:
        """Driver and statistic of each column of the context."""
        return tuple(pair for pair in CONTEXT if self.context and pair[0] in self.drivers)

    @property
    def size(self) -> int:
        """Number of features."""
        return len(feature_drivers(self.drivers)) + len(self.statistics) + (len(PFTS) if self.pft else 0)

    def still(self, context: NDArray[np.floating], pft: NDArray[np.str_]) -> NDArray[np.float32]:
        """Give the features that do not change from month to month.

        Parameters
        ----------
        context
            ``(sample, statistic, driver)``, as of `xnee.context.series_context`.
        pft
            ``(sample,)``, forest types.

        Returns
        -------
        numpy.ndarray
            ``(sample, feature)``: `statistics`, then types; not scaled.
        """
        columns = [
            _read(name, context[:, STATISTICS.index(which), self.drivers.index(name)])
            for name, which in self.statistics
        ]
        if self.pft:
            columns += [pft == name for name in PFTS]
        return np.stack(columns, axis=1).astype("f4") if columns else np.empty((len(pft), 0), dtype="f4")

    def months(self, x: NDArray[np.floating], still: NDArray[np.float32]) -> NDArray[np.floating]:
        """Write the features of samples out, month by month.

        Parameters
        ----------
        x
            ``(sample, month, driver)``, canonical units.
        still
            ``(sample, feature)``, as of `Inputs.still`.

        Returns
        -------
        numpy.ndarray
            ``(sample, month, feature)``, not scaled: those of `encode`, then `still`.
        """
        varying = encode(x, self.drivers)
        if not still.shape[1]:
            return varying
        repeated = np.broadcast_to(still[:, None], (*x.shape[:2], still.shape[1]))
        return np.concatenate([varying, repeated.astype(varying.dtype)], axis=2)


def window_features(samples: xr.Dataset, inputs: Inputs) -> NDArray[np.floating]:
    """Write windows out as networks read them.

    Parameters
    ----------
    samples
        As of `xnee.windows`.
    inputs
        What the networks read.

    Returns
    -------
    numpy.ndarray
        ``(sample, lag, feature)``, not scaled, no gaps.
    """
    own = samples[["x", "context"]].sel(driver=list(inputs.drivers))
    still = inputs.still(own["context"].to_numpy(), labels(samples["pft"]))
    return inputs.months(own["x"].to_numpy(), still)


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


def place_features(inputs: Inputs, scaler: Scaler, context: NDArray[np.floating], pft: str) -> NDArray[np.float32]:
    """Write out what networks read of places, for prediction.

    Parameters
    ----------
    inputs, scaler
        Of an ensemble.
    context
        ``(series, statistic, driver)``, as of `xnee.context.series_context`.
    pft
        Forest type of all of them. One that training hardly saw has no scale: it is taken as the mean of the others.

    Returns
    -------
    numpy.ndarray
        ``(series, feature)``, as of `Inputs.still`; not scaled.
    """
    still = inputs.still(context, np.full(len(context), pft))
    types = slice(-len(PFTS), None)
    if inputs.pft and np.isinf(scaler.std[types][PFTS.index(pft)]):
        still[:, types] = scaler.mean[types]
    return still
