"""What a search gives: the table of all trials, what to take, and how it does on the months held out."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from xnee.models.search.choosing import Choice, choose
from xnee.models.search.outer import outer_scores
from xnee.models.search.space import Space
from xnee.models.search.store import FORMAT, SETTINGS, read_arrays, read_json, write_arrays, write_json

__all__ = ["Search", "load_search"]

_TABLE = "table.npz"


@dataclass(frozen=True)
class Search:
    """A finished search.

    Parameters
    ----------
    table
        Every trial of every forest type; columns as of `xnee.models.search.choosing.trial_table`.
    space
        What was tried.
    settings
        All that decided the result: plain JSON values.
    left_out
        Forest types that had too few windows, and why.
    folder
        Where it is kept, or None.
    """

    table: pd.DataFrame
    space: Space
    settings: Mapping[str, Any]
    left_out: Mapping[str, str]
    folder: Path | None = None

    @property
    def pfts(self) -> tuple[str, ...]:
        """Forest types that were searched."""
        return tuple(dict.fromkeys(self.table["pft"]))

    def best(self, pft: str, *, rule: str = "one-se") -> Choice:
        """Choose the settings of a forest type.

        Parameters
        ----------
        pft
            One of those searched.
        rule
            ``"one-se"``: the smallest network, then the fewest epochs, then the strongest decay, within one
            standard error of the lowest loss; ``"argmax"``: the best score, which is the luckiest too.

        Returns
        -------
        Choice
            Ready for `xnee.fit`, with its stability over the inner folds.

        Raises
        ------
        ValueError
            If the type was not searched, the rule is unknown or every trial diverged.
        """
        return choose(self.table, pft, loss=self.space.loss, rule=rule)

    def outer(self, sites: xr.Dataset, *, members: int = 5) -> pd.DataFrame:
        """Score the choices on the outer test months, which selection never saw.

        Trains each choice on the whole training part. Look once, at the end: who chooses by these numbers has no
        test left. A search with a folder keeps them there and gives the same ones from then on.

        Parameters
        ----------
        sites
            The towers of the search.
        members
            Networks whose mean is scored.

        Returns
        -------
        pandas.DataFrame
            One row for each type and rule (``one-se``, ``argmax``): inner ``loss``, and ``R2``, ``RMSE`` and its
            standard error ``RMSE_se`` (g C m-2 month-1) of ``windows`` test windows.

        Raises
        ------
        ValueError
            If the towers are not those of the search, or nothing was held out.
        """
        file = None if self.folder is None else self.folder / f"outer-{members}.npz"
        if file is not None and file.is_file():
            try:
                return _frame(read_arrays(file))
            except Exception as error:  # what a damaged archive raises is numpy's choice
                msg = f"{file} is damaged: {error}. Remove it: it is made again from the search."
                raise ValueError(msg) from error
        choices = [self.best(pft, rule=rule) for pft in self.pfts for rule in ("one-se", "argmax")]
        scores = outer_scores(sites, choices, self.settings, members=members)
        if file is not None:
            write_arrays(file, **_columns(scores))
        return scores

    def save(self, path: str | Path) -> Path:
        """Write settings and table as a folder of JSON and npz.

        Parameters
        ----------
        path
            Folder to make; it must not exist.

        Returns
        -------
        pathlib.Path
            The folder, for `load_search`.

        Raises
        ------
        FileExistsError
            If `path` exists.
        """
        folder = Path(path)
        if folder.exists():
            msg = f"{folder} exists already; searches are never overwritten. Choose another folder."
            raise FileExistsError(msg)
        folder.mkdir(parents=True)
        write_json(folder / SETTINGS, {"format": FORMAT, "settings": dict(self.settings), "cache": 0})
        write_table(folder, self)
        return folder

    def to_text(self) -> str:
        """Describe the search: what was tried, and the choice of each type.

        Returns
        -------
        str
            Lines of text, as printed by ``repr``.
        """
        s = self.settings
        trials = int(self.table["loss"].notna().sum())
        lines = [
            f"<Search of {len(self.space):,} combinations, {trials:,} trials scored, {s['method']}, "
            f"{s['folds']} inner folds ({s['inner']}), seed {s['seed']}>",
            f"drivers: {', '.join(s['drivers'])}; lags 0-{s['lags']}",
            "smallest network within one standard error of the lowest inner loss:",
            *(_line(self, pft) for pft in self.pfts),
            *(f"not searched: {reason}" for reason in self.left_out.values()),
        ]
        return "\n".join(lines)

    def __repr__(self) -> str:
        """Describe the search as text."""
        return self.to_text()

    def _repr_html_(self) -> str:
        """Describe the search in a notebook."""
        return f"<pre>{html.escape(self.to_text())}</pre>"


def _line(search: Search, pft: str) -> str:
    try:
        return str(search.best(pft))
    except ValueError as error:
        return f"{pft:<5}{error}"


def write_table(folder: Path, search: Search) -> None:
    """Write the table of a search, the last file of its folder.

    Parameters
    ----------
    folder
        With its settings.
    search
        Finished.
    """
    write_json(folder / "space.json", {"space": asdict(search.space), "left_out": dict(search.left_out)})
    write_arrays(folder / _TABLE, **_columns(search.table))


def _columns(table: pd.DataFrame) -> dict[str, Any]:
    """Columns as arrays of numbers and of text, in order."""
    return {
        str(name): column.to_numpy().astype("U") if column.dtype.kind not in "bif" else column.to_numpy()
        for name, column in table.items()
    }


def _frame(columns: Mapping[str, np.ndarray[Any, Any]]) -> pd.DataFrame:
    return pd.DataFrame({name: list(map(str, v)) if v.dtype.kind == "U" else v for name, v in columns.items()})


def load_search(path: str | Path) -> Search:
    """Read a finished search.

    Parameters
    ----------
    path
        The folder of a search, or one that `Search.save` wrote.

    Returns
    -------
    Search
        With the same table.

    Raises
    ------
    FileNotFoundError
        If the folder holds no search, or one that is not finished.
    ValueError
        If a file is damaged or its format is newer than this package.

    Examples
    --------
    >>> load_search("nowhere")
    Traceback (most recent call last):
        ...
    FileNotFoundError: a finished search is a folder with settings.json and table.npz; nowhere lacks settings.json.
    """
    folder = Path(path)
    for name in (SETTINGS, _TABLE, "space.json"):
        if not (folder / name).is_file():
            msg = f"a finished search is a folder with {SETTINGS} and {_TABLE}; {folder} lacks {name}."
            if name == _TABLE:
                msg += " Run the same search again: it goes on where it was."
            raise FileNotFoundError(msg)
    card, words = read_json(folder / SETTINGS), read_json(folder / "space.json")
    try:
        if card["format"] > FORMAT:
            msg = f"format {card['format']} is newer than this xnee reads ({FORMAT}); update xnee"
            raise ValueError(msg)
        space, settings, left_out = Space(**words["space"]), dict(card["settings"]), dict(words["left_out"])
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        msg = f"{folder} holds no search that can be read: {error!r}. Search again into another folder."
        raise ValueError(msg) from error
    try:
        table = _frame(read_arrays(folder / _TABLE))
    except Exception as error:
        msg = f"{folder / _TABLE} is damaged: {error}. Remove it and run the search again: results are kept."
        raise ValueError(msg) from error
    return Search(table, space, settings, left_out, folder)
