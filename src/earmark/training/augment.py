"""Augmentation of the front end's rows: parameters are drawn from a NumPy generator, then applied purely.

All take and return tensors of shape (batch, 1, row, frame), `spec_augment` what the network sees; every clip of the batch gets its
own draw. They run between the front end's steps or after them, in training alone, so that none is ever part of the exported model.
``log`` says of each row, shape (row, 1), whether it is the logarithm of a power: levels add there, and sounds add in power. A
change of polarity changes no power, so that there is none here; a change of speed is `stretch` along both axes.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from earmark.audio.filters import DECIBELS


def roll(x: Tensor, largest: float, rng: np.random.Generator) -> Tensor:
    """Shift each clip in time, round its end, by up to ``largest`` of its length either way."""
    frames = x.shape[-1]
    shift = (_uniform(x.shape[0], rng, x) * 2 - 1) * largest * frames
    index = (torch.arange(frames, device=x.device)[None] - shift.round().long()[:, None]) % frames
    return x.gather(-1, index[:, None, None].expand(-1, x.shape[1], x.shape[2], -1))


def gain(x: Tensor, largest_db: float, floor: float, rng: np.random.Generator, *, log: Tensor) -> Tensor:
    """Change each clip's level by up to ``largest_db`` either way; ``floor`` is the power at the bottom of the log rows."""
    db = (_uniform(x.shape[0], rng, x) * 2 - 1) * largest_db
    louder = (x + (db / DECIBELS)[:, None, None, None]).clamp(min=math.log(floor))
    return torch.where(log, louder, x)


def stretch(x: Tensor, time: float, frequency: float, rng: np.random.Generator) -> Tensor:
    """Play each clip slower or faster by a factor of up to ``1 + time``, and warp its frequency axis by up to ``1 + frequency``.

    One bilinear resampling of the picture; what lies beyond its edges repeats them.
    """
    factors = [torch.exp((_uniform(x.shape[0], rng, x) * 2 - 1) * math.log1p(largest)) for largest in (time, frequency)]
    # The time axis is scaled about a random point, the frequency axis about its low end, where warping leaves little to move.
    offsets = [(1 - factors[0]) * (_uniform(x.shape[0], rng, x) * 2 - 1), factors[1] - 1]
    # What affine_grid gives, where one axis does not depend on the other: x lies from -1 to 1. On a CPU that takes milliseconds.
    across, along = (
        factor[:, None] * ((2 * torch.arange(size, device=x.device) + 1) / size - 1) + offset[:, None]
        for factor, offset, size in zip(factors, offsets, (x.shape[3], x.shape[2]), strict=True)
    )
    shape = (x.shape[0], x.shape[2], x.shape[3])
    places = torch.stack([across[:, None].expand(shape), along[:, :, None].expand(shape)], dim=-1)
    return F.grid_sample(x, places, padding_mode="border", align_corners=False)


def mixup(x: Tensor, targets: Tensor, alpha: float, rng: np.random.Generator, *, log: Tensor) -> tuple[Tensor, Tensor]:
    """Add another clip of the batch to each, and mix their targets alike (Zhang et al. 2018, arXiv 1710.09412).

    Log rows are added in power, by shares of the amplitude that even out the clips' levels first: a quiet clip that is half of the
    target is half of what is heard (between-class learning, Tokozume et al. 2018, arXiv 1711.10282).

    Parameters
    ----------
    x : Tensor, shape (batch, 1, row, frame)
    targets : Tensor, shape (batch, class)
        Probabilities.
    alpha : float
        Shares are drawn from Beta(alpha, alpha).
    log : Tensor of bool, shape (row, 1)
    """
    share = _tensor(rng.beta(alpha, alpha, x.shape[0]), x)
    share = torch.maximum(share, 1 - share)
    partner = torch.from_numpy(rng.permutation(x.shape[0])).to(x.device)
    level = x.where(log, -torch.inf).flatten(1).logsumexp(1)
    odds = (2 * share.logit(eps=1e-6) - level + level[partner])[:, None, None, None]
    mixed = torch.logaddexp(x + F.logsigmoid(odds), x[partner] + F.logsigmoid(-odds))
    if not log.all():
        wide = share[:, None, None, None]
        mixed = torch.where(log, mixed, wide * x + (1 - wide) * x[partner])
    return mixed, share[:, None] * targets + (1 - share[:, None]) * targets[partner]


def filter_augment(x: Tensor, largest_db: float, floor: float, rng: np.random.Generator, *, log: Tensor) -> Tensor:
    """Give each clip another microphone: a frequency response of straight lines between points of up to ``largest_db`` either way.

    FilterAugment (Nam et al. 2022, arXiv 2110.03282), its linear kind.
    """
    points = _uniform((x.shape[0], int(rng.integers(3, 7))), rng, x) * 2 - 1
    curve = F.interpolate(points[:, None] * (largest_db / DECIBELS), x.shape[2], mode="linear", align_corners=True)
    filtered = (x + curve[..., None]).clamp(min=math.log(floor))
    return torch.where(log, filtered, x)


