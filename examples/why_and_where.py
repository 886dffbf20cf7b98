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
from towers_to_china import ALL_DRIVERS, read_cube, read_towers

import xnee
from xnee.applicability import applicability_skill, area_of_applicability, outside_share, outside_table
from xnee.explanation import explain, explain_lags, explain_map


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
    xnee.plot(lags).savefig(out / "lag_heat.png")
    xnee.plot(why, kind="beeswarm").savefig(out / "beeswarm.png")
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
            xnee.plot(kept).savefig(out / "aoa_errors.png")


def china(sites: xr.Dataset, cube: xr.Dataset, out: Path, *, strategy: str, border: Path) -> None:
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
    where = where[["AOA"]].compute()
    figures = {
        "dominant_china": xnee.plot(why, outline=border),
        "outside_china": xnee.plot(where, outline=border),
        "map_china": xnee.plot(predicted, area=where, outline=border),
    }
    for name, figure in figures.items():
        figure.savefig(out / f"{name}.png")


def main() -> None:
    """Do both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder with towers/ and grids/")
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder for the figures")
    parser.add_argument("--strategy", default="fine-tuned", help="as of xnee.fit; auto chooses this one")
    parser.add_argument("--folds", type=int, default=10, help="groups of sites that are left out in turn")
    parser.add_argument("--part", choices=["towers", "china", "both"], default="both")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    sites = read_towers(options.data)
    if options.part != "china":
        towers(sites, options.out, strategy=options.strategy, folds=options.folds)
    if options.part != "towers":
        border = options.data / "grids" / "amap_china_land_100000.geojson"
        china(sites, read_cube(options.data), options.out, strategy=options.strategy, border=border)


if __name__ == "__main__":
    main()
