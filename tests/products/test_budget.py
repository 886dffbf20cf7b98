"""Carbon totals against a loop over cells."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from xnee.grid import cell_area
from xnee.products.budget import budget, budget_table
from xnee.products.store import open_product
from xnee.products.totals import add_states, carbon_states, no_states

from .conftest import make_predicted


def budget_slowly(predicted):
    """Total of each member, PFT and year in Tg C, one number after the other."""
    predicted = predicted.compute()
    area = cell_area(predicted["lat"], predicted["lon"])
    year = predicted["time"].dt.year.values
    total = np.zeros((np.unique(year).size, predicted.sizes["pft"], predicted.sizes["member"]))
    for j in range(predicted.sizes["lat"]):
        for i in range(predicted.sizes["lon"]):
            for p in range(predicted.sizes["pft"]):
                ground = float(predicted["pft_fraction"][p, j, i]) * float(area[j, i])
                if ground == 0:
                    continue
                for m in range(predicted.sizes["member"]):
                    series = predicted["NEE_member"].values[m, p, :, j, i].astype("f8")
                    for y, one in enumerate(np.unique(year)):
                        gram = sum(series[year == one])
                        if not np.isnan(gram):
                            total[y, p, m] += gram * ground * 1e-12
    return total


def test_budget_is_that_of_a_slow_loop(predicted):
    total, result = budget_slowly(predicted), budget(predicted)
    np.testing.assert_allclose(result["NEE_total"], total.mean(-1), rtol=1e-12)
    np.testing.assert_allclose(result["NEE_total_std"], total.std(-1, ddof=1), rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(result["NEE_forest"], total.sum(1).mean(-1), rtol=1e-12)
    np.testing.assert_allclose(result["NEE_forest_std"], total.sum(1).std(-1, ddof=1), rtol=1e-9)


def test_parts_make_the_whole(predicted):
    result = budget(predicted)
    np.testing.assert_allclose(result["NEE_total"].sum("pft"), result["NEE_forest"], rtol=1e-6)


def test_uptake_is_negative(predicted):
    result = budget(predicted)
    assert (result["NEE_forest"] < 0).all()  # the season of the double is -10 on average
    assert result.attrs["sign"] == "negative: uptake from the atmosphere"
    assert "NBP" in result.attrs["comment"]


def test_spread_is_of_totals_and_not_of_cells(predicted):
    # All cells of a member are off by the same factor: the spread of the total is in proportion to the total, and far
    # above what independent cells would leave of it.
    result = budget(predicted)
    factor = 1 + 0.2 * np.arange(3) / 2
    expected = abs(result["NEE_forest"]) * factor.std(ddof=1) / factor.mean()
    np.testing.assert_allclose(result["NEE_forest_std"], expected, rtol=1e-5)


def test_one_member_has_no_spread():
    result = budget(make_predicted(members=1))
    assert result["NEE_forest"].notnull().all()
    assert result["NEE_forest_std"].isnull().all()
    assert "±" not in budget_table(result).splitlines()[-1]


def test_areas_are_those_of_the_cover(predicted):
    result = budget(predicted)
    cover = predicted["pft_fraction"].astype("f8") * cell_area(predicted["lat"], predicted["lon"]).values
    np.testing.assert_allclose(result["area_km2"], cover.sum(("lat", "lon")) / 1e6, rtol=1e-12)
    np.testing.assert_allclose(result["area_predicted_km2"], result["area_km2"].expand_dims(year=2), rtol=1e-12)
    assert result["area_km2"].attrs["units"] == "km2"


def test_a_year_without_twelve_months_has_no_total():
    result = budget(make_predicted(months=30, gap=6))
    assert result["months"].values.tolist() == [6, 12, 6]
    assert result["NEE_forest"].isnull().values.tolist() == [True, False, True]
    assert result["NEE_total"].attrs["units"] == "Tg C yr-1"
    assert budget_table(result).splitlines()[-1].split() == ["2003", *["-"] * 6]


def test_a_cell_with_a_gap_is_left_out_and_its_area_told(predicted):
    gone = predicted.copy()
    where = (predicted["lat"] == predicted["lat"][1]) & (predicted["lon"] == predicted["lon"][4])
    hole = where & (predicted["time"] == predicted["time"][3])
    gone["NEE_member"] = predicted["NEE_member"].where(~hole).assign_attrs(predicted["NEE_member"].attrs)
    whole, result = budget(predicted), budget(gone)
    missing = whole["area_predicted_km2"] - result["area_predicted_km2"]
    cell = (predicted["pft_fraction"].astype("f8") * cell_area(predicted["lat"], predicted["lon"])).isel(lat=1, lon=4)
    np.testing.assert_allclose(missing[0], cell / 1e6, rtol=1e-9, atol=1e-6)
    assert (missing[1] == 0).all()
    np.testing.assert_allclose(result["NEE_total"], budget_slowly(gone).mean(-1), rtol=1e-12)


def test_a_type_that_nowhere_could_be_predicted_has_no_total(predicted):
    lost = predicted.copy()
    flux = predicted["NEE_member"]
    lost["NEE_member"] = flux.where(flux["pft"] != "MF").assign_attrs(flux.attrs)
    result = budget(lost)
    assert result["NEE_total"].sel(pft="MF").isnull().all()
    np.testing.assert_allclose(result["NEE_forest"], result["NEE_total"].sum("pft"))
    assert (result["NEE_total"].sel(pft="DNF") == 0).all()  # no ground, no carbon
    assert budget_table(result).splitlines()[-3].split()[:2] == ["predicted,", "%"]


@pytest.mark.parametrize("chunk", [1, 2, 3, 8])
def test_chunks_do_not_matter(predicted, chunk):
    xr.testing.assert_allclose(budget(make_predicted(chunk=chunk)), budget(predicted), rtol=1e-12)


def test_memory_or_dask_is_the_same(predicted):
    xr.testing.assert_allclose(budget(predicted.compute()), budget(predicted), rtol=1e-12)


def test_states_of_parts_add_up(predicted):
    source = predicted.assign(area=cell_area(predicted["lat"], predicted["lon"]))
    whole, north, south = (
        carbon_states(part, xr.ones_like(part["area"]).expand_dims(region=["all"])).compute()
        for part in (source, source.isel(lat=slice(4, None)), source.isel(lat=slice(4)))
    )
    xr.testing.assert_allclose(north + south, whole, rtol=1e-12)
    xr.testing.assert_allclose(add_states(no_states(source, ["all"]), [north, south]), whole, rtol=1e-12)


def test_product_and_map_have_one_budget(product, predicted):
    xr.testing.assert_allclose(budget(open_product(product)), budget(predicted), rtol=1e-12)
    with xr.open_dataset(product) as raw:
        xr.testing.assert_allclose(budget(raw), budget(predicted), rtol=1e-12)


def test_by_year_only_is_all_forest(predicted):
    by_both, by_year = budget(predicted), budget(predicted, by=("year",))
    np.testing.assert_allclose(by_year["NEE_total"], by_both["NEE_forest"])
    np.testing.assert_allclose(by_year["NEE_total_std"], by_both["NEE_forest_std"])
    np.testing.assert_allclose(by_year["area_km2"], by_both["area_km2"].sum())


def test_mean_year_is_of_whole_years():
    predicted = make_predicted(months=42, gap=6)
    by_both, mean = budget(predicted), budget(predicted, by=("pft",))
    np.testing.assert_allclose(mean["NEE_total"], by_both["NEE_total"][1:3].mean("year"))
    np.testing.assert_allclose(mean["area_predicted_km2"], mean["area_km2"])
    assert int(mean["years"]) == 2
    assert budget_table(mean).splitlines()[-1].startswith("mean year")


@pytest.mark.parametrize("by", ["pft", (), ("decade",), None])
def test_other_ways_to_add_up_are_refused(predicted, by):
    with pytest.raises(ValueError, match="by must hold 'pft', 'year', 'season' or 'month', or 'region'"):
        budget(predicted, by=by)


def test_table_shows_areas_stars_and_signs(predicted):
    lines = budget_table(budget(predicted)).splitlines()
    assert "negative: uptake" in lines[0]
    assert "not what all of them get wrong" in lines[1]
    assert lines[2].startswith("*: too few towers")
    assert "not the carbon sink" in lines[3]
    assert lines[4].split()[3:] == ["DBF", "DNF*", "ENF", "EBF", "MF", "forest"]
    assert lines[5].startswith("area, 1e4 km2")
    assert lines[7].startswith("2001")
    assert "-2.93 ± 0.27" in lines[7]
    assert max(map(len, lines)) <= 125
