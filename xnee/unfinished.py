"""Long work that survives a kill: a folder beside the target that tells what is done, and gives it its name at the end.

Next to the target ``x`` grows a folder ``x.partial``::

    lock             held by the run that is writing
    settings.json    what is being made; the folder is of use once this is here
    store.zarr       what is being made
    done/            one small file for each finished part
    finished         the settings again: the result is complete and is being moved to its name

A process may die at any point. The same command goes on with the parts that have no file in ``done/``.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import socket
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

__all__ = ["Unfinished", "check_folder", "consolidate", "sync", "write_text"]


@dataclass(frozen=True, kw_only=True)
class Unfinished:
    """Something that is being made.

    Parameters
    ----------
    target
        The name that it gets in the end.
    """

    target: Path
    noun: ClassVar[str] = "work"

    @property
    def folder(self) -> Path:
        """Where all of it is."""
        return self.target.with_name(f"{self.target.name}.partial")

    @property
    def store(self) -> Path:
        """The zarr group that is being written."""
        return self.folder / "store.zarr"

    @property
    def result(self) -> Path:
        """What gets the name of the target."""
        return self.store

    @property
    def _settings(self) -> Path:
        return self.folder / "settings.json"

    @property
    def _finished(self) -> Path:
        return self.folder / "finished"

    def begun(self, settings: Mapping[str, str]) -> bool:
        """Tell whether a run with the same settings began it; refuse one with others.

        Parameters
        ----------
        settings
            What is to be made: two runs with equal settings make the same.

        Returns
        -------
        bool
            False if there is nothing yet, or only what was there before `begin`.

        Raises
        ------
        ValueError
            If it was begun with other settings.
        """
        if not self._settings.exists():
            return False
        before = json.loads(self._settings.read_text())
        differ = [
            f"{name} was {before.get(name)!r}, is {settings.get(name)!r}"
            for name in sorted({*before, *settings})
            if before.get(name) != settings.get(name)
        ]
        if differ:
            msg = (
                f"{self.folder} is an unfinished {self.noun} made from something else: {'; '.join(differ)}. Finish it "
                "with the command that began it, delete the folder, or write to another name."
            )
            raise ValueError(msg)
        return True

    def begin(self, settings: Mapping[str, str]) -> None:
        """Note that the store is ready for its parts.

        Parameters
        ----------
        settings
            As for `begun`.
        """
        (self.folder / "done").mkdir(exist_ok=True)
        write_text(self._settings, json.dumps(dict(settings), indent=1))

    def entry(self, part: str) -> dict[str, Any] | None:
        """Read what is noted of a part.

        Parameters
        ----------
        part
            Its name.

        Returns
        -------
        dict or None
            None if it is not finished.
        """
        note = self._note(part)
        return json.loads(note.read_text()) if note.exists() else None

    def note(self, part: str, entry: Mapping[str, Any]) -> None:
        """Note that a part is in the store.

        Parameters
        ----------
        part
            Its name.
        entry
            What is to be said about it; JSON.
        """
        write_text(self._note(part), json.dumps(dict(entry)))

    def forget(self, part: str) -> None:
        """Take back a note, before the part is made anew.

        Parameters
        ----------
        part
            Its name.
        """
        self._note(part).unlink(missing_ok=True)

    def _note(self, part: str) -> Path:
        return self.folder / "done" / f"{part}.json"

    def empty(self) -> bool:
        """Tell whether no part is finished.

        Returns
        -------
        bool
            True if nothing is lost with the folder.
        """
        return not any((self.folder / "done").iterdir())

    def publish(self) -> None:
        """Give the result the name of the target and remove the folder."""
        if self.result.is_file():
            sync(self.result)
        else:
            if (self.result / "zarr.json").is_file():
                consolidate(self.result)
            os.sync()  # thousands of chunks, none of which was waited for
        write_text(self._finished, self._settings.read_text())
        self._name()
        self.clear()

    def _name(self) -> None:
        """Move a complete result to its name; what a run that was stopped has done of it is not done again."""
        if self.result.exists():
            if self.target.is_dir():  # a folder cannot be renamed over another one
                os.replace(self.target, self.folder / "replaced")
            os.replace(self.result, self.target)
            sync(self.target.parent)

    def published(self) -> bool:
        """Tell whether a run was stopped while the complete result got its name; give it that name.

        Returns
        -------
        bool
            True if only `clear` is left to do.
        """
        if not self._finished.exists():
            return False
        self._name()
        return self.target.exists()

    def settle(self, settings: Mapping[str, str]) -> bool:
        """Bring a run to its end that was stopped when all was there but the name.

        Parameters
        ----------
        settings
            What is asked for now.

        Returns
        -------
        bool
            True if the target is what is asked for; False if nothing was to be done, or it was something else.
        """
        if not self.published():
            with suppress(OSError):  # a run that was stopped just before its end leaves an empty folder
                self.folder.rmdir()
            return False
        same = bool(json.loads(self._finished.read_text()) == dict(settings))
        self.clear()
        return same

    def clear(self) -> None:
        """Remove the folder; the sign that all is finished goes after all that it speaks of."""
        for child in self.folder.iterdir():
            if child.is_dir():
                shutil.rmtree(child)
            elif child not in (self._finished, self._lock):
                child.unlink()
        for last in (self._finished, self._lock):
            last.unlink(missing_ok=True)
        self.folder.rmdir()

    @property
    def _lock(self) -> Path:
        return self.folder / "lock"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other runs from the target as long as this one works on it.

        The system frees the lock when the process ends, whatever ends it. A disk that knows no locks has none.

        Raises
        ------
        RuntimeError
            If another run holds it.
        """
        handle = _take(self._lock, target=self.target, noun=self.noun)
        try:
            yield
        finally:
            if self.folder.exists() and {path.name for path in self.folder.iterdir()} <= {self._lock.name}:
                self._lock.unlink(missing_ok=True)
                self.folder.rmdir()
            os.close(handle)


