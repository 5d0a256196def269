"""Which labels look like one and the same, and which like several in one: the rules behind every proposal."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable

_RARE = 0.25  # a label this much rarer than one that is spelt almost alike is taken for a likely typo
_ALMOST = 0.85  # difflib's ratio
_TYPO = 4  # letters, from which one wrong letter is a likely typo and not another word


def similar_labels(counts: Counter[str]) -> list[tuple[str, str]]:
    """Labels that look like typos of others, each with the commoner one that may be meant.

    Labels that differ in case, spaces, hyphens, underscores, leading zeros or the way letters are composed alone are always named;
    ones that are spelt almost alike where one is much rarer.
    """
    found = []
    labels = sorted(counts, key=lambda x: (-counts[x], x))
    for i, rarer in enumerate(labels):
        for commoner in labels[:i]:
            a, b = _plain(rarer), _plain(commoner)
            if a == b or (counts[rarer] <= _RARE * counts[commoner] and _almost(a, b)):
                found.append((rarer, commoner))
                break
    return found


def matches(names: Iterable[str], known: Collection[str]) -> list[tuple[str, str]]:
    """Names that are not known, each with the known one that may be meant; those that look like none are left out.

    Parameters
    ----------
    names : iterable of str
        Labels of data, or machines.
    known : collection of str
        Those of a model.
    """
    found = []
    for name in names:
        if name in known:
            continue
        ranked = [(_likeness(name, other), other) for other in known]
        best = max(ranked, key=lambda pair: (pair[0], pair[1]), default=(0.0, ""))
        if best[0] > 0:
            found.append((name, best[1]))
    return found


def proposed(pairs: Iterable[tuple[str, str]]) -> str:
    """`matches` in words: ``'Chirp' looks like 'chirp'``."""
    return ", ".join(f"{name!r} looks like {other!r}" for name, other in pairs)


def _likeness(one: str, other: str) -> float:
    """How much alike two names are; 0 where neither may be meant by the other."""
    a, b = _plain(one), _plain(other)
    if a == b:
        return 2.0
    return difflib.SequenceMatcher(None, a, b, autojunk=False).ratio() if _almost(a, b) else 0.0


def _plain(label: str) -> str:
    """A label without case, composition of letters, separators and leading zeros; ``1.0``, as tables have it, is 1."""
    text = re.sub(r"(\d)\.0+(?!\d)", r"\1", unicodedata.normalize("NFKC", label))
    text = re.sub(r"(?<=\d)[\s_\-.]+(?=\d)", " ", text.strip())  # 1-0 is not 10
    text = re.sub(r"(?<!\d)[\s_\-.]+|[\s_\-.]+(?!\d)", "", text).casefold()
    return re.sub(r"(?<!\d)0+(?=\d)", "", unicodedata.normalize("NFKC", text))


def _almost(a: str, b: str) -> bool:
    """Whether two plain labels are spelt almost alike: a plural, or a letter or two that are wrong.

    Never another number, nor another first letter: typos there are rare, and it often makes another word (rain, train).
    """
    if a[:1] != b[:1] or re.findall(r"\d+", a) != re.findall(r"\d+", b):
        return False
    shorter, longer = sorted((a, b), key=len)
    if len(shorter) > 1 and longer in (
        f"{shorter}s",
        f"{shorter}es",
        f"{shorter[:-1]}ies" if shorter[-1] == "y" else "",
    ):
        return True
    if len(shorter) >= _TYPO and _one_apart(shorter, longer):
        return True
    matcher = difflib.SequenceMatcher(None, a, b, autojunk=False)
    return matcher.real_quick_ratio() >= _ALMOST and matcher.ratio() >= _ALMOST


def _one_apart(shorter: str, longer: str) -> bool:
    """Whether one letter is wrong, missing or too many, or two neighbours are exchanged."""
    if len(longer) - len(shorter) > 1:
        return False
    start = 0
    while start < len(shorter) and shorter[start] == longer[start]:
        start += 1
    a, b = shorter[start:], longer[start:]
    if len(shorter) < len(longer):
        return a == b[1:]
    return a[1:] == b[1:] or (len(a) > 1 and a[:2] == b[1::-1] and a[2:] == b[2:])


def joined_labels(labels: Iterable[str]) -> str:
    """A note where labels look like several in one, with the separator to set; else nothing.

    They do where most of what stands between the separators is also a label of its own, or part of another one.
    """
    every = set(labels)
    for mark in (",", "|", "/", "+", "&", ":", " and ", "_", " "):
        cut = {label: [part.strip() for part in label.split(mark)] for label in every if mark in label.strip()}
        cut = {label: parts for label, parts in cut.items() if all(parts)}
        uses = Counter(part for parts in cut.values() for part in set(parts))
        alone = every - set(cut)
        known = [all(part in alone for part in parts) for parts in cut.values()]
        listed = mark in (",", "|") and uses and sum(n > 1 or part in alone for part, n in uses.items()) > len(uses) / 2
        if cut and (sum(known) > len(known) / 2 or listed):
            example = next(label for label in sorted(cut))
            return (
                f"labels such as {example!r} hold several of the others; if clips are multi-label, say "
                f"label_separator={mark!r}"
            )
    return ""
