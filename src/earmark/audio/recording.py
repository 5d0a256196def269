"""A file to blocks of samples: its parts one after the other, each with the decoder that reads it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import BinaryIO, TypeAlias

import numpy as np
import soundfile
from numpy.typing import NDArray

from earmark.audio import decoders, ffmpeg, signatures
from earmark.audio.decoders import Track
from earmark.audio.facts import Measure
from earmark.audio.faults import REPLACE
from earmark.audio.parts import Found, Part, find_parts
from earmark.errors import AudioError, MissingExtra

Samples: TypeAlias = NDArray[np.float32]

_UNSUPPORTED = (4, 18)  # libsndfile's numbers of the error of an encoding that it does not read
_LITTLE = 0.02  # of the bytes, which may be missing where nothing tells how long they last
_PLAIN = (1, 2, 3, 6, 7, 0x11, 0x31, 0x40, 0x50, 0x55, 0xFFFE, 0, 0xFFFF)  # codings of WAV that it reads, and nonsense


def recording_blocks(
    file: BinaryIO, name: str, start: float, end: float | None, measure: Measure | None = None
) -> Iterator[tuple[Samples, int]]:
    """Blocks of shape (time, channel) and their rate; what lies between ``start`` and ``end`` in seconds.

    Raises
    ------
    AudioError
        With ``kind`` saying what is wrong.
    """
    found = _found(file, name)
    wanted: _Segment | None = None
    at, first = 0, None
    for part in found.parts:
        with _track(file, part, found, name) as track:
            if wanted is None:
                wanted, first = _Segment.of(start, end, track.sr, name), track
                if len(found.parts) == 1 and track.frames:
                    wanted.check(track.frames)
                if measure is not None:
                    measure.begin(track.sr, track.channels, track.encoding)
            assert first is not None
            _check_alike(first, track, name)
            if wanted.last is not None and at >= wanted.last:
                break
            if track.frames is None or at + track.frames > wanted.first:
                begin = max(0, wanted.first - at)
                for samples in track.read(begin, None if wanted.last is None else wanted.last - at):
                    yield samples, track.sr
            at += track.frames or 0
            if measure is not None:
                for note in track.notes:
                    measure.note("header", note)
    if measure is not None:
        _note_around(found, measure)
    if wanted is not None and at:
        wanted.check(at)


def recording_length(file: BinaryIO, name: str) -> tuple[int, int]:
    """Samples of each channel and the rate: counted where the header does not tell them."""
    found = _found(file, name)
    total, first = 0, None
    for part in found.parts:
        with _track(file, part, found, name) as track:
            first = first or track
            _check_alike(first, track, name)
            if track.frames is None or (track.last_there is not None and not track.last_there()):
                total += sum(len(samples) for samples in track.read(0, None))
            else:
                total += track.frames
    assert first is not None
    return total, first.sr


class _Segment:
    """First and last sample of a segment in seconds; half a sample of rounding is forgiven."""

    def __init__(self, start: float, end: float | None, sr: int, name: str) -> None:
        self._start, self._end, self._sr, self._name = start, end, sr, name
        self.first = round(start * sr)
        self.last = None if end is None else round(end * sr)

    @classmethod
    def of(cls, start: float, end: float | None, sr: int, name: str) -> _Segment:
        found = cls(start, end, sr, name)
        if found.first < 0 or (found.last is not None and found.last <= found.first):
            raise AudioError("range", name, f"start {start:g} s and end {end} s do not make a clip", "0 <= start < end")
        return found

    def check(self, total: int) -> None:
        """Raise where the segment lies past the end of a recording of ``total`` samples."""
        if self.first < total and (self.last is None or self.last <= total):
            return
        wanted = f"{self._start:g} s to {'its end' if self._end is None else f'{self._end:g} s'}"
        detail = f"the clip from {wanted} lies past the recording's end at {total / self._sr:.3f} s"
        raise AudioError("range", self._name, detail, "correct start and end")


def _found(file: BinaryIO, name: str) -> Found:
    """The parts of a file; all of it where no format is recognised, for a decoder to judge."""
    found = find_parts(file)
    if found.archive:
        raise AudioError("not-audio", name, "is an archive", "unpack it")
    size = file.seek(0, os.SEEK_END)
    whole = Part("", 0, size, [(0, size)])
    if not found.parts or (found.junk and found.parts[0].begin and _opens(file)):
        return Found([whole])
    return found


def _opens(file: BinaryIO) -> bool:
    """Whether libsndfile knows the whole file by a mark that is not among ours; in MP3 it finds less than we do."""
    file.seek(0)
    try:
        with soundfile.SoundFile(file) as sound:
            return bool(sound.format != "MP3")
    except (soundfile.LibsndfileError, TypeError):
        return False


def _check_alike(first: Track, other: Track, name: str) -> None:
    if (first.sr, first.channels) == (other.sr, other.channels):
        return
    one, two = (f"{t.sr} Hz with {t.channels} channel{'s' * (t.channels > 1)}" for t in (first, other))
    detail = f"holds recordings of different kinds one behind the other: {one}, then {two}"
    raise AudioError("corrupt", name, detail, "split it into one file each")


def _note_around(found: Found, measure: Measure) -> None:
    if len(found.parts) > 1:
        measure.note("joined", f"holds {len(found.parts)} recordings one behind the other; they are read as one")
    junk = found.junk + sum(part.frames.skipped for part in found.parts if part.frames is not None)
    if junk:
        measure.note("junk", f"{junk} bytes in it are neither sound nor tags; they are skipped")


@contextmanager
def _track(file: BinaryIO, part: Part, found: Found, name: str) -> Iterator[Track]:
    """Open a part: with libsndfile, and where that gives up with FFmpeg."""
    with ExitStack() as stack:
        if signatures.needs_ffmpeg(part.format):
            try:
                track = stack.enter_context(ffmpeg.open_part(file, part, name))
            except MissingExtra as error:
                raise _needs_ffmpeg(name, "libsndfile does not read this container", error) from error
            except AudioError as error:
                raise (decoders.truncated(part, name) if part.missing else error) from error
        else:
            single = len(found.parts) == 1 and part.begin == 0 and part.end == file.seek(0, os.SEEK_END)
            try:
                track = stack.enter_context(decoders.open_part(file, part, name, single=single))
            except soundfile.LibsndfileError as error:
                track = stack.enter_context(_by_ffmpeg(file, part, name, error))
        yield track


@contextmanager
def _by_ffmpeg(file: BinaryIO, part: Part, name: str, failure: soundfile.LibsndfileError) -> Iterator[Track]:
    """Open with FFmpeg what libsndfile did not open; where that fails too, libsndfile's failure counts."""
    extent = part.extent
    if (
        extent is not None
        and part.missing
        and part.missing > _LITTLE * (extent.end - extent.sound)
        and not extent.whole(part.begin, part.end)
    ):
        raise decoders.truncated(part, name) from failure
    kind, what = (
        ("corrupt", "its header is damaged") if part.format else ("not-audio", "not a format that Earmark knows")
    )
    first = AudioError(kind, name, f"{what} ({decoders.reason(failure)})", REPLACE)
    if part.missing:
        first = decoders.truncated(part, name)
    with ExitStack() as stack:
        try:
            track = stack.enter_context(ffmpeg.open_part(file, part, name))
        except MissingExtra as error:
            if _unknown_coding(part, failure):
                why = f"libsndfile does not read its encoding ({decoders.reason(failure)})"
                raise _needs_ffmpeg(name, why, error) from failure
            raise first from failure
        except AudioError:
            raise first from failure
        yield track


def _unknown_coding(part: Part, failure: soundfile.LibsndfileError) -> bool:
    """Whether a container is known and whole, and holds what libsndfile does not decode."""
    if part.format == "WAV" and part.extent is not None and len(part.extent.coding) >= 2:
        return int.from_bytes(part.extent.coding[:2], "little") not in _PLAIN
    return bool(part.format) and failure.code in _UNSUPPORTED


def _needs_ffmpeg(name: str, why: str, error: MissingExtra) -> AudioError:
    return AudioError("needs-ffmpeg", name, why, f"install it: {error}")
