"""What predict accepts has an area of applicability: cover by year, projections, contexts, static drivers, towers."""

import numpy as np
import pytest
import xarray as xr

import xnee
from xnee.applicability import area_of_applicability, outside_share, outside_table
from xnee.models.fitting import fit
from xnee.models.training import FitSpec
from xnee.pft import PFTS
from xnee.prediction import predict
from xnee.products.axes import crs_of, with_area
from xnee.sources.synthetic import synthetic_towers

EVEN = xr.DataArray([1.0, 1.0], dims="driver", coords={"driver": ["TEMP", "PRE"]})


@pytest.fixture(scope="module")
def made():
    sites = synthetic_towers()[["TEMP", "PRE", "NEE", "NEE_QC"]]
    return sites, fit(sites, lags=2, members=1, strategy="pooled", context=True, training=FitSpec(epochs=1))


def in_a_projection(cube):
    turned = cube.rename(lat="y", lon="x").assign_coords(y=3e6 + 5e4 * np.arange(3.0), x=4e5 + 5e4 * np.arange(4.0))
    return turned.assign_attrs(crs="EPSG:32649")


def by_year(cube, first, second):
    maps = xr.concat([first, second], dim=xr.Variable("year", [2001, 2002]))
    return cube.drop_vars("pft_fraction").assign(pft_fraction_by_year=maps)


def test_the_same_cells_in_a_projection_have_the_same_index(made, cube):
    sites, model = made
    flat, turned = (
        area_of_applicability(ds, model, sites=sites, weights=EVEN).compute()
        for ds in (cube(months=8), in_a_projection(cube(months=8)))
    )
    assert turned["AOA"].dims == ("time", "y", "x")
    assert crs_of(turned).to_epsg() == 32649
    for name in flat.data_vars:
        np.testing.assert_array_equal(flat[name], turned[name])


def test_shares_of_a_projected_map_are_of_the_ground_not_of_the_drawing(made, cube):
    sites, model = made
    ds = in_a_projection(cube(months=26))
    where, predicted = area_of_applicability(ds, model, sites=sites, weights=EVEN).compute(), predict(ds, model)
    shares = outside_share(where, predicted)
    area = with_area(ds, crs_of(ds), chunks={})["area"].to_numpy()
    assert not np.allclose(area, 2.5e9, rtol=1e-5)
    flux = predicted["NEE_member"].mean("member").to_numpy()  # (pft, time, y, x)
    index, limit = where["DI"].transpose("pft", "time", "y", "x").to_numpy(), where["threshold"].to_numpy()
    inside = outside = ground = 0.0
    for k in range(5):
        for i, j in np.ndindex(3, 4):
            own = float(ds["pft_fraction"][k, i, j]) * area[i, j]
            ground += own
            for t in range(12, 24):  # the year of which all months have a past
                if own > 0:
                    carbon = float(flux[k, t, i, j]) * own * 1e-12
                    outside, inside = (
                        (outside + carbon, inside) if index[k, t, i, j] > limit[k] else (outside, inside + carbon)
                    )
    row = shares.sel(pft="all")
    assert float(row["area"]) == pytest.approx(ground, rel=1e-6)
    assert float(row["NEE_inside"]) == pytest.approx(inside, rel=1e-4)
    assert float(row["NEE_outside"]) == pytest.approx(outside, rel=1e-4)
    assert set(shares.coords) == {"pft"}
    assert outside_table(shares).count("\n") == 8


def test_shares_in_another_projection_of_the_same_name_are_the_same(made, cube):
    """Whether the projection is told in a variable or in an attribute."""
    pyproj = pytest.importorskip("pyproj")
    sites, model = made
    said = in_a_projection(cube(months=26))
    written = said.drop_attrs(deep=False).assign(spatial_ref=xr.Variable((), 0, pyproj.CRS("EPSG:32649").to_cf()))
    one, other = (
        outside_share(area_of_applicability(ds, model, sites=sites, weights=EVEN), predict(ds, model))
        for ds in (said, written)
    )
    xr.testing.assert_identical(one, other)


def test_equal_maps_of_cover_by_year_change_nothing(made, cube):
    sites, model = made
    ds = cube(months=26)
    changing = by_year(ds, ds["pft_fraction"], ds["pft_fraction"])
    static, same = (
        area_of_applicability(d, model, sites=sites, weights=EVEN, cover=rule, tile=2).compute()
        for d, rule in ((ds, "static"), (changing, "by-year"))
    )
    xr.testing.assert_allclose(static, same)
    one, other = (outside_share(w, predict(d, model, cover=rule)) for w, d, rule in
                  ((static, ds, "static"), (same, changing, "by-year")))  # fmt: skip
    xr.testing.assert_allclose(one, other)
    with pytest.raises(ValueError, match="cover='static' needs pft_fraction"):
        area_of_applicability(changing, model, sites=sites, weights=EVEN)


