from itertools import product

import numpy as np
import pytest
import xarray as xr

from xnee.evaluation.matching import forest_places, match_distances, nearest

# four clusters of towers far from each other, and forest everywhere between them
CLUSTERED = np.concatenate([np.array(c) + np.random.default_rng(i).normal(0, 0.3, (8, 2)) for i, c in
                            enumerate([(20, 80), (25, 120), (45, 85), (48, 125)])])  # fmt: skip
EVERYWHERE = np.array(list(product(np.arange(18, 52, 2.0), np.arange(78, 130, 2.0))))


def haversine(one, other):
    (a, b), (c, d) = np.deg2rad(one), np.deg2rad(other)
    h = np.sin((c - a) / 2) ** 2 + np.cos(a) * np.cos(c) * np.sin((d - b) / 2) ** 2
    return 2 * 6371 * np.arcsin(np.sqrt(h))


def areas_between(one, other):
    """Wasserstein distance as the paper writes it: the area between two distribution functions, added up slowly."""
    steps = np.linspace(0, max(one.max(), other.max()), 20_001)
    gap = [abs((one <= x).mean() - (other <= x).mean()) for x in steps]
    return float(np.mean(gap) * steps[-1])


def left_out_slowly(site, fold):
    return np.array([min(haversine(site[i], site[j]) for j in range(len(site)) if fold[j] != fold[i])
                     for i in range(len(site))])  # fmt: skip


def test_nearest_equals_a_slow_loop():
    rng = np.random.default_rng(0)
    place, others = ((rng.random((20, 2)) - 0.5) * [180, 360] for _ in range(2))
    slow = [min(haversine(one, other) for other in others) for one in place]
    np.testing.assert_allclose(nearest(place, others), slow)


def test_reported_distances_equal_slow_ones():
    fold, report = match_distances(CLUSTERED, EVERYWHERE, np.ones(len(EVERYWHERE)), folds=4)
    slow = left_out_slowly(CLUSTERED, fold)
    goal = np.array([min(haversine(one, site) for site in CLUSTERED) for one in EVERYWHERE])
    assert report["W"] == pytest.approx(areas_between(slow, goal), rel=0.01)
    assert report["left_out_km"] == pytest.approx(np.median(slow))
    assert report["target_km"] == pytest.approx(np.median(goal), rel=0.01)


def test_towers_are_left_out_by_clusters_where_the_map_is_far_from_all():
    away = EVERYWHERE - [0, 60]
    fold, report = match_distances(CLUSTERED, away, np.ones(len(away)), folds=4)
    assert sorted(np.bincount(fold)) == [8, 8, 8, 8]
    assert all(len(set(fold[8 * k : 8 * k + 8])) == 1 for k in range(4))
    assert report["W"] < 0.75 * report["W_random"]


def test_matching_is_closer_than_a_random_deal_where_the_map_is_between_the_towers():
    fold, report = match_distances(CLUSTERED, EVERYWHERE, np.ones(len(EVERYWHERE)), folds=4)
    assert report["W"] < 0.85 * report["W_random"]
    assert set(fold) == {0, 1, 2, 3}
    assert np.bincount(fold).max() <= 16


def test_a_target_at_the_towers_asks_for_no_clusters():
    near = CLUSTERED + 0.05
    fold, report = match_distances(CLUSTERED, near, np.ones(len(near)), folds=4)
    assert report["left_out_km"] < 60
    assert report["W"] <= report["W_random"]
    assert np.bincount(fold).max() <= 16


def test_forest_counts_by_its_area():
    site = np.array([[0, 0], [0, 1], [0, 40], [0, 41]])
    target, ends = np.array([[0, 2.0], [0, 75.0]]), {}
    for k, weight in enumerate(([1.0, 0.0], [0.0, 1.0])):
        ends[k] = match_distances(site, target, weight, folds=2)[1]["left_out_km"]
    assert ends[0] < 200 < 4000 < ends[1]


def test_forest_of_a_cube_shrinks_towards_the_pole(cube):
    ds = cube()
    place, weight = forest_places(ds)
    assert len(place) == int((ds.pft_fraction.sum("pft") > 0).sum()) == 11
    first = ds.pft_fraction.sum("pft").values[0, 0] * np.cos(np.deg2rad(ds.lat.values[0]))
    assert weight[0] == pytest.approx(first)
    assert place[0].tolist() == [ds.lat.values[0], ds.lon.values[0]]


def test_forest_of_projected_cells_has_two_dimensional_places():
    lat, lon = np.meshgrid([30.0, 31.0], [100.0, 101.0, 102.0], indexing="ij")
    cells = {"lat": (("y", "x"), lat), "lon": (("y", "x"), lon)}
    target = xr.Dataset({"pft_fraction": (("pft", "y", "x"), np.full((1, 2, 3), 0.5))}, cells)
    place, weight = forest_places(target)
    np.testing.assert_array_equal(place, np.stack([lat.ravel(), lon.ravel()], axis=1))
    assert weight.tolist() == [0.5] * 6


def test_bad_targets_and_sites_are_refused(cube):
    with pytest.raises(
        ValueError, match=r"give target=, the cube with pft_fraction, lat and lon, or in a projection.*; got nothing"
    ):
        forest_places(None)
    with pytest.raises(ValueError, match="got a Dataset of"):
        forest_places(cube().drop_vars("pft_fraction"))
    with pytest.raises(ValueError, match="adds up to 0 in every cell"):
        forest_places(cube().assign(pft_fraction=cube().pft_fraction * 0))
    with pytest.raises(ValueError, match="at least 3 sites and 2 folds, got 2 sites and 10 folds"):
        match_distances([[0, 0], [1, 1]], [[0, 0]], [1.0], folds=10)
    with pytest.raises(ValueError, match="needs lat and lon of each site; some are missing"):
        match_distances([[0, 0], [1, np.nan], [2, 2]], [[0, 0]], [1.0], folds=2)
