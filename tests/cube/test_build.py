"""Building cubes: values, gaps, wind, resuming, and what is refused."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr

from xnee.cube import DriverRecipe, LandCoverRecipe, build_cube, provenance_table
from xnee.cube import build as building
from xnee.cube.ledger import Partial
from xnee.grid import Grid, aggregate
from xnee.sources.climatology import repeat_climatology
from xnee.sources.land_cover import read_land_cover

from .conftest import GRID, PERIOD, Given, make_field, make_recipe, write_classes, write_driver

RECIPE = """
period = ["2001-01", "2001-12"]
tile = 3
grid = {west = 100, east = 103, south = 30, north = 32, step = 0.5}
drivers.TEMP = {files = "temp.nc", fill = "linear"}
drivers.PRE = {files = "pre.nc"}
land_cover = {files = "cover.nc", legend = "MCD12C1"}
"""


def build(recipe, out, **options):
    return build_cube(recipe, out, progress=False, **options)


def expected(field, coverage=0.1):
    return aggregate(field.compute().sel(time=slice(*PERIOD)), GRID, coverage=coverage).transpose("time", "lat", "lon")


def everything(path):
    """All that a store holds, to the byte: attributes, layout and values."""
    group = zarr.open_group(path, mode="r")
    metadata = {str(file.relative_to(path)): file.read_text() for file in sorted(Path(path).rglob("zarr.json"))}
    return metadata, {name: group[name][...].tobytes() for name in group.array_keys() if name != "pft"}


def test_values_are_conservative_means_in_tiles(tmp_path):
    temp, pre = make_field(), make_field("PRE", step=0.3, seed=1)
    cube = build(make_recipe(temp, pre), tmp_path / "cube.zarr")
    assert dict(cube.sizes) == {"time": 12, "lat": 4, "lon": 6, "pft": 5}
    for field in (temp, pre):
        np.testing.assert_allclose(cube[field.name], expected(field), rtol=1e-5)
        assert cube[field.name].dtype == "f4"
        assert cube[field.name].attrs["units"] == field.attrs["units"]
        assert cube[field.name].chunks == ((12,), (3, 1), (3, 3))
    assert cube["lat"].values.tolist() == GRID.lat.tolist()
    assert cube["time"].dtype.kind == "M"
    assert zarr.open_group(tmp_path / "cube.zarr")["TEMP"].metadata.zarr_format == 3


def test_a_predicted_map_can_be_made_of_it(tmp_path, land_cover, driver_model):
    from xnee.prediction import predict

    recipe = make_recipe(
        make_field(), make_field("PRE"), land_cover=LandCoverRecipe(files=land_cover, legend="MCD12C1")
    )
    nee = predict(build(recipe, tmp_path / "cube.zarr"), driver_model())
    assert nee["NEE"].notnull().any().compute()


def test_missing_months_and_places_stay_missing(tmp_path):
    field = make_field(start="2001-03", months=8, lat=(30.5, 33))
    holes = field.isel(time=[0, 1, 4, 5, 6, 7]).where(field["lon"] > 101)
    cube = build(make_recipe(holes), tmp_path / "cube.zarr")
    months = cube["TEMP"].notnull().any(["lat", "lon"]).values
    np.testing.assert_array_equal(np.flatnonzero(months), [2, 3, 6, 7, 8, 9])
    assert not cube["TEMP"].sel(lat=30.25).notnull().any()
    assert not cube["TEMP"].sel(lon=100.25).notnull().any()
    assert '"months_without_data": 6' in cube["TEMP"].attrs["provenance"]


@pytest.mark.parametrize("coverage", [0.0, 0.5, 1.0])
def test_coverage_says_how_much_of_a_cell_must_be_known(tmp_path, coverage):
    field = make_field()
    field = field.where(np.random.default_rng(1).random(field.shape) > 0.4)
    recipe = make_recipe(drivers={"TEMP": DriverRecipe(source=Given(field), coverage=coverage)})
    cube = build(recipe, tmp_path / "cube.zarr")
    np.testing.assert_allclose(cube["TEMP"], expected(field, coverage), rtol=1e-5)


def test_wind_is_regridded_as_components(tmp_path):
    speed, angle = make_field("WS", low=5, high=5), make_field("WD")
    turn = np.random.default_rng(0).uniform(-40, 40, angle.shape)
    angle = angle.copy(data=((turn + 360) % 360).astype("f4")).chunk(time=4)  # from the north, to and fro
    source = Given(speed, angle)
    recipe = make_recipe(drivers={"WD": DriverRecipe(source=source), "WS": DriverRecipe(source=source)})
    cube = build(recipe, tmp_path / "mean.zarr")
    np.testing.assert_allclose(cube["WS"], 5, rtol=1e-5)
    assert (np.abs((cube["WD"] + 180) % 360 - 180) < 40).all()
    recipe = make_recipe(drivers={"WS": DriverRecipe(source=source, method="components")})
    vector = build(recipe, tmp_path / "vector.zarr")
    assert (vector["WS"] < 4.999).all()
    both = [aggregate((5 * trig(np.deg2rad(angle.compute()))), GRID, coverage=0.1) for trig in (np.sin, np.cos)]
    np.testing.assert_allclose(vector["WS"], np.hypot(*both).sel(time=slice(*PERIOD)), rtol=1e-4)
    towards = np.rad2deg(np.arctan2(*both)).sel(time=slice(*PERIOD)) % 360
    np.testing.assert_allclose((cube["WD"] - towards + 180) % 360, 180, atol=1e-3)


def test_a_direction_without_speed_will_do(tmp_path):
    cube = build(make_recipe(make_field("WD", low=80, high=100)), tmp_path / "cube.zarr")
    assert ((cube["WD"] > 80) & (cube["WD"] < 100)).all()


def test_age_may_be_a_single_map_and_others_may_not(tmp_path):
    age = make_field("AGE").isel(time=0, drop=True)
    cube = build(make_recipe(age), tmp_path / "cube.zarr")
    assert cube["AGE"].dims == ("lat", "lon")
    np.testing.assert_allclose(cube["AGE"], aggregate(age.compute(), GRID), rtol=1e-5)
    with pytest.raises(ValueError, match=r"drivers.TEMP: it has no time, and only AGE may be without"):
        build(make_recipe(make_field().isel(time=0, drop=True)), tmp_path / "other.zarr")


def test_a_mean_year_is_repeated(tmp_path):
    year = make_field(start="2001-01", months=12).groupby("time.month").first().chunk()
    cube = build(make_recipe(year, period=("2001-07", "2003-03")), tmp_path / "cube.zarr")
    repeated = repeat_climatology(aggregate(year.compute(), GRID).to_dataset(), (2001, 2003))["TEMP"]
    np.testing.assert_allclose(cube["TEMP"], repeated.sel(time=slice("2001-07", "2003-03")), rtol=1e-5)
    assert "    a mean year, the same 12 months in each year" in provenance_table(cube)


def test_gaps_are_filled_and_flagged_when_asked(tmp_path):
    field = make_field(step=0.5)
    field = field.where(field["time"] != np.datetime64("2001-05-01"))
    recipe = make_recipe(drivers={"TEMP": DriverRecipe(source=Given(field), fill="linear")})
    cube = build(recipe, tmp_path / "cube.zarr")
    may = cube.sel(time="2001-05-01")
    mean = (cube["TEMP"].sel(time="2001-04-01") + cube["TEMP"].sel(time="2001-06-01")) / 2
    np.testing.assert_allclose(may["TEMP"], mean, atol=1e-4)
    assert (may["TEMP_filled"] == 1).all()
    assert int(cube["TEMP_filled"].sum()) == 24
    assert '"values_filled": 24' in cube["TEMP"].attrs["provenance"]


def test_wind_is_filled_as_components(tmp_path):
    angle = make_field("WD", step=0.5, low=0, high=0)
    angle = angle.where(angle["time"] < np.datetime64("2001-04-01"), 350.0)
    angle = angle.where(angle["time"] > np.datetime64("2001-03-01"), 10.0)
    angle = angle.where(angle["time"] != np.datetime64("2001-03-01")).assign_attrs(units="degree")
    angle = angle.where(angle["time"] != np.datetime64("2001-03-01"))
    recipe = make_recipe(drivers={"WD": DriverRecipe(source=Given(angle.rename("WD")), fill="linear")})
    filled = build(recipe, tmp_path / "cube.zarr")["WD"].sel(time="2001-03-01")
    np.testing.assert_allclose((filled + 180) % 360, 180, atol=0.1)


def test_a_few_values_out_of_range_become_missing_and_are_counted(tmp_path):
    field = make_field(step=0.5).compute()
    field[5, 3, 3] = 99.0
    cube = build(make_recipe(field), tmp_path / "cube.zarr")
    assert int(cube["TEMP"].isnull().sum()) == 1
    assert '"values_out_of_range": 1' in cube["TEMP"].attrs["provenance"]


@pytest.mark.parametrize("share", [1.0, 0.05])
def test_another_unit_is_refused_and_nothing_has_the_name(tmp_path, share):
    field = make_field(step=0.5).compute()
    wrong = np.random.default_rng(0).random(field.shape) < share
    kelvin = field.where(~wrong, 290.0)
    with pytest.raises(ValueError, match=r"drivers.TEMP: \d+ of \d+ values lie beyond -60..50 degC: .* another unit"):
        build(make_recipe(kelvin), tmp_path / "cube.zarr")
    assert not (tmp_path / "cube.zarr").exists()


# land cover


def test_cover_is_that_of_the_reader(tmp_path, land_cover):
    recipe = make_recipe(land_cover=LandCoverRecipe(files=land_cover, legend="MCD12C1"))
    cube = build(recipe, tmp_path / "cube.zarr")
    cover = read_land_cover(land_cover, legend="MCD12C1", grid=GRID)
    np.testing.assert_array_equal(cube["pft_fraction"], cover["pft_fraction"])
    assert cube["pft"].values.tolist() == list(cover["pft"].values)
    for key, value in cover["pft_fraction"].attrs.items():
        assert cube["pft_fraction"].attrs[key] == value


def test_cover_by_year_stands_beside_the_map_of_the_nearest_year(tmp_path):
    files = {year: str(write_classes(tmp_path / f"{year}.nc", seed=year)) for year in (1992, 2002, 2020)}
    recipe = make_recipe(land_cover=LandCoverRecipe(files=files, legend="MCD12C1"))
    cube = build(recipe, tmp_path / "cube.zarr")
    assert cube["year"].values.tolist() == [1992, 2002, 2020]
    assert cube["pft_fraction"].attrs["year"] == 2002
    np.testing.assert_array_equal(cube["pft_fraction"], cube["pft_fraction_by_year"].sel(year=2002))
    for year, path in files.items():
        cover = read_land_cover(path, legend="MCD12C1", grid=GRID)["pft_fraction"]
        np.testing.assert_array_equal(cube["pft_fraction_by_year"].sel(year=year), cover)


def test_large_covers_are_averaged_in_bands(tmp_path, land_cover, monkeypatch):
    region = {"type": "Polygon", "coordinates": [[[100, 30.6], [103, 30.6], [103, 31.6], [100, 31.6], [100, 30.6]]]}
    cover = LandCoverRecipe(files=land_cover, legend="MCD12C1")
    recipe = make_recipe(grid=replace(GRID, north=33), tile=1, land_cover=cover, region=region)
    whole = build(recipe, tmp_path / "whole.zarr")["pft_fraction"].load()
    monkeypatch.setattr("xnee.cube.cover._CELLS", 1)
    bands = build(recipe, tmp_path / "bands.zarr")["pft_fraction"].load()
    np.testing.assert_allclose(bands, whole, atol=1e-6)
    assert sorted(bands.attrs) == sorted(whole.attrs)
    assert bands.attrs["area_km2"][:14] == whole.attrs["area_km2"][:14]


# again, and after a kill


def test_the_same_again_reads_nothing(tmp_path):
    source = Given(make_field())
    recipe = make_recipe(drivers={"TEMP": DriverRecipe(source=source)})
    build(recipe, tmp_path / "cube.zarr")
    before, source.read = everything(tmp_path / "cube.zarr"), 0
    build(recipe, tmp_path / "cube.zarr")
    build(recipe, tmp_path / "cube.zarr", overwrite=True)
    assert source.read == 0
    assert everything(tmp_path / "cube.zarr") == before


def test_two_runs_on_one_cube_are_refused(tmp_path):
    recipe = make_recipe(drivers={"TEMP": DriverRecipe(source=Given(make_field()))})
    with (
        Partial(target=tmp_path / "cube.zarr").locked(),
        pytest.raises(RuntimeError, match=r"another run is writing the cube .*cube.zarr: process \d+"),
    ):
        build(recipe, tmp_path / "cube.zarr")
    build(recipe, tmp_path / "cube.zarr")


def test_another_recipe_is_refused_and_updates_only_what_differs(tmp_path):
    temp, pre = Given(make_field()), Given(make_field("PRE"))
    drivers = {"TEMP": DriverRecipe(source=temp), "PRE": DriverRecipe(source=pre)}
    build(make_recipe(drivers=drivers), tmp_path / "cube.zarr")
    changed = make_recipe(drivers={"TEMP": DriverRecipe(source=temp), "PRE": DriverRecipe(source=pre, coverage=0.9)})
    with pytest.raises(FileExistsError, match=r"there already and differs from this recipe in PRE. .*overwrite=True"):
        build(changed, tmp_path / "cube.zarr")
    temp.read = pre.read = 0
    build(changed, tmp_path / "cube.zarr", overwrite=True)
    assert temp.read == 0
    assert pre.read > 0
    build(changed, tmp_path / "new.zarr")
    assert everything(tmp_path / "cube.zarr") == everything(tmp_path / "new.zarr")
    fewer = make_recipe(drivers={"TEMP": DriverRecipe(source=temp)})
    assert list(build(fewer, tmp_path / "cube.zarr", overwrite=True).data_vars) == ["TEMP"]
    assert not list(tmp_path.glob("*.partial"))


def test_another_grid_replaces_all(tmp_path):
    build(make_recipe(), tmp_path / "cube.zarr")
    coarse = make_recipe(grid=replace(GRID, step=1))
    with pytest.raises(FileExistsError, match="differs from this recipe in grid"):
        build(coarse, tmp_path / "cube.zarr")
    assert build(coarse, tmp_path / "cube.zarr", overwrite=True).sizes["lon"] == 3


def test_after_a_failure_finished_drivers_are_not_made_again(tmp_path):
    class Broken(Given):
        def _watched(self, field):
            def fail(_):
                raise OSError("the disk is gone")

            return field.copy(data=field.data.map_blocks(fail, dtype="f4", meta=np.empty((0, 0, 0), "f4")))

    temp = Given(make_field())
    drivers = {"TEMP": DriverRecipe(source=temp), "PRE": DriverRecipe(source=Broken(make_field("PRE")))}
    with pytest.raises(OSError, match="the disk is gone"):
        build(make_recipe(drivers=drivers), tmp_path / "cube.zarr")
    assert temp.read > 0
    assert not (tmp_path / "cube.zarr").exists()
    temp.read = 0
    drivers["PRE"] = DriverRecipe(source=Given(make_field("PRE")))
    build(make_recipe(drivers=drivers), tmp_path / "cube.zarr")
    assert temp.read == 0


def test_an_unfinished_cube_of_another_shape_is_refused(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(building, "_finish", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            build(make_recipe(), tmp_path / "cube.zarr")
    with pytest.raises(
        ValueError, match=r"cube.zarr.partial is an unfinished cube made from something else: tile was .3., is .2."
    ):
        build(make_recipe(tile=2), tmp_path / "cube.zarr")
    with pytest.raises(ValueError, match=r"period was .2001-01..2001-12., is .2001-01..2001-06..*delete the folder"):
        build(make_recipe(period=("2001-01", "2001-06")), tmp_path / "cube.zarr")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Files, a recipe of them and an unbroken cube."""
    folder = tmp_path_factory.mktemp("world")
    field = make_field()
    write_driver(folder / "temp.nc", field.where(field["time"] != np.datetime64("2001-05-01")))
    write_driver(folder / "pre.nc", make_field("PRE", step=0.3))
    write_classes(folder / "cover.nc")
    (folder / "recipe.toml").write_text(RECIPE)
    build(folder / "recipe.toml", folder / "whole.zarr")
    return folder


