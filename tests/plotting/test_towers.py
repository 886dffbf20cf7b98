import numpy as np
import pytest
import xarray as xr

from xnee.census import coverage
from xnee.evaluation.crossval import crossvalidate
from xnee.models.training import FitSpec
from xnee.models.training_set import same_windows, training_windows
from xnee.pft import PFTS
from xnee.plotting import canvas, names, plot
from xnee.plotting.pairs import Pairs
from xnee.plotting.towers import _one_site, _ticks
from xnee.scores import Tally

NAMES = ["长白山", "a", "ü", "cost $", "", "x  y", "鼎湖山", "b", "c", "d"]


@pytest.fixture
def ten(towers):
    return towers(sites=10).assign_coords(name=("site", NAMES))


def test_points_are_those_that_the_model_scores(ten, fitted, drawn):
    axes = drawn(plot(ten, model=fitted)).axes
    assert len(axes) == 10
    for k, axis in enumerate(axes):
        pft, split = PFTS[k % 5], ("train", "test")[k // 5]
        assert axis.get_title() == f"{pft}, {'training' if split == 'train' else 'test'}"
        own = fitted.scores.sel(pft=pft, split=split)
        tally = Tally.of(*axis.lines[0].get_data())  # the points; the second line is that of perfect prediction
        assert tally.count == int(own["n"])
        assert tally.r2 == pytest.approx(float(own["R2"]), abs=1e-4)
        text = axis.texts[0].get_text()
        assert f"R$^2$ {float(own['R2']):.2f}\nRMSE {float(own['RMSE']):.1f}\nn {int(own['n'])}" == text
        np.testing.assert_array_equal(*axis.lines[1].get_data())


def test_a_cross_validation_shows_only_what_was_held_out(towers, drawn):
    ds = towers(sites=5)
    cv = crossvalidate(
        ds, lags=1, scheme="temporal", members=1, strategy="per-pft", training=FitSpec(epochs=1), baselines=[]
    )
    figure = drawn(plot(cv))
    assert [axis.get_title() for axis in figure.axes] == [f"{pft}, test" for pft in PFTS]
    assert sum(axis.lines[0].get_xdata().size for axis in figure.axes) == int(cv["n"].sel(pft="all")[0])
    series = drawn(plot(cv, kind="series", only=["T02"]))
    (axis,) = series.axes
    assert int(np.isfinite(axis.lines[1].get_ydata()).sum()) == int(cv["n_site"].sel(site="T02")[0])
    assert drawn(plot(cv, kind="skill")).axes[-1].get_title().startswith("all, ")


def spans(axis):
    """Months under each shade, first and last."""
    months = np.arange("1990-01", "2020-01", dtype="datetime64[M]")
    days = months.astype("datetime64[D]").astype("f8") + 10
    found = [patch.get_extents().transformed(axis.transData.inverted()) for patch in axis.patches]
    return [months[(days > box.x0) & (days < box.x1)] for box in found]


def test_the_test_period_is_shaded_and_gaps_stay_gaps(ten, fitted, drawn):
    samples = training_windows(ten, ["TEMP", "PRE"], lags=3)
    held_out = ~same_windows(samples, fitted)
    figure = drawn(plot(ten, kind="series", model=fitted))
    assert len(figure.axes) == 10
    for axis in figure.axes:
        site = axis.get_title(loc="left").split()[0]
        own = samples["site"].to_numpy() == site
        shaded = np.concatenate(spans(axis))
        time = samples["time"].to_numpy()[own & held_out].astype("datetime64[M]")
        np.testing.assert_array_equal(shaded, np.sort(time))
        observed = axis.lines[0].get_ydata()
        np.testing.assert_allclose(observed[np.isfinite(observed)], samples["NEE"].to_numpy()[own])


def test_a_month_without_a_window_breaks_the_line():
    time = np.array(["2001-01", "2001-02", "2001-05"], dtype="datetime64[ns]")
    values = np.array([1.0, 2.0, 3.0])
    pairs = Pairs(
        site=np.array(["a"] * 3), pft=np.array(["MF"] * 3), time=time, observed=values, predicted=values,
        spread=np.full(3, np.nan), held_out=np.array([True, False, True]), what="test", names={},
    )  # fmt: skip
    ((axis,),) = canvas.panels(1, 1, width=3, height=2)[1]
    _one_site(axis, pairs, np.ones(3, dtype=bool))
    np.testing.assert_array_equal(axis.lines[0].get_ydata(), [1, 2, np.nan, np.nan, 3])
    assert [span.astype(str).tolist() for span in spans(axis)] == [["2001-01"], ["2001-05"]]


def test_sites_that_are_not_there_are_refused(ten, fitted):
    with pytest.raises(ValueError, match=r"only must name sites with windows, such as \['T00', .*got \['T99'\]"):
        plot(ten, kind="series", model=fitted, only=["T00", "T99"])


def test_names_are_written_where_a_font_has_them(ten, fitted, drawn, panels):
    if names.families_for("长白山") is None:
        pytest.skip("no font with Chinese characters here")
    titles = list(panels(drawn(plot(ten, kind="series", model=fitted))))
    assert "T00 长白山 (DBF)" in titles
    assert "T03 cost \\$ (EBF)" in titles
    assert "T04 (MF)" in titles  # has no name
    assert "T05 x y (DBF)" in titles


def test_without_such_a_font_the_id_is_written(ten, fitted, drawn, panels, monkeypatch):
    monkeypatch.setattr(names, "_candidates", list)
    names._families_for.cache_clear()
    try:
        titles = list(panels(drawn(plot(ten, kind="series", model=fitted))))
        rows = drawn(plot(coverage(ten))).axes[0].get_yticklabels()
    finally:
        names._families_for.cache_clear()
    assert {"T00 (DBF)", "T06 (DNF)", "T02 ü (ENF)"} <= set(titles)
    assert {"T00 DBF", "T02 ü ENF"} <= {tick.get_text() for tick in rows}


def test_a_font_whose_file_is_gone_counts_as_none(monkeypatch):
    from matplotlib.font_manager import FontEntry, fontManager

    gone = FontEntry(fname="gone.ttf", name="Gone CJK", style="normal", variant="normal", weight=400)
    monkeypatch.setattr(fontManager, "ttflist", [*fontManager.ttflist, gone])
    names._characters.cache_clear()
    assert names._characters("Gone CJK") == {}
    assert names.site_label("A", "\U0010fffd", more="MF") == ("A MF", {})


@pytest.mark.parametrize("months", [1, 7, 20, 60, 400])
def test_there_are_some_dates_but_not_too_many(months):
    every = np.arange("2001-01", np.datetime64("2001-01") + months, dtype="datetime64[M]")
    assert 1 <= _ticks(every).size <= 9


def test_coverage_has_the_months_of_the_census(towers, drawn):
    found = coverage(towers(gaps=0.1))
    left, right = drawn(plot(found)).axes[:2]
    widths = np.array([bar.get_width() for bar in left.patches]).reshape(found.sizes["fate"], -1)
    np.testing.assert_array_equal(np.sort(widths.sum(axis=0)), np.sort(found["record"]))
    np.testing.assert_array_equal(np.sort(widths[0]), np.sort(found["months"].sel(fate="kept")))
    shares = (found["present"] / found["record"]).to_numpy()
    np.testing.assert_allclose(np.sort(right.images[0].get_array(), axis=0), np.sort(shares, axis=0))


def test_towers_of_another_model_are_refused(towers, fitted):
    with pytest.raises(ValueError, match="needs the towers that the model was fitted on"):
        plot(towers(sites=5), model=fitted)


def test_nothing_predicted_is_said():
    nothing = xr.Dataset(
        {"predicted": (("predictor", "sample"), [[np.nan]]), "NEE": ("sample", [1.0])},
        {"predictor": ["xnee"], "sample_site": ("sample", ["a"]), "sample_pft": ("sample", ["MF"])},
    ).assign_coords(time=("sample", np.array(["2001-01"], dtype="datetime64[ns]")))
    with pytest.raises(ValueError, match="no month is both observed and predicted"):
        plot(nothing)
