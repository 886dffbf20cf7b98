"""What Shapley values cost, and how right they are: xnee against the shap package's own explainers.

    python benchmarks/explain.py                 # everything; about 6 minutes on two free cores
    python benchmarks/explain.py --part accuracy # six drivers, error against brute force
    python benchmarks/explain.py --part full     # all held-out windows, 14 drivers, every coalition
    python benchmarks/explain.py --part speed    # 14 drivers: time of each explainer, and of xnee at the same error

The model is fitted on the synthetic reference set, so that anyone can run it. Times are core seconds of this process
and its threads; the explainers of shap play the same game, through the model's own `predict_windows` in large batches.
"""

from __future__ import annotations

import argparse
import resource
import warnings
from collections.abc import Callable
from itertools import combinations
from math import factorial
from time import perf_counter, process_time

import numpy as np
import torch

import xnee
from xnee.explanation.coalitions import exact
from xnee.explanation.networks import networks_of
from xnee.explanation.sampling import sampled
from xnee.explanation.towers import by_sample, draw
from xnee.models.training_set import training_windows
from xnee.sources.synthetic import synthetic_towers

SIX = ["TEMP", "PRE", "PAR", "VPD", "TS", "WD"]
BATCH = 4096 * 14
"""Windows in one call of the model, for shap; more does not make it faster."""


def main() -> None:
    """Run the parts asked for."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--part", choices=["accuracy", "full", "speed", "all"], default="all")
    words.add_argument("--members", type=int, default=1)
    words.add_argument("--strategy", default="per-pft")
    words.add_argument("--background", type=int, default=50)
    given = words.parse_args()
    sites = synthetic_towers()
    if given.part in ("accuracy", "all"):
        accuracy(sites, given)
    if given.part in ("full", "speed", "all"):
        model = sites.nee.fit(members=given.members, strategy=given.strategy)
        print(f"\n14 drivers, {model.members} members, R2 of held-out months, mean of types:", mean_skill(model))
        if given.part != "speed":
            full(sites, model, given)
        if given.part != "full":
            speed(sites, model, given)


def mean_skill(model) -> float:
    """R2 of held-out months, mean of types."""
    return round(float(model.scores["R2"].sel(split="test", pft=list(xnee.PFTS)).mean()), 2)


def full(sites, model, given) -> None:
    """Play every coalition for all held-out windows."""
    start, wall = process_time(), perf_counter()
    why = sites.nee.explain(model, samples=10_000, background=given.background, method="exact")
    spent, passed = process_time() - start, perf_counter() - wall
    held_out = float(np.abs(why["residual"]).max()) / float(sites["NEE"].std())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"every coalition of 14 drivers, {why.sizes['sample']} windows, {given.background} background windows: "
        f"{spent:.0f} core s, {passed:.0f} s wall; largest residual {held_out:.1e} of the SD of NEE; "
        f"peak memory {peak:.2f} GiB"
    )


class Play:
    """The game of one window, as shap plays it: coalitions in, mean predictions out."""

    def __init__(self, towers, model, row: int, rows) -> None:
        self.model, self.pft = model, str(towers["pft"].to_numpy()[row])
        self.x, self.context = towers["x"].to_numpy()[row], towers["context"].to_numpy()[row]
        self.others, self.still = towers["x"].to_numpy()[rows], towers["context"].to_numpy()[rows]

    def __call__(self, coalitions) -> np.ndarray:
        """Value of coalitions ``(coalition, driver)``."""
        step, parts = max(1, BATCH // len(self.others)), []
        for start in range(0, len(coalitions), step):
            inside = np.asarray(coalitions[start : start + step])[:, None, None, :] > 0.5
            x = np.where(inside, self.x, self.others)  # (coalition, background, lag, driver)
            context = np.where(inside, self.context, self.still)
            y = self.model.predict_series(
                self.pft, x.reshape(-1, *self.x.shape), context.reshape(-1, *self.context.shape)
            )
            parts.append(y[..., -1].mean(axis=0, dtype="f8").reshape(x.shape[:2]).mean(axis=1))
        return np.concatenate(parts)


class PlainPlay:
    """The same game through torch.nn.LSTM on features scaled beforehand: shap as one would use it without xnee."""

    def __init__(self, model, towers, row: int, rows) -> None:
        self.networks = networks_of(model, str(towers["pft"].to_numpy()[row]))
        self.x, self.others = (by_sample(towers, self.networks, r) for r in (np.array([row]), rows))
        self.members = [self._member(k) for k in range(self.networks.members)]

    def _member(self, k: int):
        w = {name: value[k] for name, value in self.networks.weights.items()}
        lstm = torch.nn.LSTM(len(w["input"]), len(w["head"]), batch_first=True)
        with torch.no_grad():
            lstm.weight_ih_l0.copy_(w["input"].T)
            lstm.weight_hh_l0.copy_(w["recurrent"].T)
            lstm.bias_ih_l0.copy_(w["bias"])
            lstm.bias_hh_l0.zero_()
        return lstm, w["head"], w["offset"]

    def __call__(self, coalitions) -> np.ndarray:
        """Value of coalitions ``(coalition, driver)``."""
        own = torch.from_numpy(np.asarray(coalitions) > 0.5)[:, self.networks.player]
        step, parts = max(1, BATCH // len(self.others)), []
        for start in range(0, len(own), step):
            mixed = torch.where(own[start : start + step, None, None], self.x, self.others).flatten(0, 1)
            with torch.inference_mode():
                y = sum(lstm(mixed)[0][:, -1] @ head + offset for lstm, head, offset in self.members)
            parts.append(y.double().view(-1, len(self.others)).mean(1).numpy() / len(self.members))
        return self.networks.scaler.to_target(np.concatenate(parts))


def brute_force(game: Callable, drivers: int) -> np.ndarray:
    """Shapley's definition, one coalition after the other."""
    phi = np.zeros(drivers)
    for k in range(drivers):
        others = [j for j in range(drivers) if j != k]
        for size in range(drivers):
            weight = factorial(size) * factorial(drivers - size - 1) / factorial(drivers)
            for members in combinations(others, size):
                z = np.zeros((2, drivers))
                z[:, list(members)] = 1
                z[1, k] = 1
                without, with_k = game(z)
                phi[k] += weight * (with_k - without)
    return phi


