"""Shapley values of the cells of a map: which driver makes this place what it is, lazily and by tiles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from torch import Tensor

from xnee.explanation.cells import by_tile, context_of, ground_of
from xnee.explanation.checks import Method, check_counts, check_kinds, check_method, check_seed
from xnee.explanation.coalitions import exact
from xnee.explanation.networks import Networks, networks_of
from xnee.explanation.sampling import close_sum, gains
from xnee.explanation.towers import by_sample
from xnee.models.model import NEEModel
from xnee.models.training import threads
from xnee.models.training_set import same_windows, training_windows
from xnee.prediction.cover import CoverRule
from xnee.variables import TARGET, VARIABLES
from xnee.windowing import complete, slide, stack_drivers

__all__ = ["explain_map"]


def explain_map(
    cube: xr.Dataset,
    model: NEEModel,
    *,
    sites: xr.Dataset,
    period: tuple[str, str] | None = None,
    background: int = 50,
    method: Method = "auto",
    permutations: int = 20,
    seed: int = 0,
    tile: int = 16,
    cover: CoverRule = "static",
) -> xr.Dataset:
    """Attribute the mapped NEE of a period to drivers, cell by cell.

    The values of a cell are means over the months of the period, mixed by forest type like the flux itself; each month
    and type is compared with training windows of that type. Nothing is computed yet. A cell of one type takes about
    ``months * permutations * drivers * 4`` microseconds of a core (networks of 32 units, 7 months): 12 months with 14
    drivers 13 ms. The members take turns, one for each pair of orders.

    Parameters
    ----------
    cube
        As of `xnee.predict`; towers too.
    model
        From `xnee.fit`.
    sites
        The towers that `model` was fitted on: their training windows are what cells are compared with.
    period
        First and last month, such as ``("2003-01", "2005-12")``; the months before it must be in the cube. By
        default all months with a whole past.
    background
        Training windows of the type to compare with (of all types for one without towers).
    method
        ``"exact"``, ``"permutation"``, or ``"auto"``: exact where playing every coalition costs no more.
    permutations
        Pairs of orders for each month of a cell, 2 or more.
    seed
        Decides background and orders. A cell's numbers do not depend on tiles or on other cells.
    tile
        Cells along one side of a tile.
    cover
        As of `xnee.predict`: with ``"by-year"`` the types of a month are mixed by its own cover.

    Returns
    -------
    xarray.Dataset
        Lazy, over ``(lat, lon)``, or as the cube is: ``phi (driver, ...)``, mean over the period, and its standard
        error of drawing orders ``phi_se``; ``magnitude (driver, ...)``, mean over months of the absolute value;
        ``base`` and ``prediction``, means over the period; phi adds up to prediction less base. All g C m-2 month-1
        per square metre of forest. ``dominant (...)``, number of the driver of largest magnitude, named in
        ``flag_meanings``, -1 where nothing is known (no forest, or a month of the period lacks a driver) and where no
        driver moves anything.

    Raises
    ------
    TypeError
        If `cube` or `sites` is no Dataset or `model` no fitted model.
    ValueError
        If `xnee.predict` refuses the cube, the towers are not those of the fit, the period is not in the cube with its
        past, the method is unknown or a number is too low or not whole.

    Examples
    --------
    >>> from xnee.models.fitting import fit
    >>> from xnee.models.training import FitSpec
    >>> from xnee.sources.synthetic import synthetic_cube, synthetic_towers
    >>> towers, quick = synthetic_towers(), FitSpec(epochs=1)
    >>> model = fit(towers, ["TEMP", "PAR"], lags=1, members=1, strategy="per-pft", training=quick)
    >>> why = explain_map(synthetic_cube(), model, sites=towers, period=("2005-07", "2005-07"))
    >>> why["dominant"].dims, why["dominant"].attrs["flag_meanings"]
    (('lat', 'lon'), 'TEMP PAR')
    """
    check_method("explain_map", method)
    check_counts("explain_map", background=background, tile=tile)
    check_counts("explain_map", permutations=permutations, least=2)
    check_seed("explain_map", seed)
    check_kinds("explain_map(cube, model, sites=sites)", model=model, cube=cube, sites=sites)
    ground = ground_of(cube, model, rule=cover, tile=tile)
    months = _months(cube, model, period)
    drivers, space = list(model.window.drivers), list(ground.space)
    blocks = dict.fromkeys(space, tile)
    against = _backgrounds(sites, model, ground.cover.pfts, background, seed)
    used = {pft: len(against[place][1]) for place, pft in enumerate(ground.cover.pfts)}
    cost = 2 ** len(drivers) * max(used.values()) * model.members, permutations * 2 * len(drivers)
    task = _Task(
        against=against,
        drivers=len(drivers),
        length=model.window.length,
        permutations=0 if method == "exact" or (method == "auto" and cost[0] <= cost[1]) else permutations,
        seed=seed,
        month=ground.cover.month[months][model.window.lags :],
        weights=ground.cover.weights,
    )
    cube = by_tile(cube, drivers, blocks)
    x = stack_drivers(cube.isel(time=months), drivers).transpose(*space, "time", "driver").astype("f4")
    context = context_of(cube, model).transpose(*space, "statistic", "driver").astype("f4")
    shape = [ground.fraction.sizes[dim] for dim in space]
    number = xr.DataArray(np.arange(np.prod(shape)).reshape(shape), dims=space)  # the same cell, the same draws
    values = xr.apply_ufunc(
        task.run,
        x.drop_vars(set(x.coords) - set(space)).chunk({"time": -1, "driver": -1, **blocks}),
        context.drop_vars(set(context.coords) - set(space)).chunk({"statistic": -1, "driver": -1, **blocks}),
        ground.maps(tile),
        number.chunk(blocks),
        input_core_dims=[["time", "driver"], ["statistic", "driver"], ["year", "pft"], []],
        output_core_dims=[["value"]],
        dask="parallelized",
        output_dtypes=["f8"],
        join="override",
        dask_gufunc_kwargs={"output_sizes": {"value": 3 * len(drivers) + 2}},
    )
    explained = cube["time"].to_numpy()[months].astype("datetime64[M]")[model.window.lags :]
    return (
        _describe(values, drivers, space)
        .assign_coords(ground.grid)
        .assign_attrs(
            method="permutation" if task.permutations else "exact",
            background=max(used.values()),
            background_by_pft=str(used),
            period=f"{explained[0]}..{explained[-1]}",
            **ground.attrs,
        )
    )


def _months(cube: xr.Dataset, model: NEEModel, period: tuple[str, str] | None) -> slice:
    """Place of the months to explain and of the past of the first."""
    time = cube["time"].to_numpy().astype("datetime64[M]")
    first, last = time[model.window.lags], time[-1]
    if period is not None:
        try:
            begin, end = (np.datetime64(str(edge)[:7], "M") for edge in period)
            there = bool(first <= begin <= end <= last)
        except (ValueError, TypeError):
            there = False
        if not there:
            msg = (
                f"period must be its first and last month, ('2003-01', '2005-12'), and lie in {first}..{last}: the "
                f"cube begins {time[0]} and a window needs {model.window.lags} months before; got {period}."
            )
            raise ValueError(msg)
        first, last = begin, end
    start = int(np.searchsorted(time, first)) - model.window.lags
    return slice(start, int(np.searchsorted(time, last)) + 1)


def _backgrounds(
    sites: xr.Dataset, model: NEEModel, pfts: tuple[str, ...], background: int, seed: int
) -> dict[int, tuple[Networks, Tensor]]:
    """Networks and background windows of each type, by the type's place; all types' for one without towers."""
    towers = training_windows(sites, model.window.drivers, lags=model.window.lags)
    training, rng = same_windows(towers, model), np.random.default_rng(seed)
    result = {}
    for place, pft in enumerate(pfts):
        own = training & (towers["pft"].to_numpy() == pft)
        rows = rng.permutation(np.flatnonzero(own if own.any() else training))[:background]
        networks = networks_of(model, pft)
        result[place] = networks, by_sample(towers, networks, rows)
    return result


@dataclass(frozen=True)
class _Task:
    """What a tile needs to know; `permutations` of 0 plays every coalition; month and weights as of a Cover."""

    against: Mapping[int, tuple[Networks, Tensor]]
    drivers: int
    length: int
    permutations: int
    seed: int
    month: NDArray[np.intp]
    weights: NDArray[np.float32]

    def run(
        self,
        x: NDArray[np.float32],
        context: NDArray[np.float32],
        maps: NDArray[np.float32],
        number: NDArray[np.int64],
    ) -> NDArray[np.float64]:
        """Explain a tile: ``(..., time, driver)``, ``(..., statistic, driver)``, ``(..., year, pft)``.

        To ``(..., value)``: phi, its standard error and its magnitude by driver, base and prediction.
        """
        result = np.full((*number.shape, 3 * self.drivers + 2), np.nan)
        forest = (maps > 0).any(axis=(-1, -2)) & complete(x, self.length)[..., self.length - 1 :].all(axis=-1)
        with threads(1):
            for cell in zip(*np.nonzero(forest), strict=True):
                # as in predict: the cover of the month, per square metre of the mean cover
                share = maps[cell][self.month] / (self.weights @ maps[cell]).sum()  # (month, pft)
                result[cell] = self._cell(x[cell], context[cell], share, int(number[cell]))
        return result

    def _cell(
        self, x: NDArray[np.float32], context: NDArray[np.float32], shares: NDArray[np.float32], number: int
    ) -> NDArray[np.float64]:
        windows = slide(x, self.length)  # (month, lag, driver)
        phi, variance = np.zeros((2, len(windows), self.drivers))
        base, full = np.zeros((2, len(windows)))
        for place in np.flatnonzero((shares > 0).any(axis=0)):
            networks, others = self.against[int(place)]
            own = networks.features(windows, np.broadcast_to(context, (len(windows), *context.shape)))
            predicted, against = networks.predict(own), float(networks.predict(others).mean())
            rng = np.random.default_rng([self.seed, number, int(place)])
            each, error = self._months(networks, own, others, predicted - against, rng)
            share = shares[:, place].astype("f8")
            phi += share[:, None] * each
            variance += (share[:, None] * error) ** 2
            base, full = base + share * against, full + share * predicted
        error_of_mean = np.sqrt(variance.sum(axis=0)) / len(windows)
        means = [base.mean(), full.mean()]
        return np.concatenate([phi.mean(axis=0), error_of_mean, np.abs(phi).mean(axis=0), means])

    def _months(
        self, networks: Networks, x: Tensor, others: Tensor, gain: NDArray[np.float64], rng: np.random.Generator
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Explain the months of a cell side by side: values and standard errors, ``(month, driver)``."""
        if not self.permutations:
            phi = np.stack([exact(networks, window, others, self.drivers)[0] for window in x])
            return phi, np.zeros_like(phi)
        months, count = len(x), self.permutations
        order = rng.permuted(np.tile(np.arange(self.drivers), (months * count, 1)), axis=1)
        turn = torch.from_numpy(np.resize(rng.permutation(len(others)), months * count))
        month = np.repeat(np.arange(months), count)
        member = (np.tile(np.arange(count), months) + month) % networks.members
        each = np.empty((months * count, self.drivers))
        for k in np.unique(member):
            rows = np.flatnonzero(member == k)
            each[rows] = gains(networks.only(int(k)), x[month[rows]], others[turn[rows]], order[rows])
        by_month = each.reshape(months, count, self.drivers)
        phi, error = by_month.mean(axis=1), by_month.std(axis=1, ddof=1) / np.sqrt(count)
        return close_sum(phi, error, gain), error


