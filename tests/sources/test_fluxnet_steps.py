"""Months made of days, hours and half-hours: the real daily file, and generated ones with known months."""

from __future__ import annotations

import csv
import math
import random

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from xnee.sources.fluxnet import columns as columns_module
from xnee.sources.fluxnet import read_fluxnet
from xnee.variables import GRAM_CARBON_PER_DAY

STEPS = {"DD": 1440, "HR": 60, "HH": 30}
STAMPS = {"DD": "%Y%m%d", "HR": "%Y%m%d%H%M", "HH": "%Y%m%d%H%M"}


def name_of(resolution, *, site="XX-Aaa", years="2004-2004"):
    return f"FLX_{site}_FLUXNET2015_FULLSET_{resolution}_{years}_1-4.csv"


def steps(resolution, first="2004-02-01", last="2004-03-31", **cells):
    """Rows of a forest with cells that are numbers, or lists of them; February 2004 has 29 days."""
    end = pd.Timestamp(last) + pd.Timedelta(days=1)
    start = pd.date_range(first, end, freq=f"{STEPS[resolution]}min", inclusive="left")
    usual = {"TA_F": 10.5, "P_F": 0.5, "SW_IN_F": 150, "NEE_VUT_REF": -1.5, "NEE_VUT_REF_QC": 0}
    rows = pd.DataFrame(usual | cells, index=range(len(start)))
    stamp = start.strftime(STAMPS[resolution])
    if resolution == "DD":
        rows.insert(0, "TIMESTAMP", stamp)
    else:
        rows.insert(0, "TIMESTAMP_START", stamp)
        rows.insert(1, "TIMESTAMP_END", (start + pd.Timedelta(minutes=STEPS[resolution])).strftime("%Y%m%d%H%M"))
    return rows


@pytest.fixture
def write(tmp_path):
    def write(rows, name):
        rows.to_csv(tmp_path / name, index=False, na_rep="-9999")
        return tmp_path / name

    return write


def cycle(values, count):
    return np.resize(values, count)


# The real daily file against the real monthly one


@pytest.fixture(scope="module")
def changbaishan(shared):
    folder = shared / "data/towers/fluxnet2015_fullset"
    return [
        read_fluxnet(folder / f"FLX_CN-Cha_FLUXNET2015_FULLSET_{kind}_2003-2005_1-4.csv", qc_min=0)
        for kind in ("DD", "MM")
    ]


def test_days_give_the_monthly_file_to_rounding(changbaishan):
    daily, monthly = changbaishan
    assert list(daily.data_vars) == list(monthly.data_vars)
    # Both files are written with three decimals; a month total is a mean times 31, PA a kPa times 10.
    within = {"TEMP": 1e-3, "VPD": 1e-3, "WS": 1e-3, "TS": 1e-3, "VWC": 1e-3, "PRE": 0.031, "PA": 0.01, "PAR": 2e-3}
    for name, tolerance in within.items():
        np.testing.assert_allclose(daily[name], monthly[name], rtol=0, atol=tolerance, err_msg=name)
    assert daily.attrs["months_in_files"] == 36
    assert daily.attrs["source"].startswith("FLUXNET2015 and ONEFlux daily files: FLX_CN-Cha")


def test_days_give_nearly_the_monthly_nee(changbaishan):
    # ONEFlux picks its reference among forty versions of NEE anew at each resolution: 0.23 g C m-2 d-1 at most here.
    daily, monthly = changbaishan
    assert float(abs(daily["NEE"] - monthly["NEE"]).max()) == pytest.approx(7.1, abs=0.1)
    assert float(abs(daily["NEE_QC"] - monthly["NEE_QC"]).max()) < 0.03


def test_days_give_nearly_the_monthly_random_uncertainty(changbaishan):
    daily, monthly = changbaishan
    ratio = (daily["NEE_SE"] / monthly["NEE_SE"]).to_series().dropna()
    assert len(ratio) == 35
    assert 0.84 < ratio.min() < ratio.max() < 1.13
    assert ratio.median() == pytest.approx(1.02, abs=0.01)


