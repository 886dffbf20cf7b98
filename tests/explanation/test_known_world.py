"""The synthetic world says which drivers matter, and in which months: a fitted model's explanation must find it."""

import numpy as np
import pytest

from xnee.explanation import explain, explain_lags
from xnee.models.fitting import fit
from xnee.models.training import FitSpec
from xnee.sources.synthetic import synthetic_towers

USED, DECOYS = ["TEMP", "PAR", "PRE", "VPD", "FAPAR"], ["WS", "PA"]


@pytest.fixture(scope="module")
def world():
    sites = synthetic_towers(sites_per_pft=6, years=8, noise=0, gaps=0)
    same = {"members": 2, "strategy": "per-pft", "context": False, "training": FitSpec(epochs=30)}
    return sites, fit(sites, [*USED, *DECOYS], **same)


def test_drivers_of_the_formula_come_before_decoys(world):
    why = explain(*world, samples=10, method="permutation", permutations=200)
    share = why["contribution"].mean("pft")
    assert float(share.sel(driver=USED).min()) > float(share.sel(driver=DECOYS).max())
    assert float(share.sel(driver=DECOYS).sum()) < 15


def test_memory_of_rain_is_found_in_the_past(world):
    """Rain of the month itself has no part in the formula; that of the two months before has most of it."""
    heat = explain_lags(*world, samples=10)["heat"].mean("pft")
    rain = heat.sel(driver="PRE")
    assert float(rain.sel(lag=[1, 2, 3]).sum()) > 0.6 * float(rain.sum())
    assert int(rain["lag"][int(np.argmax(rain.to_numpy()))]) in (1, 2)
    for name in ("TEMP", "VPD", "PAR"):
        now = heat.sel(driver=name)
        assert int(now["lag"][int(np.argmax(now.to_numpy()))]) == 0
