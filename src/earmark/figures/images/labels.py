"""Which clip becomes which image: a folder for each label, below one for each split where the data set has splits."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from earmark.figures.images.names import Clip

UNLABELLED = "unlabelled"
"""Folder of clips without a label."""
UNSPLIT = "unsplit"
"""Folder of clips without a split, where others have one: a label may be named as a split is."""

_FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]')  # on Windows; the slash everywhere
_DEVICES = frozenset(["con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))])
_LONGEST_FOLDER, _LONGEST_FILE = 150, 251  # bytes; .png comes behind


@dataclass
class Image:
    """A clip, where its image goes, and how much of where it comes from its name says.

    Attributes
    ----------
    clip : Clip
    home : str
        Its label's folder with ``/``, relative to the output folder.
    below : tuple of str
        Folders of the recording below its label's folder, which are kept.
    above : tuple of str
        Folders of the recording, the nearest first, but for its label's: they tell recordings of the same name apart.
    shown : int
        How many of these its name begins with.
    whole, ended : bool
        Whether the name has the recording's extension, and the end of the segment.
    number : int
        Behind a name that nothing else tells apart.
    """

    clip: Clip
    home: str
    below: tuple[str, ...] = ()
    above: tuple[str, ...] = ()
    shown: int = 0
    whole: bool = False
    ended: bool = False
    number: int = 1

    @property
    def target(self) -> str:
        """Its path with ``/``, relative to the output folder."""
        recording = self.clip.recording
        name = recording.name if self.whole else recording.stem
        name = "-".join([*reversed(self.above[: self.shown]), name])
        tail = f"_{self.clip.start:.3f}s" if self.clip.is_segment else ""
        if self.ended and self.clip.end is not None:
            tail += f"-{self.clip.end:.3f}s"
        tail += f"-{self.number}" if self.number > 1 else ""
        return "/".join((self.home, *self.below, _cut(name, _LONGEST_FILE - len(tail)) + tail + ".png"))

    def tell_apart(self, kinds: tuple[int, int, int]) -> bool:
        """Let the name say more, by which it may differ from others; whether there is more to say.

        ``kinds`` is how many places, recordings' names and ends there are among them.
        """
        places, recordings, ends = kinds
        if places > 1 and self.shown < len(self.above):
            self.shown += 1
        elif recordings > 1 and not self.whole:
            self.whole = True
        elif ends > 1 and not self.ended:
            self.ended = True
        else:
            return False
        return True


def image_of(clip: Clip, place: PurePosixPath, home: str, label: str, split: str) -> Image:
    """An image before names are told apart; ``place`` is the recording's path as the data set gives it."""
    from earmark.data.layouts.known import SPLIT_WORDS

    folders = place.parts[:-1]
    inside = folders[1:] if split and folders[:1] == ("data",) else folders
    if split and inside and SPLIT_WORDS.get(inside[0].lower()) == split:
        inside = inside[1:]
    in_its_own = inside and _same(inside[0]) == _same(label) and ".." not in folders
    above = tuple(
        safe(name) for name in reversed(folders) if name not in ("..", place.root) and _same(name) != _same(label)
    )
    return Image(clip, home, inside[1:] if in_its_own else (), above)


def tell_apart(images: Sequence[Image]) -> None:
    """Change names until no two are the same, also on disks without capitals."""
    changed = True
    while changed:
        changed = False
        for same in _groups(images):
            says = [(image.above, image.clip.recording.name, image.clip.end) for image in same]
            places, recordings, ends = (len(set(values)) for values in zip(*says, strict=True))
            for image in same:
                changed = image.tell_apart((places, recordings, ends)) or changed
    taken = {_key(image.target) for image in images}
    for same in _groups(images):
        for image in same[1:]:
            while _key(image.target) in taken:
                image.number += 1
            taken.add(_key(image.target))


def folder_names(labels: Iterable[str], separator: str) -> dict[str, str]:
    """A folder's name for each value of the column ``label``; no two are the same, also on disks without capitals."""
    plain = {value: "+".join(map(safe, value.split(separator))) if value else UNLABELLED for value in set(labels)}
    # Labels that need no change keep their names; the others get a number where they would take them.
    order = sorted(plain, key=lambda value: (value != "", plain[value] != value, value))
    found: dict[str, str] = {}
    taken: set[str] = set()
    for value in order:
        base = name = _cut(plain[value], _LONGEST_FOLDER)
        number = 1
        while _key(name) in taken:
            number += 1
            name = f"{base}_{number}"
        taken.add(_key(name))
        found[value] = name
    return found


def safe(text: str) -> str:
    """A name that every disk takes for a single folder, visible and inside the folder above."""
    name = _FORBIDDEN.sub("_", text).strip().rstrip(". ")
    if name.startswith("."):
        name = "_" + name[1:]
    if name.partition(".")[0].strip().lower() in _DEVICES:
        name = "_" + name
    return _cut(name, _LONGEST_FOLDER).rstrip(". ") or "_"


def clip_of(recording: Path, start: float, end: float, remedy: str) -> Clip:
    """A row of a manifest; an ``end`` that is NaN is the recording's own."""
    return Clip(recording, float(start), None if end != end else float(end), remedy)


def _groups(images: Sequence[Image]) -> list[list[Image]]:
    """Images that would be the same file."""
    found: defaultdict[str, list[Image]] = defaultdict(list)
    for image in images:
        found[_key(image.target)].append(image)
    return [same for same in found.values() if len(same) > 1]


def _key(name: str) -> str:
    """The same for names that some disk takes for one."""
    return (
        name.lower() if name.isascii() else unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
    )


def _same(text: str) -> str:
    """A folder's name as the manifest writes labels."""
    return unicodedata.normalize("NFC", text.strip())


def _cut(text: str, size: int) -> str:
    """At most ``size`` bytes of it, since disks allow no more."""
    while len(text) > size or (not text.isascii() and len(os.fsencode(text)) > size):
        text = text[:-1]
    return text
