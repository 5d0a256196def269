"""Tables that say what the recordings of a folder are: found at any level, read, and held against the files."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from earmark.data.layouts.known import SPLIT_WORDS
from earmark.data.layouts.names import Names
from earmark.data.layouts.recorded_times import check_durations, check_unread_times, with_points
from earmark.data.tables import Table, may_be_table, read_table
from earmark.data.tables.clips import clips
from earmark.data.tables.columns import Columns, resolve
from earmark.data.tables.times import look_like_times, seconds
from earmark.data.validation import SEPARATOR
from earmark.errors import DataError

_NAMED = 10  # values in a note
_MOST_TABLES = 500
_MOST_BYTES = 1 << 28
_SAMPLE = 200  # values that are looked up to tell whether a column names recordings
_FOUND = 0.5  # share of them that must
_YES, _NO = frozenset(["1", "1.0", "true", "yes"]), frozenset(["0", "0.0", "false", "no", ""])


@dataclass(frozen=True)
class Labelled:
    """What one table, or several of one kind, say of a folder's recordings.

    Attributes
    ----------
    places : tuple of str
        Of the tables, from the folder.
    rows : DataFrame
        Clips with the columns of a manifest; paths from the folder.
    columns : mapping
        Each column of the tables to what it holds.
    covered : frozenset of str
        The recordings that are named.
    missing : mapping
        Names that no file fits, and what is to be done.
    has_times : bool
        Whether rows are segments.
    times_run_on : bool
        Whether times may run on from one recording to the next (Raven without file offsets).
    notes : tuple of str
    problem : str
        Why it cannot be used, with the remedy; empty where it can.
    """

    places: tuple[str, ...]
    rows: pd.DataFrame
    columns: Mapping[str, str] = field(default_factory=dict)
    covered: frozenset[str] = frozenset()
    missing: Mapping[str, str] = field(default_factory=dict)
    has_times: bool = False
    times_run_on: bool = False
    notes: tuple[str, ...] = ()
    problem: str = ""

    def says_the_same(self, rows: pd.DataFrame) -> bool:
        """Whether other rows part the recordings that both name in the same way, under whatever labels."""
        if self.problem:
            return False
        if self.has_times or not rows["end"].isna().all() if "end" in rows else self.has_times:
            return _clips_of(self.rows) == _clips_of(rows)
        mine, theirs = _label_of(self.rows), _label_of(rows)
        pairs = {(label, theirs[path]) for path, label in mine.items() if path in theirs}
        return 0 < len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})

    @property
    def labels(self) -> frozenset[str]:
        """The labels that occur."""
        return frozenset() if self.problem else frozenset(map(str, self.rows["label"].map(as_text)))


def search(root: Path, others: Sequence[str], names: Names, label_column: str | None) -> list[Labelled]:
    """All tables below a folder that name some of its recordings."""
    found = []
    for place in [p for p in others if may_be_table(root / p)][:_MOST_TABLES]:
        if (root / place).stat().st_size > _MOST_BYTES or "submission" in PurePosixPath(place).stem.lower():
            continue
        try:
            table = read_table(root / place)
        except DataError:
            continue  # reported as a file of unknown format
        if (one := read(root, place, table, names, label_column)) is not None:
            found.append(one)
    return found


def read(
    root: Path,
    place: str,
    table: Table,
    names: Names,
    label_column: str | None,
    *,
    folder: str = "",
    given: bool = False,
) -> Labelled | None:
    """One table held against the recordings; None where it names none, unless it was ``given`` by the user.

    Parameters
    ----------
    root : Path
    place : str
        Of the table, from ``root``.
    table : Table
    names : Names
    label_column : str, optional
    folder : str
        Where its paths start, if not in its own folder or ``root``.
    given : bool
        Whether what is wrong with it is to be raised.
    """
    own = PurePosixPath(place).parent.as_posix()
    folders = list(dict.fromkeys(["" if f == "." else f for f in (folder or own, own, ".")]))
    exists = partial(names.fits, folders=folders)
    frame = table.frame
    if not table.headed and (named := _headless(frame, exists)) is not None:
        frame = named
    if not given and not any(_share(frame[name], exists) >= _FOUND for name in frame.columns):
        return None
    try:
        rows, columns, notes = _rows(root / place, frame, label_column, exists)
        rows["path"] = rows["path"].map(lambda p: "" if p is None or p != p else str(p))
        found = names.resolve(rows["path"], folders)
        rows["path"] = rows["path"].map(found.paths)
        rows = with_points(root, rows, frame, columns)
        check_durations(root, root / place, rows)
        check_unread_times(root, root / place, rows, columns)
    except DataError as error:
        if given:
            raise
        values = {str(v) for name in frame.columns for v in frame[name].map(str).unique()}
        named = frozenset(c for c in (names.find(v, folders)[0] for v in values) if c)
        return Labelled((place,), frame, covered=named, problem=str(error))
    if found.changed:
        written, path = next(iter(found.changed.items()))
        same = unicodedata.normalize("NFC", written) == unicodedata.normalize("NFC", path)
        how = "with other code points" if same else f"as {path!r} on the disk"
        notes.append(
            f"{len(found.changed)} names in {place} are written otherwise than the files' (first: {written!r}, {how})"
        )
    if not given and 2 * len(found.missing) > len(found.paths):
        name, remedy = next(iter(found.missing.items()))
        ambiguous = frozenset(path for missed in found.missing for path in names.find(missed, folders)[1])
        count = f"{len(found.missing)} of its {len(found.paths)}"
        problem = f"{root / place}: {count} names lead to no recording, e.g. {name}: {remedy}"
        covered = frozenset(found.paths.values()) - set(found.missing) | ambiguous
        return Labelled((place,), rows, covered=covered, problem=problem)
    missing = {found.paths[name]: remedy for name, remedy in found.missing.items()}
    covered = frozenset(found.paths.values()) - set(missing)
    runs_on = (
        "start" in columns.roles
        and "file offset" not in columns.roles
        and "begin file" in columns.roles["path"].lower()
    )
    return Labelled(
        (place,), rows, columns.meanings(), covered, missing, "start" in rows.columns or "end" in rows.columns, runs_on,
        (*table.notes, *notes),
    )  # fmt: skip


def _rows(
    place: Path, frame: pd.DataFrame, label_column: str | None, exists: Callable[[str], bool]
) -> tuple[pd.DataFrame, Columns, list[str]]:
    """Clips of a table, its columns, and notes."""
    columns, notes = resolve(frame, place, label=label_column, exists=exists), []
    if "label" not in columns.roles and len(ones := _one_column_a_label(frame, columns)) > 1:
        if doubtful := [n for n in columns.further if n not in ones and _is_degree(frame[n])]:
            raise DataError(
                f"{place}: columns {', '.join(ones[:_NAMED])} are zeros and ones, but {doubtful[0]!r} is not; correct it"
            )
        notes.append(f"the columns {', '.join(ones[:_NAMED])} are taken as one label each: 1 where a clip has it")
        labels = [[n for n in ones if str(row[n]).strip().lower() in _YES] for _, row in frame[ones].iterrows()]
        frame = frame.drop(columns=ones).assign(label=pd.Series(labels, index=frame.index, dtype=object))
        columns = resolve(frame, place, exists=exists)
    for role, needed in (
        ("path", "names the recordings (path or file_name)"),
        ("label", "holds the labels (label or class)"),
    ):
        if role not in columns.roles:
            raise DataError(f"{place}: has no column that {needed}; it has {_candidates(frame, role)}")
    columns, said = _without_other_sets(frame, columns)
    notes += said
    rows = clips(frame, columns, place)
    if "split" not in rows and "fold" in rows and len(named := split_words(rows["fold"])) and named.all():
        rows = rows.rename(columns={"fold": "split"})  # folds that are called train, validation and test
    if "split" in rows:
        rows["split"] = [SPLIT_WORDS.get(str(v).strip().lower(), v) for v in rows["split"]]
    return rows, columns, notes


def _one_column_a_label(frame: pd.DataFrame, columns: Columns) -> list[str]:
    """Columns of zeros and ones, of which each says whether a clip has the label that it is named after."""
    values = {name: {str(v).strip().lower() for v in frame[name]} for name in columns.further}
    return [name for name, found in values.items() if found <= _YES | _NO and found & _YES]


def _is_degree(values: pd.Series) -> bool:
    """Whether values are numbers from -1 to 1, as uncertain labels are."""
    numbers = pd.to_numeric(values, errors="coerce")
    return bool(numbers.notna().all() and numbers.between(-1, 1).all())


def _candidates(frame: pd.DataFrame, role: str) -> str:
    """The columns, and which of them may hold labels."""
    listed = ", ".join(map(str, frame.columns))
    if role == "path":
        return f"{listed}: rename one"
    few = [n for n in frame.columns if 1 < frame[n].map(str).nunique() <= max(2, len(frame) // 2)]
    return f"{listed}: name it with label_column=COLUMN" + (f" ({' or '.join(map(str, few[:3]))})" if few else "")


def _without_other_sets(frame: pd.DataFrame, columns: Columns) -> tuple[Columns, list[str]]:
    """Columns that are called as a split or a group and are none stay further columns."""
    roles, notes = dict(columns.roles), []
    split, group = roles.get("split"), roles.get("group")
    if split is not None and split.lower() != "split" and not split_words(frame[split]).any():
        roles.pop("split")
        notes.append(f"column {split} is taken for no split: its values are {_some(frame[split])}")
    if group is not None and group.lower() not in ("group", "groups") and frame[group].map(str).nunique() < 2:
        roles.pop("group")
    used = set(roles.values())
    return Columns(roles, columns.units, tuple(n for n in frame.columns if n not in used)), notes


def split_words(values: pd.Series) -> pd.Series:
    """Which of the values that are given name a part of a split."""
    given = values.dropna().astype(str).str.strip().str.lower()
    return given[given != ""].isin(list(SPLIT_WORDS))


def _some(values: pd.Series) -> str:
    """The first of the values."""
    return ", ".join(sorted(set(values.dropna().astype(str)))[:_NAMED]) or "empty"


def _headless(frame: pd.DataFrame, exists: Callable[[str], bool]) -> pd.DataFrame | None:
    """A table without a header under our names, by what its columns hold: a recording, perhaps times, and a label."""
    path = next((n for n in frame.columns if _share(frame[n], exists) >= _FOUND), None)
    if path is None:
        return None
    roles = {path: "path"}
    timed = [n for n in frame.columns if n != path and look_like_times(frame[n])]
    for first, second in pairwise(timed):
        pairs = [(seconds(str(a)), seconds(str(b))) for a, b in zip(frame[first], frame[second], strict=True)]
        if all(a is not None and b is not None and a <= b for a, b in pairs) and any(a != b for a, b in pairs):
            roles |= {first: "start", second: "end"}
            break
    rest = [
        n
        for n in frame.columns
        if n not in roles and 1 < frame[n].nunique() < max(3, len(frame)) and (frame[n] != "").all()
    ]
    texts = [n for n in rest if n not in timed] or rest
    if texts:
        roles[min(texts, key=lambda n: (frame[n].nunique(), list(frame.columns).index(n)))] = "label"
    return frame.rename(columns=roles)


def _share(values: pd.Series, exists: Callable[[str], bool]) -> float:
    sample = values.iloc[:: max(1, len(values) // _SAMPLE)].map(str)
    return float(sample.map(lambda v: bool(v.strip()) and exists(v)).mean()) if len(sample) else 0.0


def merged(found: Sequence[Labelled]) -> list[Labelled]:
    """Tables of one kind over different recordings as one; of tables that say the same, the first."""
    sets: list[list[Labelled]] = []
    for one in found:
        for known in sets:
            first = known[0]
            if one.problem or first.problem:
                continue
            if one.covered == first.covered and _clips_of(one.rows) == _clips_of(first.rows):
                known[0] = _with(first, one, first.rows)
                break
            apart = not any(one.covered & other.covered for other in known)
            if apart and one.has_times == first.has_times and _named(one) == _named(first):
                known.append(one)
                break
        else:
            sets.append([one])
    return [joined(known) if len(known) > 1 else known[0] for known in sets]


def joined(found: Sequence[Labelled]) -> Labelled:
    """Several tables as one, each with the part of a split that it, or its folder, is named after."""
    words = [
        [w for w in re.split(r"[^a-z]+", place.lower()) if w in SPLIT_WORDS]
        for one in found
        for place in one.places[:1]
    ]
    parts = [SPLIT_WORDS[named[-1]] if named else "" for named in words]
    named = all(parts) and len(set(parts)) > 1
    rows = [
        one.rows.assign(split=part) if named and "split" not in one.rows else one.rows
        for one, part in zip(found, parts, strict=True)
    ]
    one = found[0]
    for other in found[1:]:
        one = _with(one, other, one.rows)
    return replace(one, rows=pd.concat(rows, ignore_index=True))


def _named(found: Labelled) -> set[str]:
    """The columns of the recordings and of their labels."""
    return {name for name, meaning in found.columns.items() if meaning in ("path", "label")}


def _with(one: Labelled, other: Labelled, rows: pd.DataFrame) -> Labelled:
    return Labelled(
        (*one.places, *other.places), rows, {**other.columns, **one.columns}, one.covered | other.covered,
        {**one.missing, **other.missing}, one.has_times, one.times_run_on or other.times_run_on,
        (*one.notes, *(n for n in other.notes if n not in one.notes)),
    )  # fmt: skip


def _clips_of(rows: pd.DataFrame) -> set[tuple[object, ...]]:
    """The clips of a table, with times to the millisecond."""
    times = [
        rows[c].fillna(0.0).clip(upper=1e9).round(3) if c in rows.columns else [0.0] * len(rows)
        for c in ("start", "end")
    ]
    return set(zip(rows["path"], *times, rows["label"].map(as_text), strict=True))


def _label_of(rows: pd.DataFrame) -> dict[str, str]:
    """All labels of each recording."""
    labels: dict[str, set[str]] = {}
    for path, label in zip(rows["path"], rows["label"].map(as_text), strict=True):
        labels.setdefault(path, set()).add(label)
    return {path: SEPARATOR.join(sorted(every)) for path, every in labels.items()}


def as_text(value: object) -> str:
    """A label, or several with the separator between them."""
    if isinstance(value, list | tuple | np.ndarray):
        return SEPARATOR.join(map(str, value))
    return "" if value is None or value != value else str(value).strip()