def noise(x: Tensor, share: float, least_snr_db: float, rng: np.random.Generator, *, log: Tensor) -> Tensor:
    """Add steady noise of a random colour to a share of the clips.

    The ratio of their mean power to that of the noise is drawn from ``least_snr_db`` to 30 dB above it. The noise rises or falls by
    up to 20 dB from the lowest row to the highest.
    """
    batch, _, rows, _ = x.shape
    slope = (_uniform(batch, rng, x) * 2 - 1) * (10 / DECIBELS)
    colour = slope[:, None] * torch.linspace(-1, 1, rows, device=x.device)
    colour = (colour - colour.logsumexp(1, keepdim=True) + math.log(rows))[:, None, :, None]  # with a mean power of 1
    level = x.where(log, -torch.inf).flatten(1).logsumexp(1) - math.log(max(1, int(log.sum())) * x.shape[-1])
    level = level - (least_snr_db + 30 * _uniform(batch, rng, x)) / DECIBELS
    level = level.where(_uniform(batch, rng, x) < share, -torch.inf)
    # A band's power in one frame comes of a few frequencies, so that it varies from frame to frame.
    draws = torch.empty(3, *x.shape).exponential_(generator=torch.Generator().manual_seed(int(rng.integers(2**62))))
    noisy = torch.logaddexp(x, level[:, None, None, None] + colour + draws.to(x.device).mean(0).log())
    return torch.where(log, noisy, x)


def reverb(x: Tensor, share: float, longest: float, rng: np.random.Generator, *, log: Tensor) -> Tensor:
    """Put a share of the clips into a room whose sound decays by 60 dB within up to ``longest`` frames, all frequencies alike.

    What a diffuse tail adds to the power of a frame is an exponential of the frames before (Polack's model of a room); its energy
    is drawn from nothing to that of the direct sound.
    """
    length = min(x.shape[-1], max(2, math.ceil(longest)))
    decay = 6 * math.log(10) / (1 + _uniform(x.shape[0], rng, x) * (longest - 1))  # of power, in nepers a frame
    tail = torch.exp(-decay[:, None] * torch.arange(length, device=x.device))
    tail[:, 0] = 0
    wet = _uniform(x.shape[0], rng, x) * (_uniform(x.shape[0], rng, x) < share)
    room = wet[:, None] * tail / tail.sum(1, keepdim=True).clamp(min=1e-12)
    room[:, 0] = 1
    power = F.pad(x.exp()[:, 0].transpose(0, 1), (length - 1, 0))  # (row, batch, frame): every clip has its own room
    reverberant = F.conv1d(power, room.flip(1)[:, None], groups=x.shape[0]).transpose(0, 1)[:, None].log()
    return torch.where(log & (wet > 0)[:, None, None, None], reverberant, x)


def mixstyle(x: Tensor, alpha: float, rng: np.random.Generator, *, log: Tensor) -> Tensor:
    """Give each row of each clip a level and a range between its own and those of another clip of the batch.

    MixStyle (Zhou et al. 2021, arXiv 2104.02008) over frequency (Kim et al. 2022, arXiv 2206.12513): rooms, microphones and voices
    differ in these, what is said hardly.
    """
    mean = x.mean(dim=-1, keepdim=True)
    deviation = x.std(dim=-1, keepdim=True) + 1e-3
    share = _tensor(rng.beta(alpha, alpha, x.shape[0]), x)[:, None, None, None]
    partner = torch.from_numpy(rng.permutation(x.shape[0])).to(x.device)
    styled = (x - mean) / deviation * torch.lerp(deviation[partner], deviation, share) + torch.lerp(
        mean[partner], mean, share
    )
    return torch.where(log, styled, x)


def cutmix(x: Tensor, targets: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Put a stretch of time or a band of another clip into each, up to half of it, and mix their targets by that share.

    CutMix (Yun et al. 2019, arXiv 1905.04899) along one axis at a time, as of spectrograms in arXiv 2108.03020.
    """
    axis = -1 if rng.random() < 0.5 else -2
    share = _uniform(x.shape[0], rng, x) / 2
    partner = torch.from_numpy(rng.permutation(x.shape[0])).to(x.device)
    taken = _stretch(x, axis, share, rng)
    return torch.where(taken, x[partner], x), targets.lerp(targets[partner], share[:, None])


def spec_augment(
    x: Tensor,
    *,
    time_masks: int,
    time_mask: float,
    frequency_masks: int,
    frequency_mask: float,
    rng: np.random.Generator,
) -> Tensor:
    """Blank stretches of time and bands of standardised spectrograms (Park et al. 2019, arXiv 1904.08779)."""
    keep = torch.ones_like(x[:, :1, :1, :1], dtype=torch.bool)
    for axis, count, largest in ((-1, time_masks, time_mask), (-2, frequency_masks, frequency_mask)):
        for _ in range(count):
            keep = keep & ~_stretch(x, axis, _uniform(x.shape[0], rng, x) * largest, rng)
    return x * keep


def _stretch(x: Tensor, axis: int, share: Tensor, rng: np.random.Generator) -> Tensor:
    """Where a stretch of this share of an axis lies, at a random place in each clip, True; it broadcasts with ``x``."""
    size = x.shape[axis]
    position = torch.arange(size, device=x.device)[None]
    width = share * size
    start = _uniform(x.shape[0], rng, x) * (size - width)
    within = (position >= start[:, None]) & (position < (start + width)[:, None])
    return within[:, None, None, :] if axis == -1 else within[:, None, :, None]


def _uniform(shape: int | tuple[int, ...], rng: np.random.Generator, like: Tensor) -> Tensor:
    return _tensor(rng.random(shape), like)


def _tensor(values: np.ndarray[Any, np.dtype[np.float64]], like: Tensor) -> Tensor:
    return torch.from_numpy(values.astype(np.float32)).to(like.device)
