"""Files as products come, written by hand: numbers as they are stored, attributes as they are spelled."""

from __future__ import annotations

import netCDF4
import numpy as np
import pytest
import rasterio
from affine import Affine

LAT, LON = np.arange(45.5, 40, -1.0), np.arange(120.5, 126, 1.0)  # six by six cells, north first


def write_netcdf(path, variables, *, time=None, dims=("time", "lat", "lon"), attrs=None, model="NETCDF4", **axes):
    """Write variables `name: (numbers, attributes)` and `time`, the same for the first of `dims`."""
    labels = {dims[-2]: axes.get("lat", LAT), dims[-1]: axes.get("lon", LON)}
    with netCDF4.Dataset(path, "w", format=model) as ds:
        ds.setncatts(attrs or {})
        for dim, values in labels.items():
            ds.createDimension(dim, len(values))
            ds.createVariable(dim, "f8", (dim,))[:] = values
        if time is not None:
            numbers = np.asarray(time[0])
            ds.createDimension(dims[0], numbers.size)
            variable = ds.createVariable(dims[0], numbers.dtype, (dims[0],))
            variable[:] = numbers
            variable.setncatts({key: value for key, value in time[1].items() if key != "bnds"})
            if "bnds" in time[1]:
                ds.createDimension("bnds", 2)
                ds.createVariable(time[1]["bounds"], "f8", (dims[0], "bnds"))[:] = time[1]["bnds"]
        for name, (numbers, said) in variables.items():
            said = dict(said)
            numbers = np.asarray(numbers)
            shape = dims if time is not None else dims[-2:]
            variable = ds.createVariable(name, numbers.dtype, shape, fill_value=said.pop("_FillValue", None))
            variable.set_auto_maskandscale(False)
            variable.setncatts(said)
            variable[:] = np.broadcast_to(numbers, [len(ds.dimensions[dim]) for dim in shape])
    return path


def write_raster(path, values, *, west=120.0, north=46.0, step=1.0, nodata=None, crs="EPSG:4326", scale=None):
    """Write one band, or several."""
    bands = np.atleast_3d(values.T).T if values.ndim == 2 else values
    profile = {"count": bands.shape[0], "height": bands.shape[1], "width": bands.shape[2], "dtype": bands.dtype}
    with rasterio.open(
        path, "w", driver="GTiff", crs=crs, nodata=nodata, transform=Affine(step, 0, west, 0, -step, north), **profile
    ) as file:
        file.write(bands)
        if scale is not None:
            file.scales = [scale] * bands.shape[0]
    return path


def ramp(steps=1, low=0.0, high=1.0, dtype="f8"):
    """Numbers that differ in each cell and step."""
    return np.linspace(low, high, steps * 36).reshape(steps, 6, 6).astype(dtype)


@pytest.fixture
def monthly():
    """The time axis of three months of 2001."""
    return (np.array([0.0, 31.0, 59.0]), {"units": "days since 2001-01-01", "calendar": "standard"})
