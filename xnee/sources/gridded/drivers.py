"""Drivers from gridded files: read as they are, or made of what the files hold."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from xnee import features
from xnee.sources.gridded.axes import Labels, same_cells
from xnee.sources.gridded.choosing import choose, held_by
from xnee.sources.gridded.files import Paths, Source, find_files
from xnee.sources.gridded.months import Gaps
from xnee.sources.gridded.products import ROUTES
from xnee.sources.gridded.reading import Box, Reading
from xnee.sources.gridded.series import make_field
from xnee.sources.gridded.units import QUANTITIES
from xnee.variables import TARGET, check_names

__all__ = ["open_driver", "open_field", "open_wind"]


def open_driver(
    path: Paths,
    name: str,
    *,
    variable: str | None = None,
    units: str | None = None,
    scale: float | None = None,
    offset: float | None = None,
    missing: tuple[float, ...] = (),
    level: float | None = None,
    labels: Labels | None = None,
    time: str | None = None,
    every: str | None = None,
    product: str | None = None,
    box: Box | None = None,
    coverage: float = 0.8,
    gaps: Gaps = "refuse",
) -> xr.DataArray:
    """Open a driver from gridded files, lazily, in the words and units of the vocabulary.

    Most files need `path` and `name` only. What a file does not say, or says wrong, is said by the table of products
    (`xnee.sources.gridded.products`) or by the options; nothing is guessed.

    Parameters
    ----------
    path
        A file, a pattern, a folder or a list of these: NetCDF, GeoTIFF (dates in the names), HDF4 where GDAL reads it,
        zip and gzip of NetCDF or GeoTIFF. Files are joined along time.
    name
        A driver of the vocabulary. VPD, WS, WD, PAR and TEMP are made of what the files hold where they do not hold
        them: temperature and dew point, humidity, wind components, shortwave radiation, highest and lowest temperature.
    variable
        Name of the variable, where it is not a usual one.
    units
        What the numbers are in, e.g. ``"K"``, ``"mm d-1"``, in place of what the file says. As `scale`, `offset` and
        `missing` it holds for each of several variables of which a driver is made.
    scale, offset
        Packing in place of that of the file: value = stored number times scale plus offset.
    missing
        Stored numbers that are no values, beside those that the file declares.
    level
        Value of a further coordinate at which to cut, e.g. 1000 (hPa).
    labels
        Where in its cell a label stands: ``"centre"``, ``"south-west"`` or ``"north-west"``.
    time
        First month of a file that does not say it, ``"2001-01"``, or its first year, ``"2001"``; ``"climatology"`` for
        12 months of no year; ``"static"`` for a map without time.
    every
        What a step is, ``"month"``, ``"year"``, ``"day"``, ``"8-day"``, ``"3-hour"``, where the file does not say.
    product
        Name of a product, where the files do not have its names.
    box
        A `Grid`, or west, south, east, north in degrees: only these cells are read, and one more around.
    coverage
        Share of a month's days that must have values, 0 to 1, where steps are shorter than months.
    gaps
        What to do about months that are missing between others: ``"refuse"``, or leave them ``"nan"``.

    Returns
    -------
    xarray.DataArray
        ``(time, lat, lon)`` with month starts; ``(month, lat, lon)`` for a climatology (see `repeat_climatology`);
        ``(lat, lon)`` for a single AGE map. float32 or float64, canonical unit, latitudes and longitudes ascending
        cell centres, -180 to 180. Lazy. ``attrs`` say what it was made of (``source``, ``conversion``). Values beyond
        the plausible range of the vocabulary are missing; how many of a sample of some rows of the first, middle and
        last step were is in ``attrs["conversion"]``, and more than a tenth of it is an error.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    TypeError
        If an option is of the wrong kind.
    ValueError
        If the files cannot be read, do not hold the driver, do not say what must be known, contradict each other, have
        duplicates or holes in time, or hold values that cannot be it.

    Examples
    --------
    >>> import tempfile
    >>> axes = {"time": [0, 1], "lat": [41, 40], "lon": [127, 128]}
    >>> file = xr.Dataset({"t2m": (tuple(axes), np.full((2, 2, 2), 280.15), {"units": "K"})}, axes)
    >>> file["time"].attrs["units"] = "months since 2001-01-01"
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file.to_netcdf(f"{folder}/t2m.nc")
    ...     temp = open_driver(f"{folder}/t2m.nc", "TEMP").compute()
    >>> temp.sel(time="2001-02", lat=40, lon=127).values.round(2).tolist(), temp.attrs["units"]
    ([7.0], 'degC')
    """
    check_names([name] if isinstance(name, str) else name)
    reading = Reading(
        variable=variable,
        units=units,
        scale=scale,
        offset=offset,
        missing=missing,
        level=level,
        labels=labels,
        time=time,
        every=every,
        product=product,
        box=box,
        coverage=coverage,
        gaps=gaps,
    )
    return _open(find_files(path), name, reading)


def open_field(path: Paths, name: str, **options: Any) -> xr.DataArray:
    """Open a driver, or what drivers are made of, from gridded files.

    Parameters
    ----------
    path
        As for `open_driver`.
    name
        A driver, or ``"dew_point"``, ``"specific_humidity"``, ``"relative_humidity"``, ``"eastward_wind"``,
        ``"northward_wind"``, ``"shortwave"``, ``"highest_temperature"``, ``"lowest_temperature"``,
        ``"land_fraction"``.
    **options
        As for `open_driver`.

    Returns
    -------
    xarray.DataArray
        As `open_driver` gives it; units in `xnee.sources.gridded.units.QUANTITIES`.

    Raises
    ------
    FileNotFoundError, TypeError, ValueError
        As for `open_driver`, and if there is no such quantity.
    """
    if name == TARGET or name not in QUANTITIES:
        known = ", ".join(key for key in QUANTITIES if key != TARGET)
        msg = f"unknown quantity {name!r}; known are {known}. Carbon fluxes are read with open_flux."
        raise ValueError(msg)
    return _open(find_files(path), name, Reading(**options))


def open_wind(path: Paths, **options: Any) -> xr.Dataset:
    """Open the two components of the wind, to be regridded before they become a direction.

    A direction must not be averaged or interpolated: 350 and 10 degrees do not make 180.

    Parameters
    ----------
    path
        As for `open_driver`: files with the components, or with the direction itself.
    **options
        As for `open_driver`.

    Returns
    -------
    xarray.Dataset
        ``eastward_wind`` and ``northward_wind``, as `open_driver` gives them; m s-1. Of a direction without speed, the
        components of a wind of 1 m s-1.

    Raises
    ------
    FileNotFoundError, TypeError, ValueError
        As for `open_driver`.

    Examples
    --------
    >>> import tempfile
    >>> axes = {"time": [0, 1], "lat": [41, 40], "lon": [127, 128]}
    >>> parts = {name: (tuple(axes), np.full((2, 2, 2), 3.0), {"units": "m s-1"}) for name in ("u10", "v10")}
    >>> file = xr.Dataset(parts, axes)
    >>> file["time"].attrs["units"] = "months since 2001-01-01"
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file.to_netcdf(f"{folder}/era5.nc")
    ...     wind = open_wind(f"{folder}/era5.nc").load()
    >>> sorted(wind.data_vars)
    ['eastward_wind', 'northward_wind']
    """
    sources, reading = find_files(path), Reading(**options)
    chosen = choose(sources, QUANTITIES["WD"], reading)
    if chosen:
        whence = make_field(chosen, QUANTITIES["WD"], reading)
        towards = (whence + 180) * (np.pi / 180)
        parts = xr.Dataset({"eastward_wind": np.sin(towards), "northward_wind": np.cos(towards)})
        return parts.map(lambda part: part.assign_attrs(whence.attrs | {"units": "m s-1", "long_name": "of 1 m s-1"}))
    found = _parts(sources, ROUTES["WD"][0], reading)
    if found is None:
        raise _not_held(sources, "WD")
    return xr.Dataset(dict(found))


def _open(sources: list[Source], name: str, reading: Reading) -> xr.DataArray:
    """Read a quantity, or make it of others."""
    chosen = choose(sources, QUANTITIES[name], reading)
    if chosen:
        return make_field(chosen, QUANTITIES[name], reading)
    for route in ROUTES.get(name, ()):
        found = _parts(sources, route, reading)
        if found is not None:
            return _derive(name, found)
    raise _not_held(sources, name)


def _not_held(sources: list[Source], name: str) -> ValueError:
    """Say that files do not hold a driver."""
    msg = f"no variable is known as {name} in {held_by(sources)}."
    if "land cover" in msg:
        return ValueError(f"{msg} Classes become shares of forest types with read_land_cover.")
    made = "; or ".join(" and ".join(route) for route in ROUTES.get(name, ()))
    made = f" It can also be made of {made}." if made else ""
    return ValueError(f"{msg} Say which one it is with variable=.{made}")


def _parts(sources: list[Source], route: tuple[str, ...], reading: Reading) -> dict[str, xr.DataArray] | None:
    """Read what a driver is made of, ``None`` where the files do not hold all of it."""
    chosen = {name: choose(sources, QUANTITIES[name], reading) for name in route}
    if not all(chosen.values()):
        return None
    fields = {name: make_field(found, QUANTITIES[name], reading) for name, found in chosen.items()}
    return _together(fields)


def _together(fields: dict[str, xr.DataArray]) -> dict[str, xr.DataArray]:
    """Check that the parts of a driver are on the same cells and months."""
    first, *others = fields.values()
    for other in others:
        same = other.dims == first.dims and all(
            same_cells(first[axis].values, other[axis].values) for axis in ("lat", "lon")
        )
        if not same or any(not first[dim].equals(other[dim]) for dim in first.dims if dim not in ("lat", "lon")):
            msg = (
                f"{first.name} ({first.attrs['source']}) and {other.name} ({other.attrs['source']}) are not on the "
                "same cells "
                "and months. Take files that cover the same, or cut them with box=."
            )
            raise ValueError(msg)
    return {name: field.assign_coords(lat=first["lat"], lon=first["lon"]) for name, field in fields.items()}


def _derive(name: str, parts: dict[str, xr.DataArray]) -> xr.DataArray:
    """Make a driver of its parts, with the kernels that towers use too."""
    made = _kernel(name, parts)
    sources = list(dict.fromkeys(part.attrs["source"] for part in parts.values()))
    conversions = "; ".join(f"{key}: {part.attrs['conversion']}" for key, part in parts.items())
    return made.assign_attrs(source=", ".join(sources), conversion=conversions, cell_methods="time: mean")


def _kernel(name: str, parts: dict[str, xr.DataArray]) -> xr.DataArray:
    """Choose the kernel by what there is."""
    if name == "VPD" and "dew_point" in parts:
        return features.vpd_from_dew_point(parts["TEMP"], parts["dew_point"])
    if name == "VPD" and "specific_humidity" in parts:
        return features.vpd_from_specific_humidity(parts["TEMP"], parts["specific_humidity"], parts["PA"])
    if name == "VPD":
        return features.vpd_from_humidity(parts["TEMP"], parts["relative_humidity"])
    if name == "PAR":
        return features.par_from_shortwave(parts["shortwave"])
    if name == "TEMP":
        mean = (parts["highest_temperature"] + parts["lowest_temperature"]) / 2
        return mean.rename("TEMP").assign_attrs(
            units="degC",
            long_name="air temperature",
            method="mean of the highest and the lowest temperature of the days",
        )
    make = features.wind_speed if name == "WS" else features.wind_direction
    return make(parts["eastward_wind"], parts["northward_wind"])
