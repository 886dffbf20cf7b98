import numpy as np
import pytest
import xarray as xr

from xnee.census import coverage
from xnee.evaluation.crossval import crossvalidate
from xnee.explanation import explain
from xnee.models.training import FitSpec
from xnee.plotting import _mean_year, plot
from xnee.prediction import predict
from xnee.products.budget import budget


def saved(figure, path):
    figure.savefig(path)
    return path.stat().st_size > 5000


def test_a_map_is_drawn(cube, driver_model, tmp_path):
    assert saved(plot(predict(cube(), driver_model())), tmp_path / "map.png")


def test_the_map_is_the_mean_of_whole_years(cube, driver_model):
    nee = predict(cube(months=36), driver_model(lags=2))["NEE"].compute()
    mean, years = _mean_year(nee)
    assert years == [2002, 2003]  # the first year has no past in January and February
    slow = [float(nee.sel(time=str(y)).isel(lat=2, lon=3).sum()) for y in years]
    assert float(mean[2, 3]) == pytest.approx(np.mean(slow), rel=1e-5)
    assert np.isnan(mean[0, 1])  # no forest


def test_contributions_are_drawn(towers, fitted, tmp_path):
    assert saved(plot(explain(towers(sites=10), fitted, samples=1, background=4)), tmp_path / "why.png")


def test_observed_against_predicted_is_drawn(towers, tmp_path):
    cv = crossvalidate(towers(), lags=1, scheme="temporal", members=1, training=FitSpec(epochs=1))
    assert saved(plot(cv), tmp_path / "cv.png")


@pytest.mark.parametrize("by", [("pft", "year"), ("pft",), ("year",)])
def test_a_budget_is_drawn(cube, driver_model, tmp_path, by):
    assert saved(plot(budget(predict(cube(months=36), driver_model()), by=by)), tmp_path / "budget.png")


def test_anything_else_is_refused():
    with pytest.raises(
        ValueError, match="plot draws what explain, crossvalidate, predict, budget or coverage returned"
    ):
        plot(xr.Dataset({"TEMP": 1.0}))


def test_coverage_is_drawn(towers, tmp_path):
    assert saved(plot(coverage(towers(gaps=0.1))), tmp_path / "coverage.png")


def test_a_climatology_is_no_year(cube, driver_model):
    predicted = predict(cube(months=36).assign_attrs(climatology="the same"), driver_model())
    assert plot(predicted).axes[0].get_title() == "Forest NEE, mean year of a climatology"
