"""From the recipe of a driver to lazy planes on their own grid, checked and cut to what the cube needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xnee.cube.inputs import find_files
from xnee.cube.recipe import DriverRecipe, Recipe
from xnee.cube.regridding import window
from xnee.features import wind_direction, wind_speed
from xnee.grid import Grid
from xnee.variables import VARIABLES, check_units

__all__ = ["FileSource", "Opened", "open_fields"]

_STATIC = "AGE"
"""The one driver that may come without time."""

_COMPONENTS = ("eastward_wind", "northward_wind")


@dataclass(frozen=True, kw_only=True)
class FileSource:
    """The `Source` made of files, which are read with `xnee.open_driver`.

    Parameters
    ----------
    name
        The driver.
    components
        Whether the wind is wanted as its two components.
    files
        The files, all of them.
    options
        Keywords of `xnee.open_driver`.
    """

    name: str
    components: bool
    files: tuple[Path, ...]
    options: Mapping[str, Any]

    def __call__(self, grid: Grid, period: tuple[str, str]) -> xr.Dataset:  # noqa: ARG002  the caller cuts
        """Open lazily, on the cells of the files that meet the grid and the months of the files."""
        from xnee.sources.gridded import open_driver, open_wind

        known = [key for key in signature(open_driver).parameters if key not in ("path", "name", "box")]
        unknown = sorted(set(self.options) - set(known))
        if unknown:
            msg = f"unknown options {unknown}; open_driver has {', '.join(known)}."
            raise ValueError(msg)
        # Months without a file stay missing, and are counted; open_driver alone would refuse them.
        options = {"gaps": "nan", **self.options, "box": grid}
        paths = [str(path) for path in self.files]
        if self.components:
            return open_wind(paths, **options)
        return xr.Dataset({self.name: open_driver(paths, self.name, **options)})


@dataclass(frozen=True, kw_only=True)
class Opened:
    """One driver, open and not read.

    Parameters
    ----------
    name
        A driver.
    planes
        ``(time, lat, lon)`` or ``(lat, lon)``, on the grid of the source, of the months that are both in it and in
        the period. One for a scalar; eastward and northward for wind.
    months
        ``(time)``, place of each month in the period. Empty where there is no time.
    method
        One of `xnee.cube.recipe.METHODS`.
    chunk
        Values in the largest chunk that is read of it.
    files
        What it was read from; empty for a source of another kind.
    attrs
        What the source says of it.
    """

    name: str
    planes: tuple[xr.DataArray, ...]
    months: NDArray[np.intp]
    method: str
    chunk: int
    files: tuple[Path, ...]
    attrs: Mapping[str, Any]

    @property
    def static(self) -> bool:
        """Whether it has no time."""
        return "time" not in self.planes[0].dims

    def combine(self, planes: tuple[NDArray[np.float32], ...]) -> NDArray[np.float32]:
        """Make the driver of its planes, when those are on the target grid.

        Parameters
        ----------
        planes
            As many as there are in `planes`, any shape.

        Returns
        -------
        numpy.ndarray
            The driver, canonical unit.
        """
        if self.method == "area":
            return planes[0]
        make = wind_speed if self.name == "WS" else wind_direction
        dims = [f"axis{i}" for i in range(planes[0].ndim)]
        wind: NDArray[np.float32] = make(*(xr.DataArray(plane, dims=dims) for plane in planes)).to_numpy().astype("f4")
        return wind


def open_fields(recipe: Recipe) -> dict[str, Opened]:
    """Open all drivers of a recipe without reading their values.

    Parameters
    ----------
    recipe
        What the cube is made of.

    Returns
    -------
    dict
        By name, in the order of the recipe.

    Raises
    ------
    FileNotFoundError
        If a file is missing.
    ValueError
        If a file cannot be read, has another unit, or lies wholly outside the grid or the period. The message names
        the driver.
    """
    files = {
        name: tuple(find_files(driver.files, label=f"drivers.{name}")) if driver.files else ()
        for name, driver in recipe.drivers.items()
    }
    opened = {}
    for name, driver in recipe.drivers.items():
        try:
            opened[name] = _open(name, driver, files[name], recipe)
        except (ValueError, TypeError, OSError) as error:
            msg = f"drivers.{name}: {error}"
            kinds = (FileNotFoundError, PermissionError, OSError)
            raise next((kind for kind in kinds if isinstance(error, kind)), ValueError)(msg) from error
    return opened


def _open(name: str, driver: DriverRecipe, files: tuple[Path, ...], recipe: Recipe) -> Opened:
    """Open one driver."""
    method = driver.method or ("components" if VARIABLES[name].circular else "area")
    ds = _dataset(name, driver, files, recipe, method)
    if driver.method is None and "components" in str(ds[name].attrs.get("method") if name in ds else ""):
        # Speed that was made of components is regridded as those: near a front it is not the mean of the speeds.
        method = "components"
        ds = _dataset(name, driver, files, recipe, method)
    fields = (ds[name],) if method == "area" else tuple(ds[part] for part in _COMPONENTS)
    planes = tuple(_of_months(window(_lazy(field), recipe.grid), recipe.months) for field in fields)
    static = "time" not in planes[0].dims
    if static and driver.fill:
        msg = "it has no time, so that no gap can be filled from other months. Leave fill out."
        raise ValueError(msg)
    return Opened(
        name=name,
        planes=planes,
        months=np.array([], dtype="i8") if static else np.searchsorted(recipe.months, planes[0]["time"].to_numpy()),
        method=method,
        chunk=max(_chunk(field) for field in fields) * len(fields),
        files=files,
        attrs=_said(name, ds, fields),
    )


def _dataset(name: str, driver: DriverRecipe, files: tuple[Path, ...], recipe: Recipe, method: str) -> xr.Dataset:
    """Ask the source, and check what it gives."""
    wind = method == "components"
    options = dict(driver.options) | ({"product": driver.product} if driver.product else {})
    source = driver.source or FileSource(name=name, components=wind, files=files, options=options)
    ds = source(recipe.grid, recipe.period)
    if wind and isinstance(ds, xr.Dataset) and not set(_COMPONENTS) <= set(ds.data_vars):
        ds = _split(ds)
    wanted = _COMPONENTS if wind else (name,)
    if not isinstance(ds, xr.Dataset) or not set(wanted) <= set(ds.data_vars):
        held = list(ds.data_vars) if isinstance(ds, xr.Dataset) else type(ds).__name__
        msg = f"its source must give a Dataset with {' and '.join(wanted)}; got {held}."
        raise ValueError(msg)
    for one in wanted:
        _check_field(ds[one], name)
    return ds


def _split(ds: xr.Dataset) -> xr.Dataset:
    """Split the wind into its components, of speed 1 where only the direction is known."""
    if "WD" not in ds:
        return ds
    speed = ds["WS"] if "WS" in ds else xr.ones_like(ds["WD"])
    for one in {"WS", "WD"} & set(ds.data_vars):
        check_units(str(one), ds[one].attrs.get("units"))
    towards: xr.DataArray = np.deg2rad(ds["WD"]) + np.pi  # type: ignore[assignment]
    parts = (speed * np.sin(towards), speed * np.cos(towards))
    said = {"units": "m s-1", **{key: value for key, value in ds["WD"].attrs.items() if key != "units"}}
    return xr.Dataset({one: part.assign_attrs(said) for one, part in zip(_COMPONENTS, parts, strict=True)})


def _said(name: str, ds: xr.Dataset, fields: tuple[xr.DataArray, ...]) -> dict[str, Any]:
    """Gather what the source says of a driver."""
    year = {"climatology": "a mean year, the same 12 months in each year"} if "month" in fields[0].dims else {}
    if len(fields) == 1:
        return dict(ds[name].attrs) | year
    told = [{key: str(field.attrs[key]) for key in ("source", "conversion") if key in field.attrs} for field in fields]
    return {key: "; ".join(dict.fromkeys(one[key] for one in told if key in one)) for key in told[0]} | year


def _lazy(field: xr.DataArray) -> xr.DataArray:
    return field if field.chunks else field.chunk()


def _chunk(field: xr.DataArray) -> int:
    """Give the number of values in the largest chunk of a lazy field; one in memory costs nothing more."""
    return int(np.prod([max(sizes) for sizes in field.chunks], dtype="i8")) if field.chunks else 0


def _check_field(field: xr.DataArray, name: str) -> None:
    """Refuse what is not in its unit, or not on time, latitude and longitude."""
    units = field.attrs.get("units")
    if field.name not in _COMPONENTS:
        check_units(name, units)
    elif units != "m s-1":
        msg = f"{field.name} must be in 'm s-1'; it came with {units!r}."
        raise ValueError(msg)
    dims = set(field.dims)
    if dims - {"time", "month"} != {"lat", "lon"} or len(dims) > 3:
        msg = f"its dimensions must be time, lat and lon; got {field.dims}. Select or average the others."
        raise ValueError(msg)
    if len(dims) == 2 and name != _STATIC:
        msg = f"it has no time, and only {_STATIC} may be without. Say the month of a single map in its options, time."
        raise ValueError(msg)


def _of_months(field: xr.DataArray, months: NDArray[np.datetime64]) -> xr.DataArray:
    """Select the months of the period, each at its start; a mean year is repeated."""
    if "month" in field.dims:
        calendar = months.astype("M8[M]").astype("i8") % 12 + 1
        repeated = xr.DataArray(calendar, coords={"time": months}, dims="time")
        return field.sel(month=repeated).drop_vars("month").transpose("time", "lat", "lon")
    field = field.transpose(..., "lat", "lon")
    if "time" not in field.dims:
        return field
    if not np.issubdtype(field["time"].dtype, np.datetime64):
        msg = f"its time must be dates of the standard calendar; got {field['time'].dtype}. Convert the calendar first."
        raise ValueError(msg)
    stamps = field["time"].to_numpy().astype("M8[M]")
    times, count = np.unique(stamps, return_counts=True)
    if (count > 1).any():
        msg = (
            f"a month must come once, but {times[count > 1][0]} comes more often. Give each file once, and make months "
            "of days first."
        )
        raise ValueError(msg)
    order = np.argsort(stamps)
    inside = order[np.isin(stamps[order], months.astype("M8[M]"))]
    if inside.size == 0:
        first, last = months[[0, -1]].astype("M8[M]")
        msg = (
            f"none of its months lies in the period {first}..{last}: it has {times[0]}..{times[-1]}. Give other files, "
            "or another period."
        )
        raise ValueError(msg)
    return field.isel(time=inside).assign_coords(time=stamps[inside].astype("M8[ns]"))
