"""How long a classic NetCDF file must be: the library reads what a broken download lacks as zeros."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import BinaryIO

__all__ = ["check_whole"]

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 4, 6: 8, 7: 1, 8: 2, 9: 4, 10: 8, 11: 8}  # bytes of each type of the format
_MOST = 100_000  # entries of a list: more are a broken header


@dataclass(frozen=True)
class _Header:
    """Reads the parts of a header; versions 1 and 2 count in 4 bytes, version 5 in 8."""

    stream: BinaryIO
    version: int

    def number(self, size: int) -> int:
        """Read one number."""
        content = self.stream.read(size)
        if len(content) < size:
            msg = "its header ends too early"
            raise ValueError(msg)
        return int.from_bytes(content, "big")

    def count(self) -> int:
        """Read a count."""
        return self.number(8 if self.version == 5 else 4)

    def entries(self) -> int:
        """Read how many entries a list has."""
        self.number(4)
        many = self.count()
        if many > _MOST:
            msg = "its header is broken"
            raise ValueError(msg)
        return many

    def skip(self, size: int) -> None:
        """Pass over some bytes and the padding to a multiple of four."""
        self.stream.seek(-(-size // 4) * 4, 1)

    def attributes(self) -> None:
        """Pass over a list of attributes."""
        for _ in range(self.entries()):
            self.skip(self.count())
            size = _SIZES.get(self.number(4), 0)
            self.skip(size * self.count())


def check_whole(path: str) -> None:
    """Refuse a classic NetCDF file that is shorter than its header says.

    Parameters
    ----------
    path
        Any file; those of another format are let through.

    Raises
    ------
    ValueError
        If it is classic NetCDF (CDF-1, 2 or 5) and bytes are missing.
    """
    with Path(path).open("rb") as stream:
        magic = stream.read(4)
        if magic[:3] != b"CDF" or magic[3] not in (1, 2, 5):
            return
        needed = _length(_Header(stream, magic[3]))
    size = Path(path).stat().st_size
    if size < needed:
        msg = f"{size} of {needed} bytes are there"
        raise ValueError(msg)


def _length(header: _Header) -> int:
    """Work out where the last value of a file ends."""
    records = header.count()
    records = 0 if records in (2**32 - 1, 2**64 - 1) else records  # still being written
    lengths = []
    for _ in range(header.entries()):
        header.skip(header.count())
        lengths.append(header.count())
    header.attributes()
    ends, recorded = [0], []
    for _ in range(header.entries()):
        header.skip(header.count())
        dims = [header.count() for _ in range(min(header.count(), _MOST))]
        header.attributes()
        size = _SIZES.get(header.number(4), 0)
        header.count()  # its size, which overflows for large variables
        begin = header.number(4 if header.version == 1 else 8)
        if any(dim >= len(lengths) for dim in dims):
            msg = "its header is broken"
            raise ValueError(msg)
        along_records = bool(dims) and lengths[dims[0]] == 0
        bytes_each = size * prod(lengths[dim] for dim in dims[along_records:])
        if along_records:
            recorded.append((begin, bytes_each))
        else:
            ends.append(begin + bytes_each)
    if recorded and records:
        # A record holds one entry of each such variable, padded to four bytes unless there is only one.
        step = recorded[0][1] if len(recorded) == 1 else sum(-(-each // 4) * 4 for _, each in recorded)
        ends += [begin + (records - 1) * step + each for begin, each in recorded]
    return max(ends)
