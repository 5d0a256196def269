from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from earmark.training import augment

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
        lambda r: augment.cutmix(x, torch.eye(6), r)[0],
        lambda r: augment.filter_augment(x, 6.0, FLOOR, r, log=LOG),
        lambda r: augment.mixstyle(x, 0.4, r, log=LOG),
        lambda r: augment.noise(x, 1.0, 0.0, r, log=LOG),
        lambda r: augment.reverb(x, 1.0, 8.0, r, log=LOG),
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


def test_mixup_adds_powers_by_the_amplitudes_of_between_class_learning(x: torch.Tensor) -> None:
    x = x + torch.linspace(-4, 4, 6)[:, None, None, None]  # loud clips and quiet ones
    mixed, targets = augment.mixup(x, torch.eye(6), 1.0, rng(), log=LOG)
    assert torch.allclose(targets.sum(1), torch.ones(6))
    assert torch.all(targets.diagonal() >= 0.5 - 1e-6)
    decibels = 10 * x.exp().mean(dim=(1, 2, 3)).log10()
    for own, (clip, target) in enumerate(zip(mixed, targets, strict=True)):
        for other in (set(target.nonzero().flatten().tolist()) - {own}) or {own}:
            ratio = 10 ** ((decibels[own] - decibels[other]) / 20) * (1 - target[own]) / target[own]
            p = 1 / (1 + ratio)  # equation 2 of arXiv 1711.10282
            power = (p**2 * x[own].exp() + (1 - p) ** 2 * x[other].exp()) / (p**2 + (1 - p) ** 2)
            assert torch.allclose(clip.exp(), power, rtol=1e-3)


def test_what_a_mix_sounds_like_does_not_depend_on_the_levels(x: torch.Tensor) -> None:
    levels = torch.linspace(-4, 4, 6)[:, None, None, None]
    mixed, louder = (augment.mixup(clips, torch.eye(6), 1.0, rng(), log=LOG)[0] for clips in (x, x + levels))
    offsets = louder - mixed
    assert torch.allclose(offsets, offsets[:, :1, :1, :1].expand_as(offsets), atol=1e-4)
    assert offsets.abs().max() > 1


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
    linear = torch.einsum("ab,bcde->acde", targets, x)
    assert torch.allclose(mixed[:, :, 10:], linear[:, :, 10:], atol=1e-5)
    assert torch.allclose(augment.mixup(x, torch.eye(6), 0.4, rng(), log=~LOG)[0], linear, atol=1e-5)


def test_a_response_is_the_same_in_every_frame_and_within_bounds(x: torch.Tensor) -> None:
    difference = augment.filter_augment(x, 6.0, FLOOR, rng(), log=LOG) - x
    assert torch.allclose(difference, difference[..., :1].expand_as(difference), atol=1e-5)
    assert 0.1 < difference.abs().max() <= 6 * math.log(10) / 10
    bends = difference[:, 0, :, 0].diff(n=2).abs() > 1e-5
    assert torch.all(
        bends.sum(1) <= 2 * 4
    )  # at most four corners between its ends, each of which two second differences see
    assert torch.equal(augment.filter_augment(x, 6.0, FLOOR, rng(), log=~LOG), x)


def test_mixstyle_gives_rows_levels_and_ranges_between_two_clips(x: torch.Tensor) -> None:
    x = x * torch.arange(1, 7)[:, None, None, None] + torch.arange(6)[:, None, None, None]
    styled = augment.mixstyle(x, 0.4, rng(), log=LOG)
    mean, deviation = styled.mean(-1), styled.std(-1)
    assert torch.all(mean >= x.mean(-1).amin(0) - 1e-4) and torch.all(mean <= x.mean(-1).amax(0) + 1e-4)
    assert torch.all(deviation >= x.std(-1).amin(0) * 0.99) and torch.all(deviation <= x.std(-1).amax(0) * 1.01)
    z, before = ((y - y.mean(-1, keepdim=True)) / y.std(-1, keepdim=True) for y in (styled, x))
    assert torch.allclose(z, before, atol=1e-2)  # what happens in time is left


@pytest.mark.parametrize("seed", range(4))
def test_splice_takes_one_block_and_its_share_of_the_target(x: torch.Tensor, seed: int) -> None:
    x = torch.arange(6.0)[:, None, None, None].expand(6, 1, 16, 400).contiguous()
    spliced, targets = augment.cutmix(x, torch.eye(6), rng(seed))
    assert torch.allclose(targets.sum(1), torch.ones(6))
    assert torch.all(targets.diagonal() >= 0.5 - 1e-6)
    for number, clip in enumerate(spliced[:, 0]):
        foreign = clip != number
        rows, columns = foreign.any(dim=1), foreign.any(dim=0)
        assert torch.equal(foreign, rows[:, None] & columns[None])
        assert rows.all() or columns.all() or not foreign.any()
        axis = 400 if rows.all() else 16
        assert foreign.float().mean() == pytest.approx(1 - float(targets[number, number]), abs=1.01 / axis)


def test_noise_has_the_stated_ratio_and_only_adds() -> None:
    quiet = torch.full((400, 1, 16, 40), -20.0)
    loud = quiet.clone()
    loud[:, :, 3, 7] = 0.0  # all of the clip's power is in one place, so that the rest shows the noise
    noisy = augment.noise(loud, 1.0, 10.0, rng(), log=LOG)
    assert torch.all(noisy >= loud)
    noise = noisy.exp()
    noise[:, :, 3, 7] = noise[:, :, 3, 8]
    ratio = 10 * torch.log10(loud.exp().mean((1, 2, 3)) / noise.mean((1, 2, 3)))
    assert 8.5 < ratio.min() < 12 and 38 < ratio.max() < 41.5
    slope = 10 * torch.log10(noise[:, 0, -1].mean(-1) / noise[:, 0, 0].mean(-1))
    assert -24 < slope.min() < -15 and 15 < slope.max() < 24
    untouched = (augment.noise(loud, 0.25, 10.0, rng(), log=LOG) == loud).all(3).all(2).all(1).float().mean()
    assert untouched == pytest.approx(0.75, abs=0.08)
    assert torch.equal(augment.noise(loud, 1.0, 10.0, rng(), log=~LOG), loud)


def test_a_room_decays_evenly_and_adds_at_most_the_sound_again() -> None:
    click = torch.full((50, 1, 16, 60), -40.0)
    click[..., 10] = 0.0
    heard = augment.reverb(click, 1.0, 20.0, rng(), log=LOG)
    assert torch.all(heard >= click - 1e-4)
    assert torch.all(heard[..., :11] <= click[..., :11] + math.log(2))  # before the click, only what there is sounds on
    added = heard.exp().sum(-1) - click.exp().sum(-1)
    assert torch.all(added <= 1.001) and added.max() > 0.9
    steps = heard[:, 0, 0, 11:15].diff(dim=-1)  # the same from frame to frame, and at least 60 dB in 20 frames
    slow = steps[steps[:, 0] > -5]  # others are soon at the floor
    assert torch.allclose(slow, slow[:, :1].expand_as(slow), atol=0.02)
    assert steps.max() == pytest.approx(-6 * math.log(10) / 20, rel=0.1)
    assert torch.equal(augment.reverb(click, 0.0, 20.0, rng(), log=LOG), click)
