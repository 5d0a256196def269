"""One split to one bundle."""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from earmark import bundle
from earmark.bundle import BundleSpec
from earmark.data.manifest import write_csv
from earmark.data.options import DataOptions
from earmark.errors import AudioError, DiskError
from earmark.evaluation import detection
from earmark.figures import report
from earmark.figures.plots import Figure
from earmark.inference.model import load
from earmark.support.files import (
    atomic_file,
    claim_output,
    make_folder,
    publish_folder,
    saving,
    work_folder,
    write_text,
)
from earmark.training.options import TrainOptions
from earmark.workflow import learners, measuring, provenance
from earmark.workflow.job import Job, identity
from earmark.workflow.network import resumable
from earmark.workflow.planning import holdout, plan
from earmark.workflow.remarks import remarked
from earmark.workflow.unusual import unusual_clips

PREDICTIONS = "predictions.csv"
REPORT = "report.html"
GO_ON = "then run the same command with --resume"


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
        Why clips were excluded, one each.
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
    (job,) = plan(data, source, options, holdout(options, test_fold, folds))
    return train_split(job, target)


def train_split(job: Job, target: Path) -> Result:
    """Fit, write, verify, measure and publish one split's model."""
    torch.manual_seed(job.options.seed)
    job = remarked(job)
    learner = learners.of(job.spec)
    with _working(job, target) as work:
        folder = make_folder(work / "bundle")
        fitted = learner.fit(job, work)
        spec = learner.write(fitted, job, work, folder)
        spec = provenance.compared(spec, learner.verify(fitted, job, folder))
        spec, figures = measure(job, spec, folder)
        describe(job, spec, folder, history=learner.history(work), figures=figures)
        publish_folder(folder, target)
    notes = (*job.split.notes, *spec.detector.get("notes", ()))
    return Result(target, spec.metrics, job.clips.skipped, notes, job.clips.manifest.accounted())


@contextmanager
def _working(job: Job, target: Path) -> Iterator[Path]:
    """The folder beside the target that holds a run's state; it is kept where a run can be resumed from it."""
    options = job.options
    with work_folder(target, identity([job]), resume=options.resume, overwrite=options.overwrite) as work:
        try:
            with saving(work):
                yield work
        except BaseException as error:
            kept = resumable(work)
            if not kept:
                shutil.rmtree(work, ignore_errors=True)
            if isinstance(error, DiskError):
                raise error.then(GO_ON if kept else "then run the same command again") from error
            raise
        shutil.rmtree(work, ignore_errors=True)  # the bundle is in place, whatever is left of this


def measure(job: Job, spec: BundleSpec, folder: Path) -> tuple[BundleSpec, list[tuple[str, Figure]]]:
    """Test the model in ``folder`` and write its predictions there; the description with its metrics, and figures of why."""
    if not len(job.split.test):
        return dataclasses.replace(spec, metrics={}), []
    bundle.write_description(folder, spec)
    model, clips = load(folder), job.clips.take(job.split.test)
    tested = measuring.test(model, clips)
    metrics = job.task.measure(tested, spec, (), None)
    write_csv(measuring.predictions(tested, spec), folder / PREDICTIONS)
    write_machines(metrics, folder)
    return dataclasses.replace(spec, metrics=metrics), unusual_clips(model, clips, tested)


def describe(
    job: Job, spec: BundleSpec, folder: Path, *, history: list[dict[str, float]], figures: list[tuple[str, Figure]]
) -> None:
    """Write the card, the report and, last, the description."""
    write_text(folder / "README.md", report.model_card(spec, job.split.notes))
    facts = {
        **provenance.facts(job.clips.manifest, spec, job.options),
        "export": f"ONNX Runtime and torch differ by {spec.provenance['largest_difference']:.1g} at most, on clips of the data",
        "protocol": job.split.protocol,
    }
    page = report.page(
        "Earmark training report", spec.metrics, job.task, facts=facts, notes=[*job.split.notes, *spec.detector.get("notes", ())],
        skipped=job.clips.reasons, history=history, figures=figures,
    )  # fmt: skip
    write_text(folder / REPORT, page)
    bundle.write_description(folder, spec)


def write_machines(metrics: Mapping[str, Any], folder: Path) -> None:
    """The table of machines as ``machines.csv`` and ``machines.md``, where there is one."""
    if "machines" in metrics:
        rows = metrics["machines"]
        with atomic_file(folder / "machines.csv") as temporary:
            pd.DataFrame(detection.csv_rows(rows)).to_csv(
                temporary, index=False, float_format="%.6g", lineterminator="\n"
            )
        write_text(folder / "machines.md", detection.markdown(rows))
