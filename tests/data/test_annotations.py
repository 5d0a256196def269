from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.data.annotations import format_of, read_labels
from earmark.errors import DataError

RAVEN = (
    "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)\tSpecies\tNote\n"
    "1\tWaveform 1\t1\t0.5\t1.25\t0\t8000\twren\tloud\n"
    "1\tSpectrogram 1\t1\t0.5\t1.25\t0\t8000\twren\tloud\n"
    "2\tSpectrogram 1\t1\t2.0\t3.5\t500\t4000\trobin\t\n\n"
)
LONG_GRID = """File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 2.3
tiers? <exists>
size = 2
item []:
    item [1]:
        class = "IntervalTier"
        name = "call [1]"
        xmin = 0
        xmax = 2.3
        intervals: size = 2
        intervals [1]:
            xmin = 0
            xmax = 1
            text = ""
        intervals [2]:
            xmin = 1
            xmax = 2.3
            text = "so-called ""wren"" [2]"
    item [2]:
        class = "TextTier"
        name = "clicks"
        xmin = 0
        xmax = 2.3
        points: size = 1
        points [1]:
            number = 0.25
            mark = "click"
"""


def rows(path: Path, **given: str) -> list[tuple[float, float, str]]:
    found = read_labels(path, **given).rows
    return list(zip(found["start"], found["end"], found["label"], strict=True))


def test_raven_selections_once_for_all_views(tmp_path: Path) -> None:
    place = tmp_path / "a.txt"
    place.write_text(RAVEN, encoding="utf-8-sig")
    assert format_of(place) == "raven"
    assert rows(place) == [(0.5, 1.25, "wren"), (2.0, 3.5, "robin")]
    assert [label for _, _, label in rows(place, label_column="note")] == ["loud", ""]
    with pytest.raises(DataError, match=r"no column 'Kind' \(label_column=COLUMN; it has Selection, View"):
        read_labels(place, label_column="Kind")


def test_raven_files_and_their_offsets(tmp_path: Path) -> None:
    head = "Begin Time (s)\tEnd Time (s)\tBegin File\tFile Offset (s)\tSpecies\n"
    (tmp_path / "all.txt").write_text(head + "1\t2\ta.wav\t1\twren\n61.5\t62\tb.wav\t1.5\towl\n")
    found = read_labels(tmp_path / "all.txt")
    assert found.names_recordings
    assert found.rows[["path", "start", "end", "label"]].to_numpy().tolist() == [
        ["a.wav", 1, 2, "wren"],
        ["b.wav", 1.5, 2, "owl"],
    ]


