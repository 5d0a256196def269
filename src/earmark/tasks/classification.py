"""Classification: of several labels one is right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from earmark.audio.windows import MergeRule, merge, softmax
from earmark.bundle import BundleSpec
from earmark.data import conditions
from earmark.errors import DataError, SettingsError
from earmark.tasks.machines import machine_column
from earmark.tasks.outcome import Decision, Judged, Tested
from earmark.tasks.words import interval, percent, three

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

    from earmark.data.manifest import Manifest
    from earmark.data.splits import Split

NAME = "classification"
LEARNER = "network"
ASKED = False
RECIPE = ""
LABEL_LISTS = False
MERGE: MergeRule = "mean"
LEAST_LABELS = 2
THRESHOLDS = False
SEARCHED = "accuracy"
UNKNOWN = "counted as wrong"
METRICS: Sequence[str] = ("accuracy", "precision", "recall", "f1", "loss")
FOLD_COLUMNS: Sequence[tuple[str, str]] = (("accuracy", "accuracy"), ("f1", "macro F1"), ("loss", "loss"))
LABEL_COLUMNS: Sequence[tuple[str, str]] = (("precision", "precision"), ("recall", "recall"), ("f1", "F1"))
CONFUSION = True


def check(manifest: Manifest, *, continued: bool) -> None:
    if len(manifest.labels) >= 2:
        return
    remedy = (
        "add clips of the others that the model knows, which it would forget"
        if continued
        else "a classifier needs two: add clips of something else, or make a detector with task='anomaly'"
    )
    raise DataError(f"{manifest.root}: has one label only, {manifest.labels[0]!r}; {remedy}")


def check_test(manifest: Manifest) -> None:
    if manifest.multilabel:
        raise DataError(f"{manifest.root}: its clips are multi-label, the model is single-label; choose other data")


def unlabelled_as(normal: str | None) -> str | None:
    return None


def describe(
    spec: BundleSpec, manifest: Manifest, labels: Sequence[str], per: Sequence[str], normal: str | None
) -> BundleSpec:
    manifest.machines(per)  # refused early where a column or a value is missing
    found = conditions.chosen_normal(manifest.labels, normal, where=manifest.root) if per else ""
    return replace(spec, task=NAME, labels=tuple(labels), merge=MERGE, per=tuple(per), normal=found)


def parts(manifest: Manifest, splits: Sequence[Split], normal: str | None) -> list[Split]:
    for split in splits:
        check_split(manifest, split)
    return list(splits)


def check_split(manifest: Manifest, split: Split) -> None:
    from earmark.data.splits import check_labels

    check_labels(manifest, split)


def trained(spec: BundleSpec, manifest: Manifest, train: NDArray[np.int64]) -> tuple[BundleSpec, list[str]]:
    return spec, []


def probabilities(logits: NDArray[np.float32], temperature: float) -> NDArray[np.float32]:
    return softmax(logits, temperature)


def recording(judged: Judged, spec: BundleSpec) -> NDArray[np.floating[Any]]:
    return merge(np.asarray(judged.scores, np.float32), spec.merge)


def decide(judged: Judged, spec: BundleSpec, spans: Sequence[tuple[float, float]]) -> Decision:
    return Decision(recording(judged, spec))


def targets(manifest: Manifest, labels: Sequence[str]) -> NDArray[np.int64]:
    return manifest.targets(labels)


def target_scores(targets: Tensor, classes: int) -> Tensor:
    from torch.nn import functional as F

    return F.one_hot(targets, classes).float()


def activate(logits: Tensor) -> Tensor:
    return logits.softmax(1)


def loss(logits: Tensor, targets: Tensor, *, smoothing: float = 0.0, focal: float = 0.0) -> Tensor:
    """Cross-entropy."""
    from torch.nn import functional as F

    each = F.cross_entropy(logits, targets, label_smoothing=smoothing, reduction="none")
    if focal:  # held above 0, where a power below 1 has no slope
        right = (logits.softmax(1) * targets).sum(1)
        each = each * (1 - right).clamp(min=1e-6) ** focal
    return each


def merge_logits(logits: Tensor, clip: Tensor) -> Tensor:
    index, merged = clip[:, None].expand_as(logits), logits.new_zeros(int(clip[-1]) + 1, logits.shape[1])
    return merged.scatter_reduce(0, index, logits.softmax(1), "mean", include_self=False).clamp(min=1e-30).log()


def agreement(logits: Tensor, targets: Tensor) -> Tensor:
    return (logits.argmax(1) == targets.argmax(1)).float().mean()


def class_weights(targets: NDArray[np.int64], classes: int) -> Tensor:
    """Every label gets the same share of the loss; the mean is 1 over the clips."""
    import torch

    counts = np.bincount(targets, minlength=classes)
    weights = np.where(counts > 0, len(targets) / (np.count_nonzero(counts) * np.maximum(counts, 1)), 0.0)
    return torch.from_numpy(weights.astype(np.float32))


def clip_weights(weights: Tensor, targets: Tensor) -> Tensor:
    return targets @ weights


def thresholds(scores: NDArray[np.floating[Any]], targets: NDArray[np.int64]) -> tuple[float, ...]:
    return ()


def tested_spec(
    spec: BundleSpec, manifest: Manifest, per: Sequence[str], normal: str | None, *, where: object
) -> BundleSpec:
    if per:
        manifest.machines(per)
    if not per and normal is None:
        return spec
    if not per and not spec.per:
        raise SettingsError(f"normal is {normal!r}, but only per=COLUMNS requires it; remove it")
    return replace(spec, per=tuple(per) or spec.per, normal=conditions.chosen_normal(spec.labels, normal, where=where))


def unknown_labels(spec: BundleSpec, manifest: Manifest) -> list[str]:
    return sorted(set(manifest.labels) - set(spec.labels))


def measure(
    tested: Tested, spec: BundleSpec, unknown: Sequence[str] = (), predicted: Sequence[str] | None = None
) -> dict[str, Any]:
    from earmark.evaluation import classification, detection

    manifest, scores = tested.manifest, np.asarray(tested.scores)
    labels = [*spec.labels, *unknown]
    found = classification.measure(scores, manifest.targets(labels), labels)
    if spec.per and found["n_known"]:
        number = spec.labels.index(spec.normal)
        flagged = scores.argmax(axis=1) != number
        abnormal = manifest.column("label") != spec.normal
        likely = 1 - scores[:, number].astype(np.float64)
        rows = detection.machine_table(machine_column(manifest, spec), abnormal, flagged, likely)
        found |= {"machines": rows, "over_machines": detection.over_machines(rows), "normal": spec.normal}
    return found


def columns(tested: Tested, spec: BundleSpec) -> tuple[pd.DataFrame, pd.DataFrame]:
    import pandas as pd

    scores, labels = tested.scores, spec.labels
    best = scores.argmax(axis=1)
    predicted = np.array([labels[i] for i in best])
    correct = predicted == tested.manifest.table["label"].to_numpy()
    found = {"predicted": predicted, "score": scores[np.arange(len(best)), best], "correct": correct}
    return pd.DataFrame(found), pd.DataFrame(scores, columns=[f"score_{label}" for label in labels])


def scores(table: pd.DataFrame, spec: BundleSpec) -> NDArray[np.floating[Any]]:
    return np.asarray(table[[f"score_{label}" for label in spec.labels]], np.float32)


def pooled(specs: Sequence[BundleSpec]) -> BundleSpec:
    return specs[0]


def headline(metrics: Mapping[str, Any]) -> list[tuple[str, str]]:
    accuracy = f"accuracy{interval(metrics.get('accuracy_interval'))}"
    return [(percent(metrics["accuracy"]), accuracy), *macro(metrics)]


def macro(metrics: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Value and name of the figures over all labels."""
    found = [(three(metrics[name]), f"macro {title}") for name, title in LABEL_COLUMNS_MACRO]
    if "loss" in metrics:
        known = metrics.get("n_known", metrics.get("n"))
        of = f", of {known} clips whose label the model knows" if known != metrics.get("n") else ""
        found.append((three(metrics["loss"]), f"loss{of}"))
    return found


