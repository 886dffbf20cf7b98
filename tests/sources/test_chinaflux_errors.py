"""Downloads of ChinaFLUX that cannot be read: one clear error each, and nothing but ours however damaged."""

from __future__ import annotations

import importlib
import traceback
import zipfile
from pathlib import Path

import chinaflux_files as files
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import xnee
from xnee.sources.chinaflux import sheets
from xnee.sources.chinaflux.reading import read_chinaflux

NAME = "2003年长白山通量月数据.csv"
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


def table(months=12, **columns):
    """Rows of a small monthly sheet."""
    head = {"年": [2003 + i // 12 for i in range(months)], "月": [i % 12 + 1 for i in range(months)]}
    every = head | {name: values if isinstance(values, list) else [values] * months for name, values in columns.items()}
    return [list(every), *(list(row) for row in zip(*every.values(), strict=True))]


def monthly(**columns):
    return table(**({"NEE（gC.m-2.mon-1）": -90.0} | columns))


def daily(**columns):
    stamps = files.days("2003-01-01", 40)
    return files.lay(files.dates(stamps, "年 月 日"), {name: np.full(40, value) for name, value in columns.items()})


@pytest.fixture
def refuse(tmp_path):
    """Write rows or bytes under a name, read them, and see the message."""

    def refuse(what, message, name=NAME, *, error=ValueError, **options):
        path = tmp_path / name
        if isinstance(what, bytes):
            path.write_bytes(what)
        elif path.suffix == ".xlsx":
            files.write_xlsx(path, Sheet1=what)
        else:
            files.write_csv(path, what)
        with pytest.raises(error, match=message):
            read_chinaflux(path, **options)

    return refuse


# Paths and files


def test_no_file_matches(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no file matches .*relative to where Python runs"):
        read_chinaflux(tmp_path / "*.xlsx")


def test_an_empty_folder(tmp_path):
    (tmp_path / "readme.pdf").write_bytes(b"%PDF")
    with pytest.raises(FileNotFoundError, match=r"the folder .* holds no \.xlsx, \.xls, \.csv"):
        read_chinaflux(tmp_path)


def test_no_path_at_all():
    with pytest.raises(FileNotFoundError, match="no file is named"):
        read_chinaflux([])


@pytest.mark.parametrize("paths", [3, None, [3]])
def test_paths_of_the_wrong_kind(paths):
    with pytest.raises(TypeError, match="paths must be a path, a pattern, a folder"):
        read_chinaflux(paths)


@pytest.mark.parametrize("ending", [".pdf", ".docx", ".zip", ".txt", ""])
def test_another_ending(refuse, ending):
    refuse(b"PK\x03\x04", r"must end in \.xlsx, \.xls, \.csv\. Unpack an archive", f"2003年长白山通量月数据{ending}")


@pytest.mark.parametrize("name", [NAME, "2003年长白山通量月数据.xlsx", "2017年宝天曼通量月数据.xls"])
def test_an_empty_file(refuse, name):
    refuse(b"", "is empty: it holds no cell", name)


def test_a_workbook_without_a_cell(refuse):
    refuse([], "is empty: it holds no cell", "长白山.xlsx")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_workbook_cut_short(tmp_path, refuse, share):
    whole = files.write_xlsx(tmp_path / "whole.xlsx", Sheet1=monthly()).read_bytes()
    refuse(whole[: int(share * len(whole))], "is damaged: it begins as a workbook.*Download it again", "长白山.xlsx")


def test_an_old_workbook_cut_short(tmp_path, refuse):
    whole = files.write_xls(tmp_path / "whole.xls", monthly()).read_bytes()
    refuse(whole[:2000], "is damaged: it begins as a workbook", "宝天曼.xls")


def test_garbage_after_the_mark_of_an_archive(refuse):
    refuse(b"PK\x03\x04" + bytes(range(256)) * 4, "is damaged: it begins as a workbook", "长白山.xlsx")


def test_an_archive_of_other_files(tmp_path, refuse):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("2003年长白山.xlsx", b"")
    refuse((tmp_path / "a.zip").read_bytes(), "is an archive of 1 files and no workbook. Unpack it", "长白山.xlsx")


@pytest.mark.parametrize("name", ["长白山.xlsx", "长白山.xls"])
def test_a_password(refuse, name):
    refuse(OLE + b"\0" * 500 + "EncryptedPackage".encode("utf-16-le"), "is protected by a password", name)


def test_a_web_page_under_the_ending_of_a_workbook(refuse):
    refuse(b"\n<html><table><tr><td>NEE</td></tr></table></html>", "is a web page or XML", "长白山.xls")


def test_binary_under_the_ending_of_text(refuse):
    refuse(b"a,b\n\0\0\x01", "is neither a workbook nor text")
    refuse(b"\xff\x81\x20\xff", "is text in neither UTF-8 nor GB18030")


def test_text_that_breaks_off_within_a_character(refuse):
    refuse("年,月,NEE\n2003,1,-90\n注".encode()[:-1], "breaks off within a character")


@pytest.mark.parametrize(("library", "name"), [("openpyxl", "长白山.xlsx"), ("xlrd", "长白山.xls")])
def test_a_library_that_is_not_installed(tmp_path, monkeypatch, library, name):
    rows = monthly()
    path = (
        files.write_xlsx(tmp_path / name, A=rows) if library == "openpyxl" else files.write_xls(tmp_path / name, rows)
    )

    def missing(wanted):
        if wanted == library:
            raise ImportError(wanted)
        return importlib.import_module(wanted)

    monkeypatch.setattr(sheets, "import_module", missing)
    with pytest.raises(
        ImportError, match=rf'read by {library}; pip install "xnee\[excel\]", or save the sheets as .csv'
    ):
        read_chinaflux(path)


# Stations


def test_no_station_in_the_name(refuse):
    refuse(monthly(), r"names no station: looked for CBF \(Changbaishan, 长白山\).*station='CBF'", "flux_month.csv")


def test_two_stations_in_the_name(refuse):
    refuse(monthly(), r"names several stations, \['CBF', 'DHF'\]", "长白山_鼎湖山.csv")


@pytest.mark.parametrize("name", ["燕山灌丛_Flux_月_2020.csv", "西双版纳橡胶林_月.csv"])
def test_a_tower_in_shrub_or_rubber_at_the_place_of_a_forest(refuse, name):
    refuse(monthly(), "is another tower at the place of .*and not its forest", name)


def test_an_unknown_station_by_the_argument(refuse):
    refuse(monthly(), "no station is called 'Harvard'; known are CBF", station="Harvard")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"station": ["CBF", "DHF"]}, TypeError, "station must be the name of one station"),
        ({"scale": "week"}, ValueError, "scale must be one of"),
        ({"coverage_min": 75}, ValueError, "coverage_min is a share of the month, 0 to 1; got 75"),
        ({"coverage_min": float("nan")}, ValueError, "coverage_min is a share of the month"),
        ({"qc_min": "0.5"}, TypeError, "qc_min must be a number"),
        ({"units": "hPa"}, TypeError, "units must map quantities to units"),
        ({"units": {"P": "hPa"}}, ValueError, "units are stated for .*; got 'P'"),
        ({"units": {"NEE": "furlong"}}, ValueError, "'furlong' is no known unit of NEE; known are mg CO2 m-2 s-1"),
        ({"stations": pd.DataFrame({"lat": [1.0]})}, ValueError, "must name its stations in a column site_id"),
    ],
)
def test_arguments(refuse, options, error, message):
    refuse(monthly(), message, error=error, **options)


