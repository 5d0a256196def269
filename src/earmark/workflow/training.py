"""One split to one bundle."""

from __future__ import annotations

import dataclasses
import logging
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from earmark import bundle
from earmark.bundle import BundleSpec
from earmark.data.manifest import write_csv
from earmark.errors import DiskError, Interrupted
from earmark.evaluation import detection
from earmark.figures import report
from earmark.figures.plots import Figure
from earmark.inference.model import load
from earmark.support.files import (
    atomic_file,
    claim_output,
    make_folder,
    partial,
    publish_folder,
    saving,
    work_folder,
    write_text,
)
from earmark.support.keywords import flat
from earmark.training.settings import Recipe
from earmark.workflow import learners, measuring, provenance
from earmark.workflow.calls import TrainCall
from earmark.workflow.job import Job, identity
from earmark.workflow.network import resumable
from earmark.workflow.planning import holdout, plan
from earmark.workflow.remarks import remarked
from earmark.workflow.results import PREDICTIONS, REPORT, Result
from earmark.workflow.unusual import unusual_clips

log = logging.getLogger("earmark")

GO_ON = "then run it again with resume=True"


@dataclass(frozen=True, kw_only=True)
class TrainKeywords(TrainCall, Recipe):
    """All keywords of `earmark.train`: its own, and every setting of the recipe."""


@flat(TrainKeywords, TrainCall)
def train(call: TrainCall) -> Result:
    """Train, test, export and check a classifier or an anomaly detector.

    While it is being made, its state lies beside the output folder in ``OUT.partial``.

    Returns
    -------
    Result

    Raises
    ------
    EarmarkError
        Of the kind that says what is wrong; nothing is at ``out`` then.

    Examples
    --------
    >>> result = earmark.train("recordings", "model", recipe="fast", lr=1e-3)  # doctest: +SKIP
    >>> result.per_class                                                       # doctest: +SKIP
    """
    target = claim_output(call.out, overwrite=call.overwrite, made=[bundle.DESCRIPTION])
    if call.refit:
        from earmark.workflow.refitting import refitted  # it trains by the functions here

        return refitted(call, target)
    (job,) = plan(call.data, call, call, holdout(call, call.test_fold, call.folds))
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
    return Result(target, spec.metrics, notes, job.clips.skipped, job.clips.manifest.accounted())


def train_each(jobs: Sequence[Job], places: Sequence[Path], work: Path, what: str) -> None:
    """Train each job's model in its place below ``work``; those that an interrupted run has finished are taken.

    Raises
    ------
    EarmarkError
        Where it was interrupted or the disk failed, with how much is done and how to continue.
    """
    try:
        for number, (job, place) in enumerate(zip(jobs, places, strict=True), start=1):
            log.info("— %s (%d of %d)", job.split.name, number, len(jobs))
            if not (job.options.resume and place.exists()):
                again = dataclasses.replace(job.options, resume=job.options.resume and partial(place).exists())
                train_split(dataclasses.replace(job, options=again), place)
    except BaseException as error:
        kept = sum(place.exists() for place in places)
        if not kept and not any(partial(place).exists() for place in places):
            shutil.rmtree(work)
        elif isinstance(error, Interrupted):
            raise Interrupted(
                f"interrupted; {kept} of {len(jobs)} {what} are done in {work}: run it again with resume=True to continue"
            ) from error
        elif isinstance(error, DiskError):
            raise error.then(f"{GO_ON}: {kept} of {len(jobs)} {what} are done") from error
        raise


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
        skipped=job.clips.reasons, history=history, rests=_rests(job), figures=figures,
    )  # fmt: skip
    write_text(folder / REPORT, page)
    bundle.write_description(folder, spec)


def _rests(job: Job) -> float:
    """Share of the run, at its end, in which clips are not mixed."""
    return job.recipe.unmixed if job.recipe.mixup or job.recipe.cutmix else 0.0


def write_machines(metrics: Mapping[str, Any], folder: Path) -> None:
    """The table of machines as ``machines.csv`` and ``machines.md``, where there is one."""
    if "machines" in metrics:
        rows = metrics["machines"]
        with atomic_file(folder / "machines.csv") as temporary:
            pd.DataFrame(detection.csv_rows(rows)).to_csv(
                temporary, index=False, float_format="%.6g", lineterminator="\n"
            )
        write_text(folder / "machines.md", detection.markdown(rows))
