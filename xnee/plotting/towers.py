"""Towers: observed against predicted, time series with the test period, and months by what becomes of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xnee.pft import PFTS
from xnee.plotting.canvas import BLUE, GREY, MONTHLY, PFT_COLOURS, VERMILLION, grid_of_panels, panels
from xnee.plotting.names import site_label
from xnee.plotting.pairs import Pairs, pairs_of
from xnee.scores import Tally
from xnee.variables import labels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from xnee.models.model import NEEModel

__all__ = ["draw_coverage", "draw_observed", "draw_series"]

_FATE_COLOURS = ("#009E73", "#CC79A7", "#D55E00", "#E69F00", "#F0E442", "#56B4E9")
_FATE_HATCHES = ("", "//", "xx", "..", "", "\\\\")


def draw_observed(ds: xr.Dataset, *, model: NEEModel | None = None) -> Figure:
    """Draw observed against predicted by forest type, training and test one above the other.

    Parameters
    ----------
    ds
        From `xnee.crossvalidate`, or towers.
    model
        For towers.

    Returns
    -------
    matplotlib.figure.Figure
        Each panel with R2 and RMSE of its months.

    Raises
    ------
    ValueError
        If no month is both observed and predicted, or towers and model do not belong together.
    """
    pairs = pairs_of(ds, model)
    known = pairs.known()
    rows = {"training": known & ~pairs.held_out, pairs.what: known & pairs.held_out}
    rows = {name: own for name, own in rows.items() if own.any()}
    types = [pft for pft in PFTS if (known & (pairs.pft == pft)).any()]
    if not types:
        msg = "nothing to draw: no month is both observed and predicted."
        raise ValueError(msg)
    figure, axes = panels(len(rows), len(types), width=max(4.5, 2.4 * len(types)), height=0.5 + 2.4 * len(rows))
    for column, pft in zip(axes.T, types, strict=True):
        of_type = known & (pairs.pft == pft)
        both = np.concatenate([pairs.observed[of_type], pairs.predicted[of_type]])
        ends = [both.min() - 1, both.max() + 1]
        for axis, (name, own) in zip(column, rows.items(), strict=True):
            _scatter(axis, pairs, own & of_type, pft)
            axis.plot(ends, ends, color=GREY, lw=0.8)  # the line of perfect prediction
            axis.set(xlim=ends, ylim=ends, aspect="equal")
            axis.set_title(f"{pft}, {name}", fontsize="medium")
    figure.supxlabel(f"observed {MONTHLY}", fontsize="medium")
    figure.supylabel(f"predicted {MONTHLY}", fontsize="medium")
    return figure


def _scatter(axis: Any, pairs: Pairs, own: NDArray[np.bool_], pft: str) -> None:
    y, p = pairs.observed[own], pairs.predicted[own]
    axis.plot(y, p, ".", ms=3, alpha=0.6, color=PFT_COLOURS[pft], mec="0.2", mew=0.2, rasterized=True)
    tally = Tally.of(y, p)
    text = f"R$^2$ {tally.r2:.2f}\nRMSE {tally.rmse:.1f}\nn {tally.count}" if tally.count else "no months"
    axis.text(0.04, 0.96, text, transform=axis.transAxes, va="top", fontsize="small")


def draw_series(ds: xr.Dataset, *, model: NEEModel | None = None, only: Sequence[str] | None = None) -> Figure:
    """Draw observed and predicted NEE of each site over time, with the test period shaded.

    Parameters
    ----------
    ds
        From `xnee.crossvalidate`, or towers.
    model
        For towers; its members then give a band of plus and minus one standard deviation.
    only
        Ids of the sites to draw.

    Returns
    -------
    matplotlib.figure.Figure
        One panel a site, in order of types.

    Raises
    ------
    ValueError
        If a site of `only` is not there, or towers and model do not belong together.
    """
    pairs = pairs_of(ds, model)
    ids, first = np.unique(pairs.site, return_index=True)
    if unknown := [] if only is None else sorted(set(only) - set(ids.tolist())):
        msg = f"only must name sites with windows, such as {ids[:3].tolist()}; got {unknown}."
        raise ValueError(msg)
    order = sorted(zip(pairs.pft[first], ids, strict=True), key=lambda row: (PFTS.index(row[0]), row[1]))
    shown = [(str(pft), str(site)) for pft, site in order if only is None or site in only]
    figure, axes = grid_of_panels(len(shown), 1 if len(shown) < 5 else 2, width=6, height=1.5)
    for axis, (pft, site) in zip(axes, shown, strict=True):
        _one_site(axis, pairs, pairs.site == site)
        text, font = site_label(site, pairs.names.get(site, ""), more=f"({pft})")
        axis.set_title(text, fontsize="medium", loc="left", **font)
    figure.supylabel(MONTHLY, fontsize="medium")
    marks = {word: mark for axis in axes for mark, word in zip(*axis.get_legend_handles_labels(), strict=True)}
    figure.legend(marks.values(), marks.keys(), loc="outside lower center", ncols=4, frameon=False, fontsize="small")
    return figure


def _one_site(axis: Any, pairs: Pairs, own: NDArray[np.bool_]) -> None:
    time = pairs.time[own].astype("datetime64[M]")
    every = np.arange(time.min(), time.max() + 1)  # a month without a window is a gap in the line
    place = (time - time.min()).astype(int)
    lines = {}
    for name in ("observed", "predicted", "spread"):
        lines[name] = np.full(every.size, np.nan)
        lines[name][place] = getattr(pairs, name)[own]
    at = every.astype("datetime64[D]")
    middle, spread = lines["predicted"], lines["spread"]
    if np.isfinite(spread).any():
        axis.fill_between(
            at, middle - spread, middle + spread, color=VERMILLION, alpha=0.3, lw=0, label="± one SD of the members"
        )
    axis.plot(at, lines["observed"], "o-", color="0.2", ms=2, lw=0.7, label="observed")
    axis.plot(at, middle, ".--", color=VERMILLION, ms=2, lw=1.2, label="predicted")
    held_out = pairs.held_out[own]
    if held_out.any() and not held_out.all():
        for start, stop in _runs(held_out, time):
            axis.axvspan(start, stop, color=BLUE, alpha=0.15, lw=0, label="test period")
        held = own & pairs.held_out & pairs.known()
        text = f"test R$^2$ {Tally.of(pairs.observed[held], pairs.predicted[held]).r2:.2f}"
    else:
        text = f"R$^2$ {Tally.of(pairs.observed[own], pairs.predicted[own]).r2:.2f}, {pairs.what}"
    axis.set_title(text, fontsize="small", loc="right")
    axis.axhline(0, color=GREY, lw=0.6)
    axis.tick_params(labelsize="small")
    ticks = _ticks(every)
    axis.set_xticks(ticks.astype("datetime64[D]"), [str(tick).removesuffix("-01") for tick in ticks])


def _ticks(every: NDArray[np.datetime64], *, most: int = 8) -> NDArray[np.datetime64]:
    """Choose months to write under the axis: Januaries where there is room for whole years only."""
    step = next(step for step in (1, 2, 3, 6, *range(12, 12 + every.size, 12)) if every.size <= most * step)
    return np.asarray(every[every.astype(int) % step == 0])


def _runs(held_out: NDArray[np.bool_], time: NDArray[np.datetime64]) -> list[tuple[np.datetime64, np.datetime64]]:
    """Give first day and last day of each stretch of months held out."""
    order = np.argsort(time)
    held_out, time = held_out[order], time[order]
    turns = np.flatnonzero(np.diff(np.concatenate([[False], held_out, [False]]).astype(int)))
    starts, stops = turns[::2], turns[1::2] - 1
    return [
        (time[a].astype("datetime64[D]"), (time[b] + 1).astype("datetime64[D]"))
        for a, b in zip(starts, stops, strict=True)
    ]


def draw_coverage(ds: xr.Dataset) -> Figure:
    """Draw months of each site by what becomes of them, beside the share of the record that each driver has.

    Parameters
    ----------
    ds
        From `xnee.coverage`.

    Returns
    -------
    matplotlib.figure.Figure
        Bars in months, and a table of shares.
    """
    pft = labels(ds["pft"]) if "pft" in ds.coords else np.full(ds.sizes["site"], "")
    order = np.lexsort((ds["months"].sel(fate="kept").to_numpy(), pft))
    ds, pft = ds.isel(site=order), pft[order]
    names = labels(ds["name"]) if "name" in ds.coords else np.full(ds.sizes["site"], "")
    figure, ((left, right),) = panels(1, 2, width=9, height=1.5 + 0.16 * ds.sizes["site"])
    rows, start = np.arange(ds.sizes["site"]), np.zeros(ds.sizes["site"])
    fates = ["kept", *(fate for fate in labels(ds["fate"]).tolist() if fate != "kept")]
    for fate, colour, hatch in zip(fates, _FATE_COLOURS, _FATE_HATCHES, strict=False):
        width = ds["months"].sel(fate=fate).to_numpy()
        left.barh(rows, width, left=start, color=colour, hatch=hatch, ec="0.2", lw=0.2, label=fate)
        start = start + width
    left.set(ylim=(-0.5, rows.size - 0.5), xlabel=f"months of the record ({ds.attrs['lags']} lags)")
    words = [
        site_label(*map(str, row[:2]), more=str(row[2])) for row in zip(labels(ds["site"]), names, pft, strict=True)
    ]
    left.set_yticks(rows, [text for text, _ in words], fontsize=5)
    for tick, (_, font) in zip(left.get_yticklabels(), words, strict=True):
        tick.set(**font)
    figure.legend(loc="outside lower left", ncols=6, frameon=False, fontsize=6)
    share = (ds["present"] / ds["record"]).transpose("site", "driver")
    drawn = right.imshow(share, aspect="auto", origin="lower", vmin=0, vmax=1, cmap="cividis")
    right.set_xticks(np.arange(ds.sizes["driver"]), labels(ds["driver"]).tolist(), rotation=90, fontsize=6)
    right.set_yticks([])
    figure.colorbar(drawn, ax=right, label="share of the record with a value")
    return figure
