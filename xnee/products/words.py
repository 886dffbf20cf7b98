"""Sentences and attributes that stand in more than one place of a product."""

from __future__ import annotations

from collections.abc import Mapping

from xnee.variables import TARGET

__all__ = ["CAVEAT", "ON_CELL", "ON_FOREST", "PER_AREA", "SIGN", "content"]

PER_AREA = "g m-2"
"""NEE in a file. A UDUNITS month is a twelfth of a year, 30.44 days, so "g m-2 month-1" would be wrong for February:
a file holds the amount of a calendar month, and the bounds of time say which days that covers."""
ON_FOREST: Mapping[str, object] = {
    "units": PER_AREA,
    # "forest" is no CF area type; "trees" is the nearest. The land-cover rule of the model card says what is meant.
    "cell_methods": "time: sum area: mean where trees",
    "cell_measures": "area: area",
    "grid_mapping": "crs",
}
ON_CELL: Mapping[str, object] = {"units": "1", "cell_measures": "area: area", "grid_mapping": "crs"}

CAVEAT = (
    "NEE is not the carbon sink (NBP): carbon that leaves by harvest, fire, rivers and lakes, erosion and volatile "
    "compounds is not in it, and towers stand more often in young and undisturbed forest. A total of NEE is larger "
    "in magnitude than the sink found by inventories and inversions."
)
SIGN = "Positive into the atmosphere: uptake by the forest is negative."
_QUALITY = ("AOA", "DI", "DI_threshold")


def content(name: str) -> str:
    """Say for a catalogue (ACDD) whether a variable is a result, goes with one, or tells what that is worth.

    Parameters
    ----------
    name
        Of a variable of a file.

    Returns
    -------
    str
        A word of the ISO 19115 list of coverage content types.
    """
    if name.lower().startswith(TARGET.lower()):
        return "modelResult"
    return "qualityInformation" if name in _QUALITY else "auxiliaryInformation"
