"""Land cover becomes the share of each cell under each forest type."""

from __future__ import annotations

import json

import numpy as np
import pytest
import rasterio
import shapely
import xarray as xr
from affine import Affine

from xnee.grid import Grid, cell_area
from xnee.pft import IGBP_FOREST, PFTS, Legend
from xnee.sources.land_cover import read_land_cover

CHINA = Grid(west=70, east=140, south=15, north=55, step=0.5)
# 1e4 km2 of MCD12C1 2019 inside the outline of China, classes 1-5: what the project was told to find.
TOLD = {"ENF": 6.5, "EBF": 30.5, "DNF": 0.70, "DBF": 36.8, "MF": 23.9}

CODES = np.array(
    [
        [4, 4, 0, 0],
        [4, 1, 8, 9],
        [5, 5, 2, 2],
        [3, 12, 2, 255],
    ],
    dtype="u1",
)


def write(path, codes=CODES, *, west=100.0, north=24.0, step=1.0, crs="EPSG:4326", **profile):
    """Write a GeoTIFF, north first."""
    bands = np.atleast_3d(codes.T).T
    profile = {"dtype": codes.dtype, "transform": Affine(step, 0, west, 0, -step, north), "crs": crs} | profile
    size = {"count": bands.shape[0], "height": bands.shape[1], "width": bands.shape[2]}
    with rasterio.open(path, "w", driver="GTiff", **size, **profile) as file:
        file.write(bands)
    return path


@pytest.fixture
def tif(tmp_path):
    return write(tmp_path / "cover.tif")


def areas(fraction):
    """km2 under each type."""
    return (fraction.astype("f8") * cell_area(fraction.lat, fraction.lon)).sum(("lat", "lon")).compute() / 1e6


def test_own_grid_is_0_or_1_south_first(tif):
    fraction = read_land_cover(tif, legend="MCD12C1")["pft_fraction"]
    assert fraction.dims == ("pft", "lat", "lon")
    assert fraction.dtype == np.float32
    assert fraction["pft"].values.tolist() == list(PFTS)
    assert fraction.lat.values.tolist() == [20.5, 21.5, 22.5, 23.5]
    assert fraction.lon.values.tolist() == [100.5, 101.5, 102.5, 103.5]
    assert fraction.chunks is not None
    for pft, classes in IGBP_FOREST.items():
        np.testing.assert_array_equal(fraction.sel(pft=pft), np.isin(CODES[::-1], classes))


def test_coordinates_and_share_carry_cf_attributes(tif):
    for grid in (None, Grid(west=100, east=104, south=20, north=24, step=2)):
        fraction = read_land_cover(tif, legend="MCD12C1", grid=grid)["pft_fraction"]
        assert fraction.attrs["units"] == "1"
        assert fraction.lat.attrs == {"units": "degrees_north", "standard_name": "latitude"}
        assert fraction.lon.attrs == {"units": "degrees_east", "standard_name": "longitude"}


def test_share_is_that_of_the_cells_area(tif):
    grid = Grid(west=100, east=104, south=20, north=24, step=2)
    fraction = read_land_cover(tif, legend="MCD12C1", grid=grid)["pft_fraction"]
    area = cell_area([20.5, 21.5, 22.5, 23.5], [100.5, 101.5]).values[:, 0]
    two_rows = 2 * (area[2] + area[3])  # the north-western target cell, source rows from 22 to 24 degrees
    assert fraction.sel(pft="DBF", lat=23, lon=101).item() == pytest.approx((2 * area[3] + area[2]) / two_rows)
    assert fraction.sel(pft="ENF", lat=23, lon=101).item() == pytest.approx(area[2] / two_rows)
    # A cell without class is not forest, and still ground.
    expected = (2 * area[1] + area[0]) / (2 * (area[0] + area[1]))
    assert fraction.sel(pft="EBF", lat=21, lon=103).item() == pytest.approx(expected)
    assert fraction.sel(lat=23, lon=103).max() == 0


