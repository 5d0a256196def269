"""libsndfile at work: one part of a file to blocks, every fault raised as `AudioError`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import BinaryIO, TypeAlias

import numpy as np
import soundfile
from numpy.typing import NDArray

from earmark.audio import ogg
from earmark.audio.faults import REPLACE, forgiven
from earmark.audio.parts import Part
from earmark.audio.quiet import muted
from earmark.audio.views import view
from earmark.errors import AudioError

UNKNOWN_LENGTH = 2**63 - 1
"""libsndfile's number of frames where a FLAC header, written into a pipe, does not say it."""

Blocks: TypeAlias = Iterator[NDArray[np.float32]]

# Samples read at a time over all channels: a lying header cannot claim more memory than the file holds.
_BLOCK = 1 << 18
_RATES = (1_000, 1_000_000)
_SOX, _FFMPEG = "sox --ignore-length IN OUT", "ffmpeg -ignore_length 1 -i IN OUT"
_UNFINISHED = {b"RIFF": f"{_SOX}, or {_FFMPEG}", b"RF64": _FFMPEG, b"FORM": _SOX, b".snd": _SOX}


@dataclass
class Track:
    """An opened part of a file.

    Attributes
    ----------
    sr, channels : int
    encoding : str
        Container and coding.
    frames : int or None
        How many samples each channel has, None where only decoding tells.
    read : callable
        Blocks of shape (time, channel) from a first to a last sample (excluded; None for the end).
    notes : list of str
        What of the header is wrong without a loss that matters; complete when all is read.
    last_there : callable or None
        Whether the last sample is there, which only decoding it tells.
    """

    sr: int
    channels: int
    encoding: str
    frames: int | None
    read: Callable[[int, int | None], Blocks]
    notes: list[str] = field(default_factory=list)
    last_there: Callable[[], bool] | None = None


@contextmanager
def open_part(file: BinaryIO, part: Part, name: str, *, single: bool) -> Iterator[Track]:
    """Open a part with libsndfile.

    Parameters
    ----------
    file : binary file
    part : Part
    name : str
        For messages.
    alone : bool
        The part is all of the file, so that the decoder may read the file itself.

    Raises
    ------
    soundfile.LibsndfileError
        Where libsndfile cannot open it.
    """
    if part.untold:
        raise _unfinished(file, part, name)
    if part.frames is not None:
        yield _mpeg_track(file, part, name)
        return
    pieces, lost = part.pieces, 0.0
    if part.pages is not None:
        pieces, lost = ogg.mended(part, name)

    def source() -> BinaryIO:
        """The file itself where nothing lies around the part, which is faster."""
        return file if single and pieces is part.pieces else view(file, *pieces)

    file.seek(0)
    with _opened(source(), name) as sound:
        claimed = None if sound.frames == UNKNOWN_LENGTH else int(sound.frames)
        track = Track(
            sound.samplerate, sound.channels, f"{part.format or sound.format} {sound.subtype}", claimed, _no_blocks
        )
        track.notes += part.notes
        if part.missing:
            track.notes.append(_missing(part, name, claimed or 0, sound.samplerate))
        if part.pages is not None:
            track.notes += ogg.judged(file, part, name, lost, sound.samplerate)
        if sound.format == "FLAC" and claimed:
            track.last_there = lambda: _has_last_sample(source(), claimed)
        track.read = lambda first, last: _blocks(sound, source, track, name, first, last, claimed)
        yield track


def _no_blocks(_first: int, _last: int | None) -> Blocks:
    return iter(())


@contextmanager
def _opened(file: BinaryIO, name: str) -> Iterator[soundfile.SoundFile]:
    """An open SoundFile that reads to the end of what there is: soundfile itself stops at the number of frames."""
    try:
        sound = soundfile.SoundFile(file)
    except TypeError as error:
        raise soundfile.LibsndfileError(1, str(error)) from error
    with sound:
        if not _RATES[0] <= sound.samplerate <= _RATES[1]:
            raise AudioError("corrupt", name, f"its header claims a rate of {sound.samplerate} Hz", REPLACE)
        sound.can_jump = sound.seekable() and sound.frames != UNKNOWN_LENGTH
        sound.seekable = lambda: False
        yield sound


