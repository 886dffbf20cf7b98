"""What cannot be read is refused by one clear error, and nothing is written."""

from __future__ import annotations

import gzip
import zipfile

import netCDF4
import numpy as np
import pytest

from xnee.sources.gridded import open_driver, open_field, open_flux, open_wind
from xnee.sources.gridded import raster as raster_module

from .conftest import LAT, LON, ramp, write_netcdf, write_raster

MONTHS = (np.array([0.0, 31.0, 59.0]), {"units": "days since 2001-01-01", "calendar": "standard"})


def temp(folder, name="t.nc", *, time=MONTHS, steps=3, units="K", value=None, variable="t2m", said=None, **more):
    """A good file, unless something about it is changed."""
    numbers = ramp(steps, 270, 300) if value is None else np.full((steps, 6, 6), value)
    numbers = numbers if time is not None else numbers[0]
    attrs = {} if units is None else {"units": units}
    return write_netcdf(folder / name, {variable: (numbers, attrs | (said or {}))}, time=time, **more)


def edited(folder, edit):
    """A good file on which something is done."""
    path = temp(folder)
    with netCDF4.Dataset(path, "a") as ds:
        edit(ds)
    return path


def shortened(path, share):
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    return path


def other_bytes(folder, name, content):
    (folder / name).write_bytes(content)
    return folder / name


def two(folder, first, second):
    temp(folder, "a.nc", **first)
    temp(folder, "b.nc", **second)
    return folder


def dated(*days, units="days since 2001-01-01", **said):
    return (np.array(days, "f8"), {"units": units, **said})


def curved(ds):
    ds.createDimension("row", 6)
    ds.createDimension("column", 6)
    for name in ("nav_lat", "nav_lon"):
        ds.createVariable(name, "f8", ("row", "column"))[:] = 1.0
    ds.createVariable("tas", "f4", ("time", "row", "column"))[:] = 280.0


def archive(folder, members):
    with zipfile.ZipFile(folder / "a.zip", "w") as out:
        for name, content in members.items():
            out.writestr(name, content)
    return folder / "a.zip"


def metres(folder):
    return write_raster(folder / "n_200101.tif", np.full((6, 6), 0.5, "f4"), crs="EPSG:32650", west=5e5, north=4e6)


