"""How much of a map lies outside the area of applicability: of its forest, and of its carbon."""

from __future__ import annotations

import numpy as np
import xarray as xr

from xnee.applicability.mapped import of_same_forest
from xnee.explanation.checks import check_dataset
from xnee.products.axes import crs_of, space_of, with_area
from xnee.variables import labels

__all__ = ["outside_share", "outside_table"]

_COLUMNS = ("area", "area_outside", "NEE_inside", "NEE_outside", "NEE_share_outside")


def outside_share(where: xr.Dataset, predicted: xr.Dataset) -> xr.Dataset:
    """Add up forest and flux inside and outside the area of applicability.

    Computes what is lazy, once.

    Parameters
    ----------
    where
        From `area_of_applicability`, of a cube ``(time, lat, lon)``, or ``(time, y, x)`` in a projection.
    predicted
        From `xnee.predict`, of the same cube, model and rule of cover.

    Returns
    -------
    xarray.Dataset
        Over ``pft`` (five types and ``"all"``): ``area``, m2 of forest on the WGS84 ellipsoid, and ``area_outside``, %,
        of its months (where the cover changes by year: of the mean cover); ``NEE_inside`` and ``NEE_outside``, Tg C per
        year, positive into the atmosphere; ``NEE_share_outside``, %, of the sum of absolute monthly fluxes (fluxes of
        both signs would cancel). All but ``area`` are of whole calendar years, as a budget is, or of all months that
        there are where no year has twelve.

    Raises
    ------
    TypeError
        If one is no Dataset.
    ValueError
        If the two are not of the same cells, months, model or cover, or a map in a projection does not say in which.

    Examples
    --------
    >>> outside_share(where, predicted)  # doctest: +SKIP
    """
    for one in (where, predicted):
        check_dataset("outside_share(where, predicted)", one)
    space = _check_same(where, predicted)
    area = with_area(predicted[list(space)].assign_attrs(predicted.attrs), crs_of(predicted), chunks={})["area"]
    ground = where["pft_fraction"] * area.drop_vars(["lat", "lon"] if "y" in space else [])  # (pft, lat, lon), m2
    index = where["DI"].chunk(pft=-1) if where["DI"].chunks is not None else where["DI"]
    index, flux = of_same_forest(index, predicted, where), predicted["NEE_member"].mean("member", skipna=False)
    known = index.notnull() & flux.notnull()
    outside = known & (index > where["threshold"])
    carbon = (flux * ground).where(known, 0.0) * 1e-12  # Tg in a month
    size = abs(carbon)
    monthly = xr.Dataset(
        {
            "there": known.any(space),
            "months": ground.where(known, 0.0).sum(space),
            "months_outside": ground.where(outside, 0.0).sum(space),
            "total": carbon.sum(space),
            "total_outside": carbon.where(outside, 0.0).sum(space),
            "size": size.sum(space),
            "size_outside": size.where(outside, 0.0).sum(space),
        }
    )
    parts = monthly.assign(area=ground.sum(space)).reset_coords(drop=True).compute()
    return _shares(_added(parts.drop_vars("area")).assign(area=parts["area"]))


def _added(monthly: xr.Dataset) -> xr.Dataset:
    """Add months up: those of whole calendar years, or all of them where no year is whole.

    The months that lack their past are the same ones of the year, so that part of a year would be no mean of it.
    """
    there = monthly["there"]
    whole = there.groupby("time.year").map(lambda year: xr.zeros_like(year) | (year.sum("time") == 12))
    counted = whole.where(whole.any("time"), there)
    months = counted.sum("time")
    sums = monthly.drop_vars("there").where(counted, 0.0).sum("time")
    return sums.assign(years=(months / 12).where(months > 0))


