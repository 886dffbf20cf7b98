import numpy as np
import pytest

from xnee.evaluation.baselines import pft_seasonal_cycle, random_forest, site_seasonal_cycle
from xnee.evaluation.crossval import crossvalidate, located
from xnee.evaluation.skill import evaluate, skill_table
from xnee.evaluation.splits import site_folds
from xnee.models.per_pft import fit
from xnee.models.training import FitSpec
from xnee.windowing import windows

QUICK = FitSpec(epochs=2, batch=32)


def test_folds_hold_every_site_once_and_spread_the_types():
    site = np.array([f"S{i}" for i in range(12)])
    pft = np.array(["ENF"] * 6 + ["MF"] * 6)
    folds = site_folds(np.repeat(site, 3), np.repeat(pft, 3), folds=3)
    assert sorted(name for fold in folds for name in fold) == sorted(site)
    kind = dict(zip(site, pft, strict=True))
    assert all(sorted(kind[s] for s in fold) == ["ENF", "ENF", "MF", "MF"] for fold in folds)


def test_a_left_out_site_leaves_no_trace_in_its_prediction(towers):
    ds = towers(sites=10, years=2)
    spoiled = ds.copy(deep=True)
    spoiled["NEE"][3] = np.where(np.arange(24) % 2, 400.0, -600.0)
    runs = [crossvalidate(d, lags=1, folds=10, members=1, training=QUICK) for d in (ds, spoiled)]
    own = runs[0]["site"].values == "T03"
    for one, two in zip(*(run["predicted"].values[:, own] for run in runs), strict=True):
        np.testing.assert_allclose(one, two)


def test_the_temporal_scheme_equals_a_fit(towers):
    ds = towers(sites=5, years=3)
    cv = crossvalidate(ds, scheme="temporal", lags=2, members=1, training=QUICK)
    model = fit(ds, lags=2, members=1, training=QUICK)
    np.testing.assert_allclose(
        cv["R2"].sel(predictor="xnee", pft="all"), model.scores["R2"].sel(split="test", pft="all"), rtol=1e-4
    )


def test_seasonal_cycles_equal_a_slow_loop(towers):
    ds = towers(sites=6, years=3)
    ds = ds.assign_coords(lat=("site", [10.0, -10.0] * 3))
    samples = located(windows(ds, lags=0), ds)
    training = np.arange(samples.sizes["sample"]) % 5 > 0
    month = samples.time.dt.month.values
    for baseline, key in ((site_seasonal_cycle, "site"), (pft_seasonal_cycle, "pft")):
        season = np.where(samples.lat.values < 0, (month + 5) % 12 + 1, month)
        predicted, group = baseline(samples, training), samples[key].values
        for k in range(0, samples.sizes["sample"], 7):
            same = training & (group == group[k]) & (season == season[k])
            assert predicted[k] == pytest.approx(samples.NEE.values[same].mean())


def test_a_random_forest_learns_the_formula(towers):
    samples = windows(towers(sites=10, years=6), lags=3)
    training = np.arange(samples.sizes["sample"]) % 5 > 0
    predicted = random_forest(samples, training)[~training]
    assert np.corrcoef(predicted, samples.NEE.values[~training])[0, 1] > 0.9


def test_evaluate_shows_both_schemes(towers):
    ds = towers(sites=10, years=2)
    model = fit(ds, lags=1, members=1, training=QUICK)
    scores = evaluate(ds, model, folds=3)
    assert scores["scheme"].values.tolist() == ["temporal", "leave-site-out"]
    temporal = float(scores["R2"].sel(scheme="temporal", predictor="xnee", pft="all"))
    assert temporal == pytest.approx(float(model.scores["R2"].sel(split="test", pft="all")), rel=1e-4)
    text = skill_table(scores)
    assert "leave-site-out: 3 folds of sites, trained anew" in text
    assert "random forest" in text


def test_one_scheme_is_no_skill_table(towers):
    cv = crossvalidate(towers(), lags=1, scheme="temporal", members=1, training=QUICK)
    with pytest.raises(ValueError, match="skill_table lays out what evaluate gives"):
        skill_table(cv)


def test_evaluate_refuses_other_towers(towers):
    ds = towers(sites=5, years=2)
    model = fit(ds, lags=1, members=1, training=QUICK)
    with pytest.raises(ValueError, match="needs the towers that the model was fitted on"):
        evaluate(ds.isel(site=slice(0, 3)), model)
    with pytest.raises(ValueError, match="month by month: 5 sites with 115 windows; got 5 sites with 95 windows"):
        evaluate(ds.isel(time=slice(0, 20)), model)
    with pytest.raises(ValueError, match="no month is left to test it on"):
        evaluate(ds, fit(ds, lags=1, members=1, test_fraction=0, training=QUICK))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"folds": 1}, "at least 2 folds and 2 sites"),
        ({"scheme": "random"}, "scheme must be 'leave-site-out'"),
        ({"scheme": "temporal", "test_fraction": 0}, "no window is left to test on"),
    ],
)
def test_bad_schemes_are_refused(towers, settings, message):
    with pytest.raises(ValueError, match=message):
        crossvalidate(towers(), lags=1, training=QUICK, **settings)


def test_one_site_cannot_be_left_out(towers):
    with pytest.raises(ValueError, match="at least 2 folds and 2 sites, got 10 folds and 1 sites"):
        crossvalidate(towers(sites=1), lags=1, training=QUICK)
