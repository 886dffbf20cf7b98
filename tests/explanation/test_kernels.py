"""The kernels against slow obvious ways and against the shap package."""

import numpy as np
import pytest
import torch
from numpy.random import default_rng

from xnee.explanation.coalitions import coalition_values, exact, shapley
from xnee.explanation.networks import Networks, smooth
from xnee.explanation.sampling import close_sum, sampled
from xnee.models.lstm import LSTMSpec, initial_weights
from xnee.models.scaling import Inputs, Scaler

DRIVERS = ("TEMP", "PRE", "WD", "PAR", "VPD")
PLAYER = np.array([0, 1, 2, 2, 3, 4])


def make(hidden=5, members=3, player=PLAYER):
    inputs = Inputs(drivers=DRIVERS)
    scaler = Scaler(np.zeros(player.size), np.ones(player.size), 5.0, 50.0)
    weights = initial_weights(LSTMSpec(hidden=hidden), player.size, seeds=range(members))
    return Networks({name: 2 * w for name, w in weights.items()}, scaler, inputs, "MF", player)


def draw(background=7, lags=3, features=6, seed=0):
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(lags, features, generator=rng), torch.randn(background, lags, features, generator=rng)


def answer(networks, x):
    members = [smooth(networks.weights, k, x).numpy() for k in range(networks.members)]
    return networks.scaler.to_target(np.mean(members, axis=0, dtype="f8"))


def value(networks, x, others, inside):
    own = torch.from_numpy(np.isin(networks.player, [*inside, -1]))
    return answer(networks, torch.where(own, x, others)).mean()


def test_networks_answer_as_plain_equations_say():
    networks, (_, x) = make(), draw(background=300)
    np.testing.assert_allclose(networks.predict(x), answer(networks, x), atol=1e-4)


def test_plain_equations_are_those_of_torch():
    networks, (_, x) = make(members=1), draw()
    lstm = torch.nn.LSTM(6, 5, batch_first=True)
    w = {name: value[0] for name, value in networks.weights.items()}
    with torch.no_grad():
        lstm.weight_ih_l0.copy_(w["input"].T)
        lstm.weight_hh_l0.copy_(w["recurrent"].T)
        lstm.bias_ih_l0.copy_(w["bias"])
        lstm.bias_hh_l0.zero_()
        expected = lstm(x)[0][:, -1] @ w["head"] + w["offset"]
    torch.testing.assert_close(smooth(networks.weights, 0, x), expected)


@pytest.mark.parametrize("playing", [[0, 1, 2, 3, 4], [2], [0, 4], []], ids=str)
def test_each_coalition_is_the_mean_over_its_background(playing):
    networks, (x, others) = make(), draw()
    got = coalition_values(networks, x, others, playing)
    fixed = set(range(5)) - set(playing)
    for index, one in enumerate(got):
        inside = fixed | {k for bit, k in enumerate(playing) if index >> bit & 1}
        assert one == pytest.approx(value(networks, x, others, inside), abs=1e-4)


def test_what_is_no_driver_stays_as_it_is():
    networks, (x, others) = make(player=np.array([0, 1, 2, 3, 4, -1])), draw()
    got = coalition_values(networks, x, others, [0, 1, 2, 3, 4])
    assert got[0] == pytest.approx(value(networks, x, others, ()), abs=1e-4)


def test_blocks_do_not_matter(monkeypatch):
    networks, (x, others) = make(), draw()
    whole = coalition_values(networks, x, others, [0, 1, 2, 3, 4])
    monkeypatch.setattr("xnee.explanation.coalitions._ROWS", 1)
    np.testing.assert_allclose(coalition_values(networks, x, others, [0, 1, 2, 3, 4]), whole, atol=1e-5)
    monkeypatch.setattr("xnee.explanation.networks._ROWS", 15)
    np.testing.assert_allclose(networks.predict(others), answer(networks, others), atol=1e-4)


@pytest.mark.parametrize("players", [1, 2, 5])
def test_shapley_values_of_an_additive_game_are_its_parts(players):
    parts = default_rng(0).normal(size=players)
    index = np.arange(2**players)
    game = sum(part * (index >> k & 1) for k, part in enumerate(parts)) + 3
    np.testing.assert_allclose(shapley(game), parts)
    assert shapley(np.array([3.0])).size == 0


def test_exact_values_are_those_of_the_shap_package():
    shap = pytest.importorskip("shap")
    networks, (x, others) = make(), draw()

    def game(coalitions):
        return np.array([value(networks, x, others, np.flatnonzero(row)) for row in coalitions])

    explainer = shap.ExactExplainer(game, shap.maskers.Independent(np.zeros((1, 5))))
    theirs = explainer(np.ones((1, 5)), silent=True)
    phi, base = exact(networks, x, others, 5)
    np.testing.assert_allclose(phi, theirs.values[0], atol=1e-4)
    assert base == pytest.approx(theirs.base_values[0], abs=1e-4)


def test_sampled_values_are_unbiased_and_know_their_error():
    networks, (x, others) = make(), draw()
    phi, _ = exact(networks, x, others, 5)
    runs = [sampled(networks, x, others, drivers=5, permutations=37, rng=default_rng(seed)) for seed in range(60)]
    each, error = np.stack([run[0] for run in runs]), np.stack([run[1] for run in runs])
    np.testing.assert_array_less(np.abs(each.mean(axis=0) - phi), 4 * each.std(axis=0) / 60**0.5 + 1e-6)
    np.testing.assert_allclose(error.mean(axis=0), each.std(axis=0), rtol=0.35)
    np.testing.assert_allclose(
        each.sum(axis=1), value(networks, x, others, range(5)) - value(networks, x, others, ()), atol=1e-3
    )


def test_one_driver_takes_it_all():
    networks, (x, others) = make(player=np.zeros(6, dtype=int)), draw()
    phi, error = sampled(networks, x, others, drivers=1, permutations=7, rng=default_rng(0))
    assert phi[0] == pytest.approx(value(networks, x, others, [0]) - value(networks, x, others, ()), abs=1e-3)
    assert error.shape == (1,)


def test_sums_close_by_the_least_change():
    phi = np.array([[1.0, 2.0], [1.0, 2.0]])
    closed = close_sum(phi, np.array([[0.1, 0.3], [0.0, 0.0]]), np.array([4.0, 3.0]))
    np.testing.assert_allclose(closed, [[1.1, 2.9], [1.0, 2.0]])
