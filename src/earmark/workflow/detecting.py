"""Normal clips to an anomaly detector, and why a clip is unusual."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save_file

from earmark import anomaly, bundle, export, plots, provenance
from earmark.anomaly import FalseAlarms, Normal
from earmark.bundle import ANOMALY, DETECTOR, BundleSpec
from earmark.classifier import Embedder
from earmark.dataset import Clips
from earmark.detector import Detector
from earmark.errors import DataError
from earmark.measuring import Tested
from earmark.model import Model, load
from earmark.plots import Figure
from earmark.progress import track
from earmark.provenance import Job
from earmark.workflow.probes import probes

log = logging.getLogger("earmark")

_SHOWN = 6  # pictures in a report

Embed = Callable[[NDArray[np.float32]], tuple[NDArray[np.float32], NDArray[np.float32]]]


def write_detector(job: Job, folder: Path) -> BundleSpec:
    """Learn what is normal from the training part, export into ``folder`` and compare with torch; the bundle's description."""
    for line in provenance.detector_plan(job):
        log.info("%s", line)
    embedder = Embedder(job.spec).eval()
    clips = job.clips.take(job.split.train)
    names = clips.manifest.machines(job.spec.per)
    normal = gather(_torch(embedder), clips, job.spec, [job.spec.machines.index(n) if n else 0 for n in names])
    allowed = FalseAlarms.of(job.recipe.false_alarms, job.spec.stride_seconds)
    found = {"frequencies": embedder.front_end.frequencies().tolist()}
    spec = dataclasses.replace(job.spec, detector=found, provenance=provenance.record(job, 0))
    spec = publish(anomaly.fit(normal, machines=max(1, len(spec.machines))), allowed, spec, folder)
    log.info("exporting to ONNX and comparing with torch")
    export.write_embedder(embedder, spec, folder)
    bundle.write_description(folder, spec)
    export.verify_embeddings(embedder, load(folder), probes(job))
    return spec


def publish(detector: Detector, allowed: FalseAlarms, spec: BundleSpec, folder: Path) -> BundleSpec:
    """Write a detector's arrays; the description with what follows from it."""
    save_file(detector.to_arrays(), folder / DETECTOR)
    found = anomaly.describe(detector, allowed, spec.machines, spec.stride_seconds)
    for note in found["notes"]:
        log.info("note      %s", note)
    return dataclasses.replace(spec, detector={**spec.detector, **found})


def gather(embed: Embed, clips: Clips, spec: BundleSpec, machine: Sequence[int]) -> Normal:
    """What a detector learns from: the windows of normal clips, each with the number of its machine."""
    embeddings, spread, rows = [], [], []
    for row in track(range(len(clips.manifest)), "spectrograms", len(clips.manifest)):
        for window in spec.plan.cut(clips.waveform(row))[0]:
            embedding, bands = embed(window[None])
            embeddings.append(embedding[0])
            spread.append(bands[0].std(axis=1))
            rows.append(row)
    groups = np.unique(clips.manifest.column("group").astype(str), return_inverse=True)[1]
    return Normal(
        embeddings=np.stack(embeddings),
        spread=np.stack(spread).astype(np.float32),
        machine=np.asarray(machine, np.int64)[rows],
        domain=np.zeros(len(rows), np.int64),
        group=np.asarray(groups, np.int64)[rows],
    )


def normal_clips(clips: Clips, normal: str) -> Clips:
    """The clips of sound machines.

    Raises
    ------
    DataError
        Where there are none.
    """
    rows = np.flatnonzero(clips.manifest.column("label") == normal)
    if not len(rows):
        raise DataError(
            f"{clips.manifest.root}: none of its clips has the label {normal!r}; name it with --normal LABEL"
        )
    return clips.take(rows)


def why(model: Model, clips: Clips, tested: Tested) -> list[tuple[str, Figure]]:
    """The most unusual clip of each machine, at most six, with the frequencies and times that differ; none for classifiers."""
    spec = model.spec
    if spec.task != ANOMALY:
        return []
    tails = tested.scores[:, 0]
    machines = clips.manifest.machines(spec.per if set(spec.per) <= set(clips.manifest.table.columns) else ())
    found: dict[str, int] = {}
    for row in np.argsort(tails, kind="stable"):
        found.setdefault(machines[row], int(row))
    shown = []
    for name, row in list(found.items())[:_SHOWN]:
        machine = name if name in spec.machines else None
        change = model.deviation(np.array(clips.waveform(row)), sr=clips.sr, machine=machine)
        path = clips.manifest.table["path"].iat[row]
        title = f"{path} ({clips.manifest.table['label'].iat[row]})"
        caption = f"{title}: one in {1 / tails[row]:,.0f} normal windows is as unusual; {change}"
        picture = plots.deviation(
            change.levels, change.change, change.frequencies, change.seconds, bands=change.bands, title=title
        )
        shown.append((caption, picture))
    return shown


def _torch(embedder: Embedder) -> Embed:
    def embed(waveforms: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        with torch.inference_mode():
            embedding, bands = embedder(torch.from_numpy(np.array(waveforms)))
        return embedding.numpy(), bands.numpy()

    return embed
