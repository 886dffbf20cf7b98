"""All rules of the data model at once: what is wrong with a Dataset, and the way out of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import xarray as xr

from xnee.cube.extent import Extent, Values, extents, tiles_to_see
from xnee.pft import PFTS
from xnee.suspicion import JUDGED, suspicions
from xnee.variables import DRIVERS, TARGET, VARIABLES, labels, same_unit

__all__ = ["Finding", "check"]

_LARGE = 2**30  # bytes of a cube in memory that are worth a word


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One rule of the data model that a Dataset does not keep.

    Parameters
    ----------
    severity
        ``"error"``: a model or a map would be wrong or refused. ``"warning"``: it will do, but is not what it seems.
    rule
        The rule, by its name: dimensions, time, units, range, cover, plausible...
    variable
        The variable or coordinate, empty for the whole Dataset.
    found
        What came.
    way_out
        What to do.
    """

    severity: Literal["error", "warning"]
    rule: str
    variable: str
    found: str
    way_out: str

    def __str__(self) -> str:
        """Write it out in a line."""
        name = f" of {self.variable}" if self.variable else ""
        return f"{self.severity}, {self.rule}{name}: {self.found}. {self.way_out}"


def check(ds: xr.Dataset, *, values: Values = "sample") -> list[Finding]:
    """Hold a Dataset of sites or a cube against all rules of the data model, and against what forests show.

    Parameters
    ----------
    ds
        Sites ``(site, time)`` or a cube ``(time, lat, lon)``, however broken.
    values
        Which values are held against their plausible range. What is in memory always is. Of lazy variables
        ``"sample"`` computes at most four tiles, ``"all"`` everything, ``"none"`` nothing.

    Returns
    -------
    list of Finding
        Errors first; empty if all rules hold. Nothing is raised for what is found. Each is written out by ``str``.
        Warnings of the rule ``"plausible"`` name values that are within their range but cannot be what they say: NEE of
        turned sign, PRE per day, VPD in kPa... (`xnee.suspicion.suspicions`).

    Raises
    ------
    ValueError
        If `values` is none of these.

    Examples
    --------
    >>> time = np.array(["2001-01-01", "2001-03-01"], dtype="M8[ns]")
    >>> cube = xr.Dataset(
    ...     {"TEMP": (("time", "lat", "lon"), np.full((2, 2, 2), 285.0), {"units": "K"})},
    ...     coords={"time": time, "lat": [30.5, 29.5], "lon": [100.5, 101.5]},
    ... )
    >>> [(finding.rule, finding.variable) for finding in check(cube) if finding.severity == "error"]
    [('order', 'lat'), ('time', 'time'), ('units', 'TEMP'), ('range', 'TEMP')]
    """
    if values not in get_args(Values):
        msg = f"values must be one of {', '.join(get_args(Values))}; got {values!r}."
        raise ValueError(msg)
    if "site" in ds.dims:
        found = [*_sites(ds), *_time(ds), *_variables(ds, ("site", "time"), values)]
    elif {"lat", "lon"} & set(ds.dims):
        found = [*_axes(ds), *_time(ds), *_variables(ds, ("time", "lat", "lon"), values), *_cover(ds, values)]
        found += [*_layout(ds)]
    else:
        shown = f"dimensions {list(ds.dims)}"
        found = [_error("dimensions", "", shown, "Sites have site and time, a cube time, lat and lon. Rename them.")]
    if not any(finding.rule in ("dimensions", "time") and finding.severity == "error" for finding in found):
        found += [*_plausible(ds, values)]
    return sorted(found, key=lambda finding: finding.severity)


def _error(rule: str, variable: str, found: str, way_out: str) -> Finding:
    return Finding(severity="error", rule=rule, variable=variable, found=found, way_out=way_out)


def _warning(rule: str, variable: str, found: str, way_out: str) -> Finding:
    return Finding(severity="warning", rule=rule, variable=variable, found=found, way_out=way_out)


