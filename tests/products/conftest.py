"""Predicted maps of known values, without a model."""

from __future__ import annotations

import json

import dask
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from xnee.pft import PFTS, mix

UNITS = {"units": "g C m-2 month-1"}


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
    season = 40 * np.cos(2 * np.pi * (time.month.to_numpy() - 1) / 12) - 10
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
    sites = [{"site": "CN-Din", "licence": "CC-BY-4.0", "name": "鼎湖山"}]
    predicted.attrs = {
        "model": json.dumps({"drivers": ["TEMP"], "sites": sites}, ensure_ascii=False),
        "model_fingerprint": "c0ffee",
        "cube_fingerprint": "decade",
        "history": "2024-01-01T00:00:00Z xnee.predict",
    }
    return predicted


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
