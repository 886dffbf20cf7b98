"""Polygons on a grid."""

from __future__ import annotations

import json

import geopandas as gpd
import numpy as np
import pytest
import shapely

from xnee.grid import Grid, cell_area
from xnee.regions import read_region, read_regions, region_mask, share_inside, shares_of_cells

SQUARE = {"type": "Polygon", "coordinates": [[[100, 20], [110, 20], [110, 30], [100, 30], [100, 20]]]}
HOLED = shapely.box(0, 0, 10, 10) - shapely.box(2, 2, 8, 8)


def feature(geometry):
    return {"type": "Feature", "properties": {"name": "here"}, "geometry": geometry}


def write(folder, content):
    path = folder / "region.geojson"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


@pytest.mark.parametrize(
    "content",
    [
        SQUARE,
        feature(SQUARE),
        {"type": "FeatureCollection", "features": [feature(SQUARE)]},
        {"type": "GeometryCollection", "geometries": [SQUARE, {"type": "Point", "coordinates": [0, 0]}]},
        {"type": "MultiPolygon", "coordinates": [SQUARE["coordinates"]]},
    ],
    ids=lambda content: content["type"],
)
def test_every_form_of_geojson_is_read(tmp_path, content):
    expected = shapely.MultiPolygon([shapely.box(100, 20, 110, 30)])
    assert read_region(content).equals(expected)
    assert read_region(write(tmp_path, content)).equals(expected)
    assert read_region(str(write(tmp_path, "\ufeff" + json.dumps(content)))).equals(expected)


def test_tables_of_geopandas_are_read_in_any_coordinates():
    frame = gpd.GeoDataFrame(geometry=[shapely.box(100, 20, 110, 30), None], crs="EPSG:4326")
    assert read_region(frame).bounds == (100, 20, 110, 30)
    np.testing.assert_allclose(read_region(frame.to_crs("EPSG:3857")).bounds, (100, 20, 110, 30))


def test_overlaps_count_once_and_crossed_outlines_are_mended():
    twice = {"type": "FeatureCollection", "features": [feature(SQUARE), feature(SQUARE)]}
    assert read_region(twice).area == 100
    assert read_region(shapely.Polygon([(0, 0), (1, 1), (1, 0), (0, 1)])).area == pytest.approx(0.5)


def test_centre_decides_and_holes_stay_out():
    lat, lon = [9, 5, 1], [1, 5, 9, 11]
    mask = region_mask(HOLED, lat, lon)
    assert mask.dims == ("lat", "lon")
    assert mask.values.astype(int).tolist() == [[1, 1, 1, 0], [1, 0, 1, 0], [1, 1, 1, 0]]
    assert mask["lat"].values.tolist() == lat


def test_mask_equals_a_loop_over_points():
    turn, radius = np.arange(0, 6, 0.3), np.tile([9, 3], 10)
    star = shapely.Polygon(np.stack([radius * np.cos(turn), radius * np.sin(turn)], axis=1))
    lat, lon = np.arange(-8.7, 9, 0.9), np.arange(-9.1, 9, 1.1)
    slowly = [[star.contains(shapely.Point(x, y)) for x in lon] for y in lat]
    assert region_mask(star, lat, lon).values.tolist() == slowly


def test_longitudes_may_be_counted_from_0():
    west = shapely.box(-100, 0, -90, 10)
    assert region_mask(west, [5, 6], [85, 95, 265]).values.tolist() == [[False, False, True]] * 2


def test_region_without_a_centre_gives_an_empty_mask():
    assert not region_mask(SQUARE, [-20, -10], [100, 110]).any()


def test_share_inside_is_by_area():
    band = shapely.box(0, 0, 10, 90)
    assert share_inside(band, (-180, 0, 180, 30)) == pytest.approx(0.5)  # sine of 30 degrees
    assert share_inside(band, Grid(west=5, east=20, south=-90, north=90, step=1)) == pytest.approx(0.5)
    assert share_inside(band, (20, 0, 30, 10)) == 0


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ("no json at all", "region.geojson is not GeoJSON"),
        ('{"type": "Topology"}', "region.geojson is not GeoJSON"),
        ({"type": "FeatureCollection", "features": []}, "at least one polygon, but region.geojson holds none"),
        (feature({"type": "LineString", "coordinates": [[0, 0], [1, 1]]}), "at least one polygon"),
        (
            {"type": "Polygon", "coordinates": [[[5e5, 4e6], [6e5, 4e6], [6e5, 5e6], [5e5, 4e6]]]},
            "must be in degrees, longitudes from -180 to 180, but region.geojson reaches from 500000 to 600000",
        ),
    ],
)
def test_file_without_a_region_is_refused(tmp_path, content, match):
    with pytest.raises(ValueError, match=match):
        read_region(write(tmp_path, content))


def test_binary_file_is_refused(tmp_path):
    path = tmp_path / "shape.shp"
    path.write_bytes(b"\x00\x00\x27\x0a\xff\xfe")
    with pytest.raises(ValueError, match=r"shape.shp is not GeoJSON.*geopandas.read_file"):
        read_region(path)


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no such file: .*china\.geojson"):
        read_region(tmp_path / "china.geojson")


