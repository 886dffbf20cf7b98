"""Which share of a cell is under which forest type, in which month."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xnee.pft import PFTS, check_pfts
from xnee.variables import labels

__all__ = ["Cover", "CoverRule", "check_shares", "choose_cover", "with_fraction"]

CoverRule = Literal["static", "by-year"]
_BY_YEAR = "pft_fraction_by_year"
_FRACTION_RULE = (
    "pft_fraction must be 0 or more, without gaps (use fillna(0) over the sea), and add up to at most 1 in each cell; "
    "found {:.3g} to a sum of {:.3g}. Divide by 100 if it is in percent."
)


@dataclass(frozen=True)
class Cover:
    """Maps of forest cover and the months that each is of.

    Parameters
    ----------
    maps
        ``(year, pft, lat, lon)``, share of the cell, float32; one year for a cover that stays as it is.
    month
        ``(time,)``, the map of each month, by its place along ``year``.
    said
        How the maps were chosen, in words; empty for a cover that stays.
    """

    maps: xr.DataArray
    month: NDArray[np.intp]
    said: str = ""

    @property
    def pfts(self) -> tuple[str, ...]:
        """Forest types."""
        return tuple(labels(self.maps["pft"]).tolist())

    @property
    def space(self) -> tuple[str, ...]:
        """Dimensions of the ground."""
        return tuple(str(dim) for dim in self.maps.dims if dim not in ("year", "pft"))

    @property
    def weights(self) -> NDArray[np.float32]:
        """Share of the months that each map is of."""
        counted = np.bincount(self.month, minlength=self.maps.sizes["year"])
        share: NDArray[np.float32] = (counted / counted.sum()).astype("f4")
        return share

    def mean(self) -> xr.DataArray:
        """Give the mean over the months, ``(pft, lat, lon)``: the ground that fluxes are per square metre of."""
        if self.maps.sizes["year"] == 1:
            return self.maps.isel(year=0, drop=True)
        mean: xr.DataArray = (self.maps * xr.DataArray(self.weights, dims="year")).sum("year")
        return mean.astype("f4")


def with_fraction(cube: xr.Dataset) -> xr.Dataset:
    """Give towers a cover: all of a tower is its own PFT.

    Parameters
    ----------
    cube
        A cube, or towers ``(site, time)``.

    Returns
    -------
    xarray.Dataset
        With ``pft_fraction``.

    Raises
    ------
    ValueError
        If it has none, and is no towers with a known ``pft``.
    """
    if "pft_fraction" in cube or (_BY_YEAR in cube and "site" not in cube.dims):
        return cube
    if "site" not in cube.dims or "pft" not in cube.coords:
        msg = (
            "prediction needs pft_fraction (pft, lat, lon), or towers with a coordinate pft (site); the Dataset has "
            f"{list(cube.variables)}. Make it with xnee.read_land_cover and assign it to the cube."
        )
        raise ValueError(msg)
    names = labels(cube["pft"])
    check_pfts(names)
    own = (np.array(PFTS)[:, None] == names).astype("f4")
    towers = cube.drop_vars("pft")
    return towers.assign(pft_fraction=(("pft", "site"), own)).assign_coords(pft=list(PFTS))


def choose_cover(cube: xr.Dataset, rule: CoverRule) -> Cover:
    """Choose the maps of forest cover for the months of a cube.

    Parameters
    ----------
    cube
        With ``pft_fraction``, and with ``pft_fraction_by_year`` where `rule` asks for it.
    rule
        ``"static"``: one map for all months. ``"by-year"``: for each month the map of its year, or of the year that
        is nearest to it, the earlier of two.

    Returns
    -------
    Cover
        Lazy where the maps are.

    Raises
    ------
    ValueError
        If `rule` is another word, or a map is missing or has no named types.
    """
    if rule not in ("static", "by-year"):
        msg = f"cover must be 'static' or 'by-year', got {rule!r}."
        raise ValueError(msg)
    name = "pft_fraction" if rule == "static" else _BY_YEAR
    if name not in cube:
        msg = (
            f"cover={rule!r} needs {name}, which the cube lacks; it has {list(cube.data_vars)}. Name several maps of "
            "land cover in the recipe of the cube, or choose the other rule."
        )
        raise ValueError(msg)
    fraction = cube[name]
    if "pft" not in fraction.coords:
        msg = f"{name} must name its types in a coordinate pft; it has dimensions {fraction.dims} only."
        raise ValueError(msg)
    check_pfts(labels(fraction["pft"]))
    if rule == "static" and "year" in fraction.dims:
        msg = (
            "pft_fraction must have the dimensions pft and those of the drivers in space; it has "
            f"{list(fraction.dims)}. "
            'Choose one year of it, or name it pft_fraction_by_year and predict with cover="by-year".'
        )
        raise ValueError(msg)
    if rule == "static":
        return Cover(
            fraction.astype("f4").expand_dims("year").transpose("year", "pft", ...),
            np.zeros(cube.sizes["time"], dtype="i8"),
        )
    return _by_year(fraction, cube["time"])


def _by_year(fraction: xr.DataArray, time: xr.DataArray) -> Cover:
    if "year" not in fraction.coords or fraction["year"].dtype.kind not in "iu":
        msg = f"{_BY_YEAR} must name its years in a coordinate year of whole numbers; it has {list(fraction.coords)}."
        raise ValueError(msg)
    years = fraction["year"].to_numpy()
    order = np.argsort(years, kind="stable")
    wanted = time.dt.year.to_numpy()
    nearest = order[np.abs(years[order][:, None] - wanted).argmin(axis=0)]  # the first of two equals: the earlier
    used, month = np.unique(nearest, return_inverse=True)
    said = f"by year, nearest of the maps of {', '.join(str(year) for year in sorted(years[used]))}"
    return Cover(fraction.astype("f4").isel(year=used).transpose("year", "pft", ...), month, said)


def check_shares(fraction: NDArray[np.floating]) -> None:
    """Refuse shares that cannot be right.

    Parameters
    ----------
    fraction
        ``(year, pft, ...)``.

    Raises
    ------
    ValueError
        If one is not finite or below 0, or the types of a cell add up to more than 1.
    """
    total = fraction.sum(axis=1)
    if not (np.isfinite(fraction).all() and (fraction >= 0).all() and (total <= 1 + 1e-4).all()):
        raise ValueError(_FRACTION_RULE.format(np.nanmin(fraction), np.nanmax(total)))
