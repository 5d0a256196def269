"""Long recordings with label files beside them: each labelled stretch becomes a clip, and what lies between, if wanted."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from earmark.annotations import Annotation, format_of, read_labels
from earmark.cache import Index, default_folder
from earmark.errors import AudioError, DataError
from earmark.manifest import Manifest

log = logging.getLogger("earmark")

_TRIED = 50  # text files that are looked at to tell label files from others
_ROUNDING = 0.05  # seconds by which a label may end behind its recording
_PIECE = (0.5, 10.0)  # shortest and longest clip of background, in seconds


@dataclass(frozen=True)
class SelectionOptions:
    """How label files become clips.

    Attributes
    ----------
    label_column : str, optional
        Column of Raven tables that holds the label.
    min_seconds : float
        Labels shorter than this are left out.
    overlaps : {"keep", "drop"}
        Labels that overlap one of another name: each is a clip all the same, or both are left out.
    background : str, optional
        Label for what lies between the labels, of which as many clips are made as the commonest label has, as long as labels are;
        left out by default.
    """

    label_column: str | None = None
    min_seconds: float = 0.0
    overlaps: str = "keep"
    background: str | None = None

    def __post_init__(self) -> None:
        """Refuse what is none of the choices."""
        if self.overlaps not in ("keep", "drop"):
            raise DataError(f"--overlaps is {self.overlaps!r}; choose keep or drop")
        if not self.min_seconds >= 0:
            raise DataError(f"--min-seconds is {self.min_seconds:g}; give seconds from 0")


def label_files(root: Path, files: Sequence[str], *, asked: bool = True) -> dict[str, list[Path]]:
    """Raven and Audacity files beside the recordings that have some: ``NAME.txt``, ``NAME.Table.1.selections.txt`` and so on.

    Unless they were ``asked`` for, a look at some text files tells that there are none.
    """
    stems: dict[Path, dict[str, str]] = {}
    for name in files:
        stems.setdefault((root / name).parent, {})[Path(name).stem] = name
    beside: list[tuple[str, Path]] = []
    for folder, names in stems.items():
        for place in sorted(p for p in folder.iterdir() if p.suffix.lower() == ".txt"):
            # Of site.wav and site.1.wav, the second one owns site.1.txt.
            parts = place.name.split(".")
            prefixes = (".".join(parts[:n]) for n in range(len(parts) - 1, 0, -1))
            stem = next((p for p in prefixes if p in names), None)
            if stem is not None:
                beside.append((names[stem], place))
    if not asked and not any(format_of(place) for _, place in beside[:_TRIED]):
        return {}  # transcripts or notes
    found: dict[str, list[Path]] = {}
    for name, place in beside:
        if format_of(place):
            found.setdefault(name, []).append(place)
    return found


def read(root: Path, files: Sequence[str], options: SelectionOptions, *, normal: str | None = None) -> Manifest:
    """Clips of all recordings that have label files; a recording is a group.

    Background of the label ``normal``, which detectors learn from, is taken as a whole.

    Raises
    ------
    DataError
        For a label file that cannot be read, or where no label is left.
    """
    index = Index(default_folder())
    beside = label_files(root, files)
    lengths = {name: _length(index, root / name) for name in beside}
    rows: list[dict[str, Any]] = []
    labelled: dict[str, list[Annotation]] = {}
    short = overlapping = unnamed = 0
    for name, places in beside.items():
        labelled[name] = [a for p in places for a in read_labels(p, label_column=options.label_column)]
        named = [a for a in labelled[name] if a.label]
        unnamed += len(labelled[name]) - len(named)
        long = [a for a in named if a.end > a.start and a.end - a.start >= options.min_seconds - 1e-6]
        kept = [a for a in long if options.overlaps == "keep" or not _overlaps(a, long)]
        short, overlapping = short + len(named) - len(long), overlapping + len(long) - len(kept)
        length = lengths[name]
        for a in kept:
            end = length if length is not None and length < a.end <= length + _ROUNDING else a.end
            rows.append({"path": name, "start": a.start, "end": end, "label": a.label})
    if not rows:
        raise DataError(
            f"{root}: none of the labels beside its {len(beside)} labelled recordings makes a clip: {short} are without length or "
            f"shorter than --min-seconds, {overlapping} overlap others (--overlaps keep), "
            f"{unnamed} have no name (of Raven tables, --label-column names its column)"
        )
    if unnamed:
        log.info(
            "left out  %d labels without a name (Raven tables: --label-column takes it from another column)", unnamed
        )
    if short:
        log.info("left out  %d labels without length or shorter than %g s", short, options.min_seconds)
    if overlapping:
        log.info("left out  %d labels that overlap others (--overlaps keep)", overlapping)
    if options.background is not None:
        most = max(Counter(r["label"] for r in rows).values()) if options.background != normal else None
        rows += _background(options.background, rows, labelled, lengths, most)
    table = pd.DataFrame(rows).drop_duplicates(["path", "start", "end"])
    if len(table) < len(rows):
        log.info("left out  %d labels of stretches that have one already", len(rows) - len(table))
    ignored = tuple(f for f in files if f not in beside)
    return Manifest.of(table, root, layout="selections", ignored=ignored, grouped_by="recording")


def _overlaps(one: Annotation, others: Sequence[Annotation]) -> bool:
    return any(one.label != o.label and one.start < o.end and o.start < one.end for o in others)


def _background(
    label: str,
    rows: Sequence[dict[str, Any]],
    labelled: dict[str, list[Annotation]],
    lengths: dict[str, float | None],
    most: int | None,
) -> list[dict[str, Any]]:
    """Up to ``most`` clips, evenly from all recordings; nothing but the sound tells them from labelled ones."""
    rng = np.random.default_rng(0)
    usual = np.clip([r["end"] - r["start"] for r in rows], *_PIECE)
    found = []
    for name, every in labelled.items():
        pieces = list(_between(every, lengths[name] or 0.0, rng, usual))
        # The first of every recording come before the second of any.
        found += [((turn, rng.random()), name, *pieces[i]) for turn, i in enumerate(rng.permutation(len(pieces)))]
    taken = sorted(found)[:most]
    log.info("between   the labels %d clips are taken, of %d that fit", len(taken), len(found))
    return [{"path": name, "start": start, "end": end, "label": label} for _, name, start, end in taken]


def _between(
    labelled: Sequence[Annotation], length: float, rng: np.random.Generator, usual: NDArray[np.float64]
) -> Iterator[tuple[float, float]]:
    """Pieces that fit between the labels, of lengths drawn from ``usual``."""
    at = 0.0
    for a in [*sorted(labelled, key=lambda a: a.start), Annotation(length, length, "")]:
        while at + (piece := float(rng.choice(usual))) <= min(a.start, length):
            yield round(at, 6), round(at + piece, 6)
            at += piece
        at = max(at, a.end)


def _length(index: Index, path: Path) -> float | None:
    """Seconds; nothing where the recording cannot be read, which is told when it is decoded."""
    try:
        return index.header(path)[0]
    except AudioError:
        return None
