"""Clips with several labels, from the table to the report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile
from sklearn import metrics

import earmark
from conftest import TINY, tone
from earmark import tasks
from earmark.bundle import MULTILABEL, BundleSpec
from earmark.data import layouts
from earmark.data.manifest import Manifest
from earmark.errors import DataError
from earmark.evaluation import classification
from earmark.workflow import measuring

SR = 8_000


def write_chords(root: Path, *, clips: int = 48) -> Path:
    """Clips with a low tone, a high one, both or neither; four to a group."""
    root.mkdir()
    rng = np.random.default_rng(0)
    rows = ["file_name,labels,group"]
    for i in range(clips):
        low, high = i % 2, (i // 2) % 2
        sound = rng.normal(size=SR // 2) * 0.02
        sound += low * tone(rng.uniform(250, 450), 0.5, SR) + high * tone(rng.uniform(1800, 2600), 0.5, SR)
        soundfile.write(root / f"{i}.wav", sound * 0.7, SR)
        rows.append(f"{i}.wav,{'low;high' if low and high else 'low' if low else 'high' if high else ''},g{i // 4}")
    (root / "metadata.csv").write_text("\n".join(rows) + "\n")
    return root


@pytest.fixture(scope="module")
def chords(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, earmark.Result]:
    folder = tmp_path_factory.mktemp("chords")
    data = write_chords(folder / "data")
    settings = [*(s for s in TINY if not s.startswith(("epochs", "mixup"))), "epochs=25", "mixup=0.1"]
    return data, earmark.train(data, folder / "model", settings=settings)


def test_manifest_reads_lists_and_separators(tmp_path: Path) -> None:
    manifest = Manifest.of(pd.DataFrame({"path": list("abcd"), "label": ["x; y", ["y", "z"], [], "x;x"]}), tmp_path)
    assert manifest.task == MULTILABEL
    assert manifest.table["label"].tolist() == ["x;y", "y;z", "", "x"]
    assert manifest.labels == ["x", "y", "z"]
    assert manifest.counts == {"x": 2, "y": 2, "z": 1}
    assert manifest.indicators(["x", "y", "z"]).tolist() == [[1, 1, 0], [0, 1, 1], [0, 0, 0], [1, 0, 0]]
    assert manifest.include(["x", "z"]).table["label"].tolist() == ["x", "z", "x"]
    single = Manifest.of(pd.DataFrame({"path": list("ab"), "label": ["x", "y"]}), tmp_path)
    assert single.task == "classification"
    assert Manifest.of(pd.DataFrame({"path": list("ab"), "label": ["x", ""]}), tmp_path).task == MULTILABEL
    with pytest.raises(DataError, match="no clip has a label"):
        Manifest.of(pd.DataFrame({"path": list("ab"), "label": ["", ""]}), tmp_path)


def test_json_lines_with_lists(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / f"{name}.wav").write_bytes(b"x")
    (tmp_path / "metadata.jsonl").write_text(
        '{"file_name": "a.wav", "labels": ["dog", "rain"]}\n{"file_name": "b.wav", "labels": ["rain"]}\n'
    )
    assert layouts.find(tmp_path).table["label"].tolist() == ["dog;rain", "rain"]


def test_figures_agree_with_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    targets = (rng.random((60, 3)) < 0.4).astype(np.int64)
    scores = np.clip(targets * 0.3 + rng.random((60, 3)) * 0.7, 0, 1).astype(np.float32)
    heard = scores >= 0.5
    found = classification.measure_multilabel(scores, targets, ["a", "b", "c"], heard)
    assert found["map"] == pytest.approx(metrics.average_precision_score(targets, scores, average="macro"))
    assert found["f1"] == pytest.approx(metrics.f1_score(targets, heard, average="macro"))
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(targets, heard))
    assert found["loss"] == pytest.approx(np.mean([metrics.log_loss(targets[:, i], scores[:, i]) for i in range(3)]))
    assert found["confusion"] == metrics.multilabel_confusion_matrix(targets, heard).tolist()


def test_figures_of_a_single_label_are_of_its_presence() -> None:
    targets = np.array([[1]] * 10 + [[0]] * 90)
    scores = np.full((100, 1), 0.1, np.float32)
    scores[:4] = scores[20] = 0.9
    found = classification.measure_multilabel(scores, targets, ["dog"], scores >= 0.5)["per_class"]["dog"]
    assert (found["n"], found["recall"], found["precision"]) == (10, 0.4, 0.8)
    assert found["f1"] == pytest.approx(2 * 0.4 * 0.8 / 1.2)


def test_one_label_a_clip_in_lists_is_cross_validated_too(tmp_path: Path) -> None:
    data = write_chords(tmp_path / "data", clips=32)
    rows = [line.split(",") for line in (data / "metadata.csv").read_text().splitlines()[1:]]
    (data / "metadata.csv").unlink()
    lines = [json.dumps({"file_name": n, "labels": [x] if x else [], "group": g}) for n, x, g in rows if ";" not in x]
    (data / "metadata.jsonl").write_text("\n".join(lines) + "\n")
    options = {"settings": [*TINY, "epochs=2"]}
    assert earmark.crossval(data, tmp_path / "cv", folds=2, **options).to_dict()["n"] == 24


def test_right_is_right_in_any_order_of_labels() -> None:
    manifest = Manifest.of(pd.DataFrame({"path": list("abc"), "label": ["cat;dog", "dog", "dog;owl"]}), "/data")
    spec = BundleSpec(("dog", "cat"), {"name": "resnet", "width": 1.0}, 8_000, 1.0, 0.5, {}, task=MULTILABEL)
    scores = np.array([[0.9, 0.8], [0.9, 0.8], [0.9, 0.1]], np.float32)
    table = measuring.predictions(tasks.Tested(manifest, scores, np.ones(3)), spec)
    assert table["predicted"].tolist() == ["dog;cat", "dog;cat", "dog"]
    assert table["correct"].tolist() == [True, False, True]  # what the model does not know is left aside


def test_thresholds_have_the_highest_f1() -> None:
    rng = np.random.default_rng(1)
    targets = np.stack([rng.random(200) < 0.3, np.arange(200) < 2], axis=1).astype(np.int64)
    scores = np.clip(targets * 0.2 + rng.random((200, 2)) * 0.6, 0, 1).astype(np.float32)
    cut, rare = classification.thresholds(scores, targets)
    best = max(metrics.f1_score(targets[:, 0], scores[:, 0] >= t) for t in np.unique(scores[:, 0]))
    assert metrics.f1_score(targets[:, 0], scores[:, 0] >= cut) == pytest.approx(best)
    assert rare == 0.5


def test_learns_both_labels(chords: tuple[Path, earmark.Result]) -> None:
    _, result = chords
    assert result.metrics["map"] > 0.9
    assert set(result.metrics["per_class"]) == {"high", "low"}
    described = json.loads((result.path / "earmark.json").read_text())
    assert (described["task"], described["merge"], len(described["thresholds"])) == ("multilabel", "max", 2)
    table = pd.read_csv(result.path / "predictions.csv", keep_default_na=False)
    assert set(table["predicted"]) <= {"", "low", "high", "high;low"}
    assert "mean average precision" in (result.path / "report.html").read_text()
    assert "mean average precision" in (result.path / "README.md").read_text()


def test_predicts_labels_by_their_thresholds(chords: tuple[Path, earmark.Result]) -> None:
    data, result = chords
    model = earmark.load(result.path)
    both = model.predict(data / "3.wav")
    scores = {s.label: s.score for s in both.scores}
    expected = {x for x, cut in zip(model.labels, model.spec.thresholds, strict=True) if scores[x] >= np.float32(cut)}
    assert set(both.labels or ()) == expected
    assert both.to_dict()["labels"] == list(both.labels or ())
    assert sum(scores.values()) > 1.2  # not shares of one whole


def test_evaluates_and_cross_validates(chords: tuple[Path, earmark.Result], tmp_path: Path) -> None:
    data, result = chords
    assert earmark.evaluate(result.path, data).to_dict()["map"] == pytest.approx(result.metrics["map"])
    options = {"settings": [*TINY, "epochs=3", "cutmix=0.5", "focal=1", "sampler=balanced"]}
    found = earmark.crossval(data, tmp_path / "cv", folds=2, **options).to_dict()
    assert {"map", "accuracy", "f1"} <= set(found["mean"])
    assert found["n"] == 48


def test_machines_need_one_label_a_clip(chords: tuple[Path, earmark.Result], tmp_path: Path) -> None:
    options = {"per": ("path",), "settings": TINY}
    with pytest.raises(earmark.DataError, match="its clips are multi-label, .* remove per=COLUMNS"):
        earmark.train(chords[0], tmp_path / "model", **options)


def test_thresholds_are_chosen_on_the_validation_part(
    chords: tuple[Path, earmark.Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[int] = []
    choose = classification.thresholds

    def spy(scores: Any, targets: Any) -> tuple[float, ...]:
        given.append(len(scores))
        return choose(scores, targets)

    heard: list[list[str]] = []
    test = measuring.test

    def listen(model: earmark.Model, clips: Any) -> Any:
        heard.append([clips.hashes[i] for i in range(len(clips.manifest))])
        return test(model, clips)

    monkeypatch.setattr(classification, "thresholds", spy)
    monkeypatch.setattr(measuring, "test", listen)
    data = chords[0]
    result = earmark.train(data, tmp_path / "model", settings=[*TINY, "epochs=1"])
    said = earmark.load(result.path).spec.provenance
    chosen, tested = heard
    assert given == [len(chosen)]
    assert set(chosen) == set(said["chosen_by"])
    assert not set(tested) & set(said["trained_on"])


def test_pooled_clips_are_judged_by_their_folds_thresholds(chords: tuple[Path, earmark.Result], tmp_path: Path) -> None:
    options = {"settings": [*TINY, "epochs=2"]}
    found = earmark.crossval(chords[0], tmp_path / "cv", folds=2, **options).to_dict()
    table = pd.read_csv(tmp_path / "cv" / "predictions.csv", keep_default_na=False)
    same = [set(a.split(";")) == set(b.split(";")) for a, b in zip(table["label"], table["predicted"], strict=True)]
    assert found["accuracy"] == pytest.approx(np.mean(same))
