"""Workbooks of ChinaFLUX: ten generated stations in all forms in one call, and each trap by its name."""

from __future__ import annotations

import math

import chinaflux_files as files
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from xnee.checking import check_time
from xnee.sources.chinaflux.reading import read_chinaflux
from xnee.variables import VARIABLES, check_units

NAME = "2003年长白山通量月数据.csv"
SUMS = [40.0, 35, 20, 5, -60, -120, -150, -110, -40, 10, 30, 38]


@pytest.fixture(scope="module")
def ten(tmp_path_factory):
    folder = tmp_path_factory.mktemp("downloads")
    truth = {code: make(folder) for code, make in files.STATIONS.items()}
    return read_chinaflux(folder), truth


@pytest.fixture
def read(tmp_path):
    """Read one small table: headings to columns, dates first."""

    def read(columns, name=NAME, *, months=12, encoding="utf-8", weather=None, **options):
        head = {"年": [2003 + i // 12 for i in range(months)], "月": [i % 12 + 1 for i in range(months)]}
        head = {} if "year" in columns or "年" in columns else head
        path = files.write_csv(tmp_path / name, rows_of(head | columns), encoding)
        paths = [path]
        if weather is not None:
            paths.append(files.write_csv(tmp_path / name.replace("通量", "气象"), rows_of(head | weather)))
        return read_chinaflux(paths, **options)

    return read


def rows_of(columns):
    return [list(columns), *(list(row) for row in zip(*columns.values(), strict=True))]


def series(ds, name="NEE"):
    return ds[name].isel(site=0).values.tolist()


def fluxes(factor=1.0, unit="（gC.m-2.mon-1）"):
    return {f"NEE{unit}": [value * factor for value in SUMS]}


# Ten stations in one call


@pytest.mark.parametrize("code", files.STATIONS)
def test_ten_stations_in_all_forms_are_equal_to_what_was_written(ten, code):
    ds, truth = ten
    months = [f"{when:%Y-%m}" for when in ds.indexes["time"]]
    for name, by_month in truth[code].items():
        expected = [by_month.get(month, math.nan) for month in months]
        np.testing.assert_allclose(ds[name].sel(site=code), expected, rtol=0, atol=1e-6, err_msg=f"{code} {name}")
    assert np.isfinite(ds["NEE"].sel(site=code)).any()


def test_ten_stations_have_the_shape_of_sites(ten):
    ds, _ = ten
    assert ds["site"].values.tolist() == sorted(files.STATIONS)
    assert list(ds.data_vars) == ["NEE", "NEE_QC", *files.DRIVERS, "PAR_derived"]
    assert {name: ds[name].dims for name in ds.data_vars} == dict.fromkeys(ds.data_vars, ("site", "time"))
    check_time(ds)
    for name in ("NEE", *files.DRIVERS):
        check_units(name, ds[name].attrs["units"])
        assert ds[name].dtype == "float64"
        assert float(ds[name].min()) >= VARIABLES[name].low
        assert float(ds[name].max()) <= VARIABLES[name].high
    assert ds["pft"].sel(site=["CBF", "QYF", "HZF"]).values.tolist() == ["MF", "ENF", "DNF"]
    assert float(ds["lat"].sel(site="CBF")) == 42.4025
    assert (ds.attrs["qc_min"], ds.attrs["coverage_min"]) == (0.0, 0.75)


def test_months_of_nee_are_counted_by_reason(ten):
    ds, truth = ten
    counts = {name: count for name, count in ds.attrs.items() if name.startswith("months_")}
    whole = counts.pop("months_in_files")
    assert whole == sum(len(of["NEE"]) for of in truth.values()) == sum(counts.values())
    assert counts["months_with_nee"] == int(ds["NEE"].notnull().sum())


def test_files_are_written_as_netcdf(ten, tmp_path):
    ds, _ = ten
    ds.to_netcdf(tmp_path / "sites.nc")
    with xr.open_dataset(tmp_path / "sites.nc") as back:
        xr.testing.assert_identical(back["NEE"].load(), ds["NEE"])


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "NEE",
            "CBF: 插补NEE（mg.CO2.m-2.s-1） is taken, gap-filled; 质控NEE（mg.CO2.m-2.s-1） tells what is measured",
        ),
        ("NEE", "GEE is negative: NEE = RE + GEE in 100 % of rows"),
        ("NEE", "GPP is positive: NEE = RE - GPP in 100 % of rows"),
        ("NEE", "MEF: no unit is written: mg CO2 m-2 s-1 by the scale and the size"),
        ("NEE", "XBF: no unit is written: g C m-2 month-1 by the scale and the size"),
        ("TEMP", "CBF: Ta_7_AVG is taken, the highest with values; not Ta_1_AVG"),
        ("TEMP", "LDF: 冠层上方空气温度 is taken, the highest with values; not 冠层下方空气温度"),
        ("PA", "ALF, HZF, JFF: no unit is written: hPa by the range"),
        ("PA", "BTF, CBF, LDF, MEF, XBF: no unit is written: kPa by the range"),
        ("VWC", "ALF, JFF, MEF: no unit is written: % by the range"),
        ("TS", "MEF: Ts0cm is taken, the uppermost with values; not Ts5cm"),
        ("WD", "JFF: headings of wind speed and direction stand the wrong way round by their ranges: swapped"),
        ("VPD", "QYF: 11 months from vapour pressure"),
        ("VPD", "MEF: 2 months given"),
        ("VPD", "JFF: RH: a fraction by its range"),
        ("PAR", "BTF: 12 months from shortwave radiation"),
        ("", "LDF, XBF: text in GB18030"),
        ("", "HZF: stamps mark the ends of intervals"),
        ("", "JFF: rows of a year: the sheet is left out"),
        ("", "JFF: columns not used: Rn, E"),
    ],
)
def test_everything_odd_is_said(ten, name, said):
    ds, _ = ten
    assert said in (ds[name].attrs["notes"] if name else ds.attrs["notes"])
    assert said in ds.attrs["notes"]


