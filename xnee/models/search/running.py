"""The search itself: windows, folds, stacks, rungs, table."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xnee.models.scaling import ENCODING
from xnee.models.search.choosing import trial_table
from xnee.models.search.folds import Inner, inner_material
from xnee.models.search.outcome import Search, write_table
from xnee.models.search.plan import plan, stack_bytes, work
from xnee.models.search.progress import Progress, Scores
from xnee.models.search.space import Space, reference_space
from xnee.models.search.store import open_folder, sweep
from xnee.models.search.workers import Crew
from xnee.models.training import check_device
from xnee.models.training_set import temporal_split, training_windows, windows_digest
from xnee.variables import labels

__all__ = ["search"]

_log = logging.getLogger(__name__)
SearchMethod = Literal["exhaustive", "halving"]
_KEPT = 4
"""Successive halving takes one training in so many to the next rung."""


def search(
    sites: xr.Dataset,
    space: Space | None = None,
    drivers: Iterable[str] | None = None,
    *,
    lags: int = 6,
    seed: int = 0,
    out: str | Path | None = None,
    method: SearchMethod = "exhaustive",
    sample: int | None = None,
    inner: Inner = "temporal",
    folds: int = 3,
    context: bool = True,
    test_fraction: float = 0.2,
    pfts: Sequence[str] | None = None,
    device: str = "cpu",
    workers: int | None = None,
    progress: bool = True,
) -> Search:
    """Try combinations of hyper-parameters for each forest type, scored on inner folds of the training part.

    The last `test_fraction` of every site is cut off before anything else: selection never sees it. Each trial is
    trained once for each inner fold, in stacks of networks of one shape; numbers of epochs are read from one
    training. Work runs on the active ``dask.distributed`` client, else on the cores of this machine.

    Parameters
    ----------
    sites
        ``(site, time)`` with NEE, drivers and ``pft``.
    space
        What to try; by default `xnee.reference_space`, 3,600 combinations.
    drivers
        Names of the vocabulary; by default all that `sites` holds.
    lags
        Months of history before the target month.
    seed
        Same seed, same table, whatever the number of workers and however often the search was interrupted.
    out
        Folder for results. The same call goes on where an interrupted one was; without a folder nothing is kept.
    method
        ``"exhaustive"``, or ``"halving"``: all are trained for the fewest epochs, and of these only the best quarter
        of each type is trained for longer, twice.
    sample
        Number of trials to draw at random from the space; by default all.
    inner
        ``"temporal"``: each site's training months in `folds` blocks, each block scored by networks that were
        trained on the others; ``"leave-site-out"``: whole sites of the type are left out.
    folds
        Inner folds.
    context
        Whether networks read what a site is like in the long run, see `xnee.site_context`.
    test_fraction
        Share of each site's windows, the last in time, kept for `Search.outer`.
    pfts
        Forest types; by default those with enough windows, the others are told in ``left_out``.
    device
        ``"cpu"`` or ``"cuda"``.
    workers
        Processes of this machine; by default one a core, and none beside this one where there is little to do.
    progress
        Whether to show a line on standard error.

    Returns
    -------
    Search
        Table of all trials; ``best("DBF")`` chooses by the one-standard-error rule.

    Raises
    ------
    ValueError
        If a setting is out of range, a type is unknown or has too few windows, or `out` holds another search.
    FileExistsError
        If `out` holds other files.
    OSError
        If `out` cannot be written.

    Examples
    --------
    >>> from xnee.sources.synthetic import synthetic_towers
    >>> few = Space(
    ...     hidden=(4,), batch=(32,), learning_rate=(0.01, 0.03), weight_decay=(0,), dropout=(0,), epochs=(1, 2)
    ... )
    >>> found = search(synthetic_towers(), few, ["TEMP", "PAR"], lags=1, pfts=["MF"], progress=False)
    >>> len(found.table), found.best("MF").network.hidden
    (4, 4)
    """
    space = reference_space() if space is None else space
    _check(space, method, seed, workers)
    check_device(device)
    samples = training_windows(sites, drivers, lags=lags)
    keep = temporal_split(samples, test_fraction)
    material, left_out = inner_material(samples, keep, inner=inner, folds=folds, seed=seed, pfts=pfts, context=context)
    wanted = np.ones(len(space), dtype=bool)
    if sample is not None:
        wanted = np.isin(np.arange(len(space)), space.sample(sample, seed=seed))
    settings = {
        **{name: list(values) if isinstance(values, tuple) else values for name, values in asdict(space).items()},
        "drivers": labels(samples["driver"]).tolist(),
        "lags": lags,
        "seed": int(seed),
        "method": method,
        "sample": sample,
        "inner": inner,
        "folds": folds,
        "context": bool(context),
        "test_fraction": float(test_fraction),
        "pfts": list(material.pfts),
        "device": device.partition(":")[0],
        "windows": windows_digest(samples),
        "features": ENCODING,
        "versions": {name: version(name) for name in ("xnee", "torch")},
    }
    for reason in left_out.values():
        _log.warning("not searched: %s", reason)
    folder, cache = None, stack_bytes(device)
    if out is not None:
        folder, cache = open_folder(out, settings, cache=cache)
    with Crew(material, space, seed=int(seed), device=device, folder=folder, workers=workers) as crew:
        scores = _run(crew, wanted, method, cache=cache, progress=progress)
    found = Search(trial_table(scores, space), space, settings, left_out, folder)
    if folder is not None:
        write_table(folder, found)
        sweep(folder)
    return found


def _check(space: object, method: str, seed: int, workers: int | None) -> None:
    if not isinstance(space, Space):
        msg = f"space must be a Space, e.g. xnee.reference_space(); got {type(space).__name__}."
        raise TypeError(msg)
    if method not in ("exhaustive", "halving"):
        msg = f"method must be 'exhaustive' or 'halving', got {method!r}."
        raise ValueError(msg)
    whole = isinstance(seed, int | np.integer) and not isinstance(seed, bool) and seed >= 0
    some = workers is None or (isinstance(workers, int) and not isinstance(workers, bool) and workers >= 1)
    if not whole or not some:
        msg = f"seed must be a whole number from 0 on and workers at least 1 (or None); got {seed!r} and {workers!r}."
        raise ValueError(msg)


def _run(crew: Crew, wanted: NDArray[np.bool_], method: str, *, cache: int, progress: bool) -> Scores:
    """Train what is needed, one rung after the other."""
    space, material = crew.space, crew.material
    scores = Scores(space, material, wanted)
    epochs = np.array(space.epochs)
    last = (scores.wanted * epochs).max(axis=1)  # (trajectory,)
    needed = np.broadcast_to(last, (len(material.folds), last.size)).copy()
    before = 0
    for rung, most in enumerate(_rungs(space, method)):
        alive = _survivors(scores, needed, epochs, before) if before else needed
        stacks = plan(space, material, np.minimum(alive, most), cache=cache, prefix=f"rung{rung}")
        amount = {stack.name: work(space, material, stack) for stack in stacks}
        _log.info("rung %d: %d trainings of up to %d epochs in %d stacks", rung, (alive > 0).sum(), most, len(stacks))
        there = crew.found(stacks)
        for stack, result in there.items():
            scores.put(stack, result)
        done = sum(amount[stack.name] for stack in there)
        with Progress(scores, total=sum(amount.values()), done=done, show=progress) as line:
            for stack, result in crew.run([stack for stack in stacks if stack not in there]):
                scores.put(stack, result)
                line.step(amount[stack.name])
        needed, before = alive, most
    return scores


def _rungs(space: Space, method: str) -> list[int]:
    """Epochs to train up to, rung by rung."""
    epochs = space.epochs
    if method == "exhaustive":
        return [epochs[-1]]
    return sorted({epochs[0], epochs[len(epochs) // 2], epochs[-1]})


def _survivors(scores: Scores, needed: NDArray[np.int64], epochs: NDArray[np.int64], before: int) -> NDArray[np.int64]:
    """Epochs still needed, ``(fold, trajectory)``: of each type's trainings that want more, the best in so many."""
    result = np.zeros_like(needed)
    column = int(np.flatnonzero(epochs == before)[0])
    for pft in scores.material.pfts:
        own = scores.of(pft)
        further = np.flatnonzero(needed[own[0]] > before)
        loss = scores.mean_loss(pft)[further, column]
        count = -(-further.size // _KEPT)
        best = further[np.argsort(np.where(np.isnan(loss), np.inf, loss), kind="stable")[:count]]
        result[np.ix_(own, best)] = needed[np.ix_(own, best)]
    return result
