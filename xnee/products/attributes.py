"""Global attributes of a product file: title, coverage and provenance, in the names of CF and ACDD."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Mapping
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from xnee.products.axes import crs_of, extent, months, space_of
from xnee.products.words import CAVEAT, SIGN

__all__ = ["check_attrs", "command", "global_attrs", "lags_of", "package_version"]

_SOFTWARE = ("xnee", "numpy", "xarray", "dask", "zarr", "netCDF4", "torch")


def check_attrs(attrs: Mapping[str, object] | None) -> None:
    """Refuse attributes that no file can hold.

    Parameters
    ----------
    attrs
        Global attributes of the user's own.

    Raises
    ------
    TypeError
        If a name is no text, or a value is neither text nor number.
    """
    for name, value in (attrs or {}).items():
        if not isinstance(name, str) or not isinstance(value, str | int | float | np.integer | np.floating):
            msg = f"attributes of a file have names, and values that are text or numbers; got {name!r}: {value!r}."
            raise TypeError(msg)


def global_attrs(predicted: xr.Dataset, *, attrs: Mapping[str, object] | None) -> dict[str, object]:
    """Write title, summary, coverage and provenance.

    Parameters
    ----------
    predicted
        Maps with their axes and the attributes that `xnee.predict` gave them.
    attrs
        The user's own, which go over those made here; ``Conventions`` stays.

    Returns
    -------
    dict
        Text and numbers. No clock is in it, see `command` and the history for that.
    """
    time, mean = months(predicted), "climatology" in predicted.attrs
    fingerprint = sha256("".join(str(predicted.attrs.get(f"{x}_fingerprint")) for x in ("model", "cube")).encode())
    return {
        "title": "Net ecosystem exchange of carbon of forests, monthly",
        "summary": "Monthly net ecosystem exchange of the forest of each cell, learned at eddy-covariance towers by "
        "ensembles of networks and mapped by the cover of the forest types.",
        "keywords": "EARTH SCIENCE > BIOSPHERE > ECOLOGICAL DYNAMICS > ECOSYSTEM FUNCTIONS > CARBON FLUX, "
        "net ecosystem exchange, forest, eddy covariance",
        "keywords_vocabulary": "GCMD Science Keywords",
        "source": "xnee: networks trained on eddy-covariance towers, applied to gridded drivers; towers, drivers and "
        "settings in the attribute model",
        "references": "Method after Wu et al., Predicting Net Ecosystem Carbon Exchange of Typical Forest Ecosystems "
        "in China Based on ChinaFLUX",
        "comment": f"{SIGN} {CAVEAT}" + " The drivers are a climatology: every year is the mean year." * mean,
        "processing_level": "model output, gridded",
        "standard_name_vocabulary": "CF Standard Name Table v93",
        "id": f"xnee-{fingerprint.hexdigest()[:12]}",
        "product_version": f"xnee {version('xnee')}, model {predicted.attrs.get('model_fingerprint', 'unknown')}",
        "cdm_data_type": "Grid",
        "platform": "Models",
        "platform_vocabulary": "GCMD Platform Keywords",
        "instrument": "eddy covariance towers",
        **_place(predicted),
        "time_coverage_start": f"{time[0]:%Y-%m-%dT00:00:00Z}",
        "time_coverage_end": f"{time[-1] + pd.offsets.MonthBegin(1):%Y-%m-%dT00:00:00Z}",
        "time_coverage_duration": f"P{time.size}M",
        "time_coverage_resolution": "P1M",
        **_towers(predicted),
        "software": ", ".join(f"{name} {package_version(name)}" for name in _SOFTWARE),
        **predicted.attrs,
        **(attrs or {}),
        "Conventions": "CF-1.11, ACDD-1.3",
    }


def _place(predicted: xr.Dataset) -> dict[str, object]:
    """Say where the cells are, by their outer edges."""
    box = extent(predicted, crs_of(predicted))
    west, south, east, north = (box[side] for side in ("west", "south", "east", "north"))
    ring = [(south, west), (north, west), (north, east), (south, east), (south, west)]
    degrees = space_of(predicted) == ("lat", "lon")
    return {
        "geospatial_bounds": "POLYGON ((" + ", ".join(f"{lat:.10g} {lon:.10g}" for lat, lon in ring) + "))",
        "geospatial_bounds_crs": "EPSG:4326",  # in which latitude comes first
        "geospatial_lat_min": south,
        "geospatial_lat_max": north,
        "geospatial_lon_min": west,
        "geospatial_lon_max": east,
        "geospatial_lat_units": "degrees_north",
        "geospatial_lon_units": "degrees_east",
        **{
            f"geospatial_{dim}_resolution": f"{_step(predicted[dim]):.10g} {'degrees' if degrees else 'm'}"
            for dim in space_of(predicted)
        },
    }


def _step(axis: xr.DataArray) -> float:
    return float(np.median(np.abs(np.diff(axis.to_numpy()))))


def _towers(predicted: xr.Dataset) -> dict[str, object]:
    """Name the towers that a model learned from, with the licences of their data, from its card."""
    facts = _card(predicted).get("provenance") or {}
    sites = facts.get("sites") or []
    licences = facts.get("site_licence") or [""] * len(sites)
    told = [(str(site), str(licence or "licence not told")) for site, licence in zip(sites, licences, strict=True)]
    if not told:
        return {}
    kinds = sorted({licence for _, licence in told})
    return {
        "sites": ", ".join(f"{site} ({licence})" for site, licence in told),
        "acknowledgement": f"Made with the data of {len(told)} eddy-covariance towers, listed in the attribute sites; "
        "cite them as their licences ask.",
        "license": f"Learned from data under: {'; '.join(kinds)} (attribute sites). What they ask for holds for this "
        "file, beside what its creator says.",
    }


def _card(predicted: xr.Dataset) -> dict[str, Any]:
    """Read the card of the model."""
    try:
        card = json.loads(str(predicted.attrs.get("model", "{}")))
    except json.JSONDecodeError:
        card = {}
    return card if isinstance(card, dict) else {}


def lags_of(predicted: xr.Dataset) -> int:
    """Read from the card of the model how many months before a month it looks at.

    Parameters
    ----------
    predicted
        Maps with the attributes that `xnee.predict` gave them.

    Returns
    -------
    int
        0 if no card says so.
    """
    return int(_card(predicted).get("lags", 0))


def command() -> str:
    """Give the command that is running.

    Returns
    -------
    str
        As typed in a shell; empty in a notebook or a console.
    """
    first = Path(sys.argv[0]).name if sys.argv else ""
    interactive = hasattr(sys, "ps1") or first in ("", "-c", "-m") or first.startswith("ipykernel")
    return "" if interactive else shlex.join([first, *sys.argv[1:]])


def package_version(package: str) -> str:
    """Give the version of a package.

    Parameters
    ----------
    package
        Its name.

    Returns
    -------
    str
        ``absent`` if it is not installed.
    """
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"