def test_joint_uncertainty_is_never_below_the_random_one(shared, changbaishan):
    folder = shared / "data/towers/fluxnet2015_fullset"
    for alone in changbaishan:
        file = folder / alone.attrs["source"].rpartition(" ")[2]
        joint = read_fluxnet(file, qc_min=0, uncertainty="joint")
        ratio = (joint["NEE_SE"] / alone["NEE_SE"]).to_series().dropna()
        assert ratio.min() >= 1
        assert joint["NEE_SE"].attrs["source"] == "NEE_VUT_REF_JOINTUNC"


# Half-hours with known months


def test_half_hours_by_a_slow_loop(write):
    """One month read with the csv module: a second opinion on every mean and every unit."""
    rng = np.random.default_rng(0)
    count = 29 * 48
    values = {
        "TA_F": rng.normal(2, 3, count),
        "P_F": rng.exponential(0.05, count),
        "VPD_F": rng.uniform(0, 5, count),
        "PA_F": rng.uniform(97, 99, count),
        "WS_F": rng.uniform(0.1, 6, count),
        "WD": rng.uniform(0, 360, count),
        "PPFD_IN": rng.uniform(-1, 900, count),
        "SWC_F_MDS_1": rng.uniform(20, 40, count),
        "TS_F_MDS_1": rng.normal(1, 1, count),
        "NEE_VUT_REF": rng.normal(1, 4, count),
        "NEE_VUT_REF_QC": rng.integers(0, 4, count),
        "NEE_VUT_REF_RANDUNC": np.where(rng.random(count) < 0.5, rng.uniform(0.5, 2, count), np.nan),
    }
    path = write(steps("HH", last="2004-02-29", **values), name_of("HH"))
    sums, sine, cosine, good, squares, measured = dict.fromkeys(values, 0.0), 0.0, 0.0, 0, 0.0, 0
    with path.open() as file:
        for cells in csv.DictReader(file):
            sums = {name: sums[name] + float(cells[name]) for name in values}
            sine += math.sin(math.radians(float(cells["WD"])))
            cosine += math.cos(math.radians(float(cells["WD"])))
            good += int(cells["NEE_VUT_REF_QC"]) <= 1
            if float(cells["NEE_VUT_REF_RANDUNC"]) != -9999:
                squares += float(cells["NEE_VUT_REF_RANDUNC"]) ** 2
                measured += 1
    expected = {
        "NEE": sums["NEE_VUT_REF"] / count * 12.011e-6 * 86_400 * 29,
        "NEE_QC": good / count,
        "NEE_SE": math.sqrt(squares) / measured * 12.011e-6 * 86_400 * 29,
        "TEMP": sums["TA_F"] / count,
        "PRE": sums["P_F"],
        "VPD": sums["VPD_F"] / count,
        "WD": math.degrees(math.atan2(sine, cosine)) % 360,
        "WS": sums["WS_F"] / count,
        "PA": sums["PA_F"] / count * 10,
        "PAR": sums["PPFD_IN"] / count,
        "VWC": sums["SWC_F_MDS_1"] / count / 100,
        "TS": sums["TS_F_MDS_1"] / count,
    }
    ds = read_fluxnet(path, qc_min=0)
    for name, value in expected.items():
        assert ds[name].item() == pytest.approx(value, rel=1e-9), name


@pytest.mark.parametrize("resolution", ["DD", "HR", "HH"])
def test_totals_of_all_resolutions(write, resolution):
    per_day = 1440 // STEPS[resolution]
    flux = -2.0 if resolution == "DD" else -2.0 / GRAM_CARBON_PER_DAY
    quality = 1 if resolution == "DD" else 0
    rows = steps(resolution, P_F=3 / per_day, NEE_VUT_REF=flux, NEE_VUT_REF_QC=quality)
    ds = read_fluxnet(write(rows, name_of(resolution)))
    np.testing.assert_allclose(ds["NEE"], [[-58, -62]])
    np.testing.assert_allclose(ds["PRE"], [[87, 93]])
    np.testing.assert_allclose(ds["TEMP"], 10.5)
    np.testing.assert_allclose(ds["NEE_QC"], 1)
    assert ds.indexes["time"].strftime("%Y-%m-%d").tolist() == ["2004-02-01", "2004-03-01"]
    assert ds.attrs["months_not_in_files"] == 10


