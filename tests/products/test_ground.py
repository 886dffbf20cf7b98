"""Budgets by region, season and month: parts that make the whole, borders shared by area."""

from __future__ import annotations

import json

import geopandas as gpd
import numpy as np
import pytest
import shapely
import xarray as xr

from xnee.grid import cell_area
from xnee.products.budget import budget, budget_table
from xnee.products.store import open_product, to_product
from xnee.regions import read_regions

from .conftest import SQUARES, make_predicted, square

OUTLINE = shapely.box(100, 30, 104, 33)


def parts_of(outline, count, seed=0):
    """Cut an outline into pieces by random lines; they share their edges."""
    random = np.random.default_rng(seed)
    west, south, east, north = outline.bounds
    points = shapely.MultiPoint(
        np.column_stack([random.uniform(west, east, count), random.uniform(south, north, count)])
    )
    cells = shapely.get_parts(shapely.voronoi_polygons(points, extend_to=outline))
    pieces = [piece for cell in cells if (piece := shapely.intersection(cell, outline)).area > 0]
    return {f"part {i}": piece for i, piece in enumerate(pieces)}


def test_a_border_shares_cells_by_area(predicted):
    result = budget(predicted, by=("year",), regions=SQUARES)
    assert result["region"].values.tolist() == ["West land", "东", "elsewhere"]
    ground = (predicted["forest_fraction"] * cell_area(predicted["lat"], predicted["lon"])).compute() / 1e6
    by_column = ground.sum("lat").values  # columns are half a degree wide, from 100
    expected = [by_column[:4].sum() + 0.4 * by_column[4], 0.6 * by_column[4] + by_column[5] + 0.2 * by_column[6]]
    np.testing.assert_allclose(result["area_km2"][:2], expected, rtol=1e-6)
    np.testing.assert_allclose(result["area_km2"].sum(), ground.sum(), rtol=1e-6)


@pytest.mark.parametrize("by", [("year",), ("pft", "year"), ("season",), ("pft", "year", "season"), ("month", "year")])
def test_regions_and_elsewhere_are_the_whole(predicted, by):
    result, whole = budget(predicted, by=by, regions=SQUARES), budget(predicted, by=by)
    np.testing.assert_allclose(result["NEE_total"].sum("region"), whole["NEE_total"], rtol=1e-9, atol=1e-12)
    xr.testing.assert_allclose(result["NEE_all"], whole["NEE_total"])
    xr.testing.assert_allclose(result["NEE_all_std"], whole["NEE_total_std"])
    assert "NEE 0.0000 % off, area 0.0000 % off" in result.attrs["closure"]


def test_thirty_odd_parts_close(predicted):
    result = budget(predicted, by=("year",), regions=parts_of(OUTLINE, 34))
    assert result.sizes["region"] == 35
    total = budget(predicted, by=("year",))["NEE_total"]
    np.testing.assert_allclose(result["NEE_total"].sum("region"), total, rtol=1e-4)  # 0.01 %
    assert abs(result["NEE_total"].sel(region="elsewhere")).max() < 1e-9


def test_real_provinces_close(shared):
    china = shapely.from_geojson((shared / "data/grids/amap_china_land_100000.geojson").read_text())
    predicted = make_predicted(lat=14, lon=18, chunk=7, step=2.5)
    predicted = predicted.assign_coords(lat=18 + 2.5 * np.arange(14), lon=85 + 2.5 * np.arange(18))
    shape = shapely.union_all(shapely.make_valid(shapely.get_parts(china)))
    parts = parts_of(shapely.make_valid(shape.simplify(0.05)), 31)
    result = budget(predicted, by=("pft", "year"), regions=parts)
    whole = budget(predicted, by=("pft", "year"))
    np.testing.assert_allclose(result["NEE_total"].sum("region"), whole["NEE_total"], rtol=1e-4)
    assert "NEE 0.0000 % off" in result.attrs["closure"]


def test_spread_of_a_region_is_that_of_its_members(predicted):
    result = budget(predicted, by=("year",), regions=SQUARES)
    factor = 1 + 0.2 * np.arange(3) / 2
    expected = abs(result["NEE_total"]) * factor.std(ddof=1) / factor.mean()
    np.testing.assert_allclose(result["NEE_total_std"], expected, rtol=1e-5)


