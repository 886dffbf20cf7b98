"""What a place is like in the long run: static inputs of a network, by one function for towers and for cells."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xnee.checking import check_drivers, check_time, present_drivers
from xnee.variables import VARIABLES, check_names

__all__ = ["STATISTICS", "check_context", "period", "series_context", "site_context"]

STATISTICS = ("mean", "amplitude")
"""Of the mean year: its mean, and how far its months lie from that."""


def series_context(x: NDArray[np.floating], drivers: Sequence[str]) -> NDArray[np.float32]:
    """Sum series of drivers up as the mean and the amplitude of their mean year.

    Months of the same name are averaged first, so that a record that begins in spring and ends in summer is not taken
    for a warm place. Gaps do not count; a calendar month that was never seen is left out.

    Parameters
    ----------
    x
        ``(series, time, driver)``, months in order, canonical units.
    drivers
        Names along the last axis. Of a direction the mean is that of unit vectors.

    Returns
    -------
    numpy.ndarray
        ``(series, statistic, driver)`` in the drivers' units: mean over calendar months, and their population
        standard deviation (of a direction the angular deviation, degrees). NaN for a driver that has no value.

    Examples
    --------
    >>> warm_and_cold = np.tile([[20.0], [10.0]], (6, 1))[None]
    >>> series_context(warm_and_cold, ["TEMP"])[0, :, 0].tolist()
    [15.0, 5.0]
    """
    series, months, count = x.shape
    years = np.full((series, -(-months // 12) * 12, count), np.nan, dtype=np.result_type(x, np.float32))
    years[:, :months] = x
    by_month = years.reshape(series, -1, 12, count)
    result = np.empty((series, len(STATISTICS), count), dtype="f4")
    for k, name in enumerate(drivers):
        if VARIABLES[name].circular:
            angle = np.deg2rad(by_month[..., k])
            east, north = (_mean(_mean(part, 1), 1) for part in (np.sin(angle), np.cos(angle)))
            result[:, 0, k] = np.rad2deg(np.arctan2(east, north)) % 360
            result[:, 1, k] = np.rad2deg(np.sqrt(2 * (1 - np.minimum(np.hypot(east, north), 1))))
        else:
            year = _mean(by_month[..., k], 1)
            mean = _mean(year, 1)
            result[:, 0, k], result[:, 1, k] = mean, np.sqrt(_mean((year - mean[:, None]) ** 2, 1))
    return result


def _mean(values: NDArray[np.floating], axis: int) -> NDArray[np.floating]:
    """Average what is finite along an axis, in double precision; NaN where nothing is."""
    known = np.isfinite(values)
    total = np.where(known, values, 0).sum(axis=axis, dtype="f8")
    count = known.sum(axis=axis)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def site_context(ds: xr.Dataset, drivers: Iterable[str] | None = None) -> xr.DataArray:
    """Sum the drivers of towers or of a cube up as what the place is like in the long run.

    The static inputs of networks that were fitted with ``context=True``. Prediction makes them from the whole time
    axis of what it is given, so that predicting two years of a long record alone gives other numbers than predicting
    all of it. To keep them, give the short Dataset the context of the long one:
    ``short.assign(context=xnee.site_context(long))``.

    Parameters
    ----------
    ds
        Sites ``(site, time)`` or a cube ``(time, lat, lon)``, canonical units.
    drivers
        Names of the vocabulary; by default all that `ds` holds.

    Returns
    -------
    xarray.DataArray
        ``(statistic, driver, site)`` or ``(statistic, driver, lat, lon)``: ``mean`` over calendar months and
        ``amplitude``, their standard deviation, in the drivers' units. Lazy where the drivers are.
        ``attrs["period"]`` names the months.

    Raises
    ------
    ValueError
        If a driver is missing or in a wrong unit, or the time axis is not whole months in order.

    Examples
    --------
    >>> from xnee.sources.synthetic import synthetic_towers
    >>> context = site_context(synthetic_towers(), ["TEMP", "PRE"])
    >>> context.dims, context["statistic"].to_numpy().tolist()
    (('statistic', 'driver', 'site'), ['mean', 'amplitude'])
    """
    names = check_names(present_drivers(ds) if drivers is None else drivers)
    check_time(ds)
    if ds.sizes.get("time", 0) < 1:
        msg = "a context needs at least one month; the time axis of this Dataset is empty."
        raise ValueError(msg)
    check_drivers(ds, names)
    parts = [_one(ds[name], name) for name in names]
    stacked = xr.concat(parts, dim=xr.Variable("driver", list(names)), coords="minimal", compat="override")
    stacked = stacked.assign_coords(statistic=list(STATISTICS))
    said = {"long_name": "long-term context, in the units of the drivers", "period": period(ds["time"])}
    return stacked.transpose("statistic", "driver", ...).rename("context").assign_attrs(said)


def period(time: xr.DataArray) -> str:
    """Name the first and the last month of a time axis.

    Parameters
    ----------
    time
        Months in order.

    Returns
    -------
    str
        E.g. ``"2001-01 to 2010-12"``.
    """
    months = time.to_numpy().astype("datetime64[M]")
    return f"{months[0]} to {months[-1]}"


def _one(driver: xr.DataArray, name: str) -> xr.DataArray:
    """Sum one driver up over its time axis; what does not change has no amplitude."""
    series = driver if "time" in driver.dims else driver.expand_dims(time=1)

    def of_block(values: NDArray[np.floating]) -> NDArray[np.float32]:
        flat = values.reshape(-1, values.shape[-1], 1)
        return series_context(flat, [name])[..., 0].reshape(*values.shape[:-1], len(STATISTICS))

    result: xr.DataArray = xr.apply_ufunc(
        of_block,
        series.chunk(time=-1) if series.chunks else series,
        input_core_dims=[["time"]],
        output_core_dims=[["statistic"]],
        dask="parallelized",
        output_dtypes=["f4"],
        dask_gufunc_kwargs={"output_sizes": {"statistic": len(STATISTICS)}},
    )
    return result.drop_attrs()


def check_context(context: xr.DataArray, drivers: Sequence[str]) -> xr.DataArray:
    """Choose the statistics and drivers of a context that was made elsewhere, in order.

    Parameters
    ----------
    context
        As of `site_context`.
    drivers
        Names that are needed.

    Returns
    -------
    xarray.DataArray
        Its ``statistic`` and ``driver`` axes as asked for.

    Raises
    ------
    ValueError
        If one is missing.
    """
    for dim, wanted in (("statistic", list(STATISTICS)), ("driver", list(drivers))):
        there = context[dim].to_numpy().tolist() if dim in context.coords else []
        lacking = [name for name in wanted if name not in there]
        if lacking:
            msg = f"context needs the {dim} {lacking}; it has {there}. Make it with xnee.site_context(ds)."
            raise ValueError(msg)
    return context.sel(statistic=list(STATISTICS), driver=list(drivers))
