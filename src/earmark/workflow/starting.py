"""What training starts from: nothing, or a trained classifier."""

from __future__ import annotations

import dataclasses
import os
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from earmark import tasks
from earmark.bundle import Bundle, BundleSpec
from earmark.data.clips import Clips
from earmark.data.manifest import Manifest
from earmark.data.splits import Split
from earmark.errors import DataError, SettingsError
from earmark.networks.classifier import Classifier
from earmark.tasks import Task
from earmark.training import recipe
from earmark.training.options import AUTO, TrainOptions
from earmark.training.settings import Recipe
from earmark.workflow import continuing
from earmark.workflow.describing import make_spec


class Start(Protocol):
    """What differs between training anew and continuing from a model."""

    RECIPE: str
    """The recipe that ``auto`` stands for; empty where the data choose it."""
    continued: bool

    def task(self, manifest: Manifest) -> Task:
        """The task that follows from the labels, or that of the model.

        Raises
        ------
        EarmarkError
            Where the model cannot be continued from, or not with these labels.
        """

    def check_recipe(self, chosen: Recipe) -> None:
        """Refuse settings that contradict the start."""

    def describe(self, manifest: Manifest, chosen: Recipe, options: TrainOptions) -> tuple[BundleSpec, Recipe]:
        """The description that the data or the model ask for, and the recipe with what the model fixes."""

    def labels(self, manifest: Manifest) -> tuple[str, ...]:
        """In the order of the logits."""

    def divide(self, split: Split, clips: Clips) -> tuple[Split, NDArray[np.bool_] | None]:
        """The split without test clips that the model knows; which clips it was trained on, or their groups."""

    def begin(self, classifier: Classifier) -> None:
        """Give a classifier what it starts with; its front end's statistics too, where `continued`."""

    def record(self, spec: BundleSpec) -> BundleSpec:
        """The description with what the model was made from before."""


def start_of(options: TrainOptions) -> Start:
    """The start that the options ask for."""
    return Fresh() if options.base is None else Continued(options, options.base)


class Fresh:
    """Training anew."""

    RECIPE = ""
    continued = False

    def task(self, manifest: Manifest) -> Task:
        return tasks.TASKS[manifest.task]

    def check_recipe(self, chosen: Recipe) -> None:
        """Every recipe will do."""

    def describe(self, manifest: Manifest, chosen: Recipe, options: TrainOptions) -> tuple[BundleSpec, Recipe]:
        return make_spec(manifest, chosen, channel=options.channel), chosen

    def labels(self, manifest: Manifest) -> tuple[str, ...]:
        return tuple(manifest.labels)

    def divide(self, split: Split, clips: Clips) -> tuple[Split, NDArray[np.bool_] | None]:
        return split, None

    def begin(self, classifier: Classifier) -> None:
        """It starts with the weights that it was drawn with."""

    def record(self, spec: BundleSpec) -> BundleSpec:
        return spec


class Continued:
    """Continuing from a classifier: more recordings and labels are added."""

    RECIPE = recipe.FINETUNE
    continued = True

    def __init__(self, options: TrainOptions, base: str | os.PathLike[str]) -> None:
        self._options = options
        self._path = base

    @cached_property
    def _base(self) -> Bundle:
        return continuing.opened(self._path, self._options)

    def task(self, manifest: Manifest) -> Task:
        base = self._base.spec
        if manifest.multilabel != tasks.of(base).LABEL_LISTS:
            raise DataError(
                f"{manifest.root}: its task is {manifest.task}, that of the model to continue from {base.task}; train anew"
            )
        return tasks.of(base)

    def check_recipe(self, chosen: Recipe) -> None:
        if chosen.teachers:
            raise SettingsError(
                f"setting teachers is {chosen.teachers}; with base=MODEL there is a model to learn from: remove it"
            )

    def describe(self, manifest: Manifest, chosen: Recipe, options: TrainOptions) -> tuple[BundleSpec, Recipe]:
        given = {change.partition("=")[0].strip() for change in options.settings}
        if options.recipe not in (AUTO, recipe.FINETUNE, *recipe.TIERS):
            given |= recipe.named(options.recipe)
        base = self._base.spec
        spec = dataclasses.replace(
            base,
            labels=self.labels(manifest),
            temperature=1.0,
            thresholds=(),
            per=(),
            normal="",
            metrics={},
            provenance={},
        )
        return spec, continuing.with_kept(chosen, base, given)

    def labels(self, manifest: Manifest) -> tuple[str, ...]:
        """The model's labels first, then new ones."""
        base = self._base.spec
        return (*base.labels, *(label for label in manifest.labels if label not in base.labels))

    def divide(self, split: Split, clips: Clips) -> tuple[Split, NDArray[np.bool_] | None]:
        return continuing.prepared(split, self._base.spec, clips)

    def begin(self, classifier: Classifier) -> None:
        continuing.take_weights(classifier, self._base)

    def record(self, spec: BundleSpec) -> BundleSpec:
        return continuing.joined(spec, self._base.spec)
