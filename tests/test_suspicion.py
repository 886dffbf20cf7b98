"""Suspicions: none of data that are right, and each of data whose sign or unit was turned on purpose."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from xnee.sources.fluxnet import read_fluxnet
from xnee.sources.synthetic import synthetic_cube, synthetic_towers
from xnee.suspicion import suspicions


def times(ds, name, factor):
    return ds.assign({name: (ds[name] * factor).assign_attrs(ds[name].attrs)})


def per_day(ds, name):
    return times(ds, name, 1 / ds["time"].dt.days_in_month)


SPOILT = {
    "NEP": ("NEE", lambda ds: times(ds, "NEE", -1)),
    "NEE per day": ("NEE", lambda ds: per_day(ds, "NEE")),
    "NEE in umol m-2 s-1": ("NEE", lambda ds: times(per_day(ds, "NEE"), "NEE", 1 / 1.0377)),
    "PRE per day": ("PRE", lambda ds: per_day(ds, "PRE")),
    "VPD in kPa": ("VPD", lambda ds: times(ds, "VPD", 0.1)),
    "PAR in W m-2": ("PAR", lambda ds: times(ds, "PAR", 1 / 4.57)),
    "PAR in MJ m-2 day-1": ("PAR", lambda ds: times(ds, "PAR", 0.0864 / 4.57)),
    "PAR in mol m-2 day-1": ("PAR", lambda ds: times(ds, "PAR", 0.0864)),
    "shortwave in W m-2": ("PAR", lambda ds: times(ds, "PAR", 1 / 1.94)),
    "TEMP without season": ("TEMP", lambda ds: ds.assign(TEMP=ds["TEMP"].mean("time").broadcast_like(ds["TEMP"])
                                                          .assign_attrs(ds["TEMP"].attrs))),
}  # fmt: skip


def widespread(ds):
    return [one.variable for one in suspicions(ds) if one.widespread]


@pytest.fixture(scope="module")
def towers():
    return synthetic_towers()


@pytest.fixture(scope="module", params=[0.0, 0.5])
def real(shared, request):
    folder = shared / "data/towers"
    return read_fluxnet(folder / "fluxnet2015_subset_mm/*.csv", sites=folder / "sites.csv", qc_min=request.param)


def parts(ds):
    """All sites, each forest type, each country with several, sites drawn by chance, halves of the record."""
    country = np.array([str(name)[:2] for name in ds["site"].to_numpy()])
    pft, rng, middle = ds["pft"].to_numpy(), np.random.default_rng(0), ds.sizes["time"] // 2
    names, count = np.unique(country, return_counts=True)
    yield "all", ds
    yield from ((name, ds.isel(site=pft == name)) for name in np.unique(pft))
    yield from ((name, ds.isel(site=country == name)) for name in names[count > 1])
    yield from ((f"{n} sites", ds.isel(site=rng.permutation(67)[:n])) for n in (10, 10, 10, 33, 33))
    yield from (("half", ds.isel(time=half)) for half in (slice(middle), slice(middle, None)))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_synthetic_data_raise_no_suspicion(seed):
    assert suspicions(synthetic_towers(seed=seed)) == []
    assert suspicions(synthetic_cube(seed=seed)) == []


@pytest.mark.parametrize("case", SPOILT)
def test_what_is_turned_is_seen_at_all_towers(towers, case):
    name, spoil = SPOILT[case]
    (one,) = suspicions(spoil(towers))
    assert (one.variable, one.widespread) == (name, True)
    assert one.odd >= one.judged - 1


def test_real_towers_raise_no_widespread_suspicion(real):
    assert {name: found for name, part in parts(real) if (found := widespread(part))} == {}


def test_real_towers_that_lose_carbon_are_named(real):
    (one,) = suspicions(real)
    assert (one.variable, one.odd) == ("NEE", 4 if real.attrs["qc_min"] == 0 else 2)
    assert "AU-Cum" in one.found
    assert "ZM-Mon" in one.found


@pytest.mark.parametrize("case", SPOILT)
def test_what_is_turned_is_seen_at_real_towers(real, case):
    name, spoil = SPOILT[case]
    missed = [where for where, part in parts(real) if widespread(spoil(part)) != [name]]
    # shortwave radiation of the sunny pampas is as bright as PAR elsewhere
    assert missed == (["AR"] if case == "shortwave in W m-2" else [])


def test_what_is_said_puts_it_right(towers):
    for case in ("NEP", "NEE per day", "PRE per day", "VPD in kPa"):
        ds = SPOILT[case][1](towers)
        (one,) = suspicions(ds)
        exec(one.way_out.partition(": ")[2].removesuffix("."), {"ds": ds})
        assert suspicions(ds) == []
        np.testing.assert_allclose(ds[one.variable], towers[one.variable])
        assert ds[one.variable].attrs == towers[one.variable].attrs


def test_few_sites_are_named_and_may_be_right(towers):
    turned = times(towers, "NEE", xr.where(towers["site"].isin(["CBF", "YSF"]), -1, 1))
    (one,) = suspicions(turned)
    assert (one.odd, one.judged, one.unjudged, one.widespread) == (2, 10, 1, False)  # one never saw a June
    assert str(one).startswith("NEE: in 2 of 10 sites (CBF, YSF) the mean year")
    assert one.way_out.endswith("put these sites right; if not, leave them: some forests are so.")


def test_one_site_proves_no_turned_sign_but_a_unit(towers):
    alone = towers.isel(site=[0])
    assert widespread(times(alone, "NEE", -1)) == []
    assert [one.odd for one in suspicions(times(alone, "NEE", -1))] == [1]
    assert widespread(per_day(alone, "PRE")) == ["PRE"]


def test_sites_without_a_full_year_are_counted_and_not_judged(towers):
    winter = towers["time"].dt.month.isin([12, 1, 2]) & towers["site"].isin(["CBF", "QYF", "DHF"])
    (one,) = suspicions(times(towers.assign(NEE=towers["NEE"].where(~winter)), "NEE", -1))
    assert (one.judged, one.unjudged) == (7, 4)
    assert "4 without a full year of months are not judged" in one.found
    assert suspicions(per_day(towers.isel(time=slice(11)), "PRE")) == []


def test_what_breaks_other_rules_is_left_to_them(towers):
    spoilt = per_day(times(towers, "VPD", 0.1), "PRE")
    assert widespread(spoilt) == ["PRE", "VPD"]
    spoilt["VPD"].attrs["units"] = "kPa"
    assert widespread(spoilt.assign(PRE=spoilt["PRE"].drop_attrs())) == []
    assert widespread(spoilt.assign(PRE=spoilt["PRE"].astype(str).assign_attrs(spoilt["PRE"].attrs))) == []
    assert widespread(spoilt.isel(site=[])) == []


def test_order_of_dimensions_and_infinite_values_do_not_matter(towers):
    turned = times(towers, "NEE", -1)
    assert suspicions(turned.transpose("time", "site")) == suspicions(turned)
    turned["NEE"][0, 0] = np.inf
    assert suspicions(turned)[0].odd == suspicions(times(towers, "NEE", -1))[0].odd


@pytest.mark.parametrize("case", ["PRE per day", "VPD in kPa", "PAR in W m-2", "TEMP without season"])
def test_cubes_are_judged_where_there_is_forest(case):
    cube = synthetic_cube()
    name, spoil = SPOILT[case]
    forest = int((cube["pft_fraction"].sum("pft") > 0).sum())
    (one,) = suspicions(spoil(cube))
    assert (one.variable, one.judged + one.unjudged, one.widespread) == (name, forest, True)
    assert "forest cells" in one.found
    assert suspicions(spoil(cube).drop_vars("pft_fraction")) == []


def test_dry_cells_are_no_suspicion():
    cube = synthetic_cube()
    forest = cube["pft_fraction"].sum("pft") > 0
    west = cube["lon"] < float(cube["lon"].where(forest.any("lat"), drop=True).quantile(0.3))
    assert suspicions(times(cube, "PRE", xr.where(west, 0.01, 1))) == []
