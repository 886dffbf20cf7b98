"""Real files whose grids do not fit together land on one grid."""

from __future__ import annotations

import numpy as np
import pytest

from xnee.cube import DriverRecipe, LandCoverRecipe, Recipe, build_cube, provenance_table
from xnee.grid import Grid

GRID = Grid(west=109, east=119, south=22, north=29, step=0.1)
FOREST = ((27.65, 109.45), (28.15, 118.75), (25.15, 114.75), (26.95, 110.35), (27.95, 117.45))


def by_overlap(path, lat, lon, step, *, good, value):
    """Mean by area over the pixels of a raster that meet a cell: every pixel against the cell, on a sphere."""
    import rasterio

    with rasterio.open(path) as file:
        raw, place = file.read(1), file.transform
    total = weight = 0.0
    for i in range(int((place.f - lat - step / 2) / -place.e) - 2, int((place.f - lat + step / 2) / -place.e) + 3):
        for j in range(int((lon - step / 2 - place.c) / place.a) - 2, int((lon + step / 2 - place.c) / place.a) + 3):
            top, left = place.f + i * place.e, place.c + j * place.a
            high = min(top, lat + step / 2) - max(top + place.e, lat - step / 2)
            wide = min(left + place.a, lon + step / 2) - max(left, lon - step / 2)
            if high > 0 and wide > 0 and good(raw[i, j]):
                area = high * wide * np.cos(np.deg2rad(top + place.e / 2))
                total, weight = total + area * value(raw[i, j]), weight + area
    return total / weight


@pytest.fixture(scope="module")
def cube(tmp_path_factory):
    from conftest import _SHARED

    if not (_SHARED / "data").is_dir():
        pytest.skip("needs the real files in ../shared, which a user's clone does not have")
    grids = _SHARED / "data" / "grids"
    recipe = Recipe(
        grid=GRID,
        period=("2001-01", "2001-01"),
        drivers={"SIF": DriverRecipe(files=str(grids / "gosif_2001001.tif"), options={"coverage": 0.2})},
        land_cover=LandCoverRecipe(files=str(grids / "MCD12_2021_LC_Type1_trimmed.tif"), legend="MCD12Q1"),
    )
    return build_cube(recipe, tmp_path_factory.mktemp("real") / "cube.zarr", progress=False), grids


@pytest.mark.parametrize("place", FOREST)
def test_gosif_and_land_cover_meet_on_one_grid(cube, place):
    ds, grids = cube
    cell = ds.sel(lat=place[0], lon=place[1], method="nearest").isel(time=0)
    assert float(cell["pft_fraction"].sum()) > 0
    sif = by_overlap(
        grids / "gosif_2001001.tif", *place, 0.1, good=lambda raw: abs(raw) < 32766, value=lambda v: v * 1e-4
    )
    assert float(cell["SIF"]) == pytest.approx(sif, rel=1e-4)
    cover = grids / "MCD12_2021_LC_Type1_trimmed.tif"
    forest = by_overlap(cover, *place, 0.1, good=lambda _: True, value=lambda code: 1 <= code <= 5)
    assert float(cell["pft_fraction"].sum()) == pytest.approx(forest, abs=1e-4)


def test_provenance_of_real_files(cube):
    text = provenance_table(cube[0])
    assert "gosif_2001001.tif sha256:" in text
    assert "MCD12_2021_LC_Type1_trimmed.tif, legend MCD12Q1" in text
