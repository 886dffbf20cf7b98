import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from search_cases import SMALL, TINY, assert_same_table, material_of, run

from xnee.models.search.choosing import choose
from xnee.models.search.folds import Fold, inner_material
from xnee.models.search.outcome import load_search
from xnee.models.search.plan import job_seed, plan
from xnee.models.search.running import search
from xnee.models.search.space import Space, reference_space
from xnee.models.training_set import temporal_split, training_windows

# the space


def test_the_reference_space_has_3600_trials_in_720_trainings():
    space = reference_space()
    assert (len(space), len(space.trajectories)) == (3600, 720)
    assert space.specs(0)[1].epochs == 20
    assert space.specs(3599)[0].hidden == 64
    assert all(space.specs(k)[1].schedule == "constant" for k in (0, 1))


def test_a_space_is_edited_and_put_in_order():
    space = replace(reference_space(), hidden=[32, 8], epochs=(5,), weight_decay=(0,))
    assert (space.hidden, space.weight_decay, len(space)) == ((8, 32), (0.0,), 2 * 3 * 5 * 3)
    network, training = space.specs(len(space) - 1)
    assert (network.hidden, training.batch, training.learning_rate) == (32, 32, 0.1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hidden": ()}, r"at least one value of hidden, each once, whole numbers; got \(\)"),
        ({"epochs": (10, 10)}, "at least one value of epochs, each once"),
        ({"batch": (8.5,)}, "at least one value of batch, each once, whole numbers"),
        ({"dropout": 0.1}, "at least one value of dropout, each once; got 0.1"),
        ({"learning_rate": ("fast",)}, "at least one value of learning_rate"),
        ({"learning_rate": (-1e-3, 1e-3)}, "training needs positive, finite settings"),
        ({"weight_decay": (-1.0,)}, "weight_decay >= 0"),
        ({"dropout": (1.0,)}, "0 <= dropout < 1"),
        ({"hidden": (0,)}, "hidden units >= 1"),
        ({"loss": "absolute"}, "a loss of"),
    ],
)
def test_a_space_that_makes_no_sense_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        replace(reference_space(), **change)


# folds


def test_inner_folds_lie_in_the_training_part_and_do_not_overlap(towers):
    ds = towers(sites=10, gaps=0.05)
    samples = training_windows(ds, None, lags=2)
    keep = temporal_split(samples, 0.2)
    material = material_of(ds, folds=3)
    assert len(material.y) == keep.sum()
    for pft in material.pfts:
        own = [fold for fold in material.folds if fold.pft == pft]
        validation = np.concatenate([fold.validation for fold in own])
        assert len(own) == 3
        np.testing.assert_array_equal(np.sort(validation), np.flatnonzero(samples.pft.values[keep] == pft))
        for fold in own:
            assert not set(fold.training) & set(fold.validation)
            assert set(fold.training) | set(fold.validation) == set(validation)


def test_temporal_folds_are_blocks_of_time(towers):
    ds = towers(sites=10)
    samples = training_windows(ds, None, lags=2)
    training = samples.isel(sample=temporal_split(samples, 0.2))
    for fold in material_of(ds, folds=3).folds:
        for site in np.unique(training.site.values[fold.validation]):
            rows = fold.validation[training.site.values[fold.validation] == site]
            months = np.sort(training.time.values[rows].astype("datetime64[M]").astype(int))
            assert (np.diff(months) == 1).all()


def test_site_folds_leave_out_whole_sites(towers):
    ds = towers(sites=15)
    samples = training_windows(ds, None, lags=2)
    site = samples.isel(sample=temporal_split(samples, 0.2)).site.values
    for fold in material_of(ds, folds=3, inner="leave-site-out").folds:
        assert not set(site[fold.training]) & set(site[fold.validation])


