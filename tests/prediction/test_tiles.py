"""What a tile reads and what it costs: nothing without forest, only cells with forest elsewhere."""

import logging

import numpy as np
import pytest
import xarray as xr

from xnee.pft import PFTS
from xnee.prediction import predict
from xnee.prediction.reading import amplification, reads_itself
from xnee.products.store import to_product


def patches(cube, **sizes):
    """A cube of which only one quarter has forest."""
    ds = cube(lat=8, lon=8, **sizes)
    ds["pft_fraction"][:, 4:] = 0
    ds["pft_fraction"][:, :, 4:] = 0
    return ds


class Watched:
    """A lazy array that writes down which parts of it are read."""

    def __init__(self, array: xr.DataArray, log: list) -> None:
        self.values, self.log, self.name = array.to_numpy(), log, array.name
        self.shape, self.dtype, self.ndim = array.shape, array.dtype, array.ndim

    def __getitem__(self, key):
        if all(part.stop > 0 for part in key):  # dask looks at nothing of an array to learn its kind
            self.log.append((self.name, tuple((part.start, part.stop) for part in key)))
        return self.values[key]


def watch(ds: xr.Dataset, log: list, **chunks: int) -> xr.Dataset:
    import dask.array as da

    lazy = {}
    for name in ("TEMP", "PRE"):
        own = [chunks.get(str(dim), size) for dim, size in ds[name].sizes.items()]
        lazy[name] = (ds[name].dims, da.from_array(Watched(ds[name], log), chunks=own), ds[name].attrs)
    return ds.assign(lazy)


def test_a_tile_without_forest_reads_no_driver(cube, driver_model):
    log = []
    ds = watch(patches(cube), log, lat=4, lon=4)
    predict(ds.assign(pft_fraction=ds.pft_fraction.chunk(lat=4)), driver_model(), tile=4)["NEE"].compute()
    assert sorted(log) == [("PRE", ((0, 30), (0, 4), (0, 4))), ("TEMP", ((0, 30), (0, 4), (0, 4)))]


def test_maps_that_are_computed_together_share_their_tiles(cube, driver_model):
    log = []
    ds = watch(cube(lat=8, lon=8), log, lat=4, lon=4)
    predict(ds, driver_model(), tile=4).compute()
    assert len(log) == len(set(log)) == 2 * 4


def test_chunks_that_tiles_would_read_again_and_again_are_read_once(cube, driver_model, caplog):
    log = []
    ds = watch(cube(lat=8, lon=8), log, time=10)
    with caplog.at_level(logging.WARNING):
        result = predict(ds, driver_model(), tile=2).compute()
    assert len(log) == 2 * 3
    assert "cut across the chunks of this cube: written tile by tile, it is read up to 16 times" in caplog.text
    xr.testing.assert_identical(result["NEE"], predict(cube(lat=8, lon=8), driver_model()).compute()["NEE"])


def test_only_cells_with_forest_are_run_each_for_its_types(cube, driver_model):
    ds, asked = cube(), []

    class Spy(driver_model):
        def predict_series(self, pft, x):
            asked.append((pft, len(x)))
            return super().predict_series(pft, x)

    predict(ds, Spy()).compute(scheduler="synchronous")
    cover = (ds["pft_fraction"] > 0).sum(("lat", "lon"))
    assert dict(asked) == {pft: int(cover.sel(pft=pft)) for pft in PFTS}
    assert len(asked) == len(PFTS)


@pytest.mark.parametrize("chunks", [{}, None])
@pytest.mark.parametrize("suffix", [".zarr", ".nc"])
def test_files_that_are_open_and_not_read_stay_so(cube, driver_model, tmp_path, suffix, chunks):
    ds = patches(cube).drop_vars("pft").assign_coords(pft=np.array(PFTS, dtype=object))
    path = tmp_path / f"cube{suffix}"
    if suffix == ".zarr":
        ds.to_zarr(path, zarr_format=3, consolidated=False)
        opened = xr.open_zarr(path, consolidated=False, chunks=chunks)
    else:
        ds.to_netcdf(path, engine="netcdf4")
        opened = xr.open_dataset(path, engine="netcdf4", chunks=chunks)
    predicted = predict(opened, driver_model(), tile=4)
    assert all(not variable._in_memory for name, variable in opened.variables.items() if name in ("TEMP", "PRE"))
    xr.testing.assert_identical(
        predicted["NEE"].compute().drop_vars("pft", errors="ignore"), predict(ds, driver_model()).compute()["NEE"]
    )
    opened.close()


def test_a_tile_is_whole_chunks_where_it_may_choose(cube, driver_model):
    ds = cube(lat=90, lon=90, months=4)
    for chunk, side in ((30, 60), (80, 80), (64, 64)):
        sizes = predict(ds.chunk(lat=chunk, lon=chunk), driver_model())["NEE"].chunksizes
        assert sizes["lat"][0] == side, chunk
    assert predict(ds, driver_model())["NEE"].chunksizes["lat"][0] == 64
    assert predict(ds.chunk(time=1), driver_model())["NEE"].chunksizes["lat"][0] in (64, 90)


