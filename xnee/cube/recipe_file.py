"""Recipes as TOML files."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import fields
from difflib import get_close_matches
from os import PathLike, fspath
from pathlib import Path
from typing import Any, TypeVar

from xnee.cube.recipe import DriverRecipe, LandCoverRecipe, Recipe, expect, texts
from xnee.grid import Grid
from xnee.pft import Legend
from xnee.variables import check_names

__all__ = ["read_recipe"]

_Spec = TypeVar("_Spec")


def read_recipe(path: str | PathLike[str]) -> Recipe:
    """Read a recipe from a TOML file.

    Parameters
    ----------
    path
        The file, with ``period``, a table ``[grid]``, a table ``[drivers.NAME]`` for each driver and, for maps,
        ``[land_cover]`` and ``region``. Keys are those of `Recipe` and what is in it; paths are relative to the file.

    Returns
    -------
    Recipe
        Checked, with absolute paths. Nothing is opened.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not TOML, has an unknown key or lacks one, or a value is wrong. The message names file and key.

    Examples
    --------
    >>> import tempfile
    >>> text = '''
    ... period = ["2001-01", "2003-12"]
    ... grid = {west = 70, east = 140, south = 15, north = 55, step = 0.5}
    ... drivers.TEMP = {files = "era5/*.nc", product = "ERA5-Land"}
    ... '''
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "china.toml").write_text(text)
    ...     recipe = read_recipe(f"{folder}/china.toml")
    >>> recipe.period, recipe.grid.step
    (('2001-01', '2003-12'), 0.5)
    """
    place = Path(fspath(path)).expanduser()
    if not place.is_file():
        msg = f"no such file: {place}. Give the path of a recipe, a TOML file."
        raise FileNotFoundError(msg)
    try:
        table = tomllib.loads(place.read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        msg = f"{place.name} is not TOML: {error}."
        raise ValueError(msg) from error
    try:
        return _recipe_of(table, place.resolve().parent)
    except (ValueError, TypeError) as error:
        msg = f"{place.name}: {error}"
        raise ValueError(msg) from error


def _recipe_of(table: dict[str, Any], folder: Path) -> Recipe:
    """Make a recipe of the tables of a TOML file."""
    made = dict(table)
    if "grid" in made:
        made["grid"] = _made(Grid, expect(made["grid"], (dict,), "grid must be a table"), "grid")
    if "drivers" in made:
        drivers = expect(made["drivers"], (dict,), "drivers must be a table by name")
        check_names(drivers)
        made["drivers"] = {name: _driver_of(driver, folder, f"drivers.{name}") for name, driver in drivers.items()}
    if "land_cover" in made:
        cover = dict(expect(made["land_cover"], (dict,), "land_cover must be a table"))
        if isinstance(cover.get("files"), dict):
            cover["files"] = {year: _placed(path, folder) for year, path in cover["files"].items()}
        elif "files" in cover:
            cover["files"] = _placed(cover["files"], folder)
        legend = cover.get("legend")
        if isinstance(legend, dict) and all(key.isdigit() for key in legend):
            cover["legend"] = {year: _legend_of(one, f"land_cover.legend.{year}") for year, one in legend.items()}
        elif "legend" in cover:
            cover["legend"] = _legend_of(legend, "land_cover.legend")
        made["land_cover"] = _made(LandCoverRecipe, cover, "land_cover")
    if "region" in made:
        made["region"] = _placed(made["region"], folder)
    return _made(Recipe, made, "")


def _legend_of(legend: object, where: str) -> object:
    """Make a legend of a table; leave a name as it is."""
    if not isinstance(legend, dict):
        return legend
    table = {key: tuple(codes) if isinstance(codes, list) else codes for key, codes in legend.items()}
    return _made(Legend, table, where)


def _driver_of(table: object, folder: Path, where: str) -> DriverRecipe:
    """Make the recipe of one driver."""
    made = dict(expect(table, (dict,), f"{where} must be a table"))
    if "source" in made:
        msg = f"[{where}] has the key 'source', which is for Python only. Give files."
        raise ValueError(msg)
    try:
        made["files"] = tuple(_placed(pattern, folder) for pattern in texts(made.get("files", ()), "files"))
    except (ValueError, TypeError) as error:
        msg = f"[{where}] {error}"
        raise ValueError(msg) from error
    return _made(DriverRecipe, made, where)


def _made(kind: type[_Spec], table: Mapping[str, Any], where: str) -> _Spec:
    """Make a dataclass of a table; refuse keys that it does not have."""
    label = f"[{where}]" if where else "the recipe"
    known = [entry.name for entry in fields(kind) if entry.name != "source"]  # type: ignore[arg-type]
    unknown = [key for key in table if key not in known]
    if unknown:
        close = get_close_matches(unknown[0], known, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        msg = f"{label} has the unknown key {unknown[0]!r}; known are {', '.join(known)}.{hint}"
        raise ValueError(msg)
    try:
        return kind(**table)
    except (ValueError, TypeError) as error:
        text = str(error).replace(f"{kind.__name__}.__init__() missing", "lacks")
        msg = f"{label} {text}"
        raise ValueError(msg) from error


def _placed(path: object, folder: Path) -> str:
    """Give a path relative to the folder of the recipe its full name."""
    expect(path, (str,), "a path must be a text")
    return str(folder / Path(str(path)).expanduser())
