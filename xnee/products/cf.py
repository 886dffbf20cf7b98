"""What the maps of a product file say about themselves: CF names, units, cell methods, flags. Nothing is computed."""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xnee.grid import bounds
from xnee.pft import LONG_NAMES, check_pfts
from xnee.products.attributes import check_attrs, global_attrs
from xnee.products.axes import crs_of, describe_axes, months, space_of, with_area
from xnee.products.companions import (
    COMPANIONS,
    FLUXES,
    beside,
    check_companions,
    companions_of,
    describe_companions,
    pointers,
    restore_companions,
)
from xnee.products.words import CAVEAT, ON_CELL, ON_FOREST, PER_AREA, SIGN, content
from xnee.variables import TARGET, VARIABLES, check_units, labels

__all__ = ["FILL", "check_map", "check_predicted", "decorate", "undecorate"]

FILL = np.float32(9.969_209_968_386_869e36)
"""What stands for a missing float in a file: the NetCDF default. NaN as a fill value stops some readers (ILAMB#89)."""

SHAPES: Mapping[str, tuple[str, ...]] = {
    "NEE": ("time", "lat", "lon"),
    "NEE_std": ("time", "lat", "lon"),
    "NEE_member": ("member", "pft", "time", "lat", "lon"),
    "pft_fraction": ("pft", "lat", "lon"),
    "forest_fraction": ("lat", "lon"),
    "fallback": ("pft",),
}
"""Variables of a predicted Dataset, with their dimensions in the order of a file; (y, x) may stand for (lat, lon)."""

_FOREST = (
    "Mass of carbon per square metre of forest, not of cell, in the calendar month that time_bnds gives: multiply by "
    "forest_fraction and area for the mass of a cell."
)


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
        coordinate has fewer than two cells or no order, a PFT is unknown, a projection is not told, or what stands
        beside NEE (see `COMPANIONS`) is not as it is made.

    Examples
    --------
    >>> try:
    ...     check_predicted(xr.Dataset({"NEE": 0.0}))
    ... except ValueError as error:
    ...     print(str(error).partition("; ")[2])
    NEE_std, NEE_member, pft_fraction, forest_fraction, fallback are missing.
    """
    if isinstance(predicted, xr.Dataset) and "NEE_member" not in predicted and "NEE_total" in predicted:
        msg = (
            "this is a product already: its members were added up and are not in it. Copy its file, or write it with "
            'profile="ilamb" or to_geotiff; another product is made from what cube.nee.predict(model) gives.'
        )
        raise ValueError(msg)
    ds = check_map(predicted, tuple(SHAPES))
    check_pfts(ds["pft"].to_numpy())
    _check_shapes(ds, companions_of(ds))
    check_companions(ds)
    return ds


def check_map(maps: object, names: tuple[str, ...]) -> xr.Dataset:
    """Refuse what does not hold maps of NEE.

    Parameters
    ----------
    maps
        Candidate.
    names
        Variables that it must have, of those of a predicted Dataset.

    Returns
    -------
    xarray.Dataset
        The same.

    Raises
    ------
    TypeError, ValueError
        As `check_predicted`.
    """
    if not isinstance(maps, xr.Dataset):
        msg = f"a product is made from the Dataset that cube.nee.predict(model) gives; got {type(maps).__name__}."
        raise TypeError(msg)
    lacking = [name for name in names if name not in maps]
    if lacking:
        msg = (
            f"a predicted Dataset, from cube.nee.predict(model), holds {', '.join(names)}; "
            f"{', '.join(lacking)} {'are' if len(lacking) > 1 else 'is'} missing."
        )
        raise ValueError(msg)
    _check_shapes(maps, names)
    space = space_of(maps["NEE"])
    for dim in ("time", *space):
        if dim not in maps.indexes:
            msg = f"a map needs coordinates along time, {space[0]} and {space[1]}; {dim} has none."
            raise ValueError(msg)
    months(maps)
    for dim in space:
        bounds(maps[dim].to_numpy())
    crs_of(maps)
    return maps


def _check_shapes(maps: xr.Dataset, names: tuple[str, ...]) -> None:
    space = space_of(maps["NEE"])
    for name in names:
        if set(maps[name].dims) != set(dims := _dims(name, space)):
            msg = (
                f"{name} must have the dimensions {dims}, it has {maps[name].dims}. Maps are written from cubes "
                "(time, lat, lon): predict from a cube, and rename its dimensions first where they differ."
            )
            raise ValueError(msg)
    for name in {"NEE", "NEE_std", "NEE_member", *FLUXES} & set(names):
        check_units(TARGET, maps[name].attrs.get("units"))


def _dims(name: str, space: tuple[str, str]) -> tuple[str, ...]:
    turned = {"lat": space[0], "lon": space[1]}
    return tuple(turned.get(dim, dim) for dim in {**SHAPES, **COMPANIONS}[name])


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
        the bounds of time and cells; ``(y, x)`` in place of ``(lat, lon)`` in a projection. What stands beside NEE in
        `predicted` (`COMPANIONS`), with time first. ``pft`` is a number with flag meanings, because CF coordinates are
        numbers and CDO cannot read text there. Lazy where `predicted` is.

    Raises
    ------
    TypeError, ValueError
        As `check_predicted`; if an attribute is neither text nor number.
    """
    check_predicted(predicted)
    check_attrs(attrs)
    space = space_of(predicted["NEE"])
    names = [name for name in (*SHAPES, *companions_of(predicted)) if name != "NEE_member"]
    maps = {name: _typed(name, predicted[name].transpose(*_dims(name, space)).variable) for name in names}
    axes = ["time", *space, *(["quantile"] if "NEE_quantile" in maps else [])]
    product = xr.Dataset(maps, coords={name: predicted[name].variable for name in axes}).drop_encoding()
    crs = crs_of(predicted)
    product = with_area(product, crs, chunks=predicted["NEE"].chunksizes)
    product = describe_axes(_describe_maps(product, labels(predicted["pft"])), crs)
    product.attrs = global_attrs(predicted, attrs=attrs)
    describe_companions(product, predicted.attrs)
    return product


