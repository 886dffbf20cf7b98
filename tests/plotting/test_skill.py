import numpy as np
import pytest
import xarray as xr

from xnee.pft import PFTS
from xnee.plotting import plot

DIMS = ("scheme", "predictor", "pft")


@pytest.fixture
def scores():
    rng = np.random.default_rng(0)
    r2 = rng.uniform(0.1, 0.9, (2, 3, 6))
    r2[1, 2, 0] = -3.2  # worse than worth showing
    r2[1, 1, :] = np.nan  # a baseline that does not apply
    n = np.full((2, 3, 6), 40)
    n[..., 1] = 0  # a type without towers
    r2[n == 0] = np.nan
    return xr.Dataset(
        {"R2": (DIMS, r2), "R2_low": (DIMS, r2 - 0.1), "R2_high": (DIMS, r2 + 0.05), "n": (DIMS, n)},
        {"scheme": ["temporal", "leave-site-out"], "predictor": ["xnee", "cycle", "trees"], "pft": [*PFTS, "all"]},
    ).assign(sites=(("scheme", "pft"), np.full((2, 6), 7)))


def test_marks_stand_at_the_scores_of_each_scheme(scores, drawn):
    figure = drawn(plot(scores))
    axes = [axis for axis in figure.axes if axis.axison]
    assert [axis.get_title() for axis in axes] == [
        f"{pft}, 40 months, 7 sites" for pft in [*PFTS, "all"] if pft != "DNF"
    ]
    for axis in axes:
        pft = axis.get_title().split(",")[0]
        marks = {line.get_label(): line for line in axis.lines}
        for k, scheme in enumerate(scores["scheme"].values):
            own = scores.sel(pft=pft, scheme=scheme)
            x, y = marks[scheme].get_data()
            kept = own["R2"].values >= -0.5
            np.testing.assert_allclose(x, own["R2"].values[kept])
            np.testing.assert_array_equal(np.rint(y), np.flatnonzero(kept))
            ends = np.array([segment[:, 0] for segment in axis.collections[k].get_segments()])
            np.testing.assert_allclose(ends, np.stack([own["R2_low"], own["R2_high"]], axis=1)[kept].clip(-0.5))
        left = axis.get_xlim()[0]
        assert left < min(x.min(), ends.min())
    assert [text.get_text() for text in axes[0].texts] == ["-3.2"]
    assert not axes[1].texts


def test_nothing_scored_is_said(scores):
    with pytest.raises(ValueError, match="no month was scored"):
        plot(scores.assign(n=scores["n"] * 0))


def test_errors_stand_inside_and_outside(drawn):
    pft = np.array(["ENF"] * 4 + ["MF"] * 2)
    index, threshold = np.array([0.1, 0.5, 2.0, np.nan, 0.2, 0.3]), np.array([1.0, 1.0, 0.5, 1.0, 0.4, 0.4])
    error = np.array([-3.0, 4.0, -50.0, 7.0, 1.0, np.nan])
    rmse, n = np.full((2, 6), np.nan), np.zeros((2, 6), dtype=int)
    rmse[:, 2], n[:, 2] = [3.5, 50.0], [2, 1]
    rmse[0, 4], n[0, 4] = 1.0, 1
    kept = xr.Dataset(
        {
            "DI": ("sample", index),
            "threshold": ("sample", threshold),
            "error": ("sample", error),
            "inside": ("sample", index <= threshold),
            "RMSE": (("where", "pft"), rmse),
            "n": (("where", "pft"), n),
        },
        {"pft": [*PFTS, "all"], "where": ["inside", "outside"], "sample_pft": ("sample", pft)},
    )
    first, second = drawn(plot(kept)).axes
    assert first.get_title() == "ENF: RMSE 4 in, 50 out"
    assert second.get_title() == "MF: RMSE 1 in, none out"
    np.testing.assert_allclose(first.lines[0].get_xydata(), [[0.1, 3], [0.5, 4]])
    np.testing.assert_allclose(first.lines[1].get_xydata(), [[4.0, 50]])
    assert second.lines[0].get_xydata().tolist() == [[0.5, 1.0]]
    with pytest.raises(ValueError, match="three folds of a type"):
        plot(kept.assign(n=kept["n"] * 0))
