"""The folder of an unfinished product: its parts are the tiles, each noted with its carbon totals and its files.

See `xnee.unfinished`. Unless the target is a new zarr store, the result is assembled when all tiles are there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import xarray as xr

from xnee.products.axes import space_of
from xnee.products.companions import told_of
from xnee.unfinished import Unfinished, check_folder

__all__ = ["MONTHS", "Partial", "check_target", "settings_of"]

SUFFIXES = (".nc", ".zarr")
MONTHS = 12
"""Months in a chunk of the store: a year that is added touches no chunk of the years before it."""
_FORMAT = 2


@dataclass(frozen=True, kw_only=True)
class Partial(Unfinished):
    """An unfinished product; its settings are those of `settings_of`.

    Parameters
    ----------
    append
        Whether what is made is a product with what was there before.
    """

    append: bool = False
    noun: ClassVar[str] = "product"

    @property
    def result(self) -> Path:
        """What gets the name of the target."""
        if self.target.suffix == ".zarr":
            return self.folder / "longer.zarr" if self.append else self.store
        return self.folder / ("product.nc" if self.target.suffix == ".nc" else "years")

    def tile_done(self, region: Mapping[str, slice]) -> bool:
        """Tell whether a tile is in the store.

        Parameters
        ----------
        region
            The tile.

        Returns
        -------
        bool
            True once `note_tile` has been called for it, in this run or another, and its files are still as they
            were: what a power failure took is made again.
        """
        entry = self.entry(_name(region))
        return entry is not None and all(_size(self.store / file) == size for file, size in entry["files"].items())

    def note_tile(self, region: Mapping[str, slice], states: xr.Dataset | None) -> None:
        """Note that a tile is in the store, with its carbon states.

        Parameters
        ----------
        region
            The tile.
        states
            Its `carbon_states`, in memory; None if there are none to be added.
        """
        values = None
        if states is not None:
            data = {
                str(name): [list(map(str, state.dims)), state.to_numpy().tolist()] for name, state in states.items()
            }
            values = {"region": states["region"].to_numpy().tolist(), "data": data}
        files = {file: _size(self.store / file) for file in _files(self.store, region)}
        self.note(_name(region), {"files": files, "states": values})

    def states(self, region: Mapping[str, slice]) -> xr.Dataset | None:
        """Read the carbon states of a finished tile.

        Parameters
        ----------
        region
            The tile.

        Returns
        -------
        xarray.Dataset or None
            As they were noted, without coordinates but ``region``.
        """
        values = (self.entry(_name(region)) or {}).get("states")
        if values is None:
            return None
        data = {name: (dims, np.asarray(numbers)) for name, (dims, numbers) in values["data"].items()}
        return xr.Dataset(data, {"region": values["region"]})


def _name(region: Mapping[str, slice]) -> str:
    return "-".join(f"{dim}{part.start}" for dim, part in region.items())


def _size(file: Path) -> int:
    return file.stat().st_size if file.is_file() else -1


def _files(store: Path, region: Mapping[str, slice]) -> list[str]:
    """List the chunk files of a tile; a chunk in which all is missing has none."""
    found = []
    for meta in store.glob("*/zarr.json"):
        about = json.loads(meta.read_text())
        dims = about.get("dimension_names") or []
        if set(region) <= set(dims):
            side = about["chunk_grid"]["configuration"]["chunk_shape"]
            place = [
                str(region[dim].start // size) if dim in region else "*" for dim, size in zip(dims, side, strict=True)
            ]
            found += [str(file.relative_to(store)) for file in meta.parent.glob("/".join(["c", *place]))]
    return sorted(found)


def check_target(target: Path, *, split: str | None, overwrite: bool, append: bool) -> None:
    """Refuse a target that cannot be written, before any work.

    Parameters
    ----------
    target
        Name of the product.
    split
        ``year`` if it is to be a folder of yearly files.
    overwrite
        Whether it may be there already.
    append
        Whether it must be there already.

    Raises
    ------
    ValueError
        If the suffix is neither ``.nc`` nor ``.zarr``, or there is one where a folder is asked for.
    FileNotFoundError, FileExistsError, PermissionError
        If its folder is not there, it is there itself, or its folder cannot be written to.
    """
    if split is None and target.suffix not in SUFFIXES:
        msg = f"a product ends in {' or '.join(SUFFIXES)}, or is a folder with split='year'; got {target.name!r}."
        raise ValueError(msg)
    if split is not None and target.suffix:
        msg = f"with split='year' the target is a folder of NetCDF files, a name without ending; got {target.name!r}."
        raise ValueError(msg)
    check_folder(target, noun="product")
    if append and not target.exists():
        msg = f"there is no product {target} to append to. Leave append out to begin it."
        raise FileNotFoundError(msg)
    if target.exists() and not (overwrite or append):
        msg = (
            f"{target} is there already. Choose another name, move it away, give overwrite=True to replace it, or "
            "append=True to add later months to it."
        )
        raise FileExistsError(msg)
    folder = target.suffix != ".nc"
    ours = target.is_dir() == folder and (not folder or _is_ours(target))
    if target.exists() and not ours:
        msg = f"{target} is a {'folder' if target.is_dir() else 'file'} and no product. Choose another name."
        raise FileExistsError(msg)


def _is_ours(folder: Path) -> bool:
    """Tell whether a folder may be replaced: a zarr store, yearly files, or nothing at all."""
    return (folder / "zarr.json").is_file() or all(file.suffix == ".nc" for file in folder.iterdir())


def settings_of(
    product: xr.Dataset, *, attrs: Mapping[str, object] | None, tile: int, members: int, **more: str
) -> dict[str, str]:
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
    **more
        What else must not differ.

    Returns
    -------
    dict
        Text by name. Names of dask keys are not in it, they differ from process to process; nor is the history,
        which holds a clock.
    """
    axes: dict[str, Any] = {name: product[name].to_numpy() for name in ("time", *space_of(product))}
    axes["time"] = product.indexes["time"].to_numpy().astype("M8[D]")  # the resolution of datetime64 may differ
    return {
        "format": str(_FORMAT),
        "xnee": version("xnee"),
        "model": str(product.attrs.get("model_fingerprint", "")),
        "cube": str(product.attrs.get("cube_fingerprint", "")),
        "variables": ", ".join(f"{name} {product[name].dims}" for name in sorted(map(str, product.data_vars))),
        "pft": str(product["pft"].attrs["flag_meanings"]) if "pft" in product.coords else "",
        "members": str(members),
        "tile": str(tile),
        "attrs": json.dumps(dict(attrs or {}), sort_keys=True, default=str),
        **told_of(product),
        **more,
        **{
            name: f"{x.size} from {x[0]} to {x[-1]}, {sha256(x.tobytes()).hexdigest()[:12]}" for name, x in axes.items()
        },
    }
