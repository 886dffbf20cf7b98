"""How far a long work is, on standard error: a bar on a terminal, a line now and then in the log of a job."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from tqdm import tqdm

__all__ = ["bar"]

_EVERY = 60
"""Seconds between lines."""


def bar(work: Iterable[Any] | None = None, **words: Any) -> Any:
    """Make a bar of tqdm, which draws itself over and over; where that would fill a file, lines instead.

    Parameters
    ----------
    work
        What is gone through, if anything.
    **words
        As of tqdm: ``desc``, ``total``, ``disable``...

    Returns
    -------
    tqdm.tqdm
        In a log it writes a line when it begins, one a minute, and one at the end.

    Examples
    --------
    >>> sum(bar([1, 2, 3], disable=True))
    6
    """
    # a notebook is no terminal and draws bars
    if sys.stderr.isatty() or "ipykernel" in sys.modules:
        return tqdm(work, **words)
    return tqdm(work, **words, file=_Lines(), mininterval=_EVERY, maxinterval=_EVERY, miniters=0, position=0)


class _Lines:
    """A file on which each state of a bar is a line of its own."""

    def __init__(self) -> None:
        self._last = ""

    def write(self, text: str) -> None:
        line = text.strip()
        if line and line != self._last:
            sys.stderr.write(f"{line}\n")
            self._last = line

    def flush(self) -> None:
        sys.stderr.flush()
