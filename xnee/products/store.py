"""Writing a map tile by tile so that nothing finished is ever lost, and reading it back."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr
import zarr
from dask.base import compute
from dask.config import get as dask_setting
from tqdm import tqdm

from xnee.grid import tiles
from xnee.products.budget import carbon_states, close_states
from xnee.products.cf import FILL, decorate, describe_totals, undecorate
from xnee.products.ledger import Partial, check_target, settings_of
from xnee.products.netcdf import write_netcdf

__all__ = ["open_product", "to_product"]

TILE = 64  # cells, for a map that is not in tiles already
_TIME: dict[str, Any] = {
    "units": "days since 1970-01-01",
    "calendar": "proleptic_gregorian",
    "dtype": "i4",
    "_FillValue": None,
}

Region = dict[str, slice]


def to_product(
    predicted: xr.Dataset,
    path: str | Path,
    *,
    tile: int | None = None,
    attrs: Mapping[str, object] | None = None,
    overwrite: bool = False,
    progress: bool = True,
) -> Path:
    """Compute a predicted map and write it as a CF file.

    Tile after tile is computed on the active dask scheduler, as many at once as it has threads, and put into an
    unfinished store next to the target. After a crash, a kill or a full disk the same command goes on where it
    stopped; the target's name appears only when all is there. Memory: the tiles being computed; a NetCDF file is
    copied from the store in blocks. Tiles without forest are not computed.

    Parameters
    ----------
    predicted
        What ``cube.nee.predict(model)`` gives, NEE in g C m-2 month-1 per square metre of forest.
    path
        Target, ending in ``.nc`` (NetCDF-4) or ``.zarr`` (version 3). Its folder must exist. Nobody else may write
        the same target at the same time.
    tile
        Cells along one side of what is computed, written and never computed again: a multiple of the chunks that
        `predicted` is in. Left out, these themselves.
    attrs
        Global attributes of your own: ``institution``, ``license``, ``creator_name``...
    overwrite
        Whether a product that has this name is replaced, once the new one is complete.
    progress
        Whether to show a bar on stderr.

    Returns
    -------
    pathlib.Path
        The target. What is in it: see `xnee.products.cf.decorate`; beside the maps the carbon totals of each member,
        ``NEE_total (year, pft, member)`` in Tg, from which `budget` makes its table.

    Raises
    ------
    TypeError, ValueError
        If `predicted` is no predicted map, its chunks are not equal, `tile` is no multiple of them, the suffix is
        another, or the unfinished store beside the target was made from something else. Before any work.
    FileExistsError
        If the target is there and `overwrite` is not given.
    FileNotFoundError, PermissionError
        If the target's folder is not there or cannot be written to.

    Examples
    --------
    >>> to_product(xr.Dataset({"GPP": 0.0}), "gpp.nc")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    ValueError: a predicted Dataset, from cube.nee.predict(model), holds NEE, ... are missing.
    """
    product = decorate(predicted, attrs=attrs)
    side = _tile_side(predicted["NEE"], tile)
    partial = Partial(target=Path(path))
    if partial.published():
        partial.clear()
        return partial.target
    check_target(partial.target, overwrite=overwrite)
    settings = settings_of(product, attrs=attrs, tile=side, members=predicted.sizes["member"])
    source = predicted.assign(area=product["area"])
    if not partial.begun(settings):
        _write_template(partial.store, product, _totals(_no_states(source)), side)
        partial.begin(settings)
    regions = list(tiles(product.sizes["lat"], product.sizes["lon"], side))
    try:
        _write_tiles(partial, product, source, regions, progress=progress)
    except Exception:
        if partial.empty():  # nothing is lost, and the next run may be of a cube that was put right
            partial.clear()
        raise
    _write_totals(partial, source, regions)
    if partial.target.suffix == ".nc":
        write_netcdf(partial.store, partial.result, tile=side, progress=progress)
    partial.publish()
    return partial.target


def open_product(path: str | Path, *, chunks: Mapping[str, int] | None = None) -> xr.Dataset:
    """Open a product file in the words used inside xnee.

    Parameters
    ----------
    path
        A file that `to_product` wrote, ``.nc`` or ``.zarr``.
    chunks
        Cells of a dask chunk along ``lat`` and ``lon``; time is whole. Left out, the chunks of the file.

    Returns
    -------
    xarray.Dataset
        As predicted: ``NEE`` and ``NEE_std (time, lat, lon)``, g C m-2 month-1 per square metre of forest, positive
        into the atmosphere; covers, ``fallback``; instead of NEE_member the totals that `budget` reads. Lazy.

    Raises
    ------
    FileNotFoundError
        If nothing has this name.
    ValueError
        If it is not a product.

    Examples
    --------
    >>> open_product("nee.nc")
    Traceback (most recent call last):
        ...
    FileNotFoundError: there is no product nee.nc.
    """
    path = Path(path)
    if not path.exists():
        begun = Partial(target=path).folder.exists()
        hint = " It was begun and not finished: give the command that began it again." if begun else ""
        msg = f"there is no product {path}.{hint}"
        raise FileNotFoundError(msg)
    options: dict[str, Any] = {"engine": "netcdf4"}
    if path.is_dir():
        options = {"engine": "zarr", "consolidated": False}
    whole = dict.fromkeys(("time", "pft", "year", "member", "bnds"), -1)
    try:
        product = xr.open_dataset(path, chunks={**whole, **(chunks or {})}, **options)
    except Exception as error:  # what a damaged file raises is the library's choice
        msg = f"{path} cannot be read as a product: {error}. Write it again with to_product."
        raise ValueError(msg) from error
    return undecorate(product)


def _tile_side(nee: xr.DataArray, tile: int | None) -> int:
    """Give the side of a tile in cells, after checking that tiles are whole dask chunks."""
    blocks = {str(dim): sizes for dim, sizes in nee.chunksizes.items() if dim != "time"}
    for dim, sizes in blocks.items():
        if len(set(sizes[:-1])) > 1 or sizes[-1] > sizes[0]:
            msg = f"chunks of NEE along {dim} must be equal, the last may be smaller; got {sizes}. Rechunk the cube."
            raise ValueError(msg)
    side = max((sizes[0] for sizes in blocks.values()), default=TILE) if tile is None else tile
    whole = isinstance(side, int) and side > 0
    # A dimension in one chunk fits any tile that holds all of it.
    if not whole or any(side % sizes[0] and (len(sizes) > 1 or side < sizes[0]) for sizes in blocks.values()):
        cells = " x ".join(str(sizes[0]) for sizes in blocks.values()) or "any number of"
        msg = f"tile must be a whole number of the chunks of NEE, which are {cells} cells; got {tile}."
        raise ValueError(msg)
    return side


def _maps(product: xr.Dataset) -> list[str]:
    return [str(name) for name, variable in product.variables.items() if {"lat", "lon"} <= set(variable.dims)]


def _write_template(store: Path, product: xr.Dataset, totals: xr.Dataset, side: int) -> None:
    """Write metadata and all small variables; maps and totals are declared and stay empty."""
    # Bounds have no units of their own (CF 7.1): xarray would write some for dates, so they go in as days.
    days = product["time_bnds"].to_numpy().astype("M8[D]").astype("i4")
    template = product.assign(totals.variables).assign(time_bnds=(("time", "bnds"), days))
    for name in [*_maps(product), *totals.data_vars]:
        variable = template[name].variable
        chunks = [min(side, size) if dim in ("lat", "lon") else size for dim, size in variable.sizes.items()]
        # Not the lazy variable itself: its graph would be built only to be thrown away.
        template[name] = variable.copy(data=da.zeros(variable.shape, dtype=variable.dtype, chunks=chunks))
    now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    history = f"{product.attrs.get('history', '')}\n{now} xnee.to_product, xnee {version('xnee')}".strip()
    template.attrs |= {"date_created": now, "history": history}
    encoding = {name: _encoding(variable) for name, variable in template.variables.items()}
    template.to_zarr(store, mode="w", compute=False, zarr_format=3, consolidated=False, encoding=encoding)


def _encoding(variable: xr.Variable) -> dict[str, Any]:
    """Choose how a variable is stored; what is missing and what is not written yet are the same number."""
    if variable.dtype.kind == "M":
        return _TIME
    if variable.dtype == "f4" or ("member" in variable.dims and variable.dtype.kind == "f"):
        missing = variable.dtype.type(FILL)
        return {"_FillValue": missing, "fill_value": missing}
    return {"_FillValue": None}


def _write_tiles(
    partial: Partial, product: xr.Dataset, source: xr.Dataset, regions: Sequence[Region], *, progress: bool
) -> None:
    """Compute and write the tiles that are missing, a few at a time."""
    template = xr.open_zarr(partial.store, consolidated=False, chunks=None)
    nothing = _no_states(source)
    missing = [region for region in regions if not partial.tile_done(region)]
    few = _threads()
    with tqdm(
        total=len(regions), initial=len(regions) - len(missing), desc="NEE", unit="tile", disable=not progress
    ) as bar:
        for batch in (missing[i : i + few] for i in range(0, len(missing), few)):
            for region, (tile, states) in zip(batch, _compute(product, source, nothing, batch), strict=True):
                _write_tile(partial.store, template, tile, region)
                partial.note_tile(region, states)
                bar.update()


def _threads() -> int:
    """Count what the active scheduler computes at once: threads of the cluster, else of this machine."""
    from distributed import get_client

    try:
        return sum(get_client().ncores().values()) or 1  # type: ignore[no-untyped-call]
    except ValueError:  # no cluster
        return int(dask_setting("num_workers", None) or os.cpu_count() or 1)


def _compute(
    product: xr.Dataset, source: xr.Dataset, nothing: xr.Dataset, regions: Sequence[Region]
) -> list[tuple[xr.Dataset, xr.Dataset]]:
    """Compute some tiles, each together with its carbon states so that both share one prediction."""
    ground = ["pft_fraction", "forest_fraction", "area"]
    try:
        forest = compute(*(product["forest_fraction"].isel(region).max() for region in regions))  # type: ignore[no-untyped-call]
        work = [
            (product[_maps(product)].isel(region), carbon_states(source.isel(region)))
            if float(share) > 0
            else (product[ground].isel(region), nothing)
            for region, share in zip(regions, forest, strict=True)
        ]
        return list(compute(*work))  # type: ignore[no-untyped-call]
    except Exception as error:
        where = "; ".join(_place(product, region) for region in regions)
        error.add_note(
            f"It happened in a tile of {where}. Finished tiles are kept: the same command goes on from here."
        )
        raise


def _place(product: xr.Dataset, region: Region) -> str:
    ends = {dim: product[dim].to_numpy()[region[dim]][[0, -1]] for dim in ("lat", "lon")}
    return ", ".join(f"{dim} {low:g} to {high:g}" for dim, (low, high) in ends.items())


def _no_states(source: xr.Dataset) -> xr.Dataset:
    """Give the carbon states of no ground at all. No prediction is computed for it."""
    return xr.zeros_like(carbon_states(source.isel(lat=slice(0, 1), lon=slice(0, 1)))).compute()


def _write_tile(store: Path, template: xr.Dataset, tile: xr.Dataset, region: Region) -> None:
    """Write one tile into its region, after checking that it belongs there."""
    there = template.isel(region)
    for name in tile.variables:
        if tile[name].shape != there[name].shape or (
            name in tile.coords and not np.array_equal(tile[name], there[name])
        ):
            msg = f"a tile came back with another {name} than the store has for {region}: {tile[name]}."
            raise ValueError(msg)
    tile.drop_vars(list(tile.coords)).to_zarr(store, region=region, consolidated=False)


def _totals(states: xr.Dataset) -> xr.Dataset:
    return describe_totals(close_states(states)).drop_encoding()


def _write_totals(partial: Partial, source: xr.Dataset, regions: Sequence[Region]) -> None:
    """Add up the carbon states of all tiles, always in the same order, and put the totals into the store."""
    states = _no_states(source)
    for region in regions:
        for name, values in partial.states(region).items():
            states[name] = states[name] + np.asarray(values, dtype=states[name].dtype)
    _totals(states).drop_vars(["year", "member"]).to_zarr(partial.store, mode="r+", consolidated=False)
    with warnings.catch_warnings():
        # zarr warns that version 3 does not specify consolidated metadata yet; without it xarray warns its readers.
        warnings.filterwarnings("ignore", message="Consolidated metadata")
        zarr.consolidate_metadata(str(partial.store))
