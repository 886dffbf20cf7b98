import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr

from xnee.models.approach import approach
from xnee.models.ensembles import fit_ensembles, window_weight
from xnee.models.fitting import fit
from xnee.models.lstm import LSTMSpec, forward_series
from xnee.models.scaling import Scaler, window_features
from xnee.models.search.running import search
from xnee.models.search.space import Space
from xnee.models.selection import _choose
from xnee.models.stopping import BestWeights
from xnee.models.training import FitSpec, Job, train
from xnee.models.training_set import temporal_split
from xnee.pft import PFTS
from xnee.sources.synthetic import synthetic_towers
from xnee.windowing import windows

QUICK = FitSpec(epochs=2, batch=32)


def test_the_last_windows_of_every_site_are_held_out(towers):
    samples = windows(towers(gaps=0.1), lags=2)
    keep = temporal_split(samples, 0.25)
    for site in np.unique(samples.site.values):
        own = samples.site.values == site
        assert samples.time.values[own & keep].max() < samples.time.values[own & ~keep].min()
        assert (own & ~keep).sum() == int(own.sum() * 0.25)


def test_held_out_months_change_nothing_in_a_model(towers):
    ds = towers()
    changed = ds.copy(deep=True)
    late = windows(ds, lags=2)
    first_test = late.time.values[~temporal_split(late, 0.2)].min()
    changed["NEE"] = changed["NEE"].where(changed.time < first_test, -500.0).assign_attrs(ds.NEE.attrs)
    one, two = (fit(d, lags=2, members=1, strategy="per-pft", training=QUICK) for d in (ds, changed))
    assert one.fingerprint == two.fingerprint
    assert float(one.scores["RMSE"].sel(split="test", pft="all")) != float(
        two.scores["RMSE"].sel(split="test", pft="all")
    )


def test_same_seed_same_model_other_seed_other_model(towers):
    prints = [
        fit(towers(), lags=1, members=2, seed=s, strategy="fine-tuned", training=QUICK).fingerprint for s in (0, 0, 1)
    ]
    assert prints[0] == prints[1] != prints[2]


@pytest.mark.parametrize("strategy", ["per-pft", "pooled", "fine-tuned", "auto"])
def test_a_type_without_towers_falls_back_and_says_so(towers, strategy):
    ds = towers(sites=8)
    ds = ds.sel(site=ds.pft != "DNF")
    model = fit(ds, lags=2, members=1, strategy=strategy, training=QUICK)
    assert model.fallback == ("DNF",)
    assert model.ensembles["DNF"].approach.strategy == "pooled"
    assert "DNF*" in repr(model)
    assert "* too few windows (DNF): predicted by networks that learned from other types" in repr(model)
    assert "DNF*" in model._repr_html_()


def test_a_type_that_training_never_saw_is_the_mean_of_those_that_it_saw(towers):
    ds = towers(sites=8)
    model = fit(ds.sel(site=ds.pft != "DNF"), lags=2, members=1, strategy="pooled", training=QUICK)
    pooled = model.ensembles["DNF"]
    samples = windows(ds, lags=2).isel(sample=[0])
    features = window_features(samples.assign_coords(pft=("sample", ["DNF"])), pooled.inputs)
    features[..., -len(PFTS) :] = pooled.scaler.mean[-len(PFTS) :]
    x = torch.from_numpy(pooled.scaler.features(features))
    weights = {name: torch.from_numpy(value) for name, value in pooled.weights.items()}
    by_hand = pooled.scaler.to_target(forward_series(weights, x[None], 3).numpy())[0, 0, 0]
    own = samples["context"].to_numpy()
    assert model.predict_series("DNF", samples["x"].to_numpy(), own)[0, 0, -1] == pytest.approx(by_hand, rel=1e-5)


def test_pooled_means_one_ensemble_for_all_that_reads_the_type(towers):
    ds = towers()
    model = fit(ds, lags=2, members=1, strategy="pooled", training=QUICK)
    assert len(model.distinct()) == 1
    assert model.fallback == ()
    x = windows(ds, lags=2)["x"].to_numpy()[:1]
    assert model.predict_series("DBF", x)[0, 0, -1] != model.predict_series("MF", x)[0, 0, -1]


