"""Months of towers, observed and predicted, from a cross-validation or from towers and their model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xnee.models.training_set import same_windows, training_windows
from xnee.variables import TARGET, labels

if TYPE_CHECKING:
    from xnee.models.model import NEEModel

__all__ = ["Pairs", "pairs_of"]


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Windows in order of sites.

    Parameters
    ----------
    site, pft, time
        ``(sample,)``, where and when.
    observed, predicted, spread
        ``(sample,)``, g C m-2 month-1; predicted is missing where nothing predicts the month, and spread, the standard
        deviation over members, where it is not known.
    held_out
        ``(sample,)``, whether what predicts the month has never seen it.
    what
        What is held out, in words.
    names
        Names of sites by id, where there are any.
    """

    site: NDArray[np.str_]
    pft: NDArray[np.str_]
    time: NDArray[np.datetime64]
    observed: NDArray[np.float64]
    predicted: NDArray[np.float64]
    spread: NDArray[np.float64]
    held_out: NDArray[np.bool_]
    what: str
    names: Mapping[str, str]

    def known(self) -> NDArray[np.bool_]:
        """Tell which months are both observed and predicted.

        Returns
        -------
        numpy.ndarray
            ``(sample,)``.
        """
        return np.isfinite(self.observed) & np.isfinite(self.predicted)


def pairs_of(ds: xr.Dataset, model: NEEModel | None) -> Pairs:
    """Pair what was observed with what was predicted.

    Parameters
    ----------
    ds
        From `xnee.crossvalidate`, whose first predictor is taken; or the towers that `model` was fitted on.
    model
        For towers.

    Returns
    -------
    Pairs
        All windows.

    Raises
    ------
    ValueError
        If towers come without their model, or are not those of its fit.
    """
    if "predicted" in ds:
        return _crossvalidated(ds)
    if model is None:
        msg = (
            "to draw towers, give the model that was fitted on them: plot(sites, model=model). What the towers hold by "
            "themselves is drawn by plot(coverage(sites))."
        )
        raise ValueError(msg)
    samples = training_windows(ds, model.window.drivers, lags=model.window.lags)
    held_out = ~same_windows(samples, model)
    members = model.predict_windows(samples).to_numpy().astype("f8")
    names = dict(zip(labels(ds["site"]).tolist(), labels(ds["name"]).tolist(), strict=True)) if "name" in ds else {}
    return Pairs(
        site=labels(samples["site"]),
        pft=labels(samples["pft"]),
        time=samples["time"].to_numpy(),
        observed=samples[TARGET].to_numpy().astype("f8"),
        predicted=members.mean(axis=0),
        spread=members.std(axis=0, ddof=1) if len(members) > 1 else np.full(held_out.size, np.nan),
        held_out=held_out,
        what="test",
        names=names,
    )


def _crossvalidated(ds: xr.Dataset) -> Pairs:
    one = ds["predicted"].isel(predictor=0)
    predicted = one.to_numpy().astype("f8")
    name, scheme = str(one["predictor"].item()), str(ds.attrs.get("scheme", "held out"))
    return Pairs(
        site=labels(ds["sample_site"]),
        pft=labels(ds["sample_pft"]),
        time=ds["time"].to_numpy(),
        observed=ds[TARGET].to_numpy().astype("f8"),
        predicted=predicted,
        spread=np.full(predicted.size, np.nan),
        held_out=np.isfinite(predicted),
        what=("test" if scheme == "temporal" else scheme) + (f", {name}" if name != "xnee" else ""),
        names={},
    )
