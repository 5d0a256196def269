from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from earmark import augment

FLOOR = 1e-6
LOG = torch.ones(16, 1, dtype=torch.bool)


@pytest.fixture
def x() -> torch.Tensor:
    return torch.rand(6, 1, 16, 40, generator=torch.Generator().manual_seed(0)) * 4


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_same_generator_same_draws(x: torch.Tensor) -> None:
    for call in (
        lambda r: augment.roll(x, 1.0, r),
        lambda r: augment.gain(x, 6.0, FLOOR, r, log=LOG),
        lambda r: augment.stretch(x, 0.2, 0.1, r),
        lambda r: augment.mixup(x, torch.eye(6), 0.3, r, log=LOG)[0],
        lambda r: augment.spec_augment(x, time_masks=2, time_mask=0.3, frequency_masks=2, frequency_mask=0.3, rng=r),
    ):
        assert torch.equal(call(rng(1)), call(rng(1)))
        assert not torch.equal(call(rng(1)), call(rng(2)))


def test_roll_keeps_every_frame_once(x: torch.Tensor) -> None:
    rolled = augment.roll(x, 1.0, rng())
    for before, after in zip(x, rolled, strict=True):
        shift = next(s for s in range(40) if torch.equal(torch.roll(before, s, dims=-1), after))
        assert 0 <= shift < 40
    assert torch.equal(augment.roll(x, 0.0, rng()), x)


def test_gain_adds_the_same_to_a_whole_clip(x: torch.Tensor) -> None:
    difference = (augment.gain(x, 6.0, FLOOR, rng(), log=LOG) - x).flatten(1)
    assert torch.allclose(difference, difference[:, :1].expand_as(difference), atol=1e-5)
    assert difference.abs().max() <= 6 * math.log(10) / 10
    assert len(set(difference[:, 0].tolist())) == 6
    silence = torch.full_like(x, math.log(FLOOR))
    assert augment.gain(silence, 6.0, FLOOR, rng(), log=LOG).min() == pytest.approx(math.log(FLOOR))


def test_stretch_moves_a_tone_and_an_event(x: torch.Tensor) -> None:
    assert torch.allclose(augment.stretch(x, 0.0, 0.0, rng()), x, atol=1e-5)
    picture = torch.zeros(64, 1, 16, 40)
    picture[:, :, 8] = 1
    warped = augment.stretch(picture, 0.0, 0.25, rng())[:, 0, :, 0]
    rows = (warped * torch.arange(16)).sum(1) / warped.sum(1)
    # A band at 8.5 of 16 edges from the low end goes to 8.5 / factor.
    assert rows.min() == pytest.approx(8.5 / 1.25 - 0.5, abs=0.3) and rows.max() == pytest.approx(
        8.5 * 1.25 - 0.5, abs=0.3
    )
    stretched = augment.stretch(picture, 0.25, 0.0, rng())
    assert torch.allclose(stretched, picture, atol=1e-5)


def test_mixup_adds_powers_and_targets_alike(x: torch.Tensor) -> None:
    mixed, targets = augment.mixup(x, torch.eye(6), 0.4, rng(), log=LOG)
    assert torch.allclose(targets.sum(1), torch.ones(6))
    assert torch.all(targets.diagonal() >= 0.5 - 1e-6)
    power = torch.einsum("bj,jcmt->bcmt", targets, x.exp())
    assert torch.allclose(mixed.exp(), power, rtol=1e-4)


def test_spec_augment_blanks_whole_rows_and_columns(x: torch.Tensor) -> None:
    x = x + 1
    masked = augment.spec_augment(x, time_masks=1, time_mask=0.3, frequency_masks=1, frequency_mask=0.3, rng=rng(3))
    assert torch.all((masked == 0) | (masked == x))
    for clip in masked[:, 0] == 0:
        rows, columns = clip.all(dim=1), clip.all(dim=0)
        assert torch.equal(clip, rows[:, None] | columns[None])
        assert rows.sum() <= math.ceil(0.3 * 16) and columns.sum() <= math.ceil(0.3 * 40)
    assert torch.equal(
        augment.spec_augment(x, time_masks=0, time_mask=0, frequency_masks=0, frequency_mask=0, rng=rng()), x
    )


def test_rows_that_are_no_logarithm_are_left_alone_by_gain_and_mixed_linearly(x: torch.Tensor) -> None:
    log = torch.arange(16)[:, None] < 10
    louder = augment.gain(x, 6.0, FLOOR, rng(), log=log)
    assert torch.equal(louder[:, :, 10:], x[:, :, 10:])
    assert torch.equal(louder[:, :, :10], augment.gain(x, 6.0, FLOOR, rng(), log=LOG)[:, :, :10])
    mixed, targets = augment.mixup(x, torch.eye(6), 0.4, rng(), log=log)
    assert torch.allclose(mixed[:, :, 10:], torch.einsum("ab,bcde->acde", targets, x)[:, :, 10:], atol=1e-5)
