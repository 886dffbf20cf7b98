import numpy as np
import pytest
import xarray as xr

from xnee.context import check_context, series_context, site_context
from xnee.windowing import windows


def slow_context(series):
    """Of one series, month by month."""
    year = []
    for month in range(12):
        values = [v for v in series[month::12] if np.isfinite(v)]
        if values:
            year.append(sum(values) / len(values))
    mean = sum(year) / len(year)
    return [mean, (sum((v - mean) ** 2 for v in year) / len(year)) ** 0.5]


def test_context_equals_a_slow_loop_with_gaps():
    rng = np.random.default_rng(0)
    x = rng.normal(10, 5, (3, 31, 2))
    x[rng.random(x.shape) < 0.2] = np.nan
    context = series_context(x, ["TEMP", "PRE"])
    for site in range(3):
        for k in range(2):
            np.testing.assert_allclose(context[site, :, k], slow_context(x[site, :, k]), rtol=1e-6)


def test_it_does_not_matter_in_which_month_a_record_starts():
    year = np.arange(12.0)
    long = np.tile(year, 4)
    starts = np.stack([long[k : k + 24] for k in range(12)])[..., None]
    np.testing.assert_allclose(series_context(starts, ["TEMP"]), series_context(starts[:1], ["TEMP"]).repeat(12, 0))


def test_an_uneven_record_weighs_calendar_months_alike():
    summer_heavy = np.array([0.0] * 6 + [20.0] * 6 + [np.nan] * 6 + [20.0] * 6)
    assert series_context(summer_heavy[None, :, None], ["TEMP"])[0].tolist() == [[10.0], [10.0]]


def test_wind_from_north_is_north_on_average_and_amplitude_measures_its_turning():
    steady = series_context(np.array([[350.0], [10.0]] * 6)[None], ["WD"])[0, :, 0]
    np.testing.assert_allclose(np.cos(np.deg2rad(steady[0])), 1, atol=1e-6)
    np.testing.assert_allclose(steady[1], 10, rtol=0.01)  # for small angles the ordinary standard deviation
    around = series_context(np.array([[0.0], [180.0]] * 6)[None], ["WD"])[0, 1, 0]
    np.testing.assert_allclose(around, np.rad2deg(np.sqrt(2)), rtol=1e-6)


def test_a_driver_without_a_value_has_no_context():
    assert np.isnan(series_context(np.full((1, 12, 1), np.nan), ["TEMP"])).all()


def test_sites_and_cubes_have_the_same_context_and_a_lazy_cube_stays_lazy(cube):
    ds = cube()
    names = ["TEMP", "PRE"]
    context = site_context(ds.chunk(lat=2), names)
    assert context.chunks is not None
    assert context.dims == ("statistic", "driver", "lat", "lon")
    assert set(context.attrs) == {"long_name", "period"}  # no unit is that of all drivers
    cell = ds[names].isel(lat=1, lon=2)
    x = np.stack([cell[name].to_numpy() for name in names], axis=-1)[None]
    np.testing.assert_array_equal(context.isel(lat=1, lon=2).to_numpy(), series_context(x, names)[0])


def test_windows_carry_the_context_of_their_site_or_the_one_that_is_given(towers):
    ds = towers()
    names = ["PRE", "TEMP"]
    samples = windows(ds, names, lags=2)
    context = site_context(ds, names)
    assert samples["context"].dims == ("sample", "statistic", "driver")
    own = context.sel(site=samples["site"].to_numpy()).transpose("site", "statistic", "driver")
    np.testing.assert_array_equal(samples["context"].to_numpy(), own.to_numpy())
    short = ds.isel(time=slice(0, 8)).assign(context=context)
    kept = windows(short, names, lags=2)
    np.testing.assert_array_equal(kept["context"].to_numpy()[0], own.sel(site=kept["site"].to_numpy()[0])[0].to_numpy())


def test_a_context_that_lacks_a_driver_is_refused():
    context = xr.DataArray(
        np.zeros((2, 1)), dims=("statistic", "driver"), coords={"statistic": ["mean", "amplitude"], "driver": ["PRE"]}
    )
    with pytest.raises(ValueError, match=r"context needs the driver \['TEMP'\]; it has \['PRE'\]"):
        check_context(context, ["TEMP"])
    with pytest.raises(ValueError, match=r"context needs the statistic \['mean', 'amplitude'\]"):
        check_context(context.drop_vars("statistic"), ["PRE"])


def test_a_context_of_fewer_sites_is_refused(towers):
    ds = towers()
    short = ds.assign(context=site_context(ds.isel(site=slice(0, 3)), ["TEMP", "PRE"]))
    with pytest.raises(ValueError, match="context has gaps for 2 sites that have windows"):
        windows(short, ["TEMP", "PRE"], lags=1)


def test_nothing_to_sum_up_is_refused(towers):
    with pytest.raises(ValueError, match="drivers must name at least one variable"):
        site_context(towers()[["NEE"]])
    with pytest.raises(ValueError, match="needs at least one month"):
        site_context(towers().isel(time=slice(0, 0)))
