"""What passes between a model and its task: judged windows, a decision, tested clips."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from earmark.types import Event

if TYPE_CHECKING:
    from earmark.data.manifest import Manifest


@dataclass(frozen=True)
class Judged:
    """The windows of a recording.

    Attributes
    ----------
    scores : ndarray, shape (window, class)
    starts : list of int
        Their first samples.
    machine : int
        Number of the machine that they were compared with.
    tails : ndarray of float64, shape (window,)
        Of detectors: share of normal windows that are at least as unusual; else of no length.
    """

    scores: NDArray[np.floating[Any]]
    starts: list[int]
    machine: int
    tails: NDArray[np.float64]


@dataclass(frozen=True)
class Decision:
    """What is predicted of a recording: its scores, shape (class,), and the fields of `earmark.Prediction` that follow."""

    scores: NDArray[np.floating[Any]]
    labels: tuple[str, ...] | None = None
    threshold: float | None = None
    tail: float | None = None
    events: tuple[Event, ...] = field(default=())


@dataclass(frozen=True)
class Tested:
    """What a model predicts of clips.

    Attributes
    ----------
    manifest : Manifest
    scores : ndarray, shape (clip, class)
        As `Task.recording` gives them.
    seconds : ndarray, shape (clip,)
    """

    manifest: Manifest
    scores: NDArray[np.floating[Any]]
    seconds: NDArray[np.float64]
