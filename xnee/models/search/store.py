"""Files of a search: settings, windows, one result a stack, a table at the end. Nothing in them runs when read."""

from __future__ import annotations

import io
import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from tempfile import mkstemp
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xnee.models.search.folds import Fold, Material
from xnee.models.search.plan import Stack
from xnee.models.search.stacks import Result

__all__ = [
    "FORMAT",
    "open_folder",
    "read_arrays",
    "read_json",
    "read_material",
    "read_result",
    "sweep",
    "write_arrays",
    "write_json",
    "write_material",
    "write_result",
]

_log = logging.getLogger(__name__)

FORMAT = 1
"""Version of the layout. A newer one is refused, an older one must stay readable."""
SETTINGS, MATERIAL = "settings.json", "windows.npz"
_RESULTS, _PART = "stacks", ".part"
_OURS = {_RESULTS, MATERIAL}


def open_folder(out: str | Path, settings: Mapping[str, Any], *, cache: int) -> tuple[Path, int]:
    """Make the folder of a search, or check that it is the same search that goes on there.

    Parameters
    ----------
    out
        Folder; new, empty, or of a search with the same settings.
    settings
        All that decides the result, plain JSON values.
    cache
        Bytes that a stack works on: kept beside the settings, so that stacks stay as they are when another machine
        goes on.

    Returns
    -------
    tuple of pathlib.Path and int
        The folder, and the bytes that its stacks work on.

    Raises
    ------
    FileExistsError
        If the folder holds other files.
    ValueError
        If it holds a search with other settings; the message says which.
    OSError
        If it cannot be written.
    """
    folder = Path(out)
    file = folder / SETTINGS
    if file.is_file():
        known = read_json(file)
        _refuse_changes(folder, known, json.loads(json.dumps(settings)))
        (folder / _RESULTS).mkdir(exist_ok=True)  # a search that was saved has none
        return folder, int(known["cache"] or cache)
    if folder.is_dir() and any(path.name not in _OURS and path.suffix != _PART for path in folder.iterdir()):
        msg = f"{folder} holds files but no search ({SETTINGS}). Give a new or empty folder: out=..."
        raise FileExistsError(msg)
    try:
        (folder / _RESULTS).mkdir(parents=True, exist_ok=True)
        write_json(file, {"format": FORMAT, "settings": dict(settings), "cache": cache})
    except OSError as error:
        msg = f"a search writes its results into out; {folder} cannot be written: {error.strerror}. Choose another."
        raise OSError(msg) from error
    return folder, cache


