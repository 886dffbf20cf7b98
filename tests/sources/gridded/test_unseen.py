"""Layouts of files that are not at hand: small generated files, written as their products write them.

Each held a value, a place or a month that was read wrongly without a word, or was refused without need.
"""

from __future__ import annotations

import netCDF4
import numpy as np
import pytest

from xnee.sources.gridded import open_driver, open_flux, open_wind

from .conftest import ramp, write_netcdf, write_raster

SINCE = {"units": "days since 2001-01-01", "calendar": "standard"}
MONTHS = (np.array([0.0, 31.0, 59.0]), SINCE)


def field(value=280.0, units="K", **said):
    return np.full((3, 6, 6), value), {"units": units, **said}


def months_of(made):
    return made["time"].dt.strftime("%Y-%m").values.tolist()


# Where cells lie


@pytest.mark.parametrize(
    ("dims", "coordinates", "mapping", "says"),
    [
        (("rlat", "rlon"), {"standard_name": "grid_{}itude", "units": "degrees"}, None, r"\(grid_latitude\)"),
        (("y", "x"), {}, None, "y without degrees"),
        (("y", "x"), {"units": "m"}, None, "y in m"),
        (("y", "x"), {"standard_name": "projection_{}_coordinate"}, "sinusoidal", r"\(sinusoidal\)"),
        (("lat", "lon"), {"units": "degrees"}, "rotated_latitude_longitude", "rotated_latitude_longitude"),
    ],
)
def test_cells_of_other_maps_are_refused(tmp_path, dims, coordinates, mapping, says):
    said = {"grid_mapping": "crs"} if mapping else {}
    path = write_netcdf(
        tmp_path / "cordex.nc",
        {"tas": field(**said)},
        time=MONTHS,
        dims=("time", *dims),
        lat=np.arange(6.0),
        lon=np.arange(6.0),
    )
    with netCDF4.Dataset(path, "a") as ds:
        for dim, word in zip(dims, ("lat", "long") if "itude" in str(coordinates) else ("y", "x"), strict=True):
            ds[dim].setncatts({key: value.format(word) for key, value in coordinates.items()})
        if mapping:
            ds.createVariable("crs", "i4", ()).grid_mapping_name = mapping
    with pytest.raises(ValueError, match=f"does not lie along latitude and longitude.*{says}|{says}"):
        open_driver(path, "TEMP")


_NORTH_EAST = {"units": "degrees_{}"}


@pytest.mark.parametrize(
    ("dims", "axes", "said"),
    [
        (("y", "x"), {}, {"grid_mapping_name": "latitude_longitude"}),
        (("y", "x"), {}, {"spatial_ref": 'GEOGCS["WGS 84"]'}),
        (("lat", "lon"), _NORTH_EAST, {"grid_mapping_name": "WGS84"}),
        (("lat", "lon"), _NORTH_EAST, {}),
    ],
)
def test_degrees_are_read_whatever_became_of_their_mapping(tmp_path, dims, axes, said):
    """After arithmetic xarray keeps the variable spatial_ref and loses the attribute that names it."""
    path = write_netcdf(
        tmp_path / "a.nc", {"tas": field()}, time=MONTHS, dims=("time", *dims), lat=np.arange(6.0), lon=np.arange(6.0)
    )
    with netCDF4.Dataset(path, "a") as ds:
        ds.createVariable("spatial_ref", "i4", ()).setncatts(said)
        for dim, way in zip(dims, ("north", "east"), strict=True):
            ds[dim].setncatts({key: value.format(way) for key, value in axes.items()})
    assert open_driver(path, "TEMP").sizes == {"time": 3, "lat": 6, "lon": 6}


def test_x_and_y_in_degrees_are_read(tmp_path):
    path = write_netcdf(tmp_path / "rio.nc", {"tas": field(grid_mapping="crs")}, time=MONTHS, dims=("time", "y", "x"))
    with netCDF4.Dataset(path, "a") as ds:
        ds.createVariable("crs", "i4", ()).setncatts({"crs_wkt": 'GEOGCRS["WGS 84"]'})
    assert float(open_driver(path, "TEMP")["lat"][0]) == 40.5


# What is measured


