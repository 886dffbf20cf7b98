import numpy as np
import pytest

from xnee.evaluation import crossval
from xnee.evaluation.crossval import crossvalidate
from xnee.models.fitting import fit
from xnee.models.training import FitSpec

QUICK = FitSpec(epochs=2, batch=32)
FAST = {"lags": 1, "members": 1, "strategy": "per-pft", "training": QUICK, "baselines": []}


def test_a_left_out_site_leaves_no_trace_in_its_prediction(towers):
    ds = towers(sites=10, years=2)
    spoiled = ds.copy(deep=True)
    spoiled["NEE"][3] = np.where(np.arange(24) % 2, 400.0, -600.0)
    settings = FAST | {"baselines": ["PFT seasonal cycle", "random forest, context", "pooled LSTM"]}
    runs = [crossvalidate(d, folds=5, **settings) for d in (ds, spoiled)]
    own = runs[0]["sample_site"].values == "T03"
    for one, two in zip(*(run["predicted"].values[:, own] for run in runs), strict=True):
        np.testing.assert_allclose(one, two)


def test_nor_does_it_in_the_choice_of_the_strategy(towers):
    ds = towers(sites=8, years=2)
    spoiled = ds.assign(NEE=ds.NEE.where(ds.site != "T03", -400.0))
    runs = [
        crossvalidate(d, folds=3, **FAST | {"strategy": "auto", "training": FitSpec(epochs=1)}) for d in (ds, spoiled)
    ]
    own = runs[0]["fold"].values == runs[0]["fold"].values[runs[0]["sample_site"].values == "T03"][0]
    np.testing.assert_allclose(*(run["predicted"].values[:, own] for run in runs))


def test_the_temporal_scheme_equals_a_fit(towers):
    ds = towers(sites=5, years=3)
    cv = crossvalidate(ds, scheme="temporal", **FAST | {"lags": 2})
    model = fit(ds, lags=2, members=1, strategy="per-pft", training=QUICK)
    np.testing.assert_allclose(
        cv["R2"].sel(predictor="xnee", pft="all"), model.scores["R2"].sel(split="test", pft="all"), rtol=1e-4
    )
    assert cv.attrs["test_fraction"] == 0.2


def test_every_scheme_scores_every_predictor_that_applies(towers, cube):
    ds = towers(sites=8, years=3)
    names = ["PFT seasonal cycle"]
    for scheme in ("leave-year-out", "group-k-fold", "spatial-block", "knndm"):
        cv = crossvalidate(ds, scheme=scheme, folds=3, groups="pft", target=cube(), **FAST | {"baselines": names})
        assert cv["predictor"].values.tolist() == ["xnee", *names]
        assert cv.attrs["scheme"] == scheme
        assert int(cv["n"].sel(predictor="xnee", pft="all")) == cv.sizes["sample"]
        assert np.isfinite(cv["R2"].sel(pft="all")).all()
    assert cv.attrs["W"] <= cv.attrs["W_random"]


def test_all_baselines_that_apply_stand_beside_the_networks(towers):
    cv = crossvalidate(towers(sites=5, years=2), scheme="temporal", **FAST | {"baselines": None})
    there = [name for name in cv["predictor"].values.tolist() if "context" not in name]
    assert there == [
        "xnee", "PFT seasonal cycle", "site seasonal cycle", "random forest", "gradient boosting", "pooled LSTM"
    ]  # fmt: skip


def test_a_type_with_one_site_is_predicted_by_the_pooled_networks(towers):
    cv = crossvalidate(towers(sites=5, years=2), folds=5, **FAST)
    assert cv["sites"].sel(pft=["DBF", "all"]).values.tolist() == [1, 5]
    assert np.isfinite(cv["predicted"]).all()
    assert np.isnan(cv["R2_se"].sel(pft="DBF")).all()


def test_a_site_without_nee_is_as_if_it_were_not_there(towers):
    ds = towers(sites=6, years=2)
    empty = ds.copy(deep=True)
    empty["NEE"][5] = np.nan
    one, two = crossvalidate(empty, folds=5, **FAST), crossvalidate(ds.isel(site=slice(0, 5)), folds=5, **FAST)
    np.testing.assert_array_equal(one["predicted"], two["predicted"])
    with pytest.raises(ValueError, match="no complete window of 2 months"):
        crossvalidate(ds.assign(NEE=ds.NEE * np.nan), **FAST)


def test_a_fold_without_predictions_is_refused(towers, monkeypatch):
    def half(_samples, masks, **_settings):
        return np.where(masks[1], np.nan, 1.0)

    monkeypatch.setattr(crossval, "predict_held_out", half)
    with pytest.raises(ValueError, match=r"fold 1 has windows that 'xnee' does not predict, of the sites \['T0"):
        crossvalidate(towers(), folds=3, **FAST)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"folds": 1}, "at least 2 folds; got 1"),
        ({"scheme": "random"}, "scheme must be one of 'temporal'"),
        ({"scheme": "temporal", "test_fraction": 0}, "no window is left to test on"),
        ({"scheme": "group-k-fold"}, "needs groups="),
        ({"baselines": ["site seasonal cycle"]}, "baselines of scheme 'leave-site-out'"),
    ],
)
def test_bad_settings_are_refused_before_any_training(towers, settings, message, monkeypatch):
    monkeypatch.setattr(crossval, "predict_held_out", None)
    with pytest.raises(ValueError, match=message):
        crossvalidate(towers(), **FAST | settings)


def test_one_site_cannot_be_left_out(towers):
    with pytest.raises(ValueError, match="at least 2 folds and 2 sites, got 10 folds and 1 sites"):
        crossvalidate(towers(sites=1), **FAST)


def test_leave_site_out_catches_a_planted_leak(towers):
    """PA is made the site's own number, which tells its mean NEE once the site was seen, and nothing of others."""
    rng = np.random.default_rng(4)
    ds = towers(sites=24, years=4)
    code = rng.permutation(24)
    ds["NEE"] = 0.2 * ds["NEE"] + xr_like(rng.normal(0, 80, 24))
    ds["PA"] = ds["TEMP"] * 0 + 900 + xr_like(code)
    ds["PA"].attrs["units"], ds["NEE"].attrs["units"] = "hPa", "g C m-2 month-1"
    settings = FAST | {"lags": 0, "folds": 4, "baselines": ["random forest"]}
    known = crossvalidate(ds, ["TEMP", "PA"], scheme="temporal", **settings)
    unseen = crossvalidate(ds, ["TEMP", "PA"], scheme="leave-site-out", **settings)
    r2 = [float(cv["R2"].sel(predictor="random forest", pft="all")) for cv in (known, unseen)]
    assert r2[0] > 0.8
    assert r2[1] < 0.2
    part = [float(cv["R2_part"].sel(predictor="random forest", pft="all", part="site mean")) for cv in (known, unseen)]
    assert part[0] > 0.8 > 0.2 > part[1]


def xr_like(values):
    import xarray as xr

    return xr.DataArray(values, dims="site")
