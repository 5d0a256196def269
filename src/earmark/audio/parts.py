"""A file to the recordings in it: one as a rule, several where files were joined, with or without junk around them."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from typing import BinaryIO

import numpy as np

from earmark.audio import extents, mpeg, signatures
from earmark.audio.extents import Extent
from earmark.audio.tags import tag_length
from earmark.audio.views import Piece

_REACH = mpeg.REACH
_JOINED = ("WAV", "FLAC", "Ogg", "AIFF", "AU", "CAF", "W64", "MP3", "MP4", "Matroska", "AAC", "AMR")
"""Formats that are looked for behind another recording; others' marks are too short for it."""

_CHUNK = 1 << 20
_PADDING = 4096  # bytes behind the sound that may be anything
_TEXT = 0.9  # share of printable bytes from which junk is text, and no sound
_MP3_IN_WAV = b"\x55\0"


@dataclass
class Part:
    """One recording of a file.

    Attributes
    ----------
    format : str
        Name of the container.
    begin, end : int
        Where it lies in the file.
    pieces : list of Piece
        What its decoder gets.
    extent : Extent or None
        What its header says of its length, where that is a number of bytes.
    frames : Frames or None
        Of MP3.
    claimed : int
        Samples that its header says and that cannot be there, of an Ogg stream that is cut off.
    notes : list of str
        What of its header is wrong without a loss.
    """

    format: str
    begin: int
    end: int
    pieces: list[Piece]
    extent: Extent | None = None
    frames: mpeg.Frames | None = None
    missing: int = 0
    untold: int = 0
    pages: extents.Pages | None = None
    notes: list[str] = field(default_factory=list)


@dataclass
class Found:
    """The recordings of a file, and what lies around them.

    Attributes
    ----------
    parts : list of Part
    junk : int
        Bytes before, between and behind them that are neither sound nor tag nor padding.
    archive : bool
        The file is an archive.
    """

    parts: list[Part] = field(default_factory=list)
    junk: int = 0
    archive: bool = False


def find_parts(file: BinaryIO) -> Found:
    """The recordings of a file in their order; none where no known format is found in its first 64 KiB."""
    size = file.seek(0, os.SEEK_END)
    found = Found()
    file.seek(0)
    if signatures.is_archive(file.read(signatures.SIGHT)):
        found.archive = True
        return found
    at = 0
    while at < size:
        place, name, junk = _next(file, at, size)
        if not name:
            _behind(file, found, at, size, junk)
            break
        if found.parts:
            _behind(file, found, at, place, junk)
        else:
            found.junk += junk
        parts, end = _read(file, name, place, size)
        if end <= place:
            break
        found.parts += parts
        at = end
    return found


def _next(file: BinaryIO, at: int, size: int) -> tuple[int, str, int]:
    """Where the next recording begins, its format, and how many bytes before it are neither tag nor padding."""
    tags: list[int] = []
    begin = at
    while at < size:
        file.seek(at)
        content = file.read(_REACH)
        whole = at + len(content) >= size
        name = signatures.at_start(content, whole=whole)
        if name and (begin == 0 or name in _JOINED):
            return at, name, 0
        if length := tag_length(content):
            tags.append(at + 10)
            at += length
            if at > size and begin == 0:  # its size is wrong
                at = tags[-1]
                break
        elif stripped := len(content) - len(content.lstrip(b"\0")):
            at += stripped
        else:
            break
    if at >= size:
        return size, "", 0
    file.seek(at)
    content = file.read(_REACH)
    place, name = signatures.search(content, whole=at + len(content) >= size)
    if not name and tags and begin == 0:  # a tag that says it is longer than it is
        at = tags[0]
        file.seek(at)
        content = file.read(_REACH)
        place, name = signatures.search(content, whole=at + len(content) >= size)
    return (at + place, name, place) if name else (size, "", size - at)