def test_seasons_of_the_calendar_year_are_the_year(predicted):
    season, year = budget(predicted, by=("season", "year")), budget(predicted, by=("year",))
    assert season["season"].values.tolist() == ["DJF", "MAM", "JJA", "SON"]
    np.testing.assert_allclose(season["NEE_total"].sum("season"), year["NEE_total"], rtol=1e-12)
    flux = (predicted["NEE"] * predicted["forest_fraction"]).compute()
    gram = (flux * cell_area(predicted["lat"], predicted["lon"]).values).sum(("lat", "lon")) * 1e-12
    first = gram.isel(time=[0, 1, 11]).sum()
    np.testing.assert_allclose(season["NEE_total"].sel(year=2001, season="DJF"), first, rtol=1e-6)
    assert season["NEE_total"].attrs["units"] == "Tg C season-1"


def test_months_are_months(predicted):
    month = budget(predicted, by=("month",))
    assert month["month"].values.tolist() == list(range(1, 13))
    np.testing.assert_allclose(month["NEE_total"].sum(), budget(predicted, by=("pft",))["NEE_forest"], rtol=1e-12)
    assert month["NEE_total"].attrs["units"] == "Tg C month-1"
    lines = budget_table(month).splitlines()
    assert "Months are numbered, 1 is January." in lines
    assert lines[-1].startswith("12 mean year")


def test_regions_may_be_a_table_a_file_or_a_dict(predicted, tmp_path):
    (tmp_path / "parts.geojson").write_text(json.dumps(SQUARES))
    frame = gpd.GeoDataFrame.from_features(SQUARES, crs="EPSG:4326")
    first = budget(predicted, by=("year",), regions=SQUARES)
    for other in (
        tmp_path / "parts.geojson",
        str(tmp_path / "parts.geojson"),
        frame.to_crs("EPSG:3857"),
        read_regions(SQUARES),
    ):
        again = budget(predicted, by=("year",), regions=other)
        np.testing.assert_allclose(again["NEE_total"], first["NEE_total"], rtol=1e-6)
        assert again["region"].values.tolist() == first["region"].values.tolist()


def test_masks_are_regions_too(predicted):
    lon, outside = predicted["lon"], xr.zeros_like(predicted["forest_fraction"], dtype="i4").compute()
    inside = (outside == 0) & (lon < 102)
    one = budget(predicted, by=("year",), regions=inside.rename("west"))
    assert one["region"].values.tolist() == ["west", "elsewhere"]
    codes = xr.where(inside, 7, 3).where(lon < 103.5, 0).astype(int)
    two = budget(predicted, by=("year",), regions=codes)
    assert two["region"].values.tolist() == ["3", "7", "elsewhere"]
    np.testing.assert_allclose(two["NEE_total"].sel(region="7"), one["NEE_total"].sel(region="west"))
    shares = xr.concat([inside * 0.25, inside * 0.75], "region").assign_coords(region=["a", "b"])
    three = budget(predicted, by=("year",), regions=shares)
    np.testing.assert_allclose(three["NEE_total"].sel(region="a") * 4, one["NEE_total"].sel(region="west"))


def test_overlaps_are_told(predicted):
    nested = {"all of it": OUTLINE, "a corner": shapely.box(102, 30, 103, 31)}
    result = budget(predicted, by=("year",), regions=nested)
    assert "regions overlap, and what they share counts in each" in result.attrs["closure"]


def test_a_product_keeps_the_totals_of_its_regions(predicted, tmp_path):
    path = to_product(predicted, tmp_path / "nee.nc", regions=SQUARES, progress=False)
    opened = open_product(path)
    for by in (("pft", "year"), ("season",), ("pft",)):
        expected = budget(predicted, by=by, regions=SQUARES)
        xr.testing.assert_allclose(budget(opened, by=(*by, "region")), expected, rtol=1e-12)
        xr.testing.assert_allclose(budget(opened, by=by), budget(predicted, by=by), rtol=1e-12)


