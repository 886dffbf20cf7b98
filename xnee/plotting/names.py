"""Names of sites as a figure can write them: Chinese where a font for it is at hand, the id alone where none is."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

__all__ = ["families_for", "site_label"]

_WORDS = (
    "CJK", "Source Han", "WenQuanYi", "SimHei", "SimSun", "YaHei", "PingFang", "Heiti", "Songti", "STSong", "Hiragino",
    "Droid Sans Fallback", "Noto Sans SC", "Noto Sans TC", "Noto Serif SC", "FangSong", "KaiTi", "AR PL",
    "Arial Unicode", "Unifont",
)  # fmt: skip
"""Parts of the names of fonts with Chinese characters. Opening every font of a machine would take seconds."""


def site_label(site: str, name: str = "", *, more: str = "") -> tuple[str, dict[str, Any]]:
    """Write a site so that every character of it can be drawn.

    Parameters
    ----------
    site
        Its id.
    name
        Its name in any script; left out where no font here has all of its characters.
    more
        Said after it.

    Returns
    -------
    tuple
        The text, and keyword arguments for what draws it: the fonts to take its characters from.
    """
    name = " ".join(name.split())
    families = families_for(name) if name and name != site else None
    shown = f"{site} {name}" if families else site
    text = f"{shown} {more}".strip()
    return text.replace("$", r"\$"), {"fontfamily": list(families)} if families else {}


def families_for(text: str) -> tuple[str, ...] | None:
    """Find fonts of this machine that together have every character of a text.

    Parameters
    ----------
    text
        In any script.

    Returns
    -------
    tuple of str or None
        Font families, those of matplotlib's settings first; None where a character has no font.
    """
    from matplotlib import rcParams

    return _families_for(text, tuple(rcParams["font.family"]))


@lru_cache(maxsize=1024)
def _families_for(text: str, default: tuple[str, ...]) -> tuple[str, ...] | None:
    lacking = {ord(sign) for sign in text} - _characters(default[0]).keys()
    if not lacking:
        return default
    for family in _candidates():
        if lacking <= _characters(family).keys():
            return (*default, family)
    return None


def _candidates() -> list[str]:
    """Families whose name promises Chinese characters."""
    from matplotlib.font_manager import fontManager

    names = sorted({entry.name for entry in fontManager.ttflist})
    return [name for word in _WORDS for name in names if word in name]


@lru_cache(maxsize=64)
def _characters(family: str) -> Mapping[int, Any]:
    """Give the characters that a family can draw, as code points; none where its file is gone."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    try:
        # matplotlib's list of fonts may be older than the fonts: to make it anew takes seconds
        path = findfont(FontProperties(family=[family]), fallback_to_default=False, rebuild_if_missing=False)
        return get_font(path).get_charmap()
    except (OSError, RuntimeError, ValueError):
        return {}
