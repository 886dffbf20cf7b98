import numpy as np
import pytest

from xnee.evaluation.networks import predict_held_out, settings_of
from xnee.evaluation.splits import site_masks
from xnee.models.fitting import fit
from xnee.models.training import FitSpec
from xnee.models.training_set import training_windows

QUICK = {"members": 2, "seed": 0, "min_windows": 24, "network": None, "training": FitSpec(epochs=1), "device": "cpu"}


def test_each_window_is_predicted_by_networks_that_never_saw_it(towers):
    samples = training_windows(towers(sites=6, years=2), None, lags=1)
    masks = site_masks(samples, folds=3)[:2]
    predicted = predict_held_out(samples, masks, strategy="per-pft", **QUICK)
    left = masks[0] | masks[1]
    np.testing.assert_array_equal(np.isfinite(predicted), left)
    alone = predict_held_out(samples, masks[1:], strategy="per-pft", **QUICK)
    np.testing.assert_array_equal(alone[masks[1]], predicted[masks[1]])
    spoiled = samples.assign(NEE=samples.NEE.copy(data=np.where(masks[1], 999.0, samples.NEE)))
    again = predict_held_out(spoiled, masks[1:], strategy="per-pft", **QUICK)
    np.testing.assert_array_equal(again[masks[1]], predicted[masks[1]])


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["per-pft", "auto"])
def test_a_cluster_gives_the_same_numbers(towers, strategy):
    from distributed import Client

    samples = training_windows(towers(sites=6, years=2), None, lags=1)
    masks = site_masks(samples, folds=3)
    here = predict_held_out(samples, masks, strategy=strategy, **QUICK)
    with Client(processes=False, n_workers=1, threads_per_worker=2, dashboard_address=None):
        there = predict_held_out(samples, masks, strategy=strategy, **QUICK)
    np.testing.assert_array_equal(here, there)


def test_the_settings_of_a_model_make_the_same_model(towers):
    ds = towers(sites=6, years=2)
    model = fit(ds, lags=1, members=2, strategy="pooled", seed=3, training=FitSpec(epochs=1))
    samples = training_windows(ds, None, lags=1)
    keep = samples.time.dt.year.values == 2001
    again = fit(ds, lags=1, **settings_of(model))
    assert again.fingerprint == model.fingerprint
    assert np.isfinite(predict_held_out(samples, [~keep], **settings_of(model))[~keep]).all()
