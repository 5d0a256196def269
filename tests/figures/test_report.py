"""The page and the card, from figures alone."""

from __future__ import annotations

import dataclasses
import html
import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from conftest import tone
from earmark import tasks
from earmark.bundle import BundleSpec
from earmark.evaluation import classification
from earmark.figures import plots, report
from earmark.types import Waveform

DETECTOR: dict[str, Any] = {
    "n": 400, "auc": 0.9123, "auc_interval": [0.88, 0.94], "pauc": 0.75, "recall": 0.8, "precision": 0.96, "f1": 0.873,
    "accuracy": 0.9, "false_alarm_rate": {"stated": 0.01, "seen": 2 / 300, "interval": [0.0018, 0.024], "n": 300},
    "false_alarms_per_hour": 2.4,
}  # fmt: skip
NOTHING = {"auc": None, "auc_interval": None, "pauc": None, "false_alarms_per_hour": None, "false_alarm_rate": {}}
MACHINE = {
    "machine": "fan <00>", "precision": 0.931, "precision_interval": [0.88, 0.963], "recall": 0.5, "recall_interval": None,
    "f1": 0.6, "accuracy": 0.75, "accuracy_interval": [0.7, 0.8], "n": 120, "n_abnormal": 60, "auc": 0.9, "pauc": 0.8,
    "note": "few clips",
}  # fmt: skip
PROVENANCE: dict[str, Any] = {
    "versions": {"earmark": "1"},
    "data": dict.fromkeys(("layout", "clips", "groups", "train", "valid", "test"), 1) | {"skipped": [], "fingerprint": "f"},
    "split": {"protocol": "one"},
}  # fmt: skip
CLASSES = classification.measure(np.eye(2, dtype=np.float32), np.array([0, 1]), ["a", "b"])


def text(metrics: dict[str, Any], **more: Any) -> str:
    """What a reader sees of a page, in one line."""
    task = tasks.TASKS["anomaly" if "auc" in metrics and "false_alarm_rate" in metrics else "classification"]
    page = report.page("a title", metrics, task, facts={"data": "some"}, **more)
    assert page.startswith("<!doctype html>")
    return " ".join(
        html.unescape(re.sub(r"<style>.*?</style>|<[^>]+>", " ", page, flags=re.DOTALL))
        .replace("\N{EN DASH}", "-")
        .split()
    )


@dataclass(frozen=True)
class Detector(BundleSpec):
    """A bundle's description with a detector's fields."""

    machines: tuple[str, ...] = ()
    detector: dict[str, Any] = field(default_factory=dict)


def spec(kind: type[BundleSpec] = Detector, **more: Any) -> Any:
    return kind(("normal",), {}, 16_000, 1.0, 0.5, {}, task="anomaly", provenance=PROVENANCE, **more)


def test_page_of_a_classifier_has_its_figures_and_no_others() -> None:
    shown = text(CLASSES)
    for part in (
        "100.0% accuracy (95%: ",
        "1.000 macro F1",
        "0.000 loss",
        "2 clips tested",
        "Confusion matrix",
        "Labels label",
    ):
        assert part in shown
    for part in ("AUC", "Machines", "Long recordings", "Why", "false alarms"):
        assert part not in shown
    assert "Nothing was tested" in text({})


def test_page_of_a_detector_leads_with_what_counts() -> None:
    shown = text(DETECTOR)
    for part in (
        "0.912 AUC (95%: 0.880 to 0.940)", "0.750 pAUC", "0.800 recall", "0.960 precision", "0.873 F1", "400 clips tested",
        "0.667% false alarms, of 300 normal clips (stated 1% of the windows; 95%: 0.18% to 2.4%)", "2.4 false alarms an hour",
    ):  # fmt: skip
        assert part in shown
    for part in ("accuracy", "macro", "loss", "Confusion", "Labels"):
        assert part not in shown
    assert shown == text({**DETECTOR, "loss": 1.0})


def test_page_of_a_detector_without_figures_shows_dashes() -> None:
    shown = text(NOTHING)
    for part in ("- AUC - pAUC - recall - precision - F1", "- false alarms, of normal clips (stated - of the windows)"):
        assert part in shown
    assert "an hour" not in shown and "None" not in shown and "clips tested" not in shown
    folds = [{"name": "fold 1", "n": 10, "auc": 0.5, "recall": None}]
    assert "fold clips AUC pAUC recall precision fold 1 10 0.500 - - -" in text(DETECTOR, folds=folds)