def test_the_forest_of_a_month_is_that_of_its_own_cover(made, cube):
    sites, model = made
    ds = cube(months=16)
    later = ds["pft_fraction"].roll(pft=1, roll_coords=False).where(ds["lat"] < 31.5, 0)
    changing = by_year(ds, ds["pft_fraction"], later)
    lazy = area_of_applicability(changing, model, sites=sites, weights=EVEN, cover="by-year", tile=2)
    assert lazy["AOA"].chunks is not None
    where = lazy.compute()
    inside = (where["DI"] <= where["threshold"]).transpose("time", "pft", "lat", "lon").to_numpy()
    maps = changing["pft_fraction_by_year"].to_numpy()
    for t, lat, lon in ((5, 2, 1), (14, 1, 2), (13, 0, 0), (14, 2, 1)):
        own = maps[int(t >= 12), :, lat, lon]
        expected = (own * inside[t, :, lat, lon]).sum() / own.sum() if own.sum() else np.nan
        assert float(where["AOA"][t, lat, lon]) == pytest.approx(expected, nan_ok=True)
    assert where["AOA"][12:, 2].isnull().all()  # cut down: no forest to speak of
    assert where["AOA"][2:12, 2].notnull().all()


def test_a_context_that_is_given_is_the_one_that_is_read(made, cube):
    sites, model = made
    long, short = cube(months=30), cube(months=30).isel(time=slice(0, 10))
    given = short.assign(context=xnee.site_context(long, ["PRE", "TEMP"]).transpose("lat", "statistic", "lon", ...))
    whole, part, bare = (
        area_of_applicability(ds, model, sites=sites, weights=EVEN)["DI"].isel(time=slice(0, 10)).compute()
        for ds in (long, given, short)
    )
    xr.testing.assert_allclose(whole, part)
    assert not np.allclose(part, bare, equal_nan=True)


def test_a_driver_that_stays_is_as_if_repeated_each_month(cube):
    sites = synthetic_towers()[["TEMP", "NEE", "NEE_QC"]]
    rng = np.random.default_rng(2)
    sites["AGE"] = xr.DataArray(rng.uniform(20, 200, sites.sizes["site"]), dims="site", attrs={"units": "year"})
    model = fit(sites, ["TEMP", "AGE"], lags=1, members=1, strategy="pooled", training=FitSpec(epochs=1))
    ds, weights = cube(months=6), EVEN.assign_coords(driver=["TEMP", "AGE"])
    stays = xr.DataArray(rng.uniform(20, 200, (3, 4)).astype("f4"), dims=("lat", "lon"), attrs={"units": "year"})
    one, other = (
        area_of_applicability(ds.assign(AGE=age), model, sites=sites, weights=weights).compute()
        for age in (stays, stays.expand_dims(time=6))
    )
    xr.testing.assert_allclose(one, other)


def test_towers_have_the_index_of_a_cube_of_their_cells(made):
    sites, model = made
    some = sites[["TEMP", "PRE"]].isel(site=[0, 3, 5], time=slice(0, 20)).fillna(5.0)
    own = (np.array(PFTS)[:, None] == some["pft"].to_numpy().astype(str)).astype("f4")
    as_cube = xr.Dataset(
        {
            **{n: (("time", "lat", "lon"), some[n].to_numpy().T[:, None], sites[n].attrs) for n in ("TEMP", "PRE")},
            "pft_fraction": (("pft", "lat", "lon"), own[:, None]),
        },
        coords={"time": some["time"], "lat": [30.0], "lon": [100.0, 101.0, 102.0], "pft": list(PFTS)},
    )
    towers, cells = (area_of_applicability(d, model, sites=sites, weights=EVEN).compute() for d in (some, as_cube))
    assert towers["DI"].dims == ("pft", "time", "site")
    np.testing.assert_allclose(towers["DI"], cells["DI"].isel(lat=0), rtol=1e-5)
    np.testing.assert_allclose(towers["AOA"], cells["AOA"].isel(lat=0))
    with pytest.raises(ValueError, match=r"outside_share needs maps DI \(pft, time, lat, lon\)"):
        outside_share(towers, predict(some, model))


def test_maps_of_another_model_or_cover_are_refused(made, cube):
    sites, model = made
    ds = cube(months=26)
    where = area_of_applicability(ds, model, sites=sites, weights=EVEN)
    changing = ds.assign(pft_fraction_by_year=ds["pft_fraction"].expand_dims(year=[2001, 2002]))
    with pytest.raises(ValueError, match="the two maps are not of the same cover"):
        outside_share(where, predict(changing, model, cover="by-year"))
    other = fit(sites, lags=2, members=1, seed=9, strategy="pooled", training=FitSpec(epochs=1))
    with pytest.raises(ValueError, match=r"the two maps are not of the same model: .* Make both with the same"):
        outside_share(where, predict(ds, other))
    with pytest.raises(ValueError, match="the two maps differ along y"):
        outside_share(area_of_applicability(in_a_projection(ds), model, sites=sites, weights=EVEN), predict(ds, model))
