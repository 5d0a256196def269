"""Options and output that several verbs share."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from earmark.types import Prediction

Data = Annotated[
    Path,
    typer.Argument(
        help="Data set: a folder of recordings, or a table (.csv, .jsonl, .parquet ...).", show_default=False
    ),
]
Bundle = Annotated[Path, typer.Argument(help="Trained model: the bundle's folder or .zip.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output and nothing else.")]
Overwrite = Annotated[bool, typer.Option(help="Replace what the same kind of command made at the output path.")]
Layout = Annotated[
    str | None, typer.Option(help="Layout of the data set; found automatically otherwise.", show_default=False)
]
Pattern = Annotated[
    str | None,
    typer.Option(
        help="Regular expression over the relative paths with (?P<label>...), and if wanted (?P<group>...), (?P<fold>...).",
        show_default=False,
    ),
]
Include = Annotated[str, typer.Option(help="Labels to keep, separated by commas.", show_default=False)]
Group = Annotated[str | None, typer.Option(help="Column whose values must not straddle a split.", show_default=False)]
GroupPattern = Annotated[
    str | None, typer.Option(help="Regular expression that finds the group in a path.", show_default=False)
]
RecipeName = Annotated[
    str,
    typer.Option(
        help="Time to take (fast, balanced, best), kind of sound (general, speech, machine), or both: fast+speech. Without a time "
        "balanced, without a kind by the labels. Or notebook, anomaly, finetune, or the path of a .toml file of settings, of which "
        "those that it does not name are at their defaults, not at a recipe's."
    ),
]
LabelColumn = Annotated[
    str | None,
    typer.Option(help="Tables: the column that holds the label; found by its name otherwise.", show_default=False),
]
LabelSeparator = Annotated[
    str | None,
    typer.Option(help="What stands between the labels of a clip that has several, beside ';'.", show_default=False),
]
LabelSeconds = Annotated[
    float, typer.Option(help="Labels of points in time: make a clip of so many seconds around each; 0: exclude them.")
]
MinSeconds = Annotated[float, typer.Option(help="Labels of segments: exclude shorter ones.")]
Overlaps = Annotated[str, typer.Option(help="Labels of segments that overlap others: keep or drop.")]
Background = Annotated[
    str | None,
    typer.Option(
        help="Labels of segments: make clips of this label from what lies between them; none: clips without a label.",
        show_default=False,
    ),
]
Per = Annotated[
    str,
    typer.Option(
        help="Columns that together name a machine, as machine,id: figures for each of them.", show_default=False
    ),
]
Base = Annotated[
    Path | None,
    typer.Option(
        "--from",
        help="Model to continue from: its front end, labels and weights; DATA may add labels.",
        show_default=False,
    ),
]
Normal = Annotated[
    str | None,
    typer.Option(
        help="Label of sound machines; found by its name (normal, ok, intact ...) otherwise.", show_default=False
    ),
]
Machine = Annotated[
    str | None,
    typer.Option(help="Which of the model's machines it is; found by its sound otherwise.", show_default=False),
]
Task = Annotated[
    str,
    typer.Option(
        help="auto: a classifier; anomaly: a detector that learns from normal clips alone, its threshold set for "
        "--set false_alarms=1/8h (or 5% of the windows)."
    ),
]
Strict = Annotated[bool, typer.Option("--strict", help="Stop at recordings that cannot be used.")]
AllowLeak = Annotated[
    bool, typer.Option("--allow-leak", help="Take a split with groups on both sides; everything made says so.")
]
Settings = Annotated[
    list[str],
    typer.Option(
        "--set", help="Change a setting of the recipe: key=value; repeatable.", default_factory=list, show_default=False
    ),
]
Channel = Annotated[
    int | None, typer.Option(help="Channel to take, from 0; the mean of all otherwise.", show_default=False)
]
Seed = Annotated[int, typer.Option(help="Of the split, the weights, the order and the augmentation.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]
HeldOutOf = Annotated[
    int | None,
    typer.Option(
        "--folds",
        help="Make this many grouped folds, of which --test-fold N, or the one nearest to its share, tests. Default: the official "
        "ones, else 5.",
        show_default=False,
    ),
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on from an interrupted run.")]


def talk() -> None:
    """Show the library's remarks on standard error."""
    logger = logging.getLogger("earmark")
    for known in [h for h in logger.handlers if h.get_name() == "earmark"]:
        logger.removeHandler(known)  # an earlier call in this process may have had another standard error
    handler = logging.StreamHandler(sys.stderr)
    handler.set_name("earmark")
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger.addHandler(handler)
    logger.propagate = False
    logger.setLevel(logging.INFO)


def listed(text: str) -> tuple[str, ...]:
    """What stands between commas."""
    return tuple(x.strip() for x in text.split(",") if x.strip())


def selections(
    label_column: str | None,
    min_seconds: float = 0.0,
    overlaps: str = "keep",
    background: str | None = None,
    label_seconds: float = 0.0,
) -> Any:
    """What the options on labels of segments say."""
    from earmark.data.selections import SelectionOptions

    return SelectionOptions(
        label_column=label_column,
        min_seconds=min_seconds,
        overlaps=overlaps,
        background=background,
        label_seconds=label_seconds,
    )


def show_json(document: Any) -> None:
    """Print one JSON document."""
    import json

    print(json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False))


def shown_as_json(predictions: Iterable[Prediction]) -> Iterator[Prediction]:
    """Print each prediction as it comes, a line each; together they are one JSON list, which is not closed where they break off."""
    import json

    start = "[\n"
    for prediction in predictions:
        print(start + json.dumps(prediction.to_dict(), ensure_ascii=False, allow_nan=False), end="", flush=True)
        start = ",\n"
        yield prediction
    print("\n]")


