"""Small searches for the tests."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from xnee.models.search.folds import Material, inner_material
from xnee.models.search.running import search
from xnee.models.search.space import Space
from xnee.models.training_set import temporal_split, training_windows

SMALL = Space(
    hidden=(4, 8),
    batch=(8, 16),
    learning_rate=(3e-3, 3e-2),
    weight_decay=(0.0, 1e-2),
    dropout=(0.0, 0.3),
    epochs=(1, 2, 4),
)
TINY = replace(SMALL, batch=(16,), weight_decay=(0.0,), epochs=(1, 2))
SETTINGS = {"lags": 2, "folds": 2, "progress": False, "workers": 1}


def run(towers, space=TINY, **settings):
    return search(towers, space, **{**SETTINGS, **settings})


def material_of(towers, *, lags: int = 2, folds: int = 2, inner: str = "temporal", seed: int = 0) -> Material:
    samples = training_windows(towers, None, lags=lags)
    keep = temporal_split(samples, 0.2)
    material, _ = inner_material(samples, keep, inner=inner, folds=folds, seed=seed, pfts=None)
    return material


def assert_same_table(one: pd.DataFrame, other: pd.DataFrame) -> None:
    """To the last bit, but for the time that it took."""
    pd.testing.assert_frame_equal(one.drop(columns="seconds"), other.drop(columns="seconds"), check_exact=True)
    assert np.isfinite(one["loss"]).any()