def _typed(name: str, variable: xr.Variable) -> xr.Variable:
    """Give a variable the type that it has in a file; small ones are read, for only maps are written by tiles."""
    small = {"fallback": "i1", "DI_threshold": "f8"}
    if name in small or variable.chunks is None:
        here = variable.compute(scheduler="synchronous").to_numpy()
        return xr.Variable(variable.dims, here.astype(small.get(name, "f4")))
    # A layer of its own even where the type is right: what is computed and is the input of something else that is
    # (NEE of its bounds) would be fused away in dask.compute (xarray#11329).
    meta = np.empty((0,) * variable.ndim, "f4")
    return variable.copy(data=variable.data.map_blocks(_cast, dtype="f4", meta=meta))


def _cast(block: NDArray[np.generic]) -> NDArray[np.float32]:
    return block.astype("f4", copy=False)


def _describe_maps(product: xr.Dataset, names: NDArray[np.str_]) -> xr.Dataset:
    """Set units, long names and flag meanings; number the forest types."""
    codes = np.arange(1, names.size + 1, dtype="i1")
    meanings = "; ".join(f"{code} {name}: {LONG_NAMES[name]}" for code, name in zip(codes, names, strict=True))
    own: dict[str, dict[str, object]] = {
        "NEE": {
            "long_name": "net ecosystem exchange of carbon, calendar-month total, positive into the atmosphere",
            **ON_FOREST,
            **beside(product, "NEE"),
            "comment": f"{SIGN} {_FOREST} {CAVEAT}{pointers(product)}",
        },
        "NEE_std": {
            "long_name": "standard deviation of NEE over the members of the ensemble",
            **ON_FOREST,
            "comment": "How far networks that saw the same towers disagree; neither the error of the towers nor that "
            "of places unlike any tower. Not to be added over cells: members err together (see NEE_total).",
        },
        "pft_fraction": {"long_name": "share of the cell under each forest type", **ON_CELL},
        "forest_fraction": {"long_name": "share of the cell under forest", **ON_CELL},
        "fallback": {
            "long_name": "which model predicts a forest type",
            "flag_values": np.array([0, 1], dtype="i1"),
            "flag_meanings": "own_model pooled_model",
            "comment": "pooled_model: too few towers stand in this type; the model of all types together stands in.",
        },
    }
    for name, text in own.items():
        product[name].attrs = {**text, "coverage_content_type": content(name)}
    pft = {"long_name": "forest type", "flag_values": codes, "flag_meanings": " ".join(names), "comment": meanings}
    return product.assign_coords(pft=("pft", codes, pft))


def undecorate(product: xr.Dataset) -> xr.Dataset:
    """Turn what a product file holds back into the words used inside.

    Parameters
    ----------
    product
        A product as xarray opens it.

    Returns
    -------
    xarray.Dataset
        NEE, NEE_std and bounds and quantiles of NEE in g C m-2 month-1, ``pft`` and ``region`` as text, the carbon
        totals, without bounds of axes and area.
        A map in a projection keeps ``crs``. It has no NEE_member: a budget is made from the totals. Lazy where
        `product` is.

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
    space = space_of(product["NEE"])
    drop = ["area", "time_bnds", *(f"{dim}_bnds" for dim in space), *({"lat", "lon", "crs"} - set(product["NEE"].dims))]
    if space == ("y", "x"):
        drop.remove("crs")
    inside = product.drop_vars(drop, errors="ignore").assign_coords(pft=("pft", meanings.split()))
    if "region" in inside.coords:
        inside = inside.assign_coords(region=("region", _region_names(product["region"])))
    inside = restore_companions(inside)
    for name in ("NEE", "NEE_std"):
        inside[name].attrs = {"units": VARIABLES[TARGET].units, "long_name": product[name].attrs["long_name"]}
    return inside


def _region_names(region: xr.DataArray) -> NDArray[np.object_]:
    return np.array(json.loads(region.attrs["names"]), dtype=object)
