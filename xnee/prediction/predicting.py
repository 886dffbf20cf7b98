"""From a cube and a model to a lazy map of NEE."""

from __future__ import annotations

import logging
from typing import Any
from uuid import uuid4

import dask.array as da
import numpy as np
import xarray as xr
from dask.delayed import delayed

from xnee.context import check_context
from xnee.prediction.checks import check_cube, check_ground, check_model, check_tile
from xnee.prediction.contract import Model
from xnee.prediction.cover import Cover, CoverRule, choose_cover, with_fraction
from xnee.prediction.describing import describe
from xnee.prediction.parcel import Parcel
from xnee.prediction.planning import choose_tile
from xnee.prediction.reading import Reader, amplification, reads_itself
from xnee.prediction.tiles import REASONS, Work, counts_of, lay_out, run_tile

__all__ = ["predict"]

_log = logging.getLogger(__name__)

_TILES, _MEMBERS = "xnee-tiles-", "xnee-members-"
"""Names of the dask arrays of tiles, and of members' fluxes that are laid out from them: the rest of the names is the
same, by which carbon is added up from tiles where nothing was done to the fluxes (see `xnee.products.totals`)."""


def predict(cube: xr.Dataset, model: Model, *, tile: int | None = None, cover: CoverRule = "static") -> xr.Dataset:
    """Predict monthly NEE wherever forest stands.

    Nothing is computed yet: the result is lazy, in tiles of `tile` by `tile` cells with time whole. A tile without
    forest reads no driver. In the others drivers are read one after the other, cells with forest are gathered, and
    each is run for the types that cover it; windows are never built. `xnee.plan` says what it will take.

    Parameters
    ----------
    cube
        Drivers ``(time, lat, lon)`` in canonical units with ``pft_fraction (pft, lat, lon)``, 0 to 1 (a mask of 0
        and 1 is one); ``(time, y, x)`` in a projection that a variable ``spatial_ref`` or ``crs`` or the attribute
        ``crs`` names; or towers ``(site, time)`` with ``pft (site)``. In any chunks. NEE is not needed. A variable
        ``context``, as of `xnee.site_context`, is used instead of the context of the cube's own months.
    model
        What `xnee.fit` or `xnee.load_model` gave.
    tile
        Cells along one side of a tile; by default whole chunks of the cube, of 64 cells or more.
    cover
        ``"static"``: ``pft_fraction`` for all months. ``"by-year"``: for each month the map of its year in
        ``pft_fraction_by_year (year, pft, lat, lon)``, or of the nearest year. Fluxes are then carbon of the cover
        of the month per square metre of the mean cover, so that flux times ``pft_fraction`` times area is carbon.

    Returns
    -------
    xarray.Dataset
        ``NEE`` and ``NEE_std (time, lat, lon)``: the mean of the members' mixed fluxes and their standard
        deviation, g C m-2 month-1 per square metre of forest, positive into the atmosphere. ``NEE_member
        (member, pft, time, lat, lon)``, same unit, per square metre of that type. ``forest_fraction (lat, lon)``,
        ``pft_fraction`` and ``fallback (pft)``, 1 where what predicts a type has learned from others, for want of
        towers. Missing without forest, in the first `lags` months, and where a window holds a gap; ``cell_months
        (outcome)`` counts these. Lazy. From towers the same with ``site`` in place of ``lat, lon``.

    Raises
    ------
    TypeError
        If `model` does not predict.
    ValueError
        If a driver of the model is missing or in another unit, the time axis is not whole months in order or
        shorter than a window, a PFT or a fraction is not valid, or a projected cube names no projection.

    Examples
    --------
    >>> from xnee.models.fitting import fit
    >>> from xnee.models.training import FitSpec
    >>> from xnee.sources.synthetic import synthetic_cube, synthetic_towers
    >>> model = fit(synthetic_towers(), ["TEMP"], lags=2, members=1, training=FitSpec(epochs=1))
    >>> predict(synthetic_cube(), model)["NEE"].dims
    ('time', 'lat', 'lon')
    """
    check_model(model)
    check_tile(tile)
    cube = with_fraction(cube)
    check_cube(cube, model)
    chosen = choose_cover(cube, cover)
    check_ground(cube, model, chosen)
    arrays = _arrays(cube, model, chosen)
    side = choose_tile({n: arrays[n] for n in model.window.drivers}, chosen, tile, members=model.members)
    cut = Cover(
        chosen.maps.chunk({"year": -1, "pft": -1, **dict.fromkeys(chosen.space, side)}), chosen.month, chosen.said
    )
    tiles = _tiles(arrays, model, cut, side)
    # as it came, not as it was cut: the size of tiles is no property of a cube
    return describe(_maps(tiles, cube, model, cut), cube, model, chosen)


