"""Building a cube from a recipe, driver by driver, so that nothing finished is ever made twice."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr

from xnee.cube.cover import cover_made_of, write_cover
from xnee.cube.ledger import Partial, check_target
from xnee.cube.opening import Opened, open_fields
from xnee.cube.provenance import driver_attrs, driver_made_of, share_missing
from xnee.cube.recipe import Recipe
from xnee.cube.recipe_file import read_recipe
from xnee.cube.staging import Region
from xnee.cube.writing import write_driver
from xnee.grid import tiles
from xnee.pft import PFTS

__all__ = ["build_cube"]

_FORMAT = 1
_COVER = "land_cover"
_TIME = {"units": "days since 1970-01-01", "calendar": "proleptic_gregorian", "dtype": "i4", "_FillValue": None}


def build_cube(
    recipe: Recipe | str | PathLike[str], out: str | PathLike[str], *, overwrite: bool = False, progress: bool = True
) -> xr.Dataset:
    """Build a cube of drivers and forest cover from files.

    All files are opened and checked before anything is written. Then driver after driver is read, regridded and put
    into an unfinished store next to the target, on the active dask scheduler. After a crash, a kill or a full disk
    the same command goes on with the drivers that are not there, or whose files or recipe have changed; the target's
    name appears only when all is there. Memory stays below 2 GiB unless a single chunk of an input takes more than a
    third of one; free disk is needed for one driver more than the cube has.

    Parameters
    ----------
    recipe
        Path of a TOML file (see `read_recipe`), or a `Recipe`.
    out
        Target, ending in ``.zarr`` (version 3). Its folder must exist. Nobody else may write the same target at the
        same time.
    overwrite
        Whether a cube that has this name is brought up to date with the recipe: drivers that have not changed are
        taken over, and the new cube replaces the old one once it is complete. A cube of exactly this recipe and
        these files is opened as it is, with or without.
    progress
        Whether to show a bar on stderr.

    Returns
    -------
    xarray.Dataset
        Lazy: the drivers ``(time, lat, lon)``, float32, canonical units, NaN where there is no value; ``AGE`` may be
        ``(lat, lon)``; ``NAME_filled`` (int8, 1 where a value was filled) for drivers with filling;
        ``pft_fraction (pft, lat, lon)``, share of the cell. One chunk per variable and tile, time whole. Attributes
        of each variable say where it came from; `provenance_table` writes them out.

    Raises
    ------
    FileNotFoundError
        If the recipe, a file or the folder of the target is missing.
    ValueError, TypeError
        If the recipe is wrong, a file cannot be read, has another unit, or lies outside grid or period; if the
        unfinished store beside the target has another grid, period or tile.
    FileExistsError
        If the target is there, differs from the recipe, and `overwrite` is not given.
    PermissionError
        If the target's folder cannot be written to.

    Examples
    --------
    >>> build_cube("no_such_recipe.toml", "china.zarr")
    Traceback (most recent call last):
        ...
    FileNotFoundError: no such file: no_such_recipe.toml. Give the path of a recipe, a TOML file.
    """
    plan = recipe if isinstance(recipe, Recipe) else read_recipe(recipe)
    partial = Partial(target=Path(out).expanduser())
    check_target(partial.target)
    opened = open_fields(plan)
    made_of = {name: driver_made_of(plan.drivers[name], field) for name, field in opened.items()}
    made_of[_COVER] = cover_made_of(plan)
    if partial.published():
        partial.clear()
    if _is_of(partial.target, plan, made_of):
        return _open(partial.target)
    _check_free(partial.target, plan, made_of, overwrite=overwrite)
    frame = _frame(plan)
    if not partial.begun(frame):
        _write_coordinates(partial.store, plan)
        partial.begin(frame)
    with partial.locked():
        _take_over(partial, plan, made_of)
        try:
            _write_parts(partial, plan, opened, made_of, progress=progress)
        except Exception:
            if partial.empty():  # nothing to go on from
                partial.clear()
            raise
        _finish(partial, plan)
        partial.publish()
    return _open(partial.target)


def _open(path: Path) -> xr.Dataset:
    ds: xr.Dataset = xr.open_zarr(path, consolidated=True)
    return ds


def _frame(recipe: Recipe) -> dict[str, str]:
    """Describe what all variables of a cube share."""
    return {
        "format": str(_FORMAT),
        "grid": repr(recipe.grid),
        "period": "..".join(recipe.period),
        "tile": str(recipe.tile),
    }


def _entry(store: Path, name: str) -> dict[str, Any]:
    """Give what a finished cube says that a part of it was made of."""
    if not (store / ("pft_fraction" if name == _COVER else name) / "zarr.json").is_file():
        return {}
    group = zarr.open_group(store, mode="r")
    return json.loads(str(group["pft_fraction" if name == _COVER else name].attrs.get("provenance", "{}")))  # type: ignore[no-any-return]


def _same(said: Mapping[str, Any], made_of: Mapping[str, Any]) -> bool:
    """Tell whether a part was made of the same things."""
    return {key: said.get(key) for key in made_of} == dict(made_of)


def _differing(target: Path, recipe: Recipe, made_of: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """List in what a finished cube differs from what is asked for."""
    attrs = dict(zarr.open_group(target, mode="r").attrs)
    frame = json.loads(str(attrs.get("frame", "{}")))
    differ = [key for key, value in _frame(recipe).items() if frame.get(key) != value]
    differ += [name for name, made in made_of.items() if made and not _same(_entry(target, name), made)]
    there = set(json.loads(str(attrs.get("parts", "[]"))))
    differ += sorted(there - {name for name, made in made_of.items() if made})
    return differ + ["title"] * (attrs.get("title") != _title(recipe))


def _is_of(target: Path, recipe: Recipe, made_of: Mapping[str, Mapping[str, Any]]) -> bool:
    """Tell whether the target is there and is what is asked for."""
    return target.exists() and not _differing(target, recipe, made_of)


def _check_free(target: Path, recipe: Recipe, made_of: Mapping[str, Mapping[str, Any]], *, overwrite: bool) -> None:
    """Refuse a target that is another cube."""
    if target.exists() and not overwrite:
        differing = ", ".join(_differing(target, recipe, made_of))
        msg = (
            f"{target} is there already and differs from this recipe in {differing}. Choose another name, move it "
            "away, or give overwrite=True to make anew what differs."
        )
        raise FileExistsError(msg)


def _write_coordinates(store: Path, recipe: Recipe) -> None:
    """Begin the store with its axes."""
    time = ("time", recipe.months, {"standard_name": "time", "long_name": "first day of the month"})
    # free text: numpy's text of fixed length has no settled form in zarr 3
    coords: dict[str, Any] = {"time": time, **recipe.grid.coords, "pft": np.array(PFTS, dtype=object)}
    encoding = {name: {"_FillValue": None} for name in ("lat", "lon")} | {"time": _TIME}
    ds = xr.Dataset(coords=coords)
    ds.to_zarr(store, mode="w", zarr_format=3, consolidated=False, encoding=encoding)


def _take_over(partial: Partial, recipe: Recipe, made_of: Mapping[str, Mapping[str, Any]]) -> None:
    """Copy what has not changed from the cube that is to be replaced."""
    if not partial.target.exists():
        return
    old = zarr.open_group(partial.target, mode="r")
    if json.loads(str(old.attrs.get("frame", "{}"))) != _frame(recipe):
        return
    for name, made in made_of.items():
        if made and partial.entry(name) is None and _same(_entry(partial.target, name), made):
            arrays = [array for array in _arrays(name) if array in old]
            for array in arrays:
                shutil.copytree(partial.target / array, partial.store / array, dirs_exist_ok=True)
            attrs = {array: dict(old[array].attrs) for array in arrays}
            partial.note(name, {"made_of": made, "attrs": attrs})


def _arrays(name: str) -> tuple[str, ...]:
    """Name the arrays that a part may have."""
    return ("pft_fraction", "pft_fraction_by_year", "year") if name == _COVER else (name, f"{name}_filled")


def _write_parts(
    partial: Partial,
    recipe: Recipe,
    opened: Mapping[str, Opened],
    made_of: Mapping[str, Mapping[str, Any]],
    *,
    progress: bool,
) -> None:
    """Write the forest and the drivers that are not there, or are of other inputs."""
    regions = list(tiles(recipe.grid.lat.size, recipe.grid.lon.size, recipe.tile))
    for name in (_COVER, *opened):
        entry = partial.entry(name)
        made = dict(made_of[name])
        if entry is None or entry["made_of"] != made:
            partial.forget(name)
            _remove(partial.store, _arrays(name))
            attrs = (
                _cover(partial.store, recipe, made)
                if name == _COVER
                else _driver(partial, opened[name], recipe, made, regions, progress=progress)
            )
            entry = {"made_of": made, "attrs": attrs}
            partial.note(name, entry)
        if name != _COVER and entry.get("forest") != made_of[_COVER]:
            group = zarr.open_group(partial.store, mode="r")
            share = share_missing(group, name, grid=recipe.grid, regions=regions)
            entry["attrs"][name].pop("share_missing_in_forest", None)
            entry["attrs"][name] |= {} if share is None else {"share_missing_in_forest": share}
            partial.note(name, entry | {"forest": made_of[_COVER]})


def _remove(store: Path, arrays: Sequence[str]) -> None:
    for array in arrays:
        shutil.rmtree(store / array, ignore_errors=True)


def _cover(store: Path, recipe: Recipe, made: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Write the forest; give the attributes of its variables."""
    attrs = write_cover(zarr.open_group(store, mode="r+"), recipe)
    return {name: said | {"provenance": json.dumps(made, ensure_ascii=False)} for name, said in attrs.items()}


