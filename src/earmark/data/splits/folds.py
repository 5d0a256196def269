"""Folds of whole groups, labels spread evenly."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from earmark.data.manifest import Manifest
from earmark.data.splits.parts import Split, checked
from earmark.data.validation import SEPARATOR
from earmark.errors import DataError

_MANY_GROUPS = 20_000
_FOLDS = 5


def grouped_folds(
    manifest: Manifest, *, folds: int | None = None, seed: int = 0, strata: Sequence[str] = ()
) -> list[Split]:
    """Folds of whole groups, labels (or ``strata``, one a clip) spread evenly, the same for a seed whatever the order of the clips.

    Parameters
    ----------
    manifest : Manifest
    folds : int, optional
        How many; 5 by default, or as many as there can be, which the notes of the splits then say.
    seed : int
    strata : sequence of str

    Raises
    ------
    DataError
        Where there are fewer groups than folds, or nothing can be held out.
    """
    groups = pd.factorize(manifest.table["group"], sort=True)
    # Of several labels the first one, in the order of the alphabet, is spread evenly.
    labels = pd.factorize(np.array(strata or manifest.table["label"].str.partition(SEPARATOR)[0], object), sort=True)
    _check_separable(manifest, groups[1])
    folds, fewer = _as_many(manifest, len(groups[1]), labels[0], folds)
    order = np.lexsort((manifest.table["start"], pd.factorize(manifest.table["path"], sort=True)[0]))
    part = np.zeros(len(manifest), np.int64)
    with warnings.catch_warnings():
        # `checked` names the labels with fewer clips than folds.
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        for number, test in enumerate(_parts(groups[0][order], labels[0][order], folds, seed), start=1):
            part[order[test]] = number
    known = "no group overlaps the split" if manifest.grouped_by else "no groups are known"
    made = []
    for n in range(1, folds + 1):
        name = f"fold {n} of {folds}"
        one = checked(manifest, part == n, name, f"{name} (seed {seed}) tests; {known}", published=False)
        made.append(replace(one, notes=(*fewer, *one.notes)))
    return made


def random_folds(manifest: Manifest, *, folds: int, seed: int = 0, strata: Sequence[str] = ()) -> list[Split]:
    """What most notebooks do: folds by label alone, clips of one group on both sides; to show what that is worth."""
    each_its_own = manifest.table["path"] + manifest.table["start"].map("@{:g}".format)
    apart = replace(manifest, table=manifest.table.assign(group=each_its_own), published="")
    return [
        replace(
            made,
            name=f"random {made.name}",
            protocol=f"random {made.name} (seed {seed}) tests, whatever its groups",
            notes=(*made.notes, "LEAK: these folds were made at random to show what ignoring groups claims"),
        )
        for made in grouped_folds(apart, folds=folds, seed=seed, strata=strata)
    ]


def nearest(made: Sequence[Split], count: float) -> Split:
    """The split that leaves clips of most labels to train on, and tests about so many clips.

    A label of a single group trains unless that group tests. Of groups of unlike size, the first fold has the largest.
    """
    return min(made, key=lambda split: (split.lost, not len(split.test), abs(len(split.test) - count)))


def _check_separable(manifest: Manifest, groups: Sequence[str]) -> None:
    """Refuse data of which nothing can be held out."""
    if manifest.table["path"].nunique() < 2:
        raise DataError(
            f"{manifest.root}: all its clips are of one recording, which cannot both train and test; add recordings, or "
            "train on all of it with test_fold='none'"
        )
    if len(groups) < 2:
        raise DataError(
            f"{manifest.root}: has one group only, {groups[0]!r} (groups that share a recording or a copy count as one); "
            "give others with group=COLUMN or group_pattern=REGEX, or train on all of it with test_fold='none'"
        )


def _as_many(
    manifest: Manifest, groups: int, labels: NDArray[np.int64], wanted: int | None
) -> tuple[int, tuple[str, ...]]:
    """How many folds to make, and a note where these are fewer than usual.

    The number that the user gave is made or refused; without one, as many as there can be.
    """
    most = int(np.bincount(labels).max())
    if most < 2:
        raise DataError(
            f"{manifest.root}: has one clip of each label, so that no label can be in training and test both; add recordings, or "
            "train on all of it with test_fold='none'"
        )
    possible = min(groups, most)
    folds = min(_FOLDS, possible) if wanted is None else wanted
    if not 2 <= folds <= groups:
        other = ", or group=COLUMN" if groups < manifest.table["path"].nunique() else ""
        raise DataError(
            f"{manifest.root}: {folds} folds of {groups} groups cannot be made; choose folds=2 to {possible}{other}"
        )
    if folds > most:
        raise DataError(
            f"{manifest.root}: {folds} folds cannot be made: no label has more than {most} clips; choose folds=2 to {possible}, "
            "or train on all of it with test_fold='none'"
        )
    if wanted is not None or folds == _FOLDS:
        return folds, ()
    why = f"there are {groups} groups" if folds == groups else f"no label has more than {most} clips"
    return folds, (f"{folds} folds instead of {_FOLDS}: {why}",)


def _parts(groups: NDArray[np.int64], labels: NDArray[np.int64], folds: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """Positions that test in each fold."""
    if groups.max() < _MANY_GROUPS:
        splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
        yield from (test for _, test in splitter.split(groups, labels, groups))
        return
    # Dealing out so many groups one by one takes minutes; by their first label and size they spread evenly too.
    _, first, sizes = np.unique(groups, return_index=True, return_counts=True)
    kinds = labels[first] * 64 + np.log2(sizes).astype(np.int64)
    for _, test in StratifiedKFold(folds, shuffle=True, random_state=seed).split(kinds, kinds):
        yield np.flatnonzero(np.isin(groups, test))
