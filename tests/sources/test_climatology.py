"""The BIOME4 climatology, sunshine to radiation, and months repeated over years."""

from __future__ import annotations

import dask
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from xnee.features import PAR_PER_SHORTWAVE
from xnee.grid import cell_area
from xnee.regions import region_mask
from xnee.sources.climatology import (
    _daily_extraterrestrial,
    _extraterrestrial,
    read_biome4,
    repeat_climatology,
    shortwave_from_sunshine,
)
from xnee.variables import VARIABLES, check_units

MEGAJOULES = 0.0864  # MJ m-2 d-1 in one W m-2


def biome4(*, temp=185, units="degC", dtype="i2", **coords):
    """A file as published: 3 x 4 cells, north first, the first one at sea."""
    labels = {
        "time": np.arange(1, 13),
        "lat": np.array([31, 30.5, 30], "f4"),
        "lon": np.arange(110, 112, 0.5, "f4"),
    } | coords
    shape = tuple(len(label) for label in labels.values())

    def field(value, units):
        values = np.full(shape, value, dtype)
        values[:, 0, 0] = -9999
        return tuple(labels), values, {"units": units, "missing_value": np.asarray(-9999, dtype)[()]}

    north = field(temp, units)
    north[1][:, 0, 1:] = temp - 50
    return xr.Dataset({"temp": north, "prec": field(60, "mm"), "sun": field(400, "percent")}, labels)


def read(folder, ds):
    ds.to_netcdf(folder / "biome4.nc")
    return read_biome4(folder / "biome4.nc")


def test_sea_without_missing_value_is_still_sea(tmp_path):
    file = biome4()
    file["sun"][1:, 0, 0] = 0  # as published: missing in January only
    assert read(tmp_path, file)["PAR"].sel(lat=31.25, lon=110.25).isnull().all()


def test_labels_scales_and_gaps_are_put_right(tmp_path):
    ds = read(tmp_path, biome4())
    assert {name: ds[name].dims for name in ds} == dict.fromkeys(["TEMP", "PRE", "PAR"], ("month", "lat", "lon"))
    assert ds["month"].values.tolist() == list(range(1, 13))
    assert ds["lat"].values.tolist() == [30.25, 30.75, 31.25]
    assert ds["lon"].values.tolist() == [110.25, 110.75, 111.25, 111.75]
    assert ds["TEMP"].sel(month=7, lat=31.25).values.tolist() == pytest.approx([np.nan, 13.5, 13.5, 13.5], nan_ok=True)
    assert ds["TEMP"].sel(lat=[30.25, 30.75]).values == pytest.approx(18.5)
    assert ds["PRE"].max() == ds["PRE"].min() == 60
    assert ds["lat"].attrs["standard_name"] == "latitude"
    for name in ds:
        check_units(name, ds[name].attrs["units"])
        assert ds[name].attrs["long_name"] == VARIABLES[name].long_name
        assert ds[name].dtype == np.float32
        assert int(ds[name].isnull().sum()) == 12
    assert "FAO-56" in ds["PAR"].attrs["method"]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda ds: ds.drop_vars("prec"), r"must hold \['temp', 'prec', 'sun'\] on time, lat and lon, but \['prec'\]"),
        (lambda ds: ds.drop_vars("lat"), r"but \['lat'\] are not there"),
        (lambda _: biome4(units="K"), "temp of biome4.nc must hold integers labelled 'degC'.*labelled 'K'"),
        (lambda _: biome4(temp=18.5, dtype="f4"), "must hold integers labelled 'degC'.*got float32"),
        (lambda _: biome4(temp=900), "temp of biome4.nc reaches from 85 to 90"),
        (lambda _: biome4(time=np.arange(12)), r"must have the months 1\.\.12 as its time; got \[ 0"),
        (lambda _: biome4(lat=np.array([31.25, 30.75, 30.25])), "cells by their south-west corners, multiples of 0.5"),
        (lambda _: biome4(lat=np.array([32.0, 31.0, 30.0])), "south-west corners, multiples of 0.5"),
    ],
)
def test_another_file_is_refused(tmp_path, change, match):
    with pytest.raises(ValueError, match=match):
        read(tmp_path, change(biome4()))