def test_fine_tuned_networks_start_from_the_pooled_ones(towers):
    ds, settings = towers(), {"lags": 2, "members": 2, "min_windows": 1}
    pooled = approach("pooled", context=True, training=QUICK)
    still = replace(approach("fine-tuned", context=True, training=QUICK), tuning=FitSpec(epochs=1, learning_rate=1e-30))
    one = fit(ds, strategy=dict.fromkeys(PFTS, pooled), **settings)
    other = fit(ds, strategy=dict.fromkeys(PFTS, still), **settings)
    assert len(one.distinct()) == 1
    assert len(other.distinct()) == len(PFTS)
    x = windows(ds, lags=2)["x"].to_numpy()
    for pft in PFTS:
        np.testing.assert_allclose(other.predict_series(pft, x), one.predict_series(pft, x), rtol=1e-5)
    moved = fit(ds, strategy="fine-tuned", training=QUICK, **settings)
    assert np.abs(moved.predict_series("MF", x) - one.predict_series("MF", x))[..., -1].max() > 0.01


def test_networks_with_context_read_it_and_others_do_not(towers):
    ds = towers()
    x = windows(ds, lags=2)["x"].to_numpy()[:1]
    here, there = (np.full((1, 2, x.shape[-1]), value) for value in (5.0, 15.0))
    for context in (True, False):
        model = fit(ds, lags=2, members=1, strategy="pooled", context=context, training=QUICK)
        one, other = (model.predict_series("MF", x, place)[0, 0, -1] for place in (here, there))
        assert (one != other) is np.bool_(context)


def test_a_site_predicted_from_its_series_equals_its_windows(towers):
    """Windows carry the context of the whole record; so does the series."""
    ds = towers()
    model = fit(ds, lags=2, members=2, strategy="pooled", training=QUICK)
    samples = windows(ds, lags=2)
    by_window = model.predict_windows(samples)
    x = np.stack([ds[name].to_numpy() for name in model.window.drivers], axis=-1)
    for k, site in enumerate(ds.site.values):
        own = samples.site.values == site
        when = np.searchsorted(ds.time.values, samples.time.values[own])
        series = model.predict_series(str(ds.pft.values[k]), x[[k]])[:, 0, when]
        np.testing.assert_allclose(by_window.values[:, own], series, rtol=1e-4, atol=1e-4)


def test_auto_says_what_it_tried_and_why_it_chose(towers):
    ds = towers(sites=15)
    model = fit(ds, lags=2, members=1, training=FitSpec(epochs=4))
    record = pd.DataFrame(model.provenance["selection"])
    assert set(record["pft"]) == set(PFTS)
    assert len(record) == len(PFTS) * 4
    chosen = record[record["chosen"]].set_index("pft")
    for pft in PFTS:
        assert chosen.loc[pft, "approach"] == str(model.ensembles[pft].approach)
    json.dumps(model.provenance)


@pytest.mark.parametrize(
    ("own", "others", "expected", "reason"),
    [
        ((1, 3), (1, 1), ("per-pft", "per-pft"), "the first candidate, over all types none is lower"),
        ((3, 1), (1, 1.5), ("pooled", "per-pft"), "lower for this type by more than two standard errors than per-pft"),
        ((3, 1), (3, 1), ("pooled", "pooled"), "lower over all types by more than two standard errors than per-pft"),
        ((1.02, 1), (1, 1), ("per-pft", "per-pft"), "the first candidate"),
    ],
)
def test_auto_leaves_its_first_candidate_only_for_one_that_is_surely_better(towers, own, others, expected, reason):
    """Candidates with known errors at the sites of one type and of the others."""
    samples = windows(towers(sites=50, years=4), lags=1)
    mask = np.ones(samples.sizes["sample"], dtype=bool)
    ways = [approach("per-pft", context=False), approach("pooled", context=False)]
    mine, rng = samples["pft"].to_numpy() == "MF", np.random.default_rng(0)
    error = np.stack([np.where(mine, own[k], others[k]) * rng.normal(0, 100, mine.size) for k in range(2)])
    selection = _choose(samples, mask, ways, error, np.ones(mine.size))
    assert (selection.approaches["MF"].strategy, selection.approaches["DBF"].strategy) == expected
    (given,) = (row["reason"] for row in selection.record if row["chosen"] and row["pft"] == "MF")
    assert given.startswith(reason)


