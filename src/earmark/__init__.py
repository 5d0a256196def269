"""Earmark turns a folder of labelled recordings into a sound classifier that its owner can trust and ship.

>>> import earmark
>>> model = earmark.load("model")                # doctest: +SKIP
>>> model.predict("recording.wav").label         # doctest: +SKIP
'dog'
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from earmark.data.manifest import Manifest
    from earmark.data.options import DataOptions
    from earmark.data.scan import Scan, scan
    from earmark.errors import (
        AudioError,
        BundleError,
        DataError,
        EarmarkError,
        Interrupted,
        MissingExtra,
        OutputError,
        SettingsError,
    )
    from earmark.inference.model import Model, load
    from earmark.training.options import TrainOptions
    from earmark.types import Deviation, Event, Prediction, Score, Waveform, Window
    from earmark.workflow import Result, Tuned, adapt, crossval, evaluate, train, tune

_HOMES = {
    "earmark.errors": (
        "AudioError", "BundleError", "DataError", "EarmarkError", "Interrupted", "MissingExtra", "OutputError", "SettingsError",
    ),
    "earmark.data.manifest": ("Manifest",),
    "earmark.inference.model": ("Model", "load"),
    "earmark.types": ("Deviation", "Event", "Prediction", "Score", "Waveform", "Window"),
    "earmark.data.options": ("DataOptions",),
    "earmark.training.options": ("TrainOptions",),
    "earmark.data.scan": ("Scan", "scan"),
    "earmark.workflow": ("Result", "Tuned", "adapt", "crossval", "evaluate", "train", "tune"),
}  # fmt: skip

__all__ = [
    "AudioError",
    "BundleError",
    "DataError",
    "DataOptions",
    "Deviation",
    "EarmarkError",
    "Event",
    "Interrupted",
    "Manifest",
    "MissingExtra",
    "Model",
    "OutputError",
    "Prediction",
    "Result",
    "Scan",
    "Score",
    "SettingsError",
    "TrainOptions",
    "Tuned",
    "Waveform",
    "Window",
    "adapt",
    "crossval",
    "evaluate",
    "load",
    "scan",
    "train",
    "tune",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that ``import earmark`` stays light."""
    for home, names in _HOMES.items():
        if name in names:
            value = getattr(_import(home), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module 'earmark' has no attribute {name!r}")


def _import(home: str) -> Any:
    try:
        return import_module(home)
    except ModuleNotFoundError as error:
        from earmark.errors import MissingExtra

        if error.name is None or error.name.startswith("earmark"):
            raise
        raise MissingExtra(error.name.partition(".")[0], "train") from error
