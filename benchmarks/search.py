"""The whole hyper-parameter search of the reference study, against plain PyTorch run one trial after the other.

    python benchmarks/search.py [--share 1] [--trials 60] [--out somewhere] [--figure docs/figures/search.png]

Towers: the synthetic reference set (11 stations, 588 site-months, 14 drivers). Prints wall clock, CPU seconds and peak
memory of the search, exhaustive and by successive halving; the same for a random sample of trials trained with
torch.nn.LSTM and torch.optim.AdamW, one process a core, scaled to all trials; where the time of a stack goes; and the
outer scores of what both searches choose. ``--share 0.02`` tries a fiftieth of the combinations (all sizes, batches and
epochs, few of the rest) for a quick look; with ``--out`` a search that was interrupted goes on.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np

LAGS, FOLDS = 6, 3


def main() -> None:
    """Run everything and print tables."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--share", type=float, default=1.0, help="share of the combinations")
    words.add_argument("--trials", type=int, default=60, help="trials of plain PyTorch; in sixties all kinds are there")
    words.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    words.add_argument("--out", type=Path, help="keep the searches there")
    words.add_argument("--figure", type=Path, help="draw the score against the number of trials")
    given = words.parse_args()
    from xnee.models.search.space import reference_space

    space = smaller(reference_space(), given.share)
    print(f"{len(space):,} combinations x 5 forest types, {FOLDS} inner folds, {given.workers} workers")
    print(f"load average at the start {os.getloadavg()[0]:.1f}: the ratios need a quiet machine")
    with tempfile.TemporaryDirectory() as scratch:
        out = given.out or Path(scratch)
        exhaustive, full = timed_search(space, out / "exhaustive", "exhaustive", given.workers)
        halved, half = timed_search(space, out / "halving", "halving", given.workers)
        naive = plain_pytorch(space, given.trials, given.workers)
        report(exhaustive, full, half, naive)
        outer(exhaustive, halved)
        print(exhaustive)
        profile(space)
        if given.figure:
            draw(exhaustive, given.figure)


def smaller(space, share: float):
    """Leave away learning rates, decays and dropouts until about that share of the combinations is left."""
    axes = {name: list(getattr(space, name)) for name in ("learning_rate", "weight_decay", "dropout")}
    whole = np.prod([len(values) for values in axes.values()])
    while np.prod([len(values) for values in axes.values()]) > max(1, share * whole):
        longest = max(axes, key=lambda name: len(axes[name]))
        axes[longest].pop(0 if len(axes[longest]) % 2 else -1)  # from both ends: the middle stays
    return replace(space, **{name: tuple(values) for name, values in axes.items()})


# the search


