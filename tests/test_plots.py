from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from conftest import tone
from earmark import plots
from earmark.types import Waveform


def test_spectrogram_shows_the_tone_in_its_place() -> None:
    figure = plots.spectrogram(Waveform(tone(1000, 1.0, 16_000), 16_000), title="a tone")
    axes = figure.axes[0]
    image = np.asarray(axes.images[0].get_array())
    row = int(np.argmax(image.mean(axis=1)))
    ticks = {int(p): float(t.get_text()) for p, t in zip(axes.get_yticks(), axes.get_yticklabels(), strict=True)}
    below = max((p for p in ticks if p <= row), default=0)
    assert ticks[below] <= 1050
    assert image.max() == pytest.approx(0, abs=1e-4) and image.min() >= -80
    assert axes.get_xlabel() == "time (s)" and axes.get_title() == "a tone"


def test_confusion_matrix_writes_counts() -> None:
    figure = plots.confusion_matrix([[3, 1], [0, 4]], ["a", "b"])
    axes = figure.axes[0]
    assert sorted((t.get_position(), t.get_text()) for t in axes.texts) == [((0, 0), "3"), ((1, 0), "1"), ((1, 1), "4")]
    assert np.asarray(axes.images[0].get_array()).tolist() == [[0.75, 0.25], [0.0, 1.0]]


def test_learning_curves_with_and_without_validation(tmp_path: Path) -> None:
    rows = [{"epoch": e, "train_loss": 1 / (e + 1), "train_accuracy": e / 5, "valid_loss": 1.0} for e in range(5)]
    figure = plots.learning_curves(rows)
    loss, accuracy = figure.axes
    assert [line.get_ydata().tolist() for line in loss.lines] == [[1 / (e + 1) for e in range(5)], [1.0] * 5]
    assert len(accuracy.lines) == 1
    plots.save(figure, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert plots.data_uri(figure).startswith("data:image/png;base64,iVBOR")
