"""What the headers of sound files say, where libsndfile keeps silent: cut-off files, and containers that it does not read."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import BinaryIO

_FORMATS: tuple[tuple[int, bytes, str, tuple[str, ...]], ...] = (
    (8, b"WAVE", "WAV", (".wav", ".wave", ".rf64", ".w64")),
    (0, b"riff", "W64", (".w64", ".wav")),
    (0, b"fLaC", "FLAC", (".flac",)),
    (0, b"OggS", "Ogg", (".ogg", ".oga", ".opus")),
    (8, b"AIF", "AIFF", (".aif", ".aiff", ".aifc")),
    (0, b".snd", "AU", (".au", ".snd")),
    (0, b"caff", "CAF", (".caf",)),
    (4, b"ftyp", "MP4", (".m4a", ".mp4", ".mov", ".aac")),
    (0, b"\x1aE\xdf\xa3", "Matroska", (".webm", ".mka", ".mkv")),
    (0, b"0&\xb2u", "ASF", (".wma",)),
    (0, b"#!AMR", "AMR", (".amr",)),
    (0, b"ID3", "MP3", (".mp3", ".flac", ".aac")),  # a tag that others carry too
)
"""Where a format has its mark, the mark, its name and the extensions that go with it."""

_LONGEST_FORMAT = 4096  # bytes
_UNTOLD = 4096  # bytes behind the sound that may be anything
_BEHIND = (
    b"ID3",
    b"id3 ",
    b"TAG",
    b"APETAGEX",
    b"LIST",
    b"bext",
    b"iXML",
    b"_PMX",
    b"<?xpacket",
    b"JUNK",
    b"PAD ",
    b"SMED",
)
"""What commonly lies behind the sound; the last of it may be cut off."""
_W64_UNTOLD = 1 << 62  # or more is written by programs that stream into a pipe
_OGG_TAIL = 1 << 17  # bytes: the longest page is half of it
_UNKNOWN_SIZES = (0xFFFFFFFF, 0x7FFFFFFF)  # written by programs that stream into a pipe
# By SoX, rounded down to a whole block, and by arecord.
_STREAMED = range(0x7FFFF000 - 4096, 0x7FFFF001), range(0x80000000, 0x80000001)


def missing_bytes(file: BinaryIO) -> int:
    """Bytes by which a file ends before its sound chunk or last page does; libsndfile reads such files without a word."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    if file.read(4) == b"OggS":
        return _missing_in_ogg(file, size)
    return max(0, _sound_end(file, size) - size)


def untold_bytes(file: BinaryIO) -> int:
    """Bytes behind the sound that are no chunk and no tag: sound of which a header that was not finished says nothing."""
    size = file.seek(0, os.SEEK_END)
    end = _sound_end(file, size)
    file.seek(0)
    if file.read(4) == b"riff" or not 0 < end <= size - _UNTOLD:  # of Wave64 libsndfile reads all there is
        return 0
    file.seek(end)
    rest = file.read(_UNTOLD)
    # A chunk of odd length is padded, if its writer knew.
    return size - end if any(rest) and not _is_chunk(rest.lstrip(b"\0")[:8].ljust(8, b"\0"), size - end) else 0


def _is_chunk(head: bytes, room: int) -> bool:
    """Whether a tag or a chunk begins there: by a name that is known, or another with a length that fits."""
    lengths = struct.unpack("<I", head[4:]) + struct.unpack(">I", head[4:])
    named = all(32 <= letter < 127 for letter in head[:4])
    return head.startswith(_BEHIND) or (named and min(lengths) <= room)


def _sound_end(file: BinaryIO, size: int) -> int:
    """Where the sound ends by what the header claims: past the file where no sound is found, 0 where it does not say."""
    top = _tag(file)
    file.seek(top)
    head = file.read(12)
    if head[:4] in (b"RIFF", b"RF64", b"FORM") and head[8:12] in (b"WAVE", b"AIFF", b"AIFC"):
        return _end_in_chunks(file, size, ">4sI" if head[:4] == b"FORM" else "<4sI", first=top + 12)
    if head[:4] == b"riff":
        return _end_in_w64(file, size)
    if head[:4] == b"caff":
        return _end_in_chunks(file, size, ">4sq", first=8)
    if head[:4] == b".snd" and len(head) == 12:
        offset, length = struct.unpack(">II", head[4:])
        return 0 if length in _UNKNOWN_SIZES else int(offset + length)
    return 0