def test_attributes_report_what_was_kept_and_what_was_left_out(tif):
    attrs = read_land_cover(tif, legend="MCD12C1").attrs
    a20, a21, a22, a23 = cell_area([20.5, 21.5, 22.5, 23.5], [0, 1]).values[:, 0] / 1e6
    kept = {"DBF": 2 * a23 + a22, "DNF": a20, "ENF": a22, "EBF": 2 * a21 + a20, "MF": 2 * a21}
    assert json.loads(attrs["area_km2"]) == pytest.approx(kept, abs=0.06)
    assert json.loads(attrs["area_left_out_km2"]) == pytest.approx({"8": a22, "9": a22, "12": a20}, abs=0.06)
    assert attrs["area_without_class_km2"] == pytest.approx(a20, abs=0.06)
    assert (attrs["source"], attrs["legend"], attrs["region"]) == ("cover.tif", "MCD12C1", "none")
    assert json.loads(attrs["rule"])["MF"] == [5]


def test_report_survives_a_merge(tif):
    ds = read_land_cover(tif, legend="MCD12C1")
    cube = xr.Dataset({"TEMP": ds["pft_fraction"].sel(pft="MF", drop=True)}, attrs={"source": "climate"}).merge(ds)
    assert ds.attrs.items() <= cube["pft_fraction"].attrs.items()


def test_reported_areas_stop_at_the_grid(tif):
    grid = Grid(west=101.5, east=103.5, south=20, north=23, step=1)
    ds = read_land_cover(tif, legend="MCD12C1", grid=grid)
    expected = dict(zip(PFTS, areas(ds["pft_fraction"]).values, strict=True))
    assert json.loads(ds.attrs["area_km2"]) == pytest.approx(expected, abs=0.1)


def test_attributes_survive_netcdf(tif, tmp_path):
    ds = read_land_cover(tif, legend="MCD12C1", region=shapely.box(100, 20, 104, 24))
    ds.to_netcdf(tmp_path / "fraction.nc")
    with xr.open_dataset(tmp_path / "fraction.nc") as again:
        assert again.attrs == ds.attrs


def test_rule_moves_classes(tif):
    rule = {"DBF": (4, 8, 9)}
    ds = read_land_cover(tif, legend="MCD12C1", rule=rule)
    np.testing.assert_array_equal(ds["pft_fraction"].sel(pft="DBF"), np.isin(CODES[::-1], [4, 8, 9]))
    assert ds["pft_fraction"].sel(pft=["DNF", "ENF", "EBF", "MF"]).max() == 0
    assert list(json.loads(ds.attrs["area_left_out_km2"])) == ["1", "2", "3", "5", "12"]


def test_region_masks_cells_of_the_file_not_of_the_grid(tmp_path):
    triangle = {"type": "Polygon", "coordinates": [[[99, 19], [105, 25], [99, 25], [99, 19]]]}  # north-west
    path = tmp_path / "region.geojson"
    path.write_text(json.dumps(triangle))
    wide = write(tmp_path / "wide.tif", np.pad(CODES, 2), west=98, north=26)
    fine = read_land_cover(wide, legend="MCD12C1", region=path)
    assert fine["pft_fraction"].sum("pft").sel(lat=slice(20, 24), lon=slice(100, 104)).values.tolist() == [
        [0, 0, 0, 0],
        [1, 0, 0, 0],
        [1, 1, 0, 0],
        [1, 1, 0, 0],
    ]
    grid = Grid(west=99, east=105, south=19, north=25, step=3)
    coarse = read_land_cover(wide, legend="MCD12C1", region=path, grid=grid)
    xr.testing.assert_allclose(areas(coarse["pft_fraction"]), areas(fine["pft_fraction"]), rtol=1e-6)
    assert fine.attrs["region"] == "region.geojson"


def test_region_limits_what_is_read(tif):
    fraction = read_land_cover(tif, legend="MCD12C1", region=shapely.box(101.2, 21.2, 101.8, 21.8))["pft_fraction"]
    assert fraction.lat.values.tolist() == [20.5, 21.5, 22.5]  # the cell and its neighbours
    assert fraction.sum().compute().item() == 1


