"""Building a cube: global 0.05 degree 8-day maps to China monthly, and conservative averages against CDO.

    python benchmarks/cube.py [--months 4] [--globe] [--folder somewhere]

Prints user CPU seconds and peak memory of each job, each a process of its own. The maps are made up and written as
GeoTIFF under the names of GOSIF. ``--globe`` builds the whole globe at 0.25 degrees too.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import numpy as np

ROWS, COLUMNS, STEP = 3600, 7200, 0.05

BUILD = """
import sys
from xnee.cube import DriverRecipe, Recipe, build_cube
from xnee.grid import Grid
files, out, period, step, globe = sys.argv[1:]
edges = (-180, 180, -90, 90) if globe == "globe" else (70, 140, 15, 55)
box = dict(zip(("west", "east", "south", "north"), edges))
recipe = Recipe(
    grid=Grid(**box, step=float(step)), period=tuple(period.split("..")), drivers={"SIF": DriverRecipe(files=files)}
)
cube = build_cube(recipe, out, progress=False)
print(dict(cube.sizes), cube["SIF"].attrs["provenance"][-150:])
"""

AVERAGE = """
import sys
import xarray as xr
from xnee.grid import Grid, aggregate
grid = Grid(west=-180, east=180, south=-90, north=90, step=0.5)
with xr.open_dataset(sys.argv[1]) as ds:
    aggregate(ds["field"].load(), grid).to_netcdf(sys.argv[2])
"""

IMPORTS = "import sys, xarray as xr, netCDF4\nfrom xnee.grid import Grid, aggregate\n"

GRID = """
gridtype = lonlat
xsize = 720
ysize = 360
xfirst = -179.75
xinc = 0.5
yfirst = -89.75
yinc = 0.5
"""


def main() -> None:
    """Run the jobs and print a table."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--months", type=int, default=4)
    words.add_argument("--globe", action="store_true")
    words.add_argument("--folder", type=Path)
    given = words.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="xnee-bench-", dir=given.folder))
    try:
        build(folder, given.months, globe=given.globe)
        against_cdo(folder)
    finally:
        shutil.rmtree(folder)


def build(folder: Path, months: int, *, globe: bool) -> None:
    """Build cubes from global 8-day maps."""
    import rasterio
    from rasterio.transform import from_origin

    place = from_origin(-180, 90, STEP, STEP)
    profile = {"driver": "GTiff", "height": ROWS, "width": COLUMNS, "count": 1, "dtype": "int16", "crs": "EPSG:4326"}
    days = range(1, min(366, 31 * months + 9), 8)
    for day in days:
        name = folder / f"GOSIF_2001{day:03d}.tif"
        with rasterio.open(name, "w", transform=place, compress="deflate", predictor=2, **profile) as file:
            file.write(stored(day), 1)
    size = sum(file.stat().st_size for file in folder.glob("*.tif")) / 1e9
    print(f"{len(days)} global 8-day maps of {STEP} degrees, {size:.2f} GB compressed")
    period = f"2001-01..2001-{months:02d}"
    jobs = [("China 0.05", "0.05", "china"), ("China 0.5", "0.5", "china")] + [("globe 0.25", "0.25", "globe")] * globe
    for label, step, box in jobs:
        out = folder / f"{label.replace(' ', '')}.zarr"
        seconds, memory = run([sys.executable, "-c", BUILD, str(folder / "GOSIF_*.tif"), str(out), period, step, box])
        print(f"build_cube, {label} degrees, {months} months: {seconds:.1f} s of CPU, peak {memory:.2f} GiB")


def stored(day: int) -> np.ndarray:
    """Make up a map: waves, a season, an ocean."""
    lat, lon = np.deg2rad(90 - STEP * (np.arange(ROWS) + 0.5)), np.deg2rad(STEP * (np.arange(COLUMNS) + 0.5))
    waves = 2000 + 1500 * np.sin(7 * lat)[:, None] * np.cos(11 * lon) + 500 * np.cos(2 * np.pi * day / 365)
    ocean = np.cos(3 * lon) * np.cos(2 * lat)[:, None] < -0.2
    return np.where(ocean, 32767, waves).astype("i2")


def against_cdo(folder: Path) -> None:
    """Average one global field to 0.5 degrees with xnee and with CDO: both read and write NetCDF."""
    import xarray as xr

    if shutil.which("cdo") is None:
        print("cdo is not installed: no comparison")
        return
    lat, lon = -90 + STEP * (np.arange(ROWS) + 0.5), -180 + STEP * (np.arange(COLUMNS) + 0.5)
    axes = {"lat": ("lat", lat, {"units": "degrees_north"}), "lon": ("lon", lon, {"units": "degrees_east"})}
    field = (stored(1)[::-1] * 1e-4).astype("f4")
    field[field > 3] = np.nan
    gaps = np.random.default_rng(0).random(field.shape) < 0.02
    for label, values in (("without gaps", np.nan_to_num(field)), ("with gaps", np.where(gaps, np.nan, field))):
        encoding = {"field": {"_FillValue": np.float32(-9999)}}
        xr.Dataset({"field": (("lat", "lon"), values)}, coords=axes).to_netcdf(folder / "in.nc", encoding=encoding)
        (folder / "grid.txt").write_text(textwrap.dedent(GRID))
        cdo = ["cdo", "-s", f"remapcon,{folder / 'grid.txt'}", str(folder / "in.nc"), str(folder / "cdo.nc")]
        own = [sys.executable, "-c", AVERAGE, str(folder / "in.nc"), str(folder / "own.nc")]
        start, _ = run([sys.executable, "-c", IMPORTS])
        (theirs, much), (ours, little) = run(cdo), run(own)
        with xr.open_dataset(folder / "cdo.nc") as one, xr.open_dataset(folder / "own.nc") as other:
            known = one["field"].notnull() & (other["field"] > 0)
            difference = float((abs(one["field"] - other["field"]) / other["field"]).where(known).max())
            alone = int((one["field"].notnull() & other["field"].isnull()).sum())
        print(
            f"0.05 to 0.5 degrees, globe, {label}: cdo remapcon {theirs:.1f} s of CPU, {much:.2f} GiB; "
            f"xnee {ours:.1f} s ({start:.1f} s of it imports), {little:.2f} GiB; "
            f"largest relative difference {difference:.1e}; {alone} cells with less than half known only in cdo's"
        )


def run(command: list[str]) -> tuple[float, float]:
    """Run a process; give its CPU seconds, of user and system, and its peak memory in GiB."""
    # a fresh child for each: the peak of children is that of the largest so far
    code = (
        "import resource, subprocess, sys; done = subprocess.run(sys.argv[1:], stdout=2); "
        "use = resource.getrusage(resource.RUSAGE_CHILDREN); "
        "print(use.ru_utime + use.ru_stime, use.ru_maxrss / 2**20); sys.exit(done.returncode)"
    )
    done = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    seconds, memory = map(float, done.stdout.split())
    return seconds, memory


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    main()