def test_held_out_months_change_no_score(towers):
    ds = towers(sites=10)
    samples = training_windows(ds, None, lags=2)
    first_test = samples.time.values[~temporal_split(samples, 0.2)].min()
    changed = ds.assign(NEE=ds.NEE.where(ds.time < first_test, -500.0).assign_attrs(ds.NEE.attrs))
    one, two = run(ds), run(changed)
    assert one.settings["windows"] != two.settings["windows"]
    assert_same_table(one.table, two.table)
    # their drivers are in the context of the site, which is that of its whole record; in nothing else
    changed["TEMP"] = changed.TEMP.where(ds.time < first_test, 50.0).assign_attrs(ds.TEMP.attrs)
    assert_same_table(run(ds, context=False).table, run(changed, context=False).table)


# stacks


def test_every_training_stands_in_one_stack_of_its_shape(towers):
    material, space = material_of(towers(sites=10, gaps=0.02)), SMALL
    needed = np.full((len(material.folds), len(space.trajectories)), 4)
    needed[:, ::5] = 0
    stacks = plan(space, material, needed, cache=200_000, prefix="rung0")
    jobs = [job for stack in stacks for job in stack.jobs]
    assert sorted(jobs) == [tuple(job) for job in np.argwhere(needed).tolist()]
    for stack in stacks:
        assert len({space.trajectories[number][:2] for _, number in stack.jobs}) == 1
    assert len({stack.name for stack in stacks}) == len(stacks)


def test_seeds_depend_on_what_is_trained():
    fold, other = (Fold("MF", k, np.arange(3), np.arange(3)) for k in range(2))
    one, two = SMALL.trajectories[:2]
    seeds = {job_seed(s, f, t) for s in (0, 1) for f in (fold, other, replace(fold, pft="ENF")) for t in (one, two)}
    assert len(seeds) == 2 * 3 * 2


# the rule


def table_of(loss, **columns):
    """Trials of one type with these losses, (trial, fold)."""
    loss = np.asarray(loss, dtype="f8")
    count, folds = loss.shape
    settings = {"hidden": 8, "batch": 8, "learning_rate": 0.01, "weight_decay": 0.0, "dropout": 0.0, "epochs": 20}
    settings |= {name: np.asarray(values) for name, values in columns.items()}
    with np.errstate(invalid="ignore"):
        mean, se = loss.mean(1), loss.std(1, ddof=1) / folds**0.5
    best = np.nanargmin(mean)
    scores = {f"loss_{k + 1}": loss[:, k] for k in range(folds)} | {"loss": mean, "se": se, "R2": 1 - mean}
    within = {"within_one_se": mean <= mean[best] + se[best]}
    return pd.DataFrame({"pft": "MF", "trial": np.arange(count), **settings, **scores, **within})


def test_the_rule_takes_the_smallest_network_within_one_standard_error():
    loss = np.array([0.30, 0.31, 0.32, 0.50])[:, None] + [-0.05, 0.0, 0.05]
    table = table_of(loss, hidden=[64, 32, 16, 8])
    assert choose(table, "MF", loss="huber").network.hidden == 16
    assert choose(table, "MF", loss="huber", rule="argmax").network.hidden == 64
    assert choose(table, "MF", loss="huber").within_one_se == 3


def test_the_standard_error_is_that_of_all_good_trials_not_of_a_lucky_one():
    lucky = np.array([[0.299, 0.3, 0.301]])
    others = np.full((19, 1), 0.31) + np.array([-0.05, 0.0, 0.05])
    table = table_of(np.concatenate([lucky, others]), hidden=[64] + [8] * 19)
    chosen = choose(table, "MF", loss="huber")
    assert chosen.network.hidden == 8
    assert chosen.se == pytest.approx(0.05 / 3**0.5, rel=0.05)


def test_among_equal_sizes_the_rule_takes_fewest_epochs_then_strongest_decay():
    loss = np.full((5, 1), 0.3) + np.array([-0.05, 0.0, 0.05])
    table = table_of(loss, epochs=[20, 40, 20, 20, 60], weight_decay=[0.0, 0.1, 0.01, 0.001, 0.0])
    assert choose(table, "MF", loss="huber").trial == 2


