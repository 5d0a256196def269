from __future__ import annotations

from pathlib import Path

import pytest

from earmark.annotations import Annotation, format_of, read_labels
from earmark.errors import DataError

RAVEN = (
    "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)\tSpecies\tNote\n"
    "1\tWaveform 1\t1\t0.5\t1.25\t0\t8000\twren\tloud\n"
    "1\tSpectrogram 1\t1\t0.5\t1.25\t0\t8000\twren\tloud\n"
    "2\tSpectrogram 1\t1\t2.0\t3.5\t500\t4000\trobin\t\n\n"
)


def test_raven_selections_once_for_all_views(tmp_path: Path) -> None:
    place = tmp_path / "a.txt"
    place.write_text(RAVEN, encoding="utf-8-sig")
    assert format_of(place) == "raven"
    assert read_labels(place) == [Annotation(0.5, 1.25, "wren"), Annotation(2.0, 3.5, "robin")]
    assert [a.label for a in read_labels(place, label_column="Note")] == ["loud", ""]
    with pytest.raises(DataError, match=r"no column 'Kind' .*--label-column"):
        read_labels(place, label_column="Kind")


def test_audacity_with_frequencies_and_points(tmp_path: Path) -> None:
    place = tmp_path / "a.txt"
    place.write_text("0.5\t1.25\twren song\n\\\t500.0\t8000.0\n2\t2\tclick\r\n")
    assert format_of(place) == "audacity"
    assert read_labels(place) == [Annotation(0.5, 1.25, "wren song"), Annotation(2.0, 2.0, "click")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("what was said\nin words\n", "neither a Raven selection table nor an Audacity label file"),
        ("0\t1\tx\nsoon\t2\ty\n", "line 2: 'soon' is no time"),
        ("0\t1\tx\n3\n", "line 2 has no end"),
        ("Begin Time (s)\tEnd Time (s)\tSpecies\n0\t1\n", "line 2 has 2 columns, the header 3"),
        ("Begin Time (s)\tEnd Time (s)\tWho\n0\t1\tx\n", "no column 'label or species"),
        ("Begin Time (s)\tSpecies\n0\tx\n", r"no column 'End Time \(s\)'"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, said: str) -> None:
    place = tmp_path / "a.txt"
    place.write_text(text)
    with pytest.raises(DataError, match=said):
        read_labels(place)


def test_encodings(tmp_path: Path) -> None:
    place = tmp_path / "a.txt"
    for encoding in ("utf-8", "utf-16"):
        place.write_text("0.5\t1.25\tRebhühner\n", encoding=encoding)
        assert format_of(place) == "audacity"
        assert read_labels(place) == [Annotation(0.5, 1.25, "Rebhühner")]
    place.write_text("0.5\t1.25\twren\n" * 1000 + "2\t3\tRebhühner\n", encoding="cp1252")
    assert format_of(place) == "audacity"
    with pytest.raises(DataError, match="is not UTF-8 text .*; save it as UTF-8"):
        read_labels(place)


def test_a_table_of_several_recordings_is_refused(tmp_path: Path) -> None:
    head = "Begin Time (s)\tEnd Time (s)\tSpecies\tBegin File\n"
    (tmp_path / "a.txt").write_text(head + "0\t1\twren\ta.wav\n1\t2\towl\ta.wav\n")
    assert len(read_labels(tmp_path / "a.txt")) == 2
    (tmp_path / "a.txt").write_text(head + "0\t1\twren\ta.wav\n61\t62\towl\tb.wav\n")
    with pytest.raises(
        DataError, match="selections are of 2 recordings .'Begin File'.* save a selection table for each"
    ):
        read_labels(tmp_path / "a.txt")
