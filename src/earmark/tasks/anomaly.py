"""Anomaly detection: how unusual a sound is, learned from normal clips alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from earmark.audio.windows import MergeRule, hysteresis
from earmark.bundle import BundleSpec
from earmark.data import conditions
from earmark.errors import DataError
from earmark.tasks.machines import machine_column
from earmark.tasks.outcome import Decision, Judged, Tested
from earmark.tasks.words import interval, share, three
from earmark.types import Event

if TYPE_CHECKING:
    import pandas as pd

    from earmark.data.manifest import Manifest
    from earmark.data.splits import Split

NAME = "anomaly"
LEARNER = "detector"
ASKED = True
RECIPE = "anomaly"
LABEL_LISTS = False
MERGE: MergeRule = "max"
LEAST_LABELS = 1
THRESHOLDS = False
SEARCHED = ""
UNKNOWN = ""
METRICS: Sequence[str] = ("accuracy", "auc", "pauc", "precision", "recall", "f1")
FOLD_COLUMNS: Sequence[tuple[str, str]] = (
    ("auc", "AUC"), ("pauc", "pAUC"), ("recall", "recall"), ("precision", "precision"),
)  # fmt: skip
LABEL_COLUMNS: Sequence[tuple[str, str]] = (("precision", "precision"), ("recall", "recall"), ("f1", "F1"))
CONFUSION = True
ALL_NORMAL = ", or pass layout='recordings' where all of it is normal sound"
_TAIL = "tail"  # column of a table of predictions


def check(manifest: Manifest, *, continued: bool) -> None:
    if manifest.multilabel:
        raise DataError(
            f"{manifest.root}: its clips are multi-label; an anomaly detector requires one label each, normal or another"
        )


def check_test(manifest: Manifest) -> None:
    if manifest.multilabel:
        raise DataError(f"{manifest.root}: its clips are multi-label, the model is single-label; choose other data")


def unlabelled_as(normal: str | None) -> str | None:
    """Where there are no labels at all, a plant's recordings are taken to be what plants have: normal sound."""
    return normal or conditions.NORMAL


def describe(
    spec: BundleSpec, manifest: Manifest, labels: Sequence[str], per: Sequence[str], normal: str | None
) -> BundleSpec:
    manifest.machines(per)  # refused early where a column or a value is missing
    found = conditions.chosen_normal(manifest.labels, normal, where=manifest.root)
    return replace(spec, task=NAME, labels=(conditions.ABNORMAL,), merge=MERGE, per=tuple(per), normal=found)


def parts(manifest: Manifest, splits: Sequence[Split], normal: str | None) -> list[Split]:
    """Only normal clips train; with one part to test all others can be tested, over folds each clip has its turn."""
    from earmark.data.splits import only_normal

    found = conditions.chosen_normal(manifest.labels, normal, where=manifest.root, hint=ALL_NORMAL)
    _refuse_unread_labels(manifest, found)
    return [only_normal(manifest, split, found, all_others=len(splits) == 1) for split in splits]


def check_split(manifest: Manifest, split: Split) -> None:
    """What `parts` makes can be trained on."""


def _refuse_unread_labels(manifest: Manifest, normal: str) -> None:
    """A detector must not learn what label files mark that cannot be read."""
    from earmark.data.inventory import UNREAD_LABELS
    from earmark.data.selections import beside

    unread = [] if manifest.files is None else manifest.files.unused.get(UNREAD_LABELS, ())
    table = manifest.table
    learned = [path for path, label in zip(table["path"], table["label"], strict=True) if label == normal]
    if found := [place for places in beside(learned, unread).values() for place in places]:
        raise DataError(
            f"{manifest.root}: {len(found)} files beside its {normal} recordings may be labels of unknown format "
            f"(first: {found[0]}); correct them, or move them away if they are none"
        )


def trained(spec: BundleSpec, manifest: Manifest, train: NDArray[np.int64]) -> tuple[BundleSpec, list[str]]:
    """The machines of which normal clips train, and a note where there are others."""
    names = np.array(manifest.machines(spec.per), object)
    learned = tuple(sorted(set(names[train]) - {""}))
    others = sorted(set(names) - {*learned, ""})
    notes = [f"machines that the detector does not learn, since no normal clip of theirs trains: {', '.join(others)}"]
    return replace(spec, machines=learned), notes if others else []


def recording(judged: Judged, spec: BundleSpec) -> NDArray[np.floating[Any]]:
    """The tail probability of the most unusual window: 1 less it would lose its digits."""
    return np.asarray(judged.tails.min(keepdims=True))


def decide(judged: Judged, spec: BundleSpec, spans: Sequence[tuple[float, float]]) -> Decision:
    tail, rate = float(judged.tails.min()), float(spec.detector["rate"])
    return Decision(
        np.array([1 - tail]), labels=spec.labels if tail <= rate else (), threshold=1 - rate, tail=tail,
        events=_events(judged.tails, spec, spans) if spans else (),
    )  # fmt: skip


def _events(tails: NDArray[np.float64], spec: BundleSpec, spans: Sequence[tuple[float, float]]) -> tuple[Event, ...]:
    """When windows were abnormal: from the stated rate on, and around that while they are rarer than its square root."""
    on = -np.log10(float(spec.detector["rate"]))
    found = []
    for first, raised, last in hysteresis(-np.log10(tails), on, on / 2):
        tail = float(tails[first : last + 1].min())
        found.append(Event(spans[first][0], spans[last][1], spans[raised][1], spec.labels[0], 1 - tail, tail=tail))
    return tuple(found)


