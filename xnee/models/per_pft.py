"""One ensemble of LSTMs for each plant functional type, and what stands in where towers are too few."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from itertools import chain
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xnee.models.lstm import LSTMSpec
from xnee.models.model import POOLED, Ensemble, NEEModel
from xnee.models.scaling import Scaler, encode
from xnee.models.training import FitSpec, Job, threads, train
from xnee.pft import PFTS, check_pfts
from xnee.scores import score_windows
from xnee.variables import TARGET, labels
from xnee.windowing import WindowSpec, windows

__all__ = ["fit", "fit_ensembles", "temporal_split", "training_windows"]

Strategy = Literal["per-pft", "pooled"]
_Set = tuple[int, str, NDArray[np.int64]]
"""Number of the mask, name of the ensemble, rows of its training windows."""
_MODEL_ERROR = 20.0
"""g C m-2 month-1: about the error of such models at known towers; only its ratio to NEE_SE matters."""
_STACK = 20
"""Networks that train as one stack at most."""


def temporal_split(samples: xr.Dataset, test_fraction: float) -> NDArray[np.bool_]:
    """Hold out the last windows of every site.

    Parameters
    ----------
    samples
        Windows with coordinates ``site`` and ``time`` by sample.
    test_fraction
        Share of each site's windows, from 0 to below 1, rounded down.

    Returns
    -------
    numpy.ndarray
        ``(sample,)``, True for training.

    Raises
    ------
    ValueError
        If `test_fraction` is out of range.
    """
    if not 0 <= test_fraction < 1:
        msg = f"test_fraction must be at least 0 and below 1, got {test_fraction}."
        raise ValueError(msg)
    site, time = samples["site"].to_numpy(), samples["time"].to_numpy()
    train_mask = np.ones(site.size, dtype=bool)
    for name in np.unique(site):
        rows = np.flatnonzero(site == name)
        rows = rows[np.argsort(time[rows])]
        train_mask[rows[rows.size - int(rows.size * test_fraction) :]] = False
    return train_mask


def fit(
    sites: xr.Dataset,
    drivers: Iterable[str] | None = None,
    *,
    lags: int = 6,
    members: int = 5,
    seed: int = 0,
    strategy: Strategy = "per-pft",
    test_fraction: float = 0.2,
    min_windows: int = 24,
    network: LSTMSpec | None = None,
    training: FitSpec | None = None,
    device: str = "cpu",
) -> NEEModel:
    """Train an ensemble of LSTMs for each plant functional type on tower months.

    Parameters
    ----------
    sites
        ``(site, time)`` with NEE, drivers and the coordinate ``pft (site)``, canonical units. Where there is a
        standard error ``NEE_SE``, months that are badly known count less.
    drivers
        Names of the vocabulary; by default all that `sites` holds.
    lags
        Months of history before the target month.
    members
        Networks per ensemble, each from its own seed. Their spread is the model's own uncertainty only.
    seed
        Same seed, same model.
    strategy
        ``"per-pft"``: networks for each type, and pooled ones for the types with fewer than `min_windows`
        training windows; ``"pooled"``: one ensemble for all types.
    test_fraction
        Share of each site's windows, the last in time, that scaling and training never see.
    min_windows
        Training windows that a type needs for networks of its own.
    network, training
        Shape and settings; see `LSTMSpec` and `FitSpec`.
    device
        ``"cpu"`` or ``"cuda"``.

    Returns
    -------
    NEEModel
        With ``scores`` of the training and of the held-out months. These are months of towers that training
        saw: skill on unseen towers is what `xnee.crossvalidate` measures.

    Raises
    ------
    ValueError
        If a PFT name is unknown, no window can be built, or a setting is out of range.

    Examples
    --------
    >>> from xnee.sources.synthetic import synthetic_towers
    >>> quick = FitSpec(epochs=2)
    >>> model = fit(synthetic_towers(), ["TEMP", "PAR"], lags=2, members=1, training=quick)
    >>> sorted(model.ensembles)
    ['DBF', 'DNF', 'EBF', 'ENF', 'MF']
    """
    network, training = network or LSTMSpec(), training or FitSpec()
    samples = training_windows(sites, drivers, lags=lags)
    keep = temporal_split(samples, test_fraction)
    (ensembles,) = fit_ensembles(
        samples,
        [keep],
        members=members,
        seed=seed,
        strategy=strategy,
        min_windows=min_windows,
        network=network,
        training=training,
        device=device,
    )
    model = NEEModel(
        window=WindowSpec(drivers=tuple(samples["driver"].to_numpy().tolist()), lags=lags),
        network=network,
        training=training,
        strategy=strategy,
        ensembles=MappingProxyType(ensembles),
        scores=xr.Dataset(),
        provenance=_provenance(sites, samples, seed=seed, test_fraction=test_fraction, min_windows=min_windows),
        device=device,
    )
    predicted = model.predict_windows(samples).mean("member")
    split = xr.DataArray(np.where(keep, "train", "test"), dims="sample")
    object.__setattr__(model, "scores", score_windows(samples, predicted, split))
    return model


def training_windows(sites: xr.Dataset, drivers: Iterable[str] | None, *, lags: int) -> xr.Dataset:
    """Build the windows of towers for training, and refuse what cannot be trained on.

    Parameters
    ----------
    sites
        ``(site, time)`` with NEE and ``pft``.
    drivers
        Names of the vocabulary, or None for all there are.
    lags
        Months of history.

    Returns
    -------
    xarray.Dataset
        As of `xnee.windows`, at least one sample.

    Raises
    ------
    ValueError
        If there is no NEE, a site has no PFT or an unknown one, or no window is complete.
    """
    if "site" not in sites.dims or TARGET not in sites or "pft" not in sites.coords:
        msg = (
            f"training needs towers: (site, time) with {TARGET} and a coordinate pft (site); got dimensions "
            f"{list(sites.dims)} and {list(sites.variables)}. Give read_fluxnet the site table: sites=..."
        )
        raise ValueError(msg)
    check_pfts(labels(sites["pft"]))
    samples = windows(sites, drivers, lags=lags)
    if samples.sizes["sample"] == 0:
        msg = (
            f"no complete window of {lags + 1} months was found in {samples.attrs['site_months']} site-months; "
            f"dropped: {samples.attrs['dropped']}, gaps by driver: {samples.attrs['gaps_by_driver']}. "
            "Choose drivers with fewer gaps or fewer lags."
        )
        raise ValueError(msg)
    return samples


def fit_ensembles(
    samples: xr.Dataset,
    masks: Sequence[NDArray[np.bool_]],
    *,
    members: int,
    seed: int,
    strategy: str,
    min_windows: int,
    network: LSTMSpec,
    training: FitSpec,
    device: str = "cpu",
    needed: Sequence[Iterable[str]] | None = None,
) -> list[dict[str, Ensemble]]:
    """Train the ensembles of several training sets (one, or the folds of a cross-validation) side by side.

    Parameters
    ----------
    samples
        Windows of all sites.
    masks
        One a training set: ``(sample,)``, True for training.
    members, seed, strategy, min_windows, network, training, device
        As of `fit`.
    needed
        For each mask, the types that will be predicted; by default all five. What no type needs is not trained.

    Returns
    -------
    list of dict
        For each mask, ensembles by PFT name or ``"pooled"``.

    Raises
    ------
    ValueError
        If `members` or `strategy` is wrong or a mask keeps nothing.
    FloatingPointError
        If a network's weights are no longer finite.
    """
    if members < 1 or strategy not in ("per-pft", POOLED):
        msg = f"members must be at least 1 and strategy 'per-pft' or 'pooled', got {members} and {strategy!r}."
        raise ValueError(msg)
    x = encode(samples["x"].to_numpy(), samples["driver"].to_numpy().tolist())
    y, site = samples[TARGET].to_numpy(), samples["site"].to_numpy()
    sets = [
        (number, name, rows)
        for number, mask in enumerate(masks)
        for name, rows in _training_sets(
            samples["pft"].to_numpy(), mask, strategy, min_windows, PFTS if needed is None else needed[number]
        ).items()
    ]
    weight = _weight(samples)

    def train_stack(stack: list[_Set]) -> list[tuple[int, str, Ensemble]]:
        scalers = [Scaler.of(x[rows], y[rows]) for _, _, rows in stack]
        seeds = [seed * 1000 + member for member in range(members)]
        jobs = [
            Job(one[2], scaler, k, network, training) for one, scaler in zip(stack, scalers, strict=True) for k in seeds
        ]
        with threads(1):
            trained = train(x, y, jobs, weight=weight, device=device)
        _check_finite(trained, jobs)
        parts = [{key: w[k : k + members] for key, w in trained.items()} for k in range(0, len(jobs), members)]
        return [
            (number, name, Ensemble(weights, scaler, rows.size, tuple(np.unique(site[rows]).tolist())))
            for (number, name, rows), weights, scaler in zip(stack, parts, scalers, strict=True)
        ]

    # One thread a stack, one stack a core: the tensors are small, and threads that wait for each other inside each
    # operation are slower than one alone as soon as anything else runs on the machine.
    result: list[dict[str, Ensemble]] = [{} for _ in masks]
    with ThreadPoolExecutor(1 if device != "cpu" else _cores()) as pool:
        for number, name, ensemble in chain.from_iterable(pool.map(train_stack, _stacks(sets, members))):
            result[number][name] = ensemble
    return result


def _check_finite(weights: Mapping[str, NDArray[np.float32]], jobs: Sequence[Job]) -> None:
    for number, job in enumerate(jobs):
        if not all(np.isfinite(value[number]).all() for value in weights.values()):
            msg = (
                f"a network (seed {job.seed}, {len(job.samples)} windows) diverged: its weights are not finite. "
                "Lower the learning rate or the clip norm."
            )
            raise FloatingPointError(msg)


def _cores() -> int:
    """Cores that this process may use; a cluster's scheduler may grant fewer than the node has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _training_sets(
    pft: NDArray[np.str_], mask: NDArray[np.bool_], strategy: str, min_windows: int, needed: Iterable[str]
) -> dict[str, NDArray[np.int64]]:
    """Rows to train on by ensemble name; the pooled one is there only if some type will need it."""
    if not mask.any():
        msg = "a training set is empty: every window is held out. Lower test_fraction or use fewer folds."
        raise ValueError(msg)
    sets = {}
    if strategy == "per-pft":
        sets = {name: np.flatnonzero(mask & (pft == name)) for name in needed}
        sets = {name: rows for name, rows in sets.items() if rows.size >= min_windows}
    if set(needed) - set(sets):
        sets[POOLED] = np.flatnonzero(mask)
    return sets


