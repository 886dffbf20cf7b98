import numpy as np
import pytest
import xarray as xr

from xnee.pft import PFTS, mix
from xnee.prediction import predict


@pytest.mark.usefixtures("no_compute")
def test_predict_is_lazy(cube, driver_model):
    predicted = predict(cube().chunk(lat=1), driver_model())
    assert all(predicted[name].chunks is not None for name in ("NEE", "NEE_std", "NEE_member"))


@pytest.mark.parametrize("chunks", [{}, {"time": 5}, {"lat": 1, "lon": 1}, {"time": 4, "lat": 2}])
@pytest.mark.parametrize("tile", [1, 2, 64])
def test_chunks_and_tiles_do_not_matter(cube, fitted, chunks, tile):
    ds = cube()
    whole = predict(ds, fitted).compute()
    xr.testing.assert_allclose(predict(ds.chunk(chunks), fitted, tile=tile).compute(), whole, rtol=1e-5, atol=1e-4)


def test_the_target_month_is_the_last_of_its_window(cube, driver_model):
    ds = cube()
    nee = predict(ds, driver_model(lags=2))["NEE"].isel(lat=0, lon=0).compute()  # pure DBF, number 0
    np.testing.assert_allclose(nee[2:], ds["TEMP"].isel(lat=0, lon=0)[:-2] + 5, rtol=1e-6)
    assert nee[:2].isnull().all()


def test_a_tower_and_the_same_cell_of_a_cube_agree(cube, fitted):
    ds = cube()
    cell = ds.isel(lat=0, lon=0)
    tower = cell[["TEMP", "PRE"]].expand_dims(site=["x"]).assign_coords(pft=("site", ["DBF"]))
    on_map = predict(ds, fitted)["NEE"].isel(lat=0, lon=0)
    np.testing.assert_allclose(predict(tower, fitted)["NEE"].isel(site=0), on_map, atol=1e-5 * 100)


def test_a_cell_equals_the_windows_of_a_tower(towers, fitted):
    from xnee.windowing import windows

    ds = towers(sites=5, seed=3)
    samples = windows(ds, fitted.window.drivers, lags=3)
    by_window = fitted.predict_windows(samples).mean("member")
    by_series = predict(ds, fitted)["NEE"].compute()
    for k in range(samples.sizes["sample"]):
        there = by_series.sel(site=samples.site.values[k], time=samples.time.values[k])
        assert float(there) == pytest.approx(float(by_window[k]), abs=1e-3)


def test_mixing_by_cover_equals_a_slow_loop(cube, driver_model):
    ds = cube()
    predicted = predict(ds, driver_model(lags=1)).compute()
    member, fraction = predicted["NEE_member"].values, ds["pft_fraction"].values
    for i in range(3):
        for j in range(4):
            f = fraction[:, i, j]
            if f.sum() == 0:
                assert predicted["NEE"][:, i, j].isnull().all()
                continue
            each = [sum(f[p] * member[m, p, 5, i, j] for p in range(5) if f[p] > 0) / f.sum() for m in range(2)]
            assert float(predicted["NEE"][5, i, j]) == pytest.approx(np.mean(each), rel=1e-5)
            assert float(predicted["NEE_std"][5, i, j]) == pytest.approx(np.std(each, ddof=1), rel=1e-4)


def test_a_gap_in_a_driver_is_a_gap_in_every_window_that_holds_it(cube, driver_model):
    ds = cube()
    ds["PRE"][10, 0, 0] = np.nan
    nee = predict(ds, driver_model(lags=2))["NEE"].isel(lat=0, lon=0).compute()
    assert np.flatnonzero(nee.isnull()).tolist() == [0, 1, 10, 11, 12]


def test_fallback_and_fingerprints_travel_with_the_map(cube, driver_model):
    predicted = predict(cube(), driver_model())
    assert predicted["fallback"].sel(pft="DNF") == 1
    assert int(predicted["fallback"].sum()) == 1
    assert predicted.attrs["model_fingerprint"] == "double"
    assert predicted.attrs["cube_fingerprint"] == predict(cube(), driver_model()).attrs["cube_fingerprint"]
    assert predicted.attrs["cube_fingerprint"] != predict(cube(seed=9), driver_model()).attrs["cube_fingerprint"]


