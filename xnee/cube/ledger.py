"""The folder of an unfinished cube: which drivers are done, of which inputs, and how the cube gets its name.

Next to the target ``china.zarr`` grows a folder ``china.zarr.partial``::

    frame.json    grid, period and tiles; the folder is of use once this is here
    store.zarr    the coordinates first, then one driver after the other
    done/         one small file for each finished driver: what it was made of, and its attributes
    staging       months of the driver in work, before they are turned into tiles
    finished      the store is being moved to its name

A process may die at any point. The same command goes on with the drivers that have no file in ``done/``, or one that
tells of other inputs.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Partial", "check_target"]


@dataclass(frozen=True, kw_only=True)
class Partial:
    """An unfinished cube.

    Parameters
    ----------
    target
        The name that the cube gets in the end.
    """

    target: Path

    @property
    def folder(self) -> Path:
        """Where all of it is."""
        return self.target.with_name(f"{self.target.name}.partial")

    @property
    def store(self) -> Path:
        """The zarr group."""
        return self.folder / "store.zarr"

    @property
    def staging(self) -> Path:
        """Months in work."""
        return self.folder / "staging"

    @property
    def _frame(self) -> Path:
        return self.folder / "frame.json"

    @property
    def _finished(self) -> Path:
        return self.folder / "finished"

    def begun(self, frame: Mapping[str, str]) -> bool:
        """Tell whether a run with the same frame began it; refuse one with another.

        Parameters
        ----------
        frame
            What all drivers share: grid, period, tiles.

        Returns
        -------
        bool
            False if there is nothing yet, or only what was there before the coordinates were whole.

        Raises
        ------
        ValueError
            If it was begun with another frame.
        """
        if not self._frame.exists():
            return False
        before = json.loads(self._frame.read_text())
        differ = [
            f"{name} was {before.get(name)}, is {frame.get(name)}"
            for name in sorted({*before, *frame})
            if before.get(name) != frame.get(name)
        ]
        if differ:
            msg = (
                f"{self.folder} is an unfinished cube of another shape: {'; '.join(differ)}. Finish it with the recipe "
                "that began it, delete the folder, or write to another name."
            )
            raise ValueError(msg)
        return True

    def begin(self, frame: Mapping[str, str]) -> None:
        """Note that the coordinates are whole and what they are.

        Parameters
        ----------
        frame
            As for `begun`.
        """
        (self.folder / "done").mkdir(exist_ok=True)
        _write_text(self._frame, json.dumps(dict(frame), indent=1))

    def entry(self, name: str) -> dict[str, Any] | None:
        """Read what is noted of a finished part.

        Parameters
        ----------
        name
            A driver, or ``land_cover``.

        Returns
        -------
        dict or None
            None if it is not finished.
        """
        note = self.folder / "done" / f"{name}.json"
        return json.loads(note.read_text()) if note.exists() else None

    def note(self, name: str, entry: Mapping[str, Any]) -> None:
        """Note that a part is in the store.

        Parameters
        ----------
        name
            A driver, or ``land_cover``.
        entry
            What it was made of and what is to be said about it; JSON.
        """
        _write_text(self.folder / "done" / f"{name}.json", json.dumps(dict(entry)))

    def forget(self, name: str) -> None:
        """Take back a note, before the part is made anew.

        Parameters
        ----------
        name
            A driver, or ``land_cover``.
        """
        (self.folder / "done" / f"{name}.json").unlink(missing_ok=True)

    def empty(self) -> bool:
        """Tell whether nothing is finished.

        Returns
        -------
        bool
            True if nothing is lost with the folder.
        """
        return not any((self.folder / "done").iterdir())

    def publish(self) -> None:
        """Give the store the name of the target and remove the folder."""
        _write_text(self._finished, "")
        if self.target.is_dir():  # a folder cannot be renamed over another one
            os.replace(self.target, self.folder / "replaced")
        os.replace(self.store, self.target)
        _sync(self.target.parent)
        self.clear()

    def published(self) -> bool:
        """Tell whether a run was stopped after the cube got its name, before it cleaned up.

        Returns
        -------
        bool
            True if only `clear` is left to do.
        """
        return self._finished.exists() and self.target.exists() and not self.store.exists()

    def clear(self) -> None:
        """Remove the folder; the sign that all is finished goes last."""
        for child in self.folder.iterdir():
            if child.is_dir():
                shutil.rmtree(child)
            elif child != self._finished:
                child.unlink()
        self._finished.unlink(missing_ok=True)
        self.folder.rmdir()


def check_target(target: Path) -> None:
    """Refuse a target that cannot be written, before any work.

    Parameters
    ----------
    target
        Name of the cube. It may be there already.

    Raises
    ------
    ValueError
        If it does not end in ``.zarr``.
    FileNotFoundError, FileExistsError, PermissionError
        If its folder is not there, something else has the name, or its folder cannot be written to.

    Examples
    --------
    >>> check_target(Path("china.nc"))
    Traceback (most recent call last):
        ...
    ValueError: a cube ends in .zarr; got 'china.nc'.
    """
    if target.suffix != ".zarr":
        msg = f"a cube ends in .zarr; got {target.name!r}."
        raise ValueError(msg)
    if not target.parent.is_dir():
        msg = f"the folder {target.parent} of the cube {target.name} does not exist. Make it first."
        raise FileNotFoundError(msg)
    if target.exists() and not (target / "zarr.json").is_file():
        msg = f"{target} is there already and is no cube. Choose another name."
        raise FileExistsError(msg)
    if not os.access(target.parent, os.W_OK | os.X_OK):
        msg = f"the folder {target.parent} cannot be written to. Choose another one or change its permissions."
        raise PermissionError(msg)


def _write_text(path: Path, text: str) -> None:
    """Write a small file that is either there as a whole or not at all."""
    part = path.with_name(path.name + ".part")
    part.write_text(text)
    _sync(part)
    os.replace(part, path)


def _sync(path: Path) -> None:
    """Wait until a file or a folder is on disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
