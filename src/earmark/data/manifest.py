"""The table of clips that everything trains and is measured on."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from earmark.bundle import CLASSIFICATION, MULTILABEL
from earmark.data.inventory import Files
from earmark.data.tables import read_table
from earmark.data.tables.clips import clips
from earmark.data.tables.columns import resolve
from earmark.data.validation import SEPARATOR, completed, is_list, validated
from earmark.errors import DataError
from earmark.support import display
from earmark.support.files import atomic_file

ROUNDING = 1e-3
"""Seconds that a clip may end behind its recording: tables are rounded."""

log = logging.getLogger("earmark")

_NAMED = 10  # labels


@dataclass(frozen=True, repr=False)
class Manifest:
    """A validated table of clips; make one with `Manifest.of`, `Manifest.read` or `earmark.data.layouts.find`.

    Attributes
    ----------
    table : DataFrame
        Columns ``path`` (relative to ``root``, with ``/``), ``start`` and ``end`` (seconds; NaN ``end`` for the
        recording's own), ``label`` (several of a clip with `SEPARATOR` between them), ``group`` (what must not straddle a
        split), ``fold`` and ``split`` (empty where there is none), then any further ones.
    root : Path
        Folder that the paths start from.
    layout : str
        Name of the layout that it was read by.
    published : str
        Why groups may straddle the published split; empty where they may not.
    ignored : tuple of str
        Recordings in the folder that the layout does not cover.
    grouped_by : str
        Where the groups come from, for reports; empty where every recording is its own.
    copies : tuple of (str, str)
        Paths of recordings that hold the same sound, where they were looked for.
    label_lists : bool
        Whether the table gave lists of labels, be it of one each.
    columns : mapping
        Each column of the tables that were read to what it holds: ``path``, ``label`` and so on, ``further`` for those kept.
    files : Files or None
        What became of every file below the folder; None where a table was given.
    missing : mapping
        Paths of the table that no file fits, or several, and what is to be done.
    notes : tuple of str
        What a user must know of how the data were read.
    """

    table: pd.DataFrame
    root: Path
    layout: str = "table"
    published: str = ""
    ignored: tuple[str, ...] = field(default=())
    grouped_by: str = ""
    copies: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    label_lists: bool = False
    columns: Mapping[str, str] = field(default_factory=dict, repr=False)
    files: Files | None = field(default=None, repr=False)
    missing: Mapping[str, str] = field(default_factory=dict, repr=False)
    notes: tuple[str, ...] = field(default=(), repr=False)

    @classmethod
    def of(cls, table: pd.DataFrame, root: str | os.PathLike[str], **about: Any) -> Manifest:
        """Complete and validate a table that has at least ``path`` and ``label``.

        Raises
        ------
        DataError
            Naming the row, the column and the value.
        """
        if table.empty:
            raise DataError(f"{root}: the table has no rows; add clips")
        lists = "label" in table.columns and bool(table["label"].map(is_list).any())
        about.setdefault("label_lists", lists)
        whole = validated(completed(table))
        known = bool((whole["group"] != whole["path"]).any())
        about.setdefault("grouped_by", f"layout {about.get('layout', cls.layout)}" if known else "")
        return cls(whole, Path(root), **about)

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Manifest:
        """Read a table as `earmark.data.tables.read_table` does; its paths start from the folder it lies in."""
        place = Path(path)
        table = read_table(place)
        columns = resolve(table.frame, place)
        missing = [role for role in ("path", "label") if role not in columns.roles]
        if missing:
            raise DataError(f"{place}: has no column {missing[0]!r} (it has {', '.join(table.frame.columns)}); add it")
        return cls.of(clips(table.frame, columns, place), place.parent, columns=columns.meanings(), notes=table.notes)

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the table as CSV or, by the extension, Parquet; paths are rewritten to start from the file's folder."""
        place = Path(path)
        table = self.table.copy()
        table["path"] = [Path(os.path.relpath(self.root / p, place.parent)).as_posix() for p in table["path"]]
        with atomic_file(place) as temporary:
            if place.suffix == ".parquet":
                table.to_parquet(temporary, index=False)
            else:
                table.to_csv(temporary, index=False, lineterminator="\n")

    def __len__(self) -> int:
        return len(self.table)

    @property
    def summary(self) -> str:
        """Its size in words."""
        return f"{len(self)} clips, {len(self.labels)} labels, {self.table['group'].nunique()} groups"

    def __repr__(self) -> str:
        return f"Manifest({str(self.root)!r}, {self.layout}: {self.summary})"

    def _repr_html_(self) -> str:
        rows = [[label, str(count)] for label, count in sorted(self.counts.items())]
        return display.table(
            f"{self.root}: {self.summary}",
            rows,
            header=("label", "clips"),
            note=f"layout {self.layout}; rows in .table",
        )

    @property
    def multilabel(self) -> bool:
        """Whether a clip may have several labels or none."""
        return self.label_lists or any(SEPARATOR in x or not x for x in self.table["label"].unique())

    @property
    def task(self) -> str:
        """The task that follows from the labels: ``multilabel`` or ``classification``."""
        return MULTILABEL if self.multilabel else CLASSIFICATION

    @property
    def labels(self) -> list[str]:
        """The labels, sorted by code point: the same on every machine."""
        return sorted(self.counts)

    @property
    def counts(self) -> Counter[str]:
        """Clips of each label."""
        found: Counter[str] = Counter()
        for value, count in self.table["label"].value_counts().items():
            found.update(dict.fromkeys(split_labels(str(value)), int(count)))
        return found

    @property
    def paths(self) -> list[Path]:
        """Where each clip's recording lies."""
        return [self.root / p for p in self.table["path"]]

    def column(self, name: str) -> NDArray[np.object_]:
        """A column as an array of `str`."""
        return np.asarray(self.table[name], object)

    def machines(self, per: Sequence[str]) -> list[str]:
        """Name of each clip's machine: its values of these columns, as ``fan/id_00``; empty names where there are no columns.

        Raises
        ------
        DataError
            For an unknown column, or a clip without a value.
        """
        unknown = [c for c in per if c not in self.table.columns]
        if unknown:
            known = [c for c in self.table.columns if c not in ("path", "start", "end", "label")]
            raise DataError(
                f"{self.root}: has no column {unknown[0]!r} (per=COLUMNS); it has {', '.join(known)}: name one, add it to a "
                "table, or take it from the paths with pattern=REGEX"
            )
        for name in per:
            empty = np.flatnonzero(self.table[name].isna() | (self.table[name].astype(str) == ""))
            if len(empty):
                raise DataError(f"{self.table['path'].iat[empty[0]]}: its {name} is empty; give one")
        return ["/".join(map(str, values)) for values in self.table[list(per)].to_numpy()] if per else [""] * len(self)

    def targets(self, labels: Sequence[str]) -> NDArray[np.int64]:
        """Number of each clip's label in ``labels``, shape (clip,); -1 where it is none of them."""
        order = {label: i for i, label in enumerate(labels)}
        return np.array([order.get(x, -1) for x in self.table["label"]], np.int64)

    def indicators(self, labels: Sequence[str]) -> NDArray[np.int64]:
        """Which of ``labels`` each clip has, 0 or 1, shape (clip, label)."""
        order = {label: i for i, label in enumerate(labels)}
        found = np.zeros((len(self), len(labels)), np.int64)
        for row, value in enumerate(self.table["label"]):
            found[row, [order[x] for x in split_labels(value) if x in order]] = 1
        return found

    def take(self, rows: NDArray[Any] | Sequence[int]) -> Manifest:
        """The clips at these positions, or under this mask."""
        return replace(self, table=self.table[rows] if _is_mask(rows) else self.table.iloc[list(rows)])

    def include(self, labels: Sequence[str]) -> Manifest:
        """The clips of these labels alone.

        Raises
        ------
        DataError
            For a label that does not occur.
        """
        wanted = [unicodedata.normalize("NFC", x.strip()) for x in labels]
        unknown = sorted(set(wanted) - set(self.labels))
        if unknown:
            raise DataError(f"{self.root}: has no label {unknown[0]!r}; it has {', '.join(self.labels)}")
        kept = self.table["label"].map(lambda value: SEPARATOR.join(x for x in split_labels(value) if x in wanted))
        return replace(self, table=self.table.assign(label=kept)[kept != ""])

    def accounted(self) -> dict[str, Any]:
        """What became of every file, and what every column of the tables holds, for ``--json``."""
        return {"files": None if self.files is None else self.files.to_dict(), "columns": dict(self.columns)}

    def noted(self, *notes: str) -> Manifest:
        """The manifest with further notes."""
        return replace(self, notes=(*self.notes, *notes))

    def separated(self, separator: str) -> Manifest:
        """Labels cut where ``separator`` stands: a clip may have several.

        Raises
        ------
        DataError
            For an empty separator, or one that no label holds.
        """
        labels = self.table["label"]
        if not separator or not labels.str.contains(separator, regex=False).any():
            raise DataError(f"{self.root}: no label holds {separator!r} (label_separator=CHARACTER); remove the option")
        cut = [
            sorted({x.strip() for x in value.split(separator)} - {""})
            for value in labels.str.replace(SEPARATOR, separator)
        ]
        table = self.table.assign(label=[SEPARATOR.join(parts) for parts in cut])
        return replace(self, table=table, label_lists=True)

    def with_groups(self, *, column: str | None = None, pattern: str | None = None) -> Manifest:
        """Take the groups from another column, or from a regular expression over the paths.

        The expression's group named ``group``, else its first, else its whole match is the group.

        Raises
        ------
        DataError
            For an unknown column, or a path that does not match.
        """
        table = self.table.copy()
        if column is not None and pattern is not None:
            raise DataError("group=COLUMN and group_pattern=REGEX both name the groups; give one of them")
        if column is not None:
            if column not in table.columns:
                raise DataError(f"{self.root}: has no column {column!r} to group by; it has {', '.join(table.columns)}")
            table["group"] = table[column]
        if pattern is not None:
            expression = compiled(pattern)
            which: str | int = "group" if "group" in expression.groupindex else min(1, expression.groups)
            found = [expression.search(p) for p in table["path"]]
            for path, match in zip(table["path"], found, strict=True):
                if match is None:
                    raise DataError(f"{path}: does not match group_pattern=r'{pattern}'; correct the pattern")
            table["group"] = [m.group(which) or "" for m in found if m is not None]
        source = f"column {column}" if pattern is None else f"group_pattern=r'{pattern}'"
        return replace(self, table=validated(completed(table)), grouped_by=source)

    def merged(self, pairs: Iterable[tuple[str, str]]) -> Manifest:
        """Make one group of the two groups of each pair, and so on; it takes the name that sorts first."""
        parent: dict[str, str] = {}

        def root(group: str) -> str:
            while parent.setdefault(group, group) != group:
                parent[group] = group = parent[parent[group]]
            return group

        for a, b in pairs:
            one, other = sorted((root(a), root(b)))
            parent[other] = one
        return replace(self, table=self.table.assign(group=[root(g) for g in self.table["group"]]))

    def fingerprint(self, hashes: Sequence[str]) -> str:
        """SHA-256 over each clip's content hash, stretch and label, whatever the order and the names of the files."""
        rows = sorted(
            f"{h}|{s!r}|{e!r}|{x}"
            for h, s, e, x in zip(hashes, self.table["start"], self.table["end"], self.table["label"], strict=True)
        )
        return hashlib.sha256("\n".join(rows).encode()).hexdigest()


