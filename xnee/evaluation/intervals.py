"""How sure is a monthly value: intervals from the members' spread, put right on towers that were left out."""

from __future__ import annotations

import json
from dataclasses import dataclass
from math import ceil
from statistics import NormalDist
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xnee.evaluation.agreement import NETWORKS, check_leaves_sites_out, check_same_networks, plain
from xnee.pft import PFTS, mix
from xnee.variables import TARGET, labels

__all__ = ["calibrate", "intervals", "sites_needed"]

_LEAST_SITES = 5
_ALL = "all"
_FLUX = "g C m-2 month-1"
_SAID = {
    "sites": ("1", "sites that were left out and predicted"),
    "n": ("1", "months that were left out and predicted"),
    "own": ("1", "whether the type has sites enough for a factor of its own"),
    "residual": (_FLUX, "error that the spread of members does not hold, one standard deviation"),
    "factor": ("1", "half-width of the interval over the root of spread2 + residual2"),
    "coverage_raw": ("1", "share of months inside mean +- z spread, mean over sites"),
    "coverage": ("1", "share of months inside the recalibrated interval, mean over sites"),
    "coverage_raw_month": ("1", "share of months inside mean +- z spread, all months alike"),
    "coverage_month": ("1", "share of months inside the recalibrated interval, all months alike"),
    "width_raw": (_FLUX, "width of mean +- z spread, mean over months"),
    "width": (_FLUX, "width of the recalibrated interval, mean over months"),
    "ratio": ("1", "root mean square error of a month over root mean square spread"),
    "ratio_site": ("1", "the same of the site's mean over its months, with its mean spread: a lower bound"),
    "coverage_raw_site": ("1", "share of the site's months inside mean +- z spread"),
    "coverage_site": ("1", "share of the site's months inside the interval made without the site"),
}


@dataclass(frozen=True, kw_only=True)
class _LeftOut:
    """Left-out months with their sites, and the types that have too few of these."""

    error: NDArray[np.float64]
    spread: NDArray[np.float64]
    site: NDArray[np.int64]
    names: NDArray[np.str_]
    pft: NDArray[np.str_]
    few: frozenset[str]

    def mean(self, values: NDArray[np.floating | np.bool_]) -> NDArray[np.float64]:
        """Mean over the months of each site, ``(site,)``."""
        return np.asarray(np.bincount(self.site, values) / np.bincount(self.site))

    def of(self, name: str) -> NDArray[np.bool_]:
        """Tell which sites are of a type, ``(site,)``."""
        return np.asarray((self.pft == name) | (name == _ALL))