def test_types_of_few_sites_follow_all_types(towers):
    samples = windows(towers(sites=20, years=4), lags=1)  # four of each type
    mask = np.ones(samples.sizes["sample"], dtype=bool)
    ways = [approach("per-pft", context=False), approach("pooled", context=False)]
    mine, rng = samples["pft"].to_numpy() == "MF", np.random.default_rng(0)
    error = np.stack([np.where(mine, 3 - 2 * k, 1) * rng.normal(0, 100, mine.size) for k in range(2)])
    selection = _choose(samples, mask, ways, error, np.ones(mine.size))
    assert selection.approaches["MF"].strategy == "per-pft"


def test_auto_does_not_see_the_held_out_months(towers):
    ds = towers(sites=10)
    late = windows(ds, lags=2)
    first_test = late.time.values[~temporal_split(late, 0.2)].min()
    changed = ds.assign(NEE=ds["NEE"].where(ds.time < first_test, -500.0).assign_attrs(ds.NEE.attrs))
    records = [fit(d, lags=2, members=1, training=QUICK).provenance["selection"] for d in (ds, changed)]
    assert records[0] == records[1]


def test_a_type_with_few_sites_takes_what_is_taken_for_all(towers):
    model = fit(towers(sites=5), lags=2, members=1, training=QUICK)
    assert len({row["approach"] for row in model.provenance["selection"] if row["chosen"]}) == 1


def test_members_weigh_sites_by_chance_unless_told_otherwise(towers):
    samples = windows(towers(sites=25), lags=2)
    way = {"MF": approach("per-pft", context=False, training=QUICK)}
    keep = [np.ones(samples.sizes["sample"], dtype=bool)]
    settings = {"seed": 0, "min_windows": 1}
    boot, plain = (
        fit_ensembles(samples, keep, [way], members=2, bootstrap=b, **settings)[0]["MF"] for b in (True, False)
    )
    alone = fit_ensembles(samples, keep, [way], members=1, bootstrap=True, **settings)[0]["MF"]
    np.testing.assert_array_equal(alone.weights["head"][0], plain.weights["head"][0])
    assert np.abs(boot.weights["head"][0] - plain.weights["head"][0]).max() > 1e-4
    assert boot.scaler.target_mean == plain.scaler.target_mean


def test_a_share_of_windows_is_a_weight(towers):
    samples = windows(towers(), lags=2)
    x, y = samples["x"].to_numpy(), samples["NEE"].to_numpy()
    rows, weight, share = np.arange(60), np.ones(y.size), np.random.default_rng(0).uniform(0.1, 3, 60)
    job = Job(rows, Scaler.of(x[rows], y[rows]), 0, LSTMSpec(hidden=4), QUICK)
    weighted = weight.copy()
    weighted[rows] = share
    one, other = train(x, y, [replace(job, share=share)], weight=weight), train(x, y, [job], weight=weighted)
    for name, value in one.items():
        np.testing.assert_array_equal(value, other[name])


def test_a_search_decides_on_drivers_lags_and_networks(towers):
    ds = towers()
    space = Space(hidden=(3, 5), batch=(16,), learning_rate=(0.01,), weight_decay=(0,), dropout=(0,), epochs=(1, 2))
    found = search(ds, space, ["TEMP"], lags=1, folds=2, pfts=["MF"], progress=False, workers=1)
    model = fit(ds, found, members=2)
    best = found.best("MF")
    assert model.window.drivers == ("TEMP",)
    assert model.window.lags == 1
    assert model.ensembles["MF"].approach.network == best.network
    assert model.ensembles["MF"].approach.training == best.training
    assert model.ensembles["DBF"].approach.strategy == "pooled"
    assert model.strategy == "searched"
    assert model.provenance["search"]["windows"] == found.settings["windows"]
    with pytest.raises(ValueError, match="the search was made with lags=1, so its choices hold for these; got lags=2"):
        fit(ds, found, lags=2)
    with pytest.raises(ValueError, match=r"made with test_fraction=0.2, .* got test_fraction=0.5. Leave"):
        fit(ds, found, test_fraction=0.5)
    with pytest.raises(ValueError, match=r"a search has decided on .*; leave strategy, network out"):
        fit(ds, found, strategy="pooled", network=LSTMSpec(hidden=64))


