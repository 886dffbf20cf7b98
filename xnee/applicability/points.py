"""Windows as points: what a network reads, each input as long as it matters to the network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xnee.explanation.networks import Networks
from xnee.models.scaling import feature_drivers
from xnee.pft import check_pfts
from xnee.variables import labels
from xnee.windowing import slide

__all__ = ["Points", "check_weights", "said_of", "weights_of"]


@dataclass(frozen=True)
class Points:
    """The space in which distances between windows of one forest type are taken.

    Parameters
    ----------
    networks
        That read the windows; their scaler standardises.
    varying
        ``(lag, feature)``, weights of the features that change from month to month.
    still
        ``(feature,)``, weights of those of the site's context.
    """

    networks: Networks
    varying: NDArray[np.float64]
    still: NDArray[np.float64]

    def of(self, x: NDArray[np.floating], context: NDArray[np.floating]) -> NDArray[np.float64]:
        """Place every window of series.

        Parameters
        ----------
        x
            ``(series, time, driver)``, canonical units; what lies in a gap is taken as usual.
        context
            ``(series, statistic, driver)``.

        Returns
        -------
        numpy.ndarray
            ``(series, window, predictor)``, the windows that end in the last ``time - lags`` months. The forest type
            is no predictor: each type has a space of its own.
        """
        features = self.networks.features(x, context).numpy().astype("f8")
        length, months = self.varying.shape
        cut = slide(features[..., :months], length) * self.varying  # (series, window, lag, feature)
        still = features[:, length - 1 :, months : months + self.still.size] * self.still
        return np.concatenate([cut.reshape(*cut.shape[:2], -1), still], axis=2)


def check_weights(weights: xr.Dataset | xr.DataArray, drivers: list[str], *, length: int) -> None:
    """Refuse weights that are not one of the kinds that can be used.

    Parameters
    ----------
    weights
        From `xnee.explain`, `xnee.explain_lags`, or a number for each driver.
    drivers
        Names that are needed.
    length
        Months in a window.

    Raises
    ------
    ValueError
        If a driver or a lag has no weight, or two; a weight is missing, negative or infinite, but for a whole type; a
        type has an unknown name; or all are 0.
    """
    found = weights.get("heat", weights.get("contribution")) if isinstance(weights, xr.Dataset) else weights
    table = found if isinstance(found, xr.DataArray) else xr.DataArray()
    named = set(table.dims) <= set(table.coords)  # each by its own names, not by its place
    if not named or not {"driver"} <= set(table.dims) <= {"pft", "driver", "lag"}:
        shape = f" with {list(weights.dims)}" if isinstance(weights, xr.Dataset | xr.DataArray) else ""
        msg = (
            "weights must be what explain or explain_lags gave, or an array over driver (pft and lag too if you like), "
            f'xr.DataArray([1.0, ...], coords={{"driver": [...]}}, dims="driver"); got {type(weights).__name__}{shape}.'
        )
        raise ValueError(msg)
    needed: dict[str, list[Any]] = {"driver": drivers, **({"lag": list(range(length))} if "lag" in table.dims else {})}
    for dim, wanted in needed.items():
        there = table[dim].to_numpy().tolist()
        lacking = [name for name in wanted if name not in there]
        if lacking or len(set(there)) < len(there):
            msg = f"weights must have each {dim} of {wanted} once; lacking: {lacking}, there: {there}."
            raise ValueError(msg)
    if "pft" in table.dims:
        check_pfts(labels(table["pft"]).tolist())
    _check_values(table.sel(driver=drivers), drivers)


def _check_values(table: xr.DataArray, drivers: list[str]) -> None:
    """Refuse weights that mean nothing; a type that was never explained has none, which is an expected gap."""
    rows = table.transpose("pft", ...).to_numpy() if "pft" in table.dims else table.to_numpy()[None]
    rows = rows.reshape(len(rows), -1).astype("f8")
    known = rows[~np.isnan(rows).all(axis=1)]
    if not (np.isfinite(known).all() and (known >= 0).all() and (known > 0).any()):
        bad = known[~(np.isfinite(known) & (known >= 0))]
        what = f"found {bad[0]:.3g}" if bad.size else "all are 0" if known.size else "all are missing"
        msg = f"weights must be finite, 0 or more for each of {drivers} and not all 0; {what}."
        raise ValueError(msg)


def said_of(weights: xr.Dataset | xr.DataArray | None) -> str:
    """Say in words where weights come from.

    Parameters
    ----------
    weights
        As of `check_weights`; None where they were found by the default.

    Returns
    -------
    str
        For an attribute.

    Examples
    --------
    >>> said_of(None)
    'contributions, by explain'
    """
    if weights is None:
        return "contributions, by explain"
    if not isinstance(weights, xr.Dataset):
        return "given: " + ", ".join(f"{name}" for name in weights["driver"].to_numpy())
    return "contributions by lag, given" if "heat" in weights else "contributions, given"


def weights_of(weights: xr.Dataset | xr.DataArray, networks: Networks, *, drivers: list[str], length: int) -> Points:
    """Spread weights by driver, and by lag where they are known by lag, over the features of a type's networks.

    Parameters
    ----------
    weights
        As of `check_weights`. A type for which nothing is known takes the mean of the others.
    networks
        Of the type.
    drivers
        Names in the order of the model.
    length
        Months in a window.

    Returns
    -------
    Points
        Both components of a direction have its weight. Of the context, each statistic of a driver has its part of
        what `explain_lags` found for the context, else the driver's weight.
    """
    months = len(feature_drivers(networks.inputs.drivers))
    owner, still = networks.player[:months], networks.player[months:]
    still = still[still >= 0]  # not the forest type
    context = weights.get("heat_context") if isinstance(weights, xr.Dataset) else None
    table = weights if isinstance(weights, xr.DataArray) else weights["heat" if "heat" in weights else "contribution"]
    by_driver = _of_type(table, networks.pft).sel(driver=drivers)
    if "lag" not in by_driver.dims:
        by_driver = by_driver.expand_dims(lag=np.arange(length))
    by_driver = by_driver.sel(lag=np.arange(length - 1, -1, -1)).transpose("lag", "driver")
    if context is None:
        own = by_driver.mean("lag").to_numpy()[still]
    else:
        share = _of_type(context, networks.pft).sel(driver=drivers).to_numpy()
        own = share[still] / np.bincount(still, minlength=len(drivers))[still]
    return Points(networks, by_driver.to_numpy()[:, owner].astype("f8"), own.astype("f8"))


def _of_type(table: xr.DataArray, pft: str) -> xr.DataArray:
    """Choose the row of a type, or the mean of all rows where it is missing."""
    if "pft" not in table.dims:
        return table
    table = table.assign_coords(pft=labels(table["pft"]))
    own = table.sel(pft=pft) if pft in table["pft"].to_numpy().tolist() else table.isel(pft=0) * np.nan
    # an expected gap: a type without towers was never explained
    return own if bool(own.notnull().all()) else table.mean("pft", skipna=True)
