"""One split to one bundle."""

from __future__ import annotations

import dataclasses
import logging
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import safetensors
import safetensors.torch
import torch
from numpy.typing import NDArray

from earmark import bundle, export
from earmark.bundle import ANOMALY, MULTILABEL, BundleSpec
from earmark.data.manifest import write_csv
from earmark.data.options import DataOptions
from earmark.errors import AudioError, DiskError, Interrupted, OutputError
from earmark.evaluation import classification, detection
from earmark.figures import report
from earmark.figures.plots import Figure
from earmark.inference.model import load
from earmark.networks.classifier import Classifier
from earmark.support.files import (
    atomic_file,
    claim_output,
    make_folder,
    publish_folder,
    saving,
    work_folder,
    write_text,
)
from earmark.training import fitting
from earmark.training.batches import Features
from earmark.training.options import TrainOptions
from earmark.workflow import continuing, measuring, provenance
from earmark.workflow.detecting import why, write_detector
from earmark.workflow.preparation import held_out, prepare
from earmark.workflow.probes import probes
from earmark.workflow.provenance import Job
from earmark.workflow.remarks import remarked

log = logging.getLogger("earmark")

PREDICTIONS = "predictions.csv"
REPORT = "report.html"
GO_ON = "then run the same command with --resume"
_TEACHER = "teacher"


@dataclass(frozen=True)
class Result:
    """What a training run gave.

    Attributes
    ----------
    path : Path
        The bundle.
    metrics : dict
        As `earmark.evaluation.classification.measure`; empty where nothing was tested.
    skipped : tuple of AudioError
        Why clips were left out, one each.
    accounting : dict
        ``files``: what became of every file of the data set; ``columns``: what every column of its tables holds.
    notes : tuple of str
        What a reader of the figures must know.
    """

    path: Path
    metrics: dict[str, Any]
    skipped: tuple[AudioError, ...] = field(default=())
    notes: tuple[str, ...] = field(default=())
    accounting: dict[str, Any] = field(default_factory=dict)


