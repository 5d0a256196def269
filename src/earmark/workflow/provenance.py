"""What a run was made of: the plan before it, the record in its bundle."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Sequence
from dataclasses import replace
from importlib import metadata
from typing import Any

import numpy as np

from earmark.bundle import BundleSpec
from earmark.data.manifest import Manifest, named_counts
from earmark.frontend.front_end import FrontEndSettings
from earmark.networks.classifier import Classifier
from earmark.training import fitting, recipe
from earmark.training.options import TrainOptions
from earmark.workflow.job import Job

_PACKAGES = ("earmark", "torch", "lightning", "onnx", "onnxruntime", "soxr", "soundfile", "numpy")


def plan(job: Job, classifier: Classifier, window_frames: int) -> list[str]:
    """What is about to happen, for the user to stop if it is not what was meant."""
    manifest, split, spec = job.clips.manifest, job.split, job.spec
    count, labels = len(split.train), len(spec.labels)
    seconds = fitting.seconds(
        classifier, job.recipe, clips=count, window_frames=window_frames, device=job.options.device
    )
    epochs, ruled = fitting.epochs(job.recipe, count, labels), fitting.why_epochs(job.recipe, count, labels)
    parameters = sum(p.numel() for p in classifier.parameters())
    kind, why = recipe.suited(manifest.labels, manifest.layout)
    lines = [
        f"data      {manifest.root}: {_summary(manifest)}",
        f"labels    {named_counts(manifest.counts)}",
        f"split     {split.name}: {len(split.train)} train, {len(split.valid)} validate, {len(split.test)} test",
        f"input     {_input(spec)}, shorter clips are {'repeated' if spec.short_clip == 'repeat' else 'padded'}",
        f"network   {_network(spec)}, {parameters / 1e6:.2f} M parameters",
        f"recipe    {job.options.recipe}{', ' + why if job.options.recipe.endswith('+' + kind) else ''}",
        f"training  {epochs} epochs{f' ({ruled})' if ruled else ''}, about {max(0.1, seconds / 60):.1f} minutes",
        f"curves    {_curves(job, epochs)}",
    ]
    return lines + _remarks(job)


def _curves(job: Job, epochs: int) -> str:
    """What loss and accuracy of training mean, which is drawn in the report."""
    mixes = job.recipe.mixup or job.recipe.cutmix
    rests = f"; it rests for the last {round(epochs * job.recipe.unmixed)} epochs, in which the loss falls"
    said = (
        f"clips are mixed in training, which keeps its loss high{rests if job.recipe.unmixed else ''}" if mixes else ""
    )
    if len(job.split.valid):
        return "; ".join(filter(None, ["of training and of the validation set", said]))
    few = "of training alone: no clips are held out for validation (validation=0.1 holds out one in ten)"
    return "; ".join(filter(None, [few, said]))


def _network(spec: BundleSpec) -> str:
    members = spec.network.get("members", 1)
    return f"{spec.network['name']}, width {spec.network['width']:g}{f', ensemble of {members}' if members > 1 else ''}"


def _remarks(job: Job) -> list[str]:
    """Notes on the split, and what was excluded."""
    manifest = job.clips.manifest
    lines = [] if manifest.files is None else [f"files     {manifest.files.counts}"]
    lines += [f"note      {note}" for note in job.split.notes]
    if job.clips.skipped:
        lines.append(f"excluded  {len(job.clips.skipped)} clips that cannot be used:")
        lines += [f"          {line}" for line in job.clips.reasons]
    return lines


def detector_plan(job: Job) -> list[str]:
    """`plan` for an anomaly detector."""
    manifest, split, spec = job.clips.manifest, job.split, job.spec
    machines = f"{len(spec.machines)} machines, each with its own threshold" if spec.machines else "one threshold"
    lines = [
        f"data      {manifest.root}: {_summary(manifest)}",
        f"labels    {named_counts(manifest.counts)}",
        f"split     {split.name}: {len(split.train)} clips of label {spec.normal!r} to learn from, {len(split.test)} test",
        f"input     {_input(spec)}, shorter clips are {'repeated' if spec.short_clip == 'repeat' else 'padded'}",
        f"detector  nearest normal sounds, {machines}, set for {job.recipe.false_alarms} false alarms",
    ]
    return lines + _remarks(job)


def record(job: Job, epochs: int) -> dict[str, Any]:
    """What the bundle remembers of its making."""
    clips, split, manifest = job.clips, job.split, job.clips.manifest
    trained, chosen = ({clips.hashes[i] for i in rows} for rows in (split.train, split.valid))
    return {
        "data": {
            "layout": manifest.layout,
            "clips": len(manifest),
            "groups": int(manifest.table["group"].nunique()),
            "train": len(split.train),
            "valid": len(split.valid),
            "test": len(split.test),
            "skipped": [{"path": e.source, "error": str(e)} for e in clips.skipped],
            "fingerprint": clips.fingerprint,
        },
        "split": {"name": split.name, "protocol": split.protocol, "notes": list(split.notes)},
        "trained_on": sorted(trained | chosen),
        "chosen_by": sorted(chosen - trained),
        "groups": sorted(group_names(manifest.take(np.concatenate([split.train, split.valid])))),
        "recipe": {
            "name": job.options.recipe,
            "changes": list(job.options.settings),
            "epochs_trained": epochs,
            **job.recipe.to_dict(),
        },
        "seed": job.options.seed,
        "versions": {"python": platform.python_version(), **{p: _version(p) for p in _PACKAGES}},
    }


def group_names(manifest: Manifest) -> dict[str, str]:
    """Groups of the clips by the hashes that ``earmark.json`` remembers of their names, since it does not name who was trained on.

    None of groups that are named as their recording is: recorders name the files of all sites alike.
    """
    if not manifest.grouped_by:
        return {}
    pairs = zip(manifest.table["group"], manifest.table["path"], strict=True)
    names = {
        g
        for g, path in pairs
        if not f"/{path}".endswith(f"/{g}") and not f"/{path}".rpartition(".")[0].endswith(f"/{g}")
    }
    return {hashlib.sha256(g.encode()).hexdigest()[:16]: g for g in names}


def namesakes(spec: BundleSpec, manifest: Manifest) -> list[str]:
    """Groups of the clips that are named as groups that a model was trained on."""
    known = set(spec.provenance.get("groups", ()))
    return sorted(group for name, group in group_names(manifest).items() if name in known)


def namesakes_note(names: Sequence[str]) -> str:
    """What a reader of the figures must know of `namesakes` among the tested clips."""
    return (
        f"{len(names)} groups of the test set have names of groups that the model was trained on: if they are the same, the "
        "metrics are too high"
    )


def compared(spec: BundleSpec, difference: float) -> BundleSpec:
    """The record, with how far the exported model is from the trained one: in probabilities, or in a detector's embeddings."""
    return replace(spec, provenance={**spec.provenance, "largest_difference": difference})


