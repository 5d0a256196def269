"""Rows of a table to clips under our own names of columns, with times in seconds."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from earmark.data.tables import times
from earmark.data.tables.columns import Columns
from earmark.errors import DataError

_ROUNDED = 0.0101  # seconds by which columns of one table may differ; and a hundredth of the time


_OURS = ("path", "start", "end", "label", "group", "fold", "split")


def clips(frame: pd.DataFrame, columns: Columns, where: object) -> pd.DataFrame:
    """The rows under our names (``path``, ``label``, ``start``, ``end``, ``group``, ``fold``, ``split``), then further columns.

    Raises
    ------
    DataError
        Naming the row, the column and the value that is no time, or the columns that contradict each other.
    """
    roles = columns.roles
    out = pd.DataFrame(index=frame.index)
    for role in ("path", "label", "group", "fold", "split"):
        if role in roles:
            out[role] = frame[roles[role]]
    if "label" in out:
        out["label"] = [_listed(value) for value in out["label"]]
    start, end = _times(frame, columns, where)
    if start is not None:
        out["start"] = start
    if end is not None:
        out["end"] = end
    if "view" in {name.lower() for name in columns.further}:  # Raven writes a selection once for each view
        view = next(name for name in columns.further if name.lower() == "view")
        rest = out.map(str).assign(**{name: frame[name].map(str) for name in columns.further if name != view})
        frame = frame[~rest.duplicated()]
        out = out.loc[frame.index]
    groups = (
        [roles["group"]] if roles.get("group", "group") != "group" else []
    )  # also under its own name, by which users call it
    further = frame[[*groups, *columns.further]]
    further = further.rename(columns={name: f"{name} (table)" for name in columns.further if name in _OURS})
    return pd.concat([out, further], axis=1).reset_index(drop=True)


def _times(
    frame: pd.DataFrame, columns: Columns, where: object
) -> tuple[NDArray[np.float64] | None, NDArray[np.float64] | None]:
    """Start and end of each row; None without a column."""
    found = {role: _seconds(frame, columns, role, where) for role in times_of(columns)}
    start, end, duration, offset = (found.get(role) for role in ("start", "end", "duration", "file offset"))
    if duration is not None and start is not None:
        reached = start + duration
        if end is None:
            end = np.where(duration > 0, reached, start)
        else:
            _agree(columns, where, end, reached)
    if (
        offset is not None and start is not None
    ):  # Raven: times run on through a sequence of files, offsets start in each
        end = None if end is None else offset + (end - start)
        start = offset
    return start, end


def times_of(columns: Columns) -> list[str]:
    """Roles that are times and count for the clips: a duration without a start is that of the recording."""
    wanted = ["start", "end", "file offset", *(["duration"] if "start" in columns.roles else [])]
    return [role for role in wanted if role in columns.roles]


def points(frame: pd.DataFrame, columns: Columns, where: object) -> NDArray[np.float64]:
    """The times of a table of points, in seconds."""
    return _seconds(frame, columns, "time", where)


def _agree(columns: Columns, where: object, end: NDArray[np.float64], reached: NDArray[np.float64]) -> None:
    apart = np.flatnonzero(np.abs(end - reached) > _ROUNDED + 0.01 * np.abs(reached))
    if len(apart):
        row, roles = int(apart[0]), columns.roles
        names = ", ".join(repr(roles[role]) for role in ("start", "end", "duration"))
        raise DataError(
            f"{where}: row {row + 1}: columns {names} contradict each other: start and duration reach {reached[row]:g} s, "
            f"the end is {end[row]:g} s; correct or remove one"
        )


def _seconds(frame: pd.DataFrame, columns: Columns, role: str, where: object) -> NDArray[np.float64]:
    name = columns.roles[role]
    values: Sequence[Any] = list(frame[name])
    unit = columns.units.get(role, 1.0)
    sides = [frame[columns.roles[r]] for r in ("start", "end") if r in columns.roles]
    written = [v for side in sides for v in side if isinstance(v, str)] if role in ("start", "end") else values
    found, wrong = times.column(values, unit=unit)
    if wrong is None and times.ambiguous(written):
        wrong = next(row for row, v in enumerate(values) if isinstance(v, str) and "," in v)
    if wrong is not None:
        path = f" ({frame[columns.roles['path']].iloc[wrong]})" if "path" in columns.roles else ""
        raise DataError(f"{where}: row {wrong + 1}{path}: {name} is {values[wrong]!r}; give seconds, with a point")
    return found


def _listed(value: Any) -> Any:
    """A list of labels that was written as text, as pandas, NumPy and JSON do.

    Raises
    ------
    DataError
        For a list of annotations.
    """
    text = value.strip() if isinstance(value, str) else ""
    if not (text.startswith(("[", "{", "(")) and text.endswith(("]", "}", ")"))):
        return value
    commas = re.sub(r"""(?<=['"])\s+(?=['"])""", ", ", text)  # NumPy writes none
    for read in (json.loads, ast.literal_eval):
        try:
            found = read(commas)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        if isinstance(found, list | tuple) and any(isinstance(x, dict | list) for x in found):
            raise DataError(
                f"the label {text[:60]!r} is a list of annotations; give each a row with start and end of its own"
            )
        if isinstance(found, list | tuple | set) and all(isinstance(x, str | int) for x in found):
            return sorted(map(str, found))
    return value
