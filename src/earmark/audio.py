"""Bytes to waveform: decoding, channels, and the one resampler.

The only file that imports soundfile, soxr and av. A format is recognised by its content, never by the file's extension.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, BinaryIO, TypeAlias

import numpy as np
import soundfile
from numpy.typing import NDArray

from earmark import containers
from earmark.errors import AudioError, DataError, MissingExtra, require
from earmark.files import atomic_file
from earmark.types import Waveform

Source: TypeAlias = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO | IO[bytes]

EXTENSIONS = frozenset(
    [
        ".wav",
        ".wave",
        ".w64",
        ".rf64",
        ".flac",
        ".ogg",
        ".oga",
        ".opus",
        ".mp3",
        ".aif",
        ".aiff",
        ".aifc",
        ".au",
        ".snd",
        ".caf",
        ".m4a",
        ".mp4",
        ".aac",
        ".webm",
        ".mka",
        ".mkv",
        ".wma",
        ".amr",
        ".mov",
    ]
)
"""What counts as a recording when a folder is searched. Decoding itself looks at the content alone."""

_BLOCK = (
    1 << 18
)  # samples read at a time over all channels: a lying header cannot claim more memory than the file holds
_RATES = (1_000, 1_000_000)
_REPLACE = "replace the file or leave it out"


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
        reader = _ffmpeg_blocks if containers.needs_ffmpeg(file) else _soundfile_blocks
        for samples, sr in reader(file, name, start, end):
            found = found or len(samples) > 0
            yield samples, sr
    if not found:
        raise AudioError("zero-length", name, "a valid header but no samples", _REPLACE)


class Resampler:
    """Stream resampler (soxr HQ); its joined output equals `resample` of the joined input.

    Parameters
    ----------
    sr, wanted : int
        Rate that comes in and rate that goes out, in Hz.
    """

    def __init__(self, sr: int, wanted: int) -> None:
        self._stream: Any = None
        if sr != wanted:
            import soxr

            self._stream = soxr.ResampleStream(sr, wanted, 1, dtype="float32", quality="HQ")

    def push(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Take a block, return what is ready, shape (time,)."""
        return samples if self._stream is None else self._call(samples, last=False)

    def finish(self) -> NDArray[np.float32]:
        """Return what was held back."""
        empty = np.zeros(0, np.float32)
        return empty if self._stream is None else self._call(empty, last=True)

    def _call(self, samples: NDArray[np.float32], *, last: bool) -> NDArray[np.float32]:
        return np.asarray(self._stream.resample_chunk(np.ascontiguousarray(samples), last=last), np.float32)


