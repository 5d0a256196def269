from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.data.manifest import Manifest, named_counts, write_csv
from earmark.data.validation import COLUMNS
from earmark.errors import DataError

ROWS = pd.DataFrame(
    {
        "path": ["a/1.wav", "b/ü 2.wav", "b/ü 2.wav"],
        "start": ["", "0", "1.5"],
        "end": ["", "1.5", "3"],
        "label": ["dog", "cat", "dog"],
        "site": ["x", "y", "y"],
    }
)


def test_completes_a_table() -> None:
    table = Manifest.of(ROWS, "/data").table
    assert tuple(table.columns) == (*COLUMNS, "site")
    assert table["group"].tolist() == ["a/1.wav", "b/ü 2.wav", "b/ü 2.wav"]
    assert table["start"].tolist() == [0.0, 0.0, 1.5]
    assert np.isnan(table["end"][0])
    assert table["split"].tolist() == ["", "", ""]


@pytest.mark.parametrize("name", ["clips.csv", "clips.parquet"])
def test_survives_a_round_trip_to_another_folder(tmp_path: Path, name: str) -> None:
    manifest = Manifest.of(ROWS, tmp_path / "data")
    (tmp_path / "out").mkdir()
    manifest.write(tmp_path / "out" / name)
    again = Manifest.read(tmp_path / "out" / name)
    assert [p.resolve() for p in again.paths] == [p.resolve() for p in manifest.paths]
    columns = [c for c in manifest.table.columns if c not in ("path", "group")]
    pd.testing.assert_frame_equal(again.table[columns], manifest.table[columns])


