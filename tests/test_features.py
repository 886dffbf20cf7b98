"""Drivers made from drivers."""

from __future__ import annotations

import csv
import math

import dask.array as da
import numpy as np
import pytest
import xarray as xr

from xnee.features import (
    PAR_PER_SHORTWAVE,
    par_from_shortwave,
    saturation_vapour_pressure,
    vpd_from_dew_point,
    vpd_from_humidity,
    vpd_from_specific_humidity,
    vpd_from_vapour_pressure,
    wind_direction,
    wind_speed,
)


def test_par_keeps_dimensions_and_gaps():
    shortwave = xr.DataArray([[0.0, np.nan], [100.0, 250.0]], dims=("site", "time"), attrs={"units": "W m-2"})
    par = par_from_shortwave(shortwave)
    assert par.dims == ("site", "time")
    np.testing.assert_allclose(par, [[0.0, np.nan], [194.0, 485.0]])
    assert par.name == "PAR"
    assert par.attrs["units"] == "umol m-2 s-1"
    assert "1.94 umol J-1" in par.attrs["method"]


def test_par_is_lazy_and_leaves_its_input_alone():
    shortwave = xr.DataArray(da.ones((4, 3), chunks=2), dims=("lat", "lon"), attrs={"units": "W/m2"})
    par = par_from_shortwave(shortwave)
    assert par.chunks is not None
    assert shortwave.attrs == {"units": "W/m2"}


def test_shortwave_in_another_unit_is_refused():
    with pytest.raises(ValueError, match=r"shortwave radiation in W m-2, but it came with units 'J m-2'"):
        par_from_shortwave(xr.DataArray([1.0], dims="time", attrs={"units": "J m-2"}))


def test_factor_is_that_of_the_towers(shared):
    ratios, by_construction = [], 0
    for path in sorted((shared / "data/towers/fluxnet2015_subset_mm").glob("*.csv")):
        with path.open() as file:
            for row in csv.DictReader(file):
                par, shortwave = float(row.get("PPFD_IN", -9999)), float(row["SW_IN_F"])
                if par != -9999:
                    ratios.append(par / shortwave)
                    by_construction += abs(par * 0.52 / shortwave - 1) < 0.002
    independent = [ratio for ratio in ratios if abs(ratio * 0.52 - 1) >= 0.002]
    assert len(ratios) == 4249
    assert 0.12 < by_construction / len(ratios) < 0.13
    assert np.median(ratios) == pytest.approx(1.928, abs=1e-3)
    assert np.median(independent) == pytest.approx(1.950, abs=1e-3)
    assert np.median(ratios) < PAR_PER_SHORTWAVE < np.median(independent)
    np.testing.assert_allclose(np.quantile(independent, [0.05, 0.95]), [1.646, 2.264], atol=1e-3)


# Saturation vapour pressure over water, hPa: Wexler's formula as Hardy 1998 fits it, term by term.
def wexler(celsius):
    kelvin = celsius + 273.15
    powers = (-2.8365744e3, -6.028076559e3, 1.954263612e1, -2.737830188e-2, 1.6261698e-5, 7.0229056e-10, -1.8680009e-13)
    return math.exp(sum(g * kelvin ** (i - 2) for i, g in enumerate(powers)) + 2.7150305 * math.log(kelvin)) / 100


@pytest.mark.parametrize("celsius", [-30.0, -10.0, 0.0, 15.0, 35.0])
def test_saturation_pressure_is_that_of_wexler_within_half_a_percent(celsius):
    made = saturation_vapour_pressure(xr.DataArray(celsius, attrs={"units": "degC"}))
    assert float(made) == pytest.approx(wexler(celsius), rel=5e-3)
    assert made.attrs["units"] == "hPa"


def test_vpd_from_humidity_and_from_vapour_pressure_agree():
    temperature = xr.DataArray([-5.0, 10.0, np.nan, 30.0], dims="time")
    humidity = xr.DataArray([90.0, 60.0, 50.0, 20.0], dims="time", attrs={"units": "%"})
    pressure = saturation_vapour_pressure(temperature) * humidity / 100
    one, two = vpd_from_humidity(temperature, humidity), vpd_from_vapour_pressure(temperature, pressure)
    np.testing.assert_allclose(one, two)
    assert np.isnan(one[2])
    assert one.name == "VPD"
    assert one.attrs["units"] == "hPa"
    assert "relative humidity" in one.attrs["method"]
    assert "vapour pressure" in two.attrs["method"]


def test_wet_sensors_give_no_negative_vpd():
    temperature = xr.DataArray([20.0, 20.0], dims="time")
    assert vpd_from_humidity(temperature, xr.DataArray([100.0, 104.0], dims="time")).values.tolist() == [0.0, 0.0]
    assert float(vpd_from_vapour_pressure(temperature, xr.DataArray([23.0, 30.0], dims="time"))[1]) == 0.0


