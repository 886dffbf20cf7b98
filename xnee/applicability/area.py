"""Where a model may be believed: the area of applicability of each forest type, lazily and by tiles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xnee.applicability.dissimilarity import Neighbourhood
from xnee.applicability.points import Points, check_weights, said_of, weights_of
from xnee.explanation import explain
from xnee.explanation.cells import Ground, by_tile, context_of, ground_of
from xnee.explanation.checks import check_counts, check_kinds, check_seed
from xnee.explanation.networks import networks_of
from xnee.models.model import NEEModel
from xnee.models.training import threads
from xnee.models.training_set import same_windows, training_windows
from xnee.prediction.cover import CoverRule
from xnee.variables import labels
from xnee.windowing import complete, stack_drivers

__all__ = ["area_of_applicability", "fold_of_windows", "importance"]

_BLOCK = 4_000_000
"""Values of windows that are held at a time."""


def area_of_applicability(
    ds: xr.Dataset,
    model: NEEModel,
    *,
    sites: xr.Dataset,
    weights: xr.Dataset | xr.DataArray | None = None,
    folds: xr.DataArray | None = None,
    seed: int = 0,
    tile: int | None = None,
    cover: CoverRule = "static",
) -> xr.Dataset:
    """Tell where, and when, a map asks the model for something unlike anything that it has learned from.

    The area of applicability of Meyer and Pebesma (2021), for each forest type by itself: windows are points whose
    coordinates are what the networks read (drivers by month and the site's context, standardised as in training) times
    how much each matters; the dissimilarity index ``DI`` is the distance to the nearest training window of the type
    over the mean distance between its training windows; outside is what lies farther than training windows lie from
    those of other folds (outliers left out). Inside, errors like those of the cross-validation are to be expected; it
    does not say that they are small.

    Nothing is computed yet but the index of the training windows. A window takes some microseconds, a tile
    ``tile**2 * months * (drivers + pfts) * 4`` bytes and some 100 MB more.

    Parameters
    ----------
    ds
        A cube or towers, as of `xnee.predict`.
    model
        From `xnee.fit`.
    sites
        The towers that `model` was fitted on; a stored model does not hold its training windows.
    weights
        What matters: from `xnee.explain`, from `xnee.explain_lags`, or ``(driver)``, 0 or more. By default the
        contributions that `explain` finds for 20 windows of each type (some seconds).
    folds
        ``(site)``, fold of each tower in the cross-validation whose errors are to hold inside. By default each tower is
        its own: leave-site-out.
    seed
        For the default weights.
    tile
        Cells along one side of a tile; by default that of `xnee.predict`, so that both can stand in one product.
    cover
        As of `xnee.predict`: with ``"by-year"`` the forest of a month is that of its own cover.

    Returns
    -------
    xarray.Dataset
        Lazy: ``DI (pft, time, ...)``, missing where `predict` gives nothing for the type; ``AOA (time, ...)``, share
        of the forest of a cell, 0 to 1, that lies inside; ``pft_fraction`` as of `predict`. In memory: ``threshold``
        and ``mean_distance (pft)``; ``windows (pft)``, training windows compared with, and ``own (pft)``, 1 where
        these are the type's own, 0 where it has towers in fewer than two folds and those of all types stand in.
        ``attrs`` tell which weights and folds.

    Raises
    ------
    TypeError
        If `ds` or `sites` is no Dataset or `model` no fitted model.
    ValueError
        If `xnee.predict` refuses `ds`, the towers are not those of the fit, weights or folds do not fit them, there
        is one tower only, or all are in one fold.

    Examples
    --------
    >>> from xnee.models.fitting import fit
    >>> from xnee.models.training import FitSpec
    >>> from xnee.sources.synthetic import synthetic_cube, synthetic_towers
    >>> towers, quick = synthetic_towers(), FitSpec(epochs=1)
    >>> model = fit(towers, ["TEMP", "PAR"], lags=1, members=1, strategy="per-pft", training=quick)
    >>> where = area_of_applicability(synthetic_cube(), model, sites=towers)
    >>> where["DI"].dims, where["own"].to_numpy().tolist()
    (('pft', 'time', 'lat', 'lon'), [1, 0, 1, 1, 1])
    """
    if tile is not None:
        check_counts("area_of_applicability", tile=tile)
    check_seed("area_of_applicability", seed)
    check_kinds("area_of_applicability(cube, model, sites=sites)", model=model, cube=ds, sites=sites)
    ground = ground_of(ds, model, rule=cover, tile=tile)
    drivers, space, fraction = list(model.window.drivers), ground.space, ground.fraction
    known = _neighbourhoods(sites, model, ground.cover.pfts, weights, folds, seed=seed)
    blocks = {dim: fraction.chunksizes[dim][0] for dim in space}
    ds = by_tile(ds, drivers, blocks)
    x = stack_drivers(ds, drivers).transpose(*space, "time", "driver").astype("f4")
    context = context_of(ds, model).transpose(*space, "statistic", "driver").astype("f4")
    task = _Task({place: (points, near) for place, (points, near, _) in known.items()}, model.window.length)
    index = xr.apply_ufunc(
        task.run,
        x.drop_vars(set(x.coords) - {*space, "time"}).chunk({"time": -1, "driver": -1, **blocks}),
        context.drop_vars(set(context.coords) - set(space)).chunk({"statistic": -1, "driver": -1, **blocks}),
        fraction.drop_vars("pft").transpose(*space, "pft").chunk({"pft": -1, **blocks}),
        input_core_dims=[["time", "driver"], ["statistic", "driver"], ["pft"]],
        output_core_dims=[["pft", "time"]],
        dask="parallelized",
        output_dtypes=["f4"],
        join="override",
    )
    made = {"weights": said_of(weights), "seed": seed, "folds": "each tower" if folds is None else "given"}
    return _describe(index.transpose("pft", "time", *space), ground, known).assign_attrs(made)


def importance(
    sites: xr.Dataset, model: NEEModel, weights: xr.Dataset | xr.DataArray | None, *, seed: int
) -> xr.Dataset | xr.DataArray:
    """Check weights, or find them by `explain`.

    Parameters
    ----------
    sites, model, weights, seed
        As of `area_of_applicability`.

    Returns
    -------
    xarray.Dataset or xarray.DataArray
        `weights`, or an explanation of 20 windows of each type.

    Raises
    ------
    ValueError
        If a driver has no weight, a weight is negative, or all are 0.
    """
    if weights is None:
        weights = explain(sites, model, samples=20, background=50, method="permutation", permutations=300, seed=seed)
    check_weights(weights, list(model.window.drivers), length=model.window.length)
    return weights


def fold_of_windows(towers: xr.Dataset, folds: xr.DataArray | None) -> NDArray[np.generic]:
    """Give each window the fold of its site.

    Parameters
    ----------
    towers
        Windows with coordinate ``site``.
    folds
        ``(site)``, or None: each site is its own fold.

    Returns
    -------
    numpy.ndarray
        ``(sample,)``.

    Raises
    ------
    ValueError
        If a site has no fold, or all are in one.
    """
    site = labels(towers["site"])
    if folds is None:
        found: NDArray[np.generic] = site
    else:
        found = _given_folds(site, folds)
    if np.unique(found).size < 2:
        msg = (
            f"an area of applicability needs towers in 2 folds or more, got {np.unique(site).size} towers in "
            f"{np.unique(found).size}: what the model does at other towers was never tested. Take more towers, or "
            "leave folds out to take each tower as its own."
        )
        raise ValueError(msg)
    return found


def _given_folds(site: NDArray[np.str_], folds: object) -> NDArray[np.generic]:
    """Look up the fold of each window's site in what the user gave."""
    if not isinstance(folds, xr.DataArray) or folds.dims != ("site",) or "site" not in folds.coords:
        shape = f"{folds.dims}" if isinstance(folds, xr.DataArray) else type(folds).__name__
        lacking = "coordinate site" if isinstance(folds, xr.DataArray) else "array (site)"
    else:
        own = folds.assign_coords(site=labels(folds["site"]))
        names = own["site"].to_numpy()[own.notnull().to_numpy()].tolist()
        lost = [name for name in np.unique(site).tolist() if names.count(name) != 1]
        if not lost:
            return np.asarray(own.sel(site=site).to_numpy())
        shape, lacking = "(site)", f"just one for {lost[:3]}"
    msg = (
        f"folds must give every tower its fold, a DataArray (site) with the towers' names; got {shape} without "
        f"{lacking}. Leave folds out to take each tower as its own."
    )
    raise ValueError(msg)


def _neighbourhoods(
    sites: xr.Dataset,
    model: NEEModel,
    pfts: tuple[str, ...],
    weights: xr.Dataset | xr.DataArray | None,
    folds: xr.DataArray | None,
    *,
    seed: int,
) -> dict[int, tuple[Points, Neighbourhood, bool]]:
    """Learn each type's training windows, by the type's place; and whether they are its own."""
    towers = training_windows(sites, model.window.drivers, lags=model.window.lags)
    towers = towers.isel(sample=same_windows(towers, model))
    pft, fold = labels(towers["pft"]), fold_of_windows(towers, folds)
    weights = importance(sites, model, weights, seed=seed)
    result = {}
    for place, name in enumerate(pfts):
        own = pft == name
        alone = np.unique(fold[own]).size < 2
        rows = np.arange(pft.size) if alone else np.flatnonzero(own)
        points = weights_of(
            weights, networks_of(model, name), drivers=list(model.window.drivers), length=model.window.length
        )
        at = points.of(towers["x"].to_numpy()[rows], towers["context"].to_numpy()[rows])[:, 0]
        result[place] = points, Neighbourhood.of(at, fold[rows]), not alone
    return result


@dataclass(frozen=True)
class _Task:
    """What a tile needs to know."""

    known: Mapping[int, tuple[Points, Neighbourhood]]
    length: int

    def run(
        self, x: NDArray[np.float32], context: NDArray[np.float32], fraction: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """From ``(..., time, driver)``, ``(..., statistic, driver)``, ``(..., pft)`` to ``(..., pft, time)``."""
        result = np.full((*fraction.shape, x.shape[-2]), np.nan, dtype="f4")
        with threads(1):
            for place, (points, known) in self.known.items():
                covered = fraction[..., place] > 0
                if covered.any():
                    result[covered, place] = self._series(points, known, x[covered], context[covered])
        return result

    def _series(
        self, points: Points, known: Neighbourhood, x: NDArray[np.float32], context: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Dissimilarity of series, ``(series, time)``."""
        result = np.full(x.shape[:2], np.nan, dtype="f4")
        whole = complete(x, self.length)
        step = max(1, _BLOCK // (x.shape[1] * points.varying.size))
        for start in range(0, len(x), step):
            some = slice(start, start + step)
            found = whole[some]
            at = points.of(x[some], context[some])[found[:, self.length - 1 :]]
            result[some][found] = known.dissimilarity(at)
        return result


def _describe(index: xr.DataArray, ground: Ground, known: dict[int, tuple[Points, Neighbourhood, bool]]) -> xr.Dataset:
    near = [known[place][1] for place in range(len(known))]
    result = xr.Dataset(
        {
            "DI": index.assign_attrs(units="1", long_name="dissimilarity to the training windows of the type"),
            "pft_fraction": ground.fraction,
            "threshold": ("pft", [one.threshold for one in near]),
            "mean_distance": ("pft", [one.mean_distance for one in near]),
            "windows": ("pft", [one.training.size for one in near]),
            "own": ("pft", [int(known[place][2]) for place in range(len(near))]),
        },
        coords=ground.grid,
        attrs=ground.attrs,
    )
    result["AOA"] = _inside(result, ground).assign_attrs(
        units="1", long_name="share of the forest inside the area of applicability"
    )
    result["threshold"].attrs = {"units": "1", "long_name": "largest DI of the area of applicability"}
    result["own"].attrs = {"long_name": "1 where the training windows are the type's own, 0 where all types stand in"}
    return result


def _inside(where: xr.Dataset, ground: Ground) -> xr.DataArray:
    """Share of the forest that a cell has in a month which lies inside, ``(time, ...)``."""
    index, mean = where["DI"], ground.fraction
    cover = mean if ground.cover.maps.sizes["year"] == 1 else ground.of_month(index["time"])
    covered = (mean > 0) & index.notnull()
    inside = cover.where(covered & (index <= where["threshold"]), 0.0).sum("pft")
    there = cover.where(cover > 0, 0.0).sum("pft")
    # a month in which one type of the cell has no window has no answer, as in predict
    whole = (covered == (mean > 0)).all("pft") & (there > 0)
    share = (inside / there.where(there > 0)).where(whole)
    return share.transpose(*[dim for dim in index.dims if dim != "pft"])
