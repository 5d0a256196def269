"""A model for each fold."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import re
import shutil
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from earmark import bundle
from earmark.data import splits
from earmark.data.manifest import Manifest, write_csv
from earmark.data.options import DataOptions
from earmark.data.splits import Split
from earmark.errors import DiskError, Interrupted
from earmark.evaluation import classification
from earmark.figures import report
from earmark.support.files import (
    RUN,
    claim_output,
    make_folder,
    partial,
    publish_folder,
    saving,
    work_folder,
    write_text,
)
from earmark.tasks import Tested
from earmark.training.options import TrainOptions
from earmark.workflow import provenance
from earmark.workflow.job import Job, identity
from earmark.workflow.planning import plan
from earmark.workflow.training import GO_ON, PREDICTIONS, REPORT, train_split, write_machines

log = logging.getLogger("earmark")

CROSSVAL = "crossval.json"


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

    def split(manifest: Manifest, strata: Sequence[str]) -> list[Split]:
        seed, leak = options.seed, options.allow_leak
        made = splits.crossval_folds(manifest, folds=folds, seed=seed, allow_leak=leak, strata=strata)
        return made + (splits.random_folds(manifest, folds=len(made), seed=seed, strata=strata) if show_leak else [])

    target = claim_output(out, overwrite=options.overwrite, made=[CROSSVAL])
    jobs = plan(data, source, options, split)
    with work_folder(target, identity(jobs), resume=options.resume, overwrite=options.overwrite) as work:
        places = [work / name for name in _folders(job.split.name for job in jobs)]
        try:
            for number, (job, place) in enumerate(zip(jobs, places, strict=True), start=1):
                log.info("— %s (%d of %d)", job.split.name, number, len(jobs))
                if not (options.resume and place.exists()):
                    again = dataclasses.replace(job.options, resume=options.resume and partial(place).exists())
                    train_split(dataclasses.replace(job, options=again), place)
        except BaseException as error:
            kept = sum(place.exists() for place in places)
            if not kept and not any(partial(place).exists() for place in places):
                shutil.rmtree(work)
            elif isinstance(error, Interrupted):
                raise Interrupted(
                    f"interrupted; {kept} of {len(jobs)} folds are done in {work}: run the same command with --resume to go on"
                ) from error
            elif isinstance(error, DiskError):
                raise error.then(f"{GO_ON}: {kept} of {len(jobs)} folds are done") from error
            raise
        count = len(jobs) // 2 if show_leak else len(jobs)
        try:
            with saving(work):
                summary = _pooled(jobs[:count], places[:count], work)
                if show_leak:
                    summary["random"] = _pooled(jobs[count:], places[count:], make_folder(work / "random"))
                    write_text(work / CROSSVAL, json.dumps(summary, indent=1, ensure_ascii=False) + "\n")
                publish_folder(work, target)
        except DiskError as error:
            raise error.then(f"{GO_ON}: all {len(jobs)} folds are done") from error
        (target / RUN).unlink(missing_ok=True)  # after all else: by it an interrupted run is known
        return summary


def _folders(names: Iterable[str]) -> list[str]:
    """A folder's name for each fold, of which no two are the same, on a disk that knows no capitals either."""
    plain = [re.sub(r"[^\w.-]+", "-", re.sub(r" of \d+$", "", name)) for name in names]
    count = Counter(name.casefold() for name in plain)
    return [name if count[name.casefold()] == 1 else f"{name}-{n}" for n, name in enumerate(plain, start=1)]


def _pooled(jobs: list[Job], places: list[Path], folder: Path) -> dict[str, Any]:
    """What all folds say together, from their bundles; written into ``folder``."""
    clips, task, options = jobs[0].clips, jobs[0].task, jobs[0].options
    specs = [bundle.read(place).spec for place in places]
    spec, measured = task.pooled(specs), [made.metrics for made in specs]
    found = [
        {"name": j.split.name, **{k: m[k] for k in ("n", *task.METRICS) if k in m}}
        for j, m in zip(jobs, measured, strict=True)
    ]
    pooled = pd.concat(
        [pd.read_csv(p / PREDICTIONS, dtype=str, keep_default_na=False) for p in places], ignore_index=True
    )
    manifest = Manifest.of(pooled, clips.manifest.root, label_lists=clips.manifest.multilabel)
    tested = Tested(manifest, task.scores(pooled, spec), pooled["seconds"].to_numpy(np.float64))
    mean, deviation = classification.over_folds(found)
    notes = sorted({note for made in specs for note in made.provenance["split"]["notes"]})
    notes += sorted({note for made in specs for note in made.detector.get("notes", ())})[
        :1
    ]  # they differ in numbers alone
    summary = {
        **task.measure(tested, spec, (), list(pooled["predicted"])),
        "folds": found, "mean": mean, "std": deviation,
        "skipped": [{"path": e.source, "error": str(e)} for e in clips.skipped], "notes": notes, **clips.manifest.accounted(),
    }  # fmt: skip
    protocol = f"{len(jobs)} folds, each tested by a model that did not train on it, as {jobs[0].split.protocol}"
    facts = {**provenance.facts(clips.manifest, spec, options), "protocol": protocol}
    page = report.page(
        "Earmark cross-validation", summary, task, facts=facts, notes=notes, skipped=clips.reasons, folds=found
    )
    write_csv(pooled, folder / PREDICTIONS)
    write_machines(summary, folder)
    write_text(folder / CROSSVAL, json.dumps(summary, indent=1, ensure_ascii=False) + "\n")
    write_text(folder / REPORT, page)
    return summary
