"""Products in their own layouts, traps included; what comes out is what went in."""

from __future__ import annotations

import gzip
import zipfile
from itertools import pairwise

import netCDF4
import numpy as np
import pytest
import xarray as xr

from xnee.features import PAR_PER_SHORTWAVE, saturation_vapour_pressure, vpd_from_specific_humidity
from xnee.sources.gridded import open_driver, open_field, open_wind
from xnee.sources.gridded.products import NAMES, PRODUCTS, ROUTES
from xnee.sources.gridded.units import QUANTITIES

from .conftest import LAT, LON, ramp, write_netcdf, write_raster

DAYS = np.array([31, 28, 31])[:, None, None]
LEGACY = {"dims": ("time", "latitude", "longitude"), "model": "NETCDF3_64BIT_OFFSET"}
CURRENT = {"dims": ("valid_time", "latitude", "longitude")}


def values(field):
    """What a reader gives, north first as the files of these tests have it."""
    return field.compute().values[:, ::-1]


def packed(truth, scale, offset):
    """int16 as the Climate Data Store packed it."""
    numbers = np.round((truth - offset) / scale).astype("i2")
    return numbers, {"scale_factor": scale, "add_offset": offset, "_FillValue": np.int16(-32767)}


def hours(months):
    """Hours since 1900 of month starts."""
    return np.array(
        [(np.datetime64(m) - np.datetime64("1900-01-01")).astype("m8[h]").astype(int) for m in months], "i4"
    )


# ERA5-Land


@pytest.fixture(params=["legacy", "current"])
def era5land(request, tmp_path):
    """Both layouts of the monthly means; per day and kelvin and pascal, as both have it."""
    truth = {
        "t2m": ramp(3, 260, 300),
        "d2m": ramp(3, 255, 295),
        "sp": ramp(3, 6e4, 1e5),
        "u10": ramp(3, -5, 5),
        "v10": ramp(3, 4, -4),
        "tp": ramp(3, 0, 0.01),
        "ssrd": ramp(3, 1e6, 2.5e7),
        "swvl1": ramp(3, 0.05, 0.5),
        "stl1": ramp(3, 262, 298),
    }
    units = dict.fromkeys(truth, "K") | {"sp": "Pa", "u10": "m s**-1", "v10": "m s**-1", "tp": "m", "ssrd": "J m**-2"}
    units["swvl1"] = "m**3 m**-3"
    if request.param == "legacy":
        time = (hours(["2001-01-01", "2001-02-01", "2001-03-01"]), {"units": "hours since 1900-01-01 00:00:00.0"})
        pack = {name: packed(field, (np.ptp(field) or 1) / 60_000, field.mean()) for name, field in truth.items()}
        held = {name: (raw, said | {"units": units[name]}) for name, (raw, said) in pack.items()}
        return truth, write_netcdf(tmp_path / "download.nc", held, time=time, **LEGACY)
    seconds = np.array(["2001-01-01", "2001-02-01", "2001-03-01"], "M8[s]").astype("i8")
    time = (seconds, {"units": "seconds since 1970-01-01", "calendar": "proleptic_gregorian"})
    held = {name: (field.astype("f4"), {"units": units[name]}) for name, field in truth.items()}
    return truth, write_netcdf(tmp_path / "data_stream-moda.nc", held, time=time, **CURRENT)


