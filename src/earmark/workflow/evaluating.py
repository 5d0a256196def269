"""A bundle measured on a data set."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from earmark.bundle import ANOMALY, MULTILABEL, BundleSpec
from earmark.data import conditions, similar
from earmark.data.clips import Clips, ingest
from earmark.data.manifest import ROUNDING, Manifest, write_csv
from earmark.data.options import DataOptions
from earmark.errors import DataError, SettingsError
from earmark.evaluation import detection
from earmark.figures import plots, report
from earmark.figures.plots import Figure
from earmark.inference.model import Model, load
from earmark.support.files import atomic_folder, claim_output, write_text
from earmark.workflow import measuring, provenance
from earmark.workflow.detecting import why
from earmark.workflow.preparation import ALL_NORMAL, few_to_test, reading_notes, recording_notes
from earmark.workflow.training import PREDICTIONS, REPORT, write_machines

_METRICS = "metrics.json"
_SHOWN = 6  # pictures of long recordings


def evaluate(
    model: str | os.PathLike[str],
    data: str | os.PathLike[str],
    *,
    split: str = "test",
    per: Sequence[str] = (),
    normal: str | None = None,
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
    per : sequence of str
        Columns that name a machine, to list figures by; those that the bundle was trained with by default.
    normal : str, optional
        The label of sound machines among those of a classifier or of the data; found by its name otherwise. A detector's own where
        the data have none.
    source : DataOptions, optional
    out : path, optional
        Folder that takes ``metrics.json``, ``predictions.csv`` and ``report.html``, and with machines ``machines.csv`` and
        ``machines.md``.
    overwrite : bool

    Returns
    -------
    dict
        Metrics, ``skipped``, ``notes``, ``files`` and ``columns`` as in `Result.accounting`, and ``trained_on``: how many of the
        clips the bundle was trained on.
    """
    source = source or DataOptions()
    target = None if out is None else claim_output(out, overwrite=overwrite, made=[_METRICS, PREDICTIONS, REPORT])
    if split not in ("test", "all"):
        raise DataError(f"--split is {split!r}; choose test or all")
    loaded = load(model)
    manifest = source.read(data, alone=loaded.spec.normal if loaded.spec.task == ANOMALY else None)
    taken = reading_notes(manifest)
    known = _with_machines(loaded, manifest, per, normal)
    if manifest.task == MULTILABEL != loaded.spec.task:
        raise DataError(
            f"{manifest.root}: its clips have several labels or none, the model tells one each; choose other data"
        )
    clips = ingest(manifest, sr=known.sample_rate, channel=known.channel, levels=known.levels, strict=source.strict)
    taken += recording_notes(clips)
    clips, trained_on, notes = _unseen(loaded.spec, clips, split)
    notes += [*taken, *few_to_test(len(clips.manifest))]
    unknown = sorted(set(clips.manifest.labels) - set(loaded.labels)) if known.task != ANOMALY else []
    tested = measuring.test(loaded, clips)
    pictures: list[tuple[str, Figure]] = []
    metrics = measuring.measured(tested, known, unknown)
    notes += _unknown_labels(loaded.spec, unknown, metrics)
    if known.task == ANOMALY:
        notes += [*known.detector.get("notes", ()), *_strangers(loaded, clips.manifest)]
        if _leaves_out_labels(source) and not _whole(clips.manifest.table).all():
            notes.append(
                "whole recordings are not judged where labels were left out (--include, --min-seconds, --overlaps)"
            )
        else:
            watched, pictures = _watched(loaded, clips, manifest, known.normal, drawn=target is not None)
            if watched:
                metrics["watch"] = detection.watches(watched)
    metrics["skipped"] = [{"path": e.source, "error": str(e)} for e in clips.skipped]
    metrics |= clips.manifest.accounted()
    metrics["trained_on"] = trained_on
    metrics["notes"] = notes
    if target is not None:
        facts = {"model": model, "data": manifest.root, "layout": manifest.layout, "clips": len(manifest)}
        if trained_on and split == "test":
            facts["left out"] = f"{trained_on} clips that the model was trained on"
        page = report.page(
            "Earmark evaluation", metrics, facts=facts, notes=notes, skipped=clips.reasons,
            pictures=[*pictures, *why(loaded, clips, tested)],
        )  # fmt: skip
        with atomic_folder(target) as folder:
            write_csv(provenance.predictions(tested, known), folder / PREDICTIONS)
            write_machines(metrics, folder)
            write_text(folder / _METRICS, json.dumps(metrics, indent=1, ensure_ascii=False) + "\n")
            write_text(folder / REPORT, page)
    return metrics


def _unknown_labels(spec: BundleSpec, unknown: Sequence[str], metrics: Mapping[str, Any]) -> list[str]:
    """Notes on labels of the data that the model does not know, what became of their clips, and what may be meant by them."""
    if not unknown:
        return []
    names = ", ".join(unknown)
    if metrics["undefined"]:
        why = f"{metrics['undefined']}, so that no metric is defined; the model knows {', '.join(spec.labels)}"
        notes = [f"labels that the model does not know: {names}: {why}"]
    else:
        what = "excluded" if spec.task == MULTILABEL else "counted as wrong"
        notes = [f"labels that the model does not know, {what}: {names}"]
    if alike := similar.matches(unknown, spec.labels):
        notes.append(f"{similar.proposed(alike)}, a label of the model: if it is meant, rename the label in the data")
    return notes


