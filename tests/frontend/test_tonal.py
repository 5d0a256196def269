from __future__ import annotations

from typing import Any

import librosa
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from librosa.feature import spectral
from references import RATES, Array, cases, examples, features, front_end, librosa_power, noise, sound

from earmark.errors import SettingsError
from earmark.frontend.tonal import Contrast, Extremes

pytestmark = pytest.mark.usefixtures("one_thread")

NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")


def check_chroma(sr: int, settings: dict[str, Any], samples: Array) -> None:
    """librosa raises the quietest frame to 1.0; here under 1e-10 it fades, so that such frames are left out."""
    module = front_end(sr, features="chroma", **settings)
    power = librosa_power(module, samples)
    expected = librosa.feature.chroma_stft(S=power, sr=sr, n_fft=module.n_fft, n_chroma=module.height, tuning=0)
    found = features(module, samples)[0]
    heard = (power.max(axis=0) == 0) | (power.max(axis=0) > 1e-6)
    assert found.shape == expected.shape
    assert found[:, heard] == pytest.approx(expected[:, heard], abs=1e-4)
    assert ((found >= 0) & (found <= 1)).all()


def librosa_contrast(power: Array, sr: int, n_fft: int, bands: int) -> tuple[Array, Array]:
    """Contrast and valleys, of shape (band, frame).

    librosa cuts peaks and valleys at 80 dB under the loudest of the clip; the front end at 60 under that of the frame, since no
    frame may depend on another. That cut stands in here.
    """
    given_: list[Array] = []  # the peaks, then the valleys

    def without_cut(levels: Array) -> Array:
        given_.append(levels)
        return librosa.power_to_db(np.maximum(levels, 1e-6 * given_[0].max(axis=0)), top_db=None)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spectral, "power_to_db", without_cut)
        found = librosa.feature.spectral_contrast(S=np.sqrt(power), sr=sr, n_fft=n_fft, n_bands=bands)
    return found, given_[1]


def check_contrast(sr: int, settings: dict[str, Any], samples: Array) -> None:
    """To 1e-3 dB: of the same power everywhere; of the waveform where the valley is heard, 60 dB under the clip's peak or above."""
    settings = settings | {"fft_seconds": 0.064, "hop_seconds": 0.032}
    module = front_end(sr, features="contrast", **settings)
    power = librosa_power(module, samples)
    expected, valleys = librosa_contrast(power, sr, module.n_fft, module.height - 1)
    of_power = Contrast(sr, module.n_fft, module.settings)(torch.from_numpy(power.T.copy())).T.numpy()
    found = features(module, samples)[0]
    assert found.shape == of_power.shape == expected.shape
    assert of_power == pytest.approx(expected, abs=1e-3)
    heard = valleys >= max(1e-3 * float(np.sqrt(power.max())), 1e-10)
    assert found[heard] == pytest.approx(expected[heard], abs=1e-3)
    assert (found[:, power.max(axis=0) == 0] == 0).all()


@examples
@given(case=cases(n_chroma=(6, 12, 24)))
def test_chroma_equals_librosa(case: tuple[int, dict[str, Any], Array]) -> None:
    check_chroma(*case)


@examples
@given(case=cases(contrast_bands=(0, 1, 4)))
def test_contrast_equals_librosa(case: tuple[int, dict[str, Any], Array]) -> None:
    check_contrast(*case)


@pytest.mark.data
def test_equals_librosa_on_recordings(excerpts: list[tuple[int, Array]]) -> None:
    for sr, samples in excerpts:
        check_chroma(sr, {}, samples)
        check_contrast(sr, {}, samples)


def test_contrast_equals_librosa_as_it_comes_where_nothing_lies_80_decibels_under_the_peak() -> None:
    module = front_end(16_000, features="contrast")
    samples = sound("noise", 16_000)
    expected = librosa.feature.spectral_contrast(
        S=np.sqrt(librosa_power(module, samples)), sr=16_000, n_fft=module.n_fft, n_bands=module.height - 1
    )
    assert features(module, samples)[0] == pytest.approx(expected, abs=1e-3)


