from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import packed
from earmark.errors import DataError
from earmark.support import archives


def _link() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        member = tarfile.TarInfo("set/link")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(member)
    return file.getvalue()


def _overwritten(archive: bytes) -> bytes:
    """The first compressed bytes changed into a block of a kind that there is not."""
    begin = archive.index(b"a.wav") + len("a.wav")
    return archive[:begin] + b"\xff" * 8 + archive[begin + 8 :]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: packed({"../out.wav": b"x"}), "lies outside the folder"),
        (lambda: packed({"/tmp/out.wav": b"x"}), "lies outside the folder"),
        (lambda: packed({"a/../../out.wav": b"x"}, kind="tar"), "lies outside the folder"),
        (lambda: packed({"C:\\out.wav": b"x"}), "lies outside the folder"),
        (_link, "holds a link"),
        (lambda: packed({"bomb.wav": bytes(1 << 28)}), "far more than its size allows"),
        (lambda: packed({"bomb.wav": bytes(1 << 28)}, kind="tar"), "far more than its size allows"),
        (lambda: packed({"a.wav": bytes(range(200)) * 50})[:100], "cannot be unpacked"),
        (lambda: b"no archive at all" * 100, "cannot be unpacked"),
        (lambda: _overwritten(packed({"a.wav": bytes(range(200)) * 50})), "cannot be unpacked"),
    ],
)
def test_unsafe_archives_write_nothing(tmp_path: Path, make: Callable[[], bytes], said: str) -> None:
    (tmp_path / "a").write_bytes(make())
    (tmp_path / "inside").mkdir()
    with pytest.raises(DataError, match=said):
        archives.unpack(tmp_path / "a", tmp_path / "inside")
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["a", "inside"]


def test_members_that_name_the_folder_itself(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.wav").write_bytes(b"x")
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "in", arcname=".")
    (tmp_path / "out").mkdir()
    archives.unpack(tmp_path / "a.tar.gz", tmp_path / "out")
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["a.wav"]