def _behind(file: BinaryIO, found: Found, at: int, end: int, junk: int) -> None:
    """Judge what lies between two recordings, or behind the last: junk, or sound of which a header says nothing."""
    if not junk or not found.parts:
        return
    part = found.parts[-1]
    size = file.seek(0, os.SEEK_END)
    if junk < _PADDING:
        found.junk += junk if end < size else 0
        return
    extent = part.extent
    if extent is not None and part.format != "W64" and not _is_junk(file, part, extent, end - junk, end):
        part.untold = end - at
        return
    found.junk += junk


def _is_junk(file: BinaryIO, part: Part, extent: Extent, at: int, end: int) -> bool:
    """Whether bytes behind the sound are text, or no part of it by the container's own size."""
    file.seek(at)
    sample = file.read(min(_REACH, end - at))
    if sum(32 <= byte < 127 or byte in b"\t\r\n" for byte in sample) > _TEXT * len(sample):
        return True
    closed = extent.outer and 0 <= extent.outer - extent.end <= 1 + part.end - extent.end
    return bool(closed) and end - at < extent.end - extent.sound


def _read(file: BinaryIO, name: str, top: int, size: int) -> tuple[list[Part], int]:
    """The recordings that begin at ``top``, and where they end."""
    if name == "MP3":
        return _mp3(file, top, size)
    if name in ("WAV", "AIFF", "CAF", "W64", "AU"):
        return _sized(file, name, top, size)
    end = _CHAINED[name](file, top, size) if name in _CHAINED else size
    part = Part(name, top, end, [(top, end)])
    if name == "MP4":
        part.missing = _end_of_boxes(file, top, end) - end
    if name == "Ogg":
        part.pages = extents.last_page(file, top, end)
        end = end if part.pages.cut else part.pages.whole
    return [part], end


def _mp3(file: BinaryIO, top: int, size: int, *, name: str = "MP3") -> tuple[list[Part], int]:
    walker = mpeg.Walker(file, top, size)
    parts = []
    for frames in walker.parts():
        part = Part(name, top, walker.at, [], frames=frames)
        parts.append(part)
    return parts, max(walker.at, top + 1)


def _sized(file: BinaryIO, name: str, top: int, size: int) -> tuple[list[Part], int]:
    """A recording whose header says how many bytes of sound there are."""
    file.seek(top)
    form = {"CAF": ">4sq", "AIFF": ">4sI"}.get(name, ">4sI" if file.read(4) == b"RIFX" else "<4sI")
    if name in ("WAV", "AIFF"):
        extent = extents.riff(file, top, size, form=form)
    else:
        extent = {"CAF": extents.caf, "W64": extents.w64, "AU": extents.au}[name](file, top, size)
    more: list[tuple[int, int]] = []
    if name == "W64":
        end = _end_of_w64(file, extent, size)
    elif extent.end == 0:
        end = _search_end(file, (name,), extent.sound, size) if name in _MARKS else size
    elif extent.end >= size:
        end = size
    elif name == "AU":
        end = extent.end
    else:
        end, more = extents.behind_chunks(file, extent.end, size, form)
    if name == "WAV" and extent.coding[:2] == _MP3_IN_WAV:
        inside, _ = _mp3(file, extent.sound, min(extent.end or size, end), name="WAV")
        if inside:
            return inside, end
    if more and form == "<4sI":  # of which libsndfile reads the last alone
        return [_chunk(extent, place) for place in ((extent.sound, extent.end), *more)], end
    return [Part(name, top, end, [(top, end)], extent=extent, missing=max(0, extent.end - size))], end


def _chunk(extent: Extent, place: tuple[int, int]) -> Part:
    """One sound chunk of a WAV file that has several, with a header of its own."""
    length = place[1] - place[0]
    coding = b"fmt " + len(extent.coding).to_bytes(4, "little") + extent.coding + bytes(len(extent.coding) & 1)
    rest = b"WAVE" + coding + b"data" + length.to_bytes(4, "little")
    head = b"RIFF" + (len(rest) + length).to_bytes(4, "little") + rest
    return Part("WAV", *place, [head, place])


