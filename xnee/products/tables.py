"""A budget as text."""

from __future__ import annotations

from itertools import product

import numpy as np
import xarray as xr

from xnee.variables import labels

__all__ = ["budget_table"]

_WIDTH = 18
_ROWS = ("region", "year", "season", "month")


def budget_table(totals: xr.Dataset) -> str:
    """Lay a budget out as text.

    Parameters
    ----------
    totals
        What `budget` gives.

    Returns
    -------
    str
        One row for each region, year and season, one column for each PFT and all forest: Tg C with the spread of the
        members. Above them, or with regions in columns of their own, forest area in 1e4 km2 and the share of it that
        was predicted, in the worst of these years. ``*`` marks PFTs that the pooled model stands in for, ``-`` years
        without twelve months. With regions the last line says how near their sum comes to the whole.

    Examples
    --------
    >>> one = xr.Dataset({"NEE_total": -12.0, "NEE_total_std": 0.5, "area_km2": 3e4, "area_predicted_km2": 3e4})
    >>> print(budget_table(one.assign_attrs(members=5)).splitlines()[-1])
    NEE               -12.00 ± 0.50
    """
    columns = _columns(totals)
    dims = [dim for dim in _ROWS if dim in totals["NEE_total"].dims]
    regional = "region" in dims
    rows = [[_unit(totals), *columns, *(["area, 1e4 km2", "predicted, %"] if regional else [])]]
    if not regional:
        rows.append(["area, 1e4 km2", *(f"{float(c['area_km2']) / 1e4:.2f}" for c in columns.values())])
        rows.append(["predicted, %", *(_share(c) for c in columns.values())])
    for where in product(*(range(totals.sizes[dim]) for dim in dims)):
        place = dict(zip(dims, where, strict=True))
        cells = [_total(column.isel(place)) for column in columns.values()]
        if regional:
            forest = list(columns.values())[-1].isel(region=place["region"])
            cells += [f"{float(forest['area_km2']) / 1e4:.2f}", _share(forest)]
        rows.append([_label(totals, place), *cells])
        if "level" in totals.attrs:  # from total_interval
            rows.append([f"  {100 * totals.attrs['level']:g} %", *(_bounds(c.isel(place)) for c in columns.values())])
    return "\n".join([*_heading(totals), *_layout(rows), *_closing(totals)])


def _layout(rows: list[list[str]]) -> list[str]:
    first = max(13, *(len(row[0]) for row in rows))
    return [f"{row[0]:<{first}}" + "".join(f"{cell:>{_WIDTH}}" for cell in row[1:]) for row in rows]


def _unit(totals: xr.Dataset) -> str:
    return str(totals["NEE_total"].attrs.get("units", "Tg C yr-1"))


def _label(totals: xr.Dataset, place: dict[str, int]) -> str:
    """Name a row; without a year it is one of the mean year."""
    words = [str(totals[dim].to_numpy()[i]) for dim, i in place.items()]
    if "year" not in place and "years" in totals:
        words.append("mean year")
    return " ".join(words) or "NEE"


def _columns(totals: xr.Dataset) -> dict[str, xr.Dataset]:
    """Split a budget into one Dataset for each PFT and one for all forest, by the head of its column."""
    if "pft" not in totals.dims:
        return {"forest": totals}
    columns = {}
    for i, pft in enumerate(labels(totals["pft"])):
        one = totals.isel(pft=i)
        columns[pft + "*" * int(one["fallback"])] = one
    area = totals[["area_km2", "area_predicted_km2"]].sum("pft")
    own = [name for name in totals if str(name).startswith("NEE_forest")]
    forest = totals[own].rename({name: str(name).replace("NEE_forest", "NEE_total") for name in own})
    return {**columns, "forest": forest.merge(area)}


def _heading(totals: xr.Dataset) -> list[str]:
    members = totals.attrs["members"]
    spread = f"; ±: standard deviation over {members} members." if members > 1 else "; no spread, one member."
    text = [f"NEE, negative: uptake from the atmosphere{spread}"]
    if "level" in totals.attrs:
        interval = f"{100 * totals.attrs['level']:g} %: interval of the true total"
        text.append(f"{interval}, about what towers left out say of the mean error; a floor where these are far.")
    elif members > 1:
        text.append("It holds what members disagree about, not what all of them get wrong: see xnee.total_interval.")
    if "fallback" in totals and bool(totals["fallback"].any()):
        text.append("*: too few towers of this type, the pooled model stands in.")
    if "climatology" in totals.attrs:
        text.append(f"The drivers are a climatology ({totals.attrs['climatology']}): each year is the mean year.")
    if bool(totals["NEE_total"].isnull().any()):
        text.append("-: fewer than twelve months (a first year lacks its past), or no complete window of drivers.")
    if "month" in totals.dims:
        text.append("Months are numbered, 1 is January.")
    return [*text, "NEE is not the carbon sink: harvest, fire and lateral export are not in it."]


def _closing(totals: xr.Dataset) -> list[str]:
    return [f"Closes: {totals.attrs['closure']}."] if "closure" in totals.attrs else []


def _share(column: xr.Dataset) -> str:
    """Give the share of the area that was predicted, in the worst of the years that have a total."""
    has = column["NEE_total"].notnull()
    has = has.all([dim for dim in has.dims if dim in ("season", "month")])
    area, predicted = float(column["area_km2"]), column["area_predicted_km2"].where(has)
    return "-" if area == 0 or predicted.isnull().all() else f"{100 * float(predicted.min()) / area:.1f}"


def _total(column: xr.Dataset) -> str:
    total, spread = float(column["NEE_total"]), float(column["NEE_total_std"])
    if np.isnan(total):
        return "-"
    return f"{total:.2f}" if np.isnan(spread) else f"{total:.2f} ± {spread:.2f}"


def _bounds(column: xr.Dataset) -> str:
    low, high = float(column["NEE_total_low"]), float(column["NEE_total_high"])
    return "-" if np.isnan(low) else f"{low:.1f} to {high:.1f}"
