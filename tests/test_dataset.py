from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch

from conftest import tone, write_tones
from earmark import layouts, recipe
from earmark.dataset import Batches, Features, WholeClips, batch_count, ingest, make_spec, survey
from earmark.errors import DataError, SettingsError
from earmark.frontend import FrontEnd, FrontEndSettings
from earmark.levels import Levels
from earmark.manifest import Manifest
from earmark.windows import WindowPlan

SETTINGS = FrontEndSettings(fft_seconds=0.032, hop_seconds=0.01, n_mels=32, fmin=50, fmax=4000, floor=1e-6)


@pytest.mark.parametrize(
    ("lengths", "rates", "wanted"),
    [
        ([1.0] * 6 + [3.0] * 4, [16_000] * 10, (16_000, 1.0)),
        ([0.1] * 10, [8_000] * 10, (8_000, 0.5)),
        ([30.0] * 3, [96_000] * 3, (96_000, 10.0)),
        ([1.0, 1.2, 1.4, 1.6, 2.0], [8_000] * 3 + [16_000] * 2, (8_000, pytest.approx(1.92))),
    ],
)
def test_rate_and_window_by_the_data(
    tmp_path: Path, lengths: list[float], rates: list[int], wanted: tuple[int, float]
) -> None:
    for i, (length, sr) in enumerate(zip(lengths, rates, strict=True)):
        (tmp_path / "ab"[i % 2]).mkdir(exist_ok=True)
        soundfile.write(tmp_path / "ab"[i % 2] / f"{i}.wav", tone(300, length, sr), sr)
    assert survey(layouts.find(tmp_path)) == wanted


def test_clips_of_uneven_length_have_windows_as_long_as_training_sees(tmp_path: Path) -> None:
    for label in "ab":
        (tmp_path / label).mkdir()
        for i, length in enumerate([2.0, 3.0, 4.0]):
            soundfile.write(tmp_path / label / f"{i}.wav", tone(300, length, 8_000), 8_000)
    manifest = layouts.find(tmp_path)
    assert survey(manifest, 2.5) == (8_000, 2.5)
    assert survey(manifest.take(np.array([2, 5])), 2.5) == (8_000, 4.0)  # of the same length
    even = manifest.take(np.array([2, 5]))
    assert make_spec(even, recipe.load("fast", ["crop_seconds=2.5"])).window_seconds == pytest.approx(4, abs=0.1)
    trimmed = make_spec(even, recipe.load("fast", ["crop_seconds=2.5", "trim_db=40"]))
    assert trimmed.window_seconds == pytest.approx(2.5, abs=0.1)
    for settings in (["short_clip=repeat"], ["network=bands"]):  # no zeros, no training
        assert make_spec(manifest, recipe.load("fast", settings)).window_seconds == pytest.approx(4, abs=0.1)
    assert make_spec(even, recipe.load("fast", ["crop_seconds=0.2", "trim_db=40"])).window_seconds >= 0.5
    with pytest.raises(SettingsError, match=r"stride_seconds is 9; it must not be longer than the window, 4.* s"):
        make_spec(even, recipe.load("fast", ["stride_seconds=9"]))


def test_bad_clips_are_left_out_and_the_counts_add_up(tmp_path: Path) -> None:
    root = write_tones(tmp_path / "tones", clips=4)
    (root / "low" / "text.wav").write_text("no sound")
    (root / "low" / "empty.wav").write_bytes(b"")
    manifest = layouts.find(root)
    clips = ingest(manifest, sr=8_000)
    assert len(manifest) == len(clips.manifest) + len(clips.skipped) == 14
    assert sorted(e.kind for e in clips.skipped) == ["empty", "not-audio"]
    assert len(clips.decoded) == 12


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_names_that_are_no_text_are_told(tmp_path: Path) -> None:
    odd = write_tones(tmp_path / "tones", clips=4).rename(tmp_path / os.fsdecode(b"G\xe4nse"))
    with pytest.raises(DataError, match=r"low/g.*wav: unreadable: its name is not UTF-8; rename it"):
        survey(layouts.find(odd).include(["low"]))
    root = odd.rename(tmp_path / "tones")
    (root / "low" / "g0_0.wav").rename(root / "low" / os.fsdecode(b"G\xe4nse.wav"))
    with pytest.raises(DataError, match=r"the name low/G\\udce4nse.wav is not UTF-8; rename it"):
        layouts.find(root)


def test_clips_are_as_long_as_before_they_were_levelled(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.concatenate([np.zeros(8_000), tone(300), np.zeros(8_000)]), 8_000)
    manifest = Manifest.of(pd.DataFrame([{"path": "a.wav", "label": "a", "start": 0.5, "end": 3.0}]), tmp_path)
    clips = ingest(manifest, sr=8_000, levels=Levels(trim_db=40.0))
    assert clips.seconds(0) == 2.5 > len(clips.waveform(0)) / 8_000


