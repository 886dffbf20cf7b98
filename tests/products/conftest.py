"""Predicted maps of known values, without a model."""

from __future__ import annotations

import json
import threading

import dask
import netCDF4
import numpy as np
import pandas as pd
import pytest
import xarray as xr
import zarr

from xnee.pft import PFTS, mix

UNITS = {"units": "g C m-2 month-1"}


def square(name, west, east, south=30, north=33):
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Feature", "properties": {"name": name}, "geometry": {"type": "Polygon", "coordinates": [ring]}}


SQUARES = {"type": "FeatureCollection", "features": [square("West land", 100, 102.2), square("东", 102.2, 103.1)]}
"""Two regions that share a border within a column of cells; the last columns are of neither."""


class Counting:
    """Counts the blocks of flux that are computed, and fails at one of them if told to."""

    def __init__(self, fail_at=None):
        self.calls, self.fail_at, self.lock = 0, fail_at, threading.Lock()

    def __call__(self, block):
        with self.lock:
            self.calls += 1
            if self.calls == self.fail_at:
                msg = "no such driver here"
                raise RuntimeError(msg)
        return block


def values(path):
    """All numbers of a product as they stand on disk, by name; of a folder those of all files."""
    if path.is_dir() and not (path / "zarr.json").is_file():
        return {f"{file.name}/{name}": x for file in path.iterdir() for name, x in values(file).items()}
    if path.is_dir():
        group = zarr.open_group(path, mode="r")
        return {name: group[name][...] for name in group.array_keys()}
    with netCDF4.Dataset(path) as file:
        file.set_auto_maskandscale(False)
        return {name: variable[...] for name, variable in file.variables.items()}


def assert_same_values(one, two):
    one, two = values(one), values(two)
    assert one.keys() == two.keys()
    for name in one:
        assert one[name].tobytes() == two[name].tobytes(), name


def make_predicted(
    *, lat=6, lon=8, months=24, members=3, start="2001-01", gap=0, chunk=3, seed=0, step=0.5, watch=None
):
    """Give a lazy predicted map: random cover with a column of desert, a member's flux a stated function of place.

    `watch` is called on each block of the members' flux when that is computed. Members differ by a factor, so that
    their totals are as far apart as their cells: nothing averages out.
    """
    random = np.random.default_rng(seed)
    y, x = 30.25 + step * np.arange(lat), 100.25 + step * np.arange(lon)
    time = pd.date_range(start, periods=months, freq="MS")
    cover = random.random((len(PFTS), lat, lon)) * (random.random((len(PFTS), lat, lon)) > 0.4) / len(PFTS)
    cover[:, :, :3] = 0  # no forest in the first three columns: a whole column of tiles
    cover[PFTS.index("DNF")] = 0
    season = 40 * np.cos(2 * np.pi * (time.month.to_numpy() - 1) / 12) - 10 - 0.5 * (time.year.to_numpy() - 2001)
    place = random.normal(size=(len(PFTS), 1, lat, lon))
    factor = 1 + 0.2 * np.arange(members) / max(1, members - 1)
    flux = factor[:, None, None, None, None] * (
        season[:, None, None] * (1 + 0.3 * place)
    )  # member, pft, time, lat, lon
    flux[:, :, :gap] = np.nan
    flux = np.where(cover[:, None] > 0, flux, np.nan).astype("f4")
    coords = {"time": time, "lat": y, "lon": x, "pft": list(PFTS)}
    member = xr.DataArray(flux, coords, ("member", "pft", "time", "lat", "lon")).chunk(lat=chunk, lon=chunk)
    if watch is not None:
        member.data = member.data.map_blocks(watch, dtype="f4", meta=np.empty((0,) * 5, "f4"))
    fraction = xr.DataArray(cover.astype("f4"), {k: coords[k] for k in ("pft", "lat", "lon")}, ("pft", "lat", "lon"))
    fraction = fraction.chunk(lat=chunk, lon=chunk)
    mixed = mix(member, fraction).transpose("member", "time", "lat", "lon")
    predicted = xr.Dataset(
        {
            "NEE": mixed.mean("member", skipna=False).assign_attrs(UNITS),
            "NEE_std": mixed.std("member", skipna=False).assign_attrs(UNITS),
            "NEE_member": member.assign_attrs(UNITS),
            "pft_fraction": fraction,
            "forest_fraction": fraction.sum("pft"),
            "fallback": ("pft", np.array([0, 1, 0, 0, 0], dtype="i1")),
        }
    )
    facts = {"sites": ["CN-Din", "CN-Qia"], "site_licence": ["CC-BY-4.0", ""], "names": ["鼎湖山", "千烟洲"]}
    predicted.attrs = {
        "model": json.dumps({"drivers": ["TEMP"], "lags": gap, "provenance": facts}, ensure_ascii=False),
        "model_fingerprint": "c0ffee",
        "cube_fingerprint": "decade",
        "history": "2024-01-01T00:00:00Z xnee.predict",
    }
    return predicted


