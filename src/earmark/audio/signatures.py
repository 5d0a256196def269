"""How recordings begin: the marks by which a format is known, wherever in a file they lie."""

from __future__ import annotations

import struct
from collections.abc import Callable

from earmark.audio import mpeg

_FFMPEG: tuple[tuple[int, bytes, str], ...] = (
    (4, b"ftyp", "MP4"), (0, b"\x1aE\xdf\xa3", "Matroska"), (0, b"0&\xb2u", "ASF"), (0, b"#!AMR", "AMR"),
    (0, b"wvpk", "WavPack"), (0, b"MAC \x96", "Monkey's Audio"), (0, b"MAC \x97", "Monkey's Audio"),
    (0, b"MAC \x7c", "Monkey's Audio"), (0, b"TTA1", "TTA"), (0, b"MPCK", "Musepack"), (0, b"MP+", "Musepack"),
    (0, b"DSD ", "DSF"), (0, b"FRM8", "DSDIFF"), (8, b"AVI ", "AVI"), (0, b"FLV\x01", "FLV"), (0, b".RMF", "RealMedia"),
    (0, b".ra\xfd", "RealAudio"), (0, b"tBaK", "TAK"), (0, b"\x0bw", "AC-3"), (0, b"\x7f\xfe\x80\x01", "DTS"),
    (0, b"BW64", "BW64"), (0, b"\0\0\x01\xba", "MPEG program stream"),
)  # fmt: skip
"""Containers that libsndfile does not read: where the mark is, the mark, the name."""

_TRANSPORT = "MPEG transport stream"
_ARCHIVES = ((0, b"PK\x03\x04"), (0, b"Rar!\x1a"), (0, b"7z\xbc\xaf"), (0, b"\x1f\x8b\x08"), (257, b"ustar"))
SIGHT = 300
"""Bytes that are enough to know a format by, but for the frames of MP3 and AAC."""


def _is_riff(head: bytes) -> bool:
    return head[8:12] == b"WAVE" and head[:4] in (b"RIFF", b"RIFX", b"RF64")


def _is_au(head: bytes) -> bool:
    if len(head) < 24:
        return head[:4] == b".snd"
    offset, _, encoding, rate, channels = struct.unpack(">5I", head[4:24])
    return (
        head[:4] == b".snd"
        and 24 <= offset < 1 << 20
        and encoding < 64
        and 0 < rate <= 1_000_000
        and 0 < channels <= 1024
    )


def _is_flac(head: bytes) -> bool:
    return head[:4] == b"fLaC" and (len(head) < 8 or head[5:8] == b"\0\0\x22")


def _is_w64(head: bytes) -> bool:
    return head[:4] == b"riff" and (len(head) < 16 or head[4:16] == b"\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\0\0")


_KNOWN: tuple[tuple[str, int, bytes, Callable[[bytes], bool]], ...] = (
    ("WAV", 8, b"WAVE", _is_riff),
    ("FLAC", 0, b"fLaC", _is_flac),
    ("Ogg", 0, b"OggS\0", lambda head: head[:5] == b"OggS\0"),
    ("AIFF", 0, b"FORM", lambda head: head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC")),
    ("AU", 0, b".snd", _is_au),
    ("CAF", 0, b"caff\0\x01", lambda head: head[:6] == b"caff\0\x01"),
    ("W64", 0, b"riff", _is_w64),
)
"""Name, where the mark is, the mark, and whether what begins there is the format."""


def of_head(content: bytes) -> str:
    """Name of the format that libsndfile reads, other than MP3, with which ``content`` begins, else nothing."""
    head = content[:24]
    return next((name for name, _, _, known in _KNOWN if known(head)), "")


def at_start(content: bytes, *, whole: bool) -> str:
    """Name of the format with which ``content`` begins, else nothing.

    Parameters
    ----------
    content : bytes
    whole : bool
        The content reaches to the end of the file.
    """
    if name := of_head(content):
        return name
    for place, mark, name in _FFMPEG:
        if content[place : place + len(mark)] == mark:
            return name
    if content[:1] == b"\xff" and mpeg.starts(content, 0, whole=whole):
        return "MP3"
    if len(content) > 376 and content[0] == content[188] == content[376] == 0x47:
        return _TRANSPORT
    return "AAC" if _adts(content, whole=whole) else ""


def search(content: bytes, *, whole: bool) -> tuple[int, str]:
    """The first place in ``content`` where a recording begins, and its format's name; -1 where there is none."""
    found: list[tuple[int, str]] = []
    for name, offset, mark, known in _KNOWN:
        at = content.find(mark)
        while at >= 0:
            if at >= offset and known(content[at - offset : at - offset + 24]):
                found.append((at - offset, name))
                break
            at = content.find(mark, at + 1)
    for place, mark, name in _FFMPEG[:3]:
        if (at := content.find(mark)) >= place:
            found.append((at - place, name))
    nearest = min((place for place, _ in found), default=len(content))
    if 0 <= (at := mpeg.search(content, 0, whole=whole)) < nearest:
        found.append((at, "MP3"))
    return min(found, default=(-1, ""))


def is_archive(content: bytes) -> bool:
    """Whether a file is an archive, in which recordings may lie that are not the file's own sound."""
    return any(content[place : place + len(mark)] == mark for place, mark in _ARCHIVES)


def needs_ffmpeg(name: str) -> bool:
    """Whether libsndfile does not read a format at all."""
    return name in ("AAC", _TRANSPORT) or any(name == other for _, _, other in _FFMPEG)


def _adts(content: bytes, *, whole: bool) -> bool:
    """Whether AAC frames with their own headers begin there, three in a row or as many as there are."""
    at = 0
    for number in range(3):
        if at + 7 > len(content):
            return number > 0 and whole
        if content[at] != 0xFF or content[at + 1] & 0xF6 != 0xF0:
            return False
        length = (content[at + 3] & 3) << 11 | content[at + 4] << 3 | content[at + 5] >> 5
        if length < 7:
            return False
        at += length
    return True