def timed_search(space, out: Path, method: str, workers: int):
    """Search, and tell wall clock, CPU seconds and memory."""
    from xnee.models.search.running import search
    from xnee.sources.synthetic import synthetic_towers

    towers = synthetic_towers()
    begun = len(list(out.glob("stacks/*.npz")))
    before, start = cpu(), time.perf_counter()
    found = search(towers, space, lags=LAGS, folds=FOLDS, out=out, method=method, workers=workers)
    cost = {"wall": time.perf_counter() - start, "cpu": cpu() - before}
    own, child = (resource.getrusage(who).ru_maxrss / 2**20 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    cost["memory"] = own + workers * child
    note = f" ({begun} stacks were there before: the time is not that of the whole)" if begun else ""
    print(
        f"{method}: {cost['wall']:.0f} s wall, {cost['cpu']:.0f} s CPU, peak {cost['memory']:.2f} GiB at most "
        f"(this process and {workers} workers){note}"
    )
    return found, cost


def cpu() -> float:
    """CPU seconds of this process and of its children that have ended."""
    uses = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return float(sum(use.ru_utime + use.ru_stime for use in uses))


# plain PyTorch


def windows_and_folds():
    """Give the very windows and inner folds of the search."""
    from xnee.models.search.folds import inner_material
    from xnee.models.training_set import temporal_split, training_windows
    from xnee.sources.synthetic import synthetic_towers

    samples = training_windows(synthetic_towers(), None, lags=LAGS)
    keep = temporal_split(samples, 0.2)
    return inner_material(samples, keep, inner="temporal", folds=FOLDS, seed=0, pfts=None)[0]


def begin(threads: int) -> None:
    """Prepare a process: windows, threads, and one training so that nothing is measured cold."""
    global material
    import torch

    torch.set_num_threads(threads)
    material = windows_and_folds()
    one_trial("MF", 8, 32, 1e-2, 0.0, 0.0, 2)


def one_trial(pft: str, hidden: int, batch: int, rate: float, decay: float, dropout: float, epochs: int):
    """Train one trial on each inner fold, as anybody would write it; give seconds, CPU seconds and the mean loss."""
    import torch
    from torch.nn.functional import huber_loss

    class Network(torch.nn.Module):
        def __init__(self, features: int) -> None:
            super().__init__()
            self.lstm = torch.nn.LSTM(features, hidden, batch_first=True)
            self.dropout = torch.nn.Dropout(dropout)
            self.head = torch.nn.Linear(hidden, 1)

        def forward(self, x):
            return self.head(self.dropout(self.lstm(x)[0][:, -1]))[:, 0]

    start, used, losses = time.perf_counter(), time.process_time(), []
    for fold in (fold for fold in material.folds if fold.pft == pft):
        rows = fold.training
        mean, std = material.x[rows].mean((0, 1)), material.x[rows].std((0, 1))
        std[std < 1e-6] = np.inf
        x = torch.tensor((material.x - mean) / std, dtype=torch.float32)
        y = torch.tensor((material.y - material.y[rows].mean()) / material.y[rows].std(), dtype=torch.float32)
        w = torch.tensor(material.weight / material.weight[rows].mean(), dtype=torch.float32)
        network = Network(x.shape[-1])
        optimiser = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=decay)
        for _ in range(epochs):
            for chosen in torch.tensor(rows)[torch.randperm(len(rows))].split(batch):
                optimiser.zero_grad()
                loss = (huber_loss(network(x[chosen]), y[chosen], reduction="none") * w[chosen]).sum() / w[chosen].sum()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
                optimiser.step()
        network.eval()
        with torch.inference_mode():
            error = huber_loss(network(x[fold.validation]), y[fold.validation], reduction="none")
            losses.append(float((error * w[fold.validation]).sum() / w[fold.validation].sum()))
    return time.perf_counter() - start, time.process_time() - used, float(np.mean(losses))


def drawn(space, count: int):
    """Draw trials at random: of each size, batch and number of epochs equally many, types in turn."""
    rng = np.random.default_rng(0)
    kinds = [(h, b, e) for h in space.hidden for b in space.batch for e in space.epochs]
    pfts = ("DBF", "DNF", "ENF", "EBF", "MF")
    for number in range(count):
        if number % len(kinds) == 0:
            order, first = rng.permutation(len(kinds)), int(rng.integers(5))
        hidden, batch, epochs = kinds[order[number % len(kinds)]]
        rest = [float(rng.choice(values)) for values in (space.learning_rate, space.weight_decay, space.dropout)]
        yield (pfts[(first + number) % 5], hidden, batch, *rest, epochs)


def plain_pytorch(space, count: int, workers: int):
    """Run the sample in the better of two ways: one process a core of one thread, one process of all threads."""
    pilot = list(drawn(space, 8))
    ways = {}
    for processes, threads in {(workers, 1), (1, workers)}:
        done = run_plain(pilot, processes, threads)
        ways[processes, threads] = sum(seconds for seconds, _, _ in done) / processes
    best = min(ways, key=lambda way: ways[way])
    print("plain PyTorch, 8 trials:", {f"{p} x {t} threads": f"{ways[p, t]:.1f} s" for p, t in ways})
    trials = list(drawn(space, count))
    return trials, run_plain(trials, *best), best[0]


def run_plain(trials, processes: int, threads: int):
    """Train trials in processes."""
    os.environ["OMP_NUM_THREADS"] = str(threads)
    with ProcessPoolExecutor(processes, get_context("spawn"), begin, (threads,)) as pool:
        return [one.result() for one in [pool.submit(one_trial, *trial) for trial in trials]]


# what came out


