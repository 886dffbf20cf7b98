import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from xnee.models.scaling import Moments, Scaler, encode


@given(x=arrays("f8", (20, 2), elements=st.floats(-1e3, 1e3)), cut=st.integers(0, 20))
def test_parts_add_up(x, cut):
    whole, parts = Moments.of(x), Moments.of(x[:cut]) + Moments.of(x[cut:])
    assert parts.count == whole.count
    assert parts.mean == pytest.approx(whole.mean, abs=1e-6)
    assert parts.std == pytest.approx(x.std(axis=0), abs=1e-6)


def test_directions_become_sine_and_cosine():
    x = encode(np.array([[0.0, 5.0], [180.0, 5.0], [360.0, 5.0]]), ["WD", "TEMP"])
    np.testing.assert_allclose(x, [[0, 1, 5], [0, -1, 5], [0, 1, 5]], atol=1e-12)


def test_a_constant_driver_is_always_zero():
    x = np.full((4, 3, 1), 1013.25)
    scaler = Scaler.of(x, np.arange(4.0))
    assert (scaler.features(x) == 0).all()
    assert (scaler.features(x + 2) == 0).all()  # its effect was never seen, so it has none


def test_scaling_the_target_back():
    scaler = Scaler.of(np.zeros((3, 1, 1)), np.array([-20.0, 0.0, 20.0]))
    assert scaler.to_target(np.array([0.0, 1.0])).tolist() == pytest.approx([0, 400**0.5 * (2 / 3) ** 0.5])


def test_whole_numbers_of_rain_have_a_logarithm_that_is_none():
    rain = np.array([[0], [5], [90]])
    np.testing.assert_allclose(encode(rain, ["PRE"]), np.log1p(rain / 10))
    assert encode(rain.astype("f4"), ["PRE"]).dtype == "f4"
    assert np.isnan(encode(np.array([[np.nan]]), ["PRE"])).all()
