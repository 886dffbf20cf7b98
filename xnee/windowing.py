"""Samples with a past: what a model sees of a tower or of a cell to predict one month.

One rule for gaps (`complete`) serves training, testing, towers and maps. Towers are cut into windows by `slide`; a map
is never cut: prediction runs along the series of each cell (`xnee.models.lstm.forward_series`), to the same numbers.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xnee.checking import check_drivers, check_sites, check_time, present_drivers
from xnee.context import STATISTICS, check_context, series_context
from xnee.variables import TARGET, check_names, labels

__all__ = [
    "WindowSpec",
    "complete",
    "in_record",
    "long_term",
    "slide",
    "stack_drivers",
    "windows",
]

_log = logging.getLogger(__name__)
_NOT_OF_TOWERS = frozenset({"FAPAR", "AGE", "SIF", "LAI", "NDVI"})
"""Drivers that come from elsewhere than the tower, and so do not tell when it ran."""


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
        From sites: ``x (sample, lag, driver)``, ``NEE (sample)``, its standard error ``NEE_SE (sample)``, both in
        g C m-2 month-1, and ``NEE_QC (sample)`` (each where `ds` has it), with coordinates ``site``, ``time`` and
        ``pft`` by sample, and ``lag`` from `lags` down to 0 months before the target; and ``context (sample,
        statistic, driver)``, what the site is like over its whole record (see `xnee.site_context`; taken from
        ``ds["context"]`` where there is one). In memory. ``attrs["dropped"]`` counts the site-months that made no
        sample, each under the first reason that holds (``qc``, ``no target``, ``start of record``, ``driver gap``),
        and ``attrs["gaps_by_driver"]`` says which drivers broke windows.
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
    spec = WindowSpec(drivers=present_drivers(ds) if drivers is None else check_names(drivers), lags=lags)
    check_time(ds)
    if "site" in ds.dims:
        return _site_windows(ds, spec)
    check_drivers(ds, spec.drivers)
    return _cube_windows(ds, spec)


def _site_windows(ds: xr.Dataset, spec: WindowSpec) -> xr.Dataset:
    check_sites(ds)
    ds = ds.compute()
    has_target = spec.target in ds
    check_drivers(ds, (*spec.drivers, spec.target) if has_target else spec.drivers)
    x = stack_drivers(ds, spec.drivers).transpose("site", "time", "driver").to_numpy()
    reasons = _reasons(ds, x, spec)
    keep = np.logical_and.reduce([~mask for mask in reasons.values()]) & in_record(ds, spec.drivers)
    site, time = np.nonzero(keep)
    lag = np.arange(spec.lags, -1, -1)
    sample = {
        "site": ("sample", labels(ds["site"])[site]),
        "time": ("sample", ds["time"].to_numpy()[time]),
        "pft": ("sample", labels(ds["pft"])[site] if "pft" in ds else np.full(site.size, "")),
        "lag": ("lag", lag, {"units": "month", "long_name": "months before the target month"}),
        "driver": ("driver", list(spec.drivers)),
        "statistic": ("statistic", list(STATISTICS)),
    }
    view = slide(x, min(spec.length, x.shape[1]))  # a record shorter than a window has no sample to cut
    cut = view[site, time - spec.lags] if site.size else np.empty((0, spec.length, len(spec.drivers)))
    context = long_term(ds, x, spec.drivers)
    unknown = np.unique(site[~np.isfinite(context[site]).all(axis=(1, 2))])
    if unknown.size:
        names = labels(ds["site"])[unknown].tolist()
        msg = (
            f"context has gaps for {unknown.size} sites that have windows, e.g. {names[:3]}. Make it of the same "
            "sites: xnee.site_context(ds), or drop it: ds.drop_vars('context')."
        )
        raise ValueError(msg)
    data = {"x": (("sample", "lag", "driver"), cut), "context": (("sample", "statistic", "driver"), context[site])}
    for name in (spec.target, f"{spec.target}_SE", f"{spec.target}_QC") if has_target else ():
        if name in ds:
            values = ds[name].transpose("site", "time").to_numpy()[site, time]
            data[name] = (("sample",), values, dict(ds[name].attrs))  # type: ignore[assignment]
    return xr.Dataset(data, coords=sample, attrs=_count(ds, x, reasons, spec))


def long_term(ds: xr.Dataset, x: NDArray[np.floating], drivers: Iterable[str]) -> NDArray[np.float32]:
    """Take the context that a Dataset brings along, or that of its series.

    Parameters
    ----------
    ds
        Sites, perhaps with ``context (statistic, driver, site)`` of a longer record.
    x
        ``(site, time, driver)``, their drivers.
    drivers
        Names along its last axis.

    Returns
    -------
    numpy.ndarray
        ``(site, statistic, driver)``, see `xnee.context.series_context`.

    Raises
    ------
    ValueError
        If the context that is there lacks a driver or a statistic.
    """
    names = list(drivers)
    if "context" not in ds:
        return series_context(x, names)
    context = check_context(ds["context"], names)
    return context.transpose(..., "statistic", "driver").to_numpy().astype("f4")


def in_record(ds: xr.Dataset, drivers: Iterable[str]) -> NDArray[np.bool_]:
    """Tell the months between the first and the last in which the tower ran.

    Parameters
    ----------
    ds
        Sites ``(site, time)``.
    drivers
        Names of drivers that count. What the tower measures itself says when it ran, NEE too; a satellite series
        goes on without it, and the age of a stand has no end: these decide only where there is nothing else.

    Returns
    -------
    numpy.ndarray
        ``(site, time)``.
    """
    measured = [name for name in (TARGET, f"{TARGET}_QC") if name in ds]
    names = [*measured, *(name for name in drivers if name not in _NOT_OF_TOWERS)] or list(drivers)
    some = np.zeros((ds.sizes["site"], ds.sizes["time"]), dtype=bool)
    for name in names:
        value = np.isfinite(ds[name].transpose("site", ...).to_numpy())
        some |= value if "time" in ds[name].dims else value[:, None]
    return np.logical_or.accumulate(some, axis=1) & np.logical_or.accumulate(some[:, ::-1], axis=1)[:, ::-1]


def _reasons(ds: xr.Dataset, x: NDArray[np.floating], spec: WindowSpec) -> dict[str, NDArray[np.bool_]]:
    """Why a site-month makes no sample: masks ``(site, time)``, not exclusive, in the order in which they count."""
    record = in_record(ds, spec.drivers)
    started = np.zeros_like(record)
    started[:, spec.lags :] = record[:, : max(record.shape[1] - spec.lags, 0)]
    reasons: dict[str, NDArray[np.bool_]] = {}
    if spec.target in ds:
        absent = ~np.isfinite(ds[spec.target].transpose("site", "time").to_numpy())
        if f"{spec.target}_QC" in ds and "qc_min" in ds.attrs:
            quality = ds[f"{spec.target}_QC"].transpose("site", "time").to_numpy()
            reasons["qc"] = quality < float(ds.attrs["qc_min"])
        reasons["no target"] = absent
    reasons["start of record"] = ~started
    reasons["driver gap"] = ~complete(x, spec.length)
    return reasons


def _count(
    ds: xr.Dataset, x: NDArray[np.floating], reasons: dict[str, NDArray[np.bool_]], spec: WindowSpec
) -> dict[str, object]:
    """Count each dropped site-month of a record once, and the drivers whose gaps broke windows."""
    left = in_record(ds, spec.drivers)
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