@pytest.mark.parametrize(
    "text",
    [
        "0.5\t1.25\twren song\n\\\t500.0\t8000.0\n2\t2\tclick\r\n",
        "0,500000\t1,250000\twren song\n2,000000\t2,000000\tclick\n",  # where decimals have commas
        "0.5 1.25 wren song\n\n2 2 click\n",
        "00:00:00.5\t00:00:01.25\twren song\n00:02\t00:02\tclick\n",
        "0.5,1.25,wren song\n2,2,click\n",
        "0.5;1.25;wren song\n2;2;click\n",
        "500ms\t1250 ms\twren song\n2 s\t2 s\tclick\n",
        "\ufeff0.5\t1.25\twren song\t\n2\t2\tclick\t\n",
    ],
)
def test_audacity_in_every_dialect(tmp_path: Path, text: str) -> None:
    place = tmp_path / "a.txt"
    place.write_text(text)
    assert format_of(place) == "audacity"
    assert rows(place) == [(0.5, 1.25, "wren song"), (2.0, 2.0, "click")]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "onset,offset,event_label\n0.5,1.25,wren\n"),
        ("a.csv", "Start (s);End (s);Class\n0,5;1,25;wren\n"),
        ("a.tsv", "start_ms\tduration_ms\tlabel\n500\t750\twren\n"),
        ("a.txt", "Start Time\tStop Time\tCommon Name\tConfidence\n0:00.5\t0:01.25\twren\t0.9\n"),
        ("a.jsonl", '{"start": 0.5, "end": 1.25, "label": "wren"}\n'),
        ("a.json", '[{"onset": 0.5, "offset": 1.25, "label": "wren"}]'),
        ("a.lab", "5000000 12500000 wren\n"),  # HTK counts 100 ns
    ],
)
def test_tables_of_one_recording(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert rows(tmp_path / name) == [(0.5, 1.25, "wren")]


def test_text_grids_long_and_short(tmp_path: Path) -> None:
    place = tmp_path / "a.TextGrid"
    expected = [(1.0, 2.3, 'so-called "wren" [2]'), (0.25, 0.25, "click")]
    short = (
        'File type = "ooTextFile"\nObject class = "TextGrid"\n\n0\n2.3\n<exists>\n2\n"IntervalTier"\n"call [1]"\n0\n2.3\n2\n'
        '0\n1\n""\n1\n2.3\n"so-called ""wren"" [2]"\n"TextTier"\n"clicks"\n0\n2.3\n1\n0.25\n"click"\n'
    )
    for text, encoding in ((LONG_GRID, "utf-8"), (LONG_GRID, "utf-16"), (short, "utf-8")):
        place.write_text(text, encoding=encoding)
        assert format_of(place) == "praat"
        assert rows(place) == expected
    place.write_text(LONG_GRID[:-30])
    with pytest.raises(DataError, match="is not a whole TextGrid"):
        read_labels(place)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("what was said\nin words\n", "is no label file that Earmark knows"),
        ("0.036\t0.579\t0\t0\n", "is no label file that Earmark knows"),  # four columns mean what is not known
        ("12 15\n", "is no label file"),
        ("0\t1\tx\nsoon\t2\ty\n", r"line 2: 'soon\\t2\\ty' is no start, end and label"),
        ("0\t1\tx\n3\n", "line 2: '3' is no start"),
        ("0\t1\tx\n3\t2\ty\n", "line 2"),
        ("Begin Time (s)\tEnd Time (s)\tSpecies\n0\t1\tx\ty\n", "line 2 has 4 columns, the header 3"),
        ("Begin Time (s)\tEnd Time (s)\tSpecies\nsoon\t1\tx\n", r"row 1: Begin Time \(s\) is 'soon'; give seconds"),
        ("Begin Time (s)\tEnd Time (s)\tWho\n0\t1\tx\n", "no column of labels .*label_column=COLUMN"),
        ("Begin Time (s)\tSpecies\n0\tx\n", r"no column 'End Time \(s\)'"),
        ("start,end,duration,label\n0,1,2,x\n", "contradict each other: start and duration reach 2 s, the end is 1 s"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, said: str) -> None:
    place = tmp_path / "a.txt"
    place.write_text(text)
    with pytest.raises(DataError, match=said):
        read_labels(place)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    place = tmp_path / "a.txt"
    place.write_text("0.5\t1.25\twren\n" * 1000 + "2\t3\tRebhühner\n", encoding=encoding)
    assert format_of(place) == "audacity"
    found = read_labels(place)
    assert found.rows["label"].iloc[-1] == "Rebhühner"
    assert found.notes == (("a.txt is not UTF-8; it is read as Windows-1252",) if encoding == "cp1252" else ())


@given(
    st.lists(
        st.tuples(st.integers(0, 10**7), st.integers(1, 10**6), st.sampled_from(["wren", "owl 2", "é"])), min_size=1
    )
)
def test_any_dialect_of_the_same_labels_is_read_alike(events: list[tuple[int, int, str]]) -> None:
    import tempfile

    expected = [(a / 1000, (a + n) / 1000, label) for a, n, label in events]

    def clock(ms: int) -> str:
        return f"{ms // 3_600_000:02d}:{ms // 60_000 % 60:02d}:{ms // 1000 % 60:02d}.{ms % 1000:03d}"

    with tempfile.TemporaryDirectory() as folder:
        for style in (
            lambda ms: f"{ms / 1000:.6f}",
            lambda ms: f"{ms / 1000:.6f}".replace(".", ","),
            clock,
            lambda ms: f"{ms}ms",
        ):
            place = Path(folder) / "a.txt"
            place.write_text(
                "".join(f"{style(a)}\t{style(a + n)}\t{label}\n" for a, n, label in events), encoding="utf-8"
            )
            found = rows(place)
            np.testing.assert_allclose([r[:2] for r in found], [r[:2] for r in expected], atol=1e-6)
            assert [r[2] for r in found] == [r[2] for r in expected]
