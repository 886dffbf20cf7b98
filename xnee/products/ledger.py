"""The folder of an unfinished product: what it is of, which tiles are done, and how it gets its name.

Next to the target ``x.nc`` grows a folder ``x.nc.partial``::

    settings.json    what is being written; the folder is of use once this is here
    store.zarr       template first, then one tile after the other
    tiles/           one small file for each finished tile, with its carbon totals
    product.nc       for a NetCDF target: assembled from the store when all tiles are there
    finished         the result is being moved to its name

A process may die at any point. The same command goes on with the tiles that have no file in ``tiles/``.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

import xarray as xr

__all__ = ["Partial", "check_target", "settings_of"]

SUFFIXES = (".nc", ".zarr")
_FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class Partial:
    """An unfinished product.

    Parameters
    ----------
    target
        The name that the product gets in the end.
    """

    target: Path

    @property
    def folder(self) -> Path:
        """Where all of it is."""
        return self.target.with_name(f"{self.target.name}.partial")

    @property
    def store(self) -> Path:
        """The zarr group that tiles are written to."""
        return self.folder / "store.zarr"

    @property
    def result(self) -> Path:
        """What gets the name of the target."""
        return self.store if self.target.suffix == ".zarr" else self.folder / "product.nc"

    @property
    def _settings(self) -> Path:
        return self.folder / "settings.json"

    @property
    def _finished(self) -> Path:
        return self.folder / "finished"

    def begun(self, settings: Mapping[str, str]) -> bool:
        """Tell whether a run with the same settings began it; refuse one with others.

        Parameters
        ----------
        settings
            What is to be written (see `settings_of`).

        Returns
        -------
        bool
            False if there is nothing yet, or only what was there before the template was whole.

        Raises
        ------
        ValueError
            If it was begun with other settings.
        """
        if not self._settings.exists():
            return False
        before = json.loads(self._settings.read_text())
        differ = [
            f"{name} was {before.get(name)!r}, is {settings.get(name)!r}"
            for name in sorted({*before, *settings})
            if before.get(name) != settings.get(name)
        ]
        if differ:
            msg = (
                f"{self.folder} is an unfinished product made from something else: {'; '.join(differ)}. Finish it with "
                "the command that began it, delete the folder, or write to another name."
            )
            raise ValueError(msg)
        return True

    def begin(self, settings: Mapping[str, str]) -> None:
        """Note that the template is whole and what it is of.

        Parameters
        ----------
        settings
            What is to be written.
        """
        (self.folder / "tiles").mkdir(exist_ok=True)
        _write_text(self._settings, json.dumps(dict(settings), indent=1))

    def done(self, region: Mapping[str, slice]) -> bool:
        """Tell whether a tile is in the store.

        Parameters
        ----------
        region
            The tile.

        Returns
        -------
        bool
            True once `note` has been called for it, in this run or another.
        """
        return self._tile(region).exists()

    def note(self, region: Mapping[str, slice], states: xr.Dataset) -> None:
        """Note that a tile is in the store, with its carbon states.

        Parameters
        ----------
        region
            The tile.
        states
            Its `carbon_states`, in memory.
        """
        values = {str(name): state.to_numpy().tolist() for name, state in states.items()}
        _write_text(self._tile(region), json.dumps(values))

    def states(self, region: Mapping[str, slice]) -> dict[str, list[float]]:
        """Read the carbon states of a finished tile.

        Parameters
        ----------
        region
            The tile.

        Returns
        -------
        dict
            Nested lists by name.
        """
        values: dict[str, list[float]] = json.loads(self._tile(region).read_text())
        return values

    def _tile(self, region: Mapping[str, slice]) -> Path:
        return self.folder / "tiles" / f"lat{region['lat'].start}-lon{region['lon'].start}.json"

    def publish(self) -> None:
        """Give the result the name of the target and remove the folder."""
        if self.result.is_file():
            _sync(self.result)
        _write_text(self._finished, "")
        if self.target.is_dir():  # a folder cannot be renamed over another one
            os.replace(self.target, self.folder / "replaced")
        os.replace(self.result, self.target)
        _sync(self.target.parent)
        self.clear()

    def published(self) -> bool:
        """Tell whether a run was stopped after the product got its name, before it cleaned up.

        Returns
        -------
        bool
            True if only `clear` is left to do.
        """
        return self._finished.exists() and self.target.exists() and not self.result.exists()

    def clear(self) -> None:
        """Remove the folder; the sign that all is finished goes last."""
        for child in self.folder.iterdir():
            if child.is_dir():
                shutil.rmtree(child)
            elif child != self._finished:
                child.unlink()
        self._finished.unlink()
        self.folder.rmdir()


def check_target(target: Path, *, overwrite: bool) -> None:
    """Refuse a target that cannot be written, before any work.

    Parameters
    ----------
    target
        Name of the product.
    overwrite
        Whether it may be there already.

    Raises
    ------
    ValueError
        If the suffix is neither ``.nc`` nor ``.zarr``.
    FileNotFoundError, FileExistsError, PermissionError
        If its folder is not there, it is there itself, or its folder cannot be written to.
    """
    if target.suffix not in SUFFIXES:
        msg = f"a product ends in {' or '.join(SUFFIXES)}; got {target.name!r}."
        raise ValueError(msg)
    if not target.parent.is_dir():
        msg = f"the folder {target.parent} of the product {target.name} does not exist. Make it first."
        raise FileNotFoundError(msg)
    if target.exists() and not overwrite:
        msg = f"{target} is there already. Choose another name, move it away, or give overwrite=True."
        raise FileExistsError(msg)
    if target.exists() and target.is_dir() != (target.suffix == ".zarr"):
        msg = f"{target} is a {'folder' if target.is_dir() else 'file'} and no product. Choose another name."
        raise FileExistsError(msg)
    if not os.access(target.parent, os.W_OK | os.X_OK):
        msg = f"the folder {target.parent} cannot be written to. Choose another one or change its permissions."
        raise PermissionError(msg)


def settings_of(product: xr.Dataset, *, attrs: Mapping[str, object] | None, tile: int, members: int) -> dict[str, str]:
    """Describe what is being written: two runs with equal settings write equal values.

    Parameters
    ----------
    product
        What `xnee.products.cf.decorate` gives.
    attrs
        The user's own attributes.
    tile
        Cells along one side of a tile.
    members
        Members of the ensemble.

    Returns
    -------
    dict
        Text by name. Names of dask keys are not in it, they differ from process to process; nor is the history,
        which holds a clock.
    """
    axes = {name: product[name].to_numpy() for name in ("time", "lat", "lon")}
    axes["time"] = axes["time"].astype("M8[D]")  # the resolution of datetime64 may differ
    return {
        "format": str(_FORMAT),
        "xnee": version("xnee"),
        "model": str(product.attrs.get("model_fingerprint", "")),
        "cube": str(product.attrs.get("cube_fingerprint", "")),
        "variables": ", ".join(f"{name} {product[name].dims}" for name in sorted(map(str, product.data_vars))),
        "pft": str(product["pft"].attrs["flag_meanings"]),
        "members": str(members),
        "tile": str(tile),
        "attrs": json.dumps(dict(attrs or {}), sort_keys=True, default=str),
        **{
            name: f"{x.size} from {x[0]} to {x[-1]}, {sha256(x.tobytes()).hexdigest()[:12]}" for name, x in axes.items()
        },
    }


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
