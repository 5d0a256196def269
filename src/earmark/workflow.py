"""From data to bundle, metrics and report: what the command line and ``earmark.train`` call."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from earmark import audio, bundle, evaluation, export, measuring, provenance, recipe, report, splits, training
from earmark.bundle import MULTILABEL
from earmark.classifier import Classifier
from earmark.dataset import Clips, Features, ingest, make_spec, merge_rule
from earmark.errors import AudioError, DataError, Interrupted
from earmark.files import atomic_folder, claim_output, make_folder, partial, publish_folder, work_folder, write_text
from earmark.manifest import Manifest, write_csv
from earmark.model import load
from earmark.options import DataOptions, TrainOptions
from earmark.provenance import Job
from earmark.splits import Split

log = logging.getLogger("earmark")

PREDICTIONS = "predictions.csv"
REPORT = "report.html"
CROSSVAL = "crossval.json"


@dataclass(frozen=True)
class Result:
    """What a training run gave.

    Attributes
    ----------
    path : Path
        The bundle.
    metrics : dict
        As `earmark.evaluation.measure`; empty where nothing was tested.
    skipped : tuple of AudioError
        Why clips were left out, one each.
    notes : tuple of str
        What a reader of the figures must know.
    """

    path: Path
    metrics: dict[str, Any]
    skipped: tuple[AudioError, ...] = field(default=())
    notes: tuple[str, ...] = field(default=())


def train(
    data: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    test_fold: str | None = None,
    folds: int = 5,
    source: DataOptions | None = None,
    options: TrainOptions | None = None,
) -> Result:
    """Train, evaluate, export and check a classifier.

    Parameters
    ----------
    data : path
        Data set: a folder or a table.
    out : path
        The bundle's folder. While it is being made, its state lies beside it in ``OUT.partial``.
    test_fold : str, optional
        Fold or split that tests; ``none`` to train on everything.
    folds : int
        Without official folds, one of this many grouped ones is held out.
    source : DataOptions, optional
    options : TrainOptions, optional

    Returns
    -------
    Result

    Raises
    ------
    EarmarkError
        Of the kind that says what is wrong; nothing is at ``out`` then.
    """
    options = options or TrainOptions()

    def split(manifest: Manifest) -> list[Split]:
        return [
            splits.holdout(manifest, test_fold=test_fold, folds=folds, seed=options.seed, allow_leak=options.allow_leak)
        ]

    target = claim_output(out, overwrite=options.overwrite)
    (job,) = _jobs(data, source, options, split)
    return _train_split(job, target)


def crossval(
    data: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    folds: int | None = None,
    show_leak: bool = False,
    source: DataOptions | None = None,
    options: TrainOptions | None = None,
) -> dict[str, Any]:
    """Train a model per fold and pool what each says of the clips it has not seen.

    Parameters
    ----------
    data, source, options
        As for `train`.
    out : path
        Takes a bundle per fold, ``crossval.json``, ``predictions.csv`` and ``report.html``.
    folds : int, optional
        Number of grouped folds; the official ones by default, or 5.
    show_leak : bool
        Also train on as many folds made at random, whatever the groups, to show what those would claim.

    Returns
    -------
    dict
        Pooled metrics, with ``folds`` and their ``mean`` and ``std``, and ``skipped``; with ``show_leak`` the same of the
        random folds under ``random``.
    """
    options = options or TrainOptions()

    def split(manifest: Manifest) -> list[Split]:
        made = splits.crossval_folds(manifest, folds=folds, seed=options.seed, allow_leak=options.allow_leak)
        return made + (splits.random_folds(manifest, folds=len(made), seed=options.seed) if show_leak else [])

    target = claim_output(out, overwrite=options.overwrite)
    jobs = _jobs(data, source, options, split)
    work = work_folder(target, provenance.identity(jobs), resume=options.resume, overwrite=options.overwrite)
    places = [work / job.split.name.split(" of ")[0].replace(" ", "-") for job in jobs]
    try:
        for number, (job, place) in enumerate(zip(jobs, places, strict=True), start=1):
            log.info("— %s (%d of %d)", job.split.name, number, len(jobs))
            if not (options.resume and place.exists()):
                again = dataclasses.replace(options, resume=options.resume and partial(place).exists())
                _train_split(dataclasses.replace(job, options=again), place)
    except BaseException:
        if not any(place.exists() or partial(place).exists() for place in places):
            shutil.rmtree(work)
        raise
    count = len(jobs) // 2 if show_leak else len(jobs)
    summary = _pooled(jobs[:count], places[:count], work)
    if show_leak:
        summary["random"] = _pooled(jobs[count:], places[count:], make_folder(work / "random"))
        write_text(work / CROSSVAL, json.dumps(summary, indent=1, ensure_ascii=False) + "\n")
    (work / "run.json").unlink()
    publish_folder(work, target)
    return summary


def evaluate(
    model: str | os.PathLike[str],
    data: str | os.PathLike[str],
    *,
    split: str = "test",
    source: DataOptions | None = None,
    out: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Measure a bundle on a data set.

    Parameters
    ----------
    model, data : path
    split : {"test", "all"}
        ``test`` leaves out the clips whose recordings the bundle was trained on, found by their content.
    source : DataOptions, optional
    out : path, optional
        Folder that takes ``metrics.json``, ``predictions.csv`` and ``report.html``.
    overwrite : bool

    Returns
    -------
    dict
        Metrics, ``skipped``, ``notes``, and ``trained_on``: how many of the clips the bundle was trained on.
    """
    source = source or DataOptions()
    target = None if out is None else claim_output(out, overwrite=overwrite)
    if split not in ("test", "all"):
        raise DataError(f"--split is {split!r}; choose test or all")
    loaded = load(model)
    manifest = source.read(data)
    if manifest.task == MULTILABEL != loaded.spec.task:
        raise DataError(
            f"{manifest.root}: its clips have several labels or none, the model tells one each; choose other data"
        )
    known = loaded.spec
    clips = ingest(manifest, sr=known.sample_rate, channel=known.channel, levels=known.levels, strict=source.strict)
    seen = set(loaded.spec.provenance.get("trained_on", ()))
    fresh = np.array([h not in seen for h in clips.hashes])
    copied = measuring.copies_of(fresh, clips.copies())
    fresh &= ~copied
    groups = clips.manifest.column("group")
    both = set(groups[fresh]) & set(groups[~fresh])
    notes = [n for n in loaded.spec.provenance.get("split", {}).get("notes", ()) if n.startswith("LEAK")]
    if copied.any():
        notes.append(f"{int(copied.sum())} clips hold the same sound as clips that were trained on, and count as those")
    if both:
        notes.append(f"{len(both)} groups have clips that were trained on and clips tested here, e.g. {min(both)}")
    if split == "test" and not fresh.all():
        if not fresh.any():
            raise DataError(
                f"{manifest.root}: the model was trained on all of its {len(fresh)} clips; pass --split all to take them"
            )
        clips = clips.take(np.flatnonzero(fresh))
    elif not fresh.all():
        notes.append(f"{int((~fresh).sum())} of the clips were trained on, so the figures are too high (--split all)")
    unknown = sorted(set(clips.manifest.labels) - set(loaded.labels))
    if unknown:
        what = "left aside" if loaded.spec.task == MULTILABEL else "counted as wrong"
        notes.append(f"labels that the model does not know, {what}: {', '.join(unknown)}")
    scores = measuring.scores(loaded, clips)
    metrics = measuring.measured(scores, clips.manifest, loaded.spec, unknown)
    metrics["skipped"] = [{"path": e.source, "error": str(e)} for e in clips.skipped]
    metrics["trained_on"] = int((~fresh).sum())
    metrics["notes"] = notes
    if target is not None:
        facts = {"model": model, "data": manifest.root, "layout": manifest.layout, "clips": len(manifest)}
        page = report.page("Earmark evaluation", metrics, facts=facts, notes=notes, skipped=clips.reasons)
        with atomic_folder(target) as folder:
            write_csv(provenance.predictions(clips.manifest, scores, loaded.spec), folder / PREDICTIONS)
            write_text(folder / "metrics.json", json.dumps(metrics, indent=1, ensure_ascii=False) + "\n")
            write_text(folder / REPORT, page)
    return metrics


