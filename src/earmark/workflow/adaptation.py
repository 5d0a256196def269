"""A detector taught new conditions with a few normal clips; nothing is trained."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
from safetensors.numpy import save

from earmark import bundle, tasks
from earmark.bundle import BundleSpec
from earmark.data import conditions
from earmark.data.clips import Clips, ingest
from earmark.data.manifest import Manifest
from earmark.errors import BundleError, DataError
from earmark.figures import report
from earmark.inference.model import load
from earmark.support.files import atomic_folder, claim_output, write_text
from earmark.support.keywords import flat, nearest
from earmark.tasks.anomaly import ALL_NORMAL
from earmark.training import detectors
from earmark.training.detectors import Normal
from earmark.workflow import provenance
from earmark.workflow.calls import AdaptCall
from earmark.workflow.detector import described, gather, normal_clips
from earmark.workflow.reading import reading_notes
from earmark.workflow.results import REPORT, Result

log = logging.getLogger("earmark")

_LEAST = 2  # independent clips of a machine


@flat(AdaptCall)
def adapt(call: AdaptCall) -> Result:
    """Teach an anomaly detector new conditions with a few normal clips: another background, load or machine.

    What it knew stays normal, with the threshold that belongs to it; sound like the new clips gets a threshold of its own.
    Five clips or so will do.

    Returns
    -------
    Result
        Without metrics: measure it with `evaluate`.

    Raises
    ------
    EarmarkError
        Of the kind that says what is wrong; nothing is at ``out`` then.
    """
    model, machine = call.model, call.machine
    target = claim_output(call.out, overwrite=call.overwrite, made=[bundle.DESCRIPTION])
    opened, loaded = bundle.read(model), load(model)
    detector, spec = loaded.detector, loaded.spec
    if detector is None:
        raise BundleError(f"{model}: is no anomaly detector, which alone can be adapted; train one with task='anomaly'")
    stated = call.false_alarms or spec.detector["false_alarms"]
    # A fault in it is reported before the work.
    detectors.false_alarm_rate(stated, spec.stride_seconds, len(detector.excess))
    manifest = call.read(call.data, unlabelled_as=spec.normal)
    taken = reading_notes(manifest)
    for note in taken:
        log.info("note      %s", note)
    label = conditions.chosen_normal(manifest.labels, _normal(spec, manifest, call.normal), where=manifest.root)
    found = ingest(manifest, sr=spec.sample_rate, channel=spec.channel, levels=spec.levels, strict=call.strict)
    clips = normal_clips(found.with_copies_grouped(), label)
    known = set(spec.provenance.get("trained_on", ()))
    fresh = np.flatnonzero([h not in known for h in clips.hashes])
    if not len(fresh):
        raise DataError(
            f"{manifest.root}: the detector knows all of its {len(clips.manifest)} normal clips already; give others"
        )
    clips = clips.take(fresh)
    names = _names(spec, clips.manifest, machine)
    machines = (*spec.machines, *sorted(set(names) - set(spec.machines))) if spec.machines else ()
    spec = dataclasses.replace(spec, machines=machines, metrics={}, provenance=_record(spec, clips))
    added = gather(loaded.embeddings, clips, spec, names)
    _check_groups(added, machines, where=manifest.root)
    fitted = detectors.fit(Normal.known_to(detector) + added, where=manifest.root)
    log.info("added     %d normal clips to %d windows known before", len(clips.manifest), len(detector.embeddings))
    for name in machines[len(loaded.spec.machines) :]:
        log.info("note      %r is a new machine%s", name, nearest(name, loaded.spec.machines))
    leaks = [note for note in spec.provenance.get("split", {}).get("notes", ()) if note.startswith("LEAK")]
    notes = [*leaks, *taken, "adapted to new conditions after training; nothing was tested since"]
    with atomic_folder(target) as folder:
        for name in (bundle.ONNX, bundle.WEIGHTS):
            (folder / name).write_bytes(opened.read(name))
        (folder / bundle.DETECTOR).write_bytes(save(fitted.to_arrays()))
        spec = described(fitted, stated, spec)
        write_text(folder / "README.md", report.model_card(spec, notes))
        notes += spec.detector["notes"]
        for note in spec.detector["notes"]:
            log.info("note      %s", note)
        facts = {"model": model, "data": manifest.root, "clips": len(clips.manifest)}
        write_text(
            folder / REPORT,
            report.page("Earmark adaptation", {}, tasks.of(spec), facts=facts, notes=notes, skipped=found.reasons),
        )
        bundle.write_description(folder, spec)
    return Result(target, {}, tuple(notes), found.skipped, found.manifest.accounted())


def _check_groups(added: Normal, machines: Sequence[str], *, where: object) -> None:
    """Refuse machines of which no group can be held out."""
    for number in np.unique(added.machine):
        if len(np.unique(added.group[added.machine == number])) < _LEAST:
            which = f" of {machines[number]}" if machines else ""
            raise DataError(
                f"{where}: holds one group of normal clips{which}, copies not counted; give {_LEAST} at least (a clip is a "
                "group unless the data tell others), so that one can be held out to set the threshold with; five or more are better"
            )


def _normal(spec: BundleSpec, manifest: Manifest, given: str | None) -> str:
    """The label of the normal clips; a name that is not known may be that of a fault, which would be normal from then on."""
    found = given or (spec.normal if spec.normal in manifest.labels else conditions.normal_label(manifest.labels))
    if found is None:
        raise DataError(
            f"{manifest.root}: which of its labels is normal? It has {', '.join(manifest.labels)}; name it with normal=LABEL"
            f"{ALL_NORMAL}"
        )
    return found


def _names(spec: BundleSpec, manifest: Manifest, machine: str | None) -> list[str]:
    """The machine of each clip; empty where the detector does not tell machines apart."""
    if not spec.machines:
        if machine is not None:
            raise DataError(
                f"machine={machine!r}: the detector does not tell machines apart; leave it out, or train with per=COLUMNS"
            )
        return [""] * len(manifest)
    if machine is not None:
        return [machine] * len(manifest)
    if set(spec.per) <= set(manifest.table.columns):
        return manifest.machines(spec.per)
    if len(spec.machines) == 1:
        return list(spec.machines) * len(manifest)
    raise DataError(
        f"{manifest.root}: has no columns {', '.join(spec.per)} that say which machine its clips are of; pass machine=NAME, one "
        f"of {', '.join(spec.machines)}, or a new one"
    )


def _record(spec: BundleSpec, clips: Clips) -> dict[str, Any]:
    """What the bundle was made of, with the added clips."""
    made = spec.provenance
    known = {
        "trained_on": sorted({*made.get("trained_on", ()), *clips.hashes}),
        "groups": sorted({*made.get("groups", ()), *provenance.group_names(clips.manifest)}),
    }
    adapted = [*made.get("adapted", ()), {"clips": len(clips.manifest), "measured_before": spec.metrics}]
    return {**made, **known, "adapted": adapted}
