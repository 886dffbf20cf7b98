"""A bar on standard error that tells how much of the training is done, moved by the threads that train."""

from __future__ import annotations

from threading import Lock
from types import TracebackType

from xnee.bars import bar

__all__ = ["Bar"]

_FORMAT = "{desc}: {percentage:3.0f}%|{bar:20}| {elapsed}<{remaining}"


class Bar:
    """A bar, or nothing.

    Parameters
    ----------
    name
        What is written before it; empty for no bar.
    total
        Amount of work.

    Examples
    --------
    >>> with Bar("", total=3) as bar:
    ...     bar.move(2)
    """

    def __init__(self, name: str, *, total: float) -> None:
        self._bar = bar(total=total, desc=name, bar_format=_FORMAT, disable=not name)
        self._lock = Lock()

    def __enter__(self) -> Bar:
        """Begin."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End; it stays where it is."""
        self._bar.close()

    def move(self, amount: float) -> None:
        """Tell that some work is done.

        Parameters
        ----------
        amount
            How much.
        """
        with self._lock:
            self._bar.update(amount)