def test_a_type_of_few_windows_is_predicted_as_one_of_none(towers):
    """Three windows of a type must not make its column of ones and zeros a switch that is thrown 28 deviations far."""
    ds = towers(sites=10, years=4)
    few = ds.copy(deep=True)
    dnf = np.flatnonzero(ds.pft == "DNF")
    few["NEE"][dnf, 5:] = np.nan
    none = ds.sel(site=ds.pft != "DNF")
    settings = {"lags": 2, "members": 1, "strategy": "pooled", "test_fraction": 0.0}
    one, other = (fit(d, **settings) for d in (few, none))
    assert one.fallback == other.fallback == ("DNF",)
    assert np.isinf(one.ensembles["DNF"].scaler.std[-len(PFTS) :][PFTS.index("DNF")])
    samples = windows(ds, lags=2)
    samples = samples.isel(sample=samples["pft"].to_numpy() == "DNF")
    with_few, without = (
        float(np.sqrt(((m.predict_windows(samples)[0] - samples["NEE"]) ** 2).mean())) for m in (one, other)
    )
    assert with_few < without + 3  # g C m-2 month-1; it was 30 more


def test_errors_of_held_out_months_weigh_nothing(towers):
    ds = towers()
    ds["NEE_SE"] = xr.zeros_like(ds["NEE"]) + 10.0
    ds["NEE_SE"][:, 3] = np.nan
    late = windows(ds, lags=2)
    first_test = late.time.values[~temporal_split(late, 0.2)].min()
    changed = ds.assign(NEE_SE=ds["NEE_SE"].where(ds.time < first_test, 500.0))
    one, two = (fit(d, lags=2, members=1, strategy="per-pft", training=QUICK) for d in (ds, changed))
    assert one.fingerprint == two.fingerprint


def test_settings_are_kept_by_what_stands_in_and_by_tuning(towers):
    ds = towers(sites=8)
    ds = ds.sel(site=ds.pft != "DNF")
    spec = FitSpec(epochs=2, loss="squared")
    model = fit(ds, lags=2, members=1, strategy="fine-tuned", network=LSTMSpec(hidden=5), training=spec)
    assert model.ensembles["DNF"].approach.network.hidden == 5
    assert model.ensembles["DNF"].approach.training == spec
    assert model.ensembles["MF"].approach.tuning == replace(spec, epochs=10, learning_rate=1e-3)


def test_without_drivers_of_context_auto_tries_each_strategy_once(towers):
    model = fit(towers().rename(TEMP="TS"), ["TS"], lags=1, members=1, training=QUICK)
    tried = {row["approach"] for row in model.provenance["selection"]}
    assert tried == {"fine-tuned", "pooled", "per-pft"}


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"seed": -1}, ValueError, "seed must be a whole number from 0 on, got -1"),
        ({"seed": 0.5}, ValueError, "seed must be a whole number"),
        ({"min_windows": 0}, ValueError, "min_windows must be a whole number from 1 on, got 0"),
        ({"network": {"hidden": 4}}, TypeError, r"network must be a LSTMSpec, e.g. xnee.LSTMSpec\(\)"),
        ({"training": {"epochs": 4}}, TypeError, r"training must be a FitSpec"),
        ({"strategy": {"ENF": "pooled"}}, TypeError, "a strategy by type names approaches"),
    ],
)
def test_settings_of_another_kind_are_refused(towers, settings, error, message):
    with pytest.raises(error, match=message):
        fit(towers(), **{"lags": 1, "training": QUICK, **settings})


@pytest.mark.parametrize("settings", [{"epochs": "60"}, {"learning_rate": np.nan}, {"weight_decay": np.inf}])
def test_a_spec_refuses_what_is_no_finite_number(settings):
    with pytest.raises(ValueError, match="training needs positive, finite settings"):
        FitSpec(**settings)


@pytest.mark.parametrize("hidden", [8.5, "8", 0, True])
def test_a_network_has_a_whole_number_of_units(hidden):
    with pytest.raises(ValueError, match="an LSTM needs a whole number of hidden units"):
        LSTMSpec(hidden=hidden)


