import numpy as np
import pandas as pd
import pytest
import xarray as xr

from xnee.comparison import ANCHORS, compare, comparison_table
from xnee.comparison.gridding import coarsest_grid
from xnee.grid import Grid, cell_area
from xnee.products.cf import decorate

UNITS = {"units": "g C m-2 month-1"}


def flux(lat, lon, years=4, seed=0, first=2001):
    """NEE with a season, good and bad years, and a pattern in space."""
    rng = np.random.default_rng(seed)
    time = pd.date_range(f"{first}-01", periods=12 * years, freq="MS")
    season = 60 * np.cos(2 * np.pi * np.arange(time.size) / 12) - 20
    year = np.repeat(rng.normal(0, 5, years), 12)
    pattern = 5 * np.sin(np.deg2rad(10 * np.asarray(lat)))[:, None] + 3 * np.cos(np.deg2rad(7 * np.asarray(lon)))
    values = (season + year)[:, None, None] + pattern
    return xr.DataArray(values, {"time": time, "lat": lat, "lon": lon}, ("time", "lat", "lon"), "NEE", UNITS)


def map_of(nee, forest=0.8):
    fraction = xr.full_like(nee.isel(time=0, drop=True), 1.0).drop_attrs() * forest
    return xr.Dataset({"NEE": nee, "forest_fraction": fraction})


FINE = (np.arange(30.25, 34, 0.5), np.arange(100.25, 104, 0.5))
COARSE = (np.arange(20.5, 45), np.arange(90.5, 120))


def test_a_map_beside_itself_is_without_difference():
    nee = flux(*FINE)
    found = compare(map_of(nee), {"same": nee})
    assert abs(found["bias"]).max() < 1e-9
    assert float(found["seasonal_correlation"].min()) == pytest.approx(1)
    assert float(found["interannual_correlation"].min()) == pytest.approx(1)
    area = cell_area(nee.lat, nee.lon) * 0.8
    yearly = (nee.groupby("time.year").sum() * area).sum(("lat", "lon")) * 1e-12
    np.testing.assert_allclose(found["total"].sel(source="same"), yearly, rtol=1e-9)
    np.testing.assert_allclose(found["total_own"], yearly, rtol=1e-9)
    assert found.attrs["forest_compared"] == pytest.approx(1)
    assert found.attrs["years"] == "2001-2004 (4)"


def test_values_equal_a_slow_loop_over_cells():
    nee, other = flux(*FINE), flux(*COARSE, seed=3) * 0.7 - 4
    forest = xr.zeros_like(nee.isel(time=0, drop=True)) + np.random.default_rng(1).uniform(0.3, 1, (8, 8))
    found = compare(xr.Dataset({"NEE": nee, "forest_fraction": forest}), {"other": other.assign_attrs(UNITS)})
    assert found.attrs["grid"] == "1 degrees"
    area = cell_area(nee.lat, nee.lon)
    for lat, lon in ((30.5, 100.5), (33.5, 102.5)):
        box = {"lat": slice(lat - 0.5, lat + 0.5), "lon": slice(lon - 0.5, lon + 0.5)}
        ground = (forest * area).sel(box)
        ours = (nee.sel(box) * ground).sum(("lat", "lon")) / ground.sum()
        theirs = other.sel(lat=lat, lon=lon)
        at = {"lat": lat, "lon": lon}
        if float(ground.sum() / area.sel(box).sum()) < 0.5:
            assert np.isnan(found["bias"].sel(at)).all()
            continue
        bias = (ours - theirs).groupby("time.year").sum().mean()
        assert float(found["bias"].sel(at | {"other": "other"})) == pytest.approx(float(bias))
        season = [x.groupby("time.month").mean() for x in (ours, theirs)]
        assert found["seasonal_correlation"].sel(at).item() == pytest.approx(np.corrcoef(*season)[0, 1])
        years = [x.groupby("time.year").sum() for x in (ours, theirs)]
        assert found["interannual_correlation"].sel(at).item() == pytest.approx(np.corrcoef(*years)[0, 1])
        assert float(found["forest_area"].sel(at)) == pytest.approx(float(ground.sum()))


