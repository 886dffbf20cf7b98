"""Scores as states that add up: sums first, means only at the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from xnee.pft import PFTS
from xnee.variables import TARGET

__all__ = ["Tally", "score_windows", "tally_dataset"]


@dataclass(frozen=True, kw_only=True)
class Tally:
    """Sums from which R2, MAE, RMSE and bias follow; tallies of parts add up to the tally of the whole.

    Parameters
    ----------
    count
        Pairs with both values.
    observed, observed2
        Sum of the observations and of their squares.
    error, error2, absolute
        Sum of predicted minus observed, of its square, and of its absolute value.
    """

    count: int = 0
    observed: float = 0.0
    observed2: float = 0.0
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
        both = np.isfinite(y) & np.isfinite(p)
        y, e = y[both], p[both] - y[both]
        return cls(
            count=int(both.sum()),
            observed=float(y.sum()),
            observed2=float((y**2).sum()),
            error=float(e.sum()),
            error2=float((e**2).sum()),
            absolute=float(np.abs(e).sum()),
        )

    def __add__(self, other: Tally) -> Tally:
        """Add the sums of two disjoint sets of pairs."""
        return Tally(**{name: getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__})

    @property
    def r2(self) -> float:
        """One minus residual over total sum of squares (the study's equation 2, also called NSE); NaN below 2 pairs."""
        total = self.observed2 - self.observed**2 / self.count if self.count > 1 else 0.0
        return 1 - self.error2 / total if total > 0 else float("nan")

    @property
    def mae(self) -> float:
        """Mean absolute error, unit of the target."""
        return self.absolute / self.count if self.count else float("nan")

    @property
    def rmse(self) -> float:
        """Root mean squared error, unit of the target."""
        return float(np.sqrt(self.error2 / self.count)) if self.count else float("nan")

    @property
    def bias(self) -> float:
        """Mean of predicted minus observed, unit of the target."""
        return self.error / self.count if self.count else float("nan")


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
        ``R2``, ``MAE``, ``RMSE``, ``bias`` (g C m-2 month-1) and ``n`` over ``(split, pft)``, pft with a last
        entry ``"all"``; the same with suffix ``_site`` over ``(split, site)``. NaN where there is nothing to
        score.
    """
    parts = ["train", "test"]
    y, p, s = samples[TARGET].to_numpy(), predicted.to_numpy(), split.to_numpy()
    pft, site = samples["pft"].to_numpy(), samples["site"].to_numpy()
    names = np.unique(site)
    by_pft = [
        [Tally.of(y[k], p[k]) for k in (((s == part) & ((pft == n) | (n == "all"))) for n in (*PFTS, "all"))]
        for part in parts
    ]
    by_site = [[Tally.of(y[k], p[k]) for k in ((s == part) & (site == n) for n in names)] for part in parts]
    coords = {"split": parts, "pft": [*PFTS, "all"], "site": names}
    table = tally_dataset(by_pft, ("split", "pft")).merge(tally_dataset(by_site, ("split", "site"), suffix="_site"))
    return table.assign_coords(coords)


def tally_dataset(tallies: Sequence[Sequence[Tally]], dims: tuple[str, str], *, suffix: str = "") -> xr.Dataset:
    """Lay tallies out as a Dataset of scores.

    Parameters
    ----------
    tallies
        Nested by the two dimensions.
    dims
        Their names.
    suffix
        Put behind each variable's name.

    Returns
    -------
    xarray.Dataset
        ``R2`` (1), ``MAE``, ``RMSE``, ``bias`` (g C m-2 month-1), ``n`` (1).
    """
    columns = {"R2": "r2", "MAE": "mae", "RMSE": "rmse", "bias": "bias", "n": "count"}
    units = {"R2": "1", "n": "1"}
    return xr.Dataset(
        {
            name + suffix: (
                dims,
                [[getattr(t, key) for t in row] for row in tallies],
                {"units": units.get(name, "g C m-2 month-1")},
            )
            for name, key in columns.items()
        }
    )
