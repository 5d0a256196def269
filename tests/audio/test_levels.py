"""Laws of the levels, and that training, evaluation and prediction apply the same ones."""

from __future__ import annotations

import io
import json
import logging
from dataclasses import dataclass
from pathlib import Path

import librosa
import numpy as np
import pandas as pd
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

import earmark
from conftest import TINY, tone
from earmark import audio
from earmark.audio.levels import NORMALISE, TARGET_RMS, Levels, sounding
from earmark.data import layouts
from earmark.data.clips import ingest
from earmark.errors import SettingsError
from earmark.frontend.front_end import FrontEnd, FrontEndSettings
from earmark.training.batches import Features

SR = 8_000
EVERY = Levels(remove_dc=True, trim_db=40.0, normalise="peak")
Samples = NDArray[np.float32]


@st.composite
def sounds(draw: st.DrawFn) -> Samples:
    """Noise, a tone, or a burst as of a word or a knock, at any level and offset; from one sample on, often whole hops."""
    length = draw(st.integers(1, 20_000) | st.integers(1, 40).map(lambda n: 512 * n))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    time = np.arange(length)
    shape = draw(st.sampled_from(["noise", "tone", "burst", "steps"]))
    sound = np.sin((time + 1) * rng.uniform(0.01, 3)) if shape == "tone" else rng.normal(size=length)
    if shape == "burst":
        sound *= np.exp(-(((time - rng.uniform(0, length)) / rng.uniform(100, 4_000)) ** 2))
    if shape == "steps":
        sound = 10.0 ** -rng.integers(0, 4, 8)[time * 8 // length]
    gain, offset = draw(st.floats(-5, 0)), draw(st.sampled_from([0.0, 0.0, 0.3]))
    return ((sound / max(1e-9, np.abs(sound).max()) + offset) * 10**gain).astype(np.float32)


def rms(samples: Samples) -> float:
    return float(np.sqrt(np.square(samples, dtype=np.float64).mean()))


@given(sounds())
def test_normalised_to_the_peak_or_the_rms(samples: Samples) -> None:
    peak, level = Levels(normalise="peak").apply(samples), Levels(normalise="rms").apply(samples)
    assert np.abs(peak).max() == 1
    assert rms(level) == pytest.approx(TARGET_RMS, rel=1e-5)
    assert np.array_equal(Levels(normalise="peak").apply(peak), peak)
    assert np.allclose(Levels(normalise="rms").apply(level), level, rtol=1e-6)
    for found in (peak, level):
        assert found.dtype == np.float32
        heard = np.abs(samples) > 1e-35  # below, a product may be too small for a float
        assert np.array_equal(np.sign(found)[heard], np.sign(samples)[heard])


@given(sounds(), st.floats(0.01, 100), st.sampled_from(["peak", "rms"]), st.booleans())
def test_normalised_sound_does_not_tell_its_gain(
    samples: Samples, gain: float, normalise: str, remove_dc: bool
) -> None:
    levels = Levels.from_dict({"normalise": normalise, "remove_dc": remove_dc})
    if remove_dc and np.ptp(samples) < 1e-3 * np.abs(samples).max():
        return  # a constant: what is left of it is rounding
    louder = levels.apply(samples * np.float32(gain))
    assert np.allclose(louder, levels.apply(samples), atol=1e-3 if remove_dc else 1e-5)


@given(sounds())
def test_without_its_mean(samples: Samples) -> None:
    found = Levels(remove_dc=True).apply(samples)
    assert abs(found.mean(dtype=np.float64)) < 1e-7
    assert np.allclose(found - found[0], samples - samples[0], atol=1e-6)
    assert np.allclose(Levels(remove_dc=True).apply(found), found, atol=1e-7)


@given(
    arrays.arrays(np.float32, st.integers(0, 40), elements=st.floats(-(2.0**100), 2.0**100, width=32)),
    st.booleans(),
    st.sampled_from([0.0, 30.0]),
    st.sampled_from(NORMALISE),
)
def test_finite_float32_from_any_numbers(samples: Samples, remove_dc: bool, trim_db: float, normalise: str) -> None:
    levels = Levels.from_dict({"remove_dc": remove_dc, "trim_db": trim_db, "normalise": normalise})
    found = levels.apply(samples)
    assert found.dtype == np.float32 and np.isfinite(found).all()
    assert len(found) == len(samples)  # all of it lies within the first frame


@pytest.mark.parametrize("length", [0, 1, 511, 512, 2_048, 30_000])
def test_silence_stays_as_it_is(length: int) -> None:
    silence = np.zeros(length, np.float32)
    for normalise in NORMALISE:
        assert np.array_equal(Levels(True, 60.0, normalise).apply(silence), silence)


def test_nothing_set_is_nothing_done() -> None:
    samples = tone(300)
    assert np.shares_memory(Levels().apply(samples), samples) and np.array_equal(Levels().apply(samples), samples)
    assert not Levels().whole
    assert all(levels.whole for levels in (Levels(True), Levels(trim_db=60), Levels(normalise="rms")))
    assert (str(Levels()), str(EVERY)) == ("", "mean removed, silence trimmed at 40 dB, scaled to a peak of 1")


@settings(max_examples=300)
@given(sounds(), st.sampled_from([1, 10, 20, 40, 60, 80]))
def test_trim_is_librosas(samples: Samples, top_db: float) -> None:
    first, end = sounding(samples, top_db)
    expected, bounds = librosa.effects.trim(samples, top_db=top_db)
    assert (first, end) == tuple(bounds)
    assert end > first
    found, place = Levels(trim_db=top_db).located(samples)
    assert place == first and np.array_equal(found, expected)


def test_trim_of_more_frames_than_are_held_at_once() -> None:
    samples = np.pad(tone(300, 60.0), (123_456, 234_567)) + tone(50, 60.0, seed=3).mean()
    for top_db in (10, 30, 60):
        assert sounding(samples, top_db) == tuple(librosa.effects.trim(samples, top_db=top_db)[1])


@pytest.mark.data
def test_trim_is_librosas_on_real_recordings(recordings: Path) -> None:
    shorter = 0
    for path in sorted((recordings / "fsdd" / "recordings").glob("*_1.*")) + sorted(
        (recordings / "esc50" / "audio").glob("1-1*.*")
    ):
        samples = audio.decode(path).samples
        for top_db in (10, 25, 60):
            bounds = sounding(samples, top_db)
            assert bounds == tuple(librosa.effects.trim(samples, top_db=top_db)[1])
            shorter += bounds != (0, len(samples))
    assert shorter > 20


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"trim_db": -3}, "trim_db is -3; give 0 for no trimming, or 1 to 200"),
        ({"trim_db": 0.5}, "trim_db is 0.5"),
        ({"trim_db": float("nan")}, "trim_db is nan"),
        ({"trim_db": "60"}, "trim_db is '60'"),
        ({"trim_db": True}, "trim_db is True"),
        ({"remove_dc": 1}, "remove_dc is 1; choose true or false"),
        ({"normalise": "max"}, "normalise is 'max'; choose one of none, peak, rms"),
        ({"denoise": True}, "the levels are {'denoise': True}; give some of remove_dc, trim_db, normalise"),
        (["peak"], r"the levels are \['peak'\]"),
    ],
)
def test_unknown_levels_are_refused(said: object, message: str) -> None:
    with pytest.raises(SettingsError, match=message) as caught:
        Levels.from_dict(said)
    assert "\n" not in str(caught.value)


