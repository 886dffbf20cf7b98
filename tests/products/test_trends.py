"""Trends and anomalies of totals, member by member."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from xnee.products.budget import budget
from xnee.products.store import open_product
from xnee.products.trends import anomaly, trend

from .conftest import SQUARES, make_predicted


@pytest.fixture(scope="module")
def decade():
    predicted = make_predicted(months=12 * 8, gap=6)  # the first year is not whole
    odd = xr.DataArray(np.where(predicted["time"].dt.year == 2005, 60.0, 0.0), dims="time")
    for name in ("NEE", "NEE_member"):
        predicted[name] = (predicted[name] + odd).astype("f4").assign_attrs(predicted[name].attrs)
    return predicted


@pytest.mark.parametrize("method", ["theil-sen", "ols"])
def test_trend_is_that_of_the_library(decade, method):
    result, totals = trend(decade, method=method), budget(decade)
    years = np.arange(2002, 2009)
    for pft in ("DBF", "MF"):
        series = totals["NEE_total"].sel(pft=pft, year=years).values
        expected = (
            stats.theilslopes(series, years)[0] if method == "theil-sen" else stats.linregress(years, series).slope
        )
        assert float(result["trend"].sel(pft=pft)) == pytest.approx(expected)
        assert result["trend_low"].sel(pft=pft) <= expected <= result["trend_high"].sel(pft=pft)
    assert result.attrs["period"] == "2002 to 2008"
    assert int(result["years"]) == 7
    assert result["trend"].attrs["units"] == "Tg C yr-1 yr-1"
    assert method.split("-")[0] in result.attrs["method"].lower() or "least squares" in result.attrs["method"]


def test_one_odd_year_moves_least_squares_only(decade):
    robust, squares = (trend(decade, by=("year",), method=method)["trend"] for method in ("theil-sen", "ols"))
    true = trend(make_predicted(months=96, gap=6), by=("year",))["trend"]
    assert abs(robust - true) < 0.1 * abs(squares - true) + 1e-6 or abs(robust / true - 1) < 0.3


def test_spread_of_a_trend_is_that_of_the_members_trends():
    predicted = make_predicted(months=60)
    result = trend(predicted, by=("year",))
    factor = 1 + 0.2 * np.arange(3) / 2  # a member is a factor, and so is its trend
    expected = abs(result["trend"]) * factor.std(ddof=1) / factor.mean()
    np.testing.assert_allclose(result["trend_std"], expected, rtol=1e-4)


def test_anomalies_are_of_a_period_and_add_up_to_nothing(decade):
    result = anomaly(decade)
    np.testing.assert_allclose(result["anomaly"].sum("year"), 0, atol=1e-9)
    assert result["year"].values.tolist() == list(range(2002, 2009))
    totals = budget(decade)["NEE_total"]
    some = anomaly(decade, period=(2002, 2004))["anomaly"]
    expected = totals - totals.sel(year=[2002, 2003, 2004]).mean("year")
    np.testing.assert_allclose(some.sel(year=2008), expected.sel(year=2008), rtol=1e-9, atol=1e-12)


def test_what_members_err_by_in_all_years_is_not_in_an_anomaly():
    predicted = make_predicted(months=36)
    shifted = predicted["NEE_member"] + xr.DataArray([-20.0, 0.0, 20.0], dims="member")
    predicted["NEE_member"] = shifted.astype("f4").assign_attrs(predicted["NEE_member"].attrs)
    totals, own = budget(predicted), anomaly(predicted)
    assert (own["anomaly_std"].sel(pft="MF") < 0.05 * totals["NEE_total_std"].sel(pft="MF")).all()


def test_regions_seasons_and_products_have_them_too(decade, product):
    result = anomaly(decade, by=("season",), regions=SQUARES)
    assert result["anomaly"].dims == ("region", "year", "season")
    assert trend(decade, by=("pft",), regions=SQUARES)["trend"].sizes == {"region": 3, "pft": 5}
    xr.testing.assert_allclose(anomaly(open_product(product)), anomaly(make_predicted()), rtol=1e-9)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda ds: trend(ds, method="loess"), r"method must be one of \('theil-sen', 'ols'\); got 'loess'"),
        (lambda ds: trend(ds, by="pft"), "by must hold"),
        (lambda ds: trend(ds, period=(2002, 2003)), r"3 whole years or more, there are \[2002, 2003\]"),
        (
            lambda ds: anomaly(ds, period=(1990, 1999)),
            r"no whole year lies in \(1990, 1999\); whole years are \[2002, ",
        ),
    ],
)
def test_what_has_no_trend_is_refused(decade, call, message):
    with pytest.raises(ValueError, match=message):
        call(decade)
