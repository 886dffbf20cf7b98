"""How good is it: every scheme, forest type, strategy and baseline, in tables for docs/skill.md.

    python benchmarks/skill.py --out build/skill [--schemes temporal leave-site-out] [--models xnee "random forest"]

Towers: the monthly FLUXNET2015 files with their satellite series in ``--data``; where that folder is absent, or with
``--synthetic``, the towers of the synthetic world. Each model's predictions under each scheme are kept in ``--out`` as
soon as they are there: the same command goes on where it was stopped, and with ``--print`` nothing more is trained.
All models of a scheme are scored on the same windows, and their spread comes from the same draws of sites.
``--figure`` draws some of what the tables hold.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import time
from functools import partial
from pathlib import Path

import numpy as np
import xarray as xr

import xnee
from xnee.evaluation.baselines import BASELINES
from xnee.evaluation.networks import predict_held_out
from xnee.evaluation.schemes import LEFT_OUT, TEMPORAL, hold_out, located
from xnee.evaluation.scoring import PARTS, score_predictors
from xnee.models.training_set import training_windows

SCHEMES = (*TEMPORAL, *LEFT_OUT)
DRIVERS = ("TEMP", "PRE", "VPD", "WS", "PA", "PAR", "TS", "NDVI")
NETWORKS = {
    "xnee": {"strategy": "auto", "context": None},
    **{
        f"{strategy} LSTM{', context' if context else ''}": {"strategy": strategy, "context": context}
        for strategy in ("per-pft", "pooled", "fine-tuned")
        for context in (False, True)
    },
}
MODELS = (*NETWORKS, *BASELINES)
DRAWN = {
    "schemes": ("temporal", "leave-site-out", "knndm"),
    "models": (
        "xnee", "per-pft LSTM", "random forest", "gradient boosting", "PFT seasonal cycle", "site seasonal cycle",
    ),
}  # fmt: skip
"""What the figure shows of what is there: both ends of the schemes, and each kind of model."""
_ORDER = ("DBF", "DNF", "ENF", "EBF", "MF", "all")


def main() -> None:
    """Predict what is not yet there, and print the tables."""
    given = words().parse_args()
    sites, target, what = world(given)
    drivers = [name for name in given.drivers if name in sites]
    samples = located(training_windows(sites, drivers, lags=given.lags), sites)
    count = np.unique(samples["site"]).size
    print("bold: first; +: within one SE of it; °: but behind by more than the SE of the difference, same draws\n")
    print(f"{what}: {count} sites, {samples.sizes['sample']} windows, drivers {', '.join(drivers)}\n")
    given.out.mkdir(parents=True, exist_ok=True)
    skill, parts, drawn = [], [], {}
    for scheme in given.schemes:
        found = hold_out(
            samples,
            sites,
            scheme,
            folds=given.folds,
            seed=given.seed,
            test_fraction=0.2,
            groups="country" if what == "real towers" else "pft",
            block=given.block,
            target=target,
        )
        predicted, spent = {}, {}
        for model in given.models:
            if model == "site seasonal cycle" and scheme in LEFT_OUT:
                continue
            kept = Kept(given, samples, scheme, model, drivers)
            if not kept.there() and given.print:
                continue
            if not kept.there():
                kept.write(*clocked(partial(predict, samples, found.masks, model, given)))
            predicted[model], spent[model] = kept.read()
        if predicted:
            scores = score_predictors(samples, predicted)
            facts = [f"{len(found.masks)} folds", *(f"{name} {value:.0f} km" for name, value in found.report.items())]
            skill += [*skill_rows(scores, scheme, ", ".join(facts), spent)]
            parts += [*part_rows(scores, scheme)]
            drawn[scheme] = scores.drop_dims("sample")
    print(f"\n{table(['R2 ± SE / RMSE', *_ORDER, 'CPU s'], skill)}\n")
    print(table(["R2, all types", *PARTS, "bias", "KGE"], parts))
    if given.figure:
        draw(drawn, given.figure)


def words() -> argparse.ArgumentParser:
    """Describe the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder with towers/ and grids/")
    parser.add_argument("--synthetic", action="store_true", help="use the synthetic towers in any case")
    parser.add_argument("--out", type=Path, default=Path("build/skill"), help="keep predictions there")
    parser.add_argument("--schemes", nargs="+", choices=SCHEMES, default=SCHEMES, metavar="SCHEME")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=MODELS, metavar="MODEL")
    parser.add_argument("--drivers", nargs="+", default=DRIVERS, metavar="DRIVER")
    parser.add_argument("--folds", type=int, default=8)
    parser.add_argument("--lags", type=int, default=6)
    parser.add_argument("--members", type=int, default=5)
    parser.add_argument("--block", type=float, default=1000.0, help="side of a spatial block, km")
    parser.add_argument("--epochs", type=int, help="train all networks that long only, for a quick look")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--figure", type=Path, help="draw R2 by type, model and scheme there")
    parser.add_argument("--print", action="store_true", help="print what is there, train nothing")
    return parser


