from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from earmark.evaluation import classification


@given(st.integers(2, 6), st.integers(1, 60), st.integers(0, 1000))
def test_equals_scikit_learn(classes: int, n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.ones(classes), n)
    targets = rng.integers(0, classes, n)
    predicted = probabilities.argmax(1)
    found = classification.measure(probabilities.astype(np.float32), targets, [f"l{i}" for i in range(classes)])
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(targets, predicted))
    values = metrics.precision_recall_fscore_support(targets, predicted, labels=range(classes), zero_division=np.nan)
    for name, of_labels in zip(("precision", "recall", "f1"), values[:3], strict=True):
        with_clips = np.where(values[3] > 0, of_labels, np.nan)
        assert [row[name] for row in found["per_class"].values()] == [
            None if np.isnan(x) else pytest.approx(x) for x in with_clips
        ]
        defined = with_clips[~np.isnan(with_clips)]
        assert found[name] == (pytest.approx(defined.mean()) if len(defined) else None)
    loss = metrics.log_loss(targets, probabilities, labels=range(classes))
    assert found["loss"] == pytest.approx(loss, rel=1e-4)
    assert np.array(found["confusion"]).sum() == n
    assert found["accuracy_interval"][0] <= found["accuracy"] <= found["accuracy_interval"][1]


def test_labels_that_the_model_does_not_know_are_wrong() -> None:
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]], np.float32)
    found = classification.measure(probabilities.astype(np.float32), np.array([0, 1, 2]), ["a", "b", "unknown"])
    assert found["accuracy"] == pytest.approx(2 / 3)
    note = "not a label of the model"
    assert found["per_class"]["unknown"] == {"precision": None, "recall": 0.0, "f1": 0.0, "n": 1, "note": note}
    assert (found["n"], found["n_known"]) == (3, 2)
    assert found["loss"] == pytest.approx(-np.log([0.9, 0.8]).mean())
    assert found["confusion"] == [[1, 0, 0], [0, 1, 0], [1, 0, 0]]


def test_the_interval_is_wilsons_of_95_percent() -> None:
    right = np.eye(2, dtype=np.float32)[[0] * 8 + [1] * 2]
    several = np.ones((10, 1), np.int64)
    heard = np.array([[True]] * 8 + [[False]] * 2)
    for found in (
        classification.measure(right, np.zeros(10, np.int64), ["a", "b"]),
        classification.measure_multilabel(np.full((10, 1), 0.5, np.float32), several, ["a"], heard),
    ):
        # Wilson (1927) by hand: p = 0.8, n = 10, z = 1.95996.
        assert found["accuracy_interval"] == pytest.approx([0.490162, 0.943318], abs=1e-5)


def test_over_folds() -> None:
    folds = [{"accuracy": a, "precision": a, "recall": a, "f1": a, "loss": 1 - a} for a in (0.5, 0.7)]
    mean, deviation = classification.over_folds(folds)
    assert mean["accuracy"] == pytest.approx(0.6)
    assert deviation["loss"] == pytest.approx(np.std([0.5, 0.7], ddof=1))
    assert classification.over_folds(folds[:1])[1]["f1"] is None  # one fold has no deviation
    mean, deviation = classification.over_folds([*folds, {**folds[0], "precision": None}])
    assert mean["precision"] == pytest.approx(0.6)  # over the folds in which it can be told
    assert deviation["precision"] == pytest.approx(np.std([0.5, 0.7], ddof=1))
