"""Maps: mean yearly NEE with what lies outside the area of applicability, that area itself, dominant drivers, bias."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xnee.grid import bounds, cell_area
from xnee.plotting.canvas import grid_of_panels, panels
from xnee.plotting.outlines import draw_outline
from xnee.products.axes import space_of
from xnee.variables import TARGET, labels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_area", "draw_bias", "draw_dominant", "draw_map", "mean_year", "outside_mask"]

_YEARLY = "g C m$^{-2}$ yr$^{-1}$"
_STYLES = (
    ("#0072B2", ""), ("#F0E442", ""), ("#D55E00", "xxx"), ("#56B4E9", "..."), ("#009E73", "///"), ("#E69F00", "ooo"),
    ("#CC79A7", "---"),
)  # fmt: skip
"""Colours and hatches by rank: the first two are far apart in grey print, the others are told by their hatch."""
_REST = ("0.75", "")


def draw_map(ds: xr.Dataset, *, area: xr.Dataset | None = None, outline: object = None) -> Figure:
    """Draw the mean yearly NEE, computed here.

    Parameters
    ----------
    ds
        From `xnee.predict` or `xnee.open_product`.
    area
        From `xnee.area_of_applicability`, of the same cells and years.
    outline
        Coasts and borders, see `lines_of`.

    Returns
    -------
    matplotlib.figure.Figure
        Colours symmetric about zero, uptake green; dots where the mean is a release, so that grey print tells the
        sign; strokes where most of the forest, over the months, is outside the area of applicability.

    Raises
    ------
    ValueError
        If `area` is of other cells or of other years.
    """
    mean, whole = mean_year(ds[TARGET])
    area = ds if area is None and "AOA" in ds else area
    figure, ((axis,),) = panels(1, 1, width=7, height=5)
    # symmetric about zero, so that the sign can be read off the colour
    limit = float(np.nanquantile(np.abs(mean), 0.98)) if mean.notnull().any() else 1.0
    drawn = _cells(axis, mean, cmap="BrBG_r", vmin=-limit, vmax=limit)
    figure.colorbar(drawn, ax=axis, label=f"NEE, {_YEARLY} of forest (negative: uptake)", shrink=0.8)
    marks = [_hatched(axis, mean, mean > 0, hatch="....", label="release to the atmosphere")]
    if area is not None:
        outside = outside_mask(area, mean, whole)
        marks.append(_hatched(axis, mean, outside, hatch="/////", label="mostly outside the area of applicability"))
    _ground(axis, ds, mean, outline)
    span = "no whole year" if not whole else f"mean of {whole[0]}-{whole[-1]}" if len(whole) > 1 else str(whole[0])
    axis.set_title(f"Forest NEE, {'mean year of a climatology' if 'climatology' in ds.attrs and whole else span}")
    shown = [mark for mark in marks if mark is not None]
    if shown:
        figure.legend(handles=shown, loc="outside lower center", ncols=2, frameon=False, fontsize="small")
    return figure


def mean_year(nee: xr.DataArray) -> tuple[xr.DataArray, list[int]]:
    """Average over years the yearly sum of each cell that has all twelve months.

    Parameters
    ----------
    nee
        ``(time, lat, lon)`` or ``(time, y, x)``, per month; computed here.

    Returns
    -------
    tuple
        The mean, without time, per year; and the years that any cell has whole.
    """
    year = nee["time"].dt.year
    number, months = np.unique(year, return_counts=True)
    if not (months == 12).any():
        return xr.full_like(nee.isel(time=0, drop=True), np.nan, dtype="f8").transpose(*space_of(nee)).compute(), []
    # a missing month makes its year missing; a year that the axis cuts off is none
    yearly = nee.isel(time=np.isin(year, number[months == 12])).groupby("time.year").sum(skipna=False)
    known = yearly.notnull()
    # a year without a whole past is an expected gap; it is left out of the mean, not taken as zero
    mean = yearly.fillna(0).sum("year") / known.sum("year").where(known.any("year"))
    found = xr.Dataset({"mean": mean, "whole": known.any(space_of(nee))}).compute()
    return found["mean"].transpose(*space_of(nee)), found["year"].to_numpy()[found["whole"].to_numpy()].tolist()


def outside_mask(area: xr.Dataset, like: xr.DataArray, years: list[int]) -> xr.DataArray:
    """Tell where less than half of the forest, on the mean over months, is inside the area of applicability.

    Parameters
    ----------
    area
        With ``AOA (time, ...)``, share of the forest inside.
    like
        The map that is drawn.
    years
        Years that it is the mean of.

    Returns
    -------
    xarray.DataArray
        Of bool; False where nothing is known.

    Raises
    ------
    ValueError
        If `area` has no AOA, or is of other cells or years.
    """
    space = space_of(like)
    same = "AOA" in area and all(dim in area.coords and _same_axis(area[dim], like[dim]) for dim in space)
    if not same:
        msg = (
            "area must be what area_of_applicability(cube, model, sites=sites) gives for the cube of this map: AOA on "
            f"the same cells; got {dict(area.sizes)} with {list(area.data_vars)} for {dict(like.sizes)}."
        )
        raise ValueError(msg)
    share = area["AOA"].sel(time=area["time"].dt.year.isin(years))
    if years and not share.sizes["time"]:
        msg = f"area has no month of the years that are drawn, {years[0]}-{years[-1]}: take it of the same cube."
        raise ValueError(msg)
    # months without a complete window have no answer: the others decide
    outside: xr.DataArray = share.mean("time", skipna=True).compute().transpose(*space) < 0.5
    return outside.assign_coords({dim: like[dim] for dim in space})


def _same_axis(one: xr.DataArray, other: xr.DataArray) -> bool:
    a, b = one.to_numpy(), other.to_numpy()
    return a.shape == b.shape and np.allclose(a, b, rtol=0, atol=1e-6 * float(np.ptp(b)))  # rounding of files


def draw_area(ds: xr.Dataset, *, outline: object = None) -> Figure:
    """Draw the share of forest and months outside the area of applicability, computed here.

    Parameters
    ----------
    ds
        From `xnee.area_of_applicability`, of a cube.
    outline
        Coasts and borders, see `lines_of`.

    Returns
    -------
    matplotlib.figure.Figure
        In %; light is outside.
    """
    # months without a complete window have no answer: the others decide
    outside = 100 * (1 - ds["AOA"].mean("time", skipna=True).compute())
    figure, ((axis,),) = panels(1, 1, width=7, height=5)
    drawn = _cells(axis, outside, cmap="cividis", vmin=0, vmax=100)
    figure.colorbar(drawn, ax=axis, label="forest and months outside, %", shrink=0.8)
    _ground(axis, ds, outside, outline)
    axis.set_title("outside the area of applicability")
    return figure


def draw_dominant(ds: xr.Dataset, *, outline: object = None) -> Figure:
    """Draw which driver is of largest magnitude, cell by cell, beside the share of the mapped area of each.

    Parameters
    ----------
    ds
        From `xnee.explain_map`, of a cube; computed here.
    outline
        Coasts and borders, see `lines_of`.

    Returns
    -------
    matplotlib.figure.Figure
        The seven drivers of most ground have a colour and a hatch each; all others share a grey.
    """
    dominant = ds["dominant"].compute()
    names = np.array(dominant.attrs["flag_meanings"].split())
    space = space_of(dominant)
    dominant = dominant.transpose(*space).where(dominant >= 0)
    weight = cell_area(ds["lat"], ds["lon"]) if space == ("lat", "lon") else xr.ones_like(dominant)
    ground = np.array([float(np.asarray(weight)[(dominant == k).to_numpy()].sum()) for k in range(names.size)])
    share = 100 * ground / max(ground.sum(), np.finfo(float).tiny)
    order = [int(k) for k in np.argsort(-share, kind="stable") if share[k] > 0]
    figure, ((axis, beside),) = panels(1, 2, width=9.5, height=4.5, width_ratios=[3, 1])
    for rank, k in enumerate(order):
        colour, hatch = _STYLES[rank] if rank < len(_STYLES) else _REST
        # cells in the style of the bar beside them: the bars are the legend
        _hatched(axis, dominant, dominant == k, hatch=hatch, label=str(names[k]), facecolor=colour)
        beside.barh(rank, share[k], color=colour, hatch=hatch, ec="0.2", lw=0.4)
    beside.set_yticks(range(len(order)), names[order].tolist())
    beside.set(ylim=(max(len(order), 4) - 0.4, -0.6), xlabel="share of the mapped area, %")
    _ground(axis, ds, dominant, outline)
    period = " to ".join(dict.fromkeys(str(ds.attrs.get("period", "")).split("..")))
    axis.set_title(f"driver of largest magnitude, {period}".rstrip(", "))
    return figure


def draw_bias(ds: xr.Dataset, *, outline: object = None) -> Figure:
    """Draw the product less each other one.

    Parameters
    ----------
    ds
        From `xnee.compare`.
    outline
        Coasts and borders, see `lines_of`.

    Returns
    -------
    matplotlib.figure.Figure
        One map for each other product, on one scale; dots where the product gives more to the atmosphere.
    """
    names = labels(ds["other"]).tolist()
    figure, axes = grid_of_panels(len(names), 3, width=4.5, height=3.6)
    limit = float(np.nanquantile(np.abs(ds["bias"]), 0.98)) or 1.0
    drawn: Any = None
    for axis, name in zip(axes, names, strict=True):
        one = ds["bias"].sel(other=name)
        drawn = _cells(axis, one, cmap="BrBG_r", vmin=-limit, vmax=limit)
        _hatched(axis, one, one > 0, hatch="....", label="more to the atmosphere")
        _ground(axis, ds, one, outline)
        axis.set_title(f"xnee less {name}, {ds.attrs['years']}", fontsize="medium")
    figure.colorbar(drawn, ax=axes, label=f"NEE, {_YEARLY} (negative: more uptake)", shrink=0.8)
    return figure


def _edges(centres: xr.DataArray) -> NDArray[np.float64]:
    cells = bounds(centres, limit=90 if centres.name == "lat" else None)
    return np.concatenate([cells[:1, 0], cells[:, 1]])


def _cells(axis: Any, values: xr.DataArray, **colours: Any) -> Any:
    down, across = space_of(values)
    return axis.pcolormesh(
        _edges(values[across]), _edges(values[down]), values.transpose(down, across), rasterized=True, **colours
    )


def _hatched(axis: Any, like: xr.DataArray, mask: xr.DataArray, *, hatch: str, label: str, **face: Any) -> Any:
    """Cover the cells of a mask with one patch, made of the runs of cells in each row; None where there are none."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    down, across = space_of(like)
    x, y = _edges(like[across]), _edges(like[down])
    inside = np.pad(mask.transpose(down, across).to_numpy().astype("i1"), ((0, 0), (1, 1)))
    row, start = np.nonzero(np.diff(inside, axis=1) == 1)
    stop = np.nonzero(np.diff(inside, axis=1) == -1)[1]
    if row.size == 0:
        return None
    corners = [(start, row), (stop, row), (stop, row + 1), (start, row + 1), (start, row)]
    vertices = np.stack([np.stack([x[i], y[j]], axis=1) for i, j in corners], axis=1).reshape(-1, 2)
    codes = np.tile([Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY], row.size)
    patch = PathPatch(
        Path(vertices, codes), hatch=hatch or None, linewidth=0, edgecolor="0.15", label=label,
        **(face or {"facecolor": "none"}),
    )  # fmt: skip
    return axis.add_artist(patch)  # add_patch would look through each corner for the limits of the axes


def _ground(axis: Any, ds: xr.Dataset, values: xr.DataArray, outline: object) -> None:
    """Name the axes, keep the proportions of the ground, and draw what the user gave."""
    down, across = space_of(values)
    x, y = _edges(values[across]), _edges(values[down])
    axis.set(xlim=(x.min(), x.max()), ylim=(y.min(), y.max()), facecolor="0.93")
    if down == "lat":
        axis.set(xlabel="longitude, degrees east", ylabel="latitude, degrees north")
        axis.set_aspect(1 / np.cos(np.deg2rad(float(y.mean()))))
    else:
        axis.set(xlabel="x, m", ylabel="y, m", aspect="equal")
    draw_outline(axis, outline, ds)
