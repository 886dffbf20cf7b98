"""Invented ChinaFLUX downloads: ten stations, each in another of the forms that are met, and what must be read."""

from __future__ import annotations

import csv
import io
import math
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import openpyxl
import xlwt

MILLIGRAM = 12.011 / 44.009 * 86.4  # g C m-2 d-1 in a mg CO2 m-2 s-1
MICROMOLE = 12.011e-6 * 86_400
FULL = "（{}）"
DRIVERS = ("TEMP", "PRE", "VPD", "WD", "WS", "PA", "PAR", "VWC", "TS")


# What a file looks like


def write_xlsx(path: Path, **sheets: list[list]) -> Path:
    book = openpyxl.Workbook(write_only=True)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


def write_xls(path: Path, rows: list[list]) -> Path:
    book = xlwt.Workbook(encoding="utf-8")
    sheet = book.add_sheet("Sheet1")
    for r, row in enumerate(rows):
        for c, cell in enumerate(row):
            if cell is not None:
                sheet.write(r, c, cell)
    book.add_sheet("Sheet2")  # Excel of that time made three, and left two empty
    book.save(str(path))
    return path


def write_csv(path: Path, rows: list[list], encoding: str = "utf-8") -> Path:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([["" if cell is None else cell for cell in row] for row in rows])
    path.write_bytes(text.getvalue().encode(encoding))
    return path


def lay(
    dates: dict[str, list], columns: dict[str, np.ndarray], *, missing=None, units: list | None = None
) -> list[list]:
    """Rows of a sheet: headings, perhaps units, and data with a token for no value."""
    body = [
        [*when, *(missing if math.isnan(value) else float(value) for value in values)]
        for when, values in zip(
            zip(*dates.values(), strict=True), np.column_stack(list(columns.values())).tolist(), strict=True
        )
    ]
    return [[*dates, *columns], *([units] if units else []), *body]


# What the weather was


