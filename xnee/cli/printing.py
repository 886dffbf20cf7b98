"""What commands print."""

from __future__ import annotations

from pathlib import Path

import xarray as xr

from xnee.products.budget import budget, budget_table

__all__ = ["print_budget", "print_calibration", "print_contribution", "print_written"]


def print_written(out: Path, what: str = "") -> None:
    """Print what was written, in the words of all commands.

    Parameters
    ----------
    out
        File or folder.
    what
        What is in it, if that is not plain.
    """
    print(f"wrote {out}: {what}" if what else f"wrote {out}")


def print_budget(product: xr.Dataset) -> None:
    """Print the budget of a product as a table.

    Parameters
    ----------
    product
        As `xnee.open_product` gives it.
    """
    print(budget_table(budget(product)), "\n")


def print_contribution(why: xr.Dataset) -> None:
    """Print the contribution of each driver, or of each month of the past, by type.

    Parameters
    ----------
    why
        As `xnee.explain` or `xnee.explain_lags` gives it.
    """
    if "heat" in why:
        months = why["heat"].sum("driver", min_count=1).dropna("pft", how="all").transpose("pft", "lag")
        print("Contribution of months before the target, % of mean |attribution|; the rest to 100 is the context")
        print(months.to_pandas().round(1).to_string())
        return
    share = why["contribution"].dropna("pft", how="all").transpose("pft", "driver")
    print(f"Contribution of drivers, % of mean |Shapley value| ({why.attrs['method']}; rows sum to 100)")
    print(share.to_pandas().round(1).to_string())
    print(f"largest |prediction - base - sum| {float(abs(why['residual']).max()):.1e} g C m-2 month-1")


def print_calibration(calibration: xr.Dataset) -> None:
    """Print how often intervals held on left-out sites, as they come from the members and recalibrated, by type.

    Parameters
    ----------
    calibration
        As `xnee.calibrate` gives it.
    """
    kept = calibration.isel(pft=calibration["sites"].to_numpy() > 0)
    table = kept[["sites", "n", "coverage_raw", "coverage", "width_raw", "width", "factor", "residual"]].to_dataframe()
    table[["coverage_raw", "coverage"]] *= 100
    table.columns = ["sites", "months", "inside, %", "recalibrated", "width", "recalibrated", "factor", "residual"]
    table.index.name = None
    about = calibration.attrs
    print(f"Intervals of {about['level']:.0%} at sites left out ({about['scheme']}, {about['folds']} folds):")
    print("share of months inside, mean over sites; widths and residual in g C m-2 month-1. Shares and widths are of")
    print("towers that factor and residual do not know; the factor and the residual of the last columns are for maps.")
    print(table.to_string(float_format="{:.1f}".format, formatters={"factor": "{:.2f}".format}))
    few = [str(name) for name in kept["pft"].to_numpy() if not int(kept["own"].sel(pft=name))]
    if few:
        print(f"{', '.join(few)}: too few sites for a factor of their own; that of all types is taken.")
