"""Every real file: a value computed another way (netCDF4 or rasterio, by hand), or refused for a stated reason."""

from __future__ import annotations

import netCDF4
import numpy as np
import pytest
import rasterio
import xarray as xr

from xnee.features import wind_direction, wind_speed
from xnee.grid import Grid, aggregate, cell_area
from xnee.pft import Legend
from xnee.regions import read_region, region_mask
from xnee.sources.gridded import open_driver, open_field, open_flux, open_wind
from xnee.sources.land_cover import read_land_cover

FILES = 32


@pytest.fixture(scope="module")
def grids(shared):
    return shared / "data/grids"


def stored(path, variable):
    """Numbers as they stand in a file."""
    with netCDF4.Dataset(path) as ds:
        ds.set_auto_maskandscale(False)
        return np.asarray(ds[variable][:])


def pixel(path, lon, lat):
    """The number of a raster at a point."""
    with rasterio.open(path) as file:
        return next(file.sample([(lon, lat)]))[0]


def at(field, lat, lon, **where):
    """A value at exact labels."""
    return float(field.sel(lat=lat, lon=lon, method="nearest", tolerance=1e-5).sel(**where).compute())


def biome4(path):
    raw = stored(path, "temp")  # 0.1 degC, labelled by the south-west corner, from 55 to 15 north
    temp = open_driver(path, "TEMP")
    assert at(temp, 30.25, 110.25, month=7) == pytest.approx(raw[6, 50, 80] / 10, abs=1e-5)
    pre = open_driver(path, "PRE")
    assert at(pre, 30.25, 110.25, month=7) == stored(path, "prec")[6, 50, 80]


def gldas(path):
    with pytest.raises(ValueError, match="unit '0 = water; 1 = land', which is not one of land_fraction"):
        open_field(path, "land_fraction")
    land = open_field(path, "land_fraction", units="1")
    assert land.dims == ("lat", "lon")
    assert at(land, 30.125, 110.125) == stored(path, "GLDAS_mask")[0, 360, 1160]
    assert float(land.sum()) == stored(path, "GLDAS_mask").sum(where=stored(path, "GLDAS_mask") > 0)


def t2m(path):
    temp = open_driver(path, "TEMP")
    assert temp["time"].values.astype("M8[M]").astype(str).tolist() == ["1979-01"]
    assert at(temp, 45, -100, time="1979-01-01") == pytest.approx(stored(path, "T")[0, 135, 260] - 273.15, abs=1e-4)


def ncep_air(path):
    with pytest.raises(ValueError, match=r"17 entries along 'level', 1000, 925.*no level was given"):
        open_driver(path, "TEMP")
    with pytest.raises(ValueError, match="990 is none of them"):
        open_driver(path, "TEMP", level=990)
    temp = open_driver(path, "TEMP", level=850)
    assert at(temp, 30, 110, time="2022-02-01") == pytest.approx(stored(path, "air")[1, 2, 12, 20], abs=1e-6)


def cru(path):
    temp = open_driver(path, "TEMP")
    raw = stored(path, "tem")  # int16 of 0.01 degC, missing -9999, 87.5 north first
    assert temp.dims == ("month", "lat", "lon")
    assert at(temp, 32.5, 112.5, month=1) == pytest.approx(raw[0, 11, 58] / 100, abs=1e-5)
    assert int((raw == -9999).sum()) == 0
    assert int(temp.isnull().sum()) == int((raw < -6011).sum()) == 347  # the plateau of Antarctica in winter


def era5land_mask(path):
    land = open_field(path, "land_fraction")
    raw = stored(path, "land")
    assert land["lon"].values[[0, -1]] == pytest.approx([-180, 179.9], abs=1e-9)
    assert at(land, 30.0, 110.0) == raw[600, 1100] == 1
    assert at(land, 30.0, -60.0) == raw[600, 3000] == 0
    assert int(land.isnull().sum()) == int(np.isnan(raw).sum())


def era_interim(path):
    with pytest.raises(ValueError, match=r"covers no month: it holds 4 step\(s\), 1 day\(s\) in 2012-06"):
        open_driver(path, "TEMP")
    temp = open_driver(path, "TEMP", coverage=1 / 31)
    with netCDF4.Dataset(path) as ds:  # unpacks by itself
        expected = ds["t2m"][:, 27, 40].mean() - 273.15
    assert at(temp, 30.0, 90.0, time="2012-06-01") == pytest.approx(expected, abs=1e-4)
    assert float(temp.min()) > -30
    assert float(temp.max()) < 45