def _stacks(sets: list[_Set], members: int) -> list[list[_Set]]:
    """Put training sets of like size into stacks, the largest first.

    In one stack the small sets idle while the large ones finish an epoch; a stack too tall falls out of the cache.
    """
    stacks: list[list[_Set]] = []
    for one in sorted(sets, key=lambda item: -item[2].size):
        alike = stacks and one[2].size > 0.75 * stacks[-1][0][2].size
        if alike and (len(stacks[-1]) + 1) * members <= _STACK:
            stacks[-1].append(one)
        else:
            stacks.append([one])
    return stacks


def _weight(samples: xr.Dataset) -> NDArray[np.float64]:
    """Weight of a window in the loss.

    One over the root of its site's number of windows, so that long records do not rule; times the share of the
    model's own error in the total error variance, so that a month that is badly known counts less. A month without
    a standard error takes the median of those that have one.
    """
    _, inverse, count = np.unique(samples["site"].to_numpy(), return_inverse=True, return_counts=True)
    weight = 1 / np.sqrt(count[inverse])
    if f"{TARGET}_SE" in samples:
        error = samples[f"{TARGET}_SE"].to_numpy()
        if np.isfinite(error).any():
            error = np.where(np.isfinite(error), error, np.nanmedian(error))
            weight = weight / (1 + (error / _MODEL_ERROR) ** 2)
    return np.asarray(weight)


def _provenance(sites: xr.Dataset, samples: xr.Dataset, **settings: object) -> dict[str, Any]:
    """Plain facts about where a model comes from, ready for JSON."""
    used = np.unique(samples["site"].to_numpy()).tolist()
    licence = labels(sites["licence"].sel(site=used)).tolist() if "licence" in sites.coords else None
    pft = labels(sites["pft"].sel(site=used)).tolist()
    return {
        **settings,
        "sites": used,
        "site_pft": pft,
        "site_licence": licence,
        "site_months": samples.attrs["site_months"],
        "dropped": samples.attrs["dropped"],
        "gaps_by_driver": samples.attrs["gaps_by_driver"],
        "qc_min": sites.attrs.get("qc_min"),
        "versions": {name: version(name) for name in ("xnee", "torch", "numpy", "xarray")},
        "sign": "NEE positive into the atmosphere",
        "units": "g C m-2 month-1",
    }
