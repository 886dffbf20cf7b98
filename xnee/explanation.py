"""Why a model says what it says: Shapley values by driver, in units of NEE."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xnee.models.model import NEEModel
from xnee.models.per_pft import same_windows, training_windows
from xnee.pft import PFTS
from xnee.variables import TARGET, VARIABLES

__all__ = ["contribution", "explain"]

Method = Literal["auto", "exact", "permutation"]
Game = Callable[[NDArray[np.float64]], NDArray[np.float64]]

_EXACT_UP_TO = 10
"""Drivers up to which 2**drivers coalitions are all evaluated (1,024 of them) when the method is left open."""
_REPEATS = 10
"""Independent runs of the permutation sampler; their spread gives the standard error."""
_COALITION_BYTES = 64_000_000
"""Window values that one call to the model may hold."""


def explain(
    sites: xr.Dataset,
    model: NEEModel,
    *,
    samples: int = 20,
    background: int = 50,
    method: Method = "auto",
    permutations: int = 100,
    seed: int = 0,
) -> xr.Dataset:
    """Attribute predictions to drivers by Shapley values.

    All lags of a driver, and both components of a wind direction, are one player. The value of a coalition is the
    prediction averaged over background windows whose other drivers stay as they are (interventional values;
    Lundberg and Lee 2017). The game is played by the shap package: every coalition where 2**drivers can be paid,
    else paired permutations. (Gradient-based explainers are not used: DeepExplainer is wrong for LSTMs.)

    Parameters
    ----------
    sites
        The towers that `model` was fitted on.
    model
        From `xnee.fit`; what is explained is the mean of its members.
    samples
        Windows to explain per type, drawn from the held-out months (from all where none were held out).
    background
        Windows of the same type to compare with, drawn from the training months; never one that is explained.
    method
        ``"exact"``, ``"permutation"``, or ``"auto"``: exact up to 10 drivers.
    permutations
        Paired permutations in all, a multiple of 10 is used; for ``"permutation"`` only.
    seed
        Decides which windows are drawn, and the permutations.

    Returns
    -------
    xarray.Dataset
        ``phi (sample, driver)``, ``base (sample)``, ``prediction (sample)`` and ``residual (sample)`` =
        prediction - base - sum of phi, all g C m-2 month-1; ``phi_se (sample, driver)``, the standard error of
        sampling (0 when exact); ``x (sample, driver)``, the driver in the target month; ``contribution
        (pft, driver)``, share of the mean absolute phi in % (sums to 100; missing where a type has no tower).

    Raises
    ------
    ImportError
        If the shap package is not installed.
    ValueError
        If the method is unknown, a number is below 1, or a type has too few windows for a background.

    Examples
    --------
    >>> from xnee.models.per_pft import fit
    >>> from xnee.models.training import FitSpec
    >>> from xnee.sources.synthetic import synthetic_towers
    >>> towers = synthetic_towers()
    >>> model = fit(towers, ["TEMP", "PAR"], lags=1, members=1, training=FitSpec(epochs=1))
    >>> why = explain(towers, model, samples=2, background=5)
    >>> bool(abs(why["residual"]).max() < 1e-3)
    True
    """
    if method not in ("auto", "exact", "permutation") or min(samples, background, permutations) < 1:
        msg = (
            "explain needs method 'auto', 'exact' or 'permutation' and samples, background and permutations of at "
            f"least 1; got {method!r}, {samples}, {background}, {permutations}."
        )
        raise ValueError(msg)
    exact = method == "exact" or (method == "auto" and len(model.window.drivers) <= _EXACT_UP_TO)
    towers = training_windows(sites, model.window.drivers, lags=model.window.lags)
    chosen, against = _draw(towers, model, samples=samples, background=background, seed=seed)
    play = _exact if exact else _permuted
    state = np.random.get_state()  # noqa: NPY002 (shap seeds numpy's global generator; what others drew must go on)
    try:
        rows = [_explain_row(towers, model, row, against, play, permutations, seed) for row in chosen]
    finally:
        np.random.set_state(state)  # noqa: NPY002
    used = min(others.size for others in against.values())
    return _describe(
        towers.isel(sample=chosen), model, rows, background=used, method="exact" if exact else "permutation"
    )


def _draw(
    towers: xr.Dataset, model: NEEModel, *, samples: int, background: int, seed: int
) -> tuple[NDArray[np.int64], dict[str, NDArray[np.int64]]]:
    """Rows to explain, and rows to compare with by type."""
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


def _explain_row(
    towers: xr.Dataset,
    model: NEEModel,
    row: int,
    against: dict[str, NDArray[np.int64]],
    play: Callable[[Game, int, int, int], tuple[NDArray[np.float64], NDArray[np.float64]]],
    permutations: int,
    seed: int,
) -> dict[str, Any]:
    pft = str(towers["pft"].to_numpy()[row])
    x = towers["x"].to_numpy()
    game = _game(model, pft, x[row], x[against[pft]])
    drivers = x.shape[-1]
    base, full = game(np.stack([np.zeros(drivers), np.ones(drivers)]))
    phi, error = play(game, drivers, permutations, seed + int(row))
    return {"phi": phi, "phi_se": error, "base": base, "prediction": full}


def _game(model: NEEModel, pft: str, x: NDArray[np.floating], others: NDArray[np.floating]) -> Game:
    """Value of coalitions ``(coalition, driver)`` of 0 and 1: mean prediction when the drivers outside are others'."""

    def value(coalitions: NDArray[np.float64]) -> NDArray[np.float64]:
        step = max(1, _COALITION_BYTES // (others.size * 8))
        parts = []
        for start in range(0, len(coalitions), step):
            inside = coalitions[start : start + step, None, None, :] > 0.5
            mixed = np.where(inside, x, others)  # (coalition, background, lag, driver)
            flat = mixed.reshape(-1, *x.shape)
            y = model.predict_series(pft, flat)[..., -1].mean(axis=0, dtype="f8")
            parts.append(y.reshape(mixed.shape[:2]).mean(axis=1))
        return np.concatenate(parts)

    return value


def _shap() -> Any:
    try:
        import shap
    except ImportError as error:
        msg = 'explanations need the shap package: pip install "xnee[explain]".'
        raise ImportError(msg) from error
    return shap


def _exact(
    game: Game,
    drivers: int,
    permutations: int,  # noqa: ARG001 (one signature for both ways to play)
    seed: int,  # noqa: ARG001
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    shap = _shap()
    explainer = shap.ExactExplainer(game, shap.maskers.Independent(np.zeros((1, drivers))))
    phi = explainer(np.ones((1, drivers)), max_evals=max(2**drivers, 4), silent=True).values[0]
    return phi, np.zeros(drivers)


def _permuted(
    game: Game, drivers: int, permutations: int, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    shap = _shap()
    runs = []
    for repeat in range(_REPEATS):
        masker = shap.maskers.Independent(np.zeros((1, drivers)))
        explainer = shap.PermutationExplainer(game, masker, seed=seed * _REPEATS + repeat)
        pairs = max(1, permutations // _REPEATS)
        runs.append(explainer(np.ones((1, drivers)), max_evals=pairs * (2 * drivers + 1), silent=True).values[0])
    return np.mean(runs, axis=0), np.std(runs, axis=0, ddof=1) / np.sqrt(_REPEATS)


def _describe(
    explained: xr.Dataset, model: NEEModel, rows: list[dict[str, Any]], *, background: int, method: str
) -> xr.Dataset:
    units = {"units": VARIABLES[TARGET].units}
    stacked = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
    residual = stacked["prediction"] - stacked["base"] - stacked["phi"].sum(axis=1)
    data = {
        "phi": (("sample", "driver"), stacked["phi"], units),
        "phi_se": (("sample", "driver"), stacked["phi_se"], units),
        "base": (("sample",), stacked["base"], units),
        "prediction": (("sample",), stacked["prediction"], units),
        "residual": (("sample",), residual, units),
        "x": (("sample", "driver"), explained["x"].sel(lag=0).to_numpy()),
    }
    result = xr.Dataset(data, coords={"driver": list(model.window.drivers)})
    result = result.assign_coords({name: ("sample", explained[name].to_numpy()) for name in ("site", "time")})
    pft = explained["pft"].to_numpy()
    result = result.assign_coords(sample_pft=("sample", pft), pft=list(PFTS))
    result["contribution"] = contribution(result["phi"], pft)
    return result.assign_attrs(method=method, background=background, model_fingerprint=model.fingerprint)


def contribution(phi: xr.DataArray, pft: NDArray[np.str_]) -> xr.DataArray:
    """Share of each driver in the mean absolute Shapley value of a type.

    Parameters
    ----------
    phi
        ``(sample, driver)``, g C m-2 month-1.
    pft
        ``(sample,)``, type of each sample.

    Returns
    -------
    xarray.DataArray
        ``(pft, driver)``, %, summing to 100 over the drivers (equation 7 of the reference study); missing for a
        type without samples.
    """
    mean = np.stack(
        [
            np.abs(phi.to_numpy()[pft == name]).mean(axis=0)
            if (pft == name).any()
            else np.full(phi.sizes["driver"], np.nan)
            for name in PFTS
        ]
    )
    with np.errstate(invalid="ignore"):
        share = 100 * mean / mean.sum(axis=1, keepdims=True)
    return xr.DataArray(
        share, dims=("pft", "driver"), attrs={"units": "%", "long_name": "share of mean absolute Shapley value"}
    )