def train(
    data: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    test_fold: str | None = None,
    folds: int | None = None,
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
    folds : int, optional
        How many grouped folds to make, of which one is held out; the official ones by default, or 5.
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

    target = claim_output(out, overwrite=options.overwrite, made=[bundle.DESCRIPTION])
    (job,) = prepare(data, source, options, held_out(options, test_fold, folds))
    return train_split(job, target)


def train_split(job: Job, target: Path) -> Result:
    """Train on one split and publish the bundle."""
    torch.manual_seed(job.options.seed)
    job, options = remarked(job), job.options
    with work_folder(target, provenance.identity([job]), resume=options.resume, overwrite=options.overwrite) as work:
        try:
            with saving(work):
                for folder in (work, work / _TEACHER) if options.resume else ():
                    fitting.check(folder)  # before hours of work
                finished = make_folder(work / "bundle")
                spec = write_detector(job, finished) if job.spec.task == ANOMALY else _classifier(job, work, finished)
                history = [] if job.spec.task == ANOMALY else fitting.history(work)
                metrics = _measure(job, spec, finished, history)
                publish_folder(finished, target)
        except BaseException as error:
            kept = _resumable(work)
            if not kept:
                shutil.rmtree(work, ignore_errors=True)
            if isinstance(error, DiskError):
                raise error.then(GO_ON if kept else "then run the same command again") from error
            raise
        shutil.rmtree(work, ignore_errors=True)  # the bundle is in place, whatever is left of this
        notes = (*job.split.notes, *spec.detector.get("notes", ()))
        return Result(target, metrics, job.clips.skipped, notes, job.clips.manifest.accounted())


def _classifier(job: Job, work: Path, folder: Path) -> BundleSpec:
    """Train a classifier, export it into ``folder`` and compare it with torch; its description."""
    classifier = Classifier(job.spec, dropout=job.recipe.dropout)
    base = continuing.opened(job.options)
    if base is not None:
        continuing.take_weights(classifier, base)
    epochs = _fit(job, classifier, work)
    log.info("exporting to ONNX and comparing with torch")
    spec = dataclasses.replace(job.spec, provenance=provenance.record(job, epochs))
    if base is not None:
        spec = continuing.joined(spec, base.spec)
    export.write_model(classifier, spec, folder)
    bundle.write_description(folder, spec)
    model = load(folder)
    if spec.task == MULTILABEL:
        chosen = tuple(0.5 for _ in spec.labels)
        if len(job.split.valid):
            valid = job.clips.take(job.split.valid)
            chosen = classification.thresholds(measuring.test(model, valid).scores, valid.manifest.several(spec.labels))
        spec = dataclasses.replace(spec, thresholds=chosen)
        export.describe(spec, folder)
        bundle.write_description(folder, spec)
    difference = export.verify(classifier, model, probes(job))
    log.info("largest difference in probabilities: %.1g", difference)
    shutil.copytree(work / "logs", folder / "logs", dirs_exist_ok=True)
    return provenance.compared(spec, difference)


def _fit(job: Job, classifier: Classifier, work: Path) -> int:
    """Spectrograms, statistics, plan, training; the number of epochs trained."""
    front_end = classifier.front_end
    manifest, labels = job.clips.manifest, job.spec.labels
    targets = manifest.several(labels) if job.spec.task == MULTILABEL else manifest.targets(labels)
    parts: dict[str, tuple[Features, NDArray[np.int64]]] = {}
    try:
        for name, rows in (("train", job.split.train), ("valid", job.split.valid)):
            if len(rows):
                folder = make_folder(work / f"features-{name}")
                parts[name] = Features(front_end, job.clips.take(rows), job.spec.plan, folder), targets[rows]
        frames = front_end.frames(job.spec.plan.window)
        if job.options.base is None:
            front_end.set_statistics(*parts["train"][0].statistics(front_end, frames))
        count = len(job.split.train)
        seconds = fitting.seconds(classifier, job.recipe, clips=count, window_frames=frames, device=job.options.device)
        epochs, why = (
            fitting.epochs(job.recipe, count, len(labels)),
            fitting.why_epochs(job.recipe, count, len(labels)),
        )
        for line in provenance.plan(job, classifier, epochs, seconds, why):
            log.info("%s", line)

        def fit(module: Classifier, folder: Path, teacher: Classifier | None = None) -> int:
            return fitting.fit(
                module, parts["train"], parts.get("valid"), job.recipe, window_frames=frames, folder=folder, seed=job.options.seed,
                device=job.options.device, resume=job.options.resume and (folder / fitting.CHECKPOINT).exists(), teacher=teacher,
            )  # fmt: skip

        return fit(classifier, work, _teacher(job, classifier, work, fit) if job.recipe.teachers else None)
    except Interrupted as error:
        if _resumable(work):
            kept = f"{work} holds the last checkpoint: run the same command with --resume to go on"
        else:
            kept = "nothing was saved yet, so that nothing is kept"
        raise Interrupted(f"interrupted; {kept}") from error
    finally:
        for features, _ in parts.values():
            features.close()
        for name in ("train", "valid"):  # also one that the disk had no room for
            shutil.rmtree(work / f"features-{name}", ignore_errors=True)


def _teacher(job: Job, classifier: Classifier, work: Path, fit: Callable[[Classifier, Path], int]) -> Classifier:
    """Networks trained first, side by side, on the same clips for the same time; an interrupted run's finished ones are taken."""
    network = {**job.spec.network, "members": job.recipe.teachers}
    teacher = Classifier(dataclasses.replace(job.spec, network=network), dropout=job.recipe.dropout)
    teacher.front_end.load_state_dict(classifier.front_end.state_dict())
    folder = make_folder(work / _TEACHER)
    weights = folder / bundle.WEIGHTS
    if weights.exists():
        try:
            safetensors.torch.load_model(teacher, weights)
        except (safetensors.SafetensorError, RuntimeError, OSError) as error:
            raise OutputError(
                f"{weights}: is damaged, or of another network ({str(error).splitlines()[0]}). Remove it, then run the same "
                "command with --resume: these networks are trained again."
            ) from error
        return teacher.eval()
    log.info("first     %d networks to learn from are trained", job.recipe.teachers)
    fit(teacher, folder)
    with atomic_file(weights, durable=True) as temporary:
        # Written here: to a path the library writes by itself, and reports a full disk as an error of its own.
        temporary.write_bytes(safetensors.torch.save({k: v.contiguous() for k, v in teacher.state_dict().items()}))
    return teacher


def _resumable(work: Path) -> bool:
    """Whether anything of a training is kept."""
    return any((folder / fitting.CHECKPOINT).exists() for folder in (work, work / _TEACHER))


def _measure(job: Job, spec: BundleSpec, folder: Path, history: list[dict[str, float]]) -> dict[str, Any]:
    """Test the model in ``folder``, add card and report to it, and its description last; the metrics."""
    metrics: dict[str, Any] = {}
    pictures: list[tuple[str, Figure]] = []
    if len(job.split.test):
        model, clips = load(folder), job.clips.take(job.split.test)
        tested = measuring.test(model, clips)
        metrics = measuring.measured(tested, spec)
        write_csv(provenance.predictions(tested, spec), folder / PREDICTIONS)
        write_machines(metrics, folder)
        pictures = why(model, clips, tested)
    spec = dataclasses.replace(spec, metrics=metrics)
    notes = [*job.split.notes, *spec.detector.get("notes", ())]
    write_text(folder / "README.md", report.model_card(spec, job.split.notes))
    facts = {
        **provenance.facts(job.clips.manifest, spec, job.options),
        "export": f"ONNX Runtime and torch differ by {spec.provenance['largest_difference']:.1g} at most, on clips of the data",
        "protocol": job.split.protocol,
    }
    page = report.page(
        "Earmark training report", metrics, facts=facts, notes=notes, skipped=job.clips.reasons, history=history,
        pictures=pictures,
    )  # fmt: skip
    write_text(folder / REPORT, page)
    bundle.write_description(folder, spec)
    return metrics


def write_machines(metrics: Mapping[str, Any], folder: Path) -> None:
    """The table of machines as ``machines.csv`` and ``machines.md``, where there is one."""
    if "machines" in metrics:
        rows = metrics["machines"]
        with atomic_file(folder / "machines.csv") as temporary:
            pd.DataFrame(detection.csv_rows(rows)).to_csv(
                temporary, index=False, float_format="%.6g", lineterminator="\n"
            )
        write_text(folder / "machines.md", detection.markdown(rows))
