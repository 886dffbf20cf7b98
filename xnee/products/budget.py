"""Carbon budgets: monthly NEE of cells added up to Tg C of forest types and years, with the spread of the members."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xnee.grid import cell_area
from xnee.products.cf import CAVEAT, check_predicted, months, undecorate
from xnee.variables import labels

__all__ = ["budget", "budget_table", "carbon_states", "close_states"]

TERAGRAM = 1e-12  # Tg for one g
SQUARE_KILOMETRE = 1e-6  # km2 for one m2
_STORED = ("NEE_total", "area_predicted", "pft_area", "months_predicted")


def carbon_states(predicted: xr.Dataset) -> xr.Dataset:
    """Add up carbon and area over cells, in sums that add up over tiles.

    Parameters
    ----------
    predicted
        ``NEE_member (member, pft, time, lat, lon)`` in g C m-2 month-1 per square metre of the type, ``NEE``,
        ``pft_fraction`` and an ``area (lat, lon)`` in m2. Any part of a map, with time whole.

    Returns
    -------
    xarray.Dataset
        ``total (member, pft, year)`` in Tg C and ``area_predicted (pft, year)`` in m2, both over the cells in which
        all twelve months of the year are there; ``pft_area (pft)`` in m2; ``cells (time)``, cells with NEE. The sum
        of the states of two parts is the state of both. Lazy where `predicted` is.
    """
    years, starts, length = np.unique(months(predicted).year.to_numpy(), return_index=True, return_counts=True)
    flux = predicted["NEE_member"]
    annual = xr.apply_ufunc(
        _annual_sum,
        flux.chunk(time=-1) if flux.chunks is not None else flux,
        kwargs={"starts": starts, "whole": length == 12},
        input_core_dims=[["time"]],
        output_core_dims=[["year"]],
        dask="parallelized",
        output_dtypes=["f8"],
        dask_gufunc_kwargs={"output_sizes": {"year": years.size}},
    ).assign_coords(year=years)
    ground = predicted["pft_fraction"].astype("f8") * predicted["area"]  # (pft, lat, lon)
    # A type without ground is not computed and is NaN there; where there is ground, one missing month leaves the
    # cell out of the year, for all members alike, and area_predicted says so.
    counted = annual.notnull().all("member") & (ground > 0)
    space = ("lat", "lon")
    states = {
        "total": (annual * ground).where(counted, 0.0).sum(space) * TERAGRAM,
        "area_predicted": ground.where(counted, 0.0).sum(space),
        "pft_area": ground.sum(space),
        "cells": predicted["NEE"].notnull().sum(space),
    }
    order = {"total": ("member", "pft", "year"), "area_predicted": ("pft", "year")}
    return xr.Dataset({name: state.transpose(*order.get(name, state.dims)) for name, state in states.items()})


def _annual_sum(
    flux: NDArray[np.floating], *, starts: NDArray[np.intp], whole: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Sum months to years, ``(..., time)`` to ``(..., year)``; a missing month makes a missing year."""
    total = np.add.reduceat(flux, starts, axis=-1, dtype="f8")
    return np.where(whole, total, np.nan)


def close_states(states: xr.Dataset) -> xr.Dataset:
    """Turn the sum of all states into the totals that a product holds.

    Parameters
    ----------
    states
        Sum of `carbon_states` over all parts of a map, in memory.

    Returns
    -------
    xarray.Dataset
        ``NEE_total (year, pft, member)`` in Tg C, missing where a year has fewer than twelve months or no cell of a
        type could be predicted; ``area_predicted (year, pft)`` and ``pft_area (pft)`` in m2; ``months_predicted
        (year)``.
    """
    found = (states["cells"] > 0).groupby("time.year").sum()
    seen = (states["area_predicted"] > 0) | (states["pft_area"] == 0)
    total = states["total"].where(seen & (found == 12))
    return xr.Dataset(
        {
            "NEE_total": total.transpose("year", "pft", "member"),
            "area_predicted": states["area_predicted"].transpose("year", "pft"),
            "pft_area": states["pft_area"],
            "months_predicted": found,
        }
    )


