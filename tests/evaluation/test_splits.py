import numpy as np
import pandas as pd
import pytest
import xarray as xr
from sklearn.model_selection import GroupKFold

from xnee.evaluation.splits import block_of, deal_groups, group_masks, site_masks, year_masks
from xnee.models.training_set import deal_sites


def made(sites=12, years=4):
    """Windows of sites, each with its type and months."""
    site = np.repeat([f"S{i:02d}" for i in range(sites)], 12 * years)
    pft = np.repeat(["ENF", "MF"] * (sites // 2), 12 * years)
    time = np.tile(pd.date_range("2001-01", periods=12 * years, freq="MS"), sites)
    return xr.Dataset(coords={"site": ("sample", site), "pft": ("sample", pft), "time": ("sample", time)})


def held_out_once(masks):
    return (np.sum(masks, axis=0) == 1).all() and all(mask.any() and not mask.all() for mask in masks)


def test_folds_hold_every_site_once_and_spread_the_types():
    site = np.array([f"S{i}" for i in range(12)])
    pft = np.array(["ENF"] * 6 + ["MF"] * 6)
    folds = deal_sites(np.repeat(site, 3), np.repeat(pft, 3), folds=3)
    assert sorted(name for fold in folds for name in fold) == sorted(site)
    kind = dict(zip(site, pft, strict=True))
    assert all(sorted(kind[s] for s in fold) == ["ENF", "ENF", "MF", "MF"] for fold in folds)


def test_a_site_is_held_out_whole():
    samples = made()
    masks = site_masks(samples, folds=5)
    assert held_out_once(masks)
    for mask in masks:
        assert not set(samples.site.values[mask]) & set(samples.site.values[~mask])


def test_groups_are_held_out_whole_in_folds_as_even_as_scikit_learns():
    rng = np.random.default_rng(0)
    group = rng.choice([f"G{i}" for i in range(9)], 400, p=np.arange(1, 10) / 45)
    masks = group_masks(group, folds=4, what="groups")
    assert held_out_once(masks)
    for mask in masks:
        assert not set(group[mask]) & set(group[~mask])
    theirs = sorted(len(test) for _, test in GroupKFold(4).split(group, groups=group))
    assert sorted(int(mask.sum()) for mask in masks) == theirs


def test_more_folds_than_groups_leave_one_out():
    assert len(group_masks(np.array(["a", "b", "a", "c"]), folds=10, what="groups")) == 3
    assert deal_groups(np.array([1, 1, 1]), folds=3).tolist() == [0, 1, 2]


def test_blocks_are_about_as_wide_as_high():
    lat, lon = (x.ravel() for x in np.meshgrid(np.linspace(-80, 80, 321), np.linspace(-180, 179.5, 720), indexing="ij"))
    name = block_of(lat, lon, block=500)
    table = pd.DataFrame({"lat": lat, "lon": lon % 360, "name": name})
    table["east"] = np.deg2rad(table["lon"]) * np.cos(np.deg2rad(table["lat"])) * 6371
    size = table.groupby("name").agg(lat=("lat", np.ptp), lon=("lon", np.ptp), middle=("lat", "mean"))
    assert (size["lat"] * 111.2 < 500).all()
    wide = size["lon"] * 111.2 * np.cos(np.deg2rad(size["middle"]))
    assert wide[np.abs(size["middle"]) < 70].between(400, 600).mean() > 0.99


def test_blocks_do_not_mind_how_longitudes_are_counted():
    lat, lon = np.array([10.0, -35.0]), np.array([-75.0, -0.5])
    assert block_of(lat, lon, block=300).tolist() == block_of(lat, lon + 360, block=300).tolist()


def test_years_are_held_out_whole():
    samples = made()
    for folds, count in ((2, 2), (10, 4)):
        masks = year_masks(samples, folds=folds)
        assert len(masks) == count
        assert held_out_once(masks)
        year = samples.time.dt.year.values
        for mask in masks:
            assert not set(year[mask]) & set(year[~mask])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: site_masks(made(sites=2).isel(sample=slice(0, 12)), folds=3), "2 sites, got 3 folds and 1 sites"),
        (lambda: site_masks(made(), folds=1), "at least 2 folds and 2 sites, got 1 folds"),
        (lambda: group_masks(np.array(["a", "a"]), folds=3, what="countries"), "got 3 folds and 1 countries .a."),
        (lambda: group_masks(np.array(["a", "b"]), folds=1, what="countries"), "at least 2 folds and 2 countries"),
        (
            lambda: year_masks(made(years=1), folds=3),
            r"at least 2 folds and 2 years, got 3 folds and the years \[2001\]",
        ),
        (lambda: block_of(np.zeros(1), np.zeros(1), block=0), "side of a block in km, above 0; got 0"),
        (lambda: block_of(np.array([np.nan]), np.zeros(1), block=9), "each site needs lat and lon to lie in a block"),
    ],
)
def test_bad_splits_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
