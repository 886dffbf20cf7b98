import numpy as np
import pytest

from xnee.models.per_pft import fit, temporal_split
from xnee.models.training import FitSpec
from xnee.pft import PFTS
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
    one, two = fit(ds, lags=2, members=1, training=QUICK), fit(changed, lags=2, members=1, training=QUICK)
    assert one.fingerprint == two.fingerprint
    assert float(one.scores["RMSE"].sel(split="test", pft="all")) != float(
        two.scores["RMSE"].sel(split="test", pft="all")
    )


def test_same_seed_same_model_other_seed_other_model(towers):
    prints = [fit(towers(), lags=1, members=2, seed=s, training=QUICK).fingerprint for s in (0, 0, 1)]
    assert prints[0] == prints[1] != prints[2]


def test_a_type_without_towers_falls_back_and_says_so(towers):
    ds = towers(sites=8)
    ds = ds.sel(site=ds.pft != "DNF")
    model = fit(ds, lags=2, members=1, training=QUICK)
    assert model.fallback == ("DNF",)
    assert model.ensemble("DNF") is model.ensembles["pooled"]
    assert "DNF*" in repr(model)
    assert "* too few windows (DNF): predicted by one ensemble of" in repr(model)
    assert "DNF*" in model._repr_html_()


def test_pooled_means_one_ensemble_for_all(towers):
    model = fit(towers(), lags=2, members=1, strategy="pooled", training=QUICK)
    assert list(model.ensembles) == ["pooled"]
    assert model.fallback == ()


def test_adding_a_constant_to_a_driver_changes_nothing_after_refit(towers):
    ds = towers()
    moved = ds.assign(PRE=(ds.PRE + 1000).assign_attrs(ds.PRE.attrs))
    samples = [windows(d, lags=1) for d in (ds, moved)]
    models = [fit(d, lags=1, members=1, training=QUICK) for d in (ds, moved)]
    one, two = (m.predict_windows(s) for m, s in zip(models, samples, strict=True))
    np.testing.assert_allclose(one, two, atol=0.05)


def test_a_known_formula_is_learned(towers):
    model = fit(towers(sites=10, years=6), lags=3, members=2, training=FitSpec(epochs=40, batch=32))
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
            r"5 sites have no forest type.*--sites on the command",
        ),
        (lambda ds: ds, {"members": 0}, "members must be at least 1"),
        (lambda ds: ds, {"strategy": "best"}, "strategy 'per-pft' or 'pooled'"),
        (lambda ds: ds, {"test_fraction": 1.0}, "test_fraction must be at least 0 and below 1"),
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
    from xnee.models.ensembles import window_weight

    with_error, without = window_weight(windows(ds, lags=1)), window_weight(windows(ds.drop_vars("NEE_SE"), lags=1))
    np.testing.assert_allclose(with_error, without / 2)  # an error as large as the model's: half the weight


def test_the_order_of_sites_does_not_matter(towers):
    ds = towers(gaps=0.05)
    one, other = (fit(d, lags=1, members=1, training=QUICK) for d in (ds, ds.isel(site=slice(None, None, -1))))
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