def _take(lock: Path, *, target: Path, noun: str) -> int:
    """Open and lock a file, made with its folder where it is not there; give its handle."""
    import fcntl  # here, as only systems with these locks have it

    while True:
        lock.parent.mkdir(exist_ok=True)
        try:
            handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
        except FileNotFoundError:  # the run that held it has just ended and removed the folder
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(handle, 200).decode(errors="replace") or "a run that has just begun"
            os.close(handle)
            msg = (
                f"another run is writing the {noun} {target}: {holder}. Wait until it has ended, or end it and give "
                "this command again, or write to another name."
            )
            raise RuntimeError(msg) from None
        except OSError as error:
            if error.errno not in (errno.ENOTSUP, errno.ENOSYS, errno.ENOLCK):
                os.close(handle)
                raise
        if lock.exists() and os.path.samestat(os.fstat(handle), lock.stat()):
            os.ftruncate(handle, 0)
            now = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
            os.pwrite(handle, f"process {os.getpid()} on {socket.gethostname()}, since {now}".encode(), 0)
            return handle
        os.close(handle)  # it was locked after its holder had removed it: try the one that is there now


def check_folder(target: Path, *, noun: str) -> None:
    """Refuse a target whose folder cannot take it, before any work.

    Parameters
    ----------
    target
        What is to be made.
    noun
        What it is, for the message.

    Raises
    ------
    FileNotFoundError, PermissionError
        If its folder is not there or cannot be written to.
    """
    if not target.parent.is_dir():
        msg = f"the folder {target.parent} of the {noun} {target.name} does not exist. Make it first."
        raise FileNotFoundError(msg)
    if not os.access(target.parent, os.W_OK | os.X_OK):
        msg = f"the folder {target.parent} cannot be written to. Choose another one or change its permissions."
        raise PermissionError(msg)


def consolidate(store: Path) -> None:
    """Put the metadata of a finished zarr store in one place, where ``xr.open_zarr`` looks first.

    Parameters
    ----------
    store
        A zarr group, complete.
    """
    import zarr

    with warnings.catch_warnings():
        # the format of version 3 does not speak of it yet; readers that do not know it read the rest as before
        warnings.simplefilter("ignore")
        zarr.consolidate_metadata(str(store))


def write_text(path: Path, text: str) -> None:
    """Write a small file that is either there as a whole or not at all.

    Parameters
    ----------
    path
        Its final name.
    text
        What it holds.
    """
    part = path.with_name(path.name + ".part")
    part.write_text(text)
    sync(part)
    os.replace(part, path)


def sync(path: Path) -> None:
    """Wait until a file or a folder is on disk.

    Parameters
    ----------
    path
        It must be there.
    """
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
