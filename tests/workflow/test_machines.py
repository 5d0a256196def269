"""Machine condition from Python: figures per machine, detectors, adaptation, why."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile
from sklearn.metrics import roc_auc_score

import earmark
from conftest import TINY
from earmark.audio import decode, synth
from earmark.evaluation import detection
from earmark.workflow.unusual import faults_of

PER = ("machine", "id")
DETECTOR = {"task": "anomaly", "per": PER, "settings": ["false_alarms=5%"]}
UNITS = ["fan/id_00", "fan/id_02", "pump/id_00", "pump/id_02"]


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two fans and two pumps, plainly worn where they are."""
    return synth.write_mimii(
        tmp_path_factory.mktemp("mimii") / "data", machines=["fan", "pump"], units=(0, 2), normal=15, abnormal=5, wear=(0.8, 1.0),
        seconds=2.0, snr_db=6.0,
    )  # fmt: skip


@pytest.fixture(scope="module")
def detected(machines: Path, tmp_path_factory: pytest.TempPathFactory) -> earmark.Result:
    """A detector of them."""
    return earmark.train(machines, tmp_path_factory.mktemp("detector") / "model", **DETECTOR)


def clip(machines: Path, label: str, kind: str = "fan", number: int = 0) -> Path:
    return machines / f"6_dB_{kind}" / kind / "id_00" / label / f"{number:08d}.wav"


def test_a_detector_finds_wear_that_it_never_heard(detected: earmark.Result) -> None:
    found = detected.metrics
    table = pd.read_csv(detected.path / "predictions.csv")
    assert (table["label"] == "abnormal").sum() == 20  # all of them: none can be trained on
    abnormal = table["label"] == "abnormal"
    assert found["auc"] > 0.95
    assert found["auc"] == pytest.approx(roc_auc_score(abnormal, -np.log10(table["tail"])))
    assert found["n"] == len(table)
    assert (table["predicted"] == np.where(table["tail"] <= 0.05, "abnormal", "normal")).all()
    assert [row["machine"] for row in found["machines"]] == UNITS
    assert found["false_alarm_rate"]["stated"] == pytest.approx(0.05)
    hours = table["seconds"][~abnormal].sum() / 3600
    false = (table["predicted"] == "abnormal")[~abnormal].sum()
    assert found["false_alarms_per_hour"] == pytest.approx(false / hours)
    assert "loss" not in found


