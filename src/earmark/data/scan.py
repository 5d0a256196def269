"""The data set's doctor: one pass over every recording, and what is wrong with each and with all of them together."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from earmark import audio
from earmark.data import conditions, fingerprint, layouts
from earmark.data.inspection import FAULTS, HARMLESS, SILENT, UNUSABLE, Recording, inspect
from earmark.data.inventory import Files
from earmark.data.manifest import ROUNDING, Manifest, write_csv
from earmark.data.options import ScanCall
from earmark.data.shortcuts import Shortcut
from earmark.data.shortcuts.manifests import of_manifest
from earmark.data.similar import similar_labels
from earmark.errors import AudioError, OutputError
from earmark.support import display
from earmark.support.files import make_folder
from earmark.support.keywords import flat
from earmark.support.progress import threaded

_OFFSET, _OFFSET_SHARE = 0.01, 0.1  # of full scale, and of the effective value
_CLIPPED = 1e-3  # share of the samples that lie in flat tops
_SHORT, _SHORT_SHARE, _SHORT_ENOUGH = 0.1, 0.1, 0.5  # seconds, share of the median, seconds


@dataclass(frozen=True, repr=False)
class Scan:
    """What is in a data set and what is wrong with it.

    Attributes
    ----------
    manifest : Manifest
        As it was read.
    recordings : tuple of Recording
        In the order of the manifest.
    exact, near : tuple of tuple of str
        Paths that hold the same samples; and the same sound shifted, louder, re-encoded or resampled.
    conflicts : tuple of tuple of str
        Those of them that have different labels.
    typos : tuple of (str, str)
        Labels that look like slips of others: the slip and what may be meant.
    leaks : tuple of str
        What of the published or given split is on both sides, one line each.
    random_leak : float
        Share of test clips that would have a clip of their group in training if a fifth were held out at random.
    shortcuts : tuple of Shortcut
        Facts of the files that predict the label without the sound.
    path : Path or None
        Where the table was written.
    """

    manifest: Manifest
    recordings: tuple[Recording, ...]
    exact: tuple[tuple[str, ...], ...]
    near: tuple[tuple[str, str], ...]
    conflicts: tuple[tuple[str, ...], ...]
    typos: tuple[tuple[str, str], ...]
    leaks: tuple[str, ...]
    random_leak: float
    shortcuts: tuple[Shortcut, ...] = ()
    path: Path | None = None

    @property
    def faults(self) -> dict[str, list[tuple[str, str]]]:
        """Paths and details by kind of fault."""
        found: dict[str, list[tuple[str, str]]] = {kind: [] for kind in FAULTS}
        for recording in self.recordings:
            for kind, detail in recording.faults:
                found[kind].append((recording.path, detail))
        return {kind: rows for kind, rows in found.items() if rows}

    @property
    def files(self) -> Files | None:
        """What becomes of every file below the folder; None where a table was given."""
        unusable = {r.path: kind for r in self.recordings for kind, _ in r.faults if kind in UNUSABLE}
        return None if self.manifest.files is None else self.manifest.files.without(unusable)

    @property
    def problems(self) -> tuple[str, ...]:
        """What keeps the data from being clean besides faults, copies, likely typos and leaks."""
        files, found = self.files, []
        if self.manifest.layout == layouts.WITHOUT_LABELS:
            label = self.manifest.labels[0]
            found.append(f"no labels, so that all of it counts as {label!r}: only task='anomaly' can use it")
        elif len(self.manifest.labels) < 2 and not self.manifest.multilabel:
            found.append(f"one label only, {self.manifest.labels[0]!r}: a classifier needs two")
        if files is not None and files.unused:
            found.append(str(files))
        return (*found, *(shortcut.sentence for shortcut in self.shortcuts if not shortcut.own))

    @property
    def notes(self) -> tuple[str, ...]:
        """What need not be wrong: how the data were read, and differences that the sounds may have themselves."""
        return (*self.manifest.notes, *(shortcut.sentence for shortcut in self.shortcuts if shortcut.own))

    @property
    def clean(self) -> bool:
        """Whether nothing is wrong and nothing is unused."""
        faults = self.faults.keys() - HARMLESS
        return not (faults or self.exact or self.near or self.typos or self.leaks or self.problems)

    def __repr__(self) -> str:
        wrong = ", ".join(f"{kind} {count}" for kind, count in self._wrong().items())
        return f"Scan({str(self.manifest.root)!r}, {self.manifest.summary}: {wrong or 'nothing is wrong'})"

    def _repr_html_(self) -> str:
        rows = [[kind, str(count)] for kind, count in self._wrong().items()] or [["nothing is wrong", ""]]
        rows += [["problem", problem] for problem in self.problems] + [["note", note] for note in self.notes]
        return display.table(f"{self.manifest.root}: {self.manifest.summary}", rows)

    def _wrong(self) -> dict[str, int]:
        """How often each kind of fault was found."""
        found = {kind: len(rows) for kind, rows in self.faults.items()}
        found |= {"duplicates": len(self.exact), "near-duplicates": len(self.near), "likely typos": len(self.typos)}
        found |= {"leaks": len(self.leaks), "problems": len(self.problems)}
        return {kind: count for kind, count in found.items() if count}

    def table(self) -> pd.DataFrame:
        """One row a clip, for ``scan.csv``."""
        about = {r.path: r for r in self.recordings}
        same = {path: group[0] for group in self.exact for path in group[1:]}
        near: dict[str, str] = {}
        for a, b in self.near:
            near.setdefault(b, a)
        rows = self.manifest.table.reset_index(drop=True)
        found = [about[p] for p in rows["path"]]
        columns: dict[str, list[Any]] = {
            "faults": ["; ".join(kind for kind, _ in r.faults) for r in found],
            "detail": ["; ".join(detail for _, detail in r.faults) for r in found],
            "copy_of": [same.get(p, "") for p in rows["path"]],
            "near_copy_of": [near.get(p, "") for p in rows["path"]],
        }
        for name in ("seconds", "sr", "channels", "peak", "rms", "dc", "clipped", "content"):
            columns[name] = [getattr(r, name) for r in found]
        return pd.concat([rows, pd.DataFrame(columns)], axis=1)

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write `table` as CSV."""
        write_csv(self.table(), path)

    def to_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        manifest, usable = self.manifest, [r for r in self.recordings if r.seconds]
        groups = manifest.table["group"]
        return {
            "data": str(manifest.root),
            "layout": manifest.layout,
            "recordings": len(self.recordings),
            "clips": len(manifest),
            "usable": sum(not {k for k, _ in r.faults} & UNUSABLE for r in self.recordings),
            "seconds": round(sum(r.seconds for r in usable), 3),
            "ignored": list(manifest.ignored),
            "labels": dict(sorted(manifest.counts.items())),
            "task": manifest.task,
            "groups": {
                "count": int(groups.nunique()),
                "largest": int(groups.value_counts().iloc[0]),
                "found_by": manifest.grouped_by,
            },
            "rates": _counted(r.sr for r in usable),
            "channels": _counted(r.channels for r in usable),
            "faults": {
                kind: [{"path": p, "detail": detail} for p, detail in rows] for kind, rows in self.faults.items()
            },
            "exact_copies": [list(g) for g in self.exact],
            "near_copies": [list(g) for g in self.near],
            "conflicting_labels": [list(g) for g in self.conflicts],
            "similar_labels": [list(t) for t in self.typos],
            "leaks": list(self.leaks),
            "random_split_leak": round(self.random_leak, 4),
            **replace(manifest, files=self.files).accounted(),
            "notes": list(self.notes),
            "shortcuts": [vars(shortcut) | {"sentence": shortcut.sentence} for shortcut in self.shortcuts],
            "problems": list(self.problems),
            "clean": self.clean,
        }


