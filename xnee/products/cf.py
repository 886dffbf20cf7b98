"""What a product file says about itself: CF names, units, bounds, cell methods and provenance. Nothing is computed."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from pyproj import CRS

from xnee.grid import bounds, cell_area
from xnee.pft import LONG_NAMES, check_pfts
from xnee.variables import TARGET, VARIABLES, check_units, labels

__all__ = ["CAVEAT", "FILL", "check_predicted", "decorate", "describe_totals", "months", "undecorate"]

FILL = np.float32(9.969_209_968_386_869e36)
"""What stands for a missing float in a file: the NetCDF default. NaN as a fill value stops some readers (ILAMB#89)."""

SPACE = ("time", "lat", "lon")
SHAPES: Mapping[str, tuple[str, ...]] = {
    "NEE": SPACE,
    "NEE_std": SPACE,
    "NEE_member": ("member", "pft", *SPACE),
    "pft_fraction": ("pft", "lat", "lon"),
    "forest_fraction": ("lat", "lon"),
    "fallback": ("pft",),
}
"""Variables of a predicted Dataset, with their dimensions in the order of a file."""

PER_AREA = "g m-2"
"""NEE in a file. A UDUNITS month is a twelfth of a year, 30.44 days, so "g m-2 month-1" would be wrong for February:
a file holds the amount of a calendar month, and the bounds of time say which days that covers."""

CAVEAT = (
    "NEE is not the carbon sink (NBP): carbon that leaves by harvest, fire, rivers and lakes, erosion and volatile "
    "compounds is not in it, and towers stand more often in young and undisturbed forest. A total of NEE is larger "
    "in magnitude than the sink found by inventories and inversions."
)
_SIGN = "Positive into the atmosphere: uptake by the forest is negative."
_FOREST = (
    "Mass of carbon per square metre of forest, not of cell, in the calendar month that time_bnds gives: multiply by "
    "forest_fraction and area for the mass of a cell."
)
_ON_FOREST = {
    "units": PER_AREA,
    # "forest" is no CF area type; "trees" is the nearest. The land-cover rule of the model card says what is meant.
    "cell_methods": "time: sum area: mean where trees",
    "cell_measures": "area: area",
    "grid_mapping": "crs",
}
_ON_CELL = {"units": "1", "cell_measures": "area: area", "grid_mapping": "crs"}
_SOFTWARE = ("xnee", "numpy", "xarray", "dask", "zarr", "netCDF4", "torch")


def check_predicted(predicted: object) -> xr.Dataset:
    """Refuse what is not a predicted map, before any work.

    Parameters
    ----------
    predicted
        Candidate: what ``cube.nee.predict(model)`` gives. Nothing of it is computed.

    Returns
    -------
    xarray.Dataset
        The same.

    Raises
    ------
    TypeError
        If it is not a Dataset.
    ValueError
        If a variable or a dimension is missing, NEE is in another unit, time is not whole months in a row, a
        coordinate has fewer than two cells or no order, or a PFT is unknown.

    Examples
    --------
    >>> try:
    ...     check_predicted(xr.Dataset({"NEE": 0.0}))
    ... except ValueError as error:
    ...     print(str(error).partition("; ")[2])
    NEE_std, NEE_member, pft_fraction, forest_fraction, fallback are missing.
    """
    if not isinstance(predicted, xr.Dataset):
        msg = f"a product is made from the Dataset that cube.nee.predict(model) gives; got {type(predicted).__name__}."
        raise TypeError(msg)
    lacking = [name for name in SHAPES if name not in predicted]
    if lacking:
        msg = (
            f"a predicted Dataset, from cube.nee.predict(model), holds {', '.join(SHAPES)}; "
            f"{', '.join(lacking)} {'are' if len(lacking) > 1 else 'is'} missing."
        )
        raise ValueError(msg)
    for name, dims in SHAPES.items():
        if set(predicted[name].dims) != set(dims):
            msg = (
                f"{name} must have the dimensions {dims}, it has {predicted[name].dims}. Maps are written from cubes "
                "(time, lat, lon): predict from a cube, and rename its dimensions first where they differ."
            )
            raise ValueError(msg)
    for name in ("NEE", "NEE_std", "NEE_member"):
        check_units(TARGET, predicted[name].attrs.get("units"))
    check_pfts(predicted["pft"].to_numpy())
    _check_axes(predicted)
    return predicted


def _check_axes(predicted: xr.Dataset) -> None:
    for name in SPACE:
        if name not in predicted.indexes:
            msg = f"a map needs coordinates along time, lat and lon; {name} has none."
            raise ValueError(msg)
    months(predicted)
    for name in ("lat", "lon"):
        bounds(predicted[name].to_numpy())


def months(ds: xr.Dataset) -> pd.DatetimeIndex:
    """Give the time axis, after checking that it holds every month.

    Parameters
    ----------
    ds
        Any Dataset with a coordinate ``time``.

    Returns
    -------
    pandas.DatetimeIndex
        Month starts.

    Raises
    ------
    ValueError
        If time is empty, no datetime64, or not month starts in a row.
    """
    time = ds.indexes["time"]
    if isinstance(time, pd.DatetimeIndex) and time.size:
        whole = pd.date_range(time[0].to_period("M").to_timestamp(), periods=time.size, freq="MS")
        if bool((time == whole).all()):
            return time
    msg = f"time must be month starts in a row, each month once, as datetime64; got {time.size}: {list(time[:3])}..."
    raise ValueError(msg)


def decorate(predicted: xr.Dataset, *, attrs: Mapping[str, object] | None = None) -> xr.Dataset:
    """Make the Dataset that a product file holds from a predicted one.

    Parameters
    ----------
    predicted
        What ``cube.nee.predict(model)`` gives (see `check_predicted`), NEE in g C m-2 month-1.
    attrs
        Global attributes of your own: ``institution``, ``license``, ``creator_name``, ``references``... They go over
        those made here; ``Conventions`` stays.

    Returns
    -------
    xarray.Dataset
        ``NEE`` and ``NEE_std (time, lat, lon)``, g m-2 of carbon in a calendar month per square metre of forest,
        float32, positive into the atmosphere; ``pft_fraction``, ``forest_fraction``, ``fallback``, ``area`` (m2) and
        the bounds of time and cells. ``pft`` is a number with flag meanings, because CF coordinates are numbers and
        CDO cannot read text there. Lazy where `predicted` is.

    Raises
    ------
    TypeError, ValueError
        As `check_predicted`.
    """
    check_predicted(predicted)
    maps = {name: predicted[name].transpose(*dims) for name, dims in SHAPES.items() if name != "NEE_member"}
    lazy = {name: maps[name].astype("f4").variable for name in ("NEE", "NEE_std", "pft_fraction", "forest_fraction")}
    product = xr.Dataset(
        {**lazy, "fallback": maps["fallback"].astype("i1").variable},
        coords={name: predicted[name] for name in SPACE},
    ).drop_encoding()
    product["area"] = cell_area(product["lat"], product["lon"]).variable
    product["crs"] = xr.Variable((), np.int32(0), CRS.from_epsg(4326).to_cf())
    product["crs"].attrs["horizontal_datum_name"] = "World Geodetic System 1984"
    product["crs"].attrs["long_name"] = "coordinate reference system, WGS84"
    product = _describe_axes(_describe_maps(product, labels(predicted["pft"])))
    product.attrs = {**_global_attrs(predicted), **(attrs or {}), "Conventions": "CF-1.11, ACDD-1.3"}
    return product


def _describe_maps(product: xr.Dataset, names: NDArray[np.str_]) -> xr.Dataset:
    """Set units, long names and flag meanings; number the forest types."""
    codes = np.arange(1, names.size + 1, dtype="i1")
    meanings = "; ".join(f"{code} {name}: {LONG_NAMES[name]}" for code, name in zip(codes, names, strict=True))
    own: dict[str, dict[str, object]] = {
        "NEE": {
            "long_name": "net ecosystem exchange of carbon, calendar-month total, positive into the atmosphere",
            **_ON_FOREST,
            "ancillary_variables": "NEE_std",
            "comment": f"{_SIGN} {_FOREST} {CAVEAT}",
        },
        "NEE_std": {
            "long_name": "standard deviation of NEE over the members of the ensemble",
            **_ON_FOREST,
            "comment": "How far networks that saw the same towers disagree; neither the error of the towers nor that "
            "of places unlike any tower. Not to be added over cells: members err together (see NEE_total).",
        },
        "pft_fraction": {"long_name": "share of the cell under each forest type", **_ON_CELL},
        "forest_fraction": {"long_name": "share of the cell under forest", **_ON_CELL},
        "fallback": {
            "long_name": "which model predicts a forest type",
            "flag_values": np.array([0, 1], dtype="i1"),
            "flag_meanings": "own_model pooled_model",
            "comment": "pooled_model: too few towers stand in this type; the model of all types together stands in.",
        },
    }
    for name, text in own.items():
        product[name].attrs = {**text, "coverage_content_type": _content(name)}
    product["area"].attrs["coverage_content_type"] = _content("area")
    pft = {"long_name": "forest type", "flag_values": codes, "flag_meanings": " ".join(names), "comment": meanings}
    return product.assign_coords(pft=("pft", codes, pft))


def _describe_axes(product: xr.Dataset) -> xr.Dataset:
    """Set the attributes and the bounds of time, lat and lon."""
    edges = pd.date_range(months(product)[0], periods=product.sizes["time"] + 1, freq="MS").to_numpy()
    product["time_bnds"] = (("time", "bnds"), np.stack([edges[:-1], edges[1:]], axis=1))
    product["lat_bnds"] = (("lat", "bnds"), bounds(product["lat"], limit=90))
    product["lon_bnds"] = (("lon", "bnds"), bounds(product["lon"]))
    for name, axis, word, unit in (
        ("lat", "Y", "latitude", "degrees_north"),
        ("lon", "X", "longitude", "degrees_east"),
    ):
        product[name].attrs = {
            "standard_name": word,
            "long_name": f"{word} of the centre of the cell",
            "units": unit,
            "axis": axis,
            "bounds": f"{name}_bnds",
        }
    product["time"].attrs = {"standard_name": "time", "long_name": "first day of the month", "axis": "T"}
    # CF 1.11 asks for units_metadata: whole calendar days, no leap second is counted.
    product["time"].attrs |= {"bounds": "time_bnds", "units_metadata": "leap_seconds: none"}
    return product


def _content(name: str) -> str:
    """Say for a catalogue (ACDD) whether a variable is a result or goes with one."""
    return "modelResult" if name.startswith(TARGET) else "auxiliaryInformation"


def _global_attrs(predicted: xr.Dataset) -> dict[str, object]:
    """Write title, provenance and coverage (names of CF and ACDD)."""
    time = months(predicted)
    mean = " The drivers are a climatology: every year is the mean year." if "climatology" in predicted.attrs else ""
    box = {name: bounds(predicted[name].to_numpy()) for name in ("lat", "lon")}
    return {
        "title": "Net ecosystem exchange of carbon of forests, monthly",
        "summary": "Monthly net ecosystem exchange of the forest of each cell, learned at eddy-covariance towers by "
        "one ensemble of networks for each forest type and mapped by the cover of the types.",
        "source": "xnee: networks trained on eddy-covariance towers, applied to gridded drivers; towers, drivers and "
        "settings in the attribute model",
        "references": "Method after Wu et al., Predicting Net Ecosystem Carbon Exchange of Typical Forest Ecosystems "
        "in China Based on ChinaFLUX",
        "comment": f"{_SIGN} {CAVEAT}{mean}",
        "keywords": "net ecosystem exchange, carbon flux, forest, eddy covariance",
        "cdm_data_type": "Grid",
        "geospatial_lat_min": float(box["lat"].min()),
        "geospatial_lat_max": float(box["lat"].max()),
        "geospatial_lon_min": float(box["lon"].min()),
        "geospatial_lon_max": float(box["lon"].max()),
        "geospatial_lat_units": "degrees_north",
        "geospatial_lon_units": "degrees_east",
        "time_coverage_start": f"{time[0]:%Y-%m-%dT00:00:00Z}",
        "time_coverage_end": f"{time[-1] + pd.offsets.MonthBegin(1):%Y-%m-%dT00:00:00Z}",
        "time_coverage_duration": f"P{time.size}M",
        "time_coverage_resolution": "P1M",
        "software": ", ".join(f"{name} {_version(name)}" for name in _SOFTWARE),
        **predicted.attrs,
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"


def describe_totals(totals: xr.Dataset) -> xr.Dataset:
    """Give the carbon totals of a product the attributes that they carry in a file.

    Parameters
    ----------
    totals
        ``NEE_total (year, pft, member)`` in Tg C, ``area_predicted (year, pft)`` and ``pft_area (pft)`` in m2,
        ``months_predicted (year)``.

    Returns
    -------
    xarray.Dataset
        The same values; ``member`` is a CF realization, text of ``pft`` is left to the file's own coordinate.
    """
    totals = totals.drop_vars("pft", errors="ignore").copy()
    totals["NEE_total"].attrs = {
        "units": "Tg",
        "long_name": "net ecosystem exchange of carbon of all forest of a type, calendar-year total of each member",
        "comment": f"Mass of carbon. {_SIGN} Over cells with all twelve months of the year (area_predicted). The "
        f"spread of a budget is the spread of these totals. {CAVEAT}",
    }
    totals["area_predicted"].attrs = {
        "units": "m2",
        "long_name": "area of a forest type in cells with all twelve months of the year",
    }
    totals["pft_area"].attrs = {"units": "m2", "long_name": "area of a forest type"}
    totals["months_predicted"].attrs = {"units": "1", "long_name": "months of the year with any NEE"}
    totals["months_predicted"] = totals["months_predicted"].astype("i4")
    for name in totals.data_vars:
        totals[name].attrs["coverage_content_type"] = _content(str(name))
    members = np.arange(1, totals.sizes["member"] + 1, dtype="i4")
    years = totals["year"].to_numpy().astype("i4")
    return totals.assign_coords(
        member=(
            "member",
            members,
            {"standard_name": "realization", "units": "1", "long_name": "member of the ensemble"},
        ),
        year=("year", years, {"units": "1", "long_name": "calendar year"}),
    )


def undecorate(product: xr.Dataset) -> xr.Dataset:
    """Turn what a product file holds back into the words used inside.

    Parameters
    ----------
    product
        A product as xarray opens it.

    Returns
    -------
    xarray.Dataset
        NEE and NEE_std in g C m-2 month-1, ``pft`` as text, the carbon totals, without bounds, area and crs. It has
        no NEE_member: a budget is made from the totals. Lazy where `product` is.

    Raises
    ------
    ValueError
        If it is not a product: no NEE in g m-2, or no flag meanings of pft.
    """
    units = product["NEE"].attrs.get("units") if "NEE" in product else None
    meanings = product["pft"].attrs.get("flag_meanings") if "pft" in product.coords else None
    if units != PER_AREA or not isinstance(meanings, str):
        msg = (
            f"a product holds NEE in {PER_AREA!r} and a pft with flag_meanings; this one has NEE in {units!r} and pft "
            f"meaning {meanings!r}. Open a file that to_product wrote."
        )
        raise ValueError(msg)
    inside = product.drop_vars(["crs", "area", "time_bnds", "lat_bnds", "lon_bnds"], errors="ignore")
    inside = inside.assign_coords(pft=("pft", meanings.split()))
    for name in ("NEE", "NEE_std"):
        inside[name].attrs = {"units": VARIABLES[TARGET].units, "long_name": product[name].attrs["long_name"]}
    return inside
