"""Clips to scores and figures, whatever the task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from earmark import evaluation
from earmark.bundle import MULTILABEL, BundleSpec
from earmark.dataset import Clips
from earmark.manifest import Manifest, split_labels
from earmark.model import Model
from earmark.progress import track


def scores(model: Model, clips: Clips) -> NDArray[np.float32]:
    """Probabilities of every clip by the exported model, shape (clip, class)."""
    count = len(clips.manifest)
    return np.stack([model.scores(clips.waveform(i)) for i in track(range(count), "testing", count)])


def measured(
    scores: NDArray[np.float32],
    manifest: Manifest,
    spec: BundleSpec,
    unknown: Sequence[str] = (),
    *,
    heard: NDArray[np.bool_] | None = None,
) -> dict[str, Any]:
    """Figures of the task; ``unknown`` are labels of the data that the model does not have."""
    if spec.task == MULTILABEL:
        there = spec.heard(scores) if heard is None else heard
        return evaluation.measure_several(scores, manifest.several(spec.labels), spec.labels, there)
    labels = [*spec.labels, *unknown]
    return evaluation.measure(scores, manifest.targets(labels), labels)


def copies_of(fresh: NDArray[np.bool_], pairs: Sequence[tuple[int, int]]) -> NDArray[np.bool_]:
    """Which fresh clips are copies of ones that are not, directly or over others."""
    reached = ~fresh
    while True:
        more = {one for a, b in pairs for one, other in ((a, b), (b, a)) if reached[other] and not reached[one]}
        if not more:
            return reached & fresh
        reached[list(more)] = True


def heard(pooled: pd.DataFrame, spec: BundleSpec) -> NDArray[np.bool_] | None:
    """What each fold's model took for heard, by its own thresholds."""
    if spec.task != MULTILABEL:
        return None
    return np.array([[label in split_labels(said) for label in spec.labels] for said in pooled["predicted"]])
