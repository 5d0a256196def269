"""State on disk: a disk that refuses costs nothing that was saved, and says so in one line."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

import earmark
from conftest import TINY, Run
from earmark.errors import DiskError, OutputError
from earmark.support import files
from earmark.training import checkpoints, fitting
from earmark.training.steps import Fitting

SOURCE = {"group_pattern": r"[^/]+/g\d+_"}
QUICK = (*TINY, "epochs=4")
pytestmark = pytest.mark.usefixtures("one_thread")


def full(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def go(data: Path, out: Path, *, resume: bool = False, settings: tuple[str, ...] = QUICK) -> earmark.Result:
    return earmark.train(data, out, **SOURCE, settings=settings, resume=resume)


def call(run: Callable[..., Run], data: Path, out: Path, *more: str, settings: tuple[str, ...] = QUICK) -> Run:
    changes = [word for change in settings for word in ("--set", change)]
    return run("train", data, "--out", out, "--group-pattern", SOURCE["group_pattern"], *changes, *more)


def stopped_at(monkeypatch: pytest.MonkeyPatch, epoch: int) -> pytest.MonkeyPatch:
    """Break training off at the start of an epoch."""
    begin = Fitting.train_dataloader

    def interrupt(self: Fitting) -> object:
        if self.current_epoch == epoch:
            raise KeyboardInterrupt
        return begin(self)

    monkeypatch.setattr(Fitting, "train_dataloader", interrupt)
    return monkeypatch


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 256 kB; skipped where this user may not mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    try:
        made = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place)], capture_output=True, check=False
        )
    except FileNotFoundError:
        pytest.skip("there is no mount command")
    if made.returncode:
        pytest.skip("this user may not mount a file system")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.fixture(scope="module")
def unbroken(tones: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    out = tmp_path_factory.mktemp("unbroken") / "model"
    return load_file(go(tones, out).path / "model.safetensors")


def test_a_full_disk_is_named_and_what_it_holds_is_kept(small_disk: Path) -> None:
    files.write_text(small_disk / "a.json", "old")
    for write in (
        lambda path: path.write_bytes(bytes(400_000)),
        lambda path: np.zeros(100_000, np.float32).tofile(path),  # NumPy says no number
    ):
        with pytest.raises(DiskError) as caught, files.atomic_file(small_disk / "a.json") as temporary:
            write(temporary)
        said = str(caught.value)
        assert said.startswith(
            f"{small_disk / 'a.json'}: cannot be written: the disk mounted at {small_disk} is full ("
        )
        assert said.endswith("). Free space there.") and "\n" not in said
        assert (small_disk / "a.json").read_text() == "old"
        assert [p.name for p in small_disk.iterdir()] == ["a.json"]


def test_a_checkpoint_that_has_no_room_leaves_the_one_before(small_disk: Path) -> None:
    place, small = small_disk / "last.ckpt", {"epoch": 1, "x": torch.zeros(10)}
    checkpoints.Checkpoints().save_checkpoint(small, place)
    with pytest.raises(DiskError, match=r"last.ckpt: cannot be written: the disk mounted at .* is full"):
        checkpoints.Checkpoints().save_checkpoint({"epoch": 2, "x": torch.zeros(200_000)}, place)
    assert checkpoints.read(place, ["epoch", "x"])["epoch"] == 1
    assert [p.name for p in small_disk.iterdir()] == ["last.ckpt"]


def test_training_on_a_disk_that_is_too_small_leaves_nothing_half(
    small_disk: Path, tones: Path, run: Callable[..., Run]
) -> None:
    found = call(run, tones, small_disk / "model")
    assert found.code == 2
    last = found.err.splitlines()[-1]
    assert last.startswith("earmark: ") and f"the disk mounted at {small_disk} is full" in last
    assert last.endswith("Free space there, then run the same command again.") and "Traceback" not in found.err
    assert not list(small_disk.iterdir())


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO])
@pytest.mark.parametrize("writer", ["checkpoint", "history", "log", "export", "publish"])
def test_a_run_goes_on_after_a_write_that_failed(
    tones: Path, tmp_path: Path, run: Callable[..., Run], unbroken: dict[str, np.ndarray],
    monkeypatch: pytest.MonkeyPatch, writer: str, code: int,
) -> None:  # fmt: skip
    if code != errno.ENOSPC and writer != "checkpoint":
        pytest.skip("one reason is enough")
    monkeypatch.setattr("earmark.training.watchers.SAVE_SECONDS", 0.0)
    out, seen = tmp_path / "model", []
    save, replace = torch.save, Path.replace

    def refuse(path: object = None) -> None:
        raise OSError(code, os.strerror(code), None if path is None else str(path))

    def half(content: Any, file: Any) -> None:
        seen.append(1)
        save(content, file)
        if len(seen) == 2:
            refuse(out.with_name("model.partial") / "last.ckpt")

    def publish(self: Path, target: Path) -> Path:
        if self.name == "bundle":
            refuse(self)
        return replace(self, target)

    with monkeypatch.context() as broken:
        if writer == "checkpoint":
            broken.setattr(torch, "save", half)
        elif writer == "history":
            broken.setattr(
                "earmark.training.watchers.csv.DictWriter.writerows", lambda _, rows: len(rows) < 3 or full()
            )
        elif writer == "log":
            broken.setattr(
                "lightning.pytorch.loggers.TensorBoardLogger.log_metrics", lambda *_, step, **__: step < 3 or full()
            )
        elif writer == "export":
            broken.setattr("earmark.export.write_model", full)
        else:
            broken.setattr(Path, "replace", publish)
        failed = call(run, tones, out)
    assert failed.code == 2 and "Traceback" not in failed.err
    last = failed.err.splitlines()[-1]
    assert str(tmp_path / "model") in last and last.endswith(", then run it again with --resume.")
    assert os.strerror(code) in last
    assert not out.exists() and (Path(f"{out}.partial") / fitting.CHECKPOINT).exists()
    assert not [p.name for p in Path(f"{out}.partial").iterdir() if p.name.startswith((".last", "features"))]
    resumed = load_file(go(tones, out, resume=True).path / "model.safetensors")
    assert all(np.array_equal(unbroken[k], v) for k, v in resumed.items())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model"]


def test_features_that_have_no_room_leave_nothing(
    tones: Path, tmp_path: Path, run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("earmark.training.batches.track", full)
    failed = call(run, tones, tmp_path / "model")
    assert failed.code == 2 and failed.err.splitlines()[-1].endswith("then run the same command again.")
    assert not list(tmp_path.iterdir())


class Strange:
    """What only another program could read."""


def without(key: str) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        content = torch.load(path, weights_only=True)
        del content[key]
        torch.save(content, path)

    return damage


def changed(key: str, value: object) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        content = torch.load(path, weights_only=True)
        torch.save({**content, key: value}, path)

    return damage


DAMAGES: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "cut at its end": lambda path: path.write_bytes(path.read_bytes()[:-40]),
    "garbage": lambda path: path.write_bytes(np.random.default_rng(0).bytes(10_000)),
    "text": lambda path: path.write_text("<html>quota exceeded</html>"),
    "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "another program's": lambda path: torch.save({"state_dict": Strange()}, path),
    "a list": lambda path: torch.save([1, 2], path),
    "weights alone": lambda path: torch.save({"state_dict": {}}, path),
    "another network's": changed("state_dict", {"a": torch.zeros(3)}),
    "without loops": without("loops"),
    "without optimizer": without("optimizer_states"),
    "loops of another version": changed("loops", {"fit_loop": {"strange": 1}}),
    "optimizer of another version": changed("optimizer_states", [{"strange": 1}]),
    "without schedule": changed("lr_schedulers", []),
    "without history": changed("callbacks", {}),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
}


@pytest.fixture(scope="module")
def broken_off(tones: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state of a run that was broken off in its third epoch."""
    out = tmp_path_factory.mktemp("broken") / "model"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("earmark.training.watchers.SAVE_SECONDS", 0.0)
        stopped_at(patch, 2)
        with pytest.raises(earmark.Interrupted):
            go(tones, out)
    return Path(f"{out}.partial")


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_one_line_with_a_remedy(
    tones: Path, tmp_path: Path, run: Callable[..., Run], broken_off: Path, damage: str
) -> None:
    import shutil

    work = shutil.copytree(broken_off, tmp_path / "model.partial")
    DAMAGES[damage](work / fitting.CHECKPOINT)
    found = call(run, tones, tmp_path / "model", "--resume")
    assert found.code == 2 and "Traceback" not in found.err
    last = found.err.splitlines()[-1]
    assert last.startswith(f"earmark: {work / fitting.CHECKPOINT}: ")
    assert "--overwrite instead of --resume" in last or "Check its permissions" in last
    assert work.exists() and not (tmp_path / "model").exists()


