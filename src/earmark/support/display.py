"""Small HTML tables by which results show themselves in a notebook."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

_MOST = 1900  # bytes: a page of results must stay light
_CELL = 60  # letters


def table(title: str, rows: Iterable[Sequence[str]], *, header: Sequence[str] = (), note: str = "") -> str:
    """A table of text; rows that would make it larger than 2 kB are counted instead of shown."""
    rows = list(rows)
    head = f"<table><caption><b>{_cell(title, 200)}</b></caption>"
    if header:
        head += "<tr>" + "".join(f"<th>{_cell(x)}</th>" for x in header) + "</tr>"
    tail = f"</table>{f'<small>{_cell(note, 300)}</small>' if note else ''}"
    room, shown = _MOST - len((head + tail).encode()) - 60, ""
    for number, row in enumerate(rows):
        line = "<tr>" + "".join(f"<td>{_cell(x)}</td>" for x in row) + "</tr>"
        if len((shown + line).encode()) > room:
            shown += f"<tr><td>... and {len(rows) - number} more</td></tr>"
            break
        shown += line
    return head + shown + tail


def _cell(text: str, most: int = _CELL) -> str:
    return escape(text if len(text) <= most else text[: most - 1] + "…")


def named(labels: Sequence[str], most: int = 6) -> str:
    """Some labels by name, and how many more there are."""
    more = f" and {len(labels) - most} more" if len(labels) > most else ""
    return f"{', '.join(labels[:most])}{more}"
