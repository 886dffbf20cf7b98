"""What predict accepts can be explained: cover by year, projections, contexts, drivers that stay, towers."""

import numpy as np
import pytest
import xarray as xr

import xnee
from xnee.explanation import explain_map
from xnee.explanation.coalitions import exact
from xnee.explanation.maps import _backgrounds
from xnee.models.fitting import fit
from xnee.models.training import FitSpec
from xnee.pft import PFTS
from xnee.prediction import predict
from xnee.sources.synthetic import synthetic_towers

PERIOD = ("2001-06", "2002-03")
FEW = {"background": 4, "period": PERIOD}


@pytest.fixture(scope="module")
def made():
    """Pooled networks that read what a place is like in the long run."""
    sites = synthetic_towers()[["TEMP", "PRE", "NEE", "NEE_QC"]]
    return sites, fit(sites, lags=2, members=2, strategy="pooled", context=True, training=FitSpec(epochs=2))


def in_a_projection(cube):
    """The same cells under other names; where they lie matters to no driver."""
    turned = cube.rename(lat="y", lon="x").assign_coords(y=1e4 * np.arange(3.0), x=1e4 * np.arange(4.0))
    return turned.assign_attrs(crs="EPSG:32649")


def by_year(cube, first, second):
    """The cube with two maps of cover, and no other."""
    maps = xr.concat([first, second], dim=xr.Variable("year", [2001, 2002]))
    return cube.drop_vars("pft_fraction").assign(pft_fraction_by_year=maps)


@pytest.mark.parametrize("method", ["exact", "permutation"])
def test_the_same_cells_in_a_projection_have_the_same_values(made, cube, method):
    sites, model = made
    flat, turned = (
        explain_map(ds, model, sites=sites, method=method, **FEW).compute()
        for ds in (cube(months=16), in_a_projection(cube(months=16)))
    )
    assert turned["phi"].dims == ("driver", "y", "x")
    assert turned.attrs["crs"] == "EPSG:32649"
    for name in flat.data_vars:
        np.testing.assert_array_equal(flat[name], turned[name])


def test_a_projection_goes_on_to_the_explanation(made, cube):
    pyproj = pytest.importorskip("pyproj")
    sites, model = made
    ds = in_a_projection(cube(months=16)).drop_attrs(deep=False)
    ds = ds.assign(spatial_ref=xr.Variable((), 0, pyproj.CRS("EPSG:32649").to_cf()))
    why = explain_map(ds, model, sites=sites, **FEW)
    assert why["spatial_ref"].attrs == ds["spatial_ref"].attrs


def test_equal_maps_of_cover_by_year_change_nothing(made, cube):
    sites, model = made
    ds = cube(months=16)
    static = explain_map(ds, model, sites=sites, **FEW).compute()
    changing = by_year(ds, ds["pft_fraction"], ds["pft_fraction"])
    same = explain_map(changing, model, sites=sites, cover="by-year", **FEW).compute()
    xr.testing.assert_allclose(static, same, rtol=1e-5, atol=1e-5)
    assert "2001, 2002" in same.attrs["cover"]
    with pytest.raises(ValueError, match=r"cover='static' needs pft_fraction.*or choose the other rule"):
        explain_map(changing, model, sites=sites, **FEW)


def test_types_of_a_month_are_mixed_by_its_own_cover(made, cube):
    sites, model = made
    ds = cube(months=16)
    cut = ds["pft_fraction"] * 0.5
    changing = by_year(ds, ds["pft_fraction"], cut.roll(pft=1, roll_coords=False))
    why = explain_map(changing, model, sites=sites, cover="by-year", method="exact", **FEW).compute()
    mapped = predict(changing, model, cover="by-year")["NEE"].sel(time=slice(*PERIOD)).mean("time", skipna=False)
    np.testing.assert_allclose(why["prediction"], mapped, atol=1e-3)
    np.testing.assert_allclose(why["base"] + why["phi"].sum("driver", skipna=False), mapped, atol=1e-3)
    # cell by cell, type by type, month by month
    drivers = ["TEMP", "PRE"]
    context, lat, lon = xnee.site_context(ds, drivers), 2, 1
    maps = changing["pft_fraction_by_year"].to_numpy()[..., lat, lon]
    mean = (12 * maps[0] + 4 * maps[1]).sum() / 16
    series = np.stack([ds[name].to_numpy()[:, lat, lon] for name in drivers], axis=-1)[None]
    own = context.to_numpy()[..., lat, lon][None]
    phi = np.zeros(2)
    for t in range(5, 15):
        for k, (networks, others) in _backgrounds(sites, model, PFTS, 4, 0).items():
            share = maps[int(t >= 12), k] / mean
            if share > 0:
                phi += share * exact(networks, networks.features(series[:, t - 2 : t + 1], own)[0], others, 2)[0] / 10
    np.testing.assert_allclose(why["phi"][:, lat, lon], phi, atol=1e-4)


