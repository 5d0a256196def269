"""What becomes an image, and where it goes: by label, or as the folders of the recordings are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from earmark.audio import is_recording
from earmark.data.options import DataOptions
from earmark.errors import DataError, SettingsError
from earmark.figures.images import labels, names
from earmark.figures.images.names import Clip

if TYPE_CHECKING:
    from earmark.data.manifest import Manifest

AUTO, LABELS, TREE = FOLDERS = ("auto", "labels", "tree")
"""What `ImageOptions.folders` may be."""
_NAMED = 3  # labels whose folders have other names


@dataclass(frozen=True)
class Plan:
    """Clips and their images.

    Attributes
    ----------
    folders : str
        ``labels`` or ``tree``.
    clips : tuple of Clip
    targets : tuple of Path
        Of each clip, its image's path relative to the output folder.
    homes : tuple of str
        Of each clip, its label's folder, relative to the output folder, with ``/``; empty for ``tree``.
    with_extension : int
        Images whose name keeps the recording's extension.
    notes : tuple of str
        What a user must know of how the data were read and named.
    """

    folders: str
    clips: tuple[Clip, ...]
    targets: tuple[Path, ...]
    homes: tuple[str, ...] = ()
    with_extension: int = 0
    notes: tuple[str, ...] = ()


def plan(paths: Sequence[Path], folders: str, source: DataOptions | None) -> Plan:
    """Choose by label or by tree; ``auto`` is by label where ``paths`` is one data set whose labels can be read.

    Raises
    ------
    SettingsError
        For an unknown ``folders``, or options of a data set that the tree does not need.
    DataError
        Where there are no recordings, or labels were asked for and cannot be read.
    """
    asked = source is not None and _asks(source)
    if folders not in FOLDERS:
        raise SettingsError(f"folders is {folders!r}; choose {AUTO}, {LABELS} or {TREE}")
    if folders == TREE and asked:
        raise SettingsError(
            "folders is 'tree', which reads no labels; options of the data set do nothing then: remove them, or choose labels"
        )
    needed = asked or folders == LABELS
    if needed and len(paths) != 1:
        raise DataError(f"{len(paths)} paths were given; labels are read from one data set: give one folder or table")
    if folders == TREE or len(paths) != 1:
        return by_tree(paths)
    try:
        manifest = (source or DataOptions()).read(paths[0])
    except DataError as error:
        if needed or _is_table(paths[0]):
            raise
        if not paths[0].is_dir():
            return by_tree(paths)
        first = str(error).splitlines()[0]
        return by_tree(paths, f"the folders of the recordings are kept, since their labels are unknown: {first}")
    return by_labels(manifest)


def by_tree(paths: Sequence[Path], *notes: str) -> Plan:
    """The tree of folders mirrored."""
    named = names.plan(paths)
    return Plan(
        TREE,
        tuple(Clip(recording) for recording, _ in named),
        tuple(target for _, target in named),
        with_extension=sum(r.suffix != "" and target.name == r.name + ".png" for r, target in named),
        notes=notes,
    )


def by_labels(manifest: Manifest) -> Plan:
    """A folder for each label, below one for each split where the data set came with splits."""
    from earmark.data.validation import SEPARATOR

    table = manifest.table
    folders = labels.folder_names(table["label"], SEPARATOR)
    has_splits = bool((table["split"] != "").any())
    images = []
    columns = (table[name] for name in ("path", "start", "end", "label", "split"))
    for path, start, end, label, split in zip(*columns, strict=True):
        home = f"{split or labels.UNSPLIT}/{folders[label]}" if has_splits else folders[label]
        clip = labels.clip_of(manifest.root / path, start, end, manifest.missing.get(path, ""))
        images.append(labels.image_of(clip, PurePosixPath(path), home, label, split))
    labels.tell_apart(images)
    return Plan(
        LABELS,
        tuple(image.clip for image in images),
        tuple(Path(image.target) for image in images),
        tuple(image.home for image in images),
        sum(image.whole for image in images),
        (*manifest.notes, *_notes(manifest, folders, sum(image.shown > 0 for image in images), SEPARATOR)),
    )


def _notes(manifest: Manifest, folders: dict[str, str], with_folders: int, separator: str) -> list[str]:
    """What differs from what a user expects."""
    notes = []
    if manifest.ignored:
        count = len(manifest.ignored)
        notes.append(
            f"{count} {'recording has' if count == 1 else 'recordings have'} no label in layout {manifest.layout} and no image "
            f"(first: {manifest.ignored[0]}); folders='tree' makes images of all"
        )
    changed = {x: name for x, name in sorted(folders.items()) if x and name != x.replace(separator, "+")}
    if changed:
        shown = ", ".join(f"{x!r} in {name}" for x, name in list(changed.items())[:_NAMED])
        more = f" and {len(changed) - _NAMED} more" if len(changed) > _NAMED else ""
        notes.append(f"labels in folders of another name: {shown}{more}")
    if with_folders:
        notes.append(
            f"{with_folders} images are named after the recording's folder too, since two would have the same name"
        )
    return notes


def _asks(source: DataOptions) -> bool:
    """Whether anything is asked for that concerns labels."""
    known = [f for f in fields(DataOptions) if f.name != "strict"]
    return any((getattr(source, f.name) or f.default) != f.default for f in known)


def _is_table(path: Path) -> bool:
    """Whether a path is a table by its name, which no image can be made of."""
    if not path.is_file() or is_recording(path):
        return False
    from earmark.data.tables import may_be_table

    return may_be_table(path)