def _end_in_chunks(file: BinaryIO, size: int, form: str, *, first: int) -> int:
    """The end of the sound chunk of a RIFF, RF64, AIFF or CAF file."""
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
            untold = length in (*_UNKNOWN_SIZES, -1) or any(length in sizes for sizes in _STREAMED)
            return 0 if untold else int(at + header + length)
        if length < 0 or (name in (b"fmt ", b"COMM", b"desc") and length > _LONGEST_FORMAT):
            return 0  # nonsense rather than cut off: libsndfile says so
        at += header + length + (0 if form == ">4sq" else length & 1)
    return max(at, size + 1)


def _end_in_w64(file: BinaryIO, size: int) -> int:
    """The end of the sound chunk of a Sony Wave64 file: names of 16 bytes, sizes of 8 that count the header."""
    at = 40
    while at + 24 <= size:
        file.seek(at)
        name, length = struct.unpack("<16sQ", file.read(24))
        if name[:4] == b"data":
            return 0 if length >= _W64_UNTOLD else at + int(length)
        at += max(24, (length + 7) // 8 * 8)
    return max(at, size + 1)


def _tag(file: BinaryIO) -> int:
    """Length of an ID3v2 tag at the start."""
    file.seek(0)
    head = file.read(10)
    if head[:3] != b"ID3" or len(head) < 10:
        return 0
    a, b, c, d = head[6:10]
    return 10 + (a << 21 | b << 14 | c << 7 | d)


def chained(file: BinaryIO) -> bool:
    """Whether an Ogg file holds streams one behind the other, of which libsndfile reads the first."""
    file.seek(0)
    begun = set()
    while len(head := file.read(27)) == 27 and head[:4] == b"OggS" and head[5] & 2:
        begun.add(head[14:18])
        file.seek(sum(file.read(head[26])), os.SEEK_CUR)
    if not begun:
        return False
    file.seek(max(0, file.seek(0, os.SEEK_END) - _OGG_TAIL))
    tail = file.read()
    at = tail.rfind(b"OggS")
    return 0 <= at <= len(tail) - 27 and tail[at + 14 : at + 18] not in begun


def _missing_in_ogg(file: BinaryIO, size: int) -> int:
    """Bytes that the last Ogg page lacks, or 1 where the page that ends the stream is missing (RFC 3533)."""
    tail_size = min(size, _OGG_TAIL)
    file.seek(size - tail_size)
    tail = file.read(tail_size)
    at = tail.rfind(b"OggS")
    if at < 0 or at + 27 > len(tail):
        return 1
    table = tail[at + 27 : at + 27 + tail[at + 26]]
    missing = at + 27 + tail[at + 26] + sum(table) - len(tail)
    return max(0, missing) or (0 if tail[at + 5] & 4 else 1)


def format_named_otherwise(path: Path) -> str:
    """Name of a file's format where the file's extension is that of another one, else nothing."""
    with path.open("rb") as file:
        head = file.read(16)
    for at, mark, name, extensions in _FORMATS:
        if head[at : at + len(mark)] == mark:
            return "" if path.suffix.lower() in extensions else name
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0:
        layer = head[1] & 0x06
        name, extension = ("AAC", ".aac") if layer == 0 else ("MP3", ".mp3")
        return "" if path.suffix.lower() == extension else name
    return ""


def needs_ffmpeg(file: BinaryIO) -> bool:
    """Whether the content is a container that libsndfile does not read."""
    file.seek(_tag(file))
    head = file.read(16)
    file.seek(0)
    adts = len(head) > 1 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0
    return (
        head[4:8] == b"ftyp" or head[:4] == b"\x1aE\xdf\xa3" or head[:4] == b"0&\xb2u" or head[:5] == b"#!AMR" or adts
    )
