"""What a user must know of the settings of a run: those that do less, or something else, than they say."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np

from earmark import tasks
from earmark.data.cache import Index, default_folder
from earmark.errors import AudioError
from earmark.evaluation import classification
from earmark.training import fitting, recipe
from earmark.workflow.continuing import kept
from earmark.workflow.job import Job

_OF_DETECTORS = {
    "sample_rate", "window_seconds", "stride_seconds", "short_clip", "shifts", "remove_dc", "trim_db", "normalise", "fft_seconds",
    "long_fft_seconds", "hop_seconds", "long_hop_seconds", "features", "scale", "n_mels", "mel_scale", "fmin", "fmax", "floor",
    "n_mfcc", "lifter", "n_chroma", "contrast_bands", "level_range_db", "deltas", "image_height", "image_width", "image_range_db",
    "false_alarms", "network",
}  # fmt: skip
_NEEDS: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (("n_mels", "mel_scale", "fmin", "fmax"), ("mel", "mfcc")),
    (("scale",), ("mel", "stft")),
    (("n_mfcc", "lifter"), ("mfcc",)),
    (("n_chroma",), ("chroma",)),
    (("contrast_bands",), ("contrast",)),
)
"""Settings of features, and the features that they are of."""
_PAIRS = (
    ("distill", "teachers"),
    ("noise_snr_db", "noise"),
    ("reverb_seconds", "reverb"),
    ("time_mask", "time_masks"),
    ("time_masks", "time_mask"),
    ("frequency_mask", "frequency_masks"),
    ("frequency_masks", "frequency_mask"),
    ("image_range_db", "image_height"),
)
"""Settings that say nothing where the other one is 0."""
_LONG = 2.0  # seconds of a window, above which long_fft_seconds and long_hop_seconds hold
_SURVEYED = 200  # recordings whose rate is looked at
_NEAR = 0.2  # share by which a rounded setting may differ unsaid


def remarked(job: Job) -> Job:
    """The job, its split with a note for each setting of the user's that does less, or something else, than it says."""
    user = recipe.given(job.options.recipe, job.options.settings)
    found = [
        f"{name}={getattr(job.recipe, name)} has no effect: {why}" for name, why in _without_effect(job) if name in user
    ]
    found += _other_than_set(job, user)
    if job.task.THRESHOLDS:
        found += _thresholds(job)
    notes = tuple(dict.fromkeys([*job.split.notes, *found]))
    return dataclasses.replace(job, split=dataclasses.replace(job.split, notes=notes))


def _without_effect(job: Job) -> Iterator[tuple[str, str]]:
    """Settings that this run does not use, each with the reason."""
    chosen, spec = job.recipe, job.spec
    if job.task.LEARNER == tasks.DETECTOR:
        names = [f.name for f in dataclasses.fields(chosen) if f.name not in _OF_DETECTORS]
        yield from ((name, "an anomaly detector trains no network") for name in names)
    else:
        yield "false_alarms", "it is for anomaly detectors (task='anomaly')"
        yield from _of_training(job)
    features = [name.strip() for name in chosen.features.split(",")]
    for those, of in _NEEDS:
        if not set(features) & set(of):
            yield from ((name, f"it is for features {' and '.join(of)}") for name in those)
    yield from (
        (name, f"{other} is 0") for name, other in _PAIRS if not getattr(chosen, other) and getattr(chosen, name)
    )
    for name, short in (("long_fft_seconds", "fft_seconds"), ("long_hop_seconds", "hop_seconds")):
        if getattr(chosen, short):
            yield name, f"{short} is set"
        elif job.options.base is None and (chosen.window_seconds or spec.window_seconds) <= _LONG:
            yield name, f"it is for windows of more than {_LONG:g} s, and these have {spec.window_seconds:g} s"


def _of_training(job: Job) -> Iterator[tuple[str, str]]:
    """`_without_effect` of a classifier's training."""
    chosen, spec = job.recipe, job.spec
    if not len(job.split.valid):
        yield "validation", "no clips can be held out of training without losing a label"
    elif (job.clips.manifest.column("split")[job.split.valid] == "valid").all():
        yield "validation", "the published valid split is the validation set"
    if chosen.patience and chosen.ema:
        yield "ema", "with patience the weights of the best epoch are kept"
    if chosen.patience and chosen.patience >= _epochs(job):
        yield "patience", f"the run has {_epochs(job)} epochs"
    if chosen.unmixed and not (chosen.mixup or chosen.cutmix):
        yield "unmixed", "mixup and cutmix are 0"
    if chosen.cutmix == 1 and chosen.mixup:
        yield "mixup", "cutmix is 1, and takes its place in every batch"
    if chosen.network == "bands":
        yield "width", "network bands has no width"
    features = [name.strip() for name in chosen.features.split(",")]
    if len(features) > 1 or features[0] not in ("mel", "stft", "mfcc"):
        for name in ("mel_warp", "noise", "filter_db"):
            if getattr(chosen, name):
                yield name, f"features {chosen.features} are not one frequency axis"
    if chosen.crop_seconds and chosen.image_width:
        yield "crop_seconds", "an image is made of the whole window"
    elif chosen.crop_seconds > spec.window_seconds:
        yield "crop_seconds", f"it is longer than the window, {spec.window_seconds:g} s, which is seen as a whole"