def test_start_of_a_step_decides_its_month(write):
    rows = steps("HH")
    rows.loc[29 * 48 - 1, "TA_F"] = 10.5 + 29 * 48  # 29 February, 23:30 to 1 March, 00:00
    np.testing.assert_allclose(read_fluxnet(write(rows, name_of("HH")))["TEMP"], [[11.5, 10.5]])


@pytest.mark.parametrize(
    "name",
    [
        "AMF_XX-Aaa_FLUXNET_FULLSET_HH_2004-2004_3-5.csv",
        "AMF_XX-Aaa_FLUXNET_FLUXMET_HH_2004-2004_v1.3_r1.csv",
        "ICOSETC_XX-Aaa_FLUXNET_HH_L2.csv",
    ],
)
def test_names_of_all_networks(write, name):
    ds = read_fluxnet(write(steps("HH"), name))
    assert ds["site"].values.tolist() == ["XX-Aaa"]
    assert ds.attrs["months_with_nee"] == 2


def test_sites_may_differ_in_resolution(write):
    first = write(steps("DD", NEE_VUT_REF_QC=1), name_of("DD"))
    second = write(steps("HR"), name_of("HR", site="XX-Bbb"))
    ds = read_fluxnet([second, first])
    assert ds["site"].values.tolist() == ["XX-Aaa", "XX-Bbb"]
    assert ds.attrs["source"].startswith("FLUXNET2015 and ONEFlux daily, hourly files")
    np.testing.assert_allclose(ds["NEE"].sel(site="XX-Aaa"), [-1.5 * 29, -1.5 * 31])


def test_a_file_read_in_many_blocks_is_the_same(write, monkeypatch):
    rows = steps("HH", TA_F=np.linspace(-5, 25, 60 * 48))
    path = write(rows, name_of("HH"))
    whole = read_fluxnet(path)
    monkeypatch.setattr(columns_module, "_BLOCK", 1000)
    xr.testing.assert_identical(read_fluxnet(path), whole)
    path.write_text(path.read_text().replace("\n200403150030,", "\n\n200403150030,7,", 1))
    with pytest.raises(ValueError, match=f"line {1 + (29 + 14) * 48 + 1 + 2}: 8 columns where the first line has 7"):
        read_fluxnet(path)


# Quality


def test_flags_become_the_share_of_good_steps(write):
    rows = steps("HH", last="2004-02-29", NEE_VUT_REF_QC=cycle([0, 1, 2, 3, 0, 1, 1, 0], 29 * 48))
    path = write(rows, name_of("HH"))
    assert read_fluxnet(path)["NEE_QC"].item() == pytest.approx(0.75)
    assert read_fluxnet(path, qc_min=0.75)["NEE"].notnull().item()
    assert read_fluxnet(path, qc_min=0.76)["NEE"].isnull().item()


def test_steps_without_a_row_are_not_of_good_quality(write):
    rows = steps("DD", last="2004-02-29", NEE_VUT_REF_QC=1).drop(index=[4, 5, 6])
    assert read_fluxnet(write(rows, name_of("DD")))["NEE_QC"].item() == pytest.approx(26 / 29)


@pytest.mark.parametrize(
    ("resolution", "quality", "says"),
    [
        ("HH", 0.5, r"NEE_VUT_REF_QC of .* is a flag, 0, 1, 2 or 3, in half-hourly files; got 0\.5"),
        ("HR", 4, "is a flag, 0, 1, 2 or 3, in hourly files; got 4"),
        ("DD", 2, "is the share of the day, 0 to 1, in daily files; got 2"),
    ],
)
def test_another_dialect_of_quality_is_refused(write, resolution, quality, says):
    with pytest.raises(ValueError, match=says):
        read_fluxnet(write(steps(resolution, NEE_VUT_REF_QC=quality), name_of(resolution)))


# Coverage


