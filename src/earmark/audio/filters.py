"""Filter banks as matrices (NumPy alone): the mel scale's triangles and the pitch classes' bumps, equal to librosa's.

Written out because importing librosa for them takes seconds.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

DECIBELS = float(10 / np.log(10))
"""Of a natural logarithm of power."""
_LINEAR = 200 / 3  # Hz a mel, up to 1000 Hz
_LOGARITHMIC = np.log(6.4) / 27  # of the frequency, a mel, above


def mel_frequencies(count: int, fmin: float, fmax: float, *, scale: str) -> NDArray[np.float64]:
    """Frequencies in Hz at equal distances on the mel axis, ends included.

    Parameters
    ----------
    count : int
    fmin, fmax : float
        Ends in Hz.
    scale : {"slaney", "htk"}
        Linear up to 1000 Hz and logarithmic above (Slaney 1998, Auditory Toolbox), or 2595 log10(1 + f / 700) (Young et al., The
        HTK Book).
    """
    if scale == "htk":
        low, high = (2595 * np.log10(1 + f / 700) for f in (fmin, fmax))
        return np.asarray(700 * (10 ** (np.linspace(low, high, count) / 2595) - 1), np.float64)
    knee = 1000 / _LINEAR
    low, high = (f / _LINEAR if f < 1000 else knee + np.log(f / 1000) / _LOGARITHMIC for f in (fmin, fmax))
    mels = np.linspace(low, high, count)
    return np.asarray(np.where(mels < knee, mels * _LINEAR, 1000 * np.exp(_LOGARITHMIC * (mels - knee))), np.float64)


def mel(sr: int, n_fft: int, n_mels: int, fmin: float, fmax: float, *, scale: str) -> NDArray[np.float32]:
    """Triangles between neighbouring frequencies of the mel axis, shape (n_mels, n_fft // 2 + 1).

    Slaney's have equal areas, HTK's equal heights.
    """
    edges = mel_frequencies(n_mels + 2, fmin, fmax, scale=scale)
    ramps = edges[:, None] - np.fft.rfftfreq(n_fft, 1 / sr)
    widths = np.diff(edges)[:, None]
    filters = np.maximum(0, np.minimum(-ramps[:-2] / widths[:-1], ramps[2:] / widths[1:]))
    if scale == "slaney":
        filters *= 2 / (edges[2:] - edges[:-2])[:, None]
    return np.asarray(filters, np.float32)


def chroma(sr: int, n_fft: int, n_chroma: int) -> NDArray[np.float32]:
    """Bumps about each pitch class in all octaves, C first, tuned to A at 440 Hz, shape (n_chroma, n_fft // 2 + 1).

    Of the Gaussian form and the weight of octaves about 440 Hz of Ellis (2007, Chroma feature analysis and synthesis).
    """
    frequencies = np.arange(1, n_fft) * sr / n_fft
    pitch = n_chroma * np.log2(frequencies / (440 / 16))
    pitch = np.concatenate([pitch[:1] - 1.5 * n_chroma, pitch])  # 0 Hz: an octave and a half below the first
    width = np.concatenate([np.maximum(np.diff(pitch), 1.0), [1.0]])
    half = np.round(n_chroma / 2)
    distance = np.remainder(pitch - np.arange(n_chroma)[:, None] + half, n_chroma) - half
    filters = np.exp(-0.5 * (2 * distance / width) ** 2)
    filters /= np.linalg.norm(filters, axis=0)
    filters *= np.exp(-0.5 * ((pitch / n_chroma - 5) / 2) ** 2)
    return np.asarray(np.roll(filters, -3 * (n_chroma // 12), axis=0)[:, : n_fft // 2 + 1], np.float32)
