"""The workbooks of ChinaFLUX, and their conversions to CSV, as one Dataset of sites."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from xnee.features import PAR_PER_SHORTWAVE
from xnee.sources.chinaflux.conversion import Conversion, convert
from xnee.sources.chinaflux.months import Group, Months, Rows, join_months, to_months
from xnee.sources.chinaflux.names import Paths, Stations, find_files, scale_of, year_of
from xnee.sources.chinaflux.sheets import Sheet, read_sheets
from xnee.sources.chinaflux.stamps import Stamps, read_stamps
from xnee.sources.chinaflux.tables import Table as SheetTable
from xnee.sources.chinaflux.tables import find_table
from xnee.sources.chinaflux.units import SCALINGS, scaling
from xnee.sources.site_table import Table, site_coords
from xnee.sources.stations import chinaflux_stations
from xnee.variables import VARIABLES

__all__ = ["read_chinaflux"]

_log = logging.getLogger(__name__)

_ORDER = ("NEE", "NEE_QC", "TEMP", "PRE", "VPD", "WD", "WS", "PA", "PAR", "VWC", "TS", "PAR_derived")
_MADE_OF = {"VPD_RH": "VPD", "VPD_E": "VPD", "RH": "VPD", "E": "VPD", "SW": "PAR"}
_SCALES = ("month", "day", "half-hour")
_STATED = frozenset(SCALINGS) - {"RE", "GEE", "GPP"}


@dataclass(frozen=True, kw_only=True)
class _Read:
    """One sheet that is read."""

    station: str
    file: str
    stamps: Stamps
    conversion: Conversion

    @property
    def group(self) -> Group:
        """What its rows are averaged with."""
        kind = "flux" if "NEE" in self.conversion.rows else "meteorology"
        return Group(station=self.station, kind=kind, scale=self.stamps.scale, seconds=self.stamps.seconds)


def read_chinaflux(
    paths: Paths,
    station: str | None = None,
    *,
    stations: Table | None = None,
    scale: str | None = None,
    coverage_min: float = 0.75,
    qc_min: float = 0.0,
    units: Mapping[str, str] | None = None,
) -> xr.Dataset:
    r"""Read flux and meteorology workbooks of ChinaFLUX, or their conversions to CSV, of one or many stations.

    Parameters
    ----------
    paths
        Files ``.xlsx``, ``.xls`` or ``.csv`` (UTF-8, GB18030 or UTF-16): a path, a pattern, a folder, or several of
        these. Flux (通量) and meteorology (气象) files are joined by month.
    station
        Code, name or Chinese name of the station of all files. Without it each file's own name tells
        (``2003年长白山通量月数据.xlsx``), else the name of the sheet, else that of the folder.
    stations
        Table of stations of your own, a CSV file or a DataFrame with ``site_id``, ``lat``, ``lon``, ``pft`` or
        ``igbp``, and if it likes ``name`` and ``licence``. It goes before `chinaflux_stations` where both know one.
    scale
        ``"month"``, ``"day"`` or ``"half-hour"``: read only sheets of that scale, where a folder holds several.
    coverage_min
        Least share of the rows of a month that must have a value, 0 to 1, for each variable. A sheet of months is
        whole: it was filled before it was summed.
    qc_min
        Least share of a month's rows in which NEE is measured, 0 to 1. NEE below it becomes NaN. Monthly sheets state
        no quality: their NEE_QC is NaN, and no `qc_min` leaves them out.
    units
        Units to be taken in place of the written or the recognised ones, by quantity:
        ``{"NEE": "g C m-2 d-1", "PA": "hPa"}``.

    Returns
    -------
    xarray.Dataset
        ``(site, time)``, float64, sites in order of their codes, every month from the first to the last of any site.
        ``NEE`` (g C m-2 month-1, positive into the atmosphere), ``NEE_QC`` (share of the rows of the month that are
        measured, 0 to 1; NaN for monthly sheets) and the drivers that at least one sheet holds, in the units of the
        vocabulary. ``PAR`` is made from shortwave radiation where ``PAR_derived`` is 1; ``VPD`` is that of the sheet,
        else from humidity and temperature, else from vapour pressure, row by row before months are made. Coordinates
        ``lat``, ``lon``, ``pft``, ``name``, ``licence``. ``attrs["notes"]``, and the ``notes`` of each variable, say
        in lines all that was recognised, converted or left out. In ``attrs`` the months of NEE are counted by reason
        (``months_in_files`` = ``months_with_nee`` + ``months_without_nee`` + ``months_under_coverage`` +
        ``months_nee_out_of_range`` + ``months_under_qc_min``), in those of a driver its gaps.

    Raises
    ------
    FileNotFoundError
        If no file matches.
    ImportError
        If a workbook is given and the package that reads it is not installed.
    TypeError
        If an argument is of the wrong kind.
    ValueError
        If an argument is out of range; a file names no station, is damaged, protected or empty; a sheet has no dates,
        no data, an unknown unit, or a unit that leaves a doubt; months come twice or at several scales; a station has
        no fluxes; or NEE has the sign of uptake.

    Examples
    --------
    >>> import tempfile
    >>> text = "年,月,NEE（g C m-2 mon-1）\n2003,6,-60.5\n2003,7,-99999\n"
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "2003年长白山通量月数据.csv")
    ...     _ = path.write_text(text, encoding="gb18030")
    ...     sites = read_chinaflux(path)
    >>> sites["NEE"].values.tolist(), str(sites["pft"].item())
    ([[-60.5, nan]], 'MF')
    """
    _check_arguments(station, scale, coverage_min, qc_min, units)
    known = Stations(stations)
    code = None if station is None else known.named(station)
    notes: list[tuple[str, str, str, str]] = []  # station, variable, text, file
    read = [
        one
        for path in find_files(paths)
        for one in _read_file(path, code, known, scale=scale, units=units or {}, notes=notes)
    ]
    if not read:
        wanted = f"rows of a {scale}" if scale else "rows of half-hours, days or months"
        msg = f"none of the files holds {wanted}. Their names tell the scale: 月, 日, 30分钟; years (年) are not read."
        raise ValueError(msg)
    months = _group(read, coverage_min=coverage_min, qc_min=qc_min)
    frames = {}
    for site in sorted({one.station for one in read}):
        frames[site], said = join_months(site, [group for group in months if group.group.station == site])
        notes += [(site, name, text, "") for name, text in said]
    coords = _coords(stations, list(frames), known)
    return _assemble(frames, read, months, notes, qc_min=qc_min, coverage_min=coverage_min).assign_coords(coords)


def _check_arguments(station: object, scale: object, coverage_min: object, qc_min: object, units: object) -> None:
    """Refuse arguments that no file can put right."""
    if station is not None and not isinstance(station, str):
        msg = f"station must be the name of one station, for all files; got {station!r}. Leave it out for many."
        raise TypeError(msg)
    if scale is not None and scale not in _SCALES:
        msg = f"scale must be one of {_SCALES}; got {scale!r}."
        raise ValueError(msg)
    for name, share in (("coverage_min", coverage_min), ("qc_min", qc_min)):
        if isinstance(share, bool) or not isinstance(share, int | float):
            msg = f"{name} must be a number, 0 to 1; got {share!r}."
            raise TypeError(msg)
        if not 0 <= share <= 1:
            msg = f"{name} is a share of the month, 0 to 1; got {share}."
            raise ValueError(msg)
    if units is not None and not isinstance(units, Mapping):
        msg = f"units must map quantities to units, {{'NEE': 'g C m-2 d-1'}}; got {units!r}."
        raise TypeError(msg)
    for name, unit in units.items() if isinstance(units, Mapping) else ():
        if name not in _STATED:
            msg = f"units are stated for {', '.join(sorted(_STATED))}; got {name!r}."
            raise ValueError(msg)
        scaling(name, str(unit), label="the argument units")


def _read_file(
    path: Path,
    code: str | None,
    known: Stations,
    *,
    scale: str | None,
    units: Mapping[str, str],
    notes: list[tuple[str, str, str, str]],
) -> list[_Read]:
    """Read the sheets of a file that are of use, and note those that are not."""
    sheets = read_sheets(path)
    tables = [(sheet, find_table(sheet)) for sheet in sheets]
    if not any(table for _, table in tables):
        seen = [str(cell) for row in sheets[0].rows[:3] for cell in row if cell is not None][:8]
        msg = (
            f"{path.name} has no columns of dates: looked for 年 月 日, year month day, YYYY MM00, year doy or a date "
            f"in the first rows; found {seen}. Name the columns so."
        )
        raise ValueError(msg)
    read = []
    for sheet, table in tables:
        station, said = (code, ()) if code else known.of_file(path, sheet.name)
        notes += [(station, "", text, sheet.label) for text in said]
        if table is None:
            notes.append((station, "", "no columns of dates: the sheet is left out", sheet.label))
            continue
        if not table.columns:
            _refuse_useless(table, sole=len(tables) == 1)
            notes.append((station, "", "no column of use: the sheet is left out", sheet.label))
            continue
        stamps = read_stamps(table, year=year_of(path.stem))
        _check_name(path, sheet, stamps)
        if stamps.scale == "year" or scale not in {None, stamps.scale}:
            notes.append((station, "", f"rows of a {stamps.scale}: the sheet is left out", sheet.label))
            continue
        one = _Read(station=station, file=sheet.label, stamps=stamps, conversion=convert(table, stamps, units))
        notes += _notes(one, path)
        read.append(one)
    return read


def _refuse_useless(table: SheetTable, *, sole: bool) -> None:
    """Refuse a file none of whose headings is known."""
    if sole:
        msg = (
            f"{table.label} has dates, but none of its headings is known: {', '.join(table.unused[:8]) or 'none'}. "
            "Rename its columns as ChinaFLUX does: NEE, 空气温度 or Ta, 降水量 or Rain, ..."
        )
        raise ValueError(msg)


def _check_name(path: Path, sheet: Sheet, stamps: Stamps) -> None:
    """Compare the scale that a name states with that of the stamps."""
    stated = scale_of(sheet.name) or scale_of(path.stem)
    # One row, or a month of one day, tells too little to contradict a name.
    if stated is not None and stated != stamps.scale and len(np.unique(stamps.times)) > 1:
        msg = (
            f"{sheet.label} is of {stated} rows by its name, but its stamps are those of {stamps.scale} rows. Which is "
            "right? Correct the name or the dates: unit and sum depend on it."
        )
        raise ValueError(msg)


def _notes(one: _Read, path: Path) -> Iterable[tuple[str, str, str, str]]:
    """List what is odd about a sheet."""
    said = list(one.conversion.notes)
    unused = one.conversion.table.unused
    if unused:
        said.append(("", f"columns not used: {', '.join(unused)}"))
    flux, named = "NEE" in one.conversion.rows, path.stem
    if ("气象" in named and flux) or ("通量" in named and "气象" not in named and not flux):
        said.append(("", f"{'fluxes' if flux else 'no NEE'} under this name"))
    return [(one.station, name, text, one.file) for name, text in said]


def _group(read: Sequence[_Read], *, coverage_min: float, qc_min: float) -> list[Months]:
    """Make months of all sheets, those of one kind and scale together."""
    parts: dict[Group, list[Rows]] = {}
    for one in read:
        index = pd.DatetimeIndex(one.stamps.times.astype("datetime64[ns]"), name="time")
        frame = pd.DataFrame(one.conversion.rows, index=index)
        parts.setdefault(one.group, []).append(Rows(label=one.file, frame=frame))
    return [to_months(group, rows, coverage_min=coverage_min, qc_min=qc_min) for group, rows in parts.items()]


def _coords(stations: Table | None, sites: list[str], known: Stations) -> dict[str, xr.Variable]:
    """Look up where the stations stand: in the table of the user, else in that of the study."""
    own = [site for site in sites if site in known.own]
    study = chinaflux_stations()
    table = study[["pft", "name"]].to_dataframe().reset_index().rename(columns={"site": "site_id"})
    rest = site_coords(table.assign(licence=""), [site for site in sites if site not in own])
    if not own:
        return rest
    first = site_coords(stations, own)
    order = np.argsort([*own, *rest["site"].to_numpy()], kind="stable")
    return {
        name: xr.Variable("site", np.concatenate([first[name].to_numpy(), about.to_numpy()])[order], about.attrs)
        for name, about in rest.items()
    }


def _assemble(
    frames: Mapping[str, pd.DataFrame],
    read: Sequence[_Read],
    months: Sequence[Months],
    notes: Sequence[tuple[str, str, str, str]],
    *,
    qc_min: float,
    coverage_min: float,
) -> xr.Dataset:
    """Lay the stations side by side on one axis of months."""
    first, last = (edge(frame.index[place] for frame in frames.values()) for edge, place in ((min, 0), (max, -1)))
    axis = pd.date_range(first, last, freq="MS", name="time").as_unit("ns")
    whole = {site: frame.reindex(axis) for site, frame in frames.items()}
    values = {
        name: np.stack(
            [frame[name].to_numpy("f8") if name in frame else np.full(len(axis), np.nan) for frame in whole.values()]
        )
        for name in _ORDER
        if any(name in frame for frame in frames.values())
    }
    kept = {name: array for name, array in values.items() if name in {"NEE", "NEE_QC"} or np.isfinite(array).any()}
    if "PAR" not in kept:
        kept.pop("PAR_derived", None)
    elif "PAR_derived" not in kept:
        kept["PAR_derived"] = np.zeros_like(kept["PAR"])
    ds = xr.Dataset({name: (("site", "time"), array) for name, array in kept.items()}, coords={"time": axis})
    if "PAR_derived" in ds:
        ds["PAR_derived"] = ds["PAR_derived"].fillna(0).astype("i1")
    counts: Counter[tuple[str, str]] = Counter()
    for source in (*(group.counts for group in months), *(one.conversion.counts for one in read)):
        for (name, what), count in source.items():
            counts[_MADE_OF.get(name, name), what] += count
    return _describe(ds, read, counts, _lines(notes)).assign_attrs(
        title="tower data of ChinaFLUX",
        source="ChinaFLUX sheets: " + ", ".join(sorted({one.file for one in read})),
        time_zone="not printed in the data papers; taken as the local time of the tower",
        qc_min=float(qc_min),
        coverage_min=float(coverage_min),
        months_in_files=counts["NEE", "months_in_files"],
        months_with_nee=counts["NEE", "months_with_nee"],
        months_without_nee=counts["NEE", "months_without_value"],
        months_under_coverage=counts["NEE", "months_under_coverage"],
        months_under_qc_min=counts["NEE", "months_under_qc_min"],
        months_nee_out_of_range=counts["NEE", "months_out_of_range"],
    )


def _lines(notes: Sequence[tuple[str, str, str, str]]) -> dict[str, list[str]]:
    """Write the notes by variable, each once with the stations and the files that it is about."""
    about: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for station, name, text, file in notes:
        about.setdefault((name, text), []).append((station, file))
    lines: dict[str, list[str]] = {}
    for (name, text), places in about.items():
        sites = ", ".join(sorted({station for station, _ in places}))
        files = list(dict.fromkeys(file for _, file in places if file))
        more = f" and {len(files) - 1} more" if len(files) > 1 else ""
        line = f"{sites}: {text}" + (f" ({files[0]}{more})" if files else "")
        lines.setdefault(name, []).append(line)
        _log.info("%s %s", name, line)
    return {name: sorted(texts) for name, texts in lines.items()}


def _describe(
    ds: xr.Dataset, read: Sequence[_Read], counts: Counter[tuple[str, str]], notes: Mapping[str, list[str]]
) -> xr.Dataset:
    """Give each variable its unit, its meaning, its headings, its gaps and its notes."""
    headings: dict[str, list[str]] = {}
    for one in read:
        for name, text in one.conversion.sources.items():
            headings.setdefault(_MADE_OF.get(name, name), []).append(text)
    for name in sorted({str(name) for name in ds.data_vars} & set(VARIABLES)):
        row = VARIABLES[name]
        gaps = {what: count for (of, what), count in sorted(counts.items()) if of == name and name != "NEE"}
        ds[name].attrs = {
            "units": row.units,
            "long_name": row.long_name,
            "source": ", ".join(dict.fromkeys(headings.get(name, []))),
            "notes": "\n".join(notes.get(name, [])),
            "values_out_of_range": counts[name, "values_out_of_range"],
            **gaps,
        }
    ds["NEE_QC"].attrs = {
        "units": "1",
        "long_name": "share of the rows of the month in which NEE is measured; NaN where the sheet is of months",
        "source": "质控NEE beside 插补NEE where both are there, else the rows with a value",
    }
    if "PAR_derived" in ds:
        ds["PAR_derived"].attrs = {
            "units": "1",
            "long_name": "1 where PAR is made from shortwave radiation, 0 where it is measured or missing",
            "method": f"shortwave radiation times {PAR_PER_SHORTWAVE} umol J-1",
        }
    everything = [line if not name else f"{name}: {line}" for name in ("", *_ORDER) for line in notes.get(name, [])]
    return ds.assign_attrs(notes="\n".join(everything))