def world(given: argparse.Namespace) -> tuple[xr.Dataset, xr.Dataset, str]:
    """Read towers, and the forest that a map of them is for."""
    if given.synthetic or not given.data.is_dir():
        from xnee.sources.synthetic import synthetic_cube, synthetic_towers

        return synthetic_towers(seed=given.seed), synthetic_cube(seed=given.seed), "synthetic towers"
    folder, grids = given.data / "towers", given.data / "grids"
    sites = xnee.read_fluxnet(folder / "fluxnet2015_subset_mm" / "*.csv", sites=folder / "sites.csv", qc_min=0.5)
    series = folder / "remote_sensing" / "modis_reflectance_monthly.csv"
    sites = xnee.add_site_series(sites, series, columns={"ndvi": "NDVI"})
    country = [str(name)[:2] for name in sites["site"].to_numpy()]
    forest = xnee.read_land_cover(
        grids / "MCD12C1.A2019001.006.2020220162300.tif",
        legend="MCD12C1",
        grid=xnee.Grid(west=73, east=136, south=18, north=54, step=0.5),
        region=grids / "amap_china_land_100000.geojson",
    )
    return sites.assign_coords(country=("site", country)), forest, "real towers"


def predict(samples: xr.Dataset, masks, model: str, given: argparse.Namespace):
    """Predict what the folds hold out."""
    if model in NETWORKS:
        return predict_held_out(
            samples,
            masks,
            members=given.members,
            seed=given.seed,
            min_windows=24,
            network=None,
            training=xnee.FitSpec(epochs=given.epochs) if given.epochs else None,
            device="cpu",
            **NETWORKS[model],
        )
    predicted = np.full(samples.sizes["sample"], np.nan)
    for mask in masks:
        predicted[mask] = BASELINES[model](samples, ~mask)[mask]
    return predicted


def clocked(work):
    """Do work; give what it gives, and its CPU seconds."""
    before, start = cpu(), time.perf_counter()
    result = work()
    return result, cpu() - before, time.perf_counter() - start


def cpu() -> float:
    """CPU seconds of this process."""
    use = resource.getrusage(resource.RUSAGE_SELF)
    return use.ru_utime + use.ru_stime