def test_a_tile_gets_smaller_where_months_are_many(cube, driver_model):
    ds = cube(lat=4, lon=4, months=12).pad(lat=(0, 60), lon=(0, 60), mode="edge")
    ds = ds.assign_coords(lat=np.linspace(20, 40, 64), lon=np.linspace(100, 120, 64)).chunk(lat=64, lon=64)
    sides = []
    for months in (240, 2400, 6000):
        time = np.arange("1500-01", months, dtype="M8[M]").astype("M8[s]")
        long = ds.isel(time=np.zeros(months, dtype=int)).chunk(time=-1).assign_coords(time=time)
        sides.append(predict(long, driver_model())["NEE"].chunksizes["lat"][0])
    assert sides == [64, 32, 16]


def test_how_often_a_value_is_read(cube):
    array = cube(lat=8, lon=8).TEMP
    space = ("lat", "lon")
    assert amplification(array.chunk(lat=2, lon=2), 4, space) == 1
    assert amplification(array.chunk(lat=8, lon=8), 4, space) == 4
    assert amplification(array.chunk(lat=3, lon=8), 8, space) == 1
    assert amplification(array.chunk(lat=3, lon=8), 4, space) == pytest.approx(2 * (3 * 1 + 3 * 2 + 2 * 1) / 8)
    assert not reads_itself({"TEMP": array}, 4, space)


def test_months_of_forest_cells_are_counted_by_what_became_of_them(cube, driver_model):
    ds = cube()
    ds["PRE"][10, 0, 0] = np.nan  # in 3 windows
    ds["TEMP"][29, 0, 0] = np.nan  # in the last one
    ds["TEMP"][:, 0, 1] = np.nan  # no forest there
    counts = predict(ds, driver_model(lags=2), tile=2)["cell_months"].compute()
    cells = int((ds.pft_fraction.sum("pft") > 0).sum())
    found = dict(zip(counts["outcome"].to_numpy().tolist(), counts.to_numpy().tolist(), strict=True))
    assert found == {
        "predicted": 28 * cells - 4,
        "start of record": 2 * cells,
        "driver gap": 4,
        "no flux": 0,
        "gap in TEMP": 1,
        "gap in PRE": 3,
    }


def test_a_context_of_the_cube_is_handed_to_the_model(cube, driver_model):
    ds, seen = cube(), []

    class Reader(driver_model):
        def predict_series(self, pft, x, context=None):
            seen.append(context)
            return super().predict_series(pft, x)

    place = (("statistic", "driver", "lat", "lon"), np.arange(48.0).reshape(2, 2, 3, 4))
    ds = ds.assign(context=place).assign_coords(statistic=["amplitude", "mean"], driver=["PRE", "TEMP"])
    predict(ds, Reader())["NEE"].compute(scheduler="synchronous")
    first = np.array(seen[0])[0]  # cell 0, 0; mean first, TEMP first
    np.testing.assert_array_equal(first, [[36, 24], [12, 0]])
    with pytest.raises(ValueError, match=r"context needs the driver \['TEMP'\]"):
        predict(ds.sel(driver=["PRE"]), Reader())


def test_the_short_cube_with_the_context_of_the_long_one_is_the_same(cube, towers):
    from xnee.context import site_context
    from xnee.models.fitting import fit
    from xnee.models.training import FitSpec

    model = fit(towers(sites=10), lags=3, members=2, context=True, training=FitSpec(epochs=2, batch=16))
    ds = cube()
    long = predict(ds, model)["NEE"].compute()
    short = ds.isel(time=slice(12, None)).assign(context=site_context(ds, ["TEMP", "PRE"]))
    np.testing.assert_array_equal(predict(short, model)["NEE"][3:], long[15:])
    said = [predict(d, model).attrs["context_period"] for d in (ds, short, ds.isel(time=slice(12, None)))]
    assert said[0] == said[1] != said[2]
    plain = fit(towers(sites=10), lags=3, members=1, context=False, strategy="pooled", training=FitSpec(epochs=1))
    assert "context_period" not in predict(ds, plain).attrs
    other = predict(ds.isel(time=slice(12, None)), model)["NEE"].compute()
    assert float(abs(other[3:] - long[15:]).max()) > 0


def test_to_the_last_bit_whatever_the_tile_and_the_chunks(cube, fitted):
    ds = cube(lat=7, lon=9)
    whole = predict(ds, fitted).compute(scheduler="synchronous")
    for tile, chunks in ((1, {}), (3, {"lat": 2, "time": 7}), (4, {"lat": 4, "lon": 4}), (64, {"lon": 1})):
        part = predict(ds.chunk(chunks), fitted, tile=tile).compute()
        xr.testing.assert_equal(part, whole)


def test_a_product_of_a_lazily_read_cube(cube, driver_model, tmp_path):
    ds = patches(cube).drop_vars("pft").assign_coords(pft=np.array(PFTS, dtype=object))
    ds.to_zarr(tmp_path / "cube.zarr", zarr_format=3, consolidated=False)
    opened = xr.open_zarr(tmp_path / "cube.zarr", consolidated=False, chunks=None)
    path = to_product(predict(opened, driver_model(), tile=4), tmp_path / "nee.nc", progress=False)
    with xr.open_dataset(path) as product:
        np.testing.assert_array_equal(product["NEE"], predict(ds, driver_model())["NEE"])
