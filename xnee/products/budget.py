"""Carbon budgets: NEE added up to Tg C of forest types, regions, years and seasons, with the spread of the members."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from dask.base import compute

from xnee.products.axes import crs_of, space_of, tiles_of, with_area
from xnee.products.cf import check_predicted, undecorate
from xnee.products.ground import ALL, ELSEWHERE, Regions, regions_on
from xnee.products.tables import budget_table
from xnee.products.totals import add_states, carbon_states, close_states, from_file, no_states
from xnee.products.words import CAVEAT

__all__ = ["budget", "budget_table", "check_by", "mean_and_spread", "region_rows", "totals_by", "totals_of"]

SQUARE_KILOMETRE = 1e-6  # km2 for one m2
_TILE = 128  # cells, for a map in memory

PERIODS = {"year": "Tg C yr-1", "season": "Tg C season-1", "month": "Tg C month-1"}
"""What a total can be of, and its unit."""

SEASONS = ("DJF", "MAM", "JJA", "SON")


def budget(predicted: xr.Dataset, *, by: Sequence[str] = ("pft", "year"), regions: object = None) -> xr.Dataset:
    """Add NEE up over forest, regions and time.

    Parameters
    ----------
    predicted
        What ``cube.nee.predict(model)`` gives, or a product that `open_product` or xarray opened. The first is
        computed, tile by tile; the second holds its totals.
    by
        Any of ``"pft"``, ``"year"``, ``"season"`` or ``"month"``, and ``"region"``. Without ``"pft"`` all forest is
        added up; without ``"year"`` the mean of the whole years is given. Seasons are those of the calendar year
        (DJF is January, February and December of one year), so that four of them are the year.
    regions
        Outlines: the path of a GeoJSON file, a GeoDataFrame, or what `read_regions` gives; or a mask on the cells of
        the map, see `xnee.products.ground.regions_on`. A cell on a border is shared by area. With regions the result
        is by region, whatever `by` says. A product that was written with regions holds their totals: ask for those by
        ``"region"`` in `by`.

    Returns
    -------
    xarray.Dataset
        ``NEE_total`` in Tg C yr-1 (or season-1, month-1), negative where forest takes up carbon: mean over members.
        ``NEE_total_std``: the standard deviation of each member's total (cell variances do not add: members err
        together), missing with one member. ``area_km2`` and ``area_predicted_km2``, the part of it with all months of
        the year; totals are of that part. ``months`` with NEE in the year; fewer than 12 and the total is missing. By
        PFT it also has ``NEE_forest`` and ``NEE_forest_std``, the sum over PFTs, and ``fallback``. By region it has a
        last row ``elsewhere``, ground of no region, and ``NEE_all`` and ``NEE_all_std`` of the whole map;
        ``attrs["closure"]`` says how near the rows come to that. In memory.

    Raises
    ------
    TypeError, ValueError
        If `predicted` is neither, `by` holds another word, or more is asked of a product than it holds.
    FileNotFoundError
        If there is no file of this name.

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
    words, period, unit = check_by(by, regions)
    totals, fallback = totals_of(predicted, regions=regions, words=words)
    members = totals.sizes["member"]
    totals = totals_by(totals, period=period, years="year" in words)
    whole, parts = totals.sel(region=ALL, drop=True), totals.sel(region=totals["region"] != ALL)
    shown = parts if "region" in words else whole
    result = _summarise(shown, pft="pft" in words)
    if "pft" in words:
        forest = _summarise(shown, pft=False)
        result["NEE_forest"], result["NEE_forest_std"] = forest["NEE_total"], forest["NEE_total_std"]
        result["fallback"] = fallback
    if "region" in words:
        everything = _summarise(whole, pft="pft" in words)
        result["NEE_all"], result["NEE_all_std"] = everything["NEE_total"], everything["NEE_total_std"]
    result = _describe(result, unit=unit, members=members)
    if "region" in words:
        result.attrs["closure"] = _closure(parts, whole)
    kept = {name: predicted.attrs[name] for name in ("climatology", "model") if name in predicted.attrs}
    return result.assign_attrs(kept)


