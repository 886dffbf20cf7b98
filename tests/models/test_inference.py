import threading

import numpy as np
import pytest
import torch

from xnee.context import STATISTICS
from xnee.models import inference
from xnee.models.inference import Kernel, run_ensemble
from xnee.models.lstm import LSTMSpec, forward_series, initial_weights
from xnee.models.scaling import Inputs, Scaler
from xnee.windowing import slide


def weights_of(hidden: int, features: int, members: int = 2):
    drawn = initial_weights(LSTMSpec(hidden=hidden), features, seeds=range(members))
    return {name: value.numpy() for name, value in drawn.items()}


def torch_lstm(weights, member: int, x: np.ndarray) -> np.ndarray:
    """nn.LSTM and nn.Linear on windows that are cut out: (window, lag, feature) to (window,)."""
    features, hidden = weights["input"].shape[1], weights["head"].shape[1]
    lstm, head = torch.nn.LSTM(features, hidden, batch_first=True), torch.nn.Linear(hidden, 1)
    own = {name: torch.from_numpy(np.array(value[member])) for name, value in weights.items()}
    state = {
        "weight_ih_l0": own["input"].T,
        "weight_hh_l0": own["recurrent"].T,
        "bias_ih_l0": own["bias"],
        "bias_hh_l0": torch.zeros(4 * hidden),
    }
    lstm.load_state_dict(state)
    head.load_state_dict({"weight": own["head"][None], "bias": own["offset"][None]})
    with torch.inference_mode():
        return head(lstm(torch.from_numpy(np.array(x)))[0][:, -1])[:, 0].numpy()


@pytest.mark.parametrize("hidden", [1, 3, 8, 32, 64, 128])
@pytest.mark.parametrize("length", [1, 2, 7])
def test_series_equal_torch_on_windows(hidden, length):
    rng = np.random.default_rng(hidden)
    x, still = rng.normal(size=(3, 20, 4)).astype("f4"), rng.normal(size=(3, 2)).astype("f4")
    weights = weights_of(hidden, 6)
    y = Kernel(weights, length)(x, still)
    whole = np.concatenate([x, np.broadcast_to(still[:, None], (3, 20, 2))], axis=2)
    for member in range(2):
        windows = slide(whole, length).reshape(-1, length, 6)
        np.testing.assert_allclose(y[member].ravel(), torch_lstm(weights, member, windows), atol=1e-5)


@pytest.mark.parametrize("hidden", [3, 32])
@pytest.mark.parametrize("still", [0, 3])
def test_a_series_is_the_same_to_the_last_bit_whatever_stands_beside_it(hidden, still):
    rng = np.random.default_rng(1)
    x, own = rng.normal(size=(70, 15, 5)).astype("f4"), rng.normal(size=(70, still)).astype("f4")
    kernel = Kernel(weights_of(hidden, 5 + still), 4)
    y = kernel(x, own)
    for some in ([0], [69], [3, 40], list(range(11, 60))):
        np.testing.assert_array_equal(kernel(x[some], own[some]), y[:, some])
    for first, months in ((0, 4), (6, 5), (11, 4)):  # a year appended, a month alone
        part = kernel(x[:, first : first + months], own)
        np.testing.assert_array_equal(part, y[:, :, first : first + months - 3])


def test_gradients_of_the_reference_kernel_exist():
    weights = {name: torch.from_numpy(value) for name, value in weights_of(4, 3).items()}
    x = torch.randn(1, 2, 9, 3, requires_grad=True)
    forward_series(weights, x, 4).sum().backward()
    assert torch.isfinite(x.grad).all()


def ensemble(x: np.ndarray, *, length: int = 4, hidden: int = 8, **changes):
    drivers = ("TEMP", "WD", "PRE")
    features = 4
    scaler = Scaler(np.array([10.0, 0, 0, 80]), np.array([8.0, 0.7, 0.7, 40]), -20.0, 30.0)
    context = np.zeros((len(x), len(STATISTICS), 3), dtype="f4")
    given = {"context": context, "pft": "MF", "length": length} | changes
    return run_ensemble(weights_of(hidden, features), scaler, Inputs(drivers=drivers), x, **given)


def drivers_of(series: int = 5, months: int = 30, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    columns = rng.normal(10, 8, (series, months)), rng.uniform(0, 360, (series, months))
    return np.stack([*columns, rng.uniform(0, 200, (series, months))], axis=-1).astype("f4")


def test_a_gap_is_a_gap_in_the_windows_that_hold_it_and_no_others():
    x = drivers_of()
    whole = ensemble(x)
    holed = x.copy()
    holed[1, 10, 2] = np.nan
    holed[3] = np.nan
    y = ensemble(holed)
    assert np.flatnonzero(np.isnan(y[0, 1])).tolist() == [0, 1, 2, 10, 11, 12, 13]
    assert np.isnan(y[:, 3]).all()
    np.testing.assert_array_equal(y[:, [0, 2, 4]], whole[:, [0, 2, 4]])
    np.testing.assert_array_equal(y[:, 1, 14:], whole[:, 1, 14:])


@pytest.mark.parametrize("windows", [1, 5, 27, 60, 1000])
def test_blocks_do_not_matter(monkeypatch, windows):
    x = drivers_of()
    whole = ensemble(x)
    monkeypatch.setattr(inference, "_GATE_BYTES", windows * 16 * 8)
    np.testing.assert_array_equal(ensemble(x), whole)


@pytest.mark.parametrize("count", [1, 2, 4])
def test_threads_do_not_matter(monkeypatch, count):
    x = drivers_of(series=40)
    monkeypatch.setattr(inference, "_GATE_BYTES", 100 * 16 * 8)
    monkeypatch.setattr(torch, "get_num_threads", lambda: count)
    beside: list[np.ndarray] = []
    thread = threading.Thread(target=lambda: beside.append(ensemble(x)))
    thread.start()
    thread.join(60)
    np.testing.assert_array_equal(ensemble(x), beside[0])


def test_without_onednn_the_numbers_are_close(monkeypatch):
    x = drivers_of()
    whole = ensemble(x, hidden=32)
    monkeypatch.setattr(inference, "_ONEDNN", False)
    np.testing.assert_allclose(ensemble(x, hidden=32), whole, atol=1e-4)


@pytest.mark.parametrize("months", [1, 3])
def test_a_record_shorter_than_a_window_has_no_prediction(months):
    assert np.isnan(ensemble(drivers_of(months=months))).all()


def test_no_series_gives_no_rows():
    assert ensemble(drivers_of(series=0)).shape == (2, 0, 30)
