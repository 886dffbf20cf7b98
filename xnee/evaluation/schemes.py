"""The schemes by name: which windows each of their folds holds out."""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Literal, get_args

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xnee.evaluation.matching import forest_places, match_distances
from xnee.evaluation.splits import block_of, check_folds, group_masks, site_masks, year_masks
from xnee.models.training_set import temporal_split
from xnee.variables import labels

__all__ = ["LEFT_OUT", "TEMPORAL", "Folds", "Scheme", "hold_out", "located", "nearest_scheme"]

Scheme = Literal["temporal", "leave-year-out", "leave-site-out", "group-k-fold", "spatial-block", "knndm"]

TEMPORAL: tuple[str, ...] = ("temporal", "leave-year-out")
"""Schemes that test other months of towers that training knows."""

LEFT_OUT: tuple[str, ...] = tuple(name for name in get_args(Scheme) if name not in TEMPORAL)
"""Schemes that test towers that training has never seen, as all cells of a map are."""


@dataclass(frozen=True, kw_only=True)
class Folds:
    """What a scheme holds out.

    Parameters
    ----------
    masks
        ``(sample,)`` each, True where a window is held out; no window in two folds.
    report
        Facts about the folds, for attributes.
    """

    masks: list[NDArray[np.bool_]]
    report: dict[str, float] = field(default_factory=dict)


def located(samples: xr.Dataset, sites: xr.Dataset) -> xr.Dataset:
    """Give windows the place of their site, where the sites have one.

    Parameters
    ----------
    samples
        Windows of `sites`.
    sites
        ``(site, time)``, with or without ``lat (site)`` and ``lon (site)``.

    Returns
    -------
    xarray.Dataset
        The windows, with ``lat (sample)`` and ``lon (sample)`` in degrees.
    """
    own = sites.drop_vars("time").assign_coords(site=labels(sites["site"])).sel(site=labels(samples["site"]))
    return samples.assign_coords({name: ("sample", own[name].to_numpy()) for name in ("lat", "lon") if name in own})


def hold_out(
    samples: xr.Dataset,
    sites: xr.Dataset,
    scheme: str,
    *,
    folds: int,
    seed: int,
    test_fraction: float,
    groups: str | None,
    block: float,
    target: xr.Dataset | None,
) -> Folds:
    """Find the windows that each fold of a scheme holds out.

    Parameters
    ----------
    samples
        Windows of `sites`, with their place (see `located`).
    sites
        ``(site, time)``, whose coordinates groups are taken from.
    scheme, folds, seed, test_fraction, groups, block, target
        As of `xnee.crossvalidate`.

    Returns
    -------
    Folds
        At least one fold; each holds windows out and leaves some to train on.

    Raises
    ------
    ValueError
        If the scheme is unknown, lacks what it needs, or there are too few sites, groups or years for it.
    """
    if scheme not in get_args(Scheme):
        msg = f"scheme must be one of {', '.join(map(repr, get_args(Scheme)))}; got {scheme!r}.{nearest_scheme(scheme)}"
        raise ValueError(msg)
    if scheme == "temporal":
        return _temporal(samples, test_fraction)
    check_folds(folds)
    if scheme == "leave-year-out":
        return Folds(masks=year_masks(samples, folds=folds))
    if scheme == "leave-site-out":
        return Folds(masks=site_masks(samples, folds=folds, seed=seed))
    if scheme == "group-k-fold":
        return Folds(masks=group_masks(_group(samples, sites, groups), folds=folds, what=f"groups of {groups!r}"))
    if scheme == "spatial-block":
        lat, lon = _place(samples, scheme)
        return Folds(masks=group_masks(block_of(lat, lon, block=block), folds=folds, what=f"blocks of {block:g} km"))
    return _matched(samples, target, folds=folds, seed=seed)


def nearest_scheme(name: object) -> str:
    """Ask whether another scheme was meant.

    Parameters
    ----------
    name
        What was given.

    Returns
    -------
    str
        To be put behind a message; empty where none is near.

    Examples
    --------
    >>> nearest_scheme("leave_site_out")
    " Did you mean 'leave-site-out'?"
    """
    near = get_close_matches(str(name).lower().replace("_", "-").replace(" ", "-"), get_args(Scheme), n=1)
    return f" Did you mean {near[0]!r}?" if near else ""


def _temporal(samples: xr.Dataset, test_fraction: float) -> Folds:
    held_out = ~temporal_split(samples, test_fraction)
    if not held_out.any():
        site, most = np.unique(labels(samples["site"]), return_counts=True)
        msg = (
            f"no window is left to test on: test_fraction is {test_fraction:g}, which of the {most.max()} windows that "
            f"the longest of {site.size} sites has is less than one. Hold some out, e.g. 0.2, or take longer records."
        )
        raise ValueError(msg)
    return Folds(masks=[held_out])


def _place(samples: xr.Dataset, scheme: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if not {"lat", "lon"} <= set(samples.coords):
        msg = f"scheme {scheme!r} needs to know where towers are: give the sites coordinates lat (site) and lon (site)."
        raise ValueError(msg)
    return samples["lat"].to_numpy().astype("f8"), samples["lon"].to_numpy().astype("f8")


def _group(samples: xr.Dataset, sites: xr.Dataset, groups: str | None) -> NDArray[np.str_]:
    offered = sorted(str(name) for name in sites.coords if sites[name].dims == ("site",))
    if not isinstance(groups, str) or groups not in offered:
        near = get_close_matches(groups.lower(), offered, n=1) if isinstance(groups, str) else []
        hint = f" Did you mean {near[0]!r}?" if near else ""
        if isinstance(groups, str) and groups in sites:
            hint = f" Make it one: sites.set_coords({groups!r})."
        msg = (
            f"scheme 'group-k-fold' needs groups=, the name of a coordinate (site) of the sites: one of {offered}; got "
            f"{groups!r}.{hint} Or add one: sites.assign_coords(country=('site', [...]))."
        )
        raise ValueError(msg)
    own = sites[groups].assign_coords(site=labels(sites["site"])).sel(site=labels(samples["site"]))
    empty = own.isnull().to_numpy() | np.isin(labels(own.astype(str)), ["", "nan"])
    missing = np.unique(labels(samples["site"])[empty])
    if missing.size:
        msg = f"{missing.size} sites have no {groups!r}, e.g. {missing[:3].tolist()}. Give each a group, or drop them."
        raise ValueError(msg)
    return np.asarray(own.to_numpy()).astype(np.str_)


def _matched(samples: xr.Dataset, target: xr.Dataset | None, *, folds: int, seed: int) -> Folds:
    cells, weight = forest_places(target)
    lat, lon = _place(samples, "knndm")
    _, first, site = np.unique(labels(samples["site"]), return_index=True, return_inverse=True)
    fold, report = match_distances(np.stack([lat, lon], axis=1)[first], cells, weight, folds=folds, seed=seed)
    return Folds(masks=[fold[site] == k for k in range(fold.max() + 1)], report=report)