def test_a_station_of_the_table_without_a_forest(refuse):
    stations = pd.DataFrame({"site_id": ["海北"], "lat": [37.6], "lon": [101.3], "igbp": ["GRA"]})
    refuse(monthly(), "xnee learns forests only", "海北_月.csv", stations=stations)


# Dates


def test_no_columns_of_dates(refuse):
    refuse([["NEE", "RE"], [1, 2]], "has no columns of dates: looked for 年 月 日.*found .*'NEE'")


def test_no_year_anywhere(refuse):
    refuse([["月", "NEE"], [1, -90]], "no column of the year", "长白山.csv")


def test_no_rows_under_the_headings(refuse):
    refuse([["年", "月", "NEE"]], "has no rows of data under its headings 年, 月, NEE")


@pytest.mark.parametrize(
    ("head", "row", "message"),
    [
        (["年", "月"], [2003, 13], "row 2: month must be a number from 1 to 12; got 13"),
        (["年", "月"], [1003, 1], "year must be a number from 1950 to 2100"),
        (["年", "月"], [2003, 1.5], "month must be a number from 1 to 12; got 1.5"),
        (["年", "月"], [2003, -9999], "month must be a number"),
        (["年", "月", "日"], [2003, 2, 29], "row 2: 2003-02 has no day 29"),
        (["year", "doy"], [2003, 366], "has no day 366"),
        (["年", "月", "日", "时"], [2003, 2, 2, 23.5e5], "hour must be a number from 0 to 24"),
        (["年", "月"], ["2003", "Jan"], "month .*must hold numbers; got 'Jan'"),
        (["日期"], ["1月2日"], "is no date. Write 2003-01-31"),
    ],
)
def test_dates_that_are_none(refuse, head, row, message):
    good = {"年": 2003, "月": 1, "日": 1, "时": 0, "year": 2003, "doy": 1, "日期": "2003-01-01"}
    refuse([[*head, "NEE"], [*row, -90], [*(good[name] for name in head), -90]], message, "长白山.csv")


