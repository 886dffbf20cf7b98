"""Headings of the sheets, Chinese and of data loggers, and the quantity, the level and the unit that they tell."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from xnee.sources.chinaflux.sheets import Cell
from xnee.sources.chinaflux.units import fold, parse_unit

__all__ = ["FLUXES", "Heading", "date_parts", "recognise"]

FLUXES = ("NEE", "RE", "GEE", "GPP")
"""Quantities that make a sheet one of fluxes (通量); all others are meteorology (气象)."""

TOWER_TOP, BELOW_CANOPY, NEAR_GROUND, UNSTATED = 1000.0, -1.0, -2.0, 500.0
"""Levels of air: places by their names stand above and below all numbers and heights."""


@dataclass(frozen=True, kw_only=True)
class Heading:
    """What one heading tells.

    Parameters
    ----------
    text
        The heading as it stands.
    quantity
        A quantity of `xnee.sources.chinaflux.units.SCALINGS`.
    level
        Of air, the higher the more above the canopy; of soil, the higher the deeper.
    state
        Of NEE: ``"filled"`` (插补), ``"screened"`` (质控, gaps left) or ``"plain"``.
    unit
        As it is spelled in the heading; None where there is none.
    """

    text: str
    quantity: str
    level: float
    state: str = "plain"
    unit: str | None = None


_FLUX_WORDS = {
    "NEE": r"nee|fc|co2通量|净生态系统(co2|二氧化碳|碳)?(净)?交换量?|净碳交换量?",
    "RE": r"re|reco|er|(生态系统)?(总)?呼吸(量)?",
    "GEE": r"gee|总生态系统(co2|碳)?交换量?",
    "GPP": r"gpp|gep|(生态系统)?总初级生产力|总生态系统生产力",
}
_CHINESE = {
    "TEMP": r"空气温度|大气温度|气温",
    "RH": r"(空气)?(相对)?湿度",
    "VPD": r"饱和水汽压(差|亏缺)|(空气)?饱和差|水汽压(差|亏缺|亏)",
    "E": r"(实际)?水汽压|水蒸气压",
    "WS": r"(平均)?风速",
    "WD": r"(平均)?风向",
    "PA": r"(大)?气压(强|力)?",
    "SW": r"太阳(总)?辐射|总辐射|(向下的?)短波辐射|(太阳)?短波向下辐射",
    "PAR": r"(总)?光合有效辐射",
    "TS": r"(土壤温度|地温)",
    "VWC": r"土壤(体积)?(含水量|含水率|湿度|水分)",
    "PRE": r"(总)?(降水量|降雨量|降水|降雨)",
}
_LOGGER = {
    "TEMP": "ta tair airtemp air_temp air_temperature temp at t_air",
    "RH": "rh relative_humidity",
    "VPD": "vpd",
    "E": "ea vapor_pressure vapour_pressure",
    "WS": "ws wnd_spd wind_speed windspeed wspd",
    "WD": "wd wnd_dir wnd_dir_compass wind_dir wind_direction winddir wdir",
    "PA": "press pressure pa patm air_pressure",
    "SW": "dr sr rg sw_in swin dsr solar_radiation",
    "PAR": "par ppfd ppfd_in",
    "TS": "ts tsoil soil_temp soil_temperature stemp",
    "VWC": "ms vwc swc smoist soil_moisture",
    "PRE": "rain precipitation precip prec pre rainfall ppt",
}
_STEMS: Mapping[str, str] = MappingProxyType({stem: name for name, stems in _LOGGER.items() for stem in stems.split()})
_ENDINGS = frozenset({"avg", "tot", "mean", "sum", "wvt", "smp", "total", "d1"})
# 冠层下方 goes before 冠层: the pattern of the first place that fits is taken out.
_PLACES = (
    (r"(林)?冠层?下(方|部|层)?|林下|林内", BELOW_CANOPY),
    (r"近地面|地面", NEAR_GROUND),
    (r"(林)?冠层?(上(方|部|层)?|顶(部)?)|林冠上(方)?|塔顶", TOWER_TOP),
)
_NUMERALS = MappingProxyType({mark: float(value) for value, mark in enumerate("零一二三四五六七八九十")})
_LAYER = re.compile(r"第?([零一二三四五六七八九十])层|第?(\d+)层")
_NUMBER = re.compile(r"(\d+(?:\.\d+)?)(?:cm|m|厘米|米)?")
_NAME_WORDS = re.compile(
    r"插补|质控|估算|冠|地面|林[下内]|塔顶|层|\d ?(c?m|厘米|米)$|gap|fill|filled|qc", re.IGNORECASE
)


def recognise(cell: Cell) -> Heading | None:
    """Read a heading.

    Parameters
    ----------
    cell
        Cell of the heading row.

    Returns
    -------
    Heading or None
        None if it is no quantity that is of use, or one with two readings (``P``, ``E``).

    Examples
    --------
    >>> recognise("插补NEE（mg.CO2.m-2.s-1）")
    Heading(text='插补NEE（mg.CO2.m-2.s-1）', quantity='NEE', level=500.0, state='filled', unit='mg.CO2.m-2.s-1')
    >>> recognise("Ts_107_1_AVG").quantity, recognise("Ts_107_1_AVG").level, recognise("P")
    ('TS', 1.0, None)
    """
    if not isinstance(cell, str):
        return None
    name, unit = _split(fold(cell))
    read = _flux(name) or _chinese(name) or _logger(name)
    if read is None:
        return None
    quantity, level, state = read
    return Heading(text=cell, quantity=quantity, level=level, state=state, unit=unit)


def _split(text: str) -> tuple[str, str | None]:
    """Part a heading into its name and its unit: in brackets, after a stroke, or after a space."""
    bracketed = re.fullmatch(r"([^(\[【{]*)[(\[【{](.*?)[)\]】}]?([^)\]】}]*)", text)
    if bracketed:
        name, unit = bracketed[1] + bracketed[3], None
        for part in re.split(r"[)\]】}] ?[(\[【{]", bracketed[2]):
            if _NAME_WORDS.search(part) and not parse_unit(part):
                name += f"_{part}"
            else:
                unit = part
        return name.rstrip("/ "), unit
    for mark in ("/", " "):
        name, _, unit = text.partition(mark)
        if unit and parse_unit(unit):
            return name.strip(), unit.strip()
    return text, None


def _flux(name: str) -> tuple[str, float, str] | None:
    """Read the name of a flux."""
    plain = re.sub(r"[\s_-]", "", name.lower())
    state = "plain"
    for words, found in ((r"插补|gapfilled|filled|gapf", "filled"), (r"质控|质量控制", "screened")):
        if re.search(words, plain):
            plain, state = re.sub(words, "", plain), found
    plain = re.sub(r"估算|后的?|数据", "", plain)
    if name.lower().endswith(("_f", "_filled")) and plain.endswith("f"):
        plain, state = plain.removesuffix("f"), "filled"
    for quantity, words in _FLUX_WORDS.items():
        if re.fullmatch(words, plain):
            return quantity, UNSTATED, state
    return None


def _chinese(name: str) -> tuple[str, float, str] | None:
    """Read a Chinese name of meteorology, with its place or its layer."""
    plain = re.sub(r"[\s_-]", "", name.lower())
    soil = "土壤" in plain or "地温" in plain
    level = 0.0 if soil else UNSTATED
    layer = _LAYER.search(plain)
    if layer:
        level = _NUMERALS[layer[1]] if layer[1] else float(layer[2])
        plain = plain.replace(layer[0], "")
    number = _NUMBER.search(plain)
    if number:
        level, plain = float(number[1]), plain.replace(number[0], "").replace("深", "")
    for place, height in () if soil else _PLACES:
        if re.search(place, plain):
            level, plain = height, re.sub(place, "", plain)
            break
    for quantity, words in _CHINESE.items():
        if re.fullmatch(words, plain):
            return quantity, level, "plain"
    return None


def _logger(name: str) -> tuple[str, float, str] | None:
    """Read a name as data loggers write it: stem, level, ending."""
    tokens = re.findall(r"d1(?= |$)|\d+(?:\.\d+)?(?:cm|m)?(?![a-z])|[^\W\d_]+|\S", name.lower().replace("_", " _ "))
    words = [token for token in tokens if token not in _ENDINGS and token != "_" and not token[0].isdigit()]
    numbers = [float(re.sub("[cm]", "", token)) for token in tokens if token[0].isdigit()]
    stem = "_".join(words)
    if stem == "p" and numbers:  # P_1 is a barometer; P alone may be precipitation
        stem = "press"
    quantity = _STEMS.get(stem)
    if quantity is None:
        return None
    unstated = 0.0 if quantity in {"TS", "VWC"} else UNSTATED
    return quantity, numbers[-1] if numbers else unstated, "plain"


# Exact first: MEF writes MM00 for the month, HZF mm for the month and MM for the minute.
_DATE_WORDS: Mapping[str, str] = MappingProxyType(
    {
        word: part
        for part, words in {
            "year": "年 年份 year yyyy yy yr",
            "month": "月 月份 month mon mm mm00",
            "day": "日 天 day dd dd00 dom",
            "doy": "doy 年积日 儒略日 jday julian julianday dayofyear day_of_year",
            "hour": "时 小时 hour hh hh00 hr",
            "minute": "分 分钟 minute min mi mi00",
            "second": "秒 second sec ss ss00",
            "date": "日期 时间 日期时间 date time datetime timestamp timestamp_start",
        }.items()
        for word in words.split()
    }
)


def date_parts(row: Iterable[Cell]) -> dict[str, int]:
    """Find the columns of year, month, day and so on.

    Parameters
    ----------
    row
        Cells of a row that may be the heading.

    Returns
    -------
    dict
        Part -> place of its column; empty unless there is a year, a month or a date.

    Examples
    --------
    >>> date_parts(["yy", "mm", "dd", "HH", "MM", "Temp_34m_Avg"])
    {'year': 0, 'month': 1, 'day': 2, 'hour': 3, 'minute': 4}
    """
    found: dict[str, int] = {}
    for place, cell in enumerate(row):
        word = re.sub(r"[(\[].*$", "", fold(cell)).strip().lower() if isinstance(cell, str) else ""
        part = _DATE_WORDS.get(word)
        if part == "month" and "month" in found and word == "mm":
            part = "minute"
        if part is not None:
            found.setdefault(part, place)
    if {"year", "month"} & found.keys():
        found.pop("date", None)
        return found
    return found if "date" in found else {}
