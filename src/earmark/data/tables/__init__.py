"""A file with a table in it, in any of the usual formats, to rows and columns.

In: a path. Out: a `Table` of text and numbers with the columns' own names, and what a reader must know of it.
"""

from __future__ import annotations

import gzip
import json
import re
import zipfile
import zlib
from collections import Counter
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pandas as pd

from earmark.data.tables.text import cells, decoded, separator_of
from earmark.errors import DataError

TEXT_TABLES = (".csv", ".tsv", ".tab", ".txt")
JSON_TABLES = (".jsonl", ".ndjson", ".json")
SPREADSHEETS = (".xlsx", ".xlsm", ".xls", ".ods")
EXTENSIONS = (*TEXT_TABLES, *JSON_TABLES, ".parquet", *SPREADSHEETS)
"""Of files in which a table may lie."""
_PACKED = (".gz", ".bz2", ".xz", ".zip", ".zst")
_COLUMN = "column "
_NUMBER = re.compile(r"[+-]?[\d.,:]+(e[+-]?\d+)?", re.IGNORECASE)


@dataclass(frozen=True)
class Table:
    """A table as it was written.

    Attributes
    ----------
    path : Path
    frame : DataFrame
        Text as `str`; numbers and lists where the format has them. Without a header its columns are ``column 1`` and so on.
    headed : bool
        Whether the first line named the columns.
    notes : tuple of str
        What a reader must know: an encoding that was guessed.
    """

    path: Path
    frame: pd.DataFrame
    headed: bool = True
    notes: tuple[str, ...] = field(default=())


def may_be_table(path: Path) -> bool:
    """Whether the name ends as a table's does."""
    return path.suffix.lower() in EXTENSIONS or (
        path.suffix.lower() in _PACKED and Path(path.stem).suffix.lower() in TEXT_TABLES
    )


def read_table(path: Path) -> Table:
    """Read a table from CSV, JSON Lines, JSON, Parquet or a spreadsheet.

    CSV may have semicolons, tabs or bars, be packed, and be UTF-8, UTF-16 or Windows-1252.

    Raises
    ------
    DataError
        Where it cannot be read, rows are longer than the header, or two columns have one name.
    """
    suffix = path.suffix.lower()
    try:
        if suffix == ".parquet":
            return _checked(path, pd.read_parquet(path))
        if suffix in SPREADSHEETS:
            return _checked(path, _spreadsheet(path))
        content, notes = _unpacked(path), []
        if content.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
            raise DataError(f"{path}: is a spreadsheet, not text; export it as CSV")
        text, encoding = decoded(path, content)
        if encoding == "cp1252":
            notes.append(f"{path.name} is not UTF-8; it is read as Windows-1252")
        if suffix in JSON_TABLES:
            return _checked(path, _records(path, text), notes=tuple(notes))
        frame, headed = _text_table(path, text)
        return _checked(path, frame, headed=headed, notes=tuple(notes))
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file; check the path") from error
    except (OSError, ValueError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise DataError(f"{path}: cannot be read as a table ({reason}); correct the file") from error


def _unpacked(path: Path) -> bytes:
    if path.suffix.lower() == ".gz":
        return gzip.decompress(path.read_bytes())
    if path.suffix.lower() in _PACKED:
        from pandas.io.common import get_handle

        with get_handle(path, "rb", compression="infer", is_text=False) as opened:
            return bytes(opened.handle.read())
    return path.read_bytes()


def _spreadsheet(path: Path) -> pd.DataFrame:
    package, module = {".xls": ("xlrd", "xlrd"), ".ods": ("odfpy", "odf")}.get(
        path.suffix.lower(), ("openpyxl", "openpyxl")
    )
    if find_spec(module) is None:
        raise DataError(f"{path}: is a spreadsheet; export it as CSV, or run: pip install {package}")
    try:
        return pd.read_excel(path, dtype=str, keep_default_na=False)
    except (KeyError, TypeError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: is a damaged spreadsheet; export it as CSV") from error


def _records(path: Path, text: str) -> pd.DataFrame:
    """JSON Lines, or one JSON list of objects."""
    try:
        if text.lstrip().startswith("["):
            rows = json.loads(text)
        else:
            rows = [json.loads(line) for line in text.splitlines() if line.strip()]
    except (json.JSONDecodeError, RecursionError) as error:
        where = f"line {error.lineno}: {error.msg}" if isinstance(error, json.JSONDecodeError) else "nested too deeply"
        raise DataError(f"{path}: is not JSON Lines ({where}); correct it") from error
    if not rows or not all(isinstance(row, dict) for row in rows):
        raise DataError(f"{path}: holds no list of objects; give one object a line")
    return pd.DataFrame(rows)


def _text_table(path: Path, text: str) -> tuple[pd.DataFrame, bool]:
    if text[:4].lower() == "sep=" and text[5:6] in ("\r", "\n"):  # Excel's own
        separator, text = text[4], text[5:]
    else:
        separator = "\t" if path.suffix.lower() == ".tsv" and "\t" in text.partition("\n")[0] else separator_of(text)
    rows = cells(text, separator)
    while rows and rows[0][1][0].startswith("#") and len(rows) > 1 and len(rows[0][1]) < len(rows[1][1]):
        rows = rows[1:]
    if not rows:
        raise DataError(f"{path}: is empty; add rows")
    headed = not any(map(_is_value, rows[0][1]))
    width = len(rows[0][1]) if headed else Counter(len(row) for _, row in rows).most_common(1)[0][0]
    names = rows[0][1] if headed else [f"{_COLUMN}{n}" for n in range(1, width + 1)]
    body = rows[1:] if headed else rows
    for line, row in body:
        if any(row[width:]):
            others = "the header" if headed else "the others"
            raise DataError(
                f"{path}: line {line} has {len(row)} columns, {others} {width}; correct it, or put cells that hold {separator!r} "
                "into quotes"
            )
    return pd.DataFrame([row[:width] + [""] * (width - len(row)) for _, row in body], columns=names), headed


def _is_value(cell: str) -> bool:
    """Whether a cell of the first line is data: no header names a number or a file."""
    return bool(_NUMBER.fullmatch(cell)) or bool(
        re.fullmatch(r".*\.(wav|flac|mp3|ogg|opus|m4a|aiff?|au|caf)", cell, re.IGNORECASE)
    )


def _checked(path: Path, frame: pd.DataFrame, *, headed: bool = True, notes: tuple[str, ...] = ()) -> Table:
    names = [str(name).lstrip("\ufeff").strip() for name in frame.columns]
    nameless = [not name or name.startswith("Unnamed:") for name in names]
    kept = [not (gone and _says_nothing(frame.iloc[:, i])) for i, gone in enumerate(nameless)]
    frame.columns = [
        f"{_COLUMN}{i}" if gone else name for i, (name, gone) in enumerate(zip(names, nameless, strict=True), 1)
    ]
    frame = frame.loc[:, kept]
    if not frame.columns.is_unique:
        raise DataError(f"{path}: has two columns {frame.columns[frame.columns.duplicated()][0]!r}; rename one")
    if frame.columns.empty:
        raise DataError(f"{path}: has no columns; add a header")
    return Table(path, frame.reset_index(drop=True), headed, notes)


def _says_nothing(values: Any) -> bool:
    """Whether a column without a name is empty, or the index that pandas writes."""
    given = [str(v) for v in values if v == v and str(v).strip()]
    return not given or given == [str(n) for n in range(len(given))]
