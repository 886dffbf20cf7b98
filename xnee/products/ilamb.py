"""The form of a product that ILAMB reads as it is: one variable, in the names and units of model intercomparisons."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import xarray as xr

from xnee.products.attributes import check_attrs, global_attrs
from xnee.products.axes import crs_of, describe_axes, months, space_of
from xnee.products.cf import check_map
from xnee.products.words import CAVEAT, SIGN, content

__all__ = ["decorate_ilamb"]

KILOGRAM = 1e-3  # kg for one g
_DAY = 86_400.0  # s
_NEEDED = ("NEE", "forest_fraction")


def decorate_ilamb(maps: xr.Dataset, *, attrs: Mapping[str, object] | None = None) -> xr.Dataset:
    """Make the Dataset that a file for ILAMB holds.

    Parameters
    ----------
    maps
        ``NEE (time, lat, lon)`` in g C m-2 month-1 per square metre of forest and ``forest_fraction``: what
        ``cube.nee.predict(model)`` or `xnee.open_product` gives.
    attrs
        Global attributes of your own.

    Returns
    -------
    xarray.Dataset
        ``nee (time, lat, lon)``, kg m-2 s-1 of carbon, mean rate of the month **per square metre of cell**, float32,
        positive into the atmosphere; months are stamped with their middle and have bounds. So the integral over a
        region is the carbon of its forest. Missing where there is no forest or no NEE. Lazy where `maps` is.

    Raises
    ------
    TypeError, ValueError
        As `xnee.products.cf.check_predicted`; if the map is in a projection.

    Examples
    --------
    >>> decorate_ilamb(xr.Dataset({"GPP": 0.0}))
    Traceback (most recent call last):
        ...
    ValueError: a predicted Dataset, from cube.nee.predict(model), holds NEE, forest_fraction; NEE, forest_fraction \
are missing.
    """
    check_map(maps, _NEEDED)
    check_attrs(attrs)
    if space_of(maps["NEE"]) != ("lat", "lon"):
        msg = "ILAMB reads maps (time, lat, lon); this one is in a projection. Bring it to lat and lon first."
        raise ValueError(msg)
    time = months(maps)
    ends = time + pd.offsets.MonthBegin(1)
    seconds = xr.Variable("time", (ends - time).days.to_numpy() * _DAY)
    nee = (maps["NEE"] * maps["forest_fraction"]).transpose("time", "lat", "lon").variable * KILOGRAM / seconds
    product = xr.Dataset(
        {"nee": nee.astype("f4")}, coords={name: maps[name].variable for name in ("time", "lat", "lon")}
    ).drop_encoding()
    product = describe_axes(product, crs_of(maps))
    product["nee"].attrs = {
        "long_name": "net ecosystem exchange of carbon of the forest of the cell, positive into the atmosphere",
        "units": "kg m-2 s-1",
        "cell_methods": "area: time: mean",
        "grid_mapping": "crs",
        "coverage_content_type": content("nee"),
        "comment": f"Mass of carbon per square metre of cell. {SIGN} Of the forest of the cell only. {CAVEAT}",
    }
    middle = (time + (ends - time) / 2).to_numpy().astype("M8[ns]")
    product = product.assign_coords(time=("time", middle, product["time"].attrs | {"long_name": "middle of the month"}))
    own = {
        **global_attrs(maps, attrs=attrs),
        "title": "Net ecosystem exchange of carbon of forests, monthly, for ILAMB",
    }
    product.attrs = own | {key: value for key, value in (attrs or {}).items() if key == "title"}
    return product
