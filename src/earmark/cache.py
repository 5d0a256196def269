"""Decoded audio, once: later runs read it memory-mapped instead of decoding and resampling again."""

from __future__ import annotations

import hashlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from earmark import audio
from earmark.errors import AudioError
from earmark.files import atomic_file, make_folder


def default_folder() -> Path:
    """``EARMARK_CACHE``, else the user's cache folder of the platform."""
    if given := os.environ.get("EARMARK_CACHE"):
        return Path(given)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "earmark" / "cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "earmark"
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "earmark"


@dataclass(frozen=True)
class Decoded:
    """A recording in the cache.

    Attributes
    ----------
    content : str
        First 32 hex digits of the SHA-256 of the file.
    place : Path
        Its decoded samples, float32, as ``.npy``.
    """

    content: str
    place: Path

    def samples(self) -> NDArray[np.float32]:
        """The decoded recording, memory-mapped, shape (time,)."""
        return np.asarray(np.load(self.place, mmap_mode="r"))


class Cache:
    """Decoded recordings, found by the content of the file, the rate and the channel.

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
        self._sr = sr
        self._channel = channel
        self._folder = make_folder((folder or default_folder()) / "decoded")

    def get(self, path: Path) -> Decoded:
        """Decode a recording, or find it decoded.

        Raises
        ------
        AudioError
            As `earmark.audio.decode`.
        """
        content = content_hash(path)
        folder = self._folder / content[:2]
        place = folder / f"{content}-{self._sr}-{'mean' if self._channel is None else self._channel}.npy"
        if not place.exists():
            waveform = audio.decode(path, sr=self._sr, channel=self._channel)
            make_folder(folder)
            with atomic_file(place) as temporary, temporary.open("wb") as file:
                np.save(file, waveform.samples)
        return Decoded(content, place)


def content_hash(path: Path) -> str:
    """First 32 hex digits of a file's SHA-256: what tells a recording apart, whatever its name.

    Raises
    ------
    AudioError
        Where the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:32]
    except FileNotFoundError as error:
        raise AudioError("missing", str(path), "no such file", "check the path") from error
    except OSError as error:
        raise AudioError(
            "unreadable", str(path), error.strerror or "cannot be read", "check the path and its permissions"
        ) from error
