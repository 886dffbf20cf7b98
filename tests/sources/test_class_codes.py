"""Files of land-cover classes."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import xarray as xr

from xnee.pft import LEGENDS
from xnee.sources.class_codes import NO_CLASS, ClassFile, open_classes, read_classes

C1 = LEGENDS["MCD12C1"]


def file(values, lat, lon, *, nodata=None, asked=None):
    """An open file that is an array; `asked` collects the slices that are read."""

    def read(rows, columns):
        if asked is not None:
            asked.append((rows, columns))
        return values[rows, columns]

    return ClassFile(name="array", lat=np.asarray(lat, "f8"), lon=np.asarray(lon, "f8"), nodata=nodata, read=read)


def test_box_is_read_with_its_neighbours_and_nothing_else():
    lat, lon = np.arange(89.5, -90, -1), np.arange(-179.5, 180, 1)
    values, asked = np.ones((180, 360), "u1"), []
    codes = read_classes(file(values, lat, lon, asked=asked), box=(100, 20, 102, 21), legend=C1)
    assert codes.lat.values.tolist() == [19.5, 20.5, 21.5]
    assert codes.lon.values.tolist() == [99.5, 100.5, 101.5, 102.5]
    assert asked == [(slice(68, 71), slice(279, 283))]


@pytest.mark.parametrize("down", [False, True])
def test_strips_join_in_the_right_order(down):
    lat, lon = np.arange(-89.875, 90, 0.25), [0.125, 0.375]
    values = np.repeat((np.arange(720) % 17).astype("u1")[:, None], 2, axis=1)
    there = file(values[::-1], lat[::-1], lon) if down else file(values, lat, lon)
    codes = read_classes(there, box=there.box, legend=C1)
    np.testing.assert_array_equal(codes.lat, lat)
    np.testing.assert_array_equal(codes, values)


def test_longitudes_from_0_are_sorted():
    lon = (np.arange(0.5, 360) + 180) % 360 - 180
    values = np.tile((np.arange(360) % 17).astype("u1"), (3, 1))
    there = file(values, [1, 2, 3], lon)
    assert there.box[::2] == (-180, 180)
    codes = read_classes(there, box=(-3, 0, 3, 4), legend=C1)
    assert codes.lon.values.tolist() == [-3.5, -2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 3.5]
    assert codes.values[0].tolist() == [356 % 17, 357 % 17, 358 % 17, 359 % 17, 0, 1, 2, 3]


@pytest.mark.parametrize(
    ("values", "nodata"),
    [
        (np.array([[4, 255], [3, 0]], "u1"), None),
        (np.array([[4, 99], [3, 0]], "u1"), 99.0),
        (np.array([[4, -9999], [3, 0]], "i2"), -9999),
        (np.array([[4, np.nan], [3, 0]], "f4"), None),
        (np.array([[4, -3.4e38], [3, 0]], "f4"), float(np.float32(-3.4e38))),
        (np.array([[4, 1e30], [3, 0]], "f8"), 1e30),
    ],
)
def test_every_kind_of_no_class_becomes_one(values, nodata):
    codes = read_classes(file(values, [1, 2], [1, 2], nodata=nodata), box=(1, 1, 2, 2), legend=C1)
    assert codes.dtype == np.int16
    assert codes.values.tolist() == [[4, NO_CLASS], [3, 0]]


@pytest.mark.parametrize(
    ("value", "match"),
    [
        (17.0, r"does not know: 17\..*They fit legend='MCD12Q1'"),
        (4.5, r"does not know: 4\.5\."),
        (-1.0, "does not know: -1"),
        (1e6, r"does not know: 1e\+06.*Describe them with xnee.pft.Legend"),
    ],
)
def test_unknown_codes_are_named(value, match):
    values = np.array([[1.0, value]] * 2)
    with pytest.raises(ValueError, match=match):
        read_classes(file(values, [1, 2], [1, 2]), box=(1, 1, 2, 2), legend=C1)


def test_water_0_is_no_class_of_the_other_legend_unless_the_file_says_missing():
    there = file(np.array([[0, 4]] * 2, "u1"), [1, 2], [1, 2])
    with pytest.raises(ValueError, match=r"does not know: 0\..*They fit legend='MCD12C1'"):
        read_classes(there, box=(1, 1, 2, 2), legend=LEGENDS["MCD12Q1"])
    cropped = dataclasses.replace(there, nodata=0.0)
    assert read_classes(cropped, box=(1, 1, 2, 2), legend=LEGENDS["MCD12Q1"]).values[0].tolist() == [NO_CLASS, 4]


def netcdf(folder, lat, lon, **variables):
    path = folder / "cover.nc"
    shape = np.zeros((len(lat), len(lon)), "u1")
    xr.Dataset({name: (dims, shape) for name, dims in variables.items()}, {"lat": lat, "lon": lon}).to_netcdf(path)
    return path


def test_float32_coordinates_lose_their_noise(tmp_path):
    lat = np.arange(20.05, 22, 0.1).astype("f4")
    with open_classes(netcdf(tmp_path, lat, lat + 80, igbp=("lat", "lon"))) as there:
        assert np.ptp(np.diff(there.lat)) < 1e-12
        assert there.step == pytest.approx(0.1, abs=1e-6)


def test_latitude_and_longitude_written_out_are_found(tmp_path):
    values = np.array([[1, 2, 3], [4, 5, 6]], "i2")
    centres = {"latitude": [2.0, 1.0], "longitude": [5.0, 6.0, 7.0]}
    xr.Dataset({"cover": (("longitude", "latitude"), values.T)}, centres).to_netcdf(tmp_path / "cover.nc")
    with open_classes(tmp_path / "cover.nc") as there:
        assert read_classes(there, box=there.box, legend=C1).values.tolist() == [[4, 5, 6], [1, 2, 3]]


@pytest.mark.parametrize(
    ("lat", "lon", "match"),
    [
        ([1.0, 2.0, 4.0], [1.0, 2.0], "all of one size"),
        ([1.0, 2.0], [1.0, 1.0], "all of one size"),
        ([1.0], [1.0, 2.0], "two or more cells"),
        ([1.0, 2.0], [178.5, 179.5, 180.5, 181.5], "Cut it at the 180th meridian"),
    ],
)
def test_uneven_grids_are_refused(tmp_path, lat, lon, match):
    with pytest.raises(ValueError, match=match), open_classes(netcdf(tmp_path, lat, lon, igbp=("lat", "lon"))):
        pass


@pytest.mark.parametrize("variables", [{}, {"one": ("lat", "lon"), "two": ("lat", "lon")}])
def test_netcdf_must_hold_one_map(tmp_path, variables):
    with (
        pytest.raises(ValueError, match="must hold one variable on lat and lon"),
        open_classes(netcdf(tmp_path, [1.0, 2.0], [1.0, 2.0], **variables)),
    ):
        pass
