"""Things that travel to other processes as bytes, and are unpacked once in each."""

from __future__ import annotations

import pickle
from collections import OrderedDict
from collections.abc import Callable
from hashlib import sha256
from threading import Lock
from typing import Generic, TypeVar

import cloudpickle

__all__ = ["Parcel"]

T = TypeVar("T")
_KEPT = 4
"""Contents that a process keeps after they were unpacked."""
_unpacked: OrderedDict[str, Parcel[object]] = OrderedDict()
_lock = Lock()


class Parcel(Generic[T]):
    """A thing that threads share as it is, and that other processes get as bytes.

    A model is read by every tile of a map. A dask graph that holds it as it is would have it pickled for each task, and
    each task would build it anew. A parcel is pickled once, and a process that gets the same bytes again, with whatever
    task, takes the content that it has built already.

    Parameters
    ----------
    content
        Anything that can be pickled.

    Examples
    --------
    >>> twice = [pickle.loads(pickle.dumps(Parcel([1, 2]))) for _ in range(2)]
    >>> twice[0].content is twice[1].content
    True
    """

    def __init__(self, content: T) -> None:
        self.content = content
        self._data: bytes | None = None

    def __reduce__(self) -> tuple[Callable[[str, bytes], Parcel[object]], tuple[str, bytes]]:
        """Pickle as bytes and their digest."""
        with _lock:
            if self._data is None:
                self._data = cloudpickle.dumps(self.content)
        return _unpack, (sha256(self._data).hexdigest(), self._data)


def _unpack(digest: str, data: bytes) -> Parcel[object]:
    with _lock:
        if digest in _unpacked:
            _unpacked.move_to_end(digest)
            return _unpacked[digest]
    # not under the lock: what is unpacked may hold parcels itself
    parcel: Parcel[object] = Parcel(pickle.loads(data))
    parcel._data = data  # it may travel on to another worker
    with _lock:
        parcel = _unpacked.setdefault(digest, parcel)
        while len(_unpacked) > _KEPT:
            _unpacked.popitem(last=False)
    return parcel