def test_vpd_of_means_is_lower_than_the_mean_of_vpd():
    hours = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    temperature = xr.DataArray(20 - 8 * np.cos(hours), dims="time")
    humidity = xr.DataArray(70 + 25 * np.cos(hours), dims="time")  # warm hours are the dry ones
    of_means = float(vpd_from_humidity(temperature.mean(), humidity.mean()))
    assert of_means < 0.9 * float(vpd_from_humidity(temperature, humidity).mean())


def test_vpd_is_lazy():
    lazy = xr.DataArray(da.full((4,), 20.0, chunks=2), dims="time")
    assert vpd_from_humidity(lazy, lazy).chunks is not None
    assert vpd_from_vapour_pressure(lazy, lazy).chunks is not None


@pytest.mark.parametrize(
    ("make", "units", "message"),
    [
        (lambda x: saturation_vapour_pressure(x), "K", r"must be in degC, but it came with units 'K'. Subtract 273.15"),
        (lambda x: vpd_from_humidity(x * 0, x), "1", r"humidity must be in %, but it came with units '1'"),
        (lambda x: vpd_from_vapour_pressure(x * 0, x), "kPa", r"must be in hPa.*Multiply kPa by 10"),
    ],
)
def test_humid_air_in_another_unit_is_refused(make, units, message):
    with pytest.raises(ValueError, match=message):
        make(xr.DataArray([1.0], dims="time", attrs={"units": units}))


def test_all_ways_to_vpd_agree():
    temperature = xr.DataArray([-5.0, 10.0, np.nan, 30.0], dims="time", attrs={"units": "degC"})
    humidity = xr.DataArray([90.0, 60.0, 50.0, 20.0], dims="time")
    vapour = saturation_vapour_pressure(temperature) * humidity / 100
    expected = vpd_from_humidity(temperature, humidity)
    log = np.log(vapour / 6.1094)  # the dew point is where the vapour pressure is that of saturation
    dew_point = (243.04 * log / (17.625 - log)).assign_attrs(units="degC")
    pressure = xr.DataArray([1013.0, 900.0, 800.0, 650.0], dims="time", attrs={"units": "hPa"})
    mixed = (0.622 * vapour / (pressure - 0.378 * vapour)).assign_attrs(units="kg kg-1")
    np.testing.assert_allclose(vpd_from_dew_point(temperature, dew_point), expected, rtol=1e-9)
    np.testing.assert_allclose(vpd_from_specific_humidity(temperature, mixed, pressure), expected, rtol=1e-9)
    assert vpd_from_dew_point(temperature, dew_point).attrs["method"].startswith("air temperature and dew point")


def test_vpd_refuses_humidity_and_pressure_in_other_units():
    air = xr.DataArray([20.0], dims="time")
    with pytest.raises(ValueError, match="specific humidity must be in kg kg-1, but it came with units 'g kg-1'"):
        vpd_from_specific_humidity(air, air.assign_attrs(units="g kg-1"), air)
    with pytest.raises(ValueError, match="pressure must be in hPa, but it came with units 'Pa'"):
        vpd_from_specific_humidity(air, air, air.assign_attrs(units="Pa"))
    with pytest.raises(ValueError, match="temperature must be in degC, but it came with units 'K'"):
        vpd_from_dew_point(air, air.assign_attrs(units="K"))


@pytest.mark.parametrize("whence", [0.0, 45.0, 90.0, 179.0, 225.0, 359.5])
def test_wind_comes_from_where_it_came(whence):
    towards = math.radians(whence + 180)
    east, north = (xr.DataArray([5 * part], dims="time") for part in (math.sin(towards), math.cos(towards)))
    assert float(wind_speed(east, north)[0]) == pytest.approx(5)
    made = float(wind_direction(east, north)[0])
    assert 0 <= made <= 360
    assert (made - whence + 180) % 360 == pytest.approx(180, abs=1e-9)


def test_wind_keeps_gaps_and_names_its_method():
    east = xr.DataArray(da.from_array(np.array([0.0, np.nan, 1.0]), chunks=2), dims="time", attrs={"units": "m/s"})
    north = xr.DataArray([0.0, 1.0, np.nan], dims="time")
    speed, direction = wind_speed(east, north), wind_direction(east, north)
    assert speed.chunks is not None
    assert direction.chunks is not None
    np.testing.assert_array_equal(speed, [0, np.nan, np.nan])
    assert direction.isnull().all()  # no wind has no direction
    assert (speed.attrs["units"], direction.attrs["units"]) == ("m s-1", "degree")
    assert "components" in direction.attrs["method"]
    with pytest.raises(ValueError, match="eastward wind must be in m s-1, but it came with units 'km h-1'"):
        wind_speed(east.assign_attrs(units="km h-1"), north)


def test_directions_are_averaged_as_components():
    east, north = xr.DataArray([-0.2, 0.2], dims="x"), xr.DataArray([-1.0, -1.0], dims="x")
    assert float(wind_direction(east.mean("x"), north.mean("x"))) == pytest.approx(0, abs=1e-9)
    assert float(wind_direction(east, north).mean()) == pytest.approx(180)  # what averaging angles would give
