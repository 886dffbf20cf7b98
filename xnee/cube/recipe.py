"""Recipes: what a cube is made of, as values."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike, fspath
from typing import Any, Protocol

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xnee.grid import Grid
from xnee.pft import IGBP_FOREST, Legend
from xnee.regions import Region
from xnee.variables import VARIABLES, check_names

__all__ = ["FILLS", "METHODS", "DriverRecipe", "LandCoverRecipe", "Recipe", "Source", "expect", "texts"]

METHODS = ("area", "components")
"""How a field gets onto the grid: its mean by area; wind as its two components, each its mean by area."""

FILLS = ("climatology", "linear")
"""How gaps may be filled: with the mean of the same calendar month; along a line over at most three months."""

_COVERAGE = 0.1
_TILE = 64


class Source(Protocol):
    """Something that gives fields in the words and units of the vocabulary."""

    def __call__(self, grid: Grid, period: tuple[str, str]) -> xr.Dataset:
        """Give what is known of a grid and a period, on a grid and a period of its own."""


@dataclass(frozen=True, kw_only=True)
class DriverRecipe:
    """Where one driver comes from and how it gets onto the grid.

    Parameters
    ----------
    files
        Path or glob pattern, or several.
    product
        Name of the product, as `xnee.open_driver` knows it. Without one, the attributes of the files are read.
    options
        Other keywords of `xnee.open_driver`: units, scale...
    method
        One of `METHODS`; by default ``"components"`` for WD, and for WS where the files hold components, and
        ``"area"`` for all others. For WS ``"area"`` is the mean speed, ``"components"`` the speed of the mean wind.
    coverage
        Share of a cell's area that must have values, 0 to 1; the mean is over that part. Low, since the land part of
        a coastal cell is what its forest sees.
    fill
        One of `FILLS`. By default gaps stay gaps.
    source
        Instead of files, from Python: anything callable that gives a Dataset with the driver (see `Source`).

    Raises
    ------
    ValueError, TypeError
        If a value is none of these.

    Examples
    --------
    >>> DriverRecipe(files="era5/*.nc", product="ERA5-Land").files
    ('era5/*.nc',)
    """

    files: tuple[str, ...] = ()
    product: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    method: str | None = None
    coverage: float = _COVERAGE
    fill: str | None = None
    source: Source | None = None

    def __post_init__(self) -> None:
        """Check each value."""
        object.__setattr__(self, "files", texts(self.files, "files"))
        expect(self.product, (str, type(None)), "product must be the name of a product")
        expect(self.options, (Mapping,), "options must be a table of keywords of open_driver")
        expect(self.coverage, (int, float), "coverage must be a number from 0 to 1")
        expect(self.source, (Callable, type(None)), "a source must be callable as source(grid, period)")
        if bool(self.files) == (self.source is not None):
            msg = "a driver needs files, a path or glob pattern (or, from Python, a source instead); got neither."
            raise ValueError(msg if not self.files else msg.replace("got neither", "got both"))
        if not 0 <= self.coverage <= 1:
            msg = f"coverage is the share of a cell that must have values, 0 to 1; got {self.coverage}."
            raise ValueError(msg)
        for what, value, known in (("method", self.method, METHODS), ("fill", self.fill, FILLS)):
            if value is not None and value not in known:
                msg = f"{what} must be one of {', '.join(known)}, or left out; got {value!r}."
                raise ValueError(msg)


@dataclass(frozen=True, kw_only=True)
class LandCoverRecipe:
    """Which maps of classes say where the forest is.

    Parameters
    ----------
    files
        One path, or paths by year.
    legend
        What the codes mean: a name of `xnee.pft.LEGENDS`, or a `Legend` (in TOML a table); or one of these by year,
        where maps are of different products.
    rule
        The classes that make each forest type. By default closed canopy only.
    year
        Where there are several maps: the one that `pft_fraction` is; by default the one nearest to the middle of the
        period.

    Raises
    ------
    ValueError, TypeError
        If a value is none of these.

    Examples
    --------
    >>> LandCoverRecipe(files="MCD12C1.tif", legend="MCD12C1").files
    'MCD12C1.tif'
    """

    files: str | Mapping[int, str]
    legend: str | Legend | Mapping[int, str | Legend]
    rule: Mapping[str, tuple[int, ...]] = field(default_factory=lambda: IGBP_FOREST)
    year: int | None = None

    def __post_init__(self) -> None:
        """Check each value."""
        expect(self.files, (str, PathLike, Mapping), "files must be one path, or a table of paths by year")
        expect(self.legend, (str, Legend, Mapping), "legend must be the name of one or a table")
        expect(self.rule, (Mapping,), "rule must be a table of forest types with their classes")
        object.__setattr__(self, "rule", {pft: tuple(_classes(pft, codes)) for pft, codes in self.rule.items()})
        expect(self.year, (int, type(None)), "year must be one of the years of files")
        if isinstance(self.files, Mapping):
            object.__setattr__(self, "files", dict(sorted((_year(key), str(path)) for key, path in self.files.items())))
        else:
            object.__setattr__(self, "files", fspath(self.files))
        years = list(self.files) if isinstance(self.files, Mapping) else []
        if isinstance(self.legend, Mapping):
            object.__setattr__(self, "legend", {_year(key): legend for key, legend in self.legend.items()})
            if sorted(self.legend) != years:
                msg = f"legends by year need the years of files, {years}; got {sorted(self.legend)}."
                raise ValueError(msg)
        if self.year is not None and self.year not in years:
            msg = f"year chooses one of several land-cover maps; files has the years {years}, year is {self.year}."
            raise ValueError(msg)

    def legend_of(self, year: int | None) -> str | Legend:
        """Give the legend of one map.

        Parameters
        ----------
        year
            One of the years of files; None for a single map.

        Returns
        -------
        str or Legend
            As `xnee.read_land_cover` takes it.
        """
        return self.legend[year] if isinstance(self.legend, Mapping) and year is not None else self.legend  # type: ignore[return-value]

    def nearest_year(self, period: tuple[str, str]) -> int | None:
        """Give the year of the map that stands for the whole period.

        Parameters
        ----------
        period
            First and last month, as ``("2001-01", "2003-12")``.

        Returns
        -------
        int or None
            `year` where it was said, else the year nearest to the middle, the earlier of two. None for a single map.
        """
        if not isinstance(self.files, Mapping):
            return None
        middle = (int(period[0][:4]) + int(period[1][:4])) / 2
        return self.year or min(self.files, key=lambda year: (abs(year - middle), year))


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What a cube is made of.

    Parameters
    ----------
    grid
        The target.
    period
        First and last month, both inside, as ``("2001-01", "2003-12")``.
    drivers
        A `DriverRecipe` for each name of the vocabulary.
    land_cover
        Where the forest is. A cube without it can be sampled at towers, but not mapped.
    region
        Only forest inside counts (see `xnee.read_land_cover`). Drivers are kept everywhere.
    tile
        Cells along one side of a tile of the store.
    title
        For the attributes.

    Raises
    ------
    ValueError, TypeError
        If a name is not a driver, a month is no month, or a value is of another kind.

    Examples
    --------
    >>> recipe = Recipe(
    ...     grid=Grid(west=70, east=140, south=15, north=55, step=0.5),
    ...     period=("2001-01", "2003-12"),
    ...     drivers={"TEMP": DriverRecipe(files="era5/*.nc", product="ERA5-Land")},
    ... )
    >>> recipe.months.size
    36
    """

    grid: Grid
    period: tuple[str, str]
    drivers: Mapping[str, DriverRecipe]
    land_cover: LandCoverRecipe | None = None
    region: Region | None = None
    tile: int = _TILE
    title: str = ""

    def __post_init__(self) -> None:
        """Check each value."""
        expect(self.grid, (Grid,), "grid must be an xnee.Grid")
        expect(self.drivers, (Mapping,), "drivers must be a table by name")
        expect(self.title, (str,), "title must be a text")
        expect(self.tile, (int,), "tile must be a whole number of cells")
        check_names(self.drivers)
        for name, driver in self.drivers.items():
            expect(driver, (DriverRecipe,), f"drivers.{name} must be a DriverRecipe")
            allowed = METHODS if name == "WS" else METHODS[1:] if VARIABLES[name].circular else METHODS[:1]
            if driver.method is not None and driver.method not in allowed:
                reason = ": an angle has no mean" if name == "WD" else ", components are for the wind"
                msg = f"the method of {name} must be {allowed[0]!r}{reason}; got {driver.method!r}. Leave it out."
                raise ValueError(msg)
        if self.tile < 1:
            msg = f"tile must be 1 cell or more along a side; got {self.tile}."
            raise ValueError(msg)
        object.__setattr__(self, "period", _period(self.period))

    @property
    def months(self) -> NDArray[np.datetime64]:
        """Starts of the months, ``(time)``, datetime64[ns]."""
        first, last = (np.datetime64(month, "M") for month in self.period)
        return np.arange(first, last + 1).astype("M8[ns]")


