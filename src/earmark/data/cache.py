"""Decoded audio, once: later runs read it memory-mapped, and do not open the recordings again.

A recording is known by its content; a small index remembers which content each path held when it was last looked at.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from earmark import audio
from earmark.data.fingerprint import Fingerprint, Landmarks
from earmark.errors import AudioError, OutputError, SettingsError
from earmark.support.files import as_text, atomic_file, file_state, make_folder
from earmark.types import Facts

_DECODED, _INDEX = "decoded", "index.sqlite"
_VERSION = 3  # of an entry: counts up when decoding, landmarks or facts change
_LENGTH = "length-2"  # counts up when lengths are found otherwise
_SIZE = 20 * 1024**3
_ABANDONED = 24 * 3600  # seconds after which an unfinished entry is of a process that was killed
_UNITS = {"kb": 1024, "mb": 1024**2, "gb": 1024**3, "tb": 1024**4}


def default_folder() -> Path:
    """``EARMARK_CACHE``, else the user's cache folder of the platform."""
    if given := os.environ.get("EARMARK_CACHE"):
        return Path(given)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "earmark" / "cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "earmark"
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "earmark"


def largest_size() -> int:
    """Bytes that the cache may take: ``EARMARK_CACHE_SIZE``, as ``500MB`` or ``20GB`` (the default).

    Raises
    ------
    SettingsError
        Where the variable is no size.
    """
    text = os.environ.get("EARMARK_CACHE_SIZE", "").strip().lower()
    if not text:
        return _SIZE
    try:
        return int(float(text[:-2]) * _UNITS[text[-2:]])
    except (KeyError, ValueError, OverflowError) as error:
        raise SettingsError(f"EARMARK_CACHE_SIZE is {text!r}; give a size such as 500MB or 20GB") from error


@dataclass(frozen=True)
class Decoded:
    """A recording in the cache.

    Attributes
    ----------
    content : str
        First 32 hex digits of the SHA-256 of the file.
    place : Path
        Its decoded samples: raw float32.
    source : Path
        The recording.
    cache : Cache
        Decodes it again, in memory, if it was evicted meanwhile.
    """

    content: str
    place: Path
    source: Path
    cache: Cache

    def samples(self) -> NDArray[np.float32]:
        """The decoded recording, memory-mapped, shape (time,)."""
        try:
            return np.asarray(np.memmap(self.place, np.float32, "r"))
        except FileNotFoundError:
            return self.cache.decode(self.source)

    def landmarks(self) -> Landmarks:
        """Its fingerprint."""
        try:
            return np.fromfile(_print_of(self.place), np.uint32).reshape(-1, 2)[1:]
        except FileNotFoundError:
            fingerprint = Fingerprint(self.cache.sr)
            fingerprint.push(self.cache.decode(self.source))
            return fingerprint.finish()

    def facts(self) -> Facts:
        """What the recording is, at its own rate, as it was measured while it was decoded."""
        try:
            return Facts.from_dict(json.loads(_facts_of(self.place).read_text(encoding="utf-8")))
        except (FileNotFoundError, ValueError, TypeError, KeyError):
            return self.cache.measure(self.source)