@flat(ScanCall)
def scan(call: ScanCall) -> Scan:
    """Look at every recording of a data set and at all of them together.

    Returns
    -------
    Scan

    Raises
    ------
    DataError
        Where there is no data set.
    """
    place = None if call.out is None else _place(Path(call.out), overwrite=call.overwrite)
    found = _scanned(call.read(call.data, unlabelled_as=conditions.NORMAL), call.channel)
    if place is not None:
        found.write(place)
    return replace(found, path=place)


def _place(out: Path, *, overwrite: bool) -> Path:
    """The file that takes the table.

    Raises
    ------
    OutputError
        Where something else is there.
    """
    place = out if out.suffix == ".csv" else out / "scan.csv"
    make_folder(place.parent)
    if place.exists():
        if not overwrite:
            raise OutputError(f"{place}: exists; choose another name, or pass overwrite=True")
        with place.open(encoding="utf-8", errors="replace") as file:
            if "near_copy_of" not in file.readline():
                raise OutputError(
                    f"{place}: was not made by this command, so overwrite=True does not replace it; choose another path"
                )
    return place


def _scanned(manifest: Manifest, channel: int | None) -> Scan:
    paths = list(dict.fromkeys(manifest.table["path"]))
    seen = list(threaded(lambda p: inspect(manifest.root / p, p, channel=channel), paths, "scanning"))
    usual = float(np.median([r.seconds for r in seen if r.seconds] or [0.0]))
    late = _late(manifest, {r.path: r.seconds for r in seen if r.seconds})
    found = [_judged(_with_nearest(r, manifest), usual, late.get(r.path, "")) for r in seen]
    exact, near = _copies(manifest.root, found)
    labels = manifest.table.groupby("path")["label"].agg(frozenset)
    conflicts = [g for g in [*exact, *near] if len({labels[p] for p in g}) > 1]
    return Scan(
        manifest,
        tuple(found),
        tuple(exact),
        tuple(near),
        tuple(conflicts),
        tuple(similar_labels(manifest.counts)),
        tuple(_leaks(manifest, [*exact, *near])),
        _random_leak(manifest, [*exact, *near]),
        tuple(of_manifest(manifest, {r.path: r.facts for r in found if r.facts and _usable(r)})),
    )


def _usable(found: Recording) -> bool:
    """Whether training takes it."""
    return not any(kind in UNUSABLE for kind, _ in found.faults)


