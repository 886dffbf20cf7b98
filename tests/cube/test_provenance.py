"""Where a cube came from, as text and as numbers."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr

from xnee.cube import DriverRecipe, LandCoverRecipe, build_cube, provenance_table
from xnee.cube.inputs import checksum
from xnee.grid import cell_area

from .conftest import GRID, PERIOD, make_field, make_recipe, write_driver


@pytest.fixture
def cube(tmp_path, land_cover):
    field = make_field(step=0.5)
    path = write_driver(tmp_path / "temp.nc", field.where(field["lon"] > 101))
    drivers = {"TEMP": DriverRecipe(files=str(path), fill="climatology")}
    cover = LandCoverRecipe(files=land_cover, legend="MCD12C1")
    return build_cube(make_recipe(drivers=drivers, land_cover=cover), tmp_path / "cube.zarr", progress=False)


def test_the_share_missing_counts_forest_area_and_months(cube):
    weight = cube["pft_fraction"].sum("pft") * cell_area(GRID.lat, GRID.lon)
    expected = (cube["TEMP"].isnull() * weight).sum() / (weight.sum() * cube.sizes["time"])
    assert cube["TEMP"].attrs["share_missing_in_forest"] == pytest.approx(float(expected), abs=1e-6)
    assert float(expected) > 0.2


def test_attributes_name_files_with_their_checksums(cube, tmp_path):
    said = json.loads(cube["TEMP"].attrs["provenance"])
    assert said["files"] == {"temp.nc": checksum(tmp_path / "temp.nc")}
    assert said["recipe"]["fill"] == "climatology"
    assert cube["TEMP"].attrs["units"] == "degC"


def test_the_table_says_it_in_words(cube, tmp_path):
    text = provenance_table(cube)
    share = cube["TEMP"].attrs["share_missing_in_forest"]
    assert f"TEMP, degC: missing in the forest: {share:.1%}" in text
    assert f"files: 1: temp.nc {checksum(tmp_path / 'temp.nc')}" in text
    assert "regridding: none, the grid is that of the files" in text
    assert "conversions: " in text
    areas = json.loads(cube["pft_fraction"].attrs["area_km2"])
    assert f"together {sum(areas.values()):,.0f}" in text
    assert "not forest by the rule, km2, largest classes: " in text
    left_out = json.loads(cube["pft_fraction"].attrs["area_left_out_km2"])
    assert f"8 {left_out['8']:,.0f}" in text


def test_without_land_cover_the_share_is_of_all_area(tmp_path):
    field = make_field(step=0.5)
    cube = build_cube(make_recipe(field.where(field["lon"] > 101.5)), tmp_path / "cube.zarr", progress=False)
    assert cube["TEMP"].attrs["share_missing_in_forest"] == pytest.approx(0.5, abs=1e-6)


def test_without_forest_there_is_no_share(tmp_path, land_cover):
    cover = LandCoverRecipe(files=land_cover, legend="MCD12C1", rule={"ENF": [3]})
    cube = build_cube(make_recipe(land_cover=cover), tmp_path / "cube.zarr", progress=False)
    assert "share_missing_in_forest" not in cube["TEMP"].attrs
    assert "missing in the forest: no forest" in provenance_table(cube)


def test_many_files_are_shown_by_the_first_and_the_last(tmp_path):
    months = make_field().sel(time=slice(*PERIOD))
    for i in range(12):
        write_driver(tmp_path / f"t_2001{i + 1:02d}.nc", months.isel(time=[i]))
    drivers = {"TEMP": DriverRecipe(files=str(tmp_path / "t_*.nc"), options={"every": "month"})}
    cube = build_cube(make_recipe(drivers=drivers), tmp_path / "cube.zarr", progress=False)
    assert "files: 12: t_200101.nc sha256:" in provenance_table(cube)
    assert "... t_200112.nc sha256:" in provenance_table(cube)
    np.testing.assert_array_equal(cube["TEMP"].notnull().all(["lat", "lon"]), True)


def test_other_cubes_do_not_say():
    with pytest.raises(ValueError, match="only cubes made by build_cube say where they came from"):
        provenance_table(xr.Dataset({"TEMP": ("time", [1.0])}))
