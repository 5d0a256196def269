"""``earmark scan``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from earmark.cli import options as o
from earmark.data.options import ScanCall

if TYPE_CHECKING:
    from earmark.data.inventory import Files
    from earmark.data.scan import Scan

_SHOWN = 10  # of each kind; --json has all


@o.taking(ScanCall)
def scan(*, json: o.Json = False, **given: Any) -> None:
    """Show what is in a data set and what is wrong with it."""
    import earmark

    o.talk()
    found = earmark.scan(**given)
    if json:
        o.show_json(found.to_dict())
    else:
        _show(found)
        if found.path is not None:
            print(f"table     {found.path}")
    if not found.clean:
        raise typer.Exit(1)


def _show(found: Scan) -> None:
    from earmark.data.inspection import FAULTS
    from earmark.data.manifest import named_counts

    about = found.to_dict()
    print(
        f"data      {about['data']}: layout {about['layout']}, {about['clips']} clips of {about['recordings']} recordings"
    )
    print(f"length    {_time(about['seconds'])}, {about['usable']} recordings usable")
    print(f"rates     {_counts(about['rates'], ' Hz')}")
    print(f"channels  {_counts(about['channels'])}")
    labels = about["labels"]
    counts = sorted(labels.values())
    print(f"labels    {len(labels)}, from {counts[0]} to {counts[-1]} clips, median {counts[len(counts) // 2]}")
    print(f"          {named_counts(labels)}")
    groups = about["groups"]
    by = f"by {groups['found_by']}" if groups["found_by"] else "none known, so every recording is its own"
    print(f"groups    {groups['count']}, {by}; the largest has {groups['largest']} clips")
    print(
        f"random    a random split would put {100 * found.random_leak:.0f}% of the test clips beside one of their group or a copy"
    )
    for note in about["notes"]:
        o.say(f"note      {note}")
    if about["columns"]:
        print(f"columns   {_columns(about['columns'])}")
    if found.files is not None:
        _show_files(found.files)
    for kind, rows in found.faults.items():
        _rows(kind, f"recordings: {FAULTS[kind]}", [f"{path}: {detail}" for path, detail in rows])
    _rows("copies", "sets of recordings that hold the same samples", [" = ".join(g) for g in found.exact])
    _rows(
        "near",
        "pairs that hold the same sound, shifted, louder, re-encoded or resampled",
        [" ~ ".join(g) for g in found.near],
    )
    _rows("conflict", "of them with different labels", [" and ".join(g) for g in found.conflicts])
    _rows("typos", "labels that look like typos of others", [f"{a!r}: perhaps {b!r}" for a, b in found.typos])
    _rows("leaks", "groups that overlap in the split that came with the data", found.leaks)
    for problem in found.problems:
        o.say(f"problem   {problem}")
    print(_verdict(found))


def _verdict(found: Scan) -> str:
    """The last line: what training will do about it."""
    from earmark.data.inspection import UNUSABLE

    if found.clean:
        return "clean     nothing is wrong"
    excluded = sum(any(kind in UNUSABLE for kind, _ in r.faults) for r in found.recordings)
    if not excluded and "range" in found.faults:
        return "wrong     see above; training excludes the clips that lie past the end of their recordings"
    if not excluded:
        return "wrong     see above; training uses all of it all the same"
    return f"wrong     see above; training excludes the {excluded} recordings that it cannot use, and keeps the others"


def _columns(meanings: dict[str, str]) -> str:
    """What each column of the tables is taken for."""
    taken = [f"{name} is the {meaning}" for name, meaning in meanings.items() if meaning != "further"]
    further = [name for name, meaning in meanings.items() if meaning == "further"]
    return ", ".join(taken) + (f"; kept as they are: {', '.join(further)}" if further else "")


def _show_files(files: Files) -> None:
    """The three counts, which add up, and what is not used."""
    print(f"files     {files.counts}")
    for reason, paths in files.unused.items():
        _rows("not used", reason, paths)


def _rows(word: str, what: str, rows: list[str] | tuple[str, ...]) -> None:
    if rows:
        print(f"{word:9s} {len(rows)} {what}")
        for row in rows[:_SHOWN]:
            o.say(f"          {row}")
        if len(rows) > _SHOWN:
            print(f"          ... and {len(rows) - _SHOWN} more (--json)")


def _counts(counts: dict[str, int], unit: str = "") -> str:
    mixed = "" if len(counts) < 2 else "mixed: "
    return mixed + ", ".join(f"{value}{unit} ({n})" for value, n in counts.items()) if counts else "unknown"


def _time(seconds: float) -> str:
    return (
        f"{seconds / 3600:.1f} h"
        if seconds >= 3600
        else f"{seconds / 60:.1f} min"
        if seconds >= 60
        else f"{seconds:.1f} s"
    )