LATER = ("coordinates", "land-cover", "tiles", "before-note", "share", "attributes", "before-name", "after-name")


@pytest.mark.parametrize("point", ["months", *(pytest.param(point, marks=pytest.mark.slow) for point in LATER)])
def test_after_a_kill_the_same_command_gives_the_same_store(world, point):
    target, here = world / f"{point}.zarr", Path(__file__).parent
    command = [sys.executable, str(here / "victim.py"), str(world / "recipe.toml"), str(target), point]
    run = subprocess.run(command, check=False, timeout=60, capture_output=True)
    assert run.returncode == -signal.SIGKILL, run.stderr.decode()
    assert target.exists() == (point == "after-name")
    build(world / "recipe.toml", target)
    assert everything(target) == everything(world / "whole.zarr")
    assert not target.with_name(target.name + ".partial").exists()


def test_a_changed_file_is_read_again_and_others_are_not(world, tmp_path, monkeypatch):
    for name in ("temp.nc", "pre.nc", "cover.nc", "recipe.toml"):
        (tmp_path / name).write_bytes((world / name).read_bytes())
    build(tmp_path / "recipe.toml", tmp_path / "cube.zarr")
    assert everything(tmp_path / "cube.zarr") == everything(world / "whole.zarr")  # another folder is no difference
    (tmp_path / "pre.nc").unlink()
    write_driver(tmp_path / "pre.nc", make_field("PRE", step=0.3, seed=5))
    made = []
    write = building.write_driver
    monkeypatch.setattr(building, "write_driver", lambda p, o, *a, **k: made.append(o.name) or write(p, o, *a, **k))
    with pytest.raises(FileExistsError, match="in PRE"):
        build(tmp_path / "recipe.toml", tmp_path / "cube.zarr")
    build(tmp_path / "recipe.toml", tmp_path / "cube.zarr", overwrite=True)
    assert made == ["PRE"]