@pytest.mark.parametrize("where", ["scalar", "dimension", "grib"])
def test_a_single_level_of_pressure_is_not_the_ground(tmp_path, where):
    dims = ("time", "level", "lat", "lon") if where == "dimension" else ("time", "lat", "lon")
    path = write_netcdf(tmp_path / "t.nc", {"other": field()}, time=MONTHS)
    with netCDF4.Dataset(path, "a") as ds:
        ds.createDimension("level", 1)
        if where != "grib":
            ds.createVariable("level", "f8", ("level",) if where == "dimension" else ())[...] = 850.0
            ds["level"].units = "hPa"
        ds.createVariable("t", "f8", dims)[...] = 270.0
        ds["t"].setncatts({"units": "K", "coordinates": "level" if where == "scalar" else "number"})
        if where == "grib":
            ds["t"].GRIB_typeOfLevel = "isobaricInhPa"
    with pytest.raises(ValueError, match=r"level.* of pressure, which may be far above the ground"):
        open_driver(path, "TEMP", variable="t")
    assert open_driver(path, "TEMP", variable="t", level=850).shape == (3, 6, 6)
    if where != "grib":
        with pytest.raises(ValueError, match="on the level 850 of pressure"):
            open_driver(path, "TEMP", variable="t", level=1000)


@pytest.mark.parametrize(("method", "word"), [("maximum", "maximum"), ("standard_deviation", "standard deviation")])
def test_extremes_and_spreads_are_no_means(tmp_path, method, word):
    path = write_netcdf(tmp_path / "t.nc", {"tas": field(cell_methods=f"area: mean time: {method}")}, time=MONTHS)
    with pytest.raises(ValueError, match=f"is the {word} over time by its cell_methods"):
        open_driver(path, "TEMP")
    assert open_driver(path, "TEMP", variable="tas").sizes["time"] == 3


def test_composites_of_ndvi_are_the_highest_of_a_month(tmp_path):
    said = field(0.5, "1", cell_methods="time: maximum")
    path = write_netcdf(tmp_path / "ndvi.nc", {"NDVI": said}, time=MONTHS)
    assert float(open_driver(path, "NDVI").mean()) == pytest.approx(0.5)


def test_means_of_daily_extremes_make_temp(tmp_path):
    said = {"cell_methods": "time: {} within days time: mean over days"}
    held = {
        name: field(value, cell_methods=said["cell_methods"].format(word))
        for name, value, word in (("tasmax", 290.0, "maximum"), ("tasmin", 280.0, "minimum"))
    }
    path = write_netcdf(tmp_path / "t.nc", held, time=MONTHS)
    assert float(open_driver(path, "TEMP").mean()) == pytest.approx(11.85)


@pytest.mark.parametrize("read", [lambda path: open_driver(path, "WD"), open_wind])
def test_directions_of_days_are_not_averaged(tmp_path, read):
    turning = np.where(np.arange(31) % 2, 350.0, 10.0)[:, None, None]
    path = write_netcdf(tmp_path / "wd.nc", {"wd": (turning, {"units": "degree"})}, time=(np.arange(31.0), SINCE))
    with pytest.raises(ValueError, match="directions must not be averaged"):
        read(path)


@pytest.mark.parametrize(
    ("file", "name", "says"),
    [
        ("GOSIF_GPP_2001.M01_Mean.tif", "SIF", "gross primary production of GOSIF GPP"),
        ("MOD13C2.A2001001.061.EVI.tif", "NDVI", "another layer than NDVI"),
        ("MYD13C1.A2001001.061.VI_Quality.tif", "NDVI", "another layer than NDVI"),
    ],
)
def test_other_layers_of_a_product_are_not_taken_for_it(tmp_path, file, name, says):
    path = write_raster(tmp_path / file, np.full((6, 6), 3000, "i2"))
    with pytest.raises(ValueError, match=says):
        open_driver(path, name)


@pytest.mark.parametrize("middle", ["NDVI_quality_filtered", "NDVI_EVI"])
def test_ndvi_is_ndvi_whatever_else_its_name_tells(tmp_path, middle):
    path = write_raster(tmp_path / f"MOD13C2_{middle}_200101.tif", np.full((6, 6), 3000, "i2"))
    assert float(open_driver(path, "NDVI").mean()) == pytest.approx(0.3)


# What stored numbers mean


def test_valid_range_in_floats_may_be_after_packing(tmp_path):
    said = {"units": "kPa", "scale_factor": np.float32(0.001), "valid_range": np.array([0, 5], "f4")}
    path = write_netcdf(tmp_path / "vpd.nc", {"vpd": (ramp(3, 0, 2000, "i2"), said)}, time=MONTHS)
    assert float(open_driver(path, "VPD").max()) == pytest.approx(20, rel=1e-3)


