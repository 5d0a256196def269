"""Labels beside long recordings: Raven's selection tables and Audacity's label files."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from earmark.errors import DataError

_BEGIN, _END, _FILE = "begin time (s)", "end time (s)", "begin file"
_LABELS = ("label", "species", "annotation", "class", "common name", "call type", "type")


@dataclass(frozen=True)
class Annotation:
    """A labelled stretch of a recording.

    Attributes
    ----------
    start, end : float
        Seconds.
    label : str
    """

    start: float
    end: float
    label: str


def format_of(path: Path) -> str:
    """``raven``, ``audacity`` or, for other text, nothing."""
    try:
        with path.open(encoding=_encoding(path), errors="replace") as file:
            first = file.readline(10_000).rstrip("\r\n").split("\t")
    except OSError:
        return ""
    if _BEGIN in (cell.strip().lower() for cell in first):
        return "raven"
    try:
        return "audacity" if len(first) > 1 and float(first[0]) <= float(first[1]) else ""
    except ValueError:
        return ""


def read_labels(path: Path, *, label_column: str | None = None) -> list[Annotation]:
    """Read a label file.

    Parameters
    ----------
    path : Path
        A Raven selection table (tab-separated, with a header) or an Audacity label file (start, end and label, tab-separated).
    label_column : str, optional
        Column of a Raven table; found by its name otherwise.

    Raises
    ------
    DataError
        Naming the file, the line and the value.
    """
    kind = format_of(path)
    if not kind:
        raise DataError(f"{path}: is neither a Raven selection table nor an Audacity label file; correct or remove it")
    try:
        with path.open(encoding=_encoding(path), newline="") as file:
            rows = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    except UnicodeError as error:
        raise DataError(f"{path}: is not UTF-8 text ({error}); save it as UTF-8") from error
    return _raven(path, rows, label_column) if kind == "raven" else _audacity(path, rows)


def _encoding(path: Path) -> str:
    """UTF-16 where its mark says so, as Excel's Unicode text has it."""
    with path.open("rb") as file:
        return "utf-16" if file.read(2) in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"


def _raven(path: Path, rows: Sequence[Sequence[str]], label_column: str | None) -> list[Annotation]:
    header = [cell.strip() for cell in rows[0]]
    lower = [cell.lower() for cell in header]
    if label_column is None:
        column = next((lower.index(name) for name in _LABELS if name in lower), None)
    else:
        column = header.index(label_column) if label_column in header else None
    if _END not in lower:
        raise DataError(
            f"{path}: has no column 'End Time (s)' (it has {', '.join(header)}); export it from Raven as well"
        )
    if column is None:
        wanted = label_column or " or ".join(_LABELS[:4])
        raise DataError(f"{path}: has no column {wanted!r} (it has {', '.join(header)}); name it with --label-column")
    begin, end = lower.index(_BEGIN), lower.index(_END)
    if _FILE in lower:
        files = {row[lower.index(_FILE)].strip() for row in rows[1:] if len(row) > lower.index(_FILE)} - {""}
        if len(files) > 1:
            raise DataError(
                f"{path}: its selections are of {len(files)} recordings ('Begin File'), one behind the other in its times; save a "
                "selection table for each"
            )
    found: dict[Annotation, None] = {}  # a selection stands there once for each view
    for line, row in enumerate(rows[1:], start=2):
        if any(cell.strip() for cell in row):
            if len(row) <= max(begin, end, column):
                raise DataError(f"{path}: line {line} has {len(row)} columns, the header {len(header)}; correct it")
            one = Annotation(_seconds(path, line, row[begin]), _seconds(path, line, row[end]), row[column].strip())
            found[one] = None
    return list(found)


def _audacity(path: Path, rows: Sequence[Sequence[str]]) -> list[Annotation]:
    found = []
    for line, row in enumerate(rows, start=1):
        if not row or row[0].strip() in ("", "\\"):  # a backslash begins the line with the label's frequencies
            continue
        if len(row) < 2:
            raise DataError(f"{path}: line {line} has no end; give start, end and label, separated by tabs")
        label = row[2].strip() if len(row) > 2 else ""
        found.append(Annotation(_seconds(path, line, row[0]), _seconds(path, line, row[1]), label))
    return found


def _seconds(path: Path, line: int, text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise DataError(f"{path}: line {line}: {text!r} is no time; give seconds") from error