def test_a_type_that_covers_ground_but_has_no_flux_poisons_the_mix():
    flux = xr.DataArray([1.0, np.nan], dims="pft")
    assert np.isnan(mix(flux, xr.DataArray([0.5, 0.1], dims="pft")))
    assert mix(flux, xr.DataArray([0.5, 0.0], dims="pft")) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda ds: ds.drop_vars("PRE"), r"trained on \['TEMP', 'PRE'\], but the cube lacks \['PRE'\]"),
        (lambda ds: ds.drop_vars("pft_fraction"), "prediction needs pft_fraction"),
        (lambda ds: ds.assign_coords(pft=["a", "b", "c", "d", "e"]), "a PFT must be one of DBF, DNF, ENF, EBF, MF"),
        (lambda ds: ds.assign(pft_fraction=ds.pft_fraction * 100), "Divide by 100 if it is in percent"),
        (lambda ds: ds.isel(time=slice(0, 2)), "a window is 3 months long, the cube only 2"),
        (lambda ds: ds.assign(TEMP=ds.TEMP.assign_attrs(units="K")), "TEMP must be in 'degC'"),
        (lambda ds: ds.isel(time=[0, 1, 2, 4]), "month after 2001-03 is missing"),
        (lambda ds: ds.assign(pft_fraction=ds.pft_fraction.expand_dims(year=2)), "must have the dimensions pft and"),
        (lambda ds: ds.rename(lat="latitude", lon="longitude"), r'cube\.rename\(latitude="lat", longitude="lon"\)'),
        (lambda ds: ds.isel(lat=slice(None, None, -1)), r'lat must ascend.*cube\.sortby\("lat"\)'),
        (lambda ds: ds.assign_coords(lon=ds.lon + 200), r"lon must lie in -180\.\.180; this cube reaches 303"),
        (lambda ds: ds.drop_vars("pft"), "must name its types in a coordinate pft"),
        (lambda ds: ds.assign(pft_fraction=ds.pft_fraction * 0), "no cell has forest: pft_fraction is 0 everywhere"),
        (
            lambda ds: ds.assign(PRE=ds.PRE * np.nan).assign(PRE=lambda d: d.PRE.assign_attrs(ds.PRE.attrs)),
            "PRE has no value in any of the 11 forest cells",
        ),
        (lambda ds: ds.assign(PRE=ds.PRE.expand_dims(height=2)), r"drivers have \{'PRE': \['height', 'lat', 'lon'\]\}"),
        (lambda ds: ds.assign(PRE=ds.PRE.isel(lat=0, drop=True)), r"drivers have \{'PRE': \['lon'\]\}"),
        (lambda ds: ds.isel(lat=slice(0, 0)), r"it has none along \['lat'\]"),
        (lambda ds: ds.convert_calendar("noleap", use_cftime=True), r'convert_calendar\("standard"'),
        (lambda ds: ds.assign_coords(time=ds.time + np.timedelta64(14, "D")), "time must be the start of the month"),
        (lambda ds: ds.isel(time=slice(None, None, -1)), "duplicated or out of order"),
        (lambda ds: ds.drop_vars("time"), "a time coordinate of standard-calendar dates is needed"),
        (lambda ds: ds.assign(PRE=ds.PRE.drop_attrs()), "PRE"),
        (lambda ds: ds.assign(TEMP=(ds.TEMP * np.inf).assign_attrs(ds.TEMP.attrs)), "TEMP must lie between -60 and 50"),
        (
            lambda ds: ds.assign(pft_fraction=ds.pft_fraction.where(ds.pft_fraction > 0)),
            r"use fillna\(0\) over the sea",
        ),
        (lambda ds: ds.assign(pft_fraction=-ds.pft_fraction), "pft_fraction must be 0 or more"),
    ],
)
def test_a_cube_that_does_not_match_is_refused(cube, driver_model, change, message):
    with pytest.raises(ValueError, match=message):
        predict(change(cube()), driver_model())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda ds: ds.assign(pft_fraction=ds.pft_fraction * 100), "Divide by 100 if it is in percent"),
        (
            lambda ds: ds.assign(pft_fraction=ds.pft_fraction.where(ds.pft_fraction > 0)),
            r"use fillna\(0\) over the sea",
        ),
        (
            lambda ds: ds.assign(TEMP=(ds.TEMP + 273).assign_attrs(ds.TEMP.attrs)),
            "TEMP must lie between -60 and 50 degC",
        ),
    ],
)
def test_values_of_a_lazy_cube_are_checked_tile_by_tile(cube, driver_model, change, message):
    predicted = predict(change(cube()).chunk(lat=1), driver_model())
    with pytest.raises(ValueError, match=message):
        predicted["NEE"].compute()


