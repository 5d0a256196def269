"""A bundle measured on a data set."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from earmark import tasks
from earmark.bundle import BundleSpec
from earmark.data import similar
from earmark.data.clips import Clips, ingest
from earmark.data.manifest import Manifest, write_csv
from earmark.data.options import DataOptions
from earmark.errors import DataError
from earmark.evaluation import detection
from earmark.figures import report
from earmark.figures.plots import Figure
from earmark.inference.model import Model, load
from earmark.support.files import atomic_folder, claim_output, write_text
from earmark.support.keywords import flat
from earmark.workflow import measuring, provenance
from earmark.workflow.calls import EvaluateCall
from earmark.workflow.reading import few_to_test, reading_notes, recording_notes
from earmark.workflow.results import PREDICTIONS, REPORT, Result
from earmark.workflow.training import write_machines
from earmark.workflow.unusual import unusual_clips, watch, whole

_METRICS = "metrics.json"


@flat(EvaluateCall)
def evaluate(call: EvaluateCall) -> Result:
    """Measure a model on the clips of a data set that it was not trained on, which are found by their content.

    Where ``out`` is given it takes ``metrics.json``, ``predictions.csv`` and ``report.html``, and with machines
    ``machines.csv`` and ``machines.md``.

    Returns
    -------
    Result
        ``further["trained_on"]``: how many of the clips the model was trained on.

    Raises
    ------
    EarmarkError
        Of the kind that says what is wrong.
    """
    out, split = call.out, call.split
    target = None if out is None else claim_output(out, overwrite=call.overwrite, made=[_METRICS, PREDICTIONS, REPORT])
    if split not in ("test", "all"):
        raise DataError(f"split is {split!r}; choose test or all")
    loaded = load(call.model)
    task = tasks.of(loaded.spec)
    manifest = call.read(call.data, unlabelled_as=task.unlabelled_as(loaded.spec.normal))
    notes = reading_notes(manifest)
    spec = task.tested_spec(loaded.spec, manifest, call.per, call.normal, where=loaded.path)
    task.check_test(manifest)
    clips = ingest(manifest, sr=spec.sample_rate, channel=spec.channel, levels=spec.levels, strict=call.strict)
    notes += recording_notes(clips)
    clips, trained_on, unseen = _unseen(loaded.spec, clips, split)
    notes = [*unseen, *notes, *few_to_test(len(clips.manifest))]
    tested, unknown = measuring.test(loaded, clips), task.unknown_labels(spec, clips.manifest)
    metrics = task.measure(tested, spec, unknown, None)
    notes += _unknown_labels(loaded.spec, unknown, metrics)
    figures: list[tuple[str, Figure]] = []
    if loaded.detector is not None:
        figures, found = _of_detector(loaded, spec, clips, manifest, metrics, call, drawn=target is not None)
        notes += found
    predicted = measuring.predictions(tested, spec)
    result = Result(
        target, metrics, tuple(notes), clips.skipped, clips.manifest.accounted(), {"trained_on": trained_on}, predicted
    )
    if target is not None:
        facts = {"model": call.model, "data": manifest.root, "layout": manifest.layout, "clips": len(manifest)}
        if trained_on and split == "test":
            facts["excluded"] = f"{trained_on} clips that the model was trained on"
        page = report.page(
            "Earmark evaluation", result.to_dict(), task, facts=facts, notes=notes, skipped=clips.reasons,
            figures=[*figures, *unusual_clips(loaded, clips, tested)],
        )  # fmt: skip
        with atomic_folder(target) as folder:
            write_csv(predicted, folder / PREDICTIONS)
            write_machines(metrics, folder)
            write_text(folder / _METRICS, json.dumps(result.to_dict(), indent=1, ensure_ascii=False) + "\n")
            write_text(folder / REPORT, page)
    return result


def _of_detector(
    model: Model,
    spec: BundleSpec,
    clips: Clips,
    manifest: Manifest,
    metrics: dict[str, Any],
    source: DataOptions,
    *,
    drawn: bool,
) -> tuple[list[tuple[str, Figure]], list[str]]:
    """Watch whole recordings, whose alarms become metrics; figures of them, and notes."""
    notes = [*spec.detector.get("notes", ()), *_unknown_machines(model, clips.manifest)]
    if _excludes_labels(source) and not whole(clips.manifest.table).all():
        return [], [
            *notes,
            "whole recordings are not judged where labels were excluded (include, min_seconds, overlaps)",
        ]
    watched, figures = watch(model, clips, manifest, spec.normal, drawn=drawn)
    if watched:
        metrics["watch"] = detection.watches(watched)
    return figures, notes


def _unknown_labels(spec: BundleSpec, unknown: Sequence[str], metrics: Mapping[str, Any]) -> list[str]:
    """Notes on labels of the data that the model does not know, what became of their clips, and what may be meant by them."""
    if not unknown:
        return []
    names = ", ".join(unknown)
    if metrics["undefined"]:
        why = f"{metrics['undefined']}, so that no metric is defined; the model knows {', '.join(spec.labels)}"
        notes = [f"labels that the model does not know: {names}: {why}"]
    else:
        notes = [f"labels that the model does not know, {tasks.of(spec).UNKNOWN}: {names}"]
    if alike := similar.matches(unknown, spec.labels):
        notes.append(f"{similar.proposed(alike)}, a label of the model: if it is meant, rename the label in the data")
    return notes


def _excludes_labels(source: DataOptions) -> bool:
    """Whether what has no label may be labelled in truth."""
    chosen = source.selections
    return bool(source.include) or (chosen is not None and (chosen.min_seconds > 0 or chosen.overlaps == "drop"))


def _unseen(spec: BundleSpec, clips: Clips, split: str) -> tuple[Clips, int, list[str]]:
    """The clips that are tested, how many of all the bundle was trained on, and what a reader of the figures must know."""
    seen = set(spec.provenance.get("trained_on", ()))
    fresh = np.array([h not in seen for h in clips.hashes])
    copied = measuring.copies_of(fresh, clips.copies())
    fresh &= ~copied
    groups = clips.manifest.column("group")
    both = set(groups[fresh]) & set(groups[~fresh])
    notes = [n for n in spec.provenance.get("split", {}).get("notes", ()) if n.startswith("LEAK")]
    if copied.any():
        notes.append(f"{int(copied.sum())} clips hold the same sound as clips that were trained on, and count as those")
    if both:
        notes.append(f"{len(both)} groups have clips that were trained on and clips tested here, e.g. {min(both)}")
    if names := [name for name in provenance.namesakes(spec, clips.manifest.take(fresh)) if name not in both]:
        notes.append(provenance.namesakes_note(names))
    if split == "test" and not fresh.all():
        if not fresh.any():
            raise DataError(
                f"{clips.manifest.root}: the model was trained on all of its {len(fresh)} clips; pass split='all' to take them"
            )
        clips = clips.take(np.flatnonzero(fresh))
    elif not fresh.all():
        notes.append(f"{int((~fresh).sum())} of the clips were trained on, so the metrics are too high (split='all')")
    return clips, int((~fresh).sum()), notes


def _unknown_machines(model: Model, manifest: Manifest) -> list[str]:
    """A note on clips of machines that a detector does not know."""
    spec = model.spec
    if not spec.machines:
        return []
    if not set(spec.per) <= set(manifest.table.columns):
        return [
            f"the data have no columns {', '.join(spec.per)}: each clip was held to the machine that it sounds most like"
        ]
    unknown = sorted(set(manifest.machines(spec.per)) - set(spec.machines))
    what = "machines that the detector does not know, held to the one that they sound most like"
    notes = [f"{what}: {', '.join(unknown)}"] if unknown else []
    if alike := similar.matches(unknown, spec.machines):
        notes.append(f"{similar.proposed(alike)}, a machine of the detector: if it is meant, rename it in the data")
    return notes
