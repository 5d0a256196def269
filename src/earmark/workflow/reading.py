"""Data to a manifest, with the notes that a user must see."""

from __future__ import annotations

import logging
import os

from earmark.data import conditions, layouts
from earmark.data.clips import Clips
from earmark.data.inspection import FAULTS
from earmark.data.manifest import Manifest
from earmark.data.options import DataOptions
from earmark.data.shortcuts.manifests import of_manifest
from earmark.data.similar import similar_labels

log = logging.getLogger("earmark")

_TOO_FEW = 20  # clips to test on: with all of them right, one in six might still be wrong


def read(data: str | os.PathLike[str], source: DataOptions, unlabelled_as: str | None = None) -> Manifest:
    """The manifest; likely typos among its labels are logged."""
    manifest = source.read(data, unlabelled_as=unlabelled_as)
    for rarer, commoner in similar_labels(manifest.counts):
        log.info("note      label %r looks like a typo of %r; they are two labels", rarer, commoner)
    return manifest


def reading_notes(manifest: Manifest) -> list[str]:
    """What a user must know of how the data were read: what was chosen, and what is not used.

    Raises
    ------
    DataError
        Naming one that sounds like a fault.
    """
    unused = [str(manifest.files)] if manifest.files is not None and manifest.files.unused else []
    notes = [*manifest.notes, *unused]
    if manifest.layout != layouts.WITHOUT_LABELS:
        return notes
    folder = manifest.root.resolve().name
    conditions.refuse_faulty_names((f"{folder}/{path}" for path in manifest.table["path"]), where=manifest.root)
    return [f"{len(manifest)} recordings without labels are taken for normal", *notes]


def recording_notes(clips: Clips) -> list[str]:
    """What a user must know of the recordings: oddities of those that are used, and facts of the files that predict the label."""
    kinds: dict[str, list[tuple[str, str]]] = {}
    for path, kind, detail in clips.remarks:
        kinds.setdefault(kind, []).append((path, detail))
    odd = [
        f"{len(found)} recordings have {FAULTS[kind]} (first: {found[0][0]}: {found[0][1]})"
        for kind, found in kinds.items()
    ]
    recordings = dict(zip(clips.manifest.table["path"], clips.decoded, strict=True))
    found = of_manifest(clips.manifest, {path: one.facts() for path, one in recordings.items()})
    return odd + [shortcut.sentence for shortcut in found]


def few_to_test(count: int) -> list[str]:
    """A note where so few clips test that their figures mean nothing."""
    few = 0 < count < _TOO_FEW
    return [f"only {count} clips test: metrics of so few clips are uncertain, see their intervals"] if few else []
