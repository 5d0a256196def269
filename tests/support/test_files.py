from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from earmark.errors import OutputError
from earmark.support import files


def test_failure_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    files.write_text(path, "old")
    with pytest.raises(RuntimeError), files.atomic_file(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
    assert path.stat().st_mode & 0o777 == 0o666 & ~files._UMASK


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        files.write_text(tmp_path / "none" / "a.txt", "x")


@pytest.mark.skipif(os.name == "nt", reason="Windows counts the whole path")
def test_the_longest_names(tmp_path: Path) -> None:
    path = tmp_path / f"{'a' * (os.pathconf(tmp_path, 'PC_NAME_MAX') - 4)}.txt"
    files.write_text(path, "x")
    assert path.read_text() == "x"


def test_a_mounted_folder_cannot_become_a_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os.path, "ismount", lambda path: path == tmp_path)
    with pytest.raises(
        OutputError, match="is a mounted folder, which cannot be replaced as a whole; choose a folder inside"
    ):
        files.claim_output(tmp_path, made=["earmark.json"])
    assert files.claim_output(tmp_path, made=["demo.json"], whole=False) == tmp_path
    assert files.claim_output(tmp_path / "model", made=["earmark.json"]) == tmp_path / "model"


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps files that are open")
def test_a_folder_where_another_process_is_at_work_is_left_alone(tmp_path: Path) -> None:
    script = """
import sys
from pathlib import Path
from earmark.support import files
with files.work_folder(Path(sys.argv[1]), "x", resume=False, overwrite=False):
    print("there", flush=True)
    input()
"""
    command = [sys.executable, "-c", script, str(tmp_path / "model")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None and other.stdout.readline() == "there\n"
        for options in ({"resume": True, "overwrite": False}, {"resume": False, "overwrite": True}):
            held = pytest.raises(OutputError, match="another process is at work there; wait for it")
            with held, files.work_folder(tmp_path / "model", "x", **options):
                pass
        other.communicate("\n")
    with files.work_folder(tmp_path / "model", "x", resume=True, overwrite=False) as work:
        assert work.is_dir()


def test_claim(tmp_path: Path) -> None:
    def claim(path: Path, *, overwrite: bool = False) -> Path:
        return files.claim_output(path, overwrite=overwrite, made=["earmark.json", "b"])

    assert claim(tmp_path / "deep" / "new") == tmp_path / "deep" / "new"
    (tmp_path / "empty").mkdir()
    assert claim(tmp_path / "empty") == tmp_path / "empty"
    files.write_text(tmp_path / "empty" / "earmark.json", "{}")
    with pytest.raises(OutputError, match="exists already; choose another path, or pass overwrite=True"):
        claim(tmp_path / "empty")
    with pytest.raises(
        OutputError, match="was not made by this command \\(it lacks earmark.json, b\\), so overwrite=True"
    ):
        claim(tmp_path / "empty", overwrite=True)
    files.write_text(tmp_path / "empty" / "b", "x")
    assert claim(tmp_path / "empty", overwrite=True)
    with pytest.raises(OutputError, match="cannot be made"):
        claim(tmp_path / "empty" / "b" / "c")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write everywhere")
def test_no_permission(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="no permission"):
        files.claim_output(tmp_path / "new", made=["a"])


def test_publish_replaces_whole_folders(tmp_path: Path) -> None:
    for name in ("new", "old"):
        (tmp_path / name).mkdir()
        files.write_text(tmp_path / name / name, name)
    files.publish_folder(tmp_path / "new", tmp_path / "old")
    assert [p.name for p in tmp_path.iterdir()] == ["old"]
    assert [p.name for p in (tmp_path / "old").iterdir()] == ["new"]


def test_work_folder(tmp_path: Path) -> None:
    def enter(identity: str, *, resume: bool = False, overwrite: bool = False) -> list[str]:
        with files.work_folder(tmp_path / "model", identity, resume=resume, overwrite=overwrite) as work:
            assert work == tmp_path / "model.partial"
            files.write_text(work / identity, "")
            (work / "inner").mkdir(exist_ok=True)
            return sorted(path.name for path in work.iterdir())

    with pytest.raises(OutputError, match="holds no interrupted run; leave out resume=True"):
        enter("a", resume=True)
    assert not list(tmp_path.iterdir())
    assert enter("a") == ["a", "inner", "run.json"]
    with pytest.raises(OutputError, match="pass resume=True to go on with it, or overwrite=True"):
        enter("a")
    with pytest.raises(OutputError, match="had other data or settings"):
        enter("b", resume=True)
    assert enter("a", resume=True) == ["a", "inner", "run.json"]
    assert enter("b", overwrite=True) == ["b", "inner", "run.json"]


def test_a_folder_that_cannot_be_put_in_place_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("new", "old"):
        (tmp_path / name).mkdir()
        files.write_text(tmp_path / name / name, name)
    replace = Path.replace

    def fail(self: Path, target: Path) -> Path:
        if self.name == "new":
            raise OSError(28, "No space left on device")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="No space"):
        files.publish_folder(tmp_path / "new", tmp_path / "old")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["new", "old"]
    assert (tmp_path / "old" / "old").read_text() == "old"


def test_an_unfinished_folder_is_not_published(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    with pytest.raises(ZeroDivisionError), files.atomic_folder(tmp_path / "old") as work:
        files.write_text(work / "half", "x")
        raise ZeroDivisionError
    assert [p.name for p in tmp_path.iterdir()] == ["old"]
    assert not list((tmp_path / "old").iterdir())
