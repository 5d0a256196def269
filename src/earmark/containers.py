"""What the headers of sound files say, where libsndfile keeps silent: cut-off files, and containers that it does not read."""

from __future__ import annotations

import os
import struct
from typing import BinaryIO

_UNKNOWN_SIZES = (0xFFFFFFFF, 0x7FFFFFFF)  # written by programs that stream into a pipe


def missing_bytes(file: BinaryIO) -> int:
    """Bytes by which a file ends before its sound chunk or last page does; libsndfile reads such files without a word."""
    file.seek(0, os.SEEK_END)
    size = file.tell()
    file.seek(0)
    head = file.read(12)
    missing = 0
    if head[:4] in (b"RIFF", b"RF64", b"FORM") and head[8:12] in (b"WAVE", b"AIFF", b"AIFC"):
        missing = _missing_in_chunks(file, size, ">4sI" if head[:4] == b"FORM" else "<4sI", first=12)
    elif head[:4] == b"caff":
        missing = _missing_in_chunks(file, size, ">4sq", first=8)
    elif head[:4] == b".snd" and len(head) == 12:
        offset, length = struct.unpack(">II", head[4:])
        missing = 0 if length in _UNKNOWN_SIZES else max(0, offset + length - size)
    elif head[:4] == b"OggS":
        missing = _missing_in_ogg(file, size)
    return missing


def _missing_in_chunks(file: BinaryIO, size: int, form: str, *, first: int) -> int:
    """Bytes that the sound chunk of a RIFF, RF64, AIFF or CAF file lacks; a file that ends before it lacks at least one."""
    at = first
    header = struct.calcsize(form)
    long_size = None
    while at + header <= size:
        file.seek(at)
        name, length = struct.unpack(form, file.read(header))
        if name == b"ds64":
            long_size = struct.unpack("<QQ", file.read(16).ljust(16, b"\0"))[1]
        if name in (b"data", b"SSND"):
            if long_size is not None and length == _UNKNOWN_SIZES[0]:
                length = long_size
            return 0 if length in (*_UNKNOWN_SIZES, -1) else max(0, at + header + length - size)
        at += header + length + (0 if form == ">4sq" else length & 1)
    return max(1, at - size)


def _missing_in_ogg(file: BinaryIO, size: int) -> int:
    """Bytes that the last Ogg page lacks, or 1 where the page that ends the stream is missing (RFC 3533)."""
    tail_size = min(size, 1 << 17)
    file.seek(size - tail_size)
    tail = file.read(tail_size)
    at = tail.rfind(b"OggS")
    if at < 0 or at + 27 > len(tail):
        return 1
    table = tail[at + 27 : at + 27 + tail[at + 26]]
    missing = at + 27 + tail[at + 26] + sum(table) - len(tail)
    return max(0, missing) or (0 if tail[at + 5] & 4 else 1)


def needs_ffmpeg(file: BinaryIO) -> bool:
    """Whether the content is a container that libsndfile does not read."""
    head = file.read(16)
    file.seek(0)
    adts = len(head) > 1 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0
    return (
        head[4:8] == b"ftyp" or head[:4] == b"\x1aE\xdf\xa3" or head[:4] == b"0&\xb2u" or head[:5] == b"#!AMR" or adts
    )
