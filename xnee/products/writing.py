"""The tiles of a product into its unfinished store: a template first, then tile after tile, the totals at the end."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr
import zarr
from dask.base import compute

from xnee.bars import bar
from xnee.products.attributes import command
from xnee.products.axes import space_of, tiles_of
from xnee.products.cf import FILL
from xnee.products.ground import ALL, ELSEWHERE, Regions
from xnee.products.ledger import MONTHS, Partial
from xnee.products.netcdf import months_at_once
from xnee.products.scheduling import Parts, Region, Steps, make_each, threads
from xnee.products.totals import add_states, carbon_states, close_states, no_states, to_file
from xnee.unfinished import consolidate

__all__ = ["Job", "check_forest", "full_disk_told", "now", "write_template", "write_tiles", "write_totals"]

_TIME: dict[str, Any] = {
    "units": "days since 1970-01-01",
    "calendar": "proleptic_gregorian",
    "_FillValue": None,
}
_STORED = ("_FillValue", "dtype", "scale_factor", "add_offset")
"""What of the encoding of a variable changes its numbers."""
_LITTLE = 16_000_000  # bytes: a disk with less is full for every purpose of ours


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is to be written, and where.

    Parameters
    ----------
    product
        Maps and metadata of the file, lazy.
    forest
        Share of each cell under forest: tiles without it are not computed.
    source
        What carbon states are made of: the predicted map with the area of its cells. None: there are none.
    before
        The product that is appended to, by whose forest a tile is checked. None: there is none.
    regions
        Whose ground the cells are.
    partial
        The folder of the unfinished product.
    tile
        Cells along one side of a tile.
    """

    product: xr.Dataset
    forest: xr.DataArray
    source: xr.Dataset | None
    before: xr.Dataset | None
    regions: Regions
    partial: Partial
    tile: int

    @property
    def places(self) -> list[Region]:
        """All tiles, row by row."""
        return tiles_of(self.product, self.tile)

    @property
    def names(self) -> list[str]:
        """All regions of the totals."""
        return [*self.regions.names, *([ELSEWHERE] if self.regions.names else []), ALL]

    @property
    def maps(self) -> list[str]:
        """Variables that are written by tiles."""
        space = set(space_of(self.product))
        return [str(name) for name, variable in self.product.variables.items() if space <= set(variable.dims)]


def now() -> str:
    """Give the time of day as it stands in a file.

    Returns
    -------
    str
        UTC, ISO 8601.
    """
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"


def write_template(job: Job) -> None:
    """Write metadata and all small variables; maps and totals are declared and stay empty.

    Parameters
    ----------
    job
        What is to be written.
    """
    product = job.product
    totals = xr.Dataset() if job.source is None else _totals(no_states(job.source, job.names))
    # Bounds have no units of their own (CF 7.1): xarray would write some for dates, so they go in as days.
    edges = product["time_bnds"]
    days = edges.to_numpy().astype("M8[D]").astype("i4") if edges.dtype.kind == "M" else edges.to_numpy()
    template = product.assign(totals.variables).assign(time_bnds=(("time", "bnds"), days))
    encoding: dict[Any, dict[str, Any]] = {name: _encoding(v) for name, v in template.variables.items()}
    for name in [*job.maps, *totals.data_vars]:
        variable = template[name].variable
        if name in job.maps:
            side = dict.fromkeys(space_of(product), job.tile)
            chunks = {dim: min(side.get(str(dim), n), n) for dim, n in variable.sizes.items()}
            # A shorter period has the same chunks, with room in the last: the next year comes after it.
            months = _months(job, variable)
            encoding[name]["chunks"] = tuple(months if dim == "time" else n for dim, n in chunks.items())
        # Not the lazy variable itself: its graph would be built only to be thrown away.
        template[name] = variable.copy(data=da.zeros(variable.shape, dtype=variable.dtype, chunks=-1))
    history = f"{product.attrs.get('history', '')}\n{now()} xnee.to_product, xnee {version('xnee')}".strip()
    typed = {"command": text} if (text := command()) else {}
    template.attrs |= {"date_created": now(), "history": history, **typed}
    template.to_zarr(job.partial.store, mode="w", compute=False, zarr_format=3, consolidated=False, encoding=encoding)


def _months(job: Job, variable: xr.Variable) -> int:
    """Give the months of a chunk: a year in a store that is the product itself, else what is read of it at once."""
    return MONTHS if job.partial.target.suffix == ".zarr" else months_at_once(variable.sizes, job.tile)


def _encoding(variable: xr.Variable) -> dict[str, Any]:
    """Choose how a variable is stored; what is missing and what is not written yet are the same number."""
    if variable.dtype.kind == "M":
        middle = bool((variable.to_numpy() != variable.to_numpy().astype("M8[D]")).any())
        return _TIME | {"dtype": "f8" if middle else "i4"}
    if variable.dtype == "f4" or ("member" in variable.dims and variable.dtype.kind == "f"):
        missing = variable.dtype.type(FILL)
        return {"_FillValue": missing, "fill_value": missing}
    return {"_FillValue": None}