class Cache:
    """Decoded recordings, found by the content of the file, the rate and the channel.

    Entries are written to a temporary name and renamed, so that several processes can share a folder.

    Parameters
    ----------
    sr : int
        Rate in Hz.
    channel : int, optional
        Channel to take; the mean of all by default.
    folder : path, optional
        `default_folder` otherwise.
    """

    def __init__(self, sr: int, *, channel: int | None = None, folder: Path | None = None) -> None:
        self.sr = sr
        self._channel = channel
        self._folder = folder or default_folder()
        _made(self._folder / _DECODED)
        self.index = Index(self._folder)
        self._lock = threading.Lock()
        self._written = 0
        self._last: tuple[Path, NDArray[np.float32]] | None = None

    def get(self, path: Path) -> Decoded:
        """Decode a recording, or find it decoded.

        Raises
        ------
        AudioError
            As `earmark.audio.decode`.
        """
        content = self.index.content(path)
        folder = self._folder / _DECODED / content[:2]
        place = folder / f"{content}-{self.sr}-{'mean' if self._channel is None else self._channel}-{_VERSION}.f32"
        if not _whole(place):
            _made(folder)
            self._store(path, place)
        return Decoded(content, place, path, self)

    def decode(self, path: Path) -> NDArray[np.float32]:
        """A recording as an entry would hold it, shape (time,); the last one is kept, since its clips come one after the other."""
        last = self._last
        if last is None or last[0] != path:
            last = self._last = path, audio.decode(path, sr=self.sr, channel=self._channel).samples
        return last[1]

    def measure(self, path: Path) -> Facts:
        """`Facts` of a recording, decoded for them alone."""
        measure = audio.Measure(self._channel)
        for _ in audio.blocks(path, channel=self._channel, measure=measure):
            pass
        return measure.facts()

    def _store(self, path: Path, place: Path) -> None:
        """Block by block, so that a recording of a day needs no more memory than a short one."""
        fingerprint, count, measure = Fingerprint(self.sr), 0, audio.Measure(self._channel)
        try:
            with atomic_file(place) as temporary:
                with temporary.open("wb") as file:
                    for block in audio.blocks(path, sr=self.sr, channel=self._channel, measure=measure):
                        block.samples.tofile(file)
                        fingerprint.push(block.samples)
                        count += len(block.samples)
                if not count:
                    raise AudioError(
                        "zero-length",
                        str(path),
                        f"too short for a sample at {self.sr} Hz",
                        "replace the file or leave it out",
                    )
                with atomic_file(_facts_of(place)) as beside:
                    beside.write_text(json.dumps(measure.facts().to_dict()), encoding="utf-8")
                with atomic_file(_print_of(place)) as beside, beside.open("wb") as file:
                    np.array(divmod(count, 1 << 32), np.uint32).tofile(file)
                    fingerprint.finish().tofile(file)
        except OSError as error:
            raise OutputError(
                f"{place.parent}: the cache cannot be written: {error.strerror or error}; free space, or set EARMARK_CACHE to "
                "another folder"
            ) from error
        with self._lock:
            self._written += 4 * count
            due = self._written > largest_size() // 10
            self._written = 0 if due else self._written
        if due:
            evict(self._folder)


class Index:
    """What is known of each path as long as its size and time of change stay the same: its content and its header.

    Parameters
    ----------
    folder : Path
        Of the cache.
    """

    def __init__(self, folder: Path) -> None:
        self._lock = threading.Lock()
        self._database = _database(_made(folder) / _INDEX)

    def content(self, path: Path) -> str:
        """`content_hash` of a recording."""
        return self._remembered(path, "content", lambda: content_hash(path))

    def header(self, path: Path) -> tuple[float, int]:
        """`earmark.audio.duration` of a recording."""
        seconds, sr = self._remembered(path, _LENGTH, lambda: "{!r} {}".format(*audio.duration(path))).split()
        return float(seconds), int(sr)

    def _remembered(self, path: Path, what: str, compute: Callable[[], str]) -> str:
        try:
            state = f"{file_state(path)}-{path.stat().st_ino}"
        except OSError:
            return compute()  # which says what is wrong
        name = str(path.absolute())
        if as_text(name) != name:
            raise AudioError("unreadable", as_text(name), "its name is not UTF-8", "rename it")
        found = None
        with self._lock, suppress(sqlite3.Error):  # damaged or held by another process: it only saves time
            query = "SELECT value FROM facts WHERE path = ? AND what = ? AND state = ?"
            found = self._database.execute(query, (name, what, state)).fetchone()
        if found is not None:
            return str(found[0])
        value = compute()
        with self._lock, suppress(sqlite3.Error):
            self._database.execute("INSERT OR REPLACE INTO facts VALUES (?, ?, ?, ?)", (name, what, state, value))
        return value


def _made(folder: Path) -> Path:
    try:
        return make_folder(folder)
    except OutputError as error:
        what = "the cache's folder cannot be made or written; set EARMARK_CACHE to another folder"
        raise OutputError(f"{folder}: {what}") from error


