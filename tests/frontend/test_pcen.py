from __future__ import annotations

from typing import Any

import librosa
import numpy as np
import pytest
import scipy.signal
import torch
from hypothesis import given
from references import Array, cases, examples, features, front_end, librosa_mel, noise, sound

from earmark.frontend.pcen import Pcen, Smoother

pytestmark = pytest.mark.usefixtures("one_thread")

FLOOR = 1e-6  # of the power; with the whole scale of 2 ** 31, librosa's whole numbers of 32 bits squared


def coefficient(frame_rate: float) -> float:
    """Of librosa's smoother with its time constant of 0.4 s."""
    frames = 0.4 * frame_rate
    return float((np.sqrt(1 + 4 * frames**2) - 1) / (2 * frames**2))


def check(sr: int, settings: dict[str, Any], samples: Array) -> None:
    """To 1.5e-3, with the power floored at 1e-6 as in the recipes: PCEN raises what lies at rest in quiet bands, rounding too."""
    module = front_end(sr, scale="pcen", floor=FLOOR, **settings)
    power = np.maximum(librosa_mel(module, samples), FLOOR) * 2.0**31
    b = coefficient(sr / module.hop_length)
    resting = (
        scipy.signal.lfilter_zi([b], [1, b - 1]) * power[:, :1]
    )  # librosa starts at 1.0, the front end at the first frame
    expected = librosa.pcen(power, sr=sr, hop_length=module.hop_length, zi=resting)
    found = features(module, samples)[0]
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= 1.5e-3


@examples
@given(case=cases(n_mels=(13, 40), mel_scale=("slaney", "htk")))
def test_equals_librosa(case: tuple[int, dict[str, Any], Array]) -> None:
    check(*case)


@pytest.mark.data
def test_equals_librosa_on_recordings(excerpts: list[tuple[int, Array]]) -> None:
    for sr, samples in excerpts:
        check(sr, {}, samples)


@pytest.mark.parametrize("count", [1, 2, 127, 128, 129, 300])
def test_the_smoother_is_a_first_order_low_pass(count: int) -> None:
    x = np.random.default_rng(count).uniform(size=(2, 3, count))
    state = x[..., :1] * (1 - 0.05)
    expected, _ = scipy.signal.lfilter([0.05], [1, -0.95], x, zi=state)
    found = Smoother(0.05)(torch.from_numpy(x.astype(np.float32))).numpy()
    assert found == pytest.approx(expected, abs=1e-6)


def test_what_stays_the_same_is_normalised_to_a_known_value() -> None:
    found = Pcen(2, 100.0, trained=False)(torch.full((1, 1, 2, 50), 0.01)).numpy()
    x = 0.01 * 2.0**31
    assert found == pytest.approx((x / (1e-6 + x) ** 0.98 + 2) ** 0.5 - 2**0.5, rel=1e-4)


def test_it_levels() -> None:
    loud = noise(16_000)
    module = front_end(16_000, scale="pcen", floor=FLOOR)
    power = front_end(16_000, scale="power", floor=FLOOR)
    change = features(module, loud).mean() / features(module, loud * 0.1).mean()
    assert features(power, loud).mean() / features(power, loud * 0.1).mean() == pytest.approx(100, rel=1e-3)
    assert 1 < change < 1.15  # 100 ** (1 - 0.98) is 1.096, before the root


def test_trained_starts_as_the_fixed_one() -> None:
    samples = sound("late", 16_000)
    fixed, trained = (
        features(front_end(16_000, scale=scale, floor=FLOOR), samples) for scale in ("pcen", "pcen-trained")
    )
    assert np.array_equal(fixed, trained)


def test_trained_learns_gain_bias_and_power_of_every_band() -> None:
    module = front_end(16_000, scale="pcen-trained", floor=FLOOR)
    parameters = dict(module.named_parameters())
    assert {name.rsplit(".", 1)[1]: tuple(p.shape) for name, p in parameters.items()} == {
        "gain": (32, 1),
        "bias": (32, 1),
        "power": (32, 1),
    }
    assert list(front_end(16_000, scale="pcen").parameters()) == []
    module(torch.from_numpy(sound("noise", 16_000))[None]).square().mean().backward()
    for name, parameter in parameters.items():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert (parameter.grad.abs() > 0).all(), name


def test_gradients_point_uphill() -> None:
    module = Pcen(3, 100.0, trained=True).double()
    x = torch.rand(1, 1, 3, 20, generator=torch.Generator().manual_seed(0), dtype=torch.float64) + 0.01
    module(x).sum().backward()
    for parameter in module.parameters():
        assert parameter.grad is not None
        with torch.no_grad():
            step = 1e-6
            parameter += step
            above = module(x).sum()
            parameter -= 2 * step
            below = module(x).sum()
            parameter += step
        assert float((above - below) / (2 * step)) == pytest.approx(float(parameter.grad.sum()), rel=1e-4)
