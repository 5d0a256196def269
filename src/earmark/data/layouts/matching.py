"""Recordings whose paths match a pattern to a manifest."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pandas as pd

from earmark.data.layouts.known import CLASS_FOLDERS, SPLIT_WORDS, WITHOUT_LABELS, Layout
from earmark.data.layouts.tabular import split_words
from earmark.data.manifest import Manifest, compiled
from earmark.data.validation import COLUMNS
from earmark.errors import DataError

_FITS = 0.8  # share of the recordings that a pattern must match to be taken for the layout automatically
_NAMED = 10  # folders in a note


def fits(layout: Layout, files: list[str]) -> bool:
    """Whether a layout's pattern matches nearly all recordings."""
    return sum(map(bool, map(re.compile(layout.pattern).fullmatch, files))) >= _FITS * len(files)


def by_pattern(layout: Layout, root: Path, files: list[str], unlabelled_as: str | None = None) -> Manifest:
    """Clips of the recordings whose paths match; of the label ``alone`` where the pattern has none.

    Raises
    ------
    DataError
        Where none matches, or the pattern has no label.
    """
    expression = compiled(layout.pattern)
    if "label" not in expression.groupindex and "label" not in layout.derived and unlabelled_as is None:
        raise DataError(f"pattern {layout.pattern!r} has no group (?P<label>...); add one")
    matches = {f: expression.fullmatch(f) for f in files}
    rows = [{"path": f, **m.groupdict()} for f, m in matches.items() if m is not None]
    if not rows:
        raise DataError(f"{root}: no path matches layout {layout.name}, e.g. {files[0]}; it expects {layout.about}")
    table = pd.DataFrame(rows)
    if "label" not in expression.groupindex and "label" not in layout.derived:
        table["label"] = unlabelled_as
        layout = replace(layout, name=WITHOUT_LABELS)
    if "split" not in table and "fold" in table and len(named := split_words(table["fold"])) and named.all():
        table = table.rename(columns={"fold": "split"})
    found = finished(layout, root, table)
    return replace(found, notes=(*found.notes, *_doubts(found))) if layout.name == CLASS_FOLDERS else found


def finished(layout: Layout, root: Path, table: pd.DataFrame, **about: object) -> Manifest:
    """Apply what the layout declares beside its columns."""
    for column, (source, values, other) in layout.derived.items():
        table[column] = [values.get(v, v if other is None else other) for v in table[source]]
    if "split" in table.columns:
        table["split"] = [SPLIT_WORDS.get(str(v).strip().lower(), v) for v in table["split"]]
    for split, name in layout.lists.items():
        if (root / name).is_file():
            listed = set((root / name).read_text(encoding="utf-8").split())
            given = table["split"] if "split" in table.columns else pd.Series("train", index=table.index)
            table["split"] = given.where(~table["path"].isin(listed), split)
    if layout.group:
        own = [
            layout.group.format(name=Path(r["path"]).stem, **{k: v for k, v in r.items() if k != "name"})
            for r in table.to_dict("records")
        ]
        table["group"] = [o if pd.isna(g) else g or o for g, o in zip(table["group"], own, strict=True)]
    constant = [c for c in table.columns if c not in COLUMNS and table[c].isna().all()]
    return Manifest.of(table.drop(columns=constant), root, layout=layout.name, published=layout.published, **about)


def _doubts(manifest: Manifest) -> list[str]:
    """A note where folders may not be what their recordings are of."""
    notes = []
    splits = [label for label in manifest.labels if label.casefold() in SPLIT_WORDS]
    if len(splits) > 1:
        notes.append(
            f"folders {', '.join(splits)} are taken for labels; if they are parts of a split, say so with pattern=REGEX"
        )
    inside: dict[str, set[str]] = {}
    for path, label in zip(manifest.table["path"], manifest.table["label"], strict=True):
        inside.setdefault(label, set()).add("/".join(path.split("/")[1:-1]))
    same = set.intersection(*inside.values()) if len(inside) > 1 else set()
    if len(same) > 1 and "" not in same and all(folders == same for folders in inside.values()):
        if all(folder.casefold() in SPLIT_WORDS for folder in same):
            what, pattern = "parts of a split", "(?P<label>[^/]+)/(?P<split>[^/]+)/.*"
        else:
            what, pattern = "the labels", "(?P<group>[^/]+)/(?P<label>[^/]+)/.*"
        shown = ", ".join(sorted(same)[:_NAMED])
        notes.append(f"all labels hold the folders {shown}; if those are {what}: pattern=r'{pattern}'")
    return notes
