import json

import numpy as np
import pytest
import xarray as xr

from xnee.grid import cell_area
from xnee.plotting import plot
from xnee.plotting.maps import mean_year
from xnee.plotting.outlines import lines_of
from xnee.prediction import predict

SQUARE = {"type": "Polygon", "coordinates": [[[100, 30], [103, 30], [103, 32], [100, 32], [100, 30]]]}


@pytest.fixture
def predicted(cube, driver_model):
    return predict(cube(months=36), driver_model())


def area_of(like, inside):
    """An area of applicability on the months and cells of a map."""
    return xr.Dataset({"AOA": like["NEE"].where(False, 1.0) * inside})


def covered(axis, label):
    """Cells under a patch, asked point by point: True where the centre lies in it."""
    (patch,) = [patch for patch in axis.patches if patch.get_label() == label]
    lat, lon = np.linspace(30, 32, 3), np.linspace(100, 103, 4)
    return np.array([[patch.get_path().contains_point((x, y)) for x in lon] for y in lat])


def test_the_map_is_the_mean_of_whole_years(predicted, drawn):
    mean, years = mean_year(predicted["NEE"])
    assert years == [2002, 2003]  # the first year has no past in January and February
    nee = predicted["NEE"].compute()
    slow = [float(nee.sel(time=str(y)).isel(lat=2, lon=3).sum()) for y in years]
    assert float(mean[2, 3]) == pytest.approx(np.mean(slow), rel=1e-5)
    assert np.isnan(mean[0, 1])  # no forest
    axis = drawn(plot(predicted)).axes[0]
    assert axis.get_title() == "Forest NEE, mean of 2002-2003"
    np.testing.assert_allclose(axis.collections[0].get_array(), mean, rtol=1e-6)
    low, high = axis.collections[0].get_clim()
    assert low == -high  # the sign can be read off the colour


def test_the_sign_is_told_without_colour(predicted, drawn):
    flux = predicted.assign(NEE=predicted["NEE"] - predicted["NEE"].mean())
    axis = drawn(plot(flux)).axes[0]
    np.testing.assert_array_equal(covered(axis, "release to the atmosphere"), mean_year(flux["NEE"])[0] > 0)


def test_a_climatology_is_no_year(predicted):
    assert plot(predicted.assign_attrs(climatology="the same")).axes[0].get_title() == (
        "Forest NEE, mean year of a climatology"
    )


def test_a_map_without_a_whole_year_says_so(cube, driver_model, drawn):
    figure = drawn(plot(predict(cube(months=10), driver_model())))
    assert figure.axes[0].get_title() == "Forest NEE, no whole year"


def test_strokes_cover_what_is_mostly_outside(predicted, drawn):
    inside = xr.DataArray(np.linspace(0, 1, 12).reshape(3, 4), dims=("lat", "lon"))
    inside[1, 1] = np.nan  # nothing known: no strokes
    figure = drawn(plot(predicted, area=area_of(predicted, inside)))
    strokes = covered(figure.axes[0], "mostly outside the area of applicability")
    np.testing.assert_array_equal(strokes, inside.to_numpy() < 0.5)


def test_months_of_other_years_do_not_decide_what_is_outside(predicted, drawn):
    year = predicted["time"].dt.year
    area = area_of(predicted, xr.where(year == 2001, 0.0, 1.0) * xr.ones_like(predicted["forest_fraction"]))
    labels = [patch.get_label() for patch in drawn(plot(predicted, area=area)).axes[0].patches]
    assert "mostly outside the area of applicability" not in labels


def test_an_area_of_another_map_is_refused(predicted):
    area = area_of(predicted, 1.0)
    with pytest.raises(ValueError, match="AOA on the same cells"):
        plot(predicted, area=area.isel(lat=slice(1, None)))
    with pytest.raises(ValueError, match="AOA on the same cells"):
        plot(predicted, area=area.assign_coords(lon=area["lon"] + 1))
    with pytest.raises(ValueError, match="no month of the years that are drawn, 2002-2003"):
        plot(predicted, area=area.sel(time="2001"))


def test_the_share_outside_is_drawn(predicted, drawn):
    inside = xr.DataArray(np.linspace(0, 1, 12).reshape(3, 4), dims=("lat", "lon"))
    axis = drawn(plot(area_of(predicted, inside))).axes[0]
    np.testing.assert_allclose(axis.collections[0].get_array(), 100 * (1 - inside))


def why_of(number, names="TEMP PRE PAR"):
    return xr.Dataset(
        {"dominant": (("lat", "lon"), np.array(number, dtype="i1"), {"flag_meanings": names})},
        {"lat": [30.0, 31.0, 32.0], "lon": [100.0, 101.0, 102.0, 103.0]},
        attrs={"period": "2005-07..2005-07"},
    )


