import numpy as np
import pytest
import xarray as xr

import xnee.applicability.area as area_module
from xnee.applicability import area_of_applicability
from xnee.context import series_context
from xnee.explanation import explain, explain_lags
from xnee.models.fitting import fit
from xnee.models.scaling import encode
from xnee.models.training import FitSpec
from xnee.models.training_set import same_windows, training_windows
from xnee.pft import PFTS
from xnee.prediction import predict
from xnee.sources.synthetic import synthetic_towers

EVEN = xr.DataArray([1.0, 1.0], dims="driver", coords={"driver": ["TEMP", "PRE"]})


@pytest.fixture(scope="module", params=["per-pft", "pooled"])
def made(request):
    """Two towers and more for each type but DNF, which has one."""
    sites = synthetic_towers()[["TEMP", "PRE", "NEE", "NEE_QC"]]
    return sites, fit(sites, lags=2, members=1, strategy=request.param, training=FitSpec(epochs=1))


def slowly(sites, model, ds, weights, lat, lon, pft):
    """Dissimilarity of the windows of one cell, one after the other, from the definition."""
    towers = training_windows(sites, ["TEMP", "PRE"], lags=2)
    towers = towers.isel(sample=same_windows(towers, model) & (towers["pft"].to_numpy() == pft))
    inputs, scaler = model.ensembles[pft].inputs, model.ensembles[pft].scaler
    w = np.tile(weights, 3)

    def place(x, context):
        x, context = (encode(values, ["TEMP", "PRE"]) for values in (x, context))  # as networks read them
        x = ((x - scaler.mean[:2]) / scaler.std[:2]).ravel() * w
        pairs = inputs.statistics
        values = [context[("mean", "amplitude").index(which), ["TEMP", "PRE"].index(name)] for name, which in pairs]
        columns = slice(2, 2 + len(pairs))
        own = [weights[["TEMP", "PRE"].index(name)] for name, _ in pairs]
        return np.concatenate([x, (np.array(values) - scaler.mean[columns]) / scaler.std[columns] * own])

    known = np.stack([place(x, c) for x, c in zip(towers["x"].values, towers["context"].values, strict=True)])
    pairs = [np.linalg.norm(known[i] - known[j]) for i in range(len(known)) for j in range(i)]
    series = np.stack([ds[name].to_numpy()[:, lat, lon] for name in ("TEMP", "PRE")], axis=-1)
    context = series_context(series[None], ["TEMP", "PRE"])[0]
    new = [place(series[t - 2 : t + 1], context) for t in range(2, len(series))]
    return np.array([np.linalg.norm(known - one, axis=1).min() for one in new]) / np.mean(pairs)


@pytest.mark.parametrize("weights", [(1.0, 1.0), (3.0, 0.5)], ids=str)
def test_a_cell_is_what_the_definition_says(made, cube, weights):
    sites, model = made
    ds = cube(months=8)
    given = xr.DataArray([*weights[::-1]], dims="driver", coords={"driver": ["PRE", "TEMP"]})
    where = area_of_applicability(ds, model, sites=sites, weights=given).compute()
    for pft in ("DBF", "MF"):
        np.testing.assert_allclose(
            where["DI"].sel(pft=pft)[2:, 1, 0], slowly(sites, model, ds, weights, 1, 0, pft), rtol=1e-4
        )
    assert where["own"].to_numpy().tolist() == [1, 0, 1, 1, 1]
    assert where["windows"].sel(pft="DNF") > where["windows"].sel(pft="DBF")


def test_share_of_forest_inside_follows_from_the_types(made, cube):
    sites, model = made
    ds = cube()
    where = area_of_applicability(ds, model, sites=sites, weights=EVEN).compute()
    fraction, inside = ds["pft_fraction"], where["DI"] <= where["threshold"]
    expected = (fraction * inside).sum("pft") / fraction.sum("pft")
    mapped = predict(ds, model)["NEE"].compute()
    np.testing.assert_array_equal(where["AOA"].isnull(), mapped.isnull())
    np.testing.assert_allclose(where["AOA"], expected.where(mapped.notnull()).transpose(*where["AOA"].dims), rtol=1e-6)
    assert 0 < float((where["AOA"] > 0).mean()) < 1


def test_training_windows_themselves_are_inside(made):
    sites, model = made
    where = area_of_applicability(sites, model, sites=sites, weights=EVEN).compute()
    towers = training_windows(sites, None, lags=2)
    towers = towers.isel(sample=same_windows(towers, model))
    own = where["DI"].sel(site=towers["site"], time=towers["time"], pft=towers["pft"])
    np.testing.assert_allclose(own, 0, atol=1e-5)


@pytest.mark.usefixtures("no_compute")
def test_nothing_is_computed_too_early(made, cube):
    sites, model = made
    where = area_of_applicability(cube().chunk(lat=1), model, sites=sites, weights=EVEN)
    assert where["DI"].chunks is not None
    assert where["AOA"].chunks is not None