def check_forest(job: Job) -> None:
    """Refuse another forest than that of the product that is appended to.

    Parameters
    ----------
    job
        What is to be written.

    Raises
    ------
    ValueError
        With the first tile that differs.
    """
    if job.before is None:
        return
    covers, few = ["pft_fraction", "forest_fraction"], threads()
    for places in (job.places[i : i + few] for i in range(0, len(job.places), few)):
        work = [(job.product[covers].isel(place), job.before[covers].isel(place)) for place in places]
        for place, (new, old) in zip(places, compute(*work), strict=True):  # type: ignore[no-untyped-call]
            for name in covers:
                if not np.array_equal(new[name].to_numpy(), old[name].to_numpy()):
                    msg = (
                        f"{name} differs from that of {job.partial.target} in the tile of "
                        f"{_place(job.product, place)}. Years can be appended only with the same forest; write the "
                        "whole period to another name otherwise."
                    )
                    raise ValueError(msg)


def write_tiles(job: Job, *, progress: bool) -> None:
    """Compute and write the tiles that are missing, as many at once as the active scheduler computes.

    Each is written and noted as soon as it is there, and the next is begun. Should one fail, those that are in work
    are finished and kept, and no other is begun.

    Parameters
    ----------
    job
        What is to be written.
    progress
        Whether to show a bar on stderr.
    """
    template = xr.open_zarr(job.partial.store, consolidated=False, chunks=None)
    places = job.places
    missing = [place for place in places if not job.partial.tile_done(place)]

    def keep(place: Region, parts: Parts) -> None:
        tile, states = parts
        if tile.variables:
            _write_tile(job.partial.store, template, tile, place)
        job.partial.note_tile(place, states)

    done = make_each(missing, Steps(partial(_work, job), keep, partial(_told, job)))
    ready = len(places) - len(missing)
    with bar(total=len(places), initial=ready, desc="NEE", unit="tile", disable=not progress) as told:
        for _ in done:
            told.update()


@contextmanager
def _told(job: Job, places: Sequence[Region]) -> Iterator[None]:
    """Say of a failure which tile it is of."""
    try:
        yield
    except Exception as error:
        where = "; ".join(_place(job.product, place) for place in places)
        error.add_note(
            f"It happened in the tile of {where}. Finished tiles are kept: the same command goes on from here."
        )
        raise


def _work(job: Job, places: Sequence[Region], options: Mapping[str, int]) -> list[Parts]:
    """Look at the forest of tiles; give what is to be computed of each: maps and carbon states, of one prediction."""
    forest = compute(*(job.forest.isel(place).max() for place in places), **options)  # type: ignore[no-untyped-call]
    return [_work_of(job, place, forest=float(share) > 0) for place, share in zip(places, forest, strict=True)]


def _work_of(job: Job, place: Region, *, forest: bool) -> Parts:
    if not forest:
        bare = [name for name in job.maps if "time" not in job.product[name].dims]
        return (job.product[bare].isel(place) if bare else xr.Dataset()), None
    tile = job.product[job.maps].isel(place)
    if job.source is None:
        return tile, None
    return tile, carbon_states(job.source, job.regions.of(job.source, place), place=place)


def _place(product: xr.Dataset, region: Region) -> str:
    ends = {dim: product[dim].to_numpy()[part][[0, -1]] for dim, part in region.items()}
    return ", ".join(f"{dim} {low:g} to {high:g}" for dim, (low, high) in ends.items())


def _write_tile(store: Path, template: xr.Dataset, tile: xr.Dataset, region: Mapping[str, slice]) -> None:
    """Write one tile into its region, after checking that it belongs there."""
    # Variables, and not to_zarr of the whole: that looks at all of the store again for each tile.
    group, places = zarr.open_group(store, mode="r+"), dict[Any, tuple[slice, ...]]()
    for name, variable in tile.variables.items():
        there = template.variables[name]
        places[name] = tuple(region.get(str(dim), slice(None)) for dim in there.dims)
        size = tuple(len(range(*part.indices(n))) for part, n in zip(places[name], there.shape, strict=True))
        if variable.transpose(*there.dims).shape != size or (
            name in tile.indexes and not np.array_equal(variable, there[places[name]])
        ):
            msg = f"a tile came back with another {name} than the store has for {region}: {tile[name]}."
            raise ValueError(msg)
    for name, part in places.items():
        there = template.variables[name]
        if set(region) <= set(there.dims):
            kept = {key: value for key, value in there.encoding.items() if key in _STORED}
            values = tile.variables[name].transpose(*there.dims).data
            encoded = xr.conventions.encode_cf_variable(xr.Variable(there.dims, values, {}, kept))
            array: Any = group[str(name)]
            array[part] = encoded.to_numpy()


def _totals(states: xr.Dataset) -> xr.Dataset:
    return to_file(close_states(states)).drop_encoding()


def write_totals(job: Job) -> None:
    """Add up the carbon states of all tiles, always in the same order, and put the totals into the store.

    Parameters
    ----------
    job
        What is to be written; all its tiles are in the store.
    """
    if job.source is not None:
        states = (job.partial.states(place) for place in job.places)
        total = add_states(no_states(job.source, job.names), (state for state in states if state is not None))
        totals = _totals(total)
        small = [name for name in totals.coords if name in totals.dims]
        totals.drop_vars(small).to_zarr(job.partial.store, mode="r+", consolidated=False)
    consolidate(job.partial.store)


@contextmanager
def full_disk_told(folder: Path) -> Iterator[None]:
    """Say of a failure that the disk is full where that is the cause; the libraries' own words are many.

    Parameters
    ----------
    folder
        Where is written.

    Yields
    ------
    None
    """
    try:
        yield
    except Exception as error:
        free = shutil.disk_usage(folder).free
        known = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
        if known or free < _LITTLE:
            error.add_note(
                f"The disk of {folder} is full ({free / 1e6:.0f} MB are free). Make room and give the same command "
                "again: what is finished is kept."
            )
        raise