def test_era5_land(era5land):
    truth, path = era5land
    vapour = saturation_vapour_pressure
    k = 273.15
    t, d = (xr.DataArray(truth[name] - k) for name in ("t2m", "d2m"))
    expected = {
        "TEMP": truth["t2m"] - k,
        "TS": truth["stl1"] - k,
        "PA": truth["sp"] / 100,
        "PRE": truth["tp"] * 1000 * DAYS,  # m per DAY, whatever the label says
        "PAR": truth["ssrd"] / 86_400 * PAR_PER_SHORTWAVE,  # J m-2 per DAY
        "VWC": truth["swvl1"],
        "VPD": np.maximum(vapour(t) - vapour(d), 0).values,
        "WS": np.hypot(truth["u10"], truth["v10"]),
    }
    for name, field in expected.items():
        made = open_driver(path, name)
        assert made.dims == ("time", "lat", "lon")
        np.testing.assert_allclose(values(made), field, rtol=2e-3, atol=2e-3 * np.abs(field).max())
    assert "m d-1" in open_driver(path, "PRE").attrs["conversion"]
    wind = open_wind(path)
    np.testing.assert_allclose(values(wind["eastward_wind"]), truth["u10"], atol=2e-3)
    with pytest.raises(ValueError, match=r"no variable is known as LAI in .*\(t2m, d2m"):
        open_driver(path, "LAI")


def test_accumulated_hours_are_refused(tmp_path):
    time = (np.arange(48), {"units": "hours since 2001-01-01"})
    path = write_netcdf(tmp_path / "tp.nc", {"tp": (ramp(48, 0, 0.01), {"units": "m"})}, time=time)
    with pytest.raises(ValueError, match="ECMWF counts from the beginning of each day"):
        open_driver(path, "PRE")


def test_preliminary_months_fill_the_final_ones(tmp_path):
    path = tmp_path / "expver.nc"
    truth, time = (
        ramp(3, 270, 290),
        (hours(["2001-01-01", "2001-02-01", "2001-03-01"]), {"units": "hours since 1900-01-01"}),
    )
    write_netcdf(path, {"other": (truth, {})}, time=time)
    with netCDF4.Dataset(path, "a") as ds:
        ds.createDimension("expver", 2)
        ds.createVariable("expver", "i4", ("expver",))[:] = [1, 5]
        variable = ds.createVariable("t2m", "i2", ("time", "expver", "lat", "lon"), fill_value=-32767)
        variable.set_auto_maskandscale(False)
        variable.setncatts({"units": "K", "scale_factor": 0.01, "add_offset": 270.0})
        raw = np.round((truth - 270) / 0.01).astype("i2")
        variable[:, 0], variable[:, 1] = raw, -32767
        variable[2, 0], variable[2, 1] = -32767, raw[2]
    np.testing.assert_allclose(values(open_driver(path, "TEMP", variable="t2m")), truth - 273.15, atol=0.006)


def test_zip_with_two_kinds_of_steps(tmp_path, monthly):
    inside = {"data_stepType-avgua.nc": ("t2m", "K", 280.0), "data_stepType-avgad.nc": ("tp", "m", 0.002)}
    archive = tmp_path / "era5.nc"  # the Climate Data Store calls it so, "unarchived"
    with zipfile.ZipFile(archive, "w") as out:
        for name, (variable, units, value) in inside.items():
            out.write(
                write_netcdf(tmp_path / name, {variable: (np.full((3, 6, 6), value), {"units": units})}, time=monthly),
                name,
            )
            (tmp_path / name).unlink()
    before = sorted(tmp_path.iterdir())
    assert values(open_driver(archive, "TEMP"))[0, 0, 0] == pytest.approx(6.85)
    assert values(open_driver(archive, "PRE"))[:, 0, 0] == pytest.approx([62, 56, 62])
    assert sorted(tmp_path.iterdir()) == before


# Other climate


