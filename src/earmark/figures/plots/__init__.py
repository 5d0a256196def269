"""Figures: waveforms, spectrograms, front ends, confusion matrix, learning curves, what is unusual. No global state.

Colours that colour-blind people can read: maps of even lightness, blue against orange, never red against green. Every function
takes ``dark`` and paints its own ground, so that its text can be read wherever it is shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from earmark.audio import filters, resample
from earmark.errors import SettingsError
from earmark.figures.plots.drawing import (
    BLUE,
    DIFFERENCE,
    INK,
    MAP,
    ORANGE,
    Figure,
    data_uri,
    finished,
    hertz,
    mark_frequencies,
    palette,
    save,
    single,
)
from earmark.figures.plots.unusual import deviation, unusual_scores
from earmark.types import Waveform

if TYPE_CHECKING:
    from earmark.frontend.front_end import FrontEnd

__all__ = [
    "Figure", "comparison", "confusion_matrix", "data_uri", "deviation", "features", "front_end_matrices", "gallery",
    "learning_curves", "palette", "save", "spectrogram", "unusual_scores", "waveform",
]  # fmt: skip

_QUIETEST = -100.0  # dB of power
_READABLE, _LONGEST = 60, 25  # labels of a confusion matrix, and letters of each
_SMALL = 7  # points, of text beside small panels
_ROWS = {"mfcc": "coefficient", "contrast": "octave band (Hz)", "chroma": "pitch class"}
_PITCHES = ("C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B")


def waveform(sound: Waveform, *, title: str = "", dark: bool = False) -> Figure:
    """Samples over time: the range of each of at most 2000 stretches, so that no peak is lost."""
    figure, axes = single((8, 2.2))
    step = max(1, -(-len(sound.samples) // 2000))
    edges = np.arange(0, len(sound.samples), step)
    low, high = (part.reduceat(sound.samples, edges) for part in (np.minimum, np.maximum))
    if step == 1:
        axes.plot(edges / sound.sr, sound.samples, color=BLUE[dark], linewidth=0.8)
    else:
        axes.fill_between(edges / sound.sr, low, high, color=BLUE[dark], linewidth=0.6, edgecolor=BLUE[dark])
    axes.set(xlabel="time (s)", ylabel="of full scale", xlim=(0, sound.duration))
    axes.grid(alpha=0.3)
    return finished(figure, dark, {axes: title})


def spectrogram(
    sound: Waveform, *, title: str = "", n_mels: int = 64, dynamic_range: float = 80.0, dark: bool = False
) -> Figure:
    """Log-mel spectrogram of a recording, in dB under its peak."""
    figure, axes = single((8, 3))
    levels = _levels(sound, n_mels)
    image = _show(axes, np.maximum(levels - _peak([levels], dynamic_range), -dynamic_range), sound, cmap=MAP)
    figure.colorbar(image, ax=axes, label="dB under the peak")
    return finished(figure, dark, {axes: title})


def comparison(
    first: Waveform,
    second: Waveform,
    *,
    titles: tuple[str, str] = ("first", "second"),
    n_mels: int = 64,
    dynamic_range: float = 80.0,
    dark: bool = False,
) -> Figure:
    """Spectrograms of two recordings on one scale, and the second less the first as far as both last.

    They are brought to the lower of their rates; the difference is of what lies within ``dynamic_range`` of the louder peak.
    """
    sr = min(first.sr, second.sr)
    sounds = [Waveform(resample(sound.samples, sound.sr, sr), sr) for sound in (first, second)]
    levels = [_levels(sound, n_mels) for sound in sounds]
    peak = _peak(levels, dynamic_range)
    shown = [np.maximum(part - peak, -dynamic_range) for part in levels]
    common = min(part.shape[1] for part in shown)
    change = shown[1][:, :common] - shown[0][:, :common]
    largest = max(1.0, float(np.abs(change).max()))
    figure = Figure(figsize=(8, 7), layout="constrained")
    panels = figure.subplots(3, 1, sharex=True)
    for axes, part, sound in zip(panels, shown, sounds, strict=False):
        image = _show(axes, part, sound, cmap=MAP, vmin=-dynamic_range, vmax=0)
        axes.set_xlabel("")
    figure.colorbar(image, ax=panels[:2], label="dB under the louder peak")
    shorter = min(sounds, key=lambda sound: sound.duration)
    image = _show(panels[2], change, shorter, cmap=DIFFERENCE, vmin=-largest, vmax=largest)
    figure.colorbar(image, ax=panels[2], label="dB")
    panels[0].set_xlim(0, max(sound.duration for sound in sounds))
    names = (*titles, f"{titles[1]} less {titles[0]}")
    return finished(figure, dark, dict(zip(panels, names, strict=True)))


def gallery(
    examples: Mapping[str, Sequence[Waveform]], *, n_mels: int = 64, dynamic_range: float = 80.0, dark: bool = False
) -> Figure:
    """Spectrograms of a few recordings of each class, a row a class, each in dB under its own peak."""
    columns = max(map(len, examples.values()))
    figure = Figure(figsize=(0.8 + 2.2 * columns, 0.4 + 1.3 * len(examples)), layout="constrained")
    panels = figure.subplots(len(examples), columns, squeeze=False)
    for row, (label, sounds) in zip(panels, examples.items(), strict=True):
        for axes in row[len(sounds) :]:
            axes.set_visible(False)
        for axes, sound in zip(row, sounds, strict=False):
            levels = _levels(sound, n_mels)
            image = _show(axes, levels - _peak([levels], dynamic_range), sound, cmap=MAP, vmin=-dynamic_range, vmax=0)
            axes.set(xlabel="", ylabel="", xticks=[0, round(sound.duration, 1)])
            axes.tick_params(labelsize=_SMALL)
            if axes is not row[0] and sound.sr == sounds[0].sr:
                axes.set_yticks([])
            else:
                mark_frequencies(axes, _frequencies(sound.sr, n_mels), size=_SMALL)
                axes.set_ylabel("")
        row[0].set_ylabel(label, rotation=0, ha="right", va="center", parse_math=False)
    figure.colorbar(image, ax=panels, label="dB under the peak", shrink=0.8)
    figure.supxlabel("time (s)", fontsize=9)
    figure.supylabel("frequency (Hz)", fontsize=9)
    return finished(figure, dark, {})


def features(
    values: NDArray[np.floating[Any]],
    front_end: FrontEnd,
    *,
    title: str = "",
    colors: str = MAP,
    span: float | None = None,
    dark: bool = False,
) -> Figure:
    """What a front end made of a recording, shape (row, frame), with its rows named.

    ``span`` is from the darkest to the brightest value, the brightest being the largest; all values by default.
    """
    figure, axes = single((8, 3))
    settings = front_end.settings
    units = {"log": "dB", "db": "dB", "power": "power", "magnitude": "magnitude"}
    unit = units.get(settings.scale, "normalised energy")
    if settings.scale == "log" and {*settings.names} <= {"mel", "stft"}:
        values, span = values * filters.DECIBELS, None if span is None else span * filters.DECIBELS
    low, high = float(values.min()), float(values.max())
    if low == high:  # silence should not shine, as in images
        high = low + (span or 1.0)
    elif span is not None:
        low = high - span
    hop = front_end.hop_length
    first = (front_end.n_fft - hop) / 2 / front_end.sr  # a frame stands at its middle
    seconds = values.shape[1] * hop / front_end.sr
    image = axes.imshow(
        values,
        origin="lower",
        aspect="auto",
        cmap=colors,
        extent=(first, first + seconds, 0, len(values)),
        vmin=low,
        vmax=high,
        interpolation="nearest",
    )
    axes.set_xlabel("time (s)")
    _name_rows(axes, front_end)
    name = settings.names[0] if len(settings.names) == 1 else ""
    unit = {"mfcc": "dB", "contrast": "dB", "chroma": "share of the largest"}.get(name, unit)
    figure.colorbar(image, ax=axes, label=unit if name else "")
    return finished(figure, dark, {axes: title})


def _name_rows(axes: Axes, front_end: FrontEnd) -> None:
    """Ticks and label of what the rows of a front end are; several features, or their differences over time, have numbers alone."""
    settings = front_end.settings
    axes.set_ylabel("row")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    if len(settings.names) > 1:
        return
    name = settings.names[0]
    if name in _ROWS:
        axes.set_ylabel(_ROWS[name])
    if settings.deltas:
        return
    if name == "mfcc":
        numbers = range(0, settings.n_mfcc, max(1, -(-settings.n_mfcc // 10)))
        axes.set_yticks([number + 0.5 for number in numbers], map(str, numbers))
    elif name == "chroma" and settings.n_chroma % len(_PITCHES) == 0:
        step = settings.n_chroma // len(_PITCHES)
        axes.set_yticks(np.arange(len(_PITCHES)) * step + 0.5, _PITCHES)
    elif name == "contrast":
        edges = [200.0 * 2**octave for octave in range(front_end.height)]  # above the first band, as in `Contrast`
        edges[-1] = front_end.sr / 2  # the last band has all that is above
        names = [f"{hertz(low)}-{hertz(high)}" for low, high in pairwise([0.0, *edges])]
        axes.set_yticks(np.arange(front_end.height) + 0.5, names)
    elif name in ("mel", "stft"):
        mark_frequencies(axes, front_end.frequencies())


def front_end_matrices(front_end: FrontEnd, *, dark: bool = False) -> Figure:
    """The matrices that a front end multiplies with: mel filters, chroma filters, the cosines of the cepstrum.

    Raises
    ------
    SettingsError
        Where it has none.
    """
    from earmark.frontend.mel import Banded, LogPower, Mfcc
    from earmark.frontend.tonal import Chroma

    found: dict[str, tuple[str, str, NDArray[np.float32], float]] = {}  # by title: mel and mfcc share filters
    top = front_end.sr / 2
    for module in front_end.modules():
        if isinstance(module, LogPower) and isinstance(module.bands, Banded):
            found["mel filters"] = ("frequency (Hz)", "mel band", module.bands.filters.T.numpy(), top)
        elif isinstance(module, Chroma):
            found["chroma filters"] = ("frequency (Hz)", "pitch class", module.bands.filters.T.numpy(), top)
        elif isinstance(module, Mfcc):
            matrix = module.transform.numpy()
            found["cosines of the cepstrum"] = ("mel band", "coefficient", matrix, matrix.shape[1])
    if not found:
        raise SettingsError(
            f"setting features is {front_end.settings.features!r}, which multiplies with no matrix; choose mel, mfcc or chroma"
        )
    figure = Figure(figsize=(8, 2.8 * len(found)), layout="constrained")
    panels = figure.subplots(len(found), 1, squeeze=False)[:, 0]
    for axes, (across, up, matrix, end) in zip(panels, found.values(), strict=True):
        signed = matrix.min() < 0
        reach = float(np.abs(matrix).max())
        image = axes.imshow(
            matrix,
            origin="lower",
            aspect="auto",
            cmap=DIFFERENCE if signed else MAP,
            vmin=-reach if signed else 0,
            vmax=reach,
            extent=(0, end, 0, len(matrix)),
            interpolation="nearest",
        )
        axes.set(xlabel=across, ylabel=up)
        if "Hz" in across:
            axes.xaxis.set_major_formatter(hertz)
        figure.colorbar(image, ax=axes, label="weight")
    return finished(figure, dark, dict(zip(panels, found, strict=True)))


def confusion_matrix(counts: Sequence[Sequence[int]], labels: Sequence[str], *, dark: bool = False) -> Figure:
    """Confusion matrix, a row per true label, shaded by the share of the row, with counts where they can be read.

    Rows of labels without clips are hatched: nothing was measured there.
    """
    table = np.asarray(counts, float)
    share = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    size = float(np.clip(0.36 * len(labels) + 2.2, 4, 14))
    figure, axes = single((size + 0.6, size))
    image = axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for row in np.flatnonzero(table.sum(axis=1) == 0):
        axes.axhspan(row - 0.5, row + 0.5, facecolor="none", edgecolor="0.6", hatch="///", linewidth=0)
    font = 9 if len(labels) <= 20 else 6
    positions = range(0, len(labels), -(-len(labels) // _READABLE))
    names = [labels[i] if len(labels[i]) <= _LONGEST else labels[i][: _LONGEST - 1] + "…" for i in positions]
    axes.set_xticks(positions, names, rotation=90, fontsize=font, parse_math=False)
    axes.set_yticks(positions, names, fontsize=font, parse_math=False)
    axes.set(xlabel="predicted", ylabel="true")
    for row, column in zip(*np.nonzero(table), strict=True) if len(labels) <= _READABLE else ():
        colour = "white" if share[row, column] > 0.55 else "black"
        axes.text(column, row, f"{table[row, column]:.0f}", ha="center", va="center", color=colour, fontsize=font)
    figure.colorbar(image, ax=axes, label="share of the true label", shrink=0.8)
    return finished(figure, dark, {})


def learning_curves(history: Sequence[Mapping[str, float]], *, rests: float = 0.0, dark: bool = False) -> Figure:
    """Loss and accuracy over the epochs; the training part is solid, the validation part, if there is one, dashed.

    ``rests`` is the share of the run, at its end, in which mixing rests: it is shaded, since the training loss falls there.
    """
    figure = Figure(figsize=(8, 3), layout="constrained")
    for axes, what in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        for part, style, colour in (("train", "-", BLUE[dark]), ("valid", "--", ORANGE[dark])):
            points = [(row["epoch"] + 1, row[f"{part}_{what}"]) for row in history if f"{part}_{what}" in row]
            if points:
                name = "training (augmented)" if part == "train" else "validation"
                axes.plot(*zip(*points, strict=True), style, color=colour, label=name)
        axes.set(xlabel="epoch", ylabel=what)
        axes.grid(alpha=0.3)
        if rests and history:
            last = history[-1]["epoch"] + 1
            axes.axvspan((1 - rests) * last, last, color=INK[dark], alpha=0.08, label="mixing rests")
        if axes.lines:
            axes.legend()
    return finished(figure, dark, {})


def _levels(sound: Waveform, n_mels: int) -> NDArray[np.float32]:
    """Mel levels in dB of power, cut at `_QUIETEST`, shape (n_mels, frame); a frame's middle is its time, as `_show` has it."""
    size, matrix = _analysis(sound.sr, n_mels)
    samples = np.pad(sound.samples, size // 2)
    frames = np.lib.stride_tricks.sliding_window_view(samples, size)[:: size // 4]
    window = np.hanning(size + 1)[:-1].astype(np.float32)
    parts = np.array_split(frames, -(-len(frames) // 4096))  # a long recording's frames would fill the memory
    power = np.concatenate([np.square(np.abs(np.fft.rfft(part * window))) @ matrix for part in parts])
    return np.asarray(10 * np.log10(np.maximum(power.T, 10 ** (_QUIETEST / 10))), np.float32)


@lru_cache(maxsize=8)
def _analysis(sr: int, n_mels: int) -> tuple[int, NDArray[np.float32]]:
    """Samples in a frame, 1024 or as many as it takes for no band to be empty, and the filters, shape (frequency, n_mels)."""
    size = 1024
    while not (matrix := filters.mel(sr, size, n_mels, 0, sr / 2, scale="slaney")).any(axis=1).all():
        size *= 2
    return size, matrix.T


def _peak(levels: Sequence[NDArray[np.float32]], dynamic_range: float) -> float:
    """The loudest level; of silence one that leaves it dark."""
    loudest = max(float(part.max()) for part in levels)
    return loudest if loudest > _QUIETEST + 1e-3 else _QUIETEST + dynamic_range


def _show(axes: Axes, levels: NDArray[np.float32], sound: Waveform, **how: Any) -> Any:
    """A mel spectrogram with its frequencies."""
    hop = _analysis(sound.sr, len(levels))[0] // 4 / sound.sr
    extent = (-hop / 2, (levels.shape[1] - 0.5) * hop, 0, len(levels))
    image = axes.imshow(levels, origin="lower", aspect="auto", extent=extent, interpolation="nearest", **how)
    axes.set_xlim(0, sound.duration)
    axes.set_xlabel("time (s)")
    mark_frequencies(axes, _frequencies(sound.sr, len(levels)))
    return image


def _frequencies(sr: int, n_mels: int) -> NDArray[np.float64]:
    """Centres of the bands that `_levels` gives."""
    return filters.mel_frequencies(n_mels + 2, 0, sr / 2, scale="slaney")[1:-1]