def test_values_outside_forest_do_not_matter(cube, driver_model):
    ds = cube()
    ds["TEMP"][:, 0, 1] = 999  # no forest there
    assert np.isfinite(predict(ds.chunk(), driver_model())["NEE"].compute()).any()


def test_one_member_has_no_spread(cube, driver_model):
    class Alone(driver_model):
        members = 1

        def predict_series(self, pft, x):
            return super().predict_series(pft, x)[:1]

    assert predict(cube(), Alone())["NEE_std"].isnull().all()


def test_a_rewritten_store_has_another_fingerprint(cube, driver_model, tmp_path):
    ds = cube().drop_vars("pft").assign_coords(pft=np.array(PFTS, dtype=object))
    prints = []
    for warmer in (0, 0, 3):
        if not (tmp_path / "cube.zarr").exists() or warmer:
            ds.assign(TEMP=(ds.TEMP + warmer).assign_attrs(ds.TEMP.attrs)).to_zarr(
                tmp_path / "cube.zarr", mode="w", zarr_format=3, consolidated=False
            )
        opened = xr.open_zarr(tmp_path / "cube.zarr", consolidated=False)
        prints.append(predict(opened, driver_model()).attrs["cube_fingerprint"])
    assert prints[0] == prints[1] != prints[2]


@pytest.mark.parametrize("tile", [0, 2.5])
def test_a_tile_is_at_least_a_cell(cube, driver_model, tile):
    with pytest.raises(ValueError, match="tile must be 1 cell or more"):
        predict(cube(), driver_model(), tile=tile)


def test_a_path_is_not_a_model(cube):
    with pytest.raises(TypeError, match="predict needs a fitted model, got str"):
        predict(cube(), "model/")


def test_drivers_and_cover_in_other_chunks_give_equal_tiles(cube, driver_model):
    ds = cube(lat=7, lon=9)
    ds = ds.assign(pft_fraction=ds.pft_fraction.chunk(lat=3, lon=5)).assign(TEMP=ds.TEMP.chunk(lat=2, lon=7, time=6))
    predicted = predict(ds, driver_model(), tile=4)
    for name in ("NEE", "NEE_std", "pft_fraction", "forest_fraction"):
        sizes = predicted[name].chunksizes
        assert sizes["lat"] == (4, 3), name
        assert sizes["lon"] == (4, 4, 1), name


def test_a_climatology_says_so_on_the_map(cube, driver_model):
    ds = cube().assign_attrs(climatology="the same 12 months in each year")
    assert predict(ds, driver_model()).attrs["climatology"] == "the same 12 months in each year"


def test_a_driver_that_is_missing_over_part_of_the_forest_is_counted(cube, driver_model, caplog):
    ds = cube()
    ds["PRE"][:, 0] = np.nan  # 3 of its 4 cells have forest
    predicted = predict(ds, driver_model())
    assert "PRE has no value in 3 of 11 forest cells" in caplog.text
    counts = predicted["cell_months"].compute()
    assert int(counts.sel(outcome="gap in PRE")) == 3 * 28
    assert int(counts.sel(outcome="predicted")) == 8 * 28


def test_a_failure_in_a_driver_that_is_read_in_a_tile_comes_out(cube, driver_model):
    class Broken:
        shape, dtype, ndim = (30, 3, 4), np.dtype("f4"), 3

        def __getitem__(self, key):
            if all(part.stop for part in key):
                raise OSError("no such sector")
            return np.empty((0, 0, 0), dtype="f4")

    import dask.array as da

    ds = cube()
    ds["TEMP"] = (ds.TEMP.dims, da.from_array(Broken(), chunks=(30, 3, 4)), ds.TEMP.attrs)
    ds["PRE"] = ds["PRE"].chunk()
    with pytest.raises(OSError, match="no such sector"):
        predict(ds, driver_model())["NEE"].compute()
