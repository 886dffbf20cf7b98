import numpy as np
import pandas as pd
import pytest
import xarray as xr

from xnee.evaluation.scoring import PARTS, decompose, score_predictors, season_of
from xnee.scores import Tally


def made(sites=6, years=4, gaps=0.2, seed=0):
    """Windows of sites with a mean, a cycle, good and bad years, and two predictors of them."""
    rng = np.random.default_rng(seed)
    time = pd.date_range("2001-01", periods=12 * years, freq="MS")
    cycle = 40 * np.cos(2 * np.pi * np.arange(12 * years) / 12)
    y = -20 + rng.normal(0, 30, (sites, 1)) + cycle + np.repeat(rng.normal(0, 8, (sites, years)), 12, axis=1)
    y = (y + rng.normal(0, 5, y.shape)).ravel()
    ds = xr.Dataset(
        {"NEE": ("sample", y, {"units": "g C m-2 month-1"})},
        coords={
            "site": ("sample", np.repeat([f"S{i}" for i in range(sites)], time.size)),
            "pft": ("sample", np.repeat((["ENF", "MF"] * sites)[:sites], time.size)),
            "time": ("sample", np.tile(time, sites)),
            "lat": ("sample", np.repeat(np.linspace(40, -40, sites), time.size)),
        },
    )
    ds = ds.isel(sample=rng.random(y.size) > gaps)
    y = ds.NEE.values
    return ds, {"good": y + rng.normal(0, 10, y.size), "bad": 0.5 * y + rng.normal(10, 25, y.size)}


def test_scores_equal_tallies_of_the_windows():
    samples, predicted = made()
    scores = score_predictors(samples, predicted)
    y, pft, site = samples.NEE.values, samples.pft.values, samples.site.values
    for name, p in predicted.items():
        for kind in ("ENF", "all"):
            own = (pft == kind) | (kind == "all")
            one, found = Tally.of(y[own], p[own]), scores.sel(predictor=name, pft=kind)
            assert float(found["R2"]) == pytest.approx(one.r2)
            assert float(found["KGE"]) == pytest.approx(one.kge)
            assert int(found["n"]) == own.sum()
        own = site == "S3"
        assert float(scores["RMSE_site"].sel(predictor=name, site="S3")) == pytest.approx(Tally.of(y[own], p[own]).rmse)
    assert np.isnan(scores["R2"].sel(pft="DNF")).all()
    assert scores["sites"].sel(pft=["ENF", "DNF", "all"]).values.tolist() == [3, 0, 6]


def test_seasons_are_those_of_the_hemisphere():
    samples, predicted = made()
    scores = score_predictors(samples, predicted)
    month, south = samples.time.dt.month.values, samples.lat.values < 0
    winter = np.where(south, np.isin(month, [6, 7, 8]), np.isin(month, [12, 1, 2]))
    one = Tally.of(samples.NEE.values[winter], predicted["good"][winter])
    found = scores.sel(predictor="good", season="winter", pft="all")
    assert float(found["RMSE_season"]) == pytest.approx(one.rmse)
    assert int(found["n_season"]) == one.count
    assert season_of(samples)[south & (month == 7)].tolist() == [0] * int((south & (month == 7)).sum())


def test_squared_errors_of_the_parts_add_up():
    samples, predicted = made()
    scores = score_predictors(samples, predicted).sel(part=list(PARTS[:3]))
    whole = scores["RMSE"] ** 2 * scores["n"]
    parts = (scores["RMSE_part"] ** 2 * scores["n_part"]).sum("part")
    np.testing.assert_allclose(parts.fillna(0), whole.fillna(0))


def test_parts_equal_slow_loops():
    samples, _ = made(sites=3)
    y, site, time = samples.NEE.values, np.unique(samples.site, return_inverse=True)[1], samples.time.values
    parts, month = decompose(y, site=site, time=time), samples.time.dt.month.values
    np.testing.assert_allclose(sum(parts.values()), y)
    for k in range(0, y.size, 11):
        own = site == site[k]
        assert parts["site mean"][k] == pytest.approx(y[own].mean())
        cycle = y[own & (month == month[k])].mean()
        assert parts["seasonal cycle"][k] == pytest.approx(cycle - y[own].mean())
        assert parts["anomaly"][k] == pytest.approx(y[k] - cycle)


