"""Predictions to metrics (scikit-learn's), as pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from sklearn import metrics

_FEW = 3  # clips with a label, below which they say nothing of its threshold


def measure(probabilities: NDArray[np.float32], targets: NDArray[np.int64], labels: Sequence[str]) -> dict[str, Any]:
    """All figures of a test part.

    Parameters
    ----------
    probabilities : ndarray, shape (clip, class)
    targets : ndarray of int64, shape (clip,)
        Number of the true label; numbers from ``len(labels)`` on stand for labels that the model does not know, always wrong.
    labels : sequence of str
        The model's labels, then the unknown ones if there are any.

    Returns
    -------
    dict
        ``n``, ``accuracy`` with its Wilson 95 % ``accuracy_interval``, macro ``precision``, ``recall``, ``f1`` over the labels
        that occur or were predicted, ``loss`` (mean negative log likelihood, natural logarithm), ``per_class``, ``labels``
        and ``confusion``, a row per true label.
    """
    n, known = probabilities.shape
    predicted = probabilities.argmax(axis=1)
    present = np.union1d(targets, predicted)
    numbers = np.arange(len(labels))
    precision, recall, f1, count = metrics.precision_recall_fscore_support(
        targets, predicted, labels=numbers, average=None, zero_division=0
    )
    right = int((predicted == targets).sum())
    likelihood = np.where(targets < known, probabilities[np.arange(n), np.minimum(targets, known - 1)], 0.0)
    interval = stats.binomtest(right, n).proportion_ci(method="wilson")
    return {
        "n": n,
        "accuracy": right / n,
        "accuracy_interval": [float(interval.low), float(interval.high)],
        "precision": float(precision[present].mean()),
        "recall": float(recall[present].mean()),
        "f1": float(f1[present].mean()),
        "loss": float(-np.log(np.maximum(likelihood, 1e-12)).mean()),
        "per_class": {
            label: {
                "precision": float(precision[i]),
                "recall": float(recall[i]),
                "f1": float(f1[i]),
                "n": int(count[i]),
            }
            for i, label in enumerate(labels)
        },
        "labels": list(labels),
        "confusion": metrics.confusion_matrix(targets, predicted, labels=numbers).tolist(),
    }


def measure_several(
    probabilities: NDArray[np.float32], targets: NDArray[np.int64], labels: Sequence[str], heard: NDArray[np.bool_]
) -> dict[str, Any]:
    """All figures of a test part whose clips may have several labels.

    Parameters
    ----------
    probabilities : ndarray, shape (clip, class)
    targets : ndarray of int64, shape (clip, class)
        1 where the clip has the label.
    labels : sequence of str
    heard : ndarray of bool, shape (clip, class)
        Which labels reach their threshold.

    Returns
    -------
    dict
        As `measure`, but ``accuracy`` counts clips with exactly the right labels, ``map`` is the mean over the labels that occur of
        the average precision, ``loss`` the binary cross-entropy, and ``confusion`` holds [[absent and not heard, absent but
        heard], [present but not heard, present and heard]] for each label.
    """
    n = len(targets)
    present = targets.sum(axis=0) > 0
    numbers = np.arange(len(labels))
    # Label by label: scikit-learn takes a single column of 0 and 1 for two classes.
    confusion = np.stack([metrics.confusion_matrix(targets[:, i], heard[:, i], labels=[0, 1]) for i in numbers])
    count, both = confusion[:, 1].sum(axis=1), confusion[:, 1, 1]
    precision, recall = both / np.maximum(confusion[:, :, 1].sum(axis=1), 1), both / np.maximum(count, 1)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    average = np.array(
        [metrics.average_precision_score(targets[:, i], probabilities[:, i]) if present[i] else np.nan for i in numbers]
    )
    occurring = present | heard.any(axis=0)
    right = int((targets == heard).all(axis=1).sum())
    interval = stats.binomtest(right, n).proportion_ci(method="wilson")
    sure = np.clip(probabilities.astype(np.float64), 1e-12, 1 - 1e-12)
    return {
        "n": n,
        "accuracy": right / n,
        "accuracy_interval": [float(interval.low), float(interval.high)],
        "map": float(np.nanmean(average)) if present.any() else 0.0,
        "precision": float(precision[occurring].mean()) if occurring.any() else 0.0,
        "recall": float(recall[occurring].mean()) if occurring.any() else 0.0,
        "f1": float(f1[occurring].mean()) if occurring.any() else 0.0,
        "loss": float(-np.where(targets == 1, np.log(sure), np.log(1 - sure)).mean()),
        "per_class": {
            label: {
                "precision": float(precision[i]),
                "recall": float(recall[i]),
                "f1": float(f1[i]),
                "ap": float(average[i]) if present[i] else 0.0,
                "n": int(count[i]),
            }
            for i, label in enumerate(labels)
        },
        "labels": list(labels),
        "confusion": confusion.tolist(),
    }


def thresholds(probabilities: NDArray[np.float32], targets: NDArray[np.int64]) -> tuple[float, ...]:
    """Score from which each label counts as heard: where its F1 is highest; 0.5 for labels with fewer than three clips.

    Parameters
    ----------
    probabilities, targets : ndarray, shape (clip, class)
        Of clips that neither trained nor test.
    """
    found = []
    for scores, present in zip(probabilities.T, targets.T, strict=True):
        if np.count_nonzero(present) < _FEW:
            found.append(0.5)
            continue
        precision, recall, cuts = metrics.precision_recall_curve(present, scores)
        f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
        best = int(f1[:-1].argmax())
        below = cuts[best - 1] if best else 0.0
        found.append(float((below + cuts[best]) / 2))  # between two scores, so that rounding decides nothing
    return tuple(found)


def over_folds(folds: Sequence[Mapping[str, Any]]) -> tuple[dict[str, float], dict[str, float]]:
    """Mean and standard deviation (n - 1) of each figure over the folds in which it can be told."""
    known = ("accuracy", "map", "auc", "pauc", "precision", "recall", "f1", "loss")
    told = {key: [fold[key] for fold in folds if fold.get(key) is not None] for key in known}
    return (
        {key: float(np.mean(values)) for key, values in told.items() if values},
        {key: float(np.std(values, ddof=1)) if len(values) > 1 else 0.0 for key, values in told.items() if values},
    )
