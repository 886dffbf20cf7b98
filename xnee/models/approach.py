"""Ways to make the networks of a forest type."""

from __future__ import annotations

from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Literal, cast, get_args

from xnee.models.lstm import LSTMSpec
from xnee.models.training import FitSpec

__all__ = ["STRATEGIES", "Approach", "Strategy", "approach"]

Strategy = Literal["per-pft", "pooled", "fine-tuned"]
STRATEGIES: tuple[str, ...] = get_args(Strategy)

_STEPS = 2400
_EPOCHS = (80, 60, 40, 30, 20)
"""Few windows are seen often, many seldom: the first of these numbers of epochs that needs no more than these steps."""


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
        Settings of the second training of fine-tuned networks; by default those of the first, with 10 epochs and a
        learning rate of 1e-3.

    Raises
    ------
    ValueError
        If the strategy is unknown.
    TypeError
        If settings are not of their kind.
    """

    strategy: Strategy
    context: bool
    network: LSTMSpec
    training: FitSpec | None = None
    tuning: FitSpec | None = None

    def __post_init__(self) -> None:
        """Check names and kinds."""
        if self.strategy not in STRATEGIES:
            near = get_close_matches(str(self.strategy).lower().replace("_", "-"), [*STRATEGIES, "auto"], n=1)
            msg = (
                f"strategy must be one of {STRATEGIES}, or 'auto' to let left-out sites decide; got {self.strategy!r}."
                + (f" Did you mean {near[0]!r}?" if near else "")
            )
            raise ValueError(msg)
        for name, kind, value in (("network", LSTMSpec, self.network), ("training", FitSpec, self.training)):
            if not isinstance(value, kind) and not (name == "training" and value is None):
                msg = f"{name} must be a {kind.__name__}, e.g. xnee.{kind.__name__}(); got {value!r}."
                raise TypeError(msg)

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
            With training settings: those given, else as many of 80, 60, 40, 30 or 20 epochs as stay within 2,400 steps,
            at least 20.

        Examples
        --------
        >>> few, many = (approach("pooled", context=True).settled(n).training.epochs for n in (500, 5000))
        >>> few, many
        (80, 20)
        """
        training = self.training
        if training is None:
            batch = FitSpec().batch
            steps = -(-windows // batch)
            epochs = next((n for n in _EPOCHS if n * steps <= _STEPS), _EPOCHS[-1])
            training = FitSpec(epochs=epochs, batch=batch, learning_rate=3e-3)
        tuning = self.tuning or replace(training, epochs=10, learning_rate=1e-3)
        return replace(self, training=training, tuning=tuning)

    def pooled(self) -> Approach:
        """Give what stands in for a type with too few windows, and what fine-tuned networks start from."""
        return replace(self, strategy="pooled", tuning=None)

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
    way = cast("Strategy", strategy)
    return Approach(
        strategy=way, context=bool(context), network=LSTMSpec() if network is None else network, training=training
    )
