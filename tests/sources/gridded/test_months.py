"""Periods of any length become months: against counting day by day."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xnee.sources.gridded import open_driver
from xnee.sources.gridded.months import average, plan
from xnee.sources.gridded.periods import Periods, periods
from xnee.sources.gridded.times import Moments, month_edges

from .conftest import ramp, write_netcdf

START = float(month_edges(12 * 2001, 1, "standard")[0])


def make(days, every):
    return periods(Moments(days=START + np.asarray(days, "f8")), every=every, label="a series")


def slowly(values, spans):
    """Give each day the value of the period that holds it, then average the days of each month."""
    first, last = int(spans.start.min() - START), int(spans.end.max() - START)
    day = np.full(last - first, np.nan)
    for value, a, b in zip(values, spans.start - START, spans.end - START, strict=True):
        day[int(a) - first : int(b) - first] = value
    index = pd.date_range("2001-01-01", periods=last)[first:]
    months = pd.Series(day, index=index).resample("MS")
    enough = months.count() >= 0.8 * index.to_series().resample("MS").first().index.days_in_month
    return months.mean().where(enough)


@settings(max_examples=12, deadline=None)
@given(length=st.integers(1, 16), years=st.integers(1, 2), seed=st.integers(0, 99))
def test_day_overlap_equals_counting_days(length, years, seed):
    days = np.concatenate(
        [
            (pd.Timestamp(f"{2001 + y}-01-01") - pd.Timestamp("2001-01-01")).days + np.arange(0, 365, length)
            for y in range(years)
        ]
    )
    spans = make(days, f"{length}-day")
    rng = np.random.default_rng(seed)
    values = rng.normal(size=days.size)
    values[rng.random(days.size) < 0.1] = np.nan
    order = rng.permutation(days.size)  # files come in any order
    mixed = Periods(start=spans.start[order], end=spans.end[order], calendar="standard", every=spans.every)
    made = plan(mixed, names=["a"] * days.size, coverage=0.8, gaps="refuse", label="a series")
    series = da.from_array(values[order][made.order][:, None, None] * np.ones((1, 2, 3)), chunks=(5, 1, 3))
    expected = slowly(values, spans)
    np.testing.assert_allclose(
        average(series, made, 0.8)[:, 1, 2].compute(scheduler="synchronous"), expected, rtol=1e-12
    )
    assert (made.time == expected.index).all()


def test_last_composite_of_a_year_is_short():
    spans = make([352, 360, 365], "8-day")  # 2001-12-19, 2001-12-27, 2002-01-01
    assert (spans.end - spans.start).tolist() == [8, 5, 8]


@pytest.mark.parametrize(
    ("days", "every"),
    [
        ([0, 31, 59], "month"),
        ([14.5, 45, 73.5], "month"),
        ([0, 1, 2], "1-day"),
        ([0, 8, 16, 24], "8-day"),
        ([0, 0.25, 0.5], "6-hour"),
        ([0, 365, 730], "year"),
        ([0, 10, 20, 31, 41, 51], "10-day"),
    ],
)
def test_steps_are_found_out_from_their_distances(days, every):
    assert make(days, None).every == every


@pytest.mark.parametrize("every", ["day", "8-day", "3-hour", "month", "year", "0.25-day"])
def test_what_is_said_goes_first(every):
    assert make([0], every).every == every


def test_bounds_tell_what_a_step_is():
    stamps = Moments(days=np.array([START + 15]), bounds=np.array([[START, START + 31]]))
    assert periods(stamps, every=None, label="a series").every == "month"


def test_ends_that_are_covered_in_part_are_left_out_and_said(tmp_path):
    days = np.arange(20.0, 100)  # 2001-01-21 to 2001-04-10
    path = write_netcdf(
        tmp_path / "t.nc",
        {"t2m": (ramp(80, 0, 20), {"units": "degC"})},
        time=(days, {"units": "days since 2001-01-01"}),
    )
    temp = open_driver(path, "TEMP")
    assert temp.indexes["time"].astype(str).tolist() == ["2001-02-01", "2001-03-01"]
    assert "left out at the ends, covered in part: 2001-01, 2001-04" in temp.attrs["conversion"]
    assert open_driver(path, "TEMP", coverage=0.3).sizes["time"] == 4


def test_holes_are_refused_or_left_missing(tmp_path):
    time = (np.array([0, 1, 3, 4]), {"units": "months since 2001-01-01"})
    path = write_netcdf(tmp_path / "t.nc", {"t2m": (ramp(4, 0, 20), {"units": "degC"})}, time=time)
    with pytest.raises(ValueError, match=r"has holes: 2001-03 are covered"):
        open_driver(path, "TEMP")
    temp = open_driver(path, "TEMP", gaps="nan")
    assert temp.isnull().all(("lat", "lon")).values.tolist() == [False, False, True, False, False]
    np.testing.assert_allclose(temp[3].values[::-1], ramp(4, 0, 20)[2], rtol=1e-6)


@pytest.mark.parametrize("calendar", ["365_day", "360_day", "julian", "all_leap"])
def test_hours_of_any_calendar_become_its_months(tmp_path, calendar):
    length = {"360_day": 30, "all_leap": 29}.get(calendar, 28)
    days = np.arange(0, 31 + 28 + 31.0)
    said = {"units": "days since 2001-01-01", "calendar": calendar}
    path = write_netcdf(
        tmp_path / "p.nc", {"pr": (np.full((days.size, 6, 6), 1e-5), {"units": "kg m-2 s-1"})}, time=(days, said)
    )
    pre = open_driver(path, "PRE")
    assert float(pre[1].mean()) == pytest.approx(1e-5 * 86_400 * length, rel=1e-5)


@pytest.mark.parametrize(
    ("units", "value", "february"),
    [("mm d-1", 2.0, 56), ("mm/hr", 0.1, 67.2), ("m s-1", 1e-8, 24.192), ("mm", 2.0, 56), ("cm", 0.2, 56)],
)
def test_daily_amounts_become_totals(tmp_path, units, value, february):
    time = (np.arange(59.0), {"units": "days since 2001-01-01"})
    path = write_netcdf(tmp_path / "p.nc", {"pr": (np.full((59, 6, 6), value), {"units": units})}, time=time)
    assert float(open_driver(path, "PRE")[1].mean()) == pytest.approx(february, rel=1e-5)


def test_monthly_amounts_stay_what_they_are(tmp_path, monthly):
    for units in ("mm", "mm month-1", "kg m-2"):
        path = write_netcdf(tmp_path / "p.nc", {"pr": (np.full((3, 6, 6), 50.0), {"units": units})}, time=monthly)
        assert open_driver(path, "PRE")[:, 0, 0].values.tolist() == [50, 50, 50]


def test_energy_of_periods_becomes_a_flux(tmp_path, monthly):
    seconds = 86_400 * np.array([31, 28, 31])[:, None, None]
    path = write_netcdf(
        tmp_path / "r.nc", {"rsds": (1e-4 * seconds * np.ones((1, 6, 6)), {"units": "MJ m-2"})}, time=monthly
    )
    assert open_driver(path, "PAR")[:, 0, 0].values == pytest.approx([194, 194, 194])
