from dataclasses import replace
from itertools import permutations

import numpy as np
import pandas as pd
import pytest

from xnee.models.search.outcome import Search
from xnee.models.search.space import reference_space
from xnee.plotting import plot
from xnee.plotting.trials import best_so_far, trials_until


@pytest.mark.parametrize("loss", [[1.0, 2.0, 3.0, 5.0, 8.0], [1.0, 1.0, 4.0, 4.0, np.inf], [2.0]])
def test_quantiles_are_those_of_all_orders(loss):
    orders = np.array([np.minimum.accumulate(order) for order in permutations(loss)])
    quantiles = (0.1, 0.5, 0.9)
    slow = np.quantile(orders, quantiles, axis=0, method="inverted_cdf")
    np.testing.assert_array_equal(best_so_far(np.array(loss), np.arange(1, len(loss) + 1), quantiles), slow)


@pytest.mark.parametrize("good", [1, 2, 5, 6])
def test_half_of_all_orders_have_met_a_good_trial(good):
    first = [min(place for place, k in enumerate(order, 1) if k < good) for order in permutations(range(6))]
    count = next(k for k in range(1, 7) if np.mean(np.array(first) <= k) >= 0.5)
    assert trials_until(6, good) == count


@pytest.fixture
def found():
    """A search of two types, made up; every trial of the second diverged."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"pft": ["ENF"] * 60 + ["MF"] * 60, "trial": np.tile(np.arange(60), 2)})
    space = replace(reference_space(), epochs=(10,))
    values = np.array(space.trajectories)[:60]
    for k, name in enumerate(("hidden", "batch", "learning_rate", "weight_decay", "dropout")):
        table[name] = np.tile(values[:, k], 2)
    table["epochs"] = 10
    for k in (1, 2, 3):
        table[f"loss_{k}"] = np.r_[rng.gamma(4, 0.1, 60), np.full(60, np.inf)]
        table[f"R2_{k}"] = 0.5
    folds = table[["loss_1", "loss_2", "loss_3"]].to_numpy()
    table["loss"], table["R2"] = folds.mean(axis=1), 0.5
    table["se"] = np.where(np.isfinite(folds).all(axis=1), np.nan_to_num(folds, posinf=0).std(axis=1, ddof=1), np.nan)
    table.loc[0, "loss"] = np.nan  # stopped by halving
    table.loc[1, "loss"] = np.inf
    table["within_one_se"] = False
    return Search(table, space, {"method": "exhaustive"}, {})


def test_the_curve_of_a_search(found, drawn):
    first, second = drawn(plot(found)).axes
    loss = found.table["loss"].to_numpy()[1:60]
    choice = found.best("ENF")
    count, middle = first.lines[0].get_data()
    assert count[0] == 1
    assert count[-1] == loss.size == 59
    assert middle[-1] == loss.min()
    rng = np.random.default_rng(1)
    orders = [np.minimum.accumulate(rng.permutation(loss)) for _ in range(3000)]
    np.testing.assert_allclose(middle[4], np.median(orders, axis=0)[count[4] - 1], rtol=0.05)
    assert first.lines[1].get_ydata()[0] == choice.loss
    band = first.patches[0].get_extents().transformed(first.transData.inverted())
    assert band.y0 == pytest.approx(loss.min())
    assert band.y1 == pytest.approx(loss.min() + choice.se)
    assert [text.get_text() for text in second.texts] == ["every trial diverged"]


def test_a_search_is_nothing_else(found):
    with pytest.raises(ValueError, match="a search can be drawn as 'search', not as 'map'"):
        plot(found, kind="map")
    with pytest.raises(ValueError, match="'search' takes no options; got model"):
        plot(found, model=found)
