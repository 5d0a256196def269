from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.data.tables.clips import clips
from earmark.data.tables.columns import ALIASES, resolve, role_of
from earmark.errors import DataError

STYLES = (
    str,
    str.upper,
    str.title,
    lambda name: name.replace("_", " "),
    lambda name: name.replace("_", "-"),
    lambda name: name.replace("_", ""),
    lambda name: " ".join(name.split("_")).title() + " ",
    lambda name: "".join(word.capitalize() for word in name.split("_")),
)
UNITS = {" (s)": 1, "_s": 1, " [sec]": 1, "_seconds": 1, "_ms": 1e-3, " (ms)": 1e-3, " (min)": 60, "": None, " in s": 1}


@pytest.mark.parametrize("role", list(ALIASES))
def test_every_alias_is_known_in_every_spelling(role: str) -> None:
    for name, style in itertools.product(ALIASES[role], STYLES):
        assert role_of(style(name).strip())[0] == role, style(name)


@pytest.mark.parametrize("role", ["start", "end", "duration"])
def test_a_unit_may_follow(role: str) -> None:
    for name, (unit, seconds) in itertools.product(ALIASES[role], UNITS.items()):
        if len(name) > 2:  # t0_s
            assert role_of(name + unit)[::2] == (role, seconds), name + unit


@pytest.mark.parametrize(
    ("header", "roles"),
    [
        ("filename,Start,End,label", "path start end label"),
        ("filename,onset,offset,event_label", "path start end label"),
        ("file,Start (ms),Stop (ms),Class", "path start end label"),
        ("IN FILE,OFFSET,DURATION,MANUAL ID", "path start duration label"),
        ("Begin File,Begin Time (s),End Time (s),File Offset (s),Species", "path start end file offset label"),
        ("slice_file_name,fsID,fold,classID,class", "path group fold label"),
        ("Filename,ClassId,Classname", "path label"),
        ("Audiofilename,Starttime,Endtime,Tag", "path start end label"),
        ("Datei,Anfang,Ende,Klasse", "path start end label"),
        ("path,t_start,t_end,target", "path start end label"),
    ],
)
def test_the_headers_of_known_programs_and_data_sets(header: str, roles: str) -> None:
    names = header.split(",")
    frame = pd.DataFrame([["a.wav", *["1"] * (len(names) - 1)]], columns=names)
    found = resolve(frame, "t.csv")
    assert set(found.roles) == set(roles.replace("file offset", "file_offset").split()) - {"file_offset"} | (
        {"file offset"} if "file offset" in roles else set()
    )
    assert set(found.meanings()) == set(names)


