"""Multi-label classification: each label is there or not, whatever the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from earmark.audio.windows import MergeRule, sigmoid
from earmark.bundle import BundleSpec
from earmark.errors import DataError, SettingsError
from earmark.tasks import classification
from earmark.tasks.outcome import Decision, Judged, Tested
from earmark.tasks.words import percent, three

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

    from earmark.data.manifest import Manifest

NAME = "multilabel"
LEARNER = "network"
ASKED = False
RECIPE = ""
LABEL_LISTS = True
MERGE: MergeRule = "max"
LEAST_LABELS = 1
THRESHOLDS = True
SEARCHED = "map"
UNKNOWN = "excluded"
METRICS: Sequence[str] = ("accuracy", "map", "precision", "recall", "f1", "loss")
FOLD_COLUMNS = classification.FOLD_COLUMNS
LABEL_COLUMNS: Sequence[tuple[str, str]] = (*classification.LABEL_COLUMNS, ("ap", "average precision"))
CONFUSION = False

# As in classification.
unlabelled_as = classification.unlabelled_as
parts = classification.parts
check_split = classification.check_split
trained = classification.trained
recording = classification.recording
unknown_labels = classification.unknown_labels
scores = classification.scores
pooled = classification.pooled
card_rows = classification.card_rows


def check(manifest: Manifest, *, continued: bool) -> None:
    """Any number of labels will do: a clip may have none."""


def check_test(manifest: Manifest) -> None:
    """Clips of one label each are clips with a list of one."""


def describe(
    spec: BundleSpec, manifest: Manifest, labels: Sequence[str], per: Sequence[str], normal: str | None
) -> BundleSpec:
    if per:
        raise DataError(
            f"{manifest.root}: its clips are multi-label, and none of the labels is the normal one; remove per=COLUMNS"
        )
    return replace(spec, task=NAME, labels=tuple(labels), merge=MERGE, per=(), normal="")


def probabilities(logits: NDArray[np.float32], temperature: float) -> NDArray[np.float32]:
    return sigmoid(logits, temperature)


def detected(scores: NDArray[np.floating[Any]], spec: BundleSpec) -> NDArray[np.bool_]:
    """Which labels reach their threshold, shape (..., class)."""
    return np.asarray(scores >= np.array(spec.thresholds or [0.5] * len(spec.labels), np.float32))


def decide(judged: Judged, spec: BundleSpec, spans: Sequence[tuple[float, float]]) -> Decision:
    merged = recording(judged, spec)
    there = detected(merged, spec)
    return Decision(merged, labels=tuple(label for label, one in zip(spec.labels, there, strict=True) if one))


def targets(manifest: Manifest, labels: Sequence[str]) -> NDArray[np.int64]:
    return manifest.indicators(labels)


def target_scores(targets: Tensor, classes: int) -> Tensor:
    return targets.float()


def activate(logits: Tensor) -> Tensor:
    return logits.sigmoid()


def loss(logits: Tensor, targets: Tensor, *, smoothing: float = 0.0, focal: float = 0.0) -> Tensor:
    """Binary cross-entropy of each label."""
    from torch.nn import functional as F

    smooth = targets * (1 - smoothing) + smoothing / 2
    each = F.binary_cross_entropy_with_logits(logits, smooth, reduction="none")
    if focal:  # held above 0, where a power below 1 has no slope
        right = 1 - (logits.sigmoid() - targets).abs()
        each = each * (1 - right).clamp(min=1e-6) ** focal
    return each


def merge_logits(logits: Tensor, clip: Tensor) -> Tensor:
    index, merged = clip[:, None].expand_as(logits), logits.new_zeros(int(clip[-1]) + 1, logits.shape[1])
    return merged.scatter_reduce(0, index, logits, "amax", include_self=False)


def agreement(logits: Tensor, targets: Tensor) -> Tensor:
    return ((logits > 0) == (targets > 0.5)).float().mean()


def class_weights(targets: NDArray[np.int64], classes: int) -> Tensor:
    """How much more a label's presence counts than its absence."""
    import torch

    present = targets.sum(axis=0)
    return torch.from_numpy(((len(targets) - present) / np.maximum(present, 1)).clip(1, 50).astype(np.float32))


def clip_weights(weights: Tensor, targets: Tensor) -> Tensor:
    return 1 + targets * (weights - 1)


def thresholds(scores: NDArray[np.floating[Any]], targets: NDArray[np.int64]) -> tuple[float, ...]:
    """As `earmark.evaluation.classification.thresholds`; 0.5 each without clips."""
    from earmark.evaluation import classification

    if not len(scores):
        return tuple(0.5 for _ in range(targets.shape[1]))
    return classification.thresholds(np.asarray(scores, np.float32), targets)


def tested_spec(
    spec: BundleSpec, manifest: Manifest, per: Sequence[str], normal: str | None, *, where: object
) -> BundleSpec:
    if per:
        raise DataError(f"{where}: is a multi-label model, which has no normal label; remove per=COLUMNS")
    if normal is not None:
        raise SettingsError(f"normal is {normal!r}, but only per=COLUMNS requires it; remove it")
    return spec


def measure(
    tested: Tested, spec: BundleSpec, unknown: Sequence[str] = (), predicted: Sequence[str] | None = None
) -> dict[str, Any]:
    from earmark.data.manifest import split_labels
    from earmark.evaluation import classification

    manifest, labels, found = tested.manifest, spec.labels, np.asarray(tested.scores)
    there = detected(found, spec)
    if predicted is not None:
        there = np.array([[label in split_labels(value) for label in labels] for value in predicted])
    known = not manifest.labels or not set(labels).isdisjoint(manifest.labels)
    return classification.measure_multilabel(found, manifest.indicators(labels), labels, there, known=known)


def columns(tested: Tested, spec: BundleSpec) -> tuple[pd.DataFrame, pd.DataFrame]:
    from earmark.data.validation import SEPARATOR

    best, every = classification.columns(tested, spec)
    there = detected(tested.scores, spec)
    best["predicted"] = [SEPARATOR.join(np.array(spec.labels)[row]) for row in there]
    best["correct"] = (there == tested.manifest.indicators(spec.labels)).all(axis=1)  # whatever their order
    return best, every


def headline(metrics: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [
        (three(metrics["map"]), "mean average precision"),
        (percent(metrics["accuracy"]), "clips with exactly the right labels"),
        *classification.macro(metrics),
    ]


def card(spec: BundleSpec) -> dict[str, str]:
    return {
        "title": classification.classifier_title(spec),
        "output": f"each of {len(spec.labels)} labels with a score and a threshold, chosen on clips that neither trained nor test",
        "compared": "probabilities",
        "limits": "Scores are not calibrated.",
    }
