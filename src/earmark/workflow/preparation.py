"""Data and options to jobs: what is trained on which clips, settled and checked before anything is computed."""

from __future__ import annotations

import dataclasses
import logging
import os
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from earmark.bundle import ANOMALY, MULTILABEL, Bundle, BundleSpec
from earmark.data import conditions, layouts, splits
from earmark.data.clips import Clips, ingest
from earmark.data.inspection import FAULTS
from earmark.data.inventory import UNREAD_LABELS
from earmark.data.manifest import Manifest
from earmark.data.options import DataOptions
from earmark.data.selections import beside
from earmark.data.shortcuts.manifests import of_manifest
from earmark.data.similar import similar_labels
from earmark.data.splits import Split
from earmark.errors import DataError, SettingsError
from earmark.networks.classifier import Classifier, Embedder
from earmark.training import detectors, fitting, recipe
from earmark.training.options import TrainOptions
from earmark.training.recipe import Recipe
from earmark.workflow import continuing
from earmark.workflow.describing import make_spec, merge_rule
from earmark.workflow.provenance import Job

log = logging.getLogger("earmark")

Splitter = Callable[[Manifest, Sequence[str]], list[Split]]
"""Manifest and what is to be spread evenly, to splits."""

_TOO_FEW = 20  # clips to test on: with all of them right, one in six might still be wrong
ALL_NORMAL = ", or pass --layout recordings where all of it is normal sound"
_FEWEST = 5  # clips of a label of a machine, to spread them over the parts of a split


def held_out(options: TrainOptions, test_fold: str | None, folds: int | None) -> Splitter:
    """One split, as `earmark.data.splits.holdout` makes it."""

    def split(manifest: Manifest, strata: Sequence[str]) -> list[Split]:
        seed, leak = options.seed, options.allow_leak
        return [splits.holdout(manifest, test_fold=test_fold, folds=folds, seed=seed, allow_leak=leak, strata=strata)]

    return split


def prepare(
    data: str | os.PathLike[str],
    source: DataOptions | None,
    options: TrainOptions,
    split: Splitter,
) -> list[Job]:
    """Read, check and decode the data once, and settle what is trained on which clips."""
    source = source or DataOptions()
    _check_options(options)
    manifest = _read(data, source, options)
    taken = reading_notes(manifest)
    check = _check_single if options.task == ANOMALY else partial(_check_labels, goes_on=options.base is not None)
    check(manifest)
    base = continuing.opened(options)
    picked = options.recipe
    options = dataclasses.replace(options, recipe=_suited(manifest, options))
    chosen = recipe.load(options.recipe, options.settings)
    if base is not None and chosen.teachers:
        raise SettingsError(
            f"setting teachers is {chosen.teachers}; with --from there is a model to learn from: leave it out"
        )
    _parts(manifest, split, options)  # what is wrong with it is better said before everything is decoded
    spec, chosen = _described(manifest, options, picked, chosen, base)
    spec = _of_task(spec, manifest, options, base)
    fitting.resolve_device(options.device)
    _check_network(spec, chosen, options.recipe)
    clips = ingest(manifest, sr=spec.sample_rate, channel=spec.channel, levels=spec.levels, strict=source.strict)
    _check_left(clips, check)
    taken += recording_notes(clips)
    spec = _of_task(spec, clips.manifest, options, base)
    clips = clips.with_copies_grouped()
    parts = _parts(clips.manifest, split, options)

    def settled(one: Split) -> Split:
        known = None
        if base is not None:
            one, known = continuing.prepared(one, base.spec, clips)
        if spec.task == MULTILABEL or (chosen.patience and spec.task != ANOMALY):
            one = splits.with_validation(
                clips.manifest,
                one,
                share=chosen.validation,
                seed=options.seed,
                known=known,
                needed=bool(chosen.patience),
            )
        return one

    parts = [_noted(settled(one), taken) for one in parts]
    if len(parts) == 1:
        parts = [_noted(parts[0], few_to_test(len(parts[0].test)))]
    if options.task == ANOMALY:
        return [_of_machines(Job(clips, one, chosen, spec, options)) for one in parts]
    for one in parts:
        splits.check_labels(clips.manifest, one)
    return [Job(clips, one, chosen, spec, options) for one in parts]


def _described(
    manifest: Manifest, options: TrainOptions, picked: str, chosen: Recipe, base: Bundle | None
) -> tuple[BundleSpec, Recipe]:
    """What the data ask for; or the model to continue from, and the recipe with what that model fixes."""
    if base is None:
        return make_spec(manifest, chosen, channel=options.channel), chosen
    given = {change.partition("=")[0].strip() for change in options.settings}
    if picked not in (recipe.AUTO, recipe.FINETUNE, *recipe.TIERS):
        given |= recipe.named(picked)
    return base.spec, continuing.settled(chosen, base.spec, given)


