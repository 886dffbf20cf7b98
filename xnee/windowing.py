"""Samples with a past: what a model sees of a tower or of a cell to predict one month.

One kernel (`slide`) and one rule for gaps (`complete`) serve training, testing, towers and maps.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xnee.variables import DRIVERS, TARGET, VARIABLES, check_names, check_units, labels

__all__ = [
    "WindowSpec",
    "check_drivers",
    "check_time",
    "complete",
    "present_drivers",
    "slide",
    "stack_drivers",
    "windows",
]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class WindowSpec:
    """What one sample sees.

    Parameters
    ----------
    drivers
        Names of the vocabulary, in the order in which the network reads them.
    lags
        Months of history before the target month; a window is ``lags + 1`` months long.
    target
        What is predicted.

    Raises
    ------
    ValueError
        If a driver is not in the vocabulary or `lags` is negative.

    Examples
    --------
    >>> WindowSpec(drivers=("TEMP", "PRE")).length
    7
    """

    drivers: tuple[str, ...]
    lags: int = 6
    target: str = TARGET

    def __post_init__(self) -> None:
        """Check names and lags."""
        object.__setattr__(self, "drivers", check_names(self.drivers))
        if isinstance(self.lags, bool) or not isinstance(self.lags, int) or self.lags < 0:
            msg = f"lags must be 0 or more whole months, got {self.lags!r}."
            raise ValueError(msg)

    @property
    def length(self) -> int:
        """Months in a window, the target month included."""
        return self.lags + 1


def slide(x: NDArray[np.floating], length: int) -> NDArray[np.floating]:
    """View the time axis through a moving window.

    Parameters
    ----------
    x
        ``(..., time, driver)``.
    length
        Months in a window. The last one is the month that is predicted.

    Returns
    -------
    numpy.ndarray
        ``(..., time - length + 1, lag, driver)``, oldest month first. A view: do not write to it.

    Examples
    --------
    >>> slide(np.arange(4.0)[:, None], 3)[..., 0].tolist()
    [[0.0, 1.0, 2.0], [1.0, 2.0, 3.0]]
    """
    view = np.lib.stride_tricks.sliding_window_view(x, length, axis=-2)
    return np.moveaxis(view, -1, -2)


def complete(x: NDArray[np.floating], length: int) -> NDArray[np.bool_]:
    """Tell which windows hold a value for every driver in every month.

    Parameters
    ----------
    x
        ``(..., time, driver)``; a gap is anything not finite.
    length
        Months in a window.

    Returns
    -------
    numpy.ndarray
        ``(..., time)``, for the window that ends there. False in the first ``length - 1`` months.

    Examples
    --------
    >>> complete(np.array([[1.0], [np.nan], [1.0], [1.0]]), 2).tolist()
    [False, False, False, True]
    """
    month = np.isfinite(x).all(axis=-1)
    result = np.zeros(month.shape, dtype=bool)
    if month.shape[-1] >= length:
        result[..., length - 1 :] = np.lib.stride_tricks.sliding_window_view(month, length, axis=-1).all(axis=-1)
    return result


def present_drivers(ds: xr.Dataset) -> tuple[str, ...]:
    """List the drivers that a Dataset holds, in the order of the vocabulary.

    Parameters
    ----------
    ds
        Sites or a cube.

    Returns
    -------
    tuple of str
        Possibly empty.

    Examples
    --------
    >>> present_drivers(xr.Dataset({"PRE": 1.0, "TEMP": 2.0, "other": 3.0}))
    ('TEMP', 'PRE')
    """
    return tuple(name for name in DRIVERS if name in ds)


def check_time(ds: xr.Dataset) -> None:
    """Refuse a time axis that is not month starts in order without holes.

    Parameters
    ----------
    ds
        Any Dataset with a ``time`` coordinate.

    Raises
    ------
    ValueError
        If ``time`` is missing, not a datetime, duplicated, unsorted, has a hole, or is not at the month's start.
    """
    if "time" not in ds.coords or not np.issubdtype(ds["time"].dtype, np.datetime64):
        msg = (
            "a time coordinate of standard-calendar dates is needed; "
            f"got {'none' if 'time' not in ds.coords else ds['time'].dtype}. For another calendar convert first, "
            'e.g. ds.convert_calendar("standard", use_cftime=False).'
        )
        raise ValueError(msg)
    stamps = ds["time"].to_numpy()
    months = stamps.astype("datetime64[M]")
    step = np.diff(months).astype(int)
    if (step <= 0).any():
        first = months[1:][step <= 0][0]
        msg = (
            f"months must come once each and in order; {first} is duplicated or out of order. "
            'Use ds.sortby("time") and ds.drop_duplicates("time") once you know which row is right.'
        )
        raise ValueError(msg)
    if (step > 1).any():
        gap = months[:-1][step > 1][0]
        msg = (
            f"the time axis must have no holes, but the month after {gap} is missing. Fill the axis with missing "
            'values: ds.resample(time="MS").asfreq().'
        )
        raise ValueError(msg)
    if (stamps != months.astype(stamps.dtype)).any():
        msg = (
            f"time must be the start of the month; got {stamps[stamps != months.astype(stamps.dtype)][0]}. "
            'Shift it: ds.assign_coords(time=ds.time.to_numpy().astype("datetime64[M]").astype("datetime64[ns]")).'
        )
        raise ValueError(msg)


def check_drivers(ds: xr.Dataset, names: Iterable[str]) -> None:
    """Refuse a Dataset that lacks a driver or has it in another unit.

    Parameters
    ----------
    ds
        Sites or a cube. Values that are in memory are also checked against their plausible range.
    names
        Drivers, and the target where it is needed.

    Raises
    ------
    ValueError
        If a variable is missing, its unit is not canonical, or a value in memory is out of range.
    """
    missing = [name for name in names if name not in ds.data_vars]
    if missing:
        msg = (
            f"these variables are needed but not in the Dataset: {missing}; it has {list(ds.data_vars)}. "
            "Add them, or choose other drivers with drivers=[...]."
        )
        raise ValueError(msg)
    for name in names:
        check_units(name, ds[name].attrs.get("units"))
        if ds[name].chunks is None:
            _check_range(name, ds[name].to_numpy())


def _check_range(name: str, values: NDArray[np.floating]) -> None:
    row = VARIABLES[name]
    outside = values[(values < row.low) | (values > row.high)]
    if outside.size:
        msg = (
            f"{name} must lie between {row.low} and {row.high} {row.units}; {outside.size} values do not, "
            f"e.g. {outside.flat[0]:.4g}. Check the unit, or set broken values to NaN."
        )
        raise ValueError(msg)


def stack_drivers(ds: xr.Dataset, drivers: Iterable[str]) -> xr.DataArray:
    """Put drivers side by side along one dimension.

    Parameters
    ----------
    ds
        Sites or a cube. A static driver (AGE without ``time``) is repeated over the months.
    drivers
        Names, in order.

    Returns
    -------
    xarray.DataArray
        ``(..., time, driver)``. Lazy when the drivers are.
    """
    names = list(drivers)
    columns = [ds[name].drop_attrs() for name in names]
    template = (
        ds["time"]
        if all("time" not in column.dims for column in columns)
        else next(column for column in columns if "time" in column.dims)
    )
    like = xr.zeros_like(template, dtype=bool)
    stacked = xr.concat(
        [column if "time" in column.dims else column.broadcast_like(like) for column in columns],
        dim=xr.Variable("driver", names),
        coords="minimal",
        compat="override",
        join="exact",
    )
    return stacked.transpose(..., "time", "driver")


def windows(ds: xr.Dataset, drivers: Iterable[str] | None = None, *, lags: int = 6) -> xr.Dataset:
    """Build the samples that a model is trained and tested on.

    Parameters
    ----------
    ds
        Sites ``(site, time)`` or a cube ``(time, lat, lon)``, canonical units.
    drivers
        Names of the vocabulary; by default all that `ds` holds.
    lags
        Months of history before the target month.

    Returns
    -------
    xarray.Dataset
        From sites: ``x (sample, lag, driver)``, ``NEE (sample)`` and its standard error ``NEE_SE (sample)`` in
        g C m-2 month-1 (where `ds` has them), with coordinates ``site``, ``time`` and ``pft`` by sample, and ``lag``
        from `lags` down to 0 months before the target. In memory. ``attrs["dropped"]`` counts the site-months that
        made no sample, each under the first reason that holds (``qc``, ``no target``, ``start of record``,
        ``driver gap``), and ``attrs["gaps_by_driver"]`` says which drivers broke windows.
        From a cube: ``x (time, lat, lon, lag, driver)``, lazy; ``attrs["bytes"]`` says what computing all of it
        would cost. Prediction never does: it works on the series themselves.

    Raises
    ------
    ValueError
        If a driver is missing, in a wrong unit or out of range, or the time axis is not whole months in order.

    Examples
    --------
    >>> from xnee.sources.synthetic import synthetic_towers
    >>> sample = windows(synthetic_towers(), ["TEMP", "PRE"], lags=6)
    >>> sample["x"].dims, sample["lag"].to_numpy().tolist()
    (('sample', 'lag', 'driver'), [6, 5, 4, 3, 2, 1, 0])
    """
    chosen = present_drivers(ds) if drivers is None else drivers
    spec = WindowSpec(drivers=tuple(chosen), lags=lags)
    check_time(ds)
    if "site" in ds.dims:
        return _site_windows(ds, spec)
    check_drivers(ds, spec.drivers)
    return _cube_windows(ds, spec)


def _site_windows(ds: xr.Dataset, spec: WindowSpec) -> xr.Dataset:
    if ds.sizes["site"] == 0:
        msg = "windows need at least one site; the Dataset has 0. Check the paths given to the reader."
        raise ValueError(msg)
    ds = ds.load() if ds.chunks else ds
    has_target = spec.target in ds
    check_drivers(ds, (*spec.drivers, spec.target) if has_target else spec.drivers)
    x = stack_drivers(ds, spec.drivers).transpose("site", "time", "driver").to_numpy()
    reasons = _reasons(ds, x, spec)
    keep = np.logical_and.reduce([~mask for mask in reasons.values()]) & _in_record(ds, x)
    site, time = np.nonzero(keep)
    lag = np.arange(spec.lags, -1, -1)
    sample = {
        "site": ("sample", labels(ds["site"])[site]),
        "time": ("sample", ds["time"].to_numpy()[time]),
        "pft": ("sample", labels(ds["pft"])[site] if "pft" in ds else np.full(site.size, "")),
        "lag": ("lag", lag, {"units": "month", "long_name": "months before the target month"}),
        "driver": ("driver", list(spec.drivers)),
    }
    data = {"x": (("sample", "lag", "driver"), x[site[:, None], time[:, None] - lag])}
    for name in (spec.target, f"{spec.target}_SE") if has_target else ():
        if name in ds:
            values = ds[name].transpose("site", "time").to_numpy()[site, time]
            data[name] = (("sample",), values, dict(ds[name].attrs))  # type: ignore[assignment]
    return xr.Dataset(data, coords=sample, attrs=_count(ds, x, reasons, spec))


def _in_record(ds: xr.Dataset, x: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Months between the first and the last with any value of the site, ``(site, time)``."""
    some = np.isfinite(x).any(axis=-1)
    for name in (TARGET, f"{TARGET}_QC"):
        if name in ds:
            some |= np.isfinite(ds[name].transpose("site", "time").to_numpy())
    return np.logical_or.accumulate(some, axis=1) & np.logical_or.accumulate(some[:, ::-1], axis=1)[:, ::-1]


