"""Data and options to jobs: read, check, choose the recipe, describe, decode, split. Nothing is trained yet."""

from __future__ import annotations

import dataclasses
import os
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from earmark import tasks
from earmark.bundle import BundleSpec
from earmark.data import splits
from earmark.data.clips import Clips, ingest
from earmark.data.manifest import Manifest
from earmark.data.options import DataOptions
from earmark.data.splits import Split
from earmark.errors import DataError, SettingsError
from earmark.tasks import Task
from earmark.training import recipe
from earmark.training.options import AUTO, TrainOptions
from earmark.training.settings import Recipe
from earmark.workflow import learners
from earmark.workflow.job import Job
from earmark.workflow.reading import few_to_test, read, reading_notes, recording_notes
from earmark.workflow.starting import Start, start_of

Splitter = Callable[[Manifest, Sequence[str]], list[Split]]
"""Manifest and what is to be spread evenly, to splits."""

CURVES = 0.05
"""Share of the training groups that draws validation curves where nothing is chosen by it."""
_PLENTY, _MANY = 200, 40  # clips of every label, and groups, from which some are held out for curves
_FEWEST = 5  # clips of a label of a machine, to spread them over the parts of a split


def plan(data: str | os.PathLike[str], source: DataOptions, options: TrainOptions, splitter: Splitter) -> list[Job]:
    """What is trained on which clips: a job for each split, from data that are read, checked and decoded once."""
    start = start_of(options)
    asked = check_options(options)
    manifest = read(data, source, None if asked is None else asked.unlabelled_as(options.normal))
    notes = reading_notes(manifest)
    task = asked or start.task(manifest)
    task.check(manifest, continued=start.continued)
    name, chosen = choose_recipe(manifest, task, options, start)
    divide(manifest, task, options, splitter)  # a faulty split is reported before everything is decoded
    spec, chosen = start.describe(manifest, chosen, options)
    options = dataclasses.replace(options, recipe=name)
    spec = task.describe(spec, manifest, start.labels(manifest), options.per, options.normal)
    learners.of(spec).check(spec, chosen, options)
    clips = decode(manifest, task, spec, start, strict=source.strict)
    notes += recording_notes(clips)
    spec = task.describe(spec, clips.manifest, start.labels(clips.manifest), options.per, options.normal)
    parts = divide(clips.manifest, task, options, splitter)
    parts = [_prepared(part, clips, task, chosen, start, options, notes) for part in parts]
    if len(parts) == 1:
        parts = [parts[0].noted(*few_to_test(len(parts[0].test)))]
    return [_job(clips, part, chosen, spec, options) for part in parts]


def holdout(options: TrainOptions, test_fold: str | None, folds: int | None) -> Splitter:
    """One split, as `earmark.data.splits.holdout` makes it."""

    def split(manifest: Manifest, strata: Sequence[str]) -> list[Split]:
        seed, leak = options.seed, options.allow_leak
        return [splits.holdout(manifest, test_fold=test_fold, folds=folds, seed=seed, allow_leak=leak, strata=strata)]

    return split


def check_options(options: TrainOptions) -> Task | None:
    """The task that is asked for, if one is; options that contradict each other are refused before the data are read.

    Raises
    ------
    SettingsError
        With the remedy.
    """
    asked = tasks.asked(options.task)
    detects = asked is not None and asked.LEARNER == tasks.DETECTOR
    if options.base is not None and asked is not None:
        why = "continues from classifiers" if detects else "takes the task of its model"
        more = " (earmark.adapt teaches detectors)" if detects else ""
        raise SettingsError(f"base=MODEL {why}: remove it or task={asked.NAME}{more}")
    if options.normal is not None and not options.per and not detects:
        raise SettingsError(
            f"normal is {options.normal!r}, but only per=COLUMNS and task='anomaly' require it; remove it"
        )
    recipe.load(options.recipe, options.settings)
    return asked


def choose_recipe(manifest: Manifest, task: Task, options: TrainOptions, start: Start) -> tuple[str, Recipe]:
    """Name of the recipe for these data, this task and this start, and its settings.

    Raises
    ------
    SettingsError
        For a setting that contradicts the start.
    """
    name = options.recipe
    if name == AUTO:
        name = task.RECIPE or start.RECIPE or name
    name = recipe.resolved(name, manifest.labels, manifest.layout)[0]
    chosen = recipe.load(name, options.settings)
    start.check_recipe(chosen)
    return name, chosen


def decode(manifest: Manifest, task: Task, spec: BundleSpec, start: Start, *, strict: bool) -> Clips:
    """The clips that can be used, duplicates in one group, checked once more without the excluded ones.

    Raises
    ------
    DataError
        Where too little is left.
    """
    clips = ingest(manifest, sr=spec.sample_rate, channel=spec.channel, levels=spec.levels, strict=strict)
    try:
        task.check(clips.manifest, continued=start.continued)
    except DataError as error:
        if not clips.skipped:
            raise
        raise DataError(f"{error}; {len(clips.skipped)} clips cannot be used, e.g. {clips.skipped[0]}") from error
    return clips.with_copies_grouped()


def divide(manifest: Manifest, task: Task, options: TrainOptions, splitter: Splitter) -> list[Split]:
    """The splits, with each machine's clips spread evenly, as the task trains and tests on them."""
    return task.parts(manifest, splitter(manifest, _strata(manifest, options)), options.normal)


def _strata(manifest: Manifest, options: TrainOptions) -> list[str]:
    """Machine and label of each clip, where every machine has clips enough to spread them."""
    if not options.per:
        return []
    both = [f"{m} {x}" for m, x in zip(manifest.machines(options.per), manifest.table["label"], strict=True)]
    return both if min(Counter(both).values()) >= _FEWEST else []


def _prepared(
    split: Split, clips: Clips, task: Task, chosen: Recipe, start: Start, options: TrainOptions, notes: Sequence[str]
) -> Split:
    """The split with a validation set, where one is needed, and with the notes on the data."""
    split, known = start.divide(split, clips)
    if task.LEARNER == tasks.NETWORK:
        split = _with_validation(split, clips.manifest, task, chosen, options, known)
    return split.noted(*notes)


def _with_validation(
    split: Split, manifest: Manifest, task: Task, chosen: Recipe, options: TrainOptions, known: NDArray[np.bool_] | None
) -> Split:
    """The split with clips to choose by, where something is chosen; else with clips for curves, where there are plenty."""
    stops = bool(chosen.patience)
    chooses, asked = task.THRESHOLDS or stops, "validation" in recipe.given(options.recipe, options.settings)
    if not (chooses or asked or has_plenty(manifest, split)):
        return split
    share = chosen.validation if chooses or asked else CURVES
    purpose = "to choose by" if chooses else "for validation curves"
    return splits.with_validation(
        manifest, split, share=share, seed=options.seed, known=known, needed=stops, purpose=purpose
    )


def has_plenty(manifest: Manifest, split: Split) -> bool:
    """Whether some training clips can be spared for curves: so many of every label that accuracy hardly changes."""
    train = manifest.take(split.train)
    return min(train.counts.values()) >= _PLENTY and train.table["group"].nunique() >= _MANY


def _job(clips: Clips, split: Split, chosen: Recipe, spec: BundleSpec, options: TrainOptions) -> Job:
    """The job; what follows from the clips that train is in its description."""
    task = tasks.of(spec)
    task.check_split(clips.manifest, split)
    spec, notes = task.trained(spec, clips.manifest, split.train)
    return Job(clips, split.noted(*notes), chosen, spec, options)
