"""Published carbon balances to hold a total against."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ANCHORS", "Anchor"]


@dataclass(frozen=True, kw_only=True)
class Anchor:
    """A published carbon balance.

    Parameters
    ----------
    what
        Region, quantity and method.
    period
        Years that it is of.
    sink
        Pg C yr-1, positive for uptake: lowest and highest of what is given, twice the same number for one.
    spread
        Pg C yr-1, as published beside the number; NaN where none is.
    source
        Where it stands.
    """

    what: str
    period: str
    sink: tuple[float, float]
    spread: float = float("nan")
    source: str


ANCHORS: tuple[Anchor, ...] = (
    Anchor(
        what="China, NEP of all land, upscaled from towers (model tree ensemble)",
        period="last decade",
        sink=(1.18, 1.18),
        spread=0.05,
        source="Yao et al. 2018, Agric. For. Meteorol. 253, 84",
    ),
    Anchor(
        what="China, land sink, atmospheric inversion (disputed in Matters Arising, 2022)",
        period="2010-2016",
        sink=(1.11, 1.11),
        spread=0.38,
        source="Wang et al. 2020, Nature 586",
    ),
    Anchor(
        what="China, land uptake, inversions (mean 0.45; 0.35 after lateral and trade fluxes)",
        period="2006-2009",
        sink=(0.39, 0.51),
        source="Jiang et al. 2016, Sci. Rep. 22130",
    ),
    Anchor(what="China, land uptake, bottom-up", period="2006-2009", sink=(0.33, 0.33), source="Jiang et al. 2016"),
    Anchor(
        what="China, inventory and inversion",
        period="1980-2002",
        sink=(0.17, 0.17),
        spread=0.05,
        source="cited in Nat. Commun. 2022, s41467-022-32961-2, table 1",
    ),
    Anchor(
        what="China, forest expansion accounted for",
        period="2000-2019",
        sink=(0.28, 0.34),
        source="Nat. Commun. 2022, s41467-022-32961-2, table 1",
    ),
    Anchor(what="China, NBP", period="21st century", sink=(0.21, 0.21), source="Land 11, 1244 (2022)"),
    Anchor(
        what="China, forest biomass only, inventories",
        period="2009-2018",
        sink=(0.155, 0.155),
        source="Yang et al. 2022, Biogeosciences 19, 2989",
    ),
    Anchor(
        what="Globe, NEE, FLUXCOM-X-BASE",
        period="2001-2020",
        sink=(5.75, 5.75),
        spread=0.33,
        source="Nelson et al. 2024, Biogeosciences 21, 5079",
    ),
    Anchor(
        what="Globe, NEE, inversion GCAS2021",
        period="2010-2019",
        sink=(3.73, 3.73),
        spread=0.52,
        source="Earth Syst. Sci. Data 14, 3013 (2022)",
    ),
    Anchor(
        what="Australia, NEE, AusEFlux v1 (interquartile range 0.42)",
        period="version 1",
        sink=(0.44, 0.44),
        source="Biogeosciences 20, 4109 (2023)",
    ),
)
"""What others found, to hold a total against. NEE, NEP, NBP and a change of biomass are different things: carbon that
leaves by harvest, fire and rivers is in the last two only."""
