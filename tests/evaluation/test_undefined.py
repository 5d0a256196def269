"""What is undefined is None and a dash with its reason, never 0; names that do not match are proposed."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import earmark
from conftest import TINY, Run, tone
from earmark import tasks
from earmark.evaluation import classification, detection
from earmark.figures import plots, report

pytestmark = pytest.mark.usefixtures("one_thread")


def only_numbers(value: Any) -> None:
    """No figure is NaN or infinite, and the whole is JSON."""
    json.dumps(value, allow_nan=False)


def sounds(root: Path, labels: dict[str, int], *, seed: int = 50) -> Path:
    """Class folders with low tones, new to every model here."""
    for number, (label, count) in enumerate(labels.items()):
        (root / label).mkdir(parents=True)
        for i in range(count):
            sound = tone(300 + 10 * i, 0.6, seed=seed + 100 * number + i)
            soundfile.write(root / label / f"{i}.wav", sound, 8_000)
    return root


def row(out: str, label: str) -> str:
    return next(line for line in out.splitlines() if line.startswith(f"{label} "))


def test_a_label_without_test_clips_has_no_metrics() -> None:
    scores = np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.7, 0.2, 0.1]], np.float32)
    found = classification.measure(scores, np.array([0, 1, 1]), ["a", "b", "c"])
    only_numbers(found)
    none = {"precision": None, "recall": None, "f1": None}
    assert found["per_class"]["c"] == {**none, "n": 0, "note": "no test clips"}
    assert found["recall"] == pytest.approx((1 + 0.5) / 2)  # over the labels where it is defined
    heard = classification.measure(scores[:, [2, 1, 0]], np.array([2, 1, 1]), ["a", "b", "c"])
    assert heard["recall"] == found["recall"]
    told = classification.measure(np.array([[0.1, 0.1, 0.8]] * 2, np.float32), np.array([0, 1]), ["a", "b", "c"])
    assert told["per_class"]["c"] == {**none, "n": 0, "note": "no test clips, predicted 2 times"}
    assert told["per_class"]["a"] == {"precision": None, "recall": 0.0, "f1": 0.0, "n": 1, "note": "never predicted"}
    assert told["precision"] is None and told["recall"] == 0.0


def test_nothing_is_measured_where_no_label_is_known_or_no_clip_is_there() -> None:
    for scores, targets, why in (
        (
            np.array([[0.8, 0.2]] * 3, np.float32),
            np.array([2, 2, 3]),
            "none of the 3 clips has a label that the model knows",
        ),
        (np.zeros((0, 2), np.float32), np.zeros(0, np.int64), "there are no test clips"),
    ):
        found = classification.measure(scores, targets, ["a", "b", "c", "d"])
        only_numbers(found)
        assert found["undefined"] == why and found["n"] == len(targets) and found["n_known"] == 0
        assert {found[k] for k in ("accuracy", "accuracy_interval", "precision", "recall", "f1", "loss")} == {None}
        several = classification.measure_multilabel(
            scores, np.zeros((len(scores), 2), np.int64), ["a", "b"], scores >= 0.5, known=False
        )
        only_numbers(several)
        assert several["undefined"] == why
        assert {several[k] for k in ("accuracy", "accuracy_interval", "map", "precision", "recall", "f1", "loss")} == {
            None
        }


def test_a_label_of_several_without_clips_has_no_average_precision() -> None:
    scores = np.array([[0.9, 0.2, 0.6], [0.1, 0.3, 0.1]], np.float32)
    found = classification.measure_multilabel(scores, np.array([[1, 0, 0], [0, 1, 0]]), ["a", "b", "c"], scores >= 0.5)
    only_numbers(found)
    assert found["map"] == 1.0  # of a and b
    assert found["per_class"]["b"] | {"note": ""} == {
        "precision": None, "recall": 0.0, "f1": 0.0, "ap": 1.0, "n": 1, "note": ""
    }  # fmt: skip
    c = found["per_class"]["c"]
    assert (c["ap"], c["precision"], c["recall"], c["note"]) == (None, None, None, "no test clips, predicted 1 times")
    nothing = classification.measure_multilabel(scores, np.zeros((2, 3), np.int64), ["a", "b", "c"], scores >= 2)
    assert (nothing["map"], nothing["f1"], nothing["accuracy"]) == (
        None,
        None,
        1.0,
    )  # clips without a label, rightly so


def test_a_detector_on_normal_clips_alone_has_no_precision() -> None:
    scores, none = np.array([1.0, 9.0]), np.zeros(2, bool)
    found = detection.measure_detection(scores, none, np.array([False, True]), ["all"] * 2)
    only_numbers(found)
    assert {found[k] for k in ("precision", "recall", "recall_interval", "f1", "auc", "pauc")} == {None}
    assert found["false_alarm_rate"]["seen"] == 0.5
    assert found["per_class"]["abnormal"]["note"] == "no test clips, predicted 1 times"
    faults = detection.measure_detection(scores, ~none, none, ["all"] * 2)
    assert faults["false_alarm_rate"] == {"stated": None, "seen": None, "interval": None, "n": 0}
    assert (faults["precision"], faults["recall"], faults["f1"]) == (None, 0.0, 0.0)
    assert faults["per_class"]["normal"]["f1"] is None


def test_folds_are_averaged_where_they_are_defined() -> None:
    mean, deviation = classification.over_folds([{"accuracy": 0.5, "f1": None}, {"accuracy": None, "f1": None}])
    assert mean == {"accuracy": 0.5, "f1": None} and deviation == {"accuracy": None, "f1": None}
    assert (
        classification.over_folds([{"accuracy": 0.5}, {"accuracy": 0.5}])[1]["accuracy"] == 0.0
    )  # measured, and equal


def shown(page: str) -> str:
    text = re.sub(r"<style>.*?</style>|<[^>]+>", " ", page, flags=re.DOTALL)
    return " ".join(text.replace("\N{EN DASH}", "-").split())


def test_reports_show_dashes_with_a_word() -> None:
    scores = np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1]], np.float32)
    found = classification.measure(scores, np.array([0, 1]), ["a", "b", "c"])
    assert "c 0 - - - no test clips" in shown(report.page("t", found, tasks.TASKS["classification"], facts={}))
    undefined = classification.measure(scores, np.array([3, 3]), ["a", "b", "c", "d"])
    page = shown(
        report.page("t", undefined, tasks.TASKS["classification"], facts={}, folds=[{"name": "fold 1", **undefined}])
    )
    assert "- accuracy" in page and "- means undefined: none of the 2 clips has a label that the model knows." in page
    assert "fold 1 2 - - -" in page and "None" not in page and "nan" not in page
    several = classification.measure_multilabel(
        scores, np.array([[1, 0, 0], [0, 1, 0]]), ["a", "b", "c"], scores >= 0.5
    )
    assert "c 0 - - - - no test clips" in shown(report.page("t", several, tasks.TASKS["multilabel"], facts={}))


def test_old_bundles_whose_metrics_have_zeros_are_still_shown(
    trained: earmark.Result, capsys: pytest.CaptureFixture[str]
) -> None:
    from earmark.cli import options

    old = {
        "n": 4, "accuracy": 0.5, "accuracy_interval": [0.1, 0.9], "precision": 0.0, "recall": 0.0, "f1": 0.0, "loss": 27.6,
        "per_class": {"a": {"precision": 0.0, "recall": 0.0, "f1": 0.0, "n": 0}}, "labels": ["a"], "confusion": [[0]],
    }  # fmt: skip
    assert "a 0 0.000 0.000 0.000" in shown(report.page("t", old, tasks.TASKS["classification"], facts={}))
    options.show_metrics(old)
    options.show_classes(old)
    assert "accuracy  50.0%" in capsys.readouterr().out


def test_rows_without_clips_are_hatched_in_the_confusion_matrix() -> None:
    axes = plots.confusion_matrix([[2, 1], [0, 0]], ["a", "b"]).axes[0]
    hatched = [patch for patch in axes.patches if patch.get_hatch()]
    assert [patch.get_y() for patch in hatched] == [0.5]
    assert not [p for p in plots.confusion_matrix([[1, 0], [0, 1]], ["a", "b"]).axes[0].patches if p.get_hatch()]


def test_the_command_line_tells_what_is_undefined(
    trained: earmark.Result, tmp_path: Path, run: Callable[..., Run]
) -> None:
    data = sounds(tmp_path / "data", {"low": 3})
    found = run("evaluate", trained.path, data, "--out", tmp_path / "out")
    assert found.code == 0
    assert row(found.out, "noise").split(maxsplit=5) == ["noise", "-", "-", "-", "0", "no test clips"]
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    only_numbers(metrics)
    assert metrics["per_class"]["high"]["recall"] is None
    assert metrics["recall"] == metrics["per_class"]["low"]["recall"]


@pytest.mark.parametrize("label", ["Low", "LOW ", "lows", "L-o-w", unicodedata.normalize("NFD", "lów")])
def test_labels_that_nearly_match_are_proposed(
    trained: earmark.Result, tmp_path: Path, run: Callable[..., Run], label: str
) -> None:
    data = tmp_path / "data"
    (data / "x").mkdir(parents=True)
    lines = ["file_name,label"]
    for i in range(3):
        soundfile.write(data / "x" / f"{i}.wav", tone(300 + i, 0.6, seed=900 + i), 8_000)
        lines.append(f"x/{i}.wav,{label}")
    (data / "metadata.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    found = run("evaluate", trained.path, data)
    name = unicodedata.normalize("NFC", label.strip())  # as the data are read
    assert found.code == 0
    assert "accuracy  -  (none of the 3 clips has a label that the model knows)" in found.out
    assert "27.6" not in found.out and "0.000" not in found.out
    assert f"labels that the model does not know: {name}: none of the 3 clips" in found.err
    if name != "lów":
        assert (
            f"{name!r} looks like 'low', a label of the model: if it is meant, rename the label in the data"
            in found.err
        )


def test_the_loss_is_of_the_clips_whose_label_is_known(
    trained: earmark.Result, tmp_path: Path, run: Callable[..., Run]
) -> None:
    data = sounds(tmp_path / "data", {"low": 3, "whistle": 2})
    alone = earmark.evaluate(trained.path, sounds(tmp_path / "alone", {"low": 3})).to_dict()
    found = earmark.evaluate(trained.path, data).to_dict()
    assert found["loss"] == pytest.approx(alone["loss"]) and (found["n"], found["n_known"]) == (5, 3)
    assert (found["per_class"]["whistle"]["precision"], found["per_class"]["whistle"]["recall"]) == (None, 0.0)
    assert found["recall"] == pytest.approx(found["per_class"]["low"]["recall"] / 2)  # counted as wrong
    said = run("evaluate", trained.path, data)
    assert "(of the 3 clips whose label the model knows)" in said.out
    assert row(said.out, "whistle").endswith("not a label of the model")
    assert "labels that the model does not know, counted as wrong: whistle" in said.err
    assert "looks like" not in said.err


def test_a_new_label_that_nearly_matches_is_told_when_training_goes_on(
    trained: earmark.Result, tmp_path: Path, run: Callable[..., Run]
) -> None:
    data = sounds(tmp_path / "data", {"Low": 6, "noise": 6})
    words = [word for change in ("epochs=1",) for word in ("--set", change)]
    found = run("train", data, "--out", tmp_path / "m", "--from", trained.path, "--test-fold", "none", *words, "--json")
    assert found.code == 0, found.err
    told = "'Low' looks like 'low', a label of the model, but becomes a label of its own beside it"
    assert told in found.err and any(told in note for note in json.loads(found.out)["notes"])
    assert earmark.load(tmp_path / "m").labels == ("high", "low", "noise", "Low")


def test_each_note_is_shown_once(tones: Path, trained: earmark.Result, tmp_path: Path, run: Callable[..., Run]) -> None:
    changes = [word for change in (*TINY, "epochs=1") for word in ("--set", change)]
    note = "no groups are known"
    train = run("train", tones, "--out", tmp_path / "m", *changes)
    assert (train.out + train.err).count(note) == 1
    cross = run("crossval", tones, "--out", tmp_path / "cv", "--folds", "2", *changes)
    assert (cross.out + cross.err).count(note) == 1
    said = json.loads(run("train", tones, "--out", tmp_path / "j", *changes, "--json").out)
    assert sum(note in line for line in said["notes"]) == 1
    data = sounds(tmp_path / "data", {"low": 3})
    evaluated = run("evaluate", trained.path, data)
    assert (evaluated.out + evaluated.err).count("metrics of so few clips are uncertain") == 1
