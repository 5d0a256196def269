"""What learns: each way to get from clips to a model offers the same steps."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from earmark import tasks
from earmark.bundle import BundleSpec
from earmark.training.options import TrainOptions
from earmark.training.settings import Recipe
from earmark.workflow import detector, network
from earmark.workflow.job import Job


class Learner(Protocol):
    """The steps of training that differ between a network and a detector."""

    def check(self, spec: BundleSpec, chosen: Recipe, options: TrainOptions) -> None:
        """Refuse settings that do not fit each other, before everything is decoded.

        Raises
        ------
        SettingsError
            With the remedy.
        """

    def fit(self, job: Job, work: Path) -> Any:
        """Learn from the training part; what `write` takes. Checkpoints go into ``work``."""

    def write(self, fitted: Any, job: Job, work: Path, folder: Path) -> BundleSpec:
        """Write the model files and the description into ``folder``; the description."""

    def verify(self, fitted: Any, job: Job, folder: Path) -> float:
        """The largest difference between torch and what `write` wrote, on clips of the data.

        Raises
        ------
        EarmarkError
            Where it is too large.
        """

    def history(self, work: Path) -> list[dict[str, float]]:
        """Metrics of each epoch."""


LEARNERS: Mapping[str, Learner] = {tasks.NETWORK: network, tasks.DETECTOR: detector}


def of(spec: BundleSpec) -> Learner:
    """The learner of a description's task."""
    return LEARNERS[tasks.of(spec).LEARNER]
