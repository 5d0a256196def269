from __future__ import annotations

import json
import pickle

import numpy as np
import pytest

from earmark.errors import AudioError, EarmarkError, MissingExtra, require
from earmark.types import Prediction, Score, Waveform, Window

SCORES = (Score("dog", 0.75), Score("cat", 0.25))


def test_prediction_to_json() -> None:
    prediction = Prediction("a.wav", "ok", SCORES, (Window(0.0, 1.0, SCORES),))
    assert json.loads(json.dumps(prediction.to_dict())) == {
        "path": "a.wav",
        "state": "ok",
        "predictions": [{"label": "dog", "score": 0.75}, {"label": "cat", "score": 0.25}],
        "windows": [
            {
                "start": 0.0,
                "end": 1.0,
                "predictions": [{"label": "dog", "score": 0.75}, {"label": "cat", "score": 0.25}],
            }
        ],
    }
    assert (prediction.label, prediction.score) == ("dog", 0.75)
    failed = Prediction("a.wav", "error", (), error="a.wav: empty").to_dict()
    assert failed == {"path": "a.wav", "state": "error", "predictions": [], "error": "a.wav: empty"}


def test_label_of_a_detector_and_of_a_failure() -> None:
    scores = (Score("abnormal", 0.9),)
    assert Prediction("a.wav", "ok", scores, labels=(), threshold=0.99).label == "normal"
    assert Prediction("a.wav", "ok", scores, labels=("abnormal",), threshold=0.5).label == "abnormal"
    assert Prediction("a.wav", "ok", SCORES, labels=()).label == "dog"  # several labels: the likeliest
    failed = Prediction("a.wav", "error", (), error="a.wav: empty")
    for name in ("label", "score"):
        with pytest.raises(EarmarkError, match="a.wav: empty"):
            getattr(failed, name)


def test_waveform_duration() -> None:
    assert Waveform(np.zeros(4_000, np.float32), 8_000).duration == 0.5


def test_audio_error_survives_the_trip_from_a_worker() -> None:
    error = pickle.loads(pickle.dumps(AudioError("empty", "a.wav", "0 bytes", "replace it")))  # noqa: S301
    assert (error.kind, str(error)) == ("empty", "a.wav: empty: 0 bytes; replace it")


def test_missing_extra_names_the_command() -> None:
    with pytest.raises(MissingExtra, match=r'nothing_here is not installed; run: pip install --editable ".*\[train\]"'):
        require("nothing_here", extra="train")
    assert require("json", extra="train") is json
