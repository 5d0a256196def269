from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from earmark.audio import Measure
from earmark.data import layouts
from earmark.data.inspection import inspect
from earmark.data.shortcuts import FACTS, Shortcut, day_of, recording_days, shortcuts, table_of
from earmark.data.shortcuts.association import Association, Design
from earmark.types import Facts

Data = tuple[pd.DataFrame, list[str], list[str]]

CHANGES: dict[str, dict[str, Any]] = {
    "sample rate": {"sample rate": 44_100},
    "channels": {"channels": 2},
    "encoding": {"encoding": "MP3"},
    "date": {"date": "2024-05-02"},
    "level": {"level": -26.0},
    "length": {"length": 3.0},
    "silence at the start": {"silence at the start": 0.3},
    "silence at the end": {"silence at the end": 0.3},
}


def noise(*sizes: int, group: int = 1, seed: int = 0) -> Data:
    """The facts of noise from one recorder, under labels a, b, c and so on."""
    labels = [chr(97 + i) for i, size in enumerate(sizes) for _ in range(size)]
    groups = [f"{i}/{k // group}" for i, size in enumerate(sizes) for k in range(size)]
    rng, count = np.random.default_rng(seed), len(labels)
    facts = pd.DataFrame({
        "sample rate": 16_000, "channels": 1, "encoding": "WAV PCM_16", "date": "2024-05-01",
        "level": rng.normal(-20, 0.05, count), "peak": rng.normal(-6, 0.3, count), "length": 2.0,
        "silence at the start": 0.0, "silence at the end": 0.0,
    })  # fmt: skip
    return facts, labels, groups


def changed(data: Data, fact: str, share: float = 1.0, label: str = "a") -> Data:
    """One fact differs in this share of the groups of a label."""
    facts, labels, groups = data
    own = list(dict.fromkeys(g for g, x in zip(groups, labels, strict=True) if x == label))
    chosen = own[: round(share * len(own))]
    for column, value in CHANGES[fact].items():
        facts.loc[[g in chosen for g in groups], column] = value
    return facts, labels, groups


def only(found: list[Shortcut]) -> Shortcut:
    assert len(found) == 1, [s.sentence for s in found]
    return found[0]


@pytest.mark.parametrize("fact", CHANGES)
@pytest.mark.parametrize(("sizes", "share"), [((6, 6), 1.0), ((14, 14), 1.0), ((14, 14), 0.8), ((100, 12), 1.0)])
def test_one_fact_that_differs_is_found_alone(fact: str, sizes: tuple[int, ...], share: float) -> None:
    found = only(shortcuts(*changed(noise(*sizes), fact, share)))
    held = round(share * sizes[0]) / sizes[0]
    assert found.fact == fact and found.labels == () and found.chance == 0.5
    assert found.accuracy == pytest.approx((1 + held) / 2)
    assert (found.recordings, found.groups) == (sum(sizes), sum(sizes))


@pytest.mark.parametrize("fact", CHANGES)
@pytest.mark.parametrize("share", [1.0, 0.8])
def test_a_label_that_stands_out_of_many_is_named(fact: str, share: float) -> None:
    found = only(shortcuts(*changed(noise(*[10] * 6), fact, share, label="c")))
    assert (found.fact, found.labels, found.chance) == (fact, ("c",), 0.5)
    assert found.accuracy == pytest.approx(0.5 + share / 2)


@pytest.mark.parametrize("fact", CHANGES)
def test_groups_of_several_recordings(fact: str) -> None:
    found = only(shortcuts(*changed(noise(30, 30, group=5), fact)))
    assert (found.fact, found.accuracy, found.groups) == (fact, 1.0, 12)


@pytest.mark.parametrize("sizes", [(6, 6), (14, 14), (50, 10), (10,) * 6])
def test_the_same_noise_everywhere_is_no_finding(sizes: tuple[int, ...]) -> None:
    assert shortcuts(*noise(*sizes)) == []


def test_recordings_do_not_count_as_groups() -> None:
    # Four recorders: one hundred recordings a label, but what they tell is chance in one of 35 draws.
    facts, labels, groups = changed(noise(100, 100, group=25), "sample rate")
    assert len(set(groups)) == 8
    assert shortcuts(facts, labels, groups) == []
    assert only(shortcuts(facts, labels, [str(i) for i in range(200)])).accuracy == 1.0


