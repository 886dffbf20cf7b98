"""Networks of each fold, trained side by side, and what they predict of the windows that their fold held out."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xnee.models.approach import Approach
from xnee.models.bars import Bar
from xnee.models.ensembles import fit_ensembles
from xnee.models.fitting import Strategy, choose_approaches
from xnee.models.lstm import LSTMSpec
from xnee.models.model import NEEModel
from xnee.models.training import FitSpec
from xnee.variables import labels
from xnee.windowing import WindowSpec

__all__ = ["predict_held_out", "settings_of"]


def predict_held_out(
    samples: xr.Dataset,
    held_out: Sequence[NDArray[np.bool_]],
    *,
    members: int,
    seed: int,
    strategy: Strategy | Mapping[str, Approach],
    min_windows: int,
    network: LSTMSpec | None,
    training: FitSpec | None,
    device: str,
    context: bool | None = None,
    bootstrap: bool = True,
    spread: NDArray[np.float64] | None = None,
    progress: str = "",
) -> NDArray[np.float64]:
    """Train anew in each fold and predict what it held out.

    On the active ``dask.distributed`` client, one fold a task; else all folds side by side in this process. The numbers
    are the same.

    Parameters
    ----------
    samples
        Windows of towers.
    held_out
        ``(sample,)`` each, True where a fold holds a window out; no window in two folds.
    members, seed, strategy, min_windows, network, training, device, context, bootstrap
        As of `xnee.fit`. With ``strategy="auto"`` the choice is made anew in each fold.
    spread
        ``(sample,)``, to be filled, as ``out`` of numpy is, with the standard deviation over members, as a map's
        ``NEE_std``, g C m-2 month-1; NaN with one member and where no fold held the window out.
    progress
        Name of bars on standard error; none without.

    Returns
    -------
    numpy.ndarray
        ``(sample,)``, g C m-2 month-1, mean over members; NaN where no fold held the window out.

    Raises
    ------
    ValueError
        If a setting is out of range or a fold leaves nothing to train on.
    """
    settings: dict[str, Any] = {
        "members": members,
        "seed": seed,
        "strategy": strategy,
        "min_windows": min_windows,
        "network": network,
        "training": training,
        "device": device,
        "context": context,
        "bootstrap": bootstrap,
    }
    client = _client()
    if client is None or len(held_out) == 1:
        predicted, deviation = _predict(samples, held_out, progress=progress, **settings)
    else:
        windows = client.scatter(samples, broadcast=True, hash=False)
        futures = [client.submit(_predict, windows, [mask], pure=False, **settings) for mask in held_out]
        _wait(futures, progress)
        predicted, deviation = np.full((2, samples.sizes["sample"]), np.nan)
        for mask, part in zip(held_out, client.gather(futures), strict=True):
            predicted[mask], deviation[mask] = part[0][mask], part[1][mask]
    if spread is not None:
        spread[:] = deviation
    return predicted


def _wait(futures: Sequence[Any], progress: str) -> None:
    """Move a bar as folds are done elsewhere."""
    from distributed import as_completed

    with Bar(progress, total=len(futures)) as bar:
        for _ in as_completed(futures):  # type: ignore[no-untyped-call]
            bar.move(1)


def _client() -> Any:
    """Give the active client of a cluster, or nothing."""
    if "distributed" not in sys.modules:  # then there is no cluster, and importing it takes a second
        return None
    from distributed import get_client

    try:
        return get_client()
    except ValueError:
        return None


def _predict(
    samples: xr.Dataset,
    held_out: Sequence[NDArray[np.bool_]],
    *,
    members: int,
    strategy: Strategy | Mapping[str, Approach],
    network: LSTMSpec | None,
    training: FitSpec | None,
    context: bool | None,
    progress: str = "",
    **settings: Any,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Do the work of `predict_held_out` in this process, for all folds or for one: mean and spread of members."""
    pft = labels(samples["pft"])
    masks = [~mask for mask in held_out]
    trying, training_bar = (f"{progress}: select", f"{progress}: train") if progress else ("", "")
    wishes: dict[str, Any] = {"context": context, "network": network, "training": training}
    chosen = choose_approaches(samples, masks, strategy=strategy, progress=trying, **wishes, **settings)
    needed = [set(pft[mask].tolist()) for mask in held_out]
    wanted = [
        {name: way for name, way in one.approaches.items() if name in types}
        for one, types in zip(chosen, needed, strict=True)
    ]
    fitted = fit_ensembles(samples, masks, wanted, members=members, progress=training_bar, **settings)
    window = WindowSpec(drivers=tuple(labels(samples["driver"]).tolist()), lags=samples.sizes["lag"] - 1)
    predicted, deviation = np.full((2, samples.sizes["sample"]), np.nan)
    for mask, ensembles in zip(held_out, fitted, strict=True):
        model = NEEModel(window, ensembles, (), "", xr.Dataset(), {}, settings["device"])
        each = model.predict_windows(samples.isel(sample=mask))
        predicted[mask] = each.mean("member")
        if members > 1:
            deviation[mask] = each.std("member", ddof=1)
    return predicted, deviation


def settings_of(model: NEEModel) -> dict[str, Any]:
    """Give the settings with which a model was fitted, to train with them again.

    Parameters
    ----------
    model
        From `xnee.fit`.

    Returns
    -------
    dict
        Keywords of `predict_held_out`.
    """
    asked = model.provenance["settings"]
    network, training = asked["network"], asked["training"]
    return {
        "members": model.members,
        "seed": model.provenance["seed"],
        # the choice of a search, or of the user, cannot be made again in each fold: it is kept
        "strategy": {pft: ensemble.approach for pft, ensemble in model.ensembles.items()}
        if model.strategy in ("searched", "by type")
        else model.strategy,
        "context": asked["context"],
        "bootstrap": model.provenance["bootstrap"],
        "min_windows": model.provenance["min_windows"],
        "network": None if network is None else LSTMSpec(**network),
        "training": None if training is None else FitSpec(**training),
        "device": model.device,
    }