def test_json_and_back() -> None:
    assert Levels.from_dict(json.loads(json.dumps(EVERY.to_dict()))) == EVERY
    assert Levels.from_dict({}) == Levels()


@dataclass(frozen=True)
class Run:
    data: Path
    path: Path
    plan: str

    @property
    def model(self) -> earmark.Model:
        return earmark.load(self.path)


def word(frequency: float, seed: int, seconds: float = 0.6) -> Samples:
    """A tone between two silences of different length, beside the zero line."""
    silence = (1_500 + 300 * (seed % 5), 2_500)
    return np.pad(tone(frequency, seconds, seed=seed), silence) * np.float32(0.5) + np.float32(0.1)


@pytest.fixture(scope="module")
def levelled(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A bundle trained with every level."""
    root = tmp_path_factory.mktemp("levels")
    rng = np.random.default_rng(5)
    for label, low, high in (("high", 1_500, 3_000), ("low", 200, 500)):
        (root / "data" / label).mkdir(parents=True)
        for i in range(10):
            soundfile.write(root / "data" / label / f"{i}.wav", word(rng.uniform(low, high), seed=i), SR)
    said = io.StringIO()
    handler = logging.StreamHandler(said)
    logging.getLogger("earmark").addHandler(handler)
    options = {"settings": (*TINY, "epochs=15", "remove_dc=1", "trim_db=40", "normalise=peak", "window_seconds=0.5")}
    result = earmark.train(root / "data", root / "model", **options)
    logging.getLogger("earmark").removeHandler(handler)
    return Run(root / "data", result.path, said.getvalue())


def test_bundle_plan_and_card_say_them(levelled: Run) -> None:
    assert levelled.model.spec.levels == EVERY
    described = json.loads((levelled.path / "earmark.json").read_text())
    assert described["levels"] == {"remove_dc": True, "trim_db": 40.0, "normalise": "peak"}
    assert f"at 8000 Hz, {EVERY}, 32 mel bands" in levelled.plan
    assert f"levelled as a whole: {EVERY}." in (levelled.path / "README.md").read_text()
    assert str(EVERY) in (levelled.path / "report.html").read_text()


def test_gain_and_offset_change_nothing(levelled: Run, tmp_path: Path) -> None:
    samples = word(2_000, 77)
    loud = levelled.model.predict(samples, sr=SR)
    assert loud.label == "high"
    soundfile.write(tmp_path / "quiet.wav", (samples - 0.3) * 0.01, SR, subtype="FLOAT")
    for source, sr in ((samples * np.float32(0.01), SR), (tmp_path / "quiet.wav", None)):
        quiet = levelled.model.predict(source, sr=sr)
        assert quiet.label == loud.label
        assert quiet.score == pytest.approx(loud.score, abs=1e-4)


def test_state_is_of_the_sound_as_it_came(levelled: Run) -> None:
    assert levelled.model.predict(word(300, 1) * np.float32(1e-5), sr=SR).state == "silence"
    assert levelled.model.predict(np.sign(word(300, 1)), sr=SR).state == "clipped"
    assert levelled.model.predict(word(300, 1), sr=SR).state == "ok"
    silent = levelled.model.predict(np.zeros(SR, np.float32), sr=SR)
    assert (silent.state, sum(s.score for s in silent.scores)) == ("silence", pytest.approx(1))


def test_every_kind_of_source_gives_the_same(levelled: Run, tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    soundfile.write(path, np.concatenate([word(300, 3, 12.0), word(2_000, 4, 9.0)]), SR)  # several blocks
    samples, sr = soundfile.read(path, dtype="int16")
    wanted = levelled.model.predict(samples, sr=sr, windows=True)
    assert len(wanted.windows) > 40
    for source in (path, path.read_bytes(), io.BytesIO(path.read_bytes())):
        found = levelled.model.predict(source, windows=True)
        assert (found.scores, found.windows) == (wanted.scores, wanted.windows)


def test_window_times_are_the_recordings(levelled: Run) -> None:
    samples = np.pad(tone(300, 2.0), (9_000, 7_000))
    first, end = librosa.effects.trim(samples - samples.mean(), top_db=40)[1]
    windows = levelled.model.predict(samples, sr=SR, windows=True).windows
    starts = levelled.model.spec.plan.cut(samples[first:end])[1]
    assert first > 7_000 and end < 27_000
    assert [w.start for w in windows] == pytest.approx([(first + s) / SR for s in starts], abs=1e-6)
    assert windows[-1].end == pytest.approx(end / SR, abs=1e-6)
    short = np.pad(tone(300, 0.1), (16_000, 16_000))  # shorter than a window when it is trimmed
    first, end = librosa.effects.trim(short - short.mean(), top_db=40)[1]
    (window,) = levelled.model.predict(short, sr=SR, windows=True).windows
    assert (window.start, window.end) == pytest.approx((first / SR, end / SR), abs=1e-6)
    assert end - first < levelled.model.spec.plan.window


def test_evaluate_and_predict_agree(levelled: Run, tmp_path: Path) -> None:
    earmark.evaluate(levelled.path, levelled.data, split="all", out=tmp_path / "out")
    table = pd.read_csv(tmp_path / "out" / "predictions.csv")
    assert table["correct"].mean() > 0.9
    for row, found in zip(
        table.itertuples(), levelled.model.predict([levelled.data / p for p in table["path"]]), strict=True
    ):
        expected = {"high": row.score_high, "low": row.score_low}
        assert {s.label: s.score for s in found.scores} == pytest.approx(expected, abs=1e-5)


def test_stretches_are_levelled_by_themselves(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.concatenate([tone(300) * 0.1, tone(300), np.zeros(SR)]), SR)
    (tmp_path / "a.csv").write_text("path,label,start,end\na.wav,x,0,1\na.wav,y,0.5,3\na.wav,y,2,3\n")
    manifest = earmark.read(tmp_path / "a.csv")
    raw, clips = ingest(manifest, sr=SR), ingest(manifest, sr=SR, levels=EVERY)
    for row in range(3):
        assert np.array_equal(clips.waveform(row), EVERY.apply(raw.waveform(row)))
        assert np.array_equal(clips.take(np.array([row])).waveform(0), clips.waveform(row))
    assert np.abs(clips.waveform(0)).max() == np.abs(clips.waveform(1)).max() == 1
    assert SR <= len(clips.waveform(1)) < 2 * SR
    assert not clips.waveform(2).any() and len(clips.waveform(2)) == SR


@pytest.mark.parametrize("levels", [EVERY, Levels(normalise="rms")])
def test_features_do_not_depend_on_the_other_clips(levelled: Run, tmp_path: Path, levels: Levels) -> None:
    front_end = FrontEnd(
        SR, FrontEndSettings(fft_seconds=0.032, hop_seconds=0.01, n_mels=32, fmin=50, fmax=4000, floor=1e-6)
    )
    clips, plan = ingest(layouts.find(levelled.data), sr=SR, levels=levels), levelled.model.spec.plan
    together = Features(front_end, clips, plan, tmp_path)
    frames = front_end.frames(plan.window)
    for row in (0, 7, 19):
        (tmp_path / f"{row}").mkdir()
        alone = Features(front_end, clips.take(np.array([row])), plan, tmp_path / f"{row}")
        assert np.array_equal(together.windows(row, frames), alone.windows(0, frames))
