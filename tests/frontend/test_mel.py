from __future__ import annotations

from typing import Any

import librosa
import numpy as np
import pytest
from hypothesis import given
from references import (
    BASE,
    BELOW_MIXED,
    RATES,
    Array,
    assert_logarithm,
    assert_power,
    cases,
    examples,
    features,
    front_end,
    librosa_mel,
    librosa_power,
    noise,
    sound,
)

pytestmark = pytest.mark.usefixtures("one_thread")

MEL = {"n_mels": (13, 40), "mel_scale": ("slaney", "htk"), "fmin": (0.0, 50.0, 300.0), "fmax": (3000.0, 4000.0)}


def check_mel(sr: int, settings: dict[str, Any], samples: Array) -> None:
    module = front_end(sr, scale="power", **settings)
    expected = librosa_mel(module, samples)
    assert_power(features(module, samples)[0], expected, BASE.floor)
    assert_logarithm(features(front_end(sr, **settings), samples)[0], expected, BASE.floor)


def check_mfcc(sr: int, settings: dict[str, Any], samples: Array) -> None:
    """To 1e-3 dB, times the lifter's largest factor, with bands floored at `BELOW_MIXED` the clip's peak."""
    expected = librosa_mel(
        front_end(sr, **{k: v for k, v in settings.items() if k not in ("n_mfcc", "lifter")}), samples
    )
    floor = max(BELOW_MIXED * float(expected.max()), 1e-10)
    module = front_end(sr, features="mfcc", floor=floor, **settings)
    coefficients = librosa.feature.mfcc(
        S=librosa.power_to_db(expected, amin=floor, top_db=None), n_mfcc=module.height, dct_type=2, norm="ortho",
        lifter=module.settings.lifter,
    )  # fmt: skip
    found = features(module, samples)[0]
    assert found.shape == coefficients.shape
    assert np.abs(found - coefficients).max() <= 1e-3 * (1 + module.settings.lifter / 2)


@examples
@given(case=cases(**MEL))
def test_mel_equals_librosa(case: tuple[int, dict[str, Any], Array]) -> None:
    check_mel(*case)


@examples
@given(case=cases(**MEL, n_mfcc=(1, 13), lifter=(0.0, 22.0)))
def test_mfcc_equals_librosa(case: tuple[int, dict[str, Any], Array]) -> None:
    check_mfcc(*case)


@pytest.mark.data
@pytest.mark.parametrize("mel_scale", ["slaney", "htk"])
def test_equals_librosa_on_recordings(excerpts: list[tuple[int, Array]], mel_scale: str) -> None:
    for sr, samples in excerpts:
        check_mel(sr, {"mel_scale": mel_scale}, samples)
        check_mfcc(sr, {"mel_scale": mel_scale, "lifter": 22.0}, samples)


@pytest.mark.parametrize("kind", ["noise", "tone", "late", "silence"])
def test_scales(kind: str) -> None:
    samples = sound(kind, 16_000)
    by_scale = {
        s: features(front_end(16_000, features="stft", scale=s), samples)[0] for s in ("log", "db", "magnitude")
    }
    power = np.maximum(librosa_power(front_end(16_000), samples), BASE.floor)
    assert np.abs(by_scale["magnitude"] - np.sqrt(power)).max() <= 1e-4 * np.sqrt(power.max())
    cut = 10 * np.log10(max(1e-7 * power.max(), BASE.floor))  # decibels are 4.3 times the logarithm
    decibels = librosa.power_to_db(power, amin=BASE.floor, top_db=None)
    assert np.abs(np.maximum(by_scale["db"], cut) - np.maximum(decibels, cut)).max() <= 5e-3
    assert by_scale["db"] == pytest.approx(by_scale["log"] * (10 / np.log(10)), rel=1e-6)


@pytest.mark.parametrize("mel_scale", ["slaney", "htk"])
@pytest.mark.parametrize("sr", RATES)
@pytest.mark.parametrize("frequency", [300.0, 1000.0, 3000.0])
def test_a_tone_lands_in_its_band(frequency: float, sr: int, mel_scale: str) -> None:
    bands = librosa.mel_frequencies(34, fmin=50, fmax=sr / 2, htk=mel_scale == "htk")[1:-1]
    spectrum = features(front_end(sr, mel_scale=mel_scale), sound("noisy tone", sr, frequency=frequency))[0].mean(
        axis=1
    )
    assert abs(np.argmax(spectrum) - np.argmin(np.abs(bands - frequency))) <= 1


@pytest.mark.parametrize("name", ["mel", "stft"])
def test_gain_scales_power_and_adds_to_the_logarithm(name: str) -> None:
    quiet = noise(8_000) * 0.1
    levels = [features(front_end(16_000, features=name), samples) for samples in (quiet, 10 * quiet)]
    assert levels[1] - levels[0] == pytest.approx(np.full_like(levels[0], np.log(100)), abs=1e-4)
    powers = [features(front_end(16_000, features=name, scale="power"), samples) for samples in (quiet, 10 * quiet)]
    assert powers[1] == pytest.approx(100 * powers[0], rel=1e-4)
    decibels = [features(front_end(16_000, features=name, scale="db"), samples) for samples in (quiet, 10 * quiet)]
    assert decibels[1] - decibels[0] == pytest.approx(np.full_like(levels[0], 20.0), abs=5e-4)


def test_gain_changes_the_first_coefficient_alone() -> None:
    quiet = noise(8_000) * 0.1
    first, second = (features(front_end(16_000, features="mfcc"), samples)[0] for samples in (quiet, 10 * quiet))
    assert second[0] - first[0] == pytest.approx(np.full(first.shape[1], 20 * np.sqrt(BASE.n_mels)), abs=1e-3)
    assert second[1:] == pytest.approx(first[1:], abs=1e-3)
