"""What a user sees of a long run: a bar on a terminal, a line in a notebook, a line a minute elsewhere; no chatter of libraries."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

T = TypeVar("T")
R = TypeVar("R")

MINUTE = 60.0
"""Seconds between two lines where there is neither a terminal nor a notebook."""
_OFTEN = 0.5  # seconds between two changes of a notebook's line
_AHEAD = 1024  # items handed to the threads at a time: a million of them waiting would take memory


class _Place(Protocol):
    """Where progress is shown."""

    def show(self, done: int, text: str, /) -> None:
        """Show how much is done, and what is said of it."""

    def close(self) -> None:
        """Leave nothing behind that still moves."""


class Progress:
    """How far a long step is.

    Parameters
    ----------
    what : str
        The step, such as ``decoding``.
    total : int, optional
        How much there is to do; unknown otherwise.
    unit : str
        What is counted.
    done : int
        Where a resumed run starts.
    """

    def __init__(self, what: str, total: int | None = None, *, unit: str = "", done: int = 0) -> None:
        self._what, self._total, self._unit = what, total, unit
        self._first, self._begin = done, time.monotonic()
        self._place = _place(what, total)

    def update(self, done: int, text: str = "") -> None:
        """Show how much is done, with what there is to say of it, such as the loss."""
        self._place.show(done, self._line(done, text))

    def close(self) -> None:
        """End the step."""
        self._place.close()

    def _line(self, done: int, text: str) -> str:
        whole = "" if self._total is None else f" of {self._total}"
        counted = f"{done}{whole}{self._unit and f' {self._unit}'}" if done or self._total else ""
        parts = [counted, text]
        ready = done - self._first
        if self._total and ready > 0 and done < self._total:
            left = (time.monotonic() - self._begin) / ready * (self._total - done)
            parts.append(f"{clock(left)} left")
        return ", ".join(part for part in parts if part)


def clock(seconds: float) -> str:
    """A duration as 0:07 or 1:02:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def track(items: Iterable[T], what: str, total: int | None = None) -> Iterator[T]:
    """Pass ``items`` through, showing how far it is."""
    progress = Progress(what, total)
    try:
        for done, item in enumerate(items, start=1):
            yield item
            progress.update(done)
    finally:
        progress.close()


def by_count(items: Iterable[T], what: str, total: int, done: Callable[[T], int]) -> Iterator[T]:
    """As `track`, of items that say themselves how much is done after them."""
    progress = Progress(what, total)
    try:
        for item in items:
            yield item
            progress.update(done(item))
    finally:
        progress.close()


@contextmanager
def step(what: str) -> Iterator[None]:
    """Show that something of unknown length is at work."""
    progress = Progress(what)
    try:
        progress.update(0)
        yield
    finally:
        progress.close()


def _place(what: str, total: int | None) -> _Place:
    if _in_notebook():
        return _Notebook(what)
    return _Terminal(what, total) if sys.stderr.isatty() else _Lines(what)


def _in_notebook() -> bool:
    """Whether a Jupyter kernel runs this process."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return shell is not None and hasattr(shell, "kernel")


class _Terminal:
    """A bar of rich, which is gone at the end."""

    def __init__(self, what: str, total: int | None) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[said]}"))
        self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
        self._task = self._bar.add_task(what, total=total, said="")
        self._bar.start()

    def show(self, done: int, text: str, /) -> None:
        self._bar.update(self._task, completed=done, said=text)

    def close(self) -> None:
        self._bar.stop()


class _Notebook:
    """One line that changes in place, which is small when the notebook is saved; no widgets are needed."""

    def __init__(self, what: str) -> None:
        self._what, self._last, self._text = what, 0.0, ""
        self._handle: Any = None

    def show(self, _: int, text: str, /) -> None:
        self._text = text
        if time.monotonic() - self._last >= _OFTEN:
            self._draw()

    def _draw(self) -> None:
        from IPython.display import display

        shown = {"text/plain": f"{self._what}: {self._text}" if self._text else self._what}
        if self._handle is None:
            self._handle = display(shown, raw=True, display_id=True)  # type: ignore[no-untyped-call]
        else:
            self._handle.update(shown, raw=True)
        self._last = time.monotonic()

    def close(self) -> None:
        if self._handle is not None:
            self._draw()


class _Lines:
    """A line a minute on standard error: logs, pipes, CI."""

    def __init__(self, what: str) -> None:
        self._what, self._last = what, time.monotonic()

    def show(self, _: int, text: str, /) -> None:
        if time.monotonic() - self._last >= MINUTE:
            self._last = time.monotonic()
            print(f"{self._what}  {text}", file=sys.stderr, flush=True)

    def close(self) -> None:
        """Nothing moves."""


def threaded(function: Callable[[T], R], items: Sequence[T], what: str) -> Iterator[R]:
    """``function`` of each item in order, on all cores, showing how far it is."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        parts = (pool.map(function, items[i : i + _AHEAD]) for i in range(0, len(items), _AHEAD))
        yield from track((result for part in parts for result in part), what, len(items))


@contextmanager
def quiet(name: str) -> Iterator[None]:
    """Let nothing below an error through from a library's logger."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
