"""Why a recording is unusual, and when a long one is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from earmark.figures.plots.drawing import BLUE, DIFFERENCE, INK, MAP, ORANGE, Figure, finished, mark_frequencies, single

_RANGE_DB = 80.0
_RAREST = 1e-12  # what is rarer is drawn here, so that it does not flatten the rest
_POINTS = 2000  # stretches that a long line is drawn of
_MINUTES = 600.0  # seconds, beyond which hours and minutes are easier to read
_STEPS = (60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200)  # seconds between marks
_RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def deviation(
    levels: NDArray[np.floating[Any]],
    change: NDArray[np.floating[Any]],
    frequencies: NDArray[np.floating[Any]],
    seconds: float,
    *,
    bands: NDArray[np.floating[Any]] | None = None,
    title: str = "",
    span: float = 6.0,
    dark: bool = False,
) -> Figure:
    """Why a recording is unusual: its spectrogram, how far it is from the machine's normal sound, and in which bands.

    Parameters
    ----------
    levels : ndarray, shape (band, frame)
        Log-mel spectrogram in dB; what lies more than 80 dB under its peak is as dark as that.
    change : ndarray, shape (band, frame)
        Deviation from the normal sound, in standard deviations of the normal clips; above 0 where it is louder.
    frequencies : ndarray, shape (band,)
        Centres of the bands in Hz.
    seconds : float
        Duration.
    bands : ndarray, shape (band,), optional
        Deviation of each band as a whole; by default the mean of ``change`` over time.
    title : str
    span : float
        The colours reach from -span to span, whatever the recording, so that a normal one looks calm.
    dark : bool
    """
    mean = change.mean(axis=1) if bands is None else bands
    figure = Figure(figsize=(8, 5), layout="constrained")
    grid = figure.add_gridspec(2, 4, width_ratios=(24, 0.7, 3.3, 0.7))
    above = figure.add_subplot(grid[0, 0])
    below = figure.add_subplot(grid[1, 0], sharex=above)
    beside = figure.add_subplot(grid[1, 1:3], sharey=below)
    how: dict[str, Any] = {"origin": "lower", "aspect": "auto", "interpolation": "nearest"}
    how["extent"] = (0, seconds, 0, len(levels))
    peak = float(levels.max())
    sound = above.imshow(levels, cmap=MAP, vmin=max(float(levels.min()), peak - _RANGE_DB), vmax=peak, **how)
    image = below.imshow(change, cmap=DIFFERENCE, vmin=-span, vmax=span, **how)
    for axes in (above, below):
        mark_frequencies(axes, frequencies)
    above.tick_params(labelbottom=False)
    _mark_time(below, 0, seconds)
    map_ = matplotlib.colormaps[DIFFERENCE]
    for part, light in ((np.minimum(mean, 0), 0.15), (np.maximum(mean, 0), 0.85)):
        colour = map_(0.5 + 0.6 * (light - 0.5)) if dark else map_(light)
        beside.stairs(part, np.arange(len(mean) + 1), orientation="horizontal", fill=True, color=colour)
    beside.axvline(0, color=INK[dark], linewidth=0.8)
    reach = max(span, 1.05 * float(np.abs(mean).max()))
    beside.set(xlim=(-reach, reach), xlabel="mean")
    beside.tick_params(labelleft=False)
    figure.colorbar(sound, cax=figure.add_subplot(grid[0, 1]), label="dB")
    ends = "both" if float(np.abs(change).max()) > span else "neither"
    figure.colorbar(image, cax=figure.add_subplot(grid[1, 3]), label="deviations from normal", extend=ends)
    return finished(figure, dark, {above: title})


def unusual_scores(
    times: NDArray[np.floating[Any]],
    scores: NDArray[np.floating[Any]],
    threshold: float,
    events: Sequence[tuple[float, float]] = (),
    *,
    title: str = "",
    dark: bool = False,
) -> Figure:
    """How unusual a long recording is over time; up is rarer. Of many windows the least and the most unusual are kept.

    Parameters
    ----------
    times : ndarray, shape (window,)
        Starts of the windows in seconds.
    scores : ndarray, shape (window,)
        Share of normal windows that are as unusual, above 0 to 1; below 1e-12 it is drawn there.
    threshold : float
        The share under which a window is abnormal.
    events : sequence of (float, float)
        Start and end of each stretch to shade, in seconds.
    title : str
    dark : bool
    """
    figure, axes = single((8, 3))
    first = float(times[0])
    last = max(float(times[-1]), first + 1, *(end for _, end in events))
    shown = np.maximum(scores, _RAREST)
    step = -(-len(shown) // _POINTS)
    if step > 1:
        edges = np.arange(0, len(shown), step)
        times = np.repeat(times[edges], 2)
        shown = np.stack([part.reduceat(shown, edges) for part in (np.maximum, np.minimum)], axis=1).ravel()
    for number, (start, end) in enumerate(events):  # their edge keeps short ones visible
        axes.axvspan(start, end, color=ORANGE[dark], alpha=0.3, linewidth=1, label="" if number else "event")
    axes.plot(times, shown, "." if len(shown) == 1 else "-", color=BLUE[dark], linewidth=0.8)
    axes.axhline(
        max(threshold, _RAREST), color=INK[dark], linestyle="--", linewidth=1, label=f"threshold: {_share(threshold)}"
    )
    axes.set_yscale("log")
    rarest = min(float(shown.min()), max(threshold, _RAREST), 1e-2)
    axes.set_ylim(1, rarest**1.25)  # room for the legend
    decades = math.floor(-math.log10(rarest) + 1e-9)
    marks = [10.0**-power for power in range(0, decades + 1, -(-decades // 6))]
    axes.set_yticks(marks, [_share(mark) for mark in marks])
    axes.minorticks_off()
    axes.set_ylabel("normal windows as unusual")
    axes.set_xlim(first, last)
    _mark_time(axes, first, last)
    axes.grid(alpha=0.3)
    axes.legend(loc="upper right", ncols=2, fontsize=9)
    return finished(figure, dark, {axes: title})


def _share(share: float) -> str:
    """A probability as ``1 in 1,000``."""
    count = 1 / share
    if count < 2e6:
        return f"1 in {count:,.0f}" if count >= 9.5 else f"1 in {count:.2g}"
    digit, power = f"{count:.0e}".split("e+")
    return f"1 in {'' if digit == '1' else digit + '·'}10{str(int(power)).translate(_RAISED)}"


def _mark_time(axes: Axes, start: float, end: float) -> None:
    """Seconds, or hours and minutes along more than ten minutes."""
    if end - start <= _MINUTES:
        axes.set_xlabel("time (s)")
        return
    step = next((step for step in _STEPS if (end - start) / step <= 9), 86_400 * math.ceil((end - start) / 86_400 / 9))
    marks = np.arange(math.ceil(start / step), math.floor(end / step) + 1) * step
    axes.set_xticks(marks, [f"{mark // 3600}:{mark % 3600 // 60:02d}" for mark in marks])
    axes.set_xlabel("time (h:mm)")
