"""A model on disk is data: a folder of JSON and safetensors, nothing that runs when it is read."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import xarray as xr
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from xnee.models.lstm import LSTMSpec
from xnee.models.model import Ensemble, NEEModel
from xnee.models.scaling import Scaler, feature_drivers
from xnee.models.training import FitSpec, check_device
from xnee.windowing import WindowSpec

__all__ = ["FORMAT", "load_model", "save_model"]

FORMAT = 1
"""Version of the layout. A newer one is refused, an older one must stay readable."""


def save_model(model: NEEModel, path: str | Path) -> Path:
    """Write a model as a folder.

    Parameters
    ----------
    model
        A finished model.
    path
        Folder to make; it must not exist. It appears under this name only when complete.

    Returns
    -------
    pathlib.Path
        The folder: ``model.json``, ``scores.json`` and one ``weights-<name>.safetensors`` an ensemble.

    Raises
    ------
    FileExistsError
        If `path` exists.
    OSError
        If its parent folder cannot be written.
    """
    target = Path(path)
    if target.exists():
        msg = f"{target} exists already; models are never overwritten. Choose another folder or remove this one."
        raise FileExistsError(msg)
    if not target.parent.is_dir() or not os.access(target.parent, os.W_OK):
        msg = f"a model is written into an existing, writable folder; {target.parent} is not. Make it first."
        raise OSError(msg)
    unfinished = Path(mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        for name, ensemble in model.ensembles.items():
            save_file({k: np.ascontiguousarray(v) for k, v in ensemble.weights.items()}, unfinished / _weights(name))
        (unfinished / "scores.json").write_text(json.dumps(model.scores.to_dict(), default=str), encoding="utf-8")
        (unfinished / "model.json").write_text(json.dumps(_card(model), indent=1), encoding="utf-8")
        unfinished.chmod(0o755)
        unfinished.rename(target)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    return target


def _weights(name: str) -> str:
    return f"weights-{name}.safetensors"


def _card(model: NEEModel) -> dict[str, Any]:
    ensembles = {
        name: {
            "windows": e.windows,
            "sites": list(e.sites),
            "mean": e.scaler.mean.tolist(),
            "std": e.scaler.std.tolist(),
            "target_mean": e.scaler.target_mean,
            "target_std": e.scaler.target_std,
        }
        for name, e in model.ensembles.items()
    }
    return {
        "format": FORMAT,
        "fingerprint": model.fingerprint,
        "window": asdict(model.window),
        "network": asdict(model.network),
        "training": asdict(model.training),
        "strategy": model.strategy,
        "ensembles": ensembles,
        "provenance": dict(model.provenance),
    }


def load_model(path: str | Path, *, device: str = "cpu") -> NEEModel:
    """Read a model that `NEEModel.save` wrote.

    Parameters
    ----------
    path
        The folder.
    device
        Where predictions will run, ``"cpu"`` or ``"cuda"``.

    Returns
    -------
    NEEModel
        Predicts exactly what the saved one did.

    Raises
    ------
    FileNotFoundError
        If the folder or one of its files is missing.
    ValueError
        If the format is newer than this package, a file is damaged, or weights do not fit the settings.

    Examples
    --------
    >>> load_model("nowhere")
    Traceback (most recent call last):
        ...
    FileNotFoundError: a model is a folder with model.json; nowhere has none. Give the folder that model.save() wrote.
    """
    check_device(device)
    folder = Path(path)
    if not (folder / "model.json").is_file():
        msg = f"a model is a folder with model.json; {folder} has none. Give the folder that model.save() wrote."
        raise FileNotFoundError(msg)
    try:
        card = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        if card["format"] > FORMAT:
            msg = f"format {card['format']} is newer than this xnee reads ({FORMAT}); update xnee"
            raise ValueError(msg)
        scores = xr.Dataset.from_dict(json.loads((folder / "scores.json").read_text(encoding="utf-8")))
        model = NEEModel(
            window=WindowSpec(**{**card["window"], "drivers": tuple(card["window"]["drivers"])}),
            network=LSTMSpec(**card["network"]),
            training=FitSpec(**card["training"]),
            strategy=card["strategy"],
            ensembles={name: _ensemble(folder, name, row) for name, row in card["ensembles"].items()},
            scores=scores,
            provenance=card["provenance"],
            device=device,
        )
        _check_shapes(model)
        if model.fingerprint != card["fingerprint"]:
            msg = f"its content gives fingerprint {model.fingerprint}, but model.json says {card['fingerprint']}"
            raise ValueError(msg)
    except FileNotFoundError as error:
        msg = f"the model in {folder} is incomplete: {error.filename} is missing. Save it again."
        raise FileNotFoundError(msg) from error
    except (ValueError, KeyError, TypeError, UnicodeDecodeError, SafetensorError, AttributeError) as error:
        msg = f"the model in {folder} cannot be read: {error}. Save it again with the xnee that made it."
        raise ValueError(msg) from error
    return model


def _ensemble(folder: Path, name: str, row: dict[str, Any]) -> Ensemble:
    file = folder / _weights(name)
    if not file.is_file():
        raise FileNotFoundError(2, "missing", str(file))
    scaler = Scaler(np.array(row["mean"]), np.array(row["std"]), row["target_mean"], row["target_std"])
    return Ensemble(load_file(file), scaler, row["windows"], tuple(row["sites"]))


def _check_shapes(model: NEEModel) -> None:
    features, hidden = len(feature_drivers(model.window.drivers)), model.network.hidden
    for name, ensemble in model.ensembles.items():
        shapes = {k: tuple(v.shape[1:]) for k, v in ensemble.weights.items()}
        expected = {
            "input": (features, 4 * hidden),
            "recurrent": (hidden, 4 * hidden),
            "bias": (4 * hidden,),
            "head": (hidden,),
            "offset": (),
        }
        if shapes != expected or ensemble.scaler.mean.shape != (features,):
            msg = f"weights of {name} have shapes {shapes}, the settings ask for {expected}"
            raise ValueError(msg)
