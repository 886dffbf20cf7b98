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
    vpd_from_humidity,
    vpd_from_vapour_pressure,
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
