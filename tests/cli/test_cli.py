"""The command line as a user meets it: what it prints, where, and its exit codes."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import earmark
from conftest import TINY, Run
from earmark.cli import app, crossval
from earmark.data import cache
from earmark.data.options import ScanCall
from earmark.evaluation import classification
from earmark.figures.options import SpectrogramCall
from earmark.support.keywords import described
from earmark.training.settings import Recipe
from earmark.workflow import calls


def settings(*changes: str) -> list[str]:
    return [word for change in (*TINY, *changes) for word in ("--set", change)]


def test_help_names_every_verb(run: Callable[..., Run]) -> None:
    shown = run("--help")
    assert shown.code == 0
    for verb in (
        "demo",
        "scan",
        "train",
        "crossval",
        "evaluate",
        "predict",
        "adapt",
        "tune",
        "spectrogram",
        "doctor",
        "datasets",
        "cache",
    ):
        (line,) = [line for line in shown.out.splitlines() if line.startswith(f"│ {verb} ")]
        assert "…" not in line and "..." not in line
        assert run(verb, "--help").code == run(verb, "-h").code == 0


def test_every_summary_is_an_imperative_that_fits() -> None:
    from typer.main import get_command

    commands = get_command(app).commands  # type: ignore[attr-defined]
    summaries = [
        command.help.partition("\n")[0]
        for group in (commands, *(c.commands for c in commands.values() if hasattr(c, "commands")))
        for command in group.values()
    ]
    assert len(summaries) > 12
    for summary in summaries:
        assert len(summary) <= 60 and summary.endswith("."), summary


def test_help_groups_options_and_ends_with_examples(run: Callable[..., Run]) -> None:
    shown = run("train", "--help").out
    places = [shown.index(f"─ {group} ─") for group in ("Data", "Split", "Training", "Machines", "Output")]
    assert places == sorted(places)
    assert shown.index("Examples") > places[-1] and "earmark train recordings --out model" in shown


def test_version_and_a_slip_of_the_keyboard(run: Callable[..., Run]) -> None:
    assert run("--version").out.startswith("earmark ")
    assert "Did you mean 'train'?" in run("trian").err
    assert "did you mean 'mixup'?" in run("settings", "mixpu").err


def test_settings_are_explained(run: Callable[..., Run]) -> None:
    (row,) = json.loads(run("settings", "mixup", "--json").out)
    assert row["allowed"] == "0 to 10" and row["default"] == 0.2 and row["recipes"]["notebook"] == 0
    shown = run("settings").out
    for field in dataclasses.fields(Recipe):
        assert f"  {field.name} " in shown
    assert shown.index("Augmentation") < shown.index("  mixup ")


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
    assert len(shown.out.splitlines()) == 4  # a line each
    broken = run("predict", trained.path, tones / "low" / "g0_0.wav", bad, "--json", "--strict")
    assert broken.code == 2 and broken.out.startswith("[\n{") and not broken.out.rstrip().endswith("]")
    assert run("predict", trained.path, bad, "--json", "--machine", "fan").out == ""


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
        (
            ("train", "{tones}", "--out", "{tmp}/m", "--set", "fmax=5000"),
            "setting fmax is 5000 Hz; at a rate of 8000 Hz it may be at most 4000",
        ),
        (
            ("train", "{tones}", "--out", "{tmp}/m", "--set", "features=mel, mel"),
            "setting features is 'mel, mel'; name each of them once",
        ),
        (
            ("crossval", "{tones}", "--out", "{tmp}/m", "--set", "hop_seconds=nan"),
            "setting hop_seconds is nan; the allowed range is 0 to 1",
        ),
        (
            ("train", "{tones}", "--out", "{tmp}/m", "--set", "window_seconds=0.1", "--set", "deltas=1"),
            "setting window_seconds is 0.1; with this fft_seconds, hop_seconds and deltas it must be 0.112 at least",
        ),
        (
            ("train", "{tones}", "--out", "{tmp}/m", "--set", "network=plain", "--set", "window_seconds=0.1"),
            "setting network is 'plain', which halves the frames three times; it takes 8 at least",
        ),
        (("train", "{tones}", "--out", "{tmp}/m", "--seed", "-1"), "seed is -1; the allowed range is 0 to 4294967295"),
        (
            ("train", "{tones}", "--out", "{tmp}/m", "--normal", "low"),
            "--normal is 'low', but only --per COLUMNS and --task anomaly",
        ),
        (
            ("train", "{tones}", "--out", "{tmp}/m", "--group", "path", "--group-pattern", "g."),
            "--group COLUMN and --group-pattern REGEX both name the groups; give one of them",
        ),
        (
            ("train", "{tones}", "--out", "{tmp}/m", "--from", "{model}", "--task", "anomaly"),
            "--from MODEL continues from classifiers",
        ),
        (
            ("train", "{tones}", "--out", "{tmp}/m", "--background", "quiet"),
            "are for labels of segments (Raven, Audacity, tables with start), and there are none; remove them",
        ),
        (
            ("evaluate", "{model}", "{tones}", "--normal", "low"),
            "--normal is 'low', but only --per COLUMNS requires it; remove it",
        ),
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


def test_scan(run: Callable[..., Run], tones: Path, make_tones: Callable[..., Path], tmp_path: Path) -> None:
    assert run("scan", tones).code == 0
    damaged = make_tones(clips=4)
    (damaged / "low" / "bad.wav").write_text("no sound")
    shutil.copy(damaged / "low" / "g0_0.wav", damaged / "high" / "copy.wav")
    shown = run("scan", damaged, "--out", tmp_path / "scan.csv")
    assert shown.code == 1
    for line in (
        "not-audio 1 recordings: no sound in any known format\n          low/bad.wav: ",
        "copies    1 sets of recordings that hold the same samples\n          high/copy.wav = low/g0_0.wav",
        "conflict  1 of them with different labels",
        "groups    14, none known, so every recording is its own",
    ):
        assert line in shown.out
    assert len((tmp_path / "scan.csv").read_text().splitlines()) == 15
    assert "exists; choose another name" in run("scan", damaged, "--out", tmp_path / "scan.csv").err
    assert run("scan", damaged, "--out", tmp_path / "scan.csv", "--overwrite").code == 1
    (tmp_path / "labels.csv").write_text("path,label\n")
    shown = run("scan", damaged, "--out", tmp_path / "labels.csv", "--overwrite")
    assert shown.code == 2 and "was not made by this command" in shown.err
    assert (tmp_path / "labels.csv").read_text() == "path,label\n"
    run("scan", damaged, "--out", tmp_path / "report")
    assert (tmp_path / "report" / "scan.csv").read_text() == (tmp_path / "scan.csv").read_text()
    found = json.loads(run("scan", damaged, "--json").out)
    assert (found["recordings"], found["usable"], found["clean"]) == (14, 13, False)
    assert found["faults"]["not-audio"][0]["path"] == "low/bad.wav"
    assert run("scan", tmp_path / "none").code == 2


def test_scan_of_recordings_without_labels(run: Callable[..., Run], tones: Path) -> None:
    shown = run("scan", tones / "low")
    assert shown.code == 1, shown.err  # one label is never all right
    assert "problem   no labels, so that all of it counts as 'normal': only --task anomaly can use it" in shown.out
    assert "nothing is wrong" not in shown.out


@pytest.mark.parametrize(
    ("verb", "words"),
    [
        ("train", ["{data}", "--out", "{out}"]),
        ("evaluate", ["{model}", "{data}"]),
        ("adapt", ["{model}", "{data}", "--out", "{out}"]),
        ("crossval", ["{data}", "--out", "{out}"]),
    ],
)
def test_what_was_left_out_is_exit_code_1_and_a_full_disk_2(
    run: Callable[..., Run], trained: earmark.Result, tones: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str,
    words: list[str],
) -> None:  # fmt: skip
    bad = earmark.AudioError("empty", "a.wav", "0 bytes", "replace it")
    given = [w.format(data=tones, out=tmp_path / "out", model=trained.path) for w in words]
    metrics = {} if verb in ("train", "adapt") else trained.metrics
    over = {"mean": {"accuracy": 1.0}, "std": {"accuracy": 0.0}, "folds": [], "trained_on": 0}
    found = earmark.Result(tmp_path, metrics, (), (bad,), {}, over)
    monkeypatch.setattr(earmark, verb, lambda *_, **__: found)
    assert run(verb, *given).code == 1

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device", "x")

    monkeypatch.setattr(earmark, verb, fail)
    failed = run(verb, *given)
    assert (failed.code, len(failed.err.splitlines())) == (2, 1)
    assert "No space left on device" in failed.err


VALUES = {"int": ("3", 3), "int | None": ("3", 3), "float": ("0.25", 0.25), "bool": ("", True)}


@pytest.mark.parametrize(
    ("verb", "call"),
    [
        ("train", calls.TrainCall), ("crossval", calls.CrossvalCall), ("evaluate", calls.EvaluateCall), ("tune", calls.TuneCall),
        ("adapt", calls.AdaptCall), ("scan", ScanCall), ("spectrogram", SpectrogramCall),
    ],
)  # fmt: skip
def test_every_option_is_carried_through(
    run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch, verb: str, call: type[Any]
) -> None:
    seen: list[dict[str, Any]] = []

    def record(**named: Any) -> None:
        seen.append(named)
        raise earmark.DataError("enough")

    monkeypatch.setattr(earmark, verb, record)
    words, expected = [], {}
    for name, (field, said) in described(call).items():
        word, value = VALUES.get(str(field.type), (f"a_{name}", f"a_{name}"))
        if said.group:
            words += [said.flag or "--" + name.replace("_", "-"), *([word] if word else [])]
        else:
            words.append(word)
        value = Path(value) if "StrPath" in str(field.type) else value
        expected[name] = [value] if said.repeated else value
    assert run(verb, *words).code == 2
    assert seen == [expected]
    assert {f.name for f in dataclasses.fields(call)} == set(expected)


def test_strict_stops(run: Callable[..., Run], trained: earmark.Result, make_tones: Callable[..., Path]) -> None:
    damaged = make_tones(clips=4)
    (damaged / "low" / "bad.wav").write_text("no sound")
    for verb in (("train", damaged, "--out", damaged.parent / "model"), ("evaluate", trained.path, damaged)):
        shown = run(*verb, "--strict")
        assert shown.code == 2 and "1 of its 13 clips cannot be used" in shown.err
    assert not (damaged.parent / "model").exists()
    shown = run("predict", trained.path, damaged / "low", "--strict")
    assert shown.code == 2 and "bad.wav: not-audio" in shown.err


def test_folds_that_cannot_tell_a_figure_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    folds = [
        {"name": "one", "auc": 0.8, "accuracy": 0.7, "f1": 0.5, "n": 9},
        {"name": "two", "auc": None, "accuracy": 0.9, "f1": None, "n": 8},
    ]
    mean, deviation = classification.over_folds(folds)
    summary = {"folds": folds, "mean": mean, "std": deviation}
    crossval._show_folds(summary)
    crossval._show_leak({**summary, "random": summary}, 0)
    shown = capsys.readouterr().out
    assert "one            AUC 0.800  f1 0.500  (9 clips)\ntwo            accuracy 90.0%  f1 -  (8 clips)\n" in shown
    assert "mean of folds  AUC 0.800 (of the 1 folds where it is defined)" in shown
    assert "grouped   80.0%  (80.0 / -)" in shown  # one value has no deviation
    never = {"folds": folds[1:], "mean": {"accuracy": 0.9}, "std": {"accuracy": 0.0}}
    crossval._show_leak({**summary, "random": never}, 0)
    assert "random    90.0% ± 0.0  (90.0)" in capsys.readouterr().out


def test_show_leak(run: Callable[..., Run], tones: Path, tmp_path: Path) -> None:
    group = ("--group-pattern", r"g\d+_")
    shown = run("crossval", tones, "--out", tmp_path / "cv", "--folds", 2, "--show-leak", *group, *settings("epochs=1"))
    assert shown.code == 0
    assert "split     mean accuracy of 2 folds, seed 0" in shown.out
    assert [line.split()[0] for line in shown.out.splitlines() if " / " in line] == ["random", "grouped"]
    document = json.loads((tmp_path / "cv" / "crossval.json").read_text())
    assert document["n"] == document["random"]["n"] == 30
    leak = 100 * (document["random"]["mean"]["accuracy"] - document["mean"]["accuracy"])
    assert f"leak      {leak:+.1f} points" in shown.out


def test_cache(run: Callable[..., Run], tmp_path: Path, tones: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARMARK_CACHE", str(tmp_path / "cache"))
    assert json.loads(run("cache", "info", "--json").out)["recordings"] == 0
    cache.Cache(8_000).get(tones / "low" / "g0_0.wav")
    assert "recordings  1" in run("cache", "info").out
    assert "removed     1 recordings" in run("cache", "clear").out


def test_datasets(run: Callable[..., Run], tmp_path: Path) -> None:
    assert "licence CC BY-NC 3.0; K. J. Piczak" in run("datasets", "list").out
    listed = json.loads(run("datasets", "list", "--json").out)
    assert {"name", "bytes", "licence", "citation", "archives"} <= set(listed[0])
    shown = run("datasets", "get", "mnist", "--out", tmp_path / "mnist")
    assert shown.code == 2 and "unknown data set 'mnist'" in shown.err


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


def test_doctor_tells_what_is_wrong(run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib import metadata

    from earmark.cli import doctor

    def version(name: str) -> str:
        if name == "onnxruntime":
            raise metadata.PackageNotFoundError(name)
        return "1"

    def no_kernels(name: str) -> None:
        raise ImportError("no kernels")

    monkeypatch.setattr(metadata, "version", version)
    monkeypatch.setattr(doctor, "find_spec", lambda name: None if name == "pooch" else name)
    monkeypatch.setattr(doctor, "import_module", no_kernels)
    monkeypatch.delattr(earmark, "audio", raising=False)
    monkeypatch.setitem(sys.modules, "earmark.audio", None)
    shown = run("doctor")
    assert shown.code == 1 and "Traceback" not in shown.err
    for line in (
        "onnxruntime (of another package)", "train: missing pooch", "nothing: ", "pip install --force-reinstall soundfile",
        "torchvision does not fit torch and breaks training (no kernels)", "training: not possible as it is, see above",
    ):  # fmt: skip
        assert line in shown.out


def test_demo(run: Callable[..., Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from earmark.audio import synth
    from earmark.training import recipe

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
