"""Drivers for towers from another table, and the plausible range at the door."""

from __future__ import annotations

import csv

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from xnee.sources.fluxnet import read_fluxnet
from xnee.sources.site_series import add_site_series, implausible
from xnee.variables import VARIABLES


@pytest.fixture
def sites():
    time = pd.date_range("2003-01-01", periods=4, freq="MS").as_unit("ns")
    values = np.arange(8.0).reshape(2, 4)
    attrs = {"units": "degC"}
    return xr.Dataset({"TEMP": (("site", "time"), values, attrs)}, coords={"site": ["XX-Aaa", "XX-Bbb"], "time": time})


@pytest.fixture
def table():
    return pd.DataFrame(
        {
            "site_id": ["XX-Aaa", "XX-Aaa", "XX-Bbb", "XX-Bbb", "XX-Zzz", "XX-Bbb"],
            "timestamp": [200301, 200304, 200302, 200303, 200301, 201001],
            "ndvi": [0.1, 0.4, 0.7, -9999.0, 0.9, 0.8],
            "lai": [1.0, np.nan, 2.5, 3.0, 4.0, 50.0],
        }
    )


def test_series_land_on_their_site_and_month(sites, table):
    added = add_site_series(sites, table, columns={"ndvi": "NDVI", "lai": "LAI"})
    nan = np.nan
    np.testing.assert_array_equal(added["NDVI"], [[0.1, nan, nan, 0.4], [nan, 0.7, nan, nan]])
    np.testing.assert_array_equal(added["LAI"], [[1.0, nan, nan, nan], [nan, 2.5, 3.0, nan]])
    assert added["NDVI"].dims == ("site", "time")
    assert added["NDVI"].dtype == "float64"
    assert added["LAI"].attrs["units"] == "m2 m-2"


def test_rows_are_counted_by_their_fate(sites, table):
    attrs = add_site_series(sites, table, columns={"ndvi": "NDVI"})["NDVI"].attrs
    fates = ("used", "unknown_site", "outside_record", "without_value", "out_of_range")
    assert [attrs[f"rows_{fate}"] for fate in fates] == [3, 1, 1, 1, 0]
    assert attrs["source"] == "ndvi of the table"


def test_a_value_out_of_range_is_missing_and_counted(sites, table):
    table.loc[0, "ndvi"] = 1.5
    ndvi = add_site_series(sites, table, columns={"ndvi": "NDVI"})["NDVI"]
    assert np.isnan(ndvi.values[0, 0])
    assert ndvi.attrs["rows_out_of_range"] == 1


def test_neither_input_changes(sites, table):
    before, frame = sites.copy(deep=True), table.copy()
    add_site_series(sites, table, columns={"ndvi": "NDVI"})
    xr.testing.assert_identical(sites, before)
    pd.testing.assert_frame_equal(table, frame)


def test_order_of_rows_does_not_matter(sites, table):
    one = add_site_series(sites, table, columns={"ndvi": "NDVI"})
    xr.testing.assert_identical(add_site_series(sites, table[::-1], columns={"ndvi": "NDVI"}), one)


def test_file_and_frame_say_the_same(sites, table, tmp_path):
    table.to_csv(tmp_path / "satellite.csv", index=False)
    from_file = add_site_series(sites, str(tmp_path / "satellite.csv"), columns={"ndvi": "NDVI"})["NDVI"]
    np.testing.assert_array_equal(from_file, add_site_series(sites, table, columns={"ndvi": "NDVI"})["NDVI"])
    assert from_file.attrs["source"] == "ndvi of satellite.csv"


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"ndvi": "TEMP"}, r"the Dataset has \['TEMP'\] already. Drop them first"),
        ({"ndvi": "EVI"}, r"names of the vocabulary.*got \['EVI'\]"),
        ({"ndvi": "NEE"}, r"got \['NEE'\]"),
        ({"ndvi": "P"}, "'P' is refused"),
        ({"ndvi": "NDVI", "lai": "NDVI"}, "each once"),
        ({}, "at least one variable"),
        ({"evi2": "NDVI"}, r"the table needs the columns \['evi2'\]; it has \['site_id', 'timestamp', 'ndvi', 'lai'\]"),
    ],
)
def test_requests_that_cannot_be_met(sites, table, columns, says):
    with pytest.raises(ValueError, match=says):
        add_site_series(sites, table, columns=columns)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"site_id": "XX-Zzz", "timestamp": range(200301, 200307)}, r"outside the record.*1 sites \(0 of them"),
        (
            {"timestamp": range(201001, 201007)},
            r"outside the record.*in 2010-01\.\.2010-06, the Dataset 2003-01\.\.2003-04",
        ),
        ({"timestamp": 200301}, "one row for a site and month; XX-Aaa 2003-01 comes more than once"),
        ({"timestamp": 20030101}, "timestamp of the table must hold months written YYYYMM.*got '20030101'"),
        ({"ndvi": [2000, 4000, 7000, 0, 9000, 8000]}, "5 of 6 values, made NDVI in 1, lie outside -0.2..1"),
        ({"ndvi": "green"}, "ndvi of the table must hold numbers; got 'green'"),
    ],
)
def test_tables_that_do_not_fit(sites, table, change, says):
    with pytest.raises(ValueError, match=says):
        add_site_series(sites, table.assign(**change), columns={"ndvi": "NDVI"})


def test_a_cube_is_not_tower_data(table):
    cube = xr.Dataset(coords={"lat": [1.0], "lon": [2.0], "time": [np.datetime64("2003-01-01", "ns")]})
    with pytest.raises(ValueError, match="tower data, with coordinates site and time; got"):
        add_site_series(cube, table, columns={"ndvi": "NDVI"})


@pytest.mark.parametrize("bad", [1, 2])
def test_half_a_column_may_be_implausible(bad):
    values = np.array([97.0] * bad + [0.3] * 2 + [np.nan])
    found = implausible(values, name="VWC", label="x")
    assert found.tolist() == [True] * bad + [False] * 3


def test_most_of_a_column_in_another_unit_is_refused():
    with pytest.raises(ValueError, match=r"x: 2 of 3 values, made TEMP in degC, lie outside -60..50.*first is 285"):
        implausible(np.array([285.0, np.inf, 3.0]), name="TEMP", label="x")


def test_satellite_series_at_real_towers(shared):
    towers = shared / "data/towers"
    sites = read_fluxnet(towers / "fluxnet2015_subset_mm/*.csv", sites=towers / "sites.csv")
    added = add_site_series(sites, towers / "remote_sensing/modis_reflectance_monthly.csv", columns={"ndvi": "NDVI"})
    added = add_site_series(added, towers / "remote_sensing/lai_monthly.csv", columns={"lai": "LAI"})
    table = pd.read_csv(towers / "sites.csv", index_col="site_id")
    for name in ("NDVI", "LAI"):
        both = (added["NEE"].notnull() & added[name].notnull()).sum("time").to_series()
        assert both.to_dict() == table[f"n_nee_qc50_with_{name.lower()}"].to_dict()
        assert float(added[name].max()) <= VARIABLES[name].high
    with (towers / "remote_sensing/modis_reflectance_monthly.csv").open() as file:
        july = next(row for row in csv.DictReader(file) if (row["site_id"], row["timestamp"]) == ("CN-Cha", "200407"))
    assert added["NDVI"].sel(site="CN-Cha", time="2004-07-01").item() == pytest.approx(float(july["ndvi"]))
