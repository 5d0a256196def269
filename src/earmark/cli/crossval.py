"""``earmark crossval``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from earmark.cli import notes
from earmark.cli import options as o


def crossval(
    data: o.Data,
    out: Annotated[
        Path, typer.Option(help="Folder that takes a bundle per fold and the pooled figures.", show_default=False)
    ],
    *,
    folds: Annotated[
        int | None,
        typer.Option(help="Number of grouped folds. Default: the official folds, else 5.", show_default=False),
    ] = None,
    show_leak: Annotated[
        bool,
        typer.Option("--show-leak", help="Also train on random folds: what a split that ignores groups would claim."),
    ] = False,
    recipe: o.RecipeName = "auto",
    settings: o.Settings,
    include: o.Include = "",
    group: o.Group = None,
    group_pattern: o.GroupPattern = None,
    layout: o.Layout = None,
    pattern: o.Pattern = None,
    label_column: o.LabelColumn = None,
    label_separator: o.LabelSeparator = None,
    label_seconds: o.LabelSeconds = 0.0,
    min_seconds: o.MinSeconds = 0.0,
    overlaps: o.Overlaps = "keep",
    background: o.Background = None,
    strict: o.Strict = False,
    allow_leak: o.AllowLeak = False,
    channel: o.Channel = None,
    base: o.Base = None,
    task: o.Task = "auto",
    per: o.Per = "",
    normal: o.Normal = None,
    seed: o.Seed = 0,
    device: o.Device = "auto",
    resume: o.Resume = False,
    overwrite: o.Overwrite = False,
    json: o.Json = False,
) -> None:
    """Train a model per fold of DATA and pool what each says of the clips that it has not seen."""
    import earmark

    o.talk()
    shown = notes.remembered()
    summary = earmark.crossval(
        data,
        out,
        folds=folds,
        show_leak=show_leak,
        source=earmark.DataOptions(
            layout=layout,
            pattern=pattern,
            include=o.listed(include),
            group=group,
            group_pattern=group_pattern,
            label_separator=label_separator,
            selections=o.selections(label_column, min_seconds, overlaps, background, label_seconds),
            strict=strict,
        ),
        options=earmark.TrainOptions(
            recipe=recipe,
            settings=settings,
            channel=channel,
            seed=seed,
            device=device,
            resume=resume,
            overwrite=overwrite,
            allow_leak=allow_leak,
            base=base,
            task=task,
            per=o.listed(per),
            normal=normal,
        ),
    )
    if json:
        o.show_json(summary)
    else:
        _show_folds(summary)
        o.show_metrics(summary)
        if show_leak:
            _show_leak(summary, seed)
        notes.show(summary["notes"], shown)
        print(f"report    {out / 'report.html'}")
    o.exit_for(len(summary["skipped"]))


def _show_folds(summary: dict[str, Any]) -> None:
    """A line per fold, and their mean; what is undefined is a dash."""
    mean, deviation = summary["mean"], summary["std"]
    auc = "auc" in mean
    for fold in summary["folds"]:
        defined = fold.get("auc") is not None
        first = f"AUC {_three(fold['auc'])}" if defined else f"accuracy {_percent(fold['accuracy'])}"
        print(f"{fold['name']:14s} {first}  f1 {_three(fold['f1'])}  ({fold['n']} clips)")
    figure, shown = ("auc", _three) if auc else ("accuracy", _percent)
    count = sum(fold.get(figure) is not None for fold in summary["folds"])
    where = "" if count == len(summary["folds"]) else f" (of the {count} folds where it is defined)"
    spread = "" if deviation.get(figure) is None else f" ± {shown(deviation[figure]).removesuffix(' %')}"
    print(f"mean of folds  {'AUC' if auc else figure} {shown(mean.get(figure))}{spread}{where}")


def _three(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"


def _show_leak(summary: dict[str, Any], seed: int) -> None:
    """Random and grouped folds side by side."""
    both = (summary, summary["random"])
    figure = "auc" if all(found["mean"].get("auc") is not None for found in both) else "accuracy"
    name = {"auc": "AUC"}.get(figure, figure)
    print(f"\nsplit     mean {name} of {len(summary['folds'])} folds, seed {seed}")
    for kind, found in (("random", summary["random"]), ("grouped", summary)):
        mean, deviation = found["mean"].get(figure), found["std"].get(figure)
        spread = "" if deviation is None else f" ± {100 * deviation:.1f}"
        each = " / ".join(_percent(fold.get(figure)).removesuffix(" %") for fold in found["folds"])
        print(f"{kind:8s}  {_percent(mean)}{spread}  ({each})")
    random, grouped = (found["mean"].get(figure) for found in (summary["random"], summary))
    if random is None or grouped is None:
        print("leak      -  (undefined: one of the two has no mean)\n")
        return
    print(
        f"leak      {100 * (random - grouped):+.1f} points: what a random split claims beyond what holds for new groups\n"
    )