def _refuse_changes(folder: Path, known: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
    if not isinstance(known, dict) or not {"format", "settings", "cache"} <= set(known):
        msg = f"{folder / SETTINGS} is not that of a search. Give a new or empty folder: out=..."
        raise ValueError(msg)
    if known.get("format", 0) > FORMAT:
        msg = f"{folder} was written in format {known['format']}, newer than this xnee reads ({FORMAT}); update xnee."
        raise ValueError(msg)
    before = known["settings"]
    names = [name for name in {**before, **settings} if before.get(name) != settings.get(name)]
    if names:
        changes = "; ".join(f"{name} {before.get(name)!r} there, {settings.get(name)!r} here" for name in names)
        msg = (
            f"{folder} holds a search with other settings: {changes}. Go on with those, or give another folder: out=..."
        )
        raise ValueError(msg)


def write_result(folder: Path, stack: Stack, result: Result) -> None:
    """Write the result of one stack.

    Parameters
    ----------
    folder
        Of the search.
    stack
        Its networks.
    result
        Its scores.
    """
    arrays = {"loss": result.loss, "r2": result.r2, "seconds": result.seconds}
    write_arrays(folder / _RESULTS / f"{stack.name}.npz", jobs=stack.jobs, epochs=stack.epochs, **arrays)


def read_result(folder: Path, stack: Stack) -> Result | None:
    """Read the result of one stack, if it is there.

    Parameters
    ----------
    folder
        Of the search.
    stack
        Its networks.

    Returns
    -------
    Result or None
        None too where the file is damaged or of other networks: the stack is to be trained again.
    """
    file = folder / _RESULTS / f"{stack.name}.npz"
    try:
        found = read_arrays(file)
        result = Result(found["loss"], found["r2"], found["seconds"])
        if result.loss.shape != (len(stack.jobs), result.seconds.size) or result.r2.shape != result.loss.shape:
            msg = f"shapes {result.loss.shape}, {result.r2.shape}"
            raise ValueError(msg)
        if found["jobs"].tolist() != [list(job) for job in stack.jobs] or int(found["epochs"]) != stack.epochs:
            msg = "it is of other networks"
            raise ValueError(msg)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        _log.warning("%s is damaged (%s): its stack is trained again", file, error)
        return None
    return result


def write_material(folder: Path, material: Material) -> Path:
    """Write windows and folds, for workers of other processes.

    Parameters
    ----------
    folder
        Where to.
    material
        All that a search needs.

    Returns
    -------
    pathlib.Path
        The file.
    """
    folds = material.folds
    write_arrays(
        folder / MATERIAL,
        x=material.x,
        y=material.y,
        weight=material.weight,
        pft=[fold.pft for fold in folds],
        number=[fold.number for fold in folds],
        **{f"training{k}": fold.training for k, fold in enumerate(folds)},
        **{f"validation{k}": fold.validation for k, fold in enumerate(folds)},
    )
    return folder / MATERIAL


def read_material(file: Path) -> Material:
    """Read what `write_material` wrote.

    Parameters
    ----------
    file
        Its path.

    Returns
    -------
    Material
        The same.
    """
    found = read_arrays(file)
    folds = tuple(
        Fold(str(pft), int(number), found[f"training{k}"], found[f"validation{k}"])
        for k, (pft, number) in enumerate(zip(found["pft"], found["number"], strict=True))
    )
    return Material(found["x"], found["y"], found["weight"], folds)


def write_arrays(file: Path, **arrays: ArrayLike) -> None:
    """Write arrays so that the file is whole or not there.

    Parameters
    ----------
    file
        Path, ``.npz``.
    **arrays
        By name; numbers and text, no objects.
    """
    memory = io.BytesIO()
    np.savez(memory, allow_pickle=False, **{name: np.asarray(value) for name, value in arrays.items()})
    _write(file, memory.getvalue())


def read_arrays(file: Path) -> dict[str, NDArray[Any]]:
    """Read all arrays of a file.

    Parameters
    ----------
    file
        Path, ``.npz``.

    Returns
    -------
    dict
        Arrays by name.
    """
    with np.load(io.BytesIO(file.read_bytes()), allow_pickle=False) as found:  # a damaged file is not left open
        return dict(found)


def write_json(file: Path, values: Mapping[str, Any]) -> None:
    """Write plain values so that the file is whole or not there.

    Parameters
    ----------
    file
        Path.
    values
        JSON values.
    """
    _write(file, json.dumps(values, indent=1).encode())


def read_json(file: Path) -> dict[str, Any]:
    """Read plain values.

    Parameters
    ----------
    file
        Path.

    Returns
    -------
    dict
        JSON values.

    Raises
    ------
    ValueError
        If the file is damaged.
    """
    try:
        values: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, UnicodeDecodeError) as error:
        msg = f"{file} is damaged: {error}. Remove its folder and search again."
        raise ValueError(msg) from error
    return values


def _write(file: Path, content: bytes) -> None:
    """Write under another name, make it safe on disk, and rename into place: a kill leaves the old file or the new."""
    handle, name = mkstemp(dir=file.parent, prefix=f"{file.stem}-", suffix=_PART)
    try:
        with os.fdopen(handle, "wb") as unfinished:
            unfinished.write(content)
            unfinished.flush()
            os.fsync(unfinished.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def sweep(folder: Path) -> None:
    """Remove what kills left unfinished.

    Parameters
    ----------
    folder
        Of a finished search.
    """
    for part in folder.rglob(f"*{_PART}"):
        part.unlink(missing_ok=True)
