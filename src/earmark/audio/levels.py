"""Levels of a recording: its mean taken off, silence at its ends trimmed, its peak or RMS brought to one value."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from earmark.errors import SettingsError

Normalise = Literal["none", "peak", "rms"]
NORMALISE: tuple[Normalise, ...] = ("none", "peak", "rms")

TARGET_RMS = 0.1
"""-20 dBFS, the alignment level of SMPTE RP 155: natural sounds peak 10 to 20 dB above their RMS and stay within full scale."""

_LEAST_DB, _MOST_DB = 1.0, 200.0  # below 1 dB rounding would decide what is silence
_FRAME, _HOP, _FLOOR = 2048, 512, 1e-5  # librosa's; RMS below the floor counts as the floor
_HUGE = 1e15  # only a broken file holds such samples; their squares would overflow
_AT_ONCE = 1024  # frames, so that the four-fold overlap does not take four times the recording's memory


@dataclass(frozen=True)
class Levels:
    """What is done to a recording before it is cut into windows, in the order of the attributes.

    Each of these depends on the recording from its start to its end (and on nothing else), so that memory grows with its
    length; what judges a sound while it lasts cannot do them, and must refuse a model whose levels are `whole`.

    Attributes
    ----------
    remove_dc : bool
        Take off the mean.
    trim_db : float
        Trim what is this many dB below the loudest frame from both ends, as ``librosa.effects.trim`` with ``top_db``; 0: nothing.
    normalise : {"none", "peak", "rms"}
        Scale to a largest absolute sample of 1, or to an RMS of `TARGET_RMS`. What holds zeros alone stays as it is.

    Raises
    ------
    SettingsError
        For a value of the wrong type or out of range.
    """

    remove_dc: bool = False
    trim_db: float = 0.0
    normalise: Normalise = "none"

    def __post_init__(self) -> None:
        """Refuse what cannot be done."""
        if not isinstance(self.remove_dc, bool):
            raise SettingsError(f"setting remove_dc is {self.remove_dc!r}; choose true or false")
        number = isinstance(self.trim_db, int | float) and not isinstance(self.trim_db, bool)
        if not number or not (self.trim_db == 0 or _LEAST_DB <= self.trim_db <= _MOST_DB):
            raise SettingsError(
                f"setting trim_db is {self.trim_db!r}; give 0 for no trimming, or {_LEAST_DB:g} to {_MOST_DB:g}"
            )
        if self.normalise not in NORMALISE:
            raise SettingsError(f"setting normalise is {self.normalise!r}; choose one of {', '.join(NORMALISE)}")

    @classmethod
    def from_dict(cls, data: Any) -> Levels:
        """What a JSON document says; what it does not name is not done.

        Raises
        ------
        SettingsError
            Also for a setting that there is not: sound must not be treated otherwise than it was in training.
        """
        names = [f.name for f in dataclasses.fields(cls)]
        if not isinstance(data, dict) or not set(data) <= set(names):
            raise SettingsError(f"the levels are {data!r}; give some of {', '.join(names)}")
        return cls(**data)

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return dataclasses.asdict(self)

    def __str__(self) -> str:
        """In words, empty where nothing is done."""
        scaled = {
            "none": "",
            "peak": "scaled to a peak of 1",
            "rms": f"scaled to {20 * math.log10(TARGET_RMS):g} dBFS RMS",
        }
        said = (
            "mean removed" if self.remove_dc else "",
            f"silence trimmed at {self.trim_db:g} dB" if self.trim_db else "",
            scaled[self.normalise],
        )
        return ", ".join(s for s in said if s)

    @property
    def whole(self) -> bool:
        """Whether anything is done, so that the whole recording is needed first."""
        return self != Levels()

    def apply(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Level a recording, shape (time,) to (time,), shorter where it is trimmed."""
        return self.located(samples)[0]

    def located(self, samples: NDArray[np.float32]) -> tuple[NDArray[np.float32], int]:
        """`apply`, with the number that the first sample of the outcome has in the recording."""
        first, end = 0, len(samples)
        if self.remove_dc and end:
            samples = samples - np.float32(samples.mean(dtype=np.float64))
        if self.trim_db:
            first, end = sounding(samples, self.trim_db)
        return self._scaled(samples[first:end]), first

    def _scaled(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        peak = np.abs(samples).max(initial=0.0)
        if self.normalise == "none" or peak == 0:
            return samples
        scaled = samples / peak  # not times 1 / peak, which overflows for the quietest
        if self.normalise == "rms":
            scaled = scaled * np.float32(TARGET_RMS / np.sqrt(np.square(scaled).mean(dtype=np.float64)))
        return np.asarray(scaled, np.float32)


def sounding(samples: NDArray[np.float32], top_db: float) -> tuple[int, int]:
    """First sample and the one after the last of what ``librosa.effects.trim`` keeps, step by step in float32 as there.

    Frames are centred, with zeros around the recording. What is silent throughout is kept whole.

    Parameters
    ----------
    samples : ndarray of float32, shape (time,)
    top_db : float
        A frame this far below the loudest, in dB of RMS, or further, is silence.
    """
    peak = np.abs(samples).max(initial=0.0)
    if peak > _HUGE:
        samples = samples / peak
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(samples, _FRAME // 2), _FRAME)[::_HOP]
    chunks = [np.square(frames[i : i + _AT_ONCE]).mean(axis=-1) for i in range(0, len(frames), _AT_ONCE)]
    rms = np.sqrt(np.concatenate(chunks))
    db = 10.0 * np.log10(np.maximum(_FLOOR**2, np.square(rms)))
    db -= 10.0 * np.log10(np.maximum(_FLOOR**2, rms.max() ** 2))
    loud = np.flatnonzero(db > -top_db)
    return int(loud[0]) * _HOP, min(len(samples), (int(loud[-1]) + 1) * _HOP)
