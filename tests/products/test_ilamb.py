"""The form for ILAMB: one variable, rates per square metre of cell, whose integral is the budget."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec

import netCDF4
import numpy as np
import pytest
import xarray as xr

from xnee.grid import cell_area
from xnee.products.budget import budget
from xnee.products.store import open_product, to_product

from .conftest import Counting, make_predicted
from .test_netcdf import cdo, compliance, needs_cdo


@pytest.fixture(scope="module")
def ilamb(tmp_path_factory):
    return to_product(make_predicted(), tmp_path_factory.mktemp("ilamb") / "nee.nc", profile="ilamb", progress=False)


def test_it_holds_one_variable_in_the_units_of_ilamb(ilamb):
    with netCDF4.Dataset(ilamb) as file:
        assert set(file.variables) == {"nee", "time", "time_bnds", "lat", "lat_bnds", "lon", "lon_bnds", "crs"}
        nee = file["nee"]
        assert nee.dimensions == ("time", "lat", "lon")
        assert (nee.units, nee.dtype, nee.cell_methods) == ("kg m-2 s-1", np.dtype("f4"), "area: time: mean")
        assert nee._FillValue == np.float32(9.96921e36)
        assert file["time"][0] == file["time_bnds"][0].mean()
        assert "positive into the atmosphere" in nee.long_name
        assert "NBP" in file.comment


def test_its_integral_is_the_budget(ilamb, predicted):
    with xr.open_dataset(ilamb) as ds:
        seconds = ds["time_bnds"].diff("bnds")[:, 0] / np.timedelta64(1, "s")
        area = cell_area(ds["lat"], ds["lon"]).values
        gram = (ds["nee"] * area * seconds).sum(("lat", "lon")) * 1e3
        total = gram.groupby("time.year").sum() * 1e-12
        np.testing.assert_allclose(total, budget(predicted)["NEE_forest"], rtol=1e-6)


def test_a_product_becomes_one_without_a_prediction(product, ilamb, tmp_path):
    other = to_product(open_product(product), tmp_path / "nee.nc", profile="ilamb", progress=False)
    with xr.open_dataset(other) as one, xr.open_dataset(ilamb) as two:
        np.testing.assert_allclose(one["nee"], two["nee"], rtol=1e-6)
        assert one.attrs["institution"] == "Institute of Tests"


def test_years_are_files(predicted, ilamb, tmp_path):
    folder = to_product(predicted, tmp_path / "nee", profile="ilamb", split="year", progress=False)
    assert sorted(os.listdir(folder)) == ["nee_2001.nc", "nee_2002.nc"]
    years = [xr.open_dataset(folder / name) for name in sorted(os.listdir(folder))]
    with xr.open_dataset(ilamb) as whole:
        np.testing.assert_array_equal(np.concatenate([year["nee"] for year in years]), whole["nee"])
    assert years[1].attrs["time_coverage_start"] == "2002-01-01T00:00:00Z"
    for year in years:
        year.close()


def test_it_goes_on_after_a_failure(tmp_path):
    with pytest.raises(RuntimeError, match="no such driver"):
        to_product(make_predicted(watch=Counting(fail_at=3)), tmp_path / "nee.nc", profile="ilamb", progress=False)
    with pytest.raises(ValueError, match="profile was 'ilamb', is 'xnee'"):
        to_product(make_predicted(), tmp_path / "nee.nc", progress=False)
    watch = Counting()
    to_product(make_predicted(watch=watch), tmp_path / "nee.nc", profile="ilamb", progress=False)
    assert 0 < watch.calls < 4  # what was in work beside the one that failed is finished


def test_it_obeys_cf(ilamb):
    assert compliance(ilamb, "cf:1.11") == []


@needs_cdo
def test_cdo_reads_it(ilamb, predicted):
    shown = cdo("sinfon", ilamb)
    assert "24 steps" in shown
    total = np.array(cdo("outputf,%.8g", "-yearmonmean", "-fldint", ilamb).split(), dtype="f8")  # kg s-1
    ours = budget(predicted)["NEE_forest"]
    np.testing.assert_allclose(total * 365 * 86400 * 1e-9, ours, rtol=5e-3)


@pytest.mark.skipif(find_spec("ILAMB") is None, reason="needs ILAMB")
def test_ilamb_reads_it(ilamb, predicted):
    code = (
        "from ILAMB.Variable import Variable; import sys; v = Variable(filename=sys.argv[1], variable_name='nee');"
        "t = v.integrateInSpace(); d = (t.time_bnds[:, 1] - t.time_bnds[:, 0]) * 86400;"
        "print(v.unit, *(t.data * d * 1e-9).reshape(-1, 12).sum(axis=1))"
    )
    run = subprocess.run([sys.executable, "-c", code, str(ilamb)], capture_output=True, text=True, check=False)
    if run.returncode and "MPI" in run.stderr:
        pytest.skip("ILAMB finds no MPI")
    words = run.stdout.split()
    assert words[:3] == ["kg", "m-2", "s-1"]
    np.testing.assert_allclose(np.array(words[3:], "f8"), budget(predicted)["NEE_forest"], rtol=2e-3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"profile": "cmip"}, "profile must be 'xnee' or 'ilamb'; got 'cmip'"),
        ({"profile": "ilamb", "append": True}, "without append and regions"),
        ({"profile": "ilamb", "regions": {}}, "without append and regions"),
    ],
)
@pytest.mark.usefixtures("no_compute")
def test_what_it_is_not_for_is_refused(predicted, tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        to_product(predicted, tmp_path / "nee.nc", **options)
    with pytest.raises(ValueError, match="to NetCDF, without totals"):
        to_product(predicted, tmp_path / "nee.zarr", profile="ilamb")
    with pytest.raises(ValueError, match="NEE, forest_fraction; forest_fraction is missing"):
        to_product(predicted.drop_vars("forest_fraction"), tmp_path / "nee.nc", profile="ilamb")