def test_fill_of_unsigned_bytes_is_unsigned(tmp_path):
    stored = np.full((3, 6, 6), 60, "i1")
    stored[:, 0] = -1  # 255
    said = {"units": "mm/month", "_Unsigned": "true", "_FillValue": np.int8(-1)}
    path = write_netcdf(tmp_path / "ppt.nc", {"ppt": (stored, said)}, time=MONTHS)
    made = open_driver(path, "PRE").load()
    assert float(made.max()) == 60
    assert bool(made[:, -1].isnull().all())


def test_a_packing_that_was_applied_already_is_asked_for(tmp_path):
    path = write_netcdf(tmp_path / "lai.nc", {"lai": (ramp(3, 0, 6, "f4"), {"scale_factor": 0.1})}, time=MONTHS)
    with pytest.raises(ValueError, match=r"holds fractions already.*Say scale=1"):
        open_driver(path, "LAI")
    assert float(open_driver(path, "LAI", scale=1).max()) == 6


def test_whole_numbers_stored_as_floats_are_unpacked(tmp_path):
    path = write_netcdf(
        tmp_path / "lai.nc", {"lai": (np.full((3, 6, 6), 40, "f4"), {"scale_factor": 0.1})}, time=MONTHS
    )
    assert float(open_driver(path, "LAI").max()) == pytest.approx(4)


def test_whole_numbers_without_a_scale_are_asked_for(tmp_path):
    path = write_raster(tmp_path / "lai_200101.tif", np.array([[0, 1, 2, 3, 4, 5]] * 6, "u1"))
    with pytest.raises(ValueError, match="holds whole numbers of LAI, and nobody says what one of them counts"):
        open_driver(path, "LAI")
    assert float(open_driver(path, "LAI", scale=0.1).max()) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("name", "variable", "units", "value", "expected"),
    [
        ("TEMP", "tmp", "degrees Celsius", 10.0, 10.0),  # CRU TS
        ("TEMP", "tmp", "Degrees C", 10.0, 10.0),
        ("TEMP", "tmp", "degrees_kelvin", 283.15, 10.0),
        ("VWC", "swvl1", "cm3 cm-3", 0.3, 0.3),
        ("PRE", "avg_tprate", "kg m**-2 s**-1", 1e-5, 1e-5 * 86_400 * 31),  # ERA5
    ],
)
def test_other_spellings(tmp_path, name, variable, units, value, expected):
    path = write_netcdf(tmp_path / "a.nc", {variable: field(value, units)}, time=MONTHS)
    assert float(open_driver(path, name)[0].mean()) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("variable", "name", "units"), [("tp", "PRE", "m"), ("ssrd", "PAR", "J m**-2")])
def test_one_step_a_day_of_ecmwf_is_asked_for(tmp_path, variable, name, units):
    value = {"tp": 0.002, "ssrd": 1.5e7}[variable]
    path = write_netcdf(
        tmp_path / "era5.nc", {variable: (np.full((31, 6, 6), value), {"units": units})}, time=(np.arange(31.0), SINCE)
    )
    with pytest.raises(ValueError, match="a step a day of an amount of ECMWF: the sum of the day, or one hour"):
        open_driver(path, name)
    assert open_driver(path, name, units=f"{units} d-1").sizes["time"] == 1


# When


def test_lost_bounds_of_firsts_of_months_are_asked_for(tmp_path):
    stamps = (np.array([31.0, 59.0, 90.0]), {**SINCE, "bounds": "time_bnds"})  # ends of months, as CESM has them
    path = write_netcdf(tmp_path / "cesm.nc", {"tas": field()}, time=stamps)
    with pytest.raises(ValueError, match="begins a month or ends the one before"):
        open_driver(path, "TEMP")
    assert months_of(open_driver(path, "TEMP", every="month")) == ["2001-02", "2001-03", "2001-04"]


