"""Recipes as TOML files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from xnee.cube import read_recipe
from xnee.pft import Legend
from xnee.variables import DRIVERS

DOCS = Path(__file__).resolve().parents[2] / "docs"

WHOLE = """
title = "China"
period = ["2001-01", "2003-12"]
region = "china.geojson"
tile = 32

[grid]
west = 70
east = 140
south = 15
north = 55
step = 0.5

[drivers.TEMP]
files = ["era5/2001/*.nc", "/data/era5/2002/*.nc"]
product = "ERA5-Land"
fill = "linear"

[drivers.SIF]
files = "gosif/*.tif"
coverage = 0.3
options = {units = "W m-2 um-1 sr-1", missing = [32767, 32766]}

[land_cover]
files = {2001 = "a.tif", 2010 = "b.tif"}
legend = {codes = [0, 1, 2], water = 0, fill = 99}
rule = {ENF = [1], MF = [2]}
"""


def read(tmp_path, text):
    (tmp_path / "china.toml").write_text(text, encoding="utf-8")
    return read_recipe(tmp_path / "china.toml")


def test_a_whole_recipe(tmp_path):
    recipe = read(tmp_path, WHOLE)
    assert recipe.months.size == 36
    assert recipe.tile == 32
    assert recipe.region == str(tmp_path / "china.geojson")
    assert recipe.drivers["TEMP"].files == (str(tmp_path / "era5/2001/*.nc"), "/data/era5/2002/*.nc")
    assert recipe.drivers["TEMP"].fill == "linear"
    assert recipe.drivers["SIF"].options == {"units": "W m-2 um-1 sr-1", "missing": [32767, 32766]}
    assert recipe.land_cover.files == {2001: str(tmp_path / "a.tif"), 2010: str(tmp_path / "b.tif")}
    assert recipe.land_cover.legend == Legend(codes=(0, 1, 2), water=0, fill=99)
    assert recipe.land_cover.rule == {"ENF": (1,), "MF": (2,)}


def test_legends_may_differ_by_year(tmp_path):
    legend = '{2001 = "MCD12C1", 2010 = {codes = [0, 1], water = 0}}'
    cover = read(tmp_path, WHOLE.replace("{codes = [0, 1, 2], water = 0, fill = 99}", legend)).land_cover
    assert cover.legend_of(2001) == "MCD12C1"
    assert cover.legend_of(2010) == Legend(codes=(0, 1), water=0)


def test_a_byte_order_mark_does_no_harm(tmp_path):
    assert read(tmp_path, "\ufeff" + WHOLE).title == "China"


@pytest.mark.parametrize(
    ("page", "drivers"), [("cube.md", {"TEMP", "SIF", "AGE"}), ("reference-drivers.md", set(DRIVERS))]
)
def test_recipes_in_the_documentation_are_recipes(tmp_path, page, drivers):
    (text,) = re.findall(r"```toml\n(.*?)```", (DOCS / page).read_text(), flags=re.DOTALL)
    assert set(read(tmp_path, text).drivers) == drivers


def test_no_file_no_recipe(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no such file: .*china.toml. Give the path of a recipe"):
        read_recipe(tmp_path / "china.toml")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("west = 70", "west = ", "china.toml is not TOML: .*line"),
        ("west = 70", "", r"china.toml: \[grid\] lacks 1 required keyword-only argument: 'west'"),
        ("west = 70", 'west = "70"', r"china.toml: \[grid\]"),
        ("step = 0.5", "step = 0.3", r"china.toml: \[grid\] a grid needs .* a step that divides"),
        ("tile = 32", "tiles = 32", "the recipe has the unknown key 'tiles'; known are .*Did you mean 'tile'"),
        ("tile = 32", 'tile = "32"', "china.toml: the recipe tile must be a whole number of cells; got str '32'"),
        ('fill = "linear"', 'fil = "linear"', r"\[drivers.TEMP\] has the unknown key 'fil'; .*Did you mean 'fill'"),
        ('fill = "linear"', 'fill = "spline"', r"\[drivers.TEMP\] fill must be one of climatology, linear"),
        ('fill = "linear"', 'source = "x"', r"\[drivers.TEMP\] has the key 'source', which is for Python only"),
        ('files = "gosif/*.tif"', "files = 3", r"\[drivers.SIF\] files must be a path or glob pattern"),
        ('files = "gosif/*.tif"', "", r"\[drivers.SIF\] a driver needs files"),
        ("[drivers.SIF]", "[drivers.SIFF]", r"names of the vocabulary.*got \['SIFF'\]"),
        ('period = ["2001-01", "2003-12"]', "", "lacks 1 required keyword-only argument: 'period'"),
        ('period = ["2001-01", "2003-12"]', "period = [2001, 2003]", "period must be the first and the last month"),
        ('region = "china.geojson"', "region = 3", "a path must be a text"),
        ("water = 0", "sea = 0", r"\[land_cover.legend\] has the unknown key 'sea'"),
        ("rule = {ENF = [1], MF = [2]}", "rule = [1]", "rule must be a table"),
        ("{2001 = ", "{first = ", r"\[land_cover\] files of several land-cover maps go by year"),
        ("[grid]", "[[grid]]", "grid must be a table; got list"),
    ],
)
def test_what_is_wrong_is_named_with_file_and_key(tmp_path, old, new, message):
    assert WHOLE.count(old) == 1
    with pytest.raises(ValueError, match=message):
        read(tmp_path, WHOLE.replace(old, new))


def test_a_file_in_another_encoding_is_refused(tmp_path):
    (tmp_path / "china.toml").write_bytes('title = "中国"'.encode("gb18030"))
    with pytest.raises(ValueError, match=r"china.toml is not TOML"):
        read_recipe(tmp_path / "china.toml")
