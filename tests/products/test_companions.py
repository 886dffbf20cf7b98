"""A product that carries its own warnings: bounds, quantiles and area of applicability, on every road."""

from __future__ import annotations

import json
import logging
import os
import shutil

import dask
import netCDF4
import numpy as np
import pytest
import rasterio
import xarray as xr

from xnee.pft import PFTS
from xnee.plotting import plot
from xnee.products import cf
from xnee.products.budget import budget
from xnee.products.companions import COMPANIONS, facts_of
from xnee.products.geotiff import to_geotiff
from xnee.products.store import open_product, to_product

from .conftest import LEVELS, Counting, assert_same_values, make_predicted, make_projected, values, with_companions

ROADS = [("nee.nc", {}), ("nee.zarr", {}), ("nee", {"split": "year"})]


def write(predicted, path, **options):
    return to_product(predicted, path, progress=False, **options)


def assert_same_companions(opened, predicted):
    for name in COMPANIONS:
        assert opened[name].dims == predicted[name].dims, name
        np.testing.assert_array_equal(opened[name], predicted[name].astype(opened[name].dtype), err_msg=name)
    assert opened["quantile"].values.tolist() == LEVELS


@pytest.fixture(scope="module")
def beside(tmp_path_factory):
    """A product with everything, written once."""
    return write(with_companions(make_predicted()), tmp_path_factory.mktemp("beside") / "nee.zarr")


@pytest.mark.parametrize(
    ("make", "name", "options"),
    [*((make_predicted, *road) for road in ROADS), (make_projected, "nee.nc", {})],
    ids=["nc", "zarr", "year", "projected"],
)
def test_what_was_put_beside_nee_comes_back(tmp_path, make, name, options):
    predicted = with_companions(make())
    opened = open_product(write(predicted, tmp_path / name, **options))
    assert_same_companions(opened, predicted)
    np.testing.assert_array_equal(opened["NEE"], predicted["NEE"].astype("f4"))
    assert opened["NEE_low"].attrs["units"] == opened["NEE_quantile"].attrs["units"] == "g C m-2 month-1"
    assert facts_of(opened.attrs, "calibration")["level"] == 0.9
    assert facts_of(opened.attrs, "applicability")["seed"] == 3
    assert float(opened["AOA"].min()) < 0.5 < float(opened["AOA"].max())
    xr.testing.assert_allclose(budget(opened), budget(predicted), rtol=1e-12)


def test_a_map_of_one_tile_holds_them_too(tmp_path):
    # dask.compute loses what it computes and also reads for something else; more tiles hide that
    predicted = with_companions(make_predicted(chunk=8, months=12))
    assert_same_companions(open_product(write(predicted, tmp_path / "nee.zarr")), predicted)


def test_nee_itself_is_what_it_is_without_them(product, beside):
    both, alone = values(beside), values(product)
    assert set(both) - set(alone) == {*COMPANIONS, "quantile"}
    for name, x in alone.items():
        assert x.tobytes() == both[name].tobytes(), name


@pytest.mark.parametrize(
    "kept",
    [["AOA"], ["NEE_low", "NEE_high"], ["NEE_quantile"], ["DI", "DI_threshold"], ["AOA", "NEE_quantile"]],
    ids=str,
)
def test_each_may_stand_alone(tmp_path, kept):
    full = with_companions(make_predicted())
    opened = open_product(write(full.drop_vars(set(COMPANIONS) - set(kept)), tmp_path / "nee.nc"))
    assert set(COMPANIONS) & set(opened.variables) == set(kept)
    for name in kept:
        np.testing.assert_array_equal(opened[name], full[name].astype(opened[name].dtype))
    # no word of what is not there
    assert ("calibration" in opened.attrs) == ("NEE_low" in kept)
    assert ("applicability" in opened.attrs) == bool({"AOA", "DI"} & set(kept))


