"""The frames of an MP3: counted instead of estimated, without the tags and the junk before, between and behind them.

A decoder that has no count estimates one from the file's size and the first frame, and stops there; one that meets a second
recording behind the first stops too. So the frames are walked here, which costs a few per cent of decoding them.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from earmark.audio.tags import behind, tag_length

REACH = 1 << 16
"""Bytes within which sound is searched before, between and behind what is known."""

_CHUNK = 1 << 20
_LONGEST = 8192  # bytes of as many frames as make it sure
_SURE = 3  # frames in a row that make junk unlikely
_EVERY = 64  # frames between two places that are kept to begin at
_WARM = 128  # frames that are decoded before the wanted one: the bit reservoir reaches back 511 bytes
_DECODER_DELAY = 529  # samples
_KEY = 9  # bits of a header that do not matter for a frame's length
_SAME = 0xFFFE0C00  # synchronisation, version, layer and rate
_MONO = 0xC0

_KBITS = {
    (True, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}


def _lengths() -> dict[int, int]:
    """Bytes of a frame by the first bits of its header (ISO 11172-3 and 13818-3; version 2.5 is an extension)."""
    found = {}
    for version, rates in _RATES.items():
        for layer in (1, 2, 3):
            for number, kbits in enumerate(_KBITS[version == 3, layer], 1):
                for place, rate in enumerate(rates):
                    for bits in range(4):  # padding and protection
                        padding, protection = bits & 1, bits >> 1
                        head = 0x7FF << 21 | version << 19 | (4 - layer) << 17 | protection << 16
                        head |= number << 12 | place << 10 | padding << 9
                        slots = 144 if layer == 2 or version == 3 else 72
                        length = (
                            (12_000 * kbits // rate + padding) * 4
                            if layer == 1
                            else slots * 1000 * kbits // rate + padding
                        )
                        found[head >> _KEY] = length
    return found


_LENGTH = _lengths()


@dataclass
class Frames:
    """One recording in MPEG frames.

    Attributes
    ----------
    header : int
        The first frame's.
    ranges : list of (int, int)
        Bytes of the frames, without what lies between them; the frame that only tells their number is no part of it.
    count : int
        How many frames there are.
    said : int or None
        How many there are by the Xing, Info or VBRI header.
    delay, padding : int or None
        Samples that the encoder put before and behind the sound, where it says so.
    skipped : int
        Bytes between the frames that are none.
    cut : bool
        The last frame is not all there.
    """

    header: int
    ranges: list[tuple[int, int]] = field(default_factory=list)
    count: int = 0
    claimed: int | None = None
    delay: int | None = None
    padding: int | None = None
    skipped: int = 0
    cut: bool = False
    _places: list[tuple[int, int]] = field(default_factory=list, repr=False)  # range and byte of every 64th frame

    @property
    def layer(self) -> int:
        return 4 - (self.header >> 17 & 3)

    @property
    def channels(self) -> int:
        return 1 if self.header & _MONO == _MONO else 2

    @property
    def sr(self) -> int:
        return _RATES[self.header >> 19 & 3][self.header >> 10 & 3]

    @property
    def samples_each(self) -> int:
        """Samples of a frame."""
        if self.layer == 1:
            return 384
        return 1152 if self.layer == 2 or self.header >> 19 & 3 == 3 else 576

    @property
    def first(self) -> int:
        """The first sample that is sound: what encoder and decoder put before it is not."""
        if self.layer != 3:
            return 0
        return min((self.delay or 0) + _DECODER_DELAY, self.count * self.samples_each)

    @property
    def length(self) -> int:
        """Samples of sound."""
        whole = self.count * self.samples_each
        # What the encoder filled up with is cut off where nothing is missing and nothing was appended.
        if self.padding and self.claimed == self.count:
            whole = min(whole, whole - self.padding + _DECODER_DELAY)
        return max(0, whole - self.first)

    def begin(self, sample: int) -> tuple[list[bytes | tuple[int, int]], int]:
        """What to decode to get the sound from ``sample`` on, and how many samples of that come before it."""
        frame = max(0, (self.first + sample) // self.samples_each - _WARM) // _EVERY
        number, place = self._places[frame]
        pieces: list[bytes | tuple[int, int]] = [(place, self.ranges[number][1]), *self.ranges[number + 1 :]]
        if self.layer == 3:
            left = self.count - frame * _EVERY
            return [
                self._count_frame(left),
                *pieces,
            ], self.first + sample - frame * _EVERY * self.samples_each - _DECODER_DELAY
        # Layers I and II know no count: frames that are not wanted behind the others make the estimate larger than the sound.
        top = self.ranges[0][0]
        more = [(top, top + _LENGTH[self.header >> _KEY])] * (8 + self.count // 64)
        return [*pieces, *more], sample - frame * _EVERY * self.samples_each

    def _count_frame(self, count: int) -> bytes:
        """A frame that tells how many follow."""
        side = _side(self.header)
        for number in range(1, 15):
            head = self.header & ~0xF200 | 0x10000 | number << 12
            if (length := _LENGTH[head >> _KEY]) >= 4 + side + 16:
                break
        return (struct.pack(">I", head) + bytes(side) + b"Xing" + struct.pack(">II", 1, count)).ljust(length, b"\0")


def _side(header: int) -> int:
    """Bytes of a layer III frame between its header and its main data."""
    mono = header & _MONO == _MONO
    return (17 if mono else 32) if header >> 19 & 3 == 3 else (9 if mono else 17)


def _claimed(frame: bytes) -> tuple[int | None, int | None, int | None] | None:
    """Frames, delay and padding by a frame that holds a Xing, Info or VBRI header, or nothing where it holds sound."""
    header = int.from_bytes(frame[:4], "big")
    if frame[36:40] == b"VBRI":
        return int.from_bytes(frame[50:54], "big") or None, None, None
    at = 4 + _side(header)
    if frame[at : at + 4] not in (b"Xing", b"Info"):
        at += 2  # a check sum
        if header & 0x10000 or frame[at : at + 4] not in (b"Xing", b"Info"):
            return None
    if any(frame[6:at]):  # sound that happens to read so
        return None
    flags = int.from_bytes(frame[at + 4 : at + 8], "big")
    count = int.from_bytes(frame[at + 8 : at + 12], "big") if flags & 1 else 0
    place = at + 8 + 4 * (flags & 1) + 4 * (flags >> 1 & 1) + 100 * (flags >> 2 & 1) + 4 * (flags >> 3 & 1)
    more = frame[place : place + 24]
    if len(more) < 24 or not more[:4].strip(b"\0 "):
        return count or None, None, None
    both = int.from_bytes(more[21:24], "big")
    return count or None, both >> 12, both & 0xFFF


def starts(content: bytes, at: int, *, whole: bool) -> bool:
    """Whether MPEG frames begin at a place: several in a row, or as many as there are before the end of the file.

    Parameters
    ----------
    content : bytes
    at : int
    whole : bool
        The content reaches to the end of the file.
    """
    ref = 0
    for number in range(_SURE):
        if at + 4 > len(content):
            return whole and number >= 2
        header = int.from_bytes(content[at : at + 4], "big")
        length = _LENGTH.get(header >> _KEY)
        if length is None or (number and (header & _SAME) != ref):
            return (
                whole and number >= 1 and (content.startswith(behind(), at) or (number >= 2 and not any(content[at:])))
            )
        ref = header & _SAME
        at += length
    return True


def search(content: bytes, begin: int, *, whole: bool) -> int:
    """The first place from ``begin`` on where frames begin, or -1."""
    at = content.find(b"\xff", begin)
    while at >= 0:
        if at + 1 < len(content) and content[at + 1] >= 0xE0 and starts(content, at, whole=whole):
            return at
        at = content.find(b"\xff", at + 1)
    return -1


class Walker:
    """Walks the frames of a file from a place where they begin.

    Parameters
    ----------
    file : binary file
    at : int
        Where the first frame begins.
    size : int
        Where the file ends, or the part of it that holds frames.
    """

    def __init__(self, file: BinaryIO, at: int, size: int) -> None:
        self._file, self._size = file, size
        self.at = at  # behind the walk: where the frames end
        self._buffer, self._base = b"", at

    def parts(self) -> Iterator[Frames]:
        """The recordings one behind the other."""
        part: Frames | None = None
        gap = 0
        while (found := self._run(part, gap)) is not None:
            if part is not None and found is not part:
                yield part
            part = found
            begin = self.at
            place, junk = self._resume()
            if place is None:
                self.at = begin
                break
            gap, self.at = junk, place
        if part is not None and (part.count or part.claimed):
            yield part

    def _run(self, part: Frames | None, gap: int) -> Frames | None:
        """Take frames for as long as they follow each other; a new part where another recording begins."""
        self._fill(self.at, 4)
        header = int.from_bytes(self._peek(self.at, 4), "big")
        info = self._header_frame(header)
        if part is None or info is not None or not _alike(part.header, header):
            part = Frames(header)
        part.skipped += gap
        if info is not None:
            part.claimed, part.delay, part.padding = info
            self.at += _LENGTH[header >> _KEY]
        return self._count(part)

    def _header_frame(self, header: int) -> tuple[int | None, int | None, int | None] | None:
        length = _LENGTH.get(header >> _KEY)
        if length is None or header >> 17 & 3 != 1:
            return None
        self._fill(self.at, length)
        return _claimed(self._peek(self.at, length))

    def _count(self, part: Frames) -> Frames:
        begin = at = self.at
        count, places, number = part.count, part._places, len(part.ranges)
        same, mono = part.header & _SAME, part.header & _MONO == _MONO
        side = 4 + _side(part.header) + (0 if part.header & 0x10000 else 2)
        get, unpack, size, lame = _LENGTH.get, struct.Struct(">I").unpack_from, self._size, part.layer == 3
        buffer, base = self._buffer, self._base
        ready = base + len(buffer) - 64
        while True:
            if at > ready:
                self._fill(at, 64)
                buffer, base = self._buffer, self._base
                ready = base + len(buffer) - 64
                if at + 4 > base + len(buffer):
                    break
                ready = max(ready, at)
            header = unpack(buffer, at - base)[0]
            length = get(header >> _KEY)
            if length is None or header & _SAME != same or (header & _MONO == _MONO) != mono:
                break
            if (
                lame
                and buffer[at - base + side : at - base + side + 4] in _MARKS
                and at > begin
                and self._is_header(at, header)
            ):
                break
            if at + length > size:
                part.cut = True
                break
            if not count % _EVERY:
                places.append((number, at))
            count += 1
            at += length
        if at > begin:
            part.ranges.append((begin, at))
        part.count, self.at = count, at
        return part

    def _is_header(self, at: int, header: int) -> bool:
        keep, self.at = self.at, at
        info = self._header_frame(header)
        self.at = keep
        return info is not None

    def _resume(self) -> tuple[int | None, int]:
        """Where frames go on behind what is none, and how many bytes of that are no tags either."""
        at, junk = self.at, 0
        while at < self._size:
            self._fill(at, REACH)
            content = self._peek(at, REACH)
            whole = at + len(content) >= self._size
            if starts(content, 0, whole=whole):
                return at, junk
            if length := tag_length(content):
                at += length
                continue
            place = search(content, 0, whole=whole)
            if place >= 0:
                return at + place, junk + len(content[:place].lstrip(b"\0"))
            # The next reach begins before the end of this one, where the first of the frames might be.
            step = len(content) if whole else len(content) - _LONGEST
            junk += step
            at += step
        return None, 0

    def _peek(self, at: int, count: int) -> bytes:
        return self._buffer[at - self._base : at - self._base + count]

    def _fill(self, at: int, count: int) -> None:
        """Have ``count`` bytes from ``at`` on in the buffer, or as many as there are."""
        end = min(at + count, self._size)
        if at >= self._base and end <= self._base + len(self._buffer):
            return
        self._file.seek(at)
        self._buffer, self._base = self._file.read(min(max(count, _CHUNK), max(0, self._size - at))), at


_MARKS = (b"Xing", b"Info")


def _alike(header: int, other: int) -> bool:
    return header & _SAME == other & _SAME and (header & _MONO == _MONO) == (other & _MONO == _MONO)
