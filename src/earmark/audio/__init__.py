"""Bytes to waveform and back: decoding, channels, resampling, levels, windows, synthetic sound.

In: paths, bytes or file objects; the format is recognised by the content, never by the extension.
Out: waveforms, shape (time,), in blocks; `Waveform`; encoded files.
Imports: `support`. The only room that imports soundfile, soxr and av.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.audio.encoders import encode_blocks
from earmark.audio.facts import SILENT, Measure
from earmark.audio.faults import REPLACE
from earmark.audio.finding import EXTENSIONS, find_recordings, is_recording
from earmark.audio.recording import recording_blocks, recording_length
from earmark.audio.resampling import Resampler, resample
from earmark.audio.sources import Source, describe, opened
from earmark.errors import AudioError
from earmark.types import Waveform

__all__ = [
    "EXTENSIONS", "HUGE", "SILENT", "Measure", "Resampler", "Source", "blocks", "decode", "describe", "duration", "encode",
    "encode_blocks", "find_recordings", "from_array", "is_recording", "mono", "raw_blocks", "resample",
]  # fmt: skip

HUGE = 1e10
"""Only a broken file holds samples beyond it; the sums of their squares would overflow."""

_MOST_CHANNELS = 64
_MOST_SCALE = 100  # of floats, beyond which whole numbers are integers that were not scaled


def decode(
    source: Source,
    *,
    sr: int | None = None,
    channel: int | None = None,
    start: float = 0.0,
    end: float | None = None,
    measure: Measure | None = None,
) -> Waveform:
    """Decode a recording, or a segment of it, to mono float32.

    Parameters
    ----------
    source : path, bytes or binary file object
        WAV, FLAC, Ogg (Vorbis, Opus), MP3, AIFF, AU, CAF; what else FFmpeg reads with the ``ffmpeg`` extra.
    sr : int, optional
        Wanted rate in Hz; the recording's own by default.
    channel : int, optional
        Channel to take, from 0; the mean of all by default.
    start, end : float, optional
        Segment in seconds.
    measure : Measure, optional
        Collects `Facts` of what is decoded.

    Returns
    -------
    Waveform
        Shape (time,).

    Raises
    ------
    AudioError
        With ``kind`` saying what is wrong.
    """
    parts = list(_native_blocks(source, channel=channel, start=start, end=end, measure=measure))
    samples = np.concatenate([p.samples for p in parts])
    native = parts[0].sr
    wanted = sr or native
    return Waveform(resample(samples, native, wanted), wanted)


def blocks(
    source: Source,
    *,
    sr: int | None = None,
    channel: int | None = None,
    block_seconds: float = 10.0,
    measure: Measure | None = None,
) -> Iterator[Waveform]:
    """Decode in blocks of bounded memory; together they equal `decode` of the whole.

    Parameters
    ----------
    source, sr, channel, measure
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
    for block in _native_blocks(source, channel=channel, measure=measure):
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
    source: Source, *, start: float = 0.0, end: float | None = None, measure: Measure | None = None
) -> Iterator[tuple[NDArray[np.float32], int]]:
    """Decode in blocks as the recording is: all channels, its own rate, non-finite samples too.

    Parameters
    ----------
    source, start, end
        As for `decode`.
    measure : Measure, optional
        Learns the format of the file; the caller pushes the samples to it.

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
    with opened(source, name) as file:
        for samples, sr in recording_blocks(file, name, start, end, measure):
            found = found or len(samples) > 0
            yield samples, sr
    if not found:
        raise AudioError("zero-length", name, "a valid header but no samples", REPLACE)


def from_array(
    samples: NDArray[Any], sr: int, *, wanted: int, channel: int | None = None, measure: Measure | None = None
) -> NDArray[np.float32]:
    """Bring an array to what `decode` gives.

    Parameters
    ----------
    samples : ndarray, shape (time,) or (time, channel)
        Floats with full scale 1.0, or integers with the full scale of their type.
    sr, wanted : int
        Its rate and the wanted one, in Hz.
    channel : int, optional
        Channel to take of several; the mean of all by default.
    measure : Measure, optional
        Collects `Facts`.

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
    floats = floats[:, None] if floats.ndim == 1 else floats
    mixed = _checked(floats[:, 0] if samples.ndim == 1 else mono(floats, channel, name), name)
    if samples.dtype.kind == "f" and np.abs(mixed).max(initial=0) > _MOST_SCALE and not (samples % 1).any():
        raise AudioError(
            "not-audio", name, "holds whole numbers as floats", "divide them by full scale, or pass integers"
        )
    if len(mixed) == 0:
        raise AudioError("zero-length", name, "no samples", "pass at least one")
    if measure is not None:
        measure.begin(sr, floats.shape[1], "array")
        measure.push(floats, mixed)
    return resample(mixed, sr, wanted)


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
    """Length in seconds and rate in Hz, as decoding gives them: samples are decoded only where the header does not tell.

    Raises
    ------
    AudioError
        As `decode`, for what the header shows.
    """
    name = describe(source)
    with opened(source, name) as file:
        count, sr = recording_length(file, name)
    return count / sr, sr


def _native_blocks(
    source: Source, *, channel: int | None, start: float = 0.0, end: float | None = None, measure: Measure | None = None
) -> Iterator[Waveform]:
    """Mono blocks at the recording's own rate, every fault raised as `AudioError`."""
    name = describe(source)
    for samples, sr in raw_blocks(source, start=start, end=end, measure=measure):
        mixed = _checked(mono(samples, channel, name), name)
        if measure is not None:
            measure.push(samples, mixed)
        yield Waveform(mixed, sr)


def mono(samples: NDArray[np.float32], channel: int | None, name: str) -> NDArray[np.float32]:
    """Take one channel, or the mean of all: shape (time, channel) to (time,).

    Raises
    ------
    AudioError
        For a channel that is not there.
    """
    count = samples.shape[1]
    if channel is None:
        if count >= 8:
            return np.asarray(samples.mean(axis=1, dtype=np.float32))
        mixed = samples[:, 0]
        for i in range(1, count):  # the same as the mean, several times as fast
            mixed = mixed + samples[:, i]
        return mixed if count == 1 else np.asarray(mixed / np.float32(count))
    if not 0 <= channel < count:
        raise AudioError("range", name, f"has no channel {channel}", f"channels are numbered 0 to {count - 1}")
    return np.ascontiguousarray(samples[:, channel])


def _checked(samples: NDArray[np.float32], name: str) -> NDArray[np.float32]:
    if not np.isfinite(samples).all():
        raise AudioError("non-finite", name, "holds NaN or infinite samples", REPLACE)
    peak = max(float(samples.max(initial=0.0)), -float(samples.min(initial=0.0)))
    if peak > HUGE:
        raise AudioError("corrupt", name, f"holds a sample of {peak:.2g}, where full scale is 1", REPLACE)
    return samples
