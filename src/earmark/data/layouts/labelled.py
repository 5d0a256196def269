"""Tables and label files to manifests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pandas as pd

from earmark.data.annotations import are_points, read_labels
from earmark.data.inventory import UNLABELLED
from earmark.data.layouts import folders, tabular
from earmark.data.layouts.asking import listed, scanning, unread
from earmark.data.layouts.contents import Contents
from earmark.data.layouts.known import CLASS_FOLDERS, SELECTIONS, SPLIT_WORDS, TABLE, WITHOUT_LABELS, Layout
from earmark.data.layouts.matching import finished
from earmark.data.layouts.tabular import Labelled
from earmark.data.manifest import Manifest
from earmark.data.options import SelectionOptions
from earmark.data.selections import Segments, check_sequence, chosen, lengths_of
from earmark.data.tables import read_table
from earmark.errors import DataError

FOR_SEGMENTS = (
    "min_seconds=SECONDS, overlaps='drop', background=LABEL and label_seconds=SECONDS are for labels of segments "
    "(Raven, Audacity, tables with start)"
)

_LATE = 0.05  # seconds that a clip may end behind its recording
_MANY_LATE = 0.3  # share of the clips
_FEW = 0.2  # share of the recordings that another table must name to be asked about


def by_known_table(layout: Layout, folder: Contents) -> Manifest:
    """Clips of the table that a layout names, or of the tables in the folders of the splits."""
    root = folder.root
    places = tables_of(layout, root)
    if not places:
        raise DataError(
            f"{root}: layout {layout.name} needs {' or '.join(layout.tables)}; check the path or the layout"
        )
    read = []
    for place in places:
        own = place.relative_to(root).as_posix()
        try:
            found = tabular.read(
                root,
                own,
                read_table(place),
                folder.names,
                folder.options.label_column,
                folder=layout.folder,
                given=True,
            )
        except DataError as error:
            other = f", or ignore the table with layout={CLASS_FOLDERS!r}, {SELECTIONS} or {WITHOUT_LABELS}"
            raise DataError(f"{error}{other if layout.in_splits else ''}") from error
        assert found is not None
        read.append(_in_split(found) if layout.in_splits else found)
    one = read[0] if len(read) == 1 else tabular.joined(read)
    return folder.done(
        of_table(one, layout, root, folder.options, folder.unlabelled_as), one.places, outside=UNLABELLED
    )


def _in_split(found: Labelled) -> Labelled:
    """Rows with the part that the table's folder, or the first folder of each path, is named after."""
    first = found.rows["path"].astype(str).str.split("/").str[0].str.lower()
    if "split" in found.rows or not first.isin(list(SPLIT_WORDS)).all():
        return found
    return replace(found, rows=found.rows.assign(split=[SPLIT_WORDS[word] for word in first]))


def tables_of(layout: Layout, root: Path) -> list[Path]:
    """The layout's table, or one of each split's folder."""
    places = [root]
    if layout.in_splits and not any((root / t).is_file() for t in layout.tables):
        places = sorted(f for f in root.iterdir() if f.is_dir() and f.name.lower() in SPLIT_WORDS)
    found = [next((f / t for t in layout.tables if (f / t).is_file()), None) for f in places]
    return [place for place in found if place is not None]


def usable(folder: Contents) -> list[Labelled]:
    """The tables that can be used.

    Raises
    ------
    DataError
        Where there is none.
    """
    usable = [t for t in folder.tables if not t.problem]
    if not usable:
        problem = next((t.problem for t in folder.tables), f"{folder.root}: has no table that names its recordings")
        raise DataError(problem)
    return usable


def by_found_table(tables: list[Labelled], folder: Contents) -> Manifest:
    """Clips of the table that covers most; asked where another says otherwise of the same recordings."""
    first = tables[0]
    few = _FEW * len(folder.recordings)
    others = [
        t
        for t in folder.tables
        if t is not first and not t.problem and len(t.covered) >= few and not t.says_the_same(first.rows)
    ]
    if others:
        raise DataError(
            f"{folder.root}: several tables name labels, of which each says something else; name the one that is meant:"
            + listed([scanning(folder.root / t.places[0], remark=f"{len(t.labels)} labels") for t in (first, *others)])
        )
    layout = Layout(TABLE, "a table that names recordings and labels")
    found = of_table(first, layout, folder.root, folder.options, folder.unlabelled_as)
    notes = [f"labels are taken from {', '.join(first.places[:3])}"]
    if (other := folders.choices(folder.recordings)) and not first.has_times:
        labels = set(other[0].labels)
        if labels != set(found.labels):
            notes.append(f"the folders say otherwise: {other[0]}")
    return folder.done(replace(found, notes=(*notes, *found.notes)), first.places, outside=UNLABELLED)