def split_labels(value: str) -> list[str]:
    """The labels of a clip."""
    return value.split(SEPARATOR) if value else []


def named_counts(counts: Mapping[str, int]) -> str:
    """The commonest labels with their clips, so that it is seen what was taken for labels."""
    common = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    more = f" and {len(common) - _NAMED} more" if len(common) > _NAMED else ""
    return ", ".join(f"{label} ({count})" for label, count in common[:_NAMED]) + more


def write_csv(table: pd.DataFrame, path: str | os.PathLike[str]) -> None:
    """Write figures with six digits, but start and end in full: they say which clip it is."""
    exact = {
        name: [
            "" if pd.isna(value) else repr(float(value)) if not isinstance(value, str) else value
            for value in table[name]
        ]
        for name in ("start", "end")
    }
    with atomic_file(path) as temporary:
        table.assign(**exact).to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n")


def compiled(pattern: str) -> re.Pattern[str]:
    """A user's regular expression, or a `DataError` that says what is wrong with it."""
    try:
        return re.compile(pattern)
    except re.error as error:
        raise DataError(f"pattern {pattern!r} is not a regular expression: {error}; correct it") from error


def _is_mask(rows: Any) -> bool:
    return isinstance(rows, np.ndarray) and rows.dtype == np.bool_
