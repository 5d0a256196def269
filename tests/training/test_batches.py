from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch

from conftest import tone
from earmark.audio.windows import WindowPlan
from earmark.data import layouts
from earmark.data.clips import ingest
from earmark.data.manifest import Manifest
from earmark.frontend.front_end import FrontEnd, FrontEndSettings
from earmark.training.batches import Batches, Features, WholeClips, batch_count

SETTINGS = FrontEndSettings(fft_seconds=0.032, hop_seconds=0.01, n_mels=32, fmin=50, fmax=4000, floor=1e-6)


@pytest.fixture
def features(tones: Path, tmp_path: Path) -> Features:
    return Features(
        FrontEnd(8_000, SETTINGS), ingest(layouts.find(tones), sr=8_000), WindowPlan(8_000, 4_000, "pad"), tmp_path
    )


def test_features_are_the_front_ends(features: Features, tones: Path) -> None:
    front_end = FrontEnd(8_000, SETTINGS)
    clips = ingest(layouts.find(tones), sr=8_000)
    frames = front_end.frames(8_000)
    padded = np.pad(clips.waveform(3), (0, 8_000 - len(clips.waveform(3))))
    expected = front_end.rows(torch.from_numpy(padded)[None])[0].T[None]
    assert torch.equal(features.windows(3, frames)[0], expected)


def test_statistics(features: Features) -> None:
    front_end = FrontEnd(8_000, SETTINGS)
    count = front_end.frames(8_000)
    frames = features.batch(np.arange(30), count, np.random.default_rng(0))[:, 0].transpose(0, 1).flatten(1)
    mean, deviation = features.statistics(front_end, count)
    assert torch.allclose(mean[0], frames.mean(1), atol=1e-4)
    assert torch.allclose(deviation[0], frames.std(1, correction=0), atol=1e-4)


def test_crops_of_short_clips_hold_the_clip_and_not_the_zeros_behind_it(tmp_path: Path) -> None:
    for i, seconds in enumerate((0.2, 0.7, 1.0)):
        soundfile.write(tmp_path / f"{i}.wav", tone(300, seconds), 8_000)
    manifest = Manifest.of(
        pd.DataFrame([{"path": f"{i}.wav", "label": "a", "group": str(i)} for i in range(3)]), tmp_path
    )
    plan = WindowPlan(8_000, 4_000, "pad")
    features = Features(FrontEnd(8_000, SETTINGS), ingest(manifest, sr=8_000), plan, tmp_path)
    rng = np.random.default_rng(0)
    drawn = torch.stack([features.batch(np.arange(3), 40, rng)[:, 0] for _ in range(50)])
    silent = (
        (drawn == drawn[0, 0, :, -1:]).all(2).sum(2)
    )  # frames that are as the last one of the shortest clip, zeros alone
    assert (silent[:, 0] == 20).all()  # 0.2 of 0.4 s: it begins where the clip begins
    assert (silent[:, 1:] == 0).all()
    starts = [len({crop.sum().item() for crop in drawn[:, i]}) for i in range(3)]
    assert starts[0] == 1 < starts[1] < starts[2]


def test_batches_follow_from_seed_and_epoch(features: Features) -> None:
    targets = np.arange(30)

    def epoch(seed: int, number: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
        return list(Batches(features, targets, frames=20, batch_size=8, seed=seed, epoch=number))

    for (x, y), (again, same) in zip(epoch(3, 1), epoch(3, 1), strict=True):
        assert torch.equal(x, again) and torch.equal(y, same)
        assert x.shape == (len(y), 1, 32, 20)
    orders = [torch.cat([y for _, y in epoch(s, e)]).tolist() for s, e in ((3, 1), (3, 2), (4, 1))]
    assert all(sorted(order) == list(range(30)) for order in orders)
    assert orders[0] != orders[1] and orders[0] != orders[2]


def test_whole_clips_give_every_window_of_each(features: Features) -> None:
    targets = np.arange(30)
    sizes = np.diff(features._ends, prepend=0)
    seen = []
    for x, y, clip in WholeClips(features, targets, frames=20, batch_size=8):
        for i, target in enumerate(y.tolist()):
            windows = x[clip == i]
            assert len(windows) == min(4, -(-sizes[target] // 20))
            assert torch.equal(windows[0], features.windows(target, 20)[0])
            assert torch.equal(
                windows[-1][0].T,
                torch.from_numpy(features._frames[features._ends[target] - 20 : features._ends[target]].copy()),
            )
            seen.append(target)
    assert seen == targets.tolist()
    assert len(features.windows(0, 1, 16)) == 16


def test_a_balanced_sampler_draws_every_label_alike() -> None:
    class Rows:
        def batch(self, rows: np.ndarray, *_: object) -> np.ndarray:
            return rows

    def drawn(targets: np.ndarray) -> np.ndarray:
        batches = [
            Batches(Rows(), targets, frames=1, batch_size=10, seed=0, epoch=epoch, balanced=True) for epoch in range(40)
        ]
        return np.concatenate([rows for batch in batches for rows, _ in batch])

    targets = np.array([0] * 80 + [1] * 20)
    shares = np.bincount(targets[drawn(targets)]) / 4000
    assert shares == pytest.approx([0.5, 0.5], abs=0.03)
    several = np.zeros((100, 2), np.int64)
    several[:80, 0] = several[70:, 1] = 1  # ten have both: the rarer one, of 30, says how often they are drawn
    counts = np.bincount(drawn(several), minlength=100) / 4000
    assert counts[70:].mean() / counts[:70].mean() == pytest.approx(80 / 30, rel=0.15)


@pytest.mark.parametrize(("clips", "batch_size"), [(3, 2), (7, 2), (33, 32), (1, 4), (2, 2), (800, 32)])
def test_no_batch_is_of_one_clip(clips: int, batch_size: int) -> None:
    count = batch_count(clips, batch_size)
    assert min(map(len, np.array_split(np.arange(clips), count))) >= min(2, clips)
    assert count == max(1, round(clips / batch_size)) or batch_size == 2
