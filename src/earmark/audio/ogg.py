"""An Ogg stream whose last page is cut off or missing: the packets that are there, in a page of their own."""

from __future__ import annotations

from typing import BinaryIO

from earmark.audio.faults import REPLACE, forgiven
from earmark.audio.parts import Part
from earmark.audio.views import Piece
from earmark.errors import AudioError

_POLYNOMIAL = 0x04C11DB7


def mended(part: Part, name: str) -> tuple[list[Piece], float]:
    """What the decoder gets of an Ogg stream, and how many samples of the 48 kHz or the stream's rate are missing at its end.

    Raises
    ------
    AudioError
        Where the stream is cut off, and nothing says how much of it is missing.
    """
    pages = part.pages
    assert pages is not None
    if not pages.cut:
        return (part.pieces if pages.whole == part.end else [(part.begin, pages.whole)]), 0.0
    # Only the page that ends the stream tells how long it was.
    page = _shortened(pages.cut, pages.before) if pages.ended and len(pages.cut) > 27 else None
    if page is None:
        raise AudioError("truncated", name, "its last page is cut off", REPLACE)
    content, position = page
    return [(part.begin, pages.whole), content], float(pages.last - position)


def judged(file: BinaryIO, part: Part, name: str, lost: float, sr: int) -> list[str]:
    """What to say of the end of a stream; raises where too much of it is missing."""
    pages = part.pages
    assert pages is not None
    if not pages.cut:
        return [] if pages.ended else ["its last page, which marks the end, is missing"]
    rate = _rate(file, part, sr)
    packets = sum(length < 255 for length in pages.cut[27 : 27 + pages.cut[26]])
    each = (pages.last - pages.before) / max(1, packets)
    if not forgiven(lost / rate, pages.last / rate) and not (lost <= 2 * each and lost <= pages.last / 4):
        detail = f"its last page is cut off, which lacks {lost / rate:.2f} s of {pages.last / rate:.2f} s"
        raise AudioError("truncated", name, detail, REPLACE)
    return [f"its last page is cut off: the last {lost / rate:.3f} s are missing"]


def _rate(file: BinaryIO, part: Part, sr: int) -> int:
    """Positions a second: of Opus always 48 000."""
    file.seek(part.begin)
    return 48_000 if b"OpusHead" in file.read(300) else sr


def _shortened(cut: bytes, before: int) -> tuple[bytes, int] | None:
    """The page with those of its packets that are all there, and the position that it reaches."""
    table = cut[27 : 27 + cut[26]]
    if len(table) < cut[26]:
        return None
    room, ends, place = len(cut) - 27 - len(table), [], 0
    for number, length in enumerate(table):
        place += length
        if place > room:
            break
        if length < 255:
            ends.append((number + 1, place))
    packets = sum(length < 255 for length in table)
    if not ends:
        return None
    count, size = ends[-1]
    last = int.from_bytes(cut[6:14], "little", signed=True)
    position = before + (last - before) * len(ends) // packets
    head = bytearray(cut[:27]) + table[:count]
    head[6:14] = position.to_bytes(8, "little", signed=True)
    head[22:26] = bytes(4)
    head[26] = count
    body = bytes(head) + cut[27 + len(table) : 27 + len(table) + size]
    return body[:22] + _checksum(body).to_bytes(4, "little") + body[26:], position


def _table() -> list[int]:
    found = []
    for byte in range(256):
        value = byte << 24
        for _ in range(8):
            value = (value << 1) ^ (_POLYNOMIAL if value & 0x80000000 else 0)
        found.append(value & 0xFFFFFFFF)
    return found


_TABLE = _table()


def _checksum(content: bytes) -> int:
    value = 0
    for byte in content:
        value = (value << 8 & 0xFFFFFFFF) ^ _TABLE[value >> 24 ^ byte]
    return value
