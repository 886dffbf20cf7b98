"""From a cube and a model to a lazy map of NEE."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import numpy as np
import xarray as xr
from dask.base import tokenize
from numpy.typing import NDArray

from xnee.checking import check_drivers, check_range, check_time
from xnee.pft import PFTS, check_pfts, mix
from xnee.variables import TARGET, VARIABLES, labels
from xnee.windowing import WindowSpec, stack_drivers

__all__ = ["Model", "predict"]


_CARRIED = ("climatology", "land_cover", "region")
"""Attributes of a cube that a map made of it must carry too."""
_FRACTION_RULE = (
    "pft_fraction must be 0 or more, without gaps (use fillna(0) over the sea), and add up to at most 1 in each cell; "
    "found {:.3g} to a sum of {:.3g}. Divide by 100 if it is in percent."
)


class Model(Protocol):
    """Anything that predicts series of drivers: a fitted `NEEModel`, or a double in a test."""

    @property
    def window(self) -> WindowSpec:
        """Drivers and lags."""
        ...

    @property
    def members(self) -> int:
        """Networks in an ensemble."""
        ...

    @property
    def fallback(self) -> Sequence[str]:
        """PFTs predicted by a stand-in."""
        ...

    @property
    def fingerprint(self) -> str:
        """Text that changes when the model does."""
        ...

    def predict_series(self, pft: str, x: NDArray[np.floating]) -> NDArray[np.float32]:
        """Map ``(series, time, driver)`` to ``(member, series, time)``, NaN where a window has a gap."""
        ...


def predict(cube: xr.Dataset, model: Model, *, tile: int = 64) -> xr.Dataset:
    """Predict monthly NEE wherever forest stands.

    Nothing is computed yet: the result is lazy, in tiles of `tile` by `tile` cells with time whole. A tile needs
    about ``tile**2 * months * (drivers + 2 * members * pfts) * 4`` bytes, the kernel below 100 MB more. Windows are
    never built; only cells with forest are run, each for the PFTs that cover it.

    Parameters
    ----------
    cube
        Drivers ``(time, lat, lon)`` in canonical units with ``pft_fraction (pft, lat, lon)``, 0 to 1; or towers
        ``(site, time)`` with ``pft (site)``. NEE is not needed.
    model
        What `xnee.fit` or `xnee.load_model` gave.
    tile
        Cells along one side of a tile.

    Returns
    -------
    xarray.Dataset
        ``NEE`` and ``NEE_std (time, lat, lon)``: the mean of the members' mixed fluxes and their standard
        deviation, g C m-2 month-1 per square metre of forest, positive into the atmosphere. ``NEE_member
        (member, pft, time, lat, lon)``, same unit, per square metre of that type. ``forest_fraction (lat, lon)``,
        ``pft_fraction`` as given and ``fallback (pft)``, 1 where the pooled model stands in for a type with too
        few towers. Missing without forest, in the first `lags` months, and where a window holds a gap. Lazy.
        From towers the same with ``site`` in place of ``lat, lon``.

    Raises
    ------
    ValueError
        If a driver of the model is missing or in another unit, the time axis is not whole months in order or
        shorter than a window, or a PFT or a fraction is not valid.

    Examples
    --------
    >>> from xnee.models.per_pft import fit
    >>> from xnee.models.training import FitSpec
    >>> from xnee.sources.synthetic import synthetic_cube, synthetic_towers
    >>> model = fit(synthetic_towers(), ["TEMP"], lags=2, members=1, training=FitSpec(epochs=1))
    >>> predict(synthetic_cube(), model)["NEE"].dims
    ('time', 'lat', 'lon')
    """
    if not isinstance(tile, int) or tile < 1:
        msg = f"tile must be 1 cell or more along a side, got {tile!r}."
        raise ValueError(msg)
    if not callable(getattr(model, "predict_series", None)):
        msg = f"predict needs a fitted model, got {type(model).__name__}. Read one with xnee.load_model(folder)."
        raise TypeError(msg)
    cube = _with_fraction(cube)
    _check(cube, model)
    space = [str(dim) for dim in cube["pft_fraction"].dims if dim != "pft"]
    blocks = dict.fromkeys(space, tile)
    # one cut for cover and drivers, whatever chunks each came in
    fraction = cube["pft_fraction"].astype("f4").chunk({"pft": -1, **blocks})
    x = stack_drivers(cube, model.window.drivers).transpose(*space, "time", "driver").astype("f4")
    member = xr.apply_ufunc(
        _predict_block,
        x.chunk({"time": -1, "driver": -1, **blocks}),
        fraction.transpose(..., "pft"),
        kwargs={"model": model, "pfts": tuple(labels(fraction["pft"]).tolist())},
        input_core_dims=[["time", "driver"], ["pft"]],
        output_core_dims=[["member", "pft", "time"]],
        dask="parallelized",
        output_dtypes=["f4"],
        dask_gufunc_kwargs={"output_sizes": {"member": model.members}},
    ).transpose("member", "pft", "time", *space)
    return _describe(member, cube.assign(pft_fraction=fraction), model)


def _predict_block(
    x: NDArray[np.float32], fraction: NDArray[np.float32], *, model: Model, pfts: tuple[str, ...]
) -> NDArray[np.float32]:
    """Run one tile: ``(..., time, driver)`` and ``(..., pft)`` to ``(..., member, pft, time)``."""
    _check_block(x, fraction, model.window.drivers)
    result = np.full((*fraction.shape[:-1], model.members, len(pfts), x.shape[-2]), np.nan, dtype="f4")
    for k, pft in enumerate(pfts):
        covered = fraction[..., k] > 0
        if covered.any():
            result[covered, :, k] = model.predict_series(pft, x[covered]).swapaxes(0, 1)
    return result


def _check_block(x: NDArray[np.float32], fraction: NDArray[np.float32], drivers: Sequence[str]) -> None:
    """Refuse cover and drivers of a tile that cannot be right: the values of a lazy cube are seen here first."""
    if not (np.isfinite(fraction).all() and (fraction >= 0).all() and (fraction.sum(axis=-1) <= 1 + 1e-4).all()):
        raise ValueError(_FRACTION_RULE.format(np.nanmin(fraction), np.nanmax(fraction.sum(axis=-1))))
    if drivers:
        forest = x[fraction.sum(axis=-1) > 0]
        for k, name in enumerate(drivers):
            check_range(name, forest[..., k])


def _describe(member: xr.DataArray, cube: xr.Dataset, model: Model) -> xr.Dataset:
    fraction = cube["pft_fraction"].astype("f4")
    mixed = mix(member, fraction)
    order = tuple(dim for dim in member.dims if dim not in ("member", "pft"))
    row = VARIABLES[TARGET]
    forest = "per square metre of forest"
    result = xr.Dataset(
        {
            "NEE": mixed.mean("member", skipna=False).transpose(*order),
            "NEE_std": _spread(mixed).transpose(*order),
            "NEE_member": member,
            "pft_fraction": fraction,
            "forest_fraction": fraction.sum("pft"),
            "fallback": ("pft", [int(p in model.fallback) for p in labels(fraction["pft"])]),
        },
        attrs={
            "model_fingerprint": model.fingerprint,
            "cube_fingerprint": _fingerprint(cube, model),
            "model": json.dumps(_model_card(model)),
            **{name: cube.attrs[name] for name in _CARRIED if name in cube.attrs},
            "history": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} xnee.predict",
        },
    )
    result["NEE"].attrs = {"units": row.units, "long_name": f"{row.long_name}, {forest}"}
    result["NEE_std"].attrs = {
        "units": row.units,
        "long_name": f"standard deviation of NEE over ensemble members, {forest}",
    }
    result["NEE_member"].attrs = {"units": row.units, "long_name": "NEE of each member for each forest type"}
    result["pft_fraction"].attrs = {"units": "1", "long_name": "share of the cell under each forest type"}
    result["forest_fraction"].attrs = {"units": "1", "long_name": "share of the cell under forest"}
    result["fallback"].attrs = {"long_name": "1 where a pooled model stands in for a type with too few towers"}
    result["fallback"] = result["fallback"].astype("i1")
    return result


def _spread(mixed: xr.DataArray) -> xr.DataArray:
    """Give the standard deviation over members (n - 1); one member has none."""
    if mixed.sizes["member"] == 1:
        return mixed.isel(member=0, drop=True) * np.nan
    return mixed.std("member", skipna=False, ddof=1)


def _model_card(model: Model) -> dict[str, object]:
    return {
        "drivers": list(model.window.drivers),
        "lags": model.window.lags,
        "members": model.members,
        "fallback": list(model.fallback),
        "fingerprint": model.fingerprint,
        "provenance": dict(getattr(model, "provenance", {})),
    }


def _with_fraction(cube: xr.Dataset) -> xr.Dataset:
    """Give towers a cover: all of a tower is its own PFT."""
    if "pft_fraction" in cube:
        return cube
    if "site" not in cube.dims or "pft" not in cube.coords:
        msg = (
            "prediction needs pft_fraction (pft, lat, lon), or towers with a coordinate pft (site); the Dataset has "
            f"{list(cube.variables)}. Make it with xnee.read_land_cover and assign it to the cube."
        )
        raise ValueError(msg)
    names = labels(cube["pft"])
    check_pfts(names)
    own = (np.array(PFTS)[:, None] == names).astype("f4")
    towers = cube.drop_vars("pft")
    return towers.assign(pft_fraction=(("pft", "site"), own)).assign_coords(pft=list(PFTS))


def _check(cube: xr.Dataset, model: Model) -> None:
    lacking = [name for name in model.window.drivers if name not in cube]
    if lacking:
        msg = (
            f"the model was trained on {list(model.window.drivers)}, but the cube lacks {lacking}; it has "
            f"{list(cube.data_vars)}. Add them to the cube, or fit a model on the drivers that both have."
        )
        raise ValueError(msg)
    check_time(cube)
    _check_axes(cube)
    check_drivers(cube, model.window.drivers)
    if cube.sizes["time"] < model.window.length:
        msg = (
            f"a window is {model.window.length} months long, the cube only {cube.sizes['time']}. Give it the months "
            "before the period to be predicted too."
        )
        raise ValueError(msg)
    fraction = cube["pft_fraction"]
    if "pft" not in fraction.coords:
        msg = f"pft_fraction must name its types in a coordinate pft; it has dimensions {fraction.dims} only."
        raise ValueError(msg)
    check_pfts(labels(fraction["pft"]))
    space = set(cube[model.window.drivers[0]].dims) - {"time"}
    if set(fraction.dims) - {"pft"} != space or not space:
        msg = (
            f"pft_fraction must have the dimensions pft and {sorted(map(str, space))} of the drivers; it has "
            f"{list(fraction.dims)}. Choose one year of a cover that changes, and drop other dimensions."
        )
        raise ValueError(msg)
    if isinstance(fraction.variable._data, np.ndarray):  # in memory; a lazy one is looked at tile by tile
        _check_block(np.empty((0,), dtype="f4"), fraction.transpose(..., "pft").to_numpy(), ())


def _check_axes(cube: xr.Dataset) -> None:
    if {"latitude", "longitude"} & set(cube.dims):
        msg = (
            f"a cube has the dimensions (time, lat, lon), this one {list(cube.dims)}. Rename them: "
            'cube.rename(latitude="lat", longitude="lon").'
        )
        raise ValueError(msg)
    if "lat" in cube.dims and cube.sizes["lat"] > 1 and float(cube["lat"][0]) > float(cube["lat"][-1]):
        msg = 'lat must ascend; this cube runs from north to south. Sort it: cube.sortby("lat").'
        raise ValueError(msg)
    if "lon" in cube.dims and float(cube["lon"].max()) > 180:
        msg = (
            f"lon must lie in -180..180; this cube reaches {float(cube['lon'].max()):.6g}. Turn it: "
            "cube.assign_coords(lon=(cube.lon + 180) % 360 - 180).sortby('lon')."
        )
        raise ValueError(msg)


def _fingerprint(cube: xr.Dataset, model: Model) -> str:
    """Name the content of a cube: by value where it is in memory, by its graph and its files where it is lazy."""
    used = cube[[*model.window.drivers, "pft_fraction"]]
    sources = [cube.encoding, *(variable.encoding for variable in used.variables.values())]
    files = {str(encoding["source"]) for encoding in sources if "source" in encoding}
    return str(tokenize(used, sorted(_stamp(Path(file)) for file in files)))[:16]


def _stamp(path: Path) -> tuple[str, int, int]:
    """Path, size and last change of a file, or of all files of a zarr store: values rewritten in place change it."""
    stats = [file.stat() for file in (path.rglob("*") if path.is_dir() else [path]) if file.is_file()]
    return str(path), sum(stat.st_size for stat in stats), max((stat.st_mtime_ns for stat in stats), default=0)
