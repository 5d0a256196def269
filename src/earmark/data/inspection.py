"""One recording, looked at from end to end in a single pass of bounded memory."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark import audio
from earmark.audio.containers import format_named_otherwise
from earmark.data.fingerprint import Fingerprint, Landmarks
from earmark.errors import AudioError
from earmark.types import Facts

FAULTS = {
    "missing": "listed, but not there",
    "unreadable": "not to be read",
    "empty": "no bytes in them",
    "not-audio": "no sound in any known format",
    "needs-ffmpeg": "need the extra ffmpeg (earmark doctor shows its pip command)",
    "corrupt": "damaged inside",
    "truncated": "cut off",
    "zero-length": "a header but no samples",
    "non-finite": "NaN or infinite samples in them",
    "cancelled": "channels that cancel each other",
    "range": "shorter than a clip in the table says",
    "silent": "no sound in them",
    "clipped": "cut at full scale",
    "dc-offset": "not swinging about zero",
    "too-short": "much shorter than the others",
    "extension": "another format than the name says",
    "header": "a header that claims a little more than there is",
    "joined": "several recordings one behind the other",
    "junk": "bytes in them that are no sound",
    "dead-channel": "a channel without sound",
    "comb": "channels that are delayed copies",
}
"""Kinds of faults, in the order in which they are reported."""

UNUSABLE = frozenset(list(FAULTS)[: list(FAULTS).index("range")])
"""Those that keep a whole recording out of training; ``range`` does so with single clips."""

HARMLESS = frozenset(["header"])
"""Those of which the sound loses nothing: said, but nothing is wrong."""

SILENT = audio.SILENT

_FLAT = 1e-3  # of the peak: how far the tops of two blocks may differ


@dataclass(frozen=True)
class Recording:
    """What one pass over a recording found; figures are zero where it does not decode.

    Attributes
    ----------
    path : str
        As in the manifest.
    seconds, sr, channels
        Length, rate in Hz, number of channels.
    peak, rms, dc : float
        Largest sample, effective value and mean, of full scale, each of the worst channel.
    clipped : float
        Share of the samples in flat tops.
    content : str
        Hash of the decoded samples: the same for the same sound in another lossless format.
    faults : tuple of (str, str)
        Kind of `FAULTS` and detail.
    landmarks : ndarray
        Its fingerprint.
    facts : Facts or None
        What it is; None where it does not decode.
    """

    path: str
    seconds: float = 0.0
    sr: int = 0
    channels: int = 0
    peak: float = 0.0
    rms: float = 0.0
    dc: float = 0.0
    clipped: float = 0.0
    content: str = ""
    faults: tuple[tuple[str, str], ...] = ()
    landmarks: Landmarks = field(default_factory=lambda: np.zeros((0, 2), np.uint32), repr=False)
    facts: Facts | None = None


def inspect(path: Path, name: str, *, channel: int | None = None) -> Recording:
    """Measure one recording in a single pass of bounded memory.

    Parameters
    ----------
    path : Path
    name : str
        Path to report.
    channel : int, optional
        The channel that is used; all are looked at, and their mean is used, by default.
    """
    measured, measure = _Measure(), audio.Measure(channel)
    try:
        for samples, sr in audio.raw_blocks(path, measure=measure):
            measured.push(samples, sr, measure, channel, name)
    except AudioError as error:
        return Recording(name, faults=((error.kind, error.detail),))
    return measured.finish(path, name, measure.facts())


class _Measure:
    """Figures of a recording that comes in blocks."""

    def __init__(self) -> None:
        self._count, self._sr, self._channels = 0, 0, 0
        self._bad: int | None = None
        self._huge = 0.0
        self._sum: Any = 0.0
        self._square: Any = 0.0
        self._tops: list[tuple[NDArray[np.float32], NDArray[np.int64]]] = []
        self._over = 0
        self._hash = hashlib.sha256()
        self._fingerprint: Fingerprint | None = None

    def push(
        self, samples: NDArray[np.float32], sr: int, measure: audio.Measure, channel: int | None, name: str
    ) -> None:
        every = samples
        if channel is not None:
            samples = audio.mono(samples, channel, name)[:, None]
        if self._fingerprint is None:
            self._sr, self._channels = sr, samples.shape[1]
            self._fingerprint = Fingerprint(sr)
        self._hash.update(np.ascontiguousarray(samples).data)
        if not np.isfinite(samples).all():
            if self._bad is None:
                self._bad = self._count + int(np.flatnonzero(~np.isfinite(samples).all(axis=1))[0])
            samples = np.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0)
        sizes = np.abs(samples)
        if (huge := float(sizes.max(initial=0.0))) > audio.HUGE:
            self._huge = max(self._huge, huge)
            samples = np.where(sizes > audio.HUGE, np.float32(0), samples)
        self._count += len(samples)
        self._sum = self._sum + samples.sum(axis=0, dtype=np.float64)
        self._square = self._square + np.square(samples, dtype=np.float64).sum(axis=0)
        self._tops.append(_flat_tops(samples))
        self._over += int((np.abs(samples) > 1).sum(axis=0).max(initial=0))
        mono = audio.mono(samples, None, name)
        self._fingerprint.push(mono)
        measure.push(samples if channel is None else np.nan_to_num(every), mono)

    def finish(self, path: Path, name: str, facts: Facts) -> Recording:
        assert self._fingerprint is not None
        dc = self._sum / self._count
        peaks = np.stack([p for p, _ in self._tops])
        tops = np.stack([peaks[:, 0].max(axis=0), peaks[:, 1].min(axis=0)])
        flat = sum(
            (np.where(np.abs(p - tops) <= _FLAT * np.abs(tops), n, 0).sum(axis=0) for p, n in self._tops),
            np.zeros(self._channels),
        )
        clipped = float(max(flat.max(), self._over)) / self._count
        faults = []
        if self._bad is not None:
            faults.append(("non-finite", f"holds NaN or infinite samples, the first at {self._bad / self._sr:.3f} s"))
        if self._huge:
            faults.append(("corrupt", f"holds a sample of {self._huge:.2g}, where full scale is 1"))
        if other := format_named_otherwise(path):
            faults.append(
                ("extension", f"is {other}, its name {f'ends in {path.suffix}' if path.suffix else 'has no extension'}")
            )
        faults += facts.remarks
        return Recording(
            name,
            seconds=self._count / self._sr,
            sr=self._sr,
            channels=facts.channels,
            peak=float(np.abs(tops).max()),
            rms=float(np.sqrt(self._square / self._count).max()),
            dc=float(dc[np.abs(dc).argmax()]),
            clipped=clipped,
            content=f"{self._hash.hexdigest()[:32]}-{self._sr}-{self._channels}",
            faults=tuple(faults),
            landmarks=self._fingerprint.finish(),
            facts=facts,
        )


def _flat_tops(samples: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Highest and lowest sample of each channel, shape (2, channel), and how many samples lie in flat tops there.

    A flat top is three equal samples or more at the extreme with a step of more than two quanta beside it: the rounded top of
    a coarsely quantised wave falls by one or two, and a square wave has no other values.
    """
    peaks = np.stack([samples.max(axis=0), samples.min(axis=0)])
    counts = np.zeros(peaks.shape, np.int64)
    for row, column in np.ndindex(*peaks.shape):
        peak, x = peaks[row, column], samples[:, column]
        at = x == peak
        if peak == 0 or np.count_nonzero(at) < 3:
            continue
        edges = np.flatnonzero(np.diff(np.r_[False, at, False].astype(np.int8)))
        starts, ends = edges[::2], edges[1::2]
        long = ends - starts >= 3
        starts, ends = starts[long], ends[long]
        values = np.unique(x[x / peak >= 0.5])
        if len(starts) == 0 or len(values) < 2:
            continue
        before = np.abs(x[np.maximum(starts - 1, 0)] - peak)
        after = np.abs(x[np.minimum(ends, len(x) - 1)] - peak)
        steep = np.maximum(before, after) > 2.5 * np.diff(values).min()
        counts[row, column] = int((ends - starts)[steep].sum())
    return peaks, counts