def check_by(by: object, regions: object) -> tuple[set[str], str, str]:
    """Refuse what a budget cannot be made by.

    Parameters
    ----------
    by, regions
        As for `budget`.

    Returns
    -------
    tuple
        All words, ``region`` with them where there are regions; ``year``, ``season`` or ``month``; its unit.

    Raises
    ------
    ValueError
        If `by` is no sequence of these words.
    """
    if isinstance(by, str) or not isinstance(by, Sequence) or not by or not set(by) <= {"pft", "region", *PERIODS}:
        msg = (
            "by must hold 'pft', 'year', 'season' or 'month', or 'region', one or more, as in by=('pft', 'year'); got "
            f"{by!r}."
        )
        raise ValueError(msg)
    if {"season", "month"} <= set(by):
        msg = "by may hold 'season' or 'month', not both: a season is three months."
        raise ValueError(msg)
    period = next((period for period in ("season", "month") if period in by), "year")
    return {*by, *(["region"] if regions is not None else [])}, period, PERIODS[period]


def totals_of(predicted: xr.Dataset, *, regions: object, words: set[str]) -> tuple[xr.Dataset, xr.DataArray]:
    """Read the totals of a product, or compute those of a predicted map.

    Parameters
    ----------
    predicted, regions
        As for `budget`.
    words
        What `check_by` gave.

    Returns
    -------
    tuple
        What `close_states` gives, and ``fallback (pft)``, both in memory.

    Raises
    ------
    TypeError, ValueError
        As `budget`.
    """
    stored = "region" in words and regions is None
    if isinstance(predicted, xr.Dataset) and "NEE_month" in predicted:
        inside = undecorate(predicted) if predicted["pft"].dtype.kind == "i" else predicted
        if regions is not None:
            return _of_mean_map(inside, regions=regions, pft="pft" in words), inside["fallback"].load()
        if stored and "NEE_region" not in inside:
            msg = "this product was written without regions. Give them here, or to to_product for their spread."
            raise ValueError(msg)
        return from_file(inside), inside["fallback"].load()
    check_predicted(predicted)
    if stored:
        msg = "by holds 'region', but no regions are given: regions='provinces.geojson', or a GeoDataFrame."
        raise ValueError(msg)
    return close_states(_states_of(predicted, regions_on(predicted, regions))), predicted["fallback"].load()


def _of_mean_map(product: xr.Dataset, *, regions: object, pft: bool) -> xr.Dataset:
    """Add up the mean map of a product, which holds no members: all forest as one type, one member, no spread."""
    if pft:
        msg = (
            "a product holds the mean over members and forest types of each cell: regions of your own can be added up "
            "for all forest only, by=('year',) and without spread. For types and spread write the product with "
            "to_product(..., regions=...) and ask with 'region' in by, or give the predicted map itself."
        )
        raise ValueError(msg)
    flux, cover = product["NEE"], product["forest_fraction"].fillna(0)
    source = product[["NEE", "forest_fraction"]].assign(
        NEE_member=flux.expand_dims(member=1, pft=["forest"]), pft_fraction=cover.expand_dims(pft=["forest"])
    )
    return close_states(_states_of(source.assign_attrs(product.attrs), regions_on(product, regions)))


def _states_of(predicted: xr.Dataset, regions: Regions) -> xr.Dataset:
    """Compute the carbon states of a map, tile by tile; tiles without forest are not computed."""
    space = space_of(predicted["NEE"])
    chunks = predicted["NEE"].chunksizes
    side = max((chunks[dim][0] for dim in space), default=_TILE) if chunks else _TILE
    source = with_area(predicted, crs_of(predicted), chunks=chunks)
    places = tiles_of(source, side)
    (forest,) = compute([source["forest_fraction"].isel(place).max() for place in places])  # type: ignore[no-untyped-call]
    work = [
        carbon_states(source, regions.of(source, place), place=place)
        for place, share in zip(places, forest, strict=True)
        if float(share) > 0
    ]
    names = [*regions.names, *([ELSEWHERE] if regions.names else []), ALL]
    (states,) = compute(work)  # type: ignore[no-untyped-call]
    return add_states(no_states(source, names), states)