def _sites(ds: xr.Dataset) -> Iterator[Finding]:
    """Hold the sites against rules 1 and 5."""
    if ds.sizes["site"] == 0:
        yield _error("dimensions", "site", "there is no site", "Check the paths given to the reader.")
    if "site" not in ds.coords:
        yield _error("coordinates", "site", "there are no ids", 'Add them: ds.assign_coords(site=["CN-Din", ...]).')
    else:
        ids, count = np.unique(labels(ds["site"]), return_counts=True)
        if (count > 1).any():
            twice = ids[count > 1].tolist()
            yield _error("sites", "site", f"{twice} come more than once", "Merge their records, or drop one of each.")
    yield from _position(ds, "lat", 90)
    yield from _position(ds, "lon", 180)
    if "pft" not in ds.coords:
        yield _error("pft", "pft", "sites have no type", "Give the reader a table of sites with pft or igbp.")
    else:
        other = sorted(set(labels(ds["pft"]).ravel().tolist()) - set(PFTS))
        if other:
            yield _error(
                "pft", "pft", f"{other} are no forest types", f"Types are {', '.join(PFTS)}; drop other sites."
            )
    if TARGET not in ds:
        yield _warning("target", TARGET, "there is none", "Without it no model can be fitted or scored.")
    yield from _quality(ds)


def _position(ds: xr.Dataset, axis: str, limit: float) -> Iterator[Finding]:
    """Hold the places of sites against the globe."""
    if axis not in ds.coords:
        yield _error("coordinates", axis, "sites have no place", "Give the reader a table of sites with lat and lon.")
        return
    place = ds[axis].to_numpy()
    if place.dtype.kind not in "fiu" or not (np.abs(place) <= limit).all():
        wrong = labels(ds["site"])[~(np.abs(place) <= limit)].tolist() if place.dtype.kind in "fiu" else place.dtype
        yield _error(
            "coordinates", axis, f"not a number within {limit:g} degrees at {wrong}", "Put the table of sites right."
        )


def _quality(ds: xr.Dataset) -> Iterator[Finding]:
    """Hold the quality flag against 0..1 and against the threshold that was used."""
    name = f"{TARGET}_QC"
    if name not in ds or ds[name].chunks:
        return
    flag = ds[name].to_numpy()
    if flag.dtype.kind == "f" and ((flag < 0) | (flag > 1)).any():
        shown = f"it reaches from {np.nanmin(flag):g} to {np.nanmax(flag):g}"
        yield _error("range", name, shown, "It is a share of half-hours, 0 to 1; flags 0..3 are another thing.")
    elif TARGET in ds and "qc_min" in ds.attrs and ds[TARGET].dims == ds[name].dims:
        kept = int((np.isfinite(ds[TARGET].to_numpy()) & (flag < float(ds.attrs["qc_min"]))).sum())
        if kept:
            shown = f"{kept} months have a value though their quality is below qc_min={ds.attrs['qc_min']}"
            yield _error("quality", TARGET, shown, "Set them to NaN, or put attrs['qc_min'] right.")


def _axes(ds: xr.Dataset) -> Iterator[Finding]:
    """Hold the grid against rule 1."""
    for axis, limit in (("lat", 90), ("lon", 180)):
        if axis not in ds.coords or axis not in ds.dims:
            yield _error("dimensions", axis, "it is missing", f"Rename: ds.rename(latitude='lat'), or add {axis}.")
            continue
        centres = ds[axis].to_numpy()
        if centres.dtype.kind not in "fiu" or not np.isfinite(centres).all():
            yield _error("coordinates", axis, "it holds something else than numbers", "Give cell centres in degrees.")
            continue
        if not (np.diff(centres) > 0).all():
            yield _error("order", axis, "it does not ascend", f"Sort it: ds.sortby('{axis}').")
        if centres.size and np.abs(centres).max() > limit:
            turn = " Turn it: ds.assign_coords(lon=(ds.lon + 180) % 360 - 180).sortby('lon')." if axis == "lon" else ""
            shown = f"it reaches from {centres.min():g} to {centres.max():g}"
            yield _error("coordinates", axis, shown, f"Degrees go from -{limit} to {limit}.{turn}")
    if not any(name in ds for name in DRIVERS):
        yield _error("drivers", "", "there is none", f"Names are {', '.join(DRIVERS)}; rename or add some.")


