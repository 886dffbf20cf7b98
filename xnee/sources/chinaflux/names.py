"""Which files are meant, and what their names tell: the station, the year and the time scale."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterable, Mapping
from os import PathLike, fspath
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

import pandas as pd

from xnee.sources.chinaflux.sheets import SUFFIXES
from xnee.sources.chinaflux.stamps import Scale
from xnee.sources.chinaflux.units import fold
from xnee.sources.site_table import Table, read_table
from xnee.sources.stations import chinaflux_stations

__all__ = ["Paths", "Stations", "find_files", "scale_of", "year_of"]

Paths: TypeAlias = str | PathLike[str] | Iterable[str | PathLike[str]]

# Names in the titles of the data papers, beside the codes and names of chinaflux_stations(); other codes in use.
_ALIASES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "CBF": ("长白山", "CBS"),
        "QYF": ("千烟洲", "QYZ"),
        "DHF": ("鼎湖山", "DHS"),
        "XBF": ("西双版纳", "XSBN"),
        "ALF": ("哀牢山", "ALS"),
        "HZF": ("呼中",),
        "LDF": ("小浪底", "XLD"),
        "BTF": ("宝天曼", "BTM"),
        "MEF": ("帽儿山", "MES"),
        "JFF": ("金佛山", "JFS"),
        "YSF": ("燕山",),
    }
)
# Towers of the same places that stand in no natural forest or plantation of the study: 燕山灌丛 is shrub.
_NO_FOREST = ("灌丛", "灌木", "橡胶", "草地", "草甸", "草原", "农田", "湿地", "rubber", "shrub")
_SCALES: Mapping[Scale, str] = MappingProxyType(
    {
        "half-hour": r"30 ?分钟?|半小时|小时尺度|30 ?min|half-?hour|hourly|(?<![a-z])hh(?![a-z])",
        "day": r"日|day|daily|(?<![a-z])dd(?![a-z])",
        "month": r"月|month|(?<![a-z])mm(?![a-z])",
        "year": r"年|year|annual",
    }
)


class Stations:
    """The stations that file names may speak of.

    Parameters
    ----------
    table
        The user's own: ``site_id``, ``lat``, ``lon``, ``pft`` or ``igbp``; None for those of the study alone.
    """

    def __init__(self, table: Table | None) -> None:
        own = _own_ids(table)
        study = chinaflux_stations()
        names = {str(code): str(study["name"].sel(site=code).item()) for code in study["site"].to_numpy()}
        self.own = own
        self.words: dict[str, str] = {}
        for code, name in names.items():
            self.words |= dict.fromkeys((code, name, *_ALIASES.get(code, ())), code)
        self.words |= {site: site for site in own}

    def named(self, text: str) -> str:
        """Find the station that an argument names.

        Parameters
        ----------
        text
            Code, name or Chinese name.

        Returns
        -------
        str
            Its code.

        Raises
        ------
        ValueError
            If no station is called so.
        """
        folded = {word.lower(): code for word, code in self.words.items()}
        code = folded.get(fold(text).lower())
        if code is None:
            msg = f"no station is called {text!r}; known are {self._known()}. Add yours: stations='stations.csv'."
            raise ValueError(msg)
        return code

    def of_file(self, path: Path, sheet: str = "") -> tuple[str, tuple[str, ...]]:
        """Recognise the station of a file by its name, else by the sheet's, else by that of its folder.

        Parameters
        ----------
        path
            Of the file.
        sheet
            Name of the sheet.

        Returns
        -------
        tuple
            Code of the station, and what is to be said about it.

        Raises
        ------
        ValueError
            If none or several stations are named, or a tower that stands in no forest.
        """
        folder = path.absolute().parent.name
        for text, note in (
            (path.stem, ()),
            (sheet, (f"station read from the sheet {sheet!r}",)),
            (folder, (f"station read from the folder {folder!r}",)),
        ):
            found = self._in(fold(text))
            if len(found) > 1:
                msg = f"{path.name}: {text!r} names several stations, {found}. Say which: station={found[0]!r}."
                raise ValueError(msg)
            if found:
                self._refuse_other_towers(path.name, fold(text), found[0])
                return found[0], note
        msg = (
            f"{path.name} names no station: looked for {self._known()}. Say which it is, station='CBF', or leave the "
            "file out."
        )
        raise ValueError(msg)

    def _in(self, text: str) -> list[str]:
        """List the stations that a text names; letters must stand alone, Chinese may be within a word."""
        found = []
        for word, code in self.words.items():
            # 2003CBF and CBF_met name Changbaishan; a longer word that has the three letters in it does not.
            pattern = rf"(?<![a-z]){re.escape(word)}(?![a-z])" if word.isascii() else re.escape(word)
            if re.search(pattern, text, flags=re.IGNORECASE):
                found.append(code)
        return sorted(set(found))

    def _refuse_other_towers(self, file: str, text: str, code: str) -> None:
        """Refuse a shrub or rubber tower that has the name of the place of a forest."""
        other = next((word for word in _NO_FOREST if word in text.lower()), None)
        if other and code not in self.own:
            msg = (
                f"{file}: {other!r} is another tower at the place of {code}, and not its forest. Leave the file out, "
                f"or say that it is: station={code!r}."
            )
            raise ValueError(msg)

    def _known(self) -> str:
        """List what names a station."""
        by_code: dict[str, list[str]] = {}
        for word, code in self.words.items():
            by_code.setdefault(code, []).extend([] if word == code else [word])
        return ", ".join(f"{code} ({', '.join(words[:2])})" if words else code for code, words in by_code.items())


def _own_ids(table: Table | None) -> list[str]:
    """List the sites of the user's table."""
    if table is None:
        return []
    frame, label = read_table(table, needs=())
    column = next((name for name in frame.columns if str(name).lower() in {"site_id", "site"}), None)
    if column is None:
        msg = f"{label} must name its stations in a column site_id; it has {list(frame.columns)}. Add it."
        raise ValueError(msg)
    return [str(site).strip() for site in frame[column] if not pd.isna(site) and str(site).strip()]