LEVELS = [0.1, 0.5, 0.75]


def with_companions(predicted, *, watch=None, factor=1.5):
    """Put everything that a product can carry beside a predicted map: made by the real functions but for DI.

    `watch` is called on each block of DI when that is computed.
    """
    from xnee.applicability import with_applicability
    from xnee.evaluation.intervals import intervals
    from xnee.evaluation.quantiles import member_quantiles

    nee = predicted["NEE"]
    _, down, across = nee.dims
    place = 0.2 * np.arange(nee.sizes[across]) + 0.1 * np.arange(nee.sizes[down])[:, None]
    index = place + 0.05 * np.arange(len(PFTS))[:, None, None, None] + 0.01 * nee["time"].dt.month.values[:, None, None]
    index = xr.DataArray(index.astype("f4"), dims=("pft", *nee.dims)).chunk(nee.chunksizes)
    if watch is not None:
        index.data = index.data.map_blocks(watch, dtype="f4", meta=np.empty((0,) * 4, "f4"))
    fraction = predicted["pft_fraction"]
    index = index.assign_coords({**fraction.coords, "time": nee["time"]}).where((fraction > 0) & nee.notnull())
    threshold = xr.DataArray([1.0, 0.9, 0.8, 0.7, 0.6], dims="pft")
    inside = fraction.where(index <= threshold, 0.0).sum("pft") / fraction.where(fraction > 0).sum("pft", min_count=1)
    where = xr.Dataset(
        {"DI": index.transpose("pft", *nee.dims), "AOA": inside.transpose(*nee.dims).where(nee.notnull())}
    )
    where = where.assign(threshold=threshold, own=("pft", [1, 0, 1, 1, 1]), windows=("pft", [50, 300, 70, 80, 90]))
    where.attrs = {"model_fingerprint": predicted.attrs["model_fingerprint"], "seed": 3, "weights": "contributions"}
    table = {"factor": ("pft", [factor] * 6), "residual": ("pft", 10.0 * np.arange(6)), "sites": ("pft", [9] * 6)}
    made = {"level": 0.9, "scheme": "leave-site-out", "folds": 8, "members": predicted.sizes["member"]}
    calibration = xr.Dataset(table, {"pft": [*PFTS, "all"]}, made)
    known = intervals(with_applicability(predicted, where), calibration)
    return member_quantiles(known, LEVELS)


def make_projected(*, crs="ESRI:102025", **options):
    """Give the map in a projection of equal areas, cells of 50 km around the middle of China."""
    from pyproj import Transformer

    flat = make_predicted(**options).rename(lat="y", lon="x")
    x, y = Transformer.from_crs(4326, crs, always_xy=True).transform(102.0, 31.5)
    axes = {dim: 50_000.0 * np.arange(flat.sizes[dim]) + round(start) for dim, start in (("y", y), ("x", x))}
    return flat.assign_coords(axes).assign_attrs(flat.attrs, crs=crs)


@pytest.fixture
def predicted():
    return make_predicted()


@pytest.fixture
def no_compute():
    def refuse(dsk, keys, **kwargs):  # noqa: ARG001
        msg = "computed too early"
        raise AssertionError(msg)

    with dask.config.set(scheduler=refuse):
        yield


@pytest.fixture(scope="session")
def product(tmp_path_factory):
    """A NetCDF product, written once."""
    from xnee.products.store import to_product

    path = tmp_path_factory.mktemp("product") / "nee.nc"
    return to_product(make_predicted(), path, attrs={"institution": "Institute of Tests"}, progress=False)