def _blocks(
    sound: soundfile.SoundFile,
    source: Callable[[], BinaryIO],
    track: Track,
    name: str,
    first: int,
    last: int | None,
    claimed: int | None,
) -> Blocks:
    size = max(1, _BLOCK // sound.channels)
    at = _go_to(sound, first, size)
    until = min(UNKNOWN_LENGTH if claimed is None else claimed, UNKNOWN_LENGTH if last is None else last)
    failure: soundfile.LibsndfileError | None = None
    while first <= at < until and failure is None:
        samples, failure = _read(sound, min(size, until - at), at)
        if len(samples) == 0:
            break
        at += len(samples)
        yield samples
    if claimed != 0 and at < until and (claimed or failure is not None):
        inside = failure is not None and claimed is not None and _has_last_sample(source(), claimed)
        _judge_end(sound, track, name, at, claimed, failure, inside=inside)
    if last is None or at < until:
        track.frames = at


def _read(
    sound: soundfile.SoundFile, count: int, at: int
) -> tuple[NDArray[np.float32], soundfile.LibsndfileError | None]:
    """Up to ``count`` frames, and the failure that ended them: what was decoded before it is kept."""
    out = np.empty((count, sound.channels), np.float32)
    try:
        return sound.read(out=out), None
    except soundfile.LibsndfileError as error:
        done = 0
        with suppress(soundfile.LibsndfileError):
            done = max(0, sound.tell() - at)
        return out[: min(done, count)], error


def _judge_end(
    sound: soundfile.SoundFile,
    track: Track,
    name: str,
    at: int,
    claimed: int | None,
    failure: soundfile.LibsndfileError | None,
    *,
    inside: bool,
) -> None:
    """A recording that ends before its header says so: used if it is all but a frame of it, refused otherwise."""
    sr = sound.samplerate
    if not claimed:
        assert failure is not None
        raise _undecodable("corrupt", name, at / sr, None, failure)
    frame = 4608 if sound.format == "FLAC" else 0  # samples of a frame as encoders make them
    small = forgiven((claimed - at) / sr, claimed / sr) or (claimed - at <= frame and claimed - at <= claimed // 4)
    if not inside and small:
        track.notes.append(
            f"the last {(claimed - at) / sr:.3f} s of the {claimed / sr:.2f} s that its header claims are missing"
        )
    elif failure is not None:
        raise _undecodable("corrupt" if inside else "truncated", name, at / sr, claimed / sr, failure)
    else:
        detail = f"ends at {at / sr:.2f} s, its header claims {claimed / sr:.2f} s"
        raise AudioError("truncated", name, detail, REPLACE)


def _undecodable(kind: str, name: str, at: float, whole: float | None, failure: Exception) -> AudioError:
    of = "" if whole is None else f" of {whole:.2f} s"
    return AudioError(kind, name, f"cannot be decoded behind {at:.2f} s{of} ({reason(failure)})", REPLACE)


def reason(error: Exception) -> str:
    text = error.error_string if isinstance(error, soundfile.LibsndfileError) else str(error)
    return " ".join(str(text).split()).rstrip(".")


def _go_to(sound: soundfile.SoundFile, first: int, size: int) -> int:
    """Skip to a frame, by reading where the codec cannot jump (GSM, G.721); where it stands then."""
    try:
        if sound.can_jump and first:
            return int(sound.seek(first))
    except soundfile.LibsndfileError:
        if sound.tell():  # nobody knows where it stands
            raise
    at = 0
    while at < first:
        samples, failure = _read(sound, min(size, first - at), at)
        at += len(samples)
        if failure is not None or len(samples) == 0:
            break
    return at


def _has_last_sample(file: BinaryIO, total: int) -> bool:
    """Whether the last sample is there, so that what fails to decode is damaged inside rather than cut off."""
    at = file.tell()
    try:
        file.seek(0)
        with soundfile.SoundFile(file) as sound:
            sound.seek(total - 1)
            return len(sound.read(1)) == 1
    except (soundfile.LibsndfileError, ValueError):
        return False
    finally:
        file.seek(at)  # the decoder that reads the same file goes on from there


def _missing(part: Part, name: str, claimed: int, sr: int) -> str:
    """What to say where the header claims more bytes of sound than there are; raises where they are too many."""
    extent = part.extent
    assert extent is not None
    there = extent.end - part.missing - extent.sound
    seconds = claimed / sr
    if there > 0 and claimed:
        lost = part.missing * seconds / there
        more = f"its header claims {part.missing} byte{'s' * (part.missing > 1)} more than the file holds"
        if extent.whole(part.begin, part.end):
            return f"{more}; the sound is whole"
        if forgiven(lost, seconds + lost):
            return f"{more}; " + (
                f"the last {lost:.3f} s are missing" if lost >= 5e-4 else "its last sample is cut off"
            )
        if extent.rounded(part.end):
            return f"{more}; it was rounded up to a block"
    raise truncated(part, name)


def truncated(part: Part, name: str) -> AudioError:
    """The error of a part that ends before its header says so."""
    return AudioError("truncated", name, f"{part.missing} bytes fewer than its header claims", REPLACE)


def _unfinished(file: BinaryIO, part: Part, name: str) -> AudioError:
    detail = f"{part.untold} bytes behind the end that its header claims; it was not closed properly"
    file.seek(part.begin)
    remedy = _UNFINISHED.get(file.read(4))
    return AudioError("corrupt", name, detail, f"write its header anew: {remedy}" if remedy else "export it again")


def _mpeg_track(file: BinaryIO, part: Part, name: str) -> Track:
    """MP3 by its own frames, which are counted: no estimate ends it too early."""
    frames = part.frames
    assert frames is not None
    sr, whole = frames.sr, frames.count * frames.samples_each / frames.sr
    track = Track(
        sr, frames.channels, "MP3" if part.format == "MP3" else f"{part.format} MP3", frames.length, _no_blocks
    )
    lost = ((frames.claimed or 0) - frames.count) * frames.samples_each / sr
    if lost > 0 and not (forgiven(lost, whole + lost) or (lost * sr <= 2 * frames.samples_each and lost < whole / 3)):
        detail = f"ends at {whole:.2f} s, its header claims {whole + lost:.2f} s"
        raise AudioError("truncated", name, detail, REPLACE)
    if lost > 0:
        track.notes.append(f"the last {lost:.3f} s of the {whole + lost:.2f} s that its header claims are missing")
    elif frames.cut:
        track.notes.append("its last frame is cut off")
    track.read = lambda first, last: _mpeg_blocks(file, part, name, first, last)
    return track


def _mpeg_blocks(file: BinaryIO, part: Part, name: str, first: int, last: int | None) -> Blocks:
    frames = part.frames
    assert frames is not None
    until = frames.length if last is None else min(last, frames.length)
    if first >= until:
        return
    pieces, skip = frames.begin(first)
    left = until - first
    with muted():
        opened = _opened(view(file, *pieces), name)
        sound = opened.__enter__()
    try:
        while left > 0:
            with muted():
                samples, failure = _read(sound, max(1, _BLOCK // sound.channels), 0)
            if failure is not None:
                raise _undecodable("corrupt", name, (until - left) / frames.sr, frames.length / frames.sr, failure)
            if len(samples) == 0:
                break
            kept = samples[skip : skip + left]
            skip = max(0, skip - len(samples))
            left -= len(kept)
            if len(kept):
                yield kept
    finally:
        with muted():
            opened.__exit__(None, None, None)
    if left > 2 * frames.samples_each:
        ends = (until - left) / frames.sr
        detail = f"cannot be decoded behind {ends:.2f} s of {frames.length / frames.sr:.2f} s (its frames are damaged)"
        raise AudioError("corrupt", name, detail, REPLACE)