def budget(predicted: xr.Dataset, *, by: Sequence[str] = ("pft", "year")) -> xr.Dataset:
    """Add NEE up over forest and year.

    Parameters
    ----------
    predicted
        What ``cube.nee.predict(model)`` gives, or a product that `open_product` or xarray opened. The first is
        computed, tile by tile; the second holds its totals.
    by
        ``"pft"`` and ``"year"``, one or both. Without ``"pft"`` all forest is added up; without ``"year"`` the mean
        of the whole years is given.

    Returns
    -------
    xarray.Dataset
        ``NEE_total`` in Tg C yr-1, negative where forest takes up carbon: mean over members. ``NEE_total_std``: the
        standard deviation of each member's total (cell variances do not add: members err together), missing with
        one member. ``area_km2`` and ``area_predicted_km2``, the part of it with all months of the year; totals are
        of that part. ``months`` with NEE in the year; fewer than 12 and the total is missing. By PFT it also has
        ``NEE_forest`` and ``NEE_forest_std``, the sum over PFTs, and ``fallback``. In memory.

    Raises
    ------
    TypeError, ValueError
        If `predicted` is neither, or `by` holds another word.

    Examples
    --------
    >>> import pandas as pd
    >>> lat, lon, time = [30.25, 30.75], [110.25, 110.75], pd.date_range("2001-01", periods=12, freq="MS")
    >>> flux = xr.DataArray(np.full((12, 2, 2), -10.0), {"time": time, "lat": lat, "lon": lon}, ("time", "lat", "lon"))
    >>> flux.attrs["units"] = "g C m-2 month-1"
    >>> cover = xr.DataArray(np.full((1, 2, 2), 0.5), {"pft": ["MF"], "lat": lat, "lon": lon}, ("pft", "lat", "lon"))
    >>> predicted = xr.Dataset({"NEE": flux, "NEE_std": 0 * flux, "NEE_member": flux.expand_dims(member=2, pft=["MF"])})
    >>> predicted["NEE_std"].attrs = flux.attrs
    >>> predicted = predicted.assign(pft_fraction=cover, forest_fraction=cover.sum("pft"), fallback=("pft", [0]))
    >>> total = budget(predicted)["NEE_forest"]          # -120 g C m-2 yr-1 on half of 1 degree x 1 degree
    >>> round(float(total.item()), 3), total.attrs["units"]
    (-0.639, 'Tg C yr-1')
    """
    if not set(by) <= {"pft", "year"} or not by or isinstance(by, str):
        msg = f"by must hold 'pft', 'year' or both, as in by=('pft', 'year'); got {by!r}."
        raise ValueError(msg)
    totals, fallback = _totals(predicted)
    if "year" not in by:
        totals = _mean_year(totals)
    result = _summarise(totals, pft="pft" in by)
    if "pft" in by:
        forest = _summarise(totals, pft=False)
        result["NEE_forest"], result["NEE_forest_std"] = forest["NEE_total"], forest["NEE_total_std"]
        result["fallback"] = fallback
    result = _describe(result, members=totals.sizes["member"])
    kept = {name: predicted.attrs[name] for name in ("climatology",) if name in predicted.attrs}
    return result.assign_attrs(kept)


def _totals(predicted: xr.Dataset) -> tuple[xr.Dataset, xr.DataArray]:
    """Read the totals of a product, or compute those of a predicted map."""
    if isinstance(predicted, xr.Dataset) and set(_STORED) <= set(predicted.variables):
        inside = undecorate(predicted) if predicted["pft"].dtype.kind == "i" else predicted
        return inside[list(_STORED)].load(), inside["fallback"].load()
    check_predicted(predicted)
    area = cell_area(predicted["lat"], predicted["lon"]).variable
    return close_states(carbon_states(predicted.assign(area=area)).compute()), predicted["fallback"].load()


def _mean_year(totals: xr.Dataset) -> xr.Dataset:
    """Take the mean over whole years; years that are not whole are missing by rule and do not count."""
    whole = totals["months_predicted"] == 12
    mean = totals[["NEE_total", "area_predicted"]].where(whole).mean("year")
    return totals.drop_dims("year").assign(mean.data_vars).assign(years=whole.sum())


def _summarise(totals: xr.Dataset, *, pft: bool) -> xr.Dataset:
    """Take mean and spread over members, by PFT or of all forest."""
    total, predicted, area = totals["NEE_total"], totals["area_predicted"], totals["pft_area"]
    if not pft:
        # A type that has no whole year in any cell is missing from the sum, as its area is from area_predicted.
        total = total.sum("pft", min_count=1)
        predicted, area = predicted.sum("pft"), area.sum("pft")
    count = "years" if "years" in totals else "months_predicted"
    return xr.Dataset(
        {
            "NEE_total": total.mean("member", skipna=False),
            # One member has no spread to show.
            "NEE_total_std": _spread(total),
            "area_km2": area * SQUARE_KILOMETRE,
            "area_predicted_km2": predicted * SQUARE_KILOMETRE,
            count.removesuffix("_predicted"): totals[count],
        }
    )


def _spread(total: xr.DataArray) -> xr.DataArray:
    """Give the standard deviation of members' totals (n - 1); one member has none."""
    if total.sizes["member"] == 1:
        return total.isel(member=0, drop=True) * np.nan
    return total.std("member", skipna=False, ddof=1)


