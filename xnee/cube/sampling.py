"""The pixels of a cube at towers, and how well they stand for them."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xnee.cube.place import PixelMethod, Place, at_places, check_axes, places
from xnee.pft import PFTS
from xnee.variables import DRIVERS, TARGET, VARIABLES, labels

__all__ = ["representativeness", "representativeness_table", "sample_at_sites"]

Prefer = Literal["cube", "tower"]
Outside = Literal["raise", "drop"]


def sample_at_sites(
    cube: xr.Dataset,
    sites: xr.Dataset,
    *,
    method: PixelMethod = "nearest",
    width: float | None = None,
    prefer: Prefer = "cube",
    outside: Outside = "raise",
) -> xr.Dataset:
    """Put the drivers of a cube at towers beside what the towers measured.

    A map is predicted from the cube's drivers. A model that learned from those of towers meets other values there: of
    another instrument, for a square kilometre instead of a cell. By default all drivers are the cube's, so that model
    and map see the same. With ``prefer="tower"`` a driver is the tower's where the towers have it; compare the two with
    `representativeness` first.

    Parameters
    ----------
    cube
        Drivers ``(time, lat, lon)``, canonical units.
    sites
        Towers ``(site, time)`` with coordinates lat, lon and pft.
    method
        ``"nearest"``: the cell that the tower stands in. ``"bilinear"``: between the four nearest centres; missing
        where one of them is. ``"area"``: the mean over a square around the tower, of what has values.
    width
        Side of that square, degrees; by default three cells.
    prefer
        Whose driver it is where both have it: ``"cube"`` or ``"tower"``. Series are never mixed.
    outside
        What becomes of towers outside the cube: ``"raise"``, or ``"drop"`` them and count.

    Returns
    -------
    xarray.Dataset
        ``(site, time)`` over the months of the cube, in memory: the drivers of the cube, float64; NEE, NEE_QC and
        what else is no driver from the towers, missing where they have no record; the coordinates of the towers.
        ``attrs["dropped_sites"]`` lists towers outside, ``attrs["months_outside_cube"]`` counts months with NEE that
        the cube does not reach.

    Raises
    ------
    ValueError
        If a method is unknown, the cube or the towers lack a coordinate, a tower is outside, or no month is common.

    Examples
    --------
    >>> from xnee.sources.synthetic import synthetic_cube, synthetic_towers
    >>> sites = sample_at_sites(synthetic_cube(), synthetic_towers())
    >>> sites["NEE"].dims, sites["TEMP"].attrs["sampled"]
    (('site', 'time'), 'nearest')
    """
    for what, value, known in (
        ("method", method, get_args(PixelMethod)),
        ("prefer", prefer, get_args(Prefer)),
        ("outside", outside, get_args(Outside)),
    ):
        if value not in known:
            msg = f"{what} must be one of {', '.join(known)}; got {value!r}."
            raise ValueError(msg)
    towers, gone = _inside(cube, sites, outside=outside)
    time = _common_time(cube, towers)
    where = places(cube, towers, method=method, width=width)
    pixels = {name: _pixel(cube[name], where, time) for name in DRIVERS if name in cube}
    # a driver's companions (PAR_derived) go with it
    own_drivers = set(pixels) if prefer == "tower" else set()
    kept = [name for name in towers.data_vars if str(name).partition("_")[0] not in set(DRIVERS) - own_drivers]
    own = towers[kept].reindex(time=time)
    result = own.assign({name: pixel for name, pixel in pixels.items() if name not in kept})
    result = result.assign_coords(time=cube["time"])
    result.attrs |= {"dropped_sites": gone, "months_outside_cube": _lost(towers, own), "drivers_from": prefer}
    return result


def _pixel(driver: xr.DataArray, where: list[Place], time: xr.DataArray) -> xr.Variable:
    """Take one driver at all towers: ``(site, time)``."""
    values = at_places(driver, where)
    if "time" not in driver.dims:
        values = np.repeat(values[:, None], time.size, axis=1)
    row = VARIABLES[str(driver.name)]
    attrs = {"units": row.units, "long_name": row.long_name, "source": "cube", "sampled": where[0].method}
    return xr.Variable(("site", "time"), values, attrs)


def _lost(towers: xr.Dataset, own: xr.Dataset) -> int:
    """Count months with NEE that are not in the cube."""
    if TARGET not in towers:
        return 0
    return int(towers[TARGET].notnull().sum()) - int(own[TARGET].notnull().sum())


def _inside(cube: xr.Dataset, sites: xr.Dataset, *, outside: Outside) -> tuple[xr.Dataset, list[str]]:
    """Check cube and towers, and leave out towers outside where that is asked for."""
    check_axes(cube)
    lacking = [name for name in ("site", "lat", "lon", "pft") if name not in sites.coords]
    if lacking or "site" not in sites.dims or "time" not in sites.dims:
        msg = (
            f"towers are a Dataset (site, time) with coordinates lat, lon and pft; {lacking or 'dimensions'} are not "
            "there. Give the reader a table of sites."
        )
        raise ValueError(msg)
    unplaced = labels(sites["site"])[~np.isfinite(sites["lat"].to_numpy() + sites["lon"].to_numpy())].tolist()
    if unplaced:
        msg = f"towers need a latitude and a longitude; {unplaced} have none. Give the reader a table of sites."
        raise ValueError(msg)
    far = _outside(cube, sites)
    names = labels(sites["site"])[far].tolist()
    if names and (outside == "raise" or far.all()):
        lat, lon = (np.sort(cube[axis].to_numpy())[[0, -1]] for axis in ("lat", "lon"))
        msg = (
            f"{len(names)} of {far.size} towers lie outside the cube ({lat[0]:g}..{lat[1]:g} north, {lon[0]:g}.."
            f"{lon[1]:g} east): {', '.join(names)}. Leave them out with outside='drop', or take a larger cube."
        )
        raise ValueError(msg)
    return sites.isel(site=~far), names


def _outside(cube: xr.Dataset, sites: xr.Dataset) -> NDArray[np.bool_]:
    """Find the towers that stand in no cell."""
    far = np.zeros(sites.sizes["site"], dtype=bool)
    for axis in ("lat", "lon"):
        centres, own = cube[axis].to_numpy(), sites[axis].to_numpy()
        half = np.abs(np.diff(centres)).max() / 2 * (1 + 1e-9)
        far |= (own < centres.min() - half) | (own > centres.max() + half)
    return far


def _common_time(cube: xr.Dataset, towers: xr.Dataset) -> xr.DataArray:
    """Give the months of the cube, which some tower must share."""
    if not np.isin(cube["time"].to_numpy(), towers["time"].to_numpy()).any():
        spans = [f"{ds['time'].to_numpy()[0]:.7}..{ds['time'].to_numpy()[-1]:.7}" for ds in (cube, towers)]
        msg = f"cube and towers have no month in common: {spans[0]} and {spans[1]}. Take a cube of other years."
        raise ValueError(msg)
    return cube["time"]


def representativeness(
    cube: xr.Dataset,
    sites: xr.Dataset,
    *,
    method: PixelMethod = "nearest",
    width: float | None = None,
    outside: Outside = "raise",
) -> xr.Dataset:
    """Compare towers with the pixels that stand for them.

    Parameters
    ----------
    cube
        Drivers and ``pft_fraction``.
    sites
        Towers with coordinates lat, lon and pft, and whatever drivers they have.
    method, width, outside
        How pixels are taken, as in `sample_at_sites`.

    Returns
    -------
    xarray.Dataset
        By ``site``: ``distance`` to the centre of the cell (km), ``pft`` of the tower, ``share_of_own_pft`` and
        ``forest_fraction`` of the cell (0 to 1), ``largest_pft`` of the cell. By ``(site, driver)``:
        ``difference``, tower minus pixel, mean over the months with both, in the unit of the driver (for WD the turn
        from pixel to tower, -180 to 180 degrees), and ``months``, how many those are. In memory.

    Raises
    ------
    ValueError
        As `sample_at_sites`.

    Examples
    --------
    >>> from xnee.sources.synthetic import synthetic_cube, synthetic_towers
    >>> table = representativeness(synthetic_cube(), synthetic_towers())
    >>> sorted(map(str, table.data_vars))[:3]
    ['difference', 'distance', 'forest_fraction']
    """
    pixels = sample_at_sites(cube, sites, method=method, width=width, outside=outside)
    towers = sites.sel(site=pixels["site"]).reindex(time=pixels["time"])
    names = [name for name in DRIVERS if name in cube and name in sites]
    pairs = [_difference(towers[name], pixels[name]) for name in names]
    shape = (pixels.sizes["site"], len(names))
    ds = xr.Dataset(
        {
            "distance": ("site", _distance(cube, towers), {"units": "km"}),
            "difference": (("site", "driver"), np.array([mean for mean, _ in pairs]).T.reshape(shape)),
            "months": (("site", "driver"), np.array([count for _, count in pairs], dtype="i8").T.reshape(shape)),
            **_cover_at(cube, towers, method=method, width=width),
        },
        coords={"site": pixels["site"].to_numpy(), "driver": np.array(names, dtype=str), "pft": towers["pft"].variable},
    )
    ds["difference"].attrs["long_name"] = "tower minus pixel, mean over common months, in the unit of the driver"
    return ds.assign_attrs(sampled=method, dropped_sites=pixels.attrs["dropped_sites"])


def _difference(tower: xr.DataArray, pixel: xr.DataArray) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Give the mean of tower minus pixel and the number of months, by site."""
    gap = tower.transpose("site", "time").to_numpy() - pixel.transpose("site", "time").to_numpy()
    known = np.isfinite(gap)
    count = known.sum(axis=1)
    if VARIABLES[str(tower.name)].circular:
        turn = np.where(known, np.exp(1j * np.deg2rad(np.where(known, gap, 0))), 0).sum(axis=1)
        mean = np.rad2deg(np.angle(turn))
    else:
        mean = np.where(known, gap, 0).sum(axis=1) / np.maximum(count, 1)
    return np.where(count > 0, mean, np.nan), count


