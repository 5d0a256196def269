"""How known data sets lie on disk, as data: a new one is a new entry in `LAYOUTS`, not new code."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from earmark.audio import find_recordings
from earmark.errors import DataError
from earmark.files import as_text
from earmark.manifest import COLUMNS, Manifest, compiled, read_table
from earmark.selections import SelectionOptions, label_files
from earmark.selections import read as read_selections

_SPLIT_WORDS = {
    "train": "train", "training": "train",
    "valid": "valid", "validation": "valid", "val": "valid", "dev": "valid",
    "test": "test", "testing": "test", "eval": "test", "evaluation": "test",
}  # fmt: skip
_TABLE_WORDS = {
    "path": ("path", "file_name", "filename", "file", "filepath", "file_path", "audio"),
    "label": ("label", "labels", "class", "category", "target", "species"),
    "group": ("group", "speaker", "speaker_id", "src_file"),
    "fold": ("fold",),
    "split": ("split", "subset", "set"),
}


@dataclass(frozen=True)
class Layout:
    """One way that data sets lie on disk.

    Attributes
    ----------
    name, about : str
        Name for ``--layout``, and what it looks like.
    pattern : str
        Regular expression over the whole relative path; its named groups become columns.
    tables : tuple of str
        Tables, relative to the folder, of which the first that exists is read instead of matching paths.
    columns : mapping
        Our column to the names that the table may use for it.
    folder : str
        Where the table's paths start, relative to the data set's folder.
    derived : mapping
        Column to (the column it follows from, value to value, value of all others; None keeps the value).
    lists : mapping
        Split to the text file that lists its recordings (Speech Commands).
    group : str
        Group, as a format of the columns and ``name``, of the recordings that have none.
    published : str
        Why groups straddle the published split; empty where they may not.
    in_splits : bool
        Whether the table may also lie in each of the folders train, valid and test (Hugging Face's audiofolder).
    """

    name: str
    about: str
    pattern: str = ""
    tables: tuple[str, ...] = ()
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    folder: str = ""
    derived: Mapping[str, tuple[str, Mapping[str, str], str | None]] = field(default_factory=dict)
    lists: Mapping[str, str] = field(default_factory=dict)
    group: str = ""
    published: str = ""
    in_splits: bool = False


LAYOUTS: tuple[Layout, ...] = (
    Layout(
        name="esc50",
        about="ESC-50: audio/ and meta/esc50.csv, official folds",
        tables=("meta/esc50.csv", "esc50.csv"),
        columns={"path": ("filename",), "label": ("category",), "group": ("src_file",), "fold": ("fold",)},
        folder="audio",
        published="ESC-50's official folds are used as published: a few of its source recordings occur in two folds",
    ),
    Layout(
        name="metadata",
        about="metadata.csv or metadata.jsonl with file_name and label, and group, fold, split if you have them",
        tables=("metadata.csv", "metadata.jsonl", "metadata.tsv", "metadata.parquet"),
        columns=_TABLE_WORDS,
        in_splits=True,
    ),
    Layout(
        name="urbansound8k",
        about="UrbanSound8K: audio/foldN/SOURCE-CLASS-OCCURRENCE-SLICE, official folds",
        pattern=r"(?:.*/)?fold(?P<fold>\d+)/(?P<group>\d+)-(?P<class_id>\d)-\d+-\d+\.\w+",
        derived={
            "label": (
                "class_id",
                {
                    "0": "air_conditioner",
                    "1": "car_horn",
                    "2": "children_playing",
                    "3": "dog_bark",
                    "4": "drilling",
                    "5": "engine_idling",
                    "6": "gun_shot",
                    "7": "jackhammer",
                    "8": "siren",
                    "9": "street_music",
                },
                None,
            )
        },
    ),
    Layout(
        name="dcase2020-task2",
        about="DCASE 2020 Task 2: MACHINE/{train,test}/{normal,anomaly}_id_XX_NUMBER",
        pattern=r"(?:.*/)?(?P<machine>[^/]+)/(?P<split>train|test)/(?P<condition>normal|anomaly)_(?P<id>id_\d+)_\d+\.\w+",
        derived={"label": ("condition", {"anomaly": "abnormal"}, None)},
    ),
    Layout(
        name="dcase-task2",
        about="DCASE Task 2 since 2021: MACHINE/*/section_XX_DOMAIN_{train,test}_{normal,anomaly}_NUMBER_ATTRIBUTES",
        pattern=r"(?:.*/)?(?P<machine>[^/]+)/[^/]+/(?P<id>section_\d+)_(?P<domain>source|target)_(?P<split>train|test)_"
        r"(?P<condition>normal|anomaly)_\d+(?:_(?P<attributes>[^/]*))?\.\w+",
        derived={"label": ("condition", {"anomaly": "abnormal"}, None)},
    ),
    Layout(
        name="mimii",
        about="MIMII: [SNR_dB_MACHINE/]MACHINE/id_XX/{normal,abnormal}/FILE",
        pattern=r"(?:.*?/)??(?:(?P<snr>-?\d+)_?dB_[^/]+/)?(?P<machine>[^/]+)/(?P<id>id_\d+)/(?P<label>normal|abnormal)/"
        r"(?:(?P<group>r\d+)_)?[^/]+",
        group="{machine}/{id}/{label}/{name}",
    ),
    Layout(
        name="ravdess",
        about="RAVDESS: Actor_XX/MODALITY-CHANNEL-EMOTION-INTENSITY-STATEMENT-REPETITION-ACTOR",
        pattern=r"(?:.*/)?\d\d-(?P<vocal_channel>\d\d)-(?P<emotion>\d\d)-(?P<intensity>\d\d)-(?P<statement>\d\d)-"
        r"(?P<repetition>\d\d)-(?P<group>\d\d)\.\w+",
        derived={
            "label": (
                "emotion",
                {
                    "01": "neutral",
                    "02": "calm",
                    "03": "happy",
                    "04": "sad",
                    "05": "angry",
                    "06": "fearful",
                    "07": "disgust",
                    "08": "surprised",
                },
                None,
            )
        },
    ),
    Layout(
        name="emodb",
        about="Berlin EmoDB: wav/SPEAKER TEXT EMOTION VERSION, as 03a01Fa.wav",
        pattern=r"(?:.*/)?(?P<group>\d\d)(?P<text>[ab]\d\d)(?P<emotion>[WLEAFTN])(?P<version>[a-z])\.\w+",
        derived={
            "label": (
                "emotion",
                {
                    "W": "anger",
                    "L": "boredom",
                    "E": "disgust",
                    "A": "fear",
                    "F": "happiness",
                    "T": "sadness",
                    "N": "neutral",
                },
                None,
            )
        },
    ),
    Layout(
        name="audiomnist",
        about="AudioMNIST: SPEAKER/DIGIT_SPEAKER_INDEX",
        pattern=r"(?:.*/)?(?P<group>\d\d)/(?P<label>\d)_(?P=group)_(?P<index>\d+)\.\w+",
    ),
    Layout(
        name="gtzan",
        about="GTZAN: GENRE/GENRE.NUMBER; its artists are not told, so that only copies are kept together",
        pattern=r"(?:.*/)?(?P<label>[a-z]+)/(?P=label)\.\d{5}\.\w+",
    ),
    Layout(
        name="fsdd",
        about="Free Spoken Digit Dataset: recordings/DIGIT_SPEAKER_INDEX, index 0 to 4 for testing",
        pattern=r"(?:recordings/)?(?P<label>\d)_(?P<group>[A-Za-z]+)_(?P<index>\d+)\.\w+",
        derived={"split": ("index", dict.fromkeys("01234", "test"), "train")},
        published="FSDD's official split (index 0 to 4 for testing) is used as published: it has the same speakers on both sides",
    ),
    Layout(
        name="speech-commands",
        about="Speech Commands: WORD/SPEAKER_nohash_N, with testing_list.txt and validation_list.txt if present",
        pattern=r"(?:.*/)?(?P<label>[^/_][^/]*)/(?P<group>[0-9a-f]{6,8})_nohash_\d+\.\w+",
        lists={"test": "testing_list.txt", "valid": "validation_list.txt"},
    ),
    Layout(
        name="split-folders",
        about="train/LABEL/FILE, valid/LABEL/FILE, test/LABEL/FILE",
        pattern=rf"(?:data/)?(?P<split>(?i:{'|'.join(_SPLIT_WORDS)}))/(?P<label>[^/]+)/(?:.*/)?[^/]+",
    ),
    Layout(
        name="edge-impulse",
        about="Edge Impulse export: training/LABEL.NAME.wav, testing/LABEL.NAME.wav",
        pattern=rf"(?P<split>(?i:{'|'.join(_SPLIT_WORDS)}))/(?P<label>[^/.]+)\.[^/]+\.\w+",
    ),
    Layout(
        name="class-folders",
        about="LABEL/FILE, or LABEL/any/folders/FILE",
        pattern=r"(?P<label>[^/]+)/(?:.*/)?[^/]+",
    ),
)
"""Known layouts, the most telling first; the last one fits every folder of folders."""

SELECTIONS = "selections"
"""Name of the layout whose labels lie in Raven or Audacity files beside the recordings."""

_LABELLED = 0.5  # share of the recordings that must have a label file to be taken for that layout by itself
_FITS = 0.95  # share of the recordings that a pattern must match to be taken for the layout by itself


ALONE = "recordings"
"""Layout of a folder of recordings without labels."""


def find(
    data: str | os.PathLike[str],
    *,
    layout: str | None = None,
    pattern: str | None = None,
    selections: SelectionOptions | None = None,
    alone: str | None = None,
) -> Manifest:
    """Read a data set.

    Parameters
    ----------
    data : path
        A folder in one of `LAYOUTS`, or a table (CSV, JSON Lines, Parquet) with the columns ``path`` and ``label``.
    layout : str, optional
        Name of the layout; found by itself otherwise. ``selections``: recordings with Raven or Audacity files beside them.
    pattern : str, optional
        Regular expression over the paths relative to the folder, with named groups: ``label``, and if wanted ``group``,
        ``fold``, ``split`` and any further columns.
    selections : SelectionOptions, optional
        How label files beside the recordings become clips.
    alone : str, optional
        Label of all recordings of a folder that no layout fits.

    Returns
    -------
    Manifest

    Raises
    ------
    DataError
        Where the folder is missing or empty, or no layout fits.
    """
    root = Path(data)
    if not root.exists():
        raise DataError(f"{root}: no such folder; check the path")
    if root.is_file():
        if pattern is not None or layout is not None:
            raise DataError(f"{root}: is a table, which tells its clips itself; leave out --layout and --pattern")
        table = Layout("table", "a table with path and label", tables=(root.name,), columns=_TABLE_WORDS)
        return _by_table(table, root.parent, rest=False)
    if pattern is not None:
        return _by_pattern(Layout("pattern", "given by the user", pattern=pattern), root, recordings(root))
    if layout is not None:
        return _named(layout, root, selections)
    for known in LAYOUTS:
        if known.tables and _tables(known, root):
            return _by_table(known, root)
    files = recordings(root)
    if len(label_files(root, files)) >= _LABELLED * len(files):
        return read_selections(root, files, selections or SelectionOptions())
    for known in LAYOUTS:
        if known.pattern and sum(map(bool, map(re.compile(known.pattern).fullmatch, files))) >= _FITS * len(files):
            return _by_pattern(known, root, files)
    if alone is not None:
        return Manifest.of(pd.DataFrame({"path": files, "label": alone}), root, layout=ALONE)
    raise DataError(
        f"{root}: no known layout fits, e.g. {files[0]}; put each class into a folder of its own, add a metadata.csv, "
        "or pass --pattern"
    )


def recordings(root: Path) -> list[str]:
    """Relative paths of all recordings below a folder, with ``/``, sorted by code point.

    Raises
    ------
    DataError
        Where there are none, or a name is not UTF-8: tables and reports could not hold it.
    """
    found = [p.relative_to(root).as_posix() for p in find_recordings([root])]
    for name in found:
        if as_text(name) != name:
            raise DataError(f"{root}: the name {as_text(name)} is not UTF-8; rename it")
    return found


def _named(name: str, root: Path, selections: SelectionOptions | None) -> Manifest:
    if name == SELECTIONS:
        return read_selections(root, recordings(root), selections or SelectionOptions())
    chosen = next((known for known in LAYOUTS if known.name == name), None)
    if chosen is None:
        known_names = ", ".join([*(known.name for known in LAYOUTS), SELECTIONS])
        raise DataError(f"unknown layout {name!r}; choose one of {known_names}")
    return _by_table(chosen, root) if chosen.tables else _by_pattern(chosen, root, recordings(root))


def _by_table(layout: Layout, root: Path, *, rest: bool = True) -> Manifest:
    """Clips of a table; the recordings beside it that it does not name are kept in mind with ``rest``."""
    places = _tables(layout, root)
    if not places:
        raise DataError(
            f"{root}: layout {layout.name} needs {' or '.join(layout.tables)}; check the path or the layout"
        )
    table = pd.concat([_renamed(layout, root, place) for place in places], ignore_index=True)
    if layout.folder and (root / layout.folder).is_dir():
        table["path"] = layout.folder + "/" + table["path"].astype(str)
    found: list[str] = []
    if rest:
        with suppress(DataError):  # a table may name recordings that lie elsewhere
            found = recordings(root)
    here = root.absolute()
    named = {os.path.normpath(here / str(path)) for path in table["path"]}
    return _finished(layout, root, table, tuple(f for f in found if os.path.normpath(here / f) not in named))


def _tables(layout: Layout, root: Path) -> list[Path]:
    """The layout's table, or one of each split's folder."""
    folders = [root]
    if layout.in_splits and not any((root / t).is_file() for t in layout.tables):
        folders = sorted(f for f in root.iterdir() if f.is_dir() and f.name.lower() in _SPLIT_WORDS)
    found = [next((f / t for t in layout.tables if (f / t).is_file()), None) for f in folders]
    return [place for place in found if place is not None]


def _renamed(layout: Layout, root: Path, place: Path) -> pd.DataFrame:
    """A table under our names of columns; paths start from ``root``, and name the split where they start with it."""
    table = read_table(place)
    lower = {str(c).lower(): c for c in table.columns}
    for ours, theirs in layout.columns.items():
        name = next((lower[t] for t in theirs if t in lower), None)
        if name is not None:
            table = table.rename(columns={name: ours})
        elif ours in ("path", "label"):
            raise DataError(
                f"{place}: has no column {' or '.join(theirs)} (it has {', '.join(map(str, table.columns))}); add it"
            )
    if layout.in_splits:
        folder = place.parent.relative_to(root).as_posix()
        if folder != ".":
            table["path"] = folder + "/" + table["path"].astype(str)
        first = table["path"].astype(str).str.split("/").str[0].str.lower()
        if "split" not in table.columns and first.isin(list(_SPLIT_WORDS)).all():
            table["split"] = first
    return table


def _by_pattern(layout: Layout, root: Path, files: list[str]) -> Manifest:
    expression = compiled(layout.pattern)
    if "label" not in expression.groupindex and "label" not in layout.derived:
        raise DataError(f"pattern {layout.pattern!r} has no group (?P<label>...); add one")
    matches = {f: expression.fullmatch(f) for f in files}
    rows = [{"path": f, **m.groupdict()} for f, m in matches.items() if m is not None]
    if not rows:
        raise DataError(f"{root}: no path matches layout {layout.name}, e.g. {files[0]}; it expects {layout.about}")
    ignored = tuple(f for f, m in matches.items() if m is None)
    return _finished(layout, root, pd.DataFrame(rows), ignored)


def _finished(layout: Layout, root: Path, table: pd.DataFrame, ignored: tuple[str, ...]) -> Manifest:
    """Apply what the layout declares beside its columns."""
    for column, (source, values, other) in layout.derived.items():
        table[column] = [values.get(v, v if other is None else other) for v in table[source]]
    if "split" in table.columns:
        table["split"] = [_SPLIT_WORDS.get(str(v).lower(), v) for v in table["split"]]
    for split, name in layout.lists.items():
        if (root / name).is_file():
            listed = set((root / name).read_text(encoding="utf-8").split())
            given = table["split"] if "split" in table.columns else pd.Series("train", index=table.index)
            table["split"] = given.where(~table["path"].isin(listed), split)
    if layout.group:
        own = [
            layout.group.format(name=Path(r["path"]).stem, **{k: v for k, v in r.items() if k != "name"})
            for r in table.to_dict("records")
        ]
        table["group"] = [o if pd.isna(g) else g or o for g, o in zip(table["group"], own, strict=True)]
    constant = [c for c in table.columns if c not in COLUMNS and table[c].isna().all()]
    return Manifest.of(
        table.drop(columns=constant), root, layout=layout.name, published=layout.published, ignored=ignored
    )
