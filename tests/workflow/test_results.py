from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import earmark
from conftest import TINY, tone
from earmark.audio import decode
from earmark.types import Deviation

GROUPS = {"group_pattern": r"[^/]+/g\d+_"}
SMALL = 2000  # bytes


def test_tables_of_a_training(trained: earmark.Result) -> None:
    predictions = trained.predictions
    assert len(predictions) == trained.metrics["n"]
    assert (predictions["label"] == predictions["predicted"]).mean() == pytest.approx(trained.metrics["accuracy"])
    assert list(trained.per_class.index) == trained.metrics["labels"]
    assert trained.per_class["n"].sum() == trained.metrics["n"]
    assert trained.confusion.to_numpy().sum() == trained.metrics["n"]
    assert trained.confusion.loc["low"].sum() == trained.per_class.loc["low", "n"]
    assert list(trained.history["epoch"]) == list(range(1, 11))
    assert trained.history["train_loss"].iloc[-1] < trained.history["train_loss"].iloc[0]
    assert trained.report == trained.path / "report.html"
    assert trained.model.labels == tuple(trained.metrics["labels"])


def test_tables_of_an_evaluation_need_no_folder(trained: earmark.Result, tones: Path) -> None:
    found = earmark.evaluate(trained.path, tones)
    assert len(found.predictions) == found.metrics["n"] == 6
    assert found.report is None and found.history.empty and found.folds.empty
    with pytest.raises(earmark.OutputError, match="nothing was written; give out=FOLDER"):
        _ = found.path
    with pytest.raises(earmark.BundleError, match="holds no model"):
        _ = found.model


def test_tables_of_folds(tones: Path, tmp_path: Path) -> None:
    found = earmark.crossval(tones, tmp_path / "cv", folds=2, settings=(*TINY, "epochs=1"), **GROUPS)
    assert found.folds["n"].sum() == found.metrics["n"] == len(found.predictions) == 30
    assert found.report == tmp_path / "cv" / "report.html"


def test_everything_shows_itself_in_little_space(trained: earmark.Result, tones: Path) -> None:
    model = trained.model
    scan, manifest = earmark.scan(tones), earmark.read(tones)
    prediction = model.predict(tones / "low" / "g0_0.wav", windows=True)
    deviation = Deviation(
        *np.ones((2, 3, 4)), np.array([0.5, -3.0, 1.0]), np.array([1.0, -6.0, 2.0]), np.array([1e2, 1e3, 4e3]), 1.0
    )
    for shown in (trained, model, scan, manifest, prediction, deviation):
        page = shown._repr_html_()
        assert page.startswith("<table>") and 50 < len(page.encode()) < SMALL
        assert len(repr(shown)) < 300
    assert repr(trained).endswith("model', accuracy 100.0% (6 clips, 95% interval 61.0% to 100.0%))")
    assert repr(manifest).endswith("class-folders: 30 clips, 3 labels, 30 groups)")
    assert "low" in prediction._repr_html_() and "low" in repr(prediction)
    assert "1000 Hz" in deviation._repr_html_() and "-6.0 dB" in deviation._repr_html_()


def test_many_classes_stay_small(trained: earmark.Result) -> None:
    row = {"precision": 0.5, "recall": None, "f1": 0.25, "n": 3}
    many = earmark.Result(None, {**trained.metrics, "per_class": {f"class <{i}> & more": row for i in range(500)}})
    page = many._repr_html_()
    assert len(page.encode()) < SMALL and "more</td>" in page and "&lt;0&gt; &amp; more" in page


def test_a_waveform_brings_its_own_rate(trained: earmark.Result, tones: Path) -> None:
    path = tones / "high" / "g0_0.wav"
    sound = decode(path)
    by_path, by_sound = trained.model.predict(path), trained.model.predict(sound)
    assert by_sound.scores == by_path.scores
    assert trained.model.predict([sound])[0].label == "high"
    assert repr(sound).startswith("Waveform(") and "8000 Hz" in repr(sound)


def test_predict_takes_folders(trained: earmark.Result, tones: Path, tmp_path: Path) -> None:
    found = earmark.predict(trained.path, tones / "low")
    assert [p.label for p in found] == ["low"] * 10
    (tmp_path / "bad.wav").write_text("nothing")
    (bad,) = earmark.predict(trained.path, [tmp_path])
    assert bad.error is not None and "not-audio" in repr(bad)
    with pytest.raises(earmark.DataError, match="not-audio"):
        earmark.predict(trained.path, tmp_path, strict=True)


def test_refit_trains_on_all_and_keeps_the_tested_metrics(tones: Path, tmp_path: Path) -> None:
    options = {"settings": (*TINY, "epochs=4"), **GROUPS}
    plain = earmark.train(tones, tmp_path / "plain", **options)
    whole = earmark.train(tones, tmp_path / "whole", refit=True, **options)
    alone = earmark.train(tones, tmp_path / "alone", test_fold="none", **options)
    assert whole.metrics == plain.metrics
    assert whole.predictions.equals(plain.predictions)
    waveforms = tone(300, 0.6)[None]
    assert np.array_equal(whole.model.logits(waveforms)[0], alone.model.logits(waveforms)[0])
    said = whole.model.spec.provenance["refit"]
    assert (said["train"], said["test"], said["all"]) == (24, 6, 30)
    note = "the metrics are those of a sibling trained on 24 clips and tested on 6; this model was trained on all 30"
    assert note in whole.notes and note in (whole.path / "README.md").read_text()
    assert note in (whole.path / "report.html").read_text()
    with pytest.raises(earmark.DataError, match="trained on all of its 30 clips"):
        earmark.evaluate(whole.path, tones)
    assert not (tmp_path / "whole.partial").exists()


def test_refit_needs_a_test(tones: Path, tmp_path: Path) -> None:
    with pytest.raises(earmark.SettingsError, match="refit=True trains again after a test"):
        earmark.train(tones, tmp_path / "model", refit=True, test_fold="none")


def test_refit_goes_on_where_it_stopped(tones: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from earmark.training.steps import Fitting

    options = {"settings": (*TINY, "epochs=2"), "refit": True, **GROUPS}
    unbroken = earmark.train(tones, tmp_path / "unbroken", **options)
    begin, begun = Fitting.train_dataloader, []

    def interrupt(self: Fitting) -> object:
        begun.append(1)
        if len(begun) == 3:  # the first epoch of the second model
            raise KeyboardInterrupt
        return begin(self)

    monkeypatch.setattr(Fitting, "train_dataloader", interrupt)
    with pytest.raises(earmark.Interrupted, match="1 of 2 models are done .*run it again with resume=True to continue"):
        earmark.train(tones, tmp_path / "broken", **options)
    resumed = earmark.train(tones, tmp_path / "broken", resume=True, **options)
    assert resumed.metrics == unbroken.metrics
    waveforms = tone(300, 0.6)[None]
    assert np.array_equal(resumed.model.logits(waveforms)[0], unbroken.model.logits(waveforms)[0])
