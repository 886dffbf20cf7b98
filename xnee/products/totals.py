"""Carbon of cells added up to regions, forest types and months, member by member, in sums that add up over tiles.

Made of tiles: `carbon_states`, `add_states`, `close_states`. Put into a file and read from it: `to_file`, `from_file`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xnee.products.axes import months, space_of
from xnee.products.ground import ALL
from xnee.products.summing import add_up, lazily, tiles_behind
from xnee.products.words import CAVEAT, SIGN, content

__all__ = ["add_states", "carbon_states", "close_states", "from_file", "no_states", "to_file"]

_DIMS = {
    "total": ("region", "member", "pft", "time"),
    "area_predicted": ("region", "pft", "year"),
    "pft_area": ("region", "pft"),
    "cells": ("time",),
}
_DTYPES = {name: "i8" if name == "cells" else "f8" for name in _DIMS}


def carbon_states(
    predicted: xr.Dataset, share: xr.DataArray, *, place: Mapping[str, slice] | None = None
) -> xr.Dataset:
    """Add up carbon and area over the cells of a tile.

    Fluxes of members that `xnee.predict` made are taken from its tiles as they are, of cells with forest; others are
    read as maps. The sums are the same to the last bit.

    Parameters
    ----------
    predicted
        ``NEE_member (member, pft, time, lat, lon)`` in g C m-2 month-1 per square metre of the type, ``NEE``,
        ``pft_fraction`` and an ``area (lat, lon)`` in m2, with time whole.
    share
        ``(region, lat, lon)`` of the tile, 0 to 1: how much of each cell belongs to each region.
    place
        The tile; all of `predicted` if left out.

    Returns
    -------
    xarray.Dataset
        ``total (region, member, pft, time)`` in Tg C and ``area_predicted (region, pft, year)`` in m2, both over the
        cells in which all twelve months of the year are there; ``pft_area (region, pft)`` in m2; ``cells (time)``,
        cells with NEE. The sum of the states of two parts is the state of both. Lazy where `predicted` is.
    """
    place, space = dict(place or {}), space_of(predicted)
    dims = {"NEE": ("time",), "pft_fraction": ("pft",), "area": ()}
    part = predicted[["NEE_member", *dims]].isel(place)
    years, first, length = np.unique(months(predicted).year.to_numpy(), return_index=True, return_counts=True)
    share = share.transpose("region", *space)
    add = partial(add_up, share=share.to_numpy(), first=first, whole=length == 12)
    flux = part["NEE_member"].transpose("member", "pft", "time", *space).data
    rest = [part[name].transpose(*own, *space).data for name, own in dims.items()]
    sizes = {"region": len(share), "year": years.size, **{dim: part.sizes[dim] for dim in ("member", "pft", "time")}}
    if part["NEE_member"].chunks is not None:
        tiles = tiles_behind(predicted["NEE_member"], place)
        shapes = {name: ([sizes[dim] for dim in own], _DTYPES[name]) for name, own in _DIMS.items()}
        values: dict[str, Any] = lazily(add, [flux if tiles is None else tiles, *rest], shapes)
    else:
        values = add(*map(np.asarray, (flux, *rest)))
    coords = {name: part[name] for name in ("member", "pft", "time") if name in part.coords}
    return xr.Dataset(
        {name: (dims, values[name]) for name, dims in _DIMS.items()},
        {**coords, "region": share["region"], "year": years},
    )


def no_states(predicted: xr.Dataset, names: Sequence[str]) -> xr.Dataset:
    """Give the carbon states of no ground at all.

    Parameters
    ----------
    predicted
        As for `carbon_states`; only its axes are looked at.
    names
        Regions.

    Returns
    -------
    xarray.Dataset
        Zeros, in memory.
    """
    time = months(predicted)
    coords: dict[str, Any] = {"region": list(names), "time": time, "year": np.unique(time.year.to_numpy())}
    sizes = dict(predicted.sizes) | {name: len(values) for name, values in coords.items()}
    states = {name: (dims, np.zeros([sizes[dim] for dim in dims], dtype=_DTYPES[name])) for name, dims in _DIMS.items()}
    pft = {"pft": predicted["pft"]} if "pft" in predicted.coords else {}
    return xr.Dataset(states, {**coords, **pft})


def add_states(total: xr.Dataset, states: Iterable[xr.Dataset]) -> xr.Dataset:
    """Add states of tiles, each of the regions that reach into it, one after the other.

    Parameters
    ----------
    total
        What they are added to: `no_states` of all regions. It is left as it is.
    states
        `carbon_states`, in memory.

    Returns
    -------
    xarray.Dataset
        The sum, in memory. The order of the tiles is the order of the sum.
    """
    place = {name: i for i, name in enumerate(total["region"].to_numpy().tolist())}
    sums = {str(name): total[name].to_numpy().copy() for name in total.data_vars}
    for state in states:
        rows = [place[name] for name in state["region"].to_numpy().tolist()]
        for name, values in sums.items():
            values[rows if "region" in total[name].dims else ...] += state[name].to_numpy()
    return total.assign({name: (total[name].dims, values) for name, values in sums.items()})


def close_states(states: xr.Dataset) -> xr.Dataset:
    """Turn the sum of all states into totals.

    Parameters
    ----------
    states
        Sum of `carbon_states` over all parts of a map, in memory.

    Returns
    -------
    xarray.Dataset
        ``total (region, time, pft, member)`` in Tg C, missing in years that have fewer than twelve months of NEE, and
        where no cell of a type could be predicted; ``area_predicted (region, year, pft)`` and ``pft_area (region,
        pft)`` in m2; ``months_predicted (year)``.
    """
    found = (states["cells"] > 0).groupby("time.year").sum()
    seen = ((states["area_predicted"] > 0) | (states["pft_area"] == 0)) & (found == 12)
    year = states["time"].dt.year
    total = states["total"].where(seen.sel(year=year).drop_vars("year"))
    return xr.Dataset(
        {
            "total": total.transpose("region", "time", "pft", "member"),
            "area_predicted": states["area_predicted"].transpose("region", "year", "pft"),
            "pft_area": states["pft_area"],
            "months_predicted": found,
        }
    )


_NAMES = {
    "NEE_total": "net ecosystem exchange of carbon of all forest of a type, calendar-year total of each member",
    "NEE_month": "net ecosystem exchange of carbon of all forest of a type, calendar-month total of each member",
    "NEE_region": "net ecosystem exchange of carbon of the forest of a type in a region, calendar-month total of each "
    "member",
    "area_predicted": "area of a forest type in cells with all twelve months of the year",
    "pft_area": "area of a forest type",
    "area_predicted_region": "area of a forest type of a region in cells with all twelve months of the year",
    "pft_area_region": "area of a forest type in a region",
    "months_predicted": "months of the year with any NEE",
}
_PARTS = {"total": "NEE_region", "area_predicted": "area_predicted_region", "pft_area": "pft_area_region"}


def to_file(totals: xr.Dataset) -> xr.Dataset:
    """Give totals the form and the attributes that they have in a file.

    Parameters
    ----------
    totals
        What `close_states` gave.

    Returns
    -------
    xarray.Dataset
        ``NEE_total (year, pft, member)`` and ``NEE_month (month, pft, member)`` in Tg C, ``area_predicted (year,
        pft)``, ``pft_area (pft)``, ``months_predicted (year)``; where there are regions ``NEE_region (month, region,
        pft, member)``, ``area_predicted_region (year, region, pft)`` and ``pft_area_region (region, pft)``. ``month``
        is a number, 200101: a time axis would have to come after types and members by the rules of CF, and first by
        those of CDO. ``member`` is a CF realization; text of ``pft`` is left to the file's own coordinate.
    """
    number = (totals["time"].dt.year * 100 + totals["time"].dt.month).to_numpy().astype("i4")
    years = totals["year"].to_numpy().astype("i4")
    totals = totals.drop_vars("pft", errors="ignore")
    whole, parts = totals.sel(region=ALL, drop=True), totals.sel(region=totals["region"] != ALL)
    file = xr.Dataset(
        {
            "NEE_total": whole["total"].groupby("time.year").sum(skipna=False).transpose("year", "pft", "member"),
            "NEE_month": whole["total"].drop_vars("time").rename(time="month"),
            "area_predicted": whole["area_predicted"],
            "pft_area": whole["pft_area"],
            "months_predicted": whole["months_predicted"].astype("i4"),
        }
    )
    if parts.sizes["region"]:
        order = {"total": ("time", "region", "pft", "member"), "area_predicted": ("year", "region", "pft")}
        for inside, name in _PARTS.items():
            turned = parts[inside].transpose(*order.get(inside, parts[inside].dims))
            file[name] = turned.variable.to_base_variable()
            if "time" in file[name].dims:
                file[name] = (("month", *order[inside][1:]), turned.to_numpy())
        file = file.assign_coords(region=("region", *_number(parts["region"].to_numpy().tolist())))
    for variable in map(str, file.data_vars):
        unit = "Tg" if variable.startswith("NEE") else "1" if variable == "months_predicted" else "m2"
        file[variable].attrs = {
            "units": unit,
            "long_name": _NAMES[variable],
            "coverage_content_type": content(variable),
        }
        if unit == "Tg":
            file[variable].attrs["comment"] = (
                f"Mass of carbon. {SIGN} Over cells with all twelve months of the year (area_predicted). The spread "
                f"of a budget is the spread of these totals. {CAVEAT}"
            )
    realization = {"standard_name": "realization", "units": "1", "long_name": "member of the ensemble"}
    return file.assign_coords(
        month=("month", number, {"units": "1", "long_name": "calendar month, YYYYMM"}),
        member=("member", np.arange(1, file.sizes["member"] + 1, dtype="i4"), realization),
        year=("year", years, {"units": "1", "long_name": "calendar year"}),
    )


def _number(names: Sequence[str]) -> tuple[NDArray[np.int32], dict[str, Any]]:
    """Give regions numbers: CF coordinates are numbers, and flag meanings know neither blanks nor Chinese."""
    text = {"long_name": "number of the region", "units": "1", "comment": "names: a list in the order of the numbers"}
    codes = np.arange(1, len(names) + 1, dtype="i4")
    return codes, {**text, "names": json.dumps(list(names), ensure_ascii=False)}


def from_file(product: xr.Dataset) -> xr.Dataset:
    """Read totals out of a product.

    Parameters
    ----------
    product
        What `xnee.products.cf.undecorate` gave.

    Returns
    -------
    xarray.Dataset
        As `close_states` gives them; without regions in the file ``region`` is ``all`` only. In memory.
    """
    whole = {"total": "NEE_month", "area_predicted": "area_predicted", "pft_area": "pft_area"}
    rows = [xr.Dataset({inside: product[name].load() for inside, name in whole.items()}).expand_dims(region=[ALL])]
    if "NEE_region" in product:
        rows.append(xr.Dataset({inside: product[name].load() for inside, name in _PARTS.items()}))
    totals = xr.concat(rows, "region", coords="minimal", compat="override", join="override")
    time = [np.datetime64(f"{number // 100}-{number % 100:02}", "ns") for number in totals["month"].to_numpy().tolist()]
    totals = totals.rename(month="time").assign_coords(time=time)
    totals = totals.transpose("region", "time", "year", "pft", "member")
    return totals.assign(months_predicted=product["months_predicted"].load())
