"""Latitudes and longitudes of files, whichever way they run."""

from __future__ import annotations

import pickle

import dask.array as da
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xnee.grid import Grid, aggregate
from xnee.sources.gridded import open_driver
from xnee.sources.gridded.axes import cell_labels, latitudes, longitudes
from xnee.sources.gridded.classic import check_whole
from xnee.sources.gridded.layers import Layer, as_dask

from .conftest import LAT, LON, ramp, write_netcdf

MONTHS = (np.array([0, 1], "i4"), {"units": "months since 2001-01-01"})


def write(path, truth, lat, lon):
    """A file of temperatures on any labels."""
    return write_netcdf(path, {"t2m": (truth, {"units": "degC"})}, time=MONTHS, lat=lat, lon=lon)


@settings(max_examples=40, deadline=None)
@given(
    west=st.sampled_from([-180.0, -90.0, 0.0, 0.5]),
    down=st.booleans(),
    noise=st.sampled_from([0, 1e-6]),
    box=st.sampled_from([None, (-20, -30, 40, 35), (150, -90, 180, 90), (-180, 0, -170, 90)]),
    seed=st.integers(0, 9),
)
def test_any_order_gives_the_same_field(tmp_path_factory, west, down, noise, box, seed):
    rng = np.random.default_rng(seed)
    lat, lon = np.arange(-85.0, 90, 10), west + 5 + np.arange(0, 360, 10.0)
    truth = rng.uniform(-20, 30, (2, 18, 36))
    noisy = [axis + rng.uniform(-noise, noise, axis.size) for axis in (lat[::-1] if down else lat, lon)]
    path = write(tmp_path_factory.mktemp("axes") / "t.nc", truth[:, ::-1] if down else truth, *noisy)
    temp = open_driver(path, "TEMP", box=box)
    turned = (lon + 180) % 360 - 180
    assert np.all(np.diff(temp["lon"]) > 0)
    assert np.all(np.diff(temp["lat"]) > 0)
    for x in temp["lon"].values[::5]:
        for y in temp["lat"].values[::5]:
            i, j = np.abs(lat - y).argmin(), np.abs(turned - x).argmin()
            assert float(temp[1].sel(lat=y, lon=x)) == pytest.approx(truth[1, i, j], abs=1e-5)
    if box is not None:
        inside = (turned > box[0]) & (turned < box[2])
        assert set(np.round(turned[inside])) <= set(np.round(temp["lon"].values))
        assert temp.sizes["lon"] < 36


def test_a_box_reads_nothing_else(tmp_path):
    read = []

    def note(time, rows, columns):
        read.append((rows, columns))
        return np.zeros((time.stop - time.start, rows.stop - rows.start, columns.stop - columns.start), "f4")

    layer = Layer(
        label="a",
        file="a",
        variable="a",
        lat=LAT,
        lon=LON,
        steps=1,
        dtype=np.dtype("f4"),
        chunk=(1, 6, 6),
        read=note,
        identity=(str(tmp_path),),
    )
    array = as_dask(layer, ((5, 4, -1),), ((1, 3, 1),))
    assert array.shape == (1, 4, 3)
    array[:, 1:3, :2].compute(scheduler="synchronous")
    assert read == [(slice(3, 5), slice(1, 3))]


def test_gaussian_latitudes_stay_as_they_are():
    gaussian = np.rad2deg(np.arcsin(np.polynomial.legendre.leggauss(32)[0]))[::-1]
    axis = latitudes(gaussian, cell_labels(gaussian, None, "a file"), "a file")
    np.testing.assert_array_equal(axis.centres, gaussian[::-1])


def test_float32_labels_become_what_was_meant():
    lon = longitudes(np.arange(3600).astype("f4") * np.float32(0.1), "centre", "a file").centres
    np.testing.assert_allclose(lon, np.arange(-1800, 1800) / 10, atol=1e-9)
    assert lon[0] == -180


@pytest.mark.parametrize(
    ("lat", "labels"),
    [
        (np.arange(-90, 90, 0.5), "south-west"),
        (np.arange(90, -90, -0.5), "north-west"),
        (np.arange(-89.75, 90, 0.5), "centre"),
        (np.arange(-90, 90.5, 0.5), "centre"),
        (np.arange(15, 55.5, 0.5), "centre"),
    ],
)
def test_labels_are_found_out_only_of_the_whole_globe(lat, labels):
    assert cell_labels(lat, None, "a file") == labels


@pytest.mark.parametrize(
    ("labels", "lat", "lon"),
    [("south-west", [10.5, 11.5], [100.5, 101.5]), ("north-west", [9.5, 10.5], [100.5, 101.5])],
)
def test_corners_become_centres(labels, lat, lon):
    rows, columns = np.array([11.0, 10]), np.array([100.0, 101])
    assert latitudes(rows, labels, "a file").centres.tolist() == lat
    assert longitudes(columns, labels, "a file").centres.tolist() == lon


def test_a_last_column_that_repeats_the_first_is_left_out():
    assert longitudes(np.arange(0, 361, 10.0), "centre", "a file").centres.size == 36


@pytest.mark.usefixtures("no_compute")
def test_fields_are_lazy_and_can_be_sent_to_another_process(tmp_path):
    temp = open_driver(write(tmp_path / "t.nc", ramp(2, 0, 20), LAT, LON), "TEMP")
    assert isinstance(temp.data, da.Array)
    coarse = aggregate(temp, Grid(west=120, east=126, south=40, north=46, step=2))
    assert coarse.chunks is not None
    again = pickle.loads(pickle.dumps(temp))
    assert again.data.name == temp.data.name


def test_the_same_file_gives_the_same_graph(tmp_path):
    path = write(tmp_path / "t.nc", ramp(2, 0, 20), LAT, LON)
    one, two = open_driver(path, "TEMP"), open_driver(path, "TEMP")
    assert one.data.name == two.data.name
    write(path, ramp(2, 0, 21), LAT, LON)
    assert open_driver(path, "TEMP").data.name != one.data.name


@pytest.mark.parametrize("model", ["NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET", "NETCDF3_64BIT_DATA"])
def test_every_missing_byte_of_a_classic_file_is_noticed(tmp_path, model):
    said = {"t2m": (ramp(2, 0, 20).astype("f4"), {"units": "degC"})}
    path = write_netcdf(tmp_path / "t.nc", said, time=MONTHS, model=model)
    check_whole(str(path))
    path.write_bytes(path.read_bytes().rstrip(b"\0")[:-1])
    with pytest.raises(ValueError, match=r"\d+ of \d+ bytes are there"):
        check_whole(str(path))