def report(found, full, half, naive) -> None:
    """Print ratios, in all and by size."""
    trials, done, processes = naive
    count = len(found.table)
    seconds, used = (np.array([one[k] for one in done]) for k in (0, 1))
    hidden = np.array([trial[1] for trial in trials])
    wall = seconds.mean() * count / processes
    print(f"plain PyTorch: {len(done)} trials in {seconds.sum():.0f} s; {count:,} would take {wall:.0f} s wall")
    for name, cost in (("exhaustive", full), ("halving", half)):
        print(
            f"  ratio, {name}: {wall / cost['wall']:.1f} in wall clock, "
            f"{used.mean() * count / cost['cpu']:.1f} in CPU seconds"
        )
    last = found.table[found.table["epochs"] == max(found.space.epochs)]
    for size in found.space.hidden:
        own = float(last["seconds"][last["hidden"] == size].sum())
        theirs = used[hidden == size].mean() * (found.table["hidden"] == size).sum()
        print(f"  hidden {size:3d}: {own:6.0f} s CPU, plain {theirs:7.0f} s, ratio {theirs / own:.1f}")
    table = found.table.set_index(["pft", "hidden", "batch", "learning_rate", "weight_decay", "dropout", "epochs"])
    ours = np.array([table.loc[trial, "loss"] for trial in trials], dtype="f8").ravel()
    ranks = [values.argsort().argsort() for values in (ours, np.array([one[2] for one in done]))]
    print(f"  same trials, losses ranked: correlation {np.corrcoef(ranks)[0, 1]:.2f} (other random numbers)")


def outer(exhaustive, halved) -> None:
    """Print the outer test of what both searches choose."""
    from xnee.sources.synthetic import synthetic_towers

    towers = synthetic_towers()
    one, other = (search.outer(towers).set_index(["pft", "rule"]) for search in (exhaustive, halved))
    print("outer test, R2 and RMSE of 5 networks: argmax, rule; rule of the halved search")
    for pft in exhaustive.pfts:
        best, rule, half = one.loc[pft, "argmax"], one.loc[pft, "one-se"], other.loc[pft, "one-se"]
        apart = abs(half["RMSE"] - rule["RMSE"])
        cells = "   ".join(f"{row['R2']:.2f} / {row['RMSE']:.1f}" for row in (best, rule, half))
        within = "within" if apart <= rule["RMSE_se"] else "NOT within"
        print(f"  {pft}  {cells}   {within} one standard error ({rule['RMSE_se']:.1f})")


def profile(space) -> None:
    """Print where the time of a stack goes, for the smallest and the largest networks."""
    from xnee.models import training
    from xnee.models.search import plan, stacks
    from xnee.models.stack import Adam, Stack

    whole = windows_and_folds()
    needed = np.full((len(whole.folds), len(space.trajectories)), 20)
    some = plan.plan(replace(space, epochs=(20,)), whole, needed, cache=plan.stack_bytes("cpu"), prefix="profile")
    parts = (
        (Stack, "run", "forward"),
        (Stack, "differentiate", "gradient"),
        (Adam, "step", "optimiser"),
        (training, "_shuffled", "shuffling and gathering"),
        (stacks, "validation_scores", "scoring"),
    )
    for hidden in space.hidden:
        for batch in space.batch:
            stack = next(s for s in some if space.trajectories[s.jobs[0][1]][:2] == (hidden, batch))
            spent: dict[str, float] = defaultdict(float)
            undo = [(owner, name, watch(owner, name, label, spent)) for owner, name, label in parts]
            start = time.thread_time()
            stacks.run_stack(whole, replace(space, epochs=(20,)), stack, seed=0)
            total = time.thread_time() - start
            for owner, name, before in undo:
                setattr(owner, name, before)
            spent["rest"] = total - sum(spent.values())
            cells = ", ".join(f"{label} {seconds / total:.0%}" for label, seconds in spent.items())
            print(f"  hidden {hidden:2d}, batch {batch:2d}, {len(stack.jobs):3d} networks: {cells}")


def watch(owner, name: str, label: str, spent: dict[str, float]):
    """Put a clock around a function; give back what it was."""
    before = getattr(owner, name)

    def clocked(*args, **kwargs):
        start = time.thread_time()
        try:
            return before(*args, **kwargs)
        finally:
            spent[label] += time.thread_time() - start

    setattr(owner, name, clocked)
    return before


def draw(search, path: Path) -> None:
    """Draw how low the inner loss gets with how many trials, and the band of one standard error."""
    from xnee.plotting import plot

    plot(search).savefig(path, dpi=110)
    print(f"figure: {path}")


if __name__ == "__main__":
    main()
