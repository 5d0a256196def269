"""Formats of sound files, and the extensions that go with them."""

from __future__ import annotations

from pathlib import Path

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