def _check_same(where: xr.Dataset, predicted: xr.Dataset) -> tuple[str, str]:
    """Refuse two maps that are not of the same cells, months, model and cover; name their dimensions of the ground."""
    for ds, name in ((where, "DI"), (predicted, "NEE_member")):
        dims = set(ds[name].dims) if name in ds else set()
        if not {"pft", "time"} <= dims or not ({"lat", "lon"} <= dims or {"y", "x"} <= dims):
            msg = (
                f"outside_share needs maps {name} (pft, time, lat, lon) or (pft, time, y, x), first of "
                f"area_of_applicability, then of predict (a product has no members); got "
                f"{dict(ds.sizes)}, {list(ds.data_vars)}."
            )
            raise ValueError(msg)
    space = space_of(where["DI"])
    for dim in ("pft", "time", *space):
        if dim not in predicted.coords or not np.array_equal(where[dim].to_numpy(), predicted[dim].to_numpy()):
            msg = f"the two maps differ along {dim}: take both of the same cube."
            raise ValueError(msg)
    for name, word in (("model_fingerprint", "model"), ("cover", "cover (static or by-year)")):
        one, other = (ds.attrs.get(name) for ds in (where, predicted))
        both = name == "cover" or (one is not None and other is not None)
        if both and one != other:
            msg = f"the two maps are not of the same {word}: {one!r} and {other!r}. Make both with the same."
            raise ValueError(msg)
    return space


def _shares(parts: xr.Dataset) -> xr.Dataset:
    """Turn sums by type into shares and yearly totals, with a row for all types."""
    whole = parts.sum("pft").expand_dims(pft=["all"]).assign(years=("pft", [float(parts["years"].max())]))
    parts = xr.concat([parts.assign_coords(pft=labels(parts["pft"])), whole], dim="pft")
    with np.errstate(invalid="ignore"):
        result = xr.Dataset(
            {
                "area": parts["area"].assign_attrs(units="m2"),
                "area_outside": (100 * parts["months_outside"] / parts["months"]).assign_attrs(units="%"),
                "NEE_inside": (parts["total"] - parts["total_outside"]) / parts["years"],
                "NEE_outside": parts["total_outside"] / parts["years"],
                "NEE_share_outside": (100 * parts["size_outside"] / parts["size"]).assign_attrs(units="%"),
            }
        )
    for name in ("NEE_inside", "NEE_outside"):
        result[name].attrs["units"] = "Tg year-1"
    return result


def outside_table(shares: xr.Dataset) -> str:
    """Lay out what lies outside, as text.

    Parameters
    ----------
    shares
        From `outside_share`.

    Returns
    -------
    str
        One line a type.

    Raises
    ------
    ValueError
        If it is something else.

    Examples
    --------
    >>> one = xr.Dataset({name: ("pft", [10.0]) for name in ("area_outside", "NEE_share_outside")})
    >>> one = one.assign(area=("pft", [2e12]), NEE_inside=("pft", [-90.0]), NEE_outside=("pft", [-10.0]))
    >>> print(outside_table(one.assign_coords(pft=["MF"])).splitlines()[3])
    MF         2.00      10.0 %       -90.0       -10.0      10.0 %
    """
    lacking = [name for name in _COLUMNS if name not in shares]
    if lacking:
        msg = f"outside_table lays out what outside_share(where, predicted) gives; this has no {lacking}."
        raise ValueError(msg)
    rows = [
        "Forest inside and outside of the area of applicability, by type. NEE in Tg C yr-1, negative: uptake;",
        "of |NEE|: share of what lies outside in the sum of absolute monthly fluxes.",
        f"{'type':<6}{'1e6 km2':>9}{'of it out':>12}{'NEE inside':>12}{'outside':>12}{'of |NEE|':>12}",
    ]
    for pft in labels(shares["pft"]).tolist():
        row = shares.sel(pft=pft)
        rows.append(
            f"{pft:<6}{float(row['area']) / 1e12:>9.2f}{float(row['area_outside']):>10.1f} %"
            f"{float(row['NEE_inside']):>12.1f}{float(row['NEE_outside']):>12.1f}"
            f"{float(row['NEE_share_outside']):>10.1f} %"
        )
    return "\n".join(rows)
