"""Earmark turns a folder of labelled recordings into a sound classifier that its owner can trust and ship.

>>> import earmark
>>> model = earmark.load("model")                # doctest: +SKIP
>>> model.predict("recording.wav").label         # doctest: +SKIP
'dog'
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from earmark.data.manifest import Manifest
    from earmark.data.options import read
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
    from earmark.figures.images import Written, spectrogram
    from earmark.inference.model import Model, load
    from earmark.inference.predicting import predict
    from earmark.types import Deviation, Event, Prediction, Score, Waveform, Window
    from earmark.workflow.adaptation import adapt
    from earmark.workflow.crossvalidation import crossval
    from earmark.workflow.evaluating import evaluate
    from earmark.workflow.results import Result
    from earmark.workflow.training import train
    from earmark.workflow.tuning import Tuned, tune

_HOMES = {
    "earmark.errors": (
        "AudioError", "BundleError", "DataError", "EarmarkError", "Interrupted", "MissingExtra", "OutputError", "SettingsError",
    ),
    "earmark.data.manifest": ("Manifest",),
    "earmark.figures.images": ("Written", "spectrogram"),
    "earmark.inference.model": ("Model", "load"),
    "earmark.inference.predicting": ("predict",),
    "earmark.types": ("Deviation", "Event", "Prediction", "Score", "Waveform", "Window"),
    "earmark.data.options": ("read",),
    "earmark.data.scan": ("Scan", "scan"),
    "earmark.workflow.adaptation": ("adapt",),
    "earmark.workflow.crossvalidation": ("crossval",),
    "earmark.workflow.evaluating": ("evaluate",),
    "earmark.workflow.results": ("Result",),
    "earmark.workflow.training": ("train",),
    "earmark.workflow.tuning": ("Tuned", "tune"),
}  # fmt: skip

__all__ = [
    "AudioError",
    "BundleError",
    "DataError",
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
    "Tuned",
    "Waveform",
    "Window",
    "Written",
    "adapt",
    "crossval",
    "evaluate",
    "load",
    "predict",
    "read",
    "scan",
    "spectrogram",
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
    # Read by torch when it is loaded: threads that wait for work then leave the cores to others.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        return import_module(home)
    except ModuleNotFoundError as error:
        from earmark.errors import MissingExtra

        if error.name is None or error.name.startswith("earmark"):
            raise
        raise MissingExtra(error.name.partition(".")[0], "train") from error
