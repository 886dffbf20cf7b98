"""How much of a map lies outside the area of applicability: of its forest, and of its carbon."""

from __future__ import annotations

import numpy as np
import xarray as xr

from xnee.grid import cell_area
from xnee.variables import labels

__all__ = ["outside_share", "outside_table"]


def outside_share(where: xr.Dataset, predicted: xr.Dataset) -> xr.Dataset:
    """Add up forest and flux inside and outside the area of applicability.

    Computes what is lazy, once.

    Parameters
    ----------
    where
        From `area_of_applicability`, of a cube ``(time, lat, lon)``.
    predicted
        From `xnee.predict`, of the same cube.

    Returns
    -------
    xarray.Dataset
        Over ``pft`` (five types and ``"all"``): ``area``, m2 of forest, and ``area_outside``, %, of its months;
        ``NEE_inside`` and ``NEE_outside``, Tg C per year, positive into the atmosphere; ``NEE_share_outside``, %, of
        the sum of absolute monthly fluxes (fluxes of both signs would cancel).

    Raises
    ------
    ValueError
        If the two are not of the same cells and months, or not on a latitude-longitude grid.

    Examples
    --------
    >>> outside_share(where, predicted)  # doctest: +SKIP
    """
    for ds, name in ((where, "DI"), (predicted, "NEE_member")):
        if name not in ds or not {"pft", "time", "lat", "lon"} <= set(ds[name].dims):
            msg = (
                f"outside_share needs maps {name} (pft, time, lat, lon) of area_of_applicability and of predict; got "
                f"{dict(ds.sizes)} with {list(ds.data_vars)}."
            )
            raise ValueError(msg)
    for dim in ("pft", "time", "lat", "lon"):
        if not np.array_equal(where[dim].to_numpy(), predicted[dim].to_numpy()):
            msg = f"the two maps differ along {dim}: take both of the same cube."
            raise ValueError(msg)
    ground = where["pft_fraction"] * cell_area(where["lat"].to_numpy(), where["lon"].to_numpy())  # (pft, lat, lon), m2
    index, flux = where["DI"], predicted["NEE_member"].mean("member", skipna=False)
    known = index.notnull() & flux.notnull()
    outside = known & (index > where["threshold"])
    carbon = (flux * ground).where(known, 0.0) * 1e-12  # Tg in a month
    space, every = ("lat", "lon"), ("time", "lat", "lon")
    size, months = abs(carbon), known.any(space).sum("time")
    parts = xr.Dataset(
        {
            "area": ground.sum(space),
            "months": ground.where(known, 0.0).sum(every),
            "months_outside": ground.where(outside, 0.0).sum(every),
            "total": carbon.sum(every),
            "total_outside": carbon.where(outside, 0.0).sum(every),
            "size": size.sum(every),
            "size_outside": size.where(outside, 0.0).sum(every),
            "years": (months / 12).where(months > 0),
        }
    ).compute()
    return _shares(parts)


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

    Examples
    --------
    >>> one = xr.Dataset({name: ("pft", [10.0]) for name in ("area_outside", "NEE_share_outside")})
    >>> one = one.assign(area=("pft", [2e12]), NEE_inside=("pft", [-90.0]), NEE_outside=("pft", [-10.0]))
    >>> print(outside_table(one.assign_coords(pft=["MF"])).splitlines()[1])
    MF         2.00      10.0 %       -90.0       -10.0      10.0 %
    """
    head = f"{'type':<6}{'1e6 km2':>9}{'outside':>12}{'NEE inside':>12}{'outside':>12}{'of |NEE|':>12}   Tg C yr-1"
    rows = [head]
    for pft in labels(shares["pft"]).tolist():
        row = shares.sel(pft=pft)
        rows.append(
            f"{pft:<6}{float(row['area']) / 1e12:>9.2f}{float(row['area_outside']):>10.1f} %"
            f"{float(row['NEE_inside']):>12.1f}{float(row['NEE_outside']):>12.1f}"
            f"{float(row['NEE_share_outside']):>10.1f} %"
        )
    return "\n".join(rows)
