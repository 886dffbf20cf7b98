"""Coverage: rows that add up, and say what `windows` says."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from xnee.census import FATES, coverage, coverage_table
from xnee.outliers import drop_outliers
from xnee.sources.fluxnet import read_fluxnet
from xnee.windowing import windows


@pytest.fixture
def sites(towers):
    ds = towers(sites=4, gaps=0.05)
    ds["NEE_QC"][1, 10:14] = 0.2
    ds["NEE"][1, 10:14] = np.nan
    ds["TEMP"][3, 20:25] = np.nan
    for name in ("NEE", "NEE_QC", "TEMP", "PRE"):
        ds[name][2, :5] = np.nan  # a record that begins later
    return ds


@pytest.mark.parametrize("lags", [0, 3, 6])
def test_rows_add_up(sites, lags):
    months = coverage(sites, lags=lags)
    assert months["fate"].values.tolist() == list(FATES)
    xr.testing.assert_equal(months["months"].sum("fate"), months["record"])
    total = (months["present"] + months["missing"]).values
    np.testing.assert_array_equal(total, np.repeat(months["record"].values[:, None], 2, axis=1))
    assert int(months["missing"].min()) >= 0
    assert months.attrs == {"lags": lags, "qc_min": 0.5}


def test_sums_are_those_of_windows(sites):
    months, made = coverage(sites, ["TEMP", "PRE"], lags=3), windows(sites, ["TEMP", "PRE"], lags=3)
    assert int(months["record"].sum()) == made.attrs["site_months"]
    assert int(months["months"].sel(fate="kept").sum()) == made.sizes["sample"]
    for reason, count in made.attrs["dropped"].items():
        assert int(months["months"].sel(fate=reason).sum()) == count
    for name, count in made.attrs["gaps_by_driver"].items():
        assert int(months["broken"].sel(driver=name).sum()) == count


def test_ends_of_a_record_enclose_it(sites):
    months = coverage(sites)
    first, last = (pd.PeriodIndex(pd.DatetimeIndex(months[name]), freq="M") for name in ("first", "last"))
    ordinal = [months.year * 12 + months.month for months in (first, last)]
    assert (ordinal[1] - ordinal[0] + 1).tolist() == months["record"].values.tolist()
    assert str(months["first"].values[2])[:7] == str(sites["time"].values[5])[:7]


def test_months_under_qc_are_told_from_months_without_nee(sites):
    one = coverage(sites, lags=0)["months"].isel(site=1)
    assert int(one.sel(fate="qc")) == 4


def test_dropped_outliers_have_a_row_of_their_own(sites):
    before = coverage(sites)["months"]
    place = int(np.argwhere(np.isfinite(sites["NEE"].values[0]))[8, 0])
    flag = xr.zeros_like(sites["NEE"], dtype=bool)
    flag[0, place] = True
    flagged = sites.assign(NEE_outlier=flag)
    xr.testing.assert_equal(coverage(flagged)["months"], before)  # flagged, not dropped
    after = coverage(drop_outliers(flagged))["months"]
    assert int(after.sel(fate="outlier").sum()) == 1
    xr.testing.assert_equal(after.sum("fate"), before.sum("fate"))
    xr.testing.assert_equal(after.sel(fate="no target"), before.sel(fate="no target"))


def test_a_site_without_any_value_has_no_record(sites):
    for name in ("NEE", "NEE_QC", "TEMP", "PRE"):
        sites[name][0] = np.nan
    months = coverage(sites)
    assert int(months["record"][0]) == int(months["months"][0].sum()) == 0
    assert np.isnat(months["first"].values[0])
    assert "NaT" in coverage_table(months).splitlines()[1]


def test_a_static_driver_has_a_value_in_each_month_of_the_record(sites):
    sites["AGE"] = ("site", [80.0, 20, 35, 120], {"units": "year"})
    months = coverage(sites, ["TEMP", "AGE"])
    xr.testing.assert_equal(months["present"].sel(driver="AGE", drop=True), months["record"])
    assert int(months["missing"].sel(driver="AGE").sum()) == 0


def test_without_nee_only_drivers_count(sites):
    months = coverage(sites.drop_vars(["NEE", "NEE_QC"]))
    assert int(months["months"].sel(fate=["qc", "no target", "outlier"]).sum()) == 0
    xr.testing.assert_equal(months["months"].sum("fate"), months["record"])


def test_table_says_the_same(sites):
    months = coverage(sites)
    lines = [line.split() for line in coverage_table(months).splitlines()]
    assert lines[0][:5] == ["site", "pft", "first", "last", "record"]
    assert lines[1][:5] == ["T00", "DBF", "2001-01", "2003-12", "36"]
    assert [int(cell) for cell in lines[1][5:11]] == months["months"].values[0].tolist()
    assert lines[-1][0] == "all"
    assert [int(cell) for cell in lines[-1][1:8]] == [
        int(months["record"].sum()),
        *months["months"].sum("site").values.tolist(),
    ]


def test_bad_arguments_are_those_of_windows(sites):
    with pytest.raises(ValueError, match="'P' is refused"):
        coverage(sites, ["P"])
    with pytest.raises(ValueError, match="lags must be 0 or more"):
        coverage(sites, lags=-1)
    with pytest.raises(ValueError, match="at least one site is needed"):
        coverage(sites.isel(site=[]))


def test_real_towers_add_up_to_the_counts_of_the_reader(shared):
    folder = shared / "data/towers"
    sites = read_fluxnet(folder / "fluxnet2015_subset_mm/*.csv", sites=folder / "sites.csv")
    months = coverage(sites, ["TEMP", "PRE", "VPD", "PAR"])
    total = months["months"].sum("site").to_series()
    assert int(months["record"].sum()) == sites.attrs["months_in_files"] == 6012
    assert total.to_dict() == {
        "qc": sites.attrs["months_under_qc_min"],
        "outlier": 0,
        "no target": sites.attrs["months_without_nee"],
        "start of record": 146,
        "driver gap": 0,
        "kept": 4708,
    }
