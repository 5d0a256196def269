"""A manifest to clips that are decoded."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from earmark import audio
from earmark.audio.levels import Levels
from earmark.data import fingerprint
from earmark.data.cache import Cache, Decoded, evict
from earmark.data.manifest import ROUNDING, Manifest
from earmark.errors import AudioError, DataError
from earmark.support.progress import threaded


@dataclass(frozen=True)
class Clips:
    """Clips whose recordings decode.

    Attributes
    ----------
    manifest : Manifest
        Without the clips that were excluded.
    decoded : tuple of Decoded
        The recording of each clip.
    sr : int
        Rate in Hz.
    skipped : tuple of AudioError
        Why clips were excluded, one each.
    levels : Levels
        What is done to each clip.
    remarks : tuple of (str, str, str)
        Path, kind and detail of what is odd about recordings that are used.
    """

    manifest: Manifest
    decoded: tuple[Decoded, ...]
    sr: int
    skipped: tuple[AudioError, ...]
    levels: Levels = field(default_factory=Levels)
    remarks: tuple[tuple[str, str, str], ...] = ()

    @property
    def hashes(self) -> list[str]:
        """Content hash of each clip's recording."""
        return [d.content for d in self.decoded]

    @property
    def fingerprint(self) -> str:
        """Of the clips' content, stretches and labels."""
        return self.manifest.fingerprint(self.hashes)

    @property
    def reasons(self) -> list[str]:
        """One line for each clip that was excluded."""
        return [str(e) for e in self.skipped]

    def waveform(self, row: int) -> NDArray[np.float32]:
        """One clip, levelled by itself, shape (time,)."""
        return self.levels.apply(self._segment(row))

    def seconds(self, row: int) -> float:
        """How long a clip is before it is levelled."""
        return len(self._segment(row)) / self.sr

    def _segment(self, row: int) -> NDArray[np.float32]:
        start, end = self.manifest.table["start"].iat[row], self.manifest.table["end"].iat[row]
        samples = self.decoded[row].samples()
        return samples[round(start * self.sr) : None if np.isnan(end) else round(end * self.sr)]

    def copies(self) -> list[tuple[int, int]]:
        """Pairs of clips whose recordings are the same, byte for byte, or hold the same sound."""
        first: dict[str, int] = {}
        pairs = [(first.setdefault(content, row), row) for row, content in enumerate(self.hashes)]
        paths = self.manifest.table["path"].to_numpy()
        twice = {a for a, b in pairs if paths[a] != paths[b]}
        # Silence is the same whatever it was recorded of; noise, however soft, never is.
        silent = {row for row in twice if np.ptp(self.decoded[row].samples()) == 0}
        pairs = [(a, b) for a, b in pairs if a not in silent or paths[a] == paths[b]]
        rows = list(first.values())
        prints = [self.decoded[row].landmarks() for row in rows]

        def read(i: int, start: float, end: float) -> NDArray[np.float32]:
            samples = self.decoded[rows[i]].samples()[round(start * self.sr) : round(end * self.sr)]
            return audio.resample(np.array(samples), self.sr, fingerprint.SR)

        pairs += [(rows[a], rows[b]) for a, b in fingerprint.copies(prints, read)]
        return [(a, b) for a, b in pairs if a != b]

    def with_copies_grouped(self) -> Clips:
        """Put groups that share a recording, or a copy of one, into one: a copy must not be on both sides of a split."""
        groups, paths = (self.manifest.table[c].to_numpy() for c in ("group", "path"))
        pairs = self.copies()
        manifest = self.manifest.merged([(groups[a], groups[b]) for a, b in pairs])
        copies = tuple((paths[a], paths[b]) for a, b in pairs if paths[a] != paths[b])
        return replace(self, manifest=replace(manifest, copies=copies))

    def take(self, rows: NDArray[np.int64]) -> Clips:
        """The clips at these positions."""
        return replace(self, manifest=self.manifest.take(rows), decoded=tuple(self.decoded[i] for i in rows))


def ingest(
    manifest: Manifest, *, sr: int, channel: int | None = None, levels: Levels | None = None, strict: bool = False
) -> Clips:
    """Decode every recording through the cache; clips that cannot be used are excluded and counted.

    A recording whose channels cancel each other is one of them, unless a channel is chosen.

    The cache and the search for copies hold the sound as it was decoded; ``levels`` are applied to each clip when it is read.

    Raises
    ------
    DataError
        Where none can be used, or with ``strict`` one cannot.
    """
    cache = Cache(sr, channel=channel)
    paths = list(dict.fromkeys(manifest.table["path"]))

    def one(path: str) -> Decoded | AudioError:
        try:
            decoded = cache.get(manifest.root / path)
            remarks[path] = (facts := decoded.facts()).remarks
        except AudioError as error:
            nearest = manifest.missing.get(path) if error.kind == "missing" else None
            return AudioError(error.kind, error.source, error.detail, nearest) if nearest else error
        if facts.cancelled:
            remedy = "choose one channel with channel=0"
            return AudioError("cancelled", str(manifest.root / path), facts.cancelled, remedy)
        return decoded

    remarks: dict[str, tuple[tuple[str, str], ...]] = {}
    found = dict(zip(paths, threaded(one, paths, "decoding"), strict=True))
    evict()
    decoded, skipped, rows = [], [], []
    lengths: dict[str, float] = {}
    for row, (path, start, end) in enumerate(zip(*(manifest.table[c] for c in ("path", "start", "end")), strict=True)):
        result = found[path]
        if isinstance(result, Decoded) and (start > 0 or not np.isnan(end)):
            if path not in lengths:
                lengths[path] = len(result.samples()) / sr
            result = _within(result, str(manifest.root / path), start, end, lengths[path])
        if isinstance(result, AudioError):
            skipped.append(result)
        else:
            rows.append(row)
            decoded.append(result)
    if skipped and strict:
        raise DataError(
            f"{manifest.root}: {len(skipped)} of its {len(manifest)} clips cannot be used, e.g. {skipped[0]}; see to them "
            "(earmark.scan names them all), or remove strict=True"
        )
    if not rows:
        raise DataError(f"{manifest.root}: none of its {len(manifest)} clips can be used, e.g. {skipped[0]}")
    used = dict.fromkeys(manifest.table["path"].iloc[rows])
    noted = tuple((path, kind, detail) for path in used for kind, detail in remarks[path])
    kept = manifest.take(rows)
    if manifest.files is not None:
        faults = {p: e.kind if isinstance(e := found[p], AudioError) else "range" for p in paths if p not in used}
        kept = replace(kept, files=manifest.files.without(faults))
    return Clips(kept, tuple(decoded), sr, tuple(skipped), levels or Levels(), noted)


def _within(found: Decoded, name: str, start: float, end: float, length: float) -> Decoded | AudioError:
    """The recording, or why a stretch of it is none."""
    if start < length and (np.isnan(end) or end <= length + ROUNDING):
        return found
    detail = f"the clip from {start:g} s to {end:g} s lies past the recording's end at {length:.3f} s"
    return AudioError("range", name, detail, "correct start and end")
