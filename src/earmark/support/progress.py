"""What a user sees of a long run: progress bars on a terminal alone, and no chatter of libraries."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

_AHEAD = 1024  # items handed to the threads at a time: a million of them waiting would take memory


def track(items: Iterable[T], what: str, total: int | None = None) -> Iterator[T]:
    """Pass ``items`` through, showing how far it is; nothing where standard error is no terminal."""
    if not sys.stderr.isatty():
        yield from items
        return
    from rich.console import Console
    from rich.progress import track as rich_track

    yield from rich_track(items, what, total=total, console=Console(stderr=True), transient=True)


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