LABEL_COLUMNS_MACRO = (("f1", "F1"), ("precision", "precision"), ("recall", "recall"))


def card_rows(metrics: Mapping[str, Any]) -> list[tuple[str, str]]:
    accuracy = f"undefined: {metrics.get('undefined') or 'not measured'}"
    if metrics["accuracy"] is not None:
        ends = interval(metrics["accuracy_interval"], words=" (95% interval {})")
        accuracy = f"{percent(metrics['accuracy'])}{ends}"
    noted = [(label, row["note"]) for label, row in (metrics.get("per_class") or {}).items() if row.get("note")]
    return [
        ("accuracy", accuracy),
        *((("mean average precision", three(metrics["map"], "undefined")),) if "map" in metrics else ()),
        ("macro F1", three(metrics["f1"], "undefined")),
        *((f"label {label}".replace("|", "\\|"), note) for label, note in noted),
    ]


def card(spec: BundleSpec) -> dict[str, str]:
    return {
        "title": classifier_title(spec),
        "output": f"one of {len(spec.labels)} labels with a score",
        "compared": "probabilities",
        "limits": "Scores are not calibrated. A sound that is none of the labels still gets one of them.",
    }


def classifier_title(spec: BundleSpec) -> str:
    """Title of a classifier's card."""
    more = f" and {len(spec.labels) - 6} more" if len(spec.labels) > 6 else ""
    return f"Sound classifier: {', '.join(spec.labels[:6])}{more}"