def _version(package: str) -> str:
    """Of an installed package; some come under other names (onnxruntime-gpu)."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "unknown"


def _input(spec: BundleSpec) -> str:
    """Windows, levels and features in words."""
    settings = FrontEndSettings(**spec.front_end)
    words = {"mel": f"{settings.n_mels} mel bands", "stft": "linear frequencies", "mfcc": f"{settings.n_mfcc} MFCC"}
    said = " + ".join(words.get(name, name) for name in settings.names)
    if {"mel", "stft"} & set(settings.names) and settings.scale != "log":
        said += f" ({settings.scale})"
    if settings.level_range_db:
        said += " with each window's level taken out"
    if settings.deltas:
        said += f" with {settings.deltas} differences"
    if settings.image_height:
        said += f" as an image of {settings.image_height} x {settings.image_width}"
    levelled = f"{spec.levels}, " if spec.levels.whole else ""
    shifts = f"each predicted {spec.shifts} times, " if spec.shifts > 1 else ""
    channel = "" if spec.channel is None else f"channel {spec.channel}, "
    return f"{spec.window_seconds:g} s windows at {spec.sample_rate} Hz, {shifts}{channel}{levelled}{said}"


def facts(manifest: Manifest, spec: BundleSpec, options: TrainOptions) -> dict[str, Any]:
    """Rows of a report's table."""
    return {
        "data": f"{manifest.root.resolve().name}: {_summary(manifest)}",
        "input": _input(spec),
        "network": _network(spec),
        "recipe": ", ".join([options.recipe, *options.settings]),
        "seed": options.seed,
    }


def _summary(manifest: Manifest) -> str:
    groups = manifest.table["group"].nunique()
    return f"layout {manifest.layout}, {len(manifest)} clips, {len(manifest.labels)} labels, {groups} groups"
