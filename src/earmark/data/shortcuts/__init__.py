"""Shortcuts: facts of the files that predict the label without the sound.

In: one row of facts per recording (`table_of`), its label and its group. Out: the facts that predict the label, how well, and what
to do. A network takes such a shortcut wherever there is one, and its score on data of the same origin does not show it
(Geirhos et al., Shortcut Learning in Deep Neural Networks, 2020, arXiv 2004.07780).

Each fact is put into bins. A bin predicts the label that has the largest share of its training groups in and around it; groups are
held out in folds. A fact is reported where the accuracy is high and is not reached when the facts are shuffled between the groups
(Chaibub Neto et al., Using permutations to detect, quantify and correct for confounding in machine learning predictions, 2018,
arXiv 1805.07465), with one bound for all facts and labels (Westfall and Young, Resampling-Based Multiple Testing, 1993).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from earmark.data.shortcuts.association import Association, Column, Design, skill_together
from earmark.data.shortcuts.days import day_of, recording_days
from earmark.data.shortcuts.facts import ALL, FACTS, FORMAT, LEVELS, PARTS, Fact, percent, table_of

__all__ = ["FACTS", "Shortcut", "day_of", "recording_days", "shortcuts", "table_of"]

_ALPHA = 0.02  # how often data without a shortcut may be reported, once for what sounds differ in and once for what they do not
_BETTER = 0.05  # by how much several facts must predict better than one of them
_CLEARER = 0.2  # of skill: by how much one label must stand out to be named instead of all
_NAMED = 3  # labels in a sentence


@dataclass(frozen=True)
class Shortcut:
    """A fact of the files that predicts the label.

    Attributes
    ----------
    fact : str
        Name of one of `FACTS`, ``file format`` (rate, channels and encoding) or ``all facts together``.
    accuracy, chance : float
        Balanced accuracy on held-out groups, and that of guessing.
    labels : tuple of str
        Labels that it tells from the others, the clearest first, whose accuracy is given; empty where it tells all labels apart.
    recordings, groups : int
        On which it was tested.
    own : bool
        Whether the sounds themselves may differ in it.
    values : tuple of (str, str)
        Labels and their usual values.
    remedy : str
    """

    fact: str
    accuracy: float
    chance: float
    labels: tuple[str, ...]
    recordings: int
    groups: int
    own: bool
    values: tuple[tuple[str, str], ...]
    remedy: str

    @property
    def sentence(self) -> str:
        """What was found, what it means and what to do."""
        also = f" (and {_listed(self.labels[1:])} likewise)" if self.labels[1:] else ""
        what = f"tells {self.labels[0]}{also} from the other labels" if self.labels else "predicts the label"
        subject = f"{self.fact} alone {what}" if self.fact != ALL.name else f"{self.fact} predict the label"
        values = f": {', '.join(f'{label} {value}' for label, value in self.values)}" if self.values else ""
        means = "A model can learn the recording instead of the sound."
        if self.own:
            means = "If that is not how the sounds differ, a model learns the recording instead of the sound."
        return (
            f"{subject} with {percent(self.accuracy)} balanced accuracy, where guessing gives {percent(self.chance)}"
            f"{values}. {means} {self.remedy}."
        )


def shortcuts(facts: pd.DataFrame, labels: Sequence[str], groups: Sequence[str], *, seed: int = 0) -> list[Shortcut]:
    """Facts that predict the label of held-out groups; first those in which sounds themselves never differ, the best first.

    Parameters
    ----------
    facts : DataFrame
        One row per recording, with some of the columns of `FACTS`: text or numbers; ``date`` as yyyy-mm-dd or empty.
    labels : sequence of str
        Of each recording; several with ``;`` between them.
    groups : sequence of str
        Of each recording: what is held out together.
    seed : int
        Of the folds and shuffles.

    Returns
    -------
    list of Shortcut
        Empty where there are none, or fewer than two labels of at least `earmark.data.shortcuts.association.FEWEST` groups.
    """
    design = Design.of(labels, groups, seed)
    if design is None:
        return []
    rows = facts.iloc[design.rows].reset_index(drop=True)
    varied = [(fact, rows[fact.name]) for fact in FACTS if fact.name in rows and rows[fact.name].nunique() > 1]
    found: list[Shortcut] = []
    for own in (False, True):
        columns = [(fact, values) for fact, values in varied if fact.own == own]
        parts = [values.astype(str) for fact, values in columns if fact.name in PARTS]
        if len(parts) > 1:
            columns.append((FORMAT, parts[0].str.cat(parts[1:], sep=", ")))
        found += _reported(columns, design, seed)
    if any(shortcut.labels for shortcut in found):
        return found
    skill = skill_together(varied, design, ALL.least[0])
    together = None if skill is None else _shortcut(ALL, None, skill, (), design)
    best = max((shortcut.accuracy for shortcut in found), default=0.0)
    return [*found, together] if together and together.accuracy > best + _BETTER else found


def _reported(columns: Sequence[Column], design: Design, seed: int) -> list[Shortcut]:
    """The facts that are strong and no chance finding."""
    if not columns:
        return []
    tests = Association(columns, design)
    skills = tests.skills()
    every = int(design.single)  # statistics of all labels together
    least = [[fact.least[0]] * every + [fact.least[1]] * (skills.shape[1] - every) for fact, _ in columns]
    passed = skills >= np.array(least)
    if not passed.any():  # as in most data: no need to shuffle
        return []
    passed &= tests.chances(skills, seed) <= _ALPHA
    found: dict[str, Shortcut] = {}
    for (fact, values), row, good in zip(columns, skills, passed, strict=True):
        ones = zip(design.labels, row[every:], good[every:], strict=False)  # none for two labels
        one = sorted(((float(skill), name) for name, skill, ok in ones if ok), key=lambda pair: (-pair[0], pair[1]))
        if every and good[0] and not (one and one[0][0] > row[0] + _CLEARER):
            found[fact.name] = _shortcut(fact, values, float(row[0]), (), design)
        elif one:
            found[fact.name] = _shortcut(fact, values, one[0][0], tuple(name for _, name in one), design)
    return _without_repeats(found)


def _without_repeats(found: dict[str, Shortcut]) -> list[Shortcut]:
    """Level or peak, and the file format only where it predicts better than its parts."""
    drop = set()
    level, peak = (found.get(name) for name in LEVELS)
    if level and peak:
        drop.add(LEVELS[0] if peak.accuracy > level.accuracy + _BETTER else LEVELS[1])
    if whole := found.get(FORMAT.name):
        parts = [found[name] for name in PARTS if name in found]
        if any(p.accuracy >= whole.accuracy - _BETTER and len(p.labels) == len(whole.labels) for p in parts):
            drop.add(FORMAT.name)
    return sorted((s for name, s in found.items() if name not in drop), key=lambda s: -s.accuracy)


def _shortcut(fact: Fact, values: pd.Series | None, skill: float, one: tuple[str, ...], design: Design) -> Shortcut:
    chance = 0.5 if one or not design.single else 1 / len(design.labels)
    return Shortcut(
        fact=fact.name,
        accuracy=chance + skill * (1 - chance),
        chance=chance,
        labels=one,
        recordings=len(design.rows),
        groups=design.groups,
        own=fact.own,
        values=() if values is None else _usual(fact, values, one, design),
        remedy=fact.remedy if values is None else fact.remedy.format(lowest=values.min()),
    )


def _usual(fact: Fact, values: pd.Series, one: tuple[str, ...], design: Design) -> tuple[tuple[str, str], ...]:
    """The usual values of a label and of the others, or of the labels: of many, of the two that lie farthest apart."""
    if one:
        inside = design.has[design.unit, design.labels.index(one[0])]
        return (one[0], fact.usual(values[inside])), ("the others", fact.usual(values[~inside]))
    rows = [(label, values[design.has[design.unit, i]]) for i, label in enumerate(design.labels)]
    if len(rows) > _NAMED:
        rows.sort(key=lambda row: row[1].median() if fact.unit and fact.step else row[1].mode()[0])
        rows = [rows[0], rows[-1]]
    return tuple((label, fact.usual(of_label)) for label, of_label in rows)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
