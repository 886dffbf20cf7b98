"""Fixtures shared by all tests: small worlds, model doubles, a real tiny model, a scheduler that refuses."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dask
import hypothesis
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from xnee.models.approach import approach
from xnee.models.fitting import fit
from xnee.models.model import NEEModel
from xnee.models.training import FitSpec
from xnee.pft import PFTS
from xnee.variables import VARIABLES
from xnee.windowing import WindowSpec, complete

_SHARED = Path(__file__).resolve().parents[2] / "shared"


# a busy machine makes drawing of examples slow; that is no finding
hypothesis.settings.register_profile("patient", suppress_health_check=[hypothesis.HealthCheck.too_slow], deadline=None)
hypothesis.settings.load_profile("patient")


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of real towers and grids; only the project's own machines have it."""
    if not (_SHARED / "data").is_dir():
        pytest.skip("needs the real files in ../shared, which a user's clone does not have")
    return _SHARED


@pytest.fixture
def no_compute() -> Iterator[None]:
    """A dask scheduler that refuses: what runs inside must stay lazy."""

    def refuse(*_args, **_kwargs):
        raise AssertionError("computed too early")

    with dask.config.set(scheduler=refuse):
        yield


def with_units(ds: xr.Dataset) -> xr.Dataset:
    for name in set(ds.data_vars) & set(VARIABLES):
        ds[name].attrs["units"] = VARIABLES[name].units
    return ds


def make_towers(sites: int = 5, years: int = 3, gaps: float = 0.0, seed: int = 0) -> xr.Dataset:
    """Towers whose NEE is a formula of TEMP now and PRE two months ago; one PFT after the other."""
    rng = np.random.default_rng(seed)
    time = pd.date_range("2001-01-01", periods=12 * years, freq="MS")
    season = np.cos(2 * np.pi * (time.month.to_numpy() - 7) / 12)
    temp = 10 + 12 * season + rng.normal(0, 3, (sites, time.size))
    pre = 80 + 60 * season + rng.uniform(0, 60, (sites, time.size))
    nee = -4 * temp - 0.3 * np.roll(pre, 2, axis=1) + 50
    for values in (temp, pre, nee):
        values[rng.random(values.shape) < gaps] = np.nan
    dims = ("site", "time")
    ds = xr.Dataset(
        {"NEE": (dims, nee), "NEE_QC": (dims, np.ones_like(nee)), "TEMP": (dims, temp), "PRE": (dims, pre)},
        coords={
            "site": [f"T{i:02d}" for i in range(sites)],
            "time": time,
            "pft": ("site", [PFTS[i % 5] for i in range(sites)]),
            "lat": ("site", np.linspace(20, 50, sites)),
            "lon": ("site", np.linspace(80, 130, sites)),
        },
        attrs={"qc_min": 0.5},
    )
    return with_units(ds)


def make_cube(lat: int = 3, lon: int = 4, months: int = 30, seed: int = 1) -> xr.Dataset:
    """A small cube with a pure cell, mixed cells and a cell without forest."""
    rng = np.random.default_rng(seed)
    dims, shape = ("time", "lat", "lon"), (months, lat, lon)
    fraction = rng.dirichlet(np.ones(5), (lat, lon)).transpose(2, 0, 1) * 0.8
    fraction[:, 0, 0] = [1, 0, 0, 0, 0]
    fraction[:, 0, 1] = 0
    fraction[2, 1] = 0
    ds = xr.Dataset(
        {
            "TEMP": (dims, rng.normal(12, 8, shape).astype("f4")),
            "PRE": (dims, rng.uniform(0, 200, shape).astype("f4")),
            "pft_fraction": (("pft", "lat", "lon"), fraction.astype("f4")),
        },
        coords={
            "time": pd.date_range("2001-01-01", periods=months, freq="MS"),
            "lat": np.linspace(30, 32, lat),
            "lon": np.linspace(100, 103, lon),
            "pft": list(PFTS),
        },
    )
    return with_units(ds)


class DriverModel:
    """A model without learning: NEE is the first driver of the month `lags` ago, plus 10 times the member."""

    fallback = ("DNF",)
    fingerprint = "double"
    members = 2

    def __init__(self, drivers: tuple[str, ...] = ("TEMP", "PRE"), lags: int = 2) -> None:
        self.window = WindowSpec(drivers=drivers, lags=lags)

    def predict_series(self, pft: str, x: np.ndarray, context: np.ndarray | None = None) -> np.ndarray:
        assert context is None or len(context) == len(x)
        past = np.roll(x[..., 0], self.window.lags, axis=1) + 100 * PFTS.index(pft)
        past = np.where(complete(x, self.window.length), past, np.nan)
        return np.stack([past, past + 10]).astype("f4")


@pytest.fixture(scope="session")
def towers():
    return make_towers


@pytest.fixture(scope="session")
def cube():
    return make_cube


@pytest.fixture(scope="session")
def driver_model():
    return DriverModel


@pytest.fixture(scope="session")
def fitted() -> NEEModel:
    """A real, tiny model of TEMP and PRE, each type in another way."""
    quick = FitSpec(epochs=3, batch=16)
    ways = {
        "DBF": approach("per-pft", context=False, training=quick),
        "DNF": approach("per-pft", context=True, training=quick),
        "ENF": approach("fine-tuned", context=True, training=quick),
        "EBF": approach("pooled", context=True, training=quick),
        "MF": approach("pooled", context=True, training=quick),
    }
    return fit(make_towers(sites=10), lags=3, members=2, strategy=ways)