def _with_nearest(found: Recording, manifest: Manifest) -> Recording:
    """A recording that is missing, with the nearest name to what the table says."""
    nearest = manifest.missing.get(found.path)
    faults = [
        (kind, f"{detail}; {nearest}" if nearest and kind == "missing" else detail) for kind, detail in found.faults
    ]
    return replace(found, faults=tuple(faults))


def _late(manifest: Manifest, lengths: dict[str, float]) -> dict[str, str]:
    """Recordings of which a clip lies past the end, and what is to be said of it."""
    found: dict[str, str] = {}
    for path, start, end in zip(*(manifest.table[c] for c in ("path", "start", "end")), strict=True):
        length = lengths.get(path, np.inf)
        last = start if np.isnan(end) else end
        if start >= length or last > length + ROUNDING:
            found.setdefault(
                path, f"a clip from {start:g} s to {last:g} s lies past the recording's end at {length:.3f} s"
            )
    return found


def _judged(found: Recording, usual: float, late: str) -> Recording:
    """Add the faults that its figures show."""
    faults = list(found.faults)
    if found.seconds and not any(kind in UNUSABLE for kind, _ in faults):
        if late:
            faults.append(("range", late))
        if found.peak - abs(found.dc) < SILENT and found.rms**2 - found.dc**2 < SILENT**2:
            faults.append(("silent", f"its loudest sample is {found.peak:.1g} of full scale"))
        if found.clipped >= _CLIPPED:
            faults.append(("clipped", f"{100 * found.clipped:.2g}% of its samples lie in flat tops"))
        short = found.seconds < max(_SHORT, min(_SHORT_ENOUGH, _SHORT_SHARE * usual))
        if abs(found.dc) >= max(_OFFSET, _OFFSET_SHARE * found.rms) and not short:
            faults.append(("dc-offset", f"its mean is {found.dc:+.3f} of full scale"))
        if short:
            faults.append(("too-short", f"{found.seconds:.3f} s, the median is {usual:.3g} s"))
    order = list(FAULTS)
    return Recording(**{**vars(found), "faults": tuple(sorted(faults, key=lambda fault: order.index(fault[0])))})


def _copies(root: Path, found: Sequence[Recording]) -> tuple[list[tuple[str, ...]], list[tuple[str, str]]]:
    """Exact copies, as groups, and near ones, as pairs."""
    by_content: dict[str, list[Recording]] = {}
    for recording in found:
        if recording.peak > SILENT and not any(kind in UNUSABLE for kind, _ in recording.faults):
            by_content.setdefault(recording.content, []).append(recording)
    exact = [tuple(r.path for r in group) for group in by_content.values() if len(group) > 1]
    one_each = [group[0] for group in by_content.values()]

    def read(i: int, start: float, end: float) -> NDArray[np.float32]:
        last = min(end, one_each[i].seconds)
        if last <= start:
            return np.zeros(0, np.float32)
        try:
            return audio.decode(root / one_each[i].path, sr=fingerprint.SR, start=start, end=last).samples
        except AudioError:  # what could be read as a whole, but not from here, is no copy that can be shown
            return np.zeros(0, np.float32)

    pairs = fingerprint.copies([r.landmarks for r in one_each], read)
    return exact, [(one_each[a].path, one_each[b].path) for a, b in pairs]


def _leaks(manifest: Manifest, copies: Iterable[tuple[str, ...]]) -> list[str]:
    """Groups, and copies, on both sides of the folds or splits that came with the data."""
    if manifest.published:  # groups straddle it by design; copies do not
        manifest = replace(manifest, table=manifest.table.assign(group=manifest.table["path"]))
    table = _with_copies(manifest, copies)
    lines = []
    for column in ("fold", "split"):
        parts = table.loc[table[column] != ""].groupby("group")[column].agg(lambda x: sorted(set(x)))
        for group, both in parts[parts.map(len) > 1].items():
            paths = [table.loc[(table["group"] == group) & (table[column] == p), "path"].iloc[0] for p in both[:2]]
            lines.append(
                f"group {group} is in {column}s {', '.join(both)}: {paths[0]} ({both[0]}) and {paths[1]} ({both[1]})"
            )
    return lines


def _random_leak(manifest: Manifest, copies: Iterable[tuple[str, ...]]) -> float:
    """Share of the test clips that are expected to have a clip of their group in training when a fifth is held out at random."""
    sizes = _with_copies(manifest, copies)["group"].value_counts().to_numpy()
    return float((sizes * (1 - 0.2 ** (sizes - 1))).sum() / sizes.sum())


def _with_copies(manifest: Manifest, copies: Iterable[tuple[str, ...]]) -> pd.DataFrame:
    group: dict[str, str] = {}
    shared = [(group.setdefault(p, g), g) for p, g in zip(manifest.table["path"], manifest.table["group"], strict=True)]
    return manifest.merged([*shared, *((group[c[0]], group[p]) for c in copies for p in c[1:])]).table


def _counted(values: Iterable[int]) -> dict[str, int]:
    return {str(value): n for value, n in sorted(Counter(values).items())}