def of_table(
    one: Labelled, layout: Layout, root: Path, options: SelectionOptions, unlabelled_as: str | None
) -> Manifest:
    """A manifest of what a table says."""
    about: dict[str, object] = {"columns": one.columns, "missing": one.missing, "notes": one.notes}
    rows = one.rows
    if options.for_segments and not one.has_times:
        raise DataError(f"{root / one.places[0]}: {FOR_SEGMENTS}, and it has none; remove them")
    if "start" in rows and "end" not in rows and (options.label_seconds or rows["path"].duplicated().any()):
        if not options.label_seconds:
            raise DataError(
                f"{root / one.places[0]}: has starts, but no column for the ends of its clips; add end or duration, or pass "
                "label_seconds=SECONDS where each is a point in time"
            )
        rows = rows.assign(end=rows["start"])
    if one.has_times and {"start", "end"} <= set(rows.columns):
        rows = rows.assign(label=rows["label"].map(tabular.as_text), start=rows["start"].fillna(0.0))
        lengths = lengths_of(root, list(rows["path"].unique()))
        if one.times_run_on:
            check_sequence(rows, lengths, root / one.places[0])
        _check_inside(rows, lengths, root / one.places[0])
        if options.for_segments or are_points(rows).any():
            ends = rows["path"].map(lengths).astype(float)  # an empty end is the recording's own
            rows = rows.assign(end=rows["end"].fillna(ends.where(ends > rows["start"])))
            found = Segments(rows, tuple(rows["path"].unique()))
            rows, notes = chosen(found, options, lengths, where=root, normal=unlabelled_as)
            about["notes"] = (*one.notes, *notes)
        if "group" not in rows:
            about["grouped_by"] = "recording"
    return finished(layout, root, rows, **about)


def _check_inside(rows: pd.DataFrame, lengths: Mapping[str, float | None], place: Path) -> None:
    """Refuse times that belong to other recordings, or are in another unit; a few past the end are named one by one.

    Raises
    ------
    DataError
        With an example.
    """
    ends = rows["path"].map(lengths).astype(float)
    late = (rows["start"] >= ends) | (rows["end"] > ends + _LATE)
    if late.sum() > _MANY_LATE * ends.notna().sum():
        path, start = rows[late][["path", "start"]].iloc[0]
        raise DataError(
            f"{place}: {late.sum()} of its {len(rows)} clips lie past the end of their recordings, e.g. {path} from {start:g} s "
            f"({ends[late].iloc[0]:.3g} s long); give seconds from the start of each file, or rename columns of other recordings"
        )


def by_label_files(folder: Contents) -> Manifest:
    """Clips of all recordings that have label files; a recording is a group."""
    root, options = folder.root, folder.options
    if not folder.labelled:
        raise DataError(f"{root}: none of its recordings has a label file of a known format beside it{unread(folder)}")
    rows: list[pd.DataFrame] = []
    notes: list[str] = []
    read: list[str] = []
    columns: dict[str, str] = {}
    for name, places in folder.labelled.items():
        for place in places:
            one = read_labels(root / place, label_column=options.label_column, exists=folder.names.fits)
            own = one.rows if one.names_recordings else one.rows.assign(path=name)
            if one.names_recordings:
                paths = {p: folder.names.find(str(p), ["", str(Path(place).parent)])[0] for p in own["path"].unique()}
                own = own.assign(path=[paths[p] or (name if len(paths) == 1 else p) for p in own["path"]])
                if one.columns is not None and "file offset" not in one.columns.roles:
                    check_sequence(own, lengths_of(root, list(own["path"].unique())), root / place)
            rows.append(own)
            notes += one.notes
            read.append(place)
            columns |= one.columns.meanings() if one.columns else {}
    every = pd.concat(rows, ignore_index=True)
    named = tuple(dict.fromkeys([*folder.labelled, *every["path"]]))
    kept, said = chosen(
        Segments(every, named), options, lengths_of(root, named), where=root, normal=folder.unlabelled_as
    )
    found = Manifest.of(
        kept,
        root,
        layout=SELECTIONS,
        grouped_by="recording",
        columns=columns,
        notes=tuple(dict.fromkeys([*notes, *said])),
    )
    return folder.done(found, tuple(read), outside=UNLABELLED)
