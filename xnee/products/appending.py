"""Adding later months to a finished product: what must agree, and how the longer one is made of the old one."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
import zarr

from xnee.products.attributes import lags_of
from xnee.products.axes import months, space_of
from xnee.products.cf import undecorate
from xnee.products.companions import told_of
from xnee.products.joining import join, open_raw, year_files
from xnee.products.ledger import MONTHS
from xnee.products.netcdf import write_netcdf

__all__ = ["check_same", "later", "lengthen", "split_years"]

_SLICE = {"time": MONTHS * 20}  # of a file that is copied: a dask array of years, not of months
_ONE_VALUE = ("model_fingerprint", "context_period", "climatology", "land_cover", "region", "cover")


def check_same(before: xr.Dataset, product: xr.Dataset, *, members: int, regions: str, tile: int | None) -> None:
    """Refuse to append what was made otherwise.

    Parameters
    ----------
    before
        The finished product, raw.
    product
        What is to be appended, decorated.
    members
        Networks in its ensembles.
    regions
        Fingerprint of its regions.
    tile
        Cells along one side of its chunks; None where that does not matter.

    Raises
    ------
    ValueError
        With all that differs.
    """
    space = space_of(before)
    old = {name: before.attrs.get(name) for name in _ONE_VALUE}
    new = {name: product.attrs.get(name) for name in _ONE_VALUE}
    old |= {"regions": before.attrs.get("regions_fingerprint", ""), "members": before.sizes.get("member")}
    new |= {"regions": regions, "members": members}
    old["forest types"] = before["pft"].attrs.get("flag_meanings")
    new["forest types"] = product["pft"].attrs.get("flag_meanings")
    beside, now = told_of(before), told_of(product)
    old |= dict.fromkeys(now, "nothing") | beside
    new |= dict.fromkeys(beside, "nothing") | now
    if tile is not None:
        side = before["NEE"].encoding["chunks"][-2:]
        old["chunks"] = " x ".join(map(str, side))
        new["chunks"] = " x ".join(str(min(tile, product.sizes[dim])) for dim in space)
    for dim in space_of(product):
        same = dim in before and np.array_equal(before[dim], product[dim])
        old[dim], new[dim] = ("", "") if same else (_axis(before, dim), _axis(product, dim))
    differ = [f"{name} was {old[name]!r}, is {new[name]!r}" for name in old if old[name] != new[name]]
    if differ:
        msg = (
            f"what is to be appended differs from the product: {'; '.join(differ)}. Predict with the model, the grid "
            "and the settings of the first run, or write the whole period to another name."
        )
        if any(one.startswith("context_period") for one in differ):
            msg += " A longer cube can be given the context of the first run: docs/resume.md, Adding a year."
        raise ValueError(msg)


def _axis(ds: xr.Dataset, dim: str) -> str:
    if dim not in ds.variables:
        return "not there"
    x = ds[dim].to_numpy()
    return f"{x.size} cells from {x[0]:.10g} to {x[-1]:.10g}"


def later(predicted: xr.Dataset, before: xr.Dataset) -> xr.Dataset:
    """Cut the months that a product does not have yet out of a longer prediction.

    Parameters
    ----------
    predicted
        What ``cube.nee.predict(model)`` gave for a cube that goes on further than the product.
    before
        The finished product, raw.

    Returns
    -------
    xarray.Dataset
        The later months; none if the product has them all.

    Raises
    ------
    ValueError
        If `before` is no product of whole years, months would be missing between the two, or the new months would be
        the first of the prediction, which lack their past.
    """
    known = undecorate(xr.decode_cf(before[["NEE", "NEE_std", "time", "pft"]].drop_vars("crs", errors="ignore")))
    there, time = months(known), months(predicted)
    if there[0].month != 1 or there[-1].month != MONTHS:
        msg = (
            f"a product can be appended to if it is of whole calendar years; this one goes from {there[0]:%Y-%m} to "
            f"{there[-1]:%Y-%m}. Write the whole period to another name."
        )
        raise ValueError(msg)
    following = there[-1] + pd.offsets.MonthBegin(1)
    if time[0] > following:
        msg = (
            f"the product ends in {there[-1]:%Y-%m} and the prediction begins in {time[0]:%Y-%m}: months between them "
            "would be missing. Predict from a cube without that gap."
        )
        raise ValueError(msg)
    rest = predicted.isel(time=slice(int((time < following).sum()), None))
    lags = lags_of(predicted)
    if rest.sizes["time"] and time[0] > following - pd.DateOffset(months=lags):
        msg = (
            f"the first {lags} months of a prediction lack their past, so that {following:%Y-%m} cannot be the first "
            f"one of them: this prediction begins in {time[0]:%Y-%m}. Give the whole prediction, from a cube that goes "
            f"back {lags} months further or more."
        )
        raise ValueError(msg)
    return rest


def lengthen(before: Path, store: Path, result: Path, *, tile: int, progress: bool) -> None:
    """Make the longer product out of the finished one and the store of what comes after it.

    Parameters
    ----------
    before
        The finished product.
    store
        What comes after it, finished.
    result
        What is made: a zarr store, a NetCDF file or a folder of yearly files, as `before` is.
    tile
        Cells along one side of a chunk of the store.
    progress
        Whether to show a bar on stderr.
    """
    new = open_raw(store, chunks=_SLICE)
    if before.is_file():
        write_netcdf(_joined(open_raw(before, chunks=_SLICE), new), result, tile=tile, progress=progress)
        return
    shutil.rmtree(result, ignore_errors=True)
    if (before / "zarr.json").is_file():
        _lengthen_store(before, store, result, _joined(open_raw(before, chunks=_SLICE), new))
        return
    result.mkdir()
    for file in year_files(before):
        _link(file, result / file.name)
    split_years(new, result, name=before.name, tile=tile, progress=progress)


def _joined(before: xr.Dataset, new: xr.Dataset) -> xr.Dataset:
    """Put the old and the new months together; the attributes tell of both."""
    whole = join([before, new])
    old, last = before.attrs, new.attrs
    first, end = (
        12 * int(text[:4]) + int(text[5:7]) for text in (old["time_coverage_start"], last["time_coverage_end"])
    )
    whole.attrs = {
        **last,
        "time_coverage_start": old["time_coverage_start"],
        "time_coverage_duration": f"P{end - first}M",
        "id": old.get("id", ""),
        "date_created": old.get("date_created", ""),
        "date_modified": last["date_created"],
        "cube_fingerprint": f"{old.get('cube_fingerprint', '')}, {last.get('cube_fingerprint', '')}",
        "history": f"{old.get('history', '')}\n{last['history']} (appended from {last['time_coverage_start'][:7]})",
    }
    return whole


def _lengthen_store(before: Path, store: Path, result: Path, joined: xr.Dataset) -> None:
    """Make the longer zarr store: chunks of maps are the files of both stores, small arrays are written anew."""
    space = set(space_of(joined))
    maps = [str(name) for name, variable in joined.variables.items() if space <= set(variable.dims)]
    small = joined.drop_vars(maps)
    encoding: dict[str, dict[str, object]] = {}
    for name, variable in small.variables.items():
        fill = {"fill_value": variable.attrs["_FillValue"]} if "_FillValue" in variable.attrs else {}
        encoding[str(name)] = fill
        variable.encoding = {}
    small.load().to_zarr(result, mode="w", zarr_format=3, consolidated=False, encoding=encoding)
    for name in maps:
        about = json.loads((store / name / "zarr.json").read_text())
        dims = about["dimension_names"]
        shift = 0
        if "time" in dims:
            shift = zarr.open_group(before, mode="r")[name].shape[dims.index("time")] // MONTHS  # type: ignore[union-attr]
            about["shape"] = list(joined[name].shape)
            about["chunk_grid"]["configuration"]["chunk_shape"][dims.index("time")] = MONTHS
        (result / name).mkdir()
        (result / name / "zarr.json").write_text(json.dumps(about, indent=2))
        _link_chunks(before / name, result / name, dims=dims, shift=0)
        if "time" in dims:
            _link_chunks(store / name, result / name, dims=dims, shift=shift)


def _link_chunks(source: Path, target: Path, *, dims: list[str], shift: int) -> None:
    """Let the chunks of an array have a name in another one too, later by some chunks of time."""
    for file in (path for path in (source / "c").rglob("*") if path.is_file()):
        place = list(file.relative_to(source / "c").parts)
        if "time" in dims:
            place[dims.index("time")] = str(int(place[dims.index("time")]) + shift)
        there = target.joinpath("c", *place)
        there.parent.mkdir(parents=True, exist_ok=True)
        _link(file, there)


def _link(file: Path, name: Path) -> None:
    """Give a file a second name, or copy it where the disk has no such names; its bytes stay as they are."""
    try:
        os.link(file, name)
    except OSError:
        shutil.copy2(file, name)


def split_years(raw: xr.Dataset, folder: Path, *, name: str, tile: int, progress: bool) -> None:
    """Write one NetCDF file for each calendar year.

    Parameters
    ----------
    raw
        A product, encoded by CF, as `xnee.products.joining.open_raw` gives it.
    folder
        Where the files come, ``NAME_YYYY.nc``.
    name
        First part of their names.
    tile
        Cells along one side of a chunk of the store.
    progress
        Whether to show a bar on stderr.
    """
    time = pd.DatetimeIndex(xr.decode_cf(raw[["time"]])["time"].to_numpy())
    for year, months_of_year in pd.Series(range(time.size), index=time.year).groupby(level=0):
        first, last = int(months_of_year.iloc[0]), int(months_of_year.iloc[-1])
        part = raw.isel(time=slice(first, last + 1))
        if "year" in raw.dims:
            part = part.sel(year=[year]).isel(month=slice(first, last + 1))
        month = pd.Timestamp(int(str(year)), time[first].month, 1)
        part.attrs = raw.attrs | {
            "time_coverage_start": f"{month:%Y-%m-%dT00:00:00Z}",
            "time_coverage_end": f"{month + pd.DateOffset(months=last - first + 1):%Y-%m-%dT00:00:00Z}",
            "time_coverage_duration": f"P{last - first + 1}M",
        }
        write_netcdf(part, folder / f"{name}_{year}.nc", tile=tile, progress=progress)
