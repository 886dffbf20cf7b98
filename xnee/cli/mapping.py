"""Commands that map: from a cube and a model to files and totals."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import xarray as xr

from xnee.cli.app import Names, Numbers, app
from xnee.cli.files import (
    CalibrationFile,
    CubeFile,
    ModelFolder,
    ProductFile,
    SitesFile,
    beside,
    check_folder_free,
    open_file,
    write_figure,
)
from xnee.cli.printing import print_budget, print_written
from xnee.cli.words import flag
from xnee.cluster import QueueSpec, check_queue, start_cluster
from xnee.products.ground import regions_on
from xnee.products.ledger import Partial, check_target

if TYPE_CHECKING:
    from xnee import NEEModel


@app.command
def predict(
    cube: CubeFile,
    model: ModelFolder,
    *,
    out: Path,
    tile: int | None = None,
    cover: Literal["static", "by-year"] = "static",
    split: Literal["year"] | None = None,
    regions: Path | None = None,
    append: bool = False,
    overwrite: bool = False,
    calibration: CalibrationFile | None = None,
    quantiles: Numbers | None = None,
    applicability: SitesFile | None = None,
    cluster: Literal["slurm", "pbs"] | None = None,
    jobs: int = 1,
    cores: int = 1,
    memory: str = "4GB",
    walltime: str = "01:00:00",
    queue: str | None = None,
    account: str | None = None,
) -> None:
    """Map NEE over a cube and write the product.

    Parameters
    ----------
    cube
        Cube with the model's drivers and pft_fraction, .zarr or .nc.
    model
        Folder of a model.
    out
        Product to write, .nc or .zarr; with --split year a folder. The same command goes on after a kill.
    tile
        Cells along one side of a tile; by default what suits the cube's chunks.
    cover
        One forest cover, or that of each year (pft_fraction_by_year).
    split
        One file for each year.
    regions
        GeoJSON of regions whose totals the product is to hold.
    append
        Add the months that come after those of the product that is there.
    overwrite
        Whether a product of this name is replaced.
    calibration
        What "xnee calibrate" wrote: add NEE_low and NEE_high, the interval of each monthly value.
    quantiles
        Add these quantiles over members, 0 to 1, e.g. --quantiles 0.05 0.5 0.95.
    applicability
        The towers that the model was fitted on: add where the map is unlike anything that it learned from.
    cluster
        Take workers from this queue instead of the cores of this machine.
    jobs
        Jobs to submit.
    cores
        Cores of a job, each a worker.
    memory
        Of a job, e.g. 64GB.
    walltime
        Of a job, hours:minutes:seconds.
    queue
        Partition or queue.
    account
        Who pays.
    """
    import xnee

    words = {"jobs": jobs, "cores": cores, "memory": memory, "walltime": walltime, "queue": queue, "account": account}
    wanted = _queue(cluster, **words)
    # without chunks of dask: each tile reads the file itself, which is quickest
    drivers, fitted = open_file(cube), xnee.load_model(model)
    if not Partial(target=out, append=append).folder.exists():  # else what was begun decides
        check_target(out, split=split, overwrite=overwrite, append=append)
    predicted = xnee.predict(drivers, fitted, tile=tile, cover=cover)
    regions_on(predicted, regions)
    if calibration is not None:
        predicted = xnee.intervals(predicted, open_file(calibration).load())
    if quantiles is not None:
        predicted = xnee.member_quantiles(predicted, list(quantiles))
    if applicability is not None:
        where = _where(open_file(cube, chunks={}), fitted, open_file(applicability).load(), predicted, cover)
        predicted = xnee.with_applicability(predicted, where)
    print(xnee.plan(drivers, fitted, tile=tile, cover=cover, threads=None if wanted is None else wanted.workers))
    with _workers(wanted):
        xnee.to_product(predicted, out, split=split, regions=regions, append=append, overwrite=overwrite)
    if split is None:
        print_budget(xnee.open_product(out))
    print_written(out)


def _where(
    cube: xr.Dataset, model: NEEModel, sites: xr.Dataset, predicted: xr.Dataset, cover: Literal["static", "by-year"]
) -> xr.Dataset:
    """Find the area of applicability in the tiles of a prediction."""
    import xnee

    nee = predicted["NEE"]
    side = max(nee.chunksizes[dim][0] for dim in nee.dims if dim != "time")
    return xnee.area_of_applicability(cube, model, sites=sites, tile=side, cover=cover)


def _queue(system: Literal["slurm", "pbs"] | None, **words: Any) -> QueueSpec | None:
    """Say what is asked of a queue; None for the cores of this machine, which take none of the words."""
    asked = QueueSpec(system=system or "slurm", **words)
    if system is None and asked != QueueSpec(system="slurm"):
        msg = f"{', '.join(map(flag, words))} are of workers from a queue: add --cluster slurm or --cluster pbs."
        raise ValueError(msg)
    if system is None:
        return None
    check_queue(asked)  # before the plan is printed
    return asked


@contextmanager
def _workers(wanted: QueueSpec | None) -> Iterator[None]:
    """Open workers of a queue for as long as the block lasts."""
    if wanted is None:
        yield
        return
    from distributed import Client

    with start_cluster(wanted) as started, Client(started):  # type: ignore[no-untyped-call]
        yield


@app.command
def export(product: ProductFile, *, out: Path, profile: Literal["ilamb"] = "ilamb", overwrite: bool = False) -> None:
    """Write a finished product as another tool reads it.

    Parameters
    ----------
    product
        What "xnee predict" wrote.
    out
        File to write, ending in .nc.
    profile
        Whose conventions.
    overwrite
        Whether a file of this name is replaced.
    """
    import xnee

    print_written(xnee.to_product(xnee.open_product(product), out, profile=profile, overwrite=overwrite))


@app.command
def geotiff(
    product: ProductFile,
    *,
    out: Path,
    statistic: Literal["annual", "years", "months", "trend"] = "annual",
    per: Literal["forest", "cell"] = "forest",
    overwrite: bool = False,
) -> None:
    """Write a statistic of a product as a Cloud-Optimized GeoTIFF.

    Parameters
    ----------
    product
        What "xnee predict" wrote.
    out
        File to write, ending in .tif.
    statistic
        Mean of yearly totals, each year, the mean of each calendar month, or the trend.
    per
        Square metre of forest, or of the whole cell.
    overwrite
        Whether a file of this name is replaced.
    """
    import xnee

    print_written(xnee.to_geotiff(xnee.open_product(product), out, statistic=statistic, per=per, overwrite=overwrite))


@app.command
def report(
    product: ProductFile,
    *,
    out: Path,
    by: Names = ("pft", "year"),
    regions: Path | None = None,
    calibration: CalibrationFile | None = None,
    overwrite: bool = False,
) -> None:
    """Print the budget of a product and draw its map.

    Parameters
    ----------
    product
        What "xnee predict" wrote.
    out
        Folder for map.png and budget.csv; made if it is not there.
    by
        What to add up by: pft, region, year, season or month.
    regions
        GeoJSON of regions.
    calibration
        What "xnee calibrate" wrote: totals by pft, or by pft and year, get the interval that left-out towers tell.
    overwrite
        Whether files of these names are replaced.
    """
    import xnee

    check_folder_free(out, ("map.png", "budget.csv"), overwrite=overwrite)
    ds = xnee.open_product(product)
    total = xnee.budget(ds, by=by, regions=regions)
    if calibration is not None:
        errors = open_file(calibration).load()
        total = xnee.total_interval(total, errors, level=float(errors.attrs["level"]))
    # sums over types or regions would be repeated in every row, and added up once more by who reads the file
    rows = total[[name for name in total.data_vars if set(total[name].dims) == set(total["NEE_total"].dims)]]
    units = {name: f"{name} ({rows[name].attrs['units']})" for name in rows.data_vars if "units" in rows[name].attrs}
    figure = xnee.plot(ds)
    out.mkdir(parents=True, exist_ok=True)
    with beside(out / "budget.csv") as unfinished:
        rows.to_dataframe().rename(columns=units).to_csv(unfinished)
    write_figure(figure, out / "map.png")
    print(xnee.budget_table(total), "\n")
    print_written(out / "budget.csv")
    print_written(out / "map.png")
