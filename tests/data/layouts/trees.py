"""Folders as data sets have them, and recordings of a few seconds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile

SR = 8_000
TEN = range(10)


def make(root: Path, *names: str, **texts: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    for name, text in texts.items():
        place = root / name.replace("__", "/").replace("_dot_", ".")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    return root


def rows(header: str, lines: Callable[[int], str], count: int = 10) -> str:
    return "\n".join([header, *map(lines, range(count))]) + "\n"


def write_site(root: Path, name: str, seconds: float = 20.0) -> None:
    noise = np.random.default_rng(len(name)).normal(size=round(seconds * SR)) * 0.01
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(root / name, noise, SR)


EVENTS = [(2.0, 3.0, "owl"), (6.0, 7.0, "wren"), (11.0, 12.5, "owl"), (15.0, 16.0, "wren")]