def test_file_that_is_no_netcdf_is_refused(tmp_path):
    (tmp_path / "biome4.nc").write_text("lat,lon,temp")
    with pytest.raises(ValueError, match=r"biome4\.nc cannot be read as NetCDF"):
        read_biome4(tmp_path / "biome4.nc")
    with pytest.raises(FileNotFoundError, match=r"no such file: .*nowhere\.nc"):
        read_biome4(tmp_path / "nowhere.nc")


# Radiation


def test_extraterrestrial_radiation_equals_the_worked_example():
    # FAO-56 example 8: 20 degrees south, 3 September.
    ra = _daily_extraterrestrial(xr.DataArray(-20.0), xr.DataArray(246))
    assert float(ra) * MEGAJOULES == pytest.approx(32.2, abs=0.05)


def test_monthly_radiation_equals_a_mean_over_days():
    lat = xr.DataArray([-66.0, 0.0, 35.0, 80.0], dims="lat")
    monthly = _extraterrestrial(lat)
    for month in range(1, 13):
        days = pd.date_range(f"2001-{month:02d}-01", periods=pd.Period(f"2001-{month:02d}").days_in_month)
        slowly = [_daily_extraterrestrial(lat, xr.DataArray(day)) for day in days.day_of_year]
        np.testing.assert_allclose(monthly.sel(month=month), np.mean(slowly, axis=0), rtol=1e-12)


def test_the_pole_is_dark_in_winter():
    assert float(_extraterrestrial(xr.DataArray(85.0)).sel(month=12)) == pytest.approx(0, abs=1e-9)


def test_shortwave_equals_the_worked_example():
    # FAO-56 example 10: Rio de Janeiro, 7.1 of 10.9 hours, 14.5 MJ m-2 d-1 for 15 May; the mean of May is less.
    rio = shortwave_from_sunshine(xr.DataArray(7.1 / 10.9), lat=xr.DataArray(-22.9), month=xr.DataArray(5))
    assert float(rio) * MEGAJOULES == pytest.approx(14.5, rel=0.01)
    assert rio.attrs["units"] == "W m-2"


def test_shortwave_keeps_dimensions_and_stays_lazy():
    coords = {"month": [1, 7], "lat": [20.0, 40.0, 60.0], "lon": [100.0, 101.0]}
    sun = xr.DataArray(np.full((2, 3, 2), 0.5), coords=coords, dims=tuple(coords))
    here = shortwave_from_sunshine(sun, lat=sun["lat"], month=sun["month"])
    assert here.dims == ("month", "lat", "lon")
    lazy = shortwave_from_sunshine(sun.chunk(lat=1), lat=sun["lat"], month=sun["month"])
    assert lazy.chunks is not None
    xr.testing.assert_allclose(lazy.compute(), here)


# Months over years


@pytest.fixture
def climatology():
    values = np.arange(24.0).reshape(12, 2)
    values[3, 1] = np.nan
    coords = {"month": np.arange(1, 13), "lat": [1.0, 2.0]}
    return xr.Dataset(
        {"PRE": (("month", "lat"), values, {"units": "mm month-1"}), "AGE": ("lat", [10.0, 20.0], {"units": "year"})},
        coords,
    )


@pytest.mark.parametrize("years", [(2003, 2005), range(2003, 2006), [2003, 2004, 2005], np.arange(2003, 2006)])
def test_every_year_is_the_same(climatology, years):
    cube = repeat_climatology(climatology, years)
    assert cube["PRE"].dims == ("time", "lat")
    assert cube["time"].dtype == "datetime64[ns]"
    assert (cube.indexes["time"] == pd.date_range("2003-01-01", "2005-12-01", freq="MS")).all()
    for stamp in cube.indexes["time"]:
        np.testing.assert_array_equal(cube["PRE"].sel(time=stamp), climatology["PRE"].sel(month=stamp.month))
    xr.testing.assert_identical(cube["AGE"], climatology["AGE"])
    assert cube["PRE"].attrs == {"units": "mm month-1"}
    assert "month" not in cube.coords
    assert cube.attrs["climatology"] == "the same 12 months in each year from 2003 to 2005"


