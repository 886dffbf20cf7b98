"""Tower files of FLUXNET: the real ones, and small ones with one trap each."""

from __future__ import annotations

import calendar
import csv
import re
import warnings

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from xnee.sources.fluxnet import read_fluxnet
from xnee.variables import VARIABLES, check_units

NAME = "FLX_XX-Aaa_FLUXNET2015_SUBSET_MM_2003-2003_1-4.csv"
COLUMNS = ("TIMESTAMP", "TA_F", "P_F", "PA_F", "SW_IN_F", "NEE_VUT_REF", "NEE_VUT_REF_QC")
SITES = pd.DataFrame(
    {"site_id": ["XX-Aaa", "XX-Bbb"], "lat": [45.0, -10.0], "lon": [7.5, 120.25], "igbp": ["DBF", "EBF"]}
)


def months(count, first=200301):
    return [str((first // 100 + i // 12) * 100 + first % 100 + i % 12) for i in range(count)]


def row(month, **cells):
    """One month of a plausible forest, with some cells replaced."""
    usual = {
        "TA_F": "10.5",
        "P_F": "2",
        "PA_F": "98.5",
        "SW_IN_F": "150",
        "NEE_VUT_REF": "-1.5",
        "NEE_VUT_REF_QC": "0.9",
    }
    return {"TIMESTAMP": month} | usual | cells


def text_of(rows, columns=COLUMNS):
    columns = [*columns, *(name for name in rows[0] if name not in columns)]
    return "\n".join([",".join(columns), *(",".join(cells[name] for name in columns) for cells in rows)]) + "\n"


@pytest.fixture
def write(tmp_path):
    def write(rows=None, name=NAME, *, text=None):
        path = tmp_path / name
        path.write_text(text if text is not None else text_of(rows or [row(month) for month in months(12)]))
        return path

    return write


@pytest.fixture(scope="module")
def towers(shared):
    return shared / "data/towers"


@pytest.fixture(scope="module")
def real(towers):
    return read_fluxnet(str(towers / "fluxnet2015_subset_mm/*.csv"), sites=towers / "sites.csv")


# The real files


def test_all_real_files_are_read_in_one_call(real):
    assert dict(real.sizes) == {"site": 67, "time": 288}
    assert list(real.data_vars) == [
        *("NEE", "NEE_QC", "NEE_SE", "TEMP", "PRE", "VPD", "WS", "PA", "PAR", "VWC", "TS", "PAR_derived"),
    ]
    assert real["time"].dtype == "datetime64[ns]"
    expected = pd.date_range("1991-01-01", "2014-12-01", freq="MS")
    assert real.indexes["time"].equals(expected.as_unit("ns"))
    assert real["site"].values.tolist() == sorted(real["site"].values.tolist())


def test_real_months_of_nee_are_those_of_the_table(real, towers):
    table = pd.read_csv(towers / "sites.csv", index_col="site_id", keep_default_na=False)
    counted = real["NEE"].notnull().sum("time").to_series()
    assert counted.to_dict() == table["n_nee_qc50"].to_dict()
    for name in ("lat", "lon"):
        np.testing.assert_allclose(real[name], table[name].loc[real["site"].values])
    assert real["pft"].values.tolist() == table["igbp"].loc[real["site"].values].tolist()
    assert real["licence"].values.tolist() == ["CC-BY-4.0"] * 67
    assert str(real["name"].sel(site="DE-Obe").item()) == "Oberbärenburg"


def test_real_gaps_are_counted_by_reason(real):
    assert real.attrs["qc_min"] == 0.5
    assert real.attrs["months_in_files"] == 6012
    assert real.attrs["months_without_nee"] == 180
    assert real.attrs["months_under_qc_min"] == 978
    assert real.attrs["months_with_nee"] == 4854
    assert [real.attrs[f"months_{why}"] for why in ("without_qc", "nee_out_of_range", "not_in_files")] == [0, 0, 0]
    broken = {name: da.attrs["months_out_of_range"] for name, da in real.data_vars.items() if name in VARIABLES}
    assert {name: count for name, count in broken.items() if count} == {"PAR": 2, "VWC": 36}


def test_real_values_are_canonical(real):
    for name in real.data_vars:
        if name in VARIABLES:
            check_units(name, real[name].attrs["units"])
            assert real[name].dtype == "float64"
            assert float(real[name].min()) >= VARIABLES[name].low
            assert float(real[name].max()) <= VARIABLES[name].high


def test_strange_but_good_towers_are_kept(real):
    assert float(real["NEE"].sel(site="US-Ha1", time=slice("2010-12", "2011-03")).max()) > 150
    assert float(real["NEE"].sel(site="AR-Vir").max()) > 150
    assert float(12 * real["NEE"].sel(site="IT-Lav").mean()) < -1500


def by_hand(path):
    """CN-Cha read with the csv module: a second opinion on every conversion."""
    with path.open() as file:
        for cells in csv.DictReader(file):
            value = {name: float(cell) for name, cell in cells.items()}
            year, month = divmod(int(value["TIMESTAMP"]), 100)
            days = calendar.monthrange(year, month)[1]
            yield (
                f"{year}-{month:02d}-01",
                {
                    "NEE": value["NEE_VUT_REF"] * days if value["NEE_VUT_REF_QC"] >= 0.5 else None,
                    "NEE_QC": value["NEE_VUT_REF_QC"],
                    "TEMP": value["TA_F"],
                    "PRE": value["P_F"] * days,
                    "VPD": value["VPD_F"],
                    "WS": value["WS_F"],
                    "PA": value["PA_F"] * 10,
                    "PAR": value["SW_IN_F"] * 1.94,
                    "VWC": value["SWC_F_MDS_1"] / 100,
                    "TS": value["TS_F_MDS_1"],
                    "PAR_derived": 1,
                },
            )


def test_changbaishan_by_hand(real, towers):
    path = towers / "fluxnet2015_subset_mm/FLX_CN-Cha_FLUXNET2015_SUBSET_MM_2003-2005_1-4.csv"
    count = 0
    for time, values in by_hand(path):
        for name, value in values.items():
            came = real[name].sel(site="CN-Cha", time=time).item()
            assert np.isnan(came) if value is None else came == pytest.approx(value, rel=1e-12), (time, name)
        count += 1
    assert count == 36
    assert real["NEE"].sel(site="CN-Cha").notnull().sum() == 34


def test_fullset_says_what_subset_says(real, towers):
    full = read_fluxnet(towers / "fluxnet2015_fullset/*_MM_*.csv", sites=towers / "sites.csv")
    assert full.sizes["site"] == 8
    subset = real.sel(site=full["site"], time=full["time"])
    for name in full.data_vars:
        xr.testing.assert_identical(full[name].drop_attrs(deep=False), subset[name].drop_attrs(deep=False))


def test_par_of_chinese_towers_is_derived(real):
    derived = real["PAR_derived"].sel(site=["CN-Cha", "CN-Din"], time=slice("2003", "2005"))
    assert derived.dtype == "int8"
    assert bool((derived == 1).all())
    assert real.attrs["months_par_derived"] == int(real["PAR_derived"].sum()) == 1765
    # Two Decembers of Sodankylä have a night offset below zero in PPFD_IN: the sun's own radiation is taken.
    dark = real.sel(site="FI-Sod", time=["2001-12-01", "2007-12-01"])
    assert dark["PAR_derived"].values.tolist() == [1, 1]
    assert bool((dark["PAR"] > 0).all())


def test_tower_data_outlive_their_process(real, tmp_path):
    real.to_netcdf(tmp_path / "sites.nc")
    with xr.open_dataset(tmp_path / "sites.nc") as back:
        xr.testing.assert_identical(back.load(), real)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Consolidated metadata")
        real.to_zarr(tmp_path / "sites.zarr")
        with xr.open_zarr(tmp_path / "sites.zarr") as back:
            xr.testing.assert_identical(back.load(), real)


def test_one_site_in_two_resolutions_is_refused(towers):
    says = r"site CN-Cha comes in two resolutions: .*_DD_.* is daily, .*_MM_.* is monthly\. Give one of them"
    with pytest.raises(ValueError, match=says):
        read_fluxnet(towers / "fluxnet2015_fullset/*.csv")


# Names and paths


@pytest.mark.parametrize(
    "name",
    [
        "FLX_XX-Aaa_FLUXNET2015_FULLSET_MM_2003-2003_1-4.csv",
        "FLX_XX-Aaa_FLUXNET2015_FULLSET_MM_2003-2003_beta-3.csv",
        "AMF_XX-Aaa_FLUXNET_FLUXMET_MM_2003-2003_v1.3_r1.csv",
        "AMF_XX-Aaa_FLUXNET_SUBSET_MM_2003-2003_3-5.csv",
        "ICOS_XX-Aaa_FLUXNET_FLUXMET_MM_2003-2003_v1.3_r1.csv",
        "ICOSETC_XX-Aaa_FLUXNET_MM_L2.csv",
    ],
)
def test_names_of_all_networks(write, name):
    ds = read_fluxnet(write(name=name))
    assert ds["site"].values.tolist() == ["XX-Aaa"]
    assert ds.sizes["time"] == 12


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("AMF_XX-Aaa_BASE_HH_23-5.csv", "is AmeriFlux BASE: .* Download AmeriFlux-FLUXNET instead"),
        ("AMF_XX-Aaa_BASE-BADM_23-5.csv", "is AmeriFlux BASE"),
        ("FLX_XX-Aaa_FLUXNET2015_SUBSET_WW_2003-2003_1-4.csv", r"is weekly \(WW\)"),
        ("FLX_XX-Aaa_FLUXNET2015_SUBSET_YY_2003-2003_1-4.csv", r"is yearly \(YY\).*'\*_MM_\*\.csv'"),
        ("FLX_XX-Aaa_FLUXNET2015_ERAI_MM_1989-2014_1-4.csv", "is the ERAI file beside the tower data"),
        ("AMF_XX-Aaa_FLUXNET_ERA5_MM_1981-2024_v1.3_r1.csv", "is the ERA5 file beside the tower data"),
        ("AMF_XX-Aaa_FLUXNET_BIFVARINFO_MM_2003-2003_v1.3_r1.csv", "is the BIFVARINFO file"),
        ("sites.csv", "not named as FLUXNET names its files"),
        ("FLX_XX-Aaa_monthly.csv", "not named as FLUXNET names its files"),
        ("FLX_XX-Aaa_FLUXNET2015_SUBSET_MM_2003-2003_1-4.zip", "is an archive of a site, not a CSV file"),
        ("CumberlandPlain_L6_Monthly.nc", "is NetCDF, as OzFlux and PLUMBER2 write it"),
        ("ICOSETC_XX-Aaa_VARINFO_FLUXNET_MM_L2.csv", "is the VARINFO file beside the tower data"),
        ("FLX_XX-Aaa_JapanFLUX2024_ALLVARS_MM_2003-2003_1-3.csv", "is of JapanFlux2024, whose columns are not"),
        ("FLX_XX-Aaa_FLUXNET-CH4_DD_2003-2003_1-1.csv", "is of FLUXNET-CH4, whose columns are not"),
    ],
)
def test_other_files_are_refused_by_name(write, name, says):
    with pytest.raises(ValueError, match=says):
        read_fluxnet(write(name=name))


def test_nothing_matches(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no file matches .*towers/\*\.csv"):
        read_fluxnet(f"{tmp_path}/towers/*.csv")
    with pytest.raises(FileNotFoundError, match="no file is named"):
        read_fluxnet([])
    with pytest.raises(IsADirectoryError, match=r"is a folder\. Name the files in it"):
        read_fluxnet(tmp_path)


def test_patterns_and_paths_may_overlap(write, tmp_path):
    path = write()
    other = write(name=NAME.replace("Aaa", "Bbb"))
    ds = read_fluxnet([path, f"{tmp_path}/*_MM_*.csv", str(other)])
    assert ds["site"].values.tolist() == ["XX-Aaa", "XX-Bbb"]


def test_order_of_files_does_not_matter(write):
    first, second = write([row("200302")]), write([row("200305", TA_F="1")], name=NAME.replace("Aaa", "Bbb"))
    xr.testing.assert_identical(read_fluxnet([first, second]), read_fluxnet([second, first]))


def test_a_link_keeps_its_own_name(write, tmp_path):
    target = write(name="object-0815")
    (tmp_path / NAME).symlink_to(target)
    assert read_fluxnet(tmp_path / NAME)["site"].item() == "XX-Aaa"


# Values


def test_axis_is_the_union_without_holes(write):
    first = write([row("200302"), row("200304")])
    second = write([row("200307")], name=NAME.replace("Aaa", "Bbb"))
    ds = read_fluxnet([first, second])
    assert ds.indexes["time"].strftime("%Y%m").tolist() == months(6, 200302)
    assert ds["TEMP"].notnull().values.tolist() == [[True, False, True, False, False, False], [False] * 5 + [True]]
    assert ds.attrs["months_not_in_files"] == 21


@pytest.mark.parametrize("spelling", ["-9999", "-9999.0", "-9999.00", " -9999", "-9.999e3", "", "NaN"])
def test_every_spelling_of_missing(write, spelling):
    cells = dict.fromkeys(COLUMNS[1:], spelling)
    ds = read_fluxnet(write([row("200301"), row("200302", **cells)]))
    assert all(np.isnan(ds[name].values[0, 1]) for name in ("NEE", "NEE_QC", "TEMP", "PRE", "PA", "PAR"))
    assert ds.attrs["months_without_nee"] == 1
    assert ds["PAR_derived"].values.tolist() == [[1, 0]]


def test_a_column_without_any_value_is_no_driver(write):
    ds = read_fluxnet(write([row("200301", TS_F_MDS_1="-9999", SW_IN_F="-9999")]))
    assert list(ds.data_vars) == ["NEE", "NEE_QC", "TEMP", "PRE", "PA"]


def test_month_totals_use_the_days_of_their_month(write):
    rows = [row(month, NEE_VUT_REF="-1", P_F="1") for month in ("200402", "200403", "200404")]
    ds = read_fluxnet(write(rows, name=NAME.replace("2003", "2004")))
    assert ds["NEE"].values.tolist() == [[-29, -31, -30]]
    assert ds["PRE"].values.tolist() == [[29, 31, 30]]


def test_wind_direction_is_taken_where_a_monthly_file_has_it(write):
    ds = read_fluxnet(write([row("200301", WD="271.5")]))
    assert ds["WD"].item() == 271.5
    assert ds["WD"].attrs["units"] == "degree"


def test_measured_par_goes_before_derived(write):
    rows = [row("200301", PPFD_IN="321"), row("200302", PPFD_IN="-9999"), row("200303", PPFD_IN="-2")]
    ds = read_fluxnet(write(rows))
    np.testing.assert_allclose(ds["PAR"], [[321, 291, 291]])
    assert ds["PAR_derived"].values.tolist() == [[0, 1, 1]]
    assert ds.attrs["months_par_derived"] == 2
    assert ds["PAR"].attrs["months_out_of_range"] == 1


def test_one_dark_month_is_no_other_unit(write):
    rows = [row(month, PPFD_IN="300", SW_IN_F="150") for month in months(11)]
    ds = read_fluxnet(write([*rows, row("200312", PPFD_IN="-9999", SW_IN_F="-0.3")]))
    assert np.isnan(ds["PAR"].values[0, -1])
    assert ds["PAR"].attrs["months_out_of_range"] == 1
    assert int(ds["PAR_derived"].sum()) == 0


def test_par_without_shortwave_is_flagged_as_measured(write):
    text = "TIMESTAMP,PPFD_IN,NEE_VUT_REF,NEE_VUT_REF_QC\n200301,300,-1,1\n200302,-9999,-1,1\n"
    ds = read_fluxnet(write(text=text))
    assert ds["PAR_derived"].values.tolist() == [[0, 0]]
    assert np.isnan(ds["PAR"].values[0, 1])


def test_each_month_of_nee_has_one_fate(write):
    rows = [
        row("200301"),
        row("200302", NEE_VUT_REF_QC="0.49"),
        row("200303", NEE_VUT_REF_QC="-9999"),
        row("200304", NEE_VUT_REF="-9999"),
        row("200305", NEE_VUT_REF="99", NEE_VUT_REF_QC="0.1"),
        row("200306", NEE_VUT_REF_QC="0.5"),
    ]
    ds = read_fluxnet(write(rows))
    assert ds["NEE"].notnull().values.tolist() == [[True, False, False, False, False, True]]
    reasons = ("with_nee", "under_qc_min", "without_qc", "without_nee", "nee_out_of_range")
    assert [ds.attrs[f"months_{why}"] for why in reasons] == [2, 1, 1, 1, 1]
    assert ds.attrs["months_in_files"] == 6
    assert ds["NEE_QC"].values.tolist()[0][:2] == [0.9, 0.49]
    assert {type(value) for value in ds.attrs.values()} == {int, float, str}


def test_qc_min_zero_keeps_all_that_has_a_quality(write):
    rows = [row("200301", NEE_VUT_REF_QC="0"), row("200302", NEE_VUT_REF_QC="-9999")]
    assert read_fluxnet(write(rows), qc_min=0)["NEE"].notnull().values.tolist() == [[True, False]]


@pytest.mark.parametrize("qc_min", [-0.1, 1.01, 50, float("nan")])
def test_qc_min_is_a_share(write, qc_min):
    with pytest.raises(ValueError, match="qc_min is a share of the month, 0 to 1"):
        read_fluxnet(write(), qc_min=qc_min)


def test_a_broken_sensor_is_counted(write):
    rows = [row(month, SWC_F_MDS_1="97.2" if month == "200303" else "30") for month in months(12)]
    ds = read_fluxnet(write(rows))
    assert int(ds["VWC"].isnull().sum()) == ds["VWC"].attrs["months_out_of_range"] == 1


@pytest.mark.parametrize(
    ("column", "cell", "says"),
    [
        ("TA_F", "285.3", "TA_F of FLX_XX-Aaa.*12 of 12 values, made TEMP in degC, lie outside -60..50"),
        ("PA_F", "985", r"PA_F of .* made PA in hPa.*\(the first is 9850\): the column is in another unit"),
        ("NEE_VUT_REF", "-45", "NEE_VUT_REF of .* must be in g C m-2 per day, .* goes to -45. Is it a total"),
        ("VPD_F", "0.4", r"VPD_F of .* must be in hPa; it never passes 0\.4. Is it in kPa"),
        ("P_F", "80", "P_F of .* must be in mm per day, .*its mean is 80. Is it the total of the month"),
        ("SW_IN_F", "9000000", "SW_IN_F of .* made PAR"),
        ("SWC_F_MDS_1", "0.31", r"SWC_F_MDS_1 of .* must be in % of volume; it never passes 0\.31"),
        ("NEE_VUT_REF_QC", "2", "NEE_VUT_REF_QC of .* is the share of the month, 0 to 1.*got 2. Flags"),
        ("TA_F", "warm", "TA_F of .* must hold numbers; got 'warm' in row 1"),
    ],
)
def test_a_column_in_another_unit_is_refused(write, column, cell, says):
    with pytest.raises(ValueError, match=says):
        read_fluxnet(write([row(month, **{column: cell}) for month in months(12)]))


def test_damp_winters_alone_are_not_taken_for_another_unit(write):
    winters = [row(month, VPD_F="0.4" if month[4:] in ("11", "12", "01", "02") else "-9999") for month in months(48)]
    assert float(read_fluxnet(write(winters, name=NAME.replace("2003-2003", "2003-2006")))["VPD"].max()) == 0.4


# Sites


def test_two_files_of_a_site_follow_each_other(write):
    first = write([row(month) for month in months(12)])
    second = write([row(month) for month in months(12, 200401)], name=NAME.replace("2003", "2004"))
    ds = read_fluxnet([second, first])
    assert dict(ds.sizes) == {"site": 1, "time": 24}
    assert int(ds["NEE"].notnull().sum()) == 24


def test_two_files_of_a_site_may_not_overlap(write):
    first, second = write(), write(name=NAME.replace("SUBSET", "FULLSET"))
    with pytest.raises(
        ValueError, match=r"XX-Aaa comes twice: .*SUBSET.* and .*FULLSET.* both hold 2003-01 and 11 more"
    ):
        read_fluxnet([first, second])


def test_without_a_table_nothing_is_known_of_a_site(write):
    ds = read_fluxnet(write())
    assert np.isnan(ds["lat"].item())
    assert np.isnan(ds["lon"].item())
    assert [ds[name].item() for name in ("pft", "name", "licence")] == ["", "", ""]


def test_coordinates_come_from_the_table(write, tmp_path):
    SITES.assign(name=["Alpha", "Beta"]).to_csv(tmp_path / "sites.csv", index=False)
    ds = read_fluxnet([write(name=NAME.replace("Aaa", "Bbb")), write()], sites=tmp_path / "sites.csv")
    assert ds["lat"].values.tolist() == [45.0, -10.0]
    assert ds["pft"].values.tolist() == ["DBF", "EBF"]
    assert ds["name"].values.tolist() == ["Alpha", "Beta"]
    assert ds["lat"].attrs["units"] == "degrees_north"


def test_site_that_the_table_lacks(write):
    with pytest.raises(ValueError, match=r"needs a row in the table; none for \['XX-Ccc'\]"):
        read_fluxnet([write(), write(name=NAME.replace("Aaa", "Ccc"))], sites=SITES)


def test_site_that_is_no_forest(write):
    table = SITES.assign(igbp=["GRA", "EBF"])
    with pytest.raises(ValueError, match=r"learns forests only.*XX-Aaa \(GRA\)\. Leave the files of these sites out"):
        read_fluxnet(write(), sites=table)


# Damaged files


def damaged(kind):
    whole = text_of([row(month) for month in months(12)])
    lines = whole.splitlines()
    return {
        "empty": "",
        "blank": "\n\n",
        "header only": lines[0] + "\n",
        "last row short": "\n".join([*lines[:5], "200305,10.5"]) + "\n",
        "cut in a row": whole[: whole.index("200305") + 15],
        "cut in the last cell": whole[: whole.index("200305") - 2],
        "row too long": "\n".join([lines[0], lines[1] + ",1", *lines[2:]]) + "\n",
        "no TIMESTAMP": whole.replace("TIMESTAMP", "DATE"),
        "no NEE": whole.replace("NEE_VUT_REF,", "NEE_CUT_REF,"),
        "no QC": whole.replace("NEE_VUT_REF_QC", "QC"),
        "semicolons": whole.replace(",", ";"),
        "twice": "\n".join([*lines, lines[-1]]) + "\n",
        "unsorted": "\n".join([lines[0], *lines[:0:-1]]) + "\n",
        "days": whole.replace("\n2003", "\n200307"),
        "month 13": whole.replace("200312", "200313"),
        "dates": whole.replace("200303", "2003-03"),
        "stamp missing": whole.replace("200303", "-9999"),
        "another year": whole.replace("200312", "210312"),
        "quote": whole.replace("200303,", '"200303,'),
    }[kind]


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("empty", "has no rows of data"),
        ("blank", "has no rows of data"),
        ("header only", "has no rows of data"),
        ("last row short", "line 6: 2 columns where the first line has 7. The file is cut short"),
        ("cut in a row", "line 6: 4 columns where the first line has 7"),
        ("cut in the last cell", "breaks off in the row of 2003-04, before the end of 2003"),
        ("row too long", "line 2: 8 columns where the first line has 7"),
        ("no TIMESTAMP", r"lacks \['TIMESTAMP'\]"),
        ("no NEE", r"lacks \['NEE_VUT_REF'\]; it has TIMESTAMP, NEE_CUT_REF, NEE_VUT_REF_QC"),
        ("no QC", r"lacks \['NEE_VUT_REF_QC'\]"),
        ("semicolons", "lacks .*Is it a comma-separated"),
        ("twice", "months must ascend, each once; .* 2003-12 follows 2003-12"),
        ("unsorted", "months must ascend, each once; .* 2003-11 follows 2003-12"),
        ("days", r"months written YYYYMM, 200307 for July 2003; got '20030701"),
        ("month 13", r"months written YYYYMM.*got '200313"),
        ("dates", "TIMESTAMP of .* must hold numbers; got '2003-03' in row 3"),
        ("stamp missing", "TIMESTAMP of .* months written YYYYMM.*got '-9999"),
        ("another year", "has a row of 2103-12, which lies outside the years of its name"),
        ("quote", "cannot be read as comma-separated numbers"),
    ],
)
def test_damaged_files_are_refused(write, kind, says):
    with pytest.raises(ValueError, match=says) as caught:
        read_fluxnet(write(text=damaged(kind)))
    assert NAME in str(caught.value)


@pytest.mark.parametrize(
    "content", [b"PK\x03\x04\x14\x00\x00\x00\x08", b"\xff\xfe\x00\x01", "TA_F,\xe9".encode("latin-1")]
)
def test_binary_files_are_refused(tmp_path, content):
    (tmp_path / NAME).write_bytes(content)
    with pytest.raises(ValueError, match=re.escape(NAME) + " is not a text file in UTF-8"):
        read_fluxnet(tmp_path / NAME)


def test_byte_order_mark_and_line_ends_do_not_matter(write, tmp_path):
    plain = read_fluxnet(write())
    text = text_of([row(month) for month in months(12)])
    (tmp_path / NAME).write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    xr.testing.assert_identical(read_fluxnet(tmp_path / NAME), plain)