@pytest.mark.parametrize("region", [3, None, [1, 2]])
def test_other_kinds_are_refused(region):
    with pytest.raises(TypeError, match="a region is the path of a GeoJSON file"):
        read_region(region)


def test_outline_of_china(shared):
    outline = read_region(shared / "data/grids/amap_china_land_100000.geojson")
    assert len(outline.geoms) == 1911
    lat, lon = 15 + 0.05 * (np.arange(800) + 0.5), 70 + 0.05 * (np.arange(1400) + 0.5)
    mask = region_mask(outline, lat, lon)
    assert float((mask * cell_area(lat, lon)).sum()) / 1e10 == pytest.approx(953, abs=1)  # 1e4 km2, told with the file
    assert share_inside(outline, (70, 15, 140, 55)) == pytest.approx(1, abs=1e-3)


# several regions, and shares of cells


def table(*names):
    boxes = [shapely.box(100 + i, 20, 101 + i, 30) for i in range(len(names))]
    return gpd.GeoDataFrame({"name": list(names)}, geometry=boxes, crs="EPSG:4326")


def test_regions_have_the_names_of_their_rows(tmp_path):
    frame = table("Yunnan", "Sichuan", "Yunnan")
    frame.to_file(tmp_path / "provinces.geojson", driver="GeoJSON")
    for regions in (frame, json.loads(frame.to_json()), tmp_path / "provinces.geojson", frame.to_crs("EPSG:3857")):
        read = read_regions(regions)
        assert list(read) == ["Yunnan", "Sichuan"]
        assert read["Yunnan"].area == pytest.approx(20)  # rows of one name are one region
    assert read_regions(read).keys() == read.keys()
    assert list(read_regions(frame.rename(columns={"name": "NAME_1"}), name="NAME_1")) == ["Yunnan", "Sichuan"]


def test_a_dict_of_names_takes_any_kind_of_region(tmp_path):
    read = read_regions({"square": SQUARE, "file": write(tmp_path, SQUARE), "shape": shapely.box(0, 0, 1, 1)})
    assert [round(shape.area) for shape in read.values()] == [100, 100, 1]


@pytest.mark.parametrize(
    ("regions", "error", "message"),
    [
        (
            table("Yunnan", None),
            ValueError,
            r"each region needs a property 'name' .* the table has one with \['name'\]",
        ),
        (SQUARE, ValueError, r"has one with no properties\. Choose another .* or give a dict of names to outlines"),
        ({"a": shapely.Point(0, 0)}, ValueError, "needs at least one polygon"),
        ({"type": "FeatureCollection", "features": []}, ValueError, "at least one region is needed"),
        (3.5, TypeError, "a region is the path of a GeoJSON file"),
        ("no.geojson", FileNotFoundError, "no such file: no.geojson"),
    ],
)
def test_tables_that_name_no_regions_are_refused(regions, error, message):
    with pytest.raises(error, match=message):
        read_regions(regions)


@pytest.mark.parametrize("seed", range(4))
def test_shares_are_those_of_cutting_every_cell(seed):
    random = np.random.default_rng(seed)
    angle = np.sort(random.uniform(0, 2 * np.pi, 25))
    radius = random.uniform(0.5, 5, 25)
    ring = np.column_stack([5 + radius * np.cos(angle), 4 + radius * np.sin(angle)])
    shape = shapely.make_valid(shapely.Polygon(ring) - shapely.box(4, 3, 5.5, 4.2))
    x, y = np.sort(random.uniform(0, 10, 14)), np.sort(random.uniform(0, 8, 9))[::-1]
    cells = shapely.box(x[:-1][None], y[1:][:, None], x[1:][None], y[:-1][:, None])
    expected = shapely.area(shapely.intersection(cells, shape)) / shapely.area(cells)
    np.testing.assert_allclose(shares_of_cells(shape, x, y), expected, atol=1e-9)


def test_shares_of_neighbours_add_up_to_one():
    random = np.random.default_rng(0)
    points = shapely.MultiPoint(random.uniform(0, 10, (40, 2)))
    pieces = shapely.get_parts(shapely.voronoi_polygons(points, extend_to=shapely.box(0, 0, 10, 10)))
    edges = np.linspace(0, 10, 24)
    total = np.sum([shares_of_cells(piece, edges, edges) for piece in pieces], axis=0)
    np.testing.assert_allclose(total, 1, atol=1e-9)


def test_a_country_at_a_twentieth_of_a_degree_keeps_its_area(shared):
    shape = read_region(shared / "data/grids/naturalearth_lowres_CHN_TWN.geojson")
    x, y = np.linspace(70, 140, 1401), np.linspace(15, 55, 801)
    share = shares_of_cells(shape, x, y)
    assert share.sum() * 0.05**2 == pytest.approx(shape.area, rel=1e-9)
    assert share.min() == 0
    assert share.max() == 1
