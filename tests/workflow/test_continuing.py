"""Going on from a trained bundle."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

import earmark
from conftest import TINY, write_tones
from earmark import bundle
from earmark.bundle import BundleSpec
from earmark.data import splits
from earmark.data.clips import ingest
from earmark.data.options import DataOptions
from earmark.data.splits import Split
from earmark.frontend.front_end import FrontEndSettings
from earmark.networks.classifier import Classifier
from earmark.training import recipe
from earmark.training.options import TrainOptions
from earmark.workflow import continuing, planning, starting
from earmark.workflow.provenance import group_names, namesakes

GROUPS = {"group_pattern": r"[^/]+/g\d+_"}
MORE = ("epochs=4", "min_steps=0", "batch_size=8", "mixup=0", "dropout=0", "lr=3e-3")


@pytest.fixture(scope="module")
def two(tones: Path, tmp_path_factory: pytest.TempPathFactory) -> earmark.Result:
    """A bundle that knows two of the three labels."""
    source = {"group_pattern": GROUPS["group_pattern"], "include": ("low", "noise")}
    options = {"settings": TINY}
    return earmark.train(tones, tmp_path_factory.mktemp("two") / "model", **source, **options)


def test_weights_and_statistics_are_taken_and_new_labels_come_last(two: earmark.Result, tones: Path) -> None:
    source = bundle.read(two.path)
    options = TrainOptions(base=two.path)
    spec, _ = starting.start_of(options).describe(earmark.read(tones, **GROUPS), recipe.load("finetune"), options)
    assert spec.labels == ("low", "noise", "high")
    assert (spec.front_end, spec.window_seconds, spec.network) == (
        source.spec.front_end, source.spec.window_seconds, source.spec.network,
    )  # fmt: skip
    torch.manual_seed(5)
    classifier = Classifier(spec)
    fresh = classifier.head.weight[2].clone()
    continuing.take_weights(classifier, source)
    before = load_file(two.path / "model.safetensors")
    after = classifier.state_dict()
    for name, value in before.items():
        ours = after[name][: len(value)] if name.startswith("head.") else after[name]
        assert torch.equal(ours, value), name
    assert torch.equal(classifier.head.weight[2], fresh)
    samples = torch.randn(2, spec.plan.window)
    known = Classifier(source.spec)
    known.load_state_dict(before)
    with torch.inference_mode():
        assert torch.allclose(classifier.eval()(samples)[0][:, :2], known.eval()(samples)[0], atol=1e-6)


def test_a_label_is_added(two: earmark.Result, tones: Path, tmp_path: Path) -> None:
    options = {"base": two.path, "settings": MORE}
    result = earmark.train(tones, tmp_path / "model", **GROUPS, **options)
    spec = earmark.load(result.path).spec
    assert spec.labels == ("low", "noise", "high")
    assert result.metrics["accuracy"] > 0.5
    assert spec.provenance["recipe"]["name"] == "finetune"
    assert spec.provenance["recipe"]["n_mels"] == 32  # what the model has settled
    old = set(earmark.load(two.path).spec.provenance["trained_on"])
    assert old <= set(spec.provenance["trained_on"])
    assert spec.provenance["continued"][0]["data"]["clips"] == 20
    statistics = [load_file(p / "model.safetensors")["front_end.mean"] for p in (two.path, result.path)]
    assert torch.equal(*statistics)


def test_what_the_model_has_settled_goes_into_the_record() -> None:
    fields = {f.name for f in dataclasses.fields(FrontEndSettings)}
    assert fields <= set(continuing._KEPT)
    front_end = {"fft_seconds": 0.05, "hop_seconds": 0.02, "n_mels": 40, "fmin": 20.0, "fmax": 4000.0, "floor": 1e-7}
    base = BundleSpec(
        ("a", "b"), {"name": "plain", "width": 0.5}, 8_000, 1.0, 0.5, front_end
    )  # made before there were members
    found = continuing.with_kept(recipe.load("balanced+speech"), base, ())
    assert (found.network, found.width, found.members) == ("plain", 0.5, 1)
    assert {name: getattr(found, name) for name in front_end} == front_end


def test_networks_side_by_side_are_gone_on_from(tones: Path, tmp_path: Path) -> None:
    options = {"settings": (*TINY, "members=2", "epochs=2")}
    first = earmark.train(tones, tmp_path / "first", **GROUPS, **options)
    options = {"base": first.path, "settings": (*MORE, "epochs=1")}
    result = earmark.train(tones, tmp_path / "second", **GROUPS, **options)
    spec = earmark.load(result.path).spec
    assert spec.network["members"] == spec.provenance["recipe"]["members"] == 2


def test_what_the_model_knows_does_not_test(two: earmark.Result, tones: Path, tmp_path: Path) -> None:
    from earmark.data.cache import content_hash

    options = {"base": two.path, "settings": (*MORE, "epochs=1"), "seed": 3}
    result = earmark.train(tones, tmp_path / "model", **GROUPS, **options)
    tested = pd.read_csv(result.path / "predictions.csv")["path"]
    known = set(earmark.load(two.path).spec.provenance["trained_on"])
    assert not known & {content_hash(tones / path) for path in tested}
    assert any("clips of the test part train, since the model to continue from knows them" in n for n in result.notes)


def test_what_the_model_knows_is_not_chosen_by(two: earmark.Result, tones: Path) -> None:
    clips = ingest(earmark.read(tones, **GROUPS), sr=8_000)
    base = bundle.read(two.path).spec
    train, rest = np.arange(0, 10), np.arange(10, 30)
    for split in (Split(train, rest, rest[:0], "", ""), Split(train, rest[:10], rest[10:], "", "")):
        found, known = continuing.prepared(split, base, clips)
        assert not known[[*found.valid, *found.test]].any()
        assert sorted([*found.train, *found.valid, *found.test]) == list(range(30))
        assert any(
            "clips of the valid part train, since the model to continue from knows them" in n for n in found.notes
        )


def test_what_the_model_was_chosen_by_chooses_again_and_does_not_test(two: earmark.Result, tones: Path) -> None:
    clips = ingest(earmark.read(tones, **GROUPS), sr=8_000)
    trained, chosen = clips.hashes[:10], clips.hashes[10:14]
    base = dataclasses.replace(
        bundle.read(two.path).spec, provenance={"trained_on": [*trained, *chosen], "chosen_by": list(chosen)}
    )
    rows = np.arange(30)
    published = Split(rows[:10], rows[10:20], rows[20:], "", "")
    found, known = continuing.prepared(published, base, clips)
    assert np.array_equal(found.valid, rows[10:20]) and np.array_equal(found.test, rows[20:])
    assert known.nonzero()[0].tolist() == rows[:10].tolist()
    tested, _ = continuing.prepared(Split(rows[:10], rows[:0], rows[10:], "", ""), base, clips)
    assert not set(tested.test) & set(rows[10:14])
    spec = dataclasses.replace(
        base, provenance={"trained_on": ["a", "b", "v"], "chosen_by": ["v", clips.hashes[0]], "groups": ["g"]}
    )
    joined = continuing.joined(spec, base).provenance
    assert set(joined["trained_on"]) == {"a", "b", "v", *trained, *chosen}
    assert set(joined["chosen_by"]) == {"v", *chosen}  # the first was learnt from before


def test_new_recordings_of_groups_that_the_model_knows_are_told(
    two: earmark.Result, tones: Path, tmp_path: Path
) -> None:
    write_tones(tmp_path / "tones", clips=6, sr=16_000)
    clips = ingest(earmark.read(tmp_path / "tones", **GROUPS), sr=8_000)
    known = splits.grouped_folds(clips.manifest, folds=3)[0]
    base = bundle.read(two.path).spec
    common = namesakes(base, clips.manifest.take(known.test))
    assert common and not any(name in json.dumps(base.provenance["groups"]) for name in common)
    found, _ = continuing.prepared(known, base, clips)
    told = [
        n for n in found.notes if f"{len(common)} groups of the test set have names of groups that the model was" in n
    ]
    assert told and not any(name in told[0] for name in common)  # names of speakers stay out of bundles
    fresh = ingest(earmark.read(tmp_path / "tones"), sr=8_000)
    assert not any("have names of groups" in note for note in continuing.prepared(known, base, fresh)[0].notes)


def test_groups_named_as_their_recordings_are_no_namesakes(two: earmark.Result) -> None:
    paths = [f"{label}/{stem}.wav" for label in "ab" for stem in ("ann", "20240501_050000")]
    table = pd.DataFrame({"path": paths, "label": [p[0] for p in paths], "group": paths})
    for group in (table["group"], table["path"].str.removesuffix(".wav"), table["path"].str[2:-4]):
        manifest = dataclasses.replace(earmark.Manifest.of(table.assign(group=group), "/data"), grouped_by="recording")
        assert group_names(manifest) == {}
    spoken = earmark.Manifest.of(table.assign(group="n"), "/data")
    assert list(group_names(spoken).values()) == ["n"]  # though a recording's name ends with it


def test_what_a_named_recipe_says_stands(two: earmark.Result, tones: Path, tmp_path: Path) -> None:
    of_machines = tmp_path / "machine"
    shutil.copytree(two.path, of_machines)
    spec = bundle.read(two.path).spec
    said = {**spec.provenance["recipe"], "mel_warp": 0.0, "time_stretch": 0.0}
    bundle.write_description(of_machines, dataclasses.replace(spec, provenance={**spec.provenance, "recipe": said}))
    named = tmp_path / "mine.toml"
    named.write_text("time_stretch = 0.3\nepochs = 2\n")
    for picked, stretched in (("auto", 0.0), ("finetune", 0.0), ("fast", 0.0), (str(named), 0.3)):
        options = TrainOptions(base=of_machines, recipe=picked)
        chosen = planning.plan(tones, DataOptions(**GROUPS), options, planning.holdout(options, None, None))[0].recipe
        assert (chosen.time_stretch, chosen.mel_warp) == (stretched, 0.0)  # the pitch is named by none of them


def test_what_tells_the_labels_is_left_alone_here_too() -> None:
    said = recipe.load("balanced+machine").to_dict()
    base = BundleSpec(("a", "b"), {"name": "resnet", "width": 1.0}, 8_000, 1.0, 0.5, {}, provenance={"recipe": said})
    found = continuing.with_kept(recipe.load("finetune"), base, ())
    assert (found.mel_warp, found.time_stretch, found.crop_seconds) == (0, 0, 0)
    assert found.epochs == recipe.load("finetune").epochs
    assert continuing.with_kept(recipe.load("finetune", ["mel_warp=0.1"]), base, ("mel_warp",)).mel_warp == 0.1


def test_of_a_split_that_parts_groups_the_recordings_alone_are_known(two: earmark.Result, tones: Path) -> None:
    clips = ingest(earmark.read(tones, **GROUPS), sr=8_000)
    base = bundle.read(two.path).spec
    groups, trained = clips.manifest.column("group"), set(base.provenance["trained_on"])
    seen = np.array([content in trained for content in clips.hashes])
    apart = splits.grouped_folds(clips.manifest, folds=5)[0]
    assert np.array_equal(continuing.known_to(base, clips, apart), np.isin(groups, groups[seen]))
    parted = Split(np.arange(0, 30, 2), apart.valid, np.arange(1, 30, 2), "", "")
    one = dataclasses.replace(base, provenance={"trained_on": clips.hashes[:1]})
    assert continuing.known_to(one, clips, parted).nonzero()[0].tolist() == [0]
    paths = clips.manifest.column("path")
    copied = dataclasses.replace(clips, manifest=dataclasses.replace(clips.manifest, copies=((paths[7], paths[0]),)))
    assert continuing.known_to(one, copied, parted).nonzero()[0].tolist() == [0, 7]
    chain = dataclasses.replace(clips.manifest, copies=((paths[9], paths[7]), (paths[7], paths[0])))
    found = continuing.known_to(one, dataclasses.replace(clips, manifest=chain), parted)
    assert found.nonzero()[0].tolist() == [0, 7, 9]
    mostly = dataclasses.replace(
        apart, test=np.append(apart.test, apart.train[-1])
    )  # one group on both sides, others not
    assert continuing.known_to(one, clips, mostly).nonzero()[0].tolist() == [0, 1]
    assert continuing.known_to(one, clips, apart).nonzero()[0].tolist() == [0, 1]


def test_labels_that_may_be_forgotten_are_named(two: earmark.Result, tmp_path: Path) -> None:
    write_tones(tmp_path / "tones", clips=6, sr=16_000)
    source = {"group_pattern": GROUPS["group_pattern"], "include": ("high", "low")}
    options = {"base": two.path, "settings": (*MORE, "epochs=1")}
    result = earmark.train(tmp_path / "tones", tmp_path / "model", **source, **options)
    assert any("which it may forget: noise" in note for note in result.notes)
    assert earmark.load(result.path).sample_rate == 8000  # the model's, not that of the new recordings


def test_what_cannot_be_gone_on_from(two: earmark.Result, tones: Path, tmp_path: Path) -> None:
    def refused(match: str, *settings: str, **options: Any) -> None:
        with pytest.raises(earmark.EarmarkError, match=match):
            chosen = {"base": two.path, "settings": settings, **options}
            earmark.train(tones, tmp_path / "model", **GROUPS, **chosen)
        assert not (tmp_path / "model").exists()

    refused("n_mels=64: the model to continue from fixes n_mels", "n_mels=64")
    refused("shifts=2: the model to continue from fixes shifts", "shifts=2")
    refused("setting teachers is 2; with base=MODEL there is a model to learn from", "teachers=2")
    refused("channel=1: the model to continue from took None", channel=1)
    refused("no such model", base=tmp_path / "nothing")
    lists = pd.DataFrame({"path": [str(p) for p in sorted(tones.rglob("*.wav"))]})
    lists["label"] = np.where(np.arange(len(lists)) % 2, "low;noise", "low")
    lists.to_csv(tmp_path / "several.csv", index=False)
    with pytest.raises(
        earmark.DataError, match="its task is multilabel, that of the model to continue from classification"
    ):
        earmark.train(tmp_path / "several.csv", tmp_path / "model", base=two.path)
