"""What averaging the channels of a recording does to their spectrum: found in a sample of its frames, in bounded memory."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_SPREAD = 32  # frames after which they are taken half as often: a day costs little more than a minute
_FARTHEST = 10.0  # seconds between two frames
_CHANNELS = 16  # the first ones, of more
_LOWEST = 100.0  # Hz: hum and rumble that all channels share say nothing of the sound
_SHARE = 1e-3  # of the power that must lie above it
_ALIVE = 1e-5  # -50 dB of the strongest frequency
_FEWEST = 24  # frequencies, of which a pattern can be told
_NOTCH, _KEPT = 0.08, 0.7  # of the power of the channels
_NOTCHES, _PEAKS = 0.08, 0.15  # shares of the frequencies
_COHERENT = 0.8  # squared; copies have 1, however late


class Coherence:
    """Mean spectra of the channels and of their mean, and how far the channels are copies of each other.

    Parameters
    ----------
    sr, channels : int
    """

    def __init__(self, sr: int, channels: int) -> None:
        self._size = 1 << max(6, round(np.log2(0.1 * max(sr, 1000))))
        self._step = self._size
        self._sr, self._used = sr, min(channels, _CHANNELS)
        bins = self._size // 2 + 1
        self._own = np.zeros((self._used, bins))
        self._mix = np.zeros(bins)
        self._cross = np.zeros((self._used - 1, bins), complex)
        self._window = np.hanning(self._size).astype(np.float32)
        self._frames, self._at, self._next = 0, 0, 0
        self._held: list[NDArray[np.float32]] = []

    def push(self, samples: NDArray[np.float32]) -> None:
        """Take a block, shape (time, channel)."""
        at, end = self._at, self._at + len(samples)
        while self._next < end:
            held = sum(map(len, self._held))
            begin = self._next + held - at
            part = samples[begin : begin + self._size - held]
            self._held.append(part.copy())
            if held + len(part) < self._size:
                break
            self._take(np.concatenate(self._held))
            self._held = []
            self._next += self._step
            if self._frames % _SPREAD == 0:
                self._step = min(2 * self._step, max(self._size, round(_FARTHEST * self._sr)))
        self._at = end

    def _take(self, frame: NDArray[np.float32]) -> None:
        spectra = np.fft.rfft(np.ascontiguousarray(frame.T) * self._window)
        mix, used = spectra.sum(axis=0) / len(spectra), spectra[: self._used]
        self._own += used.real**2 + used.imag**2
        self._mix += mix.real**2 + mix.imag**2
        self._cross += used[1:] * used[0].conj()
        self._frames += 1

    def left(self) -> float | None:
        """Power of the mix over the mean of the channels', above rumble; None where too little lies there."""
        own = self._own.mean(axis=0)
        high = np.arange(len(own)) * self._sr / self._size >= _LOWEST
        if not self._frames or own[high].sum() <= _SHARE * own[1:].sum():
            return None
        return float(self._mix[high].sum() / own[high].sum())

    def notches(self) -> str:
        """What delayed copies do to the mix, where they do: deep notches that the channels do not have; else nothing."""
        own = self._own.mean(axis=0)
        alive = own > _ALIVE * own.max(initial=0.0)
        alive[:2] = False
        if self._frames < 4 or alive.sum() < _FEWEST:
            return ""
        with np.errstate(invalid="ignore", divide="ignore"):
            coherence = np.abs(self._cross) ** 2 / (self._own[0] * self._own[1:])
        if float(np.median(coherence[:, alive], axis=1).min()) < _COHERENT:
            return ""
        kept = self._mix[alive] / own[alive]
        if np.mean(kept < _NOTCH) < _NOTCHES or np.mean(kept > _KEPT) < _PEAKS:
            return ""
        frequencies = np.flatnonzero(alive) * self._sr / self._size
        first = frequencies[np.flatnonzero(kept < _NOTCH)[0]]
        return f"its channels are delayed copies: their mean has deep notches, the lowest at {first:.0f} Hz"