def test_a_choice_tells_how_stable_it_is():
    agreed = table_of(np.array([0.1, 0.2, 0.3, 0.4])[:, None] + [0.0, 0.001, 0.002], hidden=[8, 16, 32, 64])
    stable = choose(agreed, "MF", loss="huber")
    assert (stable.rank_agreement, stable.folds, stable.folds_within, stable.folds_unchanged) == (1, 3, 3, 3)
    drawn = table_of(np.random.default_rng(0).uniform(0.1, 0.4, (200, 3)), hidden=np.repeat([8, 16], 100))
    assert abs(choose(drawn, "MF", loss="huber").rank_agreement) < 0.2


def test_diverged_and_dropped_trials_are_not_chosen():
    table = table_of([[0.3, 0.32], [np.inf, 0.1], [0.4, 0.45], [np.nan, np.nan]], hidden=[16, 4, 32, 4])
    table["within_one_se"] = [True, False, False, False]
    chosen = choose(table, "MF", loss="huber")
    assert (chosen.network.hidden, chosen.trials, chosen.diverged, chosen.within_one_se) == (16, 3, 1, 1)
    with pytest.raises(ValueError, match="no trial of MF has a finite loss: all diverged"):
        choose(table.iloc[[1, 3]], "MF", loss="huber")


def test_unknown_types_and_rules_are_refused():
    table = table_of([[0.3, 0.31]])
    for pft, rule in (("ENF", "one-se"), ("MF", "best")):
        with pytest.raises(ValueError, match="this search knows MF and the rules 'one-se' and 'argmax'"):
            choose(table, pft, loss="huber", rule=rule)


# a whole search


@pytest.fixture(scope="module")
def made():
    from conftest import make_towers

    return make_towers(sites=10)


@pytest.fixture(scope="module")
def found(made):
    return run(made, SMALL)


def test_the_table_has_a_row_for_each_trial_of_each_type(found):
    table = found.table
    assert len(table) == 5 * len(SMALL)
    assert table["loss"].to_numpy() == pytest.approx(table[["loss_1", "loss_2"]].mean(axis=1).to_numpy())
    row = table[(table["pft"] == "EBF") & (table["trial"] == 77)].iloc[0]
    network, training = SMALL.specs(77)
    assert (row["hidden"], row["dropout"]) == (network.hidden, network.dropout)
    assert (row["batch"], row["learning_rate"], row["epochs"]) == (
        training.batch,
        training.learning_rate,
        training.epochs,
    )
    assert (table["seconds"] > 0).all()
    assert (table.groupby("pft")["within_one_se"].sum() >= 1).all()


def test_longer_training_of_a_trajectory_takes_longer_and_learns(found):
    by_epochs = found.table.groupby("epochs")[["loss", "seconds"]].median()
    assert by_epochs["seconds"].is_monotonic_increasing
    assert by_epochs["loss"].is_monotonic_decreasing


def test_a_sample_is_part_of_the_whole(made, found):
    part = run(made, SMALL, sample=10).table
    whole = found.table.set_index(["pft", "trial"])
    assert len(part) == 5 * 10
    same = whole.loc[pd.MultiIndex.from_frame(part[["pft", "trial"]])]
    np.testing.assert_allclose(part["loss"], same["loss"], rtol=1e-5)


