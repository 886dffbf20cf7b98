import numpy as np
import pytest
import torch

from xnee.explanation import explain, explain_lags
from xnee.explanation.lags import expected_gradients
from xnee.models.fitting import fit
from xnee.models.training import FitSpec
from xnee.sources.synthetic import synthetic_towers

from .test_kernels import DRIVERS, draw, make


def test_gradients_along_the_line_add_up_to_each_difference():
    networks, (x, others) = make(), draw()
    each = expected_gradients(networks, x, others, 16)
    gain = networks.predict(x[None]) - networks.predict(others)
    np.testing.assert_allclose(each.sum(axis=(1, 2)), gain, atol=2e-3)


def test_values_are_those_of_many_random_points():
    """The definition: a random background, a random place on the line to it, slope times distance."""
    networks, (x, others) = make(members=1), draw()
    rng = torch.Generator().manual_seed(0)
    which = torch.randint(len(others), (40_000,), generator=rng)
    step = x - others[which]
    points = (others[which] + torch.rand(40_000, 1, 1, generator=rng) * step).requires_grad_()
    from xnee.explanation.networks import smooth

    (slope,) = torch.autograd.grad(smooth(networks.weights, 0, points).sum(), points)
    drawn = 50 * (slope * step).numpy()
    exact = expected_gradients(networks, x, others, 16).mean(axis=0)
    np.testing.assert_array_less(np.abs(drawn.mean(axis=0) - exact), 5 * drawn.std(axis=0) / 200 + 1e-3)


@pytest.mark.parametrize("way", ["per-pft", "pooled"])
def test_values_add_up_with_those_of_the_context(way):
    sites = synthetic_towers()
    model = fit(sites, ["TEMP", "WD", "PAR"], lags=2, members=2, strategy=way, training=FitSpec(epochs=2))
    why = explain_lags(sites, model, samples=3, background=6)
    assert float(np.abs(why["residual"]).max()) < 1e-3 * float(sites["NEE"].std())
    total = why["phi"].sum(("driver", "lag")) + why["phi_context"].sum("driver") + why["base"] + why["residual"]
    np.testing.assert_allclose(total, why["prediction"])
    shares = why["heat"].sum(("driver", "lag")) + why["heat_context"].sum("driver")
    np.testing.assert_allclose(shares.dropna("pft"), 100)
    assert float(why["heat_context"].sel(driver="TEMP").max()) > 0
    assert (why["heat_context"].sel(driver=["WD", "PAR"]).dropna("pft") == 0).all()
    shapley = explain(sites, model, samples=3, background=6)
    np.testing.assert_array_equal(why["time"], shapley["time"])
    np.testing.assert_allclose(why["base"], shapley["base"], atol=1e-3)


def test_a_network_of_the_last_month_has_no_past():
    networks, (x, others) = make(), draw()
    hidden = networks.hidden
    networks.weights["recurrent"][:] = 0
    networks.weights["input"][:, :, hidden : 2 * hidden] = 0
    networks.weights["bias"][:, hidden : 2 * hidden] = -30  # the forget gate is shut
    each = expected_gradients(networks, x, others, 8)
    assert np.abs(each[:, :-1]).max() < 1e-5
    assert np.abs(each[:, -1]).max() > 0.1
    assert len(DRIVERS) == 5


def test_bad_requests_are_refused(towers, fitted):
    for name, least in (("samples", 1), ("background", 1), ("nodes", 1), ("seed", 0)):
        for value in (least - 1, 2.5, None, "3", True):
            with pytest.raises(ValueError, match=f"explain_lags needs {name} to be a whole number of at least {least}"):
                explain_lags(towers(sites=10), fitted, **{name: value})
    with pytest.raises(ValueError, match="needs the towers that the model was fitted on"):
        explain_lags(towers(sites=9), fitted)