def _arrays(cube: xr.Dataset, model: Model, cover: Cover) -> dict[str, xr.DataArray]:
    """Give what a tile needs of a cube, space last."""
    arrays = {name: cube[name] for name in model.window.drivers}
    if "context" in cube:
        arrays["context"] = check_context(cube["context"], model.window.drivers)
    return {name: array.transpose(..., *cover.space).reset_coords(drop=True) for name, array in arrays.items()}


def _tiles(arrays: dict[str, xr.DataArray], model: Model, cover: Cover, side: int) -> da.Array:
    """Lay the work out: one task a tile, in an array with one element a tile."""
    space = cover.space
    itself = reads_itself(arrays, side, space)
    handed: list[Any] = []
    if not itself:
        for name, array in arrays.items():
            whole = {dim: -1 for dim in array.dims if dim not in space}
            chunked = array.chunk({**whole, **dict.fromkeys(space, side)})
            handed += [chunked.data, tuple(f"{name}-{dim}" if dim in whole else dim for dim in array.dims)]
        _warn(arrays, side, space)
    work = Work(
        model=Parcel(model),
        pfts=cover.pfts,
        space=space,
        month=cover.month,
        weights=cover.weights,
        reader=Parcel(Reader(arrays)) if itself else None,
        names=tuple(arrays),
    )
    places = [part for dim in space for part in (da.arange(cover.maps.sizes[dim], chunks=side), (dim,))]
    tiles: da.Array = da.blockwise(  # type: ignore[no-untyped-call]
        run_tile,
        space,
        cover.maps.data,
        ("year", "pft", *space),
        *places,
        *handed,
        # a task of its own: what all tiles share travels to each worker once
        work=delayed(work, name=f"xnee-work-{uuid4().hex}", traverse=False),
        adjust_chunks=dict.fromkeys(space, 1),
        concatenate=True,
        dtype=object,
        meta=np.empty((0,) * len(space), dtype=object),
        name=f"{_TILES}{uuid4().hex}",
    )
    return tiles


def _warn(arrays: dict[str, xr.DataArray], side: int, space: tuple[str, ...]) -> None:
    reads = max((amplification(a, side, space) for a in arrays.values() if a.chunks is not None), default=1)
    if reads > 2:
        _log.warning(
            "tiles of %d cells cut across the chunks of this cube: written tile by tile, it is read up to %.0f times. "
            "Cut it into tiles first, time whole.",
            side,
            reads,
        )


def _maps(tiles: da.Array, cube: xr.Dataset, model: Model, cover: Cover) -> dict[str, xr.DataArray]:
    """Lay the results of tiles out as maps."""
    space, mean = cover.space, cover.mean()
    sizes = {dim: mean.chunksizes[dim] for dim in space}
    months = {"time": cover.month.size}
    ground = {dim: cube[dim] for dim in space if dim in cube.coords}

    def lay(what: str, new: dict[str, int]) -> xr.DataArray:
        dims = (*new, *space)
        data = da.blockwise(  # type: ignore[no-untyped-call]
            lay_out,
            dims,
            tiles,
            space,
            what=what,
            name=tiles.name.replace(_TILES, _MEMBERS) if what == "flux" else None,
            new_axes=new,
            adjust_chunks=sizes,
            dtype="f4",
            meta=np.empty((0,) * len(dims), dtype="f4"),
        )
        own = ground | {"time": cube["time"]} | ({"pft": list(cover.pfts)} if "pft" in dims else {})
        return xr.DataArray(data, dims=dims, coords=own)

    outcomes = [*REASONS, *(f"gap in {name}" for name in model.window.drivers)]
    counts = da.blockwise(  # type: ignore[no-untyped-call]
        counts_of,
        ("outcome", *space),
        tiles,
        space,
        size=len(outcomes),
        new_axes={"outcome": len(outcomes)},
        dtype="i8",
        meta=np.empty((0,) * (1 + len(space)), dtype="i8"),
    )
    return {
        "NEE": lay("nee", months),
        "NEE_std": lay("std", months),
        "NEE_member": lay("flux", {"member": model.members, "pft": len(cover.pfts), **months}),
        "pft_fraction": xr.DataArray(mean.data, dims=mean.dims, coords=ground | {"pft": list(cover.pfts)}),
        "cell_months": xr.DataArray(counts, dims=("outcome", *space), coords={"outcome": outcomes}).sum(space),
    }
