"""What commands print."""

from __future__ import annotations

import xarray as xr

from xnee.products.budget import budget, budget_table

__all__ = ["print_budget", "print_contribution"]


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
