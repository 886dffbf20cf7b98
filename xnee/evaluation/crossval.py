"""The only place that joins splits with training: the whole of scaling and training inside each fold."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xnee.evaluation.baselines import BASELINES, POOLED_LSTM, choose_baselines
from xnee.evaluation.networks import predict_held_out
from xnee.evaluation.schemes import Folds, Scheme, hold_out, located
from xnee.evaluation.scoring import score_predictors
from xnee.models.approach import Approach
from xnee.models.bars import Bar
from xnee.models.fitting import Strategy
from xnee.models.lstm import LSTMSpec
from xnee.models.training import FitSpec
from xnee.models.training_set import training_windows
from xnee.variables import labels

__all__ = ["Scheme", "baseline_predictions", "crossvalidate"]

_SPREAD = {"units": "g C m-2 month-1", "long_name": "standard deviation over the members of xnee"}

_log = logging.getLogger(__name__)


def crossvalidate(
    sites: xr.Dataset,
    drivers: Iterable[str] | None = None,
    *,
    scheme: Scheme = "leave-site-out",
    folds: int = 10,
    groups: str | None = None,
    block: float = 500.0,
    target: xr.Dataset | None = None,
    baselines: Iterable[str] | None = None,
    lags: int = 6,
    members: int = 5,
    seed: int = 0,
    strategy: Strategy | Mapping[str, Approach] = "auto",
    context: bool | None = None,
    bootstrap: bool = True,
    test_fraction: float = 0.2,
    min_windows: int = 24,
    network: LSTMSpec | None = None,
    training: FitSpec | None = None,
    device: str = "cpu",
    progress: bool = False,
) -> xr.Dataset:
    """Measure skill on what training has not seen: other sites, or other months of the same sites.

    Scaling, selection and training happen anew inside each fold; the folds train side by side. Each window is
    predicted once, by the networks of the fold that left it out.

    Parameters
    ----------
    sites
        ``(site, time)`` with NEE, drivers and ``pft``.
    drivers
        Names of the vocabulary; by default all that `sites` holds.
    scheme
        Towers never seen: ``"leave-site-out"``, in `folds` groups in which each type is spread evenly;
        ``"group-k-fold"``, all sites of a group together; ``"spatial-block"``, all sites of a block of the Earth's
        surface together; ``"knndm"``, groups as far from the rest as the forest of `target` is from the towers
        (nearest-neighbour distance matching, Linnenbrink et al. 2024).
        Other months of known towers: ``"temporal"``, the last `test_fraction` of every site, as in the reference
        study; ``"leave-year-out"``, whole calendar years of all sites.
    folds
        Rounds; as many as sites (groups, blocks, years) leaves out one at a time. ``"temporal"`` has one.
    groups
        For ``"group-k-fold"``: name of a coordinate of the sites, such as ``"name"`` or ``"pft"``.
    block
        For ``"spatial-block"``: side of a block, km.
    target
        For ``"knndm"``: the cube that will be predicted, with ``pft_fraction (pft, lat, lon)``.
    baselines
        Names of what stands beside the networks; by default all that apply: seasonal cycles of the type and (other
        months only) of the site, random forest, gradient boosting, each of the two with and without the site's
        context, and pooled networks. ``[]`` for none.
    lags, members, seed, strategy, context, bootstrap, test_fraction, min_windows, network, training, device
        As of `xnee.fit`; what ``strategy="auto"`` chooses, it chooses anew in each fold. A type
        whose only site is left out is predicted by the pooled networks.
    progress
        Whether to show bars on standard error.

    Returns
    -------
    xarray.Dataset
        Scores over ``(predictor, pft)``: ``R2``, ``NSE``, ``MAE``, ``RMSE``, ``bias`` (g C m-2 month-1), ``r``,
        ``KGE``, ``n``, and with suffix ``_site``, ``_season`` and ``_part`` (site mean, seasonal cycle, anomaly,
        interannual) by those; ``R2_se``, ``R2_low``, ``R2_high`` (5 and 95 %) and the same of RMSE from draws of
        sites; ``predicted (predictor, sample)``, ``NEE (sample)`` and ``fold (sample)``. The first predictor is
        ``"xnee"``; ``spread (sample)`` is the standard deviation over its members, missing with one. ``attrs`` tell the
        scheme and what networks read and how they were made (drivers, lags, members, strategy,
        context, number of towers); of ``"knndm"`` also how well distances match (km).

    Raises
    ------
    ValueError
        If the scheme is unknown or lacks what it needs, there are too few sites, groups or years, a fold cannot be
        predicted, or `xnee.fit` would refuse the input.

    Examples
    --------
    >>> from xnee.sources.synthetic import synthetic_towers
    >>> quick = FitSpec(epochs=1)
    >>> cv = crossvalidate(synthetic_towers(), ["TEMP"], folds=2, lags=1, members=1, training=quick, baselines=[])
    >>> cv["R2"].dims
    ('predictor', 'pft')
    """
    samples = located(training_windows(sites, drivers, lags=lags), sites)
    settings: dict[str, Any] = {
        "members": members,
        "seed": seed,
        "strategy": strategy,
        "context": context,
        "bootstrap": bootstrap,
        "min_windows": min_windows,
        "network": network,
        "training": training,
        "device": device,
        "progress": scheme if progress else "",
    }
    # chosen here, so that a wrong name is refused before the work
    chosen = choose_baselines(
        baselines, scheme=scheme, strategy=strategy if isinstance(strategy, str) else "by type", samples=samples
    )
    found = hold_out(
        samples,
        sites,
        scheme,
        folds=folds,
        seed=seed,
        test_fraction=test_fraction,
        groups=groups,
        block=block,
        target=target,
    )
    _log.info("%s: %d folds of %d windows", scheme, len(found.masks), samples.sizes["sample"])
    spread = np.full(samples.sizes["sample"], np.nan)
    predicted = {"xnee": predict_held_out(samples, found.masks, spread=spread, **settings)}
    predicted |= baseline_predictions(samples, found, chosen, scheme=scheme, **settings)
    _check_predicted(samples, found, predicted)
    fold = np.select(found.masks, range(len(found.masks)), default=-1)
    notes: dict[str, Any] = {"scheme": scheme, "folds": len(found.masks), "members": members, **found.report}
    # by these a calibration knows the maps that it is for
    notes |= {"drivers": ", ".join(labels(samples["driver"])), "lags": samples.sizes["lag"] - 1}
    notes |= {"strategy": strategy if isinstance(strategy, str) else "by type"}
    notes |= {"context": str(context), "towers": int(np.unique(labels(samples["site"])).size)}
    notes |= {"test_fraction": test_fraction} if scheme == "temporal" else {}
    scores = score_predictors(samples, predicted).assign(spread=("sample", spread, _SPREAD))
    return scores.assign_coords(fold=("sample", fold)).assign_attrs(notes)


def baseline_predictions(
    samples: xr.Dataset, found: Folds, names: Iterable[str] | None, *, scheme: str, **settings: Any
) -> dict[str, NDArray[np.float64]]:
    """Predict what folds hold out with each baseline.

    Parameters
    ----------
    samples
        Windows with their place.
    found
        Folds of the scheme.
    names
        Names of baselines; None for all that apply.
    scheme
        Name of the scheme.
    **settings
        As of `predict_held_out`, for the pooled networks; ``progress`` for all baselines.

    Returns
    -------
    dict
        By name, ``(sample,)``, g C m-2 month-1; NaN where no fold held the window out.

    Raises
    ------
    ValueError
        If a name is unknown or does not apply.
    """
    predicted = {}
    for name in choose_baselines(names, scheme=scheme, strategy=settings["strategy"], samples=samples):
        bar = f"{settings['progress']}, {name}" if settings.get("progress") else ""
        if name == POOLED_LSTM:
            own = {**settings, "strategy": "pooled", "progress": bar}
            predicted[name] = predict_held_out(samples, found.masks, **own)
        else:
            predicted[name] = _baseline(samples, found, name, bar)
    return predicted


def _baseline(samples: xr.Dataset, found: Folds, name: str, progress: str) -> NDArray[np.float64]:
    predicted = np.full(samples.sizes["sample"], np.nan)
    with Bar(progress, total=len(found.masks)) as bar:
        for mask in found.masks:
            predicted[mask] = BASELINES[name](samples, ~mask)[mask]
            bar.move(1)
    return predicted


def _check_predicted(samples: xr.Dataset, found: Folds, predicted: Mapping[str, NDArray[np.floating]]) -> None:
    """Refuse a fold that could not be predicted: it would vanish from the scores."""
    for name, values in predicted.items():
        for number, mask in enumerate(found.masks):
            if not np.isfinite(values[mask]).all():
                lost = np.unique(labels(samples["site"])[mask & ~np.isfinite(values)]).tolist()
                msg = (
                    f"fold {number} has windows that {name!r} does not predict, of the sites {lost[:3]}: its values "
                    "are missing or infinite. Train longer, more slowly or with fewer folds."
                )
                raise ValueError(msg)