def test_derived_par_is_flagged(ten):
    ds, _ = ten
    flagged = ds["PAR_derived"].sum("time")
    assert {str(site): int(flagged.sel(site=site)) for site in ds["site"].values if flagged.sel(site=site)} == {
        "BTF": 12
    }


def test_negative_precipitation_is_a_gap_and_counted(ten):
    ds, _ = ten
    assert ds["PRE"].attrs["values_negative"] > 0


def test_a_month_of_too_few_days_is_a_gap_and_counted(ten):
    ds, _ = ten
    assert ds["TEMP"].attrs["months_under_coverage"] == 1
    assert np.isnan(ds["TEMP"].sel(site="QYF", time="2003-02-01"))


def test_order_of_files_does_not_matter(tmp_path):
    files.ailaoshan(tmp_path)
    files.xiaolangdi(tmp_path)
    paths = sorted(tmp_path.iterdir())
    xr.testing.assert_equal(read_chinaflux(paths), read_chinaflux(paths[::-1]))


# Traps, one by one


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_encodings_of_csv(read, encoding):
    assert series(read(fluxes(), encoding=encoding)) == SUMS


@pytest.mark.parametrize("separator", [",", ";", "\t", "，"])
def test_separators_of_csv(tmp_path, separator):
    path = tmp_path / NAME
    path.write_text(
        "\n".join(separator.join(map(str, row)) for row in rows_of({"年": [2003], "月": [1], "NEE": [-90]}))
    )
    assert series(read_chinaflux(path)) == [-90]


@pytest.mark.parametrize(
    "heading",
    [
        "NEE（gC.m-2.mon-1）",
        "NEE (g C m-2 mon-1)",
        "ＮＥＥ（ｇＣ．ｍ－２．ｍｏｎ－１）",
        "NEE/(gC·m⁻²·月⁻¹)",
        "净生态系统交换量【gC/m2/月】",
        "插补NEE（gC m^-2 month^-1）",
        "NEE g C m-2 mon-1",
    ],
)
def test_brackets_and_spellings_of_units(read, heading):
    ds = read({heading: SUMS})
    assert series(ds) == SUMS
    assert "no unit" not in ds["NEE"].attrs["notes"]


@pytest.mark.parametrize(
    "token", ["-99999", "-9999", "-9999.00", "", "NAN", "NaN", "1.#IND", "-1.#IND", "1.#INF", "1.#QNAN"]
)
def test_spellings_of_no_value(read, token):
    ds = read({"NEE（gC.m-2.mon-1）": [*SUMS[:-1], token]})
    assert series(ds)[:-1] == SUMS[:-1]
    assert math.isnan(series(ds)[-1])
    assert ds.attrs["months_without_nee"] == 1