@dataclass
class World:
    """Rows of one station, in plain units, and the months that a slow loop makes of them."""

    code: str
    stamps: list[datetime]
    seconds: int  # of a row; 0 for months
    gaps: float = 0.02
    rows: dict[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        rng = np.random.default_rng(list(self.code.encode()))
        size = len(self.stamps)
        season = np.array([math.cos(2 * math.pi * (when.timetuple().tm_yday - 200) / 365) for when in self.stamps])
        hour = np.array([when.hour + when.minute / 60 for when in self.stamps])
        sun = np.maximum(-np.cos(2 * np.pi * hour / 24), 0) * math.pi if 0 < self.seconds < 86_400 else np.ones(size)
        day = np.sin(2 * np.pi * (hour - 9) / 24) if 0 < self.seconds < 86_400 else np.zeros(size)
        respiration = 3.5 + 2 * season + rng.uniform(0, 0.5, size)
        gross = (4 + 2.5 * season + rng.uniform(0, 0.5, size)) * sun
        temperature = 12 + 12 * season + 4 * day + rng.normal(0, 1, size)
        humidity = np.clip(70 - 15 * day + rng.normal(0, 5, size), 20, 100)
        self.rows = {
            "RE": respiration,
            "GPP": gross,
            "NEE": respiration - gross,
            "TEMP": temperature,
            "LOW": temperature + 1.5,
            "RH": humidity,
            "E": humidity / 100 * saturation(temperature),
            "WS": rng.uniform(0.2, 6, size),
            "WD": rng.normal(0, 50, size) % 360,  # around north, where plain means fail
            "PA": 925 + rng.normal(0, 5, size),
            "SW": (150 + 70 * season + rng.uniform(0, 20, size)) * sun,
            "VWC": rng.uniform(0.15, 0.45, size),
            "TS": 11 + 9 * season + rng.normal(0, 0.5, size),
            "PRE": np.where(rng.random(size) < 0.7, 0, rng.exponential(1.0, size)) * (60 if not self.seconds else 1),
        }
        self.rows["PAR"] = self.rows["SW"] * 2.03
        for name, values in self.rows.items():
            if name not in {"RE", "GPP"}:
                values[rng.random(size) < self.gaps] = math.nan

    def part(self, name: str, year: int) -> np.ndarray:
        return self.rows[name][[when.year == year for when in self.stamps]]

    def vpd(self, *, of: str = "RH") -> np.ndarray:
        most = saturation(self.rows["TEMP"])
        return np.maximum(most - (self.rows["E"] if of == "E" else most * self.rows["RH"] / 100), 0)

    def months(self, values: np.ndarray, how: str = "mean", coverage: float = 0.75) -> dict[str, float]:
        """Months by a loop: ``mean``, ``direction``, ``rate`` (per day, to a month total) or ``amount`` (per row)."""
        found: dict[str, list[float]] = defaultdict(list)
        for when, value in zip(self.stamps, values.tolist(), strict=True):
            found[f"{when:%Y-%m}"] += [] if math.isnan(value) else [value]
        return {month: self._month(month, members, how, coverage) for month, members in found.items()}

    def _month(self, month: str, values: list[float], how: str, coverage: float) -> float:
        days = days_of(month)
        whole = days * 86_400 / self.seconds if self.seconds else 1
        if not values or len(values) < coverage * whole:
            return math.nan
        if how == "direction":
            east = sum(math.sin(math.radians(value)) for value in values)
            north = sum(math.cos(math.radians(value)) for value in values)
            return math.degrees(math.atan2(east, north)) % 360
        mean = math.fsum(values) / len(values)
        return mean * {"mean": 1, "rate": days, "amount": whole}[how]

    def share(self, values: np.ndarray) -> dict[str, float]:
        """Share of the rows of each month that have a value."""
        found: dict[str, float] = defaultdict(float)
        for when, value in zip(self.stamps, values.tolist(), strict=True):
            month = f"{when:%Y-%m}"
            found[month] += (not math.isnan(value)) / (days_of(month) * 86_400 / self.seconds)
        return dict(found)

    def truth(self, *, vpd: np.ndarray | None = None, **other: np.ndarray) -> dict[str, dict[str, float]]:
        """What must be read of all variables, of the rows as they are or as `other` says."""
        rows = {**self.rows, "VPD": self.vpd() if vpd is None else vpd, **other}
        how = {"NEE": "rate", "PRE": "amount", "WD": "direction"}
        return {name: self.months(rows[name], how.get(name, "mean")) for name in ("NEE", *DRIVERS)}


def saturation(celsius: np.ndarray) -> np.ndarray:
    return np.array([6.1094 * math.exp(17.625 * t / (t + 243.04)) for t in celsius.tolist()])


def days_of(month: str) -> int:
    first = datetime.strptime(month, "%Y-%m")
    return ((first.replace(day=28) + timedelta(days=4)).replace(day=1) - first).days


def half_hours(first: str, days: int) -> list[datetime]:
    return [datetime.fromisoformat(first) + timedelta(minutes=30 * i) for i in range(48 * days)]


def days(first: str, count: int) -> list[datetime]:
    return [datetime.fromisoformat(first) + timedelta(days=i) for i in range(count)]


def months(first: int, count: int) -> list[datetime]:
    return [datetime(first + i // 12, i % 12 + 1, 1) for i in range(count)]


def dates(stamps: list[datetime], names: str) -> dict[str, list]:
    """Columns of the date under the headings that are wanted: the first is the year, and so on."""
    fields = ("year", "month", "day", "hour", "minute", "second")
    return {name: [getattr(when, part) for when in stamps] for name, part in zip(names.split(), fields, strict=False)}


# Ten stations. Each function writes the files of one into a folder, and gives what must be read.


def changbaishan(folder: Path) -> dict:
    """Half-hours in two .xlsx: 质控NEE and 插补NEE in mg with full-width brackets, -99999; seven levels of a logger."""
    w = World("CBF", half_hours("2003-01-01", 59), 1800)
    r, unit = w.rows, FULL.format("mg.CO2.m-2.s-1")
    filled = r["RE"] - r["GPP"]
    flux = {"质控NEE": r["NEE"], "插补NEE": filled, "估算呼吸": r["RE"], "估算GEE": -r["GPP"]}
    rows = lay(
        dates(w.stamps, "年 月 日 时 分 秒"),
        {name + unit: values / MILLIGRAM for name, values in flux.items()} | {"ET（gm-2s-1）": 0.01 + 0 * filled},
        missing=-99999,
    )
    write_xlsx(folder / "2003年长白山通量30分钟数据.xlsx", Sheet1=rows)
    weather = {
        **{"Ta_1_AVG": r["LOW"], "Ta_7_AVG": r["TEMP"], "RH_1_AVG": r["RH"] / 2, "RH_7_AVG": r["RH"]},
        **{"WS_1_AVG": r["WS"] / 3, "WS_7_AVG": r["WS"], "WD_7_D1_WVT": r["WD"], "P_1": r["PA"] / 10},
        **{"DR_5_AVG": r["SW"], "Rn_5_AVG": r["SW"], "PAR_7_AVG": r["PAR"], "Ts_107_1_AVG": r["TS"]},
        **{"Ts_107_2_AVG": r["TS"] + 3, "Smoist_0_1_AVG": r["VWC"], "Rain_7_TOT": r["PRE"]},
    }
    write_xlsx(
        folder / "2003年长白山气象30分钟数据.xlsx",
        Sheet1=lay(dates(w.stamps, "year month day hour minute second"), weather, missing="NAN"),
    )
    return w.truth(NEE=filled) | {"NEE_QC": w.share(r["NEE"])}


def qianyanzhou(folder: Path) -> dict:
    """Days in .csv, UTF-8 with BOM, a row of units; VPD from vapour pressure in kPa; a month of too few days."""
    w = World("QYF", days("2003-01-01", 365), 86_400)
    r = w.rows
    r["TEMP"][31:42] = math.nan  # February: 11 of 28 days are away
    flux = {"NEE": r["NEE"], "RE": r["RE"], "GEE": -r["GPP"]}
    units = ["/", "/", "/", *["gC.m-2.d-1"] * 3]
    rows = lay(dates(w.stamps, "年 月 日"), flux, missing=-9999, units=units)
    write_csv(folder / "千烟洲_Flux_Day_2003-2003.csv", rows, "utf-8-sig")
    weather = {
        **{"近地面空气温度": r["LOW"], "冠层上方空气温度": r["TEMP"], "近地面水汽压": r["E"] / 20},
        **{"冠层上方水汽压": r["E"] / 10, "近地面风速": r["WS"] / 3, "冠层上方风速": r["WS"], "风向": r["WD"]},
        **{"大气压": r["PA"] / 10, "太阳辐射": r["SW"], "净辐射": r["SW"], "光合有效辐射": r["PAR"]},
        **{"一层土壤温度": r["TS"], "五层土壤温度": r["TS"] + 2, "一层土壤体积含水量": r["VWC"], "降水量": r["PRE"]},
    }
    units = ["年", "月", "日", "℃", "℃", "kPa", "kPa", "m/s", "m/s", "°", "kPa", "W/m2", "W/m2"]
    units += ["μmol·m-2·s-1", "℃", "℃", "m3/m3", "mm"]
    rows = lay(dates(w.stamps, "年 月 日"), weather, missing=-9999, units=units)
    write_csv(folder / "千烟洲_Met_Day_2003-2003.csv", rows, "utf-8-sig")
    return w.truth(vpd=w.vpd(of="E")) | {"NEE_QC": w.share(r["NEE"])}


def dinghushan(folder: Path) -> dict:
    """Months in one .xlsx a year and kind, sums, units in full-width brackets."""
    w = World("DHF", months(2003, 24), 0)
    days_in = np.array([days_of(f"{when:%Y-%m}") for when in w.stamps])
    for year in (2003, 2004):
        here = [when for when in w.stamps if when.year == year]
        month = days_in[[when.year == year for when in w.stamps]]
        r = {name: w.part(name, year) for name in w.rows}
        flux = {"NEE（gC.m-2.mon-1）": r["NEE"] * month, "RE（gC.m-2.mon-1）": r["RE"] * month}
        flux["GEE（gC.m-2.mon-1）"] = -r["GPP"] * month
        rows = lay(dates(here, "年 月"), flux, missing=-99999)
        write_xlsx(folder / f"{year}年鼎湖山通量月数据.xlsx", 月=rows, Sheet2=[])
        weather = {
            **{"冠层上方空气温度（℃）": r["TEMP"], "冠层上方空气湿度（％）": r["RH"], "冠层上方风速（m·s-1）": r["WS"]},
            **{"风向（°）": r["WD"], "大气压（kPa）": r["PA"] / 10, "光合有效辐射（μmol·m-2·s-1）": r["PAR"]},
            **{"一层土壤温度（℃）": r["TS"], "一层土壤体积含水量（m3·m-3）": r["VWC"], "降水量（mm）": r["PRE"]},
        }
        rows = lay(dates(here, "年 月"), weather)
        write_xlsx(folder / f"{year}年鼎湖山气象月数据.xlsx", Sheet1=rows)
    return w.truth() | {"NEE_QC": {}}


def xishuangbanna(folder: Path) -> dict:
    """Months in .csv in GB18030 without any unit; both humidities."""
    w = World("XBF", months(2004, 12), 0)
    r, month = w.rows, np.array([days_of(f"{when:%Y-%m}") for when in w.stamps])
    flux = {"CO2通量": r["NEE"] * month, "Reco": r["RE"] * month, "GEE": -r["GPP"] * month}
    write_csv(folder / "西双版纳_通量_月_2004.csv", lay(dates(w.stamps, "年 月"), flux), "gb18030")
    weather = {
        **{"近地面空气温度": r["LOW"], "冠层上方空气温度": r["TEMP"], "近地面空气湿度": r["RH"] / 2},
        **{"冠层上方空气湿度": r["RH"], "冠层上方水汽压": r["E"] / 10 + 0.1, "冠层上方风速": r["WS"], "风向": r["WD"]},
        **{"大气压": r["PA"] / 10, "太阳辐射": r["SW"], "光合有效辐射": r["PAR"], "一层土壤温度": r["TS"]},
        **{"一层土壤体积含水量": r["VWC"], "降水量": r["PRE"]},
    }
    write_csv(folder / "西双版纳_气象_月_2004.csv", lay(dates(w.stamps, "年 月"), weather), "gb18030")
    truth = w.truth()
    second = w.months(np.maximum(saturation(r["TEMP"]) - (r["E"] + 1), 0))
    truth["VPD"] = {month: second[month] if math.isnan(value) else value for month, value in truth["VPD"].items()}
    return truth | {"NEE_QC": {}}


def ailaoshan(folder: Path) -> dict:
    """Days in .csv, UTF-8 without BOM; GPP positive; hPa; soil water in %; precipitation with negative sentinels."""
    w = World("ALF", days("2009-01-01", 365), 86_400)
    r = w.rows
    flux = {"NEE(gC m-2 d-1)": r["NEE"], "Reco(gC m-2 d-1)": r["RE"], "GPP(gC m-2 d-1)": r["GPP"]}
    write_csv(folder / "哀牢山_通量_日_2009.csv", lay(dates(w.stamps, "年 月 日"), flux, missing="-9999.0"))
    rain = np.where(np.isnan(r["PRE"]), -6999, r["PRE"])
    weather = {
        **{"冠层上方空气温度": r["TEMP"], "冠层上方空气湿度": r["RH"], "冠层上方风速": r["WS"], "风向": r["WD"]},
        **{"大气压": r["PA"], "光合有效辐射": r["PAR"], "一层土壤温度": r["TS"], "一层土壤体积含水量": r["VWC"] * 100},
        "降水量": rain,
    }
    write_csv(folder / "哀牢山_气象_日_2009.csv", lay(dates(w.stamps, "年 月 日"), weather, missing="-9999.0"))
    return w.truth() | {"NEE_QC": w.share(r["NEE"])}


def huzhong(folder: Path) -> dict:
    """The station goes first in the name; flux in days, meteorology in half-hours stamped at their ends, blanks."""
    w = World("HZF", half_hours("2014-01-01", 59), 1800)
    r, f = w.rows, World("HZF", days("2014-01-01", 59), 86_400)
    flux = {"NEE": f.rows["NEE"], "RE": f.rows["RE"], "GEE": -f.rows["GPP"]}
    rows = lay(dates(f.stamps, "年 月 日"), flux, missing=-99999, units=["/", "/", "/", *["gC m-2 d-1"] * 3])
    write_xlsx(folder / "呼中站2014年通量日尺度数据.xlsx", Sheet1=rows)
    ends = [when + timedelta(minutes=30) for when in w.stamps]
    weather = {
        **{"Temp_34m_Avg": r["TEMP"], "RH_34m_Avg": r["RH"], "Press_Avg": r["PA"], "wnd_spd": r["WS"]},
        **{"wnd_dir_compass": r["WD"], "DR_Avg": r["SW"], "Rn_Avg": r["SW"], "par_Avg": r["PAR"], "Ts_1_AVG": r["TS"]},
        **{"VWC_10cm_Avg": r["VWC"], "rain_Tot": r["PRE"]},
    }
    rows = lay(dates(ends, "yy mm dd HH MM"), weather)
    write_xlsx(folder / "呼中站2014年气象30分钟数据.xlsx", Sheet1=rows)
    return w.truth() | {"NEE": f.truth()["NEE"], "NEE_QC": f.share(f.rows["NEE"])}


def xiaolangdi(folder: Path) -> dict:
    """Months in .csv in GB18030: fluxes as means per day, which the unit says; below and above the canopy; a title."""
    w = World("LDF", months(2016, 24), 0)
    r = w.rows
    unit = FULL.format("g C·m-2·d-1")
    flux = {f"NEE{unit}": r["NEE"], f"ER{unit}": r["RE"], f"GPP{unit}": r["GPP"]}
    rows = [["小浪底人工林通量数据", *[None] * 4], *lay(dates(w.stamps, "年份 月份"), flux)]
    write_csv(folder / "小浪底通量月统计2016-2017.csv", rows, "gb18030")
    weather = {
        **{"冠层下方空气温度": r["LOW"], "冠层上方空气温度": r["TEMP"], "冠层下方空气湿度": r["RH"] / 2},
        **{"冠层上方空气湿度": r["RH"], "冠层上方风速": r["WS"], "风向": r["WD"], "大气压": r["PA"] / 10},
        **{"光合有效辐射": r["PAR"], "一层土壤温度": r["TS"], "一层土壤体积含水量": r["VWC"], "降水量": r["PRE"]},
    }
    write_csv(folder / "小浪底气象月统计2016-2017.csv", lay(dates(w.stamps, "年份 月份"), weather), "gb18030")
    return w.truth() | {"NEE_QC": {}}


def baotianman(folder: Path) -> dict:
    """Days in .xls; shortwave radiation and no PAR."""
    w = World("BTF", days("2017-01-01", 365), 86_400)
    r = w.rows
    flux = {"NEE": r["NEE"], "RE": r["RE"], "GEP": r["GPP"]}
    units = ["年", "月", "日", *["g C m-2 d-1"] * 3]
    rows = lay(dates(w.stamps, "年 月 日"), flux, missing=-9999, units=units)
    write_xls(folder / "2017年宝天曼通量日统计数据.xls", rows)
    weather = {
        **{"冠层上方空气温度": r["TEMP"], "冠层上方空气湿度": r["RH"], "冠层上方风速": r["WS"], "风向": r["WD"]},
        **{"大气压": r["PA"] / 10, "向下的短波辐射": r["SW"], "一层土壤温度": r["TS"], "一层土壤体积含水量": r["VWC"]},
        "降水量": r["PRE"],
    }
    write_xls(folder / "2017年宝天曼气象日统计数据.xls", lay(dates(w.stamps, "年 月 日"), weather))
    return w.truth(PAR=1.94 * r["SW"]) | {"NEE_QC": w.share(r["NEE"])}


def maoershan(folder: Path) -> dict:
    """Half-hours in .csv, YYYY MM00 DD00 HH00 MI00; VPD in kPa and no humidity; soil in cm and %; 1.#IND."""
    w = World("MEF", half_hours("2016-07-01", 62), 1800)
    r = w.rows
    flux = {"NEE": r["NEE"] / MILLIGRAM, "Reco": r["RE"] / MILLIGRAM, "GPP": r["GPP"] / MILLIGRAM}
    head = dates(w.stamps, "YYYY MM00 DD00 HH00 MI00")
    write_csv(folder / "MEF_通量_30min_2016.csv", lay(head, flux, missing="-1.#IND"))
    weather = {
        **{"SR": r["SW"], "PAR": r["PAR"], "Ta": r["TEMP"], "VPD": w.vpd() / 10, "WS": r["WS"], "WD": r["WD"]},
        **{"P_1": r["PA"] / 10, "Ts0cm": r["TS"], "Ts5cm": r["TS"] - 2, "Ms10cm": 100 * r["VWC"]},
        **{"Ms20cm": 90 * r["VWC"], "Precipitation": r["PRE"]},
    }
    write_csv(folder / "MEF_气象_30min_2016.csv", lay(head, weather, missing="1.#QNAN"))
    return w.truth() | {"NEE_QC": w.share(r["NEE"])}


def jinfoshan(folder: Path) -> dict:
    """Half-hours, both kinds in one .xlsx; umol; year doy hour; WD and WS the wrong way round; hPa; %; rows a year."""
    w = World("JFF", half_hours("2020-01-01", 60), 1800)
    r = w.rows
    head = {
        "year": [when.year for when in w.stamps],
        "doy": [when.timetuple().tm_yday for when in w.stamps],
        "hour": [when.hour + when.minute / 60 for when in w.stamps],
    }
    unit = FULL.format("μmol·m-2·s-1")
    flux = {f"NEE{unit}": r["NEE"] / MICROMOLE, f"RE{unit}": r["RE"] / MICROMOLE, f"GPP{unit}": r["GPP"] / MICROMOLE}
    weather = {
        **{"Ta": r["TEMP"], "RH": r["RH"] / 100, "Press": r["PA"], "DR": r["SW"], "Rn": r["SW"], "WD": r["WS"]},
        **{"WS": r["WD"], "PAR": r["PAR"], "Ts": r["TS"], "MS": r["VWC"] * 100, "Rain": r["PRE"], "E": r["E"]},
    }
    write_xlsx(
        folder / "金佛山_2020.xlsx",
        通量30分钟=lay(head, flux, missing=-9999),
        气象30分钟=lay(head, weather),
        通量年=[["年", "NEE"], [2020, -400.0], [2021, -420.0]],
        说明=[["NEE", "净生态系统碳交换"], ["Ta", "空气温度"]],
    )
    return w.truth() | {"NEE_QC": w.share(r["NEE"])}


STATIONS = {
    "CBF": changbaishan,
    "QYF": qianyanzhou,
    "DHF": dinghushan,
    "XBF": xishuangbanna,
    "ALF": ailaoshan,
    "HZF": huzhong,
    "LDF": xiaolangdi,
    "BTF": baotianman,
    "MEF": maoershan,
    "JFF": jinfoshan,
}
