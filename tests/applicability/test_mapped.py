"""A map that carries its own area of applicability."""

import json

import numpy as np
import pytest
import xarray as xr

from xnee.applicability import area_of_applicability, with_applicability
from xnee.models.fitting import fit
from xnee.models.training import FitSpec
from xnee.pft import PFTS
from xnee.prediction import predict
from xnee.products.store import open_product, to_product
from xnee.sources.synthetic import synthetic_towers

EVEN = xr.DataArray([1.0, 1.0], dims="driver", coords={"driver": ["TEMP", "PRE"]})


@pytest.fixture(scope="module")
def made():
    sites = synthetic_towers()[["TEMP", "PRE", "NEE", "NEE_QC"]]
    return sites, fit(sites, lags=2, members=2, strategy="per-pft", training=FitSpec(epochs=1))


@pytest.fixture
def maps(cube, driver_model):
    """A prediction and a made-up area beside it, both lazy."""
    predicted = predict(cube(lat=4, lon=6), driver_model(), tile=2)
    return predicted, area_for(predicted)


def area_for(predicted):
    index = predicted["NEE_member"].isel(member=0) * 0 + 1
    where = xr.Dataset({"DI": index, "AOA": predicted["NEE"] * 0 + 0.5, "threshold": ("pft", np.ones(5))})
    return where.assign_attrs(model_fingerprint=predicted.attrs["model_fingerprint"])


def test_a_product_holds_what_the_area_says(made, cube, tmp_path):
    sites, model = made
    ds = cube(lat=5, lon=5, months=12)
    where = area_of_applicability(ds, model, sites=sites, weights=EVEN, tile=2)
    both = with_applicability(predict(ds, model, tile=4), where)
    opened = open_product(to_product(both, tmp_path / "nee.nc", progress=False))
    direct = area_of_applicability(ds, model, sites=sites, weights=EVEN).compute()
    for name in ("DI", "AOA"):
        assert opened[name].dims == direct[name].dims
        np.testing.assert_array_equal(opened[name], direct[name])
    np.testing.assert_array_equal(opened["DI_threshold"], direct["threshold"])
    facts = json.loads(opened.attrs["applicability"])
    assert facts["own"] == {"DBF": 1, "DNF": 0, "ENF": 1, "EBF": 1, "MF": 1}
    assert facts["windows"]["MF"] == int(direct["windows"].sel(pft="MF"))
    assert float(opened["AOA"].max()) > 0


@pytest.mark.usefixtures("no_compute")
def test_nothing_is_computed_too_early(maps):
    both = with_applicability(*maps)
    assert both["AOA"].chunks == maps[0]["NEE"].chunks
    assert both["DI"].chunks == ((5,), *maps[0]["NEE"].chunks)


def test_smaller_tiles_are_put_together_and_larger_ones_refused(maps):
    predicted, where = maps
    small = with_applicability(predicted, where.chunk(lat=1, lon=2))
    assert small["DI"].chunksizes["lat"] == (2, 2)
    for chunk in ({"lat": 4}, {"lon": 3}, {"lon": (1, 2, 2, 1)}):
        with pytest.raises(ValueError, match=r"area_of_applicability\(..., tile=2\), or take both with one tile"):
            with_applicability(predicted, where.chunk(chunk))
    with_applicability(predicted.compute(), where.chunk(lat=4))  # of a map in memory nothing is computed again


def test_an_area_that_was_computed_or_read_will_do(maps, tmp_path):
    predicted, where = maps
    lazy = with_applicability(predicted, where)
    xr.testing.assert_equal(with_applicability(predicted, where.compute()), lazy)
    where.compute().to_netcdf(tmp_path / "where.nc")
    with xr.open_dataset(tmp_path / "where.nc", chunks={"lat": 2, "lon": 2}) as read:
        xr.testing.assert_equal(with_applicability(predicted, read).compute(), lazy.compute())


def test_order_of_dimensions_does_not_matter(maps):
    predicted, where = maps
    turned = with_applicability(predicted, where.transpose("lon", "time", "pft", "lat"))
    xr.testing.assert_equal(turned, with_applicability(predicted, where))


def test_towers_and_projections_have_areas_too(towers, driver_model, maps):
    for predicted in (predict(towers(), driver_model()), maps[0].rename(lat="y", lon="x")):
        assert with_applicability(predicted, area_for(predicted))["AOA"].dims == predicted["NEE"].dims


def test_what_it_was_made_with_is_kept(maps):
    predicted, where = maps
    said = where.assign_attrs(seed=np.int64(3), weights="contributions", folds="towers", other="none")
    facts = json.loads(with_applicability(predicted, said).attrs["applicability"])
    assert facts == {
        "method": "Meyer and Pebesma 2021, doi:10.1111/2041-210X.13650",
        "weights": "contributions",
        "seed": 3,
        "folds": "towers",
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w.isel(lat=slice(3)), r"differ along lat \(3 in where, 4 in the map\): take both of the same cube"),
        (lambda w: w.assign_coords(lon=w["lon"] + 0.1), "differ along lon"),
        (lambda w: w.isel(time=slice(6)), "differ along time"),
        (lambda w: w.assign_coords(pft=list(PFTS[::-1])), "differ along pft"),
        (lambda w: w.rename(lat="y"), "differ along lat .none in where"),
        (lambda w: w.assign_attrs(model_fingerprint="bad"), "is not of the map's model: 'bad' there, 'double' in the"),
        (lambda w: w.assign_attrs(cover="by year, 2001"), "not of the map's cover .*: 'by year, 2001' there, None in"),
        (lambda w: w.drop_vars(["AOA", "threshold"]), "where lacks AOA, threshold. Give what area_of_applicability"),
    ],
)
@pytest.mark.usefixtures("no_compute")
def test_an_area_of_something_else_is_refused(maps, change, message):
    predicted, where = maps
    with pytest.raises(ValueError, match=message):
        with_applicability(predicted, change(where))
    with pytest.raises(ValueError, match=r"predicted lacks NEE\. Give what xnee.predict gives"):
        with_applicability(predicted.drop_vars("NEE"), where)


def test_a_fingerprint_that_is_not_told_is_not_compared(maps):
    predicted, where = maps
    assert "AOA" in with_applicability(predicted, where.drop_attrs(deep=False))


def test_another_forest_is_refused_where_it_is_computed(maps):
    predicted, where = maps
    turned = predicted["pft_fraction"].roll(pft=1)
    both = with_applicability(predicted, where.assign(pft_fraction=turned))
    with pytest.raises(ValueError, match="of another forest than the map: the share of a type in a cell differs"):
        both["DI"].compute()
    same = with_applicability(predicted, where.assign(pft_fraction=predicted["pft_fraction"].compute()))
    np.testing.assert_array_equal(same["DI"], where["DI"].transpose(*same["DI"].dims))


def test_an_area_is_in_the_tiles_of_the_map_unless_told_otherwise(made, cube):
    sites, model = made
    ds = cube(lat=70, lon=3, months=4).chunk(lat=70, lon=3)
    where, predicted = area_of_applicability(ds, model, sites=sites, weights=EVEN), predict(ds, model)
    assert where["DI"].chunksizes["lat"] == predicted["NEE"].chunksizes["lat"] == (70,)
    assert with_applicability(predicted, where)["AOA"].chunks == predicted["NEE"].chunks
