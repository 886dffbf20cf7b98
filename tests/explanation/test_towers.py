from dataclasses import replace
from functools import cache
from itertools import combinations
from math import factorial

import numpy as np
import pytest
import xarray as xr

from xnee.explanation import explain
from xnee.explanation.towers import _cost
from xnee.models.fitting import fit
from xnee.models.training import FitSpec
from xnee.sources.synthetic import synthetic_towers
from xnee.windowing import windows

SIX = ["TEMP", "PRE", "VPD", "WD", "PAR", "FAPAR"]


@pytest.fixture(scope="module")
def world():
    """Synthetic towers and a tiny model of six drivers, one of them a direction."""
    sites = synthetic_towers()
    return sites, fit(sites, SIX, lags=2, members=2, strategy="per-pft", training=FitSpec(epochs=2))


def shapley_by_definition(value, players):
    """Shapley's formula, one coalition at a time; `value` of a set of players is a number."""
    phi = np.zeros(players)
    for k in range(players):
        others = [j for j in range(players) if j != k]
        for size in range(players):
            weight = factorial(size) * factorial(players - size - 1) / factorial(players)
            phi[k] += weight * sum(value(frozenset({*s, k})) - value(frozenset(s)) for s in combinations(others, size))
    return phi


def brute_force(samples, model, row, rows):
    """Play the game with the public `predict_windows` alone."""
    drivers = list(model.window.drivers)

    @cache
    def value(inside):
        mixed = samples.isel(sample=rows).copy(deep=True)
        for name in (drivers[k] for k in inside):
            for variable in ("x", "context"):
                mixed[variable].loc[{"driver": name}] = samples[variable].isel(sample=row).sel(driver=name)
        return float(model.predict_windows(mixed).mean(dtype="f8"))

    return shapley_by_definition(value, len(drivers))


@pytest.mark.parametrize("way", [("per-pft", False), ("pooled", True)], ids=str)
def test_exact_values_equal_brute_force_on_six_drivers(world, way):
    sites, model = world
    if way[1]:
        model = fit(sites, SIX, lags=2, members=2, strategy=way[0], context=True, training=FitSpec(epochs=2))
    why = explain(sites, model, samples=1, background=4, method="exact", seed=3)
    samples = windows(sites, SIX, lags=2)
    samples = samples.isel(sample=np.lexsort((samples["time"].to_numpy(), samples["site"].to_numpy())))
    from xnee.explanation.towers import draw

    chosen, against = draw(samples, model, samples=1, background=4, seed=3)
    for k in (0, 2):
        expected = brute_force(samples, model, chosen[k], against[str(why["sample_pft"].to_numpy()[k])])
        np.testing.assert_allclose(why["phi"][k], expected, atol=1e-4 * float(samples["NEE"].std()))


def test_permutations_agree_with_exact_values_within_their_error(world):
    sites, model = world
    exact, drawn = (
        explain(sites, model, samples=4, background=7, method=method, permutations=200)
        for method in ("exact", "permutation")
    )
    score = (drawn["phi"] - exact["phi"]) / drawn["phi_se"].where(drawn["phi_se"] > 0)
    assert float(np.abs(score).max()) < 5
    assert 0.7 < float(np.sqrt((score**2).mean())) < 1.3
    assert (exact["phi_se"] == 0).all()


@pytest.mark.parametrize("method", ["exact", "permutation"])
def test_base_and_values_add_up_to_the_models_own_prediction(world, method):
    sites, model = world
    why = explain(sites, model, samples=3, background=8, method=method, permutations=13)
    assert float(np.abs(why["residual"]).max()) < 1e-4 * float(sites["NEE"].std())
    np.testing.assert_allclose(why["base"] + why["phi"].sum("driver") + why["residual"], why["prediction"])
    np.testing.assert_allclose(why["contribution"].dropna("pft", how="all").sum("driver"), 100)
    samples = windows(sites, SIX, lags=2)
    own = model.predict_windows(samples).mean("member")
    for k in range(why.sizes["sample"]):
        same = (samples.site.values == why.site.values[k]) & (samples.time.values == why.time.values[k])
        assert float(why["prediction"][k]) == pytest.approx(float(own[same][0]), abs=1e-3)


