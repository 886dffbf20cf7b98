"""Rasters: GeoTIFF, and HDF4 where GDAL was built with it."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from dask.utils import SerializableLock
from numpy.typing import NDArray

from xnee.sources.gridded.files import Source
from xnee.sources.gridded.layers import Layer

__all__ = ["open_raster", "simple", "sublayers"]


_LOCK = SerializableLock("warnings of rasterio")  # the list of filters is one for all threads


@contextmanager
def _opened(source: Source, where: str) -> Iterator[Any]:
    """Open a raster; whatever goes wrong names the file."""
    import rasterio  # here: importing xnee must not load GDAL

    try:
        with _LOCK, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # no georeference: an error below
            file = rasterio.open(where)
        with file:
            yield file
    except (OSError, RuntimeError, MemoryError, AttributeError, UnicodeError) as error:
        msg = f"{source.name} cannot be read as a raster ({error}). Is it whole? Download it again."
        raise ValueError(msg) from error


def simple(name: str) -> str:
    """Bring the name of a variable to lower-case words with single underscores.

    Parameters
    ----------
    name
        As a file has it.

    Returns
    -------
    str
        To compare with the tables.

    Examples
    --------
    >>> simple("CMG 0.05 Deg Monthly NDVI")
    'cmg_0_05_deg_monthly_ndvi'
    """
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def sublayers(source: Source) -> dict[str, str]:
    """List the layers of a file that holds several, HDF4 before all.

    Parameters
    ----------
    source
        A raster.

    Returns
    -------
    dict
        What to open, by the name of the layer; empty for a plain raster.

    Raises
    ------
    ValueError
        If it is an HDF4 file and GDAL here cannot read those, or it cannot be read.
    """
    if source.kind == "hdf4":
        _check_hdf4(source)
    with _opened(source, source.where) as file:
        said = file.tags(ns="SUBDATASETS")
        return {
            _name(str(where), said.get(f"SUBDATASET_{i}_DESC", "")): str(where)
            for i, where in enumerate(file.subdatasets, start=1)
        }


def _name(where: str, description: str) -> str:
    """Name a layer: grids have their name at the end of what is opened, plain data sets in their description."""
    quoted = re.search(r'"([^"]+)"$', where)
    name = quoted[1] if quoted else where.rsplit(":", 1)[-1].strip("/")
    described = re.fullmatch(r"\[[^\]]*\] (.*) \([^()]*\)", description)  # [3600x7200] its name (16-bit integer)
    return described[1] if described and name.isdigit() else name


def _check_hdf4(source: Source) -> None:
    """Refuse HDF4 where the GDAL of this environment was built without it: wheels are."""
    from rasterio.env import Env

    with Env() as env:
        if "HDF4" in env.drivers():
            return
    msg = (
        f"{source.name} is an HDF4 file, and the GDAL of this environment was built without HDF4. Install one that has "
        "it "
        "(conda install -c conda-forge rasterio libgdal-hdf4), or bring the file to GeoTIFF with a GDAL that has it: "
        f"gdalinfo {source.name} lists the layers, gdal_translate LAYER out.tif writes one."
    )
    raise ValueError(msg)


@dataclass(frozen=True)
class _Reader:
    """Reads stored values ``(band, lat, lon)``; it can be sent to another process."""

    source: Source
    where: str

    def __call__(self, time: slice, rows: slice, columns: slice) -> NDArray[Any]:
        """Read three slices."""
        bands = list(range(time.start + 1, time.stop + 1))
        window = ((rows.start, rows.stop), (columns.start, columns.stop))
        with _opened(self.source, self.where) as file:
            values: NDArray[Any] = file.read(bands, window=window)
        return values


def open_raster(source: Source, *, where: str | None = None, variable: str = "") -> Layer:
    """Read the labels of a raster, not its values.

    Parameters
    ----------
    source
        The file.
    where
        One of its layers, the file itself without.
    variable
        Name of that layer.

    Returns
    -------
    Layer
        Its steps are its bands.

    Raises
    ------
    ValueError
        If the file cannot be read or does not lie along latitude and longitude.
    """
    place = where or source.where
    with _opened(source, place) as file:
        lat, lon = _centres(file, source.name)
        scale, offset = file.scales[0], file.offsets[0]
        attrs = {
            "units": (file.units[0] or None),
            "scale_factor": scale,
            "add_offset": offset,
            "_FillValue": file.nodata,
        }
        # HDF4 has its attributes as tags, and GDAL takes no missing value from them
        said = {key: text for key, text in file.tags().items() if key in ("valid_range", "_FillValue")}
        attrs = said | {key: value for key, value in attrs.items() if value is not None}
        tile = (file.height, file.width) if source.compressed else file.block_shapes[0]
        same = {(file.dtypes[i], file.scales[i], file.offsets[i], file.nodatavals[i]) for i in range(file.count)}
        steps, dtype = file.count, np.dtype(file.dtypes[0])
    if len({repr(row) for row in same}) != 1:
        msg = f"the bands of {source.name} differ in type, scale or missing value. Write each to a file of its own."
        raise ValueError(msg)
    if dtype.kind not in "fiu":
        msg = f"{source.name} holds {dtype} numbers, not values of a driver. Is it the right file?"
        raise ValueError(msg)
    return Layer(
        label=f"{variable} of {source.name}" if variable else source.name,
        file=source.name,
        variable=variable,
        attrs=attrs,
        lat=lat,
        lon=lon,
        steps=steps,
        dtype=dtype,
        chunk=(1, int(tile[0]), int(tile[1])),
        read=_Reader(source, place),
        identity=(source.state, place),
    )


def _centres(file: Any, name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give the centres of rows and columns, degrees."""
    transform, crs = file.transform, file.crs
    if transform.is_identity and crs is None and file.width == 2 * file.height:
        # Global climate modelling grids of MODIS may lack their corners; a grid of n by 2n cells is the globe.
        step = 180 / file.height
        return 90 - step * (np.arange(file.height) + 0.5), -180 + step * (np.arange(file.width) + 0.5)
    straight = transform.b == transform.d == 0 and transform.a > 0 and all(map(math.isfinite, transform[:6]))
    if crs is None or not crs.is_geographic or not straight:
        system = _describe(crs)
        msg = (
            f"a raster must lie along latitude and longitude, but {name} has {system}. Bring it there first, e.g. "
            "gdalwarp "
            "-t_srs EPSG:4326 -r average in.tif out.tif (or gdal_edit.py -a_srs EPSG:4326 if it only forgot to say)."
        )
        raise ValueError(msg)
    lat = transform.f + transform.e * (np.arange(file.height) + 0.5)
    lon = transform.c + transform.a * (np.arange(file.width) + 0.5)
    return lat, lon


def _describe(crs: Any) -> str:
    """Name a coordinate system in a message."""
    if crs is None:
        return "no coordinate system"
    words: Iterable[str] = re.findall(r'"([^"]+)"', crs.to_wkt())
    return f"the coordinate system {next(iter(words), 'unknown')!r}, turned or in metres"
