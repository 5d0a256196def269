"""What goes in and comes out: small frozen values without heavy imports."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from earmark.errors import EarmarkError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, repr=False)
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

    def __repr__(self) -> str:
        return f"Waveform({self.duration:.3g} s at {self.sr} Hz)"


@dataclass(frozen=True)
class Facts:
    """What a recording is, measured while it is decoded.

    Attributes
    ----------
    sr, channels : int
        Its own rate in Hz, and how many channels it has.
    encoding : str
        Container and coding, such as ``WAV PCM_16``, ``MP3`` or ``MP4 aac``.
    seconds : float
        Its length.
    peak, rms : float
        Largest sample and effective value, of full scale, of what is used: the mean of the channels or the chosen one.
    channel_rms : tuple of float
        Effective value of each channel.
    leading, trailing : float
        Seconds of silence at its ends: 60 dB below its peak.
    remarks : tuple of (str, str)
        Kind and detail: ``header``, ``junk``, ``joined``, ``cancelled``, ``dead-channel``, ``comb``.
    """

    sr: int
    channels: int
    encoding: str
    seconds: float
    peak: float
    rms: float
    channel_rms: tuple[float, ...]
    leading: float
    trailing: float
    remarks: tuple[tuple[str, str], ...] = ()

    @property
    def cancelled(self) -> str:
        """How far below its channels their mean is, where they cancel each other; else nothing."""
        return next((detail for kind, detail in self.remarks if kind == "cancelled"), "")

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {**vars(self), "channel_rms": list(self.channel_rms), "remarks": [list(r) for r in self.remarks]}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Facts:
        """The inverse of `to_dict`."""
        remarks = tuple((str(kind), str(detail)) for kind, detail in values["remarks"])
        return cls(**{**values, "channel_rms": tuple(values["channel_rms"]), "remarks": remarks})


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
    """Scores of one segment of a recording, in seconds from its start.

    Attributes
    ----------
    start, end : float
    scores : tuple of Score
    tail : float or None
        Anomaly detectors: share of normal windows that are at least as unusual.
    """

    start: float
    end: float
    scores: tuple[Score, ...]
    tail: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        out = {"start": self.start, "end": self.end, "predictions": [s.to_dict() for s in self.scores]}
        return out if self.tail is None else {**out, "tail": self.tail}


@dataclass(frozen=True)
class Event:
    """A segment of a recording in which a label stays above its threshold.

    Attributes
    ----------
    start, end : float
        Seconds from the recording's start.
    raised : float
        When the first window that reached the threshold was complete: no alarm can be raised earlier.
    label : str
    score : float
        The highest of its windows.
    tail : float or None
        As `Window.tail`, the lowest of its windows.
    """

    start: float
    end: float
    raised: float
    label: str
    score: float
    tail: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        out = {"start": self.start, "end": self.end, "raised": self.raised, "label": self.label, "score": self.score}
        return out if self.tail is None else {**out, "tail": self.tail}


@dataclass(frozen=True, repr=False)
class Prediction:
    """What a model says of one recording.

    Attributes
    ----------
    path : str or None
        Where the recording came from; None for bytes and arrays.
    state : str
        ``ok``, ``silence``, ``clipped``, ``cancelled`` (the mean of its channels has lost their sound) or ``error``.
    scores : tuple of Score
        All labels, the likeliest first; empty after an error.
    windows : tuple of Window
        The scores over time, if asked for.
    error : str or None
        Why the recording could not be used.
    labels : tuple of str or None
        Multi-label models and anomaly detectors: the labels that reach their threshold, none to all; None for other models.
    machine : str or None
        Models of several machines: the one that was named, else the one that most of its windows sound like; each window is then
        held to what is usual of the one that it sounds like itself.
    threshold : float or None
        Anomaly detectors: the score from which a recording counts as abnormal.
    tail : float or None
        Anomaly detectors: as `Window.tail`, of its most unusual window.
    events : tuple of Event
        Anomaly detectors: when it was abnormal, if windows were asked for.
    """

    path: str | None
    state: str
    scores: tuple[Score, ...]
    windows: tuple[Window, ...] = field(default=())
    error: str | None = None
    labels: tuple[str, ...] | None = None
    machine: str | None = None
    threshold: float | None = None
    tail: float | None = None
    events: tuple[Event, ...] = field(default=())

    @property
    def label(self) -> str:
        """The likeliest label; of anomaly detectors ``abnormal``, or ``normal`` where the threshold is not reached.

        Raises
        ------
        EarmarkError
            Where the recording could not be used.
        """
        likeliest = self._likeliest().label
        return "normal" if self.threshold is not None and not self.labels else likeliest

    @property
    def score(self) -> float:
        """The score of the likeliest label; of anomaly detectors that of ``abnormal``, to be held against ``threshold``.

        Raises
        ------
        EarmarkError
            Where the recording could not be used.
        """
        return self._likeliest().score

    def __repr__(self) -> str:
        where = "" if self.path is None else f"{self.path!r}, "
        if self.error is not None:
            return f"Prediction({where}error: {self.error})"
        state = "" if self.state == "ok" else f", {self.state}"
        more = f", {len(self.windows)} windows" if self.windows else ""
        return f"Prediction({where}{self.label} {self.score:.3f}{state}{more})"

    def _repr_html_(self) -> str:
        from earmark.support import display

        rows = [[score.label, f"{score.score:.3f}"] for score in self.scores]
        rows += [[f"{e.label}, {e.start:.1f} to {e.end:.1f} s", f"{e.score:.3f}"] for e in self.events]
        note = self.error or f"state {self.state}" + (f", {len(self.windows)} windows" if self.windows else "")
        return display.table(self.path or "recording", rows, header=("label", "score"), note=note)

    def _likeliest(self) -> Score:
        if self.error is not None:
            raise EarmarkError(self.error)
        return self.scores[0]

    def to_dict(self) -> dict[str, Any]:
        """JSON form: the keys ``windows`` and ``error`` only where there are any."""
        out: dict[str, Any] = {
            "path": self.path,
            "state": self.state,
            "predictions": [s.to_dict() for s in self.scores],
        }
        if self.labels is not None:
            out["labels"] = list(self.labels)
        out |= {name: value for name in ("machine", "threshold", "tail") if (value := getattr(self, name)) is not None}
        if self.windows:
            out["windows"] = [w.to_dict() for w in self.windows]
            if self.threshold is not None:
                out["events"] = [e.to_dict() for e in self.events]
        if self.error is not None:
            out["error"] = self.error
        return out


@dataclass(frozen=True, repr=False)
class Deviation:
    """Which frequencies and times of a recording differ from its machine's normal sound.

    Attributes
    ----------
    levels : ndarray, shape (band, frame)
        Log-mel spectrogram in dB.
    change : ndarray, shape (band, frame)
        Levels less the normal mean, over the deviation of normal frames.
    bands : ndarray, shape (band,)
        The mean level of each band less the normal one, over the deviation of that mean between normal windows.
    excess_db : ndarray, shape (band,)
        The same in dB.
    frequencies : ndarray, shape (band,)
        Centre of each band in Hz.
    seconds : float
        How long the recording is.
    machine : str or None
        The machine that it was held against.
    """

    levels: NDArray[np.float64]
    change: NDArray[np.float64]
    bands: NDArray[np.float64]
    excess_db: NDArray[np.float64]
    frequencies: NDArray[np.float64]
    seconds: float
    machine: str | None = None

    def __str__(self) -> str:
        """The band that differs most, in words."""
        worst = int(abs(self.bands).argmax())
        side = "above" if self.bands[worst] > 0 else "below"
        return (
            f"most unusual around {self.frequencies[worst]:.0f} Hz: {abs(self.excess_db[worst]):.1f} dB {side} normal, "
            f"{abs(self.bands[worst]):.1f} deviations"
        )

    def __repr__(self) -> str:
        return f"Deviation({self})"

    def _repr_html_(self) -> str:
        from earmark.support import display

        order = abs(self.bands).argsort()[::-1][:5]
        rows = [
            [f"{self.frequencies[i]:.0f} Hz", f"{self.excess_db[i]:+.1f} dB", f"{self.bands[i]:+.1f}"] for i in order
        ]
        return display.table(str(self), rows, header=("band", "from normal", "deviations"))
