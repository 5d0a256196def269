"""``earmark crossval``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

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
    recipe: o.RecipeName = "balanced",
    settings: o.Settings,
    include: o.Include = "",
    group: o.Group = None,
    group_pattern: o.GroupPattern = None,
    layout: o.Layout = None,
    pattern: o.Pattern = None,
    channel: o.Channel = None,
    seed: o.Seed = 0,
    device: o.Device = "auto",
    resume: o.Resume = False,
    overwrite: o.Overwrite = False,
    json: o.Json = False,
) -> None:
    """Train a model per fold of DATA and pool what each says of the clips that it has not seen."""
    import earmark

    o.talk()
    summary = earmark.crossval(
        data,
        out,
        folds=folds,
        source=earmark.DataOptions(
            layout=layout, pattern=pattern, include=o.labels_of(include), group=group, group_pattern=group_pattern
        ),
        options=earmark.TrainOptions(
            recipe=recipe,
            settings=settings,
            channel=channel,
            seed=seed,
            device=device,
            resume=resume,
            overwrite=overwrite,
        ),
    )
    if json:
        o.show_json(summary)
    else:
        for fold in summary["folds"]:
            print(
                f"{fold['name']:14s} accuracy {100 * fold['accuracy']:.1f} %  f1 {fold['f1']:.3f}  ({fold['n']} clips)"
            )
        print(
            f"mean of folds  accuracy {100 * summary['mean']['accuracy']:.1f} % ± {100 * summary['std']['accuracy']:.1f}"
        )
        o.show_metrics(summary)
        for note in summary["notes"]:
            print(f"note      {note}")
        print(f"report    {out / 'report.html'}")
    o.exit_for(len(summary["skipped"]))