def calibrate(cv: xr.Dataset, *, level: float = 0.9) -> xr.Dataset:
    """Measure how often intervals hold on left-out sites, and find the factors with which they do.

    The raw interval of a month is mean ± z spread, as if members were draws of the truth. The recalibrated one is mean
    ± factor sqrt(spread² + residual²). ``residual`` is, by type, the root of the mean over sites of error² - spread²
    (0 if negative). ``factor`` is a conformal quantile over sites of abs(error) / sqrt(spread² + residual²), in which
    the residual is that of the other sites: each of n sites weighs 1 / (n + 1) in equal parts over its months, and the
    smallest factor with a weight of `level` is taken. So a month of a new site is inside with a probability of at
    least `level`, if that site might as well have been one of these; but for what the one site changes in residual
    and networks. The coverage that is stated for a site is of factors and residuals made without it.

    Parameters
    ----------
    cv
        From `xnee.crossvalidate` of two or more members, with a scheme that leaves sites out.
    level
        Share of months that should be inside, between 0 and 1.

    Returns
    -------
    xarray.Dataset
        Over ``pft`` (five types and ``"all"``): ``factor``; ``residual`` and mean widths ``width_raw``, ``width`` (g C
        m-2 month-1); ``coverage_raw``, ``coverage``, each site alike, and with suffix ``_month``, each month alike;
        ``ratio`` of RMSE to root mean square spread, and ``ratio_site`` of the sites' long-term means; counts
        ``sites`` and ``n``; ``own``, 0 where a type has too few sites, fewer than ``level / (1 - level) + 1``, and
        takes the factor of all types, and their residual if that is larger. Over ``site``: ``coverage_raw_site`` and
        ``coverage_site``. Over ``sample``: ``error`` of each month, from which `xnee.total_interval` makes its own.

    Raises
    ------
    ValueError
        If `level` is out of range, `cv` has no spread or is of a scheme that leaves no sites out, or fewer sites were
        left out than the level needs (never fewer than 5).

    Examples
    --------
    >>> from xnee.evaluation.crossval import crossvalidate
    >>> from xnee.models.training import FitSpec
    >>> from xnee.sources.synthetic import synthetic_towers
    >>> quick = {"lags": 1, "members": 2, "training": FitSpec(epochs=1), "baselines": [], "strategy": "pooled"}
    >>> cv = crossvalidate(synthetic_towers(), ["TEMP"], folds=2, **quick)
    >>> calibration = calibrate(cv, level=0.8)
    >>> bool(calibration["coverage"].sel(pft="all") > calibration["coverage_raw"].sel(pft="all"))
    True
    """
    need = sites_needed(level)
    months = _left_out(cv, need)
    count = {name: int(months.of(name).sum()) for name in (*PFTS, _ALL)}
    if count[_ALL] < need:
        msg = (
            f"level {level:g} needs at least {need} sites that were left out, got {count[_ALL]}: "
            "fewer cannot tell so wide an interval. Take more sites or a lower level (0.8 needs 5)."
        )
        raise ValueError(msg)
    z = NormalDist().inv_cdf((1 + level) / 2)
    half = _half_without(months, level)
    squares = _squares(months)
    residual = {name: _residual(squares, months, name) for name in count}
    score = _scores(months, squares)
    factor = {name: _factor(score, months, _peers(months, name), level) for name in count}
    table = _table(months, raw=z * months.spread, half=half)
    own = {name: name not in months.few for name in count}
    for name, values in (("own", own), ("residual", residual), ("factor", factor), ("sites", count)):
        table[name] = ("pft", [float(v) if name in ("residual", "factor") else int(v) for v in values.values()])
    for variable, (units, text) in _SAID.items():
        table[variable].attrs = {"units": units, "long_name": text}
    kept = {name: cv.attrs[name] for name in ("scheme", "folds", *NETWORKS) if name in cv.attrs}
    error = (cv["predicted"].sel(predictor="xnee", drop=True) - cv[TARGET]).dropna("sample")
    error.attrs = {"units": _FLUX, "long_name": "predicted less observed at left-out sites, for total_interval"}
    return table[list(_SAID)].assign(error=error).assign_attrs(level=level, z=z, **kept)


def sites_needed(level: float) -> int:
    """Count the left-out sites without which no interval of a level can be told.

    One of them can be out and the weight of the others, 1 / (n + 1) each, still reaches the level.

    Parameters
    ----------
    level
        Share of months that should be inside, between 0 and 1.

    Returns
    -------
    int
        Sites; `calibrate` wants 5 in any case.

    Raises
    ------
    ValueError
        If `level` is no number between 0 and 1.

    Examples
    --------
    >>> sites_needed(0.9), sites_needed(0.8)
    (10, 5)
    """
    if isinstance(level, bool) or not isinstance(level, int | float) or not 0 < level < 1:
        msg = f"level must be a number between 0 and 1, such as 0.9, got {level!r}."
        raise ValueError(msg)
    return max(_LEAST_SITES, ceil(level / (1 - level) - 1e-9) + 1)


def _left_out(cv: xr.Dataset, need: int) -> _LeftOut:
    """Take errors and spread of the networks where they were tested on sites never seen."""
    check_leaves_sites_out(cv, what="intervals of a map are")
    if "spread" not in cv or not cv["spread"].notnull().any():
        msg = "there is no spread of members in this cross-validation. Run crossvalidate with members=2 or more."
        raise ValueError(msg)
    error = (cv["predicted"].sel(predictor="xnee") - cv[TARGET]).to_numpy()
    spread = cv["spread"].to_numpy().astype("f8")
    known = np.isfinite(error) & np.isfinite(spread)
    names, first, site = np.unique(labels(cv["sample_site"])[known], return_index=True, return_inverse=True)
    pft = labels(cv["sample_pft"])[known][first]
    few = frozenset(name for name in PFTS if (pft == name).sum() < need)
    return _LeftOut(error=error[known], spread=spread[known], site=site.astype("i8"), names=names, pft=pft, few=few)


