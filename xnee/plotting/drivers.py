"""Drivers: their contributions, the values of single months, and the months of the past that they act from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xnee.pft import PFTS
from xnee.plotting.canvas import GREY, PFT_COLOURS, panels, types_of
from xnee.variables import labels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_beeswarm", "draw_contribution", "draw_lags", "spread_out"]

_LEAST = 2.1
"""Inches of height below which the words beside a colour bar would be cut off."""


def draw_contribution(ds: xr.Dataset) -> Figure:
    """Draw the share of each driver by forest type, with its interval over sites where there is one.

    Parameters
    ----------
    ds
        From `xnee.explain`.

    Returns
    -------
    matplotlib.figure.Figure
        Bars in %, the largest on top; lines are the interval.
    """
    share = ds["contribution"]
    types = types_of(share)
    figure, (axes,) = panels(1, len(types), width=max(4.0, 2.4 * len(types)), height=1.4 + 0.17 * share.sizes["driver"])
    for axis, pft in zip(axes, types, strict=True):
        row = share.sel(pft=pft)
        order = np.argsort(row.to_numpy())
        row = row.isel(driver=order)
        axis.barh(labels(row["driver"]).tolist(), row.to_numpy(), color=PFT_COLOURS[pft], ec="0.2", lw=0.4)
        if "contribution_interval" in ds:
            both = ds["contribution_interval"].sel(pft=pft).isel(driver=order)
            low, high = (both.sel(bound=name).to_numpy() for name in ("low", "high"))
            axis.hlines(np.arange(order.size), low, high, color="0.1", lw=1.2)
        axis.set(title=pft, xlabel="contribution, %", xlim=(0, None))
        axis.tick_params(labelsize="small")
    return figure


def draw_beeswarm(ds: xr.Dataset) -> Figure:
    """Draw the Shapley value of each driver in each explained month, coloured by the driver's value.

    Parameters
    ----------
    ds
        From `xnee.explain`.

    Returns
    -------
    matplotlib.figure.Figure
        One panel a type, the driver of largest mean size on top. Colours are ranks of the driver within the type.
    """
    phi, x = (ds[name].transpose("sample", "driver").to_numpy() for name in ("phi", "x"))
    pft, drivers = labels(ds["sample_pft"]), labels(ds["driver"])
    types = [name for name in PFTS if (pft == name).any()]
    width, height = 1.2 + max(4.0, 2.6 * len(types)), max(_LEAST, 1.2 + 0.3 * drivers.size)
    figure, (axes,) = panels(1, len(types), width=width, height=height)
    drawn: Any = None
    for axis, name in zip(axes, types, strict=True):
        own = phi[pft == name]
        order = np.argsort(np.abs(own).mean(axis=0))
        for row, k in enumerate(order):
            at = row + 0.38 * spread_out(own[:, k], span=float(np.ptp(own)))
            rank = _rank(x[pft == name, k])
            drawn = axis.scatter(own[:, k], at, c=rank, s=9, cmap="cividis", vmin=0, vmax=1, lw=0.2, ec="0.3")
        axis.axvline(0, color=GREY, lw=0.8)
        axis.set_yticks(range(order.size), drivers[order].tolist(), fontsize="small")
        axis.set_title(name, fontsize="medium")
    _bar(figure, drawn, axes, words="value of\nthe driver", ticks={0: "low", 1: "high"})
    figure.supxlabel("Shapley value, g C m$^{-2}$ month$^{-1}$ (negative: towards uptake)", fontsize="medium")
    return figure


def _bar(
    figure: Figure, drawn: Any, axes: NDArray[np.object_], *, words: str, ticks: dict[int, str] | None = None
) -> None:
    """Put a colour bar of the same width beside the panels, whatever the size of the figure."""
    width, height = figure.get_size_inches()
    bar = figure.colorbar(drawn, ax=axes.tolist(), pad=0.01, fraction=0.2 / width, aspect=height / 0.15)
    bar.set_label(words, fontsize="small")
    bar.ax.tick_params(labelsize="small")
    if ticks:
        bar.set_ticks(list(ticks), labels=list(ticks.values()))


def spread_out(values: NDArray[np.floating], *, span: float, bins: int = 40) -> NDArray[np.float64]:
    """Give points of like value places side by side, so that none hides another.

    Parameters
    ----------
    values
        ``(sample,)``.
    span
        Width of the axis, same unit.
    bins
        Parts of it within which points would hide each other.

    Returns
    -------
    numpy.ndarray
        ``(sample,)``, -1 to 1: 0 for a point alone, the more the fuller its part.
    """
    part = np.floor(values / (span / bins)).astype("i8") if span > 0 else np.zeros(values.size, dtype="i8")
    place = np.zeros(values.size)
    for one in np.unique(part):
        rows = np.flatnonzero(part == one)
        turn = np.arange(rows.size)
        place[rows] = np.where(turn % 2, -(turn + 1) // 2, turn // 2)  # 0, -1, 1, -2, 2, ...
    return np.asarray(place / max(float(np.abs(place).max()), 1.0))


def _rank(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Rank from 0 to 1; one half where all are the same."""
    if np.ptp(values) == 0:
        return np.full(values.size, 0.5)
    return np.asarray(np.searchsorted(np.sort(values), values, side="left") / max(values.size - 1, 1))


def draw_lags(ds: xr.Dataset) -> Figure:
    """Draw the share of each driver in each month of the past, by forest type, as heat maps.

    Parameters
    ----------
    ds
        From `xnee.explain_lags`.

    Returns
    -------
    matplotlib.figure.Figure
        Cells in %, together 100 in each panel; the last column is what the site's long-term context adds, where a
        network reads it.
    """
    heat = ds["heat"].transpose("pft", "driver", "lag").sortby("lag", ascending=False)
    types, drivers = types_of(heat), labels(heat["driver"]).tolist()
    context = ds["heat_context"].transpose("pft", "driver") if "heat_context" in ds else None
    context = context if context is not None and float(context.max()) > 0 else None
    words = [f"-{lag}" if lag else "0" for lag in heat["lag"].to_numpy().tolist()]
    top = float(max(heat.max(), 0 if context is None else context.max()))
    width, height = 1.2 + max(4.0, 2.4 * len(types)), max(_LEAST, 1.3 + 0.2 * len(drivers))
    figure, (axes,) = panels(1, len(types), width=width, height=height, sharey=True)
    drawn: Any = None
    for axis, pft in zip(axes, types, strict=True):
        table = heat.sel(pft=pft).to_numpy()
        if context is not None:
            table = np.concatenate([table, context.sel(pft=pft).to_numpy()[:, None]], axis=1)
            axis.axvline(len(words) - 0.5, color="white", lw=2)
        drawn = axis.imshow(table, aspect="auto", cmap="cividis", vmin=0, vmax=top)
        axis.set_xticks(range(table.shape[1]), [*words, "site"][: table.shape[1]], fontsize="small")
        axis.set_yticks(range(len(drivers)), drivers, fontsize="small")
        axis.set_title(pft, fontsize="medium")
    _bar(figure, drawn, axes, words="share of the\nprediction, %")
    note = "" if context is None else " (site: its long-term context)"
    figure.supxlabel(f"months before the target month{note}", fontsize="medium")
    return figure
