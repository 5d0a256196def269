from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from earmark.data import splits
from earmark.data.manifest import Manifest
from earmark.errors import DataError


def manifest(groups: int = 20, clips: int = 4, *, published: str = "", **columns: list[str]) -> Manifest:
    count = groups * clips
    table = pd.DataFrame(
        {
            "path": [f"{i:03d}.wav" for i in range(count)],
            "label": [("a", "b", "c")[i % 3] for i in range(count)],
            "group": [f"g{i // clips}" for i in range(count)],
            **columns,
        }
    )
    return Manifest.of(table, "/data", published=published)


def groups_of(m: Manifest, rows: np.ndarray) -> set[str]:
    return set(m.take(rows).table["group"])


@settings(max_examples=30)
@given(st.integers(2, 8), st.integers(0, 50), st.integers(8, 30), st.integers(1, 5))
def test_folds_partition_the_clips_by_whole_groups(folds: int, seed: int, groups: int, clips: int) -> None:
    assume(groups * clips >= 3 * folds)
    m = manifest(groups, clips)
    made = splits.grouped_folds(m, folds=folds, seed=seed)
    assert sorted(np.concatenate([s.test for s in made])) == list(range(len(m)))
    for s in made:
        assert sorted([*s.train, *s.test]) == list(range(len(m)))
        assert not groups_of(m, s.train) & groups_of(m, s.test)


def test_folds_do_not_depend_on_the_order_of_the_clips() -> None:
    m = manifest()
    order = np.random.default_rng(0).permutation(len(m))
    for one, other in zip(splits.grouped_folds(m, folds=4), splits.grouped_folds(m.take(order), folds=4), strict=True):
        assert set(m.take(one.test).table["path"]) == set(m.take(order).take(other.test).table["path"])


def test_folds_are_stratified_and_the_seed_matters() -> None:
    m = manifest(60, 1)
    for s in splits.grouped_folds(m, folds=5):
        assert np.bincount(m.take(s.test).targets(["a", "b", "c"])).tolist() == [4, 4, 4]
    one, other = (splits.grouped_folds(m, folds=5, seed=seed)[0].test for seed in (0, 1))
    assert not np.array_equal(one, other)


def test_default_holds_out_a_fifth_of_the_groups() -> None:
    m = manifest(40, 3)
    s = splits.holdout(m)
    assert len(groups_of(m, s.test)) == 8
    assert "no group overlaps the split" in s.protocol


def test_none_trains_on_everything() -> None:
    s = splits.holdout(manifest(), test_fold="none")
    assert (len(s.train), len(s.test)) == (80, 0)


