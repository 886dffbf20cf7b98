import numpy as np
import pytest

from xnee.explanation import explain, explain_lags
from xnee.pft import PFTS
from xnee.plotting import plot
from xnee.plotting.drivers import spread_out


@pytest.fixture(scope="module")
def why(towers, fitted):
    return explain(towers(sites=10), fitted, samples=12, background=4)


def test_bars_are_the_contributions_with_their_interval(why, drawn):
    figure = drawn(plot(why))
    assert [axis.get_title() for axis in figure.axes] == list(PFTS)
    for axis, pft in zip(figure.axes, PFTS, strict=True):
        names = [tick.get_text() for tick in axis.get_yticklabels()]
        widths = np.array([bar.get_width() for bar in axis.patches])
        assert (np.diff(widths) >= 0).all()  # the largest on top
        own = why.sel(pft=pft, driver=names)
        np.testing.assert_allclose(widths, own["contribution"])
        lines = np.array([segment[:, 0] for segment in axis.collections[0].get_segments()])
        np.testing.assert_allclose(lines, own["contribution_interval"].transpose("driver", "bound"))


def test_a_type_without_towers_has_no_panel(why, drawn):
    lacking = why.assign(contribution=why["contribution"].where(why["pft"] != "EBF"))
    assert [axis.get_title() for axis in drawn(plot(lacking)).axes] == ["DBF", "DNF", "ENF", "MF"]
    with pytest.raises(ValueError, match="contribution is missing for every forest type"):
        plot(why.assign(contribution=why["contribution"] * np.nan))


def test_the_swarm_has_each_value_once_in_the_row_of_its_driver(why, drawn):
    figure = drawn(plot(why, kind="beeswarm"))
    assert len(figure.axes) == 6  # and a colour bar
    for axis, pft in zip(figure.axes, PFTS, strict=False):
        own = why.isel(sample=why["sample_pft"].values == pft)
        names = [tick.get_text() for tick in axis.get_yticklabels()]
        size = [float(np.abs(own["phi"].sel(driver=name)).mean()) for name in names]
        assert size == sorted(size)
        for row, name in enumerate(names):
            x, y = axis.collections[row].get_offsets().T
            np.testing.assert_allclose(x, own["phi"].sel(driver=name))
            assert (np.rint(y) == row).all()
            colour = axis.collections[row].get_array()
            np.testing.assert_array_equal(np.argsort(colour), np.argsort(own["x"].sel(driver=name).values))


def test_points_of_one_place_lie_side_by_side():
    place = spread_out(np.array([1.0, 1.0, 1.0, 5.0]), span=8.0)
    assert len(set(place[:3].tolist())) == 3
    assert place[3] == 0
    assert abs(place).max() == 1
    assert spread_out(np.zeros(1), span=0.0).tolist() == [0.0]


def test_heat_is_laid_out_by_driver_and_lag(towers, fitted, drawn):
    lags = explain_lags(towers(sites=10), fitted, samples=2, background=3, nodes=4)
    figure = drawn(plot(lags))
    for axis, pft in zip(figure.axes, PFTS, strict=False):
        own = lags.sel(pft=pft)
        table = axis.images[0].get_array()
        np.testing.assert_allclose(table[:, :-1], own["heat"].sel(lag=[3, 2, 1, 0]))
        np.testing.assert_allclose(table[:, -1], own["heat_context"])
        assert table.sum() == pytest.approx(100)
        assert [tick.get_text() for tick in axis.get_xticklabels()] == ["-3", "-2", "-1", "0", "site"]
    assert [tick.get_text() for tick in figure.axes[0].get_yticklabels()] == ["TEMP", "PRE"]
    plain = drawn(plot(lags.assign(heat_context=lags["heat_context"] * 0)))
    assert plain.axes[0].images[0].get_array().shape == (2, 4)


@pytest.mark.parametrize("drivers", [["TEMP"], ["TEMP", "PRE"]])
def test_words_beside_a_colour_bar_are_not_cut_off(towers, fitted, drawn, drivers):
    ds = towers(sites=10)
    lags = explain_lags(ds, fitted, samples=2, background=3, nodes=4).sel(driver=drivers)
    points = explain(ds, fitted, samples=2, background=3).sel(driver=drivers)
    for figure in (drawn(plot(lags)), drawn(plot(points, kind="beeswarm"))):
        bar = next(axis for axis in figure.axes if axis.get_label() == "<colorbar>")
        words, sheet = bar.yaxis.label.get_window_extent(), figure.bbox
        assert sheet.y0 <= words.y0
        assert words.y1 <= sheet.y1
        assert words.x1 <= sheet.x1