def frac_lut(path):
    with pytest.raises(ValueError, match=r"no variable is known as FAPAR in fracLut.*\(fracLut\)"):
        open_driver(path, "FAPAR")
    # Read as what it is, its julian calendar becomes months.
    natural = open_field(path, "land_fraction", variable="fracLut", level=0)
    assert natural["time"].values.astype("M8[M]").astype(str).tolist() == [f"2007-{m:02d}" for m in range(2, 12)]
    assert at(natural, 30.5, 110.625, time="2007-03-01") == pytest.approx(
        stored(path, "fracLut")[1, 0, 25, 40] / 100, abs=1e-6
    )


def gpp(path):
    with pytest.raises(ValueError, match="A gross flux is no NEE"):
        open_flux(path)
    with pytest.raises(ValueError, match=r"'gpp' of gpp_Lmon.*A gross flux is no NEE"):
        open_flux(path, variable="gpp")
    with pytest.raises(ValueError, match="drivers must be names of the vocabulary"):
        open_driver(path, "GPP")


def ncep_uv(path):
    with pytest.raises(ValueError, match=r"u of ncep_uv.* does not say its unit"):
        open_driver(path, "WS", level=850)
    said = {"level": 850, "units": "m s-1"}
    u, v = stored(path, "u")[30, 0, 12, 20], stored(path, "v")[30, 0, 12, 20]
    speed, direction = open_driver(path, "WS", **said), open_driver(path, "WD", **said)
    assert speed.sizes["time"] == 48
    assert at(speed, 30, 110, time="2004-07-01") == pytest.approx(np.hypot(u, v), abs=1e-5)
    assert at(direction, 30, 110, time="2004-07-01") == pytest.approx(np.rad2deg(np.arctan2(-u, -v)) % 360, abs=1e-3)


def plant_types(path):
    with pytest.raises(ValueError, match=r"no variable is known as LAI in openbench_PFT_0p1.nc \(PFT\)"):
        open_driver(path, "LAI")
    legend = Legend(codes=tuple(range(16)), water=254)  # classes are read by read_land_cover
    rule = {"ENF": (1, 2), "DNF": (3,), "EBF": (4, 5), "DBF": (6, 7, 8)}
    grid = Grid(west=110, east=111, south=30, north=31, step=0.5)
    cover = read_land_cover(path, legend=legend, rule=rule, grid=grid)["pft_fraction"].sum("pft")
    raw = stored(path, "PFT")[590:600, 2900:2910]  # from 31 north and 110 east
    assert float(cover.mean()) == pytest.approx(np.isin(raw, range(1, 9)).mean(), abs=2e-3)


def access_pr(path):
    pre = open_driver(path, "PRE")
    assert pre.sizes["time"] == 180
    for month, days in (("2004-02", 29), ("2005-02", 28)):
        step = 12 * (int(month[:4]) - 2000) + 1
        expected = stored(path, "pr")[step, 12, 11] * 86_400 * days
        assert at(pre, 30, 110, time=f"{month}-01") == pytest.approx(expected, rel=1e-5)


def gpcp(path):
    pre = open_driver(path, "PRE")
    assert at(pre, 31.25, 111.25, month=7) == pytest.approx(stored(path, "pr")[6, 48, 44] * 86_400 * 31, rel=1e-5)
    assert at(pre, 31.25, 111.25, month=2) == pytest.approx(stored(path, "pr")[1, 48, 44] * 86_400 * 28.2425, rel=1e-5)
    grid = Grid(west=70, east=140, south=15, north=55, step=0.5)
    inside = region_mask(path.parent / "amap_china_land_100000.geojson", grid.lat, grid.lon)
    china = aggregate(pre, grid).where(inside).weighted(grid.area).mean(("lat", "lon"))
    assert china.sel(month=[1, 5, 7]).values == pytest.approx([15.3, 72.4, 128.8], rel=0.02)


