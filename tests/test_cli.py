"""The command line as a user meets it: what it prints, where, and its exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import earmark
from conftest import TINY
from earmark import cli


class Run:
    """What a call printed and returned."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Run]:
    def call(*arguments: object) -> Run:
        monkeypatch.setattr(sys, "argv", ["earmark", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        captured = capsys.readouterr()
        return Run(int(stop.value.code or 0), captured.out, captured.err)

    return call


def settings(*changes: str) -> list[str]:
    return [word for change in (*TINY, *changes) for word in ("--set", change)]


def test_help_names_every_verb(run: Callable[..., Run]) -> None:
    shown = run("--help")
    assert shown.code == 0
    for verb in ("demo", "train", "crossval", "evaluate", "predict", "doctor"):
        assert f"\n  {verb} " in shown.out
        assert run(verb, "--help").code == 0


def test_train_evaluate_predict(run: Callable[..., Run], tones: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    trained = run("train", tones, "--out", model, *settings())
    assert trained.code == 0
    assert "accuracy" in trained.out and f"earmark predict {model}" in trained.out
    assert "layout class-folders, 30 clips, 3 labels" in trained.err
    evaluated = run("evaluate", model, tones, "--json")
    assert evaluated.code == 0
    document = json.loads(evaluated.out)
    assert {"n", "accuracy", "precision", "recall", "f1", "loss", "per_class", "labels", "confusion", "skipped"} <= set(
        document
    )
    assert f"{document['trained_on']} clips that the model was trained on" in evaluated.err
    predicted = run("predict", model, tones / "low", tones / "high" / "g0_0.wav")
    assert predicted.code == 0
    assert len(predicted.out.splitlines()) == 11
    assert " high  " in predicted.out.splitlines()[-1]


def test_predict_json(run: Callable[..., Run], trained: earmark.Result, tones: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad ü.wav"
    bad.write_text("no sound")
    shown = run("predict", trained.path, tones / "low" / "g0_0.wav", bad, "--json", "--windows")
    assert shown.code == 1
    good, failed = json.loads(shown.out)
    assert good["state"] == "ok"
    assert [set(p) for p in good["predictions"]] == [{"label", "score"}] * 3
    assert set(good["windows"][0]) == {"start", "end", "predictions"}
    assert failed["path"] == str(bad) and failed["predictions"] == [] and "not-audio" in failed["error"]
    assert shown.err.splitlines()[-1] == "earmark: 1 of 2 recordings could not be used"


def test_crossval_json(run: Callable[..., Run], tones: Path, tmp_path: Path) -> None:
    shown = run("crossval", tones, "--out", tmp_path / "cv", "--folds", 2, "--json", *settings("epochs=1"))
    assert shown.code == 0
    document = json.loads(shown.out)
    assert {"folds", "mean", "std", "n", "accuracy", "confusion", "skipped"} <= set(document)
    assert len(document["folds"]) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train", "{tmp}/none", "--out", "{tmp}/model"), "no such folder; check the path"),
        (("train", "{tmp}", "--out", "{tmp}/model"), "holds no recordings"),
        (("train", "{tones}", "--out", "{model}"), "exists already; choose another path, or pass --overwrite"),
        (("train", "{tones}", "--out", "{tmp}/m", "--set", "epoch=3"), "unknown setting 'epoch'"),
        (("train", "{tones}", "--out", "{tmp}/m", "--test-fold", "9"), "unknown fold '9'; choose a number from 1 to 5"),
        (("train", "{tones}", "--out", "{tmp}/m", "--include", "cow"), "has no label 'cow'"),
        (("train", "{tones}", "--out", "{tmp}/m", "--resume"), "holds no interrupted run; leave out --resume"),
        (("train", "{tones}", "--out", "{tmp}/m", "--layout", "other"), "unknown layout 'other'"),
        (("predict", "{tmp}/none", "{tones}"), "no such model"),
        (("predict", "{model}", "{tmp}"), "holds no recordings"),
        (("evaluate", "{model}", "{tmp}/none"), "no such folder"),
        (("evaluate", "{tones}", "{tones}"), "holds no earmark.json"),
    ],
)
def test_one_line_and_exit_code_2(
    run: Callable[..., Run],
    trained: earmark.Result,
    tones: Path,
    tmp_path: Path,
    arguments: tuple[str, ...],
    message: str,
) -> None:
    shown = run(*(a.format(tmp=tmp_path, tones=tones, model=trained.path) for a in arguments))
    assert shown.code == 2
    assert shown.out == ""
    assert len(shown.err.splitlines()) == 1
    assert shown.err.startswith("earmark: ") and message in shown.err
    assert list(tmp_path.iterdir()) == []


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "earmark.cli", "predict", str(tmp_path / "none"), str(tmp_path), "--debug"]
    shown = subprocess.run(command, capture_output=True, text=True, check=False)
    assert shown.returncode == 2
    assert "Traceback" in shown.stderr and shown.stderr.splitlines()[-1].startswith("earmark: ")


def test_doctor(run: Callable[..., Run]) -> None:
    shown = run("doctor")
    assert shown.code == 0
    for line in ("base: all installed", "train: all installed", "Ogg Opus    yes", "training: on "):
        assert line in shown.out


def test_demo(run: Callable[..., Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from earmark import recipe, synth

    write, load = synth.write_machines, recipe.load
    monkeypatch.setattr(synth, "write_machines", lambda folder, seed: write(folder, clips=1, seconds=1.0, seed=seed))
    monkeypatch.setattr(recipe, "load", lambda *_: load("fast", TINY))
    shown = run("demo", "--out", tmp_path / "demo")
    assert shown.code == 0, shown.err
    assert {p.name for p in (tmp_path / "demo").iterdir()} == {
        "data",
        "model",
        "spectrogram.png",
        "confusion.png",
        "demo.json",
    }
    for path in ("spectrogram.png", "confusion.png"):
        assert (tmp_path / "demo" / path).read_bytes().startswith(b"\x89PNG")
    assert str(tmp_path / "demo" / "model" / "report.html") in shown.out
    assert run("demo", "--out", tmp_path / "demo").code == 2
