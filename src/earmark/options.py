"""What a caller may choose about the data and the training run."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field

from earmark import layouts, recipe
from earmark.errors import SettingsError
from earmark.manifest import Manifest
from earmark.selections import SelectionOptions
from earmark.similar import joined_labels


@dataclass(frozen=True)
class DataOptions:
    """How to read a data set.

    Attributes
    ----------
    layout, pattern : str, optional
        As for `earmark.layouts.find`.
    include : sequence of str
        Labels to keep; all by default.
    group, group_pattern : str, optional
        As for `Manifest.with_groups`.
    label_separator : str, optional
        What stands between the labels of a clip that has several, beside ``;``.
    selections : SelectionOptions
        How labels of segments become clips, and which column of a table holds the labels.
    strict : bool
        Stop at clips that cannot be used instead of excluding them.
    """

    layout: str | None = None
    pattern: str | None = None
    include: Sequence[str] = ()
    group: str | None = None
    group_pattern: str | None = None
    label_separator: str | None = None
    selections: SelectionOptions = field(default_factory=SelectionOptions)
    strict: bool = False

    def read(self, data: str | os.PathLike[str], *, alone: str | None = None) -> Manifest:
        """The manifest; ``alone`` as for `earmark.layouts.find`."""
        manifest = layouts.find(data, layout=self.layout, pattern=self.pattern, selections=self.selections, alone=alone)
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


@dataclass(frozen=True)
class TrainOptions:
    """How to train.

    Attributes
    ----------
    recipe : str
        Name as for `earmark.recipe.load`, or ``auto`` for the one that suits task and labels; a tier alone (``fast``) takes the
        kind that suits them.
    settings : sequence of str
        ``key=value`` changes to it.
    channel : int, optional
        Channel to take; the mean of all by default.
    seed : int
    device : str
    resume, overwrite : bool
        Go on from an interrupted run; replace what is at the output path.
    allow_leak : bool
        Train on a split that has groups on both sides; bundle, card and report say so.
    task : {"auto", "anomaly"}
        ``anomaly`` learns from normal clips alone; ``auto`` takes one label a clip or several, as the data have it.
    per : sequence of str
        Columns that together name a machine: figures, and a detector's thresholds, for each.
    base : path, optional
        Bundle to go on from: its front end, network, labels and weights.
    normal : str, optional
        The label of sound machines; found by its name otherwise (normal, ok, good, healthy, intact).
    """

    recipe: str = recipe.AUTO
    settings: Sequence[str] = ()
    channel: int | None = None
    seed: int = 0
    device: str = "auto"
    resume: bool = False
    overwrite: bool = False
    allow_leak: bool = False
    task: str = "auto"
    per: Sequence[str] = ()
    normal: str | None = None
    base: str | os.PathLike[str] | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.seed < 2**32:
            raise SettingsError(f"seed is {self.seed}; the allowed range is 0 to {2**32 - 1}")