def tested_spec(
    spec: BundleSpec, manifest: Manifest, per: Sequence[str], normal: str | None, *, where: object
) -> BundleSpec:
    if per:
        manifest.machines(per)
    return replace(spec, per=tuple(per) or spec.per, normal=_normal(spec, manifest, normal))


def _normal(spec: BundleSpec, manifest: Manifest, given: str | None) -> str:
    """A detector's normal label, or what the data call it; a name that is not known may be that of a fault."""
    labels, known = manifest.labels, conditions.normal_label(manifest.labels)
    if given in (None, spec.normal) and (spec.normal in labels or conditions.are_faults(labels)):
        return spec.normal
    if given == spec.normal and not any(map(conditions.may_be_normal, labels)):
        return spec.normal  # none of them is
    if given is None and known is not None:
        return known
    if given is None:
        raise DataError(
            f"{manifest.root}: which of its labels is normal? It has {', '.join(labels)}; name it with normal=LABEL, or say "
            f"normal={spec.normal!r} where none is{ALL_NORMAL}"
        )
    return conditions.chosen_normal(labels, given, where=manifest.root)


def unknown_labels(spec: BundleSpec, manifest: Manifest) -> list[str]:
    """None: whatever is not normal is abnormal."""
    return []


def measure(
    tested: Tested, spec: BundleSpec, unknown: Sequence[str] = (), predicted: Sequence[str] | None = None
) -> dict[str, Any]:
    from earmark.evaluation import detection

    tails = tested.scores[:, 0]
    abnormal = tested.manifest.column("label") != spec.normal
    flagged = tails <= spec.detector["rate"] if predicted is None else np.array(predicted) == spec.labels[0]
    found = detection.measure_detection(
        -np.log10(tails), abnormal, flagged, machine_column(tested.manifest, spec), labels=(spec.normal, spec.labels[0]),
        hours=float(tested.seconds[~abnormal].sum() / 3600), stated=spec.detector["rate"],
    )  # fmt: skip
    found["false_alarm_rate"]["stated_interval"] = spec.detector.get("rate_interval")
    return found


def columns(tested: Tested, spec: BundleSpec) -> tuple[pd.DataFrame, pd.DataFrame]:
    import pandas as pd

    tails = tested.scores[:, 0]
    predicted = np.where(tails <= spec.detector["rate"], spec.labels[0], spec.normal)
    correct = (predicted == spec.labels[0]) == (tested.manifest.table["label"].to_numpy() != spec.normal)
    return pd.DataFrame({"predicted": predicted, "score": 1 - tails, "correct": correct}), pd.DataFrame({_TAIL: tails})


def scores(table: pd.DataFrame, spec: BundleSpec) -> NDArray[np.floating[Any]]:
    return np.asarray(table[[_TAIL]], np.float64)


def pooled(specs: Sequence[BundleSpec]) -> BundleSpec:
    """With the mean of the stated rates."""
    return replace(specs[0], detector={"rate": float(np.mean([spec.detector["rate"] for spec in specs]))})


def headline(metrics: Mapping[str, Any]) -> list[tuple[str, str]]:
    rate = metrics.get("false_alarm_rate") or {}
    count = "" if rate.get("n") is None else f"{rate['n']} "
    ends = interval(rate.get("interval"), "{:.3g}%", words="; 95%: {}")
    found = [(three(metrics["auc"]), f"AUC{interval(metrics.get('auc_interval'), '{:.3f}', 1)}")]
    found += [
        (three(metrics.get(n)), t) for n, t in (("pauc", "pAUC"), ("recall", "recall"), ("precision", "precision"))
    ]
    found.append((three(metrics.get("f1")), "F1"))
    stated = f"stated {share(rate.get('stated'))} of the windows{ends}"
    found.append((share(rate.get("seen")), f"false alarms, of {count}normal clips ({stated})"))
    if metrics.get("false_alarms_per_hour") is not None:
        found.append((f"{metrics['false_alarms_per_hour']:.3g}", "false alarms an hour"))
    return found


def card_rows(metrics: Mapping[str, Any]) -> list[tuple[str, str]]:
    rate = metrics.get("false_alarm_rate") or {}
    alarms = "not measured"
    if rate.get("seen") is not None:
        alarms = f"{share(rate['seen'])} of normal clips{interval(rate.get('interval'), '{:.3g}', words=' (95% interval {})')}"
    if rate.get("stated") is not None:
        alarms += f", stated {share(rate['stated'])} of the windows"
    names = (("AUC", "auc"), ("pAUC", "pauc"), ("recall at the threshold", "recall"))
    return [
        *((title, three(metrics.get(name), "not measured")) for title, name in names),
        ("false-alarm rate at the threshold", alarms),
    ]


def card(spec: BundleSpec) -> dict[str, str]:
    more = f" and {len(spec.machines) - 6} more" if len(spec.machines) > 6 else ""
    machines = f": {', '.join(spec.machines[:6])}{more}" if spec.machines else ""
    return {
        "title": f"Anomalous sound detector{machines}",
        "output": "how unusual a sound is against the normal clips it was made from: a tail probability, with a threshold",
        "compared": "embeddings",
        "limits": "A sound that was never normal in training counts as abnormal, harmless ones too: new backgrounds need "
        "`earmark adapt`.",
    }
