"""The exported front end gives what torch's gives.

To 1e-4 of the output's largest magnitude. A logarithm near its floor is compared before it is taken, relative to the peak, and
after it, to 1e-3, for what lies no more than 60 dB under the peak (`BELOW_MIXED`); features that mix logarithms get such a floor,
and PCEN, which raises quiet bands to the level of loud ones. Contrast has no floor, and beside a tone its valleys are the rounding
of the Fourier transform: it hears noise here, and tones as one power for both.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from references import BELOW_MIXED, Array, front_end, librosa_power, noise, sound
from torch import nn

from earmark.export.graph import to_onnx
from earmark.frontend.front_end import FEATURES, SCALES, FrontEnd
from earmark.frontend.tonal import Contrast

pytestmark = pytest.mark.usefixtures("one_thread")

RATES = {256: 8_000, 512: 16_000, 1024: 32_000}  # n_fft at 32 ms
MIXED = {"floor": 1e-3, "fft_seconds": 0.032}  # 60 dB under the peaks of `sounds`, some 1000
PCEN_FLOOR = {"mel": 1e-3, "stft": 0.05}  # the same for PCEN; the peaks of frequencies reach 60000
CASES: list[dict[str, Any]] = [
    *(
        {"features": name, "scale": scale, "floor": PCEN_FLOOR[name] if scale.startswith("pcen") else 1e-10}
        for name in ("mel", "stft")
        for scale in SCALES
    ),
    {"mel_scale": "htk"},
    {"hop_seconds": 0.010125},  # 81 samples at 8 kHz: no blocks that it shares with the frame
    {"features": "mfcc", "lifter": 22.0, **MIXED},
    {"features": "chroma"},
    {"features": "contrast"},
    {"features": ",".join(FEATURES), **MIXED},
    {"features": "mel,contrast", "deltas": 1, **MIXED},
    {"features": "mfcc,chroma", "deltas": 2, **MIXED},
    {"scale": "pcen-trained", "deltas": 2, "floor": 1e-6},
    {"level_range_db": 40.0, "deltas": 1},
    {"features": "stft", "level_range_db": 60.0},
    {"image_height": 20, "image_width": 30, **MIXED},
    {"features": "stft", "scale": "db", "image_height": 90, "image_width": 16, "deltas": 2, **MIXED},
]


KINDS = ("noisy tone", "noise", "late", "chord")


def named(changes: dict[str, Any]) -> str:
    return " ".join(f"{name}={value}" for name, value in changes.items() if name not in MIXED)


def sounds(sr: int, batch: int, seconds: float, kinds: tuple[str, ...] = KINDS) -> Array:
    """Several kinds at several levels, shape (batch, time); silence among sixteen."""
    made = [
        sound(kinds[i % len(kinds)], sr, seconds=seconds, level=1 / (1 + i % 3), frequency=0.02 * sr * (1 + i / 5))
        + 0.01 * noise(round(seconds * sr), i)
        for i in range(batch)
    ]
    if batch > 1:
        made[-1] *= 0
    return np.stack(made)


def exported(module: nn.Module, *shape: str | int) -> onnxruntime.InferenceSession:
    """Of waveforms, unless another shape is given."""
    inputs, outputs = (
        {"x": shape or ("batch", "time")},
        {"y": ("batch", "a", "b") if shape else ("batch", "a", "b", "c")},
    )
    proto = to_onnx(module, inputs=inputs, outputs=outputs)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])


def assert_equal(module: FrontEnd, found: Array, expected: Array) -> None:
    assert found.shape == expected.shape
    assert found.dtype == np.float32
    scale = 10 / np.log(10) if module.settings.scale == "db" else 1.0
    if (
        module.settings.features in ("mel", "stft")
        and module.settings.scale in ("log", "db")
        and not module.settings.image_height
    ):
        powers = [np.exp(np.asarray(x, np.float64) / scale) for x in (found, expected)]
        assert np.abs(powers[0] - powers[1]).max() <= 1e-4 * powers[1].max()
        cut = scale * np.log(BELOW_MIXED * powers[1].max())
        found, expected = np.maximum(found, cut), np.maximum(expected, cut)
        assert np.abs(found - expected).max() <= 1e-3 * scale
    difference, tolerance = np.abs(found - expected), 1e-4 * np.abs(expected).max()
    if "contrast" in module.settings.names:
        # The least of some hundred magnitudes of noise is now and then so small that it is the transform's rounding.
        assert difference.max() <= 0.1
        assert np.quantile(difference, 0.999) <= tolerance
    else:
        assert difference.max() <= tolerance


@pytest.mark.parametrize("n_fft", RATES)
@pytest.mark.parametrize("changes", CASES, ids=named)
def test_equals_torch(changes: dict[str, Any], n_fft: int) -> None:
    sr = RATES[n_fft]
    module = front_end(sr, **changes)
    assert module.n_fft == n_fft
    session = exported(module)
    for batch in (1, 16):
        for seconds in (0.15, 0.31):
            x = sounds(sr, batch, seconds, ("noise",) if "contrast" in module.settings.names else KINDS)
            with torch.inference_mode():
                expected = module(torch.from_numpy(x)).numpy()
            assert_equal(module, np.asarray(session.run(None, {"x": x})[0]), expected)


@pytest.mark.parametrize("sr", RATES.values())
def test_contrast_of_the_same_power_equals_torch(sr: int) -> None:
    module = front_end(sr, features="contrast", contrast_bands=4)
    contrast = Contrast(sr, module.n_fft, module.settings)
    clips = [sound(kind, sr, frequency=frequency) for kind in ("tone", "chord", "late") for frequency in (300.0, 999.0)]
    power = np.stack([librosa_power(module, clip).T for clip in clips])
    found = exported(contrast, "batch", "frame", module.n_fft // 2 + 1).run(None, {"x": power})[0]
    assert found == pytest.approx(contrast(torch.from_numpy(power)).numpy(), abs=1e-4)


@pytest.mark.parametrize("changes", [{}, {"features": "stft,chroma", "deltas": 1}], ids=named)
def test_statistics_are_inside(changes: dict[str, Any]) -> None:
    module = front_end(16_000, **changes, floor=1e-3)
    rng = torch.Generator().manual_seed(0)
    shape = (module.channels, module.height)
    module.set_statistics(torch.randn(shape, generator=rng), torch.rand(shape, generator=rng) + 0.5)
    x = sounds(16_000, 3, 0.3)
    with torch.inference_mode():
        expected = module(torch.from_numpy(x)).numpy()
    found = np.asarray(exported(module).run(None, {"x": x})[0])
    assert np.abs(found - expected).max() <= 1e-4 * np.abs(expected).max()


def test_pcen_as_it_was_trained_is_inside() -> None:
    module = front_end(16_000, scale="pcen-trained", floor=1e-6)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1))
        x = sounds(16_000, 4, 2.0)  # more frames than the smoother takes at a time
        expected = module(torch.from_numpy(x)).numpy()
    assert module.frames(x.shape[1]) > 128
    found = np.asarray(exported(module).run(None, {"x": x})[0])
    assert np.abs(found - expected).max() <= 1e-4 * np.abs(expected).max()
    fixed = front_end(16_000, scale="pcen", floor=1e-6)
    with torch.inference_mode():
        assert np.abs(found - fixed(torch.from_numpy(x)).numpy()).max() > 0.1
