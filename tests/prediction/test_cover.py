"""Fractional cover, masks, covers that change by year, and maps in a projection."""

import numpy as np
import pytest
import xarray as xr

from xnee.prediction import predict


def by_year(cube, years=(2001, 2003), seed=3):
    """A cube of 2001 to mid-2003 with other forests in each map."""
    ds, other = cube(), cube(seed=seed)
    maps = xr.concat([ds.pft_fraction, other.pft_fraction], dim=xr.Variable("year", list(years)))
    maps[0, :, 2, 3] = 0  # no forest in the first map
    maps[1, :, 2, 2] = 0  # none in the second
    return ds.assign(pft_fraction_by_year=maps)


def test_cover_by_year_equals_a_slow_loop(cube, driver_model):
    ds = by_year(cube)
    result = predict(ds, driver_model(lags=1), cover="by-year", tile=2).compute()
    flux = predict(ds.assign(pft_fraction=xr.full_like(ds.pft_fraction, 0.2)), driver_model(lags=1))[
        "NEE_member"
    ].compute()
    maps = ds.pft_fraction_by_year.to_numpy()
    which = [0 if year < 2003 and year - 2001 <= 2003 - year else 1 for year in ds.time.dt.year.to_numpy()]
    mean = maps[which].mean(axis=0)  # (pft, lat, lon)
    np.testing.assert_allclose(result["pft_fraction"], mean, rtol=1e-6)
    for i in range(3):
        for j in range(4):
            ground = mean[:, i, j].sum()
            for t in range(1, 30):
                if ground == 0:
                    assert np.isnan(result["NEE"][t, i, j])
                    continue
                each = [sum(flux[m, p, t, i, j] * maps[which[t], p, i, j] for p in range(5)) / ground for m in range(2)]
                assert float(result["NEE"][t, i, j]) == pytest.approx(float(np.mean(each)), rel=1e-4, abs=1e-4)
    assert result.attrs["cover"] == "by year, nearest of the maps of 2001, 2003"


def test_carbon_is_flux_times_cover_for_a_cover_that_changes(cube, driver_model):
    result = predict(by_year(cube), driver_model(lags=1), cover="by-year").compute()
    cell = (result["NEE"] * result["forest_fraction"]).isel(time=5)
    types = (result["NEE_member"] * result["pft_fraction"]).isel(time=5).mean("member").sum("pft")
    forest = result["forest_fraction"] > 0
    np.testing.assert_allclose(cell.where(forest, 0), types.where(forest, 0), rtol=1e-5)
    felled, planted = result["NEE"][:, 2, 2], result["NEE"][:, 2, 3]
    assert (felled[24:] == 0).all()
    assert (felled[1:24] != 0).all()
    assert (planted[1:24] == 0).all()
    assert np.isnan(felled[0])


def test_equal_maps_by_year_are_the_static_cover(cube, fitted):
    ds = cube()
    same = ds.assign(pft_fraction_by_year=ds.pft_fraction.expand_dims(year=[2000, 2002]))
    one, two = predict(ds, fitted).compute(), predict(same, fitted, cover="by-year", tile=2).compute()
    for name in ("NEE", "NEE_std", "forest_fraction"):
        np.testing.assert_allclose(one[name], two[name], rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("dtype", ["bool", "int8", "float64"])
def test_a_hard_mask_is_a_cover_of_one(cube, fitted, dtype):
    ds = cube()
    mask = np.zeros((5, 3, 4), dtype=dtype)
    mask[2], mask[:, 0, 0] = 1, 0
    predicted = predict(ds.assign(pft_fraction=(("pft", "lat", "lon"), mask)), fitted)
    alone = predicted["NEE_member"].sel(pft="ENF").mean("member", skipna=False)
    np.testing.assert_array_equal(predicted["NEE"], alone)
    assert predicted["NEE"].isel(lat=0, lon=0).isnull().all()


@pytest.mark.parametrize(
    ("change", "rule", "message"),
    [
        (lambda ds: ds.drop_vars("pft_fraction_by_year"), "by-year", "cover='by-year' needs pft_fraction_by_year"),
        (lambda ds: ds, "yearly", "cover must be 'static' or 'by-year', got 'yearly'"),
        (lambda ds: ds.drop_vars("year"), "by-year", "must name its years in a coordinate year of whole numbers"),
        (
            lambda ds: ds.assign_coords(year=["a", "b"]),
            "by-year",
            "must name its years in a coordinate year of whole numbers",
        ),
        (lambda ds: ds.assign(pft_fraction=ds.pft_fraction_by_year), "static", "or name it pft_fraction_by_year and"),
        (lambda ds: ds.drop_vars("pft_fraction"), "static", "cover='static' needs pft_fraction, which the cube lacks"),
        (lambda ds: ds.assign(pft_fraction_by_year=ds.pft_fraction_by_year * 100), "by-year", "in percent"),
        (lambda ds: ds.assign(pft_fraction_by_year=ds.pft_fraction_by_year.isel(lat=0)), "by-year", "of the drivers"),
    ],
)
def test_a_cover_that_does_not_fit_is_refused(cube, driver_model, change, rule, message):
    with pytest.raises(ValueError, match=message):
        predict(change(by_year(cube)), driver_model(), cover=rule)


# in a projection


def projected(cube) -> xr.Dataset:
    """The same cells as those of the fixture, on axes in metres that run from north to south."""
    from pyproj import CRS

    ds = cube().rename(lat="y", lon="x").assign_coords(y=[5e6, 4.999e6, 4.998e6], x=np.arange(4) * 1e3)
    return ds.assign_coords(spatial_ref=((), 0, CRS.from_epsg(6933).to_cf()))


def test_a_map_in_a_projection_is_that_of_its_cells(cube, fitted):
    ds = projected(cube)
    predicted = predict(ds, fitted, tile=2)
    assert predicted["NEE"].dims == ("time", "y", "x")
    assert predicted["NEE_member"].dims == ("member", "pft", "time", "y", "x")
    np.testing.assert_array_equal(predicted["NEE"], predict(cube(), fitted)["NEE"])
    assert predicted["spatial_ref"].attrs["crs_wkt"] == ds["spatial_ref"].attrs["crs_wkt"]
    assert "spatial_ref" in predicted.coords


@pytest.mark.parametrize("where", ["crs", "variable", "attribute"])
def test_a_projection_may_stand_in_several_places(cube, driver_model, where):
    ds = projected(cube)
    if where == "crs":
        ds = ds.rename(spatial_ref="crs")
    elif where == "variable":
        ds = ds.reset_coords("spatial_ref")
    else:
        ds = ds.drop_vars("spatial_ref").assign_attrs(crs="EPSG:6933")
    predicted = predict(ds, driver_model())
    assert {"crs", "spatial_ref"} & ({*predicted.coords} | {*predicted.attrs})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda ds: ds.drop_vars("spatial_ref"), "must say in which projection it is"),
        (lambda ds: ds.drop_vars("x"), r"needs the coordinates of its cells in metres; \['x'\] are not there"),
        (lambda ds: ds.isel(x=[0, 2, 1, 3]), r"x must ascend or descend from cell to cell.*cube\.sortby\('x'\)"),
    ],
)
def test_a_projected_cube_that_is_no_map_is_refused(cube, driver_model, change, message):
    with pytest.raises(ValueError, match=message):
        predict(change(projected(cube)), driver_model())
