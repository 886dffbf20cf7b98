import numpy as np
import pytest

from xnee.evaluation.crossval import crossvalidate
from xnee.evaluation.skill import evaluate, skill_table
from xnee.models.fitting import fit
from xnee.models.training import FitSpec

QUICK = FitSpec(epochs=2, batch=32)
NAMES = ["PFT seasonal cycle", "site seasonal cycle"]


@pytest.fixture(scope="module")
def both(towers):
    ds = towers(sites=10, years=2)
    return ds, fit(ds, lags=1, members=1, strategy="per-pft", training=QUICK)


def test_evaluate_shows_both_kinds(both):
    ds, model = both
    scores = evaluate(ds, model, folds=3, baselines=NAMES)
    assert scores["scheme"].values.tolist() == ["temporal", "leave-site-out"]
    temporal = float(scores["R2"].sel(scheme="temporal", predictor="xnee", pft="all"))
    assert temporal == pytest.approx(float(model.scores["R2"].sel(split="test", pft="all")), rel=1e-4)
    text = skill_table(scores)
    assert "leave-site-out: 3 folds of sites, trained anew" in text
    assert "PFT seasonal cycle" in text
    n = scores["n"].sel(predictor="site seasonal cycle", pft="all")
    assert n.sel(scheme="temporal") > 0 == n.sel(scheme="leave-site-out")
    assert scores["R2_part"].dims == ("scheme", "predictor", "part", "pft")


def test_the_left_out_half_equals_a_cross_validation(both):
    ds, model = both
    scores = evaluate(ds, model, folds=3, baselines=["PFT seasonal cycle"]).sel(scheme="leave-site-out")
    cv = crossvalidate(
        ds, folds=3, lags=1, members=1, strategy="per-pft", training=QUICK, baselines=["PFT seasonal cycle"]
    )
    np.testing.assert_allclose(scores["RMSE"], cv["RMSE"].sel(predictor=scores["predictor"]))


def test_other_schemes_stand_side_by_side(both, cube):
    ds, model = both
    schemes = ["leave-year-out", "knndm", "spatial-block"]
    scores = evaluate(ds, model, schemes=schemes, folds=2, target=cube(), baselines=["PFT seasonal cycle"])
    assert scores["scheme"].values.tolist() == schemes
    assert scores.attrs["knndm: W"] > 0
    text = skill_table(scores)
    assert "knndm: 2 folds as far from the rest as" in text


def test_one_kind_is_refused_unless_asked(both):
    ds, model = both
    for schemes in (["temporal"], "leave-site-out", ["temporal", "leave-year-out"]):
        with pytest.raises(ValueError, match=r"test one kind of thing only.*alone=True if one kind is really"):
            evaluate(ds, model, schemes=schemes)
    scores = evaluate(ds, model, schemes=["temporal"], baselines=[], alone=True)
    assert scores["scheme"].values.tolist() == ["temporal"]
    with pytest.raises(ValueError, match="test one kind of thing only"):
        skill_table(scores)
    assert "leave-site-out" not in skill_table(scores, alone=True)
    with pytest.raises(ValueError, match=r"baselines of scheme 'temporal' .* got \['magic'\]"):
        evaluate(ds, model, baselines=["magic"])
    for schemes in (["magic"], [], ["temporal", "temporal"]):
        with pytest.raises(ValueError, match="schemes must name some of"):
            evaluate(ds, model, schemes=schemes)


def test_a_cross_validation_is_no_skill_table_unless_asked(towers):
    cv = crossvalidate(towers(), lags=1, scheme="temporal", members=1, training=QUICK, baselines=[])
    with pytest.raises(ValueError, match="skill_table lays out what evaluate gives"):
        skill_table(cv)
    assert "temporal: the last 20% of each site's windows." in skill_table(cv, alone=True)


def test_the_first_is_marked_and_those_within_one_standard_error(both):
    ds, model = both
    scores = evaluate(ds, model, folds=3, baselines=NAMES).isel(scheme=[0, 1]).copy(deep=True)
    at = {"scheme": "temporal", "pft": "all"}
    for name, values in (("R2", [0.70, 0.66, 0.5]), ("R2_se", [0.05, 0.9, 0.9]), ("R2_behind", [0, 0.04, 0.2])):
        scores[name].loc[at] = values
    lines = skill_table(scores).splitlines()
    own = lines[next(k for k, line in enumerate(lines) if line.startswith("all")) :]
    assert "0.70 ± 0.05" in own[1]
    assert [line[44:72].strip()[-1] in "*+" for line in own[1:4]] == [True, True, False]
    assert own[1][44:72].rstrip().endswith("*")
    assert own[2][44:72].rstrip().endswith("+")


def test_evaluate_refuses_other_towers(towers):
    ds = towers(sites=5, years=2)
    model = fit(ds, lags=1, members=1, strategy="per-pft", training=QUICK)
    with pytest.raises(ValueError, match="needs the towers that the model was fitted on"):
        evaluate(ds.isel(site=slice(0, 3)), model)
    with pytest.raises(ValueError, match="month by month: 5 sites with 115 windows; got 5 sites with 95 windows"):
        evaluate(ds.isel(time=slice(0, 20)), model)
    with pytest.raises(ValueError, match="no month is left to test it on"):
        evaluate(ds, fit(ds, lags=1, members=1, test_fraction=0, strategy="per-pft", training=QUICK))
