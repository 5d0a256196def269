"""Laws that every feature obeys, and what the front end says of itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from references import RATES, features, front_end, noise, rows, sound

from earmark.frontend.front_end import FEATURES, SCALES, FrontEnd, hop_length

pytestmark = pytest.mark.usefixtures("one_thread")

ALL = ",".join(FEATURES)
EVERYTHING: list[dict[str, Any]] = [
    *({"features": name} for name in (*FEATURES, ALL)),
    *({"scale": scale} for scale in SCALES),
    *({"features": "stft", "scale": scale} for scale in SCALES),
    {"features": ALL, "deltas": 2},
    {"scale": "pcen-trained", "deltas": 1},
    {"image_height": 24, "image_width": 40},
    {"image_height": 24, "image_width": 40, "deltas": 2, "features": "stft", "scale": "db"},
]


def named(changes: dict[str, Any]) -> str:
    return " ".join(f"{name}={value}" for name, value in changes.items())


@pytest.mark.parametrize("sr", RATES)
def test_frames_and_shapes(sr: int) -> None:
    module = front_end(sr, features=ALL, deltas=2, fft_seconds=0.05)
    time = sr // 2
    assert (module.win_length, module.n_fft) == (sr // 20, {8_000: 512, 16_000: 1024, 22_050: 2048, 32_000: 2048}[sr])
    assert module.hop_length == hop_length(sr, 0.01) == round(0.01 * sr)
    assert module.frames(time) == 1 + (time - module.n_fft) // module.hop_length
    parts = (32, module.n_fft // 2 + 1, 20, 12, {8_000: 6, 16_000: 7, 22_050: 7, 32_000: 7}[sr])
    assert features(module, noise(time)).shape == (3, sum(parts), module.frames(time))
    assert (module.channels, module.height) == (3, sum(parts))
    assert module.row_count == sum(parts) - 20 + 32  # coefficients are made of rows of mel bands
    logs = module.log_rows[:, 0].tolist()
    assert logs == [True] * (32 + parts[1] + 32) + [False] * (12 + parts[4])
    assert not module.one_axis


def test_hop_length_is_one_at_least() -> None:
    assert hop_length(8_000, 1e-9) == 1


@pytest.mark.parametrize("name", FEATURES)
def test_one_axis(name: str) -> None:
    module = front_end(16_000, features=name)
    assert module.one_axis == (name in ("mel", "stft", "mfcc"))
    assert bool(module.log_rows.all()) == module.one_axis


def test_features_are_stacked_in_the_order_of_their_names() -> None:
    samples = sound("noisy tone", 16_000)
    for names in (FEATURES, FEATURES[::-1], ("chroma", "mel")):
        alone = [features(front_end(16_000, features=name), samples) for name in names]
        stacked = features(front_end(16_000, features=", ".join(names)), samples)
        assert stacked == pytest.approx(np.concatenate(alone, axis=1), abs=1e-5)


@pytest.mark.parametrize("changes", EVERYTHING, ids=named)
@pytest.mark.parametrize("kind", ["silence", "late", "one sample"])
def test_silence_is_finite(changes: dict[str, Any], kind: str) -> None:
    samples = np.zeros(8_000, np.float32) if kind == "one sample" else sound(kind, 16_000)
    if kind == "one sample":
        samples[4_000] = 1e-5
    found = features(front_end(16_000, **changes), samples)
    assert np.isfinite(found).all()
    if kind == "silence":  # every frame is the same
        assert found == pytest.approx(np.broadcast_to(found[..., :1], found.shape), abs=1e-5)


@pytest.mark.parametrize("changes", EVERYTHING, ids=named)
def test_a_clip_depends_on_nothing_else_in_the_batch(changes: dict[str, Any]) -> None:
    module = front_end(16_000, **changes)
    loud, quiet, silent = (sound("noisy tone", 16_000, level=level) for level in (1.0, 1e-3, 0.0))
    with torch.inference_mode():
        together = module(torch.from_numpy(np.stack([loud, quiet, silent]))).numpy()
        for found, samples in zip(together, (loud, quiet, silent), strict=True):
            alone = features(module, samples)
            assert np.abs(found - alone).max() <= 1e-6 * max(1.0, np.abs(alone).max())


@pytest.mark.parametrize("name", [*FEATURES, ALL])
def test_a_shift_by_one_hop_shifts_one_frame(name: str) -> None:
    module = front_end(16_000, features=name)
    samples = noise(16_000)
    assert rows(module, samples)[:, 1:] == pytest.approx(rows(module, samples[module.hop_length :]), abs=1e-5)


@pytest.mark.parametrize("name", [*FEATURES, ALL])
def test_windows_are_runs_of_the_recordings_frames(name: str) -> None:
    module = front_end(16_000, features=name)
    samples = noise(48_000)
    window = samples[20 * 160 : 20 * 160 + 199 * 160 + module.n_fft]
    assert module.frames(len(window)) == 200
    assert rows(module, samples)[:, 20:220] == pytest.approx(rows(module, window), abs=1e-5)


@pytest.mark.parametrize("name", ["mel", "mfcc", "chroma", "contrast", ALL])
def test_features_of_a_window_are_runs_too(name: str) -> None:
    """Of features that look at a frame alone; differences, PCEN and pictures look at the window."""
    module = front_end(16_000, features=name)
    samples = noise(16_000)
    window = samples[20 * 160 : 20 * 160 + 39 * 160 + module.n_fft]
    assert features(module, samples)[..., 20:60] == pytest.approx(features(module, window), abs=1e-3)


@pytest.mark.parametrize(
    "changes", [{}, {"features": "mfcc"}, {"features": ALL, "deltas": 2}, {"scale": "pcen", "deltas": 1}], ids=named
)
def test_standardised_to_mean_0_and_deviation_1(changes: dict[str, Any]) -> None:
    module = front_end(16_000, **changes)
    x = torch.from_numpy(np.stack([noise(16_000, seed) * level for seed, level in enumerate((1, 0.5, 0.1, 0.2))]))
    with torch.inference_mode():
        stacked = module(x)
        values = stacked.double().permute(1, 2, 0, 3).flatten(2)
        module.set_statistics(values.mean(2).float(), values.std(2, correction=0).float())
        y = module(x).double().permute(1, 2, 0, 3).flatten(2)
        assert torch.equal(module.standardise(stacked), module(x))
    assert y.shape[:2] == (module.channels, module.height)
    assert y.mean(2).numpy() == pytest.approx(0, abs=2e-4)
    assert y.std(2, correction=0).numpy() == pytest.approx(1, abs=2e-4)


def test_a_row_that_never_changes_is_not_divided_by_0() -> None:
    module = front_end(16_000)
    module.set_statistics(torch.full((1, 32), float(np.log(1e-10))), torch.zeros(1, 32))
    assert features(module, sound("silence", 16_000)) == pytest.approx(0, abs=1e-2)


def test_a_band_that_was_empty_in_training_is_not_blown_up_by_a_sound() -> None:
    module = front_end(16_000)
    std = torch.full((1, 32), 4.0)
    std[0, 20:] = 0
    module.set_statistics(torch.full((1, 32), float(np.log(1e-10))), std)
    values = features(module, noise(16_000))[0]
    assert values[20:].mean() == pytest.approx(values[:20].mean() / 0.15, rel=0.2)


def test_forward_is_rows_stacked_and_standardised() -> None:
    module = front_end(16_000, features=ALL, deltas=1)
    x = torch.from_numpy(noise(8_000))[None]
    with torch.inference_mode():
        found = module.standardise(module.stack(module.rows(x).transpose(1, 2).unsqueeze(1)))
        assert torch.equal(found, module(x))


def test_what_a_bundle_keeps() -> None:
    names = set(front_end(16_000).state_dict())
    assert {"mean", "std", "rows.rows.parts.0.bands.filters", "rows.rows.spectrum.window"} <= names
    trained = set(front_end(16_000, scale="pcen-trained").state_dict())
    assert {"finishes.0.pcen.gain", "finishes.0.pcen.bias", "finishes.0.pcen.power"} <= trained


@pytest.mark.parametrize("size", [1, 500, 7_000, 16_000])
def test_rows_of_blocks_are_those_of_the_whole(size: int) -> None:
    module = front_end(16_000, features="mel,contrast")
    x = torch.from_numpy(noise(16_000))
    found = torch.cat(list(module.rows_of(torch.split(x, size))))
    assert torch.allclose(found, module.rows(x[None])[0], atol=1e-4)


@pytest.mark.data
def test_recordings_are_finite_and_alike_alone_and_together(excerpts: list[tuple[int, np.ndarray]]) -> None:
    for rate in {sr for sr, _ in excerpts}:
        module: FrontEnd = front_end(rate, features=ALL, fft_seconds=0.064)
        clips = [samples for sr, samples in excerpts if sr == rate]
        least = min(len(samples) for samples in clips)
        with torch.inference_mode():
            together = module(torch.from_numpy(np.stack([samples[:least] for samples in clips]))).numpy()
        assert np.isfinite(together).all()
        for found, samples in zip(together, clips, strict=True):
            alone = features(module, samples[:least])
            assert np.abs(found - alone).max() <= 1e-6 * np.abs(alone).max()


def test_gradients_reach_the_waveform() -> None:
    module = front_end(16_000, features=ALL, fft_seconds=0.064)
    x = torch.from_numpy(noise(32_000)).reshape(2, -1).requires_grad_()
    module(x).square().mean().backward()
    assert x.grad is not None and torch.isfinite(x.grad).all() and (x.grad != 0).any(dim=1).all()


def test_small_powers_are_standardised_too() -> None:
    module = front_end(16_000, scale="power", floor=1e-12)
    x = torch.from_numpy(noise(16_000)) * 1e-3
    stacked = module.stack(module.rows(x[None]).transpose(1, 2)[:, None])[0]
    module.set_statistics(stacked.mean(-1), stacked.std(-1, correction=0))
    spread = module(x[None])[0].std(-1, correction=0)
    assert torch.allclose(spread, torch.ones_like(spread), atol=1e-3)
