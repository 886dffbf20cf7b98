import numpy as np
import pytest
import torch

from xnee.models.lstm import LSTMSpec, forward_series, initial_weights
from xnee.models.scaling import Scaler
from xnee.models.stack import Stack
from xnee.models.training import FitSpec, Job, threads, train
from xnee.windowing import slide


def torch_lstm(weights, k=0):
    """The same network as torch's own nn.LSTM and nn.Linear."""
    features, hidden = weights["input"].shape[1], weights["head"].shape[1]
    lstm = torch.nn.LSTM(features, hidden, batch_first=True)
    head = torch.nn.Linear(hidden, 1)
    with torch.no_grad():
        lstm.weight_ih_l0.copy_(weights["input"][k].T)
        lstm.weight_hh_l0.copy_(weights["recurrent"][k].T)
        lstm.bias_ih_l0.copy_(weights["bias"][k])
        lstm.bias_hh_l0.zero_()
        head.weight.copy_(weights["head"][k][None])
        head.bias.copy_(weights["offset"][k][None])
    return lstm, head


def test_series_equal_torch_on_explicit_windows():
    weights = initial_weights(LSTMSpec(hidden=8), 3, seeds=[1, 2])
    x = torch.randn(5, 20, 3, generator=torch.Generator().manual_seed(0))
    ours = forward_series(weights, x[None], 7)
    explicit = torch.from_numpy(slide(x.numpy(), 7).copy()).flatten(0, 1)
    for k in range(2):
        lstm, head = torch_lstm(weights, k)
        theirs = head(lstm(explicit)[0][:, -1])[:, 0].view(5, 14)
        torch.testing.assert_close(ours[k], theirs, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("dropout", [False, True])
def test_windows_equal_series_and_gradients_those_of_autograd(dropout):
    draw = torch.Generator().manual_seed(0)
    weights = initial_weights(LSTMSpec(hidden=5), 3, seeds=[1, 2])
    weights = {name: value.double().requires_grad_() for name, value in weights.items()}
    x = torch.randn(2, 4, 6, 3, generator=draw, dtype=torch.float64)  # (network, lag, sample, feature)
    mix = torch.randn(2, 6, generator=draw, dtype=torch.float64)
    keep = torch.rand(2, 6, 5, generator=draw, dtype=torch.float64) if dropout else None
    stack = Stack({name: value.detach() for name, value in weights.items()}, months=4, batch=6)
    ours = stack.run(x, keep=keep)
    stack.differentiate(mix, keep=keep)
    theirs = []
    for k in range(2):
        states = functional_lstm({name: value[k] for name, value in weights.items()}, x[k])
        theirs.append((states if keep is None else states * keep[k]) @ weights["head"][k] + weights["offset"][k])
    torch.testing.assert_close(ours, torch.stack(theirs).detach())
    gradients = torch.autograd.grad((torch.stack(theirs) * mix).sum(), list(weights.values()))
    slopes = {"core": stack.core_slope, "top": stack.top_slope}
    core = torch.cat([gradients[0], gradients[2][:, None], gradients[1]], dim=1)
    torch.testing.assert_close(slopes["core"], core)
    torch.testing.assert_close(slopes["top"], torch.cat([gradients[3], gradients[4][:, None]], dim=1))
    if not dropout:
        series = forward_series(weights, x.transpose(1, 2), 4)[..., 0]
        torch.testing.assert_close(ours, series.detach())


def functional_lstm(weights, x):
    """The last state of the equations as they stand in books, (lag, sample, feature) to (sample, hidden)."""
    h = c = torch.zeros(x.shape[1], weights["head"].shape[0], dtype=x.dtype)
    for month in x:
        i, f, g, o = (month @ weights["input"] + h @ weights["recurrent"] + weights["bias"]).chunk(4, -1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
    return h


def data(n=70, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 4, 2)) * [5, 100] + [10, 900]
    return x, 3 * x[:, -1, 0] + rng.normal(size=n)


NETWORK, QUICK = LSTMSpec(hidden=6, dropout=0.2), FitSpec(epochs=4, batch=16)


def job(rows, x, y, seed, network=NETWORK, training=QUICK):
    return Job(rows, Scaler.of(x[rows], y[rows]), seed, network, training)


def run(jobs, x, y):
    return train(x, y, jobs, weight=np.linspace(1, 2, len(y)))


@pytest.mark.parametrize("hidden", [6, 64])
def test_a_network_trained_in_a_stack_equals_the_same_one_alone(hidden):
    x, y = data()
    rows = [np.arange(70), np.arange(40), np.arange(10, 27)]
    networks = [LSTMSpec(hidden=hidden, dropout=d) for d in (0.2, 0.0, 0.5)]
    trainings = [FitSpec(epochs=4, batch=16, learning_rate=r, weight_decay=r * 10) for r in (5e-3, 1e-3, 1e-2)]
    jobs = [job(*k) for k in zip(rows, [x] * 3, [y] * 3, range(3), networks, trainings, strict=True)]
    together = run(jobs, x, y)
    for k, one in enumerate(jobs):
        alone = run([one], x, y)
        for name in together:
            np.testing.assert_array_equal(together[name][k], alone[name][0])


@pytest.mark.parametrize(("loss", "schedule"), [("squared", "cosine"), ("huber", "constant")])
def test_training_equals_a_plain_torch_loop(loss, schedule):
    x, y = data()
    spec = FitSpec(epochs=5, batch=16, loss=loss, schedule=schedule)
    one = job(np.arange(70), x, y, 5, LSTMSpec(hidden=6, dropout=0), spec)
    stacked = train(x, y, [one], weight=np.ones(70))
    lstm, head = torch_lstm(initial_weights(LSTMSpec(hidden=6), 2, seeds=[5]))
    lstm.bias_hh_l0.requires_grad_(requires_grad=False)  # ours has one bias, torch two
    parameters = [p for p in (*lstm.parameters(), *head.parameters()) if p.requires_grad]
    optimiser = torch.optim.AdamW(parameters, lr=spec.learning_rate, weight_decay=spec.weight_decay)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=5 * 5)
    xs = torch.from_numpy(one.scaler.features(x))
    ys = torch.from_numpy(((y - one.scaler.target_mean) / one.scaler.target_std).astype("f4"))
    order = torch.Generator().manual_seed(6)
    measure = torch.nn.functional.mse_loss if loss == "squared" else torch.nn.functional.huber_loss
    for _ in range(5):
        for rows in torch.randperm(70, generator=order).split(16):
            optimiser.zero_grad()
            measure(head(lstm(xs[rows])[0][:, -1])[:, 0], ys[rows]).backward()
            torch.nn.utils.clip_grad_norm_(parameters, spec.clip)
            optimiser.step()
            if schedule == "cosine":
                cosine.step()
    np.testing.assert_allclose(stacked["head"][0], head.weight.detach()[0], rtol=2e-3, atol=2e-4)
    np.testing.assert_allclose(stacked["recurrent"][0], lstm.weight_hh_l0.detach().T, rtol=2e-3, atol=2e-4)


