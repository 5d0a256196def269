"""Recordings to images of their features, in folders by label or as the recordings lie; and back to values.

The only room that imports Pillow. Finding, naming and skipping do not need torch, so that a run that has nothing to
do ends at once.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from earmark.audio import duration
from earmark.audio.filters import DECIBELS
from earmark.data.options import DataOptions
from earmark.errors import AudioError, DataError, MissingExtra, SettingsError
from earmark.figures.images.names import Clip
from earmark.figures.images.planning import TREE, Plan, plan
from earmark.figures.images.png import read
from earmark.figures.images.workers import Job, Task, make_all
from earmark.figures.options import ImageOptions, SpectrogramCall
from earmark.support.files import make_folder
from earmark.support.keywords import flat
from earmark.support.progress import threaded
from earmark.training import recipe
from earmark.training.settings import Recipe

__all__ = ["ImageOptions", "Written", "read", "spectrogram", "write"]

SETTINGS = (
    "fft_seconds", "hop_seconds", "n_mels", "fmin", "fmax", "floor", "features", "scale", "mel_scale", "n_mfcc", "lifter",
    "n_chroma", "contrast_bands", "deltas",
)  # fmt: skip
"""What `ImageOptions.settings` may change: the front end's, but for its picture, which is made here, and for levels of windows."""

_SURVEYED = 500  # recordings whose headers are read to choose rate and hop
_HIGHEST_RATE = 32_000
_GRAYS = ("gray", "gray16")
_UNITS = {"mfcc": "dB", "chroma": "share of the largest", "contrast": "dB"}
_SCALE_UNITS = {"log": "ln(power)", "db": "dB", "power": "power", "magnitude": "magnitude"}


@dataclass(frozen=True, repr=False)
class Written:
    """What became of the recordings.

    Attributes
    ----------
    written, skipped : tuple of Path
        Images made now, and those that were there already.
    failed : tuple of (Path, str)
        Recordings without an image, and why.
    sample_rate : int
        In Hz.
    hop_seconds : float
        From one frame to the next.
    with_extension : int
        Images whose name keeps the recording's extension, since two would be the same without it.
    folders : str
        ``labels`` or ``tree``: where the images lie.
    counts : mapping
        Label's folder, relative to ``out`` and with ``/``, to the images in it; empty for ``tree``.
    notes : tuple of str
        What a user must know of how labels were read and folders named.
    """

    written: tuple[Path, ...]
    skipped: tuple[Path, ...]
    failed: tuple[tuple[Path, str], ...]
    sample_rate: int
    hop_seconds: float
    with_extension: int = 0
    folders: str = TREE
    counts: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Written({len(self.written)} images, {len(self.skipped)} there already, {len(self.failed)} failed)"

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        failed = [{"path": str(path), "error": error} for path, error in self.failed]
        return {
            "written": len(self.written),
            "skipped": len(self.skipped),
            "failed": failed,
            "folders": self.folders,
            "counts": dict(self.counts),
            "notes": list(self.notes),
        }


@dataclass(frozen=True, kw_only=True)
class SpectrogramKeywords(SpectrogramCall, Recipe):
    """All keywords of `earmark.spectrogram`: its own, and the settings of the front end."""


@flat(SpectrogramKeywords, SpectrogramCall)
def spectrogram(call: SpectrogramCall) -> Written:
    """Write a PNG of each recording, in a folder for each label where labels are known.

    An image that is there already, whole, made of the same recording with the same options, is left as it is. One recording that
    cannot be used does not stop the others. More than one process are started afresh, so that a script that asks for them needs
    ``if __name__ == "__main__":``.

    Returns
    -------
    Written

    Raises
    ------
    EarmarkError
        As `write`.
    """
    source = DataOptions(**{f.name: getattr(call, f.name) for f in fields(DataOptions)})
    return write(call.paths, call.out, options=call, source=source, overwrite=call.overwrite, workers=call.workers)


