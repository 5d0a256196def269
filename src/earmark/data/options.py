"""How a data set is read."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field

from earmark.data import layouts
from earmark.data.manifest import Manifest
from earmark.data.selections import SelectionOptions
from earmark.data.similar import joined_labels


@dataclass(frozen=True)
class DataOptions:
    """How to read a data set.

    Attributes
    ----------
    layout, pattern : str, optional
        As for `earmark.data.layouts.find`.
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

    def read(self, data: str | os.PathLike[str], *, unlabelled_as: str | None = None) -> Manifest:
        """The manifest; ``unlabelled_as`` as for `earmark.data.layouts.find`."""
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
