"""Whether errors and a map are of the same networks: what each tells of itself is compared."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import xarray as xr

from xnee.evaluation.schemes import LEFT_OUT

__all__ = ["NETWORKS", "check_leaves_sites_out", "check_same_networks", "plain"]

NETWORKS = ("drivers", "lags", "members", "strategy", "context", "towers")
"""What the networks of a cross-validation and of a map must have in common; each is compared where both tell it."""


def check_leaves_sites_out(cv: xr.Dataset, *, what: str) -> None:
    """Refuse errors of months of known towers: they are no test of a map.

    Parameters
    ----------
    cv
        From `xnee.crossvalidate`, or what `calibrate` made of it.
    what
        What is judged by it, with its verb, for the message.

    Raises
    ------
    ValueError
        If its scheme leaves no sites out.
    """
    scheme = cv.attrs.get("scheme")
    if scheme not in LEFT_OUT:
        msg = (
            f"{what} judged on sites never seen; this is of the scheme {scheme!r}. Give what crossvalidate, or "
            f"calibrate after it, gives with one of {', '.join(LEFT_OUT)}; what evaluate gives holds no single months."
        )
        raise ValueError(msg)


def check_same_networks(predicted: xr.Dataset, calibration: xr.Dataset, *, what: str) -> None:
    """Refuse errors of other networks than the map's; what one of the two does not tell is not compared.

    Parameters
    ----------
    predicted
        What carries the card of the model: a map, a product or a budget.
    calibration
        What carries the settings of the networks that were tested: from `calibrate` or `xnee.crossvalidate`.
    what
        The second one, for the message, with its verb.

    Raises
    ------
    ValueError
        If drivers, lags, members or strategy differ.
    """
    mapped, tested = _of_map(predicted), _of_calibration(calibration)
    differ = [
        f"{name}: {tested[name]} there, {mapped[name]} in the map"
        for name in NETWORKS
        if None not in (mapped.get(name), tested.get(name)) and mapped[name] != tested[name]
    ]
    if differ:
        msg = (
            f"{what} of other networks than the map. {'; '.join(differ)}. Run crossvalidate with the "
            "settings of the fit and give what comes of that; or predict with a model that was fitted as there."
        )
        raise ValueError(msg)


def _of_map(predicted: xr.Dataset) -> dict[str, object]:
    """Read from the card of the model what its networks are; what no card tells is missing."""
    try:
        card = json.loads(str(predicted.attrs.get("model", "{}")))
    except json.JSONDecodeError:
        return {}
    if not isinstance(card, dict):
        return {}
    provenance = card.get("provenance") or {}
    # a selection is recorded where strategy="auto" made one
    inferred = "by type" if "search" in provenance else "auto" if provenance.get("selection") else None
    told: dict[str, object] = {name: card[name] for name in ("lags", "members") if name in card}
    strategy = card.get("strategy") or provenance.get("strategy") or inferred
    # a search decides for each type, which crossvalidate can only be given as a strategy by type
    told["strategy"] = "by type" if strategy == "searched" else strategy
    if provenance.get("sites"):
        told["towers"] = len(provenance["sites"])
    if "context" in provenance.get("settings", {}):
        told["context"] = str(provenance["settings"]["context"])
    return told | ({"drivers": _together(card["drivers"])} if "drivers" in card else {})


def _of_calibration(calibration: xr.Dataset) -> dict[str, object]:
    told = {name: plain(calibration.attrs[name]) for name in NETWORKS if name in calibration.attrs}
    return told | ({"drivers": _together(str(told["drivers"]).split(", "))} if "drivers" in told else {})


def _together(drivers: list[str]) -> str:
    """Write drivers so that their order, which is that of inputs, says nothing."""
    return ", ".join(sorted(drivers))


def plain(value: Any) -> Any:
    """Turn a number of numpy, as files give it, into one of Python.

    Parameters
    ----------
    value
        Anything.

    Returns
    -------
    Any
        The same number, or `value` itself.

    Examples
    --------
    >>> plain(np.float32(0.5)), plain("knndm")
    (0.5, 'knndm')
    """
    return value.item() if isinstance(value, np.generic) else value