def _driver(
    partial: Partial,
    opened: Opened,
    recipe: Recipe,
    made: dict[str, Any],
    regions: Sequence[Region],
    *,
    progress: bool,
) -> dict[str, dict[str, Any]]:
    """Write one driver; give the attributes of its variables."""
    done = write_driver(partial, opened, recipe, regions=regions, progress=progress)
    attrs = {opened.name: driver_attrs(opened, made, done)}
    if recipe.drivers[opened.name].fill:
        text = f"1 where {opened.name} had no value and was filled"
        attrs[f"{opened.name}_filled"] = {"long_name": text, "flag_values": [0, 1], "flag_meanings": "as_read filled"}
    return attrs


def _finish(partial: Partial, recipe: Recipe) -> None:
    """Write all attributes, drop what is no part of the recipe, and gather the metadata."""
    group = zarr.open_group(partial.store, mode="r+")
    parts = [name for name in (_COVER, *recipe.drivers) if name != _COVER or recipe.land_cover is not None]
    said = {array: attrs for name in parts for array, attrs in (partial.entry(name) or {})["attrs"].items()}
    for name, attrs in said.items():
        group[name].attrs.put(attrs)
    for name in set(group.array_keys()) - set(said) - {"time", "lat", "lon", "pft"}:
        shutil.rmtree(partial.store / name)
    # no clock in it: the same recipe and files give the same store
    frame, source = json.dumps(_frame(recipe)), f"xnee {version('xnee')}, build_cube"
    group.attrs.put({"title": _title(recipe), "source": source, "frame": frame, "parts": json.dumps(parts)})
    with warnings.catch_warnings():
        # zarr warns that version 3 does not specify consolidated metadata yet; without it xarray warns its readers.
        warnings.filterwarnings("ignore", message="Consolidated metadata")
        zarr.consolidate_metadata(str(partial.store))


def _title(recipe: Recipe) -> str:
    return recipe.title or f"monthly drivers, {'..'.join(recipe.period)}"
