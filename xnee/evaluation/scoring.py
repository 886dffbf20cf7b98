"""Scores of several predictors on the same windows: by type, site, season and part of the variation, with spread."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from xnee.pft import PFTS
from xnee.scores import FIELDS, measures, score_dataset, spread_over_types, sums_by
from xnee.variables import TARGET, labels

__all__ = ["PARTS", "SEASONS", "decompose", "score_predictors", "season_of"]

SEASONS: tuple[str, ...] = ("winter", "spring", "summer", "autumn")
"""Three months each from December; from June in the southern hemisphere."""

PARTS: tuple[str, ...] = ("site mean", "seasonal cycle", "anomaly", "interannual")
"""What a monthly value is the sum of (the first three), and the yearly means of the third."""

_MONTHS_OF_A_YEAR = 6
"""Scored months that a year needs for its mean anomaly to stand for the year."""
_FEW = ("R2", "MAE", "RMSE", "bias", "r", "n")
_DRAWS, _SEED = 1000, 0
_LEAST_SITES = 3
"""Sites below which draws of sites say nothing about the spread: half the draws of two are one site twice."""


def season_of(samples: xr.Dataset) -> NDArray[np.int64]:
    """Give the month of the year, turned by half a year in the southern hemisphere.

    Parameters
    ----------
    samples
        Windows with ``time (sample)`` and, where known, ``lat (sample)``; without it all are taken as northern.

    Returns
    -------
    numpy.ndarray
        ``(sample,)``, 0 to 11; 0 is January in the north and July in the south.
    """
    month = samples["time"].dt.month.to_numpy() - 1
    south = samples["lat"].to_numpy() < 0 if "lat" in samples.coords else np.zeros(month.size, dtype=bool)
    return np.asarray((month + 6 * south) % 12)


def decompose(
    values: NDArray[np.floating], *, site: NDArray[np.int64], time: NDArray[np.datetime64]
) -> dict[str, NDArray[np.float64]]:
    """Split monthly values into site mean, seasonal cycle and anomaly, which add up to them.

    Parameters
    ----------
    values
        ``(sample,)``, no gaps.
    site
        ``(sample,)``, number of the site.
    time
        ``(sample,)``, months.

    Returns
    -------
    dict
        ``"site mean"``, ``"seasonal cycle"`` (mean of the calendar month at the site, minus the site's mean) and
        ``"anomaly"`` (what is left), each ``(sample,)``. The three are orthogonal, and so are the errors in them:
        squared errors of the parts add up to that of the whole.

    Examples
    --------
    >>> time = np.array(["2001-01", "2001-07", "2002-01", "2002-07"], dtype="datetime64[M]")
    >>> parts = decompose(np.array([1.0, -5.0, 3.0, -7.0]), site=np.zeros(4, dtype=int), time=time)
    >>> {name: part.tolist() for name, part in parts.items()}["anomaly"]
    [-1.0, 1.0, 1.0, -1.0]
    """
    table = pd.DataFrame({"y": values, "site": site, "month": pd.DatetimeIndex(time).month})
    mean = table.groupby("site")["y"].transform("mean").to_numpy()
    cycle = table.groupby(["site", "month"])["y"].transform("mean").to_numpy()
    return {"site mean": mean, "seasonal cycle": cycle - mean, "anomaly": np.asarray(values - cycle)}


def score_predictors(
    samples: xr.Dataset,
    predicted: Mapping[str, NDArray[np.floating]],
    *,
    draws: int = _DRAWS,
    seed: int = _SEED,
) -> xr.Dataset:
    """Score several predictors on the windows that all of them predict.

    Parameters
    ----------
    samples
        Windows with NEE, ``site``, ``time``, ``pft`` and, where known, ``lat``.
    predicted
        By name, ``(sample,)``, NaN where a window was not held out.
    draws, seed
        Draws of sites with replacement that the spread comes from.

    Returns
    -------
    xarray.Dataset
        ``R2``, ``NSE``, ``MAE``, ``RMSE``, ``bias``, ``r``, ``KGE`` and ``n`` (see `xnee.scores.measures`) over
        ``(predictor, pft)``, pft with a last entry ``"all"``; some of them with suffix ``_site`` over ``(predictor,
        site)``, ``_season`` over ``(predictor, season, pft)`` and ``_part`` over ``(predictor, part, pft)``.
        Spread over draws of sites, missing with fewer than three: ``R2_se`` (half the distance from the 16th to the
        84th percentile), ``R2_low``, ``R2_high`` (5 and 95 %), and the same of RMSE. ``R2_behind``: how far behind the
        first of the type, with ``R2_behind_se`` over the same draws. ``sites (pft)`` counts. Beside them ``predicted
        (predictor, sample)`` and ``NEE (sample)``.
    """
    y = samples[TARGET].to_numpy().astype("f8")
    p = np.stack([np.asarray(one, dtype="f8") for one in predicted.values()])  # (predictor, sample)
    p = np.where(np.isfinite(p).all(axis=0), p, np.nan)
    names, first, site = np.unique(labels(samples["site"]), return_index=True, return_inverse=True)
    pft = labels(samples["pft"])[first]
    by_site = np.stack([sums_by(y, one, site, count=names.size) for one in p])  # (predictor, site, field)
    season = season_of(samples)
    parts = [
        score_dataset(spread_over_types(by_site, pft), ("predictor", "pft")),
        score_dataset(by_site, ("predictor", "site"), suffix="_site", only=[*_FEW, "KGE"]),
        _by_season(y, p, site, season, pft),
        _by_part(y, p, site, samples["time"].to_numpy(), pft),
        _spread(by_site, pft, draws=draws, seed=seed),
        _by_sample(samples, p),
    ]
    result = xr.merge(parts, join="exact", compat="no_conflicts")
    return result.assign_coords(
        predictor=list(predicted), pft=[*PFTS, "all"], site=names, season=list(SEASONS), part=list(PARTS)
    ).assign_attrs(draws=draws)


def _by_season(
    y: NDArray[np.float64],
    p: NDArray[np.float64],
    site: NDArray[np.int64],
    month: NDArray[np.int64],
    pft: NDArray[np.str_],
) -> xr.Dataset:
    group = site + pft.size * ((month + 1) % 12 // 3)
    sums = np.stack([sums_by(y, one, group, count=4 * pft.size).reshape(4, pft.size, -1) for one in p])
    return score_dataset(
        spread_over_types(sums, pft), ("predictor", "season", "pft"), suffix="_season", only=[*_FEW, "KGE"]
    )


def _by_part(
    y: NDArray[np.float64],
    p: NDArray[np.float64],
    site: NDArray[np.int64],
    time: NDArray[np.datetime64],
    pft: NDArray[np.str_],
) -> xr.Dataset:
    known = np.isfinite(y) & np.isfinite(p).all(axis=0)
    site, time = site[known], time[known]
    calendar = pd.DatetimeIndex(time)
    year = np.unique(calendar.year.to_numpy() * pft.size + site, return_inverse=True)[1]
    month = calendar.month.to_numpy() * pft.size + site
    repeated = np.bincount(month)[month] > 1  # the only value of its calendar month is its own mean: no anomaly
    ours = decompose(y[known], site=site, time=time)
    sums = []
    for one in p:
        theirs = decompose(one[known], site=site, time=time)
        rows = [sums_by(ours[part], theirs[part], site, count=pft.size) for part in PARTS[:2]]
        rows.append(sums_by(ours["anomaly"][repeated], theirs["anomaly"][repeated], site[repeated], count=pft.size))
        yearly = [_yearly(part["anomaly"][repeated], year[repeated]) for part in (ours, theirs)]
        where = _yearly(site[repeated].astype("f8"), year[repeated])
        whole = np.isfinite(where)
        rows.append(sums_by(yearly[0][whole], yearly[1][whole], np.rint(where[whole]).astype("i8"), count=pft.size))
        sums.append(np.stack(rows))
    table = spread_over_types(np.stack(sums), pft)
    return score_dataset(table, ("predictor", "part", "pft"), suffix="_part", only=[*_FEW, "KGE"])


def _yearly(values: NDArray[np.float64], year: NDArray[np.int64]) -> NDArray[np.float64]:
    """Mean by site and year, ``(year,)``; missing where too few months are scored."""
    count = np.bincount(year)
    total = np.bincount(year, values)
    return np.where(count >= _MONTHS_OF_A_YEAR, total / np.maximum(count, 1), np.nan)


def _spread(by_site: NDArray[np.float64], pft: NDArray[np.str_], *, draws: int, seed: int) -> xr.Dataset:
    """Draw sites with replacement within each type; all predictors are scored on the same draws."""
    rng = np.random.default_rng(seed)
    names = [*PFTS, "all"]
    shape = (len(by_site), len(names))
    words = ("se", "low", "high")
    found = {f"{name}_{word}": np.full(shape, np.nan) for name in ("R2", "RMSE") for word in words}
    found |= {"R2_behind": np.full(shape, np.nan), "R2_behind_se": np.full(shape, np.nan)}
    count = np.zeros(len(names), dtype="i8")
    for k, name in enumerate(names):
        sums = by_site[:, ((pft == name) | (name == "all")) & (by_site[0, :, 0] > 0)]  # (predictor, site, field)
        count[k] = sums.shape[1]
        whole = _measured(sums.sum(axis=1))
        if count[k] == 0 or np.isnan(whole["R2"]).all():
            continue
        best = int(np.nanargmax(whole["R2"]))
        found["R2_behind"][:, k] = whole["R2"][best] - whole["R2"]
        if count[k] < _LEAST_SITES:
            continue
        weight = rng.multinomial(count[k], np.full(count[k], 1 / count[k]), size=draws)  # (draw, site)
        drawn = _measured(np.einsum("ds,psf->pdf", weight, sums))
        # a draw of one single month, many times over, has no variance to explain: the other draws count
        kept = np.isfinite(drawn["R2"]).all(axis=0)
        if not kept.any():
            continue
        r2, rmse = drawn["R2"][:, kept], drawn["RMSE"][:, kept]
        for score, values in (("R2", r2), ("RMSE", rmse)):
            found[f"{score}_se"][:, k] = _half_width(values)
            found[f"{score}_low"][:, k], found[f"{score}_high"][:, k] = np.quantile(values, [0.05, 0.95], axis=1)
        found["R2_behind_se"][:, k] = _half_width(r2[best] - r2)
    units = {name: {"units": "g C m-2 month-1" if name.startswith("RMSE") else "1"} for name in found}
    table = xr.Dataset({name: (("predictor", "pft"), value, units[name]) for name, value in found.items()})
    return table.assign(sites=("pft", count, {"units": "1", "long_name": "sites that were scored"}))


def _half_width(drawn: NDArray[np.float64]) -> NDArray[np.float64]:
    """Half the distance from the 16th to the 84th percentile: one standard error, unmoved by a few odd draws."""
    low, high = np.quantile(drawn, [0.16, 0.84], axis=1)
    return np.asarray((high - low) / 2)


def _measured(sums: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    return measures({name: sums[..., k] for k, name in enumerate(FIELDS)})


def _by_sample(samples: xr.Dataset, p: NDArray[np.float64]) -> xr.Dataset:
    """Keep the predictions with where and when they are, under names that no dimension of the scores has."""
    values = {
        "NEE": ("sample", samples[TARGET].to_numpy(), samples[TARGET].attrs),
        "predicted": (("predictor", "sample"), p, samples[TARGET].attrs),
    }
    coords = {f"sample_{name}": ("sample", labels(samples[name])) for name in ("site", "pft")}
    return xr.Dataset(values, {**coords, "time": ("sample", samples["time"].to_numpy())})
