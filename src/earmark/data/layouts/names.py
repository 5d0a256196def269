"""Names in a table to files in a folder: equal to a person, if not to the computer."""

from __future__ import annotations

import difflib
import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from earmark.audio.finding import EXTENSIONS, search

_NEAR = 0.6  # difflib's ratio from which a name is proposed
_CHECK = "check the path, or remove the row"
_COMPARED = 100  # names that no file fits for which the nearest is looked up
_LOOKED_AT = 5000  # names that are compared for a proposal


@dataclass(frozen=True)
class Resolved:
    """Where the names of a table lead.

    Attributes
    ----------
    paths : dict
        Each name to a path from the data set's folder; to itself where no file fits.
    missing : dict
        The names that no file fits, or several, and what is to be done.
    changed : dict
        The names that are written otherwise than the file's.
    """

    paths: dict[str, str]
    missing: dict[str, str] = field(default_factory=dict)
    changed: dict[str, str] = field(default_factory=dict)


class Names:
    """The recordings of a folder, found by their names.

    Parameters
    ----------
    root : Path
        The data set's folder.
    recordings : sequence of str, optional
        Paths from there, with ``/``; the folder is searched otherwise, as soon as a name is no path of a file.
    """

    def __init__(self, root: Path, recordings: Sequence[str] | None = None) -> None:
        self.root = root
        self._given = recordings
        self._exact = set(recordings or ())

    @cached_property
    def _recordings(self) -> Sequence[str]:
        return search(self.root).recordings if self._given is None else self._given

    def fits(self, name: str, folders: Sequence[str] = ("",)) -> bool:
        """Whether a recording fits, or several do."""
        path, candidates = self.find(name, folders)
        return path is not None or bool(candidates)

    def resolve(self, names: Iterable[str], folders: Sequence[str] = ("",)) -> Resolved:
        """Find each name's recording; paths start from one of ``folders``, the first that has it."""
        found = Resolved({})
        for name in dict.fromkeys(names):
            path, candidates = self.find(name, folders)
            found.paths[name] = name if path is None else path
            if path is None and name.strip():
                compared = candidates or len(found.missing) < _COMPARED
                found.missing[name] = self._remedy(name, candidates) if compared else _CHECK
            elif path is not None and not _same(name, path, folders):
                found.changed[name] = path
        return found

    def find(self, name: str, folders: Sequence[str] = ("",)) -> tuple[str | None, Sequence[str]]:
        """The recording of a name, or the several that fit."""
        for folder in folders:
            plain = os.path.normpath(os.path.join(folder, name)).replace(os.sep, "/")  # noqa: PTH118 - also what is no path
            if plain in self._exact:
                return plain, ()
            if name and "\0" not in name and _is_file(place := os.path.join(self.root, plain)):  # noqa: PTH118
                return _relative(self.root, place), ()
        if not self._recordings:
            return None, ()
        cleaned = _cleaned(name)
        for folder in folders:
            fitting = self._whole.get(_key(f"{folder}/{cleaned}"), [])
            if len(fitting) == 1:
                return fitting[0], ()
        return self._by_end(cleaned)

    def _by_end(self, name: str) -> tuple[str | None, Sequence[str]]:
        """By the last parts of the path, then without the extension: as many of them as tell one recording."""
        parts = _key(name).split("/")
        candidates: Sequence[str] = ()
        for index, own in ((self._names, parts[-1]), (self._stems, _stem(parts[-1])), (self._stems, parts[-1])):
            found = index.get(own, ())
            if len(found) > 1 and len(parts) > 1:
                found = _longest(found, parts[:-1])
            if len(found) == 1:
                return found[0], ()
            candidates = candidates or found
        return None, candidates

    @cached_property
    def _whole(self) -> dict[str, list[str]]:
        return _index(self._recordings, _key)

    @cached_property
    def _names(self) -> dict[str, list[str]]:
        return _index(self._recordings, lambda path: _key(path).rpartition("/")[2])

    @cached_property
    def _stems(self) -> dict[str, list[str]]:
        return _index(self._recordings, lambda path: _stem(_key(path).rpartition("/")[2]))

    def _remedy(self, name: str, candidates: Sequence[str]) -> str:
        if candidates:
            return f"{len(candidates)} files fit, e.g. {candidates[0]} and {candidates[1]}: give the path from the table's folder"
        own = _key(_cleaned(name)).rpartition("/")[2]
        near = difflib.get_close_matches(own, list(self._names)[:_LOOKED_AT], n=1, cutoff=_NEAR)
        if not near:
            return _CHECK
        return f"the nearest name is {self._names[near[0]][0]}: correct the row, or remove it"


def _index(paths: Sequence[str], of: Callable[[str], str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for path in paths:
        found.setdefault(of(path), []).append(path)
    return found


def _cleaned(name: str) -> str:
    """A name without quotes, percent signs and the marks of other systems and addresses."""
    text = name.strip().strip("\"'").strip()
    text = re.sub(r"^file:/{2,3}", "/", text)
    if "%" in text:
        text = unquote(text, errors="replace")
    return re.sub(r"^[A-Za-z]:(?=/)", "", text.replace("\\", "/"))


def _key(path: str) -> str:
    """What two names share that a person takes for the same."""
    text = unicodedata.normalize("NFC", unicodedata.normalize("NFKC", path)).casefold()
    parts = [" ".join(part.split()) for part in text.split("/")]
    kept: list[str] = []
    for part in parts:
        if part == ".." and kept:
            kept.pop()
        elif part not in ("", ".", ".."):
            kept.append(part)
    return "/".join(kept)


def _stem(name: str) -> str:
    path = PurePosixPath(name)
    return path.stem if path.suffix in EXTENSIONS else name


def _longest(found: Sequence[str], parents: Sequence[str]) -> list[str]:
    """Of these, the ones that share the most folders with a path, from its end on."""

    def shared(path: str) -> int:
        own = _key(path).split("/")[:-1]
        count = 0
        while count < min(len(own), len(parents)) and own[-1 - count] == parents[-1 - count]:
            count += 1
        return count

    most = max(map(shared, found))
    return [path for path in found if shared(path) == most] if most else list(found)


def _same(name: str, path: str, folders: Sequence[str]) -> bool:
    """Whether a name is written as its file is."""
    if path.endswith(f"/{name}"):
        return True
    return any(
        os.path.normpath(f"{folder}/{name}" if folder else name).replace(os.sep, "/") == path for folder in folders
    ) or (Path(name).is_absolute() and path.endswith(Path(name).name))


def _is_file(place: str) -> bool:
    try:
        return os.path.isfile(place)  # noqa: PTH113 - as text, of which there may be a million
    except (OSError, ValueError):  # too long, or a zero byte
        return False


def _relative(root: Path, place: str) -> str:
    """From the folder where it lies below it, else as it is."""
    own, start = os.path.normpath(place), os.path.normpath(root)
    shown = os.path.relpath(own, start) if own.startswith(start + os.sep) else own
    return shown.replace(os.sep, "/")
