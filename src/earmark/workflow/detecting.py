"""Normal clips to an anomaly detector, and why a clip is unusual."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save

from earmark import bundle, export
from earmark.bundle import ANOMALY, DETECTOR, BundleSpec
from earmark.data.clips import Clips
from earmark.errors import DataError
from earmark.figures import plots
from earmark.figures.plots import Figure
from earmark.inference.detector import Detector, rarity
from earmark.inference.model import Model, load
from earmark.networks.classifier import Embedder
from earmark.support.progress import track
from earmark.training import detectors
from earmark.training.detectors import Normal
from earmark.workflow import measuring, provenance
from earmark.workflow.measuring import Tested
from earmark.workflow.probes import probes
from earmark.workflow.provenance import Job

log = logging.getLogger("earmark")

_SHOWN = 6  # pictures in a report
_FEW_GROUPS, _STRETCHES = 5, 8  # of a machine, under which its clips are cut; into how many stretches at most

Embed = Callable[[NDArray[np.float32]], tuple[NDArray[np.float32], NDArray[np.float32]]]


def write_detector(job: Job, folder: Path) -> BundleSpec:
    """Learn what is normal from the training part, export into ``folder`` and compare with torch; the bundle's description."""
    for line in provenance.detector_plan(job):
        log.info("%s", line)
    embedder = Embedder(job.spec).eval()
    clips = job.clips.take(job.split.train)
    normal = gather(_torch(embedder), clips, job.spec, clips.manifest.machines(job.spec.per))
    found = {"frequencies": embedder.front_end.frequencies().tolist()}
    spec = dataclasses.replace(job.spec, detector=found, provenance=provenance.record(job, 0))
    spec = publish(_fitted(normal, job), job.recipe.false_alarms, spec, folder)
    log.info("exporting to ONNX and comparing with torch")
    export.write_embedder(embedder, spec, folder)
    bundle.write_description(folder, spec)
    return provenance.compared(spec, export.verify_embeddings(embedder, load(folder), probes(job)))


def _fitted(normal: Normal, job: Job) -> Detector:
    """The detector; where too few clips are left for one, also how many were held out."""
    manifest = job.clips.manifest
    try:
        return detectors.fit(normal, where=manifest.root)
    except DataError as error:
        held_out = int((manifest.column("label")[job.split.test] == job.spec.normal).sum())
        if not held_out:
            raise
        more = f"{held_out} more are held out to test: earmark train --test-fold none learns from them too"
        raise DataError(f"{error} ({more})") from error


def publish(detector: Detector, false_alarms: str, spec: BundleSpec, folder: Path) -> BundleSpec:
    """Write a detector's arrays; the description with what follows from it."""
    (folder / DETECTOR).write_bytes(save(detector.to_arrays()))
    found = detectors.describe(detector, false_alarms, spec.machines, (spec.window_seconds, spec.stride_seconds))
    return dataclasses.replace(spec, detector={**spec.detector, **found})


def gather(embed: Embed, clips: Clips, spec: BundleSpec, names: Sequence[str]) -> Normal:
    """What a detector learns from: windows of normal clips, side by side; ``names`` are the clips' machines.

    Where a machine has fewer than five groups, long clips are cut into stretches that are left out by themselves.
    """
    groups = [f"{name}/{group}" for name, group in zip(names, clips.manifest.column("group"), strict=True)]
    few = {
        name for name in set(names) if len({g for g, n in zip(groups, names, strict=True) if n == name}) < _FEW_GROUPS
    }
    plan = dataclasses.replace(spec.plan, stride=spec.plan.window)
    embeddings, spread, rows, parts = [], [], [], []
    for row in track(range(len(clips.manifest)), "spectrograms", len(clips.manifest)):
        samples = clips.waveform(row)
        count = plan.count(len(samples))
        stretches = max(1, min(_STRETCHES, count // 2)) if names[row] in few else 1
        for number, (window, _) in enumerate(plan.pieces(samples)):
            embedding, bands = embed(window[None])
            embeddings.append(embedding[0])
            spread.append(bands[0].std(axis=1))
            rows.append(row)
            parts.append(f"{groups[row]}/{number * stretches // count}")
    return Normal(
        embeddings=np.stack(embeddings),
        spread=np.stack(spread).astype(np.float32),
        machine=np.array([spec.machines.index(names[row]) if spec.machines else 0 for row in rows], np.int64),
        domain=np.zeros(len(rows), np.int64),
        group=np.asarray(np.unique(parts, return_inverse=True)[1], np.int64),
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
    machines = measuring.machine_column(clips.manifest, spec)
    found: dict[str, int] = {}
    for row in np.argsort(tails, kind="stable"):
        found.setdefault(machines[row], int(row))
    shown = []
    for name, row in list(found.items())[:_SHOWN]:
        machine = name if name in spec.machines else None
        samples = np.array(clips.waveform(row))
        title = f"{clips.manifest.table['path'].iat[row]} ({clips.manifest.table['label'].iat[row]})"
        begin, end = (float(clips.manifest.table[c].iat[row]) for c in ("start", "end"))
        if len(samples) > spec.plan.window:  # of a long clip its most unusual window
            each, starts = model.tails(samples, machine)
            start = starts[int(each.argmin())]
            samples = samples[start : start + spec.plan.window]
            title += f" from {begin + start / clips.sr:.1f} s"
        elif begin or not np.isnan(end):
            title += f" from {begin:.1f} s"
        change = model.deviation_of(samples, machine)
        caption = f"{title}: as unusual as {rarity(tails[row])}; {change}"
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
