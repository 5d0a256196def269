"""The filter banks against librosa's."""

from __future__ import annotations

import librosa
import numpy as np
import pytest

from earmark.audio import filters

RATES = [(8_000, 256), (16_000, 512), (22_050, 1024), (44_100, 2048)]


@pytest.mark.parametrize("scale", ["slaney", "htk"])
@pytest.mark.parametrize(("fmin", "fmax"), [(0.0, 4000.0), (50.0, 900.0), (1200.0, 3800.0)])
def test_mel_frequencies(fmin: float, fmax: float, scale: str) -> None:
    expected = librosa.mel_frequencies(40, fmin=fmin, fmax=fmax, htk=scale == "htk")
    assert filters.mel_frequencies(40, fmin, fmax, scale=scale) == pytest.approx(expected, rel=1e-12, abs=1e-9)


@pytest.mark.parametrize("scale", ["slaney", "htk"])
@pytest.mark.parametrize(("sr", "n_fft"), RATES)
def test_mel(sr: int, n_fft: int, scale: str) -> None:
    norm = {"slaney": "slaney", "htk": None}[scale]
    expected = librosa.filters.mel(sr=sr, n_fft=n_fft, n_mels=24, fmin=40, fmax=sr / 2, htk=scale == "htk", norm=norm)
    assert np.abs(filters.mel(sr, n_fft, 24, 40, sr / 2, scale=scale) - expected).max() <= 1e-6 * expected.max()


@pytest.mark.parametrize("count", [12, 24, 36, 7])
@pytest.mark.parametrize(("sr", "n_fft"), RATES)
def test_chroma(sr: int, n_fft: int, count: int) -> None:
    expected = librosa.filters.chroma(sr=sr, n_fft=n_fft, n_chroma=count, tuning=0.0)
    assert np.abs(filters.chroma(sr, n_fft, count) - expected).max() <= 1e-6 * expected.max()
