"""A folder or a table to a manifest: by a known layout, by label files beside the recordings, or by a pattern."""

from __future__ import annotations

import logging
import os
import re
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pandas as pd

from earmark.audio import find_recordings
from earmark.conditions import NORMAL
from earmark.errors import DataError
from earmark.files import as_text
from earmark.layouts.known import LAYOUTS, SPLIT_WORDS, TABLE_WORDS, Layout
from earmark.manifest import COLUMNS, Manifest, compiled, read_table
from earmark.selections import SelectionOptions, label_files
from earmark.selections import read as read_selections

log = logging.getLogger("earmark")

_FOR_LABELS = (
    "--label-column, --min-seconds, --overlaps and --background are for Raven and Audacity labels beside the recordings"
)

CLASS_FOLDERS = "class-folders"
SELECTIONS = "selections"
"""Name of the layout whose labels lie in Raven or Audacity files beside the recordings."""

_LABELLED = 0.5  # share of the recordings that must have a label file to be taken for that layout by itself
_NAMED = 10  # folders in a note
_FITS = 0.95  # share of the recordings that a pattern must match to be taken for the layout by itself


ALONE = "recordings"
"""Layout of a folder of recordings without labels."""


def find(
    data: str | os.PathLike[str],
    *,
    layout: str | None = None,
    pattern: str | None = None,
    selections: SelectionOptions | None = None,
    alone: str | None = None,
) -> Manifest:
    """Read a data set.

    Parameters
    ----------
    data : path
        A folder in one of `LAYOUTS`, or a table (CSV, JSON Lines, Parquet) with the columns ``path`` and ``label``.
    layout : str, optional
        Name of the layout; found by itself otherwise. ``selections``: recordings with Raven or Audacity files beside them;
        ``recordings``: all of them are one label, whatever their folders.
    pattern : str, optional
        Regular expression over the paths relative to the folder, with named groups: ``label``, and if wanted ``group``,
        ``fold``, ``split`` and any further columns.
    selections : SelectionOptions, optional
        How label files beside the recordings become clips.
    alone : str, optional
        Label of all recordings of a folder without folders in it, if no layout fits, or of a pattern that has none.

    Returns
    -------
    Manifest

    Raises
    ------
    DataError
        Where the folder is missing or empty, or no layout fits.
    """
    root = Path(data)
    if not root.exists():
        raise DataError(f"{root}: no such folder; check the path")
    asked = selections is not None and selections != SelectionOptions()
    if asked and (root.is_file() or pattern is not None or layout not in (None, SELECTIONS)):
        raise DataError(
            f"{root}: {_FOR_LABELS}{'' if root.is_file() else ', not for a layout or a pattern'}; leave them out"
        )
    if root.is_file():
        if pattern is not None or layout is not None:
            raise DataError(f"{root}: is a table, which tells its clips itself; leave out --layout and --pattern")
        table = Layout("table", "a table with path and label", tables=(root.name,), columns=TABLE_WORDS)
        return _by_table(table, root.parent, rest=False)
    if pattern is not None:
        return _by_pattern(Layout("pattern", "given by the user", pattern=pattern), root, recordings(root), alone)
    if layout is not None:
        return _named(layout, root, selections, alone)
    for known in LAYOUTS:
        if known.tables and not asked and _tables(known, root):
            return _by_table(known, root)
    files = recordings(root)
    beside = len(label_files(root, files, asked=asked))
    if asked and not beside:
        raise DataError(f"{root}: {_FOR_LABELS}, and there are none; leave them out")
    if asked or beside >= _LABELLED * len(files):
        return read_selections(root, files, selections or SelectionOptions(), normal=alone)
    fitting = next((known for known in LAYOUTS if known.pattern and _fits(known, files)), None)
    flat = alone is not None and not any("/" in name for name in files)
    if beside and (fitting or flat):
        raise DataError(
            f"{root}: {beside} of its {len(files)} recordings have Raven or Audacity labels beside them; pass --layout "
            f"{SELECTIONS} to take those, or --layout {fitting.name if fitting else ALONE} to leave them aside"
        )
    if fitting is not None:
        return _by_pattern(fitting, root, files)
    if flat:
        return Manifest.of(pd.DataFrame({"path": files, "label": alone}), root, layout=ALONE)
    normal = "" if alone is None else ", or --layout recordings where all of it is normal sound"
    if beside:
        normal += f", or --layout {SELECTIONS}: {beside} of its {len(files)} recordings have labels beside them"
    raise DataError(
        f"{root}: no known layout fits, e.g. {files[0]}; put each class into a folder of its own, add a metadata.csv, "
        f"or pass --pattern{normal}"
    )


def _fits(layout: Layout, files: list[str]) -> bool:
    return sum(map(bool, map(re.compile(layout.pattern).fullmatch, files))) >= _FITS * len(files)


def recordings(root: Path) -> list[str]:
    """Relative paths of all recordings below a folder, with ``/``, sorted by code point.

    Raises
    ------
    DataError
        Where there are none, or a name is not UTF-8: tables and reports could not hold it.
    """
    found = [p.relative_to(root).as_posix() for p in find_recordings([root])]
    for name in found:
        if as_text(name) != name:
            raise DataError(f"{root}: the name {as_text(name)} is not UTF-8; rename it")
    return found


def _named(name: str, root: Path, selections: SelectionOptions | None, alone: str | None) -> Manifest:
    if name == ALONE:
        return Manifest.of(pd.DataFrame({"path": recordings(root), "label": alone or NORMAL}), root, layout=ALONE)
    if name == SELECTIONS:
        return read_selections(root, recordings(root), selections or SelectionOptions(), normal=alone)
    chosen = next((known for known in LAYOUTS if known.name == name), None)
    if chosen is None:
        known_names = ", ".join([*(known.name for known in LAYOUTS), SELECTIONS, ALONE])
        raise DataError(f"unknown layout {name!r}; choose one of {known_names}")
    return _by_table(chosen, root) if chosen.tables else _by_pattern(chosen, root, recordings(root))


