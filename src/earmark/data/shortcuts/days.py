"""The day on which each recording was made, from its name or its file's time of change."""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from pathlib import PurePath

import numpy as np

_MOST = 0.95  # share of the names that must hold a day; of the files that must lie as far apart as they are long
_YEARS = range(1990, 2100)
_DAY = re.compile(
    r"(?<!\d)(?P<year>\d{4})(?P<mark>[-_.: ]?)(?P<month>\d\d)(?P=mark)(?P<day>\d\d)(?=\D|$|\d{4}(?!\d)|\d{6}(?!\d))"
)
_SHORT = re.compile(r"(?<!\d)(?P<year>\d\d)(?P<month>\d\d)(?P<day>\d\d)[-_](?:[01]\d|2[0-3])[0-5]\d[0-5]\d(?!\d)")
_HEXADECIMAL = re.compile(r"[0-9A-F]{8}")


def day_of(name: str) -> str:
    """The day in a file's path as yyyy-mm-dd, or nothing.

    Year, month and day in this order, as recorders write them: ``20230514_063000.WAV``, ``2023-05-14T06-30.wav``,
    ``230514_063000.wav``, a folder ``2023-05-14``, and the hexadecimal seconds of older AudioMoths (``5E90A4D4.WAV``).
    """
    path = PurePath(name)
    for part in reversed([*path.parts[:-1], path.stem]):
        for match in (*_DAY.finditer(part), *_SHORT.finditer(part)):
            year, month, day = (int(match[key]) for key in ("year", "month", "day"))
            try:
                found = datetime.date(year if year > 99 else 2000 + year, month, day)
            except ValueError:  # other digits
                continue
            if found.year in _YEARS:
                return found.isoformat()
    if path.suffix == ".WAV" and _HEXADECIMAL.fullmatch(path.stem):
        found = datetime.datetime.fromtimestamp(int(path.stem, 16), datetime.UTC).date()
        if found.year in range(2017, 2035):
            return found.isoformat()
    return ""


def recording_days(names: Sequence[str], modified: Sequence[float] = (), seconds: Sequence[float] = ()) -> list[str]:
    """The day of each recording as yyyy-mm-dd, from one source for all of them; an empty list where it is not known.

    Parameters
    ----------
    names : sequence of str
        Paths, relative to the data set.
    modified : sequence of float, optional
        The files' times of change, in seconds since 1970 (``st_mtime``).
    seconds : sequence of float, optional
        Lengths of the recordings. Files that follow each other faster than they last were copied or cut at that time, not recorded.
    """
    named = [day_of(name) for name in names]
    if sum(day != "" for day in named) >= _MOST * len(named):
        return named
    if len(modified) < 2 or len(modified) != len(seconds):
        return []
    times = np.asarray(modified, float)
    order = np.argsort(times, kind="stable")
    apart = np.diff(times[order]) >= np.asarray(seconds, float)[order][1:]
    if apart.mean() < _MOST:
        return []
    return [datetime.datetime.fromtimestamp(t, datetime.UTC).date().isoformat() for t in times]
