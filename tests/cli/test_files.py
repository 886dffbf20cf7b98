import pytest

from xnee.cli.files import beside, check_free, check_inputs, open_file, write_file
from xnee.cli.mapping import report
from xnee.prediction import predict
from xnee.products.store import to_product


def half_a_file(out):
    with beside(out) as unfinished:
        unfinished.write_text("half")
        raise RuntimeError


def test_what_is_there_stays_until_the_new_is_whole(tmp_path, cube):
    ds = cube()
    for name in ("one.nc", "one.zarr"):
        write_file(ds, tmp_path / name)
        with pytest.raises(RuntimeError):
            half_a_file(tmp_path / name)
        assert open_file(tmp_path / name)["TEMP"].equals(ds["TEMP"])
        write_file(ds + 1, tmp_path / name)
        assert open_file(tmp_path / name)["TEMP"].equals(ds["TEMP"] + 1)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["one.nc", "one.zarr"]


def test_an_old_folder_comes_back_where_the_new_cannot_take_its_place(tmp_path):
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "model.json").write_text("{}")
    with pytest.raises(FileNotFoundError), beside(tmp_path / "old"):
        pass  # nothing was written
    assert [p.name for p in tmp_path.iterdir()] == ["old"]
    assert (tmp_path / "old" / "model.json").exists()


@pytest.mark.parametrize("suffixes", [(), (".zarr",)])
def test_a_folder_of_the_users_own_is_never_replaced(tmp_path, suffixes):
    mine = tmp_path / f"thesis{''.join(suffixes)}"
    mine.mkdir()
    with pytest.raises(FileExistsError, match="something else than what would be written"):
        check_free(mine, suffixes=suffixes, overwrite=True)


def test_a_product_in_yearly_files_is_a_product(tmp_path, cube, driver_model):
    to_product(predict(cube(months=36), driver_model()), tmp_path / "nee", split="year", progress=False)
    check_inputs(report, {"product": tmp_path / "nee"})
    write_file(cube(), tmp_path / "cube.nc")
    with pytest.raises(ValueError, match=r"cube\.nc holds a cube .*; report needs a product, made by xnee predict\."):
        check_inputs(report, {"product": tmp_path / "cube.nc"})


def test_a_file_of_no_known_kind_is_left_to_the_functions(tmp_path, cube):
    write_file(cube()[["TEMP"]].rename(lat="y_axis"), tmp_path / "grid.nc")
    check_inputs(report, {"product": tmp_path / "grid.nc"})
    check_inputs(report, {"product": tmp_path / "not there.nc"})
