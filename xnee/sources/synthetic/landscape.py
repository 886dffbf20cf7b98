"""Land, climate and forest of the synthetic world: smooth functions of latitude and longitude."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xnee.pft import PFTS
from xnee.sources.stations import chinaflux_stations
from xnee.sources.synthetic.weather import Array

__all__ = ["Climate", "climate", "cover", "forest_age", "is_land"]

# Invented outlines (lon, lat) in whole degrees, drawn to be China-like. They are no boundary of anything.
_MAINLAND = (
    (74, 39), (80, 45), (86, 49), (91, 45), (97, 43), (105, 42), (111, 44), (116, 47), (117, 50), (120, 53),
    (126, 53), (131, 48), (135, 48), (131, 43), (125, 40), (121, 40), (118, 39), (122, 37), (119, 35), (122, 31),
    (121, 28), (117, 24), (110, 21), (108, 22), (105, 23), (102, 21), (99, 22), (98, 27), (92, 27), (86, 28),
    (80, 31), (77, 35),
)  # fmt: skip
_ISLANDS = (((108.5, 18.5), (111, 18.5), (111, 20), (109, 20)), ((120, 22.5), (121, 22), (122, 25), (121, 25)))

# Share of ground that a type covers where its climate is best, and how far it reaches from there. Chosen so that the
# areas of the five types come close to those that the reference study prints for the closed-canopy forest of China.
_CANOPY = {"DBF": 0.95, "DNF": 0.1, "ENF": 0.25, "EBF": 0.95, "MF": 0.8}
_REACH = {"DBF": 0.82, "DNF": 0.9, "ENF": 0.85, "EBF": 1.0, "MF": 0.9}

# Units of distance between climates: mean temperature, degC; amplitude, degC; log of annual
# precipitation; elevation, m.
_NICHE_WIDTH = np.array([1.6, 1.6, 0.2, 250.0])
_SMALLEST_COVER = 0.02


@dataclass(frozen=True, kw_only=True)
class Climate:
    """The mean annual cycle of places, each field of the places' shape.

    Parameters
    ----------
    elevation
        Height above the sea, m.
    mean_temperature, amplitude
        Annual mean and half the annual range of air temperature, degC.
    rain
        Annual precipitation, mm.
    monsoon
        Share by which summer months are wetter and winter months drier than the mean, 0 to 1.
    wetness
        0 in the desert to 1 in the wettest place.
    """

    elevation: Array
    mean_temperature: Array
    amplitude: Array
    rain: Array
    monsoon: Array
    wetness: Array


def _bump(x: Array, centre: float, width: float) -> Array:
    return np.asarray(np.exp(-(((x - centre) / width) ** 2)))


def climate(lat: Array, lon: Array) -> Climate:
    """Give the mean climate of places.

    Parameters
    ----------
    lat, lon
        Places, degrees, any shape that broadcasts.

    Returns
    -------
    Climate
        Warm and wet in the south-east, cold in the north-east, dry in the north-west, high in the south-west.
    """
    plateau = 4600 * _bump(lat, 32.5, 5.5) * _bump(lon, 88, 12)
    steppe = 1000 * _bump(lat, 42, 5) * _bump(lon, 110, 8)
    south_west = 1500 * _bump(lat, 25, 4) * _bump(lon, 101.5, 6)
    elevation = 150 + plateau + steppe + south_west + 500 * _bump(lat, 50, 4) * _bump(lon, 121, 5)
    north = lat - 18
    sea_level = 25.5 - 0.5 * north - 0.01 * north**2
    rain = 1750 * np.exp(-0.05 * np.maximum(lat - 22, 0) - 0.03 * np.maximum(118 - lon, 0))
    return Climate(
        elevation=elevation,
        mean_temperature=sea_level - 5.5e-3 * elevation + 0.0 * lon,
        amplitude=3 + 0.58 * north + 0.0 * lon,
        rain=rain,
        monsoon=np.clip(0.45 + 0.02 * (lat - 20), 0.4, 0.9) + 0.0 * lon,
        wetness=rain / (rain + 500) * 1.3,
    )


def forest_age(lat: Array, lon: Array) -> Array:
    """Give the age of the forest of places. No flux of this world depends on it: it is a decoy.

    Parameters
    ----------
    lat, lon
        Places, degrees, any shape that broadcasts.

    Returns
    -------
    numpy.ndarray
        Years, the same in every month.
    """
    return np.asarray(75 + 30 * np.sin(lat / 10) * np.cos(lon / 25))


def _inside(lat: Array, lon: Array, outline: tuple[tuple[float, float], ...]) -> NDArray[np.bool_]:
    """Tell which places lie in an outline, by counting the edges east of them."""
    crossings = np.zeros(np.broadcast(lat, lon).shape, dtype=int)
    for (x0, y0), (x1, y1) in zip(outline, outline[1:] + outline[:1], strict=True):
        if y0 == y1:
            continue
        spans = (lat >= min(y0, y1)) & (lat < max(y0, y1))
        crossings += spans & (lon < x0 + (lat - y0) * (x1 - x0) / (y1 - y0))
    return np.asarray(crossings % 2 == 1)


def is_land(lat: Array, lon: Array) -> NDArray[np.bool_]:
    """Tell which places are land of the China-like world.

    Parameters
    ----------
    lat, lon
        Places, degrees, any shape that broadcasts.

    Returns
    -------
    numpy.ndarray
        True on the mainland and its two islands.
    """
    land = _inside(lat, lon, _MAINLAND)
    for island in _ISLANDS:
        land |= _inside(lat, lon, island)
    return land


def _position(lat: Array, lon: Array) -> Array:
    """Coordinates in the space of climates, ``(..., 4)``, one unit being the width of a niche."""
    c = climate(lat, lon)
    axes = np.broadcast_arrays(c.mean_temperature, c.amplitude, np.log(c.rain), c.elevation)
    return np.asarray(np.stack(axes, axis=-1) / _NICHE_WIDTH)


def cover(lat: Array, lon: Array) -> Array:
    """Give the share of ground under each forest type.

    A type grows where the climate is like that of one of its towers, less and less away from it. So no
    cell asks a model for a climate far from what its towers have seen.

    Parameters
    ----------
    lat, lon
        Places, degrees, any shape that broadcasts.

    Returns
    -------
    numpy.ndarray
        ``(pft, ...)`` in the order of ``PFTS``, 0 to 1, at most 0.95 in all; exactly 0 off land and where a type
        would cover less than 2 %.
    """
    here, stations = _position(lat, lon), chinaflux_stations()
    towers = _position(stations["lat"].to_numpy(), stations["lon"].to_numpy())  # (site, 4)
    shares = []
    for pft in PFTS:
        own = towers[(stations["pft"] == pft).to_numpy()]
        distance = np.min([((here - tower) ** 2).sum(-1) for tower in own], axis=0)
        shares.append(_CANOPY[pft] * np.exp(-distance / _REACH[pft] ** 2))
    share = np.stack(shares) * is_land(lat, lon)
    share /= np.maximum(share.sum(axis=0) / 0.95, 1)
    return np.where(share >= _SMALLEST_COVER, share, 0.0)
