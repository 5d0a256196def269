"""A model of every clip, with the metrics of its sibling that was tested."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Sequence
from pathlib import Path

from earmark import bundle
from earmark.data.manifest import Manifest
from earmark.data.splits import Split
from earmark.errors import DiskError, SettingsError
from earmark.support.files import publish_folder, saving, work_folder
from earmark.training import fitting
from earmark.workflow.calls import TrainCall
from earmark.workflow.job import identity
from earmark.workflow.planning import holdout, plan
from earmark.workflow.reading import few_to_test
from earmark.workflow.results import PREDICTIONS, Result
from earmark.workflow.training import GO_ON, describe, train_each

_NOTE = "the metrics are those of a sibling trained on {train} clips and tested on {test}; this model was trained on all {all}"


def refitted(call: TrainCall, target: Path) -> Result:
    """Train and test on a split, then train on every clip; the bundle holds the second model and the first one's metrics.

    Raises
    ------
    SettingsError
        Where nothing is to be tested.
    """
    if call.test_fold == "none":
        raise SettingsError(
            "refit=True trains again after a test, and test_fold='none' leaves none: remove one of them"
        )

    def both(manifest: Manifest, strata: Sequence[str]) -> list[Split]:
        return [
            *holdout(call, call.test_fold, call.folds)(manifest, strata),
            dataclasses.replace(holdout(call, "none", None)(manifest, strata)[0], name="all clips"),
        ]

    tested, whole = plan(call.data, call, call, both)
    tested = dataclasses.replace(tested, split=tested.split.noted(*few_to_test(len(tested.split.test))))
    counts = {"train": len(tested.split.train), "test": len(tested.split.test), "all": len(whole.split.train)}
    notes = (*tested.split.notes, _NOTE.format(**counts))
    protocol = f"{tested.split.protocol}; then trained again on all clips"
    fresh = [note for note in notes if note not in whole.split.notes]
    split = dataclasses.replace(whole.split.noted(*fresh), protocol=protocol)
    jobs = [tested, dataclasses.replace(whole, split=split)]
    with work_folder(target, identity(jobs), resume=call.resume, overwrite=call.overwrite) as work:
        first, final = work / "tested", work / "all"
        train_each(jobs, [first, final], work, "models")
        try:
            with saving(work):
                spec, sibling = bundle.read(final).spec, bundle.read(first).spec
                made = {**spec.provenance, "refit": {**counts, "split": sibling.provenance["split"]}}
                spec = dataclasses.replace(spec, metrics=sibling.metrics, provenance=made)
                for table in first.glob("machines.*"):
                    shutil.copy(table, final)
                shutil.copy(first / PREDICTIONS, final)
                history = fitting.history(final) if (final / "logs").exists() else []
                describe(jobs[1], spec, final, history=history, figures=[])
                publish_folder(final, target)
                shutil.rmtree(work)
        except DiskError as error:
            raise error.then(f"{GO_ON}: both models are done") from error
    return Result(target, spec.metrics, split.notes, whole.clips.skipped, whole.clips.manifest.accounted())
