"""Bytes to waveform: decoding, channels, and the one resampler.

The only room that imports soundfile, soxr and av. A format is recognised by its content, never by the file's extension.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, BinaryIO, TypeAlias

import numpy as np
from numpy.typing import NDArray

from earmark import containers
from earmark.audio.decoders import REPLACE, ffmpeg_blocks, open_checked, soundfile_blocks, told_frames
from earmark.audio.encoders import encode_blocks
from earmark.audio.resampling import Resampler, resample
from earmark.errors import AudioError, DataError
from earmark.types import Waveform

__all__ = [
    "EXTENSIONS", "HUGE", "Resampler", "Source", "blocks", "decode", "describe", "duration", "encode", "encode_blocks",
    "find_recordings", "from_array", "raw_blocks", "resample",
]  # fmt: skip

Source: TypeAlias = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO | IO[bytes]

EXTENSIONS = frozenset(
    [
        ".wav", ".wave", ".w64", ".rf64", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc", ".au", ".snd", ".caf",
        ".m4a", ".mp4", ".aac", ".webm", ".mka", ".mkv", ".wma", ".amr", ".mov",
    ]
)  # fmt: skip
"""What counts as a recording when a folder is searched. Decoding itself looks at the content alone."""

HUGE = 1e10
"""Only a broken file holds samples beyond it; the sums of their squares would overflow."""

_MOST_CHANNELS = 64
_SYSTEM = ("__MACOSX", "$RECYCLE.BIN", "System Volume Information", "lost+found")  # folders of what is no data
_MOST_SCALE = 100  # of floats, beyond which whole numbers are integers that were not scaled


def decode(
    source: Source,
    *,
    sr: int | None = None,
    channel: int | None = None,
    start: float = 0.0,
    end: float | None = None,
) -> Waveform:
    """Decode a recording, or a stretch of it, to mono float32.

    Parameters
    ----------
    source : path, bytes or binary file object
        WAV, FLAC, Ogg (Vorbis, Opus), MP3, AIFF, AU, CAF; what else FFmpeg reads with the ``ffmpeg`` extra.
    sr : int, optional
        Wanted rate in Hz; the recording's own by default.
    channel : int, optional
        Channel to take, from 0; the mean of all by default.
    start, end : float, optional
        Stretch in seconds.

    Returns
    -------
    Waveform
        Shape (time,).

    Raises
    ------
    AudioError
        With ``kind`` saying what is wrong.
    """
    parts = list(_native_blocks(source, channel=channel, start=start, end=end))
    samples = np.concatenate([p.samples for p in parts])
    native = parts[0].sr
    wanted = sr or native
    return Waveform(resample(samples, native, wanted), wanted)


def blocks(
    source: Source, *, sr: int | None = None, channel: int | None = None, block_seconds: float = 10.0
) -> Iterator[Waveform]:
    """Decode in blocks of bounded memory; together they equal `decode` of the whole.

    Parameters
    ----------
    source, sr, channel
        As for `decode`.
    block_seconds : float
        Length of a block in seconds; the last one may be shorter.

    Yields
    ------
    Waveform
        Shape (time,).

    Raises
    ------
    AudioError
        As `decode`; a fault behind the first blocks is raised when it is reached.
    """
    held: list[NDArray[np.float32]] = []
    resampler: Resampler | None = None
    rate = 0
    for block in _native_blocks(source, channel=channel):
        rate = sr or block.sr
        if resampler is None:
            resampler = Resampler(block.sr, rate)
        held.append(resampler.push(block.samples))
        size = max(1, round(block_seconds * rate))
        while sum(map(len, held)) >= size:
            joined = np.concatenate(held)
            yield Waveform(joined[:size], rate)
            held = [joined[size:]]
    if resampler is not None:
        held.append(resampler.finish())
    rest = np.concatenate(held)
    size = max(1, round(block_seconds * rate))
    for i in range(0, len(rest), size):
        yield Waveform(rest[i : i + size], rate)


def raw_blocks(
    source: Source, *, start: float = 0.0, end: float | None = None
) -> Iterator[tuple[NDArray[np.float32], int]]:
    """Decode in blocks as the recording is: all channels, its own rate, non-finite samples too.

    Parameters
    ----------
    source, start, end
        As for `decode`.

    Yields
    ------
    samples : ndarray of float32, shape (time, channel)
    sr : int
        Rate in Hz.

    Raises
    ------
    AudioError
        As `decode`, but for non-finite samples.
    """
    name = describe(source)
    found = False
    with _opened(source, name) as file:
        reader = ffmpeg_blocks if containers.needs_ffmpeg(file) else soundfile_blocks
        for samples, sr in reader(file, name, start, end):
            found = found or len(samples) > 0
            yield samples, sr
    if not found:
        raise AudioError("zero-length", name, "a valid header but no samples", REPLACE)


def from_array(samples: NDArray[Any], sr: int, *, wanted: int, channel: int | None = None) -> NDArray[np.float32]:
    """Bring an array to what `decode` gives.

    Parameters
    ----------
    samples : ndarray, shape (time,) or (time, channel)
        Floats with full scale 1.0, or integers with the full scale of their type.
    sr, wanted : int
        Its rate and the wanted one, in Hz.
    channel : int, optional
        Channel to take of several; the mean of all by default.

    Returns
    -------
    ndarray of float32, shape (time,)

    Raises
    ------
    AudioError
        For a wrong shape, no samples, non-finite ones, or whole numbers as floats.
    """
    name = "<array>"
    if samples.ndim not in (1, 2) or samples.dtype.kind not in "fi" or samples.dtype == np.int64:
        detail = f"shape {samples.shape} of {samples.dtype} is not a waveform"
        raise AudioError(
            "not-audio", name, detail, "pass (time,) or (time, channel): floats, or signed integers to 32 bits"
        )
    if samples.ndim == 2 and samples.shape[1] > max(_MOST_CHANNELS, samples.shape[0]):
        detail = f"shape {samples.shape} would be {samples.shape[1]} channels"
        raise AudioError("not-audio", name, detail, "pass (time, channel): transpose what has the channels first")
    scale = 1.0 if samples.dtype.kind == "f" else 1.0 / -float(np.iinfo(samples.dtype).min)
    floats = (samples * scale).astype(np.float32)
    mono = _checked(floats if floats.ndim == 1 else _mono(floats, channel, name), name)
    if samples.dtype.kind == "f" and np.abs(mono).max(initial=0) > _MOST_SCALE and not (samples % 1).any():
        raise AudioError(
            "not-audio", name, "holds whole numbers as floats", "divide them by full scale, or pass integers"
        )
    if len(mono) == 0:
        raise AudioError("zero-length", name, "no samples", "pass at least one")
    return resample(mono, sr, wanted)


def encode(path: str | os.PathLike[str], samples: NDArray[np.float32], sr: int, *, subtype: str | None = None) -> None:
    """Write a waveform, shape (time,) or (time, channel), in the format of the path's extension, in one step.

    Raises
    ------
    AudioError
        Where this libsndfile does not write the format.
    """
    channels = 1 if samples.ndim == 1 else samples.shape[1]
    encode_blocks(path, [samples], sr, channels=channels, subtype=subtype)


def duration(source: Source) -> tuple[float, int]:
    """Length in seconds and rate in Hz, from the header where it tells (no samples are decoded).

    Raises
    ------
    AudioError
        As `decode`, for what the header shows.
    """
    name = describe(source)
    with _opened(source, name) as file:
        reader = ffmpeg_blocks
        if not containers.needs_ffmpeg(file):
            with open_checked(file, name) as sound:
                if (count := told_frames(sound)) is not None:
                    return count / sound.samplerate, sound.samplerate
            reader = soundfile_blocks
        found = [(len(samples), sr) for samples, sr in reader(file, name, 0.0, None)]
        if not found:
            raise AudioError("zero-length", name, "no samples", REPLACE)
        return sum(count for count, _ in found) / found[0][1], found[0][1]


def find_recordings(paths: Iterable[Path]) -> list[Path]:
    """Files as they are given, and all recordings below folders, sorted; hidden ones are passed over.

    Raises
    ------
    DataError
        Where there are none, or a folder cannot be read.
    """
    found: list[Path] = []

    def fail(error: OSError) -> None:
        raise DataError(f"{error.filename}: cannot be read: {error.strerror}; check its permissions")

    for path in paths:
        if not path.is_dir():
            found.append(path)
            continue
        inside = []
        for folder, folders, files in os.walk(path, onerror=fail, followlinks=True):
            shown = [f for f in folders if not f.startswith(".") and f not in _SYSTEM]
            folders[:] = [f for f in shown if not _leads_back(Path(folder), f, path)]
            inside += [
                Path(folder) / f for f in files if not f.startswith(".") and Path(f).suffix.lower() in EXTENSIONS
            ]
        if not inside:
            raise DataError(
                f"{path}: holds no recordings (looked for {', '.join(sorted(EXTENSIONS)[:8])} ...); check the path"
            )
        found += sorted(inside, key=lambda p: p.as_posix())
    return found


def _leads_back(folder: Path, name: str, top: Path) -> bool:
    """Whether a folder in ``folder`` is a link to one that holds it, or that was gone through from ``top`` to come here."""
    place = folder / name
    if not place.is_symlink():
        return False
    target = place.resolve()
    way = [folder, *(p for p in folder.parents if p.is_relative_to(top))]
    return any(p.resolve().is_relative_to(target) for p in way)


def describe(source: object) -> str:
    """Name of a source in messages."""
    if isinstance(source, str | os.PathLike):
        return str(source)
    name = getattr(source, "name", None)
    return name if isinstance(name, str) else f"<{type(source).__name__}>"


def _native_blocks(
    source: Source, *, channel: int | None, start: float = 0.0, end: float | None = None
) -> Iterator[Waveform]:
    """Mono blocks at the recording's own rate, every fault raised as `AudioError`."""
    name = describe(source)
    for samples, sr in raw_blocks(source, start=start, end=end):
        yield Waveform(_checked(_mono(samples, channel, name), name), sr)


