"""The index against the published definition, by hand and by loops."""

import numpy as np
import pytest

from xnee.applicability.dissimilarity import Neighbourhood, upper_whisker


def test_a_case_computed_by_hand():
    """Five towers' months in two drivers, the second half as important: A, B at one site, C, D, E at others.

    Weighted: A (0, 0), B (3, 4), C (6, 8), D (0, 5), E (30, 40). Pairs: AB 5, AC 10, AD 5, AE 50, BC 5, BD sqrt(10),
    BE 45, CD sqrt(45), CE 40, DE sqrt(2125). Nearest of another fold: A-D 5, B-D sqrt(10), C-B 5, D-B sqrt(10), E-C 40.
    Hinges of (sqrt 10, sqrt 10, 5, 5, 40): sqrt(10) and 5; whisker 5 + 1.5 (5 - sqrt 10) = 7.76; 40 is an outlier, so
    the threshold is 5 over the mean distance.
    """
    drivers = np.array([[0, 0], [3, 8], [6, 16], [0, 10], [30, 80]], dtype=float)
    known = Neighbourhood.of(drivers * [1, 0.5], np.array([0, 0, 1, 2, 3]))
    mean = (5 + 10 + 5 + 50 + 5 + 10**0.5 + 45 + 45**0.5 + 40 + 2125**0.5) / 10
    assert known.mean_distance == pytest.approx(mean)
    np.testing.assert_allclose(known.training * mean, [5, 10**0.5, 5, 10**0.5, 40])
    assert known.threshold == pytest.approx(5 / mean)
    index = known.dissimilarity(np.array([[3.0, 4.0], [3.0, 0.0], [-12.0, -5.0]]))
    np.testing.assert_allclose(index * mean, [0, 3, 13])
    assert (index <= known.threshold).tolist() == [True, True, False]


def test_any_case_is_what_loops_say(monkeypatch):
    rng = np.random.default_rng(0)
    points, fold = rng.normal(size=(40, 5)) + 100, rng.integers(0, 4, 40)
    monkeypatch.setattr("xnee.applicability.dissimilarity._BLOCK", 300)
    known = Neighbourhood.of(points, fold)

    def distance(a, b):
        return float(np.sqrt(((a - b) ** 2).sum()))

    pairs = [distance(points[i], points[j]) for i in range(40) for j in range(i)]
    assert known.mean_distance == pytest.approx(np.mean(pairs))
    for i in range(40):
        others = [distance(points[i], points[j]) for j in range(40) if fold[j] != fold[i]]
        assert known.training[i] == pytest.approx(min(others) / np.mean(pairs))
    new = rng.normal(size=(9, 5)) * 3 + 100
    nearest = [min(distance(a, b) for b in points) for a in new]
    np.testing.assert_allclose(known.dissimilarity(new), np.array(nearest) / np.mean(pairs))
    assert known.dissimilarity(np.empty((0, 5))).size == 0


def test_scale_of_all_weights_does_not_matter():
    rng = np.random.default_rng(1)
    points, fold = rng.normal(size=(30, 3)), np.arange(30) % 3
    one, other = Neighbourhood.of(points, fold), Neighbourhood.of(7 * points, fold)
    assert one.threshold == pytest.approx(other.threshold)
    np.testing.assert_allclose(one.dissimilarity(points + 1), other.dissimilarity(7 * points + 7))


@pytest.mark.parametrize(
    ("values", "whisker"),
    [
        ([1, 2, 3, 4, 100], 4),
        ([1, 2, 3, 4], 4),
        ([5], 5),
        ([0, 0, 0, 1], 1),
        ([1, 1, 1, 1, 2], 1),
        ([2, 8, 9, 10, 11, 12, 13, 24], 13),
    ],
)
def test_whiskers_are_tukeys(values, whisker):
    assert upper_whisker(np.array(values, dtype=float)) == whisker


def test_what_cannot_be_judged_is_refused():
    with pytest.raises(ValueError, match="a threshold needs points of 2 folds or more, got 3 points of 1"):
        Neighbourhood.of(np.eye(3), np.array(["a", "a", "a"]))
    with pytest.raises(ValueError, match="all 4 training points are the same to the model: every driver is constant"):
        Neighbourhood.of(np.ones((4, 2)), np.array(["a", "a", "b", "b"]))
