"""How sure is a total: the mean errors of towers that were left out, carried to the forest of their type."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.special import stdtrit

from xnee.evaluation.agreement import check_leaves_sites_out, check_same_networks
from xnee.variables import TARGET, labels

__all__ = ["total_interval"]

_LEAST_SITES = 5
_LEAST_MONTHS = 6  # of a year whose error is taken
_UNIT = "Tg C yr-1"
_FLUX = "g C m-2 yr-1"
_TERAGRAM = 1e-6  # Tg for one g m-2 on one km2
_NEEDED = ("NEE_total", "NEE_total_std", "NEE_forest", "NEE_forest_std", "area_predicted_km2")
_DIMS = {"pft", "year"}
_SAID = {
    "sites": ("1", "towers that were left out, with NEE of every calendar month"),
    "own": ("1", "whether error_se comes from the type's own towers, not from those of all types"),
    "error_mean": (_FLUX, "mean error of left-out towers, predicted less observed; positive: too little uptake"),
    "error_se": (_FLUX, "standard error of that mean, from the deviation between towers"),
    "error_year": (_FLUX, "deviation of the error of one year from that of the tower's mean year, all types"),
}


@dataclass(frozen=True, kw_only=True)
class _Doubt:
    """Standard errors and their degrees of freedom."""

    se: xr.DataArray
    degrees: xr.DataArray

    def summed(self, dim: str) -> _Doubt:
        """Add up as independent, with the degrees of freedom of Welch and Satterthwaite."""
        variance = self.se**2
        total = variance.sum(dim)
        return _Doubt(se=total**0.5, degrees=total**2 / (variance**2 / self.degrees).sum(dim))

    def at_least(self, spread: xr.DataArray, degrees: int) -> _Doubt:
        """Take the spread of members for the standard error where it is the larger."""
        larger = spread > self.se
        return _Doubt(se=self.se.where(~larger, spread), degrees=self.degrees.where(~larger, float(degrees)))

    def half_width(self, level: float) -> xr.DataArray:
        """Multiply by the quantile of Student; no doubt at all, of a type without ground, has no degrees of freedom."""
        t = xr.apply_ufunc(stdtrit, self.degrees, (1 + level) / 2)
        half: xr.DataArray = (t * self.se).where(self.se > 0, 0.0)
        return half


def total_interval(totals: xr.Dataset, cv: xr.Dataset, *, level: float = 0.9) -> xr.Dataset:
    """Give a budget the interval in which left-out towers say that the true total lies.

    The error of a tower is that of its mean year: predicted less observed NEE, the mean of each calendar month first,
    then the sum of the twelve, so that many summers do not count as a year. Towers that lack a calendar month are left
    out. The mean over the n towers of a type is what they tell of the mean error of its forest, with the standard
    error s / sqrt(n), s their deviation. To this comes the error of the single years, as if a year's error were one
    and the same in all forest of a type, over the root of the years that the total is a mean of. Both times the area
    of the budget are the doubt of the total of the type. Types are taken as independent. The interval is

        total - mean error ± t doubt

    with the quantile of Student for the effective degrees of freedom (Satterthwaite 1946, Welch 1947), stretched to
    hold the total itself: NEE_total is not corrected, but its interval need not lie evenly about it.

    Where the members' spread of a total is larger than the doubt it takes its place. The two are not added: members
    differ by the towers that they were drawn, which is what the standard error measures too.

    A type with fewer than 5 such towers takes the deviation between the towers of all types if that is larger than its
    own; without a tower it is taken as one tower more of all: mean error of all, s sqrt(1 + 1 / N).

    The interval holds as often as promised **if towers stand for the forest of their type as if drawn from it**, and
    if the map reads drivers as good as the towers'. Where they do not, it is a floor.

    Parameters
    ----------
    totals
        From `xnee.budget` with ``by=("pft",)``, the mean of the whole years, or with ``("pft", "year")``.
    cv
        From `xnee.crossvalidate` of the same drivers and strategy, or what
        `calibrate` made of it, with a scheme that leaves sites out; ``"knndm"``
        where towers are far from the forest.
    level
        How often the true total should be inside, between 0 and 1.

    Returns
    -------
    xarray.Dataset
        `totals` with ``NEE_total_low`` and ``NEE_total_high`` (as ``NEE_total``), ``NEE_forest_low`` and
        ``NEE_forest_high`` in Tg C yr-1, negative where forest takes up carbon, missing where the total is. Over
        ``pft`` ``error_mean`` and ``error_se`` of towers in g C m-2 yr-1 (positive: the model has too little uptake),
        ``sites``, how many towers with all calendar months there were, and ``own``, 0 where the deviation is that of
        all types. ``error_year``, the deviation of a year's error in g C m-2 yr-1, is of all towers together; where
        none has two years with 6 months each, the deviation between towers stands in, which holds it.

    Raises
    ------
    ValueError
        If `level` is out of range, `totals` is no yearly budget by type in Tg C, `cv` is of a scheme that leaves no
        sites out or of other networks than the map, or fewer than 5 left-out sites have all calendar months.

    Examples
    --------
    >>> import xnee
    >>> from xnee.sources.synthetic import synthetic_cube, synthetic_towers
    >>> sites, quick = synthetic_towers(), {"lags": 1, "members": 2, "training": xnee.FitSpec(epochs=1)}
    >>> cv = xnee.crossvalidate(sites, ["TEMP"], folds=2, baselines=[], strategy="pooled", **quick)
    >>> predicted = xnee.predict(synthetic_cube(), xnee.fit(sites, ["TEMP"], strategy="pooled", **quick))
    >>> sure = total_interval(xnee.budget(predicted, by=("pft",)), cv)
    >>> bool(sure["NEE_forest_low"] < sure["NEE_forest"]), sure["NEE_forest_low"].attrs["units"]
    (True, 'Tg C yr-1')
    >>> sure["NEE_total_low"].dims
    ('pft',)
    """
    if isinstance(level, bool) or not isinstance(level, int | float) or not 0 < level < 1:
        msg = f"level must be a number between 0 and 1, such as 0.9, got {level!r}."
        raise ValueError(msg)
    _check_totals(totals)
    check_same_networks(totals, cv, what="the cross-validation is")
    flux = _by_type(*_left_out(cv), names=labels(totals["pft"]))
    bare = totals.drop_vars("pft")
    counted = bare["area_predicted_km2"].where(bare["NEE_total"].notnull(), 0.0) * _TERAGRAM
    year = flux["error_year"] / np.sqrt(bare["years"].clip(min=1) if "years" in bare else 1)
    se = xr.concat([xr.zeros_like(counted) + flux["error_se"], xr.zeros_like(counted) + year], "part") * counted
    members = int(totals.attrs.get("members", 1))
    own = _Doubt(se=se, degrees=flux["degrees"]).summed("part").at_least(bare["NEE_total_std"], members - 1)
    forest = own.summed("pft").at_least(bare["NEE_forest_std"], members - 1)
    error = counted * flux["error_mean"]
    result = totals.assign(flux[list(_SAID)])
    for name, off, doubt in (("NEE_total", error, own), ("NEE_forest", error.sum("pft"), forest)):
        total, half = bare[name], doubt.half_width(level)
        result[f"{name}_low"] = (total - off - half).clip(max=total).transpose(*total.dims)
        result[f"{name}_high"] = (total - off + half).clip(min=total).transpose(*total.dims)
    return _describe(result, level=level, scheme=str(cv.attrs["scheme"]))


def _check_totals(totals: xr.Dataset) -> None:
    """Refuse what is no budget by type, or one of less than the whole forest and year."""
    lacking = [name for name in _NEEDED if name not in totals]
    if lacking or "pft" not in totals["NEE_total"].dims:
        msg = (
            f"totals must be a budget by type; {', '.join(lacking) or 'the dimension pft'} is not there. Give what "
            "xnee.budget(..., by=('pft',)) gives."
        )
        raise ValueError(msg)
    if further := sorted(set(map(str, totals["NEE_total"].dims)) - _DIMS):
        msg = (
            f"towers tell the mean error of all forest of a type over the year, not of one {' or '.join(further)}: "
            "give a budget by=('pft',) or by=('pft', 'year')."
        )
        raise ValueError(msg)
    for name, unit in (("NEE_total", _UNIT), ("NEE_forest", _UNIT), ("area_predicted_km2", "km2")):
        if totals[name].attrs.get("units") != unit:
            msg = f"{name} must be in {unit}, as xnee.budget gives it; got {totals[name].attrs.get('units')!r}."
            raise ValueError(msg)


def _left_out(cv: xr.Dataset) -> tuple[NDArray[np.float64], NDArray[np.str_]]:
    """Give errors of left-out sites with all calendar months, ``(site, year, month)``, g C m-2 month-1; and types."""
    check_leaves_sites_out(cv, what="the error of a total is")
    found = cv["error"] if "error" in cv else cv["predicted"].sel(predictor="xnee") - cv[TARGET]
    error = found.to_numpy()
    known = np.isfinite(error)
    names, first, site = np.unique(labels(cv["sample_site"])[known], return_index=True, return_inverse=True)
    time = cv["time"][known].dt
    years, year = np.unique(time.year, return_inverse=True)
    table = np.full((names.size, years.size, 12), np.nan)
    table[site, year, time.month.to_numpy() - 1] = error[known]
    whole = np.isfinite(table).any(axis=1).all(axis=1)
    if whole.sum() < _LEAST_SITES:
        msg = (
            f"the error of a total needs at least {_LEAST_SITES} left-out sites with NEE of every calendar month, got "
            f"{whole.sum()} of {names.size}. Take more sites, or ones with longer records."
        )
        raise ValueError(msg)
    return table[whole], labels(cv["sample_pft"])[known][first][whole]


def _by_type(error: NDArray[np.float64], pft: NDArray[np.str_], *, names: NDArray[np.str_]) -> xr.Dataset:
    """Give what towers say of the error of each type, ``(pft,)``, and degrees of freedom of both parts of it."""
    cycle = np.nanmean(error, axis=1)
    mean_year = cycle.sum(axis=1)
    everyone = float(mean_year.std(ddof=1))
    rows = [_of_type(mean_year[pft == name], everyone=mean_year) for name in names]
    year, degrees = _of_years(error - cycle[:, None])
    if not degrees:  # then a tower's mean year is of one year: what years differ by is in what towers differ by
        year, degrees = everyone, mean_year.size - 1
    parts = [[row.pop("degrees") for row in rows], [float(degrees)] * len(rows)]
    columns = {name: ("pft", [row[name] for row in rows]) for name in rows[0]}
    return xr.Dataset({**columns, "error_year": year, "degrees": (("part", "pft"), parts)})


def _of_type(error: NDArray[np.float64], *, everyone: NDArray[np.float64]) -> dict[str, float]:
    """Give mean error and its standard error; few towers are not believed to differ less than all do."""
    n, common = error.size, float(everyone.std(ddof=1))
    deviation = float(error.std(ddof=1)) if n > 1 else 0.0
    own = n >= _LEAST_SITES or deviation > common
    # without a tower: as one tower more, drawn from all, would be off
    alone = common * (1 + 1 / everyone.size) ** 0.5
    return {
        "sites": n,
        "own": int(own),
        "error_mean": float(error.mean() if n else everyone.mean()),
        "error_se": (deviation if own else common) / n**0.5 if n else alone,
        "degrees": float((n if own else everyone.size) - 1),
    }


def _of_years(anomaly: NDArray[np.float64]) -> tuple[float, int]:
    """Give the deviation of years from their tower's mean year, g C m-2 yr-1, and its degrees of freedom."""
    known = np.isfinite(anomaly)
    known &= known.sum(axis=1, keepdims=True) > 1  # the only value of its calendar month is no anomaly
    months = known.sum(axis=2)
    year = 12 * np.where(known, anomaly, 0.0).sum(axis=2) / np.maximum(months, 1)
    told = months >= _LEAST_MONTHS
    told &= told.sum(axis=1, keepdims=True) > 1
    degrees = int(told.sum() - told.any(axis=1).sum())
    return (float(np.sqrt((year[told] ** 2).sum() / degrees)) if degrees else np.nan), degrees


def _describe(result: xr.Dataset, *, level: float, scheme: str) -> xr.Dataset:
    """Set units and long names, and say what the interval stands on."""
    for name, (unit, text) in _SAID.items():
        result[name].attrs = {"units": unit, "long_name": text}
    for name, what in (("NEE_total", ""), ("NEE_forest", ", all forest types")):
        for side, word in (("low", "lower"), ("high", "upper")):
            result[f"{name}_{side}"].attrs = {
                "units": _UNIT,
                "long_name": f"{word} bound of the {100 * level:g} % interval of the total{what}",
                "comment": "From left-out towers, as if they were drawn from the forest; where not, a floor.",
            }
    return result.assign_attrs(level=level, scheme=scheme)
