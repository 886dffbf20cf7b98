"""Figures from the Datasets that the other rooms return. Colour-blind safe; nothing is downloaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from xnee.pft import PFTS
from xnee.scores import Tally
from xnee.variables import labels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["plot"]

_PFT_COLOURS = dict(zip(PFTS, ("#E69F00", "#56B4E9", "#0072B2", "#009E73", "#CC79A7"), strict=True))
"""Okabe and Ito's colours, told apart by all readers."""
_FATE_COLOURS = ("#009E73", "#CC79A7", "#D55E00", "#E69F00", "#F0E442", "#56B4E9")
_MONTHLY = "NEE, g C m$^{-2}$ month$^{-1}$"


def plot(ds: xr.Dataset) -> Figure:
    """Draw what a Dataset of xnee holds.

    What is drawn follows from the variables: ``contribution`` (from `xnee.explain`) as bars by type,
    ``NEE_total`` alone (from `xnee.budget`) as bars by year with spread, ``months`` by fate (from `xnee.coverage`) as
    bars by site beside what each driver has, ``predicted`` (from
    `xnee.crossvalidate`) as observed against predicted, and ``NEE (time, lat, lon)`` (from `xnee.predict` or a
    product) as a map of the mean yearly sum. A map is computed here if it is lazy.

    Parameters
    ----------
    ds
        A Dataset from one of these functions.

    Returns
    -------
    matplotlib.figure.Figure
        Not shown and not saved: ``figure.savefig("map.png")``. NEE positive into the atmosphere throughout.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError
        If the Dataset holds nothing that can be drawn.

    Examples
    --------
    >>> plot(explained).savefig("contribution.png")  # doctest: +SKIP
    """
    if "contribution" in ds:
        return _contribution(ds["contribution"])
    if "predicted" in ds:
        return _observed_against_predicted(ds)
    if "NEE" in ds and {"lat", "lon"} <= set(ds["NEE"].dims):
        return _map(ds["NEE"], mean_year="climatology" in ds.attrs)
    if {"months", "fate", "record"} <= set(ds.variables):
        return _coverage(ds)
    if "NEE_total" in ds:
        return _budget(ds)
    msg = (
        "plot draws what explain, crossvalidate, predict, budget or coverage returned; this Dataset has "
        f"{list(ds.data_vars)}. The scores of evaluate are a table: xnee.skill_table(scores)."
    )
    raise ValueError(msg)


def _axes(columns: int, width: float, height: float) -> tuple[Figure, Any]:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        msg = 'figures need matplotlib: pip install "xnee[plot]".'
        raise ImportError(msg) from error
    figure = Figure(figsize=(width, height), layout="constrained", dpi=150)  # no pyplot: no global state, no window
    return figure, np.atleast_1d(figure.subplots(1, columns))


def _map(nee: xr.DataArray, *, mean_year: bool) -> Figure:
    """Mean over whole years of the yearly sum; a cell with a missing month in every year stays empty."""
    mean, whole = _mean_year(nee)
    figure, (axis,) = _axes(1, 7, 5)
    # symmetric about zero, so that the sign can be read off the colour
    limit = float(np.nanquantile(np.abs(mean), 0.98)) if mean.notnull().any() else 1.0
    drawn = axis.pcolormesh(
        mean["lon"], mean["lat"], mean.transpose("lat", "lon"), cmap="BrBG_r", vmin=-limit, vmax=limit
    )
    figure.colorbar(drawn, ax=axis, label="NEE, g C m$^{-2}$ yr$^{-1}$ of forest (negative: uptake)", shrink=0.8)
    axis.set(xlabel="longitude, degrees east", ylabel="latitude, degrees north")
    axis.set_aspect(1 / np.cos(np.deg2rad(float(mean["lat"].mean()))))
    span = "no whole year" if not whole else f"mean of {whole[0]}-{whole[-1]}" if len(whole) > 1 else str(whole[0])
    axis.set_title(f"Forest NEE, {'mean year of a climatology' if mean_year and whole else span}")
    axis.set_facecolor("0.93")
    return figure


def _mean_year(nee: xr.DataArray) -> tuple[xr.DataArray, list[int]]:
    """Mean over years of the yearly sum of each cell that has all twelve months, and the years that have any."""
    nee = nee.compute()
    year = nee["time"].dt.year
    yearly = nee.groupby(year).sum(skipna=False).where(nee.groupby(year).count() == 12)
    known = yearly.notnull()
    whole = yearly["year"].to_numpy()[known.any(("lat", "lon")).to_numpy()].tolist()
    # a year without a whole past is an expected gap; it is left out of the mean, not taken as zero
    return yearly.fillna(0).sum("year") / known.sum("year").where(known.any("year")), whole