def test_other_forest_changes_the_share_and_no_driver(world, tmp_path, monkeypatch):
    for name in ("temp.nc", "pre.nc", "cover.nc"):
        (tmp_path / name).write_bytes((world / name).read_bytes())
    (tmp_path / "a.toml").write_text(RECIPE)
    (tmp_path / "b.toml").write_text(RECIPE.replace('legend = "MCD12C1"', 'legend = "MCD12C1", rule = {MF = [8]}'))
    build(tmp_path / "a.toml", tmp_path / "cube.zarr")
    monkeypatch.setattr(building, "write_driver", lambda *_, **__: 1 / 0)
    cube = build(tmp_path / "b.toml", tmp_path / "cube.zarr", overwrite=True)
    assert float(cube["pft_fraction"].sel(pft="ENF").max()) == 0


# what is refused, before anything is written


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        (('"temp.nc"', '"temp*.nc4"'), FileNotFoundError, r"drivers.TEMP: no file fits '.*temp\*.nc4'"),
        (('"temp.nc"', '"."'), FileNotFoundError, r"drivers.TEMP: .* is a folder. Give the files in it"),
        (('"temp.nc"', '"pre.nc"'), ValueError, "drivers.TEMP: no variable is known as TEMP in pre.nc"),
        (('"temp.nc"', '"recipe.toml"'), ValueError, "drivers.TEMP: .*recipe.toml"),
        (('"temp.nc"', '"broken.nc"'), ValueError, "drivers.TEMP: .*broken.nc cannot be read"),
        (('"cover.nc"', '"none.nc"'), FileNotFoundError, "land_cover: no file fits '.*none.nc'"),
        (('"MCD12C1"', '"MCD"'), ValueError, "unknown legend 'MCD'"),
        (
            ('fill = "linear"', "options = {unit = 'K'}"),
            ValueError,
            r"drivers.TEMP: unknown options \['unit'\]; .*units",
        ),
        (('fill = "linear"', 'product = "ERA6"'), ValueError, "drivers.TEMP: unknown product 'ERA6'"),
        (('fill = "linear"', "options = {units = 'bar'}"), ValueError, "drivers.TEMP: .*'bar'"),
        (
            ('["2001-01", "2001-12"]', '["2011-01", "2011-12"]'),
            ValueError,
            "none of its months lies in the period",
        ),
        (("west = 100, east = 103", "west = 10, east = 13"), ValueError, "drivers.TEMP: .*outside"),
        (("south = 30, north = 32", "south = 50, north = 52"), ValueError, "drivers.TEMP: .*outside"),
        (("drivers.PRE", "drivers.RAIN"), ValueError, r"names of the vocabulary.*got \['RAIN'\]"),
    ],
)
def test_bad_recipes_are_refused_with_the_key(world, tmp_path, change, kind, message):
    for name in ("temp.nc", "pre.nc", "cover.nc"):
        (tmp_path / name).write_bytes((world / name).read_bytes())
    (tmp_path / "broken.nc").write_bytes((world / "temp.nc").read_bytes()[:200])
    assert RECIPE.count(change[0]) == 1
    (tmp_path / "recipe.toml").write_text(RECIPE.replace(*change))
    with pytest.raises(kind, match=message):
        build(tmp_path / "recipe.toml", tmp_path / "cube.zarr")
    assert not list(tmp_path.glob("cube*"))


