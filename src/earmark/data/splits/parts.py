"""One split: which clips train, validate and test, and what a reader of its metrics must know."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from earmark.data.manifest import Manifest, split_labels
from earmark.errors import DataError

_UNGROUPED = (
    "no groups are known, so clips of one source may be in training and test (group_pattern=REGEX tells them apart)"
)
_SHOWN = 3  # pairs named in a message


@dataclass(frozen=True)
class Split:
    """Positions of a manifest's clips.

    Attributes
    ----------
    train, valid, test : ndarray of int64
        Positions; ``valid`` and ``test`` may be empty. By ``valid`` it is chosen when to stop
        early, and the thresholds of several labels.
    name : str
        ``fold 1``, ``split test``, ``fold 1 of 5``.
    protocol : str
        One sentence for reports.
    notes : tuple of str
        What a reader of the figures must know: groups that a published split has on both sides, labels without training clips.
    lost : int
        How many labels have no training clip.
    """

    train: NDArray[np.int64]
    valid: NDArray[np.int64]
    test: NDArray[np.int64]
    name: str
    protocol: str
    notes: tuple[str, ...] = ()
    lost: int = 0

    def noted(self, *notes: str) -> Split:
        """The split with further notes."""
        return replace(self, notes=(*self.notes, *notes))


def check_labels(manifest: Manifest, split: Split) -> None:
    """Refuse a split that leaves nothing to tell apart.

    Raises
    ------
    DataError
        Where fewer than two labels are left to train on.
    """
    known = set(manifest.column("label")[split.train])
    if len(known) < 2:
        raise DataError(
            f"{manifest.root}: {split.name}: {len(split.train)} clips of {len(known)} labels are left to train on; "
            "choose other folds, add recordings of other groups, or train on all of it with test_fold='none'"
        )


def only_normal(manifest: Manifest, split: Split, normal: str, *, all_others: bool) -> Split:
    """Take everything but normal clips out of training; with ``all_others`` it tests, unless a normal clip of its group trains.

    Raises
    ------
    DataError
        Where no normal clip is left to train on.
    """
    is_normal, groups = manifest.column("label") == normal, manifest.column("group")
    train = np.union1d(split.train, split.valid)  # nothing is chosen on a validation part
    train = train[is_normal[train]]
    if not len(train):
        raise DataError(
            f"{manifest.root}: {split.name}: no clip of label {normal!r} is left to train on; choose another"
        )
    others = np.setdiff1d(np.flatnonzero(~is_normal & ~np.isin(groups, groups[train])), split.test)
    test = np.union1d(split.test, others) if all_others and len(split.test) else split.test
    unknown = "labels without a training clip"
    notes = tuple(note for note in split.notes if not note.startswith(unknown))
    protocol = f"{split.protocol}; {len(train)} clips of label {normal!r} alone train"
    return Split(train, np.zeros(0, np.int64), test, split.name, protocol, notes)


def checked(
    manifest: Manifest, test: NDArray[np.bool_], name: str, protocol: str, *, published: bool, allow_leak: bool = False
) -> Split:
    """Refuse groups on both sides, name labels that cannot be learnt."""
    split = manifest.column("split")
    valid = (split == "valid") & ~test & published
    groups, labels = manifest.column("group"), manifest.column("label")
    notes: list[str] = []
    both = sorted(set(groups[test]) & set(groups[~test]))
    if both and published and manifest.published:
        notes.append(f"{manifest.published} ({len(both)} of {len(set(groups))} groups)")
        tested, rest = (set(manifest.table["path"][side]) for side in (test, ~test))
        copied = [pair for pair in manifest.copies if len(tested & set(pair)) == 1 == len(rest & set(pair))]
        if copied:
            notes.append(f"LEAK: {len(copied)} pairs of duplicates overlap in the published split: {_listed(copied)}")
    elif both:
        fault = (
            f"{len(both)} groups overlap in the split, so its accuracy is too high: "
            f"{_sides(manifest, test, both, 'tested')}"
        )
        if not allow_leak:
            raise DataError(
                f"{manifest.root}: {name}: {fault}. Correct the split, or the groups with group=COLUMN or group_pattern=REGEX, "
                "or pass allow_leak=True"
            )
        notes.append(f"LEAK: {fault}")
    train = ~test & ~valid
    if published:
        train &= split != "test"  # also where another part tests
    notes += unlearnt(labels, labels[train])
    lost = len(labels_lost(labels, labels[train]))
    if not manifest.grouped_by and test.any():
        notes.append(_UNGROUPED)
    both = sorted(set(groups[valid]) & set(groups[train]))
    if both and not manifest.published:
        fault = f"{len(both)} groups overlap in the train and valid splits: {_sides(manifest, valid, both, 'valid')}"
        if not allow_leak:
            raise DataError(f"{manifest.root}: {fault}. Correct the split, or pass allow_leak=True")
        notes.append(f"LEAK: {fault}")
    return Split(np.flatnonzero(train), np.flatnonzero(valid), np.flatnonzero(test), name, protocol, tuple(notes), lost)


def unlearnt(labels: NDArray[np.object_], trained: NDArray[np.object_]) -> list[str]:
    """A note, if there are labels that do not train."""
    lost = ", ".join(labels_lost(labels, trained))
    return [f"labels without a training clip here, so that they cannot be recognised: {lost}"] if lost else []


def labels_lost(labels: NDArray[np.object_], trained: NDArray[np.object_]) -> list[str]:
    """The labels that do not train."""
    every, known = ({x for value in set(part) for x in split_labels(value)} for part in (labels, trained))
    return sorted(every - known)


def _sides(manifest: Manifest, part: NDArray[np.bool_], groups: list[str], what: str) -> str:
    """A clip on each side of the first groups."""
    found, paths = [], manifest.table["path"].to_numpy()
    for group in groups[:_SHOWN]:
        of_group = manifest.column("group") == group
        one, other = (paths[of_group & side][0] for side in (~part, part))
        found.append(f"{one} (not {what}) and {other} ({what}), group {group}")
    return "; ".join([*found, "..."] if len(groups) > _SHOWN else found)


def _listed(pairs: list[tuple[str, str]]) -> str:
    """The first pairs."""
    return "; ".join([f"{a} ~ {b}" for a, b in pairs[:_SHOWN]] + (["..."] if len(pairs) > _SHOWN else []))
