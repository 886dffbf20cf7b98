"""Maps of agreement and totals of a product and others."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr

from xnee.comparison.gridding import OWN, coarsest_grid, common_months, read_source, regrid
from xnee.grid import Grid, integrate
from xnee.variables import TARGET, VARIABLES, labels

__all__ = ["compare"]

_LEAST_YEARS = 3
"""Years that a correlation from year to year needs to be given at all."""


def compare(
    product: xr.Dataset,
    others: Mapping[str, xr.Dataset | xr.DataArray],
    *,
    period: tuple[str, str] | None = None,
    min_forest: float = 0.5,
    grid: Grid | None = None,
) -> xr.Dataset:
    """Hold a map against other products, on the same cells and in the same years.

    All are brought to the coarsest of their grids, conservatively; a year counts if every source has all of its
    months, a cell if every source has all months of these years and at least `min_forest` of it is forest. Computed
    here, a year at a time.

    Parameters
    ----------
    product
        What ``cube.nee.predict(model)`` gives, or a product that was opened: ``NEE (time, lat, lon)`` per square metre
        of forest, and ``forest_fraction``.
    others
        By name: ``NEE (time, lat, lon)`` in g C m-2 month-1 of the whole cell, as of `xnee.open_flux`, alone or in a
        Dataset. One that holds ``forest_fraction`` too is taken as per square metre of forest.
    period
        First and last month, such as ``("2001-01", "2010-12")``; by default all that is common.
    min_forest
        Share of a cell under forest from which its flux stands for that of its forest, 0 to 1. Others see crops and
        grass in the same cell: the lower, the less is compared like with like.
    grid
        Another grid to compare on.

    Returns
    -------
    xarray.Dataset
        ``NEE (source, lat, lon)``, mean of the years, g C m-2 yr-1, source ``"xnee"`` and the others; ``bias (other,
        lat, lon)``, the product's minus the other's; ``seasonal_correlation`` (of the mean years) and
        ``interannual_correlation`` (of yearly sums, from three years on) ``(other, lat, lon)``; ``total (source,
        year)`` in Tg C yr-1, flux times forest area of the compared cells; ``total_own (year)``, of all forest of the
        product; ``forest_area (lat, lon)`` in m2. ``attrs`` tell grid, years and the share of the product's forest
        that is compared. In memory; `comparison_table` prints it.

    Raises
    ------
    TypeError
        If a source is no Dataset or DataArray.
    ValueError
        If a source lacks NEE, its unit or its dimensions, or nothing is common.

    Examples
    --------
    >>> import pandas as pd
    >>> axes = {"time": pd.date_range("2001-01", periods=12, freq="MS"), "lat": [30.5, 31.5], "lon": [110.5, 111.5]}
    >>> nee = xr.DataArray(np.full((12, 2, 2), -10.0), axes, tuple(axes), attrs={"units": "g C m-2 month-1"})
    >>> product = xr.Dataset({"NEE": nee, "forest_fraction": (("lat", "lon"), np.full((2, 2), 0.8))})
    >>> found = compare(product, {"other": (nee + 2).assign_attrs(nee.attrs)})
    >>> round(found["bias"].mean().item(), 6), found.attrs["years"]
    (-24.0, '2001')
    """
    if not others:
        msg = 'compare needs at least one other product, such as {"X-BASE": xnee.open_flux("...")}.'
        raise ValueError(msg)
    if OWN in others:
        msg = f"{OWN!r} is the name of the product itself: give the other another name."
        raise ValueError(msg)
    if not 0 <= min_forest <= 1:
        msg = f"min_forest is a share of the cell, 0 to 1; got {min_forest}."
        raise ValueError(msg)
    sources = {name: read_source(source, name, period) for name, source in {OWN: product, **others}.items()}
    if "forest_fraction" not in sources[OWN]:
        msg = "the product has no forest_fraction: give what cube.nee.predict(model) or xnee.open_product gives."
        raise ValueError(msg)
    stamps = common_months(sources)
    grid = grid or coarsest_grid(sources)
    forest = integrate(sources[OWN]["forest_fraction"].fillna(0), grid).compute()
    flux = {name: regrid(source.sel(time=stamps), grid).compute() for name, source in sources.items()}
    monthly = xr.concat(list(flux.values()), dim="source", join="exact").assign_coords(source=list(flux))
    return _compared(monthly, forest, grid, min_forest=min_forest)


def _compared(monthly: xr.DataArray, forest: xr.DataArray, grid: Grid, *, min_forest: float) -> xr.Dataset:
    share = forest / grid.area
    known = monthly.notnull().all(("time", "source"))
    common = known & (share >= min_forest * (1 - 1e-9)) & (share > 0)
    if not bool(common.any()):
        best = float(share.where(known).max()) if bool(known.any()) else float("nan")
        msg = (
            f"no cell of {grid.step:g} degrees is known to all products in all common months and has {min_forest:.0%} "
            f"forest; {int(known.sum())} cells are known to all, with at most {best:.0%} forest. Lower min_forest."
        )
        raise ValueError(msg)
    yearly = monthly.groupby("time.year").sum(skipna=False)
    season = monthly.groupby("time.month").mean(skipna=False)
    kept = yearly.where(common)
    ours, rest = kept.sel(source=OWN, drop=True), kept.drop_sel(source=OWN).rename(source="other")
    result = xr.Dataset(
        {
            "NEE": kept.mean("year", skipna=False),
            "bias": (ours - rest).mean("year", skipna=False).transpose("other", ...),
            "seasonal_correlation": _correlation(season.where(common), "month"),
            "interannual_correlation": _correlation(kept, "year")
            if yearly.sizes["year"] >= _LEAST_YEARS
            else xr.full_like(rest.isel(year=0, drop=True), np.nan),
            # cells that are not compared are left out here, as the share of forest in attrs says
            "total": (kept * forest).sum(("lat", "lon")).transpose("source", "year") * 1e-12,
            "total_own": (yearly.sel(source=OWN, drop=True) * forest).sum(("lat", "lon")) * 1e-12,
            "forest_area": forest.where(common),
        }
    )
    return _described(result, grid, share=float(forest.where(common).sum() / forest.sum()), min_forest=min_forest)


def _correlation(values: xr.DataArray, dim: str) -> xr.DataArray:
    """Correlate each other source with the product along a dimension."""
    apart = values - values.mean(dim, skipna=False)
    ours, rest = apart.sel(source=OWN, drop=True), apart.drop_sel(source=OWN).rename(source="other")
    size = (ours**2).sum(dim, skipna=False) * (rest**2).sum(dim, skipna=False)
    found: xr.DataArray = (ours * rest).sum(dim, skipna=False) / np.sqrt(size.where(size > 0))
    return found.transpose("other", ...)


def _described(result: xr.Dataset, grid: Grid, *, share: float, min_forest: float) -> xr.Dataset:
    """Set units, long names and what was compared."""
    words = {
        "NEE": ("g C m-2 yr-1", "net ecosystem exchange of carbon, mean of the common years, positive into the air"),
        "bias": ("g C m-2 yr-1", "mean of the product minus that of the other"),
        "seasonal_correlation": ("1", "correlation of the mean years, twelve months"),
        "interannual_correlation": ("1", "correlation of the yearly sums"),
        "total": ("Tg C yr-1", "flux times forest area of the compared cells"),
        "total_own": ("Tg C yr-1", "of all forest of the product, compared or not"),
        "forest_area": ("m2", "area of forest in the compared cells"),
    }
    for name, (units, text) in words.items():
        result[name].attrs = {"units": units, "long_name": text}
    years = labels(result["year"].astype(str)).tolist()
    return result.assign_attrs(
        title="NEE of products on the same cells and in the same years",
        sign=VARIABLES[TARGET].long_name.rpartition(", ")[2],
        years=years[0] if len(years) == 1 else f"{years[0]}-{years[-1]} ({len(years)})",
        grid=f"{grid.step:g} degrees",
        min_forest=min_forest,
        forest_compared=share,
    )
