"""How often 90 % prediction intervals hold on towers left out, before and after recalibration, for docs/uncertainty.md.

    python benchmarks/intervals.py --out build/intervals [--strategies pooled fine-tuned] [--scheme knndm] [--level 0.9]

Then what these towers say of the total of the forests of China. Towers as in benchmarks/skill.py. Each strategy's
cross-validation is kept in ``--out``, and read if it is there.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import xarray as xr
from skill import DRIVERS, clocked, table, world

import xnee
from xnee.evaluation.intervals import calibrate
from xnee.evaluation.schemes import LEFT_OUT
from xnee.evaluation.total_error import total_interval
from xnee.pft import PFTS

_ROWS = ("DBF", "DNF", "ENF", "EBF", "MF", "all")
CHINA = {"DBF": 0.37, "DNF": 0.01, "ENF": 0.07, "EBF": 0.30, "MF": 0.24}
"""Area of forest on the map of docs/applicability.md, 1e6 km2."""


def main() -> None:
    """Cross-validate what is not yet there, calibrate and print the tables."""
    given = words().parse_args()
    sites, target, what = world(given)
    given.out.mkdir(parents=True, exist_ok=True)
    for strategy in given.strategies:
        path = given.out / f"{what.split()[0]}-{given.scheme}-{strategy}-{given.folds}-{given.members}-{given.seed}.nc"
        if not path.exists():
            held, used, wall = clocked(lambda name=strategy: held_out(sites, target, name, given))
            print(f"  {strategy}: {used:.0f} s CPU, {wall:.0f} s", flush=True)
            held.to_netcdf(path)
        with xr.open_dataset(path) as kept:
            cv = kept.load()
        calibration = calibrate(cv, level=given.level)
        print(
            f"\n{what}, {strategy}, {given.members} members, {given.folds} folds, {given.scheme}, level {given.level}\n"
        )
        print(table(HEAD, list(rows(calibration))))
        print(f"\nmean error of sites' long-term means, ± its standard error over sites\n\n{means(cv)}")
        wild = calibration["coverage_site"].to_series().sort_values().head(3)
        print(f"\nthe total of China's forests, interval about what a map says\n\n{china(cv, given.level)}")
        print(f"\nleast covered sites: {', '.join(f'{name} {share:.0%}' for name, share in wild.items())}")


def words() -> argparse.ArgumentParser:
    """Describe the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder with towers/ and grids/")
    parser.add_argument("--synthetic", action="store_true", help="use the synthetic towers in any case")
    parser.add_argument("--out", type=Path, default=Path("build/intervals"), help="keep cross-validations there")
    parser.add_argument("--strategies", nargs="+", default=("pooled", "fine-tuned"), metavar="STRATEGY")
    parser.add_argument("--scheme", choices=LEFT_OUT, default="leave-site-out")
    parser.add_argument("--level", type=float, default=0.9)
    parser.add_argument("--folds", type=int, default=8)
    parser.add_argument("--members", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    return parser


def held_out(sites: xr.Dataset, target: xr.Dataset, strategy: str, given: argparse.Namespace) -> xr.Dataset:
    """Predict left-out towers."""
    return xnee.crossvalidate(
        sites,
        [name for name in DRIVERS if name in sites],
        scheme=given.scheme,
        target=target,
        folds=given.folds,
        members=given.members,
        seed=given.seed,
        strategy=strategy,
        baselines=[],
    )


HEAD = [
    "type", "sites", "months", "raw", "raw width", "recalibrated", "by month", "width", "residual", "factor",
    "RMSE / spread", "of site means",
]  # fmt: skip


def rows(calibration: xr.Dataset):
    """Lay a calibration out by type."""
    for name in _ROWS:
        own = calibration.sel(pft=name)
        if not own["sites"]:
            continue
        values = {str(k): float(v) for k, v in own.data_vars.items() if v.ndim == 0}
        percent = {k: f"{100 * v:.0f} %" for k, v in values.items()}
        yield [
            name,
            str(int(own["sites"])),
            str(int(own["n"])),
            percent["coverage_raw"],
            f"{values['width_raw']:.0f}",
            percent["coverage"],
            percent["coverage_month"],
            f"{values['width']:.0f}",
            f"{values['residual']:.1f}",
            f"{values['factor']:.2f}" + ("" if values["own"] else " (all)"),
            f"{values['ratio']:.1f}",
            f"{values['ratio_site']:.1f}",
        ]


def means(cv: xr.Dataset, months: int = 24) -> str:
    """Lay out by type how far the mean over its sites is off, and how far it might be for want of sites."""
    error = (cv["predicted"].sel(predictor="xnee") - cv["NEE"]).to_series().rename("error")
    frame = error.to_frame().assign(site=cv["sample_site"].to_numpy(), pft=cv["sample_pft"].to_numpy())
    by_site = frame.groupby(["pft", "site"])["error"].agg(["mean", "count"])
    long = by_site.loc[by_site["count"] >= months, "mean"]
    found = {name: long if name == "all" else long[long.index.get_level_values("pft") == name] for name in _ROWS}
    lines = [
        [name, str(own.size), f"{own.std():.1f}", f"{own.mean():.1f} ± {own.sem():.1f}"]
        for name, own in found.items()
        if own.size > 1
    ]
    return table(["type", f"sites of {months} months or more", "deviation between sites", "mean error"], lines)


def china(cv: xr.Dataset, level: float) -> str:
    """Lay out the interval of a total without spread of members, of the mean of 20 years and of one year, Tg C yr-1."""
    area = xr.DataArray([1e6 * CHINA[name] for name in PFTS], {"pft": list(PFTS)}, "pft", attrs={"units": "km2"})
    total = xr.zeros_like(area).assign_attrs(units="Tg C yr-1")
    budget = xr.Dataset({"NEE_total": total, "NEE_forest": total.sum().assign_attrs(total.attrs)})
    budget = budget.assign(NEE_total_std=total * np.nan, NEE_forest_std=np.nan, area_predicted_km2=area)
    mean, one = (total_interval(budget.assign(years=n), cv, level=level) for n in (20, 1))
    lines = [
        [
            name, f"{CHINA[name]:.2f}", f"{int(own['sites'])}",
            f"{float(own['error_mean']):.0f} ± {float(own['error_se']):.0f}" + ("" if own["own"] else " (all)"),
            *(span(found.sel(pft=name), "NEE_total") for found in (mean, one)),
        ]
        for name in PFTS
        for own in [mean.sel(pft=name)]
    ]  # fmt: skip
    lines.append(["all", f"{sum(CHINA.values()):.2f}", f"{int(mean['sites'].sum())}", ""])
    lines[-1] += [span(found, "NEE_forest") for found in (mean, one)]
    head = ["type", "1e6 km2", "towers", "mean error, g C m-2 yr-1", "20 years, Tg C yr-1", "one year"]
    return table(head, lines) + f"\n\nerror of one year: {float(mean['error_year']):.0f} g C m-2 yr-1"


def span(found: xr.Dataset, name: str) -> str:
    """Write the bounds about a total of 0."""
    return f"{float(found[f'{name}_low']):.0f} to {float(found[f'{name}_high']):+.0f}"


if __name__ == "__main__":
    main()
