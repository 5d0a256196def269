"""Labelled segments of long recordings: each becomes a clip, and what lies between them, if wanted."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from earmark.data.annotations import LABEL_FILES, are_points, format_of, is_written
from earmark.data.cache import Index, default_folder
from earmark.data.options import SelectionOptions
from earmark.errors import AudioError, DataError

_ROUNDING = 0.05  # seconds by which a label may end behind its recording
_PIECE = (0.5, 10.0)  # shortest and longest clip of background, in seconds
_WORDS = re.compile(
    r"(?i)[\s_.\-]+(?:labels?|annotations?|annotated|annot|events?|segments?|selections?|markers?|tags?|gt|raven|audacity)$"
    r"|^(?:labels?|annotations?|annot|events?|segments?|selections?|markers?|tags?|gt)[\s_.\-]+"
)
"""What label files are called besides their recording's name."""
NONE = "none"
"""Name of the background that gets no label."""


@dataclass(frozen=True)
class Segments:
    """Labelled segments as they are written.

    Attributes
    ----------
    rows : DataFrame
        Columns ``path``, ``start``, ``end``, ``label`` (empty for segments that were marked without a name), and further ones.
    recordings : tuple of str
        All that were looked at for labels, also those where none was found.
    """

    rows: pd.DataFrame
    recordings: tuple[str, ...]


def beside(recordings: Sequence[str], others: Sequence[str]) -> dict[str, list[str]]:
    """Files that may hold the labels of a recording by their names: ``NAME.txt``, ``NAME.Table.1.selections.txt`` and the like.

    They lie beside it, or in another folder where no other recording has that name.
    """
    here: dict[tuple[str, str], str] = {}
    anywhere: dict[str, list[str]] = {}
    for path in recordings:
        folder, _, name = path.rpartition("/")
        for own in {Path(name).stem, name}:  # also site.wav.txt
            here.setdefault((folder, own), path)
            anywhere.setdefault(own, []).append(path)
    found: dict[str, list[str]] = {}
    for place in sorted(others):
        folder, _, name = place.rpartition("/")
        if Path(name).suffix.lower() not in LABEL_FILES:
            continue
        # Of site.wav and site.1.wav, the second one owns site.1.txt.
        parts = name.split(".")
        prefixes = [".".join(parts[:n]) for n in range(len(parts) - 1, 0, -1)]
        prefixes += [bare for p in prefixes if (bare := _WORDS.sub("", p)) != p]
        owner = next((here[folder, p] for p in prefixes if (folder, p) in here), None)
        far = next((anywhere[p] for p in prefixes if p in anywhere), [])
        if len(far) > 1:  # audio/A/0.wav and labels/A/0.txt
            far = [path for path in far if path.split("/")[-2:-1] == folder.split("/")[-1:]]
        if owner is None and len(far) == 1:
            owner = far[0]
        if owner is not None:
            found.setdefault(owner, []).append(place)
    return found


