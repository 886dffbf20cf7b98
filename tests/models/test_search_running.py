import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
import torch
from conftest import make_towers
from search_cases import SMALL, TINY, assert_same_table, material_of, run

from xnee.models.search import plan as planning
from xnee.models.search.outcome import load_search
from xnee.models.search.plan import Stack
from xnee.models.search.stacks import jobs_of, run_stack, validation_scores
from xnee.models.training import train

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def made():
    return make_towers(sites=10)


# a stack against networks trained alone


def alone(material, space, stack, number):
    """Validation loss of one network of a stack, trained by `train` with nothing beside it."""
    job = jobs_of(material, space, stack, seed=0)[number]
    weights = train(material.x, material.y, [job], weight=material.weight)
    tensors = {name: torch.from_numpy(value) for name, value in weights.items()}
    rows = material.folds[stack.jobs[number][0]].validation
    loss, _ = validation_scores(tensors, job, material, rows)
    return float(loss[0])


def compare(space, material, trials, seed=0):
    """Relative difference of the loss in a stack from the loss alone, for random trainings of random stacks."""
    rng = np.random.default_rng(seed)
    needed = np.full((len(material.folds), len(space.trajectories)), space.epochs[-1])
    stacks = planning.plan(space, material, needed, cache=4_000_000, prefix="all")
    chosen = rng.choice(len(stacks), min(len(stacks), max(2, trials // 5)), replace=False)
    differences = []
    for k in chosen:
        whole = stacks[k]
        some = rng.choice(len(whole.jobs), min(-(-trials // len(chosen)), len(whole.jobs)), replace=False)
        result = run_stack(material, space, whole, seed=0)
        for number in some:
            one = alone(material, space, whole, number)
            differences.append(0.0 if one == result.loss[number, -1] else abs(result.loss[number, -1] / one - 1))
    return np.array(differences)


def test_a_trial_in_a_stack_scores_as_when_trained_alone(made):
    difference = compare(replace(SMALL, batch=(8,)), material_of(made), trials=20)
    assert len(difference) >= 20
    assert (difference < 1e-4).mean() >= 0.99


@pytest.mark.slow
def test_200_trials_of_the_reference_space_score_as_when_trained_alone():
    from xnee.models.search.space import reference_space
    from xnee.sources.synthetic import synthetic_towers

    material = material_of(synthetic_towers(), lags=6, folds=3)
    difference = compare(replace(reference_space(), epochs=(10,)), material, trials=240)
    assert len(difference) >= 200
    assert (difference < 1e-4).mean() >= 0.99


# the same table, however it is made


def test_stacks_of_any_height_give_the_same_table(made, monkeypatch):
    one = run(made)
    monkeypatch.setattr(planning, "_CACHE", 1)  # stacks of four
    assert_same_table(run(made).table, one.table)


def test_the_order_of_sites_does_not_matter(made):
    assert_same_table(run(made.isel(site=slice(None, None, -1))).table, run(made).table)


def test_two_processes_give_the_table_of_this_one(made, tmp_path):
    one = run(made, SMALL, pfts=["MF", "DBF"])
    two = run(made, SMALL, pfts=["MF", "DBF"], workers=2, out=tmp_path / "two", method="exhaustive")
    assert_same_table(two.table, one.table)
    assert sorted(path.name for path in (tmp_path / "two").iterdir()) == [
        "settings.json",
        "space.json",
        "stacks",
        "table.npz",
        "windows.npz",
    ]


def test_a_process_that_fails_says_why(made, monkeypatch):
    from xnee.models.search import workers

    monkeypatch.setattr(workers, "_TRIES", 2)
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(RuntimeError, match=r"stack rung0-0000\d could not be trained: its process ended 2 times"):
        run(made, workers=2)
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    with pytest.raises(RuntimeError, match="No such file or directory"):
        run(made, workers=2)


@pytest.mark.slow  # a client that closes late on a busy machine would be taken by the tests after it
def test_a_cluster_gives_the_table_of_this_process(made):
    from distributed import Client

    one = run(made)
    with Client(processes=False, n_workers=1, threads_per_worker=2, dashboard_address=None):
        assert_same_table(run(made).table, one.table)


def kill_when(condition, process):
    while not condition():
        time.sleep(0.01)
    os.kill(process, signal.SIGKILL)


@pytest.mark.slow
def test_a_killed_worker_of_a_cluster_changes_nothing(made, tmp_path):
    from distributed import Client, LocalCluster

    space = replace(SMALL, hidden=tuple(range(4, 12)), epochs=(5, 40))
    one = run(made, space)
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        victim = next(iter(client.run(os.getpid).values()))
        killer = Thread(target=kill_when, args=(lambda: any(tmp_path.glob("out/stacks/*.npz")), victim))
        killer.start()
        two = run(made, space, out=tmp_path / "out")
        killer.join()
    assert_same_table(two.table, one.table)


# stopping and going on

CALL = """
import sys
from dataclasses import replace
sys.path[:0] = [{tests!r}, {models!r}]
from conftest import make_towers
from search_cases import SMALL, run
space = replace(SMALL, hidden={hidden}, epochs={epochs})
run(make_towers(sites=10), space, out=sys.argv[1], workers={workers})
"""


def start(out, *, space, workers):
    tests = str(REPOSITORY / "tests")
    words = {"hidden": space.hidden, "epochs": space.epochs, "workers": workers}
    code = CALL.format(tests=tests, models=f"{tests}/models", **words)
    return subprocess.Popen([sys.executable, "-c", code, str(out)])


def kill_again_and_again(out, *, times, space, workers):
    """Kill a search whenever it has written one more result, then let it end."""
    for _ in range(times):
        before = len(list(out.glob("stacks/*.npz")))
        process = start(out, space=space, workers=workers)
        while process.poll() is None and len(list(out.glob("stacks/*.npz"))) <= before:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, "it ended before it was killed: give it more to do"
        assert not (out / "table.npz").exists()
    assert start(out, space=space, workers=workers).wait() == 0
    return load_search(out)


def test_a_killed_search_goes_on_to_the_same_table(made, tmp_path):
    space = replace(SMALL, epochs=(1, 30))
    killed = kill_again_and_again(tmp_path / "out", times=1, space=space, workers=1)
    assert_same_table(killed.table, run(made, space).table)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_a_search_killed_five_times_goes_on_to_the_same_table(made, tmp_path, workers):
    space = replace(SMALL, hidden=tuple(range(4, 16)), epochs=(5, 60))
    killed = kill_again_and_again(tmp_path / "out", times=5, space=space, workers=workers)
    assert_same_table(killed.table, run(made, space).table)
    assert not list((tmp_path / "out").rglob("*.part"))


def results(out):
    return {path.name: path.stat().st_mtime_ns for path in (out / "stacks").iterdir()}


def test_only_what_is_missing_or_damaged_is_trained_again(made, tmp_path, caplog):
    out = tmp_path / "out"
    one = run(made, out=out)
    before = results(out)
    damaged, missing = sorted(before)[:2]
    (out / "stacks" / damaged).write_bytes((out / "stacks" / damaged).read_bytes()[:100])
    (out / "stacks" / missing).unlink()
    (out / "stacks" / "rung0-00000-xyz.part").write_bytes(b"left by a kill")
    assert_same_table(run(made, out=out).table, one.table)
    after = results(out)
    assert set(after) == set(before)
    assert {name for name in after if after[name] != before[name]} == {damaged, missing}
    assert "is damaged" in caplog.text


def test_a_halved_search_goes_on_too(made, tmp_path):
    out = tmp_path / "out"
    one = run(made, SMALL, out=out, method="halving")
    for name in sorted(results(out))[1::2]:
        (out / "stacks" / name).unlink()
    assert_same_table(run(made, SMALL, out=out, method="halving").table, one.table)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"folds": 3}, "other settings: folds 2 there, 3 here"),
        ({"seed": 1, "method": "halving"}, "seed 0 there, 1 here; method 'exhaustive' there, 'halving' here"),
        ({"space": replace(TINY, dropout=(0.1,))}, r"dropout \[0.0, 0.3\] there, \[0.1\] here"),
        ({"towers": make_towers(sites=10, seed=3)}, "windows '[0-9a-f]{16}' there, '[0-9a-f]{16}' here"),
        ({"pfts": ["MF"]}, r"pfts \['DBF', .* there, \['MF'\] here"),
    ],
)
def test_changed_settings_are_refused_with_what_changed(made, tmp_path, settings, message):
    run(made, out=tmp_path / "out")
    with pytest.raises(ValueError, match=message):
        run(**{"towers": made, **settings}, out=tmp_path / "out")


def test_a_folder_with_other_files_is_refused(made, tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(FileExistsError, match=r"holds files but no search \(settings\.json\)"):
        run(made, out=tmp_path)
    assert os.listdir(tmp_path) == ["thesis.tex"]


def test_a_folder_that_cannot_be_made_is_refused(made, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="a search writes its results into out"):
        run(made, out=tmp_path / "file" / "out")


def test_damaged_and_newer_files_are_refused(made, tmp_path):
    out = tmp_path / "out"
    run(made, out=out)
    card = json.loads((out / "settings.json").read_text())
    (out / "table.npz").write_bytes(b"PK no more")
    with pytest.raises(ValueError, match=r"table\.npz is damaged"):
        load_search(out)
    (out / "table.npz").unlink()
    with pytest.raises(FileNotFoundError, match=r"lacks table\.npz. Run the same search again"):
        load_search(out)
    (out / "settings.json").write_text(json.dumps({**card, "format": 99}))
    with pytest.raises(ValueError, match="written in format 99, newer than this xnee reads"):
        run(made, out=out)
    (out / "settings.json").write_text("{")
    with pytest.raises(ValueError, match=r"settings\.json is damaged"):
        run(made, out=out)


def test_nothing_in_the_files_runs_when_read(made, tmp_path):
    run(made, out=tmp_path / "out")
    for file in (tmp_path / "out").rglob("*.npz"):
        with np.load(file, allow_pickle=False) as arrays:
            assert all(arrays[name].dtype.kind in "biufU" for name in arrays.files)


# what it tells


def test_a_line_tells_of_the_share_of_work_best_scores_and_time_left(made, capsys):
    run(made, progress=True)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "search: 100%" in shown.err
    assert "best loss DBF 0." in shown.err
    assert "<00:00" in shown.err
    assert "going on" not in shown.err


def test_a_search_that_goes_on_says_what_is_there(made, tmp_path, capsys):
    out = tmp_path / "out"
    run(made, out=out)
    last = max(results(out))
    with np.load(out / "stacks" / last) as stack:
        lost = len(stack["jobs"])
    (out / "stacks" / last).unlink()
    run(made, out=out, progress=True)
    shown = capsys.readouterr().err
    share, there = re.search(r"going on: (\d+)% of the work, (\d+) of 80 trials, are there", shown).groups()
    assert 0 < int(share) < 100
    assert 80 - 2 * lost <= int(there) < 80  # two numbers of epochs a training
    assert f"search:  {share}%" in shown  # where the bar begins
    run(made, out=out, progress=True)
    assert "going on: 100% of the work, 80 of 80 trials, are there" in capsys.readouterr().err


def test_the_log_tells_the_height_of_stacks_and_the_workers(made, caplog):
    caplog.set_level("INFO", logger="xnee")
    run(made)
    assert "stacks of up to 240 networks of 4 units, batch 16" in caplog.text
    assert "in this process" in caplog.text


def test_threads_are_as_before(made):
    before = torch.get_num_threads()
    run(made)
    assert torch.get_num_threads() == before


def test_a_stack_is_plain_data():
    assert Stack("rung0-00000", 4, ((0, 1), (0, 2))) == Stack("rung0-00000", 4, ((0, 1), (0, 2)))
