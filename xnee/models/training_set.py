"""Windows of towers for training, and what of them is held out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, cast

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xnee.pft import check_pfts
from xnee.variables import TARGET, labels
from xnee.windowing import windows

if TYPE_CHECKING:
    from xnee.models.model import NEEModel

__all__ = ["deal_sites", "same_windows", "temporal_split", "training_windows", "windows_digest"]


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
    if isinstance(test_fraction, bool) or not isinstance(test_fraction, int | float) or not 0 <= test_fraction < 1:
        msg = f"test_fraction must be a number of at least 0 and below 1, got {test_fraction!r}."
        raise ValueError(msg)
    site, time = samples["site"].to_numpy(), samples["time"].to_numpy()
    train_mask = np.ones(site.size, dtype=bool)
    for name in np.unique(site):
        rows = np.flatnonzero(site == name)
        rows = rows[np.argsort(time[rows])]
        train_mask[rows[rows.size - int(rows.size * test_fraction) :]] = False
    return train_mask


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
    TypeError
        If `sites` is no Dataset.
    ValueError
        If there is no NEE, a site has no PFT or an unknown one, or no window is complete.
    """
    if not isinstance(cast("object", sites), xr.Dataset):
        msg = f"training needs towers as a Dataset, (site, time); got {type(sites).__name__}."
        raise TypeError(msg)
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
            "read_fluxnet(..., sites=...)."
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
    if windows_digest(samples) != model.provenance.get("windows_digest"):
        msg = (
            "needs the towers that the model was fitted on, month by month: "
            f"{len(model.provenance.get('sites', []))} sites with {model.provenance.get('windows')} windows; got "
            f"{np.unique(samples['site'].to_numpy()).size} sites with {samples.sizes['sample']} windows, or other "
            "values. What was held out is known for those only; use predict() for other towers."
        )
        raise ValueError(msg)
    return temporal_split(samples, float(model.provenance["test_fraction"]))


def windows_digest(samples: xr.Dataset) -> str:
    """Name windows by their content.

    Parameters
    ----------
    samples
        As of `training_windows`.

    Returns
    -------
    str
        Sixteen hex digits; the same in whatever order of sites and unit of stamps the files came.
    """
    digest = hashlib.sha256()
    for name in ("site", "pft", "driver"):
        digest.update("\n".join(labels(samples[name])).encode())
    digest.update(np.ascontiguousarray(samples["time"].to_numpy().astype("datetime64[M]")).tobytes())
    for name in ("x", "context", TARGET, f"{TARGET}_SE", f"{TARGET}_QC"):
        if name in samples:
            digest.update(np.ascontiguousarray(samples[name].to_numpy()).tobytes())
    return digest.hexdigest()[:16]


def deal_sites(site: NDArray[np.str_], pft: NDArray[np.str_], *, folds: int, seed: int = 0) -> list[list[str]]:
    """Deal sites into folds, each type spread as evenly as it can be.

    Parameters
    ----------
    site, pft
        ``(sample,)``, ids and types of the windows.
    folds
        Number of folds; as many as sites, or more, leaves out one site at a time.
    seed
        Decides the order of dealing.

    Returns
    -------
    list of list of str
        Site ids by fold; every site stands in exactly one.

    Raises
    ------
    ValueError
        If `folds` is below 2 or there are fewer than 2 sites.

    Examples
    --------
    >>> deal_sites(np.array(["a", "b", "c"]), np.array(["ENF"] * 3), folds=9)
    [['c'], ['a'], ['b']]
    """
    names, first = np.unique(site, return_index=True)
    if folds < 2 or names.size < 2:
        msg = f"leaving sites out needs at least 2 folds and 2 sites, got {folds} folds and {names.size} sites."
        raise ValueError(msg)
    order = np.random.default_rng(seed).permutation(names.size)
    order = order[np.argsort(pft[first][order], kind="stable")]
    count = min(folds, names.size)
    return [names[order[start::count]].tolist() for start in range(count)]