def _describe(result: xr.Dataset, *, members: int) -> xr.Dataset:
    """Set units, long names and the two warnings that go with every budget."""
    words = {
        "NEE_total": ("Tg C yr-1", "net ecosystem exchange of carbon, positive into the atmosphere"),
        "NEE_total_std": ("Tg C yr-1", "standard deviation over members of each member's total"),
        "NEE_forest": ("Tg C yr-1", "net ecosystem exchange of carbon of all forest types"),
        "NEE_forest_std": ("Tg C yr-1", "standard deviation over members of each member's total, all forest types"),
        "area_km2": ("km2", "area of forest"),
        "area_predicted_km2": ("km2", "area of forest with all months of the year; totals are of this part"),
        "months": ("1", "months with NEE in the year; the total is missing with fewer than 12"),
        "years": ("1", "whole years that the mean is taken over"),
        "fallback": ("1", "1 where the pooled model stands in for a type with too few towers"),
    }
    for name in result.data_vars:
        result[name].attrs = dict(zip(("units", "long_name"), words[str(name)], strict=True))
    result.attrs = {
        "title": "Carbon budget of the forest",
        "sign": "negative: uptake from the atmosphere",
        "members": members,
        "comment": CAVEAT,
    }
    return result


def budget_table(totals: xr.Dataset) -> str:
    """Lay a budget out as text.

    Parameters
    ----------
    totals
        What `budget` gives, by PFT, by year or both.

    Returns
    -------
    str
        One row for each year and one column for each PFT and all forest: Tg C yr-1 with the spread of the members;
        above them forest area in 1e4 km2 and the share of it that was
        predicted, in the worst of these years. ``*`` marks PFTs that the pooled
        model stands in for, ``-`` years without twelve months.

    Examples
    --------
    >>> one = xr.Dataset({"NEE_total": -12.0, "NEE_total_std": 0.5, "area_km2": 3e4, "area_predicted_km2": 3e4})
    >>> print(budget_table(one.assign_attrs(members=5)).splitlines()[-1])
    NEE               -12.00 ± 0.50
    """
    by_year = "year" in totals.dims
    columns = _columns(totals)
    width = 18
    rows = [["Tg C yr-1", *columns]]
    rows.append(["area, 1e4 km2", *(f"{float(c['area_km2']) / 1e4:.2f}" for c in columns.values())])
    rows.append(["predicted, %", *(_share(c) for c in columns.values())])
    years = totals["year"].to_numpy().tolist() if by_year else ["mean year" if "years" in totals else "NEE"]
    for i, year in enumerate(years):
        rows.append([str(year), *(_total(c.isel(year=i) if by_year else c) for c in columns.values())])
    lines = [f"{row[0]:<13}" + "".join(f"{cell:>{width}}" for cell in row[1:]) for row in rows]
    return "\n".join([*_heading(totals), *lines])


def _columns(totals: xr.Dataset) -> dict[str, xr.Dataset]:
    """Split a budget into one Dataset for each PFT and one for all forest, by the head of its column."""
    if "pft" not in totals.dims:
        return {"forest": totals}
    columns = {}
    for i, pft in enumerate(labels(totals["pft"])):
        one = totals.isel(pft=i)
        columns[pft + "*" * int(one["fallback"])] = one
    area = totals[["area_km2", "area_predicted_km2"]].sum("pft")
    forest = totals[["NEE_forest", "NEE_forest_std"]].rename(NEE_forest="NEE_total", NEE_forest_std="NEE_total_std")
    return {**columns, "forest": forest.merge(area)}


def _heading(totals: xr.Dataset) -> list[str]:
    text = [f"NEE, negative: uptake from the atmosphere; ±: standard deviation over {totals.attrs['members']} members."]
    if "fallback" in totals and bool(totals["fallback"].any()):
        text.append("*: too few towers of this type, the pooled model stands in.")
    if "climatology" in totals.attrs:
        text.append(f"The drivers are a climatology ({totals.attrs['climatology']}): each year is the mean year.")
    if bool(totals["NEE_total"].isnull().any()):
        text.append("-: fewer than twelve months (a first year lacks its past), or no complete window of drivers.")
    return [*text, "NEE is not the carbon sink: harvest, fire and lateral export are not in it."]


def _share(column: xr.Dataset) -> str:
    """Give the share of the area that was predicted, in the worst of the years that have a total."""
    area, predicted = float(column["area_km2"]), column["area_predicted_km2"].where(column["NEE_total"].notnull())
    return "-" if area == 0 or predicted.isnull().all() else f"{100 * float(predicted.min()) / area:.1f}"


def _total(column: xr.Dataset) -> str:
    total, spread = float(column["NEE_total"]), float(column["NEE_total_std"])
    if np.isnan(total):
        return "-"
    return f"{total:.2f}" if np.isnan(spread) else f"{total:.2f} ± {spread:.2f}"