def cmap(path):
    pre = open_driver(path, "PRE")
    for step, days in ((0, 31), (1, 28)):
        expected = stored(path, "precip")[step, 23, 44] * days
        assert at(pre, 31.25, 111.25, time=f"2022-0{step + 1}-01") == pytest.approx(expected, rel=1e-6)
    assert int(pre.isnull().sum()) == int((stored(path, "precip") < -1e30).sum()) > 0


def pressure(path):
    pa = open_driver(path, "PA")
    assert at(pa, 30, 90, time="2022-01-01") == pytest.approx(stored(path, "pres")[0, 24, 36], abs=1e-3)
    assert "in hPa" in pa.attrs["conversion"]  # the file says millibars


def interim_land(path):
    land = open_field(path, "land_fraction")
    assert at(land, 30, 90) == pytest.approx(stored(path, "sftlf")[80, 60] / 100) == 1
    with pytest.raises(ValueError, match="no variable is known as FAPAR in sftlf"):
        open_driver(path, "FAPAR")


def humidity(path):
    wet = open_field(path, "specific_humidity", level=1000)
    assert at(wet, 30, 110, time="2022-01-01") == pytest.approx(stored(path, "shum")[0, 0, 12, 20] / 1000, rel=1e-6)


def speedy_land(path):
    with pytest.raises(ValueError, match=r"no variable is known as TS.*\(stl\)"):
        open_driver(path, "TS")
    with pytest.raises(ValueError, match=r"stl of speedy.* says the unit '1', which is none, so TS cannot be known"):
        open_driver(path, "TS", variable="stl")
    soil = open_driver(path, "TS", variable="stl", units="K", time="climatology")
    raw = stored(path, "stl")
    lat, lon = stored(path, "lat"), stored(path, "lon")
    assert at(soil, lat[15], lon[28], month=6) == pytest.approx(raw[5, 15, 28] - 273.15, abs=1e-4)
    colder = (raw - 273.15 < -50.11) & (raw < 1e30)  # Antarctica, and what is not declared as missing: 9.97e36
    assert int(soil.isnull().sum()) == int((raw > 1e30).sum() + colder.sum())


def speedy_surface(path):
    land = open_field(path, "land_fraction")
    lat, lon = stored(path, "lat"), stored(path, "lon")
    assert at(land, lat[15], lon[28]) == stored(path, "lsm")[15, 28]
    with pytest.raises(ValueError, match="no variable is known as FAPAR"):  # vegetation cover is something else
        open_driver(path, "FAPAR")


def access_tas(path):
    temp = open_driver(path, "TEMP")
    assert at(temp, 30, -110, time="2007-07-01") == pytest.approx(stored(path, "tas")[90, 12, 25] - 273.15, abs=1e-4)
    assert temp.indexes["time"][[0, -1]].astype(str).tolist() == ["2000-01-01", "2014-12-01"]


def canesm(path):
    temp = open_driver(path, "TEMP")  # 365_day
    assert temp.indexes["time"][[0, -1]].astype(str).tolist() == ["1870-01-01", "1874-12-01"]
    lat, lon = stored(path, "lat"), stored(path, "lon")
    assert at(temp, lat[8], lon[17], time="1872-03-01") == pytest.approx(
        stored(path, "tas")[26, 8, 17] - 273.15, abs=1e-4
    )


def wind_component(name, quantity):
    def check(path):
        part = open_field(path, quantity, level=925)
        assert at(part, 30, 110, time="2022-02-01") == pytest.approx(stored(path, name)[1, 1, 12, 20], abs=1e-6)
        both = [path.parent / f"{which}_202201-02_ncep_eastasia.nc" for which in ("uwnd", "vwnd")]
        wind = open_wind(both, level=925)
        xr.testing.assert_allclose(wind[quantity].compute(), part.compute())
        whence = open_driver(both, "WD", level=925)
        xr.testing.assert_allclose(whence.compute(), wind_direction(**short(wind)).compute())
        xr.testing.assert_allclose(open_driver(both, "WS", level=925).compute(), wind_speed(**short(wind)).compute())

    return check


def short(wind):
    return {"eastward": wind["eastward_wind"], "northward": wind["northward_wind"]}