def _by_table(layout: Layout, root: Path, *, rest: bool = True) -> Manifest:
    """Clips of a table; the recordings beside it that it does not name are kept in mind with ``rest``."""
    places = _tables(layout, root)
    if not places:
        raise DataError(
            f"{root}: layout {layout.name} needs {' or '.join(layout.tables)}; check the path or the layout"
        )
    table = pd.concat([_renamed(layout, root, place) for place in places], ignore_index=True)
    if layout.folder and (root / layout.folder).is_dir():
        table["path"] = layout.folder + "/" + table["path"].astype(str)
    found: list[str] = []
    if rest:
        with suppress(DataError):  # a table may name recordings that lie elsewhere
            found = recordings(root)
    here = root.absolute()
    named = {os.path.normpath(here / str(path)) for path in table["path"]}
    return _finished(layout, root, table, tuple(f for f in found if os.path.normpath(here / f) not in named))


def _tables(layout: Layout, root: Path) -> list[Path]:
    """The layout's table, or one of each split's folder."""
    folders = [root]
    if layout.in_splits and not any((root / t).is_file() for t in layout.tables):
        folders = sorted(f for f in root.iterdir() if f.is_dir() and f.name.lower() in SPLIT_WORDS)
    found = [next((f / t for t in layout.tables if (f / t).is_file()), None) for f in folders]
    return [place for place in found if place is not None]


def _renamed(layout: Layout, root: Path, place: Path) -> pd.DataFrame:
    """A table under our names of columns; paths start from ``root``, and name the split where they start with it."""
    table = read_table(place)
    lower = {str(c).lower(): c for c in table.columns}
    for ours, theirs in layout.columns.items():
        name = next((lower[t] for t in theirs if t in lower), None)
        if ours == "split" and name is not None and name.lower() != "split" and not _splits(table[name]).any():
            log.info("note      column %s is taken for no split: its values are %s", name, _some(table[name]))
            continue
        if name is not None and ours == "group":
            table[ours] = table[name]  # beside its own name, by which users call it
        elif name is not None:
            table = table.rename(columns={name: ours})
        elif ours in ("path", "label"):
            besides = (
                f", or leave it aside with --layout {CLASS_FOLDERS}, {SELECTIONS} or {ALONE}"
                if layout.in_splits
                else ""
            )
            raise DataError(
                f"{place}: has no column {' or '.join(theirs)} (it has {', '.join(map(str, table.columns))}); add it{besides}"
            )
    table = _parted(table)
    if layout.in_splits:
        folder = place.parent.relative_to(root).as_posix()
        if folder != ".":
            table["path"] = folder + "/" + table["path"].astype(str)
        first = table["path"].astype(str).str.split("/").str[0].str.lower()
        if "split" not in table.columns and first.isin(list(SPLIT_WORDS)).all():
            table["split"] = first
    return table


def _splits(values: pd.Series) -> pd.Series:
    """Which of the values that are given name a part of a split."""
    given = values.dropna().astype(str).str.strip().str.lower()
    return given[given != ""].isin(list(SPLIT_WORDS))


def _parted(table: pd.DataFrame) -> pd.DataFrame:
    """Folds that are called train, validation and test are a split."""
    if "split" in table.columns or "fold" not in table.columns:
        return table
    named = _splits(table["fold"])
    return table.rename(columns={"fold": "split"}) if len(named) and named.all() else table


def _some(values: pd.Series) -> str:
    """The first of the values."""
    return ", ".join(sorted(set(values.dropna().astype(str)))[:_NAMED]) or "empty"


def _by_pattern(layout: Layout, root: Path, files: list[str], alone: str | None = None) -> Manifest:
    """Clips whose paths match; of the label ``alone`` where the pattern has none."""
    expression = compiled(layout.pattern)
    if "label" not in expression.groupindex and "label" not in layout.derived and alone is None:
        raise DataError(f"pattern {layout.pattern!r} has no group (?P<label>...); add one")
    matches = {f: expression.fullmatch(f) for f in files}
    rows = [{"path": f, **m.groupdict()} for f, m in matches.items() if m is not None]
    if not rows:
        raise DataError(f"{root}: no path matches layout {layout.name}, e.g. {files[0]}; it expects {layout.about}")
    ignored = tuple(f for f, m in matches.items() if m is None)
    table = pd.DataFrame(rows)
    if "label" not in expression.groupindex and "label" not in layout.derived:
        table["label"] = alone
        layout = replace(layout, name=ALONE)
    found = _finished(layout, root, _parted(table), ignored)
    if layout.name == CLASS_FOLDERS:
        _tell_doubts(found)
    return found


def _tell_doubts(manifest: Manifest) -> None:
    """A note where folders may not be what their recordings are of."""
    splits = [label for label in manifest.labels if label.casefold() in SPLIT_WORDS]
    if len(splits) > 1:
        log.info(
            "note      folders %s are taken for labels; if they are parts of a split, say so with --pattern",
            ", ".join(splits),
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
        log.info(
            "note      all labels hold the folders %s; if those are %s: --pattern '%s'",
            ", ".join(sorted(same)[:_NAMED]), what, pattern,
        )  # fmt: skip


def _finished(layout: Layout, root: Path, table: pd.DataFrame, ignored: tuple[str, ...]) -> Manifest:
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
    return Manifest.of(
        table.drop(columns=constant), root, layout=layout.name, published=layout.published, ignored=ignored
    )
