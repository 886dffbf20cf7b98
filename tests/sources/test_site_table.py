"""Tables about sites: headings, ids, places, numbers and months."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from xnee.sources.site_table import month_starts, numbers, read_table, site_coords

TABLE = pd.DataFrame(
    {"site_id": ["XX-Aaa", "XX-Bbb"], "lat": [45.0, -10.0], "lon": [7.5, 120.25], "pft": ["DBF", "MF"]}
)


def test_coordinates_are_in_the_order_asked_for():
    coords = site_coords(TABLE.assign(licence="CC-BY-4.0"), ["XX-Bbb", "XX-Aaa"])
    assert coords["site"].values.tolist() == ["XX-Bbb", "XX-Aaa"]
    assert coords["lat"].values.tolist() == [-10.0, 45.0]
    assert coords["pft"].values.tolist() == ["MF", "DBF"]
    assert coords["licence"].values.tolist() == ["CC-BY-4.0"] * 2
    assert coords["name"].values.tolist() == ["", ""]


def test_headings_of_fluxnet_will_do(tmp_path):
    heading = "SITE_ID,SITE_NAME,name,LOCATION_LAT,LOCATION_LONG,IGBP"
    (tmp_path / "list.csv").write_text(
        f"\ufeff{heading}\nXX-Aaa,Alpha,Ours,45,7.5, enf\nXX-Zzz,Z,Z,,,GRA\n", encoding="utf-8"
    )
    coords = site_coords(tmp_path / "list.csv", ["XX-Aaa"])
    assert coords["pft"].values.tolist() == ["ENF"]
    assert coords["lon"].values.tolist() == [7.5]
    assert coords["name"].values.tolist() == ["Ours"]


@pytest.mark.parametrize(
    "heading",
    [
        "Site ID,Latitude (degrees),Longitude (degrees),Vegetation Abbreviation (IGBP)",  # AmeriFlux
        "site_id,location_lat,location_long,igbp",  # FLUXNET shuttle
        "Id,Latitude,Longitude,IGBP_class",
        "SiteID,lat,lon,pft",
        "id,site,lat,lon,pft",  # the first is the number of the row, or another name
        "Site,Site ID,lat,lon,pft",
    ],
)
def test_headings_of_other_lists_will_do(tmp_path, heading):
    before = "1," if heading.count(",") > 3 else ""
    (tmp_path / "list.csv").write_bytes(f"{heading}\r\n{before}XX-Aaa,45,7.5,ENF\r\n".encode())
    coords = site_coords(tmp_path / "list.csv", ["XX-Aaa"])
    assert [coords[name].values.tolist() for name in ("lat", "lon", "pft")] == [[45.0], [7.5], ["ENF"]]


def test_text_that_looks_like_a_gap_is_text(tmp_path):
    (tmp_path / "sites.csv").write_text("site_id,lat,lon,pft,name\nNA,1,2,MF,None\n")
    coords = site_coords(tmp_path / "sites.csv", ["NA"])
    assert coords["name"].values.tolist() == ["None"]


def test_the_table_of_the_user_is_left_alone():
    table = TABLE.rename(columns={"site_id": "SITE_ID"})
    before = table.copy()
    site_coords(table, ["XX-Aaa"])
    pd.testing.assert_frame_equal(table, before)


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (TABLE.drop(columns="lat"), r"lacks \['lat'\], it has \['site_id', 'lon', 'pft'\]"),
        (TABLE.drop(columns="pft"), r"lacks \['pft or igbp'\]"),
        (TABLE.iloc[:0], "the table has no rows"),
        (TABLE.iloc[1:], r"needs a row in the table; none for \['XX-Aaa'\]"),
        (pd.concat([TABLE, TABLE]), r"name each site once; \['XX-Aaa'\] come more than once"),
        (TABLE.assign(lat=95), "lat must lie between -90 and 90 degrees; the table has 95 for XX-Aaa"),
        (TABLE.assign(lon=[np.nan, 1]), "lon must lie between -180 and 180 degrees; the table has nan for XX-Aaa"),
        (TABLE.assign(lat="45 N"), "lat of the table must hold numbers; got '45 N' in row 1"),
        (TABLE.assign(pft=""), r"learns forests only.*says otherwise of XX-Aaa \(empty\)"),
        (TABLE.assign(pft="WSA"), r"column 'pft' of the table says otherwise of XX-Aaa \(WSA\)"),
    ],
)
def test_tables_that_do_not_say_what_is_needed(table, says):
    with pytest.raises(ValueError, match=says):
        site_coords(table, ["XX-Aaa"])


def test_files_that_are_no_tables(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no such file: .*sites.csv"):
        read_table(tmp_path / "sites.csv", needs=[])
    (tmp_path / "sites.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match=r"sites\.csv cannot be read as a comma-separated table"):
        read_table(tmp_path / "sites.csv", needs=[])
    (tmp_path / "sites.csv").write_text("")
    with pytest.raises(ValueError, match=r"sites\.csv cannot be read as a comma-separated table"):
        read_table(tmp_path / "sites.csv", needs=[])
    (tmp_path / "sites.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match=r"sites.csv needs the columns \['c'\]; it has \['a', 'b'\]"):
        read_table(tmp_path / "sites.csv", needs=["a", "c"])


def test_numbers_and_their_gaps():
    cells = pd.Series(["1.5", " -9999.00 ", "", "NA", "-9.999e3", "2"])
    np.testing.assert_array_equal(numbers(cells, label="x"), [1.5, np.nan, np.nan, np.nan, np.nan, 2])
    np.testing.assert_array_equal(numbers(pd.Series([1, -9999]), label="x"), [1, np.nan])
    np.testing.assert_array_equal(numbers(pd.Series([1, None], dtype="Int64"), label="x"), [1, np.nan])


def test_months_in_all_spellings():
    for cells in (pd.Series([200312, 200401]), pd.Series(["200312", "200401"]), pd.Series([200312.0, 200401.0])):
        months = month_starts(cells, label="x")
        assert months.dtype == "datetime64[ns]"
        assert months.strftime("%Y-%m-%d").tolist() == ["2003-12-01", "2004-01-01"]


@pytest.mark.parametrize("cell", [200300, 200313, 2003, 20030101, 200301.5, -200301, None])
def test_months_that_are_none(cell):
    with pytest.raises(ValueError, match="x must hold months written YYYYMM"):
        month_starts(pd.Series([200301, cell]), label="x")
