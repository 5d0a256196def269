"""Recordings and folders of them, classified by a model from disk."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from earmark.support.keywords import DATA, MACHINES, OUTPUT, StrPath, flat, option
from earmark.types import Prediction


@dataclass(frozen=True, kw_only=True)
class PredictCall:
    """What `earmark.predict` takes."""

    model: StrPath = field(kw_only=False, metadata=option("Trained model: the bundle's folder or .zip."))
    paths: StrPath | Sequence[StrPath] = field(
        kw_only=False, metadata=option("Recordings, or folders of them.", repeated=True)
    )
    strict: bool = field(
        default=False, metadata=option("Stop at recordings that cannot be used, instead of naming them.", DATA)
    )
    machine: str | None = field(
        default=None, metadata=option("Which of the model's machines it is. Default: found by its sound.", MACHINES)
    )
    windows: bool = field(
        default=False, metadata=option("Also give the scores of each window, and the events of a detector.", OUTPUT)
    )


@flat(PredictCall)
def predict(call: PredictCall) -> list[Prediction]:
    """Classify recordings; one that cannot be used gives a prediction with ``error`` set.

    Returns
    -------
    list of Prediction
        In the order of the paths; those of a folder sorted by name.

    Raises
    ------
    EarmarkError
        For a model or a path that cannot be used; with ``strict``, also for a recording.
    """
    from earmark.audio import find_recordings
    from earmark.errors import DataError
    from earmark.inference.model import load

    paths = [call.paths] if isinstance(call.paths, str | os.PathLike) else call.paths
    found = []
    for prediction in load(call.model).predict_each(
        find_recordings([Path(p) for p in paths]), windows=call.windows, machine=call.machine
    ):
        if call.strict and prediction.error is not None:
            raise DataError(prediction.error)
        found.append(prediction)
    return found
