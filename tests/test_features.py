"""Drivers made from drivers."""

from __future__ import annotations

import csv

import dask.array as da
import numpy as np
import pytest
import xarray as xr

from xnee.features import PAR_PER_SHORTWAVE, par_from_shortwave


def test_par_keeps_dimensions_and_gaps():
    shortwave = xr.DataArray([[0.0, np.nan], [100.0, 250.0]], dims=("site", "time"), attrs={"units": "W m-2"})
    par = par_from_shortwave(shortwave)
    assert par.dims == ("site", "time")
    np.testing.assert_allclose(par, [[0.0, np.nan], [194.0, 485.0]])
    assert par.name == "PAR"
    assert par.attrs["units"] == "umol m-2 s-1"
    assert "1.94 umol J-1" in par.attrs["method"]


def test_par_is_lazy_and_leaves_its_input_alone():
    shortwave = xr.DataArray(da.ones((4, 3), chunks=2), dims=("lat", "lon"), attrs={"units": "W/m2"})
    par = par_from_shortwave(shortwave)
    assert par.chunks is not None
    assert shortwave.attrs == {"units": "W/m2"}


def test_shortwave_in_another_unit_is_refused():
    with pytest.raises(ValueError, match=r"shortwave radiation in W m-2, but it came with units 'J m-2'"):
        par_from_shortwave(xr.DataArray([1.0], dims="time", attrs={"units": "J m-2"}))


def test_factor_is_that_of_the_towers(shared):
    ratios, by_construction = [], 0
    for path in sorted((shared / "data/towers/fluxnet2015_subset_mm").glob("*.csv")):
        with path.open() as file:
            for row in csv.DictReader(file):
                par, shortwave = float(row.get("PPFD_IN", -9999)), float(row["SW_IN_F"])
                if par != -9999:
                    ratios.append(par / shortwave)
                    by_construction += abs(par * 0.52 / shortwave - 1) < 0.002
    independent = [ratio for ratio in ratios if abs(ratio * 0.52 - 1) >= 0.002]
    assert len(ratios) == 4249
    assert 0.12 < by_construction / len(ratios) < 0.13
    assert np.median(ratios) == pytest.approx(1.928, abs=1e-3)
    assert np.median(independent) == pytest.approx(1.950, abs=1e-3)
    assert np.median(ratios) < PAR_PER_SHORTWAVE < np.median(independent)
    np.testing.assert_allclose(np.quantile(independent, [0.05, 0.95]), [1.646, 2.264], atol=1e-3)