def _jobs(
    data: str | os.PathLike[str],
    source: DataOptions | None,
    options: TrainOptions,
    split: Callable[[Manifest], list[Split]],
) -> list[Job]:
    """Read, check and decode the data once, and settle what is trained on which clips."""
    source = source or DataOptions()
    chosen = recipe.load(options.recipe, options.settings)  # faults in it are told before the data are read
    manifest = source.read(data)
    _check_labels(manifest)
    if options.recipe == recipe.AUTO:
        options = dataclasses.replace(options, recipe=recipe.suited(manifest.labels)[0])
        chosen = recipe.load(options.recipe, options.settings)
    split(manifest)  # what is wrong with it is better said before everything is decoded
    spec = make_spec(manifest, chosen, channel=options.channel)
    training.resolve_device(options.device)
    fresh = Classifier(spec)  # settings that do not fit each other are refused before everything is decoded
    training.crop_frames(fresh, chosen, fresh.front_end.frames(spec.plan.window))
    clips = ingest(manifest, sr=spec.sample_rate, channel=options.channel, levels=spec.levels, strict=source.strict)
    _check_labels(clips.manifest)
    spec = dataclasses.replace(
        spec, labels=tuple(clips.manifest.labels), task=clips.manifest.task, merge=merge_rule(clips.manifest)
    )
    clips = clips.with_copies_grouped()
    made = split(clips.manifest)
    if chosen.patience or spec.task == MULTILABEL:
        share, seed = chosen.validation, options.seed
        made = [splits.with_validation(clips.manifest, one, share=share, seed=seed) for one in made]
    return [Job(clips, one, chosen, spec, options) for one in made]


