"""The folder of an unfinished cube: its parts are the drivers and the forest cover, each noted with its inputs.

See `xnee.unfinished`. Here ``staging`` holds months of the driver in work, before they are turned into tiles.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from xnee.unfinished import Unfinished, check_folder

__all__ = ["Partial", "check_target"]


@dataclass(frozen=True, kw_only=True)
class Partial(Unfinished):
    """An unfinished cube; its settings are what all drivers share: grid, period, tiles."""

    noun: ClassVar[str] = "cube"

    @property
    def staging(self) -> Path:
        """Months in work."""
        return self.folder / "staging"


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
    check_folder(target, noun="cube")
    if target.exists() and not (target / "zarr.json").is_file():
        msg = f"{target} is there already and is no cube. Choose another name."
        raise FileExistsError(msg)
