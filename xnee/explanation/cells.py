"""What explanations and the area of applicability take from a map: its checks, its cover, the context of its cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import xarray as xr

from xnee.context import STATISTICS, check_context, site_context
from xnee.models.model import NEEModel
from xnee.prediction import predict
from xnee.prediction.cover import Cover, CoverRule, choose_cover, with_fraction
from xnee.prediction.reading import in_memory
from xnee.windowing import stack_drivers

__all__ = ["Ground", "by_tile", "context_of", "ground_of"]

_GRID = ("spatial_ref", "crs")
"""Variables in which a map in a projection says in which."""


@dataclass(frozen=True)
class Ground:
    """A map as `xnee.predict` sees it.

    Parameters
    ----------
    cover
        Maps of forest cover, and which of them each month has.
    fraction
        ``(pft, ...)``, mean cover, lazy: what fluxes are per square metre of.
    space
        Dimensions of the ground.
    grid
        Coordinates in which a map in a projection says in which.
    attrs
        Attributes that go on to what is made of the map.
    """

    cover: Cover
    fraction: xr.DataArray
    space: tuple[str, ...]
    grid: dict[str, xr.Variable]
    attrs: dict[str, str]

    def of_month(self, time: xr.DataArray) -> xr.DataArray:
        """Give the cover of each month, ``(time, pft, ...)``, in the tiles of `fraction`."""
        maps = self.cover.maps.chunk(
            {"year": -1, **dict(zip(self.fraction.dims, self.fraction.chunks or (), strict=True))}
        )
        chosen: xr.DataArray = maps.isel(year=xr.DataArray(self.cover.month, dims="time"))
        return chosen.drop_vars("year", errors="ignore").assign_coords(time=time)

    def maps(self, tile: int) -> xr.DataArray:
        """Give the maps of cover, ``(..., year, pft)``, cut into tiles."""
        maps = self.cover.maps.transpose(*self.space, "year", "pft")
        bare: xr.DataArray = maps.drop_vars(set(maps.coords) - set(self.space))
        return bare.chunk({"year": -1, "pft": -1, **dict.fromkeys(self.space, tile)})


def by_tile(ds: xr.Dataset, drivers: Sequence[str], blocks: Mapping[str, int]) -> xr.Dataset:
    """Cut a file that was opened and not read into tiles; stacking its drivers would read all of it.

    Parameters
    ----------
    ds
        As of `xnee.predict`.
    drivers
        Those that will be read.
    blocks
        Cells of a tile along each dimension of the ground.

    Returns
    -------
    xarray.Dataset
        `ds` itself where its drivers are in memory or in chunks.
    """
    if any(not in_memory(ds[name]) and ds[name].chunks is None for name in drivers):
        return ds.chunk({"time": -1, **blocks})
    return ds


def ground_of(ds: xr.Dataset, model: NEEModel, *, rule: CoverRule, tile: int | None) -> Ground:
    """Hold a cube or towers against all the rules of `xnee.predict`, and take their cover.

    Parameters
    ----------
    ds
        As of `xnee.predict`.
    model
        From `xnee.fit`.
    rule
        Which cover, as of `xnee.predict`.
    tile
        Cells along one side of a tile; None: as `xnee.predict` chooses.

    Returns
    -------
    Ground
        Nothing lazy is computed.

    Raises
    ------
    TypeError, ValueError
        As of `xnee.predict`.
    """
    predicted = predict(ds, model, tile=tile, cover=rule)
    cover = choose_cover(with_fraction(ds), rule)
    fraction = predicted["pft_fraction"]
    return Ground(
        cover=cover,
        fraction=fraction,
        space=tuple(str(dim) for dim in fraction.dims if dim != "pft"),
        grid={name: predicted[name].variable for name in _GRID if name in predicted.variables},
        attrs={
            name: predicted.attrs[name] for name in ("model_fingerprint", "cover", "crs") if name in predicted.attrs
        },
    )


def context_of(ds: xr.Dataset, model: NEEModel) -> xr.DataArray:
    """Take the context that a map brings along, or that of its whole time axis, where a network reads it.

    Parameters
    ----------
    ds
        A cube or towers.
    model
        From `xnee.fit`.

    Returns
    -------
    xarray.DataArray
        ``(statistic, driver, ...)``, zeros that nothing reads for networks without; lazy where the drivers are.

    Raises
    ------
    ValueError
        If a context that is there lacks a driver or a statistic.
    """
    drivers = list(model.window.drivers)
    if not any(ensemble.inputs.statistics for ensemble in model.ensembles.values()):
        none = xr.zeros_like(stack_drivers(ds, drivers).isel(time=[0] * len(STATISTICS)))
        return none.drop_vars("time").rename(time="statistic")
    return check_context(ds["context"], drivers) if "context" in ds else site_context(ds, drivers)