def test_a_region_elsewhere_is_refused(tmp_path, land_cover):
    region = {"type": "Polygon", "coordinates": [[[10, 10], [11, 10], [11, 11], [10, 10]]]}
    cover = LandCoverRecipe(files=land_cover, legend="MCD12C1")
    with pytest.raises(ValueError, match="the region lies outside the grid"):
        build(make_recipe(land_cover=cover, region=region), tmp_path / "cube.zarr")
    assert not (tmp_path / "cube.zarr").exists()


def test_bad_targets_are_refused(tmp_path):
    recipe = make_recipe()
    with pytest.raises(ValueError, match=r"a cube ends in .zarr; got 'cube.nc'"):
        build(recipe, tmp_path / "cube.nc")
    with pytest.raises(FileNotFoundError, match=r"the folder .*none of the cube cube.zarr does not exist"):
        build(recipe, tmp_path / "none" / "cube.zarr")
    (tmp_path / "file.zarr").write_text("x")
    with pytest.raises(FileExistsError, match="is there already and is no cube"):
        build(recipe, tmp_path / "file.zarr", overwrite=True)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_refused(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError, match="cannot be written to"):
        build(make_recipe(), tmp_path / "cube.zarr")


def test_without_permission_is_refused_even_for_root(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(PermissionError, match=r"cannot be written to. Choose another one"):
        build(make_recipe(), tmp_path / "cube.zarr")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda field: field.rename("TMP"), r"its source must give a Dataset with TEMP; got \['TMP'\]"),
        (lambda field: field.assign_attrs(units="K"), "TEMP must be in 'degC', but it came with units 'K'"),
        (lambda field: field.expand_dims(level=[2]), "its dimensions must be time, lat and lon; got"),
        (lambda field: field.assign_coords(time=np.arange(18)), "must be dates of the standard calendar; got int64"),
        (lambda field: xr.concat([field, field[:1]], "time"), "a month must come once, but 2000-11 comes more often"),
        (lambda field: field.isel(lat=slice(1)), "cell centres must be two or more"),
    ],
)
def test_bad_sources_are_refused(tmp_path, spoil, message):
    field = spoil(make_field())
    recipe = make_recipe(drivers={"TEMP": DriverRecipe(source=Given(field))})
    with pytest.raises(ValueError, match=rf"drivers.TEMP: .*{message}"):
        build(recipe, tmp_path / "cube.zarr")
    assert not list(tmp_path.iterdir())


