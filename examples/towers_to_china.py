"""From 67 real towers to a map of China's forest NEE, budget, skill and explanation.

Run it from the project's root:

    python examples/towers_to_china.py --data ../shared/data --out out

It needs monthly FLUXNET2015 files with a table of their sites, the BIOME4 climatology, an MCD12C1 land-cover map and
the boundary of China; docs/towers.md and docs/grids.md say what each looks like. The map is a mean annual cycle: a
20th-century climatology drives it, repeated over two years of which the first only gives the second its past.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from time import perf_counter

import xnee
from xnee.cli.printing import print_budget, print_contribution
from xnee.evaluation.skill import skill_table

ALL_DRIVERS = ["TEMP", "PRE", "VPD", "WS", "PA", "PAR", "TS", "NDVI"]


def read_towers(data: Path):
    """Read all towers with their satellite series, ``(site, time)``."""
    folder = data / "towers"
    sites = xnee.read_fluxnet(folder / "fluxnet2015_subset_mm" / "*.csv", sites=folder / "sites.csv", qc_min=0.5)
    series = folder / "remote_sensing" / "modis_reflectance_monthly.csv"
    return xnee.add_site_series(sites, series, columns={"ndvi": "NDVI"})


def read_cube(data: Path):
    """Read drivers and forest cover on the climatology's own half-degree cells, ``(time, lat, lon)``."""
    grids = data / "grids"
    drivers = xnee.read_biome4(grids / "BIOME4_inputdata_china.nc")
    west, south = float(drivers.lon[0]) - 0.25, float(drivers.lat[0]) - 0.25
    east, north = float(drivers.lon[-1]) + 0.25, float(drivers.lat[-1]) + 0.25
    cover = xnee.read_land_cover(
        grids / "MCD12C1.A2019001.006.2020220162300.tif",
        legend="MCD12C1",
        grid=xnee.Grid(west=west, east=east, south=south, north=north, step=0.5),
        region=grids / "amap_china_land_100000.geojson",
    )
    return xnee.repeat_climatology(drivers, (2000, 2001)).merge(cover, join="exact", combine_attrs="drop_conflicts")


def main() -> None:
    """Run the whole road and print what a paper would report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder with towers/ and grids/")
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder to make")
    parser.add_argument("--folds", type=int, default=8, help="groups of sites that are left out in turn")
    options = parser.parse_args()
    if not options.data.is_dir():
        parser.error(f"{options.data} is not there; name the folder of the data with --data.")
    if options.out.exists():
        parser.error(f"{options.out} exists already; choose another folder with --out.")
    start = perf_counter()
    sites, cube = read_towers(options.data), read_cube(options.data)
    drivers = [name for name in xnee.DRIVERS if name in cube and name in sites]
    print(f"{sites.sizes['site']} towers; the cube has {drivers}\n")

    model = sites.nee.fit(drivers, lags=6, members=5, seed=0)
    print(model, "\n")
    scores = sites.nee.evaluate(model, folds=options.folds)
    print(skill_table(scores), "\n")
    full = sites.nee.crossvalidate(ALL_DRIVERS, scheme="temporal")
    print(f"Temporal test with {', '.join(ALL_DRIVERS)}, R2:")
    print(full["R2"].dropna("pft", how="all").to_pandas().round(2).to_string(), "\n")

    options.out.mkdir(parents=True)
    model.save(options.out / "model")
    path = cube.nee.predict(model).nee.to_product(options.out / "NEE_China_forest.nc")
    product = xnee.open_product(path)
    print_budget(product)
    border = options.data / "grids" / "amap_china_land_100000.geojson"
    product.nee.plot(outline=border).savefig(options.out / "NEE_China_forest.png")
    sites.nee.plot(model=model).savefig(options.out / "observed_predicted.png")
    sites.nee.plot(kind="series", model=model, only=["CN-Cha", "CN-Din", "DE-Tha"]).savefig(options.out / "series.png")
    scores.nee.plot().savefig(options.out / "skill.png")
    why = sites.nee.explain(model, samples=10)
    print_contribution(why)
    why.nee.plot().savefig(options.out / "contribution.png")
    print(
        f"\n{options.out}: {', '.join(sorted(p.name for p in options.out.iterdir()))}; {perf_counter() - start:.0f} s"
    )


if __name__ == "__main__":
    main()
