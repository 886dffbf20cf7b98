"""What `fit` gives: ensembles with all that is needed to predict, score, describe and store them."""

from __future__ import annotations

import hashlib
import html
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from xnee.context import STATISTICS, series_context
from xnee.models.approach import Approach
from xnee.models.inference import run_ensemble
from xnee.models.scaling import Inputs, Scaler
from xnee.pft import PFTS, check_pfts
from xnee.variables import labels
from xnee.windowing import WindowSpec

__all__ = ["Ensemble", "NEEModel"]


@dataclass(frozen=True)
class Ensemble:
    """Networks trained alike from different seeds.

    Parameters
    ----------
    weights
        As of `xnee.models.lstm.initial_weights`; the network axis counts members.
    scaler
        Scales of the training windows.
    inputs
        What the networks read.
    approach
        How they came about.
    windows
        Number of training windows.
    sites
        Ids of the training sites.
    """

    weights: Mapping[str, NDArray[np.float32]]
    scaler: Scaler
    inputs: Inputs
    approach: Approach
    windows: int
    sites: tuple[str, ...]

    @property
    def members(self) -> int:
        """Networks in the ensemble."""
        return len(self.weights["offset"])


@dataclass(frozen=True)
class NEEModel:
    """A fitted model of monthly NEE: an ensemble of LSTMs for each plant functional type.

    There is no unfitted NEEModel: `xnee.fit` and `xnee.load_model` give finished ones.

    Parameters
    ----------
    window
        Drivers, lags and target.
    ensembles
        By PFT. Types that share pooled networks hold the same `Ensemble`.
    fallback
        PFTs that had too few windows for a say of their own: what predicts them has learned from other types.
    strategy
        What `xnee.fit` was asked for; ``ensembles[pft].approach`` tells what became of it.
    scores
        Dataset of R2, MAE, RMSE (g C m-2 month-1), bias and n by ``split`` and ``pft``, and by ``split`` and
        ``site`` with the suffix ``_site``.
    provenance
        Sites with licences, versions, counts, settings: plain JSON values.
    device
        Where predictions run, ``"cpu"`` or ``"cuda"``.
    """

    window: WindowSpec
    ensembles: Mapping[str, Ensemble]
    fallback: tuple[str, ...]
    strategy: str
    scores: xr.Dataset
    provenance: Mapping[str, Any] = field(default_factory=dict)
    device: str = "cpu"

    @property
    def members(self) -> int:
        """Networks in each ensemble."""
        return next(iter(self.ensembles.values())).members

    def distinct(self) -> dict[tuple[str, ...], Ensemble]:
        """Give each ensemble once, with the types that it predicts.

        Returns
        -------
        dict
            Ensembles by tuples of PFTs, in the order of ``xnee.PFTS``.
        """
        shared: dict[int, list[str]] = {}
        for pft in self.ensembles:
            shared.setdefault(id(self.ensembles[pft]), []).append(pft)
        return {tuple(pfts): self.ensembles[pfts[0]] for pfts in shared.values()}

    def predict_series(
        self, pft: str, x: NDArray[np.floating], context: NDArray[np.floating] | None = None
    ) -> NDArray[np.float32]:
        """Predict every month of driver series that has a complete past.

        The one road to numbers: towers, tests and maps all come here.

        Parameters
        ----------
        pft
            Type of forest that the series grow on.
        x
            ``(series, time, driver)``, canonical units, drivers as in ``window.drivers``.
        context
            ``(series, statistic, driver)``, what the places are like in the long run, as of
            `xnee.context.series_context`; by default that of `x` itself. Networks without context ignore it.

        Returns
        -------
        numpy.ndarray
            ``(member, series, time)``, g C m-2 month-1, positive into the atmosphere; NaN in the first `lags`
            months and wherever a window holds a gap.

        Raises
        ------
        ValueError
            If the name is not a PFT.
        """
        check_pfts([pft])
        ensemble = self.ensembles[pft]
        if context is None:
            if ensemble.inputs.statistics:
                context = series_context(x, self.window.drivers)
            else:
                context = np.zeros((len(x), len(STATISTICS), x.shape[-1]), dtype="f4")
        return run_ensemble(
            ensemble.weights,
            ensemble.scaler,
            ensemble.inputs,
            x,
            context=context,
            pft=pft,
            length=self.window.length,
            device=self.device,
        )

    def predict_windows(self, samples: xr.Dataset) -> xr.DataArray:
        """Predict samples made by `xnee.windows`.

        Parameters
        ----------
        samples
            ``x (sample, lag, driver)`` and ``context (sample, statistic, driver)`` with coordinate ``pft (sample)``.

        Returns
        -------
        xarray.DataArray
            ``(member, sample)``, g C m-2 month-1.

        Raises
        ------
        ValueError
            If the windows have another number of lags.
        """
        if samples.sizes["lag"] != self.window.length:
            msg = (
                f"this model reads windows of {self.window.length} months, these have {samples.sizes['lag']}; "
                f"make them with lags={self.window.lags}."
            )
            raise ValueError(msg)
        pft = labels(samples["pft"])
        y = np.full((self.members, pft.size), np.nan, dtype="f4")
        own = samples[["x", "context"]].sel(driver=list(self.window.drivers))
        x, context = own["x"].to_numpy(), own["context"].to_numpy()
        for name in np.unique(pft):
            rows = pft == name
            y[:, rows] = self.predict_series(str(name), x[rows], context[rows])[..., -1]
        by_sample = {name: samples[name] for name in ("site", "time", "pft") if name in samples.coords}
        return xr.DataArray(y, dims=("member", "sample"), coords=by_sample)

    @cached_property
    def fingerprint(self) -> str:
        """Sixteen hex digits that change when a weight, a scale or a setting does."""
        digest = hashlib.sha256()
        digest.update(json.dumps(asdict(self.window), sort_keys=True).encode())
        for pfts, ensemble in self.distinct().items():
            digest.update(json.dumps([pfts, asdict(ensemble.inputs), asdict(ensemble.approach)]).encode())
            for key in sorted(ensemble.weights):
                digest.update(np.ascontiguousarray(ensemble.weights[key]).tobytes())
            scaler = ensemble.scaler
            digest.update(np.concatenate([scaler.mean, scaler.std, [scaler.target_mean, scaler.target_std]]).tobytes())
        return digest.hexdigest()[:16]

    def __dask_tokenize__(self) -> tuple[str, str]:
        """Name this model in a dask graph by its content, so that the same model gives the same keys."""
        return ("xnee.NEEModel", self.fingerprint)

    def save(self, path: str | Path) -> Path:
        """Write the model as a folder of JSON and safetensors.

        Parameters
        ----------
        path
            Folder to make; it must not exist.

        Returns
        -------
        pathlib.Path
            The folder.

        Raises
        ------
        FileExistsError
            If `path` exists.
        """
        from xnee.models.storage import save_model

        return save_model(self, path)

    def to_text(self) -> str:
        """Describe the model in a few lines: drivers, training and skill per PFT, and what fell back.

        Returns
        -------
        str
            Lines of text, as printed by ``repr``.
        """
        head = (
            f"<NEEModel {self.strategy}, {self.members} LSTMs per type, lags 0-{self.window.lags} months, "
            f"fingerprint {self.fingerprint}>\n"
            f"drivers: {', '.join(self.window.drivers)}\n"
            f"held out: the last {self.provenance.get('test_fraction', 0):.0%} of each site's windows\n"
            f"{'PFT':<6}{'windows':>8}{'sites':>6}{'train R2':>10}{'test R2':>9}{'MAE':>7}{'RMSE':>7}"
            "   g C m-2 month-1   networks"
        )
        lines = [head, *(self._row(pft) for pft in PFTS)]
        lost, gaps = self.provenance.get("dropped", {}).get("driver gap", 0), self.provenance.get("gaps_by_driver", {})
        if lost:
            most = sorted((name for name in gaps if gaps[name]), key=lambda name: -gaps[name])[:3]
            lines.append(
                f"{lost:,} of {self.provenance['site_months']:,} site-months lost to gaps in drivers, most by "
                f"{', '.join(f'{name} ({gaps[name]:,})' for name in most)}; fewer drivers, more windows"
            )
        if self.fallback:
            lines.append(
                f"* too few windows ({', '.join(self.fallback)}): predicted by networks that learned from other types"
            )
        return "\n".join(lines)

    def _row(self, pft: str) -> str:
        s = self.scores.sel(pft=pft)
        windows, sites = int(s["n"].sel(split="train")), list(self.provenance.get("site_pft", [])).count(pft)
        test = s.sel(split="test")
        values = (float(s["R2"].sel(split="train")), float(test["R2"]), float(test["MAE"]), float(test["RMSE"]))
        shown = "{:>10.2f}{:>9.2f}{:>7.1f}{:>7.1f}".format(*values).replace("nan", "  -")
        mark = "*" if pft in self.fallback else ""
        ensemble = self.ensembles[pft]
        how = f"{ensemble.approach}, {ensemble.approach.network.hidden} units, {ensemble.windows} windows"
        return f"{pft + mark:<6}{windows:>8}{sites:>6}{shown}{'':>20}{how}"

    def __repr__(self) -> str:
        """Describe the model as text."""
        return self.to_text()

    def _repr_html_(self) -> str:
        """Describe the model in a notebook."""
        return f"<pre>{html.escape(self.to_text())}</pre>{self.scores._repr_html_()}"