def test_cmfd_folder(tmp_path):
    months = (np.array([0, 1, 2]), {"units": "months since 1979-01-01"})
    held = {
        "temp": (ramp(3, 260, 300), "K"),
        "prec": (ramp(3, 0, 0.5), "mm/hr"),
        "pres": (ramp(3, 6e4, 1e5), "Pa"),
        "shum": (ramp(3, 1e-3, 1e-2), "kg/kg"),
        "wind": (ramp(3, 0, 9), "m/s"),
        "srad": (ramp(3, 50, 300), "W m-2"),
    }
    for name, (field, units) in held.items():
        raw, said = packed(field, np.ptp(field) / 60_000, field.mean())
        said = {key: value for key, value in said.items() if key != "_FillValue"}
        said |= {"units": units, "missing_value": np.int16(-32768)}
        raw[0, 0, 0] = -32768
        write_netcdf(
            tmp_path / f"{name}_CMFD_V0106_B-01_01mo_010deg_197901-197903.nc", {name: (raw, said)}, time=months
        )
    pre = values(open_driver(tmp_path, "PRE"))
    assert np.isnan(pre[0, 0, 0])
    np.testing.assert_allclose(pre.ravel()[1:], (held["prec"][0] * 24 * DAYS).ravel()[1:], rtol=1e-3, atol=0.1)
    np.testing.assert_allclose(values(open_driver(tmp_path, "WS"))[1:], held["wind"][0][1:], atol=1e-3)
    vpd = values(open_driver(tmp_path, "VPD"))
    t, q, p = (xr.DataArray(held[name][0]) for name in ("temp", "shum", "pres"))
    np.testing.assert_allclose(vpd[1:], vpd_from_specific_humidity(t - 273.15, q, p / 100).values[1:], atol=0.02)
    assert open_driver(tmp_path, "VPD").attrs["method"].startswith("air temperature, specific humidity and pressure")
    par = values(open_driver(tmp_path, "PAR"))
    np.testing.assert_allclose(par[1:], held["srad"][0][1:] * PAR_PER_SHORTWAVE, rtol=1e-3)


def test_terraclimate(tmp_path):
    starts = np.array([f"2001-{m:02d}-01" for m in range(1, 13)], "M8[D]")
    time = ((starts - np.datetime64("1900-01-01")).astype("i4"), {"units": "days since 1900-01-01 00:00:00"})
    held = {
        "tmax": (5.0, 0.01, "degC"),
        "tmin": (-3.0, 0.01, "degC"),
        "ppt": (40.0, 0.1, "mm"),
        "vpd": (0.8, 0.01, "kPa"),
    }
    for name, (value, scale, units) in held.items():
        raw = np.full((12, 6, 6), round(value / scale), "i2")
        said = {"units": units, "scale_factor": scale, "add_offset": 0.0, "_FillValue": np.int16(-32768)}
        write_netcdf(tmp_path / f"TerraClimate_{name}_2001.nc", {name: (raw, said)}, time=time)
    assert values(open_driver(tmp_path, "TEMP")) == pytest.approx(1.0, abs=1e-5)
    assert values(open_driver(tmp_path, "PRE")) == pytest.approx(40.0, abs=1e-4)  # of the month, as it is
    assert values(open_driver(tmp_path, "VPD")) == pytest.approx(8.0, abs=1e-5)


def test_tenths_of_a_degree_in_the_1_km_product_of_peng(tmp_path):
    time = (np.arange(36), {"units": "months since 2001-01-01"})
    temp = write_netcdf(
        tmp_path / "tmp_2001_2003.nc", {"tmp": (np.full((36, 6, 6), 235, "i2"), {"units": "degC"})}, time=time
    )
    assert values(open_driver(temp, "TEMP")) == pytest.approx(23.5)
    named = write_netcdf(
        tmp_path / "pre_2001_2003.nc", {"pre": (np.full((36, 6, 6), 235, "i2"), {"units": "0.1mm"})}, time=time
    )
    assert values(open_driver(named, "PRE")) == pytest.approx(23.5)


def test_cn05(tmp_path, monthly):
    path = write_netcdf(
        tmp_path / "CN05.1_Pre_2001_month_025x025.nc", {"pre": (np.full((3, 6, 6), 2.0), {})}, time=monthly
    )
    assert values(open_driver(path, "PRE"))[:, 0, 0].tolist() == [62, 56, 62]


# Satellites


