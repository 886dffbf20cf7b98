"""From values by window to shares by forest type, with what the choice of towers makes uncertain."""

from __future__ import annotations

import logging

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xnee.pft import PFTS

__all__ = ["contribution", "contribution_interval", "without_towers"]

_log = logging.getLogger(__name__)


def contribution(phi: xr.DataArray, pft: NDArray[np.str_]) -> xr.DataArray:
    """Share of each driver in the mean absolute Shapley value of a type.

    Parameters
    ----------
    phi
        ``(sample, driver)``, g C m-2 month-1; further dimensions (lags) share the 100 % too.
    pft
        ``(sample,)``, type of each sample.

    Returns
    -------
    xarray.DataArray
        ``(pft, driver)``, %, summing to 100 over the drivers (equation 7 of the reference study); missing for a
        type without samples, or whose prediction nothing moves, as ``attrs["comment"]`` says.

    Examples
    --------
    >>> phi = xr.DataArray([[3.0, -1.0], [-3.0, 1.0]], dims=("sample", "driver"))
    >>> contribution(phi, np.array(["MF", "MF"])).sel(pft=4).to_numpy().tolist()
    [75.0, 25.0]
    """
    size = np.abs(phi.transpose("sample", ...).to_numpy())
    empty = np.full(size.shape[1:], np.nan)
    mean = np.stack([size[pft == name].mean(axis=0) if (pft == name).any() else empty for name in PFTS])
    dims = ("pft", *(dim for dim in phi.dims if dim != "sample"))
    share = _percent(mean, axis=tuple(range(1, mean.ndim)))
    note = {"units": "%", "long_name": "share of mean absolute Shapley value", **_comment(share, pft)}
    return xr.DataArray(share, dims=dims, attrs=note)


def _comment(share: NDArray[np.float64], pft: NDArray[np.str_]) -> dict[str, str]:
    """Say of each row that is missing why it is."""
    none = np.asarray(np.isnan(share.reshape(len(share), -1)).all(axis=1)).tolist()
    there = {name: bool((pft == name).any()) for name in PFTS}
    empty = [name for name, lost in zip(PFTS, none, strict=True) if lost and not there[name]]
    still = [name for name, lost in zip(PFTS, none, strict=True) if lost and there[name]]
    said = [f"missing for {', '.join(empty)}: no tower of the type"] if empty else []
    said += [f"missing for {', '.join(still)}: no driver moves the prediction"] if still else []
    return {"comment": "; ".join(said)} if said else {}


def without_towers(pft: NDArray[np.str_]) -> dict[str, str]:
    """Name the types that no sample is of, in an attribute, and once in the log.

    Parameters
    ----------
    pft
        ``(sample,)``, type of each sample.

    Returns
    -------
    dict
        ``types_without_towers``; empty if there is none.

    Examples
    --------
    >>> without_towers(np.array(["DBF", "ENF", "EBF", "MF"]))
    {'types_without_towers': 'DNF'}
    """
    lost = ", ".join(name for name in PFTS if not (pft == name).any())
    if lost:
        _log.info("no tower of %s: nothing is explained there, and its shares are missing", lost)
    return {"types_without_towers": lost} if lost else {}


def _percent(size: NDArray[np.float64], axis: int | tuple[int, ...]) -> NDArray[np.float64]:
    """Give parts as percent of their sum; missing where nothing moves the prediction."""
    whole = size.sum(axis=axis, keepdims=True)
    share: NDArray[np.float64] = np.divide(size, whole, out=np.full_like(size, np.nan), where=whole > 0)
    return 100 * share


def contribution_interval(
    phi: xr.DataArray,
    pft: NDArray[np.str_],
    site: NDArray[np.str_],
    *,
    level: float = 0.9,
    draws: int = 1000,
    seed: int = 0,
) -> xr.DataArray:
    """Say how far `contribution` depends on which towers there are, by a bootstrap over sites.

    Sites of a type are drawn with replacement, with all their windows: months of one tower are no independent
    witnesses. The model stays the same; other towers would also have given another model.

    Parameters
    ----------
    phi, pft
        As of `contribution`.
    site
        ``(sample,)``, tower of each sample.
    level
        Share of draws between the bounds, above 0 and below 1.
    draws
        Bootstrap samples.
    seed
        Decides them.

    Returns
    -------
    xarray.DataArray
        ``(bound, pft, driver)``, %, bound ``low`` and ``high``; missing for a type with fewer than two sites, or
        whose prediction no driver moves.

    Raises
    ------
    ValueError
        If `level` or `draws` is out of range.

    Examples
    --------
    >>> phi = xr.DataArray([[3.0, -1.0], [-1.0, 1.0]], dims=("sample", "driver"))
    >>> both = contribution_interval(phi, np.array(["MF", "MF"]), np.array(["a", "b"]))
    >>> both.sel(pft=4, driver=0).to_numpy().tolist()
    [50.0, 75.0]
    """
    if not 0 < level < 1 or draws < 1:
        msg = f"a bootstrap needs a level between 0 and 1 and at least 1 draw, got {level} and {draws}."
        raise ValueError(msg)
    size = np.abs(phi.transpose("sample", "driver").to_numpy())
    rng = np.random.default_rng(seed)
    result = np.full((2, len(PFTS), size.shape[1]), np.nan)
    for k, name in enumerate(PFTS):
        own = pft == name
        sites, number = np.unique(site[own], return_inverse=True)
        by_site = np.zeros((sites.size, size.shape[1]))
        np.add.at(by_site, number, size[own])
        if sites.size < 2 or not by_site.any():
            continue
        times = rng.multinomial(sites.size, np.full(sites.size, 1 / sites.size), size=draws).astype("f8")
        tails = [(1 - level) / 2, (1 + level) / 2]
        result[:, k] = np.nanquantile(_percent(times @ by_site, axis=1), tails, axis=0)
    note = {"units": "%", "long_name": f"{level:.0%} interval of the contribution, bootstrap over sites"}
    return xr.DataArray(result, dims=("bound", "pft", "driver"), coords={"bound": ["low", "high"]}, attrs=note)
