"""Notes for a reader of the metrics: each is shown once."""

from __future__ import annotations

import logging
import sys
from collections.abc import Collection, Iterable
from typing import TextIO

from earmark.cli import wording

_WORD = "note "


class _Once(logging.Filter):
    """Lets each note through once and remembers it."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        if not text.startswith(_WORD):
            return True
        note = text.removeprefix(_WORD).strip()
        new = note not in self.shown
        self.shown.add(note)
        return new


def remembered() -> set[str]:
    """The notes that are shown on standard error from now on, each once; after `earmark.cli.options.talk`."""
    once = _Once()
    for handler in logging.getLogger("earmark").handlers:
        if handler.get_name() == "earmark":
            handler.addFilter(once)
    return once.shown


def show(notes: Iterable[str], shown: Collection[str], *, file: TextIO | None = None) -> None:
    """Print the notes that were not shown before."""
    for note in dict.fromkeys(notes):
        if note not in shown:
            print(wording.for_shell(f"note      {note}"), file=file or sys.stdout)