class Kept:
    """The file of one model's predictions under one scheme."""

    def __init__(self, given: argparse.Namespace, samples: xr.Dataset, scheme: str, model: str, drivers) -> None:
        digest = hashlib.sha256()
        for name in ("x", "NEE", "time"):
            digest.update(np.ascontiguousarray(samples[name].to_numpy()).tobytes())
        names = ("folds", "lags", "members", "block", "epochs", "seed")
        settings = {name: getattr(given, name) for name in names} | {"drivers": list(drivers)}
        self.settings = json.dumps({**settings, "windows": digest.hexdigest()[:12]}, sort_keys=True)
        self.path = given.out / f"{scheme}--{model.replace(', ', '-').replace(' ', '-')}.nc"

    def there(self) -> bool:
        """Tell whether it was predicted before, with the same settings and windows."""
        if not self.path.exists():
            return False
        with xr.open_dataset(self.path) as kept:
            same = kept.attrs["settings"] == self.settings
        if not same:
            msg = f"{self.path} was made with other settings or windows. Give another --out, or remove it."
            raise SystemExit(msg)
        return True

    def write(self, predicted, used: float, wall: float) -> None:
        """Keep predictions; a run that is stopped leaves no half file."""
        print(f"  {self.path.stem}: {used:.0f} s CPU, {wall:.0f} s", flush=True)
        part = self.path.with_suffix(".part")
        attrs = {"settings": self.settings, "cpu": used, "xnee": xnee.__version__}
        xr.Dataset({"predicted": ("sample", predicted)}, attrs=attrs).to_netcdf(part)
        part.rename(self.path)

    def read(self):
        """Give predictions and the CPU seconds that they took."""
        with xr.open_dataset(self.path) as kept:
            return kept["predicted"].to_numpy(), float(kept.attrs["cpu"])


def table(head, rows) -> str:
    """Write a table in Markdown, without columns that are empty."""
    kept = [k for k in range(len(head)) if any(row[k].strip(" -") for row in rows)]
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line[k] for k in kept)} |" for line in lines)


def skill_rows(scores: xr.Dataset, scheme: str, facts: str, spent):
    """Lay R2, its standard error and RMSE out by type: a row of sites and months, then one for each model."""
    size = [(int(scores["sites"].sel(pft=p)), int(scores["n"].sel(pft=p).max())) for p in _ORDER]
    yield [f"**{scheme}**, {facts}", *(f"{sites} sites, {n} months" if n else "" for sites, n in size), ""]
    for model in scores["predictor"].to_numpy().tolist():
        cells = [cell(scores.sel(pft=p), model) if n else "" for p, (_, n) in zip(_ORDER, size, strict=True)]
        yield [model, *cells, f"{spent[model]:.0f}"]


def cell(own: xr.Dataset, model: str) -> str:
    """Write one score."""
    one, first = own.sel(predictor=model), own["R2"].fillna(-np.inf).argmax("predictor")
    text = f"{float(one['R2']):.2f} ± {float(one['R2_se']):.2f} / {float(one['RMSE']):.1f}".replace("nan", "-")
    behind = float(one["R2_behind"])
    if behind == 0:
        return f"**{text}**"
    near = behind <= float(own["R2_se"].isel(predictor=first))
    clear = behind > float(one["R2_behind_se"])
    return text + (" +" if near else "") + (" °" if near and clear else "")


def draw(scores, path: Path) -> None:
    """Draw `DRAWN` of the scores, by scheme."""
    schemes = [scheme for scheme in DRAWN["schemes"] if scheme in scores]
    there = {model for scheme in schemes for model in scores[scheme]["predictor"].to_numpy().tolist()}
    models = [model for model in DRAWN["models"] if model in there]
    if not models:
        msg = f"nothing to draw: the figure shows {DRAWN}, of which nothing was predicted."
        raise SystemExit(msg)
    parts = [scores[scheme].reindex(predictor=models) for scheme in schemes]
    parts = [part.assign(n=part["n"].fillna(0).astype(int)) for part in parts]
    both = xr.concat(parts, dim=xr.Variable("scheme", schemes), combine_attrs="drop", join="outer")
    xnee.plot(both, kind="skill").savefig(path, dpi=110)


def part_rows(scores: xr.Dataset, scheme: str):
    """Lay R2 out by part of the variation, all types together."""
    yield [f"**{scheme}**", *[""] * (len(PARTS) + 2)]
    for model in scores["predictor"].to_numpy().tolist():
        own = scores.sel(pft="all", predictor=model)
        values = [float(own["R2_part"].sel(part=part)) for part in PARTS]
        yield [model, *(f"{v:.2f}" for v in values), f"{float(own['bias']):.1f}", f"{float(own['KGE']):.2f}"]


if __name__ == "__main__":
    main()
