"""Labels in the names of folders and files: which level of folders, or which part of the names, tells them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from earmark.data import conditions
from earmark.data.layouts.known import CLASS_FOLDERS, SPLIT_WORDS

COVERED = 0.8  # share of the recordings that must have a label
_DEEPEST = 4
_LEAST = 2  # clips of a label
_SHOWN = 4  # labels in a message
_MOST = 0.5  # labels, of the recordings
_CONTAINERS = frozenset(
    ["data", "dataset", "audio", "audios", "wav", "wavs", "wavfiles", "flac", "mp", "recordings", "recording", "sounds", "sound",
     "clips", "files", "raw", "samples", "all"]
)  # fmt: skip
_INDEXED = re.compile(
    r"(?:speaker|spk|actor|subject|subj|participant|patient|person|user|rec|recording|recorder|session|sess|site|station|location|loc|"
    r"day|night|week|month|year|take|set|batch|part|run|trial|id|unit|machine|device|mic|channel|ch|fold|group|folder|dir|sample|s|p|m|"
    r"no|nr|x)?[\s_\-.#]*(?:\d+|[a-z])",
    re.IGNORECASE,
)
"""Names that count rather than tell: site_a, day2, Actor_07, 12."""
_DATE = re.compile(
    r"(?:19|20)\d{2}[-_.]?(?:0[1-9]|1[0-2])[-_.]?(?:[0-2]\d|3[01])(?:[T_\-\s].*)?|(?:19|20)\d{2}(?:[-_.](?:0[1-9]|1[0-2]))?"
)


@dataclass(frozen=True)
class Choice:
    """One way to read labels from paths.

    Attributes
    ----------
    option : str
        What chooses it, as ``layout='class-folders'``.
    pattern : str
        Regular expression over the whole path.
    labels : Counter of str
        Clips of each label.
    """

    option: str
    pattern: str
    labels: Counter[str]

    def __str__(self) -> str:
        """The option and what it gives."""
        common = sorted(self.labels.items(), key=lambda pair: (-pair[1], pair[0]))
        more = f", ... {len(common)} in all" if len(common) > _SHOWN else ""
        return f"{self.option}   # labels {', '.join(label for label, _ in common[:_SHOWN])}{more}"

    @property
    def name(self) -> str:
        """What the option chooses."""
        return self.option.partition("=")[2].strip("r'")

    @property
    def at_top(self) -> bool:
        """Whether the folders at the top are the labels."""
        return self.name == CLASS_FOLDERS


def levels(recordings: Sequence[str]) -> list[Counter[str]]:
    """Names of the folders at each level, from the top, with their recordings."""
    found: list[Counter[str]] = [Counter() for _ in range(_DEEPEST)]
    for path in recordings:
        for depth, name in enumerate(path.split("/")[:-1][:_DEEPEST]):
            found[depth][name] += 1
    return [level for level in found if level]


def choices(recordings: Sequence[str]) -> list[Choice]:
    """The levels of folders that may be labels; the likeliest first, and alone where it is clear."""
    every = levels(recordings)
    may = [depth for depth, names in enumerate(every) if _may_be_labels(names, len(recordings))]
    if not may:
        return []
    top = may[0]
    if all(name.casefold() in SPLIT_WORDS for name in every[top]) and len(may) > 1:
        return [_at(recordings, may[1], special=(top, "split"))]
    deeper = next((depth for depth in may[1:] if distinguishes(every[depth])), None)
    if deeper is None:
        return [_at(recordings, top)]
    special = (top, "group") if _is_grid(recordings, top, deeper) else None
    first, second = _at(recordings, top), _at(recordings, deeper, special=special)
    if all(map(_counts, every[top])) or conditions.are_conditions(every[deeper]):
        return [second]
    if conditions.are_conditions(every[top]):
        return [first]
    return [first, second]


def _may_be_labels(names: Counter[str], count: int) -> bool:
    """Whether these folders hold nearly all recordings, and are no dates."""
    named = not all(map(_DATE.fullmatch, names)) and not all(map(names_a_part, names))
    return (
        len(names) > 1
        and sum(names.values()) >= COVERED * count
        and (named or all(n.casefold() in SPLIT_WORDS for n in names))
    )


def names_a_part(name: str) -> bool:
    """Whether a name speaks of a part of a split: IRMAS-TrainingData."""
    plain = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return any(word in SPLIT_WORDS for word in re.split(r"[^a-z]+", plain.lower()))


def distinguishes(names: Counter[str]) -> bool:
    """Whether folders below others may be the labels: words with some recordings each, and no parts of a split."""
    named = [name for name in names if not _counts(name) and name.casefold() not in SPLIT_WORDS]
    enough = sum(n >= _LEAST for n in names.values()) >= COVERED * len(names)
    return len(named) >= COVERED * len(names) and len(names) > 1 and enough


def only_name(recordings: Sequence[str]) -> str | None:
    """Name of the one folder at the top that holds nearly all recordings, if there is one."""
    top = next(iter(levels(recordings)), Counter[str]())
    return next(iter(top)) if len(top) == 1 and top.total() >= COVERED * len(recordings) else None


def may_be_label(name: str) -> bool:
    """Whether the name of the only folder may say what its recordings are, and not just that they are some."""
    return not _counts(name) and not set(re.split(r"[^a-z]+", name.lower())) & _CONTAINERS


def only_numbered(recordings: Sequence[str]) -> bool:
    """Whether the folders at the top are speakers, sites and the like with their numbers."""
    top = next(iter(levels(recordings)), Counter[str]())
    return bool(top) and all(_counts(name) and re.search(r"[A-Za-z]{3}", name) for name in top)


def only_counted(recordings: Sequence[str]) -> bool:
    """Whether no folder has a name that tells anything: numbers and dates."""
    return all(_counts(name) for level in levels(recordings) for name in level)


def _counts(name: str) -> bool:
    return bool(_INDEXED.fullmatch(name) or _DATE.fullmatch(name))


def _is_grid(recordings: Sequence[str], top: int, deeper: int) -> bool:
    """Whether folders of one name lie in several folders above them."""
    above: dict[str, set[str]] = {}
    for path in recordings:
        parts = path.split("/")[:-1]
        if len(parts) > deeper:
            above.setdefault(parts[deeper], set()).add(parts[top])
    return any(len(parents) > 1 for parents in above.values())


def _at(recordings: Sequence[str], depth: int, *, special: tuple[int, str] | None = None) -> Choice:
    """Labels at a level; another level may be the group or the split."""
    parts = [f"(?P<{special[1]}>[^/]+)/" if special and special[0] == n else "[^/]+/" for n in range(depth)]
    pattern = f"{''.join(parts)}(?P<label>[^/]+)/.*"
    expression = re.compile(pattern)
    labels = Counter(m["label"] for path in recordings if (m := expression.fullmatch(path)))
    return Choice(f"layout={CLASS_FOLDERS!r}" if depth == 0 else f"pattern=r'{pattern}'", pattern, labels)


def more_sets(recordings: Sequence[str], reads: Callable[[str, list[str]], bool]) -> list[str]:
    """Folders at the top that are data sets by themselves, where most of them are.

    Parameters
    ----------
    recordings : sequence of str
    reads : callable
        Whether a folder, given its name and the recordings below it from there, has labels of its own.
    """
    inside: dict[str, list[str]] = {}
    for path in recordings:
        top, _, rest = path.partition("/")
        if rest:
            inside.setdefault(top, []).append(rest)
    found = [top for top, paths in inside.items() if top.casefold() not in SPLIT_WORDS and reads(top, paths)]
    return sorted(found) if len(found) > 1 and 2 * len(found) >= len(inside) else []


def by_names(recordings: Sequence[str]) -> list[Choice]:
    """The parts of the file names that may be labels: what stands before the last number, or one of several words."""
    stems = [PurePosixPath(path).stem for path in recordings]
    parts = [re.split(r"[_\-\s.]+", stem) for stem in stems]
    count = min(map(len, parts), default=0)
    patterns = [_FRONT]
    if count > 1 and count == max(map(len, parts)):
        patterns += [
            rf"(?:.*/)?(?:[^/_\-\s.]+[_\-\s.]+){{{place}}}(?P<label>[^/_\-\s.]+)(?:[_\-\s.][^/]*)?\.\w+"
            for place in range(count)
        ]
    found: list[Choice] = []
    parted: list[list[int]] = []
    for pattern in patterns:
        matches = map(re.compile(pattern).fullmatch, recordings)
        values = [m["label"].strip() if m else "" for m in matches]
        numbers = [
            values.index(value) for value in values
        ]  # the same for labels that part the recordings in the same way
        labels = Counter(value for value in values if value)
        if numbers not in parted and _distinct(labels, len(stems)):
            parted.append(numbers)
            found.append(Choice(f"pattern=r'{pattern}'", pattern, labels))
    return found


_FRONT = r"(?:.*/)?(?P<label>[^/]*?[^\W\d][^/]*?)[\s_\-.#(]*\d+\)?\.\w+"


def _distinct(labels: Counter[str], count: int) -> bool:
    """Whether values may be labels: words, each of some recordings, that nearly all of them have."""
    enough = [label for label, n in labels.items() if n >= _LEAST]
    words = [label for label in labels if not re.search(r"\d", label) and not _counts(label)]
    return (
        2 <= len(labels) <= max(2, _MOST * count)
        and len(enough) >= COVERED * len(labels)
        and sum(labels.values()) >= COVERED * count
        and len(words) == len(labels)
        and not all(map(names_a_part, labels))
    )