def _describe(values: xr.DataArray, drivers: list[str], space: list[str]) -> xr.Dataset:
    units = {"units": VARIABLES[TARGET].units}
    names = {
        "phi": "Shapley value of the driver, mean over the period",
        "phi_se": "standard error of the Shapley value, from drawing orders",
        "magnitude": "absolute Shapley value of the driver, mean over months",
    }
    result = xr.Dataset()
    for k, (name, long_name) in enumerate(names.items()):
        part = values.isel(value=slice(k * len(drivers), (k + 1) * len(drivers))).rename(value="driver")
        result[name] = part.transpose("driver", *space).assign_attrs(units, long_name=long_name)
    for k, name in enumerate(("base", "prediction")):
        result[name] = values.isel(value=k - 2).assign_attrs(units)
    result = result.assign_coords(driver=drivers)
    size = result["magnitude"]
    known = size.max("driver", skipna=False) > 0
    largest = size.fillna(-1.0).argmax("driver")
    dominant = largest.where(known, -1).astype("i1").drop_vars("driver", errors="ignore")
    result["dominant"] = dominant.assign_attrs(
        long_name="driver of largest magnitude; -1: none",
        flag_values=np.arange(len(drivers), dtype="i1"),
        flag_meanings=" ".join(drivers),
    )
    return result
