"""A map that carries its own area of applicability."""

from __future__ import annotations

import json
from itertools import accumulate

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xnee.variables import TARGET, labels

__all__ = ["of_same_forest", "with_applicability"]

_APART = 1e-5
"""Shares of a cell that are still the same after having been in a file."""
_FACTS = ("weights", "seed", "folds")


def with_applicability(predicted: xr.Dataset, where: xr.Dataset) -> xr.Dataset:
    """Put the area of applicability beside the map that it is of, so that a product carries both.

    Parameters
    ----------
    predicted
        From `xnee.predict`.
    where
        From `area_of_applicability`, of the same cube, model and rule of cover, and in tiles that are no larger than
        those of the map. Or the same, read from a file.

    Returns
    -------
    xarray.Dataset
        `predicted` with ``DI (pft, time, lat, lon)``, the dissimilarity index; ``AOA (time, lat, lon)``, the share of
        a cell's forest inside, 0 to 1; ``DI_threshold (pft)``. Lazy, in the tiles of the map: `to_product` computes
        them tile by tile. ``DI`` is as large as five maps of NEE; drop it if AOA will do:
        ``predicted.drop_vars(["DI", "DI_threshold"])``.
        ``attrs["applicability"]`` holds what they were made with, as JSON.

    Raises
    ------
    ValueError
        If either lacks what it should hold, or the two are not of the same cells, months, types, model and forest, or
        tiles of `where` would have to be computed again and again for those of the map.

    Examples
    --------
    >>> from xnee.applicability import area_of_applicability
    >>> from xnee.models.fitting import fit
    >>> from xnee.models.training import FitSpec
    >>> from xnee.prediction import predict
    >>> from xnee.sources.synthetic import synthetic_cube, synthetic_towers
    >>> towers, cube, quick = synthetic_towers(), synthetic_cube(), FitSpec(epochs=1)
    >>> model = fit(towers, ["TEMP", "PAR"], lags=1, members=1, strategy="per-pft", training=quick)
    >>> where = area_of_applicability(cube, model, sites=towers)
    >>> with_applicability(predict(cube, model), where)["AOA"].dims
    ('time', 'lat', 'lon')
    """
    _check_there(predicted, where)
    _check_same(predicted, where)
    maps = {}
    for name, dims in (("DI", ("pft", *predicted[TARGET].dims)), ("AOA", predicted[TARGET].dims)):
        found = _cut_alike(where[name].transpose(*dims), predicted[TARGET])
        if name == "DI":
            found = of_same_forest(found, predicted, where)
        maps[name] = (dims, found.data, {**where[name].attrs, "units": "1"})
    threshold = where["threshold"].to_numpy().astype("f8")
    maps["DI_threshold"] = (("pft",), threshold, {**where["threshold"].attrs, "units": "1"})
    return predicted.assign(maps).assign_attrs(applicability=json.dumps(_facts(where)))


def _check_there(predicted: xr.Dataset, where: xr.Dataset) -> None:
    for what, ds, names, source in (
        ("predicted", predicted, (TARGET, "pft_fraction"), "xnee.predict"),
        ("where", where, ("DI", "AOA", "threshold"), "area_of_applicability"),
    ):
        lacking = [name for name in names if name not in ds]
        if lacking:
            msg = f"{what} lacks {', '.join(lacking)}. Give what {source} gives, for the same cube."
            raise ValueError(msg)


def _check_same(predicted: xr.Dataset, where: xr.Dataset) -> None:
    """Refuse an area of other cells, months, types, another model or another cover."""
    for dim in (*predicted[TARGET].dims, "pft"):
        name = str(dim)
        there = name in where.coords and name in predicted.coords
        read = labels if name in ("pft", "site") else np.asarray
        if not there or not np.array_equal(read(where[name]), read(predicted[name])):
            sizes = f"{where.sizes.get(name, 'none')} in where, {predicted.sizes.get(name, 'none')} in the map"
            msg = f"the map and its area of applicability differ along {name} ({sizes}): take both of the same cube."
            raise ValueError(msg)
    for attribute, word in (("model_fingerprint", "model"), ("cover", "cover (static or by-year)")):
        own, other = (ds.attrs.get(attribute) for ds in (predicted, where))
        # a cover that stays has no such attribute; a fingerprint that one of the two does not tell is not compared
        if own != other and (attribute == "cover" or None not in (own, other)):
            msg = (
                f"the area of applicability is not of the map's {word}: {other!r} there, {own!r} in the map. Make both "
                "with the same."
            )
            raise ValueError(msg)


