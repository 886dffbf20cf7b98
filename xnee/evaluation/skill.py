"""One table: skill on other months of known towers, beside skill on towers never seen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, cast

import numpy as np
import xarray as xr

from xnee.evaluation.baselines import choose_baselines
from xnee.evaluation.crossval import baseline_predictions, crossvalidate
from xnee.evaluation.networks import settings_of
from xnee.evaluation.schemes import LEFT_OUT, TEMPORAL, Folds, Scheme, hold_out, located, nearest_scheme
from xnee.evaluation.scoring import score_predictors
from xnee.models.model import NEEModel
from xnee.models.training_set import same_windows, training_windows
from xnee.variables import labels

__all__ = ["evaluate", "skill_table"]

_WORDS = {
    "temporal": "the last {test_fraction:.0%} of each site's windows",
    "leave-year-out": "{folds} folds of calendar years, trained anew",
    "leave-site-out": "{folds} folds of sites, trained anew",
    "group-k-fold": "{folds} folds of groups of sites, trained anew",
    "spatial-block": "{folds} folds of blocks of the Earth, trained anew",
    "knndm": "{folds} folds as far from the rest as the target's forest is from towers, trained anew",
}


def evaluate(
    sites: xr.Dataset,
    model: NEEModel,
    *,
    schemes: Sequence[Scheme] = ("temporal", "leave-site-out"),
    folds: int = 10,
    groups: str | None = None,
    block: float = 500.0,
    target: xr.Dataset | None = None,
    baselines: Iterable[str] | None = None,
    alone: bool = False,
    progress: bool = False,
) -> xr.Dataset:
    """Score a model on its held-out months and, with the same settings, on left-out sites.

    ``"temporal"`` uses `model` itself on the months that it never saw. The other schemes train anew, because a fitted
    model has seen all its sites. One kind without the other misleads: temporal R2 near 0.8 and left-out R2 near 0.4
    are the same model.

    Parameters
    ----------
    sites
        The towers that `model` was fitted on.
    model
        From `xnee.fit`, with a `test_fraction` above 0.
    schemes
        As of `xnee.crossvalidate`: at least one of other months (``"temporal"``, ``"leave-year-out"``) and at least
        one of towers never seen (all others).
    folds, groups, block, target, baselines
        As of `xnee.crossvalidate`. A baseline that does not apply to one of the schemes stands beside the others.
    alone
        Whether schemes of one kind only will do.
    progress
        Whether to show bars on standard error.

    Returns
    -------
    xarray.Dataset
        Scores over ``(scheme, predictor, pft)`` and, with their suffixes, by site, season and part, as of
        `xnee.crossvalidate`; `skill_table` prints them.

    Raises
    ------
    TypeError
        If `sites` is no Dataset or `model` no fitted model.
    ValueError
        If `schemes` are of one kind and not `alone`, the sites are not those of the model or it held nothing out.

    Examples
    --------
    >>> from xnee.models.fitting import fit
    >>> from xnee.models.training import FitSpec
    >>> from xnee.sources.synthetic import synthetic_towers
    >>> towers = synthetic_towers()
    >>> model = fit(towers, ["TEMP", "PAR"], lags=1, members=1, training=FitSpec(epochs=1))
    >>> evaluate(towers, model, folds=2, baselines=["PFT seasonal cycle"])["R2"].dims
    ('scheme', 'predictor', 'pft')
    """
    _check_kinds(sites, model)
    schemes = _both_kinds(schemes, alone=alone)
    asked: dict[str, Any] = {"folds": folds, "groups": groups, "block": block, "target": target}
    fraction, seed = model.provenance["test_fraction"], model.provenance["seed"]
    if "temporal" in schemes and not fraction > 0:
        msg = "the model was fitted with test_fraction=0, so no month is left to test it on. Fit with 0.2."
        raise ValueError(msg)
    samples = located(training_windows(sites, model.window.drivers, lags=model.window.lags), sites)
    keep = same_windows(samples, model)
    for scheme in schemes:  # what a scheme lacks is told before anything is trained
        if scheme != "temporal" or keep.all():
            hold_out(samples, sites, scheme, **asked, seed=seed, test_fraction=fraction)
    names = _baselines(baselines, schemes, samples, settings_of(model)["strategy"])
    scores: dict[Scheme, xr.Dataset] = {}
    for scheme in schemes:
        if scheme == "temporal":
            predicted = {"xnee": model.predict_windows(samples).mean("member").to_numpy()}
            held_out, own = Folds(masks=[~keep]), settings_of(model) | {"progress": scheme if progress else ""}
            predicted |= baseline_predictions(samples, held_out, names[scheme], scheme=scheme, **own)
            scores[scheme] = score_predictors(samples, {k: np.where(keep, np.nan, p) for k, p in predicted.items()})
            scores[scheme].attrs["folds"] = 1
        else:
            scores[scheme] = crossvalidate(
                sites,
                model.window.drivers,
                scheme=scheme,
                **asked,
                baselines=names[scheme],
                lags=model.window.lags,
                progress=progress,
                **settings_of(model),
            )
    return _side_by_side(scores).assign_attrs(test_fraction=fraction, members=model.members)


def _check_kinds(sites: object, model: object) -> None:
    """Refuse arguments of the wrong kind, swapped ones above all."""
    if not isinstance(model, NEEModel) or not isinstance(sites, xr.Dataset):
        msg = (
            "evaluate needs towers and a model that xnee.fit made of them, evaluate(sites, model); got "
            f"{type(sites).__name__} and {type(model).__name__}."
        )
        raise TypeError(msg)


def _baselines(
    names: Iterable[str] | None, schemes: Sequence[Scheme], samples: xr.Dataset, strategy: object
) -> dict[Scheme, Iterable[str] | None]:
    """Choose for each scheme those of the baselines that apply, and refuse what applies to none."""
    if names is None:
        return dict.fromkeys(schemes)
    chosen = (names,) if isinstance(names, str) else tuple(names)
    way = strategy if isinstance(strategy, str) else "by type"
    apply = {scheme: choose_baselines(None, scheme=scheme, strategy=way, samples=samples) for scheme in schemes}
    wrong = [name for name in chosen if not any(name in those for those in apply.values())]
    if wrong:
        choose_baselines(wrong, scheme=schemes[0], strategy=way, samples=samples)  # says what there is
    return {scheme: [name for name in chosen if name in apply[scheme]] for scheme in schemes}


def _both_kinds(given: object, *, alone: bool) -> list[Scheme]:
    known = {*TEMPORAL, *LEFT_OUT}
    schemes = [given] if isinstance(given, str) else list(given) if isinstance(given, Iterable) else []
    wrong = [name for name in schemes if name not in known]
    if not schemes or wrong or len(set(schemes)) < len(schemes):
        hint = nearest_scheme(wrong[0]) if wrong else ""
        msg = f"schemes must name some of {sorted(known)}, each once; got {given!r}.{hint}"
        raise ValueError(msg)
    if not alone and (not set(schemes) & set(TEMPORAL) or not set(schemes) & set(LEFT_OUT)):
        msg = (
            f"{schemes} test one kind of thing only. Skill on other months of known towers says nothing of towers "
            f"never seen, and the other way round: give one of {list(TEMPORAL)} and one of {list(LEFT_OUT)}, or "
            "alone=True if one kind is really what you want."
        )
        raise ValueError(msg)
    return cast("list[Scheme]", schemes)


def _side_by_side(scores: dict[Scheme, xr.Dataset]) -> xr.Dataset:
    """Put the scores of schemes along one dimension; predictions stay with `xnee.crossvalidate`."""
    order = list(dict.fromkeys(name for one in scores.values() for name in labels(one["predictor"]).tolist()))
    parts = [one.drop_dims("sample").reindex(predictor=order) for one in scores.values()]
    counts = [str(name) for name in parts[0].data_vars if str(name).split("_")[0] == "n"]
    parts = [one.assign({name: one[name].fillna(0).astype("i8") for name in counts}) for one in parts]
    notes: dict[str, Any] = {}
    for scheme, one in scores.items():
        notes |= {f"{scheme}: {name}": value for name, value in one.attrs.items() if name not in ("scheme", "members")}
    result = xr.concat(parts, dim="scheme", combine_attrs="drop").assign_coords(scheme=list(scores))
    return result.assign_attrs(notes)


def skill_table(scores: xr.Dataset, *, alone: bool = False) -> str:
    """Lay scores out as text, the schemes side by side.

    Parameters
    ----------
    scores
        As of `evaluate`; with `alone` also as of `xnee.crossvalidate`.
    alone
        Whether one scheme, or schemes of one kind, will do.

    Returns
    -------
    str
        R2, its standard error over sites and RMSE (g C m-2 month-1) for each type and predictor. ``*`` marks the first
        of a type, ``+`` those within one standard error (of the first) of it.

    Raises
    ------
    ValueError
        If the scores are of one kind of scheme only and not `alone`.

    Examples
    --------
    >>> from xnee.evaluation.crossval import crossvalidate
    >>> from xnee.models.training import FitSpec
    >>> from xnee.sources.synthetic import synthetic_towers
    >>> quick = {"lags": 1, "members": 1, "training": FitSpec(epochs=1), "baselines": ["random forest"]}
    >>> cv = crossvalidate(synthetic_towers(), ["TEMP"], folds=2, **quick)
    >>> skill_table(cv, alone=True).splitlines()[2].split()[0]
    'xnee'
    """
    if not isinstance(scores, xr.Dataset) or not {"R2", "R2_se", "R2_behind", "RMSE", "n"} <= set(scores):
        found = list(scores)[:5] if isinstance(scores, xr.Dataset) else type(scores).__name__
        msg = f"skill_table lays out what evaluate, or crossvalidate, gives; got {found}."
        raise ValueError(msg)
    if "scheme" not in scores.dims:
        if not alone:
            msg = (
                "skill_table lays out what evaluate gives, two kinds of schemes side by side; crossvalidate gives one: "
                "skill_table(scores, alone=True) prints it."
            )
            raise ValueError(msg)
        notes = {f"{scores.attrs['scheme']}: {name}": value for name, value in scores.attrs.items()}
        keep = {name: scores.attrs[name] for name in ("members", "test_fraction") if name in scores.attrs}
        scores = scores.drop_dims("sample").expand_dims(scheme=[scores.attrs["scheme"]])
        scores.attrs = {**notes, **keep}
    schemes = labels(scores["scheme"]).tolist()
    _both_kinds(schemes, alone=alone)
    lines = [f"{'R2 ± SE over sites / RMSE, g C m-2 month-1':<44}" + "".join(f"{scheme:>28}" for scheme in schemes)]
    for pft in labels(scores["pft"]).tolist():
        own = scores.sel(pft=pft)
        if int(own["n"].max()) == 0:
            continue
        lines.append(f"{pft:<44}" + "".join(f"{_size(own.sel(scheme=scheme)):>28}" for scheme in schemes))
        for predictor in labels(scores["predictor"]).tolist():
            cells = [_cell(own.sel(scheme=scheme), predictor) for scheme in schemes]
            if any(cell.strip() for cell in cells):
                lines.append(f"      {predictor:<38}" + "".join(f"{cell:>28}" for cell in cells))
    lines.append("*: first of its type. +: within one SE of it. SE: from draws of sites; - with fewer than three.")
    for scheme in schemes:
        facts = {"test_fraction": scores.attrs.get("test_fraction"), "folds": scores.attrs.get(f"{scheme}: folds")}
        lines.append(f"{scheme}: {_WORDS[scheme].format(**facts)}.")
    lines.append(f"{scores.attrs['members']} members.")
    return "\n".join(lines)


def _size(own: xr.Dataset) -> str:
    return f"{int(own['n'].max())} months, {int(own['sites'])} sites  "


def _cell(own: xr.Dataset, predictor: str) -> str:
    one = own.sel(predictor=predictor)
    if not int(one["n"]) > 0:
        return ""
    first = own["R2"].fillna(-np.inf).argmax("predictor")
    spread, behind = float(own["R2_se"].isel(predictor=first)), float(one["R2_behind"])
    mark = "*" if behind == 0 else "+" if behind <= spread else " "
    error = "-" if np.isnan(float(one["R2_se"])) else f"{float(one['R2_se']):.2f}"
    return f"{float(one['R2']):.2f} ± {error} / {float(one['RMSE']):.1f} {mark}"