def test_longitudes_counted_from_0_give_the_same(tmp_path):
    codes = np.tile(CODES, (1, 2))[:, :8]
    usual = write(tmp_path / "usual.tif", codes, west=-180, step=45, north=90)
    turned = write(tmp_path / "turned.tif", np.roll(codes, 4, axis=1), west=0, step=45, north=90)
    expected = read_land_cover(usual, legend="MCD12C1")
    xr.testing.assert_allclose(read_land_cover(turned, legend="MCD12C1")["pft_fraction"], expected["pft_fraction"])


def test_netcdf_gives_the_same_as_geotiff(tif, tmp_path):
    centres = {"lat": np.arange(23.5, 20, -1), "lon": np.arange(100.5, 104)}
    codes = xr.Dataset({"igbp": (("lat", "lon"), CODES.astype("f4"))}, centres)
    codes.to_netcdf(tmp_path / "cover.nc", encoding={"igbp": {"_FillValue": 255}})
    grid = Grid(west=100, east=103, south=21, north=24, step=1.5)
    one, other = (read_land_cover(path, legend="MCD12C1", grid=grid) for path in (tif, tmp_path / "cover.nc"))
    xr.testing.assert_equal(one["pft_fraction"], other["pft_fraction"])


def test_own_legend(tmp_path):
    path = write(tmp_path / "cover.tif", np.array([[20, 21], [22, 0]], "i2"), nodata=0)
    legend = Legend(codes=(20, 21, 22), water=22)
    ds = read_land_cover(path, legend=legend, rule={"MF": (20, 21)})
    assert ds["pft_fraction"].sel(pft="MF").values.tolist() == [[0, 0], [1, 1]]
    assert "codes=(20, 21, 22)" in ds.attrs["legend"]


# What is refused


def refused(match, path, error=ValueError, **options):
    with pytest.raises(error, match=match):
        read_land_cover(path, **({"legend": "MCD12C1"} | options))


def test_missing_file(tmp_path):
    refused("no such file: .*nowhere.tif", tmp_path / "nowhere.tif", FileNotFoundError)


@pytest.mark.parametrize("name", ["cover.tif", "cover.nc", "cover.hdf"])
def test_file_of_something_else(tmp_path, name):
    (tmp_path / name).write_text("this is no map")
    refused(f"{name} cannot be read as a land-cover map .*must be a whole GeoTIFF or NetCDF", tmp_path / name)


def test_truncated_file(tmp_path):
    path = write(tmp_path / "cover.tif", np.ones((300, 300), "u1"), step=0.01)
    path.write_bytes(path.read_bytes()[:40_000])
    refused("cover.tif cannot be read as a land-cover map", path)


@pytest.mark.parametrize(
    ("profile", "match"),
    [
        ({"crs": "EPSG:3857"}, "along latitude and longitude, but cover.tif has .* system EPSG:3857.*gdalwarp"),
        ({"crs": None}, "the coordinate system None"),
        ({"codes": np.stack([CODES, CODES])}, r"has 2 band\(s\)"),
        ({"transform": Affine(1, 0.1, 100, 0, -1, 24)}, "along latitude and longitude"),
    ],
)
def test_file_that_is_not_one_geographic_map(tmp_path, profile, match):
    refused(match, write(tmp_path / "cover.tif", **profile))


def test_unknown_legend(tif):
    refused(r"unknown legend 'MODIS'; known are MCD12C1, MCD12Q1\. .*xnee.pft.Legend", tif, legend="MODIS")
    refused("codes of a legend must be whole numbers from 0", tif, legend=Legend(codes=(-1, 4), water=0))


def test_codes_of_the_other_legend(tif, tmp_path):
    refused(r"cover.tif holds codes that the legend does not know: 0\. .*legend='MCD12C1'", tif, legend="MCD12Q1")
    other = write(tmp_path / "other.tif", np.where(CODES == 0, 17, CODES).astype("u1"))
    refused(r"other.tif holds codes that the legend does not know: 17\. .*legend='MCD12Q1'", other)


@pytest.mark.parametrize(
    ("rule", "match"),
    [
        ({"ENF": (1,), "GRA": (10,)}, r"a PFT must be one of DBF.*got \['GRA'\]"),
        ({"ENF": (1, 40)}, r"\[40\] are no land classes"),
        ({"ENF": (0,)}, r"\[0\] are no land classes"),
        ({"ENF": (1, 5), "MF": (5,)}, "each class once"),
    ],
)
def test_rule_that_cannot_be(tif, rule, match):
    refused(match, tif, rule=rule)


