"""What writing a product takes: memory for maps ten times as wide and as long, time, and the share of the copying.

Each case is a process of its own; nothing is predicted, blocks are made of a formula, so that what is measured is the
product store. `python benchmarks/products.py` prints the table of docs/resume.md.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CASES = {
    "120 months, 128 x 512 cells": (120, 128, 512, 64),
    "ten times as wide": (120, 128, 5120, 64),
    "ten times as long, tiles of a tenth of the cells": (1200, 128, 512, 20),
    "ten times as long, the same tiles": (1200, 128, 512, 64),
}
MEMBERS = 2


def make(months: int, lat: int, lon: int, tile: int):
    """Give a lazy predicted map of two types and two members, forest in every third column of tiles at least."""
    import dask.array as da
    import numpy as np
    import pandas as pd
    import xarray as xr

    pfts = ["ENF", "MF"]
    coords = {
        "time": pd.date_range("1900-01", periods=months, freq="MS"),
        "lat": 20 + 0.01 * np.arange(lat),
        "lon": 80 + 0.01 * np.arange(lon),
        "pft": pfts,
    }

    def block(block_info=None):
        (m, p, t, y, x), shape = block_info[None]["chunk-location"], block_info[None]["chunk-shape"]
        random = np.random.default_rng([m, p, t, y, x])
        return random.normal(-20, 40, shape).astype("f4").round(1)

    chunks = (MEMBERS, 2, months, tile, tile)
    shape = (MEMBERS, 2, months, lat, lon)
    member = da.map_blocks(
        block, chunks=da.core.normalize_chunks(chunks, shape), dtype="f4", meta=np.empty((0,) * 5, "f4")
    )
    member = xr.DataArray(member, coords, ("member", "pft", "time", "lat", "lon"))
    columns = np.arange(lon) // tile % 3 < 2
    cover = xr.DataArray(np.broadcast_to(0.4 * columns, (2, lat, lon)), {k: coords[k] for k in ("pft", "lat", "lon")})
    cover = cover.astype("f4").chunk(lat=tile, lon=tile)
    units = {"units": "g C m-2 month-1"}
    mixed = member.mean("pft").where(cover.sum("pft") > 0).transpose("member", "time", "lat", "lon")
    return xr.Dataset(
        {
            "NEE": mixed.mean("member").assign_attrs(units),
            "NEE_std": mixed.std("member").assign_attrs(units),
            "NEE_member": member.assign_attrs(units),
            "pft_fraction": cover,
            "forest_fraction": cover.sum("pft"),
            "fallback": ("pft", np.zeros(2, "i1")),
        }
    )


def run(case: str, folder: str) -> None:
    """Write one case as zarr and NetCDF; print peak memory above that of the imports, MB, and CPU seconds."""
    import dask

    from xnee.products.store import to_product

    months, lat, lon, tile = CASES[case]
    predicted = make(8, 8, 8, 4)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    told = {}
    with dask.config.set(num_workers=2):
        to_product(predicted, Path(folder) / "first.nc", progress=False)  # what is imported on first use
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        predicted = make(months, lat, lon, tile)
        for name in ("nee.zarr", "nee.nc"):
            start = time.process_time()
            target = to_product(predicted, Path(folder) / name, progress=False)
            told[name] = round(time.process_time() - start, 1)
            files = [target] if target.is_file() else [file for file in target.rglob("*") if file.is_file()]
            told[f"{name} MB"] = round(sum(file.stat().st_size for file in files) / 1e6)
            told["peak"] = round((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1e3)
            told[f"{name} peak"] = told["peak"]
    print(json.dumps(told))


def main() -> None:
    """Run all cases."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--case", choices=list(CASES))
    words.add_argument("--folder")
    asked = words.parse_args()
    if asked.case:
        run(asked.case, asked.folder)
        return
    print("| map | cell-months | memory above the imports | zarr: CPU, size | with NetCDF |")
    print("|---|---|---|---|---|")
    for case, (months, lat, lon, tile) in CASES.items():
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, __file__, "--case", case, "--folder", folder]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
        told = json.loads(done.stdout.splitlines()[-1])
        print(
            f"| {case} (tiles of {tile}) | {months * lat * lon / 1e6:.1f} million | {told['peak']} MB "
            f"| {told['nee.zarr']} s, {told['nee.zarr MB']} MB | {told['nee.nc']} s, {told['nee.nc MB']} MB |",
            flush=True,
        )


if __name__ == "__main__":
    main()
