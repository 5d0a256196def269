from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.signal
from hypothesis import given
from numpy.typing import NDArray
from references import (
    BASE,
    RATES,
    Array,
    assert_logarithm,
    assert_power,
    cases,
    examples,
    features,
    front_end,
    librosa_power,
    noise,
    rows,
    sound,
)

pytestmark = pytest.mark.usefixtures("one_thread")


def check(sr: int, settings: dict[str, Any], samples: Array) -> None:
    module = front_end(sr, features="stft", scale="power", **settings)
    expected = librosa_power(module, samples)
    assert expected.shape == (module.n_fft // 2 + 1, module.frames(len(samples)))
    assert_power(features(module, samples)[0], expected, BASE.floor)
    assert_logarithm(rows(module, samples), expected, BASE.floor)


@examples
@given(case=cases())
def test_equals_librosa(case: tuple[int, dict[str, Any], Array]) -> None:
    check(*case)


@pytest.mark.data
def test_equals_librosa_on_recordings(excerpts: list[tuple[int, Array]]) -> None:
    for sr, samples in excerpts:
        check(sr, {}, samples)


@pytest.mark.parametrize("sr", RATES)
@pytest.mark.parametrize("fft_seconds", [0.032, 0.05])
def test_parseval(sr: int, fft_seconds: float) -> None:
    module = front_end(sr, features="stft", scale="power", fft_seconds=fft_seconds)
    samples = noise(sr // 4).astype(np.float64)
    power = features(module, samples)[0]
    both_sides = (power[0] + 2 * power[1:-1].sum(axis=0) + power[-1]) / module.n_fft
    window = np.zeros(module.n_fft)
    first = (module.n_fft - module.win_length) // 2
    window[first : first + module.win_length] = scipy.signal.get_window("hann", module.win_length)
    frames: NDArray[np.float64] = np.lib.stride_tricks.sliding_window_view(samples, module.n_fft)[:: module.hop_length]
    assert both_sides == pytest.approx(((frames * window) ** 2).sum(axis=1), rel=1e-5)


@pytest.mark.parametrize("frequency", [250.0, 1000.0, 3125.0])
def test_a_tone_lands_at_its_frequency(frequency: float) -> None:
    module = front_end(16_000, features="stft", scale="power")
    power = features(module, sound("tone", 16_000, frequency=frequency, level=0.5))[0]
    at = round(frequency * module.n_fft / 16_000)  # all three are whole numbers of waves in the frame
    assert (power.argmax(axis=0) == at).all()
    assert power[at] == pytest.approx(
        (0.5 * module.n_fft / 4) ** 2, rel=1e-4
    )  # half the amplitude times the window's sum
    assert power[at - 1 : at + 2].sum(axis=0) == pytest.approx(power.sum(axis=0), rel=1e-5)