def test_months_below_coverage_are_missing_and_counted(write):
    rows = steps("DD", last="2004-04-30", NEE_VUT_REF_QC=1)
    rows.loc[:5, "TA_F"] = np.nan  # 23 of 29 days are 0.793
    rows.loc[29 : 29 + 5, "NEE_VUT_REF"] = np.nan  # 25 of 31 are 0.806
    rows.loc[60:66, "NEE_VUT_REF"] = np.nan  # 23 of 30 are 0.767
    ds = read_fluxnet(write(rows, name_of("DD")))
    assert ds["TEMP"].notnull().values.tolist() == [[False, True, True]]
    assert ds["NEE"].notnull().values.tolist() == [[True, True, False]]
    assert ds["TEMP"].attrs["months_under_coverage"] == ds["NEE"].attrs["months_under_coverage"] == 1
    np.testing.assert_allclose(ds["NEE"][0, 1], -1.5 * 31)  # the other days stand for the missing ones
    less = read_fluxnet(write(rows, name_of("DD")), coverage_min=0.7)
    assert less["NEE"].notnull().all()


def test_a_month_without_any_value_is_not_called_short(write):
    rows = steps("DD", NEE_VUT_REF_QC=1)
    rows.loc[:28, ["NEE_VUT_REF", "NEE_VUT_REF_QC"]] = np.nan
    attrs = read_fluxnet(write(rows, name_of("DD"))).attrs
    assert (attrs["months_without_nee"], attrs["months_under_coverage"], attrs["months_with_nee"]) == (1, 0, 1)


def test_all_days_can_be_asked_for(write):
    rows = steps("DD", NEE_VUT_REF_QC=1)
    rows.loc[3, "P_F"] = np.nan
    ds = read_fluxnet(write(rows, name_of("DD")), coverage_min=1)
    assert ds["PRE"].notnull().values.tolist() == [[False, True]]


def test_each_month_of_half_hours_has_one_fate(write):
    rows = steps("HH", last="2004-07-31")
    month = rows["TIMESTAMP_START"].str[4:6].astype(int)
    rows.loc[(month == 3) & (rows.index % 2 == 0), "NEE_VUT_REF"] = np.nan
    rows.loc[month == 4, "NEE_VUT_REF"] = np.nan
    rows.loc[month == 5, "NEE_VUT_REF_QC"] = 3
    rows.loc[month == 6, "NEE_VUT_REF_QC"] = np.nan
    rows.loc[month == 7, "NEE_VUT_REF"] = 60
    attrs = read_fluxnet(write(rows, name_of("HH"))).attrs
    fates = ("with_nee", "under_coverage", "without_nee", "under_qc_min", "without_qc", "nee_out_of_range")
    assert [attrs[f"months_{fate}"] for fate in fates] == [1, 1, 1, 1, 1, 1]
    assert attrs["months_in_files"] == 6


@pytest.mark.parametrize("share", [0, -0.1, 1.1, float("nan")])
def test_coverage_is_a_share(write, share):
    with pytest.raises(ValueError, match="coverage_min is the share of a month's steps"):
        read_fluxnet(write(steps("DD"), name_of("DD")), coverage_min=share)


# Wind


def test_wind_directions_are_averaged_as_vectors(write):
    rows = steps("HH", WD=cycle([350, 10], 60 * 48), WS_F=2)
    mean = read_fluxnet(write(rows, name_of("HH")))["WD"]
    np.testing.assert_allclose(np.cos(np.deg2rad(mean)), 1)
    assert mean.attrs["method"] == "mean of vectors of length one"


def test_wind_directions_may_be_weighted_by_speed(write):
    rows = steps("HH", WD=cycle([0, 90], 60 * 48), WS_F=cycle([1, math.sqrt(3)], 60 * 48))
    path = write(rows, name_of("HH"))
    np.testing.assert_allclose(read_fluxnet(path)["WD"], 45)
    np.testing.assert_allclose(read_fluxnet(path, wind="speed")["WD"], 60)


def test_winds_that_cancel_have_no_direction(write):
    rows = steps("HH", WD=cycle([90, 270], 60 * 48), WS_F=1)
    assert "WD" not in read_fluxnet(write(rows, name_of("HH")))


def test_impossible_directions_do_not_turn_the_mean(write):
    rows = steps("HH", WD=cycle([100] * 9 + [777], 60 * 48), WS_F=1)
    np.testing.assert_allclose(read_fluxnet(write(rows, name_of("HH")))["WD"], 100)