def test_same_seed_same_weights():
    x, y = data()
    one, two = (run([job(np.arange(70), x, y, 3)], x, y) for _ in range(2))
    assert all((one[name] == two[name]).all() for name in one)


def test_a_diverged_network_does_not_disturb_its_neighbours():
    x, y = data()
    wild = FitSpec(epochs=4, batch=16, learning_rate=1e38)
    calm, stormy = job(np.arange(70), x, y, 3), job(np.arange(70), x, y, 4, training=wild)
    together, alone = run([calm, stormy], x, y), run([calm], x, y)
    assert not np.isfinite(together["recurrent"][1]).all()
    for name in together:
        np.testing.assert_array_equal(together[name][0], alone[name][0])


def test_a_stack_must_be_of_one_shape():
    x, y = data()
    jobs = [job(np.arange(70), x, y, 3, LSTMSpec(hidden=h)) for h in (4, 8)]
    with pytest.raises(ValueError, match="networks of one stack must share hidden, epochs, batch"):
        run(jobs, x, y)


def test_each_epoch_is_reported_with_its_weights():
    x, y = data()
    seen = []
    one = job(np.arange(70), x, y, 3, training=FitSpec(epochs=3, schedule="constant"))
    train(x, y, [one], weight=np.ones(70), on_epoch=lambda n, w: seen.append((n, float(w["offset"].detach()[0]))))
    assert [n for n, _ in seen] == [1, 2, 3]
    short = job(np.arange(70), x, y, 3, training=FitSpec(epochs=2, schedule="constant"))
    assert train(x, y, [short], weight=np.ones(70))["offset"][0] == pytest.approx(seen[1][1])


def test_threads_are_restored():
    before = torch.get_num_threads()
    with threads(1):
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(
    "bad", [{"epochs": 0}, {"loss": "absolute"}, {"schedule": "step"}, {"weight_decay": -1}, {"learning_rate": 0}]
)
def test_bad_settings_are_refused(bad):
    with pytest.raises(ValueError, match="training needs positive, finite settings"):
        FitSpec(**bad)


@pytest.mark.parametrize("bad", [{"hidden": 0}, {"dropout": 1}])
def test_bad_networks_are_refused(bad):
    with pytest.raises(ValueError, match="an LSTM needs a whole number"):
        LSTMSpec(**bad)
