"""What a product says about itself."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from xnee.grid import cell_area
from xnee.products import cf

from .conftest import make_predicted


@pytest.fixture
def decorated(predicted):
    return cf.decorate(predicted, attrs={"institution": "Institute of Tests", "Conventions": "none"})


@pytest.mark.usefixtures("no_compute")
def test_decorate_is_lazy(predicted):
    product = cf.decorate(predicted)
    assert product["NEE"].chunks is not None
    assert product["NEE_std"].chunks == product["NEE"].chunks


def test_decorate_leaves_its_input_alone(predicted):
    before = predicted.copy(deep=True)
    cf.decorate(predicted, attrs={"title": "mine"})
    xr.testing.assert_identical(predicted, before)


def test_nee_is_an_amount_of_a_calendar_month(decorated):
    nee = decorated["NEE"]
    assert nee.dims == ("time", "lat", "lon")
    assert nee.dtype == "f4"
    # never "g m-2 month-1": a UDUNITS month is 30.44 days
    assert nee.attrs["units"] == "g m-2"
    assert nee.attrs["cell_methods"].startswith("time: sum ")
    assert "carbon" in nee.attrs["long_name"]
    assert "positive into the atmosphere" in nee.attrs["long_name"]
    assert "standard_name" not in nee.attrs


def test_bounds_are_the_days_of_the_month(decorated):
    days = np.diff(decorated["time_bnds"], axis=1)[:, 0].astype("m8[D]").astype(int)
    assert days[:12].tolist() == [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    assert (decorated["time_bnds"][:, 0] == decorated["time"]).all()
    assert decorated["lat_bnds"][0].values.tolist() == [30.0, 30.5]


def test_area_is_that_of_the_ellipsoid(decorated):
    expected = cell_area(decorated["lat"], decorated["lon"])
    np.testing.assert_allclose(decorated["area"], expected, rtol=1e-13)
    assert decorated["area"].attrs["standard_name"] == "cell_area"


def test_flags_explain_numbers(decorated):
    assert decorated["pft"].attrs["flag_meanings"] == "DBF DNF ENF EBF MF"
    assert decorated["pft"].attrs["flag_values"].dtype == decorated["pft"].dtype == "i1"
    assert decorated["fallback"].attrs["flag_meanings"] == "own_model pooled_model"
    assert decorated["fallback"].values.tolist() == [0, 1, 0, 0, 0]


def test_global_attributes_tell_where_it_comes_from(decorated, predicted):
    attrs = decorated.attrs
    assert attrs["Conventions"] == "CF-1.11, ACDD-1.3"
    assert attrs["institution"] == "Institute of Tests"
    assert attrs["model"] == predicted.attrs["model"]
    assert attrs["model_fingerprint"] == "c0ffee"
    assert "xnee 0." in attrs["software"]
    assert "not the carbon sink" in attrs["comment"]
    assert (attrs["time_coverage_start"], attrs["time_coverage_duration"]) == ("2001-01-01T00:00:00Z", "P24M")
    assert (attrs["geospatial_lat_min"], attrs["geospatial_lat_max"]) == (30.0, 33.0)


def test_order_of_dimensions_does_not_matter(predicted):
    turned = predicted.transpose("lon", "lat", "time", "pft", "member")
    xr.testing.assert_equal(cf.decorate(turned).compute(), cf.decorate(predicted).compute())


def test_undecorate_gives_back_words_and_units(decorated, predicted):
    inside = cf.undecorate(decorated)
    assert inside["pft"].values.tolist() == ["DBF", "DNF", "ENF", "EBF", "MF"]
    assert inside["NEE"].attrs["units"] == "g C m-2 month-1"
    np.testing.assert_array_equal(inside["NEE"], predicted["NEE"].astype("f4"))
    assert "crs" not in inside.variables


def test_undecorate_refuses_what_is_no_product(predicted):
    with pytest.raises(ValueError, match=r"NEE in 'g m-2' and a pft with flag_meanings; this one has NEE in 'g C m-2"):
        cf.undecorate(predicted)


def wrong_units(ds):
    return ds.assign(NEE=ds["NEE"].assign_attrs(units="umol m-2 s-1"))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda ds: ds.drop_vars("NEE"), "holds NEE, NEE_std, .*; NEE is missing"),
        (lambda ds: ds.drop_vars(["NEE_std", "fallback"]), "NEE_std, fallback are missing"),
        (wrong_units, "NEE must be in 'g C m-2 month-1', but it came with units 'umol m-2 s-1'"),
        (lambda ds: ds.rename(lat="row", lon="column"), r"a map has the dimensions \(time, lat, lon\)"),
        (lambda ds: ds.isel(pft=0), r"NEE_member must have the dimensions \('member', 'pft', 'time', 'lat', 'lon'\)"),
        (lambda ds: ds.rename(lat="y", lon="x"), "must say in which projection it is"),
        (lambda ds: ds.rename(lat="y", lon="x").assign_attrs(crs="EPSG:4326"), "must be in a projection in metres"),
        (lambda ds: ds.isel(time=[0, 1, 3]), "month starts in a row"),
        (lambda ds: ds.assign_coords(time=ds.time + np.timedelta64(14, "D")), "month starts in a row"),
        (lambda ds: ds.drop_vars("lat"), "lat has none"),
        (lambda ds: ds.isel(lat=[0]), "cell centres must be two or more"),
        (lambda ds: ds.assign_coords(pft=["A", "B", "C", "D", "E"]), "a PFT must be one of"),
    ],
)
@pytest.mark.usefixtures("no_compute")
def test_what_is_no_predicted_map_is_refused(predicted, spoil, message):
    with pytest.raises(ValueError, match=message):
        cf.decorate(spoil(predicted))


def test_a_data_array_is_refused(predicted):
    with pytest.raises(TypeError, match=r"made from the Dataset that .* gives; got DataArray"):
        cf.decorate(predicted["NEE"])


def test_a_map_of_one_month_has_bounds():
    assert cf.decorate(make_predicted(months=1))["time_bnds"].shape == (1, 2)
