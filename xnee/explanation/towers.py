"""Shapley values of tower months by driver."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from torch import Tensor

from xnee.explanation.checks import Method, check_counts, check_kinds, check_method, check_seed
from xnee.explanation.coalitions import exact
from xnee.explanation.networks import Networks, networks_of
from xnee.explanation.sampling import close_sum, sampled
from xnee.explanation.shares import contribution, contribution_interval, without_towers
from xnee.models.ensembles import cores
from xnee.models.model import NEEModel
from xnee.models.training import threads
from xnee.models.training_set import same_windows, training_windows
from xnee.pft import PFTS
from xnee.variables import TARGET, VARIABLES

__all__ = ["by_sample", "draw", "explain"]

_log = logging.getLogger(__name__)

_SECONDS = 1.0e-6
"""Core seconds to evaluate a window of 7 months by a network of 32 units."""
_EXACT_UP_TO = 120.0
"""Core seconds up to which every coalition is played when the method is left open."""


def explain(
    sites: xr.Dataset,
    model: NEEModel,
    *,
    samples: int = 20,
    background: int = 50,
    method: Method = "auto",
    permutations: int = 1000,
    seed: int = 0,
) -> xr.Dataset:
    """Attribute predictions to drivers by Shapley values.

    All lags of a driver, both components of a wind direction, and what the site's context tells of the driver, are
    one player. The value of a coalition is the prediction averaged over background windows whose other drivers stay
    as they are (interventional values; Lundberg and Lee 2017). Either every coalition is played, or orders of the
    drivers are drawn in pairs. A coalition costs about a microsecond a background window and member on one core
    (networks of 32 units, 7 months): 118 windows with 14 drivers, 50 background windows and 1 member take some 95 core
    seconds, with 5 members 480.

    Parameters
    ----------
    sites
        The towers that `model` was fitted on.
    model
        From `xnee.fit`; what is explained is the mean of its members.
    samples
        Windows to explain per type, drawn from the held-out months (from all where none were held out).
    background
        Windows of the same type to compare with, drawn from the training months; never one that is explained. A type
        with fewer windows of its own takes those it has; their number is in ``attrs``.
    method
        ``"exact"``, ``"permutation"``, or ``"auto"``: exact if that takes no more than 120 core seconds.
    permutations
        Pairs of orders for a window, 2 or more; for ``"permutation"`` only. Each pair is compared with one background
        window; they take turns.
    seed
        Decides which windows are drawn, and the orders.

    Returns
    -------
    xarray.Dataset
        ``phi (sample, driver)``, ``base (sample)``, ``prediction (sample)`` and ``residual (sample)`` =
        prediction - base - sum of phi (rounding), all g C m-2 month-1; ``phi_se (sample, driver)``, the standard error
        of drawing orders (0 when exact); ``x (sample, driver)``, the driver in the target month; ``contribution
        (pft, driver)``, share of the mean absolute phi in % (sums to 100; missing for types without a tower, named in
        ``attrs["types_without_towers"]``), and ``contribution_interval (bound, pft, driver)``, its 90 % bootstrap
        interval over sites.

    Raises
    ------
    TypeError
        If `sites` is no Dataset or `model` no fitted model.
    ValueError
        If the method is unknown, a number is too low or not whole, a type has too few windows for a background, or the
        towers are not those of the fit.

    Examples
    --------
    >>> from xnee.models.fitting import fit
    >>> from xnee.models.training import FitSpec
    >>> from xnee.sources.synthetic import synthetic_towers
    >>> towers = synthetic_towers()
    >>> quick = FitSpec(epochs=1)
    >>> model = fit(towers, ["TEMP", "PAR"], lags=1, members=1, strategy="per-pft", training=quick)
    >>> why = explain(towers, model, samples=2, background=5)
    >>> bool(abs(why["residual"]).max() < 1e-3)
    True
    """
    check_method("explain", method)
    check_counts("explain", samples=samples, background=background)
    check_counts("explain", permutations=permutations, least=2)
    check_seed("explain", seed)
    check_kinds("explain(sites, model)", model=model, sites=sites)
    towers = training_windows(sites, model.window.drivers, lags=model.window.lags)
    chosen, against = draw(towers, model, samples=samples, background=background, seed=seed)
    seconds = _cost(model, chosen.size, max(rows.size for rows in against.values()))
    way = method if method != "auto" else "exact" if seconds <= _EXACT_UP_TO else "permutation"
    _log.info("every coalition of %d windows: about %.0f core seconds; method %s", chosen.size, seconds, way)
    explained = towers.isel(sample=chosen)
    values = _values(towers, model, chosen, against, exactly=way == "exact", permutations=permutations, seed=seed)
    result = _describe(explained, model, values)
    used = {name: rows.size for name, rows in against.items()}
    return result.assign_attrs(method=way, background=max(used.values()), background_by_pft=str(used))


def _cost(model: NEEModel, samples: int, background: int) -> float:
    """Estimate the core seconds of playing every coalition."""
    windows = float(samples) * background * model.members * 2 ** len(model.window.drivers)
    hidden = max(ensemble.weights["head"].shape[1] for ensemble in model.ensembles.values())
    return float(windows * _SECONDS * model.window.length / 7 * max(hidden / 32, 0.5) ** 1.6)


def draw(
    towers: xr.Dataset, model: NEEModel, *, samples: int, background: int, seed: int
) -> tuple[NDArray[np.int64], dict[str, NDArray[np.int64]]]:
    """Draw windows to explain, and windows to compare them with.

    Parameters
    ----------
    towers
        Windows of the towers of the fit.
    model
        That was fitted on them.
    samples, background, seed
        As of `explain`.

    Returns
    -------
    tuple
        Rows to explain, sorted by type and row; and by type, rows of training windows, none of them among the first.

    Raises
    ------
    ValueError
        If the towers are not those of the fit or no window is left to compare with.
    """
    rng = np.random.default_rng(seed)
    training = same_windows(towers, model)
    pft = towers["pft"].to_numpy()
    chosen, against = [], {}
    for name in PFTS:
        own = pft == name
        if not own.any():
            continue
        pool = np.flatnonzero(own & ~training)
        pool = pool if pool.size else np.flatnonzero(own)
        rows = np.sort(rng.permutation(pool)[:samples])
        rest = np.setdiff1d(np.flatnonzero(own & training), rows)
        if rest.size == 0:
            msg = f"{name} has no training window left to compare with; explain fewer samples than {samples}."
            raise ValueError(msg)
        chosen.append(rows)
        against[name] = rng.permutation(rest)[:background]
    return np.concatenate(chosen), against


def by_sample(towers: xr.Dataset, networks: Networks, rows: NDArray[np.int64]) -> Tensor:
    """Give windows as the networks of their type read them.

    Parameters
    ----------
    towers
        As of `xnee.windows`.
    networks
        Of one type.
    rows
        Which windows.

    Returns
    -------
    torch.Tensor
        ``(sample, lag, feature)``, scaled.
    """
    return networks.features(towers["x"].to_numpy()[rows], towers["context"].to_numpy()[rows])


def _values(
    towers: xr.Dataset,
    model: NEEModel,
    chosen: NDArray[np.int64],
    against: dict[str, NDArray[np.int64]],
    *,
    exactly: bool,
    permutations: int,
    seed: int,
) -> dict[str, NDArray[np.float64]]:
    """Explain rows side by side, one core a row."""
    drivers, pft = len(model.window.drivers), towers["pft"].to_numpy()[chosen]
    phi, error = np.zeros((2, chosen.size, drivers))
    base, full = np.empty((2, chosen.size))

    def one(place: int, networks: Networks, x: Tensor, others: Tensor) -> None:
        with threads(1):
            if exactly:
                phi[place], base[place] = exact(networks, x, others, drivers)
                return
            rng = np.random.default_rng([seed, int(chosen[place])])  # the same whatever else is explained beside it
            phi[place], error[place] = sampled(networks, x, others, drivers=drivers, permutations=permutations, rng=rng)
            phi[place] = close_sum(phi[place], error[place], full[place] - base[place])

    with ThreadPoolExecutor(cores()) as pool:
        jobs = []
        for name, rows in against.items():
            networks, places = networks_of(model, name), np.flatnonzero(pft == name)
            x, others = (by_sample(towers, networks, r) for r in (chosen[places], rows))
            full[places], base[places] = networks.predict(x), networks.predict(others).mean()
            jobs += [pool.submit(one, int(k), networks, window, others) for k, window in zip(places, x, strict=True)]
        for job in jobs:
            job.result()
    predicted = model.predict_windows(towers.isel(sample=chosen)).to_numpy().mean(axis=0, dtype="f8")
    return {"phi": phi, "phi_se": error, "base": base, "prediction": predicted}


def _describe(explained: xr.Dataset, model: NEEModel, values: dict[str, NDArray[np.float64]]) -> xr.Dataset:
    units = {"units": VARIABLES[TARGET].units}
    values["residual"] = values["prediction"] - values["base"] - values["phi"].sum(axis=1)
    data = {name: (("sample", "driver")[: value.ndim], value, units) for name, value in values.items()}
    result = xr.Dataset(data, coords={"driver": list(model.window.drivers)})
    result["x"] = ("sample", "driver"), explained["x"].sel(lag=0).to_numpy()
    result = result.assign_coords({name: ("sample", explained[name].to_numpy()) for name in ("site", "time")})
    pft = explained["pft"].to_numpy()
    result = result.assign_coords(sample_pft=("sample", pft), pft=list(PFTS))
    result["contribution"] = contribution(result["phi"], pft)
    result["contribution_interval"] = contribution_interval(result["phi"], pft, explained["site"].to_numpy())
    return result.assign_attrs(model_fingerprint=model.fingerprint, **without_towers(pft))