def test_lost_bounds_of_whole_years_do_no_harm(tmp_path):
    """As a variable taken out of a Dataset leaves them; ends of months would go from February to January."""
    first = np.cumsum([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]).astype(float)
    value = np.full((12, 6, 6), 280.0), {"units": "K"}
    path = write_netcdf(tmp_path / "a.nc", {"tas": value}, time=(first[:12], {**SINCE, "bounds": "time_bnds"}))
    assert months_of(open_driver(path, "TEMP"))[::11] == ["2001-01", "2001-12"]
    path = write_netcdf(tmp_path / "b.nc", {"tas": value}, time=(first[1:], {**SINCE, "bounds": "time_bnds"}))
    with pytest.raises(ValueError, match="begins a month or ends the one before"):
        open_driver(path, "TEMP")


def test_lost_bounds_of_single_days_do_no_harm(tmp_path):
    """A file a day: that of the first of January alone could be a month."""
    paths = [
        write_netcdf(
            tmp_path / f"{day}.nc",
            {"tas": (np.full((1, 6, 6), 280.0), {"units": "K"})},
            time=(np.array([float(day)]), {**SINCE, "bounds": "time_bnds"}),
        )
        for day in range(31)
    ]
    assert months_of(open_driver(paths, "TEMP")) == ["2001-01"]


def test_bounds_say_that_stamps_are_ends(tmp_path):
    edges = np.array([[0.0, 31], [31, 59], [59, 90]])
    stamps = (edges[:, 1], {**SINCE, "bounds": "time_bnds", "bnds": edges})
    path = write_netcdf(tmp_path / "cesm.nc", {"tas": field()}, time=stamps)
    assert months_of(open_driver(path, "TEMP")) == ["2001-01", "2001-02", "2001-03"]


def test_lost_bounds_do_no_harm_in_mid_month(tmp_path):
    stamps = (np.array([15.5, 45.0, 74.5]), {**SINCE, "bounds": "time_bnds"})
    path = write_netcdf(tmp_path / "cmip.nc", {"tas": field()}, time=stamps)
    assert months_of(open_driver(path, "TEMP"))[0] == "2001-01"


def test_months_without_a_year_in_a_file_named_by_one(tmp_path):
    held = {"pre": (np.full((12, 6, 6), 28.0), {"units": "mm"})}
    path = write_netcdf(tmp_path / "PRE_2001.nc", held, time=(np.arange(1, 13), {}), dims=("month", "lat", "lon"))
    with pytest.raises(ValueError, match=r"named by the year 2001. Say time='2001-01'"):
        open_driver(path, "PRE")
    assert months_of(open_driver(path, "PRE", time="2001-01"))[-1] == "2001-12"
    assert open_driver(path, "PRE", time="climatology").dims[0] == "month"


def test_the_day_a_file_was_made_is_not_its_month(tmp_path):
    path = write_raster(tmp_path / "ndvi_200101_20200512.tif", ramp(low=0.2, high=0.8, dtype="f4")[0])
    with pytest.raises(ValueError, match="holds more than one date"):
        open_driver(path, "NDVI", every="month")


def test_chelsa_has_its_month_before_its_year(tmp_path):
    path = write_raster(tmp_path / "CHELSA_tas_07_2001_V.2.1.tif", np.full((6, 6), 20, "f4"))
    assert months_of(open_driver(path, "TEMP", units="degC")) == ["2001-07"]


@pytest.mark.parametrize("name", ["CHELSA_tas_01_1981-2010_V.2.1.tif", "CHELSA_tas_01_01_1979_V.2.1.tif"])
def test_mean_years_and_days_of_chelsa_are_no_months(tmp_path, name):
    path = write_raster(tmp_path / name, np.full((6, 6), 20, "f4"))
    with pytest.raises(ValueError, match=r"CHELSA_tas_01"):
        open_driver(path, "TEMP", units="degC")


def test_a_year_in_a_name_is_no_month(tmp_path):
    path = write_raster(tmp_path / "ndvi_2001.tif", ramp(low=0.2, high=0.8, dtype="f4")[0])
    with pytest.raises(ValueError, match="is to be a month, but its name tells the year only"):
        open_driver(path, "NDVI", every="month")


@pytest.mark.parametrize(
    ("variable", "name", "units"),
    [("total_precipitation", "PRE", "m"), ("surface_solar_radiation_downwards", "PAR", "J m**-2")],
)
def test_amounts_of_ecmwf_under_other_names_are_asked_for(tmp_path, variable, name, units):
    path = write_netcdf(tmp_path / "era5.nc", {variable: field(0.002 if units == "m" else 1.5e7, units)}, time=MONTHS)
    with pytest.raises(ValueError, match=r"has the unit .* which is not one of"):
        open_driver(path, name)
    assert open_driver(path, name, units=f"{units} d-1").sizes["time"] == 3


