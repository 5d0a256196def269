from __future__ import annotations

import dataclasses

import librosa
import numpy as np
import pytest
import torch

from conftest import tone
from earmark.errors import SettingsError
from earmark.frontend import FrontEnd, FrontEndSettings

SETTINGS = FrontEndSettings(fft_seconds=0.032, hop_seconds=0.01, n_mels=64, fmin=50, fmax=8000, floor=1e-6)


def log_mel(sr: int, samples: np.ndarray, **changes: float) -> np.ndarray:
    module = FrontEnd(sr, dataclasses.replace(SETTINGS, fmax=sr / 2, **changes))
    return module.rows(torch.from_numpy(samples.astype(np.float32))[None])[0].T.numpy()


@pytest.mark.parametrize("sr", [8_000, 16_000, 22_050, 32_000])
@pytest.mark.parametrize("kind", ["noise", "tone", "silence", "quiet"])
def test_equals_librosa(sr: int, kind: str) -> None:
    rng = np.random.default_rng(1)
    samples = {
        "noise": rng.uniform(-1, 1, sr),
        "tone": tone(1000, 1.0, sr),
        "silence": np.zeros(sr),
        "quiet": rng.normal(size=sr) * 1e-4,
    }[kind].astype(np.float32)
    module = FrontEnd(sr, dataclasses.replace(SETTINGS, fmax=sr / 2))
    reference = librosa.feature.melspectrogram(
        y=samples, sr=sr, n_fft=module.n_fft, win_length=module.win_length, hop_length=module.hop_length, center=False,
        n_mels=64, fmin=50, fmax=sr / 2,
    )  # fmt: skip
    mine = module.rows(torch.from_numpy(samples)[None])[0].T.numpy()
    assert mine.shape == reference.shape == (64, module.frames(sr))
    assert np.abs(np.exp(mine) - np.maximum(reference, 1e-6)).max() <= 1e-4 * max(reference.max(), 1e-6)
    assert np.abs(mine - np.log(np.maximum(reference, 1e-6))).max() <= 1e-3


@pytest.mark.parametrize("frequency", [300.0, 1000.0, 3000.0])
def test_a_tone_lands_in_its_band(frequency: float) -> None:
    bands = librosa.mel_frequencies(66, fmin=50, fmax=8000)[1:-1]
    spectrum = log_mel(16_000, tone(frequency, 1.0, 16_000)).mean(axis=1)
    assert abs(np.argmax(spectrum) - np.argmin(np.abs(bands - frequency))) <= 1


def test_ten_times_as_loud_is_twenty_decibels_more() -> None:
    sound = tone(500, 1.0, 16_000) * 0.1
    assert np.allclose(
        log_mel(16_000, 10 * sound, floor=1e-12) - log_mel(16_000, sound, floor=1e-12), np.log(100), atol=1e-3
    )


def test_a_shift_by_one_hop_shifts_one_frame() -> None:
    sound = np.random.default_rng(0).uniform(-1, 1, 16_000)
    assert np.allclose(log_mel(16_000, sound)[:, 1:], log_mel(16_000, sound[160:]), atol=1e-5)


def test_windows_are_runs_of_the_recordings_frames() -> None:
    sound = np.random.default_rng(0).uniform(-1, 1, 16_000)
    assert np.allclose(
        log_mel(16_000, sound)[:, 20:40], log_mel(16_000, sound[3200 : 3200 + 19 * 160 + 512]), atol=1e-5
    )


def test_a_clip_depends_on_nothing_else_in_the_batch() -> None:
    module = FrontEnd(16_000, SETTINGS)
    quiet, loud = (torch.from_numpy(tone(700, 0.5, 16_000) * level) for level in (0.001, 1.0))
    assert torch.allclose(module(torch.stack([quiet, loud]))[0], module(quiet[None])[0], atol=1e-5)


def test_standardisation() -> None:
    module = FrontEnd(16_000, SETTINGS)
    x = module.rows(torch.randn(4, 16_000, generator=torch.Generator().manual_seed(0))).transpose(1, 2)[:, None]
    frames = x[:, 0].transpose(0, 1).flatten(1)
    module.set_statistics(frames.mean(1)[None], frames.std(1, correction=0)[None])
    y = module.standardise(x)[:, 0].transpose(0, 1).flatten(1)
    assert torch.allclose(y.mean(1), torch.zeros(64), atol=1e-4)
    assert torch.allclose(y.std(1, correction=0), torch.ones(64), atol=1e-4)
    assert {"mean", "std", "rows.rows.parts.0.bands.filters", "rows.rows.spectrum.window"} <= set(module.state_dict())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fmax": 9000.0}, "fmax is 9000 Hz; at a rate of 16000 Hz it may be at most 8000"),
        ({"fmin": 8000.0}, "fmin is 8000 Hz; .* lie below fmax"),
        ({"n_mels": 400}, "n_mels is 400; .* would be empty"),
    ],
)
def test_wrong_settings(changes: dict[str, float], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        FrontEnd(16_000, dataclasses.replace(SETTINGS, **changes))
