"""One ensemble of LSTMs for each plant functional type, and what stands in where towers are too few."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from importlib.metadata import version
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xnee.models.ensembles import fit_ensembles
from xnee.models.lstm import LSTMSpec
from xnee.models.model import NEEModel
from xnee.models.training import FitSpec
from xnee.pft import check_pfts
from xnee.scores import score_windows
from xnee.variables import TARGET, labels
from xnee.windowing import WindowSpec, windows

__all__ = ["fit", "same_windows", "temporal_split", "training_windows"]

Strategy = Literal["per-pft", "pooled"]


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
    provenance = _provenance(sites, samples, seed=int(seed), test_fraction=test_fraction, min_windows=min_windows)
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
        provenance=provenance,
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
    nameless = labels(sites["site"])[labels(sites["pft"]) == ""].tolist() if "site" in sites.coords else []
    if nameless:
        msg = (
            f"{len(nameless)} sites have no forest type, e.g. {nameless[:3]}. Read them again with their site table: "
            "read_fluxnet(..., sites=...), or --sites on the command line."
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
    # in one order whatever the order of the files, so that the same towers give the same model
    return samples.isel(sample=np.lexsort((samples["time"].to_numpy(), samples["site"].to_numpy())))


def same_windows(samples: xr.Dataset, model: NEEModel) -> NDArray[np.bool_]:
    """Tell which windows a model was trained on, and refuse others than those of its fit.

    Parameters
    ----------
    samples
        As of `training_windows`.
    model
        A fitted model.

    Returns
    -------
    numpy.ndarray
        ``(sample,)``, True for training, False for held out.

    Raises
    ------
    ValueError
        If the windows differ from those that the model was fitted on: its held-out months would be others.
    """
    if _digest(samples) != model.provenance.get("windows_digest"):
        msg = (
            "needs the towers that the model was fitted on, month by month: "
            f"{len(model.provenance.get('sites', []))} sites with {model.provenance.get('windows')} windows; got "
            f"{np.unique(samples['site'].to_numpy()).size} sites with {samples.sizes['sample']} windows, or other "
            "values. What was held out is known for those only; use predict() for other towers."
        )
        raise ValueError(msg)
    return temporal_split(samples, float(model.provenance["test_fraction"]))


def _digest(samples: xr.Dataset) -> str:
    month = samples["time"].to_numpy().astype("datetime64[M]")  # files differ in the unit of their stamps
    parts = (labels(samples["site"]), month, samples[TARGET].to_numpy(), samples["x"].to_numpy())
    digest = hashlib.sha256()
    for part in parts:
        digest.update(np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()[:16]


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
        "windows": samples.sizes["sample"],
        "windows_digest": _digest(samples),
        "qc_min": None if (qc_min := sites.attrs.get("qc_min")) is None else float(qc_min),
        "versions": {name: version(name) for name in ("xnee", "torch", "numpy", "xarray")},
        "sign": "NEE positive into the atmosphere",
        "units": "g C m-2 month-1",
    }
