"""Which files of a folder are recordings: by their names or, whatever their names, by their content."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from earmark.audio import signatures
from earmark.errors import DataError

EXTENSIONS = frozenset(
    [
        ".wav", ".wave", ".w64", ".rf64", ".bwf", ".flac", ".ogg", ".oga", ".opus", ".spx", ".mp3", ".mp2", ".mpga", ".aif",
        ".aiff", ".aifc", ".au", ".snd", ".caf", ".m4a", ".m4b", ".mp4", ".aac", ".webm", ".mka", ".mkv", ".wma", ".amr", ".mov",
        ".3gp", ".3gpp", ".3g2", ".voc", ".sph", ".wv", ".ape", ".tta", ".dsf", ".mpc", ".avi",
    ]
)  # fmt: skip
"""What counts as a recording by its name. Decoding itself looks at the content alone."""

_MARKS = ((0, b"ID3"), (8, b"8SVX"), (0, b"NIST_1A"), (0, b"Creative Voice File"))
"""Of what `signatures` does not name since no decoder is chosen by it."""
_IMAGES = (b"heic", b"heix", b"mif1", b"msf1", b"avif", b"avis", b"jp2 ", b"jpx ")  # in the same container as m4a
_SYSTEM = (
    "__MACOSX",
    "$RECYCLE.BIN",
    "System Volume Information",
    "lost+found",
    "@eaDir",
)  # folders of what is no data
_SYSTEM_FILES = ("thumbs.db", "desktop.ini", "ehthumbs.db")
_HEAD = 4096  # bytes


@dataclass(frozen=True)
class Found:
    """All files below a folder, relative to it with ``/``, sorted by code point.

    Attributes
    ----------
    recordings : tuple of str
    others : tuple of str
        Files that are no recordings.
    hidden : tuple of str
        Hidden files and folders, and those of the system; of a folder only its name, with ``/`` at its end.
    """

    recordings: tuple[str, ...]
    others: tuple[str, ...]
    hidden: tuple[str, ...]


def search(root: Path) -> Found:
    """All files below a folder, links followed.

    Raises
    ------
    DataError
        Where a folder cannot be read.
    """
    recordings: list[str] = []
    others: list[str] = []
    hidden: list[str] = []

    def fail(error: OSError) -> None:
        raise DataError(f"{error.filename}: cannot be read: {error.strerror}; check its permissions")

    for folder, folders, files in os.walk(root, onerror=fail, followlinks=True):
        place = Path(folder)
        here = place.relative_to(root).as_posix()
        start = "" if here == "." else f"{here}/"
        shown = [f for f in folders if not f.startswith(".") and f not in _SYSTEM]
        hidden += [f"{start}{f}/" for f in folders if f not in shown]
        folders[:] = [f for f in shown if not _leads_back(place, f, root)]
        for name in files:
            if name.startswith(".") or name.lower() in _SYSTEM_FILES:
                hidden.append(start + name)
            else:
                (recordings if is_recording(place / name) else others).append(start + name)
    return Found(tuple(sorted(recordings)), tuple(sorted(others)), tuple(sorted(hidden)))


def find_recordings(paths: Iterable[Path]) -> list[Path]:
    """Files as they are given, and all recordings below folders, sorted; hidden ones are passed over.

    Raises
    ------
    DataError
        Where there are none, or a folder cannot be read.
    """
    found: list[Path] = []
    for path in paths:
        if not path.is_dir():
            found.append(path)
            continue
        inside = search(path).recordings
        if not inside:
            raise DataError(
                f"{path}: holds no recordings (WAV, FLAC, Ogg, MP3 and others, known by their content); check the path"
            )
        found += [path / name for name in inside]
    return found


def is_recording(path: Path) -> bool:
    """Whether a file is a recording by its name, or by how it begins."""
    return path.suffix.lower() in EXTENSIONS or _sounds(path)


def _sounds(path: Path) -> bool:
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError:
        return False
    if any(head[at : at + len(mark)] == mark for at, mark in _MARKS):
        return True
    if head[4:8] == b"ftyp":
        return head[8:12] not in _IMAGES
    return bool(signatures.at_start(head, whole=len(head) < _HEAD))


def _leads_back(folder: Path, name: str, top: Path) -> bool:
    """Whether a folder in ``folder`` is a link to one that holds it, or that was gone through from ``top`` to come here."""
    place = folder / name
    if not place.is_symlink():
        return False
    target = place.resolve()
    way = [folder, *(p for p in folder.parents if p.is_relative_to(top))]
    return any(p.resolve().is_relative_to(target) for p in way)
