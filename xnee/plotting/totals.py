"""Totals: budgets with the spread of the members, and a product beside others."""

from __future__ import annotations

import re
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xnee.plotting.canvas import GREY, PFT_COLOURS, PFT_HATCHES, grid_of_panels, panels
from xnee.variables import labels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_budget", "draw_comparison"]

_LINES = (
    ("o", "-", "#0072B2"), ("s", "--", "#D55E00"), ("^", ":", "#009E73"), ("D", "-.", "#CC79A7"), ("v", "-", "#E69F00"),
    ("P", "--", "#56B4E9"), ("X", ":", "#000000"),
)  # fmt: skip


def draw_budget(ds: xr.Dataset) -> Figure:
    """Draw totals by type and period with the standard deviation over members, or the interval of the true total.

    Parameters
    ----------
    ds
        From `xnee.budget`, by anything, or from `xnee.total_interval`.

    Returns
    -------
    matplotlib.figure.Figure
        A bar for each type, a black mark for all types together; one panel for each region. Types with a star are
        predicted by networks that learned from other types.
    """
    total = ds["NEE_total"]
    along = [str(dim) for dim in ("year", "season", "month") if dim in total.dims]
    periods = [" ".join(map(str, one)) for one in product(*(ds[dim].to_numpy().tolist() for dim in along))]
    periods = periods if along else ["mean year"]
    types = labels(ds["pft"]).tolist() if "pft" in total.dims else ["forest"]
    regions = labels(ds["region"]).tolist() if "region" in total.dims else [""]
    wide = max(5.0, 1.6 + len(periods) * (0.25 + 0.1 * len(types)))
    figure, axes = grid_of_panels(len(regions), max(1, int(12 / wide)), width=wide, height=3.5)
    for axis, region in zip(axes, regions, strict=True):
        own = ds.sel(region=region) if region else ds
        _bars(axis, own, along, types, len(periods))
        axis.set_xticks(range(len(periods)), periods, rotation=0 if len(periods) * 0.7 < wide else 90)
        axis.axhline(0, color=GREY, lw=0.8)
        unit = re.sub(r"(\w)-1", r"\1$^{-1}$", str(total.attrs.get("units", "Tg C yr-1")))
        axis.set_ylabel(f"NEE, {unit}\n(negative: uptake)")
        axis.set_title(region, fontsize="medium")
        axis.set_xlim(-0.6, len(periods) - 0.4)
        axis.use_sticky_edges = False
        axis.margins(y=0.1)
    marks, words = axes[0].get_legend_handles_labels()
    note = "lines: one standard deviation over members, to either side"
    if "NEE_total_low" in ds:
        note = f"lines: {100 * ds.attrs['level']:g} % interval of the true total"
    if any("*" in word for word in words):
        note += "; * predicted by networks that learned from other types"
    columns = max(2, int(min(wide * min(len(regions), 12 // wide or 1), 12) / 1.3))
    figure.legend(
        marks, words, frameon=False, ncols=columns, loc="outside lower center", title=note, title_fontsize="small"
    )
    return figure


def _bars(axis: Any, ds: xr.Dataset, along: list[str], types: list[str], periods: int) -> None:
    def table(name: str, *first: str) -> NDArray[np.float64]:
        values = ds[name].transpose(*first, *along).to_numpy()
        return np.asarray(values.reshape(len(types) if first else 1, periods), dtype="f8")

    by = ("pft",) if "pft" in ds["NEE_total"].dims else ()

    def ends(name: str, *first: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        if f"{name}_low" in ds:  # from total_interval; the total need not lie between them
            return table(f"{name}_low", *first), table(f"{name}_high", *first)
        return (
            table(name, *first) - table(f"{name}_std", *first),
            table(name, *first) + table(f"{name}_std", *first),
        )

    total, (low, high) = table("NEE_total", *by), ends("NEE_total", *by)
    whole = bool(by) and "NEE_forest" in ds  # all types together have a place beside the bars
    slots = len(types) + whole
    width = 0.85 / slots
    stars = ds["fallback"].to_numpy() > 0 if "fallback" in ds and by else np.zeros(len(types), dtype=bool)
    for k, name in enumerate(types):
        at = np.arange(periods) + (k - (slots - 1) / 2) * width
        axis.bar(
            at, total[k], width, label=name + "*" * bool(stars[k]), ec="0.2", lw=0.4,
            color=PFT_COLOURS.get(name, "0.6"), hatch=PFT_HATCHES.get(name),
        )  # fmt: skip
        axis.vlines(at, low[k], high[k], color="black", lw=1)
    if whole:
        at, (low, high) = np.arange(periods) + (slots - 1) / 2 * width, ends("NEE_forest")
        axis.plot(at, table("NEE_forest")[0], "D", color="black", ms=4, label="all types")
        axis.vlines(at, low[0], high[0], color="black", lw=1)


def draw_comparison(ds: xr.Dataset) -> Figure:
    """Draw the yearly totals of a product and of others over the forest that all of them know.

    Parameters
    ----------
    ds
        From `xnee.compare`.

    Returns
    -------
    matplotlib.figure.Figure
        One line a product; the legend has the mean and the standard deviation from year to year. Dashes in grey: the
        product on all of its forest, which the others are not to be held against.
    """
    years = ds["year"].to_numpy()
    figure, ((axis,),) = panels(1, 1, width=7, height=4)
    for k, name in enumerate(labels(ds["source"]).tolist()):
        marker, style, colour = _LINES[k % len(_LINES)]
        values = ds["total"].sel(source=name).to_numpy()
        axis.plot(years, values, marker=marker, ls=style, color=colour, ms=4, label=f"{name}: {_summary(values)}")
    if "total_own" in ds:
        values = ds["total_own"].to_numpy()
        axis.plot(years, values, marker="_", ls=(0, (6, 4)), color="0.5", label=f"xnee, all forest: {_summary(values)}")
    axis.axhline(0, color=GREY, lw=0.8)
    axis.set_xticks(years[:: -(-years.size // 10)])
    axis.set(ylabel="NEE, Tg C yr$^{-1}$ (negative: uptake)")
    share = f"{100 * float(ds.attrs['forest_compared']):.0f} % of the product's forest" if ds.attrs else ""
    axis.set_title(f"NEE of the same forest, {share}".rstrip(", "), fontsize="medium")
    figure.legend(frameon=False, ncols=2, loc="outside lower center", fontsize="small")
    return figure


def _summary(values: NDArray[np.float64]) -> str:
    spread = f" ± {values.std(ddof=1):.1f}" if values.size > 1 else ""
    return f"{values.mean():.1f}{spread}"