def _squares(months: _LeftOut) -> NDArray[np.float64]:
    """Mean of error² - spread² of each site, ``(site,)``."""
    return months.mean(months.error**2 - months.spread**2)


def _residual(squares: NDArray[np.float64], months: _LeftOut, name: str, *without: int) -> float:
    """Error beyond the spread of the sites of a type but some; few sites are not believed to err less than all do."""
    keep = np.ones(squares.size, dtype=bool)
    keep[list(without)] = False
    own = keep & months.of(name)
    found = [squares[own].mean()] if own.any() else []
    found += [squares[keep].mean()] if name in months.few else []
    return float(np.sqrt(max(0, *found)))


def _peers(months: _LeftOut, name: str) -> NDArray[np.bool_]:
    """Tell which sites make the factor of a type, ``(site,)``."""
    return months.of(_ALL if name in months.few else name)


def _scores(months: _LeftOut, squares: NDArray[np.float64], *without: int) -> NDArray[np.float64]:
    """Errors over what is expected of them, ``(sample,)``; what is expected of a site is told by the others."""
    sites = range(months.names.size)
    others = np.array([_residual(squares, months, str(months.pft[k]), k, *without) for k in sites])
    return _over(np.abs(months.error), np.hypot(months.spread, others[months.site]))


def _over(error: NDArray[np.float64], expected: NDArray[np.float64]) -> NDArray[np.float64]:
    """Divide; where nothing is expected, no error is 0 and any error is infinite."""
    nothing = np.where(error > 0, np.inf, 0.0)
    return np.divide(error, expected, out=nothing, where=expected > 0)


def _factor(score: NDArray[np.float64], months: _LeftOut, sites: NDArray[np.bool_], level: float) -> float:
    """Smallest score with a weight of the level at or below it; a site that is yet to come is above all scores."""
    own = sites[months.site]
    weight = 1 / (sites.sum() + 1) / np.bincount(months.site)[months.site[own]]
    order = np.argsort(score[own], kind="stable")
    reached = np.cumsum(weight[order]) >= level - 1e-9
    return float(score[own][order][np.argmax(reached)])


def _half_without(months: _LeftOut, level: float) -> NDArray[np.float64]:
    """Half-widths of each site's months, ``(sample,)``, from all other sites."""
    squares = _squares(months)
    half = np.empty_like(months.error)
    for k, pft in enumerate(map(str, months.pft)):
        others = _peers(months, pft)
        others[k] = False
        factor = _factor(_scores(months, squares, k), months, others, level)
        mine = months.site == k
        half[mine] = factor * np.hypot(months.spread[mine], _residual(squares, months, pft, k))
    return half


def _table(months: _LeftOut, *, raw: NDArray[np.float64], half: NDArray[np.float64]) -> xr.Dataset:
    """Lay coverage, widths and ratios out by type and by site."""
    inside = {"_raw": np.abs(months.error) <= raw, "": np.abs(months.error) <= half}
    names = [*PFTS, _ALL]
    table = xr.Dataset(coords={"pft": names, "site": months.names, "site_pft": ("site", months.pft)})
    chosen = [months.of(name) for name in names]
    table["n"] = ("pft", [int(own[months.site].sum()) for own in chosen])
    for suffix, width in (("_raw", 2 * raw), ("", 2 * half)):
        by_site = months.mean(inside[suffix])
        table[f"coverage{suffix}_site"] = ("site", by_site)
        table[f"coverage{suffix}"] = ("pft", [_mean(by_site[own]) for own in chosen])
        table[f"coverage{suffix}_month"] = ("pft", [_mean(inside[suffix][own[months.site]]) for own in chosen])
        table[f"width{suffix}"] = ("pft", [_mean(width[own[months.site]]) for own in chosen])
    pairs = {
        "ratio": [(months.error[own[months.site]], months.spread[own[months.site]]) for own in chosen],
        "ratio_site": [(months.mean(months.error)[own], months.mean(months.spread)[own]) for own in chosen],
    }
    for name, found in pairs.items():
        table[name] = ("pft", [_ratio(_mean(error**2), _mean(spread**2)) for error, spread in found])
    return table


def _mean(values: NDArray[np.floating | np.bool_]) -> float:
    """Mean, missing of nothing."""
    return float(np.mean(values)) if values.size else np.nan


def _ratio(error: float, spread: float) -> float:
    return float(np.sqrt(error / spread)) if spread > 0 else np.nan


