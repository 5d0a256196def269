"""A folder or a table to a manifest: by a known layout, tables, label files, or the names of folders and files."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pandas as pd

from earmark.audio.finding import is_recording
from earmark.data.conditions import NORMAL
from earmark.data.layouts import folders, tabular
from earmark.data.layouts.asking import LABELLED, ask, ask_about_label_files, nothing_fits, refuse_misread_tables
from earmark.data.layouts.contents import Contents
from earmark.data.layouts.known import CLASS_FOLDERS, LAYOUTS, SELECTIONS, TABLE, WITHOUT_LABELS, Layout
from earmark.data.layouts.labelled import (
    FOR_SEGMENTS,
    by_found_table,
    by_known_table,
    by_label_files,
    of_table,
    tables_of,
    usable,
)
from earmark.data.layouts.matching import by_pattern, fits
from earmark.data.layouts.names import Names
from earmark.data.manifest import Manifest
from earmark.data.options import SelectionOptions
from earmark.data.tables import read_table
from earmark.errors import DataError

__all__ = ["CLASS_FOLDERS", "LAYOUTS", "SELECTIONS", "WITHOUT_LABELS", "find"]

_OF_TABLES = ("meta", "metadata", "labels", "annotations", "tables", "csv", "evaluation_setup")
"""Folders that hold tables of the recordings beside them."""


def find(
    data: str | os.PathLike[str],
    *,
    layout: str | None = None,
    pattern: str | None = None,
    selections: SelectionOptions | None = None,
    unlabelled_as: str | None = None,
) -> Manifest:
    """Read a data set.

    Every level of folders, every table and the names of the files are looked at. What is clearly the best reading is taken, and the
    notes say what else was possible.

    Parameters
    ----------
    data : path
        A folder in one of `LAYOUTS`, or a table (CSV, JSON Lines, Parquet, ...) with columns for the recording and its label.
    layout : str, optional
        Name of the layout; found automatically otherwise. ``selections``: recordings with label files beside them;
        ``recordings``: all of them are one label, whatever their folders.
    pattern : str, optional
        Regular expression over the paths relative to the folder, with named groups: ``label``, and if wanted ``group``,
        ``fold``, ``split`` and any further columns.
    selections : SelectionOptions, optional
        How labels of segments become clips, and which column holds them.
    unlabelled_as : str, optional
        Label of all recordings of a folder that has no labels, or of a pattern that has none.

    Returns
    -------
    Manifest

    Raises
    ------
    DataError
        Where the folder is missing or empty, no layout fits, or it is not clear which of several readings is meant.
    """
    root, options = Path(data), selections or SelectionOptions()
    if not root.exists():
        raise DataError(f"{root}: no such folder; check the path")
    if root.is_file():
        return _given_table(root, layout, pattern, options)
    if options.for_segments and (pattern is not None or layout not in (None, SELECTIONS, TABLE)):
        raise DataError(f"{root}: {FOR_SEGMENTS}, not for a layout or a pattern; remove them")
    folder = Contents(root, options, unlabelled_as)
    found = _of_folder(folder, layout, pattern)
    if options.label_column is not None and not found.columns:
        raise DataError(f"{root}: label_column is {options.label_column!r}, but no table was read; remove it")
    return found


def _of_folder(folder: Contents, layout: str | None, pattern: str | None) -> Manifest:
    if pattern is not None:
        given = Layout("pattern", "given by the user", pattern=pattern)
        return folder.done(by_pattern(given, folder.root, folder.recordings, folder.unlabelled_as))
    if layout is not None:
        return _named(layout, folder)
    return _best(folder)


def _named(name: str, folder: Contents) -> Manifest:
    """The layout that the user named."""
    if name == WITHOUT_LABELS:
        table = pd.DataFrame({"path": folder.recordings, "label": folder.unlabelled_as or NORMAL})
        return folder.done(Manifest.of(table, folder.root, layout=WITHOUT_LABELS))
    if name == SELECTIONS:
        return by_label_files(folder)
    if name == TABLE:
        return by_found_table(usable(folder), folder)
    layout = next((known for known in LAYOUTS if known.name == name), None)
    if layout is None:
        names = ", ".join([*(known.name for known in LAYOUTS), TABLE, SELECTIONS, WITHOUT_LABELS])
        raise DataError(f"unknown layout {name!r}; choose one of {names}")
    return by_known_table(layout, folder) if layout.tables else _by_paths(layout, folder)


def _best(folder: Contents) -> Manifest:
    """The clearest reading of a folder."""
    root, options = folder.root, folder.options
    for layout in LAYOUTS:
        if layout.tables and not options.for_segments and tables_of(layout, root):
            return by_known_table(layout, folder)
    files = folder.recordings
    named = next((layout for layout in LAYOUTS if layout.pattern and not layout.general and fits(layout, files)), None)
    tables = [t for t in folder.tables if not t.problem and len(t.covered) >= LABELLED * len(files)]
    segments = [t for t in folder.tables if not t.problem and t.has_times]
    if folder.labelled and (options.for_segments or len(folder.labelled) >= LABELLED * len(files)):
        if segments:
            ask(folder, [f"layout={name!r}" for name in (SELECTIONS, TABLE)])
        return by_label_files(folder)
    if options.for_segments:
        if not segments:
            raise DataError(f"{root}: {FOR_SEGMENTS}, and there are none; remove them")
        return by_found_table(segments, folder)
    if named is not None:
        ask_about_label_files(folder, named.name)
        return _by_paths(named, folder)
    if tables:
        ask_about_label_files(folder, TABLE)
        return by_found_table(tables, folder)
    return _by_places(folder)


def _by_places(folder: Contents) -> Manifest:
    """By the names of folders and files, where no table and no label files tell more."""
    files = folder.recordings
    split = next(layout for layout in LAYOUTS if layout.name == "split-folders")
    by_folders = [] if fits(split, files) else folders.choices(files)
    refuse_misread_tables(folder)
    if fits(split, files):
        ask_about_label_files(folder, split.name)
        return _by_paths(split, folder)
    if by_folders:
        sets = folders.more_sets(files, lambda top, paths: _is_data_set(folder, top, paths))
        if sets and by_folders[0].at_top:
            ask(folder, list(map(str, by_folders)), sets)
        named = folders.by_names(files) if folders.only_numbered(files) else []  # speaker_01/angry_1.wav
        if len(by_folders) > 1 or named:
            ask(folder, list(map(str, [*by_folders, *named])))
        ask_about_label_files(folder, by_folders[0].name)
        return _chosen(by_folders[0], folder)
    if fewer := [t for t in folder.tables if not t.problem]:
        return by_found_table(fewer, folder)
    by_names = folders.by_names(files)
    if len(by_names) > 1:
        ask(
            folder,
            [*map(str, by_names), *([f"layout={WITHOUT_LABELS!r}   # no labels"] if folder.unlabelled_as else [])],
        )
    if by_names:
        ask_about_label_files(folder, WITHOUT_LABELS)
        found = _chosen(by_names[0], folder)
        said = "labels are taken from the names of the files"
        more = f"; if all of them are one kind of sound: layout={WITHOUT_LABELS!r}" if folder.unlabelled_as else ""
        return replace(found, notes=(*found.notes, said + more))
    only = folders.only_name(files)
    if only is not None and (folder.unlabelled_as is None or folders.may_be_label(only)):
        ask_about_label_files(folder, CLASS_FOLDERS)
        return _named(CLASS_FOLDERS, folder)  # one label, which training and scan say
    if folder.unlabelled_as is not None and (only is not None or folders.only_counted(files)):
        ask_about_label_files(folder, WITHOUT_LABELS)
        return _named(WITHOUT_LABELS, folder)
    raise DataError(nothing_fits(folder))


def _chosen(choice: folders.Choice, folder: Contents) -> Manifest:
    """Labels by the pattern of a choice; class folders at the top are the layout of that name."""
    if choice.at_top:
        return _named(CLASS_FOLDERS, folder)
    name = "folders" if "/.*" in choice.option else "names"
    found = _by_paths(Layout(name, "labels in folders or names", pattern=choice.pattern), folder)
    return replace(found, notes=(*found.notes, f"read as with {choice.option}"))


def _by_paths(layout: Layout, folder: Contents) -> Manifest:
    found = by_pattern(
        layout, folder.root, folder.recordings, folder.unlabelled_as if layout.name == "pattern" else None
    )
    lists = tuple(name for name in layout.lists.values() if (folder.root / name).is_file())
    return folder.done(found, lists)


def _is_data_set(folder: Contents, top: str, paths: list[str]) -> bool:
    """Whether a folder at the top has labels of its own."""
    inside = [t for t in folder.tables if not t.problem and all(c.startswith(f"{top}/") for c in t.covered)]
    specific = any(layout.pattern and not layout.general and fits(layout, paths) for layout in LAYOUTS)
    return specific or bool(inside) or any(folders.distinguishes(choice.labels) for choice in folders.choices(paths))


def _given_table(place: Path, layout: str | None, pattern: str | None, options: SelectionOptions) -> Manifest:
    """A table that the user named."""
    if is_recording(place):
        raise DataError(
            f"{place}: is a recording, not a data set; give its folder, or classify it with earmark.predict"
        )
    if pattern is not None or layout not in (None, TABLE):
        raise DataError(f"{place}: is a table, which names its clips; remove layout=NAME and pattern=REGEX")
    table = read_table(place)
    root = place.parent
    one = tabular.read(root, place.name, table, Names(root), options.label_column, given=True)
    assert one is not None
    if not one.covered and place.parent.name.lower() in _OF_TABLES:  # meta/labels.csv beside audio/
        above = place.parent.parent
        other = tabular.read(
            above, f"{place.parent.name}/{place.name}", table, Names(above), options.label_column, given=True
        )
        root, one = (above, other) if other is not None and other.covered else (root, one)
    return of_table(one, Layout(TABLE, "a table that names recordings and labels"), root, options, None)
