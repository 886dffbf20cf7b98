"""Other tools read the file and find the same numbers. Each test skips where its tool is not there."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import warnings
from importlib.util import find_spec
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import rasterio
import xarray as xr

from xnee.products.budget import budget
from xnee.products.store import open_product, to_product

from .conftest import SQUARES, make_predicted, make_projected, with_companions

needs_cdo = pytest.mark.skipif(shutil.which("cdo") is None, reason="needs cdo, the Climate Data Operators")
needs_gdal = pytest.mark.skipif(shutil.which("gdalinfo") is None, reason="needs gdalinfo")


def cdo(*words):
    """Run CDO. It warns on stderr of variables that it skips; HDF5's own noise in pipelines is not a warning."""
    run = subprocess.run(["cdo", "-s", *map(str, words)], capture_output=True, text=True, check=True)
    assert "Warning" not in run.stderr
    return run.stdout


@needs_cdo
def test_cdo_knows_axes_and_names(product):
    shown = cdo("sinfon", product)
    assert "lonlat                   : points=48 (8x6)" in shown
    assert "24 steps" in shown
    assert "Bounds = true" in shown
    assert {"NEE", "NEE_std", "NEE_total", "pft_fraction"} <= set(shown.split())


@needs_cdo
def test_cdo_adds_up_every_variable(product, tmp_path):
    cdo("fldsum", product, tmp_path / "sum.nc")
    cdo("yearsum", product, tmp_path / "year.nc")
    with xr.open_dataset(tmp_path / "year.nc") as year, xr.open_dataset(product) as ours:
        expected = ours["NEE"].groupby("time.year").sum(min_count=12)
        np.testing.assert_allclose(year["NEE"], expected, rtol=1e-5, atol=1e-4)


@needs_cdo
def test_cdo_reads_what_stands_beside_nee(outputs, tmp_path):
    shown = cdo("sinfon", outputs["beside"])
    assert {"NEE_low", "NEE_high", "NEE_quantile", "AOA", "DI", "DI_threshold"} <= set(shown.split())
    assert "quantile : 0.1 to 0.75" in shown
    cdo("yearmean", "-fldmean", "-selname,AOA,DI,NEE_quantile", outputs["beside"], tmp_path / "mean.nc")
    with xr.open_dataset(tmp_path / "mean.nc") as theirs, xr.open_dataset(outputs["beside"]) as ours:
        for name in ("AOA", "DI", "NEE_quantile"):
            weighted = ours[name].weighted(ours["area"]).mean(("lat", "lon"))
            expected = weighted.groupby("time.year").mean().transpose("year", ...)
            np.testing.assert_allclose(theirs[name].squeeze(("lat", "lon")), expected, rtol=1e-5, atol=1e-4)
    total = total_of_cdo(outputs["beside"], ["-gridarea", "-selname,NEE", outputs["beside"]])
    np.testing.assert_allclose(total, budget(make_predicted())["NEE_forest"], rtol=1e-6)


def total_of_cdo(path, area):
    """Sum NEE times forest times area to Tg of each year, all of it in CDO."""
    gram = ["-mul", "-mul", "-selname,NEE", path, "-selname,forest_fraction", path, *area]
    return np.array(cdo("outputf,%.8g", "-yearsum", "-fldsum", "-mulc,1e-12", *gram).split(), dtype="f8")


@needs_cdo
@pytest.mark.parametrize("step", [0.5, 0.05])
def test_total_of_cdo_is_the_budget(tmp_path, step):
    path = to_product(make_predicted(lat=20, lon=20, chunk=20, step=step), tmp_path / "nee.nc", progress=False)
    ours = budget(open_product(path))["NEE_forest"]
    # gridarea finds the areas of the file through cell_measures ...
    np.testing.assert_allclose(total_of_cdo(path, ["-gridarea", "-selname,NEE", path]), ours, rtol=1e-6)
    # ... and makes its own, on a sphere of 6371 km, for a grid that has none.
    grid = tmp_path / "grid.txt"
    axes = f"xfirst = 100.25\nxinc = {step}\nyfirst = 30.25\nyinc = {step}\n"
    grid.write_text(f"gridtype = lonlat\nxsize = 20\nysize = 20\n{axes}")
    np.testing.assert_allclose(total_of_cdo(path, ["-gridarea", f"-const,1,{grid}"]), ours, rtol=2e-3)


