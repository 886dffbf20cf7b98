import numpy as np
import pytest

from xnee.evaluation.crossval import crossvalidate
from xnee.evaluation.skill import evaluate
from xnee.models.fitting import fit
from xnee.models.training import FitSpec

QUICK = {"lags": 1, "members": 2, "training": FitSpec(epochs=2)}


@pytest.fixture(scope="module")
def made(towers):
    return towers(sites=10)


@pytest.mark.parametrize("training", [FitSpec(epochs=3), FitSpec(epochs=6, patience=1)])
def test_a_fit_tells_how_far_it_is_and_is_the_same_model(made, capsys, training):
    words = QUICK | {"training": training}
    quiet = fit(made, ["TEMP"], **words)
    assert capsys.readouterr().err == ""
    told = fit(made, ["TEMP"], progress=True, **words)
    assert told.fingerprint == quiet.fingerprint
    shown = capsys.readouterr()
    assert shown.out == ""
    for name in ("select", "train"):
        assert f"{name}:   0%" in shown.err
        assert f"{name}: 100%" in shown.err
    assert "101%" not in shown.err


def test_an_evaluation_names_scheme_and_predictor(made, capsys):
    words = {"folds": 2, "baselines": ["random forest", "pooled LSTM"]}
    model = fit(made, ["TEMP"], **QUICK)
    quiet = evaluate(made, model, **words)
    assert capsys.readouterr().err == ""
    told = evaluate(made, model, progress=True, **words)
    ours = {"predictor": ["xnee", "pooled LSTM"]}  # a forest adds its trees up in any order
    np.testing.assert_array_equal(told["R2"].sel(ours), quiet["R2"].sel(ours))
    shown = capsys.readouterr().err
    for name in (
        "temporal, random forest",
        "temporal, pooled LSTM: train",
        "leave-site-out: select",
        "leave-site-out: train",
        "leave-site-out, random forest",
        "leave-site-out, pooled LSTM: train",
    ):
        assert f"{name}: 100%" in shown


@pytest.mark.slow
def test_folds_on_a_cluster_are_counted(made, capsys):
    from distributed import Client

    with Client(processes=False, n_workers=1, threads_per_worker=1, dashboard_address=None):
        crossvalidate(made, ["TEMP"], folds=2, baselines=[], strategy="pooled", progress=True, **QUICK)
    assert "leave-site-out: 100%" in capsys.readouterr().err
