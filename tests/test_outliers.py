"""Outliers: what is flagged, what is not, and the three strange towers of FLUXNET2015."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from xnee.outliers import drop_outliers, flag_outliers
from xnee.sources.fluxnet import read_fluxnet


def forest(sites=6, years=10, seed=0, pft="ENF"):
    """Sites of one type with a season of 100 and noise of 10 g C m-2 month-1."""
    rng = np.random.default_rng(seed)
    time = pd.date_range("2001-01-01", periods=12 * years, freq="MS")
    season = -100 * np.sin(np.arange(time.size) * np.pi / 6)
    nee = season + rng.normal(0, 10, (sites, time.size)) + rng.normal(0, 10, (sites, 1))
    return xr.Dataset(
        {"NEE": (("site", "time"), nee, {"units": "g C m-2 month-1"})},
        coords={"site": [f"T{k}" for k in range(sites)], "time": time, "pft": ("site", [pft] * sites)},
    )


@pytest.fixture(scope="module")
def real(shared):
    folder = shared / "data/towers"
    return read_fluxnet(folder / "fluxnet2015_subset_mm/*.csv", sites=folder / "sites.csv")


def flagged(ds):
    """Months by site, as text."""
    found = {}
    for site, month in np.argwhere(ds["NEE_outlier"].values):
        found.setdefault(str(ds["site"].values[site]), []).append(str(ds["time"].values[month])[:7])
    return found


def test_one_broken_month_is_flagged_and_nothing_changes():
    sites = forest()
    sites["NEE"][2, 40] += 200
    result = flag_outliers(sites)
    assert flagged(result) == {"T2": ["2004-05"]}
    xr.testing.assert_identical(result.drop_vars("NEE_outlier"), sites)
    flag = result["NEE_outlier"]
    assert flag.dtype == bool
    assert (flag.attrs["months_flagged"], flag.attrs["months_judged"]) == (1, 720)
    assert flag.attrs["method"] == "own-years beyond 7"


def slowly(years, threshold):
    """The rule in words: own calendar month, and the deviations of three months."""
    month = np.arange(years.size) % 12
    deviation = years - np.array([np.median(years[month == m]) for m in month])
    flags = []
    for k, m in enumerate(month):
        near = np.isin(month, [(m - 1) % 12, m, (m + 1) % 12])
        flags.append(abs(deviation[k]) > threshold * 1.4826 * np.median(np.abs(deviation[near])))
    return np.array(flags)


def test_own_years_by_a_slow_loop():
    sites = forest(sites=3, years=8)
    result = flag_outliers(sites, threshold=2.5)["NEE_outlier"].values
    assert result.any()
    for k in range(3):
        np.testing.assert_array_equal(result[k], slowly(sites["NEE"].values[k], 2.5))


def test_gaps_are_not_outliers():
    sites = forest()
    sites["NEE"][0, ::3] = np.nan
    sites["NEE"][1] = np.nan
    result = flag_outliers(sites)["NEE_outlier"]
    assert not result.where(sites["NEE"].isnull(), False).any()
    assert result.attrs["months_judged"] == int(sites["NEE"].notnull().sum())


def test_fewer_than_five_years_are_not_judged():
    sites = forest(years=4)
    sites["NEE"][0, 7] = 400
    attrs = flag_outliers(sites)["NEE_outlier"].attrs
    assert (attrs["months_judged"], attrs["months_flagged"]) == (0, 0)


def test_a_record_that_repeats_itself_has_no_scale():
    sites = forest(sites=1)
    sites["NEE"][:] = np.tile(np.arange(12.0), 10)
    assert flag_outliers(sites)["NEE_outlier"].attrs["months_judged"] == 0


def test_a_strange_site_is_seen_among_its_type_only():
    sites = forest(sites=8)
    sites["NEE"][3] -= 150
    assert flagged(flag_outliers(sites)) == {}
    assert list(flagged(flag_outliers(sites, method="forest-type"))) == ["T3"]
    few = sites.isel(site=slice(4))
    assert flag_outliers(few, method="forest-type")["NEE_outlier"].attrs["months_judged"] == 0


def test_flags_of_two_rules_add_up():
    sites = forest(sites=8)
    sites["NEE"][3] -= 150
    sites["NEE"][0, 5] += 300
    both = flag_outliers(flag_outliers(sites), method="forest-type", threshold=9)
    assert "T0" in flagged(both)
    assert "T3" in flagged(both)
    assert both["NEE_outlier"].attrs["method"] == "own-years beyond 7; forest-type beyond 9"


def test_order_of_sites_does_not_matter():
    sites = forest()
    sites["NEE"][2, 40] += 200
    turned = flag_outliers(sites.isel(site=slice(None, None, -1)))
    xr.testing.assert_identical(turned.isel(site=slice(None, None, -1)), flag_outliers(sites))


def test_dropping_makes_flagged_months_missing():
    sites = forest()
    sites["NEE"][2, 40] += 200
    dropped = drop_outliers(flag_outliers(sites))
    assert int(dropped["NEE"].isnull().sum()) == dropped["NEE"].attrs["months_outlier"] == 1
    assert dropped["NEE"].attrs["units"] == "g C m-2 month-1"
    assert bool(dropped["NEE_outlier"][2, 40])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ({"method": "sigma"}, "method is one of 'own-years', 'forest-type'; got 'sigma'"),
        ({"threshold": 0}, "threshold is a number of robust standard deviations above 0; got 0"),
        ({"threshold": float("nan")}, "threshold is a number"),
    ],
)
def test_wrong_arguments(words, says):
    with pytest.raises(ValueError, match=says):
        flag_outliers(forest(), **words)


def test_datasets_that_cannot_be_judged():
    sites = forest()
    with pytest.raises(ValueError, match=r"outliers are looked for in NEE of dimensions \(site, time\)"):
        flag_outliers(sites.drop_vars("NEE"))
    with pytest.raises(ValueError, match="needs a forest type in the coordinate pft"):
        flag_outliers(forest(pft=""), method="forest-type")
    with pytest.raises(ValueError, match="months must come once each and in order"):
        flag_outliers(sites.isel(time=[1, 0]))
    with pytest.raises(ValueError, match=r"lacks \['NEE_outlier'\]\. Call flag_outliers first"):
        drop_outliers(sites)


# The real towers. These numbers are what docs/towers.md tells.


def test_own_years_find_the_winter_of_harvard_forest(real):
    months = flagged(flag_outliers(real))
    assert months == {
        "AU-Tum": ["2002-12"],
        "US-Ha1": ["2010-12", "2011-02", "2011-03"],
        "US-Me6": ["2013-07", "2014-07"],
    }


def test_own_years_cannot_see_towers_that_are_always_strange_or_short(real):
    distance = flag_outliers(real.sel(site=["AR-Vir", "IT-Lav"]), threshold=4)
    assert flagged(distance) == {}
    assert distance["NEE_outlier"].attrs["months_judged"] == int(real["NEE"].sel(site="IT-Lav").notnull().sum())


def test_forest_types_find_strange_towers_and_real_sinks(real):
    result = flag_outliers(real, method="forest-type")
    count = {site: len(months) for site, months in flagged(result).items()}
    assert count == {"AR-SLu": 9, "AR-Vir": 2, "AU-Lox": 2, "IT-Lav": 6, "US-Ha1": 2, "US-PFa": 1}