def explainers(drivers: int) -> dict[str, Callable]:
    """Ways of shap, each from a game to ``(driver,)``; one row of zeros stands for 'outside', ones for 'inside'."""
    import shap

    none, everything = np.zeros((1, drivers)), np.ones((1, drivers))

    def exact(game):
        explainer = shap.ExactExplainer(game, shap.maskers.Independent(none))
        return explainer(everything, max_evals=2**drivers, silent=True).values[0]

    def permutation(count):
        def run(game):
            explainer = shap.PermutationExplainer(game, shap.maskers.Independent(none), seed=1)
            return explainer(everything, max_evals=count * (2 * drivers + 1), silent=True).values[0]

        return run

    def kernel(count):
        def run(game):
            return shap.KernelExplainer(game, none).shap_values(everything, nsamples=count, silent=True)[0]

        return run

    return {
        "shap Exact": exact,
        "shap Permutation, 10": permutation(10),
        "shap Permutation, 100": permutation(100),
        "shap Kernel, 500": kernel(500),
        "shap Kernel, 2000": kernel(2000),
    }


def timed(run: Callable) -> tuple[float, np.ndarray]:
    """Core seconds of a call, and what it gave."""
    start = process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        values = np.asarray(run())
    return process_time() - start, values


def ours(model, towers, chosen, against, permutations: int | None) -> np.ndarray:
    """Explain windows by the kernels of xnee, on one core; None: every coalition."""
    rng, drivers = np.random.default_rng(0), len(model.window.drivers)
    phi = []
    for row in chosen:
        pft = str(towers["pft"].to_numpy()[row])
        networks = networks_of(model, pft)
        x, others = (by_sample(towers, networks, rows) for rows in (np.array([row]), against[pft]))
        if permutations is None:
            phi.append(exact(networks, x[0], others, drivers)[0])
        else:
            phi.append(sampled(networks, x[0], others, drivers=drivers, permutations=permutations, rng=rng)[0])
    return np.stack(phi)


