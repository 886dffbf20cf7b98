"""``ds.nee``: the functions of xnee that take a Dataset, as methods of it.

A thin face: each method imports its room and calls one function, where the docstring is. xarray makes a new accessor
for every new Dataset, so that nothing is kept or checked here.
"""

from __future__ import annotations

import xarray as xr

from xnee.accessor.of_maps import OfMaps
from xnee.accessor.of_sites import OfSites

__all__ = ["NEEAccessor"]


@xr.register_dataset_accessor("nee")  # type: ignore[no-untyped-call]
class NEEAccessor(OfSites, OfMaps):
    """Methods on sites, cubes and predictions; reached as ``ds.nee``. The variable NEE is ``ds["NEE"]``."""

    def __init__(self, ds: xr.Dataset) -> None:
        self._ds = ds
