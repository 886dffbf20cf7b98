import numpy as np
import pytest
import torch

from xnee.models.lstm import LSTMSpec, forward, initial_weights
from xnee.models.scaling import Scaler
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


def test_forward_equals_torch_on_explicit_windows():
    weights = initial_weights(LSTMSpec(hidden=8), 3, seeds=[1, 2])
    x = torch.randn(5, 20, 3, generator=torch.Generator().manual_seed(0))
    ours = forward(weights, x[None], 7)
    explicit = torch.from_numpy(slide(x.numpy(), 7).copy()).flatten(0, 1)
    for k in range(2):
        lstm, head = torch_lstm(weights, k)
        theirs = head(lstm(explicit)[0][:, -1])[:, 0].view(5, 14)
        torch.testing.assert_close(ours[k], theirs, atol=1e-6, rtol=1e-5)


def data(n=70, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 4, 2)) * [5, 100] + [10, 900]
    return x, 3 * x[:, -1, 0] + rng.normal(size=n)


def run(jobs, x, y, **settings):
    spec = FitSpec(**{"epochs": 4, "batch": 16, **settings})
    network = LSTMSpec(hidden=6, dropout=0.2)
    return train(x, y, jobs, weight=np.linspace(1, 2, len(y)), network=network, training=spec)


def test_a_network_trained_in_a_stack_equals_the_same_one_alone():
    x, y = data()
    rows = [np.arange(70), np.arange(40), np.arange(10, 27)]
    jobs = [Job(r, Scaler.of(x[r], y[r]), seed) for seed, r in enumerate(rows)]
    together = run(jobs, x, y)
    for k, job in enumerate(jobs):
        alone = run([job], x, y)
        for name in together:
            np.testing.assert_allclose(together[name][k], alone[name][0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("loss", ["squared", "huber"])
def test_training_equals_a_plain_torch_loop(loss):
    x, y = data()
    job = Job(np.arange(70), Scaler.of(x, y), 5)
    spec = FitSpec(epochs=5, batch=16, loss=loss)
    stacked = train(x, y, [job], weight=np.ones(70), network=LSTMSpec(hidden=6, dropout=0), training=spec)
    lstm, head = torch_lstm(initial_weights(LSTMSpec(hidden=6), 2, seeds=[5]))
    lstm.bias_hh_l0.requires_grad_(requires_grad=False)  # ours has one bias, torch two
    parameters = [p for p in (*lstm.parameters(), *head.parameters()) if p.requires_grad]
    optimiser = torch.optim.AdamW(parameters, lr=spec.learning_rate, weight_decay=spec.weight_decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=5 * 5)
    xs = torch.from_numpy(job.scaler.features(x))
    ys = torch.from_numpy(((y - job.scaler.target_mean) / job.scaler.target_std).astype("f4"))
    order = torch.Generator().manual_seed(6)
    measure = torch.nn.functional.mse_loss if loss == "squared" else torch.nn.functional.huber_loss
    for _ in range(5):
        for rows in torch.randperm(70, generator=order).split(16):
            optimiser.zero_grad()
            measure(head(lstm(xs[rows])[0][:, -1])[:, 0], ys[rows]).backward()
            torch.nn.utils.clip_grad_norm_(parameters, spec.clip)
            optimiser.step()
            schedule.step()
    np.testing.assert_allclose(stacked["head"][0], head.weight.detach()[0], rtol=2e-3, atol=2e-4)
    np.testing.assert_allclose(stacked["recurrent"][0], lstm.weight_hh_l0.detach().T, rtol=2e-3, atol=2e-4)


def test_same_seed_same_weights():
    x, y = data()
    job = Job(np.arange(70), Scaler.of(x, y), 3)
    one, two = run([job], x, y), run([job], x, y)
    assert all((one[name] == two[name]).all() for name in one)


def test_a_diverged_network_is_named():
    x, y = data()
    job = Job(np.arange(70), Scaler.of(x, y), 3)
    with pytest.raises(FloatingPointError, match=r"network 0 \(seed 3, 70 windows\) diverged"):
        run([job], x, np.where(np.arange(70) == 5, np.inf, y), loss="squared")


def test_each_epoch_is_reported():
    x, y = data()
    seen = []
    job = Job(np.arange(70), Scaler.of(x, y), 3)
    train(x, y, [job], weight=np.ones(70), network=LSTMSpec(hidden=2), training=FitSpec(epochs=3), on_epoch=seen.append)
    assert seen == [1, 2, 3]


def test_threads_are_restored():
    before = torch.get_num_threads()
    with threads(1):
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("bad", [{"epochs": 0}, {"loss": "absolute"}, {"weight_decay": -1}, {"learning_rate": 0}])
def test_bad_settings_are_refused(bad):
    with pytest.raises(ValueError, match="training needs positive settings"):
        FitSpec(**bad)


@pytest.mark.parametrize("bad", [{"hidden": 0}, {"dropout": 1}])
def test_bad_networks_are_refused(bad):
    with pytest.raises(ValueError, match="an LSTM needs hidden >= 1"):
        LSTMSpec(**bad)
