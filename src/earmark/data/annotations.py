"""Labels of segments of recordings, as annotation programs write them: Raven, Audacity, Praat, and tables of events."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from earmark.data.tables import EXTENSIONS, Table, read_table
from earmark.data.tables.clips import clips, points
from earmark.data.tables.columns import Columns, resolve
from earmark.data.tables.text import encoding_of, read_text
from earmark.data.tables.times import seconds
from earmark.errors import DataError

LABEL_FILES = frozenset(
    [
        *EXTENSIONS, ".textgrid", ".lab", ".ann", ".labels", ".aud", ".eaf", ".svl", ".jams", ".xml", ".srt", ".vtt", ".sbv",
        ".rttm", ".ctm", ".stm", ".cha", ".data", ".seg", ".mlf",
    ]
)  # fmt: skip
"""Extensions of files that may hold the labels of a recording; not all of their formats are read."""
_PRAAT = re.compile(r'"(?:[^"]|"")*"|\[\d*\]|<\w+>|-?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?')
_STARTS = (
    "start",
    "begin",
    "onset",
    "time",
    "from",
    "t0",
    "tmin",
    "xmin",
    "t_",
    "anfang",
    "debut",
    "début",
    "ini",
    "von",
    "offset",
)
"""What stands in the first lines of a table of segments: others need not be read."""
_HTK = 1e-7  # seconds of a unit in HTK's label files
_HTK_LEAST = 10_000  # units: a millisecond; label files of whole seconds stay below


@dataclass(frozen=True)
class Labels:
    """What a label file or a table of events says.

    Attributes
    ----------
    rows : DataFrame
        Columns ``start``, ``end`` (seconds; equal for points), ``label``, further ones, and ``path`` where the file names
        its recordings.
    kind : str
        ``raven``, ``audacity``, ``praat`` or ``table``.
    columns : Columns or None
        What the columns of a table are.
    notes : tuple of str
    """

    rows: pd.DataFrame
    kind: str
    columns: Columns | None = None
    notes: tuple[str, ...] = field(default=())

    @property
    def names_recordings(self) -> bool:
        """Whether each row says which recording it is of."""
        return "path" in self.rows.columns


def format_of(path: Path) -> str:
    """``raven``, ``audacity``, ``praat``, ``table`` or, for other text, nothing; by the first lines alone."""
    try:
        with path.open("rb") as file:
            head = file.read(1 << 14)
    except OSError:
        return ""
    encoding = encoding_of(head)
    if not encoding:
        return ""
    text = head.decode(encoding, errors="replace")
    if "ooTextFile" in text[:200] and "TextGrid" in text[:200]:
        return "praat"
    if next(_plain_rows(text), None) is not None:
        return "audacity"
    first = text.lstrip("\ufeff").split("\n", 1)[0]
    if "begin time (s)" in first.lower():
        return "raven"
    if path.suffix.lower() not in EXTENSIONS or not any(word in text.lower() for word in _STARTS):
        return ""
    try:
        return "table" if _has_times(_resolved(read_table(path), None, None)) else ""
    except DataError:
        return ""


def read_labels(path: Path, *, label_column: str | None = None, exists: Callable[[str], bool] | None = None) -> Labels:
    """Read a label file.

    Parameters
    ----------
    path : Path
        A Raven selection table, Audacity labels (start, end and label, between tabs or blanks; also with decimal commas or clock
        times), a Praat TextGrid, or any table with a header that names the times.
    label_column : str, optional
        Column of a table; found by its name otherwise.
    exists : callable, optional
        Whether a value names a recording: the column of the names may then be found by its values.

    Raises
    ------
    DataError
        Naming the file, the line and the value.
    """
    if not is_written(path):
        return Labels(pd.DataFrame({"start": [], "end": [], "label": []}, dtype=object), "audacity")
    kind = format_of(path)
    if kind == "praat":
        return Labels(_praat(path), kind)
    if kind == "audacity":
        text, encoding = read_text(path)
        notes = (f"{path.name} is not UTF-8; it is read as Windows-1252",) if encoding == "cp1252" else ()
        return Labels(_plain_table(path, text), kind, notes=notes)
    if not kind:
        raise DataError(
            f"{path}: is no label file that Earmark knows; give a header with start, end and label, or remove it"
        )
    table = read_table(path)
    columns = _resolved(table, label_column, exists)
    if "label" not in columns.roles:
        raise DataError(
            f"{path}: has no column of labels (it has {', '.join(table.frame.columns)}); name it with label_column=COLUMN"
        )
    if "start" in columns.roles and "end" not in columns.roles and "duration" not in columns.roles and kind == "raven":
        raise DataError(
            f"{path}: has no column 'End Time (s)' (it has {', '.join(table.frame.columns)}); export it from Raven as well"
        )
    rows = clips(table.frame, columns, path)
    if "start" not in columns.roles:
        rows["start"] = rows["end"] = points(table.frame, columns, path)
    elif "end" not in rows:
        rows["end"] = rows["start"]
    return Labels(_labelled(rows), kind, columns, table.notes)


def is_written(path: Path) -> bool:
    """Whether a file holds anything but blanks."""
    try:
        with path.open("rb") as file:
            return bool(file.read(1 << 14).strip(b" \t\r\n\0\xef\xbb\xbf\xff\xfe"))
    except OSError:
        return True


def _resolved(table: Table, label_column: str | None, exists: Callable[[str], bool] | None) -> Columns:
    if not table.headed:
        return Columns({})
    return resolve(table.frame, table.path, label=label_column, exists=exists)


def _has_times(columns: Columns) -> bool:
    """Whether rows are segments or points, not whole recordings."""
    return "label" in columns.roles and ("start" in columns.roles or "time" in columns.roles)


def _labelled(rows: pd.DataFrame) -> pd.DataFrame:
    texts = [
        ";".join(map(str, v)) if isinstance(v, list) else "" if v is None or v != v else str(v).strip()
        for v in rows["label"]
    ]
    return rows.assign(label=texts)


def _plain_rows(text: str) -> Iterator[tuple[float, float, str]]:
    """Start, end and label of each line without a header: between tabs, else between blanks, semicolons or commas.

    Nothing at the first line that is none of these: a table with more columns has meanings that are not known.
    """
    for line in text.lstrip("\ufeff").splitlines():
        if _says_nothing(line):
            continue
        found = _plain_row(line)
        if found is None:
            return
        yield found


def _says_nothing(line: str) -> bool:
    """Whether a line is blank, a comment, or holds the frequencies of the label before it, which a backslash begins."""
    return not line.strip() or line.startswith(("\\\t", "\\ ", "#"))


def _plain_row(line: str) -> tuple[float, float, str] | None:
    if "\t" in line:
        parts = [part.strip() for part in line.rstrip("\t ").split("\t")]
    else:
        parts = line.split(None, 2)
        if len(parts) < 2 or seconds(parts[0]) is None or seconds(parts[1]) is None:
            separator = ";" if ";" in line else ","
            parts = [part.strip() for part in line.split(separator, 2)]
        elif len(parts) < 3:
            return None
    if not 2 <= len(parts) <= 3:
        return None
    start, end = seconds(parts[0]), seconds(parts[1])
    if len(parts) == 2 and start is not None and end is None:  # a point and its label
        return start, start, parts[1]
    if start is None or end is None or end < start:
        return None
    return start, end, parts[2] if len(parts) > 2 else ""


def _plain_table(path: Path, text: str) -> pd.DataFrame:
    found = []
    for line, row in enumerate(text.lstrip("\ufeff").splitlines(), start=1):
        if _says_nothing(row):
            continue
        one = _plain_row(row)
        if one is None:
            raise DataError(f"{path}: line {line}: {row.strip()[:80]!r} is no start, end and label; correct it")
        found.append(one)
    rows = pd.DataFrame(found, columns=["start", "end", "label"])
    whole = (rows[["start", "end"]] % 1 == 0).to_numpy().all()
    if path.suffix.lower() == ".lab" and whole and rows["end"].max() >= _HTK_LEAST:
        rows[["start", "end"]] *= _HTK
    return rows


def _praat(path: Path) -> pd.DataFrame:
    """Intervals and points of all tiers of a Praat TextGrid, long or short; an interval without text is none.

    Both forms hold the same values in the same order; the long one has their names between them.
    """
    tokens = [t for t in _PRAAT.findall(read_text(path)[0]) if not t.startswith(("[", "<"))]
    values = iter(tokens[4:])  # behind type, class, start and end
    rows: list[tuple[float, float, str]] = []
    try:
        for _ in range(int(next(values))):
            intervals = next(values) == '"IntervalTier"'
            size = [next(values) for _ in range(4)][-1]  # behind its name, start and end
            for _ in range(int(size)):
                start = float(next(values))
                end = float(next(values)) if intervals else start
                if text := next(values)[1:-1].replace('""', '"').strip():
                    rows.append((start, end, text))
    except (StopIteration, ValueError) as error:
        raise DataError(f"{path}: is not a whole TextGrid; save it again in Praat") from error
    return pd.DataFrame(rows, columns=["start", "end", "label"])


def are_points(rows: pd.DataFrame) -> NDArray[np.bool_]:
    """Which labels are points: without a length."""
    return np.asarray(rows["end"] <= rows["start"], bool)