def write(
    paths: Sequence[str | os.PathLike[str]] | str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    options: ImageOptions | None = None,
    source: DataOptions | None = None,
    overwrite: bool = False,
    workers: int = 1,
) -> Written:
    """Write a PNG of each recording below ``out``, in a folder for each label where labels are known.

    An image that is there already, whole, made of the same recording with the same options, is left as it is. One recording that
    cannot be used does not stop the others.

    Parameters
    ----------
    paths : path or sequence of them
        A data set (a folder, or a table that names recordings), or any recordings and folders of them.
    out : path
        Folder that takes the images.
    options : ImageOptions, optional
    source : DataOptions, optional
        How the data set is read: its layout, the labels to include and so on; found automatically by default. With ``strict``
        an image that cannot be made is an error, after the others are made.
    overwrite : bool
        Make all images anew, and replace PNG files that Earmark did not make.
    workers : int
        Processes; 0: as many as there are cores, if there is enough to do. More than one are started afresh, so that a script
        that asks for them, or for 0, needs ``if __name__ == "__main__":``.

    Returns
    -------
    Written

    Raises
    ------
    SettingsError
        For an unknown setting, or one out of range; nothing is written.
    DataError
        Where there are no recordings, or none of them can be read; where ``source`` or ``folders="labels"`` needs labels, and
        they cannot be read.
    OutputError
        Where ``out`` cannot be written.
    MissingExtra
        Where torch or matplotlib is not installed.
    Interrupted
        After Ctrl-C; the images that were made are whole, and the same call goes on.
    """
    chosen = options or ImageOptions()
    if workers < 0:
        raise SettingsError(f"workers is {workers}; give a number of processes, or 0 for as many as there are cores")
    found = _checked(chosen)
    for package in ("torch", "matplotlib"):
        if find_spec(package) is None:
            raise MissingExtra(package, "train")
    palette = _palette(chosen.colors)
    places = [Path(p) for p in ([paths] if isinstance(paths, str | os.PathLike) else paths)]
    chart = plan(places, chosen.folders, source)
    job = _job(chosen, found, palette, chart.clips)
    folder = Path(out)
    _check_writable(folder)
    tasks = [Task(clip, folder / name, overwrite) for clip, name in zip(chart.clips, chart.targets, strict=True)]
    there = [False] * len(tasks) if overwrite else list(threaded(job.is_done, tasks, "looking"))
    todo = [task for task, done in zip(tasks, there, strict=True) if not done]
    failed = make_all(job, todo, workers) if todo else {}
    if failed and source is not None and source.strict:
        raise DataError(
            f"{len(failed)} of {len(tasks)} images cannot be made, e.g. {next(iter(failed.values()))}; see to them, or remove "
            "strict=True"
        )
    return Written(
        tuple(task.target for task in todo if task.target not in failed),
        tuple(task.target for task, done in zip(tasks, there, strict=True) if done),
        tuple((task.clip.recording, failed[task.target]) for task in todo if task.target in failed),
        job.about["sample_rate"],
        job.about["hop_seconds"],
        chart.with_extension,
        chart.folders,
        _counts(chart, [task.target not in failed for task in tasks]),
        chart.notes,
    )


def _counts(chart: Plan, made: Sequence[bool]) -> dict[str, int]:
    """Images in the folder of each label."""
    counts = dict.fromkeys(sorted(chart.homes), 0)
    for home, is_made in zip(chart.homes, made if chart.homes else (), strict=True):
        counts[home] += is_made
    return counts