def test_weighting_by_speed_needs_speed(write):
    with pytest.raises(ValueError, match=r'has WD but no WS_F, by which wind="speed" weighs'):
        read_fluxnet(write(steps("HH", WD=100), name_of("HH")), wind="speed")


# Uncertainty and the choice of NEE


def test_uncertainty_of_a_mean_shrinks_with_the_measured_steps_only(write):
    rows = steps("HH", last="2004-02-29", NEE_VUT_REF_RANDUNC=2.0)
    rows.loc[100:, "NEE_VUT_REF_RANDUNC"] = np.nan
    se = read_fluxnet(write(rows, name_of("HH")))["NEE_SE"]
    assert se.item() == pytest.approx(2.0 / math.sqrt(100) * GRAM_CARBON_PER_DAY * 29)
    assert se.attrs["units"] == "g C m-2 month-1"


def test_errors_of_the_threshold_do_not_cancel(write):
    rows = steps("DD", last="2004-02-29", NEE_VUT_REF_RANDUNC=0.3, NEE_VUT_REF_JOINTUNC=0.5, NEE_VUT_REF_QC=1)
    se = read_fluxnet(write(rows, name_of("DD")), uncertainty="joint")["NEE_SE"]
    assert se.item() == pytest.approx(29 * math.hypot(0.3 / math.sqrt(29), 0.4))


def test_an_uncertainty_of_zero_is_none(write):
    rows = steps("DD", NEE_VUT_REF_RANDUNC=cycle([0] * 29 + [0.3] * 31, 60), NEE_VUT_REF_QC=1)
    se = read_fluxnet(write(rows, name_of("DD")))["NEE_SE"]
    assert se.notnull().values.tolist() == [[False, True]]
    assert se.attrs["months_not_positive"] == 1


def test_another_nee_brings_its_own_quality_and_uncertainty(write):
    other = {"NEE_CUT_REF": -1.0, "NEE_CUT_REF_QC": 0.6, "NEE_CUT_REF_RANDUNC": 0.2}
    path = write(steps("DD", last="2004-02-29", NEE_VUT_REF_QC=1, **other), name_of("DD"))
    ds = read_fluxnet(path, nee="NEE_CUT_REF")
    assert [ds[name].item() for name in ("NEE", "NEE_QC")] == pytest.approx([-29, 0.6])
    assert ds["NEE"].attrs["source"] == "NEE_CUT_REF"
    assert ds["NEE_SE"].attrs["source"] == "NEE_CUT_REF_RANDUNC"
    assert "NEE_SE" not in read_fluxnet(path)


def test_percentile_of_the_real_file(shared):
    path = shared / "data/towers/fluxnet2015_fullset/FLX_CN-Cha_FLUXNET2015_FULLSET_MM_2003-2005_1-4.csv"
    row = pd.read_csv(path).set_index("TIMESTAMP").loc[200307]
    ds = read_fluxnet(path, nee="NEE_VUT_50").sel(time="2003-07-01", site="CN-Cha")
    assert ds["NEE"].item() == pytest.approx(31 * row["NEE_VUT_50"])
    assert ds["NEE_QC"].item() == row["NEE_VUT_50_QC"]


def test_nee_that_the_file_lacks(write):
    path = write(steps("DD", NEE_CUT_REF=-1, NEE_CUT_REF_QC=1), name_of("DD"))
    says = (
        r"lacks \['NEE_VUT_50', 'NEE_VUT_50_QC'\]; it has TIMESTAMP, NEE_VUT_REF, NEE_CUT_REF\. .* is chosen with nee="
    )
    with pytest.raises(ValueError, match=says):
        read_fluxnet(path, nee="NEE_VUT_50")
    with pytest.raises(ValueError, match=r"lacks \['NEE_VUT_REF_JOINTUNC'\]"):
        read_fluxnet(path, uncertainty="joint")


@pytest.mark.parametrize("nee", ["NEE_VUT_REF_QC", "GPP_NT_VUT_REF", "NEE_VUT_REF_NIGHT", "FC", "NEE"])
def test_nee_is_a_column_of_nee(write, nee):
    with pytest.raises(ValueError, match="nee names a column of NEE"):
        read_fluxnet(write(steps("DD"), name_of("DD")), nee=nee)


