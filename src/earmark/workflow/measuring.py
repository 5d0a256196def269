"""Clips to scores, and tables of predictions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from earmark import tasks
from earmark.bundle import BundleSpec
from earmark.data.clips import Clips
from earmark.data.validation import COLUMNS
from earmark.inference.model import Model
from earmark.support.progress import track
from earmark.tasks import Tested
from earmark.tasks.machines import machine_names


def test(model: Model, clips: Clips) -> Tested:
    """Scores of every clip by the exported model, each compared with its own machine where that is known."""
    machines = machine_names(clips.manifest, model.spec)
    scores, seconds = [], []
    for row in track(range(len(clips.manifest)), "testing", len(clips.manifest)):
        seconds.append(clips.seconds(row))
        scores.append(model.scores(clips.waveform(row), machines[row]))
    return Tested(clips.manifest, np.stack(scores), np.array(seconds))


def predictions(tested: Tested, spec: BundleSpec) -> pd.DataFrame:
    """One row per clip: its label, what was predicted, every score, and the manifest's further columns."""
    table = tested.manifest.table.reset_index(drop=True)
    predicted, every = tasks.of(spec).columns(tested, spec)
    predicted["seconds"] = tested.seconds
    ours = {*COLUMNS, *predicted.columns, *every.columns}
    further = [c for c in table.columns if c not in ours]
    parts = [table[["path", "start", "end", "label"]], predicted, table[["group", "fold", "split", *further]], every]
    return pd.concat(parts, axis=1)


def copies_of(fresh: NDArray[np.bool_], pairs: Sequence[tuple[int, int]]) -> NDArray[np.bool_]:
    """Which fresh clips are duplicates of ones that are not, directly or over others."""
    reached = ~fresh
    while True:
        more = {one for a, b in pairs for one, other in ((a, b), (b, a)) if reached[other] and not reached[one]}
        if not more:
            return reached & fresh
        reached[list(more)] = True
