"""Maps (time, y, x) in a projection: written, read back, added up."""

from __future__ import annotations

import json
import shutil
import subprocess

import numpy as np
import pytest
import rasterio
import xarray as xr
from pyproj import Geod

from xnee.products.axes import crs_of, with_area
from xnee.products.budget import budget
from xnee.products.geotiff import to_geotiff
from xnee.products.store import open_product, to_product
from xnee.regions import read_regions

from .conftest import SQUARES, make_projected
from .test_netcdf import compliance

ALBERS = "+proj=aea +lat_1=25 +lat_2=47 +lat_0=0 +lon_0=105 +ellps=WGS84 +units=m"
SINUSOIDAL = "+proj=sinu +R=6371007.181 +units=m"
CONFORMAL = "EPSG:3857"


def area_slowly(ds):
    """Area of the polygon of each cell on the ellipsoid, its sides cut into short pieces."""
    from pyproj import Transformer

    crs = crs_of(ds)
    turn = Transformer.from_crs(crs, 4326, always_xy=True).transform
    geod = Geod(ellps="WGS84")
    area = np.zeros((ds.sizes["y"], ds.sizes["x"]))
    along = np.linspace(-25_000, 25_000, 51)
    for j, y in enumerate(ds["y"].values):
        for i, x in enumerate(ds["x"].values):
            ring_x = np.concatenate([x + along, np.full(51, x + 25_000), x - along, np.full(51, x - 25_000)])
            ring_y = np.concatenate([np.full(51, y - 25_000), y + along, np.full(51, y + 25_000), y - along])
            area[j, i] = abs(geod.polygon_area_perimeter(*turn(ring_x, ring_y))[0])
    return area


@pytest.mark.parametrize(("crs", "tolerance"), [(ALBERS, 2e-6), (SINUSOIDAL, 1e-5), (CONFORMAL, 2e-6)])
def test_areas_are_those_of_the_ground(crs, tolerance):
    predicted = make_projected(crs=crs)
    for ds in (predicted, predicted.compute()):
        made = with_area(ds, crs_of(ds), chunks=ds["NEE"].chunksizes)
        np.testing.assert_allclose(made["area"], area_slowly(ds), rtol=tolerance)


@pytest.mark.parametrize("name", ["nee.nc", "nee.zarr"])
def test_a_projected_map_is_written_and_read(tmp_path, name):
    predicted = make_projected()
    target = to_product(predicted, tmp_path / name, progress=False, regions=SQUARES)
    opened = open_product(target)
    np.testing.assert_array_equal(opened["NEE"], predicted["NEE"].astype("f4"))
    assert opened["NEE"].dims == ("time", "y", "x")
    xr.testing.assert_allclose(budget(opened), budget(predicted), rtol=1e-12)
    expected = budget(predicted, by=("year",), regions=SQUARES)
    xr.testing.assert_allclose(budget(opened, by=("year", "region")), expected, rtol=1e-12)
    again = budget(opened, by=("year",), regions=SQUARES)  # the product still knows its projection
    np.testing.assert_allclose(again["NEE_total"], expected["NEE_total"], rtol=1e-6)


def test_regions_are_brought_into_the_projection():
    import shapely

    predicted = make_projected(crs=ALBERS)
    result = budget(predicted, by=("year",), regions={"all of it": shapely.box(90, 20, 120, 45)})
    np.testing.assert_allclose(result["NEE_total"][0], result["NEE_all"], rtol=1e-9)
    assert read_regions(SQUARES).keys() == {"West land", "东"}


def test_years_can_be_appended(tmp_path):
    target = to_product(make_projected(), tmp_path / "nee.zarr", progress=False)
    to_product(make_projected(months=36), target, progress=False, append=True)
    np.testing.assert_array_equal(open_product(target)["NEE"], make_projected(months=36)["NEE"].astype("f4"))


def test_other_tools_read_it(tmp_path):
    predicted = make_projected()
    target = to_product(predicted, tmp_path / "nee.nc", progress=False)
    assert compliance(target, "cf:1.11") == []
    with rasterio.open(f"netcdf:{target}:NEE") as file:
        assert "+proj=aea" in file.crs.to_proj4()
        bands = file.read(masked=True).filled(np.nan)
    np.testing.assert_array_equal(bands[:, ::-1], predicted["NEE"].astype("f4"))
    if shutil.which("cdo"):
        told = subprocess.run(["cdo", "-s", "griddes", str(target)], capture_output=True, text=True, check=True).stdout
        assert "gridtype  = projection" in told
    if shutil.which("gdalinfo"):
        shown = subprocess.run(
            ["gdalinfo", "-json", f"NETCDF:{target}:NEE"], capture_output=True, text=True, check=True
        )
        assert json.loads(shown.stdout)["geoTransform"][1::4] == [50_000.0, -50_000.0]


def test_a_geotiff_is_in_the_projection(tmp_path):
    path = to_geotiff(make_projected(), tmp_path / "nee.tif", progress=False)
    with rasterio.open(path) as file:
        assert "+proj=aea" in file.crs.to_proj4()
        assert file.transform.a == 50_000


def test_ilamb_reads_no_projection(tmp_path):
    with pytest.raises(ValueError, match=r"ILAMB reads maps \(time, lat, lon\); this one is in a projection"):
        to_product(make_projected(), tmp_path / "nee.nc", profile="ilamb")
