import numpy as np
import pytest

from xnee.applicability import applicability_skill
from xnee.evaluation.crossval import crossvalidate
from xnee.models.fitting import fit
from xnee.models.training import FitSpec
from xnee.sources.synthetic import synthetic_towers

SAME = {"lags": 1, "members": 1, "strategy": "per-pft", "training": FitSpec(epochs=2)}
DRIVERS = ["TEMP", "PAR"]


@pytest.fixture(scope="module")
def world():
    """Four towers a type; at one of them all drivers are far from everything."""
    sites = synthetic_towers(sites_per_pft=4, years=2)
    odd = (sites["site"] == sites["site"][0]).astype(float)
    sites["TEMP"] = (sites["TEMP"] + 25 * odd).clip(max=49).assign_attrs(sites["TEMP"].attrs)
    sites["PAR"] = (sites["PAR"] * (1 + odd)).clip(max=1190).assign_attrs(sites["PAR"].attrs)
    scores = crossvalidate(sites, DRIVERS, folds=4, baselines=[], **SAME)
    return sites, scores, fit(sites, DRIVERS, **SAME)


def test_a_tower_unlike_the_others_is_outside(world):
    sites, scores, model = world
    kept = applicability_skill(scores, sites, model=model)
    pft = kept["sample_pft"].to_numpy()
    odd = kept["site"].to_numpy() == str(sites["site"].values[0])
    like = (pft == pft[odd][0]) & ~odd
    index = kept["DI"].to_numpy() / kept["threshold"].to_numpy()
    assert np.median(index[odd]) > 2 * np.median(index[like])
    assert (~kept["inside"].to_numpy()[odd]).mean() > 2 * (~kept["inside"].to_numpy()[like]).mean()


def test_errors_inside_and_outside_are_those_of_all(world):
    sites, scores, model = world
    kept = applicability_skill(scores, sites, model=model)
    both = float((kept["RMSE"] ** 2 * kept["n"]).sel(pft="all").sum() / kept["n"].sel(pft="all").sum()) ** 0.5
    assert both == pytest.approx(float(scores["RMSE"].sel(predictor="xnee", pft="all")), rel=1e-6)
    assert (kept["ratio"] == kept["RMSE"].sel(where="outside") / kept["RMSE"].sel(where="inside")).sel(pft="all")
    low, high = kept["ratio_interval"].sel(pft="all").to_numpy()
    assert low <= float(kept["ratio"].sel(pft="all")) <= high
    np.testing.assert_array_equal(kept["inside"], kept["DI"] <= kept["threshold"])


def test_scores_of_other_towers_or_schemes_are_refused(world):
    sites, scores, model = world
    with pytest.raises(ValueError, match="applicability_skill needs crossvalidate"):
        applicability_skill(scores.isel(sample=slice(9)), sites, model=model)
    temporal = crossvalidate(sites, DRIVERS, scheme="leave-year-out", folds=2, baselines=[], **SAME)
    with pytest.raises(
        ValueError, match=r"that leaves whole sites out; got scores of .* windows \(scheme leave-year-out"
    ):
        applicability_skill(temporal, sites, model=model)