def classes(path):
    for name in ("NDVI", "LAI", "FAPAR"):
        with pytest.raises(ValueError, match=r"land cover of MCD12.*Classes become shares of forest types"):
            open_driver(path, name)


def mode_classes(path):
    with pytest.raises(ValueError, match=r"lc_mode_30N_china.tif is not FAPAR: .*go from 0 to 16"):
        open_driver(path, "FAPAR", time="2019-07")


def ndvi(path):
    with pytest.raises(ValueError, match="neither a time axis nor a date in its name"):
        open_driver(path, "NDVI")
    field = open_driver(path, "NDVI", time="static")
    assert at(field, 30.025, 110.025) == pytest.approx(pixel(path, 110.025, 30.025), abs=1e-6)
    with rasterio.open(path) as file:
        assert int(field.isnull().sum()) == int(np.isnan(file.read(1)).sum())


def fapar(path):
    with pytest.raises(ValueError, match=r"is not FAPAR: after conversion its values go from \d+ to \d+.*scale="):
        open_driver(path, "FAPAR", time="static")
    field = open_driver(path, "FAPAR", time="static", scale=1e-4)
    assert at(field, 30.025, 110.025) == pytest.approx(pixel(path, 110.025, 30.025) * 1e-4, abs=1e-6)
    with rasterio.open(path) as file:
        assert int(field.isnull().sum()) == int((file.read(1) == -999).sum())


def gosif(path):
    with pytest.raises(ValueError, match=r"covers no month: it holds 1 step\(s\), 8 day\(s\) in 2001-01"):
        open_driver(path, "SIF")
    sif = open_driver(path, "SIF", coverage=8 / 31)
    with rasterio.open(path) as file:
        raw = file.read(1)
    codes = np.isin(raw, [32766, 32767, -2147483648])
    np.testing.assert_allclose(sif[0].values[::-1], np.where(codes, np.nan, raw * 1e-4), atol=1e-7)
    assert float(sif.min()) < 0  # negatives are values
    with pytest.raises(ValueError, match=r"no variable is known as NDVI in gosif_2001001.tif \(SIF of GOSIF\)"):
        open_driver(path, "NDVI")


def outline(path):
    assert read_region(path).area > 900  # square degrees; regions are read with read_region
    with pytest.raises(ValueError, match=r"is a web page or a message|is neither NetCDF"):
        open_driver(path, "TEMP")


CHECKS = {
    "BIOME4_inputdata_china.nc": biome4,
    "GLDASp4_landmask_025d.nc4": gldas,
    "MCD12C1.A2019001.006.2020220162300.tif": classes,
    "MCD12_2021_LC_Type1_trimmed.tif": classes,
    "NDVI_maximum_china.tif": ndvi,
    "NDVI_minimum_china.tif": ndvi,
    "T2m_1x1_197901.nc": t2m,
    "air_202201-02_ncep_eastasia.nc": ncep_air,
    "amap_china_land_100000.geojson": outline,
    "cru_absolute_5deg_1961-1990.nc": cru,
    "era5land_landmask_0.1.nc": era5land_mask,
    "era_interim_tibet.nc": era_interim,
    "fAPARmax_mean_CMG_int16_china.tif": fapar,
    "fracLut_Emon_GFDL-ESM4_200702-200711_eastasia.nc": frac_lut,
    "gosif_2001001.tif": gosif,
    "gpp_Lmon_ACCESS-ESM1-5_historical_r1i1p1f1_gn_200001-201412.nc": gpp,
    "lc_mode_30N_china.tif": mode_classes,
    "naturalearth_lowres_CHN_TWN.geojson": outline,
    "ncep_uv_850_200_200201-200512_asia.nc": ncep_uv,
    "openbench_PFT_0p1.nc": plant_types,
    "pr_Amon_ACCESS-ESM1-5_historical_r1i1p1f1_gn_200001-201412.nc": access_pr,
    "pr_GPCP_000001-000012_ac.nc": gpcp,
    "precip_202201_mon_mean.nc": cmap,
    "pressfc_202201_mon_mean.nc": pressure,
    "sftlf_pcmdi-metrics_fx_ECMWF-ERAInterim_197901-201407.nc": interim_land,
    "shum_202201-02_ncep_eastasia.nc": humidity,
    "speedy_t30_land_stl.nc": speedy_land,
    "speedy_t30_surface.nc": speedy_surface,
    "tas_Amon_ACCESS-ESM1-5_historical_r1i1p1f1_gn_200001-201412.nc": access_tas,
    "tas_Amon_CanESM5_historical_r13i1p1f1_gn_187001-187412_eastasia.nc": canesm,
    "uwnd_202201-02_ncep_eastasia.nc": wind_component("uwnd", "eastward_wind"),
    "vwnd_202201-02_ncep_eastasia.nc": wind_component("vwnd", "northward_wind"),
}


