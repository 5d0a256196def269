"""What the mean of the channels does to a recording, and the facts that are measured while it is decoded."""

from __future__ import annotations

import io
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import earmark
from conftest import write_tones
from earmark import audio
from earmark.data import inspection, layouts
from earmark.data.cache import Cache
from earmark.data.clips import ingest
from earmark.errors import AudioError
from earmark.types import Facts

SR = 16_000
RNG = np.random.default_rng(0)
NOISE = (0.1 * RNG.normal(size=(5 * SR, 16))).astype(np.float32)
X = NOISE[:, 0]
HUM = (0.3 * np.sin(2 * np.pi * 50 * np.arange(len(X)) / SR)).astype(np.float32)


def channels(*columns: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.stack(columns, axis=1).astype(np.float32)


def facts(samples: NDArray[np.float32], channel: int | None = None) -> Facts:
    measure = audio.Measure(channel)
    audio.from_array(samples, SR, wanted=SR, channel=channel, measure=measure)
    return measure.facts()


def kinds(samples: NDArray[np.float32], channel: int | None = None) -> set[str]:
    return {kind for kind, _ in facts(samples, channel).remarks}


@pytest.mark.parametrize(
    "samples",
    [
        channels(X, -X), channels(X, -0.8 * X), channels(0.65 * X, -X), channels(X + 0.1 * NOISE[:, 1], 0.1 * NOISE[:, 2] - X),
        channels(X + 0.3, 0.3 - X), channels(X + HUM, HUM - X), channels(X, X, -X, -X), channels(X, -X, 0 * X),
        channels(X, -X)[:2_000], channels(0.003 * X, -0.003 * X),
    ],
)  # fmt: skip
def test_channels_of_opposite_sign_cancel(samples: NDArray[np.float32]) -> None:
    assert "cancelled" in kinds(samples)
    assert kinds(samples, channel=0) == set()


def test_how_much_is_cancelled_is_said() -> None:
    assert facts(channels(X, -X)).cancelled == "its channels cancel each other: their mean is gone"
    assert facts(channels(X, -0.8 * X)).cancelled == "its channels cancel each other: their mean is 19 dB below them"


def music(seed: int) -> NDArray[np.float32]:
    """Notes at places of their own between left and right, with some phase between them, and some of a room."""
    rng, time = np.random.default_rng(seed), np.arange(5 * SR) / SR
    out = 0.003 * rng.normal(size=(len(time), 2))
    for _ in range(12):
        frequency, place, phase = rng.uniform(80, 4000), rng.uniform(), rng.uniform(0, 6)
        envelope = np.exp(-2 * (time - rng.uniform(0, 5)) ** 2)
        for side, gain in enumerate((place, 1 - place)):
            out[:, side] += 0.1 * gain * envelope * np.sin(2 * np.pi * frequency * time + phase + 0.3 * rng.normal())
    return out.astype(np.float32)


@pytest.mark.parametrize(
    "samples",
    [
        NOISE[:, :2], NOISE[:, :4], NOISE[:, :8], NOISE, channels(X, X), channels(X, 0.3 * X), channels(X, X + 0.5 * NOISE[:, 1]),
        channels(X, -X) * 1e-4, 0 * NOISE[:, :2], channels(X, -0.3 * X), *map(music, range(6)),
    ],
)  # fmt: skip
def test_other_channels_do_not(samples: NDArray[np.float32]) -> None:
    assert kinds(samples) == set()


@settings(max_examples=30)
@given(st.integers(2, 16), st.lists(st.floats(-20, 0), min_size=16, max_size=16))
def test_channels_with_nothing_in_common_never_cancel(count: int, levels: list[float]) -> None:
    gains = 10 ** (np.array(levels[:count]) / 20)
    assert kinds((NOISE[: 2 * SR, :count] * gains).astype(np.float32)) == set()


@pytest.mark.parametrize("dead", [0 * X, 1e-4 * NOISE[:, 1], 0 * X + np.float32(0.1)])
def test_a_dead_channel_is_said(dead: NDArray[np.float32]) -> None:
    assert kinds(channels(X, dead)) == {"dead-channel"}
    assert dict(facts(channels(dead, X)).remarks)["dead-channel"].startswith("channel 0 is ")
    assert kinds(channels(X, NOISE[:, 1], dead)) == {"dead-channel"}


@pytest.mark.parametrize("delay", [1, 2, 7, 40, 160])
@pytest.mark.parametrize("gain", [1.0, 0.8, -0.9])
def test_delayed_copies_are_said(delay: int, gain: float) -> None:
    copy = gain * np.roll(X, delay) + 0.02 * NOISE[:, 1]
    found = kinds(channels(X, copy))
    assert found == {"comb"}
    assert kinds(channels(X, copy), channel=1) == set()
    first = float(dict(facts(channels(X, copy)).remarks)["comb"].split()[-2])
    lowest, highest = (SR / (2 * delay), SR / (2 * delay)) if gain > 0 else (0, SR / delay)
    assert lowest * 0.75 - 16 <= first <= highest + 40


# Facts.


@settings(max_examples=25)
@given(st.lists(st.integers(1, 30_000), min_size=1, max_size=8), st.integers(1, 3))
def test_facts_do_not_depend_on_the_blocks(sizes: list[int], count: int) -> None:
    samples = NOISE[:, :count] * (np.arange(len(NOISE)) > 20_000)[:, None]

    def measured(edges: list[int]) -> Facts:
        measure = audio.Measure()
        measure.begin(SR, count, "array")
        for a, b in pairwise(edges):
            measure.push(samples[a:b], samples[a:b].mean(axis=1, dtype=np.float32))
        return measure.facts()

    one, parts = (
        measured([0, len(samples)]),
        measured(sorted({0, *np.minimum(np.cumsum(sizes), len(samples)), len(samples)})),
    )
    for name in ("sr", "channels", "seconds", "peak", "leading", "trailing", "remarks"):
        assert getattr(parts, name) == getattr(one, name)
    assert (parts.rms, *parts.channel_rms) == pytest.approx((one.rms, *one.channel_rms))


@settings(max_examples=25)
@given(st.integers(0, 20_000), st.integers(100, 20_000), st.integers(0, 20_000), st.floats(1e-3, 1))
def test_silence_at_the_ends(before: int, sound: int, behind: int, gain: float) -> None:
    wave = np.concatenate([np.zeros(before), gain * np.sign(X[:sound]), 1e-4 * gain * np.ones(behind)]).astype(
        np.float32
    )
    found = facts(wave)
    assert found.leading == pytest.approx(before / SR, abs=0.0051)
    assert found.trailing == pytest.approx(behind / SR, abs=0.0051)
    assert found.leading <= before / SR and found.trailing <= behind / SR
    assert found.peak == pytest.approx(gain)
    assert found.rms == pytest.approx(gain * np.sqrt(sound / len(wave)), rel=1e-3)


def test_facts_of_silence_are_silence() -> None:
    found = facts(np.zeros(8_000, np.float32))
    assert (found.leading, found.trailing, found.seconds, found.peak) == (0.5, 0.5, 0.5, 0.0)


@pytest.mark.parametrize(
    ("format_", "subtype", "said"),
    [
        ("WAV", "PCM_16", "WAV PCM_16"),
        ("MP3", None, "MP3"),
        ("OGG", "OPUS", "Ogg OPUS"),
        ("FLAC", "PCM_24", "FLAC PCM_24"),
    ],
)
def test_facts_of_a_file(tmp_path: Path, format_: str, subtype: str | None, said: str) -> None:
    soundfile.write(tmp_path / "a", NOISE[:, :2], SR, format=format_, subtype=subtype)
    store = Cache(8_000, folder=tmp_path / "cache")
    decoded = store.get(tmp_path / "a")
    found = decoded.facts()
    assert (found.sr, found.channels, found.encoding, found.seconds, found.remarks) == (SR, 2, said, 5.0, ())
    assert found.channel_rms == pytest.approx((0.1, 0.1), rel=0.1)
    assert found.rms == pytest.approx(0.0707, rel=0.1)
    assert Facts.from_dict(found.to_dict()) == found
    decoded.place.with_suffix(".json").unlink()
    assert decoded.facts() == found  # measured again
    assert inspection.inspect(tmp_path / "a", "a").facts == found
    one = Cache(8_000, channel=1, folder=tmp_path / "cache").get(tmp_path / "a").facts()
    assert one.rms == pytest.approx(one.channel_rms[1])


# Scan, train and predict.


@pytest.fixture
def inverted(tmp_path: Path) -> Path:
    """Class ``low`` is wired backwards, one file of ``high`` has a dead channel."""
    for path in write_tones(tmp_path / "data", clips=4).rglob("*.wav"):
        x, sr = soundfile.read(path)
        y = -x if path.parent.name == "low" else 0 * x if path.name == "g0_0.wav" and path.parent.name == "high" else x
        soundfile.write(path, np.stack([x, y], axis=1), sr, subtype="FLOAT")
    return tmp_path / "data"


def test_ingest_excludes_what_cancels(inverted: Path) -> None:
    manifest = layouts.find(inverted)
    clips = ingest(manifest, sr=8_000)
    assert [e.kind for e in clips.skipped] == ["cancelled"] * 4
    assert "choose one channel with channel=0" in str(clips.skipped[0])
    assert set(clips.manifest.table["label"]) == {"high", "noise"}
    assert clips.remarks == (("high/g0_0.wav", "dead-channel", "channel 1 is silent; channel=0 takes the loudest"),)
    chosen = ingest(manifest, sr=8_000, channel=0)
    assert not chosen.skipped and not chosen.remarks and len(chosen.manifest) == 12


def test_inspection_names_it(inverted: Path) -> None:
    found = inspection.inspect(inverted / "low" / "g0_0.wav", "x")
    assert [kind for kind, _ in found.faults] == ["cancelled"]
    assert found.faults[0][0] in inspection.UNUSABLE
    chosen = inspection.inspect(inverted / "low" / "g0_0.wav", "x", channel=1)
    assert chosen.faults == () and (chosen.channels, chosen.rms > 0.1) == (2, True)
    missing = inspection.inspect(inverted / "low" / "g0_0.wav", "x", channel=2)
    assert [kind for kind, _ in missing.faults] == ["range"]
    assert {"header", "joined", "junk", "dead-channel", "comb"} <= set(inspection.FAULTS) - inspection.UNUSABLE


def test_predict_says_it_before_silence(trained: earmark.Result, tones: Path, tmp_path: Path) -> None:
    model = earmark.load(trained.path)
    x, sr = soundfile.read(tones / "low" / "g0_0.wav", dtype="float32")
    for gain, state in ((-1, "cancelled"), (-0.8, "cancelled"), (1, "ok"), (0, "ok")):
        stereo = np.stack([x, gain * x], axis=1)
        found = model.predict(stereo, sr=sr)
        assert (found.state, len(found.scores)) == (state, 3)
        soundfile.write(tmp_path / "x.wav", stereo, sr, subtype="FLOAT")
        assert model.predict(tmp_path / "x.wav").state == state
    assert model.predict(np.zeros((8_000, 2), np.float32), sr=sr).state == "silence"
    file = io.BytesIO()
    soundfile.write(file, np.stack([x, -x], axis=1), sr, format="FLAC")
    assert model.predict(file.getvalue(), windows=True).state == "cancelled"


def test_a_channel_that_is_not_there_is_refused() -> None:
    with pytest.raises(AudioError, match="no channel 2"):
        facts(channels(X, X), channel=2)
