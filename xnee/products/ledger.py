"""The folder of an unfinished product: its parts are the tiles, each noted with its carbon totals.

See `xnee.unfinished`. For a NetCDF target ``product.nc`` is assembled from the store when all tiles are there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import ClassVar

import xarray as xr

from xnee.unfinished import Unfinished, check_folder

__all__ = ["Partial", "check_target", "settings_of"]

SUFFIXES = (".nc", ".zarr")
_FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class Partial(Unfinished):
    """An unfinished product; its settings are those of `settings_of`."""

    noun: ClassVar[str] = "product"

    @property
    def result(self) -> Path:
        """What gets the name of the target."""
        return self.store if self.target.suffix == ".zarr" else self.folder / "product.nc"

    def tile_done(self, region: Mapping[str, slice]) -> bool:
        """Tell whether a tile is in the store.

        Parameters
        ----------
        region
            The tile.

        Returns
        -------
        bool
            True once `note_tile` has been called for it, in this run or another.
        """
        return self.entry(_name(region)) is not None

    def note_tile(self, region: Mapping[str, slice], states: xr.Dataset) -> None:
        """Note that a tile is in the store, with its carbon states.

        Parameters
        ----------
        region
            The tile.
        states
            Its `carbon_states`, in memory.
        """
        self.note(_name(region), {str(name): state.to_numpy().tolist() for name, state in states.items()})

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
        values: dict[str, list[float]] = self.entry(_name(region)) or {}
        return values


def _name(region: Mapping[str, slice]) -> str:
    return f"lat{region['lat'].start}-lon{region['lon'].start}"


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
    check_folder(target, noun="product")
    if target.exists() and not overwrite:
        msg = f"{target} is there already. Choose another name, move it away, or give overwrite=True."
        raise FileExistsError(msg)
    if target.exists() and target.is_dir() != (target.suffix == ".zarr"):
        msg = f"{target} is a {'folder' if target.is_dir() else 'file'} and no product. Choose another name."
        raise FileExistsError(msg)


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