def test_order_of_months_and_dimensions_does_not_matter(climatology):
    expected = repeat_climatology(climatology, (2003, 2004))
    mixed = climatology.isel(month=[5, 0, 3, 11, 1, 2, 4, 6, 8, 7, 10, 9]).transpose("lat", "month")
    xr.testing.assert_identical(repeat_climatology(mixed, (2003, 2004)), expected)


def test_one_year_is_enough(climatology):
    for years in ((2004, 2004), [2004]):
        assert repeat_climatology(climatology, years).sizes["time"] == 12


def test_repeating_is_lazy_and_leaves_time_whole(climatology):
    def refuse(*_, **__):
        raise AssertionError("computed too early")

    with dask.config.set(scheduler=refuse):
        cube = repeat_climatology(climatology.chunk(month=5, lat=1), (2001, 2020))
    assert cube["PRE"].chunks == ((240,), (1, 1))
    xr.testing.assert_equal(cube.compute(), repeat_climatology(climatology, (2001, 2020)))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda ds: ds.rename(month="time"), "needs the dimension 'month' with its coordinate"),
        (lambda ds: ds.drop_vars("month"), "needs the dimension 'month' with its coordinate"),
        (lambda ds: ds.isel(month=slice(11)), r"each of the months 1\.\.12 once; got \[1, 2"),
        (lambda ds: ds.assign_coords(month=np.arange(12)), r"each of the months 1\.\.12 once; got \[0, 1"),
        (lambda ds: ds.isel(month=[0, *range(12)]), "each of the months"),
    ],
)
def test_other_than_twelve_months_are_refused(climatology, change, match):
    with pytest.raises(ValueError, match=match):
        repeat_climatology(change(climatology), (2001, 2002))


@pytest.mark.parametrize("years", [(), (2005, 2003), [2001, 2003, 2004], [2003, 2002, 2001], [2001, 2001, 2002]])
def test_years_must_follow_one_another(climatology, years):
    with pytest.raises(ValueError, match="years must be the first and the last year, or one year after the other"):
        repeat_climatology(climatology, years)


@pytest.mark.parametrize("years", [("2001", "2002"), (2001.5, 2003)])
def test_years_must_be_whole(climatology, years):
    with pytest.raises(TypeError, match="years must be whole numbers"):
        repeat_climatology(climatology, years)


# The real file


@pytest.fixture(scope="module")
def china(shared):
    return read_biome4(shared / "data/grids/BIOME4_inputdata_china.nc")


def test_mean_temperature_of_china(china, shared):
    inside = region_mask(shared / "data/grids/amap_china_land_100000.geojson", china["lat"], china["lon"])
    mean = china["TEMP"].where(inside).weighted(cell_area(china["lat"], china["lon"])).mean(("lat", "lon"))
    assert mean.sel(month=[1, 5, 7]).values == pytest.approx([-9.2, 12.0, 18.5], abs=0.2)


def test_sunshine_is_a_share_of_the_possible_hours(china):
    # Ratio to a sky without sun, whose radiation is 0.25 Ra: dim in the Sichuan basin, bright in the Gobi.
    dark = xr.zeros_like(china["PAR"].sel(lon=[104.25, 102.25]))
    dim = PAR_PER_SHORTWAVE * shortwave_from_sunshine(dark, lat=china["lat"], month=china["month"])
    share = china["PAR"] / dim / 2 - 0.5
    assert share.sel(lat=30.75, lon=104.25).mean().item() == pytest.approx(0.21, abs=0.01)
    assert share.sel(lat=42.25, lon=102.25).mean().item() == pytest.approx(0.67, abs=0.01)


def test_radiation_is_that_of_a_tower(china):
    # CN-Cha (42.4025 N, 128.0958 E), 2003-2005: mean of SW_IN_F, 161 W m-2.
    shortwave = china["PAR"].sel(lat=42.4025, lon=128.0958, method="nearest").mean().item() / PAR_PER_SHORTWAVE
    assert shortwave == pytest.approx(161, rel=0.05)


def test_drivers_are_plausible(china):
    for name, field in china.items():
        assert field.min() >= VARIABLES[name].low
        assert field.max() <= VARIABLES[name].high
    xr.testing.assert_equal(china["PAR"].isnull(), china["TEMP"].isnull())