def test_another_version_of_torch_is_told_and_goes_on(
    tones: Path, tmp_path: Path, run: Callable[..., Run], broken_off: Path, unbroken: dict[str, np.ndarray]
) -> None:
    import shutil

    work = shutil.copytree(broken_off, tmp_path / "model.partial")
    changed(checkpoints.TORCH, "1.0")(work / fitting.CHECKPOINT)
    found = call(run, tones, tmp_path / "model", "--resume")
    assert found.code == 0
    assert f"the run was begun with torch 1.0 and goes on with {torch.__version__}" in found.err
    resumed = load_file(tmp_path / "model" / "model.safetensors")
    assert all(np.array_equal(unbroken[k], v) for k, v in resumed.items())


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", None, b'{"other": 1}'])
def test_a_run_whose_record_is_damaged_is_not_taken_for_this_one(
    tones: Path, tmp_path: Path, run: Callable[..., Run], broken_off: Path, content: bytes | None
) -> None:
    import shutil

    work = shutil.copytree(broken_off, tmp_path / "model.partial")
    (work / files.RUN).unlink() if content is None else (work / files.RUN).write_bytes(content)
    found = call(run, tones, tmp_path / "model", "--resume")
    assert (found.code, "Traceback" in found.err) == (2, False)
    assert "--overwrite instead of --resume to start again" in found.err.splitlines()[-1]