def _check_options(options: TrainOptions) -> None:
    """What contradicts itself is told before the data are read."""
    if options.task not in (recipe.AUTO, ANOMALY):
        raise SettingsError(f"--task is {options.task!r}; choose {recipe.AUTO} or {ANOMALY}")
    if options.base is not None and options.task == ANOMALY:
        raise SettingsError(
            "--from goes on from classifiers: leave it or --task anomaly out (earmark adapt teaches detectors)"
        )
    if options.normal is not None and not options.per and options.task != ANOMALY:
        raise SettingsError(
            f"--normal is {options.normal!r}, but only --per and --task anomaly ask for it; leave it out"
        )
    recipe.load(options.recipe, options.settings)


def _read(data: str | os.PathLike[str], source: DataOptions, options: TrainOptions) -> Manifest:
    """The data as they are, with a word on what may not be meant."""
    # Where there are no labels at all, a plant's recordings are taken to be what plants have: normal sound.
    manifest = source.read(data, alone=(options.normal or conditions.NORMAL) if options.task == ANOMALY else None)
    for rarer, commoner in similar_labels(manifest.counts):
        log.info("note      label %r looks like a slip of %r; they are learnt as two", rarer, commoner)
    return manifest


def reading_notes(manifest: Manifest) -> list[str]:
    """What a user must know of how the data were read: what was chosen, and what is not used.

    Raises
    ------
    DataError
        Naming one that sounds like a fault.
    """
    unused = [str(manifest.files)] if manifest.files is not None and manifest.files.unused else []
    notes = [*manifest.notes, *unused]
    if manifest.layout != layouts.ALONE:
        return notes
    folder = manifest.root.resolve().name
    conditions.refuse_faulty_names((f"{folder}/{path}" for path in manifest.table["path"]), where=manifest.root)
    return [f"{len(manifest)} recordings without labels are taken for normal", *notes]


def _check_left(clips: Clips, check: Callable[[Manifest], None]) -> None:
    """Check what is left when clips that cannot be used are excluded."""
    try:
        check(clips.manifest)
    except DataError as error:
        if not clips.skipped:
            raise
        raise DataError(f"{error}; {len(clips.skipped)} clips cannot be used, e.g. {clips.skipped[0]}") from error


def recording_notes(clips: Clips) -> list[str]:
    """What a user must know of the recordings: oddities of those that are used, and facts of the files that predict the label."""
    kinds: dict[str, list[tuple[str, str]]] = {}
    for path, kind, detail in clips.remarks:
        kinds.setdefault(kind, []).append((path, detail))
    odd = [
        f"{len(found)} recordings have {FAULTS[kind]} (first: {found[0][0]}: {found[0][1]})"
        for kind, found in kinds.items()
    ]
    recordings = dict(zip(clips.manifest.table["path"], clips.decoded, strict=True))
    found = of_manifest(clips.manifest, {path: one.facts() for path, one in recordings.items()})
    return odd + [shortcut.sentence for shortcut in found]


def _parts(manifest: Manifest, split: Splitter, options: TrainOptions) -> list[Split]:
    """The splits, with each machine's clips spread evenly; for an anomaly detector only normal clips are left to train on."""
    normal = ""
    if options.task == ANOMALY:
        normal = conditions.chosen_normal(manifest.labels, options.normal, where=manifest.root, hint=ALL_NORMAL)
        _refuse_unread_labels(manifest, normal)
    parts = split(manifest, _strata(manifest, options))
    if options.task == ANOMALY:
        # With one part to test, all that is not normal can be tested; over folds each clip has its turn.
        parts = [splits.normal_alone(manifest, one, normal, all_others=len(parts) == 1) for one in parts]
    else:
        for one in parts:
            splits.check_labels(manifest, one)
    return parts


def _noted(split: Split, notes: Sequence[str]) -> Split:
    return dataclasses.replace(split, notes=(*split.notes, *notes))


def few_to_test(count: int) -> list[str]:
    """A note where so few clips test that their figures mean nothing."""
    few = 0 < count < _TOO_FEW
    return [f"only {count} clips test: figures of so few prove nothing, see their intervals"] if few else []


def _strata(manifest: Manifest, options: TrainOptions) -> list[str]:
    """Machine and label of each clip, where every machine has clips enough to spread them."""
    if not options.per:
        return []
    both = [f"{m} {x}" for m, x in zip(manifest.machines(options.per), manifest.table["label"], strict=True)]
    return both if min(Counter(both).values()) >= _FEWEST else []