def known(root: Path, found: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """The label files of `beside` whose format is known; beside those, empty ones say that there is nothing to label."""
    kinds = {place: format_of(root / place) for places in found.values() for place in places}
    if not any(kinds.values()):
        return {}
    readable = {name: [p for p in places if kinds[p] or not is_written(root / p)] for name, places in found.items()}
    return {name: places for name, places in readable.items() if places}


def lengths_of(root: Path, recordings: Sequence[str]) -> dict[str, float | None]:
    """Seconds of each recording by its header; None where it cannot be read, which is reported when it is decoded."""
    index = Index(default_folder())
    return {name: _length(index, root / name) for name in recordings}


def chosen(
    found: Segments,
    options: SelectionOptions,
    lengths: Mapping[str, float | None],
    *,
    where: object,
    normal: str | None = None,
) -> tuple[pd.DataFrame, list[str]]:
    """The segments that become clips, and a note on each kind that does not.

    Background of the label ``normal``, which detectors learn from, is taken as a whole.

    Raises
    ------
    DataError
        Where no segment is left.
    """
    rows, notes = found.rows, []
    if len(wrong := rows[rows["end"] < rows["start"]]):
        path, start, end = wrong[["path", "start", "end"]].iloc[0]
        raise DataError(f"{where}: {path}: a label from {start:g} s ends before it starts, at {end:g} s; correct it")
    point = are_points(rows)
    if options.label_seconds:
        rows = _around(rows, point, options.label_seconds, lengths)
        point = np.zeros(len(rows), bool)
    named = (rows["label"] != "").to_numpy()
    length = (rows["end"] - rows["start"]).fillna(np.inf)  # of a recording that cannot be read
    long = ~point & (length >= options.min_seconds - 1e-6).to_numpy()
    kept = rows[named & long]
    overlapping = _overlapping(kept) if options.overlaps == "drop" else np.zeros(len(kept), bool)
    counts = {
        "point": int((named & point).sum()),
        "short": int((named & ~point & ~long).sum()),
        "overlap": int(overlapping.sum()),
        "unnamed": int((~named).sum()),
    }
    said = {
        "point": "{} labels without a length (label_seconds=1 makes a clip of a second around each)",
        "short": f"{{}} labels shorter than {options.min_seconds:g} s",
        "overlap": "{} labels that overlap others (overlaps='keep')",
        "unnamed": "{} labels without a name (of tables, label_column=COLUMN names their column)",
    }
    kept = kept[~overlapping].copy()
    if kept.empty:
        why = ", ".join(said[kind].format(count) for kind, count in counts.items() if count) or "there are none"
        raise DataError(
            f"{where}: none of the labels of its {len(found.recordings)} labelled recordings makes a clip: {why}"
        )
    notes += [f"excluded: {said[kind].format(count)}" for kind, count in counts.items() if count]
    ends = kept["path"].map(lengths).astype(float)
    late = (kept["end"] > ends) & (kept["end"] <= ends + _ROUNDING)
    kept["end"] = kept["end"].where(~late, ends)
    if options.background is not None:
        label = "" if options.background.casefold() == NONE else options.background
        most = max(Counter(kept["label"]).values()) if options.background != normal else None
        more, note = _background(label, kept, found, lengths, most)
        kept = pd.concat([kept, pd.DataFrame(more)], ignore_index=True)
        notes.append(note)
    unique = kept.drop_duplicates(["path", "start", "end", "label"])
    once = unique.drop_duplicates(["path", "start", "end"])
    if len(once) < len(unique):
        notes.append(f"excluded: {len(unique) - len(once)} labels of segments that have one already")
    return once.reset_index(drop=True), notes


def check_sequence(rows: pd.DataFrame, lengths: Mapping[str, float | None], where: object) -> None:
    """Refuse a table over several recordings whose times may run on from one to the next.

    Raises
    ------
    DataError
        With the remedy.
    """
    first = rows.groupby("path", sort=False)["start"].min().sort_values(kind="stable")
    if len(first) < 2:
        return
    ends = rows["path"].map(lengths).astype(float)
    before = first.index.map(lengths).to_series().astype(float).fillna(0.0).cumsum().shift(fill_value=0.0).to_numpy()
    own = bool((rows["end"].fillna(rows["start"]) <= ends.fillna(np.inf) + _ROUNDING).all())
    running_on = bool((first.to_numpy()[1:] >= before[1:] - _ROUNDING).all())
    if not own or running_on:
        raise DataError(
            f"{where}: its selections are of {len(first)} recordings, and their times may run on from one to the next; add the "
            "column 'File Offset (s)' in Raven and export it again"
        )


def _around(
    rows: pd.DataFrame, point: NDArray[np.bool_], seconds: float, lengths: Mapping[str, float | None]
) -> pd.DataFrame:
    """Points as segments around them, inside their recording."""
    ends = rows["path"].map(lengths).astype(float).fillna(np.inf)
    start = np.minimum(rows["start"] - seconds / 2, ends - seconds).clip(lower=0).round(6)
    end = np.minimum(start + seconds, ends).round(6)
    inside = rows["start"] <= ends + _ROUNDING  # a point past the end stays one that is refused later
    point = point & inside.to_numpy()
    return rows.assign(start=rows["start"].where(~point, start), end=rows["end"].where(~point, end))


def _overlapping(rows: pd.DataFrame) -> NDArray[np.bool_]:
    """Which segments overlap one of another label in the same recording."""
    found = np.zeros(len(rows), bool)
    order = np.lexsort((rows["start"], pd.factorize(rows["path"])[0]))
    paths, starts, ends, labels = (rows[c].to_numpy()[order] for c in ("path", "start", "end", "label"))
    for i in range(len(order)):
        j = i + 1
        while j < len(order) and paths[j] == paths[i] and starts[j] < ends[i]:
            if labels[j] != labels[i]:
                found[order[[i, j]]] = True
            j += 1
    return found


def _background(
    label: str, kept: pd.DataFrame, found: Segments, lengths: Mapping[str, float | None], most: int | None
) -> tuple[list[dict[str, Any]], str]:
    """Up to ``most`` clips, evenly from all recordings; nothing but the sound tells them from labelled ones."""
    rng = np.random.default_rng(0)
    usual = np.clip((kept["end"] - kept["start"]).to_numpy(float), *_PIECE)
    by_path = dict(iter(found.rows.groupby("path")))
    pieces: list[tuple[tuple[int, float], str, float, float]] = []
    for name in found.recordings:
        rows = by_path.get(name)
        marked = [] if rows is None else sorted(zip(rows["start"], rows["end"].fillna(rows["start"]), strict=True))
        free = list(_between(marked, lengths.get(name) or 0.0, rng, usual))
        # The first of every recording come before the second of any.
        pieces += [((turn, rng.random()), name, *free[i]) for turn, i in enumerate(rng.permutation(len(free)))]
    taken = sorted(pieces)[:most]
    note = f"between the labels {len(taken)} clips are taken, of {len(pieces)} that fit"
    return [{"path": name, "start": start, "end": end, "label": label} for _, name, start, end in taken], note


def _between(
    marked: Sequence[tuple[float, float]], length: float, rng: np.random.Generator, usual: NDArray[np.float64]
) -> Iterator[tuple[float, float]]:
    """Pieces that fit between the labels, of lengths drawn from ``usual``."""
    at = 0.0
    for start, end in [*marked, (length, length)]:
        while at + (piece := float(rng.choice(usual))) <= min(start, length):
            yield round(at, 6), round(at + piece, 6)
            at += piece
        at = max(at, end)


def _length(index: Index, path: Path) -> float | None:
    try:
        return index.header(path)[0]
    except AudioError:
        return None