NOT_FOUND = {
    "no such file": (lambda f: f / "nowhere.nc", {}, "no such file: .*nowhere.nc"),
    "empty folder": (lambda f: f, {}, "holds no file that ends in .nc"),
    "pattern that fits nothing": (lambda f: f / "*.nc", {}, "no file fits the pattern"),
    "list that is empty": (lambda _: [], {}, "there is no NetCDF or GeoTIFF file"),
}
WRONG_KIND = {
    "path that is a number": (lambda _: 3, {}, "path must be a file, a folder, a pattern or a list"),
    "units that are a number": (temp, {"units": 3}, "units must be text"),
    "scale that is text": (temp, {"scale": "0.1"}, "scale must be a number"),
    "missing that is a number": (temp, {"missing": -9999}, "missing must be a tuple of stored numbers"),
    "box of three": (temp, {"box": (1, 2, 3)}, "box must be a Grid or"),
    "level that is true": (temp, {"level": True}, "level must be a number"),
}
WRONG_VALUE = {
    # files
    "empty file": (lambda f: other_bytes(f, "t.nc", b""), {}, "t.nc is empty"),
    "web page": (lambda f: other_bytes(f, "t.nc", b"<!DOCTYPE html>"), {}, "is a web page or a message, not data"),
    "text": (lambda f: other_bytes(f, "t.nc", b"lat,lon,t"), {}, "is neither NetCDF, GeoTIFF, HDF4 nor an archive"),
    "GRIB": (lambda f: other_bytes(f, "t.grib", b"GRIB\0\0\1\2"), {}, "is a GRIB file. Bring it to NetCDF first"),
    "HDF4": (
        lambda f: other_bytes(f, "MOD13C2.A2001001.hdf", b"\x0e\x03\x13\x01" + bytes(99)),
        {},
        "built without HDF4",
    ),
    "truncated NetCDF": (lambda f: shortened(temp(f), 0.4), {}, "t.nc cannot be read as NetCDF"),
    "truncated NetCDF 3": (
        lambda f: shortened(temp(f, model="NETCDF3_64BIT_OFFSET"), 0.2),
        {},
        r"t.nc cannot be read as NetCDF \(\d+ of \d+ bytes are there\)",
    ),
    "header of NetCDF 3 cut": (
        lambda f: shortened(temp(f, model="NETCDF3_CLASSIC"), 0.03),
        {},
        "t.nc cannot be read as NetCDF",
    ),
    "truncated GeoTIFF": (
        lambda f: shortened(write_raster(f / "t_200101.tif", ramp(1, 0, 1)[0]), 0.5),
        {"units": "degC"},
        "cannot be read as a raster|has no coordinate system",
    ),
    "broken zip": (lambda f: other_bytes(f, "a.zip", b"PK\x03\x04" + bytes(60)), {}, "cannot be read as a zip archive"),
    "zip of text": (lambda f: archive(f, {"readme.txt": b"hello"}), {}, "zip archive without a .nc or .tif"),
    "zip of a broken file": (lambda f: archive(f, {"t.nc": b"broken"}), {}, "cannot be read as NetCDF"),
    "broken gzip": (
        lambda f: other_bytes(f, "t.nc.gz", gzip.compress(b"CDF\x01" + np.random.default_rng(0).bytes(999))[:600]),
        {},
        "cannot be unpacked",
    ),
    "gzip of text": (
        lambda f: other_bytes(f, "t.nc.gz", gzip.compress(b"hello")),
        {},
        "holds neither a NetCDF file nor",
    ),
    # variables
    "unknown variable": (lambda f: temp(f, variable="orog"), {}, r"no variable is known as TEMP in t.nc \(orog\)"),
    "variable that is not there": (temp, {"variable": "tas"}, r"no variable 'tas' .* in t.nc \(t2m\)"),
    "several variables": (
        lambda f: write_netcdf(
            f / "t.nc", dict.fromkeys(("t2m", "tas"), (ramp(3, 270, 300), {"units": "K"})), time=MONTHS
        ),
        {},
        "several variables that may be TEMP: t2m, tas. Say which with variable=",
    ),
    "product that is not known": (temp, {"product": "ERA6"}, "unknown product 'ERA6'; known are ERA5-Land, CMFD"),
    # units
    "no unit": (lambda f: temp(f, units=None), {}, "does not say its unit, so TEMP cannot be known"),
    "unit of another thing": (lambda f: temp(f, units="mm"), {}, "has the unit 'mm', which is not one of TEMP"),
    "unit that says nothing": (lambda f: temp(f, units="1"), {}, "says the unit '1', which is none"),
    "unit that the user gets wrong": (temp, {"units": "furlong"}, "'furlong', which is not one of TEMP"),
    "kelvin labelled degC": (
        lambda f: temp(f, units="degC"),
        {},
        "is not TEMP: after conversion its values go from 270",
    ),
    "degC labelled kelvin": (lambda f: temp(f, value=15.0), {}, "values go from -258"),
    "scale that is left out": (lambda f: temp(f, value=2980.0), {}, r"is not TEMP.*scale \(scale=\)"),
    "packing that is text": (
        lambda f: temp(f, said={"scale_factor": "tenth"}),
        {},
        "the scale_factor of t2m of t.nc must be one",
    ),
    "scale of zero": (temp, {"scale": 0}, "so it cannot be 0"),
    # time
    "time without a unit": (
        lambda f: temp(f, time=(MONTHS[0], {})),
        {},
        "the time of t2m of t.nc cannot be read: units None",
    ),
    "unit of time that is none": (
        lambda f: temp(f, time=dated(0, 31, 59, units="moons since 2001-01-01")),
        {},
        "cannot be read: units 'moons",
    ),
    "calendar that there is not": (lambda f: temp(f, time=dated(0, 31, 59, calendar="lunar")), {}, "calendar 'lunar'"),
    "month 13": (lambda f: temp(f, time=dated(200112, 200113, 200201, units="yyyymm")), {}, "there is no month 13"),
    "stamp that is missing": (lambda f: temp(f, time=dated(0, np.nan, 59)), {}, "missing or senseless stamps"),
    "year 9999": (lambda f: temp(f, time=dated(0, 31, 2.9e6)), {}, "from the year 2001 to 99"),
    "duplicate months": (
        lambda f: temp(f, time=dated(0, 31, 31)),
        {},
        "has the same time twice, 1 time.*2001-02: t.nc",
    ),
    "duplicate months in two files": (lambda f: two(f, {}, {}), {}, "has the same time twice, 3 time.*a.nc and b.nc"),
    "hole": (lambda f: temp(f, time=dated(0, 31, 90)), {}, "has holes: 2001-03 are covered by less than 80%"),
    "single step of unknown length": (
        lambda f: temp(f, time=dated(15), steps=1),
        {},
        "nothing tells whether it is a month",
    ),
    "steps of years": (lambda f: temp(f, time=dated(0, 365, 730)), {}, "no month of TEMP can be made of those"),
    "no step at all": (lambda f: temp(f, time=dated(), steps=0), {}, "time axis without a single step"),
    "eleven months of no year": (
        lambda f: temp(f, time=(np.arange(1, 12), {"units": "months"}), steps=11),
        {},
        "a climatology must have each of the months 1..12 once",
    ),
    "two calendars": (
        lambda f: two(f, {"time": dated(0, 31, 59, calendar="noleap")}, {"time": dated(90, 120, 151)}),
        {},
        r"have different calendars, \['365_day', 'standard'\]",
    ),
    "no time": (lambda f: temp(f, time=None, steps=1), {}, "neither a time axis nor a date in its name"),
    "date in a name that there is not": (
        lambda f: write_raster(f / "t_20010231.tif", ramp()[0]),
        {"units": "degC"},
        "holds a date that there is not",
    ),
    "two dates in a name": (
        lambda f: write_raster(f / "t_200101_200102.tif", ramp()[0]),
        {"units": "degC"},
        "holds more than one date",
    ),
    "first month of several files": (
        lambda f: two(f, {}, {}),
        {"time": "2001-01"},
        "is for a single file; 2 were given",
    ),
    "static series": (temp, {"time": "static"}, "time='static' is for one map"),
    "time that is no month": (temp, {"time": "01/2001"}, "time must be the first month or year"),
    "every that is none": (temp, {"every": "fortnight"}, "every must be 'month', 'year', 'day'"),
    # space
    "missing coordinate": (
        lambda f: edited(f, lambda ds: ds.renameVariable("lat", "height")),
        {},
        "has no coordinate along its dimension 'lat'",
    ),
    "curved grid": (lambda f: edited(f, curved), {"variable": "tas"}, "no variable 'tas' on latitude and longitude"),
    "latitude beyond the pole": (lambda f: temp(f, lat=LAT + 60), {}, "beyond a pole"),
    "latitude that turns": (lambda f: temp(f, lat=[1, 2, 3, 2, 1, 0]), {}, "that only rise or only fall"),
    "latitude that is missing": (lambda f: temp(f, lat=LAT * np.nan), {}, "that only rise or only fall"),
    "uneven longitude": (lambda f: temp(f, lon=LON**2 / 400), {}, "must be even and within -180..360"),
    "across the date line": (lambda f: temp(f, lon=LON + 56), {}, "crosses the 180th meridian"),
    "longitude that goes around twice": (
        lambda f: temp(f, lon=np.linspace(-180, 360, 6)),
        {},
        "goes around the Earth more than once|even",
    ),
    "two grids": (
        lambda f: two(f, {}, {"lon": LON + 0.02, "time": dated(90, 120, 151)}),
        {},
        "b.nc is on another grid than a.nc",
    ),
    "raster in metres": (
        metres,
        {"units": "degC"},
        "must lie along latitude and longitude, but n_200101.tif has .*UTM",
    ),
    "raster without a system": (
        lambda f: write_raster(f / "n_200101.tif", ramp()[0], crs=None),
        {"units": "degC"},
        "has no coordinate system",
    ),
    "labels that are none": (temp, {"labels": "corner"}, "labels must be one of 'centre', 'south-west'"),
    "box that is none": (temp, {"box": (10, 0, 5, 5)}, "box must have -180 <= west < east"),
    "box elsewhere": (temp, {"box": (0, 0, 5, 5)}, "outside of the box asked for"),
    "coverage of 80": (temp, {"coverage": 80}, "coverage is the share"),
    "gaps that are filled": (temp, {"gaps": "fill"}, "gaps must be 'refuse' or 'nan'"),
}


