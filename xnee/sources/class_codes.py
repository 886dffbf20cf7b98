"""Files of land-cover classes: opened whatever their format, read by window, checked against a legend."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xnee.grid import coordinates
from xnee.pft import LEGENDS, Legend

__all__ = ["NO_CLASS", "ROWS", "Box", "ClassFile", "open_classes", "read_classes"]

Box: TypeAlias = tuple[float, float, float, float]
"""West, south, east, north in degrees."""

NO_CLASS = -1
"""Code in memory of a cell without class; classes are 0 or more."""

ROWS = 256
"""Rows worked on at once: tens of MB of a global 0.05 degree file."""


@dataclass(frozen=True, kw_only=True)
class ClassFile:
    """An open file of class codes, of which nothing is read yet.

    Parameters
    ----------
    name
        What to call it in messages.
    lat, lon
        Centres in degrees, in the order of the file, even; longitudes brought to -180..180.
    nodata
        The missing value that the file declares.
    read
        Gives the raw values of a slice of rows and a slice of columns.
    layer
        Name of the variable, empty for a raster.
    """

    name: str
    lat: NDArray[np.float64]
    lon: NDArray[np.float64]
    nodata: float | None
    read: Callable[[slice, slice], NDArray[Any]]
    layer: str = ""

    @property
    def step(self) -> float:
        """Size of a cell in degrees, the larger of both directions."""
        return float(max(np.diff(np.sort(axis)).max() for axis in (self.lat, self.lon)))

    @property
    def box(self) -> Box:
        """Outer edges."""
        half = self.step / 2
        west, east = float(self.lon.min()) - half, float(self.lon.max()) + half
        if east - west > 360 - half:  # all around: the seam may be anywhere
            west, east = -180.0, 180.0
        return west, max(float(self.lat.min()) - half, -90.0), east, min(float(self.lat.max()) + half, 90.0)


@contextmanager
def open_classes(path: Path) -> Iterator[ClassFile]:
    """Open a file of class codes, GeoTIFF or NetCDF.

    Parameters
    ----------
    path
        The file: one band, or one variable on ``lat`` and ``lon``.

    Yields
    ------
    ClassFile
        Closed when the block ends.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it cannot be opened or read, is not geographic, or has more than one band or variable.
    """
    if not path.is_file():
        msg = f"no such file: {path}. Give the path of a GeoTIFF or NetCDF file of land-cover classes."
        raise FileNotFoundError(msg)
    try:
        with (_open_netcdf if path.suffix in (".nc", ".nc4") else _open_raster)(path) as file:
            yield file
    except (OSError, RuntimeError) as error:  # what rasterio and netCDF4 raise, when opening and when reading
        msg = (
            f"{path.name} cannot be read as a land-cover map ({error}). It must be a whole GeoTIFF or NetCDF file; "
            "HDF4 files are brought to GeoTIFF with gdal_translate first."
        )
        raise ValueError(msg) from error


@contextmanager
def _open_raster(path: Path) -> Iterator[ClassFile]:
    """Open a GeoTIFF, or what else GDAL reads."""
    import rasterio  # here: importing xnee must not load GDAL

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)  # an error below
        source = rasterio.open(path)
    with source:
        transform, crs = source.transform, source.crs
        if source.count != 1 or crs is None or not crs.is_geographic or transform.b or transform.d:
            msg = (
                "land cover must be one band of class codes along latitude and longitude, but "
                f"{path.name} has {source.count} band(s) and the coordinate system {crs.to_string() if crs else None}. "
                "Bring it there without mixing codes, e.g. gdalwarp -t_srs EPSG:4326 -r near."
            )
            raise ValueError(msg)
        yield ClassFile(
            name=path.name,
            lat=_even(transform.f + transform.e * (np.arange(source.height) + 0.5), path.name),
            lon=_turned(transform.c + transform.a * (np.arange(source.width) + 0.5), path.name),
            nodata=source.nodata,
            read=lambda rows, columns: source.read(1, window=((rows.start, rows.stop), (columns.start, columns.stop))),
        )


@contextmanager
def _open_netcdf(path: Path) -> Iterator[ClassFile]:
    """Open a NetCDF file with one variable of class codes."""
    with xr.open_dataset(path, engine="netcdf4", mask_and_scale=False, decode_times=False) as ds:
        named = {"latitude": "lat", "longitude": "lon"}
        ds = ds.rename({old: new for old, new in named.items() if old in ds.dims})
        ds = ds.isel({dim: 0 for dim, size in ds.sizes.items() if size == 1 and dim not in ("lat", "lon")})
        maps = [name for name, variable in ds.data_vars.items() if set(variable.dims) == {"lat", "lon"}]
        if len(maps) != 1 or not {"lat", "lon"} <= set(ds.coords):
            msg = (
                "a NetCDF file of land cover must hold one variable on lat and lon, with their coordinates, but "
                f"{path.name} holds {list(ds.variables)} on {dict(ds.sizes)}. Write that variable to a file of its own."
            )
            raise ValueError(msg)
        codes = ds[maps[0]].transpose("lat", "lon")
        yield ClassFile(
            name=path.name,
            lat=_even(codes["lat"].values, path.name),
            lon=_turned(codes["lon"].values, path.name),
            nodata=_as_stored(codes, codes.attrs.get("_FillValue", codes.attrs.get("missing_value"))),
            read=lambda rows, columns: _as_stored(codes, codes[rows, columns].to_numpy()),
            layer=str(maps[0]),
        )


def _as_stored(codes: xr.DataArray, values: Any) -> Any:
    """Read bytes as unsigned where the file says so: code 190 stands there as -66."""
    unsigned = str(codes.attrs.get("_Unsigned", "")).lower() == "true" and codes.dtype.kind == "i"
    return (
        values if values is None or not unsigned else np.asarray(values).astype("i8") % 2 ** (8 * codes.dtype.itemsize)
    )


def _even(centres: NDArray[Any], name: str) -> NDArray[np.float64]:
    """Refuse cells of different size, and take the rounding of float32 out of their centres."""
    even = np.linspace(float(centres[0]), float(centres[-1]), centres.size)
    if centres.size < 2 or not np.abs(even - centres).max() < 0.01 * abs(even[1] - even[0]):
        msg = (
            f"land cover must have two or more cells along each axis, all of one size, but {name} has {centres}. "
            "Cut it at the 180th meridian, or bring it to an even grid, if that is why."
        )
        raise ValueError(msg)
    return even


def _turned(centres: NDArray[Any], name: str) -> NDArray[np.float64]:
    """Bring longitudes to -180..180, where they must lie side by side."""
    turned: NDArray[np.float64] = (_even(centres, name) + 180) % 360 - 180
    _even(np.sort(turned), name)
    return turned


def read_classes(file: ClassFile, *, box: Box, legend: Legend) -> xr.DataArray:
    """Read the classes in a box and at least one cell around it.

    Parameters
    ----------
    file
        Open file.
    box
        Edges of what is wanted.
    legend
        What the codes mean.

    Returns
    -------
    xarray.DataArray
        ``(lat, lon)``, int16, in memory, both coordinates ascending: class codes, and `NO_CLASS` where the file has
        the legend's fill, its own missing value or NaN.

    Raises
    ------
    ValueError
        If a code is not in the legend.
    """
    west, south, east, north = box
    margin = 1.5 * file.step  # from the edge to the centre of the next cell outside, so that one cell has neighbours
    rows, columns = np.argsort(file.lat), np.argsort(file.lon)
    rows = rows[(file.lat[rows] > south - margin) & (file.lat[rows] < north + margin)]
    columns = columns[(file.lon[columns] > west - margin) & (file.lon[columns] < east + margin)]
    every = slice(int(columns.min()), int(columns.max()) + 1)
    codes = np.empty((rows.size, columns.size), dtype="i2")
    for start in range(0, rows.size, ROWS):
        some = rows[start : start + ROWS]  # in the file a run of rows, up or down
        values = file.read(slice(int(some.min()), int(some.max()) + 1), every)
        codes[start : start + ROWS] = _classes(values[some - some.min()][:, columns - every.start], file, legend)
    return xr.DataArray(codes, coords=coordinates(file.lat[rows], file.lon[columns]), dims=("lat", "lon"))


def _classes(values: NDArray[Any], file: ClassFile, legend: Legend) -> NDArray[np.int16]:
    """Check codes against the legend; what has no class becomes `NO_CLASS`."""
    empty = np.isnan(values) if values.dtype.kind == "f" else np.zeros(values.shape, dtype=bool)
    for fill in (legend.fill, file.nodata):
        if fill is not None:
            empty |= values == float(fill)
    # Products of other people store classes as float32: 4.0 is class 4, 4.5 is none.
    codes: NDArray[np.int16] = np.clip(np.where(empty, 0, values), -1, 2**15 - 1).astype("i2")
    wrong = ~empty & ((codes != values) | ~np.isin(codes, legend.codes))
    if wrong.any():
        _refuse(np.unique(values[wrong]), np.unique(values[~empty]), file.name, legend)
    codes[empty] = NO_CLASS
    return codes


def _refuse(unknown: NDArray[Any], found: NDArray[Any], name: str, legend: Legend) -> None:
    """Say which codes a legend does not know, and which legend would."""
    fitting = [key for key, other in LEGENDS.items() if set(found.tolist()) <= set(other.codes)]
    advice = f"They fit legend={fitting[0]!r}." if fitting else "Describe them with xnee.pft.Legend."
    shown = ", ".join(f"{code:g}" for code in unknown[:10].tolist()) + (", ..." if unknown.size > 10 else "")
    msg = (
        f"{name} holds codes that the legend does not know: {shown}. The legend has {legend.codes} and fill "
        f"{legend.fill}; the file declares no such missing value. {advice}"
    )
    raise ValueError(msg)