def test_fluxcom_counts_from_a_day_that_never_was(tmp_path):
    stamps = (np.array([152_751.0, 152_782, 152_810]) + 15, {"units": "days since 1582-10-14", "calendar": "gregorian"})
    path = write_netcdf(tmp_path / "NEE.nc", {"NEE": field(-1.0, "gC m-2 d-1")}, time=stamps)
    made = open_flux(path)
    assert months_of(made) == ["2001-01", "2001-02", "2001-03"]
    assert float(made[0, 0, 0]) == -31


# Carbon fluxes


@pytest.mark.parametrize(
    ("variable", "units", "value", "january"),
    [
        ("bio_flux_opt", "mol m-2 s-1", -1e-6, -1e-6 * 12.011 * 86_400 * 31),  # CarbonTracker
        ("NEE", "mumolCO2 m-2 s-1", -1.0, -1.03775 * 31),  # X-BASE
        ("NEE", "g CO2 m-2 d-1", -1.0, -31 * 12.011 / 44.009),
        ("NEE", "gC/m^2/s", -1e-5, -1e-5 * 86_400 * 31),  # CLM
    ],
)
def test_fluxes_of_other_products(tmp_path, variable, units, value, january):
    held = {variable: field(value, units), "ocn_flux_opt": field(0.0, units)}
    path = write_netcdf(tmp_path / "flux.nc", held, time=MONTHS)
    assert float(open_flux(path)[0].mean()) == pytest.approx(january, rel=1e-4)


def test_cams_has_its_month_in_its_name(tmp_path):
    held = {"flux_apos_bio": (np.full((6, 6), -0.02), {"units": "kgC m-2 month-1"}), "area": (np.ones((6, 6)), {})}
    path = write_netcdf(tmp_path / "z_cams_l_lsce_200102_v15r4_ra_sfc_mm_co2flux.nc", held)
    made = open_flux(path)
    assert months_of(made) == ["2001-02"]
    assert float(made.mean()) == pytest.approx(-20)


@pytest.mark.parametrize(
    ("variable", "said", "says"),
    [
        ("NEE", {"positive": "down"}, "positive into land by its attributes.*Rename it to what it is: nep"),
        ("NEE", {"long_name": "net flux, positive for sink"}, "positive into land"),
        ("NEE", {"standard_name": "surface_net_downward_mass_flux_of_carbon"}, "positive into land"),
        ("nbp", {"long_name": "carbon flux into the atmosphere"}, "positive into the atmosphere by its attributes"),
        ("NEE", {"long_name": "net exchange of CO2"}, "mass of carbon or of CO2.*'kgC m-2 s-1' or 'kgCO2 m-2 s-1'"),
    ],
)
def test_fluxes_that_contradict_themselves(tmp_path, variable, said, says):
    path = write_netcdf(tmp_path / "flux.nc", {variable: field(-1e-8, "kg m-2 s-1", **said)}, time=MONTHS)
    with pytest.raises(ValueError, match=says):
        open_flux(path)


@pytest.mark.parametrize(
    ("variable", "said"),
    [
        ("nbp", {"comment": "S3: CO2, climate and land use, fire emissions into the atmosphere"}),  # TRENDY
        ("netAtmosLandCO2Flux", {"comment": "includes fire"}),
        ("NEE", {"long_name": "net ecosystem exchange; negative values denote a downward flux"}),
        ("nbp", {"standard_name": "surface_net_downward_mass_flux_of_carbon_dioxide_expressed_as_carbon_due_to_all"}),
        ("NEE", {"long_name": "net ecosystem exchange of carbon, includes fire, positive for source"}),
        ("netAtmosLandCO2Flux", {"long_name": "Net Carbon Mass Flux Between Atmosphere and Land (Positive Into Land)"}),
        ("fco2nat", {"long_name": "Surface Carbon Mass Flux into the Atmosphere Due to Natural Sources"}),
    ],
)
def test_fluxes_that_say_what_they_are(tmp_path, variable, said):
    path = write_netcdf(tmp_path / "flux.nc", {variable: field(1e-8, "kg m-2 s-1", **said)}, time=MONTHS)
    sign = 1 if variable in ("NEE", "fco2nat") else -1
    assert float(open_flux(path)[0].mean()) == pytest.approx(sign * 1e-5 * 86_400 * 31, rel=1e-5)
