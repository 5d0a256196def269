"""Recordings to fixed windows, and scores of windows to the score of a recording (NumPy alone)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

ShortClip = Literal["pad", "repeat"]
MergeRule = Literal["mean", "max"]
MERGE_RULES: tuple[MergeRule, ...] = ("mean", "max")
SHORT_CLIP_RULES: tuple[ShortClip, ...] = ("pad", "repeat")


@dataclass(frozen=True)
class WindowPlan:
    """How recordings are cut.

    Attributes
    ----------
    window, stride : int
        Length and advance in samples, both whole numbers of STFT hops.
    short_clip : {"pad", "repeat"}
        What a recording shorter than a window becomes: followed by zeros, or repeated.
    """

    window: int
    stride: int
    short_clip: ShortClip

    def fit(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Bring a recording shorter than a window to its length, shape (time,) to (window,); longer ones pass."""
        if len(samples) >= self.window:
            return samples
        if self.short_clip == "repeat":
            return np.resize(samples, self.window)
        return np.pad(samples, (0, self.window - len(samples)))

    def cut(self, samples: NDArray[np.float32]) -> tuple[NDArray[np.float32], list[int]]:
        """Cut a whole recording: windows, shape (count, window), and their first samples."""
        pieces = list(self.pieces(samples))
        return np.stack([p for p, _ in pieces]), [start for _, start in pieces]

    def pieces(self, samples: NDArray[np.float32]) -> Iterator[tuple[NDArray[np.float32], int]]:
        """The same one by one, so that a recording of any length, memory-mapped, takes the memory of a few windows."""
        cutter = WindowCutter(self)
        step = 8 * self.window
        for first in range(0, len(samples), step):
            yield from cutter.push(samples[first : first + step])
        yield from cutter.finish()

    def count(self, length: int) -> int:
        """How many windows a recording of this length becomes."""
        return 1 + max(0, -(-(length - self.window) // self.stride))


class WindowCutter:
    """Cut a recording that comes in blocks of any size.

    Windows start at whole strides. The last one is moved back to end where the recording ends, so that every sample is
    heard. A recording shorter than a window gives one, made by the plan's rule.
    """

    def __init__(self, plan: WindowPlan) -> None:
        self._plan = plan
        self._held = np.zeros(0, np.float32)  # from the start of the last window given
        self._start = 0  # sample number of the first one held
        self._count = 0

    def push(self, samples: NDArray[np.float32]) -> list[tuple[NDArray[np.float32], int]]:
        """Take a block, shape (time,); return the finished windows, each with its first sample's number."""
        window, stride = self._plan.window, self._plan.stride
        self._held = np.concatenate([self._held, samples])
        found = []
        offset = 0 if self._count == 0 else stride
        while offset + window <= len(self._held):
            found.append((self._held[offset : offset + window], self._start + offset))
            offset += stride
        if found:
            self._count += len(found)
            last = found[-1][1] - self._start
            self._held = self._held[last:].copy()
            self._start += last
        return found

    def finish(self) -> list[tuple[NDArray[np.float32], int]]:
        """Return the window that holds the end of the recording, if no earlier one did."""
        window = self._plan.window
        if self._count == 0:
            return [(self._plan.fit(self._held), 0)]
        rest = len(self._held) - window
        return [(self._held[rest:], self._start + rest)] if rest else []


def softmax(logits: NDArray[np.float32], temperature: float = 1.0) -> NDArray[np.float32]:
    """Probabilities along the last axis; the largest logit is taken off first, so that none overflows."""
    scaled = logits / temperature
    exponent = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return np.asarray(exponent / exponent.sum(axis=-1, keepdims=True), np.float32)


def sigmoid(logits: NDArray[np.float32], temperature: float = 1.0) -> NDArray[np.float32]:
    """Probability of each label by itself."""
    return np.asarray(0.5 * (1 + np.tanh(0.5 * logits / temperature)), np.float32)


def merge(probabilities: NDArray[np.float32], rule: MergeRule = "mean") -> NDArray[np.float32]:
    """Scores of a recording from those of its windows, their mean or maximum, shape (window, class) to (class,)."""
    return np.asarray(probabilities.mean(axis=0) if rule == "mean" else probabilities.max(axis=0), np.float32)


def hysteresis(scores: NDArray[np.floating[Any]], on: float, off: float) -> list[tuple[int, int, int]]:
    """Runs of windows above a threshold, with hysteresis.

    A run begins where the score reaches ``on`` and lasts, forwards and backwards, while it does not fall under ``off``, so that one
    alarm does not become many.

    Parameters
    ----------
    scores : ndarray, shape (window,)
    on, off : float
        With ``off <= on``.

    Returns
    -------
    list of (int, int, int)
        First window, the one that first reached ``on``, last window.
    """
    above = np.concatenate([[False], scores >= off, [False]])
    edges = np.flatnonzero(np.diff(above.astype(np.int8)))
    found = []
    for first, end in edges.reshape(-1, 2):
        reached = np.flatnonzero(scores[first:end] >= on)
        if len(reached):
            found.append((int(first), int(first + reached[0]), int(end - 1)))
    return found
