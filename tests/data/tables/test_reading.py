from __future__ import annotations

import gzip
import sys
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.data.tables import read_table
from earmark.data.tables.text import encoding_of
from earmark.data.tables.times import seconds
from earmark.errors import DataError

ROWS = [["grün.wav", "Käuzchen", "1.5"], ["b c.wav", "owl", ""]]
NAMES = ["file", "label", "start"]


def check(path: Path) -> None:
    table = read_table(path)
    assert table.frame.columns.tolist() == NAMES
    assert table.frame.map(str).replace("nan", "").to_numpy().tolist() == ROWS


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"])
def test_text_tables_in_every_encoding(tmp_path: Path, separator: str, encoding: str) -> None:
    for name, end in (("t.csv", "\n"), ("t.txt", "\r\n"), ("T.CSV", "\r")):
        text = end.join([separator.join(NAMES), "", *(separator.join(row) for row in ROWS), ""])
        (tmp_path / name).write_bytes(text.encode(encoding))
        check(tmp_path / name)


def test_other_formats(tmp_path: Path) -> None:
    frame = pd.DataFrame(ROWS, columns=NAMES)
    frame.to_parquet(tmp_path / "t.parquet")
    frame.to_json(tmp_path / "t.jsonl", orient="records", lines=True)
    frame.to_json(tmp_path / "t.json", orient="records")
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(frame.to_csv(index=False).encode()))
    frame.to_csv(tmp_path / "t.csv")  # with the index that pandas writes
    frame.to_csv(tmp_path / "sep.csv", index=False, sep=";")
    (tmp_path / "sep.csv").write_text("sep=;\n" + (tmp_path / "sep.csv").read_text())
    frame.to_excel(tmp_path / "t.xlsx", index=False)
    (tmp_path / "comment.csv").write_text("# exported today\n" + frame.to_csv(index=False))
    for name in ("t.parquet", "t.jsonl", "t.json", "t.csv.gz", "t.csv", "t.xlsx", "sep.csv", "comment.csv"):
        check(tmp_path / name)


def test_a_spreadsheet_is_named_where_nothing_reads_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    (tmp_path / "t.xlsx").write_bytes(b"PK\x03\x04" + bytes(100))
    with pytest.raises(DataError, match="is a spreadsheet; export it as CSV, or run: pip install openpyxl"):
        read_table(tmp_path / "t.xlsx")
    (tmp_path / "t.csv").write_bytes(b"PK\x03\x04" + bytes(100))
    with pytest.raises(DataError, match="is a spreadsheet, not text; export it as CSV"):
        read_table(tmp_path / "t.csv")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "path,label\na.wav,x,y\n",
            "line 2 has 3 columns, the header 2; correct it, or put cells that hold ',' into quotes",
        ),
        ("path,label, label\na.wav,x,y\n", "has two columns 'label'; rename one"),
        ("", "is empty"),
        ("\n \n", "is empty"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(DataError, match=said):
        read_table(tmp_path / "t.csv")


@pytest.mark.parametrize(("name", "text"), [("t.jsonl", '{"a": 1}\n{"a": '), ("t.json", "[1, 2]"), ("t.json", '"x"')])
def test_damaged_json(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match="is not JSON Lines|holds no list of objects"):
        read_table(tmp_path / name)


def test_cells_that_are_missing_are_empty_and_nameless_columns_are_kept(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("file,label,\na.wav,x,9\nb.wav\nc.wav,z,\n")
    frame = read_table(tmp_path / "t.csv").frame
    assert frame.columns.tolist() == ["file", "label", "column 3"]
    assert frame.to_numpy().tolist() == [["a.wav", "x", "9"], ["b.wav", "", ""], ["c.wav", "z", ""]]


def test_a_stray_quote_swallows_no_rows(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('file,label\na.wav,7" drum\nb.wav,bell\nc.wav,horn\n')
    assert read_table(tmp_path / "t.csv").frame["label"].tolist() == ['7" drum', "bell", "horn"]


def test_no_header(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a.wav,x\nb.wav,y\n")
    table = read_table(tmp_path / "t.csv")
    assert not table.headed and table.frame.columns.tolist() == ["column 1", "column 2"] and len(table.frame) == 2


@given(st.integers(0, 10**9))
def test_a_time_is_the_same_however_it_is_written(ms: int) -> None:
    hours, minutes, rest = ms // 3_600_000, ms // 60_000, ms % 60_000 / 1000
    expected = pytest.approx(ms / 1000)
    for text in (
        f"{ms / 1000:.3f}", f"{ms / 1000:.3f}".replace(".", ","), f"{ms}ms", f"{ms / 1000:.3f} s", f"{minutes}:{rest:06.3f}",
        f"{hours}:{minutes % 60:02d}:{rest:06.3f}", f"{hours:02d}:{minutes % 60:02d}:{rest:06.3f}".replace(".", ","),
    ):  # fmt: skip
        assert seconds(text) == expected, text


@pytest.mark.parametrize("text", ["", "soon", "1:60", "1:2:3:4", "1.5.2", "12 apples", "2023-05-14", "--1", "1 000"])
def test_no_times(text: str) -> None:
    assert seconds(text) is None


def test_what_is_no_text() -> None:
    assert encoding_of(bytes(range(256))) == ""
    assert encoding_of("Käuzchen".encode("cp1252")) == "cp1252"
