"""Every task offers the same; torch and numpy agree; a new task is one file and one registration."""

from __future__ import annotations

import dataclasses
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn import metrics

import earmark
from conftest import TINY
from earmark import bundle, tasks
from earmark.audio.windows import merge
from earmark.bundle import BundleSpec
from earmark.errors import BundleError, SettingsError
from earmark.tasks import Judged, classification
from earmark.training.options import TrainOptions
from earmark.workflow import planning

NETWORKS = [name for name, task in tasks.TASKS.items() if task.LEARNER == tasks.NETWORK]
SPEC = BundleSpec(("a", "b", "c"), {"name": "resnet", "width": 1.0}, 8_000, 1.0, 0.5, {})


def offered(protocol: type) -> set[str]:
    return {
        n for kind in protocol.__mro__[:-3] for n in (*kind.__dict__, *kind.__annotations__) if not n.startswith("_")
    }


@pytest.mark.parametrize("name", tasks.TASKS)
def test_every_task_offers_what_the_protocol_lists(name: str) -> None:
    wanted = offered(tasks.NetworkTask if name in NETWORKS else tasks.Task)
    assert {"NAME", "check", "measure", "headline"} <= wanted
    assert wanted <= set(vars(tasks.TASKS[name])) and name == tasks.TASKS[name].NAME
    assert set(tasks.TASKS[name].card(dataclasses.replace(SPEC, task=name))) == {
        "title",
        "output",
        "compared",
        "limits",
    }


@pytest.mark.parametrize("name", NETWORKS)
def test_scores_in_training_are_those_in_prediction(name: str) -> None:
    task, logits = tasks.network(name), torch.randn(6, 3, generator=torch.Generator().manual_seed(0)) * 3
    found = task.probabilities(logits.numpy(), 1.0)
    assert found == pytest.approx(task.activate(logits).numpy(), abs=1e-6)
    clip = torch.tensor([0, 0, 1, 1, 1, 2])
    merged = task.activate(task.merge_logits(logits, clip)).numpy()
    spec = dataclasses.replace(SPEC, task=name, merge=task.MERGE)
    for number in range(3):
        windows = found[clip.numpy() == number]
        judged = Judged(windows, [0] * len(windows), 0, np.zeros(0))
        assert merged[number] == pytest.approx(task.recording(judged, spec), abs=1e-6)
        assert task.decide(judged, spec, ()).scores == pytest.approx(merge(windows, task.MERGE))


def test_losses_are_scikit_learns() -> None:
    logits, rng = torch.randn(8, 3, generator=torch.Generator().manual_seed(1)), np.random.default_rng(1)
    one, several = rng.integers(0, 3, 8), rng.integers(0, 2, (8, 3))
    for name, targets in (("classification", one), ("multilabel", several)):
        task = tasks.network(name)
        right = task.target_scores(torch.from_numpy(targets), 3)
        found = task.loss(logits, right, smoothing=0, focal=0).mean().item()
        scores = task.probabilities(logits.numpy(), 1.0).astype(np.float64)
        if name == "classification":
            expected = metrics.log_loss(targets, scores / scores.sum(1, keepdims=True), labels=range(3))
        else:
            expected = np.mean([metrics.log_loss(targets[:, i], scores[:, i], labels=[0, 1]) for i in range(3)])
        assert found == pytest.approx(expected, rel=1e-5)


def test_unknown_tasks_are_refused() -> None:
    with pytest.raises(BundleError, match="x: task is 'ordinal', which this Earmark cannot use"):
        tasks.of(dataclasses.replace(SPEC, task="ordinal"), source="x")
    with pytest.raises(BundleError, match="labels is"):
        tasks.of(dataclasses.replace(SPEC, labels=("a",)))
    with pytest.raises(SettingsError, match="task is 'multilabel'; choose auto or anomaly"):
        tasks.asked("multilabel")
    assert tasks.asked("auto") is None


def test_a_task_that_trains_a_network_is_no_detector(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = types.SimpleNamespace(**{**vars(classification), "NAME": "ordinal", "ASKED": True})
    monkeypatch.setitem(tasks.TASKS, "ordinal", own)  # type: ignore[misc]
    with pytest.raises(SettingsError, match="base=MODEL takes the task of its model: remove it or task=ordinal$"):
        planning.check_options(TrainOptions(task="ordinal", base=tmp_path))
    with pytest.raises(SettingsError, match="normal is 'a', but only per=COLUMNS and task='anomaly' require it"):
        planning.check_options(TrainOptions(task="ordinal", normal="a"))
    assert planning.check_options(TrainOptions(task="ordinal")) is own


def test_a_new_task_is_one_file_and_one_registration(
    tones: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measure(tested: Any, spec: BundleSpec, unknown: Any, predicted: Any) -> dict[str, Any]:
        return {**classification.measure(tested, spec, unknown, predicted), "clips_twice": 2 * len(tested.scores)}

    def describe(spec: BundleSpec, *arguments: Any) -> BundleSpec:
        return dataclasses.replace(classification.describe(spec, *arguments), task="ordinal")

    def headline(found: dict[str, Any]) -> list[tuple[str, str]]:
        return [(str(found["clips_twice"]), "twice the clips"), *classification.headline(found)]

    own = {"NAME": "ordinal", "ASKED": True, "measure": measure, "describe": describe, "headline": headline}
    monkeypatch.setitem(tasks.TASKS, "ordinal", types.SimpleNamespace(**{**vars(classification), **own}))  # type: ignore[misc]
    source = {"group_pattern": r"[^/]+/g\d+_"}
    options = {"settings": [*TINY, "epochs=1"], "task": "ordinal"}
    made = earmark.train(tones, tmp_path / "model", **source, **options)
    assert made.metrics["clips_twice"] == 2 * made.metrics["n"]
    assert "twice the clips" in (made.path / "report.html").read_text(encoding="utf-8")
    assert bundle.read(made.path).spec.task == "ordinal"
    assert earmark.load(made.path).predict(tones / "low" / "g0_0.wav").label in ("high", "low", "noise")
    assert earmark.evaluate(made.path, tones, **source).to_dict()["clips_twice"] == 2 * made.metrics["n"]
    again = {"settings": ["epochs=1", "min_steps=0"], "base": made.path}
    assert bundle.read(earmark.train(tones, tmp_path / "again", **source, **again).path).spec.task == "ordinal"