@pytest.mark.parametrize("chunks", [{"time": 5}, {"lat": 1, "lon": 1}, {"time": 4, "lat": 2}], ids=str)
def test_tiles_chunks_and_blocks_do_not_matter(made, cube, chunks, monkeypatch):
    sites, model = made
    whole = area_of_applicability(cube(), model, sites=sites, weights=EVEN).compute()
    monkeypatch.setattr(area_module, "_BLOCK", 200)
    parts = area_of_applicability(cube().chunk(chunks), model, sites=sites, weights=EVEN, tile=2).compute()
    xr.testing.assert_allclose(whole, parts)


def test_weights_come_from_explanations_or_by_themselves(made, cube):
    sites, model = made
    ds = cube(months=4)
    why, lags = explain(sites, model, samples=3, background=5), explain_lags(sites, model, samples=3, background=5)
    found = [area_of_applicability(ds, model, sites=sites, weights=w)["DI"].compute() for w in (why, lags, None)]
    assert all(float(one.sel(pft="MF").max()) > 0 for one in found)
    np.testing.assert_array_equal(found[0].isnull(), found[1].isnull())
    by_type = why["contribution"]
    same = area_of_applicability(ds, model, sites=sites, weights=by_type)["DI"]
    xr.testing.assert_allclose(same.compute(), found[0])


def test_folds_decide_the_threshold(made, cube):
    sites, model = made
    halves = xr.DataArray(np.arange(11) % 2, dims="site", coords={"site": sites["site"]})
    own = area_of_applicability(cube(), model, sites=sites, weights=EVEN)
    wide = area_of_applicability(cube(), model, sites=sites, weights=EVEN, folds=halves)
    assert float(wide["threshold"].sel(pft="MF")) > 0
    assert not np.allclose(own["threshold"], wide["threshold"])
    np.testing.assert_allclose(own["mean_distance"][[0, 2]], wide["mean_distance"][[0, 2]])


def test_a_constant_driver_has_no_part_in_distances(cube):
    sites = synthetic_towers()[["TEMP", "PRE", "NEE", "NEE_QC"]]
    sites["PRE"] = xr.full_like(sites["PRE"], 50.0).assign_attrs(units="mm month-1")
    model = fit(sites, lags=1, members=1, strategy="per-pft", training=FitSpec(epochs=1))
    ds = cube()
    moved = ds.assign(PRE=(ds["PRE"] * 0 + 900).assign_attrs(ds["PRE"].attrs))
    one, other = (area_of_applicability(d, model, sites=sites, weights=EVEN)["DI"].compute() for d in (ds, moved))
    xr.testing.assert_allclose(one, other)


def test_bad_requests_are_refused(made, cube):
    sites, model = made
    ds = cube(months=5)
    with pytest.raises(ValueError, match="needs the towers that the model was fitted on"):
        area_of_applicability(ds, model, sites=sites.isel(site=slice(4)), weights=EVEN)
    with pytest.raises(ValueError, match=r"lacking: \['TEMP'\]"):
        area_of_applicability(ds, model, sites=sites, weights=EVEN.sel(driver=["PRE"]))
    for wrong in (-EVEN, 0 * EVEN):
        with pytest.raises(ValueError, match="weights must be finite, 0 or more for each of"):
            area_of_applicability(ds, model, sites=sites, weights=wrong)
    with pytest.raises(ValueError, match="weights must be what explain or explain_lags gave"):
        area_of_applicability(ds, model, sites=sites, weights=ds)
    one = xr.DataArray(np.zeros(11), dims="site", coords={"site": sites["site"]})
    with pytest.raises(
        ValueError, match="an area of applicability needs towers in 2 folds or more, got 11 towers in 1"
    ):
        area_of_applicability(ds, model, sites=sites, weights=EVEN, folds=one)
    with pytest.raises(ValueError, match="folds must give every tower its fold"):
        area_of_applicability(ds, model, sites=sites, weights=EVEN, folds=one[:4])
    with pytest.raises(ValueError, match="the cube lacks"):
        area_of_applicability(ds.drop_vars("PRE"), model, sites=sites, weights=EVEN)
    assert len(PFTS) == 5


def test_drivers_that_never_vary_are_refused():
    sites = synthetic_towers()[["TEMP", "NEE", "NEE_QC"]]
    sites["TEMP"] = xr.full_like(sites["TEMP"], 12.0).assign_attrs(units="degC")
    with pytest.warns(UserWarning, match="TEMP: in 11 of 11 sites the mean year swings"):
        model = fit(sites, lags=1, members=1, strategy="per-pft", training=FitSpec(epochs=1))
    with pytest.raises(ValueError, match="every driver is constant, or every weight is 0"):
        area_of_applicability(sites, model, sites=sites, weights=xr.ones_like(EVEN[:1]))
