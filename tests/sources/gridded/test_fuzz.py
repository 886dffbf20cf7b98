"""Damaged files: read, or refused by an error of xnee that names the file; never a crash, a hang, or something "
"written."""

from __future__ import annotations

import warnings
import zipfile

import dask
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from xnee.sources.gridded import open_field

from .conftest import ramp, write_netcdf, write_raster

MONTHS = (np.array([0.0, 31.0, 59.0]), {"units": "days since 2001-01-01"})
REAL = {
    "era_interim_tibet.nc": ("TEMP", {"coverage": 0.03}),
    "sftlf_pcmdi-metrics_fx_ECMWF-ERAInterim_197901-201407.nc": ("land_fraction", {}),
    "precip_202201_mon_mean.nc": ("PRE", {}),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Good files of each kind, as bytes, and how each is read."""
    folder = tmp_path_factory.mktemp("whole")
    packed = (ramp(3, 0, 30).astype("i2"), {"units": "degC", "scale_factor": 1.0, "_FillValue": np.int16(-32767)})
    files = {
        "hdf5.nc": write_netcdf(folder / "hdf5.nc", {"t2m": packed}, time=MONTHS),
        "classic.nc": write_netcdf(folder / "classic.nc", {"t2m": packed}, time=MONTHS, model="NETCDF3_CLASSIC"),
        "t_200101.tif": write_raster(folder / "t_200101.tif", ramp(1, 0, 30)[0].astype("f4"), nodata=-1),
    }
    with zipfile.ZipFile(folder / "a.zip", "w", zipfile.ZIP_DEFLATED) as out:
        out.write(files["hdf5.nc"], "hdf5.nc")
    files["a.zip"] = folder / "a.zip"
    options = {"t_200101.tif": {"units": "degC"}}
    return [(name, path.read_bytes(), "TEMP", options.get(name, {})) for name, path in files.items()]


@st.composite
def damage(draw):
    """A way to damage a file: numbers that fit one of any length, mostly near the beginning where the headers are."""
    kind = draw(st.sampled_from(["flip", "cut", "overwrite", "remove"]))
    near = draw(st.booleans())
    return (
        kind,
        near,
        draw(st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=6)),
        draw(st.binary(max_size=40)),
    )


def damaged(content, how):
    kind, near, places, junk = how
    content = bytearray(content)
    reach = min(len(content), 4096) if near else len(content)
    start = int(places[0] * reach)
    if kind == "flip":
        for place in places:
            content[int(place * reach)] ^= 1 + int(place * 7919) % 255
    elif kind == "cut":
        del content[int(places[0] * len(content)) :]
    elif kind == "overwrite":
        content[start : start + len(junk)] = junk
    else:
        del content[start : start + len(junk)]
    return bytes(content)


def read_damaged(folder, name, content, quantity, options):
    path = folder / name
    path.write_bytes(content)
    with warnings.catch_warnings(), dask.config.set(scheduler="synchronous"):
        warnings.simplefilter("error")
        said = name
        try:
            open_field(path, quantity, **options).compute()
        except ValueError as error:
            said = str(error)
    assert name.split(".")[0] in said or "hdf5.nc" in said
    assert [file.name for file in folder.iterdir()] == [name]
    path.unlink()


SETTINGS = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


# a long insertion is a long text, which hypothesis warns of
@pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisWarning")
@SETTINGS
@given(which=st.integers(0, 3), how=damage())
def test_damaged_files(whole, tmp_path, which, how):
    name, content, quantity, options = whole[which]
    read_damaged(tmp_path, name, damaged(content, how), quantity, options)


@SETTINGS
@given(which=st.sampled_from(sorted(REAL)), how=damage())
def test_damaged_real_files(shared, tmp_path, which, how):
    content = (shared / "data/grids" / which).read_bytes()
    read_damaged(tmp_path, which, damaged(content, how), *REAL[which])


@SETTINGS
@given(
    units=st.text(max_size=12),
    time=st.text(max_size=12) | st.sampled_from(["days since 2001-01-01", "months", "yyyymm", "days since 0"]),
    calendar=st.text(max_size=8) | st.sampled_from(["standard", "noleap", "360_day", "julian"]),
    stamps=st.lists(st.floats(), min_size=1, max_size=14),
)
def test_odd_attributes(tmp_path, units, time, calendar, stamps):
    values = np.zeros((len(stamps), 6, 6))
    said = {"units": time.replace("\0", ""), "calendar": calendar.replace("\0", "")}
    path = write_netcdf(
        tmp_path / "t.nc", {"t2m": (values, {"units": units.replace("\0", "")})}, time=(np.array(stamps), said)
    )
    read_damaged(tmp_path, "t.nc", path.read_bytes(), "TEMP", {})
