"""What prediction asks of a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from xnee.windowing import WindowSpec

__all__ = ["Model"]


class Model(Protocol):
    """Anything that predicts series of drivers: a fitted `NEEModel`, or a double in a test."""

    @property
    def window(self) -> WindowSpec:
        """Drivers and lags."""
        ...

    @property
    def members(self) -> int:
        """Networks in an ensemble."""
        ...

    @property
    def fallback(self) -> Sequence[str]:
        """PFTs predicted by a stand-in."""
        ...

    @property
    def fingerprint(self) -> str:
        """Text that changes when the model does."""
        ...

    def predict_series(
        self, pft: str, x: NDArray[np.floating], context: NDArray[np.floating] | None = None
    ) -> NDArray[np.float32]:
        """Map ``(series, time, driver)`` to ``(member, series, time)``, NaN where a window has a gap.

        The context of places, ``(series, statistic, driver)``, is given only where a cube holds one.
        """
        ...
