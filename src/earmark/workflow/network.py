"""A network as what learns: clips to features, statistics, training, export, proof."""

from __future__ import annotations

import dataclasses
import logging
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors
import safetensors.torch
from numpy.typing import NDArray

from earmark import bundle, export, tasks
from earmark.bundle import BundleSpec
from earmark.errors import Interrupted, OutputError, SettingsError
from earmark.inference.model import load
from earmark.networks.classifier import Classifier
from earmark.support.files import atomic_file, make_folder
from earmark.support.progress import step
from earmark.training import fitting, recipe
from earmark.training.batches import Features
from earmark.training.fitting import history
from earmark.training.options import TrainOptions
from earmark.training.settings import Recipe
from earmark.workflow import measuring, provenance
from earmark.workflow.job import Job
from earmark.workflow.samples import sample_clips
from earmark.workflow.starting import start_of

__all__ = ["TEACHER", "Fitted", "check", "fit", "history", "resumable", "verify", "write"]

log = logging.getLogger("earmark")

TEACHER = "teacher"


@dataclass(frozen=True)
class Fitted:
    """A trained classifier and its description."""

    classifier: Classifier
    spec: BundleSpec


def check(spec: BundleSpec, chosen: Recipe, options: TrainOptions) -> None:
    """As `earmark.workflow.learners.Learner.check`."""
    fitting.resolve_device(options.device)
    if options.recipe == recipe.DETECTOR:
        raise SettingsError(f"recipe {recipe.DETECTOR} makes anomaly detectors (task='anomaly'); choose another recipe")
    fresh = Classifier(spec)
    fitting.crop_frames(fresh, chosen, fresh.front_end.frames(spec.plan.window))


def fit(job: Job, work: Path) -> Fitted:
    """Train a classifier on the training part, with checkpoints in ``work``."""
    for folder in (work, work / TEACHER) if job.options.resume else ():
        fitting.check(folder)  # before hours of work
    classifier, start = Classifier(job.spec, dropout=job.recipe.dropout), start_of(job.options)
    start.begin(classifier)
    epochs = _train(job, classifier, work, statistics=not start.continued)
    spec = dataclasses.replace(job.spec, provenance=provenance.record(job, epochs))
    return Fitted(classifier, start.record(spec))


def write(fitted: Fitted, job: Job, work: Path, folder: Path) -> BundleSpec:
    """Write the model files, the logs and the description, with thresholds chosen on the validation set; the description."""
    log.info("exporting to ONNX and comparing with torch")
    spec, task = fitted.spec, tasks.network(fitted.spec.task)
    with step("exporting"):
        export.write_model(fitted.classifier, spec, folder)
    bundle.write_description(folder, spec)
    if task.THRESHOLDS:
        valid = job.clips.take(job.split.valid)
        scores = measuring.test(load(folder), valid).scores if len(job.split.valid) else np.zeros(0)
        spec = dataclasses.replace(spec, thresholds=task.thresholds(scores, task.targets(valid.manifest, spec.labels)))
        export.describe(spec, folder)
        bundle.write_description(folder, spec)
    shutil.copytree(work / "logs", folder / "logs", dirs_exist_ok=True)
    return spec


def verify(fitted: Fitted, job: Job, folder: Path) -> float:
    """The largest difference in probabilities between torch and the model in ``folder``."""
    with step("comparing torch and ONNX"):
        difference = export.verify(fitted.classifier, load(folder), sample_clips(job))
    log.info("largest difference in probabilities: %.1g", difference)
    return difference


def _train(job: Job, classifier: Classifier, work: Path, *, statistics: bool) -> int:
    """Features, their statistics, the plan, training; the number of epochs trained."""
    front_end, labels = classifier.front_end, job.spec.labels
    targets = tasks.network(job.spec.task).targets(job.clips.manifest, labels)
    parts: dict[str, tuple[Features, NDArray[np.int64]]] = {}
    try:
        for name, rows in (("train", job.split.train), ("valid", job.split.valid)):
            if len(rows):
                folder = make_folder(work / f"features-{name}")
                parts[name] = Features(front_end, job.clips.take(rows), job.spec.plan, folder), targets[rows]
        frames = front_end.frames(job.spec.plan.window)
        if statistics:
            front_end.set_statistics(*parts["train"][0].statistics(front_end, frames))
        for line in provenance.plan(job, classifier, frames):
            log.info("%s", line)

        def train(module: Classifier, folder: Path, teacher: Classifier | None = None) -> int:
            return fitting.fit(
                module, parts["train"], parts.get("valid"), job.recipe, window_frames=frames, folder=folder, seed=job.options.seed,
                device=job.options.device, resume=job.options.resume and (folder / fitting.CHECKPOINT).exists(), teacher=teacher,
            )  # fmt: skip

        return train(classifier, work, _teacher(job, classifier, work, train) if job.recipe.teachers else None)
    except Interrupted as error:
        if resumable(work):
            kept = f"{work} holds the last checkpoint: run it again with resume=True to continue"
        else:
            kept = "nothing was saved yet, so that nothing is kept"
        raise Interrupted(f"interrupted; {kept}") from error
    finally:
        for features, _ in parts.values():
            features.close()
        for name in ("train", "valid"):  # also one that the disk had no room for
            shutil.rmtree(work / f"features-{name}", ignore_errors=True)


def _teacher(job: Job, classifier: Classifier, work: Path, fit: Callable[[Classifier, Path], int]) -> Classifier:
    """An ensemble trained first on the same clips for the same time; an interrupted run's finished one is taken."""
    network = {**job.spec.network, "members": job.recipe.teachers}
    teacher = Classifier(dataclasses.replace(job.spec, network=network), dropout=job.recipe.dropout)
    teacher.front_end.load_state_dict(classifier.front_end.state_dict())
    folder = make_folder(work / TEACHER)
    weights = folder / bundle.WEIGHTS
    if weights.exists():
        try:
            safetensors.torch.load_model(teacher, weights)
        except (safetensors.SafetensorError, RuntimeError, OSError) as error:
            raise OutputError(
                f"{weights}: is damaged, or of another network ({str(error).splitlines()[0]}). Remove it, then run it "
                "again with resume=True: these networks are trained again."
            ) from error
        return teacher.eval()
    log.info("first     %d networks to learn from are trained", job.recipe.teachers)
    fit(teacher, folder)
    with atomic_file(weights, durable=True) as temporary:
        # Written here: given a path the library opens it, and reports a full disk as an error of its own.
        temporary.write_bytes(safetensors.torch.save({k: v.contiguous() for k, v in teacher.state_dict().items()}))
    return teacher


def resumable(work: Path) -> bool:
    """Whether anything of a training is kept."""
    return any((folder / fitting.CHECKPOINT).exists() for folder in (work, work / TEACHER))