def _reasons(ds: xr.Dataset, x: NDArray[np.floating], spec: WindowSpec) -> dict[str, NDArray[np.bool_]]:
    """Why a site-month makes no sample: masks ``(site, time)``, not exclusive, in the order in which they count."""
    record = _in_record(ds, x)
    started = np.zeros_like(record)
    started[:, spec.lags :] = record[:, : max(record.shape[1] - spec.lags, 0)]
    reasons: dict[str, NDArray[np.bool_]] = {}
    if spec.target in ds:
        absent = ~np.isfinite(ds[spec.target].transpose("site", "time").to_numpy())
        if f"{spec.target}_QC" in ds and "qc_min" in ds.attrs:
            quality = ds[f"{spec.target}_QC"].transpose("site", "time").to_numpy()
            reasons["qc"] = absent & (quality < float(ds.attrs["qc_min"]))
        reasons["no target"] = absent
    reasons["start of record"] = ~started
    reasons["driver gap"] = ~complete(x, spec.length)
    return reasons


def _count(
    ds: xr.Dataset, x: NDArray[np.floating], reasons: dict[str, NDArray[np.bool_]], spec: WindowSpec
) -> dict[str, object]:
    """Count each dropped site-month of a record once, and the drivers whose gaps broke windows."""
    left = _in_record(ds, x)
    total, dropped = int(left.sum()), {}
    for reason, mask in reasons.items():
        dropped[reason] = int((left & mask).sum())
        if reason == "driver gap":
            broken = left & mask
        left = left & ~mask
    by_driver = {name: int((broken & ~complete(x[..., [k]], spec.length)).sum()) for k, name in enumerate(spec.drivers)}
    return {"site_months": total, "dropped": dropped, "gaps_by_driver": by_driver}


def _cube_windows(ds: xr.Dataset, spec: WindowSpec) -> xr.Dataset:
    x = stack_drivers(ds, spec.drivers).chunk({"time": -1, "driver": -1})
    space = [str(dim) for dim in x.dims if dim not in ("time", "driver")]
    x = x.rolling(time=spec.length).construct("lag").isel(time=slice(spec.lags, None))
    x = x.transpose("time", *space, "lag", "driver")
    lag = ("lag", np.arange(spec.lags, -1, -1), {"units": "month", "long_name": "months before the target month"})
    result = x.to_dataset(name="x").assign_coords(lag=lag)
    result.attrs["bytes"] = int(x.nbytes)
    _log.info("windows of this cube would take %.1f GB if computed whole; predict() does not need them", x.nbytes / 1e9)
    return result
