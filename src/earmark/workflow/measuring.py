"""Clips to scores and figures, whatever the task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from earmark.bundle import ANOMALY, CLASSIFICATION, MULTILABEL, BundleSpec
from earmark.data.clips import Clips
from earmark.data.manifest import Manifest, split_labels
from earmark.evaluation import classification, detection
from earmark.inference.model import Model
from earmark.support.progress import track


@dataclass(frozen=True)
class Tested:
    """What a model says of clips.

    Attributes
    ----------
    manifest : Manifest
    scores : ndarray, shape (clip, class)
        Probabilities; of an anomaly detector the tail probability of each clip, as its one column.
    seconds : ndarray, shape (clip,)
    """

    manifest: Manifest
    scores: NDArray[np.floating[Any]]
    seconds: NDArray[np.float64]


def test(model: Model, clips: Clips) -> Tested:
    """Scores of every clip by the exported model, each held against its own machine where that is known."""
    machines = machine_names(clips.manifest, model.spec)
    scores, seconds = [], []
    for row in track(range(len(clips.manifest)), "testing", len(clips.manifest)):
        samples = clips.waveform(row)
        seconds.append(clips.seconds(row))
        scores.append(
            model.scores(samples)
            if model.spec.task != ANOMALY
            else model.tails(samples, machines[row])[0].min(keepdims=True)
        )
    return Tested(clips.manifest, np.stack(scores), np.array(seconds))


def machine_names(manifest: Manifest, spec: BundleSpec) -> list[str | None]:
    """The model's machine of each clip; None where the data don't say, or name one that it does not know."""
    return [name if name in spec.machines else None for name in machine_column(manifest, spec)]


def measured(
    tested: Tested, spec: BundleSpec, unknown: Sequence[str] = (), *, heard: NDArray[np.bool_] | None = None
) -> dict[str, Any]:
    """Figures of the task; ``unknown`` are labels of the data that the model does not have."""
    manifest, scores = tested.manifest, tested.scores
    if spec.task == MULTILABEL:
        there = spec.heard(scores) if heard is None else heard
        known = not manifest.labels or not set(spec.labels).isdisjoint(manifest.labels)
        return classification.measure_several(scores, manifest.several(spec.labels), spec.labels, there, known=known)
    machines = machine_column(manifest, spec)
    abnormal = manifest.column("label") != spec.normal
    if spec.task == ANOMALY:
        flagged = scores[:, 0] <= spec.detector["rate"] if heard is None else heard[:, 0]
        figures = detection.measure_detection(
            -np.log10(scores[:, 0]), abnormal, flagged, machines, labels=(spec.normal, spec.labels[0]),
            hours=float(tested.seconds[~abnormal].sum() / 3600), stated=spec.detector["rate"],
        )  # fmt: skip
        figures["false_alarm_rate"]["stated_interval"] = spec.detector.get("rate_interval")
        return figures
    labels = [*spec.labels, *unknown]
    found = classification.measure(scores, manifest.targets(labels), labels)
    if spec.per and found["n_known"]:
        number = spec.labels.index(spec.normal)
        flagged = scores.argmax(axis=1) != number
        rows = detection.machine_table(machines, abnormal, flagged, 1 - scores[:, number].astype(np.float64))
        found |= {"machines": rows, "over_machines": detection.over_machines(rows), "normal": spec.normal}
    return found


def machine_column(manifest: Manifest, spec: BundleSpec) -> list[str]:
    """Name of each clip's machine; ``all`` where the data don't say."""
    if not spec.per or not set(spec.per) <= set(manifest.table.columns):
        return ["all"] * len(manifest)
    return manifest.machines(spec.per)


def copies_of(fresh: NDArray[np.bool_], pairs: Sequence[tuple[int, int]]) -> NDArray[np.bool_]:
    """Which fresh clips are copies of ones that are not, directly or over others."""
    reached = ~fresh
    while True:
        more = {one for a, b in pairs for one, other in ((a, b), (b, a)) if reached[other] and not reached[one]}
        if not more:
            return reached & fresh
        reached[list(more)] = True


def heard(pooled: pd.DataFrame, spec: BundleSpec) -> NDArray[np.bool_] | None:
    """What each fold's model took for heard, or for abnormal, by its own thresholds, shape (clip, class)."""
    if spec.task == CLASSIFICATION:
        return None
    return np.array([[label in split_labels(said) for label in spec.labels] for said in pooled["predicted"]])