def of_same_forest(index: xr.DataArray, predicted: xr.Dataset, where: xr.Dataset) -> xr.DataArray:
    """Give the index back, refusing another forest than the map's wherever and whenever it is computed.

    What the drivers were is not compared: a map does not hold them.

    Parameters
    ----------
    index
        ``DI`` of `where`, with all types in one chunk.
    predicted, where
        As of `with_applicability`. An area that does not tell its ``pft_fraction`` is not compared.

    Returns
    -------
    xarray.DataArray
        `index`, lazy where it is; computing a block raises ValueError where the share of a type differs there.
    """
    if "pft_fraction" not in where:
        return index
    space = [dim for dim in index.dims if dim not in ("pft", "time")]
    cut = {dim: index.chunksizes[dim] for dim in space} | {"pft": -1} if index.chunks is not None else {}
    shares = [ds["pft_fraction"].variable.transpose(*space, "pft") for ds in (predicted, where)]
    checked: xr.DataArray = xr.apply_ufunc(
        _same_forest,
        index,
        *(share.chunk(cut) if cut else share for share in shares),
        input_core_dims=[["pft"]] * 3,
        output_core_dims=[["pft"]],
        dask="parallelized",
        output_dtypes=[index.dtype],
        keep_attrs=True,
    )
    return checked.transpose(*index.dims)


def _same_forest(
    index: NDArray[np.floating], own: NDArray[np.floating], other: NDArray[np.floating]
) -> NDArray[np.floating]:
    apart = np.abs(np.nan_to_num(own) - np.nan_to_num(other)).max(initial=0)
    if apart > _APART:
        msg = (
            "the area of applicability is of another forest than the map: the share of a type in a cell differs by up "
            f"to {apart:.2g}. Take both of the same cube."
        )
        raise ValueError(msg)
    return index


def _cut_alike(found: xr.DataArray, like: xr.DataArray) -> xr.DataArray:
    """Cut a map into the tiles of another one, after checking that no tile of it would be computed twice for that."""
    if like.chunks is None:
        return found
    if found.chunks is not None:
        for dim in (dim for dim in like.dims if dim != "time"):
            within = set(accumulate(found.chunksizes[dim]))
            if not set(accumulate(like.chunksizes[dim])) <= within:
                side, own = like.chunksizes[dim][0], found.chunksizes[dim][0]
                msg = (
                    f"tiles of the area of applicability are {own} cells along {dim}, those of the map {side}: each "
                    f"would be computed again for every tile of the map that it reaches into. Make it with "
                    f"area_of_applicability(..., tile={side}), or take both with one tile. One that is in a file: open "
                    f"it in chunks of {side}."
                )
                raise ValueError(msg)
    return found.chunk({dim: like.chunksizes[dim] for dim in like.dims} | ({"pft": -1} if "pft" in found.dims else {}))


def _facts(where: xr.Dataset) -> dict[str, object]:
    """Put together what an area was made with, ready for JSON."""
    facts: dict[str, object] = {"method": "Meyer and Pebesma 2021, doi:10.1111/2041-210X.13650"}
    facts |= {name: _plain(where.attrs[name]) for name in _FACTS if name in where.attrs}
    pfts = labels(where["pft"]).tolist()
    for name in ("windows", "own"):
        if name in where:
            facts[name] = dict(zip(pfts, map(int, where[name].to_numpy()), strict=True))
    return facts


def _plain(value: object) -> object:
    """Turn a number of numpy, as files give it, into one of Python."""
    return value.item() if isinstance(value, np.generic) else value
