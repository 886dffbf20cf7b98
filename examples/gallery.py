"""Every figure of xnee, drawn from the synthetic world.

Run it from the project's root:

    python examples/gallery.py --out docs/figures/gallery

docs/figures.md shows what it writes. It takes about a minute. The towers and the map are invented, and the networks are
trained briefly: the pictures show what figures look like, not what forests do.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

import xnee
from xnee.sources.synthetic import synthetic_cube, synthetic_towers

DRIVERS = ["TEMP", "PRE", "PAR", "VPD", "LAI", "WS"]
OUTLINE = {
    "type": "LineString",
    "coordinates": [[80, 42], [88, 49], [120, 52], [131, 45], [121, 38], [122, 30], [110, 21], [98, 24], [80, 42]],
}


def figures() -> Iterator[tuple[str, Figure]]:
    """Draw one figure after the other."""
    sites, cube = synthetic_towers(sites_per_pft=4), synthetic_cube()
    model = sites.nee.fit(DRIVERS, members=3, strategy="per-pft", training=xnee.FitSpec(epochs=40))
    yield "coverage", xnee.plot(xnee.coverage(sites, DRIVERS))
    yield "observed", xnee.plot(sites, model=model)
    ids = sites["site"].to_numpy()[:4].tolist()
    yield "series", xnee.plot(sites, kind="series", model=model, only=ids)
    baselines = ["PFT seasonal cycle", "site seasonal cycle", "random forest"]
    yield "skill", xnee.plot(xnee.evaluate(sites, model, folds=5, baselines=baselines))

    why = xnee.explain(sites, model, samples=30, background=20)
    yield "contribution", xnee.plot(why)
    yield "beeswarm", xnee.plot(why, kind="beeswarm")
    yield "lags", xnee.plot(xnee.explain_lags(sites, model, samples=10, background=20))
    july = xnee.explain_map(cube, model, sites=sites, period=("2005-07", "2005-07"), permutations=10)
    yield "dominant", xnee.plot(july, outline=OUTLINE)

    left_out = xnee.crossvalidate(
        sites, DRIVERS, folds=5, members=1, strategy="per-pft", training=xnee.FitSpec(epochs=20), baselines=[]
    )
    yield "errors", xnee.plot(xnee.applicability_skill(left_out, sites, model=model, weights=why))
    area = xnee.area_of_applicability(cube, model, sites=sites, weights=why)
    yield "area", xnee.plot(area, outline=OUTLINE)

    predicted = cube.nee.predict(model).compute()
    yield "map", xnee.plot(predicted, area=area, outline=OUTLINE)
    yield "budget", xnee.plot(xnee.budget(predicted))
    other = predicted["NEE"] * 0.8 + xr.DataArray(np.linspace(-3, 3, cube.sizes["lon"]), dims="lon")
    compared = xnee.compare(predicted, {"another": other.assign_attrs(predicted["NEE"].attrs)}, min_forest=0)
    yield "comparison", xnee.plot(compared)
    yield "bias", xnee.plot(compared, kind="bias", outline=OUTLINE)

    space = xnee.Space(
        hidden=(4, 8, 16), batch=(16,), learning_rate=(1e-3, 1e-2, 1e-1), weight_decay=(0.0, 1e-2), dropout=(0.0, 0.3),
        epochs=(5, 10, 20),
    )  # fmt: skip
    yield "search", xnee.plot(xnee.search(sites, space, DRIVERS, lags=2, workers=1, progress=False))


def main() -> None:
    """Write them all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder for the figures")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    start = perf_counter()
    for name, figure in figures():
        figure.savefig(options.out / f"{name}.png", dpi=90)
        print(f"{name} {perf_counter() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