def test_all_products_share_one_grid_years_and_cells():
    nee = flux(*FINE)
    gappy = flux(*COARSE, years=3, first=2002)
    gappy.loc[{"lat": 30.5, "lon": 100.5, "time": "2003-05"}] = np.nan
    late = flux(*FINE, years=5)
    late[:11] = np.nan  # the past that the first year of a map lacks
    found = compare(map_of(nee), {"gappy": gappy, "late": late})
    assert found["year"].values.tolist() == [2002, 2003, 2004]
    assert np.isnan(found["NEE"].sel(lat=30.5, lon=100.5)).all()
    assert int(found["NEE"].notnull().sum()) == 3 * 15
    assert found["other"].values.tolist() == ["gappy", "late"]


def test_longitudes_from_zero_and_latitudes_from_the_north_are_the_same():
    nee, other = flux(*FINE), flux(np.arange(-89.5, 90), np.arange(-179.5, 180), years=3)
    turned = other.assign_coords(lon=other.lon % 360).sortby("lon").isel(lat=slice(None, None, -1))
    one, two = (compare(map_of(nee), {"other": x}) for x in (other, turned))
    xr.testing.assert_allclose(one, two)


def test_chunks_do_not_matter():
    nee, other = flux(*FINE), flux(*COARSE, seed=2)
    whole = compare(map_of(nee), {"other": other})
    parts = compare(map_of(nee).chunk(time=5, lat=3), {"other": other.chunk(time=7, lon=4)})
    xr.testing.assert_allclose(whole, parts)


def test_a_cell_counts_by_its_forest():
    nee = flux(*FINE)
    forest = xr.where(nee.lon < 102, 0.9, 0.2) * xr.ones_like(nee.isel(time=0, drop=True))
    product = xr.Dataset({"NEE": nee, "forest_fraction": forest.transpose("lat", "lon")})
    half, all_of_it = (compare(product, {"other": flux(*COARSE)}, min_forest=share) for share in (0.5, 0))
    assert half["NEE"].sel(source="xnee").notnull().sum() == 8
    assert all_of_it["NEE"].sel(source="xnee").notnull().sum() == 16
    assert half.attrs["forest_compared"] == pytest.approx(0.9 / 1.1, abs=0.01)
    np.testing.assert_allclose(half["total_own"], all_of_it["total_own"])
    np.testing.assert_allclose(all_of_it["total_own"], all_of_it["total"].sel(source="xnee"))


def test_another_map_of_forest_is_averaged_over_forest():
    fine = flux(*FINE)
    bare = xr.where(fine.lat < 32, fine, fine + 1000).transpose("time", "lat", "lon").assign_attrs(UNITS)
    forest = xr.where(fine.lat < 32, 1.0, 0.0) * xr.ones_like(fine.isel(time=0, drop=True))
    other = xr.Dataset({"NEE": bare, "forest_fraction": forest.transpose("lat", "lon")})
    ours = flux([32.0, 36.0], [102.0, 106.0])
    found = compare(map_of(ours, forest=1.0), {"other": other}, min_forest=0.1, grid=Grid(
        west=100, east=104, south=30, north=34, step=4))  # fmt: skip
    assert float(found["NEE"].sel(source="other").squeeze()) < 0


def test_a_product_file_is_read_as_a_product(cube, driver_model):
    from xnee.prediction import predict

    ds = cube(months=26).isel(pft=slice(None))
    predicted = predict(ds, driver_model()).compute()
    other = flux(np.arange(25.5, 36), np.arange(95.5, 108), years=3)
    file = decorate(predicted)
    one, two = (compare(product, {"other": other}, min_forest=0.1) for product in (predicted, file))
    xr.testing.assert_allclose(one, two, rtol=1e-5)


@pytest.mark.parametrize(
    ("lat", "lon", "step", "west"),
    [
        (np.arange(-89.75, 90, 0.5), np.arange(0.25, 360, 0.5), 0.5, 100),
        (np.arange(-88.59375, 90, 2.8125), np.arange(0, 360, 2.8125), 2.8125, 99.84375),
        (np.arange(-90, 90.1, 1.25), np.arange(0, 360, 1.875), 2.0, 100),
        (np.arange(-89.95, 90, 0.1, dtype="f4"), np.arange(-179.95, 180, 0.1, dtype="f4"), 0.5, 100),
        (np.arange(-89 - 5 / 6, 90, 1 / 3), np.arange(-180 + 1 / 6, 180, 1 / 3), 0.5, 100),
    ],
)
def test_the_coarsest_grid_is_that_of_its_source_where_cells_are_square(lat, lon, step, west):
    nee = flux(*FINE, years=1)
    other = xr.DataArray(0.0, {"lat": lat, "lon": lon}, ("lat", "lon")).to_dataset(name="NEE")
    grid = coarsest_grid({"xnee": map_of(nee), "other": other})
    assert (grid.step, grid.west) == (step, west)
    assert grid.west <= 100 < 104 <= grid.east
    assert grid.south <= 30 < 34 <= grid.north


