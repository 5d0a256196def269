"""A model for each fold."""

from __future__ import annotations

import dataclasses
import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from earmark import bundle
from earmark.data import splits
from earmark.data.manifest import Manifest, write_csv
from earmark.data.splits import Split
from earmark.errors import DiskError
from earmark.evaluation import classification
from earmark.figures import report
from earmark.support.files import RUN, claim_output, make_folder, publish_folder, saving, work_folder, write_text
from earmark.support.keywords import flat
from earmark.tasks import Tested
from earmark.training.settings import Recipe
from earmark.workflow import provenance
from earmark.workflow.calls import CrossvalCall
from earmark.workflow.job import Job, identity
from earmark.workflow.planning import plan
from earmark.workflow.results import CROSSVAL, PREDICTIONS, REPORT, Result
from earmark.workflow.training import GO_ON, train_each, write_machines


@dataclass(frozen=True, kw_only=True)
class CrossvalKeywords(CrossvalCall, Recipe):
    """All keywords of `earmark.crossval`: its own, and every setting of the recipe."""


@flat(CrossvalKeywords, CrossvalCall)
def crossval(call: CrossvalCall) -> Result:
    """Train a model per fold and pool what each predicts for the clips that it has not seen.

    The folder takes a bundle per fold, ``crossval.json``, ``predictions.csv`` and ``report.html``.

    Returns
    -------
    Result
        Pooled metrics; ``folds`` has those of each fold. With ``show_leak``, ``further["random"]`` has those of random folds.

    Raises
    ------
    EarmarkError
        Of the kind that says what is wrong.
    """

    def split(manifest: Manifest, strata: Sequence[str]) -> list[Split]:
        seed, leak = call.seed, call.allow_leak
        made = splits.crossval_folds(manifest, folds=call.folds, seed=seed, allow_leak=leak, strata=strata)
        return made + (
            splits.random_folds(manifest, folds=len(made), seed=seed, strata=strata) if call.show_leak else []
        )

    target = claim_output(call.out, overwrite=call.overwrite, made=[CROSSVAL])
    jobs = plan(call.data, call, call, split)
    with work_folder(target, identity(jobs), resume=call.resume, overwrite=call.overwrite) as work:
        places = [work / name for name in _folders(job.split.name for job in jobs)]
        train_each(jobs, places, work, "folds")
        count = len(jobs) // 2 if call.show_leak else len(jobs)
        try:
            with saving(work):
                result = _pooled(jobs[:count], places[:count], work)
                if call.show_leak:
                    random = _pooled(jobs[count:], places[count:], make_folder(work / "random")).to_dict()
                    result = dataclasses.replace(result, further={**result.further, "random": random})
                    _write_summary(result, work)
                publish_folder(work, target)
        except DiskError as error:
            raise error.then(f"{GO_ON}: all {len(jobs)} folds are done") from error
        (target / RUN).unlink(missing_ok=True)  # after all else: by it an interrupted run is known
        return dataclasses.replace(result, folder=target)


def _folders(names: Iterable[str]) -> list[str]:
    """A folder's name for each fold, of which no two are the same, on a disk that knows no capitals either."""
    plain = [re.sub(r"[^\w.-]+", "-", re.sub(r" of \d+$", "", name)) for name in names]
    count = Counter(name.casefold() for name in plain)
    return [name if count[name.casefold()] == 1 else f"{name}-{n}" for n, name in enumerate(plain, start=1)]


def _pooled(jobs: list[Job], places: list[Path], folder: Path) -> Result:
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
    metrics = task.measure(tested, spec, (), list(pooled["predicted"]))
    further = {"folds": found, "mean": mean, "std": deviation}
    result = Result(folder, metrics, tuple(notes), clips.skipped, clips.manifest.accounted(), further)
    protocol = f"{len(jobs)} folds, each tested by a model that did not train on it, as {jobs[0].split.protocol}"
    facts = {**provenance.facts(clips.manifest, spec, options), "protocol": protocol}
    page = report.page(
        "Earmark cross-validation", result.to_dict(), task, facts=facts, notes=notes, skipped=clips.reasons, folds=found
    )
    write_csv(pooled, folder / PREDICTIONS)
    write_machines(metrics, folder)
    _write_summary(result, folder)
    write_text(folder / REPORT, page)
    return result


def _write_summary(result: Result, folder: Path) -> None:
    write_text(folder / CROSSVAL, json.dumps(result.to_dict(), indent=1, ensure_ascii=False) + "\n")
