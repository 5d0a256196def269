"""Continuing from a trained classifier: its front end, network and labels are kept, recordings and labels are added."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Collection

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors

from earmark import bundle, tasks
from earmark.bundle import WEIGHTS, Bundle, BundleSpec
from earmark.data import similar
from earmark.data.clips import Clips
from earmark.data.manifest import split_labels
from earmark.data.splits import Split
from earmark.errors import BundleError, DataError, SettingsError
from earmark.networks.classifier import Classifier
from earmark.training.options import TrainOptions
from earmark.training.settings import Recipe
from earmark.workflow import measuring
from earmark.workflow.provenance import namesakes, namesakes_note

_KEPT = (
    "sample_rate", "window_seconds", "stride_seconds", "short_clip", "remove_dc", "trim_db", "normalise", "shifts", "network",
    "width", "members", "fft_seconds", "long_fft_seconds", "hop_seconds", "long_hop_seconds", "features", "scale", "n_mels",
    "mel_scale", "fmin", "fmax", "floor", "n_mfcc", "lifter", "n_chroma", "contrast_bands", "deltas", "image_height", "image_width",
    "image_range_db", "level_range_db",
)  # fmt: skip
"""Settings that the model fixes."""
_UNAUGMENTED = ("crop_seconds", "time_stretch", "mel_warp", "gain_db")
"""Augmentation that a recipe switches off where it would change what sets the labels apart."""


def opened(path: str | os.PathLike[str], options: TrainOptions) -> Bundle:
    """The model to continue from.

    Raises
    ------
    EarmarkError
        Where it cannot be continued from, or a setting contradicts it.
    """
    found = bundle.read(path)
    if tasks.of(found.spec, source=path).LEARNER == tasks.DETECTOR:
        raise BundleError(f"{path}: is an anomaly detector; teach it more normal sound with earmark.adapt")
    for change in options.settings:
        name = change.partition("=")[0].strip()
        if name in _KEPT:
            raise SettingsError(f"{change}: the model to continue from fixes {name}; remove it, or train anew")
    if options.channel is not None and options.channel != found.spec.channel:
        raise SettingsError(
            f"channel={options.channel}: the model to continue from took {found.spec.channel}; remove it"
        )
    return found


def with_kept(chosen: Recipe, base: BundleSpec, given: Collection[str]) -> Recipe:
    """The recipe with what the model fixes; ``given`` are the settings that the user named, or whose recipe.

    What its kind of sound must not be changed in, such as the pitch of machines, is not changed here either.
    """
    said = base.provenance.get("recipe", {})
    own = {name: said[name] for name in _UNAUGMENTED if name in said and not said[name] and name not in given}
    chosen = dataclasses.replace(chosen, **own)
    network = {"members": 1, **base.network}
    known = {
        **{name: said[name] for name in _KEPT if name in said},
        **base.front_end,
        "network": network.pop("name"),
        **network,
    }
    return dataclasses.replace(chosen, **{name: known[name] for name in _KEPT if name in known})


def known_to(base: BundleSpec, clips: Clips, split: Split, *, chosen_by: bool = True) -> NDArray[np.bool_]:
    """Which clips cannot test what comes of a model, shape (clip,): those of groups of which it was trained on a clip already.

    Of groups that the split has on both sides, about which it claims nothing, only recordings that it was trained on, and copies.
    Clips that it was only chosen by cannot test, but choose again: without ``chosen_by`` they do not count.
    """
    said = base.provenance
    trained_on = set(said.get("trained_on", ())) - set(() if chosen_by else said.get("chosen_by", ()))
    groups = clips.manifest.column("group")
    recording, paths = pd.factorize(clips.manifest.column("path"))
    number = {path: n for n, path in enumerate(paths)}
    seen = np.zeros(len(paths), bool)
    seen[recording] = [content in trained_on for content in clips.hashes]
    seen |= measuring.copies_of(~seen, [(number[a], number[b]) for a, b in clips.manifest.copies])
    known = seen[recording]
    whole = np.setdiff1d(groups[known], np.intersect1d(groups[split.train], groups[split.test]))
    return np.asarray(known | np.isin(groups, whole))


def prepared(split: Split, base: BundleSpec, clips: Clips) -> tuple[Split, NDArray[np.bool_]]:
    """Nothing that the model knows tests, nor is chosen by; notes where it may forget, or may know whom it is tested on.

    Also which clips it was trained on, or their groups, shape (clip,).

    Raises
    ------
    DataError
        Where nothing is left to test.
    """
    learned = known_to(base, clips, split, chosen_by=False)
    split = _without_known(split, "valid", learned)
    split = _without_known(split, "test", known_to(base, clips, split))
    if names := namesakes(base, clips.manifest.take(split.test)):
        split = dataclasses.replace(split, notes=(*split.notes, namesakes_note(names)))
    trained = {x for value in clips.manifest.take(split.train).table["label"] for x in split_labels(value)}
    missing = [label for label in base.labels if label not in trained]
    notes = [f"labels of the model without a clip to train on here, which it may forget: {', '.join(missing)}"]
    alike = similar.matches(clips.manifest.labels, base.labels)
    new = [
        f"{similar.proposed(alike)}, a label of the model, but becomes a label of its own beside it: if it is meant, rename the "
        "label in the data"
    ]
    found = (*split.notes, *(notes if missing else ()), *(new if alike else ()))
    return dataclasses.replace(split, notes=found), learned


def _without_known(split: Split, part: str, known: NDArray[np.bool_]) -> Split:
    """Let clips of a part that the model knows train instead."""
    rows = getattr(split, part)
    moved = rows[known[rows]]
    if not len(moved):
        return split
    if part == "test" and len(moved) == len(rows):
        raise DataError(
            f"{split.name}: the model to continue from was trained on all {len(moved)} clips of the test part or on their groups; "
            "test on the fold that it was tested on, or on recordings that are new to it"
        )
    note = f"{len(moved)} clips of the {part} part train, since the model to continue from knows them or their groups"
    split = dataclasses.replace(split, train=np.union1d(split.train, moved), notes=(*split.notes, note))
    left = np.setdiff1d(rows, moved)
    return dataclasses.replace(split, test=left) if part == "test" else dataclasses.replace(split, valid=left)


def take_weights(classifier: Classifier, source: Bundle) -> None:
    """Copy the model's weights and front-end statistics; rows of the head that belong to new labels keep what they start with.

    Raises
    ------
    BundleError
        Where they are not those of this network.
    """
    try:
        state = load_tensors(source.read(WEIGHTS))
    except SafetensorError as error:
        raise BundleError(f"{source.path}: {WEIGHTS} cannot be read ({error}); copy the bundle again") from error
    own = classifier.state_dict()
    count = len(source.spec.labels)
    for name in ("head.weight", "head.bias"):
        own[name][:count] = state.pop(name)
    if {k: v.shape for k, v in state.items()} != {k: v.shape for k, v in own.items() if not k.startswith("head.")}:
        raise BundleError(
            f"{source.path}: {WEIGHTS} does not fit its network; was it made by another version? Train anew"
        )
    classifier.load_state_dict({**own, **state})


def kept(names: Collection[str]) -> list[str]:
    """Those of these settings that the model to continue from fixes."""
    return sorted(set(names) & set(_KEPT))


def joined(spec: BundleSpec, base: BundleSpec) -> BundleSpec:
    """The record, with what the model was made from before."""
    before = base.provenance
    both = {name: {*spec.provenance[name], *before.get(name, ())} for name in ("trained_on", "chosen_by", "groups")}
    learned = [set(made.get("trained_on", ())) - set(made.get("chosen_by", ())) for made in (spec.provenance, before)]
    both["chosen_by"] -= learned[0] | learned[1]
    made = {
        **spec.provenance,
        **{name: sorted(values) for name, values in both.items()},
        "continued": [*before.get("continued", ()), {k: before.get(k) for k in ("data", "split", "seed")}],
    }
    return dataclasses.replace(spec, provenance=made)