def _distance(cube: xr.Dataset, towers: xr.Dataset) -> NDArray[np.float64]:
    """Great-circle distance from each tower to the centre of its cell, km."""
    where = places(cube, towers, method="nearest", width=None)
    rows, columns = (np.array([place.index[axis][0] for place in where]) for axis in ("lat", "lon"))
    lat, lon = np.deg2rad(towers["lat"].to_numpy()), np.deg2rad(towers["lon"].to_numpy())
    lat_cell, lon_cell = np.deg2rad(cube["lat"].to_numpy()[rows]), np.deg2rad(cube["lon"].to_numpy()[columns])
    chord = np.sin((lat_cell - lat) / 2) ** 2 + np.cos(lat) * np.cos(lat_cell) * np.sin((lon_cell - lon) / 2) ** 2
    distance: NDArray[np.float64] = 2 * 6371.0088 * np.arcsin(np.sqrt(chord))  # mean radius of the Earth, km
    return distance


def _cover_at(
    cube: xr.Dataset, towers: xr.Dataset, *, method: PixelMethod, width: float | None
) -> dict[str, tuple[str, NDArray[np.float64] | NDArray[np.str_], dict[str, str]]]:
    """Compare the type of each tower with the cover of its pixel."""
    if "pft_fraction" not in cube:
        return {}
    where = places(cube, towers, method=method, width=width)
    cover = at_places(cube["pft_fraction"].transpose("pft", "lat", "lon"), where)  # (site, pft)
    names, own = labels(cube["pft"]), labels(towers["pft"])
    share = np.where(own[:, None] == names, cover, 0).sum(axis=1)
    largest = np.where(cover.sum(axis=1) > 0, names[np.argmax(cover, axis=1)], "")
    return {
        "share_of_own_pft": ("site", np.where(np.isin(own, PFTS), share, np.nan), {"units": "1"}),
        "forest_fraction": ("site", cover.sum(axis=1), {"units": "1"}),
        "largest_pft": ("site", largest, {}),
    }


