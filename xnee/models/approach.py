"""Ways to make the networks of a forest type."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, cast, get_args

from xnee.models.lstm import LSTMSpec
from xnee.models.training import FitSpec

__all__ = ["STRATEGIES", "Approach", "Strategy", "approach"]

Strategy = Literal["per-pft", "pooled", "fine-tuned"]
STRATEGIES: tuple[str, ...] = get_args(Strategy)

_TUNING = FitSpec(epochs=10, batch=32, learning_rate=1e-3)
_STEPS = 2400
_EPOCHS = (80, 60, 40, 30, 20)
"""Networks take about so many steps, in one of these numbers of epochs: few windows are seen often, many seldom."""


@dataclass(frozen=True, kw_only=True)
class Approach:
    """How the networks of a forest type come about.

    Parameters
    ----------
    strategy
        ``"per-pft"``: from its own windows; ``"pooled"``: from those of all types, the type is an input;
        ``"fine-tuned"``: pooled first, then trained on with its own windows.
    context
        Whether the networks read what the site is like in the long run, see `xnee.site_context`.
    network, training
        Shape and settings; of fine-tuned networks, those of the pooled ones that they start from. Without settings
        the number of epochs follows from the number of windows, see `Approach.settled`.
    tuning
        Settings of the second training of fine-tuned networks.
    """

    strategy: Strategy
    context: bool
    network: LSTMSpec
    training: FitSpec | None = None
    tuning: FitSpec = _TUNING

    @property
    def reads_pft(self) -> bool:
        """Whether the forest type is an input."""
        return self.strategy != "per-pft"

    def settled(self, windows: int) -> Approach:
        """Fill in how long to train.

        Parameters
        ----------
        windows
            Number of training windows.

        Returns
        -------
        Approach
            With training settings: those given, else from 80 epochs of few windows down to 20 of many, so that the
            number of steps is about 2,400.

        Examples
        --------
        >>> few, many = (approach("pooled", context=True).settled(n).training.epochs for n in (500, 5000))
        >>> few, many
        (80, 20)
        """
        if self.training is not None:
            return self
        batch = FitSpec().batch
        steps = -(-windows // batch)
        epochs = next((n for n in _EPOCHS if n * steps <= _STEPS), _EPOCHS[-1])
        return replace(self, training=FitSpec(epochs=epochs, batch=batch, learning_rate=3e-3))

    def pooled(self) -> Approach:
        """Give what stands in for a type with too few windows, and what fine-tuned networks start from."""
        if self.strategy == "fine-tuned":
            return replace(self, strategy="pooled")
        return approach("pooled", context=self.context)

    def __str__(self) -> str:
        """Say it in words."""
        return f"{self.strategy}{' with context' if self.context else ''}"


def approach(
    strategy: str, *, context: bool, network: LSTMSpec | None = None, training: FitSpec | None = None
) -> Approach:
    """Fill an approach up with the settings that suit it.

    Parameters
    ----------
    strategy, context
        As of `Approach`.
    network, training
        Other settings than those.

    Returns
    -------
    Approach
        Ready to be trained.

    Raises
    ------
    ValueError
        If the strategy is unknown.

    Examples
    --------
    >>> print(approach("pooled", context=True))
    pooled with context
    """
    if strategy not in STRATEGIES:
        msg = f"strategy must be one of {STRATEGIES}, or 'auto' to let left-out sites decide; got {strategy!r}."
        raise ValueError(msg)
    way = cast("Strategy", strategy)
    return Approach(strategy=way, context=bool(context), network=network or LSTMSpec(), training=training)
