"""Copies of recordings, found by their sound: shifted, louder, re-encoded or resampled, whole or in part.

A recording becomes landmarks, pairs of spectral peaks (Wang 2003, "An industrial-strength audio search algorithm"). Two
recordings that share some of them at one shift in time are compared sample by sample.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from earmark.audio import Resampler
from earmark.support.progress import by_count

SR = 8_000  # Hz: what the lowest copies keep
_FFT, _HOP = 512, 128  # 64 ms, 16 ms
_BINS = slice(6, 230)  # 94 Hz to 3.6 kHz: what resampling to 8 kHz leaves alone
_NEIGHBOURHOOD = (7, 11)  # bins and frames within which a peak is the highest
_RANGE = 50.0  # dB below the block's loudest bin where peaks end
_PEAKS_A_SECOND = 30
_PARTNERS, _FARTHEST = 5, 62  # peaks that follow, within a second
_BLOCK = 30 * SR  # samples: whole numbers of hops
_MOST = 30_000  # landmarks of a recording that are compared: those of five minutes
_HITS = 4_000_000  # meetings of landmarks that are counted at a time: bounds the memory
_COMMON = 1_000  # landmarks of one hash, in all recordings
_EXCERPT = 30.0  # seconds of two recordings that are compared
_ALIKE = 0.6  # different words of one voice reach 0.5, copies at 128 kbit/s and 8 kHz 0.74 at least in 19 of 20
_WINDOW = np.hanning(_FFT + 1)[:-1].astype(np.float32)

Landmarks = NDArray[np.uint32]
"""Shape (landmark, 2): hash of two peaks, and the frame of the first."""


class Fingerprint:
    """Landmarks of a recording that comes in blocks.

    Parameters
    ----------
    sr : int
        Rate of the blocks in Hz.
    """

    def __init__(self, sr: int) -> None:
        self._resampler = Resampler(sr, SR)
        self._held: list[NDArray[np.float32]] = []
        self._length = 0
        self._frame = 0
        self._found: list[Landmarks] = []

    def push(self, samples: NDArray[np.float32]) -> None:
        """Take a mono block, shape (time,)."""
        self._take(self._resampler.push(samples))

    def finish(self) -> Landmarks:
        """All landmarks."""
        self._take(self._resampler.finish())
        if self._length:
            self._found.append(_landmarks(np.concatenate(self._held), self._frame))
        return np.concatenate(self._found) if self._found else np.zeros((0, 2), np.uint32)

    def _take(self, samples: NDArray[np.float32]) -> None:
        self._held.append(samples)
        self._length += len(samples)
        while self._length >= _BLOCK:
            joined = np.concatenate(self._held)
            self._found.append(_landmarks(joined[:_BLOCK], self._frame))
            self._held, self._length = [joined[_BLOCK:]], self._length - _BLOCK
            self._frame += _BLOCK // _HOP


def _landmarks(samples: NDArray[np.float32], first_frame: int) -> Landmarks:
    frames, bins = _peaks(samples)
    found = []
    for step in range(1, _PARTNERS + 1):
        apart = frames[step:] - frames[:-step]
        near = (apart > 0) & (apart <= _FARTHEST)
        f1, f2, dt = bins[:-step][near], bins[step:][near], apart[near] >> 1
        hashes = (f1.astype(np.uint32) << 14) | (f2.astype(np.uint32) << 6) | dt.astype(np.uint32)
        found.append(np.stack([hashes, (frames[:-step][near] + first_frame).astype(np.uint32)], axis=1))
    return np.concatenate(found)


def _peaks(samples: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Frames and bins of the peaks, in the order of time."""
    padded = np.pad(samples, (_FFT // 2, _FFT // 2 + _HOP))
    frames = np.lib.stride_tricks.sliding_window_view(padded, _FFT)[::_HOP]
    spectrum = np.abs(fft.rfft(frames * _WINDOW, axis=1)[:, _BINS])
    loudest = float(spectrum.max())
    if loudest < 1e-4:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    highest = ndimage.maximum_filter(spectrum, size=_NEIGHBOURHOOD[::-1], mode="constant")
    frame, bin_ = np.nonzero((spectrum == highest) & (spectrum > loudest * 10 ** (-_RANGE / 20)))
    # The strongest of each second, so that a quiet part has as many beside a loud one as alone.
    second = frame * _HOP // SR
    order = np.lexsort((-spectrum[frame, bin_], second))
    rank = np.arange(len(order)) - np.searchsorted(second[order], second[order], "left")
    kept = np.sort(order[rank < _PEAKS_A_SECOND])
    return frame[kept], bin_[kept]


@dataclass(frozen=True)
class Match:
    """Two recordings that share landmarks.

    Attributes
    ----------
    first, second : int
        Positions in the list that was compared, the smaller first.
    shift : float
        Seconds that the sound comes later in the second one.
    votes : int
        Landmarks that both have at this shift.
    """

    first: int
    second: int
    shift: float
    votes: int


def candidates(prints: Sequence[Landmarks], *, least: int = 5, share: float = 0.05) -> list[Match]:
    """Pairs that may hold the same sound; `likeness` tells.

    Parameters
    ----------
    prints : sequence of Landmarks
    least, share : int, float
        Landmarks that both have at one shift in time, at least: their number, and their share of the smaller print.
    """
    full = np.array([len(p) for p in prints], np.int64)
    thinned = [_thinned(p) for p in prints]
    kept = [p for p, _ in thinned]
    factors = np.array([factor for _, factor in thinned], np.int64)
    owners = np.repeat(np.arange(len(kept), dtype=np.int64), [len(p) for p in kept])
    joined = np.concatenate([*kept, np.zeros((0, 2), np.uint32)])
    order = np.argsort(joined[:, 0], kind="stable")
    index = _Index(joined[order, 0], joined[order, 1].astype(np.int64), owners[order], len(prints))
    found: list[Match] = []
    for queries in by_count(_batches(kept, index), "duplicates", len(kept), lambda queries: queries.stop):
        pairs, shifts, votes = _votes(kept, queries, index)
        a, b = pairs[:, 0], pairs[:, 1]
        expected = np.minimum(full[a], full[b]) / np.maximum(factors[a], factors[b])
        taken = (votes >= least) & (votes >= share * expected)
        for (first, second), shift, count in zip(pairs[taken], shifts[taken], votes[taken], strict=True):
            found.append(Match(int(first), int(second), float(shift) * _HOP / SR, int(count)))
    return found


def _thinned(landmarks: Landmarks) -> tuple[Landmarks, int]:
    """Of a long recording one in 2, 4, 8 ... landmarks, chosen by their hash, so that another recording keeps the same ones."""
    factor = 1
    while len(landmarks) > _MOST * factor:
        factor *= 2
    mixed = (landmarks[:, 0].astype(np.uint64) * np.uint64(2_654_435_761)) >> np.uint64(12)
    return landmarks[mixed % np.uint64(factor) == 0], factor


def likeness(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """How much of two stretches at `SR` is the same waveform, at any shift, level and polarity: 0 to 1.

    The peak of their cross-correlation with the spectrum's phase alone (Knapp and Carter 1976), 100 Hz to 3.6 kHz, so that
    two sounds of the same pitch are not taken for one.
    """
    size = fft.next_fast_len(len(a) + len(b), real=True)
    cross = fft.rfft(a, size) * np.conj(fft.rfft(b, size))
    band = slice(round(100 * size / SR), round(3_600 * size / SR))
    strength = np.abs(cross)
    phase = np.zeros_like(cross)
    phase[band] = cross[band] / np.maximum(strength[band], 1e-8 * max(float(strength.max()), 1e-30))
    most = 2 * float(np.abs(phase).sum()) / size
    highest = float(np.abs(fft.irfft(phase, size)).max())
    return float(highest / max(most, 1e-12))


def copies(
    prints: Sequence[Landmarks], read: Callable[[int, float, float], NDArray[np.float32]]
) -> list[tuple[int, int]]:
    """Pairs of recordings that hold the same sound.

    Parameters
    ----------
    prints : sequence of Landmarks
    read : callable
        Position, start and end in seconds to that stretch at `SR`, shape (time,).
    """
    found = []
    for match in candidates(prints):
        # Around what they share: before it there may be silence, or another sound.
        middle = _shared(prints[match.first], prints[match.second], match.shift)
        start = max(0.0, -match.shift, middle - _EXCERPT / 2)
        starts = start, start + match.shift
        a, b = (read(i, t, t + _EXCERPT) for i, t in zip((match.first, match.second), starts, strict=True))
        length = min(len(a), len(b))
        if length and likeness(a[:length], b[:length]) >= _ALIKE:
            found.append((match.first, match.second))
    return found


def _shared(first: Landmarks, second: Landmarks, shift: float) -> float:
    """Seconds in the first recording by which half of the landmarks have come that the second one has, later by ``shift``."""
    frames = round(shift * SR / _HOP)
    wanted = (second[:, 0].astype(np.int64) << 32) + second[:, 1]
    own = (first[:, 0].astype(np.int64) << 32) + first[:, 1] + frames
    both = np.isin(own, np.concatenate([wanted, wanted - 1, wanted + 1]))  # neighbouring shifts voted too
    return float(np.median(first[both if both.any() else slice(None), 1])) * _HOP / SR


@dataclass(frozen=True)
class _Index:
    """All landmarks in the order of their hashes, whose they are, and of how many recordings."""

    hashes: NDArray[np.uint32]
    frames: NDArray[np.int64]
    owners: NDArray[np.int64]
    recordings: int

    def places(self, hashes: NDArray[np.uint32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Where the landmarks of these hashes begin, and how many there are; none of those that tell nothing, being everywhere."""
        first = np.searchsorted(self.hashes, hashes, "left")
        count = np.searchsorted(self.hashes, hashes, "right") - first
        count[count > max(_COMMON, self.recordings // 10)] = 0
        return first, count


def _batches(prints: Sequence[Landmarks], index: _Index) -> Iterator[range]:
    """Recordings to compare with all others at a time, so many that their landmarks meet a bounded number of others."""
    start, hits = 0, 0
    for i, landmarks in enumerate(prints):
        own = int(index.places(landmarks[:, 0])[1].sum())
        if hits and hits + own > _HITS:
            yield range(start, i)
            start, hits = i, 0
        hits += own
    yield range(start, len(prints))


def _votes(
    prints: Sequence[Landmarks], queries: range, index: _Index
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of a query and a later recording, shape (pair, 2), their best shift in frames, and the landmarks shared there."""
    mine = np.concatenate([np.zeros((0, 2), np.uint32), *(prints[q] for q in queries)])
    owner = np.repeat(np.arange(queries.start, queries.stop), [len(prints[q]) for q in queries])
    first, count = index.places(mine[:, 0])
    row = np.repeat(np.arange(len(mine)), count)
    hit = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count) + first[row]
    later = index.owners[hit] > owner[row]
    row, hit = row[later], hit[later]
    shift = index.frames[hit] - mine[row, 1].astype(np.int64)
    # One number for (query, other, shift), so that counting is one sort.
    span = 2 * int(index.frames.max(initial=0)) + 3
    key = (owner[row] * len(prints) + index.owners[hit]) * span + shift + span // 2
    keys, votes = np.unique(key, return_counts=True)
    # A copy's frames fall between the original's: neighbouring shifts vote together.
    together = votes.copy()
    together[:-1] += np.where(np.diff(keys) == 1, votes[1:], 0)
    pair, shifts = keys // span, keys % span - span // 2
    order = np.lexsort((together, pair))
    last = order[np.flatnonzero(np.diff(pair[order], append=-1))]
    return np.stack(np.divmod(pair[last], len(prints)), axis=1), shifts[last], together[last]
