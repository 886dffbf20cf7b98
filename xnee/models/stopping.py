"""Early stopping: keep each network as it was when it did best on windows that it did not learn from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from xnee.models.lstm import forward_series
from xnee.models.training import Job

__all__ = ["BestWeights"]


class BestWeights:
    """Watches networks while they train; give it to `xnee.models.training.train` as ``on_epoch``.

    Parameters
    ----------
    x
        Features of all windows, ``(sample, lag, feature)``, not scaled.
    y
        NEE, ``(sample,)``, g C m-2 month-1.
    jobs
        The networks that train.
    watched
        For each, row numbers of windows that it does not learn from.
    patience
        Epochs without a lower loss there after which a network is given up.
    """

    def __init__(
        self,
        x: NDArray[np.floating],
        y: NDArray[np.floating],
        jobs: Sequence[Job],
        watched: Sequence[NDArray[np.int64]],
        *,
        patience: int,
    ) -> None:
        self.patience = patience
        self.lowest = np.full(len(jobs), np.inf)
        self.epoch = np.zeros(len(jobs), dtype=int)
        self.weights: dict[str, NDArray[np.float32]] = {}
        self._jobs = jobs
        self._x = [torch.from_numpy(job.scaler.features(x[rows])) for job, rows in zip(jobs, watched, strict=True)]
        self._y = [
            (y[rows] - job.scaler.target_mean) / job.scaler.target_std for job, rows in zip(jobs, watched, strict=True)
        ]

    def __call__(self, epoch: int, weights: Mapping[str, Tensor]) -> bool:
        """Note which networks are better than ever, and tell whether all have had their time."""
        if not self.weights:
            self.weights = {name: value.cpu().numpy().copy() for name, value in weights.items()}
        for number, job in enumerate(self._jobs):
            own = {name: value[[number]] for name, value in weights.items()}
            features = self._x[number].to(own["head"].device)
            scaled = forward_series(own, features[None], features.shape[1])[0, :, 0].cpu().numpy()
            size, delta = np.abs(scaled - self._y[number]), job.training.delta
            linear = job.training.loss == "huber"
            loss = float(np.where(linear & (size > delta), delta * (size - delta / 2), size**2 / 2).mean())
            if loss < self.lowest[number]:
                self.lowest[number], self.epoch[number] = loss, epoch
                for name, value in own.items():
                    self.weights[name][number] = value[0].cpu().numpy()
        return bool((epoch - self.epoch >= self.patience).all())
