"""One driver into the store: regridded month by month, then turned into tiles that hold all months."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from xnee.bars import bar
from xnee.cube.filling import fill_gaps
from xnee.cube.ledger import Partial
from xnee.cube.opening import Opened
from xnee.cube.recipe import DriverRecipe, Recipe
from xnee.cube.regridding import matching, slabs
from xnee.cube.staging import Region, Staging
from xnee.variables import VARIABLES

__all__ = ["create", "write_driver"]

_MOST = 0.01
"""Share of values beyond the plausible range that may be broken values. More are another unit."""


def create(group: zarr.Group, name: str, *, dims: Sequence[str], shape: Sequence[int], tile: int, dtype: str) -> Any:
    """Make an empty array with one chunk for each tile; one that is there already is replaced.

    Parameters
    ----------
    group
        The store.
    name
        Of the variable.
    dims
        Its dimensions, ending in lat and lon.
    shape
        Its size along each.
    tile
        Cells along one side of a tile.
    dtype
        Of its values.

    Returns
    -------
    zarr.Array
        Open for writing.
    """
    chunks = (*shape[:-2], *(min(tile, size) for size in shape[-2:]))
    return group.create_array(
        name,
        shape=tuple(shape),
        chunks=chunks,
        dtype=dtype,
        fill_value=np.nan if dtype == "f4" else 0,
        dimension_names=list(dims),
        overwrite=True,
    )


def write_driver(
    partial: Partial, opened: Opened, recipe: Recipe, *, regions: Sequence[Region], progress: bool
) -> dict[str, Any]:
    """Regrid one driver and write it.

    Parameters
    ----------
    partial
        The unfinished cube.
    opened
        The driver.
    recipe
        What the cube is made of.
    regions
        Tiles of the grid.
    progress
        Whether to show a bar on stderr.

    Returns
    -------
    dict
        What is to be said of it: how it was regridded, months without data, values out of range, values filled.

    Raises
    ------
    ValueError
        If more than 1 % of its values lie beyond the plausible range.
    """
    spec = recipe.drivers[opened.name]
    partial.staging.mkdir(exist_ok=True)
    stages = [
        Staging(path=partial.staging / str(i), months=1 if opened.static else opened.months.size, tiles=regions)
        for i in range(len(opened.planes))
    ]
    months = len(stages) * stages[0].months
    with bar(total=months, desc=opened.name, unit="month", disable=not progress) as told:
        for plane, stage in zip(opened.planes, stages, strict=True):
            field = plane.expand_dims("time") if opened.static else plane
            for some, values in slabs(field, recipe.grid, coverage=spec.coverage, chunk=opened.chunk):
                if opened.method == "area":
                    _refuse_unit(opened.name, _outside(opened.name, values).sum(), np.isfinite(values).sum(), most=0.5)
                stage.write(some, values)
                told.update(some.stop - some.start)
    counts = _write_tiles(zarr.open_group(partial.store, mode="r+"), opened, recipe, stages)
    for stage in stages:
        stage.path.unlink()
    _refuse_unit(opened.name, counts["values_out_of_range"], counts["values"], most=_MOST)
    return {
        "regridding": _regridding(opened, recipe, spec),
        "months_without_data": int(counts["months_without_data"]),
        "values_out_of_range": int(counts["values_out_of_range"]),
        "values_filled": int(counts["values_filled"]),
    }


def _regridding(opened: Opened, recipe: Recipe, spec: DriverRecipe) -> str:
    """Say how it came onto the grid."""
    if matching(opened.planes[0], recipe.grid) is not None:
        return "none, the grid is that of the files"
    what = {"area": "mean", "components": "mean of the wind components"}
    return f"{what[opened.method]} by area, where {spec.coverage:.0%} of the cell or more has values"


def _write_tiles(group: zarr.Group, opened: Opened, recipe: Recipe, stages: Sequence[Staging]) -> Counter[str]:
    """Read each tile from the staging files and write it; count what was changed."""
    name, grid, method = opened.name, recipe.grid, recipe.drivers[opened.name].fill
    space = (grid.lat.size, grid.lon.size)
    shape = space if opened.static else (recipe.months.size, *space)
    dims = ("lat", "lon") if opened.static else ("time", "lat", "lon")
    array = create(group, name, dims=dims, shape=shape, tile=recipe.tile, dtype="f4")
    flags = create(group, f"{name}_filled", dims=dims, shape=shape, tile=recipe.tile, dtype="i1") if method else None
    counts: Counter[str] = Counter(values=0, values_out_of_range=0, values_filled=0)
    seen = np.zeros(1 if opened.static else recipe.months.size, dtype=bool)
    for number, tile in enumerate(stages[0].tiles):
        planes = [
            stage.read(number)[0] if opened.static else _spread(stage.read(number), opened, recipe) for stage in stages
        ]
        values = opened.combine(tuple(planes))
        outside = _outside(name, values)
        counts.update(values=int(np.isfinite(values).sum()), values_out_of_range=int(outside.sum()))
        values[outside] = np.nan
        seen |= np.isfinite(values).reshape(seen.size, -1).any(axis=1)
        place = (..., tile["lat"], tile["lon"])
        if method and flags is not None:
            planes = [np.where(np.isnan(values), np.float32(np.nan), plane) for plane in planes]
            filled = opened.combine(tuple(fill_gaps(plane, recipe.months, method=method) for plane in planes))
            new = np.isnan(values) & np.isfinite(filled)
            counts.update(values_filled=int(new.sum()))
            values, flags[place] = np.where(new, filled, values), new.astype("i1")
        array[place] = np.clip(values, VARIABLES[name].low, VARIABLES[name].high)
    counts.update(months_without_data=int((~seen).sum()))
    return counts


def _spread(values: NDArray[np.float32], opened: Opened, recipe: Recipe) -> NDArray[np.float32]:
    """Lay the months that there are over those of the period."""
    if opened.static:
        first: NDArray[np.float32] = values[0]
        return first
    if opened.months.size == recipe.months.size:
        return values
    whole = np.full((recipe.months.size, *values.shape[1:]), np.nan, dtype="f4")
    whole[opened.months] = values
    return whole


def _outside(name: str, values: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Find what lies beyond the plausible range; NaN does not."""
    row = VARIABLES[name]
    margin = 1e-6 * (row.high - row.low)  # float32 and averages round
    outside: NDArray[np.bool_] = (values < row.low - margin) | (values > row.high + margin)
    return outside


def _refuse_unit(name: str, outside: int, known: int, *, most: float) -> None:
    """Refuse a driver of which so much is out of range that its unit must be another."""
    if outside > most * known:
        row = VARIABLES[name]
        msg = (
            f"drivers.{name}: {outside} of {known} values lie beyond {row.low:g}..{row.high:g} {row.units}: they are "
            "in another unit than was read. Say units or scale in its options."
        )
        raise ValueError(msg)