def totals_by(totals: xr.Dataset, *, period: str, years: bool) -> xr.Dataset:
    """Add monthly totals up to years, seasons or months of the calendar year.

    Parameters
    ----------
    totals
        What `close_states` gave.
    period
        ``year``, ``season`` or ``month``.
    years
        Whether each year is kept; else the mean of the whole years is taken.

    Returns
    -------
    xarray.Dataset
        ``total (region, year, season, pft, member)`` with the areas; without ``year`` and with ``years``, their
        number, where the mean is taken. Years that are not whole are missing by rule and do not count in it.
    """
    time = totals["time"].dt
    months = totals["total"].assign_coords(year=time.year, month=time.month)
    calendar = months.set_index(time=["year", "month"]).unstack("time").reindex(month=np.arange(1, 13))
    if period == "year":
        calendar = calendar.sum("month", skipna=False)
    elif period == "season":
        calendar = xr.concat(
            [calendar.sel(month=_SEASON_MONTHS[season]).sum("month", skipna=False) for season in SEASONS], "season"
        ).assign_coords(season=list(SEASONS))
    rest = totals.drop_vars(["total", "time"], errors="ignore")
    order = ("region", "year", "season", "month", "pft", "member")
    result = rest.assign(total=calendar.transpose(*order, missing_dims="ignore"))
    if years:
        return result
    whole = result["months_predicted"] == 12
    mean = result[["total", "area_predicted"]].where(whole).mean("year")
    return result.drop_dims("year").assign(mean.data_vars).assign(years=whole.sum())


_SEASON_MONTHS = {season: [(3 * i + k - 1) % 12 + 1 for k in range(3)] for i, season in enumerate(SEASONS)}


def _summarise(totals: xr.Dataset, *, pft: bool) -> xr.Dataset:
    """Take mean and spread over members, by PFT or of all forest."""
    total, predicted, area = totals["total"], totals["area_predicted"], totals["pft_area"]
    if not pft:
        # A type that has no whole year in any cell is missing from the sum, as its area is from area_predicted.
        total = total.sum("pft", min_count=1)
        predicted, area = predicted.sum("pft"), area.sum("pft")
    count = "years" if "years" in totals else "months_predicted"
    mean, std = mean_and_spread(total)
    return xr.Dataset(
        {
            "NEE_total": mean,
            "NEE_total_std": std,
            "area_km2": area * SQUARE_KILOMETRE,
            "area_predicted_km2": predicted * SQUARE_KILOMETRE,
            count.removesuffix("_predicted"): totals[count],
        }
    )


def mean_and_spread(total: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray]:
    """Take mean and standard deviation over members.

    Parameters
    ----------
    total
        ``(..., member)``.

    Returns
    -------
    tuple
        The mean, and the deviation with n - 1; one member has no spread to show, it is missing.
    """
    mean = total.mean("member", skipna=False)
    return mean, mean * np.nan if total.sizes["member"] == 1 else total.std("member", skipna=False, ddof=1)


def region_rows(total: xr.DataArray, *, shown: bool) -> xr.DataArray:
    """Choose the rows of a result: the regions and elsewhere, or the whole map.

    Parameters
    ----------
    total
        ``(region, ...)``.
    shown
        Whether regions are shown.

    Returns
    -------
    xarray.DataArray
        With ``region``, or without it.
    """
    return total.sel(region=total["region"] != ALL) if shown else total.sel(region=ALL, drop=True)


def _closure(parts: xr.Dataset, whole: xr.Dataset) -> str:
    """Say how near the sum of all regions and elsewhere comes to the whole."""
    dims = [dim for dim in parts["total"].dims if dim != "region"]
    rows, all_ = parts["total"].sum("region"), whole["total"]
    scale = float(np.abs(all_).sum())
    off = float(np.abs(rows - all_.transpose(*dims)).sum()) / scale if scale else 0.0
    ground, known = float(parts["pft_area"].sum()), float(whole["pft_area"].sum())
    area = ground / known - 1 if known else 0.0
    text = f"sum of the regions and elsewhere against the whole: NEE {100 * off:.4f} % off, area {100 * area:.4f} % off"
    return text + ("; regions overlap, and what they share counts in each" if area > 1e-4 else "")


def _describe(result: xr.Dataset, *, unit: str, members: int) -> xr.Dataset:
    """Set units, long names and the two warnings that go with every budget."""
    nee, std = "net ecosystem exchange of carbon", "standard deviation over members of each member's total"
    words = {
        "NEE_total": (unit, f"{nee}, positive into the atmosphere"),
        "NEE_total_std": (unit, std),
        "NEE_forest": (unit, f"{nee} of all forest types"),
        "NEE_forest_std": (unit, f"{std}, all forest types"),
        "NEE_all": (unit, f"{nee} of the whole map"),
        "NEE_all_std": (unit, f"{std}, the whole map"),
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