@needs_gdal
def test_gdal_knows_place_and_fill(product):
    shown = subprocess.run(
        ["gdalinfo", "-json", f"NETCDF:{product}:NEE"], capture_output=True, text=True, check=True
    ).stdout
    info = json.loads(shown)
    assert info["size"] == [8, 6]
    assert info["geoTransform"] == [100.0, 0.5, 0.0, 33.0, 0.0, -0.5]
    assert '"EPSG",4326' in info["coordinateSystem"]["wkt"].replace(" ", "")
    assert len(info["bands"]) == 24
    assert info["bands"][0]["noDataValue"] == pytest.approx(9.96921e36)


def test_rasterio_reads_what_xarray_reads(product):
    with rasterio.open(f"netcdf:{product}:NEE") as file, xr.open_dataset(product) as ds:
        assert file.crs.to_epsg() == 4326
        bands = file.read(masked=True).filled(np.nan)  # (month, row from the north, column)
        np.testing.assert_array_equal(bands[:, ::-1], ds["NEE"])


def compliance(path, test):
    """Give what the compliance checker finds wrong in a file, line by line."""
    if find_spec("compliance_checker") is None:
        pytest.skip("needs compliance-checker")
    command = [
        Path(sys.executable).parent / "compliance-checker",
        "--test",
        test,
        "--format",
        "json_new",
        "-o",
        "-",
        path,
    ]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    text = run.stdout[run.stdout.index("{") : run.stdout.rindex("}") + 1]
    (report,) = json.loads(text)[str(path)].values()
    found = [*report["high_priorities"], *report["medium_priorities"], *report["low_priorities"]]
    return sorted({line for one in found for line in one["msgs"]})


CREATOR = {
    "institution": "Institute of Tests",
    "creator_name": "A. Tester",
    "creator_email": "tester@example.org",
    "creator_url": "https://example.org",
    "publisher_name": "Archive of Tests",
    "publisher_email": "archive@example.org",
    "publisher_url": "https://example.org",
    "project": "Tests",
    "naming_authority": "org.example",
}
# What stays of acdd:1.3, each line explained in docs/products.md.
EXPLAINED = re.compile(
    "standard_name$|geospatial_(bounds_)?vertical_.* not present$|Data for possible l.* did not match geospatial_l"
    "|Date time mismatch between time_coverage_"
)


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    """One file of each kind."""
    folder, options = tmp_path_factory.mktemp("outputs"), {"attrs": CREATOR, "progress": False}
    years = to_product(make_predicted(), folder / "years", split="year", **options)
    longer = to_product(make_predicted(months=12), folder / "longer.nc", **options)
    return {
        "regions": to_product(make_predicted(), folder / "regions.nc", regions=SQUARES, **options),
        "projected": to_product(make_projected(), folder / "projected.nc", **options),
        "ilamb": to_product(make_predicted(), folder / "ilamb.nc", profile="ilamb", **options),
        "year": years / "years_2002.nc",
        "appended": to_product(make_predicted(), longer, append=True, **options),
        "beside": to_product(with_companions(make_predicted()), folder / "beside.nc", **options),
        "beside projected": to_product(with_companions(make_projected()), folder / "laea.nc", **options),
    }


@pytest.mark.parametrize("kind", ["regions", "projected", "ilamb", "year", "appended", "beside", "beside projected"])
def test_every_output_obeys_cf_and_tells_what_acdd_asks(outputs, kind):
    assert compliance(outputs[kind], "cf:1.11") == []
    assert [line for line in compliance(outputs[kind], "acdd:1.3") if not EXPLAINED.search(line)] == []


def test_compliance_checker_finds_nothing(product):
    assert compliance(product, "cf:1.11") == []


def test_hdf5_without_netcdf_holds_the_same(product):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)  # an array and no more
        file = rasterio.open(f'HDF5:"{product}"://NEE')
    with file, netCDF4.Dataset(product) as ours:
        ours.set_auto_mask(False)
        np.testing.assert_array_equal(file.read(), ours["NEE"][...])


@pytest.mark.skipif(shutil.which("ncks") is None, reason="needs ncks, of the NetCDF Operators")
def test_nco_reads_and_averages_the_same(product, tmp_path):
    subprocess.run(["ncra", "-O", "-v", "NEE", str(product), str(tmp_path / "mean.nc")], check=True)
    with xr.open_dataset(tmp_path / "mean.nc") as theirs, xr.open_dataset(product) as ours:
        np.testing.assert_allclose(theirs["NEE"].squeeze(), ours["NEE"].mean("time"), rtol=1e-4, atol=1e-4)
    shown = subprocess.run(
        ["ncks", "-H", "-C", "-s", "%.9g ", "-v", "NEE_total", str(product)], capture_output=True, text=True, check=True
    ).stdout
    with netCDF4.Dataset(product) as ours:
        np.testing.assert_allclose(np.array(shown.split(), "f8"), ours["NEE_total"][...].ravel(), rtol=1e-8)
