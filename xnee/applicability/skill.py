"""Whether the area of applicability keeps its word: errors at left-out towers, inside and outside."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xnee.applicability.area import fold_of_windows, importance
from xnee.applicability.dissimilarity import Neighbourhood
from xnee.applicability.points import weights_of
from xnee.explanation.checks import check_kinds, check_seed
from xnee.explanation.networks import networks_of
from xnee.models.model import NEEModel
from xnee.models.training_set import same_windows, training_windows
from xnee.pft import PFTS
from xnee.variables import TARGET, VARIABLES, labels

__all__ = ["applicability_skill"]

_OTHER_MONTHS = ("temporal", "leave-year-out")
"""Schemes whose folds hold out months, not sites."""


def applicability_skill(
    scores: xr.Dataset,
    sites: xr.Dataset,
    *,
    model: NEEModel,
    weights: xr.Dataset | xr.DataArray | None = None,
    seed: int = 0,
) -> xr.Dataset:
    """Compare the errors of left-out windows inside and outside the area of applicability of their fold.

    Each fold is left out of the training windows once: the dissimilarity index of its windows, and the threshold, come
    from the other folds alone. Scales and weights are those of `model`.

    Parameters
    ----------
    scores
        From `xnee.crossvalidate` with a scheme that leaves whole sites out, of the same towers, drivers and lags.
    sites
        The towers.
    model
        Fitted on them: what networks read, on which scale, and how much it matters.
    weights, seed
        As of `area_of_applicability`.

    Returns
    -------
    xarray.Dataset
        ``DI``, ``threshold``, ``inside`` and ``error`` (predicted - NEE, g C m-2 month-1) by ``sample``; ``RMSE``
        and ``n`` over ``(where, pft)``, inside and outside, five types and ``"all"``; ``ratio (pft)``, outside over
        inside, and ``ratio_interval (bound, pft)``, its 5 and 95 % over draws of sites with replacement; ``sites
        (where, pft)``. A window without a neighbourhood (a type with fewer than three folds) is missing.

    Raises
    ------
    TypeError
        If `scores` or `sites` is no Dataset or `model` no fitted model.
    ValueError
        If the scores are not those of these towers, window by window, or do not leave sites out; if the model is of
        other towers; or if no type has three folds.

    Examples
    --------
    >>> from xnee.evaluation.crossval import crossvalidate
    >>> from xnee.models.fitting import fit
    >>> from xnee.models.training import FitSpec
    >>> from xnee.sources.synthetic import synthetic_towers
    >>> towers = synthetic_towers(sites_per_pft=3, years=2)
    >>> same = {"lags": 1, "members": 1, "strategy": "per-pft", "training": FitSpec(epochs=1)}
    >>> scores = crossvalidate(towers, ["TEMP", "PAR"], folds=3, baselines=[], **same)
    >>> kept = applicability_skill(scores, towers, model=fit(towers, ["TEMP", "PAR"], **same))
    >>> kept["RMSE"].dims
    ('where', 'pft')
    """
    check_seed("applicability_skill", seed)
    check_kinds("applicability_skill(scores, sites, model=model)", model=model, scores=scores, sites=sites)
    if "predicted" not in scores:
        msg = (
            "applicability_skill needs scores that crossvalidate(...) gave, with what was predicted; got a Dataset of "
            f"{list(scores.data_vars)[:5]}. Call it as applicability_skill(scores, sites, model=model)."
        )
        raise ValueError(msg)
    towers = training_windows(sites, model.window.drivers, lags=model.window.lags)
    same_windows(towers, model)  # scales and weights are those of the towers
    fold = _fold(scores, towers, model)
    weights = importance(sites, model, weights, seed=seed)
    pft = labels(towers["pft"])
    index, threshold = np.full((2, pft.size), np.nan)
    for name in PFTS:
        own = np.flatnonzero(pft == name)
        if np.unique(fold[own]).size < 3:
            continue
        points = weights_of(
            weights, networks_of(model, name), drivers=list(model.window.drivers), length=model.window.length
        )
        at = points.of(towers["x"].to_numpy()[own], towers["context"].to_numpy()[own])[:, 0]
        for left_out in np.unique(fold[own]):
            out = fold[own] == left_out
            known = Neighbourhood.of(at[~out], fold_of_windows(towers.isel(sample=own[~out]), None))
            index[own[out]], threshold[own[out]] = known.dissimilarity(at[out]), known.threshold
    error = scores["predicted"].sel(predictor="xnee").to_numpy() - towers[TARGET].to_numpy()
    return _describe(towers, index, threshold, error)


def _fold(scores: xr.Dataset, towers: xr.Dataset, model: NEEModel) -> NDArray[np.int64]:
    """Give the fold of each window, once it is sure that the scores are those of these towers and drivers."""
    site, there = labels(towers["site"]), {"fold", "NEE", "predicted"} <= set(scores.variables)
    own = {"drivers": ", ".join(model.window.drivers), "lags": model.window.lags}
    told = {name: scores.attrs.get(name, value) for name, value in own.items()}  # in whatever order of drivers
    there = there and set(str(told["drivers"]).split(", ")) == set(model.window.drivers)
    there = there and told["lags"] == model.window.lags
    fold = np.empty(0)
    if there and scores.sizes.get("sample") == site.size:
        there = np.array_equal(scores[TARGET].to_numpy(), towers[TARGET].to_numpy())
        fold = scores["fold"].to_numpy()
    there = there and scores.attrs.get("scheme") not in _OTHER_MONTHS
    if not there or fold.size == 0 or any(np.unique(fold[site == name]).size > 1 for name in np.unique(site)):
        what = ", ".join(f"{name} {scores.attrs.get(name, 'unknown')}" for name in ("scheme", *own))
        msg = (
            "applicability_skill needs crossvalidate(...) of the same towers, drivers and lags, by a scheme that "
            f"leaves whole sites out; got scores of {scores.sizes.get('sample', 0)} windows ({what}) for towers with "
            f"{site.size} and a model of {own['drivers']} with {own['lags']} lags."
        )
        raise ValueError(msg)
    pft = labels(towers["pft"])
    if all(np.unique(fold[pft == name]).size < 3 for name in PFTS):
        msg = (
            "a fold's neighbourhood is the towers of its type in two other folds or more, but no type has towers in "
            f"three: {np.unique(site).size} towers in {np.unique(fold).size} folds. Take more towers or more folds."
        )
        raise ValueError(msg)
    return np.asarray(fold)


def _describe(
    towers: xr.Dataset,
    index: NDArray[np.float64],
    threshold: NDArray[np.float64],
    error: NDArray[np.float64],
) -> xr.Dataset:
    pft = labels(towers["pft"])
    known = np.isfinite(index) & np.isfinite(error)
    inside = known & (index <= threshold)
    site, number = np.unique(labels(towers["site"]), return_inverse=True)
    shape = (2, len(PFTS) + 1)
    rmse, count, sites = np.full(shape, np.nan), np.zeros(shape, dtype=int), np.zeros(shape, dtype=int)
    interval = np.full(shape, np.nan)
    for j, name in enumerate((*PFTS, "all")):
        sums = np.zeros((2, 2, site.size))  # (where, windows or squares, site)
        for k, where in enumerate((inside, known & ~inside)):
            rows = where & ((pft == name) | (name == "all"))
            sums[k, 0] = np.bincount(number[rows], minlength=site.size)
            sums[k, 1] = np.bincount(number[rows], weights=error[rows] ** 2, minlength=site.size)
        count[:, j], sites[:, j] = sums[:, 0].sum(axis=1), (sums[:, 0] > 0).sum(axis=1)
        rmse[:, j] = _root(sums.sum(axis=2))
        interval[:, j] = _interval(sums)
    units = {"units": VARIABLES[TARGET].units}
    result = xr.Dataset(
        {
            "RMSE": (("where", "pft"), rmse, units),
            "n": (("where", "pft"), count),
            "sites": (("where", "pft"), sites),
            "ratio": ("pft", rmse[1] / rmse[0]),
            "ratio_interval": (("bound", "pft"), interval),
            "DI": ("sample", index),
            "threshold": ("sample", threshold),
            "inside": ("sample", inside),
            "error": ("sample", error, units),
        },
        coords={"where": ["inside", "outside"], "pft": [*PFTS, "all"], "bound": ["low", "high"]},
    )
    return result.assign_coords(
        site=("sample", labels(towers["site"])), time=("sample", towers["time"].to_numpy()), sample_pft=("sample", pft)
    )


def _root(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Root mean square from ``(..., windows and sum of squares)``; missing without windows."""
    count, square = sums[..., 0], sums[..., 1]
    return np.asarray(np.sqrt(np.divide(square, count, out=np.full_like(square, np.nan), where=count > 0)))


def _interval(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """5 and 95 % of the ratio outside over inside, over draws of sites; missing if none is outside."""
    there = sums[:, 0].sum(axis=0) > 0
    if there.sum() < 2 or not (sums[:, 0].sum(axis=1) > 0).all():
        return np.full(2, np.nan)
    rng, own = np.random.default_rng(0), sums[:, :, there]
    times = rng.multinomial(own.shape[2], np.full(own.shape[2], 1 / own.shape[2]), size=2000)
    drawn = _root(np.einsum("ds,kvs->dkv", times, own))  # (draw, where)
    # a draw may hold no window outside: an expected gap
    return np.asarray(np.nanquantile(drawn[:, 1] / drawn[:, 0], [0.05, 0.95]))