def test_a_row_without_a_date_in_the_midst(refuse):
    rows = monthly()
    rows[5][:2] = [None, None]
    refuse(rows, "row 6 has no date, but rows before and after it do")


def test_a_month_twice_in_a_sheet(refuse):
    rows = monthly()
    refuse([*rows, rows[3]], "has 2003-03 more than once. Each month must stand in one row")


def test_the_same_months_in_a_workbook_and_its_csv(tmp_path):
    files.write_csv(tmp_path / NAME, monthly())
    files.write_xlsx(tmp_path / "2003年长白山通量月数据.xlsx", Sheet1=monthly())
    with pytest.raises(ValueError, match=r"CBF comes twice: .*csv and .*xlsx.* both hold NEE of 2003-01-01"):
        read_chinaflux(tmp_path)


def test_rows_of_weeks(refuse):
    stamps = files.days("2003-01-01", 365)[::7]
    rows = files.lay(files.dates(stamps, "年 月 日"), {"NEE": np.full(len(stamps), -2.0)})
    refuse(rows, "most are 168 hours apart", "长白山.csv")


def test_a_name_that_contradicts_the_stamps(refuse):
    refuse(daily(NEE=-2.0), "is of month rows by its name, but its stamps are those of day rows", NAME)


def test_years_alone(refuse):
    refuse([["年", "NEE"], [2003, -400], [2004, -380]], "none of the files holds rows of half-hours", "长白山_年.csv")


def test_a_scale_that_no_file_has(refuse):
    refuse(monthly(), "none of the files holds rows of a day", scale="day")


def test_scales_that_overlap(tmp_path):
    files.write_csv(tmp_path / NAME, monthly())
    files.write_csv(tmp_path / "2003年长白山通量日数据.csv", daily(NEE=-2.0))
    with pytest.raises(ValueError, match=r"comes at several scales: .*both tell NEE of 2003-01.*scale='month'"):
        read_chinaflux(tmp_path)


# Values and units


def test_no_flux_file(refuse):
    refuse(table(Ta=20.0), "CBF has no flux file: .*Add the 通量 files")


def test_no_known_heading(refuse):
    refuse(table(甲=20.0, 乙=1.0), "none of its headings is known: 甲, 乙")


def test_text_in_a_cell(refuse):
    refuse(monthly(RE=["x", *[100.0] * 11]), "RE of .* must hold numbers; got 'x' in row 1")


def test_a_date_in_a_cell(refuse):
    rows = monthly()
    rows[3][2] = pd.Timestamp("2003-01-01").to_pydatetime()
    refuse(rows, "must hold numbers; got the date 2003-01-01", "长白山_月.xlsx")


