from __future__ import annotations

from typing import Any

import librosa
import numpy as np
import pytest
import scipy.ndimage
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from references import Array, cases, examples, features, front_end, librosa_mel, librosa_power, sound

from earmark.frontend.stages import Deltas, Image

pytestmark = pytest.mark.usefixtures("one_thread")

SIZES = ((16, 16), (32, 48), (64, 9), (9, 100))


def resized(x: Array, height: int, width: int) -> NDArray[np.float64]:
    """Bilinear, at the centres of the pixels; beyond the outermost centres the edge goes on."""
    rows, columns = (
        (np.arange(size) + 0.5) * old / size - 0.5 for size, old in zip((height, width), x.shape, strict=True)
    )
    at = np.meshgrid(rows, columns, indexing="ij")
    found: NDArray[np.float64] = scipy.ndimage.map_coordinates(x.astype(np.float64), at, order=1, mode="nearest")
    return found


@examples
@given(seed=st.integers(0, 1000), frames=st.integers(9, 60), orders=st.sampled_from((1, 2)))
def test_deltas_equal_librosa(seed: int, frames: int, orders: int) -> None:
    x = np.random.default_rng(seed).normal(size=(5, frames)).astype(np.float32)
    found = Deltas(orders)(torch.from_numpy(x)[None, None])[0].numpy()
    assert np.array_equal(found[0], x)
    assert len(found) == 1 + orders
    for order in range(1, orders + 1):
        assert found[order] == pytest.approx(librosa.feature.delta(x, width=9, order=order, mode="interp"), abs=1e-5)


@pytest.mark.parametrize("name", ["mel", "mfcc", "chroma", "contrast", "mel,chroma"])
def test_deltas_of_features_equal_librosa(name: str) -> None:
    found = features(front_end(16_000, features=name, deltas=2), sound("noisy tone", 16_000))
    for order in (1, 2):
        expected = librosa.feature.delta(found[0], width=9, order=order, mode="interp")
        assert np.abs(found[order] - expected).max() <= 1e-5 * max(1, np.abs(found[0]).max())


def test_differences_of_a_parabola() -> None:
    time = torch.arange(30.0)
    value, slope, bend = Deltas(2)((0.5 * time**2 - 3 * time)[None, None, None])[0, :, 0]
    assert value[10] == 20
    assert slope[4:-4].numpy() == pytest.approx(time[4:-4].numpy() - 3, abs=1e-4)
    assert bend.numpy() == pytest.approx(np.ones(30), abs=1e-4)


def check_picture(sr: int, settings: dict[str, Any], samples: Array) -> None:
    """To 1e-4 of white; 80 dB under the peak lies above the floor of 1e-10, which is librosa's too."""
    name, scale = settings.pop("name", "mel"), settings.pop("scale", "log")
    height, width = settings.pop("size", (32, 48))
    module = front_end(sr, features=name, scale=scale, image_height=height, image_width=width, **settings)
    power = (librosa_mel if name == "mel" else librosa_power)(module, samples)
    brightness = librosa.power_to_db(power, ref=np.max, amin=1e-10, top_db=80) / 80 + 1
    found = features(module, samples)
    assert found.shape == (1, height, width)
    assert np.abs(found[0] - resized(brightness, height, width)).max() <= 1e-4


@examples
@given(case=cases(size=SIZES, name=("mel", "stft"), scale=("log", "db")))
def test_picture_equals_librosa_and_scipy(case: tuple[int, dict[str, Any], Array]) -> None:
    check_picture(*case)


@pytest.mark.data
def test_picture_equals_librosa_and_scipy_on_recordings(excerpts: list[tuple[int, Array]]) -> None:
    for sr, samples in excerpts:
        check_picture(sr, {"size": (224, 224)}, samples)


def test_picture_of_another_range() -> None:
    levels = torch.tensor([[0.0, -10.0, -30.0, -60.0]])[None, None]
    found = Image(1, 4, 40.0, decibels=True)(levels)[0, 0, 0].numpy()
    assert found == pytest.approx([1.0, 0.75, 0.25, 0.0], abs=1e-6)
    logarithms = Image(1, 4, 40.0, decibels=False)(levels * (np.log(10) / 10))[0, 0, 0].numpy()
    assert logarithms == pytest.approx(found, abs=1e-6)


def test_a_picture_knows_no_gain() -> None:
    module = front_end(16_000, image_height=32, image_width=32, floor=1e-12)
    samples = sound("noise", 16_000, level=0.01)
    assert features(module, 100 * samples) == pytest.approx(features(module, samples), abs=1e-4)


def test_differences_of_a_picture_run_over_its_width() -> None:
    found = features(front_end(16_000, image_height=16, image_width=24, deltas=1), sound("late", 16_000))
    assert found.shape == (2, 16, 24)
    assert found[1] == pytest.approx(librosa.feature.delta(found[0], width=9, order=1, mode="interp"), abs=1e-5)


@examples
@given(case=cases(level_range_db=(20.0, 40.0)))
def test_a_level_taken_out_equals_librosa(case: tuple[int, dict[str, Any], Array]) -> None:
    sr, settings, samples = case
    module = front_end(sr, **settings)
    power = np.maximum(librosa_mel(module, samples), module.floor)
    expected = np.maximum(np.log(power / power.mean()), -settings["level_range_db"] * np.log(10) / 10)
    assert features(module, samples)[0] == pytest.approx(expected, abs=2e-3)


def test_what_has_its_level_taken_out_knows_no_gain() -> None:
    module = front_end(16_000, level_range_db=40.0, floor=1e-12)
    samples = sound("chord", 16_000, level=0.01)
    assert features(module, 50 * samples) == pytest.approx(features(module, samples), abs=1e-3)
    assert features(module, np.zeros(8_000)) == pytest.approx(0, abs=1e-5)
