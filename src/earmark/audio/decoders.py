"""The two decoders, libsndfile and FFmpeg: an open file to blocks, every fault raised as `AudioError`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

import numpy as np
import soundfile
from numpy.typing import NDArray

from earmark import containers
from earmark.errors import AudioError, MissingExtra, require

REPLACE = "replace the file or leave it out"

# Samples read at a time over all channels: a lying header cannot claim more memory than the file holds.
_BLOCK = 1 << 18
_STATED = 0.25  # seconds by which a container's length may be rounded up
_RATES = (1_000, 1_000_000)
_SOX, _FFMPEG = "sox --ignore-length IN OUT", "ffmpeg -ignore_length 1 -i IN OUT"
_UNFINISHED = {b"RIFF": f"{_SOX}, or {_FFMPEG}", b"RF64": _FFMPEG, b"FORM": _SOX, b".snd": _SOX}
_UNTOLD = 2**63 - 1  # libsndfile's number of frames where a FLAC header, written into a pipe, does not say it


@contextmanager
def open_checked(file: BinaryIO, name: str) -> Iterator[soundfile.SoundFile]:
    """An open SoundFile whose header was checked."""
    missing = containers.missing_bytes(file)
    if missing:
        raise AudioError("truncated", name, f"{missing} bytes fewer than its header claims", REPLACE)
    if untold := containers.untold_bytes(file):
        detail = f"{untold} bytes behind the end that its header claims; it was not closed properly"
        file.seek(0)
        remedy = _UNFINISHED.get(file.read(4))
        raise AudioError("corrupt", name, detail, f"write its header anew: {remedy}" if remedy else "export it again")
    if containers.chained(file):
        detail = "holds several streams one behind the other, of which the first alone would be read"
        raise AudioError("corrupt", name, detail, "write them as one, with FFmpeg")
    file.seek(0)
    try:
        sound = soundfile.SoundFile(file)
    except (soundfile.LibsndfileError, TypeError) as error:
        file.seek(0)
        known = file.read(4) in (b"RIFF", b"RF64", b"fLaC", b"OggS", b"FORM", b"riff")
        kind, what = ("corrupt", "its header is damaged") if known else ("not-audio", "not a format that Earmark knows")
        raise AudioError(kind, name, f"{what} ({reason(error)})", REPLACE) from error
    with sound:
        if not _RATES[0] <= sound.samplerate <= _RATES[1]:
            raise AudioError("corrupt", name, f"its header claims a rate of {sound.samplerate} Hz", REPLACE)
        if sound.frames == _UNTOLD:
            sound.seekable = lambda: False  # else soundfile seeks to the end, which libFLAC cannot
        yield sound


def told_frames(sound: soundfile.SoundFile) -> int | None:
    """Length that the header says, if it does."""
    return None if sound.frames == _UNTOLD else int(sound.frames)


def reason(error: Exception) -> str:
    text = error.error_string if isinstance(error, soundfile.LibsndfileError) else str(error)
    return " ".join(str(text).split()).rstrip(".")


def soundfile_blocks(
    file: BinaryIO, name: str, start: float, end: float | None
) -> Iterator[tuple[NDArray[np.float32], int]]:
    with open_checked(file, name) as sound:
        sr, total = sound.samplerate, told_frames(sound) or 0
        first, last = _stretch(start, end, total, sr, name)
        last = last or _UNTOLD
        size = max(1, _BLOCK // sound.channels)
        at = first
        try:
            _go_to(sound, first, size)
            while at < last:
                samples = sound.read(min(size, last - at), dtype="float32", always_2d=True)
                if len(samples) == 0:
                    break
                at += len(samples)
                yield samples, sr
        except soundfile.LibsndfileError as error:
            kind = "corrupt" if not total or _has_last_sample(file, total) else "truncated"
            of = f" of {total / sr:.2f} s" if total else ""
            detail = f"cannot be decoded behind {at / sr:.2f} s{of} ({reason(error)})"
            raise AudioError(kind, name, detail, REPLACE) from error
        # The length of an MP3 without a Xing header is an estimate: two MPEG frames either way.
        slack = 2 * 1152 if sound.format == "MP3" else 0
        if not total:
            _stretch(start, end, at, sr, name)
        elif at < last - slack:
            detail = f"ends at {at / sr:.2f} s, its header claims {total / sr:.2f} s"
            raise AudioError("truncated", name, detail, REPLACE)


def _go_to(sound: soundfile.SoundFile, first: int, size: int) -> None:
    """Skip to a frame, by reading where the codec cannot jump (GSM, G.721)."""
    try:
        if sound.seekable() and first:
            sound.seek(first)
            return
    except soundfile.LibsndfileError:
        if sound.tell():  # nobody knows where it stands
            raise
    while first and (skipped := len(sound.read(min(size, first), dtype="float32"))):
        first -= skipped


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


def ffmpeg_blocks(
    file: BinaryIO, name: str, start: float, end: float | None
) -> Iterator[tuple[NDArray[np.float32], int]]:
    """Decode with PyAV; a stretch is cut from what is decoded, since containers seek inexactly."""
    try:
        av = require("av", extra="ffmpeg")
    except MissingExtra as error:
        raise AudioError(
            "needs-ffmpeg", name, "libsndfile does not read this container", f"install it: {error}"
        ) from error
    at = rate = 0
    stated = ended = 0.0
    try:
        # Tags that are not UTF-8 do not matter.
        with av.open(file, metadata_errors="replace") as container:
            if not container.streams.audio:
                raise AudioError("not-audio", name, "a container without an audio stream", REPLACE)
            # Of other containers it is an estimate, or that of a picture that goes on.
            told = container.format.name.startswith("matroska") and not container.streams.video
            stated = (container.duration or 0) / av.time_base if told else 0.0
            planar = av.AudioResampler(format="fltp")
            for frame in container.decode(container.streams.audio[0]):
                if told and frame.time is not None:  # a recording may begin late or have gaps
                    ended = max(ended, frame.time + frame.samples / frame.sample_rate)
                for part in planar.resample(frame):
                    samples, rate = part.to_ndarray().T, part.sample_rate
                    first = max(0, round(start * rate) - at)
                    last = len(samples) if end is None else min(len(samples), round(end * rate) - at)
                    at += len(samples)
                    if last > first:
                        yield np.ascontiguousarray(samples[first:last], np.float32), rate
    except (av.FFmpegError, ValueError) as error:  # the second where the format changes midway
        detail = f"cannot be decoded ({getattr(error, 'strerror', None) or error})"
        raise AudioError("corrupt", name, detail, REPLACE) from error
    if rate and stated - max(ended, at / rate) > _STATED:
        detail = f"ends at {max(ended, at / rate):.2f} s, its header claims {stated:.2f} s"
        raise AudioError("truncated", name, detail, REPLACE)
    if rate:
        _stretch(start, end, at, rate, name)