def _checked(options: ImageOptions) -> Recipe:
    """The recipe, with the options checked as far as they can be without the recordings."""
    changes = tuple(options.settings)
    for change in changes:
        key, equals, _ = change.partition("=")
        if key.strip() in ("image_height", "image_width", "image_range_db"):
            raise SettingsError(f"setting {key.strip()} belongs to training; for images say size=HxW and range_db=DB")
        if equals and key.strip() not in SETTINGS:
            raise SettingsError(f"{key.strip()!r} is no setting of the front end; choose among {', '.join(SETTINGS)}")
    if not 1 <= options.range_db <= 200:
        raise SettingsError(f"range_db is {options.range_db:g}; the allowed range is 1 to 200")
    if options.figure and (options.pixels is not None or options.colors == "gray16"):
        raise SettingsError("a figure has its own size and colours; leave out size=HxW and gray16, or figure=True")
    if options.dark and not options.figure:
        raise SettingsError("dark is a ground to draw figures on; add figure=True, or leave out dark=True")
    if options.sample_rate and not 1000 <= options.sample_rate <= 500_000:
        raise SettingsError(f"sample_rate is {options.sample_rate}; the allowed range is 1000 to 500000 Hz")
    return recipe.load(options.recipe, changes)


def _palette(colors: str) -> bytes | None:
    """Colours of the pixels, if there are any."""
    if colors in _GRAYS:
        return None
    from earmark.figures import (
        plots,  # matplotlib takes a second, and the processes that make images import this module too
    )

    return plots.palette(colors)


def _job(options: ImageOptions, found: Recipe, palette: bytes | None, clips: Sequence[Clip]) -> Job:
    """What all images have in common; rate, hop and highest frequency are the recordings' unless they are given."""
    sr, seconds = options.sample_rate or found.sample_rate, 0.0
    if not (sr and found.hop_seconds and found.fft_seconds):
        rate, seconds = _survey(clips)
        sr = sr or rate
    hop_seconds = found.hop_length(sr, seconds) / sr
    names = [name.strip() for name in found.features.split(",")]
    units = [_UNITS.get(name) or _SCALE_UNITS.get(found.scale, "normalised energy") for name in names]
    levels = {*names} <= {"mel", "stft"} and found.scale in ("log", "db")
    about = {
        "unit": ", ".join(dict.fromkeys(units)),
        "sample_rate": sr,
        "hop_seconds": hop_seconds,
        "channel": options.channel,
        "front_end": {name: getattr(found, name) for name in SETTINGS}
        | {"fft_seconds": found.frame_seconds(seconds), "hop_seconds": hop_seconds, "fmax": found.fmax or sr / 2},
        "colors": options.colors,
        "range_db": options.range_db if levels and options.colors != "gray16" else None,
        "size": None if options.pixels is None else list(options.pixels),
        "figure": options.figure,
        "dark": options.dark,
    }
    if about["range_db"] is None:
        return Job(about, palette, None)
    return Job(about, palette, options.range_db / (DECIBELS if found.scale == "log" else 1.0))


def _survey(clips: Sequence[Clip]) -> tuple[int, float]:
    """The commonest rate, at most 32 kHz, and the median length in seconds, of some of the clips by their recordings' headers."""
    known: dict[Path, tuple[float, int]] = {}
    rates: Counter[int] = Counter()
    lengths = []
    problem: AudioError | None = None
    for part in (clips[:: max(1, len(clips) // _SURVEYED)], clips):
        for clip in [] if rates else part:
            try:
                if clip.recording not in known:
                    known[clip.recording] = duration(clip.recording)
            except AudioError as error:
                problem = error
                continue
            seconds, rate = known[clip.recording]
            rates[rate] += 1
            lengths.append(max(0.0, (seconds if clip.end is None else clip.end) - clip.start))
    if not rates:
        raise DataError(f"none of the {len(clips)} recordings can be used, e.g. {problem}")
    most = max(rates.values())
    return min(min(r for r, n in rates.items() if n == most), _HIGHEST_RATE), sorted(lengths)[len(lengths) // 2]


def _check_writable(folder: Path) -> None:
    """Refuse a folder that could not be made or written before any work, without making it."""
    there = folder
    while not there.exists() and there != there.parent:
        there = there.parent
    make_folder(there)
