"""Commands that make: a thin face. Each reads files, calls the functions of the same name, writes files."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from xnee.cli.app import Names, app, pairs
from xnee.cli.files import SearchFolder, SitesFile, beside, check_free, open_file, write_file
from xnee.cli.printing import print_written


@app.command
def towers(
    *files: Path,
    out: Path,
    sites: Path | None = None,
    series: Path | None = None,
    columns: tuple[str, ...] = ("ndvi=NDVI",),
    qc_min: float = 0.5,
    coverage_min: float = 0.8,
    nee: str = "NEE_VUT_REF",
    overwrite: bool = False,
) -> None:
    """Read FLUXNET files into one NetCDF file of sites.

    Parameters
    ----------
    files
        FLUXNET2015 or ONEFlux CSV files, monthly to half-hourly, or glob patterns of them in quotes.
    out
        File to write, ending in .nc.
    sites
        Table with site_id, lat, lon, igbp, name, licence. Training needs its types.
    series
        Monthly table with site_id, timestamp (YYYYMM) and satellite columns.
    columns
        Columns of the series to take, each as column=NAME.
    qc_min
        Months with a smaller share of measured or well-filled NEE are left out, 0 to 1.
    coverage_min
        Share of a month's days or hours that must have a value, 0 to 1, where files are finer than monthly.
    nee
        Which of the files' NEE estimates to take.
    overwrite
        Whether a file of this name is replaced.
    """
    import xnee

    check_free(out, suffixes=(".nc",), overwrite=overwrite)
    wanted = pairs(columns, example="ndvi=NDVI")
    ds = xnee.read_fluxnet(
        [str(file) for file in files], sites=sites, qc_min=qc_min, coverage_min=coverage_min, nee=nee
    )
    if series is not None:
        ds = xnee.add_site_series(ds, series, columns=wanted)
    write_file(ds, out)
    print(", ".join(f"{key} {value}" for key, value in ds.attrs.items() if key.startswith("months_")))
    print("What becomes of each month if all these drivers are used (choose fewer with xnee fit --drivers):")
    print(xnee.coverage_table(xnee.coverage(ds)))
    if sites is None:
        print("No site table was given: training needs the forest types, read again with --sites.")
    print_written(out, f"{ds.sizes['site']} sites, {ds.sizes['time']} months, {', '.join(map(str, ds.data_vars))}")


@app.command
def cube(recipe: Path, *, out: Path, overwrite: bool = False) -> None:
    """Build a cube of drivers and forest cover from the files that a recipe names.

    Parameters
    ----------
    recipe
        TOML file; docs/cube.md tells what is in it.
    out
        Cube to write, ending in .zarr. The same command goes on after a kill.
    overwrite
        Bring a cube that is there up to date; what has not changed is kept.
    """
    import xnee

    ds = xnee.build_cube(recipe, out, overwrite=overwrite)
    print(xnee.provenance_table(ds))
    print(*xnee.check(ds), sep="\n")
    print_written(out)


@app.command
def climatology_cube(
    *,
    climatology: Path,
    land_cover: Path,
    out: Path,
    legend: Literal["MCD12C1", "MCD12Q1"] = "MCD12C1",
    region: Path | None = None,
    years: tuple[int, int] = (2000, 2001),
    overwrite: bool = False,
) -> None:
    """Build a cube of mean years from the BIOME4 climatology and a land-cover map.

    Parameters
    ----------
    climatology
        BIOME4 input file: temperature, precipitation and sunshine of the twelve months.
    land_cover
        Map of IGBP classes, GeoTIFF.
    out
        Cube to write, ending in .zarr.
    legend
        Which product's codes the map uses: MCD12C1 (water 0) or MCD12Q1 (water 17).
    region
        GeoJSON polygon; only forest inside counts.
    years
        First and last year of the time axis. The first is spin-up: its first months have no past.
    overwrite
        Whether a cube of this name is replaced.
    """
    import xnee

    check_free(out, suffixes=(".zarr",), overwrite=overwrite)
    drivers = xnee.read_biome4(climatology)
    step = float(drivers["lat"][1] - drivers["lat"][0])
    west, east = (float(v) for v in (drivers["lon"][0] - step / 2, drivers["lon"][-1] + step / 2))
    south, north = (float(v) for v in (drivers["lat"][0] - step / 2, drivers["lat"][-1] + step / 2))
    grid = xnee.Grid(west=west, east=east, south=south, north=north, step=step)
    cover = xnee.read_land_cover(land_cover, legend=legend, grid=grid, region=region)
    # equal to rounding, so that the labels of one may stand for both
    cover = cover.assign_coords(lat=drivers["lat"], lon=drivers["lon"])
    ds = xnee.repeat_climatology(drivers, years).merge(cover, join="exact", combine_attrs="drop_conflicts")
    write_file(ds.chunk({"time": -1, "lat": 64, "lon": 64}), out)
    for key, value in cover.attrs.items():
        print(f"{key}: {value}")
    print_written(out, f"{dict(ds.sizes)}, {', '.join(map(str, ds.data_vars))}")


@app.command
def search(
    sites: SitesFile,
    *,
    out: Path,
    drivers: Names | None = None,
    lags: int = 6,
    seed: int = 0,
    method: Literal["exhaustive", "halving"] = "exhaustive",
    sample: int | None = None,
    inner: Literal["temporal", "leave-site-out"] = "temporal",
    folds: int = 3,
    device: str = "cpu",
    workers: int | None = None,
) -> None:
    """Try 3,600 combinations of hyper-parameters for each forest type, and print what to take.

    Parameters
    ----------
    sites
        File that "xnee towers" wrote.
    out
        Folder of the search. The same command goes on after a kill.
    drivers
        Names of the vocabulary, e.g. --drivers TEMP PRE PAR; by default all in the file.
    lags
        Months of history before the predicted month.
    seed
        Same seed, same table.
    method
        All trials to the end, or only the best quarter further, twice.
    sample
        Number of trials drawn at random; by default all.
    inner
        What scores a trial: blocks of months, or whole sites, of the training part.
    folds
        Inner folds.
    device
        cpu or cuda.
    workers
        Processes; by default one a core.
    """
    import xnee

    found = xnee.search(
        open_file(sites).load(),
        None,
        drivers,
        lags=lags,
        seed=seed,
        out=out,
        method=method,
        sample=sample,
        inner=inner,
        folds=folds,
        device=device,
        workers=workers,
    )
    print(found)
    print_written(out)


@app.command
def fit(
    sites: SitesFile,
    *,
    out: Path,
    drivers: Names | None = None,
    search: SearchFolder | None = None,
    lags: int | None = None,
    members: int = 5,
    seed: int = 0,
    strategy: Literal["auto", "per-pft", "pooled", "fine-tuned"] = "auto",
    test_fraction: float | None = None,
    device: str = "cpu",
    overwrite: bool = False,
) -> None:
    """Train an ensemble of LSTMs for each forest type on towers.

    Parameters
    ----------
    sites
        File that "xnee towers" wrote.
    out
        Folder of the model.
    drivers
        Names of the vocabulary, e.g. --drivers TEMP PRE PAR; by default all in the file.
    search
        Folder of a search, in place of drivers: take what it chose.
    lags
        Months of history before the predicted month; 6, or those of the search.
    members
        Networks per ensemble.
    seed
        Same seed, same model.
    strategy
        Networks per type, one ensemble for all types, that one trained on for each type, or what does best at sites
        left out.
    test_fraction
        Share of each site's last windows that training never sees; 0.2, or that of the search.
    device
        cpu or cuda.
    overwrite
        Whether a model of this name is replaced, once the new one is complete.
    """
    import xnee

    check_free(out, overwrite=overwrite)
    if search is not None and drivers is not None:
        msg = "a search brings its own drivers; give --search or --drivers, not both."
        raise ValueError(msg)
    model = xnee.fit(
        open_file(sites).load(),
        drivers if search is None else xnee.load_search(search),
        lags=lags,
        members=members,
        seed=seed,
        strategy=strategy,
        test_fraction=test_fraction,
        device=device,
        progress=True,
    )
    with beside(out) as unfinished:
        model.save(unfinished)
    print(model)
    print_written(out)


@app.command
def synthetic(*, out: Path, seed: int = 0, overwrite: bool = False) -> None:
    """Write towers and a cube of the synthetic world, to try every command on. Nothing in them was measured.

    Parameters
    ----------
    out
        Folder for towers.zarr, cube.zarr and the true map, truth.zarr; made if it is not there.
    seed
        Which weather and noise.
    overwrite
        Whether those that are there are replaced.
    """
    from xnee.cli.demo import synthetic_world

    for path, text in synthetic_world(out, seed=seed, overwrite=overwrite).items():
        print_written(path, text)
    print(f"Go on with: xnee fit {out / 'towers.zarr'} --out {out / 'model'}")
    print(f"            xnee predict {out / 'cube.zarr'} {out / 'model'} --out {out / 'nee.nc'}")


@app.command
def demo(*, out: Path = Path("demo"), seed: int = 0) -> None:
    """Run the whole road on the embedded synthetic world, whose true map is known. Nothing in it was measured.

    Parameters
    ----------
    out
        Folder for everything that is made; what an earlier demo left there is replaced.
    seed
        Which weather, noise and networks.
    """
    from xnee.cli.demo import run_demo

    run_demo(out, seed=seed)
