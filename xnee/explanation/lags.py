"""Attribution by driver and month of the past: expected gradients."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from torch import Tensor

from xnee.explanation.checks import check_counts, check_kinds, check_seed
from xnee.explanation.networks import Networks, networks_of, smooth
from xnee.explanation.shares import contribution, without_towers
from xnee.explanation.towers import by_sample, draw
from xnee.models.ensembles import cores
from xnee.models.model import NEEModel
from xnee.models.scaling import feature_drivers
from xnee.models.training import threads
from xnee.models.training_set import training_windows
from xnee.pft import PFTS
from xnee.variables import TARGET, VARIABLES

__all__ = ["expected_gradients", "explain_lags"]


def explain_lags(
    sites: xr.Dataset,
    model: NEEModel,
    *,
    samples: int = 20,
    background: int = 50,
    nodes: int = 16,
    seed: int = 0,
) -> xr.Dataset:
    """Attribute predictions to drivers in each month of their window.

    By expected gradients (Erion et al. 2021): the way from a background window to the window that is explained is a
    straight line, on which each driver's month earns what its own change does to the prediction; averaged over
    background windows. Shapley values of 14 drivers x 7 months could not be had exactly. The line is cut at `nodes`
    points of Gauss and Legendre, not at random, so that what the values lack to the prediction is an error of
    quadrature alone and is told: ``residual``. Seven times 14 values for 100 windows cost some seconds.

    Parameters
    ----------
    sites
        The towers that `model` was fitted on.
    model
        From `xnee.fit`; what is explained is the mean of its members.
    samples, background
        As of `xnee.explain`; with the same seed the same windows.
    nodes
        Points along each line; 16 are usually enough, see ``residual``.
    seed
        Decides which windows are drawn.

    Returns
    -------
    xarray.Dataset
        ``phi (sample, driver, lag)``, g C m-2 month-1, lag in months before the target; ``phi_context (sample,
        driver)``, what the long-term context of the driver adds (0 in networks without); ``phi_se``, like phi, the
        standard error from the choice of background windows; ``base``, ``prediction`` and ``residual (sample)`` =
        prediction - base - all of phi; ``heat (pft, driver, lag)`` and ``heat_context (pft, driver)``, shares of the
        mean absolute values in %, together 100 for each type; missing for types without a tower, named in
        ``attrs["types_without_towers"]``.

    Raises
    ------
    TypeError
        If `sites` is no Dataset or `model` no fitted model.
    ValueError
        If a number is too low or not whole, a type has too few windows, or the towers are not those of the fit.

    Examples
    --------
    >>> from xnee.models.fitting import fit
    >>> from xnee.models.training import FitSpec
    >>> from xnee.sources.synthetic import synthetic_towers
    >>> towers = synthetic_towers()
    >>> quick = FitSpec(epochs=1)
    >>> model = fit(towers, ["TEMP", "PAR"], lags=1, members=1, strategy="per-pft", training=quick)
    >>> why = explain_lags(towers, model, samples=2, background=5)
    >>> why["heat"].dims, why["lag"].to_numpy().tolist()
    (('pft', 'driver', 'lag'), [1, 0])
    """
    check_counts("explain_lags", samples=samples, background=background, nodes=nodes)
    check_seed("explain_lags", seed)
    check_kinds("explain_lags(sites, model)", model=model, sites=sites)
    towers = training_windows(sites, model.window.drivers, lags=model.window.lags)
    chosen, against = draw(towers, model, samples=samples, background=background, seed=seed)
    explained = towers.isel(sample=chosen)
    values = _values(towers, model, chosen, against, nodes)
    predicted = model.predict_windows(explained).to_numpy().mean(axis=0, dtype="f8")
    return _describe(explained, model, values, predicted)


def _values(
    towers: xr.Dataset,
    model: NEEModel,
    chosen: NDArray[np.int64],
    against: dict[str, NDArray[np.int64]],
    nodes: int,
) -> dict[str, NDArray[np.float64]]:
    pft, drivers = towers["pft"].to_numpy()[chosen], len(model.window.drivers)
    phi, error = np.zeros((2, chosen.size, drivers, model.window.length))
    still, base = np.zeros((chosen.size, drivers)), np.empty(chosen.size)

    def one(place: int, networks: Networks, x: Tensor, others: Tensor) -> None:
        with threads(1):
            each = expected_gradients(networks, x, others, nodes)  # (background, lag, feature)
        months = len(feature_drivers(networks.inputs.drivers))
        by_driver = (networks.player[:, None] == np.arange(drivers)).astype("f8")
        varying = each[..., :months] @ by_driver[:months]  # (background, lag, driver)
        phi[place] = varying.mean(axis=0).T
        error[place] = varying.std(axis=0, ddof=min(1, len(others) - 1)).T / np.sqrt(len(others))
        still[place] = (each[..., months:] @ by_driver[months:]).sum(axis=1).mean(axis=0)

    with ThreadPoolExecutor(cores()) as pool:
        jobs = []
        for name, rows in against.items():
            networks, places = networks_of(model, name), np.flatnonzero(pft == name)
            x, others = (by_sample(towers, networks, r) for r in (chosen[places], rows))
            base[places] = networks.predict(others).mean()
            jobs += [pool.submit(one, int(k), networks, window, others) for k, window in zip(places, x, strict=True)]
        for job in jobs:
            job.result()
    return {"phi": phi, "phi_se": error, "phi_context": still, "base": base}


def expected_gradients(networks: Networks, x: Tensor, others: Tensor, nodes: int) -> NDArray[np.float64]:
    """Integrate gradients along the lines from background windows to one window.

    Parameters
    ----------
    networks
        That predict it.
    x
        ``(lag, feature)``, scaled.
    others
        ``(background, lag, feature)``.
    nodes
        Points of Gauss-Legendre quadrature along each line.

    Returns
    -------
    numpy.ndarray
        ``(background, lag, feature)``, g C m-2 month-1; summed over lags and features, what the prediction gains
        from each background window to the window.
    """
    place, weight = np.polynomial.legendre.leggauss(nodes)
    along = torch.from_numpy((place + 1) / 2).to(x.dtype)[:, None, None, None]
    step = x - others
    total = np.zeros(step.shape)
    for member in range(networks.members):
        points = (others + along * step).flatten(0, 1).requires_grad_()  # (node x background, lag, feature)
        (slope,) = torch.autograd.grad(smooth(networks.weights, member, points).sum(), points)
        total += np.einsum("nbtf,n->btf", slope.view(nodes, *step.shape).numpy().astype("f8"), weight / 2)
    return np.asarray(total * step.numpy() * networks.scaler.target_std / networks.members)


def _describe(
    explained: xr.Dataset, model: NEEModel, values: dict[str, NDArray[np.float64]], predicted: NDArray[np.float64]
) -> xr.Dataset:
    units, dims = {"units": VARIABLES[TARGET].units}, ("sample", "driver", "lag")
    values["prediction"] = predicted
    gained = values["phi"].sum(axis=(1, 2)) + values["phi_context"].sum(axis=1)
    values["residual"] = predicted - values["base"] - gained
    data = {name: (dims[: value.ndim], value, units) for name, value in values.items()}
    result = xr.Dataset(data, coords={"driver": list(model.window.drivers), "lag": explained["lag"].variable})
    result = result.assign_coords({name: ("sample", explained[name].to_numpy()) for name in ("site", "time")})
    pft = explained["pft"].to_numpy()
    result = result.assign_coords(sample_pft=("sample", pft), pft=list(PFTS))
    both = xr.concat([result["phi"], result["phi_context"].expand_dims(lag=[-1])], dim="lag", coords="minimal")
    shares = contribution(both, pft).assign_coords(lag=both["lag"])
    note = {**shares.attrs, "long_name": "share of mean absolute expected gradients"}
    result["heat"] = shares.isel(lag=slice(0, -1)).assign_attrs(note)
    result["heat_context"] = shares.isel(lag=-1, drop=True).assign_attrs(note)
    return result.assign_attrs(model_fingerprint=model.fingerprint, **without_towers(pft))
