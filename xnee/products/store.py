"""Writing a map tile by tile so that nothing finished is ever lost, and reading it back."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import xarray as xr

from xnee.products.appending import check_same, later, lengthen, split_years
from xnee.products.axes import crs_of, space_of, with_area
from xnee.products.cf import decorate, undecorate
from xnee.products.companions import companions_of, drop_companions
from xnee.products.ground import Regions, regions_on
from xnee.products.ilamb import decorate_ilamb
from xnee.products.joining import join, open_raw, year_files
from xnee.products.ledger import Partial, check_target, settings_of
from xnee.products.netcdf import write_netcdf
from xnee.products.writing import Job, check_forest, full_disk_told, write_template, write_tiles, write_totals

__all__ = ["Profile", "Split", "open_product", "to_product"]

_log = logging.getLogger(__name__)

TILE = 64  # cells, for a map that is not in tiles already

Profile = Literal["xnee", "ilamb"]
Split = Literal["year"]


def to_product(
    predicted: xr.Dataset,
    path: str | Path,
    *,
    tile: int | None = None,
    profile: Profile = "xnee",
    split: Split | None = None,
    regions: object = None,
    append: bool = False,
    attrs: Mapping[str, object] | None = None,
    overwrite: bool = False,
    progress: bool = True,
) -> Path:
    """Compute a predicted map and write it as a CF file.

    Tile after tile is computed on the active dask scheduler, as many at once as it has threads, and put into an
    unfinished store next to the target. After a crash, a kill or a full disk the same command goes on where it
    stopped; the target's name appears only when all is there. Memory: the tiles being computed; files are copied
    from the store in blocks of 16 MB. Tiles without forest are not computed.

    Parameters
    ----------
    predicted
        What ``cube.nee.predict(model)`` gives, NEE in g C m-2 month-1 per square metre of forest, ``(time, lat,
        lon)``, or ``(time, y, x)`` in a projection. What `intervals`, `member_quantiles` and `with_applicability` put
        beside it is written, too. With ``profile="ilamb"`` also what `open_product` gives.
    path
        Target, ending in ``.nc`` (NetCDF-4) or ``.zarr`` (version 3); with `split` the name of a folder. The folder
        that it is in must exist.
    tile
        Cells along one side of what is computed, written and never computed again: a multiple of the chunks that
        `predicted` is in. Left out, these themselves.
    profile
        ``"ilamb"`` writes one variable ``nee``, kg m-2 s-1 of carbon per square metre of cell, as ILAMB reads it;
        NetCDF only, and nothing that stands beside NEE.
    split
        ``"year"``: a folder of NetCDF files ``NAME_YYYY.nc``, one for each calendar year.
    regions
        Regions whose totals the product is to hold by type and month, with their spread; see `budget`.
    append
        Add the months that come after those of the product that is there, which is of whole calendar years. No number
        of the earlier months changes. `predicted` is the whole longer prediction, with the past of the new months.
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
        ``NEE_total (year, pft, member)`` and ``NEE_month (month, pft, member)`` in Tg, from which `budget` makes its
        table.

    Raises
    ------
    TypeError, ValueError
        If `predicted` is no predicted map, its chunks are not equal, `tile` is no multiple of them, the suffix is
        another, the unfinished store beside the target was made from something else, or what is to be appended does
        not fit. Before any work.
    FileExistsError
        If the target is there and neither `overwrite` nor `append` is given.
    FileNotFoundError, PermissionError
        If the target's folder is not there or cannot be written to; if there is nothing to append to.
    RuntimeError
        If another run is writing the same target.

    Examples
    --------
    >>> to_product(xr.Dataset({"GPP": 0.0}), "gpp.nc")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    ValueError: a predicted Dataset, from cube.nee.predict(model), holds NEE, ... are missing.
    """
    _check_words(profile=profile, split=split, append=append, overwrite=overwrite, path=Path(path), regions=regions)
    if profile == "ilamb":
        predicted = _nee_alone(predicted)
    product = decorate(predicted, attrs=attrs) if profile == "xnee" else decorate_ilamb(predicted, attrs=attrs)
    side = _tile_side(predicted["NEE"], tile)
    parts = regions_on(predicted, regions)
    partial = Partial(target=Path(path), append=append)
    members = predicted.sizes.get("member", 1)
    more = {"profile": profile, "split": str(split), "regions": parts.fingerprint, "append": str(append)}
    settings = settings_of(product, attrs=attrs, tile=side, members=members, **more)
    if partial.settle(settings):
        return partial.target
    check_target(partial.target, split=split, overwrite=overwrite, append=append)
    before = None
    if append:
        before = open_raw(partial.target, chunks={})
        zarr = partial.target.suffix == ".zarr"
        _check_is_product(before, partial.target)
        check_same(before, product, members=members, regions=parts.fingerprint, tile=side if zarr else None)
        predicted = later(predicted, before)
        if not predicted.sizes["time"]:  # the same command after it was finished
            return partial.target
        product = decorate(predicted, attrs=attrs)
    job = _job(predicted, product, parts, partial=partial, tile=side, before=before)
    with partial.locked():
        if not partial.begun(settings):
            check_forest(job)
            with full_disk_told(partial.target.parent):
                write_template(job)
                partial.begin(settings)
        with full_disk_told(partial.target.parent):
            _finish(job, split=split, progress=progress)
    return partial.target


def _check_words(
    *, profile: str, split: str | None, append: bool, overwrite: bool, path: Path, regions: object
) -> None:
    if profile not in ("xnee", "ilamb"):
        msg = f"profile must be 'xnee' or 'ilamb'; got {profile!r}."
        raise ValueError(msg)
    if split not in (None, "year"):
        msg = f"split must be None, for one file, or 'year'; got {split!r}."
        raise ValueError(msg)
    if append and overwrite:
        msg = "append=True keeps what is there and overwrite=True replaces it: give one of them."
        raise ValueError(msg)
    if profile == "ilamb" and (append or regions is not None or path.suffix == ".zarr"):
        msg = (
            "profile='ilamb' writes one variable to NetCDF, without totals: write .nc or split='year', without append "
            "and regions. Append to the product itself, and write this form of it anew."
        )
        raise ValueError(msg)


def _nee_alone(predicted: xr.Dataset) -> xr.Dataset:
    """Leave out, and say so, what a file for ILAMB cannot hold."""
    names = companions_of(predicted) if isinstance(predicted, xr.Dataset) else ()
    if not names:
        return predicted
    _log.info("profile='ilamb' holds NEE alone: %s stay out.", ", ".join(names))
    return drop_companions(predicted)


def _check_is_product(before: xr.Dataset, target: Path) -> None:
    if not {"NEE", "NEE_month", "pft", "time"} <= set(before.variables):
        msg = f"{target} is no product that can be appended to: it holds {sorted(map(str, before.variables))[:6]}..."
        raise ValueError(msg)


def _job(
    predicted: xr.Dataset,
    product: xr.Dataset,
    regions: Regions,
    *,
    partial: Partial,
    tile: int,
    before: xr.Dataset | None,
) -> Job:
    """Put together what is to be written."""
    if regions.names:
        product.attrs["regions_fingerprint"] = regions.fingerprint
    source = None
    if "NEE_total" not in product and "nee" not in product:
        source = with_area(predicted, crs_of(predicted), chunks=predicted["NEE"].chunksizes)
    forest = predicted["forest_fraction"]
    return Job(
        product=product, forest=forest, source=source, before=before, regions=regions, partial=partial, tile=tile
    )


def _finish(job: Job, *, split: str | None, progress: bool) -> None:
    """Compute what is missing, assemble it and give it its name."""
    partial = job.partial
    try:
        write_tiles(job, progress=progress)
    except Exception:
        if partial.empty():  # nothing is lost, and the next run may be of a cube that was put right
            partial.clear()
        raise
    write_totals(job)
    if partial.append:
        lengthen(partial.target, partial.store, partial.result, tile=job.tile, progress=progress)
    elif split == "year":
        partial.result.mkdir(exist_ok=True)
        raw = open_raw(partial.store)
        split_years(raw, partial.result, name=partial.target.name, tile=job.tile, progress=progress)
    elif partial.target.suffix == ".nc":
        write_netcdf(open_raw(partial.store), partial.result, tile=job.tile, progress=progress)
    partial.publish()


def open_product(path: str | Path, *, chunks: Mapping[str, int] | None = None) -> xr.Dataset:
    """Open a product file in the words used inside xnee.

    Parameters
    ----------
    path
        What `to_product` wrote: a ``.nc`` file, a ``.zarr`` store or a folder of yearly files.
    chunks
        Cells of a dask chunk along ``lat`` and ``lon``; time is whole. Left out, the chunks of the file.

    Returns
    -------
    xarray.Dataset
        As predicted: ``NEE`` and ``NEE_std (time, lat, lon)``, g C m-2 month-1 per square metre of forest, positive
        into the atmosphere; covers, ``fallback``; ``NEE_low``, ``NEE_high``, ``NEE_quantile``, ``AOA``, ``DI`` and
        ``DI_threshold`` where they were written; instead of NEE_member the totals that `budget` reads. Lazy.

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
    whole = {
        **dict.fromkeys(("time", "pft", "year", "month", "member", "bnds", "region", "quantile"), -1),
        **(chunks or {}),
    }
    try:
        product = _open(path, whole)
    except Exception as error:  # what a damaged file raises is the library's choice
        msg = f"{path} cannot be read as a product: {error}. Write it again with to_product."
        raise ValueError(msg) from error
    return undecorate(product)


def _open(path: Path, chunks: dict[str, Any]) -> xr.Dataset:
    if path.is_file():
        return xr.open_dataset(path, chunks=chunks, engine="netcdf4")
    files = year_files(path)
    if (path / "zarr.json").is_file() or not files:
        return xr.open_dataset(path, chunks=chunks, engine="zarr", consolidated=False)
    years = [xr.open_dataset(file, chunks=chunks, engine="netcdf4") for file in files]
    return join(years).chunk(time=-1)


def _tile_side(nee: xr.DataArray, tile: int | None) -> int:
    """Give the side of a tile in cells, after checking that tiles are whole dask chunks."""
    blocks = {str(dim): sizes for dim, sizes in nee.chunksizes.items() if dim in space_of(nee)}
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
