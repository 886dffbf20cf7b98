"""What a national map costs: the kernel, a map of China at 0.05 degrees, worker processes, linearity, memory.

``python benchmarks/predict.py kernel`` (a), ``map`` (b), ``workers`` (c), ``scaling`` (d), ``memory``, or several of
them; all by default. ``--share 0.1`` takes a tenth of the work of each, for a quick look. ``map`` needs 4 GB of disk at
full size: 1,400 x 800 cells, about 40,000 of them forest, 240 months, 14 drivers. Tiles of the cube that have no forest
are not written (they read as missing): xnee does not look at them, and the obvious way is timed on one that is there.

Times are the better of several runs where they are short. CPU seconds are told beside wall clock: on a busy machine
only they compare.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

LAGS, MONTHS, TILE = 6, 240, 64
LAT, LON, FOREST = 800, 1400, 40_000
VARYING, STILL = 15, 7
CORES = len(os.sched_getaffinity(0))


def main() -> None:
    """Run the sections that are asked for."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("sections", nargs="*", default=list(SECTIONS), help=", ".join(SECTIONS))
    words.add_argument("--share", type=float, default=1.0, help="share of the work")
    words.add_argument("--folder", type=Path, help="keep cube and product there")
    words.add_argument("--one", help=argparse.SUPPRESS)  # a measurement in a process of its own
    given = words.parse_args()
    if given.one:
        print(json.dumps(globals()[given.one](given.folder, given.share)))
        return
    print(f"{CORES} cores, load average at the start {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as scratch:
        for name in given.sections:
            print(f"\n== {name}")
            SECTIONS[name](given.folder or Path(scratch), given.share)


def best(work: Callable[[], object], times: int = 3) -> float:
    """CPU seconds of this thread, the least of several runs, the first not counted."""
    work()
    seconds = []
    for _ in range(times):
        start = time.thread_time()
        work()
        seconds.append(time.thread_time() - start)
    return min(seconds)


def in_turn(work: dict, times: int = 4) -> dict:
    """Do the same of several ways, one after the other and again: what else runs here slows all of them."""
    least = dict.fromkeys(work, np.inf)
    for _ in range(times):
        for name, run in work.items():
            start = time.thread_time()
            run()
            least[name] = min(least[name], time.thread_time() - start)
    return least


# (a) the kernel


def kernel(_folder: Path, share: float) -> None:
    """Time series to NEE, one thread: ours, and nn.LSTM on windows at its best batch size, both from scaled series."""
    import torch

    torch.set_num_threads(1)
    print(
        "ns for a window and network, one thread; series of 240 months, 7 months a window; 14 drivers as fit reads "
        f"them: {VARYING} inputs by month (wind direction as sine and cosine) and {STILL} of context"
    )
    print("hidden members |  xnee  nn.LSTM (batch)  ratio  apply_ufunc  ratio | share of the sgemm limit")
    peak = gemm_limit()
    for hidden in (32, 64, 128):
        for members in (1, 5):
            row(hidden, members, peak, cells=max(8, int(96 * share * (64 if hidden == 64 else 32) / hidden)))
    print(f"sgemm limit of one thread: {peak / 1e9:.0f} Gflop/s, the best of MKL and oneDNN")


def gemm_limit() -> float:
    """Floating-point operations a second of large products, by the best library that torch holds."""
    import torch

    a, b = torch.randn(2048, 2048), torch.randn(2048, 2048)
    ways = [lambda: a @ b]
    if hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        ways.append(lambda: torch.ops.mkldnn._linear_pointwise(a, b, None, "none", [], ""))
    with torch.inference_mode():
        return 2 * 2048**3 / min(best(way) for way in ways)


def row(hidden: int, members: int, peak: float, cells: int) -> None:
    """Time one size and print it."""
    import torch

    from xnee.models import inference
    from xnee.models.lstm import LSTMSpec, initial_weights

    drawn = initial_weights(LSTMSpec(hidden=hidden), VARYING + STILL, seeds=range(members))
    rng = np.random.default_rng(0)
    x = rng.normal(size=(cells, MONTHS, VARYING)).astype("f4")
    still = rng.normal(size=(cells, STILL)).astype("f4")
    every = np.concatenate([x, np.broadcast_to(still[:, None], (cells, MONTHS, STILL))], axis=2)
    run = inference.Kernel({name: value.numpy() for name, value in drawn.items()}, LAGS + 1)
    windows = MONTHS - LAGS
    block = max(1, inference._GATE_BYTES // (16 * hidden) // windows)
    total = cells * windows * members

    def ours() -> object:
        return [run(x[k : k + block], still[k : k + block]) for k in range(0, cells, block)]

    with torch.inference_mode():
        nets = [torch_network(drawn, member) for member in range(members)]
        whole = torch.from_numpy(every).unfold(1, LAGS + 1, 1).transpose(2, 3).flatten(0, 1).contiguous()
        work: dict[object, Callable[[], object]] = {
            size: lambda size=size: [run_torch(nets, part) for part in whole.split(size)]
            for size in (256, 512, 1024, 2048, 4096)
        }
        work["inside"] = lambda: [in_block(nets, every[k : k + 16]) for k in range(0, cells, 16)]
        work["ours"] = ours
        seconds = in_turn(work)
        mine, inside = seconds.pop("ours"), seconds.pop("inside")
        size = min(seconds, key=seconds.get)
        theirs = torch.stack([net(whole)[:, 0] for net in nets]).view(members, cells, windows).numpy()
    mean = np.concatenate([part for part in ours()], axis=1)
    assert np.abs(mean - theirs).max() < 1e-5, np.abs(mean - theirs).max()
    flops = 2 * 4 * hidden * (VARYING + LAGS * hidden) * total
    ns = 1e9 / total
    print(
        f"{hidden:6d} {members:7d} | {mine * ns:5.0f} {seconds[size] * ns:8.0f} ({size:4d}) "
        f"{seconds[size] / mine:8.2f} {inside * ns:12.0f} {inside / mine:6.2f} | {flops / mine / peak:.0%}"
    )


def torch_network(weights, member: int):
    """Make nn.LSTM and nn.Linear with the weights of a member."""
    import torch

    features, hidden = weights["input"].shape[1], weights["head"].shape[1]

    class Network(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm, self.head = torch.nn.LSTM(features, hidden, batch_first=True), torch.nn.Linear(hidden, 1)

        def forward(self, x):
            return self.head(self.lstm(x)[0][:, -1])

    own = {name: value[member] for name, value in weights.items()}
    network = Network()
    bias = {"lstm.bias_ih_l0": own["bias"], "lstm.bias_hh_l0": torch.zeros(4 * hidden)}
    layers = {"lstm.weight_ih_l0": own["input"].T, "lstm.weight_hh_l0": own["recurrent"].T}
    network.load_state_dict(bias | layers | {"head.weight": own["head"][None], "head.bias": own["offset"][None]})
    return network.eval()


def run_torch(nets, windows):
    """Run each member on windows."""
    return [net(windows) for net in nets]


def in_block(nets, x: np.ndarray):
    """Do what a block function of apply_ufunc does: cut windows out of a block of series, run them at once."""
    import torch

    from xnee.windowing import slide

    windows = torch.from_numpy(np.ascontiguousarray(slide(x, LAGS + 1)).reshape(-1, LAGS + 1, x.shape[-1]))
    return run_torch(nets, windows)


# (b) a map


def national_map(folder: Path, share: float) -> None:
    """Make the cube, predict and write it, and compare."""
    lon = max(2 * TILE, int(LON * share))
    start = time.perf_counter()
    cells = make_cube(folder, lon)
    made = time.perf_counter() - start
    size = sum(file.stat().st_size for file in (folder / "cube.zarr").rglob("*") if file.is_file())
    print(f"cube: {LAT} x {lon} cells, {cells:,} forest, {MONTHS} months; {size / 1e9:.1f} GB, made in {made:.0f} s")
    done = own_process("write_map", folder, share)
    print(done["plan"])
    print(
        f"to NetCDF: {done['wall']:.0f} s wall, {done['cpu']:.0f} s CPU, peak memory {done['memory']:.2f} GiB "
        f"({done['file'] / 1e6:.0f} MB file)"
    )
    alone = own_process("compute_alone", folder, share)
    print(
        f"computing alone, series in memory, {CORES} threads: {alone['wall']:.0f} s wall, {alone['cpu']:.0f} s CPU; "
        f"the map takes {done['wall'] / alone['wall']:.2f} times that in wall clock, "
        f"{done['cpu'] / alone['cpu']:.2f} in CPU"
    )
    obvious = own_process("the_obvious_way", folder, share)
    print(
        f"the obvious way, scaled from {obvious['cells']:,} cells: {obvious['cpu']:.0f} s CPU for all cells, "
        f"{obvious['forest']:.0f} s if it ran forest cells only; the map takes {obvious['cpu'] / done['cpu']:.0f} and "
        f"{obvious['forest'] / done['cpu']:.1f} times less"
    )


def own_process(name: str, folder: Path, share: float) -> dict:
    """Run a measurement in a process of its own, so that memory is its own."""
    command = [sys.executable, __file__, "--one", name, "--folder", str(folder), "--share", str(share)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    return json.loads(done.stdout.splitlines()[-1])


def used() -> float:
    """CPU seconds of this process and its finished children."""
    uses = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return float(sum(use.ru_utime + use.ru_stime for use in uses))


def forest_of(lon: int) -> np.ndarray:
    """Shares of five types: clumps of many sizes, cold types in the north, mixtures where types meet."""
    rng = np.random.default_rng(5)
    size = (LAT, LON)
    wave = np.hypot(np.fft.fftfreq(size[0])[:, None], np.fft.rfftfreq(size[1])[None])
    slope = 1 / np.maximum(wave, 1 / 300) ** 1.6
    clumps = [np.fft.irfft2(np.fft.rfft2(rng.normal(size=size)) * slope, s=size) for _ in range(6)]
    clumps = [field / field.std() for field in clumps]
    forest = clumps[0] > np.quantile(clumps[0], 1 - FOREST / (LAT * LON))
    north = np.linspace(-2, 2, LAT)[:, None]
    liking = np.stack([field + warm * north for field, warm in zip(clumps[1:], (0.3, 2.5, 0.2, -2.5, 0), strict=True)])
    shares = np.exp(2.5 * liking)
    shares /= shares.sum(axis=0)
    shares[shares < 0.15] = 0
    share = np.clip(0.45 + 0.2 * (clumps[0] - clumps[0].mean()), 0.1, 1)
    return (shares / shares.sum(axis=0) * share * forest).astype("f4")[:, :, :lon]


def make_cube(folder: Path, lon: int) -> int:
    """Write a cube in tiles; only those with forest. Give the number of forest cells."""
    import pandas as pd
    import xarray as xr
    import zarr

    from xnee.grid import tiles
    from xnee.pft import PFTS
    from xnee.variables import DRIVERS, VARIABLES

    fraction = forest_of(lon)
    path = folder / "cube.zarr"
    if path.exists():
        return int((fraction.sum(axis=0) > 0).sum())
    time_axis = pd.date_range("2001-01-01", periods=MONTHS, freq="MS")
    coords = {
        "time": time_axis,
        "lat": 18.025 + 0.05 * np.arange(LAT),
        "lon": 73.025 + 0.05 * np.arange(lon),
        "pft": np.array(PFTS, dtype=object),
    }
    ds = xr.Dataset({"pft_fraction": (("pft", "lat", "lon"), fraction)}, coords=coords)
    encoding = {"pft_fraction": {"chunks": (5, TILE, TILE)}}
    ds.to_zarr(path, zarr_format=3, consolidated=False, encoding=encoding)
    group = zarr.open_group(path, mode="r+")
    rng = np.random.default_rng(0)
    season = np.cos(2 * np.pi * (time_axis.month.to_numpy() - 7) / 12)[:, None, None]
    for name in DRIVERS:
        low, high = VARIABLES[name].low, VARIABLES[name].high
        middle, swing = low + 0.45 * (high - low), 0.15 * (high - low)
        dims = ("time", "lat", "lon") if name != "AGE" else ("lat", "lon")
        shape = tuple({"time": MONTHS, "lat": LAT, "lon": lon}[dim] for dim in dims)
        chunks = (*((MONTHS,) if name != "AGE" else ()), TILE, TILE)
        array = group.create_array(
            name,
            shape=shape,
            chunks=chunks,
            dtype="f4",
            fill_value=np.nan,
            dimension_names=dims,
            attributes={"units": VARIABLES[name].units},
        )
        noise = rng.normal(size=(MONTHS, TILE, TILE)).astype("f4") * 0.2
        pattern = middle + swing * (season + noise)

        def write(region, array=array, pattern=pattern, swing=swing, dims=dims) -> None:
            rows, columns = region["lat"], region["lon"]
            part = pattern[:, : rows.stop - rows.start, : columns.stop - columns.start]
            # as many digits as measured fields have, so that they compress as these do
            part = np.round(part + swing * 0.3 * np.sin(rows.start + 2 * columns.start), 3 - int(np.log10(swing + 1)))
            array[(slice(None), rows, columns) if "time" in dims else (rows, columns)] = (
                part if "time" in dims else part[0]
            )

        regions = [r for r in tiles(LAT, lon, TILE) if fraction[:, r["lat"], r["lon"]].any()]
        with ThreadPoolExecutor(CORES) as pool:
            list(pool.map(write, regions))
    return int((fraction.sum(axis=0) > 0).sum())


def a_model(members: int = 5):
    """Fit networks of 32 units for each type, briefly: time does not depend on what they learned."""
    import xnee
    from xnee.sources.synthetic import synthetic_towers

    towers = synthetic_towers()
    return xnee.fit(towers, members=members, lags=LAGS, strategy="per-pft", training=xnee.FitSpec(epochs=1))


def write_map(folder: Path, _share: float) -> dict:
    """Predict and write; time, memory."""
    import dask
    import xarray as xr

    import xnee
    from xnee.prediction import plan

    model = a_model()
    cube = xr.open_zarr(folder / "cube.zarr", consolidated=False, chunks=None)
    planned = plan(cube, model)
    start, before = time.perf_counter(), used()
    target = folder / "nee.nc"
    with dask.config.set(num_workers=CORES):
        xnee.to_product(xnee.predict(cube, model), target, overwrite=True, progress=False)
    return {
        "plan": str(planned),
        "wall": time.perf_counter() - start,
        "cpu": used() - before,
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        "file": target.stat().st_size,
    }


def compute_alone(folder: Path, _share: float) -> dict:
    """Run the networks on as many series as the map has, from memory."""
    import torch
    import xarray as xr

    torch.set_num_threads(1)
    model = a_model()
    fraction = xr.open_zarr(folder / "cube.zarr", consolidated=False)["pft_fraction"].load()
    x = np.random.default_rng(0).normal(size=(150, MONTHS, len(model.window.drivers))).astype("f4")
    jobs = [
        (str(pft), min(150, count - done))
        for pft in fraction["pft"].to_numpy()
        for count in [int((fraction.sel(pft=pft) > 0).sum())]
        for done in range(0, count, 150)
    ]
    some = jobs[:: max(1, len(jobs) // 120)]
    part = sum(count for _, count in some) / sum(count for _, count in jobs)
    model.predict_series("MF", x)
    start, before = time.perf_counter(), used()
    with ThreadPoolExecutor(CORES) as pool:
        list(pool.map(lambda job: model.predict_series(job[0], x[: job[1]]), some))
    return {"wall": (time.perf_counter() - start) / part, "cpu": (used() - before) / part, "part": part}


def the_obvious_way(folder: Path, _share: float) -> dict:
    """Do as one would: apply_ufunc over all cells, windows in the block, each type's nn.LSTMs, weights of cover."""
    import torch
    import xarray as xr

    from xnee.context import series_context
    from xnee.windowing import stack_drivers

    torch.set_num_threads(1)
    model = a_model()
    cube = xr.open_zarr(folder / "cube.zarr", consolidated=False)
    forest = cube["pft_fraction"].sum("pft").load()
    row, column = np.argwhere(forest.to_numpy() > 0)[int((forest > 0).sum()) // 2]
    place = {
        "lat": slice(row // TILE * TILE, row // TILE * TILE + 16),
        "lon": slice(column // TILE * TILE, column // TILE * TILE + 32),
    }
    nets = {
        pft: [
            torch_network({k: torch.from_numpy(np.array(v)) for k, v in model.ensembles[pft].weights.items()}, member)
            for member in range(model.members)
        ]
        for pft in model.ensembles
    }

    def on_block(x, fraction):
        flat = x.reshape(-1, *x.shape[-2:])
        mixed = np.zeros((model.members, len(flat), x.shape[-2] - LAGS), dtype="f4")
        for k, pft in enumerate(nets):
            scaler = model.ensembles[pft].scaler
            inputs = model.ensembles[pft].inputs
            still = inputs.still(series_context(flat, model.window.drivers), np.full(len(flat), pft))
            features = scaler.features(inputs.months(flat, still))
            with torch.inference_mode():
                for first in range(0, len(flat), 4):  # about a thousand windows, the best batch
                    ys = in_block(nets[pft], features[first : first + 4])
                    for m, y in enumerate(ys):
                        part = scaler.to_target(y.numpy()).reshape(-1, mixed.shape[2])
                        mixed[m, first : first + 4] += (
                            part * fraction.reshape(-1, len(nets))[first : first + 4, k, None]
                        )
        return mixed.mean(axis=0).reshape(*x.shape[:2], -1)

    part = cube.isel(place)
    start, before = time.perf_counter(), used()
    xr.apply_ufunc(
        on_block,
        stack_drivers(part, model.window.drivers)
        .transpose("lat", "lon", "time", "driver")
        .chunk(time=-1, driver=-1)
        .astype("f4"),
        part["pft_fraction"].transpose("lat", "lon", "pft").chunk(pft=-1),
        input_core_dims=[["time", "driver"], ["pft"]],
        output_core_dims=[["month"]],
        dask="parallelized",
        output_dtypes=["f4"],
        dask_gufunc_kwargs={"output_sizes": {"month": MONTHS - LAGS}},
    ).compute(scheduler="threads", num_workers=CORES)
    cells = part.sizes["lat"] * part.sizes["lon"]
    cpu = (used() - before) / cells
    return {
        "cells": cells,
        "cpu": cpu * forest.size,
        "wall": (time.perf_counter() - start) / cells * forest.size,
        "forest": cpu * int((forest > 0).sum()),
    }


# (c) worker processes


def workers(folder: Path, share: float) -> None:
    """Compute part of the map on one and two worker processes of one thread each."""
    make_cube(folder, max(2 * TILE, int(LON * min(share, 0.25))) if not (folder / "cube.zarr").exists() else LON)
    walls = {}
    for count in (1, 2):
        done = own_process(f"on_{'one' if count == 1 else 'two'}", folder, share)
        walls[count] = done["wall"]
        print(f"{count} worker processes: {done['wall']:.1f} s wall; digest of all values {done['digest']}")
    print(f"two against one: {walls[1] / walls[2]:.2f} times as fast")


def on_one(folder: Path, share: float) -> dict:
    """Use one worker."""
    return on_workers(folder, share, 1)


def on_two(folder: Path, share: float) -> dict:
    """Use two workers."""
    return on_workers(folder, share, 2)


def on_workers(folder: Path, share: float, count: int) -> dict:
    """Compute the means of tiles on worker processes; the digest of all values tells whether they are the same."""
    from hashlib import sha256

    import xarray as xr
    from distributed import Client, LocalCluster

    import xnee

    model = a_model(members=2)
    cube = xr.open_zarr(folder / "cube.zarr", consolidated=False, chunks=None)
    cube = cube.isel(lon=slice(0, max(2 * TILE, int(LON * 0.25 * share))))
    with (
        LocalCluster(n_workers=count, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        client.run(lambda: __import__("xnee.models.inference"))
        predicted = xnee.predict(cube, model)["NEE"]
        start = time.perf_counter()
        values = predicted.compute()
        wall = time.perf_counter() - start
    return {"wall": wall, "digest": sha256(values.to_numpy().tobytes()).hexdigest()[:12]}


# (d) scaling


def scaling(_folder: Path, share: float) -> None:
    """Time against cells, months and members, and what 1 km and 500 m would take."""
    import torch

    torch.set_num_threads(1)
    base = {"cells": max(30, int(600 * share)), "months": 126, "members": 2}
    rows = {}
    for axis in base:
        print(f"{axis}: ", end="")
        for times in (1, 2, 4):
            size = base | {axis: base[axis] * times}
            rows[axis, times] = seconds_of(**size)
            per = rows[axis, times] / rows[axis, 1]
            print(f"x{times}: {rows[axis, times]:.2f} s ({per:.2f})  ", end="")
        print()
    windows = base["cells"] * (base["months"] - LAGS) * base["members"]
    each = rows["cells", 4] / (4 * windows)
    print(f"{each * 1e6:.2f} us for a window and network, networks of 32 units, gathering and mixing included")
    types = 1.7
    print(f"20 years, 5 members, {types} types a forest cell, 64 workers of one core, 99e4 km2 of closed forest:")
    for side, cells in ((5.0, 40_000), (1.0, 990_000 / 0.6), (0.5, 4 * 990_000 / 0.7)):
        hours = cells * types * 5 * (MONTHS - LAGS) * each / 3600
        read = cells * MONTHS * 14 * 4 / 2**30
        print(
            f"  {side:>3} km: {cells / 1e3:8,.0f} thousand cells, {hours:6.1f} core hours, "
            f"{hours / 64 * 60:6.1f} min on 64; {read:,.0f} GiB of drivers read"
        )


def seconds_of(*, cells: int, months: int, members: int) -> float:
    """Predict a cube in memory, all forest of one type, on one thread: CPU seconds."""
    import pandas as pd
    import xarray as xr

    import xnee
    from xnee.variables import DRIVERS, VARIABLES

    model = a_model(members)
    rng = np.random.default_rng(0)
    shape = (months, cells // 10, 10)
    ds = xr.Dataset(
        coords={
            "time": pd.date_range("2001-01-01", periods=months, freq="MS"),
            "lat": np.linspace(20, 40, shape[1]),
            "lon": np.linspace(100, 110, 10),
            "pft": ["ENF"],
        }
    )
    for name in DRIVERS:
        low, high = VARIABLES[name].low, VARIABLES[name].high
        ds[name] = (
            ("time", "lat", "lon"),
            rng.uniform(low, high, shape).astype("f4"),
            {"units": VARIABLES[name].units},
        )
    ds["pft_fraction"] = (("pft", "lat", "lon"), np.ones((1, *shape[1:]), dtype="f4"))
    return best(lambda: xnee.predict(ds, model)["NEE"].compute(scheduler="synchronous"), 2)


# memory


def memory(folder: Path, share: float) -> None:
    """Peak memory of cubes ten times as wide and ten times as long, predicted and written."""
    print(
        "months x lat x lon |  tile  peak GiB  planned GiB   (a process that only loads the libraries and a model: ",
        end="",
    )
    print(f"{own_process('at_rest', folder, share)['memory']:.2f} GiB)")
    for name in ("base", "wider", "longer"):
        done = own_process(f"of_{name}", folder, share)
        print(f"{done['shape']:>18} | {done['tile']:5d} {done['memory']:9.2f} {done['planned']:12.2f}")


def at_rest(_folder: Path, _share: float) -> dict:
    """Load what is needed."""
    a_model()
    return {"memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20}


def of_base(folder: Path, share: float) -> dict:
    """240 months, 8 tiles."""
    return of_size(folder, share, months=240, lon=256)


def of_wider(folder: Path, share: float) -> dict:
    """Ten times as many tiles."""
    return of_size(folder, share, months=240, lon=2560)


def of_longer(folder: Path, share: float) -> dict:
    """Ten times as many months."""
    return of_size(folder, share, months=2400, lon=256)


def of_size(folder: Path, share: float, *, months: int, lon: int) -> dict:
    """Predict a cube whose drivers are made chunk by chunk when they are read; a tenth of its cells are forest."""
    import dask
    import dask.array as da
    import xarray as xr

    import xnee
    from xnee.prediction import plan
    from xnee.variables import DRIVERS, VARIABLES

    chunks = ((months,), (64, 64), (64,) * (lon // 64))
    ds = xr.Dataset(
        coords={
            "time": np.arange("1800-01", months, dtype="M8[M]").astype("M8[s]"),
            "lat": np.linspace(20, 26, 128),
            "lon": np.linspace(0, 170, lon),
            "pft": ["ENF", "EBF", "DNF", "DBF", "MF"],
        }
    )
    for name in DRIVERS:
        row = VARIABLES[name]

        def make(block_info=None, row=row):
            shape = block_info[None]["chunk-shape"]
            return np.random.default_rng(0).uniform(row.low, row.high, shape[1:]).astype("f4") * np.ones(shape, "f4")

        values = da.map_blocks(make, chunks=chunks, dtype="f4", meta=np.empty((0, 0, 0), "f4"))
        ds[name] = (("time", "lat", "lon"), values, {"units": row.units})
    forest = np.random.default_rng(0).random((5, 128, lon)) < 0.02 * share
    ds["pft_fraction"] = (("pft", "lat", "lon"), (forest * 0.2).astype("f4"))
    model, target = a_model(), folder / f"memory-{months}-{lon}.nc"
    planned = plan(ds, model, threads=CORES)
    with dask.config.set(num_workers=CORES):
        xnee.to_product(xnee.predict(ds, model), target, overwrite=True, progress=False)
    target.unlink()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {"memory": peak, "planned": planned.memory / 2**30, "tile": planned.tile, "shape": f"{months} x 128 x {lon}"}


SECTIONS = {"kernel": kernel, "map": national_map, "workers": workers, "scaling": scaling, "memory": memory}

if __name__ == "__main__":
    main()
