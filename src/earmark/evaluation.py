"""Predictions to metrics (scikit-learn's), as pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from sklearn import metrics


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


def over_folds(folds: Sequence[Mapping[str, Any]]) -> tuple[dict[str, float], dict[str, float]]:
    """Mean and standard deviation (n - 1) over folds of each figure."""
    keys = ("accuracy", "precision", "recall", "f1", "loss")
    table = np.array([[fold[k] for k in keys] for fold in folds])
    deviation = table.std(axis=0, ddof=1) if len(folds) > 1 else np.zeros(len(keys))
    return dict(zip(keys, map(float, table.mean(axis=0)), strict=True)), dict(
        zip(keys, map(float, deviation), strict=True)
    )