def representativeness_table(table: xr.Dataset) -> str:
    """Write out a comparison of towers and pixels.

    Parameters
    ----------
    table
        What `representativeness` gives.

    Returns
    -------
    str
        A line for each tower. A dash where there is nothing to compare.

    Examples
    --------
    >>> from xnee.sources.synthetic import synthetic_cube, synthetic_towers
    >>> text = representativeness_table(representativeness(synthetic_cube(), synthetic_towers()))
    >>> text.splitlines()[0].split()[:4]
    ['site', 'km', 'pft', 'own']
    """
    names = labels(table["driver"]).tolist()
    lines = [" ".join(f"{head:>9}" for head in ["site", "km", "pft", "own PFT", "forest", "largest", *names])]
    empty = np.full(table.sizes["site"], np.nan)
    numbers = [table[name].to_numpy() if name in table else empty for name in ("share_of_own_pft", "forest_fraction")]
    largest = labels(table["largest_pft"]) if "largest_pft" in table else np.full(empty.size, "")
    for i, site in enumerate(labels(table["site"])):
        cells = [site, f"{float(table['distance'][i]):.1f}", str(labels(table["pft"])[i])]
        cells += ["-" if np.isnan(column[i]) else f"{column[i]:.0%}" for column in numbers]
        cells.append(str(largest[i]) or "-")
        cells += ["-" if np.isnan(gap) else f"{gap:+.4g}" for gap in table["difference"].to_numpy()[i]]
        lines.append(" ".join(f"{cell:>9}" for cell in cells))
    return "\n".join(lines)