def test_reads_json_lines(tmp_path: Path) -> None:
    (tmp_path / "clips.jsonl").write_text(
        '{"path": "1.wav", "label": "007"}\n{"path": "2.wav", "label": "8", "start": 2}\n'
    )
    manifest = Manifest.read(tmp_path / "clips.jsonl")
    assert manifest.labels == ["007", "8"]
    assert manifest.table["start"].tolist() == [0, 2]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"label": ["", "", ""]}, r"row 1 .*: label is ''; no clip has a label: give some"),
        ({"path": ["a/1.wav", "", "b"]}, r"row 2 .*: path is ''"),
        ({"start": ["", "-1", "1"]}, r"row 2 .*start is -1"),
        ({"start": ["", "soon", "1"]}, r"row 2 .*start is 'soon'"),
        ({"end": ["", "0", "3"]}, r"row 2 .*end is 0"),
        ({"split": ["", "", "other"]}, r"row 3 .*split is 'other'"),
        ({"start": ["", "0", "0"], "end": ["", "3", "3"]}, r"row 3 .*twice"),
    ],
)
def test_wrong_rows_are_named(change: dict[str, list[str]], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Manifest.of(ROWS.assign(**change), "/data")


def test_lacking_column_and_missing_file(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("path,who\n1.wav,dog\n")
    with pytest.raises(DataError, match="has no column 'label'"):
        Manifest.read(tmp_path / "a.csv")
    with pytest.raises(DataError, match="no such file"):
        Manifest.read(tmp_path / "b.csv")


def test_labels_are_the_same_however_they_are_written() -> None:
    table = pd.DataFrame({"path": ["1", "2", "3"], "label": ["e\u0301t\u00e9", "\u00e9te\u0301", " Zoo "]})
    assert Manifest.of(table, "/").labels == ["Zoo", "\u00e9t\u00e9"]


def test_include() -> None:
    manifest = Manifest.of(ROWS, "/data")
    assert len(manifest.include(["dog"])) == 2
    with pytest.raises(DataError, match="has no label 'cow'; it has cat, dog"):
        manifest.include(["cow"])


def test_groups_from_a_column_or_a_pattern() -> None:
    manifest = Manifest.of(ROWS, "/data")
    assert manifest.with_groups(column="site").table["group"].tolist() == ["x", "y", "y"]
    assert manifest.with_groups(pattern=r"^[^/]+").table["group"].tolist() == ["a", "b", "b"]
    assert manifest.with_groups(pattern=r"(?P<group>\d)\.wav").table["group"].tolist() == ["1", "2", "2"]
    with pytest.raises(DataError, match="no column 'speaker'"):
        manifest.with_groups(column="speaker")
    with pytest.raises(DataError, match="does not match group_pattern="):
        manifest.with_groups(pattern="^a")
    with pytest.raises(DataError, match="not a regular expression"):
        manifest.with_groups(pattern="(")


@given(st.permutations(range(3)))
def test_fingerprint_is_of_content_not_of_order_or_name(order: list[int]) -> None:
    manifest = Manifest.of(ROWS, "/data")
    hashes = np.array(["h1", "h2", "h2"])
    wanted = manifest.fingerprint(list(hashes))
    renamed = Manifest.of(ROWS.assign(path=["x", "y", "y"]), "/other")
    assert renamed.take(order).fingerprint(list(hashes[order])) == wanted
    assert manifest.fingerprint(["h1", "h2", "h3"]) != wanted


def test_targets() -> None:
    assert Manifest.of(ROWS, "/").targets(["cat", "cow"]).tolist() == [-1, 0, -1]


def test_written_tables_keep_start_and_end_in_full(tmp_path: Path) -> None:
    rows = pd.DataFrame(
        {"path": ["a.wav", "a.wav"], "label": "x", "start": [12345.61, 12345.64], "end": [12345.64, np.nan]}
    )
    write_csv(Manifest.of(rows, tmp_path).table.assign(score=1 / 3), tmp_path / "t.csv")
    again = pd.read_csv(tmp_path / "t.csv")
    assert again["start"].tolist() == [12345.61, 12345.64]
    assert again["end"].iloc[0] == 12345.64 and np.isnan(again["end"].iloc[1])
    assert again["score"].tolist() == [0.333333] * 2


def test_rows_that_stand_there_twice_are_taken_once(caplog: pytest.LogCaptureFixture) -> None:
    rows = [("a.wav", "x"), ("b.wav", "y"), ("a.wav", "x"), ("a.wav", "x")]
    with caplog.at_level("INFO", logger="earmark"):
        manifest = Manifest.of(pd.DataFrame(rows, columns=["path", "label"]), "/data")
    assert manifest.table["path"].tolist() == ["a.wav", "b.wav"]
    assert "skipped   2 rows that are there twice" in caplog.text
    told = pd.DataFrame(
        [(*row, "fan") for row in rows[:2]] + [("a.wav", "x", "pump")], columns=["path", "label", "machine"]
    )
    with pytest.raises(DataError, match=r"row 3 \(a.wav\): .*different values"):
        Manifest.of(told, "/data")
    told = pd.DataFrame([*rows, ("b.wav", "x"), ("b.wav", "z")], columns=["path", "label"])
    with pytest.raises(DataError, match=r"occurs twice with different values: keep one row \(2 rows are like that\)"):
        Manifest.of(told, "/data")


def test_whole_numbers_with_gaps_are_no_floats(tmp_path: Path) -> None:
    rows = [{"path": f"{i}.wav", "label": i % 2, **({"fold": i} if i else {})} for i in range(11)]
    (tmp_path / "clips.jsonl").write_text("\n".join(map(json.dumps, rows)))
    table = Manifest.read(tmp_path / "clips.jsonl").table
    assert table["fold"].tolist() == ["", *(str(i) for i in range(1, 11))]
    assert set(table["label"]) == {"0", "1"}


@pytest.mark.parametrize(
    "text",
    [
        "path;label\na.wav;x,y\n./b.wav;z\n",
        "path\tlabel\na.wav\tx,y\nb.wav\tz\n",
        'path, label\na.wav,"x,y"\nb.wav,z\n',
        ',path,label\n0,a.wav,"x,y"\n1,b.wav,z\n',
    ],
)
def test_tables_as_spreadsheets_write_them(tmp_path: Path, text: str) -> None:
    (tmp_path / "table.csv").write_text(text)
    table = Manifest.read(tmp_path / "table.csv").table
    assert table["path"].tolist() == ["a.wav", "b.wav"]
    assert table["label"].tolist() == ["x,y", "z"]
    assert list(table.columns) == list(COLUMNS)


def test_decimal_commas(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("path;label;start;end\na.wav;x;0,5;1,25\n")
    assert Manifest.read(tmp_path / "table.csv").table[["start", "end"]].to_numpy().tolist() == [[0.5, 1.25]]
    (tmp_path / "table.csv").write_text("path;label;start;end\na.wav;x;0,500;1,250\nb.wav;x;1,000;2,000\n")
    found = Manifest.read(tmp_path / "table.csv").table[["start", "end"]].to_numpy().tolist()
    assert found == [[0.5, 1.25], [1, 2]]
    (tmp_path / "table.csv").write_text('path,label,start,end\na.wav,x,"1,200 ","1,205"\n')
    with pytest.raises(DataError, match="row 1 .*: start is '1,200'; give seconds, with a point"):
        Manifest.read(tmp_path / "table.csv")


def test_columns_that_are_alike_are_named(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("path,label, label\na.wav,x,y\n")
    with pytest.raises(DataError, match="has two columns 'label'; rename one"):
        Manifest.read(tmp_path / "table.csv")


def test_a_packed_table(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "table.csv.gz", "wt") as file:
        file.write("path,label\na.wav,x\n")
    assert Manifest.read(tmp_path / "table.csv.gz").labels == ["x"]


def test_a_recording_is_one_however_its_path_is_written() -> None:
    with pytest.raises(DataError, match="occurs twice with different values"):
        Manifest.of(pd.DataFrame({"path": ["a.wav", "./a.wav"], "label": ["x", "y"]}), "/data")
    assert len(Manifest.of(pd.DataFrame({"path": ["d/a.wav", ".//d//a.wav"], "label": ["x", "x"]}), "/data")) == 1


def test_the_commonest_labels_are_named() -> None:
    assert named_counts({"b": 2, "a": 2, "c": 9}) == "c (9), a (2), b (2)"
    assert named_counts({f"{i:02d}": 1 for i in range(12)}).endswith("08 (1), 09 (1) and 2 more")


def test_labels_are_cut_at_the_separator() -> None:
    manifest = Manifest.of(pd.DataFrame({"path": list("abc"), "label": ["x, y", "y", "z;x"]}), "/data").separated(",")
    assert manifest.table["label"].tolist() == ["x;y", "y", "x;z"] and manifest.task == "multilabel"
    for separator in ("|", ""):
        with pytest.raises(DataError, match="no label holds .* .label_separator=CHARACTER.; remove the option"):
            manifest.separated(separator)