def expect(value: Any, kinds: tuple[Any, ...], rule: str) -> Any:
    """Give a value back, or refuse one of another kind.

    Parameters
    ----------
    value
        What came.
    kinds
        What it may be. True and False are no numbers.
    rule
        What is said otherwise.

    Returns
    -------
    object
        `value`.

    Raises
    ------
    TypeError
        If it is of another kind.
    """
    if isinstance(value, kinds) and not (isinstance(value, bool) and bool not in kinds):
        return value
    msg = f"{rule}; got {type(value).__name__} {value!r:.60}."
    raise TypeError(msg)


def texts(value: object, what: str) -> tuple[str, ...]:
    """Give one path or several as a tuple.

    Parameters
    ----------
    value
        A path or a list of them.
    what
        What to call it in the message.

    Returns
    -------
    tuple of str
        As they came.

    Raises
    ------
    TypeError
        If one is no path.
    """
    several = value if isinstance(value, Sequence) and not isinstance(value, str) else (value,)
    for one in several:
        expect(one, (str, PathLike), f"{what} must be a path or glob pattern, or a list of them")
    return tuple(str(one) for one in several)


def _year(value: object) -> int:
    """Read a year; keys of a TOML table are texts."""
    if not re.fullmatch(r"\d{4}", str(value)):
        msg = f"files of several land-cover maps go by year, as 2010; got {value!r}."
        raise ValueError(msg)
    return int(str(value))


def _classes(pft: str, codes: object) -> Sequence[int]:
    """Check the classes of one forest type."""
    if isinstance(codes, str) or not isinstance(codes, Sequence) or not all(type(code) is int for code in codes):
        msg = f"a rule gives each forest type a list of class codes; got {codes!r} for {pft}."
        raise ValueError(msg)
    return codes


def _period(value: object) -> tuple[str, str]:
    """Check first and last month."""
    months = tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else ()
    good = len(months) == 2 and all(re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", str(month)) for month in months)
    if not good or str(months[0]) > str(months[1]):
        msg = f"period must be the first and the last month, as ['2001-01', '2003-12'], in order; got {value!r}."
        raise ValueError(msg)
    return str(months[0]), str(months[1])
