"""What the doctor says of the cache."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import Run


def cache_lines(run: Run) -> str:
    return run.out[run.out.index("\ncache: ") :]


@pytest.fixture
def doctor(run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], Run]:
    def call(folder: Path) -> Run:
        monkeypatch.setenv("EARMARK_CACHE", str(folder))
        return run("doctor")

    return call


def test_a_cache_that_can_be_written_is_fine_and_left_as_it_was(doctor: Callable[[Path], Run], tmp_path: Path) -> None:
    found = doctor(tmp_path / "new" / "cache")
    assert found.code == 0
    assert "0.00 of 21.5 GB used, " in cache_lines(found) and "NO" not in cache_lines(found)
    assert not [p for p in (tmp_path / "new" / "cache").iterdir() if "doctor" in p.name]


def test_a_file_in_the_place_of_the_cache(doctor: Callable[[Path], Run], tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("x")
    for folder in (tmp_path / "cache", tmp_path / "cache" / "inner"):
        found = doctor(folder)
        assert found.code == 1
        assert f"NO: {folder}: cannot be made: " in cache_lines(found) and "set EARMARK_CACHE" in cache_lines(found)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EACCES])
def test_a_disk_that_refuses(
    doctor: Callable[[Path], Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refuse(file: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", refuse)
    found = doctor(tmp_path / "cache")
    assert found.code == 1
    said = cache_lines(found)
    assert "NO: " in said and "doctor-" in said and os.strerror(code) in said and "set EARMARK_CACHE to another" in said
    assert not [p for p in (tmp_path / "cache").iterdir() if "doctor" in p.name]


def test_a_disk_that_is_read_only_in_truth(doctor: Callable[[Path], Run], tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    try:
        made = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=64k,ro", "tmpfs", str(tmp_path / "disk")],
            capture_output=True,
            check=False,
        )
    except FileNotFoundError:
        pytest.skip("there is no mount command")
    if made.returncode:
        pytest.skip("this user may not mount a file system")
    try:
        found = doctor(tmp_path / "disk")
    finally:
        subprocess.run(["umount", "-l", str(tmp_path / "disk")], check=True)
    assert found.code == 1
    assert "NO: " in cache_lines(found) and "set EARMARK_CACHE to another folder" in cache_lines(found)


@pytest.mark.parametrize("size", ["plenty", "5", "20 XB", "-", "nanGB"])
def test_a_size_that_is_none(
    doctor: Callable[[Path], Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: str
) -> None:
    monkeypatch.setenv("EARMARK_CACHE_SIZE", size)
    found = doctor(tmp_path / "cache")
    assert found.code == 1
    assert "NO: EARMARK_CACHE_SIZE is " in cache_lines(found) and "give a size such as 500MB" in cache_lines(found)


def test_a_disk_with_hardly_any_room(
    doctor: Callable[[Path], Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9 - 10**6, 10**6))
    found = doctor(tmp_path / "cache")
    assert found.code == 1
    assert "NO: its disk has 1 MB free, too little to decode recordings into; free space, or set" in cache_lines(found)