def resample(samples: NDArray[np.float32], sr: int, wanted: int) -> NDArray[np.float32]:
    """Resample a whole waveform with soxr HQ, shape (time,) to (time * wanted / sr,)."""
    if sr == wanted or len(samples) == 0:
        return samples
    import soxr

    return np.asarray(soxr.resample(samples, sr, wanted, quality="HQ"), np.float32)


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
        For a wrong shape, no samples, or non-finite ones.
    """
    name = "<array>"
    if samples.ndim not in (1, 2) or samples.dtype.kind not in "fi":
        detail = f"shape {samples.shape} of {samples.dtype} is not a waveform"
        raise AudioError("not-audio", name, detail, "pass (time,) or (time, channel) of floats or signed integers")
    scale = 1.0 if samples.dtype.kind == "f" else 1.0 / -float(np.iinfo(samples.dtype).min)
    floats = (samples * scale).astype(np.float32)
    mono = _checked(floats if floats.ndim == 1 else _mono(floats, channel, name), name)
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
    with atomic_file(path) as temporary:
        try:
            soundfile.write(temporary, samples, sr, subtype=subtype)
        except (soundfile.LibsndfileError, TypeError, ValueError) as error:
            raise AudioError(
                "not-audio", str(path), f"cannot be written ({_reason(error)})", "choose another format"
            ) from error


def duration(source: Source) -> tuple[float, int]:
    """Length in seconds and rate in Hz, from the header where it tells (no samples are decoded).

    Raises
    ------
    AudioError
        As `decode`, for what the header shows.
    """
    name = describe(source)
    with _opened(source, name) as file:
        if containers.needs_ffmpeg(file):
            lengths = [(len(samples), sr) for samples, sr in raw_blocks(file)]
            sr = lengths[0][1]
            return sum(n for n, _ in lengths) / sr, sr
        with _soundfile(file, name) as sound:
            return sound.frames / sound.samplerate, sound.samplerate


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
            folders[:] = [f for f in folders if not f.startswith(".") and f != "__MACOSX"]
            inside += [
                Path(folder) / f for f in files if not f.startswith(".") and Path(f).suffix.lower() in EXTENSIONS
            ]
        if not inside:
            raise DataError(
                f"{path}: holds no recordings (looked for {', '.join(sorted(EXTENSIONS)[:8])} ...); check the path"
            )
        found += sorted(inside, key=lambda p: p.as_posix())
    return found


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
        raise AudioError("non-finite", name, "holds NaN or infinite samples", _REPLACE)
    return mono


@contextmanager
def _opened(source: Source, name: str) -> Iterator[BinaryIO]:
    """A seekable binary file object at its start, for any kind of source."""
    if isinstance(source, str | os.PathLike):
        file = _open_path(Path(source), name)
        try:
            yield file
        finally:
            file.close()
        return
    if isinstance(source, bytes | bytearray | memoryview):
        stream: Any = io.BytesIO(source)
    elif hasattr(source, "seekable") and source.seekable():
        stream = source
        stream.seek(0)
    else:
        stream = io.BytesIO(source.read())
    if not stream.read(1):
        raise AudioError("empty", name, "0 bytes", _REPLACE)
    stream.seek(0)
    yield stream


def _open_path(path: Path, name: str) -> BinaryIO:
    try:
        # By descriptor, so that soundfile sees no file name and cannot judge by the extension.
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
    file = os.fdopen(handle, "rb")
    if os.fstat(handle).st_size == 0:
        file.close()
        raise AudioError("empty", name, "0 bytes", _REPLACE)
    return file


@contextmanager
def _soundfile(file: BinaryIO, name: str) -> Iterator[soundfile.SoundFile]:
    """An open SoundFile whose header was checked."""
    missing = containers.missing_bytes(file)
    if missing:
        raise AudioError("truncated", name, f"{missing} bytes fewer than its header claims", _REPLACE)
    file.seek(0)
    try:
        sound = soundfile.SoundFile(file)
    except (soundfile.LibsndfileError, TypeError) as error:
        file.seek(0)
        known = file.read(4) in (b"RIFF", b"RF64", b"fLaC", b"OggS", b"FORM", b"riff")
        kind, what = ("corrupt", "its header is damaged") if known else ("not-audio", "not a format that Earmark knows")
        raise AudioError(kind, name, f"{what} ({_reason(error)})", _REPLACE) from error
    with sound:
        if not _RATES[0] <= sound.samplerate <= _RATES[1]:
            raise AudioError("corrupt", name, f"its header claims a rate of {sound.samplerate} Hz", _REPLACE)
        yield sound


def _reason(error: Exception) -> str:
    text = error.error_string if isinstance(error, soundfile.LibsndfileError) else str(error)
    return " ".join(str(text).split()).rstrip(".")


def _soundfile_blocks(
    file: BinaryIO, name: str, start: float, end: float | None
) -> Iterator[tuple[NDArray[np.float32], int]]:
    with _soundfile(file, name) as sound:
        sr, total = sound.samplerate, sound.frames
        first, last = _stretch(start, end, total, sr, name)
        size = max(1, _BLOCK // sound.channels)
        at = first
        try:
            if first:
                sound.seek(first)
            while at < last:
                samples = sound.read(min(size, last - at), dtype="float32", always_2d=True)
                if len(samples) == 0:
                    break
                at += len(samples)
                yield samples, sr
        except soundfile.LibsndfileError as error:
            kind = "corrupt" if _has_last_sample(file, total) else "truncated"
            detail = f"cannot be decoded behind {at / sr:.2f} s of {total / sr:.2f} s ({_reason(error)})"
            raise AudioError(kind, name, detail, _REPLACE) from error
        # The length of an MP3 without a Xing header is an estimate: two MPEG frames either way.
        slack = 2 * 1152 if sound.format == "MP3" else 0
        if at < last - slack:
            detail = f"ends at {at / sr:.2f} s, its header claims {total / sr:.2f} s"
            raise AudioError("truncated", name, detail, _REPLACE)


def _has_last_sample(file: BinaryIO, total: int) -> bool:
    """Whether a recording that fails to decode is damaged inside rather than cut off."""
    file.seek(0)
    try:
        with soundfile.SoundFile(file) as sound:
            sound.seek(total - 1)
            return len(sound.read(1)) == 1
    except (soundfile.LibsndfileError, ValueError):
        return False


def _stretch(start: float, end: float | None, total: int, sr: int, name: str) -> tuple[int, int]:
    """First and last frame of a stretch in seconds; half a sample of rounding is forgiven."""
    first = round(start * sr)
    last = total if end is None else round(end * sr)
    if first < 0 or (end is not None and last <= first):
        raise AudioError("range", name, f"start {start:g} s and end {end} s do not make a clip", "0 <= start < end")
    if total and (last > total or first >= total):
        wanted = f"{start:g} s to {'its end' if end is None else f'{end:g} s'}"
        detail = f"the clip from {wanted} lies past the recording's end at {total / sr:.3f} s"
        raise AudioError("range", name, detail, "correct start and end")
    return first, last


def _ffmpeg_blocks(
    file: BinaryIO, name: str, start: float, end: float | None
) -> Iterator[tuple[NDArray[np.float32], int]]:
    """Decode with PyAV; a stretch is cut from what is decoded, since containers seek inexactly."""
    try:
        av = require("av", extra="ffmpeg")
    except MissingExtra as error:
        raise AudioError(
            "needs-ffmpeg", name, "libsndfile does not read this container", f"install it: {error}"
        ) from error
    at = 0
    rate = 0
    try:
        with av.open(file) as container:
            if not container.streams.audio:
                raise AudioError("not-audio", name, "a container without an audio stream", _REPLACE)
            planar = av.AudioResampler(format="fltp")
            for frame in container.decode(container.streams.audio[0]):
                for part in planar.resample(frame):
                    samples, rate = part.to_ndarray().T, part.sample_rate
                    first = max(0, round(start * rate) - at)
                    last = len(samples) if end is None else min(len(samples), round(end * rate) - at)
                    at += len(samples)
                    if last > first:
                        yield np.ascontiguousarray(samples[first:last], np.float32), rate
    except av.FFmpegError as error:
        raise AudioError("corrupt", name, f"cannot be decoded ({error.strerror})", _REPLACE) from error
    if rate:
        _stretch(start, end, at, rate, name)
