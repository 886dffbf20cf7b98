"""Commands that judge and explain: a thin face, as the others."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import xarray as xr

from xnee.cli.app import Names, app, pairs
from xnee.cli.files import (
    CubeFile,
    ModelFolder,
    ProductFile,
    SitesFile,
    check_free,
    open_file,
    write_figure,
    write_file,
)
from xnee.cli.printing import print_calibration, print_contribution, print_written


@app.command
def evaluate(
    sites: SitesFile,
    model: ModelFolder,
    *,
    out: Path | None = None,
    schemes: Names = ("temporal", "leave-site-out"),
    folds: int = 10,
    groups: str | None = None,
    block: float = 500.0,
    target: CubeFile | None = None,
    baselines: Names | None = None,
    alone: bool = False,
    overwrite: bool = False,
) -> None:
    """Print skill on held-out months beside skill on left-out sites.

    Parameters
    ----------
    sites
        The towers that the model was fitted on.
    model
        Folder of a model.
    out
        Also write the scores to this file, ending in .nc.
    schemes
        What is left out: temporal, leave-year-out; leave-site-out, group-k-fold, spatial-block, knndm. At least one of
        known towers and one of unseen ones.
    folds
        Groups of sites that are left out in turn.
    groups
        For group-k-fold: a coordinate of the sites.
    block
        For spatial-block: side of a block, km.
    target
        For knndm: the cube of the map.
    baselines
        What to score beside the networks, e.g. "random forest"; by default all that apply.
    alone
        Whether schemes of one kind only will do.
    overwrite
        Whether a file of this name is replaced.
    """
    import xnee

    if out is not None:
        check_free(out, suffixes=(".nc",), overwrite=overwrite)
    scores = xnee.evaluate(
        open_file(sites).load(),
        xnee.load_model(model),
        schemes=schemes,  # type: ignore[arg-type]  # evaluate checks the names
        folds=folds,
        groups=groups,
        block=block,
        target=None if target is None else open_file(target, chunks={}),
        baselines=baselines,
        alone=alone,
        progress=True,
    )
    if out is not None:
        write_file(scores, out)
    print(xnee.skill_table(scores, alone=alone))
    if out is not None:
        print_written(out)


@app.command
def calibrate(
    sites: SitesFile,
    model: ModelFolder,
    *,
    out: Path,
    scheme: Literal["leave-site-out", "group-k-fold", "spatial-block", "knndm"] = "leave-site-out",
    folds: int = 10,
    groups: str | None = None,
    block: float = 500.0,
    target: CubeFile | None = None,
    level: float = 0.9,
    overwrite: bool = False,
) -> None:
    """Measure on left-out sites how wide the intervals of a map must be; for "xnee predict --calibration".

    Parameters
    ----------
    sites
        The towers that the model was fitted on.
    model
        Folder of a model of two or more members. Networks are trained anew, with its settings.
    out
        File to write, ending in .nc.
    scheme
        What is left out.
    folds
        Groups of sites that are left out in turn.
    groups
        For group-k-fold: a coordinate of the sites.
    block
        For spatial-block: side of a block, km.
    target
        For knndm: the cube of the map.
    level
        Share of months that an interval should hold, 0 to 1.
    overwrite
        Whether a file of this name is replaced.
    """
    import xnee
    from xnee.evaluation.intervals import sites_needed
    from xnee.evaluation.networks import settings_of  # here: with torch, of which --help has no need

    check_free(out, suffixes=(".nc",), overwrite=overwrite)
    fitted = xnee.load_model(model)
    if fitted.members < 2:
        msg = f"intervals rest on the spread of members, and {model} has one. Fit with xnee fit --members 5."
        raise ValueError(msg)
    towers = open_file(sites).load()
    if towers.sizes["site"] < sites_needed(level):  # known before networks train for minutes
        msg = f"level {level:g} needs {sites_needed(level)} towers or more, and {sites} has {towers.sizes['site']}."
        raise ValueError(msg)
    cv = xnee.crossvalidate(
        towers,
        fitted.window.drivers,
        scheme=scheme,
        folds=folds,
        groups=groups,
        block=block,
        target=None if target is None else open_file(target, chunks={}),
        baselines=[],
        lags=fitted.window.lags,
        progress=True,
        **settings_of(fitted),
    )
    calibration = xnee.calibrate(cv, level=level)
    write_file(calibration, out)
    print_calibration(calibration)
    print_written(out)


@app.command
def compare(
    product: ProductFile,
    *,
    other: tuple[str, ...],
    out: Path | None = None,
    period: tuple[str, str] | None = None,
    min_forest: float = 0.5,
    overwrite: bool = False,
) -> None:
    """Hold a product against others, on the same cells and in the same years, and against published totals.

    Parameters
    ----------
    product
        What "xnee predict" wrote.
    other
        Files with NEE as "xnee" names it, each as NAME=path, e.g. X-BASE=xbase.nc.
    out
        Also write the comparison to this file, ending in .nc.
    period
        First and last month, e.g. --period 2001-01 2010-12; by default all common years.
    min_forest
        Smallest share of forest of a cell that is compared, 0 to 1.
    overwrite
        Whether a file of this name is replaced.
    """
    import xnee

    if out is not None:
        check_free(out, suffixes=(".nc",), overwrite=overwrite)
    others = {name: open_file(Path(path), chunks={}) for name, path in pairs(other, example="X-BASE=xbase.nc").items()}
    compared = xnee.compare(xnee.open_product(product), others, period=period, min_forest=min_forest)
    if out is not None:
        write_file(compared, out)
    print(xnee.comparison_table(compared))
    if out is not None:
        print_written(out)


@app.command
def applicability(cube: CubeFile, sites: SitesFile, model: ModelFolder, *, out: Path, overwrite: bool = False) -> None:
    """Write where a cube is unlike anything that a model learned from.

    Parameters
    ----------
    cube
        Cube with the model's drivers and pft_fraction.
    sites
        The towers that the model was fitted on.
    model
        Folder of a model.
    out
        File to write, ending in .nc or .zarr.
    overwrite
        Whether a file of this name is replaced.
    """
    import xnee

    check_free(out, suffixes=(".nc", ".zarr"), overwrite=overwrite)
    drivers, fitted = open_file(cube, chunks={}), xnee.load_model(model)
    write_file(xnee.area_of_applicability(drivers, fitted, sites=open_file(sites).load()), out)
    where = open_file(out, chunks={})
    print(xnee.outside_table(xnee.outside_share(where, xnee.predict(drivers, fitted))))
    print_written(out)


@app.command
def explain(
    sites: SitesFile,
    model: ModelFolder,
    *,
    out: Path,
    samples: int = 20,
    background: int = 50,
    lags: bool = False,
    overwrite: bool = False,
) -> None:
    """Attribute predictions to drivers, by Shapley values or by months of the past.

    Parameters
    ----------
    sites
        The towers that the model was fitted on.
    model
        Folder of a model.
    out
        File to write, ending in .nc; a figure with the same name is put beside it.
    samples
        Windows to explain per type.
    background
        Windows to compare with.
    lags
        Attribute to driver and month of the past instead.
    overwrite
        Whether a file and a figure of this name are replaced.
    """
    import xnee

    check_free(out, suffixes=(".nc",), overwrite=overwrite)
    check_free(out.with_suffix(".png"), suffixes=(".png",), overwrite=overwrite)
    towers, fitted = open_file(sites).load(), xnee.load_model(model)
    if lags:
        why = xnee.explain_lags(towers, fitted, samples=samples, background=background)
    else:
        why = xnee.explain(towers, fitted, samples=samples, background=background)
    write_file(why, out)
    write_figure(xnee.plot(why), out.with_suffix(".png"))
    print_contribution(why)
    print_written(out)
    print_written(out.with_suffix(".png"))


@app.command
def plot(
    file: Path,
    *,
    out: Path,
    kind: str | None = None,
    model: ModelFolder | None = None,
    area: Path | None = None,
    outline: Path | None = None,
    only: Names | None = None,
    overwrite: bool = False,
) -> None:
    """Draw what a file holds; docs/figures.md shows each kind.

    Parameters
    ----------
    file
        What another command wrote: towers, a product, scores, an explanation.
    out
        Figure to write, ending in .png, .pdf or .svg.
    kind
        Which figure, where the file gives several.
    model
        Folder of a model, for towers.
    area
        What "xnee applicability" wrote, to mark on a map.
    outline
        GeoJSON of borders or coasts.
    only
        Sites, types or regions to draw.
    overwrite
        Whether a figure of this name is replaced.
    """
    import xnee

    check_free(out, suffixes=(".png", ".pdf", ".svg"), overwrite=overwrite)
    figure = xnee.plot(
        _opened(file),
        kind=kind,  # type: ignore[arg-type]  # plot checks the name
        model=None if model is None else xnee.load_model(model),
        area=None if area is None else open_file(area, chunks={}),
        outline=outline,
        only=only,
    )
    write_figure(figure, out)
    print_written(out)


def _opened(file: Path) -> xr.Dataset:
    """Open a product in the words of xnee, any other file as it is."""
    import xnee

    ds = open_file(file, chunks={})
    return xnee.open_product(file) if "NEE_total" in ds else ds