def _suited(manifest: Manifest, options: TrainOptions) -> str:
    """Name of the recipe for these data and this task."""
    if options.recipe == recipe.AUTO and options.task == ANOMALY:
        return recipe.DETECTOR
    if options.recipe == recipe.AUTO and options.base is not None:
        return recipe.FINETUNE
    return recipe.resolved(options.recipe, manifest.labels, manifest.layout)[0]


def _of_task(spec: BundleSpec, manifest: Manifest, options: TrainOptions, base: Bundle | None) -> BundleSpec:
    """What task, labels and machines of the data settle."""
    if base is not None:
        spec = continuing.continued(base.spec, manifest)
    if options.per and manifest.task == MULTILABEL:
        raise DataError(
            f"{manifest.root}: its clips have several labels or none, of which none is the normal one; leave out --per"
        )
    manifest.machines(options.per)  # refused early where a column or a value is missing
    normal = ""
    if options.per or options.task == ANOMALY:
        normal = conditions.chosen_normal(manifest.labels, options.normal, where=manifest.root)
    if options.task != ANOMALY:
        labels = tuple(manifest.labels) if base is None else spec.labels
        rule, per = merge_rule(manifest), tuple(options.per)
        return dataclasses.replace(spec, labels=labels, task=manifest.task, merge=rule, per=per, normal=normal)
    return dataclasses.replace(
        spec, labels=(conditions.ABNORMAL,), task=ANOMALY, merge="max", per=tuple(options.per), normal=normal,
    )  # fmt: skip


def _of_machines(job: Job) -> Job:
    """The machines of which normal clips are learnt from, and a note where there are others."""
    names = np.array(job.clips.manifest.machines(job.spec.per), object)
    learnt = tuple(sorted(set(names[job.split.train]) - {""}))
    split = job.split
    if strange := sorted(set(names) - {*learnt, ""}):
        note = f"machines that the detector does not learn, since no normal clip of theirs trains: {', '.join(strange)}"
        split = _noted(split, [note])
    return dataclasses.replace(job, split=split, spec=dataclasses.replace(job.spec, machines=learnt))


def _check_network(spec: BundleSpec, chosen: Recipe, name: str) -> None:
    """Settings that do not fit each other are refused before everything is decoded."""
    if spec.task == ANOMALY:
        if chosen.network != "bands":
            raise SettingsError(
                f"setting network is {chosen.network!r}; an anomaly detector takes bands: leave that setting out, and take recipe "
                f"{recipe.DETECTOR}"
            )
        if chosen.shifts > 1:
            raise SettingsError(
                f"setting shifts is {chosen.shifts}; an anomaly detector hears each window once: leave it out"
            )
        detectors.false_alarm_rate(chosen.false_alarms, spec.stride_seconds, 1)
        embedder = Embedder(spec)
        embedder.front_end.frames(spec.plan.window)
        return
    if name == recipe.DETECTOR:
        raise SettingsError(
            f"recipe {recipe.DETECTOR} makes anomaly detectors (earmark train --task anomaly); choose another recipe"
        )
    fresh = Classifier(spec)
    fitting.crop_frames(fresh, chosen, fresh.front_end.frames(spec.plan.window))


def _check_labels(manifest: Manifest, *, goes_on: bool) -> None:
    if len(manifest.labels) < 2 and manifest.task != MULTILABEL:
        remedy = (
            "add clips of the others that the model knows, which it would forget"
            if goes_on
            else "a classifier needs two: add clips of something else, or make a detector with earmark train --task anomaly"
        )
        raise DataError(f"{manifest.root}: has one label only, {manifest.labels[0]!r}; {remedy}")


def _refuse_unread_labels(manifest: Manifest, normal: str) -> None:
    """A detector must not learn what label files mark that cannot be read.

    Raises
    ------
    DataError
        Naming the first of them.
    """
    unread = [] if manifest.files is None else manifest.files.unused.get(UNREAD_LABELS, ())
    rows = manifest.table
    learnt = [path for path, label in zip(rows["path"], rows["label"], strict=True) if label == normal]
    if found := [place for places in beside(learnt, unread).values() for place in places]:
        raise DataError(
            f"{manifest.root}: {len(found)} files beside its {normal} recordings may be labels of unknown format "
            f"(first: {found[0]}); correct them, or move them away if they are none"
        )


def _check_single(manifest: Manifest) -> None:
    if manifest.task == MULTILABEL:
        raise DataError(
            f"{manifest.root}: its clips have several labels or none; an anomaly detector needs one each, normal or another"
        )
