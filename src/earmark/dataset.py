"""A manifest to clips that are decoded, and the model's input that suits them."""

from __future__ import annotations

import dataclasses
import logging
import math
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark import audio, fingerprint
from earmark.bundle import MULTILABEL, BundleSpec
from earmark.cache import Cache, Decoded, Index, default_folder, evict
from earmark.errors import AudioError, DataError, SettingsError
from earmark.frontend import FrontEndSettings
from earmark.levels import Levels
from earmark.manifest import ROUNDING, Manifest
from earmark.progress import threaded
from earmark.recipe import Recipe
from earmark.windows import MergeRule, ShortClip

log = logging.getLogger("earmark")

_SURVEYED = 2000  # recordings whose headers are read to choose rate and window
_SHORTEST, _LONGEST = 0.5, 10.0  # window in seconds
_SHORTER, _FEW_SHORTER = 0.01, 0.05  # than the window: seconds that do not matter, and share of the clips
_HIGHEST_RATE = 32_000  # unless it is said


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
        return self.levels.apply(self._stretch(row))

    def seconds(self, row: int) -> float:
        """How long a clip is before it is levelled."""
        return len(self._stretch(row)) / self.sr

    def _stretch(self, row: int) -> NDArray[np.float32]:
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


def survey(manifest: Manifest, crop_seconds: float = 0.0, *, uneven: bool = False) -> tuple[int, float]:
    """Choose rate and window from the headers.

    Parameters
    ----------
    manifest : Manifest
    crop_seconds : float
        Length of the stretches that training will see, or 0 for whole windows.
    uneven : bool
        The clips will be of other lengths than their headers say.

    Returns
    -------
    sr : int
        The commonest rate in Hz.
    window_seconds : float
        The usual length of a clip, from 0.5 to 10 s: the commonest, if half of the clips have it, else one that 95 % fit into.
        Where more than 5 % are shorter, no more than ``crop_seconds``: training would hardly see the zeros that these are
        filled up with in prediction.

    Raises
    ------
    DataError
        Where no recording can be read.
    """
    index = Index(default_folder())
    rates: Counter[int] = Counter()
    lengths = []
    problem: AudioError | None = None
    # All of them where the sample has none that can be used.
    for step in (max(1, len(manifest) // _SURVEYED), 1):
        for row in range(0, 0 if rates else len(manifest), step):
            path, start, end = (manifest.table[c].iat[row] for c in ("path", "start", "end"))
            try:
                seconds, rate = index.header(manifest.root / path)
            except AudioError as error:
                problem = error
                continue
            if not seconds:
                problem = AudioError(
                    "zero-length", str(manifest.root / path), "no samples", "replace the file or leave it out"
                )
                continue
            rates[rate] += 1
            lengths.append((seconds if np.isnan(end) else end) - start)
    if not rates:
        raise DataError(f"{manifest.root}: none of its recordings can be used, e.g. {problem}")
    most = max(rates.values())
    rate = min(r for r, n in rates.items() if n == most)
    length, count = Counter(round(x, 2) for x in lengths).most_common(1)[0]
    usual = length if 2 * count >= len(lengths) else float(np.quantile(lengths, 0.95))
    seconds = min(max(usual, _SHORTEST), _LONGEST)
    uneven |= bool(np.mean(np.array(lengths) < seconds - _SHORTER) > _FEW_SHORTER)
    if crop_seconds and uneven:
        seconds = min(seconds, max(crop_seconds, _SHORTEST))
    return rate, seconds


def make_spec(manifest: Manifest, chosen: Recipe, *, channel: int | None = None) -> BundleSpec:
    """Settle what the recipe leaves to the data: rate, window, stride."""
    cropped = chosen.short_clip == "pad" and not chosen.image_width
    rate, seconds = survey(manifest, chosen.crop_seconds if cropped else 0.0, uneven=bool(chosen.trim_db))
    sr = chosen.sample_rate or min(rate, _HIGHEST_RATE)
    if not chosen.sample_rate and rate > sr:
        log.info(
            "note      recorded at %d Hz; what is above %g kHz is not heard (--set sample_rate=%d keeps it)",
            rate,
            sr / 2000,
            rate,
        )
    seconds = chosen.window_seconds or seconds
    hop = chosen.hop_length(sr, seconds)
    # Rounded up: a clip that is a little longer than the window would be heard twice.
    window = max(1, math.ceil(round(seconds * sr) / hop)) * hop
    frame = chosen.frame_seconds(seconds)
    if window < 2 * frame * sr:
        raise SettingsError(
            f"setting window_seconds is {window / sr:g}; it must hold two analysis frames, {2 * frame:g} s"
        )
    if chosen.stride_seconds > window / sr:
        raise SettingsError(
            f"setting stride_seconds is {chosen.stride_seconds:g}; it must not be longer than the window, {window / sr:g} s"
        )
    stride = max(1, round((chosen.stride_seconds * sr if chosen.stride_seconds else window / 2) / hop)) * hop
    short: ShortClip = "repeat" if chosen.short_clip == "repeat" else "pad"
    return BundleSpec(
        labels=tuple(manifest.labels),
        task=manifest.task,
        merge=merge_rule(manifest),
        network={"name": chosen.network, "width": chosen.width, "members": chosen.members},
        sample_rate=sr,
        channel=channel,
        window_seconds=window / sr,
        stride_seconds=min(stride, window) / sr,
        short_clip=short,
        shifts=chosen.shifts,
        levels=Levels.from_dict(
            {"remove_dc": bool(chosen.remove_dc), "trim_db": chosen.trim_db, "normalise": chosen.normalise}
        ),
        front_end=_front_end(chosen, sr=sr, fft_seconds=frame, hop_seconds=hop / sr),
    )


def _front_end(chosen: Recipe, *, sr: int, fft_seconds: float, hop_seconds: float) -> dict[str, Any]:
    """Settings of the front end: the recipe's, with what it leaves to the rate."""
    names = [f.name for f in dataclasses.fields(FrontEndSettings)]
    of_data = {"fft_seconds": fft_seconds, "hop_seconds": hop_seconds, "fmax": chosen.fmax or sr / 2}
    return {n: getattr(chosen, n) for n in names} | of_data


def merge_rule(manifest: Manifest) -> MergeRule:
    """How windows make a recording: of several labels each is heard where it is loudest."""
    return "max" if manifest.task == MULTILABEL else "mean"


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
            remedy = "choose one channel with --channel 0"
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
            "(earmark scan names them all), or remove --strict"
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