def _whole(table: pd.DataFrame) -> pd.Series:
    """Which clips are whole recordings."""
    return table["end"].isna() & (table["start"] == 0)


def _leaves_out_labels(source: DataOptions) -> bool:
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
                f"{clips.manifest.root}: the model was trained on all of its {len(fresh)} clips; pass --split all to take them"
            )
        clips = clips.take(np.flatnonzero(fresh))
    elif not fresh.all():
        notes.append(f"{int((~fresh).sum())} of the clips were trained on, so the figures are too high (--split all)")
    return clips, int((~fresh).sum()), notes


def _with_machines(model: Model, manifest: Manifest, per: Sequence[str], normal: str | None) -> BundleSpec:
    """The model's description with the machines and the normal label that figures are wanted for."""
    spec = model.spec
    if spec.task == MULTILABEL and per:
        raise DataError(f"{model.path}: tells several labels a clip, which have no normal one; leave out --per")
    if per:
        manifest.machines(per)
    if spec.task == ANOMALY:
        return replace(spec, per=tuple(per) or spec.per, normal=_normal(spec, manifest, normal))
    if not per and normal is None:
        return spec
    if not per and not spec.per:
        raise SettingsError(f"--normal is {normal!r}, but only --per asks for it; leave it out")
    return replace(
        spec, per=tuple(per) or spec.per, normal=conditions.chosen_normal(spec.labels, normal, where=model.path)
    )


def _normal(spec: BundleSpec, manifest: Manifest, given: str | None) -> str:
    """A detector's normal label, or what the data call it; a name that is not known may be that of a fault."""
    labels, known = manifest.labels, conditions.normal_label(manifest.labels)
    if given in (None, spec.normal) and (spec.normal in labels or conditions.are_faults(labels)):
        return spec.normal
    if given == spec.normal and not any(map(conditions.may_be_normal, labels)):
        return spec.normal  # none of them is
    if given is None and known is not None:
        return known
    if given is None:
        raise DataError(
            f"{manifest.root}: which of its labels is normal? It has {', '.join(labels)}; name it with --normal LABEL, or say "
            f"--normal {spec.normal} where none is{ALL_NORMAL}"
        )
    return conditions.chosen_normal(labels, given, where=manifest.root)


def _strangers(model: Model, manifest: Manifest) -> list[str]:
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


def _joined(rows: pd.DataFrame, normal: str, seconds: float) -> list[tuple[float, float]]:
    """Faults of a recording that lasts so long; stretches of one label that touch are one fault."""
    found: list[tuple[float, float]] = []
    for _, same in rows[(rows["label"] != normal) & (rows["start"] < seconds)].groupby("label"):
        last = len(found)
        for start, end in sorted(zip(same["start"], same["end"].fillna(seconds).clip(upper=seconds), strict=True)):
            if len(found) > last and start <= found[-1][1] + ROUNDING:
                found[-1] = (found[-1][0], max(found[-1][1], end))
            else:
                found.append((start, end))
    return sorted(found)


def _watched(
    model: Model, clips: Clips, manifest: Manifest, normal: str, *, drawn: bool
) -> tuple[list[dict[str, Any]], list[tuple[str, Figure]]]:
    """Alarms over whole recordings of which stretches are labelled, and pictures of some; what has no label counts as normal.

    The labels are those of the manifest as it was read: a fault whose clip is left out is a fault all the same.
    """
    table = clips.manifest.table.reset_index(drop=True)
    machines = measuring.machine_names(clips.manifest, model.spec)
    labelled = dict(iter(manifest.table.groupby("path")))
    found: list[dict[str, Any]] = []
    shown: list[tuple[str, Figure]] = []
    for path, rows in table.groupby("path", sort=True):
        if _whole(rows).all():
            continue
        first = int(rows.index[0])
        seconds = len(clips.decoded[first].samples()) / clips.sr
        faults = _joined(labelled[path], normal, seconds)
        prediction = model.predict(clips.manifest.root / str(path), windows=True, machine=machines[first])
        # A window that reaches over a fault's edge is not a false alarm.
        alarms, raised = [(e.start, e.end) for e in prediction.events], [e.raised for e in prediction.events]
        found.append(detection.watch(alarms, faults, seconds, raised=raised, tolerance=model.spec.window_seconds))
        if drawn and len(shown) < _SHOWN:
            times, tails = np.array([(w.start, w.tail) for w in prediction.windows], np.float64).T
            events = [(event.start, event.end) for event in prediction.events]
            picture = plots.unusual_scores(times, tails, model.spec.detector["rate"], events, title=str(path))
            shown.append((f"{path}: how unusual it is over time, with the threshold and the alarms", picture))
    return found, shown
