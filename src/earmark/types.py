"""What goes in and comes out: small frozen values without heavy imports."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Waveform:
    """A mono recording in memory.

    Attributes
    ----------
    samples : ndarray of float32, shape (time,)
        Full scale is 1.0.
    sr : int
        Samples a second.
    """

    samples: NDArray[np.float32]
    sr: int

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.sr


@dataclass(frozen=True)
class Score:
    """One label and how likely it is, from 0 to 1."""

    label: str
    score: float

    def to_dict(self) -> dict[str, Any]:
        """As Hugging Face pipelines write it."""
        return {"label": self.label, "score": self.score}


@dataclass(frozen=True)
class Window:
    """Scores of one stretch of a recording, in seconds from its start."""

    start: float
    end: float
    scores: tuple[Score, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {"start": self.start, "end": self.end, "predictions": [s.to_dict() for s in self.scores]}


@dataclass(frozen=True)
class Prediction:
    """What a model says of one recording.

    Attributes
    ----------
    path : str or None
        Where the recording came from; None for bytes and arrays.
    state : str
        ``ok``, ``silence``, ``clipped`` or ``error``.
    scores : tuple of Score
        All labels, the likeliest first; empty after an error.
    windows : tuple of Window
        The scores over time, if asked for.
    error : str or None
        Why the recording could not be used.
    labels : tuple of str or None
        Multi-label models: the labels that reach their threshold, none to all; None for other models.
    """

    path: str | None
    state: str
    scores: tuple[Score, ...]
    windows: tuple[Window, ...] = field(default=())
    error: str | None = None
    labels: tuple[str, ...] | None = None

    @property
    def label(self) -> str:
        """The likeliest label."""
        return self.scores[0].label

    @property
    def score(self) -> float:
        """The score of the likeliest label."""
        return self.scores[0].score

    def to_dict(self) -> dict[str, Any]:
        """JSON form: the keys ``windows`` and ``error`` only where there are any."""
        out: dict[str, Any] = {
            "path": self.path,
            "state": self.state,
            "predictions": [s.to_dict() for s in self.scores],
        }
        if self.labels is not None:
            out["labels"] = list(self.labels)
        if self.windows:
            out["windows"] = [w.to_dict() for w in self.windows]
        if self.error is not None:
            out["error"] = self.error
        return out
