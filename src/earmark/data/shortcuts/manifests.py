"""Shortcuts of a data set: each recording with all labels of its clips."""

from __future__ import annotations

from collections.abc import Mapping

from earmark.data.manifest import Manifest, split_labels
from earmark.data.shortcuts import Shortcut, recording_days, shortcuts
from earmark.data.shortcuts.facts import DATE, PARTS, table_of
from earmark.data.validation import SEPARATOR
from earmark.types import Facts


def of_manifest(manifest: Manifest, facts: Mapping[str, Facts]) -> list[Shortcut]:
    """Facts of the files that predict the labels of a data set.

    Where clips are segments, only facts that are the same for all segments of a recording count: rate, channels, encoding, date.

    Parameters
    ----------
    manifest : Manifest
    facts : mapping
        Path to facts, for the recordings that can be used.
    """
    table = manifest.table[manifest.table["path"].isin(facts.keys())]
    if table.empty:
        return []
    by_path = table.groupby("path", sort=False)
    labels = by_path["label"].agg(
        lambda found: SEPARATOR.join(sorted({x for value in found for x in split_labels(value)}))
    )
    paths = list(labels.index)
    known = [facts[path] for path in paths]
    modified = [(manifest.root / path).stat().st_mtime for path in paths]
    rows = table_of(known, recording_days(paths, modified, [one.seconds for one in known]))
    if not ((table["start"] == 0) & table["end"].isna()).all():
        rows = rows[[name for name in rows.columns if name in (*PARTS, DATE)]]
    return shortcuts(rows, list(labels), list(by_path["group"].first()))
