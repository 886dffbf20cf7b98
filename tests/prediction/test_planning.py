from dataclasses import replace

import dask
import pytest

from xnee.prediction import plan


def test_a_plan_counts_what_is_there(cube, driver_model):
    ds = cube(lat=9, lon=9)
    ds["pft_fraction"][:, 4:] = 0
    planned = plan(ds.chunk(lat=4, lon=4), driver_model(), tile=4, threads=3)
    cover = ds["pft_fraction"] > 0
    assert (planned.tile, planned.tiles, planned.forest_tiles) == (4, 9, 3)
    assert (planned.cells, planned.forest_cells) == (81, int(cover.any("pft").sum()))
    assert (planned.series, planned.months, planned.members) == (int(cover.sum()), 30, 2)
    assert planned.read_bytes == 2 * 4 * 4 * 30 * 4
    assert planned.reads == 1
    assert planned.threads == 3
    assert planned.seconds > 0


def test_a_plan_is_told_in_lines(cube, driver_model):
    text = str(plan(cube(), driver_model(), threads=2))
    assert "1 tile of 64 x 64 cells, 1 with forest; time whole, 30 months" in text
    assert "11 of 12 cells have forest" in text
    assert "with 2 tiles in work at once: at most" in text
    assert "the networks alone take less than a second, reading and writing come on top" in text


@pytest.mark.parametrize(("seconds", "said"), [(39.4, "about 39 s"), (600, "about 10 min"), (9000, "about 2.5 h")])
def test_a_plan_says_how_long_the_networks_alone_take(cube, driver_model, seconds, said):
    planned = replace(plan(cube(lat=90, lon=90), driver_model(), threads=1), seconds=seconds)
    assert "4 tiles of 64 x 64 cells" in str(planned)
    assert f"with 1 tile in work at once: at most {planned.memory / 2**20:.0f} MiB of memory; " in str(planned)
    assert f"the networks alone take {said}, reading and writing come on top" in str(planned)


def test_a_plan_says_when_chunks_do_not_fit(cube, driver_model):
    planned = plan(cube(lat=16, lon=16).chunk(time=1), driver_model(), tile=4)
    assert planned.reads == 16
    assert "cube.chunk(lat=4, lon=4, time=-1).to_zarr" in str(planned)


def test_threads_are_those_of_dask(cube, driver_model):
    with dask.config.set(num_workers=7):
        assert plan(cube(), driver_model()).threads == 7


def test_memory_grows_with_threads_and_months_and_not_with_the_map(cube, driver_model):
    small = plan(cube(lat=8, lon=8), driver_model(), tile=8, threads=1)
    wide = plan(cube(lat=8, lon=80), driver_model(), tile=8, threads=1)
    long = plan(cube(lat=8, lon=8, months=300), driver_model(), tile=8, threads=1)
    beside = plan(cube(lat=8, lon=8), driver_model(), tile=8, threads=2)
    assert wide.memory == pytest.approx(small.memory, rel=0.01)
    base = 450_000_000
    assert long.memory - base == pytest.approx(10 * (small.memory - base), rel=0.01)
    assert beside.memory - base == 2 * (small.memory - base)


def test_what_predict_refuses_a_plan_refuses(cube, driver_model):
    with pytest.raises(ValueError, match=r"trained on \['TEMP', 'PRE'\]"):
        plan(cube().drop_vars("PRE"), driver_model())
    with pytest.raises(TypeError, match="predict needs a fitted model, got str"):
        plan(cube(), "model/")
    with pytest.raises(ValueError, match="tile must be 1 cell or more"):
        plan(cube(), driver_model(), tile=0)


def test_towers_can_be_planned(towers, driver_model):
    planned = plan(towers(), driver_model(), threads=1)
    assert (planned.tiles, planned.cells, planned.series) == (1, 5, 5)
