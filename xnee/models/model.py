"""What `fit` gives: ensembles with all that is needed to predict, score, describe and store them."""

from __future__ import annotations

import hashlib
import html
import json
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray

from xnee.models.lstm import LSTMSpec, forward_series
from xnee.models.scaling import Scaler, encode
from xnee.models.training import FitSpec, threads
from xnee.pft import PFTS, check_pfts
from xnee.variables import labels
from xnee.windowing import WindowSpec, complete

__all__ = ["POOLED", "Ensemble", "NEEModel"]

POOLED = "pooled"
_BLOCK_BYTES = 64_000_000
"""Gate activations that a kernel call may hold; series are fed in blocks of this size."""


@dataclass(frozen=True)
class Ensemble:
    """Networks trained on the same windows from different seeds.

    Parameters
    ----------
    weights
        As of `xnee.models.lstm.initial_weights`; the network axis counts members.
    scaler
        Scales of the training windows.
    windows
        Number of training windows.
    sites
        Ids of the training sites.
    """

    weights: Mapping[str, NDArray[np.float32]]
    scaler: Scaler
    windows: int
    sites: tuple[str, ...]

    @property
    def members(self) -> int:
        """Networks in the ensemble."""
        return len(self.weights["offset"])


@dataclass(frozen=True)
class NEEModel:
    """A fitted model of monthly NEE: an ensemble of LSTMs per plant functional type.

    There is no unfitted NEEModel: `xnee.fit` and `xnee.load_model` give finished ones.

    Parameters
    ----------
    window
        Drivers, lags and target.
    network, training
        Shape of the networks and how they were trained.
    strategy
        ``"per-pft"`` or ``"pooled"``.
    ensembles
        By name: a PFT, or ``"pooled"`` for the one trained on all.
    scores
        Dataset of R2, MAE, RMSE (g C m-2 month-1), bias and n by ``split`` and ``pft``, and by ``split`` and
        ``site`` with the suffix ``_site``.
    provenance
        Sites with licences, versions, counts: plain JSON values.
    device
        Where predictions run, ``"cpu"`` or ``"cuda"``.
    """

    window: WindowSpec
    network: LSTMSpec
    training: FitSpec
    strategy: str
    ensembles: Mapping[str, Ensemble]
    scores: xr.Dataset
    provenance: Mapping[str, Any] = field(default_factory=dict)
    device: str = "cpu"

    @property
    def members(self) -> int:
        """Networks in each ensemble."""
        return next(iter(self.ensembles.values())).members

    @property
    def fallback(self) -> tuple[str, ...]:
        """PFTs that had too few windows for networks of their own and are predicted by the pooled ones."""
        return tuple(pft for pft in PFTS if self.strategy == "per-pft" and pft not in self.ensembles)

    def ensemble(self, pft: str) -> Ensemble:
        """Give the ensemble that predicts a PFT.

        Parameters
        ----------
        pft
            One of ``xnee.PFTS``.

        Returns
        -------
        Ensemble
            Its own, else the pooled one.

        Raises
        ------
        ValueError
            If the name is not a PFT.
        """
        check_pfts([pft])
        return self.ensembles[pft] if pft in self.ensembles else self.ensembles[POOLED]

    def predict_series(self, pft: str, x: NDArray[np.floating]) -> NDArray[np.float32]:
        """Predict every month of driver series that has a complete past.

        The one road to numbers: towers, tests and maps all come here.

        Parameters
        ----------
        pft
            Type of forest that the series grow on.
        x
            ``(series, time, driver)``, canonical units, drivers as in ``window.drivers``.

        Returns
        -------
        numpy.ndarray
            ``(member, series, time)``, g C m-2 month-1, positive into the atmosphere; NaN in the first `lags`
            months and wherever a window holds a gap.
        """
        return _run(self.ensemble(pft), x, self.window, self.device)

    def predict_windows(self, samples: xr.Dataset) -> xr.DataArray:
        """Predict samples made by `xnee.windows`.

        Parameters
        ----------
        samples
            ``x (sample, lag, driver)`` with coordinate ``pft (sample)``.

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
        x = samples["x"].sel(driver=list(self.window.drivers)).to_numpy()
        for name in np.unique(pft):
            y[:, pft == name] = self.predict_series(str(name), x[pft == name])[..., -1]
        by_sample = {name: samples[name] for name in ("site", "time", "pft") if name in samples.coords}
        return xr.DataArray(y, dims=("member", "sample"), coords=by_sample)

    @cached_property
    def fingerprint(self) -> str:
        """Sixteen hex digits that change when a weight, a scale or a setting does."""
        digest = hashlib.sha256()
        specs = {"window": asdict(self.window), "network": asdict(self.network), "strategy": self.strategy}
        digest.update(json.dumps(specs, sort_keys=True).encode())
        for name in sorted(self.ensembles):
            ensemble = self.ensembles[name]
            digest.update(name.encode())
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
            f"<NEEModel {self.strategy}, {self.members} LSTMs of {self.network.hidden} per type, lags 0-"
            f"{self.window.lags} months, fingerprint {self.fingerprint}>\n"
            f"drivers: {', '.join(self.window.drivers)}\n"
            f"held out: the last {self.provenance.get('test_fraction', 0):.0%} of each site's windows\n"
            f"{'PFT':<6}{'windows':>8}{'sites':>6}{'train R2':>10}{'test R2':>9}{'MAE':>7}{'RMSE':>7}   g C m-2 month-1"
        )
        rows = [self._row(pft) for pft in PFTS]
        if POOLED not in self.ensembles:
            return "\n".join([head, *rows])
        pool = self.ensembles[POOLED]
        who = f"* too few windows ({', '.join(self.fallback)}): p" if self.fallback else "P"
        note = f"{who}redicted by one ensemble of {pool.windows} windows of {len(pool.sites)} sites of all types"
        return "\n".join([head, *rows, note])

    def _row(self, pft: str) -> str:
        s = self.scores.sel(pft=pft)
        windows, sites = int(s["n"].sel(split="train")), list(self.provenance.get("site_pft", [])).count(pft)
        test = s.sel(split="test")
        values = (float(s["R2"].sel(split="train")), float(test["R2"]), float(test["MAE"]), float(test["RMSE"]))
        shown = "{:>10.2f}{:>9.2f}{:>7.1f}{:>7.1f}".format(*values).replace("nan", "  -")
        mark = "*" if pft in self.fallback else ""
        return f"{pft + mark:<6}{windows:>8}{sites:>6}{shown}"

    def __repr__(self) -> str:
        """Describe the model as text."""
        return self.to_text()

    def _repr_html_(self) -> str:
        """Describe the model in a notebook."""
        return f"<pre>{html.escape(self.to_text())}</pre>{self.scores._repr_html_()}"


def _run(ensemble: Ensemble, x: NDArray[np.floating], window: WindowSpec, device: str) -> NDArray[np.float32]:
    """Evaluate an ensemble on series, in blocks of bounded memory; see `NEEModel.predict_series`."""
    series, months, _ = x.shape
    y = np.full((ensemble.members, series, months), np.nan, dtype="f4")
    known = complete(x, window.length)
    weights = {name: torch.from_numpy(np.ascontiguousarray(w)).to(device) for name, w in ensemble.weights.items()}
    hidden = weights["head"].shape[1]
    block = max(1, _BLOCK_BYTES // (ensemble.members * months * 4 * hidden * 4))
    rows = np.flatnonzero(known.any(axis=1))
    # dask runs tiles side by side: threads of threads would only get in each other's way
    worker = threading.current_thread() is not threading.main_thread()
    with torch.inference_mode(), threads(1 if worker else torch.get_num_threads()):
        for start in range(0, rows.size, block):
            chosen = rows[start : start + block]
            features = np.nan_to_num(ensemble.scaler.features(encode(x[chosen], window.drivers)))
            scaled = forward_series(weights, torch.from_numpy(features).to(device)[None], window.length).cpu().numpy()
            y[:, chosen, window.lags :] = ensemble.scaler.to_target(scaled)
    y[:, ~known] = np.nan
    return y
