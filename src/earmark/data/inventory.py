"""What becomes of every file below a data set's folder: used, skipped with a reason, or not used."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any

from earmark.data.annotations import LABEL_FILES
from earmark.data.tables import EXTENSIONS

OUTSIDE = "recordings outside the layout"
UNLABELLED = "recordings without labels"
UNREAD_LABELS = "label files of unknown format"
UNREAD_TABLES = "tables that are not understood"
FURTHER_TABLES = "tables that say less than what was read, or otherwise"
OTHER_LABELS = "label files that the layout does not read"
_HIDDEN = "hidden files and folders of the system"
_DOCUMENTS, _IMAGES, _PROGRAMS, _ARCHIVES = "documents", "pictures", "programs and settings", "archives"
_UNKNOWN = "files of unknown format"
_KINDS: Mapping[str, tuple[str, ...]] = {
    _DOCUMENTS: (".md", ".rst", ".pdf", ".html", ".htm", ".doc", ".docx", ".odt", ".rtf", ".tex", ".bib", ".cff", ".pptx"),
    _IMAGES: (".png", ".jpg", ".jpeg", ".gif", ".svg", ".tif", ".tiff", ".bmp", ".webp", ".heic", ".ico", ".eps"),
    _PROGRAMS: (
        ".py", ".ipynb", ".pyc", ".m", ".r", ".rmd", ".sh", ".bat", ".ps1", ".c", ".cpp", ".h", ".java", ".js", ".css", ".yaml",
        ".yml", ".toml", ".cfg", ".ini", ".conf", ".log", ".lock", ".sha256", ".md5", ".sum", ".pkf", ".asd", ".reapeaks",
    ),
    _ARCHIVES: (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".zst"),
}  # fmt: skip
_DOCUMENT_NAMES = (
    "readme", "license", "licence", "copying", "authors", "citation", "changelog", "changes", "notice", "contributing",
    "attribution", "makefile", "dockerfile",
)  # fmt: skip
_NOT_MISSED = frozenset([_HIDDEN, _DOCUMENTS, _IMAGES, _PROGRAMS])


@dataclass(frozen=True)
class Files:
    """Every file below a folder once.

    Attributes
    ----------
    used : tuple of str
        Recordings of which there are clips, and the tables and label files that say so.
    skipped : mapping
        Reason to files: what is no part of a data set, and recordings that cannot be used.
    unused : mapping
        Reason to files that might belong to the data set, and of which nothing is taken.
    """

    used: tuple[str, ...]
    skipped: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unused: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """How many there are."""
        return len(self.used) + _count(self.skipped) + _count(self.unused)

    def without(self, faults: Mapping[str, str]) -> Files:
        """Once more, when recordings were found that cannot be used: path to kind of fault."""
        gone = [path for path in self.used if path in faults]
        skipped = {reason: list(paths) for reason, paths in self.skipped.items()}
        for path in gone:
            skipped.setdefault(f"{faults[path]} recordings", []).append(path)
        return replace(
            self,
            used=tuple(path for path in self.used if path not in faults),
            skipped={reason: tuple(paths) for reason, paths in skipped.items()},
        )

    @property
    def counts(self) -> str:
        """The three counts, as ``5: 3 used, 2 skipped (2 documents), 0 not used``."""
        reasons = ", ".join(f"{len(paths)} {reason}" for reason, paths in self.skipped.items())
        skipped = f"{_count(self.skipped)} skipped{f' ({reasons})' if reasons else ''}"
        return f"{self.total}: {len(self.used)} used, {skipped}, {_count(self.unused)} not used"

    def to_dict(self) -> dict[str, Any]:
        """For ``--json``: the three counts add up to ``total``."""
        return {
            "total": self.total,
            "used": len(self.used),
            "skipped": {reason: list(paths) for reason, paths in self.skipped.items()},
            "unused": {reason: list(paths) for reason, paths in self.unused.items()},
        }

    def __str__(self) -> str:
        """In a line, as ``3 files are not used: 2 label files of unknown format (first: a.txt), ...``; empty where all are used."""
        count = _count(self.unused)
        if not count:
            return ""
        parts = [f"{len(paths)} {reason} (first: {paths[0]})" for reason, paths in self.unused.items()]
        return f"{count} {'file is' if count == 1 else 'files are'} not used: {', '.join(parts)}"


def _count(files: Mapping[str, tuple[str, ...]]) -> int:
    return sum(map(len, files.values()))


def account(
    recordings: Iterable[str],
    others: Iterable[str],
    hidden: Iterable[str],
    *,
    used: Iterable[str],
    known: Mapping[str, str] | None = None,
) -> Files:
    """Tell what becomes of each file.

    Parameters
    ----------
    recordings, others, hidden : iterable of str
        All files below the folder, as `earmark.audio.search` finds them.
    used : iterable of str
        Those that are read.
    known : mapping, optional
        File to the reason why it is not used, where more is known than its name says.
    """
    taken, known = set(used), known or {}
    every = [*recordings, *others]
    skipped: dict[str, list[str]] = {}
    unused: dict[str, list[str]] = {}
    outside = set(recordings)
    for path in every:
        if path in taken:
            continue
        reason = known.get(path) or (OUTSIDE if path in outside else kind_of(path))
        (skipped if reason in _NOT_MISSED else unused).setdefault(reason, []).append(path)
    if out := list(hidden):
        skipped[_HIDDEN] = out
    return Files(
        tuple(path for path in every if path in taken),
        {reason: tuple(paths) for reason, paths in skipped.items()},
        {reason: tuple(paths) for reason, paths in unused.items()},
    )


def kind_of(path: str) -> str:
    """What a file that is no recording is by its name."""
    place = PurePosixPath(path.lower())
    if place.name.startswith(_DOCUMENT_NAMES) and place.suffix in ("", ".txt", *_KINDS[_DOCUMENTS]):
        return _DOCUMENTS
    for kind, extensions in _KINDS.items():
        if place.suffix in extensions:
            return kind
    if place.suffix in EXTENSIONS and place.suffix != ".txt":
        return UNREAD_TABLES
    return UNREAD_LABELS if place.suffix in LABEL_FILES else _UNKNOWN
