"""Why the model says what it says, and where to believe it: 67 real towers and the forests of China.

Run it from the project's root:

    python examples/why_and_where.py --data ../shared/data --out out

It fits a model on eight drivers of the towers for the explanations and the test of the area of applicability, and one
on three drivers for the map, because the climatology has no others. docs/explanation.md and docs/applicability.md show
its figures.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from time import perf_counter

import numpy as np
import xarray as xr
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from towers_to_china import ALL_DRIVERS, read_cube, read_towers

import xnee
from xnee.applicability import applicability_skill, area_of_applicability, outside_share, outside_table
from xnee.explanation import explain, explain_lags, explain_map

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442", "#999999")


def heat_figure(lags: xr.Dataset) -> Figure:
    """Share of each driver and month of the past, by type."""
    shown = lags["heat"].dropna("pft", how="all")
    figure = Figure(figsize=(2.7 * shown.sizes["pft"], 3), layout="constrained", dpi=150)
    for axis, pft in zip(figure.subplots(1, shown.sizes["pft"], sharey=True), shown["pft"].values, strict=True):
        drawn = axis.imshow(shown.sel(pft=pft), aspect="auto", cmap="cividis", vmin=0, vmax=float(shown.max()))
        axis.set_xticks(range(shown.sizes["lag"]), [f"{-lag}" if lag else "0" for lag in shown["lag"].values])
        axis.set_yticks(range(shown.sizes["driver"]), shown["driver"].values)
        axis.set(title=pft, xlabel="months before the target")
    figure.colorbar(drawn, ax=figure.axes, label="share of the prediction, %")
    return figure


def error_figure(kept: xr.Dataset) -> Figure:
    """Errors at left-out towers against dissimilarity."""
    types = [pft for pft in xnee.PFTS if (kept["n"].sel(pft=pft) > 0).any()]
    figure = Figure(figsize=(2.7 * len(types), 3), layout="constrained", dpi=150)
    for axis, pft in zip(figure.subplots(1, len(types), sharey=True), types, strict=True):
        own = (kept["sample_pft"] == pft).values & kept["DI"].notnull().values
        scaled = (kept["DI"] / kept["threshold"]).values[own]
        inside = kept["inside"].values[own]
        for rows, colour in ((inside, "#0072B2"), (~inside, "#D55E00")):
            axis.plot(scaled[rows], np.abs(kept["error"].values[own][rows]), ".", ms=3, color=colour, alpha=0.6)
        axis.axvline(1, color="0.3", lw=0.8)
        first, second = kept["RMSE"].sel(pft=pft).values
        axis.set(title=f"{pft}: RMSE {first:.0f} in, {second:.0f} out")
    figure.supxlabel("dissimilarity index over its threshold (right of the line: outside)", fontsize="medium")
    figure.supylabel("|error|, g C m$^{-2}$ month$^{-1}$", fontsize="medium")
    return figure


def maps_figure(why: xr.Dataset, where: xr.Dataset) -> Figure:
    """Dominant driver, and months outside the area of applicability."""
    figure = Figure(figsize=(11, 4), layout="constrained", dpi=150)
    left, right = figure.subplots(1, 2)
    names = why["dominant"].attrs["flag_meanings"].split()
    drawn = left.pcolormesh(
        why["lon"], why["lat"], why["dominant"].where(why["dominant"] >= 0),
        cmap=ListedColormap(COLOURS[: len(names)]), vmin=-0.5, vmax=len(names) - 0.5,
    )  # fmt: skip
    bar = figure.colorbar(drawn, ax=left, shrink=0.8, ticks=range(len(names)))
    bar.ax.set_yticklabels(names)
    left.set_title(f"driver of largest magnitude, {why.attrs['period']}")
    outside = 100 * (1 - where["AOA"].mean("time"))
    drawn = right.pcolormesh(where["lon"], where["lat"], outside, cmap="cividis", vmin=0, vmax=100)
    figure.colorbar(drawn, ax=right, shrink=0.8, label="%")
    right.set_title("forest and months outside the area of applicability")
    for axis in (left, right):
        axis.set(xlabel="longitude, degrees east", ylabel="latitude, degrees north", facecolor="0.93")
        axis.set_aspect(1 / np.cos(np.deg2rad(35)))
    return figure


def towers(sites: xr.Dataset, out: Path, *, strategy: str, folds: int) -> None:
    """Explain the model of all drivers, and test its area of applicability on left-out towers."""
    model = sites.nee.fit(ALL_DRIVERS, strategy=strategy)
    print(model)
    why, lags = explain(sites, model), explain_lags(sites, model, samples=50)
    print(f"\nShare of each driver, % (90 % over sites); method {why.attrs['method']}")
    low, high = (why["contribution_interval"].sel(bound=name) for name in ("low", "high"))
    for pft in why["contribution"].dropna("pft", how="all")["pft"].values:
        row = (array.sel(pft=pft).values for array in (why["contribution"], low, high))
        cells = [f"{n} {c:.0f} ({a:.0f}-{b:.0f})" for n, c, a, b in zip(why["driver"].values, *row, strict=True)]
        print(pft, ", ".join(cells))
    print(f"largest residual of lags {float(np.abs(lags['residual']).max()):.2g} g C m-2 month-1")
    heat_figure(lags).savefig(out / "lag_heat.png")
    scores = xnee.crossvalidate(sites, ALL_DRIVERS, folds=folds, strategy=strategy, baselines=[])
    even = xr.DataArray(np.ones(len(ALL_DRIVERS)), coords={"driver": ALL_DRIVERS}, dims="driver")
    print("\nRMSE at left-out towers inside and outside the area of applicability (windows), outside over inside")
    for name, weights in {"contributions": why, "contributions by lag": lags, "all drivers alike": even}.items():
        kept = applicability_skill(scores, sites, model=model, weights=weights)
        for pft in ["DBF", "ENF", "EBF", "MF", "all"]:
            one = kept.sel(pft=pft)
            (a, b), (n, m), (s, t) = one["RMSE"].values, one["n"].values, one["sites"].values
            low, high = one["ratio_interval"].values
            print(
                f"{name:<22}{pft:<5}{a:>6.1f} ({n} of {s} sites){b:>8.1f} ({m} of {t})"
                f"{float(one['ratio']):>8.2f} ({low:.2f} to {high:.2f})"
            )
        if name == "contributions":
            error_figure(kept).savefig(out / "aoa_errors.png")


def china(sites: xr.Dataset, cube: xr.Dataset, out: Path, *, strategy: str) -> None:
    """Map the dominant driver and the area of applicability of a model of three drivers."""
    drivers = [name for name in xnee.DRIVERS if name in cube and name in sites]
    model = sites.nee.fit(drivers, strategy=strategy)
    last = str(cube["time"].dt.year.values[-1])
    start = perf_counter()
    why = explain_map(cube, model, sites=sites, period=(f"{last}-01", f"{last}-12")).compute()
    print(f"\ndominant driver, share of forest cells; {perf_counter() - start:.0f} s")
    for k, name in enumerate(drivers):
        print(f"{name} {100 * float((why['dominant'] == k).sum() / (why['dominant'] >= 0).sum()):.0f} %", end="  ")
    start = perf_counter()
    where = area_of_applicability(cube, model, sites=sites)
    predicted = cube.nee.predict(model)
    print(f"\n\n{outside_table(outside_share(where, predicted))}\n{perf_counter() - start:.0f} s")
    maps_figure(why, where[["AOA"]].compute()).savefig(out / "why_and_where_china.png")


def main() -> None:
    """Do both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder with towers/ and grids/")
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder for the figures")
    parser.add_argument("--strategy", default="per-pft", help="as of xnee.fit; auto takes far longer")
    parser.add_argument("--folds", type=int, default=10, help="groups of sites that are left out in turn")
    parser.add_argument("--part", choices=["towers", "china", "both"], default="both")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    sites = read_towers(options.data)
    if options.part != "china":
        towers(sites, options.out, strategy=options.strategy, folds=options.folds)
    if options.part != "towers":
        china(sites, read_cube(options.data), options.out, strategy=options.strategy)


if __name__ == "__main__":
    main()