def with_input_weights(model, change):
    """The model with other input weights: `change` of ``(member, feature, 4 hidden)``."""
    ensembles = {
        name: replace(one, weights={**one.weights, "input": change(one.weights["input"].copy())})
        for name, one in model.ensembles.items()
    }
    return replace(model, ensembles=ensembles)


@pytest.mark.parametrize("method", ["exact", "permutation"])
def test_a_driver_that_the_model_does_not_use_gets_nothing(world, method):
    sites, model = world

    def forget(weights):
        weights[:, [2, 3, 4]] = 0  # VPD, and both components of WD
        return weights

    why = explain(sites, with_input_weights(model, forget), samples=2, background=6, method=method)
    assert float(np.abs(why["phi"].sel(driver=["VPD", "WD"])).max()) < 1e-4
    assert float(np.abs(why["phi"].sel(driver="TEMP")).min()) > 1e-4


def test_identical_drivers_share_alike():
    sites = synthetic_towers()
    sites["TS"] = sites["TEMP"].assign_attrs(units="degC")
    model = fit(
        sites, ["TEMP", "PAR", "TS"], lags=1, members=1, strategy="per-pft", context=False, training=FitSpec(epochs=2)
    )

    def alike(weights):
        weights[:, 2] = weights[:, 0]
        return weights

    why = explain(sites, with_input_weights(model, alike), samples=3, background=6, method="exact")
    temp, ts = (why["phi"].sel(driver=name) for name in ("TEMP", "TS"))
    np.testing.assert_allclose(temp, ts, atol=1e-3)
    assert float(np.abs(temp).max()) > 0.1


def test_a_constant_driver_gets_nothing_and_halves_the_work(world):
    sites, _ = world
    sites = sites.assign(AGE=xr.full_like(sites["TEMP"], 80.0).assign_attrs(units="year"))
    model = fit(sites, ["TEMP", "AGE"], lags=1, members=1, strategy="per-pft", training=FitSpec(epochs=1))
    why = explain(sites, model, samples=2, background=5, method="exact")
    assert (why["phi"].sel(driver="AGE") == 0).all()
    assert (why["contribution"].sel(driver="AGE").dropna("pft") == 0).all()


def test_the_method_follows_the_cost(world):
    sites, model = world
    assert explain(sites, model, samples=1, background=3).attrs["method"] == "exact"
    fourteen = replace(model, window=replace(model.window, drivers=tuple(sites.nee.windows().driver.values)))
    assert 80 < _cost(fourteen, 118, 50) / model.members * 7 / 3 < 140  # lags of 2 months here, 6 in the docstring


def test_explained_windows_are_held_out_and_never_in_the_background(world):
    from xnee.explanation.towers import draw
    from xnee.models.training_set import same_windows, training_windows

    sites, model = world
    towers = training_windows(sites, SIX, lags=2)
    chosen, against = draw(towers, model, samples=5, background=30, seed=1)
    training = same_windows(towers, model)
    assert not training[chosen].any()
    assert all(training[rows].all() and not set(rows) & set(chosen) for rows in against.values())


def test_bad_requests_are_refused(world):
    sites, model = world
    with pytest.raises(ValueError, match="explain needs method 'auto', 'exact' or 'permutation'"):
        explain(sites, model, method="deep")
    with pytest.raises(ValueError, match=r"got 'Exact'\. Did you mean 'exact'\?"):
        explain(sites, model, method="Exact")
    for name, least in (("samples", 1), ("background", 1), ("permutations", 2), ("seed", 0)):
        for value in (least - 1, 2.5, None, "3", True):
            with pytest.raises(ValueError, match=f"explain needs {name} to be a whole number of at least {least}; got"):
                explain(sites, model, **{name: value})
    with pytest.raises(ValueError, match="needs the towers that the model was fitted on"):
        explain(sites.isel(site=slice(1, None)), model)
    everything = fit(
        sites, ["TEMP"], lags=0, members=1, strategy="per-pft", test_fraction=0.0, training=FitSpec(epochs=1)
    )
    with pytest.raises(ValueError, match="has no training window left to compare with; explain fewer samples"):
        explain(sites, everything, samples=10_000)


def test_numpys_own_random_state_is_left_alone(world):
    np.random.seed(3)  # noqa: NPY002
    first = np.random.random()  # noqa: NPY002
    np.random.seed(3)  # noqa: NPY002
    explain(*world, samples=1, background=3, method="permutation", permutations=10)
    assert np.random.random() == first  # noqa: NPY002