def test_month_sums_stay_sums_and_means_per_day_are_multiplied_by_their_days(read):
    days = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    sums = series(read(fluxes()))
    means = series(read(fluxes(1 / 30, "（gC.m-2.d-1）")))
    np.testing.assert_allclose(means, [value / 30 * day for value, day in zip(sums, days, strict=True)])


@pytest.mark.parametrize(
    ("unit", "a_day"), [("mgCO2.m-2.s-1", 23.58), ("umol m-2 s-1", 1.0377), ("g CO2 m-2 d-1", 12.011 / 44.009)]
)
def test_rates_in_a_monthly_sheet_become_month_sums(read, unit, a_day):
    ds = read({f"NEE（{unit}）": [value / 30 / a_day for value in SUMS]})
    assert series(ds)[3] == pytest.approx(SUMS[3], rel=1e-4)  # April has 30 days


def test_factors_are_those_of_the_data_papers():
    from xnee.sources.chinaflux.units import MILLIGRAM_CO2_PER_SECOND
    from xnee.variables import GRAM_CARBON_PER_DAY

    assert round(MILLIGRAM_CO2_PER_SECOND, 2) == 23.58
    assert pytest.approx(1.0377, abs=1e-4) == GRAM_CARBON_PER_DAY


def test_units_of_the_user_go_first(read):
    ds = read({"NEE": [value / 30 for value in SUMS]}, units={"NEE": "g C m-2 d-1"})
    assert series(ds)[3] == pytest.approx(5)


def test_monthly_sheets_have_no_quality_and_no_qc_min_drops_them(read):
    ds = read(fluxes(), qc_min=0.9)
    assert ds["NEE_QC"].isnull().all()
    assert series(ds) == SUMS
    assert ds.attrs["months_under_qc_min"] == 0


def half_hours(tmp_path, columns, name="2003年长白山通量30分钟数据.csv", days=31, **tokens):
    stamps = files.half_hours("2003-01-01", days)
    rows = files.lay(files.dates(stamps, "年 月 日 时 分"), columns, **tokens)
    return files.write_csv(tmp_path / name, rows)


def test_screened_nee_beside_filled_nee_tells_the_measured_share(tmp_path):
    screened = np.where(np.arange(48 * 31) % 5 < 2, -0.1, np.nan)
    path = half_hours(tmp_path, {"质控NEE": screened, "插补NEE": np.full(48 * 31, -0.1)})
    ds = read_chinaflux(path)
    assert ds["NEE_QC"].item() == pytest.approx(0.4, abs=1e-3)
    assert ds["NEE"].item() == pytest.approx(-0.1 * 23.58 * 31, rel=1e-3)
    strict = read_chinaflux(path, qc_min=0.5)
    assert strict["NEE"].isnull().all()
    assert (strict.attrs["months_under_qc_min"], strict["NEE_QC"].item()) == (1, ds["NEE_QC"].item())


def test_screened_nee_alone_obeys_the_least_coverage_and_says_that_it_has_gaps(tmp_path):
    screened = np.where(np.arange(48 * 31) % 5 < 2, -0.1, np.nan)
    path = half_hours(tmp_path, {"质控NEE": screened})
    ds = read_chinaflux(path)
    assert ds["NEE"].isnull().all()
    assert ds.attrs["months_under_coverage"] == 1
    assert "has gaps, which are not filled" in ds["NEE"].attrs["notes"]
    assert np.isfinite(read_chinaflux(path, coverage_min=0.3)["NEE"]).all()


def test_wind_direction_is_a_vector_mean_around_north(tmp_path):
    wind = np.where(np.arange(48 * 31) % 2, 350.0, 20.0)
    path = half_hours(tmp_path, {"NEE": np.full(48 * 31, -0.1), "WD": wind})
    assert read_chinaflux(path)["WD"].item() == pytest.approx(5)


