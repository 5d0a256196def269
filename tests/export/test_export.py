from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import onnx
import pytest
import torch
from safetensors.torch import load_file

import earmark
from conftest import TINY, tone
from earmark import bundle, export
from earmark.audio.windows import WindowPlan
from earmark.errors import EarmarkError
from earmark.networks.classifier import Classifier


@pytest.fixture(scope="module")
def both(trained: earmark.Result) -> tuple[Classifier, earmark.Model]:
    model = earmark.load(trained.path)
    classifier = Classifier(model.spec)
    classifier.load_state_dict(load_file(trained.path / "model.safetensors"))
    return classifier.eval(), model


@pytest.mark.parametrize("batch", [1, 16])
@pytest.mark.parametrize("seconds", [0.6, 1.7])
def test_torch_equals_onnx(both: tuple[Classifier, earmark.Model], batch: int, seconds: float) -> None:
    classifier, model = both
    waveforms = np.stack([tone(200 * (i + 1), seconds, seed=i) for i in range(batch)])
    with torch.inference_mode():
        logits, embedding = classifier(torch.from_numpy(waveforms))
    found = model.logits(waveforms)
    assert np.abs(found[0] - logits.numpy()).max() < 1e-4
    assert np.abs(found[1] - embedding.numpy()).max() < 1e-4
    assert export.largest_difference(classifier, model, list(waveforms)) < 1e-5


def test_silence_too(both: tuple[Classifier, earmark.Model]) -> None:
    assert export.largest_difference(*both, [np.zeros(8000, np.float32)]) < 1e-5


def test_a_difference_is_refused(both: tuple[Classifier, earmark.Model]) -> None:
    classifier, model = both
    weight = classifier.head.bias
    with torch.no_grad():
        weight[0] += 1
    try:
        with pytest.raises(EarmarkError, match=r"differ from torch's by .* nothing was published"):
            export.verify(classifier, model, [tone(1200, 0.6)])
    finally:
        with torch.no_grad():
            weight[0] -= 1


@pytest.mark.parametrize("wrong", [1.0, float("nan")])
def test_a_difference_publishes_nothing(
    tones: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: float
) -> None:
    def scores(self: earmark.Model, samples: np.ndarray) -> np.ndarray:
        return np.array([0.5, 0.25, wrong], np.float32)

    monkeypatch.setattr(earmark.Model, "scores", scores)
    with pytest.raises(EarmarkError, match=r"differ from torch's by .* nothing was published"):
        earmark.train(tones, tmp_path / "model", settings=(*TINY, "epochs=1"))
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("wrong", [1.0, float("nan")])
def test_other_embeddings_are_refused(wrong: float) -> None:
    def embedder(windows: torch.Tensor) -> tuple[torch.Tensor]:
        return (torch.zeros(len(windows), 4),)

    plan = WindowPlan(100, 50, "pad")
    model = SimpleNamespace(
        spec=SimpleNamespace(plan=plan), embeddings=lambda windows: (np.full((len(windows), 4), wrong), None)
    )
    with pytest.raises(EarmarkError, match=r"embeddings differ from torch's by .* nothing was published"):
        export.verify_embeddings(cast(Any, embedder), cast(Any, model), [np.zeros(200, np.float32)])


def test_description_is_in_the_metadata(trained: earmark.Result) -> None:
    import json

    properties = {p.key: p.value for p in onnx.load(trained.path / "model.onnx").metadata_props}
    data = json.loads(properties["earmark"])
    assert tuple(data["labels"]) == bundle.read(trained.path).spec.labels


def test_plain_network_exports(tones: Path, tmp_path: Path) -> None:
    options = {"settings": (*TINY, "network=plain", "epochs=2")}
    result = earmark.train(tones, tmp_path / "plain", **options)
    assert earmark.load(result.path).predict(tone(300), sr=8000).label in ("high", "low", "noise")


def test_a_window_that_the_network_folds_into_one_frame(tones: Path, tmp_path: Path) -> None:
    options = {"settings": (*TINY, "epochs=1", "hop_seconds=0.025", "fft_seconds=0.05")}
    result = earmark.train(tones, tmp_path / "short", **options)
    model = earmark.load(result.path)
    assert model.logits(np.zeros((3, model.spec.plan.window), np.float32))[0].shape == (3, 3)
