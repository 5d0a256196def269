"""Why clips are unusual, and how whole recordings were watched: figures that only detectors have."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from earmark.data.clips import Clips
from earmark.data.manifest import ROUNDING, Manifest
from earmark.evaluation import detection
from earmark.figures import plots
from earmark.figures.plots import Figure
from earmark.inference.detector import rarity
from earmark.inference.model import Model
from earmark.tasks import Tested
from earmark.tasks.machines import machine_column, machine_names

_SHOWN = 6  # figures in a report


def unusual_clips(model: Model, clips: Clips, tested: Tested) -> list[tuple[str, Figure]]:
    """The most unusual clip of each machine, at most six, with the frequencies and times that differ; none for classifiers."""
    if model.detector is None:
        return []
    spec, tails = model.spec, tested.scores[:, 0]
    machines = machine_column(clips.manifest, spec)
    found: dict[str, int] = {}
    for row in np.argsort(tails, kind="stable"):
        found.setdefault(machines[row], int(row))
    shown = []
    for name, row in list(found.items())[:_SHOWN]:
        machine = name if name in spec.machines else None
        samples = np.array(clips.waveform(row))
        title = f"{clips.manifest.table['path'].iat[row]} ({clips.manifest.table['label'].iat[row]})"
        begin, end = (float(clips.manifest.table[c].iat[row]) for c in ("start", "end"))
        if len(samples) > spec.plan.window:  # of a long clip its most unusual window
            each, starts = model.tails(samples, machine)
            start = starts[int(each.argmin())]
            samples = samples[start : start + spec.plan.window]
            title += f" from {begin + start / clips.sr:.1f} s"
        elif begin or not np.isnan(end):
            title += f" from {begin:.1f} s"
        change = model.deviation_of(samples, machine)
        caption = f"{title}: as unusual as {rarity(tails[row])}; {change}"
        figure = plots.deviation(
            change.levels, change.change, change.frequencies, change.seconds, bands=change.bands, title=title
        )
        shown.append((caption, figure))
    return shown


def whole(table: pd.DataFrame) -> pd.Series:
    """Which clips are whole recordings."""
    return table["end"].isna() & (table["start"] == 0)


def faults_of(rows: pd.DataFrame, normal: str, seconds: float) -> list[tuple[float, float]]:
    """Faults of a recording that lasts so long; segments of one label that touch are one fault."""
    found: list[tuple[float, float]] = []
    for _, same in rows[(rows["label"] != normal) & (rows["start"] < seconds)].groupby("label"):
        last = len(found)
        for start, end in sorted(zip(same["start"], same["end"].fillna(seconds).clip(upper=seconds), strict=True)):
            if len(found) > last and start <= found[-1][1] + ROUNDING:
                found[-1] = (found[-1][0], max(found[-1][1], end))
            else:
                found.append((start, end))
    return sorted(found)


def watch(
    model: Model, clips: Clips, manifest: Manifest, normal: str, *, drawn: bool
) -> tuple[list[dict[str, Any]], list[tuple[str, Figure]]]:
    """Alarms over whole recordings of which segments are labelled, and pictures of some; what has no label counts as normal.

    The labels are those of the manifest as it was read: a fault whose clip is excluded is a fault all the same.
    """
    table = clips.manifest.table.reset_index(drop=True)
    machines = machine_names(clips.manifest, model.spec)
    labelled = dict(iter(manifest.table.groupby("path")))
    found: list[dict[str, Any]] = []
    shown: list[tuple[str, Figure]] = []
    for path, rows in table.groupby("path", sort=True):
        if whole(rows).all():
            continue
        first = int(rows.index[0])
        seconds = len(clips.decoded[first].samples()) / clips.sr
        faults = faults_of(labelled[path], normal, seconds)
        prediction = model.predict(clips.manifest.root / str(path), windows=True, machine=machines[first])
        # A window that reaches over a fault's edge is not a false alarm.
        alarms, raised = [(e.start, e.end) for e in prediction.events], [e.raised for e in prediction.events]
        found.append(detection.watch(alarms, faults, seconds, raised=raised, tolerance=model.spec.window_seconds))
        if drawn and len(shown) < _SHOWN:
            times, tails = np.array([(w.start, w.tail) for w in prediction.windows], np.float64).T
            events = [(event.start, event.end) for event in prediction.events]
            figure = plots.unusual_scores(times, tails, model.spec.detector["rate"], events, title=str(path))
            shown.append((f"{path}: how unusual it is over time, with the threshold and the alarms", figure))
    return found, shown
