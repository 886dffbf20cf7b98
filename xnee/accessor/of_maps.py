"""Methods of ``ds.nee`` from a fitted model on: mostly of cubes, predictions and products."""

from __future__ import annotations

from typing import TYPE_CHECKING

import xarray as xr

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from matplotlib.figure import Figure

    from xnee.explanation import Method
    from xnee.grid import Grid
    from xnee.models.model import NEEModel
    from xnee.plotting import Kind
    from xnee.prediction import Model, Plan
    from xnee.prediction.cover import CoverRule
    from xnee.products.geotiff import Ground, Statistic
    from xnee.products.store import Profile, Split
    from xnee.products.trends import TrendMethod

__all__ = ["OfMaps"]


class OfMaps:
    """What is asked of cubes, predictions and products."""

    _ds: xr.Dataset

    def compare(
        self,
        others: Mapping[str, xr.Dataset | xr.DataArray],
        *,
        period: tuple[str, str] | None = None,
        min_forest: float = 0.5,
        grid: Grid | None = None,
    ) -> xr.Dataset:
        """Hold this product against others, on the same cells and in the same years; see `xnee.compare`."""
        from xnee.comparison.comparing import compare

        return compare(self._ds, others, period=period, min_forest=min_forest, grid=grid)

    def plan(
        self, model: Model, *, tile: int | None = None, cover: CoverRule = "static", threads: int | None = None
    ) -> Plan:
        """Tell what predicting this cube will take; see `xnee.plan`."""
        from xnee.prediction import plan

        return plan(self._ds, model, tile=tile, cover=cover, threads=threads)

    def predict(self, model: Model, *, tile: int | None = None, cover: CoverRule = "static") -> xr.Dataset:
        """Predict monthly NEE of this cube, or of these sites, lazily; see `xnee.predict`."""
        from xnee.prediction import predict

        return predict(self._ds, model, tile=tile, cover=cover)

    def to_product(
        self,
        path: str | Path,
        *,
        tile: int | None = None,
        profile: Profile = "xnee",
        split: Split | None = None,
        regions: object = None,
        append: bool = False,
        attrs: Mapping[str, object] | None = None,
        overwrite: bool = False,
        progress: bool = True,
    ) -> Path:
        """Compute this prediction and write it as a CF file; see `xnee.to_product`."""
        from xnee.products.store import to_product

        return to_product(
            self._ds,
            path,
            tile=tile,
            profile=profile,
            split=split,
            regions=regions,
            append=append,
            attrs=attrs,
            overwrite=overwrite,
            progress=progress,
        )

    def budget(self, *, by: Sequence[str] = ("pft", "year"), regions: object = None) -> xr.Dataset:
        """Add this prediction, or product, up over forest, regions and time; see `xnee.budget`."""
        from xnee.products.budget import budget

        return budget(self._ds, by=by, regions=regions)

    def trend(
        self,
        *,
        by: Sequence[str] = ("pft",),
        regions: object = None,
        method: TrendMethod = "theil-sen",
        period: tuple[int, int] | None = None,
    ) -> xr.Dataset:
        """Fit a line through the yearly totals of this prediction, or product; see `xnee.trend`."""
        from xnee.products.trends import trend

        return trend(self._ds, by=by, regions=regions, method=method, period=period)

    def anomaly(
        self,
        *,
        by: Sequence[str] = ("pft", "year"),
        regions: object = None,
        period: tuple[int, int] | None = None,
    ) -> xr.Dataset:
        """Subtract the mean of a period from the totals of each year; see `xnee.anomaly`."""
        from xnee.products.trends import anomaly

        return anomaly(self._ds, by=by, regions=regions, period=period)

    def to_geotiff(
        self,
        path: str | Path,
        *,
        statistic: Statistic = "annual",
        per: Ground = "forest",
        overwrite: bool = False,
        progress: bool = True,
    ) -> Path:
        """Write a statistic of this prediction, or product, as a Cloud-Optimized GeoTIFF; see `xnee.to_geotiff`."""
        from xnee.products.geotiff import to_geotiff

        return to_geotiff(self._ds, path, statistic=statistic, per=per, overwrite=overwrite, progress=progress)

    def intervals(self, calibration: xr.Dataset) -> xr.Dataset:
        """Give each monthly value the interval that held on left-out sites; see `xnee.intervals`."""
        from xnee.evaluation.intervals import intervals

        return intervals(self._ds, calibration)

    def member_quantiles(self, levels: Sequence[float]) -> xr.Dataset:
        """Give each monthly value its quantiles over the members of the ensemble; see `xnee.member_quantiles`."""
        from xnee.evaluation.quantiles import member_quantiles

        return member_quantiles(self._ds, levels)

    def with_applicability(self, where: xr.Dataset) -> xr.Dataset:
        """Put the area of applicability beside the prediction that it is of; see `xnee.with_applicability`."""
        from xnee.applicability import with_applicability

        return with_applicability(self._ds, where)

    def explain_map(
        self,
        model: NEEModel,
        *,
        sites: xr.Dataset,
        period: tuple[str, str] | None = None,
        background: int = 50,
        method: Method = "auto",
        permutations: int = 20,
        seed: int = 0,
        tile: int = 16,
        cover: CoverRule = "static",
    ) -> xr.Dataset:
        """Attribute the NEE of this cube to drivers, cell by cell, lazily; see `xnee.explain_map`."""
        from xnee.explanation import explain_map

        return explain_map(
            self._ds,
            model,
            sites=sites,
            period=period,
            background=background,
            method=method,
            permutations=permutations,
            seed=seed,
            tile=tile,
            cover=cover,
        )

    def area_of_applicability(
        self,
        model: NEEModel,
        *,
        sites: xr.Dataset,
        weights: xr.Dataset | xr.DataArray | None = None,
        folds: xr.DataArray | None = None,
        seed: int = 0,
        tile: int | None = None,
        cover: CoverRule = "static",
    ) -> xr.Dataset:
        """Tell where this cube is unlike anything that the model learned from; see `xnee.area_of_applicability`."""
        from xnee.applicability import area_of_applicability

        return area_of_applicability(
            self._ds, model, sites=sites, weights=weights, folds=folds, seed=seed, tile=tile, cover=cover
        )

    def plot(
        self,
        *,
        kind: Kind | None = None,
        model: NEEModel | None = None,
        area: xr.Dataset | None = None,
        outline: object = None,
        only: Sequence[str] | None = None,
    ) -> Figure:
        """Draw what this Dataset holds: towers, skill, drivers, a map, totals; see `xnee.plot`."""
        from xnee.plotting import plot

        return plot(self._ds, kind=kind, model=model, area=area, outline=outline, only=only)