def _other_than_set(job: Job, user: set[str]) -> Iterator[str]:
    """Notes on settings that are rounded, or that others overrule."""
    chosen, spec = job.recipe, job.spec
    if job.options.base is None:
        yield from _rounded(job, user)
    else:
        taken = kept(user)
        if taken:
            yield f"the model to continue from fixes {', '.join(taken)}: the recipe's values are not used"
    if "sample_rate" in user and chosen.sample_rate and (rate := _highest_rate(job)) and chosen.sample_rate > rate:
        yield f"sample_rate={chosen.sample_rate} is above the recordings' {rate} Hz: they hold nothing above {rate / 2:g} Hz"
    if job.task.LEARNER == tasks.DETECTOR:
        return
    count, wanted = len(job.split.train), chosen.epochs + round(chosen.epochs_a_label * len(spec.labels))
    if user & {"epochs", "epochs_a_label"} and _epochs(job) > wanted:
        yield f"{_epochs(job)} epochs instead of {wanted}, since min_steps is {chosen.min_steps} and there are {count} clips"
    batches = fitting.batch_count(count, chosen.batch_size)
    sizes = sorted({count // batches, -(-count // batches)})
    if "batch_size" in user and chosen.batch_size not in sizes:
        yield (
            f"batch_size={chosen.batch_size} becomes {' or '.join(map(str, sizes))}: the {count} clips that train are dealt out "
            "evenly"
        )
    if "sampler" in user and chosen.sampler == "balanced" and job.clips.manifest.multilabel:
        yield "sampler=balanced draws a multi-label clip as often as its rarest label, so labels differ in number"
    held_out = len(job.split.valid)
    share = held_out / (held_out + count)
    if "validation" in user and held_out and abs(share - chosen.validation) > _NEAR * chosen.validation:
        yield f"validation={chosen.validation:g} became {100 * share:.0f}% of the clips: groups are held out as a whole"


def _rounded(job: Job, user: set[str]) -> Iterator[str]:
    """Notes on lengths of time that are brought to whole hops, or whole samples."""
    chosen, spec = job.recipe, job.spec
    hop = spec.front_end["hop_seconds"]
    for name, value, why in (
        ("window_seconds", spec.window_seconds, f"a whole number of hops of {hop:g} s"),
        ("stride_seconds", spec.stride_seconds, f"a whole number of hops of {hop:g} s"),
        ("hop_seconds", hop, f"a whole number of samples at {spec.sample_rate} Hz"),
        ("long_hop_seconds", hop, f"16, 32 or so samples at {spec.sample_rate} Hz, and no more than an analysis frame"),
    ):
        wanted = getattr(chosen, name)
        if name == "long_hop_seconds" and (
            chosen.hop_seconds or (chosen.window_seconds or spec.window_seconds) <= _LONG
        ):
            continue
        if name in user and wanted and abs(value - wanted) > 1e-3 * wanted:
            yield f"{name}={wanted:g} becomes {value:.4g}: {why}"


def _thresholds(job: Job) -> list[str]:
    """A note on labels whose threshold cannot be chosen."""
    if not len(job.split.valid):
        return ["no clips could be held out to choose thresholds on: each label counts from a score of 0.5"]
    counts = job.clips.manifest.take(job.split.valid).indicators(job.spec.labels).sum(axis=0)
    few = [label for label, count in zip(job.spec.labels, counts, strict=True) if count < classification.FEWEST]
    if not few:
        return []
    return [
        f"labels with fewer than {classification.FEWEST} clips in the validation set, which count from a score of 0.5: "
        f"{', '.join(few)}"
    ]


def _epochs(job: Job) -> int:
    return fitting.epochs(job.recipe, len(job.split.train), len(job.spec.labels))


def _highest_rate(job: Job) -> int:
    """The highest rate of some recordings in Hz; 0 where none can be read."""
    paths = job.clips.manifest.table["path"].drop_duplicates()
    index, rates = Index(default_folder()), [0]
    for path in paths.iloc[np.linspace(0, len(paths) - 1, min(len(paths), _SURVEYED)).round().astype(int)]:
        try:
            rates.append(index.header(job.clips.manifest.root / path)[1])
        except AudioError:
            continue
    return max(rates)