def test_adding_a_constant_to_a_driver_changes_nothing_after_refit(towers):
    ds = towers()
    moved = ds.assign(TEMP=(ds.TEMP + 20).assign_attrs(ds.TEMP.attrs))
    samples = [windows(d, lags=1) for d in (ds, moved)]
    models = [fit(d, lags=1, members=1, strategy="fine-tuned", training=QUICK) for d in (ds, moved)]
    one, two = (m.predict_windows(s) for m, s in zip(models, samples, strict=True))
    np.testing.assert_allclose(one, two, atol=0.05)


def test_a_known_formula_is_learned(towers):
    model = fit(towers(sites=10, years=6), lags=3, members=2, strategy="fine-tuned", training=FitSpec(epochs=40))
    assert float(model.scores["R2"].sel(split="test", pft="all")) > 0.9
    assert model.scores.sizes["pft"] == len(PFTS) + 1
    assert model.scores["R2_site"].dims == ("split", "site")


@pytest.mark.parametrize(
    ("change", "settings", "message"),
    [
        (lambda ds: ds.drop_vars("NEE"), {}, "training needs towers"),
        (lambda ds: ds.drop_vars("pft"), {}, "training needs towers"),
        (lambda ds: ds.assign_coords(pft=("site", ["GRA"] * 5)), {}, r"a PFT must be one of.*\['GRA'\]"),
        (
            lambda ds: ds.assign_coords(pft=("site", [""] * 5)),
            {},
            r"5 sites have no forest type.*read_fluxnet\(..., sites=...\)",
        ),
        (lambda ds: ds, {"members": 0}, "members must be a whole number from 1 on, got 0"),
        (lambda ds: ds, {"members": 2.5}, "members must be a whole number from 1 on, got 2.5"),
        (lambda ds: ds, {"strategy": "best"}, r"strategy must be one of .*'auto' to let left-out sites decide"),
        (lambda ds: ds, {"strategy": {"GRA": None}}, r"a PFT must be one of.*'GRA'"),
        (lambda ds: ds, {"test_fraction": 1.0}, "test_fraction must be a number of at least 0 and below 1"),
        (lambda ds: ds, {"lags": 40}, "no complete window of 41 months was found in 180 site-months"),
    ],
)
def test_what_cannot_be_trained_on_is_refused(towers, change, settings, message):
    with pytest.raises(ValueError, match=message):
        fit(change(towers()), **{"lags": 1, "training": QUICK, **settings})


def test_a_diverged_network_is_an_error(towers):
    with pytest.raises(FloatingPointError, match=r"a network \(seed 0, 140 windows\) diverged"):
        fit(towers(), lags=1, members=1, strategy="pooled", training=FitSpec(epochs=3, learning_rate=1e38))


def test_badly_known_months_count_less(towers):
    ds = towers(sites=5)
    ds["NEE_SE"] = ds["NEE"] * 0 + 20.0
    ds["NEE_SE"][0] = np.nan
    with_error, without = window_weight(windows(ds, lags=1)), window_weight(windows(ds.drop_vars("NEE_SE"), lags=1))
    np.testing.assert_allclose(with_error, without / 2)  # an error as large as the model's: half the weight


def test_without_standard_errors_the_share_that_was_measured_is_the_weight(towers):
    ds = towers(sites=5)
    ds["NEE_QC"] = xr.zeros_like(ds["NEE"]) + 0.5
    ds["NEE_QC"][0] = np.nan
    with_share, without = window_weight(windows(ds, lags=1)), window_weight(windows(ds.drop_vars("NEE_QC"), lags=1))
    expected = np.where(windows(ds, lags=1)["site"] == ds["site"][0].item(), 1, 0.5)
    np.testing.assert_allclose(with_share, expected * without)
    ds["NEE_SE"] = xr.zeros_like(ds["NEE"]) + 20.0
    np.testing.assert_allclose(window_weight(windows(ds, lags=1)), without / 2)  # errors say more than shares


