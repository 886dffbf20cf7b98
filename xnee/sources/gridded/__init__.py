"""Gridded files of any product, lazily, in the words and units of the vocabulary."""

from xnee.sources.gridded.drivers import open_driver, open_field, open_wind
from xnee.sources.gridded.fluxes import open_flux

__all__ = ["open_driver", "open_field", "open_flux", "open_wind"]
