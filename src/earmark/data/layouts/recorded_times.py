"""Columns of a table that may be times, held against the lengths of the recordings."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from earmark.data.selections import lengths_of
from earmark.data.tables.clips import points
from earmark.data.tables.columns import Columns, role_of, words
from earmark.data.tables.times import column, look_like_times
from earmark.data.validation import COLUMNS
from earmark.errors import DataError

_CHECKED = 50  # recordings whose lengths are looked up
_SHORTER = 0.95  # share of the recording's length
_MOST = 0.5  # share of the rows
_ROUNDED = 0.05  # seconds by which a time may lie behind the end
_NO_TIMES = frozenset(
    [
        "freq",
        "frequency",
        "hz",
        "khz",
        "lat",
        "lon",
        "latitude",
        "longitude",
        "db",
        "score",
        "confidence",
        "id",
        "age",
        "year",
    ]
)
_HINTS = frozenset(
    [
        "t",
        "time",
        "times",
        "sec",
        "second",
        "seconds",
        "ms",
        "pos",
        "first",
        "last",
        "lo",
        "hi",
        "left",
        "right",
        "in",
        "out",
        "cue",
    ]
)
_SPAN = re.compile(r"[\[(]?\s*(\d+(?:\.\d*)?)\s*(?:-|\u2013|,|;|to|\.\.)\s*(\d+(?:\.\d*)?)\s*[\])]?")


def with_points(root: Path, rows: pd.DataFrame, frame: pd.DataFrame, columns: Columns) -> pd.DataFrame:
    """Points where a column of times lies inside the recordings; else it tells the time of day, and stays a further column."""
    name = columns.roles.get("time")
    if name is None:
        return rows
    found = points(frame, columns, name)
    pairs = _with_lengths(root, rows, found)
    if any(time <= length for time, length in pairs):
        return rows.assign(start=found, end=found)
    return rows.assign(**{name: list(frame[name])})


def check_durations(root: Path, place: Path, rows: pd.DataFrame) -> None:
    """Refuse durations without a start that are shorter than the recordings: which part of them is meant is not known.

    Raises
    ------
    DataError
        Naming the column.
    """
    for name in [] if "start" in rows.columns else [n for n in rows.columns if role_of(n)[0] == "duration"]:
        found, wrong = column(list(rows[name]), unit=role_of(name)[2] or 1.0)
        pairs = [] if wrong is not None else _with_lengths(root, rows, found)
        if pairs and np.mean([time < _SHORTER * length for time, length in pairs]) > _MOST:
            raise DataError(
                f"{place}: column {name!r} gives lengths shorter than the recordings', but no column says where the clips start; "
                "add start, or rename that column"
            )


def check_unread_times(root: Path, place: Path, rows: pd.DataFrame, columns: Columns) -> None:
    """Refuse further columns that may be starts, ends or lengths of clips and are not understood.

    They are spans of time in one column; two columns that rise inside every recording; or one inside every recording where another
    column says only the start, or only the end.

    Raises
    ------
    DataError
        Naming the columns.
    """
    known = [name for name in ("start", "end") if name in rows.columns]
    if len(known) == 2 or rows.empty:
        return
    nested = [n for n in rows.columns if n not in COLUMNS and rows[n].map(_is_nested).any()]
    if nested and not known:
        raise DataError(
            f"{place}: column {nested[0]!r} holds lists of values; give each clip a row with start and end of its own"
        )
    further = [n for n in rows.columns if n not in COLUMNS and not _NO_TIMES.intersection(words(n))]
    times = {
        n: column(list(rows[n]))[0] for n in further if look_like_times(rows[n]) and rows[n].map(str).nunique() > 1
    }
    inside = [n for n, found in times.items() if np.all(found >= 0) and _inside(root, rows, found)]
    remedy = "rename to start, end or duration, or to words with 'score' in them if they are no times"
    for name in further:
        spans = [_SPAN.fullmatch(str(value)) for value in rows[name]]
        ends = np.array([float(m[2]) if m and float(m[1]) < float(m[2]) else np.nan for m in spans])
        if np.isfinite(ends).all() and _inside(root, rows, ends):
            raise DataError(
                f"{place}: column {name!r} looks like spans of time; give start and end in columns of their own"
            )
    if known and inside:
        name = columns.roles.get(known[0], known[0])
        raise DataError(f"{place}: column {name!r} is taken for times, and {inside[0]!r} may be one too; {remedy}")
    if len(inside) == 2 or any(_HINTS.intersection(words(name)) or not name.isascii() for name in inside):
        for first, second in pairwise(inside):
            if np.all(times[first] < times[second]):
                raise DataError(f"{place}: columns {first!r} and {second!r} may be start and end of clips; {remedy}")


def _is_nested(value: object) -> bool:
    """Whether a cell of JSON holds annotations instead of a value."""
    return isinstance(value, dict) or (
        isinstance(value, list) and any(isinstance(x, dict | list | float) for x in value)
    )


def _inside(root: Path, rows: pd.DataFrame, values: NDArray[np.float64]) -> bool:
    """Whether all values that are looked up lie inside their recording."""
    pairs = _with_lengths(root, rows, values)
    return bool(pairs) and all(time <= length + _ROUNDED for time, length in pairs)


def _with_lengths(root: Path, rows: pd.DataFrame, values: NDArray[np.float64]) -> list[tuple[float, float]]:
    """Some of the values, each with the seconds of its recording."""
    step = max(1, len(rows) // _CHECKED)
    lengths = lengths_of(root, list(rows["path"].iloc[::step].unique()))
    pairs = zip(values[::step], rows["path"].iloc[::step], strict=True)
    return [(float(v), n) for v, path in pairs if (n := lengths[path]) and np.isfinite(v)]
