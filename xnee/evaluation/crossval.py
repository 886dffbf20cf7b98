"""The only place that joins splits with training: the whole of scaling and training inside each fold."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xnee.evaluation.baselines import Baseline, pft_seasonal_cycle, random_forest, site_seasonal_cycle
from xnee.evaluation.splits import site_folds
from xnee.models.ensembles import fit_ensembles
from xnee.models.lstm import LSTMSpec
from xnee.models.model import NEEModel
from xnee.models.per_pft import Strategy, temporal_split, training_windows
from xnee.models.training import FitSpec
from xnee.pft import PFTS
from xnee.scores import Tally, tally_dataset
from xnee.variables import TARGET
from xnee.windowing import WindowSpec

__all__ = ["BASELINES", "crossvalidate", "located", "score_predictors"]

_log = logging.getLogger(__name__)
Scheme = Literal["leave-site-out", "temporal"]

BASELINES: Mapping[str, Mapping[str, Baseline]] = {
    "temporal": {"site seasonal cycle": site_seasonal_cycle, "random forest": random_forest},
    "leave-site-out": {"PFT seasonal cycle": pft_seasonal_cycle, "random forest": random_forest},
}
"""What stands beside the networks, by scheme. A left-out site has no seasonal cycle of its own."""


def crossvalidate(
    sites: xr.Dataset,
    drivers: Iterable[str] | None = None,
    *,
    scheme: Scheme = "leave-site-out",
    folds: int = 10,
    lags: int = 6,
    members: int = 5,
    seed: int = 0,
    strategy: Strategy = "per-pft",
    test_fraction: float = 0.2,
    min_windows: int = 24,
    network: LSTMSpec | None = None,
    training: FitSpec | None = None,
    device: str = "cpu",
) -> xr.Dataset:
    """Measure skill on what training has not seen: other sites, or later months of the same sites.

    Scaling and training happen anew inside each fold; the folds train side by side. Each window is predicted once,
    by the networks of the fold that left it out.

    Parameters
    ----------
    sites
        ``(site, time)`` with NEE, drivers and ``pft``.
    drivers
        Names of the vocabulary; by default all that `sites` holds.
    scheme
        ``"leave-site-out"``: whole sites are left out, in `folds` groups in which each type is spread evenly.
        ``"temporal"``: the last `test_fraction` of every site, as in the reference study; one fold.
    folds
        Groups of sites; as many as sites leaves out one at a time.
    lags, members, seed, strategy, test_fraction, min_windows, network, training, device
        As of `xnee.fit`. A type whose only site is left out is predicted by the pooled networks.

    Returns
    -------
    xarray.Dataset
        ``R2``, ``MAE``, ``RMSE``, ``bias`` (g C m-2 month-1) and ``n`` over ``(predictor, pft)``: xnee and the
        baselines of the scheme; ``predicted (predictor, sample)``, ``NEE (sample)`` and ``fold (sample)``.

    Raises
    ------
    ValueError
        If the scheme is unknown, there are too few sites, or `xnee.fit` would refuse the input.

    Examples
    --------
    >>> from xnee.sources.synthetic import synthetic_towers
    >>> quick = FitSpec(epochs=1)
    >>> cv = crossvalidate(synthetic_towers(), ["TEMP"], folds=2, lags=1, members=1, training=quick)
    >>> cv["R2"].dims
    ('predictor', 'pft')
    """
    samples = located(training_windows(sites, drivers, lags=lags), sites)
    held_out = _held_out(samples, scheme, folds=folds, seed=seed, test_fraction=test_fraction)
    network, training = network or LSTMSpec(), training or FitSpec()
    fitted = fit_ensembles(
        samples,
        [~mask for mask in held_out],
        members=members,
        seed=seed,
        strategy=strategy,
        min_windows=min_windows,
        network=network,
        training=training,
        device=device,
        needed=[np.unique(samples["pft"].to_numpy()[mask]).tolist() for mask in held_out],
    )
    window = WindowSpec(drivers=tuple(samples["driver"].to_numpy().tolist()), lags=lags)
    predicted: dict[str, NDArray[np.floating]] = {"xnee": np.full(samples.sizes["sample"], np.nan)}
    for mask, ensembles in zip(held_out, fitted, strict=True):
        model = NEEModel(window, network, training, strategy, ensembles, xr.Dataset(), {}, device)
        predicted["xnee"][mask] = model.predict_windows(samples.isel(sample=mask)).mean("member")
    for name, baseline in BASELINES[scheme].items():
        predicted[name] = np.full(samples.sizes["sample"], np.nan)
        for mask in held_out:
            predicted[name][mask] = baseline(samples, ~mask)[mask]
    result = score_predictors(samples, predicted)
    fold = np.select(held_out, range(len(held_out)), default=-1)
    return result.assign_coords(fold=("sample", fold)).assign_attrs(scheme=scheme, folds=len(held_out))


def located(samples: xr.Dataset, sites: xr.Dataset) -> xr.Dataset:
    """Give windows the latitude of their site, where the sites have one.

    Parameters
    ----------
    samples
        Windows of `sites`.
    sites
        ``(site, time)``, with or without ``lat (site)``.

    Returns
    -------
    xarray.Dataset
        The windows, with ``lat (sample)`` in degrees north.
    """
    if "lat" not in sites.coords:
        return samples
    return samples.assign_coords(lat=("sample", sites["lat"].sel(site=samples["site"].to_numpy()).to_numpy()))


def _held_out(
    samples: xr.Dataset, scheme: str, *, folds: int, seed: int, test_fraction: float
) -> list[NDArray[np.bool_]]:
    if scheme == "temporal":
        held_out = ~temporal_split(samples, test_fraction)
        if not held_out.any():
            msg = f"no window is left to test on: test_fraction is {test_fraction}. Hold some out, e.g. 0.2."
            raise ValueError(msg)
        return [held_out]
    if scheme == "leave-site-out":
        site = samples["site"].to_numpy()
        groups = site_folds(site, samples["pft"].to_numpy(), folds=folds, seed=seed)
        return [np.isin(site, group) for group in groups]
    msg = f"scheme must be 'leave-site-out' or 'temporal', got {scheme!r}."
    raise ValueError(msg)


def score_predictors(samples: xr.Dataset, predicted: Mapping[str, NDArray[np.floating]]) -> xr.Dataset:
    """Score several predictors on the windows that all of them predict.

    Parameters
    ----------
    samples
        Windows with NEE and ``pft``.
    predicted
        By name, ``(sample,)``, NaN where a window was not held out.

    Returns
    -------
    xarray.Dataset
        Scores over ``(predictor, pft)``, pft with a last entry ``"all"``, beside the predictions themselves.
    """
    y, pft = samples[TARGET].to_numpy(), samples["pft"].to_numpy()
    rows = [
        [Tally.of(y[k], p[k]) for k in (((pft == n) | (n == "all")) for n in (*PFTS, "all"))]
        for p in predicted.values()
    ]
    scores = tally_dataset(rows, ("predictor", "pft"))
    by_sample = {name: samples[name] for name in ("site", "time", "pft") if name in samples.coords}
    values = xr.Dataset(
        {
            "NEE": samples[TARGET],
            "predicted": (("predictor", "sample"), np.stack(list(predicted.values())), samples[TARGET].attrs),
        }
    ).drop_vars([name for name in ("lat", *by_sample) if name in samples.coords])
    values = values.assign_coords(
        {f"sample_{name}" if name == "pft" else name: ("sample", value.to_numpy()) for name, value in by_sample.items()}
    )
    return scores.merge(values).assign_coords(predictor=list(predicted), pft=[*PFTS, "all"])
