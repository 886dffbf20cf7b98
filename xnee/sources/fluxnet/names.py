"""What the names of FLUXNET files tell: site and resolution, and what is no tower data at all."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

import numpy as np

from xnee.sources.site_table import Stamp

__all__ = ["RESOLUTIONS", "Paths", "Resolution", "TowerFile", "find_files"]

Paths: TypeAlias = str | PathLike[str] | Iterable[str | PathLike[str]]


@dataclass(frozen=True, kw_only=True)
class Resolution:
    """How the rows of a file follow each other.

    Parameters
    ----------
    word
        What one says of such a file.
    time
        Column of the time stamps, that of the start of a row.
    stamp
        How a time stamp is written.
    per_day
        Rows in a day; 0 where a row is a month.
    rows
        What a row is, in the plural.
    shown
        How a time is shown in messages.
    """

    word: str
    time: str
    stamp: Stamp
    per_day: int
    rows: str
    shown: str = "%Y-%m-%d %H:%M"

    @property
    def step(self) -> np.timedelta64:
        """Time from one row to the next; of no use where a row is a month."""
        return np.timedelta64(1440 // self.per_day, "m")


RESOLUTIONS: Mapping[str, Resolution] = MappingProxyType(
    {
        "MM": Resolution(word="monthly", time="TIMESTAMP", stamp="YYYYMM", per_day=0, rows="months", shown="%Y-%m"),
        "DD": Resolution(word="daily", time="TIMESTAMP", stamp="YYYYMMDD", per_day=1, rows="days", shown="%Y-%m-%d"),
        "HR": Resolution(word="hourly", time="TIMESTAMP_START", stamp="YYYYMMDDHHMM", per_day=24, rows="hours"),
        "HH": Resolution(
            word="half-hourly", time="TIMESTAMP_START", stamp="YYYYMMDDHHMM", per_day=48, rows="half-hours"
        ),
    }
)
# A week may lie in two months, and a year in twelve: neither makes months.
_COARSE = MappingProxyType({"WW": "weekly", "YY": "yearly"})
# Files that come in the same archive and hold no tower data.
_BESIDE = ("ERAI", "ERA5", "AUXMETEO", "AUXNEE", "BIF", "BIFVARINFO", "VARINFO")
_NO_TEXT = MappingProxyType(
    {
        ".zip": "an archive of a site",
        ".gz": "a packed file",
        ".nc": "NetCDF, as OzFlux and PLUMBER2 write it",
        ".xlsx": "a workbook (those of ChinaFLUX are read with read_chinaflux)",
    }
)
# Networks that call the columns otherwise: what is NEE_VUT_REF, and what a quality means, is not known of them.
_OTHER_COLUMNS = MappingProxyType({"FLUXNET-CH4": "FLUXNET-CH4", "JAPANFLUX2024": "JapanFlux2024"})
# <network>_<site>_<words>.csv: FLX_DE-Hai_FLUXNET2015_SUBSET_MM_2000-2012_1-4.csv, AMF_US-Ha1_FLUXNET_FLUXMET_HH_...
_FILE_NAME = re.compile(r"[A-Za-z0-9]+_(?P<site>[A-Z]{2}-[A-Za-z0-9]+)_(?P<words>.+)\.csv", flags=re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class TowerFile:
    """One file, and what its name says.

    Parameters
    ----------
    path
        Where it is.
    site
        Id of the site.
    resolution
        Key of `RESOLUTIONS`.
    """

    path: Path
    site: str
    resolution: str


def find_files(paths: Paths) -> list[TowerFile]:
    """List the files that are meant, each once, and read their names.

    Parameters
    ----------
    paths
        A path, a pattern, or several of either.

    Returns
    -------
    list of TowerFile
        In the order of `paths`, those of a pattern in the order of their names.

    Raises
    ------
    FileNotFoundError
        If no file matches.
    IsADirectoryError
        If a path is a folder.
    ValueError
        If a name is not that of tower data of a known resolution, or a site comes in two resolutions.
    """
    files = [_read_name(path) for path in _expand(paths)]
    _refuse_mixture(files)
    return files


def _expand(paths: Paths) -> list[Path]:
    """List the files that are meant, each once."""
    patterns = [paths] if isinstance(paths, str | PathLike) else list(paths)
    found: dict[Path, Path] = {}  # by the file behind a link; the name is that of the link
    for pattern in patterns:
        path = Path(fspath(pattern)).expanduser()
        matches = [path] if path.exists() else [Path(name) for name in sorted(glob.glob(str(path), recursive=True))]
        if not matches:
            msg = f"no file matches {fspath(pattern)!r}. Look at the folder and the pattern, e.g. 'towers/*_MM_*.csv'."
            raise FileNotFoundError(msg)
        if matches == [path] and path.is_dir():
            msg = f"{fspath(pattern)!r} is a folder. Name the files in it, e.g. '{path}/*_MM_*.csv'."
            raise IsADirectoryError(msg)
        found.update({match.resolve(): match for match in matches if match.is_file()})
    if not found:
        msg = f"no file is named by {patterns}. Give the paths of tower files or a pattern, 'towers/*_MM_*.csv'."
        raise FileNotFoundError(msg)
    return list(found.values())


def _read_name(path: Path) -> TowerFile:
    """Take site and resolution out of a file name, and refuse what is no tower data that xnee can read."""
    named = _FILE_NAME.fullmatch(path.name)
    words = named["words"].upper().split("_") if named else []
    _refuse_other_data(path.name, words)
    if path.suffix.lower() in _NO_TEXT:
        msg = f"{path.name} is {_NO_TEXT[path.suffix.lower()]}, not a CSV file of FLUXNET; those are read, unpacked."
        raise ValueError(msg)
    resolution = next((word for word in words if word in RESOLUTIONS), None)
    if named is None or resolution is None:
        msg = (
            f"{path.name} is not named as FLUXNET names its files, <network>_<site>_..._MM_....csv (or DD, HR, HH); "
            "site and resolution are read from there. Keep the original name, or leave the file out with '*_MM_*.csv'."
        )
        raise ValueError(msg)
    return TowerFile(path=path, site=named["site"], resolution=resolution)


def _refuse_other_data(file: str, words: Sequence[str]) -> None:
    """Refuse files that are beside the tower data, not made by ONEFlux, or too coarse."""
    beside = next((word for word in words if word in _BESIDE), None)
    if beside:
        msg = f"{file} is the {beside} file beside the tower data. Leave it out: '*SUBSET_MM*', '*FLUXMET_MM*'."
        raise ValueError(msg)
    if any(word.startswith("BASE") for word in words):
        msg = (
            f"{file} is AmeriFlux BASE: measured half-hours as they came, gaps not filled, with other columns. A month "
            "made of them would be that of the weather in which the tower worked. Download AmeriFlux-FLUXNET instead, "
            "AMF_<site>_FLUXNET_..., which is made of it."
        )
        raise ValueError(msg)
    network = next((word for word in words if word in _OTHER_COLUMNS), None)
    if network:
        msg = (
            f"{file} is of {_OTHER_COLUMNS[network]}, whose columns are not those of ONEFlux (NEE_VUT_REF and its "
            "quality), so it is not read. Take the same tower from FLUXNET, AmeriFlux-FLUXNET or ICOS, or write a "
            "table with those columns."
        )
        raise ValueError(msg)
    coarse = next((word for word in words if word in _COARSE), None)
    if coarse:
        msg = (
            f"{file} is {_COARSE[coarse]} ({coarse}), which does not make months; monthly, daily, hourly and "
            "half-hourly files (MM, DD, HR, HH) are read. Take those of the same download, e.g. '*_MM_*.csv'."
        )
        raise ValueError(msg)


def _refuse_mixture(files: Sequence[TowerFile]) -> None:
    """Refuse two resolutions of one site: they say the same thing in slightly different words."""
    first: dict[str, TowerFile] = {}
    for file in files:
        other = first.setdefault(file.site, file)
        if other.resolution != file.resolution:
            kinds = [f"{one.path.name} is {RESOLUTIONS[one.resolution].word}" for one in (other, file)]
            msg = f"site {file.site} comes in two resolutions: {', '.join(kinds)}. Give one of them: '*_MM_*.csv'."
            raise ValueError(msg)