def test_interannual_scores_are_those_of_yearly_mean_anomalies():
    samples, predicted = made(gaps=0)
    found = score_predictors(samples, predicted)["R2_part"].sel(predictor="bad", part="interannual", pft="all")
    table = samples.to_dataframe()[["NEE", "site", "time"]].assign(p=predicted["bad"])
    cycle = table.groupby(["site", table["time"].dt.month])[["NEE", "p"]].transform("mean")
    yearly = (table[["NEE", "p"]] - cycle).groupby([table["site"], table["time"].dt.year]).mean()
    assert float(found) == pytest.approx(Tally.of(yearly["NEE"], yearly["p"]).r2)


def test_a_seasonal_cycle_has_no_skill_in_anomalies():
    samples, _ = made(gaps=0)
    table = samples.to_dataframe()
    p = table.groupby(["site", table["time"].dt.month])["NEE"].transform("mean").to_numpy()
    scores = score_predictors(samples, {"cycle": p}).sel(predictor="cycle", pft="all")
    assert float(scores["R2_part"].sel(part="seasonal cycle")) == pytest.approx(1)
    assert float(scores["R2_part"].sel(part="anomaly")) == pytest.approx(0)
    assert float(scores["R2_part"].sel(part="interannual")) == pytest.approx(0)


def test_the_only_value_of_its_month_is_no_anomaly():
    samples, predicted = made(years=1, gaps=0)
    scores = score_predictors(samples, predicted)
    assert int(scores["n_part"].sel(part="anomaly").max()) == 0
    assert np.isnan(scores["R2_part"].sel(part=["anomaly", "interannual"])).all()


def test_spread_equals_a_bootstrap_of_whole_sites():
    samples, predicted = made(sites=20)
    scores = score_predictors(samples, predicted, draws=2000)
    y, p, site = samples.NEE.values, predicted["bad"], samples.site.values
    own = {name: np.flatnonzero(site == name) for name in np.unique(site)}
    rng, drawn = np.random.default_rng(9), []
    for _ in range(500):
        rows = np.concatenate([own[name] for name in rng.choice(list(own), len(own))])
        drawn.append(Tally.of(y[rows], p[rows]).r2)
    found = scores.sel(predictor="bad", pft="all")
    assert float(found["R2_se"]) == pytest.approx(np.std(drawn), rel=0.2)
    assert float(found["R2_low"]) == pytest.approx(np.quantile(drawn, 0.05), abs=0.3 * np.std(drawn))
    assert float(found["R2_low"]) < float(found["R2"]) < float(found["R2_high"])


def test_the_same_seed_draws_the_same_sites():
    samples, predicted = made()
    one, same, other = (score_predictors(samples, predicted, seed=seed)["R2_se"] for seed in (0, 0, 1))
    xr.testing.assert_identical(one, same)
    assert not one.equals(other)


def test_fewer_than_three_sites_have_no_spread():
    samples, predicted = made()
    alone = samples.pft.where(samples.site != "S0", "EBF").where(samples.site == "S0", "MF").astype(str)
    scores = score_predictors(samples.assign_coords(pft=("sample", alone.values)), predicted).sel(pft="EBF")
    assert int(scores["sites"]) == 1
    assert np.isnan(scores["R2_se"]).all()
    assert np.isfinite(scores["R2"]).all()


def test_the_first_is_nobodys_second():
    scores = score_predictors(*made())
    behind = scores["R2_behind"].sel(pft="all")
    assert behind.sel(predictor="good") == 0
    assert float(behind.sel(predictor="bad")) == pytest.approx(float(np.ptp(scores["R2"].sel(pft="all").values)))
    assert float(scores["R2_behind_se"].sel(predictor="good", pft="all")) == 0


def test_predictors_are_scored_on_the_windows_of_all():
    samples, predicted = made()
    predicted["good"] = np.where(np.arange(samples.sizes["sample"]) < 30, np.nan, predicted["good"])
    scores = score_predictors(samples, predicted)
    assert scores["n"].sel(pft="all").values.tolist() == [samples.sizes["sample"] - 30] * 2


def test_draws_of_one_month_only_do_not_spoil_the_spread():
    samples, predicted = made(sites=3)
    site = samples.site.values
    keep = (site != "S1") | (np.arange(site.size) == np.flatnonzero(site == "S1")[0])
    scores = score_predictors(samples.isel(sample=keep), {name: p[keep] for name, p in predicted.items()})
    assert np.isfinite(scores["R2_se"].sel(pft="all")).all()
    assert np.isnan(scores["R2"].sel(pft="MF")).all()
    assert np.isfinite(scores["RMSE"].sel(pft="MF")).all()