def _pooled(jobs: list[Job], places: list[Path], folder: Path) -> dict[str, Any]:
    """What all folds say together, from their bundles; written into ``folder``."""
    clips, spec, options = jobs[0].clips, jobs[0].spec, jobs[0].options
    keys = ("n", "accuracy", "map", "precision", "recall", "f1", "loss")
    measured = [bundle.read(place).spec.metrics for place in places]
    found = [{"name": j.split.name, **{k: m[k] for k in keys if k in m}} for j, m in zip(jobs, measured, strict=True)]
    pooled = pd.concat(
        [pd.read_csv(p / PREDICTIONS, dtype=str, keep_default_na=False) for p in places], ignore_index=True
    )
    scores = pooled[[f"score_{label}" for label in spec.labels]].to_numpy(np.float32)
    tested = Manifest.of(pooled, clips.manifest.root)
    mean, deviation = evaluation.over_folds(found)
    notes = sorted({note for job in jobs for note in job.split.notes})
    summary = {
        **measuring.measured(scores, tested, spec, heard=measuring.heard(pooled, spec)),
        "folds": found, "mean": mean, "std": deviation,
        "skipped": [{"path": e.source, "error": str(e)} for e in clips.skipped], "notes": notes,
    }  # fmt: skip
    protocol = f"{len(jobs)} folds, each tested by a model that did not train on it, as {jobs[0].split.protocol}"
    facts = {**provenance.facts(clips.manifest, spec, options), "protocol": protocol}
    page = report.page(
        "Earmark cross-validation", summary, facts=facts, notes=notes, skipped=clips.reasons, folds=found
    )
    write_csv(pooled, folder / PREDICTIONS)
    write_text(folder / CROSSVAL, json.dumps(summary, indent=1, ensure_ascii=False) + "\n")
    write_text(folder / REPORT, page)
    return summary


def _train_split(job: Job, target: Path) -> Result:
    """Train on one split and publish the bundle."""
    torch.manual_seed(job.options.seed)
    classifier = Classifier(job.spec, dropout=job.recipe.dropout)
    work = work_folder(target, provenance.identity([job]), resume=job.options.resume, overwrite=job.options.overwrite)
    try:
        epochs = _fit(job, classifier, work)
        finished = make_folder(work / "bundle")
        metrics = _finish(job, classifier, epochs, work, finished)
    except BaseException:
        if not (work / training.CHECKPOINT).exists():
            shutil.rmtree(work)
        raise
    publish_folder(finished, target)
    shutil.rmtree(work)
    return Result(target, metrics, job.clips.skipped, job.split.notes)