def test_halving_trains_fewer_for_longer_and_scores_them_as_the_exhaustive_search_does(made, found):
    half = run(made, SMALL, method="halving").table
    both = half.merge(found.table, on=["pft", "trial"], suffixes=("", "_all"))
    scored = both[both["loss"].notna()]
    counts = scored.groupby(["pft", "epochs"]).size().unstack()
    assert (counts[1] == 32).all()
    assert (counts[2] == 8).all()
    assert (counts[4] == 2).all()
    np.testing.assert_allclose(scored["loss"], scored["loss_all"], rtol=1e-4)
    for pft in ("MF", "DBF"):  # those that go on are the best of the first rung
        first = both[(both["pft"] == pft) & (both["epochs"] == 1)].sort_values("loss_all")
        went_on = set(scored[(scored["pft"] == pft) & (scored["epochs"] == 2)]["trial"] // 3)
        assert went_on == set(first["trial"][:8] // 3)


def test_a_diverged_trial_is_recorded_and_disturbs_no_other(made):
    wild = run(made, replace(TINY, learning_rate=(3e-3, 1e38)), pfts=["MF"]).table
    calm = run(made, replace(TINY, learning_rate=(3e-3,)), pfts=["MF"]).table
    bad = wild["learning_rate"] > 1
    assert np.isinf(wild["loss"][bad]).any()
    assert not wild["within_one_se"][bad].any()
    np.testing.assert_allclose(wild["loss"][~bad], calm["loss"], rtol=1e-5)


def test_a_type_with_too_few_windows_is_left_out_with_its_reason(made):
    ds = made.copy(deep=True)
    ds["NEE"] = ds["NEE"].where((ds.pft != "DNF") | (ds.time < ds.time[8]))
    some = run(ds)
    assert "DNF" not in some.pfts
    assert "DNF has" in some.left_out["DNF"]
    assert "not searched: DNF has" in repr(some)
    with pytest.raises(ValueError, match="DNF has 10 training windows, too few for 2 inner folds"):
        run(ds, pfts=["MF", "DNF"])


def test_a_search_says_what_it_found(found):
    text = repr(found)
    assert "480 trials scored" in text
    assert "MF   hidden" in text
    assert "of 96 within one SE" in text
    assert "&lt;Search" in found._repr_html_()
    assert str(found.best("MF")) in text


def test_saved_and_loaded_is_the_same(found, tmp_path):
    loaded = load_search(found.save(tmp_path / "one" / "kept"))
    pd.testing.assert_frame_equal(loaded.table, found.table)
    assert loaded.space == found.space
    assert dict(loaded.settings) == dict(found.settings)
    assert loaded.best("MF") == found.best("MF")
    with pytest.raises(FileExistsError, match="never overwritten"):
        found.save(tmp_path / "one" / "kept")


def test_the_outer_test_sets_the_rule_beside_the_best_score(made, tmp_path):
    small = run(made, out=tmp_path / "out", pfts=["MF"])
    scores = small.outer(made, members=2)
    assert scores["rule"].tolist() == ["one-se", "argmax"]
    assert scores["windows"].tolist() == [12, 12]
    assert (scores["RMSE_se"] > 0).all()
    assert small.best("MF").loss >= small.best("MF", rule="argmax").loss
    again = load_search(tmp_path / "out")
    pd.testing.assert_frame_equal(again.outer(made * np.nan, members=2), scores)  # looked at once, kept since


def test_the_outer_test_needs_the_same_towers_and_months_held_out(made):
    small = run(made, pfts=["MF"])
    with pytest.raises(ValueError, match="outer needs the towers that were searched"):
        small.outer(made.isel(time=slice(None, -1)))
    with pytest.raises(ValueError, match="months that were held out and at least 1 member"):
        small.outer(made, members=0)
    with pytest.raises(ValueError, match="got test_fraction=0"):
        run(made, pfts=["MF"], test_fraction=0).outer(made)


# refusals


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "random"}, "method must be 'exhaustive' or 'halving', got 'random'"),
        ({"inner": "random"}, "inner must be 'temporal' or 'leave-site-out'"),
        ({"folds": 1}, "at least 2 inner folds"),
        ({"folds": 20}, "no forest type has enough windows"),
        ({"pfts": ["MF"], "folds": 20}, "MF has 56 training windows, too few for 20 inner folds"),
        ({"pfts": ["GRA"]}, r"a PFT must be one of.*\['GRA'\]"),
        ({"pfts": []}, "no forest type has enough windows"),
        ({"sample": 0}, "sample must be a whole number of trials from 2 to the 16"),
        ({"sample": 17}, "sample must be a whole number of trials from 2 to the 16 of the space, got 17"),
        ({"seed": -1}, "seed must be a whole number from 0 on"),
        ({"seed": 0.5}, "seed must be a whole number from 0 on"),
        ({"workers": 0}, "workers at least 1"),
        ({"test_fraction": 1.0}, "test_fraction must be a number of at least 0 and below 1"),
        ({"device": "tpu"}, "device must be 'cpu'"),
        ({"lags": 40}, "no complete window"),
    ],
)
def test_a_search_that_makes_no_sense_is_refused(made, settings, message):
    with pytest.raises(ValueError, match=message):
        run(made, **settings)


