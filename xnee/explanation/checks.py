"""Doors of explanations and of the area of applicability: kinds of arguments and numbers, one clear error each."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Literal

import numpy as np
import xarray as xr

from xnee.models.model import NEEModel

__all__ = ["METHODS", "Method", "check_counts", "check_dataset", "check_kinds", "check_method", "check_seed"]

Method = Literal["auto", "exact", "permutation"]
METHODS = ("auto", "exact", "permutation")


def check_kinds(call: str, *, model: object, **datasets: object) -> None:
    """Refuse arguments of the wrong kind, swapped ones above all.

    Parameters
    ----------
    call
        The function that was called and the order of its arguments, such as ``"explain(sites, model)"``.
    model
        Should be a fitted model.
    **datasets
        Should be Datasets, by name.

    Raises
    ------
    TypeError
        If one is not.

    Examples
    --------
    >>> check_kinds("explain(sites, model)", model=None, sites=xr.Dataset())
    Traceback (most recent call last):
    TypeError: explain needs a model that xnee.fit or xnee.load_model gave; got NoneType.
    """
    what = call.split("(")[0]
    if not isinstance(model, NEEModel):
        hint = f" Call it as {call}." if any(isinstance(one, NEEModel) for one in datasets.values()) else ""
        msg = f"{what} needs a model that xnee.fit or xnee.load_model gave; got {type(model).__name__}.{hint}"
        raise TypeError(msg)
    for value in datasets.values():
        check_dataset(call, value)


def check_dataset(call: str, value: object) -> None:
    """Refuse what is no Dataset.

    Parameters
    ----------
    call
        The function that was called and the order of its arguments, such as ``"explain(sites, model)"``.
    value
        Candidate.

    Raises
    ------
    TypeError
        If it is something else.

    Examples
    --------
    >>> check_dataset("explain(sites, model)", "sites.nc")
    Traceback (most recent call last):
    TypeError: explain(sites, model) needs Datasets of xarray; got str.
    """
    if not isinstance(value, xr.Dataset):
        msg = f"{call} needs Datasets of xarray; got {type(value).__name__}."
        raise TypeError(msg)


def check_counts(what: str, *, least: int = 1, **numbers: object) -> None:
    """Refuse what is no whole number, or too small a one.

    Parameters
    ----------
    what
        Name of the function that was called.
    least
        Smallest that will do.
    **numbers
        By name.

    Raises
    ------
    ValueError
        If one will not do.

    Examples
    --------
    >>> check_counts("explain", samples=2.5)
    Traceback (most recent call last):
    ValueError: explain needs samples to be a whole number of at least 1; got 2.5.
    """
    for name, value in numbers.items():
        whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
        if not whole or int(value) < least:  # type: ignore[call-overload]
            msg = f"{what} needs {name} to be a whole number of at least {least}; got {value!r}."
            raise ValueError(msg)


def check_seed(what: str, seed: object) -> None:
    """Refuse a seed that is no whole number from 0 on: without one, no run is like another.

    Parameters
    ----------
    what
        Name of the function that was called.
    seed
        Candidate.

    Raises
    ------
    ValueError
        If it will not do.
    """
    check_counts(what, least=0, seed=seed)


def check_method(what: str, method: object) -> None:
    """Refuse a method of another name.

    Parameters
    ----------
    what
        Name of the function that was called.
    method
        Candidate.

    Raises
    ------
    ValueError
        If it is unknown.
    """
    if method not in METHODS:
        near = get_close_matches(str(method).lower(), METHODS, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        msg = f"{what} needs method 'auto', 'exact' or 'permutation'; got {method!r}.{hint}"
        raise ValueError(msg)
