"""What a recording is, measured while it is decoded: levels, silence at its ends, and what its channels do to each other."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.audio.channels import Coherence
from earmark.types import Facts

SILENT = 2e-4
"""Of full scale, -74 dB, a few steps of 16 bits: what peaks below is silence."""

_HOP = 0.005  # seconds: how exactly the silence at the ends is measured
_BELOW_PEAK = 1e-3  # -60 dB
_DEAD = 10 ** (-50 / 20)  # of the loudest channel
_CANCELLED = 0.2  # power of the mix, where 1 is that of channels that have nothing in common
_STEPS = 4  # of 6 dB, of the levels by which silence is found
_FLOOR = -60 * _STEPS


class Measure:
    """Collects `Facts` of a recording that comes in blocks of any size.

    Parameters
    ----------
    channel : int, optional
        The channel that is used; the mean of all by default.
    """

    def __init__(self, channel: int | None = None) -> None:
        self._channel = channel
        self._sr, self._channels, self._encoding = 0, 0, ""
        self._remarks: list[tuple[str, str]] = []
        self._count = 0
        self._power: Any = 0.0
        self._mean: Any = 0.0
        self._mix = np.zeros(2)  # sums of its samples and of their squares
        self._peak = self._loudest = 0.0
        self._ends = _Ends(1)
        self._coherence: Coherence | None = None

    def begin(self, sr: int, channels: int, encoding: str) -> None:
        """Say what the recording is, before its first block."""
        self._sr, self._channels, self._encoding = sr, channels, encoding
        self._ends = _Ends(max(1, round(_HOP * sr)))
        if channels > 1 and self._channel is None:
            self._coherence = Coherence(sr, channels)

    def note(self, kind: str, detail: str) -> None:
        """Add a remark on the file."""
        self._remarks.append((kind, detail))

    def push(self, samples: NDArray[np.float32], mono: NDArray[np.float32]) -> None:
        """Take a block, shape (time, channel), and what is made of it, shape (time,)."""
        if self._channels == 0:
            self.begin(1, samples.shape[1], "")
        self._count += len(samples)
        size = np.abs(mono)
        self._peak = max(self._peak, float(size.max(initial=0.0)))
        self._ends.push(size)
        self._mix += (mono.sum(dtype=np.float64), _energy(mono))
        if self._channels == 1:
            self._power, self._mean, self._loudest = self._mix[1:], self._mix[:1], self._peak
            return
        columns = [np.ascontiguousarray(samples[:, i]) for i in range(samples.shape[1])]
        self._power = self._power + np.array([_energy(x) for x in columns])
        self._mean = self._mean + np.array([x.sum(dtype=np.float64) for x in columns])
        tops = (max(float(x.max(initial=0.0)), -float(x.min(initial=0.0))) for x in columns)
        self._loudest = max(self._loudest, *tops)
        if self._coherence is not None:
            self._coherence.push(samples)

    def facts(self) -> Facts:
        """What was measured so far."""
        count = max(1, self._count)
        seconds = self._count / max(1, self._sr)
        leading, trailing = self._ends.silence(max(_BELOW_PEAK * self._peak, 1e-9))
        power = np.atleast_1d(self._power) / count
        return Facts(
            sr=self._sr,
            channels=self._channels,
            encoding=self._encoding,
            seconds=seconds,
            peak=self._peak,
            rms=math.sqrt(self._mix[1] / count),
            channel_rms=tuple(float(x) for x in np.sqrt(power)),
            leading=min(seconds, leading / max(1, self._sr)),
            trailing=min(seconds, trailing / max(1, self._sr)),
            remarks=(*dict.fromkeys(self._remarks), *self._of_channels(count)),
        )

    @property
    def cancelled(self) -> str:
        """How far below its channels the mix is, where they cancel each other; else nothing."""
        return next((detail for kind, detail in self._of_channels(max(1, self._count)) if kind == "cancelled"), "")

    def _of_channels(self, count: int) -> list[tuple[str, str]]:
        """What the mean of the channels does to them."""
        if self._channels < 2 or self._channel is not None or self._loudest <= SILENT:
            return []
        # A constant offset is no sound, and does not cancel with it.
        power = np.maximum(self._power / count - np.square(self._mean / count), 0)
        mix = max(0.0, self._mix[1] / count - (self._mix[0] / count) ** 2)
        loudest = float(power.max())
        if loudest <= (0.1 * SILENT) ** 2:
            return []
        found = []
        left = mix / float(power.mean())
        dead = [i for i in range(self._channels) if power[i] < _DEAD**2 * loudest]
        alive = self._channels - len(dead)
        # Of a dead channel nothing is left to cancel; it makes the mix of the others softer, no more.
        left *= self._channels / max(1, alive)
        coherent = None if self._coherence is None else self._coherence.left()
        if alive > 1 and min(left, left if coherent is None else coherent) * self._channels < _CANCELLED:
            found.append(("cancelled", _says_cancelled(min(left, left if coherent is None else coherent))))
        if dead:
            found.append(("dead-channel", _says_dead(dead, power, loudest)))
        if not found and self._coherence is not None and (notch := self._coherence.notches()):
            found.append(("comb", notch))
        return found


def _says_cancelled(left: float) -> str:
    level = "gone" if left < 1e-12 else f"{-10 * math.log10(left):.0f} dB below them"
    return f"its channels cancel each other: their mean is {level}"


def _says_dead(dead: list[int], power: NDArray[np.float64], loudest: float) -> str:
    which = ", ".join(map(str, dead))
    level = float(power[dead].max())
    below = "silent" if level == 0 else f"{10 * math.log10(loudest / level):.0f} dB below the loudest"
    verb = "are" if len(dead) > 1 else "is"
    return f"channel{'s' * (len(dead) > 1)} {which} {verb} {below}; channel={int(power.argmax())} takes the loudest"


def _energy(x: NDArray[np.float32]) -> float:
    """Sum of squares: in single precision within runs that are short enough for it, in double between them."""
    whole = len(x) // 256 * 256
    runs = x[:whole].reshape(-1, 256)
    return float(np.einsum("ij,ij->i", runs, runs).sum(dtype=np.float64)) + float(
        np.square(x[whole:], dtype=np.float64).sum()
    )


class _Ends:
    """First and last time at which each level is reached, so that a threshold can be chosen when the peak is known."""

    def __init__(self, hop: int) -> None:
        self._hop, self._at = hop, 0
        self._rest = np.zeros(0, np.float32)
        self._first = np.full(-2 * _FLOOR, np.iinfo(np.int64).max)
        self._last = np.full(-2 * _FLOOR, -1)
        self._samples = 0

    def push(self, sizes: NDArray[np.float32]) -> None:
        self._samples += len(sizes)
        joined = np.concatenate([self._rest, sizes]) if len(self._rest) else sizes
        whole = len(joined) // self._hop * self._hop
        self._rest = joined[whole:].copy()
        if whole:
            self._take(joined[:whole].reshape(-1, self._hop).max(axis=1))

    def _take(self, tops: NDArray[np.float32]) -> None:
        levels = _level(tops)
        places = self._at + np.arange(len(tops))
        np.minimum.at(self._first, levels, places)
        np.maximum.at(self._last, levels, places)
        self._at += len(tops)

    def silence(self, threshold: float) -> tuple[int, int]:
        """Samples before the first and behind the last hop that reaches a threshold."""
        if len(self._rest):
            first, last, at = self._first.copy(), self._last.copy(), self._at
            self._take(self._rest.max(keepdims=True))
            found = self._silence(threshold)
            self._first, self._last, self._at = first, last, at
            return found
        return self._silence(threshold)

    def _silence(self, threshold: float) -> tuple[int, int]:
        level = int(_level(np.array([threshold], np.float32))[0])
        last = int(self._last[level:].max())
        if last < 0:
            return self._samples, self._samples
        return int(self._first[level:].min()) * self._hop, max(0, self._samples - (last + 1) * self._hop)


def _level(tops: NDArray[np.float32]) -> NDArray[np.int64]:
    with np.errstate(divide="ignore"):
        levels = np.floor(_STEPS * np.log2(np.maximum(tops, 1e-18)))
    return np.asarray(np.clip(levels, _FLOOR, -_FLOOR - 1) - _FLOOR, np.int64)
