"""Methods of ``ds.nee`` up to a fitted model and its judgement: mostly of towers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import xarray as xr

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from xnee.cube.checks import Finding
    from xnee.cube.extent import Values
    from xnee.cube.place import PixelMethod
    from xnee.cube.sampling import Outside, Prefer
    from xnee.evaluation.schemes import Scheme
    from xnee.explanation import Method
    from xnee.models.approach import Approach
    from xnee.models.fitting import Strategy
    from xnee.models.lstm import LSTMSpec
    from xnee.models.model import NEEModel
    from xnee.models.search.folds import Inner
    from xnee.models.search.outcome import Search
    from xnee.models.search.running import SearchMethod
    from xnee.models.search.space import Space
    from xnee.models.training import FitSpec
    from xnee.outliers import OutlierMethod

__all__ = ["OfSites"]


class OfSites:
    """What is asked of towers, and of what goes into a model."""

    _ds: xr.Dataset

    def windows(self, drivers: Iterable[str] | None = None, *, lags: int = 6) -> xr.Dataset:
        """Build the samples of this Dataset; see `xnee.windows`."""
        from xnee.windowing import windows

        return windows(self._ds, drivers, lags=lags)

    def check(self, *, values: Values = "sample") -> list[Finding]:
        """Hold these sites or this cube against all rules of the data model; see `xnee.check`."""
        from xnee.cube.checks import check

        return check(self._ds, values=values)

    def sample_at_sites(
        self,
        sites: xr.Dataset,
        *,
        method: PixelMethod = "nearest",
        width: float | None = None,
        prefer: Prefer = "cube",
        outside: Outside = "raise",
    ) -> xr.Dataset:
        """Put the drivers of this cube at towers; see `xnee.sample_at_sites`."""
        from xnee.cube.sampling import sample_at_sites

        return sample_at_sites(self._ds, sites, method=method, width=width, prefer=prefer, outside=outside)

    def representativeness(
        self,
        sites: xr.Dataset,
        *,
        method: PixelMethod = "nearest",
        width: float | None = None,
        outside: Outside = "raise",
    ) -> xr.Dataset:
        """Compare towers with the pixels that stand for them; see `xnee.representativeness`."""
        from xnee.cube.sampling import representativeness

        return representativeness(self._ds, sites, method=method, width=width, outside=outside)

    def coverage(self, drivers: Iterable[str] | None = None, *, lags: int = 6) -> xr.Dataset:
        """Count the months of each site by what becomes of them; see `xnee.coverage`."""
        from xnee.census import coverage

        return coverage(self._ds, drivers, lags=lags)

    def flag_outliers(self, *, method: OutlierMethod = "own-years", threshold: float = 7.0) -> xr.Dataset:
        """Flag months of NEE that lie far from the median of their calendar month; see `xnee.flag_outliers`."""
        from xnee.outliers import flag_outliers

        return flag_outliers(self._ds, method=method, threshold=threshold)

    def drop_outliers(self) -> xr.Dataset:
        """Make flagged NEE missing; see `xnee.drop_outliers`."""
        from xnee.outliers import drop_outliers

        return drop_outliers(self._ds)

    def site_context(self, drivers: Iterable[str] | None = None) -> xr.DataArray:
        """Sum drivers up as what these places are like in the long run; see `xnee.site_context`."""
        from xnee.context import site_context

        return site_context(self._ds, drivers)

    def search(
        self,
        space: Space | None = None,
        drivers: Iterable[str] | None = None,
        *,
        lags: int = 6,
        seed: int = 0,
        out: str | Path | None = None,
        method: SearchMethod = "exhaustive",
        sample: int | None = None,
        inner: Inner = "temporal",
        folds: int = 3,
        context: bool = True,
        test_fraction: float = 0.2,
        pfts: Sequence[str] | None = None,
        device: str = "cpu",
        workers: int | None = None,
        progress: bool = True,
    ) -> Search:
        """Try combinations of hyper-parameters for each forest type of these sites; see `xnee.search`."""
        from xnee.models.search.running import search

        return search(
            self._ds,
            space,
            drivers,
            lags=lags,
            seed=seed,
            out=out,
            method=method,
            sample=sample,
            inner=inner,
            folds=folds,
            context=context,
            test_fraction=test_fraction,
            pfts=pfts,
            device=device,
            workers=workers,
            progress=progress,
        )

    def fit(
        self,
        drivers: Iterable[str] | Search | None = None,
        *,
        lags: int | None = None,
        members: int = 5,
        seed: int = 0,
        strategy: Strategy | Mapping[str, Approach] = "auto",
        context: bool | None = None,
        bootstrap: bool = True,
        test_fraction: float | None = None,
        min_windows: int = 24,
        network: LSTMSpec | None = None,
        training: FitSpec | None = None,
        device: str = "cpu",
        progress: bool = False,
    ) -> NEEModel:
        """Train an ensemble of LSTMs for each forest type on these sites; see `xnee.fit`."""
        from xnee.models.fitting import fit

        return fit(
            self._ds,
            drivers,
            lags=lags,
            members=members,
            seed=seed,
            strategy=strategy,
            context=context,
            bootstrap=bootstrap,
            test_fraction=test_fraction,
            min_windows=min_windows,
            network=network,
            training=training,
            device=device,
            progress=progress,
        )

    def crossvalidate(
        self,
        drivers: Iterable[str] | None = None,
        *,
        scheme: Scheme = "leave-site-out",
        folds: int = 10,
        groups: str | None = None,
        block: float = 500.0,
        target: xr.Dataset | None = None,
        baselines: Iterable[str] | None = None,
        lags: int = 6,
        members: int = 5,
        seed: int = 0,
        strategy: Strategy | Mapping[str, Approach] = "auto",
        context: bool | None = None,
        bootstrap: bool = True,
        test_fraction: float = 0.2,
        min_windows: int = 24,
        network: LSTMSpec | None = None,
        training: FitSpec | None = None,
        device: str = "cpu",
        progress: bool = False,
    ) -> xr.Dataset:
        """Score models that never saw the sites, or months, that they predict; see `xnee.crossvalidate`."""
        from xnee.evaluation.crossval import crossvalidate

        return crossvalidate(
            self._ds,
            drivers,
            scheme=scheme,
            folds=folds,
            groups=groups,
            block=block,
            target=target,
            baselines=baselines,
            lags=lags,
            members=members,
            seed=seed,
            strategy=strategy,
            context=context,
            bootstrap=bootstrap,
            test_fraction=test_fraction,
            min_windows=min_windows,
            network=network,
            training=training,
            device=device,
            progress=progress,
        )

    def evaluate(
        self,
        model: NEEModel,
        *,
        schemes: Sequence[Scheme] = ("temporal", "leave-site-out"),
        folds: int = 10,
        groups: str | None = None,
        block: float = 500.0,
        target: xr.Dataset | None = None,
        baselines: Iterable[str] | None = None,
        alone: bool = False,
        progress: bool = False,
    ) -> xr.Dataset:
        """Score a model on held-out months and on left-out sites of these towers; see `xnee.evaluate`."""
        from xnee.evaluation.skill import evaluate

        return evaluate(
            self._ds,
            model,
            schemes=schemes,
            folds=folds,
            groups=groups,
            block=block,
            target=target,
            baselines=baselines,
            alone=alone,
            progress=progress,
        )

    def explain(
        self,
        model: NEEModel,
        *,
        samples: int = 20,
        background: int = 50,
        method: Method = "auto",
        permutations: int = 1000,
        seed: int = 0,
    ) -> xr.Dataset:
        """Attribute predictions for these sites to drivers; see `xnee.explain`."""
        from xnee.explanation import explain

        return explain(
            self._ds,
            model,
            samples=samples,
            background=background,
            method=method,
            permutations=permutations,
            seed=seed,
        )

    def explain_lags(
        self,
        model: NEEModel,
        *,
        samples: int = 20,
        background: int = 50,
        nodes: int = 16,
        seed: int = 0,
    ) -> xr.Dataset:
        """Attribute predictions for these sites to drivers in each month of the past; see `xnee.explain_lags`."""
        from xnee.explanation import explain_lags

        return explain_lags(self._ds, model, samples=samples, background=background, nodes=nodes, seed=seed)
