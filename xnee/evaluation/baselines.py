"""What a network must beat: seasonal cycles and a random forest on the same windows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from xnee.models.scaling import encode
from xnee.pft import PFTS
from xnee.variables import TARGET

__all__ = ["Baseline", "pft_seasonal_cycle", "random_forest", "site_seasonal_cycle"]

Baseline = Callable[[xr.Dataset, NDArray[np.bool_]], NDArray[np.float64]]
"""Learns from the windows where the mask is True and predicts all of them, ``(sample,)``."""


def _season(samples: xr.Dataset) -> NDArray[np.int64]:
    """Month of the year, shifted by six in the southern hemisphere (where the samples know their latitude)."""
    month = samples["time"].dt.month.to_numpy() - 1
    south = samples["lat"].to_numpy() < 0 if "lat" in samples.coords else np.zeros(month.size, dtype=bool)
    return np.asarray((month + 6 * south) % 12)


def _cycle(samples: xr.Dataset, training: NDArray[np.bool_], group: NDArray[np.str_]) -> NDArray[np.float64]:
    table = pd.DataFrame({"group": group, "season": _season(samples), "y": samples[TARGET].to_numpy()})
    seen = table[training]
    by_season = seen.groupby(["group", "season"])["y"].mean()
    found = by_season.reindex(pd.MultiIndex.from_frame(table[["group", "season"]])).to_numpy()
    # a season or a group that training never saw: what all of training did in that season
    overall = seen.groupby("season")["y"].mean().reindex(table["season"]).fillna(seen["y"].mean()).to_numpy()
    return np.where(np.isnan(found), overall, found)


def pft_seasonal_cycle(samples: xr.Dataset, training: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Predict the mean of the type's training months of the same season.

    Parameters
    ----------
    samples
        Windows with NEE; ``lat (sample)``, where there, turns the seasons of the southern hemisphere.
    training
        ``(sample,)``, True where the baseline may learn.

    Returns
    -------
    numpy.ndarray
        ``(sample,)``, g C m-2 month-1.
    """
    return _cycle(samples, training, samples["pft"].to_numpy())


def site_seasonal_cycle(samples: xr.Dataset, training: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Predict the mean of the site's own training months of the same season; for temporal splits only.

    Parameters
    ----------
    samples
        Windows with NEE.
    training
        ``(sample,)``, True where the baseline may learn.

    Returns
    -------
    numpy.ndarray
        ``(sample,)``, g C m-2 month-1.
    """
    return _cycle(samples, training, samples["site"].to_numpy())


def random_forest(samples: xr.Dataset, training: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Predict with a random forest of 100 trees on the flattened windows and the type, all types pooled.

    Parameters
    ----------
    samples
        Windows with NEE.
    training
        ``(sample,)``, True where the baseline may learn.

    Returns
    -------
    numpy.ndarray
        ``(sample,)``, g C m-2 month-1. The seed is fixed: it is a yardstick.
    """
    from sklearn.ensemble import RandomForestRegressor

    x = encode(samples["x"].to_numpy(), samples["driver"].to_numpy().tolist()).reshape(training.size, -1)
    one_hot = samples["pft"].to_numpy()[:, None] == np.array(PFTS)
    features = np.concatenate([x, one_hot], axis=1)
    forest = RandomForestRegressor(100, min_samples_leaf=3, max_features=1 / 3, n_jobs=-1, random_state=0)
    forest.fit(features[training], samples[TARGET].to_numpy()[training])
    return np.asarray(forest.predict(features))
