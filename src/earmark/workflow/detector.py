"""A detector as what learns: normal clips to embeddings, what is normal of them, export, proof."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save

from earmark import bundle, export
from earmark.bundle import DETECTOR, BundleSpec
from earmark.data.clips import Clips
from earmark.errors import DataError, SettingsError
from earmark.inference.detector import Detector
from earmark.inference.model import load
from earmark.networks.classifier import Embedder
from earmark.support.progress import track
from earmark.training import detectors, recipe
from earmark.training.detectors import Normal
from earmark.training.options import TrainOptions
from earmark.training.settings import Recipe
from earmark.workflow import provenance
from earmark.workflow.job import Job
from earmark.workflow.samples import sample_clips

log = logging.getLogger("earmark")

_FEW_GROUPS, _SEGMENTS = 5, 8  # of a machine, under which its clips are cut; into how many segments at most

Embed = Callable[[NDArray[np.float32]], tuple[NDArray[np.float32], NDArray[np.float32]]]


@dataclass(frozen=True)
class Fitted:
    """A fitted detector, what makes its embeddings, and its description."""

    embedder: Embedder
    detector: Detector
    spec: BundleSpec


def check(spec: BundleSpec, chosen: Recipe, options: TrainOptions) -> None:
    """As `earmark.workflow.learners.Learner.check`."""
    if chosen.network != "bands":
        raise SettingsError(
            f"setting network is {chosen.network!r}; an anomaly detector requires bands: remove that setting, and take recipe "
            f"{recipe.DETECTOR}"
        )
    if chosen.shifts > 1:
        raise SettingsError(
            f"setting shifts is {chosen.shifts}; an anomaly detector takes each window once: remove that setting"
        )
    detectors.false_alarm_rate(chosen.false_alarms, spec.stride_seconds, 1)
    Embedder(spec).front_end.frames(spec.plan.window)


def fit(job: Job, work: Path) -> Fitted:
    """Learn what is normal from the training part."""
    for line in provenance.detector_plan(job):
        log.info("%s", line)
    embedder = Embedder(job.spec).eval()
    clips = job.clips.take(job.split.train)
    normal = gather(_torch(embedder), clips, job.spec, clips.manifest.machines(job.spec.per))
    detector, frequencies = _fitted(normal, job), embedder.front_end.frequencies().tolist()
    spec = dataclasses.replace(job.spec, detector={"frequencies": frequencies}, provenance=provenance.record(job, 0))
    return Fitted(embedder, detector, described(detector, job.recipe.false_alarms, spec))


def write(fitted: Fitted, job: Job, work: Path, folder: Path) -> BundleSpec:
    """Write the model files, the detector's arrays and the description; the description."""
    log.info("exporting to ONNX and comparing with torch")
    (folder / DETECTOR).write_bytes(save(fitted.detector.to_arrays()))
    export.write_embedder(fitted.embedder, fitted.spec, folder)
    bundle.write_description(folder, fitted.spec)
    return fitted.spec


def verify(fitted: Fitted, job: Job, folder: Path) -> float:
    """The largest difference in embeddings between torch and the model in ``folder``."""
    return export.verify_embeddings(fitted.embedder, load(folder), sample_clips(job))


def history(work: Path) -> list[dict[str, float]]:
    """A detector has no epochs."""
    return []


def _fitted(normal: Normal, job: Job) -> Detector:
    """The detector; where too few clips are left for one, also how many were held out."""
    manifest = job.clips.manifest
    try:
        return detectors.fit(normal, where=manifest.root)
    except DataError as error:
        held_out = int((manifest.column("label")[job.split.test] == job.spec.normal).sum())
        if not held_out:
            raise
        more = f"{held_out} more are held out to test: test_fold='none' learns from them too"
        raise DataError(f"{error} ({more})") from error


def described(detector: Detector, false_alarms: str, spec: BundleSpec) -> BundleSpec:
    """The description with what follows from a detector."""
    found = detectors.describe(detector, false_alarms, spec.machines, (spec.window_seconds, spec.stride_seconds))
    return dataclasses.replace(spec, detector={**spec.detector, **found})


def gather(embed: Embed, clips: Clips, spec: BundleSpec, names: Sequence[str]) -> Normal:
    """What a detector learns from: windows of normal clips, side by side; ``names`` are the clips' machines.

    Where a machine has fewer than five groups, long clips are cut into segments that are held out one by one.
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
        segments = max(1, min(_SEGMENTS, count // 2)) if names[row] in few else 1
        for number, (window, _) in enumerate(plan.pieces(samples)):
            embedding, bands = embed(window[None])
            embeddings.append(embedding[0])
            spread.append(bands[0].std(axis=1))
            rows.append(row)
            parts.append(f"{groups[row]}/{number * segments // count}")
    return Normal(
        embeddings=np.stack(embeddings),
        spread=np.stack(spread).astype(np.float32),
        machine=np.array([spec.machines.index(names[row]) if spec.machines else 0 for row in rows], np.int64),
        domain=np.zeros(len(rows), np.int64),
        group=np.asarray(np.unique(parts, return_inverse=True)[1], np.int64),
    )


def normal_clips(clips: Clips, normal: str) -> Clips:
    """The clips of healthy machines.

    Raises
    ------
    DataError
        Where there are none.
    """
    rows = np.flatnonzero(clips.manifest.column("label") == normal)
    if not len(rows):
        raise DataError(f"{clips.manifest.root}: none of its clips has the label {normal!r}; name it with normal=LABEL")
    return clips.take(rows)


def _torch(embedder: Embedder) -> Embed:
    def embed(waveforms: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        with torch.inference_mode():
            embedding, bands = embedder(torch.from_numpy(np.array(waveforms)))
        return embedding.numpy(), bands.numpy()

    return embed