def test_page_has_a_row_for_each_machine() -> None:
    bare: dict[str, Any] = dict.fromkeys(MACHINE) | {"machine": "pump", "n": 7}
    over = {
        "mean": {"precision": 0.9, "recall": 0.5, "f1": 0.6, "accuracy": None, "auc": 0.9},
        "harmonic_mean": {"auc": 0.85, "pauc": 0.7},
        "score": 0.7654,
    }
    shown = text({**CLASSES, "machines": [MACHINE, bare], "over_machines": over})
    assert "Machines machine clips precision recall accuracy AUC pAUC note" in shown
    assert "fan <00> 120, 60 abnormal 93.1% (88.0 to 96.3) 50.0% 75.0% (70.0 to 80.0) 0.900 0.800 few clips" in shown
    assert "pump 7 - - - - -" in shown
    assert (
        "In brackets: 95% intervals. Mean over the machines: precision 90.0%, recall 50.0%, F1 0.600, AUC 0.900. "
        "Harmonic mean over the machines: AUC 0.850, pAUC 0.700. Score: 0.765." in shown
    )
    shown = text({**CLASSES, "machines": [{"machine": "pump", "n": 7, "recall": 1.0}, bare]})
    assert "accuracy pump 7 - 100.0% - pump 7 - - -" in shown
    assert "AUC" not in shown and "note" not in shown and "brackets" not in shown and "over the machines" not in shown


def test_page_of_long_recordings() -> None:
    watch = {
        "faults": 6, "found": 5, "delays": [3.0, None, 60.5], "delay": 12.4, "false_alarms": 3, "normal_hours": 24.51,
        "false_alarms_per_hour": 0.1224, "false_alarms_per_hour_interval": [0.025, 0.36],
    }  # fmt: skip
    assert (
        "Long recordings faults found 5 of 6 delay until found 12.4 s (3.0 to 60.5) false alarms 3 in 24.5 h of normal sound "
        "false alarms an hour 0.122 (95%: 0.025 to 0.36)" in text({**DETECTOR, "watch": watch})
    )
    shown = text({**NOTHING, "watch": dict.fromkeys(watch) | {"faults": 0, "found": 0}})
    assert "faults found 0 of 0" in shown and "None" not in shown and "an hour" not in shown


def test_page_shows_pictures_under_why() -> None:
    figures = [(f"clip <{i}>: too loud", plots.waveform(Waveform(tone(500, 0.1), 8_000))) for i in range(2)]
    page = report.page("a title", DETECTOR, tasks.TASKS["anomaly"], facts={}, figures=figures)
    part = page[page.index("<h2>Why</h2>") :]
    assert part.count('<img src="data:image/png;base64,') == 2
    captions = [f"clip &lt;{i}&gt;: too loud" for i in range(2)]
    assert re.findall("<figcaption>(.*?)</figcaption>", part) == re.findall('alt="(.*?)"', part) == captions


def test_card_of_a_detector() -> None:
    detector = {"false_alarms": "1/8h", "rate": 1 / 28_800, "extrapolated": True, "notes": ["few normal clips"]}
    card = report.model_card(spec(machines=("fan", "pump"), detector=detector, metrics=DETECTOR), ["LEAK"])
    assert card.splitlines()[0] == "# Anomalous sound detector: fan, pump"
    for part in (
        "Output: how unusual a sound is against the normal clips it was made from: a tail probability, with a threshold.",
        "The threshold is set for a false-alarm rate of 1/8h: one window in 28,800 of normal sound, which is rarer than the "
        "normal clips could show and therefore extrapolated.\n\n**Note:** few normal clips.\n",
        "\n| figure | value |\n|---|---|\n| AUC | 0.912 |\n| pAUC | 0.750 |\n| recall at the threshold | 0.800 |\n"
        "| false-alarm rate at the threshold | 0.667% of normal clips (95% interval 0.18 to 2.4), stated 1% of the windows |\n"
        "| clips tested | 400 |\n",
        "A sound that was never normal in training counts as abnormal, harmless ones too: new backgrounds need `earmark adapt`.",
        "**Note:** LEAK.",
    ):
        assert part in card
    for part in ("accuracy", "labels", "calibrated"):
        assert part not in card
    many = report.model_card(spec(machines=tuple("abcdefgh")), [])
    assert many.startswith("# Anomalous sound detector: a, b, c, d, e, f and 2 more\n\nMade by Earmark 1.")


@pytest.mark.parametrize("kind", [Detector, BundleSpec])
def test_card_of_a_detector_that_says_little(kind: type[BundleSpec]) -> None:
    card = report.model_card(spec(kind, metrics=NOTHING), [])
    assert card.startswith("# Anomalous sound detector\n\nMade by")
    assert "| AUC | not measured |" in card and "| false-alarm rate at the threshold | not measured |" in card
    assert "None" not in card and "The threshold is set" not in card
    assert "no accuracy is claimed" in report.model_card(spec(kind), [])


def test_card_of_a_classifier_says_nothing_of_detectors() -> None:
    made = dataclasses.replace(spec(BundleSpec, metrics=CLASSES), task="classification", labels=("a", "b"))
    card = report.model_card(made, [])
    assert card.startswith("# Sound classifier: a, b\n\nMade by Earmark 1. Input: 1 s windows at 16000 Hz, mono;")
    assert "| accuracy | 100.0% " in card and "Scores are not calibrated." in card
    assert "unusual" not in card and "AUC" not in card
    limit = "A sound that is none of the labels still gets one of them."
    assert limit in card and limit not in report.model_card(dataclasses.replace(made, task="multilabel"), [])
