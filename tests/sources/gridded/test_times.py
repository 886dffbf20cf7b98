"""Every way in which files write time."""

from __future__ import annotations

import numpy as np
import pytest

from xnee.sources.gridded import open_driver
from xnee.sources.gridded.file_names import from_name
from xnee.sources.gridded.layers import Stamps
from xnee.sources.gridded.times import climatology, join, moments, years_and_months

from .conftest import ramp, write_netcdf


def stamps(values, units=None, calendar="standard", **more):
    return Stamps(name="time", values=np.asarray(values), units=units, calendar=calendar, **more)


def month_of(read):
    return [f"{n // 12}-{n % 12 + 1:02d}" for n in years_and_months(read.days, read.calendar)]


@pytest.mark.parametrize(
    ("values", "units", "calendar", "first"),
    [
        ([45], "days since 2001-01-01", "standard", "2001-02"),
        ([876_581], "hours since 1900-01-01 00:00:0.0", "gregorian", "2000-01"),
        ([978_307_200], "seconds since 1970-01-01", "proleptic_gregorian", "2001-01"),
        ([13], "months since 2001-01-01", "standard", "2002-02"),
        ([1.5], "months since 2001-01-15", "standard", "2001-02"),
        ([3], "years since 2001-01-01", "standard", "2004-01"),
        ([197901], "yyyymm", "standard", "1979-01"),
        ([19790131], "yyyymmdd", "standard", "1979-01"),
        ([19790131.5], "day as %Y%m%d.%f", "standard", "1979-01"),
        ([197912], None, "standard", "1979-12"),
        ([19791231], "1", "standard", "1979-12"),
        ([365], "days since 2003-01-01", "noleap", "2004-01"),
        ([1459], "days since 2001-01-01", "365_day", "2004-12"),
        ([359], "days since 2001-01-01", "360_day", "2001-12"),
        ([112177], "days since 1700-01-01", "julian", "2007-02"),
        ([54801.5], "days since 1850-01-01", "proleptic_gregorian", "2000-01"),
    ],
)
def test_dates(values, units, calendar, first):
    assert month_of(moments(stamps(values, units, calendar), "a file")) == [first]


@pytest.mark.parametrize(
    ("values", "units", "more"),
    [
        (range(1, 13), "months", {}),
        (range(1, 13), "month", {}),
        (range(1, 13), None, {}),
        (range(12), "months since 0001-01-01", {}),
        ([15.5, 45.5, 75.5, 106, 136.5, 167, 197.5, 228.5, 259, 289.5, 320, 350.5], "days since 0", {}),
        (
            [15.5, 45, 74.5, 105, 135.5, 166, 196.5, 227.5, 258, 288.5, 319, 349.5],
            "days since 0001-01-01 00:00:0.0",
            {},
        ),
        (np.arange(12) * 30 + 15, "days since 1961-01-01", {"climatology": True}),
        (np.arange(12) * 730 + 360, "hours since 1-1-1 00:00:0.0", {}),
    ],
)
def test_climatologies(values, units, more):
    assert climatology(stamps(list(values), units, **more), "a file") == tuple(range(1, 13))


@pytest.mark.parametrize(
    ("values", "units"),
    [
        ([0, 31, 59], "days since 2001-01-01"),
        ([15, 400], "days since 0"),
        ([0, 13], "months since 0000-01-01"),
        ([197901], "yyyymm"),
        ([0, 1], "months"),
    ],
)
def test_real_dates_are_no_climatology(values, units):
    assert climatology(stamps(values, units), "a file") is None


@pytest.mark.parametrize(
    ("name", "month", "every"),
    [
        ("GOSIF_2001009.tif", "2001-01", None),
        ("GOSIF_2001.M02.tif.gz", "2001-02", "month"),
        ("MOD13C2.A2004060.061.2020220162300.tif", "2004-02", None),
        ("GLASS01B01.V04.A2000361.2019353.tif", "2000-12", None),
        ("ndvi_200112.tif", "2001-12", "month"),
        ("ndvi_2001-12.tif", "2001-12", "month"),
        ("ndvi-2001_12_31.tif", "2001-12", None),
        ("ndvi20011231.tif", "2001-12", None),
        ("age_2020.tif", "2020-01", "year"),
        ("lai_0.05deg_2001.01.tif", "2001-01", "month"),
    ],
)
def test_dates_in_names(name, month, every):
    read = from_name(name)
    assert (month_of(read), read.every) == ([month], every)


@pytest.mark.parametrize("name", ["ndvi.tif", "lai_0.05deg.tif", "x_123456789.tif", "forest_age_1km.tif"])
def test_names_without_a_date(name):
    assert from_name(name) is None


def test_files_of_one_series_are_joined():
    parts = [moments(stamps([k], "months since 2001-01-01"), "a file") for k in (2, 0, 1)]
    assert month_of(join(parts, "a series")) == ["2001-03", "2001-01", "2001-02"]


@pytest.mark.parametrize("name", ["time", "valid_time", "date", "month", "time_prclim", "TIME", "t"])
def test_names_of_time(tmp_path, name):
    time = (np.array([200101, 200102, 200103]), {"units": "yyyymm"})
    dims = (name, "latitude", "longitude")
    path = write_netcdf(tmp_path / "t.nc", {"t2m": (ramp(3, 0, 20), {"units": "degC"})}, time=time, dims=dims)
    assert open_driver(path, "TEMP").indexes["time"].astype(str).tolist() == ["2001-01-01", "2001-02-01", "2001-03-01"]
