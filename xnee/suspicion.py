"""Values that are within their plausible range and yet not what they say: a turned sign, another unit, no season."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import xarray as xr

from xnee.variables import TARGET, labels, same_unit

__all__ = ["JUDGED", "Suspicion", "suspicions"]

_NAMED = 5  # sites that a message names
_SEASON = 0.3  # degC between the months of a year


@dataclass(frozen=True, kw_only=True)
class Suspicion:
    """Something that values show and that those of a forest do not.

    Parameters
    ----------
    variable
        Name of the variable.
    odd, judged, unjudged
        Sites, or forest cells: that show it, that could, and without a full year of months (for the sign of NEE, of
        NEE and of TEMP with a season).
    widespread
        Whether more than half of those judged show it, as all of them do if it is the unit or the sign. Fewer may be
        real: a burnt or a dry forest.
    found
        What was seen and what a forest shows.
    way_out
        What it may be, and how to put it right.
    """

    variable: str
    odd: int
    judged: int
    unjudged: int
    widespread: bool
    found: str
    way_out: str

    def __str__(self) -> str:
        """Write it out in a line."""
        return f"{self.variable}: {self.found}. {self.way_out}"


@dataclass(frozen=True, kw_only=True)
class _Rule:
    """A number made of mean years that is never below `least` in a forest.

    `needs` names the suspected variable first; `fewest` is how many places must be judged before it is widespread.
    """

    needs: tuple[str, ...]
    measure: Callable[..., xr.DataArray]
    least: float
    seen: str
    expected: str
    question: str
    repair: str
    fewest: int = 1


def _swing(year: xr.DataArray) -> xr.DataArray:
    """Give the highest month less the lowest."""
    return year.max("month", skipna=False) - year.min("month", skipna=False)


def _total(year: xr.DataArray) -> xr.DataArray:
    """Give the sum of a year."""
    return year.sum("month", skipna=False)


def _highest(year: xr.DataArray) -> xr.DataArray:
    """Give the highest month."""
    return year.max("month", skipna=False)


def _uptake(nee: xr.DataArray, temp: xr.DataArray) -> xr.DataArray:
    """Give by how much the three coldest months lie above the three warmest and the mean year below 0, together.

    Neither will do alone. Evergreen forests of Australia lose most in summer, and take up carbon over the year; young
    and burnt forests, and some on peat, lose carbon over the year, and least in summer.
    """
    nee, temp = nee.transpose(..., "month"), temp.transpose(..., "month")
    order = np.argsort(temp.to_numpy(), axis=-1)  # (site, month)
    sorted_ = np.take_along_axis(nee.to_numpy(), order, axis=-1)
    season = sorted_[..., :3].mean(axis=-1) - sorted_[..., -3:].mean(axis=-1)
    whole = nee.mean("month", skipna=False).where(_swing(temp) >= _SEASON)  # NaN without a full year of both
    return whole.copy(data=season - whole.to_numpy())


_OF_FEW = "If so, put these sites right; if not, leave them: some forests are so."
_DAILY = "Is it a mean per day?"
_TIMES_DAYS = 'Make it a total: ds["{0}"] = (ds["{0}"] * ds["time"].dt.days_in_month).assign_attrs(ds["{0}"].attrs).'

# The thresholds lie between what 67 forest towers of FLUXNET2015 show (`expected`) and what they would show in the unit
# that is named: at most 10 g C m-2, 102 mm, 2.5 hPa; of PAR 416 umol m-2 s-1 as shortwave radiation in W m-2, and fewer
# than one in ten above 320. Only NEE's sign has exceptions: AU-Cum and ZM-Mon, with
# less quality control CA-SF1 and US-Me6, with more AR-Vir. Hence one site alone proves nothing.
_RULES = (
    _Rule(
        needs=(TARGET, "TEMP"),
        measure=_uptake,
        least=0,
        seen="the mean year, plus the three warmest months less the three coldest, is above 0",
        expected="a forest takes up carbon (negative NEE) over the year, or at least in the warm months",
        question="Is it positive for uptake, as NEP is?",
        repair='Turn it: ds["{0}"] = (-ds["{0}"]).assign_attrs(ds["{0}"].attrs).',
        fewest=2,
    ),
    _Rule(
        needs=(TARGET,),
        measure=_swing,
        least=10,
        seen="the mean year swings by less than {least:g} g C m-2 month-1 (median {median:.3g})",
        expected="forests swing by 11 to 300",
        question=_DAILY,
        repair=_TIMES_DAYS,
    ),
    _Rule(
        needs=("TEMP",),
        measure=_swing,
        least=_SEASON,
        seen="the mean year swings by less than {least:g} degC (median {median:.3g})",
        expected="forests swing by 1.3 (on the equator) to 41",
        question="Is it one value for all months?",
        repair="Give each month its own.",
    ),
    _Rule(
        needs=("PRE",),
        measure=_total,
        least=120,
        seen="a year has less than {least:g} mm (median {median:.3g})",
        expected="forests have 160 to 3100",
        question=_DAILY,
        repair=_TIMES_DAYS,
    ),
    _Rule(
        needs=("VPD",),
        measure=_highest,
        least=3,
        seen="no month of the mean year reaches {least:g} hPa (median {median:.3g})",
        expected="the highest of a forest is 3.7 to 25",
        question="Is it in kPa?",
        repair='Convert it: ds["{0}"] = (ds["{0}"] * 10).assign_attrs(ds["{0}"].attrs).',
    ),
    _Rule(
        needs=("PAR",),
        measure=_highest,
        least=320,
        seen="no month of the mean year reaches {least:g} umol m-2 s-1 (median {median:.3g})",
        expected="the brightest of a forest is 370 to 810",
        question="Is it in W m-2, MJ m-2 day-1 or mol m-2 day-1, or shortwave radiation?",
        repair="Convert it by 4.57 umol per J of PAR, 1.94 per J of shortwave radiation, and 86400 s a day.",
    ),
)

JUDGED = (*dict.fromkeys(name for rule in _RULES for name in rule.needs), "pft_fraction")
"""What `suspicions` looks at."""


def suspicions(ds: xr.Dataset) -> list[Suspicion]:
    """Find variables whose values are plausible one by one, but not together.

    Judged is the mean year of each site, or of each forest cell of a cube, if each calendar month was seen at least
    once: whether NEE is turned or per day, PRE per day, VPD in kPa, PAR in another unit, TEMP without a season.

    Parameters
    ----------
    ds
        Sites ``(site, time)``, or a cube ``(time, lat, lon)`` with ``pft_fraction``, of which cells with forest are
        judged; without it none. Variables of another unit or other dimensions are left out: they have errors of
        their own. NEE is judged at sites only.

    Returns
    -------
    list of Suspicion
        Of sites also those that few of them show, with their names; of cells only what is widespread. Lazy variables
        are computed.

    Examples
    --------
    >>> from xnee.sources.synthetic import synthetic_towers
    >>> sites = synthetic_towers()
    >>> suspicions(sites)
    []
    >>> per_day = sites["PRE"] / sites["time"].dt.days_in_month
    >>> (one,) = suspicions(sites.assign(PRE=per_day.assign_attrs(sites["PRE"].attrs)))
    >>> one.variable, one.odd, one.judged, one.widespread
    ('PRE', 11, 11, True)
    """
    place = ("site",) if "site" in ds.dims else tuple(dim for dim in ("lat", "lon", "cell") if dim in ds.dims)
    if ds.sizes.get("time", 0) < 12 or ("site" not in ds.dims and "pft_fraction" not in ds):
        return []
    years = {name: _mean_year(ds[name]) for rule in _RULES for name in rule.needs if _fit_to_judge(ds, name, place)}
    judging = [rule for rule in _RULES if set(rule.needs) <= set(years)]
    measures = xr.Dataset({str(k): rule.measure(*(years[n] for n in rule.needs)) for k, rule in enumerate(judging)})
    if "site" not in ds.dims:
        measures = measures.where((ds["pft_fraction"] > 0).any("pft"), np.inf)  # bare ground is not judged
    measures = measures.compute()
    return [one for k, rule in enumerate(judging) for one in _judge(rule, measures[str(k)], ds)]


def _fit_to_judge(ds: xr.Dataset, name: str, place: tuple[str, ...]) -> bool:
    """Tell whether a variable keeps the other rules, so far as they matter here."""
    if name not in ds or (name == TARGET and place != ("site",)):
        return False
    units = ds[name].attrs.get("units")
    right = ds[name].dtype.kind in "fiu" and set(ds[name].dims) == {"time", *place}
    return right and isinstance(units, str) and same_unit(name, units)


def _mean_year(values: xr.DataArray) -> xr.DataArray:
    """Average months of the same name, ``(..., month)`` from the first on; NaN for one that was never seen."""
    known = values.where(np.isfinite(values)).drop_attrs().drop_vars("time")
    # many times faster than to group by month; the axis has no holes
    return known.coarsen(time=12, boundary="pad").construct(time=("year", "month")).mean("year")


def _judge(rule: _Rule, measure: xr.DataArray, ds: xr.Dataset) -> Iterator[Suspicion]:
    """Hold a rule against all sites or cells."""
    values = measure.to_numpy()
    odd = values < rule.least  # not where it is NaN
    judged, unjudged = int(np.isfinite(values).sum()), int(np.isnan(values).sum())
    widespread = 2 * int(odd.sum()) > judged >= rule.fewest
    sites = "site" in measure.dims
    if not odd.any() or not (widespread or sites):
        return
    noun, name = "sites" if sites else "forest cells", rule.needs[0]
    seen = rule.seen.format(least=rule.least, median=float(np.median(values[odd])))
    left_out = f"; {unjudged} without a full year of months are not judged" if unjudged else ""
    few = "" if widespread else f" ({_named(ds, odd)})"
    yield Suspicion(
        variable=name,
        odd=int(odd.sum()),
        judged=judged,
        unjudged=unjudged,
        widespread=widespread,
        found=f"in {int(odd.sum())} of {judged} {noun}{few} {seen}; {rule.expected}{left_out}",
        way_out=f"{rule.question} {rule.repair.format(name) if widespread else _OF_FEW}",
    )


def _named(ds: xr.Dataset, odd: np.ndarray) -> str:
    """Name some of the sites."""
    ids = labels(ds["site"])[odd].tolist()
    return ", ".join(ids[:_NAMED]) + (f" and {len(ids) - _NAMED} more" if len(ids) > _NAMED else "")