def test_a_source_that_gives_no_dataset_is_refused(tmp_path):
    recipe = make_recipe(drivers={"TEMP": DriverRecipe(source=lambda *_: None)})
    with pytest.raises(ValueError, match="must give a Dataset with TEMP; got NoneType"):
        build(recipe, tmp_path / "cube.zarr")


def test_filling_a_map_without_time_is_refused(tmp_path):
    age = make_field("AGE").isel(time=0, drop=True)
    recipe = make_recipe(drivers={"AGE": DriverRecipe(source=Given(age), fill="linear")})
    with pytest.raises(ValueError, match=r"drivers.AGE: it has no time, so that no gap can be filled"):
        build(recipe, tmp_path / "cube.zarr")


def test_a_target_in_two_tiles_of_a_large_grid_is_whole(tmp_path):
    grid = Grid(west=100, east=103, south=30, north=32, step=0.1)
    field = make_field(step=0.25)
    cube = build(make_recipe(field, grid=grid, tile=13), tmp_path / "cube.zarr")
    np.testing.assert_allclose(cube["TEMP"], aggregate(field.compute().sel(time=slice(*PERIOD)), grid), rtol=1e-5)


@pytest.mark.slow
def test_a_cluster_gives_the_same(world):
    from distributed import Client

    with Client(processes=False, n_workers=1, threads_per_worker=2, dashboard_address=None):
        build(world / "recipe.toml", world / "cluster.zarr")
    assert everything(world / "cluster.zarr") == everything(world / "whole.zarr")
