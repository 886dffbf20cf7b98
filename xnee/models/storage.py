"""A model on disk is data: a folder of JSON and safetensors, nothing that runs when it is read."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import xarray as xr
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from xnee.models.approach import Approach
from xnee.models.lstm import LSTMSpec
from xnee.models.model import Ensemble, NEEModel
from xnee.models.scaling import Inputs, Scaler
from xnee.models.training import FitSpec, check_device
from xnee.pft import PFTS
from xnee.windowing import WindowSpec

__all__ = ["FORMAT", "load_model", "save_model"]

FORMAT = 3
"""Version of the layout. Others are refused; of before the first release, 1 had no approaches and 2 no log of rain."""


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
        for pfts, ensemble in model.distinct().items():
            save_file({k: np.ascontiguousarray(v) for k, v in ensemble.weights.items()}, unfinished / _weights(pfts))
        (unfinished / "scores.json").write_text(json.dumps(model.scores.to_dict(), default=str), encoding="utf-8")
        (unfinished / "model.json").write_text(json.dumps(_card(model), indent=1), encoding="utf-8")
        unfinished.chmod(0o755)
        unfinished.rename(target)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    return target


def _weights(pfts: Iterable[str]) -> str:
    return f"weights-{'-'.join(pfts)}.safetensors"


def _card(model: NEEModel) -> dict[str, Any]:
    ensembles = [
        {
            "pfts": list(pfts),
            "windows": e.windows,
            "sites": list(e.sites),
            "inputs": asdict(e.inputs),
            "approach": asdict(e.approach),
            "mean": e.scaler.mean.tolist(),
            "std": [value if np.isfinite(value) else None for value in e.scaler.std.tolist()],
            "target_mean": e.scaler.target_mean,
            "target_std": e.scaler.target_std,
        }
        for pfts, e in model.distinct().items()
    ]
    return {
        "format": FORMAT,
        "fingerprint": model.fingerprint,
        "window": asdict(model.window),
        "strategy": model.strategy,
        "fallback": list(model.fallback),
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
        if card["format"] != FORMAT:
            age = "newer than" if card["format"] > FORMAT else "older than what"
            msg = f"format {card['format']} is {age} this xnee reads ({FORMAT}); update xnee or fit again"
            raise ValueError(msg)
        scores = xr.Dataset.from_dict(json.loads((folder / "scores.json").read_text(encoding="utf-8")))
        model = NEEModel(
            window=WindowSpec(**{**card["window"], "drivers": tuple(card["window"]["drivers"])}),
            ensembles=_ensembles(folder, card["ensembles"]),
            fallback=tuple(card["fallback"]),
            strategy=card["strategy"],
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


def _ensembles(folder: Path, rows: Sequence[Mapping[str, Any]]) -> dict[str, Ensemble]:
    by_pft = {pft: row for row in rows for pft in row["pfts"]}
    if sorted(by_pft) != sorted(PFTS):
        msg = f"it has networks for {sorted(by_pft)}, each of {list(PFTS)} is needed"
        raise ValueError(msg)
    read = {tuple(row["pfts"]): _ensemble(folder, row) for row in rows}
    return {pft: read[tuple(by_pft[pft]["pfts"])] for pft in PFTS}


def _ensemble(folder: Path, row: Mapping[str, Any]) -> Ensemble:
    file = folder / _weights(row["pfts"])
    if not file.is_file():
        raise FileNotFoundError(2, "missing", str(file))
    way = row["approach"]
    approach = Approach(
        strategy=way["strategy"],
        context=way["context"],
        network=LSTMSpec(**way["network"]),
        training=FitSpec(**way["training"]),
        tuning=None if way["tuning"] is None else FitSpec(**way["tuning"]),
    )
    inputs = Inputs(**{**row["inputs"], "drivers": tuple(row["inputs"]["drivers"])})
    scaler = Scaler(
        np.array(row["mean"]),
        np.array([np.inf if value is None else value for value in row["std"]]),
        row["target_mean"],
        row["target_std"],
    )
    return Ensemble(load_file(file), scaler, inputs, approach, row["windows"], tuple(row["sites"]))


def _check_shapes(model: NEEModel) -> None:
    for pfts, ensemble in model.distinct().items():
        features, hidden = ensemble.inputs.size, ensemble.approach.network.hidden
        shapes = {k: tuple(v.shape[1:]) for k, v in ensemble.weights.items()}
        expected = {
            "input": (features, 4 * hidden),
            "recurrent": (hidden, 4 * hidden),
            "bias": (4 * hidden,),
            "head": (hidden,),
            "offset": (),
        }
        if ensemble.inputs.drivers != model.window.drivers:
            msg = f"networks of {pfts} read {ensemble.inputs.drivers}, the model {model.window.drivers}"
            raise ValueError(msg)
        if shapes != expected or ensemble.scaler.mean.shape != (features,):
            msg = f"weights of {', '.join(pfts)} have shapes {shapes}, the settings ask for {expected}"
            raise ValueError(msg)
