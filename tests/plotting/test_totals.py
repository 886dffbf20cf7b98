import numpy as np
import pandas as pd
import pytest
import xarray as xr

from xnee.comparison import compare
from xnee.pft import PFTS
from xnee.plotting import plot
from xnee.prediction import predict
from xnee.products.budget import budget


@pytest.fixture(scope="module")
def predicted(cube, driver_model):
    return predict(cube(months=36), driver_model())


_TOTALS = ("NEE_total", "NEE_forest")


def line_ends(lines):
    """Lower and upper ends of vertical lines; missing ones have no points."""
    return np.array([one[:, 1] if np.size(one) else [np.nan, np.nan] for one in lines.get_segments()])


def heights(axis):
    """Heights of the bars and ends of their lines, by label."""
    lines = [line_ends(drawn) for drawn in axis.collections]
    return {
        bars.get_label(): (np.asarray(bars.datavalues), ends)
        for bars, ends in zip(axis.containers, lines[: len(axis.containers)], strict=True)
    }


def test_bars_are_the_totals_with_the_spread_of_the_members(predicted, drawn):
    total = budget(predicted)
    axis = drawn(plot(total)).axes[0]
    shown = heights(axis)
    assert list(shown) == [pft + "*" * (pft == "DNF") for pft in PFTS]  # the double learned DNF from others
    for pft, (height, ends) in zip(PFTS, shown.values(), strict=True):
        own = total.sel(pft=pft)
        np.testing.assert_allclose(height, own["NEE_total"])
        np.testing.assert_allclose(ends.mean(axis=1), own["NEE_total"], rtol=1e-6)
        np.testing.assert_allclose(np.ptp(ends, axis=1) / 2, own["NEE_total_std"], rtol=1e-6)
    marks = [line for line in axis.lines if line.get_marker() == "D"]
    np.testing.assert_allclose(marks[0].get_ydata(), total["NEE_forest"])
    assert [tick.get_text() for tick in axis.get_xticklabels()] == ["2001", "2002", "2003"]
    assert axis.get_ylabel().startswith("NEE, Tg C yr$^{-1}$")


def test_an_interval_of_the_true_total_is_drawn_where_it_lies(predicted, drawn):
    total = budget(predicted)
    ends = {"low": 5.0, "high": 30.0}  # not about the total: towers left out may say that all of it is too low
    sure = total.assign({f"{name}_{end}": total[name] + by for name in _TOTALS for end, by in ends.items()})
    figure = drawn(plot(sure.assign_attrs(level=0.9)))
    own, shown = total.sel(pft="ENF")["NEE_total"].to_numpy(), heights(figure.axes[0])["ENF"]
    np.testing.assert_allclose(shown[0], own)
    np.testing.assert_allclose(shown[1], np.stack([own + 5, own + 30], axis=1))
    np.testing.assert_allclose(
        line_ends(figure.axes[0].collections[-1]),
        np.stack([total["NEE_forest"] + 5, total["NEE_forest"] + 30], axis=1),
    )
    assert figure.legends[0].get_title().get_text().startswith("lines: 90 % interval of the true total")


@pytest.mark.parametrize(
    ("by", "periods"),
    [
        (("pft",), ["mean year"]),
        (("year",), ["2001", "2002", "2003"]),
        (("season",), ["DJF", "MAM", "JJA", "SON"]),
        (("year", "month"), [f"{year} {month}" for year in (2001, 2002, 2003) for month in range(1, 13)]),
    ],
)
def test_budgets_by_anything_are_drawn(predicted, drawn, by, periods):
    total = budget(predicted, by=by)
    axis = drawn(plot(total)).axes[0]
    assert [tick.get_text() for tick in axis.get_xticklabels()] == periods
    bars = np.array([height for height, _ in heights(axis).values()])
    order = [dim for dim in ("pft", "year", "season", "month") if dim in total["NEE_total"].dims]
    np.testing.assert_allclose(bars.ravel(), total["NEE_total"].transpose(*order).to_numpy().ravel())


def test_each_region_has_a_panel(predicted, drawn):
    box = {"type": "Polygon", "coordinates": [[[99, 29], [102, 29], [102, 33], [99, 33], [99, 29]]]}
    total = budget(predicted, by=("pft",), regions={"west": box})
    axes = [axis for axis in drawn(plot(total)).axes if axis.axison]
    assert [axis.get_title() for axis in axes] == ["west", "elsewhere"]
    for axis in axes:
        bars = np.array([height for height, _ in heights(axis).values()]).ravel()
        np.testing.assert_allclose(bars, total["NEE_total"].sel(region=axis.get_title()))


@pytest.fixture
def compared():
    axes = {"time": pd.date_range("2001-01", periods=48, freq="MS"), "lat": [30.5, 31.5], "lon": [110.5, 111.5, 112.5]}
    rng = np.random.default_rng(0)
    nee = xr.DataArray(rng.normal(-10, 5, (48, 2, 3)), axes, tuple(axes), attrs={"units": "g C m-2 month-1"})
    product = xr.Dataset({"NEE": nee, "forest_fraction": (("lat", "lon"), np.full((2, 3), 0.8))})
    return compare(product, {"X-BASE": (nee * 0.5 - 2).assign_attrs(nee.attrs), "GCAS": nee})


def test_lines_are_the_totals_of_each_product(compared, drawn):
    axis = drawn(plot(compared)).axes[0]
    for line, name in zip(axis.lines, ["xnee", "X-BASE", "GCAS"], strict=False):
        total = compared["total"].sel(source=name)
        np.testing.assert_allclose(line.get_ydata(), total)
        assert line.get_label() == f"{name}: {float(total.mean()):.1f} ± {float(total.std(ddof=1)):.1f}"
    np.testing.assert_allclose(axis.lines[3].get_ydata(), compared["total_own"])
    assert len({(line.get_marker(), line.get_linestyle()) for line in axis.lines[:4]}) == 4  # told apart in grey


def test_bias_is_one_map_for_each_other(compared, drawn):
    figure = drawn(plot(compared, kind="bias"))
    for axis, name in zip(figure.axes, ["X-BASE", "GCAS"], strict=False):
        assert axis.get_title() == f"xnee less {name}, 2001-2004 (4)"
        np.testing.assert_allclose(axis.collections[0].get_array(), compared["bias"].sel(other=name))
