"""Predictions to metrics (scikit-learn's), as pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from sklearn import metrics

FEWEST = 3
"""Clips with a label, below which they say nothing of its threshold."""
_LEAST = 1e-12  # probability, so that a logarithm is finite


def measure(probabilities: NDArray[np.float32], targets: NDArray[np.int64], labels: Sequence[str]) -> dict[str, Any]:
    """All metrics of a test part; what is undefined is None.

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
        ``n`` and ``n_known``, the number of clips whose label the model knows; ``accuracy`` of all clips with its Wilson 95%
        ``accuracy_interval``; macro ``precision``, ``recall``, ``f1``, each over the labels where it is defined; ``loss`` (mean
        negative log likelihood, natural logarithm) over the clips whose label the model knows; ``undefined``, why the accuracy is
        None, or ""; ``per_class``, with a ``note`` where a figure of a label is None; ``labels`` and ``confusion``, a row per true
        label. Precision is undefined for a label that is never predicted, and all three for one without clips.
    """
    n, known = probabilities.shape
    predicted = probabilities.argmax(axis=1)
    numbers = np.arange(len(labels))
    confusion = metrics.confusion_matrix(targets, predicted, labels=numbers) if n else np.zeros((len(labels),) * 2, int)
    learned = targets < known
    counted = bool(learned.any())
    per_class = {
        label: _of_label(confusion[i, i], confusion[:, i].sum(), confusion[i].sum(), known=i < known, counted=counted)
        for i, label in enumerate(labels)
    }
    right = int((predicted == targets).sum())
    likelihood = probabilities[learned, targets[learned]]
    return {
        "n": n,
        "n_known": int(learned.sum()),
        "accuracy": right / n if counted else None,
        "accuracy_interval": _interval(right, n) if counted else None,
        **_macro(per_class, ("precision", "recall", "f1")),
        "loss": float(-np.log(np.maximum(likelihood, _LEAST)).mean()) if counted else None,
        "undefined": "" if counted else _why(n),
        "per_class": per_class,
        "labels": list(labels),
        "confusion": confusion.tolist(),
    }


def measure_multilabel(
    probabilities: NDArray[np.float32],
    targets: NDArray[np.int64],
    labels: Sequence[str],
    detected: NDArray[np.bool_],
    *,
    known: bool = True,
) -> dict[str, Any]:
    """All metrics of a test part whose clips may have several labels; what is undefined is None.

    Parameters
    ----------
    probabilities : ndarray, shape (clip, class)
    targets : ndarray of int64, shape (clip, class)
        1 where the clip has the label.
    labels : sequence of str
    detected : ndarray of bool, shape (clip, class)
        Which labels reach their threshold.
    known : bool
        False where the data have labels, but none that the model knows: then nothing can be measured.

    Returns
    -------
    dict
        As `measure`, but ``accuracy`` counts clips with exactly the right labels, ``map`` is the mean over the labels that occur of
        the average precision, ``loss`` the binary cross-entropy, and ``confusion`` holds [[absent and not detected, absent but
        detected], [present but not detected, present and detected]] for each label.
    """
    n = len(targets)
    present = targets.sum(axis=0) > 0
    # Label by label: scikit-learn takes a single column of 0 and 1 for two classes.
    confusion = np.zeros((len(labels), 2, 2), int)
    for i in range(len(labels) if n else 0):
        confusion[i] = metrics.confusion_matrix(targets[:, i], detected[:, i], labels=[0, 1])
    per_class = {}
    for i, label in enumerate(labels):
        (_, false), (missed, both) = confusion[i].tolist()
        found = _of_label(both, both + false, both + missed)
        average = metrics.average_precision_score(targets[:, i], probabilities[:, i]) if present[i] else None
        per_class[label] = {**found, "ap": None if average is None else float(average)}
    counted = n > 0 and known
    right = int((targets == detected).all(axis=1).sum())
    sure = np.clip(probabilities.astype(np.float64), _LEAST, 1 - _LEAST)
    macro = _macro(per_class, ("ap", "precision", "recall", "f1"))
    return {
        "n": n,
        "n_known": n if counted else 0,
        "accuracy": right / n if counted else None,
        "accuracy_interval": _interval(right, n) if counted else None,
        "map": macro.pop("ap"),
        **macro,
        "loss": float(-np.where(targets == 1, np.log(sure), np.log(1 - sure)).mean()) if counted else None,
        "undefined": "" if counted else _why(n),
        "per_class": per_class,
        "labels": list(labels),
        "confusion": confusion.tolist(),
    }


def _of_label(both: int, predicted: int, count: int, *, known: bool = True, counted: bool = True) -> dict[str, Any]:
    """Metrics of one label, from how many clips have it and were predicted to, were predicted to, and have it."""
    found: dict[str, Any] = {"precision": None, "recall": None, "f1": None, "n": int(count)}
    if not known and count:  # always wrong, where anything is counted
        return {**found, **({"recall": 0.0, "f1": 0.0} if counted else {}), "note": "not a label of the model"}
    if not count:
        times = f", predicted {int(predicted)} times" if predicted else ""
        return {**found, "note": f"no test clips{times}"}
    recall, f1 = float(both / count), float(2 * both / (predicted + count))
    if not predicted:
        return {**found, "recall": recall, "f1": f1, "note": "never predicted"}
    return {**found, "precision": float(both / predicted), "recall": recall, "f1": f1}


def _macro(per_class: Mapping[str, Mapping[str, Any]], names: Sequence[str]) -> dict[str, float | None]:
    """Mean of each metric over the labels where it is defined."""
    defined = {name: [row[name] for row in per_class.values() if row[name] is not None] for name in names}
    return {name: float(np.mean(values)) if values else None for name, values in defined.items()}


def _interval(right: int, n: int) -> list[float]:
    found = stats.binomtest(right, n).proportion_ci(method="wilson")
    return [float(found.low), float(found.high)]


def _why(n: int) -> str:
    """Why nothing can be measured."""
    return f"none of the {n} clips has a label that the model knows" if n else "there are no test clips"


def thresholds(probabilities: NDArray[np.float32], targets: NDArray[np.int64]) -> tuple[float, ...]:
    """Score from which each label counts as detected: where its F1 is highest; 0.5 for labels with fewer than three clips.

    Parameters
    ----------
    probabilities, targets : ndarray, shape (clip, class)
        Of clips that neither trained nor test.
    """
    found = []
    for scores, present in zip(probabilities.T, targets.T, strict=True):
        if np.count_nonzero(present) < FEWEST:
            found.append(0.5)
            continue
        precision, recall, cuts = metrics.precision_recall_curve(present, scores)
        f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
        best = int(f1[:-1].argmax())
        below = cuts[best - 1] if best else 0.0
        found.append(float((below + cuts[best]) / 2))  # between two scores, so that rounding decides nothing
    return tuple(found)


def over_folds(folds: Sequence[Mapping[str, Any]]) -> tuple[dict[str, float | None], dict[str, float | None]]:
    """Mean and standard deviation (n - 1) of each metric over the folds in which it is defined.

    None where it is defined in no fold; the deviation also where it is defined in one fold alone. Metrics that no fold has are not
    there.
    """
    names = [name for name in dict.fromkeys(key for fold in folds for key in fold) if name not in ("name", "n")]
    defined = {name: [fold[name] for fold in folds if fold.get(name) is not None] for name in names}
    return (
        {name: float(np.mean(values)) if values else None for name, values in defined.items()},
        {name: float(np.std(values, ddof=1)) if len(values) > 1 else None for name, values in defined.items()},
    )
