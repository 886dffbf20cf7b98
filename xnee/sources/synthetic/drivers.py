"""The 14 drivers of the synthetic world, from its climate and its weather."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xnee.features import PAR_PER_SHORTWAVE
from xnee.sources.synthetic.landscape import Climate, climate, forest_age
from xnee.sources.synthetic.weather import Array, anomaly

__all__ = ["drivers"]

_RAIN_SPREAD = 0.33
"""Standard deviation of the logarithm of a month's rain about its climate."""

Months = NDArray[np.int64]


def _season(months: Months, peak: float, like: Array) -> Array:
    """Cosine with its top at the middle of calendar month `peak`, shaped ``(time, 1, ...)`` to meet places."""
    angle = 2 * np.pi * ((months % 12) + 1 - peak) / 12
    return np.asarray(np.cos(angle)).reshape((-1,) + (1,) * like.ndim)


def _sunlight(lat: Array, months: Months) -> Array:
    """Daily mean sunlight on top of the atmosphere at mid-month, W m-2, ``(time, ...)``."""
    day = (30.4 * (months % 12) + 15).reshape((-1,) + (1,) * lat.ndim)
    declination = 0.409 * np.sin(2 * np.pi * (day - 81) / 365)
    phi = np.deg2rad(lat)
    sunset = np.arccos(np.clip(-np.tan(phi) * np.tan(declination), -1, 1))
    height = sunset * np.sin(phi) * np.sin(declination) + np.cos(phi) * np.cos(declination) * np.sin(sunset)
    return np.asarray(1361 / np.pi * height)


def _rain(place: Climate, months: Months, weather: Array) -> Array:
    """Precipitation, mm month-1; `weather` is the rain anomaly."""
    mean = place.rain / 12 * (1 + place.monsoon * _season(months, 7, place.rain))
    return mean * np.exp(_RAIN_SPREAD * weather - _RAIN_SPREAD**2 / 2)


def _air(place: Climate, months: Months, heat: Array, air: Array, rain: Array) -> dict[str, Array]:
    """Temperatures and vapour pressure deficit."""
    temp = place.mean_temperature + place.amplitude * _season(months, 7.1, place.rain) + 1.0 * heat
    soil = place.mean_temperature + 1 + 0.75 * place.amplitude * _season(months, 7.8, place.rain) + 0.8 * heat
    humidity = np.clip(0.45 + 0.3 * place.wetness - 0.025 * heat + 0.015 * rain + 0.02 * air, 0.15, 0.95)
    saturated = 6.108 * np.exp(17.27 * temp / (temp + 237.3))  # Tetens, hPa
    return {"TEMP": temp, "TS": soil, "VPD": 1.3 * saturated * (1 - humidity)}


def _canopy(place: Climate, temp: Array, leaf: Array, green: Array) -> dict[str, Array]:
    """Leaves: evergreen where winters are mild, with the seasons where they are cold."""
    coldest = place.mean_temperature - place.amplitude
    evergreen = 1 / (1 + np.exp(-(coldest + 1) / 2.5))
    summer = 1 / (1 + np.exp(-(temp - 9) / 2.5))
    display = evergreen * (0.8 + 0.2 * summer) + (1 - evergreen) * (0.08 + 0.92 * summer)
    lai = 7 * place.wetness * display * np.exp(0.05 * leaf)
    fapar = 0.95 * (1 - np.exp(-0.55 * lai))
    return {"LAI": lai, "FAPAR": fapar, "NDVI": np.clip(0.12 + 0.8 * fapar + 0.02 * green, -0.2, 1)}


def _wind(place: Climate, months: Months, wind: Array, turn: Array, press: Array) -> dict[str, Array]:
    """Decoys: no flux depends on the wind or the pressure."""
    winter = -_season(months, 7, place.rain)
    direction = (170 + 75 * (winter + 1) + 20 * turn) % 360  # south-east monsoon in summer, north-west in winter
    pressure = 1013 * np.exp(-place.elevation / 8434) + 7 * winter + 1.0 * press
    return {"WS": 2.6 * np.exp(0.12 * winter + 0.12 * wind), "WD": direction, "PA": pressure}


def drivers(lat: Array, lon: Array, months: Months, *, seed: int) -> dict[str, Array]:
    """Make the 14 drivers at places, for towers and for cells alike.

    Parameters
    ----------
    lat, lon
        Places, degrees, any shape that broadcasts.
    months
        ``(time)``, months as counted by `month_numbers`.
    seed
        Which weather.

    Returns
    -------
    dict
        Each driver ``(time, ...)`` in its canonical unit; ``AGE`` does not change with time.
    """
    place, base = climate(lat, lon), np.zeros(np.broadcast(lat, lon).shape)

    def weather(name: str, at: Months = months) -> Array:
        return anomaly(name, lat, lon, at, seed=seed)

    heat, rain = weather("heat"), weather("rain")
    out = _air(place, months, heat, weather("air"), rain)
    out["PRE"] = _rain(place, months, rain)
    recent = 0.7 * out["PRE"] + 0.3 * _rain(place, months - 1, weather("rain", months - 1))
    out["VWC"] = 0.06 + 0.4 * recent / (recent + 90) + 0.008 * weather("soil")
    clear = np.clip(0.65 - 0.2 * place.wetness + 0.03 * weather("light") - 0.02 * rain, 0.2, 0.8)
    out["PAR"] = PAR_PER_SHORTWAVE * _sunlight(lat + base, months) * clear
    out |= _canopy(place, out["TEMP"], weather("leaf"), weather("green"))
    # A noisy proxy of light use in this month: it knows nothing of the water memory of the flux.
    warm = 1 / (1 + np.exp(-(out["TEMP"] - 6) / 4))
    out["SIF"] = 1.6e-3 * out["PAR"] * out["FAPAR"] * warm * np.exp(0.08 * weather("glow"))
    out |= _wind(place, months, weather("wind"), weather("turn"), weather("press"))
    out["AGE"] = np.broadcast_to(forest_age(lat, lon) + base, out["TEMP"].shape)
    return {name: np.asarray(np.broadcast_to(value, out["TEMP"].shape)) for name, value in out.items()}
