"""Scores as states that add up: sums first, means only at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from xnee.pft import PFTS
from xnee.variables import TARGET

__all__ = ["FIELDS", "Tally", "measures", "score_dataset", "score_windows", "spread_over_types", "sums_by"]

_UNITS = {"MAE": "g C m-2 month-1", "RMSE": "g C m-2 month-1", "bias": "g C m-2 month-1"}


@dataclass(frozen=True, kw_only=True)
class Tally:
    """Sums from which all scores follow; tallies of parts add up to the tally of the whole.

    Parameters
    ----------
    count
        Pairs with both values.
    observed, observed2
        Sum of the observations and of their squares.
    predicted2
        Sum of the squares of the predictions.
    error, error2, absolute
        Sum of predicted minus observed, of its square, and of its absolute value.
    """

    count: int = 0
    observed: float = 0.0
    observed2: float = 0.0
    predicted2: float = 0.0
    error: float = 0.0
    error2: float = 0.0
    absolute: float = 0.0

    @classmethod
    def of(cls, observed: ArrayLike, predicted: ArrayLike) -> Tally:
        """Tally pairs of values.

        Parameters
        ----------
        observed, predicted
            Same shape, same unit. Pairs with a missing value are left out (a month that no window reaches).

        Returns
        -------
        Tally
            The sums, in double precision.

        Examples
        --------
        >>> Tally.of([1.0, 2.0, 3.0], [1.0, 2.0, 4.0]).r2
        0.5
        """
        y, p = np.asarray(observed, dtype="f8").ravel(), np.asarray(predicted, dtype="f8").ravel()
        count, *sums = sums_by(y, p, np.zeros(y.size, dtype="i8"), count=1)[0].tolist()
        return cls(count=int(count), **dict(zip(FIELDS[1:], sums, strict=True)))

    def __add__(self, other: Tally) -> Tally:
        """Add the sums of two disjoint sets of pairs."""
        return Tally(**{name: getattr(self, name) + getattr(other, name) for name in FIELDS})

    def _measure(self, name: str) -> float:
        return float(measures(asdict(self))[name])

    @property
    def r2(self) -> float:
        """One minus residual over total sum of squares (the study's equation 2, also called NSE); NaN below 2 pairs."""
        return self._measure("R2")

    @property
    def mae(self) -> float:
        """Mean absolute error, unit of the target."""
        return self._measure("MAE")

    @property
    def rmse(self) -> float:
        """Root mean squared error, unit of the target."""
        return self._measure("RMSE")

    @property
    def bias(self) -> float:
        """Mean of predicted minus observed, unit of the target."""
        return self._measure("bias")

    @property
    def kge(self) -> float:
        """Kling-Gupta efficiency, with the bias over the standard deviation; see `measures`."""
        return self._measure("KGE")


FIELDS: tuple[str, ...] = tuple(field.name for field in fields(Tally))
"""The sums of a `Tally`, in the order of the last axis of what `sums_by` gives."""


def sums_by(
    observed: ArrayLike, predicted: ArrayLike, group: NDArray[np.integer], *, count: int
) -> NDArray[np.float64]:
    """Tally pairs of values by group.

    Parameters
    ----------
    observed, predicted
        ``(sample,)``, same unit. Pairs with a missing value are left out.
    group
        ``(sample,)``, number of the group of each pair, from 0 to below `count`.
    count
        Number of groups.

    Returns
    -------
    numpy.ndarray
        ``(group, field)``, fields in the order of ``FIELDS``; sums over groups are the sums of the whole.

    Examples
    --------
    >>> sums_by([1.0, 2.0, 5.0], [1.0, 3.0, np.nan], np.array([0, 1, 1]), count=2)[:, 0].tolist()
    [1.0, 1.0]
    """
    y, p = np.asarray(observed, dtype="f8"), np.asarray(predicted, dtype="f8")
    both = np.isfinite(y) & np.isfinite(p)
    y, p, group = y[both], p[both], np.asarray(group)[both]
    columns = (np.ones(y.size), y, y**2, p**2, p - y, (p - y) ** 2, np.abs(p - y))
    return np.stack([np.bincount(group, column, minlength=count) for column in columns], axis=-1)


def measures(sums: Mapping[str, ArrayLike]) -> dict[str, NDArray[np.float64]]:
    """Turn sums into scores.

    With y observed, p predicted and e = p - y, over n pairs:

    - ``R2 = 1 - sum(e^2) / sum((y - mean(y))^2)``, the study's equation 2. ``NSE``, the name in hydrology, is the same.
    - ``MAE = sum(|e|) / n``, its equation 3; ``RMSE = sqrt(sum(e^2) / n)``, its equation 4; ``bias = sum(e) / n``.
    - ``r``, the correlation of y and p: blind to bias and to scale, and so its square is never below R2.
    - ``KGE = 1 - sqrt((r - 1)^2 + (sd(p) / sd(y) - 1)^2 + (bias / sd(y))^2)`` (Gupta et al. 2009, doi
      10.1016/j.jhydrol.2009.08.003). They take the ratio of the means for the last term, which has no meaning for a
      flux that crosses zero.

    Parameters
    ----------
    sums
        By the names in ``FIELDS``, of any one shape.

    Returns
    -------
    dict
        ``R2``, ``NSE``, ``MAE``, ``RMSE``, ``bias``, ``r``, ``KGE`` and ``n``, each of that shape; NaN where there is
        nothing to divide by.

    Examples
    --------
    >>> round(Tally.of([1.0, 2.0, 3.0], [2.0, 3.0, 4.0]).kge, 3)
    -0.225
    """
    s = {name: np.asarray(sums[name], dtype="f8") for name in FIELDS}
    with np.errstate(divide="ignore", invalid="ignore"):
        n = s["count"]
        total = s["observed2"] - s["observed"] ** 2 / n
        # rounding leaves crumbs of a variance where all values are the same
        total = np.where((n > 1) & (total > 1e-12 * s["observed2"]), total, np.nan)
        bias = s["error"] / n
        mean = s["observed"] / n + bias
        own = np.maximum(s["predicted2"] - n * mean**2, 0)
        cross = (s["observed2"] + s["predicted2"] - s["error2"]) / 2 - s["observed"] * mean
        scale = np.where(own > 1e-12 * s["predicted2"], np.sqrt(total * own), np.nan)
        r = np.clip(cross / scale, -1, 1)
        r2 = 1 - s["error2"] / total
        kge = 1 - np.sqrt((r - 1) ** 2 + (np.sqrt(own / total) - 1) ** 2 + bias**2 * n / total)
        mae, rmse = s["absolute"] / n, np.sqrt(s["error2"] / n)
    return {"R2": r2, "NSE": r2, "MAE": mae, "RMSE": rmse, "bias": bias, "r": r, "KGE": kge, "n": n}


def score_dataset(
    sums: NDArray[np.float64], dims: Sequence[str], *, suffix: str = "", only: Sequence[str] | None = None
) -> xr.Dataset:
    """Lay scores out as a Dataset.

    Parameters
    ----------
    sums
        ``(..., field)``, as of `sums_by`.
    dims
        Names of the dimensions before the last.
    suffix
        Put behind each variable's name.
    only
        Names of scores; by default all that `measures` gives.

    Returns
    -------
    xarray.Dataset
        ``R2``, ``NSE``, ``r``, ``KGE`` (1), ``MAE``, ``RMSE``, ``bias`` (g C m-2 month-1), ``n`` (1).

    Examples
    --------
    >>> score_dataset(sums_by([1.0, 2.0], [1.0, 3.0], np.array([0, 0]), count=1), ["pft"])["MAE"].values.tolist()
    [0.5]
    """
    found = measures({name: sums[..., k] for k, name in enumerate(FIELDS)})
    found["n"] = found["n"].astype("i8")
    return xr.Dataset(
        {
            name + suffix: (tuple(dims), found[name], {"units": _UNITS.get(name, "1")})
            for name in (found if only is None else only)
        }
    )


def spread_over_types(sums: NDArray[np.float64], pft: NDArray[np.str_]) -> NDArray[np.float64]:
    """Add sums by site up to sums by forest type.

    Parameters
    ----------
    sums
        ``(..., site, field)``.
    pft
        ``(site,)``, type of each site.

    Returns
    -------
    numpy.ndarray
        ``(..., pft, field)``: the five types in the order of ``xnee.PFTS``, and all sites together.

    Examples
    --------
    >>> spread_over_types(np.ones((2, 1)), np.array(["DBF", "MF"]))[:, 0].tolist()
    [1.0, 0.0, 0.0, 0.0, 1.0, 2.0]
    """
    member = np.array([(pft == name) | (name == "all") for name in (*PFTS, "all")], dtype="f8")  # (pft, site)
    return np.asarray(member @ sums)


def score_windows(samples: xr.Dataset, predicted: xr.DataArray, split: xr.DataArray) -> xr.Dataset:
    """Score predictions by PFT and by site within each part of a split.

    Parameters
    ----------
    samples
        Windows with the observed NEE and coordinates ``pft`` and ``site``.
    predicted
        ``(sample,)``, g C m-2 month-1.
    split
        ``(sample,)``, ``"train"`` or ``"test"``.

    Returns
    -------
    xarray.Dataset
        Scores (see `score_dataset`) over ``(split, pft)``, pft with a last entry ``"all"``; the same with suffix
        ``_site`` over ``(split, site)``. NaN where there is nothing to score.
    """
    parts = ["train", "test"]
    names, first, number = np.unique(samples["site"].to_numpy(), return_index=True, return_inverse=True)
    y, p, s = samples[TARGET].to_numpy(), predicted.to_numpy(), split.to_numpy()
    sums = np.stack([sums_by(y, np.where(s == part, p, np.nan), number, count=names.size) for part in parts])
    by_pft = score_dataset(spread_over_types(sums, samples["pft"].to_numpy()[first]), ("split", "pft"))
    table = by_pft.merge(score_dataset(sums, ("split", "site"), suffix="_site"))
    return table.assign_coords(split=parts, pft=[*PFTS, "all"], site=names)