@pytest.mark.parametrize(("stored", "scale"), [("i2", None), ("i2", 1e-4), ("i2", 10_000.0)])
def test_scale_trap_of_mod13c2(tmp_path, stored, scale):
    for k, day in enumerate((1, 32, 60)):
        raw = np.full((6, 6), 5000 + k, stored)
        raw[0, 0] = -3000
        write_raster(tmp_path / f"MOD13C2.A2001{day:03d}.061.2021012345678.tif", raw, scale=scale)
    ndvi = values(open_driver(tmp_path, "NDVI"))
    assert np.isnan(ndvi[:, 0, 0]).all()
    assert ndvi[:, 1, 1] == pytest.approx([0.5, 0.5001, 0.5002])


def test_ndvi_that_was_decoded_with_the_wrong_scale_is_refused(tmp_path):
    wrong = write_raster(tmp_path / "MOD13C2.A2001001.061.tif", np.full((6, 6), 0.5e8, "f4"))
    with pytest.raises(ValueError, match=r"is not NDVI: after conversion its values go from 5e\+07"):
        open_driver(wrong, "NDVI")
    twice = write_raster(tmp_path / "MOD13C2.A2001032.061.tif", np.full((6, 6), 0.5e-4, "f4"))
    with pytest.raises(ValueError, match="looks as if it were scaled twice"):
        open_driver(twice, "NDVI")
    assert values(open_driver(wrong, "NDVI", scale=1e-8)) == pytest.approx(0.5)


def glass(folder, name, numbers, dtype, years=(2001,)):
    for year in years:
        for day in range(1, 366, 8):
            raw = np.full((6, 6), numbers(year, day), dtype)
            raw[0, 0] = 2550 if np.dtype(dtype).itemsize == 2 else 255
            write_raster(folder / f"{name}.A{year}{day:03d}.2019353.tif", raw)
    return folder


