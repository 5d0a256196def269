from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from conftest import tone, write_tones
from earmark.audio.levels import Levels
from earmark.data import layouts
from earmark.data.clips import ingest
from earmark.data.manifest import Manifest
from earmark.errors import DataError, SettingsError
from earmark.training import recipe
from earmark.workflow.describing import make_spec, survey


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
    for settings in (["short_clip=repeat"], ["image_height=64", "image_width=96"]):  # no zeros, no stretches
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
    for label in "ab":
        (tmp_path / label).mkdir()
        (tmp_path / label / "x.wav").write_text(f"no sound of {label}")
    manifest = layouts.find(tmp_path)
    with pytest.raises(DataError, match=r"none of its recordings can be used, e\.g\. .*not-audio"):
        survey(manifest)
    with pytest.raises(DataError, match="none of its 2 clips can be used"):
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


def test_what_is_not_heard_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = write_tones(tmp_path, clips=2, sr=96_000)
    with caplog.at_level("INFO", logger="earmark"):
        assert make_spec(layouts.find(root), recipe.load()).sample_rate == 32_000
    assert "recorded at 96000 Hz; what is above 16 kHz is lost (sample_rate=96000 keeps it)" in caplog.text
    caplog.clear()
    assert make_spec(layouts.find(root), recipe.load("auto", ["sample_rate=96000"])).sample_rate == 96_000
    assert "not heard" not in caplog.text


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
