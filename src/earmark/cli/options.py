"""Options and output that several verbs share."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

Data = Annotated[
    Path,
    typer.Argument(help="Data set: a folder of recordings, or a table (.csv, .jsonl, .parquet).", show_default=False),
]
Bundle = Annotated[Path, typer.Argument(help="Trained model: the bundle's folder or .zip.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output and nothing else.")]
Overwrite = Annotated[bool, typer.Option(help="Replace what is at the output path.")]
Layout = Annotated[
    str | None, typer.Option(help="Layout of the data set; found by itself otherwise.", show_default=False)
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
    str, typer.Option(help="auto (by the labels), fast, balanced, best, machine, or the path of a .toml file.")
]
LabelColumn = Annotated[
    str | None, typer.Option(help="Raven tables: the column that holds the label.", show_default=False)
]
MinSeconds = Annotated[float, typer.Option(help="Raven and Audacity labels: leave out shorter ones.")]
Overlaps = Annotated[str, typer.Option(help="Raven and Audacity labels that overlap others: keep or drop.")]
Background = Annotated[
    str | None,
    typer.Option(
        help="Raven and Audacity labels: make what lies between them clips of this label.", show_default=False
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
Resume = Annotated[bool, typer.Option("--resume", help="Go on from an interrupted run.")]


def talk() -> None:
    """Show the library's remarks on standard error."""
    logger = logging.getLogger("earmark")
    if not logger.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(message)s"))
        logger.addHandler(handler)
        logger.propagate = False
    logger.setLevel(logging.INFO)


def labels_of(include: str) -> tuple[str, ...]:
    """What ``--include`` lists."""
    return tuple(x.strip() for x in include.split(",") if x.strip())


def selections(label_column: str | None, min_seconds: float, overlaps: str, background: str | None) -> Any:
    """What the options on label files say."""
    from earmark.selections import SelectionOptions

    return SelectionOptions(
        label_column=label_column, min_seconds=min_seconds, overlaps=overlaps, background=background
    )


def show_json(document: Any) -> None:
    """Print one JSON document."""
    import json

    print(json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False))


def show_metrics(metrics: dict[str, Any]) -> None:
    """Print the main figures as a person reads them."""
    low, high = metrics["accuracy_interval"]
    if "map" in metrics:
        print(
            f"map       {metrics['map']:.3f}  (mean average precision; accuracy counts clips with exactly the right labels)"
        )
    print(
        f"accuracy  {100 * metrics['accuracy']:.1f} %  (95 % interval {100 * low:.1f} to {100 * high:.1f}, {metrics['n']} clips)"
    )
    for name in ("precision", "recall", "f1", "loss"):
        print(f"{name:9s} {metrics[name]:.3f}{'' if name == 'loss' else '  (macro)'}")


def show_classes(metrics: dict[str, Any]) -> None:
    """Print a row per label."""
    width = max(5, *(len(label) for label in metrics["labels"]))
    print(f"\n{'label':{width}}  precision  recall     f1      n")
    for label, row in metrics["per_class"].items():
        print(f"{label:{width}}  {row['precision']:9.3f}  {row['recall']:6.3f}  {row['f1']:5.3f}  {row['n']:5d}")


def exit_for(skipped: int) -> None:
    """Exit with 1 where some inputs failed."""
    if skipped:
        raise typer.Exit(1)