def _end_of_w64(file: BinaryIO, extent: Extent, size: int) -> int:
    """Of Wave64 libsndfile reads all there is; its end counts where the sizes agree, or another begins there."""
    if 0 < extent.end <= extent.outer < size and extent.outer - extent.end < _PADDING:
        return extent.outer
    for place in (extent.outer, (extent.end + 7) // 8 * 8):
        if 0 < place < size:
            file.seek(place)
            if signatures.at_start(file.read(signatures.SIGHT), whole=False):
                return place
    return size


_MARKS = {
    "WAV": b"WAVEfmt ",
    "AU": b".snd",
    "FLAC": b"fLaC",
    "Ogg": b"OggS\0\x02",
    "Matroska": b"\x1aE\xdf\xa3",
    "CAF": b"caff\0\x01",
}
_FIRST_PACKETS = (b"\x01vorbis", b"OpusHead", b"\x7fFLAC", b"Speex   ", b"fishead\0", b"\x80theora")


def _search_end(file: BinaryIO, names: tuple[str, ...], at: int, size: int) -> int:
    """Where another recording of these formats begins, or the end of the file: of those whose header does not say."""
    base = at
    while base < size:
        file.seek(base)
        content = file.read(_CHUNK + 256)
        places = [_search(file, content, base, name, first=at) for name in names]
        if (nearest := min(places)) < size:
            return nearest
        base += _CHUNK
    return size


def _search(file: BinaryIO, content: bytes, base: int, name: str, *, first: int) -> int:
    """Where a recording begins in ``content``, which lies at ``base`` in the file, or a place behind every file."""
    offset = 8 if name == "WAV" else 0
    for place in _places(content, _MARKS[name]):
        if place < _CHUNK and base + place - offset >= first and _begins(file, name, base + place - offset):
            return base + place - offset
    return sys.maxsize


def _places(content: bytes, mark: bytes) -> list[int]:
    """Where a mark is; by pairs of bytes, which takes half as long as ``bytes.find`` in sound."""
    pair, found = np.frombuffer(mark[:2], np.uint16)[0], []
    for shift in (0, 1):
        pairs = np.frombuffer(content, np.uint16, max(0, len(content) - shift) // 2, shift)
        found += (2 * np.flatnonzero(pairs == pair) + shift).tolist()
    return sorted(place for place in found if content.startswith(mark, place))


def _begins(file: BinaryIO, name: str, at: int) -> bool:
    file.seek(at)
    content = file.read(signatures.SIGHT)
    if name == "Matroska":
        return b"matroska" in content[:64] or b"webm" in content[:64]
    if name == "Ogg":
        return content[27 + content[26] :].startswith(_FIRST_PACKETS) if len(content) > 27 else False
    return signatures.at_start(content, whole=False) == name


def _end_of_flac(file: BinaryIO, top: int, size: int) -> int:
    return _search_end(file, ("FLAC", "WAV", "Ogg"), top + 42, size)


def _end_of_ogg(file: BinaryIO, top: int, size: int) -> int:
    """Behind the pages that begin its streams, the next page that begins one."""
    at = top
    file.seek(at)
    while len(head := file.read(27)) == 27 and head[:4] == b"OggS" and head[5] & 2:
        at += 27 + head[26] + sum(file.read(head[26]))
        file.seek(at)
    return _search_end(file, ("Ogg",), max(at, top + 1), size)


def _end_of_mp4(file: BinaryIO, top: int, size: int) -> int:
    """Where the boxes of another file begin."""
    return min(_end_of_boxes(file, top, size), size)


def _end_of_boxes(file: BinaryIO, top: int, size: int) -> int:
    """Where the last box of an MP4 file ends by its header, which is past the file where it is cut off."""
    at = top
    while at + 8 <= size:
        file.seek(at)
        head = file.read(16)
        if head[4:8] == b"ftyp" and at > top:
            return at
        length = int.from_bytes(head[:4], "big")
        length = int.from_bytes(head[8:16], "big") if length == 1 else length
        if length < 8:
            return size
        at += length
    return max(at, size)


def _end_of_matroska(file: BinaryIO, top: int, size: int) -> int:
    return _search_end(file, ("Matroska",), top + 4, size)


_CHAINED = {"FLAC": _end_of_flac, "Ogg": _end_of_ogg, "MP4": _end_of_mp4, "Matroska": _end_of_matroska}
