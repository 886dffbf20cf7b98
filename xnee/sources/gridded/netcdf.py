"""NetCDF files: which variables they hold, on which axes, and their stored values."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import netCDF4
import numpy as np
from numpy.typing import NDArray
from xarray.backends.netCDF4_ import NETCDF4_PYTHON_LOCK

from xnee.sources.gridded.classic import check_whole
from xnee.sources.gridded.files import Source
from xnee.sources.gridded.layers import Layer, Stamps

__all__ = ["Field", "fields", "open_field_of_netcdf"]

_LAT = ("lat", "latitude", "nav_lat", "y")
_LON = ("lon", "longitude", "long", "nav_lon", "x")
_TIME = ("time", "valid_time", "date", "month", "months", "time_prclim", "t", "forecast_reference_time", "time_counter")
_MERGED = "expver"
_NORTH_EAST = ("degrees_n", "degree_n", "degrees_e", "degree_e")
_PLANE = ("x", "y")  # names of degrees, of metres and of counted columns
_METRES = ("m", "km", "metre", "metres", "meter", "meters", "kilometers", "kilometres")
_PRESSURES = ("hpa", "mb", "mbar", "millibar", "millibars", "pa")
_STORED = ("_FillValue", "missing_value", "valid_min", "valid_max", "valid_range")
_LABELS = 2**22  # values of a coordinate that are read at once


@dataclass(frozen=True, kw_only=True)
class Field:
    """A variable of a NetCDF file that lies on latitude and longitude.

    Parameters
    ----------
    name
        Its name.
    dims
        Its dimensions in the order of the file.
    shape
        Their sizes.
    roles
        What each dimension is: ``lat``, ``lon``, ``time`` or its own name.
    attrs
        Its attributes.
    """

    name: str
    dims: tuple[str, ...]
    shape: tuple[int, ...]
    roles: tuple[str, ...]
    attrs: Mapping[str, Any]


@contextmanager
def _opened(source: Source) -> Iterator[Any]:
    """Open a file with its values as they are stored; whatever goes wrong names the file."""
    with NETCDF4_PYTHON_LOCK:
        try:
            with netCDF4.Dataset(source.where) as ds:
                ds.set_auto_maskandscale(False)
                yield ds
        except (OSError, RuntimeError, LookupError, MemoryError, UnicodeError, AttributeError) as error:
            raise _unreadable(source, error) from error


def _unreadable(source: Source, error: Exception) -> ValueError:
    """Say that a file cannot be read."""
    return ValueError(f"{source.name} cannot be read as NetCDF ({error}). Is it whole? Download it again.")


def _attrs(thing: Any) -> dict[str, Any]:
    """Give the attributes of a file or variable."""
    return {name: thing.getncattr(name) for name in thing.ncattrs()}


def _text(attrs: Mapping[str, Any], name: str) -> str:
    """Give an attribute as text, empty where there is none."""
    value = attrs.get(name, "")
    return value if isinstance(value, str) else ""


def _role(ds: Any, dim: str) -> str:
    """Tell what a dimension is, from its coordinate or its name."""
    lower = dim.lower()
    attrs = _attrs(ds.variables[dim]) if dim in ds.variables else {}
    units, standard = _text(attrs, "units").lower(), _text(attrs, "standard_name")
    if (
        standard in ("latitude", "grid_latitude", "projection_y_coordinate")
        or units.startswith(("degrees_n", "degree_n"))
        or lower in _LAT
    ):
        return "lat"
    if (
        standard in ("longitude", "grid_longitude", "projection_x_coordinate")
        or units.startswith(("degrees_e", "degree_e"))
        or lower in _LON
    ):
        return "lon"
    if standard == "time" or " since " in units or lower in _TIME or units.startswith(("yyyymm", "day as %y")):
        return "time"
    return dim


def fields(source: Source) -> dict[str, Field]:
    """List the variables of a file that lie on latitude and longitude.

    Parameters
    ----------
    source
        A NetCDF file.

    Returns
    -------
    dict
        By name. Bounds, coordinates and text are left out.

    Raises
    ------
    ValueError
        If the file cannot be read.
    """
    try:
        check_whole(source.where)
    except (ValueError, OSError) as error:
        raise _unreadable(source, error) from error
    with _opened(source) as ds:
        roles = {dim: _role(ds, dim) for dim in ds.dimensions}
        found = {}
        for name, variable in ds.variables.items():
            its = tuple(roles[dim] for dim in variable.dimensions if dim in roles)
            numeric = getattr(variable.dtype, "kind", "") in "fiu"
            if name not in ds.dimensions and numeric and its.count("lat") == 1 and its.count("lon") == 1:
                found[name] = Field(
                    name=name, dims=variable.dimensions, shape=variable.shape, roles=its, attrs=_attrs(variable)
                )
        return found


@dataclass(frozen=True)
class _Reader:
    """Reads stored values ``(time, lat, lon)``; it can be sent to another process."""

    source: Source
    name: str
    roles: tuple[str, ...]
    fixed: tuple[int, ...]  # index of each dimension that is neither time, lat nor lon
    merged: int | None  # position of a dimension whose entries fill each other's gaps
    missing: tuple[float, ...]

    def __call__(self, time: slice, rows: slice, columns: slice) -> NDArray[Any]:
        """Read three slices."""
        wanted = {"time": time, "lat": rows, "lon": columns}
        key = [wanted.get(role, index) for role, index in zip(self.roles, self.fixed, strict=True)]
        if self.merged is None:
            return self._read(key)
        count = self.fixed[self.merged]
        layers = [self._read([*key[: self.merged], i, *key[self.merged + 1 :]]) for i in range(count)]
        result = layers[0]
        for layer in layers[1:]:
            gap = np.isin(result, self.missing) | np.isnan(result)
            result = np.where(gap, layer, result)
        return result

    def _read(self, key: list[slice | int]) -> NDArray[Any]:
        """Read one slab and bring its axes into order."""
        with _opened(self.source) as ds:
            variable = ds.variables[self.name]
            values = np.asarray(variable[tuple(key)])
            if str(getattr(variable, "_Unsigned", "")).lower() == "true" and values.dtype.kind == "i":
                values = values.view(f"u{values.dtype.itemsize}")
        kept = [role for role in self.roles if role in ("time", "lat", "lon")]
        values = values.transpose([kept.index(role) for role in ("time", "lat", "lon") if role in kept])
        return values if values.ndim == 3 else values[np.newaxis]


def open_field_of_netcdf(source: Source, field: Field, *, level: float | None = None) -> Layer:
    """Read the labels of a variable, not its values.

    Parameters
    ----------
    source
        The file.
    field
        The variable.
    level
        Where to cut a further dimension, by the value of its coordinate.

    Returns
    -------
    Layer
        Its values can be read by slices.

    Raises
    ------
    ValueError
        If a coordinate is missing, a further dimension needs a `level`, or the file cannot be read.
    """
    with _opened(source) as ds:
        _refuse_other_maps(ds, field, source.name)
        axes = {role: _labels(ds, field, role, source.name) for role in ("lat", "lon")}
        fixed = tuple(_place(ds, field, i, level, source.name) for i in range(len(field.dims)))
        _refuse_single_level(ds, field, level, source.name)
        merged = next((i for i, dim in enumerate(field.dims) if dim == _MERGED and field.shape[i] > 1), None)
        variable, attrs = ds.variables[field.name], dict(field.attrs)
        sizes = dict(zip(field.roles, field.shape, strict=True))
        stored = variable.chunking()
        chunk = dict(zip(field.roles, stored if isinstance(stored, list) else [1] * len(field.dims), strict=True))
        dtype = np.dtype(variable.dtype)
        if str(attrs.get("_Unsigned", "")).lower() == "true" and dtype.kind == "i":
            dtype = np.dtype(f"u{dtype.itemsize}")
            attrs |= {key: _unsigned(attrs[key], dtype) for key in _STORED if key in attrs}
        stamps = _stamps(ds, field, source.name)
    missing = tuple(float(v) for key in ("_FillValue", "missing_value") for v in np.atleast_1d(attrs.get(key, ())))
    return Layer(
        label=f"{field.name} of {source.name}",
        file=source.name,
        variable=field.name,
        attrs=attrs,
        lat=axes["lat"],
        lon=axes["lon"],
        stamps=stamps,
        steps=sizes.get("time", 1),
        dtype=dtype.newbyteorder("="),
        chunk=(chunk.get("time", 1), chunk["lat"], chunk["lon"]),
        read=_Reader(source, field.name, field.roles, fixed, merged, missing),
        identity=(source.state, field.name, fixed),
    )


def _unsigned(said: Any, dtype: np.dtype[Any]) -> Any:
    """Read a stored number as unsigned: -1 among bytes is 255."""
    numbers = np.asarray(said)
    return numbers.astype("i8") % 2 ** (8 * dtype.itemsize) if numbers.dtype.kind == "i" else said


def _refuse_other_maps(ds: Any, field: Field, file: str) -> None:
    """Refuse coordinates that are no latitudes and longitudes: of a rotated pole, in metres, or counted cells."""
    # xarray drops the attribute in arithmetic and keeps the variable
    named = (_text(field.attrs, "grid_mapping").split(":")[0].split() or ["spatial_ref"])[0]
    said = _attrs(ds.variables[named]) if named in ds.variables else {}
    text = (_text(said, "crs_wkt") or _text(said, "spatial_ref")).upper()
    system = _text(said, "grid_mapping_name") or ("projected" if "PROJC" in text else "")
    plain = system.lower() == "latitude_longitude" or (not system and bool(re.search("GEOGC|GEODCRS", text)))
    found = ""
    for dim, role in zip(field.dims, field.roles, strict=True):
        if role not in ("lat", "lon") or dim not in ds.variables:
            continue
        attrs = _attrs(ds.variables[dim])
        standard, units = _text(attrs, "standard_name"), _text(attrs, "units").lower()
        if standard in ("latitude", "longitude") or units.startswith(_NORTH_EAST):
            continue  # in CF those of a rotated pole are plain degrees
        if system and not plain:
            found = found or system
        elif standard.startswith(("grid_", "projection_")) or units in _METRES:
            found = found or standard or f"{dim} in {units}"
        elif dim.lower() in _PLANE and not plain and not units.startswith("degree"):
            found = found or f"{dim} without degrees"
    if found:
        msg = (
            f"{field.name} of {file} does not lie along latitude and longitude ({found}). Bring it to a regular grid "
            "first, e.g. cdo remapcon,r720x360; if its coordinates are degrees, give them units='degrees_north' and "
            "'degrees_east'."
        )
        raise ValueError(msg)


def _labels(ds: Any, field: Field, role: str, file: str) -> NDArray[np.float64]:
    """Read the labels of rows or columns."""
    dim = field.dims[field.roles.index(role)]
    if dim not in ds.variables or ds.variables[dim].ndim != 1:
        flat = [name for name in ds.variables if name.lower() in (_LAT if role == "lat" else _LON)]
        curved = any(ds.variables[name].ndim == 2 for name in flat)
        msg = (
            f"{field.name} of {file} has no coordinate along its dimension {dim!r}, so nobody knows where its cells "
            "lie. "
            + (
                "Its latitudes and longitudes are curved: bring it to a regular grid first, e.g. cdo remapcon,r720x360."
                if curved
                else "Take the file as it was published, or add the coordinate in degrees."
            )
        )
        raise ValueError(msg)
    variable = ds.variables[dim]
    if variable.size > _LABELS or getattr(variable.dtype, "kind", "") not in "fiu":
        msg = f"the coordinate {dim!r} of {file} is not made of degrees. Is it the right file?"
        raise ValueError(msg)
    said = {key: value for key, value in _attrs(variable).items() if isinstance(value, int | float | np.number)}
    with np.errstate(invalid="ignore"):  # broken numbers are refused where cells are made of them
        labels: NDArray[np.float64] = np.asarray(variable[:], dtype="f8")
    return labels * float(said.get("scale_factor", 1)) + float(said.get("add_offset", 0))


def _place(ds: Any, field: Field, i: int, level: float | None, file: str) -> int:
    """Find the index at which a further dimension is cut; for a merged one, how many there are."""
    dim, size = field.dims[i], field.shape[i]
    if field.roles[i] in ("lat", "lon", "time") or size == 1:
        return 0
    if dim == _MERGED:
        return size
    numbers = dim in ds.variables and getattr(ds.variables[dim].dtype, "kind", "") in "fiu" and size <= _LABELS
    there = np.asarray(ds.variables[dim][:], "f8") if numbers else np.arange(size, dtype="f8")
    if level is not None:
        near = np.flatnonzero(np.isclose(there, level, rtol=1e-5, atol=1e-6))
        if near.size == 1:
            return int(near[0])
    shown = ", ".join(f"{value:g}" for value in there[:20])
    came = "no level was given" if level is None else f"{level:g} is none of them"
    msg = f"{field.name} of {file} has {size} entries along {dim!r}, {shown}; {came}. Say which one with level=."
    raise ValueError(msg)


def _refuse_single_level(ds: Any, field: Field, level: float | None, file: str) -> None:
    """Refuse a level of pressure nobody asked for: the only one in the file need not be the ground."""
    single = [dim for dim, size in zip(field.dims, field.shape, strict=True) if size == 1]
    held = None
    for name in [*single, *_text(field.attrs, "coordinates").split()]:
        variable = ds.variables.get(name)
        if variable is None or variable.size != 1 or getattr(variable.dtype, "kind", "") not in "fiu":
            continue
        attrs = _attrs(variable)
        if _text(attrs, "standard_name") == "air_pressure" or _text(attrs, "units").lower() in _PRESSURES:
            held = float(np.asarray(variable[...]).ravel()[0])
    said = held is not None or _text(field.attrs, "GRIB_typeOfLevel") == "isobaricInhPa"
    right = level is not None and (held is None or bool(np.isclose(held, level, rtol=1e-5)))
    if said and not right:
        shown = "a level of pressure" if held is None else f"the level {held:g} of pressure"
        msg = f"{field.name} of {file} is on {shown}, which may be far above the ground. Say that you want it: level=."
        raise ValueError(msg)


def _stamps(ds: Any, field: Field, file: str) -> Stamps | None:
    """Read the time axis, if there is one; a variable of a single time may carry it as a scalar."""
    name = field.dims[field.roles.index("time")] if "time" in field.roles else _scalar_time(ds, field)
    if name is None:
        return None
    if field.roles.count("time") > 1:
        msg = f"{field.name} of {file} has more than one time axis, {field.dims}. Cut it down to one first."
        raise ValueError(msg)
    if name not in ds.variables:
        msg = (
            f"{field.name} of {file} has no coordinate along its time dimension {name!r}. Say its first month with "
            "time=."
        )
        raise ValueError(msg)
    variable = ds.variables[name]
    attrs = _attrs(variable)
    values = np.atleast_1d(np.asarray(variable[:]))
    if values.dtype.kind not in "fiu" or values.ndim != 1:
        msg = f"the time axis {name!r} of {file} holds no numbers. Say its first month with time=."
        raise ValueError(msg)
    climatology = _text(attrs, "climatology")
    bounds_name = climatology or _text(attrs, "bounds")
    bounds = ds.variables.get(bounds_name)
    fits = bounds is not None and bounds.shape == (values.size, 2) and getattr(bounds.dtype, "kind", "") in "fiu"
    return Stamps(
        name=name,
        values=values,
        units=attrs.get("units") if isinstance(attrs.get("units"), str) else None,
        calendar=_text(attrs, "calendar") or "standard",
        bounds=np.asarray(bounds[:], "f8") if bounds is not None and fits else None,
        climatology=bool(climatology),
        lost_bounds=bool(bounds_name) and bounds is None,
        monthly=_is_monthly(ds, field.attrs),
    )


def _scalar_time(ds: Any, field: Field) -> str | None:
    """Find the time of a variable without a time axis among the scalar coordinates it names, or beside it."""
    named = _text(field.attrs, "coordinates").split()
    for name, variable in ds.variables.items():
        single = variable.ndim == 0 and " since " in _text(_attrs(variable), "units")
        if single and (name in named or name.lower() in _TIME):
            return str(name)
    return None


def _is_monthly(ds: Any, attrs: Mapping[str, Any]) -> bool:
    """Tell whether a file says that its steps are months: CMIP by its frequency, ECMWF by its kind of step."""
    whole = _attrs(ds)
    words = (_text(whole, "frequency"), _text(whole, "time_frequency"), _text(attrs, "GRIB_stepType"))
    return words[0] in ("mon", "monthly") or words[1] in ("mon", "monthly") or words[2] in ("avgua", "avgad", "avgas")
