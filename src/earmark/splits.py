"""Which clips train and which test: official folds where there are some, else stratified by label and never across a group."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from earmark.errors import DataError
from earmark.manifest import SEPARATOR, Manifest, split_labels

_MANY_GROUPS = 20_000
_UNGROUPED = "no groups are known, so that clips of one source may be on both sides of the split (--group-pattern tells them apart)"
_FOLDS = 5
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
    """

    train: NDArray[np.int64]
    valid: NDArray[np.int64]
    test: NDArray[np.int64]
    name: str
    protocol: str
    notes: tuple[str, ...] = ()


def holdout(
    manifest: Manifest,
    *,
    test_fold: str | None = None,
    folds: int | None = None,
    seed: int = 0,
    allow_leak: bool = False,
    strata: Sequence[str] = (),
) -> Split:
    """One split.

    Parameters
    ----------
    manifest : Manifest
    test_fold : str, optional
        Name of an official fold or split, or the number of one of ``folds`` made here, or ``none`` to train on everything.
        By default the official test split, else the official valid split, else the last official fold, else of ``folds`` made here
        the one whose share of the clips is nearest to what is asked.
    folds : int, optional
        How many grouped folds to make, of which one is held out; the official ones by default, or 5.
    seed : int
        Of the shuffle.
    allow_leak : bool
        Take a split with groups on both sides; its notes say so.
    strata : sequence of str
        What is spread evenly over folds made here, one a clip; the labels by default.

    Returns
    -------
    Split

    Raises
    ------
    DataError
        For an unknown fold, or groups on both sides that are neither declared by the layout nor allowed.
    """
    if test_fold == "none":
        everything = np.arange(len(manifest))
        nothing = np.zeros(0, np.int64)
        return Split(everything, nothing, nothing, "no test part", "nothing is tested; no accuracy is claimed")
    others: list[str] = []
    if folds is None:
        split = manifest.column("split")
        # A data set with train and valid alone means the second one for testing.
        default = next((name for name in ("test", "valid") if (split == name).any()), None)
        name = test_fold or default
        if name is not None and (split == name).any():
            protocol = f"the published split {name!r} tests"
            return _checked(manifest, split == name, f"split {name}", protocol, published=True, allow_leak=allow_leak)
        known = _official(manifest)
        wanted = known[-1:] if test_fold is None else [test_fold, test_fold.lstrip("0")]
        found = next((n for n in wanted if n in known), None)
        if found is not None:
            return _official_fold(manifest, found, allow_leak=allow_leak)
        others = [*known, *sorted(set(split) - {""})]
    made = grouped_folds(manifest, folds=folds or _FOLDS, seed=seed, strata=strata)
    if test_fold is None:
        return _nearest(made, len(manifest) / len(made))
    return made[_number(test_fold, len(made), others) - 1]


def crossval_folds(
    manifest: Manifest,
    *,
    folds: int | None = None,
    seed: int = 0,
    allow_leak: bool = False,
    strata: Sequence[str] = (),
) -> list[Split]:
    """Official folds, or ``folds`` (5 by default) grouped ones where the number is given or there are no official ones."""
    known = _official(manifest)
    if folds is None and len(known) > 1:
        return [_official_fold(manifest, name, allow_leak=allow_leak) for name in known]
    return grouped_folds(manifest, folds=folds or _FOLDS, seed=seed, strata=strata)


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


def grouped_folds(manifest: Manifest, *, folds: int, seed: int = 0, strata: Sequence[str] = ()) -> list[Split]:
    """Folds of whole groups, labels (or ``strata``, one a clip) spread evenly, the same for a seed whatever the order of the clips.

    Raises
    ------
    DataError
        Where there are fewer groups than folds.
    """
    groups = pd.factorize(manifest.table["group"], sort=True)
    # Of several labels the first one, in the order of the alphabet, is spread evenly.
    labels = pd.factorize(np.array(strata or manifest.table["label"].str.partition(SEPARATOR)[0], object), sort=True)
    count = len(groups[1])
    recordings = manifest.table["path"].nunique()
    if recordings < 2:
        raise DataError(
            f"{manifest.root}: all its clips are of one recording, which cannot be on both sides of a split; add recordings, or "
            "train on all of it with earmark train --test-fold none"
        )
    if count < 2:
        raise DataError(
            f"{manifest.root}: has one group only, {groups[1][0]!r} (groups that share a recording or a copy count as one); "
            "give others with --group or --group-pattern"
        )
    if not 2 <= folds <= count:
        other = ", or --group" if count < recordings else ""
        raise DataError(
            f"{manifest.root}: {folds} folds of {count} groups cannot be made; choose --folds 2 to {count}{other}"
        )
    order = np.lexsort((manifest.table["start"], pd.factorize(manifest.table["path"], sort=True)[0]))
    part = np.zeros(len(manifest), np.int64)
    with warnings.catch_warnings():
        # Labels with fewer clips than folds are told by `_checked`, by name.
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        try:
            for number, test in enumerate(_parts(groups[0][order], labels[0][order], folds, seed), start=1):
                part[order[test]] = number
        except ValueError as error:
            counts = np.bincount(labels[0])
            detail = f"label {labels[1][counts.argmin()]!r} has {counts.min()} clips"
            raise DataError(
                f"{manifest.root}: {folds} folds cannot be made: {detail}; choose fewer --folds, or train on all "
                "of it with earmark train --test-fold none"
            ) from error
    known = "no group is on both sides" if manifest.grouped_by else "no groups are known"
    made = []
    for n in range(1, folds + 1):
        name = f"fold {n} of {folds}"
        made.append(_checked(manifest, part == n, name, f"{name} (seed {seed}) tests; {known}", published=False))
    return made


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
            "choose other folds"
        )


