"""``earmark train``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from earmark.cli import notes
from earmark.cli import options as o


def train(
    data: o.Data,
    out: Annotated[Path, typer.Option(help="Folder of the bundle that is made.", show_default=False)],
    *,
    recipe: o.RecipeName = "auto",
    settings: o.Settings,
    test_fold: Annotated[
        str | None,
        typer.Option(
            help="Fold or split that tests; none to train on everything. Default: the official one, else 20 % of the groups.",
            show_default=False,
        ),
    ] = None,
    folds: o.HeldOutOf = None,
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
    """Train a classifier, or an anomaly detector, on DATA, test it on clips that it has not seen, write it as a bundle."""
    import earmark

    o.talk()
    shown = notes.remembered()
    result = earmark.train(
        data,
        out,
        test_fold=test_fold,
        folds=folds,
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
        skipped = [{"path": e.source, "error": str(e)} for e in result.skipped]
        about = {"skipped": skipped, "notes": list(result.notes), **result.accounting, "model": str(result.path)}
        o.show_json({**result.metrics, **about})
    else:
        if result.metrics:
            o.show_metrics(result.metrics)
        notes.show(result.notes, shown)
        print(f"model     {result.path}\nreport    {result.path / 'report.html'}")
        print(f"try       earmark predict {result.path} RECORDING...")
    o.exit_for(len(result.skipped))
