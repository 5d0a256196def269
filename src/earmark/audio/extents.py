"""Where a recording ends by what its header claims: RIFF, RF64, AIFF, CAF, Wave64 and AU by their chunks, Ogg by its pages."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO

from earmark.audio import signatures

_LONGEST_FORMAT = 4096  # bytes
_W64_UNTOLD = 1 << 62  # or more is written by programs that stream into a pipe
_OGG_PAGE = 27 + 255 + 255 * 255  # bytes of the longest
_UNKNOWN_SIZES = (0xFFFFFFFF, 0x7FFFFFFF, -1)  # written by programs that stream into a pipe
# By SoX, rounded down to a whole block, and by arecord.
_STREAMED = range(0x7FFFF000 - 4096, 0x7FFFF001), range(0x80000000, 0x80000001)
_BLOCKS = (512, 1024, 2048, 4096)  # bytes to which recorders round sizes up
_BEHIND = (
    b"ID3", b"id3 ", b"TAG", b"APETAGEX", b"LIST", b"bext", b"iXML", b"_PMX", b"<?xpacket", b"JUNK", b"PAD ", b"SMED",
)  # fmt: skip
"""What commonly lies behind the sound; the last of it may be cut off."""


@dataclass(frozen=True)
class Extent:
    """Where the sound of a recording lies by its header, in bytes of the file.

    Attributes
    ----------
    sound : int
        Where it begins.
    end : int
        Where it ends by the header; past the file where no sound is found, 0 where the header does not say.
    outer : int
        Where the container ends by the header, 0 where it does not say.
    more : tuple of (int, int)
        Further sound chunks of the same container.
    coding : bytes
        The content of the chunk that describes the coding.
    """

    sound: int
    end: int
    outer: int = 0
    more: tuple[tuple[int, int], ...] = ()
    coding: bytes = b""

    def whole(self, top: int, size: int) -> bool:
        """Whether the sound is all there although its size reaches past the file.

        So it is where the container's own size is that of the file, and where the file's size was written for that of the sound.
        """
        return self.outer in (size - 1, size, size + 1) or self.end - self.sound in (size - top, size - top - 8)

    def rounded(self, size: int) -> bool:
        """Whether the size of the sound was rounded up to a block, as recorders do."""
        length, missing = self.end - self.sound, self.end - size
        return missing < 0.1 * length and any(missing < n and not (length % n and self.end % n) for n in _BLOCKS)


def riff(file: BinaryIO, top: int, size: int, *, form: str = "<4sI") -> Extent:
    """Of a RIFF, RF64 or AIFF file that begins at ``top``."""
    file.seek(top + 4)
    outer = struct.unpack(form[0] + "I", file.read(4))[0]
    outer = 0 if outer in _UNKNOWN_SIZES else top + 8 + outer
    return _chunks(file, size, form, first=top + 12, outer=outer)


def caf(file: BinaryIO, top: int, size: int) -> Extent:
    """Of a Core Audio file."""
    return _chunks(file, size, ">4sq", first=top + 8, outer=0)


def _chunks(file: BinaryIO, size: int, form: str, *, first: int, outer: int) -> Extent:
    at, header, long_size, coding = first, struct.calcsize(form), None, b""
    while at + header <= size:
        file.seek(at)
        name, length = struct.unpack(form, file.read(header))
        if name == b"ds64":
            outer, long_size = struct.unpack("<QQ", file.read(16).ljust(16, b"\0"))
            outer += first - 4
        if name in (b"data", b"SSND"):
            if long_size is not None and length == _UNKNOWN_SIZES[0]:
                length = long_size
            untold = length in _UNKNOWN_SIZES or any(length in sizes for sizes in _STREAMED)
            return Extent(at + header, 0 if untold else int(at + header + length), outer, coding=coding)
        if length < 0 or (name in (b"fmt ", b"COMM", b"desc") and length > _LONGEST_FORMAT):
            return Extent(at, 0)  # nonsense rather than cut off: libsndfile says so
        if name in (b"fmt ", b"COMM", b"desc"):
            coding = file.read(length)
        at += header + length + (0 if form == ">4sq" else length & 1)
    return Extent(at, max(at, size + 1), outer, coding=coding)


def w64(file: BinaryIO, top: int, size: int) -> Extent:
    """Of a Sony Wave64 file: names of 16 bytes, sizes of 8 that count the header."""
    file.seek(top + 16)
    outer = top + int.from_bytes(file.read(8), "little")
    at = top + 40
    while at + 24 <= size:
        file.seek(at)
        name, length = struct.unpack("<16sQ", file.read(24))
        if name[:4] == b"data":
            return Extent(at + 24, 0 if length >= _W64_UNTOLD else at + int(length), outer)
        at += max(24, (length + 7) // 8 * 8)
    return Extent(at, max(at, size + 1), outer)


def au(file: BinaryIO, top: int, size: int) -> Extent:
    """Of a Sun or NeXT file."""
    file.seek(top)
    head = file.read(12)
    if len(head) < 12:
        return Extent(size, size + 1)
    offset, length = struct.unpack(">II", head[4:])
    return Extent(top + offset, 0 if length in _UNKNOWN_SIZES else int(top + offset + length))


def behind_chunks(file: BinaryIO, at: int, size: int, form: str) -> tuple[int, list[tuple[int, int]]]:
    """Where the chunks from ``at`` on end, and where those of them that hold sound lie."""
    header = struct.calcsize(form)
    sound: list[tuple[int, int]] = []
    while at < size:
        file.seek(at)
        head = file.read(25)
        if signatures.of_head(head):
            return at, sound
        # A chunk of odd length is padded, if its writer knew.
        if not _is_chunk(head, size - at, form) and _is_chunk(head[1:], size - at - 1, form) and not head[0]:
            at, head = at + 1, head[1:]
        if not _is_chunk(head, size - at, form):
            return at, sound
        length = struct.unpack_from(form, head)[1]
        if head.startswith(_BEHIND) and length > size - at - header:  # cut off, or a tag that is no chunk
            return at if head.startswith((b"ID3", b"TAG", b"APETAGEX")) else size, sound
        if head[:4] == b"data":
            sound.append((at + header, at + header + length))
        at += header + length
        if length & 1 and form != ">4sq":
            file.seek(at)
            at += not file.read(1).strip(b"\0")
    return min(at, size), sound


def _is_chunk(head: bytes, room: int, form: str) -> bool:
    """Whether a chunk begins there: by a name that is known, or another with a length that fits."""
    if len(head) < struct.calcsize(form) or head[:4] in (b"RIFF", b"RF64", b"FORM"):
        return False
    named = all(32 <= letter < 127 for letter in head[:4])
    return head.startswith(_BEHIND) or (named and 0 <= struct.unpack_from(form, head)[1] <= room)


@dataclass(frozen=True)
class Pages:
    """The last page of an Ogg stream.

    Attributes
    ----------
    whole : int
        Where the last page that is all there ends.
    cut : bytes
        What there is of the one behind it.
    ended : bool
        The last page that is there marks the end.
    before, last : int
        Positions that the page before the cut one, and the cut one, give, in samples.
    """

    whole: int
    cut: bytes
    ended: bool
    before: int = 0
    last: int = 0


def last_page(file: BinaryIO, top: int, end: int) -> Pages:
    """The last page of an Ogg stream that lies from ``top`` to ``end`` (RFC 3533)."""
    begin = max(top, end - 2 * _OGG_PAGE)
    file.seek(begin)
    tail = file.read(end - begin)
    at = len(tail)
    pages: list[int] = []
    while len(pages) < 2 and (at := tail.rfind(b"OggS", 0, at)) >= 0:
        pages.append(at)
    if not pages:
        return Pages(end, b"", ended=False)
    at = pages[0]
    table = tail[at + 27 : at + 27 + tail[at + 26]] if at + 27 <= len(tail) else b""
    complete = at + 27 <= len(tail) and at + 27 + tail[at + 26] + sum(table) <= len(tail)
    granules = [int.from_bytes(tail[p + 6 : p + 14], "little", signed=True) for p in pages]
    ended = at + 5 < len(tail) and bool(tail[at + 5] & 4)
    if complete:
        return Pages(begin + at + 27 + len(table) + sum(table), b"", ended, granules[0], granules[0])
    return Pages(begin + at, tail[at:], ended, granules[1] if len(pages) > 1 else 0, granules[0])