def test_a_clip_is_not_unusual_for_being_short(detected: earmark.Result, machines: Path) -> None:
    model = earmark.load(detected.path)
    tested = pd.read_csv(detected.path / "predictions.csv")
    tails = []
    for path, machine, number in zip(tested["path"], tested["machine"], tested["id"], strict=True):
        if "/normal/" in path:
            samples = decode(machines / path).samples
            tails.append(model.predict(samples[: len(samples) * 3 // 4], sr=16_000, machine=f"{machine}/{number}").tail)
    assert np.mean(np.array(tails) <= 0.05) < 0.3


def test_only_normal_clips_were_learnt_from(detected: earmark.Result, machines: Path) -> None:
    from earmark.data.cache import content_hash

    spec = earmark.load(detected.path).spec
    known = set(spec.provenance["trained_on"])
    assert not known & {content_hash(p) for p in machines.rglob("abnormal/*.wav")}
    tested = pd.read_csv(detected.path / "predictions.csv")["path"]
    assert not known & {content_hash(machines / p) for p in tested}
    assert (spec.task, spec.labels, spec.machines, spec.per, spec.normal) == (
        "anomaly", ("abnormal",), tuple(UNITS), PER, "normal",
    )  # fmt: skip
    assert set(spec.detector["thresholds"]) == set(UNITS)


def test_bundle_of_a_detector(detected: earmark.Result) -> None:
    names = {p.name for p in detected.path.iterdir()}
    assert names == {
        "earmark.json", "model.onnx", "model.safetensors", "detector.safetensors", "README.md", "report.html", "predictions.csv",
        "machines.csv", "machines.md",
    }  # fmt: skip
    described = json.loads((detected.path / "earmark.json").read_text())
    assert set(described["files"]) == {"model.onnx", "model.safetensors", "detector.safetensors"}
    assert (detected.path / "machines.md").read_text() == detection.markdown(detected.metrics["machines"])
    rows = pd.read_csv(detected.path / "machines.csv")
    assert rows["machine"].tolist() == UNITS
    assert rows["n"].tolist() == [row["n"] for row in detected.metrics["machines"]]
    page = (detected.path / "report.html").read_text()
    assert "Why" in page and "pump/id_02" in page and page.count("data:image") >= 4
    assert "Anomalous sound detector: fan/id_00" in (detected.path / "README.md").read_text()


def test_prediction_of_a_detector(detected: earmark.Result, machines: Path) -> None:
    model = earmark.load(detected.path)
    worn = model.predict(clip(machines, "abnormal"), machine="fan/id_00")
    assert (worn.label, worn.labels, worn.machine) == ("abnormal", ("abnormal",), "fan/id_00")
    assert worn.threshold == pytest.approx(0.95)
    assert worn.tail is not None and worn.score == pytest.approx(1 - worn.tail)
    sound = model.predict(clip(machines, "normal", "pump"))
    assert (sound.labels, sound.machine) == ((), "pump/id_00")
    assert set(sound.to_dict()) == {"path", "state", "predictions", "labels", "machine", "threshold", "tail"}
    with pytest.raises(
        earmark.SettingsError,
        match="machine 'press' \\(machine=NAME\\) is not one of the model's; give one of fan/id_00",
    ):
        model.predict(clip(machines, "normal"), machine="press")


def test_a_file_and_its_samples_are_as_unusual(detected: earmark.Result, machines: Path) -> None:
    model = earmark.load(detected.path)
    samples, sr = soundfile.read(clip(machines, "normal"), dtype="float32")
    one, other = model.predict(clip(machines, "normal")), model.predict(samples, sr=sr)
    assert (one.tail, one.machine) == (other.tail, other.machine)


def test_since_when_a_long_recording_is_abnormal(detected: earmark.Result, tmp_path: Path) -> None:
    path = synth.write_watch(
        tmp_path / "watch.wav", "fan", unit=0, faults=[(30.0, 50.0, 1.0)], seconds=90.0, snr_db=6.0, seed=3
    )
    prediction = earmark.load(detected.path).predict(path, windows=True, machine="fan/id_00")
    inside = [e for e in prediction.events if e.end > 30 and e.start < 50]
    assert len(inside) == 1
    assert 28 <= inside[0].start <= 32 and 48 <= inside[0].end <= 53
    assert inside[0].start < inside[0].raised <= inside[0].start + 6
    rate = earmark.load(detected.path).spec.detector["rate"]
    first = next(w for w in prediction.windows if w.start >= inside[0].start and w.tail is not None and w.tail <= rate)
    assert inside[0].raised == first.end
    assert inside[0].tail == min(w.tail for w in prediction.windows if w.tail is not None)
    assert all(e.label == "abnormal" for e in prediction.events)


def test_evaluating_a_detector_takes_what_it_does_not_know(
    detected: earmark.Result, machines: Path, tmp_path: Path
) -> None:
    found = earmark.evaluate(detected.path, machines, out=tmp_path / "out").to_dict()
    assert found["n"] == detected.metrics["n"]
    assert found["auc"] == pytest.approx(detected.metrics["auc"])
    names = {p.name for p in (tmp_path / "out").iterdir()}
    assert names == {"metrics.json", "predictions.csv", "report.html", "machines.csv", "machines.md"}


def test_stretches_of_a_recording_give_delay_and_false_alarms(detected: earmark.Result, tmp_path: Path) -> None:
    synth.write_watch(
        tmp_path / "watch.wav", "fan", unit=0, faults=[(30.0, 50.0, 1.0)], seconds=90.0, snr_db=6.0, seed=3
    )
    rows = [("watch.wav", 0, 30, "normal"), ("watch.wav", 30, 50, "abnormal"), ("watch.wav", 50, 90, "normal")]
    table = pd.DataFrame(rows, columns=["path", "start", "end", "label"]).assign(machine="fan", id="id_00")
    table.to_csv(tmp_path / "table.csv", index=False)
    watch = earmark.evaluate(detected.path, tmp_path / "table.csv", out=tmp_path / "out").to_dict()["watch"]
    page = (tmp_path / "out" / "report.html").read_text()
    assert "watch.wav: how unusual it is over time" in page
    begin = re.search(r"watch\.wav \(abnormal\) from ([\d.]+) s", page)
    assert begin is not None and 30 <= float(begin[1]) < 50  # in the recording, not in the stretch
    assert (watch["faults"], watch["found"]) == (1, 1)
    assert 0 <= watch["delay"] <= 6
    assert watch["normal_hours"] == pytest.approx(70 / 3600)
    model = earmark.load(detected.path)
    events = model.predict(tmp_path / "watch.wav", windows=True, machine="fan/id_00").events
    around = model.spec.window_seconds  # windows that reach over the fault's edges
    assert watch["false_alarms"] == sum(e.end <= 30 - around or e.start >= 50 + around for e in events)


def test_why_names_the_band(detected: earmark.Result, machines: Path) -> None:
    model = earmark.load(detected.path)
    traits = np.random.default_rng([0, 0])
    shaft = traits.uniform(22, 30)
    traits.integers(4, 8)
    bearing = shaft * traits.uniform(44, 52)  # the whine of this very fan
    change = model.deviation(clip(machines, "abnormal"), machine="fan/id_00")
    worst = change.frequencies[np.abs(change.bands).argmax()]
    harmonics = bearing * np.array([0.5, 1, 2, 3])
    assert np.abs(worst / harmonics - 1).min() < 0.12
    assert "most unusual around" in str(change) and "above normal" in str(change)
    assert change.levels.shape == change.change.shape == (64, change.levels.shape[1])
    calm = model.deviation(clip(machines, "normal"), machine="fan/id_00")
    assert np.abs(calm.bands).mean() < np.abs(change.bands).mean() / 2
    assert change.seconds == pytest.approx(2.0)
    with pytest.raises(earmark.SettingsError, match="lasts more than ten minutes"):
        model.deviation(np.zeros(601 * 8000, np.float32), sr=8000)
    long, sr = soundfile.read(clip(machines, "abnormal"), dtype="float32")
    part = np.tile(long, 400)[: 603 * sr]
    stretch = model.deviation(part, sr=sr, start=600.5, end=602.5, machine="fan/id_00")
    assert np.array_equal(stretch.levels, model.deviation(part[int(600.5 * sr) : int(602.5 * sr)], sr=sr).levels)
    for start, end in ((-1.0, 1.0), (2.0, 1.0), (604.0, 605.0)):
        with pytest.raises(earmark.SettingsError, match="there is no sound; correct start and end"):
            model.deviation(part, sr=sr, start=start, end=end)


def test_folds_of_a_detector_test_every_clip_once(machines: Path, tmp_path: Path) -> None:
    found = earmark.crossval(machines, tmp_path / "cv", folds=3, **DETECTOR).to_dict()
    table = pd.read_csv(tmp_path / "cv" / "predictions.csv")
    assert found["n"] == len(table) == table["path"].nunique() == 80
    abnormal = (table["label"] == "abnormal").to_numpy()
    assert found["auc"] == pytest.approx(roc_auc_score(abnormal, -np.log10(table["tail"])))
    assert found["mean"]["auc"] == pytest.approx(np.mean([f["auc"] for f in found["folds"]]))
    assert "Machines" in (tmp_path / "cv" / "report.html").read_text()


def test_adapting_to_a_new_background(detected: earmark.Result, machines: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)

    def hissing(folder: str, count: int, wear: float) -> Path:
        (tmp_path / folder).mkdir()
        for i in range(count):
            samples = synth.machine("fan", unit=0, wear=wear, rng=rng, snr_db=6.0)
            noise = np.diff(rng.normal(size=len(samples) + 1)) * 0.05
            soundfile.write(tmp_path / folder / f"{i}.wav", samples + noise, 16_000)
        return tmp_path / folder

    few, fresh, worn = hissing("few", 6, 0.0), hissing("fresh", 20, 0.0), hissing("worn", 10, 1.0)
    result = earmark.adapt(detected.path, few, tmp_path / "adapted", machine="fan/id_00")
    before, after = earmark.load(detected.path), earmark.load(result.path)

    def flagged(model: earmark.Model, folder: Path) -> float:
        found = [model.predict(p, machine="fan/id_00") for p in sorted(folder.glob("*.wav"))]
        return float(np.mean([bool(p.labels) for p in found]))

    assert flagged(before, fresh) == 1.0
    assert flagged(after, fresh) <= 0.2
    assert flagged(after, worn) >= 0.9
    quiet = clip(machines, "normal").parent
    assert flagged(after, quiet) == pytest.approx(flagged(before, quiet), abs=0.1)  # what it knew stays normal
    assert after.spec.metrics == {} and after.spec.provenance["adapted"][0]["clips"] == 6
    assert len(after.spec.provenance["trained_on"]) == len(before.spec.provenance["trained_on"]) + 6
    with pytest.raises(earmark.DataError, match="knows all of its 6 normal clips already"):
        earmark.adapt(result.path, few, tmp_path / "again", machine="fan/id_00")
    with pytest.raises(earmark.DataError, match="has no columns machine, id that say which machine its clips are"):
        earmark.adapt(detected.path, few, tmp_path / "other")
    single = hissing("alone", 1, 0.0)
    with pytest.raises(
        earmark.DataError, match="holds one group of normal clips of press, copies not counted; give 2 at least"
    ):
        earmark.adapt(detected.path, single, tmp_path / "other", machine="press")
    for i in range(3):
        (single / f"copy_{i}.wav").write_bytes((single / "0.wav").read_bytes())
    with pytest.raises(earmark.DataError, match="holds one group of normal clips of fan/id_00, copies not counted"):
        earmark.adapt(detected.path, single, tmp_path / "other", machine="fan/id_00")
    wider = earmark.adapt(detected.path, few, tmp_path / "wider", machine="press", false_alarms="1/8h")
    assert earmark.load(wider.path).spec.machines == (*UNITS, "press")
    assert earmark.load(wider.path).spec.detector["extrapolated"]


def test_recordings_without_labels_are_normal(machines: Path, tmp_path: Path) -> None:
    for i, path in enumerate(sorted(machines.rglob("id_00/normal/*.wav"))):
        (tmp_path / "plant").mkdir(exist_ok=True)
        (tmp_path / "plant" / f"hall_{i}.wav").write_bytes(path.read_bytes())
    result = earmark.train(tmp_path / "plant", tmp_path / "model", task="anomaly")
    found = result.metrics
    assert (found["auc"], found["machines"][0]["machine"]) == (None, "all")
    assert "no abnormal clip" in found["machines"][0]["note"]
    assert any("as rare as" in note for note in result.notes)
    assert earmark.load(result.path).spec.detector["rate"] == pytest.approx(1 / 24)


def test_names_that_speak_of_faults_are_not_taken_for_normal(machines: Path, tmp_path: Path) -> None:
    (tmp_path / "plant").mkdir()
    for name, label, number in (*((f"rec{n}", "normal", n) for n in range(4)), ("abnormal_x", "abnormal", 0)):
        (tmp_path / "plant" / f"{name}.wav").write_bytes(clip(machines, label, number=number).read_bytes())
    with pytest.raises(earmark.DataError, match="abnormal_x.wav sounds like a fault by its name"):
        earmark.train(tmp_path / "plant", tmp_path / "model", task="anomaly")


def test_a_folder_of_faults_is_not_taken_for_normal(detected: earmark.Result, machines: Path, tmp_path: Path) -> None:
    faults = clip(machines, "abnormal").parent
    with pytest.raises(earmark.DataError, match="abnormal/00000000.wav sounds like a fault by its name"):
        earmark.adapt(detected.path, faults, tmp_path / "model", machine="fan/id_00")
    with pytest.raises(earmark.DataError, match="abnormal/00000000.wav sounds like a fault by its name"):
        earmark.evaluate(detected.path, faults)
    note = "15 recordings without labels are taken for normal"
    assert note in earmark.evaluate(detected.path, clip(machines, "normal").parent, split="all").to_dict()["notes"]


def test_a_label_of_a_kind_of_fault_is_not_taken_for_normal(
    detected: earmark.Result, machines: Path, tmp_path: Path
) -> None:
    shutil.copytree(clip(machines, "abnormal").parent, tmp_path / "data" / "knocking")
    with pytest.raises(
        earmark.DataError, match="It has knocking; name it with normal=LABEL, or say normal='normal' where"
    ):
        earmark.evaluate(detected.path, tmp_path / "data")
    found = earmark.evaluate(detected.path, tmp_path / "data", normal="normal").to_dict()
    assert (found["n"], found["auc"], found["per_class"]["abnormal"]["n"]) == (5, None, 5)
    shutil.copytree(clip(machines, "normal").parent, tmp_path / "data" / "ok")
    with pytest.raises(earmark.DataError, match="has no label 'normal'"):
        earmark.evaluate(detected.path, tmp_path / "data", normal="normal")
    shutil.rmtree(tmp_path / "data" / "ok")
    (tmp_path / "data" / "knocking").rename(tmp_path / "data" / "defect")
    assert earmark.evaluate(detected.path, tmp_path / "data").to_dict()["per_class"]["abnormal"]["n"] == 5


def test_a_fault_labelled_past_the_end_is_a_fault_all_the_same(detected: earmark.Result, tmp_path: Path) -> None:
    synth.write_watch(
        tmp_path / "watch.wav", "fan", unit=0, faults=[(50.0, 60.0, 1.0)], seconds=60.0, snr_db=6.0, seed=3
    )
    (tmp_path / "watch.txt").write_text("0\t40\tnormal\n50\t63\tabnormal\n")
    found = earmark.evaluate(detected.path, tmp_path).to_dict()
    assert "lies past the recording's end" in found["skipped"][0]["error"]
    assert (found["watch"]["faults"], found["watch"]["found"]) == (1, 1)
    assert found["watch"]["normal_hours"] == pytest.approx(50 / 3600)


def test_one_long_recording_is_enough_to_learn_from(tmp_path: Path) -> None:
    for day in range(2):
        synth.write_watch(tmp_path / "plant" / f"{day}.wav", "pump", unit=0, seconds=60.0, snr_db=6.0, seed=day)
    options = {"task": "anomaly", "settings": ["window_seconds=2", "false_alarms=5%"]}
    result = earmark.train(tmp_path / "plant", tmp_path / "model", test_fold="none", **options)
    model = earmark.load(result.path)
    assert model.detector is not None
    assert len(np.unique(model.detector.group)) == 16 and model.spec.detector["normal_windows"] == 60
    worn = synth.write_watch(
        tmp_path / "worn.wav", "pump", unit=0, faults=[(20, 40, 1.0)], seconds=60.0, snr_db=6.0, seed=7
    )
    events = model.predict(worn, windows=True).events
    assert any(event.start < 40 and event.end > 20 for event in events)


def test_why_of_a_long_clip_is_its_most_unusual_window(detected: earmark.Result, tmp_path: Path) -> None:
    synth.write_watch(tmp_path / "watch" / "normal" / "a.wav", "fan", unit=0, seconds=700.0, snr_db=6.0, seed=3)
    found = earmark.evaluate(detected.path, tmp_path / "watch", out=tmp_path / "out").to_dict()
    assert found["n"] == 1
    page = (tmp_path / "out" / "report.html").read_text()
    assert "normal/a.wav (normal) from " in page
    assert any("the data have no columns machine, id" in note for note in found["notes"])


def test_machines_and_labels_of_the_data_are_checked(detected: earmark.Result, machines: Path, tmp_path: Path) -> None:
    with pytest.raises(earmark.DataError, match="has no column 'nonsense'"):
        earmark.evaluate(detected.path, machines, per=("nonsense",))
    with pytest.raises(earmark.DataError, match="has no label 'fine'"):
        earmark.evaluate(detected.path, machines, normal="fine")
    strange = tmp_path / "6_dB_fan" / "fan" / "id_07"
    for label in ("normal", "abnormal"):
        (strange / label).mkdir(parents=True)
        (strange / label / "00000000.wav").write_bytes(clip(machines, label, number=1).read_bytes())
    found = earmark.evaluate(detected.path, tmp_path, split="all").to_dict()
    note = "machines that the detector does not know, held to the one that they sound most like: fan/id_07"
    assert note in found["notes"]
    assert [row["machine"] for row in found["machines"]] == ["fan/id_07"]


def test_machines_without_a_normal_clip_to_learn_from_have_no_threshold(machines: Path, tmp_path: Path) -> None:
    table = earmark.read(machines).table
    test = (table["machine"] == "pump") & (table["id"] == "id_02")
    table["split"] = np.where(test | (table["label"] == "abnormal"), "test", "train")
    table["path"] = [str(machines / path) for path in table["path"]]
    table.to_csv(tmp_path / "table.csv", index=False)
    result = earmark.train(tmp_path / "table.csv", tmp_path / "model", **DETECTOR)
    assert earmark.load(result.path).spec.machines == tuple(UNITS[:3])
    assert any(
        note.startswith("machines that the detector does not learn, since no normal clip") for note in result.notes
    )
    assert [row["machine"] for row in result.metrics["machines"]] == UNITS


def test_table_of_a_classifier(machines: Path, tmp_path: Path) -> None:
    options = {"settings": TINY, "per": PER}
    result = earmark.train(machines, tmp_path / "model", **options)
    table = pd.read_csv(result.path / "predictions.csv")
    for row in result.metrics["machines"]:
        own = table[(table["machine"] + "/" + table["id"]) == row["machine"]]
        assert (row["n"], row["accuracy"]) == (len(own), pytest.approx(own["correct"].mean()))
        assert row["n_abnormal"] == (own["label"] == "abnormal").sum() == 1  # spread evenly
        assert row["auc"] == roc_auc_score(own["label"] == "abnormal", own["score_abnormal"])
    assert (result.path / "machines.md").is_file()
    again = earmark.evaluate(result.path, machines, per=("machine",)).to_dict()
    assert [row["machine"] for row in again["machines"]] == ["fan", "pump"]


def test_what_cannot_be_done(machines: Path, tmp_path: Path, trained: earmark.Result, tones: Path) -> None:
    def refused(match: str, data: Path = machines, **options: Any) -> None:
        with pytest.raises(earmark.EarmarkError, match=match):
            earmark.train(data, tmp_path / "model", **options)
        assert not (tmp_path / "model").exists()

    refused("has no column 'serial' \\(per=COLUMNS\\); it has .*machine, id", per=("serial",))
    refused("task is 'clustering'; choose auto or anomaly", task="clustering")
    refused("setting false_alarms is 'often'", task="anomaly", settings=["false_alarms=often"])
    refused("recipe anomaly makes anomaly detectors .task='anomaly'.; choose another", recipe="anomaly")
    refused("setting network is 'resnet'; an anomaly detector requires bands", task="anomaly", recipe="fast")
    refused("setting features is 'chroma'", task="anomaly", settings=["features=chroma"])
    refused("setting features is 'mfcc'", task="anomaly", settings=["features=mfcc"])
    refused("which of its labels is normal", tones, task="anomaly")
    refused("which of its labels is normal", tones, per=("group",))
    refused("has no label 'fine' \\(normal=LABEL\\)", task="anomaly", normal="fine")
    with pytest.raises(earmark.BundleError, match="is no anomaly detector, which alone can be adapted"):
        earmark.adapt(trained.path, machines, tmp_path / "model")
    with pytest.raises(earmark.SettingsError, match="is no anomaly detector; train one with task='anomaly'"):
        earmark.load(trained.path).deviation(clip(machines, "normal"))
    with pytest.raises(earmark.SettingsError, match="it tells none apart: leave it out"):
        earmark.load(trained.path).predict(clip(machines, "normal"), machine="fan")


def test_a_damaged_detector_is_refused(detected: earmark.Result, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(detected.path, tmp_path / "model"))
    (copy / "detector.safetensors").write_bytes(b"nothing")
    with pytest.raises(earmark.BundleError, match=r"detector\.safetensors was altered"):
        earmark.load(copy)
    (copy / "detector.safetensors").unlink()
    with pytest.raises(earmark.BundleError, match=r"holds no detector\.safetensors"):
        earmark.load(copy)


@pytest.mark.data
def test_mimii_sample_is_read(recordings: Path) -> None:
    manifest = earmark.read(recordings / "mimii_sample")
    assert (manifest.layout, len(manifest)) == ("mimii", 32)
    assert sorted(set(manifest.machines(PER))) == [
        f"{m}/id_0{i}" for m in ("fan", "pump", "slider", "valve") for i in (0, 2, 4, 6)
    ]
    eight = recordings / "mimii_sample" / "0_dB_fan" / "fan" / "id_00" / "normal"
    path = next(eight.iterdir())
    assert soundfile.info(path).channels == 8
    assert not np.allclose(decode(path, channel=0).samples, decode(path, channel=7).samples)


def test_adapting_to_a_name_that_is_not_known_asks(detected: earmark.Result, machines: Path, tmp_path: Path) -> None:
    few = tmp_path / "few" / "knocking"
    few.mkdir(parents=True)
    for number in range(3):
        shutil.copy(clip(machines, "normal", number=number), few / f"{number}.wav")
    with pytest.raises(
        earmark.DataError, match="which of its labels is normal. It has knocking; name it with normal=LABEL"
    ):
        earmark.adapt(detected.path, few.parent, tmp_path / "out", machine="fan/id_00")


def test_a_fault_labelled_in_pieces_is_one_fault() -> None:
    rows = [(0.0, 10.0, "normal"), *((10.0 * i, 10.0 * i + 10, "rattle") for i in range(1, 5)), (45.0, 60.0, "squeal")]
    table = pd.DataFrame([*rows, (70.0, np.nan, "rattle")], columns=["start", "end", "label"])
    assert faults_of(table, "normal", 90.0) == [(10.0, 50.0), (45.0, 60.0), (70.0, 90.0)]


def test_long_recordings_are_not_judged_where_labels_were_left_out(detected: earmark.Result, tmp_path: Path) -> None:
    synth.write_watch(tmp_path / "watch.wav", "fan", unit=0, faults=[], seconds=60.0, snr_db=6.0, seed=3)
    rows = [("watch.wav", 0, 30, "normal"), ("watch.wav", 30, 50, "abnormal"), ("watch.wav", 50, 60, "squeal")]
    table = pd.DataFrame(rows, columns=["path", "start", "end", "label"]).assign(machine="fan", id="id_00")
    table.to_csv(tmp_path / "table.csv", index=False)
    source = {"include": ("normal", "abnormal")}
    found = earmark.evaluate(detected.path, tmp_path / "table.csv", **source).to_dict()
    assert "watch" not in found
    assert any(note.startswith("whole recordings are not judged where labels were excluded") for note in found["notes"])
