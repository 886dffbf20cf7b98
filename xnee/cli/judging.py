"""Commands that judge and explain: a thin face, as the others."""

from __future__ import annotations

from pathlib import Path

import xarray as xr

from xnee.cli.app import app, pairs
from xnee.cli.files import check_free, open_file, write_file
from xnee.cli.printing import print_contribution


@app.command
def evaluate(
    sites: Path,
    model: Path,
    *,
    out: Path | None = None,
    schemes: tuple[str, ...] = ("temporal", "leave-site-out"),
    folds: int = 10,
    groups: str | None = None,
    block: float = 500.0,
    target: Path | None = None,
    baselines: tuple[str, ...] | None = None,
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
    """
    import xnee

    if out is not None:
        check_free(out, suffixes=(".nc",))
    scores = xnee.evaluate(
        open_file(sites).load(),
        xnee.load_model(model),
        schemes=schemes,  # type: ignore[arg-type]  # evaluate checks the names
        folds=folds,
        groups=groups,
        block=block,
        target=None if target is None else open_file(target, chunks={}),
        baselines=baselines,
    )
    if out is not None:
        write_file(scores, out)
    print(xnee.skill_table(scores))


@app.command
def compare(
    product: Path,
    *,
    other: tuple[str, ...],
    out: Path | None = None,
    period: tuple[str, str] | None = None,
    min_forest: float = 0.5,
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
    """
    import xnee

    if out is not None:
        check_free(out, suffixes=(".nc",))
    others = {name: open_file(Path(path), chunks={}) for name, path in pairs(other).items()}
    compared = xnee.compare(xnee.open_product(product), others, period=period, min_forest=min_forest)
    if out is not None:
        write_file(compared, out)
    print(xnee.comparison_table(compared))


@app.command
def applicability(cube: Path, sites: Path, model: Path, *, out: Path) -> None:
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
    """
    import xnee

    check_free(out, suffixes=(".nc", ".zarr"))
    drivers, fitted = open_file(cube, chunks={}), xnee.load_model(model)
    write_file(xnee.area_of_applicability(drivers, fitted, sites=open_file(sites).load()), out)
    where = open_file(out, chunks={})
    print(xnee.outside_table(xnee.outside_share(where, xnee.predict(drivers, fitted))))


@app.command
def explain(
    sites: Path, model: Path, *, out: Path, samples: int = 20, background: int = 50, lags: bool = False
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
    """
    import xnee

    check_free(out, suffixes=(".nc",))
    check_free(out.with_suffix(".png"))
    towers, fitted = open_file(sites).load(), xnee.load_model(model)
    if lags:
        why = xnee.explain_lags(towers, fitted, samples=samples, background=background)
    else:
        why = xnee.explain(towers, fitted, samples=samples, background=background)
    write_file(why, out)
    xnee.plot(why).savefig(out.with_suffix(".png"))
    print_contribution(why)


@app.command
def plot(
    file: Path,
    *,
    out: Path,
    kind: str | None = None,
    model: Path | None = None,
    area: Path | None = None,
    outline: Path | None = None,
    only: tuple[str, ...] | None = None,
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
    """
    import xnee

    check_free(out, suffixes=(".png", ".pdf", ".svg"))
    xnee.plot(
        _opened(file),
        kind=kind,  # type: ignore[arg-type]  # plot checks the name
        model=None if model is None else xnee.load_model(model),
        area=None if area is None else open_file(area, chunks={}),
        outline=outline,
        only=only,
    ).savefig(out)
    print(out)


def _opened(file: Path) -> xr.Dataset:
    """Open a product in the words of xnee, any other file as it is."""
    import xnee

    ds = open_file(file, chunks={})
    return xnee.open_product(file) if "NEE_total" in ds else ds
