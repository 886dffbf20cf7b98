"""Every rule of the data model."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from xnee.cube.checks import Finding, check
from xnee.sources.synthetic import synthetic_cube, synthetic_towers


def rules(ds, **options):
    return [(finding.severity, finding.rule, finding.variable) for finding in check(ds, **options)]


def test_good_data_have_no_findings(cube, towers):
    assert check(synthetic_cube(tile=8)) == []
    assert check(synthetic_cube(tile=8), values="all") == []
    assert check(synthetic_towers()) == []
    assert check(towers()) == []
    assert check(cube()) == []


def broken(ds, name, **changes):
    variable = ds[name].copy(deep=True)
    variable.attrs |= changes.pop("attrs", {})
    return ds.assign({name: variable})


CUBES = {
    "lat": (lambda ds: ds.sortby("lat", ascending=False), ("error", "order", "lat")),
    "no lat": (lambda ds: ds.rename(lat="latitude"), ("error", "dimensions", "lat")),
    "from 0": (lambda ds: ds.assign_coords(lon=ds["lon"] + 100), ("error", "coordinates", "lon")),
    "text": (lambda ds: ds.assign_coords(lat=list("abc")), ("error", "coordinates", "lat")),
    "no time": (lambda ds: ds.isel(time=0), ("error", "time", "time")),
    "numbers": (lambda ds: ds.assign_coords(time=np.arange(30)), ("error", "time", "time")),
    "twice": (lambda ds: ds.isel(time=[0, 1, 1, 2]), ("error", "time", "time")),
    "hole": (lambda ds: ds.isel(time=[0, 1, 3]), ("error", "time", "time")),
    "middle": (lambda ds: ds.assign_coords(time=ds["time"] + np.timedelta64(14, "D")), ("error", "time", "time")),
    "kelvin": (lambda ds: broken(ds, "TEMP", attrs={"units": "K"}), ("error", "units", "TEMP")),
    "no unit": (lambda ds: ds.assign(TEMP=ds["TEMP"].drop_attrs()), ("error", "units", "TEMP")),
    "range": (lambda ds: ds.assign(PRE=(ds["PRE"] - 10).assign_attrs(ds["PRE"].attrs)), ("error", "range", "PRE")),
    "inf": (lambda ds: ds.assign(PRE=(ds["PRE"] / 0).assign_attrs(ds["PRE"].attrs)), ("error", "range", "PRE")),
    "words": (lambda ds: ds.assign(PRE=ds["PRE"].astype(str).assign_attrs(ds["PRE"].attrs)), ("error", "kind", "PRE")),
    "empty": (lambda ds: ds.assign(PRE=ds["PRE"].where(False)), ("warning", "values", "PRE")),
    "static": (lambda ds: ds.assign(TEMP=ds["TEMP"].isel(time=0)), ("error", "dimensions", "TEMP")),
    "P": (lambda ds: ds.assign(P=ds["PRE"]), ("warning", "names", "P")),
    "no driver": (lambda ds: ds[["pft_fraction"]], ("error", "drivers", "")),
    "no cover": (lambda ds: ds.drop_vars("pft_fraction"), ("warning", "cover", "pft_fraction")),
    "percent": (lambda ds: ds.assign(pft_fraction=ds["pft_fraction"] * 100), ("error", "cover", "pft_fraction")),
    "too much": (lambda ds: ds.assign(pft_fraction=ds["pft_fraction"] * 0 + 0.3), ("error", "cover", "pft_fraction")),
    "sea": (
        lambda ds: ds.assign(pft_fraction=ds["pft_fraction"].where(ds["lat"] > 31)),
        ("error", "cover", "pft_fraction"),
    ),
    "pft": (lambda ds: ds.assign_coords(pft=["DBF", "DNF", "ENF", "EBF", "GRA"]), ("error", "pft", "pft")),
    "order": (lambda ds: ds.isel(pft=[1, 0, 2, 3, 4]), ("warning", "pft", "pft")),
    "unnamed": (lambda ds: ds.drop_vars("pft"), ("error", "dimensions", "pft_fraction")),
    "cut": (lambda ds: ds.chunk(time=7), ("warning", "layout", "")),
}


@pytest.mark.parametrize("case", CUBES)
@pytest.mark.parametrize("lazy", [False, True])
def test_a_broken_cube_is_found_out(cube, case, lazy):
    spoil, finding = CUBES[case]
    ds = spoil(cube())
    assert finding in rules(ds.chunk() if lazy and case != "cut" else ds)


SITES = {
    "twice": (lambda ds: ds.isel(site=[0, 1, 1]), ("error", "sites", "site")),
    "none": (lambda ds: ds.isel(site=[]), ("error", "dimensions", "site")),
    "no ids": (lambda ds: ds.drop_vars("site"), ("error", "coordinates", "site")),
    "nowhere": (lambda ds: ds.drop_vars("lat"), ("error", "coordinates", "lat")),
    "nan": (lambda ds: ds.assign_coords(lon=ds["lon"].where(ds["lon"] > 90)), ("error", "coordinates", "lon")),
    "far": (lambda ds: ds.assign_coords(lat=ds["lat"] + 90), ("error", "coordinates", "lat")),
    "no type": (lambda ds: ds.drop_vars("pft"), ("error", "pft", "pft")),
    "other type": (lambda ds: ds.assign_coords(pft=("site", ["GRA"] * 5)), ("error", "pft", "pft")),
    "hole": (lambda ds: ds.isel(time=[0, 2]), ("error", "time", "time")),
    "kelvin": (lambda ds: broken(ds, "TEMP", attrs={"units": "K"}), ("error", "units", "TEMP")),
    "sign": (lambda ds: ds.assign(NEE=(ds["NEE"] - 900).assign_attrs(ds["NEE"].attrs)), ("error", "range", "NEE")),
    "no target": (lambda ds: ds.drop_vars("NEE"), ("warning", "target", "NEE")),
    "flag": (lambda ds: ds.assign(NEE_QC=ds["NEE_QC"] + 2), ("error", "range", "NEE_QC")),
    "not masked": (lambda ds: ds.assign(NEE_QC=ds["NEE_QC"] * 0.2), ("error", "quality", "NEE")),
    "name": (lambda ds: ds.assign(TA_F=ds["TEMP"]), ("warning", "names", "TA_F")),
}


@pytest.mark.parametrize("case", SITES)
def test_broken_sites_are_found_out(towers, case):
    spoil, finding = SITES[case]
    assert finding in rules(spoil(towers()))


def test_all_findings_come_at_once_errors_first(cube):
    ds = (
        broken(cube(), "TEMP", attrs={"units": "K"})
        .sortby("lat", ascending=False)
        .isel(time=[0, 2])
        .drop_vars("pft_fraction")
    )
    found = check(ds)
    assert [finding.severity for finding in found] == ["error", "error", "error", "warning"]
    for finding in found:
        assert str(finding).startswith(f"{finding.severity}, {finding.rule}")
        assert finding.way_out in str(finding)


@pytest.mark.usefixtures("no_compute")
def test_nothing_is_computed_unless_asked(cube):
    assert check(cube().chunk(lat=1, lon=1), values="none") == []


def test_a_sample_looks_at_four_tiles_and_all_looks_at_all(cube):
    ds = cube(lat=8, lon=8)
    ds["PRE"][3, 0, 1] = -1  # not in a corner: a sample does not see it
    ds["TEMP"][3, 0, 0] = 99
    lazy = ds.chunk(lat=1, lon=1)
    assert [finding.variable for finding in check(lazy)] == ["TEMP"]
    assert "in the 4 tiles looked at" in check(lazy)[0].found
    assert [finding.variable for finding in check(lazy, values="all")] == ["TEMP", "PRE"]


def test_what_is_neither_sites_nor_cube_is_said():
    assert [finding.rule for finding in check(xr.Dataset({"a": ("x", [1])}))] == ["dimensions"]
    assert [finding.rule for finding in check(xr.Dataset())] == ["dimensions"]


def per_day(ds):
    return ds.assign(PRE=(ds["PRE"] / ds["time"].dt.days_in_month).assign_attrs(ds["PRE"].attrs))


def test_values_that_cannot_be_what_they_say_are_a_warning():
    towers = synthetic_towers()
    turned = per_day(towers).assign(NEE=(-towers["NEE"]).assign_attrs(towers["NEE"].attrs))
    assert rules(turned) == [("warning", "plausible", "NEE"), ("warning", "plausible", "PRE")]
    sign, unit = check(turned)
    assert sign.way_out.startswith('Is it positive for uptake, as NEP is? Turn it: ds["NEE"] = (-ds["NEE"])')
    assert "in 11 of 11 sites a year has less than 120 mm" in unit.found
    assert rules(turned.drop_vars("lat"))[1:] == rules(turned)  # what is wrong elsewhere does not hide it
    assert "plausible" not in {rule for _, rule, _ in rules(turned.isel(time=[*range(30), *range(40, 60)]))}


def test_a_lazy_cube_is_judged_by_the_tiles_looked_at():
    cube = per_day(synthetic_cube().load())
    lazy = cube.chunk(lat=6, lon=6)
    (whole,), (sample,), (every,) = check(cube), check(lazy), check(lazy, values="all")
    assert (whole.rule, whole.variable) == (sample.rule, sample.variable) == ("plausible", "PRE")
    assert every == whole
    assert sample.found.startswith("of the tiles looked at, in ")
    assert check(lazy, values="none") == []


@pytest.mark.usefixtures("no_compute")
def test_a_lazy_cube_is_not_judged_unless_asked():
    assert check(per_day(synthetic_cube()).chunk(lat=6, lon=6), values="none") == []


def test_findings_are_values():
    one = Finding(severity="error", rule="time", variable="", found="a", way_out="b.")
    assert str(one) == "error, time: a. b."


def test_other_words_are_refused(cube):
    with pytest.raises(ValueError, match="values must be one of sample, all, none; got 'some'"):
        check(cube(), values="some")
