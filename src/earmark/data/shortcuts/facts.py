"""The facts of a file: which are compared, in what steps, and what to do where one gives the label away.

In: `earmark.types.Facts` of the recordings. Out: a table of them, and each fact as bins.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from earmark.types import Facts

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

_BINS = 32
_QUIETEST = 1e-5  # of full scale, -100 dB
_SHORTEST = 1e-3  # seconds
_DEVICE = "Record all labels with the same device"
_TRIM = "Cut it off, or train with trim_db=60"


@dataclass(frozen=True)
class Fact:
    """A fact of a file: how it is compared, and what to do where it predicts the label.

    Attributes
    ----------
    name : str
        Column of the table of facts.
    remedy : str
        ``{lowest}`` in it becomes the lowest value.
    step : float
        Difference in `unit` that a model may notice, or for `ratio` as a share; 0 for facts without an order.
    unit : str
    own : bool
        Whether the sounds themselves may differ in it.
    ratio : bool
        Whether differences are ratios.
    """

    name: str
    remedy: str
    step: float = 0.0
    unit: str = ""
    own: bool = False
    ratio: bool = False

    @property
    def least(self) -> tuple[float, float]:
        """Skill from which it is reported: for all labels together, and for one label against the others.

        Higher where sounds themselves may differ: those of real data sets stay below, see benchmarks/shortcuts.py.
        """
        return (0.6, 0.75) if self.own else (0.3, 0.5)

    def bins(self, values: pd.Series) -> tuple[Ints, Floats]:
        """Bin of each value, and (bin, bin) how much a training recording in the one says about the other."""
        return _in_steps(self.scaled(values)) if self.step else _named(values)

    def scaled(self, values: pd.Series) -> Floats:
        """Values of a fact that has an order in its steps; NaN where there is none."""
        if self.name == DATE:
            days = pd.to_datetime(values.where(values != ""), format="%Y-%m-%d")
            return np.asarray((days - pd.Timestamp(0)) / pd.Timedelta(days=1), float) / self.step
        numbers = values.to_numpy(float)
        return np.asarray((np.log(np.maximum(numbers, _SHORTEST)) if self.ratio else numbers) / self.step)

    def usual(self, values: pd.Series) -> str:
        """What values are like, for people."""
        if self.name == DATE:
            known = values[values != ""]
            if known.empty:
                return "unknown"
            return str(known.min()) + (f" to {known.max()}" if known.min() != known.max() else "")
        if self.step:
            return f"{values.median():.3g} {self.unit}"
        value = values.mode()[0]
        share = float((values == value).mean())
        return f"{value} {self.unit}".strip() + (f" ({percent(share)} of them)" if share < 1 else "")


DATE = "date"
LEVELS = ("level", "peak")
PARTS = ("sample rate", "channels", "encoding")
"""Of the file format."""

FACTS = (
    Fact("sample rate", f"{_DEVICE}, or train with sample_rate={{lowest}}, the lowest rate", unit="Hz"),
    Fact("channels", f"{_DEVICE}, or mix all recordings down to one channel"),
    Fact("encoding", f"{_DEVICE}, or pass all recordings through the same encoding"),
    Fact(DATE, "Record all labels on the same days, or make the day the group", step=1.0),
    Fact("level", "Train with normalise=rms", step=1.0, unit="dB", own=True),
    Fact("peak", "Train with normalise=peak", step=1.0, unit="dB", own=True),
    Fact("length", "Cut all recordings to one length", step=0.05, unit="s", own=True, ratio=True),
    Fact("silence at the start", _TRIM, step=0.05, unit="s", own=True),
    Fact("silence at the end", _TRIM, step=0.05, unit="s", own=True),
)
"""The facts that are tested.

Names of files are not among them: a model never sees them, and the label in the name is the commonest way to label.
"""

FORMAT = Fact("file format", f"{_DEVICE}, or convert all recordings to one rate, channel count and encoding")
"""`PARTS` together."""
ALL = Fact("all facts together", f"{_DEVICE}, and bring all recordings to one level and length", own=True)


def table_of(recordings: Iterable[Facts], days: Sequence[str] = ()) -> pd.DataFrame:
    """One row per recording and one column per fact, with the days of `earmark.data.shortcuts.days` where they are known."""
    rows = [
        (r.sr, r.channels, r.encoding, _decibels(r.rms), _decibels(r.peak), r.seconds, r.leading, r.trailing)
        for r in recordings
    ]
    table = pd.DataFrame(rows, columns=[fact.name for fact in FACTS if fact.name != DATE])
    return table.assign(**{DATE: list(days)}) if len(days) else table


def percent(share: float) -> str:
    """A share of 1 as people write it."""
    return f"{100 * share:.1f}".removesuffix(".0") + "%"


def _named(values: pd.Series) -> tuple[Ints, Floats]:
    """Bins of values without an order: the commonest values, and all others together."""
    common = {value: i for i, value in enumerate(values.value_counts().index[: _BINS - 1])}
    return np.array([common.get(value, len(common)) for value in values], np.intp), np.eye(len(common) + 1)


def _in_steps(scaled: Floats) -> tuple[Ints, Floats]:
    """Bins of values with an order: one for each step, or quantiles where those are too many; NaN is a bin of its own.

    What a bin says about another falls slowly with their distance, so that the nearer side of a gap decides.
    """
    known = np.isfinite(scaled)
    steps = np.unique(np.round(scaled[known]))
    edges = (steps[1:] + steps[:-1]) / 2
    if len(steps) > _BINS:
        edges = np.unique(np.quantile(scaled[known], np.linspace(0, 1, _BINS + 1)[1:-1]))
    codes = np.where(known, np.searchsorted(edges, scaled, side="right"), len(edges) + 1)
    counts = np.bincount(codes, minlength=len(edges) + 2)
    centres = np.bincount(codes, np.where(known, scaled, 0.0), len(edges) + 2) / np.maximum(counts, 1)
    near = 1 / (1 + np.abs(centres[:, None] - centres)) ** 2
    near[-1] = near[:, -1] = 0.0
    near[-1, -1] = 1.0
    return codes, near


def _decibels(value: float) -> float:
    return 20 * math.log10(max(value, _QUIETEST))
