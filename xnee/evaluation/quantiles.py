"""What members of an ensemble disagree about, cell by cell, as quantiles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xnee.variables import TARGET, VARIABLES

__all__ = ["member_quantiles"]

_NEEDED = ("NEE", "NEE_member", "pft_fraction")


def member_quantiles(predicted: xr.Dataset, levels: Sequence[float]) -> xr.Dataset:
    """Give each monthly value of a map its quantiles over the members of the ensemble.

    Each member's fluxes are mixed by the cover of the types, as those of which ``NEE`` is the mean and ``NEE_std``
    the deviation; quantiles are linear between the ordered members (Hyndman and Fan 1996, doi
    10.1080/00031305.1996.10473566, their definition 7; numpy's ``"linear"``).

    They say how far networks that saw the same towers disagree, no more: what they all get wrong is not in them, see
    `intervals`. They are of one month of one cell: the quantile of a total is not the sum of quantiles.

    Parameters
    ----------
    predicted
        From `xnee.predict`, with two or more members.
    levels
        Levels from 0 to 1, ascending, such as ``[0.05, 0.5, 0.95]``. With few members those near 0 and 1 are between
        the two outermost ones.

    Returns
    -------
    xarray.Dataset
        `predicted` with ``NEE_quantile (quantile, time, lat, lon)``, g C m-2 month-1 per square metre of forest,
        positive into the atmosphere; missing where NEE is. Lazy where `predicted` is.

    Raises
    ------
    ValueError
        If `predicted` has no members or only one, or levels are none, out of range or not ascending.

    Examples
    --------
    >>> from xnee.models.fitting import fit
    >>> from xnee.models.training import FitSpec
    >>> from xnee.prediction import predict
    >>> from xnee.sources.synthetic import synthetic_cube, synthetic_towers
    >>> quick = {"lags": 1, "members": 3, "strategy": "pooled", "training": FitSpec(epochs=1)}
    >>> predicted = predict(synthetic_cube(), fit(synthetic_towers(), ["TEMP"], **quick))
    >>> member_quantiles(predicted, [0.05, 0.5, 0.95])["NEE_quantile"].dims
    ('quantile', 'time', 'lat', 'lon')
    """
    asked = _check_levels(levels)
    _check_members(predicted)
    dims = predicted[TARGET].dims
    fraction = predicted["pft_fraction"].transpose("pft", ...)
    flux = predicted["NEE_member"].transpose("member", "pft", ..., *fraction.dims[1:])
    if flux.chunks is None:
        values = _quantiles(flux.to_numpy(), fraction.to_numpy(), levels=asked)
    else:
        values = _by_block(flux.chunk({"member": -1, "pft": -1}), fraction, asked)
    coords = {name: x for name, x in predicted[TARGET].coords.items() if set(x.dims) <= set(dims)}
    found = xr.DataArray(values[:, 0], coords | {"quantile": asked}, ("quantile", *flux.dims[2:]))
    found = found.transpose("quantile", *dims)
    found["quantile"].attrs = {"units": "1", "long_name": "level of the quantile over members"}
    found.attrs = {
        "units": VARIABLES[TARGET].units,
        "long_name": "quantile of NEE over the members of the ensemble",
        "comment": "Linear between ordered members. Not to be added up: the quantile of a sum is no sum of quantiles.",
    }
    return predicted.drop_vars(["NEE_quantile", "quantile"], errors="ignore").assign(NEE_quantile=found)


def _check_levels(levels: Sequence[float]) -> NDArray[np.float64]:
    try:
        asked = np.asarray(levels, dtype="f8")
    except (TypeError, ValueError):  # text, or lists of unlike lengths
        asked = np.empty(0)
    right = asked.ndim == 1 and asked.size > 0 and np.isfinite(asked).all()
    if not right or asked[0] < 0 or asked[-1] > 1 or (np.diff(asked) <= 0).any():
        msg = (
            f"levels must be one or more numbers from 0 to 1, ascending, such as [0.05, 0.5, 0.95]; got {levels!r}. "
            "Divide percent by 100."
        )
        raise ValueError(msg)
    return asked


def _check_members(predicted: xr.Dataset) -> None:
    lacking = [name for name in _NEEDED if name not in predicted]
    if lacking:
        msg = (
            f"quantiles over members need what xnee.predict gives; {', '.join(lacking)} "
            f"{'is' if len(lacking) == 1 else 'are'} missing. A product holds no members: take quantiles of the "
            "prediction before it is written."
        )
        raise ValueError(msg)
    if predicted.sizes["member"] < 2:
        msg = "one member has no quantiles. Fit a model with members=2 or more; 5 and more tell something."
        raise ValueError(msg)


def _by_block(flux: xr.DataArray, fraction: xr.DataArray, levels: NDArray[np.float64]) -> Any:
    """Call `_quantiles` on each block."""
    cut = fraction.chunk({"pft": -1, **{dim: flux.chunksizes[dim] for dim in fraction.dims[1:]}})
    # all dimensions stay, with other sizes: those that vanish are put together by dask, which copies every block
    return da.blockwise(  # type: ignore[no-untyped-call]
        _quantiles,
        flux.dims,
        flux.data,
        flux.dims,
        cut.data,
        cut.dims,
        levels=levels,
        adjust_chunks={"member": levels.size, "pft": 1},
        dtype="f4",
        meta=np.empty((0,) * flux.ndim, dtype="f4"),
    )


def _quantiles(
    flux: NDArray[np.float32], fraction: NDArray[np.float32], *, levels: NDArray[np.float64]
) -> NDArray[np.float32]:
    """From ``(member, pft, time, ...)`` and ``(pft, ...)`` to ``(quantile, 1, time, ...)``."""
    result = np.full((levels.size, 1, *flux.shape[2:]), np.nan, dtype="f4")
    forest: NDArray[np.bool_] = np.any(fraction > 0, axis=0)
    if forest.any():
        # a gap in one member is one in all: missing comes out as missing
        result[:, 0][..., forest] = np.quantile(_mixed(flux, fraction, forest), levels, axis=0, method="linear")
    return result


def _mixed(flux: NDArray[np.float32], fraction: NDArray[np.float32], forest: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Mix ``(member, pft, time, ...)`` by cover to ``(member, time, cell)``, cells with forest only.

    Type after type and in float32, as prediction does: the mean over these members is NEE to the last bit.
    """
    cover = fraction[:, forest]  # (pft, cell)
    mixed = np.zeros((flux.shape[0], flux.shape[2], cover.shape[1]), dtype="f4")
    for k, share in enumerate(cover):
        covered = share > 0
        if covered.any():
            mixed[..., covered] += flux[:, k][..., forest][..., covered] * share[covered]
    mixed /= cover.sum(axis=0)
    return mixed
