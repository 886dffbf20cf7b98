import numpy as np
import pytest
import xarray as xr

from xnee.explanation import explain_map
from xnee.explanation.coalitions import exact
from xnee.explanation.maps import _backgrounds
from xnee.models.fitting import fit
from xnee.models.training import FitSpec
from xnee.pft import PFTS
from xnee.prediction import predict
from xnee.sources.synthetic import synthetic_towers


@pytest.fixture(scope="module")
def made():
    sites = synthetic_towers()[["TEMP", "PRE", "NEE", "NEE_QC"]]
    return sites, fit(sites, lags=2, members=2, strategy="per-pft", training=FitSpec(epochs=2))


@pytest.mark.parametrize("method", ["exact", "permutation"])
def test_values_add_up_to_the_mapped_flux_of_the_period(made, cube, method):
    sites, model = made
    ds = cube(months=20)
    why = explain_map(ds, model, sites=sites, period=("2001-05", "2002-04"), background=7, method=method).compute()
    mapped = predict(ds, model)["NEE"].sel(time=slice("2001-05", "2002-04")).mean("time", skipna=False)
    np.testing.assert_allclose(why["prediction"], mapped, atol=1e-3)
    np.testing.assert_allclose(why["base"] + why["phi"].sum("driver", skipna=False), mapped, atol=1e-3)
    assert (why["magnitude"] >= np.abs(why["phi"]) - 1e-9).where(mapped.notnull(), True).all()
    assert why.attrs["method"] == method
    assert why.attrs["period"] == "2001-05..2002-04"


def test_a_cell_of_one_type_is_what_its_windows_say(made, cube):
    sites, model = made
    ds = cube(months=14)
    why = explain_map(ds, model, sites=sites, period=("2001-03", "2001-06"), background=5, method="exact").compute()
    networks, others = _backgrounds(sites, model, list(PFTS), 5, 0)[0]
    series = np.stack([ds[name].to_numpy()[:, 0, 0] for name in ("TEMP", "PRE")], axis=-1)
    from xnee.context import series_context

    context = series_context(series[None], ["TEMP", "PRE"])
    each = [
        exact(networks, networks.features(series[None, t - 2 : t + 1], context)[0], others, 2)[0] for t in range(2, 6)
    ]
    np.testing.assert_allclose(why["phi"][:, 0, 0], np.mean(each, axis=0), atol=1e-4)
    np.testing.assert_allclose(why["magnitude"][:, 0, 0], np.abs(each).mean(axis=0), atol=1e-4)
    assert int(why["dominant"][0, 0]) == np.abs(each).mean(axis=0).argmax()


def test_sampling_agrees_with_exact_values_within_its_error(made, cube):
    sites, model = made
    words = {"sites": sites, "background": 6, "period": ("2001-03", "2002-02")}
    truth = explain_map(cube(), model, method="exact", **words).compute()
    drawn = explain_map(cube(), model, method="permutation", permutations=60, **words).compute()
    score = ((drawn["phi"] - truth["phi"]) / drawn["phi_se"]).to_numpy()
    assert np.nanmax(np.abs(score)) < 5
    assert (truth["phi_se"].fillna(0) == 0).all()


@pytest.mark.usefixtures("no_compute")
def test_nothing_is_computed_too_early(made, cube):
    sites, model = made
    why = explain_map(cube().chunk(lat=1), model, sites=sites)
    assert all(why[name].chunks is not None for name in why.data_vars)


@pytest.mark.parametrize("chunks", [{"time": 5}, {"lat": 1, "lon": 1}, {"time": 4, "lat": 2}], ids=str)
def test_tiles_and_chunks_do_not_matter(made, cube, chunks):
    sites, model = made
    words = {
        "sites": sites,
        "background": 5,
        "method": "permutation",
        "permutations": 3,
        "period": ("2001-06", "2001-07"),
    }
    whole = explain_map(cube(), model, **words).compute()
    parts = explain_map(cube().chunk(chunks), model, tile=2, **words).compute()
    xr.testing.assert_allclose(whole, parts, atol=1e-4)


def test_cells_without_forest_or_with_a_gap_are_missing(made, cube):
    sites, model = made
    ds = cube()
    ds["PRE"][10, 2, 2] = np.nan
    why = explain_map(ds, model, sites=sites, period=("2001-09", "2001-12"), background=4, permutations=2).compute()
    missing = why["phi"].isnull().all("driver")
    assert missing[0, 1]
    assert missing[2, 2]
    np.testing.assert_array_equal(why["dominant"] == -1, missing)
    assert int(missing.sum()) == 2


def test_towers_can_be_explained_like_cells(made):
    sites, model = made
    some = sites.isel(site=[0, 3]).dropna("time", subset=["TEMP"], how="all")
    why = explain_map(some, model, sites=sites, background=4, permutations=2).compute()
    assert why["dominant"].dims == ("site",)


def test_the_cheaper_method_is_taken(made, cube):
    sites, model = made
    assert explain_map(cube(), model, sites=sites, background=4).attrs["method"] == "exact"
    assert explain_map(cube(), model, sites=sites, background=50).attrs["method"] == "permutation"


def test_bad_requests_are_refused(made, cube):
    sites, model = made
    with pytest.raises(ValueError, match="explain_map needs method 'auto', 'exact' or 'permutation'; got 'deep'"):
        explain_map(cube(), model, sites=sites, method="deep")
    for name, least in (("background", 1), ("permutations", 2), ("tile", 1), ("seed", 0)):
        for value in (least - 1, 2.5, None, "8", True):
            with pytest.raises(ValueError, match=f"explain_map needs {name} to be a whole number of at least {least}"):
                explain_map(cube(), model, sites=sites, **{name: value})
    for period in (
        ("2001-01", "2001-05"),
        ("2002-05", "2001-05"),
        ("2001-05", "2030-01"),
        ("spring", "summer"),
        slice(None),
        5,
        ("2001-03",),
    ):
        with pytest.raises(ValueError, match=r"lie in 2001-03..2003-06: the cube begins 2001-01"):
            explain_map(cube(), model, sites=sites, period=period)
    with pytest.raises(ValueError, match="needs the towers that the model was fitted on"):
        explain_map(cube(), model, sites=sites.isel(site=slice(3)))
    with pytest.raises(ValueError, match="the cube lacks"):
        explain_map(cube().drop_vars("PRE"), model, sites=sites)
