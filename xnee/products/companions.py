"""What may stand beside NEE in a product, if the user put it there: how sure a value is, where not to believe it.

`xnee.intervals`, `xnee.member_quantiles` and `xnee.with_applicability` put it beside a prediction.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import xarray as xr

from xnee.products.words import ON_CELL, ON_FOREST, content
from xnee.variables import TARGET, VARIABLES

__all__ = [
    "COMPANIONS",
    "FLUXES",
    "beside",
    "check_companions",
    "companions_of",
    "describe_companions",
    "drop_companions",
    "facts_of",
    "pointers",
    "restore_companions",
    "told_of",
]

COMPANIONS: Mapping[str, tuple[str, ...]] = {
    "NEE_low": ("time", "lat", "lon"),
    "NEE_high": ("time", "lat", "lon"),
    "NEE_quantile": ("time", "quantile", "lat", "lon"),
    "AOA": ("time", "lat", "lon"),
    "DI": ("time", "pft", "lat", "lon"),
    "DI_threshold": ("pft",),
}
"""Variables that a predicted Dataset may have, with their dimensions in the order of a file: CDO wants time first."""

FLUXES = ("NEE_low", "NEE_high", "NEE_quantile")
"""Those in the unit of NEE."""

_FACTS: Mapping[str, tuple[str, ...]] = {
    "calibration": ("NEE_low", "NEE_high"),
    "applicability": ("AOA", "DI", "DI_threshold"),
}
"""Attributes that say, as JSON, how some of them were made."""

_NO_SUM = (
    "Of one month of one cell, and not to be added up over cells or months: errors go together, but not wholly, so "
    "that neither sums of bounds nor roots of summed squares are bounds of a sum."
)
_INSIDE = (
    "Inside is what has DI at or below DI_threshold of its forest type (Meyer and Pebesma 2021, "
    "doi:10.1111/2041-210X.13650)."
)


def companions_of(ds: xr.Dataset) -> tuple[str, ...]:
    """Name what stands beside NEE.

    Parameters
    ----------
    ds
        A predicted map or a product.

    Returns
    -------
    tuple
        Names of `COMPANIONS` that it holds, in their order.

    Examples
    --------
    >>> companions_of(xr.Dataset({"AOA": 1.0, "NEE": 0.0}))
    ('AOA',)
    """
    return tuple(name for name in COMPANIONS if name in ds.variables)


def check_companions(ds: xr.Dataset) -> None:
    """Refuse companions that do not belong together.

    Parameters
    ----------
    ds
        A predicted map, its companions with the right dimensions.

    Raises
    ------
    ValueError
        If quantiles do not name their levels, an interval has one bound only, or facts are no JSON.
    """
    if "NEE_quantile" in ds and "quantile" not in ds.coords:
        msg = "NEE_quantile must name its levels in a coordinate quantile, as member_quantiles gives them."
        raise ValueError(msg)
    bounds = [name for name in ("NEE_low", "NEE_high") if name in ds]
    if len(bounds) == 1:
        msg = f"an interval has two bounds, NEE_low and NEE_high; there is only {bounds[0]}. Keep both, or none."
        raise ValueError(msg)
    for name in _FACTS:
        facts_of(ds.attrs, name)


def facts_of(attrs: Mapping[Any, Any], name: str) -> dict[str, Any]:
    """Read how some companions were made.

    Parameters
    ----------
    attrs
        Of a predicted map or a product.
    name
        ``"calibration"`` or ``"applicability"``.

    Returns
    -------
    dict
        Empty if nothing is told.

    Raises
    ------
    ValueError
        If what is told is no JSON object.

    Examples
    --------
    >>> facts_of({"calibration": '{"level": 0.9}'}, "calibration")
    {'level': 0.9}
    """
    text = attrs.get(name)
    try:
        facts = json.loads(str(text)) if text is not None else {}
    except json.JSONDecodeError:
        facts = None
    if not isinstance(facts, dict):
        msg = f"the attribute {name} of a map holds JSON that xnee writes; got {str(text)[:60]!r}. Remove or rename it."
        raise ValueError(msg)
    return facts


def told_of(product: xr.Dataset) -> dict[str, str]:
    """Tell of the companions of a product by what they would differ in if they were made otherwise.

    Parameters
    ----------
    product
        Decorated, or raw from disk.

    Returns
    -------
    dict
        Text by name: ``beside NEE``, the variables; levels of quantiles; thresholds, to four digits, because their
        last digits may hang on a machine; each fact. Nothing for a product without companions.
    """
    names = companions_of(product)
    if not names:
        return {}
    told = {"beside NEE": ", ".join(names)}
    if "NEE_quantile" in names:
        told["quantile levels"] = ", ".join(f"{level:g}" for level in product["quantile"].to_numpy())
    if "DI_threshold" in names:
        threshold = product["DI_threshold"].compute(scheduler="synchronous").to_numpy()  # five numbers, here
        told["DI_threshold"] = ", ".join(f"{value:.4g}" for value in threshold)
    for fact, own in _FACTS.items():
        if set(own) & set(names):
            told |= {f"{fact} {key}": json.dumps(value) for key, value in facts_of(product.attrs, fact).items()}
    return told


def drop_companions(ds: xr.Dataset) -> xr.Dataset:
    """Leave out what stands beside NEE, and what is said of it.

    Parameters
    ----------
    ds
        A predicted map or a product.

    Returns
    -------
    xarray.Dataset
        Without them.
    """
    bare = ds.drop_vars([*companions_of(ds), *({"quantile"} & set(ds.coords))])
    bare.attrs = {name: value for name, value in ds.attrs.items() if name not in _FACTS}
    return bare


def beside(product: xr.Dataset, name: str) -> dict[str, str]:
    """Name the variables that go with another one, as CF wants it: none that has a dimension which that lacks.

    Parameters
    ----------
    product
        Decorated.
    name
        Of one of its variables.

    Returns
    -------
    dict
        The attribute ``ancillary_variables``; nothing where there are none.
    """
    own = {TARGET: ("NEE_std", "NEE_low", "NEE_high", "AOA"), "DI": ("DI_threshold",)}.get(name, ())
    found = " ".join(other for other in own if other in product)
    return {"ancillary_variables": found} if found else {}


def pointers(product: xr.Dataset) -> str:
    """Say in the comment of NEE which variables warn of what.

    Parameters
    ----------
    product
        Decorated.

    Returns
    -------
    str
        Sentences, or nothing.
    """
    sure = " How sure a month of a cell is: NEE_low and NEE_high." if "NEE_low" in product else ""
    return sure + (" Where and when not to believe it: AOA." if "AOA" in product else "")


def describe_companions(product: xr.Dataset, attrs: Mapping[Any, Any]) -> None:
    """Set the attributes of what stands beside NEE, in place, and forget what is said of what does not.

    Parameters
    ----------
    product
        Maps of a file, with global attributes.
    attrs
        Of the predicted map: with ``calibration`` and ``applicability``, as JSON, where these are told.
    """
    names = companions_of(product)
    texts = _of_intervals(facts_of(attrs, "calibration")) | _of_applicability(facts_of(attrs, "applicability"))
    for name in names:
        product[name].attrs = {**texts[name], **beside(product, name), "coverage_content_type": content(name)}
    if "NEE_quantile" in names:
        product["quantile"].attrs = {"long_name": "level of the quantile over members", "units": "1"}
    for fact, own in _FACTS.items():
        if not set(own) & set(names) and product.attrs.get(fact) == attrs.get(fact):  # not one of the user's own
            product.attrs.pop(fact, None)


def _of_intervals(facts: Mapping[str, Any]) -> dict[str, dict[str, object]]:
    level = f"{100 * facts['level']:g} % " if "level" in facts else ""
    how = "How they were calibrated is not told."
    if facts:
        told = {"sites": "{} towers that were left out", "scheme": "scheme {}", "folds": "{} folds",
                "members": "{} members"}  # fmt: skip
        how = (
            "NEE +- factor sqrt(NEE_std2 + residual2), factor and residual by forest type, such that the level held on "
            f"{', '.join(text.format(facts[key]) for key, text in told.items() if key in facts)} (attribute "
            "calibration). A promise on average over sites, and none for each."
        )
    texts: dict[str, dict[str, object]] = {
        name: {
            "long_name": f"{word} bound of the {level}prediction interval of NEE of one month of one cell",
            **ON_FOREST,
            "comment": f"{_NO_SUM} {how}",
        }
        for name, word in (("NEE_low", "lower"), ("NEE_high", "upper"))
    }
    texts["NEE_quantile"] = {
        "long_name": "quantile of NEE over the members of the ensemble",
        **ON_FOREST,
        "comment": "Each member mixed by pft_fraction; linear between the ordered members (Hyndman and Fan 1996, "
        "doi:10.1080/00031305.1996.10473566, definition 7). How far networks that saw the same towers disagree, and no "
        "interval of NEE. Not to be added up: the quantile of a sum is no sum of quantiles (see NEE_total).",
    }
    return texts


def _of_applicability(facts: Mapping[str, Any]) -> dict[str, dict[str, object]]:
    made = ", ".join(f"{key}: {facts[key]}" for key in ("weights", "seed", "folds") if key in facts)
    others = [pft for pft, own in facts.get("own", {}).items() if not own]
    stand_in = f" Of {', '.join(others)}, with too few towers, the windows of all types stand in." if others else ""
    return {
        "AOA": {
            "long_name": "share of the forest of the cell that is inside the area of applicability",
            **ON_CELL,
            "cell_methods": "area: mean where trees",
            "comment": f"0: all of it is outside, 1: all inside. {_INSIDE} Inside, expect errors like those at towers "
            "that were left out; it does not say that they are small.",
        },
        "DI": {
            "long_name": "dissimilarity index of the drivers of a forest type to those at its towers",
            **ON_CELL,
            "comment": "Distance of the window of months to the nearest training window of the type, over the mean "
            f"distance between training windows; drivers weigh as they matter to the networks. {_INSIDE}"
            + f" Made with {made}."
            * bool(made),
        },
        "DI_threshold": {
            "long_name": "largest dissimilarity index inside the area of applicability",
            "units": "1",
            "comment": f"{_INSIDE}{stand_in}",
        },
    }


def restore_companions(inside: xr.Dataset) -> xr.Dataset:
    """Turn what stands beside NEE in a file back into the order and units used inside.

    Parameters
    ----------
    inside
        A product as xarray opens it.

    Returns
    -------
    xarray.Dataset
        Fluxes in g C m-2 month-1; types and quantiles before time.
    """
    for name in companions_of(inside):
        variable = inside[name]
        first = [dim for dim in ("quantile", "pft") if dim in variable.dims]
        units = VARIABLES[TARGET].units if name in FLUXES else "1"
        kept = {key: variable.attrs[key] for key in ("long_name", "comment") if key in variable.attrs}
        inside = inside.assign({name: variable.transpose(*first, ...).assign_attrs({})})
        inside[name].attrs = {"units": units, **kept}
    return inside
