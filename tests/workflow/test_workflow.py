"""The whole loop from Python, with what can be wrong about data and outputs."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile
from sklearn import metrics

import earmark
from conftest import TINY, tone
from earmark import audio
from earmark.support import files
from earmark.workflow import crossvalidation

GROUPS = {"group_pattern": r"[^/]+/g\d+_"}
OPTIONS = {"settings": TINY}
QUICK = {"settings": (*TINY, "epochs=1")}


def test_training_learns_and_reports_what_it_tested(trained: earmark.Result) -> None:
    table = pd.read_csv(trained.path / "predictions.csv")
    assert len(table) == trained.metrics["n"] == 6
    assert trained.metrics["accuracy"] == metrics.accuracy_score(table["label"], table["predicted"]) > 0.5
    assert np.allclose(table[["score_high", "score_low", "score_noise"]].sum(axis=1), 1, atol=1e-4)
    page = (trained.path / "report.html").read_text()
    assert "Confusion matrix" in page and "Learning curves" in page and "http" not in page
    card = (trained.path / "README.md").read_text()
    assert "24 trained, 0 validated, 6 tested, 0 excluded" in card


def test_the_proof_that_the_export_says_the_same_is_kept(trained: earmark.Result) -> None:
    difference = earmark.load(trained.path).spec.provenance["largest_difference"]
    assert 0 <= difference < 1e-4
    said = f"differ by {difference:.1g} at most"
    assert said in (trained.path / "README.md").read_text() and said in (trained.path / "report.html").read_text()


def test_others_may_read_all_of_a_bundle(trained: earmark.Result) -> None:
    modes = {path.name: path.stat().st_mode & 0o777 for path in trained.path.rglob("*") if path.is_file()}
    assert {"model.safetensors", "model.onnx", "earmark.json"} <= set(modes)
    assert set(modes.values()) == {0o666 & ~files._UMASK}


def test_nothing_of_the_test_part_was_trained_on(trained: earmark.Result, tones: Path) -> None:
    from earmark.data.cache import content_hash

    table = pd.read_csv(trained.path / "predictions.csv")
    seen = set(earmark.load(trained.path).spec.provenance["trained_on"])
    assert not seen & {content_hash(tones / p) for p in table["path"]}
    tested = set(table["group"])
    every = earmark.read(tones, **GROUPS).table
    trained_on = every[~every["path"].isin(table["path"])]
    assert not tested & set(trained_on["group"])


def test_evaluate_takes_the_unseen_clips(trained: earmark.Result, tones: Path) -> None:
    found = earmark.evaluate(trained.path, tones).to_dict()
    assert (found["n"], found["trained_on"]) == (6, 24)
    for key in ("accuracy", "precision", "recall", "f1", "confusion", "labels", "per_class"):
        assert found[key] == trained.metrics[key]
    assert found["loss"] == pytest.approx(trained.metrics["loss"], abs=1e-6)
    everything = earmark.evaluate(trained.path, tones, split="all").to_dict()
    assert everything["n"] == 30
    assert "24 of the clips were trained on" in everything["notes"][0]
    with pytest.raises(earmark.DataError, match="split is 'train'"):
        earmark.evaluate(trained.path, tones, split="train")


def test_evaluate_says_when_groups_were_trained_on(trained: earmark.Result, tones: Path) -> None:
    mixed = earmark.evaluate(trained.path, tones, group_pattern=r"^[^/]+").to_dict()
    assert "3 groups have clips that were trained on and clips tested here" in mixed["notes"][0]
    level, note = earmark.evaluate(trained.path, tones, **GROUPS).to_dict()["notes"]
    assert level.startswith("level alone tells noise from the other labels")
    assert note == "only 6 clips test: metrics of so few clips are uncertain, see their intervals"


def test_evaluate_on_other_data(trained: earmark.Result, make_tones: Callable[..., Path], tmp_path: Path) -> None:
    root = make_tones(sr=16_000, clips=2, seconds=1.5)
    (root / "hiss").mkdir()
    soundfile.write(root / "hiss" / "x.wav", tone(100, 0.5), 8_000)
    (root / "low" / "bad.wav").write_text("no sound")
    found = earmark.evaluate(trained.path, root, out=tmp_path / "report").to_dict()
    assert found["n"] == 7
    assert found["labels"] == ["high", "low", "noise", "hiss"]
    assert found["per_class"]["hiss"]["recall"] == 0
    assert found["notes"] == [
        "only 7 clips test: metrics of so few clips are uncertain, see their intervals",
        "labels that the model does not know, counted as wrong: hiss",
    ]
    assert found["skipped"][0]["path"].endswith("bad.wav")
    assert {p.name for p in (tmp_path / "report").iterdir()} == {"metrics.json", "predictions.csv", "report.html"}


def test_a_model_is_not_overwritten_by_its_evaluation(trained: earmark.Result, tones: Path) -> None:
    with pytest.raises(earmark.OutputError, match="was not made by this command"):
        earmark.evaluate(trained.path, tones, out=trained.path, overwrite=True)
    assert (trained.path / "model.onnx").exists()


def test_evaluate_on_nothing_but_training_clips(trained: earmark.Result, tones: Path, tmp_path: Path) -> None:
    tested = set(pd.read_csv(trained.path / "predictions.csv")["path"])
    root = Path(shutil.copytree(tones, tmp_path / "tones"))
    for path in tested:
        (root / path).unlink()
    with pytest.raises(earmark.DataError, match="was trained on all of its 24 clips; pass split='all'"):
        earmark.evaluate(trained.path, root)


def test_crossval_pools_one_model_per_fold(tones: Path, tmp_path: Path) -> None:
    found = earmark.crossval(tones, tmp_path / "cv", folds=2, **GROUPS, **QUICK).to_dict()
    table = pd.read_csv(tmp_path / "cv" / "predictions.csv")
    assert found["n"] == len(table) == 30
    assert table["path"].is_unique
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(table["label"], table["predicted"]))
    assert [f["name"] for f in found["folds"]] == ["fold 1 of 2", "fold 2 of 2"]
    assert found["mean"]["accuracy"] == pytest.approx(np.mean([f["accuracy"] for f in found["folds"]]))
    assert json.loads((tmp_path / "cv" / "crossval.json").read_text())["n"] == 30
    for fold in ("fold-1", "fold-2"):
        made = earmark.load(tmp_path / "cv" / fold)
        assert made.labels == ("high", "low", "noise")
        assert made.spec.provenance["recipe"]["name"] == "balanced+general"  # what was picked, not auto


def test_folds_have_folders_of_their_own() -> None:
    names = ["fold 1 of 2", "fold Isle of Wight", "fold a/b", "fold a-b", "fold A b"]
    assert crossvalidation._folders(names) == ["fold-1", "fold-Isle-of-Wight", "fold-a-b-3", "fold-a-b-4", "fold-A-b-5"]


def test_a_leak_that_is_allowed_is_stamped_everywhere(tones: Path, tmp_path: Path) -> None:
    rows = ["file_name,label,group,fold"]
    for i, path in enumerate(sorted(tones.rglob("*.wav"))):
        rows.append(f"{path},{path.parent.name},{path.parent.name}{path.name.split('_')[0]},{i % 2}")
    (tmp_path / "metadata.csv").write_text("\n".join(rows) + "\n")
    with pytest.raises(earmark.DataError, match=r"15 groups overlap in the split.*allow_leak=True"):
        earmark.train(tmp_path / "metadata.csv", tmp_path / "model", **QUICK)
    allowed = {"settings": QUICK["settings"], "allow_leak": True}
    result = earmark.train(tmp_path / "metadata.csv", tmp_path / "model", **allowed)
    assert result.notes[0].startswith("LEAK: 15 groups overlap in the split")
    for name in ("earmark.json", "README.md", "report.html"):
        assert "LEAK: 15 groups" in (result.path / name).read_text(encoding="utf-8")


def test_near_copies_never_straddle(make_tones: Callable[..., Path], tmp_path: Path) -> None:
    root = make_tones(clips=6, seconds=1.0)
    for i in range(6):
        rng = np.random.default_rng([i, 9])
        noise = np.convolve(rng.normal(size=9_000), rng.normal(size=40), "same") * rng.uniform(0.02, 0.05)
        for label, part in (("low", noise[800:]), ("noise", 0.5 * noise[:-800])):
            soundfile.write(root / label / f"twin{i}.wav", part, 8_000)
    result = earmark.train(root, tmp_path / "model", **QUICK)
    tested = pd.read_csv(result.path / "predictions.csv")["path"]
    twins = [p.split("/")[1] for p in tested if "twin" in p]
    assert len(twins) == 2 * len(set(twins))
    described = json.loads((result.path / "earmark.json").read_text())
    assert described["provenance"]["data"]["groups"] == 18 + 6


def test_crossval_goes_on_where_it_was_interrupted(
    tones: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from earmark.training import fitting

    fit, calls = fitting.fit, []

    def second_fails(*arguments: Any, **settings: Any) -> int:
        calls.append(1)
        if len(calls) == 2:
            raise earmark.Interrupted("interrupted")
        return fit(*arguments, **settings)

    monkeypatch.setattr(fitting, "fit", second_fails)
    with pytest.raises(
        earmark.Interrupted, match="1 of 2 folds are done in .*cv.partial: run it again with resume=True"
    ):
        earmark.crossval(tones, tmp_path / "cv", folds=2, **GROUPS, **QUICK)
    resumed = {"settings": QUICK["settings"], "resume": True}
    assert earmark.crossval(tones, tmp_path / "cv", folds=2, **GROUPS, **resumed).to_dict()["n"] == 30
    assert len(calls) == 3


def test_train_on_everything_claims_nothing(tones: Path, tmp_path: Path) -> None:
    result = earmark.train(tones, tmp_path / "model", test_fold="none", **QUICK)
    assert result.metrics == {}
    assert not (result.path / "predictions.csv").exists()
    assert "no accuracy is claimed" in (result.path / "report.html").read_text()
    assert "no accuracy is claimed" in (result.path / "README.md").read_text()


def test_bad_files_are_left_out_named_and_recorded(make_tones: Callable[..., Path], tmp_path: Path) -> None:
    root = make_tones()
    samples = tone(300, 0.6)
    samples[5] = np.nan
    soundfile.write(root / "low" / "nan.wav", samples, 8_000, subtype="FLOAT")
    whole = (root / "low" / "g0_0.wav").read_bytes()
    (root / "low" / "truncated.wav").write_bytes(whole[:2000])
    (root / "low" / "empty.wav").write_bytes(b"")
    (root / "low" / "text.wav").write_text("text")
    soundfile.write(root / "low" / "silent ü.wav", np.zeros(4_800), 8_000)
    soundfile.write(root / "low" / "shorter than a frame.wav", tone(300, 0.001), 8_000)
    result = earmark.train(root, tmp_path / "model", **QUICK)
    assert len(result.skipped) == 4
    kinds = {error.kind for error in result.skipped}
    assert kinds == {"non-finite", "truncated", "empty", "not-audio"}
    recorded = earmark.load(result.path).spec.provenance["data"]
    assert (recorded["clips"], len(recorded["skipped"])) == (32, 4)


def test_table_with_a_row_past_the_end(make_tones: Callable[..., Path], tmp_path: Path) -> None:
    root = make_tones()
    rows = "".join(f"{label}/g{i // 2}_{i}.wav,{label},0,0.5\n" for label in ("high", "low") for i in range(10))
    (root / "clips.csv").write_text(f"path,label,start,end\n{rows}low/g0_0.wav,low,0.1,9\n")
    result = earmark.train(root / "clips.csv", tmp_path / "model", **QUICK)
    assert len(result.skipped) == 1
    assert "the clip from 0.1 s to 9 s lies past the recording's end at 0.600 s" in str(result.skipped[0])


def test_one_class_and_a_class_with_one_clip(make_tones: Callable[..., Path], tmp_path: Path) -> None:
    root = make_tones()
    with pytest.raises(earmark.DataError, match="has one label only, 'low'"):
        earmark.train(root, tmp_path / "one", include=["low"], **QUICK)
    (root / "rare").mkdir()
    shutil.copy(root / "low" / "g0_0.wav", root / "rare" / "x.wav")
    result = earmark.train(root, tmp_path / "model", **QUICK)
    assert earmark.load(result.path).labels == ("high", "low", "noise", "rare")


def test_outputs_are_never_lost(trained: earmark.Result, tones: Path, tmp_path: Path) -> None:
    with pytest.raises(earmark.OutputError, match="exists already; choose another path, or pass overwrite=True"):
        earmark.train(tones, trained.path, **QUICK)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(earmark.OutputError, match="exists already"):
        earmark.train(tones, tmp_path / "file", **QUICK)
    with pytest.raises(earmark.OutputError, match="cannot be made"):
        earmark.train(tones, tmp_path / "file" / "model", **QUICK)
    first = earmark.train(tones, tmp_path / "model", **QUICK)
    again = {"settings": QUICK["settings"], "overwrite": True}
    assert earmark.train(tones, tmp_path / "model", **again).path == first.path
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "model"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"recipe": "slow"}, "unknown recipe 'slow'"),
        ({"settings": ["window_seconds=0.05"]}, "window_seconds is 0.05; it must hold two"),
        ({"settings": ["network=vgg"]}, "unknown network 'vgg'"),
        ({"settings": ["fmax=9000"]}, "fmax is 9000 Hz; at a rate of 8000 Hz"),
        ({"settings": TINY, "device": "tpu"}, "device='tpu'"),
    ],
)
def test_wrong_settings_leave_nothing_behind(
    tones: Path, tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(earmark.SettingsError, match=message):
        earmark.train(tones, tmp_path / "model", **options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read everything")
def test_unreadable_folder(make_tones: Callable[..., Path], tmp_path: Path) -> None:
    root = make_tones()
    (root / "low").chmod(0)
    with pytest.raises(earmark.DataError, match="cannot be read"):
        earmark.train(root, tmp_path / "model", **QUICK)


def test_one_channel(tmp_path: Path) -> None:
    for label, frequency in (("a", 300), ("b", 2000)):
        (tmp_path / "data" / label).mkdir(parents=True)
        for i in range(5):
            other = tone(1000, 0.6, seed=i)
            stereo = np.stack([other, tone(frequency, 0.6, seed=i)], axis=1)
            soundfile.write(tmp_path / "data" / label / f"{i}.wav", stereo, 8_000)
    options = {"settings": (*TINY, "epochs=8"), "channel": 1}
    model = earmark.load(earmark.train(tmp_path / "data", tmp_path / "model", **options).path)
    assert model.spec.channel == 1
    stereo = np.stack([tone(2000, 0.6), tone(300, 0.6)], axis=1)
    assert model.predict(stereo, sr=8_000).scores == model.predict(stereo[:, 1], sr=8_000).scores


def test_copies_of_training_clips_count_as_trained_on(trained: earmark.Result, tones: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(tones, tmp_path / "tones"))
    tested = set(pd.read_csv(trained.path / "predictions.csv")["path"])
    known = next(p for p in sorted(root.rglob("*.wav")) if p.relative_to(root).as_posix() not in tested)
    soundfile.write(known.with_name("g9_copy.flac"), soundfile.read(known)[0], 8_000)
    found = earmark.evaluate(trained.path, root, **GROUPS).to_dict()
    assert (found["n"], found["trained_on"]) == (6, 25)
    assert found["notes"][0].startswith("1 clips hold the same sound as clips that were trained on")


def test_several_labels_do_not_fit_a_model_of_one(trained: earmark.Result, tones: Path, tmp_path: Path) -> None:
    rows = [f"{p},{p.parent.name};x" for p in sorted(tones.rglob("*.wav"))]
    (tmp_path / "data.csv").write_text("path,label\n" + "\n".join(rows))
    with pytest.raises(earmark.DataError, match="its clips are multi-label, the model is single-label"):
        earmark.evaluate(trained.path, tmp_path / "data.csv")


def test_a_second_training_reads_no_recording(
    make_tones: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_tones(clips=6)
    first = earmark.train(root, tmp_path / "first", **QUICK)
    monkeypatch.setattr(audio.sources, "_open_path", lambda *_: pytest.fail("a recording was opened"))
    second = earmark.train(root, tmp_path / "second", **QUICK)
    assert second.metrics == first.metrics


def test_labels_that_look_like_slips_are_told_before_training(
    make_tones: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    root = make_tones(clips=4)
    (root / "Low_").mkdir()
    (root / "low" / "g0_0.wav").rename(root / "Low_" / "a.wav")
    with caplog.at_level("INFO", logger="earmark"), pytest.raises(earmark.SettingsError):
        earmark.train(root, root.parent / "model", test_fold="none", device="tpu")
    assert "label 'Low_' looks like a typo of 'low'; they are two labels" in caplog.text
