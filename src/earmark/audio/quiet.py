"""Silence for libmpg123, which writes to standard error what it thinks of a recording."""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()


class _Stream:
    """C's variable ``stderr``: exchanging it leaves the file descriptor, and so everything that Python writes, as it is.

    The GNU C library documents it as a variable that may be set, and macOS has one too. Elsewhere nothing is done.
    """

    def __init__(self) -> None:
        self.users = 0
        self._shown: int | None = None
        self._variable: ctypes.c_void_p | None = None
        self._nothing: int | None = None
        name = {"linux": "stderr", "darwin": "__stderrp"}.get(sys.platform)
        if name is None:
            return
        try:
            library = ctypes.CDLL(None)
            if name == "stderr" and not hasattr(library, "gnu_get_libc_version"):
                return
            library.fopen.restype = ctypes.c_void_p
            self._nothing = library.fopen(os.devnull.encode(), b"w")
            self._variable = ctypes.c_void_p.in_dll(library, name) if self._nothing else None
        except (OSError, AttributeError, ValueError):
            self._variable = None

    def hide(self) -> None:
        if self._variable is not None:
            self._shown, self._variable.value = self._variable.value, self._nothing

    def show(self) -> None:
        if self._variable is not None:
            self._variable.value = self._shown


_stream: _Stream | None = None


@contextmanager
def muted(needed: bool = True) -> Iterator[None]:
    """Let C libraries write nothing to standard error meanwhile; threads may be inside at the same time.

    Parameters
    ----------
    needed : bool
        Otherwise nothing is done.
    """
    global _stream
    if not needed:
        yield
        return
    with _lock:
        _stream = _stream or _Stream()
        stream = _stream
        if stream.users == 0:
            stream.hide()
        stream.users += 1
    try:
        yield
    finally:
        with _lock:
            stream.users -= 1
            if stream.users == 0:
                stream.show()