def test_the_file_says_what_they_are(tmp_path):
    path = write(with_companions(make_predicted()), tmp_path / "nee.nc", attrs={"project": "Tests"})
    with netCDF4.Dataset(path) as file:
        nee = file["NEE"]
        assert nee.ancillary_variables == "NEE_std NEE_low NEE_high AOA"
        assert nee.comment.endswith("of a cell is: NEE_low and NEE_high. Where and when not to believe it: AOA.")
        for name, dims in COMPANIONS.items():
            assert file[name].dimensions == dims
        low, aoa, index = file["NEE_low"], file["AOA"], file["DI"]
        assert low.long_name == "lower bound of the 90 % prediction interval of NEE of one month of one cell"
        assert (low.units, low.cell_methods) == (nee.units, nee.cell_methods)
        assert "not to be added up" in low.comment
        assert "on 9 towers that were left out, scheme leave-site-out, 8 folds, 3 members" in low.comment
        assert "not to be added up" in file["NEE_quantile"].comment.lower()
        assert (aoa.units, aoa.cell_methods, aoa.grid_mapping) == ("1", "area: mean where trees", "crs")
        assert "10.1111/2041-210X.13650" in aoa.comment
        assert (index.ancillary_variables, index.cell_measures) == ("DI_threshold", "area: area")
        assert "Made with weights: contributions, seed: 3." in index.comment
        assert "Of DNF, with too few towers, the windows of all types stand in." in file["DI_threshold"].comment
        assert aoa._FillValue == nee._FillValue
        assert index.chunking() == [1, 1, 6, 8]
        assert json.loads(file.calibration)["factor"]["MF"] == 1.5


def test_attributes_of_your_own_stay(tmp_path):
    own = {"calibration": "scales of 2020"}
    with netCDF4.Dataset(write(make_predicted(), tmp_path / "nee.nc", attrs=own)) as file:
        assert file.calibration == "scales of 2020"


@pytest.mark.usefixtures("no_compute")
def test_decorate_stays_lazy():
    product = cf.decorate(with_companions(make_predicted()))
    assert all(product[name].chunks is not None for name in COMPANIONS if name != "DI_threshold")


# each tile once


def test_blocks_without_forest_are_not_computed_and_the_others_once(tmp_path):
    watch, index = Counting(), Counting()
    write(with_companions(make_predicted(watch=watch), watch=index), tmp_path / "nee.zarr")
    assert (watch.calls, index.calls) == (4, 4)  # of 2 x 3 blocks
    assert np.isnan(open_product(tmp_path / "nee.zarr")["AOA"].isel(lon=slice(3))).all()


def test_a_model_runs_once_for_all_that_is_written(tmp_path, cube, driver_model):
    from xnee.evaluation.quantiles import member_quantiles
    from xnee.prediction import predict

    calls = []

    class Watched(driver_model):
        def predict_series(self, pft, x, context=None):
            calls.append(pft)
            return super().predict_series(pft, x, context)

    predicted = predict(cube(lat=4, lon=4), Watched(), tile=2)
    write(predicted, tmp_path / "alone.nc")
    alone = len(calls)
    write(member_quantiles(predicted, [0.0, 1.0]), tmp_path / "beside.nc")
    assert len(calls) == 2 * alone
    opened = open_product(tmp_path / "beside.nc")
    wide = opened["NEE_quantile"].sel(quantile=1.0) - opened["NEE_quantile"].sel(quantile=0.0)
    np.testing.assert_allclose(wide.where(opened["NEE"].notnull(), 10.0), 10.0, rtol=1e-4)


# stopping and going on


def test_a_run_that_stopped_goes_on(tmp_path):
    target = tmp_path / "nee.nc"
    with pytest.raises(RuntimeError, match="no such driver"):
        write(with_companions(make_predicted(watch=Counting(fail_at=3))), target)
    index = Counting()
    write(with_companions(make_predicted(), watch=index), target)
    assert 0 < index.calls < 4
    assert_same_values(target, write(with_companions(make_predicted()), tmp_path / "whole.nc"))


def other_threshold(ds):
    return ds.assign(DI_threshold=ds["DI_threshold"] * 1.01)


def other_levels(ds):
    return ds.assign_coords(quantile=[0.2, 0.5, 0.75])


OTHERS = [
    (
        lambda ds: ds.drop_vars("AOA"),
        "beside NEE was 'NEE_low, NEE_high, NEE_quantile, AOA, DI, DI_threshold', is 'NEE_",
    ),
    (other_threshold, "DI_threshold was '1, 0.9, 0.8, 0.7, 0.6', is '1.01, 0.909,"),
    (other_levels, "quantile levels was '0.1, 0.5, 0.75', is '0.2, 0.5, 0.75'"),
    (lambda ds: with_companions(ds, factor=2.0), r"calibration factor was .*1\.5.*, is .*2\.0"),
]


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """A product that was begun and not finished."""
    target = tmp_path_factory.mktemp("begun") / "nee.zarr"
    with dask.config.set(num_workers=1), pytest.raises(RuntimeError, match="no such driver"):
        write(with_companions(make_predicted(watch=Counting(fail_at=3))), target)
    return target


