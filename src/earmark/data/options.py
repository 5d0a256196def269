"""How a data set is read: what `earmark.scan`, `earmark.train` and the others take, and the same on the command line."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from earmark.errors import DataError
from earmark.support.keywords import DATA, OUTPUT, StrPath, flat, option

if TYPE_CHECKING:
    from earmark.data.manifest import Manifest

DATA_SET = "Data set: a folder of recordings, or a table (.csv, .jsonl, .parquet ...)."
OVERWRITE = "Replace what the same command made at the output path."
_KEEP, _DROP = "keep", "drop"


@dataclass(frozen=True, kw_only=True)
class SelectionOptions:
    """How labels of segments become clips, and which column of a table holds them."""

    label_column: str | None = field(
        default=None, metadata=option("Column of the tables that holds the label. Default: found by its name.", DATA)
    )
    min_seconds: float = field(
        default=0.0, metadata=option("Labels of segments: exclude those that are shorter, in seconds.", DATA)
    )
    overlaps: str = field(
        default=_KEEP,
        metadata=option("Labels of segments that overlap one of another name: keep both, or drop both.", DATA),
    )
    background: str | None = field(
        default=None,
        metadata=option(
            "Labels of segments: make clips of this label from what lies between them. none: clips without a label.",
            DATA,
        ),
    )
    label_seconds: float = field(
        default=0.0,
        metadata=option(
            "Labels of points in time: make a clip of this many seconds around each. 0: exclude them.", DATA
        ),
    )

    def __post_init__(self) -> None:
        """Refuse what is none of the choices."""
        if self.overlaps not in (_KEEP, _DROP):
            raise DataError(f"overlaps is {self.overlaps!r}; choose keep or drop")
        for name in ("min_seconds", "label_seconds"):
            if not 0 <= getattr(self, name) < math.inf:
                raise DataError(f"{name} is {getattr(self, name):g}; give seconds from 0")

    @property
    def for_segments(self) -> bool:
        """Whether anything is asked for that whole recordings do not have."""
        return self.selections != SelectionOptions(label_column=self.label_column)

    @property
    def selections(self) -> SelectionOptions:
        """These options alone."""
        return SelectionOptions(**{f.name: getattr(self, f.name) for f in dataclasses.fields(SelectionOptions)})


@dataclass(frozen=True, kw_only=True)
class DataOptions(SelectionOptions):
    """How to read a data set."""

    layout: str | None = field(
        default=None, metadata=option("Layout of the data set. Default: found automatically.", DATA)
    )
    pattern: str | None = field(
        default=None,
        metadata=option(
            "Regular expression over the relative paths, with (?P<label>...) and, if wanted, (?P<group>...), (?P<fold>...).",
            DATA,
        ),
    )
    include: Sequence[str] = field(
        default=(), metadata=option("Labels to keep, separated by commas. Default: all.", DATA)
    )
    group: str | None = field(
        default=None,
        metadata=option(
            "Column that names the group of a clip: speaker, machine, source. Groups never overlap a split.", DATA
        ),
    )
    group_pattern: str | None = field(
        default=None, metadata=option("Regular expression that finds the group in a path.", DATA)
    )
    label_separator: str | None = field(
        default=None, metadata=option("Character between the labels of a multi-label clip, besides ';'.", DATA)
    )
    strict: bool = field(
        default=False, metadata=option("Stop at recordings that cannot be used, instead of excluding them.", DATA)
    )

    def read(self, data: StrPath, *, unlabelled_as: str | None = None) -> Manifest:
        """The manifest; ``unlabelled_as`` as for `earmark.data.layouts.find`."""
        from earmark.data import layouts
        from earmark.data.similar import joined_labels

        manifest = layouts.find(
            data, layout=self.layout, pattern=self.pattern, selections=self.selections, unlabelled_as=unlabelled_as
        )
        if self.label_separator is not None:
            manifest = manifest.separated(self.label_separator)
        elif hint := joined_labels(manifest.labels):
            manifest = manifest.noted(hint)
        if count := int((manifest.table["label"] == "").sum()):
            manifest = manifest.noted(f"{count} clips have no label and count as none of the labels")
        if self.include:
            manifest = manifest.include(self.include)
        if self.group or self.group_pattern:
            manifest = manifest.with_groups(column=self.group, pattern=self.group_pattern)
        return manifest


@dataclass(frozen=True, kw_only=True)
class ReadCall(DataOptions):
    """What `earmark.read` takes."""

    data: StrPath = field(kw_only=False, metadata=option(DATA_SET))


@dataclass(frozen=True, kw_only=True)
class ScanCall(ReadCall):
    """What `earmark.scan` takes."""

    channel: int | None = field(
        default=None, metadata=option("Channel to take, from 0. Default: the mean of all.", DATA)
    )
    out: StrPath | None = field(
        default=None, metadata=option("Folder that takes scan.csv, a row for each clip; or a .csv file.", OUTPUT)
    )
    overwrite: bool = field(default=False, metadata=option(OVERWRITE, OUTPUT))


@flat(ReadCall)
def read(call: ReadCall) -> Manifest:
    """Read a data set without decoding it: a table with a row for each clip.

    Returns
    -------
    Manifest

    Raises
    ------
    DataError
        Where there is no data set, or it is not clear which of several readings is meant.
    """
    return call.read(call.data)
