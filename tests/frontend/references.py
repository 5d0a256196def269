"""Sounds, settings, and what librosa makes of them: the measure of the front end.

Everything agrees to 1e-4 of the clip's peak before a logarithm and to 1e-3 after it. The second needs a floor, since a bin far
under the peak is the rounding of a Fourier transform in float32, in any implementation: 70 dB under the clip's peak for power at
each frequency or in a band (`BELOW`), 60 dB for what mixes many logarithms (`BELOW_MIXED`).
"""

from __future__ import annotations

import dataclasses
from typing import Any

import hypothesis
import librosa
import numpy as np
import torch
from hypothesis import strategies as st
from numpy.typing import NDArray

from earmark.frontend.front_end import FrontEnd, FrontEndSettings

Array = NDArray[np.float32]
RATES = (8_000, 16_000, 22_050, 32_000)
BASE = FrontEndSettings(fft_seconds=0.032, hop_seconds=0.01, n_mels=32, fmin=50, fmax=4_000, floor=1e-10)
BELOW, BELOW_MIXED = 1e-7, 1e-6

examples = hypothesis.settings(max_examples=25, derandomize=True)
"""The same sounds in every run."""


def front_end(sr: int, **changes: Any) -> FrontEnd:
    """With `BASE` and these changes; ``fmax`` is half the rate unless given."""
    return FrontEnd(sr, dataclasses.replace(BASE, **({"fmax": sr / 2} | changes))).eval()


def features(module: FrontEnd, samples: NDArray[Any]) -> Array:
    """Of one clip, shape (channels, height, frame)."""
    with torch.inference_mode():
        found: Array = module(torch.from_numpy(np.asarray(samples, np.float32))[None])[0].numpy()
    return found


def rows(module: FrontEnd, samples: NDArray[Any]) -> Array:
    """Of one clip, shape (row, frame)."""
    with torch.inference_mode():
        found: Array = module.rows(torch.from_numpy(np.asarray(samples, np.float32))[None])[0].T.numpy()
    return found


def noise(count: int, seed: int = 0) -> Array:
    """Uniform from -1 to 1."""
    return np.random.default_rng(seed).uniform(-1, 1, count).astype(np.float32)


def sound(kind: str, sr: int, *, seconds: float = 0.35, level: float = 0.5, frequency: float = 1000.0) -> Array:
    """Noise, a pure tone, a tone in faint noise, a chord, silence, or noise that begins after silence."""
    count = round(seconds * sr)
    time = np.arange(count) / sr
    made = {
        "noise": noise(count),
        "tone": np.sin(2 * np.pi * frequency * time),
        "noisy tone": np.sin(2 * np.pi * frequency * time) + 0.01 * noise(count),
        "chord": sum(np.sin(2 * np.pi * frequency * ratio * time) for ratio in (0.5, 1.0, 1.5)) / 3,
        "silence": np.zeros(count),
        "late": noise(count) * (time > seconds / 2),
    }[kind]
    return (np.asarray(made) * level).astype(np.float32)


KINDS = ("noise", "tone", "noisy tone", "chord", "silence", "late")


@st.composite
def cases(draw: st.DrawFn, kinds: tuple[str, ...] = KINDS, **own: Any) -> tuple[int, dict[str, Any], Array]:
    """Rate, settings and samples; ``own`` are lists of further settings to choose from."""
    sr = draw(st.sampled_from(RATES))
    fft = draw(st.sampled_from((0.02, 0.032, 0.05, 0.064)))
    settings = {"fft_seconds": fft, "hop_seconds": fft * draw(st.sampled_from((0.25, 0.4, 1.0)))}
    settings |= {name: draw(st.sampled_from(values)) for name, values in own.items()}
    level, frequency = draw(st.sampled_from((1.0, 0.1, 1e-3))), draw(st.floats(100, 0.3 * sr))
    return sr, settings, sound(draw(st.sampled_from(kinds)), sr, level=level, frequency=frequency)


def librosa_power(module: FrontEnd, samples: Array) -> Array:
    """Shape (frequency, frame)."""
    spectrum = librosa.stft(
        samples, n_fft=module.n_fft, win_length=module.win_length, hop_length=module.hop_length, center=False
    )
    return np.asarray(np.abs(spectrum) ** 2, np.float32)


def librosa_mel(module: FrontEnd, samples: Array) -> Array:
    """Shape (band, frame); HTK's own filters reach 1.0, slaney's have the same area."""
    s = module.settings
    bands = librosa.feature.melspectrogram(
        S=librosa_power(module, samples), sr=module.sr, n_fft=module.n_fft, n_mels=s.n_mels, fmin=s.fmin, fmax=s.fmax,
        htk=s.mel_scale == "htk", norm=None if s.mel_scale == "htk" else "slaney",
    )  # fmt: skip
    return np.asarray(bands, np.float32)


def assert_power(found: Array, expected: Array, floor: float) -> None:
    """1e-4 of the peak."""
    expected = np.maximum(expected, floor)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= 1e-4 * expected.max()


def assert_logarithm(found: Array, expected: Array, floor: float) -> None:
    """1e-3 of the natural logarithm of the expected power, above the floor and `BELOW` the peak."""
    cut = max(floor, BELOW * float(expected.max()))
    assert np.abs(np.maximum(found, np.log(cut)) - np.log(np.maximum(expected, cut))).max() <= 1e-3