def test_a_fact_of_the_group_is_no_fact_of_the_label() -> None:
    # Each of six machines has a recorder of its own, and both labels.
    facts, labels, _ = noise(30, 30)
    machine = np.array([i % 6 for i in range(60)])
    facts["sample rate"] = 8_000 + 1_000 * machine
    assert shortcuts(facts, labels, [str(m) for m in machine]) == []
    facts.loc[30:, "sample rate"] = 44_100
    found = only(shortcuts(facts, labels, [str(m) for m in machine]))
    assert (found.fact, found.groups) == ("sample rate", 6)


def test_unrelated_facts_are_seldom_reported() -> None:
    wrong = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        facts, labels, groups = noise(12, 12, seed=seed)
        facts["sample rate"] = rng.choice([16_000, 44_100, 48_000], 24)
        facts["encoding"] = rng.choice(["MP3", "WAV PCM_16"], 24)
        facts["level"] = rng.normal(-30, 8, 24)
        facts["length"] = np.exp(rng.normal(size=24))
        wrong += bool(shortcuts(facts, labels, groups))
    assert wrong <= 2  # 2% for each of the two families: more than two of twenty in 4% of all runs


def test_levels_that_overlap_are_the_sounds_own() -> None:
    rng = np.random.default_rng(1)
    facts, labels, groups = noise(200, 200)
    facts["level"] = rng.normal(-30, 6, 400) + np.repeat([0, 6], 200)
    assert shortcuts(facts, labels, groups) == []  # 69% is what one standard deviation gives
    facts["level"] = rng.normal(-30, 2, 400) + np.repeat([0, 6], 200)
    found = only(shortcuts(facts, labels, groups))
    assert found.fact == "level" and 0.9 < found.accuracy < 0.96  # 93% is what three give


def test_labels_of_several_each() -> None:
    facts, _, groups = noise(40)
    labels = [";".join(x for x, there in (("a", i % 2), ("b", i % 3 == 0)) if there) for i in range(40)]
    facts["sample rate"] = [8_000 if i % 3 == 0 else 16_000 for i in range(40)]
    found = only(shortcuts(facts, labels, groups))
    assert (found.fact, found.labels, found.accuracy, found.chance) == ("sample rate", ("b",), 1.0, 0.5)
    assert found.values == (("b", "8000 Hz"), ("the others", "16000 Hz"))


def test_rate_and_channels_together_tell_three_recorders_apart() -> None:
    facts, labels, groups = noise(10, 10, 10)
    facts["sample rate"] = np.repeat([8_000, 16_000, 16_000], 10)
    facts["channels"] = np.repeat([1, 1, 2], 10)
    by_fact = {s.fact: s for s in shortcuts(facts, labels, groups)}
    assert by_fact["file format"].accuracy == 1.0 and by_fact["file format"].labels == ()
    assert by_fact["file format"].values[0] == ("a", "8000, 1")
    assert by_fact["sample rate"].labels == ("a",) and by_fact["channels"].labels == ("c",)


def test_all_facts_together_where_none_is_enough() -> None:
    rng = np.random.default_rng(0)
    facts, labels, groups = noise(150, 150)
    level, length = rng.integers(0, 2, 300), rng.integers(0, 2, 300)
    facts["level"], facts["length"] = -20.0 - 12 * level, 2.0 + length
    labels = ["ab"[i] for i in level ^ length]  # neither says anything by itself
    found = only(shortcuts(facts[["level", "length"]], labels, groups))
    assert (found.fact, found.accuracy, found.values) == ("all facts together", 1.0, ())
    assert found.sentence.startswith("all facts together predict the label with 100% balanced accuracy")


def test_sentences_say_what_how_well_and_what_to_do() -> None:
    assert only(shortcuts(*changed(noise(14, 14), "sample rate"))).sentence == (
        "sample rate alone predicts the label with 100% balanced accuracy, where guessing gives 50%: a 44100 Hz, b 16000 Hz. "
        "A model can learn the recording instead of the sound. "
        "Record all labels with the same device, or train with sample_rate=16000, the lowest rate."
    )
    assert only(shortcuts(*changed(noise(10, 10, 10, 10), "level", 0.8, "d"))).sentence == (
        "level alone tells d from the other labels with 90% balanced accuracy, where guessing gives 50%: d -26 dB, "
        "the others -20 dB. If that is not how the sounds differ, a model learns the recording instead of the sound. "
        "Train with normalise=rms."
    )
    facts, labels, groups = changed(noise(10, 10, 10, 10, 10), "encoding")
    facts.loc[10:18, "encoding"] = "MP3"
    found = only(shortcuts(facts, labels, groups))
    assert found.labels == ("a", "b") and "tells a (and b likewise) from the other labels" in found.sentence