def test_copies_are_one_group_even_through_others(tmp_path: Path) -> None:
    for name, frequency in (("a1", 300), ("a2", 400), ("b1", 400), ("b2", 500), ("c1", 500), ("d1", 600)):
        soundfile.write(tmp_path / f"{name}.wav", tone(frequency, 0.5, seed=frequency), 8_000)
    rows = [{"path": f"{n}.wav", "label": n[0], "group": n[0]} for n in ("a1", "a2", "b1", "b2", "c1", "d1")]
    clips = ingest(Manifest.of(pd.DataFrame(rows), tmp_path), sr=8_000).with_copies_grouped()
    assert clips.manifest.table["group"].tolist() == ["a", "a", "a", "a", "a", "d"]


def test_stretches_and_rows_past_the_end(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", tone(300, 2.0), 8_000)
    rows = pd.DataFrame(
        {"path": ["a.wav"] * 4, "start": [0, 0.5, 1.5, 2.5], "end": [1, 1.5, 2.5, 3], "label": list("xyxy")}
    )
    clips = ingest(Manifest.of(rows, tmp_path), sr=8_000)
    assert len(clips.waveform(1)) == 8_000
    assert np.array_equal(clips.waveform(0)[4_000:], clips.waveform(1)[:4_000])
    assert [e.kind for e in clips.skipped] == ["range", "range"]
    assert "the clip from 1.5 s to 2.5 s lies past the recording's end at 2.000 s" in str(clips.skipped[0])


def test_nothing_usable(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.wav").write_text("no sound")
    manifest = layouts.find(tmp_path)
    with pytest.raises(DataError, match=r"none of its recordings can be used, e\.g\. .*not-audio"):
        survey(manifest)
    with pytest.raises(DataError, match="none of its 1 clips can be used"):
        ingest(manifest, sr=8_000)


@pytest.mark.parametrize(("sr", "hop"), [(8_000, 80), (11_025, 112), (22_050, 224)])
def test_a_hop_left_to_the_data_shares_a_factor_with_the_frame(tones: Path, sr: int, hop: int) -> None:
    spec = make_spec(layouts.find(tones), recipe.load("balanced", [f"sample_rate={sr}", "n_mels=32"]))
    assert round(spec.front_end["hop_seconds"] * sr, 6) == hop
    assert spec.plan.window % hop == spec.plan.stride % hop == 0
    assert recipe.load("balanced", ["fft_seconds=0.01"]).hop_length(22_050, 1.0) == 220  # never longer than the frame


def test_long_windows_may_have_longer_frames() -> None:
    chosen = recipe.load("balanced", ["long_fft_seconds=0.064"])
    assert [chosen.frame_seconds(seconds) for seconds in (0.5, 2.0, 2.1)] == [0.032, 0.032, 0.064]
    assert recipe.load("speech", ["fft_seconds=0.05"]).frame_seconds(5.0) == 0.05  # what is said goes first


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


def test_what_is_not_heard_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = write_tones(tmp_path, clips=2, sr=96_000)
    with caplog.at_level("INFO", logger="earmark"):
        assert make_spec(layouts.find(root), recipe.load()).sample_rate == 32_000
    assert "recorded at 96000 Hz; what is above 16 kHz is not heard (--set sample_rate=96000 keeps it)" in caplog.text
    caplog.clear()
    assert make_spec(layouts.find(root), recipe.load("auto", ["sample_rate=96000"])).sample_rate == 96_000
    assert "not heard" not in caplog.text


@pytest.mark.parametrize(("clips", "batch_size"), [(3, 2), (7, 2), (33, 32), (1, 4), (2, 2), (800, 32)])
def test_no_batch_is_of_one_clip(clips: int, batch_size: int) -> None:
    count = batch_count(clips, batch_size)
    assert min(map(len, np.array_split(np.arange(clips), count))) >= min(2, clips)
    assert count == max(1, round(clips / batch_size)) or batch_size == 2


def test_silence_is_no_copy_of_silence(tmp_path: Path) -> None:
    for label in "ab":
        (tmp_path / label).mkdir()
        soundfile.write(tmp_path / label / "silent.wav", np.zeros(8_000), 8_000)
        soundfile.write(tmp_path / label / "same.wav", tone(300), 8_000)
        soundfile.write(
            tmp_path / label / "soft.wav", 1e-5 * np.random.default_rng(0).normal(size=8_000), 8_000, "PCM_24"
        )
        soundfile.write(tmp_path / label / "dead.wav", np.full(8_000, 0.25), 8_000)  # a channel with an offset
    clips = ingest(layouts.find(tmp_path), sr=8_000).with_copies_grouped()
    groups = dict(zip(clips.manifest.table["path"], clips.manifest.table["group"], strict=True))
    assert groups["a/silent.wav"] != groups["b/silent.wav"]
    assert groups["a/dead.wav"] != groups["b/dead.wav"]
    assert groups["a/same.wav"] == groups["b/same.wav"]
    assert groups["a/soft.wav"] == groups["b/soft.wav"]