def intervals(predicted: xr.Dataset, calibration: xr.Dataset) -> xr.Dataset:
    """Give each monthly value of a map the interval that held on left-out sites.

    For the value of one cell and one month, not for sums and means: errors of neighbours, and of months of one place,
    go together, but not wholly, so that neither sums of bounds nor roots of summed squares are bounds of a sum. Totals
    have a spread of their own, over members (`xnee.budget`), which is too narrow: docs/uncertainty.md says by how much.

    Parameters
    ----------
    predicted
        From `xnee.predict`, with two or more members.
    calibration
        From `calibrate`, of a cross-validation with the drivers, lags, members and strategy of the map's model.

    Returns
    -------
    xarray.Dataset
        `predicted` with ``NEE_low`` and ``NEE_high``, g C m-2 month-1: NEE ± factor sqrt(NEE_std² + residual²), lazy.
        In a cell of several types factor and residual are means by their ``pft_fraction``, as if the types erred
        together, which is the wider. Missing where NEE or NEE_std is. ``attrs["calibration"]`` holds what was used, as
        JSON.

    Raises
    ------
    ValueError
        If either lacks what it should hold, or the calibration is of other drivers, lags or strategy, or of another
        number of members, than the map. What one of the two does not tell is not compared.

    Examples
    --------
    >>> import xnee
    >>> from xnee.sources.synthetic import synthetic_cube, synthetic_towers
    >>> sites, quick = synthetic_towers(), {"lags": 1, "members": 2, "training": xnee.FitSpec(epochs=1)}
    >>> cv = xnee.crossvalidate(sites, ["TEMP"], folds=2, baselines=[], strategy="pooled", **quick)
    >>> predicted = xnee.predict(synthetic_cube(), xnee.fit(sites, ["TEMP"], strategy="pooled", **quick))
    >>> sure = intervals(predicted, calibrate(cv, level=0.8))
    >>> bool((sure["NEE_low"] < sure["NEE"]).sum() == sure["NEE"].notnull().sum())
    True
    """
    for what, given, names in (
        ("predicted", predicted, (TARGET, "NEE_std", "pft_fraction")),
        ("calibration", calibration, ("factor", "residual")),
    ):
        lacking = [name for name in names if name not in given]
        if lacking:
            source = "xnee.predict" if what == "predicted" else "calibrate"
            msg = f"{what} lacks {', '.join(lacking)}. Give what {source} gives."
            raise ValueError(msg)
    check_same_networks(predicted, calibration, what="the calibration is")
    fraction = predicted["pft_fraction"]
    by_type = calibration[["factor", "residual"]].assign_coords(pft=labels(calibration["pft"]))
    by_type = by_type.sel(pft=labels(fraction["pft"])).drop_vars("pft").astype("f4")
    bare = fraction.drop_vars("pft")
    factor, residual = (mix(by_type[name], bare) for name in ("factor", "residual"))
    half = factor * np.sqrt(predicted["NEE_std"] ** 2 + residual**2)
    level = calibration.attrs["level"]
    bounds = {}
    for name, word, sign in (("NEE_low", "lower", -1), ("NEE_high", "upper", 1)):
        bounds[name] = (predicted[TARGET] + sign * half).transpose(*predicted[TARGET].dims)
        bounds[name].attrs = {
            "units": _FLUX,
            "long_name": f"{word} bound of the {100 * level:g} % prediction interval of one month of one cell",
            "comment": "Calibrated on left-out sites. Not to be added up: errors of cells are not independent.",
        }
    return predicted.assign(bounds).assign_attrs(calibration=json.dumps(_used(calibration, labels(fraction["pft"]))))


def _used(calibration: xr.Dataset, pfts: NDArray[np.str_]) -> dict[str, Any]:
    """Put together what intervals of a map were made with, ready for JSON."""
    table = calibration.assign_coords(pft=labels(calibration["pft"]))
    facts = {name: plain(calibration.attrs[name]) for name in ("level", "scheme", "folds", *NETWORKS)
             if name in calibration.attrs}  # fmt: skip
    if "sites" in table:
        facts["sites"] = int(table["sites"].sel(pft=_ALL))
    for name in ("factor", "residual"):
        facts[name] = {pft: float(f"{float(table[name].sel(pft=pft)):.6g}") for pft in pfts.tolist()}
    return facts