def check(tmp_path, kind, make, options, match):
    path = make(tmp_path)
    before = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*")}
    with pytest.raises(kind, match=match):
        open_driver(path, "TEMP", **options)
    assert {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*")} == before


@pytest.mark.parametrize("case", NOT_FOUND)
def test_what_is_not_there(tmp_path, case):
    check(tmp_path, FileNotFoundError, *NOT_FOUND[case])


@pytest.mark.parametrize("case", WRONG_KIND)
def test_options_of_the_wrong_kind(tmp_path, case):
    check(tmp_path, TypeError, *WRONG_KIND[case])


@pytest.mark.parametrize("case", WRONG_VALUE)
def test_wrong_values(tmp_path, case):
    check(tmp_path, ValueError, *WRONG_VALUE[case])


@pytest.mark.parametrize("name", ["P", "NEE", "GPP", "temp", "", "dew_point"])
def test_names_outside_the_vocabulary(tmp_path, name):
    with pytest.raises(ValueError, match=r"drivers must be names of the vocabulary|'P' is refused"):
        open_driver(temp(tmp_path), name)


def test_quantities_that_there_are_not(tmp_path):
    with pytest.raises(ValueError, match=r"unknown quantity 'gpp'; known are TEMP.*open_flux"):
        open_field(temp(tmp_path), "gpp")
    with pytest.raises(ValueError, match=r"no variable is known as WD .* can also be made of eastward_wind and north"):
        open_wind(temp(tmp_path))
    with pytest.raises(ValueError, match=r"one net carbon flux was expected in t.nc"):
        open_flux(temp(tmp_path))


def test_parts_on_different_months_are_refused(tmp_path):
    temp(tmp_path, "a.nc")
    temp(tmp_path, "b.nc", variable="d2m", time=dated(31, 59, 90))
    with pytest.raises(ValueError, match=r"TEMP \(a.nc\) and dew_point \(b.nc\) are not on the same cells and months"):
        open_driver(tmp_path, "VPD")


def test_totals_of_months_cannot_be_days(tmp_path):
    path = temp(tmp_path, variable="pr", units="mm month-1", value=50.0, time=(np.arange(31.0), MONTHS[1]), steps=31)
    with pytest.raises(ValueError, match="PRE per month was found in steps that are no months"):
        open_driver(path, "PRE")


def test_damage_beyond_the_header_names_the_file_when_it_is_read(tmp_path):
    path = write_raster(tmp_path / "t_200101.tif", np.random.default_rng(0).uniform(0, 20, (900, 900)), step=0.01)
    field = open_driver(path, "TEMP", units="degC")
    shortened(path, 0.5)
    with pytest.raises(ValueError, match=r"t_200101.tif cannot be read as a raster"):
        field.compute()


@pytest.mark.parametrize(
    ("where", "description", "name"),
    [
        (
            'HDF4_EOS:EOS_GRID:"a:b.hdf":MOD_Grid:"CMG 0.05 Deg NDVI"',
            "[9x9] CMG 0.05 Deg NDVI MOD_Grid (16-bit)",
            "CMG 0.05 Deg NDVI",
        ),
        ("HDF4_EOS:EOS_GRID:a.hdf:GLASS01B01:LAI", "[9x9] LAI GLASS01B01 (8-bit unsigned integer)", "LAI"),
        ('HDF4_SDS:UNKNOWN:"a.hdf":2', "[18x36] VI Quality: x (16-bit integer)", "VI Quality: x"),
        ("NETCDF:a.nc://NDVI", "", "NDVI"),
    ],
)
def test_names_of_layers_as_gdal_writes_them(where, description, name):
    assert raster_module._name(where, description) == name


def test_layers_of_hdf4_are_found_where_gdal_reads_it(tmp_path, monkeypatch):
    # The layers of another format that GDAL opens in the same way: HDF4 itself is not in the wheels of rasterio.
    from xnee.sources.gridded import files

    path = tmp_path / "MOD13C2.A2001001.061.hdf"
    with netCDF4.Dataset(path, "w") as ds:
        ds.createDimension("YDim", 18)  # rows without labels, as MODIS has them: 18 by 36 cells are the globe
        ds.createDimension("XDim", 36)
        for name in ("NDVI", "EVI"):
            ds.createVariable(f"CMG 0.05 Deg Monthly {name}", "i2", ("YDim", "XDim"))[:] = np.arange(18)[:, None] * 100
    monkeypatch.setattr(raster_module, "_check_hdf4", lambda _: None)
    monkeypatch.setitem(files._FIRST_BYTES, b"\x89HDF\r\n\x1a\n", "hdf4")
    ndvi = open_driver(path, "NDVI")
    assert ndvi["lat"].values[[0, -1]].tolist() == [-85, 85]
    assert ndvi["lon"].values[[0, -1]].tolist() == [-175, 175]
    np.testing.assert_allclose(ndvi[0, ::-1, 3], np.arange(18) / 100, atol=1e-7)
    with pytest.raises(ValueError, match=r"no variable is known as LAI in .*CMG_0.05_Deg_Monthly"):
        open_driver(path, "LAI")
