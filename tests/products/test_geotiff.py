"""Statistics of a map for a GIS."""

from __future__ import annotations

import os
import shutil
import subprocess

import numpy as np
import pytest
import rasterio

from xnee.products.geotiff import to_geotiff
from xnee.products.store import open_product

from .conftest import Counting, make_predicted


def read(path):
    with rasterio.open(path) as file:
        return file.read(masked=True).filled(np.nan)[:, ::-1]  # south first, as in a cube


def annual(predicted):
    years = predicted["NEE"].astype("f4").compute().groupby("time.year").sum(skipna=False)
    return years.transpose("year", "lat", "lon")


@pytest.fixture(scope="module")
def three_years():
    return make_predicted(months=42, gap=6)  # 2001 and 2004 are not whole


@pytest.mark.parametrize("per", ["forest", "cell"])
def test_statistics_are_those_of_xarray(three_years, tmp_path, per):
    whole = annual(three_years).sel(year=[2002, 2003])
    share = three_years["forest_fraction"].compute() if per == "cell" else 1
    months = three_years["NEE"].sel(time=slice("2002", "2003")).compute().groupby("time.month").mean()
    expected = {
        "annual": (whole.mean("year") * share).values[None],
        "years": (whole * share).transpose("year", "lat", "lon").values,
        "months": (months * share).transpose("month", "lat", "lon").values,
    }
    for statistic, values in expected.items():
        path = to_geotiff(three_years, tmp_path / f"{statistic}.tif", statistic=statistic, per=per, progress=False)
        np.testing.assert_allclose(read(path), values, rtol=2e-6, atol=1e-4)
    assert sorted(os.listdir(tmp_path)) == ["annual.tif", "months.tif", "years.tif"]


def test_trend_is_least_squares(tmp_path):
    predicted = make_predicted(months=48)
    path = to_geotiff(predicted, tmp_path / "trend.tif", statistic="trend", progress=False)
    expected = annual(predicted).polyfit("year", 1)["polyfit_coefficients"].sel(degree=1)
    np.testing.assert_allclose(read(path)[0], expected, rtol=1e-4, atol=1e-4)


def test_it_says_what_it_is(product, tmp_path):
    path = to_geotiff(open_product(product), tmp_path / "nee.tif", statistic="years", progress=False)
    with rasterio.open(path) as file:
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert file.tags(ns="IMAGE_STRUCTURE")["COMPRESSION"] == "DEFLATE"
        assert file.descriptions == ("2001", "2002")
        assert file.units == ("g C m-2 yr-1",) * 2
        assert (file.nodata, file.crs.to_epsg()) == (-9999, 4326)
        assert file.bounds == (100, 30, 104, 33)
        assert "NBP" in file.tags()["comment"]
        assert "annual total, g C m-2 yr-1, per square metre of forest" in file.tags()["TIFFTAG_IMAGEDESCRIPTION"]
        assert file.tags()["institution"] == "Institute of Tests"


def test_large_maps_have_overviews_and_are_computed_once(tmp_path):
    watch = Counting()
    predicted = make_predicted(lat=60, lon=600, months=12, members=1, chunk=60, step=0.05, watch=watch)
    path = to_geotiff(predicted, tmp_path / "nee.tif", progress=False)
    assert watch.calls == 10
    with rasterio.open(path) as file:
        assert file.overviews(1) == [2, 4]


@pytest.mark.skipif(shutil.which("gdalinfo") is None, reason="needs gdalinfo")
def test_gdal_knows_its_place(predicted, tmp_path):
    path = to_geotiff(predicted, tmp_path / "nee.tif", progress=False)
    shown = subprocess.run(["gdalinfo", "-stats", str(path)], capture_output=True, text=True, check=True).stdout
    assert "Pixel Size = (0.500000000000000,-0.500000000000000)" in shown
    mean = np.nanmean(annual(predicted).mean("year", skipna=False).values)
    assert float(shown.partition("STATISTICS_MEAN=")[2].split()[0]) == pytest.approx(mean, rel=1e-5)


def test_descending_axes_are_turned(predicted, tmp_path):
    one = to_geotiff(predicted, tmp_path / "one.tif", progress=False)
    turned = predicted.isel(lat=slice(None, None, -1), lon=slice(None, None, -1))
    two = to_geotiff(turned, tmp_path / "two.tif", progress=False)
    np.testing.assert_array_equal(read(one), read(two))


@pytest.mark.parametrize(
    ("change", "name", "options", "error", "message"),
    [
        (None, "nee.png", {}, ValueError, r"a GeoTIFF ends in .tif or .tiff; got 'nee.png'"),
        (None, "nee.tif", {"statistic": "median"}, ValueError, "statistic must be one of .*'trend'.*got 'median'"),
        (None, "nee.tif", {"per": "pixel"}, ValueError, r"per one of \('forest', 'cell'\); got 'annual' and 'pixel'"),
        (None, "nee.tif", {"statistic": "trend"}, ValueError, "'trend' needs 3 whole calendar years or more; the map"),
        (None, "there/nee.tif", {}, FileNotFoundError, "the folder .*there of the map nee.tif does not exist"),
        (lambda ds: ds.isel(time=slice(11)), "nee.tif", {}, ValueError, "'annual' needs 1 whole calendar year or more"),
        (lambda ds: ds.drop_vars("forest_fraction"), "nee.tif", {}, ValueError, "forest_fraction is missing"),
        (
            lambda ds: ds.isel(lat=[0, 1, 3]),
            "nee.tif",
            {},
            ValueError,
            "cells of one size; along lat they go from 0.5 to 1",
        ),
    ],
)
@pytest.mark.usefixtures("no_compute")
def test_what_cannot_be_is_refused_before_any_work(predicted, tmp_path, change, name, options, error, message):
    with pytest.raises(error, match=message):
        to_geotiff(change(predicted) if change else predicted, tmp_path / name, progress=False, **options)
    assert os.listdir(tmp_path) == []


def test_a_file_that_is_there_is_kept_unless_told_otherwise(predicted, tmp_path):
    path = to_geotiff(predicted, tmp_path / "nee.tif", progress=False)
    with pytest.raises(FileExistsError, match=r"nee.tif is there already\. .*overwrite=True"):
        to_geotiff(predicted, path, progress=False)
    before = read(path)
    doubled = predicted.assign(NEE=(2 * predicted["NEE"]).assign_attrs(predicted["NEE"].attrs))
    to_geotiff(doubled, path, progress=False, overwrite=True)
    np.testing.assert_allclose(read(path), 2 * before, rtol=1e-6)


def test_a_failure_leaves_nothing_behind(tmp_path):
    with pytest.raises(RuntimeError, match="no such driver"):
        to_geotiff(make_predicted(watch=Counting(fail_at=2)), tmp_path / "nee.tif", progress=False)
    assert os.listdir(tmp_path) == []
