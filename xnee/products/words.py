"""Sentences that stand in more than one place of a product."""

from __future__ import annotations

from xnee.variables import TARGET

__all__ = ["CAVEAT", "SIGN", "content"]

CAVEAT = (
    "NEE is not the carbon sink (NBP): carbon that leaves by harvest, fire, rivers and lakes, erosion and volatile "
    "compounds is not in it, and towers stand more often in young and undisturbed forest. A total of NEE is larger "
    "in magnitude than the sink found by inventories and inversions."
)
SIGN = "Positive into the atmosphere: uptake by the forest is negative."


def content(name: str) -> str:
    """Say for a catalogue (ACDD) whether a variable is a result or goes with one.

    Parameters
    ----------
    name
        Of a variable of a file.

    Returns
    -------
    str
        A word of the ISO 19115 list of coverage content types.
    """
    return "modelResult" if name.lower().startswith(TARGET.lower()) else "auxiliaryInformation"
