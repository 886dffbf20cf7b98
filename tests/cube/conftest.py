"""Small sources of known values, and recipes of them."""

from __future__ import annotations

from dataclasses import replace

import dask.array as da
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from xnee.cube import DriverRecipe, Recipe
from xnee.grid import Grid
from xnee.variables import VARIABLES

GRID = Grid(west=100, east=103, south=30, north=32, step=0.5)
PERIOD = ("2001-01", "2001-12")


def make_field(
    name="TEMP", *, step=0.25, start="2000-11", months=18, low=None, high=None, seed=0, lat=(29, 33), lon=(99, 104)
):
    """Random values in the plausible range, ``(time, lat, lon)``, a few months to a chunk."""
    row = VARIABLES[name]
    low, high = row.low if low is None else low, row.high if high is None else high
    y, x = np.arange(lat[0] + step / 2, lat[1], step), np.arange(lon[0] + step / 2, lon[1], step)
    values = np.random.default_rng(seed).uniform(low, high, (months, y.size, x.size)).astype("f4")
    coords = {"time": pd.date_range(start, periods=months, freq="MS"), "lat": y, "lon": x}
    return xr.DataArray(values, coords, ("time", "lat", "lon"), name, {"units": row.units, "conversion": "none"}).chunk(
        time=4
    )


class Given:
    """A source of Datasets in memory that counts how often a month of each is read."""

    def __init__(self, *fields):
        self.read = 0
        self.ds = xr.Dataset({field.name: self._watched(field) for field in fields})

    def _watched(self, field):
        def look(block):
            self.read += block.size > 0
            return block

        if not field.chunks:
            return field
        return field.copy(
            data=field.data.map_blocks(look, dtype=field.dtype, meta=np.empty((0,) * field.ndim, field.dtype))
        )

    def __call__(self, grid, period):
        assert isinstance(grid, Grid)
        assert len(period) == 2
        return self.ds


def make_recipe(*fields, **changes):
    drivers = {field.name: DriverRecipe(source=Given(field)) for field in fields or (make_field(),)}
    return replace(Recipe(grid=GRID, period=PERIOD, drivers=drivers, tile=3), **changes)


def write_classes(path, *, step=0.1, west=99.0, north=33.0, shape=(50, 50), codes=(1, 2, 4, 5, 8, 10), seed=0):
    """A land-cover map of random classes as NetCDF."""
    lat, lon = north - step * (np.arange(shape[0]) + 0.5), west + step * (np.arange(shape[1]) + 0.5)
    values = np.random.default_rng(seed).choice(np.array(codes, "u1"), shape)
    xr.DataArray(values, {"lat": lat, "lon": lon}, ("lat", "lon"), "igbp").to_netcdf(path)
    return path


def write_driver(path, field):
    """A driver as a plain CF file."""
    field.compute().to_netcdf(path, encoding={"time": {"units": "days since 2000-01-01"}})
    return path


@pytest.fixture
def land_cover(tmp_path):
    return str(write_classes(tmp_path / "cover.nc"))


@pytest.fixture
def lazy_field():
    """A field whose chunks take more than memory should hold at once."""
    return xr.DataArray(da.zeros((3, 400, 400), chunks=(1, 400, 400), dtype="f4"), dims=("time", "lat", "lon"))
