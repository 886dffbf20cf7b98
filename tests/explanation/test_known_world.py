"""The synthetic world says which drivers matter, and in which months: a fitted model's explanation must find it."""

from itertools import product

import numpy as np
import pytest
import xarray as xr

from xnee.explanation import explain, explain_lags
from xnee.explanation.coalitions import shapley
from xnee.explanation.towers import draw
from xnee.models.fitting import fit
from xnee.models.training import FitSpec
from xnee.models.training_set import training_windows
from xnee.sources.synthetic import MEMORY, formula_nee, synthetic_towers

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


FORMULA = ["TEMP", "TS", "PAR", "PRE", "VPD", "FAPAR"]


def world_of_its_own_ways(seed):
    """Each driver turned by months of its own at each tower, so that none tells of another; NEE by the formula."""
    sites, rng = synthetic_towers(sites_per_pft=6, years=8, noise=0, gaps=0, seed=seed), np.random.default_rng(seed)
    for name in (*FORMULA, *DECOYS):
        series = sites[name].to_numpy()
        sites[name] = sites[name].copy(data=[np.roll(one, rng.integers(one.size)) for one in series])
    each = [sites.isel(site=[k]) for k in range(sites.sizes["site"])]
    sites["NEE"] = xr.concat([formula_nee(one, pft=str(one["pft"].item())) for one in each], "site")
    return sites


def values_of_the_formula(sites, towers, rows, against):
    """Shapley values when the formula itself plays, coalition by coalition: ``(row, driver)``."""
    inside = np.array(list(product([False, True], repeat=6)))[:, ::-1]  # the first driver is the lowest bit
    place, phi = [list(towers["driver"].values).index(name) for name in FORMULA], []
    for row in rows:
        pft = str(towers["pft"].values[row])
        x, others = towers["x"].values[row][:, place], towers["x"].values[against[pft]][..., place]
        mixed = np.where(inside[:, None, None], x, others)  # (coalition, background, lag, driver)
        month = towers["time"].values[row].astype("datetime64[M]") + np.arange(-MEMORY, 1)
        ds = xr.Dataset(
            {n: (("coalition", "other", "time"), mixed[..., k], sites[n].attrs) for k, n in enumerate(FORMULA)},
            coords={"time": month.astype("datetime64[ns]")},
        )
        nee = formula_nee(ds, pft=pft).transpose("coalition", "other", "time").isel(time=-1)
        phi.append(shapley(nee.mean("other").to_numpy()))
    return np.array(phi)


def test_values_are_those_of_the_formula_where_drivers_go_their_own_ways():
    """The same game, the same months, the same background: once the network plays, once the formula that made NEE."""
    sites, drivers = world_of_its_own_ways(0), [*FORMULA, *DECOYS]
    same = {"lags": MEMORY, "members": 2, "strategy": "pooled", "context": False, "training": FitSpec(epochs=30)}
    model, few = fit(sites, drivers, **same), {"samples": 8, "background": 20, "seed": 0}
    why = explain(sites, model, method="exact", **few)
    towers = training_windows(sites, drivers, lags=MEMORY)
    true = values_of_the_formula(sites, towers, *draw(towers, model, **few))
    found = why["phi"].sel(driver=FORMULA).to_numpy()
    for k in range(6):
        assert np.corrcoef(true[:, k], found[:, k])[0, 1] > 0.8
    size, guessed = np.abs(true).mean(axis=0), np.abs(found).mean(axis=0)
    np.testing.assert_allclose(guessed, size, rtol=0.45)
    assert np.argsort(-guessed)[:2].tolist() == [0, 1] == np.argsort(-size)[:2].tolist()
    share = why["contribution"].mean("pft")
    assert float(share.sel(driver=FORMULA).min()) > 2 * float(share.sel(driver=DECOYS).max())
