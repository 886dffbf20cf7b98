"""Towers of the synthetic world."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr

from xnee.pft import PFTS
from xnee.sources.stations import chinaflux_stations
from xnee.sources.synthetic.drivers import drivers
from xnee.sources.synthetic.formula import MEMORY, formula_nee
from xnee.sources.synthetic.landscape import cover
from xnee.sources.synthetic.weather import check_years, month_numbers, month_starts
from xnee.variables import DRIVERS, VARIABLES

__all__ = ["RECORDS", "synthetic_towers"]

RECORDS = {
    "CBF": (2003, 2010),
    "QYF": (2003, 2010),
    "DHF": (2003, 2010),
    "XBF": (2011, 2014),
    "ALF": (2009, 2013),
    "HZF": (2014, 2018),
    "LDF": (2016, 2017),
    "BTF": (2017, 2018),
    "MEF": (2016, 2018),
    "JFF": (2020, 2021),
    "YSF": (2020, 2021),
}
"""First and last year of each tower: 49 site-years, 588 site-months, as many as the reference study used. Each lies
within the published years; which years the study took is not known."""

_QC_MIN = 0.5
_FIRST_YEAR, _INVENTED_YEARS = 2003, 8
_LEAST_COVER = 0.5  # an invented tower stands where its type covers half of what it covers in its best climate


class _Tower(NamedTuple):
    site: str
    name: str
    pft: str
    lat: float
    lon: float
    first: int
    last: int


def _stations() -> list[_Tower]:
    table = chinaflux_stations()
    columns = (table[name].to_numpy() for name in ("code", "name", "pft", "lat", "lon"))
    return [
        _Tower(str(code), str(name), str(pft), float(lat), float(lon), *RECORDS[str(code)])
        for code, name, pft, lat, lon in zip(*columns, strict=True)
    ]


def _invented(pft: str, count: int, seed: int) -> list[_Tower]:
    """Towers scattered over the climate in which a type grows."""
    rng = np.random.default_rng([seed, PFTS.index(pft), 1])
    lat, lon = rng.uniform(18, 54, 20_000), rng.uniform(73, 136, 20_000)
    share = cover(lat, lon)[PFTS.index(pft)]
    good = np.flatnonzero(share >= _LEAST_COVER * share.max())[:count]
    last = _FIRST_YEAR + _INVENTED_YEARS - 1
    return [
        _Tower(f"{pft}{n:02d}", f"invented {pft} tower {n}", pft, float(lat[i]), float(lon[i]), _FIRST_YEAR, last)
        for n, i in enumerate(good, start=1)
    ]


def _choose(sites_per_pft: int | None, years: int | None, seed: int) -> list[_Tower]:
    chosen = _stations()
    if sites_per_pft is not None:
        own = {pft: [tower for tower in chosen if tower.pft == pft][:sites_per_pft] for pft in PFTS}
        chosen = [t for pft in PFTS for t in own[pft] + _invented(pft, sites_per_pft - len(own[pft]), seed)]
    if years is None:
        return chosen
    return [tower._replace(first=_FIRST_YEAR, last=_FIRST_YEAR + years - 1) for tower in chosen]


def _record(tower: _Tower, seed: int) -> xr.Dataset:
    """One tower without noise or gaps, ``(time)``. The past before its first month is made and cut off again."""
    months = month_numbers(tower.first, tower.last)
    months = np.concatenate([months[0] - np.arange(MEMORY, 0, -1), months])
    values = drivers(np.array(tower.lat), np.array(tower.lon), months, seed=seed)
    ds = xr.Dataset({name: ("time", values[name]) for name in DRIVERS}, coords={"time": month_starts(months)})
    return ds.assign(NEE=formula_nee(ds, pft=tower.pft)).isel(time=slice(MEMORY, None))


def _disturb(ds: xr.Dataset, rng: np.random.Generator, *, noise: float, gaps: float) -> xr.Dataset:
    """Add noise to NEE, quality to each month, and gaps; random numbers are drawn in the same order for any setting."""
    size = ds.sizes["time"]
    error, poor, outage = rng.standard_normal(size), rng.random(size), rng.random(size)
    good_qc, poor_qc = rng.uniform(0.6, 1, size), rng.uniform(0, 0.45, size)
    broken = rng.integers(0, len(DRIVERS), size)
    qc = np.where(poor < gaps, poor_qc, good_qc)
    ds = ds.assign(NEE=(ds["NEE"] + noise * error).where(qc >= _QC_MIN), NEE_QC=("time", qc))
    lost = {name: (outage < gaps / 10) & (broken == number) for number, name in enumerate(DRIVERS)}
    return ds.assign({name: ds[name].where(~lost[name]) for name in DRIVERS})


def synthetic_towers(
    *,
    seed: int = 0,
    noise: float = 8.0,
    gaps: float = 0.05,
    sites_per_pft: int | None = None,
    years: int | None = None,
) -> xr.Dataset:
    """Make towers of a China-like world in which NEE is known by formula. Nothing in it was measured.

    By default the eleven stations of the reference study with 588 site-months (whole years, ``RECORDS``), at their
    places and with their forest types, under invented weather. The same weather makes `synthetic_cube`.

    Parameters
    ----------
    seed
        Which weather, and which noise and gaps.
    noise
        Standard deviation of the noise added to NEE, g C m-2 month-1; 0 leaves the formula.
    gaps
        Share of months whose NEE fails quality control, 0 to below 1; a tenth of this share of months also has
        one driver missing. 0 leaves complete records.
    sites_per_pft
        Number of towers for each of the five types: stations first, then invented ones of eight years, scattered
        over the climate in which the type grows. By default the stations alone.
    years
        Length of every record, from 2003 on. By default as in ``RECORDS``.

    Returns
    -------
    xarray.Dataset
        ``(site, time)``: the 14 drivers, ``NEE`` (g C m-2 month-1, positive into the atmosphere) and ``NEE_QC``, in
        canonical units; coordinates ``site``, ``lat``, ``lon``, ``pft``, ``name``, ``licence``. Months outside a
        tower's record are missing.

    Raises
    ------
    ValueError
        If noise is negative, gaps is not in 0 to 1, or there would be no tower or no year.

    Examples
    --------
    >>> towers = synthetic_towers(noise=0, gaps=0)
    >>> int(towers["NEE"].count()), sorted(set(towers["pft"].values.tolist()))
    (588, ['DBF', 'DNF', 'EBF', 'ENF', 'MF'])
    """
    _check(noise=noise, gaps=gaps, sites_per_pft=sites_per_pft, years=years)
    chosen = _choose(sites_per_pft, years, seed)
    first, last = min(tower.first for tower in chosen), max(tower.last for tower in chosen)
    check_years(first, last)
    axis = month_starts(month_numbers(first, last))
    records = []
    for number, tower in enumerate(chosen):
        rng = np.random.default_rng([seed, number, 2])
        records.append(_disturb(_record(tower, seed), rng, noise=noise, gaps=gaps).reindex(time=axis))
    ds = xr.concat(records, xr.DataArray([tower.site for tower in chosen], dims="site", name="site"))
    return _describe(ds.transpose("site", "time"), chosen, seed=seed, noise=noise, gaps=gaps)


def _check(*, noise: float, gaps: float, sites_per_pft: int | None, years: int | None) -> None:
    if not noise >= 0 or not 0 <= gaps < 1:
        msg = f"noise must be 0 or more (g C m-2 month-1) and gaps a share from 0 to below 1; got {noise} and {gaps}."
        raise ValueError(msg)
    if (sites_per_pft is not None and sites_per_pft < 1) or (years is not None and years < 1):
        msg = f"sites_per_pft and years must be 1 or more, or None; got {sites_per_pft} and {years}."
        raise ValueError(msg)


def _describe(ds: xr.Dataset, towers: list[_Tower], *, seed: int, noise: float, gaps: float) -> xr.Dataset:
    for name in (*DRIVERS, "NEE"):
        ds[name].attrs = {"units": VARIABLES[name].units, "long_name": VARIABLES[name].long_name}
    ds["NEE_QC"].attrs = {"units": "1", "long_name": "share of the month's NEE that was measured (invented)"}
    ds = ds.assign_coords(
        lat=("site", [tower.lat for tower in towers], {"units": "degrees_north", "standard_name": "latitude"}),
        lon=("site", [tower.lon for tower in towers], {"units": "degrees_east", "standard_name": "longitude"}),
        pft=("site", [tower.pft for tower in towers]),
        name=("site", [tower.name for tower in towers]),
        licence=("site", ["synthetic, free of rights"] * len(towers)),
    )
    return ds.assign_attrs(
        title="synthetic towers: NEE from a stated formula, nothing measured",
        synthetic="true",
        seed=seed,
        noise=float(noise),
        gaps=float(gaps),
        qc_min=_QC_MIN,
    )