@pytest.mark.parametrize("name", CHECKS)
def test_real_file_is_read_or_refused_for_a_reason(name, grids):
    CHECKS[name](grids / name)


def test_no_file_is_left_out(grids):
    there = {path.name for path in grids.iterdir()} - {"README.md", "SHA256SUMS"}
    assert there == set(CHECKS)
    assert len(there) == FILES


# Two grids of 0.05 degrees whose origins are 0.993 of a cell apart in longitude: five forests, by their own pixels.
POINTS = {"Changbaishan": (42.40, 128.09), "Dinghushan": (23.17, 112.54), "Xishuangbanna": (21.95, 101.20)} | {
    "Ailaoshan": (24.54, 101.03),
    "Qianyanzhou": (26.74, 115.06),
}


def share_of_pixels(values, origin, step, cell):
    """Mean of a raster over a box, by the area that each pixel shares with it, pixel after pixel."""
    west, south, east, north = cell
    total = weight = 0.0
    for i in range(values.shape[0]):
        top, bottom = min(origin[1] - i * step, north), max(origin[1] - (i + 1) * step, south)
        if top <= bottom:
            continue
        height = np.sin(np.deg2rad(top)) - np.sin(np.deg2rad(bottom))
        for j in range(values.shape[1]):
            left, right = max(origin[0] + j * step, west), min(origin[0] + (j + 1) * step, east)
            if right > left and np.isfinite(values[i, j]):
                total += values[i, j] * height * (right - left)
                weight += height * (right - left)
    return total / weight


@pytest.mark.parametrize("site", POINTS)
def test_two_shifted_grids_land_on_one(site, grids):
    lat, lon = POINTS[site]
    south, west = np.floor(lat / 0.1) * 0.1, np.floor(lon / 0.1) * 0.1
    edges = {"west": west - 0.2, "east": west + 0.3, "south": south - 0.2, "north": south + 0.3}
    grid = Grid(step=0.1, **{side: round(edge, 1) for side, edge in edges.items()})
    sif = aggregate(open_driver(grids / "gosif_2001001.tif", "SIF", coverage=0.2, box=grid), grid, coverage=0)
    cover = read_land_cover(grids / "MCD12_2021_LC_Type1_trimmed.tif", legend="MCD12Q1", grid=grid)
    cell = (west, south, west + 0.1, south + 0.1)
    for path, codes, field in (
        ("gosif_2001001.tif", None, sif[0]),
        ("MCD12_2021_LC_Type1_trimmed.tif", [1, 2, 3, 4, 5], cover["pft_fraction"].sum("pft")),
    ):
        made = float(field.sel(lat=lat, lon=lon, method="nearest"))
        with rasterio.open(grids / path) as file:
            t = file.transform
            i, j = int((t.f - south) / -t.e) - 5, int((west - t.c) / t.a) - 4
            raw = file.read(1, window=((i, i + 12), (j, j + 12))).astype("f8")
            origin, step = (t.c + j * t.a, t.f + i * t.e), t.a
        values = np.where(raw >= 32766, np.nan, raw * 1e-4) if codes is None else np.isin(raw, codes).astype(float)
        assert made == pytest.approx(share_of_pixels(values, origin, step, cell), abs=2e-4)


def test_area_of_a_real_grid_is_that_of_its_cells(grids):
    temp = open_driver(grids / "era_interim_tibet.nc", "TEMP", coverage=0.03)
    area = float(cell_area(temp["lat"], temp["lon"]).sum())
    east, north, south = np.deg2rad(51), np.deg2rad(50.625), np.deg2rad(9.375)
    assert area == pytest.approx(6_371_007.2**2 * east * (np.sin(north) - np.sin(south)), rel=5e-3)
