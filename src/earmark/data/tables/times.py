"""Times as people and programs write them, to seconds."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_CLOCK = re.compile(r"(?:(?:(\d+):)?(\d+)):(\d+(?:\.\d*)?)")
_NUMBER = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*([A-Za-zµ]*)\.?")
_THOUSANDS = re.compile(r"[1-9]\d{0,2}(,\d{3})+(\.\d*)?")
_DECIMAL_COMMA = re.compile(r"(?<=\d),(?=\d+\D*$)|^,(?=\d)")
UNITS = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds", "sek", "sekunden"), 1.0),
    **dict.fromkeys(("ms", "msec", "msecs", "millis", "millisecond", "milliseconds"), 1e-3),
    **dict.fromkeys(("us", "usec", "µs", "microsecond", "microseconds"), 1e-6),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 3600.0),
}
"""Seconds of a unit."""


def seconds(text: str, unit: float = 1.0) -> float | None:
    """Seconds of ``12.5`` (times ``unit``), ``1:02.5``, ``00:01:02.500``, ``90 s`` or ``1500ms``; None for anything else.

    A comma is a decimal comma. Minutes and seconds of clock times are below 60.
    """
    text = _DECIMAL_COMMA.sub(".", text.strip().replace("\u00a0", " "))
    if found := _CLOCK.fullmatch(text):
        hours, minutes, rest = int(found[1] or 0), int(found[2]), float(found[3])
        return None if rest >= 60 or (found[1] and minutes >= 60) else 3600.0 * hours + 60 * minutes + rest
    found = _NUMBER.fullmatch(text)
    factor = UNITS.get(found[2].lower()) if found and found[2] else unit
    return None if found is None or factor is None else float(found[1]) * factor


def ambiguous(values: Iterable[Any]) -> bool:
    """Whether every comma may separate thousands: 1,200 may be twelve hundred, 0,5 is a half."""
    commas = [v.strip() for v in values if isinstance(v, str) and "," in v]
    return bool(commas) and all(map(_THOUSANDS.fullmatch, commas))


def column(
    values: Sequence[Any], *, default: float = np.nan, unit: float = 1.0
) -> tuple[NDArray[np.float64], int | None]:
    """Seconds of each value, ``default`` for empty ones; and the first position that holds no time, if any.

    Numbers count in ``unit`` seconds, unless they have a unit of their own.
    """
    found = np.full(len(values), default)
    for row, value in enumerate(values):
        if isinstance(value, str):
            number = seconds(value, unit) if value.strip() else default
        else:
            number = default if value is None or value != value else _number(value)
            number = number if number is None or number is default else number * unit
        if number is None:
            return found, row
        found[row] = number
    return found, None


def look_like_times(values: Iterable[Any]) -> bool:
    """Whether there are values, and most of them are times: the others are faults, to be named."""
    given = [v for v in values if not (v is None or v != v or (isinstance(v, str) and not v.strip()))]
    times = [seconds(v) is not None if isinstance(v, str) else _number(v) is not None for v in given]
    return 2 * sum(times) > len(given)


def _number(value: Any) -> float | None:
    """A number of a typed table; dates and the like are none."""
    number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    return float(value) if number else None