def _contribution(share: xr.DataArray) -> Figure:
    shown = share.dropna("pft", how="all")
    figure, axes = _axes(shown.sizes["pft"], 2.4 * shown.sizes["pft"], 3.2)
    for axis, pft in zip(axes, shown["pft"].to_numpy().tolist(), strict=True):
        row = shown.sel(pft=pft)
        row = row.isel(driver=np.argsort(row.to_numpy()))
        axis.barh(row["driver"].to_numpy().tolist(), row.to_numpy(), color=_PFT_COLOURS[pft])
        axis.set(title=pft, xlabel="contribution, %")
    return figure


def _observed_against_predicted(ds: xr.Dataset) -> Figure:
    predicted = ds["predicted"].isel(predictor=0)
    types = [pft for pft in PFTS if ((ds["sample_pft"] == pft) & predicted.notnull()).any()]
    figure, axes = _axes(len(types), 2.6 * len(types), 3.0)
    for axis, pft in zip(axes, types, strict=True):
        own = (ds["sample_pft"] == pft).to_numpy()
        own &= predicted.notnull().to_numpy()
        y, p = ds["NEE"].to_numpy()[own], predicted.to_numpy()[own]
        tally = Tally.of(y, p)
        axis.plot(y, p, ".", ms=3, alpha=0.6, color=_PFT_COLOURS[pft])
        ends = [min(y.min(), p.min()), max(y.max(), p.max())]
        axis.plot(ends, ends, color="0.3", lw=0.8)
        axis.set(title=f"{pft}: R$^2$ {tally.r2:.2f}, RMSE {tally.rmse:.0f}")
    figure.supxlabel(f"observed {_MONTHLY}", fontsize="medium")
    figure.supylabel(f"predicted {_MONTHLY}", fontsize="medium")
    return figure


def _budget(ds: xr.Dataset) -> Figure:
    figure, (axis,) = _axes(1, 6, 3.5)
    ds = ds.expand_dims([name for name in ("pft", "year") if name not in ds["NEE_total"].dims])
    years = [str(year) for year in ds["year"].to_numpy()] if "year" in ds.coords else ["mean year"]
    names = labels(ds["pft"]).tolist() if "pft" in ds.coords else ["forest"]
    total, spread = (ds[name].transpose("pft", "year").to_numpy() for name in ("NEE_total", "NEE_total_std"))
    for k, name in enumerate(names):
        where = np.arange(len(years)) + (k - (len(names) - 1) / 2) * 0.15
        axis.bar(where, total[k], 0.15, yerr=spread[k], label=name, color=_PFT_COLOURS.get(name, "0.5"))
    axis.set_xticks(np.arange(len(years)), years)
    axis.axhline(0, color="0.3", lw=0.8)
    axis.set_ylabel("NEE, Tg C yr$^{-1}$ (negative: uptake)")
    axis.margins(y=0.15)
    figure.legend(frameon=False, ncols=5, loc="outside lower center")
    return figure


def _coverage(ds: xr.Dataset) -> Figure:
    """Draw months of each site by what becomes of them, beside the share of the record that each driver has."""
    pft = labels(ds["pft"]) if "pft" in ds.coords else np.full(ds.sizes["site"], "")
    order = np.lexsort((ds["months"].sel(fate="kept").to_numpy(), pft))
    ds, pft = ds.isel(site=order), pft[order]
    names = [f"{site} {name}".strip() for site, name in zip(labels(ds["site"]), pft, strict=True)]
    figure, (left, right) = _axes(2, 9, 1.5 + 0.16 * len(names))
    rows, start = np.arange(len(names)), np.zeros(len(names))
    fates = ["kept", *(fate for fate in labels(ds["fate"]).tolist() if fate != "kept")]
    for fate, colour in zip(fates, _FATE_COLOURS, strict=False):
        width = ds["months"].sel(fate=fate).to_numpy()
        left.barh(rows, width, left=start, color=colour, label=fate)
        start = start + width
    left.set(ylim=(-0.5, len(names) - 0.5), xlabel=f"months of the record ({ds.attrs['lags']} lags)")
    left.set_yticks(rows, names, fontsize=5)
    left.legend(fontsize=6)
    share = (ds["present"] / ds["record"]).transpose("site", "driver")
    drawn = right.imshow(share, aspect="auto", origin="lower", vmin=0, vmax=1, cmap="cividis")
    right.set_xticks(np.arange(ds.sizes["driver"]), labels(ds["driver"]).tolist(), rotation=90, fontsize=6)
    right.set_yticks([])
    figure.colorbar(drawn, ax=right, label="share of the record with a value")
    return figure
