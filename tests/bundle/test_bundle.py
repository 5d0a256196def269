from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest

import earmark
from earmark import bundle, tasks
from earmark.errors import BundleError


@pytest.fixture
def copied(trained: earmark.Result, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained.path, tmp_path / "model"))


def change(folder: Path, **values: object) -> None:
    path = folder / "earmark.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_holds_what_the_design_promises(trained: earmark.Result) -> None:
    names = {p.name for p in trained.path.iterdir()}
    assert names == {
        "earmark.json", "model.onnx", "model.safetensors", "README.md", "report.html", "predictions.csv", "logs",
    }  # fmt: skip
    data = json.loads((trained.path / "earmark.json").read_text())
    assert data["labels"] == ["high", "low", "noise"]
    assert data["sample_rate"] == 8000
    assert data["window_seconds"] == pytest.approx(0.6, abs=0.0125)
    assert len(data["provenance"]["trained_on"]) == data["provenance"]["data"]["train"]
    assert data["metrics"]["accuracy"] == trained.metrics["accuracy"]
    assert data["provenance"]["recipe"]["epochs_trained"] == 10


def test_folder_and_zip_are_the_same(copied: Path, tones: Path) -> None:
    sound = tones / "high" / "g0_0.wav"
    wanted = earmark.load(copied).predict(sound).to_dict()
    inside = shutil.make_archive(str(copied.parent / "inside"), "zip", copied)
    around = shutil.make_archive(str(copied.parent / "around"), "zip", copied.parent, "model")
    assert earmark.load(inside).predict(sound).to_dict() == wanted
    assert earmark.load(around).predict(sound).to_dict() == wanted
    place = f"{copied.parent.name}/model"
    deep = shutil.make_archive(str(copied.parent / "deep"), "zip", copied.parent.parent, place)
    assert earmark.load(deep).predict(sound).to_dict() == wanted


def test_several_bundles_in_one_zip(copied: Path) -> None:
    shutil.copytree(copied, copied.parent / "cv" / "fold-1")
    shutil.copytree(copied, copied.parent / "cv" / "fold-2")
    both = shutil.make_archive(str(copied.parent / "both"), "zip", copied.parent, "cv")
    with pytest.raises(
        BundleError, match="holds several bundles, cv/fold-[12]/earmark.json and cv/fold-[12]/earmark.json"
    ):
        earmark.load(both)


@pytest.mark.parametrize("name", ["earmark.json", "model.onnx"])
def test_missing_file(copied: Path, name: str) -> None:
    (copied / name).unlink()
    with pytest.raises(BundleError, match=f"holds no {name}"):
        earmark.load(copied)


def test_altered_file(copied: Path) -> None:
    path = copied / "model.onnx"
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    with pytest.raises(BundleError, match="model.onnx was altered"):
        earmark.load(copied)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"schema": 99}, "newer Earmark .schema 99.*update Earmark"),
        ({"schema": None}, "no schema number"),
        ({"labels": ["one"]}, "labels is"),
        ({"merge": "median"}, "merge is 'median'"),
        ({"window_seconds": -1}, "window_seconds is -1"),
        ({"files": {}}, "files does not list model.onnx"),
        ({"labels": None}, "labels is None"),
        ({"labels": ["low", "high", "noise"]}, "earmark.json was altered: its labels differs"),
        ({"sample_rate": 16000}, "earmark.json was altered: its sample_rate differs"),
        ({"levels": {"normalise": "peak"}}, "earmark.json was altered: its levels differs"),
        (
            {"levels": {"denoise": True}},
            "levels is {'denoise': True}, which this Earmark cannot use; copy the bundle again",
        ),
        ({"levels": None}, "levels is None"),
    ],
)
def test_wrong_description(copied: Path, values: dict[str, object], message: str) -> None:
    change(copied, **values)
    with pytest.raises(BundleError, match=message):
        earmark.load(copied)


def test_lacking_key_and_no_json(copied: Path) -> None:
    path = copied / "earmark.json"
    data = json.loads(path.read_text())
    del data["sample_rate"]
    path.write_text(json.dumps(data))
    with pytest.raises(BundleError, match="lacks sample_rate"):
        earmark.load(copied)
    path.write_text("{")
    with pytest.raises(BundleError, match="not valid JSON"):
        earmark.load(copied)


def test_what_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no such model"):
        earmark.load(tmp_path / "none")
    (tmp_path / "text.zip").write_text("no archive")
    with pytest.raises(BundleError, match="neither a bundle's folder nor its .zip"):
        earmark.load(tmp_path / "text.zip")


def test_description_survives_a_round_trip(trained: earmark.Result) -> None:
    spec = bundle.read(trained.path).spec
    assert bundle.BundleSpec.from_dict(json.loads(json.dumps(spec.to_dict())), source="test") == spec


def test_a_bundle_that_does_not_say_its_levels_has_none(copied: Path, tones: Path) -> None:
    sound = tones / "high" / "g0_0.wav"
    wanted = earmark.load(copied).predict(sound).to_dict()
    proto = onnx.load(copied / "model.onnx")
    said = json.loads(proto.metadata_props[0].value)
    assert said.pop("levels") == {"remove_dc": False, "trim_db": 0.0, "normalise": "none"}
    proto.metadata_props[0].value = json.dumps(said)
    onnx.save(proto, copied / "model.onnx")
    path = copied / "earmark.json"
    data = json.loads(path.read_text())
    del data["levels"]
    data["files"]["model.onnx"] = hashlib.sha256((copied / "model.onnx").read_bytes()).hexdigest()
    path.write_text(json.dumps(data))
    assert earmark.load(copied).predict(sound).to_dict() == wanted


def test_temperature_flattens_probabilities() -> None:
    logits = np.array([[2.0, 0.0]], np.float32)
    spec = bundle.BundleSpec(("a", "b"), {"name": "resnet", "width": 1.0}, 8_000, 1.0, 0.5, {}, temperature=2.0)
    assert tasks.network(spec.task).probabilities(logits, spec.temperature)[0, 0] == pytest.approx(
        1 / (1 + np.exp(-1.0))
    )
    several = dataclasses.replace(spec, task=bundle.MULTILABEL)
    assert tasks.network(several.task).probabilities(logits, several.temperature)[0] == pytest.approx(
        [1 / (1 + np.exp(-1.0)), 0.5]
    )