def test_a_folder_of_a_run_that_could_not_even_begin_is_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", full)
        with pytest.raises(DiskError), files.work_folder(tmp_path / "m", "x", resume=False, overwrite=False):
            pass
    assert not list(tmp_path.iterdir())
    (tmp_path / "m.partial").mkdir()  # of a process that was killed there
    with files.work_folder(tmp_path / "m", "x", resume=False, overwrite=False) as work:
        assert (work / files.RUN).read_text() == "x"


@pytest.mark.parametrize("damage", ["empty", "cut", "garbage"])
def test_damaged_weights_of_the_best_epoch_and_of_teachers_are_one_line(
    tones: Path, tmp_path: Path, run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    monkeypatch.setattr("earmark.training.watchers.SAVE_SECONDS", 0.0)
    for name, settings, place in (
        ("best", (*QUICK, "patience=3", "validation=0.25"), "best.ckpt"),
        ("taught", (*QUICK, "epochs=2", "teachers=1"), "teacher/model.safetensors"),
    ):
        out = tmp_path / name
        with monkeypatch.context() as broken:
            broken.setattr("earmark.export.write_model", full)
            assert call(run, tones, out, settings=settings).code == 2
        DAMAGES[damage](Path(f"{out}.partial") / place)
        found = call(run, tones, out, "--resume", settings=settings)
        assert (found.code, "Traceback" in found.err) == (2, False)
        last = found.err.splitlines()[-1]
        assert place in last and "is damaged" in last and ("--overwrite" in last or "Remove it" in last)


def test_a_cross_validation_goes_on_after_a_full_disk(
    tones: Path, tmp_path: Path, run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    from earmark import export

    changes = [word for change in (*TINY, "epochs=1") for word in ("--set", change)]
    words = (
        "crossval",
        tones,
        "--out",
        tmp_path / "cv",
        "--folds",
        "2",
        "--group-pattern",
        SOURCE["group_pattern"],
        *changes,
    )
    write, made = export.write_model, []

    def second(*given: Any) -> None:
        made.append(1)
        write(*given)
        if len(made) == 2:
            full()

    with monkeypatch.context() as broken:
        broken.setattr(export, "write_model", second)
        failed = run(*words)
    assert failed.code == 2
    assert failed.err.splitlines()[-1].endswith("then run it again with --resume: 1 of 2 folds are done.")
    assert run(*words, "--resume").code == 0
    assert sorted(p.name for p in (tmp_path / "cv").iterdir()) == [
        "crossval.json", "fold-1", "fold-2", "predictions.csv", "report.html",
    ]  # fmt: skip


def test_a_search_goes_on_after_a_full_disk_and_tells_a_damaged_study(
    tones: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("optuna")
    from optuna.storages.journal import JournalFileBackend

    from earmark.workflow import tuning

    done: list[str] = []

    def score(job: Any, changes: list[str], place: Path) -> float:
        done.append(changes[0])
        return 0.5

    append = JournalFileBackend.append_logs

    def half(self: JournalFileBackend, logs: list[dict[str, Any]]) -> None:
        if len(done) == 2 and any("state" in log for log in logs):
            with Path(self._file_path).open("ab") as file:
                file.write(b'{"op_code":6,"wor')
            full()
        append(self, logs)

    monkeypatch.setattr(tuning, "_score", score)
    settings = {"trials": 3, "search": ["lr"], **SOURCE}
    with monkeypatch.context() as broken:
        broken.setattr(JournalFileBackend, "append_logs", half)
        with pytest.raises(DiskError, match=r"out.partial: .* is full .*then run it again with resume=True\.$"):
            earmark.tune(tones, tmp_path / "out", settings=TINY, **settings)
    work = tmp_path / "out.partial"
    again = {"settings": TINY, "resume": True}
    study = (work / "study.log").read_bytes()
    assert not study.endswith(b"\n")
    for damaged in (b"garbage\n" + study, study[: study.rfind(b"\n") + 1] + b'{"op_code":99}\n', b"[]\n"):
        (work / "study.log").write_bytes(damaged)
        with pytest.raises(OutputError, match=r"study.log: is damaged .*overwrite=True instead of resume=True"):
            earmark.tune(tones, tmp_path / "out", **again, **settings)
    (work / "study.log").write_bytes(study)
    found = earmark.tune(tones, tmp_path / "out", **again, **settings)
    assert found.trials == 3 and len(done) == 4
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["study.log", "trials.csv", "tuned.toml"]


def test_a_result_that_cannot_replace_the_old_one_leaves_it(
    trained: earmark.Result, tones: Path, tmp_path: Path, run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("evaluate", trained.path, tones, "--split", "all", "--out", tmp_path / "found")
    assert run(*words).code == 0
    before = sorted(p.name for p in (tmp_path / "found").iterdir())
    monkeypatch.setattr("earmark.workflow.evaluating.write_csv", full)
    failed = run(*words, "--overwrite")
    assert failed.code == 2 and "is full" in failed.err.splitlines()[-1]
    assert sorted(p.name for p in (tmp_path / "found").iterdir()) == before
    assert [p.name for p in tmp_path.iterdir()] == ["found"]


def test_other_errors_are_not_taken_for_the_disks(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), files.saving(tmp_path):
        (tmp_path.parent / "elsewhere" / "x").read_bytes()
    with pytest.raises(PermissionError), files.saving(tmp_path):
        raise PermissionError(errno.EACCES, "Permission denied", "/somebody/else.wav")
    with pytest.raises(DiskError, match="no permission"), files.saving(tmp_path):
        raise PermissionError(errno.EACCES, "Permission denied", str(tmp_path / "x"))
    assert isinstance(files.disk_error(tmp_path, OSError(28, "full")), OSError)