def test_the_table_holds_totals_and_what_was_published():
    found = compare(map_of(flux(*FINE)), {"X-BASE": flux(*COARSE) * 0.5})
    text = comparison_table(found)
    line = next(line for line in text.splitlines() if line.startswith("X-BASE"))
    assert f"{float(found['total'].sel(source='X-BASE').mean()):.1f} ±" in line
    assert "100% of the product's" in text
    for one in ANCHORS:
        assert one.source in text
    assert "-1.18 ± 0.05" in text
    assert "-0.155 " in text
    assert "-0.51 to -0.39" in text
    assert "Published" not in comparison_table(found, anchors=False)


def test_two_years_give_no_correlation_from_year_to_year():
    found = compare(map_of(flux(*FINE, years=2)), {"other": flux(*COARSE, years=2)})
    assert np.isnan(found["interannual_correlation"]).all()
    assert "-" in comparison_table(found)


def test_a_period_can_be_chosen():
    found = compare(map_of(flux(*FINE)), {"other": flux(*COARSE)}, period=("2002-01", "2003-12"))
    assert found["year"].values.tolist() == [2002, 2003]


GOOD = flux(*FINE, years=2)


@pytest.mark.parametrize(
    ("product", "others", "settings", "error", "message"),
    [
        (map_of(GOOD), {}, {}, ValueError, "compare needs at least one other product"),
        (map_of(GOOD), {"xnee": GOOD}, {}, ValueError, "'xnee' is the name of the product itself"),
        (map_of(GOOD), {"other": GOOD}, {"min_forest": 50}, ValueError, "share of the cell, 0 to 1; got 50"),
        (GOOD, {"other": GOOD}, {}, ValueError, "the product has no forest_fraction"),
        (map_of(GOOD), {"other": GOOD}, {"period": ("a", "b")}, ValueError, "period must be two months.*got .'a', 'b'"),
        (map_of(GOOD), {"other": GOOD}, {"period": ("2001",)}, ValueError, "period must be two months"),
        (map_of(GOOD), {"other": "x.nc"}, {}, TypeError, "'other' must be a Dataset or a DataArray of NEE; got str"),
        (map_of(GOOD), {"other": GOOD.rename(lat="y")}, {}, ValueError, r"'other' must hold NEE \(time, lat, lon\)"),
        (map_of(GOOD), {"other": xr.Dataset({"GPP": GOOD})}, {}, ValueError, r"it has no NEE but \['GPP'\]"),
        (map_of(GOOD), {"other": GOOD.assign_attrs(units="kg m-2 s-1")}, {}, ValueError, "'other': .*open_flux reads"),
        (map_of(GOOD), {"other": GOOD.isel(time=[0, 3])}, {}, ValueError, "'other': "),
        (map_of(GOOD), {"other": flux(*FINE, first=2010)}, {}, ValueError,
         "no year is whole, .* xnee: 2001-2002; other: 2010-2013"),
        (map_of(GOOD), {"other": GOOD.isel(time=slice(2, 13))}, {}, ValueError, "other: none"),
        (map_of(GOOD), {"other": flux(-FINE[0][::-1], FINE[1])}, {}, ValueError, "no year is whole|no cell"),
        (map_of(GOOD, 0.3), {"other": GOOD}, {}, ValueError, "64 cells are known to all, with at most 30% forest"),
    ],
)  # fmt: skip
def test_what_cannot_be_compared_is_refused(product, others, settings, error, message):
    with pytest.raises(error, match=message):
        compare(product, others, **settings)


def test_cells_whose_edges_are_no_multiples_of_half_a_cell_are_not_cut():
    lat, lon = 18.75 + 1.5 * np.arange(4), 73.75 + 1.5 * np.arange(5)  # edges at 18 and 73
    own = xr.Dataset(coords={"lat": lat, "lon": lon})
    grid = coarsest_grid({"xnee": own})
    assert (grid.west, grid.east, grid.south, grid.north) == (73, 80.5, 18, 24)