def test_official_folds() -> None:
    m = manifest(fold=[str(i // 4 % 3 + 1) for i in range(80)])
    assert splits.holdout(m).name == "fold 3"
    s = splits.holdout(m, test_fold="01")
    assert set(m.take(s.test).table["fold"]) == {"1"}
    assert [x.name for x in splits.crossval_folds(m)] == ["fold 1", "fold 2", "fold 3"]
    assert [x.name for x in splits.crossval_folds(m, folds=2)] == ["fold 1 of 2", "fold 2 of 2"]
    with pytest.raises(DataError, match="unknown fold '9'; choose one of 1, 2, 3"):
        splits.holdout(m, test_fold="9")


def test_official_split_with_a_validation_part() -> None:
    names = ["train"] * 60 + ["valid"] * 8 + ["test"] * 12
    s = splits.holdout(manifest(split=names))
    assert (len(s.train), len(s.valid), len(s.test)) == (60, 8, 12)
    assert s.name == "split test"


def test_validation_part_tests_where_there_is_no_other() -> None:
    s = splits.holdout(manifest(split=["train"] * 60 + ["valid"] * 20))
    assert (s.name, len(s.train), len(s.valid), len(s.test)) == ("split valid", 60, 0, 20)
    m = manifest(split=["train"] * 60 + ["valid"] * 8 + ["test"] * 12)
    named = splits.holdout(m, test_fold="valid")
    assert (len(named.train), len(named.valid), len(named.test)) == (60, 0, 8)
    assert len(splits.holdout(m, test_fold="none").train) == 80


def test_one_label_is_not_enough_to_train_on() -> None:
    names = ["train" if i % 3 == 0 else "test" for i in range(80)]
    m = manifest(80, 1, split=names)
    with pytest.raises(DataError, match="27 clips of 1 labels are left to train on"):
        splits.check_labels(m, splits.holdout(m))


def test_protocol_says_where_no_groups_are_known() -> None:
    m = manifest(40, 1)
    m = Manifest.of(m.table.assign(group=""), "/data")
    assert "no groups are known" in splits.holdout(m).protocol


def test_number_of_a_made_fold() -> None:
    m = manifest()
    second = splits.holdout(m, test_fold="2", folds=4)
    assert np.array_equal(second.test, splits.grouped_folds(m, folds=4)[1].test)
    with pytest.raises(DataError, match="choose a number from 1 to 4"):
        splits.holdout(m, test_fold="5", folds=4)


def test_a_given_number_of_folds_goes_before_the_official_ones() -> None:
    m = manifest(fold=[str(i // 4 % 3 + 1) for i in range(80)], split=["train"] * 60 + ["test"] * 20)
    made = splits.holdout(m, test_fold="3", folds=5)
    assert made.name == "fold 3 of 5"
    assert np.array_equal(made.test, splits.crossval_folds(m, folds=5)[2].test)


def test_straddling_groups_are_refused_unless_the_layout_declares_them() -> None:
    names = ["train", "test"] * 40
    pair = r"20 groups .*000.wav \(not tested\) and 001.wav \(tested\), group g0.*allow_leak=True"
    with pytest.raises(DataError, match=pair):
        splits.holdout(manifest(split=names))
    declared = splits.holdout(manifest(split=names, published="published with the same speakers"))
    allowed = splits.holdout(manifest(split=names), allow_leak=True)
    assert allowed.notes[0].startswith("LEAK: 20 groups overlap in the split")
    assert declared.notes == ("published with the same speakers (20 of 20 groups)",)


def test_straddling_validation_is_refused() -> None:
    with pytest.raises(DataError, match="train and valid"):
        splits.holdout(manifest(split=["train", "valid", "train", "valid"] * 15 + ["test"] * 20))


def test_too_few_groups_or_clips() -> None:
    with pytest.raises(DataError, match="5 folds of 3 groups cannot be made"):
        splits.grouped_folds(manifest(3, 4), folds=5)
    with pytest.raises(DataError, match="no label has more than 2 clips; choose folds=2 to 2, or train on all"):
        splits.grouped_folds(manifest(6, 1), folds=5)


def test_one_recording_cannot_be_split() -> None:
    m = manifest(4, 5, path=["day.wav"] * 20, start=[float(i) for i in range(20)], end=[i + 1.0 for i in range(20)])
    with pytest.raises(DataError, match="all its clips are of one recording, .* add recordings, or train on all"):
        splits.grouped_folds(m, folds=2)
    with pytest.raises(DataError, match="5 folds of 4 groups cannot be made; choose folds=2 to 2$"):
        splits.grouped_folds(manifest(4, 1), folds=5)


def test_a_label_with_one_clip_is_told() -> None:
    m = manifest(20, 1)
    m.table.loc[0, "label"] = "rare"
    told = [s for s in splits.grouped_folds(m, folds=4) if s.notes]
    assert len(told) == 1
    assert told[0].notes == ("labels without a training clip here, so that they cannot be recognised: rare",)


def test_validation_comes_out_of_the_training_part_by_groups() -> None:
    m = manifest(40, 3)
    outer = splits.holdout(m)
    s = splits.with_validation(m, outer, share=0.2)
    assert np.array_equal(s.test, outer.test)
    assert sorted([*s.train, *s.valid]) == sorted(outer.train)
    assert not groups_of(m, s.train) & groups_of(m, s.valid)
    assert len(s.valid) == pytest.approx(0.2 * len(outer.train), abs=4)


def test_validation_is_taken_from_what_a_model_does_not_know_while_there_is_such() -> None:
    m = manifest(40, 3)
    outer = splits.holdout(m)
    known = np.isin(m.column("group"), m.column("group")[outer.train[:60]])
    s = splits.with_validation(m, outer, share=0.2, known=known)
    assert len(s.valid) == pytest.approx(0.2 * len(outer.train), abs=6) and not known[s.valid].any()
    assert sorted([*s.train, *s.valid]) == sorted(outer.train)
    few = np.ones(len(m), bool)
    few[outer.train[-4:]] = False  # as many as are too few to choose by
    told = "the model to continue from knows clips held out to choose by"
    assert splits.with_validation(m, outer, share=0.2, known=few).notes[-1].startswith(told)
    everything = splits.with_validation(m, outer, share=0.2, known=np.ones(len(m), bool))
    assert np.array_equal(everything.valid, splits.with_validation(m, outer, share=0.2).valid)
    assert everything.notes[-1].startswith(told)


@pytest.mark.data
def test_esc50_states_its_two_straddling_sources(recordings) -> None:
    from earmark.data import layouts

    made = splits.crossval_folds(layouts.find(recordings / "esc50"))
    assert [len(s.test) for s in made] == [400, 400, 400]
    assert made[0].notes == ()
    assert "(2 of 919 groups)" in made[1].notes[0]


def test_a_straddling_validation_part_is_allowed_and_stamped() -> None:
    names = ["train", "valid", "train", "valid"] * 15 + ["test"] * 20
    found = splits.holdout(manifest(split=names), allow_leak=True)
    assert any(n.startswith("LEAK: ") and "train and valid" in n for n in found.notes)
    made = splits.grouped_folds(manifest(split=names), folds=4)
    assert not len(made[0].valid) and len(made[0].train) + len(made[0].test) == 80


def test_copies_on_both_sides_of_a_published_split_are_named() -> None:
    m = manifest(split=["train", "test"] * 40, published="published with the same speakers")
    notes = splits.holdout(replace(m, copies=(("000.wav", "001.wav"), ("000.wav", "002.wav")))).notes
    assert notes[1] == "LEAK: 1 pairs of duplicates overlap in the published split: 000.wav ~ 001.wav"


def test_random_folds_ignore_groups_and_say_so() -> None:
    m = manifest()
    made = splits.random_folds(m, folds=4, seed=1)
    groups = m.table["group"].to_numpy()
    assert any(set(groups[s.train]) & set(groups[s.test]) for s in made)
    assert sorted(np.concatenate([s.test for s in made])) == list(range(len(m)))
    assert all(s.notes[-1].startswith("LEAK: these folds were made at random") for s in made)


def test_unknown_groups_are_told_beside_the_figures() -> None:
    m = manifest()
    told = "no groups are known, so clips of one source may be in training and test"
    assert splits.holdout(m).notes == ()
    assert splits.holdout(replace(m, grouped_by="")).notes[0].startswith(told)
    published = manifest(split=["test"] * 8 + ["train"] * 72)
    assert splits.holdout(replace(published, grouped_by="")).notes[0].startswith(told)


def test_few_clips_of_a_label_can_be_held_out_of_training_too() -> None:
    m = manifest(15, 1)  # five clips of each label
    everything = splits.holdout(m, test_fold="none")
    s = splits.with_validation(m, everything, share=0.1)
    assert np.bincount(m.take(s.valid).targets(["a", "b", "c"])).tolist() == [1, 1, 1]
    few = m.take(np.arange(3))
    with pytest.raises(DataError, match="one clip of each label trains, so that none can be held out"):
        splits.with_validation(few, splits.holdout(few, test_fold="none"), share=0.1)


def test_normal_alone_tests_no_group_that_trains() -> None:
    m = manifest(6, 4, label=["normal", "normal", "fault", "worn"] * 6)
    rows = np.arange(24)
    split = splits.Split(rows[:16], rows[16:20], rows[20:], "", "")
    normal = splits.only_normal(m, split, "normal", all_others=False)
    assert set(m.column("label")[normal.train]) == {"normal"} and len(normal.train) == 10
    assert normal.test.tolist() == rows[20:].tolist()
    everything = splits.only_normal(m, split, "normal", all_others=True)
    assert everything.test.tolist() == rows[20:].tolist()  # the other faults are of groups that train
    apart = manifest(6, 4, label=["normal", "normal", "normal", "normal"] * 3 + ["fault"] * 4 + ["normal"] * 8)
    found = splits.only_normal(apart, split, "normal", all_others=True)
    assert found.test.tolist() == [12, 13, 14, 15, *rows[20:]]


def test_many_groups_are_dealt_out_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("earmark.data.splits.folds._MANY_GROUPS", 1)
    m = manifest(40, 3)
    made = splits.grouped_folds(m, folds=4)
    assert sorted(np.concatenate([s.test for s in made])) == list(range(len(m)))
    for s in made:
        assert not groups_of(m, s.train) & groups_of(m, s.test)
        assert 21 <= len(s.test) <= 39


def test_a_published_validation_part_stays() -> None:
    published = splits.holdout(manifest(split=["train"] * 60 + ["valid"] * 8 + ["test"] * 12))
    assert splits.with_validation(manifest(), published, share=0.3) is published


def test_the_default_test_part_is_as_large_as_it_says() -> None:
    sizes = [100, *[10] * 9]
    groups = [f"g{i}" for i, size in enumerate(sizes) for _ in range(size)]
    m = Manifest.of(
        pd.DataFrame(
            {
                "path": [f"{i}.wav" for i in range(190)],
                "label": [("a", "b")[i % 2] for i in range(190)],
                "group": groups,
            }
        ),
        "/data",
    )
    for seed in range(3):
        s = splits.holdout(m, seed=seed)
        assert "g0" not in groups_of(m, s.test) and 20 <= len(s.test) <= 40
        assert "g0" not in groups_of(m, splits.with_validation(m, s, share=0.15, seed=seed).valid)
