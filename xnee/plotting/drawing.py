"""What is drawn follows from what a Dataset holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, get_args

import xarray as xr

from xnee.plotting.drivers import draw_beeswarm, draw_contribution, draw_lags
from xnee.plotting.maps import draw_area, draw_bias, draw_dominant, draw_map
from xnee.plotting.skill import draw_applicability, draw_skill
from xnee.plotting.totals import draw_budget, draw_comparison
from xnee.plotting.towers import draw_coverage, draw_observed, draw_series
from xnee.plotting.trials import draw_search

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from xnee.models.model import NEEModel
    from xnee.models.search.outcome import Search

__all__ = ["KINDS", "Kind", "plot"]

Kind = Literal[
    "observed", "series", "skill", "errors", "coverage",
    "contribution", "beeswarm", "lags", "dominant",
    "map", "area", "budget", "comparison", "bias", "search",
]  # fmt: skip
KINDS: tuple[str, ...] = get_args(Kind)
"""Every figure there is, by name."""


@dataclass(frozen=True)
class _Drawing:
    draw: Callable[..., Figure]
    fits: Callable[[xr.Dataset], bool]
    takes: tuple[str, ...] = ()


def _holds(*names: str) -> Callable[[xr.Dataset], bool]:
    return lambda ds: set(names) <= set(ds.variables)


def _spans(name: str, *dims: str) -> Callable[[xr.Dataset], bool]:
    return lambda ds: name in ds.variables and set(dims) <= set(ds[name].dims)


def _is_map(name: str, *also: str) -> Callable[[xr.Dataset], bool]:
    return lambda ds: any(_spans(name, *also, *space)(ds) for space in (("lat", "lon"), ("y", "x")))


def _is_towers(ds: xr.Dataset) -> bool:
    # a prediction for towers has NEE by site too, but nothing that was observed
    return _spans("predicted", "sample")(ds) or (_spans("NEE", "site", "time")(ds) and "NEE_member" not in ds)


def _is_explained(ds: xr.Dataset) -> bool:
    return all(_spans(name, "sample", "driver")(ds) for name in ("phi", "x"))


def _is_scored(ds: xr.Dataset) -> bool:
    return _holds("R2_low", "R2_high", "n")(ds) and _spans("R2", "predictor", "pft")(ds)


# The first that fits is drawn where no kind is asked for: the special before the general.
_DRAWINGS: Mapping[str, _Drawing] = MappingProxyType(
    {
        "contribution": _Drawing(draw_contribution, _spans("contribution", "pft", "driver")),
        "beeswarm": _Drawing(draw_beeswarm, _is_explained),
        "lags": _Drawing(draw_lags, _spans("heat", "pft", "driver", "lag")),
        "dominant": _Drawing(draw_dominant, _is_map("dominant"), ("outline",)),
        "errors": _Drawing(draw_applicability, _holds("DI", "error", "inside", "RMSE", "sample_pft")),
        "observed": _Drawing(draw_observed, _is_towers, ("model",)),
        "series": _Drawing(draw_series, _is_towers, ("model", "only")),
        "skill": _Drawing(draw_skill, _is_scored),
        "comparison": _Drawing(draw_comparison, _spans("total", "source", "year")),
        "bias": _Drawing(draw_bias, _is_map("bias", "other"), ("outline",)),
        "map": _Drawing(draw_map, _is_map("NEE", "time"), ("area", "outline")),
        "area": _Drawing(draw_area, _is_map("AOA", "time"), ("outline",)),
        "coverage": _Drawing(draw_coverage, _holds("months", "fate", "record", "present")),
        "budget": _Drawing(draw_budget, _holds("NEE_total", "NEE_total_std")),
    }
)


def plot(
    ds: xr.Dataset | Search,
    *,
    kind: Kind | None = None,
    model: NEEModel | None = None,
    area: xr.Dataset | None = None,
    outline: object = None,
    only: Sequence[str] | None = None,
) -> Figure:
    """Draw what a Dataset of xnee holds.

    What is drawn follows from where the Dataset comes from:

    - `xnee.fit`'s towers with `model`, or `xnee.crossvalidate`: ``"observed"`` against predicted by type, training and
      test; ``"series"`` by site with the test period; of the second also ``"skill"``;
    - `xnee.evaluate`: ``"skill"`` by scheme, predictor and type;
    - `xnee.explain`: ``"contribution"`` by type with intervals, or ``"beeswarm"``; `xnee.explain_lags`: ``"lags"``, a
      heat map; `xnee.explain_map`: ``"dominant"`` drivers;
    - `xnee.predict` or a product: ``"map"`` of the mean yearly sum; `xnee.area_of_applicability`: ``"area"``;
      `xnee.applicability_skill`: ``"errors"`` inside and outside;
    - `xnee.budget`: ``"budget"``; `xnee.compare`: ``"comparison"`` of totals, or ``"bias"`` maps;
    - `xnee.coverage`: ``"coverage"``; `xnee.search`: ``"search"``, the loss against the number of trials.

    A map is computed here if it is lazy.

    Parameters
    ----------
    ds
        From one of these functions.
    kind
        Which of the figures that `ds` can give; by default the first that is named here.
    model
        With towers: the model that was fitted on them.
    area
        With a map: what `xnee.area_of_applicability` gives for the same cube, drawn as strokes over what is outside.
    outline
        With a map: coasts or borders, the path of a GeoJSON file, GeoJSON as a dict or a GeoDataFrame. Degrees.
        Nothing is drawn that you do not give.
    only
        With ``"series"``: ids of the sites to draw.

    Returns
    -------
    matplotlib.figure.Figure
        Not shown and not saved: ``figure.savefig("map.png")``. NEE positive into the atmosphere throughout.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    FileNotFoundError
        If `outline` is no file.
    TypeError
        If `ds` is neither a Dataset nor a search, or `outline` nothing that can be drawn.
    ValueError
        If the Dataset holds nothing that can be drawn, not the `kind` that is asked for, or an option does not belong
        to the figure.

    Examples
    --------
    >>> from xnee.census import coverage
    >>> from xnee.sources.synthetic import synthetic_towers
    >>> figure = plot(coverage(synthetic_towers()))
    >>> len(figure.axes)  # bars, table and its colours
    3
    """
    options = {"model": model, "area": area, "outline": outline, "only": only}
    given = {name: value for name, value in options.items() if value is not None}
    if not isinstance(ds, xr.Dataset):
        return _draw_search(ds, kind, given)
    able = [name for name, drawing in _DRAWINGS.items() if drawing.fits(ds)]
    if not able:
        msg = (
            "plot draws what explain, explain_lags, explain_map, crossvalidate, evaluate, predict, budget, compare, "
            "coverage, area_of_applicability or applicability_skill returned, a search, or towers with model=; this "
            f"Dataset has {list(ds.data_vars)}."
        )
        raise ValueError(msg)
    if kind is not None and kind not in able:
        hint = "" if kind in KINDS else f" Figures are called {', '.join(KINDS)}."
        msg = f"this Dataset can be drawn as {', '.join(map(repr, able))}, not as {kind!r}.{hint}"
        raise ValueError(msg)
    name = able[0] if kind is None else kind
    drawing = _DRAWINGS[name]
    _check_options(name, drawing.takes, given)
    return drawing.draw(ds, **given)


def _draw_search(found: Search, kind: Kind | None, given: Mapping[str, object]) -> Figure:
    if not hasattr(found, "table") or not hasattr(found, "best"):
        msg = (
            f"plot draws a Dataset that a function of xnee returned, or a search; got {type(found).__name__}. Of a "
            "DataArray, give the Dataset that it was taken from."
        )
        raise TypeError(msg)
    if kind not in (None, "search"):
        msg = f"a search can be drawn as 'search', not as {kind!r}."
        raise ValueError(msg)
    _check_options("search", (), given)
    return draw_search(found)


def _check_options(name: str, takes: tuple[str, ...], given: Mapping[str, object]) -> None:
    """Refuse what the figure would not show: an option that does nothing looks as if it had."""
    wrong = sorted(set(given) - set(takes))
    if wrong:
        has = f"takes {' and '.join(takes)}" if takes else "takes no options"
        msg = f"the figure {name!r} {has}; got {', '.join(wrong)}. Another kind= may be meant."
        raise ValueError(msg)
