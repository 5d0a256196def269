"""What a bundle says of itself: the schema of ``earmark.json``."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.audio.levels import Levels
from earmark.audio.windows import MERGE_RULES, SHORT_CLIP_RULES, MergeRule, ShortClip, WindowPlan
from earmark.errors import BundleError, SettingsError

SCHEMA = 1
CLASSIFICATION, MULTILABEL, ANOMALY = "classification", "multilabel", "anomaly"
_LISTS = ("labels", "thresholds", "per", "machines")
Logits = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""Waveforms of windows, shape (window, time), to logits, shape (window, class)."""
AGAIN = "copy the bundle again or train anew"


@dataclass(frozen=True)
class BundleSpec:
    """The part of a bundle that prediction and fine-tuning need, as ``earmark.json`` holds it.

    Attributes
    ----------
    task : str
        ``classification`` (one label is right), ``multilabel`` (each label by itself) or ``anomaly`` (how unusual it is).
    labels : tuple of str
        In the order of the logits.
    per : tuple of str
        Columns of the data whose values together name a machine.
    machines : tuple of str
        Anomaly: names of the machines that have a threshold each; empty where all count as one machine.
    normal : str
        Label of healthy machines, where that matters.
    network : dict
        ``name``, ``width``, and ``members`` of an ensemble.
    sample_rate : int
        Hz.
    channel : int or None
        The channel that was trained on; None for the mean of all.
    window_seconds, stride_seconds : float
        Whole numbers of STFT hops.
    shifts : int
        Number of circular shifts of each window; the mean of their logits counts.
    short_clip : {"pad", "repeat"}
        Rule for recordings shorter than the window.
    levels : Levels
        What is done to a recording before it is cut into windows; bundles that do not say: nothing.
    merge : {"mean", "max"}
        How a recording's scores follow from its windows'.
    front_end : dict
        Settings of the front end, in seconds and hertz.
    temperature : float
        Divides the logits before the softmax or sigmoid.
    thresholds : tuple of float
        Multi-label: score from which each label counts as detected.
    detector : dict
        Anomaly: the stated false-alarm rate and what follows from it, as `earmark.training.detectors.describe` says.
    silence_dbfs : float
        A recording whose peak lies below is reported as ``silence``.
    clipped_share : float
        A recording with at least this share of its samples at full scale is reported as ``clipped``.
    metrics, provenance : dict
        What was measured, and what the model was made from.
    """

    labels: tuple[str, ...]
    network: dict[str, Any]
    sample_rate: int
    window_seconds: float
    stride_seconds: float
    front_end: dict[str, Any]
    channel: int | None = None
    short_clip: ShortClip = "pad"
    shifts: int = 1
    levels: Levels = field(default_factory=Levels)
    merge: MergeRule = "mean"
    task: str = CLASSIFICATION
    temperature: float = 1.0
    thresholds: tuple[float, ...] = ()
    per: tuple[str, ...] = ()
    machines: tuple[str, ...] = ()
    normal: str = ""
    detector: dict[str, Any] = field(default_factory=dict)
    silence_dbfs: float = -80.0
    clipped_share: float = 0.01
    metrics: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)

    @property
    def plan(self) -> WindowPlan:
        """How recordings are cut, in samples."""
        return WindowPlan(
            window=round(self.window_seconds * self.sample_rate),
            stride=round(self.stride_seconds * self.sample_rate),
            short_clip=self.short_clip,
        )

    def shifted_logits(self, waveforms: NDArray[np.float32], logits: Logits) -> NDArray[np.float32]:
        """Logits of windows, shape (window, time) to (window, class): the mean over their shifts."""
        length = waveforms.shape[1]
        each = [logits(np.roll(waveforms, i * length // self.shifts, axis=1)) for i in range(self.shifts)]
        return each[0] if self.shifts == 1 else np.mean(each, axis=0, dtype=np.float32)

    def machine_number(self, name: str | None) -> int | None:
        """Position of a machine.

        Raises
        ------
        SettingsError
            For an unknown one.
        """
        if name is None:
            return None
        if name not in self.machines:
            known = f"give one of {', '.join(self.machines)}" if self.machines else "it tells none apart: leave it out"
            raise SettingsError(f"machine {name!r} (machine=NAME) is not one of the model's; {known}")
        return self.machines.index(name)

    def to_dict(self) -> dict[str, Any]:
        """JSON form without the table of files."""
        lists = {name: list(getattr(self, name)) for name in _LISTS}
        return {"schema": SCHEMA, **dataclasses.asdict(self), **lists}

    @classmethod
    def from_dict(cls, data: Any, *, source: str) -> BundleSpec:
        """Validate what a JSON document says.

        Raises
        ------
        BundleError
            Naming the key, the value and the remedy.
        """
        if not isinstance(data, dict) or not isinstance(data.get("schema"), int):
            raise BundleError(f"{source}: is not an Earmark bundle: it holds no schema number; {AGAIN}")
        if data["schema"] > SCHEMA:
            raise BundleError(
                f"{source}: was written by a newer Earmark (schema {data['schema']}, this one reads up to {SCHEMA}); "
                "update Earmark"
            )
        fields = {f.name: f for f in dataclasses.fields(cls)}
        missing = [
            n
            for n, f in fields.items()
            if n not in data and f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
        ]
        if missing:
            raise BundleError(f"{source}: lacks {', '.join(missing)}; {AGAIN}")
        try:
            levels = Levels.from_dict(data.get("levels", {}))
        except SettingsError as error:
            raise BundleError(
                f"{source}: levels is {data['levels']!r}, which this Earmark cannot use; {AGAIN}"
            ) from error
        spec = cls(**{**{n: data[n] for n in fields if n in data}, "levels": levels})
        for name in _LISTS:
            value = getattr(spec, name)
            if not isinstance(value, list | tuple) or (
                name == "thresholds" and len(value) not in (0, len(spec.labels))
            ):
                raise BundleError(f"{source}: {name} is {value!r}, which this Earmark cannot use; {AGAIN}")
        lists: dict[str, Any] = {name: tuple(getattr(spec, name)) for name in _LISTS}
        spec = dataclasses.replace(spec, **lists)
        _validate(spec, source)
        return spec


def _validate(spec: BundleSpec, source: str) -> None:
    checks: list[tuple[str, Any, bool]] = [
        ("task", spec.task, isinstance(spec.task, str)),
        ("labels", spec.labels, len(spec.labels) > 0 and all(isinstance(x, str) for x in spec.labels)),
        ("sample_rate", spec.sample_rate, isinstance(spec.sample_rate, int) and spec.sample_rate > 0),
        ("window_seconds", spec.window_seconds, _positive(spec.window_seconds)),
        ("stride_seconds", spec.stride_seconds, _positive(spec.stride_seconds)),
        ("temperature", spec.temperature, _positive(spec.temperature)),
        ("short_clip", spec.short_clip, spec.short_clip in SHORT_CLIP_RULES),
        ("merge", spec.merge, spec.merge in MERGE_RULES),
        ("shifts", spec.shifts, isinstance(spec.shifts, int) and spec.shifts > 0),
        ("thresholds", spec.thresholds, all(isinstance(t, int | float) for t in spec.thresholds)),
        ("machines", spec.machines, all(isinstance(x, str) for x in spec.machines)),
        (
            "detector",
            spec.detector,
            isinstance(spec.detector, dict) and (spec.task != ANOMALY or _describes(spec.detector)),
        ),
        ("front_end", spec.front_end, isinstance(spec.front_end, dict)),
        ("network", spec.network, isinstance(spec.network, dict)),
    ]
    for key, value, good in checks:
        if not good:
            raise BundleError(f"{source}: {key} is {value!r}, which this Earmark cannot use; {AGAIN}")


def _describes(detector: dict[str, Any]) -> bool:
    rate, frequencies = detector.get("rate"), detector.get("frequencies")
    return isinstance(rate, float) and 0 < rate < 1 and isinstance(frequencies, list)


def _positive(value: object) -> bool:
    return isinstance(value, int | float) and value > 0
