"""Pictures: spectrogram, confusion matrix, learning curves. Colours that colour-blind people can read; no global state."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Mapping, Sequence

import librosa
import numpy as np
from matplotlib.figure import Figure

from earmark.files import atomic_file
from earmark.types import Waveform

_BLUE, _ORANGE = "#0072b2", "#d55e00"  # Okabe and Ito's palette


def spectrogram(waveform: Waveform, *, title: str = "", n_mels: int = 64, dynamic_range: float = 80.0) -> Figure:
    """Log-mel spectrogram of a recording, in dB under its peak."""
    power = librosa.feature.melspectrogram(
        y=waveform.samples, sr=waveform.sr, n_mels=n_mels, n_fft=1024, hop_length=256
    )
    figure = Figure(figsize=(8, 3), layout="constrained")
    axes = figure.subplots()
    levels = librosa.power_to_db(power, ref=np.max, top_db=dynamic_range)
    image = axes.imshow(levels, origin="lower", aspect="auto", cmap="magma", extent=(0, waveform.duration, 0, n_mels))
    frequencies = librosa.mel_frequencies(n_mels + 2, fmax=waveform.sr / 2)[1:-1]
    rows = np.linspace(0, n_mels - 1, 6).round().astype(int)
    axes.set_yticks(rows + 0.5, [f"{frequencies[r]:.0f}" for r in rows])
    axes.set(xlabel="time (s)", ylabel="frequency (Hz)", title=title)
    figure.colorbar(image, ax=axes, label="dB under the peak")
    return figure


def confusion_matrix(counts: Sequence[Sequence[int]], labels: Sequence[str]) -> Figure:
    """Confusion matrix, a row per true label, shaded by the share of the row, with counts where they can be read."""
    table = np.asarray(counts, float)
    share = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    size = float(np.clip(0.36 * len(labels) + 2.2, 4, 14))
    figure = Figure(figsize=(size + 0.6, size), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    font = 9 if len(labels) <= 20 else 6
    positions = range(len(labels))
    axes.set_xticks(positions, labels, rotation=90, fontsize=font, parse_math=False)
    axes.set_yticks(positions, labels, fontsize=font, parse_math=False)
    axes.set(xlabel="predicted", ylabel="true")
    for row, column in zip(*np.nonzero(table), strict=True):
        colour = "white" if share[row, column] > 0.55 else "black"
        axes.text(column, row, f"{table[row, column]:.0f}", ha="center", va="center", color=colour, fontsize=font)
    figure.colorbar(image, ax=axes, label="share of the true label", shrink=0.8)
    return figure


def learning_curves(history: Sequence[Mapping[str, float]]) -> Figure:
    """Loss and accuracy over the epochs; the training part is solid, the validation part, if there is one, dashed."""
    figure = Figure(figsize=(8, 3), layout="constrained")
    for axes, what in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        for part, style, colour in (("train", "-", _BLUE), ("valid", "--", _ORANGE)):
            points = [(row["epoch"] + 1, row[f"{part}_{what}"]) for row in history if f"{part}_{what}" in row]
            if points:
                axes.plot(
                    *zip(*points, strict=True),
                    style,
                    color=colour,
                    label="training (augmented)" if part == "train" else "validation",
                )
        axes.set(xlabel="epoch", ylabel=what)
        axes.grid(alpha=0.3)
        if axes.lines:
            axes.legend()
    return figure


def save(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Write a figure as the path's extension says, in one step."""
    with atomic_file(path) as temporary:
        figure.savefig(temporary, dpi=120)


def data_uri(figure: Figure) -> str:
    """A figure as a PNG inside a ``data:`` address, for a page without files beside it."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