def test_dominant_drivers_have_their_cells_and_their_share(drawn):
    number = np.array([[0, 0, -1, 1], [0, 0, 1, 1], [0, 0, 0, 0]])
    axis, beside = drawn(plot(why_of(number))).axes
    assert axis.get_title() == "driver of largest magnitude, 2005-07"
    np.testing.assert_array_equal(covered(axis, "TEMP"), number == 0)
    np.testing.assert_array_equal(covered(axis, "PRE"), number == 1)
    assert [tick.get_text() for tick in beside.get_yticklabels()] == ["TEMP", "PRE"]  # PAR dominates nowhere
    ground = cell_area([30.0, 31.0, 32.0], [100.0, 101.0, 102.0, 103.0]).to_numpy()
    slow = [100 * ground[number == k].sum() / ground[number >= 0].sum() for k in (0, 1)]
    np.testing.assert_allclose([bar.get_width() for bar in beside.patches], slow)
    for mark, bar in zip(axis.patches, beside.patches, strict=True):
        assert mark.get_facecolor() == bar.get_facecolor()
        assert (mark.get_hatch() or "") == (bar.get_hatch() or "")


def test_drivers_after_the_seventh_share_a_grey(drawn):
    names = " ".join(f"D{k}" for k in range(9))
    axis, _ = drawn(plot(why_of(np.r_[np.arange(9), 0, 1, 2].reshape(3, 4), names))).axes
    looks = [(patch.get_facecolor(), patch.get_hatch()) for patch in axis.patches]
    assert len(set(looks)) == 8
    assert looks[7] == looks[8]


def test_a_map_with_no_forest_at_all_is_drawn_empty(drawn):
    axis, beside = drawn(plot(why_of(np.full((3, 4), -1)))).axes
    assert not axis.patches
    assert not beside.patches


def test_outlines_are_drawn_as_given_and_do_not_move_the_map(predicted, tmp_path, drawn):
    path = tmp_path / "coast.geojson"
    line = {"type": "LineString", "coordinates": [[90, 10], [140, 60]]}
    both = {"type": "GeometryCollection", "geometries": [SQUARE, line, {"type": "Point", "coordinates": [1, 2]}]}
    path.write_text(json.dumps({"type": "Feature", "properties": {}, "geometry": both}))
    plain, axis = plot(predicted).axes[0], drawn(plot(predicted, outline=path)).axes[0]
    assert axis.get_xlim() == plain.get_xlim()
    assert axis.get_ylim() == plain.get_ylim()
    found = sorted(axis.collections[-1].get_segments(), key=len)
    np.testing.assert_allclose(found[0], line["coordinates"])
    np.testing.assert_allclose(found[1], SQUARE["coordinates"][0])
    assert len(plain.collections) == len(axis.collections) - 1


def test_a_map_in_metres_takes_outlines_in_degrees(predicted, drawn):
    from pyproj import Transformer

    turn = Transformer.from_crs("EPSG:4326", "EPSG:6933", always_xy=True)
    flat = predicted.rename(lat="y", lon="x").assign_attrs(crs="EPSG:6933")
    x, y = turn.transform(predicted["lon"].to_numpy(), np.full(4, 31.0))[0], np.linspace(3.6e6, 3.9e6, 3)
    axis = drawn(plot(flat.assign_coords(x=x, y=y), outline=SQUARE)).axes[0]
    assert axis.get_xlabel() == "x, m"
    corner = axis.collections[-1].get_segments()[0][0]
    np.testing.assert_allclose(corner, turn.transform(100.0, 30.0))


@pytest.mark.parametrize(
    ("outline", "error", "message"),
    [
        ("nowhere.geojson", FileNotFoundError, "no such file: nowhere.geojson"),
        (3, TypeError, "an outline is the path of a GeoJSON file.*got int"),
        ({"type": "Point", "coordinates": [1, 2]}, ValueError, "no line and no polygon"),
        ({"type": "Circle"}, ValueError, "the outline is not GeoJSON"),
    ],
)
def test_outlines_that_are_none_are_refused(outline, error, message):
    with pytest.raises(error, match=message):
        lines_of(outline)


def test_a_file_that_is_no_geojson_is_named(tmp_path):
    (tmp_path / "a.shp").write_bytes(b"\x00\x00\x27\x0a")
    with pytest.raises(ValueError, match=r"a\.shp is not GeoJSON"):
        lines_of(tmp_path / "a.shp")


def test_holes_of_polygons_are_outlines_too():
    hole = [[101, 30.5], [102, 30.5], [102, 31], [101, 30.5]]
    assert len(lines_of({"type": "Polygon", "coordinates": [SQUARE["coordinates"][0], hole]})) == 2