def test_one_site_cannot_be_left_out(towers):
    with pytest.raises(ValueError, match="MF has one site, so that none can be left out"):
        run(towers(), inner="leave-site-out", pfts=["MF"])


def test_a_space_is_a_space(made):
    with pytest.raises(TypeError, match="space must be a Space"):
        search(made, {"hidden": (4,)})


def test_a_site_mask_of_the_wrong_kind_is_not_silently_taken(made):
    samples = training_windows(made, None, lags=2)
    with pytest.raises(ValueError, match="no forest type has enough windows"):
        inner_material(samples, np.zeros(samples.sizes["sample"], bool), inner="temporal", folds=2, seed=0, pfts=None)


def test_every_name_of_a_space_is_needed():
    with pytest.raises(TypeError, match="missing 1 required keyword-only argument: 'epochs'"):
        Space(hidden=(4,), batch=(8,), learning_rate=(0.1,), weight_decay=(0,), dropout=(0,))


def test_results_of_other_networks_are_not_taken_for_these(towers, tmp_path):
    ds = towers(sites=10)
    whole = run(ds, out=tmp_path / "one")
    stacks = sorted((tmp_path / "one" / "stacks").glob("*.npz"))
    content = [file.read_bytes() for file in stacks]
    for file, other in zip(stacks, content[::-1], strict=True):
        file.write_bytes(other)
    (tmp_path / "one" / "table.npz").unlink()
    assert_same_table(run(ds, out=tmp_path / "one").table, whole.table)


def test_a_search_of_another_version_is_refused(towers, tmp_path):
    ds = towers()
    run(ds, out=tmp_path / "one")
    card = json.loads((tmp_path / "one" / "settings.json").read_text())
    card["settings"]["versions"]["torch"] = "1.0"
    (tmp_path / "one" / "settings.json").write_text(json.dumps(card))
    with pytest.raises(ValueError, match="holds a search with other settings: versions"):
        run(ds, out=tmp_path / "one")


def test_names_of_types_may_be_numpy_text_or_one_word(towers):
    ds = towers(sites=10)
    tables = [run(ds, pfts=names).table for names in (["MF"], np.array(["MF"]), "MF")]
    assert_same_table(tables[0], tables[1])
    assert_same_table(tables[0], tables[2])


@pytest.mark.parametrize("words", ["{}", "[]"])
def test_settings_of_something_else_are_refused(towers, tmp_path, words):
    (tmp_path / "settings.json").write_text(words)
    with pytest.raises(ValueError, match="is not that of a search"):
        run(towers(), out=tmp_path)


def test_a_saved_search_can_be_gone_on_with(towers, tmp_path):
    ds = towers()
    found = run(ds)
    found.save(tmp_path / "saved")
    assert_same_table(run(ds, out=tmp_path / "saved").table, found.table)
    for name in ("space.json", "settings.json"):
        before = (tmp_path / "saved" / name).read_text()
        (tmp_path / "saved" / name).write_text("{}")
        with pytest.raises(ValueError, match="holds no search that can be read"):
            load_search(tmp_path / "saved")
        (tmp_path / "saved" / name).write_text(before)
