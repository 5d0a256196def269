"""A manifest and a recipe to a bundle's description: rate, window and stride that suit the data."""

from __future__ import annotations

import dataclasses
import logging
import math
from collections import Counter
from typing import Any

import numpy as np

from earmark import tasks
from earmark.audio.levels import Levels
from earmark.audio.windows import ShortClip
from earmark.bundle import BundleSpec
from earmark.data.cache import Index, default_folder
from earmark.data.manifest import Manifest
from earmark.errors import AudioError, DataError, SettingsError
from earmark.frontend.front_end import FrontEndSettings
from earmark.training.settings import Recipe

log = logging.getLogger("earmark")

_SURVEYED = 2000  # recordings whose headers are read to choose rate and window
_SHORTEST, _LONGEST = 0.5, 10.0  # window in seconds
_SHORTER, _FEW_SHORTER = 0.01, 0.05  # than the window: seconds that do not matter, and share of the clips
_HIGHEST_RATE = 32_000  # unless it is said


def survey(manifest: Manifest, crop_seconds: float = 0.0, *, uneven: bool = False) -> tuple[int, float]:
    """Choose rate and window from the headers.

    Parameters
    ----------
    manifest : Manifest
    crop_seconds : float
        Length of the crops that training will see, or 0 for whole windows.
    uneven : bool
        The clips will be of other lengths than their headers say.

    Returns
    -------
    sr : int
        The commonest rate in Hz.
    window_seconds : float
        The usual length of a clip, from 0.5 to 10 s: the commonest, if half of the clips have it, else one that 95% fit into.
        Where more than 5% are shorter, no more than ``crop_seconds``: training would hardly see the zeros that these are
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
            "note      recorded at %d Hz; what is above %g kHz is lost (sample_rate=%d keeps it)", rate, sr / 2000, rate
        )
    seconds = chosen.window_seconds or seconds
    hop = chosen.hop_length(sr, seconds)
    # Rounded up: a clip that is a little longer than the window would count twice.
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
        merge=tasks.TASKS[manifest.task].MERGE,
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
