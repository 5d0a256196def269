"""A job: what is trained on which clips, with every setting."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from earmark import bundle, tasks
from earmark.bundle import BundleSpec
from earmark.data.clips import Clips
from earmark.data.splits import Split
from earmark.tasks import Task
from earmark.training.options import TrainOptions
from earmark.training.settings import Recipe


@dataclass(frozen=True)
class Job:
    """One training run: usable clips, how they are split, and every setting."""

    clips: Clips
    split: Split
    recipe: Recipe
    spec: BundleSpec
    options: TrainOptions

    @property
    def task(self) -> Task:
        """Its task."""
        return tasks.of(self.spec)


def identity(jobs: Sequence[Job]) -> str:
    """What must not have changed for a run to be gone on with: settings, and which content is trained and tested on."""
    return json.dumps([_identity(job) for job in jobs], indent=1)


def _identity(job: Job) -> dict[str, Any]:
    parts = {"train": job.split.train, "valid": job.split.valid, "test": job.split.test}
    return {
        "recipe": job.recipe.to_dict(),
        "base": job.options.base and bundle.read(job.options.base).hashes,
        "seed": job.options.seed,
        "spec": {k: v for k, v in job.spec.to_dict().items() if k not in ("metrics", "provenance")},
        "parts": {name: job.clips.take(rows).fingerprint for name, rows in parts.items()},
    }
