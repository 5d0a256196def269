"""Defaults take what there is and say so; what the user asks for is done or refused; nothing is refused without need."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

import earmark
from conftest import TINY, Run, tone
from earmark.data import splits
from earmark.data.manifest import Manifest
from earmark.errors import DataError

pytestmark = pytest.mark.usefixtures("one_thread")
QUICK = (*TINY, "epochs=1")


def manifest(labels: list[str], groups: list[str]) -> Manifest:
    return Manifest.of(
        pd.DataFrame({"path": [f"{i:03d}.wav" for i in range(len(labels))], "label": labels, "group": groups}), "/data"
    )


def test_two_groups_make_two_folds_and_say_so() -> None:
    m = manifest(["a", "b"] * 6, [f"g{i // 6}" for i in range(12)])
    note = "2 folds instead of 5: there are 2 groups"
    assert [s.name for s in splits.crossval_folds(m)] == ["fold 1 of 2", "fold 2 of 2"]
    assert all(s.notes == (note,) for s in splits.crossval_folds(m))
    assert splits.holdout(m).notes == (note,)
    for explicit in (5, 3):
        with pytest.raises(DataError, match=f"{explicit} folds of 2 groups cannot be made; choose folds=2 to 2"):
            splits.crossval_folds(m, folds=explicit)
        with pytest.raises(DataError, match=f"{explicit} folds of 2 groups cannot be made"):
            splits.holdout(m, folds=explicit)
    with pytest.raises(DataError, match="choose a number from 1 to 2"):
        splits.holdout(m, test_fold="4")


def test_few_clips_of_each_label_make_few_folds_and_say_so() -> None:
    m = manifest(["a", "a", "b", "b"], ["", "", "", ""])
    found = splits.crossval_folds(m)
    assert len(found) == 2 and "2 folds instead of 5: no label has more than 2 clips" in found[0].notes
    assert all(len(s.train) == len(s.test) == 2 and not s.lost for s in found)
    with pytest.raises(DataError, match="3 folds cannot be made: no label has more than 2 clips; choose folds=2 to 2"):
        splits.crossval_folds(m, folds=3)
    many = manifest(["a", "b", "c"] * 10, [f"g{i}" for i in range(30)])
    assert splits.crossval_folds(many)[0].notes == ()


def test_where_nothing_can_be_held_out_the_remedy_is_named() -> None:
    for m in (
        manifest(["a", "b"], ["", ""]),
        manifest(["a", "b"] * 3, ["g"] * 6),
        manifest(["a", "b", "c"], ["x", "y", "z"]),
    ):
        for folds in (None, 2):
            with pytest.raises(DataError, match="train on all of it with test_fold='none'"):
                splits.holdout(m, folds=folds)
        assert len(splits.holdout(m, test_fold="none").train) == len(m)


def test_a_label_of_one_group_trains_by_default() -> None:
    labels = ["rare"] * 4 + ["common"] * 16
    groups = ["r"] * 4 + [f"g{i // 4}" for i in range(16)]
    for seed in range(10):
        m = manifest(labels, groups)
        s = splits.holdout(m, seed=seed)
        assert not s.lost and set(m.column("label")[s.train]) == {"rare", "common"}
        splits.check_labels(m, s)


@settings(max_examples=60)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 5)), min_size=2, max_size=24), st.integers(0, 5))
def test_defaults_hold_out_whatever_can_be_held_out(clips: list[tuple[str, int]], seed: int) -> None:
    m = manifest([label for label, _ in clips], [f"g{group}" for _, group in clips])
    groups = m.table["group"].nunique()
    possible = groups > 1 and m.table["label"].value_counts().max() > 1
    if not possible:
        with pytest.raises(DataError, match="test_fold='none'"):
            splits.holdout(m, seed=seed)
        return
    made = splits.crossval_folds(m, seed=seed)
    assert sorted(np.concatenate([s.test for s in made])) == list(range(len(m)))
    assert all(len(s.test) and len(s.train) for s in made)
    s = splits.holdout(m, seed=seed)
    assert len(s.test) and len(s.train)
    assert s.lost == min(one.lost for one in made)
    assert (len(made) < 5) == any(note.startswith(f"{len(made)} folds instead of 5: ") for note in s.notes)


def test_a_validation_part_that_is_not_needed_costs_no_label_and_no_refusal() -> None:
    one_group = manifest(["a", "b"] * 4, ["g0"] * 4 + ["g1"] * 4)
    s = splits.holdout(one_group)
    assert splits.with_validation(one_group, s, share=0.15, needed=False) == s
    with pytest.raises(DataError, match="all clips that train are of one group"):
        splits.with_validation(one_group, s, share=0.15)
    lone = manifest(["a"] * 4 + ["b"] * 8, ["g0"] * 4 + [f"g{1 + i // 4}" for i in range(8)])
    everything = splits.holdout(lone, test_fold="none")
    kept = splits.with_validation(lone, everything, share=0.15, needed=False)
    assert set(lone.column("label")[kept.train]) == {"a", "b"}
    few = manifest(["a", "b"] * 9, [f"g{i // 6}" for i in range(18)])
    told = splits.with_validation(few, splits.holdout(few), share=0.15)
    assert any(
        note.startswith("1 in 2 groups is held out to choose by instead of 1 in 7: 2 groups train")
        for note in told.notes
    )


def write(root: Path, labels: dict[str, int], seconds: float, *, groups: int = 0, sr: int = 8_000) -> Path:
    """Class folders; with ``groups`` the clips of each label are of so many."""
    for number, (label, count) in enumerate(labels.items()):
        (root / label).mkdir(parents=True)
        for i in range(count):
            sound = tone(300 * (1 + number) + 7 * i, seconds, sr, seed=1000 * number + i)
            soundfile.write(root / label / (f"g{i % groups}_{i}.wav" if groups else f"{i}.wav"), sound, sr)
    return root


@pytest.mark.parametrize(
    ("labels", "seconds", "groups", "note"),
    [
        ({"a": 2, "b": 2}, 0.3, 0, "2 folds instead of 5: no label has more than 2 clips"),
        ({"a": 6, "b": 6}, 0.1, 2, "2 folds instead of 5: there are 2 groups"),
        ({"a": 1, "b": 5}, 3.0, 0, ""),
        ({"a": 3, "b": 1, "c": 1}, 0.6, 0, "3 folds instead of 5: no label has more than 3 clips"),
    ],
)
def test_tiny_data_train_and_are_cross_validated_by_default(
    tmp_path: Path, run: Callable[..., Run], labels: dict[str, int], seconds: float, groups: int, note: str
) -> None:
    data = write(tmp_path / "data", labels, seconds, groups=groups)
    words = [word for change in QUICK for word in ("--set", change)]
    words += ["--group-pattern", r"/(g\d+)_"] if groups else []
    found = run("train", data, "--out", tmp_path / "m", *words)
    assert found.code == 0, found.err
    assert note in found.err
    cross = run("crossval", data, "--out", tmp_path / "cv", *words)
    if (labels.get("b") == 1 and len(labels) == 3) or labels.get("a") == 1:
        return  # a fold may leave one label to train on: then there is nothing to tell apart
    assert cross.code == 0, cross.err
    assert (cross.out + cross.err).count(note) == 1
    refused = run("train", data, "--out", tmp_path / "five", "--folds", "5", *words)
    assert refused.code == 2 and "--folds 2 to 2" in refused.err and not (tmp_path / "five").exists()


def test_thresholds_that_cannot_be_chosen_are_a_half_and_told(tmp_path: Path, run: Callable[..., Run]) -> None:
    import json

    words = [word for change in QUICK for word in ("--set", change)]
    for name, groups, told in (
        (
            "one",
            lambda i: f"g{i // 4}",
            "no clips could be held out to choose thresholds on: each label counts from a score of 0.5",
        ),
        (
            "some",
            lambda i: f"g{i}",
            "labels with fewer than 3 clips in the validation set, which count from a score of 0.5: high, low",
        ),
    ):
        data = tmp_path / name
        data.mkdir()
        rows = ["file_name,labels,group"]
        for i in range(8):
            soundfile.write(data / f"{i}.wav", tone(300 + 200 * (i % 3), 0.5, seed=70 + i), 8_000)
            rows.append(f"{i}.wav,{('low', 'high', 'low;high')[i % 3]},{groups(i)}")
        (data / "metadata.csv").write_text("\n".join(rows) + "\n")
        found = run("train", data, "--out", tmp_path / f"{name}-model", "--json", *words)
        assert found.code == 0, found.err
        assert told in found.err and told in json.loads(found.out)["notes"]
        assert earmark.load(tmp_path / f"{name}-model").spec.thresholds == (0.5, 0.5)


@pytest.mark.parametrize("sr", [4_000, 11_025])
def test_low_rates_train_by_default(tmp_path: Path, run: Callable[..., Run], sr: int) -> None:
    data = write(tmp_path / "data", {"a": 4, "b": 4}, 0.6, sr=sr)
    words = [word for change in QUICK if not change.startswith("n_mels") for word in ("--set", change)]
    found = run("train", data, "--out", tmp_path / "m", *words)
    assert found.code == 0, found.err


def test_a_detector_says_what_was_held_out_where_it_learns_from_too_few(
    tmp_path: Path, run: Callable[..., Run]
) -> None:
    data = write(tmp_path / "data", {"normal": 5, "fault": 2}, 1.0)
    found = run("train", data, "--out", tmp_path / "m", "--task", "anomaly")
    assert found.code == 2
    assert "(1 more are held out to test: --test-fold none learns from them too)" in found.err.splitlines()[-1]
    assert run("train", data, "--out", tmp_path / "m", "--task", "anomaly", "--test-fold", "none").code == 0
