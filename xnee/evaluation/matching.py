"""Folds of sites that are as far from each other as a map is from its towers: nearest-neighbour distance matching.

After Linnenbrink, Mila, Ludwig and Meyer (2024), kNNDM CV: k-fold nearest-neighbour distance matching cross-validation
for map accuracy estimation, Geosci. Model Dev. 17, 5897-5912, doi 10.5194/gmd-17-5897-2024.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial import cKDTree
from scipy.spatial.distance import pdist, squareform
from scipy.stats import wasserstein_distance

from xnee.products.axes import crs_of, with_area

__all__ = ["forest_places", "match_distances", "nearest"]

_RADIUS = 6371.0  # km, sphere of the area of the Earth
_LARGEST = 0.5
"""Share of all sites that a fold may hold at most, as in the paper."""
_CLUSTERINGS = 100
"""Numbers of clusters to try at most, fewer of the large ones, as in the paper."""


def nearest(place: ArrayLike, others: ArrayLike) -> NDArray[np.float64]:
    """Give the distance from each place to the nearest of others.

    Parameters
    ----------
    place, others
        ``(place, 2)``: latitude and longitude, degrees.

    Returns
    -------
    numpy.ndarray
        ``(place,)``, km along a great circle.

    Examples
    --------
    >>> nearest([[0.0, 179.5]], [[0.0, -179.5], [0.0, 0.0]]).round(1).tolist()
    [111.2]
    """
    chord, _ = cKDTree(_points(others)).query(_points(place))
    return _arc(chord)


def _points(place: ArrayLike) -> NDArray[np.float64]:
    """Put places on the unit sphere, ``(place, 3)``: straight distances there order as great circles do."""
    lat, lon = np.deg2rad(np.asarray(place, dtype="f8").reshape(-1, 2)).T
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=1)


def _arc(chord: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(2 * _RADIUS * np.arcsin(np.clip(chord / 2, 0, 1)))


def forest_places(target: xr.Dataset | None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """List the cells with forest of the cube that will be predicted.

    Parameters
    ----------
    target
        A cube with ``pft_fraction (pft, lat, lon)`` or, of several years, ``pft_fraction_by_year``, whose mean is
        taken; or the same on ``(y, x)`` cells that say in which projection, or have ``lat`` and ``lon`` of each.

    Returns
    -------
    place, weight : numpy.ndarray
        ``(cell, 2)``, latitude and longitude in degrees; ``(cell,)``, forest in the cell, in any unit of area.

    Raises
    ------
    TypeError
        If the target is no Dataset.
    ValueError
        If there is no cube, it does not say where forest is, or it has none.
    """
    target = _with_places(target)
    forest = target["forest"].compute()
    if target["lat"].ndim == 1:  # cells of a latitude-longitude grid shrink towards the poles
        forest = forest * np.cos(np.deg2rad(target["lat"]))
    elif "area" in target:  # nor are those of every projection alike
        forest = forest * target["area"]
    forest, lat, lon = xr.broadcast(forest, target["lat"], target["lon"])
    weight = forest.to_numpy().ravel()
    some = weight > 0
    if not some.any():
        msg = "scheme 'knndm' needs forest in its target, but pft_fraction adds up to 0 in every cell."
        raise ValueError(msg)
    place = np.stack([lat.to_numpy().ravel(), lon.to_numpy().ravel()], axis=1)
    return place[some].astype("f8"), weight[some]


def _with_places(target: object) -> xr.Dataset:
    """Give ``forest``, share of each cell, with ``lat`` and ``lon`` and, in a projection that is told, ``area``."""
    if target is not None and not isinstance(target, xr.Dataset):
        msg = f"scheme 'knndm' needs target=, the cube that will be mapped, as a Dataset; got {type(target).__name__}."
        raise TypeError(msg)
    names = [name for name in ("pft_fraction", "pft_fraction_by_year") if target is not None and name in target]
    if target is not None and names and "pft" in target[names[0]].dims and "site" not in target.dims:
        cover = target[names[0]].sum("pft")
        forest = (cover.mean("year") if "year" in cover.dims else cover).to_dataset(name="forest")
        if {"y", "x"} <= set(forest.coords) and ({"spatial_ref", "crs"} & {*target.variables, *target.attrs}):
            axes = target[["y", "x"]].drop_vars(["lat", "lon"], errors="ignore")
            return forest.drop_vars(["lat", "lon"], errors="ignore").merge(with_area(axes, crs_of(target), chunks={}))
        if {"lat", "lon"} <= set(target.variables):
            return forest.assign_coords({name: target[name] for name in ("lat", "lon")})
    found = "nothing" if target is None else f"a Dataset of {list(target.variables)}"
    msg = (
        "scheme 'knndm' matches the distances from the forest that will be mapped to its nearest towers: give "
        "target=, the cube with pft_fraction, lat and lon, or in a projection that it names (spatial_ref or crs); got "
        f"{found}."
    )
    raise ValueError(msg)


def match_distances(
    site: ArrayLike, target: ArrayLike, weight: ArrayLike, *, folds: int, seed: int = 0
) -> tuple[NDArray[np.int64], dict[str, float]]:
    """Deal sites into folds so that left-out sites are as far from the others as the target is from all sites.

    Candidates are a random deal, and the sites in clusters (Ward's linkage on the sphere), from as many clusters as
    folds to as many as sites; clusters are dealt to the folds in their order along the first principal axis.
    Of those whose folds hold at most half the sites, the one is taken whose distribution of distances from left-out
    sites to the nearest of the rest has the smallest Wasserstein distance to that from the target's forest to the
    nearest site. If towers lie no more clustered than the target, that is about a random deal.

    Parameters
    ----------
    site
        ``(site, 2)``, latitude and longitude in degrees.
    target, weight
        ``(cell, 2)`` and ``(cell,)``, as of `forest_places`.
    folds
        Number of folds; at most as many as sites.
    seed
        Of the random deal.

    Returns
    -------
    fold : numpy.ndarray
        ``(site,)``, number of the fold of each.
    report : dict
        ``"W"``, the Wasserstein distance in km, ``"W_random"``, that of the random deal, and the medians of both
        distributions, ``"left_out_km"`` and ``"target_km"``.

    Raises
    ------
    ValueError
        If there are fewer than 3 sites or 2 folds, or a site has no place.

    Examples
    --------
    >>> fold, report = match_distances([[0, 0], [0, 0.1], [0, 9], [0, 9.1]], [[0, 18]], [1.0], folds=2)
    >>> fold.tolist(), round(report["left_out_km"] / 111.2, 1)
    ([0, 0, 1, 1], 8.9)
    """
    points = _points(site)
    if len(points) < 3 or folds < 2:
        msg = (
            f"scheme 'knndm' needs at least 3 sites and 2 folds, got {len(points)} sites and {folds} folds. Take more "
            "sites, or another scheme."
        )
        raise ValueError(msg)
    if not np.isfinite(points).all():
        msg = "scheme 'knndm' needs lat and lon of each site; some are missing. Complete the site table, or drop them."
        raise ValueError(msg)
    folds = min(folds, len(points))
    goal, weight = nearest(target, site), np.asarray(weight, dtype="f8")
    between = _arc(squareform(pdist(points)))
    random = np.random.default_rng(seed).permutation(np.arange(len(points)) % folds)

    def misfit(fold: NDArray[np.int64]) -> float:
        return float(wasserstein_distance(_left_out(between, fold), goal, v_weights=weight))

    candidates = [fold for fold in _clustered(points, folds) if np.bincount(fold).max() <= _LARGEST * len(points)]
    best = min([random, *candidates], key=misfit)
    order = np.argsort(goal)
    median = goal[order][np.searchsorted(np.cumsum(weight[order]), weight.sum() / 2)]
    report = {"W": misfit(best), "W_random": misfit(random), "left_out_km": float(np.median(_left_out(between, best)))}
    return best, report | {"target_km": float(median)}


def _left_out(between: NDArray[np.float64], fold: NDArray[np.int64]) -> NDArray[np.float64]:
    """Distance from each site to the nearest one of another fold."""
    return np.asarray(np.where(fold[:, None] == fold, np.inf, between).min(axis=1))


def _clustered(points: NDArray[np.float64], folds: int) -> list[NDArray[np.int64]]:
    tree = linkage(points, method="ward")
    axis = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)[2][0]
    axis = axis * np.sign(axis[np.argmax(np.abs(axis))])  # its sign is free: fix it, so that folds are too
    counts = np.unique(np.round(np.geomspace(folds, len(points), _CLUSTERINGS)).astype("i8"))
    dealt = []
    for count in counts:
        cluster = np.unique(fcluster(tree, count, criterion="maxclust"), return_inverse=True)[1]
        along = np.bincount(cluster, points @ axis) / np.bincount(cluster)
        if along.size >= folds:
            dealt.append((np.argsort(np.argsort(along, kind="stable")) % folds)[cluster])
    return dealt