def test_a_csv_row_cut_short(refuse):
    text = "\n".join(",".join(map(str, row)) for row in monthly(RE=100.0))
    refuse(text.rpartition(",")[0].encode(), "row 13: 3 cells where the heading has 4. The file is cut short")


def test_an_unknown_unit(refuse):
    refuse(
        table(**{"NEE（kgC/亩）": -90.0}), "'kgC/亩' is no known unit of NEE; known are .*Correct the heading, or say"
    )
    refuse(monthly(**{"大气压(atm)": 0.95}), "'atm' is no known unit of PA")


def test_amounts_of_a_year_in_rows_of_a_month(refuse):
    refuse(table(**{"NEE（gC.m-2.a-1）": -90.0}), "is an amount of a year in rows of a month")


def test_amounts_of_a_month_in_rows_of_a_day(refuse):
    refuse(daily(**{"NEE（gC.m-2.mon-1）": -60.0}), "is an amount of a month in rows of a day", "长白山_日.csv")


def test_a_sum_and_a_mean_of_the_month_in_one_sheet(refuse):
    refuse(
        monthly(**{"NEE（gC.m-2.d-1）": -3.0}), r"both hold NEE, and nothing tells which is meant \(a sum and a mean"
    )


def test_a_sum_or_a_mean_of_the_month_without_a_unit(refuse):
    refuse(table(NEE=-3.0), "fluxes up to 3 may be the sum of a month or its mean per day. Write it into the heading")


def test_month_sums_under_the_unit_of_a_mean_per_day(refuse):
    refuse(table(**{"NEE（gC.m-2.d-1）": -90.0}), "then fluxes reach 90 g C m-2 d-1: these are sums of months")


def test_milligrams_or_micromoles_without_a_unit(refuse):
    stamps = files.half_hours("2003-01-01", 2)
    rows = files.lay(files.dates(stamps, "年 月 日 时 分"), {"NEE": np.full(96, -3.0)})
    refuse(rows, "fluxes up to 3 may be mg CO2 m-2 s-1 or umol m-2 s-1", "长白山_30分钟.csv")


def test_nee_with_the_sign_of_uptake(refuse):
    columns = {f"{name}（gC.m-2.mon-1）": value for name, value in {"NEE": 90.0, "RE": 100.0, "GPP": 190.0}.items()}
    refuse(table(**columns), "is GPP less RE: positive for uptake, the sign of NEP.*multiply the column by -1")


def test_kelvins_without_a_unit(refuse):
    refuse(monthly(Ta=293.0), r"12 of 12 values, made TEMP, lie outside -60..60 \(the first is 293\)")


# However damaged: an error of ours, or months


def forms(folder: Path) -> dict[str, bytes]:
    rows = files.lay(
        files.dates(files.days("2017-01-01", 40), "年 月 日"),
        {"NEE": np.full(40, -2.0), "RE": np.full(40, 3.0), "Ta": np.linspace(-5, 5, 40), "RH": np.full(40, 70.0)},
        missing=-9999,
        units=["年", "月", "日", "gC.m-2.d-1", "gC.m-2.d-1", "℃", "%"],
    )
    written = [
        files.write_xlsx(folder / "宝天曼.xlsx", 通量日=rows, 说明=[["NEE", "净生态系统碳交换"]]),
        files.write_xls(folder / "宝天曼.xls", rows),
        files.write_csv(folder / "宝天曼utf.csv", rows, "utf-8-sig"),
        files.write_csv(folder / "宝天曼gb.csv", rows, "gb18030"),
    ]
    return {path.name: path.read_bytes() for path in written}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return forms(tmp_path_factory.mktemp("whole"))


def read_or_refuse(path):
    """Read; what is refused must be refused by a line of xnee."""
    try:
        ds = read_chinaflux(path)
    except (ValueError, TypeError, OSError, ImportError) as error:
        trace, message = traceback.extract_tb(error.__traceback__), str(error)
    else:
        assert isinstance(ds, xr.Dataset)
        assert set(ds["NEE"].dims) == {"site", "time"}
        return
    assert Path(trace[-1].filename).is_relative_to(Path(xnee.__file__).parent), "".join(trace.format())
    assert len(message) > 20


