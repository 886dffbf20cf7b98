"""Fitting: an ensemble of LSTMs for each plant functional type."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xnee.models.approach import Approach, approach
from xnee.models.ensembles import fit_ensembles
from xnee.models.lstm import LSTMSpec
from xnee.models.model import NEEModel
from xnee.models.scaling import Inputs
from xnee.models.search.outcome import Search
from xnee.models.selection import Selection, select_approaches
from xnee.models.training import FitSpec
from xnee.models.training_set import temporal_split, training_windows, windows_digest
from xnee.pft import PFTS, check_pfts
from xnee.scores import score_windows
from xnee.suspicion import suspicions
from xnee.variables import TARGET, labels
from xnee.windowing import WindowSpec

__all__ = ["Strategy", "choose_approaches", "fit"]

Strategy = Literal["auto", "per-pft", "pooled", "fine-tuned"]
_log = logging.getLogger(__name__)


def choose_approaches(
    samples: xr.Dataset,
    masks: Sequence[NDArray[np.bool_]],
    *,
    strategy: str | Mapping[str, Approach],
    context: bool | None,
    network: LSTMSpec | None,
    training: FitSpec | None,
    seed: int,
    min_windows: int,
    bootstrap: bool,
    device: str,
    progress: str = "",
) -> list[Selection]:
    """Turn a strategy into an approach for each type, for each of several training sets.

    Parameters
    ----------
    samples
        Windows of all sites.
    masks
        ``(sample,)`` each, True for training.
    strategy, context, network, training, seed, min_windows, bootstrap, device
        As of `fit`.
    progress
        Name of a bar on standard error for what ``"auto"`` tries; none without.

    Returns
    -------
    list of Selection
        One a mask.

    Raises
    ------
    ValueError
        If the strategy is unknown.
    """
    if isinstance(strategy, Mapping):
        check_pfts(strategy)
        wrong = {pft: way for pft, way in strategy.items() if not isinstance(way, Approach)}
        if wrong:
            msg = f'a strategy by type names approaches, e.g. {{"ENF": xnee.approach("pooled")}}; got {wrong}.'
            raise TypeError(msg)
        rest = approach("pooled", context=context is not False, network=network, training=training)
        ways = {pft: strategy.get(pft, rest) for pft in PFTS}
        return [Selection(ways, [])] * len(masks)
    if strategy != "auto":
        one = approach(strategy, context=context is not False, network=network, training=training)
        return [Selection(dict.fromkeys(PFTS, one), [])] * len(masks)
    # what did best on the real towers first: another must be surely better
    there = bool(Inputs(drivers=tuple(labels(samples["driver"]).tolist()), context=True).statistics)
    tried = [(way, there and context is not False) for way in ("fine-tuned", "pooled", "per-pft")]
    tried += [("pooled", False)] if context is None and there else []
    candidates = [approach(way, context=c, network=network, training=training) for way, c in tried]
    settings = {"seed": seed, "min_windows": min_windows, "bootstrap": bootstrap, "device": device}
    return select_approaches(samples, masks, candidates, progress=progress, **settings)  # type: ignore[arg-type]


def fit(
    sites: xr.Dataset,
    drivers: Iterable[str] | Search | None = None,
    *,
    lags: int | None = None,
    members: int = 5,
    seed: int = 0,
    strategy: Strategy | Mapping[str, Approach] = "auto",
    context: bool | None = None,
    bootstrap: bool = True,
    test_fraction: float | None = None,
    min_windows: int = 24,
    network: LSTMSpec | None = None,
    training: FitSpec | None = None,
    device: str = "cpu",
    progress: bool = False,
) -> NEEModel:
    """Train an ensemble of LSTMs for each plant functional type on tower months.

    Parameters
    ----------
    sites
        ``(site, time)`` with NEE, drivers and the coordinate ``pft (site)``, canonical units. Where there is a
        standard error ``NEE_SE``, months that are badly known count less.
    drivers
        Names of the vocabulary; by default all that `sites` holds. Or a finished `Search`: its drivers, lags and
        held-out months, and for each type that it searched the network and training that it chose.
    lags
        Months of history before the target month; 6, or those of the search.
    members
        Networks per ensemble, each from its own seed.
    seed
        Same seed, same model.
    strategy
        ``"per-pft"``: networks for each type; ``"pooled"``: one ensemble for all types, with the type as an input;
        ``"fine-tuned"``: pooled, then trained on for each type; ``"auto"``: fine-tuned, unless another one is surely
        better at sites left out of the training part, see `xnee.models.selection.select_approaches` and
        ``provenance["selection"]``. Or an `Approach` for each type by name; types not named are pooled. Types with
        fewer than `min_windows` training windows are predicted by pooled networks in any case.
    context
        Whether networks read what a site is like in the long run (`xnee.site_context`); by default they do, and
        ``"auto"`` tries pooled ones without it, too.
    bootstrap
        Whether each member weighs sites by chance (Bayesian bootstrap: exponential weights, Rubin 1981), so that the
        members' spread holds what depends on which towers there happen to be. A single member weighs all alike.
    test_fraction
        Share of each site's windows, the last in time, that scaling, selection and training never see; 0.2, or that
        of the search.
    min_windows
        Training windows that a type needs for networks of its own.
    network, training
        Shape and settings; by default those that suit the strategy.
    device
        ``"cpu"`` or ``"cuda"``.
    progress
        Whether to show bars on standard error: one for what ``strategy="auto"`` tries, one for the training.

    Returns
    -------
    NEEModel
        With ``scores`` of the training and of the held-out months. These are months of towers that training
        saw: skill on unseen towers is what `xnee.crossvalidate` measures.

    Raises
    ------
    ValueError
        If a PFT name is unknown, no window can be built, or a setting is out of range.

    Warns
    -----
    UserWarning
        Once, if NEE or a driver of most sites is not as in forests: of turned sign, per day... (`xnee.check`).

    Examples
    --------
    >>> from xnee.sources.synthetic import synthetic_towers
    >>> quick = FitSpec(epochs=2)
    >>> model = fit(synthetic_towers(), ["TEMP", "PAR"], lags=2, members=1, strategy="pooled", training=quick)
    >>> model.ensembles["MF"] is model.ensembles["DBF"]
    True
    """
    names: Iterable[str] | None
    if isinstance(drivers, Search):
        given = {"strategy": strategy, "context": context, "network": network, "training": training}
        lags, test_fraction = _agreed(drivers, lags, test_fraction, given)
        names, strategy, asked = drivers.settings["drivers"], _searched(drivers), "searched"
        context = bool(drivers.settings["context"])
    else:
        lags, test_fraction = 6 if lags is None else lags, 0.2 if test_fraction is None else test_fraction
        names, asked = drivers, strategy if isinstance(strategy, str) else "by type"
    samples = training_windows(sites, names, lags=lags)
    keep = temporal_split(samples, test_fraction)
    _check_numbers(seed=(seed, 0), min_windows=(min_windows, 1), members=(members, 1))
    _warn_of_doubts(sites, (TARGET, *labels(samples["driver"])))
    settings: dict[str, Any] = {"seed": int(seed), "min_windows": min_windows, "bootstrap": bool(bootstrap)}
    wishes: dict[str, Any] = {"context": context, "network": network, "training": training}
    trying, training_bar = ("select", "train") if progress else ("", "")
    (selection,) = choose_approaches(
        samples, [keep], strategy=strategy, device=device, progress=trying, **wishes, **settings
    )
    for row in selection.record:
        if row["chosen"]:
            _log.info("%s: %s, %s", row["pft"], row["approach"], row["reason"])
    (ensembles,) = fit_ensembles(
        samples, [keep], [selection.approaches], members=members, device=device, progress=training_bar, **settings
    )
    count = {pft: int((keep & (labels(samples["pft"]) == pft)).sum()) for pft in PFTS}
    plain = {
        "context": context,
        "network": None if network is None else asdict(network),
        "training": None if training is None else asdict(training),
    }
    settings |= {"test_fraction": test_fraction, "selection": list(selection.record), "settings": plain}
    if isinstance(drivers, Search):
        settings["search"] = dict(drivers.settings)
    model = NEEModel(
        window=WindowSpec(drivers=tuple(labels(samples["driver"]).tolist()), lags=lags),
        ensembles=MappingProxyType(ensembles),
        fallback=tuple(pft for pft in PFTS if count[pft] < min_windows),
        strategy=asked,
        scores=xr.Dataset(),
        provenance=_provenance(sites, samples, **settings),
        device=device,
    )
    predicted = model.predict_windows(samples).mean("member")
    split = xr.DataArray(np.where(keep, "train", "test"), dims="sample")
    object.__setattr__(model, "scores", score_windows(samples, predicted, split))
    return model


def _agreed(
    found: Search, lags: int | None, test_fraction: float | None, given: Mapping[str, object]
) -> tuple[int, float]:
    """Take lags and share of held-out months of a search, and refuse others, and what it has decided."""
    own = {"lags": int(found.settings["lags"]), "test_fraction": float(found.settings["test_fraction"])}
    for name, value in (("lags", lags), ("test_fraction", test_fraction)):
        if value not in (None, own[name]):
            msg = (
                f"the search was made with {name}={own[name]}, so its choices hold for these; got {name}={value}. "
                f"Leave {name} out."
            )
            raise ValueError(msg)
    decided = [name for name, value in given.items() if value is not None and value != "auto"]
    if decided:
        msg = f"a search has decided on strategy, context, network and training; leave {', '.join(decided)} out."
        raise ValueError(msg)
    return int(own["lags"]), own["test_fraction"]


def _check_numbers(**numbers: tuple[object, int]) -> None:
    for name, (value, least) in numbers.items():
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
            msg = f"{name} must be a whole number from {least} on, got {value!r}."
            raise ValueError(msg)


def _warn_of_doubts(sites: xr.Dataset, used: Iterable[str]) -> None:
    doubts = [str(one) for one in suspicions(sites) if one.widespread and one.variable in used]
    if doubts:
        warnings.warn(f"these towers may not be what they say. {' '.join(doubts)}", stacklevel=3)


def _searched(found: Search) -> dict[str, Approach]:
    """Give each type what its search chose."""
    choices = {pft: found.best(pft) for pft in found.pfts}
    return {
        pft: approach("per-pft", context=found.settings["context"], network=choice.network, training=choice.training)
        for pft, choice in choices.items()
    }


def _provenance(sites: xr.Dataset, samples: xr.Dataset, **settings: object) -> dict[str, Any]:
    """Plain facts about where a model comes from, ready for JSON."""
    used = np.unique(samples["site"].to_numpy()).tolist()
    licence = labels(sites["licence"].sel(site=used)).tolist() if "licence" in sites.coords else None
    pft = labels(sites["pft"].sel(site=used)).tolist()
    return {
        **settings,
        "sites": used,
        "site_pft": pft,
        "site_licence": licence,
        "site_months": samples.attrs["site_months"],
        "dropped": samples.attrs["dropped"],
        "gaps_by_driver": samples.attrs["gaps_by_driver"],
        "windows": samples.sizes["sample"],
        "windows_digest": windows_digest(samples),
        "qc_min": None if (qc_min := sites.attrs.get("qc_min")) is None else float(qc_min),
        "versions": {name: version(name) for name in ("xnee", "torch", "numpy", "xarray")},
        "sign": "NEE positive into the atmosphere",
        "units": "g C m-2 month-1",
    }
