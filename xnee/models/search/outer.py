"""The outer test: what was chosen, trained on the whole training part, on months that selection never saw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
import xarray as xr
from numpy.typing import NDArray

from xnee.models.ensembles import window_weight
from xnee.models.lstm import forward_series
from xnee.models.scaling import Inputs, Scaler, window_features
from xnee.models.search.choosing import Choice
from xnee.models.training import Job, threads, train
from xnee.models.training_set import temporal_split, training_windows, windows_digest
from xnee.scores import Tally
from xnee.variables import TARGET, labels

__all__ = ["outer_scores"]


def outer_scores(
    sites: xr.Dataset, choices: Sequence[Choice], settings: Mapping[str, Any], *, members: int
) -> pd.DataFrame:
    """Train choices on the whole training part and score the mean of their networks on the outer test.

    Parameters
    ----------
    sites
        The towers of the search.
    choices
        What to score.
    settings
        Of the search.
    members
        Networks for each.

    Returns
    -------
    pandas.DataFrame
        As of `Search.outer`.

    Raises
    ------
    ValueError
        If the towers are not those of the search, nothing was held out, or there is no member.
    """
    samples = training_windows(sites, settings["drivers"], lags=settings["lags"])
    if windows_digest(samples) != settings["windows"]:
        msg = "outer needs the towers that were searched, month by month; the windows of these differ."
        raise ValueError(msg)
    whole = isinstance(members, int) and not isinstance(members, bool)
    if not settings["test_fraction"] > 0 or not whole or members < 1:
        msg = (
            "outer needs months that were held out and at least 1 member, a whole number; got "
            f"test_fraction={settings['test_fraction']} and {members!r} members."
        )
        raise ValueError(msg)
    keep = temporal_split(samples, settings["test_fraction"])
    rows = [_score(samples, keep, choice, settings, members) for choice in choices]
    return pd.DataFrame(rows)


def _score(
    samples: xr.Dataset, keep: NDArray[np.bool_], choice: Choice, settings: Mapping[str, Any], members: int
) -> dict[str, Any]:
    own = labels(samples["pft"]) == choice.pft
    training, test = np.flatnonzero(own & keep), np.flatnonzero(own & ~keep)
    inputs = Inputs(drivers=tuple(labels(samples["driver"]).tolist()), context=settings["context"])
    x = window_features(samples, inputs)
    y, weight = samples[TARGET].to_numpy(), np.zeros(keep.size)
    weight[keep] = window_weight(samples.isel(sample=keep))  # as the search knew it
    scaler = Scaler.of(x[training], y[training])
    seeds = [int(settings["seed"]) * 1000 + member for member in range(members)]
    jobs = [Job(training, scaler, seed, choice.network, choice.training) for seed in seeds]
    with threads(1):
        weights = train(x, y, jobs, weight=weight, device=settings["device"])
        tensors = {name: torch.from_numpy(value) for name, value in weights.items()}
        features = torch.from_numpy(scaler.features(x[test]))
        with torch.inference_mode():
            scaled = forward_series(tensors, features[None], features.shape[1])[..., 0].numpy()
    predicted = scaler.to_target(scaled.astype("f8")).mean(axis=0)
    tally = Tally.of(y[test], predicted)
    squares = (predicted - y[test]) ** 2
    # of the root of a mean: half the relative error of the mean
    error = squares.std(ddof=1) / np.sqrt(test.size) / (2 * tally.rmse) if test.size > 1 else float("nan")
    settings_of = {"hidden": choice.network.hidden, "epochs": choice.training.epochs}
    scores = {"R2": tally.r2, "RMSE": tally.rmse, "RMSE_se": float(error), "windows": int(test.size)}
    return {"pft": choice.pft, "rule": choice.rule, "trial": choice.trial, **settings_of, "loss": choice.loss, **scores}
