"""FFmpeg at work, through PyAV: what libsndfile does not read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Any, BinaryIO

import numpy as np

from earmark.audio.decoders import Blocks, Track
from earmark.audio.faults import REPLACE, forgiven
from earmark.audio.parts import Part
from earmark.audio.views import view
from earmark.errors import AudioError, require

_STATED = 0.25  # seconds by which a container's length may be rounded up
_TELLING = ("matroska", "mov", "avi", "tta", "wv", "ape", "dsf", "mpc")  # whose length is no estimate
_KNOWN_NAMES = {"matroska,webm": "Matroska", "mov,mp4,m4a,3gp,3g2,mj2": "MP4"}


@contextmanager
def open_part(file: BinaryIO, part: Part, name: str) -> Iterator[Track]:
    """Open a part with FFmpeg.

    Raises
    ------
    MissingExtra
        Where PyAV is not installed.
    AudioError
        Where FFmpeg cannot open it.
    """
    av = require("av", extra="ffmpeg")
    pieces = part.pieces or [(part.begin, part.end)]
    try:
        # Tags that are not UTF-8 do not matter.
        container = av.open(view(file, *pieces), metadata_errors="replace")
    except (av.FFmpegError, ValueError) as error:
        raise AudioError("corrupt", name, f"cannot be decoded ({_said(error)})", REPLACE) from error
    with container:
        if not container.streams.audio:
            raise AudioError("not-audio", name, "a container without an audio stream", REPLACE)
        stream = container.streams.audio[0]
        notes: list[str] = []
        frames = _frames(av, container, notes)
        try:
            head = next(frames, None)
        except (av.FFmpegError, ValueError) as error:
            raise AudioError("corrupt", name, f"cannot be decoded ({_said(error)})", REPLACE) from error
        if head is None:
            raise AudioError("zero-length", name, "a valid header but no samples", REPLACE)
        format_ = part.format or _KNOWN_NAMES.get(container.format.name, container.format.long_name)
        encoding = f"{format_} {stream.codec_context.name}"
        channels = len(head.layout.channels)
        track = Track(head.sample_rate, channels, encoding, None, lambda *_: iter(()), notes)
        if part.missing:
            notes.append(f"its header claims {part.missing} bytes more than the file holds")
        track.read = lambda first, last: _blocks(av, container, chain([head], frames), track, name, first, last)
        yield track


def _said(error: Exception) -> str:
    return " ".join(str(getattr(error, "strerror", None) or error).split())


def _blocks(
    av: Any, container: Any, frames: Iterator[Any], track: Track, name: str, first: int, last: int | None
) -> Blocks:
    """A segment is cut from what is decoded, since containers seek inexactly."""
    at, ended, rate = 0, 0.0, 0
    try:
        planar = av.AudioResampler(format="fltp")
        for frame in frames:
            if frame.time is not None:  # a recording may begin late or have gaps
                ended = max(ended, frame.time + frame.samples / frame.sample_rate)
            for part in planar.resample(frame):
                samples, rate = part.to_ndarray().T, part.sample_rate
                begin = max(0, first - at)
                until = len(samples) if last is None else min(len(samples), last - at)
                at += len(samples)
                if until > begin:
                    yield np.ascontiguousarray(samples[begin:until], np.float32)
    except (av.FFmpegError, ValueError) as error:  # the second where the format changes midway
        raise AudioError("corrupt", name, f"cannot be decoded ({_said(error)})", REPLACE) from error
    track.frames = at
    if rate:
        _judge_end(av, container, track, name, max(ended, at / rate))


def _frames(av: Any, container: Any, notes: list[str]) -> Iterator[Any]:
    """Decoded frames; the last packet may be cut off, one before it may not."""
    stream = container.streams.audio[0]
    failure: Exception | None = None
    found = False
    for packet in container.demux(stream):
        try:
            frames = packet.decode()
        except av.FFmpegError as error:
            if failure is not None or not found:
                raise
            failure = error
            continue
        if frames and failure is not None:
            raise failure
        found = found or bool(frames)
        yield from frames
    if failure is not None:
        notes.append("its last packet is cut off")


def _judge_end(av: Any, container: Any, track: Track, name: str, ended: float) -> None:
    """Hold the length against what the container says, where that is no estimate, nor that of a picture that goes on."""
    stream = container.streams.audio[0]
    stated = 0.0
    if container.format.name.startswith(_TELLING):
        if stream.duration and stream.time_base:
            stated = float(stream.duration * stream.time_base)
        elif not container.streams.video:
            stated = (container.duration or 0) / av.time_base
    missing = stated - ended
    if missing <= _STATED:
        return
    if not forgiven(missing - _STATED, stated):
        detail = f"ends at {ended:.2f} s, its header claims {stated:.2f} s"
        raise AudioError("truncated", name, detail, REPLACE)
    track.notes.append(f"the last {missing:.3f} s of the {stated:.2f} s that its header claims are missing")
