"""What a predicted map says of itself: names, units, covers, model and cube."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import xarray as xr
from dask.base import tokenize

from xnee.context import period
from xnee.prediction.contract import Model
from xnee.prediction.cover import Cover
from xnee.variables import TARGET, VARIABLES

__all__ = ["cube_fingerprint", "describe"]

_CARRIED = ("climatology", "land_cover", "region", "crs")
"""Attributes of a cube that a map made of it must carry too."""
_GRID = ("spatial_ref", "crs")
"""Variables in which a map in a projection says in which."""


def describe(maps: dict[str, xr.DataArray], cube: xr.Dataset, model: Model, cover: Cover) -> xr.Dataset:
    """Put a predicted Dataset together.

    Parameters
    ----------
    maps
        ``NEE``, ``NEE_std``, ``NEE_member``, ``pft_fraction``, ``cell_months``, lazy.
    cube, model, cover
        What they are made of.

    Returns
    -------
    xarray.Dataset
        As of `xnee.predict`.
    """
    fallback = np.array([int(pft in model.fallback) for pft in cover.pfts], dtype="i1")
    said = {
        "model_fingerprint": model.fingerprint,
        "cube_fingerprint": cube_fingerprint(cube, model, cover),
        "model": json.dumps(_model_card(model)),
        **{name: cube.attrs[name] for name in _CARRIED if name in cube.attrs},
        **({"cover": cover.said} if cover.said else {}),
        **_context_period(cube, model),
        "history": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} xnee.predict",
    }
    fraction = maps["pft_fraction"]
    result = xr.Dataset(
        {**maps, "forest_fraction": fraction.sum("pft"), "fallback": ("pft", fallback)},
        coords={name: cube[name].variable for name in _GRID if name in cube.variables and "x" in cover.space},
        attrs=said,
    )
    _say(result, cover)
    return result


def _say(result: xr.Dataset, cover: Cover) -> None:
    row = VARIABLES[TARGET]
    forest = "per square metre of forest" + (" as it is on the mean of the months" if cover.said else "")
    share = " on the mean of the months" if cover.said else ""
    words = {
        "NEE": (row.units, f"{row.long_name}, {forest}"),
        "NEE_std": (row.units, f"standard deviation of NEE over ensemble members, {forest}"),
        "NEE_member": (row.units, "NEE of each member for each forest type"),
        "pft_fraction": ("1", f"share of the cell under each forest type{share}"),
        "forest_fraction": ("1", f"share of the cell under forest{share}"),
        "fallback": ("1", "1 where a pooled model stands in for a type with too few towers"),
        "cell_months": ("1", "months of forest cells by what became of them; a gap may be of several drivers"),
    }
    for name, (units, text) in words.items():
        result[name].attrs = {"units": units, "long_name": text}
    for name in ("fallback",):
        del result[name].attrs["units"]


def _model_card(model: Model) -> dict[str, object]:
    return {
        "drivers": list(model.window.drivers),
        "lags": model.window.lags,
        "members": model.members,
        "fallback": list(model.fallback),
        **({"strategy": strategy} if (strategy := getattr(model, "strategy", "")) else {}),
        "fingerprint": model.fingerprint,
        "provenance": dict(getattr(model, "provenance", {})),
    }


def cube_fingerprint(cube: xr.Dataset, model: Model, cover: Cover) -> str:
    """Name the content of a cube: by value where it is in memory, by its graph and its files where it is lazy.

    Parameters
    ----------
    cube
        Drivers.
    model
        Which of them are read.
    cover
        Which cover is.

    Returns
    -------
    str
        Sixteen hex digits.
    """
    used = [*model.window.drivers, *(["context"] if "context" in cube else [])]
    variables = {name: _token(cube[name]) for name in used}
    sources = [cube.encoding, *(cube[name].encoding for name in [*used, *cube.coords])]
    files = {str(encoding["source"]) for encoding in sources if "source" in encoding}
    parts = (variables, _token(cover.maps), cover.month, sorted(_stamp(Path(file)) for file in files))
    return str(tokenize(parts))[:16]


def _token(array: xr.DataArray) -> object:
    """Name an array without reading it from a file."""
    if array.chunks is not None or isinstance(array.variable._data, np.ndarray):
        return tokenize(array)
    # a file that was opened and not read: which one says its stamp, which part of it say the coordinates
    own = {name: value.variable for name, value in array.coords.items() if name in array.dims}
    return tokenize(array.name, array.dims, array.shape, str(array.dtype), own, array.attrs)


def _stamp(path: Path) -> tuple[str, int, int]:
    """Path, size and last change of a file, or of all files of a zarr store: values rewritten in place change it."""
    stats = [file.stat() for file in (path.rglob("*") if path.is_dir() else [path]) if file.is_file()]
    return str(path), sum(stat.st_size for stat in stats), max((stat.st_mtime_ns for stat in stats), default=0)


def _context_period(cube: xr.Dataset, model: Model) -> dict[str, str]:
    """Say over which months the context was taken, where networks read it: a longer cube has another one."""
    ensembles = getattr(model, "ensembles", {}).values()
    if not any(ensemble.inputs.statistics for ensemble in ensembles):
        return {}
    if "context" in cube:
        return {"context_period": str(cube["context"].attrs.get("period", "that of the cube's context"))}
    return {"context_period": period(cube["time"])}
