"""What becomes of each month of each tower: kept, or left out for one reason."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xnee.checking import present_drivers
from xnee.variables import TARGET, check_names, labels
from xnee.windowing import in_record, windows

__all__ = ["FATES", "coverage", "coverage_table"]

FATES: tuple[str, ...] = ("qc", "outlier", "no target", "start of record", "driver gap", "kept")
"""What may become of a month, in the order in which a month is asked."""


def coverage(sites: xr.Dataset, drivers: Iterable[str] | None = None, *, lags: int = 6) -> xr.Dataset:
    """Count the months of each site by what becomes of them.

    Parameters
    ----------
    sites
        Tower data, ``(site, time)``, canonical units.
    drivers
        Names of the vocabulary; by default all that `sites` holds.
    lags
        Months of history before the target month.

    Returns
    -------
    xarray.Dataset
        ``months (site, fate)``: each month of a record under the first fate that holds: ``qc`` (NEE under
        ``qc_min``), ``outlier`` (NEE dropped by `drop_outliers`), ``no target`` (no NEE for another reason), ``start
        of record``, ``driver gap``, ``kept`` (a window). ``record (site)``: months from the first to the last with
        any value, the sum of ``months`` over ``fate``. By driver, ``present`` and ``missing (site, driver)``, months
        of the record with and without a value, which also add up to it; and ``broken (site, driver)``, windows that
        this driver's gaps broke: one window may count for several drivers. ``first`` and ``last (site)``, months.
        The counts are those of `windows`, which is asked site by site.

    Raises
    ------
    ValueError
        If `windows` refuses the Dataset, the drivers or the lags.

    Examples
    --------
    >>> from xnee.sources.synthetic import synthetic_towers
    >>> months = coverage(synthetic_towers(), ["TEMP", "PRE"])
    >>> bool((months["months"].sum("fate") == months["record"]).all())
    True
    """
    chosen = check_names(present_drivers(sites) if drivers is None else drivers)
    plain = sites.reset_coords(drop=True)  # lat, name and so on cost time and decide nothing
    windows(plain, chosen, lags=lags)  # refuses what it must for all sites at once
    counts = [_counts(plain.isel(site=[k]), chosen, lags) for k in range(sites.sizes["site"])]
    record = np.array([count["record"] for count in counts])
    months = np.array([[count[fate] for fate in FATES] for count in counts])
    broken = np.array([[count[f"broken {name}"] for name in chosen] for count in counts])
    running = in_record(sites, chosen)
    present = np.stack([(_has(sites, name) & running).sum(axis=1) for name in chosen], axis=1)
    first, last = _ends(sites, running)
    coords = {name: sites[name] for name in ("site", "pft", "name") if name in sites.coords}
    return xr.Dataset(
        {
            "record": ("site", record, {"units": "1", "long_name": "months from the first to the last with a value"}),
            "months": (("site", "fate"), months, {"units": "1", "long_name": "months by what becomes of them"}),
            "present": (("site", "driver"), present, {"units": "1", "long_name": "months with a value"}),
            "missing": (
                ("site", "driver"),
                record[:, None] - present,
                {"units": "1", "long_name": "months of the record without a value"},
            ),
            "broken": (("site", "driver"), broken, {"units": "1", "long_name": "windows that gaps broke"}),
            "first": ("site", first, {"long_name": "first month of the record"}),
            "last": ("site", last, {"long_name": "last month of the record"}),
        },
        coords={**coords, "fate": list(FATES), "driver": list(chosen)},
        attrs={"lags": lags} | {key: sites.attrs[key] for key in ("qc_min",) if key in sites.attrs},
    )


def coverage_table(months: xr.Dataset) -> str:
    """Print the coverage of sites as plain text, one line for each site and forest type.

    Parameters
    ----------
    months
        What `coverage` gives.

    Returns
    -------
    str
        Columns: site, type, first and last month, record, the fates, whose sum is the record, and up to three
        drivers that broke most windows. Below, the sums by forest type and of all.

    Examples
    --------
    >>> from xnee.sources.synthetic import synthetic_towers
    >>> table = coverage_table(coverage(synthetic_towers(), ["TEMP"]))
    >>> table.splitlines()[0].split()[:5]
    ['site', 'pft', 'first', 'last', 'record']
    """
    pft = labels(months["pft"]) if "pft" in months.coords else np.full(months.sizes["site"], "")
    heading = ["site", "pft", "first", "last", "record", *FATES, "broken by"]
    rows = [heading]
    for k, site in enumerate(labels(months["site"])):
        one = months.isel(site=k)
        ends = [str(one[name].to_numpy().astype("datetime64[M]")) for name in ("first", "last")]
        rows.append([str(site), str(pft[k]), *ends, *_cells(one)])
    for name in [*dict.fromkeys(sorted(pft)), None]:
        some = months.isel(site=np.flatnonzero((pft == name) | (name is None)))
        total = some.drop_vars(["first", "last"]).sum("site")
        rows.append(["all" if name is None else f"{some.sizes['site']} sites", str(name or ""), "", "", *_cells(total)])
    width = [max(len(row[column]) for row in rows) for column in range(len(heading))]
    return "\n".join("  ".join(_aligned(row, width)).rstrip() for row in rows)


def _counts(site: xr.Dataset, drivers: tuple[str, ...], lags: int) -> dict[str, int]:
    """Ask `windows` what becomes of the months of one site."""
    made = windows(site, drivers, lags=lags)
    counts: dict[str, int] = dict.fromkeys(FATES, 0) | made.attrs["dropped"]
    if TARGET in site and f"{TARGET}_outlier" in site:
        # NEE that was good enough to be judged: windows counts it among what has no target.
        flagged = site[f"{TARGET}_outlier"].astype(bool) & site[TARGET].isnull()
        counts["outlier"] = int(flagged.sum())
        counts["no target"] -= counts["outlier"]
    broken = {f"broken {name}": count for name, count in made.attrs["gaps_by_driver"].items()}
    return counts | broken | {"kept": made.sizes["sample"], "record": made.attrs["site_months"]}


def _has(sites: xr.Dataset, name: str) -> NDArray[np.bool_]:
    """Tell where a variable has a value, ``(site, time)`` or ``(site, 1)`` for a static one."""
    there = np.isfinite(sites[name].transpose("site", ...).to_numpy())
    result: NDArray[np.bool_] = there if there.ndim > 1 else there[:, None]
    return result


def _ends(sites: xr.Dataset, running: NDArray[np.bool_]) -> tuple[NDArray[np.datetime64], NDArray[np.datetime64]]:
    """Give the first and last month of each record; NaT where there is none."""
    time, none = sites["time"].to_numpy(), ~running.any(axis=1)
    first, last = time[running.argmax(axis=1)], time[time.size - 1 - running[:, ::-1].argmax(axis=1)]
    return np.where(none, np.datetime64("NaT"), first), np.where(none, np.datetime64("NaT"), last)


def _cells(one: xr.Dataset) -> list[str]:
    """Write the counts of a site, or of several together."""
    worst = one["broken"].to_series().sort_values(ascending=False, kind="stable").head(3)
    broken = [f"{name} {count}" for name, count in worst.items() if count]
    return [str(int(one["record"])), *(str(count) for count in one["months"].to_numpy()), ", ".join(broken)]


def _aligned(row: list[str], width: list[int]) -> list[str]:
    """Put words to the left and counts to the right."""
    number = range(4, 5 + len(FATES))
    return [cell.rjust(w) if k in number else cell.ljust(w) for k, (cell, w) in enumerate(zip(row, width, strict=True))]
