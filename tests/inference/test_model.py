from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import scipy.special
import soundfile

import earmark
from conftest import TINY, tone
from earmark import audio
from earmark.audio.windows import merge, softmax


@pytest.fixture(scope="module")
def model(trained: earmark.Result) -> earmark.Model:
    return earmark.load(trained.path)


def test_learnt_the_tones(model: earmark.Model) -> None:
    assert model.predict(tone(2000, 0.6, seed=99), sr=8000).label == "high"
    assert model.predict(tone(300, 0.6, seed=99), sr=8000).label == "low"


def test_every_kind_of_source_gives_the_same(model: earmark.Model, tones: Path) -> None:
    path = tones / "low" / "g1_2.wav"
    samples, sr = soundfile.read(path, dtype="int16")
    wanted = [s.to_dict() for s in model.predict(path).scores]
    for source in (str(path), path.read_bytes(), io.BytesIO(path.read_bytes())):
        assert [s.to_dict() for s in model.predict(source).scores] == wanted
    assert [s.to_dict() for s in model.predict(samples, sr=sr).scores] == wanted
    assert sum(s["score"] for s in wanted) == pytest.approx(1)
    assert [s["score"] for s in wanted] == sorted((s["score"] for s in wanted), reverse=True)


def test_array_needs_its_rate(model: earmark.Model) -> None:
    with pytest.raises(ValueError, match="needs its rate"):
        model.predict(np.zeros(8000, np.float32))


@pytest.mark.parametrize("sr", [11_025, 16_000, 44_100])
def test_other_rates_are_resampled(model: earmark.Model, sr: int) -> None:
    native = model.predict(tone(1800, 0.6, 8000), sr=8000)
    other = model.predict(audio.resample(tone(1800, 0.6, 8000), 8000, sr), sr=sr)
    assert other.label == native.label
    assert other.score == pytest.approx(native.score, abs=0.1)


def test_windows_that_are_heard_shifted(tones: Path, tmp_path: Path) -> None:
    options = {"settings": (*TINY, "epochs=1", "shifts=3")}
    source = {"group_pattern": r"[^/]+/g\d+_"}
    model = earmark.load(earmark.train(tones, tmp_path / "model", **source, **options).path)
    samples = tone(300, 0.6, seed=99)
    window = len(samples)
    assert window == model.spec.plan.window
    logits = [model.logits(np.roll(samples, i * window // 3)[None])[0][0] for i in range(3)]
    assert not np.allclose(logits[0], logits[1])
    assert model.scores(samples) == pytest.approx(scipy.special.softmax(np.mean(logits, axis=0)), abs=1e-5)


def test_long_recordings_are_averaged_over_windows(model: earmark.Model) -> None:
    samples = np.concatenate([tone(300, 2.0), tone(2000, 1.0)])
    prediction = model.predict(samples, sr=8000, windows=True)
    plan = model.spec.plan
    pieces, starts = plan.cut(samples)
    expected = merge(softmax(model.logits(pieces)[0]))
    assert {s.label: s.score for s in prediction.scores} == pytest.approx(
        dict(zip(model.labels, expected.tolist(), strict=True))
    )
    assert [w.start for w in prediction.windows] == pytest.approx([s / 8000 for s in starts])
    assert prediction.windows[0].scores[0].label == "low"
    assert prediction.windows[-1].scores[0].label == "high"
    assert prediction.windows[-1].end == pytest.approx(3.0)


def test_short_recordings_follow_the_bundles_rule(model: earmark.Model) -> None:
    short = tone(300, 0.2)
    padded = np.pad(short, (0, model.spec.plan.window - len(short)))
    assert model.predict(short, sr=8000).to_dict() == model.predict(padded, sr=8000).to_dict()
    assert model.predict(short[:10], sr=8000, windows=True).windows[0].end == pytest.approx(10 / 8000, abs=1e-6)


def test_a_batch_changes_nothing(model: earmark.Model) -> None:
    pieces = np.stack([np.resize(tone(f, 0.7), model.spec.plan.window) for f in (200, 900, 2500)])
    together = model.logits(pieces)[0]
    alone = np.concatenate([model.logits(p[None])[0] for p in pieces])
    assert np.allclose(together, alone, atol=1e-5)


@pytest.mark.parametrize(
    ("samples", "state"), [(np.zeros(8000), "silence"), (np.sign(tone(100)), "clipped"), (tone(100), "ok")]
)
def test_state(model: earmark.Model, samples: np.ndarray, state: str) -> None:
    assert model.predict(samples.astype(np.float32), sr=8000).state == state


def test_one_bad_file_of_a_list_is_named_and_the_rest_is_done(
    model: earmark.Model, tones: Path, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.wav"
    bad.write_text("no sound")
    good = tones / "high" / "g0_0.wav"
    first, second, third = model.predict([good, bad, good])
    assert first.to_dict() == third.to_dict()
    assert second.state == "error"
    assert second.scores == ()
    assert str(second.error).startswith(f"{bad}: not-audio")
    with pytest.raises(earmark.AudioError):
        model.predict(bad)
