"""One table: skill on later months of known towers, beside skill on towers never seen."""

from __future__ import annotations

from typing import cast

import numpy as np
import xarray as xr

from xnee.evaluation.crossval import BASELINES, crossvalidate, located, score_predictors
from xnee.models.model import NEEModel
from xnee.models.per_pft import Strategy, same_windows, training_windows

__all__ = ["evaluate", "skill_table"]


def evaluate(sites: xr.Dataset, model: NEEModel, *, folds: int = 10) -> xr.Dataset:
    """Score a model on its held-out months and, with the same settings, on left-out sites.

    The temporal half uses `model` itself on the months that it never saw. The other half trains anew with sites
    left out, because a fitted model has seen all its sites. One without the other misleads: temporal R2 near 0.8
    and left-out R2 near 0.4 are the same model.

    Parameters
    ----------
    sites
        The towers that `model` was fitted on.
    model
        From `xnee.fit`, with a `test_fraction` above 0.
    folds
        Groups of sites that are left out in turn.

    Returns
    -------
    xarray.Dataset
        ``R2``, ``MAE``, ``RMSE``, ``bias`` (g C m-2 month-1) and ``n`` over ``(scheme, predictor, pft)``;
        `skill_table` prints it.

    Raises
    ------
    ValueError
        If the sites are not those of the model or it held nothing out.

    Examples
    --------
    >>> from xnee.models.per_pft import fit
    >>> from xnee.models.training import FitSpec
    >>> from xnee.sources.synthetic import synthetic_towers
    >>> towers = synthetic_towers()
    >>> model = fit(towers, ["TEMP", "PAR"], lags=1, members=1, training=FitSpec(epochs=1))
    >>> evaluate(towers, model, folds=2)["R2"].dims
    ('scheme', 'predictor', 'pft')
    """
    settings = model.provenance
    if not settings["test_fraction"] > 0:
        msg = "the model was fitted with test_fraction=0, so no month is left to test it on. Fit with 0.2."
        raise ValueError(msg)
    temporal = _temporal(sites, model)
    left_out = crossvalidate(
        sites,
        model.window.drivers,
        folds=folds,
        lags=model.window.lags,
        members=model.members,
        seed=settings["seed"],
        strategy=cast("Strategy", model.strategy),
        min_windows=settings["min_windows"],
        network=model.network,
        training=model.training,
        device=model.device,
    )
    both = {"temporal": temporal, "leave-site-out": left_out}
    names = ["R2", "MAE", "RMSE", "bias", "n"]
    order = list(dict.fromkeys(p for scores in both.values() for p in scores["predictor"].to_numpy().tolist()))
    parts = [scores[names].reindex(predictor=order) for scores in both.values()]
    result = xr.concat(parts, dim="scheme").assign_coords(scheme=list(both))
    notes = {"folds": left_out.attrs["folds"], "test_fraction": settings["test_fraction"], "members": model.members}
    return result.assign_attrs(notes)


def _temporal(sites: xr.Dataset, model: NEEModel) -> xr.Dataset:
    samples = located(training_windows(sites, model.window.drivers, lags=model.window.lags), sites)
    keep = same_windows(samples, model)
    predicted = {"xnee": model.predict_windows(samples).mean("member").to_numpy()}
    predicted |= {name: baseline(samples, keep) for name, baseline in BASELINES["temporal"].items()}
    return score_predictors(samples, {name: np.where(keep, np.nan, p) for name, p in predicted.items()})


def skill_table(scores: xr.Dataset) -> str:
    """Lay scores out as text, the two schemes side by side.

    Parameters
    ----------
    scores
        As of `evaluate`.

    Returns
    -------
    str
        R2 and RMSE (g C m-2 month-1) for each type and predictor.

    Examples
    --------
    >>> one = xr.Dataset({"n": 2.0, "R2": 0.5, "RMSE": 30.0}).expand_dims(["scheme", "predictor", "pft"])
    >>> one = one.assign_coords(scheme=["temporal"], predictor=["xnee"], pft=["MF"])
    >>> print(skill_table(one.assign_attrs(test_fraction=0.2, folds=10, members=5)).splitlines()[1])
    MF    xnee                             0.50 / 30.0 (n 2)
    """
    if "scheme" not in scores.dims:
        msg = (
            "skill_table lays out what evaluate gives, two schemes side by side; crossvalidate gives one: print its R2."
        )
        raise ValueError(msg)
    schemes = scores["scheme"].to_numpy().tolist()
    head = f"{'R2 / RMSE, g C m-2 month-1':<32}" + "".join(f"{scheme:>24}" for scheme in schemes)
    lines = [head]
    for pft in scores["pft"].to_numpy().tolist():
        for predictor in scores["predictor"].to_numpy().tolist():
            cells = [_cell(scores.sel(scheme=s, pft=pft, predictor=predictor)) for s in schemes]
            if any(cell.strip() for cell in cells):
                lines.append(f"{pft:<6}{predictor:<26}" + "".join(f"{cell:>24}" for cell in cells))
    lines.append(
        f"temporal: the last {scores.attrs['test_fraction']:.0%} of each site's windows. "
        f"leave-site-out: {scores.attrs['folds']} folds of sites, trained anew. {scores.attrs['members']} members."
    )
    return "\n".join(lines)


def _cell(one: xr.Dataset) -> str:
    if not float(one["n"]) > 0:
        return ""
    return f"{float(one['R2']):.2f} / {float(one['RMSE']):.1f} (n {int(one['n'])})"