def _time(ds: xr.Dataset) -> Iterator[Finding]:
    """Hold the months against rule 2."""
    if "time" not in ds.coords or "time" not in ds.dims:
        way_out = "Add one; twelve months become a cube with xnee.repeat_climatology."
        yield _error("time", "time", "there is no time axis", way_out)
        return
    if not np.issubdtype(ds["time"].dtype, np.datetime64):
        way_out = 'Convert it: ds.convert_calendar("standard", use_cftime=False).'
        yield _error("time", "time", f"it is {ds['time'].dtype}, not dates of the standard calendar", way_out)
        return
    stamps = ds["time"].to_numpy()
    months = stamps.astype("M8[M]")
    step = np.diff(months).astype("i8")
    if np.isnat(stamps).any():
        yield _error("time", "time", "some dates are missing", "Drop those months.")
        return
    if (stamps != months.astype(stamps.dtype)).any():
        way_out = 'Shift it: ds.assign_coords(time=ds.time.to_numpy().astype("M8[M]").astype("M8[ns]")).'
        yield _error("time", "time", f"{stamps[stamps != months.astype(stamps.dtype)][0]} is no month start", way_out)
    if (step <= 0).any():
        shown = f"{months[1:][step <= 0][0]} comes twice or out of order"
        yield _error("time", "time", shown, 'Use ds.sortby("time").drop_duplicates("time") if the rows agree.')
    if (step > 1).any():
        shown = f"{int((step[step > 1] - 1).sum())} months are left out, first after {months[:-1][step > 1][0]}"
        yield _error("time", "time", shown, 'Fill the axis with NaN: ds.resample(time="MS").asfreq().')


def _variables(ds: xr.Dataset, dims: tuple[str, ...], values: Values) -> Iterator[Finding]:
    """Hold each variable against its dimensions, unit and range."""
    named = [name for name in VARIABLES if name in ds.data_vars]
    for name in named:
        own = set(ds[name].dims)
        if own != set(dims) and not (name == "AGE" and own == set(dims) - {"time"}):
            shown = f"it has {ds[name].dims}"
            yield _error("dimensions", name, shown, f"It needs {dims}: select, average or transpose.")
        units = ds[name].attrs.get("units")
        if not (isinstance(units, str) and same_unit(name, units)):
            canonical = VARIABLES[name].units
            way_out = f'Convert it, then say so: ds["{name}"].attrs["units"] = "{canonical}".'
            yield _error("units", name, "there is none" if units is None else f"it is {units!r}", way_out)
    for name, extent in extents(ds[named], values=values).items():
        yield from _range(name, extent)
    for name in map(str, ds.data_vars):
        if name not in VARIABLES and name.partition("_")[0] not in {*VARIABLES, "pft"}:
            clash = "it is pressure to some and precipitation to others" if name == "P" else "it is in no vocabulary"
            yield _warning("names", name, f"{clash}, and nothing will use it", "Rename it if it is a driver.")


def _range(name: str, extent: Extent) -> Iterator[Finding]:
    """Hold the values of a variable against the plausible range."""
    row = VARIABLES[name]
    if not extent.numbers:
        yield _error("kind", name, "it does not hold numbers", "Make them floats, NaN where there is no value.")
    elif extent.low > extent.high:
        yield _warning("values", name, f"it has no value at all{extent.part}", "Was it read from the right place?")
    elif extent.low < row.low or extent.high > row.high:
        shown = (
            f"it reaches from {extent.low:.4g} to {extent.high:.4g}{extent.part}, plausible is {row.low:g} to "
            f"{row.high:g} {row.units}"
        )
        yield _error("range", name, shown, "Check the unit, or set broken values to NaN.")