def normal_alone(manifest: Manifest, split: Split, normal: str, *, all_others: bool) -> Split:
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


def with_validation(
    manifest: Manifest, split: Split, *, share: float, seed: int = 0, known: NDArray[np.bool_] | None = None
) -> Split:
    """Take a validation part, by whole groups, out of the training part; a published ``valid`` split is used as it is.

    Clips ``known`` to a model that is gone on from, shape (clip,), are not taken as long as there are enough others.
    """
    if len(split.valid):
        return split
    labels, groups, notes = manifest.column("label"), manifest.column("group"), split.notes
    valid = np.zeros(0, np.int64)
    if known is not None:
        others = split.train[~np.isin(groups[split.train], groups[known])]
        if len(others) >= share * len(split.train):
            with suppress(DataError):  # too few groups, or clips of a label
                valid = _judges(manifest, others, share * len(split.train) / len(others), seed)
    if not len(valid):
        valid = _judges(manifest, split.train, share, seed)
        if known is not None and known[valid].any():
            told = "the model to go on from knows clips held out to choose by: what is chosen will suit them too well"
            notes = (*notes, told)
    train = np.setdiff1d(split.train, valid)
    notes = tuple(dict.fromkeys([*notes, *_unlearnt(labels[split.train], labels[train])]))
    taken = f"{len(valid)} of the other clips, by whole groups, were held out of training to choose by"
    return Split(train, valid, split.test, split.name, f"{split.protocol}; {taken}", notes)


def _judges(manifest: Manifest, rows: NDArray[np.int64], share: float, seed: int) -> NDArray[np.int64]:
    """A share of these clips, by whole groups."""
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
    folds = min(max(2, round(1 / share)), groups, commonest)
    return rows[_nearest(grouped_folds(inner, folds=folds, seed=seed), share * len(rows)).test]


def _nearest(made: Sequence[Split], count: float) -> Split:
    """The split that tests about so many clips: of groups of unlike size, the first fold has the largest."""
    return min(made, key=lambda split: abs(len(split.test) - count))


def _checked(
    manifest: Manifest,
    test: NDArray[np.bool_],
    name: str,
    protocol: str,
    *,
    published: bool,
    allow_leak: bool = False,
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
            notes.append(
                f"LEAK: {len(copied)} pairs of copies are on both sides of the published split: {_listed(copied)}"
            )
    elif both:
        fault = (
            f"{len(both)} groups are on both sides of the split, so that its accuracy is too high: "
            f"{_sides(manifest, test, both, 'tested')}"
        )
        if not allow_leak:
            raise DataError(
                f"{manifest.root}: {name}: {fault}. Correct the split, or the groups with --group or --group-pattern, "
                "or pass --allow-leak"
            )
        notes.append(f"LEAK: {fault}")
    train = ~test & ~valid
    if published:
        train &= split != "test"  # also where another part tests
    notes += _unlearnt(labels, labels[train])
    if not manifest.grouped_by and test.any():
        notes.append(_UNGROUPED)
    both = sorted(set(groups[valid]) & set(groups[train]))
    if both and not manifest.published:
        fault = f"{len(both)} groups are on both sides of the train and valid splits: {_sides(manifest, valid, both, 'valid')}"
        if not allow_leak:
            raise DataError(f"{manifest.root}: {fault}. Correct the split, or pass --allow-leak")
        notes.append(f"LEAK: {fault}")
    return Split(np.flatnonzero(train), np.flatnonzero(valid), np.flatnonzero(test), name, protocol, tuple(notes))


def _unlearnt(labels: NDArray[np.object_], trained: NDArray[np.object_]) -> list[str]:
    """A note, if there are labels that do not train."""
    every, known = ({x for value in set(part) for x in split_labels(value)} for part in (labels, trained))
    lost = ", ".join(sorted(every - known))
    return [f"labels without a training clip here, so that they cannot be recognised: {lost}"] if lost else []


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


def _official_fold(manifest: Manifest, name: str, *, allow_leak: bool) -> Split:
    tested = manifest.column("fold") == name
    return _checked(
        manifest, tested, f"fold {name}", f"official fold {name} tests", published=True, allow_leak=allow_leak
    )


def _official(manifest: Manifest) -> list[str]:
    names = set(manifest.column("fold")) - {""}
    return sorted(names, key=lambda n: (not n.isdigit(), int(n) if n.isdigit() else 0, n))


def _number(test_fold: str, count: int, known: list[str]) -> int:
    if known:
        raise DataError(f"unknown fold {test_fold!r}; choose one of {', '.join(known)}, or none")
    if not test_fold.isdigit() or not 1 <= int(test_fold) <= count:
        raise DataError(f"unknown fold {test_fold!r}; choose a number from 1 to {count}, or none")
    return int(test_fold)
