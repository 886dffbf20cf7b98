"""What a network must beat: seasonal cycles, and trees on the same windows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from functools import partial
from types import MappingProxyType

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from xnee.evaluation.schemes import TEMPORAL
from xnee.evaluation.scoring import season_of
from xnee.models.ensembles import window_weight
from xnee.models.scaling import encode
from xnee.pft import PFTS
from xnee.variables import TARGET, labels

__all__ = [
    "BASELINES",
    "POOLED_LSTM",
    "Baseline",
    "choose_baselines",
    "gradient_boosting",
    "pft_seasonal_cycle",
    "random_forest",
    "site_seasonal_cycle",
]

Baseline = Callable[[xr.Dataset, NDArray[np.bool_]], NDArray[np.float64]]
"""Learns from the windows where the mask is True and predicts all of them, ``(sample,)``."""


def _cycle(samples: xr.Dataset, training: NDArray[np.bool_], group: NDArray[np.str_]) -> NDArray[np.float64]:
    table = pd.DataFrame({"group": group, "season": season_of(samples), "y": samples[TARGET].to_numpy()})
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
    return _cycle(samples, training, labels(samples["pft"]))


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
    return _cycle(samples, training, labels(samples["site"]))


def _features(samples: xr.Dataset, *, context: bool) -> NDArray[np.float64]:
    """Lay out what trees see, ``(sample, column)``: drivers of all lags, the type, and the context if asked."""
    drivers = labels(samples["driver"]).tolist()
    count = samples.sizes["sample"]
    columns = [
        encode(samples["x"].to_numpy(), drivers).reshape(count, -1),
        labels(samples["pft"])[:, None] == np.array(PFTS),
    ]
    if context:
        # a driver that is nowhere finite at a site has no complete window there, so that a zero is never met
        columns.append(np.nan_to_num(samples["context"].to_numpy()).reshape(count, -1))
    return np.concatenate(columns, axis=1, dtype="f8")


def random_forest(samples: xr.Dataset, training: NDArray[np.bool_], *, context: bool = False) -> NDArray[np.float64]:
    """Predict with a random forest of 100 trees on the flattened windows and the type, all types pooled.

    Parameters
    ----------
    samples
        Windows with NEE.
    training
        ``(sample,)``, True where the baseline may learn.
    context
        Whether the trees also see ``samples["context"]``, what the site is like in the long run.

    Returns
    -------
    numpy.ndarray
        ``(sample,)``, g C m-2 month-1. Windows weigh as in the networks. The seed is fixed: it is a yardstick.
    """
    from sklearn.ensemble import RandomForestRegressor

    features = _features(samples, context=context)
    forest = RandomForestRegressor(100, min_samples_leaf=3, max_features=1 / 3, n_jobs=-1, random_state=0)
    weight = window_weight(samples.isel(sample=training))
    forest.fit(features[training], samples[TARGET].to_numpy()[training], sample_weight=weight)
    return np.asarray(forest.predict(features))


def gradient_boosting(
    samples: xr.Dataset, training: NDArray[np.bool_], *, context: bool = False
) -> NDArray[np.float64]:
    """Predict with 200 gradient-boosted trees on the flattened windows and the type, all types pooled.

    Parameters
    ----------
    samples
        Windows with NEE.
    training
        ``(sample,)``, True where the baseline may learn.
    context
        Whether the trees also see ``samples["context"]``, what the site is like in the long run.

    Returns
    -------
    numpy.ndarray
        ``(sample,)``, g C m-2 month-1. Windows weigh as in the networks. The seed is fixed: it is a yardstick.
    """
    from sklearn.ensemble import HistGradientBoostingRegressor

    features = _features(samples, context=context)
    trees = HistGradientBoostingRegressor(
        learning_rate=0.05,
        max_iter=200,
        max_leaf_nodes=15,
        min_samples_leaf=20,
        max_bins=64,
        early_stopping=False,
        random_state=0,
    )
    weight = window_weight(samples.isel(sample=training))
    trees.fit(features[training], samples[TARGET].to_numpy()[training], sample_weight=weight)
    return np.asarray(trees.predict(features))


BASELINES: Mapping[str, Baseline] = MappingProxyType(
    {
        "PFT seasonal cycle": pft_seasonal_cycle,
        "site seasonal cycle": site_seasonal_cycle,
        "random forest": random_forest,
        "random forest, context": partial(random_forest, context=True),
        "gradient boosting": gradient_boosting,
        "gradient boosting, context": partial(gradient_boosting, context=True),
    }
)
"""What stands beside the networks, by name."""

POOLED_LSTM = "pooled LSTM"
"""One ensemble of networks for all types, with the settings of the networks that are tested."""


def choose_baselines(
    names: Iterable[str] | None, *, scheme: str, strategy: str, samples: xr.Dataset
) -> tuple[str, ...]:
    """Choose the baselines that a scheme allows.

    Parameters
    ----------
    names
        Names asked for; None for all that apply.
    scheme
        Name of the scheme. A left-out site has no seasonal cycle of its own.
    strategy
        Of the networks that are tested; pooled ones need no pooled baseline.
    samples
        Windows; trees see a context if they hold one.

    Returns
    -------
    tuple of str
        Names of ``BASELINES``, or ``"pooled LSTM"``.

    Raises
    ------
    ValueError
        If a name is unknown, does not apply or comes twice.

    Examples
    --------
    >>> choose_baselines(None, scheme="temporal", strategy="pooled", samples=xr.Dataset())
    ('PFT seasonal cycle', 'site seasonal cycle', 'random forest', 'gradient boosting')
    """
    without = set() if scheme in TEMPORAL else {"site seasonal cycle"}
    without |= set() if "context" in samples else {name for name in BASELINES if name.endswith("context")}
    without |= {POOLED_LSTM} if strategy == "pooled" else set()
    apply = tuple(name for name in (*BASELINES, POOLED_LSTM) if name not in without)
    if names is None:
        return apply
    chosen = (names,) if isinstance(names, str) else tuple(names) if isinstance(names, Iterable) else (names,)
    wrong = [name for name in chosen if name not in apply]
    if wrong or len(set(chosen)) < len(chosen):
        by_case = {name.lower(): name for name in apply}
        near = get_close_matches(str(wrong[0]).lower(), by_case, n=1) if wrong else []
        hint = f" Did you mean {by_case[near[0]]!r}?" if near else ""
        msg = (
            f"baselines of scheme {scheme!r} with strategy {strategy!r} are among {list(apply)}, each once; got "
            f"{wrong or list(chosen)}.{hint}"
        )
        raise ValueError(msg)
    return chosen
