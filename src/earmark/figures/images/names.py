"""Which recording becomes which image: the tree of folders mirrored, no two recordings with one image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from earmark.audio import find_recordings
from earmark.errors import DataError


@dataclass(frozen=True)
class Clip:
    """What becomes one image: a recording, or a segment of it.

    Attributes
    ----------
    recording : Path
    start : float
        In seconds.
    end : float, optional
        In seconds; the recording's end by default.
    remedy : str
        What to do where the recording is missing; empty where nothing special is known.
    """

    recording: Path
    start: float = 0.0
    end: float | None = None
    remedy: str = ""

    @property
    def is_segment(self) -> bool:
        """Whether it is a part of the recording."""
        return self.start > 0 or self.end is not None


def plan(paths: Sequence[Path]) -> list[tuple[Path, Path]]:
    """Recordings and their images' relative paths.

    A recording below a folder keeps its place in it; where several paths are given, the folder's own name comes before. The image
    is named after the recording without its extension, but with it where two would have the same name.

    Raises
    ------
    DataError
        Where there are no recordings, or two of the same relative path from different folders.
    """
    if not paths:
        raise DataError("no paths were given; name recordings, or folders of them")
    places: dict[Path, Path] = {}  # of recordings, without repeats
    for path in paths:
        for recording in find_recordings([path]):
            place = Path(recording.name)
            if path.is_dir():
                place = recording.relative_to(path)
                if len(paths) > 1:
                    place = Path(path.name if path.name not in ("", "..") else path.resolve().name) / place
            places.setdefault(recording, place)
    return list(zip(places, _named(list(places.items())), strict=True))


def _named(places: list[tuple[Path, Path]]) -> list[Path]:
    """Names of images: those that clash get their recording's extension, until none do."""
    names = [place.with_suffix(".png") for _, place in places]
    while True:
        # Names that differ in case alone are one on some platforms.
        counts = Counter(name.as_posix().casefold() for name in names)
        clashing = [i for i, name in enumerate(names) if counts[name.as_posix().casefold()] > 1]
        whole = {i: places[i][1].with_name(places[i][1].name + ".png") for i in clashing}
        if all(names[i] == name for i, name in whole.items()):
            break
        for i, name in whole.items():
            names[i] = name
    seen: dict[Path, Path] = {}
    for (recording, _), name in zip(places, names, strict=True):
        first = seen.setdefault(name, recording)
        if first != recording:
            raise DataError(f"{recording} and {first} would both become {name}; give the folder that holds both")
    return names