@given(width=st.integers(2, 700), share=st.sampled_from((0.02, 0.1, 0.5)))
def test_extremes_are_the_ends_of_the_sorted_band(width: int, share: float) -> None:
    count = max(1, round(share * width))
    x = np.random.default_rng(width).exponential(size=(3, width + 2)).astype(np.float32)
    ordered = np.sqrt(np.sort(x[:, 1:-1]))
    expected = np.stack([ordered[:, -count:].mean(axis=1), ordered[:, :count].mean(axis=1)], axis=1)
    for numbers in (x, x.astype(np.float64)):
        found = Extremes([(1, width + 1, count)])(torch.from_numpy(numbers)).numpy()
        assert found == pytest.approx(expected, rel=1e-5)


@given(sr=st.sampled_from((*RATES, 11_025, 12_800, 44_100)), bands=st.integers(1, 9))
def test_contrast_allows_the_octaves_that_librosa_allows(sr: int, bands: int) -> None:
    settings: dict[str, Any] = {"features": "contrast", "contrast_bands": bands, "fft_seconds": 0.05}
    try:
        librosa_contrast(np.ones((1025, 2), np.float32), sr, 2048, bands)
    except librosa.ParameterError:
        with pytest.raises(SettingsError, match=f"setting contrast_bands is {bands}; .* the allowed range is 1 to "):
            front_end(sr, **settings)
    else:
        assert front_end(sr, **settings).height == bands + 1


@pytest.mark.parametrize("sr", RATES)
@pytest.mark.parametrize(
    ("frequency", "name"), [(440.0, "A"), (880.0, "A"), (1760.0, "A"), (523.25, "C"), (1318.51, "E"), (739.99, "F#")]
)
def test_a_tone_lands_in_its_pitch_class(sr: int, frequency: float, name: str) -> None:
    classes = features(front_end(sr, features="chroma", fft_seconds=0.128), sound("tone", sr, frequency=frequency))[0]
    assert classes.shape[1] > 10
    assert (classes.argmax(axis=0) == NAMES.index(name)).all()
    assert (classes.max(axis=0) == 1).all()


@pytest.mark.parametrize("name", ["chroma", "contrast"])
def test_gain_changes_nothing(name: str) -> None:
    module = front_end(16_000, features=name)
    quiet = noise(8_000) * 0.01
    assert features(module, 100 * quiet) == pytest.approx(features(module, quiet), abs=1e-3)


def test_a_tone_contrasts_more_than_noise() -> None:
    module = front_end(16_000, features="contrast", fft_seconds=0.064)
    tonal, even = (
        features(module, sound(kind, 16_000, frequency=600.0))[0].mean(axis=1) for kind in ("noisy tone", "noise")
    )
    assert (tonal - even).argmax() == 2  # 400 to 800 Hz
    assert tonal[2] - even[2] > 20


@pytest.mark.parametrize("sr", [8_000, 12_800, 32_000])
def test_contrast_with_gradients_is_the_same(sr: int) -> None:
    module = front_end(sr, features="contrast", fft_seconds=0.064).rows.rows.parts[0]
    power = torch.from_numpy(np.abs(noise(30 * (module.extremes.bands[-1][1]))).reshape(30, -1))
    plain = module(power)
    power.requires_grad_()
    traced = module(power)
    traced.sum().backward()
    assert torch.allclose(traced, plain, atol=1e-4)
    assert power.grad is not None and torch.isfinite(power.grad).all()


@pytest.mark.parametrize("sr", [16_000, 22_050, 32_000])
def test_a_band_that_a_recording_does_not_reach_holds_no_rounding(sr: int) -> None:
    lower = librosa.resample(noise(sr // 2), orig_sr=sr, target_sr=sr // 4, res_type="soxr_hq")
    samples = librosa.resample(lower, orig_sr=sr // 4, target_sr=sr, res_type="soxr_hq").astype(np.float32)
    module = front_end(sr, features="contrast", fft_seconds=0.064)
    top = features(module, samples)[0, -1, 2:-2]  # the octave above the lower rate
    assert top == pytest.approx(np.zeros(len(top)), abs=1e-3)