@pytest.mark.parametrize("words", [{"uncertainty": "both"}, {"wind": "vector"}])
def test_words_that_are_not_known(write, words):
    name, word = next(iter(words.items()))
    with pytest.raises(ValueError, match=f"{name} is one of .*; got '{word}'"):
        read_fluxnet(write(steps("DD"), name_of("DD")), **words)


# Damaged files


@pytest.mark.parametrize(
    ("named", "holds", "says"),
    [
        ("HH", "HR", "is half-hourly by its name, but its rows are 60 minutes apart, not 30"),
        ("HR", "HH", "is hourly by its name, but its rows are 30 minutes apart, not 60"),
        ("HH", "DD", r"lacks \['TIMESTAMP_START'\]; it has TIMESTAMP, NEE_VUT_REF"),
        ("DD", "HH", r"lacks \['TIMESTAMP'\]; it has TIMESTAMP_START, TIMESTAMP_END, NEE_VUT_REF"),
        ("MM", "DD", "TIMESTAMP of .* must hold months written YYYYMM, .*; got '20040201'"),
    ],
)
def test_a_name_that_does_not_fit(write, named, holds, says):
    with pytest.raises(ValueError, match=says):
        read_fluxnet(write(steps(holds), name_of(named)))


@pytest.mark.parametrize(
    ("resolution", "place", "stamp", "says"),
    [
        ("DD", 28, "20040230", "TIMESTAMP of .* must hold days written YYYYMMDD, .*; got '20040230'"),
        ("DD", 1, "200402", "must hold days written YYYYMMDD"),
        ("DD", 1, "20040201", "days must ascend, each once; in .* 2004-02-01 follows 2004-02-01"),
        ("HH", 1, "200402012430", "TIMESTAMP_START of .* must hold times written YYYYMMDDHHMM"),
        ("HH", 2, "200402010030", "half-hours must ascend, each once; in .* 2004-02-01 00:30 follows 2004-02-01 00:30"),
    ],
)
def test_stamps_that_are_wrong(write, resolution, place, stamp, says):
    rows = steps(resolution)
    rows.iloc[place, 0] = stamp
    with pytest.raises(ValueError, match=says):
        read_fluxnet(write(rows, name_of(resolution)))


def test_a_file_that_breaks_off(write):
    path = write(steps("HH", last="2004-12-31"), name_of("HH"))
    path.write_text(path.read_text()[:-1])
    assert read_fluxnet(path).attrs["months_with_nee"] == 11  # whole, but for the end of its last line
    path.write_text(path.read_text()[: path.read_text().index("\n200410010000")])
    with pytest.raises(ValueError, match="breaks off in the row of 2004-09-30 23:30, before the end of 2004"):
        read_fluxnet(path)


def test_a_step_of_another_unit_is_refused(write):
    with pytest.raises(ValueError, match=r"P_F of .* made PRE in mm month-1"):
        read_fluxnet(write(steps("HH", P_F=5), name_of("HH")))


@pytest.mark.parametrize("seed", range(4))
def test_mutated_real_files_are_read_or_refused(shared, tmp_path, seed):
    """Bytes changed, lost, added, or cut off: a Dataset or a ValueError that names the file, nothing else."""
    rng = random.Random(seed)
    kind = rng.choice(["DD", "MM"])
    name = f"FLX_CN-Cha_FLUXNET2015_FULLSET_{kind}_2003-2005_1-4.csv"
    lines = (shared / "data/towers/fluxnet2015_fullset" / name).read_bytes().splitlines(keepends=True)
    for _ in range(40):
        content = bytearray(b"".join(lines[:70]))
        for _ in range(rng.choice([1, 2, 30])):
            place = rng.randrange(len(content))
            junk = bytes(rng.choices(b"0123456789.,-\n\r\"'e \x00\xffNainf", k=rng.choice([1, 4])))
            content[place : place + rng.choice([0, 1, 1, 60])] = junk
        (tmp_path / name).write_bytes(content[: rng.choice([None, None, rng.randrange(len(content))])])
        try:
            read_fluxnet(tmp_path / name)
        except ValueError as error:
            assert name in str(error)  # noqa: PT017
