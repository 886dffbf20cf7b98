import numpy as np
import pytest

from xnee.evaluation.matching import match_distances
from xnee.evaluation.schemes import LEFT_OUT, TEMPORAL, hold_out, located
from xnee.windowing import windows

USUAL = {"folds": 3, "seed": 0, "test_fraction": 0.2, "groups": None, "block": 500.0, "target": None}


def made(towers):
    ds = towers(sites=8, years=3)
    ds = ds.assign_coords(country=("site", ["CN", "CN", "DE", "DE", "CN", "JP", "JP", "CN"]))
    samples = located(windows(ds, lags=1), ds)
    return samples, ds


@pytest.mark.parametrize("scheme", [*TEMPORAL, *LEFT_OUT])
def test_no_window_is_held_out_twice_and_every_fold_can_train(towers, cube, scheme):
    samples, ds = made(towers)
    found = hold_out(samples, ds, scheme, **USUAL | {"groups": "country", "target": cube()})
    times = np.sum(found.masks, axis=0)
    assert times.max() == 1
    assert (times == 1).all() or scheme == "temporal"
    assert all(mask.any() and not mask.all() for mask in found.masks)
    if scheme in LEFT_OUT:
        for mask in found.masks:
            assert not set(samples.site.values[mask]) & set(samples.site.values[~mask])


def test_groups_are_those_of_the_sites_coordinate(towers):
    samples, ds = made(towers)
    masks = hold_out(samples, ds, "group-k-fold", **USUAL | {"groups": "country"}).masks
    left = [sorted(np.unique(samples.site.values[mask])) for mask in masks]
    assert sorted(left) == [["T00", "T01", "T04", "T07"], ["T02", "T03"], ["T05", "T06"]]


def test_groups_may_be_numbers_and_sites_in_any_order(towers):
    samples, ds = made(towers)
    ds = ds.assign_coords(zone=("site", np.arange(8) // 4)).isel(site=slice(None, None, -1))
    masks = hold_out(samples, ds, "group-k-fold", **USUAL | {"groups": "zone"}).masks
    left = [np.unique(samples.site.values[mask]).tolist() for mask in masks]
    assert sorted(left) == [["T00", "T01", "T02", "T03"], ["T04", "T05", "T06", "T07"]]


def test_blocks_hold_all_sites_that_are_near(towers):
    samples, ds = made(towers)
    ds = ds.assign_coords(lat=("site", [30.0] * 4 + [50.0] * 4), lon=("site", [100.0] * 4 + [120.0] * 4))
    masks = hold_out(located(samples, ds), ds, "spatial-block", **USUAL).masks
    left = [np.unique(samples.site.values[mask]).tolist() for mask in masks]
    assert sorted(left) == [["T00", "T01", "T02", "T03"], ["T04", "T05", "T06", "T07"]]


def test_matched_folds_are_those_of_the_sites_with_windows(towers, cube):
    samples, ds = made(towers)
    found = hold_out(samples, ds, "knndm", **USUAL | {"target": cube()})
    place = np.stack([ds.lat, ds.lon], axis=1)
    target = cube()
    forest = target.pft_fraction.sum("pft") * np.cos(np.deg2rad(target.lat))
    cells = np.array([(lat, lon) for lat in target.lat.values for lon in target.lon.values])
    some = forest.values.ravel() > 0
    fold, report = match_distances(place, cells[some], forest.values.ravel()[some], folds=3)
    site = np.unique(samples.site, return_inverse=True)[1]
    for k, mask in enumerate(found.masks):
        np.testing.assert_array_equal(mask, fold[site] == k)
    assert found.report == report


@pytest.mark.parametrize(
    ("scheme", "change", "message"),
    [
        ("random", {}, "scheme must be one of 'temporal', 'leave-year-out', .* got 'random'"),
        ("temporal", {"test_fraction": 0}, "no window is left to test on"),
        (
            "group-k-fold",
            {},
            r"needs groups=, the name of a coordinate \(site\) .* one of \['country', 'lat', .* got None",
        ),
        ("group-k-fold", {"groups": "biome"}, "got 'biome'"),
        ("knndm", {}, "give target=, the cube with pft_fraction"),
        ("spatial-block", {"block": 1e5}, "2 blocks of 100000 km, got 3 folds and 1 blocks"),
    ],
)
def test_bad_schemes_are_refused(towers, scheme, change, message):
    samples, ds = made(towers)
    with pytest.raises(ValueError, match=message):
        hold_out(samples, ds, scheme, **USUAL | change)


def test_schemes_of_space_need_places(towers, cube):
    samples, ds = made(towers)
    bare = samples.drop_vars(["lat", "lon"])
    for scheme in ("spatial-block", "knndm"):
        with pytest.raises(ValueError, match=f"scheme '{scheme}' needs to know where towers are"):
            hold_out(bare, ds, scheme, **USUAL | {"target": cube()})


def test_a_site_without_a_group_is_named(towers):
    samples, ds = made(towers)
    ds = ds.assign_coords(zone=("site", [0.0, np.nan, *range(6)]))
    with pytest.raises(ValueError, match=r"1 sites have no 'zone', e.g. \['T01'\]"):
        hold_out(samples, ds, "group-k-fold", **USUAL | {"groups": "zone"})
