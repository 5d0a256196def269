"""Byte ranges of a file, with made-up bytes between them, as one file: what a decoder is given of a recording."""

from __future__ import annotations

import io
import os
from bisect import bisect_right
from collections.abc import Iterable
from itertools import accumulate
from typing import Any, BinaryIO, TypeAlias, cast

Piece: TypeAlias = bytes | tuple[int, int]
"""Bytes, or first and last byte (excluded) of a range of the file."""

_BUFFER = 1 << 16


class View(io.RawIOBase):
    """Pieces of a file one behind the other, for reading; the file itself is left open.

    Parameters
    ----------
    file : binary file
        Seekable.
    pieces : iterable of bytes or (int, int)
    """

    def __init__(self, file: BinaryIO, pieces: Iterable[Piece]) -> None:
        self._file = file
        self._pieces = [p for p in pieces if (len(p) if isinstance(p, bytes) else p[1] - p[0]) > 0]
        sizes = (len(p) if isinstance(p, bytes) else p[1] - p[0] for p in self._pieces)
        self._ends = list(accumulate(sizes))
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = (0, self._at, self._ends[-1] if self._ends else 0)[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: Any) -> int:
        number = bisect_right(self._ends, self._at)
        if number == len(self._ends):
            return 0
        piece = self._pieces[number]
        count = min(len(buffer), self._ends[number] - self._at)
        if isinstance(piece, bytes):
            into = len(piece) - (self._ends[number] - self._at)
            buffer[:count] = piece[into : into + count]
        else:
            self._file.seek(piece[1] - (self._ends[number] - self._at))
            found = self._file.read(count)
            count = len(found)
            buffer[:count] = found
        self._at += count
        return count


def view(file: BinaryIO, *pieces: Piece) -> BinaryIO:
    """A buffered `View`, so that a decoder's many small reads cost little."""
    return cast(BinaryIO, io.BufferedReader(View(file, pieces), _BUFFER))
