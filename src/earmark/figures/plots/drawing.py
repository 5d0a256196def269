"""What all figures share: colours, the background and the text on it, axes, and how a figure is saved."""

from __future__ import annotations

import base64
import io
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import matplotlib
import matplotlib.figure
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from earmark.errors import SettingsError
from earmark.support.files import atomic_file

BLUE, ORANGE = ("#0072b2", "#56b4e9"), ("#d55e00", "#e69f00")  # Okabe and Ito's palette, on light and on dark
GROUND, INK = ("#ffffff", "#14161a"), ("#1a1a1a", "#e8e8e8")
MAP, DIFFERENCE = "magma", "PuOr"
_LOWEST = 50.0  # Hz
_APART = 1.0  # from one tick's label to the next, in heights of the font


class Figure(matplotlib.figure.Figure):
    """A figure that a notebook shows by itself; no pyplot, no global state."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        with _any_script():
            self.savefig(buffer, format="png", dpi=90)
        return buffer.getvalue()


def palette(name: str) -> bytes:
    """256 colours of one of matplotlib's colour maps: red, green and blue of each.

    Raises
    ------
    SettingsError
        For an unknown map.
    """
    if name not in matplotlib.colormaps:
        raise SettingsError(
            f"colors is {name!r}; choose magma, viridis, cividis, inferno, plasma, gray, gray16 or another map of matplotlib"
        )
    colours = matplotlib.colormaps[name](np.linspace(0, 1, 256), bytes=True)
    return bytes(colours[:, :3].tobytes())


@contextmanager
def _any_script() -> Iterator[None]:
    """Names of files in scripts that the font lacks are no reason to warn."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph", UserWarning)
        yield


def single(size: tuple[float, float]) -> tuple[Figure, Axes]:
    """A figure of one panel, in inches."""
    figure = Figure(figsize=size, layout="constrained")
    return figure, figure.subplots()


def finished(figure: Figure, dark: bool, titles: Mapping[Axes, str]) -> Figure:
    """Title the panels, and paint ground and text; names of files are shown as they are, not as mathematics."""
    ground, ink = GROUND[dark], INK[dark]
    figure.set_facecolor(ground)
    for axes, title in titles.items():
        axes.set_title(title.encode("utf-8", "replace").decode(), parse_math=False, color=ink)
    for axes in figure.axes:
        axes.set_facecolor(ground)
        axes.tick_params(which="both", colors=ink)
        for text in (axes.xaxis.label, axes.yaxis.label):
            text.set_color(ink)
        for spine in axes.spines.values():
            spine.set_edgecolor(ink)
        legend = axes.get_legend()
        if legend is not None:
            legend.get_frame().set(facecolor=ground, edgecolor=ink)
            for text in legend.get_texts():
                text.set_color(ink)
    for text in figure.texts:
        text.set_color(ink)
    return figure


def mark_frequencies(axes: Axes, frequencies: NDArray[np.floating[Any]], *, size: float = 10.0) -> None:
    """Put ticks at round frequencies, as many as have room.

    Parameters
    ----------
    axes : Axes
        Whose rows are drawn from 0 up, each 1 high.
    frequencies : ndarray, shape (row,)
        Centre of each row in Hz, ascending.
    size : float
        Of the font, in points.
    """
    rows = np.arange(len(frequencies))
    height = axes.get_window_extent().height * 72 / axes.figure.dpi  # in points
    marks: dict[float, float] = {}  # frequency to row
    for frequency in _round(float(frequencies[0]), float(frequencies[-1])):
        row = float(np.interp(frequency, frequencies, rows))
        if all(abs(row - other) * height / len(rows) >= _APART * size for other in marks.values()):
            marks[frequency] = row
    shown = sorted(marks)
    axes.set_yticks([marks[f] + 0.5 for f in shown], [hertz(f) for f in shown], fontsize=size)
    axes.set_ylabel("frequency (Hz)")


def _round(low: float, high: float) -> list[float]:
    """Round frequencies from ``low`` to ``high``, the roundest first: 10k, 1k, 100, then 5k, 500, 50, then 2k, 200, 20."""
    found = [digit * 10.0**power for digit in (1, 5, 2) for power in range(6, 0, -1)]
    least = max(low, min(_LOWEST, high / 20))  # lower ones would crowd at the end of the axis
    inside = [f for f in found if least <= f <= high]
    if len(inside) > 1:
        return inside
    ticks = MaxNLocator(4, steps=[1, 2, 5, 10]).tick_values(low, high)  # a narrow band, or one of infrasound
    return [float(f) for f in ticks if low <= f <= high]


def hertz(frequency: float, _: int = 0) -> str:
    """A frequency in Hz as ``500``, ``2k`` or ``1.25k``; takes a tick's number too, as matplotlib gives it."""
    return f"{frequency / 1000:.6g}k" if frequency >= 1000 else f"{frequency:.6g}"


def save(figure: Figure, path: str | os.PathLike[str], *, about: Mapping[str, str] | None = None) -> None:
    """Write a figure as the path's extension says, in one step; ``about`` goes into a PNG's text."""
    with atomic_file(path) as temporary, _any_script():
        figure.savefig(temporary, dpi=120, metadata=None if about is None else dict(about))


def data_uri(figure: Figure) -> str:
    """A figure as a PNG inside a ``data:`` address, for a page without files beside it."""
    buffer = io.BytesIO()
    with _any_script():
        figure.savefig(buffer, format="png", dpi=110)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
