"""Months of NEE that do not look like their site or like their forest type: flagged when asked, never by themselves."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xnee.checking import check_time
from xnee.variables import TARGET, labels

__all__ = ["OutlierMethod", "drop_outliers", "flag_outliers"]

OutlierMethod: TypeAlias = Literal["own-years", "forest-type"]
_Floats: TypeAlias = NDArray[np.float64]

_FLAG = f"{TARGET}_outlier"
_NORMAL = 1.4826
"""Standard deviations of a normal distribution in one median absolute deviation."""

_FEWEST = 5
"""Years, or sites, below which a median and its spread say nothing about a single month."""


def flag_outliers(sites: xr.Dataset, *, method: OutlierMethod = "own-years", threshold: float = 7.0) -> xr.Dataset:
    """Flag months of NEE that lie far from the median of their calendar month; no value changes.

    The distance is counted in robust standard deviations, 1.4826 times the median absolute deviation (MAD), as Papale
    et al. (2006, doi:10.5194/bg-3-571-2006) do for half-hours with thresholds of 4, 5.5 and 7; theirs is taken of
    second differences, ours of the difference from the seasonal course.

    Parameters
    ----------
    sites
        Tower data, ``(site, time)``, with ``NEE``; for ``"forest-type"`` also ``pft``.
    method
        ``"own-years"``: a month against the same calendar month in the other years of its site, and the MAD of it and
        of the months before and after it. It sees years that differ; it cannot see a site that is always strange.
        ``"forest-type"``: a month against the median of the sites of its forest type, and the MAD among their
        medians. It sees strange sites, real ones as well: a very strong sink is not an error.
    threshold
        Distance beyond which a month is flagged, in robust standard deviations.

    Returns
    -------
    xarray.Dataset
        A new Dataset: `sites` and ``NEE_outlier (site, time)``, bool. Flags that are there already stay. The
        attributes of the flag count ``months_flagged`` and ``months_judged``, those with at least five years, or
        five sites, to be compared with; the others are never flagged.

    Raises
    ------
    ValueError
        If there is no NEE, no forest type where it is needed, the months are not in order, or an argument is wrong.

    Examples
    --------
    >>> from xnee.sources.synthetic import synthetic_towers
    >>> sites = synthetic_towers()
    >>> flagged = flag_outliers(sites)
    >>> flagged["NEE_outlier"].dims, bool((flagged["NEE"] == sites["NEE"]).sum() == sites["NEE"].count())
    (('site', 'time'), True)
    """
    _check(sites, method, threshold)
    nee = sites[TARGET].transpose("site", "time")
    years = _by_year(nee)  # (site, year, month)
    usual = _median(years, axis=1)  # (site, month)
    if method == "own-years":
        centre, spread = usual, _spread(years - usual[:, None], axis=1)
        enough = np.isfinite(years).sum(axis=1) >= _FEWEST
    else:
        centre, spread, enough = _forest_types(usual, labels(sites["pft"]))
    # A spread of zero, as of a record that repeats itself, is no scale to measure by.
    scale = np.where(enough & (spread > 0), spread, np.nan)
    month = nee["time"].dt.month.to_numpy() - 1
    distance = np.abs(nee.to_numpy() - centre[:, month]) / scale[:, month]
    return sites.assign({_FLAG: _flag(sites, distance, method, threshold)})


def drop_outliers(sites: xr.Dataset) -> xr.Dataset:
    """Make flagged months of NEE NaN.

    Parameters
    ----------
    sites
        Tower data with ``NEE_outlier``, from `flag_outliers`, or set by hand.

    Returns
    -------
    xarray.Dataset
        A new Dataset: NEE is NaN where it is flagged, and its attribute ``months_outlier`` says in how many months.
        The flags stay, so that the months can be told from those without NEE.

    Raises
    ------
    ValueError
        If nothing has been flagged.

    Examples
    --------
    >>> sites = xr.Dataset({"NEE": ("time", [1.0, 900.0]), "NEE_outlier": ("time", [False, True])})
    >>> drop_outliers(sites)["NEE"].values.tolist()
    [1.0, nan]
    """
    missing = [name for name in (TARGET, _FLAG) if name not in sites]
    if missing:
        msg = f"outliers are dropped where they are flagged; the Dataset lacks {missing}. Call flag_outliers first."
        raise ValueError(msg)
    flagged = sites[_FLAG].astype(bool)
    kept = sites[TARGET].where(~flagged)
    kept.attrs = {**sites[TARGET].attrs, "months_outlier": int(flagged.sum())}
    return sites.assign({TARGET: kept})


def _check(sites: xr.Dataset, method: str, threshold: float) -> None:
    if method not in get_args(OutlierMethod):
        msg = f"method is one of {', '.join(map(repr, get_args(OutlierMethod)))}; got {method!r}."
        raise ValueError(msg)
    if not threshold > 0:
        msg = f"threshold is a number of robust standard deviations above 0; got {threshold}. Papale's are 4, 5.5, 7."
        raise ValueError(msg)
    if TARGET not in sites or set(sites[TARGET].dims) != {"site", "time"}:
        msg = (
            f"outliers are looked for in {TARGET} of dimensions (site, time); the Dataset has {list(sites.data_vars)}."
        )
        raise ValueError(msg)
    check_time(sites)
    if method == "forest-type" and ("pft" not in sites.coords or not np.all(labels(sites["pft"]) != "")):
        msg = (
            'each site needs a forest type in the coordinate pft for method="forest-type". Read with a table of sites.'
        )
        raise ValueError(msg)


def _by_year(nee: xr.DataArray) -> _Floats:
    """Lay a series out by years and calendar months, ``(site, year, month)``."""
    year, month = nee["time"].dt.year.to_numpy(), nee["time"].dt.month.to_numpy()
    table = np.full((nee.sizes["site"], year[-1] - year[0] + 1, 12), np.nan)
    table[:, year - year[0], month - 1] = nee.to_numpy()
    return table


def _median(values: _Floats, *, axis: int) -> _Floats:
    """Take the median of what is there; NaN where nothing is, without numpy's warning of it."""
    ordered = np.sort(np.moveaxis(values, axis, -1), axis=-1)  # NaN go last
    count = np.isfinite(ordered).sum(axis=-1, keepdims=True)
    middle = [np.take_along_axis(ordered, place, axis=-1)[..., 0] for place in ((count - 1) // 2, count // 2)]
    result: _Floats = (middle[0] + middle[1]) / 2
    return np.where(count[..., 0] > 0, result, np.nan)


def _spread(deviation: _Floats, *, axis: int) -> _Floats:
    """Give the robust standard deviation of each calendar month, of its own values and its neighbours'.

    One month of five years would give a median of five numbers; three months give one of fifteen.
    """
    near = [np.roll(np.abs(deviation), shift, axis=-1) for shift in (-1, 0, 1)]
    return _NORMAL * _median(np.concatenate(near, axis=axis), axis=axis)


def _forest_types(usual: _Floats, pft: NDArray[np.str_]) -> tuple[_Floats, _Floats, NDArray[np.bool_]]:
    """Give each site the median of its type, the spread among its sites, and whether they are enough."""
    centre, spread = np.full_like(usual, np.nan), np.full_like(usual, np.nan)
    enough = np.zeros(usual.shape, dtype=bool)
    for name in np.unique(pft):
        own = pft == name
        centre[own] = _median(usual[own], axis=0)
        spread[own] = _spread(usual[own] - centre[own], axis=0)
        enough[own] = np.isfinite(usual[own]).sum(axis=0) >= _FEWEST
    return centre, spread, enough


def _flag(sites: xr.Dataset, distance: _Floats, method: str, threshold: float) -> xr.Variable:
    """Make the flag, with what is flagged already, and say how."""
    rule, flags = f"{method} beyond {threshold:g}", distance > threshold
    if _FLAG in sites:
        flags = flags | sites[_FLAG].transpose("site", "time").to_numpy().astype(bool)
        rule = f"{sites[_FLAG].attrs.get('method', 'as given')}; {rule}"
    attrs = {
        "long_name": "month of NEE far from the median of its calendar month",
        "method": rule,
        "months_judged": int(np.isfinite(distance).sum()),
        "months_flagged": int(flags.sum()),
    }
    return xr.Variable(("site", "time"), flags, attrs)
