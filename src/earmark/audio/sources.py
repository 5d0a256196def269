"""Where the bytes of a recording come from: a path, bytes, or a binary file."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, BinaryIO, TypeAlias

from earmark.audio.faults import REPLACE
from earmark.errors import AudioError

Source: TypeAlias = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO | IO[bytes]


def describe(source: object) -> str:
    """Name of a source in messages."""
    if isinstance(source, str | os.PathLike):
        return str(source)
    name = getattr(source, "name", None)
    return name if isinstance(name, str) else f"<{type(source).__name__}>"


@contextmanager
def opened(source: Source, name: str) -> Iterator[BinaryIO]:
    """A seekable binary file at its start, for any kind of source."""
    if isinstance(source, str | os.PathLike):
        file = _open_path(Path(source), name)
        with io.BufferedReader(file) as reader:
            try:
                yield reader
            finally:
                if file.failure is not None:
                    detail = file.failure.strerror or "cannot be read"
                    raise AudioError("unreadable", name, detail, "check the disk") from file.failure
        return
    if isinstance(source, bytes | bytearray | memoryview):
        stream: Any = io.BytesIO(source)
    elif hasattr(source, "seekable") and source.seekable():
        stream = source
        stream.seek(0)
    elif hasattr(source, "read"):
        stream = io.BytesIO(source.read())
    else:
        remedy = "pass a path, bytes, a binary file, or a NumPy array with its rate"
        raise AudioError("not-audio", name, f"a {type(source).__name__} is no recording", remedy)
    if not stream.read(1):
        raise AudioError("empty", name, "0 bytes", REPLACE)
    stream.seek(0)
    yield stream


class File(io.FileIO):
    """Ends where the disk or the share fails, and keeps the failure: libsndfile would print it and call the recording cut off."""

    failure: OSError | None = None

    def readinto(self, buffer: Any) -> int | None:
        try:
            return super().readinto(buffer)
        except OSError as error:
            self.failure = error
            return 0


def _open_path(path: Path, name: str) -> File:
    try:
        # By descriptor, so that soundfile sees no file name and cannot judge by the extension.
        if path.is_fifo():
            raise AudioError("unreadable", name, "is a pipe", "write it to a file, or pass its bytes from Python")
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        if path.is_dir():
            os.close(handle)
            raise IsADirectoryError(21, "is a folder")
    except FileNotFoundError as error:
        raise AudioError("missing", name, "no such file", "check the path") from error
    except OSError as error:
        raise AudioError(
            "unreadable", name, error.strerror or "cannot be opened", "check the path and its permissions"
        ) from error
    file = File(handle)
    if os.fstat(handle).st_size == 0:
        file.close()
        raise AudioError("empty", name, "0 bytes", REPLACE)
    return file