@pytest.mark.parametrize(("change", "message"), OTHERS)
@pytest.mark.usefixtures("no_compute")
def test_what_was_begun_with_other_warnings_is_refused(begun, change, message):
    with pytest.raises(ValueError, match=f"made from something else: .*{message}"):
        write(change(with_companions(make_predicted())), begun)


# adding a year


@pytest.mark.parametrize(("name", "options"), ROADS, ids=str)
def test_a_year_is_added_to_all_of_them(tmp_path, name, options):
    target = write(with_companions(make_predicted()), tmp_path / name, **options)
    write(with_companions(make_predicted(months=36)), target, append=True, **options)
    (tmp_path / "whole").mkdir()
    whole = write(with_companions(make_predicted(months=36)), tmp_path / "whole" / name, **options)
    assert_same_values(target, whole)
    assert_same_companions(open_product(target), with_companions(make_predicted(months=36)))


@pytest.mark.parametrize(("change", "message"), [*OTHERS, (lambda ds: ds.drop_vars(list(COMPANIONS)), "is 'nothing'")])
@pytest.mark.usefixtures("no_compute")
def test_a_year_with_other_warnings_is_not_added(beside, change, message):
    with pytest.raises(ValueError, match=f"what is to be appended differs from the product: .*{message}"):
        write(change(with_companions(make_predicted(months=36))), beside, append=True)
    assert os.listdir(beside.parent) == ["nee.zarr"]


def test_warnings_are_not_added_to_a_product_without(product):
    with pytest.raises(ValueError, match="beside NEE was 'nothing', is 'NEE_low, "):
        write(with_companions(make_predicted(months=36)), product, append=True)


def test_last_digits_of_a_threshold_may_hang_on_the_machine(beside, tmp_path):
    target = shutil.copytree(beside, tmp_path / "nee.zarr")
    longer = with_companions(make_predicted(months=36))
    write(longer.assign(DI_threshold=longer["DI_threshold"] * (1 + 1e-7)), target, append=True)


# other forms


def test_ilamb_gets_nee_alone_and_that_is_said(beside, tmp_path, caplog):
    with caplog.at_level(logging.INFO, logger="xnee"):
        first = write(with_companions(make_predicted()), tmp_path / "a.nc", profile="ilamb")
    assert "profile='ilamb' holds NEE alone: NEE_low, NEE_high, NEE_quantile, AOA, DI, DI_threshold stay" in caplog.text
    second = write(open_product(beside), tmp_path / "b.nc", profile="ilamb")
    plain = write(make_predicted(), tmp_path / "c.nc", profile="ilamb")
    for other in (first, second):
        assert_same_values(plain, other)
        with netCDF4.Dataset(other) as file:
            assert not {"calibration", "applicability"} & set(file.ncattrs())


def test_a_geotiff_is_that_of_nee(beside, tmp_path):
    one = to_geotiff(open_product(beside), tmp_path / "one.tif", progress=False)
    two = to_geotiff(make_predicted(), tmp_path / "two.tif", progress=False)
    with rasterio.open(one) as a, rasterio.open(two) as b:
        np.testing.assert_array_equal(a.read(), b.read())


def test_a_product_draws_its_own_area(beside, product):
    opened = open_product(beside)
    for figure in (plot(opened), plot(open_product(product), area=opened)):
        assert "mostly outside the area of applicability" in [patch.get_label() for patch in figure.axes[0].patches]
    assert plot(opened, kind="area").axes[0].get_title() == "outside the area of applicability"


# refused


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            lambda ds: ds.drop_vars("NEE_high"),
            "an interval has two bounds, NEE_low and NEE_high; there is only NEE_low",
        ),
        (lambda ds: ds.drop_vars("quantile"), "NEE_quantile must name its levels in a coordinate quantile"),
        (lambda ds: ds.assign(DI=ds["DI"].isel(pft=0)), r"DI must have the dimensions \('time', 'pft', 'lat', 'lon'\)"),
        (lambda ds: ds.assign(NEE_low=ds["NEE_low"].assign_attrs(units="g")), "NEE must be in 'g C m-2 month-1'"),
        (lambda ds: ds.assign_attrs(calibration="90 %"), "the attribute calibration of a map holds JSON .*got '90 %'"),
    ],
)
@pytest.mark.usefixtures("no_compute")
def test_what_is_not_as_it_is_made_is_refused(spoil, message):
    with pytest.raises(ValueError, match=message):
        cf.decorate(spoil(with_companions(make_predicted())))


def test_types_keep_their_order(beside):
    opened = open_product(beside)
    assert opened["pft"].values.tolist() == list(PFTS)
    assert opened["DI_threshold"].sel(pft="MF") == 0.6
