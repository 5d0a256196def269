"""What differs between the tasks, a file each: labels, targets, loss, scores, decision, metrics, what the report says.

In: plain values (a manifest, a description, logits, scores). Out: targets, scores, decisions, metrics, words.
Imports: rooms up to `evaluation`; torch, pandas and `evaluation` only inside the functions of training and measuring.

A task is a module that offers what `Task` lists (one that trains a network: `NetworkTask`), and is registered in `TASKS`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from earmark.audio.windows import MergeRule
from earmark.bundle import BundleSpec
from earmark.errors import BundleError, SettingsError
from earmark.tasks import anomaly, classification, multilabel
from earmark.tasks.outcome import Decision, Judged, Tested

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

    from earmark.data.manifest import Manifest
    from earmark.data.splits import Split

__all__ = [
    "AUTO",
    "DETECTOR",
    "NETWORK",
    "TASKS",
    "Decision",
    "Judged",
    "NetworkTask",
    "Task",
    "Tested",
    "asked",
    "network",
    "of",
]

AUTO = "auto"
NETWORK, DETECTOR = "network", "detector"
"""What learns: a network by gradient descent, or a detector that remembers normal sound."""


class Task(Protocol):
    """What every task offers."""

    NAME: str
    LEARNER: str
    """`NETWORK` or `DETECTOR`."""
    ASKED: bool
    """Whether ``task`` must name it; else it follows from the data."""
    RECIPE: str
    """The recipe that ``auto`` stands for; empty where the labels choose it."""
    LABEL_LISTS: bool
    """Whether a clip may have several labels or none."""
    MERGE: MergeRule
    """How the scores of windows make those of a recording."""
    LEAST_LABELS: int
    """Of a bundle."""
    THRESHOLDS: bool
    """Whether thresholds are chosen on a validation set."""
    SEARCHED: str
    """The metric that a search for settings maximises; empty where settings cannot be searched."""
    UNKNOWN: str
    """What becomes of test clips whose label the model does not have."""
    METRICS: Sequence[str]
    """Those whose mean and deviation over folds are given."""
    FOLD_COLUMNS: Sequence[tuple[str, str]]
    """Metric and title of each column in the report's table of folds."""
    LABEL_COLUMNS: Sequence[tuple[str, str]]
    """The same of its table of labels."""
    CONFUSION: bool
    """Whether the report shows a confusion matrix."""

    # Data
    def check(self, manifest: Manifest, *, continued: bool) -> None:
        """Refuse labels that the task cannot learn from; ``continued``: a model that knows others goes on.

        Raises
        ------
        DataError
            With the remedy.
        """

    def check_test(self, manifest: Manifest) -> None:
        """Refuse data that cannot test a model of this task.

        Raises
        ------
        DataError
            With the remedy.
        """

    def unlabelled_as(self, normal: str | None) -> str | None:
        """The label of recordings where the data have none; None where they are refused."""

    def describe(
        self, spec: BundleSpec, manifest: Manifest, labels: Sequence[str], per: Sequence[str], normal: str | None
    ) -> BundleSpec:
        """The description with task, labels and machines."""

    def parts(self, manifest: Manifest, splits: Sequence[Split], normal: str | None) -> list[Split]:
        """The splits as the task trains and tests on them.

        Raises
        ------
        DataError
            Where one cannot be trained or tested on.
        """

    def check_split(self, manifest: Manifest, split: Split) -> None:
        """Refuse a split that cannot be trained on.

        Raises
        ------
        DataError
            With the remedy.
        """

    def trained(self, spec: BundleSpec, manifest: Manifest, train: NDArray[np.int64]) -> tuple[BundleSpec, list[str]]:
        """The description with what follows from the clips that train, and notes."""

    # Prediction
    def recording(self, judged: Judged, spec: BundleSpec) -> NDArray[np.floating[Any]]:
        """What is kept of a recording in tables of predictions, shape (class,)."""

    def decide(self, judged: Judged, spec: BundleSpec, spans: Sequence[tuple[float, float]]) -> Decision:
        """What is predicted; ``spans``: start and end of each window, empty where events are not asked for."""

    # Measuring
    def tested_spec(
        self, spec: BundleSpec, manifest: Manifest, per: Sequence[str], normal: str | None, *, where: object
    ) -> BundleSpec:
        """The description with the machines and the normal label that figures are wanted for.

        Raises
        ------
        EarmarkError
            Where the task has none.
        """

    def unknown_labels(self, spec: BundleSpec, manifest: Manifest) -> list[str]:
        """Labels of the data that the model does not have."""

    def measure(
        self, tested: Tested, spec: BundleSpec, unknown: Sequence[str], predicted: Sequence[str] | None
    ) -> dict[str, Any]:
        """All metrics; ``predicted``: the column of a table, where several models predicted by their own thresholds."""

    def columns(self, tested: Tested, spec: BundleSpec) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Of a table of predictions: what was predicted (predicted, score, correct), and every score."""

    def scores(self, table: pd.DataFrame, spec: BundleSpec) -> NDArray[np.floating[Any]]:
        """`recording` of each clip, back from a table of predictions."""

    def pooled(self, specs: Sequence[BundleSpec]) -> BundleSpec:
        """One description for what the models of all folds predicted."""

    # Words
    def headline(self, metrics: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Value and name of the figures at the top of a report."""

    def card_rows(self, metrics: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Name and value of the figures on the model card."""

    def card(self, spec: BundleSpec) -> dict[str, str]:
        """Words of the model card: ``title``, ``output``, ``compared`` and ``limits``."""


class NetworkTask(Task, Protocol):
    """What a task that trains a network offers too."""

    def probabilities(self, logits: NDArray[np.float32], temperature: float) -> NDArray[np.float32]:
        """Scores of windows from their logits, shape (window, class)."""

    def targets(self, manifest: Manifest, labels: Sequence[str]) -> NDArray[np.int64]:
        """Targets of each clip, shape (clip,) or (clip, class)."""

    def target_scores(self, targets: Tensor, classes: int) -> Tensor:
        """Targets as the scores that are right, shape (batch, class)."""

    def activate(self, logits: Tensor) -> Tensor:
        """`probabilities` in torch."""

    def loss(self, logits: Tensor, targets: Tensor, *, smoothing: float, focal: float) -> Tensor:
        """Loss of each clip, shape (batch,), or of each of its labels, shape (batch, class).

        With ``focal``, what is right already counts less (focal loss, Lin et al. 2017, arXiv 1708.02002).
        """

    def merge_logits(self, logits: Tensor, clip: Tensor) -> Tensor:
        """Logits of windows to those of their clips, as windows are merged in prediction; ``clip``: whose window it is."""

    def agreement(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Share of clips, or of single labels, that are right."""

    def class_weights(self, targets: NDArray[np.int64], classes: int) -> Tensor:
        """Weights that balance the labels, shape (class,)."""

    def clip_weights(self, weights: Tensor, targets: Tensor) -> Tensor:
        """Weight of each clip, or of each of its labels, shaped as `loss` gives it."""

    def thresholds(self, scores: NDArray[np.floating[Any]], targets: NDArray[np.int64]) -> tuple[float, ...]:
        """Scores from which a label counts, chosen on validation clips; none where the best label is the decision."""


_REGISTERED: Sequence[Task] = (classification, multilabel, anomaly)
TASKS: Mapping[str, Task] = {task.NAME: task for task in _REGISTERED}
"""The tasks by name; a new one is a new file and its name here."""


def of(spec: BundleSpec, *, source: object = "bundle") -> Task:
    """The task of a description.

    Raises
    ------
    BundleError
        For a task that is unknown, or that the description does not fit.
    """
    again = "which this Earmark cannot use; copy the bundle again or train anew"
    task = TASKS.get(spec.task)
    if task is None:
        raise BundleError(f"{source}: task is {spec.task!r}, {again}")
    if len(spec.labels) < task.LEAST_LABELS:
        raise BundleError(f"{source}: labels is {spec.labels!r}, {again}")
    return task


def network(name: str) -> NetworkTask:
    """A task that trains a network, by its name."""
    return cast(NetworkTask, TASKS[name])


def asked(name: str) -> Task | None:
    """The task that ``task`` names; None where it follows from the data.

    Raises
    ------
    SettingsError
        For one that cannot be asked for.
    """
    if name == AUTO:
        return None
    known = [AUTO, *(task.NAME for task in TASKS.values() if task.ASKED)]
    if name not in known:
        raise SettingsError(f"task is {name!r}; choose {' or '.join(known)}")
    return TASKS[name]
