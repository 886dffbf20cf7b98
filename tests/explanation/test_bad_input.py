"""Wrong kinds, swapped arguments, few sites and silent gaps, as a user meets them."""

import logging

import numpy as np
import pytest
import xarray as xr

from xnee.explanation import explain, explain_lags, explain_map
from xnee.models.fitting import fit
from xnee.models.training import FitSpec
from xnee.plotting import plot

QUICK = {"lags": 1, "members": 1, "strategy": "per-pft", "training": FitSpec(epochs=1)}
FEW = {"samples": 2, "background": 3}


@pytest.fixture(scope="module")
def made(towers):
    ds = towers(sites=10, years=2)
    return ds, fit(ds, **QUICK)


@pytest.fixture(scope="module")
def without_larch(towers):
    """Towers of all types but DNF, as in FLUXNET2015."""
    ds = towers(sites=10, years=2)
    ds = ds.isel(site=(ds["pft"] != "DNF").to_numpy())
    return ds, fit(ds, **QUICK)


@pytest.mark.parametrize("way", [explain, explain_lags])
def test_towers_and_models_of_another_kind_are_refused(made, cube, driver_model, towers, way):
    sites, model = made
    name = way.__name__
    with pytest.raises(TypeError, match=rf"{name} needs a model .* got Dataset. Call it as {name}\(sites, model\)"):
        way(model, sites)
    for wrong in (None, "model", driver_model()):
        with pytest.raises(TypeError, match=f"{name} needs a model that xnee.fit or xnee.load_model gave; got"):
            way(sites, wrong)
    with pytest.raises(TypeError, match=rf"{name}\(sites, model\) needs Datasets of xarray; got str"):
        way("towers.nc", model)
    with pytest.raises(ValueError, match=r"training needs towers: \(site, time\)"):
        way(cube(), model)
    with pytest.raises(ValueError, match="needs the towers that the model was fitted on"):
        way(towers(sites=5), model)
    with pytest.raises(ValueError, match=r"needed but not in the Dataset: \['PRE'\]"):
        way(sites.drop_vars("PRE"), model)


def test_maps_and_models_of_another_kind_are_refused(made, cube, driver_model, towers):
    sites, model = made
    with pytest.raises(TypeError, match=r"got Dataset. Call it as explain_map\(cube, model, sites=sites\)"):
        explain_map(model, cube(), sites=sites)
    for wrong in (None, driver_model()):
        with pytest.raises(TypeError, match=r"explain_map needs a model that xnee\.fit"):
            explain_map(cube(), wrong, sites=sites)
    for cells, those in ((None, sites), (cube()["TEMP"], sites), (cube(), None), (cube(), model)):
        with pytest.raises(TypeError, match=r"explain_map.* needs Datasets of xarray; got"):
            explain_map(cells, model, sites=those)
    with pytest.raises(ValueError, match=r"training needs towers: \(site, time\)"):
        explain_map(sites, model, sites=cube())
    with pytest.raises(ValueError, match="needs the towers that the model was fitted on"):
        explain_map(cube(), model, sites=towers(sites=5))
    with pytest.raises(ValueError, match="a window is 2 months long, the cube only 1"):
        explain_map(cube(months=1), model, sites=sites)
    with pytest.raises(ValueError, match="cover must be 'static' or 'by-year', got 'yearly'"):
        explain_map(cube(), model, sites=sites, cover="yearly")


def test_more_than_there_is_takes_all_there_is(made, cube):
    sites, model = made
    why = explain(sites, model, samples=10_000, background=10_000)
    assert why.sizes["sample"] == 40  # 4 of 23 windows of each of 10 sites
    assert why.attrs["background"] == 38
    assert explain_lags(sites, model, samples=10_000, background=10_000, nodes=2).sizes["sample"] == 40
    mapped = explain_map(cube(), model, sites=sites, background=10_000, permutations=2)
    assert mapped.attrs["background"] == 38
    assert "'MF': 38" in mapped.attrs["background_by_pft"]


def test_types_without_a_tower_are_named(without_larch, caplog):
    sites, model = without_larch
    with caplog.at_level(logging.INFO, logger="xnee"):
        why = explain(sites, model, **FEW)
    assert [line.getMessage() for line in caplog.records if "no tower of DNF" in line.getMessage()] != []
    lags = explain_lags(sites, model, **FEW)
    for found, share in ((why, "contribution"), (lags, "heat"), (lags, "heat_context")):
        assert found.attrs["types_without_towers"] == "DNF"
        assert found[share].attrs["comment"] == "missing for DNF: no tower of the type"
        rows = found[share].isnull().any([dim for dim in found[share].dims if dim != "pft"])
        assert rows.to_numpy().tolist() == [name == "DNF" for name in found["pft"].to_numpy()]
    assert "types_without_towers" in repr(why)


def test_nothing_is_said_where_nothing_is_missing(made):
    sites, model = made
    why = explain(sites, model, **FEW)
    assert "types_without_towers" not in why.attrs
    assert "comment" not in why["contribution"].attrs


def test_a_type_without_towers_is_no_panel(without_larch, tmp_path):
    sites, model = without_larch
    why, lags = explain(sites, model, **FEW), explain_lags(sites, model, **FEW)
    for figure in (plot(why), plot(why, kind="beeswarm"), plot(lags)):
        titles = [axis.get_title() for axis in figure.axes if axis.get_title()]
        assert titles == ["DBF", "ENF", "EBF", "MF"]
        figure.savefig(tmp_path / "one.png", dpi=40)


def test_a_model_that_reads_nothing_is_told_from_one_that_saw_nothing(made):
    from dataclasses import replace

    sites, model = made
    blind = {
        name: replace(one, weights={**one.weights, "input": one.weights["input"] * 0})
        for name, one in model.ensembles.items()
    }
    why = explain(sites, replace(model, ensembles=blind), **FEW)
    assert why["contribution"].isnull().all()
    assert why["contribution"].attrs["comment"].endswith("MF: no driver moves the prediction")


@pytest.mark.parametrize("count", [1, 2])
def test_one_tower_or_two_are_explained(towers, cube, count):
    sites = towers(sites=count)
    model = fit(sites, **QUICK)
    why = explain(sites, model, **FEW)
    assert np.isfinite(why["phi"]).all()
    assert why["contribution_interval"].isnull().all()  # a type needs two towers to tell how far they differ
    mapped = explain_map(cube(months=5), model, sites=sites, background=3, permutations=2).compute()
    assert int((mapped["dominant"] >= 0).sum()) == 11


def test_a_tower_without_a_driver_is_left_aside(towers):
    ds = towers(sites=10, years=2)
    gap = ds.assign(PRE=ds["PRE"].where(ds["site"] != "T03"))
    why = explain(gap, fit(gap, **QUICK), samples=50, background=3)
    assert "T03" not in why["site"]
    assert why.attrs.get("types_without_towers") is None
    assert xr.ufuncs.isfinite(why["phi"]).all()
