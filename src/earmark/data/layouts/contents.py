"""What lies in a data set's folder, each thing looked at once and when it is needed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from earmark.audio.finding import Found, find_recordings, search
from earmark.data.inventory import FURTHER_TABLES, OTHER_LABELS, OUTSIDE, account
from earmark.data.layouts import tabular
from earmark.data.layouts.names import Names
from earmark.data.layouts.tabular import Labelled
from earmark.data.manifest import Manifest
from earmark.data.options import SelectionOptions
from earmark.data.selections import beside, known
from earmark.errors import DataError
from earmark.support.files import as_text


@dataclass(frozen=True)
class Contents:
    """A data set's folder and what was asked of it."""

    root: Path
    options: SelectionOptions
    unlabelled_as: str | None
    found: Found = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "found", search(self.root))
        for name in self.found.recordings:
            if as_text(name) != name:
                raise DataError(f"{self.root}: the name {as_text(name)} is not UTF-8; rename it")

    @property
    def recordings(self) -> list[str]:
        """Paths of the recordings.

        Raises
        ------
        DataError
            Where there are none.
        """
        if not self.found.recordings:
            find_recordings([self.root])
        return list(self.found.recordings)

    @cached_property
    def names(self) -> Names:
        return Names(self.root, self.found.recordings)

    @cached_property
    def beside(self) -> dict[str, list[str]]:
        """Files with the name of a recording that may hold its labels."""
        return beside(self.found.recordings, self.found.others)

    @cached_property
    def labelled(self) -> dict[str, list[str]]:
        """Those of them whose format is known."""
        return known(self.root, self.beside)

    @cached_property
    def tables(self) -> list[Labelled]:
        """Tables that name recordings."""
        readable = {place for places in self.labelled.values() for place in places}
        others = [place for place in self.found.others if place not in readable]
        found = tabular.search(self.root, others, self.names, self.options.label_column)
        return sorted(tabular.merged(found), key=lambda t: (bool(t.problem), -len(t.covered), -len(t.labels)))

    def done(self, manifest: Manifest, read: tuple[str, ...] = (), *, outside: str = OUTSIDE) -> Manifest:
        """The manifest with what became of every file.

        Parameters
        ----------
        manifest : Manifest
        read : tuple of str
            Files beside the recordings that were used.
        outside : str
            What recordings are of which there is no clip.
        """
        used = {*manifest.table["path"], *read}
        reasons: dict[str, str] = {}
        for table in self.tables:
            if table.says_the_same(manifest.table):
                used.update(table.places)
            reasons |= dict.fromkeys(table.places, FURTHER_TABLES)
        for places in self.labelled.values():
            reasons |= dict.fromkeys(places, OTHER_LABELS)
        ignored = tuple(path for path in self.found.recordings if path not in used)
        reasons |= dict.fromkeys(ignored, outside)
        files = account(self.found.recordings, self.found.others, self.found.hidden, used=used, known=reasons)
        return replace(manifest, files=files, ignored=ignored)