def test_other_regions_of_a_product_have_no_spread(product, predicted):
    result = budget(open_product(product), by=("year",), regions=SQUARES)
    expected = budget(predicted, by=("year",), regions=SQUARES)
    np.testing.assert_allclose(result["NEE_total"], expected["NEE_total"], rtol=1e-6)
    assert result["NEE_total_std"].isnull().all()
    assert "no spread, one member" in budget_table(result)


def test_table_has_a_row_for_each_region_and_says_how_it_closes(predicted):
    lines = budget_table(budget(predicted, by=("pft", "year"), regions=SQUARES)).splitlines()
    assert lines[4].split()[-6:] == ["forest", "area,", "1e4", "km2", "predicted,", "%"]
    assert lines[5].startswith("West land 2001 ")
    assert lines[5].split()[-1] == "100.0"
    assert len(lines) == 5 + 3 * 2 + 1
    assert lines[-1].startswith("Closes: sum of the regions and elsewhere against the whole: NEE 0.0000 % off")


# refused

TWICE = {"type": "FeatureCollection", "features": [square("all", 100, 102)]}
BOOL = xr.DataArray(
    np.ones((6, 8), bool), {"lat": 30.25 + 0.5 * np.arange(6), "lon": 100.25 + 0.5 * np.arange(8)}, ("lat", "lon")
)


@pytest.mark.parametrize(
    ("regions", "error", "message"),
    [
        ("nowhere.geojson", FileNotFoundError, r"no such file: nowhere.geojson\. Give the path of a GeoJSON file"),
        (7, TypeError, "a region is the path of a GeoJSON file, .*; got int"),
        ({}, ValueError, "at least one region is needed"),
        (TWICE, ValueError, "'all' and 'elsewhere' are rows of every budget and cannot"),
        (shapely.Point(100, 30), ValueError, "needs at least one polygon, but the Point holds none"),
        (shapely.box(0, 0, 400, 10), ValueError, "must be in degrees, longitudes from -180 to 180"),
        (
            shapely.box(100, 30, 102, 32),
            ValueError,
            "each region needs a property 'name' .* has one with no properties",
        ),
        (BOOL.isel(lat=slice(3)), ValueError, "a mask must be on the cells of the map, but its lat differs"),
        (BOOL.assign_coords(lon=BOOL["lon"] + 0.25), ValueError, "on the cells of the map, but its lon differs"),
        (BOOL.rename(lat="row"), ValueError, r"a mask has the dimensions \('lat', 'lon'\), or \(region, lat, lon\)"),
        (BOOL * 0.5, ValueError, "holds bool, or one whole number for each region; got float64"),
        ((BOOL * 2.0).expand_dims(region=["a"]), ValueError, "the share of each cell, 0 to 1 without gaps"),
        (BOOL.expand_dims(region=["a", "a"]), ValueError, "names of regions must differ"),
        (BOOL.rename("elsewhere"), ValueError, "rows of every budget"),
    ],
)
@pytest.mark.usefixtures("no_compute")
def test_what_are_no_regions_is_refused(predicted, regions, error, message):
    with pytest.raises(error, match=message):
        budget(predicted, by=("year",), regions=regions)


def test_a_file_that_is_no_geojson_is_refused(predicted, tmp_path):
    (tmp_path / "parts.geojson").write_text("PK\x03\x04 a shapefile, perhaps")
    with pytest.raises(ValueError, match=r"parts.geojson is not GeoJSON .*geopandas.read_file"):
        budget(predicted, by=("year",), regions=tmp_path / "parts.geojson")
    (tmp_path / "parts.geojson").write_text(json.dumps(square(None, 100, 101)))
    with pytest.raises(ValueError, match=r"parts.geojson has one with \['name'\]\. Choose another with read_regions"):
        budget(predicted, by=("year",), regions=tmp_path / "parts.geojson")


def test_more_than_a_product_holds_is_refused(product, predicted):
    opened = open_product(product)
    with pytest.raises(ValueError, match=r"all forest only, by=.*without spread"):
        budget(opened, by=("pft", "year"), regions=SQUARES)
    with pytest.raises(ValueError, match="this product was written without regions"):
        budget(opened, by=("region", "year"))
    with pytest.raises(ValueError, match="by holds 'region', but no regions are given"):
        budget(predicted, by=("region",))
    with pytest.raises(ValueError, match="not both: a season is three months"):
        budget(predicted, by=("season", "month"))