def show_metrics(metrics: dict[str, Any]) -> None:
    """Print the main figures as a person reads them."""
    if "false_alarm_rate" in metrics:
        _show_detection(metrics)
    else:
        _show_classification(metrics)
    if "machines" in metrics:
        _show_machines(metrics)


def _show_classification(metrics: dict[str, Any]) -> None:
    """Figures of a classifier; what is undefined is a dash and the reason."""
    why = f"-  ({metrics.get('undefined') or 'undefined for every label'})"
    if "map" in metrics:
        about = "(mean average precision; accuracy counts clips with exactly the right labels)"
        print(f"map       {why}" if metrics["map"] is None else f"map       {metrics['map']:.3f}  {about}")
    if metrics["accuracy"] is None:
        print(f"accuracy  {why}")
    else:
        low, high = metrics["accuracy_interval"]
        print(
            f"accuracy  {100 * metrics['accuracy']:.1f} %  (95 % interval {100 * low:.1f} to {100 * high:.1f}, "
            f"{metrics['n']} clips)"
        )
    known = metrics.get("n_known", metrics["n"])
    about = "" if known == metrics["n"] else f"  (of the {known} clips whose label the model knows)"
    for name in ("precision", "recall", "f1", "loss"):
        words = about if name == "loss" else "  (macro)"
        print(f"{name:9s} {why if metrics[name] is None else f'{metrics[name]:.3f}{words}'}")


def _show_detection(metrics: dict[str, Any]) -> None:
    """Figures of an anomaly detector."""
    for name in ("auc", "pauc"):
        text = (
            "-  (undefined: one of the two conditions is missing)" if metrics[name] is None else f"{metrics[name]:.3f}"
        )
        if name == "auc" and metrics["auc_interval"]:
            text += "  (95 % interval {:.3f} to {:.3f})".format(*metrics["auc_interval"])
        print(f"{name:9s} {text}")
    print(f"at the threshold, {metrics['n']} clips:")
    why = "no abnormal clip" if metrics["recall"] is None else "no clip is flagged"
    for name in ("precision", "recall", "f1"):
        print(f"{name:9s} {f'-  (undefined: {why})' if metrics[name] is None else f'{metrics[name]:.3f}'}")
    rate = metrics["false_alarm_rate"]
    if rate["seen"] is not None:
        print(
            f"false alarms: {100 * rate['seen']:.2g} % of {rate['n']} normal clips ({_between(rate['interval'])}), stated "
            f"{100 * rate['stated']:.2g} % of the windows"
            + (f" (by the clips learnt from {_between(rate['stated_interval'])})" if rate["stated_interval"] else "")
        )
        if metrics["false_alarms_per_hour"] is not None:
            print(f"false alarms an hour of normal clips: {metrics['false_alarms_per_hour']:.2g}")
    watch = metrics.get("watch")
    if watch:
        delay = "" if watch["delay"] is None else f", after {watch['delay']:.1f} s in the median"
        print(
            f"long recordings: {watch['found']} of {watch['faults']} faults found{delay}; {watch['false_alarms']} false alarms in "
            f"{watch['normal_hours']:.2f} h"
        )


def _between(interval: list[float]) -> str:
    """An interval of shares."""
    low, high = interval
    return f"95 %: {100 * low:.2g} to {100 * high:.2g}"


def _show_machines(metrics: dict[str, Any]) -> None:
    """A row per machine."""
    rows = metrics["machines"]
    width = max(7, *(len(row["machine"]) for row in rows))
    print(f"\n{'machine':{width}}  precision  recall  accuracy    AUC      n")
    for row in [*rows, {"machine": "mean", "n": "", "note": "", **metrics["over_machines"]["mean"]}]:
        shown = [
            f"{'-':>{size}}"
            if row[name] is None
            else f"{100 * row[name]:{size - 2}.1f} %"
            if percent
            else f"{row[name]:{size}.3f}"
            for name, size, percent in (
                ("precision", 9, True),
                ("recall", 6, True),
                ("accuracy", 8, True),
                ("auc", 5, False),
            )
        ]
        note = f"  {row['note']}" if row["note"] else ""
        print(f"{row['machine']:{width}}  {'  '.join(shown)}  {row['n']:>5}{note}")
    harmonic = metrics["over_machines"]["harmonic_mean"]
    if harmonic["auc"] is not None:
        print(f"harmonic mean over machines: AUC {harmonic['auc']:.3f}, pAUC {harmonic['pauc']:.3f}")


def show_classes(metrics: dict[str, Any]) -> None:
    """Print a row per label."""
    names = ("precision", "recall", "f1", *(("ap",) if "map" in metrics else ()))
    width = max(5, *(len(label) for label in metrics["labels"]))
    print(f"\n{'label':{width}}  precision  recall     f1{'     ap' if 'map' in metrics else ''}      n")
    for label, row in metrics["per_class"].items():
        cells = [
            f"{'-':>{size}}" if row[name] is None else f"{row[name]:{size}.3f}"
            for name, size in zip(names, (9, 6, 5, 5), strict=False)
        ]
        note = f"  {row['note']}" if row.get("note") else ""
        print(f"{label:{width}}  {'  '.join(cells)}  {row['n']:5d}{note}")


def exit_for(skipped: int) -> None:
    """Exit with 1 where some inputs failed."""
    if skipped:
        raise typer.Exit(1)