def test_grid_finer_than_the_file(tif):
    grid = Grid(west=100, east=104, south=20, north=24, step=0.5)
    refused(r"its step is 0.5 degrees, but cover.tif has cells of 1", tif, grid=grid)


@pytest.mark.parametrize(
    ("west", "share"),
    [(0, "0.0%"), (102, "50.0%")],
)
def test_grid_outside_the_file(tif, west, share):
    grid = Grid(west=west, east=west + 4, south=20, north=24, step=2)
    refused(f"cover.tif holds {share} of the area asked for: it reaches 100..104 east, 20..24 north", tif, grid=grid)


def test_region_outside_the_file_or_the_grid_or_too_small(tif):
    refused("holds 0.0% of the area", tif, region=shapely.box(0, 0, 1, 1))
    grid = Grid(west=100, east=102, south=20, north=22, step=1)
    refused("the region lies outside the grid", tif, region=shapely.box(103, 23, 104, 24), grid=grid)
    refused("no cell .* has its centre inside the region", tif, region=shapely.box(101.1, 21.1, 101.2, 21.2))


# Real files


@pytest.fixture(scope="module")
def outline(shared):
    return shared / "data/grids/amap_china_land_100000.geojson"


@pytest.fixture(scope="module")
def mcd12c1(shared):
    return shared / "data/grids/MCD12C1.A2019001.006.2020220162300.tif"


def test_forest_of_china_has_the_area_it_should(mcd12c1, outline):
    fine = read_land_cover(mcd12c1, legend="MCD12C1", region=outline)
    found = areas(fine["pft_fraction"]) / 1e4
    for pft, told in TOLD.items():
        assert found.sel(pft=pft).item() == pytest.approx(told, rel=0.015), pft
    reported = json.loads(fine.attrs["area_km2"])
    assert [reported[pft] / 1e4 for pft in PFTS] == pytest.approx(found.values, rel=1e-4)
    left_out = json.loads(fine.attrs["area_left_out_km2"])
    assert [left_out["8"] / 1e4, left_out["9"] / 1e4] == pytest.approx([90.8, 72.1], rel=0.01)

    coarse = read_land_cover(mcd12c1, legend="MCD12C1", region=outline, grid=CHINA)["pft_fraction"]
    assert coarse.shape == (5, 80, 140)
    np.testing.assert_allclose(areas(coarse) / 1e4, found, rtol=1e-7)
    assert coarse.min() >= 0
    assert coarse.sum("pft").max() <= 1 + 1e-6


def test_global_file_against_a_loop_over_cells(mcd12c1):
    grid = Grid(west=100, east=102, south=24, north=26, step=0.5)
    share = read_land_cover(mcd12c1, legend="MCD12C1", grid=grid)["pft_fraction"]
    with rasterio.open(mcd12c1) as file:
        codes = file.read(1)
    for i, south in enumerate(np.arange(24, 26, 0.5)):
        for j, west in enumerate(np.arange(100, 102, 0.5)):
            row, column = round((90 - south) / 0.05), round((west + 180) / 0.05)
            block = codes[row - 10 : row, column : column + 10]
            weight = cell_area(south + 0.05 * (np.arange(10)[::-1] + 0.5), west + 0.05 * (np.arange(10) + 0.5)).values
            for pft, (code,) in IGBP_FOREST.items():
                expected = (weight * (block == code)).sum() / weight.sum()
                assert share.sel(pft=pft).values[i, j] == pytest.approx(expected, abs=1e-6)


def test_cropped_file_that_does_not_align_keeps_its_totals(shared, outline):
    path = shared / "data/grids/MCD12_2021_LC_Type1_trimmed.tif"
    fine = read_land_cover(path, legend="MCD12Q1", region=outline)
    coarse = read_land_cover(path, legend="MCD12Q1", region=outline, grid=CHINA)
    np.testing.assert_allclose(areas(coarse["pft_fraction"]), areas(fine["pft_fraction"]), rtol=1e-6)
    refused("does not know: 17", path, region=outline, grid=CHINA)
    refused("holds 85.7% of the area asked for", path, legend="MCD12Q1", grid=CHINA)