def _mono(samples: NDArray[np.float32], channel: int | None, name: str) -> NDArray[np.float32]:
    """Shape (time, channel) to (time,)."""
    count = samples.shape[1]
    if channel is None:
        return samples[:, 0] if count == 1 else samples.mean(axis=1, dtype=np.float32)
    if not 0 <= channel < count:
        raise AudioError("range", name, f"has no channel {channel}", f"channels are numbered 0 to {count - 1}")
    return np.ascontiguousarray(samples[:, channel])


def _checked(mono: NDArray[np.float32], name: str) -> NDArray[np.float32]:
    if not np.isfinite(mono).all():
        raise AudioError("non-finite", name, "holds NaN or infinite samples", REPLACE)
    peak = max(float(mono.max(initial=0.0)), -float(mono.min(initial=0.0)))
    if peak > HUGE:
        raise AudioError("corrupt", name, f"holds a sample of {peak:.2g}, where full scale is 1", REPLACE)
    return mono


@contextmanager
def _opened(source: Source, name: str) -> Iterator[BinaryIO]:
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


class _File(io.FileIO):
    """Ends where the disk or the share fails, and keeps the failure: libsndfile would print it and call the recording cut off."""

    failure: OSError | None = None

    def readinto(self, buffer: Any) -> int | None:
        try:
            return super().readinto(buffer)
        except OSError as error:
            self.failure = error
            return 0


def _open_path(path: Path, name: str) -> _File:
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
    file = _File(handle)
    if os.fstat(handle).st_size == 0:
        file.close()
        raise AudioError("empty", name, "0 bytes", REPLACE)
    return file
