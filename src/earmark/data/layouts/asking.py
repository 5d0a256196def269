"""Questions and refusals where a folder can be read in several ways, or in none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import pandas as pd

from earmark.data.layouts.contents import Contents
from earmark.data.layouts.known import CLASS_FOLDERS, SELECTIONS, WITHOUT_LABELS
from earmark.data.manifest import Manifest
from earmark.errors import DataError

_SETS = 5  # folders that are named
LABELLED = 0.5
"""Share of the recordings that labels must cover to be taken without asking."""


def ask(folder: Contents, ways: Sequence[str], sets: Sequence[str] = ()) -> NoReturn:
    """Stop with the ways to read a folder as commands: options that choose one, or a folder in it."""
    commands = [scanning(folder.root, *way.split("   # ")) for way in ways]
    commands += [scanning(folder.root / name) for name in sets[:_SETS]]
    raise DataError(
        f"{folder.root}: its labels can be read in several ways; choose one (every command takes the same options):"
        f"{listed(commands)}"
    )


def scanning(place: Path, way: str = "", remark: str = "") -> str:
    """The call that reads a place in one way, which the command line shows as a command."""
    return f"earmark.scan({str(place)!r}{way and f', {way}'}){remark and f'   # {remark}'}"


def listed(ways: Sequence[str]) -> str:
    """A line each."""
    return "".join(f"\n  {way}" for way in ways)


def ask_about_label_files(folder: Contents, otherwise: str) -> None:
    """Labels that only some recordings have, or that cannot be read, are asked about: a detector must not learn what they mark."""
    root, count = folder.root, len(folder.recordings)
    if folder.labelled:
        raise DataError(
            f"{root}: {len(folder.labelled)} of its {count} recordings have label files beside them; pass layout={SELECTIONS!r} to "
            f"take those, or layout={otherwise!r} to ignore them"
        )
    if folder.unlabelled_as is not None and otherwise == WITHOUT_LABELS:
        unused = folder.done(
            Manifest.of(pd.DataFrame({"path": folder.recordings, "label": folder.unlabelled_as}), root)
        ).files
        if unused is not None and unused.unused:
            raise DataError(
                f"{root}: is read as recordings without labels, but {unused}; "
                f"if these are no labels, pass layout={WITHOUT_LABELS!r}"
            )


def unread(folder: Contents) -> str:
    """What is said of label files and tables that cannot be read."""
    places = [place for places in folder.beside.values() for place in places]
    places += [place for table in folder.tables for place in table.places]
    if not places:
        return ""
    return (
        f", but {len(places)} files may be labels of unknown format (first: {places[0]}); correct them (docs/data.md)"
    )


def refuse_misread_tables(folder: Contents) -> None:
    """A table that names most recordings and contradicts itself, or has times that are not understood, is no table to pass over."""
    misread = [table for table in folder.tables if table.problem]
    covered = frozenset[str]().union(*(table.covered for table in misread))
    for table in misread:
        if len(covered) >= LABELLED * len(folder.recordings):
            raise DataError(f"{table.problem}; or ignore the table with layout={CLASS_FOLDERS!r}")


def nothing_fits(folder: Contents) -> str:
    """Why no layout fits, naming a recording that does not fit."""
    files = folder.recordings
    stray = next((path for path in files if "/" not in path), files[0])
    normal = "" if folder.unlabelled_as is None else f", or layout={WITHOUT_LABELS!r} where all of it is normal sound"
    if folder.labelled:
        normal += (
            f", or layout={SELECTIONS!r}: {len(folder.labelled)} of its {len(files)} recordings have labels beside them"
        )
    return (
        f"{folder.root}: no known layout fits, e.g. {stray}{unread(folder)}; put each class into a folder of its own, "
        f"add a metadata.csv, or pass pattern=REGEX{normal}"
    )