def test_values_that_most_recordings_of_a_label_have() -> None:
    found = only(shortcuts(*changed(noise(10, 10), "encoding", 0.8)))
    assert found.values == (("a", "MP3 (80% of them)"), ("b", "WAV PCM_16"))
    facts, labels, groups = noise(10, 10)
    facts["date"] = [f"2024-05-{1 + i:02d}" for i in range(20)]
    facts.loc[0, "date"] = ""
    found = only(shortcuts(facts, labels, groups))
    assert found.values == (("a", "2024-05-02 to 2024-05-10"), ("b", "2024-05-11 to 2024-05-20"))


@pytest.mark.parametrize("labels", [["a"] * 20, ["a"] * 16 + ["b"] * 4, [str(i) for i in range(20)], [""] * 20])
def test_too_few_to_know(labels: list[str]) -> None:
    facts, _, groups = noise(20)
    facts["sample rate"] = [8_000] * 16 + [16_000] * 4
    assert shortcuts(facts, labels, groups) == []


def test_rare_labels_do_not_hide_the_others() -> None:
    facts, labels, groups = changed(noise(10, 10, 2), "channels")
    found = only(shortcuts(facts, labels, groups))
    assert (found.fact, found.recordings, [label for label, _ in found.values]) == ("channels", 20, ["a", "b"])


def test_columns_may_be_missing() -> None:
    facts, labels, groups = changed(noise(8, 8), "length")
    assert only(shortcuts(facts[["length"]], labels, groups)).fact == "length"
    assert shortcuts(facts[[]], labels, groups) == []


@settings(max_examples=25)
@given(st.data())
def test_skill_is_at_most_one_and_blind_to_order_and_names(data: st.DataObject) -> None:
    sizes = data.draw(st.lists(st.integers(5, 12), min_size=2, max_size=4))
    facts, labels, groups = noise(*sizes)
    facts["level"] = data.draw(st.lists(st.floats(-100, 0), min_size=len(labels), max_size=len(labels)))
    facts["encoding"] = data.draw(st.lists(st.sampled_from("xyz"), min_size=len(labels), max_size=len(labels)))
    design = Design.of(labels, groups, 0)
    assert design is not None
    columns = [(fact, facts[fact.name]) for fact in FACTS if fact.name in ("level", "encoding")]
    skills = Association(columns, design).skills()
    assert skills.shape == (2, 1 if len(sizes) == 2 else 1 + len(sizes))
    assert (np.abs(skills) <= 1 + 1e-12).all()
    unit = np.arange(len(labels))
    assert np.array_equal(Association(columns, design).skills(unit), skills)
    renamed = facts["encoding"].map({"x": "p", "y": "q", "z": "r"})
    same = Association([(columns[0][0], renamed), columns[1]], design).skills()
    assert np.allclose(same, skills)


def test_the_same_seed_says_the_same() -> None:
    data = changed(noise(10, 10, 10), "level", 0.8)
    assert shortcuts(*data, seed=3) == shortcuts(*data, seed=3)


@pytest.mark.parametrize(
    ("name", "day"),
    [
        ("20230514_063000.WAV", "2023-05-14"),
        ("owl/SM4A_20230514_063000.wav", "2023-05-14"),
        ("2023-05-14T06-30-00.flac", "2023-05-14"),
        ("rec 2023.05.14 6h.wav", "2023-05-14"),
        ("20230514063000.wav", "2023-05-14"),
        ("202305140630.wav", "2023-05-14"),
        ("ZOOM_230514_063000.wav", "2023-05-14"),
        ("2023-05-14/a/063000.wav", "2023-05-14"),
        ("2023-05-14/20230515_000000.wav", "2023-05-15"),
        ("5E90A4D4.WAV", "2020-04-10"),
        ("5E90A4D4.wav", ""),
        ("FFFFFFFF.WAV", ""),
        ("20231345_063000.wav", ""),
        ("14-05-2023.wav", ""),
        ("120230514.wav", ""),
        ("1-100032-A-0.flac", ""),
        ("03-01-06-02-01-01-07.flac", ""),
        ("7add4c5f_nohash_1.flac", ""),
        ("230514_990000.wav", ""),
        ("", ""),
    ],
)
def test_the_day_in_a_name(name: str, day: str) -> None:
    assert day_of(name) == day


@given(
    st.dates(datetime.date(1990, 1, 1), datetime.date(2099, 12, 31)), st.sampled_from(["%Y%m%d_120000", "x-%Y-%m-%d"])
)
def test_every_day_is_read(day: datetime.date, form: str) -> None:
    assert day_of(f"{day.strftime(form)}.wav") == day.isoformat()