def games_of(sites, model, given):
    """One window a type, with what it is compared with."""
    towers = training_windows(sites, model.window.drivers, lags=model.window.lags)
    chosen, against = draw(towers, model, samples=1, background=given.background, seed=0)
    games = [Play(towers, model, row, against[str(towers["pft"].to_numpy()[row])]) for row in chosen]
    return (model, towers, chosen, against), games


def accuracy(sites, given) -> None:
    """Six drivers, one window a type: everyone against brute force."""
    model = sites.nee.fit(SIX, members=given.members, strategy=given.strategy)
    case, games = games_of(sites, model, given)
    truth = np.stack([brute_force(game, 6) for game in games])
    sd = float(sites["NEE"].std())
    print(f"six drivers, {len(games)} windows, {given.background} background windows; error against brute force, RMS")
    print(f"{'':<32}{'core ms a window':>18}{'g C m-2 month-1':>17}{'of SD of NEE':>14}")

    def tell(name: str, run: Callable) -> None:
        run()  # what is compiled on first use is not counted
        spent, phi = timed(run)
        error = float(np.sqrt(((phi - truth) ** 2).mean()))
        print(f"{name:<32}{1e3 * spent / len(games):>18.1f}{error:>17.1e}{error / sd:>14.1e}")

    for name, way in explainers(6).items():
        tell(name, lambda way=way: np.stack([way(game) for game in games]))
    for count in (None, 100, 1000, 10_000):
        name = "xnee exact" if count is None else f"xnee permutation, {count}"
        tell(name, lambda count=count: ours(*case, count))


def speed(sites, model, given) -> None:
    """14 drivers: time and error of each explainer, and the time in which xnee reaches the same error."""
    case, games = games_of(sites, model, given)
    spent, truth = timed(lambda: ours(*case, None))
    spent /= len(games)
    sd = float(sites["NEE"].std())
    print(
        f"\n14 drivers, {len(games)} windows, {given.background} background windows; error against every coalition, RMS"
    )
    print(f"{'':<32}{'core s a window':>16}{'RMS error of SD':>20}{'xnee at this error, core s':>28}{'ratio':>8}")
    print(f"{'xnee exact':<32}{spent:>16.3f}{0:>20.1e}")
    for count in (100, 1000, 10_000):
        seconds, phi = timed(lambda count=count: ours(*case, count))
        error = float(np.sqrt(((phi - truth) ** 2).mean()))
        print(f"{f'xnee permutation, {count}':<32}{seconds / len(games):>16.3f}{error / sd:>20.1e}")
    work = seconds / len(games) * error**2  # the error of sampling falls with the root of the time
    _, towers, chosen, against = case
    plain = [PlainPlay(model, towers, row, against[str(towers["pft"].to_numpy()[row])]) for row in chosen]
    ways = explainers(14)
    ways |= {f"{name}, nn.LSTM": way for name, way in ways.items() if "Kernel" not in name}
    for name, way in ways.items():
        shown = (plain if "nn.LSTM" in name else games)[: 2 if "Exact" in name else None]
        seconds, phi = timed(lambda way=way, shown=shown: np.stack([way(game) for game in shown]))
        theirs = float(np.sqrt(((phi - truth[: len(phi)]) ** 2).mean()))
        own = min(spent, work / max(theirs, 1e-9) ** 2)
        ratio = seconds / len(shown) / own
        print(f"{name:<32}{seconds / len(shown):>16.3f}{theirs / sd:>20.1e}{own:>28.4f}{ratio:>8.0f}")


if __name__ == "__main__":
    main()
