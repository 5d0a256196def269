"""Clips of the training part that choose when to stop, or thresholds."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from earmark.data.manifest import Manifest
from earmark.data.splits.folds import grouped_folds, nearest
from earmark.data.splits.parts import Split, labels_lost, unlearnt
from earmark.data.validation import SEPARATOR
from earmark.errors import DataError


def with_validation(
    manifest: Manifest,
    split: Split,
    *,
    share: float,
    seed: int = 0,
    known: NDArray[np.bool_] | None = None,
    needed: bool = True,
    purpose: str = "to choose by",
) -> Split:
    """Take a validation part, by whole groups, out of the training part; a published ``valid`` split is used as it is.

    Clips ``known`` to a model that is gone on from, shape (clip,), are not taken as long as there are enough others. Where none can
    be taken, or a label would be lost by it, there is none, unless it is ``needed``. ``purpose`` is said in the protocol.

    Raises
    ------
    DataError
        Where it is needed and none can be held out.
    """
    if len(split.valid):
        return split
    labels, groups, notes = manifest.column("label"), manifest.column("group"), split.notes
    valid = np.zeros(0, np.int64)
    if known is not None:
        others = split.train[~np.isin(groups[split.train], groups[known])]
        if len(others) >= share * len(split.train):
            with suppress(DataError):  # too few groups, or clips of a label
                valid, fewer = _judges(manifest, others, share * len(split.train) / len(others), seed)
    if not len(valid):
        try:
            valid, fewer = _judges(manifest, split.train, share, seed)
        except DataError:
            if needed:
                raise
            return split
        if known is not None and known[valid].any():
            named = (
                "the model to continue from knows clips held out to choose by: what is chosen will suit them too well"
            )
            notes = (*notes, named)
    train = np.setdiff1d(split.train, valid)
    if not needed and labels_lost(labels[split.train], labels[train]):
        return split
    notes = tuple(dict.fromkeys([*notes, *fewer, *unlearnt(labels[split.train], labels[train])]))
    taken = f"{len(valid)} of the other clips, by whole groups, were held out of training {purpose}"
    return Split(train, valid, split.test, split.name, f"{split.protocol}; {taken}", notes, split.lost)


def _judges(
    manifest: Manifest, rows: NDArray[np.int64], share: float, seed: int
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """A share of these clips, by whole groups, and a note where there are so few groups or clips that it is a larger one."""
    inner = manifest.take(rows)
    groups = inner.table["group"].nunique()
    if groups < 2:
        raise DataError(
            f"{manifest.root}: all clips that train are of one group, so that none can be held out of training to choose by; add "
            "recordings of other groups"
        )
    commonest = inner.table["label"].str.partition(SEPARATOR)[0].value_counts().max()
    if commonest < 2:
        raise DataError(
            f"{manifest.root}: one clip of each label trains, so that none can be held out of training to choose by; add recordings"
        )
    wanted = max(2, round(1 / share))
    folds = min(wanted, groups, commonest)
    found = nearest(grouped_folds(inner, folds=folds, seed=seed), share * len(rows)).test
    if not len(found) or len(found) == len(rows):
        raise DataError(
            f"{manifest.root}: none of the {len(rows)} clips that train can be held out of training to choose by; add recordings"
        )
    if folds == wanted:
        return rows[found], ()
    why = f"{groups} groups train" if folds == groups else f"no label has more than {commonest} clips to train on"
    return rows[found], (f"1 in {folds} groups is held out to choose by instead of 1 in {wanted}: {why}",)