def test_classes_stored_as_float(shared, outline):
    path = shared / "data/grids/lc_mode_30N_china.tif"
    fraction = read_land_cover(path, legend="MCD12C1")["pft_fraction"]
    with rasterio.open(path) as file:
        codes = file.read(1)[::-1]
    np.testing.assert_array_equal(fraction.sel(pft="DNF"), codes == 3)
    refused(r"holds 76.3% of the area asked for: it reaches 70..140 east, 30..55 north", path, region=outline)


def test_other_classes_in_netcdf(shared):
    legend = Legend(codes=tuple(range(16)), water=-9999, fill=-9999)  # CLM; the sea is missing
    rule = {"ENF": (1, 2), "DNF": (3,), "EBF": (4, 5), "DBF": (6, 7, 8)}
    grid = Grid(west=120, east=126, south=48, north=54, step=0.5)
    ds = read_land_cover(shared / "data/grids/openbench_PFT_0p1.nc", legend=legend, rule=rule, grid=grid)
    with xr.open_dataset(shared / "data/grids/openbench_PFT_0p1.nc") as raw:
        codes = raw["PFT"].sel(lat=slice(54, 48), lon=slice(120, 126)).load()
    expected = (codes == 3).weighted(cell_area(codes.lat, codes.lon)).mean().item()
    share = ds["pft_fraction"].sel(pft="DNF").weighted(cell_area(grid.lat, grid.lon)).mean().item()
    assert share == pytest.approx(expected, rel=1e-6)


def test_other_files_are_refused(shared):
    refused("does not know: 32767", shared / "data/grids/gosif_2001001.tif")
    refused("cannot be read as a land-cover map", shared / "data/grids/amap_china_land_100000.geojson")


# Layouts of products that are not at hand, generated


@pytest.mark.parametrize(
    "name", ["MCD12Q1.061_LC_Type5_doy2019001.tif", "MCD12C1_Land_Cover_Type_2.tif", "LC_Prop1.tif"]
)
def test_other_classifications_of_modis_are_refused(tmp_path, name):
    write(tmp_path / name)
    with pytest.raises(ValueError, match=r"is that of type 1, IGBP. Take LC_Type1"):
        read_land_cover(tmp_path / name, legend="MCD12C1")


def test_a_resolution_in_a_name_is_no_classification(tmp_path):
    read_land_cover(write(tmp_path / "MCD12C1_LC_Type_5km_2019.tif"), legend="MCD12C1")


def test_other_classification_as_a_variable_is_refused(tmp_path):
    codes = xr.DataArray(np.ones((2, 2), "u1"), coords={"lat": [11, 10], "lon": [99, 100]}, dims=("lat", "lon"))
    codes.to_dataset(name="LC_Type5").to_netcdf(tmp_path / "cover.nc")
    with pytest.raises(ValueError, match="holds LC_Type5"):
        read_land_cover(tmp_path / "cover.nc", legend="MCD12Q1")


def test_signed_bytes_of_esa_cci_are_unsigned(tmp_path):
    signed = np.array([[[60, -66], [-46, 0]]], "i1")  # 60 forest, 190 town, 210 water, 0 no data
    axes = {"time": [0], "lat": [11.0, 10.0], "lon": [99.0, 100.0]}
    said = {"_Unsigned": "true", "_FillValue": np.int8(0)}
    xr.Dataset({"lccs_class": (tuple(axes), signed, said)}, axes).to_netcdf(tmp_path / "lc.nc")
    legend = Legend(codes=(0, 60, 190, 210), water=210, fill=0)
    cover = read_land_cover(tmp_path / "lc.nc", legend=legend, rule={"DBF": (60,)})
    assert cover["pft_fraction"].sel(pft="DBF").values.tolist() == [[0.0, 0.0], [1.0, 0.0]]
    assert list(json.loads(cover.attrs["area_left_out_km2"])) == ["190"]
