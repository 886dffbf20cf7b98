"""Tower files of FLUXNET2015 and of ONEFlux after it (AmeriFlux, ICOS): half-hourly, hourly, daily and monthly."""

from __future__ import annotations

from xnee.sources.fluxnet.reading import read_fluxnet

__all__ = ["read_fluxnet"]
