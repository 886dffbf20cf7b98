"""Skill: scores by scheme, and errors inside and outside the area of applicability."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from xnee.pft import PFTS
from xnee.plotting.canvas import BLUE, GREY, VERMILLION, grid_of_panels, panels
from xnee.variables import labels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_applicability", "draw_skill"]

_SCHEME_MARKS = (
    ("o", "#0072B2"), ("s", "#D55E00"), ("^", "#009E73"), ("D", "#CC79A7"), ("v", "#E69F00"), ("P", "#56B4E9"),
)  # fmt: skip
_FLOOR = -0.5
"""R2 below it is drawn at the edge with its number: worse than the mean by how much is of little interest."""


def draw_skill(ds: xr.Dataset) -> Figure:
    """Draw R2 of the model and of what stands beside it, by forest type, one mark for each scheme.

    Parameters
    ----------
    ds
        From `xnee.evaluate`, or from `xnee.crossvalidate` (one scheme).

    Returns
    -------
    matplotlib.figure.Figure
        Lines reach from 5 to 95 % of draws of sites; the panels name months and sites.

    Raises
    ------
    ValueError
        If nothing was scored.
    """
    if "scheme" not in ds.dims:
        ds = ds.drop_dims("sample", errors="ignore").expand_dims(scheme=[str(ds.attrs.get("scheme", "held out"))])
    pfts = [str(pft) for pft in labels(ds["pft"]) if int(ds["n"].sel(pft=pft).max()) > 0]
    if not pfts:
        msg = "nothing to draw: no month was scored."
        raise ValueError(msg)
    names, schemes = labels(ds["predictor"]).tolist(), labels(ds["scheme"]).tolist()
    height = 0.7 + len(names) * (0.14 + 0.13 * len(schemes))
    figure, axes = grid_of_panels(len(pfts), 3, width=3.3, height=height, sharey=True)
    for axis, pft in zip(axes, pfts, strict=True):
        for k, scheme in enumerate(schemes):
            _one_scheme(axis, ds.sel(pft=pft, scheme=scheme), k, len(schemes))
        axis.set_ylim(len(names) - 0.4, -0.6)  # the first predictor on top
        axis.set_yticks(range(len(names)), names, fontsize="small")
        axis.axvline(0, color=GREY, lw=0.6)
        lowest = float(np.nanmin([ds[score].sel(pft=pft).min() for score in ("R2", "R2_low")]))
        axis.set(xlim=(np.clip(lowest, _FLOOR, 0) - 0.05, 1.03), xlabel="R$^2$")
        axis.grid(axis="x", lw=0.3)
        sites = ds["sites"].sel(pft=pft).max() if "sites" in ds else None
        count = f", {int(ds['n'].sel(pft=pft).max())} months" + (f", {int(sites)} sites" if sites is not None else "")
        axis.set_title(f"{pft}{count}", fontsize="medium")
    figure.legend(
        *axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False, fontsize="small"
    )
    return figure


def _one_scheme(axis: Any, own: xr.Dataset, place: int, count: int) -> None:
    marker, colour = _SCHEME_MARKS[place % len(_SCHEME_MARKS)]
    at = np.arange(own.sizes["predictor"]) + (place - (count - 1) / 2) * 0.8 / max(count, 2)
    r2, low, high = (own[name].to_numpy() for name in ("R2", "R2_low", "R2_high"))
    label = str(own["scheme"].item())
    inside = r2 >= _FLOOR
    ends = np.clip(np.stack([low, high]), _FLOOR, None)
    axis.hlines(at[inside], ends[0, inside], ends[1, inside], color=colour, lw=1)
    axis.plot(r2[inside], at[inside], marker, color=colour, ms=5, mec="0.2", mew=0.4, label=label, ls="none")
    for y, value in zip(at[r2 < _FLOOR], r2[r2 < _FLOOR], strict=True):
        axis.plot(_FLOOR, y, marker="<", color=colour, ms=5, clip_on=False)
        axis.annotate(f"{value:.1f}", (_FLOOR, y), xytext=(5, 0), textcoords="offset points", va="center", fontsize=6)


def draw_applicability(ds: xr.Dataset) -> Figure:
    """Draw errors at left-out towers against their dissimilarity, inside and outside the area of applicability.

    Parameters
    ----------
    ds
        From `xnee.applicability_skill`.

    Returns
    -------
    matplotlib.figure.Figure
        One panel a type, with RMSE inside and outside.

    Raises
    ------
    ValueError
        If no window has a dissimilarity index.
    """
    types = [pft for pft in PFTS if (ds["n"].sel(pft=pft) > 0).any()]
    if not types:
        msg = "nothing to draw: no window has a dissimilarity index. It takes three folds of a type at least."
        raise ValueError(msg)
    pft, known = labels(ds["sample_pft"]), ds["DI"].notnull().to_numpy() & ds["error"].notnull().to_numpy()
    scaled, size = (ds["DI"] / ds["threshold"]).to_numpy(), np.abs(ds["error"].to_numpy())
    inside = ds["inside"].to_numpy().astype(bool)
    figure, (axes,) = panels(1, len(types), width=max(4.0, 2.7 * len(types)), height=3, sharey=True)
    for axis, name in zip(axes, types, strict=True):
        own = known & (pft == name)
        for rows, colour, marker, word in ((inside, BLUE, "o", "inside"), (~inside, VERMILLION, "^", "outside")):
            axis.plot(
                scaled[own & rows], size[own & rows], marker, ms=2.5, color=colour, alpha=0.6, mew=0, label=word,
                rasterized=True,
            )  # fmt: skip
        axis.axvline(1, color=GREY, lw=0.8)
        first, second = ds["RMSE"].sel(pft=name).to_numpy()
        out = "none out" if np.isnan(second) else f"{second:.0f} out"
        axis.set_title(f"{name}: RMSE {first:.0f} in, {out}", fontsize="medium")
    axes[0].legend(fontsize="small")
    figure.supxlabel("dissimilarity index over its threshold (right of the line: outside)", fontsize="medium")
    figure.supylabel("|error|, g C m$^{-2}$ month$^{-1}$", fontsize="medium")
    return figure
