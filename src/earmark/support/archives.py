"""Unpacking archives from elsewhere: nothing outside the folder, no links, no bombs."""

from __future__ import annotations

import lzma
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from earmark.errors import DataError
from earmark.support.progress import track

_RATIO, _MEMBERS = 100, 2_000_000  # audio does not pack tighter, nor have data sets more files
_DAMAGED = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError, RuntimeError,
)  # fmt: skip
"""What the libraries raise for an archive that is damaged, encrypted, or packed in a way that they do not know."""


def unpack(archive: Path, folder: Path, *, strip: bool = True) -> None:
    """Unpack a zip or tar archive; with ``strip``, one outer folder around everything is left away.

    Raises
    ------
    DataError
        For an archive that is damaged, that would write outside ``folder``, or whose content is far larger than it can be.
    """
    most = _RATIO * archive.stat().st_size + (1 << 20)
    with tempfile.TemporaryDirectory(dir=folder) as inside:
        try:
            if zipfile.is_zipfile(archive):
                _unpack_zip(archive, Path(inside), most)
            else:
                _unpack_tar(archive, Path(inside), most)
        except _DAMAGED as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise DataError(f"{archive}: cannot be unpacked ({error}); remove it and fetch it again") from error
        top = [p for p in Path(inside).iterdir() if p.name != "__MACOSX"]
        source = top[0] if strip and len(top) == 1 and top[0].is_dir() and not _is_content(top[0]) else Path(inside)
        for path in source.iterdir():
            path.replace(folder / path.name)


def _is_content(folder: Path) -> bool:
    """Whether a single outer folder means something itself: it holds recordings, or class folders under a data set's own name."""
    return any(p.is_file() for p in folder.iterdir()) and not any(p.is_dir() for p in folder.iterdir())


def _unpack_zip(archive: Path, folder: Path, most: int) -> None:
    with zipfile.ZipFile(archive) as packed:
        members = packed.infolist()
        _check_size(archive, len(members), sum(m.file_size for m in members), most)
        for member in track(members, "unpacking", len(members)):
            _check_name(archive, member.filename)
            if (member.external_attr >> 16) & 0o170000 == 0o120000:
                raise DataError(f"{archive}: holds a link, {member.filename}, which is not unpacked; unpack it by hand")
            packed.extract(member, folder)


def _unpack_tar(archive: Path, folder: Path, most: int) -> None:
    with tarfile.open(archive) as packed:
        count = size = 0
        for member in track(_members(packed), "unpacking"):
            count, size = count + 1, size + member.size
            _check_size(archive, count, size, most)
            _check_name(archive, member.name)
            if not (member.isfile() or member.isdir()):
                raise DataError(
                    f"{archive}: holds a link or device, {member.name}, which is not unpacked; unpack it by hand"
                )
            packed.extract(member, folder, filter="data")


def _members(packed: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    while (member := packed.next()) is not None:
        yield member


def _check_size(archive: Path, count: int, size: int, most: int) -> None:
    if count > _MEMBERS or size > most:
        raise DataError(
            f"{archive}: would unpack to {size} bytes in {count} files, far more than its size allows; not unpacked"
        )


def _check_name(archive: Path, name: str) -> None:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in "".join(path.parts[:1]):
        raise DataError(f"{archive}: holds {name!r}, which lies outside the folder; nothing of it was unpacked")
