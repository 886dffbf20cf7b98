"""A comparison as text."""

from __future__ import annotations

import numpy as np
import xarray as xr

from xnee.comparison.anchors import ANCHORS, Anchor
from xnee.variables import labels

__all__ = ["comparison_table"]


def comparison_table(compared: xr.Dataset, *, anchors: bool = True) -> str:
    """Lay a comparison out as text: totals of all products, how they agree, and what was published.

    Parameters
    ----------
    compared
        As of `compare`.
    anchors
        Whether to add published balances (`ANCHORS`), as NEE: uptake negative.

    Returns
    -------
    str
        Totals are means over years with their standard deviation from year to year; correlations are medians over
        cells.

    Examples
    --------
    >>> one = xr.Dataset({"total": (("source", "year"), [[-12.0, -14.0]])}, {"source": ["xnee"], "other": []})
    >>> one = one.assign(total_own=("year", [-20.0, -22.0]), forest_area=1e9)
    >>> text = comparison_table(one.assign_attrs(years="2001-2002 (2)", grid="1 degrees", forest_compared=0.6))
    >>> print(text.splitlines()[3])
    xnee                                 -13.0 ± 1.4
    """
    area = float(compared["forest_area"].sum()) * 1e-10
    lines = [
        f"NEE of {area:.2f}e4 km2 of forest ({compared.attrs['forest_compared']:.0%} of the product's) on cells of "
        f"{compared.attrs['grid']}, {compared.attrs['years']}; negative: uptake.",
        "Tg C yr-1: mean of years ± standard deviation from year to year, which is no uncertainty.",
        f"{'':<30}{'Tg C yr-1':>18}{'bias, g C m-2 yr-1':>22}{'r of seasons':>15}{'r of years':>13}",
    ]
    for name in labels(compared["source"]).tolist():
        text = f"{name:<30}{_mean_and_spread(compared['total'].sel(source=name)):>18}"
        if name in labels(compared["other"]):
            own = compared.sel(other=name)
            mean = float(own["bias"].weighted(compared["forest_area"].fillna(0)).mean())
            r = [float(own[f"{kind}_correlation"].median()) for kind in ("seasonal", "interannual")]
            text += f"{mean:>22.1f}" + "".join(
                f"{value:>{width}.2f}".replace("nan", "  -") for value, width in zip(r, (15, 13), strict=True)
            )
        lines.append(text.rstrip())
    lines.append(f"{'xnee, all its forest':<30}{_mean_and_spread(compared['total_own']):>18}")
    if not anchors:
        return "\n".join(lines)
    lines += ["", "Published, Pg C yr-1, as NEE, ± as published; NEP, NBP and biomass are not the same thing:"]
    return "\n".join([*lines, *(_anchor(one) for one in ANCHORS)])


def _mean_and_spread(total: xr.DataArray) -> str:
    mean = f"{float(total.mean()):.1f}"
    return mean if total.sizes["year"] < 2 else f"{mean} ± {float(total.std(ddof=1)):.1f}"


def _anchor(one: Anchor) -> str:
    low, high = one.sink
    number = f"{-low:.3g}" if low == high else f"{-high:.3g} to {-low:.3g}"
    number = number if np.isnan(one.spread) else f"{number} ± {one.spread:.2f}"
    return f"{number:>16}  {one.what}, {one.period} ({one.source})"