def _fit(job: Job, classifier: Classifier, work: Path) -> int:
    """Spectrograms, statistics, plan, training; the number of epochs trained."""
    front_end = classifier.front_end
    manifest, labels = job.clips.manifest, job.spec.labels
    targets = manifest.several(labels) if job.spec.task == MULTILABEL else manifest.targets(labels)
    parts: dict[str, tuple[Features, NDArray[np.int64]]] = {}
    resume = job.options.resume and (work / training.CHECKPOINT).exists()
    try:
        for name, rows in (("train", job.split.train), ("valid", job.split.valid)):
            if len(rows):
                folder = make_folder(work / f"features-{name}")
                parts[name] = Features(front_end, job.clips.take(rows), job.spec.plan, folder), targets[rows]
        frames = front_end.frames(job.spec.plan.window)
        front_end.set_statistics(*parts["train"][0].statistics(front_end, frames))
        count = len(job.split.train)
        seconds = training.seconds(classifier, job.recipe, clips=count, window_frames=frames, device=job.options.device)
        for line in provenance.plan(job, classifier, training.epochs(job.recipe, count), seconds):
            log.info("%s", line)
        return training.fit(
            classifier, parts["train"], parts.get("valid"), job.recipe, window_frames=frames, folder=work,
            seed=job.options.seed, device=job.options.device, resume=resume,
        )  # fmt: skip
    except Interrupted as error:
        if (work / training.CHECKPOINT).exists():
            kept = f"{work} holds the last checkpoint: run the same command with --resume to go on"
        else:
            kept = "nothing was saved yet, so that nothing is kept"
        raise Interrupted(f"interrupted; {kept}") from error
    finally:
        for name, (features, _) in parts.items():
            features.close()
            shutil.rmtree(work / f"features-{name}")


def _finish(job: Job, classifier: Classifier, epochs: int, work: Path, folder: Path) -> dict[str, Any]:
    """Export, compare with torch, test, report: everything of the bundle, into ``folder``; the metrics."""
    log.info("exporting to ONNX and comparing with torch")
    spec = dataclasses.replace(job.spec, provenance=provenance.record(job, epochs))
    export.write_model(classifier, spec, folder)
    bundle.write_description(folder, spec)
    model = load(folder)
    if spec.task == MULTILABEL:
        valid = job.clips.take(job.split.valid)
        chosen = evaluation.thresholds(measuring.scores(model, valid), valid.manifest.several(spec.labels))
        spec = dataclasses.replace(spec, thresholds=chosen)
        export.describe(spec, folder)
    difference = export.verify(classifier, model, _probes(job.clips, job.split, spec.sample_rate))
    log.info("largest difference in probabilities: %.1g", difference)
    metrics: dict[str, Any] = {}
    if len(job.split.test):
        tested = job.clips.take(job.split.test)
        scores = measuring.scores(model, tested)
        metrics = measuring.measured(scores, tested.manifest, spec)
        write_csv(provenance.predictions(tested.manifest, scores, spec), folder / PREDICTIONS)
    spec = dataclasses.replace(spec, metrics=metrics)
    write_text(folder / "README.md", report.model_card(spec, job.split.notes))
    facts = {**provenance.facts(job.clips.manifest, spec, job.options), "protocol": job.split.protocol}
    page = report.page(
        "Earmark training report", metrics, facts=facts, notes=job.split.notes, skipped=job.clips.reasons,
        history=training.history(work),
    )  # fmt: skip
    write_text(folder / REPORT, page)
    shutil.copytree(work / "logs", folder / "logs", dirs_exist_ok=True)
    bundle.write_description(folder, spec)
    return metrics


def _probes(clips: Clips, split: Split, sr: int) -> list[NDArray[np.float32]]:
    """Real clips to compare torch and ONNX on, the last of them brought in at another rate."""
    rows = split.test if len(split.test) else split.train
    chosen = [np.array(clips.waveform(i)) for i in rows[:: max(1, len(rows) // 8)][:8]]
    other = 22_050 if sr != 22_050 else 16_000
    return [*chosen, audio.from_array(audio.resample(chosen[0], sr, other), other, wanted=sr)]


def _check_labels(manifest: Manifest) -> None:
    if len(manifest.labels) < 2 and manifest.task != MULTILABEL:
        raise DataError(
            f"{manifest.root}: has one label only, {manifest.labels[0]!r}; a classifier needs two: add clips of something else"
        )