@pytest.mark.parametrize(("dtype", "count", "product"), [("i2", 0.01, "GLASS01B02.V40"), ("u1", 0.1, "GLASS01B01.V04")])
def test_glass_lai_by_days(tmp_path, dtype, count, product):
    lai = open_driver(glass(tmp_path, product, lambda _, day: day // 8, dtype), "LAI")
    made = values(lai)
    assert made.shape == (12, 6, 6)
    assert np.isnan(made[:, 0, 0]).all()
    # day by day: the period that begins on day 8k+1 has k, and the last one is short
    of_days = np.arange(365) // 8 * count
    ends = np.cumsum([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
    slowly = [of_days[a:b].mean() for a, b in pairwise(ends)]
    np.testing.assert_allclose(made[:, 3, 3], slowly, rtol=1e-5)
    assert "8-day steps averaged by days" in lai.attrs["conversion"]


def test_glass_fapar(tmp_path):
    fapar = open_driver(glass(tmp_path, "GLASS09B01.V40", lambda *_: 150, "u1", years=(2003, 2004)), "FAPAR")
    assert values(fapar)[:, 1, 1] == pytest.approx(np.full(24, 0.6))


def test_gosif_monthly_in_gzip(tmp_path):
    for month in (1, 2, 3):
        raw = np.full((6, 6), 1000 * month, "i2")
        raw[0] = [32767, 32766, -50, 0, 1, 2]
        path = write_raster(tmp_path / f"GOSIF_2001.M{month:02d}.tif", raw)
        (tmp_path / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    sif = values(open_driver(tmp_path, "SIF"))
    assert sif[:, 1, 1] == pytest.approx([0.1, 0.2, 0.3])
    assert sif[0, 0] == pytest.approx([np.nan, np.nan, -0.005, 0, 1e-4, 2e-4], nan_ok=True)
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".gz"] * 3


def test_gosif_of_8_days_needs_its_neighbours(tmp_path):
    for day in (1, 9, 17, 25, 33, 41, 49, 57):
        write_raster(tmp_path / f"GOSIF_2001{day:03d}.tif", np.full((6, 6), day, "i2"))
    sif = values(open_driver(tmp_path, "SIF"))
    january = (8 * 1 + 8 * 9 + 8 * 17 + 7 * 25) / 31
    february = (1 * 25 + 8 * 33 + 8 * 41 + 8 * 49 + 3 * 57) / 28
    assert sif[:, 0, 0] == pytest.approx(np.array([january, february]) * 1e-4, rel=1e-5)


def test_forest_age_of_one_year_has_no_time(tmp_path):
    path = write_raster(tmp_path / "forest_age_2020.tif", ramp(1, 0, 300)[0].astype("f4"))
    age = open_driver(path, "AGE", units="years")
    assert age.dims == ("lat", "lon")
    assert float(age.max()) == 300
    with pytest.raises(ValueError, match="does not say its unit"):
        open_driver(path, "AGE")


def test_forest_age_of_each_year_becomes_months(tmp_path):
    for year in (2001, 2002):
        write_raster(tmp_path / f"age_{year}.tif", np.full((6, 6), year - 1950.0, "f4"))
    age = open_driver(tmp_path, "AGE", units="a")
    assert values(age)[:, 0, 0].tolist() == [51.0] * 12 + [52.0] * 12


def test_plain_series_of_geotiff_by_dates_in_their_names(tmp_path):
    for name in ("ndvi_200101.tif", "ndvi_2001-02.tif", "ndvi_20010301.tif"):
        write_raster(tmp_path / name, np.full((6, 6), 0.5, "f4"), nodata=-1)
    ndvi = open_driver(tmp_path / "ndvi_2001*.tif", "NDVI")
    assert ndvi.indexes["time"].astype(str).tolist() == ["2001-01-01", "2001-02-01", "2001-03-01"]


def test_stack_of_bands_is_counted_from_its_first_month(tmp_path):
    path = write_raster(tmp_path / "temp.tif", ramp(14, 0, 13, "f4"))
    with pytest.raises(ValueError, match="neither a time axis nor a date"):
        open_driver(path, "TEMP", units="degC")
    temp = open_driver(path, "TEMP", units="degC", time="2001-11")
    assert temp.indexes["time"][[0, -1]].astype(str).tolist() == ["2001-11-01", "2002-12-01"]
    np.testing.assert_allclose(values(temp), ramp(14, 0, 13, "f4"), rtol=1e-5)


# The table itself


def test_every_row_is_of_a_known_quantity():
    quantities = {row.quantity for row in PRODUCTS} - {
        "land cover",
        "gross primary production",
        "another layer than NDVI",
    }
    assert quantities <= set(QUANTITIES)
    assert set(NAMES) == set(QUANTITIES) - {"NEE"}
    assert {part for routes in ROUTES.values() for route in routes for part in route} <= set(QUANTITIES)


def test_a_renamed_file_is_read_by_the_name_of_its_product(tmp_path):
    path = write_raster(tmp_path / "cut.tif", np.full((6, 6), 32767, "i2"))
    with pytest.raises(ValueError, match="is not SIF"):
        open_driver(path, "SIF", time="2001-01", units="W m-2 um-1 sr-1")
    assert open_driver(path, "SIF", product="gosif", time="2001-01").isnull().all()


def test_labels_run_both_ways(tmp_path, monthly):
    truth = ramp(3, 0, 20)
    north = write_netcdf(tmp_path / "north.nc", {"t2m": (truth, {"units": "degC"})}, time=monthly)
    flipped = {"lat": LAT[::-1], "lon": LON + 360 - 360}
    south = write_netcdf(tmp_path / "south.nc", {"t2m": (truth[:, ::-1], {"units": "degC"})}, time=monthly, **flipped)
    one, two = open_field(north, "TEMP").compute(), open_field(south, "TEMP").compute()
    np.testing.assert_allclose(one, two)
    assert one["lat"].values.tolist() == sorted(LAT)