def test_a_period_after_the_forest_went_has_no_dominant_driver(made, cube):
    sites, model = made
    ds = cube(months=24)
    changing = by_year(ds, ds["pft_fraction"], ds["pft_fraction"].where(ds["lat"] > 30.5, 0))
    words = {"sites": sites, "background": 3, "period": ("2002-05", "2002-05"), "cover": "by-year"}
    why = explain_map(changing, model, **words).compute()
    assert (why["dominant"][0] == -1).all()
    assert float(why["prediction"][0, 0]) == 0
    assert (why["dominant"][1:] >= 0).all()


def test_a_context_that_is_given_is_the_one_that_is_read(made, cube):
    sites, model = made
    long, short = cube(months=30), cube(months=30).isel(time=slice(0, 16))
    given = short.assign(context=xnee.site_context(long, ["PRE", "TEMP"]).transpose("lat", "statistic", "lon", ...))
    why = explain_map(given, model, sites=sites, **FEW).compute()
    xr.testing.assert_allclose(why, explain_map(long, model, sites=sites, **FEW).compute(), atol=1e-5)
    bare = explain_map(short, model, sites=sites, **FEW).compute()
    assert float(np.abs(bare["phi"] - why["phi"]).max()) > 1e-3


@pytest.mark.parametrize("drivers", [["TEMP", "AGE"], ["AGE"]], ids=str)
def test_a_driver_that_stays_is_as_if_repeated_each_month(cube, drivers):
    sites = synthetic_towers()[["TEMP", "NEE", "NEE_QC"]]
    rng = np.random.default_rng(2)
    age = xr.DataArray(rng.uniform(20, 200, sites.sizes["site"]), dims="site", attrs={"units": "year"})
    sites = sites.assign(AGE=age)
    quick = FitSpec(epochs=2)
    model = fit(sites, drivers, lags=1, members=1, strategy="pooled", context=True, training=quick)
    ds = cube(months=16)
    stays = xr.DataArray(rng.uniform(20, 200, (3, 4)).astype("f4"), dims=("lat", "lon"), attrs={"units": "year"})
    repeated = stays.expand_dims(time=ds.sizes["time"])
    one, other = (explain_map(ds.assign(AGE=age), model, sites=sites, **FEW).compute() for age in (stays, repeated))
    xr.testing.assert_allclose(one, other, atol=1e-5)
    assert float(one["magnitude"].sel(driver="AGE").max()) > 0


def test_towers_have_the_values_of_a_cube_of_their_cells(made):
    sites, model = made
    some = sites[["TEMP", "PRE"]].isel(site=[0, 3, 5], time=slice(0, 40)).fillna(5.0)
    some = some.map(lambda one: one.assign_attrs(sites[one.name].attrs))
    own = (np.array(PFTS)[:, None] == some["pft"].to_numpy().astype(str)).astype("f4")
    as_cube = xr.Dataset(
        {
            **{n: (("time", "lat", "lon"), some[n].to_numpy().T[:, None], some[n].attrs) for n in ("TEMP", "PRE")},
            "pft_fraction": (("pft", "lat", "lon"), own[:, None]),
        },
        coords={"time": some["time"], "lat": [30.0], "lon": [100.0, 101.0, 102.0], "pft": list(PFTS)},
    )
    towers, cells = (
        explain_map(ds, model, sites=sites, background=4, permutations=3, method="permutation").compute()
        for ds in (some, as_cube)
    )
    for name in towers.data_vars:
        np.testing.assert_allclose(towers[name], cells[name].isel(lat=0), atol=1e-5)
