"""How well facts predict the label of held-out groups, and how often chance does as well.

In: facts, labels and groups of the recordings. Out: skill, which is balanced accuracy above chance as a share of what is possible
(0: guessing, 1: no error), and the probability of such a skill among shuffled groups.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from sklearn.tree import DecisionTreeClassifier

from earmark.data.manifest import split_labels
from earmark.data.shortcuts.facts import Fact, Floats, Ints

FEWEST = 5
"""Groups that a label needs: of four against four, one shuffle in 35 separates them as well."""

_FOLDS, _FEWER, _ENOUGH = 10, 5, 200  # folds, and folds from so many groups on, where a fold is no loss
_SHUFFLES = 199
_MANY = 20  # groups of a label, for all facts together: among few, a tree finds by chance what separates them
_SURE = 4.0  # standard errors; folds share their training groups, so two are not enough
_SPREAD = 0.1  # least spread of a skill: else a fact that hardly varies outdoes the others by a skill that is nothing
_TIE = 1e-9

Column = tuple[Fact, pd.Series]


@dataclass(frozen=True)
class Design:
    """Labels, groups and folds, apart from the facts.

    A unit is what a group has of one label, or of one set of labels. Units count alike, large or small, and are shuffled whole.

    Attributes
    ----------
    labels : list of str
        Those that have enough groups.
    single : bool
        Whether recordings have one label each.
    rows : ndarray
        The recordings that are used.
    unit : ndarray
        Unit of each of them.
    fold : ndarray
        Fold of each unit.
    has : ndarray, shape (unit, label)
    groups : int
    """

    labels: list[str]
    single: bool
    rows: Ints
    unit: Ints
    fold: Ints
    has: NDArray[np.bool_]
    groups: int

    @classmethod
    def of(cls, labels: Sequence[str], groups: Sequence[str], seed: int) -> Design | None:
        """None where too few labels have enough groups."""
        table = pd.DataFrame({"label": list(labels), "group": list(groups)})
        sets = {text: frozenset(split_labels(text)) for text in table["label"].unique()}
        single = all(len(names) == 1 for names in sets.values())
        count = {}
        for name in sorted(frozenset().union(*sets.values())):
            inside = table["label"].map({text: name in names for text, names in sets.items()}).to_numpy(bool)
            count[name] = min(table["group"][inside].nunique(), table["group"][~inside].nunique())
        kept = [name for name, n in count.items() if n >= FEWEST]
        if len(kept) < (2 if single else 1):
            return None
        if single:
            table = table[table["label"].isin(kept)]
        unit = table.groupby(["label", "group"], sort=False).ngroup().to_numpy()
        units = table.drop_duplicates()
        # Groups of the same labels take turns in the folds: StratifiedGroupKFold needs ten seconds for 20,000 groups.
        what = units.sort_values("label").groupby("group")["label"].agg("|".join)
        turns = what.iloc[np.random.default_rng(seed).permutation(len(what))].sort_values(kind="stable").index
        folds = min(_FOLDS if len(turns) < _ENOUGH else _FEWER, *(count[name] for name in kept))
        fold = pd.Series(np.arange(len(turns)) % folds, index=turns)
        has = np.array([[name in sets[text] for name in kept] for text in units["label"]])
        return cls(kept, single, table.index.to_numpy(), unit, fold[units["group"]].to_numpy(), has, len(turns))


class Association:
    """Facts that are tested together, so that many facts do not make a chance finding likelier."""

    def __init__(self, columns: Sequence[Column], design: Design) -> None:
        binned = [fact.bins(values) for fact, values in columns]
        units, labels, folds = len(design.fold), len(design.labels), int(design.fold.max()) + 1
        share = 1 / np.bincount(design.unit)[design.unit]
        self._near = [near for _, near in binned]
        self._bins = sparse.hstack(
            [sparse.csr_array((share, (design.unit, codes)), shape=(units, len(near))) for codes, near in binned],
            format="csr",
        )
        unit, label = np.nonzero(np.column_stack([design.has, np.ones(units, bool)]))
        place = design.fold[unit] * (labels + 1) + label
        self._belongs = sparse.csr_array((np.ones(len(unit)), (place, unit)), shape=(folds * (labels + 1), units))
        self._shape, self._units, self._single = (folds, labels + 1, -1), units, design.single

    def skills(self, order: Ints | None = None) -> Floats:
        """Skill of each fact, shape (fact, statistic), where the units have each other's facts in this order or else their own.

        Statistics are, where recordings have one label each, that of all labels; then those of each label against the others,
        where there are more than two.
        """
        counts = (self._belongs @ (self._bins if order is None else self._bins[order])).toarray().reshape(self._shape)
        parts = np.split(counts, np.cumsum([len(near) for near in self._near])[:-1], axis=2)
        return np.array(
            [_skills(p[:, :-1], p[:, -1:], near, self._single) for p, near in zip(parts, self._near, strict=True)]
        )

    def chances(self, skills: Floats, seed: int) -> Floats:
        """How often shuffled units stand out as far as each of these skills, in any fact and label."""
        rng = np.random.default_rng(seed)
        shuffled = np.array([self.skills(rng.permutation(self._units)) for _ in range(_SHUFFLES)])
        mean, spread = shuffled.mean(0), np.maximum(shuffled.std(0), _SPREAD)
        most = ((shuffled - mean) / spread).max(axis=(1, 2))
        reached = most[:, None, None] >= (skills - mean) / spread - _TIE
        return np.asarray((1 + reached.sum(0)) / (1 + _SHUFFLES))


def _skills(inside: Floats, everything: Floats, near: Floats, single: bool) -> Floats:
    """Skills of one fact on held-out folds.

    Parameters
    ----------
    inside : (fold, label, bin)
        Units of each label.
    everything : (fold, 1, bin)
        All units.
    near : (bin, bin)
    single : bool
    """
    outside = everything - inside
    units, others = inside.sum(axis=(0, 2)), outside.sum(axis=(0, 2))
    share, rest = _share(inside, near), _share(outside, near)
    if not single or len(units) > 2:
        says = np.where(np.abs(share - rest) < _TIE, 0.5, share > rest)
        one: Floats = (inside * says).sum(axis=(0, 2)) / units + (outside * (1 - says)).sum(axis=(0, 2)) / others - 1
        if not single:
            return one
    first = share > share.max(axis=1, keepdims=True) - _TIE
    recall = (inside * first / first.sum(axis=1, keepdims=True)).sum(axis=(0, 2)) / units
    every = (recall.mean() * len(units) - 1) / (len(units) - 1)
    return np.array([every]) if len(units) == 2 else np.array([every, *one])


def _share(counts: Floats, near: Floats) -> Floats:
    """Share of the units of the other folds that lie in and around each bin."""
    train = counts.sum(0) - counts
    return np.asarray(train @ near / np.maximum(train.sum(2, keepdims=True), _TIE))


def skill_together(columns: Sequence[Column], design: Design, least: float) -> float | None:
    """Skill of all facts in one small decision tree; None where it is below ``least`` or may be chance."""
    if len(columns) < 2 or not design.single or design.has.sum(0).min() < _MANY:
        return None
    features = np.hstack([_features(fact, values) for fact, values in columns])
    label, size = design.has.argmax(1)[design.unit], np.bincount(design.unit)[design.unit]
    depth = 2 + math.ceil(math.log2(len(design.labels)))
    right = np.zeros(len(label))
    for fold in range(int(design.fold.max()) + 1):
        held_out = design.fold[design.unit] == fold
        tree = DecisionTreeClassifier(
            max_depth=depth, min_weight_fraction_leaf=0.02 / len(design.labels), class_weight="balanced", random_state=0
        )
        tree.fit(features[~held_out], label[~held_out], 1 / size[~held_out])
        right[held_out] = tree.predict(features[held_out]) == label[held_out]
    of_unit = np.bincount(design.unit, right / size)
    by_label = [of_unit[has] for has in design.has.T]
    recall, chance = np.mean([units.mean() for units in by_label]), 1 / len(by_label)
    # One unit more than there is: without an error among few the variance is not zero.
    variance = sum((units.var() + 1 / len(units) ** 2) / len(units) for units in by_label)
    skill = float((recall - chance) / (1 - chance))
    sure = recall - chance >= _SURE * math.sqrt(variance) / len(by_label)
    return skill if sure and skill >= least else None


def _features(fact: Fact, values: pd.Series) -> Floats:
    if fact.step:
        return np.nan_to_num(fact.scaled(values), nan=-1e6)[:, None]
    codes, _ = fact.bins(values)
    return np.asarray(codes[:, None] == np.arange(codes.max() + 1), float)
