"""Recipes as values."""

from __future__ import annotations

import numpy as np
import pytest

from xnee.cube import DriverRecipe, LandCoverRecipe, Recipe

from .conftest import GRID, PERIOD


def recipe(**changes):
    return Recipe(**({"grid": GRID, "period": PERIOD, "drivers": {"TEMP": DriverRecipe(files="t.nc")}} | changes))


def test_months_are_those_of_the_period():
    months = recipe(period=("2000-11", "2001-02")).months
    np.testing.assert_array_equal(months.astype("M8[M]").astype(str), ["2000-11", "2000-12", "2001-01", "2001-02"])
    assert months.dtype == "M8[ns]"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, "a driver needs files, .*got neither"),
        ({"files": "a.nc", "source": print}, "got both"),
        ({"files": 3}, "files must be a path or glob pattern, or a list of them; got int 3"),
        ({"files": ["a.nc", 4]}, "files must be a path or glob pattern, or a list of them; got int 4"),
        ({"source": "a.nc"}, r"a source must be callable as source\(grid, period\); got str"),
        ({"files": "a.nc", "coverage": "half"}, "coverage must be a number from 0 to 1; got str"),
        ({"files": "a.nc", "coverage": True}, "coverage must be a number from 0 to 1; got bool"),
        ({"files": "a.nc", "coverage": 1.5}, "0 to 1; got 1.5"),
        (
            {"files": "a.nc", "method": "bilinear"},
            "method must be one of area, components, or left out; got 'bilinear'",
        ),
        ({"files": "a.nc", "fill": "guess"}, "fill must be one of climatology, linear, or left out; got 'guess'"),
        ({"files": "a.nc", "product": 5}, "product must be the name of a product; got int 5"),
        ({"files": "a.nc", "options": ["K"]}, "options must be a table of keywords of open_driver; got list"),
    ],
)
def test_driver_refuses(changes, message):
    with pytest.raises((ValueError, TypeError), match=message):
        DriverRecipe(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"drivers": {}}, "at least one variable"),
        ({"drivers": {"P": DriverRecipe(files="p.nc")}}, "'P' is refused"),
        ({"drivers": {"temp": DriverRecipe(files="t.nc")}}, r"names of the vocabulary.*got \['temp'\]"),
        ({"drivers": {"TEMP": "t.nc"}}, "drivers.TEMP must be a DriverRecipe; got str"),
        (
            {"drivers": {"WD": DriverRecipe(files="w.nc", method="area")}},
            "method of WD must be 'components': an angle has",
        ),
        ({"drivers": {"PRE": DriverRecipe(files="p.nc", method="components")}}, "method of PRE must be 'area'"),
        ({"period": ("2001-02", "2001-01")}, "first and the last month, .* in order"),
        ({"period": "2001-01"}, "period must be the first and the last month"),
        ({"period": ("2001-01", "2001-13")}, "period must be the first and the last month"),
        ({"period": ("2001", "2002")}, "period must be the first and the last month"),
        ({"tile": 0}, "tile must be 1 cell or more"),
        ({"tile": 2.5}, "tile must be a whole number of cells; got float"),
        ({"grid": "china"}, "grid must be an xnee.Grid; got str"),
        ({"title": 3}, "title must be a text"),
    ],
)
def test_recipe_refuses(changes, message):
    with pytest.raises((ValueError, TypeError), match=message):
        recipe(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"files": 3}, "files must be one path, or a table of paths by year; got int"),
        ({"files": {"first": "a.tif"}}, "go by year, as 2010; got 'first'"),
        ({"legend": 17}, "legend must be the name of one or a table; got int 17"),
        ({"rule": {"ENF": "1"}}, "list of class codes; got '1' for ENF"),
        ({"rule": {"ENF": [1.5]}}, r"list of class codes; got \[1.5\] for ENF"),
        ({"files": {2001: "a"}, "legend": {2002: "MCD12C1"}}, r"need the years of files, \[2001\]; got \[2002\]"),
        ({"year": 2005}, r"files has the years \[\], year is 2005"),
        ({"year": "2005"}, "year must be one of the years of files"),
    ],
)
def test_land_cover_refuses(changes, message):
    with pytest.raises((ValueError, TypeError), match=message):
        LandCoverRecipe(**({"files": "a.tif", "legend": "MCD12C1"} | changes))


def test_the_nearest_year_of_land_cover_is_that_of_the_middle():
    cover = LandCoverRecipe(files={"2010": "b.tif", 2001: "a.tif"}, legend="MCD12C1")
    assert list(cover.files) == [2001, 2010]
    assert cover.nearest_year(("2003-01", "2005-12")) == 2001
    assert cover.nearest_year(("2003-01", "2012-12")) == 2010
    assert LandCoverRecipe(files="a.tif", legend="MCD12C1").nearest_year(PERIOD) is None