def _database(place: Path) -> sqlite3.Connection:
    """Open the index; one that is damaged is made anew, since it only saves time."""
    for attempt in (1, 2):
        try:
            database = sqlite3.connect(place, timeout=10, isolation_level=None, check_same_thread=False)
            database.execute("PRAGMA synchronous = OFF")
            database.execute(
                "CREATE TABLE IF NOT EXISTS facts "
                "(path TEXT, what TEXT, state TEXT, value TEXT, PRIMARY KEY (path, what))"
            )
            database.execute("SELECT state FROM facts LIMIT 1").fetchone()
            return database
        except sqlite3.OperationalError as error:
            if "no such column" in str(error):  # of an earlier version
                database.execute("DROP TABLE facts")
                continue
            raise OutputError(f"{place}: cannot be written: {error}; set EARMARK_CACHE to another folder") from error
        except sqlite3.DatabaseError:
            database.close()
            if attempt == 1:
                place.unlink()
    raise OutputError(f"{place}: is damaged; remove it")


@dataclass(frozen=True)
class Usage:
    """What lies in the cache: its folder, recordings, bytes and the most bytes it may take."""

    folder: Path
    recordings: int
    bytes: int
    most: int


def usage(folder: Path | None = None) -> Usage:
    """What lies in the cache."""
    place = folder or default_folder()
    entries = _entries(place)
    recordings = sum(path.suffix == ".f32" and not path.name.startswith(".") for path, _ in entries)
    return Usage(place, recordings, sum(status.st_size for _, status in entries), largest_size())


def clear(folder: Path | None = None) -> Usage:
    """Remove everything that Earmark put into the cache, but what a process is writing; what lay there is returned."""
    found = usage(folder)
    for path, _ in _entries(found.folder):
        path.unlink(missing_ok=True)
    (found.folder / _INDEX).unlink(missing_ok=True)
    return found


def evict(folder: Path | None = None) -> int:
    """Remove the entries that were not used for longest until the cache keeps its size; how many bytes that freed."""
    place, most = folder or default_folder(), largest_size()
    entries = sorted(_entries(place), key=lambda entry: entry[1].st_mtime)
    size = freed = sum(status.st_size for _, status in entries)
    for path, status in entries:
        if size <= most and not path.name.startswith("."):
            continue
        with suppress(OSError):
            path.unlink()
            size -= status.st_size
    return freed - size


def _entries(folder: Path) -> list[tuple[Path, os.stat_result]]:
    """Files of the cache, but those that a process is writing: hidden ones, until they are too old for that."""
    found = []
    for path in (folder / _DECODED).glob("*/*"):
        with suppress(FileNotFoundError):
            status = path.stat()
            if not path.name.startswith(".") or status.st_mtime < time.time() - _ABANDONED:
                found.append((path, status))
    return found


def _print_of(place: Path) -> Path:
    """Beside the samples: how many there are, then the landmarks."""
    return place.with_suffix(".landmarks")


def _facts_of(place: Path) -> Path:
    """Beside the samples: what the recording is."""
    return place.with_suffix(".json")


def _whole(place: Path) -> bool:
    """Whether an entry is there and as long as it was; then it is marked as used now, which spares it from eviction."""
    try:
        count = np.fromfile(_print_of(place), np.uint32, 2)
        if len(count) != 2 or place.stat().st_size != 4 * ((int(count[0]) << 32) + int(count[1])):
            return False
    except FileNotFoundError:
        return False
    with suppress(OSError):
        for beside in (place, _print_of(place), _facts_of(place)):
            os.utime(beside)
    return True


def content_hash(path: Path) -> str:
    """First 32 hex digits of a file's SHA-256: what tells a recording apart, whatever its name.

    Raises
    ------
    AudioError
        Where the file cannot be read.
    """
    try:
        if path.is_fifo():
            raise AudioError("unreadable", str(path), "is a pipe", "write it to a file")
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:32]
    except FileNotFoundError as error:
        raise AudioError("missing", str(path), "no such file", "check the path") from error
    except OSError as error:
        raise AudioError(
            "unreadable", str(path), error.strerror or "cannot be read", "check the path and its permissions"
        ) from error
