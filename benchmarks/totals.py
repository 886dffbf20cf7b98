"""How often the interval of a total holds the true one, in synthetic worlds, for docs/uncertainty.md.

    python benchmarks/totals.py [--worlds 20] [--towers drawn|built-in] [--hidden 25] [--sites 6]

Each world has its own weather, towers, networks and map of six years, and a true total known by formula. Towers are
drawn from the forest of their type by area, which is what the interval assumes, or are those of `synthetic_towers`.
``--hidden`` (g C m-2 month-1) is the standard deviation of what a tower's flux differs by, all year, for reasons that
no driver tells; it is 0 on average over the forest, so that the true total knows nothing of it. Pooled networks, short
training: about 5 s of CPU a world.
"""

from __future__ import annotations

import argparse
from statistics import NormalDist

import numpy as np
import xarray as xr
from skill import clocked, table

import xnee
from xnee.evaluation.total_error import total_interval
from xnee.grid import cell_area
from xnee.pft import PFTS
from xnee.sources.synthetic import MEMORY, formula_nee, synthetic_cube, synthetic_towers, true_nee

DRIVERS = ("TEMP", "TS", "PRE", "VPD", "PAR", "FAPAR")
YEARS = (2000, 2005)


def main() -> None:
    """Make worlds, count how often intervals hold, print the rows."""
    given = words().parse_args()
    (found, used, _) = clocked(lambda: [world(seed, given) for seed in range(given.worlds)])
    what = f"{given.worlds} worlds, {given.towers} towers, {given.sites} a type, hidden {given.hidden:g}"
    print(f"{what}, level {given.level:g}: {used:.0f} s CPU\n")
    kinds = ("a type", "all forest", "a type, one year", "all forest, one year")
    lines = []
    for kind in kinds:
        rows = np.array([row for one in found for row in one[kind]])
        error, corrected, spread, half, inside, raw = rows.T
        lines.append(
            [
                kind, str(len(rows)), *(f"{100 * np.mean(hit):.0f} %" for hit in (raw, inside)),
                *(f"{np.sqrt(np.mean(x**2)):.1f}" for x in (error, corrected, spread)), f"{np.mean(half):.1f}",
            ]
        )  # fmt: skip
    head = ["total of", "totals", "members' spread", "interval", "RMSE", "less mean error", "spread", "half-width"]
    print(table(head, lines))


def words() -> argparse.ArgumentParser:
    """Describe the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, default=20)
    parser.add_argument("--towers", choices=("drawn", "built-in"), default="drawn")
    parser.add_argument("--hidden", type=float, default=25.0, help="g C m-2 month-1")
    parser.add_argument("--sites", type=int, default=6, help="towers of each type")
    parser.add_argument("--members", type=int, default=3)
    parser.add_argument("--folds", type=int, default=6)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--level", type=float, default=0.9)
    return parser


def world(seed: int, given: argparse.Namespace) -> dict[str, list[tuple[float, ...]]]:
    """Predict one world and its left-out towers, and compare totals with the true ones."""
    cube = synthetic_cube(years=YEARS, seed=seed)
    rng = np.random.default_rng([seed, 7])
    if given.towers == "drawn":
        towers = drawn_towers(cube, given.sites, rng)
    else:
        towers = synthetic_towers(seed=seed, sites_per_pft=given.sites, years=YEARS[1] - YEARS[0] + 1)
    towers["NEE"] += xr.DataArray(rng.normal(0, given.hidden, towers.sizes["site"]), dims="site")
    towers["NEE"].attrs["units"] = "g C m-2 month-1"
    settings = {"lags": MEMORY, "members": given.members, "strategy": "pooled", "seed": seed}
    settings["training"] = xnee.FitSpec(epochs=given.epochs)
    cv = xnee.crossvalidate(towers, DRIVERS, folds=given.folds, baselines=[], **settings)
    predicted = xnee.predict(cube, xnee.fit(towers, DRIVERS, **settings))
    true = truth(cube, predicted)
    found = {}
    for by, when in ((("pft",), ""), (("pft", "year"), ", one year")):
        sure = total_interval(xnee.budget(predicted, by=by), cv, level=given.level)
        known = xnee.budget(true, by=by)
        off = sure["area_predicted_km2"] * sure["error_mean"] * 1e-6
        z = NormalDist().inv_cdf((1 + given.level) / 2)
        found[f"a type{when}"] = rows(sure, known["NEE_total"], off, "NEE_total", z)
        found[f"all forest{when}"] = rows(sure, known["NEE_forest"], off.sum("pft"), "NEE_forest", z)
    return found


def drawn_towers(cube: xr.Dataset, sites: int, rng: np.random.Generator) -> xr.Dataset:
    """Draw cells of each type, by area of forest, and take them for towers with noise of 8 g C m-2 month-1."""
    area = (cell_area(cube["lat"], cube["lon"]) * cube["pft_fraction"]).stack(site=("lat", "lon"))
    parts = []
    for pft in PFTS:
        share = area.sel(pft=pft).to_numpy() / float(area.sel(pft=pft).sum())
        cells = rng.choice(share.size, sites, p=share)
        series = cube[list(DRIVERS)].stack(site=("lat", "lon")).isel(site=cells).transpose("site", "time")
        series = series.drop_vars(("site", "lat", "lon")).map(lambda values: values.astype("f8"), keep_attrs=True)
        nee = formula_nee(series, pft=pft) + rng.normal(0, 8, (sites, series.sizes["time"]))
        names = [f"{pft}{number:02d}" for number in range(sites)]
        parts.append(series.assign(NEE=nee).assign_coords(site=names, pft=("site", [pft] * sites)))
    return xr.concat(parts, "site")


def truth(cube: xr.Dataset, predicted: xr.Dataset) -> xr.Dataset:
    """Give the formula the form of a predicted map of one member, where there is a prediction."""
    there = predicted["NEE"].notnull()
    flux = xr.concat([formula_nee(cube, pft=pft) for pft in PFTS], cube["pft"]).where(there)
    mean = true_nee(cube).where(there).assign_attrs(predicted["NEE"].attrs)
    none = (0 * mean).assign_attrs(mean.attrs)
    return predicted.drop_dims("member").assign(NEE=mean, NEE_member=flux.expand_dims(member=1), NEE_std=none)


def rows(sure: xr.Dataset, true: xr.DataArray, off: xr.DataArray, name: str, z: float) -> list[tuple[float, ...]]:
    """Error, error less the towers' mean error, spread, half-width, and whether the truth is inside, of each total."""
    low, high, error = sure[f"{name}_low"], sure[f"{name}_high"], sure[name] - true
    spread = sure[f"{name}_std"]
    columns = (error, error - off, spread, (high - low) / 2, (low <= true) & (true <= high), abs(error) <= z * spread)
    values = np.stack([np.ravel(column.transpose(*true.dims)) for column in columns], axis=1)
    return [tuple(row) for row in values[np.isfinite(values).all(axis=1)]]


if __name__ == "__main__":
    main()