def table(**columns: list[object]) -> pd.DataFrame:
    return pd.DataFrame({"path": ["a.wav"] * len(next(iter(columns.values()))), "label": "x", **columns})


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"start_ms": ["1500"], "end_ms": ["2000"]}, (1.5, 2.0)),
        ({"onset": ["1.5"], "duration": ["0.5"]}, (1.5, 2.0)),
        ({"offset": ["1.5"], "duration": ["0.5"]}, (1.5, 2.0)),
        ({"start": ["0:01.5"], "end": ["00:00:02"]}, (1.5, 2.0)),
        ({"start": ["1,5"], "end": ["2,0"]}, (1.5, 2.0)),
        ({"start": ["1.5 s"], "end": ["2s"]}, (1.5, 2.0)),
        ({"start (min)": ["0.025"], "stop (s)": ["2"]}, (1.5, 2.0)),
        ({"start": [1.5], "end": [2]}, (1.5, 2.0)),
        ({"begin time": ["61.5"], "end time": ["62"], "file offset": ["1.5"]}, (1.5, 2.0)),
        ({"start": ["1.5"], "end": ["2"], "duration": ["0.5"]}, (1.5, 2.0)),
        ({"start": ["1.5"], "start_ms": ["1500"], "end": ["2"]}, (1.5, 2.0)),
    ],
)
def test_times_in_any_dress(columns: dict[str, list[object]], expected: tuple[float, float]) -> None:
    frame = table(**columns)
    found = clips(frame, resolve(frame, "t.csv"), "t.csv")
    assert (found["start"].iloc[0], found["end"].iloc[0]) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"start_sample": ["100"], "end_sample": ["200"]}, "column 'start_sample' counts samples"),
        ({"begin of call": ["1.5"]}, "column 'begin of call' looks like times, but is not understood"),
        ({"Syllable Onset": ["1.5"]}, "column 'Syllable Onset' looks like times"),
        ({"offset": ["1.5"]}, "column 'offset' may be the start or the end"),
        (
            {"start": ["1"], "onset": ["2"], "end": ["3"]},
            r"row 1: columns 'start' and 'onset' mean the same and differ \(1 and 2 s\)",
        ),
        ({"start": ["1"], "end": ["2"], "duration": ["3"]}, "contradict each other"),
        ({"start": ["soon"], "end": ["2"]}, r"row 1 \(a.wav\): start is 'soon'; give seconds"),
        ({"start": ["1:75"], "end": ["2"]}, "start is '1:75'"),
        ({"start": ["1,200"], "end": ["1,205"]}, "start is '1,200'; give seconds, with a point"),
    ],
)
def test_what_would_change_the_clips_is_refused(columns: dict[str, list[object]], said: str) -> None:
    frame = table(**columns)
    with pytest.raises(DataError, match=said):
        clips(frame, resolve(frame, "t.csv"), "t.csv")


@pytest.mark.parametrize("name", ["recording start", "start date", "day of start", "end user", "stop words"])
def test_dates_and_words_are_no_times(name: str) -> None:
    frame = table(**{name: ["2023-05-14 06:30:00"]})
    assert name in resolve(frame, "t.csv").further


@given(st.permutations(["path", "label", "speaker", "site", "x", "start (s)", "end (s)", "fold", "Set", "weather"]))
def test_every_column_has_a_meaning_whatever_the_order(names: list[str]) -> None:
    frame = pd.DataFrame([["1"] * len(names), ["2"] * len(names)], columns=names)
    frame["end (s)"] = ["5", "6"]
    columns = resolve(frame, "t.csv")
    assert set(columns.meanings()) == set(names)
    found = clips(frame, columns, "t.csv")
    kept = {"site", "x", "weather", "speaker"}
    assert kept | {"path", "label", "start", "end", "group", "fold", "split"} == set(found.columns)
    assert found["end"].tolist() == [5.0, 6.0]


def test_a_further_column_with_one_of_our_names_is_kept() -> None:
    frame = pd.DataFrame({"path": ["a.wav"], "label": ["x"], "Kind": ["y"]})
    found = clips(frame, resolve(frame, "t.csv", label="Kind"), "t.csv")
    assert found[["label", "label (table)"]].to_numpy().tolist() == [["y", "x"]]


def test_lists_written_as_text_are_lists() -> None:
    labels = ["['dog', 'rain']", '["rain"]', "[]", "dog", "(4*)", "[draft]"]
    frame = pd.DataFrame({"path": [f"{i}.wav" for i in range(len(labels))], "label": labels})
    found = clips(frame, resolve(frame, "t.csv"), "t.csv")["label"].tolist()
    assert found == [["dog", "rain"], ["rain"], [], "dog", "(4*)", "[draft]"]


def test_a_path_is_found_by_its_values() -> None:
    frame = pd.DataFrame({"key": ["a", "b"], "what": ["a.wav", "b.wav"], "label": ["x", "y"]})
    assert resolve(frame, "t.csv", exists=lambda v: v.endswith(".wav")).roles["path"] == "what"
    assert resolve(frame, "t.csv", exists=lambda v: len(v) == 1).roles["path"] == "key"
    assert "path" not in resolve(frame, "t.csv", exists=lambda _: False).roles
    assert np.all(frame.columns == ["key", "what", "label"])