def _plausible(ds: xr.Dataset, values: Values) -> Iterator[Finding]:
    """Hold the values of all months together against those of forests."""
    ds = ds[[name for name in JUDGED if name in ds]]
    lazy = [ds[name] for name in ds.data_vars if ds[name].chunks]
    part = ""
    if lazy and values == "none":
        ds = ds.drop_vars([variable.name for variable in lazy])
    elif lazy and values == "sample" and "site" not in ds.dims:
        ds = ds.assign_coords({axis: np.arange(ds.sizes[axis]) for axis in ("lat", "lon")})  # labels may be broken
        tiles = tiles_to_see(ds[lazy[0].name])
        part = "of the tiles looked at, "
        cells = [
            ds.sel(lat=tile["lat"], lon=tile["lon"]).stack(cell=("lat", "lon"), create_index=False) for tile in tiles
        ]
        ds = xr.concat(cells, "cell", data_vars="minimal", coords="minimal", compat="override", join="override")
    for one in suspicions(ds):
        yield _warning("plausible", one.variable, f"{part}{one.found}", one.way_out)


def _cover(ds: xr.Dataset, values: Values) -> Iterator[Finding]:
    """Hold the forest against rule 4."""
    name = "pft_fraction"
    if name not in ds:
        way_out = "Make it with xnee.read_land_cover and assign it; without it nothing can be mapped."
        yield _warning("cover", name, "there is none", way_out)
        return
    if set(ds[name].dims) != {"pft", "lat", "lon"} or "pft" not in ds.coords:
        shown = f"it has {ds[name].dims}" + ("" if "pft" in ds.coords else ", without names in a coordinate pft")
        yield _error("dimensions", name, shown, "It needs (pft, lat, lon) and the coordinate pft.")
        return
    types = labels(ds["pft"]).tolist()
    if set(types) - set(PFTS) or len(set(types)) < len(types):
        yield _error("pft", "pft", f"types are {types}", f"They are {', '.join(PFTS)}, each once.")
    elif types != [pft for pft in PFTS if pft in types] or len(types) < len(PFTS):
        way_out = f"Use ds.reindex(pft={list(PFTS)}, fill_value=0)."
        yield _warning("pft", "pft", f"types are {types}, not all five in the order of PFTS", way_out)
    for what, extent in extents(
        xr.Dataset({"share": ds[name], "sum": ds[name].sum("pft", skipna=False)}), values=values
    ).items():
        if not extent.numbers or extent.gaps:
            if what == "share":
                shown = f"it has gaps{extent.part}" if extent.numbers else "it does not hold numbers"
                yield _error("cover", name, shown, "Where there is no forest it is 0: ds.fillna({'pft_fraction': 0}).")
        elif extent.low < 0 or extent.high > 1 + 1e-4:
            shown = f"its {what} reaches from {extent.low:.4g} to {extent.high:.4g}{extent.part}"
            yield _error("cover", name, shown, "It is a share of the cell, 0 to 1. Is it in percent?")


def _layout(ds: xr.Dataset) -> Iterator[Finding]:
    """Hold the chunks against rules 5 and 6."""
    cut = [str(name) for name in ds.data_vars if len(ds[name].chunksizes.get("time", ())) > 1]
    if cut:
        yield _warning(
            "layout",
            "",
            f"time is cut in {', '.join(cut)}",
            "Store it with time whole: ds.chunk(time=-1, lat=64, lon=64).",
        )
    loaded = sum(ds[name].nbytes for name in ds.data_vars if not ds[name].chunks)
    if loaded > _LARGE:
        way_out = "Open it lazily: xr.open_zarr, or ds.chunk(lat=64, lon=64)."
        yield _warning("layout", "", f"{loaded / 1e9:.1f} GB are in memory", way_out)