def test_stamps_at_the_ends_of_intervals_do_not_give_a_half_hour_to_the_next_month(tmp_path):
    stamps = [when + pd.Timedelta(minutes=30) for when in files.half_hours("2003-01-01", 31)]
    rows = files.lay(files.dates(stamps, "年 月 日 时 分"), {"NEE": np.full(48 * 31, -0.1)})
    ds = read_chinaflux(files.write_csv(tmp_path / "CBF_flux_30min.csv", rows))
    assert ds.sizes["time"] == 1
    assert ds["NEE_QC"].item() == 1


def test_hour_24_is_the_end_of_a_day(tmp_path):
    days = [day for day in range(1, 32) for _ in range(24)]
    head = {"年": [2003] * 744, "月": [1] * 744, "日": days, "时": [*range(1, 25)] * 31}
    path = files.write_csv(tmp_path / "CBF_flux.csv", rows_of(head | {"NEE": [-0.1] * 744}))
    ds = read_chinaflux(path)
    assert (ds.sizes["time"], ds["NEE_QC"].item()) == (1, 1)


@pytest.mark.parametrize(
    ("head", "stamps"),
    [
        (["年", "月", "日"], [[2003, 1, 1], [2003, 1, 2]]),
        (["YYYY", "MM00", "DD00"], [[2003, 1, 1], [2003, 1, 2]]),
        (["yy", "mm", "dd"], [[3, 1, 1], [3, 1, 2]]),
        (["year", "doy"], [[2003, 1], [2003, 2]]),
        (["日期"], [["2003-01-01"], ["2003/1/2"]]),
        (["date"], [["20030101"], ["20030102"]]),
        (["时间"], [["2003年1月1日"], ["2003年1月2日"]]),
        (["年", "月", "日"], [["2003年", "1月", "1日"], ["2003年", "1月", "2日"]]),
        (["年", "月", "日"], [[2003, 1, 1], ["", 1, 2]]),  # merged cells
        (["月", "日"], [[1, 1], [1, 2]]),  # the year is in the name of the file
    ],
)
def test_spellings_of_dates(tmp_path, head, stamps):
    rows = [[*head, "NEE"], *([*stamp, -2.0] for stamp in stamps)]
    ds = read_chinaflux(files.write_csv(tmp_path / "2003年长白山通量日数据.csv", rows), coverage_min=0)
    assert ds.indexes["time"].strftime("%Y-%m").tolist() == ["2003-01"]
    assert ds["NEE_QC"].item() == pytest.approx(2 / 31)


