"""Quantiles over members, held against loops over the definition."""

import numpy as np
import pytest
import xarray as xr

from xnee.evaluation.quantiles import member_quantiles
from xnee.prediction import predict

LEVELS = [0.0, 0.05, 0.3, 0.5, 0.95, 1.0]


def slow(predicted, level, *place):
    """Mix each member by hand, order the members, and go along the line between the two that the level lies between."""
    own = predicted.isel(dict(zip(("time", "lat", "lon"), place, strict=True)))
    share = own["pft_fraction"].to_numpy().astype("f8")
    flux = own["NEE_member"].to_numpy().astype("f8")
    mixed = sorted(sum(f * s for f, s in zip(one, share, strict=True) if s > 0) / share.sum() for one in flux)
    at = level * (len(mixed) - 1)
    below = min(int(at), len(mixed) - 2)
    return mixed[below] + (at - below) * (mixed[below + 1] - mixed[below])


def spread_out(predicted):
    """Five members whose order differs from cell to cell."""
    flux = predicted["NEE_member"].isel(member=[0] * 5)
    noise = np.random.default_rng(0).normal(0, 30, flux.shape).astype("f4")
    flux = flux + xr.DataArray(noise, dims=flux.dims).chunk(flux.chunksizes)
    return predicted.drop_vars("NEE_member").assign(NEE_member=flux)


def middle(known):
    """Half way between the extremes of two members, as float32 has it."""
    return known["NEE_quantile"].sum("quantile", skipna=False) / np.float32(2)


@pytest.fixture
def predicted(cube, driver_model):
    return predict(cube(lat=4, lon=5, months=8), driver_model(), tile=2)


def test_the_same_as_loops_over_the_definition(predicted):
    five = spread_out(predicted)
    found, known = member_quantiles(five, LEVELS)["NEE_quantile"].compute(), five.compute()
    assert found.dims == ("quantile", "time", "lat", "lon")
    for place in [(2, 0, 0), (3, 2, 4), (7, 3, 1), (5, 1, 2)]:
        expected = [slow(known, level, *place) for level in LEVELS]
        np.testing.assert_allclose(found[:, place[0], place[1], place[2]], expected, rtol=1e-5)
    np.testing.assert_array_equal(found.isnull().any("quantile"), predicted["NEE"].isnull())
    np.testing.assert_array_equal(found.isnull().all("quantile"), predicted["NEE"].isnull())


def test_the_mean_of_two_members_is_nee_to_the_last_bit(predicted):
    known = member_quantiles(predicted, [0.0, 1.0]).compute()
    np.testing.assert_array_equal(middle(known), known["NEE"])
    assert (known["NEE_quantile"][0] < known["NEE_quantile"][1]).sum() == known["NEE"].notnull().sum()


def test_cover_by_year_is_mixed_on_the_mean_ground(cube, driver_model):
    ds = cube(months=24)
    years = [ds["pft_fraction"], ds["pft_fraction"].roll(pft=1, roll_coords=False)]
    by_year = xr.concat(years, dim=xr.Variable("year", [2001, 2002]))
    changing = predict(ds.assign(pft_fraction_by_year=by_year), driver_model(), tile=2, cover="by-year")
    known = member_quantiles(changing, [0.0, 1.0]).compute()
    assert "by year" in known.attrs["cover"]
    np.testing.assert_array_equal(middle(known), known["NEE"])


def test_it_is_what_the_networks_of_a_model_say(fitted, cube):
    known = member_quantiles(predict(cube(), fitted), [0.0, 1.0]).compute()
    low, high = (known["NEE_quantile"].sel(quantile=level) for level in (0.0, 1.0))
    np.testing.assert_allclose((high - low) / 2**0.5, known["NEE_std"], rtol=1e-3, atol=1e-4)  # of two members
    assert known["NEE_quantile"].attrs["units"] == known["NEE"].attrs["units"]


@pytest.mark.usefixtures("no_compute")
def test_nothing_is_computed_too_early(predicted):
    found = member_quantiles(predicted, [0.1])["NEE_quantile"]
    assert found.chunks is not None
    assert found.isel(quantile=0).chunks == predicted["NEE"].chunks


def test_chunks_do_not_matter(predicted):
    whole = member_quantiles(predicted.compute(), LEVELS)["NEE_quantile"]
    cut = spread_out(predicted).chunk(member=1, pft=2, time=3, lat=1)
    xr.testing.assert_equal(member_quantiles(predicted.chunk(member=1, pft=2, time=3), LEVELS)["NEE_quantile"], whole)
    assert member_quantiles(cut, LEVELS)["NEE_quantile"].compute().notnull().any()


def test_towers_may_have_quantiles_too(towers, driver_model):
    found = member_quantiles(predict(towers(), driver_model()), [0.0, 1.0])
    assert found["NEE_quantile"].dims == ("quantile", *found["NEE"].dims)
    np.testing.assert_array_equal(middle(found), found["NEE"])


@pytest.mark.parametrize(
    "levels", [[], [1.1], [-0.1, 0.5], [0.5, 0.5], [0.9, 0.1], [np.nan], [[0.5]], 0.5, ["a"]], ids=str
)
def test_levels_that_cannot_be_are_refused(predicted, levels):
    with pytest.raises(ValueError, match=r"levels must be one or more numbers from 0 to 1, ascending, such as \[0\.05"):
        member_quantiles(predicted, levels)


def test_what_has_no_members_has_no_quantiles(predicted):
    with pytest.raises(ValueError, match=r"one member has no quantiles\. Fit a model with members=2 or more"):
        member_quantiles(predicted.isel(member=[0]), [0.5])
    with pytest.raises(ValueError, match=r"NEE_member is missing\. A product holds no members"):
        member_quantiles(predicted.drop_vars("NEE_member"), [0.5])


def test_other_levels_take_the_place_of_those_that_are_there(predicted):
    twice = member_quantiles(member_quantiles(predicted, LEVELS), [0.1, 0.9])
    xr.testing.assert_identical(twice.compute(), member_quantiles(predicted, [0.1, 0.9]).compute())
