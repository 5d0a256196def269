"""Data and options to jobs: what is trained on which clips, settled and checked before anything is computed."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable

import pandas as pd

from earmark import anomaly, conditions, recipe, splits, training
from earmark.bundle import ANOMALY, MULTILABEL, BundleSpec
from earmark.classifier import Classifier, Embedder
from earmark.dataset import ingest, make_spec, merge_rule
from earmark.errors import DataError, SettingsError
from earmark.manifest import Manifest
from earmark.options import DataOptions, TrainOptions
from earmark.provenance import Job
from earmark.recipe import Recipe
from earmark.splits import Split

_TOO_FEW = 20  # clips to test on: with all of them right, one in six might still be wrong
_FEWEST = 5  # clips of a label of a machine, to spread them over the parts of a split


def prepare(
    data: str | os.PathLike[str],
    source: DataOptions | None,
    options: TrainOptions,
    split: Callable[[Manifest], list[Split]],
) -> list[Job]:
    """Read, check and decode the data once, and settle what is trained on which clips."""
    source = source or DataOptions()
    if options.task not in (recipe.AUTO, ANOMALY):
        raise SettingsError(f"--task is {options.task!r}; choose {recipe.AUTO} or {ANOMALY}")
    chosen = recipe.load(options.recipe, options.settings)  # faults in it are told before the data are read
    # Where there are no labels at all, a plant's recordings are taken to be what plants have: normal sound.
    manifest = source.read(data, alone=(options.normal or conditions.NORMAL) if options.task == ANOMALY else None)
    check = _check_labels if options.task != ANOMALY else _check_single
    check(manifest)
    if options.recipe == recipe.AUTO:
        suited = recipe.DETECTOR if options.task == ANOMALY else recipe.suited(manifest.labels)[0]
        options = dataclasses.replace(options, recipe=suited)
        chosen = recipe.load(options.recipe, options.settings)
    made(manifest, split, options)  # what is wrong with it is better said before everything is decoded
    spec = make_spec(manifest, chosen, channel=options.channel)
    spec = _of_task(spec, manifest, options, chosen)
    training.resolve_device(options.device)
    _check_network(spec, chosen)
    clips = ingest(manifest, sr=spec.sample_rate, channel=options.channel, levels=spec.levels, strict=source.strict)
    check(clips.manifest)
    spec = _of_task(spec, clips.manifest, options, chosen)
    clips = clips.with_copies_grouped()
    parts = made(clips.manifest, split, options)
    if chosen.patience or spec.task == MULTILABEL:
        share, seed = chosen.validation, options.seed
        parts = [splits.with_validation(clips.manifest, one, share=share, seed=seed) for one in parts]
    return [Job(clips, one, chosen, spec, options) for one in parts]


def made(manifest: Manifest, split: Callable[[Manifest], list[Split]], options: TrainOptions) -> list[Split]:
    """The splits, with each machine's clips spread evenly; for an anomaly detector only normal clips are left to train on."""
    parts = split(_by_machine(manifest, options))
    for one in parts:
        if options.task != ANOMALY:
            splits.check_labels(manifest, one)
    if options.task == ANOMALY:
        normal = conditions.chosen_normal(manifest.labels, options.normal, where=manifest.root)
        # With one part to test, all that is not normal can be tested; over folds each clip has its turn.
        parts = [splits.normal_alone(manifest, one, normal, all_others=len(parts) == 1) for one in parts]
    return [_with_caution(parts[0])] if len(parts) == 1 else parts


def _with_caution(split: Split) -> Split:
    """A note where so few clips test that their figures mean nothing."""
    count = len(split.test)
    if not 0 < count < _TOO_FEW:
        return split
    note = f"only {count} clips test: figures of so few prove nothing, see their intervals"
    return dataclasses.replace(split, notes=(*split.notes, note))


def _by_machine(manifest: Manifest, options: TrainOptions) -> Manifest:
    """With the machine in the label, for the split alone, where every machine has clips enough."""
    if not options.per:
        return manifest
    both = pd.Series(manifest.machines(options.per), manifest.table.index) + " " + manifest.table["label"]
    if both.value_counts().min() < _FEWEST:
        return manifest
    return dataclasses.replace(manifest, table=manifest.table.assign(label=both))


def _of_task(spec: BundleSpec, manifest: Manifest, options: TrainOptions, chosen: Recipe) -> BundleSpec:
    """What task, labels and machines of the data settle."""
    names = manifest.machines(options.per)
    normal = ""
    if options.per or options.task == ANOMALY:
        normal = conditions.chosen_normal(manifest.labels, options.normal, where=manifest.root)
    if options.task != ANOMALY:
        return dataclasses.replace(
            spec, labels=tuple(manifest.labels), task=manifest.task, merge=merge_rule(manifest), per=tuple(options.per),
            normal=normal,
        )  # fmt: skip
    rate = anomaly.FalseAlarms.of(chosen.false_alarms, spec.stride_seconds).rate
    known = sorted({n for n, label in zip(names, manifest.table["label"], strict=True) if label == normal})
    return dataclasses.replace(
        spec, labels=(conditions.ABNORMAL,), task=ANOMALY, merge="max", per=tuple(options.per), normal=normal,
        machines=tuple(known) if options.per else (), detector={"rate": rate},
    )  # fmt: skip


def _check_network(spec: BundleSpec, chosen: Recipe) -> None:
    """Settings that do not fit each other are refused before everything is decoded."""
    if spec.task == ANOMALY:
        if chosen.network != "bands":
            raise SettingsError(
                f"setting network is {chosen.network!r}; an anomaly detector takes bands: leave --recipe out, or pass --recipe "
                f"{recipe.DETECTOR}"
            )
        embedder = Embedder(spec)
        embedder.front_end.frames(spec.plan.window)
        return
    fresh = Classifier(spec)
    training.crop_frames(fresh, chosen, fresh.front_end.frames(spec.plan.window))


def _check_labels(manifest: Manifest) -> None:
    if len(manifest.labels) < 2 and manifest.task != MULTILABEL:
        raise DataError(
            f"{manifest.root}: has one label only, {manifest.labels[0]!r}; a classifier needs two: add clips of something else, "
            "or make an anomaly detector with --task anomaly"
        )


def _check_single(manifest: Manifest) -> None:
    if manifest.task == MULTILABEL:
        raise DataError(
            f"{manifest.root}: its clips have several labels or none; an anomaly detector needs one each, normal or another"
        )