def test_days_of_files_count_only_where_they_may_have_been_recorded_then() -> None:
    names, lengths = [f"{i}.wav" for i in range(20)], [10.0] * 20
    noon = datetime.datetime(2024, 5, 1, 12, tzinfo=datetime.UTC).timestamp()
    recorded = [noon + 3_600 * 12 * i for i in range(20)]
    days = recording_days(names, recorded, lengths)
    assert days[:4] == ["2024-05-01", "2024-05-02", "2024-05-02", "2024-05-03"]
    # Copied one label on one day, the other on the next: no day of recording.
    copied = [noon + 0.5 * i + 86_400 * (i >= 10) for i in range(20)]
    assert recording_days(names, copied, lengths) == []
    assert recording_days(names) == [] and recording_days([]) == []


def test_days_come_from_names_or_from_files_never_from_both() -> None:
    named = [f"20240{5 + i % 2}01_{i:02d}0000.wav" for i in range(20)]
    assert recording_days(named)[:2] == ["2024-05-01", "2024-06-01"]
    half = [*named[:10], *(f"noise{i}.wav" for i in range(10))]
    assert recording_days(half) == []
    assert set(recording_days(half, [86_400.0 * i for i in range(20)], [1.0] * 20)) == {
        f"1970-01-{1 + i:02d}" for i in range(20)
    }


def test_the_table_of_measured_recordings() -> None:
    facts = Facts(44_100, 2, "MP3", 1.5, 0.5, 0.1, (0.1, 0.1), 0.02, 0.3)
    silent = Facts(8_000, 1, "WAV PCM_16", 1.0, 0.0, 0.0, (0.0,), 1.0, 1.0)
    table = table_of([facts, silent], ["2024-05-01", ""])
    assert table.columns.tolist() == [
        "sample rate", "channels", "encoding", "level", "peak", "length", "silence at the start", "silence at the end", "date",
    ]  # fmt: skip
    assert set(table.columns) == {fact.name for fact in FACTS}
    assert table.loc[0, "level"] == pytest.approx(-20) and table.loc[0, "peak"] == pytest.approx(-6.0206)
    assert table.loc[1, "level"] == -100
    assert table_of([facts]).shape == (1, 8)


SOUNDS: dict[str, tuple[str, dict[str, Any]]] = {
    "rate": ("sample rate", {"sr": 44_100}),
    "level": ("level", {"gain": 0.5}),
    "codec": ("encoding", {"format": "MP3"}),
    "stereo": ("channels", {"channels": 2}),
    "silence": ("silence at the end", {"zeros": 0.3}),
    "length": ("length", {"seconds": 1.5}),
}


def write(path: Path, seed: int, **how: Any) -> None:
    sr = how.get("sr", 16_000)
    sound = 0.2 * how.get("gain", 1.0) * np.random.default_rng(seed).normal(size=round(how.get("seconds", 1.0) * sr))
    if zeros := round(how.get("zeros", 0.0) * sr):
        sound[-zeros:] = 0
    channels = np.repeat(sound[:, None], how.get("channels", 1), axis=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, channels, sr, format=how.get("format", "WAV"))


@pytest.mark.parametrize("kind", SOUNDS)
def test_the_same_noise_recorded_in_two_ways(kind: str, tmp_path: Path) -> None:
    fact, how = SOUNDS[kind]
    for k in range(14):
        write(tmp_path / "cough" / f"{k}.wav", k, **how)
        write(tmp_path / "no_cough" / f"{k}.wav", 100 + k)
    table = layouts.find(tmp_path).table
    measured = [inspect(tmp_path / p, p).facts for p in table["path"]]
    found = {
        s.fact: s
        for s in shortcuts(table_of(f for f in measured if f is not None), list(table["label"]), list(table["group"]))
    }
    assert found[fact].accuracy == 1.0


@pytest.mark.data
@pytest.mark.parametrize("folder", ["esc50", "ravdess"])
def test_published_sets_have_no_shortcut(folder: str, recordings: Path) -> None:
    # Peaks that tell sea waves from 49 other sounds at 86%, and emotions that are loud, are the sounds' own.
    table = layouts.find(recordings / folder).table
    measured = []
    for path in table["path"]:
        samples, sr = soundfile.read(recordings / folder / path, dtype="float32", always_2d=True)
        measure = Measure()
        measure.begin(sr, samples.shape[1], "FLAC PCM_16")
        measure.push(samples, samples.mean(axis=1))
        measured.append(measure.facts())
    assert shortcuts(table_of(measured), list(table["label"]), list(table["group"])) == []
