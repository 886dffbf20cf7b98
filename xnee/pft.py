"""Plant functional types: their names, the land-cover classes that make them, and mixing by cover."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import xarray as xr

__all__ = ["IGBP_FOREST", "LEGENDS", "PFTS", "Legend", "check_pfts", "mix"]

PFTS: tuple[str, ...] = ("DBF", "DNF", "ENF", "EBF", "MF")
"""The five forest types, in the order used by every product."""

LONG_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "DBF": "deciduous broadleaf forest",
        "DNF": "deciduous needleleaf forest",
        "ENF": "evergreen needleleaf forest",
        "EBF": "evergreen broadleaf forest",
        "MF": "mixed forest",
    }
)

IGBP_FOREST: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {"ENF": (1,), "EBF": (2,), "DNF": (3,), "DBF": (4,), "MF": (5,)}
)
"""The closed-canopy rule: IGBP classes 1-5 only. Woody savanna (8) and savanna (9) hold much Chinese forest."""


@dataclass(frozen=True, kw_only=True)
class Legend:
    """What the codes of one land-cover product mean.

    Parameters
    ----------
    codes
        Every class code that may stand in the file.
    water
        The code of water.
    fill
        The code of a cell with no class.
    """

    codes: tuple[int, ...]
    water: int
    fill: int = 255


LEGENDS: Mapping[str, Legend] = MappingProxyType(
    {
        "MCD12C1": Legend(codes=tuple(range(17)), water=0),
        "MCD12Q1": Legend(codes=tuple(range(1, 18)), water=17),
    }
)
"""Legends by product. The same class numbers 1-16, but water is 0 in MCD12C1 and 17 in MCD12Q1."""


def check_pfts(names: object) -> None:
    """Refuse names that are not one of the five forest types.

    Parameters
    ----------
    names
        Names of plant functional types, any iterable of str.

    Raises
    ------
    ValueError
        If one is not in ``PFTS``.

    Examples
    --------
    >>> check_pfts(["ENF", "MF"])
    """
    unknown = sorted({str(name) for name in names} - set(PFTS))  # type: ignore[attr-defined]
    if unknown:
        msg = f"a PFT must be one of {', '.join(PFTS)}; got {unknown}. Map other classes to these first, or drop them."
        raise ValueError(msg)


def mix(flux: xr.DataArray, fraction: xr.DataArray) -> xr.DataArray:
    """Average the fluxes of the forest types of a cell by the ground that each covers.

    Parameters
    ----------
    flux
        ``(pft, ...)``, g C m-2 month-1, one flux for each type.
    fraction
        ``(pft, ...)``, share of the cell under each type, 0 to 1.

    Returns
    -------
    xarray.DataArray
        ``(...)``, same unit, per square metre of forest. Missing where no type covers ground, and where a
        type that covers ground has no flux: a gap is not filled from the neighbours. Lazy when the inputs are.

    Examples
    --------
    >>> flux = xr.DataArray([1.0, 3.0], coords={"pft": ["ENF", "MF"]}, dims="pft")
    >>> float(mix(flux, xr.DataArray([0.25, 0.75], coords={"pft": ["ENF", "MF"]}, dims="pft")))
    2.5
    """
    covered = fraction > 0
    # A type without ground may be NaN (it is not computed); one with ground must poison the mean.
    weighted = (flux * fraction).where(covered, 0.0).sum("pft", skipna=False)
    mixed: xr.DataArray = weighted / fraction.where(covered).sum("pft", min_count=1)
    return mixed
