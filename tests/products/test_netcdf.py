"""Other tools read the file and find the same numbers. Each test skips where its tool is not there."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import rasterio
import xarray as xr

from xnee.products.budget import budget
from xnee.products.store import open_product, to_product

from .conftest import make_predicted

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
    np.testing.assert_allclose(total_of_cdo(path, ["-gridarea", f"-const,1,{grid}"]), ours, rtol=5e-3)


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


def test_compliance_checker_finds_nothing(product):
    assert compliance(product, "cf:1.11") == []
