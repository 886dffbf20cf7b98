"""Doors of prediction: what a cube must be for a model, one clear error each, before any work."""

from __future__ import annotations

import logging
from collections.abc import Hashable, Mapping

import numpy as np
import xarray as xr

from xnee.checking import check_drivers, check_time
from xnee.prediction.contract import Model
from xnee.prediction.cover import Cover, check_shares
from xnee.prediction.reading import in_memory

__all__ = ["check_cube", "check_ground", "check_model", "check_tile"]

_log = logging.getLogger(__name__)


def check_model(model: object) -> None:
    """Refuse what does not predict.

    Parameters
    ----------
    model
        Candidate.

    Raises
    ------
    TypeError
        If it has no ``predict_series``.
    """
    if not callable(getattr(model, "predict_series", None)):
        msg = f"predict needs a fitted model, got {type(model).__name__}. Read one with xnee.load_model(folder)."
        raise TypeError(msg)


def check_tile(tile: object) -> None:
    """Refuse a tile that is not a whole number of cells.

    Parameters
    ----------
    tile
        Candidate; None leaves the choice.

    Raises
    ------
    ValueError
        If it is below 1 or no int.
    """
    if tile is not None and (isinstance(tile, bool) or not isinstance(tile, int) or tile < 1):
        msg = f"tile must be 1 cell or more along a side, got {tile!r}."
        raise ValueError(msg)


def check_cube(cube: xr.Dataset, model: Model) -> None:
    """Refuse a cube whose drivers, months or axes do not suit a model.

    Parameters
    ----------
    cube
        A cube or towers. Nothing lazy is read.
    model
        Names drivers and lags.

    Raises
    ------
    ValueError
        If a driver is missing or in another unit, the months are no axis of a window or more, or an axis is not as
        of docs/data-model.md.
    """
    lacking = [name for name in model.window.drivers if name not in cube]
    if lacking:
        msg = (
            f"the model was trained on {list(model.window.drivers)}, but the cube lacks {lacking}; it has "
            f"{list(cube.data_vars)}. Add them to the cube, or fit a model on the drivers that both have."
        )
        raise ValueError(msg)
    check_time(cube)
    _check_axes(cube)
    check_drivers(cube, model.window.drivers)
    if cube.sizes["time"] < model.window.length:
        msg = (
            f"a window is {model.window.length} months long, the cube only {cube.sizes['time']}. Give it the months "
            "before the period to be predicted too."
        )
        raise ValueError(msg)


def check_ground(cube: xr.Dataset, model: Model, cover: Cover) -> None:
    """Refuse drivers and a cover that are not of the same cells.

    Parameters
    ----------
    cube
        With all drivers of the model.
    model
        Names them.
    cover
        Of the same cube.

    Raises
    ------
    ValueError
        If dimensions differ, shares that are in memory cannot be right, no cell has forest, or a driver in memory has
        no value in forest.
    """
    space = set(cover.space)
    own = {name: set(cube[name].dims) - {"time"} for name in model.window.drivers}
    strange = {name: sorted(map(str, dims)) for name, dims in own.items() if dims != space}
    if strange or not 1 <= len(space) <= 2:
        msg = (
            f"pft_fraction must have the dimensions pft and those of the drivers in space; it has {list(cover.space)}, "
            f"drivers have {strange}. Drop or select the other dimensions."
        )
        raise ValueError(msg)
    if "x" in space:
        _check_projection(cube)
    if in_memory(cover.maps):  # a lazy one is looked at tile by tile
        check_shares(cover.maps.to_numpy())
        _check_forest(cube, model, cover)


def _check_forest(cube: xr.Dataset, model: Model, cover: Cover) -> None:
    """Refuse a cube without forest, or with a driver that forest never has; tell where it has one only in parts."""
    forest = (cover.maps > 0).any(("year", "pft"))
    count = int(forest.sum())
    if not count:
        msg = (
            "no cell has forest: pft_fraction is 0 everywhere. Look at the rule and the region that it was made with, "
            "or at what was selected from the cube."
        )
        raise ValueError(msg)
    for name in model.window.drivers:
        if not in_memory(cube[name]):
            continue
        value = cube[name].notnull()
        known = int(((value.any("time") if "time" in value.dims else value) & forest).sum())
        if not known:
            msg = (
                f"{name} has no value in any of the {count} forest cells, so that nothing can be predicted. Check its "
                "files and its grid with cube.nee.check(), or fit a model without it."
            )
            raise ValueError(msg)
        if known < count:
            _log.warning(
                "%s has no value in %d of %d forest cells: these are not predicted; cell_months counts their months.",
                name,
                count - known,
                count,
            )


def _check_axes(cube: xr.Dataset) -> None:
    if {"latitude", "longitude"} & set(cube.dims):
        msg = (
            f"a cube has the dimensions (time, lat, lon), this one {list(cube.dims)}. Rename them: "
            'cube.rename(latitude="lat", longitude="lon").'
        )
        raise ValueError(msg)
    if "lat" in cube.dims and cube.sizes["lat"] > 1 and float(cube["lat"][0]) > float(cube["lat"][-1]):
        msg = 'lat must ascend; this cube runs from north to south. Sort it: cube.sortby("lat").'
        raise ValueError(msg)
    if "lon" in cube.dims and float(cube["lon"].max()) > 180:
        msg = (
            f"lon must lie in -180..180; this cube reaches {float(cube['lon'].max()):.6g}. Turn it: "
            "cube.assign_coords(lon=(cube.lon + 180) % 360 - 180).sortby('lon')."
        )
        raise ValueError(msg)
    empty = [str(dim) for dim in cube.dims if cube.sizes[dim] == 0]
    if empty:
        msg = f"a cube needs cells and months; it has none along {empty}. Look at what was selected from it."
        raise ValueError(msg)


def _check_projection(cube: xr.Dataset) -> None:
    """Refuse a map (time, y, x) that does not say in which projection it is."""
    missing = [dim for dim in ("y", "x") if dim not in cube.coords]
    if missing:
        msg = f"a cube (time, y, x) needs the coordinates of its cells in metres; {missing} are not there."
        raise ValueError(msg)
    for dim in ("y", "x"):
        steps = np.diff(cube[dim].to_numpy())
        if steps.size and not ((steps > 0).all() or (steps < 0).all()):
            msg = f"{dim} must ascend or descend from cell to cell; it does neither. Sort it: cube.sortby({dim!r})."
            raise ValueError(msg)
    if not _says_projection(cube):
        msg = (
            "a cube (time, y, x) must say in which projection it is: in a variable spatial_ref or crs, as "
            'cube.rio.write_crs("EPSG:...") makes it, or in the attribute crs.'
        )
        raise ValueError(msg)


def _says_projection(cube: xr.Dataset) -> bool:
    named: Mapping[Hashable, xr.DataArray] = {
        name: cube[name] for name in ("spatial_ref", "crs") if name in cube.variables
    }
    said = {"crs_wkt", "spatial_ref", "grid_mapping_name"}
    return "crs" in cube.attrs or any(said & set(map(str, variable.attrs)) for variable in named.values())