def find_files(paths: Paths) -> list[Path]:
    """List the files that are meant, each once.

    Parameters
    ----------
    paths
        A path, a pattern, a folder (all workbooks and tables in it and below), or several of either.

    Returns
    -------
    list of pathlib.Path
        In the order of the patterns, sorted within one. The lock files of spreadsheets (``~$...``) are left out of
        patterns and folders.

    Raises
    ------
    FileNotFoundError
        If one of `paths` matches no file.
    TypeError
        If `paths` is no path.
    """
    patterns: list[object] = [paths]
    if not isinstance(paths, str | PathLike):
        patterns = list(paths) if isinstance(paths, Iterable) else patterns
    found: dict[Path, Path] = {}  # by the file behind a link
    for pattern in patterns:
        if not isinstance(pattern, str | PathLike):
            msg = f"paths must be a path, a pattern, a folder or several of these; got {pattern!r}."
            raise TypeError(msg)
        found.update({path.resolve(): path for path in _matches(str(fspath(pattern)))})
    if not found:
        msg = "no file is named. Give the workbooks, a pattern, or their folder: read_chinaflux('downloads')."
        raise FileNotFoundError(msg)
    return list(found.values())


def _matches(pattern: str) -> list[Path]:
    """List the files of one pattern."""
    path = Path(pattern).expanduser()
    if "\0" in pattern or not pattern:
        msg = f"no file is named {pattern!r}."
        raise FileNotFoundError(msg)
    if path.is_file():
        return [path]
    inside = path.rglob("*") if path.is_dir() else map(Path, glob.glob(str(path), recursive=True))
    files = sorted(name for name in inside if name.is_file() and not name.name.startswith(("~$", ".")))
    if path.is_dir():
        files = [name for name in files if name.suffix.lower() in SUFFIXES]
    if not files:
        where = (
            f"the folder {pattern!r} holds no {', '.join(SUFFIXES)}"
            if path.is_dir()
            else f"no file matches {pattern!r}"
        )
        msg = f"{where}. Look at the path: it is relative to where Python runs."
        raise FileNotFoundError(msg)
    return files


def scale_of(text: str) -> Scale | None:
    """Read the time scale that a name states.

    Parameters
    ----------
    text
        Name of a file or of a sheet.

    Returns
    -------
    str or None
        ``"half-hour"``, ``"day"``, ``"month"`` or ``"year"``; None if it states none, or several.

    Examples
    --------
    >>> scale_of("2003年长白山通量30分钟数据.xlsx"), scale_of("呼中站2014年通量日尺度数据"), scale_of("2003年长白山")
    ('half-hour', 'day', None)
    """
    plain = re.sub(r"\d+ ?[年月日](?![尺统均])", "", fold(text).lower())  # 2003年7月 is a date and no scale
    found = [scale for scale, words in _SCALES.items() if re.search(words, plain)]
    return found[0] if len(found) == 1 else None


def year_of(text: str) -> int | None:
    """Read the year that a name states.

    Parameters
    ----------
    text
        Name of a file.

    Returns
    -------
    int or None
        None if it states none, or several.

    Examples
    --------
    >>> year_of("2003年长白山通量月数据.xlsx"), year_of("千烟洲_Met_Day_2003-2015.csv")
    (2003, None)
    """
    found = set(re.findall(r"(?<!\d)((?:19|20)\d{2})(?!\d)", fold(text)))
    return int(found.pop()) if len(found) == 1 else None
