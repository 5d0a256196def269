"""Classifier to ONNX, front end included, and the proof that both predict the same.

In: a classifier and its description. Out: ``model.onnx`` and ``model.safetensors``, and the largest difference to torch.
Imports: rooms up to `training`. The only room that imports onnx.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from safetensors.torch import save

from earmark import tasks
from earmark.audio.windows import merge
from earmark.bundle import ONNX, WEIGHTS, BundleSpec
from earmark.errors import EarmarkError
from earmark.export.graph import to_onnx
from earmark.inference.model import Model
from earmark.networks.classifier import Classifier, Embedder

TOLERANCE = 1e-4
"""Largest difference in probabilities between torch and ONNX Runtime that a bundle is published with."""

EMBEDDING_TOLERANCE = 1e-3
"""The same of a detector's embeddings, in nepers of power: 0.004 dB."""


def write_model(classifier: Classifier, spec: BundleSpec, folder: Path) -> None:
    """Write ``model.onnx`` (batch and time dynamic, the description in its metadata) and ``model.safetensors``."""
    classifier.eval()
    _write_weights(classifier, folder)
    proto = to_onnx(
        classifier,
        inputs={"waveform": ("batch", "time")},
        outputs={"logits": ("batch", len(spec.labels)), "embedding": ("batch", classifier.head.in_features)},
    )
    onnx.save(proto, folder / ONNX)
    describe(spec, folder)


def _write_weights(module: torch.nn.Module, folder: Path) -> None:
    # The library's own writing makes files that nobody else may read.
    (folder / WEIGHTS).write_bytes(save({k: v.contiguous() for k, v in module.state_dict().items()}))


def write_embedder(embedder: Embedder, spec: BundleSpec, folder: Path) -> None:
    """`write_model` for an anomaly detector."""
    _write_weights(embedder, folder)
    size = embedder.front_end.height
    proto = to_onnx(
        embedder,
        inputs={"waveform": ("batch", "time")},
        outputs={"embedding": ("batch", size), "bands": ("batch", size, "frame")},
    )
    onnx.save(proto, folder / ONNX)
    describe(spec, folder)


def describe(spec: BundleSpec, folder: Path) -> None:
    """Write the description into the metadata of ``model.onnx``."""
    proto = onnx.load(folder / ONNX)
    del proto.metadata_props[:]
    onnx.helper.set_model_props(proto, {"earmark": json.dumps(spec.to_dict(), ensure_ascii=False)})
    onnx.save(proto, folder / ONNX)


def largest_difference(classifier: Classifier, model: Model, waveforms: Sequence[NDArray[np.float32]]) -> float:
    """Largest difference in a recording's probabilities between torch and ONNX Runtime.

    Parameters
    ----------
    classifier : Classifier
    model : Model
        The exported one.
    waveforms : sequence of ndarray, each of shape (time,)
        At the model's rate.
    """
    worst = 0.0
    for samples in waveforms:
        windows = np.ascontiguousarray(model.spec.plan.cut(np.asarray(samples))[0])
        with torch.inference_mode():
            logits = model.spec.shifted_logits(windows, lambda x: classifier(torch.from_numpy(x))[0].numpy())
        expected = merge(tasks.network(model.spec.task).probabilities(logits, model.spec.temperature), model.spec.merge)
        difference = np.abs(expected - model.scores(np.asarray(samples))).max()
        worst = float(np.maximum(worst, difference))  # not max(): NaN must stay
    return worst


def verify(classifier: Classifier, model: Model, waveforms: Sequence[NDArray[np.float32]]) -> float:
    """`largest_difference`, refused above `TOLERANCE`.

    Raises
    ------
    EarmarkError
        With the difference.
    """
    difference = largest_difference(classifier, model, waveforms)
    if not difference <= TOLERANCE:
        raise EarmarkError(
            f"{ONNX}: its probabilities differ from torch's by {difference:.2g}, more than {TOLERANCE:g}; nothing was published: "
            "please report this with the output of: earmark doctor"
        )
    return difference


def verify_embeddings(embedder: Embedder, model: Model, waveforms: Sequence[NDArray[np.float32]]) -> float:
    """Largest difference between a detector's embeddings in torch and in ONNX Runtime, refused above `EMBEDDING_TOLERANCE`.

    Raises
    ------
    EarmarkError
        With the difference.
    """
    worst = 0.0
    for samples in waveforms:
        windows = np.ascontiguousarray(model.spec.plan.cut(np.asarray(samples))[0])
        with torch.inference_mode():
            expected = embedder(torch.from_numpy(windows))[0].numpy()
        worst = float(np.maximum(worst, np.abs(expected - model.embeddings(windows)[0]).max()))
    if not worst <= EMBEDDING_TOLERANCE:
        raise EarmarkError(
            f"{ONNX}: its embeddings differ from torch's by {worst:.2g}, more than {EMBEDDING_TOLERANCE:g}; nothing was "
            "published: please report this with the output of: earmark doctor"
        )
    return worst