def test_hours_written_hhmm(tmp_path):
    clock = [100 * (i // 2) + 30 * (i % 2) for i in range(48)]
    columns = {"year": [2003] * 48, "doy": [1] * 48, "hour": clock, "NEE": [-0.1] * 48}
    ds = read_chinaflux(files.write_csv(tmp_path / "CBF_flux.csv", rows_of(columns)), coverage_min=0)
    assert ds["NEE_QC"].item() == pytest.approx(1 / 31)


def test_months_without_a_row_are_gaps_in_one_axis(read):
    ds = read({"年": [2003, 2003, 2003], "月": [1, 2, 5], "NEE（gC.m-2.mon-1）": [1, 2, 3]})
    np.testing.assert_equal(series(ds), [1, 2, np.nan, np.nan, 3])


WEATHER = {"Ta": [20.0] * 12, "RH": [60.0] * 12}


def saturated(celsius=20.0):
    return float(files.saturation(np.array([celsius]))[0])


def test_vpd_from_humidity_in_percent_or_as_a_fraction(read):
    for factor in (1, 0.01):
        ds = read(fluxes(), weather={"Ta": [20.0] * 12, "RH": [60 * factor] * 12})
        np.testing.assert_allclose(ds["VPD"], 0.4 * saturated())


def test_vpd_is_given_in_kpa_or_hpa_and_told_by_saturation(read):
    given = [0.4 * saturated()] * 12
    for factor, unit in ((0.1, ""), (1, ""), (0.1, "(kPa)"), (1, "(hPa)"), (1, "(kPa)")):
        ds = read(fluxes(), weather={"Ta": [20.0] * 12, f"VPD{unit}": [value * factor for value in given]})
        np.testing.assert_allclose(ds["VPD"], given[0])
    assert "'kPa' is written, but it is hPa as it would pass saturation in kPa" in ds["VPD"].attrs["notes"]


def test_humidity_and_temperature_are_those_of_one_height(read):
    ds = read(
        fluxes(),
        weather={"近地面空气温度": [10.0] * 12, "冠层上方空气温度": [20.0] * 12, "近地面空气湿度": [60.0] * 12},
    )
    np.testing.assert_allclose(ds["VPD"], 0.4 * saturated(10.0))
    np.testing.assert_allclose(ds["TEMP"], 20)


def test_near_ground_temperature_alone_is_taken_and_said(read):
    ds = read(fluxes(), weather={"近地面空气温度": [10.0] * 12})
    np.testing.assert_allclose(ds["TEMP"], 10)
    assert "near the ground: the sheet has none of the tower top" in ds["TEMP"].attrs["notes"]


def test_an_empty_tower_top_column_gives_way_and_it_is_said(read):
    ds = read(fluxes(), weather={"近地面空气温度": [10.0] * 12, "冠层上方空气温度": [-9999] * 12})
    np.testing.assert_allclose(ds["TEMP"], 10)


def test_pressure_in_kpa_hpa_or_pa_by_range_whatever_is_written(read):
    for factor in (0.1, 1, 100):
        ds = read(fluxes(), weather={"大气压(hPa)": [950.0 * factor] * 12})
        np.testing.assert_allclose(ds["PA"], 950)
    assert "'hPa' is written, but it is Pa by the range" in ds["PA"].attrs["notes"]


def test_soil_water_in_percent_or_as_a_fraction_by_range_whatever_is_written(read):
    for factor, unit in ((1, ""), (100, ""), (100, "(%)"), (1, "(%)"), (100, "(m3 m-3)")):
        ds = read(fluxes(), weather={f"一层土壤体积含水量{unit}": [0.3 * factor] * 12})
        np.testing.assert_allclose(ds["VWC"], 0.3)


def test_swapped_wind_headings_are_told_by_range_or_by_their_units(read):
    for speed, direction in (("WD", "WS"), ("WD(m/s)", "WS(°)")):
        ds = read(fluxes(), weather={speed: [2.5] * 12, direction: [200.0] * 12})
        np.testing.assert_allclose(ds["WS"], 2.5)
        np.testing.assert_allclose(ds["WD"], 200)
        assert "swapped" in ds["WS"].attrs["notes"]


def test_uppermost_soil_layer_is_taken(read):
    ds = read(fluxes(), weather={"三层土壤温度": [3.0] * 12, "一层土壤温度": [1.0] * 12, "二层土壤温度": [2.0] * 12})
    np.testing.assert_allclose(ds["TS"], 1)


def test_precipitation_of_a_month_is_its_sum_and_negative_is_missing(read):
    ds = read(fluxes(), weather={"降水量(mm)": [100.0] * 11 + [-6999]})
    np.testing.assert_equal(series(ds, "PRE"), [100.0] * 11 + [np.nan])


def test_radiation_in_other_units(read):
    ds = read(fluxes(), weather={"光合有效辐射(mol m-2 d-1)": [25.92] * 12})
    np.testing.assert_allclose(ds["PAR"], 300)
    ds = read(fluxes(), weather={"太阳辐射(MJ m-2 d-1)": [12.96] * 12})
    np.testing.assert_allclose(ds["PAR"], 150 * 1.94)


def test_single_impossible_values_become_gaps_and_are_counted(read):
    ds = read(fluxes(), weather={"Ta": [20.0] * 11 + [-300]})
    assert np.isnan(series(ds, "TEMP")[-1])
    assert ds["TEMP"].attrs["values_out_of_range"] == 1


def test_pressure_and_precipitation_named_p_are_not_guessed(read):
    ds = read(fluxes(), weather={"Ta": [20.0] * 12, "P": [90.0] * 12})
    assert not {"PA", "PRE"} & set(ds.data_vars)
    assert "columns not used: P" in ds.attrs["notes"]


def test_columns_that_do_not_balance_are_reported(read):
    ds = read(fluxes() | {"RE": [100.0] * 12, "GPP": [300.0] * 12})
    assert "the columns do not balance" in ds["NEE"].attrs["notes"]


def test_gee_written_positive_is_reported(read):
    gross = [100 - value for value in SUMS]
    ds = read(fluxes() | {"RE": [100.0] * 12, "GEE": gross})
    assert "GEE is positive: NEE = RE - GEE in 100 % of rows" in ds["NEE"].attrs["notes"]


@pytest.mark.parametrize(
    ("name", "site"),
    [
        ("2003年长白山通量月数据.csv", "CBF"),
        ("呼中站2014年通量月尺度数据.csv", "HZF"),
        ("QYF2003_month.csv", "QYF"),
        ("dinghushan_month.csv", "DHF"),
        ("JFS_2020_月.csv", "JFF"),
    ],
)
def test_station_from_the_file_name(read, name, site):
    assert read(fluxes(), name)["site"].values.tolist() == [site]


@pytest.mark.parametrize("station", ["CBF", "cbf", "Changbaishan", "长白山"])
def test_station_from_the_argument_goes_first(read, station):
    assert read(fluxes(), "鼎湖山_月.csv", station=station)["site"].values.tolist() == ["CBF"]


def test_station_from_the_folder(tmp_path):
    folder = tmp_path / "哀牢山"
    folder.mkdir()
    files.write_csv(folder / "2009年通量月数据.csv", rows_of({"年": [2009], "月": [1], "NEE": [-90]}))
    ds = read_chinaflux(tmp_path)
    assert ds["site"].values.tolist() == ["ALF"]
    assert "station read from the folder '哀牢山'" in ds.attrs["notes"]


def test_a_table_of_stations_adds_and_overrides(read):
    table = pd.DataFrame({"site_id": ["CBF", "会同"], "lat": [42.0, 26.8], "lon": [128, 109.6], "igbp": ["MF", "ENF"]})
    assert read(fluxes(), stations=table)["lat"].item() == 42
    ds = read(fluxes(), "会同_2008_月.csv", stations=table)
    assert (ds["site"].item(), ds["pft"].item()) == ("会同", "ENF")


def test_a_workbook_under_the_ending_of_another_is_read_and_said(tmp_path):
    rows = rows_of({"年": [2003], "月": [1], "NEE": [-90]})
    path = files.write_xlsx(tmp_path / "a.xlsx", Sheet1=rows).rename(tmp_path / "长白山_月.xls")
    ds = read_chinaflux(path)
    assert series(ds) == [-90]
    assert "the file is .xlsx inside, whatever its ending" in ds.attrs["notes"]


def test_all_scales_in_one_workbook_are_told_apart_by_the_argument(tmp_path):
    days = files.days("2020-01-01", 366)
    path = files.write_xlsx(
        tmp_path / "金佛山.xlsx",
        日=files.lay(files.dates(days, "年 月 日"), {"NEE": np.full(366, -2.0)}),
        月=rows_of({"年": [2020] * 12, "月": [*range(1, 13)], "NEE": [-50.0] * 12}),
    )
    assert series(read_chinaflux(path, scale="month"))[0] == -50
    assert series(read_chinaflux(path, scale="day"))[0] == -62


def test_lock_files_of_spreadsheets_are_passed_over(tmp_path):
    files.write_csv(tmp_path / NAME, rows_of({"年": [2003], "月": [1], "NEE": [-90]}))
    (tmp_path / "~$2003年长白山通量月数据.xlsx").write_bytes(b"lock")
    assert read_chinaflux(str(tmp_path / "*")).sizes["site"] == 1


def test_meteorology_goes_before_the_weather_of_the_flux_sheet(read):
    ds = read(fluxes() | {"Ta": [1.0] * 12}, weather={"Ta": [20.0] * 12})
    np.testing.assert_allclose(ds["TEMP"], 20)
    assert "in both files: the meteorology goes first" in ds["TEMP"].attrs["notes"]


def test_fluxes_without_meteorology_are_read_and_it_is_said(read):
    ds = read(fluxes())
    assert list(ds.data_vars) == ["NEE", "NEE_QC"]
    assert "no meteorology file" in ds.attrs["notes"]


def test_rows_of_notes_under_the_data_are_left_out_and_said(tmp_path):
    rows = [*rows_of({"年": [2003], "月": [1], "NEE": [-90]}), ["注：数据来自长白山站", "", ""]]
    ds = read_chinaflux(files.write_csv(tmp_path / NAME, rows))
    assert series(ds) == [-90]
    assert "1 rows of text under the data" in ds.attrs["notes"]