def test_early_stopping_keeps_the_best_weights_on_windows_set_aside(towers):
    ds = towers(sites=4, years=4)
    samples = windows(ds, lags=2)
    x, y = samples["x"].to_numpy(), samples["NEE"].to_numpy()
    keep = temporal_split(samples, 0.2)
    rows, watched = np.flatnonzero(keep), np.flatnonzero(~keep)
    spec = FitSpec(epochs=12, batch=16, learning_rate=0.2)
    jobs = [Job(rows, Scaler.of(x[rows], y[rows]), seed, LSTMSpec(hidden=4), spec) for seed in (0, 1)]
    losses, states = [], []

    def note(_epoch, weights):
        kept = {name: value.clone() for name, value in weights.items()}
        scaled = forward_series(kept, torch.from_numpy(jobs[0].scaler.features(x[watched]))[None], 3)[..., 0].numpy()
        size = np.abs(scaled - (y[watched] - jobs[0].scaler.target_mean) / jobs[0].scaler.target_std)
        losses.append(np.where(size > 1, size - 0.5, size**2 / 2).mean(axis=1))
        states.append(kept)

    train(x, y, jobs, weight=np.ones(y.size), on_epoch=note)
    best = BestWeights(x, y, jobs, [watched, watched], patience=100)
    train(x, y, jobs, weight=np.ones(y.size), on_epoch=best)
    for k in (0, 1):
        epoch = int(np.argmin([loss[k] for loss in losses]))
        assert best.epoch[k] == epoch + 1
        np.testing.assert_array_equal(best.weights["head"][k], states[epoch]["head"][k].numpy())
    ended = BestWeights(x, y, jobs, [watched, watched], patience=2)
    seen, rough = [], [replace(job, training=replace(spec, epochs=60, schedule="constant")) for job in jobs]
    train(x, y, rough, weight=np.ones(y.size), on_epoch=lambda e, w: seen.append(e) or ended(e, w))
    assert len(seen) == ended.epoch.max() + 2 < 60


def test_early_stopping_is_an_option_of_fit(towers):
    ds = towers(sites=5, years=4)
    settings = {"lags": 2, "members": 2, "strategy": "pooled"}
    stopped = fit(ds, training=FitSpec(epochs=3, patience=1), **settings)
    plain = fit(ds, training=FitSpec(epochs=3), **settings)
    assert stopped.fingerprint != plain.fingerprint
    with pytest.raises(ValueError, match="whole epochs, batch and patience"):
        FitSpec(patience=0)


def test_the_order_of_sites_does_not_matter(towers):
    ds = towers(gaps=0.05)
    ways = {"lags": 1, "members": 2, "strategy": "fine-tuned", "training": QUICK}
    one, other = (fit(d, **ways) for d in (ds, ds.isel(site=slice(None, None, -1))))
    assert one.fingerprint == other.fingerprint


def test_settings_from_files_do_not_break_saving(towers, tmp_path):
    ds = towers().assign_attrs(qc_min=np.int64(0))
    model = fit(ds, lags=1, members=1, seed=np.int64(0), training=QUICK)
    assert model.save(tmp_path / "model").is_dir()


@pytest.mark.parametrize("device", ["gpu", "cuda:99", "cuda:x"])
def test_a_device_that_is_not_there_is_refused(towers, device):
    with pytest.raises(ValueError, match="device must be 'cpu', or 'cuda' where torch sees a GPU"):
        fit(towers(), lags=1, members=1, device=device, training=QUICK)


def test_windows_of_other_lags_are_refused(towers, fitted):
    with pytest.raises(ValueError, match="this model reads windows of 4 months, these have 2"):
        fitted.predict_windows(windows(towers(), fitted.window.drivers, lags=1))


def test_towers_that_cannot_be_what_they_say_are_fitted_with_one_warning():
    sites = synthetic_towers()
    turned = sites.assign(
        NEE=(-sites["NEE"]).assign_attrs(sites["NEE"].attrs),
        PRE=(sites["PRE"] / sites["time"].dt.days_in_month).assign_attrs(sites["PRE"].attrs),
        VPD=(sites["VPD"] / 10).assign_attrs(sites["VPD"].attrs),  # no input here, and no word of it
    )
    settings = {"lags": 1, "members": 1, "strategy": "pooled", "training": FitSpec(epochs=1)}
    said = r"may not be what they say\. NEE: in .* PRE: in 11 of 11 sites"
    with pytest.warns(UserWarning, match=said) as caught:
        fit(turned, ["TEMP", "PRE"], **settings)
    assert len(caught) == 1
    assert "VPD" not in str(caught[0].message)
    fit(sites, ["TEMP", "PRE"], **settings)  # warnings are errors: none here
