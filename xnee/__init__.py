"""From flux towers to a national map of forest net ecosystem exchange.

Importing xnee registers ``ds.nee`` on every Dataset and loads nothing heavy: the rooms, and torch with them, are
imported when a name is first used.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING

import xnee.accessor  # noqa: F401  registers ds.nee
from xnee.grid import Grid
from xnee.pft import IGBP_FOREST, PFTS, Legend
from xnee.variables import DRIVERS, VARIABLES

if TYPE_CHECKING:
    from xnee.applicability import (
        applicability_skill,
        area_of_applicability,
        outside_share,
        outside_table,
        with_applicability,
    )
    from xnee.census import coverage, coverage_table
    from xnee.cluster import QueueSpec, job_script, start_cluster
    from xnee.comparison.comparing import compare
    from xnee.comparison.table import comparison_table
    from xnee.context import site_context
    from xnee.cube.build import build_cube
    from xnee.cube.checks import check
    from xnee.cube.provenance import provenance_table
    from xnee.cube.recipe import DriverRecipe, LandCoverRecipe, Recipe
    from xnee.cube.recipe_file import read_recipe
    from xnee.cube.sampling import representativeness, representativeness_table, sample_at_sites
    from xnee.evaluation.crossval import crossvalidate
    from xnee.evaluation.intervals import calibrate, intervals
    from xnee.evaluation.quantiles import member_quantiles
    from xnee.evaluation.skill import evaluate, skill_table
    from xnee.evaluation.total_error import total_interval
    from xnee.explanation import explain, explain_lags, explain_map
    from xnee.models.approach import Approach, approach
    from xnee.models.fitting import fit
    from xnee.models.lstm import LSTMSpec
    from xnee.models.model import NEEModel
    from xnee.models.search.outcome import Search, load_search
    from xnee.models.search.running import search
    from xnee.models.search.space import Space, reference_space
    from xnee.models.storage import load_model
    from xnee.models.training import FitSpec
    from xnee.outliers import drop_outliers, flag_outliers
    from xnee.plotting import plot
    from xnee.prediction import Plan, plan, predict
    from xnee.products.budget import budget, budget_table
    from xnee.products.geotiff import to_geotiff
    from xnee.products.store import open_product, to_product
    from xnee.products.trends import anomaly, trend
    from xnee.regions import read_regions
    from xnee.sources.chinaflux.reading import read_chinaflux
    from xnee.sources.climatology import read_biome4, repeat_climatology
    from xnee.sources.fluxnet import read_fluxnet
    from xnee.sources.gridded import open_driver, open_flux, open_wind
    from xnee.sources.land_cover import read_land_cover
    from xnee.sources.site_series import add_site_series
    from xnee.sources.stations import chinaflux_stations
    from xnee.windowing import windows

# Where each name lives that is loaded on first use. No file beside this one has the name of a function here:
# importing xnee.predict would put the module in the function's place.
_HOME = {
    "Approach": "xnee.models.approach",
    "DriverRecipe": "xnee.cube.recipe",
    "FitSpec": "xnee.models.training",
    "LSTMSpec": "xnee.models.lstm",
    "LandCoverRecipe": "xnee.cube.recipe",
    "NEEModel": "xnee.models.model",
    "Plan": "xnee.prediction",
    "QueueSpec": "xnee.cluster",
    "Recipe": "xnee.cube.recipe",
    "Search": "xnee.models.search.outcome",
    "Space": "xnee.models.search.space",
    "add_site_series": "xnee.sources.site_series",
    "anomaly": "xnee.products.trends",
    "applicability_skill": "xnee.applicability",
    "approach": "xnee.models.approach",
    "area_of_applicability": "xnee.applicability",
    "budget": "xnee.products.budget",
    "budget_table": "xnee.products.budget",
    "build_cube": "xnee.cube.build",
    "calibrate": "xnee.evaluation.intervals",
    "check": "xnee.cube.checks",
    "chinaflux_stations": "xnee.sources.stations",
    "compare": "xnee.comparison.comparing",
    "comparison_table": "xnee.comparison.table",
    "coverage": "xnee.census",
    "coverage_table": "xnee.census",
    "crossvalidate": "xnee.evaluation.crossval",
    "drop_outliers": "xnee.outliers",
    "evaluate": "xnee.evaluation.skill",
    "explain": "xnee.explanation",
    "explain_lags": "xnee.explanation",
    "explain_map": "xnee.explanation",
    "fit": "xnee.models.fitting",
    "flag_outliers": "xnee.outliers",
    "intervals": "xnee.evaluation.intervals",
    "job_script": "xnee.cluster",
    "load_model": "xnee.models.storage",
    "load_search": "xnee.models.search.outcome",
    "member_quantiles": "xnee.evaluation.quantiles",
    "open_driver": "xnee.sources.gridded",
    "open_flux": "xnee.sources.gridded",
    "open_product": "xnee.products.store",
    "open_wind": "xnee.sources.gridded",
    "outside_share": "xnee.applicability",
    "outside_table": "xnee.applicability",
    "plan": "xnee.prediction",
    "plot": "xnee.plotting",
    "predict": "xnee.prediction",
    "provenance_table": "xnee.cube.provenance",
    "read_biome4": "xnee.sources.climatology",
    "read_chinaflux": "xnee.sources.chinaflux.reading",
    "read_fluxnet": "xnee.sources.fluxnet",
    "read_land_cover": "xnee.sources.land_cover",
    "read_recipe": "xnee.cube.recipe_file",
    "read_regions": "xnee.regions",
    "reference_space": "xnee.models.search.space",
    "repeat_climatology": "xnee.sources.climatology",
    "representativeness": "xnee.cube.sampling",
    "representativeness_table": "xnee.cube.sampling",
    "sample_at_sites": "xnee.cube.sampling",
    "search": "xnee.models.search.running",
    "site_context": "xnee.context",
    "skill_table": "xnee.evaluation.skill",
    "start_cluster": "xnee.cluster",
    "to_geotiff": "xnee.products.geotiff",
    "to_product": "xnee.products.store",
    "total_interval": "xnee.evaluation.total_error",
    "trend": "xnee.products.trends",
    "windows": "xnee.windowing",
    "with_applicability": "xnee.applicability",
}

__version__ = version("xnee")

__all__ = [
    "DRIVERS",
    "IGBP_FOREST",
    "PFTS",
    "VARIABLES",
    "Approach",
    "DriverRecipe",
    "FitSpec",
    "Grid",
    "LSTMSpec",
    "LandCoverRecipe",
    "Legend",
    "NEEModel",
    "Plan",
    "QueueSpec",
    "Recipe",
    "Search",
    "Space",
    "__version__",
    "add_site_series",
    "anomaly",
    "applicability_skill",
    "approach",
    "area_of_applicability",
    "budget",
    "budget_table",
    "build_cube",
    "calibrate",
    "check",
    "chinaflux_stations",
    "compare",
    "comparison_table",
    "coverage",
    "coverage_table",
    "crossvalidate",
    "drop_outliers",
    "evaluate",
    "explain",
    "explain_lags",
    "explain_map",
    "fit",
    "flag_outliers",
    "intervals",
    "job_script",
    "load_model",
    "load_search",
    "member_quantiles",
    "open_driver",
    "open_flux",
    "open_product",
    "open_wind",
    "outside_share",
    "outside_table",
    "plan",
    "plot",
    "predict",
    "provenance_table",
    "read_biome4",
    "read_chinaflux",
    "read_fluxnet",
    "read_land_cover",
    "read_recipe",
    "read_regions",
    "reference_space",
    "repeat_climatology",
    "representativeness",
    "representativeness_table",
    "sample_at_sites",
    "search",
    "site_context",
    "skill_table",
    "start_cluster",
    "to_geotiff",
    "to_product",
    "total_interval",
    "trend",
    "windows",
    "with_applicability",
]


def __getattr__(name: str) -> object:
    """Import a public name when it is first used."""
    if name not in _HOME:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)  # Python adds the nearest name of __dir__
    value: object = getattr(import_module(_HOME[name]), name)
    globals()[name] = value  # the next use does not come here
    return value


def __dir__() -> list[str]:
    """List what is public, loaded or not."""
    return sorted(__all__)