@st.composite
def damage(draw):
    """Cuts, changed bytes, doubled and lost stretches: places are shares of the file."""
    place = st.floats(0, 1, exclude_max=True)
    kind = st.sampled_from(["cut", "byte", "double", "lose", "zero"])
    return draw(st.lists(st.tuples(kind, place, st.integers(1, 64), st.binary(min_size=1, max_size=4)), max_size=6))


def damaged(data: bytes, steps) -> bytes:
    for kind, share, length, new in steps:
        at = int(share * len(data))
        middle = {
            "cut": b"",
            "byte": new + data[at + len(new) :],
            "double": data[at : at + length] + data[at:],
            "lose": data[at + length :],
            "zero": bytes(length) + data[at + length :],
        }[kind]
        data = data[:at] + middle
    return data


RELAXED = {"deadline": None, "suppress_health_check": [HealthCheck.function_scoped_fixture]}


@pytest.mark.parametrize("name", ["宝天曼.xlsx", "宝天曼.xls", "宝天曼utf.csv", "宝天曼gb.csv"])
@given(steps=damage())
@settings(max_examples=25, **RELAXED)
def test_damaged_bytes_give_our_errors_only(tmp_path, whole, name, steps):
    path = tmp_path / name
    path.write_bytes(damaged(whole[name], steps))
    read_or_refuse(path)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["宝天曼.xlsx", "宝天曼.xls", "宝天曼utf.csv", "宝天曼gb.csv"])
@given(steps=damage())
@settings(max_examples=1000, **RELAXED)
def test_damaged_bytes_give_our_errors_only_many_times(tmp_path, whole, name, steps):
    path = tmp_path / name
    path.write_bytes(damaged(whole[name], steps))
    read_or_refuse(path)


@given(part=st.sampled_from(["xl/workbook.xml", "xl/worksheets/sheet1.xml", "[Content_Types].xml"]), steps=damage())
@settings(max_examples=60, **RELAXED)
def test_damaged_parts_inside_a_workbook_give_our_errors_only(tmp_path, whole, part, steps):
    (tmp_path / "in.xlsx").write_bytes(whole["宝天曼.xlsx"])
    with zipfile.ZipFile(tmp_path / "in.xlsx") as old, zipfile.ZipFile(tmp_path / "宝天曼.xlsx", "w") as new:
        for name in old.namelist():
            new.writestr(name, damaged(old.read(name), steps) if name == part else old.read(name))
    read_or_refuse(tmp_path / "宝天曼.xlsx")


HEADS = [
    "年",
    "月",
    "日",
    "NEE",
    "RE",
    "GEE",
    "Ta",
    "RH",
    "WD",
    "WS",
    "大气压(kPa)",
    "NEE（mg）",
    "mm",
    "yy",
    "doy",
    "hour",
]
CELLS = ["2003", "13", "0", "-1", "1e400", "nan", "inf", "-9999", "1.#IND", "9" * 30, "1e9", "24", "0.5", "2003-01-01"]
SIGNS = ["", " ", "2003年1月", "\ufeff", '"', "（", "）", "/", "①", "²", "٣", "１２", "一层土壤温度", "十层土壤温度"]
ODD = st.sampled_from([*HEADS, *CELLS, *SIGNS])


@given(changes=st.lists(st.tuples(st.integers(0, 14), st.integers(0, 6), ODD), min_size=1, max_size=12))
@settings(max_examples=150, **RELAXED)
def test_odd_cells_give_our_errors_only(tmp_path, changes):
    rows = [["年", "月", "日", "NEE", "RE", "Ta", "RH"], *([2003, 1, i, -2.0, 3.0, 5.0, 70.0] for i in range(1, 15))]
    for r, c, cell in changes:
        rows[r][c] = cell
    read_or_refuse(files.write_csv(tmp_path / "长白山.csv", rows))
